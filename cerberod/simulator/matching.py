"""A limit order book: price-time priority, partial fills, and house liquidity that stands in for the rest of the world.

Pure: no clock, no account, no venue rule. Prices and amounts are `Decimal`, exact. The *house* is the market model's
quotes, replaced as a whole by `quote`; at one price it is ahead of user orders (it was there first). A user order
that a new house quote reaches is filled as maker, at its own price. An iceberg shows a part of itself and is whole
behind it: what trades beyond the part that was shown is a hidden fill.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import Final

Level = tuple[Decimal, Decimal]

ZERO: Final = Decimal(0)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """Return 1 for a buy, -1 for a sale."""
        return 1 if self is Side.BUY else -1


class Lifetime(StrEnum):
    """How long an order waits."""

    GOOD_TIL_CANCELLED = "good_til_cancelled"
    GOOD_TIL_DAY = "good_til_day"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    FILL_OR_KILL = "fill_or_kill"


class SelfTradeError(Exception):
    """The incoming order would meet an order of its own owner; nothing was done."""


@dataclass
class Resting:
    """A user order in the book."""

    order_id: str
    owner: str
    side: Side
    price: Decimal
    remaining: Decimal
    arrival: int
    display: Decimal | None = None
    visible: Decimal = ZERO

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Show as much again as the order shows."""
        self.visible = self.remaining if self.display is None else min(self.display, self.remaining)


@dataclass(frozen=True)
class Fill:
    """One trade. An id is None on the side the house took."""

    taker_id: str | None
    maker_id: str | None
    taker_side: Side
    price: Decimal
    amount: Decimal
    hidden: bool = False
    """Whether the maker's part was behind the shown part of an iceberg."""


