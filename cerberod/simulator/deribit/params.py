"""Reading a call's parameters as the venue does: each has a type, a wrong one is refused by name and reason.

A GET query carries only text, so there a number may be written as text; in JSON it may not.
"""

import math
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from cerberod.simulator.deribit.wire import invalid


class Params:
    """The parameters of one call; a getter returns None for a parameter that is absent (or null) and not required."""

    def __init__(self, raw: dict[str, Any], from_query: bool = False) -> None:
        self.raw = raw
        self._from_query = from_query

    def has(self, name: str) -> bool:
        """Tell whether a parameter was given and is not null."""
        return self.raw.get(name) is not None

    def text(self, name: str, longest: int = 512) -> str | None:
        value = self.raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise invalid(name, "wrong format")
        return value

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(name, "value required")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str | None:
        value = self.text(name)
        if value is None:
            return default
        if value not in allowed:
            raise invalid(name, "invalid value")
        return value

    def currency(self, allowed: Sequence[str], name: str = "currency") -> str:
        value = self.required_text(name)
        if value not in allowed:
            raise invalid(name, "invalid currency")
        return value

    def number(self, name: str) -> Decimal | None:
        """Return a number exactly as it was written."""
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, str) and self._from_query:
            try:
                exact = Decimal(value)
            except InvalidOperation:
                raise invalid(name, "wrong format") from None
            if not exact.is_finite() or abs(exact) > Decimal("1e15"):
                raise invalid(name, "wrong format")
            return exact
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(name, "wrong format")
        if not math.isfinite(value) or abs(value) > 1e15:
            raise invalid(name, "invalid value")
        return Decimal(repr(value))

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.number(name)
        if value is None:
            return default
        if value != value.to_integral_value():
            raise invalid(name, "wrong format")
        return int(value)

    def required_integer(self, name: str) -> int:
        value = self.integer(name)
        if value is None:
            raise invalid(name, "value required")
        return value

    def within(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer inside bounds."""
        value = self.integer(name, default)
        if value is None or value < low:
            raise invalid(name, f"value must be >= {low}")
        if value > high:
            raise invalid(name, f"value must be <= {high}")
        return value

    def resolution(self, allowed: Sequence[str]) -> str:
        """Return a candle's width; a whole number may be written as a number."""
        value = self.raw.get("resolution")
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if text is None:
            raise invalid("resolution", "value required")
        if text not in allowed:
            raise invalid("resolution", "invalid value")
        return str(text)

    def flag(self, name: str) -> bool | None:
        value = self.raw.get(name)
        if value is None or isinstance(value, bool):
            return value
        if self._from_query and value in ("true", "false"):
            return bool(value == "true")
        raise invalid(name, "wrong format")
