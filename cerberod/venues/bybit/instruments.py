"""Reading one instrument of Bybit, and what it means that there is none of that name."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from cerberod.errors import InvalidParams, VenueRefused
from cerberod.venues.bybit.wire.envelope import Answer
from cerberod.venues.bybit.wire.instruments import Instrument, instrument
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.instrument_book import InstrumentBook

Name = tuple[Category, str]
"""What names an instrument: a symbol alone does not."""

_NOT_LISTED = frozenset({"10001", "170121"})
"""What Bybit answers for a symbol it does not list in a category; the first of them means other things too."""


class UnknownSymbol(InvalidParams):
    """A symbol that Bybit does not list in its category."""

    def __init__(self, category: Category, field: str = "symbol") -> None:
        self.rule = f"one that Bybit lists in category {category.value}"
        super().__init__([{"field": field, "rule": self.rule}])


def name_of(listed: Instrument) -> Name:
    """Return what names an instrument."""
    return listed.category, listed.symbol


async def fetch_instrument(read: Callable[..., Awaitable[Answer]], name: Name) -> Instrument:
    """Read one instrument. Raises `UnknownSymbol`."""
    category, symbol = name
    try:
        answer = await read("get_instruments_info", category=category.value, symbol=symbol)
    except VenueRefused as refused:
        if refused.venue_code in _NOT_LISTED:
            raise UnknownSymbol(category) from None
        raise
    for row in Fields(answer.result, "result").objects("list"):
        if row.text("symbol") == symbol:
            return instrument(row, category)
    raise UnknownSymbol(category)


@asynccontextmanager
async def naming(
    book: InstrumentBook[Name, Instrument], category: Category, symbol: str | None, field: str = "symbol"
) -> AsyncIterator[None]:
    """Tell a refusal that is about a symbol that is not listed as that: the venue's own code says nearly nothing."""
    try:
        yield
    except VenueRefused as refused:
        if symbol is None or refused.venue_code not in _NOT_LISTED:
            raise
        await listed(book, category, symbol, field)
        raise


async def listed(
    book: InstrumentBook[Name, Instrument], category: Category, symbol: str, field: str = "symbol"
) -> Instrument:
    """Return an instrument as the venue lists it now. Raises `UnknownSymbol`."""
    book.forget((category, symbol))
    try:
        return await book.get((category, symbol))
    except UnknownSymbol:
        raise UnknownSymbol(category, field) from None
