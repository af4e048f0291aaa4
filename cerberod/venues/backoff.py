"""How long to wait before trying again what has failed.

Pure: chance is an argument. The jitter only lengthens a wait, so that the cap is also the shortest wait of a steady
state, and a fleet that lost the same venue does not come back in one moment.
"""

from collections.abc import Callable
from dataclasses import dataclass

Chance = Callable[[], float]
"""Returns a number from 0.0 up to, not including, 1.0."""


@dataclass(slots=True)
class Backoff:
    """Doubling waits from `first_s` up to `cap_s`, each lengthened by up to half."""

    chance: Chance
    first_s: float = 0.5
    cap_s: float = 30.0
    failures: int = 0

    def next_s(self) -> float:
        """Count one more failure and return the seconds to wait after it."""
        doublings = min(self.failures, 32)
        self.failures += 1
        return float(min(self.cap_s, self.first_s * 2**doublings)) * (1 + self.chance() / 2)

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self.failures = 0
