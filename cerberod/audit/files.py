"""Which files an audit log consists of, and how to read one line of them from any place.

The current file is the path that was set; a finished day lies beside it as `<stem>-YYYY-MM-DD<suffix>`, named by the
UTC day of its first record. Knows bytes and lines, not what they mean.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

BLOCK = 1 << 20
_STEP = 1 << 16


@dataclass(frozen=True, slots=True)
class DayFile:
    """A finished day."""

    day: date
    path: Path


def day_path(current: Path, day: date) -> Path:
    """Return where the current file goes once its day is over."""
    return current.with_name(f"{current.stem}-{day.isoformat()}{current.suffix}")


def day_files(current: Path) -> list[DayFile]:
    """List the finished days beside the current file, oldest first."""
    pattern = re.compile(re.escape(current.stem) + r"-(\d{4}-\d\d-\d\d)" + re.escape(current.suffix), re.ASCII)
    found = []
    for entry in current.parent.iterdir():
        if match := pattern.fullmatch(entry.name):
            try:
                found.append(DayFile(date.fromisoformat(match[1]), entry))
            except ValueError:
                continue  # a name of the same form that is no day
    return sorted(found, key=lambda file: file.day)


def open_to_read(path: Path) -> int:
    """Open a file of the log; never through a link."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def open_if_there(path: Path, opened: ExitStack) -> int | None:
    """Open a file until `opened` is left; None when there is none, or no more: retention may have been quicker."""
    try:
        descriptor = open_to_read(path)
    except FileNotFoundError:
        return None
    opened.callback(os.close, descriptor)
    return descriptor


def identity(descriptor: int) -> tuple[int, int]:
    """Name an open file whatever it is called by now."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def first_line(descriptor: int) -> bytes | None:
    """Return the first whole line without its newline; None when there is none."""
    return line_at(descriptor, 0)


def line_at(descriptor: int, offset: int) -> bytes | None:
    """Return the whole line that begins at `offset`; None when no newline follows."""
    found = b""
    while (end := found.find(b"\n")) < 0:
        block = os.pread(descriptor, _STEP, offset + len(found))
        if not block:
            return None
        found += block
    return found[:end]


def last_newline(descriptor: int, end: int) -> int:
    """Return the offset just behind the last newline before `end`; 0 when there is none."""
    while end > 0:
        start = max(0, end - _STEP)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def blocks_backward(descriptor: int, end: int) -> Iterator[bytes]:
    """Yield the whole lines before `end`, in blocks of many lines, the last block first.

    `end` is just behind a newline. Each block ends with a newline and begins with a line's first byte.
    """
    while end > 0:
        start = last_newline(descriptor, max(0, end - BLOCK))
        yield os.pread(descriptor, end - start, start)
        end = start


def lines_backward(descriptor: int, end: int) -> Iterator[bytes]:
    """Yield whole lines before `end` without their newlines, the last first."""
    for block in blocks_backward(descriptor, end):
        yield from reversed(block[:-1].split(b"\n"))


def lines_forward(descriptor: int) -> Iterator[tuple[bytes, bool]]:
    """Yield every line from the start, and whether a newline ended it."""
    rest, offset = b"", 0
    while block := os.pread(descriptor, BLOCK, offset):
        offset += len(block)
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            yield line, True
    if rest:
        yield rest, False
