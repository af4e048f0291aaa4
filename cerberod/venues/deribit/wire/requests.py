"""Writes as Deribit wants them: its method, its params, and the same as text for the journal.

Pure. Numbers stay `Decimal` until the frame is built, so that what is journaled and what goes out have the same digits.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from cerberod.clock import from_ms
from cerberod.trading.money import plain

Value = str | bool | int | Decimal | list[dict[str, Any]]

_EPOCH = from_ms(0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request that changes something."""

    method: str
    params: Mapping[str, Value]

    def journal(self, **found_by: Any) -> dict[str, Any]:
        """Return it as plain JSON, decimals as text, with what its outcome can be found by."""
        return {"method": self.method, "params": _plain(self.params), **found_by}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


def given(**params: Value | None) -> dict[str, Value]:
    """Leave out what is None: Deribit wants absent params absent."""
    return {name: value for name, value in params.items() if value is not None}


def label_of(order_key: bytes) -> str:
    """Cut the label of an order from its key: 53 characters of the 64 that Deribit takes."""
    return "c" + base64.b32encode(order_key).decode().rstrip("=").lower()


def until_ms(moment: datetime) -> int:
    """Write a moment in milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
