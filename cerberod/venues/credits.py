"""How much a venue still lets us ask: a pool of credits that refills with time.

Pure: time is an argument, nothing here waits. A venue declares one `Allowance` for each class of its requests; whoever
sends takes the cost first, and when the pool is too low is told how long to wait instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """One class of requests as the venue publishes it."""

    cost: float
    """Credits one request takes."""
    pool: float
    """Most credits that can be saved up."""
    refill_per_s: float

    def __post_init__(self) -> None:
        if not (0 < self.cost <= self.pool and self.refill_per_s > 0):
            raise ValueError("an allowance has 0 < cost <= pool and a refill above 0")

    @property
    def full_after_s(self) -> float:
        """Seconds an empty pool needs to be full."""
        return self.pool / self.refill_per_s


class Credits:
    """The pool of one class. It never goes below zero and never gains faster than its refill."""

    def __init__(self, allowance: Allowance, now: float) -> None:
        self._allowance = allowance
        self._left = allowance.pool
        self._at = now

    @property
    def allowance(self) -> Allowance:
        return self._allowance

    def left(self, now: float) -> float:
        """Return the requests that could be sent at once, as a fraction of requests."""
        self._refill(now)
        return self._left / self._allowance.cost

    def take(self, now: float, *, keep: float = 0.0) -> float:
        """Take one request's cost and return 0.0, or take nothing and return the seconds until it can be taken.

        `keep` is a number of requests that must remain afterwards: what less urgent requests leave to urgent ones.
        """
        self._refill(now)
        allowance = self._allowance
        needed = min(allowance.cost * (1 + keep), allowance.pool)
        missing = needed - self._left
        if missing > _ROUNDING * allowance.pool:
            return missing / allowance.refill_per_s
        self._left = max(0.0, self._left - allowance.cost)
        return 0.0

    def charge(self, now: float) -> None:
        """Take one request's cost for something that is sent whatever is left, down to zero."""
        self._refill(now)
        self._left = max(0.0, self._left - self._allowance.cost)

    def drain(self, now: float) -> None:
        """Empty the pool: the venue says that it is empty, and it knows better."""
        self._refill(now)
        self._left = 0.0

    def adopt(self, allowance: Allowance, now: float) -> None:
        """Go on with the numbers the venue told for this account; the pool stays as full as it was, as a share."""
        self._refill(now)
        self._left = min(self._left / self._allowance.pool, 1.0) * allowance.pool
        self._allowance = allowance

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._left = min(self._allowance.pool, self._left + elapsed * self._allowance.refill_per_s)


_ROUNDING = 1e-9
"""Share of a pool that sums of floating point seconds may be short by."""
