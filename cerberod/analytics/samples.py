"""Observations at the boundary of a statistic: finite, enough of them, and not all the same.

A statistic of a series that stands still is 0/0. Whether it does is judged against the size of its numbers, because
ten equal floats may have a mean that differs from each of them in the last bit.
"""

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import arrays
from cerberod.analytics.arrays import FloatArray
from cerberod.errors import AnalyticsRefused

STILL = 1e-13
"""A standard deviation that is a smaller part than this of the largest number is rounding, not movement."""


def observations(field: str, value: ArrayLike, least: int) -> FloatArray:
    """Return a one-dimensional series of at least `least` finite numbers, oldest first."""
    return arrays.series(field, arrays.finite(field, value), least=least)


def moving(field: str, value: ArrayLike, least: int) -> FloatArray:
    """Return a series of at least `least` finite numbers that are not all the same."""
    out = observations(field, value, least)
    if spread(out) == 0.0:
        raise AnalyticsRefused(field, "must not be constant")
    return out


def spread(x: FloatArray) -> float:
    """Return the standard deviation (divisor n), exactly 0 where it is no more than rounding."""
    # Scaled, because the squares of the largest numbers allowed would not add up within a float.
    scale = float(np.abs(x).max())
    if scale == 0.0:
        return 0.0
    deviation = float(np.std(x / scale))
    return 0.0 if deviation <= STILL else deviation * scale


def standardised(x: FloatArray) -> FloatArray:
    """Return a series that is not constant with mean 0 and standard deviation 1 (divisor n)."""
    scaled = x / np.abs(x).max()
    centred = scaled - scaled.mean()
    return np.asarray(centred / np.sqrt(np.mean(centred * centred)), dtype=np.float64)
