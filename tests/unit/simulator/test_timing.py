"""The market's time: running, shifted, standing."""

from cerberod.simulator.timing import MarketTime
from tests.support.clock import ManualClock


def test_runs_with_the_clock_until_it_stands() -> None:
    clock = ManualClock()
    time = MarketTime(clock)
    start_ms = clock.now_ms()
    clock.advance(seconds=5)
    assert time.now_ms() == start_ms + 5_000
    time.stand_at(1_000)
    clock.advance(seconds=5)
    assert time.now_ms() == 1_000
    assert time.standing


def test_a_jump_keeps_standing_or_running() -> None:
    clock = ManualClock()
    time = MarketTime(clock)
    time.set(50_000)
    clock.advance(seconds=1)
    assert time.now_ms() == 51_000
    time.stand_at(70_000)
    time.set(80_000)
    clock.advance(seconds=1)
    assert time.now_ms() == 80_000
    time.run()
    clock.advance(seconds=1)
    assert time.now_ms() == 81_000
    time.reset()
    assert time.now_ms() == clock.now_ms()


def test_a_deadline_is_read_on_the_clock_it_is_near_to() -> None:
    clock = ManualClock()
    time = MarketTime(clock)
    time.stand_at(clock.now_ms() - 10_000_000)
    assert not time.is_past(clock.now_ms() + 1_000)
    assert time.is_past(clock.now_ms() - 1_000)
    assert not time.is_past(time.now_ms() + 1_000)
    assert time.is_past(time.now_ms() - 1_000)
