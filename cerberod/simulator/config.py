"""What a run of the simulator is told, and the one way its input can be wrong; imports nothing heavy."""

from dataclasses import dataclass
from pathlib import Path


class ChainFileError(ValueError):
    """A recorded chain file cannot be served; the message names the file and the rule it breaks, on one line."""


@dataclass(frozen=True)
class SimulatorConfig:
    """One seed makes one market; port 0 means any free port of `host`."""

    seed: int = 7
    host: str = "127.0.0.1"
    deribit_port: int = 0
    deribit_live_port: int = 0
    bybit_port: int = 0
    bybit_live_port: int = 0
    control_port: int = 0
    chains: tuple[Path, ...] = ()
