"""The WebSocket listener: a thin shell that turns connections into conversations.

`websockets` does frames, keepalive, close handshakes and flow control; `handshake.Door` decides who enters;
`rpc.Conversation` answers. What remains here is to wire them, to count, and to end sessions in order.

A message up to twice the request limit is still read, so that a request somewhat too big is answered by -32007 and the
session goes on; a bigger one ends the session with close code 1009 before it fills memory.
"""

import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, cast

import anyio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from cerberod.clock import Clock
from cerberod.ids import new_session_id
from cerberod.rpc.call import Principal
from cerberod.rpc.conversation import Conversation, ConversationLimits, PeerGone
from cerberod.rpc.dispatch import Dispatcher, Phase
from cerberod.settings import Limits, Listen
from cerberod.transport.auth import Authenticator, FailureTracker
from cerberod.transport.connection import WRITE_BUFFER, PeerConnection, Watch
from cerberod.transport.handshake import UNAUTHENTICATED, Admission, Door, Refusal
from cerberod.transport.perimeter import HostGuard, client_address, throttle_key
from cerberod.transport.rlimits import sessions_within
from cerberod.transport.sessions import HalfOpen, OpenSession, SessionTable, SessionView
from cerberod.transport.turns import Turns

logger = logging.getLogger("cerberod.websocket")

# Frames read ahead of the conversation. Small, so that a flooding peer fills its own socket instead of our memory.
_READ_AHEAD = 4
_RECEIVE_BUFFER = 8 * 1024
CLOSE_TIMEOUT_S = 5.0
_CLOSING_AT_ONCE = 128
LINGER_S = 1.0
"""How long a peer that is sent away for its debt may take to answer the close."""
_MAX_PAUSING = 1024
_USER_AGENT = 256
GOODBYE = "the daemon is stopping; reconnect in a moment"
WITHDRAWN = "this token was withdrawn"
OVER_BUDGET = "over budget; see retry_after_ms of the last answer"


