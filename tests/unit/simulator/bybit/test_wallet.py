"""Positions and fees in exact decimals."""

from decimal import Decimal

import pytest

from cerberod.simulator.bybit import listing
from cerberod.simulator.bybit.calendar import Calendar
from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.wallet import Account, Holding, fee, initial_margin

D = Decimal
DAY = 1_787_370_645_000
LINEAR = next(i for i in listing.linears(Calendar(DAY)) if i.symbol == "BTCUSDT")
INVERSE = next(i for i in listing.inverses(Calendar(DAY)) if i.symbol == "BTCUSD")
OPTION = next(i for i in listing.options("BTC", "USDT", Calendar(DAY).quarters[0], 100_000.0) if i.is_call)


def test_a_position_grows_at_the_mean_and_shrinks_at_its_entry() -> None:
    held = Holding(LINEAR, 0)
    assert held.trade(D(1), D(100)) == (D(0), D(0), D(0))
    held.trade(D(3), D(200))
    assert held.average == D(175)
    assert held.trade(D(-2), D(275)) == (D(200), D(2), D(175))
    assert (held.size, held.average, held.floating(D(180))) == (D(2), D(175), D(10))


def test_an_inverse_position_has_a_harmonic_mean() -> None:
    held = Holding(INVERSE, 0)
    held.trade(D(-100), D(50_000))
    held.trade(D(-100), D(100_000))
    assert float(held.average) == pytest.approx(66_666.6667)
    profit, closed, _ = held.trade(D(200), D(50_000))
    assert closed == 200
    assert float(profit) == pytest.approx(200 / 50_000 - 100 / 50_000 - 100 / 100_000)
    assert (held.size, held.average) == (D(0), D(0))


def test_through_zero_the_rest_is_a_new_position() -> None:
    held = Holding(LINEAR, 0)
    held.trade(D(1), D(100))
    assert held.trade(D(-3), D(110)) == (D(10), D(1), D(100))
    assert (held.size, held.average) == (D(-2), D(110))


@pytest.mark.parametrize(
    ("instrument", "qty", "price", "taker", "expected"),
    [
        (LINEAR, "0.001", "123498", True, "0.06792390"),
        (LINEAR, "0.1", "85.11", True, "0.00468105"),
        (LINEAR, "1", "100000", False, "20"),
        (INVERSE, "50000", "100000", True, "0.000275"),
        (OPTION, "1", "3000", True, "30"),
        (OPTION, "1", "100", True, "7"),
    ],
)
def test_fees(instrument: Instrument, qty: str, price: str, taker: bool, expected: str) -> None:
    """The first two are recorded ones; an option's never exceeds 7 % of its premium."""
    assert fee(instrument, D(qty), D(price), D(100_000), taker) == D(expected)


def test_margin_is_value_over_leverage_and_a_long_option_ties_up_nothing() -> None:
    assert initial_margin(LINEAR, D(-2), D(1_000), D(1_000), D(10)) == 200
    assert initial_margin(INVERSE, D(1_000), D(50_000), D(50_000), D(5)) == D("0.004")
    assert initial_margin(OPTION, D(1), D(3_000), D(100_000), D(1)) == 0
    assert initial_margin(OPTION, D(-1), D(3_000), D(100_000), D(1)) == 18_000


def test_leverage_and_modes_are_kept_by_contract() -> None:
    account = Account()
    assert account.leverage(LINEAR) == 10
    account.leverages[LINEAR.key] = D(3)
    assert (account.leverage(LINEAR), account.leverage(INVERSE)) == (D(3), D(10))
    account.hedged.add("BTCUSDT")
    assert account.is_hedged(LINEAR)
    assert not account.is_hedged(INVERSE)
