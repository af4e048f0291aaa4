"""The real command as a child process, watched from start to end: what it says, where it writes, what it leaves behind.

A test that starts a daemon says beforehand which warnings it will cause (`announce`); everything else that is not as it
should be fails the test when the daemon has ended.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import orjson

from cerberod.audit.verify import verify
from cerberod.trading.journal import read_anchors
from cerberod.trading.records import JOURNAL_FILE, KEY_FILE

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "Tk7-functional-testnet-vQ2xJ9mZ4wLr8bNd"
ADMIN_TOKEN = "Tk7-functional-operator-hS6pY1cVgE3uKoXa"
START_S = 60.0
STOP_S = 60.0

UNHURRIED: dict[str, Any] = {"LIMIT_WRITE_DEADLINE_S": "30", "LIMIT_READ_DEADLINE_S": "30"}
"""Deadlines that nothing meets: where an answer never comes, a test says when the daemon gives up waiting for it."""

_LOUD = {"warning", "error", "critical"}


class Output:
    """What a process writes to one pipe, line by line, as it comes."""

    def __init__(self, pipe: IO[bytes], changed: threading.Condition) -> None:
        self.lines: list[bytes] = []
        self.ended = False
        self._pipe = pipe
        self._changed = changed
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for line in self._pipe:
            self._add(line)
        self._pipe.close()
        self._add(None)

    def _add(self, line: bytes | None) -> None:
        with self._changed:
            if line is None:
                self.ended = True
            else:
                self.lines.append(line.rstrip(b"\n"))
            self._changed.notify_all()

    @property
    def data(self) -> bytes:
        return b"\n".join(self.lines)

    def join(self) -> None:
        """Wait until the pipe has been read to its end."""
        self._thread.join(STOP_S)
        assert self.ended, "somebody still holds the pipe of a process that has ended"


class Daemon:
    """One `cerberod serve` with a folder of its own."""

    def __init__(
        self, folder: Path, *arguments: str, settings: Mapping[str, str | None], module: str = "cerberod"
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.exit_code = 0
        """The exit code that is right for this run."""
        self.replies: list[bytes] = []
        """Every frame that a client got from it; `tests.support.client` adds them."""
        self.port = self.http_port = 0
        self.arguments = arguments
        self.module = module
        self.settings = environment(folder) | {name: text for name, text in settings.items() if text is not None}
        for name, text in settings.items():
            if text is None:
                self.settings.pop(name, None)
        self.token = self.settings.get("TESTNET_TOKEN", "")
        self.audit_key = None if "--sim" in arguments else self.settings.get("AUDIT_HMAC_KEY")
        """The key of its audit; None: the one that it makes itself."""
        self._secrets = [text for name, text in self.settings.items() if _is_secret(name)]
        self._announced: list[str] = []
        for name in ("home", "work", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._before = set(_files(folder))
        self._changed = threading.Condition()
        self.process: subprocess.Popen[bytes]
        self._start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def state_dir(self) -> Path:
        """Where its journal and audit are."""
        return self.state / "sim" if "--sim" in self.arguments else self.state

    @property
    def logged(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no JSON object fails."""
        found = []
        for line in self.stderr.lines:
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise AssertionError(f"not a log line on stderr: {line!r}\n{self.told()}") from None
            assert isinstance(entry, dict), line
            found.append(entry)
        return found

    def announce(self, *messages: str) -> None:
        """Say that log lines of level warning or above with these texts will come; one that does not come fails."""
        self._announced += messages

    def add_secret(self, text: str) -> None:
        """Say that this text must show nowhere."""
        self._secrets.append(text)

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, *self.arguments],
            cwd=self.folder / "work",
            env=self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdout = Output(self.process.stdout, self._changed)
        self.stderr = Output(self.process.stderr, self._changed)

    def wait_for(self, event: str, timeout_s: float = START_S) -> dict[str, Any]:
        """Return the log entry of an event once it is there."""
        return self.wait_logged(timeout_s, event=event)

    def wait_logged(self, timeout_s: float = START_S, **members: Any) -> dict[str, Any]:
        """Return the first log entry with these members once it is there."""
        seen = 0
        with self._changed:
            while True:
                for line in self.stderr.lines[seen:]:
                    if line.startswith(b"{") and members.items() <= (entry := orjson.loads(line)).items():
                        found: dict[str, Any] = entry
                        return found
                seen = len(self.stderr.lines)
                assert not self.stderr.ended, f"the daemon ended before {members}\n{self.told()}"
                assert self._changed.wait(timeout_s), f"no {members} within {timeout_s:g} s\n{self.told()}"

    def wait_ready(self) -> None:
        """Wait until it serves, and learn its ports; without a token of ours, the one it made."""
        ready = self.wait_for("ready")
        self.port, self.http_port = ready["port"], ready["http_port"]
        with self._changed:
            told = self._changed.wait_for(lambda: self.token or self._printed_token(), START_S)
        assert told, "no token on stdout"
        if not self.token:
            self.token = self._printed_token()
            self._secrets.append(self.token)

    def _printed_token(self) -> str:
        marker = b"the token of this run is "
        return next((line[len(marker) :].decode() for line in self.stdout.lines if line.startswith(marker)), "")

    def give_up(self) -> None:
        """Let what waits for a venue's answer wait no longer; for a daemon that `giving_up` has taught that."""
        self.process.send_signal(signal.SIGUSR1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code; one that does not stop in time fails."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the daemon did not stop within {STOP_S:g} s\n{self.told()}") from None
        self.stdout.join()
        self.stderr.join()
        return code

    def kill(self) -> None:
        """End it at once, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_S)
        self.stdout.join()
        self.stderr.join()

    def restart(self) -> None:
        """Start the same command again on the same state."""
        assert self.process.poll() is not None
        self._start()
        self.wait_ready()

    def told(self) -> str:
        """Return the end of what it said, for messages of failed tests."""
        lines = [line.decode(errors="replace") for line in self.stderr.lines[-30:]]
        return "\n".join(["--- stdout", self.stdout.data.decode(errors="replace"), "--- stderr", *lines])

    # -- what must hold in the end -------------------------------------------------------------------------------------

    def check(self) -> None:
        """Fail on anything that a daemon must not leave behind. It has ended."""
        assert self.process.returncode == self.exit_code, f"exit code {self.process.returncode}\n{self.told()}"
        self._check_log()
        assert list(_session(self.process.pid)) == [], "processes left over"
        strays = {path for path in _files(self.folder) if path not in self._before and self.state not in path.parents}
        assert not strays, f"files outside the state directory: {strays}"
        self._check_audit()
        self._check_secrets()

    def _check_log(self) -> None:
        assert b"Traceback" not in self.stderr.data + self.stdout.data, self.told()
        missing = list(self._announced)
        for entry in self.logged:
            if entry.get("level") not in _LOUD:
                continue
            text = f"{entry.get('message')} {entry.get('warning', '')}"
            announced = [each for each in self._announced if each in text]
            assert announced, f"unannounced: {entry}"
            missing = [each for each in missing if each not in announced]
        assert not missing, f"announced, but not logged: {missing}"

    def _check_audit(self) -> None:
        state, given = self.state_dir, self.settings.get("AUDIT_LOG_FILE")
        if given == "" or not self.port:
            return  # switched off, or never in a state to record
        # A simulation does not touch the file that the settings name.
        file = state / "audit.jsonl" if given is None or "--sim" in self.arguments else Path(given)
        report = verify(
            file,
            (state / KEY_FILE).read_bytes() if self.audit_key is None else self.audit_key.encode(),
            read_anchors(state / JOURNAL_FILE),
        )
        assert report.ok, report.text()

    def _check_secrets(self) -> None:
        places = {"stderr": self.stderr.data, "replies": b"\n".join(self.replies)}
        if "TESTNET_TOKEN" in self.settings:  # a token of its own making is printed once, by design
            places["stdout"] = self.stdout.data
        places |= {str(path): path.read_bytes() for path in _files(self.state)}
        for place, data in places.items():
            for secret in self._secrets:
                assert secret.encode() not in data, f"a secret of the test shows in {place}"


def environment(folder: Path) -> dict[str, str]:
    """Return the whole environment of a child process: nothing of this one's but what finds programs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),  # noqa: TID251 - the environment of a child
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "default",
        "STATE_DIR": str(folder / "state"),
        "PORT": "0",
        "HTTP_PORT": "0",
        "TESTNET_TOKEN": TOKEN,
        "ADMIN_TOKEN": ADMIN_TOKEN,
        # Nothing leaves this machine, whatever a test asks of a venue that it did not name.
        "BYBIT_URL_TESTNET": "http://127.0.0.1:1",
        "BYBIT_URL_LIVE": "http://127.0.0.1:1",
    }


def _is_secret(name: str) -> bool:
    return (
        name.endswith(("_TOKEN", "_SECRET", "_KEY", "_KEY_ID", "_CLIENT_ID", "_TESTNET", "_LIVE")) and "URL" not in name
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir())


def _session(number: int) -> Iterator[int]:
    """Yield the processes of a session, which begins with the daemon."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # Behind the name, which may hold blanks and parentheses, stand state, parent, group and session.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == number and fields[0] != "Z":
            yield int(entry.name)
