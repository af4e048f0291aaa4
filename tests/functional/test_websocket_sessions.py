"""What holds for a WebSocket session once it is open (faults.md 29, 34, 39, 44) and how it ends."""

import gc
import os
import socket
import struct
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import anyio
import anyio.lowlevel
import orjson
import pytest
from anyio.abc import SocketAttribute, SocketStream
from websockets.exceptions import ConnectionClosed
from websockets.protocol import Event

from cerberod.rpc.limits import BudgetLimits
from cerberod.settings import Limits
from cerberod.transport import connection as connection_module
from cerberod.transport import websocket
from cerberod.transport.connection import PIECE, PeerConnection
from tests.support.peers import TESTNET, dial, listener
from tests.support.raw import close_code, frame, upgrade
from tests.support.small import LIMITS, Daemon, small_daemon
from tests.support.turns import until

HANDSHAKE = upgrade(f"Authorization: Bearer {TESTNET.reveal()}", "X-Bot-Tag: tester")
SMALL = Limits(request_bytes=2048)


def call(id: int | str, method: str, **params: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


SUBTRACT = call("s", "test.subtract", minuend=3, subtrahend=1)
DIFFERENCE = {"jsonrpc": "2.0", "id": "s", "result": {"difference": 2}}


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No client makes the daemon log anything above INFO, nor a trace."""
    yield
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")] == []
    assert not any(record.exc_info for record in caplog.records)


@pytest.fixture(autouse=True)
def quick_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for peers that do not close their side."""
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.2)


@asynccontextmanager
async def raw_session(port: int, *, behind: bytes = b"") -> AsyncIterator[SocketStream]:
    """Open a session by hand; `behind` is sent with the handshake in one piece."""
    with anyio.fail_after(60):
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(HANDSHAKE + behind)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await stream.receive(1)
            assert head.startswith(b"HTTP/1.1 101")
            yield stream


async def close_code_of(stream: SocketStream) -> int | None:
    """Read until the other side says that it closes."""
    received = b""
    while close_code(received) is None:
        received += await stream.receive()
    return close_code(received)


FRAMES = {
    "unmasked": (frame(b"{}", masked=False), 1002),
    "a reserved bit": (frame(b"{}", first=0xC1), 1002),
    "a reserved opcode": (frame(b"{}", first=0x83), 1002),
    "a stray continuation": (frame(b"{}", first=0x80), 1002),
    "a long ping": (frame(b"x" * 126, first=0x89), 1002),
    "a bad close": (frame(b"\x00", first=0x88), 1002),
    "a close code nobody may send": (frame(struct.pack("!H", 1005), first=0x88), 1002),
    "bad UTF-8": (frame(b'{"\xff":1}'), 1007),
    "twice the limit and more": (frame(b"x" * 4097), 1009),
    "ten thousand fragments": (frame(b"x", first=0x01) + frame(b"", first=0x00) * 10_000, 1009),
    "binary": (frame(SUBTRACT, first=0x82), 1003),
}


@pytest.mark.promise("P6")
@pytest.mark.parametrize("name", FRAMES)
async def test_bad_frames_end_the_session_with_their_code(name: str) -> None:
    sent, code = FRAMES[name]
    async with listener(small_daemon(), limits=SMALL) as at:
        async with raw_session(at.port) as stream:
            await stream.send(sent)
            assert await close_code_of(stream) == code
        await until(lambda: at.session_count() == 0)
        async with dial(at.port) as connection:
            await connection.send(SUBTRACT, text=True)
            assert orjson.loads(await connection.recv()) == DIFFERENCE


async def test_a_request_somewhat_too_big_is_answered_and_the_session_goes_on() -> None:
    async with listener(small_daemon(), limits=SMALL) as at, dial(at.port) as connection:
        await connection.send("x" * 4096)
        assert orjson.loads(await connection.recv())["error"]["code"] == -32007
        await connection.send(SUBTRACT, text=True)
        assert orjson.loads(await connection.recv()) == DIFFERENCE


async def test_what_is_sent_together_with_the_handshake_is_answered() -> None:
    behind = frame(SUBTRACT)
    async with listener(small_daemon()) as at, raw_session(at.port, behind=behind) as stream:
        received = b""
        while not received.endswith(orjson.dumps(DIFFERENCE)):
            received += await stream.receive()


async def test_a_peer_that_goes_away_before_its_verdict_harms_nobody() -> None:
    async with listener(small_daemon(), limits=Limits(failed_auth_pause_ms=50)) as at:
        for request in (HANDSHAKE, upgrade("Authorization: Bearer wrong"), b"GET / HTTP/1.1\r\n"):
            for reset in (True, False):
                async with await anyio.connect_tcp("127.0.0.1", at.port) as stream:
                    await stream.send(request)
                    if reset:
                        reset_on_close(stream)
                    else:
                        await stream.send_eof()
        await until(lambda: at.session_count() == 0)


