"""The bounded search on functions whose lowest point is known."""

import numpy as np
import pytest

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.descent import Ending, lowest

TILTED = np.array([[3.0, 1.0], [1.0, 2.0]])
CENTRE = np.array([0.3, -0.2])


def bowl(point: FloatArray) -> tuple[float, FloatArray]:
    away = point - CENTRE
    return 0.5 * float(away @ TILTED @ away), TILTED @ away


def valley(point: FloatArray) -> tuple[float, FloatArray]:
    """Rosenbrock's, lowest at (1, 1)."""
    x, y = point.tolist()
    return 100.0 * (y - x * x) ** 2 + (1.0 - x) ** 2, np.array(
        [-400.0 * x * (y - x * x) - 2.0 * (1.0 - x), 200.0 * (y - x * x)]
    )


def test_inside_the_bounds() -> None:
    found = lowest(bowl, np.array([5.0, 5.0]), np.eye(2), np.full(2, -10.0), np.full(2, 10.0))
    assert found.ending is Ending.CONVERGED
    assert found.point == pytest.approx(CENTRE, abs=1e-6)


def test_on_an_edge_the_others_go_on() -> None:
    """With the first parameter held at 1 the lowest second one is -0.2 - (1 - 0.3) / 2."""
    found = lowest(bowl, np.array([5.0, 5.0]), np.eye(2), np.array([1.0, -10.0]), np.full(2, 10.0))
    assert found.point[0] == 1.0
    assert found.point[1] == pytest.approx(-0.55, abs=1e-6)


def test_in_a_corner() -> None:
    found = lowest(bowl, np.array([1.0, 1.0]), np.eye(2), np.array([1.0, 1.0]), np.full(2, 10.0))
    assert (found.point.tolist(), found.ending, found.iterations) == ([1.0, 1.0], Ending.CONVERGED, 0)


def test_an_edge_is_left_again() -> None:
    found = lowest(valley, np.array([-1.0, 0.0]), np.eye(2), np.array([-1.0, 0.0]), np.full(2, 4.0))
    assert found.ending is Ending.CONVERGED
    assert found.point == pytest.approx([1.0, 1.0], abs=1e-5)


def test_a_limit_of_iterations_is_told() -> None:
    found = lowest(valley, np.array([-1.0, 2.0]), np.eye(2), np.full(2, -4.0), np.full(2, 4.0), iterations=3)
    assert (found.ending, found.iterations) == (Ending.ITERATION_LIMIT, 3)
    assert found.value < valley(np.array([-1.0, 2.0]))[0]


def test_a_slope_that_lies_is_told() -> None:
    found = lowest(
        lambda p: (bowl(p)[0], -bowl(p)[1]), np.array([1.0, 1.0]), np.eye(2), np.full(2, -4.0), np.full(2, 4.0)
    )
    assert found.ending is Ending.NO_DESCENT
    assert found.point.tolist() == [1.0, 1.0]


def test_no_bound_is_ever_left() -> None:
    seen = []

    def watched(point: FloatArray) -> tuple[float, FloatArray]:
        seen.append(point.copy())
        return valley(point)

    lower, upper = np.array([-0.5, -0.25]), np.array([0.9, 3.0])
    lowest(watched, np.array([-0.5, 3.0]), 1e-3 * np.eye(2), lower, upper)
    assert len(seen) > 5
    assert all(np.all((lower <= p) & (p <= upper)) for p in seen)
