"""The journal and the audit log as one thing: opened together, checked against each other, committed together.

A commit appends all audit lines to their file and then writes one journal transaction with every change, the new head
of the audit log and the lines themselves, so that one sync makes all of it durable. The file is synced a little later,
and the journal forgets the lines; what a power cut takes of the file before is put back at the next start. So what the
journal says was begun, the audit has. All calls block; `cerberod.trading.recording` gives them a thread. Decides
nothing about orders.
"""

import logging
import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from cerberod.audit import files
from cerberod.audit.record import GENESIS, Anchors, AuditEvent, EventKind, FileSpan, fingerprint
from cerberod.audit.restoring import restore
from cerberod.audit.writer import AuditLog, AuditRefused, AuditUnwritable
from cerberod.clock import Clock, iso
from cerberod.trading.journal import Begin, Change, Entry, IntentKey, Journal, Kind, refusal

logger = logging.getLogger("cerberod.records")

INTENTS_KEPT: Final = timedelta(days=90)
JOURNAL_FILE: Final = "journal.sqlite"
KEY_FILE: Final = "audit.key"
UNSYNCED_BYTES: Final = 1 << 16
"""How much of the audit's file may wait for a sync while one write follows the other."""
_KEY_BYTES = 32
_SYNC_FAILED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class NotDurable(Exception):
    """A commit failed as a whole. `permanent`: no later one of this process will succeed."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


@dataclass(slots=True, eq=False)
class Item:
    """One thing to commit, and how it went."""

    events: Sequence[AuditEvent]
    change: Change | None = None
    audited: bool = False
    """True once the audit log has its events, so that a second try does not tell them twice."""
    known: Entry | None = None
    """For a begin: the entry that already holds the intent; nothing was written then."""
    effective: bool = True
    """For the other changes: whether the journal let them have an effect."""


class Records:
    """The open journal and audit log (None when it is switched off)."""

    def __init__(self, journal: Journal, log: AuditLog | None, clock: Clock) -> None:
        self.journal = journal
        self.log = log
        self._clock = clock
        self._turned: list[FileSpan] = []
        self._kept = 0
        """Up to which record the journal has been given the lines."""
        self._house_due = False

    @property
    def repairs(self) -> list[AuditEvent]:
        """What opening the audit log had to mend, for the operator's log."""
        return self.log.repairs if self.log is not None else []

    @property
    def unsynced(self) -> bool:
        """Whether some lines of the audit are durable in the journal only. A commit of nothing syncs their file."""
        return self.log is not None and bool(self.log.unsynced)

    def commit(self, items: Sequence[Item], extra: Sequence[AuditEvent] = ()) -> int:
        """Make all items and extra events durable together; return how many audit records were written.

        Raises `NotDurable`; then no change took effect.
        """
        try:
            applied = self._know(items)
            written = self._audit(applied, extra)
            changes = [item.change for item in applied if item.change is not None]
            effects = iter(self._apply(changes))
        except AuditUnwritable as error:
            raise NotDurable(f"audit log: {error.reason}", permanent=error.permanent) from None
        except sqlite3.OperationalError as error:
            raise NotDurable(f"journal: {sqlite_name(error)}", permanent=_is_permanent(error)) from None
        except sqlite3.DatabaseError as error:
            raise NotDurable(f"journal: {sqlite_name(error)}", permanent=True) from None
        for item in applied:
            if item.change is not None:
                item.effective = next(effects)
        self._house_due = self._house_due or bool(self._turned)
        self._turned.clear()
        return written

    def probe(self) -> None:
        """Try whether the journal can be written at all. Raises `NotDurable`."""
        self.commit(())

    def keep_house(self) -> None:
        """After a day has turned: remove expired audit files, whose ends the journal keeps, and forget old intents."""
        if not self._house_due:
            return
        self._house_due = False
        try:
            self.journal.prune(iso(self._clock.now() - INTENTS_KEPT))
            if self.log is None:
                return
            expired = {path.name: path for path in self.log.expired()}
            spans = [replace(span, removed=True) for span in self.journal.anchors().files if span.name in expired]
            self.journal.apply((), None, spans)
            self.log.remove([expired[span.name] for span in spans])
        except (OSError, sqlite3.Error) as error:
            logger.warning("old records could not be removed", extra={"reason": type(error).__name__})

    def close(self) -> None:
        if self.unsynced:
            with suppress(NotDurable):  # then the next start does it
                self.commit(())
        if self.log is not None:
            self.log.close()
        self.journal.close()

    def _know(self, items: Sequence[Item]) -> list[Item]:
        """Find out which begins are repeats; return the items that are to be written."""
        beginning: dict[IntentKey, Entry] = {}
        applied = []
        for item in items:
            if isinstance(item.change, Begin):
                entries = item.change.entries
                found = (beginning.get(entry.key) or self.journal.find(entry.key) for entry in entries)
                item.known = next((entry for entry in found if entry is not None), None)
                if item.known is not None:
                    continue
                beginning.update((entry.key, entry) for entry in entries)
            applied.append(item)
        return applied

    def _audit(self, items: Sequence[Item], extra: Sequence[AuditEvent]) -> int:
        if self.log is None:
            return 0
        events = [*extra, *(event for item in items if not item.audited for event in item.events)]
        if events:
            self.log.append(events)
            self._turned += self.log.take_closed()
        for item in items:
            item.audited = True
        return len(events)

    def _apply(self, changes: Sequence[Change]) -> list[bool]:
        """Write the journal's transaction; sync the audit's file before where no write waits or it must not wait."""
        log = self.log
        if log is None:
            return self.journal.apply(changes)
        if log.unsynced and not (changes and _may_wait(log)):
            log.sync()
        try:
            new = log.unsynced[max(0, self._kept - log.synced) :]
            done = self.journal.apply(changes, log.head, self._turned, new, log.synced)
        except sqlite3.Error:
            log.sync()  # for now these lines are kept nowhere else
            raise
        self._kept = log.head.sequence
        return done

    def adopt_files(self) -> None:
        """Let the journal know every finished audit file, as after a crash between turning the day and saying so."""
        if self.log is None:
            return
        known = {span.first_sequence for span in self.journal.anchors().files}
        new = [span for span in self.log.finished() if span.first_sequence not in known]
        self.journal.apply((), self.log.head, new)
        self._house_due = True
        self.keep_house()


