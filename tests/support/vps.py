"""A machine to deploy on: a bare remote, a clone of it, and a stand-in for `systemctl` that runs the real daemon.

Releases are built by the real script with the real pip. The locks of this remote name one small wheel, whose path file
lends the packages of the interpreter that runs the tests, so that nothing is fetched.
"""

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.request import urlopen

import orjson

from tests.support.daemon import ROOT, TOKEN

ENDS_S = 240.0
DISTRIBUTION = "lent_packages-1.0.dist-info"
STARTS = 3

SYSTEMCTL = f"""#!{sys.executable}
# What `systemctl restart` does to a unit of Type=notify, for one unit: end the old process, start the new one, wait
# until it is ready or has ended. The manager starts a unit {STARTS} times, and then no more before `reset-failed`.
import os, pathlib, select, signal, socket, subprocess, sys

verb, unit = sys.argv[1:3]
assert verb in ("restart", "reset-failed") and unit == "cerberod", sys.argv
machine = pathlib.Path(__file__).resolve().parents[1]
starts = machine / "starts"
if verb == "reset-failed":
    starts.unlink(missing_ok=True)
    sys.exit(0)
clone, pid_file, address = machine / "clone", machine / "pid", machine / "notify"
with open(machine / "restarts", "a") as restarts:
    restarts.write(os.readlink(clone / "current") + "\\n")
if pid_file.exists():
    pid = int(pid_file.read_text())
    try:
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        select.select([handle], [], [])
    except ProcessLookupError:
        pass
with open(starts, "a") as used:
    used.write("x")
if starts.stat().st_size > {STARTS}:
    sys.exit("the start limit is reached")
environment = {{"PATH": os.environ["PATH"], "HOME": str(machine), "NOTIFY_SOCKET": str(address)}}
if (machine / "credentials").exists():
    environment["CREDENTIALS_DIRECTORY"] = str(machine / "credentials")
for line in (clone / "current" / "release.env").read_text().splitlines():
    name, _, text = line.partition("=")
    environment[name] = text
address.unlink(missing_ok=True)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, open(machine / "log", "ab") as log:
    manager.bind(str(address))
    started = subprocess.Popen([clone / "current" / "venv" / "bin" / "cerberod", "serve"], cwd=clone, env=environment,
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    pid_file.write_text(str(started.pid))
    handle = os.pidfd_open(started.pid)
    while True:
        heard, _, _ = select.select([manager, handle], [], [])
        if manager in heard and manager.recv(1000) == b"READY=1":
            sys.exit(0)
        if handle in heard:
            sys.exit(1)
"""

DOCKER = f"""#!{sys.executable}
# As much of docker as the script uses. An image is a line of `images`; its container is the daemon of these tests.
import os, pathlib, signal, subprocess, sys

words = sys.argv[1:]
machine = pathlib.Path(__file__).resolve().parents[1]
clone, pid_file = machine / "clone", machine / "pid"
environment = {{"PATH": os.environ["PATH"], "HOME": str(machine), "PYTHONPATH": {str(ROOT)!r}}}
if words[0] == "build":
    sys.stdin.buffer.read()
    with open(machine / "images", "a") as images:
        images.write(words[words.index("--tag") + 1] + "\\n")
elif words[0] == "run":
    assert words[-3] in (machine / "images").read_text().split(), words
    sys.exit(subprocess.run([sys.executable, "-m", "cerberod", "check"], cwd=clone, env=environment).returncode)
elif words[:2] == ["compose", "up"]:
    if pid_file.exists():
        handle = os.pidfd_open(int(pid_file.read_text()))
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        import select
        select.select([handle], [], [])
        pid_file.unlink()
    image = os.environ["CERBEROD_IMAGE"]
    assert image in (machine / "images").read_text().split(), image
    if image not in (machine / "broken").read_text().split():
        with open(machine / "log", "ab") as log:
            environment["GIT_SHA"] = image.partition(":")[2]
            started = subprocess.Popen([sys.executable, "-m", "cerberod", "serve"], cwd=clone, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        pid_file.write_text(str(started.pid))
elif words[:2] == ["compose", "exec"]:
    assert words[2:5] == ["-T", "cerberod", "python"], words
    sys.exit(subprocess.run([sys.executable, *words[5:]]).returncode)
else:
    sys.exit(f"unexpected: {{words}}")
"""


