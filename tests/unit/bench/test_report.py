from typing import Any

import orjson
import pytest

from scripts.bench import report
from scripts.bench.figures import Bound, Goal, Result, result

MACHINE = {"cpu": "a", "cores": 2, "python": "3.11", "date": "any"}


def run(*results: Result, **machine: object) -> dict[str, Any]:
    """Return a run as it is read back from its file."""
    told: dict[str, Any] = orjson.loads(orjson.dumps(report.as_json(results, MACHINE | machine)))
    return told


def verdicts(text: str) -> list[str]:
    """Return the last cells of a comparison's table."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row.split("|")[-2].strip() for row in rows[1:]]


def test_a_table_names_rival_ratio_goal_and_verdict() -> None:
    goal = Goal(Bound.RATIO_AT_MOST, 1.4)
    table = report.table(
        [
            result(
                "latency", "a ping", "\u00b5s", [120.0, 130.0, 140.0], rival=("echo", [100.0, 100.0, 100.0]), goal=goal
            ),
            result("memory", "idle", "MiB", [200.0], goal=Goal(Bound.OURS_AT_MOST, 120)),
            result("audit", "newest", "ms", [12345.0]),
            result("http", "doubt", "ms", [1.0], goal=Goal(Bound.OURS_AT_MOST, 2), doubtful=True),
        ]
    )
    heading, rule, first, second, third, fourth = table.splitlines()
    assert heading.startswith("| row") and set(rule) == {"|", "-"}
    assert "130 [120\u2013140] \u00b5s" in first and "(echo)" in first and "1.3 [1.2\u20131.4]" in first
    assert [line.split("|")[-2].strip() for line in (first, second, third, fourth)] == ["yes", "NO", "\u2013", "?"]
    assert "12 345 ms" in third
    assert len({len(line) for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("before", "now", "more_is_better", "verdict"),
    [
        ([10.0], [10.5], False, "same"),
        ([10.0], [12.0], False, "WORSE"),
        ([10.0], [8.0], False, "better"),
        ([10.0], [12.0], True, "better"),
        ([10.0], [8.0], True, "WORSE"),
        ([5.0, 10.0, 20.0], [15.0], False, "same"),  # within what was measured before
        ([0.0], [3.0], False, "same"),  # nothing to compare with
    ],
)
def test_worse_is_by_a_tenth_and_outside_the_range_before(
    before: list[float], now: list[float], more_is_better: bool, verdict: str
) -> None:
    earlier = run(result("r", "w", "ms", before, more_is_better=more_is_better))
    later = run(result("r", "w", "ms", now, more_is_better=more_is_better))
    assert verdicts(report.comparison(earlier, later)) == [verdict]


def test_ratios_are_compared_where_both_have_one() -> None:
    earlier = run(result("r", "w", "ms", [10.0], rival=("x", [10.0])))
    later = run(result("r", "w", "ms", [20.0], rival=("x", [20.0])))
    assert "ratio" in report.comparison(earlier, later)
    assert verdicts(report.comparison(earlier, later)) == ["same"]
    assert verdicts(report.comparison(run(result("r", "w", "ms", [10.0])), later)) == ["WORSE"]


def test_nothing_is_said_of_what_was_doubtful() -> None:
    good, doubtful = run(result("r", "w", "ms", [1.0])), run(result("r", "w", "ms", [9.0], doubtful=True))
    assert verdicts(report.comparison(good, doubtful)) == ["?"]
    assert verdicts(report.comparison(doubtful, good)) == ["?"]


def test_results_of_one_run_only_are_named() -> None:
    earlier = run(result("old", "gone", "ms", [1.0]), result("r", "w", "ms", [1.0]))
    later = run(result("r", "w", "ms", [1.0]), result("new", "here", "ms", [1.0]))
    told = report.comparison(earlier, later).splitlines()
    assert told[-2:] == ["Measured earlier only: old, gone", "Measured now only: new, here"]
    nothing = report.comparison(run(), later)
    assert nothing.startswith("Nothing was measured in both runs.")


def test_a_file_of_an_earlier_form_is_compared_as_far_as_it_goes() -> None:
    earlier = run(result("r", "w", "ms", [1.0]))
    for entry in earlier["results"]:
        for name in ("doubtful", "more_is_better", "ratio", "notes", "detail", "met"):
            del entry[name]
    assert verdicts(report.comparison(earlier, run(result("r", "w", "ms", [2.0])))) == ["WORSE"]
    assert "Nothing was measured" in report.comparison({}, run(result("r", "w", "ms", [2.0])))


def test_another_machine_is_told() -> None:
    one = run(result("r", "w", "ms", [1.0]))
    assert "another machine" not in report.comparison(one, run(result("r", "w", "ms", [1.0]), date="later"))
    assert "another machine" in report.comparison(one, run(result("r", "w", "ms", [1.0]), cpu="b"))


def test_notes_stand_under_their_row() -> None:
    assert report.notes([result("r", "w", "ms", [1.0], notes=["one", "two"])]) == "r: one\nr: two"
