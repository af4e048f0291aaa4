"""What a position is made of: options, futures, perpetuals and spot, settled in quote currency or in coin.

A leg is linear when its gains are paid in quote currency (USD, USDC) and inverse when they are paid in the coin itself.
That decides in which unit an option's premium and every fee is given, and what a future's quantity counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cerberod.analytics.arrays import finite, not_negative, positive
from cerberod.errors import AnalyticsRefused

MOST_LEGS = 100


class Kind(StrEnum):
    """What a leg is; a `FUTURE` expires, a `PERPETUAL` does not (its funding is left out of every result)."""

    CALL = "call"
    PUT = "put"
    FUTURE = "future"
    PERPETUAL = "perpetual"
    SPOT = "spot"

    @property
    def is_option(self) -> bool:
        return self in (Kind.CALL, Kind.PUT)


class Settlement(StrEnum):
    """The currency gains are paid in: quote currency (`LINEAR`) or coin (`INVERSE`)."""

    LINEAR = "linear"
    INVERSE = "inverse"


@dataclass(frozen=True)
class Leg:
    """One leg; make it with `make_leg`.

    `quantity` is signed, + bought, - sold: units of the underlying, but quote currency (contracts times their size)
    for inverse futures and perpetuals. `price` is what was paid or received for one: coins for an inverse option, else
    quote currency. `years` to expiry, `volatility` a fraction, `forward` of that expiry now (`None`: the spot price).
    `fee` was paid at entry, in all, in the currency of settlement (negative: a rebate). At expiry `delivery_rate` of
    the underlying is charged, for options at most `delivery_cap` of what they pay.
    """

    kind: Kind
    quantity: float
    price: float
    settlement: Settlement
    strike: float | None = None
    years: float | None = None
    volatility: float | None = None
    forward: float | None = None
    fee: float = 0.0
    delivery_rate: float = 0.0
    delivery_cap: float = 0.125


def make_leg(
    kind: Kind,
    quantity: float,
    price: float,
    settlement: Settlement = Settlement.LINEAR,
    *,
    strike: float | None = None,
    years: float | None = None,
    volatility: float | None = None,
    forward: float | None = None,
    fee: float = 0.0,
    delivery_rate: float = 0.0,
    delivery_cap: float = 0.125,
) -> Leg:
    """Return a checked leg; refuses by name what is missing, out of range, or means nothing for its kind."""
    _one("quantity", quantity)
    if quantity == 0.0:
        raise AnalyticsRefused("quantity", "must not be 0")
    _one("price", price)
    if kind.is_option:
        not_negative("price", price)
    else:
        positive("price", price)
    _present("strike", strike, wanted=kind.is_option)
    _present("volatility", volatility, wanted=kind.is_option)
    _present("years", years, wanted=kind.is_option or kind is Kind.FUTURE)
    if forward is not None:
        _present("forward", forward, wanted=kind.is_option or kind is Kind.FUTURE)
    if kind is Kind.SPOT and settlement is Settlement.INVERSE:
        raise AnalyticsRefused("settlement", "must be linear for spot")
    _one("fee", fee)
    not_negative("delivery_rate", delivery_rate)
    if not delivery_rate < delivery_cap <= 1.0:
        raise AnalyticsRefused("delivery_cap", "must be above delivery_rate and at most 1")
    return Leg(kind, quantity, price, settlement, strike, years, volatility, forward, fee, delivery_rate, delivery_cap)


def _one(field: str, value: float) -> None:
    if finite(field, value).ndim != 0:
        raise AnalyticsRefused(field, "must be one number")


def _present(field: str, value: float | None, *, wanted: bool) -> None:
    if not wanted:
        if value is not None:
            raise AnalyticsRefused(field, "must be absent for this kind of leg")
        return
    if value is None:
        raise AnalyticsRefused(field, "must be given for this kind of leg")
    _one(field, value)
    positive(field, value)


def check_legs(legs: Sequence[Leg]) -> None:
    """Refuse no legs, and more than a hundred."""
    if not 1 <= len(legs) <= MOST_LEGS:
        raise AnalyticsRefused("legs", f"must hold 1 to {MOST_LEGS} legs")


def deribit_option_fee(
    quantity: float,
    price: float,
    settlement: Settlement = Settlement.INVERSE,
    *,
    index: float | None = None,
    rate: float = 0.0003,
    cap: float = 0.125,
) -> float:
    """Return the fee of trading an option, in the currency of settlement; never negative.

    `rate` of the underlying for each unit (one coin for inverse options, `index` quote currency for linear ones, whose
    taker rate is 0.0005), at most `cap` of the premium. Source: Deribit's published fee schedule.
    """
    _one("quantity", quantity)
    not_negative("price", price)
    not_negative("rate", rate)
    not_negative("cap", cap)
    if settlement is Settlement.INVERSE:
        underlying = 1.0
    else:
        _present("index", index, wanted=True)
        underlying = index or 0.0
    return abs(quantity) * min(rate * underlying, cap * price)
