"""An option chain as columns, checked once, and who is on the other side of it.

Exposure and positioning are sums over a chain. Their sign rests on an assumption nobody can see in the data: which
options dealers are long. It is a parameter here, and every result repeats it.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    flags,
    not_negative,
    positive,
    same_length,
    series,
)
from cerberod.errors import AnalyticsRefused

YEAR_MS = 365 * 86_400_000
_LATEST_MS = 41_024_448_000_000
"""No expiry lies this late (the year 3270); guards the arithmetic of times."""


class DealerSign(StrEnum):
    """Which options dealers hold: the sign of each option's exposure from their side."""

    LONG_CALLS_SHORT_PUTS = "long_calls_short_puts"
    """Calls +, puts -: customers sell calls and buy puts. The naive convention, and the usual one."""
    SHORT_CALLS_LONG_PUTS = "short_calls_long_puts"
    """Calls -, puts +: the opposite assumption."""
    LONG_ALL = "long_all"
    """Both +: customers sell whatever is open."""
    SHORT_ALL = "short_all"
    """Both -: customers buy whatever is open."""


_SIGNS: dict[DealerSign, tuple[float, float]] = {
    DealerSign.LONG_CALLS_SHORT_PUTS: (1.0, -1.0),
    DealerSign.SHORT_CALLS_LONG_PUTS: (-1.0, 1.0),
    DealerSign.LONG_ALL: (1.0, 1.0),
    DealerSign.SHORT_ALL: (-1.0, -1.0),
}


@dataclass(frozen=True)
class OptionChain:
    """One row for each option, all columns of one length (at least 1).

    `as_of_ms` and `expiry_ms` epoch milliseconds · `spot`, `strike`, `forward` (of the row's expiry) in quote
    currency · `volatility` a fraction · `open_interest` and `volume` in units of the underlying.
    """

    as_of_ms: int
    spot: float
    expiry_ms: IntArray
    strike: FloatArray
    is_call: BoolArray
    forward: FloatArray
    volatility: FloatArray
    open_interest: FloatArray
    volume: FloatArray

    @property
    def years(self) -> FloatArray:
        """Time to expiry of each row, in years of 365 days."""
        return np.asarray((self.expiry_ms - self.as_of_ms) / YEAR_MS, dtype=np.float64)

    def sign(self, dealers: DealerSign) -> FloatArray:
        """Return +1 or -1 for each row."""
        call, put = _SIGNS[dealers]
        return np.where(self.is_call, call, put)

    def expiries(self) -> list[int]:
        """Return the expiries in order."""
        out: list[int] = np.unique(self.expiry_ms).tolist()
        return out

    def rows(self, chosen: BoolArray) -> "OptionChain":
        """Return the chain of the chosen rows only; it may be empty."""
        return OptionChain(
            self.as_of_ms,
            self.spot,
            self.expiry_ms[chosen],
            self.strike[chosen],
            self.is_call[chosen],
            self.forward[chosen],
            self.volatility[chosen],
            self.open_interest[chosen],
            self.volume[chosen],
        )


def make_chain(
    *,
    as_of_ms: int,
    spot: float,
    expiry_ms: ArrayLike,
    strike: ArrayLike,
    is_call: ArrayLike,
    forward: ArrayLike,
    volatility: ArrayLike,
    open_interest: ArrayLike,
    volume: ArrayLike | None = None,
) -> OptionChain:
    """Return a checked chain; `volume` defaults to zeros.

    Refused by name: columns of other lengths, expired rows, an option listed twice, and numbers out of range (rows
    without a volatility are the caller's to leave out).
    """
    strikes = series("strike", positive("strike", strike))
    try:
        expiries = np.asarray(expiry_ms, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        raise AnalyticsRefused("expiry_ms", "must hold whole numbers only") from None
    spots = positive("spot", spot)
    if spots.ndim != 0:
        raise AnalyticsRefused("spot", "must be one number")
    chain = OptionChain(
        as_of_ms=int(as_of_ms),
        spot=float(spots),
        expiry_ms=expiries,
        strike=strikes,
        is_call=flags("is_call", is_call),
        forward=positive("forward", forward),
        volatility=positive("volatility", volatility),
        open_interest=not_negative("open_interest", open_interest),
        volume=np.zeros_like(strikes) if volume is None else not_negative("volume", volume),
    )
    same_length(
        "strike",
        strikes,
        expiry_ms=chain.expiry_ms,
        is_call=chain.is_call,
        forward=chain.forward,
        volatility=chain.volatility,
        open_interest=chain.open_interest,
        volume=chain.volume,
    )
    if not np.all((expiries > as_of_ms) & (expiries < _LATEST_MS)):
        raise AnalyticsRefused("expiry_ms", "must be later than the chain's own time")
    order = np.lexsort((chain.is_call, strikes, expiries))
    same = (
        (np.diff(expiries[order]) == 0)
        & (np.diff(strikes[order]) == 0.0)
        & (chain.is_call[order][1:] == chain.is_call[order][:-1])
    )
    if same.any():
        raise AnalyticsRefused("strike", "must not list an option twice")
    return chain
