"""Calculations on series give the same numbers twice, and with one or four threads of linear algebra.

Indicators and GARCH to the last bit. Cointegration rests on products of whole matrices, whose sums threads may share
out in another order: to the last bit in one process, within 1e-12 across numbers of threads.
"""

import subprocess
import sys

import numpy as np

PROGRAM = """
import numpy as np
from cerberod.analytics import garch, indicators, volatility

close = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.01, 10_000)))
high, low, returns = close * 1.01, close * 0.99, volatility.log_returns(close)
for turn in range(2):
    fit = garch.fit(returns[-2_000:], 365.0, 10)
    print(*(float(value).hex() for value in (
        indicators.adx(high, low, close).adx.tail.sum(), indicators.macd(close).histogram.tail.sum(),
        indicators.rsi(close).tail.sum(), indicators.supertrend(high, low, close).supertrend.tail.sum(),
        volatility.ewma(returns, 365.0).path.sum(),
        fit.mean, fit.omega, fit.alpha, fit.beta, fit.log_likelihood, fit.forecast_variances.sum(),
    )))
"""


def test_numbers_do_not_depend_on_threads() -> None:
    lines = []
    for threads in ("1", "4"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            env={"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        lines += done.stdout.splitlines()
    assert len(lines) == 4
    assert len(set(lines)) == 1


STATISTICS = """
import numpy as np
from cerberod.analytics import cointegration, pairs
from cerberod.analytics.hurst import HurstMethod, hurst
from cerberod.analytics.reversion import half_life

source = np.random.default_rng(2)
walks = 100.0 + source.normal(size=(3, 2_000)).cumsum(axis=1)
series = list(source.normal(size=(12, 3)) @ walks + source.normal(size=(12, 2_000)))
for turn in range(2):
    scan = pairs.scan(series, lags=1)
    both = cointegration.engle_granger(series[0], series[1], lags=3)
    rank = cointegration.johansen(series[:4], 2)
    print(*(float(value).hex() for value in (
        scan.statistic.sum(), scan.p_value.sum(), both.first_on_second.statistic, both.second_on_first.hedge_ratio,
        rank.trace.sum(), rank.eigenvalues.sum(), half_life(series[0]).phi,
        *(hurst(np.diff(series[0]), method).exponent for method in HurstMethod),
    )))
"""


def test_statistics_do_not_depend_on_threads() -> None:
    lines = []
    for threads in ("1", "4"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", STATISTICS],
            env={"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        lines += [[float.fromhex(word) for word in line.split()] for line in done.stdout.splitlines()]
    one, again, four, four_again = lines
    assert one == again
    assert four == four_again
    np.testing.assert_allclose(one, four, rtol=1e-12)
