"""What Bybit refuses at once, before an order is accepted: grids, bounds, bands and values, each with its own code.

Pure. Spot has its own family of codes. Which code an off-grid derivative price gets is not known; 10001 is assumed.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Protection, Trigger
from cerberod.simulator.bybit.quotes import Mark
from cerberod.simulator.bybit.wire import PARAMETER, VenueError, plain
from cerberod.simulator.matching import ZERO, Side

LONGEST_LINK: Final = 36
RISK_LIMIT: Final = Decimal(2_000_000)
"""The value of the one risk tier, in settlement coin."""

_TOLD_LONGEST = 45  # what the real venue's answer says, against its own documents
_LINK = re.compile(r"^[A-Za-z0-9_-]+$")


@dataclass(frozen=True)
class OrderRequest:
    """What a caller asks for, parameters checked one by one but not against the market."""

    instrument: Instrument
    side: Side
    qty: Decimal
    market: bool
    price: Decimal | None = None
    time_in_force: str = "GTC"
    position_idx: int = 0
    link_id: str = ""
    reduce_only: bool = False
    close_on_trigger: bool = False
    in_quote: bool = False
    trigger: Trigger | None = None
    protection: Protection = field(default_factory=Protection)
    volatility: str = ""
    is_leverage: str = ""
    smp_type: str = "None"
    stop_type: str = ""


@dataclass(frozen=True)
class AmendRequest:
    """What an amendment changes; `qty` is the new total."""

    qty: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    protection: Protection | None = None


def check_link(instrument: Instrument, link_id: str) -> None:
    """Refuse a link id the venue would not take."""
    if not link_id:
        if instrument.option:
            raise VenueError(PARAMETER, "params error: orderLinkId is required")
        return
    if len(link_id) > _TOLD_LONGEST:
        raise VenueError(PARAMETER, f"order link id is longer than {_TOLD_LONGEST}")
    if len(link_id) > LONGEST_LINK or not _LINK.match(link_id):
        raise VenueError(PARAMETER, "params error: orderLinkId invalid")


def check_qty(instrument: Instrument, qty: Decimal, market: bool, in_quote: bool) -> None:
    """Refuse a quantity off its step or out of its bounds."""
    if qty <= 0:
        raise VenueError(PARAMETER, "params error: qty invalid")
    if in_quote:
        if qty % Decimal("0.0000001") != 0:
            raise VenueError(170148)
        return
    if instrument.spot:
        if qty % instrument.step != 0:
            raise VenueError(170137)
        if qty > (instrument.largest_market if market else instrument.largest):
            raise VenueError(170124, "Order amount too large.")
        return
    if qty < instrument.minimum:
        raise VenueError(PARAMETER, "The number of contracts exceeds minimum limit allowed")
    if qty > (instrument.largest_market if market else instrument.largest):
        raise VenueError(PARAMETER, "The number of contracts exceeds maximum limit allowed")
    if qty % instrument.step != 0:
        raise VenueError(PARAMETER, "Qty invalid")


def check_price(instrument: Instrument, price: Decimal) -> None:
    """Refuse a price off its grid."""
    if price <= 0:
        raise VenueError(PARAMETER, "params error: price invalid")
    if price % instrument.tick != 0:
        raise VenueError(170134) if instrument.spot else VenueError(PARAMETER, "params error: price invalid")


def price_limits(instrument: Instrument, mark: Mark) -> tuple[Decimal, Decimal]:
    """Return (highest buy, lowest sell) price."""
    middle = Decimal(repr(round(mark.price, 10)))
    if instrument.option:
        index = Decimal(repr(round(mark.index, 10)))
        return (
            instrument.on_grid(float(middle + index / 10)) + instrument.tick,
            max(instrument.on_grid(float(middle - index / 10)), instrument.tick),
        )
    return (
        instrument.on_grid(float(middle * (1 + instrument.band))),
        instrument.on_grid(float(middle * (1 - instrument.band))),
    )


def check_band(instrument: Instrument, side: Side, price: Decimal, mark: Mark) -> None:
    """Refuse a price too far beyond the mark, on the side where it would trade."""
    highest, lowest = price_limits(instrument, mark)
    if side is Side.BUY and price > highest:
        raise VenueError(170193) if instrument.spot else VenueError(110003)
    if side is Side.SELL and price < lowest:
        raise VenueError(170194) if instrument.spot else VenueError(110003)


def check_value(instrument: Instrument, value: Decimal) -> None:
    """Refuse an order that is worth too little, in quote coin."""
    if instrument.least_value and value < instrument.least_value:
        if instrument.spot:
            raise VenueError(170140)
        raise VenueError(
            110094, f"Order does not meet minimum order value {plain(instrument.least_value)}{instrument.settle}"
        )


def check_idx(instrument: Instrument, idx: int, hedged: bool) -> None:
    """Refuse a position index that does not fit the mode."""
    if instrument.spot:
        return
    if idx not in (0, 1, 2) or (idx == 0) is hedged:
        raise VenueError(PARAMETER, "position idx not match position mode")


def check_trigger(instrument: Instrument, trigger: Trigger, now: Decimal) -> None:
    """Refuse a trigger on the wrong side of the present price."""
    check_price(instrument, trigger.price)
    if trigger.rises and trigger.price <= now:
        raise VenueError(110092)
    if not trigger.rises and trigger.price >= now:
        raise VenueError(110093)


def check_protection(instrument: Instrument, side: Side, protection: Protection, base: Decimal) -> None:
    """Refuse a take profit or stop loss on the wrong side of `base`, for a position of `side`."""
    sign = 1 if side is Side.BUY else -1
    name = "Buy" if side is Side.BUY else "Sell"
    scaled = int(base * 100_000_000)
    for what, price, beyond in (
        ("TakeProfit", protection.take_profit, 1),
        ("StopLoss", protection.stop_loss, -1),
    ):
        if price is None:
            continue
        check_price(instrument, price)
        if sign * beyond * (price - base) <= ZERO:
            word = "higher" if sign * beyond > 0 else "lower"
            text = f"{what}:{int(price * 100_000_000)} set for {name} position should {word} than base_price:{scaled}"
            raise VenueError(PARAMETER, f"{text}??LastPrice")
