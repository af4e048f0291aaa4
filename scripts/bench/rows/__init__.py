"""The rows of the table: each measures one thing, says against whom, and what it is to reach."""

from collections.abc import Callable, Iterable, Mapping

from scripts.bench.figures import Result
from scripts.bench.plan import Bench
from scripts.bench.rows import analytics, audit, calls, chains, hammered, processes, signed, storm, venue

Row = Callable[[Bench], Iterable[Result]]

ROWS: Mapping[str, Row] = {
    "throughput": calls.throughput,
    "latency": calls.latency,
    "http": calls.http,
    "venue": venue.read,
    "write": venue.write,
    "signed": signed.signed,
    "cold": processes.cold,
    "memory": processes.memory,
    "audit": audit.audit,
    "storm": storm.storm,
    "options": analytics.options,
    "indicators": analytics.indicators,
    "series": analytics.series,
    "chains": chains.chains,
    "hammered": hammered.hammered,
}
"""In the order of the table; the names are those of `--only`."""
