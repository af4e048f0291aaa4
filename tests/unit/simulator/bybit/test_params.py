"""Parameters as the venue reads them."""

from decimal import Decimal
from typing import Any

import pytest

from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.wire import VenueError


def test_empty_text_is_nothing() -> None:
    p = Params({"a": "", "b": None, "c": "x"})
    assert [p.has(name) for name in "abcd"] == [False, False, True, False]
    assert (p.text("a"), p.decimal("a"), p.whole("a"), p.flag("a")) == ("", None, None, False)


@pytest.mark.parametrize(
    "value", ["1e5", "1_0", " 1", "NaN", "Infinity", "0x1", "１", "1e400", 1, 0.1, True, [], "1" * 20]
)
def test_an_amount_is_plain_text(value: Any) -> None:
    with pytest.raises(VenueError) as refused:
        Params({"qty": value}).decimal("qty")
    assert (refused.value.code, refused.value.message) == (10001, "params error: qty invalid")


def test_an_amount_is_exact() -> None:
    assert Params({"qty": "0.10000000000000000001"}).decimal("qty") == Decimal("0.10000000000000000001")
    assert Params({"qty": "-0"}).decimal("qty") == 0


@pytest.mark.parametrize(("value", "expected"), [("3", 3), (3, 3), ("-1", -1)])
def test_a_whole_number_may_be_either(value: Any, expected: int) -> None:
    assert Params({"n": value}).whole("n") == expected


@pytest.mark.parametrize("value", ["1.0", 1.0, True, "x", "1" * 21])
def test_what_is_not_whole(value: Any) -> None:
    with pytest.raises(VenueError):
        Params({"n": value}).whole("n")


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), ("False", False), (False, False)])
def test_a_flag(value: Any, expected: bool) -> None:
    assert Params({"f": value}).flag("f") is expected


def test_a_limit_that_is_too_large_is_cut() -> None:
    assert Params({"limit": "5000"}).limit(20, 50) == 50
    assert Params({}).limit(20, 50) == 20
    for value in ("0", "-3"):
        with pytest.raises(VenueError):
            Params({"limit": value}).limit(20, 50)


@pytest.mark.parametrize("sent", ["a=1&last=x,0", "a%3D1%26last%3Dx%2C0", "a%253D1%2526last%253Dx%252C0"])
def test_a_cursor_is_decoded_until_nothing_is_left(sent: str) -> None:
    assert Params({"cursor": sent}).cursor() == "a=1&last=x,0"
