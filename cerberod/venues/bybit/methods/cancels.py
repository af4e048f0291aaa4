"""Cancels at Bybit. Each function prepares one; the one path of all writes sends it.

Nothing is looked up first that could hold a cancel up.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self

import anyio
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import InvalidParams, UpstreamError, VenueRefused
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params
from cerberod.trading.orders import Ending, Outcome, Reason, WriteOutcome
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import ORDER_NOT_FOUND, VENUE
from cerberod.venues.bybit.finders import cancelled, find_all_cancelled, find_cancelled
from cerberod.venues.bybit.following import Named, Seen, follow, look, look_back, open_orders
from cerberod.venues.bybit.methods.orders import ACCEPTED, code_of, order_is_over, require_ack
from cerberod.venues.bybit.methods.terms import (
    LinkId,
    valid_until,
)
from cerberod.venues.bybit.methods.words import (
    CATEGORY,
    SYMBOL,
    CategoryName,
    Coin,
    OrderId,
    Symbol,
)
from cerberod.venues.bybit.wire.orders import Order, OrderStatus
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.requests import Request, given

_LOOK_BEFORE_S = 2.0
"""How long a mass cancel may be held up to note what was open before it."""
_FILTER = "Spot: which kind of order; Order when left out, so that conditional ones need their own."

OrderFilter = Literal["Order", "StopOrder", "tpslOrder"]


class CancelTerms(Params):
    """Which order to cancel, without its category."""

    symbol: Symbol = Field(description=SYMBOL)
    order_id: OrderId | None = Field(default=None, description="Bybit's id of the order.")
    order_link_id: LinkId | None = Field(
        default=None,
        description="Its link id, in place of `order_id`: of an order placed here, its client order id.",
        json_schema_extra={"x-example": "MY-ORDER"},
    )
    order_filter: OrderFilter | None = Field(default=None, description=_FILTER)

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if (self.order_id is None) == (self.order_link_id is None):
            raise PydanticCustomError("which", "either order_id or order_link_id")
        return self


class CancelOrder(CancelTerms, WriteParams):
    """Which order to cancel."""

    category: CategoryName = Field(description=CATEGORY)


class CancelOutcome(WriteOutcome):
    """What became of a cancel."""

    order: Order | None = Field(default=None, description="The order as Bybit told it; null where it told none.")


@write("bybit.cancel_order", finder=find_cancelled, urgent=True)
async def cancel_order(call: Call, params: CancelOrder) -> Plan[CancelOutcome]:
    """Cancel one order, and tell what came of it.

    Sent at once, without looking first. Bybit acknowledges before it cancels, and a fill may come first, so the order
    is followed: confirmed when it is cancelled, also when it had been before; rejected when it ended otherwise, when
    Bybit does not know it, and when a spot order is of another kind than `order_filter` says: the right one is named
    then. What was filled before stays filled, see `order.cum_exec_qty`.
    """
    bybit = call.use(Bybit)
    request = Request("cancel_order", cancel_params(params.category, params))
    journal = request.journal(valid_until=valid_until(bybit))
    return Plan(VENUE, bybit.account, cancelling(bybit, request), journal)


def cancel_params(category: str, terms: CancelTerms, path: str = "") -> dict[str, Any]:
    """Build what is sent for one cancel. `path` stands before its fields in a batch."""
    if terms.order_filter is not None and category != "spot":
        raise InvalidParams([{"field": f"{path}order_filter", "rule": "for category spot only"}])
    return given(
        category=category,
        symbol=terms.symbol,
        orderId=terms.order_id,
        orderLinkId=terms.order_link_id,
        orderFilter=terms.order_filter,
    )


def cancelling(bybit: Bybit, request: Request) -> Callable[[Sent], Awaitable[Ending]]:
    """Return what sends one cancel once and follows the order."""
    params = request.params

    async def send(sent: Sent) -> Ending:
        try:
            answer = await bybit.write(request.call, params, sent)
            name = "orderId" if "orderId" in params else "orderLinkId"
            require_ack(answer, name, params[name])
        except VenueRefused as refused:
            if not order_is_over(refused):
                raise
            return await already_over(bybit, params, refused)
        return await cancel_followed(bybit, params)

    return send


async def cancel_followed(bybit: Bybit, params: dict[str, Any]) -> Ending:
    """Follow an order until it is not open any more."""
    named = Named.of(params)
    seen = await follow(lambda: look(bybit, named, urgent=True), lambda seen: _ending(seen, named) is not None)
    ending = None if seen is None else _ending(seen, named)
    return ending or Ending(Outcome.UNKNOWN, reasons=(ACCEPTED,))


async def already_over(bybit: Bybit, params: dict[str, Any], refused: VenueRefused) -> Ending:
    """Tell what became of an order that Bybit would not cancel because it is not open, or not there.

    Had it been cancelled, by whomever, the goal is reached: a cancel that is sent again meets its own effect so.
    """
    named = Named.of(params)

    async def look_once() -> Seen:
        seen = await look(bybit, named, urgent=True)
        return seen if seen.orders else await look_back(bybit, named)

    seen: Seen | None = None
    with anyio.move_on_after(_LOOK_BEFORE_S):
        try:
            seen = await look_once()
        except UpstreamError:
            seen = None
    ending = None if seen is None else _ending(seen, named) or _under_another_filter(seen, params, refused)
    if ending is not None and ending.outcome is Outcome.CONFIRMED:
        return ending
    detail = {} if ending is None else ending.detail
    as_of = None if seen is None else seen.as_of
    reasons = (Reason(field="venue", rule=refused.reason),) if ending is None else ending.reasons
    return Ending(Outcome.REJECTED, detail, reasons, refused.venue_code, as_of)


def _ending(seen: Seen, named: Named) -> Ending | None:
    return None if seen.one is None else cancelled(seen.one, named, seen.as_of)


def _under_another_filter(seen: Seen, params: dict[str, Any], refused: VenueRefused) -> Ending | None:
    """Say which filter a spot order needs that is open although Bybit did not find it: it looked among other kinds."""
    order = seen.one
    if params["category"] != "spot" or order is None or code_of(refused) not in ORDER_NOT_FOUND:
        return None
    needed = filter_of(order)
    if needed == params.get("orderFilter", "Order"):
        return None
    detail = {"order": order.model_dump(mode="json")}
    reason = Reason(field="order_filter", rule=f"{needed}, which is the kind of this order", nearest=needed)
    return Ending(Outcome.REJECTED, detail, (reason,), as_of=seen.as_of)


def filter_of(order: Order) -> OrderFilter:
    """Tell which kind an order of spot is: one that has fired is an order as any other."""
    if order.order_status is not OrderStatus.UNTRIGGERED:
        return "Order"
    return "tpslOrder" if order.stop_order_type == "tpslOrder" else "StopOrder"


class CancelAllOrders(WriteParams):
    """Which orders to cancel: those of a symbol, or of a coin."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol | None = Field(default=None, description=SYMBOL)
    base_coin: Coin | None = Field(default=None, description="Orders of all symbols on this coin; then no symbol.")
    settle_coin: Coin | None = Field(
        default=None, description="Orders of all contracts settled in this coin; then neither symbol nor base_coin."
    )
    order_filter: OrderFilter | None = Field(
        default=None, description="Spot: which kind of order; Order when left out. Conditional ones are others."
    )

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        scopes = [scope for scope in (self.symbol, self.base_coin, self.settle_coin) if scope is not None]
        if len(scopes) > 1:
            raise PydanticCustomError("scope", "at most one of symbol, base_coin and settle_coin")
        if not scopes and self.category in ("linear", "inverse"):
            raise PydanticCustomError("scope", "one of symbol, base_coin and settle_coin for linear and inverse")
        if self.category == "spot" and self.settle_coin is not None:
            raise PydanticCustomError("scope", "settle_coin not in category spot")
        if self.category != "spot" and self.order_filter is not None:
            raise PydanticCustomError("scope", "order_filter for category spot only")
        return self


