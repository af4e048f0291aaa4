"""One fetch for equal questions, and who may give up on it."""

import anyio
import pytest

from cerberod.venues.coalesce import Coalescer


class Source:
    """Counts its fetches and answers when told."""

    def __init__(self) -> None:
        self.fetches = 0
        self.cancelled = 0
        self.started = anyio.Event()
        self.answer = anyio.Event()

    async def fetch(self) -> int:
        self.fetches += 1
        self.started.set()
        try:
            await self.answer.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        return self.fetches


async def test_equal_questions_in_flight_are_asked_once() -> None:
    source, got = Source(), list[int]()
    coalescer = Coalescer()

    async def ask(key: str) -> None:
        got.append(await coalescer.fetch(key, source.fetch))

    async with anyio.create_task_group() as askers:
        for _ in range(10):
            askers.start_soon(ask, "book")
        await source.started.wait()
        source.answer.set()
    assert (source.fetches, got) == (1, [1] * 10)
    assert await coalescer.fetch("book", source.fetch) == 2, "nothing is kept once it has landed"
    assert len(coalescer) == 0


async def test_other_questions_are_asked_separately() -> None:
    source = Source()
    source.answer.set()
    coalescer = Coalescer()
    assert await coalescer.fetch("a", source.fetch) == 1
    assert await coalescer.fetch("b", source.fetch) == 2


@pytest.mark.parametrize(("leaves", "fetches", "cancelled"), [(0, 2, 1), (1, 1, 0)])
async def test_one_who_gives_up_leaves_the_others_an_answer(leaves: int, fetches: int, cancelled: int) -> None:
    """A waiter takes nothing with it; the one who fetches is replaced by one of those who wait."""
    source, got = Source(), list[int]()
    coalescer = Coalescer()
    scopes = [anyio.CancelScope() for _ in range(3)]

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await coalescer.fetch("book", source.fetch))

    async with anyio.create_task_group() as askers:
        for scope in scopes:
            askers.start_soon(ask, scope)
        await anyio.wait_all_tasks_blocked()
        scopes[leaves].cancel()
        await anyio.wait_all_tasks_blocked()
        source.answer.set()
    assert (source.fetches, source.cancelled, got) == (fetches, cancelled, [fetches] * 2)


async def test_the_last_one_who_gives_up_ends_the_fetch() -> None:
    source = Source()
    coalescer = Coalescer()
    scopes = [anyio.CancelScope(), anyio.CancelScope()]

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            await coalescer.fetch("book", source.fetch)

    async with anyio.create_task_group() as askers:
        for scope in scopes:
            askers.start_soon(ask, scope)
        await source.started.wait()
        for scope in scopes:
            scope.cancel()
    await anyio.wait_all_tasks_blocked()
    assert source.cancelled == 1
    source.answer.set()
    assert await coalescer.fetch("book", source.fetch) == 2, "a new question starts a new fetch"


async def test_everyone_hears_of_a_failure() -> None:
    async def fail() -> int:
        await anyio.wait_all_tasks_blocked()
        raise LookupError("nothing there")

    heard = 0
    coalescer = Coalescer()

    async def ask() -> None:
        nonlocal heard
        with pytest.raises(LookupError):
            await coalescer.fetch("book", fail)
        heard += 1

    async with anyio.create_task_group() as askers:
        for _ in range(3):
            askers.start_soon(ask)
    assert heard == 3
