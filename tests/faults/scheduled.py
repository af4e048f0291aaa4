"""The words in which a random schedule speaks of a venue: a write of a bot, and one venue's side of the story."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cerberod.simulator.faults import Fault

Thought = tuple[str, dict[str, Any]]
"""A method and its params, without an intent."""


@dataclass
class Write:
    """One intent of one bot, and everything its bot was ever told of it."""

    bot: str
    method: str
    params: dict[str, Any]
    parts: int = 0
    """How many writes with intents of their own it carries."""
    told: list[str] = field(default_factory=list)
    """Outcomes and error codes, in the order in which they came."""
    labels: dict[str, str] = field(default_factory=dict)
    """Our ids at the venue, by intent."""

    @property
    def intent(self) -> str:
        return str(self.params["intent"])

    @property
    def intents(self) -> list[str]:
        """Its own intent and those of its parts."""
        return [self.intent, *(f"{self.intent}/{number}" for number in range(self.parts))]

    @property
    def label(self) -> str | None:
        """Our id of it at the venue."""
        return self.labels.get(self.intent)


class Side(Protocol):
    """One venue: what bots ask of it, and what it says of what they asked."""

    environment: str
    """Its name in the fault plan."""

    def think(self, bot: str, number: int) -> Thought:
        """Think of a write that nobody has thought of; `number` is its own."""

    def fault(self) -> Fault:
        """Think of something that goes wrong here."""

    def drop(self) -> None:
        """Cut every line."""

    def learn(self, write: Write, outcome: Any) -> None:
        """Take in what a bot was told."""

    def sent(self, write: Write) -> int:
        """Return how often the venue received this write; 0 where it cannot be told from others."""

    def cancel_all(self) -> None:
        """End every order."""

    def require_once(self, where: str, labels: Iterable[str]) -> None:
        """Fail if an order was sent or placed twice, or under none of these labels."""

    def done(self, write: Write, intent: str) -> bool | None:
        """Tell whether a write, or its part with this intent, was carried out; None if nothing shows it in the end."""
