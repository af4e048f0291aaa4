"""Prices, greeks and implied volatility against QuantLib and against arithmetic of 50 digits.

Tolerances: 1e-11 relative against mpmath, in the deep wings too, which is what the normalised price promises there;
1e-9 of a natural scale against QuantLib, whose formula cancels out of the money.
"""

import math

import mpmath as mp
import numpy as np
import pytest
import QuantLib as ql

from cerberod.analytics.black import black_76, black_scholes
from cerberod.analytics.implied import implied_volatility

CASES = [
    (forward, forward * math.exp(k * sigma * math.sqrt(years)), years, sigma, rate)
    for forward in (0.5, 80_000.0)
    for k in (-8.0, -2.0, -0.1, 0.0, 1e-6, 0.7, 3.0, 12.0)
    for years, sigma, rate in ((1 / 365, 0.6, 0.0), (0.25, 0.2, 0.05), (2.0, 1.1, -0.02))
]


def exact_price(f: mp.mpf, k: mp.mpf, t: mp.mpf, v: mp.mpf, r: mp.mpf, call: bool) -> mp.mpf:
    d1 = mp.log(f / k) / (v * mp.sqrt(t)) + v * mp.sqrt(t) / 2
    d2 = d1 - v * mp.sqrt(t)
    sign = 1 if call else -1
    return mp.exp(-r * t) * sign * (f * mp.ncdf(sign * d1) - k * mp.ncdf(sign * d2))


def exact_greeks(f: float, k: float, t: float, v: float, r: float, call: bool, *, spot_form: bool) -> dict[str, float]:
    """Differentiate the price numerically at high precision: the meaning of each greek, not its formula."""
    q = mp.mpf("0.03")

    def value(s: mp.mpf, t_: mp.mpf, v_: mp.mpf, r_: mp.mpf) -> mp.mpf:
        forward = s * mp.exp((r_ - q) * t_) if spot_form else s
        return exact_price(forward, mp.mpf(k), t_, v_, r_, call)

    point = (mp.mpf(f), mp.mpf(t), mp.mpf(v), mp.mpf(r))
    wanted = {
        "price": (0, 0, 0, 0),
        "delta": (1, 0, 0, 0),
        "gamma": (2, 0, 0, 0),
        "vega": (0, 0, 1, 0),
        "theta": (0, 1, 0, 0),
        "rho": (0, 0, 0, 1),
        "vanna": (1, 0, 1, 0),
        "charm": (1, 1, 0, 0),
        "volga": (0, 0, 2, 0),
    }
    out = {name: value(*point) if not any(orders) else mp.diff(value, point, orders) for name, orders in wanted.items()}
    out["theta"], out["charm"] = -out["theta"], -out["charm"]
    return {name: float(number) for name, number in out.items()}


@pytest.mark.parametrize("spot_form", [False, True])
def test_price_and_greeks_against_differentiation_at_fifty_digits(spot_form: bool) -> None:
    with mp.workdps(50):
        for index, (f, k, t, v, r) in enumerate(CASES):
            call = index % 2 == 0
            exact = exact_greeks(f, k, t, v, r, call, spot_form=spot_form)
            got = black_scholes(f, k, t, v, call, r, 0.03) if spot_form else black_76(f, k, t, v, call, r)
            vega = exact["vega"]
            natural = {"vanna": vega / f / v, "volga": vega / v, "charm": (vega / f * v + abs(exact["delta"])) / t}
            for name, number in exact.items():
                # Where second-order greeks cross zero only their natural size can measure an error.
                floor = 1e-13 * abs(natural.get(name, exact["price"]))
                assert float(getattr(got, name)) == pytest.approx(number, rel=1e-9, abs=floor), (name, index)
            assert float(got.price) == pytest.approx(exact["price"], rel=1e-11), index


def test_greeks_against_quantlib() -> None:
    for index, (f, k, t, v, r) in enumerate(CASES):
        call = index % 2 == 1
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if call else ql.Option.Put, k)
        growth = math.exp((r - 0.03) * t)
        theirs = ql.BlackCalculator(payoff, f * growth, v * math.sqrt(t), math.exp(-r * t))
        ours = black_scholes(f, k, t, v, call, r, 0.03)
        scale = max(f, k)
        for name, number, size in (
            ("price", theirs.value(), scale),
            ("delta", theirs.delta(f), 1.0),
            ("gamma", theirs.gamma(f), 1.0 / f),
            ("vega", theirs.vega(t), scale),
            ("theta", theirs.theta(f, t), scale),
            ("rho", theirs.rho(t), scale),
        ):
            assert float(getattr(ours, name)) == pytest.approx(number, rel=1e-9, abs=1e-12 * size), (name, index)


def test_implied_volatility_against_quantlib() -> None:
    rng = np.random.default_rng(11)
    strikes = 100.0 * np.exp(rng.normal(0.0, 0.4, 200))
    years, sigma = rng.uniform(0.02, 2.0, 200), rng.uniform(0.1, 1.5, 200)
    calls = strikes > 100.0
    prices = black_76(100.0, strikes, years, sigma, calls).price
    kept = prices > 1e-8  # QuantLib's solver stops at an absolute accuracy
    ours = implied_volatility(prices[kept], 100.0, strikes[kept], years[kept], calls[kept]).volatility
    theirs = [
        ql.blackFormulaImpliedStdDev(
            ql.Option.Call if c else ql.Option.Put, float(k), 100.0, float(p), 1.0, 0.0, float(v * t**0.5), 1e-14, 1000
        )
        / t**0.5
        for c, k, p, t, v in zip(calls[kept], strikes[kept], prices[kept], years[kept], sigma[kept], strict=True)
    ]
    assert kept.sum() > 150
    assert ours.tolist() == pytest.approx(theirs, rel=1e-9)
    assert ours.tolist() == pytest.approx(sigma[kept].tolist(), rel=1e-9)


def test_price_to_volatility_to_price() -> None:
    """10^5 options: 1e-9 relative wherever |ln F/K| is up to 8 deviations and the price is out of the money."""
    rng = np.random.default_rng(5)
    n = 100_000
    forward = np.exp(rng.uniform(-5.0, 12.0, n))
    years, sigma = np.exp(rng.uniform(math.log(1e-6), math.log(10.0), n)), np.exp(rng.uniform(-4.0, 1.5, n))
    moneyness = rng.uniform(-8.0, 8.0, n) * sigma * np.sqrt(years)
    strike = forward * np.exp(-moneyness)
    calls = strike >= forward
    price = black_76(forward, strike, years, sigma, calls).price
    found = implied_volatility(price, forward, strike, years, calls)
    # Above this deviation what is missing to the bound is under 1e-6 of it: the price holds few digits of volatility.
    region = sigma * np.sqrt(years) < 9.0
    assert not found.reason[region].any()
    back = black_76(forward, strike, years, found.volatility.filled(1.0), calls).price
    assert np.max(np.abs(back / price - 1.0)[region]) < 1e-9
    assert np.max(np.abs(found.volatility / sigma - 1.0)[region]) < 1e-9
