"""A restart under load: many sessions calling, orders under way; nothing is lost, and everybody is soon back.

`scripts/soak.sh restart` runs it at full size and prints the figures.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from cerberod.clock import SystemClock
from tests.functional.conftest import StartDaemon
from tests.support.daemon import UNHURRIED, Daemon
from tests.support.simulator import TESTNET, SimulatorProcess
from tests.support.vps import free_port

GOING_AWAY = 1001
ANSWERED, SILENT = 5, 5


@dataclass
class Bot:
    """A bot that calls all the time and comes back when it is sent away."""

    url: str
    token: str
    tag: str
    ready: anyio.Event = field(default_factory=anyio.Event)
    """Set when its first session has its first answer."""
    closed: list[tuple[int | None, str]] = field(default_factory=list)
    back_at: float | None = None
    answered: int = 0
    wrong: list[object] = field(default_factory=list)
    session: ClientConnection | None = None

    async def live(self) -> None:
        clock = SystemClock()
        while True:
            headers = {"Authorization": f"Bearer {self.token}", "X-Bot-Tag": self.tag}
            try:
                async with connect(self.url, additional_headers=headers, proxy=None, open_timeout=60) as session:
                    for number in itertools.count():
                        await session.send(f'{{"jsonrpc":"2.0","id":{number},"method":"session.ping"}}')
                        reply = orjson.loads(await session.recv())
                        if "result" in reply:
                            self.answered += 1
                        elif reply["error"]["code"] != -32004:  # told to go: the daemon is stopping
                            self.wrong.append(reply)
                        self.ready.set()
                        if self.closed and self.back_at is None:
                            self.back_at = clock.monotonic()
                        await anyio.sleep(0.02)
            except ConnectionClosed as end:
                self.closed.append((end.rcvd.code, end.rcvd.reason) if end.rcvd is not None else (None, ""))
            except (OSError, InvalidHandshake):
                await anyio.sleep(0.05)  # nobody listens yet


async def order(daemon: Daemon, intent: str, outcomes: dict[str, str | None]) -> None:
    """Place one order and note what its reply says, or None if the session ended without one."""
    headers = {"Authorization": f"Bearer {daemon.token}", "X-Bot-Tag": "trader"}
    params = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000", "intent": intent}
    call = {"jsonrpc": "2.0", "id": 1, "method": "deribit.place_order", "params": params}
    async with connect(daemon.url, additional_headers=headers, proxy=None, open_timeout=60) as session:
        await session.send(orjson.dumps(call).decode())
        try:
            reply = orjson.loads(await session.recv())
        except ConnectionClosed:
            outcomes[intent] = None
        else:
            outcomes[intent] = reply["result"]["outcome"]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():  # noqa: ASYNC110 - what is waited for happens in other processes
        await anyio.sleep(0.02)


@pytest.mark.promise("P7")
async def test_a_restart_under_load_loses_no_outcome_and_everybody_comes_back(
    start_daemon: StartDaemon, simulator: SimulatorProcess, pytestconfig: pytest.Config
) -> None:
    sessions = 100 if pytestconfig.getoption("load") > 1 else 30
    daemon = start_daemon(
        "serve",
        PORT=str(free_port()),
        HTTP_PORT=str(free_port()),
        **UNHURRIED,
        LIMIT_WRITES_PER_ACCOUNT=str(ANSWERED + SILENT),
        module="tests.support.giving_up",
        **simulator.keys_of("TESTNET"),
    )
    # The first orders are answered when the venue is told to, the others never.
    simulator.fault("answer_late", method="private/buy", nth=1, times=ANSWERED)
    simulator.fault("drop_answer", method="private/buy", nth=ANSWERED + 1, times=SILENT)
    bots = [Bot(daemon.url, daemon.token, f"bot-{number}") for number in range(sessions)]
    outcomes: dict[str, str | None] = {}
    async with anyio.create_task_group() as group:
        for bot in bots:
            group.start_soon(bot.live)
        async with anyio.create_task_group() as traders:
            for number in range(ANSWERED + SILENT):
                traders.start_soon(order, daemon, f"intent-{number}", outcomes)
            for bot in bots:
                await bot.ready.wait()

            async def all_placed() -> bool:
                placed = await anyio.to_thread.run_sync(simulator.orders, TESTNET)
                return len(placed) == ANSWERED + SILENT

            async def all_told() -> bool:
                return list(outcomes.values()).count("confirmed") == ANSWERED

            await until(all_placed)
            daemon.process.terminate()
            await anyio.to_thread.run_sync(partial(daemon.wait_logged, message="asked to stop"))
            await anyio.to_thread.run_sync(simulator.release)
            await until(all_told)
            daemon.give_up()
            assert await anyio.to_thread.run_sync(daemon.wait) == 0
        await anyio.to_thread.run_sync(daemon.restart)
        ready_at = SystemClock().monotonic()

        async def all_back() -> bool:
            return all(bot.back_at is not None for bot in bots)

        await until(all_back)
        group.cancel_scope.cancel()

    for bot in bots:
        assert bot.wrong == []
        assert bot.closed == [(GOING_AWAY, "the daemon is stopping; reconnect in a moment")]
    told = [outcome for outcome in outcomes.values() if outcome == "confirmed"]
    assert len(outcomes) == ANSWERED + SILENT
    assert len(told) >= ANSWERED
    # Whatever a trader was told, or not told, the daemon knows every outcome now, and the venue has each order once.
    async with connect(
        daemon.url, additional_headers={"Authorization": f"Bearer {daemon.token}", "X-Bot-Tag": "trader"}, proxy=None
    ) as session:

        async def outcome_of(intent: str) -> str:
            call = {"jsonrpc": "2.0", "id": 1, "method": "orders.get_outcome", "params": {"intent": intent}}
            await session.send(orjson.dumps(call).decode())
            return str(orjson.loads(await session.recv())["result"]["outcome"])

        async def all_known() -> bool:
            return {await outcome_of(intent) for intent in outcomes} == {"confirmed"}

        await until(all_known)
    assert len(simulator.orders(TESTNET)) == ANSWERED + SILENT
    late = sorted(bot.back_at - ready_at for bot in bots if bot.back_at is not None)
    print(
        f"\n{sessions} sessions, {sum(bot.answered for bot in bots)} calls answered, {len(outcomes)} orders under way: "
        f"{len(told)} told at once, the rest known after the restart; first answer after ready: "
        f"median {late[len(late) // 2]:.2f} s, last {late[-1]:.2f} s"
    )
