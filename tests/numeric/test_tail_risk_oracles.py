"""Tail risk against published figures and against scipy's normal distribution and quadrature.

Jorion's figures are printed to two or three digits, with the factors 1.65 and 2.33 for the quantiles 1.6449 and 2.3263:
1 % of tolerance. The closed forms agree with numerical integration to 1e-8.
"""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kurtosis, norm, skew

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.tail_risk import Shape, TailRisk, tail_risk


def with_moments(mean: float, deviation: float, count: int = 254) -> FloatArray:
    """Numbers with this mean and this standard deviation (divisor n - 1), exactly."""
    x = np.random.default_rng(0).normal(size=count)
    x = (x - x.mean()) / x.std(ddof=1)
    return np.asarray(mean + deviation * x)


def value(risk: TailRisk) -> float:
    assert risk.value_at_risk is not None
    return risk.value_at_risk


def shortfall(risk: TailRisk) -> float:
    assert risk.expected_shortfall is not None
    return risk.expected_shortfall


def test_jorions_hundred_million() -> None:
    # A portfolio of 100 million with 15 % volatility a year, ten of 252 days, 99 %: 7 million.
    daily = with_moments(0.0, 100.0 * 0.15 / math.sqrt(252.0))
    assert math.isclose(value(tail_risk(daily, 0.99, 10, Shape.GAUSSIAN)), 7.0, rel_tol=0.01)


def test_jorions_bank() -> None:
    # Daily revenues of 1994: mean 5.1 million, deviation 9.2 million; at 95 % 15.2 million below the mean.
    got = tail_risk(with_moments(5.1, 9.2), 0.95, 1, Shape.GAUSSIAN)
    assert math.isclose(value(got) + 5.1, 15.2, rel_tol=0.01)


@pytest.mark.parametrize(("confidence", "expected"), [(0.95, 2.063), (0.975, 2.338), (0.99, 2.665)])
def test_published_shortfall_of_the_normal(confidence: float, expected: float) -> None:
    got = tail_risk(with_moments(0.0, 1.0), confidence, 1, Shape.GAUSSIAN)
    assert math.isclose(shortfall(got), expected, abs_tol=6e-4)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("horizon", [1, 10])
def test_gaussian(confidence: float, horizon: int) -> None:
    got = tail_risk(with_moments(0.3, 2.0), confidence, horizon, Shape.GAUSSIAN)
    loss = norm(-0.3 * horizon, 2.0 * math.sqrt(horizon))
    assert math.isclose(value(got), loss.ppf(confidence), rel_tol=1e-10, abs_tol=1e-10)
    beyond = loss.expect(lambda x: x, lb=loss.ppf(confidence)) / (1.0 - confidence)
    assert math.isclose(shortfall(got), beyond, rel_tol=1e-7)


@pytest.mark.parametrize("confidence", [0.9, 0.975, 0.99])
@pytest.mark.parametrize("horizon", [1, 5])
def test_cornish_fisher(confidence: float, horizon: int) -> None:
    x = np.random.default_rng(2).gamma(8.0, size=500) * -1.0 + np.random.default_rng(3).standard_t(8, 500)
    got = tail_risk(x, confidence, horizon, Shape.CORNISH_FISHER)
    s, k = got.skewness / math.sqrt(horizon), got.excess_kurtosis / horizon
    assert s < 0.0 < k

    def loss(probability: float) -> float:
        z = norm.ppf(probability)
        corrected = z + (z * z - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s * s / 36
        return float(-horizon * x.mean() - math.sqrt(horizon) * x.std(ddof=1) * corrected)

    assert math.isclose(value(got), loss(1.0 - confidence), rel_tol=1e-10)
    mean = quad(loss, 0.0, 1.0 - confidence, epsabs=1e-12, epsrel=1e-11, limit=500)[0] / (1.0 - confidence)
    assert math.isclose(shortfall(got), mean, rel_tol=1e-8)


def test_moments_are_those_of_scipy() -> None:
    x = np.random.default_rng(7).gamma(2.0, size=300)
    got = tail_risk(x, 0.9)
    np.testing.assert_allclose(
        [got.mean, got.deviation, got.skewness, got.excess_kurtosis],
        [x.mean(), x.std(ddof=1), skew(x), kurtosis(x)],
        rtol=1e-12,
    )
