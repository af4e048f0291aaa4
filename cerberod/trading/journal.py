"""What we intended and what became of it: the journal of writes, in SQLite.

One row for each intent, unique within (environment, bot tag). Every change is one transaction that also holds the head
of the audit log, so that each write anchors the log, and the audit's lines until their own file is synced. The journal
is small, pruned, and read at start; who asked for what is the audit's business. It knows no venue and decides nothing.

All calls block: `cerberod.trading.recording` makes them on a thread of their own.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import orjson

from cerberod.audit.record import Anchor, Anchors, FileSpan
from cerberod.trading.guard import Scope, Stop, TradingState

Kind = Literal["live", "simulator"]

UNKNOWN = "unknown"
"""The one outcome that may still change."""

_APPLICATION = int.from_bytes(b"cbrd", "big")
_MIGRATIONS = (
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE intents (
        environment TEXT NOT NULL, bot_tag TEXT NOT NULL, intent TEXT NOT NULL,
        method TEXT NOT NULL, params BLOB NOT NULL, params_digest TEXT NOT NULL,
        client_order_id TEXT, venue TEXT NOT NULL, account TEXT NOT NULL, wire BLOB NOT NULL,
        request_id TEXT NOT NULL, session_id TEXT NOT NULL, begun_at TEXT NOT NULL,
        state TEXT NOT NULL, outcome TEXT, result BLOB, ended_at TEXT,
        PRIMARY KEY (environment, bot_tag, intent)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX unresolved ON intents (begun_at) WHERE outcome IS NULL OR outcome = 'unknown';
    CREATE INDEX ended ON intents (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE audit_head (
        only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL
    ) STRICT;
    CREATE TABLE audit_files (
        name TEXT NOT NULL, first_sequence INTEGER PRIMARY KEY, previous TEXT NOT NULL,
        last_sequence INTEGER NOT NULL, last_hash TEXT NOT NULL, removed INTEGER NOT NULL
    ) STRICT;
    """,
    """
    CREATE TABLE stops (
        environment TEXT NOT NULL, venue TEXT NOT NULL, bot_tag TEXT NOT NULL,
        state TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (environment, venue, bot_tag)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE audit_unsynced (sequence INTEGER PRIMARY KEY, line BLOB NOT NULL) STRICT;
    """,
)
"""Script n takes the schema from version n to n + 1."""

SCHEMA = len(_MIGRATIONS)

_CHECKED_BYTES = 64 << 20
"""A journal up to this size is checked whole at start; a bigger one where it is read, so that starting stays quick."""


_NOT_ITS_FAULT = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_PERM,
}
"""Errors of what the file lies on, or of who else has it open. Nobody is to move a good journal away for these."""


class JournalRefused(Exception):
    """The journal cannot be used as it is; the text is one line that names the file and the remedy."""


class IntentKey(NamedTuple):
    """What makes a write unique."""

    environment: str
    bot_tag: str
    intent: str


