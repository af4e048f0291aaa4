"""What every instrument is worth now, and who quotes it: marks, volatilities, greeks and the house's book levels.

The model and a recorded chain meet here. While a recording stands untouched its bids, asks, marks and volatilities
are used as they are; once the market has moved, its forwards move with the index, each strike keeps its volatility,
and marks and quotes are recomputed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

import numpy as np

from cerberod.analytics.black import Convention, OptionGreeks, black_76
from cerberod.analytics.implied import implied_volatility
from cerberod.simulator.chain import Chain, Row
from cerberod.simulator.deribit.instruments import Instrument, parse_option_name
from cerberod.simulator.market import ASSETS, DAY_MS, YEAR_MS, Market
from cerberod.simulator.matching import Level
from cerberod.simulator.noise import FloatArray, IntArray, key_of, uniform
from cerberod.simulator.timing import MarketTime

_REFRESH_MS = 250
_MONTH_MS = 30 * DAY_MS
_LEVELS = {"option": 6, "future": 40, "spot": 20, "option_combo": 6, "future_combo": 10}
_TYPICAL_LOTS = {"option": 60, "future": 4_000, "spot": 4_000, "option_combo": 40, "future_combo": 500}


@dataclass(frozen=True)
class OptionMarks:
    """One value for each option asked for; `price` is in the instruments' price unit, greeks are in dollars."""

    forward: FloatArray
    volatility_pct: FloatArray
    years: FloatArray
    price: FloatArray
    greeks: OptionGreeks


@dataclass(frozen=True)
class Mark:
    """One instrument's present value. `price` is in the instrument's price unit, unrounded by the ticker's rule."""

    time_ms: int
    index: float
    price: float
    forward: float
    volatility_pct: float = 0.0
    years: float = 0.0
    delta: float = 1.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    rho: float = 0.0


