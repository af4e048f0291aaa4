"""What the venue demands of an order before the book sees it: amounts, ticks, bands, shown parts, advanced prices.

Pure: an instrument, a mark and a wish in; a limit price, or the venue's refusal out. Also the two views of a mark that
everybody shares: as the account reads it, and as trades and summaries show it.
"""

from decimal import Decimal
from typing import Final

from cerberod.analytics.black import black_price
from cerberod.simulator.accounts import Contract, Value
from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Advanced, Link, OrderRequest, OrderType
from cerberod.simulator.deribit.quotes import Mark, band
from cerberod.simulator.deribit.wire import VenueError, invalid
from cerberod.simulator.matching import Book, Side

_LEAST_SHOWN_MINIMUMS = 100
_MOST_HIDDEN = 100  # times what is shown
_MOST_VOLATILITY_PCT = Decimal(1_000)
_INDEX_TICK: Final = Decimal("0.01")
_OTHERS = {
    Link.ONE_TRIGGERS_OTHER: 1,
    Link.ONE_CANCELS_OTHER: 1,
    Link.ONE_TRIGGERS_ONE_CANCELS_OTHER: 2,
}


# Views of a mark


def contract_of(instrument: Instrument) -> Contract:
    """Return how an instrument's profit is reckoned."""
    if instrument.spot:
        return Contract.SPOT
    if instrument.option:
        return Contract.LINEAR_OPTION if instrument.linear else Contract.INVERSE_OPTION
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
    if instrument.option or instrument.kind == "option_combo":
        return round(price, 8 if instrument.coin == "BTC" and not instrument.linear else 6)
    return round(price, 2 if instrument.coin in ("BTC", "ETH") else 6)


# What is asked for


def check_amount(instrument: Instrument, amount: Decimal) -> None:
    """Refuse an amount the instrument does not trade in."""
    if amount % instrument.lot != 0:
        raise invalid("amount", "must be a multiple of contract size")
    if amount < instrument.minimum:
        raise VenueError(10002)


def check_tick(instrument: Instrument, price: Decimal) -> None:
    """Refuse a price off the instrument's grid; only a combo's may be zero or negative."""
    if price <= 0 and not instrument.grid.signed:
        raise invalid("price", "value must be > 0")
    if not instrument.grid.fits(price):
        raise VenueError(10043)


def check_trigger_tick(instrument: Instrument, price: Decimal, *, of_index: bool) -> None:
    """Refuse a trigger price off the grid of the price it is compared with."""
    if price <= 0:
        raise VenueError(11036)
    if price % _INDEX_TICK != 0 if of_index and instrument.option else not instrument.grid.fits(price):
        raise VenueError(10044)


def check_display(instrument: Instrument, amount: Decimal, display: Decimal | None) -> None:
    """Refuse an iceberg that shows too little of itself."""
    if display is None:
        return
    if display % instrument.lot != 0 or display > amount:
        raise VenueError(10024)
    if display < _LEAST_SHOWN_MINIMUMS * instrument.minimum or amount - display >= _MOST_HIDDEN * display:
        raise VenueError(11048 if instrument.option else 10036)


def check_advanced(request: OrderRequest) -> None:
    """Refuse a price in dollars or volatility where it means nothing."""
    if request.advanced is None:
        return
    if not request.instrument.option:
        raise VenueError(11038)
    if request.post_only:
        raise VenueError(11039)
    if not request.type.priced or (request.advanced is Advanced.USD and request.instrument.linear):
        raise VenueError(10031)


def check_link(request: OrderRequest) -> None:
    """Refuse links that do not fit together."""
    if request.link is None:
        if request.others:
            raise invalid("linked_order_type", "value required")
        return
    if request.instrument.combo:
        raise VenueError(10031)
    if len(request.others) != _OTHERS[request.link]:
        raise invalid("otoco_config", f"{request.link.value} needs {_OTHERS[request.link]}")


def check_request(request: OrderRequest) -> None:
    """Refuse whatever can be refused without looking at the market."""
    instrument = request.instrument
    check_amount(instrument, request.amount)
    check_display(instrument, request.amount, request.display)
    check_advanced(request)
    if request.price is not None and request.advanced is None:
        check_tick(instrument, request.price)
    if request.advanced is Advanced.IMPLV and not 0 < (request.price or 0) <= _MOST_VOLATILITY_PCT:
        raise invalid("price", "invalid value")
    if request.advanced is Advanced.USD and (request.price or 0) <= 0:
        raise invalid("price", "value must be > 0")
    if request.type.waits and instrument.combo:
        raise VenueError(10031)
    followed = request.type is OrderType.TRAILING_STOP  # its trigger price is where the market left it
    if request.trigger_price is not None and request.trigger is not None and not followed:
        check_trigger_tick(instrument, request.trigger_price, of_index=request.trigger.value == "index_price")


# Limits


def clamped(instrument: Instrument, side: Side, price: Decimal, mark: Mark) -> Decimal:
    """Return a limit price inside the band: a buy not above it, a sell not below it."""
    lowest, highest = band(instrument, mark)
    return min(price, highest) if side is Side.BUY else max(price, lowest)


def worst_price(instrument: Instrument, side: Side, mark: Mark) -> Decimal:
    """Return the protective limit of a market order."""
    lowest, highest = band(instrument, mark)
    return highest if side is Side.BUY else lowest


def quoted_price(instrument: Instrument, side: Side, advanced: Advanced, asked: Decimal, mark: Mark) -> Decimal:
    """Return an advanced order's present price in the instrument's unit: never worse for its owner than asked."""
    if advanced is Advanced.USD:
        price = float(asked) / mark.forward
    else:
        sigma = float(asked) / 100.0
        worth = float(black_price(mark.forward, instrument.strike, mark.years, sigma, instrument.is_call))
        price = worth if instrument.linear else worth / mark.forward
    grid = instrument.grid
    return max(grid.down(price) if side is Side.BUY else grid.up(price), grid.fine)


def kept_off(instrument: Instrument, book: Book, side: Side, limit: Decimal, reject: bool) -> Decimal:
    """Return a post-only order's price: as asked, or one tick off the touch it would have taken."""
    if not book.would_take(side, limit):
        return limit
    if reject:
        raise VenueError(11054)
    touch = book.best(side.opposite)
    if touch is None:  # would_take saw one
        return limit
    return instrument.grid.next_down(touch) if side is Side.BUY else instrument.grid.next_up(touch)
