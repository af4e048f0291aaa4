"""Whether the daemon is ready, as deploys and monitors are told.

`not_ready`: it starts, it stops, or it cannot record, so that writes are refused. `degraded`: it serves, but a venue
that is in use does not, or something is wrong with it. `ready`: all is well.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import anyio

from cerberod.clock import Clock

PROBE_DEADLINE_S = 2.0


class Readiness(StrEnum):
    """The three answers."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found."""

    healthy: bool
    reason: str | None = None
    """Why it is not healthy, or what is wrong while it can be used all the same; in words that do not change."""
    latency_ms: float | None = None
    """The venue's own round trip, where the probe knows it better than its own duration."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One client of one venue in one environment, and how to find out whether it works."""

    exchange: str
    env: str
    check: Callable[[], Awaitable[Probed]]


@dataclass(frozen=True, slots=True)
class ClientHealth:
    """One record of the answer."""

    exchange: str
    env: str
    healthy: bool
    latency_ms: float | None
    reason: str | None


async def ask_all(probes: Sequence[Probe], clock: Clock, deadline_s: float = PROBE_DEADLINE_S) -> list[ClientHealth]:
    """Ask every client at the same time; who does not answer within the deadline is not healthy."""
    found: list[ClientHealth] = []

    async def ask(probe: Probe) -> None:
        started = clock.monotonic()
        result = Probed(False, "probe_timed_out")
        with anyio.move_on_after(deadline_s):
            result = await probe.check()
        latency_ms = result.latency_ms
        if latency_ms is None and result.healthy:
            latency_ms = round((clock.monotonic() - started) * 1000, 3)
        found.append(ClientHealth(probe.exchange, probe.env, result.healthy, latency_ms, result.reason))

    async with anyio.create_task_group() as group:
        for probe in probes:
            group.start_soon(ask, probe)
    return sorted(found, key=lambda client: (client.exchange, client.env))


def conclude(*, serving: bool, can_record: bool, clients: Sequence[ClientHealth]) -> Readiness:
    """Draw the conclusion from what was found."""
    if not serving or not can_record:
        return Readiness.NOT_READY
    well = all(client.healthy and client.reason is None for client in clients)
    return Readiness.READY if well else Readiness.DEGRADED
