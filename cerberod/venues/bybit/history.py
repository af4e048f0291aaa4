"""Bars and funding over more than one page.

Bybit lists both newest first and cuts what does not fit at the old side. Here every page asks for no more than fits,
newest first, and goes on from what really came.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from anyio.lowlevel import checkpoint

from cerberod.clock import from_ms
from cerberod.errors import InvalidParams
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.wire.market import FundingPayment, PriceKind, bars, funding_payment
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.instants import milliseconds
from cerberod.venues.paging import check_cost

logger = logging.getLogger("cerberod.venues.bybit")

_MINUTE_MS = 60_000
DAY_MS = 1440 * _MINUTE_MS
_MINUTES = (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)
INTERVALS: dict[str, int] = {str(minutes): minutes * _MINUTE_MS for minutes in _MINUTES} | {
    "D": DAY_MS,
    "W": 7 * DAY_MS,
    "M": 28 * DAY_MS,
}
"""Milliseconds of a bar; of a month the shortest there is."""
MOST = 20_000
_PAGE = 1_000
_OPTION_PAGE = 500
_CALLS = {
    PriceKind.LAST: ("get_kline", 6),
    PriceKind.MARK: ("get_mark_price_kline", 4),
    PriceKind.INDEX: ("get_index_price_kline", 4),
    PriceKind.PREMIUM: ("get_premium_index_price_kline", 4),
}
"""pybit's name of the request, and how many numbers a bar has."""

FUNDING_PAGE = 200
_SHORTEST_FUNDING_MIN = 60


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a window by the milliseconds at which they began, oldest first, and what they cost."""

    as_of: datetime
    found: dict[int, list[float]]
    pages: int

    def last_is_forming(self, interval: str) -> bool:
        """Tell whether the last bar had not ended when the venue answered."""
        return bool(self.found) and bar_end(interval, max(self.found)) > milliseconds(self.as_of)


def bar_end(interval: str, started_ms: int) -> int:
    """Return when a bar that began then ends. Months are as long as they are."""
    if interval != "M":
        return started_ms + INTERVALS[interval]
    began = from_ms(started_ms)
    following = (began.replace(day=1) + timedelta(days=32)).replace(day=1)
    return milliseconds(datetime(following.year, following.month, 1, tzinfo=UTC))


def count_bars(start_ms: int, end_ms: int, step_ms: int) -> int:
    """Return how many bars may open within the window, both ends included."""
    return max(0, end_ms // step_ms - -(-start_ms // step_ms) + 1)


async def fetch_bars(
    bybit: Bybit, kind: PriceKind, category: Category, symbol: str, start_ms: int, end_ms: int, interval: str
) -> Bars:
    """Read all bars that open within the window. Raises `InvalidParams`, which tells the cost, for one too large.

    What lies in the future costs nothing: no bar opens there.
    """
    call, columns = _CALLS[kind]
    step_ms = INTERVALS[interval]
    end_ms = max(start_ms, min(end_ms, bybit.venue_ms() + DAY_MS))
    size = _OPTION_PAGE if category is Category.OPTION else _PAGE
    check_cost(count_bars(start_ms, end_ms, step_ms), MOST, size, "bars")
    found: dict[int, list[float]] = {}
    as_of: datetime | None = None
    pages, until = 0, end_ms
    while True:
        since = max(start_ms, until - (size - 1) * step_ms)
        answer = await bybit.read(
            call, category=category.value, symbol=symbol, interval=interval, start=since, end=until, limit=size
        )
        as_of, pages = as_of or answer.stamp(), pages + 1
        page: dict[int, list[float]] = {}
        for piece in bars(answer.result, columns):
            page |= {began: bar for began, bar in piece.items() if since <= began <= until}
            await checkpoint()
        logger.debug("page read", extra={"venue": VENUE, "upstream_method": call, "page": pages, "rows": len(page)})
        # A younger page is the fresher one: its bar stays where two pages tell of the same.
        found = page | found
        cut = len(page) >= size // 2 and min(page) - since >= step_ms
        ended = bool(found) and not page
        until = min(page) - 1 if cut else since - 1
        if until < start_ms or ended:
            return Bars(as_of, {began: found[began] for began in sorted(found)}, pages)


@dataclass(frozen=True, slots=True)
class Funding:
    """The payments of a window, oldest first, and what they cost."""

    as_of: datetime
    payments: list[FundingPayment]
    pages: int

    def intervals_min(self) -> list[int]:
        """Return the minutes from one payment to the next, each length once, shortest first."""
        times = [milliseconds(payment.at) for payment in self.payments]
        gaps = {(later - earlier) // _MINUTE_MS for earlier, later in pairwise(times)}
        return sorted(gaps)


async def fetch_funding(
    bybit: Bybit, category: Category, symbol: str, start_ms: int, end_ms: int, interval_min: int | None
) -> Funding:
    """Read all payments of a window; `interval_min` is how often it pays now, which it did not always.

    There is no cursor: it goes back by the time of the oldest row. Raises `InvalidParams` for a window too large.
    """
    expected = count_bars(start_ms, end_ms, (interval_min or _SHORTEST_FUNDING_MIN) * _MINUTE_MS)
    check_cost(expected, MOST, FUNDING_PAGE, "payments")
    found: dict[int, FundingPayment] = {}
    as_of: datetime | None = None
    pages, until = 0, end_ms
    while until >= start_ms:
        answer = await bybit.read(
            "get_funding_rate_history",
            category=category.value,
            symbol=symbol,
            startTime=start_ms,
            endTime=until,
            limit=FUNDING_PAGE,
        )
        as_of, pages = as_of or answer.stamp(), pages + 1
        rows = [funding_payment(row) for row in Fields(answer.result, "result").objects("list")]
        page = {milliseconds(row.at): row for row in rows}
        page = {at: row for at, row in page.items() if start_ms <= at <= until}
        logger.debug("page read", extra={"venue": VENUE, "upstream_method": "funding", "page": pages})
        found = page | found
        if len(found) > MOST:
            raise InvalidParams([{"field": "start", "rule": f"at most {MOST} payments; this window has more"}])
        if len(page) < FUNDING_PAGE // 2:
            break
        until = min(page) - 1
    assert as_of is not None, "there is a first page"
    return Funding(as_of, [found[at] for at in sorted(found)], pages)
