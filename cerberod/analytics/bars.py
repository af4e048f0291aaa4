"""Price series at the boundary: what a calculation on closes, bars and volumes may trust once these checks have passed.

One pass over clean data, because indicators on it take microseconds; the pass that finds out which field broke which
rule is made only when something is wrong. `argmin`, `argmax` and `count_nonzero` are quicker than `min`, `max`, `all`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics import arrays
from cerberod.analytics.arrays import LARGEST, FloatArray
from cerberod.errors import AnalyticsRefused


class Bars(NamedTuple):
    """Checked bars: positive, finite, of one length, `low <= close <= high` in each."""

    high: FloatArray
    low: FloatArray
    close: FloatArray


class Candles(NamedTuple):
    """Checked bars with an open, which lies between low and high too."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


def whole(field: str, value: object, least: int, most: int = 100_000) -> int:
    """Return a count such as a period, an integer from `least` to `most` (TA-Lib's own bound unless told)."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise AnalyticsRefused(field, f"must be an integer from {least} to {most}")
    return int(value)


def number(field: str, value: object, least: float, most: float) -> float:
    """Return a plain number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not least <= value <= most:
        raise AnalyticsRefused(field, f"must be a number from {least:g} to {most:g}")
    return float(value)


def _floats(field: str, value: ArrayLike) -> FloatArray:
    """Return `value` as it stands, as floats: infinities and not-a-number are for the next check."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise AnalyticsRefused(field, "must hold numbers only") from None


def _in_range(least: FloatArray, most: FloatArray) -> bool:
    """Tell whether nothing in `least` is too small and nothing in `most` too large; not-a-number is neither."""
    return bool(least[least.argmin()] >= 1.0 / LARGEST and most[most.argmax()] <= LARGEST)


def prices(field: str, value: ArrayLike, least: int = 1) -> FloatArray:
    """Return a series of at least `least` finite prices above zero, oldest first."""
    out = _floats(field, value)
    if out.ndim == 1 and out.size >= max(1, least) and _in_range(out, out):
        return out
    return arrays.series(field, arrays.positive(field, out), least=least)


def bars(high: ArrayLike, low: ArrayLike, close: ArrayLike, least: int = 1) -> Bars:
    """Return at least `least` bars; `low` must not be above `high`, nor `close` outside of them."""
    h, lo, c = _floats("high", high), _floats("low", low), _floats("close", close)
    if (
        h.ndim == 1
        and h.shape == lo.shape == c.shape
        and h.size >= max(1, least)
        and _in_range(lo, h)
        and np.count_nonzero((lo <= c) & (c <= h)) == c.size
    ):
        return Bars(h, lo, c)
    h, lo, c = (prices(field, x, least) for field, x in (("high", h), ("low", lo), ("close", c)))
    arrays.same_length("high", h, low=lo, close=c)
    if not (lo <= h).all():
        raise AnalyticsRefused("low", "must not be above high")
    raise AnalyticsRefused("close", "must lie between low and high")


def candles(open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, least: int = 1) -> Candles:
    """Return at least `least` bars with an open."""
    checked = bars(high, low, close, least)
    o = prices("open", open, least)
    arrays.same_length("high", checked.high, open=o)
    if not ((checked.low <= o) & (o <= checked.high)).all():
        raise AnalyticsRefused("open", "must lie between low and high")
    return Candles(o, *checked)
