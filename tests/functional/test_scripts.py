"""The newcomer's scripts, run for real on a tiny project: set-up, second run, interruption, what is missing.

The project here has empty locks, so that nothing is fetched; everything else, pip and the virtual environment included,
is what a newcomer gets. The real locks are installed by whoever runs the tests.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("setup.sh", "run.sh", "test.sh")
LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-dev.lock")
SYSTEM_TOOLS = (
    *("bash", "sh", "dirname", "basename", "cat", "cksum", "head"),
    *("touch", "rm", "mv", "chmod", "flock", "nproc"),
)
SAYS_WHAT_IT_GOT = "import os, sys\nprint(os.getpid(), *sys.argv[1:], flush=True)\n"


class Project:
    """A repository with our scripts and next to nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scripts").mkdir(parents=True)
        for name in SCRIPTS:
            shutil.copy(ROOT / "scripts" / name, root / "scripts")
        for name in LOCKS:
            (root / name).write_text("# nothing\n")
        for package in ("cerberod", "pytest"):
            (root / package).mkdir()
            (root / package / "__init__.py").touch()
            (root / package / "__main__.py").write_text(SAYS_WHAT_IT_GOT)

    def start(self, script: str, *args: str, cwd: Path | None = None, **environ: str) -> "subprocess.Popen[str]":
        environment = {"PATH": os.defpath, "HOME": str(self.root / "no-home"), "PYTHON": sys.executable, **environ}
        return subprocess.Popen(
            ["bash", str(self.root / "scripts" / script), *args],
            cwd=cwd or self.root,
            env={name: value for name, value in environment.items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *args: str, cwd: Path | None = None, **environ: str) -> tuple[int, str, str]:
        with self.start(script, *args, cwd=cwd, **environ) as process:
            out, err = process.communicate(timeout=100)
            return process.returncode, out, err


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that is set up, in a folder whose name is awkward; shared, because making it takes seconds."""
    made = Project(tmp_path_factory.mktemp("it's a") / "clone")
    status, _, err = made.run("setup.sh", "dev")
    assert status == 0, err
    assert "Making .venv" in err
    return made


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """A project that nobody set up yet."""
    return Project(tmp_path / "clone")


def test_without_arguments_the_simulation_is_served_by_the_process_that_was_started(project: Project) -> None:
    with project.start("run.sh") as process:
        out, err = process.communicate(timeout=100)
    assert out.split() == [str(process.pid), "serve", "--sim"]
    assert err == "==> cerberod serve --sim\n"


def test_arguments_are_the_command_and_any_folder_will_do(project: Project, tmp_path: Path) -> None:
    status, out, err = project.run("run.sh", "call", "a=b c", "", cwd=tmp_path)
    assert (status, out.split(" ", 1)[1], err) == (0, "call a=b c \n", "")


def test_test_arguments_are_handed_on(project: Project, tmp_path: Path) -> None:
    status, out, _ = project.run("test.sh", "-k", "one thing", cwd=tmp_path)
    assert (status, out.split(" ", 1)[1]) == (0, "-k one thing\n")
    # The whole suite goes to several processes, file by file.
    status, out, _ = project.run("test.sh")
    assert status == 0
    assert re.fullmatch(r"-n \d+ --dist loadfile --no-loadscope-reorder\n", out.split(" ", 1)[1])


def test_second_set_up_does_nothing(project: Project) -> None:
    stamp = project.root / ".venv" / "installed-run"
    before = stamp.stat().st_mtime_ns
    for kind in ("run", "dev"):
        assert project.run("setup.sh", kind) == (0, "", "")
    assert stamp.stat().st_mtime_ns == before


def test_nothing_is_left_in_the_root_or_at_home(project: Project) -> None:
    expected = {"scripts", "cerberod", "pytest", ".venv", *LOCKS}
    assert {entry.name for entry in project.root.iterdir()} == expected


def test_changed_lock_is_installed_and_a_set_up_cut_short_starts_again(bare: Project) -> None:
    assert bare.run("setup.sh", "run")[0] == 0
    (bare.root / "requirements.lock").write_text("# changed\n")
    status, _, err = bare.run("setup.sh", "run")
    assert status == 0
    assert "Installing the packages" in err
    assert "Making .venv" not in err

    (bare.root / "requirements.lock").write_text("nothing-of-this-name==1.0 --hash=sha256:" + "0" * 64 + "\n")
    status, out, err = bare.run("run.sh", PIP_NO_INDEX="1")
    assert (status, out) == (1, "")
    assert "Cannot go on: pip could not install the packages" in err

    (bare.root / "requirements.lock").write_text("# mended\n")
    status, _, err = bare.run("setup.sh", "run")
    assert status == 0
    assert "Making .venv" in err
    assert bare.run("setup.sh", "run") == (0, "", "")


def stand_in(path: Path, refused: str) -> str:
    """Make an interpreter that fails when its arguments hold a word, as one that lacks something does."""
    path.write_text(f"""#!/bin/sh
case "$*" in
*{refused}*) exit 1 ;;
esac
exec '{sys.executable}' "$@"
""")
    path.chmod(0o755)
    return str(path)


def test_old_python_is_named(bare: Project, tmp_path: Path) -> None:
    status, out, err = bare.run("run.sh", PYTHON=stand_in(tmp_path / "old", "version_info"))
    assert (status, out) == (1, "")
    assert re.fullmatch(r"==> Cannot go on: PYTHON names \S+, which is not Python 3.11 or newer.\n", err)
    assert not (bare.root / ".venv").exists()


def test_only_old_pythons_in_the_path(bare: Project, tmp_path: Path) -> None:
    tools = path_with_tools(tmp_path)
    stand_in(tools / "python3", "version_info")
    status, _, err = bare.run("run.sh", PYTHON="", PATH=str(tools))
    assert status == 1
    assert "Python 3.11 or newer is needed, and only older ones are here: python3 (Python 3" in err


def test_no_python_at_all(bare: Project, tmp_path: Path) -> None:
    status, _, err = bare.run("run.sh", PYTHON="", PATH=str(path_with_tools(tmp_path)))
    assert status == 1
    assert "there is no python3" in err
    assert "sudo apt-get install python3 python3-venv" in err


def test_python_that_is_not_there(bare: Project) -> None:
    status, _, err = bare.run("run.sh", PYTHON="python9")
    assert (status, err) == (1, "==> Cannot go on: PYTHON names python9, which is not there.\n")


def test_missing_venv_module_names_the_package(bare: Project, tmp_path: Path) -> None:
    status, _, err = bare.run("test.sh", PYTHON=stand_in(tmp_path / "bare", "ensurepip"))
    assert status == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"this Python {version} has no venv module" in err
    assert f"sudo apt-get install python{version}-venv" in err


def path_with_tools(tmp_path: Path) -> Path:
    """Make a folder for PATH that holds the system's tools but no Python."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in SYSTEM_TOOLS:
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    return tools


