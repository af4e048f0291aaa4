"""What Deribit charges for a trade and for a delivery, by its published rule. Pure.

Rates are the instrument's own; only the caps are written here. A combo's cheaper side may cost less than its legs one
by one, which nobody publishes exactly.
"""

from cerberod.venues.deribit.wire.market import Instrument, Kind

OPTION_CAP = 0.125
"""No option's fee is more than this part of its premium, and no delivery fee more than this part of its value."""
DELIVERY_RATE = 0.00015
"""Of the underlying, when an option is exercised; daily and weekly expiries are free."""
_FREE_OF_DELIVERY = ("day", "week")


def trade_fee(amount: float, price: float, index: float, rate: float, *, option: bool, inverse: bool) -> float:
    """Return the fee of a trade in the currency of settlement, for an `amount` in the instrument's own unit.

    `price` is in coin for inverse options, USD for inverse futures, USDC for linear ones.
    """
    if option:
        fee = amount * min(abs(rate) * (1.0 if inverse else index), OPTION_CAP * price)
    else:
        fee = abs(rate) * amount * (1.0 / price if inverse else price)
    return fee if rate >= 0 else -fee  # a maker may be paid


def delivery_rate(instrument: Instrument) -> float:
    """Return the delivery fee at expiry as a part of the underlying, before its cap."""
    if instrument.kind is not Kind.OPTION or instrument.settlement_period in _FREE_OF_DELIVERY:
        return 0.0
    return DELIVERY_RATE
