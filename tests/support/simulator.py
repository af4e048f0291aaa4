"""`cerberod sim` as a process of its own, known by nothing but what it prints, and asked by its control path."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson

from tests.support.command import ENDS_S
from tests.support.daemon import Output, environment

TESTNET, LIVE = "deribit_testnet", "deribit_live"
_LAST = b"BYBIT_API_SECRET_LIVE="


class SimulatorProcess:
    """A simulator that was started, and what it announced."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._changed = threading.Condition()
        folder.mkdir(parents=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cerberod", "sim", *arguments],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdout = Output(self.process.stdout, self._changed)
        self.stderr = Output(self.process.stderr, self._changed)
        with self._changed:
            told = self._changed.wait_for(self._announced, ENDS_S)
        assert told, f"no announcement: {self.stdout.data!r} {self.stderr.data!r}"
        lines = [line.decode() for line in self.stdout.lines]
        told_settings = (line for line in lines if line.startswith(("DERIBIT_", "BYBIT_")))
        self.settings: dict[str, Any] = dict(line.split("=", 1) for line in told_settings)
        """What a daemon needs to trade on it."""
        self.control = next(line.split()[1] for line in lines if line.startswith("control "))

    def _announced(self) -> bool:
        return self.stdout.ended or any(line.startswith(_LAST) for line in self.stdout.lines)

    def keys_of(self, suffix: str) -> dict[str, Any]:
        """Return the settings of one environment: `TESTNET` or `LIVE`."""
        return {name: text for name, text in self.settings.items() if name.endswith(suffix)}

    def orders(self, environment: str) -> list[dict[str, Any]]:
        """Return every order the venue has ever had in one environment, oldest first."""
        found: list[dict[str, Any]] = self._ask("orders", environment)["orders"]
        return found

    def received(self, environment: str) -> dict[str, int]:
        """Return how often each method was asked in one environment."""
        counts: dict[str, int] = self._ask("received", environment)["counts"]
        return counts

    def fault(self, verb: str, **rule: Any) -> None:
        """Let requests go wrong from now on, as the control path describes it."""
        body = orjson.dumps({"verb": verb, **rule})
        with urlopen(Request(f"{self.control}/faults", data=body, method="POST"), timeout=ENDS_S) as answer:
            answer.read()

    def lift(self) -> None:
        """Let everything go right again."""
        with urlopen(Request(f"{self.control}/faults", method="DELETE"), timeout=ENDS_S) as answer:
            answer.read()

    def release(self) -> None:
        """Send every answer that was held back."""
        with urlopen(Request(f"{self.control}/release", data=b"", method="POST"), timeout=ENDS_S) as answer:
            answer.read()

    def move(self, asset: str, factor: float) -> None:
        """Multiply an index, and all that follows it, from now on."""
        body = orjson.dumps({"asset": asset, "factor": factor})
        with urlopen(Request(f"{self.control}/market", data=body, method="POST"), timeout=ENDS_S) as answer:
            answer.read()

    def advance(self, seconds: float) -> None:
        """Let market time jump ahead."""
        body = orjson.dumps({"advance_s": seconds})
        with urlopen(Request(f"{self.control}/market", data=body, method="POST"), timeout=ENDS_S) as answer:
            answer.read()

    def reset(self) -> None:
        """Put the world back to its start."""
        with urlopen(Request(f"{self.control}/reset", data=b"", method="POST"), timeout=ENDS_S) as answer:
            answer.read()

    def _ask(self, what: str, environment: str) -> dict[str, Any]:
        with urlopen(f"{self.control}/{what}?{urlencode({'environment': environment})}", timeout=ENDS_S) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())[environment]
        return found

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(ENDS_S)
        self.stdout.join()
        self.stderr.join()
