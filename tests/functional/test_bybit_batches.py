"""Batches that are more than Bybit takes in a second, through the whole daemon: counted by what the venue received."""

from collections import Counter
from typing import Any

import anyio

from tests.functional.conftest import StartDaemon
from tests.support.client import Client, connected
from tests.support.simulator import SimulatorProcess

CREATE, AMEND, CANCEL = (f"/v5/order/{what}-batch" for what in ("create", "amend", "cancel"))
TESTNET = "bybit_testnet"
RESOLVED_S = 60.0


def many(orders: int) -> dict[str, Any]:
    """Return the params of so many orders that rest, each at a price of its own."""
    each = {"symbol": "BTCUSDT", "side": "buy", "qty": "0.001"}
    return {"category": "linear", "request": [{**each, "price": str(50_000 + at)} for at in range(orders)]}


def of(placed: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what names the orders of a batch, and what to change in them."""
    named = [{"symbol": "BTCUSDT", "order_link_id": each["client_order_id"], **changes} for each in placed["orders"]]
    return {"category": "linear", "request": named}


async def known(bot: Client, intent: str) -> dict[str, Any]:
    """Wait until it is known what came of a write."""
    with anyio.fail_after(RESOLVED_S):
        while True:
            told: dict[str, Any] = await bot.call("orders.get_outcome", {"intent": intent})
            if told["outcome"] != "unknown":
                return told
            await anyio.sleep(0.1)


async def done(bot: Client, method: str, params: dict[str, Any], intent: str) -> dict[str, Any]:
    """Call, and wait until it is known what came of every order."""
    told: dict[str, Any] = await bot.call(method, {**params, "intent": intent})
    if told["outcome"] == "unknown":  # there was no time left to follow all of them
        told = (await known(bot, intent))["result"]
    return told


async def test_the_largest_batch_is_done_whole_and_no_order_twice(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    async with connected(daemon) as bot:
        placed = await done(bot, "bybit.place_batch_order", many(20), "place")
        assert (placed["confirmed_count"], placed["rejected_count"], placed["unknown_count"]) == (20, 0, 0), placed
        changed = await done(bot, "bybit.amend_batch_order", of(placed, qty="0.002"), "amend")
        assert changed["confirmed_count"] == 20, changed
        first = changed["orders"][0]
        twice = [{"symbol": "BTCUSDT", "order_link_id": placed["orders"][0]["client_order_id"], "qty": "0.003"}]
        twice += [{"symbol": "BTCUSDT", "order_id": first["order_id"], "qty": "0.004"}]
        refused = await bot.call("bybit.amend_batch_order", {"category": "linear", "request": twice})
        assert (refused["outcome"], [each["field"] for each in refused["reasons"]]) == (
            "denied",
            ["request.1.order_id"],
        )
        gone = await done(bot, "bybit.cancel_batch_order", of(placed), "cancel")
        assert gone["confirmed_count"] == 20, gone
    received = simulator.received(TESTNET)
    assert [received[path] for path in (CREATE, AMEND, CANCEL)] == [2, 2, 2]
    orders = simulator.orders(TESTNET)
    assert Counter(order["orderLinkId"] for order in orders) == Counter(
        each["client_order_id"] for each in placed["orders"]
    )
    assert {(order["orderStatus"], order["qty"]) for order in orders} == {("Cancelled", "0.002")}


async def test_of_a_batch_whose_second_request_is_lost_every_order_is_accounted_for(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    simulator.fault("cut_after", environment=TESTNET, method=CREATE, nth=2, times=1)
    try:
        async with connected(daemon) as bot:
            placed = await bot.call("bybit.place_batch_order", {**many(20), "intent": "twenty"})
            assert [each["outcome"] for each in placed["orders"]][10:] == ["unknown"] * 10
            assert placed["outcome"] == "unknown"
            found = await known(bot, "twenty")
            assert (found["outcome"], found["result"]["confirmed_count"]) == ("confirmed", 20)
    finally:
        simulator.lift()
    assert simulator.received(TESTNET)[CREATE] == 2, "nothing is ever sent again"
    assert len(simulator.orders(TESTNET)) == 20
