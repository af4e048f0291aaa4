"""What reads over more than one page share: refusing what would cost too much, letting others work, telling the log.

How the pages of one method join is that method's own matter.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from anyio.lowlevel import checkpoint

from cerberod.clock import iso
from cerberod.errors import InvalidParams
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.reading import Fields

T = TypeVar("T")

PIECE = 100
"""Rows read in one go: less than ten milliseconds of work."""

logger = logging.getLogger("cerberod.venues.deribit")


def check_cost(rows: int, most: int, page: int, what: str) -> None:
    """Refuse a window whose number of rows is known beforehand and too large, telling what it would cost."""
    if rows > most:
        rule = f"at most {most} {what}; this window has {rows} and would cost {-(-rows // page)} requests"
        raise InvalidParams([{"field": "start", "rule": rule}])


async def in_pieces(rows: Iterable[Fields], read: Callable[[Fields], T]) -> list[T]:
    """Read every row, letting others work in between: a full page takes tens of milliseconds."""
    found: list[T] = []
    for row in rows:
        found.append(read(row))
        if len(found) % PIECE == 0:
            await checkpoint()
    return found


class Progress:
    """How far one read over several pages has come."""

    def __init__(self, method: str) -> None:
        self._method = method
        self.pages = 0

    def page(self, rows: int, reached: datetime | None) -> None:
        """Count a page, and tell the log of it: how many rows it had, and how far it reaches."""
        self.pages += 1
        if logger.isEnabledFor(logging.DEBUG):
            extra = {"page": self.pages, "rows": rows, "reached": None if reached is None else iso(reached)}
            logger.debug("page read", extra={"venue": VENUE, "upstream_method": self._method, **extra})