def reset_on_close(stream: SocketStream) -> None:
    """Make the kernel say goodbye by RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def test_a_reset_during_a_reply_and_during_a_write() -> None:
    """faults.md 39, 44: the write is done and unheard, the reads are cancelled, nothing is traced."""
    daemon = small_daemon()
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        async with listener(daemon) as at:
            async with raw_session(at.port) as stream:
                big = b"".join(frame(call(id, "test.blob", size=8000)) for id in range(200))
                await stream.send(frame(call("w", "test.write", what="slow", intent="i")))
                await stream.send(frame(call("r", "test.wait")) + big)
                await until(lambda: daemon.bench.waiting == 2)
                await stream.receive(100)
                reset_on_close(stream)
            await until(lambda: daemon.bench.waiting == 1)
            assert daemon.bench.cancelled == 1
            daemon.bench.gate.set()
            await until(lambda: daemon.bench.done == ["i"])
            await until(lambda: at.session_count() == 0)


@pytest.mark.promise("P6")
async def test_pipelined_calls_beyond_the_limit_wait_in_the_socket() -> None:
    """faults.md 34: a bounded number is read; the rest stays with the sender; all are answered."""
    daemon = small_daemon()
    limits = Limits(in_flight_per_session=4)
    async with listener(daemon, limits=limits) as at, dial(at.port) as connection:
        count = 5_000

        async def ask() -> None:
            for id in range(count):
                await connection.send(call(id, "test.wait"), text=True)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: daemon.bench.waiting == 4)
            await anyio.wait_all_tasks_blocked()
            (view,) = at.sessions()
            assert view.in_flight < 100
            assert len(daemon.calls) == 0
            daemon.bench.gate.set()
            with anyio.fail_after(60):
                ids = {orjson.loads(await connection.recv())["id"] for _ in range(count)}
        assert ids == set(range(count))


@pytest.mark.promise("P6")
async def test_a_reader_that_stops_is_bounded_by_its_outbox_and_others_go_on() -> None:
    daemon = small_daemon()
    limits = Limits(outbox_messages=4, outbox_bytes=64 * 1024)
    async with listener(daemon, limits=limits) as at, raw_session(at.port) as stuck, dial(at.port) as good:
        asked = b"".join(frame(call(id, "test.blob", size=8000)) for id in range(2000))
        async with anyio.create_task_group() as group:
            group.start_soon(stuck.send, asked)
            await until(lambda: any(view.outbox_messages == 4 for view in at.sessions()))
            assert all(view.outbox_bytes <= 64 * 1024 for view in at.sessions())
            for _ in range(20):
                await good.send(SUBTRACT, text=True)
                assert orjson.loads(await good.recv()) == DIFFERENCE
            assert len(daemon.calls) < 2000
            group.cancel_scope.cancel()


@pytest.mark.promise("P6")
async def test_a_peer_that_answers_no_ping_is_closed() -> None:
    limits = Limits(ping_interval_s=0.05, ping_timeout_s=0.05)
    async with listener(small_daemon(), limits=limits) as at, raw_session(at.port) as stream:
        assert await close_code_of(stream) == 1011
        await until(lambda: at.session_count() == 0)


async def test_a_session_keeps_no_header_of_its_handshake() -> None:
    """The token above all: nothing needs it any more, and headers are a fifth of what an idle session takes."""
    async with listener(small_daemon()) as at, dial(at.port) as connection:
        await connection.send(call(1, "test.now"), text=True)
        assert orjson.loads(await connection.recv())["result"]["text"] == "now"
        [(ours, _)] = at._sessions
        assert ours.request is not None and ours.response is not None
        assert len(ours.request.headers) == len(ours.response.headers) == 0


async def test_what_is_answered_at_once_waits_for_a_peer_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the buffer of its socket answers queue like any other, and none is lost or sent twice."""
    monkeypatch.setattr(connection_module, "WRITE_BUFFER", 0)
    asked = 3_000
    async with listener(small_daemon()) as at, raw_session(at.port) as peer:
        await peer.send(b"".join(frame(call(id, "test.now")) for id in range(asked)))
        heard = b""
        while heard.count(b'"result"') < asked:
            heard += await peer.receive()
    ids = [int(part.partition(b",")[0]) for part in heard.split(b'"id":')[1:]]
    assert sorted(ids) == list(range(asked))


