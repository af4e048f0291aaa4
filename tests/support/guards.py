"""Guards over the whole suite: nothing blocks the event loop, and nothing leaves this machine."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from blockbuster import BlockBuster, BlockBusterFunction

JUSTIFIED = [
    # A recording is read once, before the simulator listens; nobody waits for that loop yet.
    ("cerberod/simulator/chain.py", {"load_chain"}),
    # Tests that open or read the files of records themselves. The product does so in threads.
    ("tests/unit/trading/test_placing.py", {"opened"}),
    ("tests/unit/trading/test_resolving.py", {"desk"}),
    ("tests/unit/trading/test_recording.py", {"whole", "found_in_copy"}),
]
"""Where the loop may be held, by file and function, each for a reason."""


@contextmanager
def no_blocking_calls() -> Iterator[None]:
    """Make every call that would hold the event loop raise, when the product makes it on the loop."""
    buster = BlockBuster("cerberod")
    for name in ("fsync", "fdatasync", "ftruncate"):  # what it leaves out
        buster.functions[f"os.{name}"] = BlockBusterFunction(os, name, scanned_modules="cerberod")
    for function in buster.functions.values():
        for file, names in JUSTIFIED:
            function.can_block_in(file, names)
    buster.activate()
    try:
        yield
    finally:
        buster.deactivate()


class NotLoopback(AssertionError):
    """Something tried to leave this machine."""


def _refuse_others(address: object) -> None:
    if not isinstance(address, tuple):
        return  # a path in the file system
    host = str(address[0])
    if host in ("", "localhost") or ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return
    raise NotLoopback(f"tests talk to this machine alone, not to {host}")


@contextmanager
def only_loopback() -> Iterator[None]:
    """Let sockets of this process connect to loopback addresses alone."""

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: object) -> Any:
            _refuse_others(address)
            return original(self, address)

        return connect

    with pytest.MonkeyPatch.context() as patched:
        for name in ("connect", "connect_ex"):
            patched.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield
