"""The operator's smoke test, run as the operator runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import ROOT, Daemon

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here, which the script needs")


def smoke(daemon: Daemon, tmp_path: Path, **settings: str) -> tuple[int, list[str]]:
    launcher = tmp_path / "cerberod"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m cerberod "$@"\n')
    launcher.chmod(0o755)
    environment = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "CERBEROD": str(launcher),
        "PORT": str(daemon.port),
        "HTTP_PORT": str(daemon.http_port),
        "TESTNET_TOKEN": daemon.token,
        **settings,
    }
    done = subprocess.run(
        ["bash", str(ROOT / "tests/smoke/run.sh")], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert daemon.token not in done.stdout
    return done.returncode, done.stdout.splitlines()


def test_a_healthy_daemon_passes_every_check(shared_daemon: Daemon, tmp_path: Path) -> None:
    status, lines = smoke(shared_daemon, tmp_path)
    if status:  # the daemon calls a venue ill that answers one probe too late; that is not every time
        status, lines = smoke(shared_daemon, tmp_path)
    assert [line for line in lines[1:-1] if not line.startswith("  ok ")] == []
    checked = "\n".join(lines)
    for what in ("health", "readiness", "wrong token", "bot tag", "whoami", "a read from deribit", "audit query"):
        assert what in checked
    assert (status, lines[-1]) == (0, f"{len(lines) - 2} passed, 0 failed")


def test_what_is_wrong_is_counted_and_ends_with_1(shared_daemon: Daemon, tmp_path: Path) -> None:
    status, lines = smoke(shared_daemon, tmp_path, TESTNET_TOKEN="Tk7-of-another-daemon-entirely-9876543210")
    failed = [line for line in lines if line.startswith("  FAIL ")]
    assert {line[8:42].strip() for line in failed} == {"a missing bot tag is refused", "whoami", "audit query"}
    assert (status, lines[-1]) == (1, f"{len(lines) - 2 - len(failed)} passed, {len(failed)} failed")


def test_nobody_there_fails_everything(shared_daemon: Daemon, tmp_path: Path) -> None:
    status, lines = smoke(shared_daemon, tmp_path, PORT="1", HTTP_PORT="1")
    assert (status, lines[-1]) == (1, f"0 passed, {len(lines) - 2} failed")
