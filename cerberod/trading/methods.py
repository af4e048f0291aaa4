"""The methods about writes themselves: what became of them, what would be sent, and what stops them.

`orders.*` reads the journal; `admin.halt`, `admin.resume` and `admin.settle_intent` are the operator's hand. All act in
the session's own environment.
"""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import Field, StringConstraints

from cerberod.audit.record import EventKind
from cerberod.clock import Clock, iso
from cerberod.errors import Code, InvalidParams, RpcError
from cerberod.rpc.call import Call
from cerberod.rpc.describe import UPSTREAM_ERRORS
from cerberod.rpc.dispatch import validate
from cerberod.rpc.registry import Effect, Params, Registry, Result, method
from cerberod.trading.auditing import audit_event
from cerberod.trading.guard import Guard, Scope, Stop, TradingState
from cerberod.trading.journal import Entry, IntentKey
from cerberod.trading.orders import Outcome, Reason, WriteOutcome
from cerberod.trading.placing import WriteHandler, objection
from cerberod.trading.recording import NotRecordable, Recorder
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import Intent, WriteParams

T = TypeVar("T")
BotTag = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,62}[!-~])?$")]
Venue = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,32}$")]


class Trading:
    """What the methods of this module act on; one for each environment."""

    def __init__(self, recorder: Recorder, resolver: Resolver, guard: Guard, registry: Registry, clock: Clock) -> None:
        self.recorder = recorder
        self.resolver = resolver
        self.guard = guard
        self.registry = registry
        self.clock = clock


async def _read(reading: Awaitable[T]) -> T:
    """Wait for a read of the journal; one that fails is the error it is."""
    try:
        return await reading
    except NotRecordable as refusal:
        raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None


class GetOutcome(Params):
    """Which write."""

    intent: Intent = Field(description="The idempotency key of the write.", examples=["first-order"])


class KnownWrite(Result):
    """One write as the journal knows it."""

    intent: str = Field(description="The idempotency key of the write.")
    known: bool = Field(
        description="False when this bot tag never used the intent in this environment, or nothing of it left the "
        "process: it is free."
    )
    resolved: bool = Field(description="True when the outcome is final.")
    outcome: Outcome | None = Field(default=None, description="What became of it; null when the intent is free.")
    method: str | None = Field(default=None, description="The method that was called.")
    client_order_id: str | None = Field(default=None, description="Our id of it at the venue.")
    result: dict[str, Any] | None = Field(
        default=None, description="What the method answered, or would have answered; null before there is an outcome."
    )
    begun_at: datetime | None = Field(default=None, description="When it was recorded, before it was sent.")
    ended_at: datetime | None = Field(default=None, description="When this outcome was recorded.")
    pending: str | None = Field(default=None, description="Why it is not resolved yet; null otherwise.")
    bot_tag: str | None = Field(default=None, description="The bot that asked for it.")


def _known(entry: Entry, resolver: Resolver) -> KnownWrite:
    pursuit = resolver.pursuits.get(entry.key)
    pending = None if entry.resolved else "in progress" if pursuit is None else pursuit.reason
    return KnownWrite.model_validate(
        {
            "intent": entry.intent,
            "known": True,
            "resolved": entry.resolved,
            "outcome": entry.outcome or Outcome.UNKNOWN.value,
            "method": entry.method,
            "client_order_id": entry.client_order_id,
            "result": None if entry.result is None else dict(entry.result),
            "begun_at": entry.begun_at,
            "ended_at": entry.ended_at,
            "pending": pending,
            "bot_tag": entry.bot_tag,
        },
        strict=False,
    )


@method("orders.get_outcome", cost=1, errors=(Code.NOT_RECORDABLE,))
async def get_outcome(call: Call, params: GetOutcome) -> KnownWrite:
    """Tell what became of a write of this bot tag, by its intent.

    Every bot tag has intents of its own: `known` is false where only others used it. Read from the journal: asks no
    venue, and answers the same after a restart or a lost connection. While it is `unknown` the daemon keeps asking the
    venue and pushes `orders.resolved` when it knows.
    """
    trading, principal = call.use(Trading), call.principal
    entry = await _read(trading.recorder.find(principal.environment.value, principal.bot_tag, params.intent))
    if entry is None:
        return KnownWrite(intent=params.intent, known=False, resolved=False)
    return _known(entry, trading.resolver)


