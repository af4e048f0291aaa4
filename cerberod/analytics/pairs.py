"""Engle-Granger over every pair of a universe at once, with control of the share of false discoveries.

A spread is a combination of two series, and all its test needs are products of lagged levels and changes. So the
products of all series with all are made once, as a few matrix products, and each pair's regression is read off them:
the triangular factor of every pair is computed together, entry by entry. Where two series are so alike that their
spread would be a small difference of large products, that pair's spread is formed and multiplied out itself.

The published tables are imported when first needed (see `mackinnon`): call this from a worker process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cerberod.analytics import arrays, dickey_fuller, mackinnon
from cerberod.analytics.arrays import BoolArray, FloatArray, IntArray, Masked
from cerberod.analytics.bars import number
from cerberod.analytics.dickey_fuller import LagCriterion
from cerberod.analytics.mackinnon import Trend
from cerberod.analytics.samples import moving, spread, standardised
from cerberod.errors import AnalyticsRefused

LEAST_POINTS = 20
MOST_SERIES = 500
_COLLINEAR = 100.0 * 2.0**-26
"""A spread with a smaller part of the variance than this is left to a single test, which sees it point by point."""
_ALIKE = 1e-4
"""Below this part of its terms a spread's products lose digits that the comparison with a single test would show."""
_NO_NOISE = 1e-13
"""Below this part of its own square a column of a regression follows from those before it."""
_BLOCK = 4_000_000
"""Numbers in one batch of products (32 MiB): bounds the memory and changes no result."""


class PairReason(IntEnum):
    """Why a pair has no test.

    - `COLLINEAR`: one series is a straight line of the other, to 1.5e-6 of its variance: products of the levels, of
      which all pairs are tested at once, hold too few digits of the spread. `cointegration.engle_granger` tests it.
    - `NO_NOISE`: the spread follows from its own past exactly.
    """

    NONE = 0
    COLLINEAR = 1
    NO_NOISE = 2


@dataclass(frozen=True, slots=True, eq=False)
class PairTests:
    """One entry for each pair, in the order (0, 1), (0, 2) … (1, 2) …; numbers masked where `reason` is not 0.

    `dependent` and `regressor` are indices into the universe: dependent = constant + hedge_ratio x regressor (+ line)
    + spread. When both ways were tested this is the way with the lower statistic, and `p_value` is twice the lower one
    (at most 1), because the better of two was picked. `statistic` is the augmented Dickey-Fuller t-ratio of the spread
    with `lags` lags, `adjusted` the p-value after Benjamini and Hochberg over all pairs that have one: keep the pairs
    with `adjusted` at most q, and among them a share of q is expected to be false. `discovered` is that at the rate
    asked for. `half_life` (periods) is masked also where the spread does not revert or overshoots, by `phi`, its
    coefficient on itself one period ago. `z_score` is the last spread over its standard error in the regression,
    positive when the dependent is dear. `critical_values` are those of 1, 5 and 10 %, for one test.
    """

    dependent: IntArray
    regressor: IntArray
    hedge_ratio: Masked
    r_squared: Masked
    statistic: Masked
    p_value: Masked
    adjusted: Masked
    discovered: BoolArray
    phi: Masked
    half_life: Masked
    z_score: Masked
    reason: NDArray[np.uint8]
    critical_values: FloatArray
    lags: int
    both_ways: bool
    discovery_rate: float
    trend: Trend
    observations: int


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """Pairs in one direction: `slope` of standardised y on x, what it leaves of y's variance, whether that is none."""

    y: IntArray
    x: IntArray
    slope: FloatArray
    unexplained: FloatArray
    collinear: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class _Tests:
    """What was found for the pairs of one direction; numbers without meaning where `reason` is not 0."""

    slope: FloatArray
    unexplained: FloatArray
    statistic: FloatArray
    phi: FloatArray
    z_score: FloatArray
    reason: NDArray[np.uint8]


