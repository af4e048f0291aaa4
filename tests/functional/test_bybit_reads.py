"""Bybit's reads through the whole daemon: series whole or an error, refusals with their rule, keys not taken."""

from typing import Any

import anyio
import pytest

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.functional.test_http import get
from tests.support.bybit_examples import READS
from tests.support.client import Refused, connected
from tests.support.daemon import Daemon
from tests.support.readiness import none_timed_out, readiness
from tests.support.simulator import SimulatorProcess

TESTNET = "bybit_testnet"
PERPETUAL = {"category": "linear", "symbol": "BTCUSDT"}
DAYS = {"start": "2026-08-01T00:00:00Z", "end": "2026-08-03T00:00:00Z"}
YEAR = {"start": "2025-11-01T00:00:00Z", "end": "2026-08-01T00:00:00Z"}
SERIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("get_historical", "/v5/market/kline", {**PERPETUAL, "interval": "1", **DAYS}, "candles"),
    (
        "get_mark_price_history",
        "/v5/market/mark-price-kline",
        {**PERPETUAL, "interval": "1", "price": "mark", **DAYS},
        "bars",
    ),
    ("get_funding_history", "/v5/market/funding/history", {**PERPETUAL, **YEAR}, "payments"),
    ("get_open_interest", "/v5/market/open-interest", {**PERPETUAL, "count": 300}, "points"),
    ("get_long_short_ratio", "/v5/market/account-ratio", {**PERPETUAL, "count": 600}, "points"),
    ("get_instruments", "/v5/market/instruments-info", {"category": "linear"}, "instruments"),
]


