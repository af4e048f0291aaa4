"""A leg says what it is missing and what means nothing for its kind."""

from typing import Any

import pytest

from cerberod.analytics.legs import Kind, Settlement, make_leg
from cerberod.errors import AnalyticsRefused

OPTION: dict[str, Any] = {
    "kind": Kind.CALL,
    "quantity": 1.0,
    "price": 0.0,
    "strike": 100.0,
    "years": 0.1,
    "volatility": 0.5,
}
FUTURE: dict[str, Any] = {"kind": Kind.FUTURE, "quantity": 1.0, "price": 100.0, "years": 0.1}


@pytest.mark.parametrize(
    ("field", "good", "change"),
    [
        ("quantity", OPTION, {"quantity": 0.0}),
        ("quantity", OPTION, {"quantity": float("nan")}),
        ("quantity", OPTION, {"quantity": [1.0]}),
        ("price", OPTION, {"price": -1.0}),
        ("price", FUTURE, {"price": 0.0}),
        ("strike", OPTION, {"strike": None}),
        ("strike", OPTION, {"strike": 0.0}),
        ("strike", FUTURE, {"strike": 1.0}),
        ("years", OPTION, {"years": 0.0}),
        ("years", FUTURE, {"years": None}),
        ("years", FUTURE, {"kind": Kind.SPOT}),
        ("volatility", OPTION, {"volatility": None}),
        ("volatility", FUTURE, {"volatility": 0.5}),
        ("forward", FUTURE, {"kind": Kind.PERPETUAL, "years": None, "forward": 1.0}),
        ("forward", OPTION, {"forward": -1.0}),
        ("settlement", FUTURE, {"kind": Kind.SPOT, "years": None, "settlement": Settlement.INVERSE}),
        ("fee", OPTION, {"fee": float("inf")}),
        ("delivery_rate", OPTION, {"delivery_rate": -0.1}),
        ("delivery_cap", OPTION, {"delivery_rate": 0.2}),
        ("delivery_cap", OPTION, {"delivery_cap": 1.5}),
    ],
)
def test_a_bad_leg_is_refused_by_name(field: str, good: dict[str, Any], change: dict[str, Any]) -> None:
    make_leg(**good)
    with pytest.raises(AnalyticsRefused) as refused:
        make_leg(**{**good, **change})
    assert refused.value.field == field
