"""How late the event loop is: a timer that looks how much later than asked it was woken.

Whatever holds the loop, a long computation or a blocking call, holds this timer as well. The counts are kept in the
form that monitors read: cumulated, by bounds.
"""

from bisect import bisect_left
from typing import NoReturn

import anyio

from cerberod.clock import Clock

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
EVERY_S = 0.1


class LoopLag:
    """Delays seen so far."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        """How many delays fell between each bound and the one before; the last beyond all."""
        self.total_s = 0.0
        self.worst_s = 0.0

    def observe(self, late_s: float) -> None:
        """Count one delay; a timer that fires early is not late."""
        late_s = max(0.0, late_s)
        self.counts[bisect_left(BOUNDS_S, late_s)] += 1
        self.total_s += late_s
        self.worst_s = max(self.worst_s, late_s)

    async def watch(self, clock: Clock, *, every_s: float = EVERY_S) -> NoReturn:
        """Look again and again until cancelled."""
        while True:
            due = clock.monotonic() + every_s
            await anyio.sleep(every_s)
            self.observe(clock.monotonic() - due)
