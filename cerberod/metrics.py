"""What happened so far, counted, in the form Prometheus reads.

Counting is a dictionary entry a call; the text is made only when somebody asks for it. No caller can make this grow:
names that are no method share one label, and so do bots beyond a bound.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from cerberod.rpc.dispatch import Finished

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_BOTS = 64
OTHER_BOTS = "other"

Present = Callable[[], Iterable[Metric]]
"""Reads what is so at this moment."""


class Metrics(Collector):
    """Counts calls as they finish and reads everything else when asked."""

    def __init__(self, present: Present) -> None:
        self._present = present
        self._calls: dict[tuple[str, str, str, int], int] = {}
        self._bots: dict[str, str] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._upstream: dict[str, tuple[int, float]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(namespace="cerberod", registry=self._registry)

    def finished(self, finished: Finished) -> None:
        """Count one call."""
        name = finished.method.name if finished.method is not None else "unknown"
        principal = finished.call.principal
        bot = self._bots.get(principal.bot_tag) or self._label(principal.bot_tag)
        key = (name, principal.environment.value, bot, finished.code)
        self._calls[key] = self._calls.get(key, 0) + 1
        buckets = self._buckets.get(name)
        if buckets is None:
            buckets = self._buckets[name] = [0] * (len(BOUNDS_S) + 1)
        buckets[bisect_left(BOUNDS_S, finished.duration_s)] += 1
        self._seconds[name] = self._seconds.get(name, 0.0) + finished.duration_s
        tally = finished.call.tally
        if tally.calls:
            calls, seconds = self._upstream.get(name, (0, 0.0))
            self._upstream[name] = (calls + tally.calls, seconds + tally.seconds)

    def _label(self, bot_tag: str) -> str:
        """Give a bot a label of its own while there are few of them. The tag may itself be what the rest is called."""
        if len(self._bots) >= MAX_BOTS:
            return OTHER_BOTS
        return self._bots.setdefault(bot_tag, bot_tag)

    def render(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        yield from self._call_counts()
        duration = HistogramMetricFamily("cerberod_call_duration_seconds", "Time of a call.", labels=("method",))
        for name, buckets in self._buckets.items():
            duration.add_metric((name,), list(cumulated(BOUNDS_S, buckets)), self._seconds[name])
        yield duration
        upstream = CounterMetricFamily("cerberod_upstream_calls", "Requests sent upstream.", labels=("method",))
        waited = CounterMetricFamily("cerberod_upstream_seconds", "Time spent upstream.", labels=("method",))
        for name, (count, seconds) in self._upstream.items():
            upstream.add_metric((name,), count)
            waited.add_metric((name,), seconds)
        yield upstream
        yield waited
        yield from self._present()

    def _call_counts(self) -> Iterator[Metric]:
        """Count the same calls by method and by bot: both at once would be more series than anybody reads."""
        by_method: Counter[tuple[str, str, str]] = Counter()
        by_bot: Counter[tuple[str, str, str]] = Counter()
        for (name, environment, bot, code), count in self._calls.items():
            by_method[name, environment, str(code)] += count
            by_bot[bot, environment, str(code)] += count
        labels = ("environment", "code")
        calls = CounterMetricFamily(
            "cerberod_calls", "Calls finished, by code (0: a result).", labels=("method", *labels)
        )
        bots = CounterMetricFamily(
            "cerberod_bot_calls", "The same calls by bot tag; beyond the first 64, other.", labels=("bot_tag", *labels)
        )
        for family, counts in ((calls, by_method), (bots, by_bot)):
            for values, count in counts.items():
                family.add_metric(values, count)
            yield family


def cumulated(bounds: Sequence[float], counts: Iterable[int]) -> Iterator[tuple[str, float]]:
    """Turn counts between bounds into Prometheus' counts up to each bound."""
    total = 0
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        total += count
        yield (bound, total)