class State(StrEnum):
    """How far a write has come. An outcome `unknown` has ended its call, and is still to be resolved."""

    BEGUN = "begun"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One write: what was intended, and what became of it. Times are ISO 8601 UTC with milliseconds and `Z`."""

    environment: str
    bot_tag: str
    intent: str
    method: str
    params: Mapping[str, Any]
    params_digest: str
    venue: str
    account: str
    client_order_id: str | None = None
    wire: Mapping[str, Any]
    request_id: str
    session_id: str
    begun_at: str
    state: State = State.BEGUN
    outcome: str | None = None
    result: Mapping[str, Any] | None = None
    ended_at: str | None = None

    @property
    def key(self) -> IntentKey:
        return IntentKey(self.environment, self.bot_tag, self.intent)

    @property
    def resolved(self) -> bool:
        """Tell whether its outcome is final."""
        return self.outcome is not None and self.outcome != UNKNOWN


@dataclass(frozen=True, slots=True)
class Begin:
    """Take an intent, and those of the parts of its write. Encodes on creation.

    So a value that is not JSON fails its own caller alone.
    """

    entry: Entry
    row: tuple[object, ...]
    parts: "tuple[Begin, ...]" = ()
    """Taken with it or not at all."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that it takes."""
        return (self.entry, *(part.entry for part in self.parts))

    @classmethod
    def of(cls, entry: Entry, parts: Sequence[Entry] = ()) -> Self:
        texts = (_encode(entry.params), entry.params_digest, entry.client_order_id, entry.venue, entry.account)
        rest = (_encode(entry.wire), entry.request_id, entry.session_id, entry.begun_at, State.BEGUN.value)
        row = (*map(str, entry.key), entry.method, *texts, *rest)
        return cls(entry, row, tuple(cls.of(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Conclude:
    """Write what became of an intent, unless a final outcome stands there already."""

    key: IntentKey
    outcome: str
    result: bytes
    ended_at: str

    @classmethod
    def of(cls, key: IntentKey, outcome: str, result: Mapping[str, Any], ended_at: str) -> Self:
        return cls(key, str(outcome), _encode(result), ended_at)


@dataclass(frozen=True, slots=True)
class Release:
    """Free an intent of which nothing left the process."""

    key: IntentKey


@dataclass(frozen=True, slots=True)
class SetStop:
    """Put a stop in force, or lift the one of the same scope."""

    stop: Stop


Change = Begin | Conclude | Release | SetStop

_INSERT = (
    "INSERT INTO intents (environment, bot_tag, intent, method, params, params_digest, client_order_id, venue, account,"
    " wire, request_id, session_id, begun_at, state) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_COLUMNS = (
    "environment, bot_tag, intent, method, params, params_digest, client_order_id, venue, account, wire, request_id,"
    " session_id, begun_at, state, outcome, result, ended_at"
)
_BY_KEY = "environment = ? AND bot_tag = ? AND intent = ?"
_OPEN = "(outcome IS NULL OR outcome = 'unknown')"
_HEAD = (
    "INSERT INTO audit_head VALUES (1, ?, ?)"
    " ON CONFLICT (only) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash"
)
_KEEP = "INSERT INTO audit_unsynced VALUES (?, ?)"
_FORGET = "DELETE FROM audit_unsynced WHERE sequence <= ?"
_FILE = (
    "INSERT INTO audit_files VALUES (?,?,?,?,?,?) ON CONFLICT (first_sequence) DO UPDATE SET name = excluded.name,"
    " previous = excluded.previous, last_sequence = excluded.last_sequence, last_hash = excluded.last_hash,"
    " removed = max(removed, excluded.removed)"
)


def refusal(path: Path, error: sqlite3.Error) -> JournalRefused:
    """Say what is to be done about a journal that cannot be opened."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_ITS_FAULT:
        return JournalRefused(f"{path}: cannot be used ({_name(error)}); free the disk, or check its owner and mode")
    return JournalRefused(
        f"{path}: damaged or unreadable ({_name(error)}); put a backup in its place, or move it away to start an empty"
        " one: intents used before would then be free again"
    )


class Journal:
    """The open journal. Used from one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def open(cls, path: Path, kind: Kind) -> Self:
        """Open or make the journal. Raises `JournalRefused` for another kind, a newer schema, or damage."""
        _make_private(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        journal = cls(path, connection)
        try:
            journal._prepare(kind)
        except sqlite3.Error as error:
            connection.close()
            raise refusal(path, error) from None
        except BaseException:
            connection.close()
            raise
        return journal

    def close(self) -> None:
        self._db.close()

    # -- intents -------------------------------------------------------------------------------------------------------

    def begin(self, entry: Entry, anchor: Anchor | None) -> Entry | None:
        """Take the intent; return the entry that already holds it, and write nothing, if one does."""
        if (known := self.find(entry.key)) is not None:
            return known
        self.apply([Begin.of(entry)], anchor)
        return None

    def conclude(
        self, key: IntentKey, outcome: str, result: Mapping[str, Any], ended_at: str, anchor: Anchor | None
    ) -> bool:
        """Write an outcome. False, and nothing written, if there is no such intent or its outcome is final."""
        return self.apply([Conclude.of(key, outcome, result, ended_at)], anchor)[0]

    def release(self, key: IntentKey, anchor: Anchor | None) -> bool:
        """Free an intent that was begun and never sent. False if there is none or it has an outcome."""
        return self.apply([Release(key)], anchor)[0]

    def apply(
        self,
        changes: Sequence[Change],
        anchor: Anchor | None = None,
        files: Sequence[FileSpan] = (),
        lines: Sequence[bytes] = (),
        synced: int | None = None,
    ) -> list[bool]:
        """Make all changes, the audit head and spans of audit files durable together, or nothing.

        `lines` of the last records up to the anchor are kept with it; those up to `synced` (None: all before these) are
        kept no more. Returns for each change whether it took effect. Beginning a known intent raises
        `sqlite3.IntegrityError`.
        """
        with self._transaction():
            done = [self._change(change) for change in changes]
            if anchor is not None:
                self._db.execute(_HEAD, (anchor.sequence, anchor.hash))
                first = anchor.sequence - len(lines) + 1
                self._db.execute(_FORGET, (first - 1 if synced is None else synced,))
                for sequence, line in enumerate(lines, first):
                    self._db.execute(_KEEP, (sequence, line))
            for span in files:
                last = span.last
                row = (span.name, span.first_sequence, span.previous, last.sequence, last.hash, int(span.removed))
                self._db.execute(_FILE, row)
        return done

    def find(self, key: IntentKey) -> Entry | None:
        """Return what is known of an intent."""
        found = self._db.execute(f"SELECT {_COLUMNS} FROM intents WHERE {_BY_KEY}", tuple(map(str, key))).fetchone()
        return None if found is None else _entry(found)

    def unresolved(self, environment: str | None = None) -> list[Entry]:
        """Return every write whose outcome is not known for certain, oldest first."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM intents WHERE {_OPEN} ORDER BY begun_at")
        return [entry for entry in map(_entry, rows) if environment in (None, entry.environment)]

    def stops(self) -> list[Stop]:
        """Return the stops in force."""
        rows = self._db.execute("SELECT environment, venue, bot_tag, state, actor, reason, at FROM stops")
        return [
            Stop(Scope(environment, venue or None, bot_tag or None), TradingState(state), actor, reason, at)
            for environment, venue, bot_tag, state, actor, reason, at in rows
        ]

    def prune(self, before: str) -> int:
        """Forget intents whose final outcome is older than `before` (ISO 8601 UTC). Returns how many."""
        with self._transaction():
            return self._db.execute(f"DELETE FROM intents WHERE ended_at < ? AND NOT {_OPEN}", (before,)).rowcount

    # -- anchors and meta ----------------------------------------------------------------------------------------------

    def anchors(self) -> Anchors:
        """Return the newest head of the audit log and every known file of it, oldest first."""
        return _anchors(self._db)

    def kept_lines(self) -> list[bytes]:
        """Return the lines of the audit log, up to its head, that its file may not hold durably."""
        return [line for (line,) in self._db.execute("SELECT line FROM audit_unsynced ORDER BY sequence")]

    def meta(self, name: str) -> str | None:
        """Return a remembered value."""
        found = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def remember(self, name: str, value: str) -> None:
        """Keep a value across restarts."""
        with self._transaction():
            self._remember(name, value)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _change(self, change: Change) -> bool:
        match change:
            case Begin(row=row, parts=parts):
                self._db.execute(_INSERT, row)
                for part in parts:
                    self._db.execute(_INSERT, part.row)
                return True
            case Conclude():
                row = (State.ENDED.value, change.outcome, change.result, change.ended_at, *map(str, change.key))
                update = "UPDATE intents SET state = ?, outcome = ?, result = ?, ended_at = ?"
                return self._db.execute(f"{update} WHERE {_BY_KEY} AND {_OPEN}", row).rowcount == 1
            case Release():
                delete = f"DELETE FROM intents WHERE {_BY_KEY} AND outcome IS NULL"
                return self._db.execute(delete, tuple(map(str, change.key))).rowcount == 1
            case SetStop(stop=stop):
                scope = (stop.scope.environment, stop.scope.venue or "", stop.scope.bot_tag or "")
                self._db.execute("DELETE FROM stops WHERE environment = ? AND venue = ? AND bot_tag = ?", scope)
                if stop.state is not TradingState.ACTIVE:
                    row = (*scope, stop.state.value, stop.actor, stop.reason, stop.at)
                    self._db.execute("INSERT INTO stops VALUES (?,?,?,?,?,?,?)", row)
                return True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _remember(self, name: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    def _prepare(self, kind: Kind) -> None:
        version = self._pragma("user_version")
        application = self._pragma("application_id")
        fresh = version == 0 and not self._pragma("schema_version")
        if not fresh and application != _APPLICATION:
            raise JournalRefused(f"{self.path}: not a journal of cerberod; move it away or set another STATE_DIR")
        if version > SCHEMA:
            raise JournalRefused(
                f"{self.path}: made by a newer cerberod (schema {version}, this one knows {SCHEMA}); run that version"
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if not fresh and self.path.stat().st_size <= _CHECKED_BYTES:
            found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError("quick_check")
        with self._transaction():
            for number in range(version, SCHEMA):
                for statement in _MIGRATIONS[number].split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {SCHEMA}")
            self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
            if fresh:
                self._remember("kind", kind)
        if (found := self.meta("kind")) != kind:
            raise JournalRefused(f"{self.path}: a journal of kind {found}, not {kind}; set another STATE_DIR")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


def read_anchors(path: Path) -> Anchors:
    """Read a journal's anchors beside a running daemon, changing nothing. Raises `JournalRefused`."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    except sqlite3.Error as error:
        raise JournalRefused(f"{path}: cannot be read ({_name(error)})") from None
    try:
        return _anchors(connection)
    except sqlite3.Error as error:
        raise JournalRefused(f"{path}: cannot be read ({_name(error)})") from None
    finally:
        connection.close()


def _anchors(connection: sqlite3.Connection) -> Anchors:
    head = connection.execute("SELECT sequence, hash FROM audit_head").fetchone()
    rows = connection.execute(
        "SELECT name, first_sequence, previous, last_sequence, last_hash, removed FROM audit_files"
        " ORDER BY first_sequence"
    )
    files = tuple(
        FileSpan(name, first, prev, Anchor(last, digest), bool(gone)) for name, first, prev, last, digest, gone in rows
    )
    return Anchors(Anchor(*head) if head else Anchor(), files, _kept_from(connection))


def _kept_from(connection: sqlite3.Connection) -> int | None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_unsynced'").fetchone():
        return None  # of an older schema, read before its daemon has started anew
    first: int | None = connection.execute("SELECT min(sequence) FROM audit_unsynced").fetchone()[0]
    return first


def _make_private(path: Path) -> None:
    """Make the file with its final mode, before SQLite would make it with another; its WAL takes over the mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise JournalRefused(f"{path}: cannot be opened ({error.strerror}); check its owner and mode") from None


def _entry(row: tuple[Any, ...]) -> Entry:
    names = [name.strip() for name in _COLUMNS.split(",")]
    fields: dict[str, Any] = dict(zip(names, row, strict=True))
    fields["params"] = orjson.loads(fields["params"])
    fields["wire"] = orjson.loads(fields["wire"])
    fields["result"] = None if fields["result"] is None else orjson.loads(fields["result"])
    fields["state"] = State(fields["state"])
    return Entry(**fields)


def _encode(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value)


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or "not a database"
