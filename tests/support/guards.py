"""Guards over the whole suite: nothing blocks the event loop, and nothing leaves this machine."""

import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from types import FrameType
from typing import Any

import pytest
from blockbuster import BlockBuster, BlockBusterFunction

from tests.support.daemon import ROOT

PRODUCT, TESTS = f"{ROOT / 'cerberod'}/", f"{ROOT / 'tests'}/"

JUSTIFIED = [
    # A recording is read once, before the simulator listens; nobody waits for that loop yet.
    ("cerberod/simulator/chain.py", {"load_chain"}),
    # The state directory and the operator's door, before anybody is served and after.
    ("cerberod/state.py", {"open_state", "local_door"}),
    # The few lines that a start prints.
    ("cerberod/cli.py", {"_announce"}),
    # /proc is answered out of memory.
    ("prometheus_client/process_collector.py", {"collect"}),
    # The first model that is built in a process looks for plugins among the packages installed, once.
    ("pydantic/plugin/_loader.py", {"get_plugins"}),
]
"""Where the loop may be held, by file and function, each for a reason."""


_NOT_TESTS = (__file__, f"{TESTS}support/guarded.py")


def asked_by_a_test(frame: FrameType | None) -> bool:
    """Tell whether a test has called a plain function of the product, such as one that opens a file to look into it.

    Where the product calls that function itself, a coroutine of its own stands between it and the test.
    """
    outermost: FrameType | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PRODUCT):
            outermost = frame
        elif file.startswith(TESTS) and file not in _NOT_TESTS:
            return outermost is not None and not outermost.f_code.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR)
        frame = frame.f_back
    return False


@contextmanager
def no_blocking_calls() -> Iterator[None]:
    """Make every call that would hold the event loop raise, when the product makes it on the loop."""
    buster = BlockBuster("cerberod")
    for name in ("fsync", "fdatasync", "ftruncate"):  # what it leaves out
        buster.functions[f"os.{name}"] = BlockBusterFunction(os, name, scanned_modules="cerberod")
    for function in buster.functions.values():
        function.can_block_predicate = _allowing(function.can_block_predicate)
        for file, names in JUSTIFIED:
            function.can_block_in(file, names)
    buster.activate()
    try:
        yield
    finally:
        buster.deactivate()


def _allowing(harmless: Callable[..., bool]) -> Callable[..., bool]:
    def may_block(*args: Any, **kwargs: Any) -> bool:
        return harmless(*args, **kwargs) or asked_by_a_test(sys._getframe(1))

    return may_block


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
