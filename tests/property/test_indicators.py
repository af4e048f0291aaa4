"""What holds for indicators whatever the market did: bounds, scale, no look-ahead."""

from dataclasses import fields
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberod.analytics import indicators
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.lines import Line

# Moves of whole per cents, often none: markets that stand still are half of the trouble.
MOVES = st.lists(st.sampled_from([-5, -1, 0, 0, 0, 1, 5]), min_size=60, max_size=90)


def bars_of(moves: list[int]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    close = 100.0 * np.exp(np.cumsum(np.array(moves) / 100.0))
    before = np.concatenate([close[:1], close[:-1]])
    return np.maximum(before, close), np.minimum(before, close), close, np.abs(np.array(moves, dtype=np.float64))


def all_lines(bars: tuple[FloatArray, ...]) -> dict[str, Line]:
    high, low, close, volume = bars
    results: dict[str, Any] = {
        "sma": indicators.sma(close),
        "ema": indicators.ema(close),
        "rsi": indicators.rsi(close),
        "macd": indicators.macd(close),
        "bollinger": indicators.bollinger(close),
        "atr": indicators.atr(high, low, close),
        "adx": indicators.adx(high, low, close),
        "stochastic": indicators.stochastic(high, low, close),
        "vwap": indicators.vwap(high, low, close, volume),
        "rolling": indicators.vwap(high, low, close, volume, period=10),
        "supertrend": indicators.supertrend(high, low, close),
    }
    lines = {}
    for name, result in results.items():
        if isinstance(result, Line):
            lines[name] = result
        else:
            lines |= {f"{name}.{field.name}": getattr(result, field.name) for field in fields(result)}
    return lines


@settings(max_examples=40)
@given(MOVES)
def test_values_exist_and_stay_in_their_bounds(moves: list[int]) -> None:
    bars = bars_of(moves)
    high, low, _, _ = bars
    for name, line in all_lines(bars).items():
        assert np.all(np.isfinite(line.tail)), name
        assert line.length == len(moves)
        assert line.values.shape == line.reason.shape == (line.length,)
        assert np.array_equal(np.ma.getmaskarray(line.values), line.reason > 0)
        seen = line.values.compressed()
        slack = 1e-9 * high.max()
        match name:
            case "rsi" | "adx.adx" | "adx.plus_di" | "adx.minus_di" | "stochastic.k" | "stochastic.d":
                assert np.all((seen >= -1e-9) & (seen <= 100.0 + 1e-9)), name
            case "sma" | "ema" | "vwap" | "rolling" | "bollinger.middle":
                assert np.all((seen >= low.min() - slack) & (seen <= high.max() + slack)), name
            case "atr":
                assert np.all((seen >= 0.0) & (seen <= high.max() - low.min() + slack))
            case "supertrend.direction":
                assert set(seen.tolist()) <= {1.0, -1.0}


@settings(max_examples=40)
@given(MOVES, st.sampled_from([2.0**-30, 0.5, 2.0**20]))
def test_another_unit_of_price_changes_no_oscillator(moves: list[int], unit: float) -> None:
    """Powers of two scale floats exactly, so the comparison is exact too."""
    high, low, close, volume = bars_of(moves)
    plain = all_lines((high, low, close, volume))
    scaled = all_lines((unit * high, unit * low, unit * close, volume))
    for name, line in plain.items():
        other = scaled[name]
        assert np.array_equal(line.reason, other.reason), name
        free = name in {"rsi", "supertrend.direction"} or name.startswith(("adx", "stochastic"))
        np.testing.assert_allclose(other.tail, line.tail * (1.0 if free else unit), rtol=1e-12, atol=1e-12 * unit)


@settings(max_examples=40)
@given(MOVES, st.integers(50, 59))
def test_the_future_changes_nothing(moves: list[int], count: int) -> None:
    bars = bars_of(moves)
    whole = all_lines(bars)
    for name, line in all_lines(tuple(x[:count] for x in bars)).items():
        # Blocks are cut from the front, so only the order of a last block's additions may differ.
        np.testing.assert_allclose(
            line.values.filled(-1.0), whole[name].values.filled(-1.0)[:count], rtol=1e-9, atol=1e-9
        )


@settings(max_examples=40)
@given(MOVES)
def test_a_mirror_turns_rises_into_falls(moves: list[int]) -> None:
    """RSI of the mirrored series is 100 minus RSI, +DI becomes -DI."""
    high, low, close, _ = bars_of(moves)
    top = 2.0 * float(high.max() + 1.0)
    plain, mirrored = indicators.rsi(close), indicators.rsi(top - close)
    both = (plain.reason == 0) & (mirrored.reason == 0)
    np.testing.assert_allclose(mirrored.values.data[both], 100.0 - plain.values.data[both], atol=1e-6)
    upright, reversed_ = indicators.adx(high, low, close), indicators.adx(top - low, top - high, top - close)
    both = (upright.plus_di.reason == 0) & (reversed_.minus_di.reason == 0)
    np.testing.assert_allclose(reversed_.minus_di.values.data[both], upright.plus_di.values.data[both], atol=1e-6)