class WebSocketListener:
    """One listening socket and the sessions that came through it."""

    def __init__(
        self,
        listen: Listen,
        limits: Limits,
        dispatcher: Dispatcher,
        authenticator: Authenticator,
        clock: Clock,
        failures: FailureTracker | None = None,
        refusals: Counter[str] | None = None,
    ) -> None:
        self.refusals: Counter[str] = Counter() if refusals is None else refusals
        """Handshakes refused and connections dropped, by reason."""
        self.failures = FailureTracker(limits.failed_auth_pause_ms / 1000) if failures is None else failures
        self._listen = listen
        self._limits = limits
        self._most_sessions = sessions_within(limits.sessions)
        self._dispatcher = dispatcher
        self._clock = clock
        self._door = Door(
            HostGuard(listen.host, listen.allowed_hosts),
            listen.allowed_origins,
            authenticator,
            self._most_sessions,
            limits.sessions_per_token,
        )
        self._conversation_limits = ConversationLimits(
            limits.in_flight_per_session, limits.outbox_messages, limits.outbox_bytes
        )
        self._sessions: SessionTable[ServerConnection] = SessionTable()
        self._half_open: HalfOpen[ServerConnection] = HalfOpen(limits.half_open_per_address, self._most_sessions)
        self._pausing = 0
        self._watch = Watch(self._opened, self._settled, self._ended, self._flooded, Turns(), Turns())
        self._server: Server | None = None

    # Life

    async def start(self) -> None:
        """Bind and listen. Raises OSError when the address cannot be had."""
        if self._most_sessions < self._limits.sessions:
            logger.warning(
                "fewer sessions than LIMIT_SESSIONS: raise the limit of open files (ulimit -n, LimitNOFILE)",
                extra={"sessions": self._most_sessions, "wanted": self._limits.sessions},
            )
        quiet = logging.getLogger("cerberod.websocket.library")
        quiet.setLevel(logging.ERROR)  # below that it writes headers, tokens among them
        self._server = await serve(
            self._serve,
            # `localhost` may be two addresses with two ports; one of them is enough.
            "127.0.0.1" if self._listen.host == "localhost" else self._listen.host,
            self._listen.port,
            compression=None,
            process_response=self._judge,
            server_header=None,
            open_timeout=self._limits.handshake_s,
            ping_interval=self._limits.ping_interval_s,
            ping_timeout=self._limits.ping_timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=2 * self._limits.request_bytes,
            max_queue=_READ_AHEAD,
            write_limit=WRITE_BUFFER,
            logger=quiet,
            create_connection=cast(type[ServerConnection], self._connection),
            backlog=self._limits.sessions,
        )
        for listening in self._server.sockets:
            # Sessions inherit it. What the kernel holds of a peer is parsed in one pass of the loop, which a flood of
            # tiny frames would hold for as long as a full buffer of them takes.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)

    @property
    def port(self) -> int:
        """The port bound, which is not the one configured when that is 0."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        assert isinstance(port, int)
        return port

    def stop_listening(self) -> None:
        """Take no new connections. Open sessions stay."""
        if self._server is not None:
            self._server.close(close_connections=False)
        for connection in self._half_open:
            connection.transport.abort()

    async def close_sessions(self, *, grace_s: float, code: int = CloseCode.GOING_AWAY, reason: str = GOODBYE) -> None:
        """End every session: what is answered is sent, then the connection is closed. `grace_s` bounds all of it.

        Half of it is for calls that still run; one that is not done by then is given up, so that its session is closed
        like the others. The library does not close sessions of a server that was told to stop listening only, so it is
        done here.
        """
        await self._close(self._sessions, grace_s, code, reason)

    async def close_withdrawn(self, *, grace_s: float) -> int:
        """End the sessions whose token is no longer in the table, and return how many they were."""
        holds = self._door.authenticator.holds
        withdrawn = [(connection, session) for connection, session in self._sessions if not holds(session.token)]
        await self._close(withdrawn, grace_s, CloseCode.POLICY_VIOLATION, WITHDRAWN)
        return len(withdrawn)

    async def _close(
        self, sessions: Iterable[tuple[ServerConnection, OpenSession]], grace_s: float, code: int, reason: str
    ) -> None:
        chosen = list(sessions)
        at_once = anyio.CapacityLimiter(_CLOSING_AT_ONCE)

        async def close(connection: ServerConnection, session: OpenSession) -> None:
            async with at_once:
                if session.conversation is not None:
                    with anyio.move_on_after(grace_s / 2):
                        await session.conversation.finished()
                await connection.close(code, reason)

        with anyio.move_on_after(grace_s):
            async with anyio.create_task_group() as group:
                for connection, session in chosen:
                    group.start_soon(close, connection, session)
        for connection, _ in chosen:
            if self._sessions.get(connection) is not None:
                connection.transport.abort()

    async def aclose(self, *, grace_s: float = 1.0) -> None:
        """Stop listening, end the sessions and wait until all is gone."""
        if self._server is None:
            return
        with anyio.CancelScope(shield=True):
            self.stop_listening()
            await self.close_sessions(grace_s=grace_s)
            await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # What others see

    def sessions(self) -> list[SessionView]:
        """Return the open sessions as they stand now."""
        now = self._clock.monotonic()
        return [session.view(now) for _, session in self._sessions]

    def session_count(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    # Handshake

    def _connection(self, *args: Any, **kwargs: Any) -> ServerConnection:
        return PeerConnection(self._watch, *args, **kwargs)

    def _opened(self, connection: ServerConnection) -> None:
        address = throttle_key(_peer(connection))
        for silent in self._half_open.opened(connection, address, self._clock.monotonic()):
            self.refusals["half_open"] += 1
            silent.transport.abort()

    def _flooded(self, connection: ServerConnection) -> None:
        self.refusals["ping_flood"] += 1

    def _settled(self, connection: ServerConnection) -> None:
        self._half_open.settled(connection)

    def _ended(self, connection: ServerConnection) -> None:
        self._half_open.settled(connection)
        self._sessions.discard(connection)

    async def _judge(self, connection: ServerConnection, request: Request, response: Response) -> Response | None:
        """Return the refusal of a request, or None to let the library's own answer, which admits it, go out."""
        refusal = self._door.knock(request.path, request.headers.get_all)
        if refusal is None and response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            refusal = _no_handshake(response)
        if refusal is not None:
            return self._refuse(connection, request, refusal)
        headers = request.headers.get_all
        identity = self._door.identify(request.path, headers)
        if identity is None:
            await self._pause(self._client(connection, request))
            return self._refuse(connection, request, UNAUTHENTICATED)
        verdict = self._door.enter(
            identity,
            headers,
            environments=self._dispatcher.environments,
            sessions=len(self._sessions),
            sessions_of_token=self._sessions.of_actor(identity.actor),
            draining=self._dispatcher.phase is Phase.DRAINING,
        )
        if isinstance(verdict, Refusal):
            return self._refuse(connection, request, verdict)
        principal = self._principal(connection, request, verdict)
        self._sessions.add(connection, OpenSession(principal, self._clock.monotonic(), token=identity.token))
        return None

    def _principal(self, connection: ServerConnection, request: Request, admission: Admission) -> Principal:
        identity = admission.identity
        return Principal(
            environment=admission.environment,
            actor=identity.actor,
            bot_tag=admission.bot_tag,
            scopes=identity.scopes,
            session_id=new_session_id(),
            transport="websocket",
            client_ip=self._client(connection, request),
            user_agent=", ".join(request.headers.get_all("User-Agent"))[:_USER_AGENT],
        )

    def _client(self, connection: ServerConnection, request: Request) -> str:
        forwarded = request.headers.get_all("X-Forwarded-For")
        return client_address(_peer(connection), forwarded, self._listen.trusted_proxies)

    async def _pause(self, address: str) -> None:
        seconds = self.failures.failed(throttle_key(address), self._clock.monotonic())
        if self._pausing >= _MAX_PAUSING:
            return
        self._pausing += 1
        try:
            await anyio.sleep(seconds)
        finally:
            self._pausing -= 1

    def _refuse(self, connection: ServerConnection, request: Request, refusal: Refusal) -> Response:
        self.refusals[refusal.reason] += 1
        logger.info(
            "handshake refused",
            extra={
                "reason": refusal.reason,
                "status": refusal.status,
                "client_ip": self._client(connection, request),
            },
        )
        assert isinstance(connection, PeerConnection)
        connection.turn_away()
        response = connection.respond(refusal.status, "")
        response.body = refusal.body
        del response.headers["Content-Length"], response.headers["Content-Type"]
        for name, value in {
            "Content-Length": str(len(refusal.body)),
            "Content-Type": "application/json",
            **refusal.headers,
        }.items():
            response.headers[name] = value
        return response

    # Session

    async def _serve(self, connection: ServerConnection) -> None:
        opened = self._sessions.get(connection)
        if opened is None:  # the connection ended while the handshake's answer was on its way
            return
        assert isinstance(connection, PeerConnection)
        principal = opened.principal
        about = {"session_id": principal.session_id, "actor": principal.actor, "bot_tag": principal.bot_tag}
        session = self._dispatcher.open_session(principal)
        opened.conversation = Conversation(
            self._dispatcher,
            session,
            _sender(connection),
            self._conversation_limits,
            _ender(connection),
            connection.send_now,
        )
        logger.info("session opened", extra={**about, "client_ip": principal.client_ip})
        connection.let_in(opened.conversation)
        try:
            await opened.conversation.run(_frames(connection), drain=False)
        finally:
            logger.info("session closed", extra={**about, "close_code": connection.close_code})


