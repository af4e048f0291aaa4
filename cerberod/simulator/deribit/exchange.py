"""The trading of one environment: its orders and fills, on books the shared market quotes.

Every public method first brings the books up to the present moment, so a resting order is filled, and a trigger order
fires, as soon as anybody looks, and the server's own ticking looks often. Knows parameters already read
(`OrderRequest`), not JSON or sockets; money is the ledger's.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from cerberod.simulator.accounts import Account
from cerberod.simulator.deribit import linking, terms
from cerberod.simulator.deribit.blotter import Blotter
from cerberod.simulator.deribit.catalogue import Catalogue
from cerberod.simulator.deribit.instruments import Instrument, settled_at
from cerberod.simulator.deribit.ledger import Ledger
from cerberod.simulator.deribit.margin import Margin
from cerberod.simulator.deribit.orders import Lineage, Link, Order, OrderRequest, OrderType, UserTrade
from cerberod.simulator.deribit.prints import Tape
from cerberod.simulator.deribit.quotes import Mark, Quotes
from cerberod.simulator.deribit.waiting import Waiting, once_triggered
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import ZERO, Book, Fill, Lifetime, SelfTradeError, Side

_MOST_OPEN = 2_000

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
        self.blotter = Blotter(quotes, account, user_id, first_id)
        self.clear()

    def clear(self) -> None:
        """Start again: full balances, no orders, no trades."""
        self.blotter.clear()
        self.ledger = Ledger(self.quotes, self.tape, self._name, self.user_id, self.blotter.numbering)
        self.margin = Margin(self.quotes, self.ledger, self.blotter)
        self.waiting = Waiting(self.quotes, self.tape, self.blotter)
        self._quoted: dict[str, tuple[int, float]] = {}
        self._instruments: dict[str, Instrument] = {}
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
        if instrument.name in self.blotter.books:
            book = self.quoted_book(instrument, mark)
            return book.best(Side.BUY), book.best(Side.SELL)
        return self.quotes.touch(instrument, mark)

    def quoted_book(self, instrument: Instrument, mark: Mark) -> Book:
        name = instrument.name
        book = self.blotter.books.setdefault(name, Book())
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
            elif len(self.blotter.books[name]):
                self.book(instrument)
            elif self._quoted[name][0] != self.quotes.moment():
                del self.blotter.books[name], self._quoted[name], self._instruments[name]
        self._settle()
        for order in self.waiting.fired(live):
            self._fire(order)
        self.catalogue.rest_quiet_combos(self._last_used_ms)

    def _last_used_ms(self, name: str) -> int | None:
        """Return when an instrument was last traded here, which is now while an order rests in its book."""
        resting = name in self.blotter.books and len(self.blotter.books[name])
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
        if len(self.blotter.open_orders()) + 1 + len(request.others) > _MOST_OPEN:
            raise VenueError(11030, message="other_reject too many open orders")
        if request.link is Link.ONE_CANCELS_OTHER:
            return self._place_pair(request, request.others[0], connection)
        return self._enter(request, connection, Lineage())

    def _place_pair(self, request: OrderRequest, other: OrderRequest, connection: str | None) -> Placed:
        """Place two orders of which one cancels the other; a refusal of either means that nothing happened."""
        pair = Lineage(oco_ref=self.blotter.numbering.pair_id(), fill_condition=request.fill_condition)
        mark = self.quotes.mark(other.instrument)
        if other.type.waits:
            self.waiting.prepared(other, connection, pair, mark)
        else:
            self._admitted(other, self.quoted_book(other.instrument, mark), mark)
        order, trades = self._enter(request, connection, pair)
        if order.open:
            try:
                self._enter(other, connection, pair)
            except VenueError:  # beside the first there is no room for it
                if not trades:
                    self.cancel(order)
                    raise
        return order, trades

    def _enter(self, request: OrderRequest, connection: str | None, lineage: Lineage) -> Placed:
        mark = self.quotes.mark(request.instrument)
        book = self.quoted_book(request.instrument, mark)
        if request.type.waits:
            return self.waiting.arm(request, connection, lineage, mark), []
        amount, limit = self._admitted(request, book, mark)
        order = self.blotter.made(request, connection, lineage, amount, limit)
        order.order_id = self.blotter.numbering.order_id(request.instrument)
        self.blotter.add(order)
        linking.attach(self.blotter, order, request, connection)
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
        self.margin.check(instrument, side, amount, limit, mark, besides=None)
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

    # Cancelling

    def cancel(self, order: Order, reason: str = "user_request") -> Order:
        """Cancel an open order, and with it what waited for its fill."""
        self.book(order.instrument)
        if not order.open:
            raise VenueError(11044)
        if order.watching:
            self.blotter.trigger_history.add(order, "cancelled", "cancel", None)
        self.blotter.withdraw(order, reason)
        linking.drop_waiting(self.blotter, order)
        return order

    def cancel_connection(self, connection: str) -> None:
        """Cancel the orders of a connection that is gone."""
        self.refresh()
        for order in self.blotter.open_orders():
            if order.connection == connection and order.open:
                self.cancel(order, "cancel_on_disconnect")

    def check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self.quotes.is_past(valid_until_ms):
            raise VenueError(13888)

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
            self.blotter.close(order)
        self.blotter.tell(order.instrument, [order], trades)
        self._follow(order, sum((fill.amount for fill in fills), ZERO))
        return trades

    def _book_fills(self, instrument: Instrument, fills: Iterable[Fill], mark: Mark) -> None:
        done: list[tuple[Order, Decimal]] = []
        for fill in fills:
            if fill.maker_id is not None:
                order = self.blotter.orders[fill.maker_id]
                trade = self.ledger.trade(order, fill, mark, taker=fill.hidden)
                self._note_shown(self.blotter.books[instrument.name], order)
                if not order.open:
                    self.blotter.close(order)
                self.blotter.tell(instrument, [order], [trade])
                done.append((order, fill.amount))
        for order, traded in done:  # only now: what follows may change the book
            self._follow(order, traded)

    def _follow(self, order: Order, traded: Decimal) -> None:
        """Do to linked and reduce-only orders what a fill, or an end, of this one means."""
        if traded > 0:
            linking.pull_partner(self.blotter, order, traded)
            for secondary, request, lineage in linking.released(self.blotter, order, traded, self.quotes.now_ms()):
                self._enter_triggered(secondary, request, lineage)
            for instrument in [leg.instrument for leg in order.instrument.legs] or [order.instrument]:
                linking.trim_reducing(self.blotter, self.account, instrument)
        if not order.open:
            linking.drop_waiting(self.blotter, order)

    def _fire(self, order: Order) -> None:
        """Put what a trigger order stands for on the market, under an id of its own."""
        order.state, order.updated_ms = "triggered", self.quotes.now_ms()
        self.blotter.close(order)
        linking.pull_partner(self.blotter, order, order.amount)
        self.blotter.tell(order.instrument, [order], [])
        lineage = Lineage(order.order_id, order.primary_order_id, secondary=order.secondary)
        placed = self._enter_triggered(order, once_triggered(order), lineage)
        if placed is None:
            return
        placed.oto_order_ids, placed.bracket = order.oto_order_ids, order.bracket
        placed.fill_condition = order.fill_condition
        self.blotter.trigger_history.add(order, "triggered", "trigger:order", placed)
        if placed.oto_order_ids:  # the fills went by before it had anything linked
            self._follow(placed, placed.filled)

    def _enter_triggered(self, order: Order, request: OrderRequest, lineage: Lineage) -> Order | None:
        """Place what an order waited to ask for; None if the market refuses it, which rejects the order."""
        try:
            placed, _ = self._enter(request, order.connection, lineage)
        except VenueError as refusal:
            order.state = "rejected"
            self.blotter.close(order)
            self.blotter.trigger_history.add(order, f"rejected:{refusal.message}", "trigger:order", None)
            linking.drop_waiting(self.blotter, order)
            self.blotter.tell(order.instrument, [order], [])
            return None
        return placed

    @staticmethod
    def _note_shown(book: Book, order: Order) -> None:
        if order.display is not None:
            resting = book.resting(order.order_id)
            order.shown = ZERO if resting is None else resting.visible

    def _requote_advanced(self, instrument: Instrument, book: Book, mark: Mark) -> None:
        """Move the orders priced in dollars or volatility to what that is worth now."""
        for order in [self.blotter.orders[order_id] for order_id in book.order_ids()]:
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

    # The end of days and instruments

    def _expire(self, instrument: Instrument) -> None:
        self.blotter.books.pop(instrument.name)
        del self._quoted[instrument.name], self._instruments[instrument.name]
        ended = [o for o in self.blotter.open_orders() if o.instrument.name == instrument.name]
        for order in ended:
            self.blotter.end(order, "settlement")
        self.blotter.tell(instrument, ended, [])

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
        for order in self.blotter.open_orders():
            if order.lifetime is Lifetime.GOOD_TIL_DAY and order.open and order.created_ms < settled_ms:
                self.cancel(order, "settlement")
