"""All settings together: everything that is wrong at once, secrets never shown. faults.md 89, 91, 92."""

import os
import traceback
from pathlib import Path

import pytest

from cerberod.ids import Environment
from cerberod.settings import Client, Settings, SettingsError, all_settings, load_client, load_settings, new_token

HOME = {"HOME": "/nowhere/somebody"}
TESTNET, MAINNET = Environment.TESTNET, Environment.MAINNET


def load(**environ: str) -> Settings:
    return load_settings({**HOME, **environ}, None)


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings({**HOME, **environ}, None)
    return [str(problem) for problem in caught.value.problems]


def test_defaults() -> None:
    settings = load(TESTNET_TOKEN=new_token())
    assert (settings.listen.host, settings.listen.port, settings.listen.http_port) == ("127.0.0.1", 9000, 9001)
    assert settings.state_dir == Path("/nowhere/somebody/.local/state/cerberod")
    assert settings.audit.file == settings.state_dir / "audit.jsonl"
    assert settings.limits.in_flight_per_session == 16
    assert settings.environments() == {TESTNET}
    assert settings.warnings == ()


def test_every_setting_wrong_at_once_is_told_at_once() -> None:
    canary = "canary \u00e9 canary"
    environ = {setting.name: canary for _, _, group in all_settings() for setting in group}
    told = problems(**environ)
    assert {line.partition(":")[0] for line in told} == set(environ)
    assert len(told) == len(set(told))
    assert "canary" not in "".join(told)


def test_secrets_stand_in_no_message_repr_or_traceback() -> None:
    canary = "canary-kZ3vQ9xT1mW7pL5s"
    with pytest.raises(SettingsError) as caught:
        load_settings({**HOME, "MAINNET_TOKEN": canary, "BYBIT_API_KEY": canary, "PORT": canary}, None)
    assert canary not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.problems)
    settings = load(TESTNET_TOKEN=new_token(), BYBIT_API_KEY=canary, BYBIT_API_SECRET=canary + "2")
    assert canary not in repr(settings) + repr(settings.describe())
    assert canary in {secret.reveal() for secret in settings.secrets()}


def test_a_token_is_needed_to_serve_but_not_for_a_single_local_caller() -> None:
    assert problems() == ["TESTNET_TOKEN: must be given, or MAINNET_TOKEN (cerberod token new makes one)"]
    assert load_settings(dict(HOME), None, needs_token=False).environments() == frozenset()


def test_who_only_reads_what_a_daemon_left_is_not_held_up_by_its_tokens() -> None:
    environ = {**HOME, "MAINNET_TOKEN": new_token(), "TESTNET_TOKEN": "weak"}
    settings = load_settings(dict(environ), None, sim=True, admits=False)
    assert settings.environments() == frozenset()
    with pytest.raises(SettingsError):
        load_settings(dict(environ), None, sim=True, needs_token=False)


def test_tokens_must_differ() -> None:
    token = new_token()
    assert problems(TESTNET_TOKEN=token, MAINNET_TOKEN=token, ADMIN_TOKEN=token) == [
        "MAINNET_TOKEN: must differ from TESTNET_TOKEN",
        "ADMIN_TOKEN: must differ from TESTNET_TOKEN",
    ]


def test_new_tokens_pass_the_rules() -> None:
    for _ in range(200):
        load(TESTNET_TOKEN=new_token())


def test_secrets_leave_the_environment_even_when_something_is_wrong() -> None:
    environ = {**HOME, "TESTNET_TOKEN": new_token(), "NOTIFY_SOCKET": "@bus", "PORT": "x"}
    with pytest.raises(SettingsError):
        load_settings(environ, None)
    assert environ == {**HOME, "PORT": "x"}


def test_the_process_environment_is_read_and_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTNET_TOKEN", new_token())
    settings = load_settings(env_file=None)
    assert settings.tokens.testnet is not None
    assert "TESTNET_TOKEN" not in os.environ  # noqa: TID251 - what is tested


@pytest.mark.parametrize("name", ["HOST", "HTTP_HOST"])
def test_listening_beyond_this_machine_must_be_asked_for(name: str) -> None:
    environ = {"TESTNET_TOKEN": new_token(), name: "0.0.0.0"}
    assert problems(**environ) == [f"{name}: must be an address of this machine alone, unless ALLOW_NON_LOOPBACK=true"]
    load(ALLOW_NON_LOOPBACK="true", **environ)


def test_one_port_cannot_be_two() -> None:
    assert problems(TESTNET_TOKEN=new_token(), PORT="9001") == ["HTTP_PORT: must differ from PORT"]
    load(TESTNET_TOKEN=new_token(), PORT="0", HTTP_PORT="0")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIR": "/a", "STATE_DIRECTORY": "/b"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/c", "XDG_STATE_HOME": "/d"}, "/b"),
        ({"XDG_STATE_HOME": "/d"}, "/d/cerberod"),
        ({"XDG_STATE_HOME": "relative"}, "/nowhere/somebody/.local/state/cerberod"),
    ],
)
def test_place_of_the_state(environ: dict[str, str], expected: str) -> None:
    assert load(TESTNET_TOKEN=new_token(), **environ).state_dir == Path(expected)


