"""What an order is held against beside its instrument: the band of prices and the price now, and the position mode.

All change. What is remembered may let an order pass that the venue then refuses, which does no harm; before an order
is denied for either, the venue is asked anew.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

import anyio

from cerberod.clock import Clock
from cerberod.errors import UpstreamError, VenueRefused
from cerberod.venues.bybit.instruments import Name
from cerberod.venues.bybit.wire.envelope import Answer
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.instrument_book import InstrumentBook

_BAND_TRUSTED_S = 10.0
_MODE_TRUSTED_S = 600.0
_PRICES_AWAITED_S = 2.0
"""How long an order with a trigger may be held up to see where prices are."""
_PRICES = {"LastPrice": "lastPrice", "IndexPrice": "indexPrice", "MarkPrice": "markPrice"}
"""What may fire a trigger, and the field of a ticker that tells it."""


@dataclass(frozen=True, slots=True)
class Band:
    """The prices an instrument takes now."""

    name: Name
    highest_buy: Decimal
    lowest_sell: Decimal

    def takes(self, side: str, price: Decimal) -> bool:
        """Tell whether a limit order may have this price."""
        return price <= self.highest_buy if side == "buy" else price >= self.lowest_sell


@dataclass(frozen=True, slots=True)
class Mode:
    """How the account holds a contract: as one position, or (hedged) a long one beside a short one."""

    name: Name
    hedged: bool

    def takes(self, position_idx: int) -> bool:
        """Tell whether an order may name this position."""
        return (position_idx != 0) is self.hedged


class Bounds:
    """Bands and modes by category and symbol."""

    def __init__(self, read: Callable[..., Awaitable[Answer]], clock: Clock) -> None:
        self._read = read
        self._bands: InstrumentBook[Name, Band] = InstrumentBook(
            self._fetch_band, _name, clock, trusted_s=_BAND_TRUSTED_S
        )
        self._modes: InstrumentBook[Name, Mode] = InstrumentBook(
            self._fetch_mode, _name, clock, trusted_s=_MODE_TRUSTED_S
        )

    async def band_against(self, name: Name, side: str, price: Decimal) -> Band | None:
        """Return the band that a price is outside of, as it is now; None when there is nothing against the price."""
        if name[0] is Category.OPTION:
            return None  # of options the venue tells none
        try:
            if (await self._bands.get(name)).takes(side, price):
                return None
            self._bands.forget(name)
            band = await self._bands.get(name)
        except VenueRefused:
            return None  # what the venue does not tell it judges by itself
        return None if band.takes(side, price) else band

    async def mode_against(self, name: Name, position_idx: int) -> Mode | None:
        """Return the position mode that a position index does not fit, as it is now; None when it fits."""
        if (await self._modes.get(name)).takes(position_idx):
            return None
        self._modes.forget(name)
        mode = await self._modes.get(name)
        return None if mode.takes(position_idx) else mode

    async def prices_now(self, name: Name) -> dict[str, Decimal]:
        """Return the prices that may fire a trigger, by Bybit's words, without those that it does not tell soon."""
        with anyio.move_on_after(_PRICES_AWAITED_S):
            try:
                answer = await self._read("get_tickers", category=name[0].value, symbol=name[1])
                rows = Fields(answer.result, "result").objects("list")
                found = [row for row in rows if row.get("symbol") == name[1]]
                told = {by: row.figure_or_none(field) for row in found for by, field in _PRICES.items()}
                return {by: price for by, price in told.items() if price is not None}
            except UpstreamError:
                return {}  # the venue judges by itself
        return {}

    def forget(self, name: Name) -> None:
        """Trust what is known of this instrument no longer."""
        self._bands.forget(name)
        self._modes.forget(name)

    async def _fetch_band(self, name: Name) -> Band:
        answer = await self._read("get_price_limit", category=name[0].value, symbol=name[1])
        found = Fields(answer.result, "result")
        return Band(name, found.decimal("buyLmt"), found.decimal("sellLmt"))

    async def _fetch_mode(self, name: Name) -> Mode:
        answer = await self._read("get_positions", category=name[0].value, symbol=name[1])
        rows = Fields(answer.result, "result").objects("list")
        return Mode(name, any(row.whole_or_none("positionIdx") for row in rows))


def _name(found: Band | Mode) -> Name:
    return found.name
