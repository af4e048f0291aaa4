"""A signed read of a venue that speaks HTTP: our one transport against the venue's SDK in worker threads."""

from collections.abc import Callable, Iterator

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import Bench
from scripts.bench.processes import Job

READERS = 8


def signed(bench: Bench) -> Iterator[Result]:
    """Processor time of one read: building, signing, sending and reading the answer, by turns on the same core."""
    stub = bench.start(["-m", "scripts.bench.bybit"], core=bench.load_core)
    times = {"readers": READERS, "port": stub.port, "seconds": bench.effort.seconds, "warmup_s": bench.effort.warmup_s}
    rates: dict[str, list[float]] = {"ours": [], "pybit": []}
    with Job("signed", {}, bench.server_core) as job:

        def cost(who: str) -> Callable[[], float]:
            def measure() -> float:
                told = job.ask({**times, "who": who})
                rates[who].append(told["per_s"])
                return float(told["cpu_us"])

            return measure

        ours, theirs = bench.take_turns(cost("ours"), cost("pybit"))
    yield result(
        "signed",
        "a signed read of Bybit, CPU per call",
        "µs",
        ours,
        rival=("pybit in threads", theirs),
        goal=Goal(Bound.OURS_AT_MOST, 300),
        notes=["the client alone: the session, checks, log and audit of a call are in `venue`"],
        per_s=rates["ours"],
        rival_per_s=rates["pybit"],
        readers=READERS,
    )
