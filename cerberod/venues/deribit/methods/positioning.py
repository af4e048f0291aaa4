"""What is open on Deribit's option chain, and what it would make dealers do. Each costs one request.

Whatever is said of dealers rests on an assumption about which options they hold, which no data tells. It is named in
every result and can be changed.
"""

from typing import Annotated

from pydantic import Field

from cerberod.calculation.listed import positions as told
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, method
from cerberod.venues.deribit.methods.listed import ExpiryParams, OfChain, analysed, origin, read_chain
from cerberod.venues.deribit.methods.options import OptionRow, OptionType, rows, value


class GetOptionChain(ExpiryParams):
    """Which chain, and which of its options."""

    type: OptionType | None = Field(default=None, description="Only calls or only puts; both by default.")
    min_open_interest: Annotated[float, Field(ge=0, le=1e15)] = Field(
        default=0.0, description="Only options with at least so much open interest, coins."
    )


class OptionChain(OfChain):
    """Options with quotes, volatilities and greeks."""

    price_currency: str = Field(description="What bids, asks and marks are in: the coin, or USDC when linear.")
    definition: str = Field(description="How greeks are made.")
    count: int = Field(description="How many options follow: those used that pass the filters.")
    options: list[OptionRow] = Field(description="The options by expiry, strike and type; empty when none passes.")


@method("deribit.get_option_chain", cost=20, deadline=Deadline.ANALYTICS)
async def get_option_chain(call: Call, params: GetOptionChain) -> OptionChain:
    """Return a whole option chain, or one expiry, with greeks at full precision.

    Black-76 on each row's forward at Deribit's mark volatility, rate 0, years of 365 days, in Deribit's own units;
    Deribit itself publishes them rounded to five decimals and only option by option.
    """
    chain = await read_chain(call, params)
    used, dropped = chain.valued()
    side = None if params.type is None else params.type == "call"
    shown = [
        option
        for option in used
        if side in (None, option.is_call) and option.row.open_interest >= params.min_open_interest
    ]
    shown.sort(key=lambda option: (chain.by_expiry[option.expiry].expires_ms, option.strike, not option.is_call))
    options = await rows(chain, shown, await value(call, params, chain, shown)) if shown else []
    return OptionChain(
        **origin(chain, used, dropped),
        price_currency=chain.currency,
        definition="Black-76 at the mark volatility on each row's forward, Deribit's units and its theta near expiry.",
        count=len(options),
        options=options,
    )


class GetRatio(ExpiryParams):
    """Which chain."""


class Ratios(told.Ratios, OfChain):
    """Puts over calls."""


@method("deribit.get_pc_ratio", cost=5, deadline=Deadline.ANALYTICS)
async def get_pc_ratio(call: Call, params: GetRatio) -> Ratios:
    """Return put/call ratios by open interest and by volume, by expiry and for all.

    By size in coins, not by value; null where calls have none.
    """
    return Ratios(**await analysed(call, params, told.PC_RATIO, sizes_only=True))


class GetGex(told.DealerChoices, ExpiryParams):
    """Which chain, and what dealers are taken to hold."""


class Gex(told.Gex, OfChain):
    """Gamma exposure of dealers now."""


@method("deribit.get_gex", cost=10, deadline=Deadline.ANALYTICS)
async def get_gex(call: Call, params: GetGex) -> Gex:
    """Return dealers' gamma exposure by strike and expiry, with its walls.

    sign x gamma x open interest x F^2 x 0.01: quote currency to trade per 1 % move. Gammas are recomputed, because
    Deribit publishes five decimals of numbers such as 0.00002. What dealers hold is an assumption.
    """
    return Gex(**await analysed(call, params, told.GEX))


class GetProfile(told.ProfileChoices, ExpiryParams):
    """Which chain, an assumption, and a grid of spot levels."""


class Profile(told.Profile, OfChain):
    """Gamma exposure of dealers at other spot levels."""


@method("deribit.get_dealer_gamma_profile", cost=20, deadline=Deadline.ANALYTICS)
async def get_dealer_gamma_profile(call: Call, params: GetProfile) -> Profile:
    """Return dealers' gamma exposure on a grid of spot levels, and its flips.

    Gammas are re-evaluated at each level: forwards move in proportion to spot and each strike keeps its volatility.
    Flips are interpolated between levels; there may be none or several. What dealers hold is an assumption.
    """
    return Profile(**await analysed(call, params, told.PROFILE))


class VannaCharm(told.VannaCharm, OfChain):
    """How dealers' delta changes with volatility and time."""


@method("deribit.get_vanna_charm", cost=10, deadline=Deadline.ANALYTICS)
async def get_vanna_charm(call: Call, params: GetGex) -> VannaCharm:
    """Return how dealers' delta changes per volatility point and per day, by expiry.

    sign x greek x open interest x F, in quote currency; positive: they then sell the underlying to stay hedged. What
    dealers hold is an assumption.
    """
    return VannaCharm(**await analysed(call, params, told.VANNA_CHARM))


class GetMaxPain(told.PainChoices, ExpiryParams):
    """Which chain, and how much to tell."""


class Pains(told.Pains, OfChain):
    """Max pain by expiry."""


@method("deribit.get_max_pain", cost=5, deadline=Deadline.ANALYTICS)
async def get_max_pain(call: Call, params: GetMaxPain) -> Pains:
    """Return the strike of each expiry at which its options would pay least.

    Open interest times intrinsic value, in quote currency for options paid in coin too; of equal strikes the lowest.
    """
    return Pains(**await analysed(call, params, told.MAX_PAIN, sizes_only=True))


class GetOpenInterest(told.OpenChoices, ExpiryParams):
    """Which chain, and where moneyness ranges end."""


class OpenInterest(told.OpenInterest, OfChain):
    """Open interest by strike, expiry and moneyness."""


@method("deribit.get_open_interest", cost=5, deadline=Deadline.ANALYTICS)
async def get_open_interest(call: Call, params: GetOpenInterest) -> OpenInterest:
    """Return open interest by strike, expiry and moneyness, calls and puts apart.

    In coins; notional at the spot price. Moneyness is strike over the forward of the option's expiry.
    """
    return OpenInterest(**await analysed(call, params, told.OPEN_INTEREST, sizes_only=True))
