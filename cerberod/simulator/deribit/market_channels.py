"""What the smaller market channels say now: volatility index, funding, marks of all options, expiries, forming candles.

Each is a function of the exchange's present alone; when to speak is the subscription's business.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument, settled_at
from cerberod.simulator.deribit.listing import INVERSE_COINS
from cerberod.simulator.deribit.public import RESOLUTIONS, index_names
from cerberod.simulator.deribit.terms import shown_mark
from cerberod.simulator.market import DAY_MS

Reader = Callable[[Exchange], Any]

_INDEXES = tuple(f"{coin.lower()}_usd" for coin in INVERSE_COINS)
_AVERAGED_MS = 1_800_000


def reader_of(parts: list[str], exchange: Exchange) -> Reader | None:
    """Return what tells a channel's data; None if its name is not of these."""
    live = exchange.catalogue.live()
    match parts:
        case ["deribit_price_index", name] if name in index_names():
            return lambda now: _price_index(now, name)
        case ["deribit_volatility_index", name] if name in _INDEXES:
            return lambda now: _volatility_index(now, name)
        case ["estimated_expiration_price", name] if name in index_names():
            return lambda now: _expiration_price(now, name)
        case ["markprice", "options", name] if name in index_names():
            return lambda now: _marks(now, name)
        case ["perpetual", name, "raw" | "100ms" | "agg2"] if name in live and _funded(live[name]):
            return lambda now: _interest(now, live[name])
        case ["chart", "trades", name, resolution] if name in live and resolution in RESOLUTIONS:
            step_ms = DAY_MS if resolution == "1D" else int(resolution) * 60_000
            return lambda now: now.tape.forming(live[name], step_ms)
    return None


def _coin(index_name: str) -> str:
    return index_name.partition("_")[0].upper()


def _funded(instrument: Instrument) -> bool:
    return instrument.perpetual and not instrument.spot


def _price_index(exchange: Exchange, name: str) -> dict[str, Any]:
    quotes = exchange.quotes
    return {"index_name": name, "price": quotes.index(_coin(name)), "timestamp": quotes.moment()}


def _volatility_index(exchange: Exchange, name: str) -> dict[str, Any]:
    moment = exchange.quotes.moment()
    value = exchange.quotes.volatility_index(_coin(name), np.array([moment], dtype=np.int64))[0]
    return {"index_name": name, "volatility": round(float(value), 2), "timestamp": moment}


def _expiration_price(exchange: Exchange, name: str) -> dict[str, Any]:
    now_ms = exchange.quotes.now_ms()
    left_ms = settled_at(now_ms) + DAY_MS - now_ms
    price = exchange.quotes.index(_coin(name))
    return {"price": price, "seconds": left_ms // 1_000, "is_estimated": left_ms <= _AVERAGED_MS}


def _marks(exchange: Exchange, name: str) -> list[dict[str, Any]]:
    """Return every option's mark; the volatility is a fraction here, where tickers have percent."""
    options = [i for i in exchange.catalogue.live().values() if i.option and i.index_name == name]
    if not options:
        return []
    marks = exchange.quotes.many(options)
    return [
        {
            "instrument_name": option.name,
            "mark_price": shown_mark(option, marks[option.name].price),
            "iv": round(marks[option.name].volatility_pct / 100.0, 4),
            "timestamp": marks[option.name].time_ms,
        }
        for option in options
    ]


def _interest(exchange: Exchange, instrument: Instrument) -> dict[str, Any]:
    quotes = exchange.quotes
    moment = quotes.moment()
    funding = quotes.market.funding(instrument.coin, moment)
    return {"interest": funding.current, "index_price": quotes.index(instrument.coin), "timestamp": moment}
