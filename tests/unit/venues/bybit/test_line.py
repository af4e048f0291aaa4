"""Batches that wait for room: never more than a second takes, in the order they came, refused where time is short."""

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import pytest

from cerberod.errors import Code, DeadlinePassed, RpcError
from cerberod.venues.bybit.line import COUNTED_S, LEFT_TO_ANSWER_S, LOST_S, Line
from tests.support.virtual_time import LoopClock, run


class Venue:
    """Counts a rolling second as Bybit does, at some moment between a request and its answer."""

    def __init__(self, per_s: int, clock: LoopClock) -> None:
        self.line = Line(per_s, clock)
        self.log: list[tuple[float, str, int]] = []
        self._clock = clock

    async def batch(
        self, name: str, orders: int, *, eager: bool = False, counted: bool = True, way_s: float = 0.1
    ) -> None:
        """Send a batch in as many requests as it takes, each of which takes its time."""
        with self.line.join(orders, counted=counted, eager=eager) as place:
            while orders:
                async with place.room(orders) as share:
                    await anyio.sleep(way_s)
                    self.log.append((self._clock.monotonic(), name, share))
                    orders -= share

    def busiest(self) -> int:
        """Return the most orders of any one second."""
        return max(sum(orders for at, _, orders in self.log if begin <= at < begin + 1.0) for begin, _, _ in self.log)


def in_virtual_time(main: Callable[[Venue], Awaitable[None]], per_s: int = 10) -> Venue:
    async def begin() -> Venue:
        venue = Venue(per_s, LoopClock())
        await main(venue)
        return venue

    return run(begin)


def test_more_than_a_second_takes_leaves_in_several_requests() -> None:
    async def main(venue: Venue) -> None:
        await venue.batch("a", 25)

    venue = in_virtual_time(main)
    assert [orders for _, _, orders in venue.log] == [10, 10, 5]
    assert venue.busiest() == 10
    (first, _, _), (second, _, _), (third, _, _) = venue.log
    assert second - first == pytest.approx(COUNTED_S + 0.1)
    assert third - second == pytest.approx(COUNTED_S + 0.1)


@pytest.mark.parametrize("way_s", [0.0, 0.3, 1.5])
def test_many_at_once_never_overstep_and_go_in_the_order_they_came(way_s: float) -> None:
    async def main(venue: Venue) -> None:
        async with anyio.create_task_group() as group:
            for name, orders in (("a", 7), ("b", 20), ("c", 1), ("d", 9)):
                group.start_soon(partial(venue.batch, name, orders, way_s=way_s))

    venue = in_virtual_time(main)
    assert venue.busiest() <= 10
    assert sum(orders for _, _, orders in venue.log) == 37
    assert [name for _, name, _ in venue.log] == ["a", "b", "b", "c", "d"]


def test_an_option_batch_is_one_request_and_costs_one() -> None:
    async def main(venue: Venue) -> None:
        for _ in range(10):
            await venue.batch("o", 20, counted=False, way_s=0.0)
        assert venue.line.left == 0

    venue = in_virtual_time(main)
    assert [orders for _, _, orders in venue.log] == [20] * 10
    assert venue.log[-1][0] == venue.log[0][0], "ten a second"


def test_cancels_leave_as_soon_as_any_of_them_may() -> None:
    async def main(venue: Venue) -> None:
        await venue.batch("a", 7, way_s=0.0)
        await venue.batch("b", 8, eager=True, way_s=0.0)

    venue = in_virtual_time(main)
    assert [(name, orders) for _, name, orders in venue.log] == [("a", 7), ("b", 3), ("b", 5)]
    assert venue.log[1][0] == venue.log[0][0]


def test_what_is_not_answered_holds_others_up_for_a_moment_only() -> None:
    async def main(venue: Venue) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(venue.batch, "lost", 10, way_s=3600.0))
            await anyio.sleep(0.01)
            await venue.batch("next", 10, way_s=0.0)
            group.cancel_scope.cancel()

    venue = in_virtual_time(main)
    assert venue.log[0][0] == pytest.approx(1000.0 + LOST_S)


