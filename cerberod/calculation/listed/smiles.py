"""What the smiles of a chain say: term structure, skew, wings, expected moves. In percent a year and in points."""

from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.listed.chain import (
    CALL_MINUS_PUT,
    INTERPOLATION,
    PUT_MINUS_CALL,
    Days,
    Interpolation,
    OfListed,
    SkewSign,
    Tenors,
    options_in,
)
from cerberod.calculation.service import Kernel
from cerberod.rpc.registry import Params, Result

Delta = Annotated[float, Field(gt=0, le=0.5)]
SMILES = "listed_smiles"
CONVENTION = "Definitions, units and signs that the numbers follow."
EXPIRY = "The expiry, as it stands in instrument names."
DAYS = "Days left, of 24 hours; a year has 365 of them."
NO_SMILE = "too_few_strikes, outside_strikes or several_strikes (delta does not fall with the strike)"


class OfExpiry(Result):
    """One expiry."""

    expiry: str = Field(description=EXPIRY)
    days: float = Field(description=DAYS)


class OfTenor(Result):
    """A constant maturity."""

    days: float = Field(description="The tenor, in days.")


class TermChoices(Params):
    """Which tenors to interpolate, and between which to measure the slope."""

    tenors_days: Tenors = Field(
        default=[7.0, 30.0, 60.0, 90.0, 180.0], description="Constant maturities to interpolate, in days."
    )
    slope_from_days: Days = Field(default=30.0, description="Near end of the slope, in days.")
    slope_to_days: Days = Field(default=90.0, description="Far end of the slope, in days; beyond the near end.")


class TermParams(TermChoices, OfListed):
    """A chain and tenors."""


class TermExpiry(OfExpiry):
    """At-the-money volatility of one expiry."""

    forward: float = Field(description="Forward of the expiry, quote currency.")
    atm_iv_pct: float | None = Field(description="Volatility at strike = forward, percent a year; null with a reason.")
    forward_iv_pct: float | None = Field(
        description="Volatility between the expiry before it (now, for the first) and this one; null with a reason."
    )
    reason: str | None = Field(
        description="too_few_strikes or outside_strikes: there is no ATM volatility; negative_forward_variance: total "
        "variance falls from the expiry before; null when both are there."
    )


class TermTenor(OfTenor):
    """ATM volatility at a constant maturity."""

    iv_pct: float | None = Field(description="Its ATM volatility, percent a year; null with a reason.")
    reason: str | None = Field(description="outside_expiries: no listed expiry on one side of it; else null.")


class Term(Result):
    """At-the-money volatility by time."""

    definition: str = Field(description=CONVENTION)
    by_expiry: list[TermExpiry] = Field(description="One for each expiry, soonest first.")
    tenors: list[TermTenor] = Field(description="One for each tenor asked for, in that order.")
    slope_points: float | None = Field(
        description="Volatility at `slope_to_days` minus that at `slope_from_days`, points; null with a reason."
    )
    slope_reason: str | None = Field(description="outside_expiries when one end cannot be interpolated; else null.")
    shape: Literal["contango", "backwardation", "flat"] | None = Field(
        description="contango: the far end is dearer; null when there is no slope."
    )


TERM = Kernel(SMILES, "term_structure", TermParams, Term, 0, options_in)


class DeltaChoices(Params):
    """Which delta to read smiles at, and which tenor to interpolate."""

    interpolation: Interpolation = Field(default="delta", description=INTERPOLATION)
    tenor_days: Days = Field(default=30.0, description="Constant maturity to interpolate as well, in days.")


class SkewChoices(DeltaChoices):
    """How to measure skew."""

    delta: Delta = Field(default=0.25, description="Delta of the call, and of the put without its sign.")
    convention: SkewSign = Field(default="call_minus_put", description=CALL_MINUS_PUT)


class SkewParams(SkewChoices, OfListed):
    """A chain and how to measure its skew."""


