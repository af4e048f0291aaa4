"""Credits are never invented: whatever is taken was saved up at the refill's rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.venues.credits import Allowance, Credits

ALLOWANCE = Allowance(cost=500, pool=50_000, refill_per_s=10_000)


def test_a_full_pool_is_a_burst_and_then_the_refill_decides() -> None:
    credits = Credits(ALLOWANCE, 0.0)
    assert [credits.take(0.0) for _ in range(100)] == [0.0] * 100
    assert credits.take(0.0) == pytest.approx(0.05)
    assert credits.take(0.05) == 0.0


def test_waiting_as_long_as_told_is_always_enough() -> None:
    credits = Credits(Allowance(cost=1, pool=20, refill_per_s=5), 0.0)
    now = 0.0
    for _ in range(200):
        now += credits.take(now)
        credits.take(now)
    assert credits.left(now) < 20


def test_what_is_kept_for_others_is_not_taken() -> None:
    credits = Credits(Allowance(cost=1, pool=20, refill_per_s=5), 0.0)
    assert [credits.take(0.0, keep=4) for _ in range(16)] == [0.0] * 16
    assert credits.take(0.0, keep=4) > 0
    assert credits.take(0.0) == 0.0, "an urgent request may have it"


def test_keeping_more_than_the_pool_holds_only_asks_for_a_full_pool() -> None:
    credits = Credits(Allowance(cost=1, pool=2, refill_per_s=1), 0.0)
    assert credits.take(0.0, keep=9) == 0.0
    assert credits.take(0.0, keep=9) == pytest.approx(1.0)


def test_a_drained_pool_comes_back_at_the_refill() -> None:
    credits = Credits(ALLOWANCE, 0.0)
    credits.drain(10.0)
    assert credits.left(10.0) == 0
    assert credits.left(11.0) == 20
    assert ALLOWANCE.full_after_s == 5.0


def test_other_numbers_keep_the_share_that_was_saved_up() -> None:
    credits = Credits(ALLOWANCE, 0.0)
    for _ in range(50):
        credits.take(0.0)
    credits.adopt(Allowance(cost=1, pool=10, refill_per_s=1), 0.0)
    assert credits.left(0.0) == 5


@pytest.mark.parametrize("numbers", [(0, 1, 1), (2, 1, 1), (1, 1, 0), (-1, 1, 1)])
def test_an_allowance_that_could_never_pay_is_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="allowance"):
        Allowance(*numbers)


@given(
    st.lists(
        st.tuples(st.floats(0, 30, allow_nan=False), st.sampled_from(["take", "charge", "drain", "left"])), max_size=60
    ),
    st.integers(1, 50),
    st.integers(1, 20),
    st.integers(1, 100),
)
def test_the_pool_stays_within_bounds_and_gains_no_faster_than_its_refill(
    steps: list[tuple[float, str]], cost: int, bursts: int, refill: int
) -> None:
    allowance = Allowance(cost=cost, pool=cost * bursts, refill_per_s=refill)
    credits = Credits(allowance, 0.0)
    now, taken = 0.0, 0
    for elapsed, step in steps:
        now += elapsed
        if step == "take":
            taken += credits.take(now) == 0.0
        elif step == "charge":
            credits.charge(now)
        elif step == "drain":
            credits.drain(now)
        assert 0 <= credits.left(now) <= bursts
    assert taken * cost <= allowance.pool + now * refill + 1e-6


@given(st.lists(st.floats(-5, 5, allow_nan=False), max_size=30))
def test_a_clock_that_steps_back_gives_nothing_away(steps: list[float]) -> None:
    credits = Credits(Allowance(cost=1, pool=3, refill_per_s=1), 0.0)
    now, furthest, taken = 0.0, 0.0, 0
    for step in steps:
        now += step
        furthest = max(furthest, now)
        taken += credits.take(now) == 0.0
    assert taken <= 3 + furthest + 1e-6
