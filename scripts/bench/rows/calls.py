"""The whole call of a small method: against a bare WebSocket echo, and against the same tool as a web service."""

from collections.abc import Callable, Iterator
from statistics import median

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import RIVALS, Bench, Server

SESSIONS = 64
METHOD = "session.ping"
ECHO = "bare websockets echo"
FASTAPI = "FastAPI, uvicorn, httptools"
_TOO_BUSY = 0.9
_SATURATED = 0.8


class _Rate:
    """Measures calls per second of one server, its processor time for each, and how busy the load generator was."""

    def __init__(self, bench: Bench, server: Server, wire: str = "websocket") -> None:
        self.busiest = 0.0
        self.cpu_us: list[float] = []
        self.shares: list[float] = []
        """The part of its core that the server had, round by round."""
        self._bench = bench
        self._server = server
        self._wire = wire

    def __call__(self) -> float:
        before = self._server.child.cpu_s()
        told = self._bench.load(self._server.job("throughput", METHOD, sessions=SESSIONS, wire=self._wire))
        self.cpu_us.append((self._server.child.cpu_s() - before) / told["calls"] * 1e6)
        self.shares.append(self.cpu_us[-1] * told["per_s"] / 1e6)
        self.busiest = max(self.busiest, told["busy"])
        return float(told["per_s"])

    @property
    def starved(self) -> bool:
        """Whether the server was idle or held up for much of the time: its rate is then not its own."""
        return median(self.shares) < _SATURATED


def _told(ours: _Rate, rival: _Rate) -> list[str]:
    mine, theirs = median(ours.cpu_us), median(rival.cpu_us)
    notes = [f"processor time of the server for one call: ours {mine:.0f} µs, rival {theirs:.0f} µs"]
    if ours.starved or rival.starved:
        notes.append(
            f"of its core our server had {median(ours.shares):.0%} and the rival {median(rival.shares):.0%}: something "
            "else ran on this machine, and the ratio says nothing; compare processor times"
        )
    busiest = max(ours.busiest, rival.busiest)
    if busiest > _TOO_BUSY:
        notes.append(f"the load generator used {busiest:.0%} of its core: the faster side may be faster still")
    return notes


def _median_latency(bench: Bench, server: Server, wire: str = "websocket") -> Callable[[], float]:
    def measure() -> float:
        return float(bench.load(server.job("latency", METHOD, wire=wire))["p50_us"])

    return measure


def throughput(bench: Bench) -> Iterator[Result]:
    """Calls per second with many sessions, one call in flight on each."""
    mine, theirs = _Rate(bench, bench.daemon), _Rate(bench, bench.echo)
    ours, rival = bench.take_turns(mine, theirs)
    unread = bench.start([str(RIVALS / "ceiling.py")])
    job = unread.job("throughput", METHOD, sessions=SESSIONS, ring=1)
    ceiling = max(float(bench.load(job)["per_s"]) for _ in range(3))
    yield result(
        "throughput",
        f"{METHOD}, {SESSIONS} sessions",
        "calls/s",
        ours,
        rival=(ECHO, rival),
        goal=Goal(Bound.RATIO_AT_LEAST, 0.55),
        more_is_better=True,
        doubtful=mine.starved or theirs.starved,
        notes=[
            f"the load generator drives {ceiling:.0f} calls/s against a server that reads nothing; here it was busy "
            f"{max(mine.busiest, theirs.busiest):.0%} of the time at most",
            *_told(mine, theirs),
        ],
        cpu_us=mine.cpu_us,
        rival_cpu_us=theirs.cpu_us,
        load_busy=max(mine.busiest, theirs.busiest),
        load_ceiling_per_s=ceiling,
    )


def latency(bench: Bench) -> Iterator[Result]:
    """Time of a call when nothing else runs."""
    ours, rival = bench.take_turns(_median_latency(bench, bench.daemon), _median_latency(bench, bench.echo))
    yield result(
        "latency",
        f"{METHOD}, one in flight, p50",
        "µs",
        ours,
        rival=(ECHO, rival),
        goal=Goal(Bound.RATIO_AT_MOST, 1.4),
    )


def http(bench: Bench) -> Iterator[Result]:
    """The same tool as a web service over keep-alive connections."""
    mine, theirs = _Rate(bench, bench.daemon), _Rate(bench, bench.fastapi, "http")
    ours, rival = bench.take_turns(mine, theirs)
    yield result(
        "http",
        f"{METHOD}, {SESSIONS} sessions",
        "calls/s",
        ours,
        rival=(FASTAPI, rival),
        goal=Goal(Bound.RATIO_AT_LEAST, 8),
        more_is_better=True,
        doubtful=mine.starved or theirs.starved,
        notes=_told(mine, theirs),
        cpu_us=mine.cpu_us,
        rival_cpu_us=theirs.cpu_us,
        load_busy=max(mine.busiest, theirs.busiest),
    )
    ours, rival = bench.take_turns(_median_latency(bench, bench.daemon), _median_latency(bench, bench.fastapi, "http"))
    yield result(
        "http",
        f"{METHOD}, one in flight, p50",
        "µs",
        ours,
        rival=(FASTAPI, rival),
        goal=Goal(Bound.RATIO_AT_MOST, 1 / 3),
    )
