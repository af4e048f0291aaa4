"""Trigger orders: which way each fires, which prices are refused, how a trailing stop follows."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.simulator.deribit.listing import perpetuals
from cerberod.simulator.deribit.orders import Numbering, Order, OrderRequest, OrderType, Trigger
from cerberod.simulator.deribit.triggers import check_trigger_price, fires, fires_upward, trailing_trigger
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import Lifetime, Side

D = Decimal
PERPETUAL = perpetuals()[0]
BUY, SELL = Side.BUY, Side.SELL


def order(order_type: OrderType, side: Side, trigger_price: int, offset: int | None = None) -> Order:
    made = Order(
        order_id="x",
        account="a",
        user_id=1,
        instrument=PERPETUAL,
        side=side,
        amount=D(10),
        price=D(0),
        type=order_type,
        lifetime=Lifetime.GOOD_TIL_CANCELLED,
        label="",
        post_only=False,
        reject_post_only=False,
        reduce_only=False,
        created_ms=0,
        updated_ms=0,
        trigger=Trigger.MARK_PRICE,
        trigger_price=D(trigger_price),
        state="untriggered",
    )
    if offset is not None:
        made.trigger_offset = D(offset)
        made.extreme = D(trigger_price) + (-offset if side is BUY else offset)
    return made


@pytest.mark.parametrize(
    ("order_type", "side", "upward"),
    [
        (OrderType.STOP_MARKET, BUY, True),
        (OrderType.STOP_LIMIT, SELL, False),
        (OrderType.TAKE_MARKET, BUY, False),
        (OrderType.TAKE_LIMIT, SELL, True),
        (OrderType.TRAILING_STOP, BUY, True),
        (OrderType.TRAILING_STOP, SELL, False),
    ],
)
def test_each_type_has_its_side_of_the_market(order_type: OrderType, side: Side, upward: bool) -> None:
    assert fires_upward(order_type, side) is upward
    bad, code = (D(100), 10035) if upward else (D(100), 10034)
    with pytest.raises(VenueError) as refused:
        check_trigger_price(order_type, side, bad, now=D(100))
    assert refused.value.code == code
    check_trigger_price(order_type, side, D(101) if upward else D(99), now=D(100))
    waiting = order(order_type, side, 101 if upward else 99)
    assert not fires(waiting, [D(100)])
    assert fires(waiting, [D(101) if upward else D(99)]), "touching it is enough"


def test_nothing_seen_fires_nothing_and_one_print_among_many_is_enough() -> None:
    stop = order(OrderType.STOP_MARKET, SELL, 90)
    assert not fires(stop, [])
    assert fires(stop, [D(100), D(89), D(100)])


@given(st.lists(st.integers(50, 150), max_size=30), st.integers(1, 40), st.sampled_from(Side))
def test_a_trailing_stop_only_ever_comes_nearer(prices: list[int], offset: int, side: Side) -> None:
    start = trailing_trigger(side, D(100), D(offset))
    stop = order(OrderType.TRAILING_STOP, side, int(start), offset)
    best = D(100)
    for price in prices:
        before = stop.trigger_price
        assert before == trailing_trigger(side, best, D(offset))
        fired = fires(stop, [D(price)])
        assert fired is (price >= before if side is BUY else price <= before)
        if fired:
            return
        best = min(best, D(price)) if side is BUY else max(best, D(price))
        assert stop.trigger_price is not None
        assert stop.trigger_price <= before if side is BUY else stop.trigger_price >= before


@pytest.mark.parametrize(
    ("order_type", "trigger", "side", "code"),
    [
        (OrderType.STOP_MARKET, Trigger.INDEX_PRICE, SELL, "SLIS"),
        (OrderType.TAKE_LIMIT, Trigger.MARK_PRICE, BUY, "TPMB"),
        (OrderType.TRAILING_STOP, Trigger.LAST_PRICE, SELL, "TSTS"),
    ],
)
def test_an_id_tells_what_waits(order_type: OrderType, trigger: Trigger, side: Side, code: str) -> None:
    numbering = Numbering(5_000_000)
    request = OrderRequest(PERPETUAL, side, D(10), None, order_type, trigger=trigger)
    assert numbering.trigger_id(request) == f"{code}-5001"
    linear = perpetuals()[-1]
    assert numbering.trigger_id(OrderRequest(linear, side, D(10), None, order_type, trigger=trigger)) == (
        f"USDC-{code}-5002"
    )
