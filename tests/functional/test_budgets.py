"""A bot that asks too much, over real connections: slowed, then refused and hung up on, alone (faults.md 42)."""

from dataclasses import replace
from typing import Any

import anyio
import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from cerberod.clock import SystemClock
from cerberod.rpc.limits import BudgetLimits
from cerberod.settings import Limits
from cerberod.transport.stdio import Ending, StdioSession
from tests.support.peers import MAINNET, PipePeer, dial, headers, listener
from tests.support.small import LIMITS, Daemon, principal, small_daemon
from tests.support.turns import until

# Half a second of debt: a bot is slowed after 5 errors and refused after 50.
BUDGET = BudgetLimits(decay_per_s=200, soft=50, hard=500)


pytestmark = pytest.mark.promise("P6")


def call(id: int, method: str, **params: object) -> str:
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).decode()


SUBTRACT = call(7, "test.subtract", minuend=3, subtrahend=1)
CANCEL = call(8, "test.cancel", what="x", intent="c")


def strict_daemon(**changes: Any) -> Daemon:
    return small_daemon(limits=replace(LIMITS, budget=replace(BUDGET, **changes)))


async def ask(connection: ClientConnection, request: str) -> dict[str, Any]:
    await connection.send(request)
    answer: dict[str, Any] = orjson.loads(await connection.recv())
    return answer


async def err_until_refused(connection: ClientConnection, request: str) -> tuple[int, dict[str, Any]]:
    """Send the same mistake again and again; return how often it was answered as one, and the last answer."""
    for count in range(1_000):
        answer = await ask(connection, request)
        if answer["error"]["code"] == -32012:
            return count, answer["error"]
    raise AssertionError("never refused")


@pytest.mark.promise("P6")
@pytest.mark.parametrize(("mistake", "least"), [(call(1, "no.such"), 45), ("{", 5), ("1", 45)])
async def test_an_error_loop_is_slowed_refused_and_hung_up_on(mistake: str, least: int) -> None:
    daemon = strict_daemon()
    async with listener(daemon) as at:
        async with dial(at.port) as connection, dial(at.port, headers(bot_tag="good")) as good:
            started = anyio.current_time()
            count, error = await err_until_refused(connection, mistake)
            assert count >= least
            # Each message takes a turn of 5 ms once the soft limit is passed.
            assert anyio.current_time() - started >= 0.005 * (least - 5)
            assert error["message"] == "Over budget"
            assert 0 < error["data"]["retry_after_ms"] < 5_000
            with pytest.raises(ConnectionClosed):
                await connection.recv()
            assert (connection.close_code, connection.close_reason is not None) == (1008, True)
            assert (await ask(good, SUBTRACT))["result"] == {"difference": 2}
        await until(lambda: at.session_count() == 0)


@pytest.mark.promise("P6")
async def test_who_comes_back_is_still_in_debt_and_other_tags_and_tokens_are_not() -> None:
    daemon = strict_daemon(decay_per_s=1)
    async with listener(daemon) as at:
        async with dial(at.port) as connection:
            await run_into_debt(daemon, connection)
        for _ in range(3):
            async with dial(at.port) as again:
                assert (await ask(again, CANCEL))["result"]["outcome"] == "confirmed"
                refused = await ask(again, SUBTRACT)
                assert refused["error"]["code"] == -32012
                with pytest.raises(ConnectionClosed):
                    await again.recv()
                assert again.close_code == 1008
        for other in (headers(bot_tag="other"), headers(MAINNET)):
            async with dial(at.port, other) as connection:
                assert (await ask(connection, SUBTRACT))["result"] == {"difference": 2}
    assert daemon.bench.done == ["c"] * 3


async def run_into_debt(daemon: Daemon, connection: ClientConnection) -> None:
    """Run the bot of this connection into the hard limit without waiting for turns."""
    ((_, budget),) = daemon.dispatcher.budgets
    budget.charge(BUDGET.hard * 2, SystemClock().monotonic())
    assert (await ask(connection, SUBTRACT))["error"]["code"] == -32012


async def test_a_cancel_behind_the_call_that_ends_a_session_is_sent() -> None:
    daemon = strict_daemon(decay_per_s=1)
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        async with listener(daemon) as at, dial(at.port) as connection:
            ((_, budget),) = daemon.dispatcher.budgets
            budget.charge(BUDGET.hard * 2, SystemClock().monotonic())
            for request in (SUBTRACT, *[call(id, "test.write", what="x", intent="w") for id in range(20, 40)], CANCEL):
                await connection.send(request)
            with pytest.raises(ConnectionClosed):
                while True:
                    await connection.recv()
        await until(lambda: daemon.bench.done == ["c"])


async def test_a_busy_bot_is_slowed_to_the_pace_of_the_decay_and_never_closed() -> None:
    daemon = strict_daemon()
    async with listener(daemon) as at, dial(at.port) as connection:
        count = 120
        started = anyio.current_time()
        for id in range(count):
            await connection.send(call(id, "test.subtract", minuend=1, subtrahend=1))
        answers = [orjson.loads(await connection.recv()) for _ in range(count)]
        assert all("result" in answer for answer in answers)
        # 50 at once, and 200 in each second from then on.
        assert anyio.current_time() - started >= 0.8 * (count - 50) / 200


async def test_on_stdio_a_caller_over_budget_ends_the_session() -> None:
    daemon, peer = strict_daemon(), PipePeer()
    session = StdioSession(peer.wire, Limits(), daemon.dispatcher, principal(transport="stdio"), SystemClock())
    endings: list[Ending] = []

    async def run() -> None:
        endings.append(await session.run())

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        ((_, budget),) = [await opened(daemon)]
        budget.charge(1e6, SystemClock().monotonic())
        await peer.send(SUBTRACT.encode())
        assert orjson.loads(await peer.receive())["error"]["code"] == -32012
    assert endings == [Ending.OVER_BUDGET]
    assert endings[0].exit_code == 75
    peer.close()


async def opened(daemon: Daemon) -> Any:
    """Return the one budget, once its session is open."""
    await until(lambda: len(daemon.dispatcher.budgets) == 1)
    return next(iter(daemon.dispatcher.budgets))
