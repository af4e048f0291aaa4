"""The indicators that traders read, with TA-Lib's definitions and warm-up."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.words import Basis, OfBars, OfClose, Period, Series, Values
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Result, method

AverageName = Literal["sma", "ema", "wma", "dema", "tema", "trima"]
Multiple = Annotated[float, Field(gt=0, le=1000)]
INLINE = 9_000
"""Numbers that any of these makes a result of within two milliseconds (measured: 0.3 to 1.9)."""


class OnePeriod(OfClose):
    """Closes and a period."""

    period: Period = Field(default=20, description="Length of the average, in bars.")


class Line(Result):
    """One line."""

    basis: Basis = Field(description="What it was made from.")
    line: Values = Field(description="The indicator, one value for each bar.")


SMA = Kernel("indicators", "sma", OnePeriod, Line, INLINE)
EMA = Kernel("indicators", "ema", OnePeriod, Line, INLINE)


@method("common.sma", cost=2, deadline=Deadline.ANALYTICS)
async def sma(call: Call, params: OnePeriod) -> Line:
    """Return the simple moving average of closes, in their currency.

    The plain mean of the last `period` closes; null (warm_up) before there are so many. TA-Lib's SMA.
    """
    return await call.use(Calculation).run(SMA, params)


@method("common.ema", cost=2, deadline=Deadline.ANALYTICS)
async def ema(call: Call, params: OnePeriod) -> Line:
    """Return the exponential moving average of closes, in their currency.

    Weight 2/(period + 1), seeded by the mean of the first `period` closes, which is its first value. TA-Lib's EMA.
    """
    return await call.use(Calculation).run(EMA, params)


class Rsi(OfClose):
    """Closes and a period."""

    period: Period = Field(default=14, description="Length of Wilder's averages, in bars; at least 2.")


RSI = Kernel("indicators", "rsi", Rsi, Line, INLINE)


@method("common.rsi", cost=2, deadline=Deadline.ANALYTICS)
async def rsi(call: Call, params: Rsi) -> Line:
    """Return the relative strength index, 0 (only falls) to 100 (only rises).

    100 gain/(gain + loss) of Wilder's averages, from bar `period` on; null (no_movement) where nothing moved, for which
    TA-Lib says 0. J. W. Wilder, "New Concepts in Technical Trading Systems", 1978. TA-Lib's RSI.
    """
    return await call.use(Calculation).run(RSI, params)


class Macd(OfClose):
    """Closes and three periods."""

    fast: Period = Field(default=12, description="Period of the fast average, in bars; at least 2, below `slow`.")
    slow: Period = Field(default=26, description="Period of the slow average, in bars.")
    signal: Period = Field(default=9, description="Period of the signal line, in bars.")


class MacdLines(Result):
    """Three lines in the currency of the closes."""

    basis: Basis = Field(description="What it was made from.")
    macd: Values = Field(description="Fast average minus slow average.")
    signal: Values = Field(description="Exponential average of the MACD line.")
    histogram: Values = Field(description="MACD minus signal.")


MACD = Kernel("indicators", "macd", Macd, MacdLines, INLINE)


@method("common.macd", cost=2, deadline=Deadline.ANALYTICS)
async def macd(call: Call, params: Macd) -> MacdLines:
    """Return moving average convergence/divergence, its signal line and histogram.

    In the currency of the closes. All three begin together, at bar slow + signal - 2. TA-Lib's MACD.
    """
    return await call.use(Calculation).run(MACD, params)


class Bollinger(OfClose):
    """Closes, a period and the width of the bands."""

    period: Period = Field(default=20, description="Length of average and deviation, in bars; at least 2.")
    deviations: Multiple = Field(default=2.0, description="Standard deviations between the middle and each band.")
    average: AverageName = Field(default="sma", description="Kind of the middle line.")


class Bands(Result):
    """Three lines in the currency of the closes."""

    basis: Basis = Field(description="What it was made from.")
    upper: Values = Field(description="The middle plus so many deviations.")
    middle: Values = Field(description="The moving average.")
    lower: Values = Field(description="The middle minus so many deviations.")


BOLLINGER = Kernel("indicators", "bollinger", Bollinger, Bands, INLINE)


@method("common.bollinger", cost=2, deadline=Deadline.ANALYTICS)
async def bollinger(call: Call, params: Bollinger) -> Bands:
    """Return Bollinger's bands: a moving average and deviations around it.

    The deviation is the population's (divisor `period`) about the plain mean. In the currency of the closes. TA-Lib's
    BBANDS.
    """
    return await call.use(Calculation).run(BOLLINGER, params)


class Ranged(OfBars):
    """Bars and a period."""

    period: Period = Field(default=14, description="Length of Wilder's average, in bars; at least 2 for adx.")


class Directional(Result):
    """Strength and direction of a trend, each from 0 to 100."""

    basis: Basis = Field(description="What it was made from.")
    adx: Values = Field(description="Average directional index: strength of the trend, whichever way it goes.")
    plus_di: Values = Field(description="+DI: upward movement in per cent of the true range.")
    minus_di: Values = Field(description="-DI: downward movement in per cent of the true range.")


ATR = Kernel("indicators", "atr", Ranged, Line, INLINE)
ADX = Kernel("indicators", "adx", Ranged, Directional, INLINE)


@method("common.atr", cost=2, deadline=Deadline.ANALYTICS)
async def atr(call: Call, params: Ranged) -> Line:
    """Return the average true range, in the currency of the prices.

    Wilder's average of the bar's range widened to the close before, from bar `period` on. TA-Lib's ATR.
    """
    return await call.use(Calculation).run(ATR, params)


@method("common.adx", cost=2, deadline=Deadline.ANALYTICS)
async def adx(call: Call, params: Ranged) -> Directional:
    """Return the average directional index with +DI and -DI, 0 to 100.

    +DI and -DI begin at bar `period`, ADX at 2 `period` - 1. Wilder 1978; TA-Lib's ADX, PLUS_DI and MINUS_DI.
    """
    return await call.use(Calculation).run(ADX, params)


class Vwap(OfBars):
    """Bars with volumes, and what to average over."""

    volume: Series = Field(
        description="Volumes of the bars in any one unit, as many as `close`; 0 or above.", examples=[examples.VOLUME]
    )
    session: Annotated[list[int], Field(min_length=1, max_length=10_000)] | None = Field(
        default=None,
        description="A label for each bar, such as its day's number; the average begins anew where it changes.",
    )
    period: Period | None = Field(
        default=None, description="Average over so many last bars instead of since the beginning; not with `session`."
    )


VWAP = Kernel("indicators", "vwap", Vwap, Line, INLINE)


@method("common.vwap", cost=2, deadline=Deadline.ANALYTICS)
async def vwap(call: Call, params: Vwap) -> Line:
    """Return the volume-weighted average price, in the currency of the prices.

    Of typical prices (high + low + close)/3, since the beginning, since each session's beginning, or over `period`
    bars; null (no_volume) while nothing was traded.
    """
    return await call.use(Calculation).run(VWAP, params)


class Stochastic(OfBars):
    """Bars and three periods."""

    k_period: Period = Field(default=14, description="Bars whose range the close is compared with.")
    k_slowing: Period = Field(default=3, description="Length of the average that makes %K.")
    d_period: Period = Field(default=3, description="Length of the average of %K that makes %D.")
    k_average: AverageName = Field(default="sma", description="Kind of the average that makes %K.")
    d_average: AverageName = Field(default="sma", description="Kind of the average that makes %D.")


class Oscillator(Result):
    """Two lines from 0 to 100."""

    basis: Basis = Field(description="What it was made from.")
    k: Values = Field(description="%K: where the close stands in the recent range, smoothed.")
    d: Values = Field(description="%D: the average of %K.")


STOCHASTIC = Kernel("indicators", "stochastic", Stochastic, Oscillator, INLINE)


@method("common.stochastic", cost=2, deadline=Deadline.ANALYTICS)
async def stochastic(call: Call, params: Stochastic) -> Oscillator:
    """Return the slow stochastic, %K and %D, 0 (at the low) to 100 (at the high).

    Both begin at bar k_period + k_slowing + d_period - 3 (later with dema and tema). TA-Lib's STOCH.
    """
    return await call.use(Calculation).run(STOCHASTIC, params)


class Supertrend(OfBars):
    """Bars, a period and a distance."""

    period: Period = Field(default=10, description="Length of the average true range, in bars.")
    multiplier: Multiple = Field(default=3.0, description="Average true ranges between the middle and each band.")


class Trailing(Result):
    """A stop line that trails the price."""

    basis: Basis = Field(description="What it was made from.")
    supertrend: Values = Field(description="The line: the lower band in an up-trend, else the upper.")
    direction: Values = Field(description="1 in an up-trend, -1 in a down-trend.")
    upper: Values = Field(description="The upper band as it trails.")
    lower: Values = Field(description="The lower band as it trails.")


SUPERTREND = Kernel("indicators", "supertrend", Supertrend, Trailing, INLINE)


@method("common.supertrend", cost=2, deadline=Deadline.ANALYTICS)
async def supertrend(call: Call, params: Supertrend) -> Trailing:
    """Return the supertrend line, its side and its bands, in the prices' currency.

    Bands are (high + low)/2 plus and minus `multiplier` ATR and only tighten while the close stays within them. First
    value at bar `period`, as TA-Lib's ATR; the first trend counts as down.
    """
    return await call.use(Calculation).run(SUPERTREND, params)
