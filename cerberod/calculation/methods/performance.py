"""What a track record was worth for its risk, and how much may be lost."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.words import PERIODS_PER_YEAR, Basis, Period, PeriodsPerYear, Series, Values
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

RETURNS = "Simple returns of single periods as fractions (0.01 is 1 %), oldest first."
YearlyPercent = Annotated[float, Field(ge=-1000, le=1000)]


class SharpeParams(Params):
    """Returns and a window."""

    returns: Series = Field(description=RETURNS, examples=[examples.RETURNS])
    window: Period = Field(default=30, description="Returns in each window; at least 3.")
    periods_per_year: PeriodsPerYear = Field(default=365.0, description=PERIODS_PER_YEAR)
    risk_free_pct: YearlyPercent = Field(default=0.0, description="Riskless return, percent a year, spread evenly.")


class Sharpe(Result):
    """Sharpe ratios."""

    basis: Basis = Field(description="What it was made from.")
    sharpe: Values = Field(description="Ratio a year of the window that ends at each return.")
    last: float | None = Field(description="That of the last window; null while nothing moved in it.")
    reason: str | None = Field(description="no_movement, why `last` is null; else null.")


SHARPE = Kernel("performance", "rolling_sharpe", SharpeParams, Sharpe, 9_000)


@method("common.rolling_sharpe", cost=2, deadline=Deadline.ANALYTICS)
async def rolling_sharpe(call: Call, params: SharpeParams) -> Sharpe:
    """Return the Sharpe ratio of each window of returns, annualised.

    Mean above the riskless return over the standard deviation (divisor n - 1), times the root of `periods_per_year`.
    W. Sharpe, "The Sharpe ratio", Journal of Portfolio Management 21(1), 1994.
    """
    return await call.use(Calculation).run(SHARPE, params)


class SortinoParams(Params):
    """Returns and a target."""

    returns: Series = Field(description=RETURNS + " At least 3.", examples=[examples.RETURNS])
    periods_per_year: PeriodsPerYear = Field(default=365.0, description=PERIODS_PER_YEAR)
    target_pct: YearlyPercent = Field(default=0.0, description="Least return aimed for, percent a year, spread evenly.")


class Sortino(Result):
    """A Sortino ratio."""

    basis: Basis = Field(description="What it was made from.")
    sortino: float | None = Field(description="Ratio a year; null with a reason.")
    reason: str | None = Field(description="no_downside: no return was below the target; else null.")
    mean: float = Field(description="Mean return of one period, a fraction.")
    downside_deviation: float = Field(description="Root of the mean square shortfall of one period, a fraction.")
    target: float = Field(description="The target for one period, a fraction.")
    below_target: int = Field(description="Returns below it.")


SORTINO = Kernel("performance", "sortino", SortinoParams, Sortino, 10_000)


@method("common.sortino", cost=2, deadline=Deadline.ANALYTICS)
async def sortino(call: Call, params: SortinoParams) -> Sortino:
    """Return the Sortino ratio of returns, annualised.

    Mean above the target over the downside deviation, which divides by the number of all returns. F. Sortino and L.
    Price, Journal of Investing 3(3), 1994.
    """
    return await call.use(Calculation).run(SORTINO, params)


class DrawdownParams(Params):
    """A series of worth."""

    equity: Series = Field(
        description="Worth of an account, or prices, oldest first; above 0, at least 2.", examples=[examples.CLOSE]
    )


class Drawdown(Result):
    """The greatest fall. Positions are counted from 0."""

    basis: Basis = Field(description="What it was made from.")
    drawdown_pct: float = Field(description="The fall, percent of the peak: 0 to 100, positive for a loss.")
    peak: int | None = Field(description="Position of the peak; null without a fall.")
    trough: int | None = Field(description="Position of the lowest point; null without a fall.")
    recovery: int | None = Field(description="Position of the first point back at the peak; null until then.")
    reason: str | None = Field(description="no_fall or not_recovered, why positions are null; else null.")
    current_pct: float = Field(description="The fall that the last point stands in, percent of the highest of all.")


DRAWDOWN = Kernel("performance", "max_drawdown", DrawdownParams, Drawdown, 10_000)


@method("common.max_drawdown", cost=2, deadline=Deadline.ANALYTICS)
async def max_drawdown(call: Call, params: DrawdownParams) -> Drawdown:
    """Return the greatest fall from a peak, in percent, with when and recovery.

    Relative to the peak; of falls of one depth the first. M. Magdon-Ismail and A. Atiya, "Maximum drawdown", Risk
    17(10), 2004.
    """
    return await call.use(Calculation).run(DRAWDOWN, params)


ShapeName = Literal["historical", "gaussian", "cornish_fisher"]


class VarParams(Params):
    """Returns, a horizon and a confidence."""

    returns: Series = Field(
        description="Log returns as fractions, or profits and losses in one currency, oldest first; at least 20.",
        examples=[examples.RETURNS],
    )
    confidence: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(
        default=0.95, description="Probability that the loss is not above the value at risk: 0.95, not 95."
    )
    horizon: Period = Field(default=1, description="Periods over which losses are counted.")
    shapes: Annotated[list[ShapeName], Field(min_length=1, max_length=3)] = Field(
        default=["historical", "gaussian", "cornish_fisher"], description="Where the distribution comes from."
    )


class Tail(Result):
    """Losses of one shape, positive, in the unit of the returns and for the whole horizon."""

    shape: ShapeName = Field(description="Where the distribution comes from.")
    var: float | None = Field(description="Value at risk; negative: a gain. Null with a reason.")
    cvar: float | None = Field(description="Mean loss beyond it (expected shortfall). Null with a reason.")
    reason: str | None = Field(description="not_monotone: too far from normal for the expansion; else null.")
    observations: int = Field(description="Losses looked at; over a horizon they overlap.")
    independent: int = Field(description="How many horizons fit side by side into the record.")


class Tails(Result):
    """Value at risk and expected shortfall, three ways."""

    basis: Basis = Field(description="What they were made from.")
    mean: float = Field(description="Mean return of one period.")
    deviation: float = Field(description="Standard deviation of one period (divisor n - 1).")
    skewness: float = Field(description="Skewness of one period (divisor n).")
    excess_kurtosis: float = Field(description="Excess kurtosis of one period (divisor n); 0 for a normal.")
    tails: list[Tail] = Field(description="One for each shape asked for, in that order.")


VAR = Kernel("performance", "var_cvar", VarParams, Tails, 2_000)


@method("common.var_cvar", cost=5, deadline=Deadline.ANALYTICS)
async def var_cvar(call: Call, params: VarParams) -> Tails:
    """Return value at risk and expected shortfall; a loss is positive.

    Historical and normal: P. Jorion, "Value at Risk", 2007; expected shortfall: Acerbi and Tasche, Journal
    of Banking & Finance 26(7), 2002; Cornish-Fisher: D. Maillard, 2012. In the unit of the returns, for the horizon.
    """
    return await call.use(Calculation).run(VAR, params)
