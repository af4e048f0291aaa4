"""From a message to its answer: find the method, check, run under a deadline, encode. One exception-to-wire boundary.

A well-formed single call takes the direct path, a few lines. Batches and everything odd go through jsonrpcserver
(`rpc.library`), item by item. Both end in `Dispatcher._run`, so they cannot answer differently.
"""

import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, TypeGuard, cast

import anyio
import anyio.to_thread
import orjson
from anyio.abc import TaskGroup
from pydantic import ValidationError

from cerberod.clock import Clock
from cerberod.errors import Code, InvalidParams, RpcError
from cerberod.ids import Environment, RequestIds
from cerberod.logs import RequestLog
from cerberod.rpc import envelope
from cerberod.rpc.call import Call, Principal, Services, current_tally
from cerberod.rpc.envelope import Batch, Ignored, Malformed, Message, Request
from cerberod.rpc.limits import LEAST_PACED, Budget, BudgetKey, BudgetLimits, Budgets
from cerberod.rpc.registry import Deadline, Effect, Method, NoParams, Params, Registry, Result
from cerberod.rpc.session import Session

logger = logging.getLogger("cerberod.rpc")

RETRY_BUSY_MS = 100
NO_PARAMS = NoParams()


class Phase(StrEnum):
    """The life of the process, as callers see it."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Bounds of calls; every one of them is a setting."""

    max_request_bytes: int
    max_reply_bytes: int
    max_batch: int
    max_in_flight: int
    """In the whole daemon; each session has its own, smaller bound."""
    deadlines_s: Mapping[Deadline, float]
    budget: BudgetLimits = field(default_factory=BudgetLimits)


class Finished(NamedTuple):
    """One call that is over, for those who keep records of calls."""

    call: Call
    method: Method | None
    """None when no such method exists."""
    params: dict[str, Any]
    code: int
    """0, or the code of the error reply."""
    duration_s: float


Observer = Callable[[Finished], None]


Push = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Listener:
    """A session that can be told things."""

    principal: Principal
    push: Push


@dataclass(slots=True)
class Running:
    """A call in progress, for the operator and for the drain at the end."""

    method: str
    effect: Effect
    environment: Environment
    started: float


