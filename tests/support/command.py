"""Commands as people run them: child processes with nothing in their environment but what a test gives them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import environment

ENDS_S = 60


class Cerberod:
    """Runs commands in a folder of their own, with nothing in the environment but what is given."""

    def __init__(self, folder: Path) -> None:
        for name in ("home", "work", "tmp"):
            (folder / name).mkdir(parents=True)
        self.folder = folder
        self.settings = {name: text for name, text in environment(folder).items() if not name.endswith("_TOKEN")}

    @contextmanager
    def started(self, *words: str, **settings: str) -> "Iterator[subprocess.Popen[str]]":
        """Start a command; what still runs at the end of the block is killed."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cerberod", *words],
            cwd=self.folder / "work",
            env={**self.settings, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def __call__(self, *words: str, input: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        with self.started(*words, **settings) as process:
            out, err = process.communicate(input, timeout=ENDS_S)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(words, process.returncode, out, err)


def _hear_interrupts() -> None:
    """Undo what a suite that runs in the background inherits: there, SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def only_line(text: str) -> str:
    """Return the only line there is."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
