"""The orders of one environment: which are open, which are still remembered, and the books some of them rest in.

It takes orders in and ends them, and knows nothing of prices, money or why.
"""

from collections import deque

from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import NO_ERROR, Order
from cerberod.simulator.bybit.quotes import Quotes
from cerberod.simulator.matching import Book

_KEPT_CLOSED = 5_000
_KEPT_LINKS = 100_000

BookKey = tuple[str, str]


class Blotter:
    """Every order the venue knows, oldest first."""

    def __init__(self, quotes: Quotes) -> None:
        self._quotes = quotes
        self.orders: dict[str, Order] = {}
        self.books: dict[BookKey, Book] = {}
        self._open: dict[str, Order] = {}
        self._closed: deque[str] = deque()
        self._links: dict[tuple[bool, str], str] = {}

    def add(self, order: Order) -> None:
        """Take in an order; its link id is used up from now on."""
        self.orders[order.order_id] = self._open[order.order_id] = order
        if order.link_id:
            self._links[order.instrument.spot, order.link_id] = order.order_id
            while len(self._links) > _KEPT_LINKS:
                del self._links[next(iter(self._links))]

    def used(self, instrument: Instrument, link_id: str) -> bool:
        """Tell whether a link id was used already; spot has link ids of its own."""
        return (instrument.spot, link_id) in self._links

    def find(self, category: str, order_id: str, link_id: str) -> Order | None:
        """Return an order by its id, which goes first, or by its link id."""
        order = self.orders.get(order_id or self._links.get((category == "spot", link_id), ""))
        return order if order is not None and order.instrument.category == category else None

    def open_orders(self) -> list[Order]:
        """Return all open orders, oldest first, those not yet processed among them."""
        return [order for order in self._open.values() if order.open]

    def end(self, order: Order, reason: str = NO_ERROR, cancel_type: str = "UNKNOWN") -> None:
        """End an order now, if it is open."""
        if not order.open:
            return
        book = self.books.get(order.instrument.key)
        if book is not None and order.order_id in book:
            book.cancel(order.order_id)
        order.end(self._quotes.now_ms(), reason, cancel_type)
        self.close(order)

    def close(self, order: Order) -> None:
        """Count an order that has ended among the closed ones, of which the oldest are forgotten."""
        self._open.pop(order.order_id, None)
        self._closed.append(order.order_id)
        while len(self._closed) > _KEPT_CLOSED:
            self.orders.pop(self._closed.popleft(), None)
