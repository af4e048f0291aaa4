"""Funding over page limits: complete, in order, without repeats, whichever side of a page the venue drops."""

from collections.abc import Callable
from typing import Any

import pytest

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.deribit.funding import HOUR_MS, MOST, fetch_funding, missing_hours
from cerberod.venues.deribit.wire.series import FundingHour
from cerberod.venues.instants import milliseconds
from tests.support.deribit_venue import client_of, scripted

START = 1_700_000_000_000 // HOUR_MS * HOUR_MS
Answer = Callable[[dict[str, Any]], list[dict[str, Any]]]


def row(at: int) -> dict[str, Any]:
    return {
        "timestamp": at,
        "index_price": 8222.87,
        "prev_index_price": 8305.72,
        "interest_8h": -9.2e-05,
        "interest_1h": at / HOUR_MS,
    }


def rates(cap: int, *, newest: bool = True, since: int = 0, without: frozenset[int] = frozenset()) -> Answer:
    """Answer as facts 6 says; which side falls off is not known, so it is an argument."""

    def answer(params: dict[str, Any]) -> list[dict[str, Any]]:
        first = -(-max(params["start_timestamp"], since) // HOUR_MS) * HOUR_MS
        hours = [at for at in range(first, params["end_timestamp"] + 1, HOUR_MS) if at not in without]
        return [row(at) for at in (hours[-cap:] if newest else hours[:cap])]

    return answer


async def fetched(answer: Answer, hours: int) -> tuple[list[int], int]:
    async with scripted(public__get_funding_rate_history=answer) as venue, client_of(venue) as deribit:
        found = await fetch_funding(deribit, "BTC-PERPETUAL", START, START + (hours - 1) * HOUR_MS)
        assert len(venue.asked("public/get_funding_rate_history")) == found.pages
        return [milliseconds(hour.at) for hour in found.hours], found.pages


def all_of(hours: int) -> list[int]:
    return [START + number * HOUR_MS for number in range(hours)]


@pytest.mark.parametrize(("hours", "pages"), [(1, 1), (744, 1), (745, 2), (2000, 3)])
async def test_a_window_is_complete_whatever_its_size(hours: int, pages: int) -> None:
    assert await fetched(rates(744), hours) == (all_of(hours), pages)


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("cap", [743, 500, 150])
async def test_another_cap_than_we_believe_leaves_no_gap(cap: int, newest: bool) -> None:
    told, _ = await fetched(rates(cap, newest=newest), 1600)
    assert told == all_of(1600)


async def test_history_that_begins_within_the_window_is_taken_from_there() -> None:
    told, pages = await fetched(rates(744, since=START + 900 * HOUR_MS), 1600)
    assert told == all_of(1600)[900:]
    assert pages <= 5


async def test_a_window_without_hours_is_empty() -> None:
    assert await fetched(rates(744, since=START + 10**12), 10) == ([], 1)


async def test_hours_to_come_are_not_asked_for() -> None:
    async with scripted(public__get_funding_rate_history=[]) as venue, client_of(venue) as deribit:
        await fetch_funding(deribit, "BTC-PERPETUAL", deribit.venue_ms(), deribit.venue_ms() + 10**10)
        (asked,) = venue.asked("public/get_funding_rate_history")
        assert asked["end_timestamp"] <= deribit.venue_ms()


async def test_rows_outside_the_window_and_out_of_order_do_no_harm() -> None:
    hours = [row(at) for at in (START + HOUR_MS, START, START - HOUR_MS, START + 9 * HOUR_MS, START)]
    assert await fetched(lambda _params: hours, 3) == ([START, START + HOUR_MS], 1)


async def test_a_window_too_large_is_refused_with_its_cost_and_nothing_is_asked() -> None:
    async with scripted() as venue, client_of(venue, credentials=None) as deribit:
        with pytest.raises(InvalidParams) as refused:
            await fetch_funding(deribit, "BTC-PERPETUAL", START, START + MOST * HOUR_MS)
        (problem,) = refused.value.data["problems"]
        assert problem["field"] == "start"
        assert "20001" in problem["rule"]
        assert "27 requests" in problem["rule"]
        assert not venue.received


@pytest.mark.parametrize("broken", [{"interest_1h": None}, {"interest_8h": "0.1"}, {"timestamp": -1}])
async def test_a_row_that_breaks_its_contract_spoils_the_page(broken: dict[str, Any]) -> None:
    with pytest.RaisesGroup(BadVenueData):
        await fetched(lambda _params: [row(START) | broken], 3)


def test_missing_hours_are_counted() -> None:
    def hours(*numbers: int) -> list[FundingHour]:
        rate = {"interest_1h": 0.0, "interest_8h": 0.0, "index_price": None, "prev_index_price": None}
        return [FundingHour(at=from_ms(START + number * HOUR_MS), **rate) for number in numbers]

    assert [missing_hours(hours(*numbers)) for numbers in ((), (5,), (1, 2, 3), (1, 4, 9))] == [0, 0, 0, 6]
