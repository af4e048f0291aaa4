"""Options of a chain as rows, with greeks at full precision; how they are valued and told, for whoever lists some."""

from collections.abc import Sequence
from typing import Literal

from anyio.lowlevel import checkpoint
from pydantic import Field

from cerberod.calculation.listed.greeks import GREEKS, Greeks, GreeksParams
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result
from cerberod.venues.deribit.chain import Chain, Option
from cerberod.venues.deribit.methods.listed import calculated

PIECE = 200
"""Rows made in one go: a few milliseconds of work."""
OptionType = Literal["call", "put"]


class OptionRow(Result):
    """One listed option. Prices are in coin when it is paid in coin, in USDC when linear."""

    instrument_name: str = Field(description="Its name, as orders take it.")
    expiry: str = Field(description="The expiry, as it stands in instrument names.")
    days: float = Field(description="Days left, of 24 hours.")
    strike: float = Field(description="Strike, quote currency.")
    type: OptionType = Field(description="call or put.")
    bid_price: float | None = Field(description="Best bid; null when nobody bids.")
    ask_price: float | None = Field(description="Best ask; null when nobody offers.")
    mark_price: float | None = Field(description="Deribit's mark.")
    price_quote: float = Field(description="Black-76 at `mark_iv_pct`, in quote currency (coin price times forward).")
    mark_iv_pct: float = Field(description="Volatility of the mark, percent a year.")
    bid_iv_pct: float | None = Field(description="Volatility that the bid implies; null without a bid or below value.")
    ask_iv_pct: float | None = Field(description="Volatility that the ask implies; null without an ask or below value.")
    forward: float = Field(description="Its own forward, quote currency.")
    delta: float = Field(description="Per coin, against the forward, premium not subtracted; puts negative.")
    gamma: float | None = Field(description="Change of delta for 1 of quote currency.")
    vega: float = Field(description="Quote currency for 1 volatility point.")
    theta: float | None = Field(description="Quote currency for 1 day, as Deribit defines it near expiry.")
    rho: float = Field(description="Quote currency for 1 percentage point of rate.")
    vanna: float = Field(description="Change of delta for 1 volatility point.")
    charm: float | None = Field(description="Change of delta for 1 day.")
    volga: float = Field(description="Change of vega for 1 volatility point.")
    open_interest: float = Field(description="Open interest, coins.")
    volume: float = Field(description="Volume of 24 hours, coins.")


async def value(call: Call, params: Params, chain: Chain, options: Sequence[Option]) -> Greeks:
    """Return greeks and implied volatilities of options that have a volatility, in their order."""
    chained = chain.columns(options)
    coin = [1.0 if chain.linear else forward for forward in chained.forward]
    quotes = [(option.row.bid or 0.0, option.row.ask or 0.0) for option in options]
    bid = [quote[0] * unit for quote, unit in zip(quotes, coin, strict=True)]
    ask = [quote[1] * unit for quote, unit in zip(quotes, coin, strict=True)]
    return await calculated(call, params, GREEKS, GreeksParams(chain=chained, bid=bid, ask=ask))


async def rows(chain: Chain, options: Sequence[Option], greeks: Greeks) -> list[OptionRow]:
    """Return options as they are told, letting others work between pieces."""
    made: list[OptionRow] = []
    for at, option in enumerate(options):
        made.append(row(chain, option, greeks, at))
        if at % PIECE == PIECE - 1:
            await checkpoint()
    return made


def row(chain: Chain, option: Option, greeks: Greeks, at: int) -> OptionRow:
    """Return one option as it is told; `at` is its place in the columns of greeks."""
    market = option.row
    return OptionRow(
        instrument_name=option.name,
        expiry=option.expiry,
        days=chain.by_expiry[option.expiry].days,
        strike=option.strike,
        type="call" if option.is_call else "put",
        bid_price=market.bid,
        ask_price=market.ask,
        mark_price=market.mark,
        price_quote=greeks.price[at],
        mark_iv_pct=market.mark_iv or 0.0,
        bid_iv_pct=greeks.bid_iv_pct[at],
        ask_iv_pct=greeks.ask_iv_pct[at],
        forward=market.underlying_price or 0.0,
        delta=greeks.delta[at],
        gamma=greeks.gamma[at],
        vega=greeks.vega[at],
        theta=greeks.theta[at],
        rho=greeks.rho[at],
        vanna=greeks.vanna[at],
        charm=greeks.charm[at],
        volga=greeks.volga[at],
        open_interest=market.open_interest,
        volume=market.volume,
    )
