"""The recorder: group commit, cancellation, and what happens when the disk is full or fails."""

import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import orjson
import pytest

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.audit.verify import verify
from cerberod.trading import recording as recording_module
from cerberod.trading.journal import Entry, Journal, State, read_anchors
from cerberod.trading.recording import NotRecordable, Recorder, recording
from cerberod.trading.records import JOURNAL_FILE, Item, Records, open_records
from tests.support.clock import ManualClock
from tests.support.records import KEY, entry, event, files_end_at, lines_of

KEY_OF = ("testnet", "night-owl")
SOON_S = 0.01
"""Background work comes this soon in tests; nothing waits for it by the clock."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def records(tmp_path: Path, clock: ManualClock) -> Records:
    return open_records(tmp_path, tmp_path / "audit.jsonl", KEY, "live", clock, 30)


@pytest.fixture
async def recorder(records: Records, clock: ManualClock) -> AsyncIterator[Recorder]:
    async with recording(records, clock, flush_s=SOON_S) as running:
        yield running


@contextmanager
def lane_held(records: Records) -> Iterator[threading.Event]:
    """Keep the next commit on its thread until the event is set; yields that event."""
    go, commit = threading.Event(), records.commit

    def held(items: Sequence[Item], extra: Sequence[AuditEvent] = ()) -> int:
        assert go.wait(10)
        return commit(items, extra)

    records.commit = held  # type: ignore[method-assign]  # a gate before the real commit, for this block
    try:
        yield go
    finally:
        go.set()
        records.commit = commit  # type: ignore[method-assign]  # and the real one back


def audited(tmp_path: Path) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in lines_of(tmp_path / "audit.jsonl")]


def kinds(tmp_path: Path) -> list[object]:
    return [record["kind"] for record in audited(tmp_path)]


def whole(tmp_path: Path) -> bool:
    return verify(tmp_path / "audit.jsonl", KEY, read_anchors(tmp_path / JOURNAL_FILE)).ok


async def conclude(recorder: Recorder, intent: str = "i-1", outcome: str = "confirmed") -> bool:
    happened = event(EventKind.OUTCOME, intent=intent, outcome=outcome)
    return await recorder.conclude(*KEY_OF, intent, outcome, {"order_id": "7"}, happened)


async def until(condition: Callable[[], bool]) -> None:
    """Let the lane's background work go on until something holds."""
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - the recorder has no event for it, and needs none
            await anyio.sleep(SOON_S)


# -- the path of a write


async def test_a_write_is_begun_concluded_and_found(recorder: Recorder, tmp_path: Path) -> None:
    assert await recorder.begin(entry(), event()) is None
    assert await recorder.unresolved() == [entry()]
    assert await conclude(recorder)
    found = await recorder.find(*KEY_OF, "i-1")
    assert found is not None
    assert (found.state, found.outcome, found.result) == (State.ENDED, "confirmed", {"order_id": "7"})
    assert found.ended_at == "2026-08-22T03:50:45.000Z"
    assert await recorder.unresolved("testnet") == []
    assert kinds(tmp_path) == ["request", "outcome"]
    assert whole(tmp_path)


