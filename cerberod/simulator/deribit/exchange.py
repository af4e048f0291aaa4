"""The trading of one environment: its account, its orders and fills, on books the shared market quotes.

Every public method first brings the books up to the present moment, so a resting order is filled as soon as anybody
looks, and the server's own ticking looks often. Knows parameters already read (`OrderRequest`), not JSON or sockets.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from cerberod.simulator.accounts import Account, Contract, OpenOrder, Position, Totals, Value, order_margin
from cerberod.simulator.deribit.catalogue import Catalogue
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import EditRequest, Numbering, Order, OrderRequest, UserTrade
from cerberod.simulator.deribit.prints import Tape, UserPrint
from cerberod.simulator.deribit.quotes import Mark, Quotes, implied_pct, price_band
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import ZERO, Book, Fill, Lifetime, SelfTradeError, Side

START_BALANCES: Final = {
    "BTC": Decimal(10),
    "ETH": Decimal(200),
    "USDC": Decimal(250_000),
    "USDT": Decimal(0),
    "EURR": Decimal(0),
}
CURRENCIES: Final = tuple(START_BALANCES)

_SETTLEMENT_HOUR_MS = 8 * 3_600_000
_MOST_OPEN = 2_000
_KEPT_CLOSED = 5_000
_KEPT_TRADES = 10_000

Listener = Callable[[Instrument, list[Order], list[UserTrade]], None]


class Exchange:
    """Orders, fills and money of one environment."""

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
        self.account = Account(self._name, START_BALANCES)
        self._numbering = Numbering(self._first_id)
        self._books: dict[str, Book] = {}
        self._quoted: dict[str, tuple[int, float]] = {}
        self._instruments: dict[str, Instrument] = {}
        self._held: dict[str, Instrument] = {}
        self.orders: dict[str, Order] = {}
        self._closed: deque[str] = deque()
        self.trades: deque[UserTrade] = deque(maxlen=_KEPT_TRADES)
        self.tape.clear()

    # Books

    def book(self, instrument: Instrument) -> Book:
        """Return an instrument's book with the house's present quotes."""
        mark = self.quotes.mark(instrument)
        return self._quote(instrument, mark)

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
            fills = book.quote(*self.quotes.house(instrument, mark))
            self._book_fills(instrument, fills, mark)
        return book

    def refresh(self) -> None:
        """Bring every book that holds user orders up to now, and settle what has expired."""
        live = self.catalogue.live()
        for name, instrument in list(self._instruments.items()):
            if name not in live:
                self._expire(instrument)
            elif len(self._books[name]):
                self.book(instrument)
            elif self._quoted[name][0] != self.quotes.moment():
                del self._books[name], self._quoted[name], self._instruments[name]
        self._end_the_day()
        for name in [n for n in self.account.positions if n not in live]:
            self.account.settle(name, self._delivery(self._held.pop(name)))

    def _end_the_day(self) -> None:
        """Cancel the good-til-day orders placed before the last settlement."""
        now_ms = self.quotes.now_ms()
        settled_ms = now_ms - (now_ms - _SETTLEMENT_HOUR_MS) % DAY_MS
        for order in self.open_orders():
            if order.lifetime is Lifetime.GOOD_TIL_DAY and order.created_ms < settled_ms:
                self.cancel(order, "settlement")

    def _delivery(self, instrument: Instrument) -> Decimal:
        """Return an expired instrument's delivery price, in its own price unit."""
        spot = Decimal(repr(self.quotes.market.index(instrument.coin, instrument.expiry_ms)))
        if not instrument.option:
            return spot
        strike = Decimal(repr(instrument.strike))
        return max(spot - strike if instrument.is_call else strike - spot, ZERO) / spot

    def _expire(self, instrument: Instrument) -> None:
        book = self._books.pop(instrument.name)
        del self._quoted[instrument.name], self._instruments[instrument.name]
        ended = [self.orders[order_id] for order_id in book.order_ids()]
        for order in ended:
            self._end(order, "settlement")
        self._tell(instrument, ended, [])

    # Orders

    def place(self, request: OrderRequest, connection: str | None = None) -> tuple[Order, list[UserTrade]]:
        """Place an order; VenueError if the venue would refuse it."""
        instrument, side = request.instrument, request.side
        mark = self.quotes.mark(instrument)
        book = self._quote(instrument, mark)
        self._check_deadline(request.valid_until_ms)
        self._check_amount(instrument, request.amount)
        held = self.account.size(instrument.name)
        reduces = held != 0 and (held > 0) != (side is Side.BUY)
        amount = request.amount
        if request.reduce_only:
            if not reduces:
                raise VenueError(11030, message="other_reject no position to reduce")
            amount = min(amount, abs(held))
        lowest, highest = price_band(instrument.grid, instrument.option, mark.price)
        limit = highest if side is Side.BUY else lowest
        lifetime = Lifetime.IMMEDIATE_OR_CANCEL if request.market else request.lifetime
        if request.price is not None:
            self._check_tick(instrument, request.price)
            limit = min(request.price, highest) if side is Side.BUY else max(request.price, lowest)
        if request.post_only:
            limit = _kept_off(instrument, book, side, limit, request.reject_post_only)
        if sum(order.open for order in self.orders.values()) >= _MOST_OPEN:
            raise VenueError(11030, message="other_reject too many open orders")
        signed = amount if side is Side.BUY else -amount
        self._check_funds(instrument, signed, limit, mark, held, besides=None)
        now_ms = self.quotes.now_ms()
        order = Order(
            order_id=self._numbering.order_id(instrument),
            account=self._name,
            user_id=self.user_id,
            instrument=instrument,
            side=side,
            amount=amount,
            price=limit,
            market=request.market,
            lifetime=request.lifetime,
            label=request.label,
            post_only=request.post_only,
            reject_post_only=request.reject_post_only,
            reduce_only=request.reduce_only,
            created_ms=now_ms,
            updated_ms=now_ms,
            risk_reducing=request.reduce_only,
            connection=connection,
        )
        fills = self._submit(book, order, lifetime)
        self.orders[order.order_id] = order
        return order, self._after(book, order, fills, mark)

    def edit(self, order: Order, change: EditRequest) -> tuple[Order, list[UserTrade]]:
        """Change an open order; its place in the queue is kept when the price stays and the amount shrinks."""
        instrument = order.instrument
        mark = self.quotes.mark(instrument)
        book = self._quote(instrument, mark)
        self._check_deadline(change.valid_until_ms)
        if not order.open:
            raise VenueError(11044)
        amount = order.amount if change.amount is None else change.amount
        self._check_amount(instrument, amount)
        if amount <= order.filled:
            raise invalid("amount", "must be above the filled amount")
        lowest, highest = price_band(instrument.grid, instrument.option, mark.price)
        price = order.price
        if change.price is not None:
            self._check_tick(instrument, change.price)
            price = min(change.price, highest) if order.side is Side.BUY else max(change.price, lowest)
        post_only = order.post_only if change.post_only is None else change.post_only
        reject = order.reject_post_only if change.reject_post_only is None else change.reject_post_only
        if post_only:
            price = _kept_off(instrument, book, order.side, price, reject)
        left = amount - order.filled
        signed = left if order.side is Side.BUY else -left
        self._check_funds(instrument, signed, price, mark, self.account.size(instrument.name), besides=order)
        try:
            book.check_self_trade(order.account, order.side, left, price)
        except SelfTradeError:
            raise VenueError(10003) from None
        order.amount, order.post_only, order.reject_post_only = amount, post_only, reject
        order.reduce_only = order.reduce_only if change.reduce_only is None else change.reduce_only
        order.replaced, order.updated_ms = True, self.quotes.now_ms()
        resting = book.resting(order.order_id)
        if resting is not None and price == order.price and left <= resting.remaining:
            book.shrink(order.order_id, left)
            return order, self._after(book, order, [], mark)
        book.cancel(order.order_id)
        order.price = price
        return order, self._after(book, order, self._submit(book, order, order.lifetime), mark)

    def cancel(self, order: Order, reason: str = "user_request") -> Order:
        """Cancel an open order."""
        self.book(order.instrument)
        if not order.open:
            raise VenueError(11044)
        self._books[order.instrument.name].cancel(order.order_id)
        self._end(order, reason)
        self._tell(order.instrument, [order], [])
        return order

    def open_orders(self) -> list[Order]:
        """Return all open orders, oldest first."""
        return [order for order in self.orders.values() if order.open]

    def find(self, order_id: str) -> Order:
        """Return an order the venue still remembers."""
        order = self.orders.get(order_id)
        if order is None:
            raise VenueError(10004)
        return order

    # Checks

    def _check_deadline(self, valid_until_ms: int | None) -> None:
        if valid_until_ms is not None and self.quotes.is_past(valid_until_ms):
            raise VenueError(13888)

    @staticmethod
    def _check_amount(instrument: Instrument, amount: Decimal) -> None:
        if amount % instrument.lot != 0:
            raise invalid("amount", "must be a multiple of contract size")
        if amount < instrument.minimum:
            raise VenueError(10002)

    @staticmethod
    def _check_tick(instrument: Instrument, price: Decimal) -> None:
        if price <= 0:
            raise invalid("price", "value must be > 0")
        if not instrument.grid.fits(price):
            raise VenueError(10043)

    def _check_funds(
        self, instrument: Instrument, signed: Decimal, price: Decimal, mark: Mark, held: Decimal, besides: Order | None
    ) -> None:
        order = OpenOrder(contract_of(instrument), instrument.currency, signed, price, value_of(instrument, mark), held)
        needed = order_margin(order)
        if needed > 0 and needed > self.account.available(
            instrument.currency, self.totals(instrument.currency, besides=besides)
        ):
            raise VenueError(10009)

    # Money

    def totals(self, currency: str, besides: Order | None = None) -> Totals:
        """Return one currency's sums at present marks, one open order left out if asked."""
        held = [p for p in self.account.positions.values() if p.currency == currency and p.size]
        values = {p.name: self.value(p.name) for p in held}
        mine = [o for o in self.orders.values() if o.open and o is not besides and o.instrument.currency == currency]
        return self.account.totals(currency, values, [self.margin_view(order) for order in mine])

    def value(self, name: str) -> Value:
        """Return what a live instrument is worth to an account."""
        instrument = self.catalogue.get(name)
        if instrument is None:
            raise VenueError(10020)
        return value_of(instrument, self.quotes.mark(instrument))

    def margin_view(self, order: Order) -> OpenOrder:
        """Return an open order as margin sees it."""
        instrument = order.instrument
        held = self.account.size(instrument.name)
        value = value_of(instrument, self.quotes.mark(instrument))
        return OpenOrder(contract_of(instrument), instrument.currency, order.signed_remaining, order.price, value, held)

    # Fills

    def _submit(self, book: Book, order: Order, lifetime: Lifetime) -> list[Fill]:
        try:
            return book.submit(order.order_id, order.account, order.side, order.remaining, order.price, lifetime)
        except SelfTradeError:
            raise VenueError(10003) from None

    def _after(self, book: Book, order: Order, fills: list[Fill], mark: Mark) -> list[UserTrade]:
        trades = [self._trade(order, fill, mark, taker=True) for fill in fills]
        if order.open and order.order_id not in book:
            order.cancel("user_request", self.quotes.now_ms())
        if not order.open:
            self._remember_closed(order)
        self._tell(order.instrument, [order], trades)
        return trades

    def _book_fills(self, instrument: Instrument, fills: Iterable[Fill], mark: Mark) -> None:
        for fill in fills:
            if fill.maker_id is not None:
                order = self.orders[fill.maker_id]
                trade = self._trade(order, fill, mark, taker=False)
                if not order.open:
                    self._remember_closed(order)
                self._tell(instrument, [order], [trade])

    def _trade(self, order: Order, fill: Fill, mark: Mark, taker: bool) -> UserTrade:
        instrument, now_ms = order.instrument, self.quotes.now_ms()
        index = Decimal(repr(mark.index))
        signed = fill.amount if order.side is Side.BUY else -fill.amount
        order.fill(fill.amount, fill.price, now_ms)
        charged, profit = self.account.trade(self._position(instrument), signed, fill.price, index, taker)
        trade_id, sequence = self._numbering.trade_id(instrument)
        self.tape.record(
            instrument.name,
            UserPrint(now_ms, float(fill.price), float(fill.amount), fill.taker_side is Side.BUY, sequence),
        )
        fields: dict[str, object] = {
            "trade_id": trade_id,
            "trade_seq": sequence,
            "timestamp": now_ms,
            "instrument_name": instrument.name,
            "direction": order.side.value,
            "price": float(fill.price),
            "amount": float(fill.amount),
            "contracts": float(fill.amount / instrument.contract_size),
            "mark_price": shown_mark(instrument, mark.price),
            "index_price": mark.index,
            "tick_direction": 0 if order.side is Side.BUY else 2,
            "order_id": order.order_id,
            "order_type": "market" if order.market else "limit",
            "state": order.state,
            "liquidity": "T" if taker else "M",
            "fee": float(charged),
            "fee_currency": instrument.currency,
            "profit_loss": round(float(profit), 8),
            "label": order.label,
            "matching_id": None,
            "self_trade": False,
            "reduce_only": order.reduce_only,
            "post_only": order.post_only,
            "risk_reducing": order.risk_reducing,
            "api": True,
            "mmp": False,
            "user_id": order.user_id,
        }
        if instrument.option:
            fields |= {"iv": implied_pct(instrument, [fill.price], mark)[0], "underlying_price": round(mark.forward, 4)}
        trade = UserTrade(order.order_id, order.account, instrument, now_ms, fields)
        self.trades.append(trade)
        return trade

    def _position(self, instrument: Instrument) -> Position:
        self._held[instrument.name] = instrument
        return self.account.position(instrument.name, contract_of(instrument), instrument.currency, instrument.coin)

    def _end(self, order: Order, reason: str) -> None:
        order.cancel(reason, self.quotes.now_ms())
        self._remember_closed(order)

    def _remember_closed(self, order: Order) -> None:
        self._closed.append(order.order_id)
        while len(self._closed) > _KEPT_CLOSED:
            self.orders.pop(self._closed.popleft(), None)

    def _tell(self, instrument: Instrument, orders: list[Order], trades: list[UserTrade]) -> None:
        if self.listener is not None and (orders or trades):
            self.listener(instrument, [replace(order) for order in orders], trades)


