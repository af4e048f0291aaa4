"""The indicators traders read, with TA-Lib's definitions, warm-up and seeds, so that the numbers are those they know.

Series come oldest first and every answer is a `Line` as long as the input, masked where there is no value, with the
reason. Where a line has a value it is TA-Lib's (0.8, default compatibility, unstable periods 0); where TA-Lib puts 0
for 0/0, the line says `NO_MOVEMENT`. "Nothing moved" means less than 1e-14 of the price, which no float price can
show; TA-Lib's own bound is 1e-14 in whatever the currency is.

Prices are in quote currency, above zero; a period is a number of bars. What breaks a rule is refused by
`AnalyticsRefused`, a series shorter than the warm-up included. The supertrend and VWAP are unknown to TA-Lib; their
definitions stand at their functions. This module knows no venue and no time: bars are as far apart as the caller says.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import arrays, windows
from cerberod.analytics.arrays import BoolArray, FloatArray
from cerberod.analytics.averages import Average, average, exponential, warm_up, wilder
from cerberod.analytics.bars import Bars, bars, number, prices, whole
from cerberod.analytics.lines import Line, LineReason
from cerberod.analytics.recursion import gap, recursion
from cerberod.errors import AnalyticsRefused

_NOTHING = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class Macd:
    """MACD line (quote currency), its signal line, and the histogram: MACD minus signal."""

    macd: Line
    signal: Line
    histogram: Line


@dataclass(frozen=True, slots=True, eq=False)
class Bollinger:
    """Upper band, moving average, lower band; quote currency."""

    upper: Line
    middle: Line
    lower: Line


@dataclass(frozen=True, slots=True, eq=False)
class Adx:
    """Trend strength (0 to 100) and the directional indicators +DI and -DI (0 to 100), which are defined earlier."""

    adx: Line
    plus_di: Line
    minus_di: Line


@dataclass(frozen=True, slots=True, eq=False)
class Stochastic:
    """Slow %K and slow %D (0 to 100; DEMA and TEMA may overshoot)."""

    k: Line
    d: Line


@dataclass(frozen=True, slots=True, eq=False)
class Supertrend:
    """The trailing line (quote currency), the trend's side (+1 up, -1 down), and the two bands the line follows."""

    supertrend: Line
    direction: Line
    upper: Line
    lower: Line


def sma(close: ArrayLike, period: int = 20) -> Line:
    """Return the simple moving average: the plain mean of the last `period` closes. First value at bar `period - 1`."""
    period = whole("period", period, 2)
    x = prices("close", close, period)
    return Line(average(Average.SMA, x, period), x.size)


def ema(close: ArrayLike, period: int = 20) -> Line:
    """Return the exponential moving average: weight `2 / (period + 1)`, seeded by the mean of `period` closes.

    First value, the seed itself, at bar `period - 1`.
    """
    period = whole("period", period, 2)
    x = prices("close", close, period)
    return Line(exponential(x, period), x.size)


def rsi(close: ArrayLike, period: int = 14) -> Line:
    """Return the relative strength index, 0 (only falls) to 100 (only rises).

    `100 * gain / (gain + loss)` of Wilder's averages of rises and falls. First value at bar `period`. Undefined
    (`NO_MOVEMENT`) where neither average is above zero. Source: J. W. Wilder, "New Concepts in Technical Trading
    Systems", 1978.
    """
    period = whole("period", period, 2)
    x = prices("close", close, period + 1)
    change = x[1:] - x[:-1]
    moves = np.empty((2, change.size))
    np.maximum(change, 0.0, out=moves[0])
    np.subtract(moves[0], change, out=moves[1])
    gain, loss = wilder(moves, period)
    return _ratio(gain, gain + loss, x)


