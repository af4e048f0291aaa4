"""Funding of perpetuals over more than one page.

Deribit answers about a month of hours at most and does not say which side it drops when asked for more. Here a page is
asked for no more than fits, and what a cut page left out, on whichever side, is asked for again.
"""

from dataclasses import dataclass
from datetime import datetime

from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.history import count_bars
from cerberod.venues.deribit.paging import Progress
from cerberod.venues.deribit.wire.series import FundingHour, funding_hours
from cerberod.venues.instants import milliseconds
from cerberod.venues.paging import check_cost

HOUR_MS = 3_600_000
PAGE = 744
"""Most hours of one answer, as far as anybody has seen."""
MOST = 20_000
LONG_PAGE = 100
"""A page of at least this many hours that does not fill its window was cut by the venue rather than by history."""

_METHOD = "public/get_funding_rate_history"


@dataclass(frozen=True, slots=True)
class FundingFound:
    """The hours of a window, oldest first, and what they cost."""

    as_of: datetime
    hours: list[FundingHour]
    pages: int


async def fetch_funding(deribit: Deribit, instrument_name: str, start_ms: int, end_ms: int) -> FundingFound:
    """Read all hours that end within the window, both ends included, oldest first.

    Raises `InvalidParams`, which tells the cost, for a window too large.
    """
    check_cost(count_bars(start_ms, end_ms, HOUR_MS), MOST, PAGE, "hours")
    progress = Progress(_METHOD)
    found: dict[int, FundingHour] = {}
    as_of: datetime | None = None
    wanted = [(start_ms, min(end_ms, max(start_ms, deribit.venue_ms())))]
    while wanted:
        first, last = wanted.pop()
        page_start = max(first, last - PAGE * HOUR_MS + 1)
        window = {"start_timestamp": page_start, "end_timestamp": last}
        answer = await deribit.read(_METHOD, {"instrument_name": instrument_name, **window})
        as_of = as_of or answer.stamp()
        page = {milliseconds(hour.at): hour for hour in funding_hours(answer.result)}
        page = {at: hour for at, hour in page.items() if page_start <= at <= last}
        progress.page(len(page), min(page.values(), key=lambda hour: hour.at).at if page else None)
        found = page | found
        if page_start > first:
            wanted.append((first, page_start - 1))
        if len(page) >= LONG_PAGE:
            wanted += _cut_off(page_start, last, min(page), max(page))
    assert as_of is not None
    return FundingFound(as_of, [found[at] for at in sorted(found)], progress.pages)


def _cut_off(start_ms: int, end_ms: int, first: int, last: int) -> list[tuple[int, int]]:
    """Return what a long page may have left out at either side of itself."""
    sides = ((start_ms, first - 1), (last + 1, end_ms))
    return [(low, high) for low, high in sides if count_bars(low, high, HOUR_MS) > 0]


def missing_hours(hours: list[FundingHour]) -> int:
    """Count the hours between the first and the last that Deribit has no row for."""
    if not hours:
        return 0
    span = milliseconds(hours[-1].at) - milliseconds(hours[0].at)
    return max(0, span // HOUR_MS + 1 - len(hours))
