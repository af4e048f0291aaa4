"""What floods, storms and leaks do to the real daemon: its memory, its descriptors, its other callers.

Sizes here are those of the suite; `scripts/load.sh` runs the same at the sizes of faults.md (34, 37, 38, 43).
"""

import resource
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from tests.functional.conftest import StartDaemon
from tests.support.client import connected, raw_connection
from tests.support.daemon import Daemon
from tests.support.raw import upgrade

MIB = 1 << 20
FLAT = 8 * MIB
"""What allocators and caches may keep."""


pytestmark = pytest.mark.promise("P6")


@pytest.fixture
def load(request: pytest.FixtureRequest) -> int:
    """How many times the suite's size; 1, or what --load says."""
    times: int = request.config.getoption("--load")
    return times


def rss(daemon: Daemon) -> int:
    return int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]) * 4096


def descriptors(daemon: Daemon) -> int:
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


async def metric(daemon: Daemon, name: str) -> float:
    """Return the sum of a metric's samples."""

    def read() -> str:
        with urllib.request.urlopen(f"{daemon.http_url}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    text = await anyio.to_thread.run_sync(read)
    families = text_string_to_metric_families(text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def gone(daemon: Daemon) -> None:
    """Wait until no session is left."""
    with anyio.fail_after(60):
        while await metric(daemon, "cerberod_sessions"):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.05)


async def ready(daemon: Daemon) -> None:
    """Wait until it calls itself ready: a venue that is slow to answer once is not what is looked for."""
    with anyio.fail_after(60):
        while not await metric(daemon, "cerberod_ready"):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.05)


async def no_more_descriptors(daemon: Daemon, count: int) -> None:
    """Wait until it has so many open at most."""
    with anyio.fail_after(60):
        while descriptors(daemon) > count:  # noqa: ASYNC110 - another process
            await anyio.sleep(0.05)


async def open_and_close(daemon: Daemon, times: int) -> None:
    for _ in range(times):
        async with raw_connection(daemon) as connection:
            await connection.send('{"jsonrpc":"2.0","id":1,"method":"session.whoami"}')
            assert b"result" in str(await connection.recv()).encode()


