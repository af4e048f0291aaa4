"""SVI: the slice known to be arbitrageable, fits of slices with known parameters, and the two arbitrage checks."""

import math

import numpy as np
import pytest

from cerberod.analytics.black import black_price
from cerberod.analytics.smile import Smile, make_smile
from cerberod.analytics.svi import (
    Svi,
    check_butterfly,
    check_calendar,
    durrleman,
    fit_svi,
    make_svi,
    svi_volatility,
    total_variance,
)
from cerberod.errors import AnalyticsRefused

VOGT = make_svi(a=-0.0410, b=0.1331, rho=0.3060, m=0.3586, sigma=0.4153)
"""Axel Vogt's example, of Gatheral and Jacquier (2014): it looks innocent and has a negative density."""
TAME = make_svi(a=0.01, b=0.1, rho=-0.3, m=0.02, sigma=0.15)


def test_vogts_slice_is_the_one_of_the_paper() -> None:
    """Its natural parameters as the paper prints them, to their last digit: v, psi, p, c and the least variance."""
    money = float(total_variance(VOGT, 0.0))
    root = math.sqrt(money)
    assert money == pytest.approx(0.01742625, abs=5e-9)
    assert VOGT.b / 2 / root * (VOGT.rho - VOGT.m / math.hypot(VOGT.m, VOGT.sigma)) == pytest.approx(
        -0.1752111, abs=5e-8
    )
    assert VOGT.b * (1 - VOGT.rho) / root == pytest.approx(0.6997381, abs=5e-8)
    assert VOGT.b * (1 + VOGT.rho) / root == pytest.approx(1.316798, abs=5e-7)
    assert VOGT.a + VOGT.b * VOGT.sigma * math.sqrt(1 - VOGT.rho**2) == pytest.approx(0.0116249, abs=5e-8)


def test_vogts_slice_has_butterfly_arbitrage() -> None:
    found = check_butterfly(VOGT, -1.5, 1.5)
    assert not found.free
    assert found.wings_free
    assert found.least_g < -0.03
    assert 0.6 < found.at < 1.1  # where the paper draws the density below zero


def test_a_butterfly_found_costs_less_than_nothing() -> None:
    """Where g is negative a butterfly of Black prices is negative, and nowhere else."""
    for svi, k, negative in ((VOGT, 0.88, True), (VOGT, 0.0, False), (TAME, 0.88, False)):
        strikes = np.exp(k) * np.array([0.995, 1.0, 1.005])
        prices = black_price(1.0, strikes, 1.0, svi_volatility(svi, np.log(strikes), 1.0), True)
        assert bool(prices[0] - 2.0 * prices[1] + prices[2] < 0.0) is negative
        assert bool(durrleman(svi, k) < 0.0) is negative


def test_too_steep_a_wing_is_told() -> None:
    assert not check_butterfly(make_svi(0.1, 1.5, 0.5, 0.0, 0.1)).wings_free
    tame = check_butterfly(TAME)
    assert tame.wings_free
    assert tame.free
    assert tame.least_g > 0.0


@pytest.mark.parametrize(("steepness", "worth", "wings_free"), [(2.0, 0.5, False), (1.9, 0.0, True)])
def test_a_wing_at_lees_bound_is_too_steep(steepness: float, worth: float, wings_free: bool) -> None:
    """Calls must go to zero as strikes rise. With w = 2 k they end at half the forward: N(d1) is 1/2 there."""
    svi = make_svi(0.0, steepness, 0.0, 0.0, 0.1)
    k = 20_000.0
    root = math.sqrt(float(total_variance(svi, k)))
    d1, d2 = -k / root + root / 2.0, -k / root - root / 2.0
    # e^k N(d2) by Mills' ratio: the exponents cancel to -d1^2 / 2, which is all that fits a float.
    call = 0.5 * math.erfc(-d1 / math.sqrt(2.0)) - math.exp(-d1 * d1 / 2.0) / (-d2 * math.sqrt(2.0 * math.pi))
    assert call == pytest.approx(worth, abs=0.01)
    assert check_butterfly(svi).wings_free is wings_free


