"""What an account may still do: the margin its open orders tie up, and whether one more can be paid for."""

from decimal import Decimal

from cerberod.simulator.accounts import OpenOrder, Totals, order_margin
from cerberod.simulator.deribit.blotter import Blotter
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.ledger import Ledger
from cerberod.simulator.deribit.orders import Order
from cerberod.simulator.deribit.quotes import Mark, Quotes
from cerberod.simulator.deribit.terms import contract_of, value_of
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import ZERO, Side


class Margin:
    """The margin of one account with its open orders, at present marks."""

    def __init__(self, quotes: Quotes, ledger: Ledger, blotter: Blotter) -> None:
        self._quotes = quotes
        self._ledger = ledger
        self._blotter = blotter

    def check(
        self, instrument: Instrument, side: Side, amount: Decimal, price: Decimal, mark: Mark, besides: Order | None
    ) -> None:
        """Refuse an order that cannot be paid for, one open order left out if asked."""
        views = self._views(instrument, amount * side.sign, price, mark)
        needed, currency = sum((order_margin(view) for view in views), ZERO), views[0].currency
        if needed > 0 and needed > self._ledger.account.available(currency, self.totals(currency, besides)):
            raise VenueError(10009)

    def totals(self, currency: str, besides: Order | None = None) -> Totals:
        """Return one currency's sums at present marks, one open order left out if asked."""
        return self._ledger.totals(currency, self.open_views(currency, besides))

    def open_views(self, currency: str, besides: Order | None = None) -> list[OpenOrder]:
        """Return one currency's resting orders as margin sees them, one left out if asked."""
        mine = [
            o
            for o in self._blotter.open_orders()
            if o.resting
            and o is not besides
            and (o.instrument.currency == currency or (o.instrument.spot and o.instrument.coin == currency))
        ]
        return [view for order in mine for view in self.views(order)]

    def of(self, instrument: Instrument, signed: Decimal, price: Decimal) -> Decimal:
        """Return what an order of a signed amount would tie up."""
        views = self._views(instrument, signed, price, self._quotes.mark(instrument))
        return sum((order_margin(view) for view in views), ZERO)

    def views(self, order: Order) -> list[OpenOrder]:
        """Return an open order as margin sees it: one view, or one for each leg of a combo."""
        instrument = order.instrument
        return self._views(instrument, order.signed_remaining, order.price, self._quotes.mark(instrument))

    def _views(self, instrument: Instrument, signed: Decimal, price: Decimal, mark: Mark) -> list[OpenOrder]:
        if instrument.combo:
            out: list[OpenOrder] = []
            for leg in instrument.legs:
                leg_mark = self._quotes.mark(leg.instrument)
                worth = Decimal(repr(round(leg_mark.price, 8)))
                out += self._views(leg.instrument, signed * leg.ratio, worth, leg_mark)
            return out
        value, held = value_of(instrument, mark), self._ledger.account.size(instrument.name)
        currency = instrument.coin if instrument.spot and signed < 0 else instrument.currency
        return [OpenOrder(contract_of(instrument), currency, signed, price, value, held)]
