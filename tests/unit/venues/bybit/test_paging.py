"""Cursors go back as they came, weeks are joined, and a venue whose pages never end is not followed for ever."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.bybit.paging import MOST_PAGES, WEEK_MS, Listing, fetch_list, fetch_past
from tests.support.bybit_venue import Asked, client_of, scripted

HISTORY = "/v5/order/history"
DAY = 86_400_000


def listing(limit: int = 50) -> Listing[str]:
    return Listing("get_order_history", {"category": "spot"}, limit, lambda row: row.text("id"))


def by_day(row: str) -> datetime:
    return from_ms(int(row) * DAY)


def page(ids: list[int], cursor: str | None) -> dict[str, Any]:
    return {"list": [{"id": str(each)} for each in ids], "nextPageCursor": cursor}


async def test_cursors_go_back_as_they_came_until_there_is_none() -> None:
    given = ["first%3DA%26last%3DB", "x%2Cy%3A1", ""]
    answers = iter([page([1, 2], given[0]), page([3], given[1]), page([4], given[2])])
    async with scripted({HISTORY: lambda asked: next(answers)}) as venue, client_of(venue) as bybit:
        found = await fetch_list(bybit, listing())
        assert (found.rows, found.pages, found.has_more) == (["1", "2", "3", "4"], 3, False)
        payloads = [asked.payload for asked in venue.asked(HISTORY)]
    assert payloads[0] == "category=spot&limit=50"
    assert payloads[1] == f"category=spot&cursor={given[0]}&limit=50"
    assert payloads[2] == f"category=spot&cursor={given[1]}&limit=50"


@pytest.mark.parametrize("ending", [page([], "more"), page([9], "same"), {"list": None, "nextPageCursor": "x"}])
async def test_a_cursor_with_nothing_behind_it_is_the_end(ending: dict[str, Any]) -> None:
    answers = iter([page([1], "same"), ending])
    async with scripted({HISTORY: lambda asked: next(answers)}) as venue, client_of(venue) as bybit:
        found = await fetch_list(bybit, listing())
        assert found.pages == 2
        assert found.has_more is False


async def test_pages_that_never_end_are_not_followed_for_ever() -> None:
    number = iter(range(10_000))
    async with (
        scripted({HISTORY: lambda asked: page([1], str(next(number)))}) as venue,
        client_of(venue, read_deadline_s=20.0) as bybit,
    ):
        found = await fetch_list(bybit, listing())
        assert (found.pages, found.has_more) == (MOST_PAGES, True)


async def test_no_more_is_read_than_is_wanted() -> None:
    number = iter(range(1, 10_000))
    script = {HISTORY: lambda asked: page([1, 2, 3], str(next(number)))}
    async with scripted(script) as venue, client_of(venue) as bybit:
        found = await fetch_list(bybit, listing(), 4)
        assert (found.rows, found.pages, found.has_more) == (["1", "2", "3", "1"], 2, True)


def week(asked: Asked) -> dict[str, Any]:
    """A row for each day, newest first; the venue refuses more than a week."""
    start, end = int(asked.params["startTime"]), int(asked.params["endTime"])
    assert end - start <= WEEK_MS
    return page(list(reversed(range(-(-start // DAY), end // DAY + 1))), "")


@pytest.mark.parametrize(("days", "pages"), [(1, 1), (7, 1), (8, 2), (30, 5)])
async def test_a_window_is_read_week_by_week_without_gap_or_repeat(days: int, pages: int) -> None:
    end = 1_000 * DAY - 1
    async with scripted({HISTORY: week}) as venue, client_of(venue) as bybit:
        found = await fetch_past(bybit, listing(), end + 1 - days * DAY, end, 1_000, by_day)
        assert [int(each) for each in found.rows] == [999 - n for n in range(days)]
        assert (found.pages, found.has_more) == (pages, False)


async def test_the_newest_are_kept_and_the_rest_is_said_to_be_there() -> None:
    end = 1_000 * DAY - 1
    async with scripted({HISTORY: week}) as venue, client_of(venue) as bybit:
        found = await fetch_past(bybit, listing(), end + 1 - 30 * DAY, end, 10, by_day)
        assert (len(found.rows), found.pages, found.has_more) == (10, 2, True)


@pytest.mark.parametrize(
    ("ids", "most", "kept", "next_day"),
    [
        ([9, 8, 7, 6], 3, [9, 8, 7], 6),
        ([9, 8, 7, 6], 2, [9], 8),
        ([9, 8, 8, 7], 2, [9], 8),
        ([9, 9, 9, 7], 2, [9, 9, 9], 7),
        ([9, 9, 9, 9, 9, 9, 9, 9, 8], 3, [9] * 8, 8),
        ([9, 9, 9, 9], 4, [9] * 4, None),
        ([9, 9, 9, 9], 2, [9] * 4, None),
        ([9, 8, 7, 7], 3, [9, 8], 7),
    ],
)
async def test_rows_of_one_moment_stay_together(
    ids: list[int], most: int, kept: list[int], next_day: int | None
) -> None:
    def in_pages() -> Iterator[dict[str, Any]]:
        for first in range(0, len(ids), 2):
            yield page(ids[first : first + 2], str(first) if first + 2 < len(ids) else "")

    answers = in_pages()
    async with scripted({HISTORY: lambda asked: next(answers)}) as venue, client_of(venue) as bybit:
        found = await fetch_past(bybit, listing(), 4 * DAY, 10 * DAY, most, by_day)
        assert [int(each) for each in found.rows] == kept
        assert found.has_more == (next_day is not None)
        assert found.next_at == (None if next_day is None else by_day(str(next_day)))


async def test_too_many_weeks_are_refused_with_their_cost() -> None:
    async with scripted({HISTORY: week}) as venue, client_of(venue) as bybit:
        with pytest.raises(InvalidParams) as caught:
            await fetch_past(bybit, listing(), 0, 61 * WEEK_MS, 10, by_day)
        assert "at least 62 requests" in caught.value.data["problems"][0]["rule"]
        assert not venue.asked(HISTORY)


@pytest.mark.parametrize("result", [None, [], {"list": {}}, {"list": [1]}, {"list": [{"id": 5}]}], ids=repr)
async def test_what_is_no_list_is_refused(result: Any) -> None:
    async with scripted({HISTORY: result}) as venue, client_of(venue) as bybit:
        with pytest.raises(BadVenueData):
            await fetch_list(bybit, listing())