class Vps:
    """One machine, one service, one remote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote, self.author, self.clone = folder / "remote.git", folder / "author", folder / "clone"
        self.bin = folder / "bin"
        self._commits = 0
        self.port, self.http_port = free_port(), free_port()
        self._make_remote()
        self._put("systemctl", SYSTEMCTL)
        self.git("clone", "--quiet", str(self.remote), str(self.clone), cwd=folder)
        self.write_env()

    # -- the author's side ---------------------------------------------------------------------------------------------

    def _make_remote(self) -> None:
        self.author.mkdir()
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("cerberod", "scripts", "systemd"):
            shutil.copytree(ROOT / name, self.author / name, ignore=ignore)
        for name in ("pyproject.toml", "README.md", ".gitignore", ".env.example", "compose.yaml"):
            shutil.copy(ROOT / name, self.author / name)
        digest = lending_wheel(self.folder / "wheels")
        (self.author / "requirements-build.lock").write_text("# lent\n")
        (self.author / "requirements.lock").write_text(f"lent-packages==1.0 --hash=sha256:{digest}\n")
        self.git("init", "--quiet", "--initial-branch=main", cwd=self.author)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.remote), cwd=self.folder)
        self.git("remote", "add", "origin", str(self.remote), cwd=self.author)
        self.first = self.push()

    def push(self, change: Callable[[Path], object] = lambda author: None) -> str:
        """Commit a change to the remote's main branch and return the commit; without one, a new commit all the same."""
        change(self.author)
        self._commits += 1
        (self.author / "NUMBER").write_text(f"{self._commits}\n")
        self.git("add", "--all", cwd=self.author)
        self.git("commit", "--quiet", "--message", f"number {self._commits}", cwd=self.author)
        self.git("push", "--quiet", "--force", "origin", "HEAD:main", cwd=self.author)
        return self.git("rev-parse", "HEAD", cwd=self.author)

    def push_broken(self, file: str, before: str, after: str) -> str:
        """Push a commit with one piece of code replaced, and take it back in the author's tree."""
        path = self.author / file
        text = path.read_text()
        assert text.count(before) == 1, f"{file} no longer has {before!r}"
        pushed = self.push(lambda _: path.write_text(text.replace(before, after)))
        path.write_text(text)
        return pushed

    def git(self, *words: str, cwd: Path | None = None) -> str:
        author = {
            f"GIT_{who}_{what}": "author@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **author}
        done = subprocess.run(["git", *words], cwd=cwd or self.clone, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # -- the machine's side --------------------------------------------------------------------------------------------

    def write_env(self, **settings: str) -> None:
        """Write the `.env` of the clone."""
        given = {
            "TESTNET_TOKEN": TOKEN,
            "PORT": str(self.port),
            "HTTP_PORT": str(self.http_port),
            "STATE_DIR": str(self.folder / "state"),
            "DERIBIT_URL_TESTNET": "ws://127.0.0.1:1",
            **settings,
        }
        (self.clone / ".env").write_text("".join(f"{name}={text}\n" for name, text in given.items()))
        (self.clone / ".env").chmod(0o600)

    def write_credential(self, name: str, text: str) -> None:
        """Put a secret where the manager hands it over from."""
        (self.folder / "credentials").mkdir(mode=0o700, exist_ok=True)
        (self.folder / "credentials" / name).write_text(text)
        (self.folder / "credentials" / name).chmod(0o400)

    def use_root(self, *, reads_env: bool) -> None:
        """Let the script take itself for root, on a machine with the daemon's user."""
        self._put("id", "#!/bin/sh\necho 0\n")
        self._put("runuser", f"#!/bin/sh\nexit {0 if reads_env else 1}\n")

    def use_docker(self) -> None:
        """Have a `docker` on this machine."""
        (self.folder / "broken").touch()
        self._put("docker", DOCKER)

    def break_image(self, commit: str) -> None:
        """Let the container of a commit's image end at once."""
        (self.folder / "broken").write_text(f"cerberod:{commit}\n")

    def _put(self, name: str, program: str) -> None:
        self.bin.mkdir(exist_ok=True)
        (self.bin / name).write_text(program)
        (self.bin / name).chmod(0o755)

    def start(self, script: str = "deploy-vps.sh", *words: str, **settings: str) -> "subprocess.Popen[str]":
        environment = {
            "PATH": f"{self.bin}:{os.defpath}",
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHON": sys.executable,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder / "wheels"),
            "HEALTH_TIMEOUT_SECONDS": "60",
            "CREDENTIALS": str(self.folder / "credentials"),
            **settings,
        }
        return subprocess.Popen(
            ["bash", str(self.clone / "scripts" / script), *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            umask=0o077,
        )

    def deploy(self, *, expect: int = 0, **settings: str) -> str:
        """Run the real script to its end and return its last line."""
        with self.start(**settings) as process:
            said, _ = process.communicate(timeout=ENDS_S)
        assert process.returncode == expect, f"exit code {process.returncode}\n{said}\n{self.log()[-3000:]}"
        return said.splitlines()[-1]

    def log(self) -> str:
        """Return what the service has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def restarts(self) -> int:
        """Return how often the service was told to restart."""
        path = self.folder / "restarts"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def running(self) -> str:
        """Return the commit that answers, or nothing."""
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self.http_port}/health", timeout=30) as answer:
            body = orjson.loads(answer.read())
            return str(body["git_sha"]) if body["phase"] == "ready" else ""
        return ""

    def checked_out(self) -> str:
        """Return the commit of the clone's working tree."""
        return self.git("rev-parse", "HEAD")

    def stop(self) -> None:
        """End the service."""
        pid = self.folder / "pid"
        if pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


_CHOSEN = range(15_000, 30_000)
"""Ports that no system hands out by itself, so that none of them is taken between the choice and its use."""
_choices = count(os.getpid() * 37)


def free_port() -> int:
    """Return a port that nobody listens on, nor will before it is used."""
    for choice in _choices:
        port = _CHOSEN[choice % len(_CHOSEN)]
        with socket.socket() as listener, suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


def lending_wheel(folder: Path) -> str:
    """Make the wheel and return its SHA-256."""
    folder.mkdir()
    files = {
        # Before what the virtual environment brings itself, which may be too old to build with.
        "lent-packages.pth": f"import sys; sys.path.insert(0, {sysconfig.get_path('purelib')!r})\n",
        f"{DISTRIBUTION}/METADATA": "Metadata-Version: 2.1\nName: lent-packages\nVersion: 1.0\n",
        f"{DISTRIBUTION}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{DISTRIBUTION}/RECORD"] = f"{record}{DISTRIBUTION}/RECORD,,\n"
    path = folder / "lent_packages-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
