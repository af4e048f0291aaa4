"""What an account may still do: margin in use, equity in dollars, and whether an order can be paid for."""

from dataclasses import dataclass, field
from decimal import Decimal

from cerberod.simulator.bybit.blotter import Blotter
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Order
from cerberod.simulator.bybit.quotes import Mark, Quotes
from cerberod.simulator.bybit.wallet import MAINTENANCE, Account, Holding, fee, fee_rate, initial_margin
from cerberod.simulator.bybit.wire import VenueError
from cerberod.simulator.matching import ZERO, Side


@dataclass
class CoinSums:
    """One coin's sums over positions and orders, in the coin."""

    floating: Decimal = ZERO
    option_value: Decimal = ZERO
    position_initial: Decimal = ZERO
    position_maintenance: Decimal = ZERO
    order_initial: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(frozen=True)
class Totals:
    """The account in dollars."""

    equity: Decimal
    wallet: Decimal
    margin_balance: Decimal
    available: Decimal
    floating: Decimal
    initial: Decimal
    maintenance: Decimal
    coins: dict[str, CoinSums] = field(default_factory=dict)

    def rate(self, margin: Decimal) -> Decimal:
        """Return a margin as a share of the margin balance."""
        return margin / self.margin_balance if self.margin_balance > 0 else ZERO


class Margin:
    """The margin of one account with its open orders, at present marks."""

    def __init__(self, account: Account, quotes: Quotes, blotter: Blotter) -> None:
        self._account = account
        self._quotes = quotes
        self._blotter = blotter

    def usd(self, coin: str) -> Decimal:
        """Return a coin's price in dollars."""
        return Decimal(repr(self._quotes.usd(coin)))

    def price(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """Return (mark, index) as money sees them."""
        mark = self._quotes.mark(instrument)
        return Decimal(repr(round(mark.price, 8))), Decimal(repr(round(mark.index, 8)))

    def of_holding(self, held: Holding) -> tuple[Decimal, Decimal]:
        """Return (initial, maintenance) of a position, in its settlement coin."""
        mark, index = self.price(held.instrument)
        leverage = self._account.leverage(held.instrument)
        initial = initial_margin(held.instrument, held.size, mark, index, leverage)
        if held.instrument.option:
            return initial, initial / 2
        return initial, held.worth(mark) * MAINTENANCE

    def of_order(self, order: Order, mark: Mark | None = None) -> tuple[str, Decimal]:
        """Return what an open order ties up, and in which coin."""
        i = order.instrument
        left = order.remaining
        if i.spot:
            if order.side is Side.SELL:
                return i.base, (order.qty - order.value) / order.price if order.in_quote else left
            return i.quote, order.qty - order.value if order.in_quote else left * order.price
        if order.reduce_only or (order.trigger is not None and not order.triggered):
            return i.settle, ZERO
        held = self._account.size(i, order.position_idx)
        signed = left if order.side is Side.BUY else -left
        if held and (held > 0) != (signed > 0):
            left = max(ZERO, left - abs(held))
            signed = left if signed > 0 else -left
        leverage = self._account.leverage(i)
        if not i.option:
            return i.settle, i.value_of(left, order.price) * (1 / leverage + fee_rate(i, taker=True))
        index = Decimal(repr(round((mark or self._quotes.mark(i)).index, 8)))
        if signed > 0:
            return i.settle, left * order.price + fee(i, left, order.price, index, taker=True)
        return i.settle, initial_margin(i, signed, order.price, index, leverage)

    def totals(self, besides: Order | None = None) -> Totals:
        """Return the account's sums, one open order left out if asked."""
        account = self._account
        sums: dict[str, CoinSums] = {coin: CoinSums() for coin in account.balances}
        for held in account.holdings.values():
            if held.size:
                self._add(sums.setdefault(held.instrument.settle, CoinSums()), held)
        for order in self._blotter.open_orders():
            if besides is None or order.order_id != besides.order_id:
                coin, tied = self.of_order(order)
                into = sums.setdefault(coin, CoinSums())
                if order.instrument.spot:
                    into.locked += tied
                else:
                    into.order_initial += tied
        wallet = floating = options = initial = maintenance = locked = ZERO
        for coin, s in sums.items():
            usd = self.usd(coin)
            wallet += account.balance(coin) * usd
            floating += s.floating * usd
            options += s.option_value * usd
            initial += (s.position_initial + s.order_initial) * usd
            maintenance += s.position_maintenance * usd
            locked += s.locked * usd
        balance = wallet + floating
        return Totals(
            equity=balance + options,
            wallet=wallet,
            margin_balance=balance,
            available=max(ZERO, balance - initial - locked),
            floating=floating,
            initial=initial,
            maintenance=maintenance,
            coins=sums,
        )

    def _add(self, into: CoinSums, held: Holding) -> None:
        mark, _ = self.price(held.instrument)
        initial, maintenance = self.of_holding(held)
        into.position_initial += initial
        into.position_maintenance += maintenance
        if held.instrument.option:
            into.option_value += held.size * mark
        else:
            into.floating += held.floating(mark)

    def check(self, order: Order, mark: Mark, besides: Order | None = None) -> None:
        """Refuse an order that cannot be paid for."""
        coin, tied = self.of_order(order, mark)
        if tied <= 0:
            return
        totals = self.totals(besides)
        if order.instrument.spot:
            free = self._account.balance(coin) - totals.coins.get(coin, CoinSums()).locked
            if tied > free:
                raise VenueError(170131)
        elif tied * self.usd(coin) > totals.available:
            raise VenueError(110007)
