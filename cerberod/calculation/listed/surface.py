"""A volatility surface: a smile fitted for each expiry, a grid read off it, and the arbitrage it would allow."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.listed.chain import OfListed, options_in
from cerberod.calculation.listed.smiles import CONVENTION, OfExpiry
from cerberod.calculation.service import Kernel
from cerberod.rpc.registry import Params, Result

Moneyness = Annotated[float, Field(gt=0, le=100)]


class SurfaceChoices(Params):
    """Where to read the surface, and off what."""

    moneyness: Annotated[list[Moneyness], Field(min_length=1, max_length=101)] = Field(
        default=[0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3],
        description="Strikes to read volatilities at, as multiples of each expiry's forward.",
    )
    model: Literal["svi", "linear"] = Field(
        default="svi", description="Read the grid off the SVI fit, or off marks linear in ln(K/F) between strikes."
    )


class SurfaceParams(SurfaceChoices, OfListed):
    """A chain and how to read its surface."""


class Svi(Result):
    """Raw SVI: w(k) = a + b [rho (k - m) + sqrt((k - m)^2 + sigma^2)], w = volatility^2 x years, k = ln(K/F)."""

    a: float = Field(description="Level of total variance.")
    b: float = Field(description="Slope of the wings.")
    rho: float = Field(description="Tilt, between -1 and 1.")
    m: float = Field(description="Place of the bend.")
    sigma: float = Field(description="Width of the bend.")


class Fit(Result):
    """How well a smile is fitted, and what the fit allows."""

    parameters: Svi = Field(description="The fitted slice.")
    rmse_points: float = Field(description="Root of the mean squared error over all strikes, volatility points.")
    largest_error_points: float = Field(description="The largest error at a strike, volatility points.")
    rmse_near_points: float | None = Field(
        description="The same root over strikes within two deviations of the forward; null when there are none."
    )
    strikes: int = Field(description="How many strikes were fitted, weighted by vega.")
    converged: bool = Field(description="Whether the search ended by itself.")
    bounds_hit: list[str] = Field(description="Parameters at a bound of the search; empty when none is.")
    butterfly_free: bool = Field(
        description="Whether the density it implies is nowhere negative between listed strikes."
    )
    least_g: float = Field(description="Smallest value of Durrleman's function between the listed strikes.")
    least_g_moneyness: float = Field(description="Where that is, strike over forward.")
    wings_free: bool = Field(description="Whether both wings obey Lee's bound.")


class SurfaceExpiry(OfExpiry):
    """One expiry of the surface."""

    forward: float = Field(description="Forward of the expiry, quote currency.")
    lowest_moneyness: float | None = Field(description="Lowest strike with a volatility, over the forward.")
    highest_moneyness: float | None = Field(description="Highest strike with a volatility, over the forward.")
    fit: Fit | None = Field(description="The SVI fit; null with a reason.")
    reason: str | None = Field(description="too_few_strikes: fewer than five (two for a linear grid); else null.")
    iv_pct: list[float | None] = Field(
        description="Volatility at each moneyness, percent; null beyond the listed strikes or without a smile."
    )


class Calendar(Result):
    """Two neighbouring expiries of the fitted surface."""

    near: str = Field(description="The nearer expiry.")
    far: str = Field(description="The farther expiry.")
    free: bool = Field(description="Whether total variance nowhere falls, over strikes that both list.")
    least_gain: float = Field(description="Smallest total variance gained, over strikes that both list.")
    least_gain_moneyness: float = Field(description="Where that is, strike over forward.")
    wings_free: bool = Field(description="Whether the wings do not cross beyond.")


class Surface(Result):
    """A volatility surface."""

    definition: str = Field(description=CONVENTION)
    model: Literal["svi", "linear"] = Field(description="What the grid was read off.")
    moneyness: list[float] = Field(description="Columns of the grid: strike over forward.")
    by_expiry: list[SurfaceExpiry] = Field(description="Rows of the grid: one for each expiry, soonest first.")
    calendar: list[Calendar] = Field(description="Neighbouring expiries that were both fitted; empty when none were.")
    arbitrage_free: bool | None = Field(
        description="Whether all of these checks pass between listed strikes, wings not counted; null without fits."
    )


SURFACE = Kernel("listed_surface", "surface", SurfaceParams, Surface, 0, options_in)
