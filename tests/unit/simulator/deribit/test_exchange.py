"""One environment's trading under random days: the money and the fills always add up."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerberod.simulator.config import SimulatorConfig
from cerberod.simulator.deribit.editing import edit
from cerberod.simulator.deribit.exchange import Exchange
from cerberod.simulator.deribit.ledger import START_BALANCES
from cerberod.simulator.deribit.orders import (
    Advanced,
    EditRequest,
    FillCondition,
    Link,
    OrderRequest,
    OrderType,
    Trigger,
)
from cerberod.simulator.deribit.wire import VenueError
from cerberod.simulator.market import DAY_MS
from cerberod.simulator.matching import Lifetime, Side
from cerberod.simulator.world import World
from tests.support.clock import ManualClock

D = Decimal
WORLD = World(SimulatorConfig(), ManualClock())
EXCHANGE: Exchange = WORLD.environments["deribit_testnet"].exchange
START_MS = EXCHANGE.quotes.now_ms()
LIVE = EXCHANGE.catalogue.live()
OPTION = next(
    name
    for name, instrument in LIVE.items()
    if instrument.option
    and instrument.currency == "BTC"
    and instrument.expiry_ms > START_MS + 30 * DAY_MS
    and 0.01 < EXCHANGE.quotes.mark(instrument).price < 0.05
)
COMBO = next(name for name, i in LIVE.items() if i.kind == "option_combo" and i.currency == "BTC")
SPREAD = next(name for name, i in LIVE.items() if i.kind == "future_combo" and i.currency == "BTC")
NAMES = ("BTC-PERPETUAL", "ETH_USDC-PERPETUAL", OPTION, COMBO, SPREAD, "BTC_USDC")

ACTIONS = ["buy", "sell", "buy", "sell", "stop", "take", "trail", "bracket", "pair", "ice", "implied"]
steps = st.lists(
    st.tuples(
        st.sampled_from([*ACTIONS, "edit", "cancel", "move", "minutes"]),
        st.sampled_from(NAMES),
        st.integers(1, 60),  # lots
        st.integers(-6, 6),  # ticks from the touch
        st.sampled_from(Lifetime),
        st.booleans(),  # market, or a buy
        st.booleans(),  # post only, or reduce only
        st.sampled_from(FillCondition),
    ),
    max_size=25,
)
Step = tuple[str, str, int, int, Lifetime, bool, bool, FillCondition]

REFUSALS = {10002, 10003, 10009, 10031, 10034, 10035, 10036, 11030, 11035, 11036, 11038, 11039, 11041, 11044, 11048}
REFUSALS |= {11054, -32602}


def start_again() -> None:
    """Begin a day; the listing stays, because making it is slow."""
    WORLD.market.settle_moves()
    WORLD.time.reset()
    EXCHANGE.clear()


def request_of(step: Step) -> OrderRequest:
    action, name, lots, ticks, lifetime, flag, other, condition = step
    instrument = EXCHANGE.catalogue.live()[name]
    grid = instrument.grid
    touch = EXCHANGE.quotes.mark(instrument).price
    tick = grid.coarse or grid.fine
    price, far = grid.down(touch) + ticks * tick, 40 * tick
    plain = OrderRequest(instrument, Side.BUY if flag else Side.SELL, instrument.lot * lots, price)
    trigger = Trigger.MARK_PRICE if other else Trigger.LAST_PRICE
    stop = replace(plain, price=None, type=OrderType.STOP_MARKET, trigger=trigger, trigger_price=price, link=None)
    match action:
        case "buy" | "sell":
            lasting = Lifetime.GOOD_TIL_CANCELLED
            return OrderRequest(
                instrument=instrument,
                side=Side(action),
                amount=instrument.lot * lots,
                type=OrderType.MARKET if flag else OrderType.LIMIT,
                price=None if flag else price,
                lifetime=lasting if flag else lifetime,
                post_only=other and not flag and lifetime is lasting,
            )
        case "stop":
            return stop
        case "take":
            return replace(plain, type=OrderType.TAKE_LIMIT, trigger=trigger, trigger_price=price, reduce_only=True)
        case "trail":
            return replace(stop, type=OrderType.TRAILING_STOP, trigger_price=None, trigger_offset=abs(ticks + 1) * tick)
        case "bracket":
            away = far if flag else -far
            back = replace(plain, side=plain.side.opposite, reduce_only=True)
            exits = (
                replace(back, price=price + away),
                replace(stop, side=back.side, reduce_only=True, trigger_price=price - away),
            )
            link = Link.ONE_TRIGGERS_ONE_CANCELS_OTHER
            return replace(plain, link=link, fill_condition=condition, others=exits)
        case "pair":
            return replace(plain, link=Link.ONE_CANCELS_OTHER, fill_condition=condition, others=(stop,))
        case "ice":
            return replace(plain, amount=instrument.minimum * (100 + 10 * lots), display=instrument.minimum * 100)
        case _:
            return replace(plain, price=D(20 + lots), advanced=Advanced.IMPLV)


def act(step: Step) -> None:
    action, name, lots, ticks, _, _, other, _ = step
    instrument = EXCHANGE.catalogue.live()[name]
    if action == "move":
        WORLD.move(instrument.coin, 1 + ticks / 1_000)
        return
    if action == "minutes":
        WORLD.set_time(WORLD.time.now_ms() + lots * 60_000)
        return
    if action in ACTIONS:
        EXCHANGE.place(request_of(step), "a connection" if other else None)
        return
    found = [order for order in EXCHANGE.blotter.open_orders() if order.instrument.name == name]
    if found and action == "edit":
        tick = instrument.grid.coarse or instrument.grid.fine
        price = instrument.grid.down(EXCHANGE.quotes.mark(instrument).price) + ticks * tick
        edit(EXCHANGE, found[lots % len(found)], EditRequest(amount=instrument.lot * lots, price=price))
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
        if trade.instrument.combo:
            continue  # its legs are trades of their own
        cash[trade.instrument.currency] -= D(str(trade.fields["fee"]))
        if trade.instrument.spot:
            cash[trade.instrument.coin] += signed
        else:
            sizes[trade.instrument.name] += signed
        if trade.instrument.option or trade.instrument.spot:
            cash[trade.instrument.currency] -= signed * price
    for line in EXCHANGE.ledger.log:
        if line.kind == "settlement":
            cash[line.currency] += D(str(line.fields["change"]))
    for position in EXCHANGE.account.positions.values():
        assert position.size == sizes[position.name]
        if not position.contract.option:
            cash[position.currency] += position.realised
    for currency, start in START_BALANCES.items():
        session = EXCHANGE.account.session_rpl.get(currency, D(0))
        assert abs(EXCHANGE.account.balances[currency] + session - start - cash[currency]) < D("1e-6")
        totals = EXCHANGE.margin.totals(currency)
        assert totals.initial >= totals.maintenance >= 0
        assert totals.open_orders >= 0
    check_orders(filled)


def check_orders(filled: dict[str, Decimal]) -> None:
    alive = {order.order_id for order in EXCHANGE.blotter.open_orders()}
    for order in list(EXCHANGE.blotter.orders.values()):
        assert order.open is (order.order_id in alive)
        assert order.filled == filled[order.order_id] <= order.amount
        assert (order.state == "filled") == (order.filled == order.amount)
        book = EXCHANGE.book(order.instrument)
        resting = book.resting(order.order_id)
        assert (resting is not None) is order.resting
        assert resting is None or (resting.remaining, resting.price) == (order.remaining, order.price)
        assert resting is None or order.display is None or resting.visible == order.shown <= order.display
        if order.reduce_only and order.resting:
            held = EXCHANGE.account.size(order.instrument.name)
            assert abs(held) >= order.remaining
            assert (held > 0) is (order.side is Side.SELL)
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is None or ask is None or bid < ask
        assert order.record()


@given(steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_after_any_day_the_books_and_the_money_add_up(script: list[Step]) -> None:
    start_again()
    for step in script:
        try:
            act(step)
        except VenueError as refusal:
            assert refusal.code in REFUSALS, refusal.code
        EXCHANGE.refresh()
        check()


def test_what_waits_for_an_order_never_outlives_it() -> None:
    start_again()
    instrument = LIVE["BTC-PERPETUAL"]
    far = instrument.grid.down(EXCHANGE.quotes.mark(instrument).price * 0.9)
    after = OrderRequest(instrument, Side.SELL, D(100), far * 2)
    link = Link.ONE_TRIGGERS_OTHER
    order, _ = EXCHANGE.place(OrderRequest(instrument, Side.BUY, D(100), far, link=link, others=(after,)))
    assert [o.waiting is not None for o in EXCHANGE.blotter.open_orders()] == [False, True]
    EXCHANGE.cancel(order)
    assert EXCHANGE.blotter.open_orders() == []


def test_a_package_s_fill_trims_what_only_reduces_its_legs() -> None:
    start_again()
    combo, leg = LIVE[COMBO], LIVE[COMBO].legs[0]
    away = Side.BUY if leg.ratio > 0 else Side.SELL
    EXCHANGE.place(OrderRequest(leg.instrument, away, D(1), None, OrderType.MARKET))
    held = EXCHANGE.account.size(leg.instrument.name)
    assert abs(held) == 1
    price = leg.instrument.grid.up(1.0) if away is Side.BUY else leg.instrument.grid.fine
    resting, _ = EXCHANGE.place(OrderRequest(leg.instrument, away.opposite, D(1), price, reduce_only=True))
    EXCHANGE.place(OrderRequest(combo, Side.SELL, D(1), None, OrderType.MARKET))
    assert EXCHANGE.account.size(leg.instrument.name) == 0
    assert resting.state == "cancelled"