async def test_a_peer_that_pings_and_does_not_read_is_dropped() -> None:
    """faults.md 41: the library answers every ping at once, whether or not anybody takes the answers."""
    pings = frame(b"x" * 125, first=0x89) * 1000
    async with listener(small_daemon()) as at, raw_session(at.port) as flooding, dial(at.port) as good:
        with pytest.raises(anyio.BrokenResourceError):
            for _ in range(1000):
                await flooding.send(pings)
        await until(lambda: at.refusals["ping_flood"] == 1)
        await until(lambda: at.session_count() == 1)
        await good.send(SUBTRACT, text=True)
        assert orjson.loads(await good.recv()) == DIFFERENCE


@pytest.mark.parametrize("flood", [frame(b"", first=0x89), frame(b"x"), frame(b"")], ids=["pings", "garbage", "empty"])
async def test_of_a_flood_of_tiny_frames_a_piece_is_parsed_in_a_turn(flood: bytes) -> None:
    """faults.md 41: what one read of a socket brings may be thousands of frames, and others have their turns."""
    async with listener(small_daemon()) as at, raw_session(at.port) as flooding:
        await until(lambda: at.session_count() == 1)
        [(ours, _)] = at._sessions
        assert isinstance(ours, PeerConnection)
        turn, frames = 0, Counter[int]()
        process_event = ours.process_event

        def counted(event: Event) -> None:
            frames[turn] += 1
            process_event(event)

        ours.process_event = counted  # type: ignore[method-assign]  # the one place that every frame passes
        await flooding.send(flood * 500)
        while frames.total() < 500:
            turn += 1
            await anyio.lowlevel.checkpoint()
    assert max(frames.values()) <= PIECE // len(flood) + 1


async def test_a_good_call_gets_between_the_pieces_of_a_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many flood, what is parsed before a good client's answer is the pieces of a few turns of the loop."""
    pings, floods = 1_000, 20
    parsed = 0
    process_event = PeerConnection.process_event

    def counted(self: PeerConnection, event: Event) -> None:
        nonlocal parsed
        parsed += 1
        process_event(self, event)

    monkeypatch.setattr(PeerConnection, "process_event", counted)
    async with listener(small_daemon()) as at, AsyncExitStack() as stack:
        good, *flooding = [await stack.enter_async_context(raw_session(at.port)) for _ in range(floods + 1)]
        await until(lambda: at.session_count() == floods + 1)
        for peer in flooding:  # all of it is there before the loop has another turn
            os.write(peer.extra(SocketAttribute.raw_socket).fileno(), frame(b"", first=0x89) * pings)
        os.write(good.extra(SocketAttribute.raw_socket).fileno(), frame(call(1, "test.now")))
        assert b'"now"' in await good.receive()
        assert parsed < pings * floods / 4
        for peer in flooding:
            await pongs_from(peer, pings)


async def pongs_from(peer: SocketStream, count: int) -> None:
    """Wait until a flood is answered, which it is in the end."""
    heard = 0
    while heard < 2 * count:  # a pong without payload is two bytes
        heard += len(await peer.receive())


async def test_messages_are_taken_in_order_whichever_way_they_come() -> None:
    """One alone goes past the library; one in parts, one with others and one that is no ASCII go through it."""
    async with listener(small_daemon()) as at, raw_session(at.port) as peer:
        start, end = call(1, "test.now")[:20], call(1, "test.now")[20:]
        await peer.send(frame(start, first=0x01))
        await until(lambda: all(ours.recv_messages.get_in_progress for ours, _ in at._sessions))
        await peer.send(frame(end, first=0x80) + frame(call(2, "test.now")))
        await peer.send(frame(call(3, "test.now")))
        await peer.send(frame(call(4, "test.echo", text="é")))
        await peer.send(frame(call(5, "test.now")))
        heard = b""
        while heard.count(b'"result"') < 5:
            heard += await peer.receive()
    ids = [int(part.partition(b",")[0]) for part in heard.split(b'"id":')[1:]]
    assert [id for id in ids if id != 4] == [1, 2, 3, 5]
    assert "é".encode() in heard


async def test_a_big_message_is_taken_though_a_small_one_is_parsed_at_a_time() -> None:
    daemon = small_daemon(limits=replace(LIMITS, max_request_bytes=1 << 20, max_reply_bytes=1 << 20))
    async with listener(daemon) as at, dial(at.port) as connection:
        text = "x" * 900_000
        await connection.send(call(1, "test.echo", text=text), text=True)
        assert orjson.loads(await connection.recv())["result"]["text"] == text


async def test_a_peer_that_pings_and_reads_may_go_on() -> None:
    async with listener(small_daemon()) as at, dial(at.port) as connection:
        for _ in range(2_000):
            await connection.ping(None)
        await (await connection.ping())
        assert at.refusals == {}
        await connection.send(SUBTRACT, text=True)
        assert orjson.loads(await connection.recv()) == DIFFERENCE


