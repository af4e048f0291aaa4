"""The daemon's records on a full disk, changed by somebody, or written by another version. `faults.md` 71, 75, 76."""

import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import anyio
import anyio.to_thread
import orjson
import pytest

from cerberod.errors import Code
from cerberod.trading import journal as journal_module
from cerberod.trading.journal import SCHEMA
from cerberod.trading.records import JOURNAL_FILE
from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected
from tests.support.command import Cerberod
from tests.support.daemon import Daemon
from tests.support.simulator import TESTNET, SimulatorProcess

ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}


async def place(client: Client, intent: str) -> str:
    placed = await client.call("deribit.place_order", {**ORDER, "intent": intent})
    assert placed["outcome"] == "confirmed", placed
    return str(placed["order"]["order_id"])


def readiness(daemon: Daemon) -> str:
    try:
        with urlopen(f"{daemon.http_url}/health/ready", timeout=30) as answer:
            return str(orjson.loads(answer.read())["status"])
    except HTTPError as error:
        with error:
            return str(orjson.loads(error.read())["status"])


async def until_ready(daemon: Daemon, status: str) -> None:
    with anyio.fail_after(60):
        while await anyio.to_thread.run_sync(readiness, daemon) != status:  # noqa: ASYNC110 - another process
            await anyio.sleep(0.05)


@pytest.mark.promise("P4")
async def test_on_a_full_disk_orders_are_refused_cancels_go_out_and_what_is_owed_is_written_later(
    start_daemon: StartDaemon, simulator: SimulatorProcess
) -> None:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    audit = daemon.state_dir / "audit.jsonl"
    free = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    async with connected(daemon) as client:
        order = await place(client, "before")
        await client.call("admin.query_audit", {})  # what waits is written, so that the file's size stands
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (audit.stat().st_size + 100, free[1]))
        with pytest.raises(Refused) as refused:
            await client.call("deribit.place_order", {**ORDER, "intent": "during"})
        assert refused.value.code is Code.NOT_RECORDABLE
        assert not (await client.call("orders.get_outcome", {"intent": "during"}))["known"]
        cancelled = await client.call("deribit.cancel_order", {"order_id": order, "intent": "cancel"})
        assert (cancelled["outcome"], cancelled["recorded"]) == ("confirmed", False)
        assert (await client.call("deribit.get_open_orders", {"currency": "BTC"}))["orders"] == []
        halted = await client.call("admin.halt", {"bot_tag": "somebody-else"})
        assert not halted["recorded"]
        await until_ready(daemon, "not_ready")
        assert audit.read_bytes().endswith(b"\n"), "half a record was left"
        assert [each["label"] for each in simulator.orders(TESTNET)] != [], "the venue has the first order alone"
        assert len(simulator.orders(TESTNET)) == 1

        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, free)
        await until_ready(daemon, "ready")
        daemon.wait_logged(message="recording works again")
        loud = [each["message"] for each in daemon.logged if each["level"] in ("warning", "error")]
        assert loud == ["cannot record", "recording works again"]
        await place(client, "during")
        kinds = [(each["kind"], each.get("intent")) for each in (await client.call("admin.query_audit", {}))["records"]]
    assert ("outcome", "cancel") in kinds, "what was owed was not written"
    assert b'"kind":"repair"' in audit.read_bytes(), "the gap was not told"
    await anyio.to_thread.run_sync(daemon.stop)
    daemon.restart()
    async with connected(daemon) as client:
        stops = (await client.call("admin.halt", {"bot_tag": "another"}))["stops"]
        assert "somebody-else" in [each["bot_tag"] for each in stops], "the stop that was owed did not last"


# -- changed by somebody


