"""A chain is checked once, names what is wrong with it, and knows its times and signs."""

from typing import Any

import pytest

from cerberod.analytics.chain import YEAR_MS, DealerSign, OptionChain, make_chain
from cerberod.errors import AnalyticsRefused


def columns() -> dict[str, Any]:
    return {
        "as_of_ms": 0,
        "spot": 100.0,
        "expiry_ms": [YEAR_MS, YEAR_MS, YEAR_MS // 2],
        "strike": [100.0, 100.0, 100.0],
        "is_call": [True, False, True],
        "forward": [101.0, 101.0, 100.5],
        "volatility": [0.5, 0.5, 0.6],
        "open_interest": [1.0, 2.0, 0.0],
    }


def make(**change: Any) -> OptionChain:
    return make_chain(**{**columns(), **change})


def test_years_expiries_and_missing_volume() -> None:
    chain = make()
    assert chain.years.tolist() == [1.0, 1.0, 0.5]
    assert chain.expiries() == [YEAR_MS // 2, YEAR_MS]
    assert chain.volume.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("dealers", "call", "put"),
    [
        (DealerSign.LONG_CALLS_SHORT_PUTS, 1.0, -1.0),
        (DealerSign.SHORT_CALLS_LONG_PUTS, -1.0, 1.0),
        (DealerSign.LONG_ALL, 1.0, 1.0),
        (DealerSign.SHORT_ALL, -1.0, -1.0),
    ],
)
def test_signs(dealers: DealerSign, call: float, put: float) -> None:
    assert make().sign(dealers).tolist() == [call, put, call]


@pytest.mark.parametrize(
    ("field", "change", "rule"),
    [
        ("spot", {"spot": 0.0}, "greater than 0"),
        ("spot", {"spot": [1.0]}, "one number"),
        ("strike", {"strike": []}, "at least 1"),
        ("strike", {"strike": [1.0, -1.0, 1.0]}, "greater than 0"),
        ("strike", {"is_call": [True, True, True]}, "twice"),
        ("expiry_ms", {"as_of_ms": YEAR_MS // 2}, "later than the chain's own time"),
        ("expiry_ms", {"expiry_ms": [1, 2]}, "as long as strike"),
        ("expiry_ms", {"expiry_ms": ["a", "b", "c"]}, "whole numbers"),
        ("expiry_ms", {"expiry_ms": [10**30] * 3}, "whole numbers"),
        ("is_call", {"is_call": [1, 0, 1]}, "booleans"),
        ("forward", {"forward": 100.0}, "as long as strike"),
        ("volatility", {"volatility": [0.5, 0.0, 0.5]}, "greater than 0"),
        ("volatility", {"volatility": [0.5, None, 0.5]}, "finite"),
        ("open_interest", {"open_interest": [1.0, -1.0, 1.0]}, "negative"),
        ("volume", {"volume": [float("inf")] * 3}, "finite"),
    ],
)
def test_a_bad_chain_is_refused_by_name(field: str, change: dict[str, Any], rule: str) -> None:
    with pytest.raises(AnalyticsRefused, match=rule) as refused:
        make(**change)
    assert refused.value.field == field
