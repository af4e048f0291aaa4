"""A part of the daemon dies, or nobody reads its log. `faults.md` 79, 80, 81."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pytest
from websockets.asyncio.client import connect

from cerberod.ids import Environment
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.wire import frames
from tests.functional.conftest import StartDaemon
from tests.support.client import connected, raw_connection
from tests.support.daemon import TOKEN, environment
from tests.support.deribit_venue import client_of, eventually, scripted

ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}
POISON = {"jsonrpc": "2.0", "method": "poison", "params": {}}
LIVES = 100


@pytest.mark.promise("P8")
async def test_without_its_recorder_the_daemon_ends_and_says_why(start_daemon: StartDaemon, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    daemon = start_daemon("serve", "--sim", module="tests.support.dying", DIES_WITH=str(sign))
    async with connected(daemon) as client:
        assert (await client.call("deribit.place_order", {**ORDER, "intent": "known"}))["outcome"] == "confirmed"
    async with raw_connection(daemon) as connection:
        sign.touch()
        await connection.send('{"jsonrpc":"2.0","id":1,"method":"admin.query_audit"}')  # wakes the recorder
        assert await anyio.to_thread.run_sync(daemon.wait) == 1
    (entry,) = [entry for entry in daemon.logged if entry["level"] == "critical"]
    assert entry["message"] == "a part that the daemon cannot do without has failed"
    assert "__main__.Died" in str(entry["error"])
    assert b"nobody may see" not in daemon.stderr.data
    sign.unlink()
    daemon.restart()
    async with connected(daemon) as client:
        assert (await client.call("orders.get_outcome", {"intent": "known"}))["outcome"] == "confirmed"


async def test_a_link_that_dies_a_hundred_times_is_there_again_and_nothing_else_is_affected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = frames.read

    def poisoned(text: Any) -> Any:
        if b"poison" in (text if isinstance(text, bytes) else text.encode()):
            raise ZeroDivisionError("a bug in reading frames")
        return read(text)

    monkeypatch.setattr(frames, "read", poisoned)
    async with (
        scripted(public__get_time=1) as ill,
        scripted(public__get_time=2) as well,
        client_of(ill) as dying,
        client_of(well, environment=Environment.TESTNET) as steady,
    ):
        for life in range(LIVES):
            await eventually(partial(_has_died, dying, life))
            await ill.tell(POISON)
            assert (await steady.read("public/get_time", {"life": life})).result == 2
        await eventually(partial(_has_died, dying, LIVES))
        assert (await dying.read("public/get_time", {})).result == 1
        assert steady.status().reconnects == 0
        assert len(well.connections) == 1
    told = [record for record in caplog.records if "unforeseen" in record.message]
    assert len(told) == LIVES


def _has_died(deribit: Deribit, times: int) -> bool:
    status = deribit.status()
    return status.connected and status.reconnects == times


@pytest.fixture
def unread(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A daemon whose log was read until it was ready and not further: process, the log's end, port."""
    for name in ("home", "work", "tmp"):
        (tmp_path / name).mkdir()
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "cerberod", "serve", "--sim"],
        cwd=tmp_path / "work",
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=write,
    )
    os.close(write)
    try:
        data = b""
        while b'"event":"ready"' not in data or not data.endswith(b"\n"):
            data += os.read(read, 65_536)
        ready = next(entry for entry in map(orjson.loads, data.splitlines()) if entry.get("event") == "ready")
        yield process, read, ready["port"]
    finally:
        process.kill()
        process.wait()
        os.close(read)


@pytest.mark.promise("P10")
async def test_a_log_that_nobody_reads_blocks_no_call(unread: tuple[subprocess.Popen[bytes], int, int]) -> None:
    process, log, port = unread
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Bot-Tag": "chatterbox"}
    async with connect(f"ws://127.0.0.1:{port}/", additional_headers=headers, compression=None) as connection:
        with anyio.fail_after(60):
            for first in range(0, 6_400, 16):
                for number in range(first, first + 16):
                    call = {"jsonrpc": "2.0", "id": number, "method": "session.ping"}
                    await connection.send(orjson.dumps(call).decode())
                for _ in range(16):
                    assert "result" in orjson.loads(await connection.recv())
    # More was logged than pipe and queue hold together. Whoever reads again is told of the gap.
    told = bytearray()

    def read_on() -> None:
        while block := os.read(log, 65_536):
            told.extend(block)

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, read_on)
        process.send_signal(signal.SIGTERM)
        assert await anyio.to_thread.run_sync(process.wait, 60) == 0
    assert b'"message":"log lines lost"' in told
