"""What a position is worth before it expires, by Black-76 at each leg's own volatility and forward.

Used for today's curve, for positions whose legs expire at different times, and for net greeks. Volatility stays with
the strike, each forward moves in proportion to spot and its basis melts evenly (in logarithm) until expiry. Rates are
zero; an inverse option is worth its Black-76 value divided by its forward, in coin, as Deribit marks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics.arrays import FloatArray, increasing, not_negative, positive, series
from cerberod.analytics.black import Convention, black_76, black_price
from cerberod.analytics.legs import Kind, Leg, Settlement, check_legs
from cerberod.errors import AnalyticsRefused

_MOST_LEVELS = 5_000
_ROUNDS = 100
_CLOSE = 4e-15


@dataclass(frozen=True)
class Curve:
    """Profit of a position at each spot `level`, `years_passed` from now, fees at entry included, delivery fees not.

    `profit_quote` is in quote currency, `profit_coin` the same in coins at that level. `breakevens` are the levels
    inside the grid where profit changes sign, solved to the last digit; two between neighbouring levels go unseen.
    """

    years_passed: float
    level: FloatArray
    profit_quote: FloatArray
    profit_coin: FloatArray
    breakevens: tuple[float, ...]


@dataclass(frozen=True)
class LegGreeks:
    """One leg now, its quantity and sign included.

    `value` is what it would fetch in its currency of settlement, 0 for futures and perpetuals, whose gains are settled.
    `delta` is in units of the underlying (inverse futures: quantity / forward); `premium_adjusted_delta` takes off an
    inverse option's value in coin, which is itself a holding of coin. `gamma` is delta per 1 of quote currency,
    `vega`, `theta` and `rho` quote currency per volatility point, per day and per percentage point, as Deribit states.
    """

    value: float
    delta: float
    premium_adjusted_delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


@dataclass(frozen=True)
class PositionGreeks:
    """Net greeks of a position now and those of each leg, in the order given; units as in `LegGreeks`.

    `profit_quote` and `profit_coin` are today's, at the present spot price.
    """

    convention: Convention
    profit_quote: float
    profit_coin: float
    delta: float
    premium_adjusted_delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    by_leg: tuple[LegGreeks, ...]


def profit_curve(legs: Sequence[Leg], spot: float, level: ArrayLike, years_passed: float = 0.0) -> Curve:
    """Return profit at each spot `level` (strictly increasing, 2 to 5000) after `years_passed`.

    `years_passed` may not lie beyond the first expiry; at it, options expiring then are worth their intrinsic value.
    """
    _check(legs, spot)
    levels = increasing("level", series("level", positive("level", level), least=2))
    if levels.size > _MOST_LEVELS:
        raise AnalyticsRefused("level", f"must be a list of at most {_MOST_LEVELS}")
    not_negative("years_passed", years_passed)
    if any(leg.years is not None and years_passed > leg.years for leg in legs):
        raise AnalyticsRefused("years_passed", "must not lie beyond the first expiry")
    quote = _profit(legs, spot, levels, years_passed)
    return Curve(
        years_passed=float(years_passed),
        level=levels,
        profit_quote=quote,
        profit_coin=quote / levels,
        breakevens=_breakevens(legs, spot, levels, quote, years_passed),
    )


def position_greeks(legs: Sequence[Leg], spot: float) -> PositionGreeks:
    """Return net greeks now, under Deribit's convention (see `black.Convention`)."""
    _check(legs, spot)
    each = tuple(_leg_greeks(leg, spot) for leg in legs)
    profit = float(_profit(legs, spot, np.array([spot]), 0.0)[0])
    return PositionGreeks(
        convention=Convention.DERIBIT,
        profit_quote=profit,
        profit_coin=profit / spot,
        delta=sum(leg.delta for leg in each),
        premium_adjusted_delta=sum(leg.premium_adjusted_delta for leg in each),
        gamma=sum(leg.gamma for leg in each),
        vega=sum(leg.vega for leg in each),
        theta=sum(leg.theta for leg in each),
        rho=sum(leg.rho for leg in each),
        by_leg=each,
    )


def _check(legs: Sequence[Leg], spot: float) -> None:
    check_legs(legs)
    if positive("spot", spot).ndim != 0:
        raise AnalyticsRefused("spot", "must be one number")