def macd(close: ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9) -> Macd:
    """Return moving average convergence/divergence: EMA(`fast`) - EMA(`slow`), and the EMA(`signal`) of it.

    As in TA-Lib the fast average is seeded by the `fast` closes that end where the slow one is seeded, and all three
    lines begin together, at bar `slow + signal - 2`. `fast` must be below `slow` (TA-Lib would swap them in silence).
    Source: G. Appel, "Technical Analysis: Power Tools for Active Investors", 2005.
    """
    fast, slow, signal = whole("fast", fast, 2), whole("slow", slow, 2), whole("signal", signal, 1)
    if fast >= slow:
        raise AnalyticsRefused("fast", "must be below slow")
    x = prices("close", close, slow + signal - 1)
    fast_mean, slow_mean = (float(np.add.reduce(x[slow - period : slow])) / period for period in (fast, slow))
    decays = (fast - 1.0) / (fast + 1.0), (slow - 1.0) / (slow + 1.0)
    difference = gap(x[slow:], decays, (fast_mean, slow_mean))
    smooth = average(Average.EMA, difference, signal)
    difference = difference[signal - 1 :]
    return Macd(Line(difference, x.size), Line(smooth, x.size), Line(difference - smooth, x.size))


def bollinger(
    close: ArrayLike, period: int = 20, deviations: float = 2.0, average_kind: Average = Average.SMA
) -> Bollinger:
    """Return Bollinger's bands: a moving average and `deviations` standard deviations on both sides of it.

    The standard deviation is the population's (divisor `period`) of the last `period` closes about their plain mean,
    whatever the kind of the middle line. First value at bar `period - 1`, later for DEMA and TEMA. Unlike TA-Lib's,
    the deviation does not lose digits where it is small against the price. Source: J. Bollinger, "Bollinger on
    Bollinger Bands", 2001.
    """
    period = whole("period", period, 2)
    deviations = number("deviations", deviations, 0.0, 100.0)
    first = warm_up(average_kind, period)
    x = prices("close", close, first + 1)
    total, squares = windows.moving_spread(x, period)
    squares /= period
    width = np.sqrt(squares, out=squares)[first + 1 - period :]
    width *= deviations
    middle = total / period if average_kind is Average.SMA else average(average_kind, x, period)
    return Bollinger(Line(middle + width, x.size), Line(middle, x.size), Line(middle - width, x.size))


def atr(high: ArrayLike, low: ArrayLike, close: ArrayLike, period: int = 14) -> Line:
    """Return the average true range, quote currency, zero or above.

    True range: the bar's range, widened to the close before it; the first bar has none. Its Wilder average, seeded by
    the plain mean of the first `period`. First value at bar `period`. Source: Wilder 1978.
    """
    period = whole("period", period, 1)
    x = bars(high, low, close, period + 1)
    return Line(wilder(_true_range(x), period), x.close.size)


def adx(high: ArrayLike, low: ArrayLike, close: ArrayLike, period: int = 14) -> Adx:
    """Return the average directional index with +DI and -DI.

    Of two successive bars the larger outward move counts, if it is outward at all. DI is 100 times Wilder's sum of such
    moves over his sum of true ranges; both sums begin with `period - 1` bars, so that DI starts at bar `period`. DX is
    `100 |+DI - -DI| / (+DI + -DI)`, ADX its Wilder average from bar `2 period - 1` on. As in TA-Lib a bar without any
    directional movement adds nothing to ADX's first mean and later leaves it where it is. DI is undefined
    (`NO_MOVEMENT`) where the ranges are zero, ADX until a DX was there. Source: Wilder 1978.
    """
    period = whole("period", period, 2)
    x = bars(high, low, close, 2 * period)
    up = x.high[1:] - x.high[:-1]
    down = x.low[:-1] - x.low[1:]
    moves = np.empty((3, up.size))
    np.multiply(up, (up > down) & (up > 0.0), out=moves[0])
    np.multiply(down, (down > up) & (down > 0.0), out=moves[1])
    moves[2] = _true_range(x)
    sums = recursion(moves[:, period - 1 :], 1.0 - 1.0 / period, 1.0, moves[:, : period - 1].sum(axis=1))[:, 1:]
    flat = sums[2] <= _NOTHING * x.close[period:]
    sums[:2] *= 100.0
    sums[:2] /= np.where(flat, 1.0, sums[2])
    plus, minus = sums[:2]
    total = plus + minus
    moved = (total > _NOTHING) & ~flat
    dx = np.zeros(total.size)
    np.divide(np.abs(plus - minus), total, out=dx, where=moved)
    dx *= 100.0
    return Adx(
        _held_average(dx, moved, period, x.close.size),
        *(Line(di, x.close.size, flat, LineReason.NO_MOVEMENT) for di in (plus, minus)),
    )


