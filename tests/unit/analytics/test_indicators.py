"""Indicators by hand: worked numbers, the two that TA-Lib lacks against plain loops, and every refusal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cerberod.analytics import indicators
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.averages import Average
from cerberod.analytics.lines import Line
from cerberod.errors import AnalyticsRefused
from tests.support.bars import MadeBars, shapes, walk

SERIES = {"walk": walk(300, 1), "cheap": walk(300, 2, price=1e-6), **shapes(300)}
made = pytest.mark.parametrize("bars", SERIES.values(), ids=SERIES.keys())


def test_a_line_says_where_it_begins_and_why() -> None:
    line = indicators.sma([1.0, 2.0, 3.0, 4.0], 3)
    assert line.values.tolist() == [None, None, 2.0, 3.0]
    assert line.reasons() == ["warm_up", "warm_up", None, None]
    assert line.first == 2


def test_worked_numbers() -> None:
    close = [44.0, 45.0, 43.0, 46.0, 48.0]
    assert indicators.ema(close, 3).values.tolist() == [None, None, 44.0, 45.0, 46.5]
    # Rises 1, 0, then 3: averages 0.5 and 1.75; falls 0, 2, then 0: averages 1 and 0.5; then a rise of 2.
    assert indicators.rsi(close, 2).tail == pytest.approx([100 / 3, 100 * 1.75 / 2.25, 100 * 1.875 / 2.125])
    bands = indicators.bollinger([1.0, 3.0, 5.0], 2, 3.0)
    assert bands.upper.tail.tolist() == [5.0, 7.0]
    assert bands.lower.tail.tolist() == [-1.0, 1.0]
    # True ranges: max(12, 10) - min(11, 10) = 2, then a gap down: max(9, 12) - min(7, 12) = 5.
    assert indicators.atr([10.0, 12.0, 9.0], [10.0, 11.0, 7.0], [10.0, 12.0, 8.0], 2).tail.tolist() == [3.5]
    fast = indicators.stochastic([10.0, 14.0], [8.0, 9.0], [9.0, 11.0], 2, 1, 1)
    assert fast.k.tail.tolist() == fast.d.tail.tolist() == [50.0]


def test_bands_of_a_market_that_stood_still_are_its_price() -> None:
    bands = indicators.bollinger(np.full(50, 0.1), 20)
    assert bands.upper.tail == pytest.approx(0.1, rel=1e-15)
    assert np.array_equal(bands.upper.tail, bands.lower.tail)


def test_no_volume_is_a_gap_and_not_a_price() -> None:
    price = np.array([10.0, 11.0, 12.0, 13.0])
    line = indicators.vwap(price, price, price, [0.0, 2.0, 0.0, 2.0])
    assert line.values.tolist() == [None, 11.0, 11.0, 12.0]
    assert line.reasons() == ["no_volume", None, None, None]
    assert indicators.vwap(price, price, price, [0.0, 0.0, 0.0, 1.0], period=2).reasons() == [
        "warm_up",
        "no_volume",
        "no_volume",
        None,
    ]


def plain_vwap(bars: MadeBars, sessions: list[int]) -> list[float]:
    out, value, size, current = [], 0.0, 0.0, None
    for high, low, close, volume, session in zip(*(x.tolist() for x in bars[1:]), sessions, strict=True):
        if session != current:
            value, size, current = 0.0, 0.0, session
        value += (high + low + close) / 3.0 * volume
        size += volume
        out.append(value / size)
    return out


@made
@pytest.mark.parametrize("length", [1, 2, 7, 24, 299, 300])
def test_vwap_of_sessions_equals_the_loop(bars: MadeBars, length: int) -> None:
    sessions = [20_000 - i // length for i in range(300)]
    line = indicators.vwap(*bars[1:], session=sessions)
    assert line.first == 0
    np.testing.assert_allclose(line.tail, plain_vwap(bars, sessions), rtol=1e-12)


@made
def test_vwap_of_all_and_of_the_last_bars(bars: MadeBars) -> None:
    np.testing.assert_allclose(indicators.vwap(*bars[1:]).tail, plain_vwap(bars, [0] * 300), rtol=1e-12)
    rolling = indicators.vwap(*bars[1:], period=20)
    typical = (bars.high + bars.low + bars.close) / 3.0
    expected = [np.average(typical[i - 19 : i + 1], weights=bars.volume[i - 19 : i + 1]) for i in range(19, 300)]
    assert rolling.first == 19
    np.testing.assert_allclose(rolling.tail, expected, rtol=1e-12)


def test_a_huge_session_does_not_blur_the_next() -> None:
    price, volume = np.array([1e12, 1e12, 3.0, 5.0]), np.array([1e12, 1e12, 1.0, 1.0])
    assert indicators.vwap(price, price, price, volume, session=[1, 1, 2, 2]).tail[2:].tolist() == [3.0, 4.0]


def plain_supertrend(bars: MadeBars, period: int, multiplier: float) -> tuple[list[float], list[float]]:
    """The definition bar by bar, Wilder's average included."""
    high, low, close = (x.tolist() for x in bars[1:4])
    ranges = [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1])) for i in range(1, len(close))
    ]
    atr = sum(ranges[:period]) / period
    line, side = [], []
    upper = lower = 0.0
    up = False
    for i in range(period, len(close)):
        if i > period:
            atr = (atr * (period - 1) + ranges[i - 1]) / period
        middle = (high[i] + low[i]) / 2
        basic_upper, basic_lower = middle + multiplier * atr, middle - multiplier * atr
        if i == period:
            upper, lower = basic_upper, basic_lower
        else:
            upper = basic_upper if close[i - 1] > upper else min(upper, basic_upper)
            lower = basic_lower if close[i - 1] < lower else max(lower, basic_lower)
            if up and close[i] < lower:
                up = False
            elif not up and close[i] > upper:
                up = True
        line.append(lower if up else upper)
        side.append(1.0 if up else -1.0)
    return line, side


