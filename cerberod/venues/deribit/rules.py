"""What Deribit would refuse an order for, as far as its instrument tells: checked here, before anything is sent.

Pure. Nothing is ever adjusted: a value off the grid is denied with the nearest one that is on it. What only the venue
knows (margin, price bands, limits of the account) is left to the venue.
"""

from collections.abc import Iterator
from decimal import Decimal

from cerberod.trading.money import nearest_multiple, plain
from cerberod.trading.orders import Reason
from cerberod.venues.deribit.wire.market import Instrument, Kind, State
from cerberod.venues.deribit.wire.reading import tidy

_ICEBERG_FACTOR = 100


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
    else:
        yield from wrong_amount("display_amount", display, instrument)


def not_tradable(instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an instrument takes no orders.

    The venue's word decides, not a clock: what has expired is not open, and the simulator serves markets of other days.
    """
    if instrument.state is not State.OPEN:
        yield Reason(field="instrument_name", rule=f"open for trading; it is {instrument.state.value}")


def wrong_advanced(advanced: str, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why an instrument cannot be priced in volatility or in USD."""
    if instrument.kind is not Kind.OPTION:
        yield Reason(field="advanced", rule="for options only")
    elif advanced == "usd" and instrument.instrument_type == "linear":
        yield Reason(field="advanced", rule="`usd` is not for linear options")


def off_trigger_grid(price: Decimal, instrument: Instrument) -> Iterator[Reason]:
    """Yield the reason why a trigger price is off the grid. Triggers of options are not on the option's own grid."""
    if instrument.kind in (Kind.FUTURE, Kind.SPOT):
        yield from off_grid("trigger_price", price, instrument)
