"""Today's profit and greeks of positions: against single options, differences, and the payoff at expiry."""

import numpy as np
import pytest

from cerberod.analytics.black import Convention, black_76, black_price
from cerberod.analytics.legs import Kind, Leg, Settlement, make_leg
from cerberod.analytics.payoff import expiry_payoff
from cerberod.analytics.revaluation import position_greeks, profit_curve
from cerberod.errors import AnalyticsRefused

SPOT, FORWARD, YEARS, SIGMA = 80_000.0, 81_000.0, 0.25, 0.5
LEVELS = np.linspace(40_000.0, 160_000.0, 241)


def option(kind: Kind, quantity: float, price: float, strike: float, *, inverse: bool, years: float = YEARS) -> Leg:
    settlement = Settlement.INVERSE if inverse else Settlement.LINEAR
    return make_leg(kind, quantity, price, settlement, strike=strike, years=years, volatility=SIGMA, forward=FORWARD)


EVERYTHING = [
    option(Kind.CALL, 1.5, 0.05, 85_000.0, inverse=True),
    option(Kind.PUT, -1.0, 4_000.0, 70_000.0, inverse=False),
    make_leg(Kind.FUTURE, -50_000.0, 81_500.0, Settlement.INVERSE, years=YEARS, forward=FORWARD, fee=0.0001),
    make_leg(Kind.FUTURE, 0.3, 81_500.0, years=YEARS, forward=FORWARD),
    make_leg(Kind.PERPETUAL, 10_000.0, 79_000.0, Settlement.INVERSE),
    make_leg(Kind.SPOT, 0.25, 78_000.0, fee=12.0),
]


def test_an_option_bought_at_its_model_price_has_gained_nothing_yet() -> None:
    fair = float(black_price(FORWARD, 85_000.0, YEARS, SIGMA, True))
    for inverse, price in ((True, fair / FORWARD), (False, fair)):
        got = position_greeks([option(Kind.CALL, 3.0, price, 85_000.0, inverse=inverse)], SPOT)
        assert got.profit_quote == pytest.approx(0.0, abs=1e-9)
        assert got.by_leg[0].value == pytest.approx(3.0 * price, rel=1e-13)


def test_at_expiry_the_curve_is_the_payoff() -> None:
    got = profit_curve(EVERYTHING, SPOT, LEVELS, YEARS)
    exact = expiry_payoff(EVERYTHING, LEVELS)
    assert got.profit_quote.tolist() == pytest.approx(exact.profit_quote.tolist(), rel=1e-11, abs=1e-7)
    assert got.profit_coin.tolist() == pytest.approx(exact.profit_coin.tolist(), rel=1e-11, abs=1e-12)
    inside = [level for level in exact.breakevens if LEVELS[0] < level < LEVELS[-1]]
    assert inside
    assert got.breakevens == pytest.approx(inside, rel=1e-12)


def test_coin_and_quote_are_one_profit() -> None:
    got = profit_curve(EVERYTHING, SPOT, LEVELS)
    assert (got.profit_coin * LEVELS).tolist() == pytest.approx(got.profit_quote.tolist(), rel=1e-13)
    now = position_greeks(EVERYTHING, SPOT)
    at_spot = profit_curve(EVERYTHING, SPOT, [SPOT, SPOT + 1.0])
    assert now.profit_quote == pytest.approx(float(at_spot.profit_quote[0]), rel=1e-13)
    assert now.profit_coin == pytest.approx(now.profit_quote / SPOT, rel=1e-13)


def test_breakevens_are_zeros_of_the_curve() -> None:
    straddle = [option(k, 1.0, 8_000.0, 80_000.0, inverse=False) for k in (Kind.CALL, Kind.PUT)]
    got = profit_curve(straddle, SPOT, LEVELS, YEARS / 2)
    low, high = got.breakevens
    assert low < 80_000.0 < high
    for level in got.breakevens:
        assert abs(float(profit_curve(straddle, SPOT, [level, level + 1.0], YEARS / 2).profit_quote[0])) < 1e-6


def test_a_calendar_is_valued_at_its_first_expiry() -> None:
    near, far = (option(Kind.CALL, q, 5_000.0, 80_000.0, inverse=False, years=t) for q, t in ((-1.0, 0.1), (1.0, 0.4)))
    got = profit_curve([near, far], SPOT, [60_000.0, 80_000.0, 100_000.0], 0.1)
    forward = 80_000.0 * (FORWARD / SPOT) ** (0.3 / 0.4)
    assert float(got.profit_quote[1]) == pytest.approx(
        float(black_price(forward, 80_000.0, 0.3, SIGMA, True)), rel=1e-12
    )
    assert got.profit_quote[1] > max(got.profit_quote[0], got.profit_quote[2])
    with pytest.raises(AnalyticsRefused, match="first expiry"):
        profit_curve([near, far], SPOT, LEVELS, 0.2)


def test_greeks_of_options_are_deribits_times_quantity() -> None:
    leg = option(Kind.PUT, -4.0, 0.05, 75_000.0, inverse=True)
    one = black_76(FORWARD, 75_000.0, YEARS, SIGMA, False, convention=Convention.DERIBIT)
    got = position_greeks([leg], SPOT)
    for name in ("delta", "gamma", "vega", "theta", "rho"):
        assert getattr(got, name) == pytest.approx(-4.0 * float(getattr(one, name)), rel=1e-14)
    assert got.convention is Convention.DERIBIT


def test_premium_adjusted_delta_is_the_slope_of_the_value_in_coin() -> None:
    """F d(V/F)/dF: what must be hedged by somebody whose wealth is counted in coin."""
    leg = option(Kind.CALL, 2.0, 0.05, 85_000.0, inverse=True)
    step = 1e-3
    up, down = (
        2.0 * float(black_price(f, 85_000.0, YEARS, SIGMA, True)) / f
        for f in (FORWARD * (1 + step), FORWARD * (1 - step))
    )
    got = position_greeks([leg], SPOT)
    assert got.premium_adjusted_delta == pytest.approx((up - down) / (2 * step), rel=1e-5)
    assert got.premium_adjusted_delta < got.delta
    plain = position_greeks([option(Kind.CALL, 2.0, 4_000.0, 85_000.0, inverse=False)], SPOT)
    assert plain.premium_adjusted_delta == plain.delta


def test_net_greeks_are_sums_over_legs() -> None:
    got = position_greeks(EVERYTHING, SPOT)
    assert len(got.by_leg) == len(EVERYTHING)
    assert got.delta == pytest.approx(sum(leg.delta for leg in got.by_leg))
    future, perpetual, spot = got.by_leg[2], got.by_leg[4], got.by_leg[5]
    assert future.delta == pytest.approx(-50_000.0 / FORWARD)
    assert perpetual.delta == pytest.approx(10_000.0 / SPOT)
    assert (spot.delta, spot.value, spot.gamma) == (0.25, 20_000.0, 0.0)


@pytest.mark.parametrize("level", [[1.0], [2.0, 1.0], [0.0, 1.0]])
def test_bad_levels_and_times_are_refused(level: list[float]) -> None:
    with pytest.raises(AnalyticsRefused, match="level"):
        profit_curve(EVERYTHING, SPOT, level)
    with pytest.raises(AnalyticsRefused, match="years_passed"):
        profit_curve(EVERYTHING, SPOT, LEVELS, -0.1)
    with pytest.raises(AnalyticsRefused, match="spot"):
        position_greeks(EVERYTHING, 0.0)
