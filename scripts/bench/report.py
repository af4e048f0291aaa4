"""Results as a table, as JSON, and beside those of an earlier run. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.bench.figures import Figure, Result

HEADINGS = ("row", "what", "ours", "rival", "ratio", "goal", "met?")
WORSE = 0.10
"""A change for the worse below this share is taken for chance."""


def table(results: Sequence[Result]) -> str:
    """Write all results as a table that is also Markdown."""
    return _aligned([HEADINGS, *map(_cells, results)])


def _cells(result: Result) -> tuple[str, ...]:
    rival = "–"
    if result.rival is not None:
        rival = f"{_figure(result.rival)} {result.unit} ({result.rival_name})"
    return (
        result.row,
        result.what,
        f"{_figure(result.ours)} {result.unit}",
        rival,
        "–" if result.ratio is None else _figure(result.ratio),
        "–" if result.goal is None else result.goal.told(result.unit),
        "?" if result.doubtful else {True: "yes", False: "NO", None: "–"}[result.met],
    )


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _figure(figure: Figure) -> str:
    spread = f" [{_number(figure.low)}–{_number(figure.high)}]" if figure.count > 1 else ""
    return _number(figure.median) + spread


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def notes(results: Iterable[Result]) -> str:
    """Write what is to be said about single results."""
    return "\n".join(f"{result.row}: {note}" for result in results for note in result.notes)


def as_json(results: Sequence[Result], machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything as plain values."""
    return {
        "machine": dict(machine),
        "results": [
            {
                "row": result.row,
                "what": result.what,
                "unit": result.unit,
                "ours": _plain(result.ours),
                "rival_name": result.rival_name,
                "rival": _plain(result.rival),
                "ratio": _plain(result.ratio),
                "goal": None if result.goal is None else result.goal.told(result.unit),
                "met": result.met,
                "doubtful": result.doubtful,
                "more_is_better": result.more_is_better,
                "notes": result.notes,
                "detail": result.detail,
            }
            for result in results
        ],
    }


def _plain(figure: Figure | None) -> dict[str, float] | None:
    if figure is None:
        return None
    return {"median": figure.median, "low": figure.low, "high": figure.high, "count": figure.count}


def comparison(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Tell for each result of both runs what became of it, and which results are of one run only.

    The ratio is compared where there is one, because it depends least on the machine and on what else ran on it. Worse
    means by more than a tenth, and outside the range of the old measurements. An earlier run may be of an earlier form
    of this file: what it did not yet tell is taken for false.
    """
    before, now = _by_name(old), _by_name(new)
    both = [name for name in now if name in before]
    lines = [] if _same_machine(old, new) else ["The earlier run was on another machine or another Python."]
    if both:
        headings = ("row", "what", "measure", "before", "now", "change", "verdict")
        lines.append(_aligned([headings, *(_compared(before[name], now[name]) for name in both)]))
    else:
        lines.append("Nothing was measured in both runs.")
    for told, names in (("Measured earlier only", before.keys() - now), ("Measured now only", now.keys() - before)):
        if names:
            lines.append(f"{told}: " + "; ".join(f"{row}, {what}" for row, what in sorted(names)))
    return "\n".join(lines)


def _by_name(run: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(entry["row"], entry["what"]): entry for entry in run.get("results", ())}


def _compared(earlier: Mapping[str, Any], entry: Mapping[str, Any]) -> Sequence[str]:
    measure = "ratio" if entry.get("ratio") and earlier.get("ratio") else "ours"
    was, now = earlier[measure], entry[measure]
    change = (now["median"] - was["median"]) / abs(was["median"]) if was["median"] else 0.0
    doubtful = earlier.get("doubtful", False) or entry.get("doubtful", False)
    more_is_better = entry.get("more_is_better", False)
    return (
        entry["row"],
        entry["what"],
        measure,
        _number(was["median"]),
        _number(now["median"]),
        f"{change:+.0%}",
        "?" if doubtful else _verdict(was, now["median"], change, more_is_better=more_is_better),
    )


def _verdict(was: Mapping[str, float], now: float, change: float, *, more_is_better: bool) -> str:
    if abs(change) <= WORSE or was["low"] <= now <= was["high"]:
        return "same"
    return "better" if (change > 0) == more_is_better else "WORSE"


def _same_machine(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return all(old.get("machine", {}).get(name) == new["machine"].get(name) for name in ("cpu", "cores", "python"))
