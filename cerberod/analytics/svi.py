"""A whole smile as five numbers: the raw SVI parameters of one expiry, their fit, and what they allow to be arbitraged.

Raw SVI gives total variance (volatility squared times years) against log-moneyness k = ln(K/F):

    w(k) = a + b [rho (k - m) + sqrt((k - m)^2 + sigma^2)]

Source: J. Gatheral, "A parsimonious arbitrage-free implied volatility parameterization" (2004); notation and checks of
J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14 (2014).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics.arrays import FloatArray, finite, positive, same_length, series
from cerberod.analytics.black import black_76
from cerberod.analytics.smile import Smile
from cerberod.errors import AnalyticsRefused

_LEAST_STRIKES = 5
_STEEPEST = 2.0
"""Lee's bound: a steeper wing of total variance has no finite moments (R. Lee, 2004)."""
_GRID = 2001
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Svi:
    """Raw parameters of one expiry: `b` >= 0, |`rho`| < 1, `sigma` > 0, and a + b sigma sqrt(1 - rho^2) >= 0."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float


@dataclass(frozen=True)
class SviFit:
    """A fit and how good it is: errors are of volatility, as fractions; `bounds_hit` names what is at its limit."""

    parameters: Svi
    root_mean_square_error: float
    largest_error: float
    points: int
    converged: bool
    bounds_hit: tuple[str, ...]


@dataclass(frozen=True)
class ButterflyCheck:
    """Whether the density that a slice implies is nowhere negative.

    `least_g` is the smallest value of Durrleman's function g on the range checked, at log-moneyness `at`; `wings_free`
    tells whether both wings stay below Lee's bound, so that g stays non-negative beyond it and calls go to zero: with
    a wing as steep as the bound a call far out of the money is still worth half the forward.
    """

    free: bool
    least_g: float
    at: float
    wings_free: bool
    low: float
    high: float


@dataclass(frozen=True)
class CalendarCheck:
    """Whether total variance nowhere falls from the nearer to the farther expiry.

    `least_gain` is the smallest w_far - w_near on the range checked, at log-moneyness `at`; `wings_free` compares the
    slopes of the wings, which decide beyond it.
    """

    free: bool
    least_gain: float
    at: float
    wings_free: bool
    low: float
    high: float


def make_svi(a: float, b: float, rho: float, m: float, sigma: float) -> Svi:
    """Return checked raw parameters; refuses those that make total variance negative somewhere."""
    for field, value in (("a", a), ("b", b), ("rho", rho), ("m", m), ("sigma", sigma)):
        finite(field, value)
    if b < 0.0:
        raise AnalyticsRefused("b", "must not be negative")
    if not -1.0 < rho < 1.0:
        raise AnalyticsRefused("rho", "must lie between -1 and 1")
    if sigma <= 0.0:
        raise AnalyticsRefused("sigma", "must be greater than 0")
    if a + b * sigma * (1.0 - rho * rho) ** 0.5 < 0.0:
        raise AnalyticsRefused("a", "must leave the least total variance a + b sigma sqrt(1 - rho^2) at 0 or above")
    return Svi(float(a), float(b), float(rho), float(m), float(sigma))


def total_variance(svi: Svi, log_moneyness: ArrayLike) -> FloatArray:
    """Return w(k), of the shape of `log_moneyness`; not negative up to rounding."""
    k = finite("log_moneyness", log_moneyness) - svi.m
    return np.asarray(svi.a + svi.b * (svi.rho * k + np.hypot(k, svi.sigma)))


def svi_volatility(svi: Svi, log_moneyness: ArrayLike, years: float) -> FloatArray:
    """Return sqrt(w(k) / T) as a fraction, of the shape of `log_moneyness`; `years` is one positive number."""
    return np.asarray(np.sqrt(np.maximum(total_variance(svi, log_moneyness), 0.0) / positive("years", years)))


def durrleman(svi: Svi, log_moneyness: ArrayLike) -> FloatArray:
    """Return g(k), which has the sign of the implied density; 0 where total variance is 0.

    Source: Gatheral and Jacquier (2014): g = (1 - k w'/(2 w))^2 - w'^2/4 (1/w + 1/4) + w''/2.
    """
    k = finite("log_moneyness", log_moneyness)
    away = k - svi.m
    root = np.hypot(away, svi.sigma)
    w = total_variance(svi, k)
    slope = svi.b * (svi.rho + away / root)
    bend = svi.b * svi.sigma**2 / root**3
    nothing = w <= 1e-100
    safe = np.where(nothing, 1.0, w)
    g = (1.0 - 0.5 * k * slope / safe) ** 2 - 0.25 * slope**2 * (1.0 / safe + 0.25) + 0.5 * bend
    return np.asarray(np.where(nothing, 0.0, g))


def check_butterfly(svi: Svi, low: float = -2.0, high: float = 2.0) -> ButterflyCheck:
    """Look for butterfly arbitrage for log-moneyness from `low` to `high`, and by the wings' slopes beyond.

    The least g is searched on 2001 levels and again between the neighbours of the least.
    """
    at, least = _least(lambda k: durrleman(svi, k), low, high)
    wings = svi.b * (1.0 + abs(svi.rho)) < _STEEPEST
    return ButterflyCheck(wings and least >= -_ROUNDING, least, at, wings, low, high)


def check_calendar(near: Svi, far: Svi, low: float = -2.0, high: float = 2.0) -> CalendarCheck:
    """Look for calendar arbitrage between a nearer and a farther expiry, at equal log-moneyness of each one's forward.

    Source: Gatheral and Jacquier (2014): free exactly when total variance does not fall with time.
    """
    at, least = _least(lambda k: total_variance(far, k) - total_variance(near, k), low, high)
    wings = all(far.b * (1.0 + side * far.rho) >= near.b * (1.0 + side * near.rho) - _ROUNDING for side in (-1.0, 1.0))
    return CalendarCheck(wings and least >= -_ROUNDING, least, at, wings, low, high)


def _least(f: Callable[[FloatArray], FloatArray], low: float, high: float) -> tuple[float, float]:
    if not -50.0 <= low < high <= 50.0:
        raise AnalyticsRefused("low", "low and high must be increasing and within 50")
    at, least = low, np.inf
    for _ in range(3):
        grid = np.linspace(low, high, _GRID)
        values = f(grid)
        best = int(np.argmin(values))
        at, least = float(grid[best]), float(values[best])
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
    return at, least


def fit_svi(smile: Smile, weights: ArrayLike | None = None) -> SviFit:
    """Fit raw SVI to a smile of at least five strikes by weighted least squares of volatility.

    The search runs over the least total variance, the slopes of both wings, m and sigma, in which all that must hold
    (no negative variance, Lee's bound) is a box. It starts from the best places of a grid of m and sigma, where the
    other parameters follow from linear least squares. `weights` multiply squared errors: by default each strike's vega,
    so that far wings, which no price pins down, do not bend the middle; 1/spread^2 is usual too. Butterflies are not
    excluded: check the result. Errors told are unweighted.

    Source: starting points after S. De Marco and C. Martini, "Quasi-explicit calibration of Gatheral's SVI model",
    Zeliade (2009); the box is our own.
    """
    # Imported here because few calls fit anything and the import takes longer than most calls.
    from scipy.optimize import least_squares

    series("strike", smile.strike, least=_LEAST_STRIKES)
    k, volatility, years = smile.log_moneyness, smile.volatility, smile.years
    weight = _vega(smile) if weights is None else positive("weights", weights)
    same_length("strike", smile.strike, weights=weight)
    root_weight = np.sqrt(weight / weight.mean())
    w = volatility**2 * years
    width = float(k[-1] - k[0])
    lower = np.array([1e-3 * w.min(), 0.0, 0.0, k[0] - width, 1e-4 * width])
    upper = np.array([2.0 * w.max(), _STEEPEST, _STEEPEST, k[-1] + width, 5.0 * width])
    scale = np.array([w.mean(), w.mean() / width, w.mean() / width, width, width])

    def errors(x: FloatArray) -> FloatArray:
        out: FloatArray = root_weight * (np.sqrt(_box_variance(x, k) / years) - volatility)
        return out

    def slopes(x: FloatArray) -> FloatArray:
        out: FloatArray = (root_weight / (2.0 * np.sqrt(_box_variance(x, k) * years)))[:, None] * _box_slopes(x, k)
        return out

    starts = _starts(k, w, weight / volatility**2, lower, upper)
    found = [
        least_squares(
            errors,
            start,
            slopes,
            bounds=(lower, upper),
            x_scale=scale,
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
            max_nfev=400,
        )
        for start in starts
    ]
    best = min(found, key=lambda one: float(one.cost))
    x = np.asarray(best.x)
    error = np.sqrt(_box_variance(x, k) / years) - volatility
    names = ("least_variance", "left_slope", "right_slope", "m", "sigma")
    near = 1e-6 * (upper - lower)
    return SviFit(
        parameters=_from_box(x),
        root_mean_square_error=float(np.sqrt(np.mean(error**2))),
        largest_error=float(np.max(np.abs(error))),
        points=k.size,
        converged=bool(best.status > 0),
        bounds_hit=tuple(
            name for name, hit in zip(names, (x - lower < near) | (upper - x < near), strict=True) if bool(hit)
        ),
    )


def _vega(smile: Smile) -> FloatArray:
    vega = black_76(smile.forward, smile.strike, smile.years, smile.volatility, True).vega
    most = float(vega.max())
    # All strikes may be so far out that none has any; then all count alike.
    return np.maximum(vega / most, 1e-6) if most > 1e-100 * smile.forward else np.ones_like(vega)


def _box_variance(x: FloatArray, k: FloatArray) -> FloatArray:
    # With wing slopes l, r >= 0: b rho = (r - l)/2, b = (r + l)/2, b sigma sqrt(1 - rho^2) = sigma sqrt(l r).
    least, left, right, m, sigma = x
    away = k - m
    out: FloatArray = (
        least - sigma * np.sqrt(left * right) + 0.5 * ((right - left) * away + (right + left) * np.hypot(away, sigma))
    )
    return np.asarray(np.maximum(out, least))


def _box_slopes(x: FloatArray, k: FloatArray) -> FloatArray:
    _, left, right, m, sigma = x
    away = k - m
    root = np.hypot(away, sigma)
    mean = np.sqrt(max(left * right, 1e-300))
    one = np.ones_like(k)
    return np.column_stack(
        [
            one,
            0.5 * (root - away) - 0.5 * sigma * min(right / mean, 1e6) * one,
            0.5 * (root + away) - 0.5 * sigma * min(left / mean, 1e6) * one,
            -0.5 * ((right - left) + (right + left) * away / root),
            0.5 * (right + left) * sigma / root - np.sqrt(left * right),
        ]
    )


def _from_box(x: FloatArray) -> Svi:
    least, left, right, m, sigma = (float(v) for v in x)
    b = 0.5 * (left + right)
    rho = min(max((right - left) / (2.0 * b), -1.0 + 1e-12), 1.0 - 1e-12) if b > 0.0 else 0.0
    return Svi(least - sigma * (left * right) ** 0.5, b, rho, m, sigma)


def _starts(k: FloatArray, w: FloatArray, weight: FloatArray, lower: FloatArray, upper: FloatArray) -> list[FloatArray]:
    """Return the three best of a grid of (m, sigma), with w = a + d y + c sqrt(1 + y^2) solved for a, d, c."""
    width = float(k[-1] - k[0])
    root = np.sqrt(weight / weight.mean())
    tried: list[tuple[float, FloatArray]] = []
    for m in np.linspace(k[0] - 0.1 * width, k[-1] + 0.1 * width, 9):
        for sigma in width * np.array([0.02, 0.06, 0.15, 0.4, 1.0]):
            y = (k - m) / sigma
            design = np.column_stack([np.ones_like(y), y, np.hypot(1.0, y)]) * root[:, None]
            (a, d, c), *_ = np.linalg.lstsq(design, w * root, rcond=None)
            c = max(c, 1e-9)
            d = min(max(d, -0.999 * c), 0.999 * c)
            left, right = (c - d) / sigma, (c + d) / sigma
            inside = 1e-6 * (upper - lower)  # the search may not start on its bounds
            x = np.array([a + np.sqrt(c * c - d * d), left, right, m, sigma])
            x = np.clip(x, lower + inside, upper - inside)
            tried.append((float(np.sum(weight * (_box_variance(x, k) - w) ** 2)), x))
    tried.sort(key=lambda one: one[0])
    return [x for _, x in tried[:3]]
