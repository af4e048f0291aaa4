"""Orders at the simulated Bybit through the whole daemon: what is sent, what came of it, what is refused before."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected

PERPETUAL = {"category": "linear", "symbol": "BTCUSDT"}
RESTING = {**PERPETUAL, "side": "buy", "qty": "0.01", "price": "58000"}
"""Below the market, and inside the band."""


@pytest.fixture
async def bot(start_daemon: StartDaemon) -> AsyncIterator[Client]:
    daemon = start_daemon()
    async with connected(daemon) as client:
        yield client


async def refused(bot: Client, method: str, params: dict[str, Any]) -> list[str]:
    with pytest.raises(Refused) as caught:
        await bot.call(method, params)
    return caught.value.fields


async def denied(bot: Client, method: str, params: dict[str, Any]) -> list[tuple[str, str | None]]:
    outcome = await bot.call(method, params)
    assert outcome["outcome"] == "denied", outcome
    return [(reason["field"], reason["nearest"]) for reason in outcome["reasons"]]


async def test_a_limit_order_is_followed_until_it_rests(bot: Client) -> None:
    placed = await bot.call("bybit.place_order", {**RESTING, "intent": "one"})
    assert (placed["outcome"], placed["order"]["order_status"]) == ("confirmed", "New")
    assert placed["order"]["order_link_id"] == placed["client_order_id"]
    assert placed["order"]["order_id"] == placed["order_id"]
    again = await bot.call("bybit.place_order", {**RESTING, "intent": "one"})
    assert again == {**placed, "repeated": True}


async def test_an_order_is_amended_in_place(bot: Client) -> None:
    placed = await bot.call("bybit.place_order", RESTING)
    change = {**PERPETUAL, "order_id": placed["order_id"], "price": "58100", "qty": "0.02"}
    amended = await bot.call("bybit.amend_order", change)
    assert (amended["outcome"], amended["order"]["price"], amended["order"]["qty"]) == ("confirmed", "58100", "0.02")
