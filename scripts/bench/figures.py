"""What a row of the table is made of. Pure: numbers in, figures and judgements out."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never


@dataclass(frozen=True, slots=True)
class Figure:
    """Repeated measurements of one thing."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        return cls(statistics.median(values), min(values), max(values), len(values))


class Bound(StrEnum):
    """What a goal bounds, and from which side."""

    OURS_AT_MOST = "ours_at_most"
    RATIO_AT_MOST = "ratio_at_most"
    RATIO_AT_LEAST = "ratio_at_least"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to reach."""

    bound: Bound
    limit: float

    def met(self, ours: Figure, ratio: Figure | None) -> bool:
        """Judge by the median. A goal on the ratio needs one."""
        match self.bound:
            case Bound.OURS_AT_MOST:
                return ours.median <= self.limit
            case Bound.RATIO_AT_MOST:
                return ratio is not None and ratio.median <= self.limit
            case Bound.RATIO_AT_LEAST:
                return ratio is not None and ratio.median >= self.limit
            case _:
                assert_never(self.bound)

    def told(self, unit: str) -> str:
        match self.bound:
            case Bound.OURS_AT_MOST:
                return f"≤ {self.limit:g} {unit}"
            case Bound.RATIO_AT_MOST:
                return f"≤ {self.limit:.3g} ×"
            case Bound.RATIO_AT_LEAST:
                return f"≥ {self.limit:.3g} ×"
            case _:
                assert_never(self.bound)


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    row: str
    what: str
    unit: str
    ours: Figure
    rival_name: str | None = None
    rival: Figure | None = None
    ratio: Figure | None = None
    """Ours over the rival's, pair by pair."""
    goal: Goal | None = None
    more_is_better: bool = False
    doubtful: bool = False
    """Something else on the machine was measured too: no verdict is given, and the notes say why."""
    notes: list[str] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        return None if self.goal is None or self.doubtful else self.goal.met(self.ours, self.ratio)


def result(
    row: str,
    what: str,
    unit: str,
    ours: Sequence[float],
    *,
    rival: tuple[str, Sequence[float]] | None = None,
    goal: Goal | None = None,
    more_is_better: bool = False,
    doubtful: bool = False,
    notes: Sequence[str] = (),
    **detail: Any,
) -> Result:
    """Make a line of measurements; those of ours and of the rival are pairs."""
    name, theirs = rival or (None, ())
    return Result(
        row=row,
        what=what,
        unit=unit,
        ours=Figure.of(ours),
        rival_name=name,
        rival=Figure.of(theirs) if theirs else None,
        ratio=Figure.of([mine / other for mine, other in zip(ours, theirs, strict=True)]) if theirs else None,
        goal=goal,
        more_is_better=more_is_better,
        doubtful=doubtful,
        notes=list(notes),
        detail={"rounds": list(ours), "rival_rounds": list(theirs), **detail},
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which this share of ordered values lies; the nearest one, nothing in between."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
