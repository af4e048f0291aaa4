"""How often Bybit may be asked: units a second for each endpoint and group of categories, and all requests together.

Pure. Published figures of an ordinary account; the headers of each private answer tell this account's own. The venue
counts a rolling second, in which a pool of half the figure that refills by the other half never oversteps.
"""

from collections.abc import Mapping
from typing import Final

from cerberod.venues.credits import Allowance

ADDRESS: Final = Allowance(cost=1.0, pool=300.0, refill_per_s=60.0)
"""600 requests in 5 seconds from one address; an excess bans the address for ten minutes."""
BAN_S: Final = 600.0
_OTHERWISE = 50
_DERIVATIVES, _OPTION, _SPOT, _ALL = "derivatives", "option", "spot", "all"
_BY_CATEGORY = ("/v5/order/", "/v5/position/", "/v5/execution/")
BATCHES: Final = frozenset({"/v5/order/create-batch", "/v5/order/amend-batch", "/v5/order/cancel-batch"})
"""Where a request costs a unit for each order that it carries, but in options one."""
_TABLE: Final[Mapping[str, tuple[int, int, int]]] = {
    "/v5/order/create": (10, 10, 20),
    "/v5/order/amend": (10, 10, 10),
    "/v5/order/cancel": (10, 10, 20),
    "/v5/order/cancel-all": (10, 1, 20),
    "/v5/order/create-batch": (10, 10, 20),
    "/v5/order/amend-batch": (10, 10, 20),
    "/v5/order/cancel-batch": (10, 10, 20),
    "/v5/order/pre-check": (10, 10, 20),
    "/v5/position/set-leverage": (10, 10, 10),
    "/v5/position/trading-stop": (10, 10, 10),
    "/v5/position/switch-mode": (10, 10, 10),
}
"""Units a second in derivatives, options and spot."""
_ACCOUNT: Final[Mapping[str, int]] = {"/v5/account/transaction-log": 25, "/v5/account/fee-rate": 5}


def group_of(path: str, category: str | None) -> str:
    """Return the group of categories that share a bucket; the account's own endpoints have one for all."""
    if not path.startswith(_BY_CATEGORY):
        return _ALL
    return category if category in (_OPTION, _SPOT) else _DERIVATIVES


def published() -> list[tuple[str, str]]:
    """Return the endpoints with a figure of their own, each with every group of categories."""
    found = [
        (path, group)
        for path in _TABLE
        for group in (_DERIVATIVES, _OPTION, _SPOT)
        if group != _SPOT or not path.startswith("/v5/position/")
    ]
    return found + [(path, _ALL) for path in _ACCOUNT]


def allowance(path: str, group: str) -> Allowance:
    """Return what one endpoint allows as published."""
    return allowance_of(per_s(path, group))


def per_s(path: str, group: str) -> int:
    """Return the units a second of one endpoint as published."""
    if group == _ALL:
        return _ACCOUNT.get(path, _OTHERWISE)
    figures = _TABLE.get(path, (_OTHERWISE,) * 3)
    return dict(zip((_DERIVATIVES, _OPTION, _SPOT), figures, strict=True))[group]


def counts_each(category: str) -> bool:
    """Tell whether a batch costs a unit for each of its orders, and not one for the request."""
    return category != _OPTION


def allowance_of(units_a_second: int) -> Allowance:
    """Return the pool that never oversteps so many units in any second."""
    half = max(1.0, units_a_second / 2)
    return Allowance(cost=1.0, pool=half, refill_per_s=units_a_second / 2)
