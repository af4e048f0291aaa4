from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import anyio
import anyio.lowlevel
import orjson
import pytest
from anyio.abc import TaskGroup
from hypothesis import given
from hypothesis import strategies as st

from cerberod.rpc import conversation as conversation_module
from cerberod.rpc.conversation import Conversation, ConversationLimits, Outbox, PeerGone, never_now
from cerberod.rpc.limits import BudgetLimits
from tests.support.small import LIMITS, Daemon, principal, small_daemon
from tests.support.turns import until


def call(id: int, method: str = "test.wait", **params: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


class Wire:
    """The far end: frames go in, answers come out, and reading can be stopped."""

    def __init__(self) -> None:
        self.send_frame, self._frames = anyio.create_memory_object_stream[bytes](1000)
        self.answers: list[bytes] = []
        self.taken = 0
        self.reads = anyio.Event()
        self.reads.set()
        self.gone = False
        self.hung_up = 0

    async def frames(self) -> AsyncIterator[bytes]:
        async for frame in self._frames:
            self.taken += 1
            yield frame

    async def send(self, message: bytes) -> None:
        await self.reads.wait()
        if self.gone:
            raise PeerGone
        self.answers.append(message)

    def send_now(self, message: bytes) -> bool:
        if self.reads.is_set():
            self.answers.append(message)
        return self.reads.is_set()

    async def hang_up(self) -> None:
        self.hung_up += 1

    def ids(self) -> list[int]:
        return [orjson.loads(answer)["id"] for answer in self.answers]

    def close(self) -> None:
        self.send_frame.close()


@asynccontextmanager
async def talking(
    daemon: Daemon,
    *,
    in_flight: int = 4,
    waiting: int = 0,
    outbox: tuple[int, int] = (8, 10_000),
    drain: bool = False,
    prompt: bool = False,
) -> AsyncIterator[tuple[Wire, Conversation, TaskGroup]]:
    wire = Wire()
    session = daemon.dispatcher.open_session(principal())
    conversation = Conversation(
        daemon.dispatcher,
        session,
        wire.send,
        ConversationLimits(in_flight, *outbox, waiting),
        wire.hang_up,
        wire.send_now if prompt else never_now,
    )
    with wire.send_frame, wire._frames:
        async with anyio.create_task_group() as lasting:
            daemon.dispatcher.use_lasting(lasting)
            async with anyio.create_task_group() as group:

                async def run() -> None:
                    await conversation.run(wire.frames(), drain=drain)

                group.start_soon(run)
                yield wire, conversation, lasting
                wire.close()


async def test_calls_run_at_the_same_time_up_to_the_limit_and_reading_pauses_beyond() -> None:
    daemon = small_daemon()
    async with talking(daemon, in_flight=4, drain=True) as (wire, conversation, _):
        for id in range(20):
            await wire.send_frame.send(call(id))
        await anyio.wait_all_tasks_blocked()
        assert daemon.bench.waiting == 4
        assert wire.taken == 5  # one frame is held, waiting for a slot
        assert conversation.session.running == 5
        daemon.bench.gate.set()
    assert sorted(wire.ids()) == list(range(20))


async def test_a_fast_answer_overtakes_a_slow_one() -> None:
    daemon = small_daemon()
    async with talking(daemon, drain=True) as (wire, _, _lasting):
        await wire.send_frame.send(call(1))
        await wire.send_frame.send(call(2, "test.blob", size=1))
        await anyio.wait_all_tasks_blocked()
        assert wire.ids() == [2]
        daemon.bench.gate.set()
    assert wire.ids() == [2, 1]


async def test_a_peer_that_does_not_read_fills_its_outbox_and_then_stops_being_read() -> None:
    daemon = small_daemon()
    async with talking(daemon, in_flight=2, outbox=(3, 10_000), drain=True) as (wire, conversation, _):
        wire.reads = anyio.Event()
        for id in range(50):
            await wire.send_frame.send(call(id, "test.blob", size=10))
        await anyio.wait_all_tasks_blocked()
        assert len(conversation.outbox) == 3
        assert wire.taken <= 3 + 2 + 1
        wire.reads.set()
    assert sorted(wire.ids()) == list(range(50))


async def test_when_the_peer_leaves_reads_end_and_writes_go_on() -> None:
    daemon = small_daemon()
    async with talking(daemon) as (wire, _, _lasting):
        await wire.send_frame.send(call(1))
        await wire.send_frame.send(call(2, "test.write", what="slow", intent="i"))
        await anyio.wait_all_tasks_blocked()
        assert daemon.bench.waiting == 2
        wire.close()
        await anyio.wait_all_tasks_blocked()
        assert (daemon.bench.waiting, daemon.bench.cancelled) == (1, 1)
        daemon.bench.gate.set()
    assert daemon.bench.done == ["i"]
    assert wire.answers == []


async def test_a_drain_finishes_and_sends_what_runs() -> None:
    daemon = small_daemon()
    async with talking(daemon, drain=True) as (wire, _, _lasting):
        await wire.send_frame.send(call(1))
        await wire.send_frame.send(call(2, "test.write", what="slow", intent="i"))
        await anyio.wait_all_tasks_blocked()
        wire.close()
        await anyio.wait_all_tasks_blocked()
        assert daemon.bench.waiting == 2
        daemon.bench.gate.set()
    assert sorted(wire.ids()) == [1, 2]


async def test_a_peer_that_is_gone_loses_its_answers_and_nothing_else() -> None:
    daemon = small_daemon()
    async with talking(daemon, outbox=(1, 100)) as (wire, conversation, _):
        wire.gone = True
        for id in range(10):
            await wire.send_frame.send(call(id, "test.write", what="x", intent=str(id)))
        await anyio.wait_all_tasks_blocked()
        assert len(daemon.bench.done) == 10
        assert len(conversation.outbox) == 0


async def test_a_cancel_overtakes_calls_that_wait() -> None:
    daemon = small_daemon()
    async with talking(daemon, in_flight=1, waiting=5, drain=True) as (wire, _, _lasting):
        for id in range(3):
            await wire.send_frame.send(call(id))
        await wire.send_frame.send(call(9, "test.cancel", what="cancel", intent="c"))
        await anyio.wait_all_tasks_blocked()
        assert (daemon.bench.waiting, daemon.bench.done, wire.ids()) == (1, ["c"], [9])
        daemon.bench.gate.set()
    assert wire.ids() == [9, 0, 1, 2]


async def test_a_drain_waits_for_cancels_too() -> None:
    daemon = small_daemon()
    async with talking(daemon, drain=True) as (wire, _, _lasting):
        await wire.send_frame.send(call(1, "test.cancel", what="slow", intent="c"))
        wire.close()
        await anyio.wait_all_tasks_blocked()
        daemon.bench.gate.set()
    assert wire.ids() == [1]


async def test_cancels_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_module, "MAX_URGENT", 3)
    daemon = small_daemon()
    async with talking(daemon, drain=True) as (wire, _, _lasting):
        for id in range(20):
            await wire.send_frame.send(call(id, "test.cancel", what="slow", intent=str(id)))
        await anyio.wait_all_tasks_blocked()
        assert (daemon.bench.waiting, wire.taken) == (3, 3)
        daemon.bench.gate.set()
    assert len(wire.answers) == 20


