"""Realised volatility against closed forms on made bars, the cone against numpy, RiskMetrics against its own sum."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cerberod.analytics import volatility
from cerberod.analytics.volatility import Estimator
from cerberod.errors import AnalyticsRefused
from tests.support.bars import MadeBars, walk

BARS = walk(250, 21)
RANGES = [Estimator.PARKINSON, Estimator.GARMAN_KLASS, Estimator.ROGERS_SATCHELL, Estimator.YANG_ZHANG]


def of(bars: MadeBars, estimator: Estimator, year: float = 365.0) -> volatility.Realised:
    return volatility.realised(bars.close, year, estimator, open=bars.open, high=bars.high, low=bars.low)


def same_bars(count: int, up: float, down: float, drift: float, gap: float) -> MadeBars:
    """Return bars with the same log moves from the open to high, low and close, and from close to the next open."""
    opened = 100.0 * np.exp((drift + gap) * np.arange(count))
    return MadeBars(opened, opened * math.exp(up), opened * math.exp(down), opened * math.exp(drift), np.ones(count))


def test_closed_forms_on_equal_bars() -> None:
    """Every bar alike, so that each mean is its term: u 0.03, d -0.01, c 0.02; rounding of 1e-13 is allowed."""
    bars = same_bars(40, 0.03, -0.01, 0.02, 0.0)
    assert of(bars, Estimator.PARKINSON).variance == pytest.approx(0.04**2 / (4 * math.log(2)), rel=1e-12)
    garman = 0.5 * 0.04**2 - (2 * math.log(2) - 1) * 0.02**2
    assert of(bars, Estimator.GARMAN_KLASS).variance == pytest.approx(garman, rel=1e-12)
    rogers = 0.03 * (0.03 - 0.02) + -0.01 * (-0.01 - 0.02)
    assert of(bars, Estimator.ROGERS_SATCHELL).variance == pytest.approx(rogers, rel=1e-12)
    # No spread of gaps nor of open-to-close moves: what is left of Yang-Zhang is its Rogers-Satchell part.
    k = 0.34 / (1.34 + 40 / 38)
    yang = of(bars, Estimator.YANG_ZHANG)
    assert yang.variance == pytest.approx((1 - k) * rogers, rel=1e-12)
    assert yang.observations == 39


def test_close_to_close_of_alternating_moves() -> None:
    close = 100.0 * np.exp(np.cumsum(np.tile([0.01, -0.03], 20)))
    moves = np.diff(np.log(close))
    assert moves.size == 39
    sample = volatility.realised(close, 365.0)
    assert sample.variance == pytest.approx(float(np.var(moves, ddof=1)), rel=1e-12)
    assert sample.volatility == pytest.approx(math.sqrt(365.0 * sample.variance), rel=1e-12)
    assert volatility.realised(close, 365.0, mean_zero=True).variance == pytest.approx(
        float(np.mean(moves**2)), rel=1e-12
    )


def test_yang_zhang_equals_its_three_parts() -> None:
    source = np.random.default_rng(9)
    opened = BARS.open * np.exp(source.normal(0.0, 0.004, 250))
    bars = MadeBars(opened, np.maximum(BARS.high, opened), np.minimum(BARS.low, opened), BARS.close, BARS.volume)
    o, h, lo, c = (np.log(x) for x in bars[:4])
    n = 249
    overnight = np.var(o[1:] - c[:-1], ddof=1)
    session = np.var((c - o)[1:], ddof=1)
    within = np.mean(((h - o) * (h - c) + (lo - o) * (lo - c))[1:])
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    assert of(bars, Estimator.YANG_ZHANG).variance == pytest.approx(
        float(overnight + k * session + (1 - k) * within), rel=1e-12
    )


@pytest.mark.parametrize("estimator", Estimator)
def test_all_find_the_volatility_of_a_fine_walk(estimator: Estimator) -> None:
    """2 000 bars of 400 steps: errors of sampling are below 2 %, and unseen extremes cost high-low forms about 5 %."""
    steps = np.random.default_rng(0).normal(0.0, 0.02 / math.sqrt(400), (2_000, 400))
    path = 100.0 * np.exp(np.cumsum(steps).reshape(steps.shape))
    close = path[:, -1]
    opened = np.concatenate([[100.0], close[:-1]])
    bars = MadeBars(
        opened, np.maximum(path.max(axis=1), opened), np.minimum(path.min(axis=1), opened), close, np.ones(2_000)
    )
    assert of(bars, estimator).volatility == pytest.approx(0.02 * math.sqrt(365.0), rel=0.08)


@pytest.mark.parametrize("estimator", Estimator)
@pytest.mark.parametrize("window", [3, 20, 200])
def test_rolling_is_realised_over_each_window(estimator: Estimator, window: int) -> None:
    line = volatility.rolling(BARS.close, 365.0, window, estimator, open=BARS.open, high=BARS.high, low=BARS.low)
    extra = estimator in (Estimator.CLOSE_TO_CLOSE, Estimator.YANG_ZHANG)
    assert line.first == window - 1 + extra
    for end in (line.first, 230, 249):
        part = MadeBars(*(x[end + 1 - window - extra : end + 1] for x in BARS))
        assert line.values[end] == pytest.approx(of(part, estimator).volatility, rel=1e-10)


def test_a_bar_is_seen_although_it_closed_where_it_opened() -> None:
    bars = same_bars(10, 0.02, -0.02, 0.0, 0.0)
    assert of(bars, Estimator.PARKINSON).volatility > 0.0
    with pytest.raises(AnalyticsRefused) as refused:
        of(bars, Estimator.CLOSE_TO_CLOSE)
    assert (refused.value.field, refused.value.rule) == ("close", "must move: there is no volatility to estimate")


def test_the_cone_tells_the_windows_and_that_they_overlap() -> None:
    cone = volatility.cone(BARS.close, 252.0, [10, 60, 249], [0.0, 50.0, 100.0])
    moves = np.diff(np.log(BARS.close))
    for row in cone.rows:
        every = np.lib.stride_tricks.sliding_window_view(moves, row.window).std(axis=1, ddof=1) * math.sqrt(252.0)
        np.testing.assert_allclose(row.percentiles, np.percentile(every, [0, 50, 100]), rtol=1e-10)
        assert (row.minimum, row.mean, row.maximum, row.current) == pytest.approx(
            (every.min(), every.mean(), every.max(), every[-1]), rel=1e-10
        )
        assert row.rank == pytest.approx(100.0 * np.mean(every <= every[-1]), abs=100.0 / row.count)
        assert (row.count, row.independent) == (249 - row.window + 1, 249 // row.window)
    assert cone.observations == 249


def test_riskmetrics_is_its_weighted_sum() -> None:
    returns = np.diff(np.log(BARS.close))
    result = volatility.ewma(returns, 365.0, 0.9)
    for end in (0, 1, 50, 248):
        weights = 0.9 ** np.arange(end, -1, -1)
        variance = float(weights @ returns[: end + 1] ** 2 / weights.sum())
        assert result.path[end] == pytest.approx(math.sqrt(365.0 * variance), rel=1e-12)
    weights = 0.9 ** np.arange(returns.size)
    assert result.volatility == result.path[-1]
    assert result.effective == pytest.approx(float(weights.sum() ** 2 / (weights @ weights)), rel=1e-12)
    assert 0.9**result.half_life == pytest.approx(0.5, rel=1e-12)


def test_the_weights_of_a_short_past_add_up_to_one() -> None:
    assert volatility.ewma([0.02, -0.02, 0.02], 1.0, 0.99).volatility == pytest.approx(0.02, rel=1e-12)


def changed(field: str, value: float) -> Callable[[], Any]:
    bars = BARS._asdict()
    bars[field] = bars[field].copy()
    bars[field][100] = value
    return lambda: of(MadeBars(**bars), Estimator.YANG_ZHANG)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        *((changed(field, bad), field) for field in ("open", "close", "high", "low") for bad in (np.nan, -1.0, 0.0)),
        (changed("high", np.inf), "high"),
        (changed("high", 1e-3), "low"),
        (changed("open", 1e-3), "open"),
        (lambda: volatility.realised(np.full(50, 7.0), 365.0), "close"),
        (lambda: volatility.rolling(np.full(50, 7.0), 365.0, 10), "close"),
        (lambda: volatility.cone(np.full(50, 7.0), 365.0, [10]), "close"),
        (lambda: volatility.ewma(np.zeros(50), 365.0), "returns"),
        (lambda: volatility.realised(BARS.close[:3], 365.0), "close"),
        (lambda: volatility.realised(BARS.close, 365.0, Estimator.PARKINSON), "high"),
        (lambda: volatility.realised(BARS.close, 365.0, Estimator.YANG_ZHANG, high=BARS.high, low=BARS.low), "open"),
        (lambda: volatility.realised(BARS.close, -1.0), "periods_per_year"),
        (lambda: volatility.realised(BARS.close, float("inf")), "periods_per_year"),
        (lambda: volatility.rolling(BARS.close, 365.0, 2), "window"),
        (lambda: volatility.rolling(BARS.close, 365.0, 250), "close"),
        (lambda: volatility.cone(BARS.close, 365.0, []), "window_lengths"),
        (lambda: volatility.cone(BARS.close, 365.0, [250]), "window_lengths"),
        (lambda: volatility.cone(BARS.close, 365.0, [1]), "window_lengths"),
        (lambda: volatility.cone(BARS.close, 365.0, [20], [101.0]), "percentiles"),
        (lambda: volatility.cone(BARS.close, 365.0, [20], []), "percentiles"),
        (lambda: volatility.ewma([0.01, 0.02], 365.0), "returns"),
        (lambda: volatility.ewma([0.01, 0.02, 51.0], 365.0), "returns"),
        (lambda: volatility.ewma([0.01, 0.02, 0.03], 365.0, 1.0), "decay"),
        (lambda: volatility.log_returns([1.0]), "close"),
        (
            lambda: volatility.realised(
                BARS.close, 365.0, Estimator.PARKINSON, high=BARS.high, low=BARS.low, mean_zero=True
            ),
            "mean_zero",
        ),
    ],
)
def test_a_broken_rule_names_its_field(call: Callable[[], Any], field: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        call()
    assert refused.value.field == field
