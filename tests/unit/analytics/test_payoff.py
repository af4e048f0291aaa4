"""Payoffs at expiry of textbook positions, linear and coin-settled, with everything known in closed form."""

import numpy as np
import pytest

from cerberod.analytics.legs import Kind, Leg, Settlement, deribit_option_fee, make_leg
from cerberod.analytics.payoff import ExpiryPayoff, Extreme, Range, Toward, expiry_payoff, payoff_grid
from cerberod.errors import AnalyticsRefused

LEVELS = np.array([1.0, 50_000.0, 70_000.0, 80_000.0, 90_000.0, 200_000.0])


def option(kind: Kind, quantity: float, price: float, strike: float, *, inverse: bool = False, **more: float) -> Leg:
    settlement = Settlement.INVERSE if inverse else Settlement.LINEAR
    return make_leg(
        kind, quantity, price, settlement, strike=strike, volatility=0.5, years=more.pop("years", 0.25), **more
    )


def payoff(*legs: Leg) -> ExpiryPayoff:
    return expiry_payoff(legs, LEVELS)


def reached(value: float, level: float) -> Extreme:
    return Extreme(value, level, None, unbounded=False)


UNBOUNDED_ABOVE = Extreme(None, None, Toward.INFINITY, unbounded=True)
UNBOUNDED_AT_ZERO = Extreme(None, None, Toward.ZERO, unbounded=True)


def test_linear_long_call() -> None:
    got = payoff(option(Kind.CALL, 2.0, 3_000.0, 80_000.0))
    assert got.breakevens == (83_000.0,)
    assert got.max_profit_quote == UNBOUNDED_ABOVE
    assert got.max_loss_quote == reached(-6_000.0, 80_000.0)
    assert got.profit_quote.tolist() == [-6_000.0, -6_000.0, -6_000.0, -6_000.0, 14_000.0, 234_000.0]
    assert got.max_profit_coin.value == 2.0  # 2 (S - K)/S goes to 2 coins
    assert got.max_profit_coin.toward is Toward.INFINITY
    assert got.max_loss_coin == UNBOUNDED_AT_ZERO  # a fixed loss in dollars is any number of worthless coins


def test_inverse_long_call() -> None:
    """Paid 0.04 coin: zero where (S - K)/S = 0.04; at most 0.96 coin ever; loses 0.04 coin, worth 0.04 S."""
    got = payoff(option(Kind.CALL, 1.0, 0.04, 80_000.0, inverse=True))
    assert list(got.breakevens) == pytest.approx([80_000.0 / 0.96], rel=1e-15)
    assert got.max_profit_coin == Extreme(0.96, None, Toward.INFINITY, unbounded=False)
    assert got.max_loss_coin == reached(-0.04, 80_000.0)
    assert got.max_profit_quote == UNBOUNDED_ABOVE
    assert got.max_loss_quote == reached(-3_200.0, 80_000.0)
    assert got.profit_coin[-1] == pytest.approx(0.6 - 0.04, rel=1e-14)


def test_inverse_put_pays_any_number_of_coins() -> None:
    long, short = (payoff(option(Kind.PUT, q, 0.05, 80_000.0, inverse=True)) for q in (1.0, -1.0))
    assert long.max_profit_coin == UNBOUNDED_AT_ZERO
    assert long.max_profit_quote == Extreme(80_000.0, None, Toward.ZERO, unbounded=False)
    assert short.max_loss_coin == UNBOUNDED_AT_ZERO
    assert short.max_loss_quote == Extreme(-80_000.0, None, Toward.ZERO, unbounded=False)
    assert list(long.breakevens) == pytest.approx([80_000.0 / 1.05], rel=1e-15)
    assert long.breakevens == short.breakevens
    # A short put keeps its premium in coin, which grows with the price.
    assert short.max_profit_quote == UNBOUNDED_ABOVE


