"""The arithmetic of basis: a worked example of the real venue's, and what the conventions mean."""

from math import exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.venues.bybit import basis
from cerberod.venues.bybit.basis import DAY_MS

PRICES = st.floats(min_value=1e-6, max_value=1e7)
RATIOS = st.floats(min_value=0.5, max_value=2.0)
DAYS = st.floats(min_value=1.0, max_value=1_000.0)


def test_a_dated_inverse_future_of_april_2023() -> None:
    """BTCUSDU23 on 2023-04-05: mark 29023.60, index 28566.94, 177.090 days to its delivery of 2023-09-29 08:00."""
    delivery_ms = 1_695_974_400_000
    days = basis.days_until(delivery_ms, delivery_ms - round(177.090 * DAY_MS))
    assert days == pytest.approx(177.090)
    found = basis.basis(29023.60, 28566.94)
    carried = basis.carry(29023.60, 28566.94, days)
    assert found.absolute == pytest.approx(456.66)
    assert found.pct == pytest.approx(1.59856, abs=5e-6)
    assert carried.simple_pct == pytest.approx(3.2948, abs=5e-5)
    assert carried.log_pct == pytest.approx(3.2687, abs=5e-5)
    assert carried.compound_pct == pytest.approx((exp(carried.log_pct / 100) - 1) * 100)


@pytest.mark.parametrize(
    ("rate", "minutes", "a_year"), [(0.0001, 480, 10.95), (0.0001, 60, 87.6), (-0.0001, 240, -21.9), (0.0, 60, 0.0)]
)
def test_funding_is_worth_what_it_pays_in_a_year(rate: float, minutes: int, a_year: float) -> None:
    assert basis.funding_carry_pct(rate, minutes) == pytest.approx(a_year)


def test_a_roll_is_the_rate_between_two_deliveries() -> None:
    assert basis.roll_pct(100.0, 101.0, 10.0, 46.5) == pytest.approx(10.0)


@given(against=PRICES, ratio=RATIOS, days=DAYS)
def test_three_ways_to_annualise_agree_on_the_sign_and_in_their_order(
    against: float, ratio: float, days: float
) -> None:
    found = basis.carry(against * ratio, against, days)
    true_ratio = against * ratio / against
    assert found.log_pct == pytest.approx(log(true_ratio) * 365 / days * 100)
    assert found.simple_pct >= found.log_pct - 1e-9
    if found.compound_pct is not None:
        assert found.compound_pct >= found.log_pct - 1e-9
        assert found.compound_pct == pytest.approx((exp(found.log_pct / 100) - 1) * 100, rel=1e-6, abs=1e-6)


def test_what_no_float_holds_is_none() -> None:
    found = basis.carry(2.0, 1.0, 0.04)
    assert found.compound_pct is None
    assert found.simple_pct < inf
