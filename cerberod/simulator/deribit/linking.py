"""Orders that are linked: what waits for another's fill, what another's fill takes away, what only reduces."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from cerberod.simulator.deribit import links
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Lineage, Link, Order, OrderRequest
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import ZERO, Side

if TYPE_CHECKING:
    from cerberod.simulator.deribit.exchange import Exchange


def attach(exchange: "Exchange", order: Order, request: OrderRequest, connection: str | None) -> None:
    """Let the orders that this one triggers wait for its fill."""
    if request.link in (None, Link.ONE_CANCELS_OTHER):
        return
    order.bracket = request.link is Link.ONE_TRIGGERS_ONE_CANCELS_OTHER
    for other in request.others:
        waiting = exchange.made(other, connection, Lineage(secondary=True), other.amount, other.price or ZERO)
        waiting.order_id, waiting.state = exchange.numbering.secondary_id(), "untriggered"
        waiting.waiting, waiting.fill_condition = other, request.fill_condition
        order.oto_order_ids.append(waiting.order_id)
        exchange.register(waiting)
        exchange.tell(order.instrument, [waiting], [])


def consequences(exchange: "Exchange", order: Order, traded: Decimal) -> None:
    """Do to linked and reduce-only orders what a fill, or an end, of this one means."""
    if traded > 0:
        pull_partner(exchange, order, traded)
        _release(exchange, order, traded)
        for instrument in [leg.instrument for leg in order.instrument.legs] or [order.instrument]:
            _trim_reducing(exchange, instrument)
    if not order.open:
        drop_waiting(exchange, order)


def pull_partner(exchange: "Exchange", order: Order, traded: Decimal) -> None:
    """Take away the other order of a pair, or as much of it as the condition says."""
    if order.oco_ref is None:
        return
    for partner in [o for o in exchange.open_orders() if o.oco_ref == order.oco_ref and o is not order]:
        gone = links.moved(order, traded, partner.remaining, partner.instrument.lot)
        if order.state == "triggered" or gone >= partner.remaining:
            exchange.withdraw(partner, "oco_other_closed")
        elif gone > 0:
            exchange.shrink(partner, partner.remaining - gone)


def _release(exchange: "Exchange", order: Order, traded: Decimal) -> None:
    """Place the orders that waited for this one's fill, as much of them as the condition says."""
    waiting = [o for o in (exchange.orders.get(i) for i in order.oto_order_ids) if o is not None and o.open]
    if not waiting:
        return
    pair = exchange.numbering.pair_id() if order.bracket else None
    for secondary in waiting:
        now = links.moved(order, traded, secondary.remaining, secondary.instrument.lot)
        if now <= 0 or secondary.waiting is None:
            continue
        secondary.amount, secondary.updated_ms = secondary.amount - now, exchange.quotes.now_ms()
        if secondary.amount == 0:
            secondary.amount, secondary.state = secondary.waiting.amount, "triggered"
            exchange.remember_closed(secondary)
        exchange.tell(secondary.instrument, [secondary], [])
        lineage = Lineage(secondary.order_id, order.order_id, pair, True, order.fill_condition if pair else None)
        try:
            exchange.enter(replace(secondary.waiting, amount=now), secondary.connection, lineage)
        except VenueError as refusal:
            secondary.state = "rejected"
            exchange.remember_closed(secondary)
            exchange.trigger_history.add(secondary, f"rejected:{refusal.message}", "trigger:order", None)
            exchange.tell(secondary.instrument, [secondary], [])


def drop_waiting(exchange: "Exchange", order: Order) -> None:
    for order_id in order.oto_order_ids:
        waiting = exchange.orders.get(order_id)
        if waiting is not None and waiting.open:
            exchange.withdraw(waiting, "oto_primary_closed")


def _trim_reducing(exchange: "Exchange", instrument: Instrument) -> None:
    """Keep resting reduce-only orders from doing more than closing the position."""
    held = exchange.account.size(instrument.name)
    for order in [o for o in exchange.open_orders() if o.reduce_only and o.resting and o.instrument == instrument]:
        if held == 0 or (held > 0) is (order.side is Side.BUY):
            exchange.withdraw(order, "risk_mitigation")
        elif order.remaining > abs(held):
            exchange.shrink(order, abs(held))
