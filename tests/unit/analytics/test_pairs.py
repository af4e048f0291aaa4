"""The batch over pairs equals the single test, whatever the batch size; what it refuses and what it masks."""

import numpy as np
import pytest

from cerberod.analytics import pairs
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.cointegration import engle_granger
from cerberod.analytics.dickey_fuller import LagCriterion
from cerberod.analytics.mackinnon import Trend
from cerberod.errors import AnalyticsRefused

SOURCE = np.random.default_rng(17)
WALKS = SOURCE.normal(size=(7, 200)).cumsum(axis=1) + 30.0
TIED = np.concatenate([WALKS, 2.0 * WALKS[:2] + SOURCE.normal(size=(2, 200))])


@pytest.mark.parametrize("trend", Trend)
def test_each_pair_equals_the_single_test(trend: Trend) -> None:
    got = pairs.scan(list(TIED), trend, 2)
    for k in range(got.dependent.size):
        y, x = TIED[got.dependent[k]], TIED[got.regressor[k]]
        single = engle_granger(y, x, trend, 2)
        assert single.first_on_second.statistic <= single.second_on_first.statistic
        one = single.first_on_second
        for mine, expected in (
            (got.statistic[k], one.statistic),
            (got.hedge_ratio[k], one.hedge_ratio),
            (got.r_squared[k], one.r_squared),
            (got.z_score[k], one.z_score),
            (got.p_value[k], min(1.0, 2.0 * one.p_value)),
        ):
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-11)
        if one.half_life is None:
            assert got.half_life[k] is np.ma.masked
        else:
            np.testing.assert_allclose(got.half_life[k], one.half_life, rtol=1e-9)
    assert got.observations == 200


def test_ties_are_discovered_and_walks_are_not() -> None:
    got = pairs.scan(list(TIED), lags=1, discovery_rate=0.01)
    found = {frozenset(pair) for pair in zip(got.dependent.tolist(), got.regressor.tolist(), strict=True)}
    assert len(found) == 36
    kept = [
        {i, j}
        for i, j, d in zip(got.dependent.tolist(), got.regressor.tolist(), got.discovered.tolist(), strict=True)
        if d
    ]
    assert kept == [{0, 7}, {1, 8}]
    assert np.array_equal(got.discovered, got.adjusted <= 0.01)


@pytest.mark.parametrize("lags", [3, LagCriterion.AIC, LagCriterion.BIC])
def test_the_size_of_a_batch_changes_nothing(lags: int | LagCriterion, monkeypatch: pytest.MonkeyPatch) -> None:
    series = [*TIED, TIED[0] + 1e-2 * SOURCE.normal(size=200)]
    whole = pairs.scan(series, lags=lags)
    monkeypatch.setattr(pairs, "_BLOCK", 1)
    small = pairs.scan(series, lags=lags)
    assert small.lags == whole.lags
    np.testing.assert_array_equal(small.dependent, whole.dependent)
    np.testing.assert_allclose(small.statistic, whole.statistic, rtol=1e-10)


def test_the_order_of_the_universe_changes_no_pair() -> None:
    forward, backward = pairs.scan(list(TIED), lags=1), pairs.scan(list(TIED[::-1]), lags=1)
    last = len(TIED) - 1
    mirrored = {
        (last - i, last - j): t
        for i, j, t in zip(backward.dependent.tolist(), backward.regressor.tolist(), backward.statistic, strict=True)
    }
    for i, j, t in zip(forward.dependent.tolist(), forward.regressor.tolist(), forward.statistic, strict=True):
        np.testing.assert_allclose(mirrored[i, j], t, rtol=1e-9)


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize("lags", [1, LagCriterion.AIC])
def test_alike_series_are_masked_with_their_reason(both_ways: bool, lags: int | LagCriterion) -> None:
    got = pairs.scan([WALKS[0], WALKS[1], 5.0 - 2.0 * WALKS[0]], lags=lags, both_ways=both_ways)
    assert got.reason.tolist() == [0, pairs.PairReason.COLLINEAR, 0]
    for value in (got.hedge_ratio, got.statistic, got.p_value, got.adjusted, got.half_life, got.z_score, got.phi):
        assert value[1] is np.ma.masked
        assert value.data[1] == 0.0
    assert not got.discovered[1]
    # It counts in no family: two tests remain.
    two = got.p_value.compressed()
    np.testing.assert_allclose(got.adjusted.compressed(), np.maximum(two, np.minimum(2.0 * two, two.max())))


def test_a_universe_of_copies_has_no_test_at_all() -> None:
    got = pairs.scan([WALKS[0]] * 3)
    assert got.reason.tolist() == [1, 1, 1]
    assert got.statistic.tolist() == [None] * 3


def test_a_line_in_time_has_no_test_around_a_line() -> None:
    got = pairs.scan([np.arange(200.0), WALKS[0], WALKS[1]], Trend.CONSTANT_AND_LINE, 1)
    assert got.reason.tolist() == [1, 1, 0]


def test_units_change_only_the_hedge() -> None:
    scales = np.geomspace(1e-60, 1e60, len(TIED))
    plain, other = pairs.scan(list(TIED), lags=1), pairs.scan(list(TIED * scales[:, None]), lags=1)
    np.testing.assert_allclose(other.statistic, plain.statistic, rtol=1e-9)
    ratio = scales[plain.dependent] / scales[plain.regressor]
    np.testing.assert_allclose(other.hedge_ratio, plain.hedge_ratio * ratio, rtol=1e-9)


def test_false_discoveries_are_held_down() -> None:
    # Nothing is cointegrated here: at 5 % single tests would report every tenth pair, twice as many both ways.
    some = sum(
        bool(pairs.scan(list(np.random.default_rng(s).normal(size=(8, 150)).cumsum(axis=1)), lags=1).discovered.any())
        for s in range(60)
    )
    assert some <= 9  # 3 expected at most; more than three standard deviations


@pytest.mark.parametrize("p_value", [[], [0.5], [0.0, 0.0], [1.0, 1.0]])
def test_adjusting_nothing_and_the_extremes(p_value: list[float]) -> None:
    assert pairs.benjamini_hochberg(np.array(p_value)).tolist() == p_value


def broken(value: float) -> FloatArray:
    return np.where(np.arange(200) == 9, value, WALKS[1])


@pytest.mark.parametrize(
    ("series", "arguments", "field", "rule"),
    [
        ([WALKS[0]], {}, "series", "must be 2 to 500 lists"),
        ([WALKS[0]] * 501, {}, "series", "must be 2 to 500 lists"),
        ([WALKS[0], WALKS[1][:-1]], {}, "series[1]", "must be as long as series[0]"),
        ([WALKS[0][:19], WALKS[1][:19]], {}, "series[0]", "must be a list of at least 20"),
        ([WALKS[0], np.full(200, 0.3)], {}, "series[1]", "must not be constant"),
        ([WALKS[0], broken(np.nan)], {}, "series[1]", "must be finite"),
        ([WALKS[0], broken(np.inf)], {}, "series[1]", "must be finite"),
        (list(WALKS), {"lags": 100}, "lags", "must be an integer from 0 to 99"),
        (list(WALKS), {"longest": 100}, "longest", "must be an integer from 0 to 99"),
        (list(WALKS), {"discovery_rate": 0.0}, "discovery_rate", "must be a number from 1e-06 to 1"),
    ],
)
def test_refusals(series: list[FloatArray], arguments: dict[str, int], field: str, rule: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        pairs.scan(series, **arguments)  # type: ignore[arg-type]  # cases of several types
    assert (refused.value.field, refused.value.rule) == (field, rule)