class SkewPoint(Result):
    """Skew at one expiry or tenor."""

    atm_iv_pct: float | None = Field(description="Volatility at strike = forward, percent.")
    call_iv_pct: float | None = Field(description="Volatility of the call of that delta, percent.")
    put_iv_pct: float | None = Field(description="Volatility of the put of that delta, percent.")
    risk_reversal_points: float | None = Field(description="Call against put, points, in the sign asked for.")
    butterfly_points: float | None = Field(description="Mean of call and put minus ATM, points; wings dearer: +.")


class SkewExpiry(SkewPoint, OfExpiry):
    """Skew of one expiry."""

    call_strike: float | None = Field(description="Strike with that call delta, between listed ones.")
    put_strike: float | None = Field(description="Strike with that put delta, between listed ones.")
    reason: str | None = Field(description=f"Why a number is null: {NO_SMILE}; else null.")


class SkewTenor(SkewPoint, OfTenor):
    """Skew of a constant maturity: each volatility interpolated in total variance."""

    reason: str | None = Field(description="outside_expiries: no usable expiry on one side of it; else null.")


class Skew(Result):
    """Skew by expiry and at a tenor."""

    sign: SkewSign = Field(description="The sign that every risk reversal here has.")
    definition: str = Field(description=CONVENTION)
    by_expiry: list[SkewExpiry] = Field(description="One for each expiry, soonest first.")
    tenor: SkewTenor = Field(description="The constant maturity.")


SKEW = Kernel(SMILES, "skew", SkewParams, Skew, 0, options_in)


class AsymmetryChoices(Params):
    """How to fold smiles."""

    deviations: Annotated[float, Field(gt=0, le=10)] = Field(
        default=1.0, description="How far from the money to compare, in units of ATM volatility times root of time."
    )
    convention: SkewSign = Field(default="put_minus_call", description=PUT_MINUS_CALL)


class AsymmetryParams(AsymmetryChoices, OfListed):
    """A chain and how to fold its smiles."""


class AsymmetryExpiry(OfExpiry):
    """Downside against upside of one expiry."""

    atm_iv_pct: float | None = Field(description="Volatility at strike = forward, percent.")
    asymmetry_points: float | None = Field(description="Mean difference of the two sides, points, as the sign says.")
    relative: float | None = Field(description="The same over the ATM volatility.")
    width: float | None = Field(description="The largest |ln(K/F)| compared.")
    reason: str | None = Field(description="too_few_strikes or outside_strikes; null when there is a number.")


class Asymmetry(Result):
    """Asymmetry by expiry."""

    sign: SkewSign = Field(description="The sign that every asymmetry here has.")
    definition: str = Field(description=CONVENTION)
    by_expiry: list[AsymmetryExpiry] = Field(description="One for each expiry, soonest first.")


ASYMMETRY = Kernel(SMILES, "asymmetry", AsymmetryParams, Asymmetry, 0, options_in)


class WingsChoices(DeltaChoices):
    """Where the wings are."""

    delta: Delta = Field(default=0.1, description="Delta of the call wing, and of the put wing without its sign.")


class WingsParams(WingsChoices, OfListed):
    """A chain and where its wings are."""


class WingsPoint(Result):
    """The wings against the money."""

    atm_iv_pct: float | None = Field(description="Volatility at strike = forward, percent.")
    call_wing_iv_pct: float | None = Field(description="Volatility of the call of that delta, percent.")
    put_wing_iv_pct: float | None = Field(description="Volatility of the put of that delta, percent.")
    call_minus_atm_points: float | None = Field(description="Call wing minus ATM, points.")
    put_minus_atm_points: float | None = Field(description="Put wing minus ATM, points.")
    ratio: float | None = Field(description="Mean of both wings over ATM; above 1: wings dearer.")


class WingsExpiry(WingsPoint, OfExpiry):
    """The wings of one expiry."""

    reason: str | None = Field(description=f"Why a number is null: {NO_SMILE}; else null.")


