"""Reading orders and executions: open and lately closed ones, history, fills. Newest first, as the venue lists them."""

from typing import Final

from cerberod.simulator.bybit.calls import Call, Routes, listed
from cerberod.simulator.bybit.orders import Order
from cerberod.simulator.bybit.paging import page, window
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError
from cerberod.simulator.market import DAY_MS

_CLOSED_KEPT = 500


def _selected(call: Call, category: str) -> list[Order]:
    """Return the processed orders that a call selects, newest first: an id goes before a link id before a symbol."""
    p, exchange = call.params, call.exchange
    order_id, link_id, symbol = p.text("orderId"), p.text("orderLinkId"), p.text("symbol")
    if symbol:
        listed(exchange, category, symbol)
    base, settle = p.text("baseCoin"), p.text("settleCoin")
    wanted = p.choice("orderFilter", ("Order", "StopOrder", "tpslOrder"))
    found = [o for o in exchange.blotter.orders.values() if o.seen and o.instrument.category == category]
    if order_id:
        found = [o for o in found if o.order_id == order_id]
    elif link_id:
        found = [o for o in found if o.link_id == link_id]
    else:
        found = [
            o
            for o in found
            if symbol in ("", o.instrument.symbol)
            and base in ("", o.instrument.base)
            and settle in ("", o.instrument.settle)
        ]
    if wanted:
        found = [o for o in found if (wanted == "Order") is (o.trigger is None)]
    return sorted(found, key=lambda o: o.number, reverse=True)


def realtime(call: Call) -> Reply:
    p = call.params
    category = p.category()
    by_id = p.has("orderId") or p.has("orderLinkId")
    if category == "linear" and not by_id and not any(p.has(n) for n in ("symbol", "baseCoin", "settleCoin")):
        raise VenueError(PARAMETER, "params error: symbol, settleCoin or baseCoin is required")
    found = _selected(call, category)
    if not by_id:
        closed = p.whole("openOnly", 0) == 1
        found = [o for o in found if o.open is not closed][: _CLOSED_KEPT if closed else len(found)]
    return _listed(call, category, found, 50, 20)


def history(call: Call) -> Reply:
    """Closed orders; those that ended without a fill are forgotten after a day."""
    p = call.params
    category = p.category()
    now_ms = call.exchange.quotes.now_ms()
    start, end = window(p, now_ms)
    found = [
        o
        for o in _selected(call, category)
        if not o.open and start <= o.created_ms <= end and (o.filled > 0 or o.updated_ms > now_ms - DAY_MS)
    ]
    status = p.text("orderStatus")
    if status:
        found = [o for o in found if o.status == status]
    return _listed(call, category, found, 50, 20)


def _listed(call: Call, category: str, found: list[Order], most: int, default: int) -> Reply:
    rows, cursor = page(found, call.params, call.params.limit(default, most), lambda o: o.order_id)
    return Reply({"nextPageCursor": cursor, "category": category, "list": [o.record() for o in rows]})


def executions(call: Call) -> Reply:
    p, exchange = call.params, call.exchange
    category = p.category()
    start, end = window(p, exchange.quotes.now_ms())
    symbol, order_id, link_id = p.text("symbol"), p.text("orderId"), p.text("orderLinkId")
    base, kind = p.text("baseCoin"), p.text("execType")
    if category == "option" and not symbol and not base:
        base = "BTC"
    found = [
        e
        for e in reversed(exchange.ledger.executions)
        if e.instrument.category == category
        and start <= e.time_ms <= end
        and symbol in ("", e.instrument.symbol)
        and base in ("", e.instrument.base)
        and kind in ("", e.exec_type)
        and order_id in ("", e.order_id)
        and (order_id or link_id in ("", e.link_id))
    ]
    rows, cursor = page(found, p, p.limit(50, 100), lambda e: str(e.fields["execId"]))
    return Reply({"nextPageCursor": cursor, "category": category, "list": [e.fields for e in rows]})


ROUTES: Final[Routes] = {
    "/v5/order/realtime": realtime,
    "/v5/order/history": history,
    "/v5/execution/list": executions,
}
