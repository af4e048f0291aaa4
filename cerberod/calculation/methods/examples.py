"""Numbers that show how the methods are called: long enough for every default, made up, and the same each time."""

from itertools import pairwise
from typing import Any


def _price(bar: int) -> float:
    """Return a price that goes up and down without repeating itself soon."""
    return round(100 + (bar * bar * 31 % 257) / 64 + (bar * 17 % 13) / 8, 2)


LONG_CLOSE = [_price(bar) for bar in range(257)]
"""As many as the longest memory that is estimated here needs."""
MIDDLE_CLOSE = LONG_CLOSE[:120]
CLOSE = LONG_CLOSE[:40]
HIGH = [round(price + 1.5, 2) for price in CLOSE]
LOW = [round(price - 1, 2) for price in CLOSE]
VOLUME = [float(5 + bar * 7 % 11) for bar in range(40)]
OTHER = [round(2 * price + bar * 5 % 7 / 4, 2) for bar, price in enumerate(CLOSE)]
"""A series that goes along with the closes."""
RETURNS = [round(after / before - 1, 4) for before, after in pairwise(CLOSE)]

AS_OF = "2026-08-22T00:00:00Z"
EXPIRY = "2026-09-25T08:00:00Z"
PRICED: dict[str, Any] = {"type": "call", "underlying": 80000, "strike": 85000, "years": 0.1, "iv_pct": 45}
QUOTED: dict[str, Any] = {"type": "call", "underlying": 80000, "strike": 85000, "years": 0.1, "price": 2600}
LISTED: list[dict[str, Any]] = [
    {"type": "put", "expiry": EXPIRY, "strike": 70000, "open_interest": 800},
    {"type": "put", "expiry": EXPIRY, "strike": 80000, "open_interest": 500},
    {"type": "call", "expiry": EXPIRY, "strike": 80000, "open_interest": 600},
    {"type": "call", "expiry": EXPIRY, "strike": 90000, "open_interest": 900},
]
MARKED = [
    {**option, "forward": 80400, "iv_pct": iv} for option, iv in zip(LISTED, (48.5, 42.0, 42.0, 41.5), strict=True)
]
SPREAD: list[dict[str, Any]] = [
    {"kind": "call", "quantity": 1, "price": 2600, "strike": 85000, "expiry": EXPIRY, "iv_pct": 45},
    {"kind": "call", "quantity": -1, "price": 1300, "strike": 90000, "expiry": EXPIRY, "iv_pct": 44},
]
