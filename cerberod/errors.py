"""Everything that can end a call badly: a code, a constant text, and a small object with stable keys.

The text of an exception never reaches a caller: it may hold a secret, and no program should match on it. What a caller
may act on is the code and `data`; each code has exactly one message.
"""

from enum import IntEnum
from typing import Any


class Code(IntEnum):
    """Error codes on the wire: JSON-RPC 2.0 section 5.1, then our own."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    UNAUTHENTICATED = -32001
    NOT_ALLOWED = -32002
    NOT_READY = -32003
    SHUTTING_DOWN = -32004
    BATCH_REFUSED = -32005
    TOO_MANY_SUBSCRIPTIONS = -32006
    REQUEST_TOO_BIG = -32007
    REPLY_TOO_BIG = -32008
    BUSY = -32009
    BATCH_TOO_BIG = -32010
    BATCH_REPLY_TOO_BIG = -32011
    OVER_BUDGET = -32012
    VENUE_DOWN = -32021
    INTENT_REUSED = -32022
    READ_ONLY = -32023
    NOT_RECORDABLE = -32024
    VENUE_REFUSED = -32025
    BAD_VENUE_DATA = -32026
    DEADLINE_PASSED = -32027
    NO_KEYS = -32028
    NOT_CONFIGURED = -32029
    HUNG_UP = -32800
    """The caller left before the answer; stands in records only."""


MESSAGES: dict[Code, str] = {
    Code.PARSE_ERROR: "Parse error",
    Code.INVALID_REQUEST: "Invalid Request",
    Code.METHOD_NOT_FOUND: "Method not found",
    Code.INVALID_PARAMS: "Invalid params",
    Code.INTERNAL_ERROR: "Internal error",
    Code.UNAUTHENTICATED: "Unauthenticated",
    Code.NOT_ALLOWED: "Not allowed",
    Code.NOT_READY: "Not ready",
    Code.SHUTTING_DOWN: "Shutting down",
    Code.BATCH_REFUSED: "Writes are not accepted in a batch",
    Code.TOO_MANY_SUBSCRIPTIONS: "Too many subscriptions",
    Code.REQUEST_TOO_BIG: "Request too big",
    Code.REPLY_TOO_BIG: "Reply too big",
    Code.BUSY: "Busy",
    Code.BATCH_TOO_BIG: "Batch too big",
    Code.BATCH_REPLY_TOO_BIG: "Batch reply too big",
    Code.OVER_BUDGET: "Over budget",
    Code.VENUE_DOWN: "Venue unreachable, nothing was sent",
    Code.INTENT_REUSED: "Intent was used with other parameters",
    Code.READ_ONLY: "Read-only",
    Code.NOT_RECORDABLE: "The record cannot be made durable, nothing was sent",
    Code.VENUE_REFUSED: "The venue refused",
    Code.BAD_VENUE_DATA: "The venue's answer is unusable",
    Code.DEADLINE_PASSED: "Deadline passed",
    Code.NO_KEYS: "No keys for this environment",
    Code.NOT_CONFIGURED: "Provider not configured",
    Code.HUNG_UP: "The caller hung up",
}


class RpcError(Exception):
    """A call that ends in an error reply.

    `data` keys are stable and never hold a caller's secret, an upstream's text or a value that was sent in.
    """

    def __init__(self, code: Code, **data: Any) -> None:
        super().__init__(MESSAGES[code])
        self.code = code
        self.data = data

    @property
    def message(self) -> str:
        return MESSAGES[self.code]


class InvalidParams(RpcError):
    """Params that break a rule; each problem names the field and the rule, and never repeats the value."""

    LISTED = 10

    def __init__(self, problems: list[dict[str, str]]) -> None:
        listed = problems[: self.LISTED]
        super().__init__(Code.INVALID_PARAMS, problems=listed, problem_count=len(problems))


class UpstreamError(RpcError):
    """A venue or provider did not give what was asked.

    `sent` tells whether the request may have reached it; a write that raises with `sent` is never answered by an error.
    """

    code_of_kind: Code

    def __init__(self, venue: str, *, sent: bool, **data: Any) -> None:
        super().__init__(self.code_of_kind, venue=venue, **data)
        self.venue = venue
        self.sent = sent


class VenueDown(UpstreamError):
    """No usable connection: nothing left this process."""

    code_of_kind = Code.VENUE_DOWN

    def __init__(self, venue: str, reason: str, **data: Any) -> None:
        super().__init__(venue, sent=False, reason=reason, **data)


class ConnectionLost(UpstreamError):
    """The connection ended after the request was sent: the answer is not known."""

    code_of_kind = Code.VENUE_DOWN

    def __init__(self, venue: str) -> None:
        super().__init__(venue, sent=True, reason="connection_lost")


class DeadlinePassed(UpstreamError):
    """No answer within the call's deadline."""

    code_of_kind = Code.DEADLINE_PASSED


class BadVenueData(UpstreamError):
    """The venue answered, and the answer breaks its own contract: a missing field, a wrong type, an unknown state."""

    code_of_kind = Code.BAD_VENUE_DATA

    def __init__(self, venue: str, field: str, rule: str) -> None:
        super().__init__(venue, sent=True, field=field, rule=rule)


class VenueRefused(UpstreamError):
    """The venue answered with an error of its own.

    `effect_possible` is true where the venue's code leaves open whether the request had an effect.
    `reason` is one of our own words for the venue's code, never the venue's text.
    """

    code_of_kind = Code.VENUE_REFUSED

    def __init__(self, venue: str, venue_code: str, reason: str, *, effect_possible: bool, **data: Any) -> None:
        super().__init__(venue, sent=True, venue_code=venue_code, reason=reason, **data)
        self.venue_code = venue_code
        self.reason = reason
        self.effect_possible = effect_possible


class NoKeys(UpstreamError):
    """The method needs an account and this environment has no keys for the venue."""

    code_of_kind = Code.NO_KEYS

    def __init__(self, venue: str) -> None:
        super().__init__(venue, sent=False)


class AnalyticsRefused(Exception):
    """The numbers handed to a calculation break a rule of it: the field, and the rule in words; never the value.

    No `RpcError`: a caller's own series makes it -32602, a venue's data makes it something else. Who called knows.
    """

    def __init__(self, field: str, rule: str) -> None:
        # Both as they are: an exception comes back from a worker process by calling it with its `args`.
        super().__init__(field, rule)
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"
