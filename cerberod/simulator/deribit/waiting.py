"""Orders that wait for a price: taken in, watched, and what they ask for when their price has come."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from cerberod.simulator.deribit import linking, triggers
from cerberod.simulator.deribit.blotter import Blotter
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Lineage, Order, OrderRequest, Trigger
from cerberod.simulator.deribit.prints import Tape
from cerberod.simulator.deribit.quotes import Mark, Quotes
from cerberod.simulator.deribit.terms import shown_mark
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import ZERO

_MOST_TRIGGERS = 100
_LAST_PRICE_WINDOW_MS = 2 * DAY_MS


class Waiting:
    """The trigger orders of one blotter, and the prices they watch."""

    def __init__(self, quotes: Quotes, tape: Tape, blotter: Blotter) -> None:
        self._quotes = quotes
        self._tape = tape
        self._blotter = blotter

    def arm(self, request: OrderRequest, connection: str | None, lineage: Lineage, mark: Mark) -> Order:
        """Let an order wait for its trigger."""
        order = self.prepared(request, connection, lineage, mark)
        order.order_id, order.state = self._blotter.numbering.trigger_id(request), "untriggered"
        order.watched_ms = self._quotes.now_ms()
        self._blotter.add(order)
        linking.attach(self._blotter, order, request, connection)
        self._blotter.tell(order.instrument, [order], [])
        return order

    def prepared(self, request: OrderRequest, connection: str | None, lineage: Lineage, mark: Mark) -> Order:
        """Return an order that could wait for its trigger, which nobody knows of yet; or refuse it."""
        if sum(order.watching for order in self._blotter.open_orders()) >= _MOST_TRIGGERS:
            raise VenueError(11035)
        now = self.price(request.instrument, request.trigger, mark)
        order = self._blotter.made(request, connection, lineage, request.amount, request.price or ZERO)
        if now is not None and request.trigger_offset is not None:
            order.reference = order.extreme = now
            order.trigger_price = triggers.trailing_trigger(request.side, now, request.trigger_offset)
        if order.trigger_price is None or order.trigger_price <= 0:
            raise VenueError(11036)
        if now is not None:
            triggers.check_trigger_price(request.type, request.side, order.trigger_price, now)
        return order

    def price(self, instrument: Instrument, trigger: Trigger | None, mark: Mark) -> Decimal | None:
        """Return the present price a trigger watches; None for the last price of what never traded."""
        if trigger is Trigger.INDEX_PRICE:
            return Decimal(repr(mark.index))
        if trigger is Trigger.MARK_PRICE:
            return Decimal(repr(shown_mark(instrument, mark.price)))
        now_ms = self._quotes.now_ms()
        prints = self._tape.between(instrument, now_ms - _LAST_PRICE_WINDOW_MS, now_ms)
        return Decimal(repr(float(prints.price[-1]))) if len(prints) else None

    def fired(self, live: Mapping[str, Instrument]) -> Iterator[Order]:
        """Yield the orders whose price was reached, and end those whose instrument is gone.

        What is yielded goes on the market before the next is asked for.
        """
        for order in [o for o in self._blotter.open_orders() if o.watching]:
            if not order.watching:  # ended by one that fired before it
                continue
            if order.instrument.name not in live:
                self._blotter.end(order, "settlement")
                self._blotter.tell(order.instrument, [order], [])
            elif triggers.fires(order, self._seen(order)):
                yield order

    def _seen(self, order: Order) -> list[Decimal]:
        """Return the prices an order's trigger has seen since it was last looked at."""
        since_ms, order.watched_ms = order.watched_ms, self._quotes.now_ms()
        if order.trigger is Trigger.LAST_PRICE:
            prints = self._tape.between(order.instrument, since_ms, order.watched_ms)
            return [Decimal(repr(price)) for price in prints.price.tolist()]
        price = self.price(order.instrument, order.trigger, self._quotes.mark(order.instrument))
        return [] if price is None else [price]


def once_triggered(order: Order) -> OrderRequest:
    """Return what a trigger order asks for when its price has come."""
    return OrderRequest(
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
