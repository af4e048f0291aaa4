"""The orders of one account: which are open, which are still remembered, the books some rest in, and who is told.

It makes, changes and ends orders, and knows nothing of prices, money or why.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Lineage, Numbering, Order, OrderRequest, OrderType, UserTrade
from cerberod.simulator.deribit.quotes import Quotes
from cerberod.simulator.deribit.trigger_history import TriggerHistory
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import ZERO, Book

_KEPT_CLOSED = 5_000

Listener = Callable[[Instrument, list[Order], list[UserTrade]], None]


class Blotter:
    """Every order the venue knows, oldest first."""

    def __init__(self, quotes: Quotes, account: str, user_id: int, first_id: int) -> None:
        self._quotes = quotes
        self._account = account
        self._user_id = user_id
        self._first_id = first_id
        self.listener: Listener | None = None
        self.clear()

    def clear(self) -> None:
        """Forget every order; the listener stays."""
        self.numbering = Numbering(self._first_id)
        self.orders: dict[str, Order] = {}
        self.books: dict[str, Book] = {}
        self.trigger_history = TriggerHistory()
        self._open: dict[str, Order] = {}
        self._closed: deque[str] = deque()

    def made(
        self, request: OrderRequest, connection: str | None, lineage: Lineage, amount: Decimal, limit: Decimal
    ) -> Order:
        """Make an order without an id, that nobody knows of yet."""
        now_ms = self._quotes.now_ms()
        return Order(
            order_id="",
            account=self._account,
            user_id=self._user_id,
            instrument=request.instrument,
            side=request.side,
            amount=amount,
            price=limit,
            type=request.type,
            lifetime=request.lifetime,
            label=request.label,
            post_only=request.post_only,
            reject_post_only=request.reject_post_only,
            reduce_only=request.reduce_only,
            created_ms=now_ms,
            updated_ms=now_ms,
            risk_reducing=request.reduce_only,
            connection=connection,
            original_type=OrderType.MARKET_LIMIT if request.type is OrderType.MARKET_LIMIT else None,
            display=request.display,
            shown=ZERO if request.display is None else request.display,
            advanced=request.advanced,
            asked=None if request.advanced is None else request.price,
            trigger=request.trigger,
            trigger_price=request.trigger_price,
            trigger_offset=request.trigger_offset,
            trigger_order_id=lineage.trigger_order_id,
            primary_order_id=lineage.primary_order_id,
            oco_ref=lineage.oco_ref,
            secondary=lineage.secondary,
            fill_condition=request.fill_condition if request.link is not None else lineage.fill_condition,
            mmp=request.mmp,
        )

    def add(self, order: Order) -> None:
        """Take in an order that has its id."""
        self.orders[order.order_id] = self._open[order.order_id] = order

    def find(self, order_id: str) -> Order:
        """Return an order the venue still remembers."""
        order = self.orders.get(order_id)
        if order is None:
            raise VenueError(10004)
        return order

    def open_orders(self) -> list[Order]:
        """Return all open orders, those that wait for a trigger included, oldest first."""
        return list(self._open.values())

    def shrink(self, order: Order, left: Decimal) -> None:
        """Lower what is left of an open order."""
        order.amount, order.updated_ms = order.filled + left, self._quotes.now_ms()
        book = self.books.get(order.instrument.name)
        if order.resting and book is not None and order.order_id in book:
            book.shrink(order.order_id, left)
        self.tell(order.instrument, [order], [])

    def withdraw(self, order: Order, reason: str) -> None:
        """Take an open order away, wherever it waits."""
        book = self.books.get(order.instrument.name)
        if order.resting and book is not None:
            book.cancel(order.order_id)
        self.end(order, reason)
        self.tell(order.instrument, [order], [])

    def end(self, order: Order, reason: str) -> None:
        """End an order that is in no book, and tell nobody yet."""
        order.cancel(reason, self._quotes.now_ms())
        self.close(order)

    def close(self, order: Order) -> None:
        """Count an order that has ended among the closed ones, of which the oldest are forgotten."""
        if self._open.pop(order.order_id, None) is None:
            return
        self._closed.append(order.order_id)
        while len(self._closed) > _KEPT_CLOSED:
            self.orders.pop(self._closed.popleft(), None)

    def tell(self, instrument: Instrument, orders: list[Order], trades: list[UserTrade]) -> None:
        """Tell the listener what became of orders; a combo's trade is told before those of its legs."""
        if self.listener is not None and (orders or trades):
            self.listener(instrument, [replace(order) for order in orders], trades)
            for leg in (leg for trade in trades for leg in trade.legs):
                self.listener(leg.instrument, [], [leg])
