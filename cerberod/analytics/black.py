"""Black-76 (options on a forward) and Black-Scholes-Merton (options on spot): price and greeks, vectorised.

All arguments broadcast like numpy's. `forward`, `spot` and `strike` are in quote currency, `years` is the time to
expiry, `volatility` a fraction a year (0.45, not 45), `rate` and `dividend_yield` continuously compounded fractions a
year, `is_call` true for calls. Results are in quote currency for one unit of the underlying and have the broadcast
shape. This module knows no instrument, no clock and no coin: dividing a price by the forward to get coins is the
caller's business.

Greeks come in a named `Convention`, which fixes their units and, where books and venues differ, their meaning. An
expired or riskless option gets its limits; gamma, theta and charm have none exactly at the money and are masked there
(theta only where no cap gives it one).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from cerberod.analytics import normalised
from cerberod.analytics.arrays import (
    BoolArray,
    FloatArray,
    Masked,
    finite,
    flags,
    masked,
    not_negative,
    positive,
    together,
)
from cerberod.errors import AnalyticsRefused

DAYS_PER_YEAR = 365.0
_LEAST_DEVIATION = 1e-14
_MOST_DEVIATION = 1e4
MOST_DISCOUNT = 100.0
"""The largest rate times years that is priced, and that a volatility is sought for."""


class Convention(StrEnum):
    """What the greeks are measured in, and what delta, theta and rho mean.

    - `TEXTBOOK`: derivatives as they stand: per 1.00 of volatility, per year, per 1.00 of rate.
    - `DESK`: the same derivatives per volatility point (0.01), per calendar day (1/365 year), per percentage point.
    - `DERIBIT`: desk units as the venue publishes them. Rate zero; delta is undiscounted, with respect to the forward
      of the expiry and not adjusted for a premium paid in coin; rho is that of the spot form (K T N(d2)); theta is per
      day, on the last day only for the part of it that is left, and never more than the option is worth, so that call
      and put of one strike differ near expiry. Checked against recorded tickers of whole chains.
    """

    TEXTBOOK = "textbook"
    DESK = "desk"
    DERIBIT = "deribit"


class GreekReason(IntEnum):
    """Why a greek is masked."""

    NONE = 0
    UNBOUNDED_AT_THE_MONEY = 1
    """Forward and strike are equal and no deviation is left: the greek grows without limit."""


@dataclass(frozen=True)
class OptionGreeks:
    """Price and greeks, each of the broadcast shape, in the units of `convention` (textbook / desk and Deribit).

    `price` quote currency, never negative · `delta` per 1 of the underlying, call positive, put negative · `gamma`
    delta per 1 of the underlying, positive · `vega` price per 1.00 / 0.01 of volatility, positive · `theta` price per
    year / day of passing time, mostly negative · `rho` price per 1.00 / 0.01 of rate · `vanna` delta per 1.00 / 0.01
    of volatility · `charm` delta per year / day of passing time · `volga` vega per volatility: per 1.00 squared /
    0.01 squared. `reason` (of `GreekReason`) is not 0 where `gamma`, `theta` or `charm` is masked.
    """

    convention: Convention
    price: FloatArray
    delta: FloatArray
    gamma: Masked
    vega: FloatArray
    theta: Masked
    rho: FloatArray
    vanna: FloatArray
    charm: Masked
    volga: FloatArray
    reason: NDArray[np.uint8]


def black_76(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
    rate: ArrayLike = 0.0,
    *,
    convention: Convention = Convention.TEXTBOOK,
) -> OptionGreeks:
    """Return price and greeks of European options on a forward, the forward being held when time or rate moves.

    Textbook: delta = e^-rT N(d1) and its derivatives with respect to the forward, rho = -T price. Under
    `Convention.DERIBIT` the rate must be zero. Relative error of the price is below 1e-11, out of the money too.

    Source: F. Black, "The pricing of commodity contracts", J. of Financial Economics 3 (1976); greeks by
    differentiation, as in E. Haug, "The Complete Guide to Option Pricing Formulas" (2007).
    """
    x = _terms(forward, strike, years, volatility, is_call, rate)
    value = _price(x)
    match convention:
        case Convention.TEXTBOOK | Convention.DESK:
            rho = -x.years * value
            drift = x.rate * value
        case Convention.DERIBIT:
            if np.any(x.rate != 0.0):
                raise AnalyticsRefused("rate", "must be 0 under the deribit convention")
            rho = x.sign * x.strike * x.years * x.below
            drift = np.zeros_like(value)
        case never:
            assert_never(never)
    delta = x.discount * x.sign * x.above
    return _in_units(
        convention,
        x,
        _Raw(
            price=value,
            delta=delta,
            gamma=x.discount * x.density / (x.forward * x.safe_deviation),
            drift=drift,
            rho=rho,
            vanna=-x.discount * x.density * x.d2_per_volatility,
            charm=x.rate * delta + x.discount * x.density * x.d2 / (2.0 * x.safe_years),
        ),
    )


def black_scholes(
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend_yield: ArrayLike = 0.0,
    *,
    convention: Convention = Convention.TEXTBOOK,
) -> OptionGreeks:
    """Return price and greeks of European options on spot, the spot being held when time or rate moves.

    The cost of carry is `rate - dividend_yield`: a foreign rate or a borrow fee goes into the latter. Delta is
    e^-qT N(d1) with respect to spot, rho = K T e^-rT N(d2). `Convention.DERIBIT` is refused: it is one of forwards.

    Source: R. Merton, "Theory of rational option pricing" (1973), as the generalised formula of E. Haug, "The Complete
    Guide to Option Pricing Formulas" (2007); J. Hull, "Options, Futures, and Other
    Derivatives", chapters "The Black-Scholes-Merton model" and "The Greek letters".
    """
    if convention is Convention.DERIBIT:
        raise AnalyticsRefused("convention", "must be textbook or desk for options on spot")
    s, k, t, v, call, r, q = together(
        spot=positive("spot", spot),
        strike=positive("strike", strike),
        years=not_negative("years", years),
        volatility=not_negative("volatility", volatility),
        is_call=flags("is_call", is_call),
        rate=finite("rate", rate),
        dividend_yield=finite("dividend_yield", dividend_yield),
    )
    if np.any(np.abs(q * t) > MOST_DISCOUNT) or np.any(np.abs(r * t) > MOST_DISCOUNT):
        raise AnalyticsRefused("rate", f"rate and dividend_yield times years must stay within {MOST_DISCOUNT:g}")
    x = _reduce(s * np.exp((r - q) * t), k, t, v, call, r)
    carried = np.exp(-q * t)
    value = _price(x)
    delta = carried * x.sign * x.above
    return _in_units(
        convention,
        x,
        _Raw(
            price=value,
            delta=delta,
            gamma=carried * x.density / (s * x.safe_deviation),
            drift=q * s * delta - r * x.sign * k * x.discount * x.below,
            rho=x.sign * k * t * x.discount * x.below,
            vanna=-carried * x.density * x.d2_per_volatility,
            charm=q * delta - carried * x.density * ((r - q) / x.safe_deviation - x.d2 / (2.0 * x.safe_years)),
        ),
    )


def black_price(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return the undiscounted Black-76 price alone, in quote currency; as `black_76` in all else."""
    return _price(_terms(forward, strike, years, volatility, is_call, 0.0))


