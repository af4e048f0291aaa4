"""The methods that page through public trades: of one instrument or of a whole currency, by time, sequence or id.

The market's past holds more trades than memory: a page is looked for in pieces, from the end the caller reads from,
until it is full or the window is exhausted. Others run in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import anyio.lowlevel

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.public import KINDS, Call, Method, instrument_of, window_of
from cerberod.simulator.deribit.trades import FIRST_USER_TRADE, Trade, model_time_ms, records, trades_of
from cerberod.simulator.deribit.wire import invalid
from cerberod.simulator.market import DAY_MS, HISTORY_START_MS, HOUR_MS
from cerberod.simulator.noise import KNOT_MS

_MOST_CELLS = 30_000  # possible prints looked at in one piece
_FIRST_PIECE_MS = HOUR_MS


@dataclass(frozen=True)
class _Page:
    """What a caller asks for, whichever way it was said."""

    instruments: list[Instrument]
    start_ms: int
    end_ms: int
    newest_first: bool
    count: int
    wanted: Callable[[Trade], bool]


async def get_last_trades_by_instrument(call: Call) -> dict[str, Any]:
    instrument, p = instrument_of(call), call.params
    start_ms, end_ms = p.integer("start_timestamp"), p.integer("end_timestamp")
    first, last = p.integer("start_seq"), p.integer("end_seq")
    low_ms = max(start_ms or 0, HISTORY_START_MS, _time_of(instrument, first, end=False) or 0)
    high_ms = _least(call.exchange.quotes.now_ms(), end_ms, _time_of(instrument, last, end=True))

    def wanted(trade: Trade) -> bool:
        return (first is None or trade.sequence >= first) and (last is None or trade.sequence <= last)

    rising = start_ms is not None or first is not None
    return await _answer(call, [instrument], low_ms, high_ms, rising, wanted)


async def get_last_trades_by_currency(call: Call) -> dict[str, Any]:
    p = call.params
    start_ms, end_ms = p.integer("start_timestamp"), p.integer("end_timestamp")
    first, last = _id(call, "start_id"), _id(call, "end_id")
    low_ms = max(start_ms or 0, HISTORY_START_MS, (None if first is None else model_time_ms(first)) or 0)
    high_ms = _least(call.exchange.quotes.now_ms(), end_ms, None if last is None else model_time_ms(last))

    def wanted(trade: Trade) -> bool:
        return (first is None or trade.number >= first) and (last is None or trade.number <= last)

    rising = start_ms is not None or first is not None
    return await _answer(call, _chosen(call), low_ms, high_ms, rising, wanted)


async def get_last_trades_by_currency_and_time(call: Call) -> dict[str, Any]:
    start_ms, end_ms = window_of(call)
    high_ms = min(end_ms, call.exchange.quotes.now_ms())
    return await _answer(call, _chosen(call), max(start_ms, HISTORY_START_MS), high_ms, True, lambda _trade: True)


def _chosen(call: Call) -> list[Instrument]:
    currency = call.params.currency((*CURRENCIES, "any"))
    return call.exchange.catalogue.select(currency, call.params.choice("kind", KINDS))


def _least(*times_ms: int | None) -> int:
    return min(time_ms for time_ms in times_ms if time_ms is not None)


def _id(call: Call, name: str) -> int | None:
    """Read a trade id: digits, or digits after a currency's prefix."""
    text = call.params.text(name)
    if text is None:
        return None
    digits = text.rpartition("-")[2]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise invalid(name, "wrong format")
    return int(digits)


def _time_of(instrument: Instrument, sequence: int | None, *, end: bool) -> int | None:
    """Return the first (or last) moment at which the model may print with this sequence number."""
    if sequence is None or sequence >= FIRST_USER_TRADE:
        return None
    step_ms = HOUR_MS if instrument.option else KNOT_MS
    return HISTORY_START_MS + (sequence + end) * step_ms - end


