"""Distributions of unit root statistics, from the response surfaces MacKinnon published, in statsmodels' tables.

The tables are imported when first needed, with scipy.stats: that takes a second from a cold disk and holds the
interpreter for 70 to 110 ms at a time, so what calls this belongs in a worker process.
"""

from enum import StrEnum
from types import ModuleType

import numpy as np
from scipy.special import ndtr

from cerberod.analytics.arrays import FloatArray


class Trend(StrEnum):
    """What a regression of levels holds beside the series: a constant, or a constant and a straight line."""

    CONSTANT = "c"
    CONSTANT_AND_LINE = "ct"


def _tables() -> ModuleType:
    # Imported here: costs a cold start more than the whole daemon, and most processes never test a unit root.
    from statsmodels.tsa import adfvalues

    tables: ModuleType = adfvalues
    return tables


def p_values(statistic: FloatArray, trend: Trend, series: int) -> FloatArray:
    """Return the probability, under no cointegration of `series` series, of a statistic as low as each one given.

    Exactly 0 below and 1 above the range of the published fit; one to six series. Source: J. MacKinnon, "Approximate
    asymptotic distribution functions for unit-root and cointegration tests", Journal of Business & Economic Statistics
    12(2), 1994. The distribution is the asymptotic one, whatever the length of the series.
    """
    tables, row = _tables(), series - 1
    highest, lowest, middle, left, right = (
        getattr(tables, name.format(trend.value))[row]
        for name in ("tau_max_{}", "tau_min_{}", "tau_star_{}", "tau_{}_smallp", "tau_{}_largep")
    )
    inside = np.clip(statistic, lowest, highest)
    fitted = ndtr(
        np.where(
            inside <= middle,
            np.polynomial.polynomial.polyval(inside, left),
            np.polynomial.polynomial.polyval(inside, right),
        )
    )
    out = np.where(statistic < lowest, 0.0, np.where(statistic > highest, 1.0, fitted))
    return np.asarray(out, dtype=np.float64)


def critical_values(trend: Trend, series: int, length: int) -> FloatArray:
    """Return the statistics with probability 1, 5 and 10 % under no cointegration, for series of `length` points.

    Source: J. MacKinnon, "Critical values for cointegration tests", Queen's University working paper 1227, 2010
    (the finite sample surface, in powers of 1/`length`).
    """
    values = _tables().mackinnoncrit(N=series, regression=trend.value, nobs=length)
    return np.asarray(values, dtype=np.float64)
