"""One declaration for each method; everything else is derived from it.

A method is a function, usually an async one, with a strict params model, a result model and a docstring. Validation,
authorisation, recording, `rpc.discover`, the command line and the reference read the same record. What is badly
declared is refused at import, so that it cannot reach a user.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict

from cerberod.errors import Code
from cerberod.rpc.call import Call

_NAME = re.compile(r"^[a-z]+\.[a-z][a-z0-9_]*$")
_SUMMARY_LENGTH = 80


class Params(BaseModel):
    """Base of every params model: strict types, no unknown fields, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


class Result(BaseModel):
    """Base of every result model and its parts. Not-a-number is refused here and therefore never leaves."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


class NoParams(Params):
    """The params of a method that takes none."""


class Effect(StrEnum):
    """What a call may change."""

    READ = "read"
    WRITE = "write"
    """Changes something at a venue: takes an intent, is journaled, and is answered by an outcome once sent."""
    ADMIN = "admin"
    """Changes the daemon's own conduct."""


class Deadline(StrEnum):
    """Which of the configured deadlines bounds a call."""

    READ = "read"
    WRITE = "write"
    ANALYTICS = "analytics"


Handler = Callable[[Call, Any], Any]
"""An async function, or, of an immediate method, a plain one; `signature` has checked what it takes and returns."""


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """Everything there is to know about a method."""

    name: str
    effect: Effect
    scope: str
    cost: int
    deadline: Deadline
    since: str
    params: type[Params]
    result: type[Result]
    summary: str
    text: str
    handler: Handler
    finder: Callable[..., Awaitable[object]] | None = None
    """For a write: how its outcome is found again at the venue."""
    urgent: bool = False
    """Goes before everything else: no limit on calls in flight holds it up. For what ends risk."""
    immediate: bool = False
    """Asks nobody and waits for nothing: declared as a plain function, so that it cannot. Needs no deadline."""
    errors: tuple[Code, ...] = ()
    """Codes of errors that neither its effect nor its namespace tells of."""

    @property
    def namespace(self) -> str:
        return self.name.partition(".")[0]

    @property
    def tool(self) -> str:
        return self.name.partition(".")[2]


class BadDeclaration(Exception):
    """A method declared against the rules; raised while modules are imported."""


class Registry:
    """The methods of this daemon. Filled while modules are imported, then frozen."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}
        self._frozen = False

    def add(self, method: Method) -> None:
        """Take a method in, or raise `BadDeclaration` naming the rule it breaks."""
        if self._frozen:
            raise BadDeclaration(f"{method.name}: declared after the start")
        if method.name in self._methods:
            raise BadDeclaration(f"{method.name}: declared twice")
        _check(method)
        self._methods[method.name] = method

    def freeze(self) -> None:
        """Take no more methods."""
        self._frozen = True

    def find(self, name: str) -> Method | None:
        return self._methods.get(name)

    def __iter__(self) -> Iterator[Method]:
        return iter(sorted(self._methods.values(), key=lambda method: method.name))

    def __len__(self) -> int:
        return len(self._methods)


registry: Final = Registry()
"""The one registry of the process; the only module-level state there is."""

F = TypeVar("F", bound=Callable[..., object])


def method(
    name: str,
    *,
    effect: Effect = Effect.READ,
    scope: str = "read",
    cost: int = 1,
    deadline: Deadline = Deadline.READ,
    since: str = "0.1",
    urgent: bool = False,
    errors: tuple[Code, ...] = (),
    into: Registry = registry,
) -> Callable[[F], F]:
    """Declare a function as a method: an async one, or a plain one that has its answer without asking anybody.

    Writes to venues are declared with `trading.placing.write` instead.
    """

    def declare(function: F) -> F:
        params, result = signature(name, function)
        if not isinstance(result, type):
            raise BadDeclaration(f"{name}: a result is a Result model, never a bare list or number")
        summary, text = documentation(name, function)
        into.add(
            Method(
                name=name,
                effect=effect,
                scope=scope,
                cost=cost,
                deadline=deadline,
                since=since,
                params=params,
                result=result,
                summary=summary,
                text=text,
                handler=function,
                urgent=urgent,
                immediate=not inspect.iscoroutinefunction(function),
                errors=errors,
            )
        )
        return function

    return declare


def signature(name: str, function: Callable[..., object]) -> tuple[type[Params], type]:
    """Read the params model and the return annotation off a handler `(call, params) -> result`."""
    hints = get_type_hints(function)
    result = hints.pop("return", None)
    names = list(inspect.signature(function).parameters)
    params = hints.get(names[1]) if len(names) == 2 else None
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise BadDeclaration(f"{name}: a handler takes (call, params) and params is a Params model")
    if result is None:
        raise BadDeclaration(f"{name}: a handler states what it returns, and that is an object")
    return params, result


def documentation(name: str, function: Callable[..., object]) -> tuple[str, str]:
    """Split a handler's docstring into its first line and the rest."""
    doc = inspect.getdoc(function) or ""
    summary, _, text = doc.partition("\n")
    if not summary:
        raise BadDeclaration(f"{name}: no docstring")
    if len(summary) > _SUMMARY_LENGTH:
        raise BadDeclaration(f"{name}: the first docstring line is over {_SUMMARY_LENGTH} characters")
    return summary, text.strip()


def _check(method: Method) -> None:
    if _NAME.match(method.name) is None:
        raise BadDeclaration(f"{method.name}: a name is namespace.verb_noun in lower case")
    if not issubclass(method.result, Result):
        raise BadDeclaration(f"{method.name}: a result is a Result model, never a bare list or number")
    if not method.params.model_config.get("strict") or method.params.model_config.get("extra") != "forbid":
        raise BadDeclaration(f"{method.name}: params are strict and forbid unknown fields")
    for model in {method.params, method.result}:
        _check_fields(method.name, model, set())
    if method.urgent and method.cost:
        raise BadDeclaration(f"{method.name}: what is urgent costs nothing, so that no debt holds it up")
    if method.immediate and (method.effect is not Effect.READ or method.urgent):
        raise BadDeclaration(f"{method.name}: only a read can have its answer at once; make it an async function")
    if method.effect is Effect.WRITE:
        if "intent" not in method.params.model_fields:
            raise BadDeclaration(f"{method.name}: a write has an intent field")
        if method.finder is None:
            raise BadDeclaration(f"{method.name}: a write says how its outcome is found again")


def _check_fields(name: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> None:
    """Refuse a field without description, in a model or in any model inside it."""
    if model in seen:
        return
    seen.add(model)
    for field, info in model.model_fields.items():
        if not info.description:
            raise BadDeclaration(f"{name}: {model.__name__}.{field} has no description")
        for inner in _models_in(info.annotation):
            _check_fields(name, inner, seen)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