def test_calendar_arbitrage() -> None:
    later = make_svi(a=0.02, b=0.12, rho=-0.3, m=0.02, sigma=0.15)
    assert check_calendar(TAME, later).free
    assert not check_calendar(later, TAME).free
    assert check_calendar(TAME, TAME).free
    crossing = make_svi(a=-0.003, b=0.14, rho=-0.3, m=0.02, sigma=0.15)  # lower in the middle, higher in the wings
    found = check_calendar(make_svi(0.01, 0.1, -0.3, 0.02, 0.1), crossing)
    assert found.wings_free
    assert found.least_gain < 0.0
    assert not found.free
    flat_far = check_calendar(TAME, make_svi(1.0, 0.01, 0.0, 0.0, 0.1), -1.0, 1.0)
    assert flat_far.least_gain > 0.0
    assert not flat_far.wings_free
    assert not flat_far.free


@pytest.mark.parametrize(
    "svi",
    [
        TAME,
        make_svi(0.04, 0.4, 0.0, 0.0, 0.1),
        make_svi(0.0, 0.2, 0.7, -0.1, 0.3),
        make_svi(-0.01, 0.3, -0.6, 0.1, 0.2),
    ],
)
@pytest.mark.parametrize("years", [7 / 365, 0.5])
def test_a_fit_finds_the_slice_that_made_the_smile(svi: Svi, years: float) -> None:
    """Volatility to 1e-9, parameters to 1e-5: these bend against each other far more softly than the smile."""
    k = np.linspace(-0.5, 0.5, 25)
    got = fit_svi(make_smile(1.0, years, np.exp(k), svi_volatility(svi, k, years)))
    assert got.converged
    assert got.points == 25
    assert got.largest_error < 1e-9 * float(svi_volatility(svi, 0.0, years))
    for name in ("a", "b", "rho", "m", "sigma"):
        assert getattr(got.parameters, name) == pytest.approx(getattr(svi, name), abs=1e-5), name


def test_a_fit_of_noise_is_told_as_such_and_never_impossible() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        got = fit_svi(make_smile(100.0, 0.1, np.linspace(60.0, 150.0, 9), rng.uniform(0.2, 1.0, 9)), np.ones(9))
        assert got.root_mean_square_error > 0.01
        p = got.parameters
        make_svi(p.a + 1e-12, p.b, p.rho, p.m, p.sigma)  # passes its own checks
        assert p.b * (1.0 + abs(p.rho)) <= 2.0 + 1e-9


@pytest.mark.recorded
def test_recorded_smiles_are_fitted_within_a_volatility_point_near_the_money(
    recorded_smiles: dict[str, Smile],
) -> None:
    for expiry in ("25SEP26", "25DEC26", "25JUN27"):
        smile = recorded_smiles[expiry]
        got = fit_svi(smile)
        fitted = svi_volatility(got.parameters, smile.log_moneyness, smile.years)
        near = np.abs(smile.log_moneyness) < smile.years**0.5 * 0.45
        assert np.max(np.abs(fitted - smile.volatility)[near]) < 0.01, expiry


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("a", {"a": -1.0}),
        ("a", {"a": float("nan")}),
        ("b", {"b": -0.1}),
        ("rho", {"rho": 1.0}),
        ("sigma", {"sigma": 0.0}),
        ("m", {"m": float("inf")}),
    ],
)
def test_impossible_parameters_are_refused(field: str, change: dict[str, float]) -> None:
    good = {"a": 0.01, "b": 0.1, "rho": 0.0, "m": 0.0, "sigma": 0.1}
    with pytest.raises(AnalyticsRefused) as refused:
        make_svi(**{**good, **change})
    assert refused.value.field == field


def test_too_few_strikes_and_bad_weights_are_refused() -> None:
    with pytest.raises(AnalyticsRefused, match="at least 5"):
        fit_svi(make_smile(1.0, 1.0, [0.8, 0.9, 1.0, 1.1], [0.5] * 4))
    with pytest.raises(AnalyticsRefused, match="weights"):
        fit_svi(make_smile(1.0, 1.0, [0.8, 0.9, 1.0, 1.1, 1.2], [0.5] * 5), np.zeros(5))
    with pytest.raises(AnalyticsRefused, match="low"):
        check_butterfly(TAME, 1.0, -1.0)