def test_inverse_call_spread_is_bounded_in_dollars_only_if_no_premium_was_paid_in_coin() -> None:
    free = payoff(
        option(Kind.CALL, 1.0, 0.0, 70_000.0, inverse=True), option(Kind.CALL, -1.0, 0.0, 75_000.0, inverse=True)
    )
    assert free.max_profit_quote == reached(5_000.0, 75_000.0)
    assert free.max_profit_coin == reached(5_000.0 / 75_000.0, 75_000.0)
    assert free.zero_ranges == (Range(0.0, 70_000.0),)
    paid = payoff(
        option(Kind.CALL, 1.0, 0.0813, 70_000.0, inverse=True), option(Kind.CALL, -1.0, 0.0174, 75_000.0, inverse=True)
    )
    assert paid.max_loss_quote == UNBOUNDED_ABOVE  # 0.0639 coin is worth more and more
    first, second = paid.breakevens  # S - 70000 = 0.0639 S, and 5000 = 0.0639 S
    assert first == pytest.approx(70_000.0 / (1.0 - 0.0639), rel=1e-15)
    assert second == pytest.approx(5_000.0 / 0.0639, rel=1e-15)


def test_straddle_and_short_straddle() -> None:
    legs = [option(k, 1.0, 4_000.0, 80_000.0) for k in (Kind.CALL, Kind.PUT)]
    got = expiry_payoff(legs, LEVELS)
    assert got.breakevens == (72_000.0, 88_000.0)
    assert got.max_loss_quote == reached(-8_000.0, 80_000.0)
    short = payoff(*(option(k, -1.0, 4_000.0, 80_000.0) for k in (Kind.CALL, Kind.PUT)))
    assert short.max_loss_quote == UNBOUNDED_ABOVE
    assert short.max_profit_quote == reached(8_000.0, 80_000.0)


def test_linear_and_inverse_futures() -> None:
    linear = payoff(make_leg(Kind.FUTURE, 2.0, 80_000.0, years=0.25))
    assert linear.breakevens == (80_000.0,)
    assert linear.max_loss_quote == Extreme(-160_000.0, None, Toward.ZERO, unbounded=False)
    inverse = payoff(make_leg(Kind.PERPETUAL, 80_000.0, 80_000.0, Settlement.INVERSE))
    assert inverse.breakevens == (80_000.0,)
    assert inverse.profit_coin[4] == pytest.approx(80_000.0 * (1 / 80_000.0 - 1 / 90_000.0), rel=1e-13)
    assert inverse.max_profit_coin == Extreme(1.0, None, Toward.INFINITY, unbounded=False)
    assert inverse.max_loss_coin == UNBOUNDED_AT_ZERO
    assert inverse.max_profit_quote == UNBOUNDED_ABOVE


def test_a_coin_hedged_by_a_short_inverse_perpetual_is_worth_the_same_in_dollars_always() -> None:
    """One coin bought at 80 000 and 80 000 USD sold inverse: the synthetic dollar."""
    got = payoff(make_leg(Kind.SPOT, 1.0, 80_000.0), make_leg(Kind.PERPETUAL, -80_000.0, 80_000.0, Settlement.INVERSE))
    assert got.zero_ranges == (Range(0.0, None),)
    assert got.breakevens == ()
    assert got.profit_quote.tolist() == [0.0] * 6
    assert got.max_profit_quote.value == 0.0 == got.max_loss_coin.value


def test_covered_call_on_coin() -> None:
    got = payoff(make_leg(Kind.SPOT, 1.0, 80_000.0), option(Kind.CALL, -1.0, 0.04, 90_000.0, inverse=True))
    # S - 80000 + 0.04 S, then 10000 + 0.04 S
    assert list(got.breakevens) == pytest.approx([80_000.0 / 1.04], rel=1e-15)
    assert got.max_loss_quote == Extreme(-80_000.0, None, Toward.ZERO, unbounded=False)


def test_rounding_never_makes_a_closed_position_unbounded() -> None:
    got = payoff(*(option(Kind.CALL, q, 1.0, 80_000.0) for q in (0.1, 0.2, -0.3)))
    assert not got.max_profit_quote.unbounded
    assert got.zero_ranges == (Range(0.0, None),)


def test_fees_move_the_breakeven() -> None:
    linear = payoff(option(Kind.CALL, 1.0, 3_000.0, 80_000.0, fee=24.0))
    assert linear.breakevens == (83_024.0,)
    inverse = payoff(option(Kind.CALL, 1.0, 0.04, 80_000.0, inverse=True, fee=0.0003))
    assert list(inverse.breakevens) == pytest.approx([80_000.0 / (1.0 - 0.0403)], rel=1e-15)
    rebate = payoff(make_leg(Kind.FUTURE, 1.0, 80_000.0, years=0.25, fee=-10.0))
    assert rebate.breakevens == (79_990.0,)


