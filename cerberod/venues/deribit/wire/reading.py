"""Single fields of Deribit's answers: JSON numbers are numbers here, and null is no value."""

from datetime import datetime
from decimal import Decimal

from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.reading import JsonFields


class Fields(JsonFields):
    """One JSON object of an answer of Deribit."""

    VENUE = VENUE
    LONGEST_WORD = 256

    __slots__ = ()

    def backed_by(self, other: "Fields") -> "Fields":
        """Return these fields, and another object's where these have none."""
        return Fields({**other._raw, **self._raw}, self._path)

    def texts(self, name: str) -> list[str]:
        """Return a list of texts; an absent list is empty."""
        value = self._raw.get(name) or []
        if not isinstance(value, list) or not all(
            isinstance(each, str) and len(each) <= self.LONGEST_WORD for each in value
        ):
            raise self.bad(name, "a list of texts")
        return value

    def whole(self, name: str) -> int:
        value = self._raw.get(name)
        if type(value) is not int:
            raise self.bad(name, "an integer")
        return value

    def number(self, name: str) -> float:
        """Return a float. Whatever is no finite JSON number is refused."""
        value = self._raw.get(name)
        if type(value) is float or type(value) is int:
            return float(value)
        raise self.bad(name, "a number")

    def moment(self, name: str) -> datetime:
        if type(self._raw.get(name)) is not int:
            raise self.bad(name, "milliseconds since 1970")
        return super().moment(name)

    def _decimal(self, name: str) -> Decimal:
        value = self._raw.get(name)
        if type(value) is not float and type(value) is not int:
            raise self.bad(name, "a number")
        # The shortest text that reads back as this float is what the venue printed, up to 15 digits.
        return Decimal(repr(value))


rows = Fields.rows
listed = Fields.listed