def scan(
    series: Sequence[ArrayLike],
    trend: Trend = Trend.CONSTANT,
    lags: int | LagCriterion = LagCriterion.AIC,
    *,
    longest: int | None = None,
    both_ways: bool = True,
    discovery_rate: float = 0.05,
) -> PairTests:
    """Return the Engle-Granger test of every pair of 2 to 500 `series` of levels, each of one length of 20 or more.

    `lags` is one number for all pairs, or the criterion whose sum over all pairs chooses it, from 0 to `longest`
    (Schwert's rule unless told): one number for all keeps the tests comparable. Without `both_ways` the series of lower
    index is the dependent. Each test equals `cointegration.engle_granger` with that number of lags.

    Sources: Engle and Granger 1987; MacKinnon 1994 and 2010, N = 2; Y. Benjamini and Y. Hochberg, "Controlling the
    false discovery rate", Journal of the Royal Statistical Society B 57(1), 1995. Pairs that share a series
    are dependent; the control is proved for positive dependence (Benjamini and Yekutieli 2001) and taken to hold here.
    """
    if not 2 <= len(series) <= MOST_SERIES:
        raise AnalyticsRefused("series", f"must be 2 to {MOST_SERIES} lists")
    checked = [moving(f"series[{i}]", one, LEAST_POINTS) for i, one in enumerate(series)]
    for i, one in enumerate(checked):
        arrays.same_length("series[0]", checked[0], **{f"series[{i}]": one})
    n = checked[0].size
    criterion, most = dickey_fuller.checked_lags(lags, longest, n)
    discovery_rate = number("discovery_rate", discovery_rate, 1e-6, 1.0)
    scales = np.array([spread(one) for one in checked])
    levels = np.stack([standardised(one) for one in checked])
    if trend is Trend.CONSTANT_AND_LINE:
        levels = _without_line(levels)
    coefficients = 2 if trend is Trend.CONSTANT else 3
    first, second = np.triu_indices(len(checked), 1)
    ways = [_way(levels, first, second)]
    if both_ways:
        ways.append(_way(levels, second, first))
    used = most if criterion is None else _shared_lag(levels, ways, criterion, most)
    found = [_tests(levels, way, used, n - coefficients) for way in ways]
    dependent, regressor, tests = first, second, found[0]
    if both_ways:
        # A way without a test loses against one that has one.
        ranked = [np.where(one.reason > 0, np.inf, one.statistic) for one in found]
        flipped = np.asarray(ranked[1] < ranked[0], dtype=np.bool_)
        tests = _Tests(*(np.where(flipped, getattr(found[1], f), getattr(found[0], f)) for f in _Tests.__slots__))
        dependent, regressor = np.where(flipped, second, first), np.where(flipped, first, second)
    none = tests.reason > 0
    p_value = mackinnon.p_values(tests.statistic, trend, 2)
    if both_ways:
        p_value = np.minimum(1.0, 2.0 * p_value)
    adjusted = np.ones_like(p_value)
    adjusted[~none] = benjamini_hochberg(p_value[~none])
    with_half_life = (tests.phi > 0.0) & (tests.phi < 1.0) & ~none
    half_life = np.log(2.0) / -np.log(np.where(with_half_life, tests.phi, 0.5))
    return PairTests(
        dependent=dependent.astype(np.int64),
        regressor=regressor.astype(np.int64),
        hedge_ratio=arrays.masked(tests.slope * scales[dependent] / scales[regressor], none),
        r_squared=arrays.masked(1.0 - tests.unexplained, none),
        statistic=arrays.masked(tests.statistic, none),
        p_value=arrays.masked(p_value, none),
        adjusted=arrays.masked(adjusted, none),
        discovered=np.asarray((adjusted <= discovery_rate) & ~none, dtype=np.bool_),
        phi=arrays.masked(tests.phi, none),
        half_life=arrays.masked(half_life, ~with_half_life),
        z_score=arrays.masked(tests.z_score, none),
        reason=tests.reason,
        critical_values=mackinnon.critical_values(trend, 2, n - 1),
        lags=used,
        both_ways=both_ways,
        discovery_rate=discovery_rate,
        trend=trend,
        observations=n,
    )


def benjamini_hochberg(p_value: FloatArray) -> FloatArray:
    """Return p-values adjusted for the false discovery rate: each the least rate at which it would be a discovery.

    p(i) m / i for the i-th smallest of m, made monotone from the largest down; at most 1. Empty in, empty out. Source:
    Benjamini and Hochberg 1995.
    """
    order = np.argsort(p_value)[::-1]
    m = p_value.size
    out = np.empty(m)
    out[order] = np.minimum.accumulate(np.minimum(1.0, p_value[order] * m / np.arange(m, 0, -1)))
    return out


def _without_line(levels: FloatArray) -> FloatArray:
    """Return each series less its own straight line in time: regressions on what is left are those with a line."""
    t = np.linspace(-1.0, 1.0, levels.shape[1])
    return levels - np.outer(levels @ t / (t @ t), t)


def _way(levels: FloatArray, y: IntArray, x: IntArray) -> _Way:
    """Return the first regression of each pair."""
    products = levels @ levels.T / levels.shape[1]
    own = np.diagonal(products)
    still = own[x] <= _ALIKE**5
    slope = np.where(still, 0.0, products[y, x] / np.where(still, 1.0, own[x]))
    unexplained = own[y] - slope * products[y, x]
    return _Way(y, x, slope, unexplained, np.asarray((unexplained <= _COLLINEAR) | still, dtype=np.bool_))


def _shared_lag(levels: FloatArray, ways: Sequence[_Way], criterion: LagCriterion, longest: int) -> int:
    """Return the number of lags with the least sum of the criterion over all pairs and ways that have a test."""
    observations = levels.shape[1] - 1 - longest
    total = np.zeros(longest + 1)
    columns = _columns(levels, longest)
    # The level first and the lags after it: then the last row of the factor has the gain of each further lag.
    order = [longest, *range(longest), longest + 1]
    for way in ways:
        for batch in _batches(way, columns):
            rows, exact = _last_row(_moments(levels, columns[order], way, batch))
            usable = ~(exact | way.collinear[batch])
            squares = np.cumsum(rows[::-1, usable] ** 2, axis=0)[: longest + 1][::-1]
            counted = observations * np.log(squares) + dickey_fuller.penalty(criterion, observations) * np.arange(
                1.0, longest + 2.0
            ).reshape(-1, 1)
            total += counted.sum(axis=1)
    return int(np.argmin(total))