def flip(lines: list[bytes]) -> list[bytes]:
    middle = bytearray(lines[2])
    middle[len(middle) // 2] ^= 1
    return [*lines[:2], bytes(middle), *lines[3:]]


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (flip, "audit.jsonl:3: record 3"),
        (lambda lines: [*lines[:2], *lines[3:]], "record 3"),
        (lambda lines: lines[:-5], "the tail is missing: records"),
    ],
    ids=["a bit flipped", "a record removed", "the last five removed"],
)
async def test_what_was_done_to_the_audit_is_told_by_the_command(
    start_daemon: StartDaemon, cerberod: Cerberod, change: Callable[[list[bytes]], list[bytes]], told: str
) -> None:
    daemon = start_daemon()
    async with connected(daemon) as client:
        for number in range(4):
            await place(client, f"order-{number}")
    await anyio.to_thread.run_sync(daemon.stop)
    audit = daemon.state_dir / "audit.jsonl"
    whole = audit.read_bytes()
    audit.write_bytes(b"".join(change(whole.splitlines(keepends=True))))
    cerberod.settings |= {"STATE_DIR": str(daemon.state)}
    ran = await anyio.to_thread.run_sync(cerberod, "audit", "verify", "--sim")
    assert ran.returncode == 1
    assert told in ran.stdout, ran.stdout
    assert ran.stdout.endswith("NOT all is well\n")
    audit.write_bytes(whole)  # the daemon's own check comes when the test is over


# -- written by another version


def rewritten(state: Path, change: Callable[[sqlite3.Connection], object]) -> None:
    connection = sqlite3.connect(state / JOURNAL_FILE)
    with connection:
        change(connection)
    connection.close()


@pytest.mark.promise("P8")
async def test_a_journal_of_a_newer_version_is_refused_and_left_alone(
    start_daemon: StartDaemon, cerberod: Cerberod
) -> None:
    daemon = start_daemon()
    await anyio.to_thread.run_sync(daemon.stop)
    rewritten(daemon.state_dir, lambda journal: journal.execute(f"PRAGMA user_version = {SCHEMA + 1}"))
    cerberod.settings |= {"STATE_DIR": str(daemon.state), "TESTNET_TOKEN": daemon.token}
    ran = await anyio.to_thread.run_sync(cerberod, "serve", "--sim")
    assert ran.returncode == 78
    line = next(line for line in ran.stderr.splitlines() if line.startswith("cerberod: "))
    assert line == (
        f"cerberod: {daemon.state_dir / JOURNAL_FILE}: made by a newer cerberod (schema {SCHEMA + 1}, this one knows"
        f" {SCHEMA}); run that version"
    )
    rewritten(daemon.state_dir, lambda journal: journal.execute(f"PRAGMA user_version = {SCHEMA}"))
    daemon.restart()


@pytest.mark.promise("P8")
@pytest.mark.parametrize("version", range(1, SCHEMA))
async def test_a_journal_of_an_older_version_is_taken_over_with_all_its_intents(
    start_daemon: StartDaemon, version: int
) -> None:
    daemon = start_daemon()
    async with connected(daemon) as client:
        order = await place(client, "of-the-past")
    await anyio.to_thread.run_sync(daemon.stop)
    rewritten(daemon.state_dir, lambda journal: as_of_version(journal, version))
    daemon.restart()
    async with connected(daemon) as client:
        told = await client.call("orders.get_outcome", {"intent": "of-the-past"})
        assert (told["outcome"], told["result"]["order"]["order_id"]) == ("confirmed", order)
        again = await client.call("deribit.place_order", {**ORDER, "intent": "of-the-past"})
        assert again["repeated"]
        await client.call("admin.halt", {})
        assert (await client.call("deribit.place_order", ORDER))["outcome"] == "denied"


def as_of_version(journal: sqlite3.Connection, version: int) -> None:
    """Take away every table that a later version has brought."""
    earlier = sqlite3.connect(":memory:")
    for script in journal_module._MIGRATIONS[:version]:
        earlier.executescript(script)
    names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    kept = {row[0] for row in earlier.execute(names)}
    earlier.close()
    for (name,) in journal.execute(names).fetchall():
        if name not in kept:
            journal.execute(f"DROP TABLE {name}")
    journal.execute(f"PRAGMA user_version = {version}")
