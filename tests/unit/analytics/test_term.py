"""Term structures with known answers, where they end, and calendar arbitrage."""

import math

import numpy as np
import pytest

from cerberod.analytics.arrays import words
from cerberod.analytics.black import black_price
from cerberod.analytics.term import TermReason, constant_maturity, expected_move, forward_volatilities
from cerberod.errors import AnalyticsRefused

YEARS = [7 / 365, 30 / 365, 90 / 365]


def test_constant_maturity_is_linear_in_total_variance() -> None:
    """Halfway in time between 30 days at 40 % and 90 days at 50 %: variance (0.16*30 + 0.25*90)/2/60."""
    got = constant_maturity(YEARS, [0.6, 0.4, 0.5], [30 / 365, 60 / 365, 90 / 365])
    expected = [0.4, math.sqrt((0.16 * 30 + 0.25 * 90) / 2 / 60), 0.5]
    assert got.volatility.tolist() == pytest.approx(expected, rel=1e-12)


def test_a_flat_term_structure_stays_flat() -> None:
    assert constant_maturity(YEARS, [0.5] * 3, np.linspace(0.02, 0.24, 9)).volatility.tolist() == pytest.approx(
        [0.5] * 9
    )
    assert forward_volatilities(YEARS, [0.5] * 3).volatility.tolist() == pytest.approx([0.5] * 2)


def test_nothing_is_extrapolated() -> None:
    got = constant_maturity(YEARS, [0.6, 0.4, 0.5], [1 / 365, 0.1, 1.0])
    assert words(got.reason, TermReason) == ["outside_expiries", None, "outside_expiries"]
    assert got.volatility.tolist()[0] is None


def test_forward_volatility_of_a_known_pair() -> None:
    """Variance 0.04 over the first year and 0.0625 * 2 over two: 0.085 in the second."""
    got = forward_volatilities([1.0, 2.0], [0.2, 0.25])
    assert got.volatility.tolist() == pytest.approx([math.sqrt(0.085)], rel=1e-14)


def test_falling_total_variance_has_no_forward_volatility() -> None:
    got = forward_volatilities([0.25, 0.5, 1.0], [0.8, 0.5, 0.5])
    assert got.volatility.tolist() == [None, pytest.approx(0.5)]
    assert words(got.reason, TermReason) == ["negative_forward_variance", None]


def test_expected_move_is_the_straddle() -> None:
    got = expected_move(80_000.0, 0.5, 30 / 365)
    assert float(got.one_sigma) == pytest.approx(80_000.0 * 0.5 * math.sqrt(30 / 365), rel=1e-14)
    straddle = float(np.sum(black_price(80_000.0, 80_000.0, 30 / 365, 0.5, [True, False])))
    assert float(got.mean_absolute) == pytest.approx(straddle, rel=1e-12)
    assert float(got.lower) * float(got.upper) == pytest.approx(80_000.0**2, rel=1e-12)
    assert float(got.one_sigma_pct) == pytest.approx(100 * 0.5 * math.sqrt(30 / 365), rel=1e-14)


@pytest.mark.parametrize(
    ("field", "years", "volatility"),
    [
        ("years", [0.1, 0.1], [0.5, 0.5]),
        ("years", [0.2, 0.1], [0.5, 0.5]),
        ("years", [0.0, 0.1], [0.5, 0.5]),
        ("years", [], []),
        ("volatility", [0.1, 0.2], [0.5]),
        ("volatility", [0.1, 0.2], [0.5, 0.0]),
    ],
)
def test_bad_terms_are_refused_by_name(field: str, years: list[float], volatility: list[float]) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        constant_maturity(years, volatility, 0.1)
    assert refused.value.field == field
    with pytest.raises(AnalyticsRefused) as refused:
        forward_volatilities(years, volatility)
    assert refused.value.field == field
