"""Lists with a token for each page: whole to where they end, and continued without gap or repeat."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.venues.deribit.continued import Found, Listing, fetch_listing
from cerberod.venues.deribit.wire.series import Settlement, settlement
from tests.support.deribit_venue import client_of, scripted

NOON = 1_787_356_800_000
DAY_MS = 86_400_000
METHOD = "public/get_last_settlements_by_currency"
LISTING = Listing(METHOD, {"currency": "BTC"}, 100, "settlements", settlement)
Answer = Callable[[dict[str, Any]], dict[str, Any]]


def row(number: int) -> dict[str, Any]:
    """The settlement so many steps back; ten of them share a day."""
    return {
        "type": "settlement",
        "timestamp": NOON - number // 10 * DAY_MS,
        "instrument_name": f"N{number}",
        "mark_price": 3578.16,
        "index_price": 3796.43,
        "position": 240,
        "profit_loss": -9.99e-10,
        "session_profit_loss": 0.11,
    }


def ledger(size: int, ending: object = None) -> Answer:
    """So many rows, newest first; a token is where the next page begins."""

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        first = int(params.get("continuation", "0"))
        last = min(first + params["count"], size)
        told = [row(number) for number in range(first, last)]
        return {"settlements": told, "continuation": str(last) if last < size else ending}

    return answer


async def fetched(answer: Answer, count: int, **window: Any) -> Found[Settlement]:
    asked: dict[str, Any] = {"start": None, "end": None, "continuation": None, **window}
    async with scripted(**{METHOD.replace("/", "__"): answer}) as venue, client_of(venue) as deribit:
        found = await fetch_listing(deribit, LISTING, count=count, **asked)
        assert len(venue.asked(METHOD)) == found.pages
        times = [each.at for each in found.rows]
        assert times == sorted(times)
        return found


def names(found: Found[Settlement]) -> list[str | None]:
    return [each.instrument_name for each in found.rows]


def stepped(first: int, last: int) -> list[str]:
    """Names from the oldest to the newest."""
    return [f"N{number}" for number in range(last - 1, first - 1, -1)]


def back(steps: int) -> datetime:
    return from_ms(NOON - steps * DAY_MS)


@pytest.mark.parametrize("ending", [None, "", "none"])
async def test_all_pages_are_read_to_their_end(ending: object) -> None:
    found = await fetched(ledger(250, ending), 5000)
    assert names(found) == stepped(0, 250)
    assert (found.pages, found.continuation) == (3, None)


async def test_what_was_cut_goes_on_exactly_there() -> None:
    first = await fetched(ledger(250), 130)
    second = await fetched(ledger(250), 500, continuation=first.continuation)
    assert names(second) + names(first) == stepped(0, 250)
    assert (len(first.rows), second.continuation) == (130, None)


async def test_a_window_ends_the_reading() -> None:
    found = await fetched(ledger(1000), 5000, start=back(15), end=back(12))
    assert names(found) == stepped(120, 160)
    assert (found.pages, found.continuation) == (2, None)


async def test_nothing_is_an_empty_list() -> None:
    found = await fetched(ledger(0), 100)
    assert (found.rows, found.continuation, found.pages) == ([], None, 1)


async def test_a_token_that_leads_nowhere_is_not_followed_forever() -> None:
    with pytest.RaisesGroup(BadVenueData):
        await fetched(lambda _params: {"settlements": [row(0)], "continuation": "again"}, 100)
