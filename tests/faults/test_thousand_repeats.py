"""One intent, asked for a thousand times at once by bots that are not sure of anything. `faults.md` 64, P2.

Over real sockets: several sessions of each of two bots, each with all its calls in flight.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from cerberod.errors import Code
from tests.support.client import connected
from tests.support.daemon import Daemon
from tests.support.simulator import TESTNET, SimulatorProcess

ORDER: dict[str, Any] = {
    "instrument_name": "BTC-PERPETUAL",
    "side": "buy",
    "amount": "10",
    "price": "1000",
    "intent": "did-i-say-that",
}
BOTS = ("hare", "tortoise")
SESSIONS = 10
CALLS = 50


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    running = SimulatorProcess(tmp_path / "simulator")
    yield running
    running.kill()


@pytest.fixture
def daemon(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[Daemon]:
    started = Daemon(tmp_path / "daemon", "serve", settings=simulator.keys_of("TESTNET"))
    try:
        started.wait_ready()
        yield started
        started.stop()
    finally:
        started.kill()
    started.check()


@pytest.mark.promise("P2")
async def test_a_thousand_repeats_at_once_are_one_order_of_each_bot(
    daemon: Daemon, simulator: SimulatorProcess
) -> None:
    answers: Counter[str] = Counter()
    orders: dict[str, set[str]] = {bot: set() for bot in BOTS}
    first: Counter[str] = Counter()

    async def session(bot: str) -> None:
        async with connected(daemon, bot_tag=bot) as client, anyio.create_task_group() as calls:

            async def call() -> None:
                reply = await client.ask("deribit.place_order", ORDER)
                if "error" in reply:
                    answers[f"error {reply['error']['code']}"] += 1
                    return
                result = reply["result"]
                answers[result["outcome"]] += 1
                orders[bot].add(result["order"]["order_id"])
                first[bot] += not result["repeated"]

            for _ in range(CALLS):
                calls.start_soon(call)

    async with anyio.create_task_group() as sessions:
        for bot in BOTS:
            for _ in range(SESSIONS):
                sessions.start_soon(session, bot)

    assert answers.total() == 1_000
    assert answers.keys() <= {"confirmed", f"error {int(Code.BUSY)}"}
    assert first == Counter(BOTS)
    at_venue = {order["order_id"] for order in simulator.orders(TESTNET)}
    assert len(at_venue) == simulator.received(TESTNET)["private/buy"] == len(BOTS)
    assert {bot: len(known) for bot, known in orders.items()} == dict.fromkeys(BOTS, 1)
    assert set.union(*orders.values()) == at_venue

    # Whoever was turned away for the crowd has lost nothing: the intent is answered from the record.
    async with connected(daemon, bot_tag=BOTS[0]) as client:
        again = await client.call("deribit.place_order", ORDER)
        assert (again["outcome"], again["repeated"]) == ("confirmed", True)
        reused = await client.ask("deribit.place_order", {**ORDER, "price": "1001"})
        assert reused["error"]["code"] == Code.INTENT_REUSED
    assert len(simulator.orders(TESTNET)) == len(BOTS)
