"""Random numbers that are functions of their index: any order, any window, the same."""

import numpy as np

from cerberod.simulator.noise import KNOT_MS, BrownianPath, SmoothNoise, gaussian, key_of, uniform


def test_uniform_is_the_same_in_any_order_and_stays_inside_its_interval() -> None:
    index = np.arange(-5_000, 5_000, dtype=np.int64)
    numbers = uniform(key_of("a"), index)
    assert np.array_equal(uniform(key_of("a"), index[::-1])[::-1], numbers)
    assert numbers.min() > 0.0
    assert numbers.max() < 1.0
    assert abs(float(numbers.mean()) - 0.5) < 0.01
    assert not np.array_equal(uniform(key_of("b"), index), numbers)


def test_gaussian_has_unit_deviation() -> None:
    numbers = gaussian(key_of("g"), np.arange(20_000, dtype=np.int64))
    assert abs(float(numbers.mean())) < 0.03
    assert abs(float(numbers.std()) - 1.0) < 0.03


def test_a_path_read_densely_agrees_with_any_smaller_window_of_it() -> None:
    path = BrownianPath(key_of("p"))
    dense = path.knots(1_000_000, 1_004_000)
    for first, last in ((1_000_000, 1_000_000), (1_000_001, 1_000_002), (1_001_234, 1_003_999)):
        assert np.array_equal(path.knots(first, last), dense[first - 1_000_000 : last - 1_000_000 + 1])


def test_knots_far_apart_are_those_of_the_dense_path() -> None:
    path = BrownianPath(key_of("p"))
    dense = path.knots(1_000_000, 1_004_000)
    wanted = np.array([1_003_999, 1_000_000, 1_000_001, 1_002_048, 1_000_000])
    assert np.array_equal(path.points(wanted), dense[wanted - 1_000_000])
    years_apart = np.array([0, 50_000_000, 100_000_000])
    assert path.points(years_apart).tolist() == [float(path.knots(n, n)[0]) for n in years_apart.tolist()]


def test_between_knots_the_path_is_a_straight_line() -> None:
    path = BrownianPath(key_of("p"))
    low, high = path.knots(70_000_000, 70_000_001)
    assert path.at(70_000_000 * KNOT_MS) == low
    assert path.at(70_000_000 * KNOT_MS + KNOT_MS / 2) == (low + high) / 2


def test_a_path_moves_with_unit_variance_a_year() -> None:
    knots_a_day = 86_400_000 // KNOT_MS
    path = BrownianPath(key_of("v"))
    steps = np.diff(path.knots(59_000_000, 59_000_000 + 30 * knots_a_day))
    per_year = float(steps.std()) * np.sqrt(365 * knots_a_day)
    assert 0.97 < per_year < 1.03


def test_smooth_noise_is_continuous() -> None:
    noise = SmoothNoise(key_of("s"), 1_000)
    around = noise.at(np.array([1_999.999, 2_000.0, 2_000.001]))
    assert np.ptp(around) < 1e-4
