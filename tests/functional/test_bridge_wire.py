"""The bridge between an agent's pipes and a running daemon: how it starts, carries, and ends."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import orjson
import pytest

from cerberod.ids import Environment
from cerberod.settings import Limits, Listen, Secret
from cerberod.transport import bridge as bridge_module
from cerberod.transport.bridge import BridgeEnded, bridge
from cerberod.transport.websocket import WebSocketListener
from tests.support.peers import ADMIN, MAINNET, TESTNET, PipePeer, dial, listener
from tests.support.small import Daemon, small_daemon

WRONG = Secret("w" * 40)
NOBODY = 1
"""A port that nobody listens on."""


@pytest.fixture
async def peer() -> AsyncIterator[PipePeer]:
    pipes = PipePeer()
    yield pipes
    pipes.close()


def call(id: int, method: str = "test.subtract", **params: object) -> bytes:
    given = params or {"minuend": 3, "subtrahend": 1}
    return orjson.dumps(
        {"jsonrpc": "2.0", "id": id, "method": method, "params": {} if method == "test.wait" else given}
    )


async def start(
    peer: PipePeer, port: int, token: Secret = TESTNET, env: Environment = Environment.TESTNET, **changes: Any
) -> None:
    await bridge(
        peer.wire,
        changes.pop("url", f"ws://127.0.0.1:{port}"),
        token,
        changes.pop("bot_tag", "agent"),
        env,
        Limits(handshake_s=60.0, read_deadline_s=60.0),
        **changes,
    )


async def ended(peer: PipePeer, port: int, *given: Any, **changes: Any) -> tuple[int, str]:
    with pytest.raises(BridgeEnded) as caught, anyio.fail_after(60):
        await start(peer, port, *given, **changes)
    return caught.value.exit_code, str(caught.value)


async def test_at_the_end_of_input_all_is_answered_first(peer: PipePeer) -> None:
    daemon = small_daemon()
    async with listener(daemon) as at, anyio.create_task_group() as group:
        await peer.send(call(1, "test.wait"))
        await peer.send(call(2))
        peer.end_input()
        group.start_soon(start, peer, at.port)
        assert orjson.loads(await peer.receive())["id"] == 2
        assert at.sessions()[0].principal.bot_tag == "agent"
        daemon.bench.gate.set()
        assert orjson.loads(await peer.receive())["id"] == 1


async def test_frames_are_passed_on_byte_for_byte(peer: PipePeer) -> None:
    async with listener(small_daemon()) as at, anyio.create_task_group() as group:
        group.start_soon(start, peer, at.port)
        await peer.send(b' { "id" : "\\u00e9" , "jsonrpc":"2.0","method":"test.echo","params":{"text":"\xc3\xa9"} } ')
        answer = await peer.receive()
        assert answer == (
            '{"jsonrpc":"2.0","id":"é","result":{"text":"é","environment":"testnet","bot_tag":"agent"}}'.encode()
        )
        peer.end_input()


@pytest.mark.parametrize(
    ("given", "changes", "code", "word"),
    [
        ((WRONG,), {}, 78, "CERBEROD_TOKEN"),
        ((ADMIN,), {}, 78, "operator"),
        ((TESTNET,), {"bot_tag": " "}, 78, "bot tag"),
        ((TESTNET, Environment.MAINNET), {}, 78, "--env is mainnet"),
        ((MAINNET, Environment.TESTNET), {}, 78, "--env is testnet"),
        ((TESTNET,), {"url": "http://localhost:1"}, 78, "CERBEROD_URL"),
    ],
)
async def test_what_is_wrong_is_told_in_one_line(
    peer: PipePeer, given: tuple[Any, ...], changes: dict[str, Any], code: int, word: str
) -> None:
    daemon = small_daemon()
    await peer.send(call(1, "test.write", what="x", intent="i"))
    async with listener(daemon) as at:
        exit_code, message = await ended(peer, at.port, *given, **changes)
    assert exit_code == code
    assert word in message
    assert "\n" not in message
    assert not any(token.reveal() in message for token in (TESTNET, MAINNET, ADMIN, WRONG))
    assert daemon.bench.done == []


async def test_a_path_and_a_strange_host_are_told_too(peer: PipePeer) -> None:
    async with listener(small_daemon()) as at:
        code, message = await ended(peer, at.port, url=f"ws://127.0.0.1:{at.port}/rpc")
        assert (code, "path" in message) == (78, True)
    async with listener(small_daemon(), listen=Listen(port=0)) as at:
        at._door.hosts._allowed = frozenset()  # as if the daemon were bound to another name
        code, message = await ended(peer, at.port)
        assert (code, "ALLOWED_HOSTS" in message) == (78, True)


async def test_no_daemon_and_a_full_one_are_unavailable(peer: PipePeer) -> None:
    assert (await ended(peer, NOBODY))[0] == 69
    async with listener(small_daemon(), limits=Limits(sessions=1)) as at, dial(at.port):
        code, message = await ended(peer, at.port)
        assert (code, "503" in message) == (69, True)


async def lost(daemon: Daemon, peer: PipePeer, at: WebSocketListener) -> tuple[int, str]:
    """Take the daemon away while a write and a read run."""
    result: list[tuple[int, str]] = []

    async def run() -> None:
        result.append(await ended(peer, at.port))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await peer.send(call(1, "test.write", what="slow", intent="i"))
        await peer.send(call(2, "test.wait"))
        while daemon.bench.waiting < 2:
            await daemon.bench.arrived.wait()
        await at.close_sessions(grace_s=0.0)
    return result[0]


async def test_when_the_daemon_is_lost_nothing_is_answered_in_its_name(peer: PipePeer) -> None:
    daemon = small_daemon()
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        async with listener(daemon) as at:
            code, message = await lost(daemon, peer, at)
        daemon.bench.gate.set()
    assert code == 69
    assert "2 unanswered" in message
    assert "orders.get_outcome" in message
    with anyio.move_on_after(0.05) as nothing:
        await peer.receive()
    assert nothing.cancelled_caught
    assert daemon.bench.done == ["i"]


async def test_a_daemon_that_owes_answers_is_not_waited_for_forever(peer: PipePeer) -> None:
    daemon = small_daemon()
    async with listener(daemon) as at:
        await peer.send(call(1, "test.wait"))
        peer.end_input()
        code, message = await ended(peer, at.port, drain_s=0.05)
    assert (code, "1 unanswered" in message) == (69, True)


async def test_when_nobody_reads_the_answers_the_bridge_ends(peer: PipePeer) -> None:
    async with listener(small_daemon()) as at:
        peer.stop_reading()
        await peer.send(call(1))
        assert (await ended(peer, at.port))[0] == 74


async def test_when_the_parent_is_gone_the_input_has_ended(peer: PipePeer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once() -> None:
        return

    monkeypatch.setattr(bridge_module, "parent_gone", at_once)
    async with listener(small_daemon()) as at:
        with anyio.fail_after(60):
            await start(peer, at.port)
