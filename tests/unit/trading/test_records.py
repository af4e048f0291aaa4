"""Journal and audit log opened together and checked against each other; the audit key."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.audit.verify import verify
from cerberod.audit.writer import AuditRefused
from cerberod.trading.journal import Begin, Conclude, JournalRefused, Release, read_anchors
from cerberod.trading.records import (
    JOURNAL_FILE,
    UNSYNCED_BYTES,
    Item,
    NotDurable,
    Records,
    load_or_make_key,
    open_records,
)
from tests.support.clock import ManualClock
from tests.support.records import KEY, entry, event, files_end_at, lines_of

Opening = Callable[..., Records]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_again(tmp_path: Path, clock: ManualClock) -> Opening:
    """Open the records of this test's state directory, as a start of the daemon does."""

    def opening(audit: str | None = "audit.jsonl", key: bytes = KEY, backup_days: int = 30) -> Records:
        path = None if audit is None else tmp_path / audit
        return open_records(tmp_path, path, key, "live", clock, backup_days)

    return opening


def begin(records: Records, intent: str = "i-1") -> Item:
    item = Item((event(intent=intent),), Begin.of(entry(intent)))
    records.commit([item])
    return item


def whole(tmp_path: Path, audit: str = "audit.jsonl") -> bool:
    return verify(tmp_path / audit, KEY, read_anchors(tmp_path / JOURNAL_FILE)).ok