class Quotes:
    """Present values of the simulated Deribit; one object for both environments, because they share the market."""

    def __init__(self, market: Market, time: MarketTime, chains: dict[str, Chain]) -> None:
        self._market = market
        self._time = time
        self._chains = chains
        self._recorded_at = time.now_ms() if chains else 0
        self._forwards = {coin: _forwards_by_expiry(chain) for coin, chain in chains.items()}
        self._volatility_scale = {coin: self._scale_of(chain) for coin, chain in chains.items() if coin in ASSETS}

    @property
    def market(self) -> Market:
        return self._market

    def moment(self) -> int:
        """Return the time of the present quotes: they change four times a second, together."""
        now_ms = self._time.now_ms()
        return now_ms if self._time.standing else now_ms - now_ms % _REFRESH_MS

    def now_ms(self) -> int:
        """Return the market's time."""
        return self._time.now_ms()

    def is_past(self, deadline_ms: int) -> bool:
        """Tell whether a caller's deadline has passed."""
        return self._time.is_past(deadline_ms)

    def untouched(self, coin: str) -> bool:
        """Tell whether a recording of this coin stands exactly as recorded."""
        return coin in self._chains and not self._time_moved() and self._market.moved(coin, self._recorded_at) == 1.0

    def _time_moved(self) -> bool:
        return not self._time.standing or self._time.now_ms() != self._recorded_at

    def recorded_row(self, name: str) -> Row | None:
        """Return the recorded summary of an instrument while its recording stands untouched."""
        coin = name.partition("-")[0]
        return self._chains[coin].rows.get(name) if self.untouched(coin) else None

    def chain(self, coin: str) -> Chain | None:
        """Return the recording of a coin, moved or not."""
        return self._chains.get(coin)

    def recorded(self, instrument: Instrument) -> bool:
        """Tell whether an instrument is an option of a recorded chain, moved or not."""
        return instrument.option and not instrument.linear and instrument.coin in self._chains

    def index(self, coin: str) -> float:
        """Return the index price."""
        return self._market.index(coin, self.moment())

    def volatility_index(self, coin: str, times_ms: IntArray) -> FloatArray:
        """Return the 30-day volatility index in percent; a recorded chain sets its level."""
        return self._market.volatility_index(coin, times_ms) * self._volatility_scale.get(coin, 1.0)

    def _scale_of(self, chain: Chain) -> float:
        """Return how far the recording's volatility at the money, 30 days out, lies from the model's."""
        month = np.array([_MONTH_MS / YEAR_MS])
        model = float(self._market.volatility(chain.currency, chain.time_ms, month, np.zeros(1))[0])
        return (at_the_money_pct(chain, _MONTH_MS) or 100.0 * model) / (100.0 * model)

    # Marks

    def option_marks(self, instruments: Sequence[Instrument]) -> OptionMarks:
        """Value options of one group (a coin, and linear or not) at once."""
        coin = instruments[0].coin
        moment = self.moment()
        expiry = np.array([i.expiry_ms for i in instruments], dtype=np.int64)
        strike = np.array([i.strike for i in instruments])
        linear = instruments[0].linear
        chain = None if linear else self._chains.get(coin)
        recorded = chain is not None and self.untouched(coin)
        now_ms = chain.time_ms if chain is not None and recorded else moment
        years = np.maximum(expiry - now_ms, 0) / YEAR_MS
        if chain is None:
            forward = self._market.forward(coin, moment, expiry)
            volatility_pct = np.round(100.0 * self._market.volatility(coin, moment, years, np.log(strike / forward)), 2)
        else:
            rows = [chain.rows[i.name] for i in instruments]
            ratio = 1.0 if recorded else self._market.index(coin, moment) / chain.index_price
            forward = np.array([row["underlying_price"] for row in rows], dtype=np.float64) * ratio
            volatility_pct = np.array([row["mark_iv"] for row in rows], dtype=np.float64)
        calls = np.array([i.is_call for i in instruments])
        greeks = black_76(forward, strike, years, volatility_pct / 100.0, calls, convention=Convention.DERIBIT)
        price = greeks.price if linear else greeks.price / forward
        if chain is not None and recorded:
            price = np.array([chain.rows[i.name]["mark_price"] for i in instruments], dtype=np.float64)
        return OptionMarks(forward, volatility_pct, years, price, greeks)

    def mark(self, instrument: Instrument) -> Mark:
        """Value one instrument."""
        moment = self.moment()
        index = self._market.index(instrument.coin, moment)
        if instrument.combo:
            return self._combo_mark(instrument, moment, index)
        if not instrument.option:
            price = self._future_price(instrument, moment, index)
            return Mark(time_ms=moment, index=index, price=price, forward=price)
        return self.many([instrument])[instrument.name]

    def many(self, instruments: Sequence[Instrument]) -> dict[str, Mark]:
        """Value options of one group, by name."""
        moment = self.moment()
        index = self._market.index(instruments[0].coin, moment)
        m = self.option_marks(instruments)
        g = m.greeks
        columns = zip(
            instruments,
            *(a.tolist() for a in (m.price, m.forward, m.volatility_pct, m.years)),
            *(a.tolist() for a in (g.delta, g.gamma.filled(0.0), g.vega, g.theta.filled(0.0), g.rho)),
            strict=True,
        )
        out: dict[str, Mark] = {}
        for instrument, *values in columns:
            row = self.recorded_row(instrument.name)
            out[instrument.name] = Mark(moment if row is None else row["creation_timestamp"], index, *values)
        return out

    def _combo_mark(self, instrument: Instrument, moment: int, index: float) -> Mark:
        """Return what the legs are worth together, in their signs."""
        worth = [(leg.ratio, self.mark(leg.instrument)) for leg in instrument.legs]

        def total(name: str) -> float:
            return sum(ratio * float(getattr(mark, name)) for ratio, mark in worth)

        names = ("price", "delta", "gamma", "vega", "theta", "rho")
        return Mark(time_ms=moment, index=index, forward=index, **{name: total(name) for name in names})

    def _future_price(self, instrument: Instrument, moment: int, index: float) -> float:
        if instrument.spot:
            return index
        if instrument.perpetual:
            return self._market.perpetual(instrument.coin, moment)
        recorded = self._forwards.get(instrument.coin)
        if recorded is not None:
            return round(recorded[instrument.expiry_ms] * index / self._chains[instrument.coin].index_price, 2)
        return float(self._market.forward(instrument.coin, moment, np.array([instrument.expiry_ms]))[0])

    # The house's quotes

    def house(self, instrument: Instrument, mark: Mark) -> tuple[list[Level], list[Level]]:
        """Return the levels the rest of the world quotes: (bids, asks), best first, on the tick grid."""
        bid, ask = self.touch(instrument, mark)
        sizes = _Sizes(instrument, self._market.seed, mark.time_ms)
        count = _LEVELS[instrument.kind]
        return (
            _ladder(bid, instrument.grid.next_down, sizes.take("bid", count), instrument.grid.signed),
            _ladder(ask, instrument.grid.next_up, sizes.take("ask", count), instrument.grid.signed),
        )

    def touch(self, instrument: Instrument, mark: Mark) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask of the house."""
        row = self.recorded_row(instrument.name)
        if row is not None:
            return _recorded_price(row["bid_price"]), _recorded_price(row["ask_price"])
        grid = instrument.grid
        if instrument.combo:
            half = self._combo_width(instrument)
            bid, ask = grid.down(mark.price - half), grid.up(mark.price + half)
            return bid, max(ask, grid.next_up(bid))
        if instrument.option:
            half = max(1.5 * float(grid.fine), 0.015 * mark.price)
            bid, ask = grid.down(max(mark.price - half, 0.0)), grid.up(mark.price + half)
            return (bid if bid > 0 else None), max(ask, grid.fine)
        middle = round(mark.price, 6)
        bid = grid.down(middle)
        return bid, grid.next_up(bid)

    def _combo_width(self, instrument: Instrument) -> float:
        """Return how far the house quotes a package from its mark: nearer than its legs' quotes would be."""
        tick = float(instrument.grid.fine)
        if not instrument.premium:
            return 2.0 * tick
        legs = sum(abs(leg.ratio) * self.mark(leg.instrument).price for leg in instrument.legs)
        return 1.2 * tick + 0.006 * legs


