"""Whether series move together in the long run: Engle-Granger for two, both ways, and Johansen for up to twelve.

Levels come in (log prices, as a rule), oldest first. The tables of both tests are statsmodels', imported when first
needed: see `mackinnon` for what that costs; call these from a worker process.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular

from cerberod.analytics import arrays, dickey_fuller, mackinnon
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.bars import whole
from cerberod.analytics.dickey_fuller import LagCriterion
from cerberod.analytics.mackinnon import Trend
from cerberod.analytics.reversion import NoHalfLife, half_life_of, residual_phi
from cerberod.analytics.samples import moving, spread, standardised
from cerberod.errors import AnalyticsRefused

LEAST_POINTS = 20
MOST_SERIES = 12
_SAME_SPACE = 1e-7
"""Directions in which standardised series move less than this part of the others are taken for none."""
_ROUNDING = 1e3 * float(np.finfo(np.float64).eps)
"""A spread that is a smaller part than this of the levels is what rounding left of them."""


@dataclass(frozen=True, slots=True, eq=False)
class SpreadTest:
    """One series regressed on the other, dependent = intercept + hedge_ratio x regressor (+ line x t) + spread.

    One unit of the dependent is hedged by selling `hedge_ratio` units of the regressor; `line` is per period, t being 0
    at the first point, `None` without one. `statistic` is the augmented Dickey-Fuller t-ratio of the spread with `lags`
    lags; the lower, the stronger the evidence for cointegration. `p_value` (MacKinnon 1994) is asymptotic;
    `critical_values` (MacKinnon 2010) are those of 1, 5 and 10 % for this length. `half_life` of the spread is in
    periods, `None` for the reason told, from its first-order autoregression without constant. `z_score` is the last
    spread over `deviation`, its standard error in the regression (divisor n - coefficients): positive when the
    dependent is dear. `r_squared` is about the dependent's mean.
    """

    hedge_ratio: float
    intercept: float
    line: float | None
    r_squared: float
    statistic: float
    p_value: float
    critical_values: FloatArray
    lags: int
    half_life: float | None
    half_life_reason: NoHalfLife | None
    deviation: float
    z_score: float
    spread: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class EngleGranger:
    """The test both ways round. They differ in finite samples; picking the better one doubles its p-value at most."""

    first_on_second: SpreadTest
    second_on_first: SpreadTest
    trend: Trend
    observations: int


@dataclass(frozen=True, slots=True, eq=False)
class Johansen:
    """Johansen's tests of how many independent cointegrating relations `k` series have.

    `eigenvalues` (k,) are squared canonical correlations, greatest first. Row r of `weights` (k, k) holds the weights
    of relation r: the first `rank` rows give spreads that revert; each is scaled to unit variance of its spread within
    the regression, the first weight positive. `trace[r]` and `largest[r]` test "at most r relations"
    against more, and against r + 1; their critical values are (k, 3), for 10, 5 and 1 %. `rank` is where the trace test
    at 5 % first fails to reject, from 0 (none) to k (all series are stationary by themselves).
    """

    eigenvalues: FloatArray
    weights: FloatArray
    trace: FloatArray
    trace_critical: FloatArray
    largest: FloatArray
    largest_critical: FloatArray
    rank: int
    lags: int
    observations: int


def engle_granger(
    first: ArrayLike,
    second: ArrayLike,
    trend: Trend = Trend.CONSTANT,
    lags: int | LagCriterion = LagCriterion.AIC,
    *,
    longest: int | None = None,
) -> EngleGranger:
    """Return the two-step test that `first` and `second`, of one length of at least 20 points, are not cointegrated.

    `lags` is a number, less than half the series, or the criterion that chooses one for each direction from 0 to
    `longest` (Schwert's rule unless told). Series of which one is a line of the other are refused, when their spread is
    no more than the rounding of levels: 2e-13 of them. (statsmodels gives up at 1.5e-6 of the variance, which a coin
    and its perpetual are within.) The series themselves should each have a unit root; this is not tested.

    Sources: R. Engle and C. Granger, "Co-integration and error correction: representation, estimation, and testing",
    Econometrica 55(2), 1987; MacKinnon 1994 and 2010, N = 2.
    """
    y, x = moving("first", first, LEAST_POINTS), moving("second", second, LEAST_POINTS)
    arrays.same_length("first", y, second=x)
    criterion, most = dickey_fuller.checked_lags(lags, longest, y.size)
    critical = mackinnon.critical_values(trend, 2, y.size - 1)
    return EngleGranger(
        first_on_second=_spread_test("first", y, x, trend, criterion, most, critical),
        second_on_first=_spread_test("second", x, y, trend, criterion, most, critical),
        trend=trend,
        observations=y.size,
    )


def _spread_test(
    name: str,
    y: FloatArray,
    x: FloatArray,
    trend: Trend,
    criterion: LagCriterion | None,
    most: int,
    critical: FloatArray,
) -> SpreadTest:
    """Return the test with y as dependent."""
    n = y.size
    # In units of their own spread: prices of 1e-6 and 1e6 meet here.
    u, v = standardised(y), standardised(x)
    columns = [v, np.ones(n)]
    if trend is Trend.CONSTANT_AND_LINE:
        columns.append(np.linspace(-1.0, 1.0, n))
    design = np.column_stack(columns)
    coefficients, _, rank, _ = np.linalg.lstsq(design, u, rcond=None)
    left = u - design @ coefficients
    unexplained = float(left @ left) / float(u @ u)
    # The levels are rounded to this part of their own deviation, and the spread holds the rounding of both.
    rounding = _ROUNDING * sum(float(np.abs(z).max()) / spread(z) for z in (x, y))
    if rank < design.shape[1] or unexplained <= rounding**2:
        raise AnalyticsRefused(name, "must not follow from the other series by a straight line")
    lags = most if criterion is None else dickey_fuller.selected_lag(left, criterion, most)
    statistic = dickey_fuller.statistic(left, lags)
    scale = spread(y)
    hedge = float(coefficients[0]) * scale / spread(x)
    line = None if trend is Trend.CONSTANT else float(coefficients[2]) * scale * 2.0 / (n - 1)
    residual = left * scale
    middle = 0.0 if line is None else line * (n - 1) / 2.0
    deviation = math.sqrt(float(left @ left) / (n - design.shape[1])) * scale
    periods, reason = half_life_of(residual_phi(left))
    return SpreadTest(
        hedge_ratio=hedge,
        intercept=float(y.mean()) - hedge * float(x.mean()) - middle,
        line=line,
        r_squared=1.0 - unexplained,
        statistic=statistic,
        p_value=float(mackinnon.p_values(np.array(statistic), trend, 2)),
        critical_values=critical,
        lags=lags,
        half_life=periods,
        half_life_reason=reason,
        deviation=deviation,
        z_score=float(residual[-1]) / deviation,
        spread=residual,
    )


def johansen(series: Sequence[ArrayLike], lags: int = 1, *, constant: bool = True) -> Johansen:
    """Return Johansen's tests on two to twelve `series` of one length, with `lags` lagged changes in each equation.

    `constant` lets the series drift (an unrestricted constant); without it neither levels nor changes have a mean.
    There must be at least twice as many points as one equation has coefficients. Series of which one follows from the
    others are refused. Sources: S. Johansen, "Likelihood-based Inference in Cointegrated Vector Autoregressive Models",
    1995; critical values: J. MacKinnon, A. Haug and L. Michelis, "Numerical
    distribution functions of likelihood ratio tests for cointegration", Journal of Applied Econometrics 14(5), 1999.
    """
    k = len(series)
    if not 2 <= k <= MOST_SERIES:
        raise AnalyticsRefused("series", f"must be 2 to {MOST_SERIES} lists")
    checked = [moving(f"series[{i}]", one, LEAST_POINTS) for i, one in enumerate(series)]
    for i, one in enumerate(checked):
        arrays.same_length("series[0]", checked[0], **{f"series[{i}]": one})
    n = checked[0].size
    lags = whole("lags", lags, 0, n // 2 - 1)
    count = n - 1 - lags
    if count < 2 * (k * (lags + 1) + 1):
        raise AnalyticsRefused("lags", "leaves too few points for so many series")
    # Without a constant the mean stays in: it is part of what is tested.
    scales = np.array([spread(one) for one in checked])
    x = np.column_stack(checked) / scales
    if constant:
        x = x - x.mean(axis=0)
    changes = np.diff(x, axis=0)
    around = [changes[lags - j : lags - j + count] for j in range(1, lags + 1)]
    if constant:
        around.append(np.ones((count, 1)))
    now, before = changes[lags:], x[lags:-1]
    if around:
        basis = np.linalg.qr(np.column_stack(around))[0]
        now, before = now - basis @ (basis.T @ now), before - basis @ (basis.T @ before)
    now_q, now_factor = np.linalg.qr(now)
    before_q, before_factor = np.linalg.qr(before)
    for factor in (now_factor, before_factor):
        own = np.linalg.norm(factor, axis=0)
        size = np.linalg.svd(factor / np.where(own > 0.0, own, 1.0), compute_uv=False)
        if size[-1] <= _SAME_SPACE * size[0]:
            raise AnalyticsRefused("series", "must not follow from each other")
    directions, correlations, _ = np.linalg.svd(before_q.T @ now_q)
    eigenvalues = correlations**2
    if eigenvalues[0] >= 1.0 - 1e-12:
        raise AnalyticsRefused("series", "must have noise: a change follows from the levels before exactly")
    weights = (solve_triangular(before_factor, directions) * math.sqrt(count)).T / scales
    weights *= np.sign(weights[:, :1] + (weights[:, :1] == 0.0))
    gains = -count * np.log1p(-eigenvalues)
    trace = np.cumsum(gains[::-1])[::-1]
    trace_critical, largest_critical = _johansen_critical(k, constant)
    accepted = np.flatnonzero(trace <= trace_critical[:, 1])
    return Johansen(
        eigenvalues=eigenvalues,
        weights=weights,
        trace=trace,
        trace_critical=trace_critical,
        largest=gains,
        largest_critical=largest_critical,
        rank=int(accepted[0]) if accepted.size else k,
        lags=lags,
        observations=count,
    )


def _johansen_critical(k: int, constant: bool) -> tuple[FloatArray, FloatArray]:
    """Return the critical values (10, 5, 1 %) of trace and largest eigenvalue, for at most 0 to k - 1 relations."""
    # Imported here for the reason told in `mackinnon`.
    from statsmodels.tsa.coint_tables import c_sja, c_sjt

    order = 0 if constant else -1
    trace = np.array([c_sjt(k - r, order) for r in range(k)], dtype=np.float64)
    largest = np.array([c_sja(k - r, order) for r in range(k)], dtype=np.float64)
    return trace, largest
