"""The private methods that read orders and trades. Each takes a call, returns the `result`."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from cerberod.simulator.accounts import ZERO, order_margin
from cerberod.simulator.deribit.cancels import is_kind, of_kind_and_type
from cerberod.simulator.deribit.ledger import CURRENCIES
from cerberod.simulator.deribit.money import POSITION_READS, coin
from cerberod.simulator.deribit.orders import Order, UserTrade
from cerberod.simulator.deribit.public import KINDS, Call, Method, instrument_of
from cerberod.simulator.deribit.wire import invalid
from cerberod.simulator.market import DAY_MS

_RECENT_ORDERS_MS = 1_800_000
_MOST_IDS = 100

_Row = TypeVar("_Row")


# Orders


def get_open_orders(call: Call) -> list[dict[str, object]]:
    return _records(of_kind_and_type(call, call.exchange.blotter.open_orders()))


def get_open_orders_by_currency(call: Call) -> list[dict[str, object]]:
    currency = call.params.currency(CURRENCIES)
    return _records(
        of_kind_and_type(call, (o for o in call.exchange.blotter.open_orders() if o.instrument.currency == currency))
    )


def get_open_orders_by_instrument(call: Call) -> list[dict[str, object]]:
    instrument = instrument_of(call)
    return _records(
        of_kind_and_type(call, (o for o in call.exchange.blotter.open_orders() if o.instrument == instrument))
    )


def get_open_orders_by_label(call: Call) -> list[dict[str, object]]:
    return _records([o for o in _labelled(call) if o.open])


def get_order_state(call: Call) -> dict[str, object]:
    return call.exchange.blotter.find(call.params.required_text("order_id")).record()


def get_order_state_by_label(call: Call) -> list[dict[str, object]]:
    return _records(_labelled(call))


def _labelled(call: Call) -> list[Order]:
    currency = call.params.currency(CURRENCIES)
    label = call.params.required_text("label")
    return [o for o in call.exchange.blotter.orders.values() if o.label == label and o.instrument.currency == currency]


def get_order_history_by_currency(call: Call) -> Any:
    currency = call.params.currency(CURRENCIES)
    kind = call.params.choice("kind", KINDS)
    return _history(
        call,
        [
            o
            for o in call.exchange.blotter.orders.values()
            if o.instrument.currency == currency and is_kind(kind, o.instrument)
        ],
    )


def get_order_history_by_instrument(call: Call) -> Any:
    name = _past_instrument(call)
    return _history(call, [o for o in call.exchange.blotter.orders.values() if o.instrument.name == name])


def _past_instrument(call: Call) -> str:
    """Return the instrument a history is asked of, which may have expired since."""
    name, catalogue = call.params.required_text("instrument_name"), call.exchange.catalogue
    over = catalogue.expired(name) is not None or catalogue.combo(name) is not None
    return name if over else instrument_of(call).name


def _history(call: Call, orders: list[Order]) -> Any:
    """Newest first; orders that ended without a fill only if asked for. With a continuation the shape is another."""
    count = call.params.within("count", 20, 1, 1_000)
    offset = call.params.within("offset", 0, 0, 1_000_000)
    unfilled = bool(call.params.flag("include_unfilled"))
    old = bool(call.params.flag("include_old"))
    oldest_ms = call.exchange.quotes.now_ms() - _RECENT_ORDERS_MS
    chosen = [
        o
        for o in reversed(orders)
        if not o.open
        and (unfilled or o.filled > 0)
        and (old or (o.updated_ms >= oldest_ms) is not bool(call.params.flag("historical")))
    ]
    if not call.params.flag("with_continuation"):
        return _records(chosen[offset : offset + count])
    page, continuation = page_of(call, chosen, count, lambda o: o.order_id)
    return {"entries": _records(page), "continuation": continuation}


def page_of(call: Call, rows: list[_Row], count: int, name: Callable[[_Row], str]) -> tuple[list[_Row], str | None]:
    """Return a page of rows, newest first, and what continues it: the name of the last row told, None at the end."""
    after = call.params.text("continuation")
    if after is not None:
        found = next((position for position, row in enumerate(rows) if name(row) == after), None)
        if found is None:
            raise invalid("continuation", "invalid value")
        rows = rows[found + 1 :]
    page = rows[:count]
    return page, name(page[-1]) if len(rows) > count else None


def get_trigger_order_history(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    wanted = instrument_of(call) if call.params.has("instrument_name") else None
    count = call.params.within("count", 20, 1, 1_000)
    entries = [
        entry
        for entry in reversed(call.exchange.blotter.trigger_history.entries)
        if entry.instrument.currency == currency and wanted in (None, entry.instrument)
    ]
    page, continuation = page_of(call, entries, count, lambda entry: entry.mark)
    return {"entries": [entry.fields for entry in page], "continuation": continuation}


def get_order_margin_by_ids(call: Call) -> list[dict[str, object]]:
    ids = call.params.raw.get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids) or not 0 < len(ids) <= _MOST_IDS:
        raise invalid("ids", "wrong format")
    out: list[dict[str, object]] = []
    for order in (call.exchange.blotter.find(one) for one in ids):
        views = call.exchange.margin.views(order) if order.resting else []
        margin = coin(sum((order_margin(view) for view in views), ZERO))
        currency = order.instrument.currency
        out.append({"order_id": order.order_id, "initial_margin": margin, "initial_margin_currency": currency})
    return out


def _records(orders: Iterable[Order]) -> list[dict[str, object]]:
    return [order.record() for order in orders]


# Trades


def get_user_trades_by_currency(call: Call) -> dict[str, Any]:
    currency = call.params.currency(CURRENCIES)
    kind = call.params.choice("kind", KINDS)
    return _trades(
        call, [t for t in call.exchange.trades if t.instrument.currency == currency and is_kind(kind, t.instrument)]
    )


def get_user_trades_by_currency_and_time(call: Call) -> dict[str, Any]:
    _demand_window(call)
    return get_user_trades_by_currency(call)


def get_user_trades_by_instrument(call: Call) -> dict[str, Any]:
    name = _past_instrument(call)
    return _trades(call, [t for t in call.exchange.trades if t.instrument.name == name])


def get_user_trades_by_instrument_and_time(call: Call) -> dict[str, Any]:
    _demand_window(call)
    return get_user_trades_by_instrument(call)


def _demand_window(call: Call) -> None:
    for name in ("start_timestamp", "end_timestamp"):
        call.params.required_integer(name)


def get_user_trades_by_order(call: Call) -> list[dict[str, object]]:
    order_id = call.params.required_text("order_id")
    found = [t.fields for t in call.exchange.trades if t.order_id == order_id]
    return found[::-1] if call.params.choice("sorting", ("asc", "desc", "default")) == "desc" else found


def _trades(call: Call, trades: list[UserTrade]) -> dict[str, Any]:
    p = call.params
    count = p.within("count", 10, 1, 1_000)
    start_ms, end_ms = p.integer("start_timestamp"), p.integer("end_timestamp")
    first, last = _trade_number(call, "start"), _trade_number(call, "end")
    sorting = p.choice("sorting", ("asc", "desc", "default"), "default")
    recent_ms = call.exchange.quotes.now_ms() - DAY_MS
    historical = bool(p.flag("historical"))
    chosen = [
        t
        for t in trades
        if (start_ms is None or t.time_ms >= start_ms)
        and (end_ms is None or t.time_ms <= end_ms)
        and (first is None or t.sequence >= first)
        and (last is None or t.sequence <= last)
        and (t.time_ms >= recent_ms) is not historical
    ]
    if sorting != "asc":
        chosen.reverse()
    return {"trades": [t.fields for t in chosen[:count]], "has_more": len(chosen) > count}


def _trade_number(call: Call, end: str) -> int | None:
    """Return where a page of trades begins or ends: `…_seq` is a number, `…_id` a trade's id."""
    number = call.params.integer(f"{end}_seq")
    trade_id = call.params.text(f"{end}_id")
    if number is not None or trade_id is None:
        return number
    digits = trade_id.rpartition("-")[2]
    if not (digits.isascii() and digits.isdigit()):
        raise invalid(f"{end}_id", "wrong format")
    return int(digits)


ORDER_READS: Final[dict[str, Method]] = {
    "private/get_open_orders": get_open_orders,
    "private/get_open_orders_by_currency": get_open_orders_by_currency,
    "private/get_open_orders_by_instrument": get_open_orders_by_instrument,
    "private/get_open_orders_by_label": get_open_orders_by_label,
    "private/get_order_state": get_order_state,
    "private/get_order_state_by_label": get_order_state_by_label,
    "private/get_order_history_by_currency": get_order_history_by_currency,
    "private/get_order_history_by_instrument": get_order_history_by_instrument,
    "private/get_trigger_order_history": get_trigger_order_history,
    "private/get_order_margin_by_ids": get_order_margin_by_ids,
    "private/get_user_trades_by_currency": get_user_trades_by_currency,
    "private/get_user_trades_by_currency_and_time": get_user_trades_by_currency_and_time,
    "private/get_user_trades_by_instrument": get_user_trades_by_instrument,
    "private/get_user_trades_by_instrument_and_time": get_user_trades_by_instrument_and_time,
    "private/get_user_trades_by_order": get_user_trades_by_order,
} | POSITION_READS