class Book:
    """The book of one instrument."""

    def __init__(self) -> None:
        self._orders: dict[str, Resting] = {}
        self._house: dict[Side, list[list[Decimal]]] = {Side.BUY: [], Side.SELL: []}
        self._arrivals = count()
        self.changes = 0

    # Reading

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    def order_ids(self) -> list[str]:
        """Return the ids of all resting user orders, oldest first."""
        return list(self._orders)

    def resting(self, order_id: str) -> Resting | None:
        """Return a user order that rests here."""
        return self._orders.get(order_id)

    def queue(self, side: Side) -> list[Resting]:
        """Return the user orders of a side in the order they would trade."""
        sign = -1 if side is Side.BUY else 1
        return sorted((o for o in self._orders.values() if o.side is side), key=lambda o: (sign * o.price, o.arrival))

    def depth(self, side: Side, levels: int) -> list[Level]:
        """Return the best `levels` prices of a side with the amounts of house and users together, best first."""
        amounts: dict[Decimal, Decimal] = {price: amount for price, amount in self._house[side] if amount > 0}
        for order in self._orders.values():
            if order.side is side:
                amounts[order.price] = amounts.get(order.price, ZERO) + order.visible
        return sorted(amounts.items(), reverse=side is Side.BUY)[:levels]

    def best(self, side: Side) -> Decimal | None:
        """Return the best price of a side."""
        top = self.depth(side, 1)
        return top[0][0] if top else None

    def would_take(self, side: Side, price: Decimal) -> bool:
        """Tell whether a limit order would trade at once."""
        best = self.best(side.opposite)
        return best is not None and _reaches(side, price, best)

    # Trading

    def quote(self, bids: Iterable[Level], asks: Iterable[Level]) -> list[Fill]:
        """Replace the house's quotes; return the fills of user orders that the new quotes reach."""
        self._house = {
            Side.BUY: sorted(([p, a] for p, a in bids), reverse=True),
            Side.SELL: sorted([p, a] for p, a in asks),
        }
        self.changes += 1
        fills: list[Fill] = []
        for side in Side:
            for order in self.queue(side):
                for level in self._house[side.opposite]:
                    if order.remaining <= 0 or not _reaches(side, order.price, level[0]):
                        break
                    amount = min(order.remaining, level[1])
                    if amount > 0:
                        level[1] -= amount
                        fills += self._reduce(order, amount, None, side.opposite)
                order.refresh()
        return fills

    def submit(
        self,
        order_id: str,
        owner: str,
        side: Side,
        amount: Decimal,
        limit: Decimal,
        lifetime: Lifetime,
        display: Decimal | None = None,
    ) -> list[Fill]:
        """Trade an incoming order as far as its limit allows, then let what is left rest if its lifetime says so.

        Raises SelfTradeError, with nothing done, if an order of the same owner would be hit.
        """
        plan, left = self._plan(owner, side, amount, limit)
        if lifetime is Lifetime.FILL_OR_KILL and left > 0:
            return []
        self.changes += 1
        fills: list[Fill] = []
        for maker, price, traded in plan:
            if isinstance(maker, Resting):
                fills += self._reduce(maker, traded, order_id, side)
                maker.refresh()
            else:
                maker[1] -= traded
                fills.append(Fill(order_id, None, side, price, traded))
        if left > 0 and lifetime in (Lifetime.GOOD_TIL_CANCELLED, Lifetime.GOOD_TIL_DAY):
            self._orders[order_id] = Resting(order_id, owner, side, limit, left, next(self._arrivals), display)
        return fills

    def check_self_trade(self, owner: str, side: Side, amount: Decimal, limit: Decimal) -> None:
        """Raise SelfTradeError if such an order would meet one of its own owner."""
        self._plan(owner, side, amount, limit)

    def _plan(
        self, owner: str, side: Side, amount: Decimal, limit: Decimal
    ) -> tuple[list[tuple[Resting | list[Decimal], Decimal, Decimal]], Decimal]:
        """Return who would trade how much at which price, and what would be left; changes nothing."""
        sign = 1 if side is Side.BUY else -1
        candidates: list[tuple[Decimal, int, int, Resting | list[Decimal]]] = [
            (sign * level[0], 0, position, level) for position, level in enumerate(self._house[side.opposite])
        ]
        candidates += [(sign * o.price, 1, o.arrival, o) for o in self._orders.values() if o.side is side.opposite]
        candidates.sort(key=lambda c: c[:3])
        plan: list[tuple[Resting | list[Decimal], Decimal, Decimal]] = []
        left = amount
        for _, _, _, maker in candidates:
            price, there = (maker.price, maker.remaining) if isinstance(maker, Resting) else (maker[0], maker[1])
            if left <= 0 or not _reaches(side, limit, price):
                break
            if isinstance(maker, Resting) and maker.owner == owner:
                raise SelfTradeError
            traded = min(left, there)
            if traded > 0:
                plan.append((maker, price, traded))
                left -= traded
        return plan, left

    def shrink(self, order_id: str, remaining: Decimal) -> None:
        """Lower what is left of a resting order; it keeps its place in the queue."""
        order = self._orders[order_id]
        if not ZERO < remaining <= order.remaining:
            raise ValueError("an order can only shrink, and not to nothing")
        order.remaining = remaining
        order.visible = min(order.visible, remaining)
        self.changes += 1

    def cancel(self, order_id: str) -> Resting | None:
        """Take an order out of the book; None if it does not rest here."""
        self.changes += 1
        return self._orders.pop(order_id, None)

    def _reduce(self, order: Resting, amount: Decimal, taker_id: str | None, taker_side: Side) -> list[Fill]:
        """Trade a part of a resting order; return the fill of what it showed, and of what was behind."""
        shown = min(amount, order.visible)
        order.remaining -= amount
        order.visible -= shown
        if order.remaining <= 0:
            del self._orders[order.order_id]
        parts = ((shown, False), (amount - shown, True))
        return [
            Fill(taker_id, order.order_id, taker_side, order.price, part, hidden) for part, hidden in parts if part > 0
        ]


def _reaches(side: Side, limit: Decimal, price: Decimal) -> bool:
    """Tell whether an order with this limit may trade at this price."""
    return price <= limit if side is Side.BUY else price >= limit
