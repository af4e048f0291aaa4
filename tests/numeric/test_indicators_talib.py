"""Every indicator that TA-Lib has, against TA-Lib: the same first bar, the same numbers.

Tolerance: 1e-9 of the scale, which is the price for lines in quote currency and 100 for oscillators. Both sides add the
same numbers in another order, so honest differences stay near 1e-13; TA-Lib's running totals lose more after a spike,
and its standard deviation (mean of squares minus square of mean) loses half the digits: 1e-7 of the price there.
Where TA-Lib puts 0 for 0/0 our lines are undefined: there its number must be 0, or, while what is left of past moves
lies between its bound (1e-14) and ours (1e-14 of the price), the number of the bar before. Everywhere else both agree.
"""

from collections.abc import Callable

import numpy as np
import pytest
import talib

from cerberod.analytics import indicators
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.averages import Average
from cerberod.analytics.lines import Line, LineReason
from tests.support.bars import MadeBars, shapes, walk

COUNT = 400
SERIES = {f"walk {seed}": walk(COUNT, seed) for seed in range(3)}
SERIES |= {"cheap": walk(COUNT, 3, price=1e-5), "dear": walk(COUNT, 4, price=1e9), "calm": walk(COUNT, 5, step=1e-5)}
SERIES |= shapes(COUNT)
KINDS = {
    Average.SMA: talib.MA_Type.SMA,
    Average.EMA: talib.MA_Type.EMA,
    Average.WMA: talib.MA_Type.WMA,
    Average.DEMA: talib.MA_Type.DEMA,
    Average.TEMA: talib.MA_Type.TEMA,
    Average.TRIMA: talib.MA_Type.TRIMA,
}

made = pytest.mark.parametrize("bars", SERIES.values(), ids=SERIES.keys())


def agree(line: Line, reference: FloatArray, within: float, *, zeros: bool = False) -> None:
    """Fail unless `line` starts where `reference` does and equals it; with `zeros` gaps stand where that is empty."""
    assert line.length == reference.size
    assert line.first == int(np.isnan(reference).sum())
    expected = reference[line.first :]
    given = np.ones(expected.size, dtype=np.bool_)
    if line.gaps is not None:
        assert zeros or not line.gaps.any()
        given = ~line.gaps
        stale = np.abs(np.diff(expected, prepend=expected[:1])) <= within
        assert np.all(stale[line.gaps] | (np.abs(expected[line.gaps]) <= within))
    assert np.all(np.abs(line.tail - expected)[given] <= within)


def prices(bars: MadeBars, part: float = 1e-9) -> float:
    return part * float(bars.high.max())


@made
@pytest.mark.parametrize("period", [2, 3, 14, 20, 50, 200, COUNT])
def test_averages(bars: MadeBars, period: int) -> None:
    agree(indicators.sma(bars.close, period), talib.SMA(bars.close, period), prices(bars))
    agree(indicators.ema(bars.close, period), talib.EMA(bars.close, period), prices(bars))


@made
@pytest.mark.parametrize("period", [2, 14, 33, COUNT - 1])
def test_rsi(bars: MadeBars, period: int) -> None:
    agree(indicators.rsi(bars.close, period), talib.RSI(bars.close, period), 1e-7, zeros=True)


@made
@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (2, 3, 1), (5, 35, 5), (19, 39, 9)])
def test_macd(bars: MadeBars, fast: int, slow: int, signal: int) -> None:
    ours = indicators.macd(bars.close, fast, slow, signal)
    theirs = talib.MACD(bars.close, fast, slow, signal)
    for line, reference in zip((ours.macd, ours.signal, ours.histogram), theirs, strict=True):
        agree(line, reference, prices(bars))


@made
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("period", "deviations"), [(20, 2.0), (2, 1.0), (50, 2.5)])
def test_bollinger(bars: MadeBars, kind: Average, period: int, deviations: float) -> None:
    ours = indicators.bollinger(bars.close, period, deviations, kind)
    theirs = talib.BBANDS(bars.close, period, deviations, deviations, KINDS[kind])
    for line, reference in zip((ours.upper, ours.middle, ours.lower), theirs, strict=True):
        agree(line, reference, prices(bars, 1e-7))


@made
@pytest.mark.parametrize("period", [1, 2, 14, 100, COUNT - 1])
def test_atr(bars: MadeBars, period: int) -> None:
    agree(indicators.atr(bars.high, bars.low, bars.close, period), talib.ATR(*bars[1:4], period), prices(bars))


@made
@pytest.mark.parametrize("period", [2, 14, 30, COUNT // 2])
def test_adx(bars: MadeBars, period: int) -> None:
    ours = indicators.adx(bars.high, bars.low, bars.close, period)
    agree(ours.adx, talib.ADX(*bars[1:4], period), 1e-7, zeros=True)
    agree(ours.plus_di, talib.PLUS_DI(*bars[1:4], period), 1e-7, zeros=True)
    agree(ours.minus_di, talib.MINUS_DI(*bars[1:4], period), 1e-7, zeros=True)


@made
@pytest.mark.parametrize("periods", [(14, 3, 3), (5, 1, 1), (1, 2, 4), (21, 5, 8)])
@pytest.mark.parametrize("kind", KINDS)
def test_stochastic(bars: MadeBars, periods: tuple[int, int, int], kind: Average) -> None:
    k, slowing, d = periods
    ours = indicators.stochastic(*bars[1:4], k, slowing, d, kind, kind)
    theirs = talib.STOCH(*bars[1:4], k, slowing, KINDS[kind], d, KINDS[kind])
    for line, reference in zip((ours.k, ours.d), theirs, strict=True):
        assert line.first == int(np.isnan(reference).sum())
        given = np.ones(line.tail.size, dtype=np.bool_) if line.gaps is None else ~line.gaps
        assert np.all(np.abs(line.tail - reference[line.first :])[given] <= 1e-9 * 100)


@pytest.mark.parametrize(
    "indicator",
    [indicators.rsi, lambda c, n: indicators.adx(c, c, c, n).adx, lambda c, n: indicators.stochastic(c, c, c, n).k],
)
def test_a_market_that_stood_still_gives_no_signal(indicator: Callable[[FloatArray, int], Line]) -> None:
    line = indicator(np.full(60, 42.0), 14)
    assert line.values.tolist() == [None] * 60
    assert line.reasons() == ["warm_up"] * line.first + ["no_movement"] * (60 - line.first)
    assert line.reason[-1] == LineReason.NO_MOVEMENT


@pytest.mark.parametrize("price", [1e-70, 1.0, 1e70])
@pytest.mark.parametrize("count", [1_025, 10_000, 100_000])
def test_long_series_at_any_scale(count: int, price: float) -> None:
    """What is computed in blocks: every length of series and size of number gives what the plain loop gives."""
    bars = walk(count, count, price=price)
    high, low, close = bars[1:4]
    within = prices(bars, 1e-12)
    agree(indicators.ema(close, 20), talib.EMA(close, 20), within)
    agree(indicators.atr(high, low, close, 14), talib.ATR(high, low, close, 14), within)
    found = indicators.macd(close)
    for line, reference in zip((found.macd, found.signal, found.histogram), talib.MACD(close), strict=True):
        agree(line, reference, within)
    if price == 1.0:  # TA-Lib's own bound of nothing is 1e-14 of the currency
        agree(indicators.rsi(close, 14), talib.RSI(close, 14), 1e-9)
        agree(indicators.adx(high, low, close, 14).adx, talib.ADX(high, low, close, 14), 1e-9)
