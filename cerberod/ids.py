"""Names that identify: environments, requests, sessions, intents, and the key an order carries to its venue.

The order key is a pure function of what the caller said, so that after any crash the daemon asks the venue for the
same order without having to remember anything.
"""

import hashlib
import secrets
from enum import StrEnum


class Environment(StrEnum):
    """The half of the world a session lives in, for its whole life."""

    TESTNET = "testnet"
    MAINNET = "mainnet"


_REQUEST_DIGITS = 16
_IDS_AT_ONCE = 256


class RequestIds:
    """Ids that join the answer, the request log and the audit record of one call.

    Randomness is fetched for many of them: to ask the system for each costs as much as to find and check a method.
    """

    def __init__(self) -> None:
        self._digits: list[str] = []

    def new(self) -> str:
        """Return an id nobody could have guessed."""
        if not self._digits:
            block = secrets.token_hex(_IDS_AT_ONCE * _REQUEST_DIGITS // 2)
            self._digits = [block[at : at + _REQUEST_DIGITS] for at in range(0, len(block), _REQUEST_DIGITS)]
        return "r-" + self._digits.pop()


def new_session_id() -> str:
    """Return an id of one connection."""
    return "s-" + secrets.token_hex(6)


def new_intent() -> str:
    """Return an idempotency key for a write whose caller named none."""
    return "auto-" + secrets.token_hex(12)


def order_key(environment: Environment, account: str, bot_tag: str, intent: str) -> bytes:
    """Digest what makes a write unique into 32 bytes, from which each venue's client order id is cut.

    Every part is preceded by its length, so that no two different tuples read alike.
    """
    digest = hashlib.sha256(b"cerberod order")
    for part in (environment.value, account, bot_tag, intent):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()