def test_where_there_is_no_time_for_all_nothing_leaves_and_the_error_tells_when_to_come_back() -> None:
    async def main(venue: Venue) -> None:
        with anyio.move_on_after(2.0):
            await venue.batch("fits", 20)
        assert [orders for _, _, orders in venue.log] == [10, 10]
        with anyio.move_on_after(1.5), pytest.raises(RpcError) as caught:
            await venue.batch("too much", 20)
        data = caught.value.data
        assert (caught.value.code, data["venue"], data["limit"], data["per"]) == (Code.BUSY, "bybit", 10, "second")
        assert len(venue.log) == 2
        await anyio.sleep(data["retry_after_ms"] / 1000)
        with anyio.move_on_after(1.5):
            await venue.batch("come back", 20)

    venue = in_virtual_time(main)
    assert sum(orders for _, name, orders in venue.log if name == "come back") == 20
    assert venue.busiest() == 10


def test_what_may_leave_now_is_not_refused_however_slow_the_answers_are() -> None:
    async def main(venue: Venue) -> None:
        await venue.batch("slow", 10, way_s=0.9)
        await anyio.sleep(2.0)
        with anyio.move_on_after(0.5):
            await venue.batch("at once", 10, way_s=0.2)

    assert [name for _, name, _ in in_virtual_time(main).log] == ["slow", "at once"]


def test_cancels_are_not_refused_for_lack_of_time_and_send_what_they_can() -> None:
    async def main(venue: Venue) -> None:
        with anyio.move_on_after(0.5), pytest.raises(DeadlinePassed) as caught:
            await venue.batch("a", 15, eager=True, way_s=0.0)
        assert not caught.value.sent

    venue = in_virtual_time(main)
    assert [orders for _, _, orders in venue.log] == [10]


def test_whoever_gives_up_lets_the_next_go() -> None:
    async def main(venue: Venue) -> None:
        await venue.batch("a", 8, way_s=0.0)
        gives_up = anyio.CancelScope()

        async def big() -> None:
            with gives_up:
                await venue.batch("b", 10)

        async with anyio.create_task_group() as group:
            group.start_soon(big)
            await anyio.sleep(0.1)
            group.start_soon(partial(venue.batch, "c", 2, way_s=0.0))
            await anyio.sleep(0.1)
            gives_up.cancel()

    venue = in_virtual_time(main)
    assert [(at, name) for at, name, _ in venue.log] == [(1000.0, "a"), (pytest.approx(1000.2), "c")]


def test_after_a_refusal_nothing_leaves_for_as_long_as_the_venue_says() -> None:
    async def main(venue: Venue) -> None:
        venue.line.refused(0.7)
        assert venue.line.left == 0
        await venue.batch("a", 2, way_s=0.0)

    venue = in_virtual_time(main)
    assert venue.log[0][0] == pytest.approx(1000.7)


def test_a_figure_that_grows_lets_those_go_who_wait() -> None:
    async def main(venue: Venue) -> None:
        await venue.batch("a", 10, way_s=0.0)
        async with anyio.create_task_group() as group:
            group.start_soon(partial(venue.batch, "b", 10, way_s=0.0))
            await anyio.sleep(0.2)
            venue.line.adopt(40)

    venue = in_virtual_time(main)
    assert venue.log[1][0] == pytest.approx(1000.2)


def test_a_call_gives_up_while_it_can_still_say_what_is_known() -> None:
    async def main(venue: Venue) -> None:
        with anyio.move_on_after(5.0), venue.line.join(1, counted=True, eager=False) as place:
            await anyio.sleep(1.0)
            assert place.time_left_s == pytest.approx(4.0 - LEFT_TO_ANSWER_S)

    in_virtual_time(main)
