"""The HTTP side listener: health and readiness for deploys, metrics for monitors, the audit for the operator.

Reads only. It knows neither the audit nor the venues: what it shows, it asks of the functions it was given. Every
answer is JSON but the metrics; no request body is ever read; an error says which rule was broken and repeats nothing
that was sent.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import anyio
import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from cerberod.clock import Clock
from cerberod.errors import MESSAGES, Code
from cerberod.ids import Environment
from cerberod.settings import Limits, Listen
from cerberod.transport.auth import Authenticator, FailureTracker, Identity
from cerberod.transport.handshake import UNAUTHENTICATED, WRONG_HOST, Refusal
from cerberod.transport.perimeter import HostGuard, client_address, throttle_key
from cerberod.transport.readiness import Probe, Readiness, ask_all, conclude

logger = logging.getLogger("cerberod.http")

AuditReader = Callable[[Mapping[str, str], frozenset[Environment]], Awaitable[Mapping[str, Any]]]
"""Answers an audit query: its parameters as text, and the environments the asker may see."""

_MAX_CONNECTIONS = 256
_MAX_PARAMETERS = 32
_MAX_BODY = 4096
_MAX_HEADER = 16 * 1024
_MAX_AUDITS = 4
_LINGER_S = 1.0
_HEADERS = {
    "Server": "cerberod",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class ParameterRefused(Exception):
    """A query parameter that breaks its rule: which, and which rule. Raised by an `AuditReader`."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(rule)
        self.field = field
        self.rule = rule


class AuditUnreadable(Exception):
    """The audit cannot be read at the moment. Raised by an `AuditReader`."""


@dataclass(frozen=True, slots=True)
class Views:
    """What the listener shows; each is asked anew for every request."""

    phase: Callable[[], str]
    """`starting`, `ready` or `draining`."""
    can_record: Callable[[], bool]
    probes: Callable[[], Sequence[Probe]]
    audit: AuditReader
    metrics: Callable[[], bytes]
    """The metrics in Prometheus' text format."""


