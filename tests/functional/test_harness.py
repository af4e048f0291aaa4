"""The watched daemon and the checking client are themselves able to fail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.client import Refused, called, check_reply, check_request, connected
from tests.support.daemon import Daemon

PONG = {"jsonrpc": "2.0", "id": 1, "result": {"server_time": "2026-08-22T03:50:45.000Z"}}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that has ended well; each test spoils one thing and puts it right again."""
    daemon = Daemon(tmp_path_factory.mktemp("harness"), "serve", "--sim", settings={"AUDIT_LOG_FILE": "/nowhere/audit"})
    daemon.announce("AUDIT_LOG_FILE: not used in a simulation")
    try:
        daemon.wait_ready()
        daemon.stop()
    finally:
        daemon.kill()
    daemon.check()
    yield daemon
    daemon.check()


def refuses(daemon: Daemon, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        daemon.check()


def test_a_warning_that_was_not_announced_fails(ended: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "_announced", [])
    refuses(ended, "unannounced")


def test_a_warning_that_was_announced_and_did_not_come_fails(ended: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "_announced", [*ended._announced, "the sky falls"])
    refuses(ended, "the sky falls")


def test_a_wrong_exit_code_fails(ended: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended, "exit_code", 1)
    refuses(ended, "exit code 0")


def test_a_file_outside_the_state_directory_fails(ended: Daemon) -> None:
    stray = ended.folder / "home" / ".cache"
    stray.touch()
    refuses(ended, "outside the state directory")
    stray.unlink()


def test_a_spoiled_audit_fails(ended: Daemon) -> None:
    file = ended.state_dir / "audit.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    refuses(ended, "the tail is missing")
    file.write_bytes(whole)


@pytest.mark.parametrize("place", ["stderr", "audit.jsonl", "replies", "stdout"])
def test_a_secret_that_shows_fails(ended: Daemon, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"stderr": '"event":"ready"', "audit.jsonl": '"prev":"', "stdout": "cerberod listens", "replies": "a reply"}
    monkeypatch.setattr(ended, "replies", [b"a reply"])
    monkeypatch.setattr(ended, "_secrets", [shown[place]])
    refuses(ended, f"shows in .*{place}")


def test_a_line_that_is_no_log_line_fails(ended: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended.stderr, "lines", [*ended.stderr.lines, b"printed by some library"])
    refuses(ended, "not a log line")


def test_a_daemon_that_does_not_start_fails_at_once_and_tells_why(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", ready=False, TESTNET_TOKEN=None)
    with pytest.raises(AssertionError, match="TESTNET_TOKEN: must be given"):
        daemon.wait_ready()
    daemon.exit_code = 78
    daemon.stderr.lines.clear()  # the settings' problems are words for people


def test_a_request_against_the_schema_is_not_sent() -> None:
    check_request("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
    for params in ({}, {"instrument_name": 1}, {"instrument_name": "x", "unheard_of": 1}):
        with pytest.raises(AssertionError):
            check_request("deribit.get_ticker", params)
    with pytest.raises(AssertionError, match="not in the registry"):
        check_request("deribit.get_rich", {})


def error(**members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "error": members}


@pytest.mark.parametrize(
    "reply",
    [
        {**PONG, "jsonrpc": "1.0"},
        {**PONG, "extra": 1},
        {**PONG, "result": {}},
        {**PONG, "result": {**PONG["result"], "extra": 1}},  # type: ignore[dict-item]  # a literal of mixed values
        {**PONG, "result": {"server_time": "2026-08-22T03:50:45"}},
        {**PONG, "result": {"server_time": "2026-08-22T05:50:45+02:00"}},
        error(code=-32603, message="Internal error"),
        error(code=-32603, message="Something else", data={"request_id": "r-1"}),
        error(code=-32029, message="Provider not configured", data={"request_id": "r-1"}),
    ],
)
def test_a_reply_that_breaks_a_promise_fails(reply: dict[str, Any]) -> None:
    check_reply("session.ping", PONG)
    with pytest.raises(AssertionError):
        check_reply("session.ping", reply)


def test_a_code_that_does_not_exist_fails() -> None:
    with pytest.raises(ValueError, match="-1"):
        check_reply("session.ping", error(code=-1, message="x"))


async def test_the_client_remembers_what_was_called_and_what_was_answered(shared_daemon: Daemon) -> None:
    before = called["session.ping"]
    async with connected(shared_daemon) as client:
        await client.call("session.ping")
    assert called["session.ping"] == before + 1
    assert b"server_time" in shared_daemon.replies[-1]


async def test_an_error_reply_is_raised_with_code_and_fields(shared_daemon: Daemon) -> None:
    async with connected(shared_daemon) as client:
        with pytest.raises(Refused) as refused:
            await client.call("deribit.get_ticker", {}, bad=True)
    assert refused.value.code is Code.INVALID_PARAMS
    assert refused.value.fields == ["instrument_name"]


def test_each_daemon_has_a_folder_of_its_own(start_daemon: StartDaemon, tmp_path: Path) -> None:
    first, second = start_daemon(), start_daemon()
    assert first.port != second.port
    assert first.state != second.state
    assert {first.folder.parent, second.folder.parent} == {tmp_path}
