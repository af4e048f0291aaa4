"""Reads and writes descriptors of any kind (pipe, socket, terminal, file) without ever blocking the event loop.

The event loop's own pipes refuse regular files and make descriptors non-blocking that are shared with the parent
process. So each direction has one daemon thread that blocks instead; a thread that hangs in the kernel keeps nobody
from exiting. At most one chunk of input and one message of output are under way at a time.

A thread that reads has a descriptor of its own: the number of one that others close may soon be another's, and what
came there would be lost to whom it is for.
"""

import asyncio
import os
import queue
import select
import threading
from collections.abc import AsyncIterator
from typing import TypeVar

from cerberod.transport.lines import LineSplitter

T = TypeVar("T")
_CHUNK = 64 * 1024


class Reader:
    """Yields chunks of a descriptor until it ends. Reads on only when asked for more."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._awaited: asyncio.Future[bytes] | None = None
        self._wanted: queue.SimpleQueue[asyncio.Future[bytes] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="stdin-reader", daemon=True).start()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what arrives; ends at the end of input, on `close`, or when the descriptor can no longer be read."""
        while not self._closed:
            self._awaited = self._loop.create_future()
            self._wanted.put(self._awaited)
            chunk = await self._awaited
            if not chunk:
                return
            yield chunk

    async def lines(self, max_line_bytes: int) -> AsyncIterator[bytes]:
        """Yield lines, cut as `LineSplitter` says."""
        splitter = LineSplitter(max_line_bytes)
        async for chunk in self.chunks():
            for line in splitter.feed(chunk):
                yield line
        for line in splitter.end():
            yield line

    def close(self) -> None:
        """Act as if the input had ended."""
        self._closed = True
        self._wanted.put(None)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(b"")

    def _run(self) -> None:
        data = b"more"
        while data and (wanted := self._wanted.get()) is not None:
            data = _read(self._fd)
            _deliver(self._loop, wanted, data)
        os.close(self._fd)


class Writer:
    """Writes messages to a descriptor, one after the other."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._messages: queue.SimpleQueue[tuple[bytes, asyncio.Future[bool]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="stdout-writer", daemon=True).start()

    async def write(self, message: bytes) -> bool:
        """Write a message whole; False once nobody can read it."""
        written: asyncio.Future[bool] = self._loop.create_future()
        self._messages.put((message, written))
        return await written

    def _run(self) -> None:
        heard = True
        while heard:
            message, written = self._messages.get()
            heard = _write(self._fd, message)
            _deliver(self._loop, written, heard)
        while True:
            _, written = self._messages.get()
            _deliver(self._loop, written, False)


def _read(fd: int) -> bytes:
    """Return the next bytes; none when there will be no more, which is also how a terminal that hung up reads."""
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:  # whoever gave us the descriptor had made it non-blocking
            select.select([fd], [], [])
        except OSError:
            return b""


def _write(fd: int, message: bytes) -> bool:
    """Write everything; False when the reader is gone, or the disk behind a redirection is full."""
    rest = memoryview(message)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError:
            return False
    return True


def _deliver(loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], value: T) -> None:
    """Hand a value over to the loop, if the loop and whoever waits are still there."""

    def settle() -> None:
        if not future.done():
            future.set_result(value)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop was closed while this thread was in the kernel
        return
