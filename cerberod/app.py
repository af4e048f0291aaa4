"""The composition root: builds everything, starts it in order, stops it in the reverse order.

The only file where concrete parts meet. `serve` is the daemon with its listeners; `stdio` is the same daemon without
them, for the one caller that spawned it.
"""

import hashlib
import logging
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from cerberod import __version__, introspection
from cerberod.audit.asking import BadParameter, read_query
from cerberod.audit.query import query
from cerberod.audit.record import AuditEvent, EventKind
from cerberod.audit.writer import AuditRefused
from cerberod.clock import Clock, SystemClock
from cerberod.ids import Environment
from cerberod.introspection import Introspection
from cerberod.logs import LogSink, RequestLog, setup_logging
from cerberod.rpc.call import Services
from cerberod.rpc.dispatch import CallLimits, Dispatcher, Observer, Phase
from cerberod.rpc.envelope import encode_notification
from cerberod.rpc.limits import BudgetLimits
from cerberod.rpc.registry import Deadline, Effect, Registry, registry
from cerberod.sdnotify import notify
from cerberod.settings import Kind, LogFormat, Secret, Settings, UpstreamSettings, new_token
from cerberod.state import LocalDoor, StateRefused, local_door, open_state
from cerberod.stopping import Stop
from cerberod.trading import methods as trading_methods
from cerberod.trading.auditing import Auditor
from cerberod.trading.guard import Guard
from cerberod.trading.journal import Entry, JournalRefused
from cerberod.trading.methods import Trading
from cerberod.trading.orders import WriteOutcome
from cerberod.trading.placing import Placing
from cerberod.trading.recording import NotRecordable, Recorder, recording
from cerberod.trading.records import Records, load_or_make_key, open_records
from cerberod.trading.resolving import Resolver, Tell
from cerberod.transport.descriptors import Wire, claim_stdio
from cerberod.transport.sessions import SessionView
from cerberod.transport.stdio import Ending, StdioSession, stdio_principal
from cerberod.venues.deribit import methods as deribit_methods
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.login import Credentials

log = logging.getLogger("cerberod")

METHOD_MODULES = (introspection, trading_methods, deribit_methods)
"""Importing them declares every method there is."""

READS_GRACE_S = 1.0
SESSIONS_GRACE_S = 2.0


class StartRefused(Exception):
    """The daemon cannot start as things are; the text is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What whoever started the daemon may want to know once it serves."""

    url: str
    http_url: str
    throwaway_token: Secret | None
    """The token made for this run, to be shown once; None when the settings named the tokens."""
    control_url: str | None
    """Where the simulator of this run takes orders; None on real venues."""


def methods() -> Registry:
    """Return the registry with every method in it, closed."""
    registry.freeze()
    return registry


