"""A package in its caller's sense beside the venue's combo: whatever the venue's sense, the same legs are done."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.venues.deribit.packages import (
    Match,
    Package,
    account_of,
    found_in,
    is_complete,
    match,
    nearest_ratio,
    package_of,
)
from cerberod.venues.deribit.wire.combos import Combo, combo
from cerberod.venues.deribit.wire.market import Instrument, instrument
from cerberod.venues.deribit.wire.orders import fills, one_order
from cerberod.venues.deribit.wire.reading import Fields
from tests.unit.venues.deribit.test_legs import record
from tests.unit.venues.deribit.wire.test_orders import ORDER, TRADE

LOW, HIGH, THIRD = "BTC-25DEC26-90000-C", "BTC-25DEC26-100000-C", "BTC-25DEC26-110000-C"
SPREAD = {LOW: 1, HIGH: -1}


def combo_of(legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A combo as the fact sheet has it."""
    return {
        "id": "BTC-CS-25DEC26-90000_100000",
        "instrument_id": 584_635,
        "state": "active",
        "state_timestamp": 1_779_115_098_303,
        "creation_timestamp": 1_779_115_098_000,
        "legs": [{"instrument_name": name, "amount": amount} for name, amount in legs.items()],
    } | more


def read(legs: dict[str, Any]) -> Combo:
    return combo(Fields(combo_of(legs), "result"))


def package(*legs: tuple[str, str, str]) -> Package:
    return package_of([(name, side, Decimal(amount)) for name, side, amount in legs])


@pytest.mark.parametrize(
    ("legs", "ratios", "amount"),
    [
        ([(LOW, "buy", "0.1"), (HIGH, "sell", "0.1")], {LOW: 1, HIGH: -1}, "0.1"),
        ([(LOW, "buy", "0.2"), (HIGH, "sell", "0.4")], {LOW: 1, HIGH: -2}, "0.2"),
        ([(LOW, "sell", "0.3"), (HIGH, "buy", "0.2")], {LOW: -3, HIGH: 2}, "0.1"),
        ([(LOW, "buy", "1"), (HIGH, "sell", "2"), (THIRD, "buy", "1")], {LOW: 1, HIGH: -2, THIRD: 1}, "1"),
        ([("BTC-25DEC26", "buy", "500"), ("BTC-PERPETUAL", "sell", "500")], None, "500"),
        ([(LOW, "buy", "1.5"), (HIGH, "sell", "2.5")], {LOW: 3, HIGH: -5}, "0.5"),
    ],
)
def test_legs_reduce_to_whole_ratios(
    legs: list[tuple[str, str, str]], ratios: dict[str, int] | None, amount: str
) -> None:
    found = package(*legs)
    assert found.amount == Decimal(amount)
    assert dict(found.ratios) == (ratios or {"BTC-25DEC26": 1, "BTC-PERPETUAL": -1})


@pytest.mark.parametrize(
    ("theirs", "matched"),
    [
        ({LOW: 1, HIGH: -1}, Match(inverted=False, multiple=Decimal(1))),
        ({HIGH: -1, LOW: 1}, Match(inverted=False, multiple=Decimal(1))),
        ({LOW: -1, HIGH: 1}, Match(inverted=True, multiple=Decimal(1))),
        ({LOW: 2, HIGH: -2}, Match(inverted=False, multiple=Decimal(2))),
        ({LOW: 1, HIGH: 1}, None),
        ({LOW: 1, HIGH: -2}, None),
        ({LOW: 1, THIRD: -1}, None),
        ({LOW: 1, HIGH: -1, THIRD: 1}, None),
    ],
)
def test_signs_are_compared_leg_by_leg(theirs: dict[str, int], matched: Match | None) -> None:
    asked = package((LOW, "buy", "0.1"), (HIGH, "sell", "0.1"))
    assert match(asked, read(theirs)) == matched
    found = found_in(asked, [read({LOW: 1, THIRD: -1}), read(theirs)])
    assert (None if found is None else found[1]) == matched