async def many_sessions(daemon: Daemon, count: int, *, at_once: int = 20) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(open_and_close, daemon, count // at_once)


async def test_sessions_opened_and_closed_leave_nothing(start_daemon: StartDaemon, load: int) -> None:
    daemon = start_daemon()
    await many_sessions(daemon, 200)  # what is made once is made
    await gone(daemon)
    files = await metric(daemon, "cerberod_process_open_fds")
    before = rss(daemon), descriptors(daemon)
    await many_sessions(daemon, 200 * load)
    await gone(daemon)
    await no_more_descriptors(daemon, before[1] + 1)  # the scrape's own connection may still be closing
    after = rss(daemon), descriptors(daemon)
    print(
        f"sessions {200 * load}: RSS {before[0] / MIB:.1f} -> {after[0] / MIB:.1f} MiB, {before[1]} -> {after[1]} fds"
    )
    assert after[0] - before[0] < FLAT
    assert await metric(daemon, "cerberod_process_open_fds") <= files + 1
    async with connected(daemon) as client:
        status = await client.call("admin.get_status")
        assert (len(status["sessions"]), len(status["running"])) == (1, 1)


async def test_a_hundred_thousand_calls_of_one_client(start_daemon: StartDaemon, load: int) -> None:
    """faults.md 34; a read each, so that the budget slows them down beyond the first twenty thousand."""
    daemon = start_daemon()
    count = 1_000 * load
    headers = {"Authorization": f"Bearer {daemon.token}", "X-Bot-Tag": "tester"}
    # Without pings of its own: they would stand in line behind its calls, of which the daemon reads no more than it
    # can take, and at full size for longer than a client waits for a pong.
    flood = connect(daemon.url, additional_headers=headers, compression=None, proxy=None, ping_interval=None)
    async with flood as connection, connected(daemon, bot_tag="good") as good:
        await good.call("session.ping")
        before, most = rss(daemon), 0
        codes: dict[int, int] = {}

        async def ask() -> None:
            for id in range(count):
                await connection.send(
                    orjson.dumps(
                        {"jsonrpc": "2.0", "id": id, "method": "orders.get_outcome", "params": {"intent": f"no-{id}"}}
                    ),
                    text=True,
                )

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            for _ in range(count):
                reply = orjson.loads(await connection.recv())
                code = reply["error"]["code"] if "error" in reply else 0
                codes[code] = codes.get(code, 0) + 1
                if sum(codes.values()) % 250 == 0:
                    most = max(most, rss(daemon))
                    running = (await good.call("admin.get_status"))["sessions"]
                    asked = {each["bot_tag"]: each for each in running}["tester"]
                    # 16 run, 64 wait in line, and a few are read and about to be judged.
                    assert asked["in_flight"] <= 16 + 64 + 8
        print(f"{count} calls: {codes}, RSS {before / MIB:.1f} -> {most / MIB:.1f} MiB")
    assert sum(codes.values()) == count
    assert codes.keys() <= {0, -32009, -32012}
    assert most - before < 20 * MIB


async def test_a_storm_of_connects_and_of_silence_keeps_nobody_out(start_daemon: StartDaemon, load: int) -> None:
    """faults.md 37, 38: connects without a request, with half a request, and with a wrong token, all at once."""
    daemon = start_daemon(LIMIT_FAILED_AUTH_PAUSE_MS="50")
    await many_sessions(daemon, 40)
    await gone(daemon)
    before = rss(daemon), descriptors(daemon)
    half = upgrade("Authorization: Bearer wrong", "X-Bot-Tag: x")

    async def annoy(request: bytes) -> None:
        for _ in range(10 * load):
            with anyio.move_on_after(0.2):
                try:
                    async with await anyio.connect_tcp("127.0.0.1", daemon.port) as stream:
                        await stream.send(request)
                        await stream.receive()
                except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
                    continue

    async with anyio.create_task_group() as group:
        for request in (b"G", half[: len(half) // 2], half):
            for _ in range(8):
                group.start_soon(annoy, request)
        for _ in range(5):
            with anyio.fail_after(60):
                async with connected(daemon, bot_tag="good") as good:
                    await good.call("session.ping")
    await gone(daemon)
    await no_more_descriptors(daemon, before[1] + 1)
    assert rss(daemon) - before[0] < FLAT


async def test_when_descriptors_run_out_health_still_answers_and_all_recovers(start_daemon: StartDaemon) -> None:
    """faults.md 43: sessions are refused before the last descriptor is taken."""
    daemon = start_daemon(module="tests.support.few_files", FEW_FILES="400")
    daemon.announce("fewer sessions than LIMIT_SESSIONS")
    headers = {"Authorization": f"Bearer {daemon.token}", "X-Bot-Tag": "many"}
    refused = 0
    async with AsyncExitStack() as stack:
        for _ in range(30):
            try:
                await stack.enter_async_context(connect(daemon.url, additional_headers=headers, proxy=None))
            except InvalidStatus as refusal:
                assert refusal.response.status_code == 503
                assert refusal.response.headers["Retry-After"]
                refused += 1
        assert refused == 30 - 8
        for _ in range(60):  # and connections that say nothing take no more than their share
            await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", daemon.port))
        await ready(daemon)
        assert descriptors(daemon) < 400 - 256
    await gone(daemon)
    async with connected(daemon) as client:
        await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})


async def test_when_the_last_descriptor_is_gone_all_recovers_alone(start_daemon: StartDaemon) -> None:
    """faults.md 43: the limit is lowered under the running daemon to what it holds."""
    daemon = start_daemon()
    pid = daemon.process.pid
    async with connected(daemon) as client:
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(daemon), before[1]))
        turned_away = 0
        for _ in range(20):
            try:
                with anyio.fail_after(3):
                    async with raw_connection(daemon):
                        pass
            except (OSError, InvalidHandshake, TimeoutError, EOFError):
                turned_away += 1
        assert turned_away
        await client.call("session.ping")  # who is in stays in
        await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        with anyio.fail_after(60):
            async with connected(daemon, bot_tag="later") as later:
                await later.call("session.ping")
        await ready(daemon)
    assert daemon.process.poll() is None
