"""What every instrument is worth now, and who quotes it: marks, volatilities, greeks and the house's book levels.

Prices come from the one market model that all venues share; an invented coin has its asset's price on another scale.
Options are quoted in dollars. Quotes change four times a second, together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from cerberod.analytics.black import Convention, black_76
from cerberod.simulator.bybit.draws import exponential
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.market import ASSETS, YEAR_MS, Market
from cerberod.simulator.matching import Level
from cerberod.simulator.noise import key_of
from cerberod.simulator.timing import MarketTime

_REFRESH_MS = 250
_LEVELS = {"option": 8, "spot": 50, "perpetual": 50, "future": 30}
_TYPICAL_USD = {"option": 30_000.0, "spot": 60_000.0, "perpetual": 150_000.0, "future": 40_000.0}


@dataclass(frozen=True)
class Mark:
    """One instrument's present value; `price` is unrounded."""

    time_ms: int
    index: float
    price: float
    forward: float
    volatility: float = 0.0
    years: float = 0.0
    delta: float = 1.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0


class Quotes:
    """Present values of the simulated Bybit; one object for both environments, because they share the market."""

    def __init__(self, market: Market, time: MarketTime) -> None:
        self.market = market
        self._time = time
        self._options: dict[str, Mark] = {}
        self._present: dict[str, tuple[float, float]] = {}
        self._valued_at: object = None

    def now_ms(self) -> int:
        """Return the market's time."""
        return self._time.now_ms()

    def moment(self) -> int:
        """Return the time of the present quotes."""
        now_ms = self._time.now_ms()
        return now_ms if self._time.standing else now_ms - now_ms % _REFRESH_MS

    def index(self, instrument: Instrument) -> float:
        """Return the index price."""
        return self._asset(instrument.asset)[0] * instrument.scale

    def usd(self, coin: str) -> float:
        """Return a coin's price in dollars."""
        return 1.0 if coin in ("USDT", "USDC", "USD") else self._asset(coin)[0]

    def _asset(self, asset: str) -> tuple[float, float]:
        """Return (index, premium of the perpetual) at present."""
        self._forget_the_past()
        found = self._present.get(asset)
        if found is None:
            moment = self.moment()
            premium = float(self.market.premium(asset, np.array([moment], dtype=np.float64))[0])
            found = self._present[asset] = (self.market.index(asset, moment), premium)
        return found

    def _forget_the_past(self) -> None:
        version = (self.moment(), *(self.market.moved(coin, self.moment()) for coin in ASSETS))
        if self._valued_at != version:
            self._options, self._present, self._valued_at = {}, {}, version

    def version(self, instrument: Instrument) -> tuple[int, float]:
        """Return something that changes whenever the house quotes anew."""
        return self.moment(), self.market.moved(instrument.asset, self.moment())

    def mark(self, instrument: Instrument) -> Mark:
        """Value one instrument."""
        if instrument.option:
            return self.option_marks([instrument])[instrument.symbol]
        moment, index = self.moment(), self.index(instrument)
        match instrument.kind:
            case "spot":
                price = index
            case "perpetual":
                price = index * (1.0 + self._asset(instrument.asset)[1] * instrument.restless)
            case _:
                price = float(self.market.forward(instrument.asset, moment, np.array([instrument.delivery_ms]))[0])
        return Mark(moment, index, price, price)

    def trigger_price(self, instrument: Instrument, by: str) -> Decimal:
        """Return the price a trigger looks at; the last price is the house's middle, which moves with every quote."""
        mark = self.mark(instrument)
        return Decimal(repr(round(mark.index if by == "IndexPrice" else mark.price, 10)))

    def option_marks(self, options: Sequence[Instrument]) -> dict[str, Mark]:
        """Value options, by symbol; those of one moment are remembered."""
        self._forget_the_past()
        for coin in {o.asset for o in options}:
            fresh = [o for o in options if o.asset == coin and o.symbol not in self._options]
            if fresh:
                self._options |= self._valued(coin, fresh)
        return {o.symbol: self._options[o.symbol] for o in options}

    def _valued(self, coin: str, options: list[Instrument]) -> dict[str, Mark]:
        moment = self.moment()
        index = self.market.index(coin, moment)
        expiry = np.array([o.delivery_ms for o in options], dtype=np.int64)
        strike = np.array([o.strike for o in options])
        calls = np.array([o.is_call for o in options])
        years = np.maximum(expiry - moment, 0) / YEAR_MS
        forward = self.market.forward(coin, moment, expiry)
        volatility = np.round(self.market.volatility(coin, moment, years, np.log(strike / forward)), 4)
        g = black_76(forward, strike, years, volatility, calls, convention=Convention.DESK)
        columns = zip(
            options,
            *(a.tolist() for a in (g.price, forward, volatility, years)),
            *(a.tolist() for a in (g.delta, g.gamma.filled(0.0), g.vega, g.theta.filled(0.0))),
            strict=True,
        )
        return {option.symbol: Mark(moment, index, *values) for option, *values in columns}

    # The house's quotes

    def touch(self, instrument: Instrument, mark: Mark) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask of the house; a worthless option has no bid."""
        tick = instrument.tick
        if instrument.option:
            half = max(float(tick) / 2, 0.015 * mark.price)
            bid = Decimal(repr(round(max(mark.price - half, 0.0), 10))) // tick * tick
            steps, rest = divmod(Decimal(repr(round(mark.price + half, 10))), tick)
            ask = (steps + (1 if rest else 0)) * tick
            return (bid if bid > 0 else None), max(ask, tick, bid + tick)
        bid = Decimal(repr(round(mark.price, 10))) // tick * tick
        return bid, bid + tick

    def house(self, instrument: Instrument, mark: Mark) -> tuple[list[Level], list[Level]]:
        """Return the levels the rest of the world quotes: (bids, asks), best first, on the tick grid."""
        bid, ask = self.touch(instrument, mark)
        return self._ladder(instrument, mark, bid, -1), self._ladder(instrument, mark, ask, 1)

    def best(self, instrument: Instrument, mark: Mark) -> tuple[Level | None, Level | None]:
        """Return the house's best levels alone."""
        bid, ask = self.touch(instrument, mark)
        bids, asks = self._ladder(instrument, mark, bid, -1, 1), self._ladder(instrument, mark, ask, 1, 1)
        return (bids[0] if bids else None), (asks[0] if asks else None)

    def _ladder(
        self, instrument: Instrument, mark: Mark, top: Decimal | None, direction: int, count: int | None = None
    ) -> list[Level]:
        if top is None:
            return []
        count = count or _LEVELS[instrument.kind]
        key, epoch = key_of(self.market.seed, "bybit", instrument.symbol, direction), mark.time_ms // 5_000 * 64
        unit = float(instrument.step) * (1.0 if instrument.inverse else max(mark.price, float(instrument.tick)))
        typical = _TYPICAL_USD[instrument.kind] / unit
        levels: list[Level] = []
        for position in range(count):
            size = max(1, round(exponential(key, epoch + position) * typical))
            price = top + direction * (position + position * position // 6) * instrument.tick
            if price <= 0:
                break
            levels.append((price, instrument.step * size))
        return levels
