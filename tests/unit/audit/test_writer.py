"""The audit log on disk: days, torn tails, full disks, failed syncs. `faults.md` 71, 74, 75."""

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cerberod.audit.record import Anchor, Anchors
from cerberod.audit.verify import verify
from cerberod.audit.writer import AuditLog, AuditRefused, AuditUnwritable
from tests.support.clock import ManualClock
from tests.support.records import KEY, anchor_at, event, files_end_at, lines_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def opened(path: Path, clock: ManualClock, anchor: Anchor | None = None) -> AuditLog:
    return AuditLog.open(path, KEY, clock, backup_days=30, anchor=anchor)


def written(path: Path, clock: ManualClock, count: int) -> Anchor:
    """Write a log of so many records and return its head."""
    log = opened(path, clock)
    for number in range(count):
        log.append([event(request_id=f"r-{number}")])
    log.sync()
    head = log.head
    log.close()
    return head


def intact(path: Path, head: Anchor | None = None) -> bool:
    return verify(path, KEY, None if head is None else Anchors(head)).ok


def test_the_file_is_private_and_the_chain_goes_on_where_it_ended(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log = opened(path, clock, head)
    assert (log.head, log.repairs) == (head, [])
    log.append([event(), event()])
    assert log.head.sequence == 5
    log.close()
    assert intact(path)


def test_a_file_others_could_read_is_made_private(path: Path, clock: ManualClock) -> None:
    path.touch(0o644)
    opened(path, clock).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.promise("P5")
@pytest.mark.parametrize("anchored", [0, 1, 2])
def test_a_tail_torn_at_any_byte_is_cut_and_told(path: Path, clock: ManualClock, anchored: int) -> None:
    written(path, clock, 2)
    whole = path.read_bytes()
    before = len(lines_of(path)[0])
    anchor = anchor_at(path, anchored) if anchored else None
    for end in range(before + 1, len(whole)):
        path.write_bytes(whole[:end])
        log = opened(path, clock, anchor)
        detail = {"what": "cut a torn last record", "bytes": end - before, "after": 1, "was_anchored": anchored == 2}
        assert [repair.detail for repair in log.repairs] == [detail]
        assert log.head.sequence == 2
        log.close()
        assert b"torn last record" in lines_of(path)[1]
        assert intact(path)


def test_the_only_record_may_be_the_torn_one(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 1)
    os.truncate(path, 40)
    log = opened(path, clock, head)
    assert log.head.sequence == 1
    log.close()
    assert intact(path)


def test_records_missing_at_the_end_are_seen_by_the_anchor_only(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 50)
    path.write_bytes(b"".join(lines_of(path)[:-5]))
    with pytest.raises(AuditRefused, match="ends at record 45, but the journal has seen record 50") as refused:
        opened(path, clock, head)
    assert "\n" not in str(refused.value)
    opened(path, clock).close()


def test_a_torn_record_does_not_excuse_the_ones_missing_before_it(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 5)
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[:3]) + lines[4][:50])
    with pytest.raises(AuditRefused, match="ends at record 3"):
        opened(path, clock, head)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_an_altered_record_since_the_anchor_is_refused(path: Path, clock: ManualClock, number: int) -> None:
    written(path, clock, 4)
    lines, anchor = lines_of(path), anchor_at(path, 2)
    lines[number - 1] = lines[number - 1].replace(b"night-owl", b"night-cat")
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditRefused, match=f"record {number} was altered"):
        opened(path, clock, anchor)


def test_a_record_removed_since_the_anchor_is_refused(path: Path, clock: ManualClock) -> None:
    written(path, clock, 5)
    lines, anchor = lines_of(path), anchor_at(path, 2)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    with pytest.raises(AuditRefused, match="record 5 does not continue from 3"):
        opened(path, clock, anchor)
    path.write_bytes(b"".join(lines[4:]))
    with pytest.raises(AuditRefused, match="records from 2 to 4 are missing"):
        opened(path, clock, anchor)


def test_another_chain_is_refused(path: Path, clock: ManualClock) -> None:
    written(path, clock, 3)
    with pytest.raises(AuditRefused, match="record 2 is not the one the journal has seen"):
        opened(path, clock, Anchor(2, "0" * 64))


def test_another_key_is_refused(path: Path, clock: ManualClock) -> None:
    written(path, clock, 1)
    with pytest.raises(AuditRefused, match="sealed with another key"):
        AuditLog.open(path, b"x" * 32, clock, backup_days=30)


def test_a_new_file_continues_the_chain_and_says_so(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 3)
    log = opened(path.with_name("elsewhere.jsonl"), clock, head)
    assert [repair.detail for repair in log.repairs] == [{"what": "continued in a new file", "after": 3}]
    assert log.head.sequence == 4
    log.close()


def test_one_process_writes(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    with pytest.raises(AuditRefused, match="another process writes to it"):
        opened(path, clock)
    log.close()
    opened(path, clock).close()


def test_a_path_that_is_no_plain_file_of_ours_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "target")
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name in ("link.jsonl", "folder.jsonl", "pipe.jsonl", "missing/audit.jsonl"):
        with pytest.raises(AuditRefused, match=name):
            opened(tmp_path / name, clock)
    assert not (tmp_path / "target").exists()


