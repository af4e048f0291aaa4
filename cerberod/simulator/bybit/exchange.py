"""The trading of one environment: its account, its orders and fills, on books the shared market quotes.

Acceptance is not a fill. A request is checked and acknowledged at once; its effect comes a few milliseconds later, in
the order of acceptance, and may be a rejection that only the order's state tells. Until then the order cannot be found.
Every public method first runs what is due and brings the books up to the present moment.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from cerberod.simulator.bybit import checks
from cerberod.simulator.bybit.blotter import Blotter, BookKey
from cerberod.simulator.bybit.catalogue import Catalogue
from cerberod.simulator.bybit.checks import AmendRequest, OrderRequest
from cerberod.simulator.bybit.events import Events
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.ledger import Ledger
from cerberod.simulator.bybit.margin import Margin
from cerberod.simulator.bybit.orders import LIFETIMES, Numbering, Order
from cerberod.simulator.bybit.quotes import Mark, Quotes
from cerberod.simulator.bybit.tape import Tape
from cerberod.simulator.bybit.wallet import Account
from cerberod.simulator.bybit.wire import PARAMETER, VenueError, plain
from cerberod.simulator.matching import ZERO, Book, Fill, Lifetime, Side

LATENCY_S: Final = 0.004
"""Between an acknowledgement and its effect."""

_MOST_OPEN = 500
_MOST_OPEN_OPTIONS = 50
_MOST_CONDITIONAL = 10


class Exchange:
    """Orders, fills and money of one environment."""

    def __init__(
        self, quotes: Quotes, catalogue: Catalogue, tape: Tape, now_s: Callable[[], float], first_id: int
    ) -> None:
        self.quotes = quotes
        self.catalogue = catalogue
        self.tape = tape
        self._now_s = now_s
        self._first_id = first_id
        self.clear()

    def clear(self) -> None:
        """Start again: full balances, no orders, no trades."""
        self.numbering = Numbering(self._first_id)
        self.account = Account()
        self.ledger = Ledger(self.account, self.quotes, self.numbering)
        self.blotter = Blotter(self.quotes)
        self._quoted: dict[BookKey, tuple[int, float]] = {}
        self._instruments: dict[BookKey, Instrument] = {}
        self.protections: dict[str, int] = {}
        """Seconds after which orders are cancelled on a disconnect, by product."""
        self._due: deque[tuple[float, Callable[[], None]]] = deque()
        self.margin = Margin(self.account, self.quotes, self.blotter)
        self.events = Events(self.ledger, self.tape, self.blotter)

    # Books

    def book(self, instrument: Instrument) -> Book:
        """Return an instrument's book with the house's present quotes."""
        return self._quote(instrument, self.quotes.mark(instrument))

    def has_book(self, instrument: Instrument) -> bool:
        """Tell whether anybody here traded an instrument lately."""
        return instrument.key in self.blotter.books

    def _quote(self, instrument: Instrument, mark: Mark) -> Book:
        key = instrument.key
        book = self.blotter.books.setdefault(key, Book())
        self._instruments[key] = instrument
        version = self.quotes.version(instrument)
        if self._quoted.get(key) != version:
            self._quoted[key] = version
            for fill in book.quote(*self.quotes.house(instrument, mark)):
                self._fill(fill, taker=False)
        return book

    def refresh(self) -> None:
        """Run what is due, bring every book that holds user orders up to now, and let the market's events happen."""
        now_s = self._now_s()
        while self._due and self._due[0][0] <= now_s:
            self._due.popleft()[1]()
        for key, instrument in list(self._instruments.items()):
            if self.catalogue.get(*key) is None:
                self._expire(key)
            elif len(self.blotter.books[key]):
                self.book(instrument)
            elif self._quoted[key] != self.quotes.version(instrument):
                del self.blotter.books[key], self._quoted[key], self._instruments[key]
        self.events.run()
        self._trigger()

    def _expire(self, key: BookKey) -> None:
        book = self.blotter.books.pop(key)
        del self._quoted[key], self._instruments[key]
        for order_id in book.order_ids():
            self.blotter.end(self.blotter.orders[order_id], cancel_type="CancelBySettle")

    def _later(self, effect: Callable[[], None]) -> None:
        self._due.append((self._now_s() + LATENCY_S, effect))

    # Orders

    def place(self, request: OrderRequest) -> Order:
        """Accept a new order; it reaches the book a moment later."""
        order = self.checked(request)
        self.blotter.add(order)
        self._later(lambda: self._enter(order))
        return order

    def checked(self, request: OrderRequest) -> Order:
        """Make an order of a request, or refuse it; nothing is changed."""
        i = request.instrument
        mark = self.quotes.mark(i)
        checks.check_link(i, request.link_id)
        if request.link_id and self.blotter.used(i, request.link_id):
            raise VenueError(170141 if i.spot else 110072)
        if i.status != "Trading":
            raise VenueError(110074)
        checks.check_idx(i, request.position_idx, self.account.is_hedged(i))
        qty = self._sized(request)
        checks.check_qty(i, qty, request.market, request.in_quote)
        price = self._limit(request, mark)
        if request.price is not None and not request.market:
            checks.check_price(i, request.price)
            if request.trigger is None:
                checks.check_band(i, request.side, request.price, mark)
        if request.trigger is not None:
            checks.check_trigger(i, request.trigger, self.quotes.trigger_price(i, request.trigger.by))
        if request.protection.any:
            if request.reduce_only:
                raise VenueError(PARAMETER, "params error: reduceOnly order can not set TP/SL")
            base = price if not request.market else Decimal(repr(round(mark.price, 10)))
            checks.check_protection(i, request.side, request.protection, base)
        if not request.reduce_only:
            reference = Decimal(repr(round(mark.price, 10))) if request.market else price
            checks.check_value(i, qty if request.in_quote else qty * (1 if i.inverse else reference))
        self._check_room(i, request.trigger is not None)
        number = self.numbering.next()
        order_id = self.numbering.order_id(i, number)
        now_ms = self.quotes.now_ms()
        order = Order(
            order_id,
            request.link_id or (str(int(order_id) + 1) if i.spot else ""),
            number,
            i,
            request.side,
            qty,
            price,
            request.market,
            "IOC" if request.market else request.time_in_force,
            request.position_idx,
            request.reduce_only,
            now_ms,
            now_ms,
            close_on_trigger=request.close_on_trigger,
            in_quote=request.in_quote,
            trigger=request.trigger,
            protection=request.protection,
            status="New" if request.trigger is None else "Untriggered",
            stop_type=request.stop_type or ("" if request.trigger is None else "Stop"),
            last_price=i.price_text(self.tape.last(i)),
            volatility=request.volatility,
            is_leverage=request.is_leverage,
            smp_type=request.smp_type,
        )
        if request.trigger is None or i.spot:
            self.margin.check(order, mark)
        return order

    def _sized(self, request: OrderRequest) -> Decimal:
        """Return the quantity: a reduce-only order is cut to what it can reduce, 0 of one means all of it.

        In hedge mode the side that closes an index can do nothing else.
        """
        closing = Side.SELL if request.position_idx == 1 else Side.BUY
        reduces = request.reduce_only or (request.position_idx != 0 and request.side is closing)
        if not reduces or request.instrument.spot:
            return request.qty
        held = self.account.size(request.instrument, request.position_idx)
        if held == 0 or (held > 0) is (request.side is Side.BUY):
            raise VenueError(110017)
        if request.qty == 0 and request.close_on_trigger:
            return min(abs(held), request.instrument.largest)
        return min(request.qty, abs(held))

    def _limit(self, request: OrderRequest, mark: Mark) -> Decimal:
        """Return the limit price; a market order becomes an IOC limit with a protection price."""
        if not request.market:
            if request.price is None:
                raise VenueError(PARAMETER, "params error: price is required")
            return request.price
        highest, lowest = checks.price_limits(request.instrument, mark)
        return highest if request.side is Side.BUY else lowest

    def _check_room(self, instrument: Instrument, conditional: bool) -> None:
        mine = [o for o in self.blotter.open_orders() if o.instrument.category == instrument.category]
        if instrument.option:
            if sum(o.instrument.base == instrument.base for o in mine) >= _MOST_OPEN_OPTIONS:
                raise VenueError(110020, f"Not allowed to have more than {_MOST_OPEN_OPTIONS} active orders")
        elif instrument.spot:
            if len(mine) >= _MOST_OPEN:
                raise VenueError(170810)
        else:
            here = [o for o in mine if o.instrument.symbol == instrument.symbol]
            waiting = sum(o.status == "Untriggered" and o.create_type == "CreateByUser" for o in here)
            if conditional and waiting >= _MOST_CONDITIONAL:
                raise VenueError(110009)
            if len(here) >= _MOST_OPEN:
                raise VenueError(110020)

    def amend(self, order: Order, change: AmendRequest) -> None:
        """Accept a change of an open order; it takes effect a moment later."""
        i = order.instrument
        if not order.open:
            raise VenueError(170213) if i.spot else VenueError(110001, "order not exists or too late to replace")
        qty = order.qty if change.qty is None else change.qty
        checks.check_qty(i, qty, order.market, order.in_quote)
        if qty < order.filled or (qty == order.filled and qty != order.qty):
            raise VenueError(PARAMETER, "params error: qty must be above the executed quantity")
        price = order.price if change.price is None else change.price
        mark = self.quotes.mark(i)
        if change.price is not None:
            if order.market:
                raise VenueError(PARAMETER, "params error: price invalid")
            checks.check_price(i, price)
            checks.check_band(i, order.side, price, mark)
        if change.trigger_price is not None:
            if order.trigger is None:
                raise VenueError(PARAMETER, "params error: triggerPrice invalid")
            now = self.quotes.trigger_price(i, order.trigger.by)
            checks.check_trigger(i, replace(order.trigger, price=change.trigger_price), now)
        if change.protection is not None and change.protection.any:
            checks.check_protection(i, order.side, change.protection, price)
        if not order.reduce_only:
            checks.check_value(i, qty if i.inverse or order.in_quote else qty * price)
        self.margin.check(replace(order, qty=qty, price=price), mark, besides=order)
        self._later(lambda: self._change(order, change))

    def _change(self, order: Order, change: AmendRequest) -> None:
        if not order.open or (change.qty is not None and change.qty <= order.filled):
            return
        qty, price = change.qty or order.qty, change.price or order.price
        order.updated_ms = self.quotes.now_ms()
        if change.protection is not None:
            order.protection = change.protection
        if change.trigger_price is not None and order.trigger is not None:
            order.trigger = replace(order.trigger, price=change.trigger_price)
        book = self.blotter.books.get(order.instrument.key)
        resting = None if book is None else book.resting(order.order_id)
        if book is None or resting is None:
            order.qty, order.price = qty, price
            return
        left = qty - order.filled
        if price == order.price and left <= resting.remaining:
            order.qty = qty
            book.shrink(order.order_id, left)
            return
        book.cancel(order.order_id)
        order.qty, order.price = qty, price
        self._match(order)

    def cancel(self, order: Order) -> None:
        """Accept the cancellation of an open order; a fill may come first."""
        if not order.open:
            raise VenueError(170213 if order.instrument.spot else 110001)
        self._later(lambda: self.blotter.end(order, "EC_PerCancelRequest", "CancelByUser"))

    # Matching

    def _enter(self, order: Order) -> None:
        order.seen = True
        if order.open and order.trigger is None:
            self._match(order)

    def _trigger(self) -> None:
        """Make real orders of the conditional ones whose price has come."""
        for order in self.blotter.open_orders():
            if order.status != "Untriggered" or not order.seen or order.trigger is None:
                continue
            i = order.instrument
            if not order.trigger.met(self.quotes.trigger_price(i, order.trigger.by)):
                continue
            order.triggered, order.status, order.updated_ms = True, "New", self.quotes.now_ms()
            if order.market:
                band = i.band * (1 if order.side is Side.BUY else -1)
                order.price = i.on_grid(self.quotes.mark(i).price * float(1 + band))
            self._match(order)

    def _match(self, order: Order) -> None:
        """Let an order meet the book: trade, rest, or end."""
        i = order.instrument
        if self.catalogue.get(i.category, i.symbol) is None:
            self.blotter.end(order, cancel_type="CancelBySettle")
            return
        book = self.book(i)
        if order.reduce_only and not self._still_reduces(order):
            self.blotter.end(order, cancel_type="CancelByReduceOnly")
            return
        if order.time_in_force in ("PostOnly", "RPI") and book.would_take(order.side, order.price):
            self.blotter.end(order, "EC_PostOnlyWillTakeLiquidity")
            return
        qty = self._affordable(book, order) if order.in_quote else order.remaining
        lifetime = LIFETIMES.get(order.time_in_force, Lifetime.GOOD_TIL_CANCELLED)
        # Without self-match prevention an account may trade with itself, so each order is an owner of its own.
        fills = book.submit(order.order_id, order.order_id, order.side, qty, order.price, lifetime) if qty > 0 else []
        for fill in fills:
            self._fill(fill, taker=True)
        if not order.open:
            return
        if order.in_quote and order.value == order.qty:
            order.status = "Filled"
            self.blotter.close(order)
        elif order.order_id not in book:
            nothing = order.time_in_force == "IOC" and not order.filled and not order.market
            self.blotter.end(order, "EC_NoImmediateQtyToFill" if nothing else "EC_CancelForNoFullFill")

    def _still_reduces(self, order: Order) -> bool:
        held = self.account.size(order.instrument, order.position_idx)
        if held == 0 or (held > 0) is (order.side is Side.BUY):
            return False
        order.qty = order.filled + min(order.remaining, abs(held))
        return True

    @staticmethod
    def _affordable(book: Book, order: Order) -> Decimal:
        """Return how much base coin an amount of quote coin is, walking along the book."""
        left, traded, sign = order.qty, ZERO, 1 if order.side is Side.BUY else -1
        for price, there in book.depth(order.side.opposite, 100):
            if sign * (price - order.price) > 0:
                break
            take = min(there, left / price // order.instrument.step * order.instrument.step)
            traded, left = traded + take, left - take * price
            if take < there:
                break
        return traded

    def _fill(self, fill: Fill, taker: bool) -> None:
        for order_id, is_taker in ((fill.maker_id, False), (fill.taker_id, True)):
            if order_id is None or (is_taker and not taker):
                continue
            order = self.blotter.orders[order_id]
            self.ledger.fill(order, fill.amount, fill.price, is_taker)
            if not order.open:
                self.blotter.close(order)
            self.events.after_fill(order)

    # What tests ask

    def told(self) -> dict[str, Any]:
        """Return every order and execution the venue knows, oldest first, and what is set."""
        stops = {
            f"{held.instrument.symbol},{held.idx}": {
                "takeProfit": _text(held.protection.take_profit),
                "stopLoss": _text(held.protection.stop_loss),
                "trailingStop": plain(held.trailing),
            }
            for held in self.account.holdings.values()
            if held.size
        }
        return {
            "orders": [{"category": o.instrument.category} | o.record() for o in self.blotter.orders.values()],
            "trades": [{"category": e.instrument.category} | e.fields for e in self.ledger.executions],
            "settings": {
                "leverage": {symbol: plain(set_to) for (_, symbol), set_to in self.account.leverages.items()},
                "hedged": sorted(self.account.hedged),
                "disconnect_s": dict(self.protections),
                "stops": stops,
            },
        }


def _text(price: Decimal | None) -> str:
    return "" if price is None else plain(price)
