"""Exposures of chains with closed forms, of a recorded chain with known numbers, and of chains with nothing in them."""

import math
from typing import Any

import numpy as np
import pytest

from cerberod.analytics.black import black_76
from cerberod.analytics.chain import YEAR_MS, DealerSign, OptionChain, make_chain
from cerberod.analytics.exposure import (
    FlipReason,
    gamma_exposure,
    gamma_profile,
    spot_grid,
    vanna_charm,
)
from cerberod.errors import AnalyticsRefused

SPOT, YEARS, SIGMA = 100.0, 0.25, 0.6
DEVIATION = SIGMA * math.sqrt(YEARS)


def chain(strikes: list[float], calls: list[bool], sizes: list[float], **change: Any) -> OptionChain:
    count = len(strikes)
    columns: dict[str, Any] = {
        "as_of_ms": 0,
        "spot": SPOT,
        "expiry_ms": [YEAR_MS // 4] * count,
        "strike": strikes,
        "is_call": calls,
        "forward": [SPOT] * count,
        "volatility": [SIGMA] * count,
        "open_interest": sizes,
    }
    return make_chain(**{**columns, **change})


TWO = chain([110.0, 80.0], [True, False], [10.0, 10.0])


def test_gamma_exposure_of_one_option_is_its_formula() -> None:
    got = gamma_exposure(chain([110.0], [True], [10.0]))
    d1 = math.log(SPOT / 110.0) / DEVIATION + DEVIATION / 2
    gamma = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) / SPOT / DEVIATION
    assert got.net == pytest.approx(gamma * 10.0 * SPOT**2 * 0.01, rel=1e-13)
    assert (got.call, got.put, got.options) == (got.net, 0.0, 1)


def test_exposure_is_what_a_one_percent_move_changes() -> None:
    """The delta in money changes by gamma exposure per 1 %, to first order in the move."""
    got = gamma_exposure(TWO)
    delta = [
        float(np.sum(np.array([10.0, -10.0]) * black_76(f, TWO.strike, YEARS, SIGMA, TWO.is_call).delta))
        for f in (SPOT * 1.0001, SPOT * 0.9999)
    ]
    assert got.net == pytest.approx((delta[0] - delta[1]) / 0.0002 * 0.01 * SPOT, rel=1e-6)


