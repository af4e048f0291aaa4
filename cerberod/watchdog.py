"""Tells the service manager that the daemon is alive, and only while it is: a timer alone would prove nothing.

Nothing is sent while the loop comes too late, or while a record waits too long for the disk. Records that are refused
at once (a full disk) are no reason for a restart: reads and cancels go on, and readiness tells of it.
"""

import logging
from collections.abc import Callable
from typing import NoReturn

import anyio

from cerberod.clock import Clock

log = logging.getLogger("cerberod")

PINGS = 3
"""How many signs of life fit into the time that the service manager waits for one."""


class Watchdog:
    """Looks at the loop and at recording, and says what keeps it from calling the daemon alive."""

    def __init__(self, patience_s: float, record_age_s: Callable[[], float], notify: Callable[[bytes], object]) -> None:
        """Make one for a manager that restarts a service it has not heard of for `patience_s`.

        `record_age_s` tells the age of the oldest record that should be durable and is not.
        """
        self.every_s = patience_s / PINGS
        self._record_age_s = record_age_s
        self._notify = notify
        self.objection: str | None = None
        """Why the last look did not end in a sign of life."""

    def look(self, late_s: float) -> None:
        """Give a sign of life, unless the loop is `late_s` too late or a record hangs."""
        before = self.objection
        if late_s > self.every_s:
            self.objection = "the event loop is late"
        elif self._record_age_s() > self.every_s:
            self.objection = "recording makes no progress"
        else:
            self.objection = None
            self._notify(b"WATCHDOG=1")
        if self.objection is not None and self.objection != before:
            log.error("no sign of life for the watchdog", extra={"reason": self.objection})

    async def run(self, clock: Clock) -> NoReturn:
        """Look again and again until cancelled."""
        seen = clock.monotonic()
        while True:
            # After an objection again soon, so that a stall that has passed does not end in a restart.
            due = seen + (self.every_s if self.objection is None else self.every_s / 4)
            await anyio.sleep(max(due - clock.monotonic(), 0.0))
            # From look to look without a gap: a process that stands still between two of these lines is late as well.
            seen = clock.monotonic()
            self.look(seen - due)
