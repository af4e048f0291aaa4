"""Looking orders up after they were sent: an acknowledgement says that Bybit took a request, not what came of it.

The same look serves a call that follows its own order and whoever finds an outcome again later. Nothing is ever sent
from here.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import anyio

from cerberod.errors import UpstreamError
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.line import LEFT_TO_ANSWER_S
from cerberod.venues.bybit.wire import orders as wire
from cerberod.venues.bybit.wire.orders import Order
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.requests import given
from cerberod.venues.bybit.wire.words import Category

T = TypeVar("T")

FOLLOWED_S = 3.0
"""How long a call waits at most for what its request has come to."""
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_PAGE = 50
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class Named:
    """An order, by the venue's id or by its link id."""

    category: str
    symbol: str
    order_id: str | None = None
    link_id: str | None = None

    @classmethod
    def of(cls, params: dict[str, Any]) -> "Named":
        """Read which order a request is about."""
        return cls(params["category"], params["symbol"], params.get("orderId"), params.get("orderLinkId"))

    def params(self) -> dict[str, Any]:
        """Return what asks for it."""
        by_id = {"orderId": self.order_id} if self.order_id else {"orderLinkId": self.link_id}
        return {"category": self.category, "symbol": self.symbol, **by_id}

    @property
    def field(self) -> str:
        """The parameter that names it."""
        return "order_id" if self.order_id else "order_link_id"

    def means(self, order: Order) -> bool:
        return order.order_id == self.order_id if self.order_id else order.order_link_id == self.link_id


@dataclass(frozen=True, slots=True)
class Seen:
    """What the venue told of an order: one, none, or (which must not be) several."""

    orders: tuple[Order, ...] = ()
    as_of: datetime | None = None

    @property
    def one(self) -> Order | None:
        return self.orders[0] if len(self.orders) == 1 else None


async def look(bybit: Bybit, named: Named, *, urgent: bool = False) -> Seen:
    """Ask for an order among the open and the lately closed ones."""
    return await _asked(bybit, "get_open_orders", named, named.params(), urgent=urgent)


async def look_back(bybit: Bybit, named: Named, since_ms: int | None = None) -> Seen:
    """Ask for an order in the history: closed ones of a week at most, those without a fill of a day."""
    return await _asked(bybit, "get_order_history", named, named.params() | given(startTime=since_ms))


async def _asked(bybit: Bybit, call: str, named: Named, params: dict[str, Any], *, urgent: bool = False) -> Seen:
    answer = await bybit.read(call, urgent=urgent, **params)
    rows = Fields(answer.result, "result").objects("list")
    found = (wire.order(row, Category(named.category)) for row in rows)
    by_id = {order.order_id: order for order in found if named.means(order)}
    return Seen(tuple(by_id.values()), answer.stamp())


async def open_orders(bybit: Bybit, scope: dict[str, Any], *, urgent: bool = False) -> list[Order]:
    """Return every open order of a scope, all pages of them."""
    return [each for each in await _all(bybit, "get_open_orders", scope, urgent=urgent) if each.order_status.open]


async def closed_orders(bybit: Bybit, scope: dict[str, Any], since_ms: int) -> list[Order]:
    """Return every closed order of a scope that was made since a moment within a week, as far as it is told of."""
    return await _all(bybit, "get_order_history", {**scope, "startTime": since_ms})


async def _all(bybit: Bybit, call: str, scope: dict[str, Any], *, urgent: bool = False) -> list[Order]:
    found: dict[str, Order] = {}
    cursor: str | None = None
    category = Category(scope["category"])
    for _ in range(_MOST_PAGES):
        page = given(limit=_PAGE, cursor=cursor)
        answer = await bybit.read(call, urgent=urgent, **scope, **page)
        result = Fields(answer.result, "result")
        listed = [wire.order(row, category) for row in result.objects("list")]
        found |= {order.order_id: order for order in listed}
        before, cursor = cursor, result.text_or_none("nextPageCursor")
        if cursor is None or cursor == before or not listed:
            break
    return list(found.values())


async def follow(look_once: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T | None:
    """Look again and again until it is enough, for as long as a call may; return what was seen last, if anything.

    A venue that does not answer, or refuses to, changes nothing of what was sent: it is asked again.
    """
    pause_s = _FIRST_PAUSE_S
    seen: T | None = None
    with _patience():
        while True:
            try:
                seen = await look_once()
                if enough(seen):
                    return seen
            except UpstreamError:
                pass
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
    return seen


async def at_once(pieces: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Do several things at the same time and return what each returned, in their order; raise what the first raised."""
    found: dict[int, T] = {}
    failed: list[Exception] = []

    async with anyio.create_task_group() as group:

        async def run(number: int, piece: Callable[[], Awaitable[T]]) -> None:
            try:
                found[number] = await piece()
            except Exception as error:  # raised below as it is, not as one of a group
                failed.append(error)
                group.cancel_scope.cancel()

        for number, piece in enumerate(pieces):
            group.start_soon(run, number, piece)
    if failed:
        raise failed[0]
    return [found[number] for number in sorted(found)]


def _patience() -> anyio.CancelScope:
    deadline = min(anyio.current_time() + FOLLOWED_S, anyio.current_effective_deadline() - LEFT_TO_ANSWER_S)
    return anyio.CancelScope(deadline=deadline)
