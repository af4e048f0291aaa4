"""Which instruments exist now, by category and symbol; remade when a delivery passes."""

from cerberod.simulator.bybit import listing
from cerberod.simulator.bybit.calendar import EXPIRY_HOUR_MS, Calendar, listed_at
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.listing import OPTION_COINS
from cerberod.simulator.market import DAY_MS, Market
from cerberod.simulator.timing import MarketTime

Listing = dict[str, Instrument]
_DATED = ("linear", "inverse", "option")
_REMEMBERED_DAYS = 14


class Catalogue:
    """The live instruments of all categories."""

    def __init__(self, market: Market, time: MarketTime) -> None:
        self._market = market
        self._time = time
        self._day = -1
        self._live: dict[str, Listing] = {}
        self._past: tuple[int, dict[str, list[Instrument]]] = (-1, {})

    def live(self, category: str) -> Listing:
        """Return the live instruments of a category by symbol, in listing order."""
        day = (self._time.now_ms() - EXPIRY_HOUR_MS) // DAY_MS
        if day != self._day:
            self._live = self._made(self._time.now_ms())
            self._day = day
        return self._live[category]

    def get(self, category: str, symbol: str) -> Instrument | None:
        """Return a live instrument."""
        return self.live(category).get(symbol)

    def delivered(self, category: str) -> list[Instrument]:
        """Return the dated contracts that were delivered in the last two weeks, latest first."""
        last = Calendar(self._time.now_ms()).days[0] - DAY_MS
        if self._past[0] != last:
            ends = [last - n * DAY_MS for n in range(_REMEMBERED_DAYS)]
            self._past = (last, {c: [i for end in ends for i in self._ended(c, end)] for c in _DATED})
        return self._past[1][category]

    def _ended(self, category: str, end: int) -> list[Instrument]:
        expiries = Calendar(end - 1)
        if category == "option":
            return [
                i
                for coin in OPTION_COINS
                for i in listing.options(coin, "USDT", end, self._market.index(coin, listed_at(end)))
            ]
        listed = listing.dated_linears(expiries) if category == "linear" else listing.inverses(expiries)
        return [i for i in listed if i.delivery_ms == end]

    def _made(self, now_ms: int) -> dict[str, Listing]:
        expiries = Calendar(now_ms)
        listed: list[Instrument] = []
        for coin in OPTION_COINS:
            for quote in ("USDT", "USDC"):
                for end in expiries.options if quote == "USDT" else expiries.quarters[:2]:
                    listed += listing.options(coin, quote, end, self._market.index(coin, listed_at(end)))
        found = {
            "spot": listing.spots(),
            "linear": listing.linears(expiries),
            "inverse": listing.inverses(expiries),
            "option": listed,
        }
        return {category: {i.symbol: i for i in rows} for category, rows in found.items()}
