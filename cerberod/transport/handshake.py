"""The judgement of a handshake: headers in, an admission or a refusal out. Pure.

Order of the checks, first failure answers: Host 421, Origin 403, path 404, token 401, bot tag 400, draining 503, number
of sessions 503. What is no WebSocket handshake at all (405, 426, 505, bad keys) is the library's to judge; it stands
between path and token, so that a stray browser or a port scan is told nothing about tokens.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from cerberod.ids import Environment
from cerberod.transport.auth import BOT_TAG_RULE, Authenticator, Identity, is_bot_tag
from cerberod.transport.perimeter import HostGuard, origin_allowed

RETRY_AFTER_S = 5


class HeaderValues(Protocol):
    """Headers of either HTTP library, reduced to what is asked of them."""

    def __call__(self, name: str, /) -> list[str]:
        """Return every value of a header."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer that lets nobody in. `error` is stable; no part of it repeats what was sent."""

    status: int
    error: str
    message: str
    reason: str
    """One word for counters and logs."""
    details: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The answer as JSON."""
        return orjson.dumps({"error": self.error, "message": self.message, **self.details}) + b"\n"


@dataclass(frozen=True, slots=True)
class Admission:
    """A handshake that may become a session."""

    identity: Identity
    bot_tag: str
    environment: Environment


UNAUTHENTICATED = Refusal(
    401,
    "UNAUTHENTICATED",
    "A valid token is needed in the header Authorization: Bearer TOKEN, and nowhere else.",
    "unauthenticated",
    headers={"WWW-Authenticate": "Bearer"},
)
WRONG_HOST = Refusal(421, "WRONG_HOST", "This name is not in ALLOWED_HOSTS.", "host")
WRONG_ORIGIN = Refusal(403, "WRONG_ORIGIN", "This origin is not in ALLOWED_ORIGINS.", "origin")
NOT_FOUND = Refusal(404, "NOT_FOUND", "There is nothing under this path.", "path")
NO_ENVIRONMENT = Refusal(
    400,
    "BAD_REQUEST",
    "The operator's token belongs to no environment; the header X-Environment names the one of this session.",
    "no_environment",
    {"header": "X-Environment", "rule": "testnet or mainnet, once, and in use here"},
)
DRAINING = Refusal(
    503,
    "SHUTTING_DOWN",
    "The daemon is stopping; come back in a moment.",
    "draining",
    headers={"Retry-After": str(RETRY_AFTER_S)},
)


def bad_bot_tag(rule: str) -> Refusal:
    """Say what is wrong with the tag of a caller whose token is right."""
    return Refusal(
        400,
        "BAD_REQUEST",
        "The header X-Bot-Tag names the caller in every record; it is missing or breaks the rule.",
        "bot_tag",
        {"header": "X-Bot-Tag", "rule": rule},
    )


def too_many_sessions(limit: int, scope: str) -> Refusal:
    """Say that no session is free; `scope` is `daemon` or `token`."""
    return Refusal(
        503,
        "TOO_MANY_SESSIONS",
        "No session is free; close one or come back later.",
        f"sessions_{scope}",
        {"limit": limit, "scope": scope},
        {"Retry-After": str(RETRY_AFTER_S)},
    )


@dataclass(frozen=True, slots=True)
class Door:
    """What a listener lets in. The same rules hold for every handshake; numbers of sessions are given each time."""

    hosts: HostGuard
    origins: tuple[str, ...]
    authenticator: Authenticator
    max_sessions: int
    max_sessions_per_token: int

    def knock(self, target: str, headers: HeaderValues) -> Refusal | None:
        """Judge what can be told before anybody is asked who they are."""
        if not self.hosts.admits(headers("Host")):
            return WRONG_HOST
        if not origin_allowed(headers("Origin"), self.origins):
            return WRONG_ORIGIN
        if target.partition("?")[0] != "/":
            return NOT_FOUND
        return None

    def identify(self, target: str, headers: HeaderValues) -> Identity | None:
        """Return who knocks, or None, which is answered by `UNAUTHENTICATED`."""
        return self.authenticator.identify(headers("Authorization"), query_of(target))

    def enter(
        self,
        identity: Identity,
        headers: HeaderValues,
        *,
        environments: Collection[Environment],
        sessions: int,
        sessions_of_token: int,
        draining: bool,
    ) -> Admission | Refusal:
        """Judge a caller whose token is right; `environments` are those in use."""
        environment = identity.environment or _environment_named(headers("X-Environment"))
        if environment is None or environment not in environments:
            return NO_ENVIRONMENT
        tags = headers("X-Bot-Tag")
        if len(tags) != 1:
            return bad_bot_tag(BOT_TAG_RULE if not tags else "the header stands once")
        if not is_bot_tag(tags[0]):
            return bad_bot_tag(BOT_TAG_RULE)
        if draining:
            return DRAINING
        if sessions >= self.max_sessions:
            return too_many_sessions(self.max_sessions, "daemon")
        if sessions_of_token >= self.max_sessions_per_token:
            return too_many_sessions(self.max_sessions_per_token, "token")
        return Admission(identity, tags[0], environment)


def _environment_named(values: list[str]) -> Environment | None:
    """Read the header by which an operator chooses. No other token has a choice."""
    return Environment(values[0]) if len(values) == 1 and values[0] in list(Environment) else None


def query_of(target: str) -> str:
    """Return the query string of a request target."""
    try:
        return urlsplit(target).query
    except ValueError:  # brackets that are no address
        return target.partition("?")[2]
