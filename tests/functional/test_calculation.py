"""The methods of `common.*` through the real daemon: published numbers, bad input, and long calculations."""

import os
import select
import signal
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import orjson
import pytest
import talib

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.bars import walk
from tests.support.client import Client, Refused, connected, raw_connection
from tests.support.daemon import STOP_S, Daemon

BARS = walk(300, 1)
CLOSE = BARS.close.tolist()
MOST = walk(10_000, 2)
HEAVY = (
    "common.cointegration_test",
    {"first": MOST.close.tolist(), "second": walk(10_000, 3).close.tolist(), "lags": 200, "johansen_lags": 50},
)
"""As much work as one call can ask for: about a second, and the start of the process that does it."""
MARKET = {"as_of": "2026-08-22T00:00:00Z", "spot": 100.0}
CALL = {"type": "call", "expiry": "2026-09-25T08:00:00Z", "strike": 100.0, "open_interest": 1.0}
MARKED = {**CALL, "forward": 100.0, "iv_pct": 50.0}
LEG = {"kind": "call", "quantity": 1.0, "price": 2.0, "strike": 100.0, "expiry": CALL["expiry"], "iv_pct": 50.0}


def agree(told: list[float | None], reference: Any, scale: float) -> None:
    """Fail unless a line is the reference's, empty where that is empty."""
    ours = np.array([np.nan if each is None else each for each in told])
    np.testing.assert_allclose(ours, reference, rtol=0.0, atol=1e-9 * scale, equal_nan=True)


async def test_hulls_worked_examples(shared_daemon: Daemon) -> None:
    """J. Hull, "Options, Futures, and Other Derivatives", the chapter on Black-Scholes-Merton; two digits."""
    spot = {"underlying": 42.0, "strike": 40.0, "years": 0.5}
    options = [{**spot, "type": each, "iv_pct": 20.0} for each in ("call", "put")]
    quoted = {"type": "call", "underlying": 21.0, "strike": 20.0, "years": 0.25, "price": 1.875}
    carry = {"model": "black_scholes", "rate_pct": 10.0}
    async with connected(shared_daemon) as client:
        priced = await client.call("common.black_scholes", {"options": options, **carry})
        implied = await client.call("common.implied_vol", {"options": [quoted], **carry})
    assert [round(each, 2) for each in priced["price"]] == [4.76, 0.81]
    assert implied["iv_pct"] == [pytest.approx(23.5, abs=0.05)]
    assert implied["reasons"] == [None]


async def test_indicators_are_those_of_talib(shared_daemon: Daemon) -> None:
    bars = {"high": BARS.high.tolist(), "low": BARS.low.tolist(), "close": CLOSE}
    scale = float(BARS.close.max())
    async with connected(shared_daemon) as client:
        rsi = await client.call("common.rsi", {"close": CLOSE})
        ema = await client.call("common.ema", {"close": CLOSE, "period": 12})
        atr = await client.call("common.atr", bars)
    agree(rsi["line"]["values"], talib.RSI(BARS.close, 14), 100.0)
    agree(ema["line"]["values"], talib.EMA(BARS.close, 12), scale)
    agree(atr["line"]["values"], talib.ATR(BARS.high, BARS.low, BARS.close, 14), scale)
    assert rsi["line"]["gaps"] == [{"first": 0, "last": 13, "reason": "warm_up"}]
    assert rsi["basis"]["count"] == 300
    assert rsi["basis"]["parameters"] == {"period": 14}


async def test_a_book_by_hand(shared_daemon: Daemon) -> None:
    book = {"bids": [[99.0, 3.0], [98.0, 1.0]], "asks": [[101.0, 1.0], [103.0, 5.0]]}
    async with connected(shared_daemon) as client:
        told = await client.call("common.orderbook_imbalance", {**book, "size": 2.0, "depths_bps": [100.0]})
    assert told["mid"] == 100.0
    assert told["microprice"] == 99.0 + 2.0 * 0.75
    assert told["by_level"] == {
        "levels": 2,
        "imbalances": [0.5, -0.2],
        "bid_sizes": [3.0, 4.0],
        "ask_sizes": [1.0, 6.0],
    }
    assert told["by_depth"][0]["imbalance"] == 0.5
    assert told["buy"]["vwap"] == 102.0
    assert told["buy"]["slippage_bps"] == pytest.approx(200.0)


