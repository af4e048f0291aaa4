"""The public methods: market data, names, time. Each takes a call and returns the `result`.

Session matters (auth, heartbeat, subscriptions) live with the connection, in `session.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cerberod.simulator.deribit import trades, views
from cerberod.simulator.deribit.exchange import CURRENCIES, Exchange
from cerberod.simulator.deribit.instruments import Instrument, well_formed
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.market import ASSETS, DAY_MS, HISTORY_START_MS

VERSION: Final = "1.2.26"
KINDS: Final = ("future", "option", "spot", "future_combo", "option_combo", "any", "combo")
_DEPTHS = (1, 5, 10, 20, 50, 100, 1_000, 10_000)
_RESOLUTIONS = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720")


@dataclass(frozen=True)
class Call:
    """One call as a method sees it. `connection` is None over HTTP."""

    exchange: Exchange
    params: Params
    connection: str | None = None


Method = Callable[[Call], Any]


def instrument_of(call: Call, name: str = "instrument_name") -> Instrument:
    """Return the live instrument a parameter names."""
    text = call.params.required_text(name)
    if not well_formed(text):
        raise invalid(name, "wrong format")
    instrument = call.exchange.catalogue.get(text)
    if instrument is None:
        raise invalid(name, "instrument not found")
    return instrument


def selected(call: Call) -> list[Instrument]:
    """Return the live instruments a currency and a kind name."""
    currency = call.params.currency((*CURRENCIES, "any"))
    return call.exchange.catalogue.select(currency, call.params.choice("kind", KINDS))


def get_time(call: Call) -> int:
    return call.exchange.quotes.now_ms()


def test(call: Call) -> dict[str, str]:
    if call.params.text("expected_result") == "exception":
        raise VenueError(11094)
    return {"version": VERSION}


def hello(call: Call) -> dict[str, str]:
    call.params.required_text("client_name")
    call.params.required_text("client_version")
    return {"version": VERSION}


def status(_call: Call) -> dict[str, Any]:
    return {"locked": "false", "locked_indices": []}


def get_instruments(call: Call) -> list[dict[str, object]]:
    if not call.params.has("currency"):  # not in the documentation, but ccxt lists everything this way
        found = call.exchange.catalogue.select("any", call.params.choice("kind", KINDS))
    else:
        found = selected(call)
    return [] if call.params.flag("expired") else [i.record() for i in found]


def get_instrument(call: Call) -> dict[str, object]:
    return instrument_of(call).record()


def get_contract_size(call: Call) -> dict[str, float]:
    return {"contract_size": float(instrument_of(call).contract_size)}


def get_expirations(call: Call) -> dict[str, Any]:
    currency = call.params.currency((*CURRENCIES, "any", "grouped"))
    kind = call.params.choice("kind", ("future", "option", "any"))
    if kind is None:
        raise invalid("kind", "value required")
    kinds = ("option", "future") if kind == "any" else (kind,)
    if currency == "any":
        return _expirations(call, "any", kinds)
    if currency == "grouped":
        return {c.lower(): _expirations(call, c, kinds) for c in CURRENCIES}
    return {currency.lower(): _expirations(call, currency, kinds)}


def _expirations(call: Call, currency: str, kinds: tuple[str, ...]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for kind in kinds:
        codes = {i.expiry_ms: i.expiry_code for i in call.exchange.catalogue.select(currency, kind)}
        out[kind] = [codes[expiry_ms] for expiry_ms in sorted(codes)]
    return out


def get_currencies(_call: Call) -> list[dict[str, Any]]:
    details = {"BTC": ("Bitcoin", "BITCOIN", 8), "ETH": ("Ethereum", "ETHER", 6), "USDC": ("USD Coin", "USDC", 6)}
    return [
        {
            "currency": currency,
            "currency_long": long,
            "coin_type": coin_type,
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0001,
            "withdrawal_priorities": [],
            "network_currency": "ETH" if currency == "USDC" else currency,
            "network_fee": 0.0001,
            "decimals": decimals,
        }
        for currency, (long, coin_type, decimals) in details.items()
    ]


def ticker(call: Call) -> dict[str, Any]:
    return views.ticker(call.exchange, instrument_of(call))


def get_order_book(call: Call) -> dict[str, Any]:
    depth = call.params.integer("depth", 5)
    if depth not in _DEPTHS:
        raise invalid("depth", "invalid value")
    return views.order_book(call.exchange, instrument_of(call), depth)


def get_book_summary_by_currency(call: Call) -> list[dict[str, Any]]:
    return views.summaries(call.exchange, selected(call))


def get_book_summary_by_instrument(call: Call) -> list[dict[str, Any]]:
    return views.summaries(call.exchange, [instrument_of(call)])


def index_names() -> list[str]:
    """Return all index names."""
    return [f"{coin.lower()}_{quote}" for coin in ASSETS for quote in ("usd", "usdc")]


def get_index_price_names(call: Call) -> list[Any]:
    if call.params.flag("extended"):
        return [
            {"name": n, "future_combo_creation_enabled": False, "option_combo_creation_enabled": False}
            for n in index_names()
        ]
    return list(index_names())


def get_index_price(call: Call) -> dict[str, float]:
    name = call.params.required_text("index_name")
    if name not in index_names():
        raise invalid("index_name", "invalid value")
    price = call.exchange.quotes.index(name.partition("_")[0].upper())
    return {"index_price": price, "estimated_delivery_price": price}


async def get_tradingview_chart_data(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    start_ms = call.params.required_integer("start_timestamp")
    end_ms = call.params.required_integer("end_timestamp")
    resolution = call.params.raw.get("resolution")
    text = str(resolution) if isinstance(resolution, int) and not isinstance(resolution, bool) else resolution
    if text is None:
        raise invalid("resolution", "value required")
    if text != "1D" and text not in _RESOLUTIONS:
        raise invalid("resolution", "invalid value")
    if start_ms > end_ms:
        raise invalid("start_timestamp", "invalid value")
    step_ms = DAY_MS if text == "1D" else int(text) * 60_000
    columns = await call.exchange.tape.candles(instrument, start_ms, end_ms, step_ms)
    return {**columns, "status": "ok" if columns["ticks"] else "no_data"}


def get_last_trades_by_instrument(call: Call) -> dict[str, Any]:
    """Return public trades: from `start_timestamp` on, or else the latest."""
    instrument, p = instrument_of(call), call.params
    count = p.within("count", 10, 1, 1_000)
    now_ms = call.exchange.quotes.now_ms()
    start_ms, end_ms = p.integer("start_timestamp"), p.integer("end_timestamp")
    sorting = p.choice("sorting", ("asc", "desc", "default"), "default")
    newest_first = sorting == "desc" or (sorting == "default" and start_ms is None)
    stop_ms = now_ms if end_ms is None else min(end_ms, now_ms)
    begin_ms = stop_ms - trades.window_ms(instrument) if start_ms is None else max(start_ms, HISTORY_START_MS)
    cut = stop_ms - begin_ms > trades.window_ms(instrument)
    if cut and newest_first:
        begin_ms = stop_ms - trades.window_ms(instrument)
    elif cut:
        stop_ms = begin_ms + trades.window_ms(instrument)
    prints = call.exchange.tape.between(instrument, begin_ms, stop_ms)
    keep = prints.sequence >= (p.integer("start_seq", 0) or 0)
    last_seq = p.integer("end_seq")
    if last_seq is not None:
        keep &= prints.sequence <= last_seq
    positions = keep.nonzero()[0].tolist()
    picked = (positions[::-1] if newest_first else positions)[:count]
    found = trades.records(call.exchange, instrument, prints, picked)
    return {"trades": found, "has_more": cut or len(positions) > count}


METHODS: Final[dict[str, Method]] = {
    "public/get_time": get_time,
    "public/test": test,
    "public/hello": hello,
    "public/status": status,
    "public/get_instruments": get_instruments,
    "public/get_instrument": get_instrument,
    "public/get_contract_size": get_contract_size,
    "public/get_expirations": get_expirations,
    "public/get_currencies": get_currencies,
    "public/ticker": ticker,
    "public/get_order_book": get_order_book,
    "public/get_book_summary_by_currency": get_book_summary_by_currency,
    "public/get_book_summary_by_instrument": get_book_summary_by_instrument,
    "public/get_index_price": get_index_price,
    "public/get_index_price_names": get_index_price_names,
    "public/get_tradingview_chart_data": get_tradingview_chart_data,
    "public/get_last_trades_by_instrument": get_last_trades_by_instrument,
    "public/get_last_trades_by_instrument_and_time": get_last_trades_by_instrument,
}
