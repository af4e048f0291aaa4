"""Lists over more than one page: cursors as the venue gives them, and windows of a week, newest first.

A cursor is opaque and goes back as it came. There is no more when it is empty, when it repeats, and when a page is
empty: the venue gives one with its last page too.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from cerberod.errors import InvalidParams
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.paging import in_pieces

T = TypeVar("T")

logger = logging.getLogger("cerberod.venues.bybit")

WEEK_MS = 7 * 86_400_000
MOST_PAGES = 100
"""Of one list; a venue whose cursors never end is not followed for ever."""
MOST_WINDOWS = 60


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One list of the venue's: what it is asked, and how its rows are read."""

    call: str
    """The request, named as pybit names it."""
    asked: Mapping[str, Any]
    limit: int
    """Most rows of one answer."""
    read: Callable[[Fields], T]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One answer of a list."""

    as_of: datetime
    rows: list[T]
    last: bool
    """Whether the venue has no more behind it."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was read of a list, as the venue orders it, and what it cost."""

    as_of: datetime
    rows: list[T]
    pages: int
    has_more: bool
    next_at: datetime | None = None
    """When the newest of the rows left out was; of the past alone, None when nothing was left out."""


async def pages(bybit: Bybit, listing: Listing[T], **more: Any) -> AsyncGenerator[Page[T], None]:
    """Yield the pages of a list, as far as they go."""
    cursor: str | None = None
    seen: set[str] = set()
    for number in range(MOST_PAGES):
        answer = await bybit.read(listing.call, **listing.asked, **more, limit=listing.limit, cursor=cursor)
        fields = Fields(answer.result, "result")
        rows = await in_pieces(fields.objects("list"), listing.read)
        cursor = fields.text_or_none("nextPageCursor")
        last = cursor is None or cursor in seen or not rows
        logger.debug("page read", extra={"venue": VENUE, "upstream_method": listing.call, "page": number + 1})
        yield Page(answer.stamp(), rows, last)
        if last or cursor is None:
            return
        seen.add(cursor)


async def fetch_list(bybit: Bybit, listing: Listing[T], most: int | None = None) -> Found[T]:
    """Read a list to its end, or up to `most` rows."""
    as_of: datetime | None = None
    found: list[T] = []
    count, ended = 0, False
    async with aclosing(pages(bybit, listing)) as told:
        async for page in told:
            as_of, count, ended = as_of or page.as_of, count + 1, page.last
            found += page.rows
            if most is not None and len(found) >= most:
                break
    assert as_of is not None, "there is a first page"
    return Found(as_of, found[:most], count, not ended or (most is not None and len(found) > most))


async def fetch_past(
    bybit: Bybit, listing: Listing[T], start_ms: int, end_ms: int, most: int, at: Callable[[T], datetime]
) -> Found[T]:
    """Read the newest `most` rows of a window, newest first: a week at a time, which is what the venue allows.

    Rows of one moment stay together, so that whoever goes on at `next_at` misses none and meets none twice.
    Raises `InvalidParams`, which tells the cost, for a window too large.
    """
    windows = max(1, -(-(end_ms - start_ms + 1) // WEEK_MS))
    if windows > MOST_WINDOWS:
        rule = f"at most {MOST_WINDOWS} weeks before end; this window would cost at least {windows} requests"
        raise InvalidParams([{"field": "start", "rule": rule}])
    as_of: datetime | None = None
    found: list[T] = []
    count = 0
    until = end_ms
    while until >= start_ms:
        since = max(start_ms, until - WEEK_MS + 1)
        async with aclosing(pages(bybit, listing, startTime=since, endTime=until)) as told:
            async for page in told:
                as_of, count = as_of or page.as_of, count + 1
                found += page.rows
                if len(found) > most or (len(found) == most and not page.last):
                    kept = _whole_moments([at(each) for each in found], most)
                    if kept is not None:
                        return Found(as_of, found[:kept], count, has_more=True, next_at=at(found[kept]))
        until = since - 1
    assert as_of is not None, "there is a first page"
    return Found(as_of, found, count, has_more=False)


def _whole_moments(times: list[datetime], most: int) -> int | None:
    """Return how many rows to keep of at least `most`: whole moments, more than `most` only if they are all of one.

    None when it takes more rows to tell where that one moment ends.
    """
    edge = times[most - 1]
    if len(times) > most and times[most] != edge:
        return most
    fewer = times.index(edge)
    if fewer:
        return fewer
    return next((number for number in range(most, len(times)) if times[number] != edge), None)
