"""Properties of Black's prices and of implied volatility: parity, bounds, monotonicity, slopes, the way back."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.black import OptionGreeks, black_76, black_price, black_scholes
from cerberod.analytics.implied import implied_volatility

forwards = st.floats(0.01, 200_000.0)
deviations_away = st.floats(-6.0, 6.0)
maturities = st.floats(1 / (365 * 24), 5.0)
sigmas = st.floats(0.05, 3.0)
rates = st.floats(-0.1, 0.2)


def strike_of(forward: float, away: float, years: float, sigma: float) -> float:
    return forward * float(np.exp(away * sigma * np.sqrt(years)))


@given(forwards, deviations_away, maturities, sigmas, rates)
def test_put_call_parity(forward: float, away: float, years: float, sigma: float, rate: float) -> None:
    strike = strike_of(forward, away, years, sigma)
    call, put = (black_76(forward, strike, years, sigma, side, rate) for side in (True, False))
    discount = np.exp(-rate * years)
    scale = max(forward, strike)
    assert abs(float(call.price - put.price) - discount * (forward - strike)) <= 1e-12 * scale
    assert abs(float(call.delta - put.delta) - discount) <= 1e-12
    for name in ("gamma", "vega", "vanna", "volga"):
        assert float(getattr(call, name)) == float(getattr(put, name))


@given(forwards, deviations_away, maturities, sigmas, rates, st.booleans())
def test_price_stays_within_its_bounds(
    forward: float, away: float, years: float, sigma: float, rate: float, is_call: bool
) -> None:
    strike = strike_of(forward, away, years, sigma)
    discount = float(np.exp(-rate * years))
    price = float(black_76(forward, strike, years, sigma, is_call, rate).price)
    intrinsic = discount * max(forward - strike if is_call else strike - forward, 0.0)
    assert intrinsic * (1.0 - 1e-15) <= price <= discount * (forward if is_call else strike) * (1.0 + 1e-14)


@given(forwards, deviations_away, maturities, sigmas, st.floats(1.001, 2.0), st.booleans())
def test_price_rises_with_volatility_and_falls_or_rises_with_strike(
    forward: float, away: float, years: float, sigma: float, factor: float, is_call: bool
) -> None:
    strike = strike_of(forward, away, years, sigma)
    now, more, higher = black_price(
        forward, [strike, strike, strike * factor], years, [sigma, sigma * factor, sigma], is_call
    ).tolist()
    assert more >= now
    assert higher <= now if is_call else higher >= now


def slope(f: Callable[[float], FloatArray], at: float, step: float) -> float:
    """Five-point central difference: the error goes with the fourth power of the step."""
    a, b, c, d = (f(at + n * step) for n in (-2, -1, 1, 2))
    return float((a - 8.0 * b + 8.0 * c - d) / (12.0 * step))


@pytest.mark.parametrize("spot_form", [False, True])
@given(
    forwards, st.floats(-3.0, 3.0), st.floats(1 / 52, 3.0), st.floats(0.1, 2.0), st.floats(-0.05, 0.1), st.booleans()
)
def test_greeks_are_slopes(
    spot_form: bool, forward: float, away: float, years: float, sigma: float, rate: float, is_call: bool
) -> None:
    """1e-6 relative to each greek's natural size: the price per percent of each of the things it depends on."""
    strike = strike_of(forward, away, years, sigma)

    def at(
        f: float = forward, t: float = years, v: float = sigma, r: float = rate, side: bool = is_call
    ) -> OptionGreeks:
        if spot_form:
            return black_scholes(f, strike, t, v, side, r, 0.02)
        return black_76(f, strike, t, v, side, r)

    g, root = at(), float(np.sqrt(years))
    deviation = sigma * root
    step_f, step_t, step_v, step_r = 2e-3 * forward * min(deviation, 1.0), 1e-3 * years, 1e-3 * sigma, 1e-4
    size = 0.4 * forward
    checks = {
        "delta": (slope(lambda f: at(f=f).price, forward, step_f), 1.0),
        "gamma": (slope(lambda f: at(f=f).delta, forward, step_f), 1.0 / (forward * deviation)),
        "vega": (slope(lambda v: at(v=v).price, sigma, step_v), size * root),
        "theta": (-slope(lambda t: at(t=t).price, years, step_t), size * (deviation / years + abs(rate) + 0.02)),
        "rho": (slope(lambda r: at(r=r).price, rate, step_r), size * years),
        "vanna": (slope(lambda v: at(v=v).delta, sigma, step_v), 1.0 / sigma),
        "charm": (-slope(lambda t: at(t=t).delta, years, step_t), 1.0 / years),
        "volga": (slope(lambda v: at(v=v).vega, sigma, step_v), size * root / sigma),
    }
    for name, (number, natural) in checks.items():
        assert float(getattr(g, name)) == pytest.approx(number, rel=1e-6, abs=1e-6 * natural), name


@given(forwards, st.floats(-8.0, 8.0), maturities, sigmas)
def test_implied_volatility_gives_the_price_back(forward: float, away: float, years: float, sigma: float) -> None:
    strike = strike_of(forward, away, years, sigma)
    is_call = strike >= forward
    price = float(black_price(forward, strike, years, sigma, is_call))
    found = implied_volatility(price, forward, strike, years, is_call)
    assert int(found.reason) == 0
    assert float(black_price(forward, strike, years, float(found.volatility), is_call)) == pytest.approx(
        price, rel=1e-9
    )


@given(st.lists(st.tuples(forwards, deviations_away, maturities, sigmas), min_size=1, max_size=20))
def test_many_at_once_are_what_each_is_alone(options: list[tuple[float, float, float, float]]) -> None:
    """1e-13 and 1e-9: a processor's wide and narrow instructions may round an exponential differently."""
    rows = [(f, strike_of(f, a, t, v), t, v, a >= 0.0) for f, a, t, v in options]
    f, k, t, v, c = (np.array(column) for column in zip(*rows, strict=True))
    together = black_price(f, k, t, v, c)
    assert together == pytest.approx([float(black_price(*row)) for row in rows], rel=1e-13, abs=0.0)
    found = implied_volatility(together, f, k, t, c)
    alone = [implied_volatility(p, *row[:3], row[4]) for p, row in zip(together, rows, strict=True)]
    assert found.reason.tolist() == [int(one.reason) for one in alone] == [0] * len(rows)
    assert found.volatility.tolist() == pytest.approx([float(one.volatility) for one in alone], rel=1e-9)
