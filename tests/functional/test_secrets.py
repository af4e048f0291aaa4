"""No secret leaves (faults.md 19, 91): every secret of the settings is a canary, looked for wherever anything is told.

The secrets stand in `.env` here, because the kernel shows the variables that a process was started with to its own user
for as long as it lives; a daemon can forget them but not unsay them. Credentials and `.env` do not have that weakness.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import anyio
import anyio.to_thread
import orjson
import pytest
from websockets.exceptions import InvalidStatus

from tests.functional.conftest import StartDaemon
from tests.support.agent import agent
from tests.support.client import connected, raw_connection
from tests.support.command import Cerberod
from tests.support.daemon import Daemon
from tests.support.deribit_venue import Error, scripted
from tests.support.simulator import SimulatorProcess

SECRETS = (
    *("TESTNET_TOKEN", "MAINNET_TOKEN", "ADMIN_TOKEN", "AUDIT_HMAC_KEY"),
    *("DERIBIT_CLIENT_ID_LIVE", "DERIBIT_CLIENT_SECRET_LIVE"),
    *("BYBIT_API_KEY_LIVE", "BYBIT_API_SECRET_LIVE", "ALPACA_API_KEY_ID_LIVE", "ALPACA_SECRET_KEY_LIVE"),
    "HYPERLIQUID_PRIVATE_KEY",
    *("FRED_API_KEY", "FINNHUB_API_KEY", "CRYPTOPANIC_KEY", "LUNARCRUSH_KEY"),
)
PART = 20
"""Characters of a secret that must not show together: a leak is often cut short."""


def canaries() -> dict[str, str]:
    return {name: hashlib.sha256(f"canary of {name}".encode()).hexdigest() for name in SECRETS}


def hide(folder: Path, secrets: Mapping[str, str]) -> None:
    """Put secrets where a careful operator puts them."""
    (folder / "work").mkdir(parents=True, exist_ok=True)
    file = folder / "work" / ".env"
    file.touch(mode=0o600)
    lines = [f"{name}={text}\n" for name, text in secrets.items()]
    file.write_text("".join([*lines, f"HYPERLIQUID_WALLET_ADDRESS=0x{'0a' * 20}\n"]))


def shown(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """Tell which secret shows where, whole or in part."""
    parts = {name: {text[:PART].encode(), text[-PART:].encode()} for name, text in secrets.items()}
    return [
        f"{name} in {place}"
        for place, data in places.items()
        for name, needles in parts.items()
        if any(needle in data for needle in needles)
    ]


def test_the_search_finds_a_part_of_a_secret() -> None:
    secrets = canaries()
    cut = secrets["FRED_API_KEY"][: PART + 5].encode()
    assert shown(secrets, {"here": b"", "there": b"key=" + cut + b"..."}) == ["FRED_API_KEY in there"]


async def http(daemon: Daemon, path: str, headers: Mapping[str, str] = {}) -> bytes:
    """Ask the HTTP listener, and return whatever it says with its headers."""

    def ask() -> bytes:
        try:
            with urlopen(Request(f"{daemon.http_url}{path}", headers=dict(headers)), timeout=30) as answer:
                return bytes(answer.read()) + str(answer.headers).encode()
        except HTTPError as error:
            with error:
                return bytes(error.read()) + str(error.headers).encode()

    return await anyio.to_thread.run_sync(ask)  # the venue of this test goes on answering


def of_process(number: int) -> dict[str, bytes]:
    """Return what the kernel tells of a process and its threads."""
    folder = Path(f"/proc/{number}")
    names = {f"comm of {task.name}": task / "comm" for task in (folder / "task").iterdir()}
    names |= {name: folder / name for name in ("cmdline", "environ", "comm")}
    return {name: path.read_bytes() for name, path in names.items()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def secrets(simulator: SimulatorProcess) -> dict[str, str]:
    """Secrets that work where they must, so that everything is really done with them, and canaries elsewhere."""
    working = {name: text for name, text in simulator.keys_of("TESTNET").items() if "URL" not in name}
    return canaries() | working


@pytest.fixture
def folder(tmp_path: Path, secrets: Mapping[str, str]) -> Iterator[Path]:
    """The folder of the first daemon, with the secrets in it."""
    hide(tmp_path / "daemon-0", secrets)
    yield tmp_path / "daemon-0"


@pytest.mark.promise("P9")
async def test_no_secret_shows_anywhere(
    start_daemon: StartDaemon, simulator: SimulatorProcess, secrets: Mapping[str, str], folder: Path
) -> None:
    told: dict[str, bytes] = {}
    echo = Error(
        13009, data={"reason": secrets["DERIBIT_CLIENT_ID_LIVE"], "param": secrets["DERIBIT_CLIENT_SECRET_LIVE"]}
    )
    # Some venues repeat the key in their errors.
    async with scripted(public__auth=echo, public__ticker=echo) as mainnet_venue:
        mainnet_venue.testnet = False
        daemon = start_daemon(
            "serve",
            ready=False,
            module="tests.support.failing",
            LOG_LEVEL="debug",
            TESTNET_TOKEN=None,
            ADMIN_TOKEN=None,
            DERIBIT_URL_TESTNET=simulator.settings["DERIBIT_URL_TESTNET"],
            DERIBIT_URL_LIVE=mainnet_venue.url,
        )
        assert daemon.folder == folder
        # In the order in which they happen: the refused login, and then what the two methods do.
        daemon.announce("login", "signing with", "old key", "nobody caught ends a thread", "call failed")
        daemon.announce("a write failed while sending", "an outcome could not be looked up")
        daemon.token, daemon.audit_key = secrets["TESTNET_TOKEN"], secrets["AUDIT_HMAC_KEY"]
        daemon.wait_ready()
        await use(daemon, secrets, told)
        told |= of_process(daemon.process.pid)
        await anyio.to_thread.run_sync(daemon.stop)
    told |= {"stderr": daemon.stderr.data, "stdout": daemon.stdout.data, "replies": b"\n".join(daemon.replies)}
    told |= files_of(daemon.state)
    assert b"cannot sign with" not in told["stderr"], "the text of an exception was logged"
    assert shown(secrets, told) == []
    assert {str(daemon.state / name) for name in ("audit.jsonl", "journal.sqlite")} <= told.keys()


async def use(daemon: Daemon, secrets: Mapping[str, str], told: dict[str, bytes]) -> None:
    """Do everything that touches a secret, and keep every answer."""
    order = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}
    async with connected(daemon) as bot:
        assert (await bot.call("deribit.place_order", order))["outcome"] == "confirmed"
        await bot.call("deribit.get_account_summary", {"currency": "BTC"})
        await bot.call("session.whoami")
        await bot.call("admin.get_status")
    async with connected(daemon, token=secrets["MAINNET_TOKEN"]) as bot:
        refused = [
            await bot.ask("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"}),
            await bot.ask("deribit.place_order", order),
        ]
        assert all("error" in each for each in refused)
    async with raw_connection(daemon) as connection:  # these methods are not in the registry of this process
        for number, method in enumerate(("test.fail", "test.fail_sent")):
            await connection.send(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method}).decode())
            told[method] = str(await connection.recv()).encode()
        assert b'"code":-32603' in told["test.fail"]
        assert b'"outcome":"unknown"' in told["test.fail_sent"]
    for wrong in (secrets["TESTNET_TOKEN"] + "x", secrets["AUDIT_HMAC_KEY"]):
        with pytest.raises(InvalidStatus) as refusal:
            async with connected(daemon, token=wrong):
                pass
        told[f"refusal of {wrong[-1]}"] = str(refusal.value.response).encode()
    bearer = {"Authorization": f"Bearer {secrets['ADMIN_TOKEN']}"}
    told["audit by HTTP"] = await http(daemon, "/admin/audit", bearer)
    assert b'"deribit.place_order"' in told["audit by HTTP"]
    told["token in the URL"] = await http(daemon, f"/admin/audit?token={secrets['ADMIN_TOKEN']}")
    told["unknown path"] = await http(daemon, f"/{secrets['ADMIN_TOKEN']}", bearer)
    for path in ("/health", "/health/ready", "/metrics"):
        told[path] = await http(daemon, path)


@pytest.mark.promise("P9")
async def test_stdio_shows_no_secret(
    cerberod: Cerberod, simulator: SimulatorProcess, secrets: Mapping[str, str]
) -> None:
    hide(cerberod.folder, secrets)
    url = simulator.settings["DERIBIT_URL_TESTNET"]
    words = ("--env", "testnet", "--bot-tag", "agent")
    async with agent(cerberod, *words, DERIBIT_URL_TESTNET=url, LOG_LEVEL="debug") as bot:
        replies = [await bot.call("session.whoami"), await bot.call("admin.get_status")]
        replies.append(await bot.call("deribit.get_account_summary", {"currency": "BTC"}))
        told = of_process(bot.process.pid)
        told["stderr"] = await bot.end()
    told |= {"replies": orjson.dumps(replies)} | files_of(Path(cerberod.settings["STATE_DIR"]))
    assert shown(secrets, told) == []


@pytest.mark.promise("P9")
def test_a_check_of_the_settings_shows_no_secret(cerberod: Cerberod, secrets: Mapping[str, str]) -> None:
    hide(cerberod.folder, secrets)
    for words in (("check",), ("check", "--json")):
        ran = cerberod(*words)
        assert ran.returncode == 0, ran.stderr
        assert "DERIBIT_CLIENT_SECRET_LIVE" in ran.stdout
        assert shown(secrets, {"stdout": ran.stdout.encode(), "stderr": ran.stderr.encode()}) == []
