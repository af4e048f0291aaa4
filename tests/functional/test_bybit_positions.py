"""Positions at the simulated Bybit through the whole daemon: closing them, and their settings."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.functional.conftest import StartDaemon
from tests.functional.test_bybit_batches import known
from tests.functional.test_bybit_orders import denied, refused
from tests.support.client import Client, connected
from tests.support.simulator import SimulatorProcess

PERPETUAL = {"category": "linear", "symbol": "ETHUSDT"}
LONG = {**PERPETUAL, "side": "buy", "qty": "0.5", "type": "market"}


@pytest.fixture
async def bot(start_daemon: StartDaemon) -> AsyncIterator[Client]:
    daemon = start_daemon("serve", "--sim", module="tests.support.giving_up")  # which follows an order for long
    async with connected(daemon) as client:
        yield client


async def open_long(bot: Client, **params: Any) -> None:
    placed = await bot.call("bybit.place_order", {**LONG, **params})
    assert (placed["outcome"], placed["order"]["order_status"]) == ("confirmed", "Filled"), placed


async def test_a_position_is_closed_by_an_order_of_our_own(bot: Client) -> None:
    assert await denied(bot, "bybit.close_position", PERPETUAL) == [("symbol", None)]
    await open_long(bot)
    assert await denied(bot, "bybit.close_position", {**PERPETUAL, "qty": "0.6"}) == [("qty", "0.5")]
    assert await denied(bot, "bybit.close_position", {**PERPETUAL, "qty": "9999999.0001"}) == [("qty", "0.5")]
    part = await bot.call("bybit.close_position", {**PERPETUAL, "qty": "0.2"})
    assert (part["outcome"], part["order"]["reduce_only"], part["order"]["cum_exec_qty"]) == ("confirmed", True, "0.2")
    rest = await bot.call("bybit.close_position", PERPETUAL)
    assert (rest["order"]["side"], rest["order"]["cum_exec_qty"]) == ("sell", "0.3")
    assert rest["order"]["order_link_id"] == rest["client_order_id"]


async def test_leverage_that_stands_already_is_success(bot: Client) -> None:
    leverage = {**PERPETUAL, "buy_leverage": "7"}
    first = await bot.call("bybit.set_leverage", leverage)
    assert (first["outcome"], first["changed"]) == ("confirmed", True)
    second = await bot.call("bybit.set_leverage", leverage)
    assert (second["outcome"], second["changed"]) == ("confirmed", False)
    assert await denied(bot, "bybit.set_leverage", {**PERPETUAL, "buy_leverage": "1000"}) == [("buy_leverage", "100")]
    assert await denied(bot, "bybit.set_leverage", {**PERPETUAL, "buy_leverage": "7.001"}) == [("buy_leverage", "7")]
    unequal = {**PERPETUAL, "buy_leverage": "5", "sell_leverage": "6"}
    assert await denied(bot, "bybit.set_leverage", unequal) == [("sell_leverage", "5")]


async def test_a_setting_that_was_lost_and_overtaken_is_final(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    path, environment = "/v5/position/set-leverage", "bybit_testnet"
    async with connected(daemon) as bot:
        simulator.fault("cut_before", environment=environment, method=path, times=1)
        lost = await bot.call("bybit.set_leverage", {**PERPETUAL, "buy_leverage": "7", "intent": "lost"})
        assert lost["outcome"] == "unknown"
        assert (await bot.call("bybit.set_leverage", {**PERPETUAL, "buy_leverage": "9"}))["outcome"] == "confirmed"
        simulator.advance(120)  # until it can no longer be taken
        told = await known(bot, "lost")
    assert (told["outcome"], told["result"]["stands"], told["result"]["changed"]) == ("rejected", False, None)
    assert "another change has come since" in told["result"]["reasons"][0]["rule"]
    assert simulator.received(environment)[path] == 2, "nothing is ever sent again"


async def test_hedge_mode_asks_for_a_position_index(bot: Client) -> None:
    hedge = {"symbol": "ETHUSDT", "mode": 3}
    first = await bot.call("bybit.switch_position_mode", hedge)
    assert (first["outcome"], first["changed"]) == ("confirmed", True)
    assert (await bot.call("bybit.switch_position_mode", hedge))["changed"] is False
    unequal = {**PERPETUAL, "buy_leverage": "5", "sell_leverage": "6"}
    assert await denied(bot, "bybit.set_leverage", unequal) == [("sell_leverage", "5")]
    assert await denied(bot, "bybit.place_order", LONG) == [("position_idx", None)]
    await open_long(bot, position_idx=1)
    await open_long(bot, side="sell", position_idx=2)
    assert await denied(bot, "bybit.switch_position_mode", {**hedge, "mode": 0}) == [("symbol", None)]
    assert await denied(bot, "bybit.close_position", PERPETUAL) == [("position_idx", None)]
    for idx in (1, 2):
        closed = await bot.call("bybit.close_position", {**PERPETUAL, "position_idx": idx})
        assert (closed["outcome"], closed["order"]["cum_exec_qty"]) == ("confirmed", "0.5")
    assert (await bot.call("bybit.switch_position_mode", {**hedge, "mode": 0}))["outcome"] == "confirmed"
    await open_long(bot)
    for symbol in ("BTCPERP", "BTCUSDT-25DEC26"):
        assert (await denied(bot, "bybit.switch_position_mode", {"symbol": symbol, "mode": 3}))[0][0] == "symbol"


async def test_stops_of_a_position_are_set_kept_and_removed(bot: Client) -> None:
    stops = {**PERPETUAL, "take_profit": "90000", "stop_loss": "100"}
    assert await denied(bot, "bybit.set_trading_stop", stops) == [("symbol", None)]
    await open_long(bot)
    ((field, nearest),) = await denied(bot, "bybit.set_trading_stop", {**PERPETUAL, "take_profit": "100"})
    assert field == "take_profit"
    assert nearest is not None
    stops["take_profit"] = f"{float(nearest) * 1.01:.0f}"  # the market moves
    first = await bot.call("bybit.set_trading_stop", stops)
    assert (first["outcome"], first["changed"]) == ("confirmed", True)
    again = await bot.call("bybit.set_trading_stop", stops)
    assert (again["outcome"], again["changed"]) == ("confirmed", False)
    gone = await bot.call("bybit.set_trading_stop", {**PERPETUAL, "take_profit": "0", "stop_loss": "0"})
    assert (gone["outcome"], gone["changed"]) == ("confirmed", True)
    part = {**PERPETUAL, "tpsl_mode": "Partial", "stop_loss": "100", "size": "0.2"}
    assert (await bot.call("bybit.set_trading_stop", part))["outcome"] == "confirmed"
    assert await refused(bot, "bybit.set_trading_stop", {**PERPETUAL, "tpsl_mode": "Partial", "stop_loss": "1"})
    assert await refused(bot, "bybit.set_trading_stop", PERPETUAL)


async def test_protection_on_disconnect_is_set(bot: Client) -> None:
    protection = {"time_window": 40, "product": "DERIVATIVES"}
    assert (await bot.call("bybit.set_disconnect_protection", protection))["outcome"] == "confirmed"
    wrong = await refused(bot, "bybit.set_disconnect_protection", {**protection, "time_window": 2})
    assert wrong == ["time_window"]
