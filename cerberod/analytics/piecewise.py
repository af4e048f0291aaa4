"""Continuous piecewise linear functions of a price above zero, in exact arithmetic.

Every payoff at expiry, coin-settled ones included, is such a function once it is counted in quote currency. Kept as
fractions, three times 0.1 less 0.3 is nothing, so that a closed position is seen to be closed and "unbounded" is never
the echo of a rounding. Numbers come in as the decimals they print as.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cerberod.analytics.arrays import FloatArray


def exact(value: float) -> Fraction:
    """Return the fraction that is the shortest decimal of a float."""
    return Fraction(repr(float(value)))


@dataclass(frozen=True)
class Line:
    """a + b S."""

    a: Fraction
    b: Fraction

    def __add__(self, other: "Line") -> "Line":
        return Line(self.a + other.a, self.b + other.b)

    def at(self, level: Fraction) -> Fraction:
        return self.a + self.b * level


NOTHING = Line(Fraction(0), Fraction(0))


@dataclass(frozen=True)
class Bend:
    """What is added to the line from a level on; zero at the level itself, so that the function stays continuous."""

    level: Fraction
    slope: Fraction

    @property
    def line(self) -> Line:
        return Line(-self.slope * self.level, self.slope)


@dataclass(frozen=True)
class Piecewise:
    """A line from zero to the first of `levels` (rising), another to the second, ... and the last one without end."""

    levels: tuple[Fraction, ...]
    lines: tuple[Line, ...]

    @staticmethod
    def of(first: Line, bends: Iterable[Bend]) -> "Piecewise":
        """Return the function that starts as `first` and bends; bends of one level are added up."""
        slopes: dict[Fraction, Fraction] = {}
        for bend in bends:
            slopes[bend.level] = slopes.get(bend.level, Fraction(0)) + bend.slope
        levels = tuple(sorted(level for level, slope in slopes.items() if slope != 0))
        lines = [first]
        for level in levels:
            lines.append(lines[-1] + Bend(level, slopes[level]).line)
        return Piecewise(levels, tuple(lines))

    def at(self, level: FloatArray) -> FloatArray:
        """Return the function at each level, as floats."""
        knots = np.array([float(k) for k in self.levels])
        piece = np.searchsorted(knots, level, side="left")
        a = np.array([float(line.a) for line in self.lines])
        b = np.array([float(line.b) for line in self.lines])
        return np.asarray(a[piece] + b[piece] * level)

    def zeros(self) -> tuple[list[Fraction], list[tuple[Fraction, Fraction | None]]]:
        """Return the levels where the function crosses or touches zero, and the ranges where it stays there.

        A range without an upper end goes on without end; its ends are not repeated among the levels.
        """
        points: set[Fraction] = set()
        ranges: list[tuple[Fraction, Fraction | None]] = []
        starts: tuple[Fraction, ...] = (Fraction(0), *self.levels)
        ends: tuple[Fraction | None, ...] = (*self.levels, None)
        for start, end, line in zip(starts, ends, self.lines, strict=True):
            if line.b == 0:
                if line.a == 0:
                    ranges.append((start, end))
                continue
            root = -line.a / line.b
            if root > 0 and root >= start and (end is None or root <= end):
                points.add(root)
        closed = {edge for pair in ranges for edge in pair}
        return sorted(points - {edge for edge in closed if edge is not None}), ranges
