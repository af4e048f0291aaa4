"""The blocked recursion against the plain loop, at every length where a block begins or ends."""

import numpy as np
import pytest

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.recursion import gap, recursion, smoothed


def plain(x: FloatArray, decay: float, gain: float, first: float) -> list[float]:
    out = [first]
    for item in x.tolist():
        out.append(decay * out[-1] + gain * item)
    return out


@pytest.mark.parametrize(
    "length", [0, 1, 14, 15, 16, 30, 31, 32, 33, 62, 63, 64, 1022, 1023, 1024, 1025, 16_400, 30_000]
)
@pytest.mark.parametrize(
    ("decay", "gain"), [(0.0, 1.0), (0.5, 0.5), (13 / 14, 1 / 14), (1.0, 1.0), (0.9999, 1e-4), (1e-30, 1.0)]
)
def test_equals_the_loop(length: int, decay: float, gain: float) -> None:
    x = np.random.default_rng(length).exponential(1.0, length)
    # Terms of one sign: the error is relative, and grows at most with the number of terms that still weigh.
    np.testing.assert_allclose(recursion(x, decay, gain, 2.5), plain(x, decay, gain, 2.5), rtol=1e-12)


def test_rows_are_recursions_of_their_own() -> None:
    x = np.random.default_rng(1).normal(size=(3, 500))
    rows = recursion(x, 0.9, 0.2, np.array([1.0, 2.0, 3.0]))
    for row, item, first in zip(rows, x, [1.0, 2.0, 3.0], strict=True):
        np.testing.assert_allclose(row, plain(item, 0.9, 0.2, first), rtol=1e-12, atol=1e-13)


def test_the_same_again_when_the_weights_are_known() -> None:
    x = np.random.default_rng(2).normal(size=5_000)
    fresh = recursion(x, 0.95123, 0.05, 1.0)
    assert np.array_equal(recursion(x, 0.95123, 0.05, 1.0), fresh)


def test_the_input_is_left_alone() -> None:
    x = np.arange(100.0)
    recursion(x, 0.5, 0.5, 3.0)
    gap(x, (0.5, 0.6), (3.0, 3.0))
    assert np.array_equal(x, np.arange(100.0))


@pytest.mark.parametrize("rows", [(), (3,)])
@pytest.mark.parametrize("length", [1, 16, 33, 1025, 5_000])
def test_inputs_that_can_be_spared_give_the_same(length: int, rows: tuple[int, ...]) -> None:
    inputs = np.random.default_rng(length).normal(size=(*rows, length))
    expected = recursion(inputs[..., 1:], 0.9, 0.2, 0.2 * inputs[..., 0])
    np.testing.assert_allclose(smoothed(inputs, 0.9, 0.2), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32, 800, 1024, 30_000])
@pytest.mark.parametrize("decays", [(11 / 13, 25 / 27), (1 / 3, 1 / 2), (0.998, 0.999), (0.0, 0.9)])
def test_a_gap_is_what_two_loops_differ_by(length: int, decays: tuple[float, float]) -> None:
    x = np.random.default_rng(length).exponential(1.0, length)
    one, other = (np.array(plain(x, d, 1.0 - d, first)) for d, first in zip(decays, (2.0, 1.0), strict=True))
    # Both averages stay near 1, and each is known to a few units in the last place.
    np.testing.assert_allclose(gap(x, decays, (2.0, 1.0)), one - other, rtol=0, atol=1e-13)
