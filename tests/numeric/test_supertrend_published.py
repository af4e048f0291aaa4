"""The supertrend against what TradingView's Pine reference prints under `ta.supertrend`, and against a table by hand.

TA-Lib has none. The reference gives the function in Pine itself: a script that runs once for each bar, where `[1]` is
the value of the bar before and `nz` makes 0 of one that is not there. Here it runs like that, on TA-Lib's ATR, which
starts a bar later than Pine's; from then on nothing but the reference's own three assignments is at work. Its first
lower band meets a 0 before it, so that a band below zero would differ there; no price here gets that near.

Tolerance: 1e-9 of the price, as for the other indicators. A close that meets its band to the last digit may turn the
trend in one and not in the other: no bar of these walks does.
"""

import math

import numpy as np
import pytest
import talib

from cerberod.analytics import indicators
from tests.support.bars import MadeBars, walk


def pine(bars: MadeBars, factor: float, period: int) -> tuple[list[float], list[int]]:
    """Return `superTrend` and `_direction` (1 is down, -1 is up) bar by bar, as the reference has them."""
    atr = talib.ATR(bars.high, bars.low, bars.close, period)
    line, sides = [], []
    lower_before = upper_before = super_before = atr_before = math.nan
    close_before = math.nan
    for high, low, close, reach in zip(bars.high, bars.low, bars.close, atr, strict=True):
        source = (high + low) / 2
        upper, lower = source + factor * reach, source - factor * reach
        prev_lower = 0.0 if math.isnan(lower_before) else lower_before
        prev_upper = 0.0 if math.isnan(upper_before) else upper_before
        lower = lower if lower > prev_lower or close_before < prev_lower else prev_lower
        upper = upper if upper < prev_upper or close_before > prev_upper else prev_upper
        if math.isnan(reach):
            upper = lower = math.nan
        if math.isnan(atr_before):
            direction = 1
        elif super_before == prev_upper:
            direction = -1 if close > upper else 1
        else:
            direction = 1 if close < lower else -1
        super_trend = lower if direction == -1 else upper
        line.append(super_trend)
        sides.append(direction)
        lower_before, upper_before, super_before, atr_before, close_before = lower, upper, super_trend, reach, close
    return line, sides


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("period", "factor"), [(10, 3.0), (7, 1.5), (14, 1.0), (3, 0.5)])
def test_equals_the_pine_reference(seed: int, period: int, factor: float) -> None:
    bars = walk(800, 40 + seed)
    line, sides = pine(bars, factor, period)
    ours = indicators.supertrend(bars.high, bars.low, bars.close, period, factor)
    np.testing.assert_array_equal(ours.direction.tail, -np.array(sides[period:]))
    np.testing.assert_allclose(ours.supertrend.tail, line[period:], rtol=1e-9)
    assert len(set(sides[period:])) == 2


HIGH = [12.0, 13.0, 15.0, 17.0, 18.0, 18.0, 16.0, 14.0]
LOW = [10.0, 11.0, 12.0, 14.0, 16.0, 15.0, 12.0, 11.0]
CLOSE = [11.0, 12.0, 14.0, 16.0, 17.0, 16.0, 13.0, 12.0]
BY_HAND = [
    # true range, basic bands, upper, lower, up?, line
    (2.0, 14.0, 10.0, 14.0, 10.0, False, 14.0),  # the first counts as down
    (3.0, 16.5, 10.5, 14.0, 10.5, False, 14.0),  # 14 does not pass the upper band of 14
    (3.0, 18.5, 12.5, 14.0, 12.5, True, 12.5),  # 16 does
    (2.0, 19.0, 15.0, 19.0, 15.0, True, 15.0),  # the close before was beyond the upper band, which starts again
    (3.0, 19.5, 13.5, 19.0, 15.0, True, 15.0),  # neither band retreats
    (4.0, 18.0, 10.0, 18.0, 15.0, False, 18.0),  # 13 falls through the lower band
    (3.0, 15.5, 9.5, 15.5, 9.5, False, 15.5),  # the close before was beyond the lower band, which starts again
]


def test_a_table_by_hand() -> None:
    """Period 1, so that ATR is the true range, and multiplier 1: every step is a sum of small whole numbers."""
    ours = indicators.supertrend(HIGH, LOW, CLOSE, period=1, multiplier=1.0)
    ranges = indicators.atr(HIGH, LOW, CLOSE, period=1)
    middle = [(high + low) / 2 for high, low in zip(HIGH, LOW, strict=True)][1:]
    for i, (reach, above, below, upper, lower, up, line) in enumerate(BY_HAND):
        assert ranges.tail[i] == reach
        assert (middle[i] + reach, middle[i] - reach) == (above, below)
        assert (ours.upper.tail[i], ours.lower.tail[i]) == (upper, lower)
        assert ours.direction.tail[i] == (1.0 if up else -1.0)
        assert ours.supertrend.tail[i] == line