async def test_a_write_that_outlives_a_session_cut_off_starts_nothing_in_it() -> None:
    daemon, wire = small_daemon(), Wire()
    limits = ConversationLimits(1, 8, 10_000, 5)
    conversation = Conversation(daemon.dispatcher, daemon.dispatcher.open_session(principal()), wire.send, limits)
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def run() -> None:
                    await conversation.run(wire.frames(), drain=True)

                group.start_soon(run)
                await wire.send_frame.send(call(1, "test.write", what="slow", intent="first"))
                await wire.send_frame.send(call(2, "test.write", what="x", intent="never started"))
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        daemon.bench.gate.set()
    assert daemon.bench.done == ["first"]
    wire.close()
    wire._frames.close()


async def test_finished_waits_for_what_runs_and_lets_calls_through_again() -> None:
    daemon = small_daemon()
    async with talking(daemon, drain=True) as (wire, conversation, lasting):
        await wire.send_frame.send(call(1))
        await anyio.wait_all_tasks_blocked()
        done: list[str] = []

        async def finish() -> None:
            await conversation.finished()
            done.append("finished")

        lasting.start_soon(finish)
        await anyio.wait_all_tasks_blocked()
        assert done == []
        daemon.bench.gate.set()
        await anyio.wait_all_tasks_blocked()
        assert done == ["finished"]
        await wire.send_frame.send(call(2, "test.blob", size=1))
    assert wire.ids() == [1, 2]