@pytest.mark.parametrize(("method", "upstream", "params", "rows"), SERIES, ids=[each[0] for each in SERIES])
async def test_pages_that_go_wrong_leave_no_part(
    start_daemon: StartDaemon,
    simulator: SimulatorProcess,
    method: str,
    upstream: str,
    params: dict[str, Any],
    rows: str,
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    several = method != "get_instruments"
    async with connected(daemon) as bot:

        async def ask() -> dict[str, Any]:
            told: dict[str, Any] = await bot.call(f"bybit.{method}", params)
            return told

        whole = await ask()
        assert whole["pages"] >= (2 if several else 1)
        nth = 2 if several else 1

        for verb, more in (
            ("cut_after", {}),
            ("half_answer", {}),
            ("status", {"status": 502}),
            ("error", {"code": 10016}),
            ("rate_limit", {}),
        ):
            simulator.fault(verb, environment=TESTNET, method=upstream, nth=nth, times=1, **more)
            assert (await ask())[rows] == whole[rows], verb
            simulator.lift()

        for verb, more, code in (
            ("garbage", {}, Code.BAD_VENUE_DATA),
            ("status", {"status": 404}, Code.VENUE_REFUSED),
            ("error", {"code": 10005}, Code.VENUE_REFUSED),
        ):
            simulator.fault(verb, environment=TESTNET, method=upstream, nth=nth, **more)
            with pytest.raises(Refused) as refused:
                await ask()
            assert refused.value.code is code, verb
            simulator.lift()
        assert (await ask())[rows] == whole[rows]


async def test_what_is_not_listed_is_refused_with_its_category(shared_daemon: Daemon) -> None:
    async with connected(shared_daemon) as bot:
        for category, symbol in (("spot", "BTCPERP"), ("linear", "BTCUSD"), ("inverse", "BTCUSDT")):
            with pytest.raises(Refused) as refused:
                await bot.call("bybit.get_ticker", {"category": category, "symbol": symbol})
            assert refused.value.code is Code.INVALID_PARAMS
            assert refused.value.fields == ["symbol"]
        without_pair = {"category": "linear", "symbol": "SIM001USDT"}
        for spot, rule in (({}, "needed for this perpetual"), ({"spot_symbol": "NOPE"}, "one that Bybit lists")):
            with pytest.raises(Refused) as refused:
                await bot.call("bybit.get_basis_spot_perp", {**without_pair, **spot})
            assert refused.value.fields == ["spot_symbol"]
            assert refused.value.data["problems"][0]["rule"].startswith(rule)


async def test_without_keys_the_markets_are_open_and_the_account_is_not(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    settings = {name: text for name, text in simulator.keys_of("TESTNET").items() if "BYBIT_API" not in name}
    daemon = start_daemon("serve", **settings)
    assert [client["exchange"] for client in get(daemon, "/health/ready")[1]["clients"]] == ["deribit"]
    async with connected(daemon) as bot:
        for name in ("bybit.get_wallet_balance", "bybit.get_positions"):
            with pytest.raises(Refused) as refused:
                await bot.call(name, READS[name])
            assert refused.value.code is Code.NO_KEYS
        assert get(daemon, "/health/ready")[1]["clients"][-1]["exchange"] == "deribit", "nothing was sent to it yet"
        assert (await bot.call("bybit.get_ticker", PERPETUAL))["symbol"] == "BTCUSDT"
        clients = readiness(daemon, none_timed_out)[1]["clients"]
        assert {client["exchange"] for client in clients if client["healthy"]} == {"bybit", "deribit"}


async def test_a_key_that_is_not_taken_is_told_before_anybody_trades_on_it(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    settings = simulator.keys_of("TESTNET") | {"BYBIT_API_SECRET_TESTNET": "another-secret-of-forty-characters-12345"}
    daemon = start_daemon("serve", **settings)
    status, told = readiness(daemon, none_timed_out)
    (client,) = [each for each in told["clients"] if each["exchange"] == "bybit"]
    assert (status, told["status"]) == (200, "degraded")
    assert (client["healthy"], client["reason"]) == (False, "invalid_signature")
    async with connected(daemon) as bot:
        with pytest.raises(Refused) as refused:
            await bot.call("bybit.get_wallet_balance", {})
        assert refused.value.data["reason"] == "invalid_signature"
        assert (await bot.call("bybit.get_ticker", PERPETUAL))["symbol"] == "BTCUSDT"


@pytest.mark.parametrize("ms", [-3_000, 10_000, 3_600_000])
async def test_a_clock_that_is_off_reads_the_account_all_the_same(
    start_daemon: StartDaemon, simulator: SimulatorProcess, ms: int
) -> None:
    simulator.fault("clock_offset", ms=ms)
    try:
        daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
        async with connected(daemon) as bot:
            assert (await bot.call("bybit.get_wallet_balance", {}))["account_type"] == "UNIFIED"
            with anyio.fail_after(60):  # an answer that was long on its way tells the time less well than the next one
                while abs((await bot.call("bybit.get_server_time"))["offset_ms"] - ms) > 400:
                    pass
        clients = readiness(daemon, none_timed_out)[1]["clients"]
        (client,) = [each for each in clients if each["exchange"] == "bybit"]
        assert (client["healthy"], client["reason"]) == (True, "clock_offset")
    finally:
        simulator.lift()


async def test_an_address_that_is_shut_out_asks_nothing_more(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    async with connected(daemon) as bot:
        await bot.call("bybit.get_ticker", PERPETUAL)
        simulator.fault("status", environment=TESTNET, method="/v5/market/tickers", status=403, times=1)
        with pytest.raises(Refused):
            await bot.call("bybit.get_ticker", PERPETUAL)
        before = sum(simulator.received(TESTNET).values())
        with pytest.raises(Refused) as refused:
            await bot.call("bybit.get_wallet_balance", {})
        assert (refused.value.code, refused.value.data["reason"]) == (Code.VENUE_DOWN, "address_banned_for_a_while")
        assert (await bot.call("bybit.get_rate_limits"))["banned"] is True
        assert (await bot.call("deribit.get_index_price", {"index_name": "btc_usd"}))["index_price"] > 0
        assert sum(simulator.received(TESTNET).values()) == before
