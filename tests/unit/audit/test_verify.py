"""Verify: what is wrong, where, and whether it is integrity or completeness. `faults.md` 75."""

import random  # noqa: TID251 - a seeded sample
from dataclasses import replace
from pathlib import Path

import pytest

from cerberod.audit.record import Anchor, Anchors
from cerberod.audit.verify import VerifyReport, verify
from cerberod.audit.writer import AuditLog
from tests.support.clock import ManualClock
from tests.support.records import KEY, anchor_at, event, lines_of

DAYS = ("audit-2026-08-22.jsonl", "audit-2026-08-23.jsonl", "audit.jsonl")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def anchors(path: Path) -> Anchors:
    """Write three days of ten records each and return what the journal would know of them."""
    clock = ManualClock()
    log = AuditLog.open(path, KEY, clock, backup_days=30)
    for _ in range(3):
        log.append([event() for _ in range(10)])
        clock.advance(days=1)
    log.sync()
    known = Anchors(log.head, tuple(log.take_closed()))
    log.close()
    return known


def told(report: VerifyReport) -> tuple[list[str], list[str]]:
    return [str(problem) for problem in report.integrity], [str(problem) for problem in report.completeness]


@pytest.mark.promise("P5")
def test_an_untouched_log_is_whole(path: Path, anchors: Anchors) -> None:
    report = verify(path, KEY, anchors)
    assert report.ok
    assert report.text() == (
        "30 records in 3 files, sequence 1 to 30\n"
        "integrity: every record is sealed and continues from the one before it\n"
        "completeness: everything the journal has seen is there"
    )
    assert report.as_dict() == {
        "ok": True,
        "files": 3,
        "records": 30,
        "first": 1,
        "last": 30,
        "integrity": {"status": "ok", "count": 0, "problems": []},
        "completeness": {"status": "ok", "count": 0, "problems": []},
    }


@pytest.mark.promise("P5")
def test_without_anchors_completeness_is_not_claimed(path: Path, anchors: Anchors) -> None:
    assert anchors.head.sequence == 30
    report = verify(path, KEY, None)
    assert report.ok
    assert report.as_dict()["completeness"]["status"] == "not checked"
    assert "completeness: not checked" in report.text()


@pytest.mark.promise("P5")
def test_any_bit_flip_is_found_and_its_place_named(path: Path, anchors: Anchors) -> None:
    """A seeded sample over three files; every bit of one line is tried in test_record."""
    seeded = random.Random(75)
    for name in DAYS:
        file = path.with_name(name)
        whole = file.read_bytes()
        for place in [len(whole) * 8 - 1, *seeded.sample(range(len(whole) * 8), 200)]:
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            file.write_bytes(flipped)
            report = verify(path, KEY, None)
            assert not report.ok
            line = whole.count(b"\n", 0, place // 8) + 1
            assert (report.integrity[0].file, report.integrity[0].line) == (name, line)
            assert not verify(path, KEY, anchors).ok
        file.write_bytes(whole)


@pytest.mark.promise("P5")
def test_an_altered_record_is_named_alone(path: Path, anchors: Anchors) -> None:
    day = path.with_name(DAYS[1])
    lines = lines_of(day)
    lines[4] = lines[4].replace(b"night-owl", b"night-cat")
    day.write_bytes(b"".join(lines))
    integrity, completeness = told(verify(path, KEY, anchors))
    assert integrity == [f"{DAYS[1]}:5: record 15 was altered, or sealed with another key"]
    assert completeness == []


@pytest.mark.promise("P5")
def test_an_altered_last_record_of_a_file_is_also_missing_from_its_end(path: Path, anchors: Anchors) -> None:
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1].replace(b"night-owl", b"night-cat"))
    integrity, completeness = told(verify(path, KEY, anchors))
    assert integrity == ["audit.jsonl:10: record 30 was altered, or sealed with another key"]
    assert len(completeness) == 1


@pytest.mark.promise("P5")
def test_a_record_removed_in_the_middle_is_told_by_its_number(path: Path, anchors: Anchors) -> None:
    lines = lines_of(path)
    path.write_bytes(b"".join(lines[:3] + lines[5:]))
    integrity, completeness = told(verify(path, KEY, anchors))
    assert integrity == ["audit.jsonl:4: record 26 follows a gap: records 24 to 25 are missing before it"]
    assert completeness == []


@pytest.mark.promise("P5")
def test_records_that_changed_places_are_told(path: Path, anchors: Anchors) -> None:
    assert anchors.head.sequence == 30
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:3], lines[4], lines[3], *lines[5:]]))
    integrity, _ = told(verify(path, KEY, anchors))
    assert integrity[0] == "audit.jsonl:4: record 25 follows a gap: record 24 is missing before it"
    assert "out of order" in integrity[1]


