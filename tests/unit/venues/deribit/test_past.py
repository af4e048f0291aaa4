"""Orders and fills from the two places Deribit keeps them in: whole, in order, none twice."""

from collections.abc import Callable
from typing import Any

import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.past import (
    PastOrders,
    fetch_orders,
    fetch_own_trades,
    fetch_trades_of_order,
)
from cerberod.venues.deribit.tape import Tape
from cerberod.venues.deribit.wire.past import PastTrade
from tests.support.deribit_venue import ScriptedVenue, client_of, scripted

DAY_MS = 86_400_000
ORDERS = "private/get_order_history_by_currency"
TRADES = "private/get_user_trades_by_currency"
BTC = {"currency": "BTC"}
Answer = Callable[[dict[str, Any]], Any]


def order(number: int) -> dict[str, Any]:
    """An order that ended so many seconds after the first."""
    return {
        "order_id": str(number),
        "instrument_name": "BTC-PERPETUAL",
        "order_state": "cancelled",
        "direction": "buy",
        "order_type": "limit",
        "time_in_force": "good_til_cancelled",
        "price": 20000.5,
        "amount": 10.0,
        "creation_timestamp": 1_787_000_000_000,
        "last_update_timestamp": 1_787_000_000_000 + number * 1000,
    }


def places(recent: range, indexed: range) -> Answer:
    """Closed orders by number, the recent ones and those in the index; both are answered newest first."""

    def answer(params: dict[str, Any]) -> list[dict[str, Any]]:
        numbers = sorted(indexed if params["historical"] else recent, reverse=True)
        return [order(number) for number in numbers[params["offset"] : params["offset"] + params["count"]]]

    return answer


async def orders_of(answer: Answer, count: int) -> PastOrders:
    async with scripted(**{ORDERS.replace("/", "__"): answer}) as venue, client_of(venue) as deribit:
        found = await fetch_orders(deribit, ORDERS, {**BTC, "include_unfilled": True}, count)
        assert len(venue.asked(ORDERS)) == found.pages
        assert all(asked["include_unfilled"] for asked in venue.asked(ORDERS))
        return found


def numbers(found: PastOrders) -> list[int]:
    return [int(each.order_id) for each in found.orders]


@pytest.mark.parametrize("indexed", [range(100), range(115), range(90)])
async def test_orders_of_both_places_are_joined(indexed: range) -> None:
    found = await orders_of(places(range(100, 120), indexed), 5000)
    assert numbers(found) == sorted({*range(100, 120), *indexed}, reverse=True)
    assert not found.has_more


async def test_more_than_a_page_of_orders_is_read() -> None:
    found = await orders_of(places(range(2400, 3600), range(2400)), 5000)
    assert numbers(found) == list(range(3599, -1, -1))


@pytest.mark.parametrize("count", [1, 19, 20, 21, 1000])
async def test_the_newest_orders_are_kept(count: int) -> None:
    found = await orders_of(places(range(2000, 2020), range(2010)), count)
    assert numbers(found) == list(range(2019, 2019 - count, -1))
    assert found.has_more


async def test_no_orders_are_an_empty_list() -> None:
    found = await orders_of(places(range(0), range(0)), 10)
    assert (found.orders, found.has_more, found.pages) == ([], False, 2)


async def test_a_venue_that_ignores_the_offset_is_not_asked_forever() -> None:
    same = [order(number) for number in range(1000)]
    with pytest.RaisesGroup(BadVenueData):
        await orders_of(lambda _params: same, 5000)


def fill(number: int, at: int) -> dict[str, Any]:
    return {
        "trade_id": str(number),
        "order_id": "1",
        "instrument_name": "BTC-PERPETUAL",
        "direction": "buy",
        "price": 20000.5,
        "amount": 10.0,
        "fee": 0.0,
        "fee_currency": "BTC",
        "timestamp": at,
    }


class Fills:
    """Ten days with a fill each half hour; the index lacks those of the last two hours."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.all = [fill(number, now - 10 * DAY_MS + number * 1_800_000) for number in range(480)]

    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        low, high = params.get("start_timestamp", 0), params.get("end_timestamp", 2**52)
        if params["historical"]:
            high = min(high, self.now - 7_200_000)
        else:
            low = max(low, self.now - DAY_MS)
        chosen = [each for each in self.all if low <= each["timestamp"] <= high]
        if params["sorting"] == "desc":
            chosen.reverse()
        return {"trades": chosen[: params["count"]], "has_more": len(chosen) > params["count"]}


async def fills_of(start: int | None, end: int | None, limit: int) -> tuple[Tape[PastTrade], ScriptedVenue, Fills]:
    async with scripted() as venue, client_of(venue) as deribit:
        fills = Fills(deribit.venue_ms())
        venue.scripts |= {TRADES: fills.answer, f"{TRADES}_and_time": fills.answer}
        start, end = (None if days is None else fills.now - days * DAY_MS for days in (start, end))
        return await fetch_own_trades(deribit, "currency", BTC, start, end, limit), venue, fills


def ids(found: Tape[PastTrade]) -> list[int]:
    return [int(trade.trade_id) for trade in found.trades]


async def test_a_window_over_both_places_is_whole() -> None:
    found, venue, _ = await fills_of(5, None, 5000)
    assert ids(found) == list(range(240, 480))
    assert [asked["historical"] for asked in venue.asked(f"{TRADES}_and_time")] == [False, True]
    assert (found.has_more, found.next_start()) == (False, None)


@pytest.mark.parametrize(("start", "end", "asked"), [(9, 5, [True]), (0, None, [False])])
async def test_only_the_place_that_can_have_them_is_asked(start: int, end: int | None, asked: list[bool]) -> None:
    found, venue, _ = await fills_of(start, end, 5000)
    assert [params["historical"] for params in venue.asked(f"{TRADES}_and_time")] == asked
    assert ids(found) == (list(range(48, 241)) if end else [])


async def test_a_cut_window_tells_where_it_goes_on() -> None:
    found, _, fills = await fills_of(10, None, 100)
    assert (ids(found), found.has_more) == (list(range(100)), True)
    following = found.next_start()
    assert following is not None
    assert following.timestamp() * 1000 == pytest.approx(fills.all[99]["timestamp"] + 1)


@pytest.mark.parametrize("limit", [1, 47, 48, 49, 100, 480])
async def test_the_latest_fills_come_from_both_places(limit: int) -> None:
    found, venue, _ = await fills_of(None, None, limit)
    assert ids(found) == list(range(480 - limit, 480))
    assert found.has_more is (limit < 480)
    assert [asked["historical"] for asked in venue.asked(TRADES)] == ([False] if limit < 48 else [False, True])


@pytest.mark.parametrize(("limit", "told"), [(2, [1, 2]), (3, [1, 2, 3]), (9, [1, 2, 3])])
async def test_fills_of_one_order(limit: int, told: list[int]) -> None:
    def answer(params: dict[str, Any]) -> list[dict[str, Any]]:
        return [fill(1, 1000), fill(2, 2000)] if params["historical"] else [fill(3, 3000), fill(2, 2000)]

    async with scripted(private__get_user_trades_by_order=answer) as venue, client_of(venue) as deribit:
        found = await fetch_trades_of_order(deribit, "1", limit)
    assert (ids(found), found.has_more) == (told, limit < 3)
