"""A TCP link between two processes that goes wrong as a test says: the simulator's verbs, for any protocol.

It passes bytes and knows no frames. What goes wrong befalls the next bytes that come along in one direction; whoever
sends one message at a time says with that which message is meant.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketStream

GARBAGE: Final = b"\x00\xffthis is nobody's protocol\r\n\r\n"
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class Harm(StrEnum):
    """What befalls the next bytes of one direction."""

    CUT = "cut"
    """They are lost, and the connection with them."""
    HALF = "half"
    """Half of them arrives, then the connection is cut."""
    GARBAGE = "garbage"
    """Something else arrives in their place."""
    DROP = "drop"
    """They are lost; the connection stays."""
    HOLD = "hold"
    """They, and all that follows, wait until released."""


class Way:
    """One direction of every connection of a link."""

    def __init__(self) -> None:
        self._next: Harm | None = None
        self._released = anyio.Event()
        self._met = anyio.Event()

    def harm(self, harm: Harm) -> None:
        """Let the next bytes come to harm."""
        self._next, self._met, self._released = harm, anyio.Event(), anyio.Event()

    async def met(self) -> None:
        """Return once they have."""
        await self._met.wait()

    def release(self) -> None:
        """Let go what is held."""
        self._released.set()

    async def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """Return what arrives of some bytes, and whether the connection lives on."""
        harm, self._next = self._next, None
        if harm is None:
            return data, True
        self._met.set()
        match harm:
            case Harm.CUT:
                return b"", False
            case Harm.HALF:
                return data[: len(data) // 2], False
            case Harm.GARBAGE:
                return GARBAGE, True
            case Harm.DROP:
                return b"", True
            case Harm.HOLD:
                await self._released.wait()
                return data, True


class Link:
    """Where to connect to instead, and what goes wrong on the way there (`there`) and back (`back`)."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.there = Way()
        self.back = Way()
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def serve(self, near: SocketStream) -> None:
        """Connect one caller through, until either side ends."""
        async with near, await anyio.connect_tcp(*self._target) as far, anyio.create_task_group() as group:
            group.start_soon(self._pump, near, far, self.there, group.cancel_scope)
            group.start_soon(self._pump, far, near, self.back, group.cancel_scope)

    async def _pump(self, source: SocketStream, sink: SocketStream, way: Way, ending: anyio.CancelScope) -> None:
        lives = True
        with suppress(*_BROKEN):
            while lives:
                data, lives = await way.pass_on(await source.receive())
                if data:
                    await sink.send(data)
        ending.cancel()


@asynccontextmanager
async def linked(host: str, port: int) -> AsyncIterator[Link]:
    """Run a link to a listener for the length of the block."""
    link = Link(host, port)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        link.port = listener.extra(SocketAttribute.local_port)
        group.start_soon(listener.serve, link.serve)
        yield link
        group.cancel_scope.cancel()