async def _answer(
    call: Call, instruments: list[Instrument], low_ms: int, high_ms: int, rising: bool, wanted: Callable[[Trade], bool]
) -> dict[str, Any]:
    count = call.params.within("count", 10, 1, 1_000)
    sorting = call.params.choice("sorting", ("asc", "desc", "default"), "default")
    newest_first = sorting == "desc" or (sorting == "default" and not rising)
    found = await _look(call, _Page(instruments, low_ms, high_ms, newest_first, count, wanted))
    return {"trades": records(call.exchange, found[:count]), "has_more": len(found) > count}


async def _look(call: Call, page: _Page) -> list[Trade]:
    """Return up to one trade more than the page holds, in the page's order."""
    found: list[Trade] = []
    for start_ms, end_ms in _pieces(page):
        piece = [
            trade
            for instrument, prints in call.exchange.tape.of_all(page.instruments, start_ms, end_ms)
            for trade in trades_of(instrument, prints)
            if page.wanted(trade)
        ]
        piece.sort(key=lambda trade: (trade.time_ms, trade.number), reverse=page.newest_first)
        found += piece
        if len(found) > page.count:
            break
        await anyio.lowlevel.checkpoint()
    return found[: page.count + 1]


def _pieces(page: _Page) -> Iterator[tuple[int, int]]:
    """Yield the window piece by piece from the end that is read first, each wider than the one before it."""
    options = sum(i.option for i in page.instruments)
    dense = len(page.instruments) - options
    widest_ms = int(_MOST_CELLS / (options / HOUR_MS + dense / KNOT_MS + 1.0 / DAY_MS))
    oldest_ms = max(page.start_ms, min((i.created_ms for i in page.instruments), default=page.end_ms))
    width_ms = min(_FIRST_PIECE_MS, widest_ms)
    start_ms, end_ms = oldest_ms, page.end_ms
    while start_ms <= end_ms:
        if page.newest_first:
            yield max(start_ms, end_ms - width_ms + 1), end_ms
            end_ms -= width_ms
        else:
            yield start_ms, min(end_ms, start_ms + width_ms - 1)
            start_ms += width_ms
        width_ms = min(2 * width_ms, widest_ms)


async def get_trade_volumes(call: Call) -> list[dict[str, Any]]:
    """Return each currency's volume of 24 hours, in coins; with `extended` of 7 and 30 days besides."""
    spans = {"": 1, "_7d": 7, "_30d": 30} if call.params.flag("extended") else {"": 1}
    now_ms = call.exchange.quotes.now_ms()
    rows: list[dict[str, Any]] = []
    for currency in CURRENCIES:
        instruments = call.exchange.catalogue.select(currency, None)
        if not instruments:
            continue
        row: dict[str, Any] = {"currency": currency}
        volumes = await _volumes(call, instruments, now_ms, max(spans.values()))
        for suffix, days in spans.items():
            for name in ("calls", "puts", "futures", "spot"):
                row[f"{name}_volume{suffix}"] = round(sum(day.get(name, 0.0) for day in volumes[:days]), 8)
        rows.append(row)
    return rows


async def _volumes(call: Call, instruments: list[Instrument], now_ms: int, days: int) -> list[dict[str, float]]:
    """Return volumes by class for each of the last days, the newest day first."""
    out: list[dict[str, float]] = []
    for day in range(days):
        sums: dict[str, float] = {}
        end_ms = now_ms - day * DAY_MS
        for instrument, prints in call.exchange.tape.of_all(instruments, end_ms - DAY_MS + 1, end_ms):
            name = _class_of(instrument)
            sums[name] = sums.get(name, 0.0) + call.exchange.tape.coins(instrument, prints)
        out.append(sums)
        await anyio.lowlevel.checkpoint()
    return out


def _class_of(instrument: Instrument) -> str:
    if instrument.option:
        return "calls" if instrument.is_call else "puts"
    return "spot" if instrument.kind == "spot" else "combos" if instrument.combo else "futures"


METHODS: Final[dict[str, Method]] = {
    "public/get_last_trades_by_instrument": get_last_trades_by_instrument,
    "public/get_last_trades_by_instrument_and_time": get_last_trades_by_instrument,
    "public/get_last_trades_by_currency": get_last_trades_by_currency,
    "public/get_last_trades_by_currency_and_time": get_last_trades_by_currency_and_time,
    "public/get_trade_volumes": get_trade_volumes,
}