@pytest.mark.parametrize("quantity", [1.0, -2.0])
@pytest.mark.parametrize("kind", [Kind.CALL, Kind.PUT])
def test_delivery_fee_is_the_lesser_of_rate_and_cap(kind: Kind, quantity: float) -> None:
    strike, rate, cap = 80_000.0, 0.00015, 0.125
    levels = np.array([100.0, 79_800.0, 79_950.0, 80_000.0, 80_050.0, 80_200.0, 300_000.0])
    with_fee = option(kind, quantity, 0.04, strike, inverse=True, delivery_rate=rate, delivery_cap=cap)
    without = option(kind, quantity, 0.04, strike, inverse=True)
    intrinsic = np.maximum((1.0 if kind is Kind.CALL else -1.0) * (levels - strike), 0.0)
    fee = abs(quantity) * np.minimum(rate * levels, cap * intrinsic)
    got = expiry_payoff([without], levels).profit_quote - expiry_payoff([with_fee], levels).profit_quote
    assert got.tolist() == pytest.approx(fee.tolist(), abs=1e-9)


def test_delivery_fee_of_futures() -> None:
    linear = payoff(make_leg(Kind.FUTURE, -2.0, 80_000.0, years=0.25, delivery_rate=0.00025))
    assert linear.profit_quote[4] == pytest.approx(-20_000.0 - 2 * 0.00025 * 90_000.0)
    inverse = payoff(make_leg(Kind.FUTURE, 90_000.0, 80_000.0, Settlement.INVERSE, years=0.25, delivery_rate=0.00025))
    assert inverse.profit_coin[4] == pytest.approx(90_000.0 / 80_000.0 - 1.0 - 0.00025)


def test_grid_holds_every_bend() -> None:
    legs = [option(Kind.CALL, 1.0, 0.04, 83_333.0, inverse=True), option(Kind.PUT, 1.0, 0.04, 20_000.0, inverse=True)]
    grid = payoff_grid(legs, 80_000.0)
    assert 83_333.0 in grid
    assert 20_000.0 not in grid  # outside
    assert grid.size == 202
    assert np.all(np.diff(grid) > 0.0)


def test_legs_that_expire_apart_are_refused() -> None:
    with pytest.raises(AnalyticsRefused, match="expire together"):
        payoff(option(Kind.CALL, 1.0, 1.0, 1.0), option(Kind.CALL, 1.0, 1.0, 1.0, years=0.5))
    # A perpetual does not expire and goes with anything.
    assert payoff(option(Kind.CALL, 1.0, 1.0, 1.0), make_leg(Kind.PERPETUAL, 1.0, 1.0)).legs == 2


def test_bad_grids_are_refused() -> None:
    leg = option(Kind.CALL, 1.0, 1.0, 1.0)
    for level in ([], [0.0], [float("nan")], np.ones(5_001)):
        with pytest.raises(AnalyticsRefused, match="level"):
            expiry_payoff([leg], level)
    with pytest.raises(AnalyticsRefused, match="legs"):
        expiry_payoff([], LEVELS)
    with pytest.raises(AnalyticsRefused, match="legs"):
        expiry_payoff([leg] * 101, LEVELS)
    for change in ({"low": 0.0}, {"low": 2.0}, {"count": 1}, {"count": 10**9}):
        with pytest.raises(AnalyticsRefused):
            payoff_grid([leg], 1.0, **change)


def test_deribits_option_fee_and_its_cap() -> None:
    assert deribit_option_fee(-2.0, 0.04) == pytest.approx(0.0006)
    assert deribit_option_fee(1.0, 0.0001) == pytest.approx(0.0000125)  # the fact sheet's example
    linear = deribit_option_fee(1.0, 3_000.0, Settlement.LINEAR, index=80_000.0, rate=0.0005)
    assert linear == pytest.approx(40.0)
    assert deribit_option_fee(1.0, 8.0, Settlement.LINEAR, index=80_000.0, rate=0.0005) == pytest.approx(1.0)
    with pytest.raises(AnalyticsRefused, match="index"):
        deribit_option_fee(1.0, 1.0, Settlement.LINEAR)
