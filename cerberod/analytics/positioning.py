"""Where open interest lies: max pain, put/call ratios, and the skew that open positions were struck at.

These describe what is open, not what anybody must do about it. Money is in quote currency, sizes in units of the
underlying, volatilities are fractions.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from cerberod.analytics.arrays import BoolArray, FloatArray
from cerberod.analytics.chain import OptionChain


class PositioningReason(IntEnum):
    """Why a number of positioning does not exist."""

    NONE = 0
    NO_OPEN_INTEREST = 1
    NO_CALLS_OUT_OF_THE_MONEY = 2
    NO_PUTS_OUT_OF_THE_MONEY = 3


@dataclass(frozen=True)
class MaxPain:
    """The listed strike at which one expiry's options would pay their holders least, in all.

    `pain` is what they would pay at each of `strikes` (rising), in quote currency. Of equal strikes the lowest is
    taken. `strike` is `None` with a `reason` when nothing is open.
    """

    expiry_ms: int
    strike: float | None
    strikes: FloatArray
    pain: FloatArray
    open_interest: float
    reason: PositioningReason


@dataclass(frozen=True)
class PutCallRatio:
    """Puts over calls by open interest and by volume; a ratio is `None` where calls have none.

    `expiry_ms` is `None` for the whole chain.
    """

    expiry_ms: int | None
    put_open_interest: float
    call_open_interest: float
    open_interest_ratio: float | None
    put_volume: float
    call_volume: float
    volume_ratio: float | None


@dataclass(frozen=True)
class WeightedSkew:
    """Mean volatility of open out-of-the-money options, each weighted by its open interest.

    `skew` is puts minus calls, a fraction: positive when what is open on the downside is dearer. `slope` is the
    weighted least-squares slope of volatility against ln(K/F) / sqrt(T) over the same options, negative when the
    downside is dearer; `None` when all lie at one place. `expiry_ms` is `None` for the whole chain.
    """

    expiry_ms: int | None
    options: int
    put_volatility: float | None
    call_volatility: float | None
    skew: float | None
    slope: float | None
    reason: PositioningReason


def max_pain(chain: OptionChain) -> tuple[MaxPain, ...]:
    """Return max pain of each expiry, in order: the strike where the sum of open interest times intrinsic is least.

    Intrinsic values are taken in quote currency, for coin-settled options too. Source: market folklore; the least of a
    convex piecewise linear function lies on a strike, so that listed strikes suffice.
    """
    return tuple(_pain_of(chain.rows(chain.expiry_ms == expiry), expiry) for expiry in chain.expiries())


def _pain_of(part: OptionChain, expiry_ms: int) -> MaxPain:
    strikes = np.unique(part.strike)
    over = strikes[:, None] - part.strike[None, :]
    pain = np.maximum(np.where(part.is_call, over, -over), 0.0) @ part.open_interest
    total = float(part.open_interest.sum())
    nothing = total == 0.0
    return MaxPain(
        expiry_ms=expiry_ms,
        strike=None if nothing else float(strikes[np.argmin(pain)]),
        strikes=strikes,
        pain=pain,
        open_interest=total,
        reason=PositioningReason.NO_OPEN_INTEREST if nothing else PositioningReason.NONE,
    )


def put_call_ratios(chain: OptionChain) -> tuple[PutCallRatio, ...]:
    """Return the ratios of the whole chain first, then of each expiry in order; by size, not by value."""
    parts = [(None, np.ones_like(chain.is_call)), *((e, chain.expiry_ms == e) for e in chain.expiries())]
    return tuple(_ratios_of(chain, expiry, rows) for expiry, rows in parts)


def _ratios_of(chain: OptionChain, expiry_ms: int | None, rows: BoolArray) -> PutCallRatio:
    calls, puts = rows & chain.is_call, rows & ~chain.is_call
    call_open, put_open = float(chain.open_interest[calls].sum()), float(chain.open_interest[puts].sum())
    call_volume, put_volume = float(chain.volume[calls].sum()), float(chain.volume[puts].sum())
    return PutCallRatio(
        expiry_ms=expiry_ms,
        put_open_interest=put_open,
        call_open_interest=call_open,
        open_interest_ratio=put_open / call_open if call_open > 0.0 else None,
        put_volume=put_volume,
        call_volume=call_volume,
        volume_ratio=put_volume / call_volume if call_volume > 0.0 else None,
    )


def weighted_skews(chain: OptionChain) -> tuple[WeightedSkew, ...]:
    """Return the open-interest-weighted skew of the whole chain first, then of each expiry in order.

    The definition is our own, because venues and analysts use the name for several numbers:

        skew = sum_P(OI sigma) / sum_P(OI) - sum_C(OI sigma) / sum_C(OI)

    where P are the puts with strike below and C the calls with strike above the forward of their expiry, OI is open
    interest above zero and sigma the row's volatility. A strike at the forward counts on neither side.
    """
    out_of_money = np.where(chain.is_call, chain.strike > chain.forward, chain.strike < chain.forward)
    used = out_of_money & (chain.open_interest > 0.0)
    parts = [(None, used), *((e, used & (chain.expiry_ms == e)) for e in chain.expiries())]
    return tuple(_skew_of(chain.rows(rows), expiry) for expiry, rows in parts)


def _skew_of(part: OptionChain, expiry_ms: int | None) -> WeightedSkew:
    calls, puts = part.rows(part.is_call), part.rows(~part.is_call)
    put, call = _mean(puts), _mean(calls)
    place = np.log(part.strike / part.forward) / np.sqrt(part.years)
    if put is None and call is None:
        reason = PositioningReason.NO_OPEN_INTEREST
    elif put is None:
        reason = PositioningReason.NO_PUTS_OUT_OF_THE_MONEY
    elif call is None:
        reason = PositioningReason.NO_CALLS_OUT_OF_THE_MONEY
    else:
        reason = PositioningReason.NONE
    return WeightedSkew(
        expiry_ms=expiry_ms,
        options=part.strike.size,
        put_volatility=put,
        call_volatility=call,
        skew=put - call if put is not None and call is not None else None,
        slope=_slope(place, part.volatility, part.open_interest),
        reason=reason,
    )


def _mean(part: OptionChain) -> float | None:
    if part.strike.size == 0:
        return None
    return float(np.sum(part.open_interest * part.volatility) / np.sum(part.open_interest))


def _slope(place: FloatArray, value: FloatArray, weight: FloatArray) -> float | None:
    if place.size < 2:
        return None
    share = weight / weight.sum()
    away = place - np.sum(share * place)
    spread = float(np.sum(share * away * away))
    if spread <= 1e-24 * max(float(np.max(np.abs(place))), 1e-12) ** 2:
        return None
    return float(np.sum(share * away * (value - np.sum(share * value))) / spread)
