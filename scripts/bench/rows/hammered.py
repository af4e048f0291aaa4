"""What a session that only pings feels while eight others have the heaviest calculations made."""

from collections.abc import Iterator

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import UNBOUNDED, Bench
from scripts.bench.processes import Job

PAUSE_S = 0.002


def hammered(bench: Bench) -> Iterator[Result]:
    """The slowest thousandth of pings, in quiet and under the load: it holds whatever held the loop meanwhile."""
    # Their bots' budgets would slow the calculations down, which is what they are for; here they are to press on.
    server = bench.start_daemon(["-m", "cerberod"], keys=False, **UNBOUNDED)
    seconds = max(3.0, 8 * bench.effort.seconds)
    job = server.job("latency", "session.ping", pause_s=PAUSE_S, seconds=seconds, warmup_s=0.0)
    quiet: list[float] = []
    under: list[float] = []
    medians: list[float] = []
    answers: list[object] = []
    for _ in range(bench.effort.rounds // 2):
        quiet.append(bench.load(job)["p999_us"] / 1000)
        with Job("hammer", {"port": server.port, "headers": server.headers}, bench.load_core) as heavy:
            heavy.hear()
            figures = bench.load(job)
            heavy.tell()
            answers.append(heavy.hear()["answers"])
        under.append(figures["p999_us"] / 1000)
        medians.append(figures["p50_us"] / 1000)
    yield result(
        "hammered",
        "session.ping beside 8 sessions with the heaviest common.* calls, p99.9",
        "ms",
        under,
        rival=("the same in quiet", quiet),
        goal=Goal(Bound.OURS_AT_MOST, 20),
        notes=[
            f"p50 {', '.join(f'{each:.3g}' for each in medians)} ms; the client's own waiting and the way there and "
            "back are in it"
        ],
        p50_ms=medians,
        answers=answers,
    )