def stochastic(
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    k_period: int = 14,
    k_slowing: int = 3,
    d_period: int = 3,
    k_average: Average = Average.SMA,
    d_average: Average = Average.SMA,
) -> Stochastic:
    """Return the slow stochastic: where the close stands in the range of the last `k_period` bars, smoothed twice.

    `100 (close - lowest low) / (highest high - lowest low)`, averaged over `k_slowing` for %K and that over `d_period`
    for %D; both begin together, at bar `k_period + k_slowing + d_period - 3` (later for DEMA and TEMA). Undefined
    (`NO_MOVEMENT`) while a window without any range is among the bars averaged; a recursive average (EMA, DEMA, TEMA)
    keeps, beyond that, a trace of the 0 that TA-Lib puts there. Source: G. Lane, "Lane's stochastics", Stocks &
    Commodities, 1984.
    """
    k_period = whole("k_period", k_period, 1)
    k_slowing = whole("k_slowing", k_slowing, 1)
    d_period = whole("d_period", d_period, 1)
    k_first, d_first = warm_up(k_average, k_slowing), warm_up(d_average, d_period)
    x = bars(high, low, close, k_period + k_first + d_first)
    lowest = windows.moving_min(x.low, k_period)
    extent = windows.moving_max(x.high, k_period) - lowest
    recent = x.close[k_period - 1 :]
    flat = extent <= _NOTHING * recent
    raw = np.zeros(extent.size)
    np.divide(recent - lowest, extent, out=raw, where=~flat)
    raw *= 100.0
    k = average(k_average, raw, k_slowing)
    d = average(d_average, k, d_period)
    k = k[d_first:]
    return Stochastic(
        Line(k, x.close.size, _any_of_last(flat, k_first + 1, k.size), LineReason.NO_MOVEMENT),
        Line(d, x.close.size, _any_of_last(flat, k_first + d_first + 1, d.size), LineReason.NO_MOVEMENT),
    )


def vwap(
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    volume: ArrayLike,
    *,
    session: ArrayLike | None = None,
    period: int | None = None,
) -> Line:
    """Return the volume-weighted average of the typical price `(high + low + close) / 3`, quote currency.

    Over the session so far: a new one begins at each bar whose `session` (an integer, such as the day's number) differs
    from the bar's before; without `session` the whole series is one. Or, with `period`, over the last `period` bars.
    `volume` is zero or above, in any one unit. Undefined (`NO_VOLUME`) while nothing was traded. Exact only as far as
    bars are: every trade is taken to have happened at its bar's typical price. Source: S. Berkowitz, D. Logue and E.
    Noser, "The total cost of transactions on the NYSE", Journal of Finance 43(1), 1988.
    """
    if session is not None and period is not None:
        raise AnalyticsRefused("session", "must not be given together with period")
    least = 1 if period is None else whole("period", period, 1)
    x = bars(high, low, close, least)
    size = arrays.not_negative("volume", volume)
    arrays.same_length("high", x.high, volume=size)
    value = size * ((x.high + x.low + x.close) / 3.0)
    if period is not None:
        values, sizes = windows.moving_sum(np.stack([value, size]), least)
    elif session is None:
        values, sizes = np.cumsum(value), np.cumsum(size)
    else:
        values, sizes = _sums_since(np.stack([value, size]), _bar_of_session(session, x.high))
    empty = sizes <= 0.0
    tail = np.zeros(values.size)
    np.divide(values, sizes, out=tail, where=~empty)
    return Line(tail, x.close.size, empty, LineReason.NO_VOLUME)


def supertrend(
    high: ArrayLike, low: ArrayLike, close: ArrayLike, period: int = 10, multiplier: float = 3.0
) -> Supertrend:
    """Return the supertrend: a stop line that trails the price by `multiplier` average true ranges and never retreats.

    Basic bands are `(high + low) / 2 ± multiplier * ATR`. The upper band may only fall and the lower only rise, until
    the close before was beyond it: then it starts again from the basic one. The trend turns up when the close is above
    the upper band, down when it is below the lower one; the line is the lower band in an up-trend, else the upper. The
    first bar counts as down-trend. First value at bar `period`, because ATR is TA-Lib's; charts whose ATR takes the
    first bar's own range for a true range start a bar earlier and differ at first, less and less. Source: O. Seban's
    indicator in the form that TradingView's Pine reference prints for `ta.supertrend`.
    """
    period = whole("period", period, 1)
    multiplier = number("multiplier", multiplier, 0.01, 100.0)
    x = bars(high, low, close, period + 1)
    reach = wilder(_true_range(x), period)
    reach *= multiplier
    middle = 0.5 * (x.high[period:] + x.low[period:])
    upper, lower, rising = _trailing(middle + reach, middle - reach, x.close[period:])
    length = x.close.size
    return Supertrend(
        Line(np.where(rising, lower, upper), length),
        Line(np.where(rising, 1.0, -1.0), length),
        Line(upper, length),
        Line(lower, length),
    )


