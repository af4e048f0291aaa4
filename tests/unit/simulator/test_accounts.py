"""Money: profit of inverse and linear contracts, premium, fees with their cap, margin that only new risk costs."""

from decimal import Decimal

import pytest

from cerberod.simulator.accounts import (
    Account,
    Contract,
    OpenOrder,
    Position,
    Value,
    fee,
    gain,
    initial_margin,
    order_margin,
)

D = Decimal
INVERSE, LINEAR, OPTION = Contract.INVERSE_FUTURE, Contract.LINEAR_FUTURE, Contract.INVERSE_OPTION
INDEX = D(80_000)


def position(contract: Contract) -> Position:
    return Position("x", contract, "USDC" if contract is LINEAR else "BTC", "BTC")


def test_an_inverse_future_earns_the_difference_of_reciprocals() -> None:
    held = position(INVERSE)
    held.trade(D(10_000), D(50_000), INDEX)
    assert held.trade(D(-10_000), D(62_500), INDEX) == D("0.2") - D("0.16")
    assert held.size == 0
    assert held.average == 0


def test_the_average_of_an_inverse_future_is_harmonic() -> None:
    held = position(INVERSE)
    held.trade(D(10_000), D(50_000), INDEX)
    held.trade(D(10_000), D(100_000), INDEX)
    assert float(held.average) == pytest.approx(20_000 / (0.2 + 0.1))
    assert held.floating(held.average) == 0


def test_a_linear_future_earns_the_difference_of_prices() -> None:
    held = position(LINEAR)
    held.trade(D("-0.5"), D(50_000), INDEX)
    assert held.floating(D(49_000)) == D(500)
    assert held.trade(D("0.2"), D(51_000), INDEX) == D(-200)
    assert held.average == D(50_000)


def test_going_through_zero_opens_the_rest_at_the_new_price() -> None:
    held = position(LINEAR)
    held.trade(D(1), D(100), INDEX)
    assert held.trade(D(-3), D(110), INDEX) == D(10)
    assert (held.size, held.average, held.realised) == (D(-2), D(110), D(10))


def test_an_option_is_paid_for_at_once_and_its_worth_is_equity() -> None:
    account = Account("a", {"BTC": D(1)})
    held = account.position("o", OPTION, "BTC", "BTC")
    charged, profit = account.trade(held, D(2), D("0.05"), INDEX, taker=True)
    assert (charged, profit) == (D("0.0006"), D(0))
    assert account.balances["BTC"] == D("0.8994")
    value = Value(mark=D("0.06"), index=INDEX, forward=INDEX, strike=D(80_000), is_call=True)
    sums = account.totals("BTC", {"o": value}, [])
    assert account.equity("BTC", sums) == D("0.8994") + D("0.12")
    assert sums.options_pl == D("0.02")
    assert sums.initial == 0


def test_fees() -> None:
    assert fee(OPTION, D(1), D("0.05"), taker=True) == D("0.0003")
    assert fee(OPTION, D(1), D("0.0001"), taker=False) == D("0.0000125")  # capped at 12.5 % of the premium
    assert fee(INVERSE, D(100_000), D(50_000), taker=True) == D("0.001")
    assert fee(INVERSE, D(100_000), D(50_000), taker=False) == 0
    assert fee(LINEAR, D(2), D(50_000), taker=True) == D(50)


def test_margin_of_futures_is_a_share_of_notional_and_of_short_options_the_standard_formula() -> None:
    future = Value(mark=D(50_000), index=D(50_000), forward=D(50_000))
    assert initial_margin(INVERSE, D(-50_000), future) == D("0.02")
    assert initial_margin(LINEAR, D(2), future) == D(2_000)
    call = Value(mark=D("0.03"), index=D(50_000), forward=D(50_000), strike=D(52_000), is_call=True)
    assert initial_margin(OPTION, D(-2), call) == 2 * (D("0.15") - D("0.04") + D("0.03"))
    far = Value(mark=D("0.001"), index=D(50_000), forward=D(50_000), strike=D(90_000), is_call=True)
    assert initial_margin(OPTION, D(-1), far) == D("0.101")
    assert initial_margin(OPTION, D(2), call) == 0


def test_an_order_that_closes_costs_nothing_and_one_that_turns_costs_the_rest() -> None:
    value = Value(mark=D(50_000), index=D(50_000), forward=D(50_000))

    def order(signed: int, held: int) -> OpenOrder:
        return OpenOrder(INVERSE, "BTC", D(signed), D(50_000), value, D(held))

    assert order_margin(order(-50_000, 50_000)) == 0
    assert order_margin(order(-100_000, 50_000)) == D("0.02")
    assert order_margin(order(50_000, 50_000)) == D("0.02")
    call = Value(mark=D("0.05"), index=D(50_000), forward=D(50_000), strike=D(50_000), is_call=True)
    buy = OpenOrder(OPTION, "BTC", D(2), D("0.04"), call, D(0))
    assert order_margin(buy) == 2 * (D("0.04") + D("0.0003"))


def test_settlement_pays_the_delivery_price_and_ends_the_position() -> None:
    account = Account("a", {"BTC": D(1)})
    account.trade(account.position("o", OPTION, "BTC", "BTC"), D(-1), D("0.05"), INDEX, taker=False)
    account.trade(account.position("f", INVERSE, "BTC", "BTC"), D(10_000), D(50_000), INDEX, taker=False)
    account.settle("o", D("0.02"))
    account.settle("f", D(100_000))
    account.settle("never held", D(1))
    assert account.positions == {}
    assert account.balances["BTC"] == 1 + D("0.05") - D("0.0003") - D("0.02") + D("0.1")


@pytest.mark.parametrize("contract", [INVERSE, LINEAR, OPTION])
def test_gain_turns_its_sign_with_the_side(contract: Contract) -> None:
    assert gain(contract, D(5), D(2), D(4)) == -gain(contract, D(-5), D(2), D(4)) != 0
