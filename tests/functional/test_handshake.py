"""Who gets in by WebSocket, and what those hear who do not (faults.md 21, 23, 24, 25, 28, 37)."""

import ipaddress
import statistics
from collections.abc import Iterator

import anyio
import pytest
from anyio.abc import SocketStream
from websockets.exceptions import InvalidStatus

from cerberod.rpc.dispatch import Phase
from cerberod.settings import Limits, Listen
from cerberod.transport.websocket import WebSocketListener
from tests.support.peers import ADMIN, MAINNET, TESTNET, dial, headers, listener
from tests.support.raw import Answer, exchange, request_head, upgrade
from tests.support.small import small_daemon
from tests.support.turns import until

RIGHT = f"Authorization: Bearer {TESTNET.reveal()}"
TAG = "X-Bot-Tag: tester"


def listening(**changes: object) -> WebSocketListener:
    return listener(small_daemon(), **changes)  # type: ignore[arg-type]  # passed through


async def knock(*lines: str, target: str = "/", host: str | None = "localhost", **changes: object) -> Answer:
    """Send one handshake to a listener of its own and return the refusal, or 101."""
    async with listening(**changes) as at:
        return await knock_at(at, *lines, target=target, host=host)


async def knock_at(at: WebSocketListener, *lines: str, target: str = "/", host: str | None = "localhost") -> Answer:
    """Send one handshake and, if it gets in, a close frame."""
    close_frame = b"\x88\x80\0\0\0\0"
    return await exchange(at.port, upgrade(*lines, target=target, host=host) + close_frame)


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Refusing somebody is worth an INFO line, never more, and never a trace."""
    yield
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")] == []
    assert not any(record.exc_info for record in caplog.records)
    for secret in (TESTNET, MAINNET, ADMIN):
        assert secret.reveal() not in caplog.text


UNKNOWN = {
    "no token": [],
    "a wrong one": ["Authorization: Bearer wrong"],
    "almost the right one": [RIGHT + "x"],
    "one that is far too long": ["Authorization: Bearer " + "x" * 8000],
    "one beyond ASCII": ["Authorization: Bearer токен"],
    "bytes that are no text": ["Authorization: Bearer \udcff\udcfe"],
    "two headers": [RIGHT, RIGHT],
    "another scheme": ["Authorization: Basic " + TESTNET.reveal()],
    "no scheme": ["Authorization: " + TESTNET.reveal()],
}


async def test_every_unknown_token_hears_the_same() -> None:
    async with listening() as at:
        answers = [await knock_at(at, *shown, TAG) for shown in UNKNOWN.values()]
        answers.append(await knock_at(at, RIGHT, TAG, target=f"/?token={TESTNET.reveal()}"))
        answers.append(await knock_at(at, RIGHT, TAG, target="/?a=1&access_token=x"))
        answers.append(await knock_at(at, TAG, target=f"/?token={TESTNET.reveal()}"))
        assert at.refusals == {"unauthenticated": len(answers)}
        assert at.failures.total == len(answers)
    for answer in answers:
        answer.headers.pop("date")
    assert {answer.status for answer in answers} == {401}
    assert answers == [answers[0]] * len(answers)
    assert answers[0].json["error"] == "UNAUTHENTICATED"
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert "server" not in answers[0].headers


async def test_a_token_that_does_not_fit_in_a_header_is_refused_before_it_is_read() -> None:
    assert (await knock("Authorization: Bearer " + "x" * 10_240, TAG)).status == 431


@pytest.mark.promise("P6")
async def test_every_failure_waits_alike_and_a_right_token_does_not() -> None:
    limits = Limits(failed_auth_pause_ms=80)
    async with listening(limits=limits) as at:
        waits = []
        for shown in UNKNOWN.values():
            started = anyio.current_time()
            await knock_at(at, *shown, TAG)
            waits.append(anyio.current_time() - started)
        assert min(waits) >= 0.08
        assert statistics.median(waits) < 0.5
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(knock_at, at, "Authorization: Bearer wrong", TAG)
            await anyio.wait_all_tasks_blocked()
            async with dial(at.port):  # from the same address, while the others still wait
                assert at.refusals["unauthenticated"] < len(UNKNOWN) + 30


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["X-Bot-Tag:"],
        ["X-Bot-Tag:   "],
        ["X-Bot-Tag: " + "x" * 65],
        ["X-Bot-Tag: bót"],
        [TAG, TAG],
        [TAG, "X-Bot-Tag: b"],
    ],
)
async def test_a_missing_or_bad_tag_is_400_and_names_the_header(lines: list[str]) -> None:
    answer = await knock(RIGHT, *lines)
    assert (answer.status, answer.json["error"], answer.json["header"]) == (400, "BAD_REQUEST", "X-Bot-Tag")
    assert answer.headers["content-type"] == "application/json"


async def test_a_tag_is_asked_for_only_behind_a_right_token() -> None:
    assert (await knock("Authorization: Bearer wrong")).status == 401


async def test_the_operator_names_the_environment_of_the_session() -> None:
    operator = f"Authorization: Bearer {ADMIN.reveal()}"
    answer = await knock(operator, TAG)
    assert (answer.status, answer.json["header"]) == (400, "X-Environment")
    async with listening() as at, dial(at.port, {**headers(ADMIN), "X-Environment": "mainnet"}):
        (view,) = at.sessions()
        assert (view.principal.actor, view.principal.environment) == ("admin", "mainnet")
    async with listening() as at, dial(at.port, {**headers(), "X-Environment": "mainnet"}):
        assert at.sessions()[0].principal.environment == "testnet"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        ("https://desk.my.net", 101),
        ("https://evil.example", 403),
        ("null", 403),
        ("https://desk.my.net.evil.example", 403),
        ("HTTPS://DESK.MY.NET", 403),  # browsers send lower case; anything else is none
    ],
)
async def test_origins(origin: str | None, status: int) -> None:
    listen = Listen(port=0, allowed_origins=("https://desk.my.net",))
    lines = [] if origin is None else [f"Origin: {origin}"]
    assert (await knock(RIGHT, TAG, *lines, listen=listen)).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 101),
        ("127.0.0.1:9000", 101),
        ("desk.my.net", 101),
        ("rebound.example", 421),
        ("rebound.example:9000", 421),
        (None, 421),
    ],
)
async def test_hosts(host: str | None, status: int) -> None:
    listen = Listen(port=0, allowed_hosts=("desk.my.net",))
    assert (await knock(RIGHT, TAG, host=host, listen=listen)).status == status


@pytest.mark.parametrize("target", ["/x", "//", "/..", "/%2e", "/rpc?x=1", "http://localhost/"])
async def test_other_paths_are_404(target: str) -> None:
    assert (await knock(RIGHT, TAG, target=target)).status == 404


H = "Host: localhost"
ODD = {
    "a header of 9,000 bytes": (request_head("/", H, "X: " + "x" * 9000), 431),
    "200 headers": (request_head("/", H, *[f"X{n}: x" for n in range(200)]), 431),
    "POST": (request_head("/", H, method="POST"), 405),
    "HTTP/1.0": (request_head("/", H, version="HTTP/1.0"), 505),
    "version 8": (upgrade(RIGHT, TAG).replace(b"Version: 13", b"Version: 8"), 400),
    "a plain GET": (request_head("/", H), 426),
    "a bad key": (upgrade(RIGHT, TAG).replace(b"MDEy", b"!!!!"), 400),
    "a URI of 9,000 bytes": (request_head("/" + "x" * 9000, H), 414),
    "a TLS hello": (bytes.fromhex("16030100c8010000c40303") + bytes(200) + b"\r\n\r\n", 0),
    "garbage": (b"\x00\xff" * 50 + b"\r\n\r\n", 0),
    "garbage that goes on": (b"\x00\xff" * 50 + b"\r\n\r\n" + bytes(5000), 0),
    "a body": (request_head("/", H, "Content-Length: 5") + b"hello", 0),
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_no_handshake(name: str) -> None:
    request, status = ODD[name]
    async with listening() as at:
        answer = await exchange(at.port, request)
        assert answer.status == status
        async with dial(at.port):
            assert at.session_count() == 1
    if status in (400, 405, 426, 505):
        assert answer.json["error"] == "NO_WEBSOCKET_HANDSHAKE"


async def test_sessions_are_bounded_in_all_and_for_each_token() -> None:
    limits = Limits(sessions=3, sessions_per_token=2, failed_auth_pause_ms=0)
    async with listening(limits=limits) as at:
        async with dial(at.port), dial(at.port):
            with pytest.raises(InvalidStatus) as refused:
                await dial(at.port)
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "5"
            async with dial(at.port, headers(MAINNET)):
                with pytest.raises(InvalidStatus):
                    await dial(at.port, headers(MAINNET))
                assert at.refusals == {"sessions_token": 1, "sessions_daemon": 1}
        await until(lambda: at.session_count() == 0)
        async with dial(at.port):
            assert at.session_count() == 1


@pytest.mark.promise("P6")
async def test_a_thousand_silent_connections_keep_nobody_out() -> None:
    limits = Limits(handshake_s=30.0, failed_auth_pause_ms=0, sessions=100)
    async with listening(limits=limits) as at:
        silent: list[SocketStream] = [await anyio.connect_tcp("127.0.0.1", at.port) for _ in range(1000)]
        try:
            await until(lambda: at.refusals["half_open"] >= 900)
            with anyio.fail_after(60):
                async with dial(at.port) as connection:
                    await (await connection.ping())
        finally:
            for stream in silent:
                await stream.aclose()


async def test_a_silent_connection_is_closed_in_time() -> None:
    async with listening(limits=Limits(handshake_s=0.1)) as at:
        assert (await exchange(at.port, b"GET / HT")).status == 0


async def test_while_the_daemon_stops_nobody_new_gets_in() -> None:
    daemon = small_daemon()
    async with listener(daemon) as at:
        daemon.dispatcher.phase = Phase.DRAINING
        answer = await knock_at(at, RIGHT, TAG)
    assert (answer.status, answer.json["error"], answer.headers["retry-after"]) == (503, "SHUTTING_DOWN", "5")


async def test_the_client_behind_a_trusted_proxy_is_the_one_it_names() -> None:
    forwarded = {**headers(), "X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    async with listening() as at, dial(at.port, forwarded):
        assert at.sessions()[0].principal.client_ip == "127.0.0.1"
    trusting = Listen(port=0, trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),))
    async with listening(listen=trusting) as at, dial(at.port, forwarded):
        assert at.sessions()[0].principal.client_ip == "203.0.113.9"


@pytest.mark.parametrize("host", ["localhost", "::1"])
async def test_other_loopback_addresses(host: str) -> None:
    listen = Listen(port=0, host=host)
    async with listening(listen=listen) as at:
        with anyio.fail_after(60):
            async with await anyio.connect_tcp("127.0.0.1" if host == "localhost" else host, at.port) as stream:
                await stream.send(upgrade(RIGHT, TAG))
                assert (await stream.receive()).startswith(b"HTTP/1.1 101")
