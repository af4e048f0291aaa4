"""Engle-Granger, Dickey-Fuller and Johansen against statsmodels, on the same lags.

Tolerance: 1e-8 relative for statistics and coefficients: both sides solve the same least squares problems through
different factorisations; scales a million apart are as far as statsmodels' pseudo-inverse keeps its digits. 1e-10 for
probabilities, which are one published polynomial; critical values are equal.
"""

from typing import Any

import mpmath as mp
import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.tools import add_constant
from statsmodels.tsa.adfvalues import mackinnonp
from statsmodels.tsa.stattools import adfuller, coint
from statsmodels.tsa.vector_ar.vecm import coint_johansen

from cerberod.analytics import dickey_fuller, mackinnon
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.cointegration import engle_granger, johansen
from cerberod.analytics.dickey_fuller import LagCriterion
from cerberod.analytics.mackinnon import Trend
from cerberod.analytics.reversion import half_life

TRENDS = pytest.mark.parametrize("trend", Trend)


def walks(count: int, length: int, seed: int) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=(count, length)).cumsum(axis=1))


def tied(length: int, seed: int) -> FloatArray:
    """Three series with two random walks behind them."""
    source = np.random.default_rng(seed)
    a, b = source.normal(size=(2, length)).cumsum(axis=1)
    noise = source.normal(size=length)
    for t in range(1, length):
        noise[t] += 0.7 * noise[t - 1]
    return np.stack([100.0 + a, 3.0 + 2.0 * a + noise, 50.0 - b + 0.01 * np.arange(length)])


PAIRS = {
    "walks": walks(2, 400, 0),
    "tied": tied(400, 1)[:2],
    "short": tied(30, 2)[:2],
    "far apart": tied(300, 3)[:2] * np.array([[1e3], [1e-3]]),
    "tight": tied(500, 4)[:2] * np.array([[1.0], [1.0]]) + 1e-2 * walks(2, 500, 5),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
@TRENDS
@pytest.mark.parametrize("lags", [0, 1, 5, LagCriterion.AIC, LagCriterion.BIC])
def test_engle_granger(pair: FloatArray, trend: Trend, lags: int | LagCriterion) -> None:
    got = engle_granger(pair[0], pair[1], trend, lags)
    for mine, (y, x) in ((got.first_on_second, pair), (got.second_on_first, pair[::-1])):
        fixed = None if isinstance(lags, LagCriterion) else lags
        auto = lags.value if isinstance(lags, LagCriterion) else None
        statistic, p_value, critical = coint(y, x, trend=trend.value, maxlag=fixed, autolag=auto)
        np.testing.assert_allclose(mine.statistic, statistic, rtol=1e-8)
        np.testing.assert_allclose(mine.p_value, p_value, rtol=1e-8, atol=1e-10)
        np.testing.assert_array_equal(mine.critical_values, critical)
        line = np.arange(y.size)
        design = np.column_stack([np.ones(y.size), x] + ([line] if trend is Trend.CONSTANT_AND_LINE else []))
        fit = OLS(y, design).fit()
        np.testing.assert_allclose(mine.hedge_ratio, fit.params[1], rtol=1e-8)
        np.testing.assert_allclose(mine.intercept, fit.params[0], rtol=1e-7, atol=1e-8 * np.abs(y).max())
        if mine.line is not None:
            np.testing.assert_allclose(mine.line, fit.params[2], rtol=1e-6, atol=1e-12 * np.abs(y).max())
        np.testing.assert_allclose(mine.r_squared, fit.rsquared, rtol=1e-9)
        np.testing.assert_allclose(mine.spread, fit.resid, rtol=1e-6, atol=1e-8 * mine.deviation)
        np.testing.assert_allclose(mine.deviation, np.sqrt(fit.scale), rtol=1e-8)
        np.testing.assert_allclose(mine.z_score, fit.resid[-1] / np.sqrt(fit.scale), rtol=1e-6, atol=1e-9)


@TRENDS
@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-9])
def test_a_coin_and_its_perpetual(trend: Trend, apart: float) -> None:
    """A spread far below the moves of its legs. `coint` gives up here, so its two steps are taken one by one.

    The spread keeps as many digits as the rounding of the levels leaves it: 16 less those it lies below them.
    """
    source = np.random.default_rng(41)
    spot = 80_000.0 + 900.0 * source.normal(size=600).cumsum()
    perpetual = spot * (1.0 + apart * source.normal(size=600))
    digits = max(1e-8, 1e-13 / apart)
    design = [np.ones(600), spot] + ([np.arange(600.0)] if trend is Trend.CONSTANT_AND_LINE else [])
    # Centred and in one unit: their pseudo-inverse loses what levels of 80 000 would take.
    centred = [design[0], *((each - each.mean()) / each.std() for each in design[1:])]
    fit = OLS(perpetual, np.column_stack(centred)).fit()
    theirs = adfuller(fit.resid, maxlag=2, autolag=None, regression="n", result_object=True)
    ours = engle_granger(perpetual, spot, trend, 2).first_on_second
    np.testing.assert_allclose(ours.spread, fit.resid, rtol=0, atol=10.0 * digits * ours.deviation)
    np.testing.assert_allclose(ours.hedge_ratio, fit.params[1] / spot.std(), rtol=1e-10)
    np.testing.assert_allclose(ours.statistic, theirs.statistic, rtol=10.0 * digits)


