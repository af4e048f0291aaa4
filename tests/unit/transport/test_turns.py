import asyncio

import anyio.lowlevel
import pytest

from cerberod.transport.turns import Turns


async def test_one_of_the_line_is_served_in_a_turn_of_the_loop_and_the_first_comes_first() -> None:
    turns, served = Turns(), list[int]()
    for number in range(5):
        turns.join(lambda number=number: served.append(number))  # type: ignore[misc]  # binds the number of now
    assert (len(turns), served) == (5, [])
    for so_far in range(1, 6):
        await anyio.lowlevel.checkpoint()
        assert served == list(range(so_far))
    assert len(turns) == 0


async def test_who_joins_again_while_served_stands_behind_all_others() -> None:
    turns, served = Turns(), list[str]()

    def greedy() -> None:
        served.append("greedy")
        if len(served) < 6:
            turns.join(greedy)

    turns.join(greedy)
    turns.join(lambda: served.append("modest"))
    while len(turns):
        await anyio.lowlevel.checkpoint()
    assert served == ["greedy", "modest", *["greedy"] * 4]


async def test_a_step_that_fails_does_not_hold_up_those_behind_it() -> None:
    turns, served = Turns(), list[str]()
    errors: list[object] = []

    def fail() -> None:
        raise ValueError("a bug")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(type(context["exception"])))
    turns.join(fail)
    turns.join(lambda: served.append("next"))
    while len(turns):
        await anyio.lowlevel.checkpoint()
    loop.set_exception_handler(None)
    assert (served, errors) == (["next"], [ValueError])


@pytest.mark.parametrize("times", [1, 3])
async def test_a_line_that_ran_empty_forms_anew(times: int) -> None:
    turns, served = Turns(), list[int]()
    for number in range(times):
        turns.join(lambda number=number: served.append(number))  # type: ignore[misc]  # binds the number of now
        await anyio.lowlevel.checkpoint()
    assert served == list(range(times))
