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


def new_request_id() -> str:
    """Return an id that joins the answer, the request log and the audit record of one call."""
    return "r-" + secrets.token_hex(8)


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
