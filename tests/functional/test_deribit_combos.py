"""Combos of Deribit as read through the real daemon on the simulator."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from cerberod.errors import Code
from tests.support.client import Client, Refused, connected
from tests.support.daemon import Daemon


@pytest.fixture
async def bot(shared_daemon: Daemon) -> AsyncIterator[Client]:
    async with connected(shared_daemon) as client:
        yield client


async def combo_of(bot: Client, code: str) -> dict[str, Any]:
    found = await bot.call("deribit.get_combos", {"currency": "BTC", "state": "active"})
    return next(each for each in found["combos"] if each["combo_id"].split("-")[1] == code)


def as_bought(combo: dict[str, Any], size: str = "0.1") -> list[dict[str, Any]]:
    """Return the legs of buying a combo."""
    return [
        {
            "instrument_name": leg["instrument_name"],
            "side": "buy" if Decimal(leg["amount"]) > 0 else "sell",
            "amount": str(abs(Decimal(leg["amount"])) * Decimal(size)),
        }
        for leg in combo["legs"]
    ]


async def test_a_combo_is_listed_with_what_buying_it_does(bot: Client) -> None:
    combo = await combo_of(bot, "CS")
    details = await bot.call("deribit.get_combo_details", {"combo_id": combo["combo_id"]})
    assert details["combo"] == combo
    low, high = combo["legs"]
    assert (low["amount"], high["amount"]) == ("1", "-1")
    assert low["instrument_name"].endswith("-C")
    book = await bot.call("deribit.get_orderbook", {"instrument_name": combo["combo_id"]})
    marks = {
        leg["instrument_name"]: (await bot.call("deribit.get_ticker", {"instrument_name": leg["instrument_name"]}))
        for leg in combo["legs"]
    }
    package = sum(float(leg["amount"]) * marks[leg["instrument_name"]]["mark_price"] for leg in combo["legs"])
    assert book["mark_price"] == pytest.approx(package, abs=2e-3)


async def test_all_combos_are_those_of_each_currency(bot: Client) -> None:
    async def ids(currency: str, **more: Any) -> set[str]:
        told = await bot.call("deribit.get_combos", {"currency": currency, **more})
        assert told["count"] == len(told["combos"])
        return {each["combo_id"] for each in told["combos"]}

    everything = await ids("any")
    assert await ids("BTC") | await ids("ETH") | await ids("USDC") == everything
    assert await ids("any", state="active") | await ids("any", state="inactive") == everything


@pytest.mark.parametrize("side", [1, -1])
async def test_leg_prices_add_up_to_the_package(bot: Client, side: int) -> None:
    legs = as_bought(await combo_of(bot, "CS"))
    if side < 0:
        legs = [{**leg, "side": {"buy": "sell", "sell": "buy"}[leg["side"]]} for leg in legs]
    price = Decimal("0.0125") * side
    told = await bot.call("deribit.get_leg_prices", {"legs": legs, "price": str(price)})
    assert Decimal(told["price"]) == price
    assert {(leg["instrument_name"], leg["side"]) for leg in told["legs"]} == {
        (leg["instrument_name"], leg["side"]) for leg in legs
    }
    assert [Decimal(leg["ratio"]) for leg in told["legs"]] == [1, 1]
    assert Decimal(told["amount"]) == Decimal("0.1")


async def test_an_unknown_combo_is_the_venues_refusal(bot: Client) -> None:
    with pytest.raises(Refused) as refused:
        await bot.call("deribit.get_combo_details", {"combo_id": "BTC-CS-1JAN20-1_2"})
    assert refused.value.code is Code.VENUE_REFUSED


PERPETUAL = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10"}
BAD: list[tuple[str, dict[str, Any]]] = [
    ("get_leg_prices", {"legs": [], "price": "0"}),
    ("get_leg_prices", {"legs": [PERPETUAL], "price": "0"}),
    ("get_leg_prices", {"legs": [PERPETUAL, PERPETUAL], "price": "0"}),
    ("get_leg_prices", {"legs": [PERPETUAL, {**PERPETUAL, "instrument_name": "X", "amount": "-1"}], "price": "0"}),
    ("get_leg_prices", {"legs": [PERPETUAL, {**PERPETUAL, "instrument_name": "X"}], "price": 0}),
    ("get_leg_prices", {"legs": [PERPETUAL, {**PERPETUAL, "instrument_name": "ETH-PERPETUAL"}], "price": "0"}),
    ("get_leg_prices", {"legs": [PERPETUAL, {**PERPETUAL, "instrument_name": "BTC_USDC-PERPETUAL"}], "price": "0"}),
    ("get_combo_details", {"combo_id": "BTC CS"}),
    ("get_combos", {"currency": "BTC", "state": "asleep"}),
]


@pytest.mark.parametrize(("method", "params"), BAD)
async def test_bad_params_are_refused(bot: Client, method: str, params: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        await bot.call(f"deribit.{method}", params, bad=True)
    assert refused.value.code is Code.INVALID_PARAMS
