"""The volatility that a price implies, exact at the edges: near intrinsic value, near expiry, in the deep wings.

Every price is first turned into the undiscounted out-of-the-money one of the same strike, in units of the root of
forward times strike (see `normalised`), so that one well-conditioned equation in the total deviation s = sigma sqrt(T)
is left. It is solved by Halley's method on whichever of three forms of the equation is nearly straight there, kept
inside a bracket. Where no volatility exists, or the digits of the price do not hold one, the answer names the reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

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
from cerberod.analytics.black import MOST_DISCOUNT
from cerberod.errors import AnalyticsRefused

_STEPS = 40
_ROOT_TWO_PI = 2.5066282746310002
_LAST_STEP = 1e-6
_LEAST = 1e-12
_MOST = 100.0
"""Deviations searched. At 100 the price differs from its bound by less than e^-1000: no float shows it."""
_LEAST_TARGET = 1e-290
_DIGITS = 4.0 * float(np.finfo(np.float64).eps)


class ImpliedReason(IntEnum):
    """Why there is no implied volatility."""

    NONE = 0
    EXPIRED = 1
    """No time is left."""
    BELOW_INTRINSIC = 2
    """The price is less than exercise is worth: no volatility gives it."""
    AT_INTRINSIC = 3
    """The time value is zero, or below the last digits of the price: the volatility is anything from zero up."""
    AT_OR_ABOVE_BOUND = 4
    """The price reaches its bound (discounted forward for a call, strike for a put): no finite volatility gives it."""


@dataclass(frozen=True)
class ImpliedVolatility:
    """`volatility` as a fraction a year, masked where `reason` (of `ImpliedReason`) is not 0."""

    volatility: Masked
    reason: NDArray[np.uint8]


def implied_volatility(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    rate: ArrayLike = 0.0,
) -> ImpliedVolatility:
    """Return the volatilities whose Black-76 prices are `price`; arguments broadcast, as in `black_76`.

    For options on spot give the forward spot e^((r - q) T). The price of the result differs from `price` by less than
    1e-9 of the out-of-the-money price of that strike, plus the rounding of `price` itself: an option deep in the money
    holds its volatility only in the digits that intrinsic value leaves over.

    Source: the equation and its three forms follow P. Jäckel, "Let's be rational", Wilmott (2015); the bracket, the
    steps and the starting points are our own.
    """
    p, f, k, t, call, r = together(
        price=not_negative("price", price),
        forward=positive("forward", forward),
        strike=positive("strike", strike),
        years=finite("years", years),
        is_call=flags("is_call", is_call),
        rate=finite("rate", rate),
    )
    if np.any(np.abs(r * t) > MOST_DISCOUNT):
        raise AnalyticsRefused("rate", f"rate times years must stay within {MOST_DISCOUNT:g}")
    undiscounted = p * np.exp(r * t)
    time_value = undiscounted - np.maximum(np.where(call, f - k, k - f), 0.0)
    bound = np.minimum(f, k)
    target = np.maximum(time_value, 0.0) / np.sqrt(f) / np.sqrt(k)
    reason = np.zeros(p.shape, dtype=np.uint8)
    reason[time_value >= bound * (1.0 - _DIGITS)] = ImpliedReason.AT_OR_ABOVE_BOUND
    reason[(time_value <= _DIGITS * undiscounted) | (target < _LEAST_TARGET)] = ImpliedReason.AT_INTRINSIC
    reason[time_value < -_DIGITS * np.maximum(undiscounted, bound)] = ImpliedReason.BELOW_INTRINSIC
    reason[t <= 0.0] = ImpliedReason.EXPIRED
    solvable = reason == ImpliedReason.NONE
    out = np.zeros(p.shape)
    if solvable.any():
        f, k = f[solvable], k[solvable]
        problem = _Problem(
            x=-np.abs(normalised.log_moneyness(f, k)),
            target=target[solvable],
            missing=(bound - time_value)[solvable] / np.sqrt(f) / np.sqrt(k),
        )
        out[solvable] = _deviation(problem) / np.sqrt(t[solvable])
    return ImpliedVolatility(masked(out, ~solvable), reason)


@dataclass(frozen=True)
class _Problem:
    """Normalised prices b(x, s) = `target` to be solved for s; `missing` is what they lack to their bound e^(x/2)."""

    x: FloatArray
    target: FloatArray
    missing: FloatArray

    def where(self, chosen: BoolArray) -> "_Problem":
        return _Problem(self.x[chosen], self.target[chosen], self.missing[chosen])


def _deviation(problem: _Problem) -> FloatArray:
    """Return s with b(x, s) = target, for x <= 0 < target < e^(x/2)."""
    x, target = problem.x, problem.target
    # At s = sqrt(2 |x|) the price turns from convex to concave in s; vega is largest there.
    turn = np.sqrt(-2.0 * x)
    at_turn = normalised.price_at_turn(x, turn)
    low = (target < at_turn) & (turn > _LEAST)
    high = ~low & (target > problem.missing) & (target > at_turn)
    out = np.empty_like(target)
    forms: tuple[tuple[BoolArray, _Form, _Start, FloatArray, FloatArray], ...] = (
        (low, _low, _start_low, np.full_like(x, _LEAST), turn),
        (high, _high, _start, np.maximum(turn, _LEAST), np.full_like(x, _MOST)),
        (~low & ~high, _middle, _start, np.maximum(turn, _LEAST), np.full_like(x, _MOST)),
    )
    for chosen, form, start, least, most in forms:
        if chosen.any():
            out[chosen] = _solve(problem.where(chosen), form, start, least[chosen], most[chosen])
    return out


_Start = Callable[[_Problem, FloatArray, FloatArray], FloatArray]
"""Gives a first guess for s, given the bracket; it may lie outside."""
_Form = Callable[[_Problem, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]
"""Gives, at s: the error of one increasing form of the equation, its slope, and curvature over slope."""


def _curvature(x: FloatArray, s: FloatArray) -> FloatArray:
    """Return b'' / b', the derivatives being with respect to s."""
    return x * x / (s * s * s) - 0.25 * s


