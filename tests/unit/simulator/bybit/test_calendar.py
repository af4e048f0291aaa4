"""Expiries as the venue listed them: the live contracts of 8 August 2025 are known."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from cerberod.simulator.bybit import calendar
from cerberod.simulator.bybit.calendar import Calendar

AUGUST = int(datetime(2025, 8, 8, 12, tzinfo=UTC).timestamp() * 1_000)


def test_the_dated_contracts_of_a_known_day() -> None:
    listed = Calendar(AUGUST)
    assert [calendar.code(end) for end in listed.futures] == [
        "15AUG25",
        "22AUG25",
        "29AUG25",
        "26SEP25",
        "31OCT25",
        "26DEC25",
        "27MAR26",
        "26JUN26",
    ]
    assert [calendar.code(end) for end in listed.quarters[:2]] == ["26SEP25", "26DEC25"]
    assert [calendar.quarter_code(end) for end in listed.quarters] == ["U25", "Z25", "H26", "M26"]


def test_at_eight_the_day_is_over() -> None:
    eight = int(datetime(2025, 8, 15, 8, tzinfo=UTC).timestamp() * 1_000)
    assert calendar.code(Calendar(eight - 1).futures[0]) == "15AUG25"
    assert calendar.code(Calendar(eight).futures[0]) == "22AUG25"


def test_a_day_below_ten_has_no_leading_zero() -> None:
    assert calendar.code(int(datetime(2023, 1, 6, 8, tzinfo=UTC).timestamp() * 1_000)) == "6JAN23"


@pytest.mark.parametrize("price", [0.5, 2.6, 140.0, 2_900.0, 104_000.0])
def test_strikes_are_round_and_around_the_price(price: float) -> None:
    for end in Calendar(AUGUST).options:
        found = calendar.strikes(end, price)
        steps = {round(b - a, 8) for a, b in pairwise(found)}
        assert len(steps) == 1
        assert found[0] < price < found[-1]
        assert 8 < len(found) < 80


def test_an_expiry_was_listed_before_it_ends() -> None:
    assert all(calendar.listed_at(end) < AUGUST for end in Calendar(AUGUST).options)