def open_records(
    state_dir: Path, audit_path: Path | None, key: bytes, kind: Kind, clock: Clock, backup_days: int
) -> Records:
    """Open the journal, then the audit log, and check the log's tail against what the journal has seen.

    A torn last record is cut and told. Raises `JournalRefused` or `AuditRefused`, each with one line for the operator.
    """
    journal = Journal.open(state_dir / JOURNAL_FILE, kind)
    log: AuditLog | None = None
    try:
        if audit_path is not None:
            log = _open_log(journal, audit_path, key, clock, backup_days)
        records = Records(journal, log, clock)
        records.adopt_files()
    except BaseException as error:
        if log is not None:
            log.close()
        journal.close()
        if isinstance(error, sqlite3.Error):
            raise refusal(journal.path, error) from None
        raise
    return records


def _may_wait(log: AuditLog) -> bool:
    """Tell whether the file may be synced later: what it lost could be put back behind a record it surely has."""
    begins_at = log.begins_at
    return begins_at is not None and begins_at <= log.synced and sum(map(len, log.unsynced)) <= UNSYNCED_BYTES


def _open_log(journal: Journal, path: Path, key: bytes, clock: Clock, backup_days: int) -> AuditLog:
    anchors = journal.anchors()
    path = path.absolute()
    before = journal.meta("audit_path")
    exists = path.exists() and path.stat().st_size > 0
    # A day that has just turned leaves its records in a file of its own: opening the log judges whether all are there.
    if not exists and before == str(path) and anchors.head.sequence and not files.day_files(path):
        raise AuditRefused(
            f"{path}: is missing or empty, but the journal has seen record {anchors.head.sequence}; put it back, or set"
            " AUDIT_LOG_FILE to a new file, where the chain will go on"
        )
    if exists and (sealed_with := journal.meta("audit_key")) not in (None, fingerprint(key)) and before == str(path):
        raise AuditRefused(
            f"{path}: sealed with another key ({sealed_with}, now {fingerprint(key)}); restore AUDIT_HMAC_KEY, or set"
            " AUDIT_LOG_FILE to a new file, where the chain will go on"
        )
    mended = _put_back(journal, path, Path(before or path), anchors)
    log = AuditLog.open(path, key, clock, backup_days, anchors.head, mended)
    try:
        if before not in (None, str(path)) and log.begins_at == anchors.head.sequence + 1:
            _leave_behind(journal, Path(str(before)), anchors)
        journal.remember("audit_path", str(path))
        journal.remember("audit_key", fingerprint(key))
    except BaseException:
        log.close()
        raise
    return log


def _put_back(journal: Journal, path: Path, before: Path, anchors: Anchors) -> list[AuditEvent]:
    """Put back what a power cut took of the log's file, which may have been moved since; tell it for the audit.

    Raises `AuditRefused` when it cannot be put back where the log goes on.
    """
    first = anchors.kept_from
    if first is None:
        return []
    lines, restored = journal.kept_lines(), False
    for place in {path, before}:
        try:
            restored = restore(place, first, lines) or restored
        except OSError as error:
            if place == path:
                what = f"records that a power cut took cannot be put back ({error.strerror})"
                raise AuditRefused(f"{path}: {what}; free the disk, or check the file's owner and mode") from None
    detail = {"what": "put back what a power cut took", "from": first, "to": anchors.head.sequence}
    return [AuditEvent(EventKind.REPAIR, detail=detail)] if restored else []


def _leave_behind(journal: Journal, path: Path, anchors: Anchors) -> None:
    """Note where the log ended before it went on in a new file, so that the former files are not taken for lost."""
    last = anchors.files[-1] if anchors.files else None
    first, previous = (last.last.sequence + 1, last.last.hash) if last is not None else (1, GENESIS)
    spans = [replace(span, removed=True) for span in anchors.files]
    if first <= anchors.head.sequence:
        spans.append(FileSpan(path.name, first, previous, anchors.head, removed=True))
    journal.apply((), None, spans)


def load_or_make_key(state_dir: Path) -> bytes:
    """Return the audit key kept in the state directory, made on first use. Raises `AuditRefused`."""
    path = state_dir / KEY_FILE
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, os.O_RDONLY | flags)
    except FileNotFoundError:
        return _make_key(path)
    except OSError as error:
        raise AuditRefused(
            f"{path}: the audit key cannot be read ({error.strerror}); check its owner and mode"
        ) from None
    try:
        key = os.read(descriptor, _KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(key) != _KEY_BYTES:
        raise AuditRefused(
            f"{path}: not an audit key ({_KEY_BYTES} bytes); put the former one back or set AUDIT_HMAC_KEY"
        )
    return key


def _make_key(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    draft = path.with_suffix(".new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, key)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(draft, path)  # whole or not at all: half a key would be refused for ever
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise AuditRefused(
            f"{path}: the audit key cannot be made ({error.strerror}); check the state directory"
        ) from None
    return key


def sqlite_name(error: sqlite3.Error) -> str:
    """Name an error of SQLite by its constant, which holds no text of ours or the caller's."""
    return getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR"


def _is_permanent(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code in _SYNC_FAILED or code & 0xFF in _DAMAGED
