"""A call whose answer the venue keeps to itself: it ends when the venue has read the request, and not by the clock."""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import anyio.to_thread

from tests.support.client import ANSWER_S, Client
from tests.support.daemon import Daemon
from tests.support.simulator import TESTNET, SimulatorProcess


async def lose(
    bot: Client,
    daemon: Daemon,
    simulator: SimulatorProcess,
    wires: Sequence[str],
    method: str,
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """Call what is sent as one of `wires`, let the daemon give up once the venue has read it, and return the result."""
    reply = await ask_and_lose(bot, daemon, simulator, wires, method, params)
    assert "result" in reply, reply
    result: dict[str, Any] = reply["result"]
    return result


async def ask_and_lose(
    bot: Client,
    daemon: Daemon,
    simulator: SimulatorProcess,
    wires: Sequence[str],
    method: str,
    params: Mapping[str, Any],
) -> dict[str, Any]:
    """Do the same and return the whole reply. Where the daemon asks again, it is to give that up as well."""
    replies: list[dict[str, Any]] = []

    async def ask() -> None:
        replies.append(await bot.ask(method, params))

    def received() -> int:
        counts = simulator.received(TESTNET)
        return sum(counts.get(wire, 0) for wire in wires)

    given_up = await anyio.to_thread.run_sync(received)
    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        with anyio.fail_after(ANSWER_S):
            while not replies:
                if (read := await anyio.to_thread.run_sync(received)) > given_up:
                    given_up = read
                    daemon.give_up()
                await anyio.sleep(0.01)
    return replies[0]
