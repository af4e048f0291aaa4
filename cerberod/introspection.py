"""The methods about the daemon itself: `session.*`, `admin.*` and `rpc.discover`.

They tell one environment's half of the truth: a testnet session learns nothing of mainnet's sessions, calls or records.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import Field

from cerberod import __version__
from cerberod.audit.asking import BadParameter
from cerberod.clock import Clock
from cerberod.errors import InvalidParams
from cerberod.ids import Environment
from cerberod.rpc.call import Call
from cerberod.rpc.describe import openrpc
from cerberod.rpc.dispatch import Dispatcher
from cerberod.rpc.registry import NoParams, Params, Registry, Result, method
from cerberod.trading.recording import Recorder
from cerberod.transport.sessions import SessionView
from cerberod.venues.health import VenueStatus


@dataclass(frozen=True, slots=True)
class Introspection:
    """What the methods of this module read; one for each environment, made by the composition root."""

    environment: Environment
    document: Callable[[], "OpenRpcDocument"]
    """Describes every method; built once, when first asked for."""
    clock: Clock
    started: float
    git_sha: str
    in_flight_per_session: int
    dispatcher: Dispatcher
    recorder: Recorder
    keyed: frozenset[str]
    """The venues that this environment has keys for."""
    venues: Callable[[], Iterable[VenueStatus]]
    sessions: Callable[[], Iterable[SessionView]]
    audit: Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]]
    """Answers an audit query of this environment. Raises `BadParameter`."""


class Pong(Result):
    """The answer to a ping."""

    server_time: datetime = Field(description="The daemon's own wall clock.")


@method("session.ping", cost=0)
def ping(call: Call, params: NoParams) -> Pong:
    """Answer at once, with the daemon's time.

    Asks no venue. A reply shows that the session, its token and the daemon are alive.
    """
    return Pong(server_time=call.use(Introspection).clock.now())


class VenueAccess(Result):
    """One venue as this session may use it."""

    venue: str = Field(description="The venue's namespace.")
    has_keys: bool = Field(description="True when account and trade methods can be used.")
    healthy: bool = Field(description="True while its connection works.")
    reason: str | None = Field(description="Why it is not healthy, or what else is wrong; null when all is well.")
    clock_offset_ms: float | None = Field(
        description="The venue's clock minus ours, in milliseconds; null before it was measured."
    )


class Whoami(Result):
    """Who this session is and what it may do."""

    environment: Environment = Field(description="The environment that every call of this session acts in.")
    actor: str = Field(description="Which token was shown at the handshake.")
    bot_tag: str = Field(description="The name that this session's calls are recorded under.")
    session_id: str = Field(description="The id of this session in logs and audit.")
    scopes: list[str] = Field(description="What this session may do.")
    venues: list[VenueAccess] = Field(description="The venues of this environment.")
    in_flight_limit: int = Field(description="Calls of this session that may run at once; more wait unread.")
    in_flight: int = Field(description="Calls of all sessions of this environment that run now, this one included.")
    version: str = Field(description="The daemon's version.")
    server_time: datetime = Field(description="The daemon's own wall clock.")


@method("session.whoami", cost=0)
async def whoami(call: Call, params: NoParams) -> Whoami:
    """Tell who this session is: environment, bot tag, scopes, keyed venues, limits.

    Ask this first: a bot that checks `environment` cannot trade in the wrong one.
    """
    about, principal = call.use(Introspection), call.principal
    return Whoami(
        environment=principal.environment,
        actor=principal.actor,
        bot_tag=principal.bot_tag,
        session_id=principal.session_id,
        scopes=sorted(principal.scopes),
        venues=[
            VenueAccess(
                venue=status.exchange,
                has_keys=status.exchange in about.keyed,
                healthy=status.healthy,
                reason=status.reason,
                clock_offset_ms=status.offset_ms,
            )
            for status in about.venues()
        ],
        in_flight_limit=about.in_flight_per_session,
        in_flight=len(_running(about)),
        version=__version__,
        server_time=about.clock.now(),
    )


class SessionState(Result):
    """One open session."""

    session_id: str = Field(description="The id of the session in logs and audit.")
    actor: str = Field(description="Which token it showed.")
    bot_tag: str = Field(description="The name its calls are recorded under.")
    transport: str = Field(description="websocket or stdio.")
    age_s: float = Field(description="Seconds since its handshake.")
    in_flight: int = Field(description="Its calls that run now.")
    outbox_messages: int = Field(description="Answers waiting for it to read.")
    outbox_bytes: int = Field(description="Bytes of those answers.")


class RunningCall(Result):
    """One call in progress."""

    request_id: str = Field(description="The id of the call in logs and audit.")
    method: str = Field(description="The method called.")
    age_s: float = Field(description="Seconds since it arrived.")


class RecordingState(Result):
    """How the journal and the audit are doing."""

    healthy: bool = Field(description="False when records cannot be made durable; writes are then refused.")
    reason: str | None = Field(description="Why records cannot be made durable; null while they can.")
    queued: int = Field(description="Records waiting for the next commit.")
    commits: int = Field(description="Commits since the start.")
    dropped: int = Field(description="Records of reads dropped since the start; records of writes never are.")
    last_commit_ms: float = Field(description="Time of the last commit in milliseconds.")


class VenueState(Result):
    """One venue's connection."""

    venue: str = Field(description="The venue's namespace.")
    healthy: bool = Field(description="True while its connection works.")
    reason: str | None = Field(description="Why it is not healthy, or what else is wrong; null when all is well.")
    latency_ms: float | None = Field(description="Time of the last answer, in milliseconds; null without one.")
    clock_offset_ms: float | None = Field(description="The venue's clock minus ours; null before it was measured.")
    reconnects: int = Field(description="Connections made again since the start.")
    credits_left: dict[str, float] = Field(description="Requests that may be sent at once, by the venue's classes.")


