"""Market data as Deribit tells it: ticker, order book, summary. Field by field as recorded in 2026.

An absent side is 0.0 in ticker and order book, null in the summary; an option's mark has 4 decimals in the former, 8
(BTC) or 6 (ETH) in the latter. These asymmetries are the venue's, and clients must live with them.
"""

from typing import Any

import numpy as np

from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.prints import Statistics
from cerberod.simulator.deribit.quotes import Mark, band, implied_pct
from cerberod.simulator.deribit.terms import shown_mark
from cerberod.simulator.market import DAY_MS, Funding
from cerberod.simulator.matching import Book, Level, Side
from cerberod.simulator.noise import key_of, uniform

_SETTLEMENT_HOUR_MS = 8 * 3_600_000


def ticker(exchange: Exchange, instrument: Instrument) -> dict[str, Any]:
    """Return the result of public/ticker."""
    book = exchange.book(instrument)
    return _ticker(exchange, instrument, exchange.quotes.mark(instrument), book)


def order_book(exchange: Exchange, instrument: Instrument, depth: int) -> dict[str, Any]:
    """Return the result of public/get_order_book: the ticker plus both sides."""
    book = exchange.book(instrument)
    mark = exchange.quotes.mark(instrument)
    return _ticker(exchange, instrument, mark, book) | {
        "change_id": change_id(exchange, book),
        "bids": _numbers(book.depth(Side.BUY, depth)),
        "asks": _numbers(book.depth(Side.SELL, depth)),
    }


def change_id(exchange: Exchange, book: Book) -> int:
    """Return a number that rises with every change of a book."""
    return exchange.quotes.moment() // 10 + book.changes


def _ticker(exchange: Exchange, instrument: Instrument, mark: Mark, book: Book) -> dict[str, Any]:
    bids, asks = book.depth(Side.BUY, 1), book.depth(Side.SELL, 1)
    low, high = band(instrument, mark)
    day = exchange.tape.statistics([instrument])[instrument.name]
    out: dict[str, Any] = {
        "instrument_name": instrument.name,
        "timestamp": mark.time_ms,
        "state": "open" if exchange.catalogue.active(instrument) else "inactive",
        "index_price": mark.index,
        "mark_price": round(mark.price, 4 if instrument.premium or instrument.coin not in ("BTC", "ETH") else 2),
        "last_price": day.last,
        "estimated_delivery_price": mark.index,
        "min_price": float(low),
        "max_price": float(high),
        "best_bid_price": float(bids[0][0]) if bids else 0.0,
        "best_bid_amount": float(bids[0][1]) if bids else 0.0,
        "best_ask_price": float(asks[0][0]) if asks else 0.0,
        "best_ask_amount": float(asks[0][1]) if asks else 0.0,
        "stats": _stats(instrument, day),
    }
    if instrument.spot:
        del out["estimated_delivery_price"]
    elif not instrument.combo:  # nobody holds a package, so nothing of it is open and nothing settles
        out["settlement_price"] = settlement_price(exchange, instrument)
        out["open_interest"] = open_interest(exchange, instrument)
    if instrument.option:
        touch = [bids[0][0] if bids else None, asks[0][0] if asks else None]
        bid_iv, ask_iv = implied_pct(instrument, touch, mark)
        out |= {
            "mark_iv": mark.volatility_pct,
            "bid_iv": bid_iv,
            "ask_iv": ask_iv,
            "underlying_price": round(mark.forward, 4),
            "underlying_index": underlying_index(exchange, instrument),
            "interest_rate": 0.0,
            "greeks": {
                "delta": _tidy(mark.delta),
                "gamma": _tidy(mark.gamma),
                "vega": _tidy(mark.vega),
                "theta": _tidy(mark.theta),
                "rho": _tidy(mark.rho),
            },
        }
    if instrument.perpetual and not instrument.spot:
        funding = exchange.quotes.market.funding(instrument.coin, mark.time_ms)
        out |= _funding(funding)
        out["interest_value"] = funding.mean_8h * 100.0
    return out


def _stats(instrument: Instrument, day: Statistics) -> dict[str, float | None]:
    out: dict[str, float | None] = {
        "high": day.high,
        "low": day.low,
        "price_change": day.change_pct,
        "volume": day.volume_coin,
        "volume_usd": day.volume_usd,
    }
    if not instrument.premium:
        out["volume_notional"] = day.volume_usd
    return out


