"""The whole simulation in one place: one market, one time, and the venues that share them."""

from typing import Any, Final, Protocol

from cerberod.clock import Clock
from cerberod.simulator.bybit.catalogue import Catalogue as BybitCatalogue
from cerberod.simulator.bybit.environment import Environment as BybitEnvironment
from cerberod.simulator.bybit.exchange import Exchange as BybitExchange
from cerberod.simulator.bybit.quotes import Quotes as BybitQuotes
from cerberod.simulator.bybit.server import BybitServer
from cerberod.simulator.bybit.tape import Tape as BybitTape
from cerberod.simulator.chain import load_chains
from cerberod.simulator.config import SimulatorConfig
from cerberod.simulator.deribit.catalogue import Catalogue, Listing
from cerberod.simulator.deribit.environment import Environment
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.prints import Tape
from cerberod.simulator.deribit.quotes import Quotes
from cerberod.simulator.deribit.server import DeribitServer
from cerberod.simulator.holding import Faults
from cerberod.simulator.market import ASSETS, Market
from cerberod.simulator.received import ReceivedLog
from cerberod.simulator.timing import MarketTime, ShiftedClock

TESTNET, LIVE = "deribit_testnet", "deribit_live"
BYBIT_TESTNET, BYBIT_LIVE = "bybit_testnet", "bybit_live"
_BYBIT_OWNERS: Final = {BYBIT_TESTNET: (3_001, 1_992_319_485_461), BYBIT_LIVE: (4_001, 2_088_690_093_937)}
"""User id, and where ids begin."""


class Venue(Protocol):
    """One environment of a venue, as the control path sees it."""

    received: ReceivedLog

    def told(self) -> dict[str, Any]:
        """Return every order and trade the venue knows, oldest first."""

    def reset(self) -> None:
        """Start again."""


class Server(Protocol):
    """The listener of one environment."""

    @property
    def connections(self) -> int:
        """How many are open."""

    def drop(self) -> int:
        """Cut all of them; return how many there were."""


class World:
    """Everything the simulator simulates."""

    def __init__(self, config: SimulatorConfig, clock: Clock) -> None:
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
        bybit_quotes = BybitQuotes(self.market, self.time)
        bybit_tape, bybit_catalogue = BybitTape(bybit_quotes), BybitCatalogue(self.market, self.time)
        self.bybit = {
            name: BybitEnvironment(
                name,
                BybitExchange(bybit_quotes, bybit_catalogue, bybit_tape, clock.monotonic, first_id),
                clock,
                config.seed,
                user_id,
                self.faults,
            )
            for name, (user_id, first_id) in _BYBIT_OWNERS.items()
        }
        self.venues: dict[str, Venue] = {**self.environments, **self.bybit}
        self.deribit_servers = {name: DeribitServer(environment) for name, environment in self.environments.items()}
        self.bybit_servers = {name: BybitServer(environment) for name, environment in self.bybit.items()}
        self.servers: dict[str, Server] = {**self.deribit_servers, **self.bybit_servers}

    def _stand(self) -> None:
        """Stand at the recordings' time, with every recorded coin's index where it was."""
        stand_ms = max(chain.time_ms for chain in self.chains.values())
        self.time.stand_at(stand_ms)
        for coin, chain in self.chains.items():
            if coin in ASSETS:
                self.market.anchor(coin, stand_ms, chain.index_price)

    def credentials(self) -> dict[str, tuple[str, str]]:
        """Return the key of each environment."""
        deribit = {name: (e.key.client_id, e.key.client_secret) for name, e in self.environments.items()}
        return deribit | {name: (e.key.api_key, e.key.secret) for name, e in self.bybit.items()}

    # What the control path does

    def move(self, coin: str, factor: float) -> None:
        """Multiply a coin's index from now on."""
        self.market.move(coin, self.time.now_ms(), factor)
        self.refresh()

    def set_time(self, time_ms: int) -> None:
        """Jump to a moment."""
        self.time.set(time_ms)
        self.refresh()

    def refresh(self) -> None:
        """Let resting orders meet the market as it is now."""
        for environment in self.environments.values():
            environment.exchange.refresh()
        for bybit in self.bybit.values():
            bybit.exchange.refresh()

    def reset(self) -> None:
        """Put the world back to its start: no faults or orders, full balances, no moves, a recording standing again."""
        self.faults.clear()
        self.market.settle_moves()
        self.time.reset()
        if self.chains:
            self._stand()
        for venue in self.venues.values():
            venue.reset()
