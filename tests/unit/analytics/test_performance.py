"""Ratios and drawdowns against plain loops over the definition, and their edges."""

import math
import statistics

import numpy as np
import pytest

from cerberod.analytics import performance
from cerberod.analytics.arrays import FloatArray
from cerberod.errors import AnalyticsRefused

RETURNS = np.random.default_rng(6).normal(0.001, 0.02, 300)
EQUITY = 100.0 * np.cumprod(1.0 + RETURNS)


@pytest.mark.parametrize("window", [3, 20, 299, 300])
@pytest.mark.parametrize("risk_free", [0.0, 0.05])
def test_rolling_sharpe_written_out(window: int, risk_free: float) -> None:
    line = performance.rolling_sharpe(RETURNS, window, 365.0, risk_free=risk_free)
    assert (line.first, line.length) == (window - 1, 300)
    for k, value in enumerate(line.tail):
        part = (RETURNS[k : k + window] - risk_free / 365.0).tolist()
        expected = statistics.mean(part) / statistics.stdev(part) * math.sqrt(365.0)
        assert math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12)


def test_a_window_without_movement_has_no_sharpe() -> None:
    x = np.concatenate([np.full(7, 0.1), [0.2, 0.1, 0.3]])
    line = performance.rolling_sharpe(x, 3, 365.0)
    assert line.reasons() == ["warm_up"] * 2 + ["no_movement"] * 5 + [None] * 3
    assert all(value is None for value in line.values.tolist()[:7])


@pytest.mark.parametrize("window", range(3, 30))
@pytest.mark.parametrize("value", [0.1, 0.7, 1.0 / 3.0, 1e-9, -1e70])
def test_rounding_is_no_movement(window: int, value: float) -> None:
    assert set(performance.rolling_sharpe(np.full(30, value), window, 365.0).values.tolist()) == {None}


def test_rounding_is_no_downside() -> None:
    target = 0.1 * 3.0  # a little above 0.3
    got = performance.sortino([0.3, 0.3, 0.3], 1.0, target=target)
    assert target > 0.3
    assert (got.ratio, got.reason) == (None, performance.NoRatio.NO_DOWNSIDE)


@pytest.mark.parametrize("target", [0.0, 0.1, -0.5])
def test_sortino_written_out(target: float) -> None:
    got = performance.sortino(RETURNS, 252.0, target=target)
    least = target / 252.0
    squares = sum((r - least) ** 2 for r in RETURNS.tolist() if r < least)
    deviation = math.sqrt(squares / 300)
    assert math.isclose(got.downside_deviation, deviation, rel_tol=1e-12)
    assert got.ratio is not None
    expected = (statistics.mean(RETURNS.tolist()) - least) / deviation * math.sqrt(252.0)
    assert math.isclose(got.ratio, expected, rel_tol=1e-10)
    assert got.below_target == sum(r < least for r in RETURNS.tolist())
    assert (got.reason, got.observations, got.target) == (None, 300, least)


def test_sortino_by_hand() -> None:
    # Mean 1 %, shortfalls of 1 % and 3 % in five: the root of 0.001/5.
    got = performance.sortino([0.04, -0.01, 0.02, -0.03, 0.03], 1.0)
    assert got.ratio is not None
    assert math.isclose(got.ratio, 0.01 / math.sqrt(0.0002), rel_tol=1e-12)


@pytest.mark.parametrize("returns", [[0.01, 0.02, 0.0], [0.0] * 5, [1e75] * 3])
def test_without_downside_there_is_no_sortino(returns: list[float]) -> None:
    got = performance.sortino(returns, 365.0)
    assert (got.ratio, got.reason) == (None, performance.NoRatio.NO_DOWNSIDE)


def slow_drawdown(equity: list[float]) -> tuple[float, int | None, int | None, int | None]:
    """Try every pair of points."""
    best: tuple[float, int | None, int | None, int | None] = (0.0, None, None, None)
    for trough in range(len(equity)):
        height = max(equity[: trough + 1])
        depth = 1.0 - equity[trough] / height
        if depth > best[0]:
            peak = max(i for i in range(trough) if equity[i] == height)
            back = next((i for i in range(trough, len(equity)) if equity[i] >= height), None)
            best = (depth, peak, trough, back)
    return best


@pytest.mark.parametrize(
    "equity",
    [
        EQUITY,
        EQUITY[::-1],
        np.round(EQUITY / 5.0) * 5.0,
        np.array([5.0, 4.0]),
        np.array([1.0, 2.0, 2.0, 1.0, 2.0, 1.0, 3.0]),
        np.array([3.0, 2.0, 1.0, 2.0, 2.9]),
        np.array([1e74, 1e-74, 1e74]),
        *(np.random.default_rng(seed).integers(1, 6, 12).astype(np.float64) for seed in range(40)),
    ],
)
def test_drawdown_written_out(equity: FloatArray) -> None:
    got = performance.max_drawdown(equity)
    assert (got.depth, got.peak, got.trough, got.recovery) == slow_drawdown(equity.tolist())
    assert got.points == equity.size
    if got.depth > 0.0:
        assert got.current == 1.0 - equity[-1] / equity.max()


@pytest.mark.parametrize("equity", [[1.0, 1.0], [1.0, 2.0, 2.0, 3.0]])
def test_without_a_fall(equity: list[float]) -> None:
    got = performance.max_drawdown(equity)
    assert (got.depth, got.peak, got.trough, got.recovery, got.current) == (0.0, None, None, None, 0.0)


@pytest.mark.parametrize(
    ("returns", "window", "years", "field"),
    [
        (RETURNS, 2, 365.0, "window"),
        (RETURNS[:5], 6, 365.0, "returns"),
        (RETURNS, 20, 0.0, "periods_per_year"),
        (RETURNS, 20, -1.0, "periods_per_year"),
        (RETURNS, 20, math.nan, "periods_per_year"),
        (np.append(RETURNS, np.nan), 20, 365.0, "returns"),
        (np.append(RETURNS, -np.inf), 20, 365.0, "returns"),
    ],
)
def test_refusals(returns: FloatArray, window: int, years: float, field: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        performance.rolling_sharpe(returns, window, years)
    assert refused.value.field == field
    if field != "window":
        with pytest.raises(AnalyticsRefused) as refused:
            performance.sortino(returns[:2] if returns.size == 5 else returns, years)
        assert refused.value.field == field


@pytest.mark.parametrize("equity", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, math.nan], [1.0, math.inf]])
def test_equity_is_positive_and_finite(equity: list[float]) -> None:
    with pytest.raises(AnalyticsRefused, match=r"^equity: must "):
        performance.max_drawdown(equity)


@pytest.mark.parametrize("name", ["risk_free", "target"])
def test_rates_are_numbers(name: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        if name == "target":
            performance.sortino(RETURNS, 365.0, target=math.nan)
        else:
            performance.rolling_sharpe(RETURNS, 20, 365.0, risk_free=math.inf)
    assert refused.value.field == name
