"""GARCH(1,1) against the `arch` package, on returns of known processes and on some that have no clusters at all.

Tolerances. The likelihood at `arch`'s own parameters is the same sum: 1e-6 of some thousands. Our maximum may be higher
(`arch` stops at a relative 1e-6 of its objective, and sometimes elsewhere) and must not be lower by more than 1e-6.
Where both found the same hill, likelihoods 1e-4 apart, its flat top leaves the parameters that uncertain: alpha within
0.005, beta within 0.02, the forecast within 1 %; errors of estimation are ten times that.
"""

import warnings
from typing import Any

import numpy as np
import pytest
from arch import arch_model

from cerberod.analytics import garch
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.garch import Mean, Parameters
from tests.support.garch import made_returns

PERCENT = 100.0  # what `arch` is scaled for

CASES = [
    pytest.param(
        {"count": count, "seed": seed, "mean": 3e-4, **process}, mean_kind, id=f"{name} {count} {seed} {mean_kind}"
    )
    for name, process in {
        "usual": {"omega": 2e-6, "alpha": 0.08, "beta": 0.9},
        "nervous": {"omega": 5e-5, "alpha": 0.3, "beta": 0.1},
        "lasting": {"omega": 1e-7, "alpha": 0.05, "beta": 0.949},
        "none": {"omega": 1e-4, "alpha": 0.0, "beta": 0.0},
    }.items()
    for count, seed in ((150, 1), (1000, 2), (1000, 3))
    for mean_kind in Mean
]


def theirs(returns: FloatArray, mean_kind: Mean, horizon: int) -> tuple[Any, FloatArray]:
    model = arch_model(PERCENT * returns, mean=mean_kind.value.capitalize(), vol="GARCH", p=1, q=1, rescale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their optimiser's complaints
        result = model.fit(disp="off")
    return result, result.forecast(horizon=horizon).variance.to_numpy()[-1] / PERCENT**2


@pytest.mark.parametrize(("process", "mean_kind"), CASES)
def test_as_likely_as_arch_or_more(process: dict[str, Any], mean_kind: Mean) -> None:
    returns = made_returns(**process)
    ours = garch.fit(returns, 365.0, 20, mean_kind=mean_kind)
    result, forecast = theirs(returns, mean_kind, 20)
    *mean, omega, alpha, beta = result.params.to_numpy().tolist()
    their_likelihood = result.loglikelihood + returns.size * np.log(PERCENT)

    at_theirs = Parameters(mean[0] / PERCENT if mean else 0.0, omega / PERCENT**2, alpha, beta)
    before = garch.backcast(returns, float(returns.mean()) if mean else 0.0)
    assert garch.log_likelihood(returns, at_theirs, before) == pytest.approx(their_likelihood, abs=1e-6)

    assert ours.converged
    assert ours.log_likelihood >= their_likelihood - 1e-6
    clusters = ours.alpha > 0.01  # without, beta is anything
    if ours.log_likelihood <= their_likelihood + 1e-4 and clusters:
        assert ours.alpha == pytest.approx(alpha, abs=0.005)
        assert ours.beta == pytest.approx(beta, abs=0.02)
        np.testing.assert_allclose(ours.forecast_variances, forecast, rtol=0.01)


def test_at_the_same_parameters_the_forecast_is_the_same() -> None:
    """Their forecast from our parameters: one formula, so to rounding."""
    returns = made_returns(800, 5)
    ours = garch.fit(returns, 365.0, 50, mean_kind=Mean.ZERO)
    model = arch_model(PERCENT * returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
    fixed = model.fix([ours.omega * PERCENT**2, ours.alpha, ours.beta])
    their_variances = (fixed.conditional_volatility / PERCENT) ** 2
    np.testing.assert_allclose(ours.variances, their_variances, rtol=1e-10)
    np.testing.assert_allclose(
        ours.forecast_variances, fixed.forecast(horizon=50).variance.to_numpy()[-1] / PERCENT**2, rtol=1e-10
    )
