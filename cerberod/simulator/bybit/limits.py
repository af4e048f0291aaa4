"""Bybit's rate limits: a rolling second for each account and endpoint, and five seconds for each address.

Pure; the monotonic time is an argument. Figures are the published ones of an ordinary account. A batch of orders costs
one unit for each order (in options one for the request), from a bucket of its own.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_WINDOW_S = 1.0
_ADDRESS_WINDOW_S = 5.0
_ADDRESS_MOST = 600
_BAN_S = 600.0
_MOST_ADDRESSES = 256
_OTHERWISE = 50

_DERIVATIVES, _OPTION, _SPOT = "derivatives", "option", "spot"
_TABLE: Final[Mapping[str, Mapping[str, int]]] = {
    "/v5/order/create": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 20},
    "/v5/order/amend": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 10},
    "/v5/order/cancel": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 20},
    "/v5/order/cancel-all": {_DERIVATIVES: 10, _OPTION: 1, _SPOT: 20},
    "/v5/order/create-batch": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 20},
    "/v5/order/amend-batch": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 20},
    "/v5/order/cancel-batch": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 20},
    "/v5/order/pre-check": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 20},
    "/v5/position/set-leverage": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 10},
    "/v5/position/trading-stop": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 10},
    "/v5/position/switch-mode": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 10},
    "/v5/account/transaction-log": {_DERIVATIVES: 25, _OPTION: 25, _SPOT: 25},
    "/v5/account/fee-rate": {_DERIVATIVES: 5, _OPTION: 5, _SPOT: 5},
    "/v5/user/query-api": {_DERIVATIVES: 10, _OPTION: 10, _SPOT: 10},
    "/v5/asset/coin/query-info": {_DERIVATIVES: 5, _OPTION: 5, _SPOT: 5},
}


@dataclass(frozen=True)
class Standing:
    """What is left of a bucket, as the answer's headers tell it."""

    size: int
    left: int
    limited: bool

    def headers(self, now_ms: int) -> dict[str, str]:
        """Return the headers; the reset of a limited bucket lies ahead, else it is now."""
        return {
            "X-Bapi-Limit": str(self.size),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(now_ms + (round(_WINDOW_S * 1_000) if self.limited else 0)),
        }


def size_of(path: str, category: str) -> int:
    """Return how many units a second an endpoint gives."""
    group = category if category in (_OPTION, _SPOT) else _DERIVATIVES
    return _TABLE.get(path, {}).get(group, _OTHERWISE)


@dataclass
class Limits:
    """All buckets of one environment."""

    _spent: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _requests: dict[str, deque[float]] = field(default_factory=dict)
    _banned_until: dict[str, float] = field(default_factory=dict)

    def spend(self, path: str, category: str, units: int, now_s: float) -> tuple[int, Standing]:
        """Take up to `units`; return how many there were, and what is left."""
        size = size_of(path, category)
        group = category if category in (_OPTION, _SPOT) else _DERIVATIVES
        spent = self._spent.setdefault((path, group), deque())
        while spent and spent[0] <= now_s - _WINDOW_S:
            spent.popleft()
        given = min(units, size - len(spent))
        spent.extend([now_s] * given)
        return given, Standing(size, size - len(spent), limited=given < units)

    def admits(self, address: str, now_s: float) -> bool:
        """Count a request of an address; False while it is shut out for having sent too many."""
        if now_s < self._banned_until.get(address, now_s):
            return False
        seen = self._requests.pop(address, None) or deque()
        while len(self._requests) >= _MOST_ADDRESSES:
            oldest = next(iter(self._requests))
            del self._requests[oldest]
            self._banned_until.pop(oldest, None)
        self._requests[address] = seen
        while seen and seen[0] <= now_s - _ADDRESS_WINDOW_S:
            seen.popleft()
        seen.append(now_s)
        if len(seen) > _ADDRESS_MOST:
            seen.clear()
            self._banned_until[address] = now_s + _BAN_S
            return False
        return True

    def clear(self) -> None:
        """Forget everything spent."""
        self._spent.clear()
        self._requests.clear()
        self._banned_until.clear()
