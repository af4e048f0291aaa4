"""What Deribit would refuse an order for, as far as its instrument tells: checked here, before anything is sent.

Pure. Nothing is ever adjusted: a value off the grid is denied with the nearest one that is on it. What only the venue
knows (margin, price bands, limits of the account) is left to the venue.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cerberod.trading.money import nearest_multiple, plain
from cerberod.trading.orders import Reason
from cerberod.venues.deribit.wire.market import Instrument, Kind, State
from cerberod.venues.reading import tidy

_ICEBERG_FACTOR = 100
_CENT = Decimal("0.01")
_INDEX_IN_CENTS = frozenset({"BTC", "ETH"})
"""Coins whose index has two decimals; how fine a trigger on the others may be is left to the venue."""
_MOST_OF_A_CALL = Decimal(1)
"""Coins: a call is a claim on one coin less its strike."""
_MOST_OF_A_PUT = Decimal(10)
"""Coins. A put is worth at most strike / forward; strikes beyond ten times the forward are not listed, and `advanced`
`usd` would still take such an order."""


def tick_at(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the price step at a price. A step's own `above_price` is still on the finer grid."""
    reached = [step for step in instrument.tick_size_steps if abs(price) > step.above_price]
    return max(reached, key=lambda step: step.above_price).tick_size if reached else instrument.tick_size


def amount_step(instrument: Instrument) -> Decimal:
    """Return the grid of amounts.

    It is the contract size, except where the smallest order is less than one contract: an option on BTC has contracts
    of 1 and trades from 0.1 in steps of 0.1.
    """
    return min(instrument.contract_size, instrument.min_trade_amount)


