"""A Bybit of a few lines that answers as a test scripts it, over real sockets: garbage, silence and lies included.

It decides nothing about the venue; every answer a test relies on is written in that test, from the fact sheet.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import anyio
import orjson
from aiohttp import web

from cerberod.clock import Clock, SystemClock
from cerberod.ids import Environment
from cerberod.settings.secret import Secret
from cerberod.venues.bybit.client import Bybit

API_KEY = "KEY123"
API_SECRET = "SECRET456"
TIME = "/v5/market/time"
TICKERS = "/v5/market/tickers"
REALTIME = "/v5/order/realtime"
CREATE = "/v5/order/create"
INFO = "/v5/account/info"
SILENCE = object()
"""A request that is never answered."""
HANG_UP = object()
"""A request that is answered by cutting the connection."""


@dataclass(frozen=True)
class Refusal:
    """An answer with a code of the venue's."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """A result with more around it than usual."""

    result: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Members of the envelope in place of the usual ones."""


@dataclass(frozen=True)
class Raw:
    """A body sent as it is."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    payload: str
    """The query exactly as it stood on the wire, or the body."""
    headers: Mapping[str, str]

    @property
    def params(self) -> dict[str, Any]:
        """What it asks."""
        if self.method == "POST":
            found: dict[str, Any] = orjson.loads(self.payload)
            return found
        return dict(parse_qsl(self.payload, keep_blank_values=True))


class ScriptedBybit:
    """Records what it is asked and answers from `scripts` by path: a result, or a function of the request."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ahead_ms = 0
        """How far its clock is ahead of the test's."""
        self.scripts: dict[str, Any] = {TIME: self._time, INFO: {"unifiedMarginStatus": 5}}
        self.received: list[Asked] = []
        self.url = ""
        self._changed = anyio.Event()

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms() + self.ahead_ms

    def asked(self, path: str) -> list[Asked]:
        """Return every request to a path so far."""
        return [request for request in self.received if request.path == path]

    async def seen(self, path: str, times: int = 1) -> Asked:
        """Wait until a path was asked so many times; return the last of them."""
        with anyio.fail_after(60):
            while len(self.asked(path)) < times:
                await self._changed.wait()
        return self.asked(path)[times - 1]

    def _time(self, asked: Asked) -> Any:
        return {"timeSecond": str(self.now_ms // 1000), "timeNano": f"{self.now_ms}000000"}

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        path, _, query = request.raw_path.partition("?")
        payload = body.decode() if request.method == "POST" else query
        asked = Asked(request.method, path, payload, dict(request.headers))
        script = self.scripts.get(path, Raw(b"not found", 404))
        answer = script(asked) if callable(script) else script
        self.received.append(asked)
        self._changed.set()
        self._changed = anyio.Event()
        if answer is HANG_UP:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(3600)
        if answer is SILENCE:
            await asyncio.sleep(3600)
        if isinstance(answer, Raw):
            return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        return self._enveloped(answer)

    def _enveloped(self, answer: Any) -> web.Response:
        told = answer if isinstance(answer, Told | Refusal) else Told(answer)
        envelope: dict[str, Any] = {"retCode": 0, "retMsg": "OK", "result": {}, "retExtInfo": {}, "time": self.now_ms}
        if isinstance(told, Refusal):
            envelope |= {"retCode": told.code, "retMsg": "text that must never be told"}
        else:
            envelope |= {"result": told.result, **told.beside}
        return web.Response(body=orjson.dumps(envelope), headers=told.headers, content_type="application/json")

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        """Serve until the context ends."""
        app = web.Application(client_max_size=1 << 22)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.01, access_log=None, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield
        finally:
            await runner.cleanup()


@asynccontextmanager
async def scripted(
    scripts: Mapping[str, Any] | None = None, clock: Clock | None = None
) -> AsyncIterator[ScriptedBybit]:
    """Run a scripted venue."""
    venue = ScriptedBybit(clock or SystemClock())
    venue.scripts |= scripts or {}
    async with venue.listen():
        yield venue


@asynccontextmanager
async def client_of(venue: ScriptedBybit, **options: Any) -> AsyncIterator[Bybit]:
    """Run a client of a scripted venue, with keys, and with deadlines that nothing meets unless told otherwise."""
    given: dict[str, Any] = {
        "url": venue.url,
        "environment": Environment.TESTNET,
        "api_key": Secret(API_KEY),
        "api_secret": Secret(API_SECRET),
        "clock": venue.clock,
        "read_deadline_s": 60.0,
        "write_deadline_s": 60.0,
        "chance": lambda: 0.0,
    }
    bybit = Bybit(**(given | options))
    async with anyio.create_task_group() as group:
        await group.start(bybit.run)
        await bybit.prepare()
        try:
            yield bybit
        finally:
            await bybit.aclose()
            group.cancel_scope.cancel()


class Mark:
    """Counts how often a write was marked as sent."""

    def __init__(self) -> None:
        self.times = 0

    def mark(self) -> None:
        self.times += 1
