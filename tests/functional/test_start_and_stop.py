"""How the process starts, refuses to start, and stops (faults.md 69 to 74): real signals, real files, real ports."""

import os
import pty
import resource
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import anyio
import anyio.to_thread
import orjson
import pytest

from cerberod.clock import SystemClock
from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected
from tests.support.command import Cerberod, only_line
from tests.support.daemon import TOKEN, UNHURRIED, Daemon
from tests.support.deribit_venue import CLIENT_ID, CLIENT_SECRET, SILENCE, ScriptedVenue, scripted
from tests.support.vps import free_port
from tests.unit.venues.deribit.test_client import instrument
from tests.unit.venues.deribit.wire.test_orders import ORDER

T = TypeVar("T")
GOING_AWAY = 1001
ORDER_PARAMS = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "60000.5"}


async def aside(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Wait for the daemon in a thread, so that the venue of this test goes on answering."""
    return await anyio.to_thread.run_sync(partial(function, *arguments, **named))


def phase(daemon: Daemon) -> str:
    with urlopen(f"{daemon.http_url}/health", timeout=30) as answer:
        return str(orjson.loads(answer.read())["phase"])


def readiness(daemon: Daemon) -> str:
    with urlopen(f"{daemon.http_url}/health/ready", timeout=30) as answer:
        return str(orjson.loads(answer.read())["status"])


async def ready_again(daemon: Daemon) -> None:
    """Wait until it calls itself ready: a venue that is slow to answer once is not what is looked for."""
    with anyio.fail_after(60):
        while await aside(readiness, daemon) != "ready":
            await anyio.lowlevel.checkpoint()


def kinds(daemon: Daemon) -> list[str]:
    """Return the kinds of its audit records, oldest first."""
    return [orjson.loads(line)["kind"] for line in (daemon.state_dir / "audit.jsonl").read_bytes().splitlines()]


@pytest.fixture
def bare(start_daemon: StartDaemon) -> Daemon:
    """A daemon that has no keys and therefore never connects to anything: it starts faster than a simulation."""
    return start_daemon("serve", DERIBIT_URL_TESTNET="ws://127.0.0.1:1")


# -- stopping ----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P7")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_daemon_ends_its_sessions_and_exits_with_0(bare: Daemon, number: signal.Signals) -> None:
    async with connected(bare) as first, connected(bare) as second:
        assert await aside(bare.stop, number) == 0
        for client in (first, second):
            await client.connection.wait_closed()
            assert client.connection.close_code == GOING_AWAY
    assert (kinds(bare)[0], kinds(bare)[-1]) == ("start", "stop")
    assert bare.logged[-1]["message"] == "stopped"


def test_signals_up_to_the_very_end_do_not_change_how_it_ends(bare: Daemon) -> None:
    while bare.process.poll() is None:
        bare.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            bare.process.wait(0.001)
    assert bare.wait() == 0
    assert kinds(bare)[-1] == "stop"


async def test_signals_that_ask_for_nothing_are_ignored(bare: Daemon) -> None:
    async with connected(bare) as client:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
            bare.process.send_signal(number)
            if number is not signal.SIGPIPE:
                await aside(bare.wait_logged, message="signal ignored", signal=number.name)
        await client.call("session.ping")


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    """A Deribit that holds back every ticker and every order until a test lets it answer."""
    scripts = {
        "public__get_instrument": instrument(),
        "public__ticker": SILENCE,
        "private__buy": SILENCE,
        "private__get_user_trades_by_currency": {"trades": [], "has_more": False},
    }
    async with scripted(**scripts) as running:
        now_us = SystemClock().now_ms() * 1000
        running.stamp = (now_us, now_us)
        yield running


async def answer(venue: ScriptedVenue, method: str, result: object) -> None:
    """Answer a request that was held back."""
    request = next(frame for frame in map(orjson.loads, reversed(venue.frames)) if frame["method"] == method)
    await venue.tell(venue.envelope(request["id"], result))


def bought(venue: ScriptedVenue) -> dict[str, Any]:
    """Return the order that the venue made of the only one it was sent."""
    (asked,) = venue.asked("private/buy")
    return ORDER | {"label": asked["label"]}


@pytest.fixture
async def on_venue(start_daemon: StartDaemon, venue: ScriptedVenue) -> AsyncIterator[Daemon]:
    """A daemon that trades there and ends before the venue does."""
    settings: dict[str, Any] = {"DERIBIT_CLIENT_ID": CLIENT_ID, "DERIBIT_CLIENT_SECRET": CLIENT_SECRET}
    port = str(free_port())  # known beforehand, because its health is asked for before it is ready
    daemon = await aside(
        start_daemon,
        "serve",
        HTTP_PORT=port,
        module="tests.support.giving_up",
        DERIBIT_URL_TESTNET=venue.url,
        **UNHURRIED,
        **settings,
    )
    yield daemon
    await aside(daemon.stop)


async def asked_to_stop(daemon: Daemon, number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal and wait until the daemon drains."""
    daemon.process.send_signal(number)
    await aside(daemon.wait_logged, message="asked to stop")
    while await aside(phase, daemon) != "draining":
        await anyio.lowlevel.checkpoint()


@pytest.mark.promise("P7")
async def test_what_runs_is_answered_and_what_comes_then_is_refused(on_venue: Daemon, venue: ScriptedVenue) -> None:
    replies: dict[str, dict[str, Any]] = {}

    async def ask(client: Client, method: str, params: dict[str, Any]) -> None:
        replies[method] = await client.call(method, params)

    async with connected(on_venue) as client, anyio.create_task_group() as group:
        group.start_soon(ask, client, "deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
        group.start_soon(ask, client, "deribit.place_order", {**ORDER_PARAMS, "intent": "held"})
        await venue.seen("private/buy")
        await venue.seen("public/ticker")
        await asked_to_stop(on_venue)
        assert await aside(readiness, on_venue) == "not_ready"
        with pytest.raises(Refused) as refused:
            await client.call("session.whoami")
        assert refused.value.code is Code.SHUTTING_DOWN
        with pytest.raises(OSError):
            async with connected(on_venue):
                pass
        on_venue.process.send_signal(signal.SIGTERM)  # haste ends reads, and never a write
        await answer(venue, "private/buy", {"order": bought(venue), "trades": []})
        await client.connection.wait_closed()
        assert client.connection.close_code == GOING_AWAY
        group.cancel_scope.cancel()
    assert replies.keys() == {"deribit.place_order"}
    assert replies["deribit.place_order"]["outcome"] == "confirmed"
    assert await aside(on_venue.wait) == 0
    assert kinds(on_venue).count("outcome") == 1


async def test_a_read_that_is_never_answered_holds_up_nobody(start_daemon: StartDaemon, venue: ScriptedVenue) -> None:
    settings: dict[str, Any] = {"DERIBIT_URL_TESTNET": venue.url, "LIMIT_READ_DEADLINE_S": "120"}
    daemon = await aside(start_daemon, "serve", **settings)
    async with connected(daemon) as client, anyio.create_task_group() as group:
        group.start_soon(client.ask, "deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
        await venue.seen("public/ticker")
        assert await aside(daemon.stop) == 0
        group.cancel_scope.cancel()


async def test_a_read_that_is_answered_in_time_is_passed_on(on_venue: Daemon, venue: ScriptedVenue) -> None:
    venue.scripts["public/get_index_price"] = SILENCE
    async with connected(on_venue) as client, anyio.create_task_group() as group:
        prices: list[float] = []

        async def ask() -> None:
            told = await client.call("deribit.get_index_price", {"index_name": "btc_usd"})
            prices.append(told["index_price"])

        group.start_soon(ask)
        await venue.seen("public/get_index_price")
        on_venue.process.send_signal(signal.SIGTERM)
        await aside(on_venue.wait_logged, message="asked to stop")
        await answer(venue, "public/get_index_price", {"index_price": 78617.31, "estimated_delivery_price": 78617.31})
        await client.connection.wait_closed()
    assert prices == [78617.31]
    assert await aside(on_venue.wait) == 0


@pytest.mark.promise("P3", "P7")
async def test_a_write_that_is_never_answered_ends_unknown_and_is_found_at_the_next_start(
    on_venue: Daemon, venue: ScriptedVenue
) -> None:
    """And in between: a start that waits for the venue tells its phase, serves nobody, and can be stopped."""
    outcomes: list[str] = []
    async with connected(on_venue) as client, anyio.create_task_group() as group:

        async def place() -> None:
            outcomes.append((await client.call("deribit.place_order", {**ORDER_PARAMS, "intent": "lost"}))["outcome"])

        group.start_soon(place)
        await venue.seen("private/buy")
        on_venue.process.send_signal(signal.SIGTERM)
        await aside(on_venue.wait_logged, message="asked to stop")
        on_venue.give_up()
        await client.connection.wait_closed()
    assert outcomes == ["unknown"]
    assert await aside(on_venue.wait) == 0

    venue.scripts["private/get_order_state_by_label"] = SILENCE
    on_venue._start()
    await aside(on_venue.wait_logged, step="resolving")
    await venue.seen("private/get_order_state_by_label")
    assert await aside(phase, on_venue) == "starting"
    assert await aside(readiness, on_venue) == "not_ready"
    assert await aside(on_venue.stop) == 0
    assert not any(entry["message"] == "ready" for entry in on_venue.logged)

    venue.scripts["private/get_order_state_by_label"] = [bought(venue)]
    await aside(on_venue.restart)
    async with connected(on_venue) as client:
        told = await client.call("orders.get_outcome", {"intent": "lost"})
        assert (told["resolved"], told["outcome"]) == (True, "confirmed")
    assert len(venue.asked("private/buy")) == 1


# -- starting ----------------------------------------------------------------------------------------------------------


def refused(cerberod: Cerberod, state: Path) -> str:
    """Start a daemon on a state directory that it must not use, and return what it says."""
    ran = cerberod("serve", TESTNET_TOKEN=TOKEN, STATE_DIR=str(state), LOG_LEVEL="warning")
    assert (ran.returncode, ran.stdout) == (78, "")
    told = only_line(ran.stderr)
    assert str(state) in told
    return told


@pytest.mark.promise("P8")
@pytest.mark.parametrize("mode", [0o777, 0o750, 0o500])
def test_a_state_directory_of_the_wrong_mode_is_refused(cerberod: Cerberod, tmp_path: Path, mode: int) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    assert f"run `chmod 700 {state}`" in refused(cerberod, state)
    assert list(state.iterdir()) == []


@pytest.mark.promise("P8")
def test_a_state_directory_that_is_none_is_refused(cerberod: Cerberod, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(tmp_path / "elsewhere")
    file.touch()
    assert "is a symbolic link" in refused(cerberod, link)
    assert "is not a directory" in refused(cerberod, file)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.promise("P8")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_state_directory_of_somebody_else_is_refused(cerberod: Cerberod, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 12345, 12345)
    assert "belongs to user 12345" in refused(cerberod, state)


def test_a_missing_state_directory_is_made_for_nobody_else(bare: Daemon) -> None:
    assert stat.S_IMODE(bare.state_dir.stat().st_mode) == 0o700
    for file in bare.state_dir.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_second_daemon_of_another_kind_names_the_first(cerberod: Cerberod, bare: Daemon) -> None:
    words = ("stdio", "--env", "testnet", "--bot-tag", "second")
    ran = cerberod(*words, STATE_DIR=str(bare.state), LOG_LEVEL="warning")
    assert (ran.returncode, ran.stdout) == (78, "")
    assert f"in use by process {bare.process.pid};" in only_line(ran.stderr)


@pytest.mark.parametrize("setting", ["PORT", "HTTP_PORT"])
def test_a_port_in_use_is_found_before_anything_is_started(cerberod: Cerberod, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings: dict[str, str] = {setting: port}
        ran = cerberod("serve", "--sim", **settings)
    assert ran.returncode == 78
    told = f"cerberod: 127.0.0.1:{port} cannot be listened on (Address already in use); set {setting} to a free port"
    assert only_line(ran.stderr) == told
    state = Path(cerberod.settings["STATE_DIR"]) / "sim"
    assert [file.name for file in state.iterdir()] == ["lock"]


@pytest.mark.promise("P5", "P8")
def test_a_torn_record_is_cut_and_told_and_the_chain_goes_on(bare: Daemon) -> None:
    bare.stop()
    file = bare.state_dir / "audit.jsonl"
    whole = file.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for torn in (last[:1], last[: len(last) // 2], last[:-1]):
        file.write_bytes(whole + torn)  # as a power cut leaves it: begun, and nobody was told that it was done
        bare.restart()
        mended = bare.wait_logged(message="the audit log was mended")
        assert mended["detail"]["what"]
        bare.stop()
        whole = file.read_bytes()
        assert "repair" in kinds(bare)
    assert kinds(bare).count("repair") == 3
    bare.announce("the audit log was mended")


@pytest.mark.promise("P4")
async def test_a_full_disk_stops_writes_and_nothing_else(daemon: Daemon) -> None:
    """faults.md 71, on the whole daemon: a file of it can grow no more."""
    order = {**ORDER_PARAMS, "price": "1000"}
    async with connected(daemon) as client:
        placed = await client.call("deribit.place_order", order)
        number = {"order_id": placed["order"]["order_id"]}
        full = (daemon.state_dir / "audit.jsonl").stat().st_size + 10
        unlimited = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (full, unlimited[1]))

        with pytest.raises(Refused) as refusal:
            await client.call("deribit.place_order", {**order, "intent": "too-late"})
        assert refusal.value.code is Code.NOT_RECORDABLE
        cancelled = await client.call("deribit.cancel_order", number)
        assert (cancelled["outcome"], cancelled["recorded"]) == ("confirmed", False)
        await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
        assert await aside(readiness, daemon) == "not_ready"
        assert not (await client.call("admin.get_status"))["recording"]["healthy"]

        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)
        await aside(daemon.wait_logged, message="recording works again")
        await ready_again(daemon)
        assert (await client.call("deribit.place_order", {**order, "intent": "too-late"}))["outcome"] == "confirmed"
    daemon.announce("cannot record", "recording works again")


# -- what a terminal sees ----------------------------------------------------------------------------------------------


def test_a_terminal_gets_text_and_a_pipe_gets_json(cerberod: Cerberod, daemon: Daemon) -> None:
    assert daemon.logged[0]["level"] == "info"
    ours, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cerberod", "serve", "--sim"],
        cwd=cerberod.folder,
        env=cerberod.settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while b"event=ready" not in shown:
                shown += os.read(ours, 4096)
            process.send_signal(signal.SIGTERM)
            with suppress(OSError):  # the end of a terminal is an error
                while part := os.read(ours, 4096):
                    shown += part
        finally:
            process.kill()
    os.close(ours)
    assert not any(line.startswith(b"{") for line in shown.splitlines())
    assert b" INFO    cerberod step step=records" in shown
