"""Entries and events as a bot's orders make them, and a disk that is full when a test says so."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cerberod.audit.record import Anchor, AuditEvent, EventKind, claimed
from cerberod.trading.journal import Entry

KEY = b"an audit key of thirty-two bytes"


def event(kind: EventKind = EventKind.REQUEST, **members: Any) -> AuditEvent:
    """Make an audit event of a session that places orders."""
    given: dict[str, Any] = {
        "environment": "testnet",
        "actor": "testnet",
        "bot_tag": "night-owl",
        "session_id": "s-1",
        "request_id": "r-1",
        "transport": "websocket",
        "client_ip": "127.0.0.1",
        "method": "deribit.place_order",
        "params": {"instrument_name": "BTC-NOWHERE", "amount": "10"},
    }
    return AuditEvent(kind, **(given | members))


def entry(intent: str = "i-1", **members: Any) -> Entry:
    """Make the journal entry of a write that was begun."""
    given: dict[str, Any] = {
        "environment": "testnet",
        "bot_tag": "night-owl",
        "intent": intent,
        "method": "deribit.place_order",
        "params": {"instrument_name": "BTC-NOWHERE", "amount": "10"},
        "params_digest": "d" * 64,
        "venue": "deribit",
        "account": "client-of-nobody",
        "client_order_id": "c-" + intent,
        "wire": {"label": "c-" + intent},
        "request_id": "r-1",
        "session_id": "s-1",
        "begun_at": "2026-08-22T03:50:45.000Z",
    }
    return Entry(**(given | members))


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: what fits is written, as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def anchor_at(path: Path, number: int) -> Anchor:
    """Return the place in the chain that line `number` of a file has."""
    sealed = claimed(lines_of(path)[number - 1])
    assert sealed is not None
    return Anchor(sealed.sequence, sealed.hash)


def lines_of(path: Path) -> list[bytes]:
    """Return a file's lines with their newlines."""
    return path.read_bytes().splitlines(keepends=True)