class _Sizes:
    """Amounts of the house's levels: the same at one moment for everybody, different from level to level."""

    def __init__(self, instrument: Instrument, seed: int, time_ms: int) -> None:
        self._instrument = instrument
        self._key = (seed, instrument.name, "sizes")
        self._epoch = time_ms // 5_000

    def take(self, side: str, count: int) -> list[Decimal]:
        index = self._epoch * 64 + np.arange(count, dtype=np.int64)
        draws = -np.log(uniform(key_of(*self._key, side), index))
        typical = _TYPICAL_LOTS[self._instrument.kind]
        lots = np.maximum(1, np.round(draws * typical * (1.0 + 0.2 * np.arange(count)))).astype(int)
        return [self._instrument.lot * int(n) for n in lots]


def _ladder(top: Decimal | None, step: Callable[[Decimal], Decimal], sizes: list[Decimal], signed: bool) -> list[Level]:
    levels: list[Level] = []
    price = top
    for size in sizes:
        if price is None or (price <= 0 and not signed):
            break
        levels.append((price, size))
        price = step(price)
    return levels


def _recorded_price(value: float | None) -> Decimal | None:
    return Decimal(repr(value)) if value else None


def _forwards_by_expiry(chain: Chain) -> dict[int, float]:
    from_rows: dict[int, list[float]] = {}
    for name, row in chain.rows.items():
        parsed = parse_option_name(name)
        if parsed is not None:
            from_rows.setdefault(parsed[1], []).append(row["underlying_price"])
    return {expiry_ms: float(median(prices)) for expiry_ms, prices in from_rows.items()}


def at_the_money_pct(chain: Chain, tenor_ms: int) -> float:
    """Return the recording's volatility at the money for a tenor, in percent; 0 if it tells none.

    Between expiries total variance is linear in time.
    """
    nearest: dict[int, tuple[float, float]] = {}
    for name, row in chain.rows.items():
        parsed = parse_option_name(name)
        if parsed is not None and parsed[2] > 0 and row["mark_iv"] > 0:
            distance = abs(math.log(parsed[2] / row["underlying_price"]))
            nearest[parsed[1]] = min(nearest.get(parsed[1], (math.inf, 0.0)), (distance, row["mark_iv"]))
    tenors = sorted(nearest)
    if not tenors:
        return 0.0
    times = np.array([expiry_ms - chain.time_ms for expiry_ms in tenors], dtype=np.float64)
    variances = np.array([nearest[expiry_ms][1] ** 2 for expiry_ms in tenors]) * times
    inside = min(max(float(tenor_ms), times[0]), times[-1])
    return math.sqrt(float(np.interp(inside, times, variances)) / inside)


def implied_pct(instrument: Instrument, prices: Sequence[Decimal | None], mark: Mark) -> list[float]:
    """Return the implied volatility of each price in percent, 0.0 where there is no quote or no solution."""
    unit = 1.0 if instrument.linear else mark.forward
    dollars = [float(p) * unit if p else 0.0 for p in prices]
    found = implied_volatility(dollars, mark.forward, instrument.strike, mark.years, instrument.is_call)
    return [round(100.0 * float(v), 2) for v in found.volatility.filled(0.0)]


def band(instrument: Instrument, mark: Mark) -> tuple[Decimal, Decimal]:
    """Return (lowest sell, highest buy) the engine accepts unclamped.

    Futures: 1.5 % around the mark, as recorded; spot wider, 2 %, as recorded. Options and packages: an approximation
    of recorded bands, whose exact rule is not public. Only a package's band reaches below zero.
    """
    grid, middle = instrument.grid, mark.price
    unit = mark.index if instrument.linear else 1.0
    if instrument.premium:
        width = 0.03 * unit + 0.085 * abs(middle)
    elif instrument.spot:
        width = 0.02 * middle
    else:
        width = 0.015 * (mark.index if instrument.combo else middle)
    low = grid.down(middle - width if grid.signed else max(middle - width, 0.0))
    return (low if grid.signed else max(low, grid.fine)), grid.up(middle + width)
