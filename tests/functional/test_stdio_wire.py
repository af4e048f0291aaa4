"""stdio as a wire: kinds of descriptors, odd lines, ends of every kind (faults.md 32, 33)."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from cerberod.clock import SystemClock
from cerberod.ids import Environment
from cerberod.settings import Limits
from cerberod.transport.stdio import Ending, StdioSession, stdio_principal
from tests.support.peers import PipePeer
from tests.support.small import Daemon, principal, small_daemon

REPOSITORY = Path(__file__).resolve().parents[2]


def call(id: int, method: str = "test.subtract", **params: object) -> bytes:
    given = params or {"minuend": 3, "subtrahend": 1}
    return orjson.dumps(
        {"jsonrpc": "2.0", "id": id, "method": method, "params": given if method != "test.wait" else {}}
    )


def difference(id: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": {"difference": 2}}


class Running:
    """A stdio session in this process over pipes."""

    def __init__(self, daemon: Daemon, parent: Any = os.getppid) -> None:
        self.peer = PipePeer()
        self.session = StdioSession(
            self.peer.wire, Limits(), daemon.dispatcher, principal(transport="stdio"), SystemClock(), parent
        )
        self.ending: Ending | None = None

    async def run(self) -> None:
        self.ending = await self.session.run()


async def test_at_the_end_of_input_what_runs_is_answered() -> None:
    daemon, group = small_daemon(), anyio.create_task_group()
    running = Running(daemon)
    async with group:
        daemon.dispatcher.use_lasting(group)
        group.start_soon(running.run)
        await running.peer.send(call(1, "test.wait"))
        await running.peer.send_raw(call(2, "test.write", what="slow", intent="i"))  # no line end
        running.peer.end_input()
        while daemon.bench.waiting < 2:
            await daemon.bench.arrived.wait()
        (view,) = running.session.sessions()
        assert (view.in_flight, view.principal.transport) == (2, "stdio")
        daemon.bench.gate.set()
    assert {orjson.loads(await running.peer.receive())["id"] for _ in range(2)} == {1, 2}
    assert (running.ending, daemon.bench.done) == (Ending.END_OF_INPUT, ["i"])
    running.peer.close()


async def test_a_partial_line_that_is_no_json_is_refused_and_never_run() -> None:
    daemon = small_daemon()
    running = Running(daemon)
    async with anyio.create_task_group() as group:
        group.start_soon(running.run)
        await running.peer.send_raw(call(2, "test.write", what="x", intent="i")[:-1])
        running.peer.end_input()
    assert orjson.loads(await running.peer.receive())["error"]["code"] == -32700
    assert daemon.bench.done == []
    running.peer.close()


async def test_a_line_may_come_in_pieces() -> None:
    running = Running(small_daemon())
    async with anyio.create_task_group() as group:
        group.start_soon(running.run)
        for byte in call(1) + b"\n":
            await running.peer.send_raw(bytes([byte]))
        assert orjson.loads(await running.peer.receive()) == difference(1)
        running.peer.end_input()
    running.peer.close()


async def test_when_nobody_reads_reads_end_and_writes_go_on() -> None:
    daemon = small_daemon()
    running = Running(daemon)
    async with anyio.create_task_group() as lasting:
        daemon.dispatcher.use_lasting(lasting)
        async with anyio.create_task_group() as group:
            group.start_soon(running.run)
            await running.peer.send(call(1, "test.wait"))
            await running.peer.send(call(2, "test.write", what="slow", intent="i"))
            while daemon.bench.waiting < 2:
                await daemon.bench.arrived.wait()
            running.peer.stop_reading()
            await running.peer.send(call(3))
        assert (running.ending, daemon.bench.waiting, daemon.bench.cancelled) == (Ending.READER_GONE, 1, 1)
        daemon.bench.gate.set()
    assert daemon.bench.done == ["i"]
    running.peer.close()


async def test_when_the_parent_is_gone_the_session_ends_as_at_the_end_of_input() -> None:
    parents = iter([7, 1])
    running = Running(small_daemon(), parent=lambda: next(parents))
    await running.peer.send(call(1))
    with anyio.fail_after(60):
        await running.run()
    assert running.ending is Ending.PARENT_GONE
    running.peer.close()


async def test_a_session_can_be_told_to_stop() -> None:
    running = Running(small_daemon())
    async with anyio.create_task_group() as group:
        group.start_soon(running.run)
        await running.peer.send(call(1))
        assert orjson.loads(await running.peer.receive()) == difference(1)
        running.session.stop()
    assert (running.ending, Ending.STOPPED.exit_code) == (Ending.STOPPED, 0)
    running.peer.close()


def test_who_speaks_on_stdio() -> None:
    who = stdio_principal(Environment.MAINNET, "agent")
    assert (who.environment, who.actor, who.bot_tag, who.transport) == ("mainnet", "mainnet", "agent", "stdio")
    assert who.scopes == {"read", "trade"}


PROGRAM = [sys.executable, "-m", "tests.support.stdio_program"]
QUESTIONS = b"\n".join([call(1), b"", call(2) + b"\r", b"x" * 100_000, call(3)])


def check(output: bytes, errors: bytes, exit_code: int = 0) -> None:
    """The wire holds the answers and nothing else; stray prints are on stderr; nothing is traced."""
    answers = [orjson.loads(line) for line in output.splitlines()]
    assert sorted(answers, key=lambda answer: answer["id"] or 0) == [
        {
            "jsonrpc": "2.0",
            "id": None,
            "error": {"code": -32007, "message": "Request too big", "data": {"limit_bytes": 4096}},
        },
        difference(1),
        difference(2),
        difference(3),
    ]
    assert b"a library prints" in errors
    assert b"a C library prints" in errors
    assert b"Traceback" not in errors
    assert exit_code == 0


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", ["pipe", "file", "socket"])
def test_the_same_over_every_kind_of_descriptor(tmp_path: Path, loop: str, kind: str) -> None:
    command = [*PROGRAM, loop]
    if kind == "pipe":
        done = subprocess.run(command, input=QUESTIONS, capture_output=True, timeout=60, cwd=REPOSITORY)
        check(done.stdout, done.stderr, done.returncode)
    elif kind == "file":
        asked, answered = tmp_path / "asked", tmp_path / "answered"
        asked.write_bytes(QUESTIONS)
        with asked.open("rb") as stdin, answered.open("wb") as stdout:
            done = subprocess.run(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=60, cwd=REPOSITORY
            )
        check(answered.read_bytes(), done.stderr, done.returncode)
    else:
        near, far = socket.socketpair()
        with near, far, near.makefile("rb") as answers:
            child = subprocess.Popen(
                command, stdin=far.fileno(), stdout=far.fileno(), stderr=subprocess.PIPE, cwd=REPOSITORY
            )
            far.close()
            near.sendall(QUESTIONS)
            near.shutdown(socket.SHUT_WR)
            output = answers.read()
            _, errors = child.communicate(timeout=60)
        check(output, errors, child.returncode)


def test_nothing_to_read_is_a_clean_end() -> None:
    done = subprocess.run(PROGRAM, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, cwd=REPOSITORY)
    assert (done.stdout, done.returncode) == (b"", 0)


def test_a_terminal_works_like_a_pipe() -> None:
    leader, follower = os.openpty()
    child = subprocess.Popen(PROGRAM, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
    os.close(follower)
    assert child.stdout is not None
    with child.stdout:
        os.write(leader, call(1) + b"\n")
        assert orjson.loads(child.stdout.readline()) == difference(1)
        os.close(leader)
        assert child.wait(timeout=60) == 0


def test_a_closed_stdout_ends_the_process_without_a_trace_and_after_its_writes() -> None:
    child = subprocess.Popen(
        PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.close()
    child.stdin.write(call(1, "test.write", what="x", intent="i") + b"\n")
    child.stdin.flush()
    assert child.wait(timeout=60) == 74  # the input is still open: it ends on its own
    assert child.stderr is not None
    with child.stdin, child.stderr:
        errors = child.stderr.read()
    assert b"done 1 reader_gone" in errors
    assert b"Traceback" not in errors


MIDDLE = """
import os, subprocess, sys
asked, answers = map(int, sys.argv[1:3])
subprocess.Popen(sys.argv[3:], stdin=asked, stdout=answers, stderr=subprocess.DEVNULL)
os.close(answers)
sys.stdin.read()
os._exit(0)
"""


def test_an_orphan_ends_even_while_its_input_stays_open() -> None:
    """The process between us and the program dies; we hold the writing end of the program's input."""
    asked_read, asked_write = os.pipe()
    answers_read, answers_write = os.pipe()
    middle = subprocess.Popen(
        [sys.executable, "-c", MIDDLE, str(asked_read), str(answers_write), *PROGRAM],
        stdin=subprocess.PIPE,
        pass_fds=[asked_read, answers_write],
        cwd=REPOSITORY,
    )
    os.close(answers_write)
    assert middle.stdin is not None
    with os.fdopen(answers_read, "rb") as answers, middle.stdin:
        os.write(asked_write, call(1) + b"\n")
        assert orjson.loads(answers.readline()) == difference(1)
        middle.stdin.close()
        assert middle.wait(timeout=60) == 0
        assert answers.read() == b""  # returns only once the orphan has let go of its stdout
    os.close(asked_read)
    os.close(asked_write)
