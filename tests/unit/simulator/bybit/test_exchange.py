"""The exchange without its door: limits of open orders, stops, deliveries, and what reaches a resting order."""

from decimal import Decimal
from typing import Any

import pytest

from cerberod.simulator.bybit.catalogue import Catalogue
from cerberod.simulator.bybit.checks import OrderRequest
from cerberod.simulator.bybit.events import delivered_index
from cerberod.simulator.bybit.exchange import LATENCY_S, Exchange
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Order, Protection, Trigger
from cerberod.simulator.bybit.quotes import Quotes
from cerberod.simulator.bybit.tape import Tape
from cerberod.simulator.bybit.wire import VenueError
from cerberod.simulator.market import Market
from cerberod.simulator.matching import Side
from cerberod.simulator.timing import MarketTime
from tests.support.clock import ManualClock

D = Decimal


class Floor:
    """An exchange, its market and its clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.market = Market(7)
        self.time = MarketTime(self.clock)
        self.quotes = Quotes(self.market, self.time)
        catalogue = Catalogue(self.market, self.time)
        self.exchange = Exchange(self.quotes, catalogue, Tape(self.quotes), self.clock.monotonic, 1_000)

    def instrument(self, category: str, symbol: str) -> Instrument:
        found = self.exchange.catalogue.get(category, symbol)
        assert found is not None
        return found

    @property
    def perpetual(self) -> Instrument:
        return self.instrument("linear", "BTCUSDT")

    def order(self, instrument: Instrument, side: Side, qty: str, price: str = "", **more: Any) -> Order:
        """Place an order and let it take effect; at market without a price."""
        limit = D(price) if price else None
        order = self.exchange.place(OrderRequest(instrument, side, D(qty), limit is None, limit, **more))
        self.wait(LATENCY_S)
        return order

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self.exchange.refresh()

    def move(self, factor: float) -> None:
        """Move Bitcoin's price, and let the quotes follow."""
        self.market.move("BTC", self.time.now_ms(), factor)
        self.wait(0.25)

    def size(self, instrument: Instrument) -> Decimal:
        return self.exchange.account.size(instrument, 0)


@pytest.fixture
def floor() -> Floor:
    return Floor()


def code_of(floor: Floor, *order: Any, **more: Any) -> int:
    with pytest.raises(VenueError) as refused:
        floor.order(*order, **more)
    return refused.value.code


# How many orders may be open


def test_ten_conditional_orders_of_a_symbol(floor: Floor) -> None:
    trigger = Trigger(D(10_000), rises=False)
    for _ in range(10):
        floor.order(floor.perpetual, Side.SELL, "0.001", trigger=trigger)
    assert code_of(floor, floor.perpetual, Side.SELL, "0.001", trigger=trigger) == 110009
    floor.order(floor.instrument("linear", "ETHUSDT"), Side.SELL, "1", trigger=Trigger(D(100), rises=False))


def test_five_hundred_orders(floor: Floor) -> None:
    spot = floor.instrument("spot", "BTCUSDT")
    for instrument, code in ((floor.perpetual, 110020), (spot, 170810)):
        for _ in range(500):
            floor.exchange.place(OrderRequest(instrument, Side.BUY, D("0.001"), False, D(50_000)))
        with pytest.raises(VenueError) as refused:
            floor.exchange.place(OrderRequest(instrument, Side.BUY, D("0.001"), False, D(50_000)))
        assert refused.value.code == code
        floor.exchange.clear()


def test_fifty_option_orders_of_a_coin(floor: Floor) -> None:
    option = next(i for i in floor.exchange.catalogue.live("option").values() if i.base == "ETH")
    for n in range(50):
        floor.order(option, Side.BUY, "0.1", "0.1", link_id=f"o{n}")
    assert code_of(floor, option, Side.BUY, "0.1", "0.1", link_id="o50") == 110020


# What reaches a resting order


def test_a_resting_order_may_be_filled_in_parts(floor: Floor) -> None:
    mark = floor.quotes.mark(floor.perpetual)
    bid, _ = floor.quotes.touch(floor.perpetual, mark)
    assert bid is not None
    floor.exchange.account.balances["USDT"] = D(10**9)
    order = floor.order(floor.perpetual, Side.BUY, "1000", str(bid))
    floor.move(0.9995)
    assert order.status == "PartiallyFilled"
    assert 0 < order.filled < 1_000
    assert floor.size(floor.perpetual) == order.filled
    floor.exchange.cancel(order)
    floor.wait(LATENCY_S)
    assert (order.status, order.cancel_type) == ("Cancelled", "CancelByUser")
    row = order.record()
    assert (row["leavesQty"], row["cumExecQty"]) == ("0", str(order.filled).rstrip("0").rstrip("."))


def test_an_account_may_trade_with_itself(floor: Floor) -> None:
    bid, ask = floor.quotes.touch(floor.perpetual, floor.quotes.mark(floor.perpetual))
    resting = floor.order(floor.perpetual, Side.SELL, "0.01", str(ask))
    floor.order(floor.perpetual, Side.BUY, "50", str(ask), time_in_force="IOC")
    assert resting.status == "Filled"
    assert bid is not None


# Conditions and stops