class Daemon:
    """What `serve` and `stdio` have in common: records, venues, and the dispatcher over them."""

    def __init__(self, settings: Settings, clock: Clock, sink: LogSink) -> None:
        self.settings = settings
        self.clock = clock
        self.sink = sink
        self.started = clock.monotonic()
        self.document = introspection.describer(methods())
        self.step = "state"
        """What the start is doing, for whoever waits for it."""
        self.recorder: Recorder | None = None
        self.resolver: Resolver | None = None
        self.venues: list[Deribit] = []
        self.control_url: str | None = None
        """Where the simulator in this process takes orders; None on real venues."""
        self.sessions: Callable[[], Iterable[SessionView]] = list
        self.dispatcher: Dispatcher | None = None

    @property
    def phase(self) -> Phase:
        return Phase.STARTING if self.dispatcher is None else self.dispatcher.phase

    @asynccontextmanager
    async def running(
        self, environments: Iterable[Environment], observers: tuple[Observer, ...] = ()
    ) -> AsyncIterator[Dispatcher]:
        """Open the records, start the venues, and yield the dispatcher. Raises `StartRefused`."""
        settings = self.settings
        self._step("records")
        async with self._recording() as recorder:
            self._step("venues")
            async with anyio.create_task_group() as links:
                services: dict[Environment, Services] = {}
                dispatcher = Dispatcher(
                    methods(),
                    services,
                    self.clock,
                    call_limits(settings),
                    RequestLog(self.sink, self.clock),
                    (Auditor(recorder, self.sink.redactor, reads=settings.audit.reads), *observers),
                )
                guard = Guard(await recorder.stops())
                resolver = Resolver(recorder, registry, services, _teller(dispatcher))
                placing = Placing(
                    recorder,
                    resolver,
                    guard,
                    self.clock,
                    deadline_s=settings.limits.write_deadline_s,
                    writes_per_account=settings.limits.writes_per_account,
                )
                for environment in environments:
                    deribit = await self._start_deribit(settings.venue("deribit", environment), links)
                    about = self._introspection(environment, dispatcher, recorder)
                    trading = Trading(recorder, resolver, guard, registry, self.clock)
                    services[environment] = Services(environment, (placing, trading, deribit, about))
                await recorder.note(AuditEvent(EventKind.START, detail={"version": __version__}))
                self._step("resolving")
                await links.start(resolver.run)
                async with anyio.create_task_group() as lasting:
                    dispatcher.use_lasting(lasting)
                    self.recorder, self.resolver, self.dispatcher = recorder, resolver, dispatcher
                    yield dispatcher
                    self._step("stopping")
                    lasting.cancel_scope.cancel()
                for venue in self.venues:
                    await venue.aclose()
                links.cancel_scope.cancel()
            try:
                await recorder.note(AuditEvent(EventKind.STOP))
            except NotRecordable:
                log.error("the end could not be recorded")

    def _step(self, step: str) -> None:
        self.step = step
        log.info("step", extra={"step": step})

    @asynccontextmanager
    async def _recording(self) -> AsyncIterator[Recorder]:
        settings = self.settings
        key = settings.audit.hmac_key

        def opened() -> Records:
            return open_records(
                settings.state_dir,
                settings.audit.file,
                load_or_make_key(settings.state_dir) if key is None else key.reveal().encode(),
                "simulator" if settings.simulated else "live",
                self.clock,
                settings.audit.backup_days,
            )

        try:
            records = await anyio.to_thread.run_sync(opened)
        except (JournalRefused, AuditRefused) as refusal:
            raise StartRefused(str(refusal)) from None
        for repair in records.repairs:
            log.warning("the audit log was mended", extra={"detail": repair.detail})
        async with recording(records, self.clock) as recorder:
            yield recorder

    async def _start_deribit(self, upstream: UpstreamSettings, links: TaskGroup) -> Deribit:
        keys = upstream.credentials
        venue = Deribit(
            url=upstream.url,
            environment=upstream.environment,
            credentials=None if keys is None else Credentials(keys["client_id"], keys["client_secret"]),
            clock=self.clock,
            read_deadline_s=self.settings.limits.read_deadline_s,
            write_deadline_s=self.settings.limits.write_deadline_s,
        )
        self.venues.append(venue)
        await links.start(venue.run)
        return venue

    def _introspection(self, environment: Environment, dispatcher: Dispatcher, recorder: Recorder) -> Introspection:
        venues = ["deribit"]
        return Introspection(
            environment=environment,
            document=self.document,
            clock=self.clock,
            started=self.started,
            git_sha=self.settings.health.git_sha,
            in_flight_per_session=self.settings.limits.in_flight_per_session,
            dispatcher=dispatcher,
            recorder=recorder,
            keyed=frozenset(name for name in venues if self.settings.venue(name, environment).credentials is not None),
            venues=lambda: [venue.status() for venue in self.venues if venue.environment is environment],
            sessions=lambda: self.sessions(),
            audit=lambda asked: self.audit(asked, frozenset({environment.value})),
        )

    async def audit(self, asked: Mapping[str, str], environments: frozenset[str] | None) -> dict[str, Any]:
        """Answer an audit query. Raises `BadParameter`."""
        wanted = read_query(asked, environments)
        file = self.settings.audit.file
        if file is None:
            return {"count": 0, "records": [], "next": None, "warning": "the audit file is switched off"}
        if self.recorder is not None:
            with suppress(NotRecordable):
                await self.recorder.note()  # reads that wait for the next commit are to be found too
        page = await anyio.to_thread.run_sync(query, file, wanted)
        return {
            "count": page.count,
            "records": page.records,
            "next": None if page.next is None else str(page.next),
        }

    async def drain(self, hurry: anyio.Event) -> None:
        """Take no more calls; give reads a moment, unless told to hurry, and writes their deadline."""
        assert self.dispatcher is not None
        self.dispatcher.phase = Phase.DRAINING
        async with anyio.create_task_group() as waiting:

            async def cut_short() -> None:
                await hurry.wait()
                waiting.cancel_scope.cancel()

            waiting.start_soon(cut_short)
            with anyio.move_on_after(READS_GRACE_S):
                await self.dispatcher.wait_idle(Effect.READ)
            waiting.cancel_scope.cancel()
        with anyio.move_on_after(self.settings.limits.write_deadline_s + 1):
            await self.dispatcher.wait_idle(Effect.WRITE, Effect.ADMIN)


