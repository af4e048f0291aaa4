"""A registry of a few methods and everything around it, for tests of protocol and transports without any venue.

The write here keeps the law of writes in the smallest way: it counts what it did, so that a test can prove that nothing
was done.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from pydantic import Field

from cerberod.clock import SystemClock
from cerberod.errors import Code, RpcError
from cerberod.ids import Environment
from cerberod.logs import LogSink, Redactor, RequestLog
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.dispatch import CallLimits, Dispatcher, Finished, Phase
from cerberod.rpc.registry import Deadline, Effect, Method, NoParams, Params, Registry, Result, method

CANARY = "canary-of-an-exception-text"


@dataclass
class Bench:
    """What the methods touch; one for each environment."""

    done: list[str] = field(default_factory=list)
    """Intents of writes that were done."""
    gate: anyio.Event = field(default_factory=anyio.Event)
    """`test.wait` and `test.slow_write` return once this is set."""
    waiting: int = 0
    cancelled: int = 0
    arrived: anyio.Event = field(default_factory=anyio.Event)
    """Set whenever a call starts to wait at the gate."""


class Subtract(Params):
    """Two numbers."""

    minuend: int = Field(description="The number to subtract from.")
    subtrahend: int = Field(description="The number to subtract.")


class Difference(Result):
    """One number."""

    difference: int = Field(description="Minuend less subtrahend.")


class Text(Params):
    """A text."""

    text: str = Field(description="Any text.")


class Echo(Result):
    """The text, and where it was heard."""

    text: str = Field(description="The text that was sent.")
    environment: Environment = Field(description="The environment of the session.")
    bot_tag: str = Field(description="The bot tag of the session.")


class Size(Params):
    """A number of bytes."""

    size: int = Field(description="How many bytes.", ge=0)


class Blob(Result):
    """Bytes as text."""

    blob: str = Field(description="As many characters as asked for.")


class Number(Result):
    """A number."""

    value: float = Field(description="The number.")


class Order(Params):
    """A write."""

    what: str = Field(description="What to do.")
    intent: str | None = Field(default=None, description="The caller's key of this write.")


class Done(Result):
    """What became of a write."""

    outcome: str = Field(description="Always confirmed.")
    what: str = Field(description="What was done.")


def small_registry() -> Registry:
    """Return a registry of methods named test.*, and the one that a bridge asks first."""
    registry = Registry()

    @method("test.subtract", into=registry)
    async def subtract(call: Call, params: Subtract) -> Difference:
        """Subtract one number from another."""
        return Difference(difference=params.minuend - params.subtrahend)

    @method("session.whoami", into=registry)
    async def whoami(call: Call, params: NoParams) -> Echo:
        """Tell the environment of the session."""
        return Echo(text="whoami", environment=call.principal.environment, bot_tag=call.principal.bot_tag)

    @method("test.echo", into=registry)
    async def echo(call: Call, params: Text) -> Echo:
        """Return the text."""
        return Echo(text=params.text, environment=call.principal.environment, bot_tag=call.principal.bot_tag)

    @method("test.blob", into=registry)
    async def blob(call: Call, params: Size) -> Blob:
        """Return a text of a given size."""
        return Blob(blob="x" * params.size)

    @method("test.now", into=registry)
    def now(call: Call, params: NoParams) -> Echo:
        """Return at once."""
        return Echo(text="now", environment=call.principal.environment, bot_tag=call.principal.bot_tag)

    @method("test.wait", into=registry)
    async def wait(call: Call, params: NoParams) -> Echo:
        """Return once the gate is open."""
        await _at_gate(call.use(Bench))
        return Echo(text="through", environment=call.principal.environment, bot_tag=call.principal.bot_tag)

    @method("test.nan", into=registry)
    async def nan(call: Call, params: NoParams) -> Number:
        """Return what is not a number."""
        return Number(value=float("nan"))

    @method("test.wrong_shape", into=registry)
    async def wrong_shape(call: Call, params: NoParams) -> Number:
        """Return an object outside of the declared model."""
        return object()  # type: ignore[return-value]  # the fault under test

    @method("test.fail", into=registry)
    async def fail(call: Call, params: NoParams) -> Number:
        """Raise something unforeseen whose text is a secret."""
        raise RuntimeError(CANARY)

    @method("test.refuse", into=registry)
    async def refuse(call: Call, params: NoParams) -> Number:
        """Raise a foreseen error."""
        raise RpcError(Code.VENUE_DOWN, venue="test", reason="switched_off")

    @method("test.admin", effect=Effect.ADMIN, scope="admin", into=registry)
    async def admin(call: Call, params: NoParams) -> Done:
        """Do what only the operator may."""
        return Done(outcome="confirmed", what="admin")

    async def write(call: Call, order: Order) -> Done:
        bench = call.use(Bench)
        if order.what == "slow":
            await _at_gate(bench)
        bench.done.append(order.intent or order.what)
        return Done(outcome="confirmed", what=order.what)

    for name, urgent in (("test.write", False), ("test.cancel", True)):
        registry.add(
            Method(
                name=name,
                urgent=urgent,
                effect=Effect.WRITE,
                scope="trade",
                cost=0 if urgent else 1,
                deadline=Deadline.WRITE,
                since="0.1",
                params=Order,
                result=Done,
                summary="Do something once.",
                text="",
                handler=write,
                finder=_found,
            )
        )
    registry.freeze()
    return registry


async def _found(*_: Any) -> None:
    return None


async def _at_gate(bench: Bench) -> None:
    bench.waiting += 1
    bench.arrived.set()
    bench.arrived = anyio.Event()
    try:
        await bench.gate.wait()
    except anyio.get_cancelled_exc_class():
        bench.cancelled += 1
        raise
    finally:
        bench.waiting -= 1


LIMITS = CallLimits(
    max_request_bytes=2048,
    max_reply_bytes=8192,
    max_batch=20,
    max_in_flight=128,
    deadlines_s={Deadline.READ: 10.0, Deadline.WRITE: 15.0, Deadline.ANALYTICS: 30.0},
)


@dataclass
class Daemon:
    """A dispatcher over the small registry, and what its methods did."""

    dispatcher: Dispatcher
    benches: dict[Environment, Bench]
    calls: list[Finished]

    @property
    def bench(self) -> Bench:
        """The bench of testnet, where most tests live."""
        return self.benches[Environment.TESTNET]


def small_daemon(
    *,
    direct: bool = True,
    limits: CallLimits = LIMITS,
    phase: Phase = Phase.READY,
    observer: Callable[[Finished], None] | None = None,
) -> Daemon:
    """Build a dispatcher that is ready, with its own registry and benches. Its request log goes nowhere."""
    benches = {environment: Bench() for environment in Environment}
    calls: list[Finished] = []
    dispatcher = Dispatcher(
        small_registry(),
        {environment: Services(environment, [bench]) for environment, bench in benches.items()},
        SystemClock(),
        limits,
        RequestLog(SILENT, SystemClock()),
        (calls.append, *(() if observer is None else (observer,))),
        direct=direct,
    )
    dispatcher.phase = phase
    return Daemon(dispatcher, benches, calls)


class _Silent(LogSink):
    """A sink that keeps nothing and has no thread."""

    def __init__(self) -> None:
        self.redactor = Redactor(())

    def put(self, line: bytes) -> None:
        return


SILENT = _Silent()


def principal(**changes: Any) -> Principal:
    """Return a principal of testnet that may read and trade."""
    given: dict[str, Any] = {
        "environment": Environment.TESTNET,
        "actor": "testnet",
        "bot_tag": "tester",
        "scopes": frozenset({"read", "trade"}),
        "session_id": "s-test",
        "transport": "memory",
    }
    return Principal(**{**given, **changes})


Answer = Callable[[str], Awaitable[bytes | None]]