def test_no_place_for_the_state() -> None:
    with pytest.raises(SettingsError, match="STATE_DIR: must be given where"):
        load_settings({"TESTNET_TOKEN": new_token()}, None)


def test_audit_file_can_be_switched_off_by_an_empty_text() -> None:
    assert load(TESTNET_TOKEN=new_token(), AUDIT_LOG_FILE="").audit.file is None
    assert load(TESTNET_TOKEN=new_token(), AUDIT_LOG_FILE="/var/x").audit.file == Path("/var/x")


def test_simulation_makes_its_own_token_and_takes_nothing_real() -> None:
    environ = {
        **HOME,
        "STATE_DIR": "/s",
        "PORT": "1",
        "DERIBIT_CLIENT_ID": "real-id-1",
        "DERIBIT_URL_TESTNET": "nonsense",
        "AUDIT_LOG_FILE": "/var/log/real",
        "AUDIT_HMAC_KEY": new_token(),
    }
    settings = load_settings(environ, None, sim=True)
    assert settings.simulated
    assert settings.tokens.testnet is not None
    assert settings.tokens.throwaway
    assert settings.state_dir == Path("/s/sim")
    assert settings.audit.file == Path("/s/sim/audit.jsonl")
    assert settings.audit.hmac_key is None
    assert settings.listen.port == 1
    assert settings.venue("deribit", TESTNET).credentials is None
    assert settings.warnings == ("AUDIT_LOG_FILE: not used in a simulation, whose audit stays in STATE_DIR/sim",)
    assert "DERIBIT_CLIENT_ID" not in environ


def test_simulation_keeps_a_given_testnet_token_and_refuses_a_mainnet_token() -> None:
    token = new_token()
    settings = load_settings({**HOME, "TESTNET_TOKEN": token}, None, sim=True)
    assert settings.tokens.testnet is not None
    assert settings.tokens.testnet.reveal() == token
    assert not settings.tokens.throwaway
    with pytest.raises(SettingsError, match=r"MAINNET_TOKEN: must not be given to a simulation \(--sim\)"):
        load_settings({**HOME, "MAINNET_TOKEN": new_token()}, None, sim=True)


def test_plain_key_that_cannot_be_right_for_both_is_warned_of() -> None:
    keys = {"DERIBIT_CLIENT_ID": "plain-id", "DERIBIT_CLIENT_SECRET": "plain-secret", "FRED_API_KEY": "fred-key-1"}
    both = load(TESTNET_TOKEN=new_token(), MAINNET_TOKEN=new_token(), **keys)
    assert [warning.partition(":")[0] for warning in both.warnings] == ["DERIBIT_CLIENT_ID", "DERIBIT_CLIENT_SECRET"]
    assert load(TESTNET_TOKEN=new_token(), **keys).warnings == ()


def test_description_names_what_feeds_what() -> None:
    settings = load(
        TESTNET_TOKEN=new_token(),
        DERIBIT_CLIENT_ID_TESTNET="test-id-1",
        DERIBIT_CLIENT_SECRET_TESTNET="test-secret",
        LIMIT_SESSIONS="7",
    )
    rows = {(row.group, row.name): (row.value, row.origin) for row in settings.describe()}
    assert rows["deribit testnet", "client_id"] == ("***", "DERIBIT_CLIENT_ID_TESTNET (environment)")
    assert rows["deribit mainnet", "keys"] == ("none", "public methods only")
    assert rows["limits", "LIMIT_SESSIONS"] == ("7", "environment")
    assert rows["tokens", "TESTNET_TOKEN"] == ("***", "environment")
    assert rows["listen", "PORT"] == ("9000", "default")


def test_other_addresses_can_be_put_in_place() -> None:
    settings = load(TESTNET_TOKEN=new_token())
    simulated = settings.venue("deribit", MAINNET)
    moved = settings.with_upstreams(simulated)
    assert moved.venue("deribit", MAINNET) is simulated
    assert moved.venue("bybit", TESTNET) == settings.venue("bybit", TESTNET)


def test_watchdog_and_notify_socket_of_systemd() -> None:
    mine = load(TESTNET_TOKEN=new_token(), NOTIFY_SOCKET="/run/n", WATCHDOG_USEC="30000000").systemd
    assert (mine.notify_socket, mine.watchdog_s) == ("/run/n", 30.0)
    other = load(TESTNET_TOKEN=new_token(), WATCHDOG_USEC="30000000", WATCHDOG_PID="1").systemd
    assert other.watchdog_s is None


def test_a_client_reads_its_own_settings_only() -> None:
    token = new_token()
    environ = {"CERBEROD_URL": "ws://127.0.0.1:9000/", "CERBEROD_TOKEN": token, "PORT": "nonsense"}
    client = load_client(environ, None)
    assert isinstance(client, Client)
    assert (client.url, client.bot_tag) == ("ws://127.0.0.1:9000", None)
    assert client.token is not None
    assert client.token.reveal() == token
    assert "CERBEROD_TOKEN" not in environ
    with pytest.raises(SettingsError, match="CERBEROD_URL: must be"):
        load_client({"CERBEROD_URL": "http://127.0.0.1"}, None)
