"""The README's sessions, typed as they stand and compared with what is printed there."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.functional.conftest import StartDaemon
from tests.readme import document
from tests.readme.likeness import MORE, json_differs, output_differs
from tests.support.client import raw_connection
from tests.support.command import ENDS_S, Cerberod
from tests.support.daemon import Daemon
from tests.support.simulator import SimulatorProcess

MARK = "@@ end of command"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@dataclass(frozen=True)
class Typed:
    """One command and what the README shows of its output."""

    command: str
    shown: str


def typed(info: str) -> list[Typed]:
    return [command for block in document.named(info) for command in _commands(block.text)]


def _commands(text: str) -> Iterator[Typed]:
    assert text.startswith("$ "), text
    for part in f"\n{text}".split("\n$ ")[1:]:
        command, _, shown = part.partition("\n")
        yield Typed(command, shown)


def replayed(
    info: str,
    folder: Path,
    settings: Mapping[str, str],
    addresses: Mapping[str, str],
    differs_from: Callable[[str, str], str | None] | None = None,
) -> None:
    """Type the commands of all blocks with this info string into one shell; each must print what is shown."""
    compared = differs_from or alike
    commands = typed(info)
    launcher = folder / "bin" / "cerberod"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cerberod "$@"\n')
    launcher.chmod(0o755)
    script = "".join(f"{each.command}\necho '{MARK}'\n" for each in commands)
    for shown, real in addresses.items():
        script = script.replace(shown, real)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=folder / "work",
        env={**settings, "PATH": f"{launcher.parent}:{settings['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=ENDS_S,
    )
    outputs = ran.stdout.split(f"{MARK}\n")
    assert len(outputs) == len(commands) + 1, ran.stdout
    for each, output in zip(commands, outputs, strict=False):
        differs = compared(each.shown, output)
        assert differs is None, f"$ {each.command}\n{differs}"


def alike(shown: str, output: str) -> str | None:
    """Compare lines; but JSON on one line as JSON, so that what varies in it is told by name."""
    if shown.startswith("{") and "\n" not in shown:
        return json_differs(shown, output)
    return output_differs(shown, output)


@pytest.fixture
def shell(cerberod: Cerberod) -> Cerberod:
    """An environment like that of a person's shell: one of its own, with the usual programs."""
    cerberod.settings.pop("STATE_DIR")
    cerberod.settings.pop("PORT")
    cerberod.settings.pop("HTTP_PORT")
    return cerberod


@pytest.fixture
def fresh_simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    """A simulator that nobody used before, so that the numbers it gives out are those of the README."""
    simulator = SimulatorProcess(tmp_path / "simulator")
    yield simulator
    simulator.kill()


async def test_the_first_session_goes_as_shown(daemon: Daemon) -> None:
    lines = [line for block in document.named("text wscat") for line in _messages(block.text)]
    assert len(lines) > 10
    async with raw_connection(daemon, bot_tag="me") as connection:
        for message in lines:
            if message.startswith(">"):
                assert MORE not in message
                await connection.send(message[1:].strip())
            else:
                reply = await connection.recv()
                differs = json_differs(message[1:].strip(), str(reply))
                assert differs is None, f"{message}\n{differs}\n{reply!r}"


def _messages(text: str) -> list[str]:
    """Return messages; a reply may stand on several lines, what is to be pasted may not."""
    messages: list[str] = []
    for line in text.splitlines():
        if line.startswith(("> ", "< ")):
            messages.append(line)
        else:
            assert messages[-1].startswith("<"), f"cannot be pasted: {line}"
            messages[-1] += line.strip()
    return messages


def test_metrics_that_are_told_exist(daemon: Daemon) -> None:
    with urlopen(f"{daemon.http_url}/metrics", timeout=ENDS_S) as answer:
        families = re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.MULTILINE)
    told = re.findall(r"`(cerberod_\w+)`", document.section("## Watching it"))
    assert told
    assert [name for name in told if name not in families] == []


@needs_curl
def test_the_shell_prints_what_is_shown(shell: Cerberod, daemon: Daemon) -> None:
    at_daemon = {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": daemon.token, "STATE_DIR": str(daemon.state)}
    addresses = {"http://127.0.0.1:9001": daemon.http_url}
    replayed("console shell", shell.folder, {**shell.settings, **at_daemon}, addresses)


def test_the_half_written_configuration_is_told_as_shown(shell: Cerberod) -> None:
    replayed("console check", shell.folder, shell.settings, {})


@needs_curl
def test_the_bad_day_goes_as_shown(
    shell: Cerberod, start_daemon: StartDaemon, fresh_simulator: SimulatorProcess
) -> None:
    simulator = fresh_simulator
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    daemon.announce("connection down")
    at_daemon = {"CERBEROD_URL": daemon.url, "CERBEROD_TOKEN": daemon.token}
    addresses = {"http://127.0.0.1:7700": simulator.control}
    replayed("console sim", shell.folder, {**shell.settings, **at_daemon}, addresses)
    assert len(simulator.orders("deribit_testnet")) == 1
