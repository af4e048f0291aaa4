"""Calls that go on to a venue: what the daemon spends on a read, and what recording adds to a write.

The venue is ours and answers at once; it shares the load's core, so that its cost is nobody's here.
"""

import os
import time
from collections.abc import Callable, Iterator
from statistics import median

from scripts.bench.figures import Bound, Goal, Result, result
from scripts.bench.plan import RIVALS, UNBOUNDED, Bench, Server
from scripts.bench.venue import INSTRUMENT

READ = "deribit.get_index_price"
READERS = 8
_COMMIT_BYTES = 5 * 4096
"""What the journal writes of one commit, in a log that it begins anew after so many."""
_COMMITS_OF_A_LOG = 200
ORDER = {"instrument_name": INSTRUMENT, "side": "buy", "amount": "10", "price": "60000.5", "post_only": True}


def _learn_limits(bench: Bench, server: Server) -> None:
    """Let the daemon hear that this account may ask as often as it likes; else its limiter would be measured."""
    asked = [{"currency": "BTC"}]
    bench.load(server.job("latency", "deribit.get_account_summary", params=asked, seconds=5, warmup_s=0, most=1))


def read(bench: Bench) -> Iterator[Result]:
    """Processor time of the daemon for one read: session, checks, log, audit and the venue's answer, all of it."""
    _learn_limits(bench, bench.daemon)
    # Each reader asks for another index: equal reads in flight would be one request.
    params = [{"index_name": f"coin{number}_usd"} for number in range(READERS)]
    job = bench.daemon.job("throughput", READ, sessions=READERS, params=params)
    costs, rates = [], []
    for _ in range(bench.effort.rounds):
        before = bench.daemon.child.cpu_s()
        told = bench.load(job)
        costs.append((bench.daemon.child.cpu_s() - before) / told["calls"] * 1e6)
        rates.append(told["per_s"])
    yield result(
        "venue",
        f"{READ}, CPU per call",
        "µs",
        costs,
        goal=Goal(Bound.OURS_AT_MOST, 300),
        per_s=rates,
        readers=READERS,
    )


def write(bench: Bench) -> Iterator[Result]:
    """Time that journal and audit add to an order, as its caller sees it."""
    recorded = bench.start_daemon(["-m", "cerberod"], keys=True, **UNBOUNDED)
    unrecorded = bench.start_daemon([str(RIVALS / "unrecorded.py")], keys=True, **UNBOUNDED)
    for server in (recorded, unrecorded):
        _learn_limits(bench, server)

    def order(server: Server) -> Callable[[], float]:
        most = bench.effort.orders
        job = server.job("latency", "deribit.place_order", params=[ORDER], seconds=20, warmup_s=0.1, most=most)
        return lambda: float(bench.load(job)["p50_us"]) / 1000

    ours, rival = bench.take_turns(order(recorded), order(unrecorded))
    sync = _sync_ms(bench)
    yield result(
        "write",
        "journal and audit of an order, added to p50",
        "ms",
        [mine - other for mine, other in zip(ours, rival, strict=True)],
        goal=Goal(Bound.OURS_AT_MOST, 1.0),
        notes=[
            "the same order through the same daemon made to record nothing is what is subtracted",
            f"a write is recorded twice, by one sync of the journal each time: two of {sync:.2f} ms on this disk",
            "the audit's own file is synced after the answer; until then the journal keeps its lines",
        ],
        sync_ms=sync,
        recorded_ms=ours,
        unrecorded_ms=rival,
    )


def _sync_ms(bench: Bench) -> float:
    """Return how long the disk takes to make one commit durable in a file that does not grow, the median of many."""
    times = []
    with (bench.folder / "synced").open("wb", buffering=0) as file:
        file.write(bytes(_COMMIT_BYTES * _COMMITS_OF_A_LOG))
        os.fsync(file.fileno())
        for number in range(bench.effort.orders):
            os.pwrite(file.fileno(), bytes(_COMMIT_BYTES), number % _COMMITS_OF_A_LOG * _COMMIT_BYTES)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    return median(times)
