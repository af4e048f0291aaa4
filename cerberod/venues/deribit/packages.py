"""A package in its caller's sense, and the venue's combo of the same legs. Pure.

The venue knows each package in one sense only, its own, and perhaps in another multiple. Names say nothing about signs:
legs are compared, each by each. Whatever is not the same legs in the same ratio is another package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import Any

from cerberod.trading.money import plain
from cerberod.venues.deribit.wire.combos import Combo
from cerberod.venues.deribit.wire.market import Instrument, Kind
from cerberod.venues.deribit.wire.orders import Order, Trade
from cerberod.venues.reading import tidy

RATIO_SPREADS = ((1, 1), (1, 2), (1, 3), (2, 3))
"""Ratios that the venue names spreads of two calls, or of two puts, after: first the leg nearer the money."""
EVEN = ((1, 1),)
"""The one ratio of any other two legs."""


@dataclass(frozen=True, slots=True)
class Package:
    """Legs as whole ratios without a common divisor, bought above zero, and how many of such packages."""

    ratios: Mapping[str, int]
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Match:
    """How a combo of the venue relates to a package: 1 combo is `multiple` packages, their signs turned or not."""

    inverted: bool
    multiple: Decimal

    def side(self) -> str:
        """Return the side of the combo that carries the package out."""
        return "sell" if self.inverted else "buy"

    def turned(self, price: Decimal) -> Decimal:
        """Take a price between the caller's sense and the combo's, of one package."""
        return tidy(-price if self.inverted else price)

    def price_there(self, price: Decimal) -> Decimal:
        """Return the combo's price of a package's price."""
        return tidy(self.turned(price) * self.multiple)

    def price_here(self, price: Decimal) -> Decimal:
        """Return the package's price of a combo's price."""
        return _cut(self.turned(price) / self.multiple)

    def amount_there(self, packages: Decimal) -> Decimal:
        """Return how many combos make so many packages."""
        return tidy(packages / self.multiple)

    def amount_here(self, combos: Decimal) -> Decimal:
        """Return how many packages so many combos make."""
        return tidy(combos * self.multiple)


def package_of(legs: Sequence[tuple[str, str, Decimal]]) -> Package:
    """Reduce legs, each an instrument with side and amount, to whole ratios."""
    parts = [Fraction(amount) for _, _, amount in legs]
    common = reduce(lcm, (part.denominator for part in parts))
    whole = [int(part * common) for part in parts]
    divisor = reduce(gcd, whole)
    ratios = {
        name: number // divisor * (1 if side == "buy" else -1)
        for (name, side, _), number in zip(legs, whole, strict=True)
    }
    return Package(ratios, tidy(Decimal(divisor) / Decimal(common)))


def nearest_ratio(package: Package, instruments: Sequence[Instrument]) -> str | None:
    """Return the ratio nearest to that of two legs, in their order, of which the venue has a package.

    None where the ratio is not the trouble, and where no ratio of these legs would do.
    """
    if len(instruments) != 2:
        return None
    first, second = instruments
    ratios = [package.ratios[each.instrument_name] for each in instruments]
    pairs = _pairs(first, second, opposite=ratios[0] * ratios[1] < 0)
    asked = (abs(ratios[0]), abs(ratios[1]))
    if not pairs or asked in pairs:
        return None
    one, other = min(pairs, key=lambda pair: (abs(Fraction(*pair) - Fraction(*asked)), pair))
    return f"{one}:{other}"


def _pairs(first: Instrument, second: Instrument, *, opposite: bool) -> Sequence[tuple[int, int]]:
    """Return the ratios in which two legs are a package, by the names of the venue's packages."""
    together = first.expires_at == second.expires_at
    match first.kind, second.kind:
        case Kind.FUTURE, Kind.FUTURE:
            return EVEN if opposite else ()
        case Kind.OPTION, Kind.OPTION if first.option_type != second.option_type:
            return EVEN if together else ()
        case Kind.OPTION, Kind.OPTION if opposite and together:
            ahead = (first.strike or 0) < (second.strike or 0)
            turned = ahead != (first.option_type == "call")
            return [(other, one) for one, other in RATIO_SPREADS] if turned else RATIO_SPREADS
        case Kind.OPTION, Kind.OPTION if opposite:
            return EVEN
        case _:
            return ()


def match(package: Package, combo: Combo) -> Match | None:
    """Compare the legs that the venue has with those that were asked for; None for another package."""
    theirs = {leg.instrument_name: leg.amount for leg in combo.legs}
    if theirs.keys() != package.ratios.keys() or len(theirs) != len(combo.legs):
        return None
    factors = {amount / package.ratios[name] for name, amount in theirs.items()}
    if len(factors) != 1:
        return None
    factor = factors.pop()
    return Match(inverted=factor < 0, multiple=abs(factor))


def found_in(package: Package, combos: Sequence[Combo]) -> tuple[Combo, Match] | None:
    """Return the first combo of these that is the package, in whichever sense."""
    return next(((combo, matched) for combo in combos if (matched := match(package, combo)) is not None), None)


def account_of(package: Package, matched: Match, order: Order, fills: Sequence[Trade]) -> dict[str, Any]:
    """Tell in the caller's sense what an order on the combo has done: packages, legs, their prices and fees."""
    filled = matched.amount_here(order.filled_amount)
    average = order.average_price
    legs = []
    for name, ratio in package.ratios.items():
        mine = [fill for fill in fills if fill.instrument_name == name]
        size = sum((fill.amount for fill in mine), Decimal(0))
        complete = size == filled * abs(ratio) and size > 0
        mean = sum((fill.amount * fill.price for fill in mine), Decimal(0)) / size if complete else None
        legs.append(
            {
                "instrument_name": name,
                "side": "buy" if ratio > 0 else "sell",
                "ratio": abs(ratio),
                "filled_amount": plain(tidy(filled * abs(ratio))),
                "average_price": None if mean is None else plain(_cut(mean)),
            }
        )
    fees: dict[str, Decimal] = {}
    for fill in fills:
        if fill.instrument_name in package.ratios:
            fees[fill.fee_currency] = fees.get(fill.fee_currency, Decimal(0)) + fill.fee
    return {
        "combo_id": order.instrument_name,
        "combo_side": matched.side(),
        "amount": plain(matched.amount_here(order.amount)),
        "filled_amount": plain(filled),
        "average_price": None if average is None else plain(matched.price_here(average)),
        "legs": legs,
        "fees": [{"currency": name, "amount": plain(tidy(fee))} for name, fee in sorted(fees.items())],
    }


def is_complete(package: Package, matched: Match, order: Order, fills: Sequence[Trade]) -> bool:
    """Tell whether the fills of the legs account for all that was filled of the combo."""
    filled = matched.amount_here(order.filled_amount)
    return all(
        sum((fill.amount for fill in fills if fill.instrument_name == name), Decimal(0)) == filled * abs(ratio)
        for name, ratio in package.ratios.items()
    )


_DIGITS = Decimal(1).scaleb(-12)


def _cut(number: Decimal) -> Decimal:
    """Cut a mean to the digits we can carry."""
    exponent = number.as_tuple().exponent
    return tidy(number.quantize(_DIGITS) if isinstance(exponent, int) and exponent < -12 else number)
