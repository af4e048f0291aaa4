"""Numbers of `common.*` as a client gets them, against packages and formulas that are not ours.

`tests/numeric` holds the same arithmetic against the same packages over many more inputs; here one input each goes
through the socket, the validation, the worker process and back. JSON carries every digit of a float, so tolerances are
those of the arithmetic: 1e-8 unless a test says why not.
"""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from arch import arch_model
from scipy import stats
from statsmodels.api import OLS, add_constant
from statsmodels.tsa.stattools import coint
from statsmodels.tsa.vector_ar.vecm import coint_johansen

from cerberod.analytics.arrays import FloatArray
from tests.support.bars import walk
from tests.support.client import connected
from tests.support.daemon import Daemon
from tests.support.garch import made_returns

PERCENT = 100.0
BARS = walk(400, 11)
RETURNS = np.random.default_rng(12).standard_t(10, 500) * 0.01 + 0.0003


async def asked(daemon: Daemon, method: str, params: dict[str, Any]) -> dict[str, Any]:
    async with connected(daemon) as client:
        return await client.call(method, params)


def near(ours: object, theirs: object, *, within: float = 1e-8) -> None:
    np.testing.assert_allclose(np.array(ours, dtype=np.float64), np.array(theirs), rtol=within, atol=within * 1e-3)


