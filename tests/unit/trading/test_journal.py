"""The journal: one intent once, final outcomes final, and every refusal one clear line. `faults.md` 74, 76."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from cerberod.audit.record import Anchor, Anchors, FileSpan
from cerberod.trading.journal import (
    SCHEMA,
    Begin,
    Change,
    Conclude,
    Journal,
    JournalRefused,
    Release,
    State,
    read_anchors,
)
from tests.support.records import entry

HEAD = Anchor(7, "a" * 64)
ENDED = "2026-08-22T03:50:46.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal.open(path, "live")
    yield opened
    opened.close()


def reopened(journal: Journal) -> Journal:
    journal.close()
    return Journal.open(journal.path, "live")


def test_an_intent_is_kept_as_it_was_said_with_the_audit_head(journal: Journal) -> None:
    given = entry()
    assert journal.begin(given, HEAD) is None
    again = reopened(journal)
    assert again.find(given.key) == given
    assert again.anchors() == Anchors(HEAD)
    again.close()


def test_a_known_intent_is_told_and_nothing_is_written(journal: Journal) -> None:
    first = entry()
    journal.begin(first, HEAD)
    assert journal.begin(entry(method="deribit.edit_order"), Anchor(8, "b" * 64)) == first
    assert journal.anchors().head == HEAD


def test_intents_are_apart_by_environment_and_bot(journal: Journal) -> None:
    for other in (entry(), entry(environment="mainnet"), entry(bot_tag="early-bird"), entry("i-2")):
        assert journal.begin(other, HEAD) is None
    assert len(journal.unresolved()) == 4
    assert [held.environment for held in journal.unresolved("mainnet")] == ["mainnet"]


def test_a_conclusion_is_kept(journal: Journal) -> None:
    given = entry()
    journal.begin(given, HEAD)
    assert journal.conclude(given.key, "confirmed", {"order_id": "1"}, ENDED, Anchor(9, "c" * 64))
    expected = replace(given, state=State.ENDED, outcome="confirmed", result={"order_id": "1"}, ended_at=ENDED)
    again = reopened(journal)
    assert again.find(given.key) == expected
    assert expected.resolved
    assert again.anchors().head.sequence == 9
    assert again.unresolved() == []
    again.close()


def test_unknown_may_become_final_and_final_stays(journal: Journal) -> None:
    given = entry()
    journal.begin(given, HEAD)
    assert journal.conclude(given.key, "unknown", {}, ENDED, None)
    (waiting,) = journal.unresolved()
    assert (waiting.state, waiting.resolved) == (State.ENDED, False)
    assert journal.conclude(given.key, "rejected", {"why": "no"}, ENDED, None)
    assert not journal.conclude(given.key, "confirmed", {}, ENDED, None)
    found = journal.find(given.key)
    assert found is not None
    assert (found.outcome, found.result) == ("rejected", {"why": "no"})


def test_concluding_what_was_never_begun_has_no_effect(journal: Journal) -> None:
    assert not journal.conclude(entry().key, "confirmed", {}, ENDED, None)
    assert journal.find(entry().key) is None


def test_release_frees_an_intent_without_outcome_only(journal: Journal) -> None:
    given = entry()
    journal.begin(given, HEAD)
    assert journal.release(given.key, None)
    assert not journal.release(given.key, None)
    assert journal.begin(given, HEAD) is None
    journal.conclude(given.key, "unknown", {}, ENDED, None)
    assert not journal.release(given.key, None)
    assert journal.find(given.key) is not None


def test_changes_of_one_call_are_all_made_or_none(journal: Journal) -> None:
    journal.begin(entry("taken"), HEAD)
    changes: list[Change] = [Begin.of(entry("new")), Release(entry("taken").key), Begin.of(entry("new"))]
    with pytest.raises(sqlite3.IntegrityError):
        journal.apply(changes, Anchor(99, "d" * 64))
    assert journal.find(entry("new").key) is None
    assert journal.find(entry("taken").key) is not None
    assert journal.anchors().head == HEAD
    done = journal.apply([Begin.of(entry("new")), Conclude.of(entry("none").key, "confirmed", {}, ENDED)], HEAD)
    assert done == [True, False]


def test_unresolved_come_oldest_first(journal: Journal) -> None:
    for number in (3, 1, 2):
        journal.begin(entry(f"i-{number}", begun_at=f"2026-08-22T03:50:4{number}.000Z"), None)
    assert [held.intent for held in journal.unresolved()] == ["i-1", "i-2", "i-3"]


def test_pruning_forgets_old_final_outcomes_only(journal: Journal) -> None:
    for intent in ("done", "unknown", "open", "recent"):
        journal.begin(entry(intent), None)
    journal.conclude(entry("done").key, "confirmed", {}, "2026-05-01T00:00:00.000Z", None)
    journal.conclude(entry("unknown").key, "unknown", {}, "2026-05-01T00:00:00.000Z", None)
    journal.conclude(entry("recent").key, "confirmed", {}, ENDED, None)
    assert journal.prune("2026-06-01T00:00:00.000Z") == 1
    assert journal.find(entry("done").key) is None
    assert all(journal.find(entry(intent).key) for intent in ("unknown", "open", "recent"))


def test_ends_of_audit_files_are_kept_and_a_removed_one_stays_removed(journal: Journal) -> None:
    span = FileSpan("audit-2026-08-22.jsonl", 1, "0" * 64, Anchor(10, "e" * 64))
    journal.apply((), HEAD, [span])
    journal.apply((), None, [replace(span, removed=True)])
    journal.apply((), None, [span])
    assert journal.anchors() == Anchors(HEAD, (replace(span, removed=True),))


def test_anchors_are_read_beside_the_writer(journal: Journal) -> None:
    journal.begin(entry(), HEAD)
    assert read_anchors(journal.path) == Anchors(HEAD)
    assert journal.begin(entry("i-2"), HEAD) is None


def test_anchors_of_no_journal_are_refused_and_none_is_made(path: Path) -> None:
    with pytest.raises(JournalRefused, match="cannot be read"):
        read_anchors(path)
    assert not path.exists()


def test_values_are_remembered(journal: Journal) -> None:
    assert journal.meta("audit_path") is None
    journal.remember("audit_path", "one")
    journal.remember("audit_path", "two")
    assert journal.meta("audit_path") == "two"


def test_all_its_files_are_private(journal: Journal) -> None:
    previous = os.umask(0)
    try:
        journal.begin(entry(), HEAD)
    finally:
        os.umask(previous)
    names = sorted(file.name for file in journal.path.parent.iterdir())
    assert names == ["journal.sqlite", "journal.sqlite-shm", "journal.sqlite-wal"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in journal.path.parent.iterdir())


def test_a_simulators_journal_is_never_taken_for_a_live_one(path: Path) -> None:
    Journal.open(path, "simulator").close()
    with pytest.raises(JournalRefused, match="a journal of kind simulator, not live; set another STATE_DIR"):
        Journal.open(path, "live")
    Journal.open(path, "simulator").close()


def test_a_newer_schema_is_refused(journal: Journal, path: Path) -> None:
    journal.close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    other.close()
    with pytest.raises(JournalRefused, match=rf"made by a newer cerberod \(schema {SCHEMA + 1}"):
        Journal.open(path, "live")


def test_another_programs_database_is_refused_unharmed(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE precious (thing TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(JournalRefused, match="not a journal of cerberod"):
        Journal.open(path, "live")
    assert path.read_bytes() == before


@pytest.mark.promise("P8")
@pytest.mark.parametrize("content", [b"not a database at all, " * 100, b"\x00" * 4096])
def test_garbage_is_refused_with_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalRefused) as refused:
        Journal.open(path, "live")
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_damaged_page_is_refused(journal: Journal, path: Path) -> None:
    for number in range(300):
        journal.begin(entry(f"i-{number}"), HEAD)
    journal.close()
    content = bytearray(path.read_bytes())
    content[8192:12288] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(JournalRefused, match="damaged or unreadable"):
        Journal.open(path, "live")


def test_lines_of_the_audit_are_kept_until_their_file_is_synced(journal: Journal) -> None:
    journal.apply((), Anchor(3, "a" * 64), lines=[b"two", b"three"], synced=1)
    assert (journal.anchors().kept_from, journal.kept_lines()) == (2, [b"two", b"three"])
    journal.apply((), Anchor(4, "b" * 64), lines=[b"four"], synced=2)
    assert (journal.anchors().kept_from, journal.kept_lines()) == (3, [b"three", b"four"])
    journal.apply((), None)
    assert journal.kept_lines() == [b"three", b"four"]
    journal.apply((), Anchor(4, "b" * 64))
    assert (journal.anchors().kept_from, journal.kept_lines()) == (None, [])


def test_anchors_of_an_older_schema_are_read(journal: Journal) -> None:
    with closing(sqlite3.connect(journal.path)) as other:
        other.execute("DROP TABLE audit_unsynced")
    assert read_anchors(journal.path) == journal.anchors() == Anchors(Anchor())


def test_a_link_is_refused(path: Path) -> None:
    path.symlink_to(path.with_name("target"))
    with pytest.raises(JournalRefused, match="cannot be opened"):
        Journal.open(path, "live")


@pytest.mark.promise("P8")
def test_a_write_ahead_log_torn_anywhere_loses_whole_transactions_only(journal: Journal, tmp_path: Path) -> None:
    """The process is killed: the files are copied as they are, with the tail of the log cut at many places."""
    for number in range(3):
        journal.begin(entry(f"i-{number}"), Anchor(number + 1, "f" * 64))
    data = journal.path.read_bytes()
    wal = journal.path.with_name("journal.sqlite-wal").read_bytes()
    for cut in (*range(0, len(wal), 977), len(wal)):
        copy = tmp_path / f"cut-{cut}" / "journal.sqlite"
        copy.parent.mkdir()
        copy.write_bytes(data)
        copy.with_name("journal.sqlite-wal").write_bytes(wal[:cut])
        again = Journal.open(copy, "live")
        assert len(again.unresolved()) == again.anchors().head.sequence
        again.close()
    assert len(wal) > 3 * 977
