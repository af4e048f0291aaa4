"""Channels of one connection: which it listens to, and what each has to say now.

Market channels are looked at four times a second and speak when something changed; a user's own orders and trades are
told at once, every one. `raw` needs a login, and a channel nobody may have is silently missing from the answer, as at
the venue.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cerberod.simulator.deribit import views
from cerberod.simulator.deribit.cancels import is_kind
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.market_channels import Reader, reader_of
from cerberod.simulator.deribit.money import account_record, position_record
from cerberod.simulator.deribit.orders import Order, UserTrade
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.public import KINDS
from cerberod.simulator.deribit.trades import since as trades_of
from cerberod.simulator.deribit.wire import VenueError, invalid, write_notification
from cerberod.simulator.matching import Side

_INTERVALS = ("raw", "100ms", "agg2")
_DEPTHS = ("1", "10", "20")
_MOST_CHANNELS = 500
_BOOK_LEVELS = 10_000

METHODS: Final = frozenset(
    f"{area}/{verb}" for area in ("public", "private") for verb in ("subscribe", "unsubscribe", "unsubscribe_all")
)


@dataclass
class Channel:
    """One subscription. `target` is an instrument, `kind.currency`, or an index name; `last` is what was said last."""

    name: str
    topic: str
    target: str
    raw: bool = False
    depth: int = 0
    last: Any = field(default=None, repr=False)
    change_id: int = 0
    reader: Reader | None = None


def parse_channel(name: str, exchange: Exchange) -> Channel | None:
    """Read a channel's name; None if there is no such channel."""
    parts = name.split(".")
    live = exchange.catalogue.live()
    match parts:
        case ["ticker" | "book" | "trades" as topic, target, interval] if target in live and interval in _INTERVALS:
            return Channel(name, topic, target, raw=interval == "raw")
        case ["book", target, "none", depth, "100ms" | "agg2"] if target in live and depth in _DEPTHS:
            return Channel(name, "grouped", target, depth=int(depth))
        case ["quote", target] if target in live:
            return Channel(name, "quote", target)
        case ["trades", kind, currency, interval] if interval in _INTERVALS:
            if kind in KINDS and currency in (*CURRENCIES, "any"):
                return Channel(name, "currency", f"{kind}.{currency}", raw=interval == "raw")
        case ["user", "portfolio", target] if target.upper() in (*CURRENCIES, "ANY"):
            return Channel(name, "user.portfolio", target.upper())
        case ["user", "orders" | "trades" | "changes" | "combo_trades" as topic, target, interval] if (
            interval in _INTERVALS
        ):
            return Channel(name, f"user.{topic}", target, raw=interval == "raw") if target in live else None
        case ["user", "orders" | "trades" | "changes" | "combo_trades" as topic, kind, currency, interval] if (
            interval in _INTERVALS
        ):
            if kind in KINDS and currency in (*CURRENCIES, "any"):
                return Channel(name, f"user.{topic}", f"{kind}.{currency}", raw=interval == "raw")
        case _:
            reader = reader_of(parts, exchange)
            if reader is not None:
                return Channel(name, "reading", parts[-1], raw=parts[-1] == "raw", reader=reader)
    return None


