"""What happened at 08:00 UTC: daily settlements, deliveries at expiry, and the prices options were delivered at.

Nothing is stored: the list of any day is made again from the calendar and the market of that day, so a page read
today and its continuation read tomorrow fit together. A continuation names the day and the row it goes on from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import anyio.lowlevel
import numpy as np

from cerberod.simulator.deribit.instruments import Instrument, date_of, settled_at
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.public import Call, Method, index_coin, instrument_of
from cerberod.simulator.deribit.terms import shown_mark
from cerberod.simulator.deribit.wire import invalid
from cerberod.simulator.market import DAY_MS, HISTORY_START_MS
from cerberod.simulator.noise import key_of, uniform

_TYPES = ("settlement", "delivery", "bankruptcy")
_MOST_ROWS = 1_000
_FIRST_DAY_MS = settled_at(HISTORY_START_MS) + DAY_MS


@dataclass(frozen=True)
class _Row:
    """One instrument's settlement at one 08:00."""

    instrument: Instrument
    time_ms: int

    @property
    def delivery(self) -> bool:
        return self.instrument.expiry_ms == self.time_ms

    def record(self, call: Call) -> dict[str, Any]:
        quotes, instrument = call.exchange.quotes, self.instrument
        index = quotes.market.index(instrument.coin, self.time_ms)
        draw = _draws(call, instrument, self.time_ms)
        size = float(instrument.lot * int(1 + 40_000 * draw[0]))
        out: dict[str, Any] = {
            "type": "delivery" if self.delivery else "settlement",
            "timestamp": self.time_ms + int(90 * draw[1]),
            "instrument_name": instrument.name,
            "index_price": index,
            "mark_price": shown_mark(instrument, self._mark(call, index)),
            "position": size,
            "profit_loss": round((draw[2] - 0.5) * 1e-8, 12),
            "session_profit_loss": round((draw[3] - 0.5) * size / 1_000, 9),
        }
        if instrument.perpetual:
            out["funding"] = round((draw[4] - 0.5) * size / 1e6, 9)
        return out

    def _mark(self, call: Call, index: float) -> float:
        instrument, market = self.instrument, call.exchange.quotes.market
        if instrument.option:
            value = max(index - instrument.strike if instrument.is_call else instrument.strike - index, 0.0)
            return value if instrument.linear else value / index
        if self.delivery:
            return index
        if instrument.perpetual:
            return market.perpetual(instrument.coin, self.time_ms)
        return float(market.forward(instrument.coin, self.time_ms, np.array([instrument.expiry_ms]))[0])


def _draws(call: Call, instrument: Instrument, time_ms: int) -> list[float]:
    key = key_of(call.exchange.quotes.market.seed, instrument.name, "settlement", time_ms)
    return [float(value) for value in uniform(key, np.arange(5, dtype=np.int64))]


async def get_last_settlements_by_currency(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    return await _page(call, lambda day_ms: call.exchange.catalogue.settled(currency, day_ms))


async def get_last_settlements_by_instrument(call: Call) -> dict[str, Any]:
    name = call.params.required_text("instrument_name")
    expired = call.exchange.catalogue.expired(name)
    instrument = expired or instrument_of(call)

    def of_day(day_ms: int) -> list[Instrument]:
        alive = instrument.created_ms < day_ms <= instrument.expiry_ms
        return [instrument] if alive and (not instrument.option or day_ms == instrument.expiry_ms) else []

    return await _page(call, of_day)


async def _page(call: Call, of_day: Callable[[int], list[Instrument]]) -> dict[str, Any]:
    """Return a page, newest first, and what continues it: null after the last row. Others run between days."""
    p = call.params
    wanted = p.choice("type", _TYPES)
    count = p.within("count", 20, 1, _MOST_ROWS)
    now_ms = call.exchange.quotes.now_ms()
    latest_ms = settled_at(min(now_ms, p.integer("search_start_timestamp", now_ms) or now_ms))
    day_ms, skip = _read_continuation(call, latest_ms)
    found: list[dict[str, Any]] = []
    while day_ms >= _FIRST_DAY_MS and wanted != "bankruptcy":  # nobody goes bankrupt here
        for position, row in enumerate(_Row(instrument, day_ms) for instrument in of_day(day_ms)):
            if position < skip or wanted not in (None, "delivery" if row.delivery else "settlement"):
                continue
            if len(found) == count:
                return {"settlements": found, "continuation": f"{day_ms:x}x{position}"}
            found.append(row.record(call))
        day_ms, skip = day_ms - DAY_MS, 0
        await anyio.lowlevel.checkpoint()
    return {"settlements": found, "continuation": None}


def _read_continuation(call: Call, latest_ms: int) -> tuple[int, int]:
    text = call.params.text("continuation")
    if text is None:
        return latest_ms, 0
    day, cross, place = text.partition("x")
    try:
        day_ms, skip = int(day, 16), int(place)
    except ValueError:
        raise invalid("continuation", "wrong format") from None
    if not cross or settled_at(day_ms) != day_ms or not _FIRST_DAY_MS <= day_ms <= latest_ms or skip < 0:
        raise invalid("continuation", "wrong format")
    return day_ms, skip


def get_delivery_prices(call: Call) -> dict[str, Any]:
    """Return the index at each 08:00, newest first."""
    coin = index_coin(call)
    offset = call.params.within("offset", 0, 0, 1_000_000)
    count = call.params.within("count", 10, 1, _MOST_ROWS)
    latest_ms = settled_at(call.exchange.quotes.now_ms())
    total = (latest_ms - _FIRST_DAY_MS) // DAY_MS + 1
    days = np.arange(offset, min(offset + count, total), dtype=np.int64)
    times = latest_ms - days * DAY_MS
    prices = call.exchange.quotes.market.index_at(coin, times).tolist() if len(times) else []
    rows = [
        {"date": date_of(time_ms), "delivery_price": price}
        for time_ms, price in zip(times.tolist(), prices, strict=True)
    ]
    return {"data": rows, "records_total": total}


METHODS: Final[dict[str, Method]] = {
    "public/get_last_settlements_by_currency": get_last_settlements_by_currency,
    "public/get_last_settlements_by_instrument": get_last_settlements_by_instrument,
    "public/get_delivery_prices": get_delivery_prices,
}
