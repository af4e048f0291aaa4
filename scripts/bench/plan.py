"""What every row is given: cores, durations, and servers started when first needed and stopped in the end."""

import re
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from scripts.bench.processes import BenchFailed, Child, Job, run_job

RIVALS = Path(__file__).parent / "rivals"
EMPTY_S = 30.0
UNBOUNDED = {"LIMIT_COST_SOFT": "100000000", "LIMIT_COST_HARD": "200000000"}
"""Settings under which no bot's budget slows what is measured."""
_SESSIONS = re.compile(rb"^cerberod_sessions(?:\{.*\})? (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long things are measured."""

    rounds: int
    seconds: float
    warmup_s: float
    orders: int
    """Orders of one round."""
    storms: int
    """How often all sessions call for a while."""
    audit_records: int


FULL = Effort(rounds=5, seconds=1.5, warmup_s=0.3, orders=300, storms=4, audit_records=1_000_000)
QUICK = Effort(rounds=3, seconds=0.4, warmup_s=0.1, orders=60, storms=3, audit_records=50_000)


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load, and how it is called."""

    child: Child
    port: int
    http_port: int
    headers: dict[str, str]

    def job(self, kind: str, method: str, **more: Any) -> dict[str, Any]:
        """Return a job for the load generator."""
        base = {"kind": kind, "wire": "websocket", "port": self.port, "headers": self.headers, "method": method}
        return base | more

    def wait_until_empty(self) -> float:
        """Wait until a daemon has noticed that all have gone; return the seconds it took."""
        started = time.monotonic()
        while time.monotonic() < started + EMPTY_S:
            with urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=EMPTY_S) as response:
                open_sessions = [float(count) for count in _SESSIONS.findall(response.read())]
                if open_sessions and not any(open_sessions):
                    return time.monotonic() - started
            time.sleep(0.05)
        raise BenchFailed(f"sessions are still open {EMPTY_S:g} s after their clients have gone")


class Bench:
    """One run of the benchmark. Rows share servers where idle ones do not disturb."""

    def __init__(self, effort: Effort, cores: list[int], stack: ExitStack) -> None:
        self.effort = effort
        self.server_core, self.load_core = cores[0], cores[-1]
        self.stack = stack
        # Records are to meet a disk: /tmp may be memory.
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cerberod-bench-", dir="/var/tmp")))

    def tell(self, text: str) -> None:
        """Tell the operator how far it is."""
        sys.stderr.write(f"==> {text}\n")
        sys.stderr.flush()

    def load(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run the load generator, with this run's durations where the job names none."""
        times = {"seconds": self.effort.seconds, "warmup_s": self.effort.warmup_s}
        return run_job("load", times | job, self.load_core)

    def take_turns(self, ours: Callable[[], float], rival: Callable[[], float]) -> tuple[list[float], list[float]]:
        """Measure both in turn; who begins changes, so that a drift of the machine favours nobody."""
        mine: list[float] = []
        theirs: list[float] = []
        for number in range(self.effort.rounds):
            turns = [(mine, ours), (theirs, rival)]
            for values, measure in turns if number % 2 == 0 else reversed(turns):
                values.append(measure())
        return mine, theirs

    # -- servers -------------------------------------------------------------------------------------------------------

    @cached_property
    def venue(self) -> Server:
        """The venue at the end of every daemon here, beside the load: its time is not the daemon's."""
        return self.start(["-m", "scripts.bench.venue"], core=self.load_core)

    @cached_property
    def daemon(self) -> Server:
        """The daemon that most rows call."""
        return self.start_daemon(["-m", "cerberod"], keys=True, **UNBOUNDED)

    @cached_property
    def contests(self) -> Job:
        """Where calculations are timed: one process, for it takes seconds to import what ours are measured against."""
        return self.stack.enter_context(Job("contests", {}, self.server_core))

    @cached_property
    def echo(self) -> Server:
        return self.start([str(RIVALS / "echo.py")])

    @cached_property
    def fastapi(self) -> Server:
        token = secrets.token_urlsafe(32)
        return self.start([str(RIVALS / "fastapi_ping.py"), token], headers=_headers(token))

    def start(self, arguments: list[str], *, core: int | None = None, headers: dict[str, str] | None = None) -> Server:
        """Start something that tells its port."""
        core = self.server_core if core is None else core
        child = self.stack.enter_context(Child(arguments, {}, core, self.folder))
        return Server(child, child.ready()["port"], 0, headers or {})

    def start_daemon(self, arguments: list[str], *, keys: bool, **settings: str) -> Server:
        """Start a daemon on a folder of its own; further settings by their names."""
        token = secrets.token_urlsafe(32)
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        environment = self.daemon_environment(folder, token, keys=keys) | settings
        child = self.stack.enter_context(Child([*arguments, "serve"], environment, self.server_core, folder))
        ready = child.ready()
        return Server(child, ready["port"], ready["http_port"], _headers(token))

    def daemon_environment(self, folder: Path, token: str, *, keys: bool) -> dict[str, str]:
        """Return the settings of a daemon whose only venue is ours."""
        settings = {
            "STATE_DIR": str(folder / "state"),
            "PORT": "0",
            "HTTP_PORT": "0",
            "TESTNET_TOKEN": token,
            "DERIBIT_URL_TESTNET": f"ws://127.0.0.1:{self.venue.port}/ws/api/v2",
        }
        if keys:
            settings |= {
                "DERIBIT_CLIENT_ID_TESTNET": "benchkey",
                "DERIBIT_CLIENT_SECRET_TESTNET": secrets.token_urlsafe(32),
            }
        return settings


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-Bot-Tag": "bench"}
