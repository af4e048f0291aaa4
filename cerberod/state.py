"""The state directory: whose it is, that nobody else can read it, and that one process at a time uses it.

Knows nothing of what lies inside.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LOCK_FILE = "lock"
DOOR_FILE = "operator"


class StateRefused(Exception):
    """The directory cannot be used; the text is one line that names it and the remedy."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """A checked directory, locked for this process."""

    path: Path


@contextmanager
def open_state(path: Path) -> Iterator[StateDir]:
    """Make the directory if it is missing, check it, and hold its lock for the length of the block.

    Raises `StateRefused`. The kernel frees the lock however the process ends.
    """
    path = path.absolute()
    _make(path)
    _check(path)
    descriptor = _lock(path)
    try:
        yield StateDir(path)
    finally:
        os.close(descriptor)


def _make(path: Path) -> None:
    try:
        # Private from the first missing folder on: the one above `sim` is a state directory too.
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                with suppress(FileExistsError):  # judged next
                    folder.mkdir(mode=0o700)
    except OSError as error:
        raise StateRefused(f"{path}: cannot be made ({error.strerror}); make it, or set STATE_DIR") from None


def _check(path: Path) -> None:
    try:
        status = path.lstat()
    except OSError as error:
        raise StateRefused(f"{path}: cannot be looked at ({error.strerror}); set STATE_DIR") from None
    if stat.S_ISLNK(status.st_mode):
        raise StateRefused(f"{path}: is a symbolic link; set STATE_DIR to the directory itself")
    if not stat.S_ISDIR(status.st_mode):
        raise StateRefused(f"{path}: is not a directory; remove it, or set STATE_DIR")
    if status.st_uid != os.geteuid():
        # Root is somebody who typed `serve` beside the service, which has to keep what it has.
        remedy = f"run `chown {os.geteuid()} {path}`" if os.geteuid() else "be that user"
        raise StateRefused(
            f"{path}: belongs to user {status.st_uid}, not to {os.geteuid()}; {remedy}, or set STATE_DIR"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise StateRefused(f"{path}: mode {mode:04o} lets others in; run `chmod 700 {path}`")
    if mode & 0o700 != 0o700:
        raise StateRefused(f"{path}: mode {mode:04o} is read-only; run `chmod 700 {path}`")


def _lock(path: Path) -> int:
    lock = path / LOCK_FILE
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.EROFS:
            raise StateRefused(f"{path}: lies on a read-only file system; set STATE_DIR") from None
        raise StateRefused(f"{lock}: cannot be opened ({error.strerror}); remove it, or set STATE_DIR") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "of unknown number"
        os.close(descriptor)
        raise StateRefused(
            f"{path}: in use by process {holder}; stop that one first, or set another STATE_DIR"
        ) from None
    except OSError as error:
        os.close(descriptor)
        raise StateRefused(f"{lock}: cannot be locked ({error.strerror}); set STATE_DIR to a local disk") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(descriptor)
        raise StateRefused(f"{lock}: cannot be written ({error.strerror}); free the disk, or set STATE_DIR") from None
    return descriptor


@dataclass(frozen=True, slots=True)
class LocalDoor:
    """How whoever may read the state directory reaches the daemon as its operator."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"LocalDoor({self.url})"


@contextmanager
def local_door(path: Path, door: LocalDoor) -> Iterator[None]:
    """Leave the door's address in the state directory for the length of the block, readable for its owner alone."""
    file = path / DOOR_FILE
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{door.url}\n{door.token}\n".encode())
    finally:
        os.close(descriptor)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def read_local_door(path: Path) -> LocalDoor | None:
    """Return the door of the daemon that runs on this state directory; None when none has left one."""
    try:
        url, token = (path / DOOR_FILE).read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise StateRefused(f"{path / DOOR_FILE}: cannot be read ({error.strerror}); be the daemon's own user") from None
    return LocalDoor(url, token)
