"""Market data as the fact sheet describes it, and as Deribit really answered."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import market
from cerberod.venues.deribit.wire.market import Kind, State
from tests.unit.venues.deribit.test_client import instrument as future

OPTION_TICKER: dict[str, Any] = {
    "timestamp": 1_791_238_634_317,
    "state": "open",
    "stats": {"high": None, "low": None, "price_change": None, "volume": 0.0, "volume_usd": 0.0},
    "greeks": {"delta": 0.47233, "gamma": 0.00067, "vega": 11.39328, "theta": -119.08755, "rho": 0.44793},
    "index_price": 85952.96,
    "instrument_name": "BTC-6OCT26-95000-C",
    "last_price": None,
    "settlement_price": 9.3e-07,
    "min_price": 0.0001,
    "max_price": 0.015,
    "open_interest": 30.1,
    "mark_price": 0.0,
    "interest_rate": 0.0,
    "estimated_delivery_price": 85952.96,
    "best_ask_price": 0.0001,
    "best_bid_price": 0.0,
    "mark_iv": 50.72,
    "bid_iv": 0.0,
    "ask_iv": 122.54,
    "underlying_price": 85957.19,
    "underlying_index": "BTC-6OCT26",
    "best_ask_amount": 43.6,
    "best_bid_amount": 0.0,
    "a_field_of_next_year": [1],
}
BOOK = OPTION_TICKER | {"change_id": 7, "bids": [], "asks": [[0.0001, 43.6], [0.0002, 1]]}


def test_an_empty_side_has_no_quote() -> None:
    told = market.ticker(OPTION_TICKER)
    assert (told.best_bid_price, told.best_bid_amount, told.bid_iv) == (None, None, None)
    assert (told.best_ask_price, told.best_ask_amount, told.ask_iv) == (0.0001, 43.6, 122.54)
    assert told.mark_price == 0.0, "the mark of a cheap option is rounded to zero, and is a price all the same"
    assert told.last_price is None
    assert told.as_of == datetime(2026, 10, 5, 22, 17, 14, 317000, tzinfo=UTC)


def test_a_combo_may_be_quoted_at_zero() -> None:
    told = market.ticker(OPTION_TICKER | {"best_bid_amount": 5.0})
    assert (told.best_bid_price, told.best_bid_amount) == (0.0, 5.0)


def test_a_perpetual_has_funding_and_no_greeks() -> None:
    raw = {
        name: value for name, value in OPTION_TICKER.items() if name not in ("greeks", "mark_iv", "bid_iv", "ask_iv")
    }
    told = market.ticker(raw | {"current_funding": 0.0, "funding_8h": 6.55e-06})
    assert (told.greeks, told.mark_iv, told.current_funding, told.funding_8h) == (None, None, 0.0, 6.55e-06)


@pytest.mark.parametrize("name", ["timestamp", "instrument_name", "mark_price", "stats"])
def test_a_ticker_without_what_it_stands_on_is_refused(name: str) -> None:
    with pytest.raises(BadVenueData) as refused:
        market.ticker({key: value for key, value in OPTION_TICKER.items() if key != name})
    assert name in refused.value.data["field"]


def test_a_state_nobody_knows_is_shown_as_unknown() -> None:
    assert market.ticker(OPTION_TICKER | {"state": "hibernating"}).state is State.UNKNOWN


@pytest.mark.parametrize("raw", [None, [], 5, {}, "text"])
def test_what_is_no_ticker_is_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        market.ticker(raw)


def test_a_book_has_levels_in_order() -> None:
    told = market.order_book(BOOK)
    assert [(level.price, level.amount) for level in told.asks] == [(0.0001, 43.6), (0.0002, 1.0)]
    assert told.bids == []


@pytest.mark.parametrize(
    "asks",
    [
        [[0.0002, 1], [0.0001, 1]],
        [[0.0001, 1], [0.0001, 1]],
        [[0.0001, 0]],
        [[0.0001, -1]],
        [[0.0001]],
        [["0.0001", 1]],
        [[0.0001, True]],
        None,
        {},
    ],
)
def test_a_book_that_contradicts_itself_is_refused(asks: object) -> None:
    with pytest.raises(BadVenueData):
        market.order_book(BOOK | {"asks": asks})


def test_an_instrument_keeps_its_rules_exactly() -> None:
    option = {"kind": "option", "option_type": "call", "strike": 86000.0, "tick_size": 0.0001, "min_trade_amount": 0.1}
    steps = {"tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}], "contract_size": 1.0}
    told = market.instruments(
        [future("BTC-6OCT26-86000-C", **option, **steps, expiration_timestamp=1_791_273_600_000)]
    )[0]
    assert (told.tick_size, told.min_trade_amount, told.contract_size) == (
        Decimal("0.0001"),
        Decimal("0.1"),
        Decimal(1),
    )
    assert (told.tick_size_steps[0].above_price, told.tick_size_steps[0].tick_size) == (
        Decimal("0.005"),
        Decimal("0.0005"),
    )
    assert told.expires_at == datetime(2026, 10, 6, 8, tzinfo=UTC)
    assert told.currency == "BTC"


def test_a_perpetual_never_expires_and_spot_is_filed_under_its_quote() -> None:
    assert market.instruments([future()])[0].expires_at is None
    spot = future("BTC_USDC", kind="spot", quote_currency="USDC", settlement_currency=None)
    assert market.instruments([spot])[0].currency == "USDC"


@pytest.mark.parametrize(
    "bad", [{"tick_size": 0}, {"tick_size": -1}, {"min_trade_amount": None}, {"contract_size": "1"}]
)
def test_an_instrument_whose_rules_make_no_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        market.instruments([future(**bad)])


def test_a_new_kind_is_unknown_and_an_unknown_state_is_not_open() -> None:
    told = market.instruments([future(kind="weather", state="dreaming")])[0]
    assert (told.kind, told.state) == (Kind.UNKNOWN, State.UNKNOWN)


def test_expirations_are_read_in_both_shapes() -> None:
    flat = {"option": ["20MAY26"], "future": ["5JUN26", "PERPETUAL"]}
    told = market.expirations(flat)
    assert [one.expires_at for one in told["future"]] == [datetime(2026, 6, 5, 8, tzinfo=UTC), None]
    assert market.expirations({"btc": flat}) == told
    merged = market.expirations({"btc": flat, "eth": {"option": ["20MAY26", "21MAY26"]}})
    assert [one.name for one in merged["option"]] == ["20MAY26", "21MAY26"]
    assert market.expirations({}) == {}


@pytest.mark.parametrize("raw", [None, [], {"option": None}, {"option": [5]}, {"option": "20MAY26"}])
def test_expirations_of_another_shape_are_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        market.expirations(raw)


@pytest.mark.parametrize("name", ["PERPETUAL", "", "MAY26", "31FEB26", "5XXX26", "a5MAY26", "٥MAY26"])
def test_what_is_no_date_has_no_expiry(name: str) -> None:
    assert market.expiry(name) is None


def columns(ticks: list[int], **more: Any) -> dict[str, Any]:
    names = ("open", "high", "low", "close", "volume", "cost")
    return {"status": "ok", "ticks": ticks, **{name: [1.0] * len(ticks) for name in names}} | more


def test_candles_are_read_off_columns() -> None:
    told = market.candles(columns([1_766_483_460_000, 1_766_483_520_000], close=[1.5, 2]))
    assert [bar.close for bar in told.values()] == [1.5, 2.0]
    assert list(told) == [1_766_483_460_000, 1_766_483_520_000]


def test_a_window_without_data_has_no_candles() -> None:
    assert market.candles(columns([], status="no_data")) == {}


@pytest.mark.parametrize(
    "bad", [{"close": [1.0]}, {"close": None}, {"ticks": None}, {"ticks": ["1", "2"]}, {"low": [None, 1]}]
)
def test_columns_that_do_not_fit_together_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        market.candles(columns([1, 2]) | bad)


@pytest.mark.parametrize("price", [0, -1, None, "1"])
def test_an_index_is_a_price(price: object) -> None:
    with pytest.raises(BadVenueData):
        market.index_price({"index_price": price})


def load(recorded: Path, name: str) -> Any:
    return orjson.loads((recorded / "deribit" / name).read_bytes())


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("instruments_BTC_mainnet_20210722.json", 398),
        ("instruments_ETH_mainnet_20210722.json", 426),
        ("instruments_SOL_mainnet_20220529.json", 177),
        ("instruments_USDC_mainnet_20220529.json", 16),
        ("instruments_future_BTC_testnet_20260914.json", 2),
        ("instruments_option_BTC_mainnet_20261005.json", 7),
    ],
)
def test_recorded_instruments(recorded: Path, name: str, count: int) -> None:
    told = market.instruments(load(recorded, name)["result"])
    assert len(told) == count
    assert all(one.kind is not Kind.UNKNOWN and one.state is not State.UNKNOWN for one in told)


@pytest.mark.recorded
def test_recorded_combos(recorded: Path) -> None:
    bodies = load(recorded, "combos_BTC_testnet_20260519.json")
    lists = [body["result"] for name, body in bodies.items() if "get_instruments" in name]
    assert lists
    for rows in lists:
        assert {one.kind for one in market.instruments(rows)} <= {Kind.OPTION_COMBO, Kind.FUTURE_COMBO}


@pytest.mark.recorded
def test_recorded_tickers(recorded: Path) -> None:
    bodies = load(recorded, "ticker_option_BTC_mainnet_20261005.json")
    told = {name: market.ticker(body["result"]) for name, body in bodies.items()}
    assert told["BTC-6OCT26-95000-C"].best_bid_price is None
    assert told["BTC-6OCT26-86000-C"].best_bid_price == 0.0023


@pytest.mark.recorded
def test_the_recorded_spot_ticker_is_refused_because_its_numbers_were_made_text(recorded: Path) -> None:
    bodies = load(recorded, "spot_BTC_USDT_mainnet_20240313_ccxt.json")
    ticker = next(body for name, body in bodies.items() if "ticker" in name)
    with pytest.raises(BadVenueData):
        market.ticker(ticker.get("result", ticker))


@pytest.mark.recorded
def test_recorded_books(recorded: Path) -> None:
    told = market.order_book(load(recorded, "order_book_BTC-PERPETUAL_mainnet_20251224.json")["result"])
    assert (len(told.bids), len(told.asks), told.best_bid_price) == (20, 20, 87002.5)
    old = market.order_book(load(recorded, "order_book_option_BTC-15JAN21-28000-C_mainnet_20201231.json"))
    assert old.greeks is not None
    testnet = load(recorded, "order_book_options_BTC_testnet_20241104.json")
    books = [market.order_book(row) for row in testnet["results"]]
    assert len(books) == 964
    assert any(book.best_bid_price is None for book in books)


@pytest.mark.recorded
def test_recorded_tickers_of_streams(recorded: Path) -> None:
    session = load(recorded, "ws_session_options_mainnet_20210722.json")
    frames = session["frames"] if isinstance(session, dict) else session
    told = 0
    for frame in frames:
        message = frame.get("msg")
        params = message.get("params", {}) if isinstance(message, dict) else {}
        if str(params.get("channel", "")).startswith("ticker.") and isinstance(params, dict):
            market.ticker(params["data"])
            told += 1
    assert told == 89


@pytest.mark.recorded
def test_recorded_expirations(recorded: Path) -> None:
    bodies = load(recorded, "expirations_mainnet_20260520.json")
    told = market.expirations(bodies["any"]["result"])
    assert (len(told["option"]), len(told["future"])) == (11, 13)
    assert market.expirations(bodies["BTC_option"]["result"])["option"] == told["option"]


@pytest.mark.recorded
def test_recorded_candles(recorded: Path) -> None:
    body = load(recorded, "tradingview_chart_BTC-PERPETUAL_1m_mainnet_20251223.json")
    assert len(market.candles(body["result"])) == 5
    empty = next(case["body"]["result"] for case in load(recorded, "errors_recorded.json") if "result" in case["body"])
    assert market.candles(empty) == {}