class Subscriptions:
    """The channels of one connection."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._channels: dict[str, Channel] = {}

    def call(self, method: str, params: Params, exchange: Exchange, reads_trades: bool) -> Any:
        """Run one of METHODS; `reads_trades` tells whether the connection may see orders."""
        verb = method.partition("/")[2]
        if verb == "unsubscribe_all":
            self._channels.clear()
            return "ok"
        names = _names(params)
        if verb == "unsubscribe":
            return [name for name in names if self._channels.pop(name, None) is not None]
        parsed = [channel for name in names if (channel := parse_channel(name, exchange)) is not None]
        if any(channel.raw for channel in parsed) and not reads_trades:
            raise VenueError(13778)
        allowed = [c for c in parsed if reads_trades or not c.topic.startswith("user.")]
        if len(self._channels.keys() | {c.name for c in allowed}) > _MOST_CHANNELS:
            raise invalid("channels", f"at most {_MOST_CHANNELS} channels")
        for channel in allowed:
            if channel.topic in ("trades", "currency"):
                channel.last = exchange.quotes.now_ms()  # told is what trades from here on
            self._channels.setdefault(channel.name, channel)
        return [channel.name for channel in allowed]

    # What is said

    def publish(self, exchange: Exchange) -> None:
        """Say what changed on the market channels."""
        for channel in list(self._channels.values()):
            if channel.topic.startswith("user."):
                continue
            if channel.reader is not None:
                self._say_if_new(channel, channel.reader(exchange))
                continue
            if channel.topic == "currency":
                kind, _, currency = channel.target.partition(".")
                self._trades(channel, exchange, exchange.catalogue.select(currency, kind))
                continue
            instrument = exchange.catalogue.get(channel.target)
            if instrument is None:
                del self._channels[channel.name]
            else:
                self._publish(channel, exchange, instrument)

    def _publish(self, channel: Channel, exchange: Exchange, instrument: Instrument) -> None:
        match channel.topic:
            case "ticker":
                self._say_if_new(channel, views.ticker(exchange, instrument))
            case "quote":
                ticker = views.ticker(exchange, instrument)
                best = ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")
                told = ("timestamp", "instrument_name", *best)
                self._say_if_new(channel, {name: ticker[name] for name in told})
            case "grouped":
                book = views.order_book(exchange, instrument, channel.depth)
                shown = ("timestamp", "instrument_name", "change_id", "bids", "asks")
                self._say_if_new(channel, {name: book[name] for name in shown})
            case "trades":
                self._trades(channel, exchange, [instrument])
            case _:
                self._book(channel, exchange, instrument)

    def _say_if_new(self, channel: Channel, data: Any) -> None:
        telling = [_lasting(row) for row in data] if isinstance(data, list) else data and _lasting(data)
        if telling and telling != channel.last:
            channel.last = telling
            self._say(channel, data)

    def _say(self, channel: Channel, data: Any) -> None:
        self._send(write_notification("subscription", {"channel": channel.name, "data": data}))

    def _trades(self, channel: Channel, exchange: Exchange, instruments: list[Instrument]) -> None:
        now_ms = exchange.quotes.now_ms()
        fresh = trades_of(exchange, instruments, channel.last + 1, now_ms)
        if fresh:
            channel.last = fresh[-1]["timestamp"]
            self._say(channel, fresh)

    def _book(self, channel: Channel, exchange: Exchange, instrument: Instrument) -> None:
        """Say a snapshot first, then only what changed, chained by change ids."""
        book = exchange.book(instrument)
        now = {side: dict(book.depth(side, _BOOK_LEVELS)) for side in Side}
        before: dict[Side, dict[Any, Any]] | None = channel.last
        if now == before:
            return
        data: dict[str, Any] = {
            "type": "snapshot" if before is None else "change",
            "timestamp": exchange.quotes.moment(),
            "instrument_name": instrument.name,
            "change_id": max(views.change_id(exchange, book), channel.change_id + 1),
        }
        if before is not None:
            data["prev_change_id"] = channel.change_id
        for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks")):
            data[name] = _changes({} if before is None else before[side], now[side])
        channel.last, channel.change_id = now, data["change_id"]
        self._say(channel, data)

    def tell(self, exchange: Exchange, instrument: Instrument, orders: list[Order], trades: list[UserTrade]) -> None:
        """Say what became of the user's own orders."""
        for channel in self._channels.values():
            if channel.topic == "user.portfolio":
                if channel.target in ("ANY", instrument.currency):
                    self._portfolio(channel, exchange, instrument.currency)
                continue
            if not channel.topic.startswith("user.") or not _concerns(channel.target, instrument):
                continue
            if channel.topic == "user.combo_trades":
                packages = [trade.fields for trade in trades if trade.legs]
                if packages:
                    self._say(channel, packages)
            elif channel.topic == "user.orders":
                records = [order.record() for order in orders]
                for data in records if channel.raw else [records] if records else []:
                    self._say(channel, data)
            elif channel.topic == "user.trades":
                if trades:
                    self._say(channel, [trade.fields for trade in trades])
            else:
                held = exchange.account.positions.get(instrument.name)
                positions = [position_record(exchange, instrument, held)] if held and trades else []
                self._say(
                    channel,
                    {
                        "instrument_name": instrument.name,
                        "orders": [order.record() for order in orders],
                        "trades": [trade.fields for trade in trades],
                        "positions": positions,
                    },
                )

    def _portfolio(self, channel: Channel, exchange: Exchange, currency: str) -> None:
        """Say what an account is worth after whatever happened in its currency."""
        record = account_record(exchange, currency)
        self._say(channel, {name: value for name, value in record.items() if name not in ("limits", "fees")})


def _names(params: Params) -> list[str]:
    names = params.raw.get("channels")
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names) or len(names) > _MOST_CHANNELS:
        raise invalid("channels", "wrong format")
    return list(dict.fromkeys(names))


def _concerns(target: str, instrument: Instrument) -> bool:
    kind, _, currency = target.partition(".")
    if not currency:
        return target == instrument.name
    return is_kind(kind, instrument) and currency in ("any", instrument.currency)


def _lasting(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is new in every reading."""
    return {name: value for name, value in data.items() if name not in ("timestamp", "change_id")}


def _changes(before: dict[Any, Any], now: dict[Any, Any]) -> list[list[Any]]:
    """Return `[action, price, amount]` for each level that is new, changed or gone."""
    out: list[list[Any]] = []
    for price, amount in now.items():
        if price not in before:
            out.append(["new", float(price), float(amount)])
        elif before[price] != amount:
            out.append(["change", float(price), float(amount)])
    return out + [["delete", float(price), 0.0] for price in before if price not in now]
