"""Whatever is done to the simulated Bybit, its books agree with one another.

Money is what it was at the start plus every line of the log; a position is the sum of its executions; an order that
rests lies in its book with what is left of it; nobody is filled beyond what was asked for.
"""

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerberod.simulator.bybit.checks import AmendRequest, OrderRequest
from cerberod.simulator.bybit.exchange import Exchange
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.orders import Protection, Trigger
from cerberod.simulator.bybit.wallet import START_BALANCES
from cerberod.simulator.bybit.wire import VenueError
from cerberod.simulator.matching import Side
from tests.unit.simulator.bybit.test_exchange import Floor, near_the_money

D = Decimal
KINDS = ("perpetual", "inverse", "spot", "option", "future")


class Place(NamedTuple):
    kind: str
    buys: bool
    lots: int
    away: float | None  # from the mark; None at market
    lifetime: str
    reduces: bool
    carries: bool
    waits: bool


class Change(NamedTuple):
    which: int
    lots: int
    ticks: int


class Cancel(NamedTuple):
    which: int


class Move(NamedTuple):
    factor: float


class Wait(NamedTuple):
    seconds: float


PLACE = st.builds(
    Place,
    st.sampled_from(KINDS),
    st.booleans(),
    st.integers(1, 40),
    st.none() | st.floats(-0.02, 0.02),
    st.sampled_from(("GTC", "IOC", "FOK", "PostOnly")),
    st.sampled_from((False, False, True)),
    st.sampled_from((False, False, True)),
    st.sampled_from((False, False, False, True)),
)
STEPS = st.lists(
    PLACE
    | PLACE
    | st.builds(Change, st.integers(0, 9), st.integers(-3, 5), st.integers(-300, 300))
    | st.builds(Cancel, st.integers(0, 9))
    | st.builds(Move, st.floats(0.97, 1.03))
    | st.builds(Wait, st.sampled_from((0.005, 1.0, 30_000.0))),
    min_size=5,
    max_size=40,
)


def instruments(floor: Floor) -> dict[str, Instrument]:
    dated = [i for i in floor.exchange.catalogue.live("linear").values() if i.delivery_ms and i.base == "BTC"]
    return {
        "perpetual": floor.perpetual,
        "inverse": floor.instrument("inverse", "BTCUSD"),
        "spot": floor.instrument("spot", "BTCUSDT"),
        "option": near_the_money(floor, call=True),
        "future": max(dated, key=lambda i: i.delivery_ms),
    }


def place(floor: Floor, i: Instrument, step: Place, number: int) -> None:
    mark = floor.quotes.mark(i).price
    side = Side.BUY if step.buys else Side.SELL
    price = None if step.away is None else max(i.tick, i.on_grid(mark * (1 + step.away)))
    qty = i.step * step.lots * (100 if i.inverse else 50 if i.spot else 5)
    up, down = i.on_grid(mark * 1.04), i.on_grid(mark * 0.96)
    protection, trigger = Protection(), None
    if step.carries and not i.spot and not step.reduces:
        gain, loss = (up, down) if step.buys else (down, up)
        protection = Protection(take_profit=gain, stop_loss=loss, mode="Full")
    if step.waits and not i.option:
        trigger = Trigger(up if step.buys else down, rises=step.buys)
    floor.exchange.place(
        OrderRequest(
            i,
            side,
            D(500) if i.spot and price is None and step.buys else qty,
            price is None,
            price,
            step.lifetime,
            link_id=f"order-{number}",
            reduce_only=step.reduces and not i.spot,
            in_quote=i.spot and price is None and step.buys,
            trigger=trigger,
            protection=protection,
        )
    )


def do(floor: Floor, listed: dict[str, Instrument], step: NamedTuple, number: int) -> None:
    orders = floor.exchange.blotter.open_orders()
    match step:
        case Place():
            place(floor, listed[step.kind], step, number)
        case Change() if orders:
            order = orders[step.which % len(orders)]
            i = order.instrument
            price = None if order.market else max(i.tick, order.price + i.tick * step.ticks)
            floor.exchange.amend(order, AmendRequest(order.qty + i.step * step.lots, price))
        case Cancel() if orders:
            floor.exchange.cancel(orders[step.which % len(orders)])
        case Move():
            floor.move(step.factor)
        case Wait():
            floor.wait(step.seconds)
        case _:
            pass


def agree(exchange: Exchange) -> None:
    money = defaultdict(Decimal, START_BALANCES)
    for line in exchange.ledger.log:
        money[line["currency"]] += D(line["change"])
    for coin, balance in exchange.account.balances.items():
        assert abs(money[coin] - balance) < D("0.000001"), coin
    sizes: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for e in exchange.ledger.executions:
        if e.exec_type in ("Trade", "Delivery"):
            sizes[e.instrument.key] += D(e.fields["execQty"]) * (1 if e.fields["side"] == "Buy" else -1)
    for (category, symbol, _), held in exchange.account.holdings.items():
        assert held.size == sizes[category, symbol]
    for order in exchange.blotter.orders.values():
        assert order.filled >= 0
        assert order.in_quote or order.filled <= order.qty
        fills = [D(e.fields["execQty"]) for e in exchange.ledger.executions if e.order_id == order.order_id]
        assert sum(fills, D(0)) == order.filled
        assert order.record()["orderStatus"] == order.status
        if order.seen and order.resting:
            resting = exchange.book(order.instrument).resting(order.order_id)
            assert resting is not None
            assert resting.remaining == order.remaining
    totals = exchange.margin.totals()
    assert totals.initial >= 0
    assert totals.available >= 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_books_agree(steps: list[NamedTuple]) -> None:
    floor = Floor()
    listed = instruments(floor)
    for number, step in enumerate(steps):
        try:
            do(floor, listed, step, number)
        except VenueError:
            continue
    floor.wait(0.005)
    agree(floor.exchange)
