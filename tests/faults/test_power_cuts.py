"""The power goes: of the audit's files stands what was synced, and of the rest whatever the disk had got to.

Writes go on over real files while the test keeps account of every sync. After each answer the power is cut many times
over, on copies: whatever is left, the next start finds every answered write in both records, and both whole.
"""

import os
import random  # noqa: TID251 - seeded cuts
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.audit.verify import verify
from cerberod.audit.writer import AuditRefused
from cerberod.trading.journal import Begin, Conclude, read_anchors
from cerberod.trading.records import JOURNAL_FILE, Item, Records, open_records
from tests.support.clock import ManualClock
from tests.support.records import KEY, entry, event, lines_of

WRITES = 12
PAGE = 512
"""What the disk takes or loses at once; smaller than real ones, so that records have many."""


class Disk:
    """How much of each file has surely reached the disk, by inode."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._synced: dict[int, int] = {}
        self._sync = os.fdatasync
        patch.setattr(os, "fdatasync", self._fdatasync)

    def _fdatasync(self, descriptor: int) -> None:
        self._sync(descriptor)
        status = os.fstat(descriptor)
        self._synced[status.st_ino] = status.st_size

    def copy(self, folder: Path, to: Path, seeded: random.Random) -> None:
        """Copy what a cut of the power leaves. SQLite syncs by itself, at each commit, before it returns."""
        for file in to.glob("*.jsonl"):
            self._synced.pop(file.stat().st_ino, None)  # the number may go to another file
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
        for name in (JOURNAL_FILE, JOURNAL_FILE + "-wal"):
            (to / name).write_bytes((folder / name).read_bytes())
        for file in folder.glob("audit*.jsonl"):
            data, synced = file.read_bytes(), self._synced.get(file.stat().st_ino, 0)
            left = to / file.name
            left.write_bytes(data[:synced] + _left(data[synced:], seeded))
            self._synced[left.stat().st_ino] = left.stat().st_size

    def has_all(self, path: Path) -> bool:
        status = path.stat()
        return self._synced.get(status.st_ino, 0) == status.st_size


def _left(data: bytes, seeded: random.Random) -> bytes:
    """Lose the end of it from anywhere, and some pages before."""
    data = data[: seeded.choice((0, len(data), seeded.randint(0, len(data))))]
    holes = seeded.random() * seeded.choice((0, 1))
    pages = (data[begin : begin + PAGE] for begin in range(0, len(data), PAGE))
    return b"".join(bytes(len(page)) if seeded.random() < holes else page for page in pages)


@pytest.fixture
def disk() -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        yield Disk(patch)


def started(folder: Path, clock: ManualClock, audit: str = "audit.jsonl") -> Records:
    return open_records(folder, folder / audit, KEY, "live", clock, 30)


def begin(records: Records, intent: str) -> None:
    records.commit([Item((event(intent=intent),), Begin.of(entry(intent)))])


def begin_five(records: Records) -> list[tuple[str, str]]:
    """Begin five writes one after the other, and return what `require_all` is to look for."""
    answered = [("request", f"i-{number}") for number in range(5)]
    for _, intent in answered:
        begin(records, intent)
    return answered


def conclude(records: Records, intent: str) -> None:
    happened = event(EventKind.OUTCOME, intent=intent, outcome="confirmed")
    change = Conclude.of(entry(intent).key, "confirmed", {}, "2026-08-22T03:50:46.000Z")
    records.commit([Item((happened,), change)], [AuditEvent(EventKind.READ)])


def require_all(folder: Path, clock: ManualClock, answered: list[tuple[str, str]], audit: str = "audit.jsonl") -> None:
    """Start on what is left, and look for all that was answered; a second start must have nothing to mend."""
    started(folder, clock, audit).close()
    with closing(started(folder, clock, audit)) as records:
        assert records.repairs == []
        assert records.journal.kept_lines() == []
        for kind, intent in answered:
            found = records.journal.find(entry(intent).key)
            assert found is not None
            assert kind == "request" or found.outcome == "confirmed"
    report = verify(folder / audit, KEY, read_anchors(folder / JOURNAL_FILE))
    assert report.ok, report.text()
    lines = [line for file in folder.glob("*.jsonl") for line in lines_of(file)]
    audited = {(record.get("kind"), record.get("intent")) for record in map(orjson.loads, lines)}
    assert set(answered) <= audited


@pytest.mark.promise("P4", "P5", "P8")
@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_disk_had_got_to_every_answered_write_is_in_both_records(
    tmp_path: Path, disk: Disk, seed: int
) -> None:
    seeded, clock = random.Random(seed), ManualClock()
    folder, copy = tmp_path / "folder", tmp_path / "copy"
    folder.mkdir()
    answered: list[tuple[str, str]] = []
    behind = 0
    with closing(started(folder, clock)) as records:
        for number in range(WRITES):
            for step, kind in ((begin, "request"), (conclude, "outcome")):
                step(records, f"i-{number}")
                answered.append((kind, f"i-{number}"))
                behind += not disk.has_all(folder / "audit.jsonl")
                disk.copy(folder, copy, seeded)
                require_all(copy, clock, answered)
            if seeded.random() < 0.2:
                clock.advance(days=1)
            if seeded.random() < 0.2:
                records.commit(())
                assert disk.has_all(folder / "audit.jsonl")
    assert behind > WRITES, "everything was synced at once, so nothing is proved"
    assert disk.has_all(folder / "audit.jsonl")


@pytest.mark.promise("P4", "P5", "P8")
@pytest.mark.parametrize("seed", range(4))
def test_a_second_cut_during_the_start_after_the_first_loses_nothing(tmp_path: Path, disk: Disk, seed: int) -> None:
    """The start puts lines back, and before the journal hears of it the power goes again."""
    seeded, clock = random.Random(seed), ManualClock()
    folder, first, second = (tmp_path / name for name in ("folder", "first", "second"))
    folder.mkdir()
    with closing(started(folder, clock)) as records:
        answered = begin_five(records)
        disk.copy(folder, first, seeded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "adopt_files", lambda records: disk.copy(first, second, seeded))
        started(first, clock).close()
    require_all(second, clock, answered)


@pytest.mark.promise("P4", "P5", "P8")
def test_a_full_disk_stops_the_start_and_loses_nothing(tmp_path: Path, disk: Disk) -> None:
    clock, folder, copy = ManualClock(), tmp_path / "folder", tmp_path / "copy"
    folder.mkdir()
    with closing(started(folder, clock)) as records:
        answered = begin_five(records)
        disk.copy(folder, copy, random.Random(1))
    log = copy / "audit.jsonl"
    log.write_bytes(lines_of(log)[0])
    pwrite = os.pwrite

    def half(descriptor: int, data: bytes, offset: int) -> int:
        return pwrite(descriptor, data[: len(data) // 2], offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(AuditRefused, match=r"cannot be put back \(No space left on device\); free the disk"):
            started(copy, clock)
    assert 1 <= len(lines_of(log)) < 5
    require_all(copy, clock, answered)


@pytest.mark.promise("P4", "P5", "P8")
def test_what_a_kill_left_unsynced_is_synced_by_the_start_that_forgets_the_lines(tmp_path: Path, disk: Disk) -> None:
    clock, folder, copy = ManualClock(), tmp_path / "folder", tmp_path / "copy"
    folder.mkdir()
    killed = started(folder, clock)
    answered = begin_five(killed)
    assert killed.log is not None
    killed.log.close()
    killed.journal.close()
    with closing(started(folder, clock)) as records:
        assert (records.repairs, records.journal.kept_lines()) == ([], [])
        disk.copy(folder, copy, random.Random(1))
    assert len(lines_of(copy / "audit.jsonl")) == 5
    require_all(copy, clock, answered)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("keep_name", [True, False])
def test_a_log_moved_after_the_cut_is_put_back_all_the_same(tmp_path: Path, disk: Disk, keep_name: bool) -> None:
    """The operator sets another file before the next start: an empty one, or the old one under another name."""
    clock, folder, copy = ManualClock(), tmp_path / "folder", tmp_path / "copy"
    folder.mkdir()
    with closing(started(folder, clock)) as records:
        answered = begin_five(records)
        disk.copy(folder, copy, random.Random(1))
    log, moved = copy / "audit.jsonl", copy / "moved.jsonl"
    with closing(sqlite3.connect(copy / JOURNAL_FILE)) as journal:  # as if it had always been there
        journal.execute("UPDATE meta SET value = ? WHERE name = 'audit_path'", (str(log),))
        journal.commit()
    log.write_bytes(lines_of(log)[0])
    if not keep_name:
        log.rename(moved)
    require_all(copy, clock, answered, "moved.jsonl")
    assert [count_of(path) for path in (log, moved)] == ([5, 2] if keep_name else [0, 6])


def count_of(path: Path) -> int:
    return len(lines_of(path)) if path.exists() else 0
