"""The public methods: market data, names, time. Each takes a call and returns the `result`.

Session matters (auth, heartbeat, subscriptions) live with the connection, in `session.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cerberod.simulator.deribit import views
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument, well_formed
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.listing import INVERSE_COINS
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.market import ASSETS, DAY_MS

VERSION: Final = "1.2.26"
KINDS: Final = ("future", "option", "spot", "future_combo", "option_combo", "any", "combo")
INDEX_QUOTES: Final = ("usd", "usdc", "usdt")
_DEPTHS = (1, 5, 10, 20, 50, 100, 1_000, 10_000)
RESOLUTIONS: Final = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D")


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


def window_of(call: Call) -> tuple[int, int]:
    """Return the required `start_timestamp` and `end_timestamp`."""
    start_ms = call.params.required_integer("start_timestamp")
    end_ms = call.params.required_integer("end_timestamp")
    if start_ms > end_ms:
        raise invalid("start_timestamp", "invalid value")
    return start_ms, end_ms


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
    return [] if call.params.flag("expired") else [_record(call, i) for i in found]


def _record(call: Call, instrument: Instrument) -> dict[str, object]:
    return instrument.record(active=call.exchange.catalogue.active(instrument))


def get_instrument(call: Call) -> dict[str, object]:
    return _record(call, instrument_of(call))


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


_COINS = {  # currency: long name, coin type, network, decimals
    "BTC": ("Bitcoin", "BITCOIN", "BTC", 8),
    "ETH": ("Ethereum", "ETHER", "ETH", 6),
    "USDC": ("USD Coin", "USDC", "ETH", 6),
    "USDT": ("Tether USD", "USDT", "ETH", 6),
    "SOL": ("Solana", "SOL", "SOL", 9),
    "XRP": ("XRP", "XRP", "XRP", 6),
    "EURR": ("StablR Euro", "EURR", "ETH", 6),
}


def get_currencies(_call: Call) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency,
            "currency_long": long,
            "coin_type": coin_type,
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0001,
            "withdrawal_priorities": [
                {"value": 0.15, "name": "very_low"},
                {"value": 1.5, "name": "very_high"},
            ]
            if currency == "BTC"
            else [],
            "network_currency": network,
            "network_fee": 0.0001,
            "decimals": decimals,
        }
        for currency, (long, coin_type, network, decimals) in _COINS.items()
    ]


def ticker(call: Call) -> dict[str, Any]:
    return views.ticker(call.exchange, instrument_of(call))


def get_order_book(call: Call) -> dict[str, Any]:
    return views.order_book(call.exchange, instrument_of(call), _depth(call))


def _depth(call: Call) -> int:
    depth = call.params.integer("depth", 5)
    if depth not in _DEPTHS:
        raise invalid("depth", "invalid value")
    return depth


def get_order_book_by_instrument_id(call: Call) -> dict[str, Any]:
    wanted = call.params.required_integer("instrument_id")
    found = next((i for i in call.exchange.catalogue.live().values() if i.instrument_id == wanted), None)
    if found is None:
        raise invalid("instrument_id", "instrument not found")
    return views.order_book(call.exchange, found, _depth(call))


def get_book_summary_by_currency(call: Call) -> list[dict[str, Any]]:
    return views.summaries(call.exchange, selected(call))


def get_book_summary_by_instrument(call: Call) -> list[dict[str, Any]]:
    return views.summaries(call.exchange, [instrument_of(call)])


def index_names() -> list[str]:
    """Return all index names."""
    return [f"{coin.lower()}_{quote}" for coin in ASSETS for quote in INDEX_QUOTES]


def index_coin(call: Call) -> str:
    """Return the coin whose index `index_name` names."""
    name = call.params.required_text("index_name")
    if name not in index_names():
        raise invalid("index_name", "invalid value")
    return name.partition("_")[0].upper()


def get_index_price_names(call: Call) -> list[Any]:
    if not call.params.flag("extended"):
        return list(index_names())
    combos = {f"{coin.lower()}_usd" for coin in INVERSE_COINS}
    return [
        {"name": name, "future_combo_creation_enabled": name in combos, "option_combo_creation_enabled": name in combos}
        for name in index_names()
    ]


def get_supported_index_names(call: Call) -> list[Any]:
    wanted = call.params.choice("type", ("all", "spot", "derivative"), "all")
    shown = {"all": INDEX_QUOTES, "spot": ("usdc", "usdt"), "derivative": ("usd", "usdc")}[wanted or "all"]
    names = [name for name in index_names() if name.partition("_")[2] in shown]
    return [row for row in get_index_price_names(call) if (row["name"] if isinstance(row, dict) else row) in names]


def get_index_price(call: Call) -> dict[str, float]:
    price = call.exchange.quotes.index(index_coin(call))
    return {"index_price": price, "estimated_delivery_price": price}


async def get_tradingview_chart_data(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    start_ms, end_ms = window_of(call)
    text = call.params.resolution(RESOLUTIONS)
    step_ms = DAY_MS if text == "1D" else int(text) * 60_000
    columns = await call.exchange.tape.candles(instrument, start_ms, end_ms, step_ms)
    return {**columns, "status": "ok" if columns["ticks"] else "no_data"}


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
    "public/get_order_book_by_instrument_id": get_order_book_by_instrument_id,
    "public/get_book_summary_by_currency": get_book_summary_by_currency,
    "public/get_book_summary_by_instrument": get_book_summary_by_instrument,
    "public/get_index_price": get_index_price,
    "public/get_index_price_names": get_index_price_names,
    "public/get_supported_index_names": get_supported_index_names,
    "public/get_tradingview_chart_data": get_tradingview_chart_data,
}
