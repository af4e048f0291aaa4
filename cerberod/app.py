"""The two ways to run the daemon: `serve` with its listeners, `stdio` for the one caller that spawned it.

Each is told from top to bottom: what is opened in which order, and closed in the reverse.
"""

import gc
import hashlib
import logging
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from cerberod import __version__
from cerberod.audit.asking import BadParameter
from cerberod.clock import SystemClock
from cerberod.daemon import Daemon, StartRefused, methods
from cerberod.ids import Environment
from cerberod.logs import setup_logging
from cerberod.rpc.dispatch import Phase
from cerberod.sdnotify import notify
from cerberod.settings import LogFormat, Secret, Settings, Sources, UpstreamSettings, new_token
from cerberod.settings.upstreams import UPSTREAMS
from cerberod.state import LocalDoor, StateRefused, local_door, open_state
from cerberod.stopping import Stop
from cerberod.trading.recording import Recorder
from cerberod.transport.descriptors import Wire, claim_stdio
from cerberod.transport.stdio import Ending, StdioSession, stdio_principal
from cerberod.venues.venue import Venue

if TYPE_CHECKING:
    from cerberod.simulator import Simulator

__all__ = ["Ready", "StartRefused", "methods", "serve", "stdio"]

log = logging.getLogger("cerberod")

SESSIONS_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What whoever started the daemon may want to know once it serves."""

    url: str
    http_url: str
    throwaway_token: Secret | None
    """The token made for this run, to be shown once; None when the settings named the tokens."""
    control_url: str | None
    """Where the simulator of this run takes orders; None on real venues."""


def serve(sources: Sources, settings: Settings, chains: tuple[Path, ...], announce: Callable[[Ready], None]) -> int:
    """Run the daemon until it is told to stop; return its exit code. Raises `StartRefused`."""
    return _run(_serve, settings, sources, chains, announce)


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
        gc.enable()
        sink.close()


def _keep_what_is_there() -> None:
    """Take everything that exists out of the garbage collector's sight: to look through it held the loop for 60 ms."""
    gc.freeze()
    gc.enable()


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
            daemon.settings = daemon.settings.with_upstreams(*_upstreams_of(simulator))
            daemon.control_url = simulator.urls["control"]
            log.info("simulator", extra={"urls": simulator.urls})
            yield
    except ChainFileError as error:
        raise StartRefused(str(error)) from None


def _upstreams_of(simulator: "Simulator") -> Iterator[UpstreamSettings]:
    for upstream in UPSTREAMS:
        name = f"{upstream.name}_testnet"
        if name in simulator.credentials:
            fields = (key.field for key in upstream.keys)
            keys = dict(zip(fields, map(Secret, simulator.credentials[name]), strict=True))
            yield UpstreamSettings(
                upstream.name, upstream.kind, Environment.TESTNET, simulator.urls[name], credentials=keys
            )


async def _serve(daemon: Daemon, sources: Sources, chains: tuple[Path, ...], announce: Callable[[Ready], None]) -> int:
    # Listeners and metrics are of no use to a daemon on stdio, whose start they would slow down.
    from prometheus_client.core import Metric

    from cerberod import vitals
    from cerberod.lag import LoopLag
    from cerberod.metrics import Metrics
    from cerberod.reloading import Reloading
    from cerberod.transport.auth import Authenticator, FailureTracker
    from cerberod.transport.http import HttpListener, ParameterRefused, Views
    from cerberod.transport.readiness import PROBE_DEADLINE_S, Probe, Probed
    from cerberod.transport.websocket import WebSocketListener
    from cerberod.watchdog import Watchdog

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

    def probe_of(venue: Venue) -> Probe:
        async def check() -> Probed:
            status = await venue.probe(PROBE_DEADLINE_S)
            return Probed(status.healthy, status.reason, status.latency_ms)

        return Probe(venue.status().exchange, venue.environment.value, check)

    views = Views(
        phase=lambda: daemon.phase.value,
        can_record=lambda: daemon.recorder is not None and daemon.recorder.healthy,
        probes=lambda: [probe_of(venue) for venue in daemon.venues if venue.in_use],
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
                    for venue in daemon.venues:
                        await venue.prepare()
                    async with _bound(websocket, "PORT", listen.host, listen.port):
                        daemon.sessions = websocket.sessions
                        assert daemon.recorder is not None
                        reloading = Reloading(
                            settings,
                            sources,
                            authenticator,
                            lambda found: token_digests(found, local_token),
                            websocket,
                            daemon.recorder,
                            daemon.sink,
                        )
                        core.start_soon(reloading.run)
                        stop.reload = reloading.ask
                        if settings.systemd.watchdog_s is not None:
                            watchdog = Watchdog(
                                settings.systemd.watchdog_s,
                                partial(_record_age_s, daemon.recorder),
                                partial(notify, settings.systemd.notify_socket),
                            )
                            core.start_soon(watchdog.run, daemon.clock)
                        stop.starting = None
                        _keep_what_is_there()
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
                _keep_what_is_there()
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


def _record_age_s(recorder: Recorder) -> float:
    found = recorder.statistics()
    return found.lag_s if found.healthy else 0.0


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
        "testnet": (tokens.testnet, tokens.testnet_old),
        "mainnet": (tokens.mainnet, tokens.mainnet_old),
        "admin": (tokens.admin, Secret(local_token)),
    }
    return {
        name: tuple(hashlib.sha256(token.reveal().encode()).digest() for token in shown if token is not None)
        for name, shown in named.items()
    }
