"""The surface of a listed chain: columns in, fitted slices, a grid and arbitrage checks out."""

from itertools import pairwise

import numpy as np

from cerberod.analytics import smile as smiles
from cerberod.analytics import svi
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.smile import Smile
from cerberod.calculation.kernels.listed_smiles import TOO_FEW, Listed, atm, listed
from cerberod.calculation.listed import surface as told

_LEAST_TO_FIT = 5
_NEAR = 2.0
_ROUNDING = 1e-12


def surface(p: told.SurfaceParams) -> told.Surface:
    found = listed(p.chain)
    k = np.log(np.array(p.moneyness))
    fits = [None if each.smile is None or each.smile.strike.size < _LEAST_TO_FIT else _fitted(each) for each in found]
    calendars = [
        _calendar(near, a.parameters, far, b.parameters)
        for (near, a), (far, b) in pairwise([(e, f) for e, f in zip(found, fits, strict=True) if f is not None])
    ]
    free = [fit.butterfly_free for fit in fits if fit is not None] + [each.free for each in calendars]
    return told.Surface(
        definition=(
            "Raw SVI by least squares of volatility weighted by vega; k = ln(K/F) of each expiry's own forward; years "
            "of 365 days. Checks are of the fitted slices between listed strikes; wings are told apart."
        ),
        model=p.model,
        moneyness=p.moneyness,
        by_expiry=[_row(each, fit, k, p.model) for each, fit in zip(found, fits, strict=True)],
        calendar=calendars,
        arbitrage_free=all(free) if free else None,
    )


def _row(each: Listed, fit: told.Fit | None, k: FloatArray, model: str) -> told.SurfaceExpiry:
    iv: list[float | None] = [None] * k.size
    if each.smile is not None and (model == "linear" or fit is not None):
        marks = smiles.at_log_moneyness(each.smile, k).volatility
        if model == "svi" and fit is not None:
            read = svi.svi_volatility(_raw(fit.parameters), k, each.years)
            marks = np.ma.masked_array(read, mask=np.ma.getmaskarray(marks))
        iv = (100.0 * marks).tolist()
    missing = each.smile is None if model == "linear" else fit is None
    ends = (None, None) if each.smile is None else (each.smile.strike[0], each.smile.strike[-1])
    return told.SurfaceExpiry(
        expiry=each.name,
        days=each.days,
        forward=each.forward,
        lowest_moneyness=None if ends[0] is None else float(ends[0] / each.forward),
        highest_moneyness=None if ends[1] is None else float(ends[1] / each.forward),
        fit=fit,
        reason=TOO_FEW if missing else None,
        iv_pct=iv,
    )


def _fitted(each: Listed) -> told.Fit:
    assert each.smile is not None
    found = svi.fit_svi(each.smile)
    low, high = _range(each.smile)
    checked = svi.check_butterfly(found.parameters, low, high)
    raw = found.parameters
    return told.Fit(
        parameters=told.Svi(a=raw.a, b=raw.b, rho=raw.rho, m=raw.m, sigma=raw.sigma),
        rmse_points=100.0 * found.root_mean_square_error,
        largest_error_points=100.0 * found.largest_error,
        rmse_near_points=_near_error(each, raw),
        strikes=found.points,
        converged=found.converged,
        bounds_hit=list(found.bounds_hit),
        butterfly_free=checked.least_g >= -_ROUNDING,
        least_g=checked.least_g,
        least_g_moneyness=float(np.exp(checked.at)),
        wings_free=checked.wings_free,
    )


def _near_error(each: Listed, raw: svi.Svi) -> float | None:
    money = atm(each)
    if money is None or each.smile is None:
        return None
    k = each.smile.log_moneyness
    near = np.abs(k) <= _NEAR * money * each.years**0.5
    if not near.any():
        return None
    errors = svi.svi_volatility(raw, k[near], each.years) - each.smile.volatility[near]
    return float(100.0 * np.sqrt(np.mean(errors**2)))


def _range(smile: Smile) -> tuple[float, float]:
    """Return the outermost listed places; the check of a range needs it to have some width."""
    k = smile.log_moneyness
    return max(float(k[0]), -50.0), min(float(k[-1]), 50.0)


def _raw(parameters: told.Svi) -> svi.Svi:
    return svi.Svi(parameters.a, parameters.b, parameters.rho, parameters.m, parameters.sigma)


def _calendar(near: Listed, a: told.Svi, far: Listed, b: told.Svi) -> told.Calendar:
    assert near.smile is not None
    assert far.smile is not None
    ranges = _range(near.smile), _range(far.smile)
    low, high = max(each[0] for each in ranges), min(each[1] for each in ranges)
    if low >= high:  # no strikes in common: compare where at least one of them is known
        low, high = min(each[0] for each in ranges), max(each[1] for each in ranges)
    checked = svi.check_calendar(_raw(a), _raw(b), low, high)
    return told.Calendar(
        near=near.name,
        far=far.name,
        free=checked.least_gain >= -_ROUNDING,
        least_gain=checked.least_gain,
        least_gain_moneyness=float(np.exp(checked.at)),
        wings_free=checked.wings_free,
    )
