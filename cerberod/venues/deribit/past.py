"""The account's own orders and trades, which Deribit keeps in two places: the recent ones, and all others.

Recent orders are those of the last half hour, recent trades those of the last day; the others are indexed with a delay,
so the two may overlap and a window is read from both. What stands in both counts once, as the recent place has it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.paging import Progress
from cerberod.venues.deribit.tape import Source, Tape, fetch_trades, in_order, whole_moments
from cerberod.venues.deribit.wire.orders import Order, order
from cerberod.venues.deribit.wire.past import PastTrade, past_trade
from cerberod.venues.deribit.wire.reading import rows
from cerberod.venues.paging import in_pieces

ORDERS_PAGE = 1000
MOST_ORDERS = 5_000
_RECENT_TRADES_MS = 24 * 3_600_000
_INDEXED_AFTER_MS = 3_600_000
"""How long after an hour the index may still lack trades of it: generous, since only a request is lost."""


@dataclass(frozen=True, slots=True)
class PastOrders:
    """Closed orders, newest first, and whether there are more than were asked for."""

    as_of: datetime
    orders: list[Order]
    has_more: bool
    pages: int


async def fetch_orders(deribit: Deribit, method: str, scope: dict[str, Any], count: int) -> PastOrders:
    """Read the `count` orders that ended last."""
    progress = Progress(method)
    found: dict[str, Order] = {}
    as_of: datetime | None = None
    size = min(ORDERS_PAGE, count + 1)
    for historical in (False, True):
        offset, full, last = 0, True, set[str]()
        while full and len(found) <= count:
            place = {"historical": historical, "count": size, "offset": offset}
            answer = await deribit.read(method, {**scope, **place})
            as_of = as_of or answer.stamp()
            page = await in_pieces(rows(answer.result, "result"), order)
            progress.page(len(page), min((each.updated_at for each in page), default=None))
            told = {each.order_id: each for each in page}
            # An order that ends meanwhile pushes the others on by one, so the next page repeats a few, never all.
            if page and told.keys() == last:
                raise BadVenueData(VENUE, "result", "other orders on every page")
            found, last = told | found, set(told)
            full = len(page) >= size
            offset += len(page)
    assert as_of is not None
    ordered = sorted(found.values(), key=lambda each: each.updated_at, reverse=True)
    return PastOrders(as_of, ordered[:count], len(ordered) > count, progress.pages)


async def fetch_own_trades(
    deribit: Deribit, scope: str, asked: dict[str, Any], start_ms: int | None, end_ms: int | None, limit: int
) -> Tape[PastTrade]:
    """Read at most `limit` of the account's trades in a window, as `tape.fetch_trades` does, from both places.

    `scope` is `currency` or `instrument`.
    """
    method = f"private/get_user_trades_by_{scope}"
    recent_ms = deribit.venue_ms() - _RECENT_TRADES_MS
    tapes: list[Tape[PastTrade]] = []
    for historical in (False, True):
        if not historical and end_ms is not None and end_ms < recent_ms - _INDEXED_AFTER_MS:
            continue
        if historical and start_ms is not None and start_ms > recent_ms + _INDEXED_AFTER_MS:
            continue
        if tapes and tapes[0].has_more and start_ms is None:
            break  # the recent ones are the latest, and there are enough of them
        source = Source(method, f"{method}_and_time", {**asked, "historical": historical}, past_trade)
        tapes.append(await fetch_trades(deribit, source, start_ms, end_ms, limit))
    return join(tapes, limit, forward=start_ms is not None)


async def fetch_trades_of_order(deribit: Deribit, order_id: str, limit: int) -> Tape[PastTrade]:
    """Read the first trades of one order."""
    tapes: list[Tape[PastTrade]] = []
    for historical in (False, True):
        asked = {"order_id": order_id, "sorting": "asc", "historical": historical}
        answer = await deribit.read("private/get_user_trades_by_order", asked)
        found = await in_pieces(rows(answer.result, "result"), past_trade)
        tapes.append(Tape(answer.stamp(), in_order(found), has_more=False, pages=1))
    return join(tapes, limit, forward=True)


def join(tapes: list[Tape[PastTrade]], limit: int, *, forward: bool) -> Tape[PastTrade]:
    """Join readings of the same window, the fresher first, into one that ends where the first of them was cut."""
    merged: dict[str, PastTrade] = {}
    for tape in tapes:
        merged = {trade.trade_id: trade for trade in tape.trades} | merged
    ordered = in_order(merged.values())
    cut = [tape.trades for tape in tapes if tape.has_more and tape.trades]
    if forward:
        if cut:
            reached = min(trades[-1].traded_at for trades in cut)
            ordered = [trade for trade in ordered if trade.traded_at <= reached]
        kept = whole_moments(ordered, limit)
    else:
        if cut:
            reached = max(trades[0].traded_at for trades in cut)
            ordered = [trade for trade in ordered if trade.traded_at >= reached]
        kept = ordered[-limit:]
    more = any(tape.has_more for tape in tapes) or len(kept) < len(ordered)
    return Tape(tapes[0].as_of, kept, more, sum(tape.pages for tape in tapes))
