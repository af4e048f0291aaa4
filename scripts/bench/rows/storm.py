"""What a good client feels while a hundred bad ones do their worst."""

import os
from collections.abc import Iterable, Iterator

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import Bench
from scripts.bench.processes import Job
from scripts.bench.storm import MANNERS

BAD_CLIENTS = 100
KINDS = [manner.name for manner in MANNERS]
PAUSE_S = 0.002
_LEAST_URGENT = 19


def storm(bench: Bench) -> Iterator[Result]:
    """The slowest hundredth of a good client's pings, in quiet and in the storm."""
    server = bench.start_daemon(["-m", "cerberod"], keys=False)
    job = server.job(
        "latency", "session.ping", pause_s=PAUSE_S, seconds=max(2.0, 4 * bench.effort.seconds), warmup_s=0.0
    )
    quiet: list[float] = []
    stormy: list[float] = []
    medians: list[float] = []
    calls: list[int] = []
    empty_after: list[float] = []
    told = {}
    for _ in range(bench.effort.rounds // 2):
        quiet.append(bench.load(job)["p99_us"] / 1000)
        bad = {
            "port": server.port,
            "headers": server.headers | {"X-Bot-Tag": "bad"},
            "clients": BAD_CLIENTS,
            "kinds": KINDS,
        }
        with Job("storm", bad, bench.load_core) as raging:
            # The good client shares its core with all bad ones, and is to be measured, not they.
            os.setpriority(os.PRIO_PROCESS, raging.process.pid, _LEAST_URGENT)
            raging.hear()
            figures = bench.load(job)
            stormy.append(figures["p99_us"] / 1000)
            medians.append(figures["p50_us"] / 1000)
            calls.append(figures["calls"])
            raging.tell()
            told = raging.hear()
        empty_after.append(server.wait_until_empty())
    yield result(
        "storm",
        f"session.ping of a good client among {BAD_CLIENTS} bad ones, p99",
        "ms",
        stormy,
        rival=("the same in quiet", quiet),
        goal=Goal(Bound.OURS_AT_MOST, 50),
        notes=[
            f"p50 {_told(medians)} ms, of {_told(calls)} calls; when the storm ends all is quiet again in "
            f"{_told(empty_after)} s"
        ],
        p50_ms=medians,
        calls=calls,
        empty_after_s=empty_after,
        last_storm=told,
    )


def _told(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
