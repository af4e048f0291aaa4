"""One supervised WebSocket connection to Deribit: opened, greeted, logged in, kept alive, replaced when it ends.

Knows frames, ids and logins; knows no method's meaning, no credits and no deadlines of callers. Everything that was
asked on a connection is settled when it ends. A connection whose answers carry the other environment's flag is shut
before anything can be traded on it.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from cerberod.clock import Clock
from cerberod.errors import BadVenueData, Code, ConnectionLost, RpcError, UpstreamError, VenueDown, VenueRefused
from cerberod.ids import Environment
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit.errors import VENUE, refusal
from cerberod.venues.deribit.inflight import InFlight, Waiting
from cerberod.venues.deribit.login import Login
from cerberod.venues.deribit.wire import frames
from cerberod.venues.deribit.wire.frames import Answer, Refused, Reply, Unusable
from cerberod.venues.sending import Marked
from cerberod.venues.venue_time import VenueTime

logger = logging.getLogger("cerberod.venues.deribit")

_socket_logger = logging.getLogger("cerberod.venues.deribit.socket")
_socket_logger.setLevel(logging.WARNING)  # below that the library prints whole frames, signatures and tokens included

MAX_FRAME_BYTES = 16 * 1024 * 1024
_STEADY_S = 30.0
"""A connection that lasted this long was a good one: the next failure begins with a short pause again."""
_CLOSE_S = 1.0
CLOSING = "connection_closing"
"""The connection ended a moment ago and the next one is not begun."""
NOT_CONNECTED_YET = "not_connected_yet"
WRONG_ENVIRONMENT = "wrong_environment"
_WRONG_ENVIRONMENT_PAUSE_S = 300.0


class Link:
    """The one connection of an environment. `run` keeps it; `exchange` uses it."""

    def __init__(
        self,
        *,
        url: str,
        environment: Environment,
        login: Login | None,
        clock: Clock,
        backoff: Backoff,
        spent: Callable[[str], None],
        heartbeat_s: int,
        silent_after_s: float,
        open_timeout_s: float,
    ) -> None:
        self._url = url
        self._environment = environment
        self._login = login
        self._clock = clock
        self._backoff = backoff
        self._in_flight = InFlight()
        self._spent = spent
        self._heartbeat_s = heartbeat_s
        self._silent_after_s = silent_after_s
        self._open_timeout_s = open_timeout_s
        self._socket: ClientConnection | None = None
        self._up = anyio.Event()
        self._wanted = anyio.Event()
        self._login_moved = anyio.Event()
        self._logging_in = anyio.Lock()
        self._scope: anyio.CancelScope | None = None
        self._stopped: anyio.Event | None = None
        self._hold_until = 0.0
        self.time = VenueTime()
        self.down_reason: str | None = NOT_CONNECTED_YET
        """Why there is no connection; None while there is one."""
        self.latency_ms: float | None = None
        self.connections = 0
        """Connections that were greeted."""
        self.losses = 0
        """Greeted connections that ended without being asked to."""

    @property
    def up(self) -> bool:
        """Tell whether requests can be sent now."""
        return self._up.is_set()

    @property
    def late_answers(self) -> int:
        return self._in_flight.late_answers

    @property
    def login(self) -> Login | None:
        return self._login

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection until cancelled or closed. With keys it opens at once, without them at the first use."""
        self._stopped = anyio.Event()
        self._scope = anyio.CancelScope()
        try:
            with self._scope:
                task_status.started()
                if self._login is None:
                    await self._wanted.wait()
                while True:
                    began = self._clock.monotonic()
                    try:
                        await self._live_once()
                    except Exception as bug:  # a bug in here must not end trading for good: told, counted, tried again
                        logger.error("the connection failed in an unforeseen way", exc_info=bug, extra=self._extra())
                        self._went_down("internal_error")
                    now = self._clock.monotonic()
                    if now - began >= _STEADY_S:
                        self._backoff.reset()
                    await anyio.sleep(max(self._backoff.next_s(), self._hold_until - now))
        finally:
            self._stopped.set()

    async def aclose(self) -> None:
        """End `run`, close the connection and settle what waits."""
        if self._scope is not None and self._stopped is not None:
            self._scope.cancel()
            await self._stopped.wait()

    def hold(self, seconds: float) -> None:
        """Open no new connection for a while: the venue asked for it."""
        self._hold_until = max(self._hold_until, self._clock.monotonic() + seconds)

    async def ready(self, patience_s: float) -> None:
        """Return once requests can be sent; raise `VenueDown` when that takes too long."""
        self._wanted.set()
        if self._up.is_set():
            return
        with anyio.move_on_after(patience_s):
            await self._up.wait()
            return
        raise VenueDown(VENUE, self.down_reason or "connecting")

    async def exchange(self, method: str, params: Mapping[str, Any], sent: Marked | None = None) -> Answer:
        """Send one request and return its answer.

        Raises `VenueDown` when nothing was sent, `ConnectionLost` when the connection ended before the answer,
        `VenueRefused` and `BadVenueData` when the answer is an error or unusable. Cancelling leaves the request with
        the venue: its answer is then late, and counted.
        """
        if not self._up.is_set():
            raise VenueDown(VENUE, self.down_reason or "connecting")
        return await self._exchange(method, params, sent)

    async def _exchange(self, method: str, params: Mapping[str, Any], sent: Marked | None = None) -> Answer:
        """Do the same on a connection that may not be greeted yet."""
        socket = self._socket
        if socket is None or socket.state is not State.OPEN:
            raise VenueDown(VENUE, self.down_reason or CLOSING)
        id = self._in_flight.next_id()
        frame = frames.request(id, method, params)
        if len(frame) > frames.MAX_REQUEST_BYTES:
            raise RpcError(Code.REQUEST_TOO_BIG, limit=frames.MAX_REQUEST_BYTES)
        waiting = self._in_flight.wait(id, method)
        began = self._clock.monotonic()
        if sent is not None:
            sent.mark()
        try:
            # The socket writes before it first waits, so that the mark and the first byte cannot be torn apart.
            await socket.send(frame, text=True)
            await waiting.settled.wait()
        except ConnectionClosed:
            raise ConnectionLost(VENUE) from None
        except anyio.get_cancelled_exc_class():
            self._in_flight.give_up(waiting)
            raise
        return self._open(waiting, began, params)

    async def _own(self, method: str, params: Mapping[str, Any]) -> Answer:
        """Send what the connection itself needs; nobody waits for credit first, but it costs the same."""
        self._spent(method)
        return await self._exchange(method, params)

    async def renew_login(self, grants: int) -> bool:
        """Log in again because the venue refused our token; `grants` is how many logins the caller had seen.

        Returns whether private requests may be tried again.
        """
        login = self._login
        if login is None:
            return False
        async with self._logging_in:
            if login.grants == grants and login.void(self._clock.monotonic()):
                await self._log_in(login)
                self._login_moved.set()
                self._login_moved = anyio.Event()
        return login.granted and login.grants > grants

    async def login_attempt_over(self) -> None:
        """Return once no login is under way."""
        async with self._logging_in:
            return

    def venue_ms(self) -> int:
        """Return the venue's time, or our own before it is known."""
        known = self.time.now_ms(self._clock.monotonic())
        return self._clock.now_ms() if known is None else known

    def _open(self, waiting: Waiting, began: float, params: Mapping[str, Any]) -> Answer:
        body = waiting.body
        match body:
            case None:
                raise ConnectionLost(VENUE)
            case Unusable(field, rule):
                raise BadVenueData(VENUE, field, rule)
            case Answer() | Refused():
                received = self._clock.monotonic()
                self.latency_ms = (received - began) * 1000
                if body.us_in is not None and body.us_out is not None and body.us_out >= body.us_in:
                    self.time.learn(began, received, body.us_in / 1000, body.us_out / 1000)
                if isinstance(body, Refused):
                    raise refusal(body.code, body.data, params)
                return body

    async def _live_once(self) -> None:
        """Open one connection and live through it."""
        try:
            socket = await connect(
                self._url,
                compression=None,
                proxy=None,
                max_size=MAX_FRAME_BYTES,
                open_timeout=self._open_timeout_s,
                ping_interval=None,  # the venue's own heartbeat proves more: that its application answers
                close_timeout=_CLOSE_S,
                user_agent_header="cerberod",
                logger=_socket_logger,
            )
        except InvalidStatus as refused:
            self._went_down(f"handshake_refused_{refused.response.status_code}")
            return
        except (OSError, TimeoutError, WebSocketException):
            self._went_down("unreachable")
            return
        try:
            reason = await self._serve(socket)
        finally:
            if self._up.is_set():
                self.losses += 1
                self._up = anyio.Event()  # never otherwise: whoever waits, waits on this very one
            self._socket = None
            self._in_flight.settle_all(None)
            with anyio.CancelScope(shield=True):
                await socket.close()
        if reason == WRONG_ENVIRONMENT:
            self.hold(_WRONG_ENVIRONMENT_PAUSE_S)
        self._went_down(reason)

    async def _serve(self, socket: ClientConnection) -> str:
        """Greet, then read until the connection ends; return why it did."""
        self.time.restart()
        if self._login is not None:
            self._login.connected(self._clock.monotonic())
        self._socket = socket
        async with anyio.create_task_group() as group:

            def stop() -> None:
                self._socket = None
                group.cancel_scope.cancel()

            ending = _Ending(stop)
            group.start_soon(self._read, socket, ending, group)
            await self._greet(ending)
            if self._login is not None and not ending.reason:
                group.start_soon(self._keep_login, self._login)
        return ending.reason or "closed"

    async def _greet(self, ending: "_Ending") -> None:
        """Ask for heartbeats, prove the environment, log in; only then is the link up."""
        try:
            with anyio.fail_after(self._open_timeout_s):
                answer = await self._own("public/set_heartbeat", {"interval": self._heartbeat_s})
                if answer.testnet is None:
                    # Without this flag nothing proves that these are not the other environment's keys and money.
                    raise BadVenueData(VENUE, "testnet", "true or false")
                if self._login is not None and not self._login.due_s(self._clock.monotonic()):
                    async with self._logging_in:
                        await self._log_in(self._login)
        except TimeoutError:
            ending.end("no_answer")
        except (ConnectionLost, VenueDown):
            ending.end("connection_lost")
        except UpstreamError as error:
            ending.end("bad_greeting" if isinstance(error, BadVenueData) else "greeting_refused")
        if ending.reason:
            return
        self.connections += 1
        if self.down_reason is not None:
            logger.info("connected", extra=self._extra())
        self.down_reason = None
        self._up.set()

    async def _read(self, socket: ClientConnection, ending: "_Ending", group: TaskGroup) -> None:
        with anyio.move_on_after(self._silent_after_s) as patience:
            while not ending.reason:
                try:
                    message = frames.read(await socket.recv())
                except ConnectionClosed:
                    ending.end("connection_lost")
                except BadVenueData as bad:
                    # Nobody can tell whose answer that was: every request that waits has got an unusable one.
                    self._in_flight.settle_all(Unusable(str(bad.data["field"]), str(bad.data["rule"])))
                    ending.end("unreadable_frame")
                else:
                    patience.deadline = anyio.current_time() + self._silent_after_s
                    if isinstance(message, Reply):
                        self._settle(message, ending)
                    elif message.wants_test:
                        group.start_soon(self._answer_test)
        if patience.cancelled_caught:
            ending.end("silent")

    def _settle(self, reply: Reply, ending: "_Ending") -> None:
        body = reply.body
        if not isinstance(body, Unusable) and body.testnet not in (None, self._environment is Environment.TESTNET):
            ending.end(WRONG_ENVIRONMENT)
            body = Unusable("testnet", "the environment of this session")
        self._in_flight.settle(Reply(reply.id, body))

    async def _answer_test(self) -> None:
        try:
            with anyio.move_on_after(self._silent_after_s):
                await self._own("public/test", {})
        except UpstreamError as error:
            logger.debug("a heartbeat test went unanswered", extra={**self._extra(), "code": int(error.code)})

    async def _keep_login(self, login: Login) -> None:
        while True:
            with anyio.move_on_after(login.due_s(self._clock.monotonic())):
                await self._login_moved.wait()
            async with self._logging_in:
                try:
                    # A refused refresh is followed by a signature before anybody sees us without a login.
                    while not login.due_s(self._clock.monotonic()):
                        await self._log_in(login)
                except (ConnectionLost, VenueDown):
                    return  # the reader ends this connection, and the next one logs in anew

    async def _log_in(self, login: Login) -> None:
        """Try one login and let `login` draw the conclusions. Raises when the connection ends first."""
        before = login.reason
        now = self._clock.monotonic
        try:
            with anyio.fail_after(self._open_timeout_s):
                answer = await self._own("public/auth", login.params(self.venue_ms()))
            login.accept(answer.result, now())
        except VenueRefused as refused:
            login.refuse(int(refused.venue_code), now())
        except TimeoutError:
            login.fail("login_unanswered", now())
        except (ConnectionLost, VenueDown):
            raise
        except UpstreamError:
            login.fail("login_failed", now())
        if login.reason != before:
            level = logging.INFO if login.reason is None else logging.WARNING
            logger.log(level, "login", extra={**self._extra(), "reason": login.reason})

    def _went_down(self, reason: str) -> None:
        if reason != self.down_reason:
            logger.warning("connection down", extra={**self._extra(), "reason": reason})
        self.down_reason = reason

    def _extra(self) -> dict[str, str]:
        return {"venue": VENUE, "environment": self._environment.value}


class _Ending:
    """Why a connection ends; the first reason stands. From then on nothing more is sent on it."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self.reason = ""
        self._stop = stop

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._stop()
