from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cerberod.rpc.call import Call
from cerberod.rpc.registry import (
    BadDeclaration,
    Deadline,
    Effect,
    Method,
    NoParams,
    Params,
    Registry,
    Result,
    documentation,
    method,
    signature,
)
from tests.support.small import Done, Order, Subtract, small_registry


class Nothing(Result):
    """An empty object."""


class Undescribed(Result):
    """Has a field that says nothing."""

    value: int


class Outer(Result):
    """Hides an undescribed field one level down."""

    inner: list[Undescribed] = Field(description="Described.")


class Node(Result):
    """Refers to itself."""

    children: "list[Node]" = Field(description="More of these.")


class Lax(Params):
    """Converts what it is given."""

    model_config = ConfigDict(strict=False)


class Open(Params):
    """Takes unknown fields."""

    model_config = ConfigDict(extra="ignore")


class NoIntent(Params):
    """Params of a write without intent."""


async def good(call: Call, params: NoParams) -> Nothing:
    """Do nothing."""
    return Nothing()


def declare(function: Callable[..., Any], name: str = "test.good") -> Registry:
    registry = Registry()
    method(name, into=registry)(function)
    return registry


def write(**changes: Any) -> Method:
    async def found(*_: Any) -> None:
        return None

    given: dict[str, Any] = {
        "name": "test.write",
        "effect": Effect.WRITE,
        "scope": "trade",
        "cost": 1,
        "deadline": Deadline.WRITE,
        "since": "0.1",
        "params": Order,
        "result": Done,
        "summary": "Write.",
        "text": "",
        "handler": good,
        "finder": found,
    }
    return Method(**{**given, **changes})


def test_a_declaration_holds_everything() -> None:
    async def long(call: Call, params: Subtract) -> Nothing:
        """Say it in one line.

        And the rest
        here.
        """
        return Nothing()

    found = declare(long, "ns.tool_2").find("ns.tool_2")
    assert found is not None
    assert (found.namespace, found.tool) == ("ns", "tool_2")
    assert (found.summary, found.text) == ("Say it in one line.", "And the rest\nhere.")
    assert (found.params, found.result) == (Subtract, Nothing)
    assert (found.effect, found.scope, found.cost) == (Effect.READ, "read", 1)


@pytest.mark.parametrize(
    "name", ["nodot", "Test.x", "test.X", "test.", ".x", "test.1x", "te st.x", "test.x.y", "test.x "]
)
def test_a_name_is_namespace_and_tool(name: str) -> None:
    with pytest.raises(BadDeclaration, match="lower case"):
        declare(good, name)


def test_a_method_has_a_docstring_with_a_short_first_line() -> None:
    async def bare(call: Call, params: NoParams) -> Nothing:
        return Nothing()

    with pytest.raises(BadDeclaration, match="no docstring"):
        declare(bare)
    bare.__doc__ = "x" * 81
    with pytest.raises(BadDeclaration, match="80 characters"):
        documentation("test.bare", bare)


def test_a_handler_takes_a_call_and_params_and_returns_a_result() -> None:
    async def one(call: Call) -> Nothing:
        """Take one argument."""
        return Nothing()

    async def loose(call: Call, params: dict[str, Any]) -> Nothing:
        """Take a dictionary."""
        return Nothing()

    async def silent(call: Call, params: NoParams):  # type: ignore[no-untyped-def]  # the fault under test
        """Say nothing of the result."""

    async def bare_list(call: Call, params: NoParams) -> list[Nothing]:
        """Return a list."""
        return []

    class Foreign(BaseModel):
        """No Result."""

    async def foreign(call: Call, params: NoParams) -> Foreign:
        """Return another model."""
        return Foreign()

    foreign.__annotations__["return"] = Foreign
    for function in (one, loose, silent, bare_list, foreign):
        with pytest.raises(BadDeclaration, match=r"test\.bad"):
            declare(function, "test.bad")


@pytest.mark.parametrize("model", [Undescribed, Outer])
def test_every_field_is_described_down_to_the_last_model(model: type[Result]) -> None:
    with pytest.raises(BadDeclaration, match=r"Undescribed.value has no description"):
        Registry().add(write(result=model))


def test_models_that_refer_to_themselves_are_checked_once() -> None:
    Registry().add(write(result=Node))


@pytest.mark.parametrize("model", [Lax, Open])
def test_params_are_strict_and_closed(model: type[Params]) -> None:
    with pytest.raises(BadDeclaration, match="strict"):
        Registry().add(write(params=model, effect=Effect.READ))


def test_a_write_has_an_intent_and_a_way_to_find_its_outcome() -> None:
    with pytest.raises(BadDeclaration, match="intent"):
        Registry().add(write(params=NoIntent))
    with pytest.raises(BadDeclaration, match="found again"):
        Registry().add(write(finder=None))
    Registry().add(write(params=NoIntent, finder=None, effect=Effect.READ))


def test_names_are_unique_and_the_registry_closes() -> None:
    registry = declare(good)
    with pytest.raises(BadDeclaration, match="twice"):
        method("test.good", into=registry)(good)
    registry.freeze()
    with pytest.raises(BadDeclaration, match="after the start"):
        method("test.late", into=registry)(good)


def test_a_registry_is_read_in_order_of_names() -> None:
    registry = small_registry()
    names = [found.name for found in registry]
    assert names == sorted(names)
    assert len(registry) == len(names)
    assert registry.find("test.no_such") is None


def test_signature_resolves_annotations_given_as_text() -> None:
    async def late(call: "Call", params: "NoParams") -> "Nothing":
        """Annotated by text."""
        return Nothing()

    assert signature("test.late", late) == (NoParams, Nothing)


def test_the_decorator_gives_the_function_back() -> None:
    handler: Callable[[Call, NoParams], Awaitable[Nothing]] = method("test.good", into=Registry())(good)
    assert handler is good


def test_models_refuse_what_is_not_a_number() -> None:
    class Value(Result):
        """A number."""

        value: float = Field(description="The number.")

    with pytest.raises(ValidationError):
        Value(value=float("nan"))


def test_a_plain_function_is_immediate_and_an_async_one_is_not() -> None:
    def plain(call: Call, params: NoParams) -> Nothing:
        """Do nothing."""
        return Nothing()

    answers = {function: declare(function).find("test.good") for function in (plain, good)}
    assert [found is not None and found.immediate for found in answers.values()] == [True, False]


@pytest.mark.parametrize("changes", [{"effect": Effect.ADMIN}, {"urgent": True, "cost": 0}])
def test_only_a_read_without_hurry_is_immediate(changes: dict[str, Any]) -> None:
    with pytest.raises(BadDeclaration, match="only a read"):
        Registry().add(write(**{"effect": Effect.READ, "finder": None, "immediate": True, **changes}))
