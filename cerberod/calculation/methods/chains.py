"""What an option chain given by the caller says: exposure of dealers, max pain, skew."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.options import MOST_OPTIONS, STRIKE, TYPE, OptionType, Price
from cerberod.calculation.methods.words import Basis, Series
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

DealerName = Literal["long_calls_short_puts", "short_calls_long_puts", "long_all", "short_all"]
AS_OF = "When the chain was as it stands, ISO 8601 with zone; earlier than every expiry."
EXPIRY = "When it expires, ISO 8601 with zone."
OPEN_INTEREST = "Open interest in units of the underlying; 0 or above."
DEALERS = (
    "Which options dealers are taken to hold, which no data tells; long_calls_short_puts is the usual assumption: "
    "calls count +, puts -."
)
Size = Annotated[float, Field(ge=0, le=1e15)]
Iv = Annotated[float, Field(gt=0, le=1e5)]


class OpenOption(Params):
    """One listed option and how much of it is open."""

    type: OptionType = Field(description=TYPE)
    expiry: AwareDatetime = Field(description=EXPIRY)
    strike: Price = Field(description=STRIKE)
    open_interest: Size = Field(description=OPEN_INTEREST)


class MarkedOption(OpenOption):
    """One listed option, how much of it is open, and its volatility."""

    forward: Price = Field(description="Forward of its expiry, in quote currency.")
    iv_pct: Iv = Field(description="Its volatility, percent a year; leave out options that have none.")


class MaxPainParams(Params):
    """What is open."""

    as_of: AwareDatetime = Field(description=AS_OF, examples=[examples.AS_OF])
    options: Annotated[list[OpenOption], Field(min_length=1, max_length=MOST_OPTIONS)] = Field(
        description="The chain, each option once.", examples=[examples.LISTED]
    )


class Pain(Result):
    """One expiry."""

    expiry: AwareDatetime = Field(description="When it expires.")
    max_pain: float | None = Field(description="The strike, in quote currency; null with a reason.")
    reason: str | None = Field(description="no_open_interest; null where there is a strike.")
    open_interest: float = Field(description="All that is open, in units of the underlying.")
    strikes: list[float] = Field(description="The listed strikes, rising.")
    pain: list[float] = Field(description="What holders would be paid in all at each strike, in quote currency.")


class MaxPain(Result):
    """Max pain of each expiry."""

    basis: Basis = Field(description="What it was made from.")
    expiries: list[Pain] = Field(description="One for each expiry, soonest first.")


MAX_PAIN = Kernel("chains", "max_pain", MaxPainParams, MaxPain, 1_000)


@method("common.max_pain", cost=5, deadline=Deadline.ANALYTICS)
async def max_pain(call: Call, params: MaxPainParams) -> MaxPain:
    """Return the strike of each expiry at which its options would pay least.

    The least, over listed strikes, of open interest times intrinsic value, in quote currency for coin-settled options
    too; of equal strikes the lowest.
    """
    return await call.use(Calculation).run(MAX_PAIN, params)


class Chain(Params):
    """A chain with volatilities."""

    as_of: AwareDatetime = Field(description=AS_OF, examples=[examples.AS_OF])
    spot: Price = Field(description="Spot or index price, in quote currency.", examples=[80000])
    options: Annotated[list[MarkedOption], Field(min_length=1, max_length=MOST_OPTIONS)] = Field(
        description="The chain, each option once.", examples=[examples.MARKED]
    )


class Skew(Result):
    """Open options out of the money, of one expiry or of all."""

    expiry: AwareDatetime | None = Field(description="When it expires; null for the whole chain.")
    options: int = Field(description="How many options went in: out of the money, with open interest.")
    put_iv_pct: float | None = Field(description="Mean volatility of the puts by open interest, percent.")
    call_iv_pct: float | None = Field(description="Mean volatility of the calls by open interest, percent.")
    skew_points: float | None = Field(description="Puts minus calls, volatility points; positive: downside dearer.")
    slope_points: float | None = Field(
        description="Weighted slope of volatility points against ln(K/F)/sqrt(T); null when all lie at one place."
    )
    reason: str | None = Field(
        description="no_open_interest, no_calls_out_of_the_money or no_puts_out_of_the_money; null when none."
    )


class WeightedSkew(Result):
    """The skew that open positions were struck at."""

    basis: Basis = Field(description="What it was made from.")
    skews: list[Skew] = Field(description="The whole chain first, then each expiry, soonest first.")


SKEW = Kernel("chains", "oi_weighted_skew", Chain, WeightedSkew, 1_000)


@method("common.oi_weighted_skew", cost=5, deadline=Deadline.ANALYTICS)
async def oi_weighted_skew(call: Call, params: Chain) -> WeightedSkew:
    """Return mean volatility of open puts minus that of open calls, in points.

    Our own definition: sum(OI iv) / sum(OI) over the puts with strike below their expiry's forward, minus the same over
    the calls with strike above it. Positive when the downside is dearer; of the chain alone, and of each expiry.
    """
    return await call.use(Calculation).run(SKEW, params)


class SmileParams(Params):
    """The smile of one expiry."""

    as_of: AwareDatetime = Field(description=AS_OF, examples=[examples.AS_OF])
    expiry: AwareDatetime = Field(description=EXPIRY, examples=[examples.EXPIRY])
    forward: Price = Field(description="Forward of the expiry, in quote currency.", examples=[80400])
    strikes: Series = Field(
        description="Strikes, rising, at least two; quote currency.", examples=[[60000, 70000, 80000, 90000, 100000]]
    )
    iv_pct: Series = Field(description="Volatility of each strike, percent a year.", examples=[[55, 48, 42, 41, 43]])
    deviations: Annotated[float, Field(gt=0, le=10)] = Field(
        default=1.0, description="How far from the money to compare, in units of ATM volatility times root of time."
    )


class Asymmetry(Result):
    """Downside against upside."""

    basis: Basis = Field(description="What it was made from.")
    years: float = Field(description="Time to expiry in years of 365 days.")
    atm_iv_pct: float | None = Field(description="Volatility at the forward, percent; null outside the strikes.")
    asymmetry_points: float | None = Field(
        description="Mean of put-side minus call-side volatility, points; positive: downside dearer."
    )
    relative: float | None = Field(description="The same over the ATM volatility.")
    width: float | None = Field(description="The largest |ln(K/F)| compared.")
    reason: str | None = Field(description="outside_strikes: the strikes do not reach that far; else null.")


ASYMMETRY = Kernel("chains", "smile_asymmetry", SmileParams, Asymmetry, 4_000)


@method("common.smile_asymmetry", cost=2, deadline=Deadline.ANALYTICS)
async def smile_asymmetry(call: Call, params: SmileParams) -> Asymmetry:
    """Return how much dearer the downside of a smile is than its upside, in points.

    Our own definition: (1/w) times the integral of sigma(-u) - sigma(u) over u from 0 to w, u being ln(K/F) and w
    `deviations` sigma_atm sqrt(T); exact for the smile that is linear between strikes.
    """
    return await call.use(Calculation).run(ASYMMETRY, params)


class ProfileParams(Chain):
    """A chain, an assumption, and a grid of spot levels."""

    dealers: DealerName = Field(default="long_calls_short_puts", description=DEALERS)
    low: Annotated[float, Field(gt=0, le=100)] = Field(default=0.5, description="First level, as a multiple of spot.")
    high: Annotated[float, Field(gt=0, le=100)] = Field(default=1.5, description="Last level, as a multiple of spot.")
    levels: Annotated[int, Field(ge=2, le=2_000)] = Field(default=401, description="Levels, evenly apart.")


class Flip(Result):
    """Where the profile changes sign."""

    level: float = Field(description="Spot level, interpolated between those of the grid; quote currency.")
    rising: bool = Field(description="True when the exposure turns positive as spot rises.")


class Profile(Result):
    """Gamma exposure of dealers, in quote currency per 1 % move of the price."""

    basis: Basis = Field(description="What it was made from.")
    spot: float = Field(description="The spot price given.")
    net_gex: float = Field(description="Exposure now; positive dampens moves.")
    call_gex: float = Field(description="The calls' part of it, with the dealers' sign.")
    put_gex: float = Field(description="The puts' part of it, with the dealers' sign.")
    call_wall: float | None = Field(description="Strike with the largest exposure of calls; null when there is none.")
    put_wall: float | None = Field(description="Strike with the largest exposure of puts; null when there is none.")
    flip: float | None = Field(description="The flip nearest to spot; null with a reason.")
    reason: str | None = Field(description="no_crossing or no_exposure; null where there is a flip.")
    flips: list[Flip] = Field(description="All flips on the grid, lowest first; empty when there is none.")
    levels: list[float] = Field(description="Spot levels, quote currency.")
    net: list[float] = Field(description="Net exposure at each level.")


PROFILE = Kernel(
    "chains", "dealer_gamma_profile", ProfileParams, Profile, 40_000, lambda p: len(p.options) * (p.levels + 50)
)


@method("common.dealer_gamma_profile", cost=50, deadline=Deadline.ANALYTICS)
async def dealer_gamma_profile(call: Call, params: ProfileParams) -> Profile:
    """Return dealers' gamma exposure on a grid of spot levels, its flips and walls.

    sign x gamma x open interest x F^2 x 0.01, in quote currency per 1 % move, gammas re-evaluated at each level by
    Black-76 with sticky strikes and forwards that move in proportion. What dealers hold is an assumption.
    """
    return await call.use(Calculation).run(PROFILE, params)


class VannaCharmParams(Chain):
    """A chain and an assumption."""

    dealers: DealerName = Field(default="long_calls_short_puts", description=DEALERS)


class VannaCharmOf(Result):
    """One expiry; change of the dealers' delta, in quote currency."""

    expiry: AwareDatetime = Field(description="When it expires.")
    vanna: float = Field(description="Per volatility point.")
    charm: float = Field(description="Per calendar day.")


class VannaCharm(Result):
    """Change of the dealers' delta, in quote currency. Positive: they then sell the underlying to stay hedged."""

    basis: Basis = Field(description="What it was made from.")
    vanna: float = Field(description="Per volatility point.")
    charm: float = Field(description="Per calendar day.")
    expiries: list[VannaCharmOf] = Field(description="The same for each expiry, soonest first.")


VANNA_CHARM = Kernel("chains", "vanna_charm_aggregate", VannaCharmParams, VannaCharm, 1_000)


@method("common.vanna_charm_aggregate", cost=10, deadline=Deadline.ANALYTICS)
async def vanna_charm_aggregate(call: Call, params: VannaCharmParams) -> VannaCharm:
    """Return how dealers' delta changes per volatility point and per day.

    sign x greek x open interest x F, in quote currency, greeks by Black-76. What dealers hold is an assumption.
    """
    return await call.use(Calculation).run(VANNA_CHARM, params)
