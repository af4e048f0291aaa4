"""The band of prices and the position mode: remembered, and asked anew before an order is denied for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal as D
from typing import Any

import pytest

from cerberod.venues.bybit import bounds as bounds_module
from cerberod.venues.bybit.bounds import Bounds
from cerberod.venues.bybit.wire.words import Category
from tests.support.bybit_venue import SILENCE, TICKERS, Asked, Refusal, ScriptedBybit, client_of, scripted

BANDS, POSITIONS = "/v5/market/price-limit", "/v5/position/list"
NAME = (Category.LINEAR, "BTCUSDT")


@asynccontextmanager
async def asking(
    band: Any = None, positions: Any = None, tickers: Any = None
) -> AsyncIterator[tuple[ScriptedBybit, Bounds]]:
    scripts = {BANDS: band, POSITIONS: positions, TICKERS: tickers}
    async with scripted(scripts) as venue, client_of(venue) as bybit:
        yield venue, bybit.bounds


def band(lowest: str, highest: str) -> dict[str, str]:
    return {"symbol": "BTCUSDT", "buyLmt": highest, "sellLmt": lowest, "ts": "1"}


async def test_a_price_within_the_band_costs_one_look() -> None:
    async with asking(band("90", "110")) as (venue, bounds):
        for price in ("100", "110", "1"):
            assert await bounds.band_against(NAME, "buy", D(price)) is None
        assert len(venue.asked(BANDS)) == 1


async def test_before_a_price_is_denied_the_band_is_asked_anew() -> None:
    answers = iter([band("90", "110"), band("95", "120"), band("95", "120")])
    async with asking(lambda asked: next(answers)) as (venue, bounds):
        assert await bounds.band_against(NAME, "buy", D(115)) is None
        against = await bounds.band_against(NAME, "buy", D(121))
        assert against is not None
        assert (against.lowest_sell, against.highest_buy) == (D(95), D(120))
        assert len(venue.asked(BANDS)) == 3


async def test_where_the_venue_tells_no_band_there_is_nothing_against_a_price() -> None:
    async with asking(Refusal(10001)) as (venue, bounds):
        assert await bounds.band_against(NAME, "sell", D(1)) is None
        assert await bounds.band_against((Category.OPTION, "BTC-26DEC25-100000-C"), "buy", D(1)) is None
        assert len(venue.asked(BANDS)) == 1


async def test_the_mode_shows_in_the_rows_of_a_flat_position() -> None:
    rows = {"hedged": False}

    def positions(asked: Asked) -> dict[str, Any]:
        found = [{"positionIdx": idx} for idx in ((1, 2) if rows["hedged"] else (0,))]
        return {"category": "linear", "list": found}

    async with asking(positions=positions) as (venue, bounds):
        assert await bounds.mode_against(NAME, 0) is None
        assert await bounds.mode_against(NAME, 0) is None
        assert len(venue.asked(POSITIONS)) == 1
        rows["hedged"] = True
        assert await bounds.mode_against(NAME, 1) is None, "asked anew before it is denied"
        against = await bounds.mode_against(NAME, 0)
        assert against is not None
        assert against.hedged
        rows["hedged"] = False
        bounds.forget(NAME)
        assert await bounds.mode_against(NAME, 0) is None


ROW = {"symbol": "BTCUSDT", "lastPrice": "100", "indexPrice": "101", "markPrice": ""}


async def test_the_prices_that_fire_triggers_are_looked_up_each_time() -> None:
    async with asking(tickers={"category": "linear", "list": [{**ROW, "symbol": "ETHUSDT"}, ROW]}) as (venue, bounds):
        for _ in range(2):
            assert await bounds.prices_now(NAME) == {"LastPrice": D(100), "IndexPrice": D(101)}
        assert len(venue.asked(TICKERS)) == 2


@pytest.mark.parametrize("answer", [Refusal(10001), {"list": []}, {"list": [{**ROW, "lastPrice": "much"}]}, SILENCE])
async def test_prices_that_are_not_told_hold_no_order_up(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds_module, "_PRICES_AWAITED_S", 0.3)
    async with asking(tickers=answer) as (_, bounds):
        assert await bounds.prices_now(NAME) == {}
