"""Cursors and windows of time, as the venue pages its lists.

A cursor is opaque and already percent-encoded; clients send it back as it came, or encoded once more. An empty one
means that there is no more.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import parse_qs, quote

from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.wire import PARAMETER, VenueError, bad
from cerberod.simulator.market import DAY_MS

WEEK_MS: Final = 7 * DAY_MS
_Item = TypeVar("_Item")


def page(items: Sequence[_Item], params: Params, size: int, key: Callable[[_Item], str]) -> tuple[list[_Item], str]:
    """Return one page and the cursor of the next; `key` names an item, uniquely, and the order never changes."""
    start = 0
    cursor = params.cursor()
    if cursor:
        last = parse_qs(cursor, keep_blank_values=True).get("last", [""])[0]
        places = [position for position, item in enumerate(items) if key(item) == last]
        if not places:
            raise bad("cursor")
        start = places[0] + 1
    found = list(items[start : start + size])
    if not found or start + size >= len(items):
        return found, ""
    return found, quote(f"first={key(found[0])}&last={key(found[-1])}", safe="")


def window(params: Params, now_ms: int, default_ms: int = WEEK_MS) -> tuple[int, int]:
    """Return the (first, last) moment asked for; a window may be a week long, and none means the latest."""
    start, end = params.whole("startTime"), params.whole("endTime")
    if start is None and end is None:
        return now_ms - default_ms, now_ms
    if end is None:
        end = (start or 0) + WEEK_MS
    if start is None:
        start = end - WEEK_MS
    if end < start or end - start > WEEK_MS:
        raise VenueError(PARAMETER, "The time range between startTime and endTime cannot exceed 7 days")
    return start, end
