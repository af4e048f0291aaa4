"""What a power cut took of the audit's file is put back from the lines kept elsewhere, and nothing else is touched."""

from pathlib import Path

import pytest

from cerberod.audit.restoring import restore
from cerberod.audit.writer import AuditLog
from tests.support.clock import ManualClock
from tests.support.records import KEY, event, files_end_at, lines_of

SYNCED = 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a log of five records, of which two shall have been synced."""
    path = tmp_path / "audit.jsonl"
    log = AuditLog.open(path, KEY, ManualClock(), backup_days=30)
    log.append([event(request_id=f"r-{number}") for number in range(5)])
    log.close()
    return path


@pytest.fixture
def lines(path: Path) -> list[bytes]:
    return lines_of(path)


def put_back(path: Path, lines: list[bytes]) -> bool:
    return restore(path, SYNCED + 1, lines[SYNCED:])


def test_a_whole_file_stays_as_it_is(path: Path, lines: list[bytes]) -> None:
    assert not put_back(path, lines)
    path.write_bytes(path.read_bytes() + b'{"torn":')
    assert not put_back(path, lines), "a torn record that nobody was told of is not for here"
    assert path.read_bytes().endswith(b'{"torn":')


def test_a_file_cut_anywhere_behind_what_was_synced_is_whole_again(path: Path, lines: list[bytes]) -> None:
    whole, synced = b"".join(lines), len(b"".join(lines[:SYNCED]))
    for size in range(synced, len(whole)):
        path.write_bytes(whole[:size])
        assert put_back(path, lines)
        assert path.read_bytes() == whole
        assert not put_back(path, lines)


@pytest.mark.parametrize("block", [1, 64, 700, 4096])
def test_holes_of_zeros_are_filled(path: Path, lines: list[bytes], block: int) -> None:
    whole, synced = b"".join(lines), len(b"".join(lines[:SYNCED]))
    for begin in range(synced, len(whole), 41):
        end = min(begin + block, len(whole))
        path.write_bytes(whole[:begin] + bytes(end - begin) + whole[end:])
        assert put_back(path, lines)
        assert path.read_bytes() == whole


def test_what_followed_a_hole_was_never_promised(path: Path, lines: list[bytes]) -> None:
    whole = b"".join(lines)
    path.write_bytes(b"".join(lines[:SYNCED]) + bytes(len(lines[2])) + b"".join(lines[3:]))
    assert restore(path, SYNCED + 1, lines[SYNCED:4])
    assert path.read_bytes() == whole[: -len(lines[4])]


@pytest.mark.promise("P5")
def test_what_somebody_changed_stays_for_the_log_to_refuse(path: Path, lines: list[bytes]) -> None:
    changed = b"".join(lines).replace(b"r-3", b"r-9")
    path.write_bytes(changed)
    assert not put_back(path, lines)
    assert path.read_bytes() == changed


def test_another_file_is_not_touched(tmp_path: Path, path: Path, lines: list[bytes]) -> None:
    assert not put_back(tmp_path / "missing.jsonl", lines)
    for content in (b"", b"something else\n", b"".join(lines[: SYNCED - 1]), b"".join(lines[3:])):
        path.write_bytes(content)
        assert not put_back(path, lines)
        assert path.read_bytes() == content


def test_a_link_is_not_followed(tmp_path: Path, path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(lines[:SYNCED]))
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        put_back(tmp_path / "link", lines)


def test_a_full_disk_leaves_it_for_the_next_start(path: Path, lines: list[bytes]) -> None:
    synced = b"".join(lines[:SYNCED])
    path.write_bytes(synced)
    for room in (0, 100):
        with files_end_at(len(synced) + room), pytest.raises(OSError, match=r"File too large|No space"):
            put_back(path, lines)
    assert put_back(path, lines)
    assert path.read_bytes() == b"".join(lines)
