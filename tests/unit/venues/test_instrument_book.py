"""What is known of instruments: read once, trusted for a while, dropped when it may be wrong."""

from dataclasses import dataclass

import pytest

from cerberod.venues import instrument_book
from cerberod.venues.instrument_book import InstrumentBook
from tests.support.clock import ManualClock


@dataclass(frozen=True)
class Thing:
    name: tuple[str, str]
    version: int


class Shelf:
    """Where instruments come from."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, name: tuple[str, str]) -> Thing:
        self.asked.append(name)
        if name[1] == "none":
            raise LookupError(name)
        return Thing(name, len(self.asked))


NAME = ("spot", "A")


def make(clock: ManualClock) -> tuple[InstrumentBook[tuple[str, str], Thing], Shelf]:
    shelf = Shelf()
    return InstrumentBook(shelf, lambda thing: thing.name, clock, trusted_s=10.0), shelf


async def test_what_is_known_is_not_read_again_until_it_is_old() -> None:
    clock = ManualClock()
    book, shelf = make(clock)
    assert book.known(NAME) is None
    assert (await book.get(NAME)).version == 1
    clock.advance(seconds=9.9)
    assert (await book.get(NAME)).version == 1
    clock.advance(seconds=0.1)
    assert book.known(NAME) is None
    assert (await book.get(NAME)).version == 2
    assert (await book.get(("linear", "A"))).version == 3, "another category is another instrument"
    assert len(shelf.asked) == 3


async def test_what_may_be_wrong_is_read_again() -> None:
    book, shelf = make(ManualClock())
    await book.get(NAME)
    book.forget(NAME)
    book.forget(("spot", "never heard of"))
    await book.get(NAME)
    assert len(shelf.asked) == 2


async def test_what_is_listed_is_known_and_what_does_not_exist_is_not() -> None:
    book, shelf = make(ManualClock())
    book.learn([Thing(("spot", "B"), 7), Thing(("spot", "C"), 8)])
    assert (await book.get(("spot", "B"))).version == 7
    with pytest.raises(LookupError):
        await book.get(("spot", "none"))
    assert shelf.asked == [("spot", "none")]


async def test_the_book_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instrument_book, "_KEPT", 3)
    book, _ = make(ManualClock())
    book.learn(Thing(("spot", str(number)), number) for number in range(5))
    assert [book.known(("spot", str(number))) is not None for number in range(5)] == [False, False, True, True, True]
