"""How long a series remembers, how fast it comes back, and whether it moves together with another."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.words import Basis, Series
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

LEVELS = "Levels, oldest first, evenly spaced: a spread, a rate or log prices; not their changes."


class HurstParams(Params):
    """A series and what it is."""

    series: Series = Field(
        description="The series, oldest first, evenly spaced; at least 256 increments.", examples=[examples.LONG_CLOSE]
    )
    kind: Literal["prices", "levels", "increments"] = Field(
        default="prices", description="prices (log returns are taken), levels (differences) or increments (as given)."
    )


class HurstBand(Result):
    """One estimate of the exponent."""

    exponent: float = Field(description="0.5: no memory; above: moves tend to go on; below: they tend to turn.")
    low: float = Field(description="Lower end of the 95 % band around it.")
    high: float = Field(description="Upper end of the 95 % band around it.")
    noise_low: float = Field(description="95 % of series of this length without memory are estimated above this.")
    noise_high: float = Field(description="95 % of series of this length without memory are estimated below this.")
    used: int = Field(description="Increments that went in, the latest.")
    block_sizes: list[int] = Field(description="Block lengths of the regression, in increments.")
    statistic: list[float] = Field(description="The statistic of each block length.")


class Hurst(Result):
    """The exponent, estimated twice."""

    basis: Basis = Field(description="What it was made from.")
    rescaled_range: HurstBand = Field(description="By rescaled range, corrected after Anis and Lloyd.")
    detrended_fluctuations: HurstBand = Field(description="By detrended fluctuation analysis.")


HURST = Kernel("statistics", "hurst_exponent", HurstParams, Hurst, 0)


@method("common.hurst_exponent", cost=20, deadline=Deadline.ANALYTICS)
async def hurst_exponent(call: Call, params: HurstParams) -> Hurst:
    """Return the Hurst exponent by rescaled range and by DFA, with 95 % bands.

    Anis and Lloyd, Biometrika 63(1), 1976; procedure and band: Weron, Physica A 312, 2002; DFA: Peng and others,
    Physical Review E 49(2), 1994. An estimate between `noise_low` and `noise_high` shows no memory.
    """
    return await call.use(Calculation).run(HURST, params)


class HalfLifeParams(Params):
    """A series of levels."""

    series: Series = Field(description=LEVELS + " At least 20.", examples=[examples.CLOSE])


class HalfLife(Result):
    """The regression x[t] = c + phi x[t-1] + noise."""

    basis: Basis = Field(description="What it was made from.")
    half_life: float | None = Field(description="Periods until half of a shock is gone; null with a reason.")
    half_life_error: float | None = Field(description="Its standard error, by the delta method; null without it.")
    reason: str | None = Field(description="not_mean_reverting (phi of 1 or above) or overshooting (0 or below).")
    phi: float = Field(description="The coefficient; biased down by about (1 + 3 phi)/n.")
    phi_error: float = Field(description="Its standard error.")
    mean: float | None = Field(description="The level it returns to; null when not mean-reverting.")
    t_statistic: float = Field(description="Dickey-Fuller statistic of phi = 1.")
    unit_root_rejected: bool = Field(
        description="Whether a random walk is rejected at 5 %; if not, one would show this half-life too."
    )
    observations: int = Field(description="Pairs of neighbours that were fitted.")


HALF_LIFE = Kernel("statistics", "half_life_mean_reversion", HalfLifeParams, HalfLife, 0)


@method("common.half_life_mean_reversion", cost=2, deadline=Deadline.ANALYTICS)
async def half_life_mean_reversion(call: Call, params: HalfLifeParams) -> HalfLife:
    """Return how many periods a series takes to come back half way to its mean.

    ln 2 / -ln phi of a first-order autoregression. E. Chan, "Algorithmic Trading", 2013; critical value:
    MacKinnon 2010.
    """
    return await call.use(Calculation).run(HALF_LIFE, params)


class CointegrationParams(Params):
    """Two series of levels."""

    first: Series = Field(description=LEVELS + " At least 20.", examples=[examples.CLOSE])
    second: Series = Field(description="As `first`, and as many.", examples=[examples.OTHER])
    trend: Literal["constant", "constant_and_line"] = Field(
        default="constant", description="What the regression of one on the other holds beside it."
    )
    lags: Annotated[int, Field(ge=0, le=200)] | Literal["aic", "bic"] = Field(
        default="aic", description="Lags of the test on the spread: a number, or the criterion that chooses it."
    )
    johansen_lags: Annotated[int, Field(ge=0, le=50)] | None = Field(
        default=None, description="Also return Johansen's test, with so many lagged changes."
    )
    spread: bool = Field(default=False, description="Return the whole spread of each direction, not only its end.")


class SpreadTest(Result):
    """One series regressed on the other: dependent = intercept + hedge_ratio x regressor (+ line x t) + spread."""

    hedge_ratio: float = Field(description="Units of the regressor to sell against one unit of the dependent.")
    intercept: float = Field(description="The constant.")
    line: float | None = Field(description="Slope of the straight line per period; null without one.")
    r_squared: float = Field(description="Share of the dependent's variance explained.")
    statistic: float = Field(description="Augmented Dickey-Fuller t-ratio of the spread; low is cointegrated.")
    p_value: float = Field(description="Probability of a statistic as low without cointegration (asymptotic).")
    critical_1pct: float = Field(description="Critical value at 1 % for this length.")
    critical_5pct: float = Field(description="Critical value at 5 % for this length.")
    critical_10pct: float = Field(description="Critical value at 10 % for this length.")
    lags: int = Field(description="Lags used.")
    half_life: float | None = Field(description="Half-life of the spread in periods; null with a reason.")
    half_life_reason: str | None = Field(description="not_mean_reverting or overshooting; null with a half-life.")
    deviation: float = Field(description="Standard error of the spread.")
    z_score: float = Field(description="The last spread over it; positive when the dependent is dear.")
    spread: list[float] | None = Field(description="The spread at each point; null unless asked for.")


class Johansen(Result):
    """How many independent cointegrating relations two series have."""

    rank: int = Field(description="0: none; 1: they are cointegrated; 2: both are stationary by themselves.")
    eigenvalues: list[float] = Field(description="Squared canonical correlations, greatest first.")
    weights: list[list[float]] = Field(description="Row r: the weights of relation r, variance of its spread 1.")
    trace: list[float] = Field(description="Trace statistic of at most 0, 1 relations.")
    trace_critical: list[list[float]] = Field(description="Its critical values at 10, 5, 1 %.")
    largest: list[float] = Field(description="Largest-eigenvalue statistic of at most 0, 1 relations.")
    largest_critical: list[list[float]] = Field(description="Its critical values at 10, 5, 1 %.")
    lags: int = Field(description="Lagged changes in each equation.")
    observations: int = Field(description="Points left for the regression.")


class Cointegration(Result):
    """Engle-Granger both ways, and Johansen if asked for."""

    basis: Basis = Field(description="What it was made from.")
    first_on_second: SpreadTest = Field(description="`first` is the dependent.")
    second_on_first: SpreadTest = Field(description="`second` is the dependent.")
    johansen: Johansen | None = Field(description="Johansen's test; null unless asked for.")


COINTEGRATION = Kernel("statistics", "cointegration_test", CointegrationParams, Cointegration, 0)


@method("common.cointegration_test", cost=50, deadline=Deadline.ANALYTICS)
async def cointegration_test(call: Call, params: CointegrationParams) -> Cointegration:
    """Test whether two series move together: Engle-Granger both ways, Johansen.

    The two ways differ in finite samples; picking the better one doubles its p-value at most. Engle and Granger,
    Econometrica 55(2), 1987; MacKinnon 1994 and 2010; S. Johansen, 1995.
    """
    return await call.use(Calculation).run(COINTEGRATION, params)
