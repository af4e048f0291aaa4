"""Orders in full at the simulated Deribit, through a real daemon: triggers that fire, brackets, what ends a position.

The market is moved by the simulator's control path; what became of an order is read by its label.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import ANSWER_S, Client, connected
from tests.support.daemon import UNHURRIED
from tests.support.losing import lose
from tests.support.simulator import TESTNET, SimulatorProcess

PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}
RESTING = {**PERPETUAL, "side": "buy", "amount": "10", "price": "1000"}


@asynccontextmanager
async def trading(start_daemon: StartDaemon, simulator: SimulatorProcess) -> AsyncIterator[Client]:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    async with connected(daemon) as bot:
        yield bot


async def mark(bot: Client, instrument_name: str = "BTC-PERPETUAL") -> float:
    price: float = (await bot.call("deribit.get_ticker", {"instrument_name": instrument_name}))["mark_price"]
    return price


async def done(bot: Client, method: str, **params: Any) -> dict[str, Any]:
    """Call a write that is expected to be carried out."""
    told = await bot.call(method, params)
    assert told["outcome"] == "confirmed", told
    return told


async def denied(bot: Client, method: str, **params: Any) -> list[tuple[str, str | None]]:
    """Call a write that is expected to be denied; return its reasons."""
    told = await bot.call(method, params)
    assert told["outcome"] == "denied", told
    return [(reason["field"], reason["nearest"]) for reason in told["reasons"]]


async def by_label(
    bot: Client, label: str, until: str | None = None, follows: float | None = None
) -> list[dict[str, Any]]:
    """Return the orders with a label, newest first, once one has a state, or a trigger within a tenth of a price."""
    with anyio.fail_after(ANSWER_S):
        while True:
            found = await bot.call("deribit.get_order", {"label": label, "currency": "BTC"})
            orders: list[dict[str, Any]] = found["orders"]
            states = [order["order_state"] for order in orders]
            if follows is not None and abs(float(orders[0]["trigger_price"]) / follows - 1) < 0.1:
                return orders
            if follows is None and (until is None or until in states):
                return orders
            await anyio.sleep(0.02)


async def size(bot: Client, instrument_name: str) -> Decimal:
    positions = (await bot.call("deribit.get_positions", {"currency": "any"}))["positions"]
    return sum((Decimal(each["size"]) for each in positions if each["instrument_name"] == instrument_name), Decimal(0))


async def resolved(bot: Client, intent: str) -> dict[str, Any]:
    """Return what is known of a write once that is final."""
    with anyio.fail_after(ANSWER_S):
        while True:
            known = await bot.call("orders.get_outcome", {"intent": intent})
            if known["resolved"]:
                return known
            await anyio.sleep(0.05)


def fired(simulator: SimulatorProcess, label: str) -> None:
    """Wait until the venue has filled an order with this label, whoever asks it what."""
    give_up_at = time.monotonic() + ANSWER_S
    while time.monotonic() < give_up_at:
        orders = simulator.orders(TESTNET)
        if any(order["label"] == label and order["order_state"] == "filled" for order in orders):
            return
        time.sleep(0.02)
    raise AssertionError("it never fired")


def tick(price: float) -> str:
    return f"{round(price)}"


async def test_a_stop_that_was_set_on_a_position_ends_it_when_the_market_falls(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        assert await denied(bot, "deribit.set_stop_loss", **PERPETUAL, trigger_price="1000") == [
            ("instrument_name", None)
        ]
        await done(bot, "deribit.place_order", **PERPETUAL, side="buy", amount="200", type="market")
        price = await mark(bot)
        ((field, nearest),) = await denied(bot, "deribit.set_stop_loss", **PERPETUAL, trigger_price=tick(price * 1.01))
        assert field == "trigger_price"
        assert nearest is not None
        assert abs(float(nearest) / price - 1) < 0.005  # the mark moves meanwhile
        stop = await done(bot, "deribit.set_stop_loss", **PERPETUAL, trigger_price=tick(price * 0.95))
        order = stop["order"]
        assert (order["direction"], order["amount"], order["reduce_only"], order["order_state"]) == (
            "sell",
            "200",
            True,
            "untriggered",
        )
        edited = await done(
            bot, "deribit.edit_order", order_id=order["order_id"], trigger_price=tick(price * 0.96), amount="150"
        )
        assert (edited["order"]["trigger_price"], edited["order"]["amount"]) == (tick(price * 0.96), "150")
        simulator.move("BTC", 0.9)
        fired, trigger = await by_label(bot, stop["client_order_id"], "filled")
        assert (trigger["order_state"], fired["trigger_order_id"]) == ("triggered", order["order_id"])
        assert await size(bot, "BTC-PERPETUAL") == 50
        closing = await done(bot, "deribit.close_position", **PERPETUAL)
        assert (closing["order"]["order_state"], closing["order"]["filled_amount"]) == ("filled", "50")
        assert await size(bot, "BTC-PERPETUAL") == 0
        assert await denied(bot, "deribit.close_position", **PERPETUAL) == [("instrument_name", None)]


async def test_a_short_position_takes_its_profit_below(start_daemon: StartDaemon, simulator: SimulatorProcess) -> None:
    async with trading(start_daemon, simulator) as bot:
        await done(bot, "deribit.place_order", **PERPETUAL, side="sell", amount="100", type="market")
        price = await mark(bot)
        taking = {"trigger_price": tick(price * 0.97), "price": tick(price * 0.98)}
        profit = await done(bot, "deribit.set_take_profit", **PERPETUAL, **taking)
        assert (profit["order"]["direction"], profit["order"]["order_type"]) == ("buy", "take_limit")
        simulator.move("BTC", 0.95)
        await by_label(bot, profit["client_order_id"], "filled")
        assert await size(bot, "BTC-PERPETUAL") == 0


@pytest.mark.parametrize(("factor", "fills", "cancelled"), [(1.1, "-tp", "-sl"), (0.9, "-sl", "-tp")])
async def test_of_a_brackets_exits_one_fills_and_the_other_is_cancelled(
    start_daemon: StartDaemon, simulator: SimulatorProcess, factor: float, fills: str, cancelled: str
) -> None:
    async with trading(start_daemon, simulator) as bot:
        price = await mark(bot)
        exits = {
            "stop_loss": {"trigger_price": tick(price * 0.95)},
            "take_profit": {"trigger_price": tick(price * 1.05)},
        }
        entry = {**PERPETUAL, "side": "buy", "amount": "100", "type": "market"}
        placed = await done(bot, "deribit.place_bracket_order", **entry, **exits)
        assert placed["order"]["order_state"] == "filled"
        assert len(placed["order"]["linked_order_ids"]) == 2
        label = placed["client_order_id"]
        assert (placed["stop_loss_label"], placed["take_profit_label"]) == (label + "-sl", label + "-tp")
        for ending in ("-sl", "-tp"):
            assert (await by_label(bot, label + ending, "untriggered"))[0]["reduce_only"] is True
        simulator.move("BTC", factor)
        await by_label(bot, label + fills, "filled")
        await by_label(bot, label + cancelled, "cancelled")
        assert await size(bot, "BTC-PERPETUAL") == 0


async def test_a_bracket_that_rests_is_cancelled_with_its_exits(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        exits = {"stop_loss": {"trigger_price": "900"}, "take_profit": {"trigger_price": "1100", "price": "1090"}}
        wrong = {"stop_loss": {"trigger_price": "1000"}, "take_profit": {"trigger_price": "1000.2"}}
        assert await denied(bot, "deribit.place_bracket_order", **RESTING, **wrong) == [
            ("take_profit.trigger_price", "1000"),
        ]
        wrong["take_profit"] = {"trigger_price": "1000"}
        assert await denied(bot, "deribit.place_bracket_order", **RESTING, **wrong) == [
            ("stop_loss.trigger_price", "999.5"),
            ("take_profit.trigger_price", "1000.5"),
        ]
        placed = await done(bot, "deribit.place_bracket_order", **RESTING, **exits)
        gone = await done(bot, "deribit.cancel_by_label", label=placed["client_order_id"], currency="BTC")
        assert gone["cancelled_count"] >= 1
        for label in (placed["stop_loss_label"], placed["take_profit_label"]):
            assert (await by_label(bot, label, "cancelled"))[0]["filled_amount"] == "0"


async def test_a_trailing_stop_follows_and_fires(start_daemon: StartDaemon, simulator: SimulatorProcess) -> None:
    async with trading(start_daemon, simulator) as bot:
        await done(bot, "deribit.place_order", **PERPETUAL, side="buy", amount="100", type="market")
        price = await mark(bot)
        offset = tick(price * 0.05)
        trailing = {"side": "sell", "amount": "100", "type": "trailing_stop", "trigger": "mark_price"}
        stop = await done(bot, "deribit.place_order", **PERPETUAL, **trailing, trigger_offset=offset, reduce_only=True)
        assert stop["order"]["trigger_offset"] == offset
        simulator.move("BTC", 1.2)
        await by_label(bot, stop["client_order_id"], follows=price * 1.2)
        simulator.move("BTC", 0.9)
        await by_label(bot, stop["client_order_id"], "filled")
        assert await size(bot, "BTC-PERPETUAL") == 0


async def test_what_an_order_may_be_besides(start_daemon: StartDaemon, simulator: SimulatorProcess) -> None:
    """Icebergs, prices in volatility and in USD, protection of market makers, an expiry that has passed."""
    async with trading(start_daemon, simulator) as bot:
        iceberg = await done(
            bot, "deribit.place_order", **PERPETUAL, side="buy", amount="5000", price="1000", display_amount="1000"
        )
        assert iceberg["order"]["display_amount"] == "1000"
        assert await denied(
            bot, "deribit.place_order", **PERPETUAL, side="buy", amount="5000", price="1000", display_amount="500"
        ) == [("display_amount", "1000")]
        listed = (await bot.call("deribit.get_instruments", {"currency": "BTC", "kind": "option"}))["instruments"]
        option = next(each["instrument_name"] for each in listed if each["option_type"] == "call")
        buying = {"instrument_name": option, "side": "buy", "amount": "0.1"}
        volatile = await done(bot, "deribit.place_order", **buying, price="5.55", advanced="implv")
        assert (volatile["order"]["advanced"], volatile["order"]["implv"]) == ("implv", "5.55")
        changed = await done(bot, "deribit.edit_order", order_id=volatile["order"]["order_id"], price="4.5")
        assert changed["order"]["implv"] == "4.5"
        dollars = await done(bot, "deribit.place_order", **buying, price="60.5", advanced="usd")
        assert dollars["order"]["usd"] == "60.5"
        assert await denied(bot, "deribit.place_order", **buying, price="60.5") == [("price", None)]
        index = (await bot.call("deribit.get_ticker", {"instrument_name": option}))["index_price"]
        waiting = {**buying, "type": "stop_market", "trigger": "index_price"}
        ((field, nearest),) = await denied(bot, "deribit.place_order", **waiting, trigger_price=tick(index * 0.9))
        assert field == "trigger_price"
        assert nearest is not None
        assert -0.005 < float(nearest) / index - 1 < 0.05  # the index moves meanwhile
        await done(bot, "deribit.place_order", **waiting, trigger_price=tick(index * 1.1))
        assert await denied(bot, "deribit.place_order", **{**RESTING, "advanced": "usd"}) == [("advanced", None)]
        protected = await done(bot, "deribit.place_order", **RESTING, mmp=True)
        assert protected["order"]["mmp"] is True
        unprotected = await done(bot, "deribit.edit_order", order_id=protected["order"]["order_id"], mmp=False)
        assert unprotected["order"]["mmp"] is False
        assert await denied(bot, "deribit.place_order", **RESTING, valid_until="2020-01-01T00:00:00Z") == [
            ("valid_until", None)
        ]
        kept_off = {**PERPETUAL, "side": "buy", "amount": "10", "price": "10000000", "post_only": True}
        taking = await bot.call("deribit.place_order", kept_off)
        assert (taking["outcome"], taking["venue_code"]) == ("rejected", "11054")


@pytest.mark.parametrize("verb", ["drop_answer", "cut_after"])
@pytest.mark.parametrize("fires", [False, True])
async def test_a_trigger_order_whose_answer_was_lost_is_found_fired_or_not(
    start_daemon: StartDaemon, simulator: SimulatorProcess, verb: str, fires: bool
) -> None:
    daemon = start_daemon("serve", module="tests.support.giving_up", **UNHURRIED, **simulator.keys_of("TESTNET"))
    if verb == "cut_after":
        daemon.announce("connection down")
    async with connected(daemon) as bot:
        await done(bot, "deribit.place_order", **PERPETUAL, side="buy", amount="100", type="market")
        price = await mark(bot)
        simulator.fault(verb="error", code=11094, environment=TESTNET, method="private/get_*")
        simulator.fault(verb=verb, environment=TESTNET, method="private/sell", times=1)
        lost = {**PERPETUAL, "side": "sell", "amount": "100", "type": "stop_market", "trigger": "mark_price"}
        params = {**lost, "trigger_price": tick(price * 0.95), "intent": "lost"}
        told = await lose(bot, daemon, simulator, ["private/sell"], "deribit.place_order", params)
        assert told["outcome"] == "unknown"
        if fires:
            simulator.move("BTC", 0.9)
            await anyio.to_thread.run_sync(fired, simulator, told["client_order_id"])
        simulator.lift()
        known = await resolved(bot, "lost")
        assert known["outcome"] == "confirmed"
        assert known["result"]["order"]["order_state"] in (("filled", "triggered") if fires else ("untriggered",))
        assert len(known["result"]["trades"]) == fires


async def test_while_trading_is_reduce_only_a_position_can_still_be_ended(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    async with trading(start_daemon, simulator) as bot:
        await done(bot, "deribit.place_order", **PERPETUAL, side="buy", amount="100", type="market")
        resting = await done(bot, "deribit.place_order", **RESTING)
        await bot.call("admin.halt", {"state": "reduce_only"})
        exits = {"stop_loss": {"trigger_price": "900"}, "take_profit": {"trigger_price": "1100"}}
        assert await denied(bot, "deribit.place_bracket_order", **RESTING, **exits) == [("trading", None)]
        assert await denied(bot, "deribit.place_order", **RESTING) == [("trading", None)]
        await done(bot, "deribit.set_stop_loss", **PERPETUAL, trigger_price="1000")
        await done(bot, "deribit.close_position", **PERPETUAL, amount="50")
        assert await size(bot, "BTC-PERPETUAL") == 50
        await bot.call("admin.halt", {"state": "halted"})
        assert await denied(bot, "deribit.close_position", **PERPETUAL) == [("trading", None)]
        assert (await done(bot, "deribit.cancel_by_label", label=resting["client_order_id"]))["cancelled_count"] == 1
