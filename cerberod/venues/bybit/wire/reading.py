"""Single fields of Bybit's answers: numbers and moments are text, and `""` is no value: null here, never 0."""

import re
from datetime import datetime
from decimal import Decimal

from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.reading import JsonFields

_LEAST = Decimal("1e-30")
"""Nothing a venue tells is smaller, and what is divided by it stays a number."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
"""`Decimal` alone would take `1_000`, blanks and the digits of every script too."""


class Fields(JsonFields):
    """One JSON object of an answer of Bybit."""

    VENUE = VENUE
    LONGEST_WORD = 4_096
    ABSENT = (None, "")

    __slots__ = ()

    def names(self) -> list[str]:
        """Return the names of the fields, for objects that are tables."""
        return [str(name) for name in self._raw]

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
        return float(self._bounded(name))

    def moment_or_none(self, name: str) -> datetime | None:
        """Return a moment; "" and "0" are none."""
        return self.moment(name) if self._raw.get(name) not in (None, "", "0", 0) else None

    def _decimal(self, name: str) -> Decimal:
        value = self._raw.get(name)
        if type(value) is float or type(value) is int:
            value = repr(value)
        if not isinstance(value, str) or len(value) > 64 or _NUMBER.fullmatch(value) is None:
            raise self.bad(name, "a finite number")
        number = Decimal(value)
        if number and abs(number) < _LEAST:
            raise self.bad(name, f"0, or at least {_LEAST}")
        return number


rows = Fields.rows
listed = Fields.listed
