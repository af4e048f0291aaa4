"""Reading single fields of a venue's answer, each with its rule; what breaks one is refused with the field's name.

Words that only describe degrade to a visible `unknown`; words that decide (an order's state, a side) do not: acting
on a guess costs money. How a venue writes numbers, moments and absence is for its own subclass to say.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.trading.money import MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

UNKNOWN = "unknown"
_FAR_MS = 32_503_708_800_000
"""The expiration Deribit gives perpetuals; no moment lies beyond it."""
_WHOLE = Decimal(10) ** MAX_WHOLE_DIGITS
_STEP = Decimal(1).scaleb(-MAX_FRACTION_DIGITS)
_EXACT = Context(prec=128)
"""Wider than any number that is read; the usual 28 digits are not."""


class JsonFields(ABC):
    """One JSON object of an answer. `path` names it in refusals."""

    VENUE: ClassVar[str]
    LONGEST_WORD: ClassVar[int]
    ABSENT: ClassVar[tuple[object, ...]] = (None,)
    """How the venue writes that there is no value."""

    __slots__ = ("_path", "_raw")

    def __init__(self, raw: object, path: str) -> None:
        if not isinstance(raw, dict):
            raise BadVenueData(self.VENUE, path, "an object")
        self._raw: Mapping[str, Any] = raw
        self._path = path

    @classmethod
    def rows(cls, raw: object, path: str) -> Iterator[Self]:
        """Yield the objects of a list."""
        if not isinstance(raw, list):
            raise BadVenueData(cls.VENUE, path, "a list")
        for number, row in enumerate(raw):
            yield cls(row, f"{path}[{number}]")

    @classmethod
    def listed(cls, raw: object, path: str, read: Callable[[Self], T]) -> list[T]:
        """Read every object of a list."""
        return [read(row) for row in cls.rows(raw, path)]

    def bad(self, name: str, rule: str) -> BadVenueData:
        """Return the refusal of one field."""
        return BadVenueData(self.VENUE, f"{self._path}.{name}", rule)

    def get(self, name: str) -> Any:
        return self._raw.get(name)

    def has(self, name: str) -> bool:
        """Tell whether the field is there with a value."""
        return self._raw.get(name) not in self.ABSENT

    def inside(self, name: str) -> Self:
        return type(self)(self._raw.get(name), f"{self._path}.{name}")

    def objects(self, name: str) -> Iterator[Self]:
        """Yield the objects of a list; an absent list is empty."""
        if self.has(name):
            yield from self.rows(self._raw[name], f"{self._path}.{name}")

    def text(self, name: str) -> str:
        value = self._raw.get(name)
        if not isinstance(value, str) or len(value) > self.LONGEST_WORD:
            raise self.bad(name, "text")
        return value

    def text_or_none(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def flag(self, name: str, default: bool | None = None) -> bool:
        value = self._raw.get(name, default)
        if not isinstance(value, bool):
            raise self.bad(name, "true or false")
        return value

    @abstractmethod
    def whole(self, name: str) -> int:
        """Return an integer."""

    @abstractmethod
    def number(self, name: str) -> float:
        """Return a finite float."""

    def number_or_none(self, name: str) -> float | None:
        return self.number(name) if self.has(name) else None

    def quoted(self, name: str) -> float | None:
        """Return a quote; where there is none, venues write 0 as well as what stands for no value."""
        return self.number_or_none(name) or None

    def decimal(self, name: str) -> Decimal:
        """Return the number with exactly the digits the venue wrote."""
        value = self._bounded(name)
        if _too_long(value):
            raise self.bad(name, f"at most {MAX_FRACTION_DIGITS} digits after the point")
        return value

    def decimal_or_none(self, name: str) -> Decimal | None:
        return self.decimal(name) if self.has(name) else None

    def figure(self, name: str) -> Decimal:
        """Return a number the venue computed, such as an average, cut to the digits we can carry."""
        value = self._bounded(name)
        return tidy(value.quantize(_STEP, context=_EXACT)) if _too_long(value) else value

    def figure_or_none(self, name: str) -> Decimal | None:
        return self.figure(name) if self.has(name) else None

    def moment(self, name: str) -> datetime:
        """Return a moment the venue gives in milliseconds since 1970."""
        value = self.whole(name)
        if not 0 <= value <= _FAR_MS:
            raise self.bad(name, "milliseconds since 1970")
        return from_ms(value)

    def moment_or_none(self, name: str) -> datetime | None:
        return self.moment(name) if self.has(name) else None

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

    @abstractmethod
    def _decimal(self, name: str) -> Decimal:
        """Return the number as the venue wrote it."""

    def _bounded(self, name: str) -> Decimal:
        number = self._decimal(name)
        if abs(number) >= _WHOLE:
            raise self.bad(name, f"below 1e{MAX_WHOLE_DIGITS}")
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
