"""Which packages of legs the venue knows: their codes, names and canonical signs. Pure.

A request names legs in the caller's sense; the venue knows each package in one sense only, so what comes back may be
the request with every sign turned round. Signs of vertical and ratio spreads, boxes, reversals and future spreads are
as recorded; where no recording tells, the package is the one that buys its first leg, which clients must not rely on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import Final, NamedTuple

from cerberod.simulator.deribit.instruments import Instrument, Leg, TickGrid

MOST_LEGS: Final = 4
_OPTION_TICK = Decimal("0.0001")


class NoSuchPackageError(Exception):
    """The venue makes no combo of these legs."""


class _Part(NamedTuple):
    """One leg of a pattern; strikes and expiries are told by rank, the lowest and the nearest being 0."""

    ratio: int
    call: bool
    strike: int
    expiry: int = 0


@dataclass(frozen=True)
class _Pattern:
    code: str
    parts: tuple[_Part, ...]
    descending: bool = False  # the name tells the highest strike first


def _one_expiry() -> Iterable[_Pattern]:
    for call, letter in ((True, "C"), (False, "P")):
        low, high = (0, 1) if call else (1, 0)
        for suffix, bought, sold in (("S", 1, 1), ("SR12", 1, 2), ("SR13", 1, 3), ("SR23", 2, 3)):
            parts = (_Part(bought, call, low), _Part(-sold, call, high))
            yield _Pattern(letter + suffix, parts, descending=not call)
        yield _Pattern(letter + "BUT", (_Part(1, call, 0), _Part(-2, call, 1), _Part(1, call, 2)))
        first, third = (0, 2) if call else (2, 0)
        ladder = (_Part(1, call, first), _Part(-1, call, 1), _Part(-1, call, third))
        yield _Pattern(letter + "LAD", ladder, descending=not call)
        condor = (_Part(1, call, 0), _Part(-1, call, 1), _Part(-1, call, 2), _Part(1, call, 3))
        yield _Pattern(letter + "COND", condor)
    yield _Pattern("STRD", (_Part(1, True, 0), _Part(1, False, 0)))
    yield _Pattern("STRG", (_Part(1, False, 0), _Part(1, True, 1)))
    yield _Pattern("GUTS", (_Part(1, True, 0), _Part(1, False, 1)))
    yield _Pattern("RR", (_Part(1, True, 1), _Part(-1, False, 0)))
    yield _Pattern("RRITM", (_Part(1, True, 0), _Part(-1, False, 1)))
    yield _Pattern("REV", (_Part(1, True, 0), _Part(-1, False, 0)))
    yield _Pattern("IBUT", (_Part(1, False, 0), _Part(-1, False, 1), _Part(-1, True, 1), _Part(1, True, 2)))
    yield _Pattern("ICOND", (_Part(1, False, 0), _Part(-1, False, 1), _Part(-1, True, 2), _Part(1, True, 3)))
    yield _Pattern("BOX", (_Part(1, True, 0), _Part(-1, False, 0), _Part(-1, True, 1), _Part(1, False, 1)))


def _two_expiries() -> Iterable[_Pattern]:
    for far, near in ((0, 0), (0, 1), (1, 0)):  # ranks of the far and of the near strike
        same = far == near
        for call, letter in ((True, "C"), (False, "P")):
            parts = (_Part(1, call, far, 1), _Part(-1, call, near, 0))
            yield _Pattern(letter + ("CAL" if same else "DIAG"), parts)
        straddles = (
            _Part(1, True, far, 1),
            _Part(1, False, far, 1),
            _Part(-1, True, near, 0),
            _Part(-1, False, near, 0),
        )
        yield _Pattern("STDC" if same else "DSTDC", straddles)
    rolls = (_Part(1, True, 0, 1), _Part(-1, False, 0, 1), _Part(-1, True, 0, 0), _Part(1, False, 0, 0))
    yield _Pattern("JR", rolls)


PATTERNS: Final = (*_one_expiry(), *_two_expiries())
_BY_PARTS: Final = {frozenset(pattern.parts): pattern for pattern in PATTERNS}


@dataclass(frozen=True)
class Package:
    """A combo as the venue names it. `inverted` tells that the legs asked for are the same with all signs turned."""

    name: str
    legs: tuple[Leg, ...]
    inverted: bool


def reduced(amounts: Sequence[Decimal]) -> tuple[list[int], Decimal]:
    """Return signed amounts as the smallest whole ratios, and the amount that one of them stands for."""
    fractions = [Fraction(amount) for amount in amounts]
    common = reduce(lcm, (f.denominator for f in fractions))
    whole = [int(f * common) for f in fractions]
    divisor = reduce(gcd, whole)
    return [n // divisor for n in whole], Decimal(divisor) / Decimal(common)


def recognise(legs: Sequence[Leg]) -> Package:
    """Return the venue's package of these legs; NoSuchPackageError if it has none."""
    if not 2 <= len(legs) <= MOST_LEGS:
        raise NoSuchPackageError
    first = legs[0].instrument
    base = first.name.partition("-")[0]
    alike = all(leg.instrument.kind == first.kind and leg.instrument.name.partition("-")[0] == base for leg in legs)
    different = len({leg.instrument.name for leg in legs}) == len(legs)
    if not alike or not different:
        raise NoSuchPackageError
    if first.kind == "future":
        return _future_spread(base, legs)
    if not first.option:
        raise NoSuchPackageError
    return _option_package(base, legs)


