"""The listener of one environment: HTTP read in, handed to `Environment`, and spoiled if the fault plan says so."""

from asyncio import BaseTransport
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from cerberod.simulator.bybit.environment import Environment, Request
from cerberod.simulator.bybit.spoiling import cut, serve
from cerberod.simulator.bybit.wire import Answer
from cerberod.simulator.listening import listening

_READ_LIMIT = 1024 * 1024


class BybitServer:
    """The sockets of one environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._transports: set[BaseTransport] = set()

    @property
    def connections(self) -> int:
        """How many connections that carried a request are open."""
        self._transports = {t for t in self._transports if not t.is_closing()}
        return len(self._transports)

    def drop(self) -> int:
        """Cut every connection now; return how many there were."""
        count = self.connections
        for transport in self._transports:
            abort = getattr(transport, "abort", transport.close)
            abort()
        self._transports.clear()
        return count

    @asynccontextmanager
    async def listen(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve until the context ends; yield the port."""
        app = web.Application(client_max_size=_READ_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._http)
        async with listening(app, host, port) as bound:
            yield bound

    async def _http(self, request: web.Request) -> web.StreamResponse:
        environment = self.environment
        if request.transport is not None:
            self._transports = {t for t in self._transports if not t.is_closing()} | {request.transport}
        plan = environment.faults.plan
        if plan.at_connecting(environment.name, http=True) is not None:
            return cut(request)
        target, _, query = request.raw_path.encode("utf-8", "surrogateescape").partition(b"?")
        path = target.decode("utf-8", "replace")
        read = Request(request.method, path, query, await request.read(), request.headers, request.remote or "")
        environment.note(read)
        fault = plan.at_request(environment.name, path, http=True)

        async def act() -> Answer:
            return await environment.answer(read)

        return await serve(fault, request, act, environment.refuse, environment.faults)
