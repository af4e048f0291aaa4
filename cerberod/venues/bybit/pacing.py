"""How fast Bybit may be asked: the credit of every endpoint, what its answers tell of it, and the ban of an address.

Waits, and knows no request but by its path. Published figures come from `limits`; the headers of private answers say
this account's own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from cerberod.clock import Clock
from cerberod.errors import VenueDown
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.limits import ADDRESS, BAN_S, allowance, allowance_of, group_of, published
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
    told: bool
    """Whether the venue told this account's own figure."""
    left: float


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
        self._told: set[tuple[str, str]] = set()
        self._rest_until: dict[tuple[str, str], float] = {}
        self._banned_until = -math.inf

    async def public(self, *, urgent: bool = False) -> None:
        """Take the credit of a request without a key. Raises `VenueDown` while the address is banned."""
        await self._take_address(urgent=urgent)

    async def private(self, path: str, category: str | None, *, units: int = 1, urgent: bool = False) -> None:
        """Take the credit of a signed request, waiting for it unless it is urgent.

        Raises `VenueDown` while the address is banned, but for a cancel: one that is refused costs less than an order
        that nobody tried to take back. Reads of others never hold up a cancel either.
        """
        if path.startswith(_CANCELS):
            self._address.charge(self._clock.monotonic())
        else:
            await self._take_address(urgent=urgent)
        key = path, group_of(path, category)
        pool = self._pool(key)
        if urgent:
            pool.charge(self._clock.monotonic())
            return
        rest_s = self._rest_until.get(key, -math.inf) - self._clock.monotonic()
        if rest_s > 0:
            await anyio.sleep(rest_s)
        await self._wait_for(pool)
        for _ in range(units - 1):  # a batch costs a unit for each order; the next request waits for what that takes
            pool.charge(self._clock.monotonic())

    def learn(self, path: str, category: str | None, headers: Mapping[str, str]) -> None:
        """Take in what a private answer says of its endpoint's limit."""
        size = _whole(headers.get("X-Bapi-Limit"))
        if size is None or not 0 < size < _LARGEST_LIMIT:
            return
        self._told.add((path, group_of(path, category)))
        pool, told = self._pool((path, group_of(path, category))), allowance_of(size)
        if pool.allowance != told:
            pool.adopt(told, self._clock.monotonic())

    def refused(self, path: str, category: str | None, headers: Mapping[str, str], venue_ms: int) -> None:
        """Take in that the venue refused a request as one too many, and until when, by its own word."""
        now, key = self._clock.monotonic(), (path, group_of(path, category))
        self._pool(key).drain(now)
        reset_ms = _whole(headers.get("X-Bapi-Limit-Reset-Timestamp"))
        rest_s = _REST_S if reset_ms is None else min(max((reset_ms - venue_ms) / 1000, 0.0), _LONGEST_REST_S)
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
        return found

    def now(self) -> Pace:
        """Return how much may be asked, of the endpoints with a published limit and of all that were asked."""
        now = self._clock.monotonic()
        endpoints = []
        for path, group in sorted({*published(), *self._pools}):
            pool = self._pools.get((path, group)) or Credits(allowance(path, group), now)
            per_s = 2 * pool.allowance.refill_per_s
            endpoints.append(Endpoint(path, group, per_s, (path, group) in self._told, round(pool.left(now), 1)))
        return Pace(round(self._address.left(now), 1), now < self._banned_until, endpoints)

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
