"""The daemon without its callers: records, venues and the dispatcher over them, started in order, stopped in reverse.

`cerberod.app` puts listeners or stdio around it. The two together are the composition root, the only place where
concrete parts meet.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from cerberod import __version__, introspection
from cerberod.audit.asking import read_query
from cerberod.audit.query import query
from cerberod.audit.record import AuditEvent, EventKind
from cerberod.audit.writer import AuditRefused
from cerberod.calculation import methods as calculation_methods
from cerberod.calculation.service import Calculation
from cerberod.calculation.worker import Worker
from cerberod.clock import Clock
from cerberod.ids import Environment
from cerberod.introspection import Introspection
from cerberod.logs import LogSink, RequestLog
from cerberod.rpc.call import Services
from cerberod.rpc.dispatch import CallLimits, Dispatcher, Observer, Phase
from cerberod.rpc.envelope import encode_notification
from cerberod.rpc.limits import BudgetLimits
from cerberod.rpc.registry import Deadline, Effect, Registry, registry
from cerberod.settings import Limits, Settings, UpstreamSettings
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
from cerberod.transport.sessions import SessionView
from cerberod.venues.bybit import methods as bybit_methods
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.deribit import methods as deribit_methods
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.venue import Venue

log = logging.getLogger("cerberod")

METHOD_MODULES = (introspection, trading_methods, calculation_methods, deribit_methods, bybit_methods)
"""Importing them declares every method there is."""

VENUES: Mapping[str, Callable[[UpstreamSettings, Limits, Clock], Venue]] = {
    "deribit": Deribit.configured,
    "bybit": Bybit.configured,
}
"""How the client of each venue is made from its settings, by the venue's namespace."""

READS_GRACE_S = 1.0


class StartRefused(Exception):
    """The daemon cannot start as things are; the text is one line that says what to do."""


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
        self.venues: list[Venue] = []
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
                worker = Worker()
                calculation = Calculation(worker, numbers_per_call=settings.limits.numbers_per_call)
                for environment in environments:
                    venues = await self._start_venues(environment, links)
                    about = self._introspection(environment, dispatcher, recorder)
                    trading = Trading(recorder, resolver, guard, registry, self.clock)
                    services[environment] = Services(
                        environment, (placing, trading, guard, calculation, *venues, about)
                    )
                await recorder.note(AuditEvent(EventKind.START, detail={"version": __version__}))
                self._step("resolving")
                await links.start(resolver.run)
                async with anyio.create_task_group() as lasting:
                    dispatcher.use_lasting(lasting)
                    self.recorder, self.resolver, self.dispatcher = recorder, resolver, dispatcher
                    yield dispatcher
                    self._step("stopping")
                    lasting.cancel_scope.cancel()
                await worker.aclose()
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

    async def _start_venues(self, environment: Environment, links: TaskGroup) -> list[Venue]:
        started = []
        for name, configured in VENUES.items():
            venue = configured(self.settings.venue(name, environment), self.settings.limits, self.clock)
            self.venues.append(venue)
            await links.start(venue.run)
            started.append(venue)
        return started

    def _introspection(self, environment: Environment, dispatcher: Dispatcher, recorder: Recorder) -> Introspection:
        return Introspection(
            environment=environment,
            document=self.document,
            clock=self.clock,
            started=self.started,
            git_sha=self.settings.health.git_sha,
            in_flight_per_session=self.settings.limits.in_flight_per_session,
            dispatcher=dispatcher,
            recorder=recorder,
            keyed=frozenset(name for name in VENUES if self.settings.venue(name, environment).credentials is not None),
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