def _no_handshake(response: Response) -> Refusal:
    """Say the library's verdict in our words: its own text repeats headers of the request."""
    status = HTTPStatus(response.status_code)
    kept = {name: response.headers[name] for name in ("Allow", "Upgrade") if name in response.headers}
    return Refusal(
        status.value,
        "NO_WEBSOCKET_HANDSHAKE",
        "This is a WebSocket listener; the request is no handshake of WebSocket version 13 over HTTP/1.1.",
        "no_handshake",
        headers=kept,
    )


def _sender(connection: ServerConnection) -> Callable[[bytes], Any]:
    async def send(message: bytes) -> None:
        try:
            await connection.send(message, text=True)
        except ConnectionClosed:
            raise PeerGone from None

    return send


def _ender(connection: ServerConnection) -> Callable[[], Awaitable[None]]:
    async def end() -> None:
        with anyio.move_on_after(LINGER_S):
            await connection.close(CloseCode.POLICY_VIOLATION, OVER_BUDGET)
        connection.transport.abort()

    return end


async def _frames(connection: PeerConnection) -> AsyncIterator[bytes]:
    """Yield the text of a connection until it ends, however it ends."""
    try:
        while True:
            message = await connection.recv()
            connection.taken += 1
            if isinstance(message, bytes):
                await connection.close(CloseCode.UNSUPPORTED_DATA, "text frames only")
                return
            yield message.encode()
    except ConnectionClosed:
        return


def _peer(connection: ServerConnection) -> str:
    address = connection.transport.get_extra_info("peername")
    return str(address[0]) if isinstance(address, tuple) and address else ""
