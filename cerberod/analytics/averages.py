"""Moving averages as TA-Lib defines them: what each one weighs, and how many items it needs before the first value.

Everything here works on checked series and returns only what is defined: the result is shorter than the input by the
average's warm-up, and its last item belongs to the input's last.
"""

from enum import StrEnum
from typing import assert_never

import numpy as np

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.recursion import smoothed
from cerberod.analytics.windows import moving_ramp, moving_sum


class Average(StrEnum):
    """A kind of moving average. TA-Lib's KAMA, MAMA and T3 are not offered."""

    SMA = "sma"
    EMA = "ema"
    WMA = "wma"
    DEMA = "dema"
    TEMA = "tema"
    TRIMA = "trima"


def warm_up(kind: Average, period: int) -> int:
    """Return how many items pass before the first value."""
    match kind:
        case Average.SMA | Average.EMA | Average.WMA | Average.TRIMA:
            return period - 1
        case Average.DEMA:
            return 2 * (period - 1)
        case Average.TEMA:
            return 3 * (period - 1)
        case _:
            assert_never(kind)


def average(kind: Average, x: FloatArray, period: int) -> FloatArray:
    """Return the moving average of at least `warm_up + 1` items; a period of 1 is the series itself in every kind."""
    if period == 1:
        return x
    match kind:
        case Average.SMA:
            return moving_sum(x, period) / period
        case Average.EMA:
            return exponential(x, period)
        case Average.WMA:
            return moving_ramp(x, period) / (0.5 * period * (period + 1))
        case Average.TRIMA:
            # Two plain averages in a row, together as long as the period.
            inner, outer = (period + 1) // 2, period // 2 + 1
            return moving_sum(moving_sum(x, inner), outer) / (inner * outer)
        case Average.DEMA:
            # P. Mulloy, "Smoothing data with faster moving averages", Stocks & Commodities 12(1), 1994.
            once = exponential(x, period)
            twice = exponential(once, period)
            return 2.0 * once[period - 1 :] - twice
        case Average.TEMA:
            once = exponential(x, period)
            twice = exponential(once, period)
            thrice = exponential(twice, period)
            return 3.0 * (once[2 * (period - 1) :] - twice[period - 1 :]) + thrice
        case _:
            assert_never(kind)


def exponential(x: FloatArray, period: int) -> FloatArray:
    """Return the exponential average with weight `2 / (period + 1)`, seeded by the mean of the first `period`."""
    return _seeded(x, x[period - 1 :].copy(), period, 2.0 / (period + 1.0))


def wilder(x: FloatArray, period: int) -> FloatArray:
    """Return Wilder's average: weight `1 / period`, seeded by the plain average of the first `period`.

    Source: J. W. Wilder, "New Concepts in Technical Trading Systems", 1978. Works along the last axis, and uses `x` up:
    what it holds afterwards means nothing.
    """
    return _seeded(x, x[..., period - 1 :], period, 1.0 / period)


def _seeded(x: FloatArray, inputs: FloatArray, period: int, weight: float) -> FloatArray:
    """Return the average of `inputs`, of which the first stands for the first `period` items of `x`."""
    inputs[..., 0] = np.add.reduce(x[..., :period], axis=-1) / (period * weight)
    return smoothed(inputs, 1.0 - weight, weight)
