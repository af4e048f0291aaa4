"""What Deribit's option chain says of volatility. Each costs one request; nothing is asked for each instrument.

The volatilities are Deribit's marks (`mark_iv`), the same for call and put of a strike.
"""

from cerberod.calculation.listed import smiles as told
from cerberod.calculation.listed import surface as surfaces
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, method
from cerberod.venues.deribit.methods.listed import ChainParams, ExpiryParams, OfChain, analysed


class GetTermStructure(told.TermChoices, ChainParams):
    """Which chain and which tenors."""


class TermStructure(told.Term, OfChain):
    """At-the-money volatility by time."""


@method("deribit.get_term_structure", cost=10, deadline=Deadline.ANALYTICS)
async def get_term_structure(call: Call, params: GetTermStructure) -> TermStructure:
    """Return ATM volatility by expiry and at constant maturities, forward vols, slope.

    At the money means strike = the expiry's forward. Constant maturities are interpolated in total variance and never
    extrapolated. Source: J. Gatheral, "The Volatility Surface" (2006).
    """
    return TermStructure(**await analysed(call, params, told.TERM))


class GetSkew(told.SkewChoices, ExpiryParams):
    """Which chain and how to measure its skew."""


class Skew(told.Skew, OfChain):
    """Risk reversal and butterfly."""


@method("deribit.get_skew_25d", cost=10, deadline=Deadline.ANALYTICS)
async def get_skew_25d(call: Call, params: GetSkew) -> Skew:
    """Return risk reversal and butterfly of 25 deltas, by expiry and at 30 days.

    The sign is told with the result: call_minus_put (as currency desks have it) unless put_minus_call (as equity desks
    have it) is asked for. Another delta or tenor may be asked for. Source: U. Wystup, "FX Options and Structured
    Products" (2006), with forward deltas.
    """
    return Skew(**await analysed(call, params, told.SKEW))


class GetSmileAsymmetry(told.AsymmetryChoices, ExpiryParams):
    """Which chain and how to fold its smiles."""


class Asymmetry(told.Asymmetry, OfChain):
    """Downside against upside of each smile."""


@method("deribit.get_smile_asymmetry", cost=10, deadline=Deadline.ANALYTICS)
async def get_smile_asymmetry(call: Call, params: GetSmileAsymmetry) -> Asymmetry:
    """Return how much dearer one side of each smile is than the other, in points.

    The mean difference of put-side and call-side volatility over equal distances from the forward; as
    `common.smile_asymmetry`, for each expiry.
    """
    return Asymmetry(**await analysed(call, params, told.ASYMMETRY))


class GetWings(told.WingsChoices, ExpiryParams):
    """Which chain and where its wings are."""


class Wings(told.Wings, OfChain):
    """The wings of each smile against the money."""


@method("deribit.get_atm_vs_wings_vol", cost=10, deadline=Deadline.ANALYTICS)
async def get_atm_vs_wings_vol(call: Call, params: GetWings) -> Wings:
    """Return volatility of both wings against that at the money, by expiry and tenor.

    Wings are a call and a put of 10 deltas unless another delta is asked for; differences in points, wing minus ATM.
    """
    return Wings(**await analysed(call, params, told.WINGS))


class GetWeightedSkew(told.WeightedChoices, ExpiryParams):
    """Which chain and the sign."""


class WeightedSkews(told.WeightedSkews, OfChain):
    """The skew that open positions stand at."""


@method("deribit.get_oi_weighted_skew", cost=10, deadline=Deadline.ANALYTICS)
async def get_oi_weighted_skew(call: Call, params: GetWeightedSkew) -> WeightedSkews:
    """Return mean volatility of open puts against that of open calls, in points.

    Options out of the money, weighted by open interest, of the whole chain and by expiry; as `common.oi_weighted_skew`.
    """
    return WeightedSkews(**await analysed(call, params, told.WEIGHTED))


class GetExpectedMove(told.MoveChoices, ExpiryParams):
    """Which chain and which horizons."""


class ExpectedMove(told.Moves, OfChain):
    """How far the price goes, as options are priced."""


@method("deribit.get_expected_move", cost=10, deadline=Deadline.ANALYTICS)
async def get_expected_move(call: Call, params: GetExpectedMove) -> ExpectedMove:
    """Return the move that options price in until each expiry and over horizons.

    One standard deviation, lognormal bounds, and the expected absolute move (the ATM straddle), in quote currency, from
    ATM volatility; horizons between expiries by total variance.
    """
    return ExpectedMove(**await analysed(call, params, told.MOVES))


class GetSurface(surfaces.SurfaceChoices, ExpiryParams):
    """Which chain, and where to read its surface."""


class Surface(surfaces.Surface, OfChain):
    """A volatility surface with its fits and checks."""


@method("deribit.get_vol_surface", cost=50, deadline=Deadline.ANALYTICS)
async def get_vol_surface(call: Call, params: GetSurface) -> Surface:
    """Return volatilities on a grid, SVI fits with their errors, and arbitrage checks.

    One raw SVI slice for each expiry with five strikes or more, its error in volatility points, whether it allows
    butterflies, and whether neighbouring expiries allow calendars. J. Gatheral and A. Jacquier, Quantitative Finance 14
    (2014). The fit is of marks, not of what can be traded.
    """
    return Surface(**await analysed(call, params, surfaces.SURFACE))
