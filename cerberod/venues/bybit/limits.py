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
_DERIVATIVES, _OPTION, _SPOT = "derivatives", "option", "spot"
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
    "/v5/account/transaction-log": (25, 25, 25),
    "/v5/account/fee-rate": (5, 5, 5),
}
"""Units a second in derivatives, options and spot."""


def group_of(category: str | None) -> str:
    """Return the group of categories that share a bucket."""
    return category if category in (_OPTION, _SPOT) else _DERIVATIVES


def allowance(path: str, group: str) -> Allowance:
    """Return what one endpoint allows as published."""
    figures = _TABLE.get(path, (_OTHERWISE,) * 3)
    return allowance_of(dict(zip((_DERIVATIVES, _OPTION, _SPOT), figures, strict=True))[group])


def allowance_of(units_a_second: int) -> Allowance:
    """Return the pool that never oversteps so many units in any second."""
    half = max(1.0, units_a_second / 2)
    return Allowance(cost=1.0, pool=half, refill_per_s=units_a_second / 2)
