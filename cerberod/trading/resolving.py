"""Finds out what became of writes whose outcome is not known: asks the venue, again and again, until it can tell.

Nothing is ever sent a second time. Each open write is pursued by a task of its own, so that one silent venue holds up
no other; at most a few ask the same venue at once. After a restart the first round is bounded; what it leaves goes on
being pursued and stays listed.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.errors import RpcError, UpstreamError
from cerberod.ids import Environment
from cerberod.rpc.call import Services
from cerberod.rpc.registry import Registry
from cerberod.trading.journal import Entry, IntentKey
from cerberod.trading.orders import Ending, Outcome, WriteOutcome, told
from cerberod.trading.recording import NotRecordable, Recorder

logger = logging.getLogger("cerberod.trading")

FIRST_ROUND_S = 7.0
"""How long a start may wait for outcomes, so that whatever happened it is ready within ten seconds in all."""
ASKING_AT_ONCE = 4
EAGER_POLLS = 30
EAGER_S = 1.0
PATIENT_S = 5.0

Tell = Callable[[Entry, WriteOutcome], Awaitable[None]]
"""Pushes a resolved outcome to whoever asked for the write."""


@dataclass(slots=True)
class Pursuit:
    """One open write: how often the venue was asked, and why it is still open."""

    entry: Entry
    polls: int = 0
    reason: str = "not asked yet"
    over: anyio.Event = field(default_factory=anyio.Event)


class Resolver:
    """Pursues open writes of all venues and environments."""

    def __init__(
        self, recorder: Recorder, registry: Registry, services: Mapping[Environment, Services], tell: Tell
    ) -> None:
        self.pursuits: dict[IntentKey, Pursuit] = {}
        self._recorder = recorder
        self._registry = registry
        self._services = services
        self._tell = tell
        self._asking: dict[tuple[str, str], anyio.CapacityLimiter] = {}
        self._group: TaskGroup | None = None

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Pursue every open write. Reports started once those found open have ended, or after `FIRST_ROUND_S`."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                left = [self.pursue(entry) for entry in await self._recorder.unresolved()]
                with anyio.move_on_after(FIRST_ROUND_S):
                    for pursuit in left:
                        await pursuit.over.wait()
                task_status.started()
                await anyio.sleep_forever()
            finally:
                self._group = None

    def pursue(self, entry: Entry) -> Pursuit:
        """Begin to ask what became of a write, unless somebody does already."""
        pursuit = self.pursuits.get(entry.key)
        if pursuit is None:
            pursuit = self.pursuits[entry.key] = Pursuit(entry)
            if self._group is not None:
                self._group.start_soon(self._pursue, pursuit)
        return pursuit

    def settled(self, key: IntentKey) -> None:
        """Somebody else has ended this write: stop asking."""
        pursuit = self.pursuits.pop(key, None)
        if pursuit is not None:
            pursuit.over.set()

    async def _pursue(self, pursuit: Pursuit) -> None:
        async with anyio.create_task_group() as group:

            async def stop_when_over() -> None:
                await pursuit.over.wait()
                group.cancel_scope.cancel()

            group.start_soon(stop_when_over)
            while not await self._ask(pursuit):
                pursuit.polls += 1
                await anyio.sleep(EAGER_S if pursuit.polls < EAGER_POLLS else PATIENT_S)
            self.settled(pursuit.entry.key)

    async def _ask(self, pursuit: Pursuit) -> bool:
        """Ask once; tell whether the write has ended."""
        entry = pursuit.entry
        method = self._registry.find(entry.method)
        if method is None or method.finder is None:
            pursuit.reason = "the method that sent it is no longer there"
            return False
        services = self._services.get(Environment(entry.environment))
        if services is None:
            pursuit.reason = "its environment is not in use"
            return False
        limiter = self._asking.setdefault((entry.venue, entry.environment), anyio.CapacityLimiter(ASKING_AT_ONCE))
        try:
            async with limiter:
                ending = await method.finder(services, entry)
        except UpstreamError as error:
            pursuit.reason = f"{entry.venue}: {error.data.get('reason', error.message.lower())}"
            return False
        except RpcError as error:
            pursuit.reason = error.message.lower()
            return False
        except Exception as error:  # a bug in one finder must not stop the pursuit of other writes
            logger.error("an outcome could not be looked up", exc_info=error, extra={"intent": entry.intent})
            pursuit.reason = "internal error"
            return False
        if ending is None:
            pursuit.reason = f"{entry.venue} cannot tell yet"
            return False
        assert isinstance(ending, Ending)
        assert issubclass(method.result, WriteOutcome)
        return await self._conclude(pursuit, told(method.result, entry.intent, entry.client_order_id, ending))

    async def _conclude(self, pursuit: Pursuit, outcome: WriteOutcome) -> bool:
        entry = pursuit.entry
        if outcome.outcome is Outcome.UNKNOWN:
            pursuit.reason = "; ".join(reason.rule for reason in outcome.reasons) or f"{entry.venue} cannot tell yet"
            return False
        result = outcome.model_dump(mode="json")
        event = resolved_event(entry, outcome.outcome, result)
        try:
            final = await self._recorder.conclude(*entry.key, outcome.outcome.value, result, event)
        except NotRecordable as refusal:
            pursuit.reason = refusal.reason
            return False
        logger.info("outcome resolved", extra={"intent": entry.intent, "outcome": outcome.outcome.value})
        if final:
            await self._tell(entry, outcome)
        return True


def resolved_event(entry: Entry, outcome: Outcome, result: Mapping[str, object]) -> AuditEvent:
    """Describe an outcome that was found later, under the request that asked for the write."""
    return AuditEvent(
        kind=EventKind.OUTCOME,
        environment=entry.environment,
        actor=entry.environment,
        bot_tag=entry.bot_tag,
        session_id=entry.session_id,
        request_id=entry.request_id,
        transport="resolver",
        method=entry.method,
        intent=entry.intent,
        outcome=outcome.value,
        detail=dict(result),
    )