def _low(problem: _Problem, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    # -1 / ln b: nearly a parabola in s where b is tiny, because ln b goes as -x^2 / (2 s^2).
    h, t = problem.x / s, 0.5 * s
    spread = normalised.spread(h, t)  # b / b'
    ln_b = np.log(spread) - 0.5 * (h * h + t * t) - normalised.LN_ROOT_TWO_PI
    error = (ln_b - np.log(problem.target)) / (ln_b * np.log(problem.target))
    slope = 1.0 / (spread * ln_b * ln_b)
    return error, slope, _curvature(problem.x, s) - (1.0 + 2.0 / ln_b) / spread


def _middle(problem: _Problem, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    # b itself: concave from the turning point on.
    h, t = problem.x / s, 0.5 * s
    slope = np.exp(-0.5 * np.minimum(h * h + t * t, 1400.0)) / _ROOT_TWO_PI
    return normalised.price(problem.x, s) - problem.target, slope, _curvature(problem.x, s)


def _high(problem: _Problem, s: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    # -ln of what is missing to the bound: what is missing goes as e^(-s^2 / 8).
    h, t = problem.x / s, 0.5 * s
    missing = np.exp(0.5 * problem.x) * ndtr(-h - t) + np.exp(-0.5 * problem.x) * ndtr(h - t)
    ratio = np.exp(-0.5 * np.minimum(h * h + t * t, 1400.0)) / _ROOT_TWO_PI / np.maximum(missing, 1e-300)
    error = np.log(problem.missing) - np.log(np.maximum(missing, 1e-300))
    return error, ratio, _curvature(problem.x, s) + ratio


def _solve(problem: _Problem, form: _Form, start: _Start, least: FloatArray, most: FloatArray) -> FloatArray:
    """Return the root of each item, between `least` and `most`, both of which enclose it."""
    low, high = least.copy(), most.copy()
    s = start(problem, least, most)
    s = np.where((s > least) & (s < most), s, np.minimum(np.maximum(s, least * 1.0001), 0.99 * most))
    out = s.copy()
    left = np.arange(s.size)
    for _ in range(_STEPS):
        error, slope, bend = form(problem, s)
        above = error > 0.0
        high = np.where(above, s, high)
        low = np.where(above, low, s)
        newton = -error / np.maximum(slope, 1e-300)
        # Halley's correction, kept from turning the step round or blowing it up.
        step = newton / np.clip(1.0 + 0.5 * newton * bend, 0.5, 3.0)
        # Steps converge cubically, so that after one this small the next is below the rounding of the price.
        last = np.abs(step) <= _LAST_STEP * s
        new = s + step
        new = np.where(last | ((new > low) & (new < high)), new, np.sqrt(low) * np.sqrt(high))
        out[left] = new
        going = ~last
        if not going.any():
            break
        left, s, low, high = left[going], new[going], low[going], high[going]
        problem = problem.where(going)
    return out


def _start(problem: _Problem, least: FloatArray, most: FloatArray) -> FloatArray:
    """Return a first guess above the turning point: the tangent there, or the leading behaviour of what is missing."""
    upper = np.sqrt(np.maximum(-8.0 * np.log(np.minimum(problem.missing, 1.0)), 0.0)) * 0.8
    tangent = least + _ROOT_TWO_PI * np.exp(np.minimum(-0.5 * problem.x, 300.0)) * np.maximum(
        problem.target - normalised.price(problem.x, least), 0.0
    )
    return np.where(problem.target > problem.missing, np.maximum(upper, tangent), tangent)


def _start_low(problem: _Problem, least: FloatArray, most: FloatArray) -> FloatArray:
    """Return a first guess below the turning point: the deviation by which Bachelier's formula gives the price.

    With k = |x| / s that is b = |x| (phi(k) / k - N(-k)), one function of k for all options, inverted by a table.
    """
    by_distance = np.log(problem.target) - np.log(-problem.x)
    return np.asarray(-problem.x * np.exp(-np.interp(by_distance, _LN_PRICES, _LN_K)), dtype=np.float64)


_K = np.concatenate([np.geomspace(38.0, 1e-3, 512), [1e-4, 1e-6, 1e-9, 1e-12]])
_LN_K = np.log(_K)
_LN_PRICES = -0.5 * _K * _K - normalised.LN_ROOT_TWO_PI + np.log(1.0 / _K - normalised.mills(-_K))
