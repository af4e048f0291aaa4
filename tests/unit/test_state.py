"""The state directory: every refusal is one line that names the directory and the remedy. `faults.md` 72, 73."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cerberod.state import LOCK_FILE, StateRefused, open_state

HOLDER = """
import sys, pathlib
from cerberod.state import open_state
with open_state(pathlib.Path(sys.argv[1])):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def refusal(path: Path) -> str:
    with pytest.raises(StateRefused) as refused, open_state(path):
        pass
    text = str(refused.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_a_missing_directory_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state"
    with open_state(path) as state:
        assert state.path == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (path / LOCK_FILE).read_text(encoding="ascii") == f"{os.getpid()}\n"
        assert stat.S_IMODE((path / LOCK_FILE).stat().st_mode) == 0o600


def test_the_directory_above_that_of_the_simulator_can_be_opened_too(tmp_path: Path) -> None:
    with open_state(tmp_path / "state" / "sim"):
        pass
    with open_state(tmp_path / "state") as state:
        assert state.path == tmp_path / "state"


def test_it_can_be_opened_again_after_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for _ in range(2):
        with open_state(path):
            assert "in use" in refusal(path)


def test_a_second_process_is_refused_and_told_the_first(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"in use by process {holder.pid}; stop that one first" in refusal(path)
        holder.send_signal(signal.SIGKILL)
        holder.wait(60)
        with open_state(path):
            pass


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o701, 0o770])
def test_a_directory_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "state"
    path.mkdir()
    path.chmod(mode)
    assert refusal(path) == f"{path}: mode {mode:04o} lets others in; run `chmod 700 {path}`"
    assert list(path.iterdir()) == []


def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.mkdir(mode=0o500)
    assert "mode 0500 is read-only; run `chmod 700" in refusal(path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    path = tmp_path / "state"
    path.symlink_to(tmp_path / "real")
    assert "is a symbolic link" in refusal(path)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.touch()
    assert "is not a directory" in refusal(path)
    assert "cannot be made" in refusal(path / "below")


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    (path / LOCK_FILE).symlink_to(tmp_path / "elsewhere")
    assert "cannot be opened" in refusal(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    os.chown(path, 12345, 12345)
    assert "belongs to user 12345, not to 0; be that user, or set STATE_DIR" in refusal(path)