def test_a_leg_that_comes_twice_is_another_package() -> None:
    twice = Fields(combo_of({}) | {"legs": [{"instrument_name": LOW, "amount": each} for each in (1, 1)]}, "result")
    assert match(Package({LOW: 1}, Decimal(1)), combo(twice)) is None


PRICES = st.decimals("-2", "2", places=4)


@given(
    st.lists(st.integers(-3, 3).filter(bool), min_size=2, max_size=4),
    st.booleans(),
    st.integers(1, 3),
    st.lists(PRICES, min_size=4, max_size=4),
    st.integers(1, 50),
)
def test_the_combo_does_and_costs_what_was_asked(
    ratios: list[int], turned: bool, multiple: int, prices: list[Decimal], tenths: int
) -> None:
    """Whatever sense and multiple the venue has: the same amounts of the same legs for the same money."""
    names = [f"leg-{number}" for number in range(len(ratios))]
    amounts = [Decimal(tenths) / 10 * abs(ratio) for ratio in ratios]
    asked = package_of(
        [
            (name, "buy" if ratio > 0 else "sell", amount)
            for name, ratio, amount in zip(names, ratios, amounts, strict=True)
        ]
    )
    theirs = {name: ratio * multiple * (-1 if turned else 1) for name, ratio in asked.ratios.items()}
    matched = match(asked, read(theirs))
    assert matched is not None
    by_name = dict(zip(names, prices, strict=False))
    price = sum((by_name[name] * ratio for name, ratio in asked.ratios.items()), Decimal(0))
    there, combos = matched.price_there(price), matched.amount_there(asked.amount)
    assert there == sum((by_name[name] * amount for name, amount in theirs.items()), Decimal(0))
    sign = 1 if matched.side() == "buy" else -1
    for name, ratio, amount in zip(names, ratios, amounts, strict=True):
        done = theirs[name] * combos * sign
        assert abs(done - (amount if ratio > 0 else -amount)) < Decimal("1e-20")
    assert matched.price_here(there) == price
    assert abs(matched.amount_here(combos) - asked.amount) < Decimal("1e-20")


CALLS, PUTS = (LOW, HIGH), ("BTC-25DEC26-100000-P", "BTC-25DEC26-90000-P")
FUTURES = ("BTC-25DEC26", "BTC-PERPETUAL")
LATER = "BTC-26MAR27-100000-C"


def listed(name: str) -> Instrument:
    _, expiry, *option = name.split("-")
    expires = {"25DEC26": 1_798_185_600_000, "26MAR27": 1_806_048_000_000}.get(expiry, 32_503_708_800_000)
    more = {"strike": float(option[0]), "option_type": {"C": "call", "P": "put"}[option[1]]} if option else {}
    return instrument(Fields(record(name, expiration_timestamp=expires, **more), "result"))


@pytest.mark.parametrize(
    ("names", "sides", "amounts", "nearest"),
    [
        (CALLS, ("buy", "sell"), ("1", "4"), "1:3"),
        (CALLS, ("sell", "buy"), ("3", "5"), "2:3"),
        (CALLS, ("buy", "sell"), ("5", "1"), "1:1"),
        (CALLS[::-1], ("buy", "sell"), ("4", "1"), "3:1"),
        (PUTS, ("buy", "sell"), ("1", "4"), "1:3"),
        (PUTS[::-1], ("sell", "buy"), ("4", "1"), "3:1"),
        (CALLS, ("buy", "sell"), ("2", "3"), None),
        (CALLS, ("buy", "buy"), ("1", "4"), None),
        ((LOW, PUTS[1]), ("buy", "buy"), ("1", "3"), "1:1"),
        ((LOW, PUTS[1]), ("buy", "sell"), ("1", "1"), None),
        ((LATER, HIGH), ("buy", "sell"), ("1", "2"), "1:1"),
        ((LATER, PUTS[1]), ("buy", "sell"), ("1", "2"), None),
        (FUTURES, ("buy", "sell"), ("20", "10"), "1:1"),
        (FUTURES, ("buy", "buy"), ("20", "10"), None),
        ((LOW, FUTURES[0]), ("buy", "sell"), ("1", "50"), None),
    ],
)
def test_the_nearest_ratio_of_two_legs(
    names: tuple[str, str], sides: tuple[str, str], amounts: tuple[str, str], nearest: str | None
) -> None:
    asked = package(*zip(names, sides, amounts, strict=True))
    assert nearest_ratio(asked, [listed(name) for name in names]) == nearest