@pytest.mark.parametrize("lags", [0, 1, 7])
def test_dickey_fuller(lags: int) -> None:
    spread = tied(300, 9)[1] - tied(300, 9)[0] * 2.0
    spread = spread - spread.mean()
    theirs = adfuller(spread, maxlag=lags, autolag=None, regression="n", result_object=True)
    np.testing.assert_allclose(dickey_fuller.statistic(spread, lags), theirs.statistic, rtol=1e-10)


@TRENDS
@pytest.mark.parametrize("series", [1, 2, 6])
def test_probabilities(trend: Trend, series: int) -> None:
    grid = np.linspace(-25.0, 5.0, 301)
    expected = [mackinnonp(t, regression=trend.value, N=series) for t in grid]
    np.testing.assert_allclose(mackinnon.p_values(grid, trend, series), expected, rtol=1e-12, atol=1e-15)


def test_half_life() -> None:
    x = tied(500, 11)[1] - 2.0 * tied(500, 11)[0] + 1e3
    got = half_life(x)
    fit = OLS(x[1:], add_constant(x[:-1])).fit()
    np.testing.assert_allclose([got.phi, got.standard_error], [fit.params[1], fit.bse[1]], rtol=1e-8)
    np.testing.assert_allclose(got.t_statistic, (fit.params[1] - 1.0) / fit.bse[1], rtol=1e-8)
    theirs = adfuller(x, maxlag=0, autolag=None, regression="c", result_object=True)
    np.testing.assert_allclose(got.t_statistic, theirs.statistic, rtol=1e-8)
    assert got.unit_root_rejected == (theirs.statistic < theirs.critical_values["5%"])
    assert got.mean is not None
    assert got.half_life is not None
    np.testing.assert_allclose(got.mean, fit.params[0] / (1.0 - fit.params[1]), rtol=1e-8)
    np.testing.assert_allclose(got.half_life, -np.log(2.0) / np.log(fit.params[1]), rtol=1e-8)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("lags", [1, 4])
@pytest.mark.parametrize("series", [tied(400, 20), tied(120, 21)[:2], walks(6, 300, 22), walks(12, 320, 23)])
def test_johansen(series: FloatArray, lags: int, constant: bool) -> None:
    got = johansen(list(series), lags, constant=constant)
    theirs = coint_johansen(series.T, 0 if constant else -1, lags)
    np.testing.assert_allclose(got.eigenvalues, theirs.eig, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(got.trace, theirs.trace_stat, rtol=1e-8)
    np.testing.assert_allclose(got.largest, theirs.max_eig_stat, rtol=1e-8)
    np.testing.assert_array_equal(got.trace_critical, theirs.trace_stat_crit_vals)
    np.testing.assert_array_equal(got.largest_critical, theirs.max_eig_stat_crit_vals)
    vectors = theirs.evec.T * np.sign(theirs.evec[:1].T)
    np.testing.assert_allclose(got.weights, vectors, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7])
def test_johansen_of_a_coin_and_its_perpetual(apart: float) -> None:
    """Against the definition at fifty digits: statsmodels inverts moment matrices, which takes its digits away here."""
    source = np.random.default_rng(43)
    spot = 80_000.0 + 900.0 * source.normal(size=80).cumsum()
    perpetual = spot * (1.0 + apart * source.normal(size=80))
    with mp.workdps(50):
        levels = mp.matrix(np.column_stack([spot, perpetual]).tolist())
        changes = levels[1:, :] - levels[:-1, :]
        before = mp.ones(78, 3)
        before[:, :2] = changes[:-1, :]

        def beside(x: Any) -> Any:
            return x - before * ((before.T * before) ** -1 * (before.T * x))

        now, past = beside(changes[1:, :]), beside(levels[1:-1, :])
        cross = past.T * now
        product = (past.T * past) ** -1 * cross * (now.T * now) ** -1 * cross.T
        expected = sorted((float(mp.re(each)) for each in mp.eig(product, left=False, right=False)), reverse=True)
    got = johansen([spot, perpetual], 1)
    np.testing.assert_allclose(got.eigenvalues, expected, rtol=max(1e-10, 1e-14 / apart))
    np.testing.assert_allclose(got.largest, -78.0 * np.log1p(-np.array(expected)), rtol=max(1e-10, 1e-14 / apart))
