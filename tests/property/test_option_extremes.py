"""Numbers of any size: a finite value or a named reason, and never a warning (warnings are errors here)."""

import numpy as np
import pytest

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.black import Convention, OptionGreeks, black_76, black_scholes
from cerberod.analytics.chain import OptionChain, make_chain
from cerberod.analytics.exposure import gamma_exposure, gamma_profile, spot_grid, vanna_charm
from cerberod.analytics.implied import implied_volatility
from cerberod.analytics.positioning import max_pain, put_call_ratios, weighted_skews
from cerberod.analytics.smile import atm_versus_wings, delta_skew, make_smile, smile_asymmetry
from cerberod.analytics.svi import check_butterfly, fit_svi
from cerberod.analytics.term import constant_maturity, expected_move, forward_volatilities
from cerberod.errors import AnalyticsRefused

N = 400
GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "volga")


def sizes(rng: np.random.Generator, low: float, high: float, *, zeros: float = 0.0, count: int = N) -> FloatArray:
    out: FloatArray = np.where(rng.random(count) < zeros, 0.0, 10.0 ** rng.uniform(low, high, count))
    return out


def assert_finite(greeks: OptionGreeks) -> None:
    for name in GREEKS:
        value = getattr(greeks, name)
        assert np.isfinite(value.filled(0.0) if isinstance(value, np.ma.MaskedArray) else value).all(), name


@pytest.mark.parametrize("seed", range(12))
def test_prices_greeks_and_implied_volatility(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wild = seed % 2 == 0
    forward = sizes(rng, -74.0, 74.0) if wild else sizes(rng, -2.0, 6.0)
    near = forward * np.exp(rng.normal(0.0, 1.0, N))
    strike = np.where(rng.random(N) < 0.2, forward, np.clip(sizes(rng, -74.0, 74.0) if seed % 3 else near, 1e-74, 1e74))
    years = sizes(rng, -74.0, 74.0, zeros=0.1) if wild else sizes(rng, -9.0, 2.0, zeros=0.1)
    sigma = sizes(rng, -74.0, 74.0, zeros=0.1) if seed % 3 else sizes(rng, -4.0, 2.0, zeros=0.1)
    most = 99.0 / np.maximum(years, 1e-70)
    rate, dividend = (np.clip(rng.normal(0.0, 0.1, N), -most, most) for _ in range(2))
    calls = rng.random(N) < 0.5
    for convention in Convention:
        given = 0.0 if convention is Convention.DERIBIT else rate
        assert_finite(black_76(forward, strike, years, sigma, calls, given, convention=convention))
    assert_finite(black_scholes(forward, strike, years, sigma, calls, rate, dividend))
    price = black_76(forward, strike, years, sigma, calls, rate).price
    price = np.clip(np.where(rng.random(N) < 0.3, price * rng.uniform(0.0, 2.0, N), price), 0.0, 1e75)
    found = implied_volatility(price, forward, strike, years, calls, rate)
    assert np.isfinite(found.volatility.filled(0.0)).all()
    assert np.array_equal(np.ma.getmaskarray(found.volatility), found.reason != 0)


def chain(rng: np.random.Generator, count: int, span: float) -> OptionChain:
    calls = rng.random(count) < 0.5
    return make_chain(
        as_of_ms=0,
        spot=float(sizes(rng, -span, span, count=1)[0]),
        expiry_ms=np.cumsum(rng.integers(1, 10**9, count)),
        strike=sizes(rng, -span, span, count=count),
        is_call=calls,
        forward=sizes(rng, -span, span, count=count),
        volatility=sizes(rng, -6.0, 4.0, count=count),
        open_interest=sizes(rng, -span, span, zeros=0.3, count=count),
        volume=sizes(rng, -span, span, zeros=0.3, count=count),
    )


@pytest.mark.parametrize("seed", range(12))
def test_chains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some = chain(rng, int(rng.integers(1, 40)), (1.0, 9.0, 30.0)[seed % 3])
    exposure = gamma_exposure(some)
    profile = gamma_profile(some, spot_grid(some.spot))
    greeks = vanna_charm(some)
    assert np.isfinite([exposure.net, exposure.call, exposure.put, greeks.vanna, greeks.charm, profile.at_spot]).all()
    assert np.isfinite(profile.net).all()
    assert all(np.isfinite(flip.level) for flip in profile.flips)
    assert all(np.isfinite(pain.pain).all() for pain in max_pain(some))
    for ratio in put_call_ratios(some):
        assert ratio.open_interest_ratio is None or np.isfinite(ratio.open_interest_ratio)
    for skew in weighted_skews(some):
        assert all(v is None or np.isfinite(v) for v in (skew.skew, skew.slope))


@pytest.mark.parametrize("seed", range(12))
def test_smiles_and_terms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(5, 30))
    strike = np.unique(100.0 * np.exp(rng.normal(0.0, (0.01, 0.5, 5.0)[seed % 3], count)))
    volatility = sizes(rng, -3.0, 1.0, count=strike.size)
    smile = make_smile(100.0, float(sizes(rng, -6.0, 1.5, count=1)[0]), strike, volatility)
    for delta in (0.01, 0.25, 0.5):
        skew = delta_skew(smile, delta)
        assert (skew.risk_reversal is None) == (skew.call_volatility is None or skew.put_volatility is None)
    atm_versus_wings(smile)
    smile_asymmetry(smile, 0.5)
    fit = fit_svi(smile)
    assert np.isfinite([fit.root_mean_square_error, *vars(fit.parameters).values()]).all()
    check_butterfly(fit.parameters)
    years = np.cumsum(sizes(rng, -6.0, 1.0, count=strike.size))
    assert np.isfinite(constant_maturity(years, volatility, years * 1.01).volatility.filled(0.0)).all()
    assert np.isfinite(forward_volatilities(years, volatility).volatility.filled(0.0)).all()
    assert np.isfinite(expected_move(100.0, volatility, years).upper).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e80, None, "1e5x", [[1.0], [2.0, 3.0]]])
def test_what_is_no_number_is_refused(bad: object) -> None:
    with pytest.raises(AnalyticsRefused, match="strike"):
        black_76(100.0, bad, 1.0, 0.5, True)  # type: ignore[arg-type] # bad on purpose
    with pytest.raises(AnalyticsRefused, match="volatility"):
        black_76(100.0, 100.0, 1.0, bad, True)  # type: ignore[arg-type] # bad on purpose
