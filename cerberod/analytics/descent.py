"""The lowest point of a smooth function of a few bounded parameters: a quasi-Newton search with an active set.

Written here because a search must not depend on the machine: scipy's takes another path when linear algebra runs on
another number of threads, and on the flat top of a likelihood another path ends elsewhere in the sixth digit. Besides,
importing scipy.optimize takes longer than the whole fit. Source: J. Nocedal and S. Wright, "Numerical Optimization",
2nd edition, 2006: BFGS with Powell's damping, backtracking.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np

from cerberod.analytics.arrays import FloatArray

Function: TypeAlias = Callable[[FloatArray], tuple[float, FloatArray]]
"""Value and gradient at a point."""

_SUFFICIENT = 1e-4
_HALVINGS = 40


class Ending(StrEnum):
    """How a search ended; anything but `CONVERGED` makes the point a guess."""

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration_limit"
    NO_DESCENT = "no_descent"


class Found(NamedTuple):
    point: FloatArray
    value: float
    ending: Ending
    iterations: int


def lowest(
    function: Function,
    start: FloatArray,
    curvature: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    *,
    within: float = 1e-13,
    iterations: int = 200,
) -> Found:
    """Return the lowest point found downhill from `start`, which lies within `lower` and `upper`, edges included.

    `curvature` is a first guess at the matrix of second derivatives, positive semidefinite. Converged means that the
    next step would gain less than `within`, by the curvature seen on the way.
    """
    point, (value, slope) = start, function(start)
    hessian = _definite(curvature)
    for turn in range(iterations):
        step = _step(point, slope, hessian, lower, upper)
        gain = -float(np.sum(slope * step))
        if gain <= 2.0 * within:
            return Found(point, value, Ending.CONVERGED, turn)
        reach = _reach(point, step, lower, upper)
        for _ in range(_HALVINGS):
            there = np.minimum(np.maximum(point + reach * step, lower), upper)
            new_value, new_slope = function(there)
            if new_value <= value - _SUFFICIENT * reach * gain:
                break
            reach *= 0.5
        else:
            # Nothing lower in floats, although the curvature promised it: close enough where the promise was small.
            ending = Ending.CONVERGED if gain <= 1e4 * within else Ending.NO_DESCENT
            return Found(point, value, ending, turn)
        hessian = _updated(hessian, there - point, new_slope - slope)
        point, value, slope = there, new_value, new_slope
    return Found(point, value, Ending.ITERATION_LIMIT, iterations)


def _definite(curvature: FloatArray) -> FloatArray:
    """Return `curvature` with a little added on the diagonal, so that every direction has some."""
    diagonal = np.diag(curvature)
    return curvature + np.diag(1e-6 * diagonal + 1e-8 * max(float(diagonal.max()), 1e-8))


def _step(
    point: FloatArray, slope: FloatArray, hessian: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Return the Newton step within the bounds that hold: a parameter on its edge that wants to leave stays there."""
    free = ~((point <= lower) & (slope >= 0.0) | (point >= upper) & (slope <= 0.0))
    while True:
        step = np.zeros(point.size)
        if not free.any():
            return step
        held = hessian if free.all() else hessian[np.ix_(free, free)]  # to pick takes longer than to solve
        step[free] = np.linalg.solve(held, -slope[free])
        leaving = free & ((point <= lower) & (step < 0.0) | (point >= upper) & (step > 0.0))
        if not leaving.any():
            return step
        free &= ~leaving


def _reach(point: FloatArray, step: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Return how much of `step` fits before the first edge, at most all of it."""
    room = np.where(step < 0.0, lower - point, upper - point)
    moving = step != 0.0
    return min(1.0, float(np.min(room[moving] / step[moving])))


def _updated(hessian: FloatArray, moved: FloatArray, bent: FloatArray) -> FloatArray:
    """Return the curvature corrected by one step, kept positive definite."""
    pushed = np.sum(hessian * moved, axis=1)
    expected, seen = float(np.sum(moved * pushed)), float(np.sum(moved * bent))
    if expected <= 0.0:
        return hessian
    if seen < 0.2 * expected:
        share = 0.8 * expected / (expected - seen)
        bent = share * bent + (1.0 - share) * pushed
        seen = float(np.sum(moved * bent))
    out: FloatArray = hessian - np.multiply.outer(pushed, pushed) / expected + np.multiply.outer(bent, bent) / seen
    return out
