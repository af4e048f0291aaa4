"""IV rank and percentile, where they differ and where they do not exist."""

import pytest

from cerberod.venues.deribit.methods.levels import change, rank_of


def test_a_spike_leaves_the_rank_low_and_the_percentile_high() -> None:
    closes = [40.0] * 98 + [150.0, 41.0]
    rank, percentile, reason = rank_of(50.0, closes)
    assert (rank, percentile) == pytest.approx((100 * 10 / 110, 99.0))
    assert reason is None


def test_beyond_its_past_the_rank_stays_within_its_scale() -> None:
    assert rank_of(80.0, [40.0, 60.0])[:2] == (100.0, 100.0)
    assert rank_of(20.0, [40.0, 60.0])[:2] == (0.0, 0.0)


def test_days_that_closed_where_it_stands_do_not_count_as_below() -> None:
    assert rank_of(50.0, [40.0, 50.0, 50.0, 60.0])[1] == 25.0


def test_what_does_not_exist_has_a_reason() -> None:
    assert rank_of(None, []) == (None, None, "no_data")
    assert rank_of(50.0, []) == (None, None, "no_past")
    assert rank_of(50.0, [50.0, 50.0]) == (None, 0.0, "constant")


@pytest.mark.parametrize(
    ("before", "now", "told"), [(47.55, 47.86, 0.31), (47.86, 47.55, -0.31), (0.1, 0.3, 0.2), (50.0, 50.0, 0.0)]
)
def test_a_change_has_no_more_decimals_than_what_changed(before: float, now: float, told: float) -> None:
    assert change(before, now) == told
