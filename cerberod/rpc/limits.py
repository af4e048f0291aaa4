"""What a caller may ask: a debt for each (token, bot tag, address) that every call adds to and that time pays off.

Pure: time is an argument, nothing here waits. Below the soft limit nobody notices. Above it calls start no faster than
their declared costs are paid off, and fewer run at once: a busy bot is slowed and never closed. Errors of the caller's
own making cost more than that pace pays for, so an endless loop of them ends at the hard limit, where calls are refused
and the session is closed. The debt belongs to the bot and not to its session: who comes back is still in debt.

Cancels, halts and settling never come here: no budget holds up what ends risk.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakValueDictionary

from cerberod.errors import Code

LEAST_PACED = 1
"""What a message that has no declared cost counts for when it waits for its turn."""

NOT_THE_CALLERS = frozenset(
    {
        Code.INTERNAL_ERROR,
        Code.NOT_READY,
        Code.SHUTTING_DOWN,
        Code.BUSY,
        Code.OVER_BUDGET,
        Code.VENUE_DOWN,
        Code.BAD_VENUE_DATA,
        Code.DEADLINE_PASSED,
        Code.NOT_RECORDABLE,
        Code.HUNG_UP,
    }
)
"""Errors that cost no more than the call: a bot that goes on asking while a venue is down does nothing wrong."""


class BudgetKey(NamedTuple):
    """Whose debt it is: one bot's loop never closes another's session."""

    actor: str
    bot_tag: str
    address: str


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """The numbers of budgets; every one of them is a setting."""

    decay_per_s: float = 2_000.0
    soft: float = 20_000.0
    hard: float = 200_000.0
    error: int = 10
    parse_error: int = 100
    longest_wait_s: float = 1.0
    """Who would have to wait longer for a turn is told to come back instead."""
    in_flight: int = 64
    """Calls of one bot at once, in all its sessions, so that no bot takes every slot of the daemon."""
    keys: int = 4096
    """Debts remembered of bots that are not connected."""

    def surcharge(self, code: Code, declared: int) -> int:
        """Return what an error costs beyond what the call has cost already."""
        if code in NOT_THE_CALLERS:
            return 0
        return max((self.parse_error if code is Code.PARSE_ERROR else self.error) - declared, 0)


class Budget:
    """The debt of one bot."""

    __slots__ = ("__weakref__", "_at", "_debt", "_next_start", "limits", "running", "strained")

    def __init__(self, limits: BudgetLimits, now: float) -> None:
        self.limits = limits
        self.running = 0
        """Calls of this bot that run now, in all its sessions."""
        self.strained = False
        """Whether the debt was above the soft limit when it was last looked at. False is certain; true may be old."""
        self._debt = 0.0
        self._at = now
        self._next_start = now

    def debt(self, now: float) -> float:
        """Return what is owed; never below zero."""
        if now > self._at:
            self._debt = max(0.0, self._debt - (now - self._at) * self.limits.decay_per_s)
            self._at = now
        return self._debt

    def charge(self, cost: float, now: float) -> None:
        """Add the cost of something that was asked."""
        debt = self.debt(now) + cost
        self._debt = debt
        self.strained = debt > self.limits.soft

    def exhausted(self, now: float) -> bool:
        """Tell whether more is owed than the hard limit."""
        return self.debt(now) > self.limits.hard

    def relaxed_in_s(self, now: float) -> float:
        """Return the seconds until the debt is back at the soft limit, when calls run as if nothing had been."""
        return max(0.0, self.debt(now) - self.limits.soft) / self.limits.decay_per_s

    def turn(self, cost: float, now: float) -> float:
        """Return how many seconds a call waits before it starts, and take that turn.

        Of a wait longer than the longest no turn is taken.
        """
        if not cost or not self._still_strained(now):
            return 0.0
        start = max(now, self._next_start)
        wait = start - now
        if wait <= self.limits.longest_wait_s:
            self._next_start = start + cost / self.limits.decay_per_s
        return wait

    def at_once(self, most: int, now: float) -> int:
        """Return how many calls of a session may run at once: all at the soft limit, one at the hard one."""
        if not self._still_strained(now):
            return most
        share = (self.limits.hard - self._debt) / (self.limits.hard - self.limits.soft)
        return max(1, math.ceil(most * share))

    def _still_strained(self, now: float) -> bool:
        self.strained = self.debt(now) > self.limits.soft
        return self.strained


class Budgets:
    """The budgets of all bots: of those that are connected, and of as many others as are remembered."""

    def __init__(self, limits: BudgetLimits) -> None:
        self.limits = limits
        self._in_use: WeakValueDictionary[BudgetKey, Budget] = WeakValueDictionary()
        self._recent: OrderedDict[BudgetKey, Budget] = OrderedDict()

    def of(self, key: BudgetKey, now: float) -> Budget:
        """Return the budget of a bot, with the debt it left behind. Whoever uses it keeps it alive."""
        budget = self._in_use.get(key)
        if budget is None:
            budget = self._in_use[key] = Budget(self.limits, now)
        self._recent[key] = budget
        self._recent.move_to_end(key)
        while len(self._recent) > self.limits.keys:
            self._recent.popitem(last=False)
        return budget

    def __len__(self) -> int:
        return len(self._in_use)

    def __iter__(self) -> Iterator[tuple[BudgetKey, Budget]]:
        return iter(list(self._in_use.items()))
