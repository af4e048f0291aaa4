"""Half-lives of series made with one, and what has none."""

import math

import numpy as np
import pytest

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.reversion import NoHalfLife, half_life, half_life_of
from cerberod.errors import AnalyticsRefused


def autoregression(phi: float, length: int, seed: int, mean: float = 0.0) -> FloatArray:
    noise = np.random.default_rng(seed).normal(size=length)
    for t in range(1, length):
        noise[t] += phi * noise[t - 1]
    return mean + noise


@pytest.mark.parametrize("phi", [0.3, 0.8, 0.95])
def test_a_known_half_life_is_found(phi: float) -> None:
    got = half_life(autoregression(phi, 5_000, seed=1, mean=7.0))
    assert got.half_life is not None
    assert got.half_life_error is not None
    assert abs(got.phi - phi) <= 3.0 * got.standard_error
    assert abs(got.half_life - math.log(0.5) / math.log(phi)) <= 3.0 * got.half_life_error
    assert got.unit_root_rejected
    assert (got.reason, got.observations) == (None, 4_999)
    assert got.mean is not None
    np.testing.assert_allclose(got.mean, 7.0, atol=4.0 / math.sqrt(5_000) / (1.0 - phi))


def test_the_error_of_the_half_life_is_the_scatter_of_the_half_life() -> None:
    many = [half_life(autoregression(0.8, 1_000, seed)) for seed in range(200)]
    periods = [one.half_life for one in many if one.half_life is not None]
    errors = [one.half_life_error for one in many if one.half_life_error is not None]
    np.testing.assert_allclose(np.mean(errors), np.std(periods), rtol=0.15)


def test_a_random_walk_does_not_reject_its_unit_root() -> None:
    rejected = sum(half_life(autoregression(1.0, 300, seed)).unit_root_rejected for seed in range(200))
    assert 1 <= rejected <= 20  # 10 expected; three standard deviations


def test_what_has_none() -> None:
    growing = half_life(autoregression(1.05, 200, seed=2))
    assert (growing.half_life, growing.half_life_error, growing.mean) == (None, None, None)
    assert growing.reason is NoHalfLife.NOT_MEAN_REVERTING
    jumping = half_life(autoregression(-0.6, 500, seed=3, mean=4.0))
    assert (jumping.half_life, jumping.reason) == (None, NoHalfLife.OVERSHOOTING)
    assert jumping.mean is not None
    np.testing.assert_allclose(jumping.mean, 4.0, atol=0.2)
    assert half_life_of(0.5) == (1.0, None)
    assert half_life_of(1.0) == (None, NoHalfLife.NOT_MEAN_REVERTING)
    assert half_life_of(0.0) == (None, NoHalfLife.OVERSHOOTING)


@pytest.mark.parametrize("scale", [1e-70, 1e70])
def test_units_do_not_matter(scale: float) -> None:
    x = autoregression(0.8, 100, seed=4, mean=5.0)
    plain, other = half_life(x), half_life(x * scale)
    assert plain.half_life is not None
    assert other.half_life is not None
    assert plain.mean is not None
    assert other.mean is not None
    np.testing.assert_allclose(other.half_life, plain.half_life, rtol=1e-10)
    np.testing.assert_allclose(other.mean, plain.mean * scale, rtol=1e-10)


@pytest.mark.parametrize(
    ("level", "rule"),
    [
        (np.arange(19.0), "must be a list of at least 20"),
        (np.full(50, 0.1), "must not be constant"),
        (np.append(np.full(50, 0.1), 1.0), "must move before its last item"),
        (np.arange(50.0), "must have noise: each item follows from the last exactly"),
        (0.5 ** np.arange(50.0), "must have noise: each item follows from the last exactly"),
        (np.append(np.arange(50.0), np.nan), "must be finite"),
        (np.append(np.arange(50.0), np.inf), "must be finite"),
    ],
)
def test_refusals(level: FloatArray, rule: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        half_life(level)
    assert (refused.value.field, refused.value.rule) == ("level", rule)
