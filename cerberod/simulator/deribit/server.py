"""The sockets of one environment: WebSocket and HTTP JSON-RPC on one port, as the venue serves them.

Thin: it reads frames and bodies, gives each request to `Environment.serve`, and owns the connections' lives. Requests
of one connection are answered in order, as the venue does. A reader too slow for its notifications is disconnected.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import anyio
from aiohttp import WSCloseCode, WSMsgType, web
from anyio.abc import TaskGroup

from cerberod.simulator.deribit.environment import Caller, Environment
from cerberod.simulator.deribit.session import Session
from cerberod.simulator.deribit.wire import FRAME_LIMIT, Answer, Request, VenueError, read_request
from cerberod.simulator.faults import Fault, Verb
from cerberod.simulator.listening import listening

WEBSOCKET_PATH: Final = "/ws/api/v2"
HTTP_PATH: Final = "/api/v2"

_READ_LIMIT = 4 * 1024 * 1024  # far above the venue's own limit, which is answered and not cut off
_OUTBOX = 4_096
_TICK_S = 0.25


class DeribitServer:
    """The listener of one environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._connections: dict[str, Connection] = {}
        self._numbers = count(1)

    @property
    def connections(self) -> int:
        """How many WebSockets are open."""
        return len(self._connections)

    def drop(self) -> int:
        """Cut every WebSocket now, without a closing handshake; return how many there were."""
        dropped = list(self._connections.values())
        for connection in dropped:
            connection.cut()
        return len(dropped)

    @asynccontextmanager
    async def listen(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve until the context ends; yield the port."""
        app = web.Application(client_max_size=_READ_LIMIT)
        app.router.add_get(WEBSOCKET_PATH, self._websocket)
        app.router.add_route("*", HTTP_PATH, self._http)
        app.router.add_route("*", HTTP_PATH + "/{method:.*}", self._http)
        async with listening(app, host, port) as bound:
            yield bound
            for connection in list(self._connections.values()):
                connection.close()

    # WebSocket

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        fault = self.environment.faults.plan.at_connecting(self.environment.name, http=False)
        if fault is not None:
            return _turned_away(fault, request)
        ws = web.WebSocketResponse(max_msg_size=_READ_LIMIT, compress=False, timeout=1.0)
        await ws.prepare(request)
        name = f"{self.environment.name}-{next(self._numbers)}"
        connection = Connection(name, ws, request, self.environment)
        self._connections[name] = connection
        self.environment.opened(connection.session)
        try:
            await connection.run()
        finally:
            del self._connections[name]
            self.environment.closed(connection.session)
        return ws

    # HTTP

    async def _http(self, request: web.Request) -> web.StreamResponse:
        faults = self.environment.faults
        fault = faults.plan.at_connecting(self.environment.name, http=True)
        if fault is not None:
            return _turned_away(fault, request)
        way = HttpWay(request)
        try:
            call, caller = await _read_http(request)
        except VenueError as error:
            await way.answer(self.environment.refuse(error))
        else:
            await self.environment.serve(call, caller, way)
        if way.response is None:
            if not way.is_cut:
                await faults.hold(None)
                way.cut()
            return web.Response()
        return way.response


def _turned_away(fault: Fault, request: web.Request) -> web.Response:
    """Give the answer of a connection that the fault plan lets nobody have."""
    if fault.verb is Verb.STATUS:
        return _status(fault.status or 500)
    _abort(request)
    return web.Response()


def _status(status: int) -> web.Response:
    text = f"<html><title>{status}</title></html>"
    return web.Response(text=text, status=status, content_type="text/html")


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


class HttpWay:
    """The way back of one HTTP request."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response: web.StreamResponse | None = None
        self.is_cut = False

    async def answer(self, answer: Answer) -> None:
        """Answer; HTTP has room for one answer, the first."""
        if self.response is None:
            status = 400 if answer.refused else 200
            self.response = web.Response(body=answer.body, status=status, content_type="application/json")

    async def garbage(self, data: bytes) -> None:
        self.response = web.Response(body=data, content_type="application/json")

    async def half(self, answer: Answer) -> None:
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self.response.content_length = len(answer.body)
        await self.response.prepare(self._request)
        await self.response.write(answer.body[: len(answer.body) // 2])
        if self._request.transport is not None:
            self._request.transport.close()

    async def status(self, status: int) -> None:
        self.response = _status(status)

    async def later(self, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await send()

    async def silence(self) -> None:
        return

    def cut(self) -> None:
        self.is_cut = True
        _abort(self._request)

    def end(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class _Half:
    """A frame that breaks off in its middle."""

    frame: bytes


class Connection:
    """One WebSocket: reads and answers in order, sends notifications from a bounded outbox, beats its heart.

    A session that wants to end only says so; the frames queued before that still go out, then the socket closes. It is
    also the `Way` of its requests.
    """

    def __init__(self, name: str, ws: web.WebSocketResponse, request: web.Request, environment: Environment) -> None:
        self._ws = ws
        self._request = request
        self._environment = environment
        self._push, self._pull = anyio.create_memory_object_stream[bytes | _Half](_OUTBOX)
        self._ending = False
        self._mute = False
        self._tasks: TaskGroup | None = None
        self.session = Session(name, self._notify, self.end)

    def end(self) -> None:
        """Close once what is queued is out."""
        self._ending = True

    def _notify(self, frame: bytes) -> None:
        if self._mute:
            return
        try:
            self._push.send_nowait(frame)
        except anyio.WouldBlock:  # connection_too_slow
            self.cut()
        except anyio.ClosedResourceError:
            return

    def cut(self) -> None:
        """End the connection as a broken network would."""
        _abort(self._request)

    def close(self) -> None:
        """Take no more requests, send what is queued, then close."""
        self._ending = True
        self._push.close()

    async def run(self) -> None:
        """Serve until either side ends the connection."""
        with self._push, self._pull:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                tasks.start_soon(self._write, tasks.cancel_scope)
                tasks.start_soon(self._beat)
                await self._read()
                tasks.cancel_scope.cancel()

    async def _read(self) -> None:
        caller = Caller(address=self._request.remote or "", session=self.session)
        async for message in self._ws:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not self._ending:
                await self._take(message.data, caller)
                self._close_if_ending()

    async def _take(self, raw: str | bytes, caller: Caller) -> None:
        try:
            request = read_request(raw)
        except VenueError as error:
            await self.answer(self._environment.refuse(error))
            return
        if self._mute:
            self._environment.note(request, caller)
            return
        await self._environment.serve(request, caller, self)

    # The way back of its requests

    async def answer(self, answer: Answer) -> None:
        """Queue an answer."""
        await self._queue(answer.body)

    async def garbage(self, data: bytes) -> None:
        await self._queue(data)

    async def half(self, answer: Answer) -> None:
        await self._queue(_Half(answer.body))

    async def status(self, status: int) -> None:
        """Do nothing: a status is of HTTP."""

    async def later(self, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(send)

    async def silence(self) -> None:
        self._mute = True

    async def _queue(self, frame: "bytes | _Half") -> None:
        if self._mute:
            return
        try:
            await self._push.send(frame)
        except anyio.ClosedResourceError:  # the connection was ended while this request was being answered
            return

    def _close_if_ending(self) -> None:
        if self._ending:
            self.close()

    async def _write(self, whole: anyio.CancelScope) -> None:
        try:
            async for frame in self._pull:
                if isinstance(frame, _Half):
                    self._break_off(frame.frame)
                    break
                await self._ws.send_str(frame.decode())
            else:
                await self._ws.close(code=WSCloseCode.GOING_AWAY)
        except (ConnectionError, RuntimeError):  # aiohttp tells a socket that is gone by either
            self.cut()
        whole.cancel()

    def _break_off(self, frame: bytes) -> None:
        """Send the head of a text frame and half of its body; the rest never comes."""
        size = len(frame)
        head = bytes([0x81, size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
        if size > 0xFFFF:
            head = b"\x81\x7f" + size.to_bytes(8, "big")
        if self._request.transport is not None:
            self._request.transport.write(head + frame[: size // 2])
            self._request.transport.close()

    async def _beat(self) -> None:
        while True:
            await anyio.sleep(_TICK_S)
            if self._mute:
                continue
            self.session.beat(self._environment.clock.monotonic())
            self.session.subscriptions.publish(self._environment.exchange)
            self._close_if_ending()


async def _read_http(request: web.Request) -> tuple[Request, Caller]:
    """Read a GET query, a GET with a JSON body, or a POST with a JSON-RPC body."""
    body = await request.read()
    path_method = request.match_info.get("method", "")
    if request.method not in ("GET", "POST"):
        raise VenueError(-32600, message="Invalid Request")
    if len(body) > FRAME_LIMIT:
        raise VenueError(-32600)
    signed = f"{request.method}\n{request.raw_path}\n{body.decode('utf-8', 'replace')}\n"
    caller = Caller(
        address=request.remote or "",
        authorization=request.headers.get("Authorization", ""),
        signed_text=signed,
        from_query=not body,
    )
    if not body:
        query: dict[str, Any] = dict(request.query)
        return Request(path_method, query, None, False), caller
    read = read_request(body)
    return Request(path_method or read.method, read.params, read.id, read.has_id), caller
