"""What cointegration tests refuse, what scale and order do to them, and the ranks of series made for it."""

import numpy as np
import pytest

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.cointegration import engle_granger, johansen
from cerberod.analytics.dickey_fuller import LagCriterion, longest_lag
from cerberod.analytics.mackinnon import Trend
from cerberod.analytics.reversion import NoHalfLife
from cerberod.errors import AnalyticsRefused

SOURCE = np.random.default_rng(8)
WALK, OTHER = SOURCE.normal(size=(2, 500)).cumsum(axis=1)
NOISE = SOURCE.normal(size=500)
FOLLOWER = 5.0 + 2.0 * WALK + NOISE


def broken(x: FloatArray, value: float) -> FloatArray:
    return np.where(np.arange(x.size) == 30, value, x)


def test_a_pair_made_to_hold_together() -> None:
    got = engle_granger(FOLLOWER, WALK)
    assert got.first_on_second.p_value < 1e-6
    assert got.first_on_second.statistic < got.first_on_second.critical_values[0]
    np.testing.assert_allclose(got.first_on_second.hedge_ratio, 2.0, rtol=0.02)
    np.testing.assert_allclose(got.second_on_first.hedge_ratio, 0.5, rtol=0.02)
    np.testing.assert_allclose(got.first_on_second.deviation, 1.0, rtol=0.1)
    rebuilt = FOLLOWER - got.first_on_second.intercept - got.first_on_second.hedge_ratio * WALK
    np.testing.assert_allclose(got.first_on_second.spread, rebuilt, atol=1e-9)
    assert got.first_on_second.z_score == got.first_on_second.spread[-1] / got.first_on_second.deviation


def test_white_noise_is_gone_after_a_period() -> None:
    got = engle_granger(2.0 * WALK - NOISE + 0.5 * np.append(0.0, NOISE[:-1]), WALK).first_on_second
    assert (got.half_life, got.half_life_reason) == (None, NoHalfLife.OVERSHOOTING)


def test_unrelated_walks_are_not_held_together() -> None:
    source = np.random.default_rng(1)
    tests = [engle_granger(first, second, lags=1) for first, second in source.normal(size=(100, 2, 200)).cumsum(axis=2)]
    rejected = sum(t.first_on_second.p_value < 0.05 for t in tests)
    assert rejected <= 12  # 5 expected; three standard deviations more


@pytest.mark.parametrize("trend", Trend)
def test_units_change_only_the_hedge(trend: Trend) -> None:
    plain = engle_granger(FOLLOWER, OTHER, trend).first_on_second
    other = engle_granger(FOLLOWER * 1e70, OTHER * 1e-70 + 1e-69, trend).first_on_second
    np.testing.assert_allclose(other.statistic, plain.statistic, rtol=1e-8)
    np.testing.assert_allclose(other.hedge_ratio, plain.hedge_ratio * 1e140, rtol=1e-8)
    np.testing.assert_allclose(other.z_score, plain.z_score, rtol=1e-8)


def test_a_line_in_time_is_found() -> None:
    t = np.arange(WALK.size)
    got = engle_granger(FOLLOWER + 0.25 * t, WALK, Trend.CONSTANT_AND_LINE).first_on_second
    assert got.line is not None
    np.testing.assert_allclose(got.line, 0.25, rtol=0.02)
    rebuilt = FOLLOWER + 0.25 * t - got.intercept - got.line * t - got.hedge_ratio * WALK
    np.testing.assert_allclose(got.spread, rebuilt, atol=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "arguments", "field", "rule"),
    [
        (WALK[:19], OTHER[:19], {}, "first", "must be a list of at least 20"),
        (WALK, OTHER[:-1], {}, "second", "must be as long as first"),
        (np.full(500, 0.1), OTHER, {}, "first", "must not be constant"),
        (WALK, np.full(500, 0.1), {}, "second", "must not be constant"),
        (broken(WALK, np.nan), OTHER, {}, "first", "must be finite"),
        (WALK, broken(OTHER, -np.inf), {}, "second", "must be finite"),
        (WALK, 3.0 - 7.0 * WALK, {}, "first", "must not follow from the other series by a straight line"),
        (WALK, WALK + 1e-13 * NOISE, {}, "first", "must not follow from the other series by a straight line"),
        (
            np.arange(500.0),
            OTHER,
            {"trend": Trend.CONSTANT_AND_LINE},
            "first",
            "must not follow from the other series by a straight line",
        ),
        (WALK, OTHER, {"lags": 250}, "lags", "must be an integer from 0 to 249"),
        (WALK, OTHER, {"lags": -1}, "lags", "must be an integer from 0 to 249"),
        (WALK, OTHER, {"longest": 250}, "longest", "must be an integer from 0 to 249"),
        (WALK, OTHER, {"lags": 3, "longest": 4}, "longest", "is for a criterion: the number of lags is fixed"),
    ],
)
def test_engle_granger_refusals(
    first: FloatArray, second: FloatArray, arguments: dict[str, int], field: str, rule: str
) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        engle_granger(first, second, **arguments)  # type: ignore[arg-type]  # cases of several types
    assert (refused.value.field, refused.value.rule) == (field, rule)