class WingsTenor(WingsPoint, OfTenor):
    """The wings of a constant maturity: each volatility interpolated in total variance."""

    reason: str | None = Field(description="outside_expiries: no usable expiry on one side of it; else null.")


class Wings(Result):
    """Wings by expiry and at a tenor."""

    definition: str = Field(description=CONVENTION)
    by_expiry: list[WingsExpiry] = Field(description="One for each expiry, soonest first.")
    tenor: WingsTenor = Field(description="The constant maturity.")


WINGS = Kernel(SMILES, "wings", WingsParams, Wings, 0, options_in)


class WeightedChoices(Params):
    """The sign of the skew."""

    convention: SkewSign = Field(default="put_minus_call", description=PUT_MINUS_CALL)


class WeightedParams(WeightedChoices, OfListed):
    """A chain and a sign."""


class WeightedSkew(Result):
    """Open options out of the money, of one expiry or of all."""

    expiry: str | None = Field(description="The expiry; null for the whole chain.")
    options: int = Field(description="How many options went in: out of the money, with open interest.")
    put_iv_pct: float | None = Field(description="Mean volatility of the puts by open interest, percent.")
    call_iv_pct: float | None = Field(description="Mean volatility of the calls by open interest, percent.")
    skew_points: float | None = Field(description="One against the other, points, as the sign says.")
    slope_points: float | None = Field(
        description="Weighted slope of volatility points against ln(K/F)/sqrt(T), whatever the sign asked for."
    )
    reason: str | None = Field(
        description="no_open_interest, no_calls_out_of_the_money or no_puts_out_of_the_money; null when none."
    )


class WeightedSkews(Result):
    """The skew that open positions stand at."""

    sign: SkewSign = Field(description="The sign that every skew here has.")
    definition: str = Field(description=CONVENTION)
    all: WeightedSkew = Field(description="The whole chain.")
    by_expiry: list[WeightedSkew] = Field(description="One for each expiry, soonest first.")


WEIGHTED = Kernel(SMILES, "weighted_skews", WeightedParams, WeightedSkews, 0, options_in)


class MoveChoices(Params):
    """Over which horizons."""

    horizons_days: Tenors = Field(default=[1.0, 7.0, 30.0], description="Horizons to tell besides expiries, in days.")


class MoveParams(MoveChoices, OfListed):
    """A chain and horizons."""


class Move(Result):
    """How far the price goes until a moment, as options are priced."""

    iv_pct: float | None = Field(description="The ATM volatility it follows from, percent; null with a reason.")
    one_sigma: float | None = Field(description="F x sigma x sqrt(T), quote currency.")
    one_sigma_pct: float | None = Field(description="The same in percent of the forward.")
    lower: float | None = Field(description="F e^(-sigma sqrt T): one deviation down, lognormal.")
    upper: float | None = Field(description="F e^(+sigma sqrt T): one deviation up, lognormal.")
    mean_absolute: float | None = Field(description="Expected |S - F|, which is the price of the ATM straddle.")


class MoveExpiry(Move, OfExpiry):
    """The move until one expiry."""

    forward: float = Field(description="Forward of the expiry, quote currency.")
    reason: str | None = Field(description="too_few_strikes or outside_strikes; null when there are numbers.")


class MoveHorizon(Move, OfTenor):
    """The move over a horizon, about the spot price; `days` is its length."""

    reason: str | None = Field(description="outside_expiries: no listed expiry on one side of it; else null.")


class Moves(Result):
    """Expected moves."""

    definition: str = Field(description=CONVENTION)
    by_expiry: list[MoveExpiry] = Field(description="One for each expiry, soonest first.")
    horizons: list[MoveHorizon] = Field(description="One for each horizon asked for, in that order.")


MOVES = Kernel(SMILES, "expected_moves", MoveParams, Moves, 0, options_in)
