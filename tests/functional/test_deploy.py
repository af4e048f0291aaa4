"""The real deploy script on a real clone: what it deploys, what it refuses, and how it goes back."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import orjson
import pytest
from websockets.asyncio.client import connect

from tests.support.daemon import TOKEN
from tests.support.vps import Vps

NEVER_READY = (
    "cerberod/daemon.py",
    "return Phase.STARTING if self.dispatcher is None else self.dispatcher.phase",
    "return Phase.STARTING",
)
ENDS_AT_ONCE = (
    "cerberod/cli.py",
    "    from cerberod import app\n    from cerberod.settings import Sources",
    "    return 1",
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vps]:
    """A machine for all tests here: each pushes commits of its own and leaves a healthy service."""
    made = Vps(tmp_path_factory.mktemp("vps"))
    yield made
    made.stop()


@pytest.fixture
def vps(machine: Vps) -> Vps:
    """The machine with a healthy service of a commit that is not broken."""
    machine.write_env()
    if not machine.running() or machine.running() != machine.checked_out():
        commit = machine.push()
        assert machine.deploy() == f"==> Deployed {commit}"
        assert machine.running() == machine.checked_out() == commit
    return machine


def test_a_commit_that_runs_already_is_deployed_only_by_force(vps: Vps) -> None:
    restarts, commit = vps.restarts(), vps.running()
    assert vps.deploy() == f"==> Nothing to do: {commit} runs already (FORCE=1 deploys it again)"
    assert vps.restarts() == restarts
    assert vps.deploy(FORCE="1") == f"==> Deployed {commit}"
    assert (vps.restarts(), vps.running()) == (restarts + 1, commit)


async def test_a_new_commit_replaces_the_old_one_and_sessions_are_told_to_come_back(vps: Vps) -> None:
    commit = vps.push()
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Bot-Tag": "tester"}
    url = f"ws://127.0.0.1:{vps.port}/"
    async with connect(url, additional_headers=headers, proxy=None) as session:
        assert await anyio.to_thread.run_sync(vps.deploy) == f"==> Deployed {commit}"
        await session.wait_closed()
        assert (session.close_code, session.close_reason) == (1001, "the daemon is stopping; reconnect in a moment")
    async with connect(url, additional_headers=headers, proxy=None) as session:
        await session.send('{"jsonrpc":"2.0","id":1,"method":"admin.get_status"}')
        assert orjson.loads(await session.recv())["result"]["git_sha"] == commit


def test_a_commit_that_ends_at_once_is_rolled_back(vps: Vps) -> None:
    before = vps.running()
    broken = vps.push_broken(*ENDS_AT_ONCE)
    # The first deploy after an installation: what runs was put there by the installer, and no deploy has seen it.
    (vps.clone / "releases" / "healthy").unlink()
    said = vps.deploy(expect=1)
    assert said == f"==> Deploy failed: {broken} did not come up; rolled back to {before}, which is healthy"
    assert vps.running() == vps.checked_out() == before
    mended = vps.push()
    assert vps.deploy() == f"==> Deployed {mended}"


def cut_short(vps: Vps, **settings: str) -> str:
    """Deploy what never comes up, and end the wait for it; return the last line.

    The rollback itself gets all the time that a slow machine needs, which a short wait would not give it.
    """
    with vps.start(HEALTH_TIMEOUT_SECONDS="1000", **settings) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Restarting" in line:
                break
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read().splitlines()[-1]
    assert process.returncode == 1
    return said


def test_a_commit_that_never_gets_ready_is_rolled_back_or_left_when_told_so(vps: Vps) -> None:
    before = vps.running()
    broken = vps.push_broken(*NEVER_READY)
    said = vps.deploy(expect=1, HEALTH_TIMEOUT_SECONDS="1", SKIP_ROLLBACK="1")
    assert said == f"==> Deploy failed: {broken} did not come up and was left in place (SKIP_ROLLBACK)"
    assert vps.running() == ""
    said = cut_short(vps)
    assert said == f"==> Deploy failed: {broken} did not come up; rolled back to {before}, which is healthy"
    assert vps.running() == vps.checked_out() == before


def test_what_is_not_in_order_is_refused_and_the_service_goes_on(vps: Vps) -> None:
    before, restarts = vps.running(), vps.restarts()
    (vps.clone / "README.md").write_text("changed by hand\n")
    assert "the working tree has changes" in vps.deploy(expect=1)
    vps.git("checkout", "--quiet", "README.md")
    (vps.clone / ".env").rename(vps.folder / "set-aside")
    assert ".env is missing" in vps.deploy(expect=1)
    (vps.folder / "set-aside").rename(vps.clone / ".env")
    vps.use_root(reads_env=False)
    assert "user cerberod cannot read .env" in vps.deploy(expect=1)
    vps.use_root(reads_env=True)
    assert "has no branch elsewhere" in vps.deploy(expect=1, BRANCH="elsewhere")
    for tool in ("id", "runuser"):
        (vps.bin / tool).unlink()
    assert "MODE must be systemd or docker" in vps.deploy(expect=1, MODE="car")
    assert "must be a whole number" in vps.deploy(expect=1, HEALTH_TIMEOUT_SECONDS="soon")
    assert (vps.running(), vps.restarts()) == (before, restarts)


def test_settings_that_the_new_version_cannot_use_stop_nothing(vps: Vps) -> None:
    before, restarts = vps.running(), vps.restarts()
    target = vps.push()
    vps.write_env(TESTNET_TOKEN="")
    assert f"cannot use the settings (see above); {before} goes on running" in vps.deploy(expect=1)
    assert (vps.running(), vps.restarts(), vps.checked_out()) == (before, restarts, before)
    # They are judged with the secrets that the manager hands over.
    vps.write_credential("TESTNET_TOKEN", TOKEN)
    try:
        assert vps.deploy() == f"==> Deployed {target}"
    finally:
        shutil.rmtree(vps.folder / "credentials")


def test_a_second_deploy_at_once_is_refused_and_a_killed_one_leaves_the_service(vps: Vps, tmp_path: Path) -> None:
    before, restarts = vps.running(), vps.restarts()
    # The build of this deploy stands still, in the interpreter that makes the virtual environment.
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho reached\nexec sleep 600\n")
    interpreter.chmod(0o755)
    target = vps.push()
    with vps.start(PYTHON=str(interpreter)) as process:
        assert process.stdout is not None
        while "reached" not in process.stdout.readline():
            assert process.poll() is None
        with vps.start() as second:
            said, _ = second.communicate(timeout=60)
        assert (second.returncode, said) == (75, "==> Not deployed: another deploy is running\n")
        os.killpg(process.pid, signal.SIGKILL)
    assert (vps.running(), vps.restarts()) == (before, restarts)
    assert vps.deploy() == f"==> Deployed {target}"


def test_old_releases_go_and_the_ones_that_matter_stay(vps: Vps) -> None:
    last = vps.running()
    newest = vps.push()
    assert vps.deploy(KEEP_RELEASES="1") == f"==> Deployed {newest}"
    kept = {path.name for path in (vps.clone / "releases").iterdir() if path.is_dir()}
    assert kept == {last, newest}
    # Whatever the operator's umask says, the daemon's user can enter it.
    release = vps.clone / "releases" / newest
    assert {path.stat().st_mode & 0o777 for path in (release, release / "venv/bin/cerberod")} == {0o755}


def test_with_images_the_same_gate_and_the_same_way_back(tmp_path: Path) -> None:
    vps = Vps(tmp_path)
    vps.use_docker()
    try:
        assert vps.deploy(MODE="docker") == f"==> Deployed {vps.first}"
        assert vps.running() == vps.first
        broken = vps.push()
        vps.break_image(broken)
        said = cut_short(vps, MODE="docker")
        assert said == f"==> Deploy failed: {broken} did not come up; rolled back to {vps.first}, which is healthy"
        assert vps.running() == vps.checked_out() == vps.first
    finally:
        vps.stop()