@made
@pytest.mark.parametrize(("period", "multiplier"), [(10, 3.0), (1, 1.0), (14, 0.5), (7, 0.1)])
def test_supertrend_equals_its_definition(bars: MadeBars, period: int, multiplier: float) -> None:
    ours = indicators.supertrend(*bars[1:4], period, multiplier)
    line, side = plain_supertrend(bars, period, multiplier)
    assert ours.supertrend.first == ours.direction.first == period
    same = ours.direction.tail == side
    # The trend turns on a comparison: where close and band meet exactly, rounding decides, on one saw-toothed series.
    assert same.mean() > 0.99
    np.testing.assert_allclose(ours.supertrend.tail[same], np.array(line)[same], rtol=1e-9)


def test_supertrend_turns_with_a_rally_and_with_a_crash() -> None:
    close = np.concatenate([np.full(20, 100.0), np.linspace(100.0, 200.0, 20), np.linspace(195.0, 50.0, 20)])
    ours = indicators.supertrend(close + 1.0, close - 1.0, close, 10, 3.0)
    assert ours.direction.tail[[0, 20, -1]].tolist() == [-1.0, 1.0, -1.0]
    assert ours.supertrend.tail[20] < close[30]
    assert ours.supertrend.tail[-1] > close[-1]


GOOD = walk(60, 7)
CALLS: dict[str, Callable[[FloatArray, FloatArray, FloatArray], Any]] = {
    "sma": lambda h, lo, c: indicators.sma(c, 14),
    "ema": lambda h, lo, c: indicators.ema(c, 14),
    "rsi": lambda h, lo, c: indicators.rsi(c, 14),
    "macd": lambda h, lo, c: indicators.macd(c),
    "bollinger": lambda h, lo, c: indicators.bollinger(c, 14),
    "atr": indicators.atr,
    "adx": indicators.adx,
    "stochastic": indicators.stochastic,
    "vwap": lambda h, lo, c: indicators.vwap(h, lo, c, np.ones(c.size), period=14),
    "supertrend": indicators.supertrend,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e200])
