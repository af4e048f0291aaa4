"""How volatile a series was, how that compares with its past, and what a GARCH model expects. In percent a year."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.words import (
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    PERIODS_PER_YEAR,
    Basis,
    Period,
    PeriodsPerYear,
    Series,
    Values,
)
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

EstimatorName = Literal["close_to_close", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang"]
ESTIMATOR = (
    "close_to_close needs `close` alone; parkinson `high` and `low` too; garman_klass, rogers_satchell and yang_zhang "
    "all four."
)
MEAN_ZERO = "Take the expected return for zero (divisor n), as variance swaps do; close_to_close only."
Percentile = Annotated[float, Field(ge=0, le=100)]


class OfEstimator(Params):
    """Bars, and how to measure their volatility."""

    close: Series = Field(description=CLOSE, examples=[examples.MIDDLE_CLOSE])
    open: Series | None = Field(default=None, description=OPEN)
    high: Series | None = Field(default=None, description=HIGH)
    low: Series | None = Field(default=None, description=LOW)
    estimator: EstimatorName = Field(default="close_to_close", description=ESTIMATOR)
    mean_zero: bool = Field(default=False, description=MEAN_ZERO)
    periods_per_year: PeriodsPerYear = Field(default=365.0, description=PERIODS_PER_YEAR)


class RealizedVol(OfEstimator):
    """Bars, how to measure their volatility, and over how many of them."""

    window: Period | None = Field(
        default=None, description="Also return the volatility of each window of so many observations; at least 3."
    )


class Realized(Result):
    """What the volatility was."""

    basis: Basis = Field(description="What it was made from.")
    volatility_pct: float = Field(description="Realised volatility over all bars, percent a year.")
    variance_per_period: float = Field(description="The variance of one bar's log price behind it; a fraction.")
    observations: int = Field(description="Moves that went in: one less than bars where the close before is needed.")
    rolling_pct: Values | None = Field(
        description="The same over each window, at the window's last bar, percent a year; null unless asked for."
    )


REALIZED = Kernel("volatility", "realized_vol", RealizedVol, Realized, 9_000)


@method("common.realized_vol", cost=2, deadline=Deadline.ANALYTICS)
async def realized_vol(call: Call, params: RealizedVol) -> Realized:
    """Return what the volatility of bars was, by one of five estimators, in percent.

    Annualised by the root of `periods_per_year`. Sample variance of log returns; Parkinson 1980; Garman and Klass 1980;
    Rogers and Satchell 1991; Yang and Zhang 2000. A series that stands still is refused: its zero would look like
    safety.
    """
    return await call.use(Calculation).run(REALIZED, params)


class VolCone(OfEstimator):
    """Bars, windows and percentiles."""

    windows: Annotated[list[Period], Field(min_length=1, max_length=50)] = Field(
        default=[7, 14, 30, 60, 90], description="Lengths in observations, each at least 3 and within the series."
    )
    percentiles: Annotated[list[Percentile], Field(min_length=1, max_length=50)] = Field(
        default=[5.0, 25.0, 50.0, 75.0, 95.0], description="Percentiles to tell, 0 to 100."
    )


class ConeRow(Result):
    """All windows of one length; volatilities in percent a year."""

    window: int = Field(description="Length in observations.")
    percentiles_pct: list[float] = Field(description="The percentiles asked for, linear between order statistics.")
    min_pct: float = Field(description="The least.")
    mean_pct: float = Field(description="The mean.")
    max_pct: float = Field(description="The greatest.")
    current_pct: float = Field(description="That of the last window.")
    rank_pct: float = Field(description="Share of all windows that were not above the current one, in percent.")
    windows: int = Field(description="How many windows there were; they overlap.")
    independent_windows: int = Field(description="How many fit side by side: what the statistics really rest on.")


class Cone(Result):
    """The distribution of realised volatility by window."""

    basis: Basis = Field(description="What it was made from.")
    observations: int = Field(description="Moves that went in.")
    percentiles: list[float] = Field(description="Which percentiles each row tells, 0 to 100.")
    rows: list[ConeRow] = Field(description="One for each window asked for, in that order.")


def _cone_size(params: VolCone) -> int:
    """Each window is a pass of its own, and a short pass costs no less than a thousand bars."""
    return len(params.windows) * max(len(params.close), 1_000)


CONE = Kernel("volatility", "vol_cone", VolCone, Cone, 7_000, _cone_size)


@method("common.vol_cone", cost=10, deadline=Deadline.ANALYTICS)
async def vol_cone(call: Call, params: VolCone) -> Cone:
    """Return how realised volatility was distributed for each window, in percent.

    Windows overlap, and each row says how many would not. G. Burghardt and M. Lane, "How to tell if options are cheap",
    Journal of Portfolio Management 16(2), 1990.
    """
    return await call.use(Calculation).run(CONE, params)


class GarchForecast(Params):
    """A series of closes, and how far to look ahead."""

    close: Series = Field(description=CLOSE + " At least 101.", examples=[examples.MIDDLE_CLOSE])
    periods_per_year: PeriodsPerYear = Field(default=365.0, description=PERIODS_PER_YEAR)
    horizon: Annotated[int, Field(ge=1, le=1_000)] = Field(default=10, description="Bars to forecast.")
    mean: Literal["constant", "zero"] = Field(default="constant", description="The expected return: fitted, or zero.")
    variance_targeting: bool = Field(
        default=False, description="Fix omega so that the unconditional variance is the sample's."
    )


class Garch(Result):
    """A fitted GARCH(1,1) and its forecast. Variances are of log returns of one bar, as fractions."""

    basis: Basis = Field(description="What it was made from.")
    observations: int = Field(description="Log returns that were fitted.")
    converged: bool = Field(description="True when the likelihood was maximised; the parameters mean little otherwise.")
    ending: str = Field(description="How the search ended.")
    iterations: int = Field(description="Steps of the search.")
    log_likelihood: float = Field(description="Gaussian log-likelihood, all constants included.")
    mean: float = Field(description="Expected log return of one bar.")
    omega: float = Field(description="Constant of the variance, for one bar.")
    alpha: float = Field(description="Weight of the last squared deviation.")
    beta: float = Field(description="Weight of the last variance.")
    persistence: float = Field(description="alpha + beta.")
    half_life: float | None = Field(
        description="Bars until half of a shock to variance is gone; null at persistence 1 and where alpha is 0."
    )
    unconditional_volatility_pct: float | None = Field(
        description="What the volatility returns to, percent a year; null at persistence 1."
    )
    reason: str | None = Field(description="Why a value is null: integrated or no_shocks; null when none is.")
    last_volatility_pct: float = Field(description="Fitted volatility of the last bar given, percent a year.")
    forecast_pct: list[float] = Field(description="Volatility of each of the next bars, percent a year.")
    term_pct: list[float] = Field(description="Volatility of the next 1, 2, 3 … bars together, percent a year.")


GARCH = Kernel("volatility", "garch11_forecast", GarchForecast, Garch, 0)


@method("common.garch11_forecast", cost=200, deadline=Deadline.ANALYTICS)
async def garch11_forecast(call: Call, params: GarchForecast) -> Garch:
    """Fit a GARCH(1,1) by maximum likelihood and forecast volatility, in percent.

    h[t] = omega + alpha e[t-1]^2 + beta h[t-1] on the log returns of the closes, normal errors. T. Bollerslev, Journal
    of Econometrics 31(3), 1986; variance targeting: Engle and Mezrich, Risk 9(8), 1996.
    """
    return await call.use(Calculation).run(GARCH, params)
