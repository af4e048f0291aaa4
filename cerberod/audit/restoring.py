"""Puts back what a power cut took of the audit log: the last lines, which the journal keeps until their file is synced.

A power cut leaves of what was not synced a beginning, with holes that read as zeros. Only that is mended. A file that
says anything else was changed by somebody, and is left as it is: whoever opens the log refuses it.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from cerberod.audit import files
from cerberod.audit.record import claimed


def restore(path: Path, first: int, lines: Sequence[bytes]) -> bool:
    """Write the lines of the records from `first` on where the file has lost them; tell whether it had.

    A file without the record before them is not the one they were in: nothing is done. Raises `OSError`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        place = _end_of(descriptor, size, first - 1)
        if place is None:
            return False
        kept, found = b"".join(lines), os.pread(descriptor, size - place, place)
        if found.startswith(kept) or not _is_left_of(kept, found):
            return False
        os.ftruncate(descriptor, place)
        if os.pwrite(descriptor, kept, place) != len(kept):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _end_of(descriptor: int, size: int, sequence: int) -> int | None:
    """Return the offset just behind a record near the end; None when it is not there."""
    place = files.last_newline(descriptor, size)
    for line in files.lines_backward(descriptor, place):
        told = claimed(line)
        if told is not None and told.sequence <= sequence:
            return place if told.sequence == sequence else None
        place -= len(line) + 1
    return None


def _is_left_of(kept: bytes, found: bytes) -> bool:
    return all(byte in (0, was) for byte, was in zip(found, kept, strict=False))
