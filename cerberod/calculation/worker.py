"""The one process that long calculations run in, started when first needed and replaced whenever it cannot go on.

A calculation that is given up (its deadline passed, its caller left, the daemon stops) takes the process with it: there
is no other way to stop one, and the next calculation gets a new process. This module knows bytes and processes, nothing
of what is calculated.
"""

import os
import subprocess
import sys
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from cerberod.calculation.working import HEADER
from cerberod.errors import Code, RpcError

RETRY_MS = 250
WAITING = 32
"""Calculations taken at a time, the one that runs among them. A limit and no setting: they run one after the other, so
that more of them would only meet their deadlines in the queue, and each may hold a megabyte."""
_ROOT = str(Path(__file__).resolve().parents[2])
_ENVIRONMENT = {
    "PATH": os.defpath,
    "PYTHONPATH": _ROOT,
    "LC_ALL": "C.UTF-8",
    # Threads of linear algebra would take the daemon's processors, and the last digits depend on how many there are.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Everything the process is told: none of the daemon's settings and none of its secrets."""


class WorkerLost(Exception):
    """The process ended in the middle of a calculation, not by our hand."""


class _Running:
    """One process and the way to it."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._to = process.stdin
        self._from = BufferedByteReceiveStream(process.stdout)

    async def ask(self, job: bytes) -> bytes:
        await self._to.send(HEADER.pack(len(job)) + job)
        header = await self._from.receive_exactly(HEADER.size)
        return await self._from.receive_exactly(HEADER.unpack(header)[0])

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()
            await self.process.aclose()


class Worker:
    """Runs one job after another; at most `waiting` of them are taken at a time, and more are told to come back."""

    def __init__(self, waiting: int = WAITING) -> None:
        self._most = waiting
        self._taken = 0
        self._turn = anyio.Lock()
        self._running: _Running | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return None if self._running is None else self._running.process.pid

    async def ask(self, job: bytes) -> bytes:
        """Return the answer to a job. Raises `WorkerLost`, and -32009 when too many wait."""
        if self._taken >= self._most:
            raise RpcError(Code.BUSY, limit=self._most, retry_after_ms=RETRY_MS)
        self._taken += 1
        try:
            async with self._turn:
                running = await self._started()
                try:
                    return await running.ask(job)
                except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await self._discard()
                    if self._closed:
                        raise RpcError(Code.SHUTTING_DOWN) from None
                    raise WorkerLost("the worker process ended in the middle of a calculation") from None
                except BaseException:  # cancelled: what it calculates now is an answer nobody waits for
                    await self._discard()
                    raise
        finally:
            self._taken -= 1

    async def aclose(self) -> None:
        """End the process and start no other."""
        self._closed = True
        await self._discard()

    async def _started(self) -> _Running:
        if self._running is not None and self._running.process.returncode is not None:
            await self._discard()
        if self._closed:
            raise RpcError(Code.SHUTTING_DOWN)
        if self._running is not None:
            return self._running
        with anyio.CancelScope(shield=True):  # a process half started would be nobody's
            process = await anyio.open_process(
                [sys.executable, "-P", "-m", "cerberod.calculation.working"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
            )
            running = self._running = _Running(process)
        return running

    async def _discard(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.end()