class Dispatcher:
    """Answers messages of all sessions."""

    def __init__(
        self,
        registry: Registry,
        services: Mapping[Environment, Services],
        clock: Clock,
        limits: CallLimits,
        log: RequestLog,
        observers: tuple[Observer, ...] = (),
        *,
        direct: bool = True,
    ) -> None:
        self.phase = Phase.STARTING
        self.running: dict[str, Running] = {}
        self.malformed: Counter[int] = Counter()
        """Messages that were no call, by the code of their error."""
        self.budgets = Budgets(limits.budget)
        self._registry = registry
        self._services = services
        self._clock = clock
        self._limits = limits
        self._log = log
        self._observers = observers
        self._direct = direct
        self._lasting: TaskGroup | None = None
        self._library: ModuleType | None = None
        self._importing = anyio.Lock()
        self._idle = anyio.Event()
        self._listeners: dict[str, Listener] = {}
        self._request_ids = RequestIds()

    @property
    def environments(self) -> Collection[Environment]:
        """The environments in use."""
        return self._services.keys()

    def use_lasting(self, group: TaskGroup | None) -> None:
        """Run writes in this group from now on: it outlives every session, so that a hung-up caller stops none."""
        self._lasting = group

    def open_session(self, principal: Principal, *, max_request_bytes: int | None = None) -> Session:
        """Begin a session; a transport with a smaller bound on requests than the daemon's names it."""
        log = self._log.for_caller(
            transport=principal.transport,
            actor=principal.actor,
            bot_tag=principal.bot_tag,
            session_id=principal.session_id,
            client_ip=principal.client_ip,
            user_agent=principal.user_agent,
        )
        limit = self._limits.max_request_bytes if max_request_bytes is None else max_request_bytes
        key = BudgetKey(principal.actor, principal.bot_tag, principal.client_ip)
        budget = self.budgets.of(key, self._clock.monotonic())
        return Session(principal, log, budget, max_request_bytes=limit, max_batch=self._limits.max_batch)

    def group_for(self, method: Method | None, session_group: TaskGroup) -> TaskGroup:
        """Choose where a call runs: reads end with their session, everything else outlives it."""
        if self._lasting is not None and method is not None and method.effect is not Effect.READ:
            return self._lasting
        return session_group

    def room(self, session: Session, most: int) -> int:
        """Return how many calls of a session may run at once; `most` while its bot is not in debt."""
        return session.budget.at_once(most, self._clock.monotonic()) if session.budget.strained else most

    def method_of(self, message: Message) -> Method | None:
        """Return the method that a message calls, if it calls one that exists."""
        return self._registry.find(message.method) if isinstance(message, Request) else None

    @contextmanager
    def listening(self, principal: Principal, push: Push) -> Iterator[None]:
        """Let a session be told things it did not ask for, for the length of the block."""
        self._listeners[principal.session_id] = Listener(principal, push)
        try:
            yield
        finally:
            del self._listeners[principal.session_id]

    async def notify(self, environment: Environment, bot_tag: str, session_id: str, notification: bytes) -> int:
        """Push to one session, or, when it is gone, to every session of the same bot; return to how many."""
        same = self._listeners.get(session_id)
        told = (
            [same]
            if same is not None
            else [
                listener
                for listener in self._listeners.values()
                if (listener.principal.environment, listener.principal.bot_tag) == (environment, bot_tag)
            ]
        )
        for listener in told:
            await listener.push(notification)
        return len(told)

    def answers_now(self, method: Method | None, session: Session, request: Request) -> TypeGuard[Method]:
        """Tell whether a call waits for nothing: whoever reads may then let `answer_now` answer it."""
        return (
            method is not None
            and method.immediate
            and request.id is not None
            and self._direct
            and not session.budget.strained
            and not session.over_budget
        )

    async def answer(self, session: Session, message: Message) -> bytes | None:
        """Return the answer to one message of a session; None when none is owed. Never raises, except cancellation."""
        if isinstance(message, Request) and message.id is not None and self._direct:
            return await self._run(session, message)
        if isinstance(message, Batch):
            return await self._batch(session, message)
        if isinstance(message, Ignored):
            return await self._account_for_ignored(session)
        return await self._by_library(session, message)

    async def _by_library(
        self, session: Session, message: Request | Malformed, *, in_batch: bool = False
    ) -> bytes | None:
        library = self._library or await self._load_library()
        if isinstance(message, Malformed):
            message = await self._account_for(session, message)
        answer: bytes | None = await library.answer_by_library(
            message, lambda request: self._run(session, request, in_batch=in_batch)
        )
        return answer

    async def _load_library(self) -> ModuleType:
        """Import jsonrpcserver. It takes 0.2 s: the usual call does without it, and no session waits for another's."""
        async with self._importing:  # or each of many odd messages would keep a thread busy with it
            if self._library is None:
                self._library = await anyio.to_thread.run_sync(import_module, "cerberod.rpc.library")
            return self._library

    async def _batch(self, session: Session, batch: Batch) -> bytes | None:
        """Run the items of a batch at the same time; the answers stand in the order of the items."""
        replies: list[bytes | None] = [None] * len(batch.items)

        async def run(index: int, item: Request | Malformed) -> None:
            replies[index] = await self._by_library(session, item, in_batch=True)

        async with anyio.create_task_group() as group:
            for index, item in enumerate(batch.items):
                if not isinstance(item, Ignored):
                    group.start_soon(run, index, item)
        answers = [reply for reply in replies if reply is not None]
        if sum(map(len, answers)) > self._limits.max_reply_bytes:
            limit = self._limits.max_reply_bytes
            return envelope.encode_error(None, RpcError(Code.BATCH_REPLY_TOO_BIG, limit_bytes=limit))
        return envelope.encode_batch(answers) if answers else None

    async def _account_for(self, session: Session, malformed: Malformed) -> Malformed:
        """Charge for what is no call. When that is too much, the answer is that instead."""
        self.malformed[int(malformed.error.code)] += 1
        try:
            await self._wait_turn(session, LEAST_PACED)
        except RpcError as refusal:
            return Malformed(refusal, malformed.id)
        session.budget.charge(self._limits.budget.surcharge(malformed.error.code, 0), self._clock.monotonic())
        return malformed

    async def _account_for_ignored(self, session: Session) -> bytes | None:
        """Charge for what gets no answer, so that a flood of it ends as any other does."""
        try:
            await self._wait_turn(session, LEAST_PACED)
        except RpcError as refusal:
            return envelope.encode_error(None, refusal)
        session.budget.charge(LEAST_PACED, self._clock.monotonic())
        return None

    async def _wait_turn(self, session: Session, cost: int) -> None:
        """Hold a bot in debt back until its turn comes. Raises what refuses it when its debt is too big."""
        budget, limits = session.budget, self._limits.budget
        if not (budget.strained or session.over_budget):
            return
        now = self._clock.monotonic()
        if budget.exhausted(now) or session.over_budget:
            session.over_budget = True
            raise RpcError(Code.OVER_BUDGET, retry_after_ms=math.ceil(budget.relaxed_in_s(now) * 1000))
        wait_s = budget.turn(cost, now)
        if wait_s > limits.longest_wait_s:
            raise RpcError(Code.BUSY, limit=limits.soft, retry_after_ms=math.ceil(wait_s * 1000))
        if wait_s:
            await anyio.sleep(wait_s)

    def answer_now(self, session: Session, request: Request, method: Method) -> bytes:
        """Answer a call for which `answers_now` is true."""
        started = self._clock.monotonic()
        call = self._call(session, request)
        try:
            if method.cost:
                session.budget.charge(method.cost, started)
            self._admit(session, method, request)
            result = cast(Result, method.handler(call, self._checked(method, request)))
            code, reply = 0, envelope.encode_result(request.id, self._encoded(method, result))
        except Exception as error:
            code, reply = self._failure(session, call, request, method, error)
        self._finish(session, call, request, method, code, started)
        return reply

    async def _run(self, session: Session, request: Request, *, in_batch: bool = False) -> bytes | None:
        """Run one request, whatever it waits for."""
        started = self._clock.monotonic()
        call = self._call(session, request)
        method = self._registry.find(request.method)
        code, reply = int(Code.HUNG_UP), b""
        try:
            if (session.budget.strained or session.over_budget) and (method is None or not method.urgent):
                await self._wait_turn(session, LEAST_PACED if method is None else method.cost)
            if method is not None and method.cost:
                session.budget.charge(method.cost, started)
            known = self._admit(session, method, request, in_batch)
            params = self._checked(known, request)
            result = (
                known.handler(call, params)
                if known.immediate
                else await self._bounded(known, call, params, session.budget, started)
            )
            code, reply = 0, envelope.encode_result(request.id, self._encoded(known, cast(Result, result)))
        except Exception as error:
            code, reply = self._failure(session, call, request, method, error)
        finally:
            self._finish(session, call, request, method, code, started)
        return None if request.id is None else reply

    def _call(self, session: Session, request: Request) -> Call:
        principal = session.principal
        return Call(self._request_ids.new(), request.method, principal, self._services[principal.environment])

    def _encoded(self, method: Method, result: Result) -> bytes:
        body: bytes = result.__pydantic_serializer__.to_json(result)
        if len(body) > self._limits.max_reply_bytes and method.effect is Effect.READ:
            raise RpcError(Code.REPLY_TOO_BIG, limit_bytes=self._limits.max_reply_bytes)
        return body

    def _failure(
        self, session: Session, call: Call, request: Request, method: Method | None, error: Exception
    ) -> tuple[int, bytes]:
        """Return the code and the reply for what a call raised. The only place where an exception becomes an error."""
        if not isinstance(error, RpcError):  # what is not foreseen is logged whole and told as nothing
            logger.error("call failed", exc_info=error, extra={"request_id": call.request_id})
            error = RpcError(Code.INTERNAL_ERROR)
        elif method is None or not method.urgent:
            surcharge = self._limits.budget.surcharge(error.code, 0 if method is None else method.cost)
            session.budget.charge(surcharge, self._clock.monotonic())
        return int(error.code), envelope.encode_error(request.id, error, call.request_id)

    def _finish(
        self, session: Session, call: Call, request: Request, method: Method | None, code: int, started: float
    ) -> None:
        """Free the id of a call that is over, and tell of the call."""
        session.finished(request)
        duration = self._clock.monotonic() - started
        tally = call.tally
        session.log.write(call.request_id, request.method, code, duration * 1000, tally.calls, tally.seconds * 1000)
        finished = Finished(call, method, request.params, code, duration)
        for observe in self._observers:
            observe(finished)

    def _checked(self, method: Method, request: Request) -> Params:
        if not request.params and method.params is NoParams:
            return NO_PARAMS
        encoded = orjson.dumps(request.params)
        if self._log.sink.redactor.holds_secret(encoded):
            raise InvalidParams(
                [{"field": "params", "rule": "free of this daemon's secrets; nothing was done with them"}]
            )
        return validate(method.params, encoded)

    async def _bounded(self, method: Method, call: Call, params: Params, budget: Budget, started: float) -> Result:
        """Run what waits: counted, charged with what it costs upstream, and within its deadline."""
        self.running[call.request_id] = Running(method.name, method.effect, call.principal.environment, started)
        budget.running += 1
        tally = current_tally.set(call.tally)
        try:
            if method.effect is Effect.WRITE:  # keeps its own deadline: past the first byte it ends in an outcome
                return cast(Result, await method.handler(call, params))
            due = anyio.current_time() + self._limits.deadlines_s[method.deadline]
            with anyio.CancelScope(deadline=due):
                return cast(Result, await method.handler(call, params))
            raise RpcError(Code.DEADLINE_PASSED)
        finally:
            current_tally.reset(tally)
            del self.running[call.request_id]
            budget.running -= 1
            self._wake_if_idle()

    def _admit(self, session: Session, method: Method | None, request: Request, in_batch: bool = False) -> Method:
        """Return the method if this request may run it now, or raise what tells why not."""
        if method is None:
            raise RpcError(Code.METHOD_NOT_FOUND, method=envelope.echo(request.method))
        if self.phase is Phase.STARTING:
            raise RpcError(Code.NOT_READY, phase=self.phase.value)
        if self.phase is Phase.DRAINING:
            raise RpcError(Code.SHUTTING_DOWN)
        if method.scope not in session.principal.scopes:
            raise RpcError(Code.NOT_ALLOWED, scope=method.scope)
        if in_batch and method.effect is not Effect.READ:
            raise RpcError(Code.BATCH_REFUSED, method=method.name)
        if method.effect is not Effect.READ and request.id is None:
            raise RpcError(Code.INVALID_REQUEST, rule="a write needs an id: nobody would hear its outcome")
        if method.urgent:
            return method
        if session.budget.running >= self._limits.budget.in_flight:
            raise RpcError(Code.BUSY, limit=self._limits.budget.in_flight, retry_after_ms=RETRY_BUSY_MS)
        if len(self.running) >= self._limits.max_in_flight:
            raise RpcError(Code.BUSY, limit=self._limits.max_in_flight, retry_after_ms=RETRY_BUSY_MS)
        return method

    async def wait_idle(self, *effects: Effect) -> None:
        """Return once no call with one of these effects runs."""
        while any(running.effect in effects for running in self.running.values()):
            await self._idle.wait()

    def _wake_if_idle(self) -> None:
        if self.phase is Phase.DRAINING:
            self._idle.set()
            self._idle = anyio.Event()


