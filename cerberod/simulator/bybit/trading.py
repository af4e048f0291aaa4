"""Placing, amending and cancelling orders one by one. What a method answers is an acknowledgement, nothing more."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.bybit.calls import Call, Routes, instrument_of, listed
from cerberod.simulator.bybit.checks import AmendRequest, OrderRequest
from cerberod.simulator.bybit.exchange import Exchange
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import SIDES, TIMES_IN_FORCE, Order, Protection, Trigger
from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.wire import PARAMETER, Reply, VenueError, bad
from cerberod.simulator.matching import ZERO, Side

_PRICES = ("LastPrice", "IndexPrice", "MarkPrice")
_FILTERS = ("Order", "tpslOrder", "StopOrder")
_SMP = ("None", "CancelMaker", "CancelTaker", "CancelBoth")
_MOST_CANCELLED = 500


def create(call: Call) -> Reply:
    return Reply(call.exchange.place(order_request(call.exchange, call.params, call.params.category())).ids())


def order_request(exchange: Exchange, p: Params, category: str) -> OrderRequest:
    """Read a new order's parameters."""
    i = listed(exchange, category, p.required("symbol"))
    side = SIDES[p.required_choice("side", tuple(SIDES))]
    market = p.required_choice("orderType", ("Market", "Limit")) == "Market"
    qty = p.decimal("qty")
    if qty is None:
        raise VenueError(PARAMETER, "params error: qty is required")
    reduce_only = p.flag("reduceOnly")
    unit = p.choice("marketUnit", ("baseCoin", "quoteCoin"), "quoteCoin" if side is Side.BUY else "baseCoin")
    trigger = _trigger(exchange, i, p)
    return OrderRequest(
        i,
        side,
        qty,
        market,
        price=None if market else p.decimal("price"),
        time_in_force=p.choice("timeInForce", TIMES_IN_FORCE, "GTC"),
        position_idx=0 if i.spot else p.whole("positionIdx", 0) or 0,
        link_id=p.text("orderLinkId"),
        reduce_only=reduce_only and not i.spot,
        close_on_trigger=p.flag("closeOnTrigger"),
        in_quote=i.spot and market and unit == "quoteCoin",
        trigger=trigger,
        protection=protection(p, Protection()),
        volatility=p.text("orderIv"),
        is_leverage=str(p.whole("isLeverage", 0)) if i.spot else "",
        smp_type=p.choice("smpType", _SMP, "None"),
        stop_type="" if trigger is None else "tpslOrder" if p.text("orderFilter") == "tpslOrder" else "Stop",
    )


def _trigger(exchange: Exchange, i: Instrument, p: Params) -> Trigger | None:
    """Read the condition; a derivative names its direction, for spot it follows from the present price."""
    p.choice("orderFilter", _FILTERS, "Order")
    price = p.decimal("triggerPrice")
    if price is None or price == 0:
        return None
    by = p.choice("triggerBy", _PRICES, "LastPrice")
    if i.spot:
        return Trigger(price, rises=price > exchange.quotes.trigger_price(i, "LastPrice"))
    direction = p.whole("triggerDirection")
    if direction not in (1, 2):
        raise bad("triggerDirection")
    return Trigger(price, rises=direction == 1, by=by)


def protection(p: Params, before: Protection) -> Protection:
    """Read take profit and stop loss over what was there; "0" takes one away."""
    changes: dict[str, Any] = {}
    for name, field in (
        ("takeProfit", "take_profit"),
        ("stopLoss", "stop_loss"),
        ("tpLimitPrice", "tp_limit"),
        ("slLimitPrice", "sl_limit"),
    ):
        value = p.decimal(name)
        if value is not None:
            changes[field] = value if value > 0 else None
    for name, field in (("tpTriggerBy", "tp_by"), ("slTriggerBy", "sl_by")):
        if p.has(name):
            changes[field] = p.choice(name, _PRICES)
    if p.has("tpslMode"):
        changes["mode"] = p.required_choice("tpslMode", ("Full", "Partial"))
    after = replace(before, **changes)
    if not after.any:
        return Protection()
    return replace(
        after,
        mode=after.mode or "Full",
        tp_by=after.tp_by or ("LastPrice" if after.take_profit is not None else ""),
        sl_by=after.sl_by or ("LastPrice" if after.stop_loss is not None else ""),
    )


