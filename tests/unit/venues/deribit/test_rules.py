"""What an instrument's own rules refuse, and the nearest value that would pass."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.trading.orders import Reason
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.wire.market import Instrument, instruments
from tests.unit.venues.deribit.test_client import instrument

OPTION: dict[str, Any] = {
    "kind": "option",
    "option_type": "call",
    "strike": 86000.0,
    "quote_currency": "BTC",
    "tick_size": 0.0001,
    "tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0005}],
    "min_trade_amount": 0.1,
    "contract_size": 1.0,
}


def future(**more: Any) -> Instrument:
    return instruments([instrument(**more)])[0]


def option(**more: Any) -> Instrument:
    return future(**(OPTION | more))


@pytest.mark.parametrize(
    ("price", "nearest"),
    [
        ("0.0001", None),
        ("0.005", None),
        ("0.0051", "0.005"),
        ("0.0055", None),
        ("0.00501", "0.005"),
        ("0.00495", "0.005"),
        ("0.00004", "0.0001"),
        ("0.0643", "0.0645"),
    ],
)
def test_option_prices_lie_on_a_grid_with_a_step(price: str, nearest: str | None) -> None:
    told = [reason.nearest for reason in rules.off_grid("price", Decimal(price), option())]
    assert told == ([] if nearest is None else [nearest])


def test_the_rule_names_the_tick() -> None:
    (reason,) = rules.off_grid("price", Decimal("60000.3"), future())
    assert (reason.field, reason.rule, reason.nearest) == ("price", "a multiple of the tick size 0.5", "60000.5")


@given(st.decimals("0.00001", "1", places=7))
def test_the_nearest_price_is_always_on_the_grid(price: Decimal) -> None:
    for reason in rules.off_grid("price", price, option()):
        assert reason.nearest is not None
        assert list(rules.off_grid("price", Decimal(reason.nearest), option())) == []


@pytest.mark.parametrize(
    ("made", "amount", "nearest"),
    [
        (future(), "10", None),
        (future(), "5", "10"),
        (future(), "15", "20"),
        (future(), "14", "10"),
        (option(), "0.1", None),
        (option(), "8.2", None),
        (option(), "0.05", "0.1"),
        (option(), "8.25", "8.2"),
        (future(min_trade_amount=0.001, contract_size=0.001), "0.0015", "0.002"),
        (future(min_trade_amount=1, contract_size=1), "0.5", "1"),
    ],
)
def test_amounts_lie_on_the_grid_of_contracts(made: Instrument, amount: str, nearest: str | None) -> None:
    told = [reason.nearest for reason in rules.wrong_amount("amount", Decimal(amount), made)]
    assert told == ([] if nearest is None else [nearest])


@given(st.decimals("0.0001", "1000000", places=4), st.sampled_from([future(), option(), future(contract_size=1)]))
def test_the_nearest_amount_can_always_be_ordered(amount: Decimal, made: Instrument) -> None:
    for reason in rules.wrong_amount("amount", amount, made):
        assert reason.nearest is not None
        assert list(rules.wrong_amount("amount", Decimal(reason.nearest), made)) == []


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({}, None),
        ({"state": "locked"}, "open for trading; it is locked"),
        ({"state": "delivered", "is_active": False}, "open for trading; it is delivered"),
        ({"state": "brand_new"}, "open for trading; it is unknown"),
        ({"is_active": False}, "open for trading; it is inactive"),
        ({"state": None}, None),
        ({"state": None, "is_active": False}, "open for trading; it is inactive"),
        ({"expiration_timestamp": 1_600_000_000_000}, None),
    ],
)
def test_an_instrument_trades_while_the_venue_says_that_it_is_open(more: dict[str, Any], rule: str | None) -> None:
    told = [reason.rule for reason in rules.not_tradable(future(**more))]
    assert told == ([] if rule is None else [rule])


@pytest.mark.parametrize(("display", "nearest"), [("1000", None), ("500", "1000"), ("1005", "1000")])
def test_an_iceberg_shows_enough(display: str, nearest: str | None) -> None:
    told = [reason.nearest for reason in rules.wrong_display(Decimal(display), Decimal(50_000), future())]
    assert told == ([] if nearest is None else [nearest])


def test_only_options_are_priced_in_volatility_and_no_linear_one_in_usd() -> None:
    assert [reason.rule for reason in rules.wrong_advanced("implv", future())] == ["for options only"]
    assert list(rules.wrong_advanced("usd", option())) == []
    assert list(rules.wrong_advanced("implv", option(instrument_type="linear"))) == []
    assert list(rules.wrong_advanced("usd", option(instrument_type="linear"))) != []


@pytest.mark.parametrize(
    ("made", "trigger", "price", "nearest"),
    [
        (future(), "mark_price", "60000.3", "60000.5"),
        (future(), "index_price", "60000.3", "60000.5"),
        (option(), "index_price", "60000.31", ...),
        (option(), "index_price", "60000.315", "60000.32"),
        (option(), "mark_price", "0.00013", "0.0001"),
        (option(), "last_price", "0.0051", "0.005"),
        (option(), "mark_price", "0.0055", ...),
        (option(), "mark_price", "60000", None),
        (option(base_currency="XRP", instrument_type="linear"), "index_price", "0.51234", ...),
        (option(kind="option_combo"), "mark_price", "0.00013", ...),
    ],
)
def test_a_trigger_is_on_the_grid_of_what_it_waits_for(
    made: Instrument, trigger: str, price: str, nearest: object
) -> None:
    """An option may wait for the index, which is in dollars and cents; its own price never gets to be dollars."""
    told = [reason.nearest for reason in rules.off_trigger_grid(Decimal(price), made, trigger)]
    assert told == ([] if nearest is ... else [nearest])


@given(
    st.decimals("0.001", "100000", places=3),
    st.decimals("0.001", "100000", places=3),
    st.sampled_from(["buy", "sell"]),
    st.booleans(),
)
def test_the_nearest_trigger_waits_and_lies_on_the_grid(
    trigger_price: Decimal, reference: Decimal, side: str, takes: bool
) -> None:
    def objections(price: Decimal) -> list[Reason]:
        found = rules.wrong_side(
            "trigger_price",
            price,
            side,
            reference,
            future(),
            takes=takes,
            trigger="mark_price",
            against="the mark price",
        )
        return list(found)

    for reason in objections(trigger_price):
        if reason.nearest is not None:
            nearest = Decimal(reason.nearest)
            assert not objections(nearest)
            assert not nearest % Decimal("0.5")
            assert abs(nearest - reference) <= Decimal("0.5")


def test_a_trigger_on_the_wrong_side_is_told_with_the_price_it_is_held_against() -> None:
    (reason,) = rules.wrong_side(
        "trigger_price",
        Decimal(60),
        "sell",
        Decimal("50.25"),
        future(),
        takes=False,
        trigger="mark_price",
        against="the mark price",
    )
    assert (reason.rule, reason.nearest) == ("below the mark price, 50.25, for a stop that sells", "50")


@pytest.mark.parametrize(
    ("price", "nearest"), [("0", None), ("-0.0001", None), ("-0.00005", "0"), ("0.00016", "0.0002")]
)
def test_the_grid_of_a_combo_goes_on_through_zero(price: str, nearest: str | None) -> None:
    combo = option(kind="option_combo", tick_size_steps=[])
    assert rules.is_combo(combo)
    assert not rules.is_combo(option())
    told = [reason.nearest for reason in rules.off_combo_grid("price", Decimal(price), combo)]
    assert told == ([] if nearest is None else [nearest])


@pytest.mark.parametrize(
    ("more", "price", "rule"),
    [
        ({}, "0.9995", None),
        ({}, "1", "in BTC and below 1, as no call is worth more; a price in USD takes `advanced` `usd`"),
        ({}, "3210.3", "in BTC and below 1, as no call is worth more; a price in USD takes `advanced` `usd`"),
        ({"option_type": "put"}, "9.5", None),
        (
            {"option_type": "put"},
            "3210",
            "in BTC and below 10, as a put is worth at most strike / forward; a price in USD takes `advanced` `usd`",
        ),
        ({"instrument_type": "linear", "quote_currency": "USDC", "tick_size_steps": []}, "3210", None),
        ({"kind": "option_combo"}, "3210", None),
    ],
)
def test_a_price_in_dollars_is_not_taken_for_coins(more: dict[str, Any], price: str, rule: str | None) -> None:
    """And no coin price is offered in its place: how many dollars were meant is not known."""
    told = [(reason.rule, reason.nearest) for reason in rules.off_limit_grid("price", Decimal(price), option(**more))]
    assert told == ([] if rule is None else [(rule, None)])


@pytest.mark.parametrize(("reference", "side", "nearest"), [("0.005", "buy", "0.0055"), ("0.0051", "sell", "0.005")])
def test_the_nearest_trigger_of_an_option_is_on_its_grid_where_that_changes(
    reference: str, side: str, nearest: str
) -> None:
    (reason,) = rules.wrong_side(
        "trigger_price",
        Decimal(reference),
        side,
        Decimal(reference),
        option(),
        takes=False,
        trigger="mark_price",
        against="the mark price",
    )
    assert reason.nearest == nearest


@pytest.mark.parametrize(
    ("made", "side", "trigger", "price", "nearest"),
    [
        (future(), "sell", "mark_price", "58000", None),
        (future(), "sell", "mark_price", "57000", None),
        (future(), "sell", "mark_price", "58000.5", "58000"),
        (future(), "buy", "last_price", "58000", None),
        (future(), "buy", "last_price", "57999.5", "58000"),
        (future(settlement_period="perpetual"), "sell", "index_price", "58000.5", "58000"),
        (future(settlement_period="month"), "sell", "index_price", "61000", None),
        (future(settlement_period="month"), "sell", "mark_price", "61000", "58000"),
        (option(), "buy", "index_price", "0.05", None),
    ],
)
def test_a_stop_limit_can_fill_when_it_fires(
    made: Instrument, side: str, trigger: str, price: str, nearest: str | None
) -> None:
    found = rules.out_of_reach("price", Decimal(price), Decimal(58000), side, made, trigger)
    assert [reason.nearest for reason in found] == ([] if nearest is None else [nearest])
