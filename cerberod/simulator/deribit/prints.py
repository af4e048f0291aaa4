"""Public trades: the model's prints of each instrument, and with them candles, last prices and 24-hour statistics.

Every aggregate is computed from the same prints (with the environment's own user trades among them), so a candle's
close is the last trade and a day's volume is the sum of its minutes. Perpetuals and futures print at each knot of the
path, options about once an hour, less often far from the money. Options of a recorded chain have no model prints: the
recording does not tell them.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from cerberod.analytics.black import black_price
from cerberod.simulator.chain import Row
from cerberod.simulator.deribit.instruments import Instrument, TickGrid
from cerberod.simulator.deribit.quotes import Quotes
from cerberod.simulator.market import DAY_MS, HISTORY_START_MS, HOUR_MS, YEAR_MS
from cerberod.simulator.noise import KNOT_MS, FloatArray, IntArray, key_of, uniform

BoolArray = NDArray[np.bool_]

MAX_CANDLES: Final = 5_000
_TAPE_LENGTH = 10_000
_PIECE_MS = 14 * DAY_MS  # of prints read at once: about 40 000 of a perpetual's


@dataclass(frozen=True)
class Prints:
    """Trades in time order. `amount` is in the instrument's own unit, `buy` is the taker's side."""

    time_ms: IntArray
    price: FloatArray
    amount: FloatArray
    buy: BoolArray
    sequence: IntArray

    def __len__(self) -> int:
        return len(self.time_ms)


class UserPrint(NamedTuple):
    """A trade of one of the environment's own users, as the public sees it."""

    time_ms: int
    price: float
    amount: float
    buy: bool
    sequence: int
    more: Mapping[str, object] | None = None
    """What the public record of this trade has besides: `combo_id`, `legs` and the like."""


@dataclass(frozen=True)
class Statistics:
    """Of the last 24 hours; None where nothing traded."""

    high: float | None
    low: float | None
    change_pct: float | None
    volume_coin: float
    volume_usd: float
    last: float | None


_NOTHING: Final = Statistics(None, None, None, 0.0, 0.0, None)


def _recorded_statistics(row: Row) -> Statistics:
    volume, volume_usd = float(row.get("volume") or 0.0), float(row.get("volume_usd") or 0.0)
    return Statistics(row.get("high"), row.get("low"), row.get("price_change"), volume, volume_usd, row.get("last"))


@dataclass(frozen=True)
class _OptionGrid:
    """Arrays of (instrument, hour)."""

    time_ms: IntArray
    price: FloatArray
    amount: FloatArray
    buy: BoolArray
    happens: BoolArray

    def prints(self, row: int, picked: BoolArray, sequence: IntArray) -> Prints:
        """Return one instrument's prints at the picked hours."""
        return Prints(
            time_ms=self.time_ms[row][picked],
            price=self.price[row][picked],
            amount=self.amount[row][picked],
            buy=self.buy[row][picked],
            sequence=sequence[picked],
        )


