"""Tickers, books, trades and points are read as Bybit writes them: "" is nothing, fractions become percent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.bybit.wire import market as wire
from cerberod.venues.bybit.wire.market import Ticker
from cerberod.venues.bybit.wire.reading import Fields, listed
from cerberod.venues.bybit.wire.words import Category, Side
from tests.unit.venues.bybit.recordings import answers, held, recorded

NOW = datetime(2026, 8, 22, tzinfo=UTC)

CONTRACT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "lastPrice": "68641.30",
    "indexPrice": "68650.75",
    "markPrice": "68649.90",
    "prevPrice24h": "68042.70",
    "price24hPcnt": "0.008797",
    "highPrice24h": "69497.00",
    "lowPrice24h": "67456.10",
    "prevPrice1h": "69145.90",
    "openInterest": "139311.626",
    "openInterestValue": "9563729193.74",
    "singleOpenInterest": "69655.813",
    "turnover24h": "7940401914.5025",
    "volume24h": "115859.1120",
    "fundingRate": "0.0001",
    "nextFundingTime": "1730736000000",
    "predictedDeliveryPrice": "",
    "basisRate": "",
    "deliveryFeeRate": "",
    "deliveryTime": "0",
    "ask1Size": "14.246",
    "bid1Price": "68641.20",
    "ask1Price": "68641.30",
    "bid1Size": "0.043",
    "basis": "",
    "fundingIntervalHour": "8",
}
OPTION: dict[str, Any] = {
    "symbol": "BTC-30MAY25-68000-P-USDT",
    "bid1Price": "1975",
    "bid1Size": "3",
    "bid1Iv": "0.547",
    "ask1Price": "0",
    "ask1Size": "0",
    "ask1Iv": "0",
    "lastPrice": "2030",
    "highPrice24h": "2030",
    "lowPrice24h": "1660",
    "markPrice": "2015.39438867",
    "indexPrice": "78750.38868972",
    "markIv": "0.552",
    "underlyingPrice": "79369.63",
    "openInterest": "11.35",
    "turnover24h": "77346.8492",
    "volume24h": "0.96",
    "delta": "-0.19818258",
    "gamma": "0.00001689",
    "vega": "83.17386614",
    "theta": "-44.39180536",
    "predictedDeliveryPrice": "0",
    "change24h": "-0.19284295",
}


def read(row: dict[str, Any], category: Category, **changes: Any) -> Ticker:
    return wire.ticker(Fields(row | changes, "row"), category, NOW)


def test_a_perpetual() -> None:
    found = read(CONTRACT, Category.LINEAR)
    assert (found.bid_price, found.ask_price) == (68641.2, 68641.3)
    assert found.mid == pytest.approx(68641.25)
    assert (found.open_interest_both_sides, found.open_interest_one_side) == (139311.626, 69655.813)
    assert found.open_interest is None
    assert found.change_24h_pct == pytest.approx(0.8797)
    assert (found.funding_rate, found.funding_interval_h) == (0.0001, 8)
    assert found.delivers_at is None
    assert [found.predicted_delivery_price, found.mark_iv_pct, found.delta, found.usd_index_price] == [None] * 4


def test_a_dated_contract_pays_no_funding() -> None:
    found = read(CONTRACT, Category.LINEAR, fundingRate="", nextFundingTime="", deliveryTime="1766736000000")
    assert [found.funding_rate, found.next_funding_at] == [None] * 2
    assert found.delivers_at == datetime(2025, 12, 26, 8, tzinfo=UTC)


def test_an_option_has_volatilities_in_percent() -> None:
    found = read(OPTION, Category.OPTION)
    assert found.mark_iv_pct == pytest.approx(55.2)
    assert found.bid_iv_pct == pytest.approx(54.7)
    assert [found.ask_price, found.ask_size, found.ask_iv_pct, found.mid] == [None] * 4
    assert (found.open_interest, found.open_interest_both_sides) == (11.35, None)
    assert found.predicted_delivery_price is None
    assert found.change_24h_pct == pytest.approx(-19.284295)


@pytest.mark.parametrize("empty", [("", ""), ("0", "0"), ("100", "0"), ("100", ""), (None, None)])
def test_an_empty_side_is_no_price(empty: tuple[str | None, str | None]) -> None:
    found = read(CONTRACT, Category.LINEAR, bid1Price=empty[0], bid1Size=empty[1])
    assert [found.bid_price, found.bid_size, found.mid] == [None] * 3


def test_a_mark_of_nearly_nothing_is_a_mark() -> None:
    assert read(OPTION, Category.OPTION, markPrice="0.00000009").mark_price == 9e-8
    assert read(OPTION, Category.OPTION, markPrice="0").mark_price == 0.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("markPrice", "nan"),
        ("symbol", 5),
        ("fundingRate", "1e400"),
        ("bid1Price", []),
        ("markPrice", "-1"),
        ("ask1Size", "-1"),
        ("indexPrice", "1e-31"),
    ],
)
def test_what_is_no_number_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadVenueData) as caught:
        read(CONTRACT, Category.LINEAR, **{field: value})
    assert caught.value.data["field"] == f"row.{field}"


BOOK = {
    "s": "BTCUSDT",
    "b": [["42544.7", "172.404"], ["42544.5", "88.856"]],
    "a": [["42548", "108.998"], ["42548.2", "75.008"]],
    "ts": 1706803948569,
    "u": 342690,
    "seq": 429272667,
}


def test_a_book_is_of_the_time_of_its_engine_where_that_is_told() -> None:
    assert wire.order_book(BOOK, Category.LINEAR).as_of.timestamp() == 1706803948.569
    found = wire.order_book(BOOK | {"cts": 1706803948000}, Category.LINEAR)
    assert found.as_of.timestamp() == 1706803948.0
    assert [level.price for level in found.asks] == [42548.0, 42548.2]


@pytest.mark.parametrize(
    "change",
    [
        {"b": [["1", "1"], ["2", "1"]]},
        {"a": [["2", "1"], ["1", "1"]]},
        {"a": [["2", "1"], ["2", "1"]]},
        {"b": [["1"]]},
        {"b": [["1", "x"]]},
        {"b": None},
        {"u": "x"},
    ],
    ids=repr,
)
def test_a_book_out_of_order_is_no_book(change: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        wire.order_book(BOOK | change, Category.LINEAR)


def test_a_trade_names_who_took() -> None:
    row = {"execId": "1", "symbol": "BTCUSDT", "price": "5.5", "size": "0.9", "side": "Sell", "time": "1707905515968"}
    found = wire.public_trade(Fields(row, "row"))
    assert (found.taker_side, found.is_block_trade, found.iv_pct) == (Side.SELL, False, None)
    with pytest.raises(BadVenueData):
        wire.public_trade(Fields(row | {"side": "None"}, "row"))


def test_points_say_which_sides_they_count() -> None:
    row = {"openInterest": "63910691.00000000", "singleOpenInterest": "31955346", "timestamp": "1780963200000"}
    found = wire.open_interest_point(Fields(row, "row"))
    assert (found.both_sides, found.one_side) == (63910691.0, 31955346.0)
    older = {name: row[name] for name in ("openInterest", "timestamp")}
    assert wire.open_interest_point(Fields(older, "row")).one_side is None


def test_a_ratio_of_accounts_is_null_where_nobody_is_short() -> None:
    row = {"buyRatio": "0.6", "sellRatio": "0.4", "timestamp": "1696262400000"}
    assert wire.account_ratio(Fields(row, "row")).long_short_ratio == pytest.approx(1.5)
    assert wire.account_ratio(Fields(row | {"buyRatio": "1", "sellRatio": "0"}, "row")).long_short_ratio is None


@recorded
def test_recorded_markets_are_read() -> None:
    count = 0
    for result in answers("GET /v5/market/tickers"):
        category = Category(result["category"])
        for row in Fields(result, "result").objects("list"):
            found = wire.ticker(row, category, NOW)
            assert found.mark_price is None if category is Category.SPOT else found.mark_price is not None
            count += 1
    for result in answers("GET /v5/market/orderbook"):
        assert wire.order_book(result, Category.LINEAR).bids
        count += 1
    for result in answers("GET /v5/market/kline"):
        assert next(wire.bars(result, 6))
        count += 1
    for result in answers("GET /v5/market/mark-price-kline"):
        assert next(wire.bars(result, 4))
        count += 1
    for endpoint, one in (
        ("recent-trade", wire.public_trade),
        ("open-interest", wire.open_interest_point),
        ("account-ratio", wire.account_ratio),
        ("funding/history", wire.funding_payment),
    ):
        for result in answers(f"GET /v5/market/{endpoint}"):
            assert listed(result["list"], endpoint, one)
            count += 1
    assert count >= 15


@recorded
def test_recorded_series_are_read() -> None:
    candles = held("rest_kline_spot_BTCUSDT_60_2024-05-08.json")
    result = candles.get("result", candles)
    (found,) = wire.bars(result, 6)
    assert len(found) == 5
    assert {later - earlier for earlier, later in zip(sorted(found), sorted(found)[1:], strict=False)} == {3_600_000}
    payments = held("rest_funding_history_XTZUSDT_2025-07.json")
    rows = payments["result"]["list"] if "result" in payments else payments["list"]
    assert len(listed(rows, "list", wire.funding_payment)) == 10
