"""Public history: last prices, 24-hour figures, klines, prints, funding, open interest, account ratio.

All of it is read from the shared model's knots (two prints a minute for each instrument), so a kline's close, a print
and a day's high agree, and any past can be asked for in any order. An account's own trades are not in it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import anyio.lowlevel
import numpy as np

from cerberod.analytics.black import black_price
from cerberod.simulator.bybit.draws import exponential, smooth, uniform
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.quotes import Quotes
from cerberod.simulator.market import ASSETS, DAY_MS, HOUR_MS, YEAR_MS
from cerberod.simulator.noise import KNOT_MS, FloatArray, key_of

_PIECE = 7 * DAY_MS // KNOT_MS  # knots read at once
_SHARES: Final = {"spot": 0.6, "perpetual": 1.5, "future": 0.02, "option": 0.001}
_INTEREST: Final = {"perpetual": 4e9, "future": 1e8, "option": 4e5}
_FUNDING_STEP_MS = 300_000
_INTEREST_RATE = 0.0001
_DAMPENER = 0.0005

Row = tuple[int, float, float, float, float, float, float]
"""start, open, high, low, close, volume, turnover"""


@dataclass(frozen=True)
class Day:
    """The last 24 hours. `volume` counts in the quantity's unit, `turnover` in the other one."""

    last: float
    high: float
    low: float
    before_day: float
    before_hour: float
    volume: float
    turnover: float