def test_packages_of_more_legs_have_no_nearest_ratio() -> None:
    asked = package((LOW, "buy", "1"), (HIGH, "sell", "1"), (THIRD, "buy", "4"))
    assert nearest_ratio(asked, [listed(name) for name in (LOW, HIGH, THIRD)]) is None


def filled(name: str, price: float, amount: float, number: int, fee: float = 0.0003) -> dict[str, Any]:
    return TRADE | {
        "trade_id": str(number),
        "instrument_name": name,
        "price": price,
        "amount": amount,
        "fee": fee,
        "combo_id": "BTC-CS-25DEC26-90000_100000",
    }


def test_an_order_is_told_in_the_callers_sense() -> None:
    """The caller sells the spread for 0.0639; the venue's combo is the caller's turned round: it was bought."""
    asked = package((LOW, "sell", "0.2"), (HIGH, "buy", "0.2"))
    matched = Match(inverted=True, multiple=Decimal(1))
    order = one_order(
        ORDER
        | {"instrument_name": "BTC-CS-25DEC26-90000_100000", "amount": 0.2, "filled_amount": 0.2}
        | {"direction": "sell", "average_price": 0.0639, "order_state": "filled"}
    )
    rows = [filled(LOW, 0.0813, 0.1, 1), filled(LOW, 0.0811, 0.1, 2), filled(HIGH, 0.0173, 0.2, 3, 0.0001)]
    trades = fills(Fields(row, "row") for row in rows)
    assert is_complete(asked, matched, order, trades)
    assert not is_complete(asked, matched, order, trades[:2])
    assert account_of(asked, matched, order, trades) == {
        "combo_id": "BTC-CS-25DEC26-90000_100000",
        "combo_side": "sell",
        "amount": "0.2",
        "filled_amount": "0.2",
        "average_price": "-0.0639",
        "legs": [
            {"instrument_name": LOW, "side": "sell", "ratio": 1, "filled_amount": "0.2", "average_price": "0.0812"},
            {"instrument_name": HIGH, "side": "buy", "ratio": 1, "filled_amount": "0.2", "average_price": "0.0173"},
        ],
        "fees": [{"currency": "BTC", "amount": "0.0007"}],
    }
    told = account_of(asked, matched, order, trades[:1])
    assert [leg["average_price"] for leg in told["legs"]] == [None, None], "half the fills tell no average"


def test_an_order_that_rests_has_no_prices_and_no_fees() -> None:
    asked = package((LOW, "buy", "0.2"), (HIGH, "sell", "0.2"))
    told = account_of(asked, Match(inverted=False, multiple=Decimal(1)), one_order(ORDER), [])
    assert (told["filled_amount"], told["average_price"], told["fees"]) == ("0", None, [])
    assert [leg["filled_amount"] for leg in told["legs"]] == ["0", "0"]


def test_fills_inside_a_combos_fill_are_read_once() -> None:
    """Some answers carry the legs inside the combo's own fill, some beside it, some without their fees."""
    inner = [
        {"trade_id": "2", "instrument_name": LOW, "price": 0.08, "amount": 0.1, "fee": 0.0003, "direction": "buy"},
        {"trade_id": "3", "instrument_name": HIGH, "price": 0.02, "amount": 0.1, "direction": "sell"},
    ]
    outer = TRADE | {"trade_id": "1", "instrument_name": "BTC-CS-25DEC26-90000_100000", "legs": inner}
    beside = filled(LOW, 0.08, 0.1, 2)
    told = fills(Fields(row, "row") for row in (outer, beside))
    assert [(each.trade_id, each.instrument_name, each.order_id) for each in told] == [("2", LOW, TRADE["order_id"])]
    without = outer | {"legs": inner[1:]}
    assert [each.trade_id for each in fills([Fields(without, "row")])] == ["1"]