async def test_volatility_and_risk_by_hand(shared_daemon: Daemon) -> None:
    returns = [0.01, -0.02, 0.03, -0.01] * 10
    async with connected(shared_daemon) as client:
        vol = await client.call("common.realized_vol", {"close": CLOSE, "periods_per_year": 252})
        fall = await client.call("common.max_drawdown", {"equity": [100.0, 120.0, 90.0, 130.0]})
        tails = await client.call("common.var_cvar", {"returns": returns, "confidence": 0.9})
        sortino = await client.call("common.sortino", {"returns": [0.01, 0.02, 0.03]})
    expected = float(np.std(np.diff(np.log(BARS.close)), ddof=1)) * np.sqrt(252.0) * 100.0
    assert vol["volatility_pct"] == pytest.approx(expected, rel=1e-12)
    assert (fall["drawdown_pct"], fall["peak"], fall["trough"], fall["recovery"]) == (25.0, 1, 2, 3)
    assert tails["tails"][0]["var"] == 0.02
    assert (sortino["sortino"], sortino["reason"]) == (None, "no_downside")


async def test_a_covered_call_and_a_coin_settled_one(shared_daemon: Daemon) -> None:
    legs = [{**LEG, "quantity": -1.0}, {"kind": "spot", "quantity": 1.0, "price": 90.0}]
    coin = [{**LEG, "price": 0.02, "settlement": "inverse"}]
    async with connected(shared_daemon) as client:
        covered = await client.call("common.spread_payoff", {**MARKET, "legs": legs})
        inverse = await client.call("common.spread_payoff", {**MARKET, "legs": coin})
        spot = await client.call("common.spread_payoff", {**MARKET, "legs": legs[1:]})
    assert covered["at_expiry"]["breakevens"] == [88.0]
    assert covered["at_expiry"]["max_profit_quote"]["value"] == 12.0
    assert inverse["at_expiry"]["max_profit_quote"]["unbounded"] is True
    assert inverse["at_expiry"]["max_profit_coin"] == {
        "value": 0.98,
        "level": None,
        "toward": "infinity",
        "unbounded": False,
    }
    assert (spot["at_expiry"], spot["reason"]) == (None, "no_expiry")


