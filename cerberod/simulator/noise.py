"""Randomness that can be asked for at any moment, in any order, and is always the same.

A generator with a state would make the past depend on who asked first. Here a random number is a hash of (key,
index), so a path may be read at one instant, or densely over years, and the answers agree. Knows nothing of prices.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KNOT_MS: Final = 30_000
# Distance of the finest knots of a path; between two of them it is a straight line.

_TOP_LEVEL: Final = 18  # coarsest knots every 2^18 * 30 s, about 91 days
_YEAR_MS: Final = 365.0 * 86_400_000.0
_COARSE_DEVIATION: Final = 0.2
_CACHE_SIZE: Final = 2_048


def key_of(*parts: object) -> int:
    """Return a 64-bit key that is different for different parts, in every process the same."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def uniform(key: "int | NDArray[np.uint64]", index: IntArray) -> FloatArray:
    """Return numbers in the open interval (0, 1), one for each index (splitmix64's finaliser over a Weyl sequence)."""
    z = np.asarray(index, dtype=np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = z + np.asarray(key, dtype=np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def gaussian(key: int, index: IntArray) -> FloatArray:
    """Return standard normal numbers, one for each index."""
    return np.asarray(ndtri(uniform(key, index)), dtype=np.float64)


class BrownianPath:
    """A Brownian motion of unit variance a year, by Lévy's midpoint construction between far apart, stationary knots.

    The far knots are independent, so over years the path stays near zero: prices keep a realistic level for ever.
    """

    def __init__(self, key: int) -> None:
        self._keys = [key_of(key, level) for level in range(_TOP_LEVEL + 1)]
        self._deviation = [0.5 * np.sqrt(KNOT_MS * 2.0 ** (level + 1) / _YEAR_MS) for level in range(_TOP_LEVEL)]
        self._cache: dict[int, tuple[float, float]] = {}

    def knots(self, first: int, last: int) -> FloatArray:
        """Return the path at the knots `first` … `last`, both included (knot i lies at i * KNOT_MS)."""
        return self._level(0, first, last)

    def _level(self, level: int, first: int, last: int) -> FloatArray:
        if level == _TOP_LEVEL:
            return _COARSE_DEVIATION * gaussian(self._keys[level], np.arange(first, last + 1, dtype=np.int64))
        start, stop = first >> 1, (last + 1) >> 1
        parents = self._level(level + 1, start, stop)
        out = np.empty(2 * len(parents) - 1)
        out[::2] = parents
        if len(parents) > 1:
            shifts = gaussian(self._keys[level], np.arange(start, stop, dtype=np.int64))
            out[1::2] = 0.5 * (parents[:-1] + parents[1:]) + self._deviation[level] * shifts
        offset = first - 2 * start
        return out[offset : offset + last - first + 1]

    def points(self, index: IntArray) -> FloatArray:
        """Return the path at some knots far apart, in any order: what `knots` says there, without all between."""
        wanted = [np.unique(index)]
        for _ in range(_TOP_LEVEL):
            wanted.append(np.unique(np.concatenate((wanted[-1] >> 1, (wanted[-1] + 1) >> 1))))
        values = _COARSE_DEVIATION * gaussian(self._keys[_TOP_LEVEL], wanted[_TOP_LEVEL])
        for level in range(_TOP_LEVEL - 1, -1, -1):
            here, above = wanted[level], wanted[level + 1]
            left = values[np.searchsorted(above, here >> 1)]
            right = values[np.searchsorted(above, (here + 1) >> 1)]
            between = 0.5 * (left + right) + self._deviation[level] * gaussian(self._keys[level], here >> 1)
            values = np.where(here & 1, between, left)
        return values[np.searchsorted(wanted[0], index)]

    def at(self, time_ms: float) -> float:
        """Return the path at one moment."""
        knot, rest = divmod(time_ms, KNOT_MS)
        index = int(knot)
        ends = self._cache.get(index)
        if ends is None:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            values = self.knots(index, index + 1)
            ends = self._cache[index] = (float(values[0]), float(values[1]))
        return ends[0] + (ends[1] - ends[0]) * (rest / KNOT_MS)


class SmoothNoise:
    """A bounded-memory wobble: independent normal values every `period_ms`, straight lines between."""

    def __init__(self, key: int, period_ms: int) -> None:
        self._key = key
        self._period_ms = period_ms

    def at(self, times_ms: FloatArray | IntArray) -> FloatArray:
        """Return the noise at each moment; its deviation is at most 1."""
        position = np.asarray(times_ms, dtype=np.float64) / self._period_ms
        left = np.floor(position)
        index = left.astype(np.int64)
        weight = position - left
        low = gaussian(self._key, index)
        return low + (gaussian(self._key, index + 1) - low) * weight
