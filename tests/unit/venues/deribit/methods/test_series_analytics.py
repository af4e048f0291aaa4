"""Analytics of bars and of DVOL where the venue tells less than was asked: what is missing, forming, or not there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from cerberod.calculation.service import Calculation
from cerberod.calculation.worker import Worker
from cerberod.errors import BadVenueData, InvalidParams
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.venues.deribit.methods.levels import GetDvol, GetIvRank, get_dvol, get_iv_rank
from cerberod.venues.deribit.methods.realized import GetRealizedVol, get_realized_vol
from cerberod.venues.deribit.methods.studies import (
    GetImbalance,
    GetIndicators,
    get_indicators,
    get_orderbook_imbalance,
)
from cerberod.venues.indicators import Indicator
from tests.support.deribit_venue import ScriptedVenue, client_of, scripted

PRINCIPAL = Principal(Environment.TESTNET, "testnet", "bot", frozenset({"read"}), "s-1", "websocket")
DAY_MS = 86_400_000
TODAY_MS = 1_787_356_800_000
"""2026-08-22; the venue's clock, which decides what has closed, stands at noon of it."""


@asynccontextmanager
async def calling(**scripts: Any) -> AsyncIterator[tuple[Call, ScriptedVenue]]:
    """Yield a call with a client of a scripted venue and with what calculates."""
    async with scripted(**scripts) as venue:
        noon_us = (TODAY_MS + DAY_MS // 2) * 1000
        venue.stamp = (noon_us, noon_us + 80)
        async with _client(venue) as call:
            yield call, venue


@asynccontextmanager
async def _client(venue: ScriptedVenue) -> AsyncIterator[Call]:
    async with client_of(venue) as deribit:
        worker = Worker()
        try:
            services = Services(Environment.TESTNET, [deribit, Calculation(worker, numbers_per_call=50_000)])
            yield Call("r-1", "deribit.test", PRINCIPAL, services)
        finally:
            await worker.aclose()


def candles(days: list[int], closes: list[float]) -> dict[str, Any]:
    """Return daily bars; `days` counts back from today, which is still forming."""
    return {
        "status": "ok",
        "ticks": [TODAY_MS - day * DAY_MS for day in days],
        "open": closes,
        "high": [close * 1.01 for close in closes],
        "low": [close * 0.99 for close in closes],
        "close": closes,
        "volume": [1.0] * len(closes),
        "cost": [1.0] * len(closes),
    }


def dvol(days: list[int], closes: list[float]) -> dict[str, Any]:
    rows = [[TODAY_MS - day * DAY_MS, c, c + 1, c - 1, c] for day, c in zip(days, closes, strict=True)]
    return {"data": rows, "continuation": None}


async def test_bars_that_are_missing_or_forming_are_told() -> None:
    told = candles([7, 6, 4, 3, 2, 1, 0], [100.0, 101.0, 103.0, 102.0, 104.0, 103.0, 500.0])
    async with calling(public__get_tradingview_chart_data=told) as (call, _):
        found = await get_realized_vol(call, GetRealizedVol(currency="BTC", window_days=6, against=[]))
    assert (found.bars_used, found.bars_missing, found.observations) == (6, 1, 5)
    assert found.last_bar == datetime.fromtimestamp((TODAY_MS - DAY_MS) / 1000, UTC)
    assert found.realized_pct < 50  # the bar that is forming has jumped, and does not count


async def test_too_few_bars_are_refused() -> None:
    async with calling(public__get_tradingview_chart_data={"status": "no_data"}) as (call, _):
        with pytest.raises(InvalidParams) as refused:
            await get_realized_vol(call, GetRealizedVol(currency="BTC", against=[]))
    assert refused.value.data["problems"][0]["field"] == "currency"


async def test_a_price_that_stands_still_is_the_venues_matter() -> None:
    told = candles([5, 4, 3, 2, 1], [100.0] * 5)
    async with calling(public__get_tradingview_chart_data=told) as (call, _):
        with pytest.raises(BadVenueData) as refused:
            await get_realized_vol(call, GetRealizedVol(currency="BTC", window_days=4, against=[]))
    assert refused.value.data["field"] == "close"


async def test_an_index_without_candles_has_no_value_and_says_so() -> None:
    async with calling(public__get_volatility_index_data={"data": [], "continuation": None}) as (call, _):
        now = await get_dvol(call, GetDvol(currency="ETH"))
        rank = await get_iv_rank(call, GetIvRank(currency="ETH"))
    assert (now.dvol_pct, now.reason) == (None, "no_data")
    assert (rank.rank_pct, rank.percentile_pct, rank.reason, rank.days_used) == (None, None, "no_data", 0)


async def test_the_day_that_has_not_ended_is_the_present_and_no_close() -> None:
    told = dvol([4, 3, 2, 1, 0], [40.0, 60.0, 50.0, 45.0, 48.0])
    async with calling(public__get_volatility_index_data=told) as (call, venue):
        rank = await get_iv_rank(call, GetIvRank(currency="BTC", lookback_days=10))
    assert (rank.dvol_pct, rank.days_used, rank.lowest_pct, rank.highest_pct) == (48.0, 4, 40.0, 60.0)
    assert (rank.rank_pct, rank.percentile_pct) == (40.0, 50.0)
    [asked] = venue.asked("public/get_volatility_index_data")
    assert asked["resolution"] == "1D"


@pytest.mark.parametrize(("newest", "now", "reason"), [(1, 48.0, None), (2, None, "no_data"), (90, None, "no_data")])
async def test_an_index_of_other_days_is_not_the_present(newest: int, now: float | None, reason: str | None) -> None:
    told = dvol([newest + 2, newest + 1, newest], [40.0, 60.0, 48.0])
    async with calling(public__get_volatility_index_data=told) as (call, _):
        rank = await get_iv_rank(call, GetIvRank(currency="BTC", lookback_days=100))
    assert (rank.dvol_pct, rank.reason, rank.days_used) == (now, reason, 3)
    assert (rank.rank_pct is None) is (now is None)


def book(bids: list[list[float]], asks: list[list[float]]) -> dict[str, Any]:
    empty = {"high": None, "low": None, "price_change": None, "volume": 0.0, "volume_usd": 0.0}
    return {
        "instrument_name": "BTC-PERPETUAL",
        "timestamp": TODAY_MS,
        "state": "open",
        "stats": empty,
        "mark_price": 100.0,
        "best_bid_price": 0.0,
        "best_bid_amount": 0.0,
        "best_ask_price": 0.0,
        "best_ask_amount": 0.0,
        "change_id": 1,
        "bids": bids,
        "asks": asks,
    }


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([], [[101.0, 1.0]]),
        ([[99.0, 1.0]], []),
        ([], []),
        ([[101.0, 1.0]], [[101.0, 2.0]]),
        ([[102.0, 1.0]], [[101.0, 2.0]]),
    ],
)
async def test_a_book_that_is_empty_or_crossed_has_no_imbalance(
    bids: list[list[float]], asks: list[list[float]]
) -> None:
    async with calling(public__get_order_book=book(bids, asks)) as (call, _):
        with pytest.raises(InvalidParams) as refused:
            await get_orderbook_imbalance(call, GetImbalance(instrument_name="BTC-PERPETUAL"))
    assert refused.value.data["problems"][0]["field"] == "instrument_name"


