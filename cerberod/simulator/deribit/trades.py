"""Public trades as Deribit tells them: ids, marks and volatilities of the moment each one printed."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from cerberod.analytics.black import black_price
from cerberod.analytics.implied import implied_volatility
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.prints import Prints
from cerberod.simulator.deribit.terms import shown_mark
from cerberod.simulator.market import HISTORY_START_MS, YEAR_MS
from cerberod.simulator.noise import KNOT_MS, IntArray, key_of

FIRST_USER_TRADE: Final = 1_000_000_000  # users' trades number themselves from here, the model's prints stay far below
_ID_BITS = 24


class Trade(NamedTuple):
    """One print of one instrument; `before` is the price of the print before it."""

    instrument: Instrument
    time_ms: int
    price: float
    amount: float
    buy: bool
    sequence: int
    before: float

    @property
    def number(self) -> int:
        """Return what its id counts with: of the model's prints it rises with time across all instruments."""
        if self.sequence >= FIRST_USER_TRADE:
            return self.sequence
        return self.time_ms // KNOT_MS << _ID_BITS | key_of("trades", self.instrument.name) % (1 << _ID_BITS)

    @property
    def trade_id(self) -> str:
        currency = self.instrument.name if self.instrument.kind == "spot" else self.instrument.currency
        return str(self.number) if currency == "BTC" else f"{currency}-{self.number}"


def model_time_ms(number: int) -> int | None:
    """Return when the model's print with this id number happened; None for a user's trade."""
    time_ms = (number >> _ID_BITS) * KNOT_MS
    return time_ms if time_ms >= HISTORY_START_MS else None


def trades_of(instrument: Instrument, prints: Prints) -> list[Trade]:
    """Return prints one by one, oldest first."""
    prices = prints.price.tolist()
    columns = (prints.time_ms, prints.price, prints.amount, prints.buy, prints.sequence)
    rows = zip(*(column.tolist() for column in columns), [*prices[:1], *prices[:-1]], strict=True)
    return [Trade(instrument, *row) for row in rows]


def since(exchange: Exchange, instruments: Sequence[Instrument], start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Return all trades of a short time, oldest first."""
    found = exchange.tape.of_all(instruments, start_ms, end_ms) if start_ms <= end_ms else []
    trades = [trade for instrument, prints in found for trade in trades_of(instrument, prints)]
    return records(exchange, sorted(trades, key=lambda trade: (trade.time_ms, trade.number)))


def records(exchange: Exchange, trades: Sequence[Trade]) -> list[dict[str, Any]]:
    """Return trades as the venue tells them, in the order given."""
    worth: dict[int, dict[str, Any]] = {}
    groups: dict[tuple[str, str, bool], list[int]] = {}
    for position, trade in enumerate(trades):
        i = trade.instrument
        groups.setdefault((i.coin, i.kind, i.linear), []).append(position)
    for positions in groups.values():
        worth |= zip(positions, _worth(exchange, [trades[p] for p in positions]), strict=True)
    return [_record(exchange, trade, worth[position]) for position, trade in enumerate(trades)]


def _record(exchange: Exchange, trade: Trade, worth: dict[str, Any]) -> dict[str, Any]:
    instrument = trade.instrument
    out: dict[str, Any] = {
        "trade_id": trade.trade_id,
        "trade_seq": trade.sequence,
        "timestamp": trade.time_ms,
        "instrument_name": instrument.name,
        "direction": "buy" if trade.buy else "sell",
        "price": trade.price,
        "amount": trade.amount,
        "contracts": round(trade.amount / float(instrument.contract_size), 8),
        "tick_direction": 0 if trade.price > trade.before else 2 if trade.price < trade.before else 1,
    }
    more = exchange.tape.more(instrument.name, trade.sequence) if trade.sequence >= FIRST_USER_TRADE else {}
    return out | worth | dict(more)


def _worth(exchange: Exchange, trades: Sequence[Trade]) -> Iterable[dict[str, Any]]:
    """Return mark and index, of options also the volatility, at each trade's moment; all trades are of one group."""
    market, instrument = exchange.quotes.market, trades[0].instrument
    times = np.array([trade.time_ms for trade in trades], dtype=np.int64)
    index = market.index_at(instrument.coin, times).tolist()
    if instrument.combo or exchange.quotes.recorded(instrument):
        return [_present(exchange, trade, price) for trade, price in zip(trades, index, strict=True)]
    if instrument.option:
        return _option_worth(exchange, trades, times, index)
    if instrument.kind == "spot":
        marks = index
    else:
        expiries = np.array([trade.instrument.expiry_ms for trade in trades], dtype=np.int64)
        marks = [
            perpetual if trade.instrument.perpetual else dated
            for trade, perpetual, dated in zip(
                trades,
                market.perpetual_at(instrument.coin, times).tolist(),
                market.forward_at(instrument.coin, times, expiries).tolist(),
                strict=True,
            )
        ]
    return [{"mark_price": m, "index_price": i} for m, i in zip(marks, index, strict=True)]


def _present(exchange: Exchange, trade: Trade, index: float) -> dict[str, Any]:
    mark = exchange.quotes.mark(trade.instrument)
    out: dict[str, Any] = {"mark_price": shown_mark(trade.instrument, mark.price), "index_price": index}
    return out | {"iv": mark.volatility_pct} if trade.instrument.option else out


def _option_worth(
    exchange: Exchange, trades: Sequence[Trade], times: IntArray, index: list[float]
) -> list[dict[str, Any]]:
    market, group = exchange.quotes.market, trades[0].instrument
    expiries = np.array([trade.instrument.expiry_ms for trade in trades], dtype=np.int64)
    strikes = np.array([trade.instrument.strike for trade in trades])
    calls = np.array([trade.instrument.is_call for trade in trades])
    forward = market.forward_at(group.coin, times, expiries)
    years = np.maximum(expiries - times, 0) / YEAR_MS
    sigma = np.round(market.volatility(group.coin, times.astype(np.float64), years, np.log(strikes / forward)), 4)
    unit = np.ones_like(forward) if group.linear else forward
    marks = black_price(forward, strikes, years, sigma, calls) / unit
    prices = np.array([trade.price for trade in trades]) * unit
    found = implied_volatility(prices, forward, strikes, years, calls).volatility
    volatility = np.round(100.0 * np.ma.filled(found, 0.0), 2)
    return [
        {"mark_price": shown_mark(trade.instrument, mark), "index_price": price, "iv": iv}
        for trade, mark, price, iv in zip(trades, marks.tolist(), index, volatility.tolist(), strict=True)
    ]
