"""The unit and its installer: judged by systemd's own tools, tried on a root folder of the test's own."""

import ctypes.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import connected

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "cerberod.service"
EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here (Debian: apt-get install systemd)"
)


def analyze(*words: str) -> tuple[int, str]:
    environment = {"PATH": os.defpath, "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
    done = subprocess.run(["systemd-analyze", *words], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Machine:
    """A clone with a release that looks built, and a root folder to install into."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.root = folder / "clone", folder / "root"
        (self.clone / "scripts").mkdir(parents=True)
        (self.clone / "systemd").mkdir()
        self.root.mkdir()
        shutil.copy(ROOT / "scripts" / "install-systemd.sh", self.clone / "scripts")
        shutil.copy(UNIT, self.clone / "systemd")
        launcher = self.clone / "current" / "venv" / "bin" / "cerberod"
        launcher.parent.mkdir(parents=True)
        launcher.write_text("#!/bin/sh\n")
        launcher.chmod(0o755)
        self.unit = self.root / "etc/systemd/system/cerberod.service"
        self.drop_in = self.root / "etc/systemd/system/cerberod.service.d/credentials.conf"
        self.credentials = self.root / "etc/cerberod/credentials"

    def install(self, *words: str, **environment: str) -> list[str]:
        """Run the real installer and return what it did."""
        done = subprocess.run(
            ["bash", str(self.clone / "scripts" / "install-systemd.sh"), *words],
            env={"PATH": os.defpath, "DESTDIR": str(self.root), **environment},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [line.removeprefix("==> ") for line in done.stdout.splitlines()]

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@needs_systemd
def test_the_unit_is_as_closed_as_promised() -> None:
    status, said = analyze("security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", str(UNIT))
    found = re.search(r"Overall exposure level for cerberod\.service: (\d+\.\d+)", said)
    assert found is not None, said
    assert float(found[1]) <= EXPOSURE
    assert status == 0


@needs_systemd
def test_an_installed_unit_is_one_that_systemd_understands(machine: Machine) -> None:
    machine.install()
    machine.credentials.joinpath("TESTNET_TOKEN").write_text("x" * 40)
    machine.install()
    assert analyze("verify", "--man=no", str(machine.unit)) == (0, "")
    # The same tool does find what is wrong.
    machine.unit.write_text(machine.unit.read_text().replace("WatchdogSec=30", "WatchdogSec=soon"))
    assert "Failed to parse" in analyze("verify", "--man=no", str(machine.unit))[1]


def test_the_unit_names_the_place_of_the_clone_and_what_the_daemon_needs(machine: Machine) -> None:
    machine.install()
    unit = machine.unit.read_text()
    assert "/opt/" not in unit
    for line in (
        "Type=notify",
        "WatchdogSec=30",
        "RestartPreventExitStatus=78",
        "ExecReload=/bin/kill -HUP $MAINPID",
        f"ExecStart={machine.clone}/current/venv/bin/cerberod serve",
        f"WorkingDirectory={machine.clone}",
        "User=cerberod",
    ):
        assert line in unit.splitlines()


def test_a_service_of_another_name_shares_no_folder_with_the_first(machine: Machine) -> None:
    machine.install(SERVICE="second")
    lines = machine.unit.with_name("second.service").read_text().splitlines()
    assert {"User=second", "Group=second", "StateDirectory=second", "LogsDirectory=second"} <= set(lines)


def test_the_operators_command_knows_the_place_the_state_and_the_secrets(tmp_path: Path, machine: Machine) -> None:
    (machine.clone / "current/venv/bin/cerberod").write_text(
        '#!/bin/sh\necho "$PWD|$STATE_DIRECTORY|${CREDENTIALS_DIRECTORY-none}|$*"\n'
    )
    secrets = tmp_path / "secrets"
    machine.install(CREDENTIALS=str(secrets))
    command = machine.root / "usr/local/bin/cerberod"

    def said() -> str:
        words = [str(command), "halt", "--env", "testnet"]
        return subprocess.run(words, cwd="/", capture_output=True, text=True, check=True).stdout

    assert said() == f"{machine.clone}|/var/lib/cerberod|none|halt --env testnet\n"
    secrets.mkdir()
    (secrets / "TESTNET_TOKEN").touch()
    assert said() == f"{machine.clone}|/var/lib/cerberod|{secrets}|halt --env testnet\n"


def test_a_dry_run_says_everything_and_does_nothing(machine: Machine) -> None:
    said = machine.install("--dry-run")
    assert f"write {machine.unit}" in said
    assert list(machine.root.iterdir()) == []
    # What it said is what is then done.
    done = machine.install()
    assert done == said


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    machine.install()
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in machine.files()}
    assert [line for line in machine.install() if not line.startswith(("No tokens", "Done"))] == []
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in machine.files()} == before


def test_each_secret_file_becomes_a_credential_of_this_unit_alone(machine: Machine) -> None:
    machine.install()
    for name in ("TESTNET_TOKEN", "DERIBIT_CLIENT_SECRET_TESTNET"):
        machine.credentials.joinpath(name).write_text("a secret of this test")
    said = machine.install()
    assert machine.drop_in.read_text().splitlines() == [
        "[Service]",
        "LoadCredential=DERIBIT_CLIENT_SECRET_TESTNET:/etc/cerberod/credentials/DERIBIT_CLIENT_SECRET_TESTNET",
        "LoadCredential=TESTNET_TOKEN:/etc/cerberod/credentials/TESTNET_TOKEN",
    ]
    assert (machine.credentials.stat().st_mode & 0o777, machine.drop_in.stat().st_mode & 0o777) == (0o700, 0o644)
    assert all(path.stat().st_mode & 0o777 == 0o400 for path in machine.credentials.iterdir())
    assert not any("a secret of this test" in line for line in said)
    # What an editor leaves is no secret.
    for name in (".TESTNET_TOKEN.swp", "TESTNET_TOKEN~", "notes.txt"):
        machine.credentials.joinpath(name).touch()
    assert [line for line in machine.install() if not line.startswith("Done")] == []
    for path in machine.credentials.iterdir():
        path.unlink()
    machine.install()
    assert not machine.drop_in.exists()


def test_as_root_the_user_is_made_and_env_is_opened_to_it_alone(tmp_path: Path, machine: Machine) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("useradd", "chown", "systemctl"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/done"\n')
        (tools / name).chmod(0o755)
    (tools / "id").write_text('#!/bin/sh\n[ "$1" = -u ] && echo 0 || exit 1\n')
    (tools / "id").chmod(0o755)
    (machine.clone / ".env").write_text("TESTNET_TOKEN=\n")
    done = subprocess.run(
        ["bash", str(machine.clone / "scripts" / "install-systemd.sh"), "--dry-run"],
        env={"PATH": f"{tools}:{os.defpath}"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert any("useradd --system" in line for line in said)
    assert f"==> chown root:cerberod {machine.clone}/.env" in said
    assert f"==> chmod 640 {machine.clone}/.env" in said
    assert "==> systemctl daemon-reload" in said
    assert not (tmp_path / "done").exists()


def test_what_it_cannot_do_is_one_line(machine: Machine) -> None:
    for words, environment, says in (
        (["--force"], {"DESTDIR": str(machine.root)}, "the only option is --dry-run"),
        ([], {"PATH_TO_ID": "1"}, "this needs root"),
        (["--dry-run"], {"BASH_FUNC_pwd%%": "() { echo /run/user/1000/cerberod; }"}, "the unit sees no home directory"),
        (["--dry-run"], {"CREDENTIALS": "/etc/my secrets"}, "a unit file cannot name this place: /etc/my secrets"),
    ):
        tools = machine.clone.parent / "nobody"
        tools.mkdir(exist_ok=True)
        (tools / "id").write_text("#!/bin/sh\necho 1000\n")
        (tools / "id").chmod(0o755)
        done = subprocess.run(
            ["bash", str(machine.clone / "scripts" / "install-systemd.sh"), *words],
            env={"PATH": f"{tools}:{os.defpath}", **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1


@needs_systemd
@pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="libseccomp is not here, which systemd brings")
async def test_the_daemon_works_behind_the_units_system_call_filter(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("serve", "--sim", module="tests.support.sandboxed")
    order = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}
    closes = [100.0 + number % 7 + number % 11 for number in range(300)]
    async with connected(daemon) as client:
        assert (await client.call("deribit.place_order", order))["outcome"] == "confirmed"
        assert (await client.call("bybit.get_server_time"))["server_time"]
        # In the worker process, which inherits the filter.
        fitted = await client.call("common.garch11_forecast", {"close": closes, "horizon": 5})
        assert fitted["basis"]["count"] == len(closes)
