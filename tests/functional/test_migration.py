"""The old system's secrets become a `.env`: the real command, real files, and the daemon's own check of the result."""

import stat
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from cerberod.settings.sources import parse_env
from tests.support.command import Cerberod

OLD: Mapping[str, Mapping[str, str]] = {
    "deribit.json": {"client_id": "dbCanaryId1", "client_secret": "dbCanarySecret-9 #'".replace(" ", "_")},
    "bybit.json": {"api_key": "byCanaryKey1", "api_secret": "byCanarySecret\"'\\x"},
    "hyperliquid.json": {"wallet_address": "0x" + "ab" * 20, "private_key": "0x" + "cd" * 32},
    "alpaca.json": {"api_key_id": "alCanaryKey1", "secret_key": "#alCanarySecret"},
    "macro.json": {"fred_api_key": "frCanaryKey1", "finnhub_api_key": "fhCanaryKey1"},
    "sentiment.json": {"cryptopanic_key": "cpCanaryKey1", "lunarcrush_key": "lcCanaryKey1"},
}
SETTINGS = {
    "DERIBIT_CLIENT_ID": ("deribit.json", "client_id"),
    "DERIBIT_CLIENT_SECRET": ("deribit.json", "client_secret"),
    "BYBIT_API_KEY": ("bybit.json", "api_key"),
    "BYBIT_API_SECRET": ("bybit.json", "api_secret"),
    "HYPERLIQUID_WALLET_ADDRESS": ("hyperliquid.json", "wallet_address"),
    "HYPERLIQUID_PRIVATE_KEY": ("hyperliquid.json", "private_key"),
    "ALPACA_API_KEY_ID": ("alpaca.json", "api_key_id"),
    "ALPACA_SECRET_KEY": ("alpaca.json", "secret_key"),
    "FRED_API_KEY": ("macro.json", "fred_api_key"),
    "FINNHUB_API_KEY": ("macro.json", "finnhub_api_key"),
    "CRYPTOPANIC_KEY": ("sentiment.json", "cryptopanic_key"),
    "LUNARCRUSH_KEY": ("sentiment.json", "lunarcrush_key"),
}


class Old:
    """A folder of old secrets beside a place for the new file."""

    def __init__(self, folder: Path, cerberod: Cerberod) -> None:
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        self.env = cerberod.folder / "work" / ".env"
        self.cerberod = cerberod

    def put(self, files: Mapping[str, object]) -> None:
        for name, content in files.items():
            (self.secrets / name).write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))

    def migrate(self, *words: str, expect: int = 0) -> str:
        """Run the command, see to it that no value shows, and return what it says."""
        done = self.cerberod("migrate-v1", str(self.secrets), *words)
        assert done.returncode == expect, done.stderr
        for fields in OLD.values():
            for value in fields.values():
                assert value not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def written(self) -> dict[str, str]:
        found, problems = parse_env(self.env.read_text())
        assert problems == []
        return found


@pytest.fixture
def old(tmp_path: Path, cerberod: Cerberod) -> Old:
    return Old(tmp_path, cerberod)


def test_every_secret_arrives_and_the_daemon_can_use_the_file(old: Old) -> None:
    old.put({**OLD, "core.token": b"old-core", "observer.token": b"old-observer", "notes.txt": b"x"})
    told = old.migrate()
    assert stat.S_IMODE(old.env.stat().st_mode) == 0o600
    written = old.written()
    for setting, (file, name) in SETTINGS.items():
        assert written[setting] == OLD[file][name], setting
    tokens = [written["TESTNET_TOKEN"], written["MAINNET_TOKEN"]]
    assert len({*tokens, "old-core", "old-observer"}) == 4
    assert not any(token in told for token in tokens)
    assert "left alone: notes.txt" in told
    assert "core.token" not in told
    assert sorted(path.name for path in old.env.parent.iterdir()) == [".env"]
    check = old.cerberod("check", "--json")
    assert (check.returncode, orjson.loads(check.stdout)["ok"]) == (0, True)


@pytest.mark.parametrize(("environment", "suffix"), [("testnet", "_TESTNET"), ("mainnet", "_LIVE")])
def test_keys_can_be_named_for_one_environment(old: Old, environment: str, suffix: str) -> None:
    old.put({"deribit.json": OLD["deribit.json"]})
    told = old.migrate("--env", environment)
    assert set(old.written()) == {
        f"DERIBIT_CLIENT_ID{suffix}",
        f"DERIBIT_CLIENT_SECRET{suffix}",
        "TESTNET_TOKEN",
        "MAINNET_TOKEN",
    }
    assert "not there: bybit.json" in told


def test_a_file_that_is_there_is_kept_unless_forced_and_then_only_these_names_change(old: Old) -> None:
    old.put({"deribit.json": OLD["deribit.json"]})
    before = "# mine\nPORT=9100\nTESTNET_TOKEN=" + "t" * 40 + "\nDERIBIT_CLIENT_ID=before99\n"
    old.env.write_text(before)
    assert "--force" in old.migrate(expect=78)
    assert old.env.read_text() == before
    old.migrate("--force")
    written = old.written()
    assert (written["PORT"], written["TESTNET_TOKEN"]) == ("9100", "t" * 40)
    assert written["DERIBIT_CLIENT_ID"] == OLD["deribit.json"]["client_id"]
    assert old.env.read_text().startswith("# mine\nPORT=9100\n")
    assert stat.S_IMODE(old.env.stat().st_mode) == 0o600


def test_everything_wrong_is_named_at_once_and_nothing_is_written(old: Old) -> None:
    old.put(
        {
            "deribit.json": {"client_id": OLD["deribit.json"]["client_id"]},
            "bybit.json": b"{not json",
            "hyperliquid.json": {"wallet_address": "0x12", "private_key": 7},
            "alpaca.json": [],
            "macro.json": OLD["macro.json"],
        }
    )
    (old.secrets / "sentiment.json").mkdir()
    told = old.migrate(expect=78)
    for problem in (
        "deribit.json client_secret: must be given",
        "bybit.json: must be JSON",
        "hyperliquid.json wallet_address: must be 0x and 40 hexadecimal digits",
        "hyperliquid.json private_key: must be a string",
        "alpaca.json: must be a JSON object",
        "sentiment.json: must be a regular file",
    ):
        assert problem in told
    assert "6 problems, nothing was written" in told
    assert not old.env.exists()


def test_an_old_folder_that_is_not_there_or_empty_is_one_problem(old: Old) -> None:
    assert "must hold at least one of deribit.json" in old.migrate(expect=78)
    old.secrets.rmdir()
    assert "must be a readable directory (No such file or directory)" in old.migrate(expect=78)


def test_a_target_that_cannot_be_written_is_one_problem(old: Old) -> None:
    old.put({"deribit.json": OLD["deribit.json"]})
    assert "cannot be written (No such file or directory)" in old.migrate("--to", "nowhere/.env", expect=78)
    old.env.symlink_to("elsewhere")
    assert "must be a regular file or not there yet" in old.migrate("--force", expect=78)


def test_machines_are_told_names_only(old: Old) -> None:
    old.put({"macro.json": {"fred_api_key": OLD["macro.json"]["fred_api_key"]}})
    told = orjson.loads(old.migrate("--json"))
    assert told["written"] == {"FRED_API_KEY": "macro.json fred_api_key"}
    assert (told["ok"], told["tokens"]) == (True, ["TESTNET_TOKEN", "MAINNET_TOKEN"])