def _tests(levels: FloatArray, way: _Way, lags: int, freedom: int) -> _Tests:
    """Return the tests of all pairs in one direction."""
    n = levels.shape[1]
    columns = _columns(levels, lags)
    statistic, exact = np.zeros(way.y.size), np.zeros(way.y.size, dtype=np.bool_)
    for batch in _batches(way, columns):
        rows, exact[batch] = _last_row(_moments(levels, columns, way, batch))
        left = np.where(exact[batch], 1.0, rows[-1])
        statistic[batch] = rows[-2] / left * np.sqrt(n - 1 - lags - (lags + 1))
    start, end = (levels[way.y, t] - way.slope * levels[way.x, t] for t in (0, -1))
    squares = n * np.where(way.collinear, 1.0, way.unexplained)
    # Sum of e[t-1] (e[t] - e[t-1]), from the squares of levels and changes alone.
    steps = np.zeros(way.y.size)
    changes = np.diff(levels, axis=1)[None]
    for batch in _batches(way, changes):
        steps[batch] = _moments(levels, changes, way, batch)[0, 0]
    before = np.where(way.collinear, 1.0, squares - end * end)
    phi = 1.0 + 0.5 * (end * end - start * start - steps) / before
    reason = np.where(exact, PairReason.NO_NOISE, PairReason.NONE)
    return _Tests(
        slope=way.slope,
        unexplained=way.unexplained,
        statistic=statistic,
        phi=phi,
        z_score=end / np.sqrt(squares / freedom),
        reason=np.where(way.collinear, PairReason.COLLINEAR, reason).astype(np.uint8),
    )


def _columns(levels: FloatArray, lags: int) -> FloatArray:
    """Return the columns of every series' regression, (lags + 2, series, points): lagged changes, level, change."""
    changes = np.diff(levels, axis=1)
    m = changes.shape[1] - lags
    lagged = [changes[:, lags - k : lags - k + m] for k in range(1, lags + 1)]
    return np.stack([*lagged, levels[:, lags:-1], changes[:, lags:]])


def _batches(way: _Way, columns: FloatArray) -> list[slice]:
    """Return runs of pairs whose products fit one batch; each run has few first series, so that products are shared."""
    k, count, _ = columns.shape
    rows = max(1, _BLOCK // (k * k * count))
    lower = np.minimum(way.y, way.x)
    edges = np.searchsorted(lower, np.arange(0, count + rows, rows))
    return [slice(int(a), int(b)) for a, b in pairwise(edges) if b > a]


def _moments(levels: FloatArray, columns: FloatArray, way: _Way, batch: slice) -> FloatArray:
    """Return the products of the columns of each spread in a batch, (columns, columns, pairs)."""
    y, x, slope = way.y[batch], way.x[batch], way.slope[batch]
    k, count, m = columns.shape
    lower, upper = np.minimum(y, x), np.maximum(y, x)
    low, high, from_ = int(lower[0]), int(lower[-1]) + 1, int(lower[0])
    crossed = columns[:, low:high].reshape(-1, m) @ columns[:, from_:].reshape(-1, m).T
    crossed = crossed.reshape(k, high - low, k, count - from_).transpose(0, 2, 1, 3)[:, :, lower - low, upper - from_]
    own = np.einsum("aim,bim->abi", columns, columns, optimize=False)
    one, other = own[..., y], own[..., x] * (slope * slope)
    out = one + other - slope * (crossed + crossed.swapaxes(0, 1))
    diagonal = np.arange(k)
    alike = (out[diagonal, diagonal] <= _ALIKE * (one + other)[diagonal, diagonal]).any(axis=0)
    alike &= ~way.collinear[batch]
    where = np.flatnonzero(alike)
    step = max(1, _BLOCK // (k * m))
    for begin in range(0, where.size, step):
        few = where[begin : begin + step]
        spreads = columns[:, y[few]] - slope[few, None] * columns[:, x[few]]
        out[..., few] = np.einsum("apm,bpm->abp", spreads, spreads, optimize=False)
    moments: FloatArray = out
    return moments


def _last_row(moments: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the last row of each Cholesky factor, (columns, pairs), and where a column follows from the others."""
    k = moments.shape[0]
    factor = np.zeros_like(moments)
    exact = np.zeros(moments.shape[2], dtype=np.bool_)
    for c in range(k):
        pivot = moments[c, c] - (factor[c, :c] ** 2).sum(axis=0)
        gone = pivot <= _NO_NOISE * moments[c, c]
        exact |= gone
        root = np.sqrt(np.where(gone, 1.0, pivot))
        factor[c, c] = root
        below = moments[c + 1 :, c] - (factor[c + 1 :, :c] * factor[c, :c]).sum(axis=1)
        factor[c + 1 :, c] = below / root
    row: FloatArray = factor[-1]
    return row, exact