async def test_sizes_of_inverse_futures_are_usd() -> None:
    async with calling(public__get_order_book=book([[99.0, 300.0]], [[101.0, 100.0]])) as (call, _):
        perpetual = await get_orderbook_imbalance(call, GetImbalance(instrument_name="BTC-PERPETUAL", size=50.0))
        option = await get_orderbook_imbalance(call, GetImbalance(instrument_name="BTC-25SEP26-80000-C"))
    assert (perpetual.size_unit, option.size_unit) == ("usd", "coin")
    assert perpetual.by_level.imbalances == [0.5]


async def test_indicators_of_a_young_instrument_say_why_they_are_not_there() -> None:
    told = candles([5, 4, 3, 2, 1, 0], [100.0, 101.0, 103.0, 102.0, 104.0, 103.0])
    asked = GetIndicators(
        instrument_name="BTC-PERPETUAL", resolution="1D", indicators=[Indicator(name="sma", period=3)], bars=4
    )
    async with calling(public__get_tradingview_chart_data=told) as (call, _):
        found = await get_indicators(call, asked)
    [line] = found.indicators[0].lines
    assert (found.count, found.bars_before, found.close) == (4, 1, [101.0, 103.0, 102.0, 104.0])
    assert line.values == [None, pytest.approx(304 / 3), 102.0, 103.0]
    assert [(gap.first, gap.last, gap.reason) for gap in line.gaps] == [(0, 0, "warm_up")]
