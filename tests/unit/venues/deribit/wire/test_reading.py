"""Single fields: exact, bounded, and refused by name."""

from decimal import Decimal
from enum import StrEnum

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import BadVenueData
from cerberod.trading.money import MAX_FRACTION_DIGITS, plain
from cerberod.venues.deribit.wire.reading import Fields, listed
from cerberod.venues.reading import tidy


class Light(StrEnum):
    GREEN = "green"
    UNKNOWN = "unknown"


def field(value: object) -> Fields:
    return Fields({"x": value}, "result")


@given(st.integers(0, 10**11), st.integers(0, 4))
def test_a_printed_number_is_read_with_exactly_its_digits(digits: int, places: int) -> None:
    """Up to 15 significant digits survive the float that JSON numbers are read as."""
    printed = Decimal(digits).scaleb(-places)
    raw = orjson.loads(f'{{"x":{printed:f}}}')
    assert Fields(raw, "r").decimal("x") == printed


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("2.0e-5", "0.00002"),
        ("9.3e-07", "0.00000093"),
        ("1.0002e6", "1000200"),
        ("10.0", "10"),
        ("10", "10"),
        ("-0.0", "0"),
        ("-1.5", "-1.5"),
        ("302.61869214", "302.61869214"),
        ("0", "0"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_every_form_deribit_prints_is_told_plainly(printed: str, told: str) -> None:
    raw = orjson.loads(f'{{"x":{printed}}}')
    assert plain(Fields(raw, "r").decimal("x")) == told


@pytest.mark.parametrize("value", ["1.5", None, True, [], {}, 10**18, 1e18, -1e30, 1e-13, 0.1234567890123])
def test_a_number_of_an_order_that_cannot_be_carried_exactly_is_refused(value: object) -> None:
    with pytest.raises(BadVenueData) as refused:
        field(value).decimal("x")
    assert refused.value.data["field"] == "result.x"


def test_a_computed_figure_is_cut_to_the_digits_we_carry() -> None:
    assert field(1 / 3).figure("x") == Decimal("0.333333333333")
    assert field(87002.66666666667).figure("x") == Decimal("87002.66666666667")
    assert field(1e-13).figure("x") == 0
    assert field(123456789012345678).figure("x") == 123456789012345678


@given(st.floats(-1e17, 1e17, allow_nan=False))
def test_any_figure_fits_what_we_carry(number: float) -> None:
    told = field(number).figure("x")
    exponent = told.as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent >= -MAX_FRACTION_DIGITS
    assert abs(told - Decimal(repr(number))) <= Decimal("1e-12")


def test_tidy_never_makes_an_exponent() -> None:
    assert plain(tidy(Decimal("1E+3"))) == "1000"
    assert str(tidy(Decimal("1.500"))) == "1.5"


def test_words_that_decide_are_refused_and_words_that_describe_degrade() -> None:
    assert field("green").word("x", Light) is Light.GREEN
    for value in ("blue", None, 5, ["green"]):
        with pytest.raises(BadVenueData):
            field(value).word("x", Light)
        assert field(value).description("x", Light) is Light.UNKNOWN


def test_zero_is_how_deribit_says_that_there_is_no_quote() -> None:
    assert field(0.0).quoted("x") is None
    assert field(None).quoted("x") is None
    assert field(0.5).quoted("x") == 0.5


@pytest.mark.parametrize("value", [-1, 1.5, "1", None, True, 10**17])
def test_a_moment_is_milliseconds_in_a_sane_range(value: object) -> None:
    with pytest.raises(BadVenueData):
        field(value).moment("x")


def test_shapes_are_refused_with_their_place() -> None:
    with pytest.raises(BadVenueData) as refused:
        listed([{"x": "a"}, 5], "result", lambda row: row.text("x"))
    assert refused.value.data["field"] == "result[1]"
    with pytest.raises(BadVenueData):
        listed({}, "result", lambda row: row.text("x"))
    with pytest.raises(BadVenueData):
        field(5).inside("x")
    with pytest.raises(BadVenueData):
        field("x" * 300).text("x")
    assert list(field(None).objects("x")) == []
