"""The blocked recursion against the plain loop, at every length where a block begins or ends."""

import numpy as np
import pytest

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.recursion import recursion


def plain(x: FloatArray, decay: float, gain: float, first: float) -> list[float]:
    out = [first]
    for item in x.tolist():
        out.append(decay * out[-1] + gain * item)
    return out


@pytest.mark.parametrize("length", [0, 1, 14, 15, 16, 30, 31, 32, 33, 1022, 1023, 1024, 1025, 16_400])
@pytest.mark.parametrize(("decay", "gain"), [(0.0, 1.0), (0.5, 0.5), (13 / 14, 1 / 14), (1.0, 1.0), (0.9999, 1e-4)])
def test_equals_the_loop(length: int, decay: float, gain: float) -> None:
    x = np.random.default_rng(length).exponential(1.0, length)
    # Terms of one sign: the error is relative, and grows at most with the number of terms that still weigh.
    np.testing.assert_allclose(recursion(x, decay, gain, 2.5), plain(x, decay, gain, 2.5), rtol=1e-12)


def test_rows_are_recursions_of_their_own() -> None:
    x = np.random.default_rng(1).normal(size=(3, 500))
    rows = recursion(x, 0.9, 0.2, np.array([1.0, 2.0, 3.0]))
    for row, item, first in zip(rows, x, [1.0, 2.0, 3.0], strict=True):
        np.testing.assert_allclose(row, plain(item, 0.9, 0.2, first), rtol=1e-12, atol=1e-13)


def test_the_same_again_when_remembered() -> None:
    x = np.random.default_rng(2).normal(size=5_000)
    fresh = recursion(x, 0.95, 0.05, 1.0)
    assert np.array_equal(recursion(x, 0.95, 0.05, 1.0, remember=True), fresh)
    assert np.array_equal(recursion(x, 0.95, 0.05, 1.0, remember=True), fresh)


def test_the_input_is_left_alone() -> None:
    x = np.arange(100.0)
    recursion(x, 0.5, 0.5, 3.0)
    assert np.array_equal(x, np.arange(100.0))
