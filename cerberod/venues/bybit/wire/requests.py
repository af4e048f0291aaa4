"""Writes as Bybit wants them: pybit's name of the call, its params, and the same for the journal.

Pure. Numbers are written as plain decimal text here, once, so that what is journaled and what goes out have the same
digits; pybit would write a small `Decimal` with an exponent.
"""

import base64
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cerberod.trading.money import plain

Value = str | bool | int | Decimal


@dataclass(frozen=True, slots=True)
class Request:
    """One request that changes something. `params` is plain JSON."""

    call: str
    params: dict[str, Any]

    def journal(self, **found_by: Any) -> dict[str, Any]:
        """Return it with what its outcome can be found by."""
        return {"call": self.call, "params": self.params, **found_by}


def given(**params: Value | None) -> dict[str, Any]:
    """Leave out what is None, and write decimals as text."""
    return {
        name: plain(value) if isinstance(value, Decimal) else value
        for name, value in params.items()
        if value is not None
    }


def link_of(order_key: bytes) -> str:
    """Cut the link id of an order from its key: 33 of the 36 characters that Bybit takes, 160 bits of it."""
    return "c" + base64.b32encode(order_key[:20]).decode().lower()
