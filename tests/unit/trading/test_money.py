"""Decimal text of orders: what is refused, and with which words."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cerberod.trading.money import Amount, PriceOrZero, Quantity

_ABOVE = "a decimal number above 0"


@pytest.mark.parametrize(
    ("kind", "text", "rule"),
    [
        (Amount, "-5", _ABOVE),
        (Amount, "-0.1", _ABOVE),
        (Amount, "0", _ABOVE),
        (Amount, "0.0", _ABOVE),
        (PriceOrZero, "-5", "0 or a decimal number above 0"),
        (Amount, "-1e1", "a decimal number as text"),
        (Amount, "--5", "a decimal number as text"),
        (Amount, 5, "a decimal number as text"),
    ],
)
def test_a_number_with_the_wrong_sign_is_told_from_text_that_is_no_number(kind: Any, text: object, rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(text)
    assert refused.value.errors()[0]["msg"].startswith(rule)


def test_what_a_venue_reports_may_be_negative() -> None:
    assert TypeAdapter(Quantity).validate_python("-5") == -5
