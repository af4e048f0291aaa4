"""Moving windows against numpy over each window, one by one."""

import numpy as np
import pytest

from cerberod.analytics import windows

X = np.random.default_rng(0).normal(50.0, 3.0, 200)
WIDTHS = [1, 2, 3, 7, 8, 20, 63, 64, 199, 200]


@pytest.mark.parametrize("width", WIDTHS)
def test_equal_numpy_over_each_window(width: int) -> None:
    view = np.lib.stride_tricks.sliding_window_view(X, width)
    np.testing.assert_allclose(windows.moving_sum(X, width), view.sum(axis=1), rtol=1e-13)
    assert np.array_equal(windows.moving_max(X, width), view.max(axis=1))
    assert np.array_equal(windows.moving_min(X, width), view.min(axis=1))
    np.testing.assert_allclose(windows.moving_ramp(X, width), view @ np.arange(1.0, width + 1.0), rtol=1e-13)
    total, squares = windows.moving_spread(X, width)
    np.testing.assert_allclose(total, view.sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(squares, view.var(axis=1) * width, rtol=1e-11, atol=1e-12)


def test_rows_are_kept_apart() -> None:
    both = windows.moving_sum(np.stack([X, -X]), 20)
    assert np.array_equal(both[0], windows.moving_sum(X, 20))
    assert np.array_equal(both[1], -both[0])


def test_a_spike_leaves_nothing_behind() -> None:
    x = np.concatenate([np.ones(50), [1e15], np.ones(50)])
    assert windows.moving_sum(x, 10)[-1] == 10.0
    assert windows.moving_spread(x, 10)[1][-1] == 0.0


def test_a_small_spread_on_a_high_level_keeps_its_digits() -> None:
    x = 1e8 + np.tile([0.0, 1e-3], 50)  # exact steps of 1e-3 are not floats here: compare with the ones that are
    exact = (x[1] - x[0]) ** 2 * 0.25 * 20
    np.testing.assert_allclose(windows.moving_spread(x, 20)[1], exact, rtol=1e-12)


def test_squares_of_the_largest_prices_still_fit() -> None:
    x = np.tile([1e150, 1e-150], 5_000)
    assert np.all(np.isfinite(windows.moving_spread(x, 9_999)[1]))
