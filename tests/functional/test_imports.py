"""What each command imports, held by lists: a heavy package cannot slip into a start unseen (design.md 10, cold start).

Every process writes down at its end which third parties it has loaded. The lists are exact upper bounds: whoever adds
to one of them measures what that costs the start.
"""

import os
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import connected
from tests.support.command import Cerberod
from tests.support.daemon import ROOT, Daemon
from tests.support.simulator import SimulatorProcess

HEAVY = {"numpy", "scipy", "statsmodels", "pandas", "jsonrpcserver", "jsonschema", "matplotlib", "pybit", "requests"}
"""Each of them takes a tenth of a second or more. Whatever else changes, no start waits for one of these."""

CORE = {"anyio", "orjson", "pydantic", "pydantic_core", "typing_extensions", "annotated_types", "typing_inspection"}
SETTINGS = {"orjson", "pydantic", "pydantic_core", "typing_extensions", "annotated_types", "typing_inspection"}
WIRE = {"websockets"}
HTTP = {
    "aiohttp",
    "aiohappyeyeballs",
    "aiosignal",
    "attr",
    "attrs",
    "frozenlist",
    "idna",
    "multidict",
    "propcache",
    "yarl",
}
LOOP = {"uvloop", "cython_runtime", "sniffio"}

RECORDER = """
import atexit, os, sys
def _write(path=os.environ.pop("MODULES_FILE", None), open=open):
    if path:
        with open(path, "a", encoding="ascii") as file:
            file.write("\\n".join(sys.modules))
atexit.register(_write)
"""


class Recorded:
    """The environment of a process that writes down what it imported, and what it wrote."""

    def __init__(self, folder: Path) -> None:
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(RECORDER, encoding="ascii")
        self.file = folder / "modules"
        self.settings: dict[str, Any] = {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "MODULES_FILE": str(self.file)}

    @property
    def modules(self) -> set[str]:
        return set(self.file.read_text(encoding="ascii").split())

    @property
    def third_parties(self) -> set[str]:
        """The packages loaded that are neither ours nor of the standard library."""
        tops = {name.partition(".")[0] for name in self.modules}
        # Some packages put modules of their compiled parts beside themselves, under names that begin so.
        known = sys.stdlib_module_names | {"cerberod", "sitecustomize", "__main__", "__mp_main__"}
        return {top for top in tops if top not in known and not top.startswith("_")}


@pytest.fixture
def recorded_imports(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


QUICK = {
    "help": (("--help",), set[str]()),
    "version": (("--version",), set[str]()),
    "token new": (("token", "new"), set[str]()),
    "check": (("check",), SETTINGS),
}


@pytest.mark.parametrize("name", QUICK)
def test_a_command_that_starts_nothing(name: str, cerberod: Cerberod, recorded_imports: Recorded) -> None:
    words, allowed = QUICK[name]
    cerberod(*words, **recorded_imports.settings)
    assert recorded_imports.third_parties <= allowed
    assert "asyncio" not in recorded_imports.modules


def test_call(shared_daemon: Daemon, cerberod: Cerberod, recorded_imports: Recorded) -> None:
    reached = {"CERBEROD_URL": shared_daemon.url, "CERBEROD_TOKEN": shared_daemon.token}
    done = cerberod("call", "session.ping", **reached, **recorded_imports.settings)
    assert done.returncode == 0, done.stderr
    assert recorded_imports.third_parties <= SETTINGS | WIRE
    assert "cerberod.app" not in recorded_imports.modules


def test_a_bridge(shared_daemon: Daemon, cerberod: Cerberod, recorded_imports: Recorded) -> None:
    reached = {"CERBEROD_URL": shared_daemon.url, "CERBEROD_TOKEN": shared_daemon.token}
    ping = '{"jsonrpc":"2.0","id":1,"method":"session.ping"}\n'
    words = ("stdio", "--env", "testnet", "--bot-tag", "x")
    done = cerberod(*words, input=ping, **reached, **recorded_imports.settings)
    assert orjson.loads(done.stdout)["result"], done.stderr
    assert recorded_imports.third_parties <= CORE | WIRE | LOOP
    assert not {"cerberod.app", "cerberod.trading", "sqlite3"} & recorded_imports.modules


def test_the_whole_daemon_on_stdio(simulator: SimulatorProcess, cerberod: Cerberod, recorded_imports: Recorded) -> None:
    ping = '{"jsonrpc":"2.0","id":1,"method":"session.ping"}\n'
    words = ("stdio", "--env", "testnet", "--bot-tag", "x")
    done = cerberod(*words, input=ping, **simulator.keys_of("TESTNET"), **recorded_imports.settings)
    assert orjson.loads(done.stdout)["result"], done.stderr
    assert not recorded_imports.third_parties & HEAVY
    assert recorded_imports.third_parties <= CORE | WIRE | LOOP


async def test_the_daemon(start_daemon: StartDaemon, simulator: SimulatorProcess, recorded_imports: Recorded) -> None:
    keys = {name: text for name, text in simulator.keys_of("TESTNET").items() if name.startswith("DERIBIT_")}
    daemon = start_daemon("serve", **keys, **recorded_imports.settings)
    async with connected(daemon) as client:
        await client.call("session.ping")
        await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
    daemon.stop()
    assert not recorded_imports.third_parties & HEAVY
    assert recorded_imports.third_parties <= CORE | WIRE | LOOP | HTTP | {"prometheus_client"}


PYBIT = {
    "pybit",
    "requests",
    "Crypto",
    "certifi",
    "cffi",
    "pycparser",
    "charset_normalizer",
    "urllib3",
    "simplejson",
    "websocket",
}
"""Where there are keys for Bybit, a daemon that serves loads these before it is ready, off the loop (design.md 6)."""


def test_the_daemon_with_keys_for_bybit(
    start_daemon: StartDaemon, simulator: SimulatorProcess, recorded_imports: Recorded
) -> None:
    start_daemon("serve", **simulator.keys_of("TESTNET"), **recorded_imports.settings).stop()
    assert "pybit" in recorded_imports.third_parties
    assert not recorded_imports.third_parties & (HEAVY - PYBIT)
    assert recorded_imports.third_parties <= CORE | WIRE | LOOP | HTTP | PYBIT | {"prometheus_client"}


def test_the_lists_are_not_empty_by_accident(recorded_imports: Recorded, cerberod: Cerberod) -> None:
    cerberod("methods", "session.", **recorded_imports.settings)
    assert "cerberod.cli" in recorded_imports.modules
    assert "pydantic" in recorded_imports.third_parties
