"""Prices and greeks of options, and the volatilities that prices imply."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.words import Basis
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

MOST_OPTIONS = 2_000
OptionType = Literal["call", "put"]
Price = Annotated[float, Field(ge=1e-12, le=1e15)]
Percent = Annotated[float, Field(ge=-1e4, le=1e4)]
Model = Literal["black_76", "black_scholes"]
TYPE = "call or put; European."
STRIKE = "Strike, in quote currency."
YEARS = "Time to expiry in years of 365 days; 0 when expired."
UNDERLYING = "The forward of the expiry for black_76, the spot price for black_scholes; quote currency."
MODEL = "black_76 on a forward, or black_scholes (Merton, with a yield) on spot."
RATE = "Continuously compounded rate, percent a year."
YIELD = "Continuous dividend yield, foreign rate or borrow fee, percent a year; black_scholes only."


class PricedOption(Params):
    """One option to price."""

    type: OptionType = Field(description=TYPE)
    underlying: Price = Field(description=UNDERLYING)
    strike: Price = Field(description=STRIKE)
    years: Annotated[float, Field(ge=0, le=1000)] = Field(description=YEARS)
    iv_pct: Annotated[float, Field(ge=0, le=1e5)] = Field(description="Volatility, percent a year: 45, not 0.45.")


class BlackScholes(Params):
    """Options and how to price them."""

    options: Annotated[list[PricedOption], Field(min_length=1, max_length=MOST_OPTIONS)] = Field(
        description="The options.", examples=[[examples.PRICED]]
    )
    model: Model = Field(default="black_76", description=MODEL)
    rate_pct: Percent = Field(default=0.0, description=RATE)
    dividend_yield_pct: Percent = Field(default=0.0, description=YIELD)
    greeks: Literal["desk", "textbook", "deribit"] = Field(
        default="desk",
        description="Units: desk (per volatility point, day, percentage point of rate), textbook (per 1.00, year, "
        "1.00), or deribit (desk units as that venue defines them; black_76 with rate 0 only).",
    )


class PricedOptions(Result):
    """Prices and greeks in columns, for one unit of the underlying, in the units that `basis` states."""

    basis: Basis = Field(description="What they were made from. Every list has one item for each option, in order.")
    price: list[float] = Field(description="Quote currency.")
    delta: list[float] = Field(description="Per 1 of the underlying; puts negative.")
    gamma: list[float | None] = Field(description="Delta per 1 of the underlying; null with a reason.")
    vega: list[float] = Field(description="Price per volatility point (textbook: per 1.00).")
    theta: list[float | None] = Field(description="Price per day that passes (textbook: year), mostly negative.")
    rho: list[float] = Field(description="Price per percentage point of rate (textbook: per 1.00).")
    vanna: list[float] = Field(description="Delta per volatility point (textbook: per 1.00).")
    charm: list[float | None] = Field(description="Delta per day that passes (textbook: year); null with a reason.")
    volga: list[float] = Field(description="Vega per volatility point (textbook: per 1.00).")
    reasons: list[str | None] = Field(
        description="unbounded_at_the_money: expired or riskless, strike at the money; null where all exist."
    )


BLACK_SCHOLES = Kernel("options", "black_scholes", BlackScholes, PricedOptions, 1_000)


@method("common.black_scholes", cost=10, deadline=Deadline.ANALYTICS)
async def black_scholes(call: Call, params: BlackScholes) -> PricedOptions:
    """Price options with all first and second order greeks, on forward or spot.

    Black-76: F. Black, J. of Financial Economics 3 (1976); spot: R. Merton (1973); greeks as in E. Haug, "The Complete
    Guide to Option Pricing Formulas" (2007). An expired option gets its limits.
    """
    return await call.use(Calculation).run(BLACK_SCHOLES, params)


class QuotedOption(Params):
    """One option with its price."""

    type: OptionType = Field(description=TYPE)
    price: Annotated[float, Field(ge=0, le=1e15)] = Field(
        description="Price for one unit of the underlying, in quote currency; a coin price times the forward."
    )
    underlying: Price = Field(description=UNDERLYING)
    strike: Price = Field(description=STRIKE)
    years: Annotated[float, Field(ge=0, le=1000)] = Field(description=YEARS)


class ImpliedVol(Params):
    """Options with prices."""

    options: Annotated[list[QuotedOption], Field(min_length=1, max_length=MOST_OPTIONS)] = Field(
        description="The options.", examples=[[examples.QUOTED]]
    )
    model: Model = Field(default="black_76", description=MODEL)
    rate_pct: Percent = Field(default=0.0, description=RATE)
    dividend_yield_pct: Percent = Field(default=0.0, description=YIELD)


class ImpliedVols(Result):
    """Volatilities."""

    basis: Basis = Field(description="What they were made from.")
    iv_pct: list[float | None] = Field(description="Percent a year, in the order given; null with a reason.")
    reasons: list[str | None] = Field(
        description="expired, below_intrinsic, at_intrinsic, at_or_above_bound; null where there is a volatility."
    )


IMPLIED_VOL = Kernel("options", "implied_vol", ImpliedVol, ImpliedVols, 1_000)


@method("common.implied_vol", cost=10, deadline=Deadline.ANALYTICS)
async def implied_vol(call: Call, params: ImpliedVol) -> ImpliedVols:
    """Return the volatilities that option prices imply, in percent a year.

    Exact near intrinsic value and in the deep wings; where no volatility gives the price the reason is named. The
    equation's three forms follow P. Jäckel, "Let's be rational", Wilmott (2015).
    """
    return await call.use(Calculation).run(IMPLIED_VOL, params)
