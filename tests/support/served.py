"""A daemon on a simulator that serves chains of our choice, and how many requests the venue received."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from tests.support.command import ENDS_S
from tests.support.daemon import Daemon
from tests.support.simulator import TESTNET, SimulatorProcess

_OWN = {"public/test", "public/auth", "public/set_heartbeat", "public/hello"}
"""What a connection asks for its own sake."""


@dataclass(frozen=True)
class Served:
    """A daemon and the simulator it trades on."""

    simulator: SimulatorProcess
    daemon: Daemon

    def received(self) -> Counter[str]:
        """Return how often the venue was asked each method, by whoever called the daemon."""
        counts = self.simulator.received(TESTNET)
        return Counter({name: count for name, count in counts.items() if name not in _OWN})

    def release(self) -> None:
        """Let every answer go that the fault plan holds back."""
        with urlopen(Request(f"{self.simulator.control}/release", data=b"", method="POST"), timeout=ENDS_S) as answer:
            answer.read()


@contextmanager
def served(folder: Path, *chains: Path) -> Iterator[Served]:
    """Serve chains until the block ends."""
    arguments = [word for chain in chains for word in ("--sim-chain", str(chain))]
    simulator = SimulatorProcess(folder / "simulator", *arguments)
    try:
        daemon = Daemon(folder / "daemon", "serve", settings=simulator.keys_of("TESTNET"))
        try:
            daemon.wait_ready()
            yield Served(simulator, daemon)
            daemon.stop()
        finally:
            daemon.kill()
        daemon.check()
    finally:
        simulator.kill()