def _funding(funding: Funding) -> dict[str, float]:
    return {"current_funding": funding.current, "funding_8h": funding.mean_8h}


def _tidy(value: float) -> float:
    """Round to the venue's five decimals, without a negative zero."""
    return round(value, 5) + 0.0


def _numbers(levels: list[Level]) -> list[list[float]]:
    return [[float(price), float(amount)] for price, amount in levels]


def underlying_index(exchange: Exchange, instrument: Instrument) -> str:
    """Return the name of the forward an option is valued on."""
    row = exchange.quotes.recorded_row(instrument.name)
    if row is not None and isinstance(row.get("underlying_index"), str):
        return str(row["underlying_index"])
    if instrument.linear or exchange.catalogue.get(f"{instrument.coin}-{instrument.expiry_code}") is None:
        return f"SYN.{instrument.name.partition('-')[0]}-{instrument.expiry_code}"
    return f"{instrument.coin}-{instrument.expiry_code}"


def open_interest(exchange: Exchange, instrument: Instrument) -> float:
    """Return the contracts open: a fixed draw for each instrument, or what the recording says."""
    chain = exchange.quotes.chain(instrument.coin)
    if chain is not None and exchange.quotes.recorded(instrument):
        return float(chain.rows[instrument.name].get("open_interest") or 0.0)
    key = key_of(exchange.quotes.market.seed, instrument.name, "open interest")
    draw = float(-np.log(uniform(key, np.zeros(1, dtype=np.int64)))[0])
    typical = 2_500 if instrument.option else 800_000 if instrument.perpetual else 60_000
    return float(instrument.lot * int(1 + typical * draw * (10 if not instrument.option else 1)))


def settlement_price(exchange: Exchange, instrument: Instrument) -> float:
    """Return the mark of the last daily settlement (for options simply the present mark)."""
    quotes = exchange.quotes
    if instrument.option:
        return shown_mark(instrument, quotes.mark(instrument).price)
    now_ms = quotes.moment()
    settled = now_ms - (now_ms - _SETTLEMENT_HOUR_MS) % DAY_MS
    if instrument.perpetual:
        return quotes.market.perpetual(instrument.coin, settled)
    return float(quotes.market.forward(instrument.coin, settled, np.array([instrument.expiry_ms]))[0])


def summaries(exchange: Exchange, instruments: list[Instrument]) -> list[dict[str, Any]]:
    """Return the rows of the book summary, options valued all at once; a recorded row is told as it was recorded."""
    recorded = {i.name: exchange.quotes.recorded_row(i.name) for i in instruments}
    fresh = [i for i in instruments if recorded[i.name] is None]
    marks = {i.name: exchange.quotes.mark(i) for i in fresh if not i.option}
    for group in {(i.coin, i.linear) for i in fresh if i.option}:
        marks |= exchange.quotes.many([i for i in fresh if i.option and (i.coin, i.linear) == group])
    days = exchange.tape.statistics(fresh)
    return [recorded[i.name] or _summary(exchange, i, marks[i.name], days[i.name]) for i in instruments]


def _summary(exchange: Exchange, instrument: Instrument, mark: Mark, day: Statistics) -> dict[str, Any]:
    bid, ask = exchange.best(instrument, mark)
    out: dict[str, Any] = {
        "instrument_name": instrument.name,
        "base_currency": instrument.coin,
        "quote_currency": instrument.quote,
        "bid_price": None if bid is None else float(bid),
        "ask_price": None if ask is None else float(ask),
        "mid_price": None if bid is None or ask is None else float((bid + ask) / 2),
        "mark_price": shown_mark(instrument, mark.price),
        "last": day.last,
        "high": day.high,
        "low": day.low,
        "volume": day.volume_coin,
        "volume_usd": day.volume_usd,
        "price_change": day.change_pct,
        "creation_timestamp": mark.time_ms,
        "estimated_delivery_price": mark.index,
    }
    if not instrument.combo and not instrument.spot:
        out["open_interest"] = open_interest(exchange, instrument)
    if instrument.option:
        out |= {
            "mark_iv": mark.volatility_pct,
            "underlying_price": round(mark.forward, 4),
            "underlying_index": underlying_index(exchange, instrument),
            "interest_rate": 0.0,
        }
    if not instrument.premium:
        out["volume_notional"] = day.volume_usd
    if instrument.perpetual and not instrument.spot:
        out |= _funding(exchange.quotes.market.funding(instrument.coin, mark.time_ms))
    return out
