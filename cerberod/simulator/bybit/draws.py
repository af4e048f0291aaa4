"""Single random numbers out of the market's hashed randomness, without the cost of an array for each.

A ticker list needs thousands of them at a time, one for each instrument; the numbers are those of `noise.uniform`.
"""

import math
from typing import Final

from scipy.special import ndtri

_MASK: Final = 2**64 - 1


def uniform(key: int, index: int) -> float:
    """Return a number in the open interval (0, 1)."""
    z = (index * 0x9E3779B97F4A7C15 + key) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    z ^= z >> 31
    return ((z >> 11) + 0.5) * 2.0**-53


def exponential(key: int, index: int = 0) -> float:
    """Return a number of mean 1."""
    return -math.log(uniform(key, index))


def smooth(key: int, period_ms: int, time_ms: int) -> float:
    """Return what `noise.SmoothNoise` is at a moment."""
    index, rest = divmod(time_ms, period_ms)
    low, high = float(ndtri(uniform(key, index))), float(ndtri(uniform(key, index + 1)))
    return low + (high - low) * (rest / period_ms)
