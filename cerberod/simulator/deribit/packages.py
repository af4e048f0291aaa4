"""What a combo's price means for its legs: prices that add up to it exactly, and fees on them. Pure.

A leg trades at its mark, rounded to the combo's tick; what is then missing from the package price is put on the legs
one after another, so leg prices need not lie on the legs' own grids, as recorded.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from cerberod.simulator.accounts import Contract, fee
from cerberod.simulator.matching import ZERO

_FUTURE_STEP: Final = Decimal("0.01")


def leg_prices(ratios: Sequence[int], marks: Sequence[Decimal], price: Decimal, step: Decimal) -> list[Decimal]:
    """Split a package price by the legs' marks: sum(ratio * price) is the package price, and no option is below 0."""
    prices = [max((mark / step).quantize(Decimal(1)) * step, step) for mark in marks]
    missing = price - sum((r * p for r, p in zip(ratios, prices, strict=True)), ZERO)
    for position in sorted(range(len(ratios)), key=lambda i: (abs(ratios[i]), -marks[i])):
        if missing == 0:
            break
        wanted = prices[position] + missing / ratios[position]
        moved = max(wanted, step)
        missing -= ratios[position] * (moved - prices[position])
        prices[position] = moved
    return prices


def step_of(contracts: Sequence[Contract], tick: Decimal) -> Decimal:
    """Return how fine leg prices are: an option's tick, a cent for futures."""
    options = any(contract in (Contract.INVERSE_OPTION, Contract.LINEAR_OPTION) for contract in contracts)
    return tick if options else _FUTURE_STEP


def leg_fees(
    contracts: Sequence[Contract],
    amounts: Sequence[Decimal],
    prices: Sequence[Decimal],
    indices: Sequence[Decimal],
    buys: Sequence[bool],
    taker: bool,
) -> list[Decimal]:
    """Return each leg's fee: the ordinary one with its cap, and nothing for the cheaper of the two directions.

    The venue says that the cheaper direction is reduced, not by how much; here it is free.
    """
    fees = [
        fee(contract, amount, price, taker, index)
        for contract, amount, price, index in zip(contracts, amounts, prices, indices, strict=True)
    ]
    bought = sum((f for f, buy in zip(fees, buys, strict=True) if buy), ZERO)
    sold = sum((f for f, buy in zip(fees, buys, strict=True) if not buy), ZERO)
    if not (any(buys) and not all(buys)):
        return fees
    free_buys = bought <= sold
    return [ZERO if buy is free_buys else f for f, buy in zip(fees, buys, strict=True)]