async def closing(daemon: Daemon, grace_s: float) -> tuple[list[object], int | None]:
    """Close sessions while a call runs; return what the client heard and its close code."""
    heard: list[object] = []
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        async with listener(daemon) as at, dial(at.port) as connection:
            await connection.send(call(1, "test.write", what="slow", intent="i"), text=True)
            await until(lambda: daemon.bench.waiting == 1)
            at.stop_listening()
            with pytest.raises(OSError):
                await anyio.connect_tcp("127.0.0.1", at.port)
            async with anyio.create_task_group() as group:

                async def close() -> None:
                    await at.close_sessions(grace_s=grace_s)

                group.start_soon(close)
                await anyio.wait_all_tasks_blocked()
                if grace_s:
                    daemon.bench.gate.set()
                with suppress(ConnectionClosed):
                    while True:
                        heard.append(orjson.loads(await connection.recv()))
            daemon.bench.gate.set()
            code = connection.close_code
    return heard, code


async def test_sessions_are_ended_after_their_answers_are_sent() -> None:
    daemon = small_daemon()
    heard, code = await closing(daemon, 10.0)
    assert heard == [{"jsonrpc": "2.0", "id": 1, "result": {"outcome": "confirmed", "what": "slow"}}]
    assert code == 1001
    assert daemon.bench.done == ["i"]


@pytest.mark.promise("P7")
async def test_sessions_are_ended_in_bounded_time_and_writes_still_concluded() -> None:
    daemon = small_daemon()
    heard, code = await closing(daemon, 0.0)
    assert (heard, code) == ([], 1006)
    assert daemon.bench.done == ["i"]


async def test_a_peer_that_answers_no_close_is_cut_off() -> None:
    async with listener(small_daemon()) as at, raw_session(at.port) as stream:
        await until(lambda: at.session_count() == 1)
        with anyio.fail_after(60):
            await at.close_sessions(grace_s=0.1)
            assert await close_code_of(stream) == 1001
        await until(lambda: at.session_count() == 0)


async def test_a_view_of_each_session() -> None:
    daemon = small_daemon()
    async with listener(daemon) as at, dial(at.port) as connection:
        await connection.send(call(1, "test.wait"), text=True)
        await connection.send('{"jsonrpc":"2.0","id":9,"result":{}}')
        await until(lambda: daemon.bench.waiting == 1)
        await until(lambda: at.sessions()[0].ignored == 1)
        (view,) = at.sessions()
        assert (view.principal.actor, view.principal.bot_tag, view.in_flight) == ("testnet", "tester", 1)
        assert view.principal.user_agent.startswith("Python/")
        assert view.age_s >= 0
        daemon.bench.gate.set()
        await connection.recv()


async def test_a_thousand_sessions_opened_and_closed_leave_nothing() -> None:
    async with listener(small_daemon()) as at:
        for _ in range(20):
            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(open_and_close, at.port)
        await until(lambda: at.session_count() == 0)
        assert at.refusals == {}


async def test_a_session_that_is_gone_is_freed_at_once() -> None:
    """Held in a circle of references it would wait for the collector, while a thousand others take memory beside it."""
    gc.collect()
    gc.disable()
    try:
        async with listener(small_daemon()) as at:
            async with dial(at.port) as connection:
                await connection.send(call(1, "test.now"), text=True)
                await connection.send(SUBTRACT, text=True)
                await connection.recv()
                await connection.recv()
                left: list[Callable[[], object]] = [weakref.ref(ours) for ours, _ in at._sessions]
                left += [weakref.ref(session.conversation) for _, session in at._sessions if session.conversation]
                assert len(left) == 2
            await until(lambda: [gone() for gone in left] == [None, None])
    finally:
        gc.enable()


async def open_and_close(port: int) -> None:
    async with dial(port) as connection:
        await connection.send(SUBTRACT, text=True)
        assert orjson.loads(await connection.recv()) == DIFFERENCE


async def test_a_pong_behind_many_calls_is_waited_for() -> None:
    """Whoever sent more than is read in the time for a pong is not taken for dead while it is being read."""
    limits = Limits(ping_interval_s=0.05, ping_timeout_s=0.2, in_flight_per_session=1)
    budget = BudgetLimits(decay_per_s=200, soft=50, hard=100_000, longest_wait_s=10.0)
    daemon = small_daemon(limits=replace(LIMITS, budget=budget))
    async with listener(daemon, limits=limits) as at, dial(at.port) as connection:
        count = 300
        for id in range(count):
            await connection.send(call(id, "test.blob", size=10), text=True)
        ids = [orjson.loads(await connection.recv())["id"] for _ in range(count)]
        assert sorted(ids) == list(range(count))
