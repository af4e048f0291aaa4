import pytest

from scripts.bench.figures import Bound, Figure, Goal, percentile, result


def test_a_figure_is_the_median_with_its_range() -> None:
    assert Figure.of([3.0, 1.0, 2.0]) == Figure(2.0, 1.0, 3.0, 3)
    assert Figure.of([4.0]) == Figure(4.0, 4.0, 4.0, 1)


def test_a_ratio_is_taken_pair_by_pair() -> None:
    """So that a machine that slows down for a while slows both of a pair."""
    made = result("row", "what", "ms", [1.0, 20.0, 3.0], rival=("other", [2.0, 40.0, 3.0]))
    assert made.ratio == Figure(0.5, 0.5, 1.0, 3)
    assert made.detail == {"rounds": [1.0, 20.0, 3.0], "rival_rounds": [2.0, 40.0, 3.0]}
    assert result("row", "what", "ms", [1.0]).ratio is None


def test_pairs_that_are_none_are_an_error() -> None:
    with pytest.raises(ValueError):
        result("row", "what", "ms", [1.0, 2.0], rival=("other", [1.0]))


@pytest.mark.parametrize(
    ("bound", "limit", "ours", "ratio", "met"),
    [
        (Bound.OURS_AT_MOST, 2.0, 2.0, None, True),
        (Bound.OURS_AT_MOST, 2.0, 2.1, 0.1, False),
        (Bound.RATIO_AT_MOST, 0.5, 9.0, 0.5, True),
        (Bound.RATIO_AT_MOST, 0.5, 9.0, 0.6, False),
        (Bound.RATIO_AT_MOST, 0.5, 9.0, None, False),
        (Bound.RATIO_AT_LEAST, 8.0, 9.0, 8.0, True),
        (Bound.RATIO_AT_LEAST, 8.0, 9.0, 7.9, False),
        (Bound.RATIO_AT_LEAST, 8.0, 9.0, None, False),
    ],
)
def test_a_goal_is_judged_by_the_median(
    bound: Bound, limit: float, ours: float, ratio: float | None, met: bool
) -> None:
    figure = None if ratio is None else Figure.of([ratio])
    assert Goal(bound, limit).met(Figure.of([ours]), figure) is met


def test_of_a_doubtful_result_and_of_one_without_goal_nothing_is_said() -> None:
    goal = Goal(Bound.OURS_AT_MOST, 1.0)
    assert result("r", "w", "s", [0.5], goal=goal).met is True
    assert result("r", "w", "s", [0.5], goal=goal, doubtful=True).met is None
    assert result("r", "w", "s", [0.5]).met is None


def test_a_goal_is_told_with_its_side() -> None:
    assert Goal(Bound.OURS_AT_MOST, 300).told("\u00b5s") == "\u2264 300 \u00b5s"
    assert Goal(Bound.RATIO_AT_MOST, 1 / 3).told("ms") == "\u2264 0.333 \u00d7"
    assert Goal(Bound.RATIO_AT_LEAST, 8).told("ms") == "\u2265 8 \u00d7"


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 51.0, 100.0, 100.0]
    assert percentile([7.0], 0.999) == 7.0
