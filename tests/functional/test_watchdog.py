"""The daemon and its service manager: a real process, a real datagram socket in the manager's place."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.conftest import StartDaemon

NOWHERE = "ws://127.0.0.1:1"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def test_signs_of_life_follow_readiness_and_end_with_a_process_that_stands_still(
    start_daemon: StartDaemon, manager: socket.socket, tmp_path: Path
) -> None:
    daemon = start_daemon(
        "serve", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="300000", DERIBIT_URL_TESTNET=NOWHERE
    )
    daemon.announce("no sign of life for the watchdog")
    assert manager.recv(100) == b"READY=1"
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    daemon.process.send_signal(signal.SIGSTOP)
    manager.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(100):
            manager.recv(100)
    daemon.process.send_signal(signal.SIGCONT)
    manager.settimeout(60)
    daemon.wait_logged(message="no sign of life for the watchdog")
    assert manager.recv(100) == b"WATCHDOG=1"


def test_a_manager_without_a_watchdog_is_not_pinged(
    start_daemon: StartDaemon, manager: socket.socket, tmp_path: Path
) -> None:
    daemon = start_daemon("serve", NOTIFY_SOCKET=str(tmp_path / "notify"), DERIBIT_URL_TESTNET=NOWHERE)
    daemon.stop()
    manager.settimeout(5)
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