async def test_what_waits_for_nothing_is_answered_by_the_task_that_reads() -> None:
    daemon = small_daemon()
    async with talking(daemon, in_flight=2, drain=True, prompt=True) as (wire, conversation, _):
        for id in range(1, 20):
            await wire.send_frame.send(call(id, "test.now"))
        await wire.send_frame.send(call(20))
        await anyio.wait_all_tasks_blocked()
        assert wire.ids() == list(range(1, 20))
        assert conversation.session.running == 1
        await wire.send_frame.send(call(21, "test.now"))
        await anyio.wait_all_tasks_blocked()
        assert wire.ids()[-1] == 21
        daemon.bench.gate.set()
    assert wire.ids()[-1] == 20


async def test_it_waits_in_line_like_any_other_when_too_many_calls_run() -> None:
    daemon = small_daemon()
    async with talking(daemon, in_flight=1, waiting=2, drain=True) as (wire, _, _lasting):
        await wire.send_frame.send(call(1))
        await wire.send_frame.send(call(2, "test.now"))
        await anyio.wait_all_tasks_blocked()
        assert wire.ids() == []
        daemon.bench.gate.set()
    assert wire.ids() == [1, 2]


async def test_while_answers_wait_for_their_peer_the_reading_goes_on_for_cancels() -> None:
    daemon = small_daemon()
    async with talking(daemon, in_flight=2, waiting=2, outbox=(1, 10_000), drain=True, prompt=True) as (wire, _, _):
        wire.reads = anyio.Event()
        for id in range(4):
            await wire.send_frame.send(call(id, "test.now"))
        await wire.send_frame.send(call(9, "test.cancel", what="x", intent="cancel"))
        await anyio.wait_all_tasks_blocked()
        assert daemon.bench.done == ["cancel"]
        wire.reads.set()
    assert sorted(wire.ids()) == [0, 1, 2, 3, 9]


async def test_calls_that_came_together_leave_others_their_turn() -> None:
    daemon, wire, turns = small_daemon(), Wire(), list[int]()
    session = daemon.dispatcher.open_session(principal())
    limits = ConversationLimits(2, 8, 10_000)
    conversation = Conversation(daemon.dispatcher, session, wire.send, limits, send_now=wire.send_now)

    async def all_here_already() -> AsyncIterator[bytes]:
        for id in range(100):
            yield call(id, "test.now")

    async def other() -> None:
        while len(wire.answers) < 100:
            turns.append(len(wire.answers))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await conversation.run(all_here_already(), drain=True)
    assert max(later - earlier for earlier, later in pairwise(turns)) <= conversation_module.MAX_UNBROKEN
    wire.close()
    wire._frames.close()


async def test_an_outbox_sends_at_once_while_nothing_is_before_a_message() -> None:
    keeps_up, sent = True, list[bytes]()

    def send_now(message: bytes) -> bool:
        if keeps_up:
            sent.append(message)
        return keeps_up

    outbox = Outbox(2, 100, send_now)
    await outbox.put(b"1")
    keeps_up = False
    await outbox.put(b"2")
    keeps_up = True
    await outbox.put(b"3")
    assert (sent, len(outbox)) == ([b"1"], 2)
    for message in (b"2", b"3"):
        assert await outbox.first() == message
        outbox.sent()
    await outbox.put(b"4")
    assert sent == [b"1", b"4"]
    outbox.close()
    await outbox.put(b"late")
    assert sent == [b"1", b"4"]


