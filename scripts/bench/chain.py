"""A book summary as large as that of BTC in 2026, made by formula; as many options as other rows about chains take."""

from datetime import UTC, datetime, timedelta
from math import exp
from typing import Any

EXPIRIES, STRIKES = 14, 77
OPTIONS = EXPIRIES * STRIKES
"""Half of the strikes are calls, half puts, as out of the money as they come."""
_NOW = datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)
_SPOT = 80_000.0
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def rows() -> list[dict[str, Any]]:
    """Return the rows, the same each time."""
    return [_row(expiry, place) for expiry in range(EXPIRIES) for place in range(STRIKES)]


def _row(expiry: int, place: int) -> dict[str, Any]:
    day = _NOW.date() + timedelta(days=1 + round(1.8 * expiry**2))
    code = f"{day.day}{_MONTHS[day.month - 1]}{day.year % 100}"
    away = (place - STRIKES // 2) / STRIKES
    side = "C" if place % 2 else "P"
    return {
        "instrument_name": f"BTC-{code}-{round(_SPOT * exp(1.6 * away))}-{side}",
        "base_currency": "BTC",
        "quote_currency": "BTC",
        "bid_price": round(0.01 + 0.0005 * (place % 60), 4),
        "ask_price": round(0.0115 + 0.0005 * (place % 60), 4),
        "mid_price": round(0.01075 + 0.0005 * (place % 60), 8),
        "mark_price": round(0.0108 + 0.0005 * (place % 60), 8),
        "last": 0.01,
        "high": 0.02,
        "low": 0.005,
        "open_interest": 10.0 + 7.1 * (place % 31) + expiry,
        "volume": 1.5 * (place % 17),
        "volume_usd": 12_345.67,
        "price_change": -1.25,
        "creation_timestamp": round(_NOW.timestamp() * 1000) + place % 5,
        "estimated_delivery_price": _SPOT,
        "mark_iv": round(41.0 + 55.0 * away * away - 6.0 * away, 2),
        "underlying_price": round(_SPOT * (1 + 0.0009 * expiry), 2),
        "underlying_index": f"BTC-{code}",
        "interest_rate": 0.0,
    }