def test_by_strike_and_by_expiry_add_up_and_name_the_walls() -> None:
    many = chain(
        [90.0, 90.0, 100.0, 110.0, 110.0],
        [True, False, False, True, True],
        [1.0, 5.0, 2.0, 3.0, 4.0],
        expiry_ms=[YEAR_MS // 4] * 4 + [YEAR_MS],
    )
    got = gamma_exposure(many)
    assert [s.strike for s in got.by_strike] == [90.0, 100.0, 110.0]
    assert [e.expiry_ms for e in got.by_expiry] == [YEAR_MS // 4, YEAR_MS]
    assert sum(s.net for s in got.by_strike) == pytest.approx(got.net, rel=1e-13)
    assert sum(e.net for e in got.by_expiry) == pytest.approx(got.net, rel=1e-13)
    assert got.call > 0.0 > got.put
    assert (got.call_wall, got.put_wall) == (110.0, 90.0)
    assert got.dealers is DealerSign.LONG_CALLS_SHORT_PUTS


def test_the_sign_is_a_convention() -> None:
    usual, opposite, both = (
        gamma_exposure(TWO, s)
        for s in (DealerSign.LONG_CALLS_SHORT_PUTS, DealerSign.SHORT_CALLS_LONG_PUTS, DealerSign.LONG_ALL)
    )
    assert opposite.net == -usual.net
    assert opposite.dealers is DealerSign.SHORT_CALLS_LONG_PUTS
    assert both.net == pytest.approx(usual.call - usual.put)
    assert (opposite.call_wall, opposite.put_wall) == (usual.call_wall, usual.put_wall)


def test_nothing_open_has_no_walls_and_no_flip() -> None:
    empty = chain([110.0, 80.0], [True, False], [0.0, 0.0])
    got = gamma_exposure(empty)
    assert (got.net, got.call_wall, got.put_wall) == (0.0, None, None)
    profile = gamma_profile(empty, spot_grid(SPOT))
    assert (profile.flip, profile.flips, profile.reason) == (None, (), FlipReason.NO_EXPOSURE)
    assert not profile.net.any()


def test_profile_is_gamma_exposure_with_spot_moved() -> None:
    levels = np.array([70.0, 99.0, 100.0, 130.0])
    got = gamma_profile(TWO, levels)
    for level, net in zip(levels.tolist(), got.net.tolist(), strict=True):
        moved = chain([110.0, 80.0], [True, False], [10.0, 10.0], spot=level, forward=[level] * 2)
        assert net == pytest.approx(gamma_exposure(moved).net, rel=1e-12)
    assert got.at_spot == pytest.approx(gamma_exposure(TWO).net, rel=1e-12)


def test_flip_of_a_call_against_a_put_in_closed_form() -> None:
    """Equal sizes and deviations cancel where d1 of one is minus that of the other: at sqrt(K1 K2) e^(-s^2/2)."""
    expected = math.sqrt(110.0 * 80.0) * math.exp(-(DEVIATION**2) / 2)
    got = gamma_profile(TWO, spot_grid(SPOT))
    assert got.flip == pytest.approx(expected, rel=1e-5)  # linear between levels 0.25 % apart
    assert [f.rising for f in got.flips] == [True]
    fine = gamma_profile(TWO, np.linspace(expected * 0.999, expected * 1.001, 1001))
    assert fine.flip == pytest.approx(expected, rel=1e-9)


def test_several_flips_and_the_one_nearest_to_spot() -> None:
    three = chain([60.0, 100.0, 160.0], [True, False, True], [10.0, 10.0, 10.0], volatility=[0.2] * 3)
    got = gamma_profile(three, spot_grid(SPOT, low=0.5, high=2.0, count=601))
    assert [f.rising for f in got.flips] == [False, True]
    assert got.flip == min((f.level for f in got.flips), key=lambda at: abs(at - SPOT))


def test_one_sided_books_never_flip() -> None:
    got = gamma_profile(TWO, spot_grid(SPOT), DealerSign.SHORT_ALL)
    assert (got.flip, got.flips, got.reason) == (None, (), FlipReason.NO_CROSSING)
    assert np.all(got.net < 0.0)


def test_a_flip_across_levels_of_exactly_nothing_is_in_their_middle() -> None:
    """Two expiring options far apart: between them no float of exposure is left."""
    far = chain([50.0, 200.0], [False, True], [1.0, 1.0], volatility=[0.01, 0.01])
    got = gamma_profile(far, np.array([50.0, 90.0, 100.0, 130.0, 200.0]))
    assert got.net[1:4].tolist() == [0.0, 0.0, 0.0]
    assert got.flip == 110.0


def test_vanna_and_charm_are_differences_of_delta() -> None:
    """Central differences of money delta for one volatility point and one day: 1e-3, the curvature over such steps."""
    got = vanna_charm(TWO)
    size = np.array([10.0, -10.0]) * SPOT

    def delta(years: float, sigma: float) -> float:
        return float(np.sum(size * black_76(SPOT, TWO.strike, years, sigma, TWO.is_call).delta))

    vanna = (delta(YEARS, SIGMA + 1e-4) - delta(YEARS, SIGMA - 1e-4)) / 2e-4 * 0.01
    charm = (delta(YEARS - 1e-5, SIGMA) - delta(YEARS + 1e-5, SIGMA)) / 2e-5 / 365
    assert got.vanna == pytest.approx(vanna, rel=1e-6)
    assert got.charm == pytest.approx(charm, rel=1e-6)
    assert [e.expiry_ms for e in got.by_expiry] == [YEAR_MS // 4]
    assert vanna_charm(TWO, DealerSign.SHORT_CALLS_LONG_PUTS).vanna == -got.vanna


@pytest.mark.parametrize(
    ("field", "level"), [("level", [1.0]), ("level", [2.0, 1.0]), ("level", [0.0, 1.0]), ("level", [1.0, float("nan")])]
)
def test_bad_levels_are_refused(field: str, level: list[float]) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        gamma_profile(TWO, level)
    assert refused.value.field == field


def test_grids_are_bounded() -> None:
    assert spot_grid(100.0)[[0, 200, 400]].tolist() == pytest.approx([50.0, 100.0, 150.0])
    for change in ({"low": 0.0}, {"low": 2.0}, {"count": 1}, {"count": 10**9}):
        with pytest.raises(AnalyticsRefused):
            spot_grid(100.0, **change)
    with pytest.raises(AnalyticsRefused, match="at most"):
        gamma_profile(TWO, np.linspace(1.0, 2.0, 5_001))


@pytest.mark.recorded
def test_golden_numbers_of_a_recorded_chain(recorded_chain: OptionChain) -> None:
    """Of the fact sheet, to the digits printed there."""
    got = gamma_exposure(recorded_chain)
    assert got.options == 1078
    assert round(got.call) == 353_801_910
    assert round(got.put) == -96_669_708
    assert round(got.net) == 257_132_202
    profile = gamma_profile(recorded_chain, spot_grid(recorded_chain.spot))
    assert profile.flip == pytest.approx(63_074.6, abs=0.05)
    assert profile.at_spot == pytest.approx(got.net, rel=1e-12)
