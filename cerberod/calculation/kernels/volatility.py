"""Volatility: what analytics tells in fractions, told in percent."""

import numpy as np

from cerberod.analytics import garch, volatility
from cerberod.analytics.volatility import Estimator
from cerberod.calculation.kernels.telling import basis, called, percent, values
from cerberod.calculation.methods import volatility as told

YEARLY = "Variance of log prices for one bar times periods_per_year, square root, in percent."


def realized_vol(p: told.RealizedVol) -> told.Realized:
    estimator = Estimator(p.estimator)
    found = volatility.realised(
        p.close, p.periods_per_year, estimator, open=p.open, high=p.high, low=p.low, mean_zero=p.mean_zero
    )
    rolling = None
    if p.window is not None:
        rolling = volatility.rolling(
            p.close, p.periods_per_year, p.window, estimator, open=p.open, high=p.high, low=p.low, mean_zero=p.mean_zero
        )
    return told.Realized(
        basis=basis(p, len(p.close), YEARLY),
        volatility_pct=100.0 * found.volatility,
        variance_per_period=found.variance,
        observations=found.observations,
        rolling_pct=None if rolling is None else values(rolling, 100.0),
    )


def vol_cone(p: told.VolCone) -> told.Cone:
    with called(window_lengths="windows"):
        found = volatility.cone(
            p.close,
            p.periods_per_year,
            p.windows,
            p.percentiles,
            Estimator(p.estimator),
            open=p.open,
            high=p.high,
            low=p.low,
            mean_zero=p.mean_zero,
        )
    return told.Cone(
        basis=basis(p, len(p.close), YEARLY + " Windows overlap by all but one observation."),
        observations=found.observations,
        percentiles=p.percentiles,
        rows=[
            told.ConeRow(
                window=row.window,
                percentiles_pct=percent(row.percentiles),
                min_pct=100.0 * row.minimum,
                mean_pct=100.0 * row.mean,
                max_pct=100.0 * row.maximum,
                current_pct=100.0 * row.current,
                rank_pct=row.rank,
                windows=row.count,
                independent_windows=row.independent,
            )
            for row in found.rows
        ],
    )


def garch11_forecast(p: told.GarchForecast) -> told.Garch:
    with called(returns="close"):
        found = garch.fit(
            volatility.log_returns(p.close),
            p.periods_per_year,
            p.horizon,
            mean_kind=garch.Mean(p.mean),
            variance_targeting=p.variance_targeting,
        )
    reason = None
    if found.unconditional_volatility is None:
        reason = "integrated"
    elif found.half_life is None:
        reason = "no_shocks"
    convention = (
        "h[t] = omega + alpha e[t-1]^2 + beta h[t-1] on log returns; the variance before the first is the mean of the "
        "first 75 squared deviations weighted by powers of 0.94."
    )
    return told.Garch(
        basis=basis(p, len(p.close), convention),
        observations=found.observations,
        converged=found.converged,
        ending=str(found.ending.value),
        iterations=found.iterations,
        log_likelihood=found.log_likelihood,
        mean=found.mean,
        omega=found.omega,
        alpha=found.alpha,
        beta=found.beta,
        persistence=found.persistence,
        half_life=found.half_life,
        unconditional_volatility_pct=(
            None if found.unconditional_volatility is None else 100.0 * found.unconditional_volatility
        ),
        reason=reason,
        last_volatility_pct=100.0 * float(np.sqrt(found.variances[-1] * found.periods_per_year)),
        forecast_pct=percent(found.forecast_volatilities),
        term_pct=percent(found.term_volatilities),
    )