@pytest.mark.recorded
async def test_the_golden_numbers_of_a_recorded_chain(shared_daemon: Daemon, recorded: Path) -> None:
    """`facts/deribit.md` 14, on a whole recorded chain given by the caller."""
    file = anyio.Path(recorded / "deribit" / "book_summary_option_BTC_mainnet_20260822.json")
    rows = orjson.loads(await file.read_bytes())["result"]
    months = {"AUG": "08", "SEP": "09", "OCT": "10", "NOV": "11", "DEC": "12", "JAN": "01", "MAR": "03", "JUN": "06"}
    options = []
    for row in rows:
        _, date, strike, kind = row["instrument_name"].split("-")
        day, month, year = date[:-5], months[date[-5:-2]], date[-2:]
        options.append(
            {
                "type": "call" if kind == "C" else "put",
                "expiry": f"20{year}-{month}-{int(day):02}T08:00:00Z",
                "strike": float(strike),
                "forward": row["underlying_price"],
                "iv_pct": row["mark_iv"],
                "open_interest": row["open_interest"],
            }
        )
    chain = {"as_of": "2026-08-22T03:50:45.199Z", "spot": 78617.31, "options": options}
    bare = [{name: row[name] for name in ("type", "expiry", "strike", "open_interest")} for row in options]
    async with connected(shared_daemon) as client:
        profile = await client.call("common.dealer_gamma_profile", chain)
        pain = await client.call("common.max_pain", {"as_of": chain["as_of"], "options": bare})
    assert profile["basis"]["count"] == 1078
    assert profile["call_gex"] == pytest.approx(353_801_910, abs=1)
    assert profile["put_gex"] == pytest.approx(-96_669_708, abs=1)
    assert profile["flip"] == pytest.approx(63_074.6, abs=0.1)
    august = next(each for each in pain["expiries"] if each["expiry"] == "2026-08-28T08:00:00Z")
    assert august["max_pain"] == 66_000.0


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "constant": ("common.realized_vol", {"close": [100.0] * 50}, "close"),
    "constant for a fit": ("common.garch11_forecast", {"close": [100.0] * 200}, "close"),
    "constant for a memory": ("common.hurst_exponent", {"series": [0.0] * 300, "kind": "increments"}, "series"),
    "constant for a tail": ("common.var_cvar", {"returns": [0.01] * 50}, "returns"),
    "null for not-a-number": ("common.sma", {"close": [1.0, None, 3.0]}, "close.1"),
    "text": ("common.sma", {"close": [1.0, "2", 3.0]}, "close.1"),
    "too long": ("common.sma", {"close": [1.0] * 10_001}, "close"),
    "too short": ("common.sma", {"close": [1.0] * 19}, "close"),
    "too short for a fit": ("common.garch11_forecast", {"close": CLOSE[:50]}, "close"),
    "unequal": ("common.atr", {"high": [2.0] * 30, "low": [1.0] * 30, "close": [1.5] * 29}, "close"),
    "unequal pair": ("common.cointegration_test", {"first": CLOSE, "second": CLOSE[1:]}, "second"),
    "the same twice": ("common.cointegration_test", {"first": CLOSE, "second": CLOSE}, "first"),
    "zero price": ("common.rsi", {"close": [1.0] * 20 + [0.0]}, "close"),
    "absurd": ("common.rsi", {"close": [1.0] * 20 + [1e300]}, "close"),
    "no high": ("common.realized_vol", {"close": CLOSE, "estimator": "parkinson"}, "high"),
    "close outside": ("common.adx", {"high": [2.0] * 40, "low": [1.0] * 40, "close": [3.0] * 40}, "close"),
    "window too long": ("common.vol_cone", {"close": CLOSE, "windows": [300]}, "windows"),
    "fast above slow": ("common.macd", {"close": CLOSE, "fast": 30}, "fast"),
    "crossed": ("common.orderbook_imbalance", {"bids": [[101.0, 1.0]], "asks": [[100.0, 1.0]]}, "bids"),
    "unsorted": ("common.orderbook_imbalance", {"bids": [[1.0, 1.0], [2.0, 1.0]], "asks": [[3.0, 1.0]]}, "bids"),
    "not a level": ("common.orderbook_imbalance", {"bids": [[1.0]], "asks": [[3.0, 1.0]]}, "bids.0"),
    "expired": ("common.max_pain", {"as_of": "2027-01-01T00:00:00Z", "options": [CALL]}, "options"),
    "expired leg": (
        "common.spread_payoff",
        {**MARKET, "as_of": "2027-01-01T00:00:00Z", "legs": [LEG]},
        "legs.0.expiry",
    ),
    "no volatility": ("common.spread_payoff", {**MARKET, "legs": [{**LEG, "iv_pct": None}]}, "legs.0.iv_pct"),
    "listed twice": ("common.oi_weighted_skew", {**MARKET, "options": [MARKED, MARKED]}, "options"),
    "without zone": ("common.max_pain", {"as_of": "2026-08-22T00:00:00", "options": [CALL]}, "as_of"),
    "empty grid": ("common.dealer_gamma_profile", {**MARKET, "options": [MARKED], "low": 2.0}, "low"),
    "a yield on a forward": (
        "common.implied_vol",
        {
            "options": [{"type": "call", "underlying": 1.0, "strike": 1.0, "years": 1.0, "price": 0.1}],
            "dividend_yield_pct": 1.0,
        },
        "dividend_yield_pct",
    ),
    "falling strikes": (
        "common.smile_asymmetry",
        {
            "as_of": MARKET["as_of"],
            "expiry": CALL["expiry"],
            "forward": 1.0,
            "strikes": [2.0, 1.0],
            "iv_pct": [50.0, 50.0],
        },
        "strikes",
    ),
    "expired smile": (
        "common.smile_asymmetry",
        {
            "as_of": CALL["expiry"],
            "expiry": CALL["expiry"],
            "forward": 1.0,
            "strikes": [1.0, 2.0],
            "iv_pct": [50.0, 50.0],
        },
        "expiry",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_numbers_are_refused_by_field_and_rule(shared_daemon: Daemon, name: str) -> None:
    method, params, field = BAD[name]
    async with connected(shared_daemon) as client:
        with pytest.raises(Refused) as refused:
            await client.call(method, params, bad=True)
    assert refused.value.code is Code.INVALID_PARAMS
    assert refused.value.fields == [field]


async def running(client: Client) -> None:
    """Return once a heavy call is in the hands of the worker."""
    status = await client.call("admin.get_status")
    while all(each["method"] != HEAVY[0] for each in status["running"]):
        status = await client.call("admin.get_status")
    for _ in range(20):  # each is a turn of the loop, of which a call needs a few to be handed over
        await client.call("session.ping")


def worker_of(daemon: Daemon) -> int | None:
    """Return the worker process of a daemon, if it has one."""
    pid = daemon.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


async def halted_worker(daemon: Daemon, client: Client) -> int:
    """Return the worker process, standing still, so that what it is given lasts as long as a test wants."""
    await client.call("common.hurst_exponent", {"series": CLOSE})
    worker = await anyio.to_thread.run_sync(worker_of, daemon)
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)
    return worker


