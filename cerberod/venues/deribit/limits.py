"""Deribit's request limits: the classes, their published numbers, and the class of each method.

Pools belong to the sub-account, not to a connection. What an account summary tells about its own limits replaces the
published numbers, which are those of the smallest accounts.
"""

from collections.abc import Mapping
from enum import StrEnum

from cerberod.venues.credits import Allowance


class Class(StrEnum):
    """A pool of its own."""

    NON_MATCHING = "non_matching"
    INSTRUMENTS = "instruments"
    MATCHING = "matching"
    CANCEL_ALL = "cancel_all"
    TRANSACTION_LOG = "transaction_log"
    SIMULATE_PORTFOLIO = "simulate_portfolio"


ALLOWANCES: Mapping[Class, Allowance] = {
    Class.NON_MATCHING: Allowance(cost=500, pool=50_000, refill_per_s=10_000),
    Class.INSTRUMENTS: Allowance(cost=10_000, pool=500_000, refill_per_s=10_000),
    Class.MATCHING: Allowance(cost=1, pool=20, refill_per_s=5),
    Class.CANCEL_ALL: Allowance(cost=1, pool=20, refill_per_s=5),
    Class.TRANSACTION_LOG: Allowance(cost=10_000, pool=80_000, refill_per_s=10_000),
    # Published as one a second. A pool of one has no room for a request that reaches the venue late: hence slower.
    Class.SIMULATE_PORTFOLIO: Allowance(cost=1, pool=1, refill_per_s=0.8),
}

_MATCHING = frozenset(
    {
        "private/buy",
        "private/sell",
        "private/edit",
        "private/cancel",
        "private/cancel_by_label",
        "private/cancel_all_by_currency",
        "private/cancel_all_by_instrument",
        "private/cancel_all_by_kind_or_type",
    }
)

_OF_THEIR_OWN: Mapping[str, Class] = {
    "public/get_instruments": Class.INSTRUMENTS,
    "private/get_transaction_log": Class.TRANSACTION_LOG,
    "private/simulate_portfolio": Class.SIMULATE_PORTFOLIO,
}

_CANCELS = frozenset(
    {
        "private/cancel",
        "private/cancel_by_label",
        "private/cancel_all",
        "private/cancel_all_by_currency",
        "private/cancel_all_by_instrument",
        "private/cancel_all_by_kind_or_type",
    }
)

KEPT_FOR_DELAYS = 0.1
"""The share of a pool that reads leave alone: a burst that reaches the venue late finds its pool no fuller than full,
while ours has refilled meanwhile."""
KEPT_FOR_CANCELS = 0.2
"""Share of the matching pool that orders leave untouched, so that a cancel never waits behind them."""


def class_of(method: str) -> Class:
    """Return the pool a method draws from."""
    if method == "private/cancel_all":
        return Class.CANCEL_ALL
    if method in _MATCHING:
        return Class.MATCHING
    return _OF_THEIR_OWN.get(method, Class.NON_MATCHING)


def is_cancel(method: str) -> bool:
    """Tell whether a method only takes orders away."""
    return method in _CANCELS
