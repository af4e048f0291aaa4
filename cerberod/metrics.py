"""What happened so far, counted, in the form Prometheus reads.

Counting is a dictionary entry a call; the text is made only when somebody asks for it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from cerberod.rpc.dispatch import Finished

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Gauges = Callable[[], Mapping[str, tuple[str, float]]]
"""Reads the present: name to (help, value)."""


class Metrics(Collector):
    """Counts calls as they finish and reads everything else when asked."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges
        self._calls: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._upstream: dict[str, tuple[int, float]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def finished(self, finished: Finished) -> None:
        """Count one call. Names that are no method share one label, so that no caller can grow this."""
        name = finished.method.name if finished.method is not None else "unknown"
        key = (name, finished.call.principal.environment.value, finished.code)
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

    def render(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        calls = CounterMetricFamily(
            "cerberod_calls", "Calls finished, by code (0: a result).", labels=("method", "environment", "code")
        )
        for (name, environment, code), count in self._calls.items():
            calls.add_metric((name, environment, str(code)), count)
        yield calls
        duration = HistogramMetricFamily("cerberod_call_duration_seconds", "Time of a call.", labels=("method",))
        for name, buckets in self._buckets.items():
            duration.add_metric((name,), list(_cumulated(buckets)), self._seconds[name])
        yield duration
        upstream = CounterMetricFamily("cerberod_upstream_calls", "Requests sent upstream.", labels=("method",))
        waited = CounterMetricFamily("cerberod_upstream_seconds", "Time spent upstream.", labels=("method",))
        for name, (count, seconds) in self._upstream.items():
            upstream.add_metric((name,), count)
            waited.add_metric((name,), seconds)
        yield upstream
        yield waited
        for name, (text, value) in self._gauges().items():
            gauge = GaugeMetricFamily(f"cerberod_{name}", text)
            gauge.add_metric((), value)
            yield gauge


def _cumulated(buckets: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*BOUNDS_S, float("inf")), buckets, strict=True):
        total += count
        yield ("+Inf" if bound == float("inf") else str(bound), total)
