"""What Bybit would refuse an order for, as far as its instrument tells: checked here, before anything is sent.

Pure. Nothing is ever adjusted: a value off the grid is denied with the nearest one that is on it. What only the venue
knows (margin, caps of open interest, how many orders are open) is left to the venue.
"""

from collections.abc import Collection, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from cerberod.trading.money import nearest_multiple, plain
from cerberod.trading.orders import Reason
from cerberod.venues.bybit.bounds import Band, Mode
from cerberod.venues.bybit.wire.instruments import ContractType, Instrument, Status
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.reading import tidy

LARGEST_BATCH = {Category.SPOT: 10, Category.LINEAR: 20, Category.INVERSE: 20, Category.OPTION: 20}
"""How many orders one request may carry."""


def not_tradable(instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an instrument takes no orders. The venue's word decides, not a clock."""
    if instrument.status is not Status.TRADING:
        yield Reason(field="symbol", rule=f"open for trading; it is {instrument.status.value}")


def off_grid(field: str, price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a price is not one of the instrument's."""
    least, most = instrument.min_price, instrument.max_price
    if least is not None and price < least:
        yield Reason(field=field, rule=f"at least {plain(least)}", nearest=plain(least))
    elif most is not None and price > most:
        yield Reason(field=field, rule=f"at most {plain(most)}", nearest=plain(most))
    else:
        yield from off_tick(field, price, instrument)


def off_tick(field: str, distance: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a price or a distance of prices is off the instrument's grid."""
    tick = instrument.tick_size
    if distance % tick:
        nearest = nearest_multiple(distance, tick)
        yield Reason(field=field, rule=f"a multiple of the tick size {plain(tick)}", nearest=plain(tidy(nearest)))


def wrong_qty(
    field: str, qty: Decimal, instrument: Instrument, *, market: bool, in_quote: bool = False
) -> Iterator[Reason]:
    """Yield the reason why a quantity cannot be ordered. `in_quote`: it is an amount of quote coin."""
    if in_quote:
        yield from _wrong_amount(field, qty, instrument)
        return
    step, least = instrument.qty_step, instrument.min_order_qty
    most = instrument.max_market_order_qty if market else instrument.max_order_qty
    if least is not None and qty < least:
        yield Reason(field=field, rule=f"at least {plain(least)}", nearest=plain(least))
    elif most is not None and qty > most:
        yield Reason(field=field, rule=f"at most {plain(most)}", nearest=plain(most))
    elif qty % step:
        nearest = max(least or step, nearest_multiple(qty, step))
        yield Reason(field=field, rule=f"a multiple of {plain(step)}", nearest=plain(tidy(nearest)))


def _wrong_amount(field: str, amount: Decimal, instrument: Instrument) -> Iterator[Reason]:
    step, least, most = instrument.quote_step, instrument.min_order_value, instrument.max_order_value
    if least is not None and amount < least:
        yield Reason(field=field, rule=f"at least {plain(least)} of quote coin", nearest=plain(least))
    elif most is not None and amount > most:
        yield Reason(field=field, rule=f"at most {plain(most)} of quote coin", nearest=plain(most))
    elif step is not None and amount % step:
        nearest = plain(tidy(nearest_multiple(amount, step)))
        yield Reason(field=field, rule=f"a multiple of {plain(step)} of quote coin", nearest=nearest)


def wrong_value(field: str, qty: Decimal, price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an order at a price is worth too little, or too much; the nearest quantity that is not."""
    least, most = instrument.min_order_value, instrument.max_order_value
    value = qty if instrument.category is Category.INVERSE else qty * price
    each = Decimal(1) if instrument.category is Category.INVERSE else price
    step, coin = instrument.qty_step, instrument.quote_coin
    if least is not None and value < least:
        nearest = (least / each / step).to_integral_value(ROUND_CEILING) * step
        yield Reason(field=field, rule=f"worth at least {plain(least)} {coin}", nearest=plain(tidy(nearest)))
    elif most is not None and value > most:
        nearest = (most / each / step).to_integral_value(ROUND_FLOOR) * step
        yield Reason(field=field, rule=f"worth at most {plain(most)} {coin}", nearest=plain(tidy(nearest)))


def outside(field: str, side: str, band: Band) -> Reason:
    """Say why a price is outside the band in which the venue takes orders now."""
    if side == "buy":
        highest = plain(tidy(band.highest_buy))
        return Reason(field=field, rule=f"at most {highest} for an order that buys now", nearest=highest)
    lowest = plain(tidy(band.lowest_sell))
    return Reason(field=field, rule=f"at least {lowest} for an order that sells now", nearest=lowest)


def not_beyond(field: str, price: Decimal, now: Decimal, tick: Decimal, what: str, *, above: bool) -> Iterator[Reason]:
    """Yield the reason why a price is not above, or not below, what another is now; the nearest of the grid that is."""
    if price > now if above else price < now:
        return
    steps, rest = divmod(now, tick)
    nearest = (steps + 1 if above else steps if rest else steps - 1) * tick
    told = plain(tidy(nearest)) if nearest > 0 else None
    yield Reason(field=field, rule=f"{'above' if above else 'below'} {plain(tidy(now))}, {what}", nearest=told)


PRICE_WORDS = {"LastPrice": "last price", "IndexPrice": "index price", "MarkPrice": "mark price"}


def fires_at_once(field: str, trigger: Decimal, rises: bool, by: str, now: Decimal, tick: Decimal) -> Iterator[Reason]:
    """Yield the reason why a trigger has been reached already: Bybit refuses it then, with 110092 or 110093."""
    what = f"the {PRICE_WORDS[by]}, to fire when it {'rises' if rises else 'falls'}"
    yield from not_beyond(field, trigger, now, tick, what, above=rises)


def wrong_side(
    side: str, take_profit: Decimal | None, stop_loss: Decimal | None, prices: Collection[Decimal], tick: Decimal
) -> Iterator[Reason]:
    """Yield the reason why a take profit or a stop loss is on the wrong side, by whichever of the prices Bybit goes."""
    buys = side == "buy"
    if take_profit and stop_loss and (take_profit <= stop_loss if buys else take_profit >= stop_loss):
        rule = f"{'below' if buys else 'above'} take_profit, for an order that {'buys' if buys else 'sells'}"
        yield Reason(field="stop_loss", rule=rule)
    if not prices:
        return
    lowest, highest = min(prices), max(prices)
    for field, price, above in (("take_profit", take_profit, buys), ("stop_loss", stop_loss, not buys)):
        if price:
            bound = "lowest" if above else "highest"
            what = f"the {bound} of limit, last and mark price, for an order that {'buys' if buys else 'sells'}"
            yield from not_beyond(field, price, lowest if above else highest, tick, what, above=above)


def may_hedge(instrument: Instrument) -> bool:
    """Tell whether the account may hold a long and a short position of it side by side."""
    return instrument.contract_type is ContractType.LINEAR_PERPETUAL and instrument.settle_coin == "USDT"


def wrong_idx(field: str, mode: Mode) -> Reason:
    """Say why a position index does not fit the account's mode."""
    if mode.hedged:
        return Reason(field=field, rule="1 for the long or 2 for the short position: the symbol is in hedge mode")
    return Reason(field=field, rule="0: the symbol is in one-way mode", nearest="0")


def wrong_leverage(field: str, leverage: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a leverage cannot be set."""
    least, most, step = instrument.min_leverage, instrument.max_leverage, instrument.leverage_step
    if least is not None and leverage < least:
        yield Reason(field=field, rule=f"at least {plain(least)}", nearest=plain(least))
    elif most is not None and leverage > most:
        yield Reason(field=field, rule=f"at most {plain(most)}", nearest=plain(most))
    elif step is not None and step > 0 and leverage % step:
        nearest = plain(tidy(nearest_multiple(leverage, step)))
        yield Reason(field=field, rule=f"a multiple of {plain(step)}", nearest=nearest)