def test_a_trigger_may_look_at_the_index(floor: Floor) -> None:
    index = floor.quotes.mark(floor.perpetual).index
    order = floor.order(
        floor.perpetual, Side.BUY, "0.01", trigger=Trigger(D(round(index * 1.01)), rises=True, by="IndexPrice")
    )
    floor.move(1.005)
    assert order.status == "Untriggered"
    floor.move(1.006)
    assert (order.status, order.triggered) == ("Filled", True)


def test_a_take_profit_closes_all_of_a_short(floor: Floor) -> None:
    mark = floor.quotes.mark(floor.perpetual).price
    protection = Protection(take_profit=D(round(mark * 0.98)), mode="Full", tp_by="LastPrice")
    floor.order(floor.perpetual, Side.SELL, "0.02", protection=protection)
    floor.order(floor.perpetual, Side.SELL, "0.01")
    floor.move(0.99)
    assert floor.size(floor.perpetual) == D("-0.03")
    floor.move(0.985)
    assert floor.size(floor.perpetual) == 0
    assert floor.exchange.blotter.open_orders() == []


def test_a_stop_of_a_part_closes_that_part(floor: Floor) -> None:
    floor.order(floor.perpetual, Side.BUY, "0.03")
    held = floor.exchange.account.holding(floor.perpetual, 0)
    trigger = Trigger(D(round(float(held.average) * 0.99)), rises=False)
    floor.exchange.events.stop(held, "PartialStopLoss", trigger, D("0.01"))
    floor.move(0.98)
    assert floor.size(floor.perpetual) == D("0.02")


def test_a_trailing_stop_waits_for_its_activation(floor: Floor) -> None:
    floor.order(floor.perpetual, Side.BUY, "0.01")
    held = floor.exchange.account.holding(floor.perpetual, 0)
    held.trailing, held.active_price = D(1_000), held.average * D("1.05")
    floor.move(0.97)
    assert floor.size(floor.perpetual) == D("0.01")
    floor.move(1.1)
    floor.move(0.98)
    assert floor.size(floor.perpetual) == 0


# Options and deliveries


def near_the_money(floor: Floor, *, call: bool) -> Instrument:
    options = [i for i in floor.exchange.catalogue.live("option").values() if i.base == "BTC" and i.is_call is call]
    first = min(i.delivery_ms for i in options)
    index = floor.quotes.usd("BTC")
    return min((i for i in options if i.delivery_ms == first), key=lambda i: abs(i.strike - index))


def test_an_option_is_paid_at_once_and_delivered_at_what_it_is_worth(floor: Floor) -> None:
    option = near_the_money(floor, call=True)
    before = floor.exchange.account.balance("USDT")
    order = floor.order(option, Side.BUY, "1", link_id="call")
    paid = order.value + order.fee
    assert floor.exchange.account.balance("USDT") == before - paid
    floor.move(1.05)
    floor.time.set(option.delivery_ms + 1_000)
    floor.exchange.refresh()
    index = delivered_index(floor.quotes, "BTC", option.delivery_ms)
    worth = max(index - D(repr(option.strike)), D(0))
    assert floor.exchange.account.balance("USDT") == before - paid + worth
    assert floor.exchange.account.holdings == {}
    assert [e.exec_type for e in floor.exchange.ledger.executions] == ["Trade", "Delivery"]


def test_a_short_option_ties_up_margin_and_may_be_too_much(floor: Floor) -> None:
    option = near_the_money(floor, call=False)
    before = floor.exchange.margin.totals()
    floor.order(option, Side.SELL, "1", link_id="put")
    after = floor.exchange.margin.totals()
    assert float(before.available - after.available) > 0.1 * option.strike
    assert float(before.equity - after.equity) < 0.01 * option.strike  # the premium came, the debt stands against it
    assert code_of(floor, option, Side.SELL, "400", link_id="many") == 110007


def test_what_is_delivered_takes_its_orders_along(floor: Floor) -> None:
    listed = [i for i in floor.exchange.catalogue.live("inverse").values() if i.delivery_ms]
    future = min(listed, key=lambda i: i.delivery_ms)
    floor.order(future, Side.SELL, "1000")
    resting = floor.order(future, Side.BUY, "1000", "50000")
    entry = floor.exchange.account.holding(future, 0).average
    before = floor.exchange.account.balance("BTC")
    floor.time.set(future.delivery_ms)
    floor.exchange.refresh()
    assert (resting.status, resting.cancel_type) == ("Cancelled", "CancelBySettle")
    index = delivered_index(floor.quotes, "BTC", future.delivery_ms)
    gained = 1_000 / index - 1_000 / entry
    assert float(floor.exchange.account.balance("BTC") - before) == pytest.approx(float(gained))
    assert floor.exchange.catalogue.get("inverse", future.symbol) is None


def test_funding_of_many_days_is_paid_interval_by_interval(floor: Floor) -> None:
    floor.order(floor.perpetual, Side.SELL, "0.01")
    floor.time.set(floor.time.now_ms() + 3 * 86_400_000)
    floor.exchange.refresh()
    payments = [e for e in floor.exchange.ledger.executions if e.exec_type == "Funding"]
    assert len(payments) == 9
    assert all(float(e.fields["execFee"]) < 0 for e in payments)  # a short receives a positive rate
    floor.exchange.refresh()
    assert len(floor.exchange.ledger.executions) == 10