def _future_spread(base: str, legs: Sequence[Leg]) -> Package:
    if sorted(leg.ratio for leg in legs) != [-1, 1]:
        raise NoSuchPackageError
    # A perpetual is the nearest of all, whatever its expiry says.
    near, far = sorted(legs, key=lambda leg: (not leg.instrument.perpetual, leg.instrument.expiry_ms))
    codes = ["PERP" if leg.instrument.perpetual else leg.instrument.expiry_code for leg in (far, near)]
    canonical = (Leg(near.instrument, -1), Leg(far.instrument, 1))
    return Package(f"{base}-FS-{'_'.join(codes)}", canonical, inverted=far.ratio < 0)


def _option_package(base: str, legs: Sequence[Leg]) -> Package:
    strikes = sorted({leg.instrument.strike for leg in legs})
    expiries = sorted({leg.instrument.expiry_ms for leg in legs})
    by_part = {
        _Part(
            leg.ratio,
            leg.instrument.is_call,
            strikes.index(leg.instrument.strike),
            expiries.index(leg.instrument.expiry_ms),
        ): leg
        for leg in legs
    }
    pattern = _BY_PARTS.get(frozenset(by_part))
    inverted = pattern is None
    if pattern is None:
        by_part = {part._replace(ratio=-part.ratio): leg for part, leg in by_part.items()}
        pattern = _BY_PARTS.get(frozenset(by_part))
    if pattern is None:
        raise NoSuchPackageError
    canonical = tuple(Leg(by_part[part].instrument, part.ratio) for part in pattern.parts)
    return Package(f"{base}-{pattern.code}-{_suffix(pattern, canonical)}", canonical, inverted)


def _suffix(pattern: _Pattern, legs: tuple[Leg, ...]) -> str:
    by_expiry = {leg.instrument.expiry_ms: leg.instrument for leg in legs}
    expiries = sorted(by_expiry, reverse=True)
    if len(expiries) == 1:
        strikes = sorted({leg.instrument.strike: leg.instrument for leg in legs}.items(), reverse=pattern.descending)
        codes = [instrument.strike_code for _, instrument in strikes]
    else:  # far before near, as the expiries
        codes = list(dict.fromkeys(by_expiry[expiry_ms].strike_code for expiry_ms in expiries))
    return "_".join(by_expiry[expiry_ms].expiry_code for expiry_ms in expiries) + "-" + "_".join(codes)


def combo_of(package: Package, created_ms: int) -> Instrument:
    """Return the instrument of a package: it expires with its earliest leg, and its price may be negative."""
    first = min((leg.instrument for leg in package.legs), key=lambda instrument: instrument.expiry_ms)
    options = first.option
    largest = max((leg.instrument for leg in package.legs), key=lambda instrument: instrument.lot)
    tick = _OPTION_TICK if options and not first.linear else min(leg.instrument.grid.fine for leg in package.legs)
    return replace(
        largest,
        name=package.name,
        kind="option_combo" if options else "future_combo",
        grid=TickGrid(tick, signed=True),
        created_ms=created_ms // 1_000 * 1_000,
        expiry_ms=first.expiry_ms,
        period=first.period,
        strike=0.0,
        is_call=False,
        legs=package.legs,
    )