def _teller(dispatcher: Dispatcher) -> Tell:
    async def tell(entry: Entry, outcome: WriteOutcome) -> None:
        body = outcome.__pydantic_serializer__.to_json(outcome)
        pushed = encode_notification("orders.resolved", body)
        await dispatcher.notify(Environment(entry.environment), entry.bot_tag, entry.session_id, pushed)

    return tell


def call_limits(settings: Settings) -> CallLimits:
    """Take what bounds calls from the settings."""
    limits = settings.limits
    return CallLimits(
        max_request_bytes=limits.request_bytes,
        max_reply_bytes=limits.reply_bytes,
        max_batch=limits.batch_items,
        max_in_flight=limits.in_flight,
        deadlines_s={
            Deadline.READ: limits.read_deadline_s,
            Deadline.WRITE: limits.write_deadline_s,
            Deadline.ANALYTICS: limits.analytics_deadline_s,
        },
        budget=BudgetLimits(
            decay_per_s=limits.cost_decay_per_s,
            soft=limits.cost_soft,
            hard=limits.cost_hard,
            error=limits.cost_error,
            parse_error=limits.cost_parse_error,
            longest_wait_s=limits.cost_wait_ms / 1000,
            in_flight=limits.in_flight_per_bot,
            keys=limits.cost_bots,
        ),
    )


def serve(settings: Settings, chains: tuple[Path, ...], announce: Callable[[Ready], None]) -> int:
    """Run the daemon until it is told to stop; return its exit code. Raises `StartRefused`."""
    return _run(_serve, settings, chains, announce)


def stdio(settings: Settings, environment: Environment, bot_tag: str, chains: tuple[Path, ...]) -> int:
    """Be the whole daemon for the one caller on stdin and stdout. Raises `StartRefused`."""
    wire = claim_stdio()  # before anything else can print
    return _run(_stdio, settings, chains, wire, environment, bot_tag)


def _run(main: Callable[..., Awaitable[int]], settings: Settings, *arguments: object) -> int:
    form = settings.log.format or (LogFormat.TEXT if os.isatty(2) else LogFormat.JSON)
    sink = setup_logging(settings.log.level, form, settings.secrets())
    for warning in settings.warnings:
        log.warning("settings", extra={"warning": warning})
    daemon = Daemon(settings, SystemClock(), sink)
    try:
        return anyio.run(main, daemon, *arguments, backend_options={"use_uvloop": True})
    except BaseExceptionGroup as group:
        if (refusal := _refusal(group)) is not None:
            raise refusal from None
        log.critical("a part that the daemon cannot do without has failed", exc_info=group)
        return 1
    finally:
        sink.close()


def _refusal(group: BaseExceptionGroup[BaseException]) -> StartRefused | None:
    refusals = group.subgroup(StartRefused)
    while refusals is not None:
        first = refusals.exceptions[0]
        if isinstance(first, StartRefused):
            return first
        assert isinstance(first, BaseExceptionGroup)
        refusals = first
    return None


@asynccontextmanager
async def _state(daemon: Daemon) -> AsyncIterator[None]:
    try:
        with open_state(daemon.settings.state_dir):
            yield
    except StateRefused as refusal:
        raise StartRefused(str(refusal)) from None


