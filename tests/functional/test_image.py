"""The Dockerfile's steps in a scratch folder in place of a container: what it copies, what it runs, how it is watched.

No container engine runs here. What a step does to a file system is done to a folder; users, volumes and networks are
not tried. The locks are replaced by one that lends the packages of these tests, so that nothing is fetched.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.support.daemon import ROOT, TOKEN
from tests.support.vps import free_port, lending_wheel

PLACE = "/opt/cerberod"
STEP = re.compile(r"^([A-Z]+) ((?:.*\\\n)*.*)$", re.MULTILINE)


def steps() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile in order, their lines joined."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    return [(name, rest.replace("\\\n", " ")) for name, rest in STEP.findall(text)]


def stage(number: int) -> list[tuple[str, str]]:
    """Return the instructions of one stage, the first being 1."""
    found: list[list[tuple[str, str]]] = []
    for step in steps():
        if step[0] == "FROM":
            found.append([])
        found[-1].append(step)
    return found[number - 1]


def sent_to_the_builder() -> list[Path]:
    """Return the files that `.dockerignore` lets through, which names what is wanted and nothing else."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    wanted = [line[1:] for line in lines if line.startswith("!")]
    return [path for pattern in wanted for path in ROOT.glob(pattern)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for `/opt/cerberod` of the finished image."""
    folder = tmp_path_factory.mktemp("image")
    context, build, made = folder / "context", folder / "build", folder / "opt"
    context.mkdir()
    build.mkdir()
    for path in sent_to_the_builder():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, context / path.name)
    digest = lending_wheel(folder / "wheels")
    (context / "requirements-build.lock").write_text("# lent\n")
    (context / "requirements.lock").write_text(f"lent-packages==1.0 --hash=sha256:{digest}\n")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(folder),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "wheels"),
    }
    for name, rest in stage(1):
        match name:
            case "ENV":
                environment |= dict(word.split("=", 1) for word in shlex.split(rest))
            case "COPY":
                *names, target = rest.split()
                for each in (path for given in names for path in context.glob(given.removeprefix("./"))):
                    place = build / target / (each.name if target.endswith("/") else "")
                    (shutil.copytree if each.is_dir() else shutil.copy)(each, place)
            case "RUN":
                command = rest.replace(PLACE, str(made))
                done = subprocess.run(["sh", "-c", command], cwd=build, env=environment, capture_output=True, text=True)
                assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"
            case _:
                assert name in ("FROM", "WORKDIR"), name
    return made


def test_the_image_runs_is_found_healthy_and_stops_as_it_is_told_to(image: Path, tmp_path: Path) -> None:
    second = dict(stage(2))
    port, http_port = free_port(), free_port()
    environment = {
        "PATH": f"{image}/bin:{os.defpath}",
        "HOME": str(tmp_path),
        "TESTNET_TOKEN": TOKEN,
        "DERIBIT_URL_TESTNET": "ws://127.0.0.1:1",
        "STATE_DIR": str(tmp_path / "state"),
        "PORT": str(port),
        "HTTP_PORT": str(http_port),
    }
    command, health = orjson.loads(second["CMD"]), orjson.loads(second["HEALTHCHECK"].partition("CMD ")[2])

    def healthy() -> bool:
        return subprocess.run(health, env=environment, capture_output=True).returncode == 0

    assert not healthy()
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as ran:
        assert ran.stdout is not None
        try:
            assert b"cerberod listens at" in ran.stdout.readline()
            assert healthy()
            ran.send_signal(signal.Signals[second["STOPSIGNAL"]])
            assert ran.wait(60) == 0
        finally:
            ran.kill()
    assert not healthy()


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    instructions = stage(2)
    assert dict(instructions)["USER"] == "10001:10001"
    assert not any(name == "EXPOSE" for name, _ in steps())
    assert {path.name for path in sent_to_the_builder()} >= {"cerberod", "pyproject.toml", "requirements.lock"}
    assert not any(path.name.startswith(".env") for path in sent_to_the_builder())