def test_what_is_begun_is_in_both_and_the_journal_anchors_the_log(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    assert records.log is not None
    assert records.journal.anchors().head == records.log.head
    assert len(lines_of(tmp_path / "audit.jsonl")) == 1
    records.close()
    assert whole(tmp_path)


def test_a_repeat_writes_nothing_anywhere(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    assert begin(records).known == entry()
    together = [Item((event(),), Begin.of(entry("i-2"))) for _ in range(3)]
    records.commit(together)
    assert [item.known for item in together] == [None, entry("i-2"), entry("i-2")]
    assert len(lines_of(tmp_path / "audit.jsonl")) == 2
    records.close()


def test_effects_are_told_item_by_item(open_again: Opening) -> None:
    records = open_again()
    begin(records)
    ended = "2026-08-22T03:50:46.000Z"
    items = [
        Item((event(EventKind.OUTCOME),), Conclude.of(entry("none").key, "confirmed", {}, ended)),
        Item((event(EventKind.READ),)),
        Item((event(EventKind.OUTCOME),), Conclude.of(entry().key, "confirmed", {}, ended)),
        Item((event(EventKind.REFUSED),), Release(entry().key)),
    ]
    assert records.commit(items) == 4
    assert [item.effective for item in items] == [False, True, True, False]
    records.close()


@pytest.mark.promise("P5")
def test_a_torn_tail_is_cut_told_and_recorded(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    records.close()
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes() + b'{"actor":"te')
    again = open_again()
    assert [repair.detail and repair.detail["what"] for repair in again.repairs] == ["cut a torn last record"]
    again.close()
    assert b'"kind":"repair"' in lines_of(path)[1]
    assert whole(tmp_path)


def test_records_the_journal_has_seen_and_the_file_has_not_stop_the_start(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    for number in range(5):
        begin(records, f"i-{number}")
    records.close()
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(lines_of(path)[:2]))
    with pytest.raises(AuditRefused, match="ends at record 2, but the journal has seen record 5"):
        open_again()


@pytest.mark.promise("P5")
def test_a_missing_log_stops_the_start_and_a_new_place_is_the_remedy(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    records.close()
    (tmp_path / "audit.jsonl").unlink()
    with pytest.raises(AuditRefused, match=r"is missing or empty.*set AUDIT_LOG_FILE to a new file"):
        open_again()
    moved = open_again("second.jsonl")
    assert moved.log is not None
    assert moved.log.head.sequence == 2
    begin(moved, "i-2")
    moved.close()
    assert whole(tmp_path, "second.jsonl")
    open_again("second.jsonl").close()


def test_a_moved_log_keeps_its_chain(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    records.close()
    (tmp_path / "audit.jsonl").rename(tmp_path / "moved.jsonl")
    again = open_again("moved.jsonl")
    assert again.repairs == []
    again.close()
    assert whole(tmp_path, "moved.jsonl")


def test_another_key_stops_the_start(open_again: Opening) -> None:
    records = open_again()
    begin(records)
    records.close()
    with pytest.raises(AuditRefused, match="sealed with another key"):
        open_again(key=b"x" * 32)
    open_again("second.jsonl", key=b"x" * 32).close()


def test_the_audit_may_be_switched_off_and_on_again(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    records.close()
    without = open_again(None)
    assert begin(without, "i-2").known is None
    assert without.repairs == []
    without.close()
    again = open_again()
    assert again.repairs == []
    again.close()
    assert whole(tmp_path)


def test_a_journal_of_the_other_kind_stops_the_start(open_again: Opening, tmp_path: Path, clock: ManualClock) -> None:
    open_again().close()
    with pytest.raises(JournalRefused, match="kind live, not simulator"):
        open_records(tmp_path, tmp_path / "audit.jsonl", KEY, "simulator", clock, 30)


def test_a_lost_journal_is_told_from_a_lost_log(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    records.close()
    for file in tmp_path.glob("journal*"):
        file.unlink()
    again = open_again()
    assert again.log is not None
    assert again.log.head.sequence == 1
    assert again.journal.anchors().head == again.log.head
    again.close()


def test_ends_of_days_are_in_the_journal_and_expired_files_go(
    open_again: Opening, tmp_path: Path, clock: ManualClock
) -> None:
    records = open_again(backup_days=2)
    for number in range(5):
        begin(records, f"i-{number}")
        records.keep_house()
        clock.advance(days=1)
    names = sorted(path.name for path in tmp_path.glob("audit-*"))
    assert names == ["audit-2026-08-24.jsonl", "audit-2026-08-25.jsonl"]
    spans = records.journal.anchors().files
    assert [(span.first_sequence, span.removed) for span in spans] == [(1, True), (2, True), (3, False), (4, False)]
    records.close()
    assert whole(tmp_path)


@pytest.mark.promise("P8")
def test_a_day_that_turned_just_before_the_kill_is_adopted(
    open_again: Opening, tmp_path: Path, clock: ManualClock
) -> None:
    records = open_again()
    begin(records)
    clock.advance(days=1)
    assert records.log is not None
    records.log.append([AuditEvent(EventKind.READ)])
    records.log.sync()
    records.close()
    assert read_anchors(tmp_path / JOURNAL_FILE).files == ()
    open_again().close()
    assert [span.name for span in read_anchors(tmp_path / JOURNAL_FILE).files] == ["audit-2026-08-22.jsonl"]
    assert whole(tmp_path)


@pytest.mark.promise("P8")
def test_a_kill_between_two_days_does_not_stop_the_start(
    open_again: Opening, tmp_path: Path, clock: ManualClock
) -> None:
    """The finished day has its name, and its successor is not there or has no record yet."""
    for left in (None, b""):
        records = open_again()
        begin(records, f"i-{left!r}")
        records.close()
        (tmp_path / "audit.jsonl").rename(tmp_path / f"audit-{clock.now():%Y-%m-%d}.jsonl")
        if left is not None:
            (tmp_path / "audit.jsonl").write_bytes(left)
        clock.advance(days=1)
        open_again().close()
        assert whole(tmp_path)


@pytest.mark.promise("P5")
def test_a_missing_log_stops_the_start_though_finished_days_are_there(
    open_again: Opening, tmp_path: Path, clock: ManualClock
) -> None:
    records = open_again()
    begin(records)
    clock.advance(days=1)
    begin(records, "i-2")
    records.close()
    (tmp_path / "audit.jsonl").unlink()
    with pytest.raises(AuditRefused, match=r"ends at record 1, but the journal has seen record 2"):
        open_again()


@pytest.mark.promise("P8")
def test_a_journal_on_a_full_disk_is_not_called_damaged(open_again: Opening) -> None:
    records = open_again()
    begin(records)
    records.close()
    with files_end_at(1_000), pytest.raises(JournalRefused, match=r"sqlite: cannot be used \(SQLITE_\w+\); free"):
        open_again()
    open_again().close()


def test_old_intents_are_forgotten_after_ninety_days(open_again: Opening, clock: ManualClock) -> None:
    records = open_again()
    begin(records)
    records.journal.conclude(entry().key, "confirmed", {}, "2026-08-22T03:50:46.000Z", None)
    clock.advance(days=89)
    begin(records, "i-2")
    records.keep_house()
    assert records.journal.find(entry().key) is not None
    clock.advance(days=2)
    begin(records, "i-3")
    records.keep_house()
    assert records.journal.find(entry().key) is None
    records.close()


def test_one_sync_makes_a_write_durable_and_a_commit_of_nothing_syncs_the_file(open_again: Opening) -> None:
    records = open_again()
    begin(records)
    assert records.log is not None
    assert records.log.synced == 1, "the first of a file, behind which the others are put back"
    begin(records, "i-2")
    begin(records, "i-3")
    assert len(records.log.unsynced) == 2
    assert records.journal.kept_lines() == list(records.log.unsynced)
    assert records.journal.anchors().kept_from == 2
    records.commit(())
    assert (records.unsynced, records.journal.kept_lines()) == (False, [])
    begin(records, "i-4")
    records.commit([Item((event(EventKind.ADMIN),))])
    assert (records.unsynced, records.journal.kept_lines()) == (False, [])
    begin(records, "i-5")
    records.close()
    assert open_again().journal.kept_lines() == []


def test_what_waits_for_a_sync_is_bounded(open_again: Opening) -> None:
    records = open_again()
    begin(records)
    note = "x" * (UNSYNCED_BYTES // 4)
    kept = []
    for number in range(8):
        records.commit([Item((event(params={"note": note}),), Begin.of(entry(f"i-{number + 2}")))])
        kept.append(len(records.journal.kept_lines()))
    assert kept == [1, 2, 3, 0, 1, 2, 3, 0]
    records.close()


def test_records_of_a_change_the_journal_refused_are_in_the_synced_file(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    begin(records, "i-2")
    big = entry("big", params={"note": "x" * 300_000})
    with files_end_at(100_000), pytest.raises(NotDurable, match="journal: SQLITE_"):
        records.commit([Item((event(intent="big"),), Begin.of(big))])
    assert records.log is not None
    assert (records.log.synced, len(records.journal.kept_lines())) == (3, 1)
    begin(records, "i-3")
    assert records.journal.anchors().kept_from == 4
    records.close()
    assert whole(tmp_path)


@pytest.mark.promise("P5")
def test_a_record_changed_by_somebody_is_refused_though_the_journal_keeps_it(
    open_again: Opening, tmp_path: Path
) -> None:
    records = open_again()
    begin(records)
    begin(records, "i-2")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("audit.jsonl", JOURNAL_FILE, JOURNAL_FILE + "-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    log = copy / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b"i-2", b"i-3"))
    records.close()
    with pytest.raises(AuditRefused, match="record 2 was altered"):
        open_records(copy, copy / "audit.jsonl", KEY, "live", ManualClock(), 30)


def test_a_full_disk_fails_the_commit_whole_and_heals(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    log = tmp_path / "audit.jsonl"
    with files_end_at(log.stat().st_size + 40), pytest.raises(NotDurable, match="audit log: ") as failure:
        begin(records, "i-2")
    assert not failure.value.permanent
    assert records.journal.find(entry("i-2").key) is None
    begin(records, "i-2")
    records.close()
    assert whole(tmp_path)
    assert len(lines_of(log)) == 2


def test_a_full_disk_under_the_journal_takes_no_intent(open_again: Opening, tmp_path: Path) -> None:
    records = open_again()
    begin(records)
    big = entry("big", params={"note": "x" * 300_000})
    with files_end_at(100_000), pytest.raises(NotDurable, match="journal: SQLITE_") as failure:
        records.commit([Item((event(),), Begin.of(big))])
    assert not failure.value.permanent
    assert records.journal.find(big.key) is None
    records.commit([Item((event(),), Begin.of(big))])
    records.close()
    assert whole(tmp_path)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path)
    assert len(key) == 32
    assert load_or_make_key(tmp_path) == key
    assert [(file.name, stat.S_IMODE(file.stat().st_mode)) for file in tmp_path.iterdir()] == [("audit.key", 0o600)]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_refused_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "audit.key").write_bytes(content)
    with pytest.raises(AuditRefused, match="not an audit key"):
        load_or_make_key(tmp_path)
    assert (tmp_path / "audit.key").read_bytes() == content
