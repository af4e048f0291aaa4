"""Black-76 with Deribit's conventions: prices, greeks and implied volatility of options on a forward, vectorised.

Everything is per one coin of the underlying and undiscounted (the venue quotes an interest rate of zero). Units are the
venue's own, not the textbook's: vega per volatility *point*, theta per *day*, rho per *percentage point* of rate. They
were checked against recorded tickers of whole option chains, and of each expiry's own forward, never the index.

Arguments broadcast like numpy's: `forward` and `strike` in quote currency, `years` to expiry (365 days each),
`volatility` as a fraction (0.45, not 45), `is_call` true for calls. This module knows no instrument, no clock and no
coin: dividing a price by the forward to get coins is the caller's business.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]

_INV_SQRT_2PI = 0.3989422804014327
_DAYS_PER_YEAR = 365.0
_TINY = 1e-12
_MAX_VOLATILITY = 50.0
_NEWTON_STEPS = 60


class Greeks(NamedTuple):
    """Price and first-order greeks of options on a forward, each an array of the broadcast shape."""

    price: FloatArray
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray


class _Terms(NamedTuple):
    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    volatility: FloatArray
    sign: FloatArray  # +1 call, -1 put
    root_years: FloatArray
    d1: FloatArray
    d2: FloatArray


def _terms(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> _Terms:
    """Broadcast the arguments, compute d1 and d2; an expired or riskless option gets its limit, no division by 0."""
    f, k, t, s, call = np.broadcast_arrays(
        np.asarray(forward, dtype=np.float64),
        np.asarray(strike, dtype=np.float64),
        np.asarray(years, dtype=np.float64),
        np.asarray(volatility, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )
    t = np.maximum(t, _TINY)
    s = np.maximum(s, _TINY)
    root = np.sqrt(t)
    deviation = s * root
    d1 = np.log(f / k) / deviation + 0.5 * deviation
    return _Terms(f, k, t, s, np.where(call, 1.0, -1.0), root, d1, d1 - deviation)


def _density(x: FloatArray) -> FloatArray:
    return _INV_SQRT_2PI * np.exp(-0.5 * np.minimum(x * x, 1400.0))


def _price(x: _Terms) -> FloatArray:
    value = x.sign * (x.forward * ndtr(x.sign * x.d1) - x.strike * ndtr(x.sign * x.d2))
    return np.maximum(value, 0.0)


def price(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return the option's value in quote currency per coin; never negative.

    Source: F. Black, "The pricing of commodity contracts", 1976, with no discounting.
    """
    return _price(_terms(forward, strike, years, volatility, is_call))


def delta(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return coins of the forward per option: N(d1) for a call (0 to 1), N(d1) - 1 for a put (-1 to 0).

    Undiscounted and without the premium adjustment some coin-margined books use.
    """
    x = _terms(forward, strike, years, volatility, is_call)
    return x.sign * ndtr(x.sign * x.d1)


def gamma(forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike) -> FloatArray:
    """Return the change of delta per 1 unit of quote currency of the forward; positive, equal for call and put."""
    x = _terms(forward, strike, years, volatility, True)
    return _density(x.d1) / (x.forward * x.volatility * x.root_years)


def vega(forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike) -> FloatArray:
    """Return quote currency per coin for 1 volatility point (0.01); positive, equal for call and put."""
    x = _terms(forward, strike, years, volatility, True)
    return x.forward * _density(x.d1) * x.root_years / 100.0


def theta(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return quote currency per coin per calendar day; negative or zero.

    On the last day only the part of a day that is left decays, and no more can be lost than the option is worth: so
    a call and a put of one strike differ near expiry. That cap is Deribit's, found in its recorded tickers.
    """
    x = _terms(forward, strike, years, volatility, is_call)
    return _theta(x, _price(x))


def _theta(x: _Terms, value: FloatArray) -> FloatArray:
    per_day = x.forward * _density(x.d1) * x.volatility / (2.0 * x.root_years) / _DAYS_PER_YEAR
    return -np.minimum(per_day * np.minimum(1.0, x.years * _DAYS_PER_YEAR), value)


def rho(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return quote currency per coin for 1 percentage point of interest: positive for a call, negative for a put."""
    x = _terms(forward, strike, years, volatility, is_call)
    return x.sign * x.strike * x.years * ndtr(x.sign * x.d2) / 100.0


def greeks(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike
) -> Greeks:
    """Return price and all greeks in one pass; each as the function of its name says."""
    x = _terms(forward, strike, years, volatility, is_call)
    value = _price(x)
    density = _density(x.d1)
    return Greeks(
        price=value,
        delta=x.sign * ndtr(x.sign * x.d1),
        gamma=density / (x.forward * x.volatility * x.root_years),
        vega=x.forward * density * x.root_years / 100.0,
        theta=_theta(x, value),
        rho=x.sign * x.strike * x.years * ndtr(x.sign * x.d2) / 100.0,
    )


def implied_volatility(
    value: ArrayLike, forward: ArrayLike, strike: ArrayLike, years: ArrayLike, is_call: ArrayLike
) -> FloatArray:
    """Return the volatility, as a fraction, whose Black-76 price is `value` (quote currency per coin).

    Not-a-number where none exists: at or below intrinsic value, at or above the bound (forward for a call, strike for a
    put), or after expiry. Newton's method on the out-of-the-money side, from the point where vega is largest
    (Manaster and Koehler 1982), kept inside a shrinking bracket so that flat wings cannot throw it out.
    """
    v, f, k, t, call = np.broadcast_arrays(
        np.asarray(value, dtype=np.float64),
        np.asarray(forward, dtype=np.float64),
        np.asarray(strike, dtype=np.float64),
        np.asarray(years, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )
    sign = np.where(call, 1.0, -1.0)
    time_value = v - np.maximum(sign * (f - k), 0.0)  # equals the price of the out-of-the-money twin, by parity
    bound = np.minimum(f, k)
    solvable = (t > 0.0) & (time_value > bound * _TINY) & (time_value < bound)
    out = np.full(v.shape, np.nan)
    if not solvable.any():
        return out
    f, k, t, target = f[solvable], k[solvable], t[solvable], time_value[solvable]
    otm_call = k >= f
    low = np.full(target.shape, 1e-6)
    high = np.full(target.shape, _MAX_VOLATILITY)
    guess = np.clip(np.sqrt(2.0 * np.abs(np.log(f / k)) / t), 0.05, 10.0)
    for _ in range(_NEWTON_STEPS):
        x = _terms(f, k, t, guess, otm_call)
        error = _price(x) - target
        if np.all(np.abs(error) <= 1e-10 * bound[solvable]):
            break
        above = error > 0.0
        high = np.where(above, guess, high)
        low = np.where(above, low, guess)
        slope = np.maximum(x.forward * _density(x.d1) * x.root_years, 1e-300)
        with np.errstate(over="ignore"):
            step = guess - error / slope
        guess = np.where((step > low) & (step < high), step, 0.5 * (low + high))
    out[solvable] = guess
    return out
