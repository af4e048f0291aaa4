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

from cerberod.simulator.accounts import Account, OpenOrder, Totals, Value, order_margin
from cerberod.simulator.deribit import links, terms, triggers
from cerberod.simulator.deribit.catalogue import Catalogue
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.ledger import START_BALANCES, Ledger
from cerberod.simulator.deribit.orders import (
    EditRequest,
    Lineage,
    Link,
    Numbering,
    Order,
    OrderRequest,
    OrderType,
    Trigger,
    UserTrade,
)
from cerberod.simulator.deribit.prints import Tape
from cerberod.simulator.deribit.quotes import Mark, Quotes
from cerberod.simulator.deribit.terms import contract_of, shown_mark, value_of
from cerberod.simulator.deribit.trigger_history import TriggerHistory
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import ZERO, Book, Fill, Lifetime, SelfTradeError, Side

__all__ = ["CURRENCIES", "START_BALANCES", "Exchange", "Listener", "contract_of", "shown_mark", "value_of"]

CURRENCIES: Final = tuple(START_BALANCES)

_SETTLEMENT_HOUR_MS = 8 * 3_600_000
_MOST_OPEN = 2_000
_MOST_TRIGGERS = 100
_KEPT_CLOSED = 5_000
_LAST_PRICE_WINDOW_MS = 2 * DAY_MS

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
        self._numbering = Numbering(self._first_id)
        self.ledger = Ledger(self.quotes, self.tape, self._name, self.user_id, self._numbering)
        self._books: dict[str, Book] = {}
        self._quoted: dict[str, tuple[int, float]] = {}
        self._instruments: dict[str, Instrument] = {}
        self.orders: dict[str, Order] = {}
        self._alive: dict[str, Order] = {}
        self._closed: deque[str] = deque()
        self.trigger_history = TriggerHistory()
        self._settled_ms = _settled_at(self.quotes.now_ms())
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
        return self._quote(instrument, self.quotes.mark(instrument))

    def best(self, instrument: Instrument, mark: Mark) -> tuple[Decimal | None, Decimal | None]:
        """Return the best bid and ask, without making a book for an instrument nobody trades."""
        if instrument.name in self._books:
            book = self._quote(instrument, mark)
            return book.best(Side.BUY), book.best(Side.SELL)
        return self.quotes.touch(instrument, mark)

    def _quote(self, instrument: Instrument, mark: Mark) -> Book:
        name = instrument.name
        book = self._books.setdefault(name, Book())
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
            elif len(self._books[name]):
                self.book(instrument)
            elif self._quoted[name][0] != self.quotes.moment():
                del self._books[name], self._quoted[name], self._instruments[name]
        self._settle()
        self._watch()
        self.catalogue.rest_quiet_combos(self._last_used_ms)

    def _last_used_ms(self, name: str) -> int | None:
        """Return when an instrument was last traded here, which is now while an order rests in its book."""
        resting = name in self._books and len(self._books[name])
        return self.quotes.now_ms() if resting else self.tape.last_user_trade_ms(name)

    # Placing

    def place(self, request: OrderRequest, connection: str | None = None) -> Placed:
        """Place an order and what is linked to it; VenueError if the venue would refuse it."""
        self._check_deadline(request.valid_until_ms)
        terms.check_link(request)
        for wanted in (request, *request.others):
            terms.check_request(wanted)
            if not self.catalogue.active(wanted.instrument):
                raise VenueError(10012)
        if len(self._alive) + 1 + len(request.others) > _MOST_OPEN:
            raise VenueError(11030, message="other_reject too many open orders")
        if request.link is not Link.ONE_CANCELS_OTHER:
            return self._enter(request, connection, Lineage())
        pair = Lineage(oco_ref=self._numbering.pair_id(), fill_condition=request.fill_condition)
        order, trades = self._enter(request, connection, pair)
        if order.open:
            try:
                self._enter(request.others[0], connection, pair)
            except VenueError:
                if order.open:
                    self.cancel(order)
                raise
        return order, trades

    def _enter(self, request: OrderRequest, connection: str | None, lineage: Lineage) -> Placed:
        mark = self.quotes.mark(request.instrument)
        book = self._quote(request.instrument, mark)
        if request.type.waits:
            return self._arm(request, connection, lineage, mark), []
        amount, limit = self._admitted(request, book, mark)
        order = self._made(request, connection, lineage, amount, limit)
        order.order_id = self._numbering.order_id(request.instrument)
        self._register(order)
        self._attach(order, request, connection)
        lifetime = Lifetime.IMMEDIATE_OR_CANCEL if request.type is OrderType.MARKET else request.lifetime
        return order, self._after(book, order, self._submit(book, order, lifetime), mark)

    def _admitted(self, request: OrderRequest, book: Book, mark: Mark) -> tuple[Decimal, Decimal]:
        """Return the amount and the limit price an order may enter the book with."""
        instrument, side = request.instrument, request.side
        held = self.account.size(instrument.name)
        amount = request.amount
        if request.reduce_only:
            if held == 0 or (held > 0) is (side is Side.BUY):
                raise VenueError(11030, message="other_reject no position to reduce")
            amount = min(amount, abs(held))
        limit = self._limit(request, book, mark)
        if request.post_only:
            limit = terms.kept_off(instrument, book, side, limit, request.reject_post_only)
        self._check_funds(instrument, side, amount, limit, mark, besides=None)
        try:
            book.check_self_trade(self._name, side, amount, limit)
        except SelfTradeError:
            raise VenueError(10003) from None
        return amount, limit

    def _limit(self, request: OrderRequest, book: Book, mark: Mark) -> Decimal:
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

    def _made(
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
        )

    def _register(self, order: Order) -> None:
        self.orders[order.order_id] = self._alive[order.order_id] = order

    # Trigger orders

    def _arm(self, request: OrderRequest, connection: str | None, lineage: Lineage, mark: Mark) -> Order:
        """Let an order wait for its trigger."""
        if sum(order.watching for order in self._alive.values()) >= _MOST_TRIGGERS:
            raise VenueError(11035)
        now = self._watched_price(request.instrument, request.trigger, mark)
        order = self._made(request, connection, lineage, request.amount, request.price or ZERO)
        if now is not None and request.trigger_offset is not None:
            order.reference = order.extreme = now
            order.trigger_price = triggers.trailing_trigger(request.side, now, request.trigger_offset)
        if order.trigger_price is None or order.trigger_price <= 0:
            raise VenueError(11036)
        if now is not None:
            triggers.check_trigger_price(request.type, request.side, order.trigger_price, now)
        order.order_id, order.state = self._numbering.trigger_id(request), "untriggered"
        order.watched_ms = self.quotes.now_ms()
        self._register(order)
        self._attach(order, request, connection)
        self._tell(order.instrument, [order], [])
        return order

    def _watched_price(self, instrument: Instrument, trigger: Trigger | None, mark: Mark) -> Decimal | None:
        """Return the present price a trigger watches; None for the last price of what never traded."""
        if trigger is Trigger.INDEX_PRICE:
            return Decimal(repr(mark.index))
        if trigger is Trigger.MARK_PRICE:
            return Decimal(repr(shown_mark(instrument, mark.price)))
        now_ms = self.quotes.now_ms()
        prints = self.tape.between(instrument, now_ms - _LAST_PRICE_WINDOW_MS, now_ms)
        return Decimal(repr(float(prints.price[-1]))) if len(prints) else None

    def _watch(self) -> None:
        """Fire the trigger orders whose price was reached."""
        for order in [o for o in self._alive.values() if o.watching]:
            if not order.watching:  # ended by one that fired before it
                continue
            if self.catalogue.get(order.instrument.name) is None:
                self._end(order, "settlement")
                self._tell(order.instrument, [order], [])
                continue
            if triggers.fires(order, self._seen(order)):
                self._fire(order)

    def _seen(self, order: Order) -> list[Decimal]:
        """Return the prices an order's trigger has seen since it was last looked at."""
        since_ms, order.watched_ms = order.watched_ms, self.quotes.now_ms()
        if order.trigger is Trigger.LAST_PRICE:
            prints = self.tape.between(order.instrument, since_ms, order.watched_ms)
            return [Decimal(repr(price)) for price in prints.price.tolist()]
        price = self._watched_price(order.instrument, order.trigger, self.quotes.mark(order.instrument))
        return [] if price is None else [price]

    def _fire(self, order: Order) -> None:
        """Put what a trigger order stands for on the market, under an id of its own."""
        order.state, order.updated_ms = "triggered", self.quotes.now_ms()
        self._remember_closed(order)
        self._pull_partner(order, order.amount)
        self._tell(order.instrument, [order], [])
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
            placed, _ = self._enter(request, order.connection, lineage)
        except VenueError as refusal:
            order.state = "rejected"
            self.trigger_history.add(order, f"rejected:{refusal.message}", "trigger:order", None)
            self._drop_waiting(order)
            self._tell(order.instrument, [order], [])
        else:
            placed.oto_order_ids, placed.bracket = order.oto_order_ids, order.bracket
            placed.fill_condition = order.fill_condition
            self.trigger_history.add(order, "triggered", "trigger:order", placed)
            if placed.oto_order_ids:  # the fills went by before it had anything linked
                self._consequences(placed, placed.filled)

    # Linked orders

    def _attach(self, order: Order, request: OrderRequest, connection: str | None) -> None:
        """Let the orders that this one triggers wait for its fill."""
        if request.link in (None, Link.ONE_CANCELS_OTHER):
            return
        order.bracket = request.link is Link.ONE_TRIGGERS_ONE_CANCELS_OTHER
        for other in request.others:
            waiting = self._made(other, connection, Lineage(secondary=True), other.amount, other.price or ZERO)
            waiting.order_id, waiting.state = self._numbering.secondary_id(), "untriggered"
            waiting.waiting, waiting.fill_condition = other, request.fill_condition
            order.oto_order_ids.append(waiting.order_id)
            self._register(waiting)
            self._tell(order.instrument, [waiting], [])

    def _consequences(self, order: Order, traded: Decimal) -> None:
        """Do to linked and reduce-only orders what a fill, or an end, of this one means."""
        if traded > 0:
            self._pull_partner(order, traded)
            self._release(order, traded)
            self._trim_reducing(order.instrument)
        if not order.open:
            self._drop_waiting(order)

    def _pull_partner(self, order: Order, traded: Decimal) -> None:
        """Take away the other order of a pair, or as much of it as the condition says."""
        if order.oco_ref is None:
            return
        for partner in [o for o in self._alive.values() if o.oco_ref == order.oco_ref and o is not order]:
            gone = links.moved(order, traded, partner.remaining, partner.instrument.lot)
            if order.state == "triggered" or gone >= partner.remaining:
                self._withdraw(partner, "oco_other_closed")
            elif gone > 0:
                self._shrink(partner, partner.remaining - gone)

    def _release(self, order: Order, traded: Decimal) -> None:
        """Place the orders that waited for this one's fill, as much of them as the condition says."""
        waiting = [o for o in (self.orders.get(i) for i in order.oto_order_ids) if o is not None and o.open]
        if not waiting:
            return
        pair = self._numbering.pair_id() if order.bracket else None
        for secondary in waiting:
            now = links.moved(order, traded, secondary.remaining, secondary.instrument.lot)
            if now <= 0 or secondary.waiting is None:
                continue
            secondary.amount, secondary.updated_ms = secondary.amount - now, self.quotes.now_ms()
            if secondary.amount == 0:
                secondary.amount, secondary.state = secondary.waiting.amount, "triggered"
                self._remember_closed(secondary)
            self._tell(secondary.instrument, [secondary], [])
            lineage = Lineage(secondary.order_id, order.order_id, pair, True, order.fill_condition if pair else None)
            try:
                self._enter(replace(secondary.waiting, amount=now), secondary.connection, lineage)
            except VenueError as refusal:
                secondary.state = "rejected"
                self._remember_closed(secondary)
                self.trigger_history.add(secondary, f"rejected:{refusal.message}", "trigger:order", None)
                self._tell(secondary.instrument, [secondary], [])

    def _drop_waiting(self, order: Order) -> None:
        for order_id in order.oto_order_ids:
            waiting = self.orders.get(order_id)
            if waiting is not None and waiting.open:
                self._withdraw(waiting, "oto_primary_closed")

    def _trim_reducing(self, instrument: Instrument) -> None:
        """Keep resting reduce-only orders from doing more than closing the position."""
        held = self.account.size(instrument.name)
        for order in [o for o in self._alive.values() if o.reduce_only and o.resting and o.instrument == instrument]:
            if held == 0 or (held > 0) is (order.side is Side.BUY):
                self._withdraw(order, "risk_mitigation")
            elif order.remaining > abs(held):
                self._shrink(order, abs(held))

    def _shrink(self, order: Order, left: Decimal) -> None:
        """Lower what is left of an open order."""
        order.amount, order.updated_ms = order.filled + left, self.quotes.now_ms()
        book = self._books.get(order.instrument.name)
        if order.resting and book is not None and order.order_id in book:
            book.shrink(order.order_id, left)
        self._tell(order.instrument, [order], [])

    def _withdraw(self, order: Order, reason: str) -> None:
        """Take an open order away, wherever it waits."""
        book = self._books.get(order.instrument.name)
        if order.resting and book is not None:
            book.cancel(order.order_id)
        self._end(order, reason)
        self._tell(order.instrument, [order], [])

    # Editing, cancelling, finding

    def edit(self, order: Order, change: EditRequest) -> Placed:
        """Change an open order; its place in the queue is kept when the price stays and the amount shrinks."""
        instrument = order.instrument
        mark = self.quotes.mark(instrument)
        book = self._quote(instrument, mark)
        self._check_deadline(change.valid_until_ms)
        if not order.open:
            raise VenueError(11044)
        wanted = self._edited(order, change)
        terms.check_request(wanted)
        if wanted.amount <= order.filled:
            raise invalid("amount", "must be above the filled amount")
        if not order.resting:
            return self._edit_waiting(order, wanted, change, mark), []
        price = self._limit(wanted, book, mark) if change.price is not None else order.price
        if wanted.post_only and book.would_take(order.side, price):
            if wanted.reject_post_only:
                self._withdraw(order, "edit_post_only_reject")
                return order, []
            price = terms.kept_off(instrument, book, order.side, price, reject=False)
        left = wanted.amount - order.filled
        self._check_funds(instrument, order.side, left, price, mark, besides=order)
        try:
            book.check_self_trade(order.account, order.side, left, price)
        except SelfTradeError:
            raise VenueError(10003) from None
        order.amount, order.display = wanted.amount, wanted.display
        order.asked = wanted.price if wanted.advanced is not None else None
        order.auto_replaced = False
        self._take_flags(order, wanted)
        resting = book.resting(order.order_id)
        if resting is not None and price == order.price and left <= resting.remaining and change.display is None:
            book.shrink(order.order_id, left)
            return order, self._after(book, order, [], mark)
        book.cancel(order.order_id)
        order.price = price
        return order, self._after(book, order, self._submit(book, order, order.lifetime), mark)

    def _edited(self, order: Order, change: EditRequest) -> OrderRequest:
        """Return an order as it would be asked for with a change made."""
        if change.advanced is not None and order.advanced is None:
            raise VenueError(11041)
        if order.advanced is not None and change.advanced is None and change.price is not None:
            raise invalid("advanced", "value required")
        if (change.trigger_price is not None or change.trigger_offset is not None) and order.trigger is None:
            raise VenueError(11047)
        standing = order.asked if order.advanced is not None else order.price
        return OrderRequest(
            instrument=order.instrument,
            side=order.side,
            amount=order.amount if change.amount is None else change.amount,
            price=(standing if change.price is None else change.price) if order.told_type.priced else None,
            type=order.told_type,
            lifetime=order.lifetime,
            label=order.label,
            post_only=order.post_only if change.post_only is None else change.post_only,
            reject_post_only=order.reject_post_only if change.reject_post_only is None else change.reject_post_only,
            reduce_only=order.reduce_only if change.reduce_only is None else change.reduce_only,
            display=order.display if change.display is None else change.display,
            trigger=order.trigger,
            trigger_price=order.trigger_price if change.trigger_price is None else change.trigger_price,
            trigger_offset=order.trigger_offset if change.trigger_offset is None else change.trigger_offset,
            advanced=change.advanced or order.advanced,
        )

    def _edit_waiting(self, order: Order, wanted: OrderRequest, change: EditRequest, mark: Mark) -> Order:
        """Change an order that waits for a price, or for another order's fill."""
        if order.waiting is None:
            now = self._watched_price(order.instrument, order.trigger, mark)
            trigger_price = wanted.trigger_price
            if change.trigger_offset is not None and now is not None:
                order.extreme = now
                trigger_price = triggers.trailing_trigger(order.side, now, change.trigger_offset)
            if now is not None and trigger_price is not None:
                triggers.check_trigger_price(order.type, order.side, trigger_price, now)
            order.trigger_price = trigger_price
        else:
            order.waiting, order.trigger_price = wanted, wanted.trigger_price
        order.amount, order.price, order.display = wanted.amount, wanted.price or ZERO, wanted.display
        order.trigger_offset = wanted.trigger_offset
        order.asked = wanted.price if wanted.advanced is not None else None
        self._take_flags(order, wanted)
        self._tell(order.instrument, [order], [])
        return order

    def _take_flags(self, order: Order, wanted: OrderRequest) -> None:
        order.post_only, order.reject_post_only = wanted.post_only, wanted.reject_post_only
        order.reduce_only = wanted.reduce_only
        order.replaced, order.updated_ms = True, self.quotes.now_ms()

    def cancel(self, order: Order, reason: str = "user_request") -> Order:
        """Cancel an open order, and with it what waited for its fill."""
        self.book(order.instrument)
        if not order.open:
            raise VenueError(11044)
        if order.watching:
            self.trigger_history.add(order, "cancelled", "cancel", None)
        self._withdraw(order, reason)
        self._drop_waiting(order)
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

    def _check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self.quotes.is_past(valid_until_ms):
            raise VenueError(13888)

    # Money

    def _check_funds(
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

    def value(self, name: str) -> Value:
        """Return what a live instrument is worth to an account."""
        instrument = self.catalogue.get(name)
        if instrument is None:
            raise VenueError(10020)
        return value_of(instrument, self.quotes.mark(instrument))

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

    def _submit(self, book: Book, order: Order, lifetime: Lifetime) -> list[Fill]:
        return book.submit(
            order.order_id, order.account, order.side, order.remaining, order.price, lifetime, order.display
        )

    def _after(self, book: Book, order: Order, fills: list[Fill], mark: Mark) -> list[UserTrade]:
        trades = [self.ledger.trade(order, fill, mark, taker=True) for fill in fills]
        if order.resting and order.order_id not in book:
            order.cancel("user_request", self.quotes.now_ms())
        self._note_shown(book, order)
        if not order.open:
            self._remember_closed(order)
        self._tell(order.instrument, [order], trades)
        self._consequences(order, sum((fill.amount for fill in fills), ZERO))
        return trades

    def _book_fills(self, instrument: Instrument, fills: Iterable[Fill], mark: Mark) -> None:
        done: list[tuple[Order, Decimal]] = []
        for fill in fills:
            if fill.maker_id is not None:
                order = self.orders[fill.maker_id]
                trade = self.ledger.trade(order, fill, mark, taker=fill.hidden)
                self._note_shown(self._books[instrument.name], order)
                if not order.open:
                    self._remember_closed(order)
                self._tell(instrument, [order], [trade])
                done.append((order, fill.amount))
        for order, traded in done:  # only now: what follows may change the book
            self._consequences(order, traded)

    @staticmethod
    def _note_shown(book: Book, order: Order) -> None:
        if order.display is not None:
            resting = book.resting(order.order_id)
            order.shown = ZERO if resting is None else resting.visible

    def _requote_advanced(self, instrument: Instrument, book: Book, mark: Mark) -> None:
        """Move the orders priced in dollars or volatility to what that is worth now."""
        for order in [o for o in self._alive.values() if o.advanced is not None and o.instrument == instrument]:
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
            self._after(book, order, self._submit(book, order, order.lifetime), mark)

    # The end of orders, days and instruments

    def _end(self, order: Order, reason: str) -> None:
        order.cancel(reason, self.quotes.now_ms())
        self._remember_closed(order)

    def _remember_closed(self, order: Order) -> None:
        if self._alive.pop(order.order_id, None) is None:
            return
        self._closed.append(order.order_id)
        while len(self._closed) > _KEPT_CLOSED:
            self.orders.pop(self._closed.popleft(), None)

    def _expire(self, instrument: Instrument) -> None:
        self._books.pop(instrument.name)
        del self._quoted[instrument.name], self._instruments[instrument.name]
        ended = [o for o in self._alive.values() if o.instrument.name == instrument.name]
        for order in ended:
            self._end(order, "settlement")
        self._tell(instrument, ended, [])

    def _settle(self) -> None:
        """Do what 08:00 UTC does: deliver what has expired, settle futures, end the day's orders."""
        live = self.catalogue.live()
        self.ledger.fund()
        for name in [n for n in self.account.positions if n not in live]:
            self.ledger.deliver(name, self._delivery(self.ledger.held[name]))
        settled_ms = _settled_at(self.quotes.now_ms())
        if settled_ms <= self._settled_ms:
            return
        self._settled_ms = settled_ms
        self.ledger.settle(settled_ms)
        for order in self.open_orders():
            if order.lifetime is Lifetime.GOOD_TIL_DAY and order.open and order.created_ms < settled_ms:
                self.cancel(order, "settlement")

    def _delivery(self, instrument: Instrument) -> Decimal:
        """Return an expired instrument's delivery price, in its own price unit."""
        spot = Decimal(repr(self.quotes.market.index(instrument.coin, instrument.expiry_ms)))
        if not instrument.option:
            return spot
        strike = Decimal(repr(instrument.strike))
        worth = max(spot - strike if instrument.is_call else strike - spot, ZERO)
        return worth if instrument.linear else worth / spot

    def _tell(self, instrument: Instrument, orders: list[Order], trades: list[UserTrade]) -> None:
        if self.listener is not None and (orders or trades):
            self.listener(instrument, [replace(order) for order in orders], trades)


def _settled_at(now_ms: int) -> int:
    return now_ms - (now_ms - _SETTLEMENT_HOUR_MS) % DAY_MS
