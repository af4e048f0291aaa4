"""The whole call of a small method: against a bare WebSocket echo, and against the same tool as a web service."""

from collections.abc import Callable, Iterator

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import RIVALS, Bench, Server

SESSIONS = 64
METHOD = "session.ping"
ECHO = "bare websockets echo"
FASTAPI = "FastAPI, uvicorn, httptools"
_TOO_BUSY = 0.9


class _Rate:
    """Measures calls per second and remembers how busy the load generator was."""

    def __init__(self, bench: Bench) -> None:
        self.busiest = 0.0
        self._bench = bench

    def of(self, server: Server, wire: str = "websocket") -> Callable[[], float]:
        def measure() -> float:
            told = self._bench.load(server.job("throughput", METHOD, sessions=SESSIONS, wire=wire))
            self.busiest = max(self.busiest, told["busy"])
            return float(told["per_s"])

        return measure

    def notes(self) -> list[str]:
        if self.busiest < _TOO_BUSY:
            return []
        return [f"the load generator used {self.busiest:.0%} of its core: the faster side may be faster still"]


def _median_latency(bench: Bench, server: Server, wire: str = "websocket") -> Callable[[], float]:
    def measure() -> float:
        return float(bench.load(server.job("latency", METHOD, wire=wire))["p50_us"])

    return measure


def throughput(bench: Bench) -> Iterator[Result]:
    """Calls per second with many sessions, one call in flight on each."""
    rate = _Rate(bench)
    ours, rival = bench.take_turns(rate.of(bench.daemon), rate.of(bench.echo))
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
        notes=[
            f"the load generator drives {ceiling:.0f} calls/s against a server that reads nothing; here it "
            f"was busy {rate.busiest:.0%} of the time at most",
            *rate.notes(),
        ],
        load_busy=rate.busiest,
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
    rate = _Rate(bench)
    ours, rival = bench.take_turns(rate.of(bench.daemon), rate.of(bench.fastapi, "http"))
    yield result(
        "http",
        f"{METHOD}, {SESSIONS} sessions",
        "calls/s",
        ours,
        rival=(FASTAPI, rival),
        goal=Goal(Bound.RATIO_AT_LEAST, 8),
        more_is_better=True,
        notes=rate.notes(),
        load_busy=rate.busiest,
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
