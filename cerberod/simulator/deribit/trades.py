"""Public trades as Deribit tells them."""

from collections.abc import Iterable
from typing import Any

from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.prints import Prints
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.noise import key_of

_FIRST_USER_TRADE = 1_000_000_000  # users' trades number themselves from here, the model's prints stay far below
_FUTURE_WINDOW_MS = 2 * DAY_MS
_OPTION_WINDOW_MS = 60 * DAY_MS


def window_ms(instrument: Instrument) -> int:
    """Return how long a time surely holds more trades than one answer may."""
    return _OPTION_WINDOW_MS if instrument.option else _FUTURE_WINDOW_MS


def since(exchange: Exchange, instrument: Instrument, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Return all trades of a short time, oldest first."""
    prints = exchange.tape.between(instrument, start_ms, end_ms)
    return records(exchange, instrument, prints, range(len(prints)))


def records(
    exchange: Exchange, instrument: Instrument, prints: Prints, positions: Iterable[int]
) -> list[dict[str, Any]]:
    """Return the trades at some positions of `prints`, in that order."""
    index = exchange.quotes.index(instrument.coin)
    volatility = {"iv": exchange.quotes.mark(instrument).volatility_pct} if instrument.option else {}
    out: list[dict[str, Any]] = []
    for position in positions:
        price, amount = float(prints.price[position]), float(prints.amount[position])
        previous = float(prints.price[position - 1]) if position else price
        sequence = int(prints.sequence[position])
        trade: dict[str, Any] = {
            "trade_id": _trade_id(instrument, sequence),
            "trade_seq": sequence,
            "timestamp": int(prints.time_ms[position]),
            "instrument_name": instrument.name,
            "direction": "buy" if prints.buy[position] else "sell",
            "price": price,
            "amount": amount,
            "contracts": round(amount / float(instrument.contract_size), 8),
            "mark_price": price,
            "index_price": index,
            "tick_direction": 0 if price > previous else 2 if price < previous else 1,
        }
        out.append(trade | volatility)
    return out


def _trade_id(instrument: Instrument, sequence: int) -> str:
    if sequence < _FIRST_USER_TRADE:
        sequence += key_of("trades", instrument.name) % 800 * 1_000_000
    return str(sequence) if instrument.currency == "BTC" else f"{instrument.currency}-{sequence}"
