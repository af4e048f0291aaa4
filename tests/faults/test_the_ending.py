"""A bot loses its connection in the middle of an order, the venue never answers, and still the bot learns the truth.

It asks the daemon by the only thing it knows, its intent; the venue it never asks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pytest

from tests.support.client import connected, raw_connection
from tests.support.daemon import UNHURRIED, Daemon
from tests.support.simulator import TESTNET, SimulatorProcess
from tests.support.turns import until

BOT = "night-owl"
ORDER = {
    "instrument_name": "BTC-PERPETUAL",
    "side": "buy",
    "amount": "10",
    "price": "1000",
    "intent": "the-last-thing-i-said",
}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    running = SimulatorProcess(tmp_path / "simulator")
    yield running
    running.kill()


@pytest.fixture
def daemon(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[Daemon]:
    started = Daemon(
        tmp_path / "daemon",
        "serve",
        settings={**simulator.keys_of("TESTNET"), **UNHURRIED},
        module="tests.support.giving_up",
    )
    try:
        started.wait_ready()
        yield started
        started.stop()
    finally:
        started.kill()
    started.check()


async def order_and_vanish(daemon: Daemon, simulator: SimulatorProcess) -> dict[str, Any]:
    """Place an order whose answer the venue swallows, and lose the connection; return the venue's order."""
    simulator.fault("drop_answer", method="private/buy", times=1)
    async with raw_connection(daemon, bot_tag=BOT) as connection:
        request = {"jsonrpc": "2.0", "id": 1, "method": "deribit.place_order", "params": ORDER}
        await connection.send(orjson.dumps(request).decode())
        with anyio.fail_after(60):
            while not (orders := await anyio.to_thread.run_sync(simulator.orders, TESTNET)):  # noqa: ASYNC110 - a process
                await anyio.sleep(0.01)
        connection.transport.abort()
    (order,) = orders
    return order


async def require_the_truth(daemon: Daemon, simulator: SimulatorProcess, order: dict[str, Any]) -> None:
    """Come back and ask; then say it again, as a bot does that is not sure it has said it."""
    async with connected(daemon, bot_tag=BOT) as client:
        with anyio.fail_after(60):  # a start waits for the venue, but not for long
            while True:
                told = await client.call("orders.get_outcome", {"intent": ORDER["intent"]})
                if told["resolved"]:
                    break
                await anyio.sleep(0.05)
        assert (told["known"], told["outcome"]) == (True, "confirmed")
        assert told["client_order_id"] == order["label"]
        assert told["result"]["order"]["order_id"] == order["order_id"]
        again = await client.call("deribit.place_order", ORDER)
        assert (again["outcome"], again["repeated"]) == ("confirmed", True)
        assert again["order"]["order_id"] == order["order_id"]
    for method in ("orders.get_outcome", "deribit.place_order"):
        line = daemon.wait_logged(logger="cerberod.request", method=method, code=0)
        assert line["upstream_calls"] == 0, "the bot's question went on to the venue"
    assert len(simulator.orders(TESTNET)) == simulator.received(TESTNET)["private/buy"] == 1


@pytest.mark.promise("P2", "P3", "P8")
async def test_after_a_kill_the_reconnecting_bot_learns_what_became_of_its_order(
    daemon: Daemon, simulator: SimulatorProcess
) -> None:
    order = await order_and_vanish(daemon, simulator)
    daemon.kill()
    daemon.restart()
    await require_the_truth(daemon, simulator, order)


@pytest.mark.promise("P2", "P3", "P8")
async def test_a_bot_that_is_back_before_the_truth_is_told_it_unasked(
    daemon: Daemon, simulator: SimulatorProcess
) -> None:
    order = await order_and_vanish(daemon, simulator)
    async with connected(daemon, bot_tag=BOT) as client, connected(daemon, bot_tag="somebody-else") as other:
        told = await client.call("orders.get_outcome", {"intent": ORDER["intent"]})
        assert (told["known"], told["resolved"], told["outcome"]) == (True, False, "unknown")
        daemon.give_up()
        await until(lambda: bool(client.pushed))
        (pushed,) = client.pushed
        assert pushed["method"] == "orders.resolved"
        assert pushed["params"]["outcome"] == "confirmed"
        assert pushed["params"]["order"]["order_id"] == order["order_id"]
        assert other.pushed == []
        told = await client.call("orders.get_outcome", {"intent": ORDER["intent"]})
        assert told["outcome"] == "confirmed"
