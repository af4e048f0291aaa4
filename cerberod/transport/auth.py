"""Who shows which token. Pure: digests in, an identity or nothing out; time is an argument.

Tokens are known here by their SHA-256 only. Whatever is wrong with what was shown (no header, two headers, another
scheme, an unknown token, a token in the URL) ends in the same None after the same work, so that neither the answer nor
its timing tells what was wrong.
"""

import hashlib
import hmac
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from cerberod.ids import Environment

BOT_TAG_RULE = "1 to 64 printable ASCII characters, not starting or ending with a blank"
_BOT_TAG = re.compile(r"[!-~]([ -~]{0,62}[!-~])?")
_TOKEN_IN_URL = frozenset({"token", "access_token", "authorization", "bearer"})
_MAX_QUERY_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """Who stands behind a token, and what that token opens."""

    actor: str
    """`testnet`, `mainnet` or `admin`: the name of the token, which is what records show."""
    environment: Environment | None
    """The environment of its sessions; None for the operator, who names one at each handshake."""
    scopes: frozenset[str]
    audit_of: frozenset[Environment]
    """The environments whose records it may read."""
    token: bytes = field(default=b"", repr=False, compare=False)
    """Digest of the very token that was shown, by which a session is found when its token is withdrawn."""


IDENTITIES: Mapping[str, Identity] = {
    "testnet": Identity("testnet", Environment.TESTNET, frozenset({"read", "trade"}), frozenset({Environment.TESTNET})),
    "mainnet": Identity("mainnet", Environment.MAINNET, frozenset({"read", "trade"}), frozenset(Environment)),
    "admin": Identity("admin", None, frozenset({"read", "trade", "admin"}), frozenset(Environment)),
}


class Authenticator:
    """The table of tokens. Each name may have several at once, so that a token can be replaced without a gap."""

    def __init__(self, tokens: Mapping[str, Iterable[bytes]]) -> None:
        self._entries: list[tuple[bytes, Identity]] = []
        self.replace(tokens)

    def replace(self, tokens: Mapping[str, Iterable[bytes]]) -> None:
        """Know these tokens from now on and no others."""
        self._entries = [
            (digest, replace(IDENTITIES[name], token=digest)) for name, digests in tokens.items() for digest in digests
        ]

    def holds(self, token: bytes) -> bool:
        """Tell whether the token with this digest is still in the table."""
        return any(digest == token for digest, _ in self._entries)

    def identify(self, authorization: Sequence[str], query: str = "") -> Identity | None:
        """Return who shows this `Authorization` header, or None.

        `authorization` holds every header of that name; `query` is the query string of the URL. A token there makes
        the request anonymous even beside a valid header, because it is already in somebody's log.
        """
        shown = hashlib.sha256(_token(authorization)).digest()
        found: Identity | None = None
        for digest, identity in self._entries:  # all of them, so that the place in the table does not show
            if hmac.compare_digest(digest, shown):
                found = identity
        return None if token_in_url(query) else found


def _token(authorization: Sequence[str]) -> bytes:
    """Return the one bearer token shown. Empty, which is nobody's token, when there is not exactly one."""
    if len(authorization) != 1:
        return b""
    scheme, _, token = authorization[0].strip(" \t").partition(" ")
    # Header bytes beyond ASCII arrive as surrogates or as Latin-1, depending on the HTTP library.
    return token.strip(" \t").encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else b""


def token_in_url(query: str) -> bool:
    """Tell whether a query string carries what looks like a credential."""
    if not query:
        return False
    try:
        names = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:  # more fields than anybody needs: assume the worst
        return True
    return any(name.strip().lower() in _TOKEN_IN_URL for name, _ in names)


def is_bot_tag(tag: str) -> bool:
    """Tell whether a name may stand for a bot in records."""
    return _BOT_TAG.fullmatch(tag) is not None


class FailureTracker:
    """Slows those who show wrong tokens, by address, and never those who show a right one.

    The failing answers of one address leave one by one, `pause_s` apart. Whoever fails seldom waits one pause; a flood
    queues behind itself up to `longest_s`. The table of addresses is bounded: the one that failed longest ago goes
    first.
    """

    def __init__(self, pause_s: float, *, longest_s: float = 1.0, max_addresses: int = 4096) -> None:
        self.total = 0
        self._pause_s = pause_s
        self._longest_s = max(longest_s, pause_s)
        self._max_addresses = max_addresses
        self._next_answer: OrderedDict[str, float] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def failed(self, address: str, now: float) -> float:
        """Count one failure and return how many seconds its answer waits."""
        self.total += 1
        self._counts[address] += 1
        due = max(self._next_answer.pop(address, now), now) + self._pause_s
        self._next_answer[address] = due = min(due, now + self._longest_s)
        if len(self._next_answer) > self._max_addresses:
            oldest, _ = self._next_answer.popitem(last=False)
            del self._counts[oldest]
        return due - now

    def failures(self, address: str) -> int:
        """Return how often an address has failed, as far as it is remembered."""
        return self._counts[address]

    def __len__(self) -> int:
        return len(self._next_answer)
