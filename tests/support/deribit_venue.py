"""A Deribit of a few lines that answers as a test scripts it, over real sockets: garbage, silence and lies included.

It decides nothing about the venue; every answer a test relies on is written in that test, from the fact sheet.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from cerberod.clock import Clock, SystemClock
from cerberod.ids import Environment
from cerberod.settings.secret import Secret
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit.client import Credentials, Deribit

CLIENT_ID = "an-id-of-a-key"
CLIENT_SECRET = "a-secret-that-is-never-sent"
CREDENTIALS = Credentials(Secret(CLIENT_ID), Secret(CLIENT_SECRET))
GRANTED = {
    "access_token": "1-access",
    "refresh_token": "1-refresh",
    "expires_in": 900,
    "scope": "account:read connection mainaccount trade:read_write",
    "token_type": "bearer",
}
SILENCE = object()
"""A request that is never answered."""
HANG_UP = object()
"""A request that is answered by cutting the connection."""


class Error(dict[str, Any]):
    """An error answer."""

    def __init__(self, code: int, **more: Any) -> None:
        super().__init__(code=code, message="text that must never be told", **more)


class Raw(bytes):
    """A frame sent as it is, instead of an answer."""


Script = Callable[[dict[str, Any]], Any]


class ScriptedVenue:
    """Records what it is asked and answers from `scripts`: a value, or a function of the params."""

    def __init__(self) -> None:
        self.scripts: dict[str, Any] = {
            "public/set_heartbeat": "ok",
            "public/auth": GRANTED,
            "public/test": {"version": "1.2.26"},
        }
        self.testnet: bool | None = True
        self.stamp: tuple[int, int] | None = None
        """What every answer is stamped with; the time it is unless a test says something else."""
        self.stamp_of: Callable[[], tuple[int, int] | None] = self._stamp
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.frames: list[str] = []
        self.connections: list[ServerConnection] = []
        self.url = ""
        self._changed = anyio.Event()

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Return the params of every request with this method so far."""
        return [params for name, params in self.received if name == method]

    async def seen(self, method: str, times: int = 1) -> dict[str, Any]:
        """Wait until a method was asked so many times; return the params of the last of them."""
        with anyio.fail_after(60):
            while len(self.asked(method)) < times:
                await self._changed.wait()
        return self.asked(method)[times - 1]

    async def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message nobody asked for."""
        await self.connections[-1].send(orjson.dumps(message).decode())

    def cut(self) -> None:
        """Cut every connection without a closing handshake."""
        for connection in self.connections:
            connection.transport.abort()

    def _stamp(self) -> tuple[int, int]:
        now_us = SystemClock().now_ms() * 1000
        return self.stamp or (now_us, now_us + 80)

    def envelope(self, id: object, answer: object) -> dict[str, Any]:
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": id}
        body["error" if isinstance(answer, Error) else "result"] = answer
        if (stamp := self.stamp_of()) is not None:
            body |= {"usIn": stamp[0], "usOut": stamp[1], "usDiff": stamp[1] - stamp[0]}
        if self.testnet is not None:
            body["testnet"] = self.testnet
        return body

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        try:
            async for frame in connection:
                assert isinstance(frame, str), "Deribit speaks in text frames"
                self.frames.append(frame)
                message = orjson.loads(frame)
                method, params = message["method"], message["params"]
                answer = self.scripts.get(method, Error(-32601))
                answer = answer(params) if callable(answer) else answer
                self.received.append((method, params))
                if answer is HANG_UP:
                    connection.transport.abort()
                elif isinstance(answer, Raw):
                    await connection.send(answer.decode())
                elif answer is not SILENCE:
                    await connection.send(orjson.dumps(self.envelope(message["id"], answer)).decode())
                self._changed.set()
                self._changed = anyio.Event()
        except ConnectionClosed:
            pass

    @asynccontextmanager
    async def listen(self, *, again: bool = False) -> AsyncIterator[Server]:
        """Serve until the context ends; `again` at the address of the last time."""
        port = urlsplit(self.url).port or 0 if again else 0
        async with serve(self._serve, "127.0.0.1", port, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"ws://127.0.0.1:{port}/ws/api/v2"
            yield server


@asynccontextmanager
async def scripted(**scripts: Any) -> AsyncIterator[ScriptedVenue]:
    """Run a scripted venue; a script's name has `__` where the method has `/`."""
    venue = ScriptedVenue()
    venue.scripts |= {name.replace("__", "/"): script for name, script in scripts.items()}
    async with venue.listen():
        yield venue


@asynccontextmanager
async def client_of(venue: ScriptedVenue, **options: Any) -> AsyncIterator[Deribit]:
    """Run a client of a scripted venue, with keys, and with deadlines that nothing meets unless told otherwise."""
    clock: Clock = options.pop("clock", None) or SystemClock()
    given: dict[str, Any] = {
        "url": venue.url,
        "environment": Environment.TESTNET,
        "credentials": CREDENTIALS,
        "clock": clock,
        "read_deadline_s": 60.0,
        "write_deadline_s": 60.0,
        "reconnect": Backoff(lambda: 0.0, first_s=0.005, cap_s=0.02),
    }
    deribit = Deribit(**(given | options))
    async with anyio.create_task_group() as group:
        await group.start(deribit.run)
        try:
            yield deribit
        finally:
            await deribit.aclose()


async def eventually(true: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds."""
    with anyio.fail_after(60):
        while not true():  # noqa: ASYNC110 - what is waited for has no event, and must not grow one for a test
            await anyio.sleep(0.002)
