"""The simulated Deribit without sockets: its real exchange and fault plan, a frame at a time, over lines of memory.

What the venue's client holds for a WebSocket is a `Line`. Frames take their time on the way, in both directions, and
what was sent arrives even when the sender has died meanwhile.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from random import Random  # noqa: TID251 - seeded
from typing import Any

import anyio
from anyio.abc import TaskGroup
from websockets.exceptions import ConnectionClosedError
from websockets.protocol import State

from cerberod.simulator.deribit.environment import Caller, Environment
from cerberod.simulator.deribit.session import Session
from cerberod.simulator.deribit.wire import Answer, read_request

_BEAT_S = 2.0
_STALLS = 0.01
"""Which part of the frames takes long."""
_STALL_S = 4.0
_STRAY_S = 10.0
"""How long what was sent may be under way after its sender is gone."""


class MemoryVenue:
    """One environment's listener. Its `connect` stands where the client's own would."""

    def __init__(self, environment: Environment, group: TaskGroup, seeded: Random, slowest_s: float) -> None:
        self.environment = environment
        self.group = group
        self.seeded = seeded
        self.slowest_s = slowest_s
        self.lines: list[Line] = []
        self._numbers = count(1)

    async def connect(self, url: str, **options: Any) -> "Line":
        """Open a line, unless the fault plan lets nobody in."""
        await anyio.sleep(self.seeded.uniform(0, self.slowest_s))
        if self.environment.faults.plan.at_connecting(self.environment.name, http=False) is not None:
            raise ConnectionRefusedError
        line = Line(self, f"line-{next(self._numbers)}")
        self.lines.append(line)
        self.group.start_soon(line.serve)
        self.group.start_soon(line.beat)
        return line

    def drop(self) -> None:
        """Cut every line."""
        for line in list(self.lines):
            line.cut()


class Line:
    """One connection: the client's socket on one side, the way back of its requests on the other."""

    def __init__(self, venue: MemoryVenue, name: str) -> None:
        self._venue = venue
        self._there, self._arrived = anyio.create_memory_object_stream[bytes](10_000)
        self._back, self._heard = anyio.create_memory_object_stream[bytes](10_000)
        self._mute = False
        self.state = State.OPEN
        self.session = Session(name, self._say, self.end)

    # The client's side

    async def send(self, frame: bytes, text: bool = True) -> None:
        if self.state is not State.OPEN:
            raise ConnectionClosedError(None, None)
        self._there.send_nowait(frame)

    async def recv(self) -> bytes:
        try:
            frame = await self._heard.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            raise ConnectionClosedError(None, None) from None
        await self._delay()
        return frame

    async def close(self) -> None:
        """Hang up: what was sent still arrives, and no answer is heard."""
        self.state = State.CLOSED
        self._there.close()
        self._heard.close()

    # The venue's side

    async def serve(self) -> None:
        """Take request after request, as a venue does, until nothing more comes."""
        caller = Caller(address="127.0.0.1", session=self.session)
        environment = self._venue.environment
        with self._there, self._arrived, self._back, suppress(anyio.ClosedResourceError):
            async for frame in self._arrived:
                await self._delay()
                request = read_request(frame)
                if self._mute:
                    environment.note(request, caller)
                else:
                    await environment.serve(request, caller, self)
        environment.authority.end_connection(self.session.id)
        if self in self._venue.lines:
            self._venue.lines.remove(self)

    async def beat(self) -> None:
        while self.state is State.OPEN:
            await anyio.sleep(_BEAT_S)
            if not self._mute:
                self.session.beat(self._venue.environment.clock.monotonic())

    async def _delay(self) -> None:
        """Take the time of one frame on its way: a line may stall, and one that is hung up delivers when it likes."""
        seeded, longest_s = self._venue.seeded, self._venue.slowest_s
        if self.state is State.CLOSED:
            longest_s = _STRAY_S
        elif seeded.random() < _STALLS:
            longest_s = _STALL_S
        await anyio.sleep(seeded.uniform(0, longest_s))

    def _say(self, frame: bytes) -> None:
        if not self._mute:
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # nobody hears it any more
                self._back.send_nowait(frame)

    async def answer(self, answer: Answer) -> None:
        self._say(answer.body)

    async def garbage(self, data: bytes) -> None:
        self._say(data)

    async def half(self, answer: Answer) -> None:
        self.cut()

    async def status(self, status: int) -> None:
        return

    async def later(self, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._venue.group.start_soon(send)

    async def silence(self) -> None:
        self._mute = True

    def cut(self) -> None:
        """Lose the connection, and what is on its way in both directions."""
        self.state = State.CLOSED
        self._there.close()
        self._arrived.close()
        self._back.close()
        self._heard.close()

    def end(self) -> None:
        """Close once what was said is heard."""
        self.state = State.CLOSING
        self._there.close()
        self._back.close()
