"""Trades over page limits, forward from a start and backward from the end: whole, ordered, none twice."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.venues.deribit.tape import PAGE, Source, Tape, fetch_trades
from cerberod.venues.deribit.wire.tape import PublicTrade, public_trade
from tests.support.deribit_venue import client_of, scripted

START = 1_787_356_800_000
LATEST, BETWEEN = "public/get_last_trades_by_instrument", "public/get_last_trades_by_instrument_and_time"
SOURCE = Source(LATEST, BETWEEN, {"instrument_name": "BTC-PERPETUAL"}, public_trade)
Answer = Callable[[dict[str, Any]], dict[str, Any]]


def trade(number: int, at: int) -> dict[str, Any]:
    return {
        "trade_id": str(number),
        "trade_seq": number,
        "timestamp": at,
        "instrument_name": "BTC-PERPETUAL",
        "direction": "buy",
        "price": 77315.5,
        "amount": 10.0,
    }


def market(times: list[int], *, cap: int = PAGE) -> Answer:
    """Trades at these times, numbered from 1, answered as facts 6 says."""
    told = [trade(number, at) for number, at in enumerate(times, 1)]

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        low, high = params.get("start_timestamp", 0), params.get("end_timestamp", 2**52)
        chosen = [each for each in told if low <= each["timestamp"] <= high]
        if params["sorting"] == "desc":
            chosen.reverse()
        count = min(params["count"], cap)
        return {"trades": chosen[:count], "has_more": len(chosen) > count}

    return answer


async def fetched(answer: Answer, start: int | None, end: int | None, limit: int) -> Tape[PublicTrade]:
    async with (
        scripted(**{LATEST.replace("/", "__"): answer, BETWEEN.replace("/", "__"): answer}) as venue,
        client_of(venue, credentials=None) as deribit,
    ):
        found = await fetch_trades(deribit, SOURCE, start, end, limit)
        other = LATEST if start is not None else BETWEEN
        assert len(venue.asked(BETWEEN if start is not None else LATEST)) == found.pages
        assert not venue.asked(other)
        times = [each.traded_at for each in found.trades]
        assert times == sorted(times)
        return found


def numbers(found: Tape[PublicTrade]) -> list[int]:
    return [int(each.trade_id) for each in found.trades]


EVERY_THIRD = [START + number // 3 for number in range(3_000)]
"""Three trades in each millisecond, so that pages part some of them."""


@pytest.mark.parametrize("cap", [1000, 999, 700, 4])
async def test_a_window_is_whole_however_its_pages_part_it(cap: int) -> None:
    size = min(900, cap * 30)
    found = await fetched(market(EVERY_THIRD[:size], cap=cap), START, START + 10**6, 5000)
    assert numbers(found) == list(range(1, size + 1))
    assert (found.has_more, found.next_start()) == (False, None)


@pytest.mark.parametrize("cap", [1000, 999, 700])
async def test_the_latest_are_whole_however_their_pages_part_them(cap: int) -> None:
    found = await fetched(market(EVERY_THIRD, cap=cap), None, None, 2500)
    assert numbers(found) == list(range(501, 3001))
    assert found.has_more


async def test_the_latest_before_an_end() -> None:
    found = await fetched(market(EVERY_THIRD), None, START + 9, 7)
    assert numbers(found) == list(range(24, 31))


@pytest.mark.parametrize("limit", [1, 2, 3, 500, 1000, 1001, 2999])
async def test_going_on_from_a_cut_repeats_nothing_and_loses_nothing(limit: int) -> None:
    told: list[int] = []
    start: int | None = START + 900
    answer = market(EVERY_THIRD)
    while start is not None:
        found = await fetched(answer, start, START + 920, limit)
        told += numbers(found)
        following = found.next_start()
        assert found.has_more is (following is not None)
        start = None if following is None else round((following - from_ms(0)) / timedelta(milliseconds=1))
    assert told == [number for number, at in enumerate(EVERY_THIRD, 1) if START + 900 <= at <= START + 920]


async def test_a_window_that_holds_exactly_what_was_asked_for_has_no_more() -> None:
    found = await fetched(market(EVERY_THIRD[:30]), START, START + 100, 30)
    assert (len(found.trades), found.has_more) == (30, False)


async def test_nothing_is_an_empty_tape() -> None:
    for start in (START, None):
        found = await fetched(market([]), start, None, 10)
        assert (found.trades, found.has_more, found.next_start()) == ([], False, None)


async def test_a_window_that_begins_in_the_future_is_empty() -> None:
    future = 4_102_444_800_000
    found = await fetched(market(EVERY_THIRD), future, None, 10)
    assert (found.trades, found.has_more) == ([], False)


async def test_more_trades_in_one_millisecond_than_a_page_holds_are_refused() -> None:
    with pytest.RaisesGroup(BadVenueData):
        await fetched(market([START] * (PAGE + 1)), START, START + 1, 5000)


async def test_a_venue_that_repeats_one_page_forever_is_not_asked_forever() -> None:
    page = {"trades": [trade(1, START)], "has_more": True}
    with pytest.RaisesGroup(BadVenueData):
        await fetched(lambda _params: page, START, START + 10, 100)


async def test_ids_that_grow_by_a_digit_keep_their_order() -> None:
    page = {"trades": [trade(100, START), trade(99, START), trade(101, START)], "has_more": False}
    found = await fetched(lambda _params: page, START, START + 10, 100)
    assert all(low < high for low, high in pairwise(numbers(found)))


@pytest.mark.parametrize("broken", [{"price": None}, {"direction": "up"}, {"trade_id": None}, {"timestamp": 1.5}])
async def test_a_trade_that_breaks_its_contract_spoils_the_page(broken: dict[str, Any]) -> None:
    page = {"trades": [trade(1, START) | broken], "has_more": False}
    with pytest.RaisesGroup(BadVenueData):
        await fetched(lambda _params: page, START, START + 10, 100)
