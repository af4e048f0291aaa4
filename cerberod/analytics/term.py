"""Volatility across expiries: constant maturities, forward volatilities, expected moves.

Between expiries total variance (volatility squared times years) is linear in time, so that forward variance is
constant between two of them. Beyond the outermost expiries nothing is known, and that is said. Volatilities are
fractions a year.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from cerberod.analytics.arrays import (
    FloatArray,
    Masked,
    increasing,
    masked,
    positive,
    same_length,
    series,
    together,
)


class TermReason(IntEnum):
    """Why there is no volatility at a tenor or between two expiries."""

    NONE = 0
    OUTSIDE_EXPIRIES = 1
    """The tenor is shorter than the first or longer than the last expiry."""
    NEGATIVE_FORWARD_VARIANCE = 2
    """The later expiry has less total variance than the earlier: a calendar arbitrage, no real volatility."""


@dataclass(frozen=True)
class TermPoints:
    """Volatilities as fractions, masked where `reason` (of `TermReason`) is not 0."""

    volatility: Masked
    reason: NDArray[np.uint8]


@dataclass(frozen=True)
class ExpectedMove:
    """How far the underlying goes until expiry under one volatility, arrays of the broadcast shape.

    `one_sigma` F sigma sqrt(T) in quote currency · `one_sigma_pct` the same in percent of F · `lower`, `upper` F
    e^(-+sigma sqrt(T)): the bounds of one deviation, lognormal · `mean_absolute` E|S - F| in quote currency, which is
    the price of the straddle at K = F.
    """

    one_sigma: FloatArray
    one_sigma_pct: FloatArray
    lower: FloatArray
    upper: FloatArray
    mean_absolute: FloatArray


def _term(years: ArrayLike, volatility: ArrayLike) -> tuple[FloatArray, FloatArray]:
    t = increasing("years", series("years", positive("years", years)))
    v = positive("volatility", volatility)
    same_length("years", t, volatility=v)
    return t, v


def constant_maturity(years: ArrayLike, volatility: ArrayLike, tenor: ArrayLike) -> TermPoints:
    """Return the volatility at each tenor (years), total variance being linear between expiries (`years` increasing).

    Works for any volatility that means the same at each expiry: at the money, or at one delta. No extrapolation.

    Source: as in the CBOE VIX white paper and in J. Gatheral, "The Volatility Surface" (2006).
    """
    t, v = _term(years, volatility)
    at = positive("tenor", tenor)
    outside = (at < t[0]) | (at > t[-1])
    variance = np.interp(at, t, v * v * t)
    reason = np.where(outside, np.uint8(TermReason.OUTSIDE_EXPIRIES), np.uint8(TermReason.NONE))
    return TermPoints(masked(np.sqrt(variance / at), outside), reason)


def forward_volatilities(years: ArrayLike, volatility: ArrayLike) -> TermPoints:
    """Return the volatility between each expiry and the next: one item fewer than `years` (increasing).

    It is sqrt((v2^2 t2 - v1^2 t1) / (t2 - t1)), masked where the difference is negative. Source: additivity of
    variance; J. Gatheral, "The Volatility Surface" (2006).
    """
    t, v = _term(years, volatility)
    gained = np.diff(v * v * t)
    negative = gained < 0.0
    reason = np.where(negative, np.uint8(TermReason.NEGATIVE_FORWARD_VARIANCE), np.uint8(TermReason.NONE))
    return TermPoints(masked(np.sqrt(np.maximum(gained, 0.0) / np.diff(t)), negative), reason)


def expected_move(forward: ArrayLike, volatility: ArrayLike, years: ArrayLike) -> ExpectedMove:
    """Return the expected move of a forward over `years` at a volatility (usually at the money); arrays broadcast.

    Source: lognormal distribution; Black-76 makes the straddle at K = F 2 F (2 N(sigma sqrt(T) / 2) - 1).
    """
    f, v, t = together(
        forward=positive("forward", forward),
        volatility=positive("volatility", volatility),
        years=positive("years", years),
    )
    deviation = np.minimum(v * np.sqrt(t), 300.0)
    return ExpectedMove(
        one_sigma=np.asarray(f * deviation),
        one_sigma_pct=np.asarray(100.0 * deviation),
        lower=np.asarray(f * np.exp(-deviation)),
        upper=np.asarray(f * np.exp(deviation)),
        mean_absolute=np.asarray(2.0 * f * (2.0 * ndtr(0.5 * deviation) - 1.0)),
    )
