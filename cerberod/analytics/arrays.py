"""The arrays calculations take and give, and the checks at their boundary.

Everything past these checks may trust its numbers: finite, of one shape, in range. A value that does not exist is never
not-a-number: it is masked, so that `tolist()` says `None`, and stands beside an array of reasons of the same shape.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cerberod.errors import AnalyticsRefused

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Masked = np.ma.MaskedArray[tuple[Any, ...], np.dtype[np.float64]]

LARGEST = 1e75
"""No number of this field comes near; products of four of them still fit a float."""


def finite(field: str, value: ArrayLike) -> FloatArray:
    """Return `value` as floats, of any shape; refuse what is no number, not finite, or absurdly large."""
    try:
        out = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise AnalyticsRefused(field, "must hold numbers only") from None
    if not np.all(np.abs(out) <= LARGEST):
        raise AnalyticsRefused(field, "must be finite")
    return out


def positive(field: str, value: ArrayLike) -> FloatArray:
    """Return `value` as floats, all above zero (denormal numbers count as zero)."""
    out = finite(field, value)
    if not np.all(out >= 1.0 / LARGEST):
        raise AnalyticsRefused(field, "must be greater than 0")
    return out


def not_negative(field: str, value: ArrayLike) -> FloatArray:
    """Return `value` as floats, all zero or above."""
    out = finite(field, value)
    if not np.all(out >= 0.0):
        raise AnalyticsRefused(field, "must not be negative")
    return out


def flags(field: str, value: ArrayLike) -> BoolArray:
    """Return `value` as booleans; numbers and words are refused."""
    out = np.asarray(value)
    if out.dtype != np.bool_:
        raise AnalyticsRefused(field, "must hold booleans only")
    return out


def series(field: str, value: FloatArray, *, least: int = 1) -> FloatArray:
    """Return `value` when it has one dimension and at least `least` items."""
    if value.ndim != 1 or value.size < least:
        raise AnalyticsRefused(field, f"must be a list of at least {least}")
    return value


def increasing(field: str, value: FloatArray) -> FloatArray:
    """Return a one-dimensional `value` when each item is above the last."""
    if not np.all(np.diff(value) > 0.0):
        raise AnalyticsRefused(field, "must be strictly increasing")
    return value


def same_length(first: str, like: FloatArray, **others: NDArray[Any]) -> None:
    """Refuse the first of `others` that is not as long as `like`, which callers know as `first`."""
    for field, value in others.items():
        if value.shape != like.shape:
            raise AnalyticsRefused(field, f"must be as long as {first}")


def together(**arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Broadcast arrays against each other as numpy does; refuse shapes that do not go together."""
    try:
        return np.broadcast_arrays(*arrays.values())
    except ValueError:
        names = ", ".join(arrays)
        raise AnalyticsRefused(next(iter(arrays)), f"the shapes of {names} do not go together") from None


def masked(value: FloatArray, undefined: BoolArray) -> Masked:
    """Return `value` with the undefined items masked, and zero beneath the mask."""
    data = np.where(undefined, 0.0, value)
    out: Masked = np.ma.MaskedArray(data, mask=np.array(undefined, dtype=np.bool_))
    return out


def words(reason: NDArray[np.uint8], kind: type[IntEnum]) -> list[Any]:
    """Return an array of reasons as nested lists of their lower-case names, `None` where there is none (0)."""
    names = np.array([None, *(member.name.lower() for member in sorted(kind) if member != 0)], dtype=object)
    out: list[Any] = names[reason].tolist()
    return out
