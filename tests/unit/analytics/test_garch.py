"""GARCH(1,1) by itself: the filter and the gradient against slow forms, the ends of the parameter space, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cerberod.analytics import garch
from cerberod.analytics.descent import Ending
from cerberod.analytics.garch import Mean, Parameters
from cerberod.errors import AnalyticsRefused
from tests.support.garch import made_returns

RETURNS = made_returns(1_000, 11, mean=5e-4)
KINDS = [(kind, targeting) for kind in Mean for targeting in (False, True)]


def test_the_filter_equals_the_loop() -> None:
    parameters = Parameters(1e-4, 2e-6, 0.07, 0.91)
    expected, before = [], 3e-5
    square = variance = before
    for r in RETURNS.tolist():
        variance = parameters.omega + parameters.alpha * square + parameters.beta * variance
        expected.append(variance)
        square = (r - parameters.mean) ** 2
    np.testing.assert_allclose(garch.filtered(RETURNS, parameters, before), expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "targeting"), KINDS)
def test_the_gradient_equals_central_differences(kind: Mean, targeting: bool) -> None:
    """Step 1e-6 on an objective near 1: differences are good to 1e-9, and agree to 1e-7."""
    model = garch._Likelihood(RETURNS / RETURNS.std(), kind, targeting)
    for alpha, total in ((0.05, 0.9), (0.3, 0.5), (0.001, 0.7), (0.1, 0.999)):
        point = model._point(alpha, total)
        gradient = model(point)[1]
        assert gradient.shape == point.shape
        for i, step in enumerate(1e-6 * np.eye(point.size)):
            slope = (model(point + step)[0] - model(point - step)[0]) / 2e-6
            assert gradient[i] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize(("kind", "targeting"), KINDS)
def test_no_neighbour_is_likelier(kind: Mean, targeting: bool) -> None:
    fit = garch.fit(RETURNS, 365.0, mean_kind=kind, variance_targeting=targeting)
    assert fit.ending is Ending.CONVERGED
    before = garch.backcast(RETURNS, float(RETURNS.mean()) if kind is Mean.CONSTANT else 0.0)
    target = float(np.mean((RETURNS - fit.mean) ** 2))
    for d_alpha in (-0.01, 0.0, 0.01):
        for d_beta in (-0.01, 0.0, 0.01):
            alpha, beta = fit.alpha + d_alpha, fit.beta + d_beta
            if alpha + beta < 1.0:
                omega = target * (1.0 - alpha - beta) if targeting else fit.omega
                there = Parameters(fit.mean, omega, alpha, beta)
                assert garch.log_likelihood(RETURNS, there, before) <= fit.log_likelihood + 1e-9


def test_known_parameters_are_found_again() -> None:
    """Ten thousand returns: standard errors are near 0.01 for alpha and 0.015 for beta; three of them are allowed."""
    fit = garch.fit(made_returns(10_000, 3, alpha=0.1, beta=0.85, omega=5e-6), 365.0)
    assert fit.alpha == pytest.approx(0.1, abs=0.03)
    assert fit.beta == pytest.approx(0.85, abs=0.045)
    assert fit.unconditional_variance == pytest.approx(1e-4, rel=0.15)


def test_targeting_keeps_the_variance_of_the_sample() -> None:
    fit = garch.fit(RETURNS, 365.0, variance_targeting=True)
    assert fit.mean == pytest.approx(float(RETURNS.mean()), rel=1e-12)
    assert fit.unconditional_variance == pytest.approx(float(RETURNS.var()), rel=1e-9)
    assert fit.log_likelihood <= garch.fit(RETURNS, 365.0).log_likelihood + 1e-9


def test_what_follows_from_the_parameters() -> None:
    fit = garch.fit(RETURNS, 252.0, 300)
    assert fit.persistence == fit.alpha + fit.beta
    assert fit.half_life is not None and fit.unconditional_variance is not None
    assert fit.persistence**fit.half_life == pytest.approx(0.5, rel=1e-12)
    assert fit.unconditional_volatility == pytest.approx((252.0 * fit.unconditional_variance) ** 0.5, rel=1e-12)
    away = fit.forecast_variances - fit.unconditional_variance
    np.testing.assert_allclose(away[1:], fit.persistence * away[:-1], atol=1e-12 * fit.unconditional_variance)
    np.testing.assert_allclose(fit.forecast_volatilities, np.sqrt(252.0 * fit.forecast_variances), rtol=1e-12)
    assert fit.term_volatilities[0] == fit.forecast_volatilities[0]
    assert fit.term_volatilities[-1] == pytest.approx((252.0 * fit.forecast_variances.mean()) ** 0.5, rel=1e-12)


def test_ten_times_the_returns_are_ten_times_the_volatility() -> None:
    """Returns are scaled before the fit, so a power of two changes nothing else at all."""
    plain, scaled = garch.fit(RETURNS, 365.0), garch.fit(8.0 * RETURNS, 365.0)
    assert (scaled.alpha, scaled.beta) == pytest.approx((plain.alpha, plain.beta), rel=1e-9)
    assert scaled.omega == pytest.approx(64.0 * plain.omega, rel=1e-9)


def test_growing_variance_has_no_level_to_return_to() -> None:
    """Volatility that only ever grew: persistence goes to its limit, and the forecast stays finite."""
    returns = np.random.default_rng(4).normal(size=400) * np.linspace(0.001, 0.1, 400)
    fit = garch.fit(returns, 365.0, 100, mean_kind=Mean.ZERO)
    assert fit.persistence == pytest.approx(1.0, abs=1e-6)
    assert fit.persistence <= 1.0 + 1e-12
    assert fit.half_life is None and fit.unconditional_variance is None and fit.unconditional_volatility is None
    assert np.all(np.isfinite(fit.forecast_volatilities))


def test_no_clusters_no_half_life() -> None:
    calm = np.tile([0.01, -0.01], 200)
    fit = garch.fit(calm, 365.0, mean_kind=Mean.ZERO)
    assert fit.unconditional_volatility is None or fit.unconditional_volatility > 0.0
    if fit.alpha <= 1e-8:
        assert fit.half_life is None


@pytest.mark.parametrize(
    "returns",
    [
        np.concatenate([RETURNS, [5.0]]),
        np.concatenate([[5.0], RETURNS]),
        np.concatenate([np.zeros(500), RETURNS[:100], np.zeros(500)]),
        np.where(np.arange(200) == 100, 1e-3, 0.0),
        1e-9 * RETURNS,
        RETURNS + 0.5,
    ],
    ids=["ends in a crash", "begins in one", "mostly closed", "one trade", "tiny", "rising steeply"],
)
@pytest.mark.parametrize(("kind", "targeting"), KINDS)
def test_odd_markets_end_in_a_told_way(returns: Any, kind: Mean, targeting: bool) -> None:
    fit = garch.fit(returns, 365.0, 10, mean_kind=kind, variance_targeting=targeting)
    assert isinstance(fit.ending, Ending)
    assert fit.alpha >= 0.0 and fit.beta >= 0.0 and fit.omega > 0.0
    assert np.isfinite(fit.log_likelihood)
    assert np.all(np.isfinite(fit.variances)) and np.all(fit.variances > 0.0)
    assert np.all(np.isfinite(fit.term_volatilities))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: garch.fit(RETURNS[:99], 365.0), "returns"),
        (lambda: garch.fit([], 365.0), "returns"),
        (lambda: garch.fit(np.full(500, 0.01), 365.0), "returns"),
        (lambda: garch.fit(np.zeros(500), 365.0), "returns"),
        (lambda: garch.fit(np.where(np.arange(200) == 9, np.nan, RETURNS[:200]), 365.0), "returns"),
        (lambda: garch.fit(np.where(np.arange(200) == 9, np.inf, RETURNS[:200]), 365.0), "returns"),
        (lambda: garch.fit(100_000.0 * RETURNS, 365.0), "returns"),
        (lambda: garch.fit(RETURNS.reshape(2, -1), 365.0), "returns"),
        (lambda: garch.fit(RETURNS, 0.0), "periods_per_year"),
        (lambda: garch.fit(RETURNS, float("nan")), "periods_per_year"),
        (lambda: garch.fit(RETURNS, 365.0, 0), "horizon"),
        (lambda: garch.fit(RETURNS, 365.0, 10_001), "horizon"),
    ],
)
def test_a_broken_rule_names_its_field(call: Callable[[], Any], field: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        call()
    assert refused.value.field == field
