"""The private methods that trade: place, edit, cancel, close. Each takes a call and returns the `result`."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.deribit.exchange import CURRENCIES
from cerberod.simulator.deribit.orders import EditRequest, Order, OrderRequest, UserTrade
from cerberod.simulator.deribit.public import KINDS, Call, Method, instrument_of
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.matching import Lifetime, Side

_TYPES = ("limit", "market", "stop_limit", "stop_market", "take_limit", "take_market", "market_limit", "trailing_stop")
_NOT_HERE = (
    "advanced",
    "trigger",
    "trigger_price",
    "trigger_offset",
    "linked_order_type",
    "otoco_config",
    "display_amount",
)
_LONGEST_LABEL = 64
ORDER_TYPES: Final = (
    "all",
    "limit",
    "trigger_all",
    "stop_all",
    "stop_limit",
    "stop_market",
    "take_all",
    "take_limit",
    "take_market",
    "trailing_all",
    "trailing_stop",
    "stop",
    "take",
)


def buy(call: Call) -> dict[str, Any]:
    return _placed(call, Side.BUY)


def sell(call: Call) -> dict[str, Any]:
    return _placed(call, Side.SELL)


def _placed(call: Call, side: Side) -> dict[str, Any]:
    p = call.params
    instrument = instrument_of(call)
    order_type = p.choice("type", _TYPES, "limit")
    if order_type not in ("limit", "market") or any(p.has(name) for name in _NOT_HERE) or p.flag("mmp"):
        raise VenueError(10033)
    market = order_type == "market"
    price = p.number("price")
    if market:
        if p.has("time_in_force"):
            raise invalid("time_in_force", "invalid value")
        price = None
    elif price is None:
        raise invalid("price", "value required")
    lifetime = Lifetime(p.choice("time_in_force", [t.value for t in Lifetime]) or Lifetime.GOOD_TIL_CANCELLED.value)
    post_only = bool(p.flag("post_only"))
    if post_only and (market or lifetime in (Lifetime.IMMEDIATE_OR_CANCEL, Lifetime.FILL_OR_KILL)):
        raise VenueError(11055)
    label = p.text("label", longest=_LONGEST_LABEL) or ""
    request = OrderRequest(
        instrument=instrument,
        side=side,
        amount=_amount(call, instrument.contract_size, required=True),
        market=market,
        price=price,
        lifetime=lifetime,
        label=label,
        post_only=post_only,
        reject_post_only=bool(p.flag("reject_post_only")),
        reduce_only=bool(p.flag("reduce_only")),
        valid_until_ms=p.integer("valid_until"),
    )
    return placed_result(*call.exchange.place(request, call.connection))


def _amount(call: Call, contract_size: Decimal, required: bool) -> Decimal:
    """Return `amount`, or `contracts` as an amount; both given must agree. Zero if neither is given nor required."""
    amount, contracts = call.params.number("amount"), call.params.number("contracts")
    if contracts is not None:
        from_contracts = contracts * contract_size
        if amount is not None and amount != from_contracts:
            raise invalid("contracts", "must agree with amount")
        amount = from_contracts
    if amount is None:
        if required:
            raise invalid("amount", "value required")
        return Decimal(0)
    if amount < 0:
        raise invalid("amount", "value must be > 0")
    return amount


def placed_result(order: Order, trades: Iterable[UserTrade]) -> dict[str, Any]:
    """Return what placing, editing and closing answer."""
    return {"order": order.record(), "trades": [trade.fields for trade in trades]}


def edit(call: Call) -> dict[str, Any]:
    return _edited(call, call.exchange.find(call.params.required_text("order_id")))


def edit_by_label(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    label = call.params.required_text("label")
    found = [o for o in call.exchange.open_orders() if o.label == label and o.instrument.name == instrument.name]
    if not found:
        raise VenueError(10004)
    if len(found) > 1:
        raise VenueError(13032)
    return _edited(call, found[0])


def _edited(call: Call, order: Order) -> dict[str, Any]:
    p = call.params
    if any(p.has(name) for name in _NOT_HERE):
        raise VenueError(10033)
    amount = _amount(call, order.instrument.contract_size, required=False)
    change = EditRequest(
        amount=amount or None,
        price=p.number("price"),
        post_only=p.flag("post_only"),
        reject_post_only=p.flag("reject_post_only"),
        reduce_only=p.flag("reduce_only"),
        valid_until_ms=p.integer("valid_until"),
    )
    return placed_result(*call.exchange.edit(order, change))


def close_position(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    order_type = call.params.choice("type", ("limit", "market"))
    if order_type is None:
        raise invalid("type", "value required")
    price = call.params.number("price")
    if order_type == "limit" and price is None:
        raise invalid("price", "value required")
    held = call.exchange.account.size(instrument.name)
    if held == 0:
        raise VenueError(10010)
    request = OrderRequest(
        instrument=instrument,
        side=Side.SELL if held > 0 else Side.BUY,
        amount=abs(held),
        market=order_type == "market",
        price=None if order_type == "market" else price,
        reduce_only=True,
    )
    return placed_result(*call.exchange.place(request, call.connection))


# Cancels


def cancel(call: Call) -> dict[str, Any]:
    order = call.exchange.find(call.params.required_text("order_id"))
    return call.exchange.cancel(order).record()


def cancel_all(call: Call) -> Any:
    return _cancelled(call, call.exchange.open_orders())


def cancel_all_by_currency(call: Call) -> Any:
    currency = call.params.currency(CURRENCIES)
    return _cancelled(call, of_kind_and_type(call, (o for o in _open(call) if o.instrument.currency == currency)))


def cancel_all_by_instrument(call: Call) -> Any:
    instrument = instrument_of(call)
    return _cancelled(call, of_kind_and_type(call, (o for o in _open(call) if o.instrument.name == instrument.name)))


def cancel_all_by_kind_or_type(call: Call) -> Any:
    wanted = call.params.raw.get("currency")
    names = wanted if isinstance(wanted, list) else [wanted]
    if not names or not all(name in (*CURRENCIES, "any") for name in names):
        raise invalid("currency", "invalid currency")
    chosen = (o for o in _open(call) if "any" in names or o.instrument.currency in names)
    return _cancelled(call, of_kind_and_type(call, chosen))


def cancel_by_label(call: Call) -> int:
    label = call.params.required_text("label")
    currency = call.params.currency(CURRENCIES) if call.params.has("currency") else None
    found = [o for o in _open(call) if o.label == label and currency in (None, o.instrument.currency)]
    return len([call.exchange.cancel(order) for order in found])


def _open(call: Call) -> list[Order]:
    return call.exchange.open_orders()


def of_kind_and_type(call: Call, orders: Iterable[Order]) -> list[Order]:
    """Keep the orders that `kind` and `type` mean; here every order that can be open is a limit order."""
    kind = call.params.choice("kind", KINDS)
    order_type = call.params.choice("type", ORDER_TYPES, "all")
    if order_type not in ("all", "limit"):
        return []
    return [o for o in orders if kind in (None, "any", o.instrument.kind)]


def _cancelled(call: Call, orders: list[Order]) -> Any:
    """Cancel, and answer a number, or with `detailed` a list of groups."""
    groups: dict[tuple[str, str], list[dict[str, object]]] = {}
    done = 0
    for order in orders:
        if not order.open:  # filled while the books were brought up to date
            continue
        record = call.exchange.cancel(order).record()
        groups.setdefault((order.instrument.currency, order.instrument.name), []).append(record)
        done += 1
    if not call.params.flag("detailed"):
        return done
    return [
        {"currency": currency, "instrument_name": name, "type": "limit", "result": records}
        for (currency, name), records in groups.items()
    ]


METHODS: Final[dict[str, Method]] = {
    "private/buy": buy,
    "private/sell": sell,
    "private/edit": edit,
    "private/edit_by_label": edit_by_label,
    "private/close_position": close_position,
    "private/cancel": cancel,
    "private/cancel_all": cancel_all,
    "private/cancel_all_by_currency": cancel_all_by_currency,
    "private/cancel_all_by_instrument": cancel_all_by_instrument,
    "private/cancel_all_by_kind_or_type": cancel_all_by_kind_or_type,
    "private/cancel_by_label": cancel_by_label,
}
