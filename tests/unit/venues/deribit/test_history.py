"""Candles over page limits: complete, in order, without repeats, whatever the venue's cap really is."""

from collections.abc import Callable
from typing import Any

import pytest

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.deribit.history import MOST, count_bars, fetch_candles
from tests.support.deribit_venue import client_of, scripted

MINUTE = 60_000
START = 1_787_356_800_000


def chart(
    cap: int, *, listed: int = 0, gaps: frozenset[int] = frozenset()
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Answer as facts 6 says: anchored at the end, what is over the cap falls off at the old side."""

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        first = -(-max(params["start_timestamp"], listed) // MINUTE) * MINUTE
        ticks = [tick for tick in range(first, params["end_timestamp"] + 1, MINUTE) if tick not in gaps][-cap:]
        names = ("open", "high", "low", "close", "volume", "cost")
        columns = {name: [tick / MINUTE for tick in ticks] for name in names}
        return {"status": "ok" if ticks else "no_data", "ticks": ticks, **columns}

    return answer


async def fetched(answer: Callable[[dict[str, Any]], dict[str, Any]], bars: int) -> tuple[list[int], int]:
    async with (
        scripted(public__get_tradingview_chart_data=answer) as venue,
        client_of(venue, credentials=None) as deribit,
    ):
        found = await fetch_candles(deribit, "BTC-PERPETUAL", START, START + (bars - 1) * MINUTE, "1")
        assert len(venue.asked("public/get_tradingview_chart_data")) == found.pages
        return [round(bar.open * MINUTE) for bar in found.candles], found.pages


@pytest.mark.parametrize(("bars", "pages"), [(1, 1), (4999, 1), (5000, 1), (5001, 2), (12_345, 3)])
async def test_a_window_is_complete_whatever_its_size(bars: int, pages: int) -> None:
    told, cost = await fetched(chart(5000), bars)
    assert told == [START + number * MINUTE for number in range(bars)]
    assert cost == pages


@pytest.mark.parametrize("cap", [4999, 5001, 3000, 1000])
async def test_another_cap_than_we_believe_leaves_no_gap(cap: int) -> None:
    told, _ = await fetched(chart(cap), 7000)
    assert told == [START + number * MINUTE for number in range(7000)]


async def test_history_that_begins_within_the_window_is_taken_from_there() -> None:
    told, cost = await fetched(chart(5000, listed=START + 6_000 * MINUTE), 12_000)
    assert told == [START + number * MINUTE for number in range(6_000, 12_000)]
    assert cost <= 3


async def test_a_window_without_data_is_empty() -> None:
    assert await fetched(chart(5000, listed=START + 10**12), 12_000) == ([], 3)


async def test_a_window_whose_young_side_is_empty_is_read_on() -> None:
    told, _ = await fetched(chart(5000, gaps=frozenset(range(START + 3_000 * MINUTE, START + 10**9, MINUTE))), 9_000)
    assert told == [START + number * MINUTE for number in range(3_000)]


async def test_a_window_too_large_is_refused_with_its_cost_and_nothing_is_asked() -> None:
    async with scripted() as venue, client_of(venue, credentials=None) as deribit:
        with pytest.raises(InvalidParams) as refused:
            await fetch_candles(deribit, "BTC-PERPETUAL", START, START + MOST * MINUTE, "1")
        (problem,) = refused.value.data["problems"]
        assert problem["field"] == "start"
        assert "20001" in problem["rule"]
        assert "5 requests" in problem["rule"]
        assert not venue.received


async def test_a_venue_that_repeats_one_bar_forever_is_not_asked_forever() -> None:
    def stuck(params: dict[str, Any]) -> dict[str, Any]:
        return chart(1)(params)

    told, cost = await fetched(stuck, 12_000)
    assert cost <= 4
    assert told == sorted(set(told))


async def test_garbage_in_a_page_spoils_it() -> None:
    garbage = {"status": "ok", "ticks": [1, 2]}
    async with scripted(public__get_tradingview_chart_data=garbage) as venue, client_of(venue) as deribit:
        with pytest.raises(BadVenueData):
            await fetch_candles(deribit, "BTC-PERPETUAL", START, START + MINUTE, "1")


@pytest.mark.parametrize(
    ("start", "end", "bars"), [(0, 0, 1), (1, 59_999, 0), (0, 60_000, 2), (1, 60_000, 1), (0, 119_999, 2)]
)
def test_bars_are_counted_by_when_they_open(start: int, end: int, bars: int) -> None:
    assert count_bars(start, end, MINUTE) == bars
