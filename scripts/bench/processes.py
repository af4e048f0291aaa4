"""Child processes of a measurement: pinned, watched from outside, and ended with it. Linux only."""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from scripts.bench.machine import ROOT

START_S = 30.0
STOP_S = 10.0
_CPU_CLOCK_OF_PROCESS = 2


class BenchFailed(Exception):
    """A measurement that could not be made; the text says why."""


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Let children that are started within the block run on one core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """One process. What it says on stderr is read all the time, so that writing there never holds it up."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], core: int, folder: Path) -> None:
        self._name = " ".join(arguments)
        self._first: list[bytes] = []
        self._last: deque[bytes] = deque(maxlen=50)
        self._changed = threading.Condition()
        self._ended = False
        folder.mkdir(parents=True, exist_ok=True)
        with pinned(core):
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env={"PYTHONPATH": str(ROOT), "HOME": str(folder), **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        """Keep the first lines, where a start is told, and of all others only the end."""
        assert self._process.stderr is not None
        descriptor, rest = self._process.stderr.fileno(), b""
        while data := os.read(descriptor, 1 << 18):
            if len(self._first) > 500:
                self._last.append(data[-2000:])
                continue
            *lines, rest = (rest + data).split(b"\n")
            with self._changed:
                self._first += lines
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def ready(self) -> dict[str, Any]:
        """Return the log line that tells that it serves, with its ports."""
        deadline = time.monotonic() + START_S
        seen = 0
        with self._changed:
            while True:
                for line in self._first[seen:]:
                    if b'"event":"ready"' in line:
                        entry: dict[str, Any] = orjson.loads(line)
                        return entry
                seen = len(self._first)
                if self._ended or not self._changed.wait(deadline - time.monotonic()):
                    told = b"\n".join([*self._first, *self._last])[-3000:].decode(errors="replace")
                    raise BenchFailed(f"{self._name} did not start\n{told}")

    def cpu_s(self) -> float:
        """Return the processor time all its threads have used."""
        return time.clock_gettime((~self.pid << 3) | _CPU_CLOCK_OF_PROCESS)

    def rss_bytes(self) -> int:
        """Return the memory it holds in RAM, shared pages included."""
        resident = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return resident * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._thread.join(STOP_S)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(ProcessLookupError):
            self.stop()


class Job:
    """A process that drives load, does one job, and tells its figures as JSON. Given none, it does what it is asked."""

    def __init__(self, module: str, job: Mapping[str, Any], core: int) -> None:
        self._module = module
        with pinned(core):
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"scripts.bench.{module}"],
                cwd=ROOT,
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        if job:
            self._send(orjson.dumps(job))

    def _send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Have one job of several done, by a process that was given none to begin with."""
        self._send(orjson.dumps(job))
        return self.hear()

    def tell(self) -> None:
        """Send the word that a job in two parts waits for."""
        self._send(b"")

    def hear(self) -> dict[str, Any]:
        """Return the next figures it tells."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise BenchFailed(f"the load generator scripts/bench/{self._module}.py failed (see above)")
        told: dict[str, Any] = orjson.loads(line)
        return told

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *exception: object) -> None:
        if any(exception):
            self.process.kill()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def run_job(module: str, job: Mapping[str, Any], core: int) -> dict[str, Any]:
    """Run a job to its end and return its figures."""
    with Job(module, job, core) as running:
        return running.hear()
