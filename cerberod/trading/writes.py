"""What a venue says about one write: how it is asked for, what would be sent, how its outcome is found again.

Declared here, run by `cerberod.trading.placing` alone.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, StringConstraints

from cerberod.ids import order_key
from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import Params
from cerberod.trading.journal import Entry
from cerberod.trading.orders import Ending, O, Reason, WriteOutcome

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
class Part:
    """One of the writes that a request carries several of, with an intent, a record and an outcome of its own.

    It is recorded as if its method had been called for it alone: found again by that method's finder, asked about by
    its own intent, and answered from the record if that method is called with the same intent.
    """

    method: str
    """The write method that would send it alone."""
    intent: str
    params: Mapping[str, Any]
    """What that method would have been called with, without the intent."""
    model: type[WriteOutcome]
    """What that method answers with."""
    wire: Mapping[str, Any]
    client_order_id: str | None = None
    field: str = "intent"
    """The parameter that names its intent, for refusals."""


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
    reduces: bool = False
    """True when it cannot open or grow a position; only such orders pass while trading is reduce-only."""
    denied: tuple[Reason, ...] = ()
    """Reasons not to send."""
    parts: tuple[Part, ...] = ()
    """What it consists of, each with an intent that no other has; `send` tells how each ended in `Ending.parts`."""


Finder = Callable[[Services, Entry], Awaitable[Ending | None]]
"""Asks the venue what became of a journaled write. None while the venue cannot tell."""

Prepare = Callable[[Call, P], Awaitable[Plan[O]]]


def order_key_of(call: Call, params: WriteParams, account: str, intent: str | None = None) -> bytes:
    """Return the 32 bytes from which the venue's client order id of this write, or of a part of it, is cut."""
    intent = intent or params.intent
    assert intent is not None, "Placing names the intent before a write is prepared"
    return order_key(call.principal.environment, account, call.principal.bot_tag, intent)