_LONGEST_NAME = 64
"""Characters. Comparing takes time by the square of them."""
_ALIKE = 0.75
"""How much two names must have in common, of 1, for one to be taken for the other."""


def validate(model: type[Params], params: bytes) -> Params:
    """Check params, as JSON, against their model, or raise `InvalidParams`.

    They were parsed with their envelope and are written as JSON again, to be validated strictly from there: on parsed
    values strict mode would refuse text for decimals and times, and lax mode would take `"yes"` for true.
    """
    try:
        checked = model.__pydantic_validator__.validate_json(params, strict=True)
    except ValidationError as error:
        raise InvalidParams(problems(error, model)) from None
    assert isinstance(checked, Params)
    return checked


def problems(error: ValidationError, model: type[Params]) -> list[dict[str, str]]:
    """Name the field and the rule of each problem, without the values that were sent."""
    found: list[dict[str, str]] = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        problem = {"field": ".".join(map(str, item["loc"]))[:128] or "params", "rule": item["msg"]}
        if item["type"] == "extra_forbidden":
            inner = len(item["loc"]) > 1
            problem["rule"] = "a field that belongs here" if inner else "a parameter of this method"
            listed = len(found) < InvalidParams.LISTED
            if listed and not inner and (near := _nearest(problem["field"], model.model_fields)):
                problem["nearest"] = near
        found.append(problem)
    return found


def _nearest(name: str, known: Collection[str]) -> str | None:
    """Return the name that was meant, if one is alike; what is longer than any name is not compared at all."""
    return next(iter(get_close_matches(name, known, 1, _ALIKE)), None) if len(name) <= _LONGEST_NAME else None
