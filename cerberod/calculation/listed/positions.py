"""Where a chain's open interest lies and what it would make dealers do. Sizes in coin, money in quote currency."""

from typing import Annotated

from pydantic import Field

from cerberod.calculation.listed.chain import DEALERS, DealerName, OfListed, options_in
from cerberod.calculation.listed.smiles import CONVENTION, OfExpiry
from cerberod.calculation.service import Kernel
from cerberod.rpc.registry import Params, Result

POSITIONS = "listed_positions"


class Ratio(Result):
    """Puts over calls."""

    put_open_interest: float = Field(description="Open interest of puts, coins.")
    call_open_interest: float = Field(description="Open interest of calls, coins.")
    open_interest_ratio: float | None = Field(description="Puts over calls; null when no calls are open.")
    put_volume: float = Field(description="Volume of puts over 24 hours, coins.")
    call_volume: float = Field(description="Volume of calls over 24 hours, coins.")
    volume_ratio: float | None = Field(description="Puts over calls; null when no calls were traded.")


class RatioOfExpiry(Ratio, OfExpiry):
    """Puts over calls of one expiry."""


class Ratios(Result):
    """Puts over calls, of the whole chain and by expiry."""

    all: Ratio = Field(description="The whole chain.")
    by_expiry: list[RatioOfExpiry] = Field(description="One for each expiry, soonest first.")


PC_RATIO = Kernel(POSITIONS, "put_call_ratios", OfListed, Ratios, 0, options_in)


class DealerChoices(Params):
    """What dealers are taken to hold."""

    dealers: DealerName = Field(default="long_calls_short_puts", description=DEALERS)


class GexParams(DealerChoices, OfListed):
    """A chain and an assumption."""


class GexPart(Result):
    """Gamma exposure, quote currency per 1 % move, with the dealers' sign."""

    call_gex: float = Field(description="Of calls.")
    put_gex: float = Field(description="Of puts.")
    net_gex: float = Field(description="Of both; positive dampens moves, negative amplifies them.")


class OfStrike(Result):
    """One strike."""

    strike: float = Field(description="The strike, quote currency.")


class GexOfStrike(GexPart, OfStrike):
    """Gamma exposure of one strike."""


class GexOfExpiry(GexPart, OfExpiry):
    """Gamma exposure of one expiry."""


class Gex(GexPart):
    """Gamma exposure of dealers now."""

    dealers: DealerName = Field(description="The assumption that decides the signs.")
    definition: str = Field(description=CONVENTION)
    call_wall: float | None = Field(description="Strike with the largest exposure of calls; null when there is none.")
    put_wall: float | None = Field(description="Strike with the largest exposure of puts; null when there is none.")
    by_expiry: list[GexOfExpiry] = Field(description="One for each expiry, soonest first.")
    by_strike: list[GexOfStrike] = Field(description="One for each strike over all expiries, rising.")


GEX = Kernel(POSITIONS, "gamma_exposure", GexParams, Gex, 0, options_in)


class ProfileChoices(DealerChoices):
    """An assumption and a grid of spot levels."""

    low: Annotated[float, Field(gt=0, le=100)] = Field(default=0.5, description="First level, as a multiple of spot.")
    high: Annotated[float, Field(gt=0, le=100)] = Field(default=1.5, description="Last level, as a multiple of spot.")
    levels: Annotated[int, Field(ge=2, le=2_000)] = Field(
        default=401, description="Levels, evenly apart; 401 from 0.5 to 1.5 is one every 0.25 % of spot."
    )


class ProfileParams(ProfileChoices, OfListed):
    """A chain, an assumption, and a grid."""


class Flip(Result):
    """Where the profile changes sign."""

    level: float = Field(description="Spot level, interpolated between those of the grid; quote currency.")
    rising: bool = Field(description="True when the exposure turns positive as spot rises.")