def _profit(legs: Sequence[Leg], spot: float, level: FloatArray, passed: float) -> FloatArray:
    out = np.zeros_like(level)
    for leg in legs:
        out += _leg_profit(leg, spot, level, passed)
    return out


def _forward(leg: Leg, spot: float, level: FloatArray, passed: float) -> FloatArray:
    if leg.forward is None or leg.years is None:
        return level
    out: FloatArray = level * (leg.forward / spot) ** ((leg.years - passed) / leg.years)
    return out


def _leg_profit(leg: Leg, spot: float, level: FloatArray, passed: float) -> FloatArray:
    """Return one leg's profit in quote currency; what is in coin counts at `level`."""
    forward = _forward(leg, spot, level, passed)
    inverse = leg.settlement is Settlement.INVERSE
    match leg.kind:
        case Kind.CALL | Kind.PUT:
            left = (leg.years or 0.0) - passed
            worth = black_price(forward, leg.strike or 0.0, left, leg.volatility or 0.0, leg.kind is Kind.CALL)
            gain = leg.quantity * ((worth / forward if inverse else worth) - leg.price)
        case Kind.FUTURE | Kind.PERPETUAL | Kind.SPOT:
            gain = leg.quantity * (1.0 / leg.price - 1.0 / forward if inverse else forward - leg.price)
        case _:
            assert_never(leg.kind)
    out: FloatArray = (gain - leg.fee) * (level if inverse else 1.0)
    return out


def _breakevens(
    legs: Sequence[Leg], spot: float, level: FloatArray, profit: FloatArray, passed: float
) -> tuple[float, ...]:
    side = np.sign(profit)
    change = np.flatnonzero(side[:-1] * side[1:] < 0.0)
    low, high = level[change], level[change + 1]
    at_low, at_high = profit[change], profit[change + 1]
    root, last = 0.5 * (low + high), np.zeros(change.size)
    for _ in range(_ROUNDS if change.size else 0):
        before, root = root, np.clip(low + at_low / (at_low - at_high) * (high - low), low, high)
        value = _profit(legs, spot, root, passed)
        if np.all((np.abs(root - before) <= _CLOSE * root) | (value == 0.0)):
            break
        now = np.where((value < 0.0) == (at_low < 0.0), 1.0, -1.0)  # which end the root replaces: low or high
        # False position with the Illinois rule: an end kept twice running loses half its weight, so both close in.
        kept = np.where(now == last, 0.5, 1.0)
        low, at_low, high, at_high = (
            np.where(now > 0.0, root, low),
            np.where(now > 0.0, value, at_low * kept),
            np.where(now > 0.0, high, root),
            np.where(now > 0.0, at_high * kept, value),
        )
        last = now
    out: list[float] = np.union1d(level[profit == 0.0], root).tolist()
    return tuple(out)


def _leg_greeks(leg: Leg, spot: float) -> LegGreeks:
    forward = spot if leg.forward is None else leg.forward
    inverse = leg.settlement is Settlement.INVERSE
    match leg.kind:
        case Kind.CALL | Kind.PUT:
            g = black_76(
                forward,
                leg.strike or 0.0,
                leg.years or 0.0,
                leg.volatility or 0.0,
                leg.kind is Kind.CALL,
                convention=Convention.DERIBIT,
            )
            value = float(g.price) / (forward if inverse else 1.0)
            delta, gamma, vega, theta, rho = (
                leg.quantity * float(v) for v in (g.delta, g.gamma.filled(0.0), g.vega, g.theta.filled(0.0), g.rho)
            )
            value *= leg.quantity
            return LegGreeks(value, delta, delta - value if inverse else delta, gamma, vega, theta, rho)
        case Kind.FUTURE | Kind.PERPETUAL:
            delta = leg.quantity / forward if inverse else leg.quantity
            return LegGreeks(0.0, delta, delta, 0.0, 0.0, 0.0, 0.0)
        case Kind.SPOT:
            return LegGreeks(leg.quantity * spot, leg.quantity, leg.quantity, 0.0, 0.0, 0.0, 0.0)
        case _:
            assert_never(leg.kind)