@pytest.mark.parametrize(
    "script",
    [*(f"scripts/{name}" for name in SCRIPTS), "scripts/lock.sh", "scripts/bench.sh", "scripts/soak.sh", ".ci/run"],
)
def test_scripts_parse_and_may_be_run(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert "set -euo pipefail" in path.read_text("utf-8")


def test_locks_hold_hashes_and_agree() -> None:
    versions = {
        name: dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in (*LOCKS, "requirements-bench.lock")
    }
    assert versions["requirements.lock"].items() <= versions["requirements-dev.lock"].items()
    assert versions["requirements-dev.lock"].items() <= versions["requirements-bench.lock"].items()
    for name in versions:
        text = (ROOT / name).read_text()
        assert text.count("--hash=sha256:") >= len(versions[name]) > 0


def test_tracked_files_name_no_registry_and_no_place_of_one_machine() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # Put together here, so that this file does not name them either.
    hosts = [name + ".org" for name in ("pypi", "pythonhosted", "npmjs")]
    folders = ["/" + name + "/" for name in ("home", "root", "work", "Users")]
    # Followed by an asterisk it is a pattern of all such places.
    forbidden = re.compile("|".join([*map(re.escape, hosts), *(folder + r"(?!\*)" for folder in folders)]))
    found = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file():
            lines = path.read_text("utf-8", errors="replace").splitlines()
            found += [f"{name}:{number}" for number, line in enumerate(lines, 1) if forbidden.search(line)]
    assert found == []
