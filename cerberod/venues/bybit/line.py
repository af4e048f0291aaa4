"""Batches of orders on their way to one endpoint of Bybit: how many orders may leave now, and whose turn it is.

Waits, and knows no request. The venue counts the orders of a rolling second; of a batch that is too much for it, it
carries out the first orders and refuses the rest one by one. So no request leaves before there is room for all that it
carries. What has left counts until a second after its answer: when on its way the venue counted it, nobody knows.
"""

import math
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import anyio

from cerberod.clock import Clock
from cerberod.errors import Code, DeadlinePassed, RpcError
from cerberod.venues.bybit.errors import VENUE

COUNTED_S = 1.02
"""How long after its answer a request may still be counted: the venue's second, and a little for clocks."""
LOST_S = 3.0
"""How long a request without an answer is taken to be counted."""
_LONGEST_WAY_S = 1.0
"""What the next answer is expected to take at most, whatever the last one took."""
LEFT_TO_ANSWER_S = 0.1
"""How long before its deadline a call gives up, so that it can still say what is known."""


@dataclass(slots=True)
class _Held:
    """Units that the venue counts, and until when."""

    since: float
    until: float
    units: int


class Line:
    """What waits for one endpoint, in the order in which it came."""

    def __init__(self, per_s: int, clock: Clock) -> None:
        self.per_s = per_s
        self._clock = clock
        self._held: list[_Held] = []
        self._way_s = 0.0
        """How long the last request took to be answered."""
        self._places: list[Place] = []
        self._changed = anyio.Event()

    @property
    def left(self) -> int:
        """How many units may leave now."""
        now = self._clock.monotonic()
        self._held = [each for each in self._held if each.until > now]
        return max(0, self.per_s - sum(each.units for each in self._held))

    def adopt(self, per_s: int) -> None:
        """Go on with the figure that the venue told for this account."""
        self.per_s = per_s
        self._wake()

    def refused(self, rest_s: float) -> None:
        """Send nothing for a while: the venue says that it was too much, and it counts others of this account too."""
        now = self._clock.monotonic()
        self._held.append(_Held(now, now + rest_s, self.per_s))

    @contextmanager
    def join(self, orders: int, *, counted: bool, eager: bool) -> Iterator["Place"]:
        """Take a place for a batch, until it has sent all it can.

        `counted`: each order costs a unit; else each request does. `eager`: as many as may leave do so at once, and
        nothing is refused for lack of time. Raises `RpcError`, and nothing has left, where the last order could not
        leave before the call's deadline.
        """
        place = Place(self, orders, counted=counted, eager=eager)
        late_s = self._all_sent_in(place) - place.time_left_s
        if late_s > 0 and not eager:
            raise RpcError(
                Code.BUSY,
                venue=VENUE,
                reason="rate_limit_of_the_venue",
                limit=self.per_s,
                per="second",
                retry_after_ms=math.ceil(late_s * 1000),
            )
        self._places.append(place)
        try:
            yield place
        finally:
            self._places.remove(place)
            self._wake()

    def _all_sent_in(self, last: "Place") -> float:
        """Return the seconds until all that wait, and one more, have left and been answered, as answers come now.

        0 where all of it may leave now: how long an answer takes is no reason not to ask.
        """
        now = self._clock.monotonic()
        counted_s = self._way_s + COUNTED_S
        held = [(min(each.until, now + counted_s), each.units) for each in self._held]
        at = now
        for place in (*self._places, last):
            units = place.units
            while units:
                piece = min(units, self.per_s)
                at = _room_at(held, piece, self.per_s, at)
                held.append((at + counted_s, piece))
                units -= piece
        return at - now + self._way_s if at > now else 0.0

    async def enter(self, place: "Place", orders: int) -> tuple[_Held, int]:
        """Wait for its turn and for room; return what it holds then, and for how many of the orders."""
        place.waits = True
        try:
            while True:
                changed, now = self._changed, self._clock.monotonic()
                wait_s = math.inf
                if next(each for each in self._places if each.waits) is place:
                    units = place.units_of(orders)
                    wanted = 1 if place.eager else min(units, self.per_s)
                    held = [(each.until, each.units) for each in self._held]
                    wait_s = _room_at(held, wanted, self.per_s, now) - now
                    if wait_s <= 0:
                        units = min(units, self.left)
                        taken = _Held(now, now + LOST_S, units)
                        self._held.append(taken)
                        return taken, units if place.counted else orders
                with anyio.move_on_after(wait_s):
                    await changed.wait()
        finally:
            place.waits = False
            self._wake()

    def ended(self, held: _Held, *, answered: bool) -> None:
        """Take in that a request has ended: the venue counts it for a second more at the most."""
        now = self._clock.monotonic()
        held.until = min(held.until, now + COUNTED_S)
        if answered:
            self._way_s = min(now - held.since, _LONGEST_WAY_S)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Place:
    """The place of one batch in line."""

    def __init__(self, line: Line, orders: int, *, counted: bool, eager: bool) -> None:
        self._line = line
        self._until = anyio.current_effective_deadline() - LEFT_TO_ANSWER_S
        self.counted = counted
        self.eager = eager
        self.units = self.units_of(orders)
        """What it has not sent yet."""
        self.waits = False
        """Whether it waits for room; while it waits for an answer others go before it."""

    def units_of(self, orders: int) -> int:
        """Return what so many orders cost in one request."""
        return orders if self.counted else 1

    @property
    def time_left_s(self) -> float:
        """How long its call may still take to send and to hear."""
        return self._until - anyio.current_time()

    @asynccontextmanager
    async def room(self, orders: int) -> AsyncIterator[int]:
        """Wait for room and hold it during one request; yield how many of the orders the request may carry.

        Raises `DeadlinePassed`, nothing sent, where the call's deadline is too near.
        """
        entered: tuple[_Held, int] | None = None
        with anyio.move_on_after(self.time_left_s):
            entered = await self._line.enter(self, orders)
        if entered is None:
            raise DeadlinePassed(VENUE, sent=False)
        held, share = entered
        self.units -= held.units
        answered = False
        try:
            yield share
            answered = True
        finally:
            self._line.ended(held, answered=answered)


def _room_at(held: Iterable[tuple[float, int]], units: int, per_s: int, at: float) -> float:
    """Return the first moment from `at` on in which so many units may leave; as many as a second has always may."""
    counted = sorted(each for each in held if each[0] > at)
    left = per_s - sum(each for _, each in counted)
    for until, each in counted:
        if left >= units:
            break
        at, left = until, left + each
    return at
