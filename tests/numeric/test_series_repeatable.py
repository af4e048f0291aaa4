"""Indicators and GARCH give the same numbers twice, and with one or four threads of linear algebra: to the last bit."""

import subprocess
import sys

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
