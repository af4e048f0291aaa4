"""Made bars: seeded walks, and the shapes at which indicators break."""

from typing import NamedTuple

import numpy as np

from cerberod.analytics.arrays import FloatArray


class MadeBars(NamedTuple):
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


def walk(count: int, seed: int, *, price: float = 100.0, step: float = 0.01) -> MadeBars:
    """Return bars of a geometric random walk that open where the last one closed."""
    source = np.random.default_rng(seed)
    path = price * np.exp(np.cumsum(source.normal(0.0, step, count + 1)))
    opened, closed = path[:-1], path[1:]
    high = np.maximum(opened, closed) * (1.0 + source.exponential(step / 2.0, count))
    low = np.minimum(opened, closed) / (1.0 + source.exponential(step / 2.0, count))
    return MadeBars(opened, high, low, closed, source.exponential(10.0, count))


def of_closes(closes: FloatArray) -> MadeBars:
    """Return bars that open at the close before and reach no further than open and close."""
    opened = np.concatenate([closes[:1], closes[:-1]])
    return MadeBars(opened, np.maximum(opened, closes), np.minimum(opened, closes), closes, np.ones(closes.size))


def shapes(count: int) -> dict[str, MadeBars]:
    """Return constructed series by name; none is constant, some are flat for a while."""
    at = np.arange(count, dtype=np.float64)
    halted = 100.0 + np.cumsum(np.random.default_rng(5).normal(0.0, 1.0, count))
    halted[count // 3 : count // 2] = halted[count // 3]
    return {
        "rising": of_closes(100.0 + at),
        "falling": of_closes(2.0 * count - at),
        "saw": of_closes(100.0 + at % 7),
        "step": of_closes(np.where(at < count // 2, 100.0, 150.0)),
        "halted": of_closes(halted),
        "late": of_closes(np.where(at < count - 5, 100.0, 100.0 + at)),
        "spike": of_closes(np.where(at == count // 2, 1e6, 100.0 + at % 3)),
    }