@asynccontextmanager
async def _simulated(daemon: Daemon, chains: tuple[Path, ...]) -> AsyncIterator[None]:
    """In a simulation, run the simulator and point every venue at it."""
    if not daemon.settings.simulated:
        yield
        return
    # The market model needs numpy and scipy, which a daemon on real venues does without.
    from cerberod.simulator import ChainFileError, SimulatorConfig, run_simulator

    try:
        async with run_simulator(SimulatorConfig(chains=chains), daemon.clock) as simulator:
            client_id, client_secret = simulator.credentials["deribit_testnet"]
            deribit = UpstreamSettings(
                "deribit",
                Kind.VENUE,
                Environment.TESTNET,
                simulator.urls["deribit_testnet"],
                credentials={"client_id": Secret(client_id), "client_secret": Secret(client_secret)},
            )
            daemon.settings = daemon.settings.with_upstreams(deribit)
            daemon.control_url = simulator.urls["control"]
            log.info("simulator", extra={"urls": simulator.urls})
            yield
    except ChainFileError as error:
        raise StartRefused(str(error)) from None


async def _serve(daemon: Daemon, chains: tuple[Path, ...], announce: Callable[[Ready], None]) -> int:
    # Listeners and metrics are of no use to a daemon on stdio, whose start they would slow down.
    from prometheus_client.core import Metric

    from cerberod import vitals
    from cerberod.lag import LoopLag
    from cerberod.metrics import Metrics
    from cerberod.transport.auth import Authenticator, FailureTracker
    from cerberod.transport.http import HttpListener, ParameterRefused, Views
    from cerberod.transport.readiness import PROBE_DEADLINE_S, Probe, Probed
    from cerberod.transport.websocket import WebSocketListener

    settings, stop = daemon.settings, Stop()
    listen, limits = settings.listen, settings.limits
    local_token = new_token()
    authenticator = Authenticator(token_digests(settings, local_token))
    failures = FailureTracker(limits.failed_auth_pause_ms / 1000)
    lag = LoopLag()
    refusals: Counter[str] = Counter()

    def present() -> Iterator[Metric]:
        yield from vitals.of_build(__version__, settings.health.git_sha, daemon.phase.value)
        yield from vitals.of_loop(lag)
        yield from vitals.of_sessions(daemon.sessions())
        if daemon.dispatcher is not None:
            yield from vitals.of_calls(daemon.dispatcher, daemon.clock)
        if daemon.recorder is not None and daemon.resolver is not None:
            yield from vitals.of_records(daemon.recorder, daemon.resolver)
        yield from vitals.of_venues(venue.status() for venue in daemon.venues)
        yield from vitals.of_log(daemon.sink)
        yield from vitals.of_door(refusals, http.answers, failures.total)

    metrics = Metrics(present)

    async def audit(asked: Mapping[str, str], seen: frozenset[Environment]) -> dict[str, Any]:
        everything = len(seen) == len(Environment)
        try:
            return await daemon.audit(asked, None if everything else frozenset(each.value for each in seen))
        except BadParameter as bad:
            raise ParameterRefused(bad.field, bad.rule) from None

    def probe_of(venue: Deribit) -> Probe:
        async def check() -> Probed:
            status = await venue.probe(PROBE_DEADLINE_S)
            return Probed(status.healthy, status.reason, status.latency_ms)

        return Probe(venue.status().exchange, venue.environment.value, check)

    views = Views(
        phase=lambda: daemon.phase.value,
        can_record=lambda: daemon.recorder is not None and daemon.recorder.healthy,
        probes=lambda: [probe_of(venue) for venue in daemon.venues],
        audit=audit,
        metrics=metrics.render,
    )
    http = HttpListener(
        listen,
        limits,
        authenticator,
        views,
        daemon.clock,
        version=__version__,
        git_sha=settings.health.git_sha,
        ready_fails_on_degraded=settings.health.ready_fails_on_degraded,
        failures=failures,
    )
    async with anyio.create_task_group() as core:
        assert stop.starting is not None
        with stop.starting:
            await core.start(stop.listen)
            core.start_soon(lag.watch, daemon.clock)
            async with _state(daemon):
                _require_free("PORT", listen.host, listen.port)
                async with (
                    _bound(http, "HTTP_PORT", listen.http_host, listen.http_port),
                    _simulated(daemon, chains),
                    daemon.running(settings.environments(), (metrics.finished,)) as dispatcher,
                ):
                    websocket = WebSocketListener(
                        listen, limits, dispatcher, authenticator, daemon.clock, failures, refusals
                    )
                    async with _bound(websocket, "PORT", listen.host, listen.port):
                        daemon.sessions = websocket.sessions
                        stop.starting = None
                        dispatcher.phase = Phase.READY
                        door = LocalDoor(_url("ws", listen.host, websocket.port), local_token)
                        with local_door(settings.state_dir, door):
                            _tell_ready(daemon, websocket.port, http.port, announce)
                            await stop.requested.wait()
                        notify(settings.systemd.notify_socket, b"STOPPING=1")
                        websocket.stop_listening()
                        await daemon.drain(stop.hurry)
                        await websocket.close_sessions(grace_s=SESSIONS_GRACE_S)
        core.cancel_scope.cancel()
    log.info("stopped")
    return 0


