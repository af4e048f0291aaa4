"""One write as a bad day asks for it, and how its truth is read at the venue. The words that recipes are written in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.support.bad_day import Orders
from tests.support.client import Client

_numbers = count(1)


@dataclass(slots=True)
class Asked:
    """One write with an intent of its own."""

    method: str
    wire: str
    """The venue's method that it is sent as."""
    params: dict[str, Any]
    done: Callable[[Orders, str | None], bool] = field(default=lambda orders, label: False)
    """Tells from the venue's orders, and our client order id, whether it was carried out."""
    parts: dict[str, Callable[[Orders], bool]] = field(default_factory=dict)
    """Of a request that carries several writes: by the intent of each, whether it was carried out."""
    asked_before: int = 0
    """How often the venue had been asked for the same before."""

    @property
    def intent(self) -> str:
        return str(self.params["intent"])

    @property
    def venue(self) -> str:
        return self.method.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a write is prepared, and what makes it final when it never reached the venue."""

    prepare: Callable[[Client], Awaitable[Asked]]
    is_cancel: bool = False
    """A cancel does no harm twice: its repeat is sent again while its outcome is unknown."""
    in_parts: bool = False
    """It carries several writes, each with an intent of its own."""


def new_intent() -> str:
    """Return an intent that no other write has."""
    return f"day-{number()}"


def number() -> int:
    """Return a number that nobody else gets."""
    return next(_numbers)


def method_of(name: str) -> str:
    """Return the method of a recipe."""
    return name.partition(" ")[0]


def venue_of(name: str) -> str:
    """Return the venue of a recipe or a method."""
    return name.partition(".")[0]
