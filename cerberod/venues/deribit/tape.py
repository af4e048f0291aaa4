"""Trades over more than one page: the public's, and the account's own, which Deribit pages alike.

A page says whether there are more. From a start on, pages go forward in time; without one they go backward from the
end, so that the latest come first. A page begins in the very millisecond in which the last one ended, since trades of
one millisecond may be parted by a page; what comes twice is known by its id.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.paging import Progress
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.instants import milliseconds
from cerberod.venues.paging import in_pieces

PAGE = 1000
"""Most trades of one answer."""
MOST = 5_000


class Dated(Protocol):
    """What has an id and a time."""

    @property
    def trade_id(self) -> str: ...

    @property
    def traded_at(self) -> datetime: ...


T = TypeVar("T", bound=Dated)


@dataclass(frozen=True, slots=True)
class Tape(Generic[T]):
    """Trades, oldest first, and whether the window has more than were asked for."""

    as_of: datetime
    trades: list[T]
    has_more: bool
    pages: int

    def next_start(self) -> datetime | None:
        """Return where to go on after a cut, as no trade of that millisecond was told; None when all were."""
        return self.trades[-1].traded_at + timedelta(milliseconds=1) if self.has_more and self.trades else None


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """One of Deribit's methods that answer trades: its names, whose trades, and how one is read."""

    latest: str
    """Answers the newest, for as far as it remembers."""
    between: str
    """Answers those of a window."""
    scope: dict[str, Any]
    read: Callable[[Fields], T]


async def fetch_trades(
    deribit: Deribit, source: Source[T], start_ms: int | None, end_ms: int | None, limit: int
) -> Tape[T]:
    """Read at most `limit` trades of a window: its oldest when it has a start, else the newest before its end.

    A reading that is cut at its limit ends with a whole millisecond, so that another can go on behind it.
    """
    forward = start_ms is not None
    method = source.between if forward else source.latest
    if start_ms is not None and end_ms is None:
        end_ms = max(start_ms, deribit.venue_ms())
    progress = Progress(method)
    found: dict[str, T] = {}
    as_of: datetime | None = None
    while True:
        asked: dict[str, Any] = {**source.scope, "count": PAGE if forward else min(PAGE, limit + 1)}
        asked["sorting"] = "asc" if forward else "desc"
        asked |= {} if start_ms is None else {"start_timestamp": start_ms}
        asked |= {} if end_ms is None else {"end_timestamp": end_ms}
        answer = await deribit.read(method, asked)
        as_of = as_of or answer.stamp()
        fields = Fields(answer.result, "result")
        page, has_more = await in_pieces(fields.objects("trades"), source.read), fields.flag("has_more", False)
        known = len(found)
        found |= {trade.trade_id: trade for trade in page}
        times = [milliseconds(trade.traded_at) for trade in page]
        edge = (max(times) if forward else min(times)) if times else None
        progress.page(len(page), None if not page else (max if forward else min)(trade.traded_at for trade in page))
        if not has_more or edge is None or len(found) > limit:
            break
        if len(found) == known:
            raise BadVenueData(VENUE, "result.trades", f"fewer than {PAGE} trades in one millisecond")
        if forward:
            start_ms = edge
        else:
            end_ms = edge
    ordered = in_order(found.values())
    kept = whole_moments(ordered, limit) if forward else ordered[-limit:]
    return Tape(as_of, kept, has_more or len(kept) < len(ordered), progress.pages)


def in_order(trades: Iterable[T]) -> list[T]:
    """Sort by time; within a moment ids that end in a number go by it: 99 comes before 100."""
    return sorted(trades, key=lambda trade: (trade.traded_at, len(trade.trade_id), trade.trade_id))


def whole_moments(ordered: list[T], limit: int) -> list[T]:
    """Return the first trades up to the limit, whole milliseconds only, unless the first alone breaks the limit."""
    if len(ordered) <= limit:
        return ordered
    cut = ordered[limit].traded_at
    whole = [trade for trade in ordered[:limit] if trade.traded_at < cut]
    return whole or [trade for trade in ordered if trade.traded_at == cut]