def test_a_spread_without_noise_is_refused() -> None:
    # The spread alternates exactly, so that each change follows from the level before.
    sign = np.where(np.arange(500) % 2 == 0, 1.0, -1.0)
    steady = np.repeat([1.0, -1.0], 250) * np.arange(500)
    with pytest.raises(AnalyticsRefused, match=r"^spread: must have noise"):
        engle_granger(sign - sign.mean(), np.tile([1.0, 1.0, -1.0, -1.0], 125), lags=4)
    assert np.isfinite(engle_granger(steady, WALK, lags=LagCriterion.BIC).first_on_second.statistic)


def test_schwert() -> None:
    assert [longest_lag(n) for n in (20, 100, 500, 10_000)] == [9, 12, 18, 38]


@pytest.mark.parametrize(
    ("series", "rank"),
    [
        ([WALK, OTHER], 0),
        ([WALK, FOLLOWER], 1),
        ([WALK, FOLLOWER, OTHER], 1),
        ([WALK, FOLLOWER, WALK + np.random.default_rng(4).normal(size=500)], 2),
        ([NOISE, np.random.default_rng(5).normal(size=500)], 2),
    ],
)
def test_rank_of_what_was_made(series: list[FloatArray], rank: int) -> None:
    assert johansen(series).rank == rank


def test_without_lags_the_level_is_that_of_the_point_before() -> None:
    # By hand, for two series: eigenvalues of S11^-1 S10 S00^-1 S01 with means taken out.
    x = np.column_stack([WALK, FOLLOWER])
    now, before = np.diff(x, axis=0), x[:-1]
    now, before = now - now.mean(axis=0), before - before.mean(axis=0)
    cross = before.T @ now
    product = np.linalg.solve(before.T @ before, cross) @ np.linalg.solve(now.T @ now, cross.T)
    got = johansen([WALK, FOLLOWER], 0)
    np.testing.assert_allclose(got.eigenvalues, np.sort(np.linalg.eigvals(product))[::-1], rtol=1e-9)
    relation = got.weights[0] / got.weights[0, 0]
    np.testing.assert_allclose(relation[1], -0.5, rtol=0.02)
    spread = before @ got.weights[0]
    np.testing.assert_allclose(spread @ spread / got.observations, 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("series", "lags", "field", "rule"),
    [
        ([WALK], 1, "series", "must be 2 to 12 lists"),
        ([WALK] * 13, 1, "series", "must be 2 to 12 lists"),
        ([WALK, OTHER[:-1]], 1, "series[1]", "must be as long as series[0]"),
        ([WALK, np.full(500, 3.3)], 1, "series[1]", "must not be constant"),
        ([WALK, broken(OTHER, np.nan)], 1, "series[1]", "must be finite"),
        ([WALK, OTHER, WALK - 2.0 * OTHER], 1, "series", "must not follow from each other"),
        ([WALK[:30], OTHER[:30]], 12, "lags", "leaves too few points for so many series"),
        ([WALK, OTHER], -1, "lags", "must be an integer from 0 to 249"),
    ],
)
def test_johansen_refusals(series: list[FloatArray], lags: int, field: str, rule: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        johansen(series, lags)
    assert (refused.value.field, refused.value.rule) == (field, rule)


def test_the_rank_is_where_the_trace_first_fails_at_five_per_cent() -> None:
    between = 0
    for seed in range(40):
        got = johansen(list(np.random.default_rng(seed).normal(size=(2, 120)).cumsum(axis=1)))
        accepted = [r for r in range(2) if got.trace[r] <= got.trace_critical[r, 1]]
        assert got.rank == (accepted[0] if accepted else 2)
        between += bool(np.any((got.trace > got.trace_critical[:, 0]) & (got.trace <= got.trace_critical[:, 1])))
    assert between  # some of them would have another rank at 10 %
