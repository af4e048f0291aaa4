"""The one path of every write: check, record, send, record, answer.

A venue declares a write by a function that *prepares* it: reads what it needs, checks, and returns a `Plan`. It never
sends. Sending, journal, audit and what the caller is told happen here alone, in this order, so that

- an error reply means that nothing left this process;
- after the first byte every ending, a bug of our own included, is an outcome;
- one intent is at most one request, however often and from wherever it is asked.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import anyio
import orjson
from pydantic import Field, StringConstraints

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.clock import Clock, iso
from cerberod.errors import Code, RpcError, VenueRefused
from cerberod.ids import Environment, new_intent, order_key
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import (
    BadDeclaration,
    Deadline,
    Effect,
    Method,
    Params,
    Registry,
    documentation,
    registry,
    signature,
)
from cerberod.trading.journal import Entry
from cerberod.trading.orders import Ending, O, Outcome, Reason, WriteOutcome, told
from cerberod.trading.recording import NotRecordable, Recorder

logger = logging.getLogger("cerberod.trading")

Intent = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
"""An idempotency key: 1 to 64 printable ASCII characters without blanks."""


class WriteParams(Params):
    """Base of the params of every write."""

    intent: Intent | None = Field(
        default=None,
        description="Your idempotency key, unique for your bot tag in this environment for 90 days. A repeat with the "
        "same intent is answered from the record and sends nothing. Without one the daemon makes one and returns it.",
    )


P = TypeVar("P", bound=WriteParams)


class Sent:
    """The moment from which a write may have had an effect. A transport marks it just before the first byte."""

    def __init__(self) -> None:
        self.marked = False

    def mark(self) -> None:
        self.marked = True


@dataclass(frozen=True, slots=True)
class Plan(Generic[O]):
    """What a write will send, or why it will not."""

    venue: str
    account: str
    """The account at the venue that the request acts on, without secrets."""
    send: Callable[[Sent], Awaitable[Ending]] | None
    """Sends once, marks `Sent` just before the first byte, and reads the answer. None when denied."""
    wire: Mapping[str, Any] = field(default_factory=dict)
    """Exactly what goes out, for the journal; plain JSON values, without credentials."""
    client_order_id: str | None = None
    denied: tuple[Reason, ...] = ()
    """Reasons not to send."""


Finder = Callable[[Services, Entry], Awaitable[Ending | None]]
"""Asks the venue what became of a journaled write. None while the venue cannot tell."""

Prepare = Callable[[Call, P], Awaitable[Plan[O]]]


def write(
    name: str,
    *,
    finder: Finder,
    scope: str = "trade",
    cost: int = 5,
    since: str = "0.1",
    into: Registry = registry,
) -> Callable[[Prepare[P, O]], Prepare[P, O]]:
    """Declare a function that prepares a write as a method whose calls go through the one path of this module."""

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
                cost=cost,
                deadline=Deadline.WRITE,
                since=since,
                params=params,
                result=model,
                summary=summary,
                text=text,
                handler=WriteHandler(prepare, model),
                finder=finder,
            )
        )
        return prepare

    return declare


class WriteHandler:
    """The handler of every write: it can do nothing but take the one path."""

    def __init__(self, prepare: Prepare[Any, Any], outcome: type[WriteOutcome]) -> None:
        self._prepare = prepare
        self._outcome = outcome

    async def __call__(self, call: Call, params: WriteParams) -> WriteOutcome:
        return await call.use(Placing).place(call, params, self._prepare, self._outcome)


def order_key_of(call: Call, params: WriteParams, account: str) -> bytes:
    """Return the 32 bytes from which the venue's client order id of this write is cut."""
    assert params.intent is not None, "Placing names the intent before a write is prepared"
    return order_key(call.principal.environment, account, call.principal.bot_tag, params.intent)


Key = tuple[Environment, str, str]


