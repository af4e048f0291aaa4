"""Money: profit of inverse and linear contracts, premium, fees with their cap, margin that only new risk costs."""

from decimal import Decimal

import pytest

from cerberod.simulator.accounts import (
    Account,
    Contract,
    OpenOrder,
    Position,
    Value,
    delivery_fee,
    fee,
    gain,
    initial_margin,
    order_margin,
)

D = Decimal
INVERSE, LINEAR, OPTION = Contract.INVERSE_FUTURE, Contract.LINEAR_FUTURE, Contract.INVERSE_OPTION
LINEAR_OPTION = Contract.LINEAR_OPTION
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
    account.deliver("o", D("0.02"), INDEX, free=False)
    account.deliver("f", D(100_000), INDEX, free=False)
    assert account.deliver("never held", D(1), INDEX, free=False) is None
    assert account.positions == {}
    assert account.balances["BTC"] == 1 + D("0.05") - D("0.0003") - D("0.02") - D("0.00015") + D("0.1")


def test_a_delivery_fee_is_capped_and_short_options_of_a_day_or_a_week_go_free() -> None:
    assert delivery_fee(OPTION, D(2), D("0.0004"), INDEX) == D("0.0001")  # 12.5 % of what it pays
    assert delivery_fee(OPTION, D(2), D("0.5"), INDEX) == D("0.0003")
    assert delivery_fee(LINEAR_OPTION, D(2), D(5_000), INDEX) == D(24)
    assert delivery_fee(INVERSE, D(2), D(5_000), INDEX) == 0
    account = Account("a", {"BTC": D(1)})
    account.trade(account.position("o", OPTION, "BTC", "BTC"), D(1), D("0.05"), INDEX, taker=True)
    done = account.deliver("o", D("0.06"), INDEX, free=True)
    assert done is not None
    assert (done.fee, done.cash, done.profit) == (D(0), D("0.06"), D("0.01"))


@pytest.mark.parametrize(("contract", "entry", "mark"), [(INVERSE, 50_000, 40_000), (LINEAR, 50_000, 52_000)])
def test_a_settlement_moves_the_session_profit_into_the_balance_and_changes_no_equity(
    contract: Contract, entry: int, mark: int
) -> None:
    account = Account("a", {"BTC": D(1), "USDC": D(1)})
    currency = "USDC" if contract is LINEAR else "BTC"
    held = account.position("f", contract, currency, "BTC")
    account.trade(held, D(2_000), D(entry), INDEX, taker=False)
    account.trade(held, D(-500), D(mark), INDEX, taker=False)
    value = Value(mark=D(mark), index=INDEX, forward=D(mark))

    def equity() -> Decimal:
        return account.equity(currency, account.totals(currency, {"f": value}, []))

    before, balance = equity(), account.balances[currency]
    assert balance == 1, "what a future earned is not in the balance yet"
    done = account.settle(held, D(mark))
    assert done.session == gain(contract, D(2_000), D(entry), D(mark))
    assert account.balances[currency] == balance + done.cash
    assert float(equity()) == pytest.approx(float(before))
    assert (held.realised, held.floating(D(mark)), account.session_rpl[currency]) == (D(0), D(0), D(0))
    assert held.total(D(mark)) == gain(contract, D(1_500), D(entry), D(mark)), "the price of entry stays"


def test_a_linear_option_pays_and_is_worth_quote_currency() -> None:
    account = Account("a", {"USDC": D(10_000)})
    held = account.position("o", LINEAR_OPTION, "USDC", "BTC")
    charged, _ = account.trade(held, D("0.1"), D(2_000), D(80_000), taker=True)
    assert charged == D("0.1") * D(40)
    assert fee(LINEAR_OPTION, D(1), D(2_000), taker=False, index=D(80_000)) == D(8)
    assert fee(LINEAR_OPTION, D(1), D(100), taker=True, index=D(80_000)) == D("12.5")
    assert account.balances["USDC"] == D(10_000) - D(200) - D(4)
    value = Value(mark=D(2_500), index=D(80_000), forward=D(81_000), strike=D(80_000), is_call=True, delta=0.5)
    sums = account.totals("USDC", {"o": value}, [])
    assert (sums.options_value, sums.options_pl) == (D(250), D(50))
    assert sums.net_options_delta == {"btc_usdc": 0.05}, "a premium in dollars is no delta"
    assert initial_margin(LINEAR_OPTION, D(-1), value) == D("0.15") * 81_000 + 2_500


@pytest.mark.parametrize("contract", [INVERSE, LINEAR, OPTION])
def test_gain_turns_its_sign_with_the_side(contract: Contract) -> None:
    assert gain(contract, D(5), D(2), D(4)) == -gain(contract, D(-5), D(2), D(4)) != 0
