"""Which orders the simulated Deribit remembers, and whom it tells of them."""

from decimal import Decimal

import pytest

from cerberod.simulator.deribit.blotter import Blotter
from cerberod.simulator.deribit.listing import perpetuals
from cerberod.simulator.deribit.orders import Lineage, Order, OrderRequest, UserTrade
from cerberod.simulator.deribit.quotes import Quotes
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.market import Market
from cerberod.simulator.matching import Side
from cerberod.simulator.timing import MarketTime
from tests.support.clock import ManualClock

D = Decimal
PERPETUAL = perpetuals()[0]


@pytest.fixture
def blotter() -> Blotter:
    return Blotter(Quotes(Market(7), MarketTime(ManualClock()), {}), "an account", 1, 1_000)


def added(blotter: Blotter) -> Order:
    """Return an order that waits for nothing and lies in no book."""
    order = blotter.made(OrderRequest(PERPETUAL, Side.BUY, D(100), D(50_000)), None, Lineage(), D(100), D(50_000))
    order.order_id = blotter.numbering.order_id(PERPETUAL)
    blotter.add(order)
    return order


def test_the_closed_orders_remembered_are_the_last_five_thousand(blotter: Blotter) -> None:
    standing, first, second = added(blotter), added(blotter), added(blotter)
    for order in (first, second, *(added(blotter) for _ in range(4_999))):
        blotter.end(order, "user_request")
        blotter.close(order)  # it counts once
    assert blotter.open_orders() == [standing]
    assert blotter.find(standing.order_id) is standing
    assert blotter.find(second.order_id) is second
    with pytest.raises(VenueError) as refused:
        blotter.find(first.order_id)
    assert refused.value.code == 10004


def test_the_listener_is_told_of_an_order_as_it_is_now_and_stays_when_orders_are_forgotten(blotter: Blotter) -> None:
    told: list[Order] = []

    def listen(_: object, orders: list[Order], trades: list[UserTrade]) -> None:
        told.extend(orders)

    blotter.listener = listen
    order = added(blotter)
    blotter.shrink(order, D(40))
    blotter.withdraw(order, "user_request")
    assert [(o.amount, o.state) for o in told] == [(D(40), "open"), (D(40), "cancelled")]
    blotter.clear()
    assert blotter.orders == {}
    blotter.withdraw(added(blotter), "user_request")
    assert len(told) == 3