# -- a full disk and a failing one -------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 1, 55, 200])
def test_a_full_disk_takes_nothing_half_and_heals(path: Path, clock: ManualClock, room: int) -> None:
    log = opened(path, clock)
    log.append([event()])
    good, head = path.read_bytes(), log.head
    with files_end_at(len(good) + room), pytest.raises(AuditUnwritable) as failure:
        log.append([event()])
    assert not failure.value.permanent
    assert (path.read_bytes(), log.head, log.failed) == (good, head, False)
    log.append([event()])
    log.sync()
    log.close()
    assert intact(path)
    assert len(lines_of(path)) == 2


def test_what_is_not_synced_is_told(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    log.append([event(), event()])
    log.append([event()])
    assert (log.synced, list(log.unsynced)) == (0, lines_of(path))
    log.sync()
    assert (log.synced, list(log.unsynced)) == (3, [])
    log.append([event()])
    clock.advance(days=1)
    log.append([event(), event()])
    assert (log.synced, list(log.unsynced)) == (4, lines_of(path))
    log.close()
    again = opened(path, clock)
    assert (again.synced, list(again.unsynced)) == (6, [])
    again.close()


def test_a_record_taken_back_is_not_among_the_unsynced(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    log.append([event()])
    with files_end_at(path.stat().st_size + 40), pytest.raises(AuditUnwritable):
        log.append([event()])
    assert (log.synced, list(log.unsynced)) == (0, lines_of(path))
    log.close()


def test_a_failed_sync_is_final(path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(path, clock)
    log.append([event()])
    tries = []

    def failing(descriptor: int) -> None:
        tries.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    for attempt in (log.sync, log.sync, lambda: log.append([event()])):
        with pytest.raises(AuditUnwritable, match="sync: Input/output error") as failure:
            attempt()
        assert failure.value.permanent
    assert log.failed
    assert len(tries) == 1


@pytest.mark.promise("P5")
@pytest.mark.parametrize("call", ["write", "fdatasync", "ftruncate", "rename", "open", "fsync"])
@pytest.mark.parametrize("nth", range(1, 6))
def test_whichever_call_fails_the_log_opens_again_whole(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    """The n-th call of each kind fails once; what was synced before is there, and the chain holds."""
    promised = 0
    log = opened(path, clock)
    real, count = getattr(os, call), 0

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        for number in range(6):
            clock.advance(hours=12)
            try:
                log.append([event(request_id=f"r-{number}")])
                log.sync()
            except AuditUnwritable:
                continue
            promised = log.head.sequence
    log.close()
    again = opened(path, clock)
    assert again.head.sequence >= promised
    again.close()
    assert intact(path)


# -- days --------------------------------------------------------------------------------------------------------------


def test_each_utc_day_has_its_file_and_one_chain_runs_through_them(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    log.append([event()])
    clock.set_wall(datetime(2026, 8, 22, 23, 59, 59, 999000, tzinfo=UTC))
    log.append([event()])
    day = path.with_name("audit-2026-08-22.jsonl")
    clock.set_wall(datetime(2026, 8, 23, tzinfo=UTC))
    log.append([event()])
    log.sync()
    assert len(lines_of(day)) == 2
    assert len(lines_of(path)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (span,) = log.take_closed()
    assert (span.name, span.first_sequence, span.last.sequence) == (day.name, 1, 2)
    assert log.take_closed() == []
    assert log.finished() == [span]
    log.close()
    assert intact(path)


def test_a_batch_may_cross_midnight(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    late = event(at=datetime(2026, 8, 22, 23, 59, 59, 999000, tzinfo=UTC))
    clock.set_wall(datetime(2026, 8, 23, tzinfo=UTC))
    log.append([late, event(), event()])
    log.sync()
    log.close()
    assert len(lines_of(path.with_name("audit-2026-08-22.jsonl"))) == 1
    assert len(lines_of(path)) == 2
    assert intact(path)


def test_a_clock_set_back_over_midnight_turns_nothing(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    log.append([event()])
    clock.set_wall(datetime(2026, 8, 21, 23, tzinfo=UTC))
    log.append([event()])
    log.close()
    assert len(lines_of(path)) == 2
    assert intact(path)


def test_the_day_turns_after_a_pause_too(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 2)
    clock.advance(days=3)
    log = opened(path, clock, head)
    log.append([event()])
    log.close()
    assert len(lines_of(path.with_name("audit-2026-08-22.jsonl"))) == 2
    assert intact(path)


def test_the_chain_goes_on_when_the_current_file_is_still_empty(path: Path, clock: ManualClock) -> None:
    head = written(path, clock, 2)
    path.rename(path.with_name("audit-2026-08-22.jsonl"))  # killed between turning the day and the first record
    clock.advance(days=1)
    log = opened(path, clock, head)
    assert (log.head, log.repairs) == (head, [])
    log.append([event()])
    log.close()
    assert intact(path)


def test_a_file_in_the_way_is_not_overwritten(path: Path, clock: ManualClock) -> None:
    log = opened(path, clock)
    log.append([event()])
    stranger = path.with_name("audit-2026-08-22.jsonl")
    stranger.write_bytes(b"mine\n")
    clock.advance(days=1)
    log.append([event()])
    log.close()
    assert stranger.read_bytes() == b"mine\n"
    assert len(lines_of(path)) == 2


def test_days_past_their_keeping_are_found_and_removed(path: Path, clock: ManualClock) -> None:
    log = AuditLog.open(path, KEY, clock, backup_days=2)
    for _ in range(5):
        log.append([event()])
        clock.advance(days=1)
    log.append([event()])
    expired = log.expired()
    assert [file.name for file in expired] == [f"audit-2026-08-{day}.jsonl" for day in (22, 23, 24)]
    log.remove(expired)
    assert log.expired() == []
    log.close()
