"""The private methods that place and change orders. Each takes a call and returns the `result`."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.deribit import editing
from cerberod.simulator.deribit.cancels import METHODS as CANCELS
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import (
    Advanced,
    EditRequest,
    FillCondition,
    Link,
    Order,
    OrderRequest,
    OrderType,
    Trigger,
    UserTrade,
)
from cerberod.simulator.deribit.params import Params
from cerberod.simulator.deribit.public import Call, Method, instrument_of
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.matching import Lifetime, Side

_LONGEST_LABEL = 64
_NEVER_RESTS = (Lifetime.IMMEDIATE_OR_CANCEL, Lifetime.FILL_OR_KILL)


def buy(call: Call) -> dict[str, Any]:
    return _placed(call, Side.BUY)


def sell(call: Call) -> dict[str, Any]:
    return _placed(call, Side.SELL)


def _placed(call: Call, side: Side) -> dict[str, Any]:
    p, instrument = call.params, instrument_of(call)
    link = p.choice("linked_order_type", [link.value for link in Link])
    condition = p.choice("trigger_fill_condition", [condition.value for condition in FillCondition])
    request = _request(
        p,
        instrument,
        side,
        _required_amount(p, instrument),
        advanced=_advanced(p),
        link=None if link is None else Link(link),
        fill_condition=FillCondition.FIRST_HIT if condition is None else FillCondition(condition),
        others=_others(p, instrument),
    )
    return placed_result(*call.exchange.place(request, call.connection))


def _others(p: Params, instrument: Instrument) -> tuple[OrderRequest, ...]:
    """Read the orders that are linked to the one being placed."""
    given = p.raw.get("otoco_config")
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise invalid("otoco_config", "wrong format")
    out: list[OrderRequest] = []
    for one in given:
        inner = Params(one)
        direction = inner.choice("direction", [side.value for side in Side])
        if direction is None:
            raise invalid("direction", "value required")
        amount = _amount(inner, instrument) or _required_amount(p, instrument)
        out.append(_request(inner, instrument, Side(direction), amount))
    return tuple(out)


def _request(
    p: Params,
    instrument: Instrument,
    side: Side,
    amount: Decimal,
    *,
    advanced: Advanced | None = None,
    link: Link | None = None,
    fill_condition: FillCondition = FillCondition.FIRST_HIT,
    others: tuple[OrderRequest, ...] = (),
) -> OrderRequest:
    """Read one order, and refuse parameters that do not belong to its type."""
    order_type = OrderType(p.choice("type", [t.value for t in OrderType]) or OrderType.LIMIT.value)
    mmp = bool(p.flag("mmp"))
    if mmp and order_type is not OrderType.LIMIT:
        raise VenueError(11047)
    lifetime = Lifetime(p.choice("time_in_force", [t.value for t in Lifetime]) or Lifetime.GOOD_TIL_CANCELLED.value)
    price = p.number("price")
    if not order_type.priced:
        if p.has("time_in_force"):
            raise invalid("time_in_force", "invalid value")
        price = None
    elif price is None:
        raise invalid("price", "value required")
    post_only = bool(p.flag("post_only"))
    if post_only and (not order_type.priced or lifetime in _NEVER_RESTS):
        raise VenueError(11055)
    display = _display(p)
    if display is not None and not order_type.priced:
        raise VenueError(10031)
    trigger, trigger_price, trigger_offset = _trigger(p, order_type)
    return OrderRequest(
        instrument=instrument,
        side=side,
        amount=amount,
        price=price,
        type=order_type,
        lifetime=lifetime,
        label=p.text("label", longest=_LONGEST_LABEL) or "",
        post_only=post_only,
        reject_post_only=bool(p.flag("reject_post_only")),
        reduce_only=bool(p.flag("reduce_only")),
        valid_until_ms=p.integer("valid_until"),
        display=display,
        trigger=trigger,
        trigger_price=trigger_price,
        trigger_offset=trigger_offset,
        advanced=advanced,
        link=link,
        fill_condition=fill_condition,
        others=others,
        mmp=mmp,
    )


def _trigger(p: Params, order_type: OrderType) -> tuple[Trigger | None, Decimal | None, Decimal | None]:
    """Read what an order waits for: all of it where it waits, nothing of it where it does not."""
    trigger = p.choice("trigger", [t.value for t in Trigger])
    price, offset = p.number("trigger_price"), p.number("trigger_offset")
    trailing = order_type is OrderType.TRAILING_STOP
    wanted = {
        "trigger": (trigger, order_type.waits),
        "trigger_price": (price, order_type.waits and not trailing),
        "trigger_offset": (offset, trailing),
    }
    for name, (value, needed) in wanted.items():
        if needed and value is None:
            raise invalid(name, "value required")
        if value is not None and not needed:
            raise invalid(name, "invalid value")
    if offset is not None and offset <= 0:
        raise invalid("trigger_offset", "value must be > 0")
    return (None if trigger is None else Trigger(trigger)), price, offset


def _advanced(p: Params) -> Advanced | None:
    given = p.choice("advanced", [advanced.value for advanced in Advanced])
    return None if given is None else Advanced(given)


def _display(p: Params) -> Decimal | None:
    """Return the shown part of an iceberg; `max_show` is the parameter's older name."""
    display = p.number("display_amount")
    display = p.number("max_show") if display is None else display
    if display is not None and display <= 0:
        raise VenueError(10024)
    return display