def found_in_copy(folder: Path) -> Entry | None:
    """Look for the entry in a copy of the journal as it stands on disk now."""
    copy = folder / "copy"
    copy.mkdir()
    for name in (JOURNAL_FILE, JOURNAL_FILE + "-wal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    journal = Journal.open(copy / JOURNAL_FILE, "live")
    try:
        return journal.find(entry().key)
    finally:
        journal.close()


@pytest.mark.promise("P4")
async def test_a_begin_that_returned_is_on_disk(recorder: Recorder, tmp_path: Path) -> None:
    """Another process that looks now, as after a kill, finds the intent and its audit record."""
    await recorder.begin(entry(), event())
    assert found_in_copy(tmp_path) == entry()
    assert kinds(tmp_path) == ["request"]


async def test_a_final_outcome_stays_and_the_second_is_audited(recorder: Recorder, tmp_path: Path) -> None:
    await recorder.begin(entry(), event())
    assert await conclude(recorder, outcome="unknown")
    assert await conclude(recorder, outcome="confirmed")
    assert not await conclude(recorder, outcome="rejected")
    found = await recorder.find(*KEY_OF, "i-1")
    assert found is not None
    assert found.outcome == "confirmed"
    assert len(audited(tmp_path)) == 4


async def test_a_released_intent_is_free(recorder: Recorder) -> None:
    await recorder.begin(entry(), event())
    assert await recorder.release(*KEY_OF, "i-1", event(EventKind.REFUSED))
    assert await recorder.find(*KEY_OF, "i-1") is None
    assert await recorder.begin(entry(), event()) is None


@pytest.mark.promise("P2")
async def test_of_two_hundred_begins_of_one_intent_one_is_first(recorder: Recorder, tmp_path: Path) -> None:
    answers: list[Entry | None] = []

    async def begin() -> None:
        answers.append(await recorder.begin(entry(), event()))

    async with anyio.create_task_group() as bots:
        for _ in range(200):
            bots.start_soon(begin)
    assert answers.count(None) == 1
    assert answers.count(entry()) == 199
    assert kinds(tmp_path) == ["request"]


async def test_what_arrives_during_a_commit_shares_the_next(records: Records, recorder: Recorder) -> None:
    with lane_held(records) as go:
        async with anyio.create_task_group() as bots:
            bots.start_soon(recorder.begin, entry("first"), event())
            await anyio.wait_all_tasks_blocked()
            for number in range(100):
                bots.start_soon(recorder.begin, entry(f"i-{number}"), event())
            await anyio.wait_all_tasks_blocked()
            assert recorder.statistics().waiting == 100
            go.set()
    statistics = recorder.statistics()
    assert (statistics.commits, statistics.records, statistics.waiting) == (2, 101, 0)
    assert len(await recorder.unresolved()) == 101


@pytest.mark.promise("P10")
async def test_the_loop_runs_on_while_a_commit_takes_its_time(records: Records, recorder: Recorder) -> None:
    with lane_held(records) as go:
        async with anyio.create_task_group() as bots:
            bots.start_soon(recorder.begin, entry(), event())
            for _ in range(100):
                await anyio.lowlevel.checkpoint()
            assert recorder.statistics().commits == 0
            go.set()


async def test_what_is_no_json_fails_its_own_caller_alone(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="not plain JSON"):
        await recorder.begin(entry(), event(params={"a": object()}))
    with pytest.raises(TypeError):
        await recorder.begin(entry(params={"a": object()}), event())
    assert await recorder.begin(entry(), event()) is None


# -- notes and reads


async def test_a_note_is_durable_when_it_returns(recorder: Recorder, tmp_path: Path) -> None:
    await recorder.note(event(EventKind.START), event(EventKind.ADMIN))
    assert kinds(tmp_path) == ["start", "admin"]
    assert whole(tmp_path)


async def test_a_read_goes_along_with_the_next_write_under_its_own_time(
    records: Records, clock: ManualClock, tmp_path: Path
) -> None:
    async with recording(records, clock, flush_s=3600) as recorder:
        recorder.note_later(event(EventKind.READ))
        clock.advance(seconds=1)
        await recorder.begin(entry(), event())
        assert [(record["kind"], record["at"]) for record in audited(tmp_path)] == [
            ("read", "2026-08-22T03:50:45.000Z"),
            ("request", "2026-08-22T03:50:46.000Z"),
        ]
        assert recorder.statistics().commits == 1


async def test_a_read_is_written_soon_by_itself(recorder: Recorder, tmp_path: Path) -> None:
    recorder.note_later(event(EventKind.READ))
    await until(lambda: recorder.statistics().records == 1)
    assert kinds(tmp_path) == ["read"]


async def test_reads_still_waiting_at_the_end_are_written(records: Records, clock: ManualClock, tmp_path: Path) -> None:
    async with recording(records, clock, flush_s=3600) as recorder:
        recorder.note_later(event(EventKind.READ))
    assert kinds(tmp_path) == ["read"]
    assert whole(tmp_path)


async def test_reads_beyond_the_bound_are_dropped_and_counted(
    records: Records, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_module, "READS_WAITING", 3)
    async with recording(records, clock, flush_s=3600) as recorder:
        for _ in range(5):
            recorder.note_later(event(EventKind.READ))
        statistics = recorder.statistics()
        assert (statistics.reads_waiting, statistics.dropped) == (3, 2)


# -- cancellation


async def begin_and_be_cancelled(recorder: Recorder, intent: str, scope: anyio.CancelScope) -> None:
    with scope:
        await recorder.begin(entry(intent), event(intent=intent))


async def test_a_begin_cancelled_while_waiting_writes_nothing(
    records: Records, recorder: Recorder, tmp_path: Path
) -> None:
    scope = anyio.CancelScope()
    with lane_held(records) as go:
        async with anyio.create_task_group() as bots:
            bots.start_soon(recorder.begin, entry("first"), event())
            await anyio.wait_all_tasks_blocked()
            bots.start_soon(begin_and_be_cancelled, recorder, "second", scope)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            assert recorder.statistics().waiting == 0
            go.set()
    assert await recorder.find(*KEY_OF, "second") is None
    assert len(audited(tmp_path)) == 1


async def test_a_begin_cancelled_during_its_commit_is_released_before_its_caller_goes(
    records: Records, recorder: Recorder, tmp_path: Path
) -> None:
    scope = anyio.CancelScope()
    with lane_held(records) as go:
        async with anyio.create_task_group() as bots:
            bots.start_soon(begin_and_be_cancelled, recorder, "i-1", scope)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert scope.cancelled_caught
    assert await recorder.find(*KEY_OF, "i-1") is None
    assert await recorder.begin(entry(), event()) is None
    assert kinds(tmp_path) == ["request", "refused", "request"]
    assert audited(tmp_path)[1]["detail"] == {"what": "cancelled before anything was sent"}


async def test_a_repeat_cancelled_during_its_commit_releases_nothing(records: Records, recorder: Recorder) -> None:
    await recorder.begin(entry(), event())
    scope = anyio.CancelScope()
    with lane_held(records) as go:
        async with anyio.create_task_group() as bots:
            bots.start_soon(begin_and_be_cancelled, recorder, "i-1", scope)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert scope.cancelled_caught
    assert await recorder.find(*KEY_OF, "i-1") == entry()


@pytest.mark.promise("P7")
async def test_a_conclusion_completes_though_its_caller_is_cancelled(recorder: Recorder) -> None:
    await recorder.begin(entry(), event())
    effects = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        effects.append(await conclude(recorder))
    assert effects == [True]
    assert await recorder.unresolved() == []


@pytest.mark.promise("P7")
async def test_the_end_waits_for_what_is_queued(records: Records, clock: ManualClock, tmp_path: Path) -> None:
    async with anyio.create_task_group() as bots, recording(records, clock) as recorder:
        for number in range(20):
            bots.start_soon(recorder.begin, entry(f"i-{number}"), event())
        await anyio.wait_all_tasks_blocked()
        bots.start_soon(recorder.begin, entry("last"), event())
        await anyio.lowlevel.checkpoint()
    assert kinds(tmp_path) == ["request"] * 21
    for call in (recorder.begin(entry("late"), event()), recorder.note(event())):
        with pytest.raises(NotRecordable, match="recording has stopped"):
            await call
    assert not recorder.healthy


async def test_cancelling_around_the_recorder_still_records_what_was_asked(
    records: Records, clock: ManualClock, tmp_path: Path
) -> None:
    with anyio.CancelScope() as scope:
        async with recording(records, clock) as recorder:
            await recorder.begin(entry(), event())
            recorder.note_later(event(EventKind.READ))
            scope.cancel()
            await conclude(recorder)
    assert sorted(map(str, kinds(tmp_path))) == ["outcome", "read", "request"]


# -- when nothing can be recorded


@pytest.mark.promise("P4")
async def test_a_full_disk_refuses_writes_and_heals_with_what_is_owed(
    recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await recorder.begin(entry(), event())
    with files_end_at((tmp_path / "audit.jsonl").stat().st_size):
        with pytest.raises(NotRecordable, match="audit log: write: File too large"):
            await conclude(recorder)
        assert (recorder.healthy, recorder.failed_for_good) == (False, False)
        with pytest.raises(NotRecordable, match="audit log"):
            await recorder.begin(entry("i-2"), event())
        recorder.note_later(event(EventKind.READ))
        assert await recorder.find(*KEY_OF, "i-1") == entry()
        assert recorder.statistics().owed == 1
    await until(lambda: recorder.healthy)
    assert await recorder.begin(entry("i-2"), event()) is None
    assert kinds(tmp_path) == ["request", "repair", "read", "outcome", "request"]
    assert recorder.statistics().owed == 0
    found = await recorder.find(*KEY_OF, "i-1")
    assert found is not None
    assert found.outcome == "confirmed"
    assert whole(tmp_path)
    assert [record.message for record in caplog.records] == ["cannot record", "recording works again"]


async def test_a_failing_journal_does_not_fill_the_audit(recorder: Recorder, tmp_path: Path) -> None:
    await recorder.begin(entry(), event())
    huge = {"note": "x" * 400_000}
    with files_end_at(200_000), pytest.raises(NotRecordable, match="journal: SQLITE_"):
        await recorder.conclude(*KEY_OF, "i-1", "confirmed", huge, event(EventKind.OUTCOME))
    await until(lambda: recorder.healthy)
    assert kinds(tmp_path) == ["request", "outcome", "repair"]
    found = await recorder.find(*KEY_OF, "i-1")
    assert found is not None
    assert found.result == huge
    assert whole(tmp_path)


@pytest.mark.promise("P4")
async def test_a_failed_sync_is_final_and_reads_of_the_journal_go_on(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await recorder.begin(entry(), event())
    syncs = []

    def failing(descriptor: int) -> None:
        syncs.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    recorder.note_later(event(EventKind.READ))
    with pytest.raises(NotRecordable, match="audit log: sync: Input/output error"):
        await recorder.note(event(EventKind.ADMIN))
    for _ in range(3):
        with pytest.raises(NotRecordable, match="audit log: sync: Input/output error"):
            await conclude(recorder)
    assert (recorder.failed_for_good, len(syncs)) == (True, 1)
    recorder.note_later(event(EventKind.READ))
    assert recorder.statistics().dropped == 2
    assert await recorder.find(*KEY_OF, "i-1") == entry()


@pytest.mark.promise("P4", "P5")
async def test_what_was_recorded_before_its_file_could_not_be_synced_is_kept(
    records: Records, clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with recording(records, clock, flush_s=SOON_S) as recorder:
            await recorder.begin(entry(), event())

            def failing(descriptor: int) -> None:
                raise OSError(errno.EIO, "Input/output error")

            patch.setattr(os, "fdatasync", failing)
            assert await conclude(recorder), "durable in the journal, with its record"
            await until(lambda: recorder.failed_for_good)
            with pytest.raises(NotRecordable, match="audit log: sync: Input/output error"):
                await recorder.begin(entry("i-2"), event(intent="i-2"))
    begun, *_ = lines_of(tmp_path / "audit.jsonl")
    (tmp_path / "audit.jsonl").write_bytes(begun)  # such a disk may have lost it
    again = open_records(tmp_path, tmp_path / "audit.jsonl", KEY, "live", clock, 30)
    assert again.journal.find(entry("i-2").key) is None
    again.close()
    assert kinds(tmp_path) == ["request", "outcome", "repair"]
    assert whole(tmp_path)


async def test_the_file_of_the_audit_is_synced_soon_by_itself(records: Records, recorder: Recorder) -> None:
    await recorder.begin(entry(), event())
    await conclude(recorder)
    await until(lambda: not records.unsynced)
    assert await recorder.find(*KEY_OF, "i-1") is not None  # what the lane was about has ended by then
    assert records.journal.kept_lines() == []


async def test_the_end_leaves_nothing_to_put_back(records: Records, clock: ManualClock, tmp_path: Path) -> None:
    async with recording(records, clock) as recorder:
        await recorder.begin(entry(), event())
        await conclude(recorder)
        assert read_anchors(tmp_path / JOURNAL_FILE).kept_from == 2
    assert read_anchors(tmp_path / JOURNAL_FILE).kept_from is None


@pytest.fixture
def unaudited(tmp_path: Path, clock: ManualClock) -> Records:
    return open_records(tmp_path, None, KEY, "live", clock, 30)


async def test_without_an_audit_log_the_journal_works_and_mainnet_is_refused(
    unaudited: Records, clock: ManualClock, tmp_path: Path
) -> None:
    async with recording(unaudited, clock) as recorder:
        assert await recorder.begin(entry(), event()) is None
        await recorder.note(event())
        recorder.note_later(event(EventKind.READ))
        with pytest.raises(NotRecordable, match="switched off"):
            await recorder.begin(entry(environment="mainnet"), event(environment="mainnet"))
        assert (recorder.healthy, recorder.auditing) == (True, False)
    assert not (tmp_path / "audit.jsonl").exists()


async def test_a_bug_in_the_lane_ends_the_daemon_and_answers_everyone(records: Records, clock: ManualClock) -> None:
    def broken(items: Sequence[Item], extra: Sequence[AuditEvent] = ()) -> int:
        raise ZeroDivisionError

    records.commit = broken  # type: ignore[method-assign]  # a bug of ours, injected
    answers: list[str] = []

    async def begin(recorder: Recorder, intent: str) -> None:
        with pytest.raises(NotRecordable) as refused:
            await recorder.begin(entry(intent), event())
        answers.append(refused.value.reason)

    with pytest.raises(ExceptionGroup) as ended:
        async with anyio.create_task_group() as bots, recording(records, clock) as recorder:
            for number in range(3):
                bots.start_soon(begin, recorder, f"i-{number}")
            await anyio.sleep_forever()
    assert ended.group_contains(ZeroDivisionError, depth=None)
    assert answers == ["recording has stopped"] * 3


async def test_the_lag_is_the_age_of_the_oldest_record_that_is_not_durable(
    records: Records, recorder: Recorder, clock: ManualClock
) -> None:
    assert recorder.statistics().lag_s == 0
    with lane_held(records) as go:
        async with anyio.create_task_group() as group:
            group.start_soon(recorder.begin, entry("i-1"), event(intent="i-1"))
            await anyio.wait_all_tasks_blocked()
            clock.advance(seconds=2.0)
            group.start_soon(recorder.begin, entry("i-2"), event(intent="i-2"))
            await anyio.wait_all_tasks_blocked()
            clock.advance(seconds=3.0)
            assert recorder.statistics().lag_s == 5
            go.set()
        assert recorder.statistics().lag_s == 0
    clock.advance(seconds=60.0)
    with lane_held(records) as go:
        async with anyio.create_task_group() as group:
            group.start_soon(recorder.begin, entry("i-3"), event(intent="i-3"))
            await anyio.wait_all_tasks_blocked()
            clock.advance(seconds=1.0)
            assert recorder.statistics().lag_s == 1
            go.set()


async def test_a_step_before_a_write_is_recorded_as_strictly_as_a_write(
    recorder: Recorder, tmp_path: Path, clock: ManualClock
) -> None:
    await recorder.step(event(intent="i-1", detail={"step": "create_combo"}))
    assert kinds(tmp_path)[-1] == "request"
    assert await recorder.find(*KEY_OF, "i-1") is None, "it has no outcome to be found"
    folder = tmp_path / "unaudited"
    folder.mkdir(mode=0o700)
    async with recording(open_records(folder, None, KEY, "live", clock, 30), clock) as unaudited:
        await unaudited.step(event())
        with pytest.raises(NotRecordable, match="AUDIT_LOG_FILE"):
            await unaudited.step(event(environment="mainnet"))
