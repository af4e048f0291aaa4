"""The venue's time is told from its stamps and our monotonic clock alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.venues.venue_time import VenueTime


def test_before_the_first_exchange_nothing_is_known() -> None:
    time = VenueTime()
    assert time.now_ms(5.0) is None
    assert time.offset_ms(5.0, 1000) is None


def test_what_is_wrong_with_the_clocks_is_told_to_orders_and_to_monitors() -> None:
    time = VenueTime()

    def told_now(our_now_ms: int) -> tuple[str | None, str]:
        return time.trouble(10.1, our_now_ms), (time.objection or "").partition(";")[0]

    assert told_now(1_000_000) == ("clock_unknown", "a known time of the venue")
    time.learn(10.0, 10.2, 1_000_100, 1_000_100)
    assert told_now(1_000_100) == (None, "")
    assert told_now(1_000_600) == (None, "")
    assert told_now(1_000_601) == told_now(999_599) == ("clock_offset", ""), "no reason to deny an order"
    time.learn(10.0, 10.2, 1_060_100, 1_060_100)
    assert told_now(1_060_100) == ("clock_unstable", "a steady clock of the venue")


def test_a_symmetric_way_is_told_exactly() -> None:
    time = VenueTime()
    time.learn(10.0, 10.2, 1_000_100, 1_000_100)
    assert time.now_ms(10.1) == 1_000_100
    assert time.now_ms(11.1) == 1_001_100
    assert time.offset_ms(10.1, 1_003_100) == -3000


def test_the_shortest_way_is_believed() -> None:
    time = VenueTime()
    time.learn(10.0, 10.01, 1_000_005, 1_000_005)
    time.learn(11.0, 12.0, 1_001_900, 1_001_900)
    assert time.now_ms(10.005) == 1_000_005


def told(time: VenueTime, at_s: float, ahead_ms: float, way_s: float = 0.0) -> bool:
    """Let one exchange end at a moment; tell whether the clock is steady after it."""
    middle_ms = (at_s - way_s / 2) * 1000 + ahead_ms
    time.learn(at_s - way_s, at_s, middle_ms, middle_ms)
    return time.steady


def test_the_first_answer_is_believed() -> None:
    time = VenueTime()
    assert not time.steady
    assert told(time, 1.0, 5_000)


@pytest.mark.parametrize("jump_ms", [-3_600_000, -501, 501, 10_000])
def test_a_jump_makes_it_unsteady_until_answers_agree(jump_ms: float) -> None:
    time = VenueTime()
    assert told(time, 1.0, 0)
    assert [told(time, 2.0 + n, jump_ms) for n in range(4)] == [False, False, True, True]
    assert time.now_ms(10.0) == 10_000 + jump_ms, "what was known before the jump counts no more"


def test_a_clock_that_goes_on_jumping_is_never_steady() -> None:
    time = VenueTime()
    assert told(time, 1.0, 0)
    assert not any(told(time, 2.0 + n, (n + 1) * 1_000) for n in range(20))
    assert not any(told(time, 30.0 + n, (n % 2) * 60_000) for n in range(20))


def test_a_slow_answer_and_a_small_step_are_no_jump() -> None:
    time = VenueTime()
    assert told(time, 1.0, 0)
    assert told(time, 9.0, 3_000, way_s=6.0), "half of the way bounds what it can tell"
    assert told(time, 10.0, 499)


def test_a_jump_shows_across_a_reconnect() -> None:
    time = VenueTime()
    assert told(time, 1.0, 0)
    time.restart()
    assert not told(time, 2.0, 60_000)
    time.restart()
    assert [told(time, 3.0 + n, 60_000) for n in range(2)] == [False, True]


def test_an_old_sample_gives_way_in_the_end() -> None:
    time = VenueTime()
    time.learn(0.0, 0.0, 0, 0)
    for second in range(1, 9):
        time.learn(second, second + 0.1, 500_050 + second * 1000, 500_050 + second * 1000)
    assert time.now_ms(10.0) == 510_000


def test_after_a_restart_the_old_time_holds_until_there_is_a_new_one() -> None:
    time = VenueTime()
    time.learn(0.0, 0.0, 7_000, 7_000)
    time.restart()
    assert time.now_ms(1.0) == 8_000
    time.learn(1.0, 3.0, 50_000, 50_000)
    assert time.now_ms(2.0) == 50_000, "however much shorter the old way was"


@given(
    st.integers(-86_400_000, 86_400_000),
    st.lists(
        st.tuples(st.floats(0.001, 5), st.floats(0, 2), st.floats(0, 2), st.floats(0, 0.5)), min_size=1, max_size=20
    ),
)
def test_the_error_is_at_most_half_the_way(ahead_ms: int, exchanges: list[tuple[float, float, float, float]]) -> None:
    time, now, ways = VenueTime(), 1000.0, list[float]()
    for pause, there, back, inside in exchanges:
        sent = now + pause
        arrived = sent + there
        left = arrived + inside
        now = left + back
        time.learn(sent, now, arrived * 1000 + ahead_ms, left * 1000 + ahead_ms)
        ways.append(there + back)
    told = time.now_ms(now)
    assert told is not None
    assert told == pytest.approx(now * 1000 + ahead_ms, abs=min(ways[-8:]) * 500 + 1)
