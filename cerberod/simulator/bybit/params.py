"""Reading parameters as Bybit does: text in a query, JSON in a body, "" the same as nothing; a wrong one is 10001.

Amounts and prices are text in both; a JSON number in their place is refused, as the venue's documents demand text.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import unquote

from cerberod.simulator.bybit.wire import PARAMETER, VenueError, bad

CATEGORIES: Final = ("spot", "linear", "inverse", "option")
_LONGEST = 4_096
_LARGEST = Decimal("1e15")


class Params:
    """The parameters of one call; a getter returns None (or the default) for what is absent and not required."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def has(self, name: str) -> bool:
        """Tell whether a parameter was given."""
        return self.raw.get(name) not in (None, "")

    def text(self, name: str, default: str = "") -> str:
        value = self.raw.get(name)
        if value in (None, ""):
            return default
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise bad(name)
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise VenueError(PARAMETER, f"params error: {name} is required")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str = "") -> str:
        value = self.text(name, default)
        if value != default and value not in allowed:
            raise bad(name)
        return value

    def required_choice(self, name: str, allowed: Sequence[str]) -> str:
        value = self.text(name)
        if value not in allowed:
            raise bad(name)
        return value

    def category(self, allowed: Sequence[str] = CATEGORIES, default: str = "") -> str:
        value = self.text("category", default)
        if value not in allowed:
            raise VenueError(PARAMETER, "Illegal category")
        return value

    def decimal(self, name: str) -> Decimal | None:
        """Return an amount or a price exactly as written."""
        text = self.text(name)
        if not text:
            return None
        if not text.isascii() or "e" in text.lower() or "_" in text or text != text.strip():
            raise bad(name)
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise bad(name) from None
        if not value.is_finite() or abs(value) > _LARGEST:
            raise bad(name)
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number, which may be text or a JSON number."""
        value = self.raw.get(name)
        if value in (None, ""):
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.removeprefix("-").isdigit() and value.isascii() and len(value) < 20:
            return int(value)
        raise bad(name)

    def limit(self, default: int, most: int) -> int:
        """Return the page size; the venue cuts one that is too large."""
        value = self.whole("limit", default)
        if value is None or value < 1:
            raise bad("limit")
        return min(value, most)

    def flag(self, name: str) -> bool:
        value = self.raw.get(name)
        if value in (None, ""):
            return False
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise bad(name)

    def cursor(self) -> str:
        """Return the cursor decoded until nothing is left to decode: clients send it back encoded once or twice."""
        value = self.text("cursor")
        for _ in range(4):
            decoded = unquote(value)
            if decoded == value:
                break
            value = decoded
        return value
