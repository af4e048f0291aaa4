from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from cerberod.ids import Environment
from cerberod.metrics import MAX_BOTS, Metrics, cumulated
from cerberod.rpc.call import Call, Services, Tally
from cerberod.rpc.dispatch import Finished
from tests.support.small import principal, small_registry

Key = tuple[str, tuple[tuple[str, str], ...]]


def finished(
    method: str = "test.echo", *, bot_tag: str = "tester", code: int = 0, seconds: float = 0.002, upstream: int = 0
) -> Finished:
    services = Services(Environment.TESTNET, ())
    call = Call("r", method, principal(bot_tag=bot_tag), services, Tally(upstream, upstream / 10))
    return Finished(call, small_registry().find(method), {}, code, seconds)


def samples(metrics: Metrics) -> dict[Key, float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def nothing() -> Iterable[Metric]:
    return ()


def key(name: str, **labels: str) -> Key:
    return (name, tuple(sorted(labels.items())))


def test_a_call_is_counted_once_by_method_and_once_by_bot() -> None:
    metrics = Metrics(nothing)
    for code in (0, 0, -32602):
        metrics.finished(finished(code=code))
    found = samples(metrics)
    labels = {"environment": "testnet", "code": "0"}
    assert found[key("cerberod_calls_total", method="test.echo", **labels)] == 2
    assert found[key("cerberod_bot_calls_total", bot_tag="tester", **labels)] == 2
    assert found[key("cerberod_calls_total", method="test.echo", environment="testnet", code="-32602")] == 1


def test_bots_and_names_that_callers_invent_add_no_series() -> None:
    metrics = Metrics(nothing)
    for number in range(1_000):
        metrics.finished(finished(f"no.such_{number}", bot_tag=f"bot-{number}"))
    found = samples(metrics)
    bots = {dict(labels)["bot_tag"]: value for (name, labels), value in found.items() if "bot_calls_total" in name}
    assert len(bots) == MAX_BOTS + 1
    assert (bots["bot-0"], bots["bot-63"], bots["other"]) == (1, 1, 1_000 - MAX_BOTS)
    assert found[key("cerberod_calls_total", method="unknown", environment="testnet", code="0")] == 1_000


def test_the_histogram_is_cumulated_and_upstream_work_is_summed() -> None:
    metrics = Metrics(nothing)
    for seconds in (0.0005, 0.0006, 20.0):
        metrics.finished(finished(seconds=seconds, upstream=2))
    found = samples(metrics)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name.endswith("call_duration_seconds_bucket")
    }
    assert (buckets["0.0005"], buckets["0.001"], buckets["10.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert found[key("cerberod_call_duration_seconds_sum", method="test.echo")] == 20.0011
    assert found[key("cerberod_upstream_calls_total", method="test.echo")] == 6
    assert round(found[key("cerberod_upstream_seconds_total", method="test.echo")], 9) == 0.6


def test_the_present_and_the_process_are_read_when_asked() -> None:
    value = 1.0
    metrics = Metrics(lambda: [GaugeMetricFamily("cerberod_x", "X.", value=value)])
    assert samples(metrics)[key("cerberod_x")] == 1
    value = 2.0
    found = samples(metrics)
    assert found[key("cerberod_x")] == 2
    assert found[key("cerberod_process_resident_memory_bytes")] > 1 << 20


def test_cumulated_counts() -> None:
    assert list(cumulated((0.1, 1.0), [1, 0, 2])) == [("0.1", 1), ("1.0", 1), ("+Inf", 3)]
