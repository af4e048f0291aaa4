"""The daemon as a process: how soon it answers, and how much memory it takes."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import orjson

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.machine import ROOT
from scripts.bench.plan import RIVALS, Bench
from scripts.bench.processes import BenchFailed, Job, pinned

PING = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "session.ping"}) + b"\n"
INITIALIZE = (
    orjson.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"},
            },
        }
    )
    + b"\n"
)
SESSIONS = 1000
SETTLE_S = 1.0
MIB, KIB = 1 << 20, 1 << 10


def _first_answer(arguments: list[str], asked: bytes, environment: Mapping[str, str], core: int) -> float:
    """Start a process with its first question waiting, and return the seconds until it has answered."""
    started = time.perf_counter()
    with pinned(core):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(asked)
    process.stdin.flush()
    answer = process.stdout.readline()
    seconds = time.perf_counter() - started
    process.stdin.close()
    process.stdout.close()
    process.wait()
    if b'"result":' not in answer:
        raise BenchFailed(f"{arguments} answered {answer[:500]!r}")
    return seconds


def cold(bench: Bench) -> Iterator[Result]:
    """Time until a process started by an agent has answered for the first time; files are in the cache."""

    def ours() -> float:
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            environment = bench.daemon_environment(Path(folder), "", keys=False)
            arguments = ["-m", "cerberod", "stdio", "--env", "testnet", "--bot-tag", "bench"]
            return _first_answer(arguments, PING, environment, bench.server_core)

    def rival() -> float:
        return _first_answer([str(RIVALS / "mcp_minimal.py")], INITIALIZE, {}, bench.server_core)

    for start in (ours, rival):  # the first start may compile
        start()
    mine, theirs = bench.take_turns(ours, rival)
    yield result(
        "cold",
        "first answer on stdio, cold process",
        "s",
        mine,
        rival=("minimal MCP server", theirs),
        goal=Goal(Bound.OURS_AT_MOST, 0.6),
        notes=["ours answers session.ping, with journal and audit open; the rival only its handshake, `initialize`"],
    )


def memory(bench: Bench) -> Iterator[Result]:
    """Memory of an idle daemon, of its idle sessions, and before, during and after many of them calling."""
    server = bench.start_daemon(["-m", "cerberod"], keys=False)
    time.sleep(SETTLE_S)
    resident = server.child.rss_bytes
    idle = resident()
    yield result("memory", "idle daemon without keys", "MiB", [idle / MIB], goal=Goal(Bound.OURS_AT_MOST, 120))

    job = server.job("hold", "session.ping", sessions=SESSIONS, seconds=2 * bench.effort.seconds)
    each: list[float] = []
    during: list[float] = []
    after: list[float] = []
    for _ in range(bench.effort.storms):
        before = resident()
        with Job("load", job, bench.load_core) as storm:
            storm.hear()
            time.sleep(SETTLE_S)
            each.append((resident() - before) / SESSIONS)
            storm.tell()
            storm.hear()
            during.append(resident())
            storm.tell()
            storm.hear()
        server.wait_until_empty()
        time.sleep(SETTLE_S)
        after.append(resident())
    yield result(
        "memory",
        f"each idle session of {SESSIONS}",
        "KiB",
        [each[0] / KIB],
        goal=Goal(Bound.OURS_AT_MOST, 20),
        notes=["of the first thousand; later ones find memory that earlier ones have left"],
        later_kib=[size / KIB for size in each[1:]],
    )
    yield result(
        "memory",
        f"growth after {SESSIONS} sessions called, storm by storm",
        "MiB",
        [(later - earlier) / MIB for earlier, later in pairwise(after)],
        goal=Goal(Bound.OURS_AT_MOST, 1),
        notes=[
            f"before {idle / MIB:.0f} MiB; during {_told(during)} MiB; after {_told(after)} MiB; every answer a result"
        ],
        before_mib=idle / MIB,
        during_mib=[size / MIB for size in during],
        after_mib=[size / MIB for size in after],
    )


def _told(sizes: list[float]) -> str:
    return ", ".join(f"{size / MIB:.1f}" for size in sizes)
