import anyio

from cerberod.clock import SystemClock
from cerberod.lag import BOUNDS_S, LoopLag
from tests.support.turns import until


def test_delays_are_counted_by_their_bounds() -> None:
    lag = LoopLag()
    for late_s in (-0.5, 0.0, 0.001, 0.0011, 0.3, 60.0):
        lag.observe(late_s)
    assert sum(lag.counts) == 6
    assert lag.counts[0] == 3  # early, in time, and exactly at the bound
    assert lag.counts[1] == 1
    assert lag.counts[BOUNDS_S.index(0.5)] == 1
    assert lag.counts[-1] == 1
    assert (lag.worst_s, round(lag.total_s, 4)) == (60.0, 60.3021)


async def test_what_holds_the_loop_is_seen() -> None:
    lag, clock = LoopLag(), SystemClock()
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await lag.watch(clock, every_s=0.001)

        group.start_soon(watch)
        await until(lambda: sum(lag.counts) > 2)
        held_until = clock.monotonic() + 0.06
        while clock.monotonic() < held_until:
            pass
        await until(lambda: lag.worst_s >= 0.05)
        group.cancel_scope.cancel()
