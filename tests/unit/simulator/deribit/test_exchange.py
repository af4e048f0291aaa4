"""One environment's trading under random days: the money and the fills always add up."""

from collections import defaultdict
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerberod.simulator.config import SimulatorConfig
from cerberod.simulator.deribit.exchange import START_BALANCES, Exchange
from cerberod.simulator.deribit.orders import EditRequest, OrderRequest, OrderType
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.matching import Lifetime, Side
from cerberod.simulator.world import World
from tests.support.clock import ManualClock

D = Decimal
WORLD = World(SimulatorConfig(), ManualClock())
EXCHANGE: Exchange = WORLD.environments["deribit_testnet"].exchange
OPTION = next(
    name
    for name, instrument in WORLD.environments["deribit_testnet"].exchange.catalogue.live().items()
    if instrument.option and 0.01 < EXCHANGE.quotes.mark(instrument).price < 0.05 and instrument.coin == "BTC"
)
NAMES = ("BTC-PERPETUAL", "ETH_USDC-PERPETUAL", OPTION)

steps = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "buy", "sell", "edit", "cancel", "move"]),
        st.sampled_from(NAMES),
        st.integers(1, 60),  # lots
        st.integers(-6, 6),  # ticks from the touch
        st.sampled_from(Lifetime),
        st.booleans(),  # market
        st.booleans(),  # post only
    ),
    max_size=25,
)
Step = tuple[str, str, int, int, Lifetime, bool, bool]

REFUSALS = {10002, 10003, 10009, 11044, 11030, 11054, -32602}


def act(step: Step) -> None:
    action, name, lots, ticks, lifetime, market, post_only = step
    instrument = EXCHANGE.catalogue.live()[name]
    if action == "move":
        WORLD.move(instrument.coin, 1 + ticks / 1_000)
        return
    touch = EXCHANGE.quotes.mark(instrument).price
    price = instrument.grid.down(touch) + ticks * (instrument.grid.coarse or instrument.grid.fine)
    if action in ("buy", "sell"):
        request = OrderRequest(
            instrument=instrument,
            side=Side(action),
            amount=instrument.lot * lots,
            type=OrderType.MARKET if market else OrderType.LIMIT,
            price=None if market else price,
            lifetime=Lifetime.GOOD_TIL_CANCELLED if market else lifetime,
            post_only=post_only and not market and lifetime is Lifetime.GOOD_TIL_CANCELLED,
        )
        EXCHANGE.place(request)
        return
    found = [order for order in EXCHANGE.open_orders() if order.instrument.name == name]
    if found and action == "edit":
        EXCHANGE.edit(found[lots % len(found)], EditRequest(amount=instrument.lot * lots, price=price))
    elif found:
        EXCHANGE.cancel(found[lots % len(found)])


def check() -> None:
    filled: dict[str, Decimal] = defaultdict(Decimal)
    sizes: dict[str, Decimal] = defaultdict(Decimal)
    cash: dict[str, Decimal] = defaultdict(Decimal)
    for trade in EXCHANGE.trades:
        amount, price = D(str(trade.fields["amount"])), D(str(trade.fields["price"]))
        signed = amount if trade.fields["direction"] == "buy" else -amount
        filled[trade.order_id] += amount
        sizes[trade.instrument.name] += signed
        cash[trade.instrument.currency] -= D(str(trade.fields["fee"]))
        if trade.instrument.option:
            cash[trade.instrument.currency] -= signed * price
    for position in EXCHANGE.account.positions.values():
        assert position.size == sizes[position.name]
        if position.name != OPTION:
            cash[position.currency] += position.realised
    for currency, start in START_BALANCES.items():
        session = EXCHANGE.account.session_rpl.get(currency, D(0))
        assert abs(EXCHANGE.account.balances[currency] + session - start - cash[currency]) < D("1e-9")
        totals = EXCHANGE.totals(currency)
        assert totals.initial >= totals.maintenance >= 0
        assert totals.open_orders >= 0
    for order in EXCHANGE.orders.values():
        assert order.filled == filled[order.order_id] <= order.amount
        assert (order.state == "filled") == (order.filled == order.amount)
        book = EXCHANGE.book(order.instrument)
        resting = book.resting(order.order_id)
        assert (resting is not None) is order.open
        assert resting is None or (resting.remaining, resting.price) == (order.remaining, order.price)
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is None or ask is None or bid < ask


@given(steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_after_any_day_the_books_and_the_money_add_up(script: list[Step]) -> None:
    WORLD.reset()
    for step in script:
        try:
            act(step)
        except VenueError as refusal:
            assert refusal.code in REFUSALS, refusal.code
        check()
