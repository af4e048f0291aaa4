"""Bybit's client and every read against the simulator, over real sockets, with pybit's own idea of each request.

What the venue does is decided by the fact sheet; the simulator is only the other end of the wire.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import anyio
import orjson
import pytest

from cerberod.calculation.service import Calculation
from cerberod.calculation.worker import Worker
from cerberod.clock import SystemClock, iso
from cerberod.errors import InvalidParams, NoKeys, VenueRefused
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import Effect, registry
from cerberod.settings.secret import Secret
from cerberod.simulator import Simulator, SimulatorConfig, run_simulator
from cerberod.venues.bybit import methods as declared
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.wire.words import Category
from tests.support.bybit_examples import PERPETUAL, READS
from tests.support.bybit_venue import Mark
from tests.support.deribit_venue import eventually

PUBLIC_ONLY = frozenset(
    name
    for name in READS
    if name.removeprefix("bybit.")
    not in {
        "get_account_info",
        "get_closed_pnl",
        "get_executions",
        "get_fee_rate",
        "get_open_orders",
        "get_order",
        "get_order_history",
        "get_positions",
        "get_transaction_log",
        "get_wallet_balance",
        "pre_check_order",
    }
)


@dataclass
class Bot:
    """Calls methods as a session does."""

    bybit: Bybit
    simulator: Simulator
    call: Call

    async def ask(self, name: str, **given: Any) -> dict[str, Any]:
        method = registry.find("bybit." + name)
        assert method is not None
        params = method.params.model_validate_json(orjson.dumps(given), strict=True)
        found = method.handler(self.call, params)
        result = found if method.immediate else await found
        told: dict[str, Any] = orjson.loads(result.model_dump_json())
        method.result.model_validate_json(orjson.dumps(told))
        return told

    async def order(self, **params: Any) -> str:
        """Place an order by the wire and let it take effect."""
        answer = await self.bybit.write("place_order", params, Mark())
        await anyio.sleep(0.05)  # an acknowledgement comes before the order is processed
        order_id: str = answer.result["orderId"]
        return order_id

    async def control(self, path: str) -> Any:
        async with aiohttp.ClientSession() as http, http.get(self.simulator.urls["control"] + path) as answer:
            return orjson.loads(await answer.read())

    async def count(self) -> int:
        """Return how many requests reached the venue so far."""
        seen = await self.control("/received?environment=bybit_testnet")
        return sum(seen["bybit_testnet"]["counts"].values())


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with run_simulator(SimulatorConfig(), SystemClock()) as running:
        yield running


@asynccontextmanager
async def connected(simulator: Simulator, **options: Any) -> AsyncIterator[Bybit]:
    key, secret = simulator.credentials["bybit_testnet"]
    given: dict[str, Any] = {
        "url": simulator.urls["bybit_testnet"],
        "environment": Environment.TESTNET,
        "api_key": Secret(key),
        "api_secret": Secret(secret),
        "clock": SystemClock(),
    }
    bybit = Bybit(**(given | options))
    async with anyio.create_task_group() as group:
        await group.start(bybit.run)
        await bybit.prepare()
        try:
            yield bybit
        finally:
            await bybit.aclose()
            group.cancel_scope.cancel()


@pytest.fixture
async def bot(simulator: Simulator) -> AsyncIterator[Bot]:
    async with connected(simulator) as bybit:
        await eventually(lambda: bybit.status().authenticated)
        worker = Worker()
        principal = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset(), "s-1", "websocket")
        services = Services(Environment.TESTNET, [bybit, Calculation(worker, numbers_per_call=10**6)])
        yield Bot(bybit, simulator, Call("r-1", "test", principal, services))
        await worker.aclose()


def ago(**amount: float) -> str:
    return iso(SystemClock().now() - timedelta(**amount))


def test_every_read_has_an_example() -> None:
    assert declared.__all__
    reads = {method.name for method in registry if method.namespace == "bybit" and method.effect is Effect.READ}
    assert reads == READS.keys()


async def test_every_read_is_answered_with_a_time(bot: Bot) -> None:
    for name, example in READS.items():
        told = await bot.ask(name.removeprefix("bybit."), **example)
        assert told["as_of"].endswith("Z"), name


async def test_without_keys_the_public_part_is_served(simulator: Simulator) -> None:
    async with connected(simulator, api_key=None, api_secret=None) as bybit:
        worker = Worker()
        principal = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset(), "s-1", "websocket")
        services = Services(Environment.TESTNET, [bybit, Calculation(worker, numbers_per_call=10**6)])
        keyless = Bot(bybit, simulator, Call("r-1", "test", principal, services))
        for name, example in READS.items():
            if name in PUBLIC_ONLY:
                await keyless.ask(name.removeprefix("bybit."), **example)
            else:
                with pytest.raises(NoKeys):
                    await keyless.ask(name.removeprefix("bybit."), **example)
        await worker.aclose()


# -- markets -----------------------------------------------------------------------------------------------------------


async def test_one_symbol_is_two_markets_in_two_categories(bot: Bot) -> None:
    spot = await bot.ask("get_ticker", category="spot", symbol="BTCUSDT")
    perpetual = await bot.ask("get_ticker", **PERPETUAL)
    assert spot["mark_price"] is spot["funding_rate"] is spot["open_interest_both_sides"] is None
    assert perpetual["funding_rate"] is not None
    assert perpetual["open_interest_both_sides"] == pytest.approx(2 * perpetual["open_interest_one_side"])
    assert spot["bid_price"] < spot["ask_price"]
    assert spot["last_price"] == pytest.approx(perpetual["last_price"], rel=0.05)


NAMED_BY_SYMBOL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_ticker", {}),
    ("get_orderbook", {}),
    ("get_orderbook_imbalance", {}),
    ("get_recent_trades", {}),
    ("get_historical", {"interval": "60", "start": "2026-08-21T00:00:00Z", "end": "2026-08-21T06:00:00Z"}),
    ("get_funding_rate", {}),
    ("get_open_interest", {}),
    ("get_long_short_ratio", {}),
    ("get_basis_spot_perp", {}),
)


async def test_a_symbol_of_another_category_is_refused_with_the_rule(bot: Bot) -> None:
    for name, more in NAMED_BY_SYMBOL:
        for category, symbol in (("linear", "BTCUSD"), ("inverse", "BTCUSDT"), ("linear", "NOSUCHCOIN")):
            with pytest.raises(InvalidParams) as caught:
                await bot.ask(name, category=category, symbol=symbol, **more)
            problem = {"field": "symbol", "rule": f"one that Bybit lists in category {category}"}
            assert caught.value.data["problems"] == [problem], name


async def test_all_pages_of_instruments_are_read_once(bot: Bot) -> None:
    told = await bot.ask("get_instruments", category="linear")
    symbols = [each["symbol"] for each in told["instruments"]]
    assert told["count"] == len(symbols) == len(set(symbols)) > 500
    before = await bot.count()
    await bot.bybit.instruments.get((Category.LINEAR, symbols[-1]))
    assert await bot.count() == before, "what was listed is known"
    dated = [each for each in told["instruments"] if each["contract_type"] == "LinearFutures"]
    assert all(each["delivers_at"].endswith("T08:00:00Z") for each in dated)
    assert {each["settle_coin"] for each in dated} == {"USDT", "USDC"}
    early = await bot.ask("get_instruments", category="linear", status="PreLaunch")
    assert [each["is_pre_listing"] for each in early["instruments"]] == [True]
    usdc = await bot.ask("get_instruments", category="linear", settle_coin="USDC", base_coin="ETH")
    assert {(each["base_coin"], each["settle_coin"]) for each in usdc["instruments"]} == {("ETH", "USDC")}


async def test_books_are_in_order_and_as_deep_as_asked(bot: Bot) -> None:
    for category, symbol, limit in (("spot", "ETHUSDT", 1), ("linear", "BTCUSDT", 50), ("inverse", "BTCUSD", 3)):
        told = await bot.ask("get_orderbook", category=category, symbol=symbol, limit=limit)
        bids, asks = [each["price"] for each in told["bids"]], [each["price"] for each in told["asks"]]
        assert len(bids) == len(asks) == limit
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]


async def test_imbalance_of_a_usd_book_is_harmonic(bot: Bot) -> None:
    told = await bot.ask("get_orderbook_imbalance", category="inverse", symbol="BTCUSD", size=1000.0)
    assert told["size_unit"] == "usd"
    assert told["buy"]["vwap"] >= told["mid"] >= told["sell"]["vwap"]


async def test_trades_come_in_order(bot: Bot) -> None:
    told = await bot.ask("get_recent_trades", **PERPETUAL, limit=300)
    times = [each["at"] for each in told["trades"]]
    assert len(times) == 300
    assert times == sorted(times)
    options = await bot.ask("get_recent_trades", category="option", base_coin="BTC", options_type="Put")
    assert all(each["symbol"].split("-")[3] == "P" for each in options["trades"])
    assert all(each["iv_pct"] > 1 for each in options["trades"])


# -- series ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "start", "end", "bars", "pages"),
    [
        ("1", "2026-08-01T00:00:30Z", "2026-08-02T20:00:00Z", 2640, 3),
        ("60", "2026-08-01T00:00:00Z", "2026-08-01T00:00:01Z", 1, 1),
        ("D", "2026-01-01T00:00:00Z", "2026-08-01T00:00:00Z", 213, 1),
        ("W", "2026-08-01T00:00:00Z", "2026-08-31T00:00:00Z", 5, 1),
        ("M", "2026-01-01T00:00:00Z", "2026-08-31T00:00:00Z", 8, 1),
    ],
)
async def test_bars_of_a_window_are_all_there_in_order(
    bot: Bot, interval: str, start: str, end: str, bars: int, pages: int
) -> None:
    told = await bot.ask("get_historical", **PERPETUAL, interval=interval, start=start, end=end)
    opened = [each["opened_at"] for each in told["candles"]]
    assert (told["count"], told["pages"]) == (bars, pages)
    assert opened == sorted(set(opened))
    assert start[:19] <= opened[0][:19]
    assert opened[-1][:19] <= end[:19]
    assert told["last_is_forming"] is False
    if interval == "W":
        assert {datetime.fromisoformat(each).weekday() for each in opened} == {0}


async def test_a_bar_that_has_not_ended_is_said_to_be_so(bot: Bot) -> None:
    told = await bot.ask("get_historical", **PERPETUAL, interval="D", start=ago(days=3), end=ago(days=-1))
    assert told["last_is_forming"] is True
    marks = await bot.ask("get_mark_price_history", **PERPETUAL, interval="M", start=ago(days=100), end=ago(days=-1))
    assert marks["last_is_forming"] is True


async def test_a_window_too_large_is_refused_with_its_cost(bot: Bot) -> None:
    before = await bot.count()
    with pytest.raises(InvalidParams) as caught:
        await bot.ask("get_historical", **PERPETUAL, interval="1", start=ago(days=20), end=ago(days=1))
    (problem,) = caught.value.data["problems"]
    assert problem == {"field": "start", "rule": problem["rule"]}
    assert "would cost 28 requests" in problem["rule"]
    assert await bot.count() == before


async def test_prices_nobody_trades_at_have_bars_too(bot: Bot) -> None:
    window = {"interval": "60", "start": "2026-08-21T00:00:00Z", "end": "2026-08-21T06:00:00Z"}
    for price in ("mark", "index", "premium"):
        told = await bot.ask("get_mark_price_history", **PERPETUAL, **window, price=price)
        assert (told["count"], told["price"]) == (7, price)
    chain = await bot.ask("get_option_chain", base_coin="BTC")
    option = chain["options"][0]["symbol"]
    told = await bot.ask(
        "get_mark_price_history", category="option", symbol=option, interval="60", start=ago(hours=20), end=ago(hours=1)
    )
    assert told["count"] > 0


@pytest.mark.parametrize(("symbol", "minutes"), [("BTCUSDT", 480), ("SIM001USDT", 60), ("SIM002USDT", 240)])
async def test_funding_says_how_often_it_is_paid(bot: Bot, symbol: str, minutes: int) -> None:
    rate = await bot.ask("get_funding_rate", category="linear", symbol=symbol)
    assert rate["funding_interval_min"] == minutes
    assert rate["funding_rate_8h"] == pytest.approx(rate["funding_rate"] * 480 / minutes)
    assert rate["funding_apr_pct"] == pytest.approx(rate["funding_rate"] * 1440 / minutes * 365 * 100)
    span = {"start": "2026-05-01T00:00:00Z", "end": "2026-08-01T00:00:00Z"}
    told = await bot.ask("get_funding_history", category="linear", symbol=symbol, **span)
    times = [each["at"] for each in told["payments"]]
    assert times == sorted(set(times))
    assert told["count"] == 92 * 1440 // minutes + 1
    assert told["intervals_min"] == [minutes]
    assert told["pages"] == -(-told["count"] // 200)
    assert told["paid"] == pytest.approx(sum(each["funding_rate"] for each in told["payments"]))


async def test_what_is_delivered_pays_no_funding(bot: Bot) -> None:
    dated = next(
        each["symbol"]
        for each in (await bot.ask("get_instruments", category="inverse"))["instruments"]
        if each["contract_type"] == "InverseFutures"
    )
    for name, more in (("get_funding_rate", {}), ("get_funding_history", {"start": ago(days=2), "end": ago(days=1)})):
        with pytest.raises(InvalidParams) as caught:
            await bot.ask(name, category="inverse", symbol=dated, **more)
        assert "a perpetual" in caught.value.data["problems"][0]["rule"]


@pytest.mark.parametrize(("name", "page"), [("get_open_interest", 200), ("get_long_short_ratio", 500)])
async def test_points_are_read_over_pages_and_told_in_order(bot: Bot, name: str, page: int) -> None:
    told = await bot.ask(name, **PERPETUAL, count=page + 50)
    times = [each["at"] for each in told["points"]]
    assert (told["count"], told["pages"], told["has_more"]) == (page + 50, 2, True)
    assert times == sorted(set(times))
    gaps = {(datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds() for a, b in pairwise(times)}
    assert gaps == {3600.0}
    some = await bot.ask(name, **PERPETUAL, start="2026-08-01T00:00:00Z", end="2026-08-01T05:00:00Z", count=100)
    assert (some["count"], some["has_more"]) == (6, False)


async def test_open_interest_is_named_for_what_it_counts(bot: Bot) -> None:
    told = await bot.ask("get_open_interest", category="inverse", symbol="BTCUSD")
    assert told["unit"] == "usd"
    for each in told["points"]:
        assert each["both_sides"] == pytest.approx(2 * each["one_side"])


async def test_indicators_leave_out_the_bar_that_forms(bot: Bot) -> None:
    asked = {**PERPETUAL, "interval": "60", "bars": 10, "indicators": [{"name": "ema", "period": 10}]}
    closed = await bot.ask("get_indicators", **asked)
    forming = await bot.ask("get_indicators", **asked, forming=True)
    assert (closed["last_is_forming"], forming["last_is_forming"]) == (False, True)
    assert closed["bars_before"] == 100
    assert len(closed["indicators"][0]["lines"][0]["values"]) == 10
    assert None not in closed["indicators"][0]["lines"][0]["values"]
    assert closed["opened_at"][-1] in forming["opened_at"]
    with pytest.raises(InvalidParams):
        await bot.ask("get_indicators", **{**asked, "indicators": [{"name": "ema", "period": 1000}]})


# -- basis and chains --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "symbol", "pair"),
    [("linear", "BTCUSDT", "BTCUSDT"), ("linear", "BTCPERP", "BTCUSDC"), ("inverse", "BTCUSD", "BTCUSDT")],
)
async def test_a_perpetual_is_held_against_the_pair_of_its_money(
    bot: Bot, category: str, symbol: str, pair: str
) -> None:
    told = await bot.ask("get_basis_spot_perp", category=category, symbol=symbol)
    assert told["spot_symbol"] == pair
    against = told["against_spot"]
    assert against["basis"] == pytest.approx(told["perp_price"] - told["spot_price"])
    assert against["basis_pct"] == pytest.approx((told["perp_price"] / told["spot_price"] - 1) * 100)
    assert told["crossing_pct"] < against["basis_pct"]
    assert told["mark_against_index"]["basis"] == pytest.approx(told["mark_price"] - told["index_price"])


async def test_a_pair_that_is_not_listed_is_named(bot: Bot) -> None:
    with pytest.raises(InvalidParams) as caught:
        await bot.ask("get_basis_spot_perp", **PERPETUAL, spot_symbol="BTCNOSUCH")
    assert caught.value.data["problems"][0]["field"] == "spot_symbol"


async def test_deliveries_of_three_moneys_are_three_curves(bot: Bot) -> None:
    told = await bot.ask("get_basis_term_structure", base_coin="BTC")
    curves = {curve["settlement"]: curve for curve in told["curves"]}
    assert list(curves) == ["USDT", "USDC", "inverse"]
    seen: list[str] = []
    for settlement, curve in curves.items():
        assert curve["perpetual"]["symbol"] == {"USDT": "BTCUSDT", "USDC": "BTCPERP", "inverse": "BTCUSD"}[settlement]
        assert curve["futures"]
        days = [each["days"] for each in curve["futures"]]
        assert days == sorted(days)
        assert days[0] >= 1.0
        assert len(curve["rolls"]) == len(days) - 1
        seen += [each["symbol"] for each in curve["futures"]]
        for each in curve["futures"]:
            ratio = each["price"] / curve["index_price"]
            assert each["basis_pct"] == pytest.approx((ratio - 1) * 100, abs=0.02)
            assert each["simple_pct"] == pytest.approx(each["basis_pct"] * 365 / each["days"])
            assert each["compound_pct"] == pytest.approx(
                ((1 + each["basis_pct"] / 100) ** (365 / each["days"]) - 1) * 100
            )
    assert len(seen) == len(set(seen))
    only = await bot.ask("get_basis_term_structure", base_coin="ETH", settlements=["inverse"], min_days=40.0)
    (curve,) = only["curves"]
    assert all(each["symbol"].startswith("ETHUSD") and each["days"] >= 40 for each in curve["futures"])
    with pytest.raises(InvalidParams) as caught:
        await bot.ask("get_basis_term_structure", base_coin="NOSUCH")
    assert caught.value.data["problems"][0]["field"] == "base_coin"


async def test_a_chain_tells_what_no_name_has_to(bot: Bot) -> None:
    told = await bot.ask("get_option_chain", base_coin="ETH")
    assert told["count"] > 50
    assert {each["settle_coin"] for each in told["options"]} == {"USDT", "USDC"}
    order = [(each["expires_at"], each["strike"], each["options_type"]) for each in told["options"]]
    assert order == sorted(order)
    for each in told["options"]:
        assert each["expires_at"].endswith("T08:00:00Z")
        assert 1 < each["mark_iv_pct"] < 500
        assert each["delta"] * (1 if each["options_type"] == "Call" else -1) >= 0
    name = told["options"][0]["symbol"].split("-")[1]
    some = await bot.ask("get_option_chain", base_coin="ETH", exp_date=name, options_type="Put", settle_coin="USDT")
    assert {each["symbol"].split("-")[1] for each in some["options"]} == {name}
    assert {each["options_type"] for each in some["options"]} == {"Put"}


# -- account -----------------------------------------------------------------------------------------------------------


async def test_what_was_traded_is_in_every_part_of_the_account(bot: Bot) -> None:
    order = {"category": "linear", "symbol": "ETHUSDT", "orderType": "Market", "qty": "0.1", "timeInForce": "IOC"}
    opened = await bot.order(**order, side="Buy", orderLinkId="t-open-1")
    flat = await bot.ask("get_positions", category="linear", symbol="BTCUSDT")
    assert [(each["side"], each["size"], each["avg_price"]) for each in flat["positions"]] == [(None, "0", None)]
    (held,) = (await bot.ask("get_positions", category="linear"))["positions"]
    assert (held["symbol"], held["side"], held["size"]) == ("ETHUSDT", "buy", "0.1")
    assert Decimal(held["avg_price"]) > 0
    closed = await bot.order(**order, side="Sell", orderLinkId="t-close-1", reduceOnly=True)
    assert (await bot.ask("get_positions", category="linear"))["positions"] == []
    for which in ({"order_id": opened}, {"order_link_id": "t-open-1"}):
        found = await bot.ask("get_order", category="linear", **which)
        (one,) = found["orders"]
        assert (one["order_id"], one["order_status"], one["cum_exec_qty"]) == (opened, "Filled", "0.1")
        assert one["fees"].keys() == {"USDT"}
    history = await bot.ask("get_order_history", category="linear", symbol="ETHUSDT")
    assert [each["order_id"] for each in history["orders"]] == [opened, closed]
    told = await bot.ask("get_executions", category="linear", symbol="ETHUSDT")
    assert [each["side"] for each in told["executions"]][-2:] == ["buy", "sell"]
    assert all(each["exec_type"] == "Trade" for each in told["executions"])
    assert told["funding"] == []
    (pnl,) = (await bot.ask("get_closed_pnl", category="linear", symbol="ETHUSDT"))["closed"]
    assert (pnl["order_id"], pnl["side"], pnl["closed_size"]) == (closed, "sell", "0.1")
    log = await bot.ask("get_transaction_log", currency="USDT", type="TRADE")
    assert {each["order_id"] for each in log["entries"]} >= {opened, closed}
    for entry in log["entries"]:
        change = sum(Decimal(entry[name] or 0) for name in ("cash_flow", "funding")) - Decimal(entry["fee"] or 0)
        assert Decimal(entry["change"]) == pytest.approx(change)


async def test_open_orders_of_both_moneys_are_listed(bot: Bot) -> None:
    terms = {"category": "linear", "side": "Buy", "orderType": "Limit", "timeInForce": "GTC"}
    ids = [
        await bot.order(**terms, symbol="XRPUSDT", qty="10", price="0.9", orderLinkId="t-rest-1"),
        await bot.order(**terms, symbol="BTCPERP", qty="0.001", price="20000", orderLinkId="t-rest-2"),
    ]
    told = await bot.ask("get_open_orders", category="linear")
    assert [each["order_id"] for each in told["orders"]] == ids[::-1]
    one = await bot.ask("get_open_orders", category="linear", settle_coin="USDC")
    assert [each["order_link_id"] for each in one["orders"]] == ["t-rest-2"]
    assert (await bot.ask("get_order", category="linear", order_link_id="t-rest-1"))["orders"][0][
        "order_status"
    ] == "New"
    for symbol, order_id in zip(("XRPUSDT", "BTCPERP"), ids, strict=True):
        cancel = {"category": "linear", "symbol": symbol, "orderId": order_id}
        await bot.bybit.write("cancel_order", cancel, Mark())


async def test_the_past_is_read_week_by_week_and_not_for_ever(bot: Bot) -> None:
    told = await bot.ask("get_order_history", category="spot", start=ago(days=20), end=ago(days=0))
    assert (told["count"], told["pages"], told["has_more"], told["next_end"]) == (0, 3, False, None)
    before = await bot.count()
    with pytest.raises(InvalidParams) as caught:
        await bot.ask("get_executions", category="spot", start=ago(days=800))
    assert "would cost at least 115 requests" in caught.value.data["problems"][0]["rule"]
    assert await bot.count() == before


async def test_money_is_text_and_rates_are_percent(bot: Bot) -> None:
    wallet = await bot.ask("get_wallet_balance", coins=["USDT", "SOL"])
    assert {each["coin"] for each in wallet["coins"]} == {"USDT", "SOL"}
    assert all(isinstance(each["equity"], str) for each in wallet["coins"])
    before = await bot.ask("pre_check_order", **PERPETUAL, side="buy", qty="1", price="20000")
    assert Decimal(before["initial_margin_after_pct"]) > Decimal(before["initial_margin_before_pct"])
    fees = await bot.ask("get_fee_rate", category="option", base_coin="BTC")
    assert [each["base_coin"] for each in fees["fees"]] == ["BTC"]
    info = await bot.ask("get_account_info")
    assert info["account_status"].startswith("unified_2")


async def test_what_may_still_be_asked_is_counted_without_asking(bot: Bot) -> None:
    await bot.ask("get_open_orders", category="spot")
    before = await bot.count()
    told = await bot.ask("get_rate_limits")
    assert await bot.count() == before
    limits = {(each["endpoint"], each["group"]): each for each in told["endpoints"]}
    assert limits["order/realtime", "spot"]["told"] is True
    assert limits["order/create", "spot"]["per_s"] == 20.0
    assert limits["account/fee-rate", "all"]["per_s"] == 5.0
    assert not told["banned"]


async def test_a_key_without_a_right_is_told(simulator: Simulator) -> None:
    async with connected(simulator, api_secret=Secret("not-its-secret")) as bybit:
        with pytest.raises(VenueRefused) as caught:
            await bybit.read("get_account_info")
        assert caught.value.reason == "invalid_signature"
        assert bybit.status().reason == "invalid_signature"
