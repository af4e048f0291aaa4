"""What a contract costs above or below spot, and what that is a year. Pure: the arithmetic and nothing of the venue.

A year has 365 days of 24 hours. Simple annualisation is what a position earns held to delivery; compound what it earns
if it is rolled at the same rate all year; both are told, because desks quote either.
"""

from dataclasses import dataclass
from math import log

DAYS_PER_YEAR = 365.0
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Basis:
    """A price against another."""

    absolute: float
    pct: float
    """Of the price it is measured against."""


@dataclass(frozen=True, slots=True)
class Carry:
    """A basis held to delivery, in percent a year."""

    simple_pct: float
    compound_pct: float | None
    """None where no float holds it: a wide basis a day before delivery."""
    log_pct: float


def basis(price: float, against: float) -> Basis:
    """Return what a price is above another."""
    return Basis(price - against, (price / against - 1.0) * 100)


def carry(price: float, against: float, days: float) -> Carry:
    """Annualise a basis that vanishes in so many days."""
    ratio, years = price / against, days / DAYS_PER_YEAR
    try:
        compound = (ratio ** (1.0 / years) - 1.0) * 100
    except OverflowError:
        compound = None
    return Carry((ratio - 1.0) / years * 100, compound, log(ratio) / years * 100)


def funding_carry_pct(rate: float, interval_min: int) -> float:
    """Annualise a perpetual's funding, not compounded: what its long pays in percent a year at this rate."""
    return rate * (1440 / interval_min) * DAYS_PER_YEAR * 100


def roll_pct(near: float, far: float, near_days: float, far_days: float) -> float:
    """Annualise what the later of two deliveries costs above the sooner one, not compounded."""
    return (far / near - 1.0) * DAYS_PER_YEAR / (far_days - near_days) * 100


def days_until(delivery_ms: int, now_ms: int) -> float:
    """Return the days of 24 hours left."""
    return (delivery_ms - now_ms) / DAY_MS