class Profile(Result):
    """Gamma exposure of dealers at other spot levels, quote currency per 1 % move."""

    dealers: DealerName = Field(description="The assumption that decides the signs.")
    definition: str = Field(description=CONVENTION)
    net_gex: float = Field(description="Exposure at the present spot; positive dampens moves.")
    flip: float | None = Field(description="The flip nearest to spot (zero gamma); null with a reason.")
    reason: str | None = Field(description="no_crossing or no_exposure; null where there is a flip.")
    flips: list[Flip] = Field(description="All flips on the grid, lowest first; empty when there is none.")
    spot_levels: list[float] = Field(description="The grid, quote currency.")
    net: list[float] = Field(description="Net exposure at each level.")


PROFILE = Kernel(POSITIONS, "gamma_profile", ProfileParams, Profile, 0, options_in)


class Drift(Result):
    """Change of the dealers' delta, quote currency. Positive: they then sell the underlying to stay hedged."""

    vanna: float = Field(description="Per volatility point.")
    charm: float = Field(description="Per calendar day.")


class DriftOfExpiry(Drift, OfExpiry):
    """Change of the dealers' delta, of one expiry."""


class VannaCharm(Drift):
    """How dealers' delta changes with volatility and time."""

    dealers: DealerName = Field(description="The assumption that decides the signs.")
    definition: str = Field(description=CONVENTION)
    by_expiry: list[DriftOfExpiry] = Field(description="One for each expiry, soonest first.")


VANNA_CHARM = Kernel(POSITIONS, "vanna_charm", GexParams, VannaCharm, 0, options_in)


class PainChoices(Params):
    """How much to tell."""

    curve: bool = Field(default=False, description="Also tell what holders would be paid at each strike.")


class PainParams(PainChoices, OfListed):
    """A chain and how much to tell."""


class Pain(OfExpiry):
    """Max pain of one expiry."""

    max_pain: float | None = Field(description="The strike, quote currency; null with a reason.")
    reason: str | None = Field(description="no_open_interest; null where there is a strike.")
    open_interest: float = Field(description="All that is open, coins.")
    payout_at_max_pain: float | None = Field(description="What holders would be paid there, quote currency.")
    strikes: list[float] | None = Field(description="The listed strikes, rising; null unless the curve is asked for.")
    payouts: list[float] | None = Field(description="What holders would be paid at each, quote currency.")


class Pains(Result):
    """Max pain by expiry."""

    definition: str = Field(description=CONVENTION)
    by_expiry: list[Pain] = Field(description="One for each expiry, soonest first.")


MAX_PAIN = Kernel(POSITIONS, "max_pain", PainParams, Pains, 0, options_in)


class Open(Result):
    """Open interest in coins."""

    call_open_interest: float = Field(description="Of calls.")
    put_open_interest: float = Field(description="Of puts.")


class OpenOfExpiry(Open, OfExpiry):
    """Open interest of one expiry."""

    notional: float = Field(description="Both, at the spot price, quote currency.")


class OpenOfStrike(Open, OfStrike):
    """Open interest of one strike."""


class OpenOfMoneyness(Open):
    """Open interest within a range of strikes against their forwards."""

    low: float | None = Field(description="Strike over forward from here on; null for no lower end.")
    high: float | None = Field(description="Strike over forward below this; null for no upper end.")
    in_the_money: float = Field(description="The part of both that is in the money.")


class OpenChoices(Params):
    """Where moneyness ranges end."""

    moneyness: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1, max_length=50)] = Field(
        default=[0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2],
        description="Where ranges of strike over forward end, rising; the first and the last range are open.",
    )


class OpenParams(OpenChoices, OfListed):
    """A chain and ranges."""


class OpenInterest(Open):
    """Open interest by strike, expiry and moneyness."""

    notional: float = Field(description="Both, at the spot price, quote currency.")
    by_expiry: list[OpenOfExpiry] = Field(description="One for each expiry, soonest first.")
    by_strike: list[OpenOfStrike] = Field(description="One for each strike over all expiries, rising.")
    by_moneyness: list[OpenOfMoneyness] = Field(description="One for each range, lowest first.")


OPEN_INTEREST = Kernel(POSITIONS, "open_interest", OpenParams, OpenInterest, 0, options_in)
