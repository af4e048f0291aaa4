"""What deploys, monitors and the operator read over HTTP, from the real daemon."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import anyio
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cerberod import __version__
from tests.functional.conftest import StartDaemon
from tests.support.client import Client, connected
from tests.support.daemon import TOKEN, Daemon
from tests.support.readiness import all_is_well, none_timed_out, readiness
from tests.support.simulator import SimulatorProcess

SHA = "0123456789abcdef0123456789abcdef01234567"
ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}
Labels = tuple[tuple[str, str], ...]


@contextmanager
def asked(daemon: Daemon, path: str, method: str = "GET", **headers: str) -> Iterator[HTTPResponse | HTTPError]:
    """Ask, and yield the answer whatever its status."""
    try:
        answer = urlopen(Request(daemon.http_url + path, method=method, headers=headers), timeout=60)
    except HTTPError as error:
        answer = error
    with answer:
        yield answer


def get(daemon: Daemon, path: str, **headers: str) -> tuple[int, Any]:
    """Return status and JSON body."""
    with asked(daemon, path, **headers) as answer:
        assert answer.status is not None
        return answer.status, orjson.loads(answer.read())


# -- health ------------------------------------------------------------------------------------------------------------


def test_health_tells_that_it_is_alive_and_what_it_is(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", GIT_SHA=SHA)
    assert get(daemon, "/health") == (200, {"status": "ok", "phase": "ready", "version": __version__, "git_sha": SHA})
    with asked(daemon, "/health", "HEAD") as answer:
        assert (answer.status, answer.read()) == (200, b"")


def test_readiness_names_every_client_in_use(shared_daemon: Daemon) -> None:
    status, told = readiness(shared_daemon, all_is_well)
    assert (status, told["status"], told["phase"]) == (200, "ready", "ready")
    assert sorted(client["exchange"] for client in told["clients"]) == ["bybit", "deribit"]
    for client in told["clients"]:
        assert client.keys() == {"exchange", "env", "healthy", "latency_ms", "reason"}
        assert (client["env"], client["healthy"], client["reason"]) == ("testnet", True, None)
        assert 0 < client["latency_ms"] < 2000


def test_a_venue_that_is_gone_is_told_and_fails_readiness_only_when_asked_to(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    simulator = SimulatorProcess(tmp_path / "simulator")
    try:
        keys = simulator.keys_of("TESTNET")
        lenient = start_daemon("serve", **keys)
        strict = start_daemon("serve", READY_FAILS_ON_DEGRADED="true", **keys)
        for daemon in (lenient, strict):
            daemon.wait_logged(message="connected", venue="deribit")
            assert readiness(daemon, all_is_well)[0] == 200
            daemon.announce("connection down")
    finally:
        simulator.kill()
    for daemon, expected in ((lenient, 200), (strict, 503)):
        daemon.wait_logged(message="connection down")
        status, told = readiness(daemon, none_timed_out)
        assert (status, told["status"], told["phase"]) == (expected, "degraded", "ready")
        assert len(told["clients"]) == 2
        for client in told["clients"]:
            assert not client["healthy"]
            assert client["reason"] in ("connection_lost", "unreachable", "no_connection")
        assert get(daemon, "/health")[0] == 200, "a venue that is down is no reason to restart the daemon"


# -- metrics -----------------------------------------------------------------------------------------------------------


def samples(daemon: Daemon) -> dict[tuple[str, Labels], float]:
    """Return every sample as Prometheus itself would read it."""
    with asked(daemon, "/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("cerberod_")
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


async def test_metrics_count_what_was_called(shared_daemon: Daemon) -> None:
    before = samples(shared_daemon)
    async with connected(shared_daemon) as client:
        open_sessions = samples(shared_daemon)["cerberod_sessions", (("environment", "testnet"),)]
        for _ in range(3):
            await client.call("session.ping")
        await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
        await client.ask("deribit.get_ticker", {}, bad=True)
        await client.ask("deribit.get_rich", {}, bad=True)
        await client.ask("deribit.get_richer", {}, bad=True)
        after = samples(shared_daemon)

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    calls = "cerberod_calls_total"
    assert grown(calls, method="session.ping", environment="testnet", code="0") == 3
    assert grown(calls, method="deribit.get_ticker", environment="testnet", code="0") == 1
    assert grown(calls, method="deribit.get_ticker", environment="testnet", code="-32602") == 1
    assert grown(calls, method="unknown", environment="testnet", code="-32601") == 2
    assert not any("rich" in str(labels) for _, labels in after), "a caller must not be able to make metrics"
    assert grown("cerberod_call_duration_seconds_count", method="session.ping") == 3
    assert grown("cerberod_call_duration_seconds_bucket", method="session.ping", le="+Inf") == 3
    assert grown("cerberod_upstream_calls_total", method="deribit.get_ticker") == 1
    assert open_sessions >= 1
    assert after["cerberod_recording_healthy", ()] == 1
    assert after["cerberod_venue_healthy", (("environment", "testnet"), ("venue", "deribit"))] == 1


# -- audit -------------------------------------------------------------------------------------------------------------


def audit(daemon: Daemon, token: str = TOKEN, **parameters: str) -> tuple[int, dict[str, Any]]:
    path = f"/admin/audit?{urlencode(parameters)}" if parameters else "/admin/audit"
    status, body = get(daemon, path, Authorization=f"Bearer {token}")
    return status, body


def intents(page: Mapping[str, Any]) -> list[str]:
    return [each["intent"] for each in page["records"] if each["kind"] == "outcome"]


async def trade(client: Client, *names: str) -> None:
    for name in names:
        placed = await client.call("deribit.place_order", {**ORDER, "intent": name})
        assert placed["outcome"] == "confirmed"


async def test_the_audit_is_found_by_every_parameter(shared_daemon: Daemon) -> None:
    daemon = shared_daemon
    async with connected(daemon, bot_tag="http one") as one, connected(daemon, bot_tag="http-two") as two:
        began = datetime.fromisoformat((await one.call("session.ping"))["server_time"])
        await trade(one, "http-1", "http-2")
        await trade(two, "http-3")
        ended = datetime.fromisoformat((await one.call("session.ping"))["server_time"]) + timedelta(milliseconds=1)
    first = {"bot_tag": "http one"}
    status, page = audit(daemon, **first, action="deribit.place_order")
    assert status == 200
    assert page.keys() == {"count", "records", "next"}
    assert page["count"] == len(page["records"]) == 4
    assert intents(page) == ["http-2", "http-1"], "newest first"
    assert audit(daemon, **first, action="place_order", exchange="deribit", actor="testnet")[1] == page
    window = {"from": began.isoformat(), "to": ended.isoformat()}
    assert intents(audit(daemon, **window)[1]) == ["http-3", "http-2", "http-1"]
    assert audit(daemon, **first, to=began.isoformat())[1]["count"] == 0
    assert intents(audit(daemon, **first, **{"from": began.date().isoformat()})[1]) == ["http-2", "http-1"]
    for other in ({"action": "cancel_order"}, {"exchange": "bybit"}, {"actor": "admin"}):
        assert audit(daemon, **first, **other)[1] == {"count": 0, "records": [], "next": None}

    paged: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        _, part = audit(daemon, **first, action="place_order", limit="3", **more)
        paged += part["records"]
        if part["next"] is None:
            break
        more = {"cursor": part["next"]}
    assert paged == page["records"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("from", "yesterday"),
        ("to", "2026-13-01"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "10001"),
        ("limit", "ten"),
        ("cursor", "x"),
        ("actor", "Mallory"),
        ("exchange", "../etc"),
        ("action", "DROP TABLE"),
        ("bot_tag", "x" * 65),
        ("environment", "devnet"),
        ("colour", "red"),
    ],
)
def test_a_bad_parameter_is_named_and_not_repeated(shared_daemon: Daemon, parameter: str, value: str) -> None:
    status, told = audit(shared_daemon, **{parameter: value})
    assert (status, told["error"], told["parameter"]) == (400, "BAD_REQUEST", parameter)
    assert told["rule"]
    assert value not in told["rule"].split()


async def test_an_audit_that_is_switched_off_says_so(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", AUDIT_LOG_FILE="")
    async with connected(daemon) as client:
        await trade(client, "unseen")
        by_method = await client.call("admin.query_audit")
    status, by_http = audit(daemon)
    assert (status, by_http["count"], by_http["records"]) == (200, 0, [])
    assert by_http["warning"] == by_method["warning"] == "the audit file is switched off"
    assert not await anyio.Path(daemon.state_dir / "audit.jsonl").exists()


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}])
def test_the_audit_is_for_tokens_only(shared_daemon: Daemon, headers: dict[str, str]) -> None:
    status, told = get(shared_daemon, "/admin/audit", **headers)
    assert (status, told["error"]) == (401, "UNAUTHENTICATED")
