"""Each answer goes to the request it belongs to, once, however late."""

import anyio
import anyio.lowlevel
import pytest

from cerberod.venues.deribit.inflight import InFlight
from cerberod.venues.deribit.wire.frames import Answer, Reply, Unusable


def answer(result: object) -> Answer:
    return Answer(result, None, None, None)


async def test_answers_find_their_requests_in_any_order() -> None:
    flights = InFlight()
    first = flights.wait(flights.next_id(), "a")
    second = flights.wait(flights.next_id(), "b")
    flights.settle(Reply(second.id, answer("b")))
    flights.settle(Reply(first.id, answer("a")))
    assert (first.body, second.body) == (answer("a"), answer("b"))
    flights.settle(Reply(first.id, answer("again")))
    assert (flights.stray_answers, first.body) == (1, answer("a"))


async def test_a_late_answer_is_counted_once() -> None:
    flights = InFlight()
    waiting = flights.wait(flights.next_id(), "private/buy")
    flights.give_up(waiting)
    for _ in range(2):
        flights.settle(Reply(waiting.id, answer("late")))
    assert (flights.late_answers, flights.stray_answers) == (1, 1)


async def test_an_answer_that_meets_its_callers_giving_up_is_late() -> None:
    flights = InFlight()
    waiting = flights.wait(flights.next_id(), "private/buy")
    with anyio.CancelScope() as scope:
        flights.settle(Reply(waiting.id, answer("just in time")))
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            flights.give_up(waiting)
            raise
    assert flights.late_answers == 1


@pytest.mark.parametrize("body", [None, Unusable("frame", "JSON")])
async def test_a_connection_that_ends_settles_everything_and_forgets_what_was_given_up(body: Unusable | None) -> None:
    flights = InFlight()
    waits = [flights.wait(flights.next_id(), "m") for _ in range(3)]
    flights.give_up(waits[0])
    flights.settle_all(body)
    assert [one.settled.is_set() for one in waits] == [False, True, True]
    assert waits[1].body is body
    flights.settle(Reply(waits[0].id, answer("of a connection that is gone")))
    assert (flights.late_answers, flights.stray_answers) == (0, 1)
    assert flights.next_id() == 4, "ids go on"


async def test_what_was_given_up_long_ago_is_forgotten() -> None:
    flights = InFlight()
    waits = [flights.wait(flights.next_id(), "m") for _ in range(1100)]
    for one in waits:
        flights.give_up(one)
    flights.settle(Reply(waits[0].id, answer("")))
    flights.settle(Reply(waits[-1].id, answer("")))
    assert (flights.stray_answers, flights.late_answers) == (1, 1)