class HttpListener:
    """One listening socket for everything that is no session."""

    def __init__(
        self,
        listen: Listen,
        limits: Limits,
        authenticator: Authenticator,
        views: Views,
        clock: Clock,
        *,
        version: str,
        git_sha: str,
        ready_fails_on_degraded: bool = False,
        failures: FailureTracker | None = None,
    ) -> None:
        self.answers: Counter[int] = Counter()
        """Answers by status."""
        self.failures = FailureTracker(limits.failed_auth_pause_ms / 1000) if failures is None else failures
        self._listen = listen
        self._limits = limits
        self._authenticator = authenticator
        self._views = views
        self._clock = clock
        self._version = version
        self._git_sha = git_sha
        self._ready_fails_on_degraded = ready_fails_on_degraded
        self._hosts = HostGuard(listen.http_host, listen.allowed_hosts)
        self._audits = anyio.Semaphore(_MAX_AUDITS)
        self._routes: dict[str, Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            "/health": self._health,
            "/health/ready": self._ready,
            "/admin/audit": self._audit,
            "/metrics": self._metrics,
        }
        self._server: asyncio.Server | None = None
        self._protocols: _Server | None = None

    # Life

    async def start(self) -> None:
        """Bind and listen. Raises OSError when the address cannot be had."""
        self._protocols = _Server(
            self._handle,
            access_log=None,
            # A connection that has not sent its whole header in this time is closed; so is an idle one.
            keepalive_timeout=self._limits.handshake_s,
            lingering_time=_LINGER_S,
            # Room for a token that is far too long, so that it is answered as any other wrong one.
            max_field_size=_MAX_HEADER,
            logger=logger,
        )
        host = "127.0.0.1" if self._listen.http_host == "localhost" else self._listen.http_host
        self._server = await asyncio.get_running_loop().create_server(self._protocols, host, self._listen.http_port)

    @property
    def port(self) -> int:
        """The port bound, which is not the one configured when that is 0."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        assert isinstance(port, int)
        return port

    async def aclose(self, *, grace_s: float = 1.0) -> None:
        """Stop listening and end what is open, after `grace_s` at most."""
        if self._server is None or self._protocols is None:
            return
        with anyio.CancelScope(shield=True):
            self._server.close()
            self._protocols.pre_shutdown()
            await self._protocols.shutdown(grace_s)
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # Requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._answer(request)
        self.answers[response.status] += 1
        response.headers.update(_HEADERS)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if not self._hosts.admits(request.headers.getall("Host", [])):
            return _refused(WRONG_HOST)
        # The path as it was sent: no decoding, no dots, no doubled slashes.
        route = self._routes.get(request.raw_path.partition("?")[0])
        if route is None:
            return _failed(404, "NOT_FOUND", "There is nothing under this path.")
        if request.method not in ("GET", "HEAD"):
            return _failed(405, "METHOD_NOT_ALLOWED", "Only GET and HEAD.", headers={"Allow": "GET, HEAD"})
        if (request.content_length or 0) > _MAX_BODY or "chunked" in request.headers.get("Transfer-Encoding", ""):
            response = _failed(413, "BODY_TOO_BIG", "A request here has no body.", limit_bytes=_MAX_BODY)
            response.force_close()
            return response
        return await route(request)

    async def _health(self, request: web.BaseRequest) -> web.Response:
        return _json({"status": "ok", "phase": self._views.phase(), "version": self._version, "git_sha": self._git_sha})

    async def _ready(self, request: web.BaseRequest) -> web.Response:
        phase = self._views.phase()
        clients = await ask_all(self._views.probes(), self._clock)
        status = conclude(serving=phase == "ready", can_record=self._views.can_record(), clients=clients)
        unwell = self._ready_fails_on_degraded and status is not Readiness.READY
        return _json(
            {"status": status.value, "phase": phase, "clients": [asdict(client) for client in clients]},
            503 if unwell else 200,
        )

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        return web.Response(
            body=self._views.metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _audit(self, request: web.BaseRequest) -> web.Response:
        identity = self._authenticator.identify(
            request.headers.getall("Authorization", []), request.raw_path.partition("?")[2]
        )
        if identity is None:
            return await self._unauthenticated(request)
        query = request.rel_url.query
        if len(query) > _MAX_PARAMETERS:
            return _failed(400, "BAD_REQUEST", "Too many parameters.", limit=_MAX_PARAMETERS)
        for name in query:
            if len(query.getall(name)) > 1:
                return _bad_parameter(name, "is given once")
        asked = dict(query)
        if not _may_ask(identity, asked):
            return _failed(403, "NOT_ALLOWED", "This token reads the records of its own environment only.")
        try:
            async with self._audits:
                page = await self._views.audit(asked, identity.audit_of)
        except ParameterRefused as refusal:
            return _bad_parameter(refusal.field, refusal.rule)
        except AuditUnreadable:
            return _failed(503, "AUDIT_UNREADABLE", "The audit cannot be read at the moment.")
        return _json(page)

    async def _unauthenticated(self, request: web.BaseRequest) -> web.Response:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        client = client_address(
            str(peer[0]) if peer else "",
            request.headers.getall("X-Forwarded-For", []),
            self._listen.trusted_proxies,
        )
        logger.info("request refused", extra={"reason": UNAUTHENTICATED.reason, "client_ip": client})
        await anyio.sleep(self.failures.failed(throttle_key(client), self._clock.monotonic()))
        return _refused(UNAUTHENTICATED)


def _may_ask(identity: Identity, asked: Mapping[str, str]) -> bool:
    """Tell whether a query names only what its token may see.

    Records of another environment are left out of what it sees in any case; this tells it so.
    """
    unseen = {environment.value for environment in Environment if environment not in identity.audit_of}
    return asked.get("environment") not in unseen and asked.get("actor") not in unseen


def _json(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body) + b"\n",
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def _failed(
    status: int, error: str, message: str, headers: Mapping[str, str] | None = None, **details: object
) -> web.Response:
    return _json({"error": error, "message": message, **details}, status, headers)


def _refused(refusal: Refusal) -> web.Response:
    return _failed(refusal.status, refusal.error, refusal.message, refusal.headers, **refusal.details)


def _bad_parameter(name: str, rule: str) -> web.Response:
    return _failed(400, "BAD_REQUEST", "A parameter breaks its rule.", parameter=name[:64], rule=rule)


class _Server(web.Server):
    """aiohttp's server with a bound on connections."""

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > _MAX_CONNECTIONS:
            # Not at once: the connection's own task is about to start and expects it open.
            asyncio.get_running_loop().call_soon(transport.abort)

    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Protocol(RequestHandler):
    """aiohttp's connection with our own words for what its parser refuses."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status < 500:
            response = _failed(status, "BAD_REQUEST", "This is no HTTP request that is understood here.")
        else:
            logger.error("request failed", exc_info=exc)
            response = _failed(status, "INTERNAL_ERROR", MESSAGES[Code.INTERNAL_ERROR])
        response.headers.update(_HEADERS)
        response.force_close()
        return response
