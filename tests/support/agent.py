"""An agent that spawns `cerberod stdio` and talks in lines; it checks every answer as the WebSocket client does."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.client import ANSWER_S, Refused, check_reply, check_request
from tests.support.command import ENDS_S, Cerberod

MAX_LINE = 16 << 20


class Agent:
    """One caller on stdin and stdout of a child process."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._next_id = 0

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call and return the result. Raises `Refused`."""
        check_request(method, params or {})
        self._next_id += 1
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": dict(params or {})}
        assert self.process.stdin is not None
        await self.process.stdin.send(orjson.dumps(request) + b"\n")
        try:
            with anyio.fail_after(ANSWER_S):
                reply = orjson.loads(await self._lines.receive_until(b"\n", MAX_LINE))
        except anyio.IncompleteRead:
            assert self.process.stderr is not None
            told = b"".join([part async for part in self.process.stderr])
            raise AssertionError(f"it ended without an answer: {told!r}") from None
        assert reply["id"] == self._next_id, reply
        check_reply(method, reply)
        if "error" in reply:
            raise Refused(reply["error"])
        result: dict[str, Any] = reply["result"]
        return result

    async def end(self) -> bytes:
        """End its input, see it end well, and return what it said on stderr."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        await self.process.stdin.aclose()
        with anyio.fail_after(ENDS_S):
            told = b"".join([part async for part in self.process.stderr])
            assert await self.process.wait() == 0, told
        assert not self._lines.buffer, "more on stdout than was asked for"
        assert b"Traceback" not in told, told
        return told


@asynccontextmanager
async def agent(cerberod: Cerberod, *words: str, **settings: str) -> AsyncIterator[Agent]:
    """Run `cerberod stdio` with these words for the length of the block; one that still runs then is killed."""
    async with await anyio.open_process(
        [sys.executable, "-m", "cerberod", "stdio", *words],
        cwd=cerberod.folder / "work",
        env={**cerberod.settings, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Agent(process)
        finally:
            if process.returncode is None:
                process.kill()
