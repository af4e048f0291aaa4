"""Which orders the simulated Bybit remembers, and by which names they are found."""

from decimal import Decimal

import pytest

from cerberod.simulator.bybit.blotter import Blotter
from cerberod.simulator.bybit.catalogue import Catalogue
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Order
from cerberod.simulator.bybit.quotes import Quotes
from cerberod.simulator.market import Market
from cerberod.simulator.matching import Side
from cerberod.simulator.timing import MarketTime
from tests.support.clock import ManualClock

D = Decimal
MARKET, TIME = Market(7), MarketTime(ManualClock())
CATALOGUE = Catalogue(MARKET, TIME)


def instrument(category: str) -> Instrument:
    found = CATALOGUE.get(category, "BTCUSDT")
    assert found is not None
    return found


@pytest.fixture
def blotter() -> Blotter:
    return Blotter(Quotes(MARKET, TIME))


def added(blotter: Blotter, number: int, category: str = "linear", link_id: str = "") -> Order:
    """Return an order that lies in no book."""
    order = Order(
        f"order-{number}", link_id, number, instrument(category), Side.BUY, D(1), D(9), False, "GTC", 0, False, 1, 1
    )
    blotter.add(order)
    return order


def test_the_closed_orders_remembered_are_the_last_five_thousand(blotter: Blotter) -> None:
    orders = [added(blotter, number) for number in range(5_002)]
    for order in orders[1:]:
        blotter.end(order)
        blotter.end(order)  # it ends once
    assert blotter.open_orders() == orders[:1]
    assert blotter.find("linear", "order-0", "") is orders[0]
    assert blotter.find("linear", "order-1", "") is None
    assert blotter.find("linear", "order-2", "") is orders[2]


def test_spot_has_link_ids_of_its_own_and_none_is_free_again(blotter: Blotter) -> None:
    linear, spot = added(blotter, 1, link_id="mine"), added(blotter, 2, "spot", "mine")
    assert blotter.find("linear", "", "mine") is linear
    assert blotter.find("spot", "", "mine") is spot
    assert blotter.find("inverse", "", "mine") is None
    assert blotter.find("spot", "order-1", "mine") is None  # the id goes first
    assert not blotter.used(instrument("spot"), "another")
    blotter.end(linear)
    assert blotter.used(instrument("linear"), "mine")
