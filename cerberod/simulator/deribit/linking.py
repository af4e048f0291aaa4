"""Orders that are linked: what waits for another's fill, what another's fill takes away, what only reduces."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from cerberod.simulator.accounts import Account
from cerberod.simulator.deribit import links
from cerberod.simulator.deribit.blotter import Blotter
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Lineage, Link, Order, OrderRequest
from cerberod.simulator.matching import ZERO, Side


def attach(blotter: Blotter, order: Order, request: OrderRequest, connection: str | None) -> None:
    """Let the orders that this one triggers wait for its fill."""
    if request.link in (None, Link.ONE_CANCELS_OTHER):
        return
    order.bracket = request.link is Link.ONE_TRIGGERS_ONE_CANCELS_OTHER
    for other in request.others:
        waiting = blotter.made(other, connection, Lineage(secondary=True), other.amount, other.price or ZERO)
        waiting.order_id, waiting.state = blotter.numbering.secondary_id(), "untriggered"
        waiting.waiting, waiting.fill_condition = other, request.fill_condition
        order.oto_order_ids.append(waiting.order_id)
        blotter.add(waiting)
        blotter.tell(order.instrument, [waiting], [])


def pull_partner(blotter: Blotter, order: Order, traded: Decimal) -> None:
    """Take away the other order of a pair, or as much of it as the condition says."""
    if order.oco_ref is None:
        return
    for partner in [o for o in blotter.open_orders() if o.oco_ref == order.oco_ref and o is not order]:
        gone = links.moved(order, traded, partner.remaining, partner.instrument.lot)
        if order.state == "triggered" or gone >= partner.remaining:
            blotter.withdraw(partner, "oco_other_closed")
        elif gone > 0:
            blotter.shrink(partner, partner.remaining - gone)


def released(
    blotter: Blotter, order: Order, traded: Decimal, now_ms: int
) -> Iterator[tuple[Order, OrderRequest, Lineage]]:
    """Yield the orders that waited for this one's fill, as much of each as the condition says, and where it comes from.

    What is yielded goes on the market before the next is asked for.
    """
    waiting = _waiting(blotter, order)
    pair = blotter.numbering.pair_id() if waiting and order.bracket else None
    for secondary in waiting:
        now = links.moved(order, traded, secondary.remaining, secondary.instrument.lot)
        if now <= 0 or secondary.waiting is None:
            continue
        secondary.amount, secondary.updated_ms = secondary.amount - now, now_ms
        if secondary.amount == 0:
            secondary.amount, secondary.state = secondary.waiting.amount, "triggered"
            blotter.close(secondary)
        blotter.tell(secondary.instrument, [secondary], [])
        lineage = Lineage(secondary.order_id, order.order_id, pair, True, order.fill_condition if pair else None)
        yield secondary, replace(secondary.waiting, amount=now), lineage


def drop_waiting(blotter: Blotter, order: Order) -> None:
    """Take away the orders that still wait for this one's fill."""
    for waiting in _waiting(blotter, order):
        blotter.withdraw(waiting, "oto_primary_closed")


def _waiting(blotter: Blotter, order: Order) -> list[Order]:
    return [o for o in map(blotter.orders.get, order.oto_order_ids) if o is not None and o.open]


def trim_reducing(blotter: Blotter, account: Account, instrument: Instrument) -> None:
    """Keep resting reduce-only orders from doing more than closing the position."""
    held = account.size(instrument.name)
    for order in [o for o in blotter.open_orders() if o.reduce_only and o.resting and o.instrument == instrument]:
        if held == 0 or (held > 0) is (order.side is Side.BUY):
            blotter.withdraw(order, "risk_mitigation")
        elif order.remaining > abs(held):
            blotter.shrink(order, abs(held))