def black_delta(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return the undiscounted delta alone: N(d1) for a call, N(d1) - 1 for a put; 1/2 at the money when expired."""
    x = _terms(forward, strike, years, volatility, is_call, 0.0)
    return x.sign * x.above


class _Terms(NamedTuple):
    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    volatility: FloatArray
    rate: FloatArray
    sign: FloatArray  # +1 call, -1 put
    discount: FloatArray
    moneyness: FloatArray  # ln(F/K)
    deviation: FloatArray  # sigma sqrt(T); 0 where it is as good as none
    safe_deviation: FloatArray  # the same, 1 where none
    safe_years: FloatArray
    d2: FloatArray
    d1: FloatArray
    density: FloatArray  # phi(d1)
    above: FloatArray  # N(sign d1)
    below: FloatArray  # N(sign d2)
    d2_per_volatility: FloatArray
    kink: BoolArray  # at the money without deviation


class _Raw(NamedTuple):
    """Greeks in textbook units; `drift` is the part of theta that is not the decay of time value."""

    price: FloatArray
    delta: FloatArray
    gamma: FloatArray
    drift: FloatArray
    rho: FloatArray
    vanna: FloatArray
    charm: FloatArray


def _terms(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike, rate: ArrayLike
) -> _Terms:
    f, k, t, v, call, r = together(
        forward=positive("forward", forward),
        strike=positive("strike", strike),
        years=not_negative("years", years),
        volatility=not_negative("volatility", volatility),
        is_call=flags("is_call", is_call),
        rate=finite("rate", rate),
    )
    if np.any(np.abs(r * t) > MOST_DISCOUNT):
        raise AnalyticsRefused("rate", f"rate times years must stay within {MOST_DISCOUNT:g}")
    return _reduce(f, k, t, v, call, r)


def _reduce(f: FloatArray, k: FloatArray, t: FloatArray, v: FloatArray, call: BoolArray, r: FloatArray) -> _Terms:
    """Return what all greeks are made of, from checked arrays of one shape."""
    x = np.asarray(normalised.log_moneyness(f, k))
    root = np.sqrt(t)
    s = np.minimum(v * root, _MOST_DEVIATION)
    none = s < _LEAST_DEVIATION
    safe = np.where(none, 1.0, s)
    # Without deviation N(d1) is a step; 40 is far enough that phi vanishes and N is 0 or 1.
    d1 = np.where(none, 40.0 * np.sign(x), x / safe + 0.5 * s)
    d2 = np.where(none, d1, d1 - s)
    kink = none & (np.abs(x) <= _LEAST_DEVIATION)
    sign = np.where(call, 1.0, -1.0)
    return _Terms(
        forward=f,
        strike=k,
        years=t,
        volatility=v,
        rate=r,
        sign=sign,
        discount=np.exp(-r * t),
        moneyness=x,
        deviation=np.where(none, 0.0, s),
        safe_deviation=safe,
        safe_years=np.where(none, np.maximum(t, 1e-100), t),
        d2=d2,
        d1=d1,
        density=np.exp(-0.5 * np.minimum(d1 * d1, 1490.0) - normalised.LN_ROOT_TWO_PI),
        above=ndtr(sign * d1),
        below=ndtr(sign * d2),
        d2_per_volatility=np.where(none, np.where(kink, -0.5 * root, 0.0), d2 / np.where(none, 1.0, v)),
        kink=kink,
    )


def _price(x: _Terms) -> FloatArray:
    # By parity an option in the money is its intrinsic value and its out-of-the-money twin: no digits are lost.
    live = x.deviation > 0.0
    twin = np.where(
        live,
        normalised.price(-np.abs(np.atleast_1d(x.moneyness)), np.atleast_1d(x.safe_deviation)).reshape(live.shape),
        0.0,
    )
    intrinsic = np.maximum(x.sign * (x.forward - x.strike), 0.0)
    out: FloatArray = np.asarray(x.discount * (intrinsic + np.sqrt(x.forward) * np.sqrt(x.strike) * twin))
    return out


def _in_units(convention: Convention, x: _Terms, raw: _Raw) -> OptionGreeks:
    vega = x.discount * x.forward * x.density * np.sqrt(x.years)
    decay = x.discount * x.forward * x.density * x.deviation / (2.0 * x.safe_years)
    match convention:
        case Convention.TEXTBOOK:
            point, day = 1.0, 1.0
        case Convention.DESK | Convention.DERIBIT:
            point, day = 0.01, 1.0 / DAYS_PER_YEAR
        case never:
            assert_never(never)
    theta = masked(_tidy((raw.drift - decay) * day), x.kink)
    if convention is Convention.DERIBIT:
        left = np.minimum(1.0, x.years * DAYS_PER_YEAR)
        theta = masked(_tidy(-np.minimum(decay * day * left, raw.price)), np.zeros_like(x.kink))
    return OptionGreeks(
        convention=convention,
        price=raw.price,
        delta=_tidy(raw.delta),
        gamma=masked(_tidy(raw.gamma), x.kink),
        vega=_tidy(vega * point),
        theta=theta,
        rho=_tidy(raw.rho * point),
        vanna=_tidy(raw.vanna * point),
        charm=masked(_tidy(raw.charm * day), x.kink),
        volga=_tidy(vega * x.d1 * x.d2_per_volatility * point * point),
        reason=np.where(x.kink, np.uint8(GreekReason.UNBOUNDED_AT_THE_MONEY), np.uint8(GreekReason.NONE)),
    )


def _tidy(value: FloatArray) -> FloatArray:
    """Return an array without negative zeros."""
    return np.asarray(value + 0.0)