class Placing:
    """Takes writes along their path; one for the daemon, shared by both environments."""

    def __init__(self, recorder: Recorder, clock: Clock, *, deadline_s: float) -> None:
        self._recorder = recorder
        self._clock = clock
        self._deadline_s = deadline_s
        self._turns: dict[Key, _Turn] = {}

    async def place(self, call: Call, params: P, prepare: Prepare[P, O], model: type[O]) -> O:
        """Run one write to its outcome. Raises `RpcError` only while nothing has left the process."""
        principal = call.principal
        known_intent = params.intent is not None
        intent = params.intent or new_intent()
        params = params.model_copy(update={"intent": intent})
        request = _Request(call, intent, params.model_dump(mode="json", exclude={"intent"}))
        async with self._turn((principal.environment, principal.bot_tag, intent)):
            if known_intent:
                entry = await self._find(principal, intent)
                if entry is not None:
                    return await self._tell_again(request, entry, model)
            give_up_at = anyio.current_time() + self._deadline_s
            with anyio.CancelScope(deadline=give_up_at) as preparing:
                plan = await prepare(call, params)
            if preparing.cancelled_caught:
                raise RpcError(Code.DEADLINE_PASSED)
            if plan.denied:
                return await self._deny(request, plan, model)
            entry = await self._record_intent(request, plan)
            if entry is not None:
                return await self._tell_again(request, entry, model)
            return await self._send(request, plan, model, give_up_at)

    @asynccontextmanager
    async def _turn(self, key: Key) -> AsyncIterator[None]:
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

    async def _find(self, principal: Principal, intent: str) -> Entry | None:
        try:
            return await self._recorder.find(principal.environment, principal.bot_tag, intent)
        except NotRecordable as refusal:
            raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None

    async def _tell_again(self, request: "_Request", entry: Entry, model: type[O]) -> O:
        if entry.params_digest != request.digest:
            raise RpcError(Code.INTENT_REUSED, intent=request.intent, method=entry.method)
        known = dict(entry.result) if entry.result else _unknown_fields(request.intent, entry.client_order_id)
        outcome = model.model_validate({**known, "repeated": True}, strict=False)
        await self._note(request, outcome, detail={"repeated": True})
        return outcome

    async def _deny(self, request: "_Request", plan: Plan[O], model: type[O]) -> O:
        outcome = model(
            outcome=Outcome.DENIED,
            intent=request.intent,
            client_order_id=None,
            reasons=list(plan.denied),
        )
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
        """Make the intent durable; return the entry that already holds it, if one does."""
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
        try:
            return await self._recorder.begin(entry, request.event(EventKind.REQUEST, detail={"wire": dict(plan.wire)}))
        except NotRecordable as refusal:
            raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None

    async def _send(self, request: "_Request", plan: Plan[O], model: type[O], give_up_at: float) -> O:
        ending = await self._ending(request, plan, give_up_at)
        if isinstance(ending, RpcError):
            await self._release(request, ending)
            raise ending
        return await self._conclude(request, plan, ending, model)

    async def _ending(self, request: "_Request", plan: Plan[O], give_up_at: float) -> Ending | RpcError:
        """Send, and tell how it ended: an outcome, or the error of a request of which nothing left the process."""
        assert plan.send is not None, "a plan that is not denied sends"
        if anyio.current_time() >= give_up_at:
            return RpcError(Code.DEADLINE_PASSED)
        sent = Sent()
        failure: RpcError
        try:
            with anyio.CancelScope(deadline=give_up_at):
                return await plan.send(sent)
            failure = RpcError(Code.DEADLINE_PASSED)
        except anyio.get_cancelled_exc_class():
            if not sent.marked:  # the daemon stops; nothing is out
                await self._release(request, RpcError(Code.SHUTTING_DOWN))
            raise
        except VenueRefused as refusal:
            outcome = Outcome.UNKNOWN if refusal.effect_possible else Outcome.REJECTED
            reason = Reason(field="venue", rule=refusal.reason)
            return Ending(outcome, reasons=(reason,), venue_code=refusal.venue_code)
        except RpcError as error:
            failure = error
        except Exception as error:  # whatever the bug, the caller must hear that an order may be out
            logger.error("a write failed while sending", exc_info=error, extra={"request_id": request.call.request_id})
            failure = RpcError(Code.INTERNAL_ERROR)
        if not sent.marked:
            return failure
        reason = Reason(field="venue", rule=f"no usable answer: {failure.message.lower()}")
        return Ending(Outcome.UNKNOWN, reasons=(reason,))

    async def _conclude(self, request: "_Request", plan: Plan[O], ending: Ending, model: type[O]) -> O:
        outcome = told(model, request.intent, plan.client_order_id, ending)
        result = _plain(outcome)
        event = request.event(EventKind.OUTCOME, outcome=ending.outcome.value, detail=result)
        request.call.recorded = True
        principal = request.call.principal
        try:
            with anyio.CancelScope(shield=True):
                await self._recorder.conclude(
                    principal.environment, principal.bot_tag, request.intent, ending.outcome.value, result, event
                )
        except NotRecordable:
            return outcome.model_copy(update={"recorded": False})
        return outcome

    async def _release(self, request: "_Request", failure: RpcError) -> None:
        """Free the intent of a write of which nothing left the process."""
        principal = request.call.principal
        event = request.event(EventKind.REFUSED, code=int(failure.code))
        request.call.recorded = True
        try:
            with anyio.CancelScope(shield=True):
                await self._recorder.release(principal.environment, principal.bot_tag, request.intent, event)
        except NotRecordable:
            logger.error("an unsent intent could not be released", extra={"request_id": request.call.request_id})


@dataclass(slots=True)
class _Turn:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    waiting: int = 0


class _Request:
    """One write as asked for: what is compared with a repeat, and what is audited."""

    def __init__(self, call: Call, intent: str, params: dict[str, Any]) -> None:
        self.call = call
        self.intent = intent
        self.params = params
        canonical = orjson.dumps([call.method, params], option=orjson.OPT_SORT_KEYS)
        self.digest = hashlib.sha256(canonical).hexdigest()

    def event(
        self,
        kind: EventKind,
        *,
        outcome: str | None = None,
        code: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        return audit_event(self.call, kind, self.params, intent=self.intent, outcome=outcome, code=code, detail=detail)


def audit_event(
    call: Call,
    kind: EventKind,
    params: Mapping[str, Any] | None,
    *,
    intent: str | None = None,
    outcome: str | None = None,
    code: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Describe one call for the audit."""
    principal: Principal = call.principal
    return AuditEvent(
        kind=kind,
        environment=principal.environment.value,
        actor=principal.actor,
        bot_tag=principal.bot_tag,
        session_id=principal.session_id,
        request_id=call.request_id,
        transport=principal.transport,
        client_ip=principal.client_ip,
        method=call.method,
        intent=intent,
        params=None if params is None else dict(params),
        outcome=outcome,
        code=code,
        detail=None if detail is None else dict(detail),
    )


def _plain(outcome: WriteOutcome) -> dict[str, Any]:
    return outcome.model_dump(mode="json")


def _unknown_fields(intent: str, client_order_id: str | None) -> dict[str, Any]:
    """What can be told of an intent that was journaled and whose ending was never recorded."""
    return {"outcome": Outcome.UNKNOWN, "intent": intent, "client_order_id": client_order_id}
