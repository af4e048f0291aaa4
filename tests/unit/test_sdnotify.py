"""The datagram to the service manager, over real sockets."""

import os
import socket
from pathlib import Path

import pytest

from cerberod.sdnotify import notify


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> "tuple[socket.socket, str]":
    if request.param == "path":
        address = target = str(tmp_path / "notify")
    else:
        address, target = f"@cerberod-test-{os.getpid()}", f"\0cerberod-test-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    request.addfinalizer(listener.close)
    listener.bind(target)
    listener.settimeout(60)
    return listener, address


def test_state_arrives(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    assert notify(address, b"READY=1\nSTATUS=serving")
    assert listener.recv(100) == b"READY=1\nSTATUS=serving"


def test_a_manager_that_does_not_read_does_not_stop_us(manager: tuple[socket.socket, str]) -> None:
    _, address = manager
    sent = 0
    while notify(address, b"WATCHDOG=1") and sent < 100_000:
        sent += 1
    assert 0 < sent < 100_000


@pytest.mark.parametrize("address", [None, "", "relative", "/nonexistent/notify", "@nobody-listens-here"])
def test_nobody_there(address: str | None) -> None:
    assert not notify(address, b"READY=1")
