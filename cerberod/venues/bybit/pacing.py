"""How fast Bybit may be asked: the credit of every endpoint, what its answers tell of it, and the ban of an address.

Waits, and knows no request but by its path. Published figures come from `limits`; the headers of private answers say
this account's own. Batches of orders stand in a `Line` of their own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from cerberod.clock import Clock
from cerberod.errors import VenueDown
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.limits import ADDRESS, BAN_S, BATCHES, allowance, allowance_of, group_of, per_s, published
from cerberod.venues.bybit.line import Line
from cerberod.venues.credits import Credits

BANNED = "address_banned_for_a_while"
_CANCELS = "/v5/order/cancel"
_LONGEST_REST_S = 2.0
_REST_S = 1.0
"""How long the venue counts a request."""
_LARGEST_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one endpoint allows."""

    path: str
    group: str
    per_s: float
    left: float
    told: bool
    """Whether the venue told this account's own figure."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much may be asked at one moment."""

    address_left: float
    banned: bool
    endpoints: list[Endpoint]


class Pacing:
    """The pools of one client."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._address = Credits(ADDRESS, clock.monotonic())
        self._pools: dict[tuple[str, str], Credits] = {}
        self._lines: dict[tuple[str, str], Line] = {}
        self._told: set[tuple[str, str]] = set()
        self._rest_until: dict[tuple[str, str], float] = {}
        self._banned_until = -math.inf

    async def public(self, *, urgent: bool = False) -> None:
        """Take the credit of a request without a key. Raises `VenueDown` while the address is banned."""
        await self._take_address(urgent=urgent)

    async def private(self, path: str, category: str | None, *, urgent: bool = False) -> None:
        """Take the credit of a signed request, waiting for it unless it is urgent. Raises as `signed` does."""
        await self.signed(path, urgent=urgent)
        key = path, group_of(path, category)
        pool = self._pool(key)
        if urgent:
            pool.charge(self._clock.monotonic())
            return
        rest_s = self._rest_until.get(key, -math.inf) - self._clock.monotonic()
        if rest_s > 0:
            await anyio.sleep(rest_s)
        await self._wait_for(pool)

    async def signed(self, path: str, *, urgent: bool = False) -> None:
        """Take what a signed request costs of the address alone.

        Raises `VenueDown` while the address is banned, but for a cancel: one that is refused costs less than an order
        that nobody tried to take back. Reads of others never hold up a cancel either.
        """
        if path.startswith(_CANCELS):
            self._address.charge(self._clock.monotonic())
        else:
            await self._take_address(urgent=urgent)

    def line(self, path: str, category: str | None) -> Line:
        """Return where batches of orders wait that are to go to one endpoint."""
        key = path, group_of(path, category)
        if key not in self._lines:
            self._lines[key] = Line(per_s(*key), self._clock)
        return self._lines[key]

    def learn(self, path: str, category: str | None, headers: Mapping[str, str]) -> None:
        """Take in what a private answer says of its endpoint's limit."""
        size = _whole(headers.get("X-Bapi-Limit"))
        if size is None or not 0 < size < _LARGEST_LIMIT:
            return
        key = path, group_of(path, category)
        self._told.add(key)
        if path in BATCHES:
            self.line(path, category).adopt(size)
            return
        pool, told = self._pool(key), allowance_of(size)
        if pool.allowance != told:
            pool.adopt(told, self._clock.monotonic())

    def refused(self, path: str, category: str | None, headers: Mapping[str, str], venue_ms: int) -> None:
        """Take in that the venue refused a request as one too many, and until when, by its own word."""
        now, key = self._clock.monotonic(), (path, group_of(path, category))
        reset_ms = _whole(headers.get("X-Bapi-Limit-Reset-Timestamp"))
        rest_s = _REST_S if reset_ms is None else min(max((reset_ms - venue_ms) / 1000, 0.0), _LONGEST_REST_S)
        if path in BATCHES:
            self.line(path, category).refused(rest_s)
            return
        self._pool(key).drain(now)
        self._rest_until[key] = now + rest_s

    def ban(self) -> None:
        """Ask nothing but cancels for ten minutes: the venue refuses this address, and asking on makes it worse."""
        now = self._clock.monotonic()
        if now >= self._banned_until:  # a cancel that is refused meanwhile makes it no longer
            self._banned_until = now + BAN_S

    def left(self) -> dict[str, float]:
        """Return the requests of each endpoint that could be sent at once."""
        now = self._clock.monotonic()
        found = {"address": round(self._address.left(now), 1)}
        for (path, group), pool in self._pools.items():
            found[f"{path.removeprefix('/v5/')} {group}"] = round(pool.left(now), 1)
        for (path, group), line in self._lines.items():
            found[f"{path.removeprefix('/v5/')} {group}"] = float(line.left)
        return found

    def now(self) -> Pace:
        """Return how much may be asked, of the endpoints with a published limit and of all that were asked."""
        now = self._clock.monotonic()
        keys = sorted({*published(), *self._pools, *self._lines})
        endpoints = [Endpoint(*key, *self._figures(key, now), told=key in self._told) for key in keys]
        return Pace(round(self._address.left(now), 1), now < self._banned_until, endpoints)

    def _figures(self, key: tuple[str, str], now: float) -> tuple[float, float]:
        """Return the units a second, and those that may leave now."""
        if key[0] in BATCHES:
            line = self._lines.get(key) or Line(per_s(*key), self._clock)
            return float(line.per_s), float(line.left)
        pool = self._pools.get(key) or Credits(allowance(*key), now)
        return 2 * pool.allowance.refill_per_s, round(pool.left(now), 1)

    async def _take_address(self, *, urgent: bool) -> None:
        now = self._clock.monotonic()
        if now < self._banned_until:
            raise VenueDown(VENUE, BANNED, retry_after_ms=math.ceil((self._banned_until - now) * 1000))
        if urgent:
            self._address.charge(now)
        else:
            await self._wait_for(self._address)

    async def _wait_for(self, pool: Credits) -> None:
        wait_s = pool.take(self._clock.monotonic())
        while wait_s:
            await anyio.sleep(wait_s)
            wait_s = pool.take(self._clock.monotonic())

    def _pool(self, key: tuple[str, str]) -> Credits:
        if key not in self._pools:
            self._pools[key] = Credits(allowance(*key), self._clock.monotonic())
        return self._pools[key]


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 15 else None
