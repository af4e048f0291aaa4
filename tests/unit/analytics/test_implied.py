"""Implied volatility: values with known answers, each reason, the way back, and refusals."""

import numpy as np
import pytest

from cerberod.analytics.arrays import words
from cerberod.analytics.black import black_76, black_price
from cerberod.analytics.implied import ImpliedReason, implied_volatility
from cerberod.errors import AnalyticsRefused


def test_golden_call() -> None:
    found = implied_volatility(3_468.07172738, 78_899.98, 80_000.0, 34.1731 / 365.0, True)
    assert float(found.volatility) == pytest.approx(0.4121, abs=1e-9)
    assert int(found.reason) == 0


def test_hulls_implied_volatility() -> None:
    """Hull: a call at 1.875 with S 21, K 20, r 10 %, three months implies 23.5 % a year."""
    forward = 21.0 * np.exp(0.1 * 0.25)
    assert float(implied_volatility(1.875, forward, 20.0, 0.25, True, 0.1).volatility) == pytest.approx(0.235, abs=5e-4)


def test_each_reason() -> None:
    price = [500.0, 1_000.0, 100_000.0, 120_000.0, 0.0, 3_000.0]
    found = implied_volatility(price, 100_000.0, [99e3, 99e3, 99e3, 99e3, 150e3, 99e3], 0.1, True)
    assert words(found.reason, ImpliedReason) == [
        "below_intrinsic",
        "at_intrinsic",
        "at_or_above_bound",
        "at_or_above_bound",
        "at_intrinsic",
        None,
    ]
    assert found.volatility.tolist()[:5] == [None] * 5
    assert found.volatility[5] == pytest.approx(0.2, abs=0.05)
    expired = implied_volatility(3_000.0, 100_000.0, 99_000.0, [0.0, -1.0], True)
    assert expired.reason.tolist() == [ImpliedReason.EXPIRED] * 2


def test_put_bound_is_the_strike() -> None:
    found = implied_volatility([89.999, 90.0], 100.0, 90.0, 1.0, False)
    assert found.reason.tolist() == [0, ImpliedReason.AT_OR_ABOVE_BOUND]


@pytest.mark.parametrize("strike", [1e-9, 1.0, 99_999.999, 1e5, 3e5, 1e12])
@pytest.mark.parametrize("years", [1 / (365 * 86_400), 1 / 365, 1.0, 30.0])
def test_price_comes_back_at_the_edges(strike: float, years: float) -> None:
    """1e-9 of the out-of-the-money price, and a few roundings of the price given (deep in the money: all there is)."""
    sigma = np.array([0.01, 0.3, 1.0, 5.0, 50.0])
    for is_call in (True, False):
        price = black_price(1e5, strike, years, sigma, is_call)
        found = implied_volatility(price, 1e5, strike, years, is_call)
        solved = found.reason == 0
        back = black_price(1e5, strike, years, found.volatility.filled(1.0), is_call)
        time_value = black_price(1e5, strike, years, sigma, strike >= 1e5)
        assert np.all(np.abs(back - price)[solved] <= (1e-9 * time_value + 1e-15 * price)[solved])
        # A reason is given only where the price holds nothing: no time value, or none missing to the bound.
        missing = min(1e5, strike) - time_value
        nothing = (time_value <= 2e-15 * np.maximum(price, 1e-275)) | (missing <= 2e-15 * min(1e5, strike))
        assert np.array_equal(~solved, nothing & ~solved)


def test_discounted_prices() -> None:
    price = black_76(100.0, np.array([80.0, 100.0, 130.0]), 2.0, 0.35, False, 0.04).price
    found = implied_volatility(price, 100.0, np.array([80.0, 100.0, 130.0]), 2.0, False, 0.04)
    assert found.volatility.tolist() == pytest.approx([0.35] * 3, rel=1e-12)


def test_shape_is_kept_when_empty() -> None:
    found = implied_volatility(np.array([]), 100.0, 100.0, 1.0, True)
    assert found.volatility.tolist() == []


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("price", -1.0),
        ("price", float("nan")),
        ("forward", 0.0),
        ("strike", -1.0),
        ("years", float("inf")),
        ("rate", 1e9),
    ],
)
def test_bad_input_is_refused_by_name(field: str, bad: float) -> None:
    good = {"price": 1.0, "forward": 100.0, "strike": 100.0, "years": 1.0, "rate": 0.0}
    with pytest.raises(AnalyticsRefused) as refused:
        implied_volatility(is_call=True, **{**good, field: bad})
    assert refused.value.field == field
