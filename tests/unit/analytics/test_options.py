"""Black-76 against numbers computed elsewhere, against identities, and against its own finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.analytics import options as black76

# Deribit's 25SEP26 80000 call on 2026-08-22, values recomputed independently for the fact sheet.
FORWARD, STRIKE, YEARS, SIGMA = 78_899.98, 80_000.0, 34.1731 / 365.0, 0.4121

forwards = st.floats(1_000.0, 200_000.0)
moneyness = st.floats(-0.5, 0.5)
maturities = st.floats(1 / 365, 1.5)
sigmas = st.floats(0.15, 2.0)


def test_golden_call() -> None:
    g = black76.greeks(FORWARD, STRIKE, YEARS, SIGMA, True)
    assert float(g.price) == pytest.approx(3468.071, abs=0.01)  # T is given with 4 decimals of a day
    assert float(g.price) / FORWARD == pytest.approx(0.04395528, abs=2e-7)
    assert float(g.delta) == pytest.approx(0.481354, abs=1e-6)
    assert float(g.vega) == pytest.approx(96.2073, abs=2e-4)
    assert float(g.theta) == pytest.approx(-58.0091, abs=2e-4)
    assert float(g.rho) == pytest.approx(32.3107, abs=2e-4)


def test_venue_ticker_of_a_quarterly_call() -> None:
    """BTC-25DEC26-76000-C as the venue showed it on 2026-09-30; its mark_iv has two decimals, hence the tolerances."""
    years = (1_798_185_600_000 - 1_790_755_217_219) / (365 * 86_400_000)
    g = black76.greeks(84_222.23, 76_000.0, years, 0.3825, True)
    assert float(g.delta) == pytest.approx(0.74092, abs=1e-4)
    assert float(g.vega) == pytest.approx(132.3649, abs=0.02)
    assert float(g.theta) == pytest.approx(-29.43212, abs=0.01)
    assert float(g.rho) == pytest.approx(121.30652, abs=0.02)


def test_functions_agree_with_the_single_pass() -> None:
    strikes = np.array([60_000.0, 79_000.0, 120_000.0])
    calls = np.array([True, False, True])
    g = black76.greeks(FORWARD, strikes, YEARS, SIGMA, calls)
    assert np.array_equal(black76.price(FORWARD, strikes, YEARS, SIGMA, calls), g.price)
    assert np.array_equal(black76.delta(FORWARD, strikes, YEARS, SIGMA, calls), g.delta)
    assert np.array_equal(black76.gamma(FORWARD, strikes, YEARS, SIGMA), g.gamma)
    assert np.array_equal(black76.vega(FORWARD, strikes, YEARS, SIGMA), g.vega)
    assert np.array_equal(black76.theta(FORWARD, strikes, YEARS, SIGMA, calls), g.theta)
    assert np.array_equal(black76.rho(FORWARD, strikes, YEARS, SIGMA, calls), g.rho)


@given(forwards, moneyness, maturities, sigmas)
def test_put_call_parity(forward: float, k: float, years: float, sigma: float) -> None:
    strike = forward * float(np.exp(k))
    call = black76.greeks(forward, strike, years, sigma, True)
    put = black76.greeks(forward, strike, years, sigma, False)
    assert float(call.price - put.price) == pytest.approx(forward - strike, abs=1e-7 * forward)
    assert float(call.delta - put.delta) == pytest.approx(1.0, abs=1e-12)
    assert float(call.gamma) == float(put.gamma)
    assert float(call.vega) == float(put.vega)


@given(forwards, moneyness, st.floats(0.02, 1.5), sigmas, st.booleans())
def test_greeks_are_the_slopes_of_the_price(
    forward: float, k: float, years: float, sigma: float, is_call: bool
) -> None:
    strike = forward * float(np.exp(k))
    g = black76.greeks(forward, strike, years, sigma, is_call)
    step = 1e-4 * forward
    up, down = (float(black76.price(forward + s, strike, years, sigma, is_call)) for s in (step, -step))
    assert (up - down) / (2 * step) == pytest.approx(float(g.delta), abs=1e-5)
    middle = float(g.price)
    assert (up - 2 * middle + down) / step**2 == pytest.approx(float(g.gamma), rel=1e-3, abs=1e-5 / forward)
    more, less = (float(black76.price(forward, strike, years, sigma + s, is_call)) for s in (1e-5, -1e-5))
    assert (more - less) / 2e-5 / 100 == pytest.approx(float(g.vega), rel=1e-4, abs=1e-6 * forward)


def test_theta_is_the_slope_in_time_and_is_capped_on_the_last_day() -> None:
    day = 1 / 365
    later = float(black76.price(FORWARD, STRIKE, YEARS - day * 1e-3, SIGMA, True))
    now = float(black76.price(FORWARD, STRIKE, YEARS, SIGMA, True))
    assert (later - now) / 1e-3 == pytest.approx(float(black76.theta(FORWARD, STRIKE, YEARS, SIGMA, True)), rel=1e-3)
    hour = day / 24
    cheap = black76.greeks(FORWARD, FORWARD * 1.01, hour, SIGMA, True)
    assert float(cheap.theta) == -float(cheap.price)  # no more can be lost than the option is worth


@given(forwards, moneyness, maturities, sigmas, st.booleans())
def test_implied_volatility_gives_the_price_back(
    forward: float, k: float, years: float, sigma: float, is_call: bool
) -> None:
    strike = forward * float(np.exp(k))
    value = black76.price(forward, strike, years, sigma, is_call)
    found = black76.implied_volatility(value, forward, strike, years, is_call)
    if np.isnan(found):  # so deep in or out that no time value is left in a float
        intrinsic = max(forward - strike if is_call else strike - forward, 0.0)
        assert float(value) - intrinsic <= 1e-9 * forward
    else:
        assert float(black76.price(forward, strike, years, found, is_call)) == pytest.approx(
            float(value), abs=1e-8 * forward
        )


def test_implied_volatility_exists_only_between_intrinsic_value_and_the_bound() -> None:
    values = np.array([0.0, 500.0, 999.0, 100_000.0, 3_000.0])
    found = black76.implied_volatility(values, 100_000.0, 99_000.0, 0.1, True)
    assert np.isnan(found[:4]).all()
    assert found[4] == pytest.approx(0.2, abs=0.05)
    assert np.isnan(black76.implied_volatility(3_000.0, 100_000.0, 99_000.0, 0.0, True))


def test_expired_option_is_worth_its_intrinsic_value() -> None:
    g = black76.greeks(100.0, np.array([90.0, 110.0]), 0.0, 0.5, True)
    assert g.price.tolist() == [10.0, 0.0]
    assert g.delta.tolist() == [1.0, 0.0]
    assert np.isfinite(np.array(g)).all()