class Tape:
    """Public prints as one environment sees them: the model's, and its own users'."""

    def __init__(self, quotes: Quotes) -> None:
        self._quotes = quotes
        self._user: dict[str, deque[UserPrint]] = {}

    def record(self, name: str, trade: UserPrint) -> None:
        """Add a user's trade."""
        self._user.setdefault(name, deque(maxlen=_TAPE_LENGTH)).append(trade)

    def clear(self) -> None:
        """Forget all user trades."""
        self._user.clear()

    def more(self, name: str, sequence: int) -> Mapping[str, object]:
        """Return what a user's trade tells besides the common fields."""
        found = next((t.more for t in self._user.get(name, ()) if t.sequence == sequence), None)
        return found or {}

    def last_user_trade_ms(self, name: str) -> int | None:
        """Return when a user last traded an instrument; None if nobody has."""
        trades = self._user.get(name)
        return trades[-1].time_ms if trades else None

    def of_all(self, instruments: Sequence[Instrument], start_ms: int, end_ms: int) -> list[tuple[Instrument, Prints]]:
        """Return the prints of many instruments, those without any left out; options are reckoned all at once."""
        found = [(i, self.between(i, start_ms, end_ms)) for i in instruments if not self._quiet(i)]
        groups: dict[tuple[str, bool], list[Instrument]] = {}
        for instrument in instruments:
            if self._quiet(instrument):
                groups.setdefault((instrument.coin, instrument.linear), []).append(instrument)
        for options in groups.values():
            found += self._quiet_prints(options, start_ms, end_ms)
        return [(instrument, prints) for instrument, prints in found if len(prints)]

    def _quiet(self, instrument: Instrument) -> bool:
        """Tell whether an instrument is an option nobody here traded."""
        return instrument.option and instrument.name not in self._user

    def between(self, instrument: Instrument, start_ms: int, end_ms: int) -> Prints:
        """Return the prints with start <= time <= end, never beyond the present."""
        end_ms = min(end_ms, self._quotes.now_ms())
        start_ms = max(start_ms, HISTORY_START_MS, instrument.created_ms)
        if end_ms < start_ms or instrument.combo or self._quotes.recorded(instrument):
            model = _EMPTY
        elif instrument.option:
            model = self._option(instrument, start_ms, end_ms)
        else:
            model = self._future(instrument, start_ms, end_ms)
        own = [t for t in self._user.get(instrument.name, ()) if start_ms <= t.time_ms <= end_ms]
        return _merge(model, own) if own else model

    def _future(self, instrument: Instrument, start_ms: int, end_ms: int) -> Prints:
        market, coin = self._quotes.market, instrument.coin
        first, last = -(-start_ms // KNOT_MS), end_ms // KNOT_MS
        if last < first:
            return _EMPTY
        if instrument.spot:
            marks = market.index_at_knots(coin, first - 1, last)
            share = 0.05
        elif instrument.perpetual:
            marks = market.perpetual_at_knots(coin, first - 1, last)
            share = 0.2 if instrument.linear else 1.0
        else:
            span = np.arange(first - 1, last + 1, dtype=np.int64)
            marks = market.forward_at_knots(coin, span, np.array(instrument.expiry_ms))
            share = 0.02
        prices = _on_grid(instrument.grid, marks)
        notional = share * market.volume_usd_at_knots(coin, first, last)
        lot = float(instrument.lot)
        raw = notional / prices[1:] if instrument.linear else notional
        knots = np.arange(first, last + 1, dtype=np.int64)
        return Prints(
            time_ms=knots * KNOT_MS,
            price=prices[1:],
            amount=np.round(np.maximum(1.0, np.round(raw / lot)) * lot, 8),
            buy=marks[1:] >= marks[:-1],
            sequence=knots - HISTORY_START_MS // KNOT_MS,
        )

    def _option(self, instrument: Instrument, start_ms: int, end_ms: int) -> Prints:
        hours = np.arange(start_ms // HOUR_MS, end_ms // HOUR_MS + 1, dtype=np.int64)
        grid = self._option_grid([instrument], hours)
        happens = grid.happens[0] & (grid.time_ms[0] >= start_ms) & (grid.time_ms[0] <= end_ms)
        return grid.prints(0, happens, hours - HISTORY_START_MS // HOUR_MS)

    def _option_grid(self, instruments: Sequence[Instrument], hours: IntArray) -> "_OptionGrid":
        """Return the possible print of each option of one group in each hour: one row for each instrument."""
        keys = np.array([[key_of(self._quotes.market.seed, i.name)] for i in instruments], dtype=np.uint64)
        knots_an_hour = HOUR_MS // KNOT_MS
        knots = hours * knots_an_hour + (uniform(keys, hours) * knots_an_hour).astype(np.int64)
        value, distance = self._values(instruments, knots)
        price = _on_grid(instruments[0].grid, value)
        lots = np.maximum(1.0, np.round(-np.log(uniform(keys ^ np.uint64(2), hours)) * 25.0))
        return _OptionGrid(
            time_ms=knots * KNOT_MS,
            price=price,
            amount=np.round(lots * float(instruments[0].lot), 8),
            buy=uniform(keys ^ np.uint64(3), hours) < 0.5,
            happens=(uniform(keys ^ np.uint64(1), hours) < 0.6 * np.exp(-0.7 * distance)) & (price > 0),
        )

    def option_values(self, instruments: Sequence[Instrument], knots: IntArray) -> FloatArray:
        """Return the mark of each option of one group at each knot: one row for each instrument."""
        return self._values(instruments, np.broadcast_to(knots, (len(instruments), len(knots))))[0]

    def _values(self, instruments: Sequence[Instrument], knots: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return marks in price units, and how many deviations each strike lies from its forward."""
        market, coin = self._quotes.market, instruments[0].coin
        expiry = np.array([[i.expiry_ms] for i in instruments], dtype=np.int64)
        strike = np.array([[i.strike] for i in instruments])
        calls = np.array([[i.is_call] for i in instruments])
        times = knots * KNOT_MS
        forward = market.forward_at_knots(coin, knots, expiry)
        years = np.maximum(expiry - times, 0) / YEAR_MS
        moneyness = np.log(strike / forward)
        sigma = market.volatility(coin, times.astype(np.float64), years, moneyness)
        distance = np.abs(moneyness) / (sigma * np.sqrt(np.maximum(years, 1e-6)))
        value = black_price(forward, strike, years, np.round(sigma, 4), calls)
        return (value if instruments[0].linear else value / forward), distance

    # Aggregates

    def statistics(self, instruments: Sequence[Instrument]) -> dict[str, Statistics]:
        """Return each instrument's figures of the last 24 hours, and its last price (looked for in two days)."""
        out: dict[str, Statistics] = {}
        quiet: dict[tuple[str, bool], list[Instrument]] = {}
        for instrument in instruments:
            row = self._quotes.recorded_row(instrument.name)
            if row is not None:
                out[instrument.name] = _recorded_statistics(row)
            elif self._quiet(instrument):
                quiet.setdefault((instrument.coin, instrument.linear), []).append(instrument)
            else:
                now_ms = self._quotes.now_ms()
                out[instrument.name] = self._reckon(instrument, self.between(instrument, now_ms - 2 * DAY_MS, now_ms))
        for options in quiet.values():
            out |= self._quiet_options(options)
        return out

    def _quiet_options(self, options: list[Instrument]) -> dict[str, Statistics]:
        """Return the figures of options of one group that nobody here traded, all at once."""
        now_ms = self._quotes.now_ms()
        out = dict.fromkeys((option.name for option in options), _NOTHING)
        for option, prints in self._quiet_prints(options, now_ms - 2 * DAY_MS, now_ms):
            out[option.name] = self._reckon(option, prints)
        return out

    def _quiet_prints(self, options: list[Instrument], start_ms: int, end_ms: int) -> list[tuple[Instrument, Prints]]:
        """Return the model's prints of options of one group, those without any left out."""
        end_ms = min(end_ms, self._quotes.now_ms())
        start_ms = max(start_ms, HISTORY_START_MS)
        if end_ms < start_ms or self._quotes.recorded(options[0]):
            return []
        hours = np.arange(start_ms // HOUR_MS, end_ms // HOUR_MS + 1, dtype=np.int64)
        grid = self._option_grid(options, hours)
        created = np.array([[o.created_ms] for o in options], dtype=np.int64)
        happens = grid.happens & (grid.time_ms <= end_ms) & (grid.time_ms >= np.maximum(created, start_ms))
        sequence = hours - HISTORY_START_MS // HOUR_MS
        return [
            (options[row], grid.prints(row, happens[row], sequence))
            for row in np.flatnonzero(happens.any(axis=1)).tolist()
        ]

    def coins(self, instrument: Instrument, prints: Prints) -> float:
        """Return the volume of prints in coins."""
        return float(self._volumes(instrument, prints.price, prints.amount)[0].sum())

    def _reckon(self, instrument: Instrument, recent: Prints) -> Statistics:
        if len(recent) == 0:
            return _NOTHING
        today = recent.time_ms > self._quotes.now_ms() - DAY_MS
        last = float(recent.price[-1])
        if not today.any():
            return replace(_NOTHING, last=last)
        prices, amounts = recent.price[today], recent.amount[today]
        coins, dollars = self._volumes(instrument, prices, amounts)
        return Statistics(
            high=float(prices.max()),
            low=float(prices.min()),
            change_pct=round((last / float(prices[0]) - 1.0) * 100.0, 4),
            volume_coin=round(float(coins.sum()), 8),
            volume_usd=round(float(dollars.sum()), 2),
            last=last,
        )

    def _volumes(
        self, instrument: Instrument, prices: FloatArray, amounts: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return volume in coins and in dollars (for options the premium)."""
        if instrument.combo and not instrument.premium:
            return amounts / self._quotes.index(instrument.coin), amounts
        if instrument.premium and not instrument.linear:
            return amounts, amounts * prices * self._quotes.index(instrument.coin)
        if instrument.linear:
            return amounts, amounts * prices
        return amounts / prices, amounts

    async def candles(self, instrument: Instrument, start_ms: int, end_ms: int, step_ms: int) -> dict[str, list[Any]]:
        """Return candles as columns, at most 5000, anchored at the end; without trades the last price repeats.

        Years of daily candles are millions of prints: they are read piece by piece, and others run in between.
        """
        now_ms = self._quotes.now_ms()
        last = min(end_ms, now_ms) // step_ms
        first = max(-(-max(start_ms, HISTORY_START_MS, instrument.created_ms) // step_ms), last - MAX_CANDLES + 1)
        width = max(1, _PIECE_MS // step_ms)
        pieces: list[_Bars] = []
        for begin in range(first, last + 1, width):
            end = min(begin + width - 1, last)
            prints = self.between(instrument, begin * step_ms, min((end + 1) * step_ms - 1, now_ms))
            if len(prints):
                pieces.append(self._bars(instrument, prints, step_ms))
            await anyio.lowlevel.checkpoint()
        return _columns(pieces, last, step_ms)

    def forming(self, instrument: Instrument, step_ms: int) -> dict[str, Any] | None:
        """Return the candle that is forming now; None while nothing has traded in it."""
        now_ms = self._quotes.now_ms()
        prints = self.between(instrument, now_ms // step_ms * step_ms, now_ms)
        if not len(prints):
            return None
        bars = self._bars(instrument, prints, step_ms)
        out: dict[str, Any] = {"tick": int(bars.slot[-1]) * step_ms}
        return out | {name: float(getattr(bars, name)[-1]) for name in bars._fields[1:]}

    def _bars(self, instrument: Instrument, prints: Prints, step_ms: int) -> "_Bars":
        """Return the candles that have trades."""
        slot = prints.time_ms // step_ms
        starts = np.flatnonzero(np.r_[True, slot[1:] != slot[:-1]])
        coins, dollars = self._volumes(instrument, prints.price, prints.amount)
        return _Bars(
            slot=slot[starts],
            open=prints.price[starts],
            high=np.maximum.reduceat(prints.price, starts),
            low=np.minimum.reduceat(prints.price, starts),
            close=prints.price[np.r_[starts[1:], len(prints)] - 1],
            volume=np.asarray(np.add.reduceat(coins, starts), dtype=np.float64).round(8),
            cost=np.asarray(np.add.reduceat(dollars, starts), dtype=np.float64).round(2),
        )


class _Bars(NamedTuple):
    """Candles with trades; `slot` is the candle's number since 1970."""

    slot: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    cost: FloatArray


def _columns(pieces: list[_Bars], last: int, step_ms: int) -> dict[str, list[Any]]:
    """Join the pieces up to slot `last`, and fill the candles without trades from the close before them."""
    if not pieces:
        return {name: [] for name in ("ticks", *_Bars._fields[1:])}
    traded = _Bars(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))
    first = int(traded.slot[0])  # nothing is known before the first trade of the window
    slots = np.arange(first, last + 1, dtype=np.int64)
    behind = np.searchsorted(traded.slot, slots, side="right") - 1
    fresh = traded.slot[behind] == slots
    close = traded.close[behind]
    out: dict[str, list[Any]] = {"ticks": (slots * step_ms).tolist()}
    for name, column in (("open", traded.open), ("high", traded.high), ("low", traded.low)):
        out[name] = np.where(fresh, column[behind], close).tolist()
    out["close"] = close.tolist()
    for name, column in (("volume", traded.volume), ("cost", traded.cost)):
        out[name] = np.where(fresh, column[behind], 0.0).tolist()
    return out


def _on_grid(grid: TickGrid, prices: FloatArray) -> FloatArray:
    fine = float(grid.fine)
    out = np.round(np.round(prices / fine) * fine, 8)
    if grid.threshold is None or grid.coarse is None:
        return out
    coarse = float(grid.coarse)
    return np.where(prices > float(grid.threshold), np.round(np.round(prices / coarse) * coarse, 8), out)


def _merge(model: Prints, own: list[UserPrint]) -> Prints:
    times = np.r_[model.time_ms, np.array([t.time_ms for t in own], dtype=np.int64)]
    order = np.argsort(times, kind="stable")
    return Prints(
        time_ms=times[order],
        price=np.r_[model.price, np.array([t.price for t in own])][order],
        amount=np.r_[model.amount, np.array([t.amount for t in own])][order],
        buy=np.r_[model.buy, np.array([t.buy for t in own], dtype=np.bool_)][order],
        sequence=np.r_[model.sequence, np.array([t.sequence for t in own], dtype=np.int64)][order],
    )


_EMPTY: Final = Prints(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.bool_), np.empty(0, np.int64))