@pytest.mark.promise("P5")
def test_a_tail_cut_between_records_is_seen_by_the_anchor_only(path: Path, anchors: Anchors) -> None:
    path.write_bytes(b"".join(lines_of(path)[:-5]))
    assert verify(path, KEY, None).ok
    report = verify(path, KEY, anchors)
    assert report.integrity_count == 0
    assert told(report)[1] == ["audit.jsonl: the tail is missing: records 26 to 30 are gone, the journal has seen 30"]
    assert report.as_dict()["completeness"]["status"] == "broken"


@pytest.mark.promise("P5")
@pytest.mark.parametrize("name", DAYS)
def test_a_removed_file_is_missed(path: Path, anchors: Anchors, name: str) -> None:
    path.with_name(name).unlink()
    report = verify(path, KEY, anchors)
    assert any(problem.file == name for problem in report.completeness)


@pytest.mark.promise("P5")
def test_the_first_file_gone_leaves_perfect_integrity(path: Path, anchors: Anchors) -> None:
    path.with_name(DAYS[0]).unlink()
    integrity, completeness = told(verify(path, KEY, anchors))
    assert integrity == []
    assert completeness == [f"{DAYS[0]}: the file is missing: records 1 to 10 are gone"]


@pytest.mark.promise("P5")
def test_a_file_that_retention_took_is_not_missed(path: Path, anchors: Anchors) -> None:
    path.with_name(DAYS[0]).unlink()
    first, *others = anchors.files
    assert verify(path, KEY, Anchors(anchors.head, (replace(first, removed=True), *others))).ok


@pytest.mark.promise("P5")
def test_a_beginning_nobody_knows_is_told(path: Path, anchors: Anchors) -> None:
    path.with_name(DAYS[0]).unlink()
    _, completeness = told(verify(path, KEY, Anchors(anchors.head, anchors.files[1:])))
    assert completeness == [f"{DAYS[1]}:1: record 11 is the first: nothing before it is left or known"]


@pytest.mark.promise("P5")
def test_a_chain_rewritten_with_the_key_is_seen_by_the_anchor(path: Path, anchors: Anchors) -> None:
    for name in DAYS:
        path.with_name(name).unlink()
    clock = ManualClock()
    log = AuditLog.open(path, KEY, clock, backup_days=30)
    log.append([event(bot_tag="somebody else") for _ in range(30)])
    log.close()
    assert verify(path, KEY, None).ok
    assert "audit.jsonl: record 30 is not the one the journal saw" in told(verify(path, KEY, anchors))[1]


@pytest.mark.promise("P5")
def test_records_the_journal_has_not_seen_yet_are_no_problem(path: Path, anchors: Anchors) -> None:
    assert verify(path, KEY, Anchors(anchor_at(path, 4), anchors.files)).ok


@pytest.mark.promise("P5")
@pytest.mark.parametrize(("left", "kept_from", "told_of"), [(8, 29, True), (8, 30, False), (8, None, False)])
def test_a_tail_that_the_journal_keeps_is_told_apart(
    path: Path, anchors: Anchors, left: int, kept_from: int | None, told_of: bool
) -> None:
    path.write_bytes(b"".join(lines_of(path)[:left]))
    _, completeness = told(verify(path, KEY, replace(anchors, kept_from=kept_from)))
    more = " and keeps what is missing; the next start puts it back" if told_of else ""
    gone = "the tail is missing: records 29 to 30 are gone, the journal has seen 30"
    assert completeness == [f"audit.jsonl: {gone}{more}"]


@pytest.mark.promise("P5")
def test_a_torn_tail_is_told(path: Path, anchors: Anchors) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    integrity, _ = told(verify(path, KEY, anchors))
    assert integrity == ["audit.jsonl:10: record 30 is torn: it has no end"]


@pytest.mark.promise("P5")
def test_another_key_fails_every_record_and_lists_some(path: Path, anchors: Anchors) -> None:
    assert anchors.head.sequence == 30
    log = AuditLog.open(path, KEY, ManualClock(), backup_days=30, anchor=anchors.head)
    log.append([event() for _ in range(100)])
    log.close()
    report = verify(path, b"x" * 32, None)
    assert (report.records, report.integrity_count, len(report.integrity)) == (0, 130, 100)
    assert "… and 30 more" in report.text()


@pytest.mark.promise("P5")
def test_nothing_at_all_is_whole_unless_something_was_seen(path: Path) -> None:
    assert verify(path, KEY, Anchors(Anchor())).ok
    assert told(verify(path, KEY, Anchors(Anchor(2, "0" * 64))))[1] == [
        "audit.jsonl: the tail is missing: records 1 to 2 are gone, the journal has seen 2"
    ]
