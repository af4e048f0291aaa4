"""`kill -9` at every point that a write passes. `faults.md` 68.

The daemon dies inside the write, the venue lives on. The daemon that starts on what is left knows the truth, needs no
hand, and a bot that repeats its intent places nothing a second time.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import anyio.to_thread
import pytest

from tests.support.failpoints import WRITES, Point
from tests.support.killed import Victim, Write, bot_of, require_harmless_repeat, require_true, resting
from tests.support.simulator import SimulatorProcess

_numbers = count(1)

NEVER_SENT = {Point.TORN_REQUEST, Point.BEFORE_JOURNAL, Point.AFTER_JOURNAL, Point.BEFORE_SEND}
FREE = {Point.TORN_REQUEST, Point.BEFORE_JOURNAL}
"""Points at which nothing of the write is in the journal."""
TORN = {Point.TORN_REQUEST, Point.TORN_OUTCOME}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    running = SimulatorProcess(tmp_path_factory.mktemp("simulator") / "work")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[Victim]:
    """One state directory for all kills. In the end the command itself starts on what they have left."""
    victim = Victim(tmp_path_factory.mktemp("kills") / "victim", simulator)
    try:
        yield victim
        victim.daemon.kill()
        victim.restart(module="cerberod")
        victim.require_journaled()
        victim.daemon.stop()
    finally:
        victim.daemon.kill()
    victim.daemon.check()


@pytest.fixture
async def victim(lives: Victim) -> AsyncIterator[Victim]:
    """The daemon, alive again if the test before has left it dead."""
    lives.disarm()
    if lives.daemon.process.poll() is not None:
        lives.restart()
    yield lives


async def prepared(victim: Victim, method: str) -> Write:
    """Bring about what the write acts on, and return it."""
    number = next(_numbers)
    intent = f"kill-{number}"
    if method == "deribit.place_order":
        return Write(method, resting(intent))
    async with bot_of(victim) as client:
        orders = []
        for each in range(2):
            placed = await client.call("deribit.place_order", resting(f"before-{number}-{each}"))
            orders.append(placed["order"]["order_id"])
    if method == "deribit.cancel_all_orders":
        return Write(method, {"currency": "BTC", "intent": intent}, targets=orders)
    params = {"order_id": orders[0], "intent": intent}
    if method == "deribit.edit_order":
        return Write(method, {**params, "price": "1234"}, targets=orders[:1], price=1234.0)
    return Write(method, params, targets=orders[:1])


@pytest.mark.promise("P1", "P2", "P4", "P8")
@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("point", [point for point in Point if point not in TORN])
async def test_a_write_cut_off_anywhere_is_known_when_the_daemon_is_back(
    victim: Victim, point: Point, method: str
) -> None:
    write = await prepared(victim, method)
    sent_before = victim.received(method)
    victim.arm(point, method)
    await victim.ask_and_die(write)

    victim.require_journaled()
    assert ((write.bot, write.intent) in victim.rows()) == (point not in FREE)
    if point in NEVER_SENT:
        assert victim.received(method) == sent_before
        victim.let_time_pass()

    victim.restart()
    await anyio.to_thread.run_sync(victim.require_whole_audit)
    async with bot_of(victim) as client:
        became = await require_true(victim, client, write)
        assert became == ("free" if point in FREE else "rejected" if point in NEVER_SENT else "confirmed")
        assert victim.received(method) == sent_before + (point not in NEVER_SENT)
        await require_harmless_repeat(victim, client, write, became)
        assert (await client.call("orders.list_unresolved", {"all_bots": True}))["count"] == 0
    victim.require_journaled()


@pytest.mark.promise("P1", "P2", "P4", "P8")
@pytest.mark.parametrize("point", sorted(TORN))
async def test_a_record_torn_by_the_kill_is_cut_and_told(victim: Victim, point: Point) -> None:
    write = await prepared(victim, "deribit.place_order")
    victim.arm(point, write.method)
    await victim.ask_and_die(write)
    assert not (victim.daemon.state_dir / "audit.jsonl").read_bytes().endswith(b"\n")

    victim.restart()
    victim.daemon.wait_logged(message="the audit log was mended")
    await anyio.to_thread.run_sync(victim.require_whole_audit)
    async with bot_of(victim) as client:
        became = await require_true(victim, client, write)
        assert became == ("free" if point in FREE else "confirmed")
        await require_harmless_repeat(victim, client, write, became)
    victim.require_journaled()


@pytest.mark.promise("P1", "P2", "P4", "P8")
async def test_what_cannot_be_known_yet_is_listed_and_holds_no_start_up(victim: Victim) -> None:
    """No venue can tell at once that a cancel will not come any more. The bot need not wait for that."""
    write = await prepared(victim, "deribit.cancel_order")
    victim.arm(Point.BEFORE_SEND, write.method)
    await victim.ask_and_die(write)
    victim.restart()
    async with bot_of(victim) as client:
        (left,) = (await client.call("orders.list_unresolved"))["writes"]
        assert (left["intent"], left["outcome"], left["pending"]) == (
            write.intent,
            "unknown",
            "deribit cannot tell yet",
        )
        again = await client.call(write.method, write.params)
        assert (again["outcome"], again["repeated"]) == ("confirmed", False)
        assert await require_true(victim, client, write) == "confirmed"
