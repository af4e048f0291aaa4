"""The one function behind every Black price: an out-of-the-money option in units of the root of forward times strike.

With x = ln(F/K) and the total deviation s = sigma sqrt(T), Black's undiscounted call divided by sqrt(F K) is

    b(x, s) = e^(x/2) N(x/s + s/2) - e^(-x/2) N(x/s - s/2)

(P. Jäckel, "By implication", Wilmott, 2006), and for x <= 0 it is the out-of-the-money one. Written like this it
loses all its digits in the wings, where the two terms cancel. Here it is written with Y(z) = N(z) / phi(z):

    b = phi(h) phi(t) sqrt(2 pi) [Y(h + t) - Y(h - t)],   h = x/s, t = s/2

whose bracket (the `spread`) is the inverse of d ln b / d s and keeps its digits however small b is. Where h + t and
h - t are close, their difference is summed as a Taylor series instead (Jäckel's "Let's be rational", 2015, has the
same idea in another form). Nothing here checks its arguments.
"""

import numpy as np
from scipy.special import erfcx, ndtr

from cerberod.analytics.arrays import FloatArray

_ROOT_HALF_PI = 1.2533141373155003
_ROOT_HALF = 0.7071067811865476
LN_ROOT_TWO_PI = 0.9189385332046728
_SMALL_T = 0.02
_PLAIN_ABOVE = 0.5
_ORDERS = 9
"""Up to the ninth derivative: for t below `_SMALL_T` the next term is under 1e-16 of the sum."""


def log_moneyness(forward: FloatArray, strike: FloatArray) -> FloatArray:
    """Return ln(forward / strike), to full relative precision near the money too."""
    near = np.abs(forward - strike) < 0.25 * strike
    ratio = np.where(near, (forward - strike) / strike, 0.0)
    out: FloatArray = np.where(near, np.log1p(ratio), np.log(forward) - np.log(strike))
    return out


def mills(z: FloatArray) -> FloatArray:
    """Return N(z) / phi(z)."""
    out: FloatArray = _ROOT_HALF_PI * erfcx(-_ROOT_HALF * z)
    return out


def spread(h: FloatArray, t: FloatArray) -> FloatArray:
    """Return Y(h + t) - Y(h - t), positive, for h <= 0 < t and h + t <= 1/2 (beyond that it soon overflows)."""
    out = mills(h + t) - mills(h - t)
    small = t < _SMALL_T
    if small.any():
        out[small] = _spread_of_small(h[small], t[small])
    return out


def _spread_of_small(h: FloatArray, t: FloatArray) -> FloatArray:
    # Y' = 1 + z Y and, differentiating on, Y^(n+1) = z Y^(n) + n Y^(n-1); only odd orders survive the difference.
    before, now = mills(h), 1.0 + h * mills(h)
    power = t.copy()
    total = now * power
    for order in range(1, _ORDERS):
        before, now = now, h * now + order * before
        power = power * t / (order + 1)
        if order % 2 == 0:
            total = total + now * power
    return 2.0 * total


def price_at_turn(x: FloatArray, s: FloatArray) -> FloatArray:
    """Return b(x, s) at s = sqrt(-2 x), where h + t is 0 and half of the bracket a constant; for x <= 0."""
    t = 0.5 * s
    between = _ROOT_HALF_PI - mills(-s)
    small = t < _SMALL_T
    if small.any():
        between[small] = _spread_of_small(-t[small], t[small])
    out: FloatArray = np.exp(0.5 * x - LN_ROOT_TWO_PI) * between
    return out


def price(x: FloatArray, s: FloatArray) -> FloatArray:
    """Return b(x, s) for x <= 0 < s, arrays of one shape: relative error below 1e-11 as long as it is no denormal.

    (Below 1e-13 wherever |x|/s is under 10.) Zero where it is too small for a float.
    """
    h, t = x / s, 0.5 * s
    plain = h + t > _PLAIN_ABOVE
    some = bool(plain.any())
    low_h, low_t = (np.where(plain, -1.0, h), np.where(plain, 1.0, t)) if some else (h, t)
    out: FloatArray = np.exp(-0.5 * np.minimum(low_h * low_h + low_t * low_t, 1490.0) - LN_ROOT_TWO_PI)
    out *= spread(low_h, low_t)
    if some:
        h, t, grown = h[plain], t[plain], np.exp(0.5 * x[plain])
        out[plain] = grown * ndtr(h + t) - ndtr(h - t) / grown
    return out
