"""Reading parameters: exact numbers, named refusals, text only where a query forces it."""

from decimal import Decimal
from typing import Any

import pytest

from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.wire import VenueError


def reason(call: Any, *args: Any) -> str:
    with pytest.raises(VenueError) as refused:
        call(*args)
    assert refused.value.data is not None
    return str(refused.value.data["reason"])


def test_numbers_are_exact() -> None:
    p = Params({"a": 0.1, "b": 5, "c": 1e-7, "n": None})
    assert p.number("a") == Decimal("0.1")
    assert p.number("b") == Decimal(5)
    assert p.number("c") == Decimal("1e-7")
    assert p.number("n") is None
    assert p.number("absent") is None


@pytest.mark.parametrize("value", [True, "1", [], {}, 1e300, 10**16])
def test_what_is_no_number_is_refused(value: object) -> None:
    assert reason(Params({"x": value}).number, "x") in ("wrong format", "invalid value")


def test_a_query_writes_numbers_and_flags_as_text() -> None:
    p = Params({"a": "0.10", "f": "true", "g": "false", "bad": "ten", "inf": "Infinity", "h": "yes"}, from_query=True)
    assert p.number("a") == Decimal("0.1")
    assert (p.flag("f"), p.flag("g")) == (True, False)
    for name in ("bad", "inf"):
        assert reason(p.number, name) == "wrong format"
    assert reason(p.flag, "h") == "wrong format"
    assert reason(Params({"f": "true"}).flag, "f") == "wrong format"


def test_integers_bounds_and_choices() -> None:
    p = Params({"i": 3.0, "f": 3.5, "t": "x", "long": "y" * 600})
    assert p.integer("i") == 3
    assert reason(p.integer, "f") == "wrong format"
    assert reason(p.required_integer, "none") == "value required"
    assert p.within("i", 1, 1, 3) == 3
    assert p.within("none", 7, 1, 9) == 7
    assert reason(p.within, "i", 1, 4, 9) == "value must be >= 4"
    assert reason(p.within, "i", 1, 1, 2) == "value must be <= 2"
    assert p.choice("t", ("x", "y")) == "x"
    assert reason(p.choice, "t", ("y",)) == "invalid value"
    assert reason(p.text, "long") == "wrong format"
    assert reason(p.currency, ("BTC",), "t") == "invalid currency"