class Status(Result):
    """The daemon, as far as this environment goes."""

    phase: str = Field(description="starting, ready or draining.")
    version: str = Field(description="The daemon's version.")
    git_sha: str = Field(description="The commit it was deployed from; empty when not told.")
    uptime_s: float = Field(description="Seconds since it started.")
    environment: Environment = Field(description="The environment this answer is about.")
    venues: list[VenueState] = Field(description="The venues of this environment.")
    recording: RecordingState = Field(description="The journal and the audit.")
    sessions: list[SessionState] = Field(description="The open sessions of this environment.")
    running: list[RunningCall] = Field(description="The calls in progress in this environment, oldest first.")


@method("admin.get_status", cost=1)
async def get_status(call: Call, params: NoParams) -> Status:
    """Show sessions, calls in progress, venues and recording of this environment.

    Every bounded queue appears here, so that an overload is seen before it hurts.
    """
    about = call.use(Introspection)
    now = about.clock.monotonic()
    recording = about.recorder.statistics()
    return Status(
        phase=about.dispatcher.phase.value,
        version=__version__,
        git_sha=about.git_sha,
        uptime_s=round(now - about.started, 3),
        environment=about.environment,
        venues=[
            VenueState(
                venue=status.exchange,
                healthy=status.healthy,
                reason=status.reason,
                latency_ms=status.latency_ms,
                clock_offset_ms=status.offset_ms,
                reconnects=status.reconnects,
                credits_left=dict(status.credits_left),
            )
            for status in about.venues()
        ],
        recording=RecordingState(
            healthy=recording.healthy,
            reason=recording.failure,
            queued=recording.waiting + recording.reads_waiting,
            commits=recording.commits,
            dropped=recording.dropped,
            last_commit_ms=round(recording.last_commit_ms, 3),
        ),
        sessions=[
            SessionState(
                session_id=each.principal.session_id,
                actor=each.principal.actor,
                bot_tag=each.principal.bot_tag,
                transport=each.principal.transport,
                age_s=round(each.age_s, 3),
                in_flight=each.in_flight,
                outbox_messages=each.outbox_messages,
                outbox_bytes=each.outbox_bytes,
            )
            for each in about.sessions()
            if each.principal.environment is about.environment
        ],
        running=[
            RunningCall(request_id=request_id, method=name, age_s=round(now - started, 3))
            for request_id, name, started in _running(about)
        ],
    )


def _running(about: Introspection) -> list[tuple[str, str, float]]:
    return [
        (request_id, running.method, running.started)
        for request_id, running in about.dispatcher.running.items()
        if running.environment is about.environment
    ]


class QueryAudit(Params):
    """Which audit records to read."""

    from_: str | None = Field(
        default=None, alias="from", description="Records from this ISO 8601 date or datetime (UTC unless it says) on."
    )
    to: str | None = Field(default=None, description="Records up to this ISO 8601 date (whole day) or datetime.")
    actor: str | None = Field(default=None, description="Records of this actor: testnet, mainnet or admin.")
    exchange: str | None = Field(default=None, description="Records of this namespace, such as deribit.")
    action: str | None = Field(default=None, description="Records of this method, with or without its namespace.")
    bot_tag: str | None = Field(default=None, description="Records of this bot tag.")
    limit: int = Field(default=1000, ge=1, le=10_000, description="At most this many records, newest first.")
    cursor: str | None = Field(default=None, description="`next` of an earlier answer, to read on from there.")


class AuditPage(Result):
    """Audit records, newest first."""

    count: int = Field(description="How many records are here.")
    records: list[dict[str, Any]] = Field(description="The records as they stand in the audit file.")
    next: str | None = Field(description="Give this as `cursor` to read on; null when there is nothing older.")
    warning: str | None = Field(default=None, description="Says so when the audit file is switched off.")


@method("admin.query_audit", cost=20)
async def query_audit(call: Call, params: QueryAudit) -> AuditPage:
    """Read the audit of this environment, newest record first.

    The same records, parameters and rules as `GET /admin/audit` on the HTTP listener.
    """
    given = params.model_dump(by_alias=True, exclude_none=True)
    about = call.use(Introspection)
    asked = {name: str(value) for name, value in given.items()}
    try:
        page = await about.audit(asked)
    except BadParameter as bad:
        raise InvalidParams([{"field": bad.field, "rule": bad.rule}]) from None
    return AuditPage(**page)


def describer(registry: Registry) -> Callable[[], "OpenRpcDocument"]:
    """Return what describes a frozen registry: once, for it takes tens of milliseconds, and the same ever after."""
    return cache(lambda: OpenRpcDocument(**openrpc(registry, __version__)))


class OpenRpcDocument(Result):
    """An OpenRPC document; see https://spec.open-rpc.org/."""

    openrpc: str = Field(description="The version of the OpenRPC specification.")
    info: dict[str, Any] = Field(description="Title, version and description of this service.")
    methods: list[dict[str, Any]] = Field(description="Every method: params, result, errors, effect, cost.")
    components: dict[str, Any] = Field(description="The schemas that methods refer to.")


@method("rpc.discover", cost=20)
async def discover(call: Call, params: NoParams) -> OpenRpcDocument:
    """Return every method of this daemon as an OpenRPC document.

    Beside the standard members each method has `x-effect`, `x-scope`, `x-cost`, `x-deadline` and `x-since`.
    """
    return call.use(Introspection).document()