def _amount(p: Params, instrument: Instrument) -> Decimal | None:
    """Return `amount`, or `contracts` as an amount; both given must agree. None if neither is given."""
    amount, contracts = p.number("amount"), p.number("contracts")
    if contracts is not None:
        from_contracts = contracts * instrument.contract_size
        if amount is not None and amount != from_contracts:
            raise invalid("contracts", "must agree with amount")
        amount = from_contracts
    if amount is not None and amount < 0:
        raise invalid("amount", "value must be > 0")
    return amount


def _required_amount(p: Params, instrument: Instrument) -> Decimal:
    amount = _amount(p, instrument)
    if amount is None:
        raise invalid("amount", "value required")
    return amount


def placed_result(order: Order, trades: Iterable[UserTrade]) -> dict[str, Any]:
    """Return what placing, editing and closing answer."""
    return {"order": order.record(), "trades": [trade.fields for trade in trades]}


def edit(call: Call) -> dict[str, Any]:
    return _edited(call, call.exchange.blotter.find(call.params.required_text("order_id")))


def edit_by_label(call: Call) -> dict[str, Any]:
    instrument = instrument_of(call)
    label = call.params.required_text("label")
    found = [
        o for o in call.exchange.blotter.open_orders() if o.label == label and o.instrument.name == instrument.name
    ]
    if not found:
        raise VenueError(10004)
    if len(found) > 1:
        raise VenueError(13032)
    return _edited(call, found[0])


def _edited(call: Call, order: Order) -> dict[str, Any]:
    p = call.params
    if p.flag("mmp") and order.told_type is not OrderType.LIMIT:
        raise VenueError(11047)
    change = EditRequest(
        amount=_amount(p, order.instrument) or None,
        price=p.number("price"),
        post_only=p.flag("post_only"),
        reject_post_only=p.flag("reject_post_only"),
        reduce_only=p.flag("reduce_only"),
        valid_until_ms=p.integer("valid_until"),
        display=_display(p),
        trigger_price=p.number("trigger_price"),
        trigger_offset=p.number("trigger_offset"),
        advanced=_advanced(p),
        mmp=p.flag("mmp"),
    )
    return placed_result(*editing.edit(call.exchange, order, change))


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
        type=OrderType(order_type),
        price=None if order_type == "market" else price,
        reduce_only=True,
    )
    return placed_result(*call.exchange.place(request, call.connection))


METHODS: Final[dict[str, Method]] = {
    "private/buy": buy,
    "private/sell": sell,
    "private/edit": edit,
    "private/edit_by_label": edit_by_label,
    "private/close_position": close_position,
} | CANCELS
