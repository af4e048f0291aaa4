"""What one audit record is, and how records hang together: pure, no file, no clock.

A record is one line of JSON. Its body is canonical (keys sorted, no blanks) and names its sequence number and the hash
of the record before it; its hash is an HMAC-SHA256 of exactly those bytes under the audit key. The line is the body
with `"hash"` as its last member, so that every byte of it is either sealed, fixed, or the seal itself: no single bit
can change unseen, and no line can be moved, removed or inserted without the key.

What a chain alone cannot show is a tail that was cut off. For that the journal keeps anchors: the newest head, and the
first and last record of each day's file.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from cerberod.clock import iso

GENESIS = "0" * 64
"""The previous hash of the first record of all."""

_SEAL = b',"hash":"'
_SEAL_LENGTH = len(_SEAL) + 64 + len(b'"}')
_HEX = re.compile(rb"[0-9a-f]{64}")


class EventKind(StrEnum):
    """Why a record was written."""

    REQUEST = "request"
    """A write was asked for and is about to be sent."""
    OUTCOME = "outcome"
    """What became of a write."""
    READ = "read"
    """A read was answered."""
    REFUSED = "refused"
    """A call was answered with an error; nothing was sent."""
    ADMIN = "admin"
    """The operator changed something by hand."""
    RELOAD = "reload"
    """Tokens and log level were read again, or refused as they stood."""
    START = "start"
    STOP = "stop"
    REPAIR = "repair"
    """The log itself: a torn tail was cut, recording resumed after a failure, the chain was moved to a new file."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What happened, before it has a place in the chain. Params and detail are plain JSON values, already redacted."""

    kind: EventKind
    environment: str | None = None
    actor: str = ""
    bot_tag: str = ""
    session_id: str = ""
    request_id: str = ""
    transport: str = ""
    client_ip: str = ""
    method: str = ""
    intent: str | None = None
    params: Mapping[str, Any] | None = None
    outcome: str | None = None
    code: int | None = None
    detail: Mapping[str, Any] | None = None
    at: datetime | None = None
    """When it happened; None: when it is sealed."""

    def members(self) -> dict[str, Any]:
        """Return the members of its record that do not depend on its place; what is None is left out."""
        members: dict[str, Any] = {
            "actor": self.actor,
            "bot_tag": self.bot_tag,
            "client_ip": self.client_ip,
            "environment": self.environment,
            "kind": self.kind.value,
            "method": self.method,
            "request_id": self.request_id,
            "session_id": self.session_id,
            "transport": self.transport,
        }
        for name in ("intent", "params", "outcome", "code", "detail"):
            value = getattr(self, name)
            if value is not None:
                members[name] = value
        return members

    def check(self) -> None:
        """Raise `ValueError` unless the event can be written as JSON."""
        encode(self.members())


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in the chain: a sequence number and its record's hash. (0, GENESIS) is before the first record."""

    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class FileSpan:
    """The head and tail of one day's file, kept in the journal after the file itself has gone."""

    name: str
    first_sequence: int
    previous: str
    """The hash that the file's first record names as the one before it."""
    last: Anchor
    removed: bool = False
    """True once retention, or the operator by moving the log, took the file away knowingly."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Everything the journal knows about the chain, to compare the files with."""

    head: Anchor
    files: tuple[FileSpan, ...] = ()
    kept_from: int | None = None
    """The first of the records whose lines the journal keeps, up to the head: a power cut may take them of the file."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One line that holds: its place, the hash it continues from, and its own."""

    sequence: int
    previous: str
    hash: str


class BadRecord(ValueError):
    """A line that is not a record sealed with this key in this place; the text says what is wrong with it."""


class Chain:
    """Seals events into lines, one after the other."""

    def __init__(self, key: bytes, head: Anchor) -> None:
        self._key = key
        self.head = head

    def seal(self, event: AuditEvent, at: datetime, offset_ms: int) -> bytes:
        """Return the event's line and move the head onto it.

        `offset_ms` counts monotonic milliseconds since the log was opened, so that a step of the wall clock shows.
        """
        sequence = self.head.sequence + 1
        members = event.members()
        members["seq"] = sequence
        members["at"] = iso(event.at or at)
        members["offset_ms"] = offset_ms
        members["prev"] = self.head.hash
        body = encode(members)
        digest = _digest(self._key, body)
        self.head = Anchor(sequence, digest.decode())
        return body[:-1] + _SEAL + digest + b'"}\n'


def encode(value: object) -> bytes:
    """Write canonical JSON. Raises `ValueError` where there is none (foreign types, integers over 64 bits)."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise ValueError("not plain JSON values") from None


def check_line(previous: str | None, line: bytes, key: bytes) -> Sealed:
    """Check one line without its newline: sealed with this key, and continuing from `previous` unless that is None.

    Raises `BadRecord`.
    """
    sealed = open_line(line, key)
    if previous is not None and sealed.previous != previous:
        raise BadRecord("does not continue from the record before it")
    return sealed


def open_line(line: bytes, key: bytes) -> Sealed:
    """Check one line's own seal. Raises `BadRecord`."""
    seal = line[-_SEAL_LENGTH:]
    digest = seal[len(_SEAL) : -2]
    if (
        len(line) <= _SEAL_LENGTH
        or not seal.startswith(_SEAL)
        or not seal.endswith(b'"}')
        or not _HEX.fullmatch(digest)
    ):
        raise BadRecord("is not an audit record")
    body = line[:-_SEAL_LENGTH] + b"}"
    if not hmac.compare_digest(_digest(key, body), digest):
        raise BadRecord("was altered, or sealed with another key")
    members = parse(line)
    return Sealed(members["seq"], members["prev"], digest.decode())


def claimed(line: bytes) -> Sealed | None:
    """Return what a line says of itself without believing it; None when it says nothing readable."""
    try:
        members = parse(line)
    except BadRecord:
        return None
    sequence, previous, digest = members.get("seq"), members.get("prev"), members.get("hash")
    if type(sequence) is int and isinstance(previous, str) and isinstance(digest, str):
        return Sealed(sequence, previous, digest)
    return None


def parse(line: bytes) -> dict[str, Any]:
    """Read a line as an object. Raises `BadRecord`."""
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise BadRecord("is not JSON") from None
    if not isinstance(members, dict):
        raise BadRecord("is not an audit record")
    return members


def fingerprint(key: bytes) -> str:
    """Name a key without telling it, so that another key can be told from damage."""
    return hmac.digest(key, b"cerberod audit key", "sha256").hex()[:16]


def _digest(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256").hex().encode()
