"""What a market's volatility was: five estimators from bars, their cone over many windows, and RiskMetrics' average.

A volatility here is a fraction a year (0.45 is 45 %): the square root of `periods_per_year` times a variance of log
prices for one bar. `periods_per_year` is the caller's, always: 365 for daily bars of a market that never closes, 252
for daily bars of a stock exchange, 8 760 for hourly bars; nothing here guesses it from time stamps.

Bars come oldest first. An observation is one bar's move; close-to-close and Yang-Zhang need the close before the first
one, so that n bars hold n - 1 observations, and n for the estimators that look into each bar alone. A series on which
an estimator sees no move at all is refused: its zero would be read as safety by whatever divides by it. GARCH has a
module of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import arrays, windows
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.bars import Candles, candles, number, prices, whole
from cerberod.analytics.lines import Line
from cerberod.analytics.recursion import recursion
from cerberod.errors import AnalyticsRefused

LEAST_OBSERVATIONS = 3
_STILL = 1e-14
"""A volatility for one bar that float prices cannot show."""


class Estimator(StrEnum):
    """A way to measure the variance of one bar's log price; efficiency is against close-to-close on the same bars.

    - `CLOSE_TO_CLOSE`: the sample variance (divisor n - 1) of log returns; sees gaps, wastes the path between closes.
    - `PARKINSON`: from high and low, 4.9 times as efficient; takes drift for variance, does not see gaps. M. Parkinson,
      "The extreme value method for estimating the variance of the rate of return", Journal of Business 53(1), 1980.
    - `GARMAN_KLASS`: from open, high, low, close, 7.4 times; takes drift for variance, does not see gaps. M. Garman and
      M. Klass, "On the estimation of security price volatilities from historical data", Journal of Business 53(1),
      1980, their practical estimator.
    - `ROGERS_SATCHELL`: from open, high, low, close, 6 times; right under any drift, does not see gaps. L. Rogers and
      S. Satchell, "Estimating variance from high, low and closing prices", Annals of Applied Probability 1(4), 1991.
    - `YANG_ZHANG`: gaps, open-to-close and Rogers-Satchell weighted for least variance, up to 14 times; right under
      drift and gaps. D. Yang and Q. Zhang, "Drift-independent volatility estimation based on high, low, open, and close
      prices", Journal of Business 73(3), 2000, with their alpha of 1.34.

    On a market of few trades all that use high and low are too small, because the true extremes were not traded.
    """

    CLOSE_TO_CLOSE = "close_to_close"
    PARKINSON = "parkinson"
    GARMAN_KLASS = "garman_klass"
    ROGERS_SATCHELL = "rogers_satchell"
    YANG_ZHANG = "yang_zhang"


@dataclass(frozen=True, slots=True)
class Realised:
    """A realised volatility (fraction a year), the variance of one bar behind it, and what it was made from."""

    volatility: float
    variance: float
    observations: int
    estimator: Estimator
    periods_per_year: float


@dataclass(frozen=True, slots=True, eq=False)
class ConeRow:
    """The distribution of realised volatility over all windows of one length.

    `percentiles` are those asked for (linear between order statistics); `current` is the last window's volatility and
    `rank` the share of all windows, in per cent, that were not above it. The `count` windows overlap and are anything
    but independent: only `independent` of them fit side by side. Volatilities are fractions a year.
    """

    window: int
    percentiles: FloatArray
    minimum: float
    mean: float
    maximum: float
    current: float
    rank: float
    count: int
    independent: int


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """Rows in the order of the windows asked for, and the percentiles (0 to 100) they tell."""

    rows: tuple[ConeRow, ...]
    percentiles: FloatArray
    estimator: Estimator
    periods_per_year: float
    observations: int


@dataclass(frozen=True, slots=True, eq=False)
class Ewma:
    """RiskMetrics' volatility (fraction a year) for the bar to come, and the path it came along.

    `path[i]` is the volatility known after return i, for the bar behind it; `variance` is the last one's square for one
    bar. `half_life` and `effective` (the number of equally weighted returns that would be as noisy) are in bars.
    """

    volatility: float
    variance: float
    path: FloatArray
    decay: float
    half_life: float
    effective: float
    periods_per_year: float


def log_returns(close: ArrayLike) -> FloatArray:
    """Return the natural logarithm of each close over the one before: n - 1 of n prices, at least one."""
    return np.diff(np.log(prices("close", close, 2)))


def realised(
    close: ArrayLike,
    periods_per_year: float,
    estimator: Estimator = Estimator.CLOSE_TO_CLOSE,
    *,
    open: ArrayLike | None = None,
    high: ArrayLike | None = None,
    low: ArrayLike | None = None,
    mean_zero: bool = False,
) -> Realised:
    """Return the realised volatility over all the bars given.

    Close-to-close needs `close` alone, Parkinson high and low too, the others all four. `mean_zero` (close-to-close
    only) takes the expected return for zero: mean of squares, divisor n, the convention of variance swaps. At least
    three observations. Sources: see `Estimator`.
    """
    terms = _terms(estimator, close, open, high, low, LEAST_OBSERVATIONS)
    observations = terms[0].size
    variance = float(_variances(estimator, terms, observations, mean_zero)[-1])
    _refuse_stillness(variance)
    scale = _per_year(periods_per_year)
    return Realised(float(np.sqrt(variance * scale)), variance, observations, estimator, scale)


def rolling(
    close: ArrayLike,
    periods_per_year: float,
    window: int,
    estimator: Estimator = Estimator.CLOSE_TO_CLOSE,
    *,
    open: ArrayLike | None = None,
    high: ArrayLike | None = None,
    low: ArrayLike | None = None,
    mean_zero: bool = False,
) -> Line:
    """Return the realised volatility of the last `window` observations at each bar; 0 where the market stood still.

    First value at bar `window - 1`, one later for close-to-close and Yang-Zhang. Otherwise as `realised`.
    """
    window = whole("window", window, LEAST_OBSERVATIONS)
    terms = _terms(estimator, close, open, high, low, window)
    variances = _variances(estimator, terms, window, mean_zero)
    _refuse_stillness(float(variances.max()))
    return Line(np.sqrt(variances * _per_year(periods_per_year)), np.shape(close)[0])


def cone(
    close: ArrayLike,
    periods_per_year: float,
    window_lengths: Sequence[int],
    percentiles: Sequence[float] = (5.0, 25.0, 50.0, 75.0, 95.0),
    estimator: Estimator = Estimator.CLOSE_TO_CLOSE,
    *,
    open: ArrayLike | None = None,
    high: ArrayLike | None = None,
    low: ArrayLike | None = None,
    mean_zero: bool = False,
) -> Cone:
    """Return how realised volatility was distributed over all windows of each length, against where it stands now.

    Lengths are in observations, each at least three and no longer than the series; percentiles from 0 to 100. Windows
    overlap, each row says by how much. Source: G. Burghardt and M. Lane, "How to tell if options are cheap", Journal of
    Portfolio Management 16(2), 1990.
    """
    lengths = [whole("window_lengths", length, LEAST_OBSERVATIONS) for length in window_lengths]
    if not lengths:
        raise AnalyticsRefused("window_lengths", "must name at least one window")
    levels = arrays.series("percentiles", arrays.finite("percentiles", percentiles))
    if not np.all((levels >= 0.0) & (levels <= 100.0)):
        raise AnalyticsRefused("percentiles", "must be numbers from 0 to 100")
    scale = _per_year(periods_per_year)
    terms = _terms(estimator, close, open, high, low, LEAST_OBSERVATIONS)
    observations = terms[0].size
    if max(lengths) > observations:
        raise AnalyticsRefused("window_lengths", f"must not be above {observations}, the observations there are")
    rows = []
    for length in lengths:
        seen = np.sqrt(_variances(estimator, terms, length, mean_zero) * scale)
        _refuse_stillness(float(seen.max()) ** 2 / scale)
        rows.append(
            ConeRow(
                window=length,
                percentiles=np.percentile(seen, levels),
                minimum=float(seen.min()),
                mean=float(seen.mean()),
                maximum=float(seen.max()),
                current=float(seen[-1]),
                rank=100.0 * float(np.mean(seen <= seen[-1])),
                count=seen.size,
                independent=observations // length,
            )
        )
    return Cone(tuple(rows), levels, estimator, scale, observations)


def ewma(returns: ArrayLike, periods_per_year: float, decay: float = 0.94) -> Ewma:
    """Return the exponentially weighted volatility of log returns (fractions for one bar), mean taken for zero.

    The weight of a squared return falls by `decay` (RiskMetrics: 0.94 for days, 0.97 for months) with each bar, and the
    weights are divided by their sum: so the first returns need no made-up variance before them. Source: J.P.
    Morgan/Reuters, "RiskMetrics Technical Document", 4th edition, 1996, section 5.2, without its limit of an
    endless past.
    """
    decay = number("decay", decay, 0.01, 0.9999)
    r = _moves(returns, LEAST_OBSERVATIONS)
    scale = _per_year(periods_per_year)
    squares = r * r
    weights = -np.expm1(np.log(decay) * np.arange(1.0, r.size + 1.0))
    variances = recursion(squares[1:], decay, 1.0 - decay, (1.0 - decay) * float(squares[0])) / weights
    variance = float(variances[-1])
    _refuse_stillness(variance, "returns")
    # Sum of weights squared over the sum of squared weights, both geometric series.
    effective = (1.0 + decay) / (1.0 - decay) * float(weights[-1]) / (1.0 + decay**r.size)
    return Ewma(
        volatility=float(np.sqrt(variance * scale)),
        variance=variance,
        path=np.sqrt(variances * scale),
        decay=decay,
        half_life=float(np.log(0.5) / np.log(decay)),
        effective=effective,
        periods_per_year=scale,
    )


def _moves(returns: ArrayLike, least: int) -> FloatArray:
    """Return checked log returns; a price does not change by more than a factor of e^50 in one bar."""
    r = arrays.series("returns", arrays.finite("returns", returns), least=least)
    if not np.all(np.abs(r) <= 50.0):
        raise AnalyticsRefused("returns", "must not move by more than a factor of e^50 in one bar")
    return r


def _per_year(periods_per_year: float) -> float:
    return number("periods_per_year", periods_per_year, 0.1, 1e9)


def _refuse_stillness(variance: float, field: str = "close") -> None:
    if variance <= _STILL * _STILL:
        raise AnalyticsRefused(field, "must move: there is no volatility to estimate")


def _terms(
    estimator: Estimator,
    close: ArrayLike,
    open: ArrayLike | None,
    high: ArrayLike | None,
    low: ArrayLike | None,
    least: int,
) -> tuple[FloatArray, ...]:
    """Return the series an estimator averages: log returns or terms of variance, one for each observation."""
    if estimator is Estimator.CLOSE_TO_CLOSE:
        return (np.diff(np.log(prices("close", close, least + 1))),)
    bars = _candles(estimator, close, open, high, low, least + (estimator is Estimator.YANG_ZHANG))
    o, h, lo, c = (np.log(x) for x in bars)
    up, down, drift = h - o, lo - o, c - o
    match estimator:
        case Estimator.PARKINSON:
            return ((h - lo) ** 2 / (4.0 * np.log(2.0)),)
        case Estimator.GARMAN_KLASS:
            return (0.5 * (h - lo) ** 2 - (2.0 * np.log(2.0) - 1.0) * drift**2,)
        case Estimator.ROGERS_SATCHELL:
            return (up * (up - drift) + down * (down - drift),)
        case Estimator.YANG_ZHANG:
            within = up * (up - drift) + down * (down - drift)
            return o[1:] - c[:-1], drift[1:], within[1:]
        case _:
            assert_never(estimator)


def _candles(
    estimator: Estimator,
    close: ArrayLike,
    open: ArrayLike | None,
    high: ArrayLike | None,
    low: ArrayLike | None,
    least: int,
) -> Candles:
    if open is None and estimator is Estimator.PARKINSON:
        open = close  # it looks at neither
    for field, given in (("open", open), ("high", high), ("low", low)):
        if given is None:
            raise AnalyticsRefused(field, f"must be given for {estimator}")
    assert open is not None and high is not None and low is not None
    return candles(open, high, low, close, least)


def _variances(estimator: Estimator, terms: tuple[FloatArray, ...], window: int, mean_zero: bool) -> FloatArray:
    """Return the variance of one bar over each window of observations."""
    if mean_zero and estimator is not Estimator.CLOSE_TO_CLOSE:
        raise AnalyticsRefused("mean_zero", "must be false but for close_to_close")
    match estimator:
        case Estimator.CLOSE_TO_CLOSE:
            if mean_zero:
                return windows.moving_sum(terms[0] ** 2, window) / window
            return windows.moving_spread(terms[0], window)[1] / (window - 1)
        case Estimator.PARKINSON | Estimator.GARMAN_KLASS | Estimator.ROGERS_SATCHELL:
            return windows.moving_sum(terms[0], window) / window
        case Estimator.YANG_ZHANG:
            gaps, drift, within = terms
            weight = 0.34 / (1.34 + (window + 1) / (window - 1))
            overnight = windows.moving_spread(gaps, window)[1] / (window - 1)
            session = windows.moving_spread(drift, window)[1] / (window - 1)
            return overnight + weight * session + (1.0 - weight) * windows.moving_sum(within, window) / window
        case _:
            assert_never(estimator)
