"""Candles over more than one page.

Deribit's answer is anchored at the end of the window: what does not fit falls off at the old side without a word. Here
every page asks for no more than fits, newest first, and goes on from what really came.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cerberod.clock import from_ms
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.paging import Progress
from cerberod.venues.deribit.wire.market import Candle, candles
from cerberod.venues.paging import check_cost

_MINUTE_MS = 60_000
_MINUTES = (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)
RESOLUTIONS: dict[str, int] = {str(minutes): minutes * _MINUTE_MS for minutes in _MINUTES} | {"1D": 1440 * _MINUTE_MS}
"""Milliseconds of a bar."""

PAGE = 5000
"""Most bars of one answer, as far as anybody has seen."""
LONG_PAGE = 1000
"""A page of at least this many bars that does not reach its start was cut by the venue rather than by history."""
MOST = 20_000

_METHOD = "public/get_tradingview_chart_data"


@dataclass(frozen=True, slots=True)
class Found:
    """The bars of a window, and what they cost."""

    as_of: datetime
    candles: list[Candle]
    pages: int


def count_bars(start_ms: int, end_ms: int, step_ms: int) -> int:
    """Return how many bars open within the window, both ends included."""
    return max(0, end_ms // step_ms - -(-start_ms // step_ms) + 1)


async def fetch_candles(deribit: Deribit, instrument_name: str, start_ms: int, end_ms: int, resolution: str) -> Found:
    """Read all bars that open within the window, oldest first. Raises `InvalidParams` for a window too large."""
    step_ms = RESOLUTIONS[resolution]
    check_cost(count_bars(start_ms, end_ms, step_ms), MOST, PAGE, "bars")
    progress = Progress(_METHOD)
    found: dict[int, Candle] = {}
    as_of: datetime | None = None
    page_end = end_ms
    while True:
        page_start = max(start_ms, page_end - (PAGE - 1) * step_ms)
        window = {"start_timestamp": page_start, "end_timestamp": page_end}
        asked = {"instrument_name": instrument_name, **window, "resolution": resolution}
        answer = await deribit.read(_METHOD, asked)
        as_of = as_of or answer.stamp()
        page = {tick: bar for tick, bar in candles(answer.result).items() if start_ms <= tick <= page_end}
        progress.page(len(page), from_ms(min(page)) if page else None)
        # A younger page is the fresher one: its bar stays where two pages tell of the same.
        found = page | found
        page_end = _older(page, page_start, step_ms)
        if page_end < start_ms or (found and not page):
            return Found(as_of, [found[tick] for tick in sorted(found)], progress.pages)


def _older(page: Iterable[int], page_start: int, step_ms: int) -> int:
    """Return where the next older page ends."""
    ticks = sorted(page)
    if len(ticks) >= LONG_PAGE and ticks[0] - page_start >= step_ms:
        return ticks[0] - 1
    return page_start - 1