class CancelAllOutcome(WriteOutcome):
    """What became of a mass cancel."""

    cancelled_count: int | None = Field(
        default=None, description="How many orders Bybit took for it; null when only their absence could be proved."
    )
    order_ids: list[str] = Field(default=[], description="Bybit's ids of those orders; empty when there were none.")


@write("bybit.cancel_all_orders", finder=find_all_cancelled, urgent=True)
async def cancel_all_orders(call: Call, params: CancelAllOrders) -> Plan[CancelAllOutcome]:
    """Cancel all orders of a symbol, of a coin, or of a category (spot and options).

    Orders of the whole account are cancelled, not only those this daemon placed; at most 500 at once. Bybit
    acknowledges before it cancels: confirmed when none of them is open any more, though a fill may have come first.
    """
    bybit = call.use(Bybit)
    wanted = "Order" if params.category == "spot" and params.order_filter is None else params.order_filter
    scope = given(
        category=params.category,
        symbol=params.symbol,
        baseCoin=params.base_coin,
        settleCoin=params.settle_coin,
        orderFilter=wanted,
    )
    request = Request("cancel_all_orders", scope)

    async def send(sent: Sent) -> Ending:
        answer = await bybit.write(request.call, request.params, sent)
        taken = [row.text("orderId") for row in Fields(answer.result, "result").objects("list")]
        detail = {"cancelled_count": len(taken), "order_ids": taken}
        if not taken:
            return Ending(Outcome.CONFIRMED, detail, as_of=answer.stamp())

        async def left() -> set[str]:
            return {order.order_id for order in await open_orders(bybit, scope, urgent=True)} & set(taken)

        if await follow(left, lambda left: not left) == set():
            return Ending(Outcome.CONFIRMED, detail, as_of=answer.stamp())
        return Ending(Outcome.UNKNOWN, detail, (ACCEPTED,), as_of=answer.stamp())

    open_before = await _open_before(bybit, scope)
    journal = request.journal(scope=scope, open_before=open_before, valid_until=valid_until(bybit))
    return Plan(VENUE, bybit.account, send, journal)


async def _open_before(bybit: Bybit, scope: dict[str, Any]) -> list[str] | None:
    """Note what is open now, for the finder. A venue too slow to tell does not hold up the cancel."""
    with anyio.move_on_after(_LOOK_BEFORE_S):
        try:
            return sorted(order.order_id for order in await open_orders(bybit, scope, urgent=True))
        except UpstreamError:
            return None
    return None
