"""Deribit's volatility index over more than one page.

The newest page comes first and names where the next older one ends, until there is none. What it says may repeat a row
at the seam, so rows are kept by their time.
"""

from dataclasses import dataclass
from datetime import datetime

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.history import count_bars
from cerberod.venues.deribit.paging import Progress
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.paging import check_cost

RESOLUTIONS: dict[str, int] = {"1": 1_000, "60": 60_000, "3600": 3_600_000, "43200": 43_200_000, "1D": 86_400_000}
"""Milliseconds of a candle; Deribit names them in seconds."""
PAGE = 1000
"""Rows of one answer, as far as anybody has seen."""
MOST = 20_000
_METHOD = "public/get_volatility_index_data"
_FAR_MS = 32_503_708_800_000


@dataclass(frozen=True, slots=True)
class DvolCandle:
    """One candle of the index, in volatility points."""

    opened_ms: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class DvolFound:
    """The candles of a window, oldest first, and what they cost. The last may still be forming."""

    as_of: datetime
    candles: list[DvolCandle]
    pages: int


async def fetch_dvol(deribit: Deribit, currency: str, start_ms: int, end_ms: int, resolution: str) -> DvolFound:
    """Read all candles that open within the window, both ends included, oldest first.

    Raises `InvalidParams`, which tells the cost, for a window too large.
    """
    step_ms = RESOLUTIONS[resolution]
    check_cost(count_bars(start_ms, end_ms, step_ms), MOST, PAGE, "candles")
    progress = Progress(_METHOD)
    found: dict[int, DvolCandle] = {}
    as_of: datetime | None = None
    page_end: int | None = end_ms
    while page_end is not None:
        window = {"start_timestamp": start_ms, "end_timestamp": page_end}
        answer = await deribit.read(_METHOD, {"currency": currency, **window, "resolution": resolution})
        as_of = as_of or answer.stamp()
        candles, older = read_page(answer.result)
        progress.page(len(candles), opened(min(candles, key=lambda each: each.opened_ms)) if candles else None)
        # A younger page is the fresher one: its candle stays where two pages tell of the same.
        found = {each.opened_ms: each for each in candles if start_ms <= each.opened_ms <= end_ms} | found
        if older is not None and older >= page_end:
            raise BadVenueData(VENUE, "result.continuation", "before the end of the page it continues")
        page_end = older if older is not None and older >= start_ms else None
    assert as_of is not None
    return DvolFound(as_of, [found[at] for at in sorted(found)], progress.pages)


def read_page(raw: object) -> tuple[list[DvolCandle], int | None]:
    """Read one answer: its candles, and where the next older page ends."""
    fields = Fields(raw, "result")
    data = fields.get("data")
    if not isinstance(data, list):
        raise fields.bad("data", "a list")
    for row in data:
        if not isinstance(row, list) or len(row) != 5 or type(row[0]) is not int or not 0 <= row[0] <= _FAR_MS:
            raise fields.bad("data", "rows of a time and four numbers")
        if not {*map(type, row[1:])} <= {int, float} or min(row[1:]) < 0:
            raise fields.bad("data", "numbers of 0 or above")
    older = fields.whole("continuation") if fields.has("continuation") else None
    return [DvolCandle(at, *map(float, values)) for at, *values in data], older


def opened(candle: DvolCandle) -> datetime:
    """Return when a candle began, the venue's time."""
    return from_ms(candle.opened_ms)
