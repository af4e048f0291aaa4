"""How much of a linked order a fill moves."""

from decimal import Decimal

import pytest

from cerberod.simulator.deribit.links import moved
from cerberod.simulator.deribit.listing import perpetuals
from cerberod.simulator.deribit.orders import FillCondition, Order, OrderType
from cerberod.simulator.matching import Lifetime, Side

D = Decimal


@pytest.mark.parametrize(
    ("condition", "filled", "traded", "expected"),
    [
        (None, 40, 40, 100),
        (FillCondition.FIRST_HIT, 40, 40, 100),
        (FillCondition.COMPLETE_FILL, 40, 40, 0),
        (FillCondition.COMPLETE_FILL, 100, 60, 100),
        (FillCondition.INCREMENTAL, 45, 45, 40),  # whole lots
        (FillCondition.INCREMENTAL, 100, 55, 100),  # the last fill brings what rounding kept back
    ],
)
def test_moved(condition: FillCondition | None, filled: int, traded: int, expected: int) -> None:
    order = Order(
        order_id="x",
        account="a",
        user_id=1,
        instrument=perpetuals()[0],
        side=Side.BUY,
        amount=D(100),
        price=D(1),
        type=OrderType.LIMIT,
        lifetime=Lifetime.GOOD_TIL_CANCELLED,
        label="",
        post_only=False,
        reject_post_only=False,
        reduce_only=False,
        created_ms=0,
        updated_ms=0,
        filled=D(filled),
        fill_condition=condition,
    )
    assert moved(order, D(traded), linked=D(100), lot=D(10)) == expected