async def _stdio(daemon: Daemon, chains: tuple[Path, ...], wire: Wire, environment: Environment, bot_tag: str) -> int:
    stop = Stop()
    ending = Ending.STOPPED
    async with anyio.create_task_group() as core:
        assert stop.starting is not None
        with stop.starting:
            await core.start(stop.listen)
            async with _state(daemon), _simulated(daemon, chains), daemon.running((environment,)) as dispatcher:
                principal = stdio_principal(environment, bot_tag)
                session = StdioSession(wire, daemon.settings.limits, dispatcher, principal, daemon.clock)
                daemon.sessions = session.sessions
                stop.starting = None
                dispatcher.phase = Phase.READY
                core.start_soon(_stop_on_request, stop, session)
                ending = await session.run()
                await daemon.drain(stop.hurry)
        core.cancel_scope.cancel()
    return ending.exit_code


async def _stop_on_request(stop: Stop, session: StdioSession) -> None:
    await stop.requested.wait()
    session.stop()


class Listener(Protocol):
    """A listening socket."""

    async def start(self) -> None:
        """Bind and listen. Raises OSError."""

    async def aclose(self) -> None:
        """Stop listening and wait until all is gone."""


@asynccontextmanager
async def _bound(listener: Listener, setting: str, host: str, port: int) -> AsyncIterator[None]:
    try:
        await listener.start()
    except OSError as error:
        raise _not_free(setting, host, port, error) from None
    try:
        yield
    finally:
        await listener.aclose()


def _require_free(setting: str, host: str, port: int) -> None:
    """Refuse to start on a port in use before anything else is started.

    The listener itself comes last, when everything it leads to is there, and judges again.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _not_free(setting, host, port, error) from None


def _not_free(setting: str, host: str, port: int, error: OSError) -> StartRefused:
    # asyncio puts the address into the error's own text.
    reason = "not available" if error.errno is None else os.strerror(error.errno)
    return StartRefused(f"{host}:{port} cannot be listened on ({reason}); set {setting} to a free port")


def _tell_ready(daemon: Daemon, port: int, http_port: int, announce: Callable[[Ready], None]) -> None:
    settings, listen = daemon.settings, daemon.settings.listen
    log.info("ready", extra={"event": "ready", "port": port, "http_port": http_port})
    token = settings.tokens.testnet if settings.tokens.throwaway else None
    url, http_url = _url("ws", listen.host, port), _url("http", listen.http_host, http_port)
    announce(Ready(url, http_url, token, daemon.control_url))
    notify(settings.systemd.notify_socket, b"READY=1")


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


def token_digests(settings: Settings, local_token: str) -> dict[str, tuple[bytes, ...]]:
    """Return the SHA-256 digests of the tokens by their names, which is all that is kept of them.

    The local token is the operator's too: it is left in the state directory for the local command line.
    """
    tokens = settings.tokens
    named = {
        "testnet": (tokens.testnet,),
        "mainnet": (tokens.mainnet,),
        "admin": (tokens.admin, Secret(local_token)),
    }
    return {
        name: tuple(hashlib.sha256(token.reveal().encode()).digest() for token in shown if token is not None)
        for name, shown in named.items()
    }