class Tape:
    """What the public saw of every instrument; the same in both environments."""

    def __init__(self, quotes: Quotes) -> None:
        self._quotes = quotes
        self._predicted: dict[object, float] = {}
        self._predicted_at = 0
        self._days: dict[tuple[str, str, int], tuple[int, Day]] = {}

    # Last prices and the day

    def last(self, instrument: Instrument) -> Decimal:
        """Return the last price: the mark on the grid, which trades all the time."""
        return instrument.on_grid(self._quotes.mark(instrument).price)

    def day(self, instrument: Instrument) -> Day:
        """Return the 24-hour figures of anything but an option."""
        unscaled = self._asset_day(instrument)
        last = float(self.last(instrument))
        s, share = instrument.scale, self._share(instrument)
        high, low = unscaled.high * s, unscaled.low * s
        volume, turnover = unscaled.volume * share / s, unscaled.turnover * share
        if instrument.inverse:
            volume, turnover = turnover, volume
        return Day(
            last, max(high, last), min(low, last), unscaled.before_day * s, unscaled.before_hour * s, volume, turnover
        )

    @staticmethod
    def _share(instrument: Instrument) -> float:
        return (
            _SHARES[instrument.kind]
            * (0.1 if instrument.settle == "USDC" else 1.0)
            * (0.01 if instrument.restless > 1 else 1)
        )

    def _asset_day(self, instrument: Instrument) -> Day:
        key = (instrument.asset, instrument.kind, instrument.delivery_ms)
        now_ms = self._quotes.now_ms()
        knot = now_ms // KNOT_MS
        found = self._days.get(key)
        if found is not None and found[0] == knot:
            return found[1]
        first = knot - DAY_MS // KNOT_MS
        prices = self._prices(instrument, first, knot) / instrument.scale
        dollars = self._quotes.market.volume_usd_at_knots(instrument.asset, first, knot)
        day = Day(
            last=float(prices[-1]),
            high=float(prices.max()),
            low=float(prices.min()),
            before_day=float(prices[0]),
            before_hour=float(prices[-1 - HOUR_MS // KNOT_MS]),
            volume=float((dollars / prices).sum()),
            turnover=float(dollars.sum()),
        )
        if len(self._days) > 256:
            self._days.clear()
        self._days[key] = (knot, day)
        return day

    def option_volume(self, instrument: Instrument) -> float:
        """Return what an option traded in the last 24 hours: a draw for each day, nothing for many."""
        key = key_of(self._quotes.market.seed, "bybit", instrument.symbol, "volume")
        draw = uniform(key, self._quotes.now_ms() // DAY_MS)
        return round(max(0.0, draw - 0.4) * 500) * float(instrument.step)

    # Prices at knots

    def _prices(self, instrument: Instrument, first: int, last: int, kind: str = "last") -> FloatArray:
        """Return prices at knots, not on the grid; `kind` is last, mark, index or premium."""
        market, asset, scale = self._quotes.market, instrument.asset, instrument.scale
        index = market.index_at_knots(asset, first, last)
        times = np.arange(first, last + 1, dtype=np.int64) * KNOT_MS
        if kind == "premium":
            return market.premium(asset, times) * instrument.restless
        if kind == "index" or instrument.spot:
            return index * scale
        if instrument.perpetual:
            return index * scale * (1.0 + market.premium(asset, times) * instrument.restless)
        knots = np.arange(first, last + 1, dtype=np.int64)
        forward = market.forward_at_knots(asset, knots, np.array(instrument.delivery_ms))
        if not instrument.option:
            return forward
        years = np.maximum(instrument.delivery_ms - times, 0) / YEAR_MS
        sigma = market.volatility(asset, times.astype(np.float64), years, np.log(instrument.strike / forward))
        return black_price(forward, instrument.strike, years, np.round(sigma, 4), instrument.is_call)

    async def klines(self, instrument: Instrument, starts: Sequence[int], end_ms: int, kind: str = "last") -> list[Row]:
        """Return the bars that begin at `starts` (ascending, each ending where the next begins), oldest first.

        Long histories are read piece by piece, and others run in between.
        """
        now_ms = self._quotes.now_ms()
        bounds = [start // KNOT_MS for start in starts] + [min(end_ms, now_ms + KNOT_MS) // KNOT_MS]
        rows: list[Row] = []
        position = 0
        while position < len(starts):
            after = position + 1
            while after < len(starts) and bounds[after] - bounds[position] < _PIECE:
                after += 1
            rows += self._bars(instrument, starts[position:after], bounds[position : after + 1], kind)
            position = after
            await anyio.lowlevel.checkpoint()
        if end_ms > now_ms:  # the bar is not over: it closes at the present price, for now
            start, opened, high, low, _, *volumes = rows[-1]
            price = self._present(instrument, kind)
            rows[-1] = (start, opened, max(high, price), min(low, price), price, volumes[0], volumes[1])
        return rows

    def _present(self, instrument: Instrument, kind: str) -> float:
        mark = self._quotes.mark(instrument)
        match kind:
            case "last":
                return float(self.last(instrument))
            case "index":
                return mark.index
            case "premium":
                return mark.price / mark.index - 1.0
            case _:
                return mark.price

    def _bars(self, instrument: Instrument, starts: Sequence[int], bounds: Sequence[int], kind: str) -> list[Row]:
        first, last = bounds[0], bounds[-1] - 1
        prices = self._prices(instrument, first - 1, last, kind)  # a bar opens where the one before closed
        if kind == "last":
            tick = float(instrument.tick)
            prices = np.round(prices / tick) * tick
        cuts = np.array(bounds[:-1], dtype=np.int64) - first
        opens, within = prices[cuts], prices[1:]
        closes = within[np.r_[cuts[1:], len(within)] - 1]
        high = np.maximum(np.maximum.reduceat(within, cuts), opens)
        low = np.minimum(np.minimum.reduceat(within, cuts), opens)
        dollars = self._quotes.market.volume_usd_at_knots(instrument.asset, first, last) * self._share(instrument)
        turnover = np.add.reduceat(dollars, cuts)
        volume = np.add.reduceat(dollars / np.maximum(within, 1e-9), cuts) if kind == "last" else turnover
        if instrument.inverse:
            volume, turnover = turnover, volume
        columns = (opens, high, low, closes, volume, turnover)
        return list(zip(starts, *(column.tolist() for column in columns), strict=True))

    def prints(self, instrument: Instrument, count: int) -> list[tuple[int, int, float, float, bool]]:
        """Return the latest prints, newest first: (knot, time, price, quantity, whether the taker bought)."""
        last = self._quotes.now_ms() // KNOT_MS
        first = last - count
        prices = self._prices(instrument, first, last)
        dollars = self._quotes.market.volume_usd_at_knots(instrument.asset, first, last) * self._share(instrument)
        unit = float(instrument.step)
        raw = dollars if instrument.inverse else dollars / np.maximum(prices, float(instrument.tick))
        sizes = np.maximum(1.0, np.round(raw / unit)) * unit
        buys = prices[1:] >= prices[:-1]
        rows = zip(
            range(first + 1, last + 1),
            prices[1:].tolist(),
            np.round(sizes[1:], 8).tolist(),
            buys.tolist(),
            strict=True,
        )
        return [(knot, knot * KNOT_MS, price, size, buy) for knot, price, size, buy in rows][::-1]

    # Funding

    def funding_rates(self, instrument: Instrument, times_ms: Sequence[int]) -> list[float]:
        """Return the rate settled at each time: the mean premium of the interval before, dampened and capped.

        F = P + clamp(I - P, ±0.05 %), the interest I being 0.01 % for 8 hours.
        """
        if not times_ms:
            return []
        step_ms = instrument.funding_min * 60_000
        offsets = np.arange(0, step_ms, _FUNDING_STEP_MS, dtype=np.float64)
        samples = np.array(times_ms, dtype=np.float64)[:, None] - offsets[None, :]
        market = self._quotes.market
        premium = market.premium(instrument.asset, samples.ravel()).reshape(samples.shape).mean(axis=1)
        premium = premium * instrument.restless
        interest = _INTEREST_RATE * instrument.funding_min / 480
        rates = premium + np.clip(interest - premium, -_DAMPENER, _DAMPENER)
        cap = float(instrument.funding_cap)
        return [round(rate, 8) for rate in np.clip(rates, -cap, cap).tolist()]

    def predicted_rate(self, instrument: Instrument) -> float:
        """Return the rate that funding would have now; it moves every five minutes."""
        key = (instrument.asset, instrument.funding_min, instrument.restless, instrument.funding_cap)
        now_ms = self._quotes.now_ms() // _FUNDING_STEP_MS * _FUNDING_STEP_MS
        if self._predicted_at != now_ms:
            self._predicted, self._predicted_at = {}, now_ms
        if key not in self._predicted:
            self._predicted[key] = self.funding_rates(instrument, [now_ms])[0]
        return self._predicted[key]

    def funding_times(self, instrument: Instrument, after_ms: int, until_ms: int) -> list[int]:
        """Return the settlements with after < time <= until, ascending."""
        step_ms = instrument.funding_min * 60_000
        return list(range((after_ms // step_ms + 1) * step_ms, until_ms + 1, step_ms))

    def next_funding_ms(self, instrument: Instrument) -> int:
        """Return when funding is settled next."""
        step_ms = instrument.funding_min * 60_000
        return (self._quotes.now_ms() // step_ms + 1) * step_ms

    # Open interest and the ratio of accounts

    def open_interest(self, instrument: Instrument, times_ms: Sequence[int]) -> list[float]:
        """Return the contracts open on one side at each time, in the quantity's unit."""
        market = self._quotes.market
        key = key_of(market.seed, "bybit", instrument.category, instrument.symbol, "open interest")
        dollars = _INTEREST[instrument.kind] * (exponential(key) + 0.05)
        dollars *= self._share(instrument) / _SHARES[instrument.kind]
        unit = 1.0 if instrument.inverse else ASSETS[instrument.asset].level * instrument.scale
        step = float(instrument.step)
        wobbles = (math.exp(0.08 * smooth(key, 2 * DAY_MS, time_ms)) for time_ms in times_ms)
        return [round(round(dollars / unit * wobble / step) * step, 8) for wobble in wobbles]

    def buy_ratio(self, instrument: Instrument, times_ms: Sequence[int]) -> list[float]:
        """Return the share of accounts that are net long at each time."""
        key = key_of(self._quotes.market.seed, "bybit", instrument.symbol, "accounts")
        return [round(min(max(0.52 + 0.06 * smooth(key, 4 * HOUR_MS, time_ms), 0.1), 0.9), 4) for time_ms in times_ms]

    def realised(self, asset: str, days: int, first_ms: int, last_ms: int) -> list[tuple[int, float]]:
        """Return (time, annual volatility of hourly returns over so many days) of each hour, ascending."""
        hours = HOUR_MS // KNOT_MS
        span = days * 24
        index = self._quotes.market.index_at_knots(asset, first_ms // KNOT_MS - span * hours, last_ms // KNOT_MS)
        sums = np.r_[0.0, np.cumsum(np.diff(np.log(index[::hours])) ** 2)]
        values = np.sqrt((sums[span:] - sums[: len(sums) - span]) / days * 365.0)
        return [(first_ms + n * HOUR_MS, float(value)) for n, value in enumerate(values)]
