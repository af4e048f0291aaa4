"""The one path of every write: check, record, send, record, answer.

A venue declares a write by a function that *prepares* it: reads what it needs, checks, and returns a `Plan`. It never
sends. Sending, journal, audit and what the caller is told happen here alone, in this order, so that

- an error reply means that nothing left this process;
- after the first byte every ending, a bug of our own included, is an outcome;
- one intent is at most one request, however often and from wherever it is asked.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, get_args, get_origin

import anyio
import orjson

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.clock import Clock, iso
from cerberod.errors import Code, RpcError, VenueRefused
from cerberod.ids import new_intent
from cerberod.rpc.call import Call, Principal
from cerberod.rpc.registry import (
    BadDeclaration,
    Deadline,
    Effect,
    Method,
    Registry,
    documentation,
    registry,
    signature,
)
from cerberod.trading.auditing import audit_event
from cerberod.trading.guard import Guard, Stop
from cerberod.trading.journal import Entry, IntentKey
from cerberod.trading.orders import Ending, O, Outcome, Reason, WriteOutcome, together, told
from cerberod.trading.recording import NotRecordable, Recorder
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import Finder, P, Part, Plan, Prepare, Sent, WriteParams

logger = logging.getLogger("cerberod.trading")


def write(
    name: str,
    *,
    finder: Finder,
    scope: str = "trade",
    cost: int = 5,
    since: str = "0.1",
    urgent: bool = False,
    into: Registry = registry,
) -> Callable[[Prepare[P, O]], Prepare[P, O]]:
    """Declare a function that prepares a write as a method whose calls go through the one path of this module.

    `urgent` is for what ends risk and can do no harm twice, a cancel: nothing holds it up, no stop, no limit, no record
    that cannot be made; and while its outcome is unknown a repeat sends it again.
    """

    def declare(prepare: Prepare[P, O]) -> Prepare[P, O]:
        params, returned = signature(name, prepare)
        model = get_args(returned)[0] if get_origin(returned) is Plan else None
        if not (isinstance(model, type) and issubclass(model, WriteOutcome)):
            raise BadDeclaration(f"{name}: a write is prepared by a function that returns Plan[an outcome model]")
        added = model.model_fields.keys() - WriteOutcome.model_fields.keys()
        if needed := [field for field in sorted(added) if model.model_fields[field].is_required()]:
            raise BadDeclaration(f"{name}: an unknown outcome has no {needed[0]}; give it a default")
        summary, text = documentation(name, prepare)
        into.add(
            Method(
                name=name,
                effect=Effect.WRITE,
                scope=scope,
                cost=0 if urgent else cost,
                deadline=Deadline.WRITE,
                since=since,
                params=params,
                result=model,
                summary=summary,
                text=text,
                handler=WriteHandler(prepare, model, urgent=urgent),
                finder=finder,
                urgent=urgent,
            )
        )
        return prepare

    return declare


class WriteHandler:
    """The handler of every write: it can do nothing but take the one path."""

    def __init__(self, prepare: Prepare[Any, Any], outcome: type[WriteOutcome], *, urgent: bool) -> None:
        self._prepare = prepare
        self._outcome = outcome
        self._urgent = urgent

    async def __call__(self, call: Call, params: WriteParams) -> WriteOutcome:
        return await call.use(Placing).place(call, params, self._prepare, self._outcome, urgent=self._urgent)

    async def prepare(self, call: Call, params: WriteParams) -> Plan[Any]:
        """Prepare without sending, for whoever wants to know what would be sent."""
        return await self._prepare(call, params)


class Placing:
    """Takes writes along their path; one for the daemon, shared by both environments."""

    def __init__(
        self,
        recorder: Recorder,
        resolver: Resolver,
        guard: Guard,
        clock: Clock,
        *,
        deadline_s: float,
        writes_per_account: int,
    ) -> None:
        self._recorder = recorder
        self._resolver = resolver
        self._guard = guard
        self._clock = clock
        self._deadline_s = deadline_s
        self._writes_per_account = writes_per_account
        self._turns: dict[IntentKey, _Turn] = {}
        self._lanes: dict[tuple[str, str, str, bool], anyio.Semaphore] = {}

    async def place(self, call: Call, params: P, prepare: Prepare[P, O], model: type[O], *, urgent: bool = False) -> O:
        """Run one write to its outcome. Raises `RpcError` only while nothing has left the process."""
        given = params.intent is not None
        intent = params.intent or new_intent()
        params = params.model_copy(update={"intent": intent})
        request = _Request(call, intent, params.model_dump(mode="json", exclude={"intent"}), urgent=urgent)
        async with self._turn(request.key):
            known = await self._find(request) if given else None
            if known is not None and not (urgent and not known.resolved and known.params_digest == request.digest):
                return await self._tell_again(request, known, model)
            try:
                return await self._go(request, params, prepare, model, known)
            except RpcError:
                if known is None:
                    raise
                # Nothing left this time; what was sent before is still not known, and an error would deny it.
                return await self._tell_again(request, known, model)

    async def _go(
        self, request: "_Request", params: P, prepare: Prepare[P, O], model: type[O], known: Entry | None
    ) -> O:
        """Prepare, record and send. `known` is the record of a cancel that is sent again."""
        give_up_at = anyio.current_time() + self._deadline_s
        with anyio.CancelScope(deadline=give_up_at) as preparing:
            plan = await prepare(request.call, params)
        if preparing.cancelled_caught:
            raise RpcError(Code.DEADLINE_PASSED)
        if denied := plan.denied or self._stopped(request.call.principal, plan, urgent=request.urgent):
            return await self._deny(request, denied, model)
        if known is None:
            entry = await self._record_intent(request, plan)
            if entry is not None and entry.key != request.key:
                return await self._deny(request, (_used_by_another(plan, entry),), model)
            if entry is not None:
                return await self._tell_again(request, entry, model)
        return await self._send(request, plan, model, give_up_at)

    def _stopped(self, principal: Principal, plan: Plan[O], *, urgent: bool) -> tuple[Reason, ...]:
        stop = self._guard.strictest(principal.environment.value, plan.venue, principal.bot_tag)
        return () if stop is None or urgent or stop.allows(reduces=plan.reduces) else (objection(stop),)

    @asynccontextmanager
    async def _turn(self, key: IntentKey) -> AsyncIterator[None]:
        """Let calls with one intent pass one after the other, so that the second finds what the first recorded."""
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]

    async def _find(self, request: "_Request") -> Entry | None:
        try:
            return await self._recorder.find(*request.key)
        except NotRecordable as refusal:
            if request.urgent:
                return None
            raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None

    async def _tell_again(self, request: "_Request", entry: Entry, model: type[O]) -> O:
        if entry.params_digest != request.digest:
            raise RpcError(Code.INTENT_REUSED, intent=request.intent, method=entry.method)
        known = dict(entry.result) if entry.result else _unknown_fields(request.intent, entry.client_order_id)
        outcome = model.model_validate({**known, "repeated": True}, strict=False)
        await self._note(request, outcome, detail={"repeated": True})
        return outcome

    async def _deny(self, request: "_Request", reasons: tuple[Reason, ...], model: type[O]) -> O:
        outcome = told(model, request.intent, None, Ending(Outcome.DENIED, reasons=reasons))
        return await self._note(request, outcome, detail={"reasons": _plain(outcome)["reasons"]})

    async def _note(self, request: "_Request", outcome: O, detail: Mapping[str, Any]) -> O:
        """Audit an outcome for which nothing was sent; say so if it cannot be made durable."""
        request.call.recorded = True
        try:
            await self._recorder.note(request.event(EventKind.OUTCOME, outcome=outcome.outcome.value, detail=detail))
        except NotRecordable:
            return outcome.model_copy(update={"recorded": False})
        return outcome

    async def _record_intent(self, request: "_Request", plan: Plan[O]) -> Entry | None:
        """Make the intent, and those of its parts, durable; return the entry that already holds one, if one does."""
        principal = request.call.principal
        entry = Entry(
            environment=principal.environment.value,
            bot_tag=principal.bot_tag,
            intent=request.intent,
            method=request.call.method,
            params=request.params,
            params_digest=request.digest,
            venue=plan.venue,
            account=plan.account,
            client_order_id=plan.client_order_id,
            wire=dict(plan.wire),
            request_id=request.call.request_id,
            session_id=principal.session_id,
            begun_at=iso(self._clock.now()),
        )
        request.entry = entry
        request.parts = {part.intent: _entry_of_part(entry, part) for part in plan.parts}
        begun = [
            (request.parts[part.intent], request.event(EventKind.REQUEST, part=part, detail={"wire": dict(part.wire)}))
            for part in plan.parts
        ]
        event = request.event(EventKind.REQUEST, detail={"wire": dict(plan.wire)})
        try:
            return await self._recorder.begin(entry, event, begun)
        except NotRecordable as refusal:
            if request.urgent:  # a cancel that cannot be recorded is better than none
                request.unrecorded = True
                return None
            raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None

    async def _send(self, request: "_Request", plan: Plan[O], model: type[O], give_up_at: float) -> O:
        ending = await self._ending(request, plan, give_up_at)
        if isinstance(ending, RpcError):
            await self._release(request, plan, ending)
            raise ending
        return await self._conclude(request, plan, ending, model)

    @asynccontextmanager
    async def _lane(self, request: "_Request", plan: Plan[O]) -> AsyncIterator[None]:
        """Let a bounded number of writes of one account be under way; cancels do not wait for them.

        As many requests that carry several writes go beside them: those may wait long for the venue's limits.
        """
        if request.urgent:
            yield
            return
        place = (request.call.principal.environment.value, plan.venue, plan.account, bool(plan.parts))
        async with self._lanes.setdefault(place, anyio.Semaphore(self._writes_per_account)):
            yield

    async def _ending(self, request: "_Request", plan: Plan[O], give_up_at: float) -> Ending | RpcError:
        """Send, and tell how it ended: an outcome, or the error of a request of which nothing left the process."""
        assert plan.send is not None, "a plan that is not denied sends"
        if anyio.current_time() >= give_up_at:
            return RpcError(Code.DEADLINE_PASSED)
        sent = Sent()
        failure: RpcError
        try:
            with anyio.CancelScope(deadline=give_up_at):
                async with self._lane(request, plan):
                    ending = await plan.send(sent)
                    assert len(ending.parts) in (0, len(plan.parts)), "an ending for each part"
                    return ending
            failure = RpcError(Code.DEADLINE_PASSED)
        except anyio.get_cancelled_exc_class():
            if not sent.marked:  # the daemon stops; nothing is out
                await self._release(request, plan, RpcError(Code.SHUTTING_DOWN))
            raise
        except VenueRefused as refusal:
            return failed(refusal, request.params)
        except RpcError as error:
            failure = error
        except Exception as error:  # whatever the bug, the caller must hear that an order may be out
            logger.error("a write failed while sending", exc_info=error, extra={"request_id": request.call.request_id})
            failure = RpcError(Code.INTERNAL_ERROR)
        return failed(failure) if sent.marked else failure

    async def _conclude(self, request: "_Request", plan: Plan[O], ending: Ending, model: type[O]) -> O:
        if plan.parts:
            parts = await self._conclude_parts(request, plan, ending)
            ending = together([_plain(part) for part in parts], ending)
        outcome = told(model, request.intent, plan.client_order_id, ending)
        return await self._keep(request, request.key, request.entry, outcome, request.event)

    async def _conclude_parts(self, request: "_Request", plan: Plan[O], ending: Ending) -> list[WriteOutcome]:
        """Make the outcome of each part durable, all at once, and tell each as it stands then."""
        endings = ending.parts or (ending,) * len(plan.parts)
        outcomes = [
            told(part.model, part.intent, part.client_order_id, each)
            for part, each in zip(plan.parts, endings, strict=True)
        ]

        async def keep(number: int, part: Part) -> None:
            key = request.key._replace(intent=part.intent)
            event = partial(request.event, part=part)
            outcomes[number] = await self._keep(request, key, request.parts.get(part.intent), outcomes[number], event)

        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for number, part in enumerate(plan.parts):
                    group.start_soon(keep, number, part)
        return outcomes

    async def _keep(
        self, request: "_Request", key: IntentKey, entry: Entry | None, outcome: O, event: Callable[..., AuditEvent]
    ) -> O:
        """Make one outcome durable and return what stands then; ask on where it is not known."""
        result = _plain(outcome)
        ended = event(EventKind.OUTCOME, outcome=outcome.outcome.value, detail=result)
        request.call.recorded = True
        try:
            with anyio.CancelScope(shield=True):
                final = await self._recorder.conclude(*key, outcome.outcome.value, result, ended)
                standing = None if final or request.unrecorded else await self._recorder.find(*key)
        except NotRecordable:
            outcome, standing = outcome.model_copy(update={"recorded": False}), None
        if standing is not None and standing.result:  # somebody else has ended it, and one intent has one outcome
            return type(outcome).model_validate(dict(standing.result), strict=False)
        if request.unrecorded:
            return outcome.model_copy(update={"recorded": False})
        if outcome.outcome is not Outcome.UNKNOWN:
            self._resolver.settled(key)
        elif entry is not None:
            self._resolver.pursue(entry)
        return outcome

    async def _release(self, request: "_Request", plan: Plan[O], failure: RpcError) -> None:
        """Free the intents of a write of which nothing left the process, this time or ever."""
        if request.entry is None:
            return
        request.call.recorded = True
        with anyio.CancelScope(shield=True):
            for part in (None, *plan.parts):
                event = request.event(EventKind.REFUSED, part=part, code=int(failure.code))
                key = request.key if part is None else request.key._replace(intent=part.intent)
                try:
                    await self._recorder.release(*key, event)
                except NotRecordable:
                    logger.error(
                        "an unsent intent could not be released", extra={"request_id": request.call.request_id}
                    )


def _entry_of_part(whole: Entry, part: Part) -> Entry:
    """Return what the journal holds of a part: what it would hold had its own method been called."""
    return replace(
        whole,
        intent=part.intent,
        method=part.method,
        params=part.params,
        params_digest=digest_of(part.method, part.params),
        client_order_id=part.client_order_id,
        wire=dict(part.wire),
    )


def _used_by_another(plan: Plan[O], entry: Entry) -> Reason:
    """Say that the intent of a part is taken."""
    field = next((part.field for part in plan.parts if part.intent == entry.intent), "intent")
    return Reason(field=field, rule="an intent that was not used before")


def objection(stop: Stop) -> Reason:
    """Say why a stop denies an order."""
    return Reason(field="trading", rule=f"not while trading is {stop.state.value}; the operator resumes it")


@dataclass(slots=True)
class _Turn:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    waiting: int = 0


class _Request:
    """One write as asked for: what is compared with a repeat, and what is audited."""

    def __init__(self, call: Call, intent: str, params: dict[str, Any], *, urgent: bool) -> None:
        self.call = call
        self.intent = intent
        self.params = params
        self.urgent = urgent
        self.key = IntentKey(call.principal.environment.value, call.principal.bot_tag, intent)
        self.entry: Entry | None = None
        """What the journal holds of it, once it does."""
        self.parts: dict[str, Entry] = {}
        """What it holds of the parts, by their intents."""
        self.unrecorded = False
        """True when it is sent although it could not be recorded."""
        self.digest = digest_of(call.method, params)

    def event(
        self,
        kind: EventKind,
        *,
        part: Part | None = None,
        outcome: str | None = None,
        code: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        params, intent = (self.params, self.intent) if part is None else (part.params, part.intent)
        return audit_event(self.call, kind, params, intent=intent, outcome=outcome, code=code, detail=detail)


def failed(failure: RpcError, params: Mapping[str, Any] = MappingProxyType({})) -> Ending:
    """Tell how a request ended that was sent and failed."""
    if isinstance(failure, VenueRefused):
        outcome = Outcome.UNKNOWN if failure.effect_possible else Outcome.REJECTED
        return Ending(outcome, reasons=(_told_by(failure, params),), venue_code=failure.venue_code)
    # The message of this code says that nothing was sent, which of this request is not so.
    why = "connection lost" if failure.code is Code.VENUE_DOWN else failure.message.lower()
    return Ending(Outcome.UNKNOWN, reasons=(Reason(field="venue", rule=f"no usable answer: {why}"),))


def _told_by(refusal: VenueRefused, params: Mapping[str, Any]) -> Reason:
    """Tell a venue's refusal by the caller's own parameter, where the venue named one that was given."""
    param, rule = refusal.data.get("param"), refusal.data.get("rule")
    if param in params and isinstance(rule, str):
        return Reason(field=str(param), rule=rule)
    return Reason(field="venue", rule=refusal.reason)


def digest_of(method: str, params: Mapping[str, Any]) -> str:
    """Digest what is compared with a repeat of an intent."""
    return hashlib.sha256(orjson.dumps([method, params], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(outcome: WriteOutcome) -> dict[str, Any]:
    return outcome.model_dump(mode="json")


def _unknown_fields(intent: str, client_order_id: str | None) -> dict[str, Any]:
    """What can be told of an intent that was journaled and whose ending was never recorded."""
    return {"outcome": Outcome.UNKNOWN, "intent": intent, "client_order_id": client_order_id}
