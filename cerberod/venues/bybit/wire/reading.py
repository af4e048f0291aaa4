"""Reading single fields of an answer, each with its rule; what breaks one is refused with the field's name.

Bybit writes numbers as text, and `""` where there is no value: that is null here, never 0. Words that decide (an
order's status, a side) must be known; words that only describe degrade to a visible `unknown`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any, TypeVar

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.trading.money import MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS
from cerberod.venues.bybit.errors import VENUE

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

UNKNOWN = "unknown"
_LONGEST_WORD = 4_096
_FAR_MS = 32_503_708_800_000
_WHOLE = Decimal(10) ** MAX_WHOLE_DIGITS
_STEP = Decimal(1).scaleb(-MAX_FRACTION_DIGITS)
_LEAST = Decimal("1e-30")
"""Nothing a venue tells is smaller, and what is divided by it stays a number."""
_EXACT = Context(prec=128)
"""Wider than any number that is read; the usual 28 digits are not."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
"""`Decimal` alone would take `1_000`, blanks and the digits of every script too."""


class Fields:
    """One JSON object of an answer. `path` names it in refusals."""

    __slots__ = ("_path", "_raw")

    def __init__(self, raw: object, path: str) -> None:
        if not isinstance(raw, dict):
            raise BadVenueData(VENUE, path, "an object")
        self._raw: Mapping[str, Any] = raw
        self._path = path

    def bad(self, name: str, rule: str) -> BadVenueData:
        """Return the refusal of one field."""
        return BadVenueData(VENUE, f"{self._path}.{name}", rule)

    def get(self, name: str) -> Any:
        return self._raw.get(name)

    def has(self, name: str) -> bool:
        """Tell whether the field is there with a value."""
        return self._raw.get(name) not in (None, "")

    def names(self) -> list[str]:
        """Return the names of the fields, for objects that are tables."""
        return [str(name) for name in self._raw]

    def inside(self, name: str) -> "Fields":
        return Fields(self._raw.get(name), f"{self._path}.{name}")

    def objects(self, name: str) -> Iterator["Fields"]:
        """Yield the objects of a list; an absent list is empty."""
        if self.has(name):
            yield from rows(self._raw[name], f"{self._path}.{name}")

    def text(self, name: str) -> str:
        value = self._raw.get(name)
        if not isinstance(value, str) or len(value) > _LONGEST_WORD:
            raise self.bad(name, "text")
        return value

    def text_or_none(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def flag(self, name: str, default: bool | None = None) -> bool:
        value = self._raw.get(name, default)
        if not isinstance(value, bool):
            raise self.bad(name, "true or false")
        return value

    def whole(self, name: str) -> int:
        """Return an integer, written as one or as text."""
        value = self._raw.get(name)
        if type(value) is int:
            return value
        if isinstance(value, str) and len(value) <= 20 and value.lstrip("-").isascii() and value.lstrip("-").isdigit():
            return int(value)
        raise self.bad(name, "an integer")

    def whole_or_none(self, name: str) -> int | None:
        return self.whole(name) if self.has(name) else None

    def number(self, name: str) -> float:
        """Return a finite float."""
        return float(self._decimal(name))

    def number_or_none(self, name: str) -> float | None:
        return self.number(name) if self.has(name) else None

    def quoted(self, name: str) -> float | None:
        """Return a quote; Bybit writes "" or 0 where there is none."""
        return self.number_or_none(name) or None

    def decimal(self, name: str) -> Decimal:
        """Return the number with exactly the digits the venue wrote."""
        value = self._decimal(name)
        if _too_long(value):
            raise self.bad(name, f"at most {MAX_FRACTION_DIGITS} digits after the point")
        return value

    def decimal_or_none(self, name: str) -> Decimal | None:
        return self.decimal(name) if self.has(name) else None

    def figure(self, name: str) -> Decimal:
        """Return a number the venue computed, such as an average, cut to the digits we can carry."""
        value = self._decimal(name)
        return tidy(value.quantize(_STEP, context=_EXACT)) if _too_long(value) else value

    def figure_or_none(self, name: str) -> Decimal | None:
        return self.figure(name) if self.has(name) else None

    def moment(self, name: str) -> datetime:
        """Return a moment the venue gives in milliseconds since 1970, as text or as a number."""
        value = self.whole(name)
        if not 0 <= value <= _FAR_MS:
            raise self.bad(name, "milliseconds since 1970")
        return from_ms(value)

    def moment_or_none(self, name: str) -> datetime | None:
        """Return a moment; "" and "0" are none."""
        return self.moment(name) if self._raw.get(name) not in (None, "", "0", 0) else None

    def word(self, name: str, kind: type[E]) -> E:
        """Return a word that decides. A value that is not in the list is refused."""
        try:
            return kind(self.text(name))
        except ValueError:
            raise self.bad(name, "one of " + ", ".join(kind)) from None

    def description(self, name: str, kind: type[E]) -> E:
        """Return a word that only describes. A value that is not in the list becomes `unknown`."""
        try:
            return kind(str(self._raw.get(name)))
        except ValueError:
            return kind(UNKNOWN)

    def _decimal(self, name: str) -> Decimal:
        value = self._raw.get(name)
        if type(value) is float or type(value) is int:
            value = repr(value)
        if not isinstance(value, str) or len(value) > 64 or _NUMBER.fullmatch(value) is None:
            raise self.bad(name, "a finite number")
        number = Decimal(value)
        if abs(number) >= _WHOLE:
            raise self.bad(name, f"below 1e{MAX_WHOLE_DIGITS}")
        if number and abs(number) < _LEAST:
            raise self.bad(name, f"0, or at least {_LEAST}")
        return tidy(number)


def _too_long(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent < -MAX_FRACTION_DIGITS


def tidy(number: Decimal) -> Decimal:
    """Drop zeros behind the last digit that counts: 10.0 becomes 10, and -0 becomes 0."""
    if number.is_zero():
        return Decimal(0)
    whole = number.to_integral_value()
    return whole if number == whole else number.normalize(_EXACT)


def rows(raw: object, path: str) -> Iterator[Fields]:
    """Yield the objects of a list."""
    if not isinstance(raw, list):
        raise BadVenueData(VENUE, path, "a list")
    for number, row in enumerate(raw):
        yield Fields(row, f"{path}[{number}]")


def listed(raw: object, path: str, read: Callable[[Fields], T]) -> list[T]:
    """Read every object of a list."""
    return [read(row) for row in rows(raw, path)]
