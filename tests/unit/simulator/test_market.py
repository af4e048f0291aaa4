"""The one market: the same for one seed, coherent at every resolution, without free trades."""

import numpy as np
import pytest

from cerberod.analytics.black import black_price
from cerberod.simulator.market import ASSETS, DAY_MS, YEAR_MS, Market
from cerberod.simulator.noise import KNOT_MS

NOW_MS = 1_795_000_000_000
NOW_KNOT = NOW_MS // KNOT_MS


def test_one_seed_is_one_market() -> None:
    for asset in ASSETS:
        assert Market(7).index(asset, NOW_MS) == Market(7).index(asset, NOW_MS)
        assert Market(7).index(asset, NOW_MS) != Market(8).index(asset, NOW_MS)


@pytest.mark.parametrize("asset", ASSETS)
@pytest.mark.parametrize("seed", range(5))
def test_levels_are_realistic(asset: str, seed: int) -> None:
    years = Market(seed).index_at_knots(asset, NOW_KNOT - 1_000_000, NOW_KNOT)
    assert ASSETS[asset].level * 0.4 < years.min()
    assert years.max() < ASSETS[asset].level * 2.5


def test_the_past_does_not_depend_on_who_asked_first() -> None:
    first, second = Market(7), Market(7)
    first.index("BTC", NOW_MS - 40 * DAY_MS)
    first.index_at_knots("BTC", NOW_KNOT - 10, NOW_KNOT)
    assert first.index("BTC", NOW_MS) == second.index("BTC", NOW_MS)


def test_single_moments_and_dense_windows_agree() -> None:
    market = Market(7)
    dense = market.index_at_knots("ETH", NOW_KNOT - 50, NOW_KNOT)
    perpetual = market.perpetual_at_knots("ETH", NOW_KNOT - 50, NOW_KNOT)
    for back in (0, 17, 50):
        moment = (NOW_KNOT - back) * KNOT_MS
        assert market.index("ETH", moment) == dense[-1 - back]
        assert market.perpetual("ETH", moment) == perpetual[-1 - back]


def test_coins_move_together() -> None:
    market = Market(7)
    btc, eth = (np.diff(np.log(market.index_at_knots(a, NOW_KNOT - 86_400, NOW_KNOT)[::120])) for a in ("BTC", "ETH"))
    assert 0.55 < np.corrcoef(btc, eth)[0, 1] < 0.9


def test_forwards_grow_smoothly_from_the_index() -> None:
    market = Market(7)
    expiries = NOW_MS + np.array([0, 1, 7, 30, 90, 365], dtype=np.int64) * DAY_MS
    forwards = market.forward("BTC", NOW_MS, expiries)
    assert forwards[0] == market.index("BTC", NOW_MS)
    carry = np.log(forwards[1:] / forwards[0]) / (np.array([1, 7, 30, 90, 365]) / 365)
    assert np.allclose(carry, carry[-1], atol=2e-4)  # one carry: no calendar spread is free
    assert 0.0 < carry[-1] < 0.12


@pytest.mark.parametrize("asset", ["BTC", "ETH"])
@pytest.mark.parametrize("seed", range(4))
def test_the_surface_offers_no_free_trade(asset: str, seed: int) -> None:
    market = Market(seed)
    days = np.array([1, 2, 7, 30, 90, 180, 365])
    moneyness = np.linspace(-0.8, 0.8, 161)
    years = (days / 365)[:, None]
    sigma = market.volatility(asset, NOW_MS, years, moneyness[None, :])
    assert sigma.min() > 0.1
    assert sigma.max() < 4.0
    total = sigma**2 * years
    assert (np.diff(total, axis=0) > 0).all()  # calendar
    strikes = 100.0 * np.exp(moneyness)
    prices = black_price(100.0, strikes[None, :], years, sigma, True)
    slopes = np.diff(prices, axis=1) / np.diff(strikes)
    assert (slopes <= 1e-9).all()  # call spreads
    assert (np.diff(slopes, axis=1) >= -1e-9).all()  # butterflies


def test_funding_is_the_premium_beyond_its_dead_zone() -> None:
    market = Market(7)
    for hour in range(200):
        moment = NOW_MS - hour * 3_600_000
        premium = float(market.premium("BTC", np.array([moment]))[0])
        funding = market.funding("BTC", moment)
        if abs(premium) < 0.00025:
            assert funding.current == 0.0
        else:
            assert funding.current * premium > 0


def test_an_anchor_sets_the_level_and_a_move_jumps_from_its_moment_on() -> None:
    market = Market(7)
    market.anchor("BTC", NOW_MS, 78_617.31)
    assert market.index("BTC", NOW_MS) == 78_617.31
    before = market.index("BTC", NOW_MS - 1)
    market.move("BTC", NOW_MS, 1.1)
    market.move("BTC", NOW_MS, 1.1)
    assert market.index("BTC", NOW_MS - 1) == before
    assert market.index("BTC", NOW_MS) == pytest.approx(78_617.31 * 1.21, abs=0.02)
    assert market.moved("BTC", NOW_MS) == pytest.approx(1.21)
    assert market.moved("BTC", NOW_MS - 1) == 1.0
    market.settle_moves()
    assert market.index("BTC", NOW_MS) == 78_617.31


def test_moments_far_apart_are_those_asked_one_by_one() -> None:
    market = Market(7)
    market.move("ETH", NOW_MS - 3 * DAY_MS, 1.2)
    times = NOW_MS - np.array([0, 1, 400, 3, 2]) * DAY_MS + 12_345
    assert market.index_at("ETH", times).tolist() == [market.index("ETH", t) for t in times.tolist()]
    assert market.perpetual_at("ETH", times).tolist() == [market.perpetual("ETH", t) for t in times.tolist()]
    expiries = np.full(len(times), NOW_MS + 90 * DAY_MS)
    alone = [float(market.forward("ETH", t, expiries[:1])[0]) for t in times.tolist()]
    assert market.forward_at("ETH", times, expiries).tolist() == alone


def test_the_volatility_index_is_a_little_above_the_surface_and_moves_slowly() -> None:
    market = Market(7)
    times = NOW_MS - np.arange(0, 60 * DAY_MS, 60_000)[::-1]
    index = market.volatility_index("BTC", times)
    surface = 100.0 * market.volatility("BTC", times.astype(np.float64), np.full(len(times), 30 / 365), np.zeros(1))
    ratio = index / surface
    assert 1.0 < ratio.min() < ratio.max() < 1.06
    assert np.abs(np.diff(index)).max() < 0.2
    assert np.ptp(index) > 2.0


def test_funding_rates_are_the_funding_of_each_moment() -> None:
    market = Market(7)
    times = NOW_MS - np.arange(50) * 3_600_000
    assert np.round(market.funding_rates("BTC", times), 8).tolist() == [
        market.funding("BTC", t).current for t in times.tolist()
    ]


def test_volume_of_a_day_is_about_its_mean() -> None:
    day = Market(7).volume_usd_at_knots("BTC", NOW_KNOT - 2_879, NOW_KNOT)
    assert day.min() >= 0.0
    assert 0.85 < day.sum() / ASSETS["BTC"].daily_volume_usd < 1.15
    assert YEAR_MS == 365 * DAY_MS
