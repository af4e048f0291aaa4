"""The augmented Dickey-Fuller statistic of a spread whose mean is zero, and how many lags to give it.

One triangular factor of the regression holds everything: with the level as its last column the statistic, with the lags
last the sum of squares for every smaller number of lags. The batch over many pairs reads the same factor off moments.
"""

import math
from enum import StrEnum
from typing import assert_never

import numpy as np

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.bars import whole
from cerberod.errors import AnalyticsRefused


class LagCriterion(StrEnum):
    """How to choose the number of lags: Akaike's criterion or Schwarz's, on the sample that the longest lag leaves.

    Sources: H. Akaike 1974; G. Schwarz 1978; both as n ln(squares/n) + c (lags + 1), c being 2 or ln n.
    """

    AIC = "aic"
    BIC = "bic"


def longest_lag(length: int) -> int:
    """Return the number of lags to try at most for a series of `length` points.

    Source: G. Schwert, "Tests for unit roots: a Monte Carlo investigation", Journal of Business & Economic Statistics
    7(2), 1989: 12 (n/100)^(1/4), here rounded up, and less than half the series.
    """
    schwert = math.ceil(12.0 * math.sqrt(math.sqrt(length / 100.0)))
    return min(length // 2 - 1, schwert)


def checked_lags(lags: int | LagCriterion, longest: int | None, length: int) -> tuple[LagCriterion | None, int]:
    """Return the criterion, `None` where the number is fixed, and the number itself or the largest to try."""
    most = length // 2 - 1
    if isinstance(lags, LagCriterion):
        return lags, longest_lag(length) if longest is None else whole("longest", longest, 0, most)
    if longest is not None:
        raise AnalyticsRefused("longest", "is for a criterion: the number of lags is fixed")
    return None, whole("lags", lags, 0, most)


def penalty(criterion: LagCriterion, observations: int) -> float:
    """Return what one more lag must gain."""
    match criterion:
        case LagCriterion.AIC:
            return 2.0
        case LagCriterion.BIC:
            return math.log(observations)
        case _:
            assert_never(criterion)


def statistic(spread: FloatArray, lags: int) -> float:
    """Return the t-ratio of the level in the regression of changes on the level before and `lags` changes, no constant.

    Source: D. Dickey and W. Fuller, "Distribution of the estimators for autoregressive time series with a unit root",
    JASA 74, 1979; S. Said and D. Dickey 1984 for the lags. At or above -1.6 or so nothing speaks against a unit root.
    """
    level, changes, target = _columns(spread, lags)
    factor = np.linalg.qr(np.column_stack([changes, level, target])).R
    freedom = target.size - lags - 1
    top, left = factor[lags, lags:], abs(float(factor[-1, -1]))
    if left <= 1e-12 * float(np.linalg.norm(factor[:, -1])):
        raise AnalyticsRefused("spread", "must have noise: each item follows from those before exactly")
    return float(math.copysign(1.0, top[0]) * top[1]) / left * math.sqrt(freedom)


def selected_lag(spread: FloatArray, criterion: LagCriterion, longest: int) -> int:
    """Return the number of lags from 0 to `longest` that the criterion likes best, the fewest of equals."""
    level, changes, target = _columns(spread, longest)
    last = np.linalg.qr(np.column_stack([level, changes, target])).R[:, -1]
    # From the last row upwards: leaving out the last k columns adds their squares to what is unexplained.
    squares = np.cumsum(last[::-1] ** 2)[: longest + 1][::-1]
    count = np.arange(1, longest + 2)
    if squares.min() <= 0.0:
        raise AnalyticsRefused("spread", "must have noise: each item follows from those before exactly")
    return int(np.argmin(target.size * np.log(squares) + penalty(criterion, target.size) * count))


def _columns(spread: FloatArray, lags: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    changes = np.diff(spread)
    n = changes.size - lags
    lagged = np.empty((n, lags))
    for k in range(1, lags + 1):
        lagged[:, k - 1] = changes[lags - k : lags - k + n]
    return spread[lags:-1], lagged, changes[lags:]