def test_a_bad_price_is_refused_by_name(call: Callable[..., Any], bad: float) -> None:
    for position in (0, 30, 59):
        high, low, close = GOOD.high.copy(), GOOD.low.copy(), GOOD.close.copy()
        close[position] = bad
        with pytest.raises(AnalyticsRefused) as refused:
            call(high, low, close)
        assert refused.value.field == "close"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_too_short_a_series_is_refused_by_name(call: Callable[..., Any]) -> None:
    for length in (0, 1, 3):
        with pytest.raises(AnalyticsRefused, match="must be a list of at least"):
            call(GOOD.high[:length], GOOD.low[:length], GOOD.close[:length])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_lists_of_lists_are_refused(call: Callable[..., Any]) -> None:
    shape = (2, 30)
    with pytest.raises(AnalyticsRefused, match="must be a list"):
        call(GOOD.high.reshape(shape), GOOD.low.reshape(shape), GOOD.close.reshape(shape))


@pytest.mark.parametrize("name", ["atr", "adx", "stochastic", "vwap", "supertrend"])
def test_bars_that_cannot_be_are_refused_by_name(name: str) -> None:
    high, low, close = GOOD.high, GOOD.low, GOOD.close
    for args, field, rule in (
        ((low, high, close), "low", "must not be above high"),
        ((high, low, high + 1.0), "close", "must lie between low and high"),
        ((high, low[1:], close), "low", "must be as long as high"),
    ):
        with pytest.raises(AnalyticsRefused) as refused:
            CALLS[name](*args)
        assert (refused.value.field, refused.value.rule) == (field, rule)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: indicators.sma(GOOD.close, 1), "period"),
        (lambda: indicators.sma(GOOD.close, True), "period"),
        (lambda: indicators.ema(GOOD.close, 2.5), "period"),  # type: ignore[arg-type]  # callers may be anybody
        (lambda: indicators.rsi(GOOD.close, 0), "period"),
        (lambda: indicators.rsi(GOOD.close, 60), "close"),
        (lambda: indicators.macd(GOOD.close, 26, 12), "fast"),
        (lambda: indicators.macd(GOOD.close, 12, 12), "fast"),
        (lambda: indicators.macd(GOOD.close, signal=0), "signal"),
        (lambda: indicators.bollinger(GOOD.close, 20, -1.0), "deviations"),
        (lambda: indicators.bollinger(GOOD.close, 20, float("nan")), "deviations"),
        (lambda: indicators.bollinger(GOOD.close, 40, 2.0, Average.DEMA), "close"),
        (lambda: indicators.atr(*GOOD[1:4], period=0), "period"),
        (lambda: indicators.adx(*GOOD[1:4], period=31), "high"),
        (lambda: indicators.stochastic(*GOOD[1:4], k_slowing=0), "k_slowing"),
        (lambda: indicators.supertrend(*GOOD[1:4], multiplier=0.0), "multiplier"),
        (lambda: indicators.vwap(*GOOD[1:], session=np.zeros(60)), "session"),
        (lambda: indicators.vwap(*GOOD[1:], session=np.zeros(59, dtype=int)), "session"),
        (lambda: indicators.vwap(*GOOD[1:], session=np.zeros(60, dtype=int), period=5), "session"),
        (lambda: indicators.vwap(*GOOD[1:4], -GOOD.volume), "volume"),
        (lambda: indicators.vwap(*GOOD[1:4], GOOD.volume[1:]), "volume"),
        (lambda: indicators.sma(["a", "b", "c"], 2), "close"),
    ],
)
def test_a_broken_rule_names_its_field(call: Callable[[], Any], field: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        call()
    assert refused.value.field == field


def test_what_came_in_is_left_alone() -> None:
    before = GOOD.close.copy()
    for call in CALLS.values():
        call(GOOD.high, GOOD.low, GOOD.close)
    assert np.array_equal(GOOD.close, before)


def test_one_value_more_than_the_warm_up_is_enough() -> None:
    lines: list[Line] = [
        indicators.sma(GOOD.close[:14], 14),
        indicators.rsi(GOOD.close[:15], 14),
        indicators.macd(GOOD.close[:34]).histogram,
        indicators.adx(GOOD.high[:28], GOOD.low[:28], GOOD.close[:28]).adx,
        indicators.stochastic(GOOD.high[:18], GOOD.low[:18], GOOD.close[:18]).d,
    ]
    assert [line.tail.size for line in lines] == [1] * len(lines)
