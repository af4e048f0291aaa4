"""The commands as real processes: against a running daemon, against its files, and where they cannot do their work."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import orjson
import pytest

from tests.functional.conftest import StartDaemon
from tests.support.command import ENDS_S, Cerberod, only_line
from tests.support.daemon import ADMIN_TOKEN, TOKEN, Daemon


@pytest.fixture
def at_daemon(cerberod: Cerberod, shared_daemon: Daemon) -> Cerberod:
    """Commands that know where the shared daemon is."""
    cerberod.settings |= {"CERBEROD_URL": shared_daemon.url, "CERBEROD_TOKEN": TOKEN, "CERBEROD_BOT_TAG": "by-hand"}
    return cerberod


# -- calls -------------------------------------------------------------------------------------------------------------


def test_call_shows_who_we_are(at_daemon: Cerberod) -> None:
    ran = at_daemon("call", "session.whoami")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ["environment", "testnet"] in lines
    assert ["bot_tag", "by-hand"] in lines


def test_call_prints_json_for_machines(at_daemon: Cerberod) -> None:
    ran = at_daemon("call", "deribit.get_orderbook", "instrument_name=BTC-PERPETUAL", "depth=5", "--json")
    assert ran.returncode == 0
    assert len(orjson.loads(ran.stdout)["bids"]) == 5


def test_call_reads_params_from_standard_input(at_daemon: Cerberod) -> None:
    ran = at_daemon("call", "deribit.get_ticker", "-", "--json", input='{"instrument_name": "ETH-PERPETUAL"}')
    assert orjson.loads(ran.stdout)["instrument_name"] == "ETH-PERPETUAL"


@pytest.mark.parametrize(
    "name",
    ["deribit.calculate_spread_payoff", "deribit.find_by_delta", "deribit.place_bracket_order", "deribit.place_order"],
)
def test_the_example_of_a_methods_page_works_as_it_stands(at_daemon: Cerberod, name: str) -> None:
    shown = at_daemon("methods", name).stdout.splitlines()[-1]
    listed = at_daemon("call", "deribit.get_expirations", "currency=BTC", "kind=option", "--json").stdout
    farthest = orjson.loads(listed)["option"][-1]["name"]  # the day that the example names will have passed
    ran = at_daemon(*shlex.split(shown.replace("25DEC26", farthest))[1:], "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert orjson.loads(ran.stdout).get("outcome", "confirmed") == "confirmed"


def test_an_order_is_placed_repeated_edited_and_cancelled_by_hand(at_daemon: Cerberod) -> None:
    order = ("instrument_name=BTC-PERPETUAL", "side=buy", "amount=10", "price=1000", "intent=by-hand-1", "--json")
    placed = orjson.loads(at_daemon("call", "deribit.place_order", *order).stdout)
    assert placed["outcome"] == "confirmed"
    repeated = orjson.loads(at_daemon("call", "deribit.place_order", *order).stdout)
    assert repeated == {**placed, "repeated": True}
    number = f"order_id={placed['order']['order_id']}"
    edited = at_daemon("call", "deribit.edit_order", number, "amount=20", "price=1000")
    assert edited.returncode == 0, edited.stderr
    assert ["order.amount", "20"] in [line.split() for line in edited.stdout.splitlines()]
    cancelled = at_daemon("call", "deribit.cancel_order", number)
    assert ["order.order_state", "cancelled"] in [line.split() for line in cancelled.stdout.splitlines()]


def test_a_denied_order_exits_with_1_and_tells_the_nearest_price(at_daemon: Cerberod) -> None:
    ran = at_daemon(
        "call", "deribit.place_order", "instrument_name=BTC-PERPETUAL", "side=buy", "amount=10", "price=1000.3"
    )
    assert ran.returncode == 1
    assert ["outcome", "denied"] in [line.split() for line in ran.stdout.splitlines()]
    assert "nothing was sent" in ran.stderr
    assert "nearest valid value: 1000.5" in ran.stderr


def test_wrong_params_exit_with_1_and_name_field_and_rule(at_daemon: Cerberod) -> None:
    ran = at_daemon("call", "deribit.get_orderbook", "instrument_name=BTC-PERPETUAL", "depth=many")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "Invalid params (-32602)" in ran.stderr
    assert "  depth: " in ran.stderr
    assert "  request id: r-" in ran.stderr


def test_a_method_that_does_not_exist_exits_with_1(at_daemon: Cerberod) -> None:
    ran = at_daemon("call", "deribit.get_rich")
    assert ran.returncode == 1
    assert "Method not found (-32601)" in ran.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"CERBEROD_TOKEN": ADMIN_TOKEN[::-1]}, "HTTP 401: the token was refused"),
        ({"CERBEROD_TOKEN": ADMIN_TOKEN}, "HTTP 400: the operator's token acts through cerberod halt"),
        ({"CERBEROD_URL": "ws://127.0.0.1:1/"}, "nothing listens at ws://127.0.0.1:1"),
        ({"CERBEROD_URL": "wss://127.0.0.1:1/"}, "nothing listens at wss://127.0.0.1:1"),
        ({"CERBEROD_URL": "ws://nowhere.localhost.invalid/"}, "CERBEROD_URL"),
    ],
)
def test_a_daemon_that_lets_nobody_in_is_one_line(at_daemon: Cerberod, settings: dict[str, str], told: str) -> None:
    ran = at_daemon("call", "session.ping", **settings)
    assert ran.stdout == ""
    assert ran.returncode in (1, 78)
    assert told in (only_line(ran.stderr) if ran.returncode == 1 else ran.stderr)
    assert not any(token in ran.stderr for token in (TOKEN, ADMIN_TOKEN, ADMIN_TOKEN[::-1]))


def test_the_http_listener_is_told_from_the_websocket_listener(at_daemon: Cerberod, shared_daemon: Daemon) -> None:
    ran = at_daemon("call", "session.ping", CERBEROD_URL=shared_daemon.http_url.replace("http", "ws"))
    assert ran.returncode == 1
    assert "HTTP 404" in only_line(ran.stderr)


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_tls_to_a_plain_port_is_one_line(at_daemon: Cerberod, shared_daemon: Daemon) -> None:
    shared_daemon_url = shared_daemon.url.replace("ws:", "wss:")
    ran = at_daemon("call", "session.ping", CERBEROD_URL=shared_daemon_url)
    assert ran.returncode == 1
    assert shared_daemon_url.rstrip("/") in only_line(ran.stderr)


def test_an_interrupted_call_ends_with_130_and_no_words(at_daemon: Cerberod) -> None:
    with (
        listening() as server,
        at_daemon.started("call", "session.ping", CERBEROD_URL=f"ws://127.0.0.1:{server.getsockname()[1]}") as process,
    ):
        connection, _ = server.accept()
        with connection:
            connection.recv(1)  # the handshake has begun, so that the command waits
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_reader_that_goes_away_is_no_error(at_daemon: Cerberod) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "cerberod", "methods"], env=at_daemon.settings, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    _, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, err) == (141, b"")


# -- audit -------------------------------------------------------------------------------------------------------------


def test_the_audit_is_read_and_verified_beside_a_running_daemon(cerberod: Cerberod, daemon: Daemon) -> None:
    cerberod.settings |= {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": TOKEN, "STATE_DIR": str(daemon.state)}
    words = ("instrument_name=BTC-PERPETUAL", "side=buy", "amount=10", "price=1000", "intent=audited")
    assert cerberod("call", "deribit.place_order", *words).returncode == 0
    shown = cerberod("audit", "query", "--sim", "--action", "deribit.place_order", "--json")
    records = orjson.loads(shown.stdout)["records"]
    assert [(record["kind"], record["intent"]) for record in records] == [
        ("outcome", "audited"),
        ("request", "audited"),
    ]
    table = cerberod("audit", "query", "--sim", "--action", "place_order", "--limit", "1")
    assert "confirmed" in table.stdout
    assert "--cursor" in table.stderr
    verified = cerberod("audit", "verify", "--sim")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.endswith("all is well\n")


def test_one_flipped_byte_is_told_by_file_line_and_sequence(cerberod: Cerberod, daemon: Daemon) -> None:
    cerberod.settings |= {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": TOKEN, "STATE_DIR": str(daemon.state)}
    words = ("instrument_name=BTC-PERPETUAL", "side=buy", "amount=10", "price=1000")
    assert cerberod("call", "deribit.place_order", *words).returncode == 0
    daemon.stop()
    file = daemon.state_dir / "audit.jsonl"
    whole = file.read_bytes()
    place = whole.index(b'"amount":"10"') + len(b'"amount":"1')
    line = whole.count(b"\n", 0, place) + 1
    file.write_bytes(whole[:place] + b"1" + whole[place + 1 :])
    ran = cerberod("audit", "verify", "--sim")
    assert ran.returncode == 1
    assert f"audit.jsonl:{line}: record {line} was altered" in ran.stdout
    assert "all is well" not in ran.stdout.replace("NOT all is well", "")
    told = orjson.loads(cerberod("audit", "verify", "--sim", "--json").stdout)
    assert told["integrity"]["problems"][0]["line"] == line
    file.write_bytes(whole)  # the daemon's own check comes when the test is over


# -- starting ----------------------------------------------------------------------------------------------------------


def test_serve_prints_a_token_and_a_line_that_works(cerberod: Cerberod, start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", TESTNET_TOKEN=None)
    printed = daemon.stdout.data.decode()
    assert f"wscat -c {daemon.url} -H 'Authorization: Bearer {daemon.token}' -H 'X-Bot-Tag: me'" in printed
    line = next(line for line in printed.splitlines() if line.endswith("cerberod call session.whoami"))
    pasted = subprocess.run(
        ["/bin/sh", "-c", line], cwd=daemon.folder / "work", env=cerberod.settings, capture_output=True, text=True
    )
    assert (pasted.returncode, pasted.stderr) == (0, ""), line
    assert "testnet" in pasted.stdout


def test_serve_tells_where_the_simulator_takes_orders(shared_daemon: Daemon) -> None:
    lines = shared_daemon.stdout.data.decode().splitlines()
    control = next(line.rpartition(" ")[2] for line in lines if line.startswith("the simulator takes orders at "))
    with urlopen(f"{control}/state", timeout=ENDS_S) as answer:
        assert orjson.loads(answer.read())


def test_a_token_of_the_operator_is_not_printed(shared_daemon: Daemon) -> None:
    assert shared_daemon.url.encode() in shared_daemon.stdout.data
    assert b"token" not in shared_daemon.stdout.data


def test_a_half_written_env_file_is_told_whole_and_exits_with_78(cerberod: Cerberod, tmp_path: Path) -> None:
    (tmp_path / "client" / "work" / ".env").write_text(
        "TESTNET_TOKEN=changeme-please-changeme-please-1\nLOG_LEVEL=loud\nDERIBIT_CLIENT_ID=canary-of-an-id\nrubbish\n"
    )
    ran = cerberod("serve")
    assert (ran.returncode, ran.stdout) == (78, "")
    for name in ("TESTNET_TOKEN", "LOG_LEVEL", "DERIBIT_CLIENT_SECRET", ".env line 4"):
        assert f"  {name}: " in ran.stderr
    assert "canary" not in ran.stderr
    assert "loud" not in ran.stderr


def test_a_simulation_refuses_a_mainnet_token(cerberod: Cerberod) -> None:
    ran = cerberod("serve", "--sim", MAINNET_TOKEN=TOKEN)
    assert ran.returncode == 78
    assert "MAINNET_TOKEN" in ran.stderr


def test_a_chain_file_that_cannot_be_served_is_one_line(cerberod: Cerberod, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"result": 1}')
    for command in (["serve", "--sim"], ["sim"], ["stdio", "--env", "testnet", "--bot-tag", "x", "--sim"]):
        ran = cerberod(*command, "--sim-chain", str(wrong))
        assert (ran.returncode, ran.stdout) == (78, "")
        assert only_line(ran.stderr).startswith(f"cerberod: {wrong}: ")


def test_a_port_in_use_and_a_state_in_use_are_one_line_each(cerberod: Cerberod, shared_daemon: Daemon) -> None:
    taken = cerberod("serve", "--sim", PORT=str(shared_daemon.port), LOG_LEVEL="warning")
    assert taken.returncode == 78
    assert "set PORT to a free port" in only_line(taken.stderr)
    second = cerberod("serve", "--sim", STATE_DIR=str(shared_daemon.state), LOG_LEVEL="warning")
    assert second.returncode == 78
    assert f"in use by process {shared_daemon.process.pid}" in only_line(second.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_simulator_alone_tells_its_addresses_and_keys_and_stops_with_0(
    cerberod: Cerberod, number: signal.Signals
) -> None:
    with cerberod.started("sim", "--seed", "11") as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("DERIBIT_CLIENT_SECRET_LIVE="):
                break
        control = next(line.split()[1] for line in lines if line.startswith("control "))
        with urlopen(f"{control}/state", timeout=ENDS_S) as answer:
            assert orjson.loads(answer.read())
        process.send_signal(number)
        _, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, err) == (0, "")


# -- stdio -------------------------------------------------------------------------------------------------------------

WHOAMI = '{"jsonrpc":"2.0","id":1,"method":"session.whoami"}\n'
STDIO = ("stdio", "--env", "testnet", "--bot-tag", "agent")


def test_stdio_is_the_whole_daemon_without_an_address(cerberod: Cerberod) -> None:
    ran = cerberod(*STDIO, "--sim", input=WHOAMI, LOG_LEVEL="warning")
    assert (ran.returncode, ran.stderr) == (0, "")
    result = orjson.loads(only_line(ran.stdout))["result"]
    assert (result["environment"], result["bot_tag"]) == ("testnet", "agent")


def test_stdio_is_a_bridge_with_address_and_token(at_daemon: Cerberod) -> None:
    ran = at_daemon(*STDIO, input=WHOAMI)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert orjson.loads(only_line(ran.stdout))["result"]["bot_tag"] == "agent"


def test_a_bridge_to_another_environment_is_refused(at_daemon: Cerberod) -> None:
    ran = at_daemon("stdio", "--env", "mainnet", "--bot-tag", "agent", input=WHOAMI)
    assert (ran.returncode, ran.stdout) == (78, "")
    assert "--env is mainnet" in only_line(ran.stderr)


@pytest.mark.parametrize("missing", ["CERBEROD_URL", "CERBEROD_TOKEN"])
def test_half_a_bridge_is_refused_rather_than_guessed(at_daemon: Cerberod, missing: str) -> None:
    del at_daemon.settings[missing]
    ran = at_daemon(*STDIO, input=WHOAMI)
    assert (ran.returncode, ran.stdout) == (78, "")
    assert only_line(ran.stderr).startswith(f"cerberod: {missing}: must be given with ")


def test_stdio_with_sim_never_uses_a_daemon_that_the_environment_names(at_daemon: Cerberod) -> None:
    ran = at_daemon(*STDIO, "--sim", input=WHOAMI, CERBEROD_URL="ws://127.0.0.1:1", LOG_LEVEL="warning")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_nothing_but_the_wire_on_stdout_even_when_the_start_fails(cerberod: Cerberod) -> None:
    ran = cerberod(*STDIO, input=WHOAMI, PORT="ninety")
    assert (ran.returncode, ran.stdout) == (78, "")
    assert "PORT" in ran.stderr