async def test_a_ping_overtakes_calculations_of_the_largest_size(start_daemon: StartDaemon) -> None:
    """`faults.md` 45, in order of events: the good client is answered while the others wait."""
    daemon = start_daemon()
    order: list[str] = []
    async with (
        connected(daemon, bot_tag="heavy") as heavy,
        connected(daemon, bot_tag="good") as good,
        anyio.create_task_group() as group,
    ):
        worker = await halted_worker(daemon, good)

        async def calculate() -> None:
            told = await heavy.call(*HEAVY)
            assert told["basis"]["count"] == 10_000
            order.append("heavy")

        for _ in range(3):
            group.start_soon(calculate)
        await running(good)
        for _ in range(20):
            await good.call("session.ping")
        order.append("good")
        os.kill(worker, signal.SIGCONT)
    assert order[-1] == "heavy"
    assert order.count("heavy") == 3


async def test_a_killed_worker_costs_one_call(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.announce("call failed")
    async with connected(daemon) as client, connected(daemon, bot_tag="watching") as watching:
        worker = await halted_worker(daemon, watching)
        async with anyio.create_task_group() as group:

            async def lost() -> None:
                with pytest.raises(Refused) as refused:
                    await client.call(*HEAVY)
                assert refused.value.code is Code.INTERNAL_ERROR

            group.start_soon(lost)
            await running(watching)
            os.kill(worker, signal.SIGKILL)
        assert (await client.call("common.hurst_exponent", {"series": CLOSE}))["basis"]["count"] == 300
        assert await anyio.to_thread.run_sync(worker_of, daemon) not in (None, worker)


async def test_a_calculation_past_its_deadline_is_given_up(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(LIMIT_ANALYTICS_DEADLINE_S="0.1")
    async with connected(daemon) as client:
        with pytest.raises(Refused) as refused:
            await client.call(*HEAVY)  # to start its process takes longer
        assert refused.value.code is Code.DEADLINE_PASSED
        assert await anyio.to_thread.run_sync(worker_of, daemon) is None


async def test_the_daemon_stops_in_the_middle_of_a_calculation(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    async with (
        raw_connection(daemon, bot_tag="heavy") as heavy,
        connected(daemon, bot_tag="watching") as watching,
    ):
        method, params = HEAVY
        for number in range(8):
            await heavy.send(
                orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).decode()
            )
        await running(watching)
        assert await anyio.to_thread.run_sync(daemon.stop) == 0


async def test_the_worker_ends_with_a_daemon_that_is_killed(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.exit_code = -signal.SIGKILL
    async with connected(daemon) as client:
        await client.call("common.hurst_exponent", {"series": CLOSE})
    worker = worker_of(daemon)
    assert worker is not None
    watched = os.pidfd_open(worker)
    try:
        daemon.process.kill()
        readable, _, _ = await anyio.to_thread.run_sync(select.select, [watched], [], [], STOP_S)
        assert readable == [watched]
    finally:
        os.close(watched)