# Amend and cancel


def named_order(exchange: Exchange, p: Params, category: str, late: str = "cancel") -> Order:
    """Return the order that a call names by orderId or orderLinkId."""
    order_id, link_id = p.text("orderId"), p.text("orderLinkId")
    if not order_id and not link_id:
        raise VenueError(PARAMETER, "params error: OrderId or orderLinkId is required")
    i = listed(exchange, category, p.required("symbol"))
    order = exchange.blotter.find(category, order_id, link_id)
    if order is None or order.instrument.key != i.key:
        raise VenueError(170213) if i.spot else VenueError(110001, f"order not exists or too late to {late}")
    return order


def amend(call: Call) -> Reply:
    return Reply(amended(call.exchange, call.params, call.params.category()).ids())


def amended(exchange: Exchange, p: Params, category: str) -> Order:
    """Accept one amendment."""
    order = named_order(exchange, p, category, "replace")
    protected = any(p.has(name) for name in ("takeProfit", "stopLoss", "tpslMode", "tpLimitPrice", "slLimitPrice"))
    qty, price, trigger = p.decimal("qty"), p.decimal("price"), p.decimal("triggerPrice")
    if (qty, price, trigger) == (None, None, None) and not protected and not p.has("orderIv"):
        raise VenueError(PARAMETER, "params error: nothing to amend")
    change = AmendRequest(qty, price, trigger, protection(p, order.protection) if protected else None)
    exchange.amend(order, change)
    return order


def cancel(call: Call) -> Reply:
    return Reply(cancelled(call.exchange, call.params, call.params.category()).ids())


def cancelled(exchange: Exchange, p: Params, category: str) -> Order:
    """Accept one cancellation."""
    order = named_order(exchange, p, category)
    wanted = p.choice("orderFilter", _FILTERS, "Order")
    if category == "spot" and (order.status == "Untriggered") is (wanted == "Order"):
        raise VenueError(170213)
    exchange.cancel(order)
    return order


def cancel_all(call: Call) -> Reply:
    p, exchange = call.params, call.exchange
    category = p.category()
    symbol, base, settle = p.text("symbol"), p.text("baseCoin"), p.text("settleCoin")
    if category in ("linear", "inverse") and not (symbol or base or settle):
        raise VenueError(PARAMETER, "params error: symbol, baseCoin or settleCoin is required")
    if symbol:
        instrument_of(call, category)
        base = settle = ""
    wanted = p.choice("orderFilter", _FILTERS)
    if category == "spot":
        wanted = wanted or "Order"
    found = [
        o
        for o in exchange.blotter.open_orders()
        if o.instrument.category == category
        and symbol in ("", o.instrument.symbol)
        and base in ("", o.instrument.base)
        and settle in ("", o.instrument.settle)
        and (not wanted or (wanted == "Order") is (o.status != "Untriggered"))
    ][:_MOST_CANCELLED]
    for order in found:
        exchange.cancel(order)
    return Reply({"list": [order.ids() for order in found], "success": "1"})


def pre_check(call: Call) -> Reply:
    """Tell what an order would do to the margin rates, in ten-thousandths, without placing it."""
    exchange = call.exchange
    category = call.params.category(("linear", "inverse", "option", "spot"))
    order = exchange.checked(order_request(exchange, call.params, category))
    before = exchange.margin.totals()
    coin, tied = exchange.margin.of_order(order)
    dollars = ZERO if order.instrument.spot else tied * exchange.margin.usd(coin)

    def rate(margin: Decimal) -> int:
        return int(before.rate(margin) * 10_000)

    return Reply(
        order.ids()
        | {
            "preImrE4": rate(before.initial),
            "preMmrE4": rate(before.maintenance),
            "postImrE4": rate(before.initial + dollars),
            "postMmrE4": rate(before.maintenance + dollars / 20),
        }
    )


ROUTES: Final[Routes] = {
    "/v5/order/create": create,
    "/v5/order/amend": amend,
    "/v5/order/cancel": cancel,
    "/v5/order/cancel-all": cancel_all,
    "/v5/order/pre-check": pre_check,
}