def _true_range(x: Bars) -> FloatArray:
    before = x.close[:-1]
    out = np.maximum(x.high[1:], before)
    out -= np.minimum(x.low[1:], before)
    return out


def _ratio(part: FloatArray, total: FloatArray, price: FloatArray) -> Line:
    """Return the line of `100 part / total`, undefined where `total` is nothing against the price of its bar."""
    still = total <= _NOTHING * price[price.size - total.size :]
    if not still.any():
        part *= 100.0
        return Line(np.divide(part, total, out=part), price.size)
    tail = np.zeros(total.size)
    np.divide(100.0 * part, total, out=tail, where=~still)
    return Line(tail, price.size, still, LineReason.NO_MOVEMENT)


def _held_average(dx: FloatArray, moved: BoolArray, period: int, length: int) -> Line:
    """Return Wilder's average of `dx`, of which items that did not move count as 0 in the seed and later as no item."""
    if moved.all():
        return Line(wilder(dx, period), length)
    counted = np.concatenate([dx[:period], dx[period:][moved[period:]]])
    steps = np.concatenate([[0], np.cumsum(moved[period:])])  # how many items the seed has been followed by
    unseen = np.cumsum(moved)[period - 1 :] == 0
    return Line(wilder(counted, period)[steps], length, unseen, LineReason.NO_MOVEMENT)


def _any_of_last(flat: BoolArray, width: int, length: int) -> BoolArray:
    """Tell for each of the last `length` items whether one of the `width` that end there is flat."""
    if not flat.any():
        return np.zeros(length, dtype=np.bool_)
    out: BoolArray = windows.moving_max(flat.astype(np.float64), width)[-length:] > 0.0
    return out


def _bar_of_session(session: ArrayLike, like: FloatArray) -> FloatArray:
    """Return how many bars of its own session stand before each bar."""
    labels = np.asarray(session)
    if labels.dtype.kind not in "iu":
        raise AnalyticsRefused("session", "must hold integers only")
    arrays.same_length("high", like, session=labels)
    at = np.arange(labels.size)
    starts = np.concatenate([[0], np.where(labels[1:] != labels[:-1], at[1:], 0)])
    return (at - np.maximum.accumulate(starts)).astype(np.float64)


def _sums_since(x: FloatArray, before: FloatArray) -> FloatArray:
    """Return running sums along the last axis that begin anew where `before` is 0.

    Sums of 1, 2, 4 … items that end at a bar, each added only where its items are all of the same session: nothing of
    another session is ever added and taken away again.
    """
    out = x.copy()
    reach = 1
    while reach <= before.max():
        out[:, reach:] += np.where(before[reach:] >= reach, out[:, :-reach], 0.0)
        reach *= 2
    return out


def _trailing(upper: FloatArray, lower: FloatArray, close: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return both bands as they trail, and whether the trend is up.

    The one recursion here that is not linear: a loop over plain floats, a third of a microsecond a bar.
    """
    uppers, lowers, closes = upper.tolist(), lower.tolist(), close.tolist()
    rising = []
    above, below = uppers[0], lowers[0]
    before = closes[0]
    up = False
    for i, (basic_above, basic_below, now) in enumerate(zip(uppers, lowers, closes, strict=True)):
        if basic_above < above or before > above:
            above = basic_above
        if basic_below > below or before < below:
            below = basic_below
        if i:
            up = now >= below if up else now > above
        uppers[i], lowers[i] = above, below
        rising.append(up)
        before = now
    return np.array(uppers), np.array(lowers), np.array(rising, dtype=np.bool_)
