"""One expiry's smile: volatilities read at a moneyness or a delta, and what they say about skew.

A smile is the volatilities of listed strikes of one expiry, one for each strike, and the expiry's own forward.
Between strikes it is linear, in log-moneyness ln(K/F) or in delta, as the caller chooses; beyond the outermost strikes
it is not known, and says so. Volatilities are fractions. Deltas are Black-76 forward deltas without discount or
premium adjustment; a put's delta is negative, and -0.25 is the same place as a call's 0.75.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cerberod.analytics.arrays import (
    FloatArray,
    Masked,
    finite,
    increasing,
    masked,
    positive,
    same_length,
    series,
)
from cerberod.analytics.black import black_delta
from cerberod.errors import AnalyticsRefused

_BISECTIONS = 60
_FARTHEST = 600.0
"""The largest |ln(K/F)| told of a strike that is not listed."""


class Interpolation(StrEnum):
    """What a smile is linear in between its strikes."""

    DELTA = "delta"
    LOG_MONEYNESS = "log_moneyness"


class SmileReason(IntEnum):
    """Why a smile has no volatility at a place."""

    NONE = 0
    OUTSIDE_STRIKES = 1
    """The place lies beyond the outermost listed strikes."""
    SEVERAL_STRIKES = 2
    """More than one strike has this delta: the smile is so steep that delta does not fall with the strike."""


@dataclass(frozen=True)
class Smile:
    """Volatilities of one expiry: a fraction for each `strike`, which increase; quote currency and years."""

    forward: float
    years: float
    strike: FloatArray
    volatility: FloatArray

    @property
    def log_moneyness(self) -> FloatArray:
        """ln(K/F) of each strike."""
        return np.log(self.strike / self.forward)


@dataclass(frozen=True)
class SmilePoints:
    """Volatilities read off a smile and the strikes they belong to; masked where `reason` (`SmileReason`) is not 0."""

    volatility: Masked
    strike: Masked
    reason: NDArray[np.uint8]


@dataclass(frozen=True)
class DeltaSkew:
    """Volatilities at a call and a put of one delta, and at the money-forward; `None` where the smile does not reach.

    `risk_reversal` is call minus put: positive when calls are dearer (equity desks often quote put minus call).
    `butterfly` is the mean of both minus `atm_volatility`: positive when the wings are dearer.
    """

    delta: float
    interpolation: Interpolation
    atm_volatility: float | None
    call_volatility: float | None
    put_volatility: float | None
    call_strike: float | None
    put_strike: float | None
    risk_reversal: float | None
    butterfly: float | None
    reason: SmileReason


@dataclass(frozen=True)
class Wings:
    """How much dearer the wings are than the money: volatility differences as fractions, `ratio` wings over ATM."""

    delta: float
    atm_volatility: float | None
    call_wing: float | None
    put_wing: float | None
    call_minus_atm: float | None
    put_minus_atm: float | None
    ratio: float | None
    reason: SmileReason


@dataclass(frozen=True)
class SmileAsymmetry:
    """Mean of put-side minus call-side volatility over equal distances from the money.

    `difference` is a fraction, positive when the downside is dearer; `relative` is the same over `atm_volatility`.
    `width` is the largest |ln(K/F)| taken, `deviations` the same in units of sigma_atm sqrt(T).
    """

    width: float | None
    deviations: float
    atm_volatility: float | None
    difference: float | None
    relative: float | None
    reason: SmileReason


def make_smile(forward: float, years: float, strike: ArrayLike, volatility: ArrayLike) -> Smile:
    """Return a checked smile of at least two strikes, strictly increasing; everything positive and finite."""
    strikes = increasing("strike", series("strike", positive("strike", strike), least=2))
    volatilities = positive("volatility", volatility)
    same_length("strike", strikes, volatility=volatilities)
    return Smile(
        forward=float(_number("forward", forward)),
        years=float(_number("years", years)),
        strike=strikes,
        volatility=volatilities,
    )


def _number(field: str, value: float) -> FloatArray:
    out = positive(field, value)
    if out.ndim != 0:
        raise AnalyticsRefused(field, "must be one number")
    return out


def at_log_moneyness(smile: Smile, log_moneyness: ArrayLike) -> SmilePoints:
    """Return the volatility at each ln(K/F), linear between strikes."""
    k = finite("log_moneyness", log_moneyness)
    nodes = smile.log_moneyness
    outside = (k < nodes[0]) | (k > nodes[-1])
    inside = np.clip(k, nodes[0], nodes[-1])
    return SmilePoints(
        volatility=masked(np.interp(inside, nodes, smile.volatility), outside),
        strike=masked(smile.forward * np.exp(inside), outside),
        reason=np.where(outside, np.uint8(SmileReason.OUTSIDE_STRIKES), np.uint8(SmileReason.NONE)),
    )


def at_delta(smile: Smile, delta: ArrayLike, *, by: Interpolation = Interpolation.DELTA) -> SmilePoints:
    """Return volatility and strike at each delta: calls in (0, 1), puts in (-1, 0).

    By `DELTA` the volatility is linear between the strikes' own deltas, and the strike is the one whose delta under
    that volatility is the delta asked for. By `LOG_MONEYNESS` the volatility is linear in ln(K/F), and the point is
    where the smile itself has that delta, found by bisection to the last digit.

    Source: forward delta and its inverse after U. Wystup, "FX Options and Structured Products" (2006).
    """
    asked = finite("delta", delta)
    if np.any((np.abs(asked) >= 1.0) | (asked == 0.0)):
        raise AnalyticsRefused("delta", "must lie between -1 and 1 and not be 0")
    wanted = np.atleast_1d(np.where(asked > 0.0, asked, 1.0 + asked))
    nodes = np.asarray(black_delta(smile.forward, smile.strike, smile.years, smile.volatility, True))
    above = nodes[None, :] >= wanted.ravel()[:, None]
    falls = above[:, :-1] & ~above[:, 1:]
    crossings = np.count_nonzero(above[:, :-1] != above[:, 1:], axis=1)
    reason = np.where(
        crossings == 0,
        np.uint8(SmileReason.OUTSIDE_STRIKES),
        np.where((crossings > 1) | ~falls.any(axis=1), np.uint8(SmileReason.SEVERAL_STRIKES), np.uint8(0)),
    )
    left = np.argmax(falls, axis=1)
    target = wanted.ravel()
    match by:
        case Interpolation.DELTA:
            rise = (target - nodes[left]) / np.where(reason == 0, nodes[left + 1] - nodes[left], 1.0)
            volatility = smile.volatility[left] + rise * (smile.volatility[left + 1] - smile.volatility[left])
        case Interpolation.LOG_MONEYNESS:
            volatility = _bisect(smile, target, left)
        case _:
            assert_never(by)
    undefined = reason != 0
    volatility = np.where(undefined, 1.0, volatility)
    deviation = volatility * np.sqrt(smile.years)
    # Volatilities of thousands of percent over years lead beyond any price, and beyond what a float can tell.
    away = np.clip(deviation * (0.5 * deviation - ndtri(target)), -_FARTHEST, _FARTHEST)
    strike = smile.forward * np.exp(away)
    shape = asked.shape
    return SmilePoints(
        masked(volatility.reshape(shape), undefined.reshape(shape)),
        masked(strike.reshape(shape), undefined.reshape(shape)),
        reason.reshape(shape).astype(np.uint8),
    )


def _bisect(smile: Smile, target: FloatArray, left: NDArray[np.intp]) -> FloatArray:
    nodes = smile.log_moneyness
    low, high = nodes[left], nodes[left + 1]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        volatility = np.interp(middle, nodes, smile.volatility)
        delta = black_delta(smile.forward, smile.forward * np.exp(middle), smile.years, volatility, True)
        low, high = np.where(delta >= target, middle, low), np.where(delta >= target, high, middle)
    return np.interp(0.5 * (low + high), nodes, smile.volatility)


def delta_skew(smile: Smile, delta: float = 0.25, *, by: Interpolation = Interpolation.DELTA) -> DeltaSkew:
    """Return risk reversal and butterfly at a delta between 0 and 0.5; at the money means strike = forward.

    Source: market practice for forward deltas; butterfly in the simple form mean of wings minus ATM, not the broker's
    one-volatility strangle.
    """
    if not 0.0 < delta <= 0.5:
        raise AnalyticsRefused("delta", "must be above 0 and at most 0.5")
    points = at_delta(smile, np.array([delta, -delta]), by=by)
    money = at_log_moneyness(smile, 0.0)
    call, put = points.volatility.tolist()
    call_strike, put_strike = points.strike.tolist()
    atm = money.volatility.tolist()
    both = call is not None and put is not None
    return DeltaSkew(
        delta=delta,
        interpolation=by,
        atm_volatility=atm,
        call_volatility=call,
        put_volatility=put,
        call_strike=call_strike,
        put_strike=put_strike,
        risk_reversal=call - put if both else None,
        butterfly=0.5 * (call + put) - atm if both and atm is not None else None,
        reason=SmileReason(max(int(points.reason.max()), int(money.reason))),
    )


def atm_versus_wings(smile: Smile, delta: float = 0.1, *, by: Interpolation = Interpolation.DELTA) -> Wings:
    """Return the volatilities of a call and a put of one small delta against the money-forward."""
    skew = delta_skew(smile, delta, by=by)
    atm, call, put = skew.atm_volatility, skew.call_volatility, skew.put_volatility
    return Wings(
        delta=delta,
        atm_volatility=atm,
        call_wing=call,
        put_wing=put,
        call_minus_atm=call - atm if call is not None and atm is not None else None,
        put_minus_atm=put - atm if put is not None and atm is not None else None,
        ratio=0.5 * (call + put) / atm if call is not None and put is not None and atm is not None else None,
        reason=skew.reason,
    )


def smile_asymmetry(smile: Smile, deviations: float = 1.0) -> SmileAsymmetry:
    """Return how much dearer the downside of a smile is than its upside.

    The definition is our own, the area between the two halves of the smile folded at the forward, over its width:

        difference = (1/w) integral from 0 to w of [sigma(-u) - sigma(u)] du,   w = deviations sigma(0) sqrt(T)

    with u = ln(K/F). The integral is exact for the piecewise linear smile. `None` when listed strikes do not reach that
    far on both sides.
    """
    if not 0.0 < deviations <= 10.0:
        raise AnalyticsRefused("deviations", "must be above 0 and at most 10")
    atm = at_log_moneyness(smile, 0.0).volatility.tolist()
    outside = SmileAsymmetry(None, deviations, atm, None, None, SmileReason.OUTSIDE_STRIKES)
    if atm is None:
        return outside
    width = deviations * atm * float(np.sqrt(smile.years))
    nodes = smile.log_moneyness
    if width > nodes[-1] or -width < nodes[0]:
        return outside
    corners = np.unique(np.concatenate([[0.0, width], np.abs(nodes[np.abs(nodes) < width])]))
    folded = np.interp(-corners, nodes, smile.volatility) - np.interp(corners, nodes, smile.volatility)
    difference = float(np.sum(0.5 * (folded[1:] + folded[:-1]) * np.diff(corners)) / width)
    return SmileAsymmetry(width, deviations, atm, difference, difference / atm, SmileReason.NONE)
