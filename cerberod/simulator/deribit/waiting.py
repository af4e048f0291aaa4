"""Orders that wait for a price: taken in, watched, and put on the market under another id when their price comes."""

from decimal import Decimal
from typing import TYPE_CHECKING

from cerberod.simulator.deribit import linking, triggers
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Lineage, Order, OrderRequest, Trigger
from cerberod.simulator.deribit.quotes import Mark
from cerberod.simulator.deribit.terms import shown_mark
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import ZERO

if TYPE_CHECKING:
    from cerberod.simulator.deribit.exchange import Exchange

_MOST_TRIGGERS = 100
_LAST_PRICE_WINDOW_MS = 2 * DAY_MS


def arm(exchange: "Exchange", request: OrderRequest, connection: str | None, lineage: Lineage, mark: Mark) -> Order:
    """Let an order wait for its trigger."""
    order = prepared(exchange, request, connection, lineage, mark)
    order.order_id, order.state = exchange.numbering.trigger_id(request), "untriggered"
    order.watched_ms = exchange.quotes.now_ms()
    exchange.register(order)
    linking.attach(exchange, order, request, connection)
    exchange.tell(order.instrument, [order], [])
    return order


def prepared(
    exchange: "Exchange", request: OrderRequest, connection: str | None, lineage: Lineage, mark: Mark
) -> Order:
    """Return an order that could wait for its trigger, which nobody knows of yet; or refuse it."""
    if sum(order.watching for order in exchange.open_orders()) >= _MOST_TRIGGERS:
        raise VenueError(11035)
    now = watched_price(exchange, request.instrument, request.trigger, mark)
    order = exchange.made(request, connection, lineage, request.amount, request.price or ZERO)
    if now is not None and request.trigger_offset is not None:
        order.reference = order.extreme = now
        order.trigger_price = triggers.trailing_trigger(request.side, now, request.trigger_offset)
    if order.trigger_price is None or order.trigger_price <= 0:
        raise VenueError(11036)
    if now is not None:
        triggers.check_trigger_price(request.type, request.side, order.trigger_price, now)
    return order


def watched_price(exchange: "Exchange", instrument: Instrument, trigger: Trigger | None, mark: Mark) -> Decimal | None:
    """Return the present price a trigger watches; None for the last price of what never traded."""
    if trigger is Trigger.INDEX_PRICE:
        return Decimal(repr(mark.index))
    if trigger is Trigger.MARK_PRICE:
        return Decimal(repr(shown_mark(instrument, mark.price)))
    now_ms = exchange.quotes.now_ms()
    prints = exchange.tape.between(instrument, now_ms - _LAST_PRICE_WINDOW_MS, now_ms)
    return Decimal(repr(float(prints.price[-1]))) if len(prints) else None


def watch(exchange: "Exchange") -> None:
    """Fire the trigger orders whose price was reached."""
    for order in [o for o in exchange.open_orders() if o.watching]:
        if not order.watching:  # ended by one that fired before it
            continue
        if exchange.catalogue.get(order.instrument.name) is None:
            exchange.end(order, "settlement")
            exchange.tell(order.instrument, [order], [])
            continue
        if triggers.fires(order, _seen(exchange, order)):
            _fire(exchange, order)


def _seen(exchange: "Exchange", order: Order) -> list[Decimal]:
    """Return the prices an order's trigger has seen since it was last looked at."""
    since_ms, order.watched_ms = order.watched_ms, exchange.quotes.now_ms()
    if order.trigger is Trigger.LAST_PRICE:
        prints = exchange.tape.between(order.instrument, since_ms, order.watched_ms)
        return [Decimal(repr(price)) for price in prints.price.tolist()]
    price = watched_price(exchange, order.instrument, order.trigger, exchange.quotes.mark(order.instrument))
    return [] if price is None else [price]


def _fire(exchange: "Exchange", order: Order) -> None:
    """Put what a trigger order stands for on the market, under an id of its own."""
    order.state, order.updated_ms = "triggered", exchange.quotes.now_ms()
    exchange.remember_closed(order)
    linking.pull_partner(exchange, order, order.amount)
    exchange.tell(order.instrument, [order], [])
    request = OrderRequest(
        instrument=order.instrument,
        side=order.side,
        amount=order.amount,
        price=order.asked or (order.price if order.type.priced else None),
        type=order.type.once_triggered,
        lifetime=order.lifetime,
        label=order.label,
        post_only=order.post_only,
        reject_post_only=order.reject_post_only,
        reduce_only=order.reduce_only,
        display=order.display,
        advanced=order.advanced,
    )
    lineage = Lineage(
        trigger_order_id=order.order_id, primary_order_id=order.primary_order_id, secondary=order.secondary
    )
    try:
        placed, _ = exchange.enter(request, order.connection, lineage)
    except VenueError as refusal:
        order.state = "rejected"
        exchange.trigger_history.add(order, f"rejected:{refusal.message}", "trigger:order", None)
        linking.drop_waiting(exchange, order)
        exchange.tell(order.instrument, [order], [])
    else:
        placed.oto_order_ids, placed.bracket = order.oto_order_ids, order.bracket
        placed.fill_condition = order.fill_condition
        exchange.trigger_history.add(order, "triggered", "trigger:order", placed)
        if placed.oto_order_ids:  # the fills went by before it had anything linked
            linking.consequences(exchange, placed, placed.filled)
