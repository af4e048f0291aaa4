"""The batch over a universe against statsmodels' `coint` in a loop, with the same number of lags.

Tolerance: 1e-8 for statistics and probabilities, as a promise; both are near 1e-12 but where two series are alike to
four digits and more.
"""

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from statsmodels.tsa.stattools import coint

from cerberod.analytics import pairs
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.dickey_fuller import LagCriterion
from cerberod.analytics.mackinnon import Trend


def universe(count: int, length: int, seed: int) -> FloatArray:
    """Series with three walks behind them, from loosely tied to almost alike, and of very different sizes."""
    source = np.random.default_rng(seed)
    walks = source.normal(size=(3, length)).cumsum(axis=1)
    noise = source.normal(size=(count, length))
    own = source.normal(size=(count, length)).cumsum(axis=1) * (np.arange(count) % 2)[:, None]
    out = source.normal(size=(count, 3)) @ walks + noise + 0.5 * own + 100.0
    out[1] = out[0] + 0.04 * noise[1]
    out[2] = 3.0 * out[0] + 0.15 * noise[2]
    return np.asarray(out * np.geomspace(1e-3, 1e3, count)[:, None])


@pytest.mark.parametrize("trend", Trend)
@pytest.mark.parametrize("lags", [0, 1, 6])
def test_every_pair(trend: Trend, lags: int) -> None:
    series = universe(10, 250, seed=1)
    got = pairs.scan(list(series), trend, lags, both_ways=False)
    theirs = [
        coint(series[i], series[j], trend=trend.value, maxlag=lags, autolag=None)
        for i, j in zip(got.dependent, got.regressor, strict=True)
    ]
    assert not got.statistic.mask.any()
    np.testing.assert_allclose(got.statistic, [t[0] for t in theirs], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(got.p_value, [t[1] for t in theirs], rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(got.critical_values, theirs[0][2])


def test_the_better_way_of_two_pays_for_the_choice() -> None:
    series = universe(8, 250, seed=2)
    got = pairs.scan(list(series), lags=1)
    for k, (i, j) in enumerate(zip(*np.triu_indices(8, 1), strict=True)):
        one, other = (coint(series[a], series[b], maxlag=1, autolag=None) for a, b in ((i, j), (j, i)))
        assert {int(got.dependent[k]), int(got.regressor[k])} == {i, j}
        assert (got.dependent[k] == i) == (one[0] <= other[0])
        np.testing.assert_allclose(got.statistic[k], min(one[0], other[0]), rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(got.p_value[k], min(1.0, 2.0 * min(one[1], other[1])), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("criterion", LagCriterion)
def test_one_pair_chooses_the_lag_that_statsmodels_does(criterion: LagCriterion) -> None:
    for seed in range(5):
        y, x = universe(4, 150, seed)[[0, 3]]
        got = pairs.scan([y, x], lags=criterion, both_ways=False)
        np.testing.assert_allclose(got.statistic[0], coint(y, x, autolag=criterion.value)[0], rtol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_probabilities(seed: int) -> None:
    p_value = np.random.default_rng(seed).random(200) ** 3
    p_value[:10] = p_value[10]
    p_value[20:22] = [0.0, 1.0]
    np.testing.assert_allclose(pairs.benjamini_hochberg(p_value), false_discovery_control(p_value), rtol=1e-13)
