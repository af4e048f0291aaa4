"""What a position gains or loses at expiry: the whole curve, its roots and its extremes, without a model.

At expiry a leg's profit in quote currency is piecewise linear in the settlement price S, a coin-settled leg's too: what
it pays in coin is c + d/S, worth c S + d. So break-even levels are roots of lines, the same in both currencies, and
profit in coin, (a + b S)/S on each piece, is monotone between the bends: nothing has to be searched for. Coins are
valued at S. Premium and fees of inverse legs were paid in coin and are therefore worth more the higher S ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics.arrays import FloatArray, positive, series
from cerberod.analytics.legs import Kind, Leg, Settlement, check_legs
from cerberod.analytics.piecewise import NOTHING, Bend, Line, Piecewise, exact
from cerberod.errors import AnalyticsRefused

_MOST_LEVELS = 5_000


class Toward(StrEnum):
    """The end of the price axis an extreme lies at, without being reached at any price."""

    ZERO = "zero"
    INFINITY = "infinity"


@dataclass(frozen=True)
class Extreme:
    """The largest or least profit at expiry.

    `value` is `None` when `unbounded`. `level` is a price where it is reached, `None` when it is only
    approached as the price goes `toward` zero or infinity.
    """

    value: float | None
    level: float | None
    toward: Toward | None
    unbounded: bool


@dataclass(frozen=True)
class Range:
    """Prices from `low` to `high`; `high` is `None` for no upper end."""

    low: float
    high: float | None


@dataclass(frozen=True)
class ExpiryPayoff:
    """A position at its expiry. Losses are negative profits; `_quote` is quote currency, `_coin` coins at the price S.

    `breakevens` are the prices where profit is zero, rising, the same in both currencies; where it stays zero over a
    whole range that stands in `zero_ranges` instead. `legs` is their number.
    """

    legs: int
    breakevens: tuple[float, ...]
    zero_ranges: tuple[Range, ...]
    max_profit_quote: Extreme
    max_loss_quote: Extreme
    max_profit_coin: Extreme
    max_loss_coin: Extreme
    level: FloatArray
    profit_quote: FloatArray
    profit_coin: FloatArray


def expiry_payoff(legs: Sequence[Leg], level: ArrayLike) -> ExpiryPayoff:
    """Return profit at expiry at each price `level` (positive), and exact break-evens and extremes over all prices.

    All options and futures must expire together (refused otherwise: revalue the position at the first expiry instead).
    Perpetuals and spot are closed at the settlement price. What is paid in coin at entry is valued at the price of
    expiry: its worth in quote currency has no limit as the price rises, and neither has the loss where no leg gains as
    fast, as with a bought put whose premium was coin. Source: definition; inverse contracts as in C. Alexander,
    D. Chen and A. Imeraj, "Crypto quanto and inverse options", Mathematical Finance 33 (2023).
    """
    check_legs(legs)
    if len({leg.years for leg in legs if leg.years is not None}) > 1:
        raise AnalyticsRefused("legs", "must all expire together")
    levels = series("level", positive("level", level))
    if levels.size > _MOST_LEVELS:
        raise AnalyticsRefused("level", f"must be a list of at most {_MOST_LEVELS}")
    function = payoff_function(legs)
    points, ranges = function.zeros()
    quote = function.at(levels)
    return ExpiryPayoff(
        legs=len(legs),
        breakevens=tuple(float(point) for point in points),
        zero_ranges=tuple(Range(float(low), None if high is None else float(high)) for low, high in ranges),
        max_profit_quote=_extreme_quote(function, 1),
        max_loss_quote=_extreme_quote(function, -1),
        max_profit_coin=_extreme_coin(function, 1),
        max_loss_coin=_extreme_coin(function, -1),
        level=levels,
        profit_quote=quote,
        profit_coin=quote / levels,
    )


def payoff_grid(
    legs: Sequence[Leg], spot: float, *, low: float = 0.5, high: float = 1.5, count: int = 201
) -> FloatArray:
    """Return `count` levels from `low` to `high` times spot, and every bend of the payoff that lies between them."""
    check_legs(legs)
    positive("spot", spot)
    if not 0.0 < low < high <= 100.0:
        raise AnalyticsRefused("low", "low and high must be positive, increasing and at most 100")
    if not 2 <= count <= _MOST_LEVELS // 2:
        raise AnalyticsRefused("count", f"must be from 2 to {_MOST_LEVELS // 2}")
    even = spot * np.linspace(low, high, count)
    bends = np.array([float(bend) for bend in payoff_function(legs).levels])
    return np.union1d(even, bends[(bends > even[0]) & (bends < even[-1])])


def payoff_function(legs: Sequence[Leg]) -> Piecewise:
    """Return profit at expiry in quote currency as an exact function of the settlement price."""
    first = NOTHING
    bends: list[Bend] = []
    for leg in legs:
        line, more = _exit(leg)
        first = first + _entry(leg) + line
        bends += more
    return Piecewise.of(first, bends)


def _entry(leg: Leg) -> Line:
    """Return what entering costs (premium and fee), as a line of the settlement price."""
    quantity, price, fee = exact(leg.quantity), exact(leg.price), exact(leg.fee)
    paid = fee + (quantity * price if leg.kind.is_option else 0)
    in_coin = leg.settlement is Settlement.INVERSE
    return Line(Fraction(0), -paid) if in_coin else Line(-paid, Fraction(0))


def _exit(leg: Leg) -> tuple[Line, list[Bend]]:
    """Return what settlement pays less the delivery fee, as a first line and its bends."""
    quantity, price = exact(leg.quantity), exact(leg.price)
    rate = exact(leg.delivery_rate) * abs(quantity)
    match leg.kind:
        case Kind.CALL:
            strike = exact(leg.strike or 0.0)
            return NOTHING, [Bend(strike, quantity), *_call_delivery(leg, strike, quantity)]
        case Kind.PUT:
            strike = exact(leg.strike or 0.0)
            fee, bends = _put_delivery(leg, strike, quantity)
            return Line(quantity * strike, -quantity) + fee, [Bend(strike, quantity), *bends]
        case Kind.SPOT:
            return Line(-quantity * price, quantity), []
        case Kind.FUTURE | Kind.PERPETUAL:
            if leg.settlement is Settlement.LINEAR:
                return Line(-quantity * price, quantity - rate), []
            return Line(-quantity - rate, quantity / price), []
        case _:
            assert_never(leg.kind)


def _call_delivery(leg: Leg, strike: Fraction, quantity: Fraction) -> list[Bend]:
    # min(rate S, cap (S - K)) above K: the cap rules up to K cap / (cap - rate).
    rate, cap = exact(leg.delivery_rate), exact(leg.delivery_cap)
    if rate == 0:
        return []
    return [Bend(strike, -abs(quantity) * cap), Bend(strike * cap / (cap - rate), abs(quantity) * (cap - rate))]


def _put_delivery(leg: Leg, strike: Fraction, quantity: Fraction) -> tuple[Line, list[Bend]]:
    # min(rate S, cap (K - S)) below K: the cap rules from K cap / (cap + rate) on.
    rate, cap = exact(leg.delivery_rate), exact(leg.delivery_cap)
    if rate == 0:
        return NOTHING, []
    size = abs(quantity)
    bends = [Bend(strike * cap / (cap + rate), size * (cap + rate)), Bend(strike, -size * cap)]
    return Line(Fraction(0), -size * rate), bends


def _extreme_quote(function: Piecewise, side: int) -> Extreme:
    """Return the largest (`side` 1) or least (-1) profit in quote currency."""
    first, last = function.lines[0], function.lines[-1]
    if side * last.b > 0:
        return Extreme(None, None, Toward.INFINITY, unbounded=True)
    ends = [(first.a, Toward.ZERO)]
    if last.b == 0:
        ends.append((last.a, Toward.INFINITY))
    return _best(function, side, ends, lambda line, level: line.at(level))


def _extreme_coin(function: Piecewise, side: int) -> Extreme:
    """Return the largest (`side` 1) or least (-1) profit in coin."""
    first, last = function.lines[0], function.lines[-1]
    if side * first.a > 0:
        return Extreme(None, None, Toward.ZERO, unbounded=True)
    ends = [(last.b, Toward.INFINITY)]
    if first.a == 0:
        ends.append((first.b, Toward.ZERO))
    return _best(function, side, ends, lambda line, level: line.at(level) / level)


def _best(
    function: Piecewise,
    side: int,
    ends: list[tuple[Fraction, Toward]],
    value: Callable[[Line, Fraction], Fraction],
) -> Extreme:
    reached = [(value(line, level), level) for line, level in zip(function.lines, function.levels, strict=False)]
    best = max([side * v for v, _ in reached] + [side * v for v, _ in ends])
    at = min((level for v, level in reached if side * v == best), default=None)
    if at is not None:
        return Extreme(float(side * best), float(at), None, unbounded=False)
    toward = next(where for v, where in ends if side * v == best)
    return Extreme(float(side * best), None, toward, unbounded=False)
