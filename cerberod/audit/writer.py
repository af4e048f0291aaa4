"""The audit log on disk: appends sealed records, syncs them, turns the day, and knows exactly how far the file is good.

A record that cannot be written whole is taken back: the file is cut to the last good offset and the caller is told.
When to sync is the caller's to say, who until then keeps the `unsynced` lines elsewhere or calls no record durable. A
failed sync is never retried: after one, nobody knows what the disk holds, so the log stays failed until the process
starts anew and looks. All calls block; one thread at a time.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Self

from cerberod.audit import files
from cerberod.audit.record import (
    Anchor,
    AuditEvent,
    BadRecord,
    Chain,
    EventKind,
    FileSpan,
    Sealed,
    check_line,
    claimed,
    open_line,
    parse,
)
from cerberod.clock import Clock

_UNANCHORED_TAIL = 1000
"""How many of the last records are checked at start when no anchor says where to stop."""


class AuditRefused(Exception):
    """The log cannot be continued as it is; the text is one line that names the file and the remedy."""


class AuditUnwritable(Exception):
    """A record could not be made durable. `permanent`: the log is of no use until the process starts anew."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class AuditLog:
    """The open audit log; the only writer of its file."""

    def __init__(self, path: Path, key: bytes, clock: Clock, backup_days: int) -> None:
        self.path = path
        self.repairs: list[AuditEvent] = []
        """What opening had to mend; already told in the log itself."""
        self._key = key
        self._clock = clock
        self._backup_days = backup_days
        self._started = clock.monotonic()
        self._descriptor = -1
        self._good = 0
        self._day: date | None = None
        self._first: Sealed | None = None
        self._chain = Chain(key, Anchor())
        self._closed: list[FileSpan] = []
        self._unsynced: list[bytes] = []
        self._failed: AuditUnwritable | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        key: bytes,
        clock: Clock,
        backup_days: int,
        anchor: Anchor | None = None,
        mended: Sequence[AuditEvent] = (),
    ) -> Self:
        """Open or make the log and check its tail back to the anchor; all it then holds is durable.

        A torn last record is cut and told by a record of its own, as is what was `mended` before. Raises `AuditRefused`
        on any other damage.
        """
        log = cls(path, key, clock, backup_days)
        log.repairs.extend(mended)
        try:
            log._open_file()
            log._recover(anchor if anchor is not None and anchor.sequence else None)
        except AuditUnwritable as error:
            log.close()
            raise AuditRefused(f"{path}: {error.reason}; free the disk or set another AUDIT_LOG_FILE") from None
        except OSError as error:
            log.close()
            raise AuditRefused(f"{_reason(str(path), error)}; mend the disk or set another AUDIT_LOG_FILE") from None
        except BaseException:
            log.close()
            raise
        return log

    @property
    def head(self) -> Anchor:
        """The newest record."""
        return self._chain.head

    @property
    def begins_at(self) -> int | None:
        """The sequence of the current file's first record; None while it has none."""
        return None if self._first is None else self._first.sequence

    @property
    def unsynced(self) -> Sequence[bytes]:
        """The lines up to the newest record that the file holds and the disk may not: a power cut may take them."""
        return self._unsynced

    @property
    def synced(self) -> int:
        """The sequence of the last record that is surely on the disk."""
        return self.head.sequence - len(self._unsynced)

    @property
    def failed(self) -> bool:
        """Whether the log has failed for good."""
        return self._failed is not None

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Write the events, in order, all or none of those of one day. Raises `AuditUnwritable`."""
        if self._failed is not None:
            raise self._failed
        lines: list[bytes] = []
        before = self._chain.head
        for event in events:
            at = event.at or self._clock.now()
            if self._day is not None and at.date() > self._day:
                self._write(lines, before)
                self._turn_the_day()
                lines, before = [], self._chain.head
            if self._day is None:
                self._day = at.date()
            line = self._chain.seal(event, at, round((self._clock.monotonic() - self._started) * 1000))
            if self._first is None:
                self._first = Sealed(self._chain.head.sequence, before.hash, self._chain.head.hash)
            lines.append(line)
        self._write(lines, before)

    def sync(self) -> None:
        """Wait until everything appended is on the disk. Raises `AuditUnwritable`, and then for good."""
        if self._failed is not None:
            raise self._failed
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._fail("sync", error) from None
        self._unsynced.clear()

    def close(self) -> None:
        """Close the file. What was not synced is not promised."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # -- days ----------------------------------------------------------------------------------------------------------

    def take_closed(self) -> list[FileSpan]:
        """Return the files finished since the last call, for the journal to keep."""
        closed, self._closed = self._closed, []
        return closed

    def finished(self) -> list[FileSpan]:
        """Read the span of every finished day on disk. A file without one readable record at either end is left out."""
        spans = (_span(file.path, self._key) for file in files.day_files(self.path))
        return [span for span in spans if span is not None]

    def expired(self) -> list[Path]:
        """List the finished days that are past their keeping."""
        oldest = self._clock.now().date() - timedelta(days=self._backup_days)
        return [file.path for file in files.day_files(self.path) if file.day < oldest]

    def remove(self, expired: Sequence[Path]) -> None:
        """Delete expired files, whose spans the journal keeps."""
        for path in expired:
            path.unlink(missing_ok=True)
        if expired:
            self._sync_directory()

    # -- inside: writing -----------------------------------------------------------------------------------------------

    def _write(self, lines: Sequence[bytes], before: Anchor) -> None:
        data = b"".join(lines)
        if not data:
            return
        try:
            written = os.write(self._descriptor, data)
            reason = "short write" if written != len(data) else None
        except OSError as error:
            reason = _reason("write", error)
        if reason is None:
            self._good += len(data)
            self._unsynced += lines
            return
        self._chain.head = before
        if self._good == 0:
            self._day = self._first = None
        try:
            os.ftruncate(self._descriptor, self._good)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._fail("cut back after a failed write", error) from None
        raise AuditUnwritable(reason, permanent=False)

    def _fail(self, what: str, error: OSError) -> AuditUnwritable:
        self._failed = AuditUnwritable(_reason(what, error), permanent=True)
        self.close()
        return self._failed

    def _turn_the_day(self) -> None:
        """Give the finished day its name and start the next file. The old one is durable before it is left."""
        assert self._day is not None
        target = files.day_path(self.path, self._day)
        span = self._current_span(target.name)
        if span is None or target.exists():
            # Nothing to close, or a file that is not ours to overwrite: the record matters more than the file's name.
            self._day = None
            return
        self.sync()
        try:
            os.rename(self.path, target)
            self.close()
            self._open_file()
        except OSError as error:
            raise self._fail("turn the day", error) from None
        except AuditRefused as error:
            self._failed = AuditUnwritable(f"turn the day: {error}", permanent=True)
            raise self._failed from None
        self._closed.append(span)
        self._day = self._first = None

    def _current_span(self, name: str) -> FileSpan | None:
        if self._first is None:
            return None
        return FileSpan(name, self._first.sequence, self._first.previous, self._chain.head)

    # -- inside: opening -----------------------------------------------------------------------------------------------

    def _open_file(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except OSError as error:
            remedy = "make its folder, give this user the right to write there, or set another AUDIT_LOG_FILE"
            raise AuditRefused(f"{self.path}: cannot be opened ({error.strerror}); {remedy}") from None
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise AuditRefused(f"{self.path}: not a regular file; set another AUDIT_LOG_FILE")
        if status.st_uid != os.geteuid():
            raise AuditRefused(f"{self.path}: belongs to another user; change its owner or set another AUDIT_LOG_FILE")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AuditRefused(f"{self.path}: another process writes to it; stop that one first") from None
        if status.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        self._good = status.st_size
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _recover(self, anchor: Anchor | None) -> None:
        size = self._good
        self._good = files.last_newline(self._descriptor, size)
        torn = size - self._good
        head = self._check_tail(anchor)
        seen = 0 if anchor is None else anchor.sequence
        if anchor is not None and seen > head.sequence and not (torn and seen == head.sequence + 1):
            if size > 0 or files.day_files(self.path):
                raise AuditRefused(
                    f"{self.path}: ends at record {head.sequence}, but the journal has seen record {seen}; {_REMEDY}"
                )
            head = anchor
            detail: dict[str, object] = {"what": "continued in a new file", "after": seen}
            self.repairs.append(AuditEvent(EventKind.REPAIR, detail=detail))
        self._chain.head = head
        self._read_first()
        if torn:
            os.ftruncate(self._descriptor, self._good)
            anchored = seen > head.sequence
            detail = {"what": "cut a torn last record", "bytes": torn, "after": head.sequence, "was_anchored": anchored}
            self.repairs.append(AuditEvent(EventKind.REPAIR, detail=detail))
        if self.repairs:
            self.append(self.repairs)
        self.sync()

    def _check_tail(self, anchor: Anchor | None) -> Anchor:
        """Check the last records, back to the anchor, and return the head."""
        newest: Sealed | None = None
        following: Sealed | None = None
        for count, (name, line) in enumerate(self._tail()):
            try:
                sealed = check_line(None, line, self._key)
            except BadRecord as problem:
                told = claimed(line)
                where = f"record {told.sequence}" if told else "the last record"
                if following is not None and told is None:
                    where = f"the record before {following.sequence}"
                raise AuditRefused(f"{name}: {where} {problem}; {_REMEDY}") from None
            if following is not None and (following.previous, following.sequence) != (sealed.hash, sealed.sequence + 1):
                raise AuditRefused(
                    f"{name}: record {following.sequence} does not continue from {sealed.sequence}; {_REMEDY}"
                )
            newest = newest or sealed
            following = sealed
            if anchor is not None and sealed.sequence == anchor.sequence and sealed.hash != anchor.hash:
                raise AuditRefused(f"{name}: record {sealed.sequence} is not the one the journal has seen; {_REMEDY}")
            if count >= _UNANCHORED_TAIL if anchor is None else sealed.sequence <= anchor.sequence:
                break
        if anchor is not None and following is not None and following.sequence > anchor.sequence + 1:
            lost = f"the records from {anchor.sequence} to {following.sequence - 1} are missing"
            raise AuditRefused(f"{self.path}: {lost}; {_REMEDY}")
        return Anchor() if newest is None else Anchor(newest.sequence, newest.hash)

    def _tail(self) -> Iterator[tuple[Path, bytes]]:
        """Yield whole lines of the log with their file, newest first."""
        for line in files.lines_backward(self._descriptor, self._good):
            yield self.path, line
        for file in reversed(files.day_files(self.path)):
            descriptor = files.open_to_read(file.path)
            try:
                end = files.last_newline(descriptor, os.fstat(descriptor).st_size)
                for line in files.lines_backward(descriptor, end):
                    yield file.path, line
            finally:
                os.close(descriptor)

    def _read_first(self) -> None:
        """Learn from the current file's first record which day it holds and where it begins."""
        if self._good == 0:
            return
        line = files.first_line(self._descriptor) or b""
        try:
            self._first = open_line(line, self._key)
            self._day = datetime.fromisoformat(parse(line)["at"]).date()
        except BadRecord as problem:
            raise AuditRefused(f"{self.path}: its first record {problem}; {_REMEDY}") from None


_REMEDY = "`cerberod audit verify` tells all; put a good copy back, or set AUDIT_LOG_FILE to a new file to go on there"


def _span(path: Path, key: bytes) -> FileSpan | None:
    descriptor = files.open_to_read(path)
    try:
        first = files.first_line(descriptor)
        end = files.last_newline(descriptor, os.fstat(descriptor).st_size)
        last = next(files.lines_backward(descriptor, end), None)
    finally:
        os.close(descriptor)
    if first is None or last is None:
        return None
    try:
        head, tail = open_line(first, key), open_line(last, key)
    except BadRecord:
        return None
    return FileSpan(path.name, head.sequence, head.previous, Anchor(tail.sequence, tail.hash))


def _reason(what: str, error: OSError) -> str:
    return f"{what}: {error.strerror or 'failed'}"
