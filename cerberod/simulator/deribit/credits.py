"""Deribit's rate limit: pools of credits, refilled continuously; pure, the monotonic time is an argument.

Figures are the venue's published ones. Unauthenticated callers have unpublished limits; here they get the ordinary
pool, one for each address.
"""

from dataclasses import dataclass
from typing import Final

MATCHING_METHODS: Final = frozenset(
    {
        "private/buy",
        "private/sell",
        "private/edit",
        "private/edit_by_label",
        "private/cancel",
        "private/cancel_by_label",
        "private/cancel_all_by_currency",
        "private/cancel_all_by_currency_pair",
        "private/cancel_all_by_instrument",
        "private/cancel_all_by_kind_or_type",
        "private/close_position",
    }
)
_SUBSCRIBE = frozenset({"public/subscribe", "private/subscribe"})
_MOST_CALLERS = 1_024


@dataclass(frozen=True)
class Rule:
    """What one request costs, how much the pool holds, and how fast it refills."""

    cost: float
    burst: float
    per_second: float


RULES: Final = {
    "ordinary": Rule(500, 50_000, 10_000),
    "get_instruments": Rule(10_000, 500_000, 10_000),
    "subscribe": Rule(3_000, 30_000, 10_000),
    "matching": Rule(1, 20, 5),
    "cancel_all": Rule(1, 20, 5),
    "get_transaction_log": Rule(10_000, 80_000, 10_000),
    "simulate_portfolio": Rule(1, 1, 1),
}


def pool_of(method: str, has_currency: bool) -> str:
    """Return the pool a method draws from; cancel_by_label without a currency counts as cancel_all."""
    if method == "private/cancel_all" or (method == "private/cancel_by_label" and not has_currency):
        return "cancel_all"
    if method in MATCHING_METHODS:
        return "matching"
    own = method.partition("/")[2]
    if own in ("get_instruments", "get_transaction_log", "simulate_portfolio"):
        return own
    return "subscribe" if method in _SUBSCRIBE else "ordinary"


class Credits:
    """The pools of one caller."""

    def __init__(self, now_s: float) -> None:
        self._left = {name: rule.burst for name, rule in RULES.items()}
        self._since_s = dict.fromkeys(RULES, now_s)

    def spend(self, pool: str, now_s: float) -> bool:
        """Take one request's cost; False, with nothing taken, if the pool does not hold it."""
        rule = RULES[pool]
        left = min(rule.burst, self._left[pool] + (now_s - self._since_s[pool]) * rule.per_second)
        self._since_s[pool] = now_s
        if left < rule.cost:
            self._left[pool] = left
            return False
        self._left[pool] = left - rule.cost
        return True


class CreditBook:
    """All callers' pools; a caller is an account or an address. Bounded: the longest unused is forgotten."""

    def __init__(self) -> None:
        self._callers: dict[str, Credits] = {}

    def spend(self, caller: str, method: str, has_currency: bool, now_s: float) -> bool:
        """Charge one request to a caller."""
        credits = self._callers.pop(caller, None) or Credits(now_s)
        while len(self._callers) >= _MOST_CALLERS:
            del self._callers[next(iter(self._callers))]
        self._callers[caller] = credits
        return credits.spend(pool_of(method, has_currency), now_s)

    def clear(self) -> None:
        """Give every caller full pools."""
        self._callers.clear()


def limits() -> dict[str, object]:
    """Return the pools as the account summary tells them."""
    matching = {"burst": int(RULES["matching"].burst), "rate": int(RULES["matching"].per_second)}
    ordinary = RULES["ordinary"]
    return {
        "limits_per_currency": False,
        "non_matching_engine": {
            "burst": int(ordinary.burst / ordinary.cost),
            "rate": int(ordinary.per_second / ordinary.cost),
        },
        "matching_engine": {
            "trading": {"total": dict(matching)},
            "spot": dict(matching),
            "quotes": {"burst": 500, "rate": 500},
            "max_quotes": {"burst": 10, "rate": 10},
            "guaranteed_quotes": {"burst": 2, "rate": 2},
            "cancel_all": {"burst": int(RULES["cancel_all"].burst), "rate": int(RULES["cancel_all"].per_second)},
        },
    }
