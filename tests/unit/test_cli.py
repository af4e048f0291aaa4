"""Commands in this process: what is typed, what is printed, and the exit code of every ending of a call.

The other end of a call is a small WebSocket server that says what a test tells it to say.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.sync.server import ServerConnection

from cerberod import app
from cerberod.cli import main, may_write
from cerberod.grammar import build_parser
from cerberod.rpc.registry import Effect
from tests.support.peer import Peer

TOKEN = "Tk7-unit-of-the-command-line-vQ2xJ9mZ4wLr"
WRITE = "deribit.place_order"

Say = Callable[[ServerConnection, dict[str, Any]], None]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with nothing of ours in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CERBEROD_URL", "CERBEROD_TOKEN", "CERBEROD_BOT_TAG", "TESTNET_TOKEN", "MAINNET_TOKEN", "STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def peer(alone: pytest.MonkeyPatch) -> Iterator[Peer]:
    with Peer() as peer:
        alone.setenv("CERBEROD_URL", peer.url)
        alone.setenv("CERBEROD_TOKEN", TOKEN)
        yield peer


def answer(**members: Any) -> Say:
    def say(connection: ServerConnection, request: dict[str, Any]) -> None:
        connection.send(orjson.dumps({"jsonrpc": "2.0", "id": request["id"], **members}).decode())

    return say


# -- what is typed -----------------------------------------------------------------------------------------------------


COMMANDS = ("serve", "stdio", "sim", "call", "methods", "token", "token new", "check", "audit", "audit query")


@pytest.mark.parametrize("command", [*COMMANDS, "audit verify"])
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    help = capsys.readouterr().out
    assert "example" in help
    assert f"cerberod {command.split()[0]}" in help.partition("example")[2]


def test_help_names_every_command() -> None:
    help = build_parser().format_help()
    assert all(f"    {command} " in help for command in COMMANDS if " " not in command)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "required: COMMAND"),
        ("srve", "invalid choice"),
        ("serve --simm", "unrecognized arguments: --simm"),
        ("serve --sim-chain file.json", "add --sim"),
        ("stdio --env testnet --bot-tag x --sim-chain file.json", "add --sim"),
        ("stdio --env prod --bot-tag x", "invalid choice"),
        ("stdio --env testnet", "--bot-tag"),
        ("stdio --env testnet --bot-tag é", "1 to 64 printable ASCII"),
        ("sim --deribit-port 70000", "whole number from 0 to 65535"),
        ("call", "METHOD"),
        ("call m --timeout 0", "seconds from 0.1"),
        ("call m --timeout nan", "seconds from 0.1"),
        ("call m a=1 --jsn", "unrecognized arguments: --jsn"),
        ("token", "required: WHAT"),
        ("methods a b", "unrecognized arguments: b"),
    ],
)
def test_what_is_typed_wrongly_is_told_and_exits_with_2(
    typed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_token_is_printed_alone_and_follows_the_rules(
    alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "new"]) == 0
    token = capsys.readouterr().out
    assert token.count("\n") == 1
    alone.setenv("TESTNET_TOKEN", token.strip())
    assert main(["check"]) == 0


@pytest.mark.parametrize("typed", [["token", "new"], ["--version"], ["call", "a.get_b", "c=d"]])
def test_what_is_typed_in_loops_imports_nothing_heavy(typed: list[str], tmp_path: Path) -> None:
    heavy = ["numpy", "aiohttp", "pydantic", "anyio", "cerberod.app", "cerberod.rpc.registry"]
    program = (
        "import sys\n"
        "from cerberod.cli import main\n"
        f"try: main({typed!r})\n"
        "except SystemExit: pass\n"
        f"found = [name for name in {heavy!r} if name in sys.modules]\n"
        "print(found, file=sys.stderr)\n"
    )
    settings = {"CERBEROD_TOKEN": TOKEN, "CERBEROD_URL": "ws://127.0.0.1:9", "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=settings, cwd=tmp_path, check=True
    )
    assert ran.stderr.endswith("[]\n"), ran.stderr


# -- calls -------------------------------------------------------------------------------------------------------------


def test_a_result_is_shown_as_names_and_values(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.say = answer(result={"environment": "testnet", "scopes": ["read", "trade"]})
    assert main(["call", "session.get_x"]) == 0
    assert capsys.readouterr() == ("environment  testnet\nscopes       read, trade\n", "")


def test_json_is_the_result_alone(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.say = answer(result={"a": [1, None]})
    assert main(["call", "session.get_x", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == {"a": [1, None]}


def test_the_request_carries_token_tag_method_and_params(peer: Peer) -> None:
    peer.say = answer(result={})
    assert main(["call", "a.get_b", "--bot-tag", "night owl", "instrument_name=BTC-PERPETUAL"]) == 0
    assert peer.headers["Authorization"] == f"Bearer {TOKEN}"
    assert peer.headers["X-Bot-Tag"] == "night owl"
    assert peer.requests[0]["method"] == "a.get_b"
    assert peer.requests[0]["params"] == {"instrument_name": "BTC-PERPETUAL"}


def test_without_a_tag_calls_are_made_as_cli(peer: Peer) -> None:
    peer.say = answer(result={})
    main(["call", "a.get_b"])
    assert peer.headers["X-Bot-Tag"] == "cli"


@pytest.mark.parametrize(
    "typed", [["a=b", "--json"], ["--json", "a=b"], ["--json", '{"a": "b"}'], ["--timeout", "5", "a=b"]]
)
def test_options_may_stand_anywhere(peer: Peer, typed: list[str]) -> None:
    peer.say = answer(result={})
    assert main(["call", "a.get_b", *typed]) == 0
    assert peer.requests[0]["params"] == {"a": "b"}


def test_an_amount_stays_text_and_a_write_is_given_an_intent(peer: Peer) -> None:
    peer.say = answer(result={"outcome": "confirmed", "intent": "i-1"})
    assert main(["call", WRITE, "instrument_name=BTC-PERPETUAL", "side=buy", "amount=10", "reduce_only=true"]) == 0
    params = peer.requests[0]["params"]
    assert params["amount"] == "10"
    assert params["reduce_only"] is True
    assert params["intent"].startswith("auto-")


def test_an_intent_that_was_typed_is_kept(peer: Peer) -> None:
    peer.say = answer(result={"outcome": "confirmed", "intent": "7"})
    assert main(["call", WRITE, "intent=7"]) == 0
    assert peer.requests[0]["params"] == {"intent": "7"}


def test_what_the_daemon_pushes_is_passed_over(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    def say(connection: ServerConnection, request: dict[str, Any]) -> None:
        connection.send('{"jsonrpc":"2.0","method":"orders.resolved","params":{}}')
        answer(result={"a": 1})(connection, request)

    peer.say = say
    assert main(["call", "a.get_b"]) == 0
    assert capsys.readouterr().out == "a  1\n"


def test_an_error_is_told_in_words_on_stderr(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    data = {"problems": [{"field": "depth", "rule": "at most 100"}], "problem_count": 1, "request_id": "r-9"}
    peer.say = answer(error={"code": -32602, "message": "Invalid params", "data": data})
    assert main(["call", "a.get_b"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "  depth: at most 100\n" in err
    assert "r-9" in err


def test_with_json_an_error_is_json_on_stdout_too(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.say = answer(error={"code": -32009, "message": "Busy"})
    assert main(["call", "a.get_b", "--json"]) == 1
    assert orjson.loads(capsys.readouterr().out) == {"error": {"code": -32009, "message": "Busy"}}


@pytest.mark.parametrize(("outcome", "status"), [("confirmed", 0), ("rejected", 1), ("denied", 1), ("unknown", 3)])
def test_how_a_write_ended_is_the_exit_code(
    peer: Peer, outcome: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = [{"field": "price", "rule": "a multiple of 0.5", "nearest": "100.5"}] if outcome == "denied" else []
    peer.say = answer(result={"outcome": outcome, "intent": "i-1", "reasons": reasons})
    assert main(["call", WRITE, "intent=i-1"]) == status
    out, err = capsys.readouterr()
    assert outcome in out
    assert ("100.5" in err) == (outcome == "denied")
    assert ("intent=i-1" in err) == (outcome == "unknown")


def test_a_read_that_tells_how_a_write_ended_has_not_failed(peer: Peer) -> None:
    peer.say = answer(result={"outcome": "rejected", "intent": "i-1"})
    assert main(["call", "orders.get_outcome", "intent=i-1"]) == 0


def hang_up(connection: ServerConnection, request: dict[str, Any]) -> None:
    connection.close(1001)


def garble(connection: ServerConnection, request: dict[str, Any]) -> None:
    connection.send("{")


def bare_list(connection: ServerConnection, request: dict[str, Any]) -> None:
    connection.send("[]")


def stay_silent(connection: ServerConnection, request: dict[str, Any]) -> None:
    """Say nothing until the caller has gone."""


@pytest.mark.parametrize(
    ("say", "told"),
    [
        (hang_up, "closed the connection with code 1001"),
        (garble, "does not speak JSON"),
        (bare_list, "does not speak JSON-RPC"),
        (stay_silent, "no answer within 1 s"),
    ],
)
@pytest.mark.parametrize(("method", "status"), [("orders.get_outcome", 1), (WRITE, 3)])
def test_a_lost_answer_is_one_line_and_for_a_write_the_intent(
    peer: Peer, say: Say, told: str, method: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.say = say
    patience = "1" if say is stay_silent else "60"
    assert main(["call", method, "--timeout", patience, "intent=i-1"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err.split("\n")[0]
    assert ("get_outcome intent=i-1 " in err) == (method == WRITE)


def test_the_intent_made_for_a_write_is_told_when_its_answer_is_lost(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.say = hang_up
    assert main(["call", WRITE]) == 3
    assert f"intent={peer.requests[0]['params']['intent']} " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b'{"error": "UNAUTHENTICATED", "message": "M"}', "CERBEROD_TOKEN must be"),
        (400, b'{"error": "BAD_REQUEST", "message": "M", "header": "X-Bot-Tag"}', "bot tag"),
        (403, b'{"error": "WRONG_ORIGIN", "message": "What the daemon says."}', "What the daemon says."),
        (503, b'{"error": "SHUTTING_DOWN", "message": "Later."}', "Later."),
        (401, b"<html>", "no cerberod"),
        (404, b"[1]", "no cerberod"),
    ],
)
def test_a_refused_handshake_is_one_line(
    peer: Peer, status: int, body: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    peer.refuse = (status, body)
    assert main(["call", "a.get_b"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"HTTP {status}" in err
    assert told in err
    assert TOKEN not in err


def test_nothing_listening_is_one_line(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.close()
    assert main(["call", "a.get_b"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "nothing listens" in err


def test_a_call_without_token_names_the_setting(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "a.get_b"]) == 78
    assert "CERBEROD_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [(["x"], "neither NAME=VALUE"), (["[1]"], "by name"), (["{"], "not JSON"), (["a=1", "a=2"], "twice")],
)
def test_params_that_are_none_exit_with_2(
    peer: Peer, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["call", "a.get_b", *words]) == 2
    assert told in capsys.readouterr().err
    assert peer.requests == []


# -- methods, check, audit ---------------------------------------------------------------------------------------------


def test_methods_are_listed_by_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "session."]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[0].split() == ["method", "effect", "summary"]
    assert lines[1].startswith("session.ping")
    assert all(line.startswith("session.") for line in lines[1:-1])


def test_one_method_is_explained_with_params_result_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", WRITE]) == 0
    page = capsys.readouterr().out
    for part in ("params\n", "result\n", "errors\n", "example\n", "instrument_name", "decimal", "buy|sell", "-32022"):
        assert part in page


def test_methods_as_json_are_an_openrpc_document_of_just_these(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "session.ping", "--json"]) == 0
    document = orjson.loads(capsys.readouterr().out)
    assert [method["name"] for method in document["methods"]] == ["session.ping"]
    assert document["openrpc"].startswith("1.")


def test_an_unknown_method_is_told_with_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "sesion.ping"]) == 1
    assert "session.ping" in capsys.readouterr().err


def test_call_looks_up_every_method_that_writes() -> None:
    """It spares itself the registry where a name shows that nothing is written."""
    writes = [method.name for method in app.methods() if method.effect is Effect.WRITE]
    assert writes
    assert all(map(may_write, writes))
    assert not may_write("session.whoami")
    assert not may_write("deribit.get_ticker")


def test_check_tells_every_problem_at_once(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    alone.setenv("PORT", "ninety")
    alone.setenv("DERIBIT_CLIENT_ID", "abcdefgh")
    assert main(["check"]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert all(name in err for name in ("PORT", "TESTNET_TOKEN", "DERIBIT_CLIENT_SECRET"))
    assert "ninety" not in err


def test_check_as_json_tells_problems_on_stdout(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 78
    told = orjson.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["problems"][0]["name"] == "TESTNET_TOKEN"


def test_check_shows_where_each_setting_comes_from_and_no_secret(
    alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone.setenv("TESTNET_TOKEN", TOKEN)
    alone.setenv("DERIBIT_CLIENT_ID_TESTNET", "canary-of-an-id")
    alone.setenv("DERIBIT_CLIENT_SECRET_TESTNET", "canary-of-a-secret")
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert TOKEN not in out
    assert "canary" not in out
    assert "***  (environment)" in out
    assert "***  (DERIBIT_CLIENT_SECRET_TESTNET (environment))" in out
    assert "9000  (default)" in out


def test_an_audit_that_is_not_there_is_one_line(alone: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("query", "verify"):
        assert main(["audit", command, "--sim"]) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "there is no audit log here" in err


@pytest.mark.parametrize("command", ["audit query", "audit verify", "resume --env testnet"])
def test_where_only_the_simulator_ran_its_switch_is_told(
    command: str, alone: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".local" / "state" / "cerberod" / "sim").mkdir(parents=True)
    assert main(command.split()) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "add --sim" in err


@pytest.mark.parametrize(
    ("option", "told"), [("--limit=0", "--limit is a whole number"), ("--from=x", "--from is an ISO")]
)
def test_a_bad_audit_filter_exits_with_2(
    alone: pytest.MonkeyPatch, option: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "query", option]) == 2
    assert told in capsys.readouterr().err
