"""Bars and funding over pages: whole or an error, whatever a page leaves out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.bybit.history import DAY_MS, MOST, bar_end, count_bars, fetch_bars, fetch_funding
from cerberod.venues.bybit.wire.market import PriceKind
from cerberod.venues.bybit.wire.words import Category
from tests.support.bybit_venue import Asked, client_of, scripted
from tests.support.clock import ManualClock

KLINE, FUNDING = "/v5/market/kline", "/v5/market/funding/history"
MINUTE, HOUR = 60_000, 3_600_000
START = 1_700_000_400_000
assert START % MINUTE == 0


def bar(began: int) -> list[str]:
    return [str(began), "10", "12", "9", "11", "3.5", "36"]


def kline(asked: Asked, *, first: int = 0, most: int = 1_000) -> dict[str, Any]:
    """Answer as Bybit does: newest first, what does not fit cut off at the old side."""
    start, end = int(asked.params["start"]), int(asked.params["end"])
    began = range(max(first, -(-start // MINUTE) * MINUTE), end + 1, MINUTE)
    return {"category": "linear", "list": [bar(at) for at in reversed(began)][: min(most, int(asked.params["limit"]))]}


async def read(script: Any, minutes: int, **options: Any) -> tuple[list[int], int, list[Asked]]:
    async with scripted({KLINE: script}) as venue, client_of(venue) as bybit:
        end = START + (minutes - 1) * MINUTE
        found = await fetch_bars(bybit, PriceKind.LAST, Category.LINEAR, "BTCUSDT", START, end, "1")
        return list(found.found), found.pages, venue.asked(KLINE)


@pytest.mark.parametrize(("minutes", "pages"), [(1, 1), (1_000, 1), (1_001, 2), (2_500, 3)])
async def test_pages_join_without_gap_or_repeat(minutes: int, pages: int) -> None:
    found, cost, asked = await read(kline, minutes)
    assert found == [START + n * MINUTE for n in range(minutes)]
    assert cost == len(asked) == pages
    assert all(int(each.params["end"]) - int(each.params["start"]) < 1_000 * MINUTE for each in asked)


async def test_a_page_that_was_cut_is_gone_on_from() -> None:
    found, _, _ = await read(lambda asked: kline(asked, most=600), 2_000)
    assert found == [START + n * MINUTE for n in range(2_000)]


async def test_a_market_that_began_within_the_window_ends_the_reading() -> None:
    listed = START + 1_700 * MINUTE
    found, cost, _ = await read(lambda asked: kline(asked, first=listed), 5_000)
    assert found == [listed + n * MINUTE for n in range(3_300)]
    assert cost == 5, "one page more, to see that there is nothing older"


async def test_the_part_of_a_window_that_lies_in_the_future_costs_nothing() -> None:
    now = START + 10 * MINUTE
    clock = ManualClock(datetime.fromtimestamp(now / 1000, UTC))

    def until_now(asked: Asked) -> dict[str, Any]:
        told = kline(asked)
        return {**told, "list": [bar for bar in told["list"] if int(bar[0]) <= now]}

    async with scripted({KLINE: until_now}, clock) as venue, client_of(venue) as bybit:
        await bybit.read("get_server_time")
        for begin, bars in ((START, 11), (now + 30 * DAY_MS, 0)):
            end = begin + 10 * MOST * MINUTE
            found = await fetch_bars(bybit, PriceKind.LAST, Category.LINEAR, "BTCUSDT", begin, end, "1")
            assert len(found.found) == bars
        assert len(venue.asked(KLINE)) <= 4


async def test_a_window_too_large_is_refused_before_anything_is_asked() -> None:
    async with scripted({KLINE: kline}) as venue, client_of(venue) as bybit:
        with pytest.raises(InvalidParams) as caught:
            await fetch_bars(bybit, PriceKind.LAST, Category.LINEAR, "BTCUSDT", START, START + MOST * MINUTE, "1")
        assert "would cost 21 requests" in caught.value.data["problems"][0]["rule"]
        assert not venue.asked(KLINE)


@pytest.mark.parametrize(
    "row",
    [
        [],
        ["1", "2"],
        "x",
        ["x", "10", "12", "9", "11", "1", "1"],
        [str(START), "10", "12", "9", "NaN", "1", "1"],
        [str(START), "10", "9", "12", "11", "1", "1"],
        [str(START), "10", "12", "9", "13", "1", "1"],
        ["-5", "10", "12", "9", "11", "1", "1"],
    ],
    ids=repr,
)
async def test_a_bar_that_is_none_is_refused(row: Any) -> None:
    async with scripted({KLINE: {"list": [row]}}) as venue, client_of(venue) as bybit:
        with pytest.raises(BadVenueData):
            await fetch_bars(bybit, PriceKind.LAST, Category.LINEAR, "BTCUSDT", START, START, "1")


@pytest.mark.parametrize(
    ("interval", "began", "ends"),
    [
        ("1", (2026, 3, 1), 60),
        ("720", (2026, 3, 1), 43_200),
        ("D", (2026, 3, 1), 86_400),
        ("W", (2026, 3, 2), 7 * 86_400),
        ("M", (2026, 2, 1), 28 * 86_400),
        ("M", (2028, 2, 1), 29 * 86_400),
        ("M", (2026, 12, 1), 31 * 86_400),
    ],
)
def test_bars_end_when_the_next_begins(interval: str, began: tuple[int, int, int], ends: int) -> None:
    began_ms = int(datetime(*began, tzinfo=UTC).timestamp() * 1000)
    assert bar_end(interval, began_ms) - began_ms == ends * 1000


def test_bars_that_open_within_a_window_are_counted_with_both_ends() -> None:
    assert count_bars(0, 0, 10) == 1
    assert count_bars(1, 9, 10) == 0
    assert count_bars(1, 20, 10) == 2


def funding(asked: Asked, *, every: int = 8 * HOUR, most: int = 200) -> dict[str, Any]:
    assert "endTime" in asked.params, "startTime alone is refused by Bybit"
    start, end = int(asked.params["startTime"]), int(asked.params["endTime"])
    times = range(-(-start // every) * every, end + 1, every)
    rows = [{"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(at)} for at in reversed(times)]
    return {"category": "linear", "list": rows[:most]}


@pytest.mark.parametrize(("days", "count", "pages"), [(1, 3, 1), (30, 90, 1), (90, 270, 2), (200, 600, 4)])
async def test_funding_goes_back_by_the_time_of_the_oldest(days: int, count: int, pages: int) -> None:
    start = START // (24 * HOUR) * 24 * HOUR + 1
    async with scripted({FUNDING: funding}) as venue, client_of(venue) as bybit:
        end = start + days * 24 * HOUR - 1
        found = await fetch_funding(bybit, Category.LINEAR, "BTCUSDT", start, end, 480)
        assert len(found.payments) == count
        assert (found.pages, found.intervals_min()) == (pages, [480])
        assert [each.at for each in found.payments] == sorted({each.at for each in found.payments})


async def test_an_interval_that_changed_is_seen() -> None:
    rows = [(16, "1"), (8, "1"), (4, "1"), (0, "1")]
    listed = [
        {"symbol": "X", "fundingRate": rate, "fundingRateTimestamp": str(START + hour * HOUR)} for hour, rate in rows
    ]
    async with scripted({FUNDING: {"list": listed}}) as venue, client_of(venue) as bybit:
        found = await fetch_funding(bybit, Category.LINEAR, "X", START, START + 17 * HOUR, 480)
        assert found.intervals_min() == [240, 480]


async def test_funding_too_far_back_is_refused_with_its_cost() -> None:
    async with scripted({FUNDING: funding}) as venue, client_of(venue) as bybit:
        with pytest.raises(InvalidParams) as caught:
            await fetch_funding(bybit, Category.LINEAR, "X", 0, 30_000 * HOUR, 60)
        assert "would cost 151 requests" in caught.value.data["problems"][0]["rule"]
        assert not venue.asked(FUNDING)
