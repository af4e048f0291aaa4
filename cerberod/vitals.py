"""The daemon's signs of life in the form Prometheus reads: what is so at the moment of asking, and a few totals.

Only parts that exist are asked, so that a daemon that still starts can be watched too. Units are seconds and bytes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from cerberod.clock import Clock
from cerberod.ids import Environment
from cerberod.lag import BOUNDS_S, LoopLag
from cerberod.logs import LogSink
from cerberod.metrics import cumulated
from cerberod.rpc.dispatch import Dispatcher
from cerberod.trading.recording import Recorder
from cerberod.trading.resolving import Resolver
from cerberod.transport.sessions import SessionView
from cerberod.venues.health import VenueStatus

_Family = TypeVar("_Family", GaugeMetricFamily, CounterMetricFamily)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"cerberod_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"cerberod_{name}", text, value=value)


def _filled(family: _Family, samples: Iterable[tuple[tuple[str, ...], float]]) -> _Family:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def of_build(version: str, git_sha: str, phase: str) -> Iterator[Metric]:
    """Tell what runs, and whether it serves."""
    info = GaugeMetricFamily("cerberod_build_info", "Always 1; what runs.", labels=("version", "git_sha"))
    yield _filled(info, [((version, git_sha), 1.0)])
    yield _gauge("ready", "1 while calls are served.", float(phase == "ready"))


def of_loop(lag: LoopLag) -> Iterator[Metric]:
    """Tell how late the event loop is."""
    family = HistogramMetricFamily("cerberod_loop_lag_seconds", "How much later than asked a timer was woken.")
    family.add_metric((), list(cumulated(BOUNDS_S, lag.counts)), lag.total_s)
    yield family
    yield _gauge("loop_lag_worst_seconds", "The longest such delay since the start.", lag.worst_s)


def of_sessions(sessions: Iterable[SessionView]) -> Iterator[Metric]:
    """Tell how many sessions there are and what waits in their outboxes."""
    views = list(sessions)
    counts = {environment.value: 0 for environment in Environment}
    for view in views:
        counts[view.principal.environment.value] += 1
    family = GaugeMetricFamily("cerberod_sessions", "Open sessions.", labels=("environment",))
    yield _filled(family, (((name,), float(count)) for name, count in counts.items()))
    yield _gauge("outbox_messages", "Answers waiting for slow readers.", sum(view.outbox_messages for view in views))
    yield _gauge("outbox_bytes", "Bytes of those answers.", sum(view.outbox_bytes for view in views))
    yield _gauge(
        "outbox_longest_messages",
        "Answers waiting for the slowest of them.",
        max((view.outbox_messages for view in views), default=0),
    )


def of_calls(dispatcher: Dispatcher, clock: Clock) -> Iterator[Metric]:
    """Tell what runs, what was no call, and which bots ask too much."""
    effects = Counter(running.effect.value for running in dispatcher.running.values())
    family = GaugeMetricFamily("cerberod_calls_running", "Calls in progress.", labels=("effect",))
    yield _filled(family, (((name,), float(effects[name])) for name in ("read", "write", "admin")))
    malformed = CounterMetricFamily("cerberod_messages_malformed", "Messages that were no call.", labels=("code",))
    yield _filled(malformed, (((str(code),), float(count)) for code, count in dispatcher.malformed.items()))
    now = clock.monotonic()
    debts = [(budget.debt(now), budget.limits) for _, budget in dispatcher.budgets]
    slowed = sum(debt > limits.soft for debt, limits in debts)
    yield _gauge("bots_slowed", "Bots whose debt is above the soft limit.", slowed)
    yield _gauge("bots_refused", "Bots whose debt is above the hard limit.", sum(d > each.hard for d, each in debts))
    yield _gauge("bot_debt_largest", "The largest debt of a bot.", max((debt for debt, _ in debts), default=0.0))


def of_records(recorder: Recorder, resolver: Resolver) -> Iterator[Metric]:
    """Tell whether records reach the disk, how late they are, and which writes have no known outcome."""
    found = recorder.statistics()
    yield _gauge("recording_healthy", "1 while records can be made durable.", float(found.healthy))
    family = GaugeMetricFamily("cerberod_records_queued", "Records not yet durable.", labels=("kind",))
    queued = {"write": found.waiting, "read": found.reads_waiting, "owed": found.owed}
    yield _filled(family, (((kind,), float(count)) for kind, count in queued.items()))
    yield _gauge("audit_lag_seconds", "Age of the oldest record that is not yet durable.", found.lag_s)
    yield _gauge("last_commit_seconds", "Time of the last commit.", found.last_commit_ms / 1000)
    yield _counter("commits", "Commits.", found.commits)
    yield _counter("records", "Records made durable.", found.records)
    yield _counter("records_dropped", "Records of reads that were never written.", found.dropped)
    open_writes = Counter(pursuit.entry.environment for pursuit in resolver.pursuits.values())
    unresolved = GaugeMetricFamily(
        "cerberod_unresolved_outcomes", "Writes whose outcome is not known.", labels=("environment",)
    )
    yield _filled(unresolved, (((each.value,), float(open_writes[each.value])) for each in Environment))


def of_venues(statuses: Iterable[VenueStatus]) -> Iterator[Metric]:
    """Tell how each venue is reached."""
    labels = ("venue", "environment")
    healthy = GaugeMetricFamily("cerberod_venue_healthy", "1 while the venue can be used.", labels=labels)
    latency = GaugeMetricFamily("cerberod_venue_latency_seconds", "Round trip of its last answer.", labels=labels)
    offset = GaugeMetricFamily("cerberod_venue_clock_offset_seconds", "Its clock minus ours.", labels=labels)
    lost = CounterMetricFamily("cerberod_venue_reconnects", "Connections lost.", labels=labels)
    late = CounterMetricFamily("cerberod_venue_late_answers", "Answers nobody waited for any more.", labels=labels)
    credits = GaugeMetricFamily(
        "cerberod_venue_credits_left", "Requests it would take at once, by class.", labels=(*labels, "class")
    )
    for status in statuses:
        at = (status.exchange, status.env.value)
        healthy.add_metric(at, float(status.healthy))
        if status.latency_ms is not None:
            latency.add_metric(at, status.latency_ms / 1000)
        if status.offset_ms is not None:
            offset.add_metric(at, status.offset_ms / 1000)
        lost.add_metric(at, status.reconnects)
        late.add_metric(at, status.late_answers)
        for name, left in status.credits_left.items():
            credits.add_metric((*at, name), left)
    yield from (healthy, latency, offset, lost, late, credits)


def of_log(sink: LogSink) -> Iterator[Metric]:
    """Tell whether anybody reads the log."""
    yield _gauge("log_lines_queued", "Log lines waiting to be written.", sink.queued)
    yield _counter("log_lines_dropped", "Log lines lost because nobody read them.", sink.dropped)


def of_door(refusals: Mapping[str, int], answers: Mapping[int, int], failed: int) -> Iterator[Metric]:
    """Tell who was not let in."""
    family = CounterMetricFamily(
        "cerberod_handshakes_refused", "Handshakes refused and connections dropped.", labels=("reason",)
    )
    yield _filled(family, (((reason,), float(count)) for reason, count in refusals.items()))
    http = CounterMetricFamily("cerberod_http_answers", "Answers of the HTTP listener.", labels=("status",))
    yield _filled(http, (((str(status),), float(count)) for status, count in answers.items()))
    yield _counter("failed_auth", "Wrong tokens shown, on either listener.", failed)