def contract_of(instrument: Instrument) -> Contract:
    """Return how an instrument's profit is reckoned."""
    if instrument.option:
        return Contract.INVERSE_OPTION
    return Contract.LINEAR_FUTURE if instrument.linear else Contract.INVERSE_FUTURE


def value_of(instrument: Instrument, mark: Mark) -> Value:
    """Return a mark as the account reads it."""
    return Value(
        mark=Decimal(repr(round(mark.price, 8))),
        index=Decimal(repr(mark.index)),
        forward=Decimal(repr(round(mark.forward, 6))),
        strike=Decimal(repr(instrument.strike)),
        is_call=instrument.is_call,
        delta=mark.delta,
        gamma=mark.gamma,
        vega=mark.vega,
        theta=mark.theta,
    )


def shown_mark(instrument: Instrument, price: float) -> float:
    """Round a mark as trades and summaries show it: 8 decimals for BTC options, 6 for ETH, cents for futures."""
    if instrument.option:
        return round(price, 8 if instrument.coin == "BTC" else 6)
    return round(price, 2 if instrument.coin in ("BTC", "ETH") else 6)


def _kept_off(instrument: Instrument, book: Book, side: Side, limit: Decimal, reject: bool) -> Decimal:
    """Return a post-only order's price: as asked, or one tick off the touch it would have taken."""
    if not book.would_take(side, limit):
        return limit
    if reject:
        raise VenueError(11054)
    touch = book.best(side.opposite)
    if touch is None:  # would_take saw one
        return limit
    return instrument.grid.next_down(touch) if side is Side.BUY else instrument.grid.next_up(touch)
