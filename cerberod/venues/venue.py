"""What the daemon asks of every venue's client; what a client offers its own methods is its own affair."""

from typing import Protocol

from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from cerberod.ids import Environment
from cerberod.venues.health import VenueStatus


class Venue(Protocol):
    """One environment of one venue, from the start of the daemon to its end."""

    environment: Environment

    @property
    def in_use(self) -> bool:
        """Tell whether its health is anybody's business: it has keys, or it has been asked something."""

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Do what has to be done all the time, until cancelled; calls may come once it has reported its start."""

    async def prepare(self) -> None:
        """Load what the first request would otherwise wait for. A daemon that serves does so before it is ready."""

    async def aclose(self) -> None:
        """Let go of connections. Nothing is sent afterwards."""

    def status(self) -> VenueStatus:
        """Tell its condition without asking the venue."""

    async def probe(self, timeout_s: float) -> VenueStatus:
        """Ask the venue for a sign of life and tell its condition; never raises what the venue does wrong."""
