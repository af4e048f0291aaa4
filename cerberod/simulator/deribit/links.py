"""How much a fill of one order places or takes away of the orders linked to it. Pure arithmetic.

`first_hit`: any fill moves all of it. `complete_fill`: only the last one does. `incremental`: as much as was filled,
in whole lots.
"""

from decimal import Decimal

from cerberod.simulator.deribit.orders import FillCondition, Order
from cerberod.simulator.matching import ZERO


def moved(order: Order, traded: Decimal, linked: Decimal, lot: Decimal) -> Decimal:
    """Return how much of a linked order's `linked` amount moves because `order` just traded `traded`."""
    match order.fill_condition:
        case FillCondition.COMPLETE_FILL:
            return linked if order.remaining <= 0 else ZERO
        case FillCondition.INCREMENTAL:
            if order.remaining <= 0:
                return linked
            return min(linked, traded // lot * lot)
        case FillCondition.FIRST_HIT | None:
            return linked
