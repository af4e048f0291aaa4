"""SIGHUP: tokens and the log level change while sessions live on; what cannot be used changes nothing."""

import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from tests.functional.conftest import StartDaemon
from tests.support.client import connected, raw_connection
from tests.support.daemon import Daemon

TESTNET, MAINNET = "Tk7-reload-testnet-1-vQ2xJ9mZ4wLr8b", "Tk7-reload-mainnet-1-hS6pY1cVgE3uKo"
NEXT = "Tk7-reload-testnet-2-bN5tR0yUiP2aSd"
NOWHERE = "ws://127.0.0.1:1"
WITHDRAWN = 1008


class Configured:
    """A daemon whose tokens stand in its `.env`, which a test rewrites."""

    def __init__(self, start: StartDaemon, folder: Path, **settings: str) -> None:
        self.file = folder / "daemon-0" / "work" / ".env"
        self.file.parent.mkdir(parents=True)
        self.write(settings)
        self.daemon: Daemon = start(
            "serve",
            TESTNET_TOKEN=None,
            ADMIN_TOKEN=None,
            DERIBIT_URL_TESTNET=NOWHERE,
            DERIBIT_URL_LIVE=NOWHERE,
            ready=False,
        )
        self.daemon.token = TESTNET
        for token in (TESTNET, MAINNET, NEXT):
            self.daemon.add_secret(token)
        self.daemon.wait_ready()

    def write(self, settings: Mapping[str, str]) -> None:
        self.file.write_text("".join(f"{name}={text}\n" for name, text in settings.items()))
        self.file.chmod(0o600)

    async def reload(self, event: str = "reloaded", **settings: str) -> dict[str, Any]:
        """Rewrite the file, send the signal, and return what the log says of this reload."""
        before = sum(entry.get("event") == event for entry in self.daemon.logged)
        self.write(settings)
        self.daemon.process.send_signal(signal.SIGHUP)
        wait = partial(self.daemon.wait_logged, event=event) if before == 0 else partial(self._another, event, before)
        return await anyio.to_thread.run_sync(wait)

    def _another(self, event: str, before: int) -> dict[str, Any]:
        seen: list[dict[str, Any]] = []
        with self.daemon._changed:
            assert self.daemon._changed.wait_for(lambda: len(self._found(event, seen)) > before, 60)
        return seen[-1]

    def _found(self, event: str, seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen[:] = [entry for entry in self.daemon.logged if entry.get("event") == event]
        return seen

    async def audited(self, count: int) -> list[dict[str, Any]]:
        """Return what the audit has of reloads once it has so many: a record is made after the line in the log."""
        found: list[dict[str, Any]] = []
        with anyio.fail_after(60):
            while len(found) < count:
                await anyio.sleep(0.01)
                data = (self.daemon.state_dir / "audit.jsonl").read_bytes()
                entries = map(orjson.loads, data[: data.rfind(b"\n") + 1].splitlines())
                found = [entry["detail"] for entry in entries if entry["kind"] == "reload"]
        return found


async def ping(connection: ClientConnection) -> None:
    await connection.send('{"jsonrpc":"2.0","id":1,"method":"session.ping"}')
    assert "result" in orjson.loads(await connection.recv())


async def test_a_token_is_replaced_without_a_gap_and_the_other_environment_notices_nothing(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    both = {"TESTNET_TOKEN": TESTNET, "MAINNET_TOKEN": MAINNET}
    configured = Configured(start_daemon, tmp_path, **both)
    daemon = configured.daemon
    async with AsyncExitStack() as stack:

        async def session(token: str) -> ClientConnection:
            return await stack.enter_async_context(raw_connection(daemon, token=token))

        old, other = await session(TESTNET), await session(MAINNET)
        await configured.reload(**both | {"TESTNET_TOKEN": NEXT, "TESTNET_TOKEN_OLD": TESTNET})
        new, late = await session(NEXT), await session(TESTNET)
        for connection in (old, other, new, late):
            await ping(connection)
        told = await configured.reload(**both | {"TESTNET_TOKEN": NEXT})
        assert (told["sessions_ended"], told["changed"]) == (2, ["TESTNET_TOKEN_OLD"])
        for connection in (old, late):
            await connection.wait_closed()
            assert connection.close_code == WITHDRAWN
        for connection in (other, new):
            await ping(connection)
        with pytest.raises(InvalidStatus) as refused:
            await session(TESTNET)
        assert refused.value.response.status_code == 401
    audited = await configured.audited(2)
    assert [(detail["applied"], detail["sessions_ended"]) for detail in audited] == [(True, 0), (True, 2)]


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"TESTNET_TOKEN": "short"}, "TESTNET_TOKEN"),
        ({"TESTNET_TOKEN": NEXT, "MAINNET_TOKEN": MAINNET}, "MAINNET_TOKEN"),
        ({"TESTNET_TOKEN": NEXT, "TESTNET_TOKEN_OLD": NEXT}, "TESTNET_TOKEN_OLD"),
        ({"TESTNET_TOKEN_OLD": NEXT}, "TESTNET_TOKEN"),
        ({"TESTNET_TOKEN": NEXT, "LIMIT_SESSIONS": "x"}, "LIMIT_SESSIONS"),
    ],
    ids=["weak token", "new environment", "equal tokens", "old token alone", "another setting"],
)
async def test_what_cannot_be_used_changes_nothing(
    start_daemon: StartDaemon, tmp_path: Path, broken: dict[str, str], named: str
) -> None:
    configured = Configured(start_daemon, tmp_path, TESTNET_TOKEN=TESTNET)
    daemon = configured.daemon
    daemon.announce("reload refused, nothing changed")
    async with connected(daemon) as client:
        told = await configured.reload("reload_refused", **broken)
        assert [problem.partition(":")[0] for problem in told["problems"]] == [named]
        await client.call("session.ping")
    async with connected(daemon) as again:
        await again.call("session.ping")
    assert [detail["applied"] for detail in await configured.audited(1)] == [False]


async def test_the_log_level_changes_and_the_rest_waits_for_a_restart(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    configured = Configured(start_daemon, tmp_path, TESTNET_TOKEN=TESTNET)
    daemon = configured.daemon
    daemon.announce("changed settings wait for a restart")
    told = await configured.reload("reload_waits", TESTNET_TOKEN=TESTNET, LOG_LEVEL="warning", LIMIT_SESSIONS="7")
    assert told["settings"] == ["LIMIT_SESSIONS"]
    async with connected(daemon, bot_tag="unheard") as client:
        await client.call("session.ping")
    told = await configured.reload(TESTNET_TOKEN=TESTNET, LOG_LEVEL="info")
    assert told["changed"] == ["LOG_LEVEL"]
    async with connected(daemon, bot_tag="heard") as client:
        await client.call("session.ping")
    await anyio.to_thread.run_sync(partial(daemon.wait_logged, message="session opened", bot_tag="heard"))
    assert not [entry for entry in daemon.logged if entry.get("bot_tag") == "unheard"]
    assert [detail["waiting"] for detail in await configured.audited(2)] == [["LIMIT_SESSIONS"], []]


async def test_the_token_that_a_simulation_made_stays(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", TESTNET_TOKEN=None)
    async with connected(daemon) as client:
        daemon.process.send_signal(signal.SIGHUP)
        told = await anyio.to_thread.run_sync(partial(daemon.wait_logged, event="reloaded"))
        assert (told["changed"], told["sessions_ended"]) == ([], 0)
        await client.call("session.ping")
