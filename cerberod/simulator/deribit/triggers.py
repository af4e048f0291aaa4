"""When a trigger order fires, and which trigger prices the venue takes. Pure: prices in, decisions out."""

from collections.abc import Iterable
from decimal import Decimal

from cerberod.simulator.deribit.orders import Order, OrderType, Trigger
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import Side


def fires_upward(order_type: OrderType, side: Side) -> bool:
    """Tell whether the watched price must rise to the trigger: a stop to buy, or a take-profit that sells."""
    take = order_type in (OrderType.TAKE_LIMIT, OrderType.TAKE_MARKET)
    return (side is Side.BUY) is not take


def check_trigger_price(order_type: OrderType, side: Side, trigger_price: Decimal, now: Decimal) -> None:
    """Refuse a trigger price that is reached already."""
    if fires_upward(order_type, side):
        if trigger_price <= now:
            raise VenueError(10035)
    elif trigger_price >= now:
        raise VenueError(10034)


def trailing_trigger(side: Side, extreme: Decimal, offset: Decimal) -> Decimal:
    """Return where a trailing stop fires, given the best price it has seen."""
    return extreme + offset if side is Side.BUY else extreme - offset


def fires(order: Order, prices: Iterable[Decimal]) -> bool:
    """Tell whether an order fires on prices seen in this order; a trailing stop's trigger follows them."""
    upward = fires_upward(order.type, order.side)
    for price in prices:
        if order.trigger_price is None:
            return False
        if price >= order.trigger_price if upward else price <= order.trigger_price:
            return True
        if order.type is OrderType.TRAILING_STOP and order.extreme is not None and order.trigger_offset is not None:
            order.extreme = min(order.extreme, price) if order.side is Side.BUY else max(order.extreme, price)
            order.trigger_price = trailing_trigger(order.side, order.extreme, order.trigger_offset)
    return False


def told_trigger(trigger: Trigger) -> str:
    """Return a trigger as the trigger order history names it: index, mark, last."""
    return trigger.value.removesuffix("_price")
