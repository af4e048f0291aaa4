"""The far end of a conversation with a daemon of `small`: over memory, a WebSocket, pipes, or a bridge between both."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import anyio
from websockets.asyncio.client import ClientConnection, connect

from cerberod.clock import SystemClock
from cerberod.ids import Environment
from cerberod.rpc.conversation import Conversation, ConversationLimits
from cerberod.settings import Limits, Listen, Secret
from cerberod.transport.auth import Authenticator
from cerberod.transport.bridge import bridge
from cerberod.transport.descriptors import Wire
from cerberod.transport.pipes import Reader
from cerberod.transport.stdio import StdioSession
from cerberod.transport.websocket import WebSocketListener
from tests.support.small import Daemon, principal

TESTNET = Secret("Kq8vT3mZx1Rb7Yw2Nc5Ld9Hf4Jg6Ps0AqEuXo")
MAINNET = Secret("mW2hB9tVc4Xn7Qz1Lk8Rd5Fy3Jp6GsT0oUaEi")
ADMIN = Secret("Zr5pN8xKd2Vm9Cq4Wt7Bh1Yf6Lj3GsU0eOiAa")
TOKENS = {"testnet": [TESTNET.digest()], "mainnet": [MAINNET.digest()], "admin": [ADMIN.digest()]}


class Peer(Protocol):
    """What a test says to a daemon and hears from it."""

    async def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes: ...


def listener(
    daemon: Daemon,
    *,
    limits: Limits | None = None,
    listen: Listen | None = None,
    tokens: dict[str, list[bytes]] = TOKENS,
) -> WebSocketListener:
    """Return a WebSocket listener on a free port of loopback; failing tokens do not wait unless limits say so."""
    return WebSocketListener(
        Listen(port=0) if listen is None else listen,
        Limits(failed_auth_pause_ms=0) if limits is None else limits,
        daemon.dispatcher,
        Authenticator(tokens),
        SystemClock(),
    )


def headers(token: Secret = TESTNET, bot_tag: str = "tester") -> dict[str, str]:
    """Return the headers of a good handshake."""
    return {"Authorization": f"Bearer {token.reveal()}", "X-Bot-Tag": bot_tag}


def dial(port: int, given: dict[str, str] | None = None, **changes: object) -> connect:
    """Return a client that connects to a listener; with good headers unless told otherwise."""
    return connect(
        f"ws://127.0.0.1:{port}/",
        additional_headers=headers() if given is None else given,
        compression=None,
        proxy=None,
        max_size=None,
        **changes,  # type: ignore[arg-type]  # options of the client, passed through
    )


class _WebSocketPeer:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: bytes) -> None:
        await self._connection.send(message, text=True)

    async def receive(self) -> bytes:
        message = await self._connection.recv()
        assert isinstance(message, str)
        return message.encode()


@asynccontextmanager
async def websocket_peer(daemon: Daemon) -> AsyncIterator[Peer]:
    """Speak over a real WebSocket."""
    async with listener(daemon) as listening, dial(listening.port) as connection:
        yield _WebSocketPeer(connection)


class _MemoryPeer:
    def __init__(self) -> None:
        self.to_daemon, self.frames = anyio.create_memory_object_stream[bytes](100)
        self.answers, self.from_daemon = anyio.create_memory_object_stream[bytes](100)

    async def send(self, message: bytes) -> None:
        await self.to_daemon.send(message)

    async def receive(self) -> bytes:
        return await self.from_daemon.receive()


@asynccontextmanager
async def memory_peer(daemon: Daemon) -> AsyncIterator[Peer]:
    """Speak to a conversation directly."""
    peer = _MemoryPeer()
    limits = Limits()
    session = daemon.dispatcher.open_session(principal())
    conversation = Conversation(
        daemon.dispatcher,
        session,
        peer.answers.send,
        ConversationLimits(limits.in_flight_per_session, limits.outbox_messages, limits.outbox_bytes),
    )
    with peer.to_daemon, peer.frames, peer.answers, peer.from_daemon:
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await conversation.run(aiter(peer.frames), drain=True)

            group.start_soon(run)
            yield peer
            peer.to_daemon.close()


class PipePeer:
    """Speaks to a stdio session over two pipes."""

    def __init__(self) -> None:
        daemon_reads, self._write_fd = os.pipe()
        self._read_fd, daemon_writes = os.pipe()
        self.wire = Wire(daemon_reads, daemon_writes)
        self._reader: Reader | None = None
        self._lines: AsyncIterator[bytes]

    async def send(self, message: bytes) -> None:
        await self.send_raw(message + b"\n")

    async def send_raw(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            count = await anyio.to_thread.run_sync(os.write, self._write_fd, rest, abandon_on_cancel=True)
            rest = rest[count:]

    async def receive(self) -> bytes:
        if self._reader is None:
            self._reader = Reader(self._read_fd)
            self._lines = self._reader.lines(1 << 30)
        return await anext(self._lines)

    def end_input(self) -> None:
        """Close the daemon's stdin."""
        os.close(self._write_fd)
        self._write_fd = -1

    def stop_reading(self) -> None:
        """Close the far end of the daemon's stdout, of which nothing has been read: a reader would hold it open."""
        assert self._reader is None
        os.close(self._read_fd)
        self._read_fd = -1

    def close(self) -> None:
        """Close what is still open."""
        if self._reader is not None:
            self._reader.close()
        for fd in (self._write_fd, self._read_fd, self.wire.read_fd, self.wire.write_fd):
            if fd >= 0:
                os.close(fd)


@asynccontextmanager
async def stdio_peer(daemon: Daemon) -> AsyncIterator[Peer]:
    """Speak over real pipes."""
    peer = PipePeer()
    session = StdioSession(peer.wire, Limits(), daemon.dispatcher, principal(transport="stdio"), SystemClock())
    async with anyio.create_task_group() as group:
        group.start_soon(session.run)
        yield peer
        peer.end_input()
    peer.close()


@asynccontextmanager
async def bridge_peer(daemon: Daemon) -> AsyncIterator[Peer]:
    """Speak over real pipes to a bridge, and through it over a real WebSocket."""
    peer = PipePeer()
    async with listener(daemon) as at, anyio.create_task_group() as group:

        async def run() -> None:
            url = f"ws://127.0.0.1:{at.port}"
            await bridge(peer.wire, url, TESTNET, "tester", Environment.TESTNET, Limits())

        group.start_soon(run)
        yield peer
        peer.end_input()
    peer.close()


PEERS: dict[str, Callable[[Daemon], AbstractAsyncContextManager[Peer]]] = {
    "memory": memory_peer,
    "websocket": websocket_peer,
    "stdio": stdio_peer,
    "bridge": bridge_peer,
}
