"""Lists that Deribit hands out newest first, each page with a token that continues it: settlements, the account's log.

The last page is asked for no more than is still wanted, so that its token continues exactly where a caller's list ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.paging import Progress
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.deribit.wire.series import continuation as read_continuation
from cerberod.venues.paging import in_pieces


class Dated(Protocol):
    """What has a time."""

    @property
    def at(self) -> datetime: ...


_STRAY = timedelta(minutes=1)
"""Rows of one event stand within moments of each other, and not in their order."""

T = TypeVar("T", bound=Dated)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Rows, oldest first; what continues them with older ones, None where nothing does."""

    as_of: datetime
    rows: list[T]
    continuation: str | None
    pages: int


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One of Deribit's methods: its params but for count and token, where its answer has rows, and how one is read."""

    method: str
    asked: dict[str, Any]
    page: int
    """Most rows of one answer."""
    rows: str
    read: Callable[[Fields], T]
    token: Callable[[str], Any] = str
    """Writes the token as the method wants it."""


async def fetch_listing(
    deribit: Deribit,
    listing: Listing[T],
    *,
    start: datetime | None,
    end: datetime | None,
    count: int,
    continuation: str | None,
) -> Found[T]:
    """Read at most `count` rows, the newest first to be read; a row before `start` ends the reading."""
    progress = Progress(listing.method)
    found: list[T] = []
    as_of: datetime | None = None
    token = continuation
    while True:
        asked = {**listing.asked, "count": min(listing.page, count - len(found))}
        if token is not None:
            asked["continuation"] = listing.token(token)
        answer = await deribit.read(listing.method, asked)
        as_of = as_of or answer.stamp()
        fields = Fields(answer.result, "result")
        rows, older = await in_pieces(fields.objects(listing.rows), listing.read), read_continuation(fields)
        progress.page(len(rows), min((row.at for row in rows), default=None))
        if older is not None and older == token:
            raise BadVenueData(VENUE, "result.continuation", "another one for every page")
        token = older
        found += [row for row in rows if (start is None or row.at >= start) and (end is None or row.at <= end)]
        if start is not None and any(row.at < start - _STRAY for row in rows):
            token = None
        if token is None or not rows or len(found) >= count:
            break
    found.reverse()  # so that rows of one moment keep the venue's order, turned around
    ordered = sorted(found, key=lambda row: row.at)
    return Found(as_of, ordered, token, progress.pages)
