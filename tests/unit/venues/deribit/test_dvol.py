"""DVOL over pages: complete, ordered, without repeats, and an end even when the venue's seams lie."""

from typing import Any

import pytest

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.deribit.dvol import MOST, fetch_dvol, read_page
from tests.support.deribit_venue import client_of, scripted

HOUR = 3_600_000
END = 1_787_367_600_000


def row(at: int) -> list[float]:
    points = 40.0 + at // HOUR % 7
    return [at, points, points + 1, points - 1, points + 0.5]


def paged(size: int) -> Any:
    """Answer as the venue does: the newest rows first, and where the page before them ends."""

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        first = -(-params["start_timestamp"] // HOUR) * HOUR
        last = params["end_timestamp"] // HOUR * HOUR
        inside = list(range(first, last + 1, HOUR))
        shown = inside[-size:]
        return {"data": [row(at) for at in shown], "continuation": shown[0] if len(inside) > size else None}

    return answer


async def test_pages_join_without_gap_or_repeat() -> None:
    async with scripted(public__get_volatility_index_data=paged(10)) as venue, client_of(venue) as deribit:
        found = await fetch_dvol(deribit, "BTC", END - 24 * HOUR, END, "3600")
    assert [each.opened_ms for each in found.candles] == [END - hours * HOUR for hours in range(24, -1, -1)]
    assert [each.close for each in found.candles] == [row(each.opened_ms)[4] for each in found.candles]
    assert found.pages == 3  # each page after the first repeats the row at the seam
    ends = [params["end_timestamp"] for params in venue.asked("public/get_volatility_index_data")]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] == END


async def test_an_empty_window_is_an_empty_list() -> None:
    answer: dict[str, Any] = {"data": [], "continuation": None}
    async with scripted(public__get_volatility_index_data=answer) as venue, client_of(venue) as deribit:
        found = await fetch_dvol(deribit, "BTC", END - HOUR, END, "3600")
    assert (found.candles, found.pages) == ([], 1)


async def test_a_continuation_that_goes_nowhere_is_refused() -> None:
    answer = {"data": [row(END)], "continuation": END}
    async with scripted(public__get_volatility_index_data=answer) as venue, client_of(venue) as deribit:
        with pytest.raises(BadVenueData) as refused:
            await fetch_dvol(deribit, "BTC", END - 5 * HOUR, END, "3600")
    assert refused.value.data["field"] == "result.continuation"


async def test_a_window_too_large_is_refused_with_its_cost() -> None:
    async with scripted() as venue, client_of(venue) as deribit:
        with pytest.raises(InvalidParams) as refused:
            await fetch_dvol(deribit, "BTC", END - MOST * 1000, END, "1")
    assert "would cost 21 requests" in refused.value.data["problems"][0]["rule"]
    assert venue.asked("public/get_volatility_index_data") == []


@pytest.mark.parametrize(
    "data",
    [None, [None], [[END, 1.0]], [["now", 1.0, 1.0, 1.0, 1.0]], [[END, 1.0, None, 1.0, 1.0]], [[END, 1, -1, 1, 1]]],
)
def test_rows_that_break_their_contract_are_refused(data: object) -> None:
    with pytest.raises(BadVenueData):
        read_page({"data": data, "continuation": None})
