"""The simulator as a running thing: built from its configuration, serving until its context ends."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from cerberod.clock import Clock
from cerberod.simulator.config import SimulatorConfig


@dataclass(frozen=True)
class Simulator:
    """Where a running simulator listens, and the keys it accepts: (client_id, client_secret) for each environment."""

    urls: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, tuple[str, str]] = field(default_factory=dict)


@asynccontextmanager
async def run_simulator(config: SimulatorConfig, clock: Clock) -> AsyncIterator[Simulator]:
    """Serve all simulated venues until the context ends; ChainFileError if a recording cannot be served."""
    # Imported here because numpy, scipy and aiohttp's server would slow every start of a daemon that has no simulator.
    from cerberod.simulator.serving import serve
    from cerberod.simulator.world import World

    world = World(config, clock)
    async with AsyncExitStack() as stack:
        urls = await serve(world, config, stack)
        yield Simulator(urls=urls, credentials=world.credentials())