async def test_garch_is_as_likely_as_arch(shared_daemon: Daemon) -> None:
    """Within 1e-4 of the likelihood, or above it; the forecast within 1 %: the top of the hill is that flat."""
    returns = made_returns(1_000, 4, mean=2e-4)
    close = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    params = {"close": close.tolist(), "periods_per_year": 365.0, "horizon": 20}
    ours = await asked(shared_daemon, "common.garch11_forecast", params)
    model = arch_model(PERCENT * returns, mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their optimiser's complaints
        theirs = model.fit(disp="off")
    assert ours["converged"] is True
    assert ours["log_likelihood"] >= theirs.loglikelihood + returns.size * math.log(PERCENT) - 1e-4
    forecast = np.sqrt(theirs.forecast(horizon=20).variance.to_numpy()[-1] * 365.0)
    near(ours["forecast_pct"], forecast, within=0.01)
    assert (ours["alpha"], ours["beta"]) == (
        pytest.approx(theirs.params["alpha[1]"], abs=0.005),
        pytest.approx(theirs.params["beta[1]"], abs=0.02),
    )
    # At our own parameters `arch` has no optimiser to disagree with.
    fixed = model.fix([PERCENT * ours["mean"], PERCENT**2 * ours["omega"], ours["alpha"], ours["beta"]])
    near(ours["log_likelihood"], fixed.loglikelihood + returns.size * math.log(PERCENT))
    near(ours["last_volatility_pct"], fixed.conditional_volatility[-1] * math.sqrt(365.0))
    near(ours["forecast_pct"], np.sqrt(fixed.forecast(horizon=20).variance.to_numpy()[-1] * 365.0))


async def test_cointegration_is_that_of_statsmodels(shared_daemon: Daemon) -> None:
    source = np.random.default_rng(13)
    first = 100.0 + source.normal(size=400).cumsum()
    second = 5.0 + 0.5 * first + source.normal(size=400)
    pair = {"first": first.tolist(), "second": second.tolist(), "lags": 2, "johansen_lags": 1}
    ours = await asked(shared_daemon, "common.cointegration_test", pair)
    for name, y, x in (("first_on_second", first, second), ("second_on_first", second, first)):
        statistic, p_value, critical = coint(y, x, trend="c", maxlag=2, autolag=None)
        found, fit = ours[name], OLS(y, add_constant(x)).fit()
        near([found["statistic"], found["p_value"]], [statistic, p_value])
        near([found["critical_1pct"], found["critical_5pct"], found["critical_10pct"]], critical)
        near([found["intercept"], found["hedge_ratio"], found["r_squared"]], [*fit.params, fit.rsquared])
        near(found["z_score"], fit.resid[-1] / math.sqrt(fit.scale), within=1e-6)
    theirs = coint_johansen(np.column_stack([first, second]), 0, 1)
    johansen = ours["johansen"]
    near(johansen["eigenvalues"], theirs.eig)
    near(johansen["trace"], theirs.trace_stat)
    near(johansen["largest"], theirs.max_eig_stat)
    near(johansen["trace_critical"], theirs.trace_stat_crit_vals)
    near(johansen["largest_critical"], theirs.max_eig_stat_crit_vals)
    assert johansen["rank"] == int(np.cumprod(theirs.trace_stat > theirs.trace_stat_crit_vals[:, 1]).sum())


async def test_half_life_is_that_of_the_regression(shared_daemon: Daemon) -> None:
    source, level = np.random.default_rng(14), [0.0]
    for shock in source.normal(size=499).tolist():
        level.append(0.9 * level[-1] + shock)
    x = np.array(level)
    ours = await asked(shared_daemon, "common.half_life_mean_reversion", {"series": level})
    fit = OLS(x[1:], add_constant(x[:-1])).fit()
    near([ours["phi"], ours["phi_error"]], [fit.params[1], fit.bse[1]])
    near(ours["half_life"], -math.log(2.0) / math.log(fit.params[1]))
    near(ours["t_statistic"], (fit.params[1] - 1.0) / fit.bse[1])


async def test_a_cone_is_the_percentiles_of_every_window(shared_daemon: Daemon) -> None:
    params = {"close": BARS.close.tolist(), "windows": [10, 60], "percentiles": [10.0, 50.0, 90.0]}
    ours = await asked(shared_daemon, "common.vol_cone", params)
    moves = np.diff(np.log(BARS.close))
    for row, window in zip(ours["rows"], (10, 60), strict=True):
        seen = [moves[i : i + window].std(ddof=1) * math.sqrt(365.0) * 100.0 for i in range(moves.size - window + 1)]
        near(row["percentiles_pct"], stats.scoreatpercentile(seen, [10.0, 50.0, 90.0]))
        near([row["min_pct"], row["mean_pct"], row["max_pct"]], [min(seen), np.mean(seen), max(seen)])
        near([row["current_pct"], row["rank_pct"]], [seen[-1], stats.percentileofscore(seen, seen[-1] * (1 + 1e-12))])
        assert (row["windows"], row["independent_windows"]) == (len(seen), moves.size // window)


async def test_value_at_risk_three_ways(shared_daemon: Daemon) -> None:
    ours = await asked(shared_daemon, "common.var_cvar", {"returns": RETURNS.tolist(), "confidence": 0.95})
    historical, gaussian, corrected = ours["tails"]
    # 25 of 500 losses lie beyond: the quantile is the least but those, the shortfall their mean.
    losses = np.sort(-RETURNS)
    near([historical["var"], historical["cvar"]], [losses[-26], losses[-25:].mean()])
    normal = stats.norm(-RETURNS.mean(), RETURNS.std(ddof=1))
    near(gaussian["var"], normal.ppf(0.95))
    near(gaussian["cvar"], normal.expect(lambda x: x, lb=normal.ppf(0.95), conditional=True), within=1e-7)
    skewness, kurtosis = stats.skew(RETURNS), stats.kurtosis(RETURNS)
    near([ours["skewness"], ours["excess_kurtosis"]], [skewness, kurtosis])
    z = stats.norm.ppf(0.05)
    shifted = (
        z
        + (z**2 - 1) * skewness / 6
        + (z**3 - 3 * z) * kurtosis / 24
        - (2 * z**3 - 5 * z) * skewness**2 / 36
    )  # fmt: skip
    near(corrected["var"], -RETURNS.mean() - shifted * RETURNS.std(ddof=1))


async def test_rolling_sharpe_and_sortino_written_out(shared_daemon: Daemon) -> None:
    params = {"returns": RETURNS.tolist(), "window": 30, "periods_per_year": 252.0, "risk_free_pct": 5.0}
    sharpe = await asked(shared_daemon, "common.rolling_sharpe", params)
    windows = [RETURNS[i : i + 30] for i in range(RETURNS.size - 29)]
    expected = [(w.mean() - 0.05 / 252.0) / w.std(ddof=1) * math.sqrt(252.0) for w in windows]
    assert sharpe["sharpe"]["values"][:29] == [None] * 29
    near(sharpe["sharpe"]["values"][29:], expected)
    sortino = await asked(shared_daemon, "common.sortino", {"returns": RETURNS.tolist(), "periods_per_year": 252.0})
    downside = math.sqrt(float(np.mean(np.minimum(RETURNS, 0.0) ** 2)))
    near(sortino["sortino"], RETURNS.mean() / downside * math.sqrt(252.0))


def rescaled_ranges(x: FloatArray, sizes: list[int]) -> list[float]:
    """Return R/S by block size, corrected as Weron (2002) does, block by block and without arrays."""
    out = []
    for n in sizes:
        ratios = []
        for start in range(0, x.size, n):
            block = x[start : start + n] - x[start : start + n].mean()
            walked = np.cumsum(block)
            ratios.append((walked.max() - walked.min()) / block.std())
        expected = math.exp(math.lgamma((n - 1) / 2) - math.lgamma(n / 2)) / math.sqrt(math.pi)
        expected *= (n - 0.5) / n * sum(math.sqrt((n - i) / i) for i in range(1, n))
        out.append(float(np.mean(ratios)) - expected + math.sqrt(0.5 * math.pi * n))
    return out


async def test_hurst_is_the_slope_of_its_published_statistics(shared_daemon: Daemon) -> None:
    noise = np.random.default_rng(15).normal(size=1_024)
    ours = await asked(shared_daemon, "common.hurst_exponent", {"series": noise.tolist(), "kind": "increments"})
    told = ours["rescaled_range"]
    points = rescaled_ranges(noise[-told["used"] :], told["block_sizes"])
    near(told["statistic"], points)
    near(told["exponent"], stats.linregress(np.log(told["block_sizes"]), np.log(points)).slope)
    told = ours["detrended_fluctuations"]
    walked = np.cumsum(noise - noise.mean()) / noise.std()
    points = []
    for n in told["block_sizes"]:
        count, squares = walked.size // n, []
        for start in [*range(0, count * n, n), *range(walked.size - count * n, walked.size, n)]:
            block, t = walked[start : start + n], np.arange(n)
            squares.append(np.mean((block - np.polyval(np.polyfit(t, block, 1), t)) ** 2))
        points.append(math.sqrt(float(np.mean(squares))))
    near(told["statistic"], points)
    near(told["exponent"], stats.linregress(np.log(told["block_sizes"]), np.log(points)).slope)
    for each in ours["rescaled_range"], ours["detrended_fluctuations"]:
        assert each["noise_low"] < each["exponent"] < each["noise_high"]


async def test_greeks_are_those_that_the_gauss_manual_prints(shared_daemon: Daemon) -> None:
    """Aptech, "GAUSS Language Reference", the example of `EuropeanBSCall_Greeks`, to the four digits it shows."""
    option = {"type": "call", "underlying": 305.0, "strike": 300.0, "years": 0.33, "iv_pct": 25.0}
    params = {"options": [option], "model": "black_scholes", "rate_pct": 8.0, "greeks": "textbook"}
    ours = await asked(shared_daemon, "common.black_scholes", params)
    told = [round(ours[each][0], 4) for each in ("delta", "gamma", "theta", "vega", "rho")]
    assert told == [0.6446, 0.0085, -38.5054, 65.2563, 56.8720]
