"""What the reads make of answers that the simulator does not give: lists mixed, rows repeated, places asked in turn."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from cerberod.errors import BadVenueData, InvalidParams
from tests.support.bybit_venue import REALTIME, TICKERS, Asked, Refusal, scripted
from tests.unit.venues.bybit.methods.asking import asking
from tests.unit.venues.bybit.rows import EXECUTION, LINEAR, ORDER
from tests.unit.venues.bybit.wire.test_account import FLAT, POSITION
from tests.unit.venues.bybit.wire.test_market import CONTRACT

INSTRUMENTS, HISTORY = "/v5/market/instruments-info", "/v5/order/history"
POSITIONS, EXECUTIONS = "/v5/position/list", "/v5/execution/list"
DAY = 86_400_000
NOW = 1_767_225_600_000
"""2026-01-01."""


def listed(*rows: dict[str, Any], cursor: str = "") -> dict[str, Any]:
    return {"list": list(rows), "nextPageCursor": cursor}


def contract(symbol: str, kind: str, settle: str, days: float = 0.0, **changes: Any) -> dict[str, Any]:
    delivery = str(NOW + round(days * DAY)) if days else "0"
    base = {"symbol": symbol, "contractType": kind, "settleCoin": settle, "deliveryTime": delivery}
    return LINEAR | base | {"fundingInterval": 480 if "Perpetual" in kind else 0} | changes


def ticker(symbol: str, mark: str, index: str = "100000", **changes: Any) -> dict[str, Any]:
    empty = {"bid1Price": "", "bid1Size": "", "ask1Price": "", "ask1Size": ""}
    return CONTRACT | empty | {"symbol": symbol, "markPrice": mark, "indexPrice": index} | changes


class Standing:
    """A clock that stands at the beginning of 2026, for a venue whose stamps count days."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(NOW / 1000, UTC)

    def now_ms(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 1_000.0


TOGETHER = [
    contract("BTCUSDT", "LinearPerpetual", "USDT"),
    contract("BTCPERP", "LinearPerpetual", "USDC"),
    contract("BTCUSDT-02JAN26", "LinearFutures", "USDT", 0.9),
    contract("BTCUSDT-27MAR26", "LinearFutures", "USDT", 73.0),
    contract("BTCUSDT-26JUN26", "LinearFutures", "USDT", 182.5),
    contract("BTC-27MAR26", "LinearFutures", "USDC", 73.0, quoteCoin="USD"),
    contract("BTCUSD", "InversePerpetual", "BTC"),
    contract("BTCUSDH26", "InverseFutures", "BTC", 73.0),
    contract("BTCUSDT-31JUL26", "LinearFutures", "USDT", 211.0, status="Delivering"),
    contract("BTCUSDT-25SEP26", "LinearFutures", "USDT", 267.0),
    contract("BTCUSDT-25DEC26", "LinearFutures", "USDT", 358.0),
]
"""Asked for a base coin, Bybit lists linear and inverse contracts together, whichever category was asked for."""
PRICES = {
    "linear": [
        ticker("BTCUSDT", "100100"),
        ticker("BTCPERP", "100050"),
        ticker("BTCUSDT-02JAN26", "100010"),
        ticker("BTCUSDT-27MAR26", "101000"),
        ticker("BTCUSDT-26JUN26", "102500", bid1Price="102400", bid1Size="1", ask1Price="103600", ask1Size="1"),
        ticker("BTC-27MAR26", "100900"),
        ticker("BTCUSDT-31JUL26", "103000"),
        ticker("BTCUSDT-25DEC26", "104000", index=""),
        ticker("ETHUSDT", "4000"),
    ],
    "inverse": [ticker("BTCUSD", "99950", fundingRate="-0.0001"), ticker("BTCUSDH26", "101500")],
    "spot": [
        {"symbol": "BTCUSDT", "bid1Price": "99990", "bid1Size": "1", "ask1Price": "100010", "ask1Size": "1"},
        {"symbol": "ETHUSDT", "bid1Price": "1", "bid1Size": "1", "ask1Price": "2", "ask1Size": "1"},
    ],
}


def curves_of(asked: Asked) -> dict[str, Any]:
    return listed(*PRICES[asked.params["category"]])


async def test_curves_are_by_what_settles_and_every_contract_is_somewhere_once() -> None:
    scripts = {INSTRUMENTS: listed(*TOGETHER), TICKERS: curves_of}
    async with scripted(scripts, Standing()) as venue, asking(venue) as ask:
        told = await ask("get_basis_term_structure", base_coin="BTC")
        assert len(venue.asked(INSTRUMENTS)) + len(venue.asked(TICKERS)) == told["requests"] == 5
    usdt, usdc, inverse = told["curves"]
    assert [each["symbol"] for each in usdt["futures"]] == ["BTCUSDT-27MAR26", "BTCUSDT-26JUN26"]
    assert [each["symbol"] for each in usdc["futures"]] == ["BTC-27MAR26"]
    assert [each["symbol"] for each in inverse["futures"]] == ["BTCUSDH26"]
    assert {each["symbol"]: each["reason"] for each in told["left_out"]} == {
        "BTCUSDT-02JAN26": "too_soon",
        "BTCUSDT-31JUL26": "not_trading",
        "BTCUSDT-25SEP26": "no_price",
        "BTCUSDT-25DEC26": "no_index",
    }
    near, far = usdt["futures"]
    assert (near["price_source"], far["price_source"]) == ("mark", "mid")
    assert near["days"] == pytest.approx(73.0)
    assert near["basis_pct"] == pytest.approx(1.0)
    assert near["simple_pct"] == pytest.approx(5.0)
    assert near["compound_pct"] == pytest.approx((1.01**5 - 1) * 100)
    assert near["spot_simple_pct"] == pytest.approx(5.0)
    assert far["simple_pct"] == pytest.approx(6.0)
    (roll,) = usdt["rolls"]
    assert roll["days"] == pytest.approx(109.5)
    assert roll["simple_pct"] == pytest.approx((103_000 / 101_000 - 1) * 365 / 109.5 * 100)
    assert (usdt["spot_symbol"], usdt["spot_price"]) == ("BTCUSDT", 100_000.0)
    assert (usdc["spot_symbol"], usdc["spot_price"]) == ("BTCUSDC", None)
    assert usdc["futures"][0]["against_spot_pct"] is None
    assert usdt["perpetual"]["funding_apr_pct"] == pytest.approx(10.95)
    assert inverse["perpetual"]["funding_apr_pct"] == pytest.approx(-10.95)


async def test_of_a_base_coin_only_the_category_that_was_asked_for_is_listed() -> None:
    async with scripted({INSTRUMENTS: listed(*TOGETHER)}) as venue, asking(venue) as ask:
        linear = await ask("get_instruments", category="linear", base_coin="BTC")
        inverse = await ask("get_instruments", category="inverse", base_coin="BTC")
    assert linear["count"] == 9
    assert [each["symbol"] for each in inverse["instruments"]] == ["BTCUSD", "BTCUSDH26"]


async def test_linear_positions_are_asked_for_in_both_moneys_and_flat_ones_left_out() -> None:
    def held(asked: Asked) -> dict[str, Any]:
        coin = asked.params["settleCoin"]
        return listed(POSITION | {"symbol": f"LTC{coin}"}, POSITION | FLAT | {"symbol": f"XRP{coin}"})

    async with scripted({POSITIONS: held}) as venue, asking(venue) as ask:
        told = await ask("get_positions", category="linear")
        assert [each["symbol"] for each in told["positions"]] == ["LTCUSDT", "LTCUSDC"]
        assert len(venue.asked(POSITIONS)) == 2


async def test_open_orders_are_of_all_pages_both_moneys_and_still_open() -> None:
    def resting(asked: Asked) -> dict[str, Any]:
        name = asked.params.get("settleCoin", "") + asked.params.get("cursor", "")
        filled = ORDER | {"orderId": "filled", "orderStatus": "Filled"}
        return listed(
            ORDER | {"orderId": name},
            filled,
            cursor="x%3A1" if asked.params.keys() == {"category", "settleCoin", "limit"} else "",
        )

    async with scripted({REALTIME: resting}) as venue, asking(venue) as ask:
        told = await ask("get_open_orders", category="linear")
        assert {each["order_id"] for each in told["orders"]} == {"USDT", "USDTx:1", "USDC", "USDCx:1"}
        assert len(venue.asked(REALTIME)) == 4
        await ask("get_open_orders", category="linear", symbol="BTCUSDT")
        assert venue.asked(REALTIME)[-1].params.keys() == {"category", "symbol", "limit"}


async def test_an_order_is_looked_for_where_it_may_be_in_turn() -> None:
    other = ORDER | {"orderId": "another", "orderLinkId": "other"}
    scripts = {REALTIME: listed(other), HISTORY: listed(ORDER | {"orderStatus": "Cancelled"}, other)}
    async with scripted(scripts) as venue, asking(venue) as ask:
        told = await ask("get_order", category="linear", order_link_id="cb-abc")
        assert [each["order_id"] for each in told["orders"]] == [ORDER["orderId"]]
        (asked,) = venue.asked(HISTORY)
        assert asked.params == {"category": "linear", "orderLinkId": "cb-abc"}
        venue.scripts[REALTIME] = listed(ORDER)
        await ask("get_order", category="linear", order_id=ORDER["orderId"])
        assert len(venue.asked(HISTORY)) == 1, "it was found where it was looked for first"


async def test_orders_that_come_twice_are_one() -> None:
    newer = ORDER | {"orderId": "b", "createdTime": "1758189775700"}
    async with scripted({HISTORY: listed(newer, ORDER, newer)}) as venue, asking(venue) as ask:
        told = await ask("get_order_history", category="linear")
    assert [each["order_id"] for each in told["orders"]] == [ORDER["orderId"], "b"]


async def test_funding_stands_apart_from_fills() -> None:
    funding = EXECUTION | {"execType": "Funding", "orderType": "UNKNOWN", "execId": "f", "execFee": "-0.007"}
    delivered = EXECUTION | {"execType": "Delivery", "execId": "d", "execTime": "1710762918400"}
    async with scripted({EXECUTIONS: listed(delivered, EXECUTION, funding, EXECUTION)}) as venue, asking(venue) as ask:
        told = await ask("get_executions", category="linear")
    assert [each["exec_type"] for each in told["executions"]] == ["Trade", "Delivery"]
    assert [(each["exec_type"], each["exec_fee"]) for each in told["funding"]] == [("Funding", "-0.007")]


async def test_the_past_is_a_week_unless_told_otherwise() -> None:
    async with scripted({HISTORY: listed()}, Standing()) as venue, asking(venue) as ask:
        await ask("get_order_history", category="spot")
        (asked,) = venue.asked(HISTORY)
        assert int(asked.params["endTime"]) == NOW
        assert NOW - int(asked.params["startTime"]) == 7 * DAY - 1


async def test_what_the_venue_cannot_place_is_told_as_it_is() -> None:
    """A catch-all code about a symbol that is listed stays the venue's refusal."""
    scripts = {TICKERS: Refusal(10001), INSTRUMENTS: listed(LINEAR)}
    async with scripted(scripts) as venue, asking(venue) as ask:
        with pytest.raises(Exception, match="The venue refused"):
            await ask("get_ticker", category="linear", symbol="BTCUSDT")


async def test_a_ticker_of_something_else_is_no_ticker() -> None:
    scripts = {TICKERS: listed(CONTRACT | {"symbol": "ETHUSDT"}), INSTRUMENTS: listed(LINEAR)}
    async with scripted(scripts) as venue, asking(venue) as ask:
        with pytest.raises(BadVenueData):
            await ask("get_ticker", category="linear", symbol="BTCUSDT")


async def test_a_market_without_a_price_is_no_basis() -> None:
    empty = {"bid1Price": "", "markPrice": "0", "lastPrice": ""}
    spot = {"symbol": "BTCUSDT", "bid1Price": "9", "bid1Size": "1", "ask1Price": "11", "ask1Size": "1"}

    def told(asked: Asked) -> dict[str, Any]:
        return listed(spot if asked.params["category"] == "spot" else CONTRACT | empty)

    async with scripted({TICKERS: told, INSTRUMENTS: listed(LINEAR)}) as venue, asking(venue) as ask:
        with pytest.raises(InvalidParams) as caught:
            await ask("get_basis_spot_perp", category="linear", symbol="BTCUSDT")
    assert caught.value.data["problems"] == [{"field": "symbol", "rule": "a market that has a price now"}]


async def test_a_coin_without_options_is_named_as_such() -> None:
    async with scripted({INSTRUMENTS: listed(), TICKERS: listed()}) as venue, asking(venue) as ask:
        with pytest.raises(InvalidParams) as caught:
            await ask("get_option_chain", base_coin="NOPE")
    assert [each["field"] for each in caught.value.data["problems"]] == ["base_coin"]


WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_ticker", {"category": "futures", "symbol": "BTCUSDT"}),
    ("get_ticker", {"category": "spot", "symbol": "btcusdt"}),
    ("get_ticker", {"category": "spot", "symbol": "BTC USDT"}),
    ("get_tickers", {"category": "option"}),
    ("get_tickers", {"category": "spot", "base_coin": "BTC"}),
    ("get_orderbook", {"category": "option", "symbol": "X", "limit": 26}),
    ("get_orderbook_imbalance", {"category": "option", "symbol": "X", "limit": 26}),
    ("get_instruments", {"category": "option"}),
    ("get_recent_trades", {"category": "spot", "symbol": "X", "limit": 61}),
    ("get_recent_trades", {"category": "linear", "base_coin": "BTC"}),
    ("get_recent_trades", {"category": "option"}),
    ("get_historical", {"category": "option", "symbol": "X", "interval": "1"}),
    ("get_historical", {"category": "spot", "symbol": "X", "interval": "2"}),
    ("get_mark_price_history", {"category": "option", "symbol": "X", "interval": "1", "price": "index"}),
    ("get_mark_price_history", {"category": "inverse", "symbol": "X", "interval": "1", "price": "premium"}),
    ("get_open_interest", {"category": "linear", "symbol": "X", "start": "2026-01-01T00:00:00Z"}),
    ("get_positions", {"category": "spot"}),
    ("get_positions", {"category": "linear", "base_coin": "BTC"}),
    ("get_positions", {"category": "linear", "symbol": "X", "settle_coin": "USDT"}),
    ("get_order", {"category": "linear"}),
    ("get_order", {"category": "linear", "order_id": "1", "order_link_id": "2"}),
    ("get_executions", {"category": "linear", "base_coin": "BTC"}),
    ("get_fee_rate", {"category": "option", "symbol": "X"}),
    ("get_fee_rate", {"category": "spot", "base_coin": "BTC"}),
    ("get_closed_pnl", {"category": "spot"}),
    ("get_basis_term_structure", {"base_coin": "BTC", "settlements": ["USDT", "USDT"]}),
    ("get_option_chain", {"base_coin": "BTC", "exp_date": "2026-12-25"}),
)
WINDOW = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(("name", "params"), WRONG, ids=lambda value: str(value)[:60])
async def test_what_the_params_alone_show_is_wrong_is_never_sent(name: str, params: dict[str, Any]) -> None:
    window = WINDOW if name in ("get_historical", "get_mark_price_history") else {}
    async with scripted() as venue, asking(venue) as ask:
        with pytest.raises((ValidationError, InvalidParams)):
            await ask(name, **params, **window)
        assert {asked.path for asked in venue.received} <= {"/v5/market/time", "/v5/account/info"}
