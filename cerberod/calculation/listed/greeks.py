"""Prices and greeks of a listed chain, at full precision, in columns."""

from pydantic import Field

from cerberod.calculation.listed.chain import OfListed, options_in
from cerberod.calculation.service import Kernel
from cerberod.rpc.registry import Result


class GreeksParams(OfListed):
    """A chain and its quotes in quote currency, 0 where there is none."""

    bid: list[float]
    ask: list[float]


class Greeks(Result):
    """One list item for each option, in the chain's order; quote currency, per unit of the underlying."""

    price: list[float] = Field(description="Black-76 at the option's volatility.")
    delta: list[float] = Field(description="Against the forward, premium not subtracted.")
    gamma: list[float | None] = Field(description="Delta per 1 of the forward.")
    vega: list[float] = Field(description="Per volatility point.")
    theta: list[float | None] = Field(description="Per day.")
    rho: list[float] = Field(description="Per percentage point of rate.")
    vanna: list[float] = Field(description="Delta per volatility point.")
    charm: list[float | None] = Field(description="Delta per day.")
    volga: list[float] = Field(description="Vega per volatility point.")
    bid_iv_pct: list[float | None] = Field(description="Volatility that the bid implies.")
    ask_iv_pct: list[float | None] = Field(description="Volatility that the ask implies.")


GREEKS = Kernel("listed_greeks", "greeks", GreeksParams, Greeks, 0, options_in)
