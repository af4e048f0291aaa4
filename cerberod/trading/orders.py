"""The nouns of the write path: what a write can end as, and what is told to its caller.

Knows no venue and no wire. Every write of every venue ends as one of four outcomes and is told by a `WriteOutcome`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from cerberod.rpc.registry import Result

logger = logging.getLogger("cerberod.trading")


class Outcome(StrEnum):
    """What became of a write."""

    CONFIRMED = "confirmed"
    """The venue did it and said so."""
    REJECTED = "rejected"
    """The venue refused, provably: it had no effect."""
    DENIED = "denied"
    """Refused here; nothing was sent and the intent is not used up."""
    UNKNOWN = "unknown"
    """It may or may not have happened; it is looked up at the venue, never repeated."""


class Reason(Result):
    """One reason why a write was denied here or rejected there."""

    field: str = Field(description="The parameter it is about, or `venue` when the venue refused the whole request.")
    rule: str = Field(description="The rule that was broken, in words that do not change.")
    nearest: str | None = Field(default=None, description="The nearest value that would pass, where there is one.")


class WriteOutcome(Result):
    """What every write answers with, whatever the venue and whatever happened on the way."""

    outcome: Outcome = Field(
        description="`confirmed`, `rejected` (the venue refused, nothing happened), `denied` (refused here, nothing "
        "was sent) or `unknown` (may have happened; never send it again under another intent before it is resolved)."
    )
    intent: str = Field(description="The idempotency key of this write, as given or as made for it.")
    client_order_id: str | None = Field(description="Our id of it at the venue; null where the venue takes none.")
    reasons: list[Reason] = Field(default=[], description="Why it was denied or rejected; empty otherwise.")
    venue_code: str | None = Field(default=None, description="The venue's own code when it refused.")
    recorded: bool = Field(
        default=True, description="False when the outcome could not be made durable; the daemon is then read-only."
    )
    repeated: bool = Field(
        default=False, description="True when this intent was known and its recorded outcome is told; nothing was sent."
    )
    as_of: datetime | None = Field(default=None, description="The venue's time of its answer; null without an answer.")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a write ended, as a venue's adapter reads it off the answer.

    `detail` holds the fields that the method's own outcome model adds to `WriteOutcome`, already plain JSON values.
    """

    outcome: Outcome
    detail: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    venue_code: str | None = None
    as_of: datetime | None = None
    parts: "tuple[Ending, ...]" = ()
    """Of a write that has parts: how each ended, in their order. None when all ended as the whole request did."""


O = TypeVar("O", bound=WriteOutcome)  # noqa: E741 - read as "outcome"


def told(model: type[O], intent: str, client_order_id: str | None, ending: Ending) -> O:
    """Say an ending in the words of a method's outcome model.

    A detail that does not fit the model is a bug of ours, and no reason to hide how the write ended: it is left out.
    """
    common = {
        "outcome": ending.outcome,
        "intent": intent,
        "client_order_id": client_order_id,
        "reasons": list(ending.reasons),
        "venue_code": ending.venue_code,
        "as_of": ending.as_of,
    }
    try:
        return model.model_validate({**common, **ending.detail}, strict=False)
    except ValidationError as error:
        logger.error("an outcome does not fit its model", exc_info=error)
        return model.model_validate(common, strict=False)


def together(parts: Sequence[Mapping[str, Any]], request: Ending | None = None) -> Ending:
    """Say how a write ended that consists of others, from what they are told with and how its request ended.

    Not known while one of them is not known, confirmed when any is confirmed, rejected when none is.
    """
    outcomes = [Outcome(part["outcome"]) for part in parts]
    request = request or Ending(Outcome.UNKNOWN)
    if Outcome.UNKNOWN in outcomes:
        outcome = Outcome.UNKNOWN
    else:
        outcome = Outcome.CONFIRMED if Outcome.CONFIRMED in outcomes else Outcome.REJECTED
    detail = {
        "confirmed_count": outcomes.count(Outcome.CONFIRMED),
        "rejected_count": outcomes.count(Outcome.REJECTED),
        "unknown_count": outcomes.count(Outcome.UNKNOWN),
        "orders": [dict(part) for part in parts],
    }
    return Ending(outcome, detail, request.reasons, request.venue_code, request.as_of)
