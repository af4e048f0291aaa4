"""Legs: names taken apart, prices as asked for, fees by the venue's rule and its caps."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cerberod.errors import InvalidParams
from cerberod.venues.deribit.fees import DELIVERY_RATE, delivery_rate, trade_fee
from cerberod.venues.deribit.legs import (
    LegKind,
    Market,
    Pricing,
    check_amounts,
    nearest_listed,
    parse_leg,
    parse_legs,
    price_of,
    read_legs,
)
from cerberod.venues.deribit.wire.market import Instrument, instrument
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.deribit.wire.summaries import summaries
from tests.support.deribit_venue import client_of, scripted
from tests.unit.venues.deribit.wire.test_summaries import row

CALL, PUT, FUTURE, PERPETUAL = "BTC-25SEP26-80000-C", "BTC-25SEP26-70000-P", "BTC-25SEP26", "BTC-PERPETUAL"


def record(name: str, **changes: Any) -> dict[str, Any]:
    option = name.endswith(("-C", "-P"))
    linear = "_" in name
    return {
        "instrument_name": name,
        "kind": "option" if option else "future",
        "base_currency": name[:3],
        "quote_currency": "USDC" if linear else name[:3] if option else "USD",
        "settlement_currency": "USDC" if linear else name[:3],
        "settlement_period": "month",
        "instrument_type": "linear" if linear else "reversed",
        "tick_size": 0.0001,
        "contract_size": 10 if linear else 1,
        "min_trade_amount": 10 if linear else 0.1,
        "taker_commission": 0.0005 if linear or not option else 0.0003,
        "maker_commission": 0.0001 if linear else 0.0003 if option else 0.0,
    } | changes


def made(name: str, **changes: Any) -> Instrument:
    return instrument(Fields(record(name, **changes), "result"))


def market(name: str = CALL, **changes: Any) -> Market:
    [summary] = summaries([row(instrument_name=name, **changes)])
    leg = parse_leg(name)
    assert leg is not None
    return Market(leg, made(name), summary)


@pytest.mark.parametrize(
    ("name", "kind", "base", "currency", "strike"),
    [
        (CALL, LegKind.CALL, "BTC", "BTC", 80_000.0),
        ("XRP_USDC-25SEP26-1d52-P", LegKind.PUT, "XRP", "USDC", 1.52),
        (FUTURE, LegKind.FUTURE, "BTC", "BTC", None),
        ("SOL_USDC-PERPETUAL", LegKind.PERPETUAL, "SOL", "USDC", None),
    ],
)
def test_a_name_is_taken_apart(name: str, kind: LegKind, base: str, currency: str, strike: float | None) -> None:
    leg = parse_leg(name)
    assert leg is not None
    assert (leg.kind, leg.base, leg.currency, leg.strike) == (kind, base, currency, strike)
    assert leg.expires_at == (None if kind is LegKind.PERPETUAL else datetime(2026, 9, 25, 8, tzinfo=UTC))


@pytest.mark.parametrize("name", ["BTC", "BTC_USDC", "BTC-CS-25SEP26-80000_90000", "BTC-32SEP26", "BTC-32SEP26-1-C"])
def test_what_can_be_no_leg_is_refused(name: str) -> None:
    assert parse_leg(name) is None
    with pytest.raises(InvalidParams) as refused:
        parse_legs([CALL, name])
    assert refused.value.data["problems"][0]["field"] == "legs.1.instrument_name"


@pytest.mark.parametrize("other", ["ETH-25SEP26-2500-C", "BTC_USDC-25SEP26-80000-C", "BTC_USDC-PERPETUAL"])
def test_legs_of_other_underlyings_or_settlements_are_refused(other: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        parse_legs([CALL, PUT, other])
    assert refused.value.data["problems"][0] == {
        "field": "legs.2.instrument_name",
        "rule": "the underlying of the first leg, BTC settled in BTC",
    }


@pytest.mark.parametrize(
    ("side", "pricing", "price"),
    [
        ("buy", Pricing.MID, 0.044),
        ("sell", Pricing.MID, 0.044),
        ("buy", Pricing.CROSS, 0.045),
        ("sell", Pricing.CROSS, 0.043),
        ("buy", Pricing.MARK, 0.04395528),
    ],
)
def test_a_leg_is_priced_as_asked(side: str, pricing: Pricing, price: float) -> None:
    assert price_of(market(), side, pricing, "field") == pytest.approx(price)


@pytest.mark.parametrize(
    ("quotes", "side", "pricing"),
    [
        ({"bid_price": None}, "buy", Pricing.MID),
        ({"ask_price": None}, "sell", Pricing.MID),
        ({"ask_price": None}, "buy", Pricing.CROSS),
        ({"bid_price": 0.0}, "sell", Pricing.CROSS),
        ({"bid_price": 0.045}, "buy", Pricing.MID),
        ({"bid_price": 0.046}, "buy", Pricing.CROSS),
        ({"mark_price": None}, "buy", Pricing.MARK),
    ],
)
def test_a_book_that_is_empty_or_crossed_gives_no_price(quotes: dict[str, Any], side: str, pricing: Pricing) -> None:
    with pytest.raises(InvalidParams) as refused:
        price_of(market(**quotes), side, pricing, "legs.0.instrument_name")
    assert refused.value.data["problems"][0]["field"] == "legs.0.instrument_name"


@pytest.mark.parametrize(
    ("fee", "expected"),
    [
        (trade_fee(1.0, 0.05, 80_000.0, 0.0003, option=True, inverse=True), 0.0003),
        (trade_fee(1.0, 0.0001, 80_000.0, 0.0003, option=True, inverse=True), 0.0000125),  # 12.5 % of the premium
        (trade_fee(10.0, 12.0, 150.0, 0.0005, option=True, inverse=False), 0.75),
        (trade_fee(10.0, 0.2, 150.0, 0.0005, option=True, inverse=False), 0.25),
        (trade_fee(10_000.0, 80_000.0, 80_000.0, 0.0005, option=False, inverse=True), 0.0000625),
        (trade_fee(10.0, 150.0, 150.0, 0.0005, option=False, inverse=False), 0.75),
        (trade_fee(10.0, 150.0, 150.0, -0.0001, option=False, inverse=False), -0.15),  # a maker is paid
    ],
)
def test_fees_follow_the_rule_and_its_cap(fee: float, expected: float) -> None:
    assert fee == pytest.approx(expected)


def test_daily_and_weekly_options_are_delivered_free() -> None:
    assert delivery_rate(made(CALL)) == DELIVERY_RATE
    assert delivery_rate(made(CALL, settlement_period="week")) == 0.0
    assert delivery_rate(made(CALL, settlement_period="day")) == 0.0
    assert delivery_rate(made(FUTURE)) == 0.0


def test_the_nearest_listed_is_of_the_same_kind() -> None:
    rows = summaries([row(instrument_name=name) for name in (CALL, PUT, "BTC-25DEC26-90000-C", FUTURE, PERPETUAL)])
    for asked, nearest in {
        "BTC-26SEP26-80000-C": CALL,
        "BTC-26SEP26-80000-P": PUT,
        "BTC-31DEC26-10-C": "BTC-25DEC26-90000-C",
        "BTC-1SEP26": FUTURE,
    }.items():
        leg = parse_leg(asked)
        assert leg is not None
        assert nearest_listed(leg, rows, 0) == nearest


async def test_legs_are_read_in_two_requests_and_then_in_one() -> None:
    rows = [row(instrument_name=name) for name in (CALL, PUT, PERPETUAL, "ETH-PERPETUAL")]
    records = [record(name) for name in (CALL, PUT, PERPETUAL)]
    scripts: dict[str, Any] = {"public__get_book_summary_by_currency": rows, "public__get_instruments": records}
    async with scripted(**scripts) as venue, client_of(venue) as deribit:
        found = await read_legs(deribit, parse_legs([CALL, PERPETUAL]))
        assert [each.row.name for each in found.legs] == [CALL, PERPETUAL]
        assert (found.spot, found.currency) == (78_617.31, "BTC")
        await read_legs(deribit, parse_legs([CALL, PUT]))
        with pytest.raises(InvalidParams):
            await read_legs(deribit, parse_legs([FUTURE]))
    asked = [name for name, _ in venue.received if name in ("public/get_instruments", "public/get_instrument")]
    assert asked == ["public/get_instruments"]
    assert [params.get("kind") for params in venue.asked("public/get_book_summary_by_currency")] == [
        None,
        "option",
        "future",
    ]
    with pytest.raises(InvalidParams) as refused:
        check_amounts(found, [Decimal("0.15"), Decimal("0.05")])
    assert [(each["field"], each["nearest"]) for each in refused.value.data["problems"]] == [
        ("legs.0.amount", "0.2"),
        ("legs.1.amount", "0.1"),
    ]
