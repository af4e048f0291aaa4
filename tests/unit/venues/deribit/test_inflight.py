"""Each answer goes to the request it belongs to, once, however late."""

import anyio
import anyio.lowlevel
import pytest

from cerberod.venues.deribit.inflight import Body, InFlight
from cerberod.venues.deribit.wire.frames import Answer, Reply, Unusable


def answer(result: object) -> Answer:
    return Answer(result, None, None, None)


class Desk:
    """Requests on their way, and what was handed on late."""

    def __init__(self) -> None:
        self.late: list[tuple[str, Body]] = []
        self.flights = InFlight(lambda method, body: self.late.append((method, body)))


async def test_answers_find_their_requests_in_any_order() -> None:
    desk = Desk()
    first = desk.flights.wait(desk.flights.next_id(), "a")
    second = desk.flights.wait(desk.flights.next_id(), "b")
    desk.flights.settle(Reply(second.id, answer("b")))
    desk.flights.settle(Reply(first.id, answer("a")))
    assert (first.body, second.body) == (answer("a"), answer("b"))
    desk.flights.settle(Reply(first.id, answer("again")))
    assert (desk.flights.stray_answers, first.body) == (1, answer("a"))


async def test_a_late_answer_is_handed_on_once() -> None:
    desk = Desk()
    waiting = desk.flights.wait(desk.flights.next_id(), "private/buy")
    desk.flights.give_up(waiting)
    for _ in range(2):
        desk.flights.settle(Reply(waiting.id, answer("late")))
    assert desk.late == [("private/buy", answer("late"))]
    assert (desk.flights.late_answers, desk.flights.stray_answers) == (1, 1)


async def test_an_answer_that_meets_its_callers_giving_up_is_not_lost() -> None:
    desk = Desk()
    waiting = desk.flights.wait(desk.flights.next_id(), "private/buy")
    with anyio.CancelScope() as scope:
        desk.flights.settle(Reply(waiting.id, answer("just in time")))
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            desk.flights.give_up(waiting)
            raise
    assert desk.late == [("private/buy", answer("just in time"))]


@pytest.mark.parametrize("body", [None, Unusable("frame", "JSON")])
async def test_a_connection_that_ends_settles_everything_and_forgets_what_was_given_up(body: Unusable | None) -> None:
    desk = Desk()
    waits = [desk.flights.wait(desk.flights.next_id(), "m") for _ in range(3)]
    desk.flights.give_up(waits[0])
    desk.flights.settle_all(body)
    assert [one.settled.is_set() for one in waits] == [False, True, True]
    assert waits[1].body is body
    desk.flights.settle(Reply(waits[0].id, answer("of a connection that is gone")))
    assert desk.late == []
    assert desk.flights.next_id() == 4, "ids go on"


async def test_what_was_given_up_long_ago_is_forgotten() -> None:
    desk = Desk()
    waits = [desk.flights.wait(desk.flights.next_id(), "m") for _ in range(1100)]
    for one in waits:
        desk.flights.give_up(one)
    desk.flights.settle(Reply(waits[0].id, answer("")))
    desk.flights.settle(Reply(waits[-1].id, answer("")))
    assert (desk.flights.stray_answers, desk.flights.late_answers) == (1, 1)
