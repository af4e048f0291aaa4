"""What reads over more than one page share at every venue: refusing what would cost too much, letting others work.

How the pages of one method join is that method's own matter.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from anyio.lowlevel import checkpoint

from cerberod.errors import InvalidParams

R = TypeVar("R")
T = TypeVar("T")

PIECE = 100
"""Rows read in one go: less than ten milliseconds of work."""


def check_cost(rows: int, most: int, page: int, what: str) -> None:
    """Refuse a window whose number of rows is known beforehand and too large, telling what it would cost."""
    if rows > most:
        rule = f"at most {most} {what}; this window has {rows} and would cost {-(-rows // page)} requests"
        raise InvalidParams([{"field": "start", "rule": rule}])


async def in_pieces(rows: Iterable[R], read: Callable[[R], T]) -> list[T]:
    """Read every row, letting others work in between: a full page takes tens of milliseconds."""
    found: list[T] = []
    for row in rows:
        found.append(read(row))
        if len(found) % PIECE == 0:
            await checkpoint()
    return found
