"""The HTTP side listener on real sockets (faults.md 21, 25, 31)."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from cerberod.clock import SystemClock
from cerberod.ids import Environment
from cerberod.settings import Limits, Listen, Secret
from cerberod.transport.auth import Authenticator
from cerberod.transport.http import AuditUnreadable, HttpListener, ParameterRefused, Views
from cerberod.transport.readiness import Probe, Probed
from tests.support.peers import ADMIN, MAINNET, TESTNET, TOKENS
from tests.support.raw import Answer, exchange, parse, request_head

HOST = "Host: localhost"
CLOSE = "Connection: close"


@dataclass
class World:
    """What the listener is shown, and what it asked for."""

    phase: str = "ready"
    can_record: bool = True
    probes: list[Probe] = field(default_factory=list)
    asked: list[tuple[dict[str, str], frozenset[Environment]]] = field(default_factory=list)
    problem: Exception | None = None

    async def audit(self, asked: Mapping[str, str], environments: frozenset[Environment]) -> Mapping[str, Any]:
        self.asked.append((dict(asked), environments))
        if self.problem is not None:
            raise self.problem
        return {"count": 1, "records": [{"actor": "testnet"}], "next": None}

    def listener(self, *, fails: bool = False, listen: Listen | None = None, **limits: Any) -> HttpListener:
        return HttpListener(
            Listen(http_port=0) if listen is None else listen,
            Limits(**{"failed_auth_pause_ms": 0, **limits}),
            Authenticator(TOKENS),
            Views(lambda: self.phase, lambda: self.can_record, lambda: self.probes, self.audit, lambda: b"up 1\n"),
            SystemClock(),
            version="1.2.3",
            git_sha="abcdef0",
            ready_fails_on_degraded=fails,
        )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def at(world: World) -> AsyncIterator[HttpListener]:
    async with world.listener() as listening:
        yield listening


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")] == []
    for secret in (TESTNET, MAINNET, ADMIN):
        assert secret.reveal() not in caplog.text


async def get(at: HttpListener, target: str, *lines: str, method: str = "GET") -> Answer:
    return await exchange(at.port, request_head(target, HOST, CLOSE, *lines, method=method))


def bearer(token: Secret) -> str:
    return f"Authorization: Bearer {token.reveal()}"


async def test_health_tells_state_and_nothing_else(at: HttpListener, world: World) -> None:
    for phase in ("starting", "ready", "draining"):
        world.phase = phase
        answer = await get(at, "/health")
        assert answer.status == 200
        assert answer.json == {"status": "ok", "phase": phase, "version": "1.2.3", "git_sha": "abcdef0"}
        assert answer.headers["server"] == "cerberod"
        assert answer.headers["cache-control"] == "no-store"


async def well() -> Probed:
    return Probed(True, latency_ms=1.5)


async def unwell() -> Probed:
    return Probed(False, "disconnected")


@pytest.mark.parametrize(
    ("phase", "can_record", "checks", "status"),
    [
        ("ready", True, [well], "ready"),
        ("ready", True, [], "ready"),
        ("ready", True, [well, unwell], "degraded"),
        ("ready", False, [well], "not_ready"),
        ("starting", True, [well], "not_ready"),
        ("draining", True, [well], "not_ready"),
    ],
)
async def test_readiness(world: World, phase: str, can_record: bool, checks: list[Any], status: str) -> None:
    world.phase, world.can_record = phase, can_record
    world.probes = [Probe("deribit", f"env{number}", check) for number, check in enumerate(checks)]
    for fails in (False, True):
        async with world.listener(fails=fails) as at:
            answer = await get(at, "/health/ready")
        assert answer.json["status"] == status
        assert answer.status == (503 if fails and status != "ready" else 200)
        clients = [(each["exchange"], each["healthy"], each["reason"]) for each in answer.json["clients"]]
        assert clients == [_EXPECTED[check] for check in checks]


_EXPECTED = {well: ("deribit", True, None), unwell: ("deribit", False, "disconnected")}


async def test_metrics_are_text(at: HttpListener) -> None:
    answer = await get(at, "/metrics")
    assert (answer.status, answer.body) == (200, b"up 1\n")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("token", [TESTNET, MAINNET, ADMIN])
async def test_the_audit_is_asked_within_what_the_token_may_see(at: HttpListener, world: World, token: Secret) -> None:
    answer = await get(at, "/admin/audit?from=2026-08-22&limit=5&bot_tag=a%20b", bearer(token))
    assert (answer.status, answer.json["count"]) == (200, 1)
    ((asked, environments),) = world.asked
    assert asked == {"from": "2026-08-22", "limit": "5", "bot_tag": "a b"}
    assert environments == ({Environment.TESTNET} if token is TESTNET else set(Environment))


@pytest.mark.parametrize("query", ["environment=mainnet", "actor=mainnet", "environment=mainnet&actor=testnet"])
async def test_a_testnet_token_asking_for_mainnet_is_403(at: HttpListener, world: World, query: str) -> None:
    answer = await get(at, f"/admin/audit?{query}", bearer(TESTNET))
    assert (answer.status, answer.json["error"]) == (403, "NOT_ALLOWED")
    assert world.asked == []
    assert (await get(at, f"/admin/audit?{query}", bearer(MAINNET))).status == 200


async def test_a_bad_parameter_is_400_and_named(at: HttpListener, world: World) -> None:
    world.problem = ParameterRefused("limit", "is a whole number from 1 up to 10000")
    for query in ("limit=-1", "limit=1000000000"):
        answer = await get(at, f"/admin/audit?{query}", bearer(TESTNET))
        assert (answer.status, answer.json["parameter"]) == (400, "limit")
        assert "10000" in answer.json["rule"]


async def test_a_parameter_given_twice_is_400(at: HttpListener, world: World) -> None:
    answer = await get(at, "/admin/audit?limit=1&limit=2", bearer(TESTNET))
    assert (answer.status, answer.json["parameter"]) == (400, "limit")
    many = "&".join(f"p{number}=1" for number in range(40))
    assert (await get(at, f"/admin/audit?{many}", bearer(TESTNET))).status == 400
    assert world.asked == []


async def test_an_audit_that_cannot_be_read_is_503(at: HttpListener, world: World) -> None:
    world.problem = AuditUnreadable()
    assert (await get(at, "/admin/audit", bearer(TESTNET))).status == 503


async def test_every_unknown_token_hears_the_same(at: HttpListener, world: World) -> None:
    right = bearer(TESTNET)
    answers = [
        await get(at, target, *lines)
        for target, lines in [
            ("/admin/audit", []),
            ("/admin/audit", ["Authorization: Bearer wrong"]),
            ("/admin/audit", ["Authorization: Bearer " + "x" * 10_240]),
            ("/admin/audit", ["Authorization: Bearer \udcff"]),
            ("/admin/audit", [right, right]),
            (f"/admin/audit?token={TESTNET.reveal()}", [right]),
            (f"/admin/audit?access_token={TESTNET.reveal()}", []),
        ]
    ]
    for answer in answers:
        answer.headers.pop("date")
    assert {answer.status for answer in answers} == {401}
    assert answers == [answers[0]] * len(answers)
    assert at.failures.total == len(answers)
    assert world.asked == []


async def test_a_wrong_token_waits(world: World) -> None:
    async with world.listener(failed_auth_pause_ms=80) as at:
        started = anyio.current_time()
        assert (await get(at, "/admin/audit", "Authorization: Bearer wrong")).status == 401
        assert anyio.current_time() - started >= 0.08


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
async def test_other_methods_are_405(at: HttpListener, method: str) -> None:
    answer = await get(at, "/health", method=method)
    assert answer.status in ((400, 404, 405) if method == "CONNECT" else (405,))
    if answer.status == 405:
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("target", ["/health", "/health/ready", "/metrics"])
async def test_head_is_get_without_body(at: HttpListener, target: str) -> None:
    head, full = await get(at, target, method="HEAD"), await get(at, target)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == full.headers["content-type"]


@pytest.mark.parametrize(
    "target",
    ["/", "/health/", "//health", "/./health", "/x/../health", "/%68ealth", "/health/ready/x", "/admin", "/HEALTH"],
)
async def test_path_tricks_are_404(at: HttpListener, target: str) -> None:
    answer = await get(at, target)
    assert (answer.status, answer.json["error"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("lines", [["Host: rebound.example"], [], ["Host: localhost", "Host: localhost"]])
async def test_other_hosts_are_421(at: HttpListener, lines: list[str]) -> None:
    answer = await exchange(at.port, request_head("/health", CLOSE, *lines))
    assert answer.status in ((400, 421) if len(lines) != 1 else (421,))


@pytest.mark.parametrize(
    ("line", "body"),
    [("Content-Length: 10485760", b"x" * 1000), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")],
)
async def test_a_body_is_413_before_it_is_read(at: HttpListener, line: str, body: bytes) -> None:
    answer = await exchange(at.port, request_head("/health", HOST, line) + body)
    assert (answer.status, answer.json["error"]) == (413, "BODY_TOO_BIG")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(100) + b"\r\n\r\n",
        request_head("/health", HOST, "X: " + "x" * 20_000),
        request_head("/health", HOST, *[f"X{number}: x" for number in range(200)]),
        request_head("/" + "x" * 10_000, HOST),
        request_head("/health", HOST, "Content-Length: -1"),
        request_head("/health", HOST, "Content-Length: 1", "Transfer-Encoding: chunked"),
    ],
)
async def test_what_is_no_request_is_400_without_details(at: HttpListener, request_: bytes) -> None:
    answer = await exchange(at.port, request_)
    assert answer.status == 400
    assert answer.json == {"error": "BAD_REQUEST", "message": "This is no HTTP request that is understood here."}
    assert answer.headers["server"] == "cerberod"
    assert (await get(at, "/health")).status == 200


async def test_a_slow_header_is_closed_in_time_and_others_are_served(world: World) -> None:
    async with world.listener(handshake_s=0.2) as at, await anyio.connect_tcp("127.0.0.1", at.port) as slow:
        served: set[int] = set()
        with anyio.fail_after(60):
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await slow.send(b"GET /health HTTP/1.1\r\nHost: loc")
                while True:
                    served.add((await get(at, "/health")).status)
                    await slow.send(b"a")
                    with anyio.move_on_after(0.05):
                        await slow.receive()
            while 200 not in served:
                served.add((await get(at, "/health")).status)
        assert served <= {200, 0}, "no answer at all only where this machine itself was too slow for the limit"


async def test_connections_are_bounded(at: HttpListener) -> None:
    idle = [await anyio.connect_tcp("127.0.0.1", at.port) for _ in range(300)]
    closed: set[int] = set()
    with anyio.fail_after(60):
        while len(closed) < 300 - 256:
            for number, stream in enumerate(idle):
                with anyio.move_on_after(0.001), suppress(anyio.ClosedResourceError):
                    try:
                        await stream.receive()
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        closed.add(number)
    for stream in idle:
        await stream.aclose()


async def test_several_requests_on_one_connection(at: HttpListener) -> None:
    async with await anyio.connect_tcp("127.0.0.1", at.port) as stream:
        for _ in range(3):
            await stream.send(request_head("/health", HOST))
            answer = parse(await stream.receive())
            assert answer.status == 200


async def test_closing_waits_for_a_request_under_way_and_no_longer(world: World) -> None:
    entered = anyio.Event()

    async def slow() -> Probed:
        entered.set()
        await anyio.sleep(0.05)
        return Probed(True)

    world.probes = [Probe("deribit", "testnet", slow)]
    answers: list[Answer] = []

    async def ask(at: HttpListener) -> None:
        answers.append(await get(at, "/health/ready"))

    async with anyio.create_task_group() as group, world.listener() as at:
        group.start_soon(ask, at)
        await entered.wait()
        await at.aclose(grace_s=60)
    assert [answer.status for answer in answers] == [200]
