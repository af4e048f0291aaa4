"""The trading of one environment: its orders and fills, on books the shared market quotes.

Every public method first brings the books up to the present moment, so a resting order is filled, and a trigger order
fires, as soon as anybody looks, and the server's own ticking looks often. Knows parameters already read
(`OrderRequest`), not JSON or sockets; money is the ledger's.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from cerberod.simulator.accounts import Account, OpenOrder, Totals, order_margin
from cerberod.simulator.deribit import editing, linking, terms, waiting
from cerberod.simulator.deribit.catalogue import Catalogue
from cerberod.simulator.deribit.instruments import Instrument, settled_at
from cerberod.simulator.deribit.ledger import START_BALANCES, Ledger
from cerberod.simulator.deribit.orders import (
    EditRequest,
    Lineage,
    Link,
    Numbering,
    Order,
    OrderRequest,
    OrderType,
    UserTrade,
)
from cerberod.simulator.deribit.prints import Tape
from cerberod.simulator.deribit.quotes import Mark, Quotes
from cerberod.simulator.deribit.terms import contract_of, shown_mark, value_of
from cerberod.simulator.deribit.trigger_history import TriggerHistory
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import ZERO, Book, Fill, Lifetime, SelfTradeError, Side

__all__ = ["CURRENCIES", "START_BALANCES", "Exchange", "Listener", "contract_of", "shown_mark", "value_of"]

CURRENCIES: Final = tuple(START_BALANCES)

_MOST_OPEN = 2_000
_KEPT_CLOSED = 5_000

Listener = Callable[[Instrument, list[Order], list[UserTrade]], None]
Placed = tuple[Order, list[UserTrade]]


class Exchange:
    """Orders and fills of one environment."""

    def __init__(
        self, quotes: Quotes, catalogue: Catalogue, tape: Tape, account: str, user_id: int, first_id: int
    ) -> None:
        self.quotes = quotes
        self.catalogue = catalogue
        self.tape = tape
        self.user_id = user_id
        self._name = account
        self._first_id = first_id
        self.listener: Listener | None = None
        self.clear()

    def clear(self) -> None:
        """Start again: full balances, no orders, no trades."""
        self.numbering = Numbering(self._first_id)
        self.ledger = Ledger(self.quotes, self.tape, self._name, self.user_id, self.numbering)
        self.books: dict[str, Book] = {}
        self._quoted: dict[str, tuple[int, float]] = {}
        self._instruments: dict[str, Instrument] = {}
        self.orders: dict[str, Order] = {}
        self._alive: dict[str, Order] = {}
        self._closed: deque[str] = deque()
        self.trigger_history = TriggerHistory()
        self._settled_ms = settled_at(self.quotes.now_ms())
        self.tape.clear()

    @property
    def account(self) -> Account:
        """The account's balances and positions."""
        return self.ledger.account

    @property
    def trades(self) -> deque[UserTrade]:
        """The user's trades, oldest first; a combo's trade stands after those of its legs."""
        return self.ledger.trades

    # Books

    def book(self, instrument: Instrument) -> Book:
        """Return an instrument's book with the house's present quotes."""
        return self.quoted_book(instrument, self.quotes.mark(instrument))

    def best(self, instrument: Instrument, mark: Mark) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask, without making a book for an instrument nobody trades."""
        if instrument.name in self.books:
            book = self.quoted_book(instrument, mark)
            return book.best(Side.BUY), book.best(Side.SELL)
        return self.quotes.touch(instrument, mark)

    def quoted_book(self, instrument: Instrument, mark: Mark) -> Book:
        name = instrument.name
        book = self.books.setdefault(name, Book())
        self._instruments[name] = instrument
        version = (self.quotes.moment(), self.quotes.market.moved(instrument.coin, self.quotes.moment()))
        if self._quoted.get(name) != version:
            self._quoted[name] = version
            self._book_fills(instrument, book.quote(*self.quotes.house(instrument, mark)), mark)
            self._requote_advanced(instrument, book, mark)
        return book

    def refresh(self) -> None:
        """Bring every book that holds user orders up to now, fire triggers, and settle what has expired."""
        live = self.catalogue.live()
        for name, instrument in list(self._instruments.items()):
            if name not in live:
                self._expire(instrument)
            elif len(self.books[name]):
                self.book(instrument)
            elif self._quoted[name][0] != self.quotes.moment():
                del self.books[name], self._quoted[name], self._instruments[name]
        self._settle()
        waiting.watch(self)
        self.catalogue.rest_quiet_combos(self._last_used_ms)

    def _last_used_ms(self, name: str) -> int | None:
        """Return when an instrument was last traded here, which is now while an order rests in its book."""
        resting = name in self.books and len(self.books[name])
        return self.quotes.now_ms() if resting else self.tape.last_user_trade_ms(name)

    # Placing

    def place(self, request: OrderRequest, connection: str | None = None) -> Placed:
        """Place an order and what is linked to it; VenueError if the venue would refuse it."""
        self.check_deadline(request.valid_until_ms)
        terms.check_link(request)
        for wanted in (request, *request.others):
            terms.check_request(wanted)
            if not self.catalogue.active(wanted.instrument):
                raise VenueError(10012)
        if len(self._alive) + 1 + len(request.others) > _MOST_OPEN:
            raise VenueError(11030, message="other_reject too many open orders")
        if request.link is Link.ONE_CANCELS_OTHER:
            return self._place_pair(request, request.others[0], connection)
        return self.enter(request, connection, Lineage())

    def _place_pair(self, request: OrderRequest, other: OrderRequest, connection: str | None) -> Placed:
        """Place two orders of which one cancels the other; a refusal of either means that nothing happened."""
        pair = Lineage(oco_ref=self.numbering.pair_id(), fill_condition=request.fill_condition)
        mark = self.quotes.mark(other.instrument)
        if other.type.waits:
            waiting.prepared(self, other, connection, pair, mark)
        else:
            self._admitted(other, self.quoted_book(other.instrument, mark), mark)
        order, trades = self.enter(request, connection, pair)
        if order.open:
            try:
                self.enter(other, connection, pair)
            except VenueError:  # beside the first there is no room for it
                if not trades:
                    self.cancel(order)
                    raise
        return order, trades

    def enter(self, request: OrderRequest, connection: str | None, lineage: Lineage) -> Placed:
        mark = self.quotes.mark(request.instrument)
        book = self.quoted_book(request.instrument, mark)
        if request.type.waits:
            return waiting.arm(self, request, connection, lineage, mark), []
        amount, limit = self._admitted(request, book, mark)
        order = self.made(request, connection, lineage, amount, limit)
        order.order_id = self.numbering.order_id(request.instrument)
        self.register(order)
        linking.attach(self, order, request, connection)
        lifetime = Lifetime.IMMEDIATE_OR_CANCEL if request.type is OrderType.MARKET else request.lifetime
        return order, self.after(book, order, self.submit(book, order, lifetime), mark)

    def _admitted(self, request: OrderRequest, book: Book, mark: Mark) -> tuple[Decimal, Decimal]:
        """Return the amount and the limit price an order may enter the book with."""
        instrument, side = request.instrument, request.side
        held = self.account.size(instrument.name)
        amount = request.amount
        if request.reduce_only:
            if held == 0 or (held > 0) is (side is Side.BUY):
                raise VenueError(11030, message="other_reject no position to reduce")
            amount = min(amount, abs(held))
        limit = self.limit(request, book, mark)
        if request.post_only:
            limit = terms.kept_off(instrument, book, side, limit, request.reject_post_only)
        self.check_funds(instrument, side, amount, limit, mark, besides=None)
        try:
            book.check_self_trade(self._name, side, amount, limit)
        except SelfTradeError:
            raise VenueError(10003) from None
        return amount, limit

    def limit(self, request: OrderRequest, book: Book, mark: Mark) -> Decimal:
        instrument, side = request.instrument, request.side
        if request.type is OrderType.MARKET_LIMIT:
            touch = book.best(side.opposite)
            if touch is None:
                raise VenueError(11030, message="other_reject no price to trade at")
            return terms.clamped(instrument, side, touch, mark)
        if request.price is None:
            return terms.worst_price(instrument, side, mark)
        price = request.price
        if request.advanced is not None:
            price = terms.quoted_price(instrument, side, request.advanced, price, mark)
        return terms.clamped(instrument, side, price, mark)

    def made(
        self, request: OrderRequest, connection: str | None, lineage: Lineage, amount: Decimal, limit: Decimal
    ) -> Order:
        """Make an order without an id, that nobody knows of yet."""
        now_ms = self.quotes.now_ms()
        return Order(
            order_id="",
            account=self._name,
            user_id=self.user_id,
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

    def register(self, order: Order) -> None:
        self.orders[order.order_id] = self._alive[order.order_id] = order

    def shrink(self, order: Order, left: Decimal) -> None:
        """Lower what is left of an open order."""
        order.amount, order.updated_ms = order.filled + left, self.quotes.now_ms()
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

    # Cancelling and finding

    def edit(self, order: Order, change: EditRequest) -> Placed:
        """Change an open order; its place in the queue is kept when the price stays and the amount shrinks."""
        return editing.edit(self, order, change)

    def cancel(self, order: Order, reason: str = "user_request") -> Order:
        """Cancel an open order, and with it what waited for its fill."""
        self.book(order.instrument)
        if not order.open:
            raise VenueError(11044)
        if order.watching:
            self.trigger_history.add(order, "cancelled", "cancel", None)
        self.withdraw(order, reason)
        linking.drop_waiting(self, order)
        return order

    def cancel_connection(self, connection: str) -> None:
        """Cancel the orders of a connection that is gone."""
        self.refresh()
        for order in self.open_orders():
            if order.connection == connection and order.open:
                self.cancel(order, "cancel_on_disconnect")

    def open_orders(self) -> list[Order]:
        """Return all open orders, those that wait for a trigger included, oldest first."""
        return list(self._alive.values())

    def find(self, order_id: str) -> Order:
        """Return an order the venue still remembers."""
        order = self.orders.get(order_id)
        if order is None:
            raise VenueError(10004)
        return order

    def check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self.quotes.is_past(valid_until_ms):
            raise VenueError(13888)

    # Money

    def check_funds(
        self, instrument: Instrument, side: Side, amount: Decimal, price: Decimal, mark: Mark, besides: Order | None
    ) -> None:
        views = self._views(instrument, amount * side.sign, price, mark)
        needed, currency = sum((order_margin(view) for view in views), ZERO), views[0].currency
        if needed > 0 and needed > self.account.available(currency, self.totals(currency, besides=besides)):
            raise VenueError(10009)

    def totals(self, currency: str, besides: Order | None = None) -> Totals:
        """Return one currency's sums at present marks, one open order left out if asked."""
        return self.ledger.totals(currency, self.open_views(currency, besides))

    def open_views(self, currency: str, besides: Order | None = None) -> list[OpenOrder]:
        """Return one currency's resting orders as margin sees them, one left out if asked."""
        mine = [
            o
            for o in self._alive.values()
            if o.resting
            and o is not besides
            and (o.instrument.currency == currency or (o.instrument.spot and o.instrument.coin == currency))
        ]
        return [view for order in mine for view in self.margin_views(order)]

    def margin_of(self, instrument: Instrument, signed: Decimal, price: Decimal, mark: Mark | None = None) -> Decimal:
        """Return what an order of a signed amount would tie up."""
        mark = self.quotes.mark(instrument) if mark is None else mark
        return sum((order_margin(view) for view in self._views(instrument, signed, price, mark)), ZERO)

    def margin_views(self, order: Order) -> list[OpenOrder]:
        """Return an open order as margin sees it: one view, or one for each leg of a combo."""
        instrument = order.instrument
        return self._views(instrument, order.signed_remaining, order.price, self.quotes.mark(instrument))

    def _views(self, instrument: Instrument, signed: Decimal, price: Decimal, mark: Mark) -> list[OpenOrder]:
        if instrument.combo:
            out: list[OpenOrder] = []
            for leg in instrument.legs:
                leg_mark = self.quotes.mark(leg.instrument)
                worth = Decimal(repr(round(leg_mark.price, 8)))
                out += self._views(leg.instrument, signed * leg.ratio, worth, leg_mark)
            return out
        value, held = value_of(instrument, mark), self.account.size(instrument.name)
        currency = instrument.coin if instrument.spot and signed < 0 else instrument.currency
        return [OpenOrder(contract_of(instrument), currency, signed, price, value, held)]

    # Fills

    def submit(self, book: Book, order: Order, lifetime: Lifetime) -> list[Fill]:
        return book.submit(
            order.order_id, order.account, order.side, order.remaining, order.price, lifetime, order.display
        )

    def after(self, book: Book, order: Order, fills: list[Fill], mark: Mark) -> list[UserTrade]:
        trades = [self.ledger.trade(order, fill, mark, taker=True) for fill in fills]
        if order.resting and order.order_id not in book:
            order.cancel("user_request", self.quotes.now_ms())
        self._note_shown(book, order)
        if not order.open:
            self.remember_closed(order)
        self.tell(order.instrument, [order], trades)
        linking.consequences(self, order, sum((fill.amount for fill in fills), ZERO))
        return trades

    def _book_fills(self, instrument: Instrument, fills: Iterable[Fill], mark: Mark) -> None:
        done: list[tuple[Order, Decimal]] = []
        for fill in fills:
            if fill.maker_id is not None:
                order = self.orders[fill.maker_id]
                trade = self.ledger.trade(order, fill, mark, taker=fill.hidden)
                self._note_shown(self.books[instrument.name], order)
                if not order.open:
                    self.remember_closed(order)
                self.tell(instrument, [order], [trade])
                done.append((order, fill.amount))
        for order, traded in done:  # only now: what follows may change the book
            linking.consequences(self, order, traded)

    @staticmethod
    def _note_shown(book: Book, order: Order) -> None:
        if order.display is not None:
            resting = book.resting(order.order_id)
            order.shown = ZERO if resting is None else resting.visible

    def _requote_advanced(self, instrument: Instrument, book: Book, mark: Mark) -> None:
        """Move the orders priced in dollars or volatility to what that is worth now."""
        for order in [self.orders[order_id] for order_id in book.order_ids()]:
            if not order.resting or order.advanced is None or order.asked is None:
                continue
            price = terms.quoted_price(instrument, order.side, order.advanced, order.asked, mark)
            price = terms.clamped(instrument, order.side, price, mark)
            if price == order.price:
                continue
            try:
                book.check_self_trade(order.account, order.side, order.remaining, price)
            except SelfTradeError:
                continue
            book.cancel(order.order_id)
            order.price, order.auto_replaced, order.updated_ms = price, True, self.quotes.now_ms()
            self.after(book, order, self.submit(book, order, order.lifetime), mark)

    # The end of orders, days and instruments

    def end(self, order: Order, reason: str) -> None:
        order.cancel(reason, self.quotes.now_ms())
        self.remember_closed(order)

    def remember_closed(self, order: Order) -> None:
        if self._alive.pop(order.order_id, None) is None:
            return
        self._closed.append(order.order_id)
        while len(self._closed) > _KEPT_CLOSED:
            self.orders.pop(self._closed.popleft(), None)

    def _expire(self, instrument: Instrument) -> None:
        self.books.pop(instrument.name)
        del self._quoted[instrument.name], self._instruments[instrument.name]
        ended = [o for o in self._alive.values() if o.instrument.name == instrument.name]
        for order in ended:
            self.end(order, "settlement")
        self.tell(instrument, ended, [])

    def _settle(self) -> None:
        """Do what 08:00 UTC does: deliver what has expired, settle futures, end the day's orders."""
        live = self.catalogue.live()
        self.ledger.fund()
        for name in [n for n in self.account.positions if n not in live]:
            self.ledger.deliver(name)
        settled_ms = settled_at(self.quotes.now_ms())
        if settled_ms <= self._settled_ms:
            return
        self._settled_ms = settled_ms
        self.ledger.settle(settled_ms)
        for order in self.open_orders():
            if order.lifetime is Lifetime.GOOD_TIL_DAY and order.open and order.created_ms < settled_ms:
                self.cancel(order, "settlement")

    def tell(self, instrument: Instrument, orders: list[Order], trades: list[UserTrade]) -> None:
        if self.listener is not None and (orders or trades):
            self.listener(instrument, [replace(order) for order in orders], trades)
            for leg in (leg for trade in trades for leg in trade.legs):
                self.listener(leg.instrument, [], [leg])
