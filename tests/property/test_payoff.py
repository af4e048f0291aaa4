"""The exact payoff against each leg's plain formula, and its roots and extremes against a dense search."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.legs import Kind, Leg, Settlement, make_leg
from cerberod.analytics.payoff import expiry_payoff, payoff_function

quantities = st.integers(-50, 50).filter(bool).map(lambda n: n / 10)
strikes = st.integers(1, 40).map(lambda n: n * 5.0)


@st.composite
def option_legs(draw: st.DrawFn) -> Leg:
    settlement = draw(st.sampled_from(Settlement))
    price = draw(st.integers(0, 40)) / (100.0 if settlement is Settlement.INVERSE else 1.0)
    return make_leg(
        draw(st.sampled_from([Kind.CALL, Kind.PUT])),
        draw(quantities),
        price,
        settlement,
        strike=draw(strikes),
        years=0.1,
        volatility=0.5,
        fee=draw(st.integers(0, 3)) / 100.0,
        delivery_rate=draw(st.sampled_from([0.0, 0.00015])),
    )


@st.composite
def future_legs(draw: st.DrawFn) -> Leg:
    return make_leg(Kind.PERPETUAL, draw(quantities), draw(strikes), draw(st.sampled_from(Settlement)))


legs_of_any_kind = st.lists(st.one_of(option_legs(), future_legs()), min_size=1, max_size=6)


def plainly(leg: Leg, s: FloatArray) -> FloatArray:
    """One leg's profit in quote currency, as one would write it down."""
    inverse = leg.settlement is Settlement.INVERSE
    if leg.kind is Kind.PERPETUAL:
        coin_or_quote = leg.quantity * (1.0 / leg.price - 1.0 / s) if inverse else leg.quantity * (s - leg.price)
        return coin_or_quote * s if inverse else coin_or_quote
    assert leg.strike is not None
    intrinsic = np.maximum((s - leg.strike) * (1.0 if leg.kind is Kind.CALL else -1.0), 0.0)
    delivery = np.minimum(leg.delivery_rate * s, leg.delivery_cap * intrinsic) * abs(leg.quantity)
    if inverse:
        return (leg.quantity * (intrinsic / s - leg.price) - leg.fee - delivery / s) * s
    return leg.quantity * (intrinsic - leg.price) - leg.fee - delivery


@given(legs_of_any_kind)
def test_profit_is_the_sum_of_plain_formulas(legs: list[Leg]) -> None:
    levels = np.linspace(0.5, 400.0, 500)
    got = expiry_payoff(legs, levels).profit_quote
    assert np.max(np.abs(got - sum(plainly(leg, levels) for leg in legs))) < 1e-9


@given(legs_of_any_kind)
def test_breakevens_are_zeros_and_none_is_missed(legs: list[Leg]) -> None:
    levels = np.linspace(0.5, 400.0, 1_999)
    got = expiry_payoff(legs, levels)
    exact = payoff_function(legs)
    assert np.all(np.abs(exact.at(np.array(got.breakevens))) <= 1e-9 * np.maximum(1.0, np.array(got.breakevens)))
    side = np.sign(np.where(np.abs(got.profit_quote) < 1e-9, 0.0, got.profit_quote))
    for i in np.flatnonzero(side[:-1] * side[1:] < 0.0):
        assert any(levels[i] <= at <= levels[i + 1] for at in got.breakevens)


@given(legs_of_any_kind)
def test_no_price_beats_the_extremes(legs: list[Leg]) -> None:
    levels = np.concatenate([np.geomspace(1e-6, 1.0, 200), np.linspace(1.0, 400.0, 800), np.geomspace(400.0, 1e9, 200)])
    got = expiry_payoff(legs, levels)
    for profit, most, least in (
        (got.profit_quote, got.max_profit_quote, got.max_loss_quote),
        (got.profit_coin, got.max_profit_coin, got.max_loss_coin),
    ):
        scale = 1e-9 * max(1.0, float(np.max(np.abs(profit))))
        assert most.unbounded or (most.value is not None and float(profit.max()) <= most.value + scale)
        assert least.unbounded or (least.value is not None and float(profit.min()) >= least.value - scale)
        for extreme, values in ((most, profit), (least, -profit)):
            if extreme.unbounded:  # and it does run away where it says
                assert (
                    values[-1] if extreme.toward is not None and extreme.toward.value == "infinity" else values[0]
                ) > 0