def off_grid(field: str, price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a price is not on the instrument's grid."""
    tick = tick_at(instrument, price)
    if price % tick:
        nearest = nearest_multiple(price, tick)
        yield Reason(field=field, rule=f"a multiple of the tick size {plain(tick)}", nearest=plain(tidy(nearest)))


def is_combo(instrument: Instrument) -> bool:
    """Tell whether an instrument is a package of others."""
    return instrument.kind in (Kind.FUTURE_COMBO, Kind.OPTION_COMBO)


def off_combo_grid(field: str, price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a price is not on a combo's grid, which goes on through zero to the other side."""
    tick = tick_at(instrument, price)
    if price % tick:
        nearest = (price / tick).to_integral_value() * tick
        yield Reason(field=field, rule=f"a multiple of the tick size {plain(tick)}", nearest=plain(tidy(nearest)))


def off_limit_grid(field: str, price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a limit price cannot stand in an instrument's book: off its grid, or below it."""
    if is_combo(instrument):
        yield from off_combo_grid(field, price, instrument)
    elif price <= 0:
        yield Reason(field=field, rule="above zero")
    else:
        yield from [*in_another_unit(field, price, instrument)] or off_grid(field, price, instrument)


def in_another_unit(field: str, price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a price in coin can only have been meant in USD: no option is worth so much of its coin."""
    if instrument.kind is not Kind.OPTION or instrument.quote_currency != instrument.base_currency:
        return
    if instrument.option_type == "call" and price >= _MOST_OF_A_CALL:
        most, why = _MOST_OF_A_CALL, "no call is worth more"
    elif instrument.option_type == "put" and price >= _MOST_OF_A_PUT:
        most, why = _MOST_OF_A_PUT, "a put is worth at most strike / forward"
    else:
        return
    rule = f"in {instrument.base_currency} and below {plain(most)}, as {why}; a price in USD takes `advanced` `usd`"
    yield Reason(field=field, rule=rule)


def beyond_its_legs(field: str, price: Decimal, legs: Sequence[tuple[Instrument, Decimal]]) -> Iterator[Reason]:
    """Yield the reason why no package of these legs, each with its signed ratio, can be worth such a price.

    A price in USD, or with the wrong sign, would not rest: the venue moves it to the edge of its band, where it fills.
    """
    most = {"call": _MOST_OF_A_CALL, "put": _MOST_OF_A_PUT}
    coin = legs[0][0].base_currency
    if any(each.option_type not in most or each.quote_currency != each.base_currency for each, _ in legs):
        return
    worth = [(ratio, most[each.option_type or ""]) for each, ratio in legs]
    bought = sum((ratio * limit for ratio, limit in worth if ratio > 0), Decimal(0))
    sold = sum((-ratio * limit for ratio, limit in worth if ratio < 0), Decimal(0))
    if price > 0 and not bought:
        yield Reason(field=field, rule="zero or less where every leg is sold: below zero is what you get")
    elif price < 0 and not sold:
        yield Reason(field=field, rule="zero or more where every leg is bought: above zero is what you pay")
    elif not -sold <= price <= bought:
        why = f"no call is worth more than {plain(_MOST_OF_A_CALL)} and no put more than {plain(_MOST_OF_A_PUT)}"
        yield Reason(field=field, rule=f"in {coin}, from {plain(-sold)} to {plain(bought)}: {why}")


def wrong_amount(field: str, amount: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an amount cannot be ordered."""
    least, step = instrument.min_trade_amount, amount_step(instrument)
    if amount < least:
        yield Reason(field=field, rule=f"at least {plain(least)}", nearest=plain(least))
    elif amount % step:
        nearest = max(least, nearest_multiple(amount, step))
        yield Reason(field=field, rule=f"a multiple of {plain(step)}", nearest=plain(tidy(nearest)))


def wrong_display(display: Decimal, amount: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an iceberg cannot show this much."""
    least = max(instrument.min_trade_amount * _ICEBERG_FACTOR, amount / _ICEBERG_FACTOR)
    if display < least:
        yield Reason(
            field="display_amount",
            rule=f"at least {_ICEBERG_FACTOR} times the smallest order and 1/{_ICEBERG_FACTOR} of the amount",
            nearest=plain(tidy(least)) if least <= amount and not least % amount_step(instrument) else None,
        )
    elif display > amount:
        yield Reason(field="display_amount", rule="at most the amount", nearest=plain(tidy(amount)))
    else:
        yield from wrong_amount("display_amount", display, instrument)


def other_underlying(field: str, instrument: Instrument, first: Instrument) -> Iterator[Reason]:
    """Yield the reason why an instrument cannot stand in one package with another."""
    if (instrument.base_currency, instrument.currency) != (first.base_currency, first.currency):
        rule = f"the underlying of the first leg, {first.base_currency} settled in {first.currency}"
        yield Reason(field=field, rule=rule)


def not_tradable(instrument: Instrument, field: str = "instrument_name") -> Iterator[Reason]:
    """Yield the reason why an instrument takes no orders.

    The venue's word decides, not a clock: what has expired is not open, and the simulator serves markets of other days.
    """
    if instrument.state is not State.OPEN:
        yield Reason(field=field, rule=f"open for trading; it is {instrument.state.value}")


def wrong_advanced(advanced: str, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an instrument cannot be priced in volatility or in USD."""
    if instrument.kind is not Kind.OPTION:
        yield Reason(field="advanced", rule="for options only")
    elif advanced == "usd" and instrument.instrument_type == "linear":
        yield Reason(field="advanced", rule="`usd` is not for linear options")


def off_trigger_grid(
    price: Decimal, instrument: Instrument, trigger: str, field: str = "trigger_price"
) -> Iterator[Reason]:
    """Yield the reason why a trigger price is off the grid of the price that it waits for.

    An option's trigger waits for the option's own price, in its unit, or for the index, which is in cents.
    """
    if is_combo(instrument):
        return
    if instrument.kind is Kind.OPTION and trigger == "index_price":
        if instrument.base_currency in _INDEX_IN_CENTS and price % _CENT:
            nearest = plain(tidy(nearest_multiple(price, _CENT)))
            yield Reason(field=field, rule=f"a multiple of {plain(_CENT)}, as the index is", nearest=nearest)
    else:
        yield from [*in_another_unit(field, price, instrument)] or off_grid(field, price, instrument)


def trigger_has_a_side(instrument: Instrument, trigger: str) -> bool:
    """Tell whether a trigger price can be held against the present price: a combo follows no one index."""
    return not is_combo(instrument) or trigger != "index_price"


def out_of_reach(
    field: str, price: Decimal, trigger_price: Decimal, side: str, instrument: Instrument, trigger: str
) -> Iterator[Reason]:
    """Yield the reason why a stop's limit price would not be met when it fires.

    The index is left out where it is another price than the book's: that of an option, or of a future with a date.
    """
    perpetual = instrument.kind is Kind.FUTURE and instrument.settlement_period == "perpetual"
    of_the_book = perpetual or instrument.kind is Kind.SPOT
    if trigger == "index_price" and not of_the_book:
        return
    if price <= trigger_price if side == "sell" else price >= trigger_price:
        return
    most = "at most" if side == "sell" else "at least"
    fits = not any(off_grid(field, trigger_price, instrument))
    rule = f"{most} the trigger price {plain(trigger_price)} for a stop that {side}s: beyond it, it would not fill"
    yield Reason(field=field, rule=rule, nearest=plain(tidy(trigger_price)) if fits else None)


def backward_trigger(field: str, instrument: Instrument, trigger: str) -> Iterator[Reason]:
    """Yield the reason why a stop would end a gain and a take profit a loss: a put gains when the index falls."""
    if instrument.option_type == "put" and trigger == "index_price":
        rule = "mark_price or last_price for a put: what waits for the index takes it for the price of the position"
        yield Reason(field=field, rule=rule, nearest="mark_price")


def wrong_side(
    field: str,
    trigger_price: Decimal,
    side: str,
    reference: Decimal,
    instrument: Instrument,
    *,
    takes: bool,
    trigger: str,
    against: str,
) -> Iterator[Reason]:
    """Yield the reason why a trigger would fire at once.

    A stop waits for the price to turn against whoever has the position it ends, a take profit for the opposite: what
    sells stops below the market and takes above it, what buys the other way round.
    """
    above = (side == "sell") == takes
    if (trigger_price > reference) if above else (trigger_price < reference):
        return
    of_index = instrument.kind is Kind.OPTION and trigger == "index_price"
    tick = _CENT if of_index else tick_at(instrument, reference)
    steps, rest = divmod(reference, tick)
    nearest = (steps + 1 if above else steps if rest else steps - 1) * tick
    if above and not of_index and (over := nearest % tick_at(instrument, nearest)):
        nearest += tick_at(instrument, nearest) - over  # one step up the grid has become coarser
    what = "take profit" if takes else "stop"
    rule = f"{'above' if above else 'below'} {against}, {plain(tidy(reference))}, for a {what} that {side}s"
    yield Reason(field=field, rule=rule, nearest=plain(tidy(nearest)) if nearest > 0 else None)
