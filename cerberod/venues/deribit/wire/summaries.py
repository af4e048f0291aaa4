"""Book summaries: a whole currency's markets in one answer, read column by column.

A field that breaks its contract spoils the answer; a row that is merely odd (no volatility, a combo) is the reader's to
leave out. Deribit gives neither greeks nor quoted sizes here.
"""

from dataclasses import dataclass
from typing import Any

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.errors import VENUE

_FAR_MS = 32_503_708_800_000
_LONGEST_NAME = 64
_NOT_NEGATIVE = ("bid_price", "ask_price", "open_interest", "volume", "mark_iv", "underlying_price")
"""Numbers that are never below zero where they exist; a combo's quotes may be."""
_ANY_SIGN = ("mark_price", "estimated_delivery_price")


@dataclass(frozen=True, slots=True)
class Summary:
    """One market. What Deribit does not tell, or tells as an empty side of a book, is None."""

    name: str
    at_ms: int
    bid: float | None
    ask: float | None
    mark: float | None
    open_interest: float
    volume: float
    mark_iv: float | None
    underlying_price: float | None
    underlying_index: str | None
    delivery_price: float | None


def summaries(raw: object, *, path: str = "result") -> list[Summary]:
    """Read the rows of `public/get_book_summary_by_currency`."""
    if not isinstance(raw, list):
        raise BadVenueData(VENUE, path, "a list")
    if not {*map(type, raw)} <= {dict}:
        raise BadVenueData(VENUE, path, "a list of objects")
    names = [row.get("instrument_name") for row in raw]
    for index, name in enumerate(names):
        if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME:
            raise BadVenueData(VENUE, f"{path}[{index}].instrument_name", "an instrument's name")
    if len({*names}) != len(names):
        raise BadVenueData(VENUE, f"{path}.instrument_name", "each instrument once")
    stamps = [row.get("creation_timestamp") for row in raw]
    for index, stamp in enumerate(stamps):
        if type(stamp) is not int or not 0 < stamp <= _FAR_MS:
            raise BadVenueData(VENUE, f"{path}[{index}].creation_timestamp", "milliseconds since 1970")
    numbers = {name: _numbers(raw, name, path) for name in (*_NOT_NEGATIVE, *_ANY_SIGN)}
    indices = [row.get("underlying_index") for row in raw]
    for index, text in enumerate(indices):
        if text is not None and (not isinstance(text, str) or len(text) > _LONGEST_NAME):
            raise BadVenueData(VENUE, f"{path}[{index}].underlying_index", "text")
    return [
        Summary(name, stamp, bid or None, ask or None, mark, size or 0.0, traded or 0.0, iv or None, on or None, of, at)
        for name, stamp, bid, ask, mark, size, traded, iv, on, of, at in zip(
            names,
            stamps,
            numbers["bid_price"],
            numbers["ask_price"],
            numbers["mark_price"],
            numbers["open_interest"],
            numbers["volume"],
            numbers["mark_iv"],
            numbers["underlying_price"],
            indices,
            numbers["estimated_delivery_price"],
            strict=True,
        )
    ]


def _numbers(raw: list[Any], name: str, path: str) -> list[Any]:
    """Return a column of numbers, None where there is none."""
    column = [row.get(name) for row in raw]
    kinds = {*map(type, column)}
    if not kinds <= {float, int, type(None)}:
        at = next(i for i, value in enumerate(column) if type(value) not in (float, int, type(None)))
        raise BadVenueData(VENUE, f"{path}[{at}].{name}", "a number")
    if name in _NOT_NEGATIVE:
        for at, value in enumerate(column):
            if value is not None and value < 0 and not _is_combo(raw[at]):
                raise BadVenueData(VENUE, f"{path}[{at}].{name}", "0 or above")
    return column


def _is_combo(row: dict[str, Any]) -> bool:
    """Tell whether a row lacks what every market but a combo has."""
    return row.get("open_interest") is None