class ListUnresolved(Params):
    """Whose writes."""

    all_bots: bool = Field(default=False, description="True for the writes of every bot of this environment.")


class Unresolved(Result):
    """Writes whose outcome is not final."""

    count: int = Field(description="How many there are.")
    writes: list[KnownWrite] = Field(description="The writes, oldest first.")


@method("orders.list_unresolved", cost=1, errors=(Code.NOT_RECORDABLE,))
async def list_unresolved(call: Call, params: ListUnresolved) -> Unresolved:
    """List writes whose outcome is not known, or that are still under way."""
    trading, principal = call.use(Trading), call.principal
    entries = await _read(trading.recorder.unresolved(principal.environment.value))
    writes = [
        _known(entry, trading.resolver) for entry in entries if params.all_bots or entry.bot_tag == principal.bot_tag
    ]
    return Unresolved(count=len(writes), writes=writes)


class Check(Params):
    """A write to try out."""

    method: str = Field(description="The write method to check.", examples=["deribit.place_order"])
    params: dict[str, Any] = Field(
        description="Its params, as they would be sent.",
        examples=[{"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "50000"}],
    )


class Checked(Result):
    """What would happen."""

    would_send: bool = Field(description="True when the write would be sent as things stand.")
    reasons: list[Reason] = Field(description="Why it would be denied; empty when it would be sent.")
    venue: str | None = Field(description="The venue it would go to; null when denied before that is known.")
    client_order_id: str | None = Field(description="Our id of it, which depends on the intent given.")
    wire: dict[str, Any] | None = Field(description="Exactly what would go out; null when it would be denied.")
    known: KnownWrite | None = Field(
        description="What is recorded under this intent, when it was used before: nothing would be sent."
    )


@method("orders.check", cost=2, errors=(Code.NOT_RECORDABLE, *UPSTREAM_ERRORS))
async def check(call: Call, params: Check) -> Checked:
    """Run the whole path of a write and stop before the send.

    Params are checked as for the real call, guards and the venue's rules too, and the wire payload is shown. Nothing is
    sent and nothing is recorded; the intent stays free.
    """
    trading, principal = call.use(Trading), call.principal
    found = trading.registry.find(params.method)
    if found is None or not isinstance(found.handler, WriteHandler):
        raise InvalidParams([{"field": "method", "rule": "the name of a write method"}])
    if found.scope not in principal.scopes:
        raise RpcError(Code.NOT_ALLOWED, scope=found.scope)
    try:
        asked = validate(found.params, orjson.dumps(params.params))
    except InvalidParams as invalid:
        problems = [{**each, "field": f"params.{each['field']}"} for each in invalid.data["problems"]]
        raise InvalidParams(problems) from None
    assert isinstance(asked, WriteParams)
    known = None
    if asked.intent is not None:
        entry = await _read(trading.recorder.find(principal.environment.value, principal.bot_tag, asked.intent))
        known = None if entry is None else _known(entry, trading.resolver)
    else:
        asked = asked.model_copy(update={"intent": "check"})
    plan = await found.handler.prepare(call, asked)
    stop = trading.guard.strictest(principal.environment.value, plan.venue, principal.bot_tag)
    reasons = list(plan.denied)
    if not reasons and not found.urgent and stop is not None and not stop.allows(reduces=plan.reduces):
        reasons = [objection(stop)]
    sends = not reasons and known is None
    return Checked(
        would_send=sends,
        reasons=reasons,
        venue=plan.venue,
        client_order_id=plan.client_order_id,
        wire=None if reasons else dict(plan.wire),
        known=known,
    )


class Covers(Params):
    """What a stop covers."""

    venue: Venue | None = Field(default=None, description="One venue's namespace; all of them when left out.")
    bot_tag: BotTag | None = Field(default=None, description="One bot; all of them when left out.")


class Halt(Covers):
    """What to stop, and how far."""

    state: Literal["reduce_only", "halted"] = Field(
        default="halted",
        description="`halted` lets cancels through alone; `reduce_only` also orders that cannot open or grow a "
        "position.",
    )
    reason: str = Field(default="", max_length=256, description="Why, for the record and for whoever resumes.")


class StopInForce(Result):
    """One stop."""

    state: TradingState = Field(description="reduce_only or halted.")
    venue: str | None = Field(description="The venue it covers; null for all.")
    bot_tag: str | None = Field(description="The bot it covers; null for all.")
    actor: str = Field(description="Which token set it.")
    reason: str = Field(description="Why, in the words of whoever set it.")
    at: datetime = Field(description="When it was set.")


class Stops(Result):
    """What is stopped in this environment."""

    stops: list[StopInForce] = Field(description="The stops in force, oldest first; empty when trading is active.")
    recorded: bool = Field(description="False when this could not be made durable and would not survive a restart.")


@method("admin.halt", effect=Effect.ADMIN, cost=0, urgent=True)
async def halt(call: Call, params: Halt) -> Stops:
    """Stop trading in this environment: for one venue, one bot, or all.

    In force at once and across restarts. Any session may halt; only the operator resumes (`admin.resume` with
    ADMIN_TOKEN, or `cerberod resume`). Cancels always pass; open orders stay open.
    """
    return await _set(call, params, TradingState(params.state), params.reason)


@method("admin.resume", effect=Effect.ADMIN, scope="admin", cost=0, urgent=True)
async def resume(call: Call, params: Covers) -> Stops:
    """Lift the stop of exactly this scope. Needs ADMIN_TOKEN.

    Another stop that covers the same orders stays in force; see the answer.
    """
    return await _set(call, params, TradingState.ACTIVE, "")


async def _set(call: Call, covers: Covers, state: TradingState, reason: str) -> Stops:
    trading, principal = call.use(Trading), call.principal
    scope = Scope(principal.environment.value, covers.venue, covers.bot_tag)
    stop = Stop(scope, state, principal.actor, reason, iso(trading.clock.now()))
    trading.guard.set(stop)
    event = audit_event(call, EventKind.ADMIN, covers.model_dump(mode="json"), detail={"state": state.value})
    call.recorded = recorded = True
    try:
        await trading.recorder.set_stop(stop, event)
    except NotRecordable:
        recorded = False
    return Stops(
        stops=[
            StopInForce.model_validate(
                {
                    "state": each.state,
                    "venue": each.scope.venue,
                    "bot_tag": each.scope.bot_tag,
                    "actor": each.actor,
                    "reason": each.reason,
                    "at": each.at,
                },
                strict=False,
            )
            for each in trading.guard.stops(principal.environment.value)
        ],
        recorded=recorded,
    )


class SettleIntent(Params):
    """Which write, and what became of it."""

    intent: Intent = Field(description="The idempotency key of the write.", examples=["first-order"])
    bot_tag: BotTag = Field(description="The bot that asked for it.", examples=["me"])
    outcome: Literal["confirmed", "rejected"] = Field(description="What became of it, as found out by other means.")
    reason: str = Field(
        min_length=1, max_length=256, description="How this is known, for the record.", examples=["seen at the venue"]
    )


@method("admin.settle_intent", effect=Effect.ADMIN, scope="admin", cost=0, urgent=True)
async def settle_intent(call: Call, params: SettleIntent) -> KnownWrite:
    """End a write that no venue can tell the outcome of. Needs ADMIN_TOKEN.

    Look at the venue's own pages first: what is said here is what every repeat of the intent will be told.
    """
    trading, principal = call.use(Trading), call.principal
    key = IntentKey(principal.environment.value, params.bot_tag, params.intent)
    entry = await _read(trading.recorder.find(*key))
    if entry is None or entry.resolved:
        rule = "an intent of this bot whose outcome is unknown" if entry is None else "not resolved already"
        raise InvalidParams([{"field": "intent", "rule": rule}])
    outcome = WriteOutcome(
        outcome=Outcome(params.outcome),
        intent=entry.intent,
        client_order_id=entry.client_order_id,
        reasons=[Reason(field="operator", rule=params.reason)],
    )
    event = audit_event(
        call,
        EventKind.ADMIN,
        params.model_dump(mode="json"),
        intent=entry.intent,
        outcome=params.outcome,
        detail={"settles": entry.request_id},
    )
    call.recorded = True
    try:
        await trading.recorder.conclude(*key, params.outcome, outcome.model_dump(mode="json"), event)
    except NotRecordable as refusal:
        raise RpcError(Code.NOT_RECORDABLE, reason=refusal.reason) from None
    trading.resolver.settled(key)
    settled = await _read(trading.recorder.find(*key))
    assert settled is not None
    return _known(settled, trading.resolver)
