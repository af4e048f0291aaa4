"""Makes records durable without ever stopping the loop: one thread lane, and group commit.

Whatever arrives while a commit runs is taken together by the next, so that a hundred writes at once cost little more
than one. A commit, once taken, runs to its end whoever stops waiting for it.

When a record cannot be made durable `healthy` turns false: new writes are refused and reads go on. A full disk heals:
about each second a record that tells of the gap is tried, and with it what is owed. A failed sync does not heal.
"""

import logging
import math
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.clock import Clock, iso
from cerberod.ids import Environment
from cerberod.trading.guard import Stop
from cerberod.trading.journal import Begin, Conclude, Entry, IntentKey, Release, SetStop
from cerberod.trading.records import Item, NotDurable, Records, sqlite_name

logger = logging.getLogger("cerberod.recording")
T = TypeVar("T")

READS_WAITING = 10_000
"""How many records of reads may wait for the next commit."""
OWED = 1_000
"""How many outcomes that could not be recorded are kept until recording works again."""
FLUSH_S = 0.8
"""How long a record of a read waits at most for a commit of its own, and how often healing is tried."""
_STOPPED = "recording has stopped"


class NotRecordable(Exception):
    """The record could not be made durable. `reason` is for the operator and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RecorderStatistics:
    """The recorder at a glance."""

    healthy: bool
    failure: str | None
    waiting: int
    """Callers waiting for the next commit."""
    reads_waiting: int
    owed: int
    """Outcomes kept until recording works again."""
    commits: int
    records: int
    dropped: int
    """Records of reads that were never written."""
    last_commit_ms: float
    lag_s: float
    """Age of the oldest record that is not yet durable."""


@dataclass(slots=True, eq=False)
class _Work:
    """One caller who waits for a commit."""

    item: Item
    done: anyio.Event = field(default_factory=anyio.Event)
    taken: bool = False
    failure: NotRecordable | None = None


class Recorder:
    """The asynchronous face of the records; its life is `recording`."""

    def __init__(self, records: Records, clock: Clock, *, flush_s: float = FLUSH_S) -> None:
        self._records = records
        self._clock = clock
        self._flush_s = flush_s
        self._lane = anyio.CapacityLimiter(1)
        self._queue: deque[_Work] = deque()
        self._reads: deque[AuditEvent] = deque()
        self._owed: deque[Item] = deque(maxlen=OWED)
        self._wake = anyio.Event()
        self._closing = False
        self._closed = False
        self._failure: NotDurable | None = None
        self._commits = 0
        self._written = 0
        self._dropped = 0
        self._last_commit_ms = 0.0
        self._committing = False
        self._oldest = 0.0
        self._oldest_behind: float | None = None
        """When the first record came that the commit under way did not take."""

    @property
    def healthy(self) -> bool:
        """Whether records can be made durable, as far as the last try showed."""
        return self.failure is None

    @property
    def failure(self) -> str | None:
        """Why they cannot, for the operator."""
        if self._failure is not None:
            return self._failure.reason
        return _STOPPED if self._closed else None

    @property
    def failed_for_good(self) -> bool:
        """Whether only a new start of the process can help."""
        return self._failure is not None and self._failure.permanent

    @property
    def auditing(self) -> bool:
        """Whether there is an audit log. Without one mainnet writes are refused."""
        return self._records.log is not None

    async def begin(
        self, entry: Entry, event: AuditEvent, parts: Sequence[tuple[Entry, AuditEvent]] = ()
    ) -> Entry | None:
        """Make an intent and its audit record durable; return the entry that already holds the intent, if one does.

        `parts` are what a write consists of that have intents of their own: all are taken, or none. None: the write may
        be sent. An entry, which may hold the intent of a part: nothing was written, not even an event. When it ends by
        cancellation, the intents are free again: either no commit had taken them, or they have been released. Raises
        `NotRecordable`.
        """
        self._require_records(entry.environment)
        events = (event, *(each for _, each in parts))
        for each in events:
            each.check()
        work = _Work(Item(events, Begin.of(entry, [part for part, _ in parts])))
        self._put(work)
        try:
            await work.done.wait()
        except anyio.get_cancelled_exc_class():
            await self._withdraw(work)
            raise
        if work.failure is not None:
            raise work.failure
        return work.item.known

    async def step(self, event: AuditEvent) -> None:
        """Make the record of a request durable that prepares a write, where a write may be begun.

        Raises `NotRecordable`.
        """
        self._require_records(event.environment)
        await self.note(event)

    async def conclude(
        self,
        environment: str,
        bot_tag: str,
        intent: str,
        outcome: str,
        result: Mapping[str, Any],
        event: AuditEvent,
    ) -> bool:
        """Make an outcome durable. Completes even when its caller is cancelled.

        False if a final outcome stands already or there is no such intent; the event is audited all the same. Raises
        `NotRecordable`; the outcome is then owed and written once recording works again.
        """
        event.check()
        key = IntentKey(environment, bot_tag, intent)
        work = _Work(Item((event,), Conclude.of(key, outcome, result, iso(self._clock.now()))))
        await self._through(work)
        return work.item.effective

    async def release(self, environment: str, bot_tag: str, intent: str, event: AuditEvent) -> bool:
        """Free an intent of which nothing left the process. Completes even when its caller is cancelled.

        False if it has an outcome or does not exist. Raises `NotRecordable`; it is then owed like an outcome.
        """
        event.check()
        work = _Work(Item((event,), Release(IntentKey(environment, bot_tag, intent))))
        await self._through(work)
        return work.item.effective

    async def set_stop(self, stop: Stop, event: AuditEvent) -> None:
        """Make a stop, or its end, durable. Completes even when the caller is cancelled.

        Raises `NotRecordable`; it is then owed like an outcome.
        """
        event.check()
        await self._through(_Work(Item((event,), SetStop(stop))))

    async def stops(self) -> list[Stop]:
        """Return the stops in force, as they stand in the journal."""
        return await self._read(lambda: self._records.journal.stops())

    async def note(self, *events: AuditEvent) -> None:
        """Make audit records durable. Raises `NotRecordable`. Without an audit log this does nothing."""
        if not self.auditing:
            return
        for event in events:
            event.check()
        await self._through(_Work(Item(events)))

    def note_later(self, event: AuditEvent) -> None:
        """Take an audit record along with the next commit, within about a second; never waits.

        Meant for reads: beyond a bound, and once recording has failed for good, it is dropped and counted.
        """
        if not self.auditing:
            return
        if self._closed or self.failed_for_good or len(self._reads) >= READS_WAITING:
            self._dropped += 1
            return
        event.check()
        self._arrived()
        self._reads.append(event if event.at is not None else replace(event, at=self._clock.now()))
        if len(self._reads) == 1:
            self._wake.set()  # the lane may be waiting without a time limit

    async def find(self, environment: str, bot_tag: str, intent: str) -> Entry | None:
        """Return what the journal knows of an intent. Raises `NotRecordable` when it cannot be read."""
        key = IntentKey(environment, bot_tag, intent)
        return await self._read(lambda: self._records.journal.find(key))

    async def unresolved(self, environment: str | None = None) -> list[Entry]:
        """Return every write whose outcome is not known for certain, oldest first. Raises `NotRecordable`."""
        return await self._read(lambda: self._records.journal.unresolved(environment))

    def statistics(self) -> RecorderStatistics:
        return RecorderStatistics(
            healthy=self.healthy,
            failure=self.failure,
            waiting=len(self._queue),
            reads_waiting=len(self._reads),
            owed=len(self._owed),
            commits=self._commits,
            records=self._written,
            dropped=self._dropped,
            last_commit_ms=self._last_commit_ms,
            lag_s=self._clock.monotonic() - self._oldest if self._pending else 0.0,
        )

    # -- callers and the lane ------------------------------------------------------------------------------------------

    def _require_records(self, environment: str | None) -> None:
        """Raise `NotRecordable` while nothing may be sent for want of a record."""
        if not self.auditing and environment == Environment.MAINNET:
            raise NotRecordable("the audit log is switched off (AUDIT_LOG_FILE), so mainnet writes are refused")
        if (reason := self.failure) is not None:
            raise NotRecordable(reason)

    def _put(self, work: _Work) -> None:
        if self._closed:
            raise NotRecordable(_STOPPED)
        self._arrived()
        self._queue.append(work)
        self._wake.set()

    @property
    def _pending(self) -> bool:
        return bool(self._committing or self._queue or self._reads or self._owed)

    def _arrived(self) -> None:
        """Remember when the oldest record came that is not yet durable."""
        if not self._pending:
            self._oldest = self._clock.monotonic()
        elif self._committing and self._oldest_behind is None:
            self._oldest_behind = self._clock.monotonic()

    async def _through(self, work: _Work) -> None:
        self._put(work)
        with anyio.CancelScope(shield=True):
            await work.done.wait()
        if work.failure is not None:
            raise work.failure

    async def _withdraw(self, work: _Work) -> None:
        """Settle a begin whose caller was cancelled, so that nobody finds an intent of which nothing will be sent."""
        if not work.taken:
            self._queue.remove(work)
            return
        with anyio.CancelScope(shield=True):
            await work.done.wait()
        change = work.item.change
        if work.failure is None and work.item.known is None and isinstance(change, Begin):
            detail = {"what": "cancelled before anything was sent"}
            for entry, begun in zip(change.entries, work.item.events, strict=True):
                event = replace(begun, kind=EventKind.REFUSED, detail=detail)
                with suppress(NotRecordable):  # then it is owed
                    await self._through(_Work(Item((event,), Release(entry.key))))

    async def _read(self, read: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(read, limiter=self._lane)
        except sqlite3.Error as error:
            raise NotRecordable(f"journal: {sqlite_name(error)}") from None

    # -- the lane ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit what is asked until `close`. Shielded, so that no caller who must not be cancelled waits in vain."""
        try:
            with anyio.CancelScope(shield=True):
                while not self._closed:
                    await self._turn()
        finally:
            self._closed = True
            for work in self._queue:
                work.failure = NotRecordable(_STOPPED)
                work.done.set()

    def close(self) -> None:
        """Let the lane commit what is waiting and then stop."""
        self._closing = True
        self._wake.set()

    async def _turn(self) -> None:
        """Wait for something to do, and do it."""
        with anyio.move_on_after(self._flush_s if self._background else math.inf) as pause:
            await self._wake.wait()
        self._wake = anyio.Event()
        due = pause.cancelled_caught or self._closing
        if self._queue or (due and self._background):
            await self._commit(self._take())
        if self._queue:
            self._wake.set()
        elif self._closing:
            self._closed = True

    @property
    def _background(self) -> bool:
        """Whether there is something to commit for which nobody waits: reads, healing, a file that is not synced."""
        return bool(self._reads) or self._healing or (self._records.unsynced and not self.failed_for_good)

    @property
    def _healing(self) -> bool:
        return self._failure is not None and not self._failure.permanent

    def _take(self) -> list[_Work]:
        """Take what may share a commit: all, up to the begin of an intent that the same commit ends or frees."""
        works: list[_Work] = []
        touched: set[IntentKey] = set()
        while self._queue:
            change = self._queue[0].item.change
            if isinstance(change, Begin):
                if any(entry.key in touched for entry in change.entries):
                    break
            elif isinstance(change, Conclude | Release):
                touched.add(change.key)
            work = self._queue.popleft()
            work.taken = True
            works.append(work)
        return works

    async def _commit(self, works: list[_Work]) -> None:
        owed, reads = list(self._owed), list(self._reads)
        self._reads.clear()
        items = [*owed, *(work.item for work in works)]
        started = self._clock.monotonic()
        self._committing, self._oldest_behind = True, started if self._queue else None
        failure: NotDurable | None = None
        try:
            self._written += await anyio.to_thread.run_sync(self._write, items, reads, limiter=self._lane)
            self._commits += 1
        except NotDurable as error:
            failure = error
        except BaseException:
            self._answer(works, NotRecordable(_STOPPED))  # a bug of ours, which ends the daemon
            raise
        finally:
            self._committing = False
        self._last_commit_ms = (self._clock.monotonic() - started) * 1000
        if failure is None:
            self._owed.clear()
            self._oldest = started if self._oldest_behind is None else self._oldest_behind
        else:
            self._keep(works, reads)
        self._tell(failure)
        self._answer(works, None if failure is None else NotRecordable(failure.reason))

    def _write(self, items: list[Item], reads: list[AuditEvent]) -> int:
        """Run one commit, on the lane's thread."""
        before = self._failure
        if before is not None:
            if before.permanent:
                raise before
            self._records.probe()  # a journal that still fails must not fill the audit with attempts
            detail = {"what": "recording resumed", "after": before.reason, "reads_dropped": self._dropped}
            reads = [AuditEvent(EventKind.REPAIR, detail=detail), *reads]
        written = self._records.commit(items, reads)
        self._records.keep_house()
        return written

    def _keep(self, works: list[_Work], reads: list[AuditEvent]) -> None:
        """After a failed commit: owe what must not be lost, and put reads back where they still have a chance."""
        for work in works:
            if isinstance(work.item.change, Conclude | Release | SetStop):
                self._owed.append(work.item)
        room = 0 if self.failed_for_good else max(0, READS_WAITING - len(self._reads))
        kept = reads[:room]
        self._reads.extendleft(reversed(kept))
        self._dropped += len(reads) - len(kept)

    def _tell(self, failure: NotDurable | None) -> None:
        if failure is not None and self._failure is None:
            logger.error("cannot record", extra={"reason": failure.reason, "permanent": failure.permanent})
        elif failure is None and self._failure is not None:
            logger.warning("recording works again", extra={"after": self._failure.reason})
        self._failure = failure

    def _answer(self, works: list[_Work], failure: NotRecordable | None) -> None:
        for work in works:
            work.failure = failure
            work.done.set()


@asynccontextmanager
async def recording(records: Records, clock: Clock, *, flush_s: float = FLUSH_S) -> AsyncIterator[Recorder]:
    """Run a recorder for the length of the block. On leaving, what waits is committed; the records are then closed.

    A bug in the lane ends the block with that error. Enclose every task that may conclude a write.
    """
    recorder = Recorder(records, clock, flush_s=flush_s)
    try:
        async with anyio.create_task_group() as lane:
            lane.start_soon(recorder.run)
            try:
                yield recorder
            finally:
                recorder.close()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(records.close)  # closing folds SQLite's log in, which takes its time
