"""Sums, extremes and spreads of a moving window, in a few passes over the whole series.

A window of any width is put together from windows of 1, 2, 4, 8 … items, each made from two of the one before. Unlike
with a running total nothing is ever taken away again, so a huge item leaves no rounding behind once it has left the
window, and a variance is never below zero. All results have one item for each full window: `len(x) - width + 1`.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from cerberod.analytics.arrays import FloatArray

_Parts: TypeAlias = tuple[FloatArray, ...]
"""Statistics of every window of one width."""

_Join: TypeAlias = Callable[[_Parts, int, _Parts, int], _Parts]
"""Make statistics of windows of `m + k` items from those of the older `m` and of the newer `k`."""


def _assembled(parts: _Parts, width: int, join: _Join) -> _Parts:
    """Return the statistics of windows of `width`, given those of windows of one item."""

    def side_by_side(older: _Parts, m: int, newer: _Parts, k: int) -> _Parts:
        count = parts[0].shape[-1] - (m + k) + 1
        return join(tuple(p[..., :count] for p in older), m, tuple(p[..., m : m + count] for p in newer), k)

    power, power_width = parts, 1
    done: _Parts | None = None
    done_width = 0
    while True:
        if width & power_width:
            done = power if done is None else side_by_side(power, power_width, done, done_width)
            done_width += power_width
        if done is not None and done_width == width:
            return done
        power = side_by_side(power, power_width, power, power_width)
        power_width *= 2


def moving_sum(x: FloatArray, width: int) -> FloatArray:
    """Return the sum of each window, along the last axis."""
    return _assembled((x,), width, lambda a, m, b, k: (a[0] + b[0],))[0]


def moving_max(x: FloatArray, width: int) -> FloatArray:
    """Return the greatest item of each window."""
    return _assembled((x,), width, lambda a, m, b, k: (np.maximum(a[0], b[0]),))[0]


def moving_min(x: FloatArray, width: int) -> FloatArray:
    """Return the least item of each window."""
    return _assembled((x,), width, lambda a, m, b, k: (np.minimum(a[0], b[0]),))[0]


def moving_ramp(x: FloatArray, width: int) -> FloatArray:
    """Return the sum of each window weighted 1, 2 … `width`, the newest item heaviest."""

    def join(a: _Parts, m: int, b: _Parts, k: int) -> _Parts:
        return a[0] + b[0] + m * b[1], a[1] + b[1]

    return _assembled((x, x), width, join)[0]


def moving_spread(x: FloatArray, width: int) -> tuple[FloatArray, FloatArray]:
    """Return sum and sum of squared deviations from the window's own mean, for each window.

    Source: T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", Stanford STAN-CS-79-773, 1979.
    """

    def join(a: _Parts, m: int, b: _Parts, k: int) -> _Parts:
        # Means are compared, not scaled sums: the square of a sum may not fit a float.
        apart = b[0] - a[0] if m == k else b[0] * (m / k) - a[0]
        apart *= 1.0 / m
        apart *= apart
        apart *= m * k / (m + k)
        if m > 1:
            apart += a[1]
        if k > 1:
            apart += b[1]
        return a[0] + b[0], apart

    total, squares = _assembled((x, np.zeros_like(x)), width, join)
    return total, squares