async def test_an_outbox_closed_while_a_message_is_on_its_way_stays_empty() -> None:
    """The sender may come back from the socket after the session has ended."""
    outbox = Outbox(2, 100)
    await outbox.put(b"message")
    assert await outbox.first() == b"message"
    outbox.close()
    outbox.sent()
    await outbox.put(b"late")
    assert (len(outbox), outbox.queued_bytes) == (0, 0)
    await outbox.empty()


async def test_one_message_beyond_the_bound_passes_alone() -> None:
    outbox = Outbox(2, 10)
    await outbox.put(b"x" * 50)
    with anyio.move_on_after(0) as full:
        await outbox.put(b"y")
    assert full.cancelled_caught
    outbox.sent()
    await outbox.put(b"y")
    assert outbox.queued_bytes == 1


@given(st.lists(st.integers(0, 30) | st.just("send"), max_size=40))
async def test_an_outbox_never_exceeds_its_bound_and_loses_nothing(moves: list[int | str]) -> None:
    outbox, sent = Outbox(3, 40), list[bytes]()
    puts: list[bytes] = []

    async with anyio.create_task_group() as group:
        for number, move in enumerate(moves):
            if isinstance(move, int):
                puts.append(bytes([number]) * move)
                group.start_soon(outbox.put, puts[-1])
            elif len(outbox):
                sent.append(await outbox.first())
                outbox.sent()
            await anyio.lowlevel.checkpoint()
            assert len(outbox) <= 3
            assert outbox.queued_bytes <= 40
        while len(sent) < len(puts):
            sent.append(await outbox.first())
            outbox.sent()
            assert outbox.queued_bytes <= 40
    assert sorted(sent) == sorted(puts)
    assert outbox.queued_bytes == 0


async def test_a_bot_in_debt_runs_fewer_calls_at_once() -> None:
    budget = BudgetLimits(decay_per_s=1e-3, soft=10, hard=1_000, longest_wait_s=1e9)
    daemon = small_daemon(limits=replace(LIMITS, budget=budget))
    daemon.dispatcher.open_session(principal()).budget.charge(1_000, anyio.current_time())
    with anyio.CancelScope() as scope:
        async with talking(daemon, in_flight=4, waiting=10) as (wire, _, _lasting):
            for id in range(3):
                await wire.send_frame.send(call(id))
            await wire.send_frame.send(call(9, "test.cancel", what="x", intent="c"))
            await anyio.wait_all_tasks_blocked()
            assert (daemon.bench.waiting, daemon.bench.done, wire.ids()) == (1, ["c"], [9])
            scope.cancel()


async def test_a_session_over_budget_hears_so_and_is_hung_up_on_and_its_cancels_are_still_sent() -> None:
    budget = BudgetLimits(decay_per_s=1e-3, soft=10, hard=100)
    daemon = small_daemon(limits=replace(LIMITS, budget=budget))
    async with talking(daemon, drain=True) as (wire, conversation, _):
        conversation.session.budget.charge(101, anyio.current_time())
        await wire.send_frame.send(call(1, "test.blob", size=1))
        await anyio.wait_all_tasks_blocked()
        assert [orjson.loads(answer)["error"]["code"] for answer in wire.answers] == [-32012]
        assert wire.hung_up == 1
        await wire.send_frame.send(call(2, "test.write", what="x", intent="not any more"))
        await wire.send_frame.send(call(3, "test.cancel", what="x", intent="cancelled"))
        await anyio.wait_all_tasks_blocked()
        assert daemon.bench.done == ["cancelled"]
        assert wire.hung_up == 1


async def test_a_session_over_budget_is_hung_up_on_though_it_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_module, "LAST_WORDS_S", 0.0)
    daemon = small_daemon(limits=replace(LIMITS, budget=BudgetLimits(soft=10, hard=100)))
    async with talking(daemon, drain=False) as (wire, conversation, _):
        wire.reads = anyio.Event()
        conversation.session.budget.charge(1e9, anyio.current_time())
        await wire.send_frame.send(b"{")
        await until(lambda: wire.hung_up == 1)
