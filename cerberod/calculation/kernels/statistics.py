"""Memory, reversion and cointegration."""

import numpy as np

from cerberod.analytics import cointegration, reversion, volatility
from cerberod.analytics.arrays import FloatArray, finite, series
from cerberod.analytics.cointegration import SpreadTest
from cerberod.analytics.dickey_fuller import LagCriterion
from cerberod.analytics.hurst import Hurst, HurstMethod, hurst
from cerberod.analytics.mackinnon import Trend
from cerberod.calculation.kernels.telling import basis, called
from cerberod.calculation.methods import statistics as told

TRENDS = {"constant": Trend.CONSTANT, "constant_and_line": Trend.CONSTANT_AND_LINE}


def hurst_exponent(p: told.HurstParams) -> told.Hurst:
    with called(close="series", increments="series"):
        increments = _increments(p)
        ranges = hurst(increments, HurstMethod.RESCALED_RANGE)
        fluctuations = hurst(increments, HurstMethod.DETRENDED_FLUCTUATIONS)
    convention = "Slope of the logarithm of the statistic against that of the block length; 95 % bands."
    return told.Hurst(
        basis=basis(p, len(p.series), convention),
        rescaled_range=_band(ranges),
        detrended_fluctuations=_band(fluctuations),
    )


def _increments(p: told.HurstParams) -> FloatArray:
    match p.kind:
        case "prices":
            return volatility.log_returns(p.series)
        case "levels":
            return np.diff(series("series", finite("series", p.series), least=2))
        case "increments":
            return finite("series", p.series)


def _band(found: Hurst) -> told.HurstBand:
    return told.HurstBand(
        exponent=found.exponent,
        low=found.low,
        high=found.high,
        noise_low=found.noise_low,
        noise_high=found.noise_high,
        used=found.used,
        block_sizes=found.block_sizes.tolist(),
        statistic=found.statistic.tolist(),
    )


def half_life_mean_reversion(p: told.HalfLifeParams) -> told.HalfLife:
    with called(level="series"):
        found = reversion.half_life(p.series)
    convention = "x[t] = c + phi x[t-1] + noise by least squares; ln 2 / -ln phi, in periods."
    return told.HalfLife(
        basis=basis(p, len(p.series), convention),
        half_life=found.half_life,
        half_life_error=found.half_life_error,
        reason=None if found.reason is None else found.reason.value,
        phi=found.phi,
        phi_error=found.standard_error,
        mean=found.mean,
        t_statistic=found.t_statistic,
        unit_root_rejected=found.unit_root_rejected,
        observations=found.observations,
    )


def cointegration_test(p: told.CointegrationParams) -> told.Cointegration:
    lags = p.lags if isinstance(p.lags, int) else LagCriterion(p.lags)
    found = cointegration.engle_granger(p.first, p.second, TRENDS[p.trend], lags)
    johansen = None
    if p.johansen_lags is not None:
        with called(lags="johansen_lags", series="first", **{"series[0]": "first", "series[1]": "second"}):
            johansen = cointegration.johansen([p.first, p.second], p.johansen_lags)
    convention = "Levels as given; augmented Dickey-Fuller on the spread; MacKinnon's p-values and critical values."
    return told.Cointegration(
        basis=basis(p, len(p.first), convention),
        first_on_second=_tested(found.first_on_second, whole=p.spread),
        second_on_first=_tested(found.second_on_first, whole=p.spread),
        johansen=None if johansen is None else _johansen(johansen),
    )


def _tested(found: SpreadTest, *, whole: bool) -> told.SpreadTest:
    one, five, ten = found.critical_values.tolist()
    return told.SpreadTest(
        hedge_ratio=found.hedge_ratio,
        intercept=found.intercept,
        line=found.line,
        r_squared=found.r_squared,
        statistic=found.statistic,
        p_value=found.p_value,
        critical_1pct=one,
        critical_5pct=five,
        critical_10pct=ten,
        lags=found.lags,
        half_life=found.half_life,
        half_life_reason=None if found.half_life_reason is None else found.half_life_reason.value,
        deviation=found.deviation,
        z_score=found.z_score,
        spread=found.spread.tolist() if whole else None,
    )


def _johansen(found: cointegration.Johansen) -> told.Johansen:
    return told.Johansen(
        rank=found.rank,
        eigenvalues=found.eigenvalues.tolist(),
        weights=found.weights.tolist(),
        trace=found.trace.tolist(),
        trace_critical=found.trace_critical.tolist(),
        largest=found.largest.tolist(),
        largest_critical=found.largest_critical.tolist(),
        lags=found.lags,
        observations=found.observations,
    )
