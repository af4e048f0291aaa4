"""What a track record was worth for its risk: Sharpe and Sortino ratios, and the worst fall.

Returns are fractions for one period (0.01 is 1 %), simple, oldest first; `periods_per_year` is the caller's, always.
Ratios are annualised by its root, which is right for returns that do not depend on each other.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import bars, windows
from cerberod.analytics.lines import Line, LineReason
from cerberod.analytics.samples import STILL, observations
from cerberod.errors import AnalyticsRefused

LEAST_RETURNS = 3
_MOST_PERIODS = 1e9


class NoRatio(StrEnum):
    """Why there is no ratio: `NO_DOWNSIDE`, no return was below the target, and the risk it divides by is zero."""

    NO_DOWNSIDE = "no_downside"


@dataclass(frozen=True, slots=True)
class Sortino:
    """A Sortino ratio a year, or why there is none, and what it was made from.

    `downside_deviation` is for one period, as a fraction: the root of the mean square of what returns fell short of the
    target, over all returns. `target` is the one for one period.
    """

    ratio: float | None
    reason: NoRatio | None
    downside_deviation: float
    mean: float
    target: float
    below_target: int
    observations: int
    periods_per_year: float


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The greatest fall from a peak, as a fraction of the peak: 0 to 1, positive for a loss.

    `peak`, `trough` and `recovery` are indices into the series: the last point at the peak's height, the first at the
    lowest, the first back at the peak or above; `recovery` is `None` while it has not come back. Of falls of one depth
    the first counts. Without any fall `depth` is 0 and the three are `None`. `current` is the fall that the last point
    stands in, from the highest of all.
    """

    depth: float
    peak: int | None
    trough: int | None
    recovery: int | None
    current: float
    points: int


def rolling_sharpe(returns: ArrayLike, window: int, periods_per_year: float, *, risk_free: float = 0.0) -> Line:
    """Return the Sharpe ratio a year of the last `window` (three or more) returns, at each return.

    Mean of the returns above `risk_free` over their standard deviation (divisor n - 1), times the root of
    `periods_per_year`. `risk_free` is a fraction a year, spread evenly over its periods. Undefined during the first
    `window` - 1 returns, and while all returns in a window are the same. With one window over the whole series its
    last value is the ratio of the record; its standard error is near the root of (1 + S²/2)/n, S being for one period
    (A. Lo, "The statistics of Sharpe ratios", Financial Analysts Journal 58(4), 2002).

    Source: W. Sharpe, "The Sharpe ratio", Journal of Portfolio Management 21(1), 1994.
    """
    window = bars.whole("window", window, LEAST_RETURNS)
    x = observations("returns", returns, window)
    years = _per_year(periods_per_year)
    rate = bars.number("risk_free", risk_free, -10.0, 10.0) / years
    total, squares = windows.moving_spread(x, window)
    largest = windows.moving_max(np.abs(x), window)
    deviation = np.sqrt(squares / (window - 1))
    still = np.asarray(deviation <= STILL * largest, dtype=np.bool_)
    ratio = (total / window - rate) / np.where(still, 1.0, deviation) * math.sqrt(years)
    return Line(np.where(still, 0.0, ratio), x.size, still, LineReason.NO_MOVEMENT)


def sortino(returns: ArrayLike, periods_per_year: float, *, target: float = 0.0) -> Sortino:
    """Return the Sortino ratio a year of at least three returns: mean above the target over downside deviation.

    `target` is a fraction a year, spread evenly over its periods. Source: F. Sortino and L. Price, "Performance
    measurement in a downside risk framework", Journal of Investing 3(3), 1994; the deviation divides by the number of
    all returns, not of those below the target.
    """
    x = observations("returns", returns, LEAST_RETURNS)
    years = _per_year(periods_per_year)
    least = bars.number("target", target, -10.0, 10.0) / years
    short = np.minimum(x - least, 0.0)
    deviation = math.sqrt(float(np.mean(short * short)))
    below = int(np.count_nonzero(short))
    mean = float(x.mean())
    # A shortfall of one rounding error is none.
    defined = deviation > STILL * max(float(np.abs(x).max()), abs(least))
    return Sortino(
        ratio=(mean - least) / deviation * math.sqrt(years) if defined else None,
        reason=None if defined else NoRatio.NO_DOWNSIDE,
        downside_deviation=deviation,
        mean=mean,
        target=least,
        below_target=below,
        observations=x.size,
        periods_per_year=years,
    )


def max_drawdown(equity: ArrayLike) -> Drawdown:
    """Return the greatest fall of a series of positive values (prices, or the worth of an account), at least two.

    For returns give the compounded series. Source: M. Magdon-Ismail and A. Atiya, "Maximum drawdown", Risk 17(10),
    2004, here relative to the peak.
    """
    x = bars.prices("equity", equity, 2)
    highest = np.maximum.accumulate(x)
    fall = 1.0 - x / highest
    trough = int(np.argmax(fall))
    depth = float(fall[trough])
    if depth == 0.0:
        return Drawdown(0.0, None, None, None, 0.0, x.size)
    height = float(highest[trough])
    peak = trough - 1 - int(np.argmax(x[:trough][::-1] == height))
    back = np.flatnonzero(x[trough:] >= height)
    return Drawdown(depth, peak, trough, trough + int(back[0]) if back.size else None, float(fall[-1]), x.size)


def _per_year(periods_per_year: float) -> float:
    years = bars.number("periods_per_year", periods_per_year, 0.0, _MOST_PERIODS)
    if years == 0.0:
        raise AnalyticsRefused("periods_per_year", "must be greater than 0")
    return years
