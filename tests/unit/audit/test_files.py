"""Reading lines from any place of the log's files."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from cerberod.audit import files


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def opened(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    return files.open_to_read(path)


@pytest.fixture
def ragged(log: Path) -> Iterator[tuple[int, list[bytes]]]:
    """A file with lines far shorter and far longer than a block."""
    lines = [b"x" * size for size in (1, files.BLOCK * 2 + 3, 0, 7, files.BLOCK - 1, 900, files.BLOCK, 2)]
    descriptor = opened(log, b"\n".join(lines) + b"\n")
    yield descriptor, lines
    os.close(descriptor)


def test_finished_days_are_listed_oldest_first_and_nothing_else(log: Path) -> None:
    for name in ("audit-2026-08-21.jsonl", "audit-2026-08-03.jsonl", "audit-2026-13-01.jsonl", "audit-old.jsonl"):
        (log.parent / name).touch()
    (log.parent / "other-2026-08-20.jsonl").touch()
    listed = files.day_files(log)
    assert [file.day for file in listed] == [date(2026, 8, 3), date(2026, 8, 21)]
    assert listed[1].path == files.day_path(log, date(2026, 8, 21))


def test_lines_read_backward_are_the_lines_reversed(ragged: tuple[int, list[bytes]]) -> None:
    descriptor, lines = ragged
    size = os.fstat(descriptor).st_size
    assert list(files.lines_backward(descriptor, size)) == lines[::-1]


def test_lines_read_forward_are_the_lines(ragged: tuple[int, list[bytes]]) -> None:
    descriptor, lines = ragged
    assert list(files.lines_forward(descriptor)) == [(line, True) for line in lines]


def test_a_line_without_end_is_told_apart(log: Path) -> None:
    descriptor = opened(log, b"one\ntw")
    assert list(files.lines_forward(descriptor)) == [(b"one", True), (b"tw", False)]
    assert files.last_newline(descriptor, 6) == 4
    assert files.line_at(descriptor, 4) is None
    assert files.first_line(descriptor) == b"one"
    os.close(descriptor)


def test_an_empty_file_has_no_lines(log: Path) -> None:
    descriptor = opened(log, b"")
    assert files.first_line(descriptor) is None
    assert files.last_newline(descriptor, 0) == 0
    assert list(files.lines_backward(descriptor, 0)) == []
    os.close(descriptor)


def test_links_are_not_followed(log: Path) -> None:
    (log.parent / "real").write_bytes(b"x\n")
    log.symlink_to(log.parent / "real")
    with pytest.raises(OSError, match="symbolic links"):
        files.open_to_read(log)
