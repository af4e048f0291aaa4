"""The whole simulation in one place: one market, one time, and the venues that share them."""

from contextlib import AsyncExitStack

import anyio

from cerberod.clock import Clock
from cerberod.simulator.chain import load_chains
from cerberod.simulator.config import SimulatorConfig
from cerberod.simulator.control import ControlServer
from cerberod.simulator.deribit.catalogue import Catalogue, Listing
from cerberod.simulator.deribit.environment import Environment
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.prints import Tape
from cerberod.simulator.deribit.quotes import Quotes
from cerberod.simulator.deribit.server import HTTP_PATH, WEBSOCKET_PATH, DeribitServer
from cerberod.simulator.holding import Faults
from cerberod.simulator.market import ASSETS, Market
from cerberod.simulator.timing import MarketTime, ShiftedClock

_TICK_S = 0.25
TESTNET, LIVE = "deribit_testnet", "deribit_live"


class World:
    """Everything the simulator simulates."""

    def __init__(self, config: SimulatorConfig, clock: Clock) -> None:
        self._config = config
        self.faults = Faults()
        clock = ShiftedClock(clock, lambda: self.faults.plan.clock_offset_ms)
        self.market = Market(config.seed)
        self.time = MarketTime(clock)
        self.chains = load_chains(config.chains)
        if self.chains:
            self._stand()
        self.quotes = Quotes(self.market, self.time, self.chains)
        listing = Listing(self.market, self.time, self.chains)
        self.environments = {
            name: Environment(
                name,
                Exchange(self.quotes, Catalogue(listing), Tape(self.quotes), f"{name}-main", user_id, first_id),
                clock,
                config.seed,
                testnet=name == TESTNET,
                faults=self.faults,
            )
            for name, user_id, first_id in ((TESTNET, 1_001, 104_819_000_000), (LIVE, 2_001, 204_819_000_000))
        }
        self.servers = {name: DeribitServer(environment) for name, environment in self.environments.items()}
        self._ports = {TESTNET: config.deribit_port, LIVE: config.deribit_live_port}

    def _stand(self) -> None:
        """Stand at the recordings' time, with every recorded coin's index where it was."""
        stand_ms = max(chain.time_ms for chain in self.chains.values())
        self.time.stand_at(stand_ms)
        for coin, chain in self.chains.items():
            if coin in ASSETS:
                self.market.anchor(coin, stand_ms, chain.index_price)

    def credentials(self) -> dict[str, tuple[str, str]]:
        """Return the key of each environment."""
        return {name: (e.key.client_id, e.key.client_secret) for name, e in self.environments.items()}

    async def serve(self, stack: AsyncExitStack) -> dict[str, str]:
        """Open all listeners in `stack` and return their addresses."""
        urls: dict[str, str] = {}
        for name, server in self.servers.items():
            port = await stack.enter_async_context(server.listen(self._config.host, self._ports[name]))
            urls[name] = f"ws://{self._config.host}:{port}{WEBSOCKET_PATH}"
            urls[f"{name}_http"] = f"http://{self._config.host}:{port}{HTTP_PATH}"
        control = ControlServer(self)
        port = await stack.enter_async_context(control.listen(self._config.host, self._config.control_port))
        urls["control"] = f"http://{self._config.host}:{port}"
        tasks = await stack.enter_async_context(anyio.create_task_group())  # last: a taken port is a plain OSError
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(self._tick)
        return urls

    async def _tick(self) -> None:
        """Let time pass for resting orders even when nobody looks."""
        while True:
            await anyio.sleep(_TICK_S)
            for environment in self.environments.values():
                environment.exchange.refresh()

    # What the control path does

    def move(self, coin: str, factor: float) -> None:
        """Multiply a coin's index from now on."""
        self.market.move(coin, self.time.now_ms(), factor)
        self._refresh()

    def set_time(self, time_ms: int) -> None:
        """Jump to a moment."""
        self.time.set(time_ms)
        self._refresh()

    def _refresh(self) -> None:
        for environment in self.environments.values():
            environment.exchange.refresh()

    def reset(self) -> None:
        """Put the world back to its start: no faults or orders, full balances, no moves, a recording standing again."""
        self.faults.clear()
        self.market.settle_moves()
        self.time.reset()
        if self.chains:
            self._stand()
        for environment in self.environments.values():
            environment.reset()
