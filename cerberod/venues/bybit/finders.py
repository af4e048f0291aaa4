"""How the outcome of each write is found again, after its answer was lost or told only of its acceptance.

Each finder asks the venue about one journaled write and draws a conclusion only from proof; whatever leaves a doubt is
None, and stays listed as unknown. That an order is absent proves something only when the request can no longer be
taken, realtime and history have both answered, several times, and neither may have forgotten it. Nothing is ever sent
again from here.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import anyio

from cerberod.clock import from_ms
from cerberod.rpc.call import Services
from cerberod.trading.journal import Entry
from cerberod.trading.money import plain
from cerberod.trading.orders import Ending, Outcome, Reason
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.following import Named, Seen, look, look_back, open_orders
from cerberod.venues.bybit.wire.orders import Order, OrderStatus

logger = logging.getLogger("cerberod.venues.bybit")

ASYNCHRONOUS_MS = 5_000
"""How long after it was taken a request may still be on its way to what orders are read from."""
LOOKS = 3
"""How often absence is looked at before it is believed."""
BETWEEN_LOOKS_S = 0.2
_A_WEEK_S = 6 * 86_400
_REMEMBERED_S = 23 * 3600
"""For how long an order that ended without a fill is certainly told of."""
CANCELLED = frozenset({OrderStatus.CANCELLED, OrderStatus.PARTIALLY_FILLED_CANCELLED, OrderStatus.DEACTIVATED})
_ENDED_BY_REQUEST = frozenset({"EC_PerCancelRequest"})
_WOULD_TAKE = "EC_PostOnlyWillTakeLiquidity"
_RULES = {
    _WOULD_TAKE: ("time_in_force", "never taking: the order would have taken"),
    "EC_NoImmediateQtyToFill": ("time_in_force", "filled at once, at least in part: there was nothing to fill with"),
    "EC_CancelForNoFullFill": ("time_in_force", "filled at once: there was not enough to fill with"),
    "EC_ReachRiskPriceLimit": ("price", "within the limits of the venue's risk control"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a journaled write asked for."""

    params: dict[str, Any]
    wire: dict[str, Any]
    age_s: float

    @classmethod
    def of(cls, entry: Entry, bybit: Bybit) -> "Asked":
        params = entry.wire.get("params")
        age_s = (bybit.now() - datetime.fromisoformat(entry.begun_at)).total_seconds()
        return cls(dict(params) if isinstance(params, dict) else {}, dict(entry.wire), age_s)

    def over(self, bybit: Bybit) -> bool:
        """Tell whether the venue can no longer take it, and what it took shows; asked before the venue is.

        A clock that has just jumped proves nothing: it may jump back.
        """
        until_ms = self.wire.get("valid_until")
        return isinstance(until_ms, int) and bybit.venue_ms() > until_ms + ASYNCHRONOUS_MS and bybit.clock_is_steady

    @property
    def remembered(self) -> bool:
        """Tell whether the venue would still tell of an order that ended without a fill."""
        return self.age_s < _REMEMBERED_S


def placed(order: Order, as_of: datetime | None) -> Ending:
    """Tell how an order ended that is known to the venue: one that the engine ended unfilled was refused."""
    detail = {"order_id": order.order_id, "order": order.model_dump(mode="json")}
    unfilled = not order.order_status.open and not order.cum_exec_qty
    refused = order.reject_reason is not None and order.reject_reason not in _ENDED_BY_REQUEST
    if order.order_status is OrderStatus.REJECTED or (unfilled and refused):
        field, rule = _RULES.get(order.reject_reason or "", ("venue", "order_rejected"))
        return Ending(Outcome.REJECTED, detail, (Reason(field=field, rule=rule),), order.reject_reason, as_of)
    return Ending(Outcome.CONFIRMED, detail, as_of=as_of)


def came_to_rest(order: Order) -> bool:
    """Tell whether nothing more is to be expected of an order that was just placed."""
    if not order.order_status.open or order.order_status is OrderStatus.UNTRIGGERED:
        return True
    return order.order_status is not OrderStatus.TRIGGERED and order.time_in_force not in ("IOC", "FOK")


def cancelled(order: Order, named: Named, as_of: datetime | None) -> Ending | None:
    """Tell how a cancel ended: cancelled proves it, an end of another kind proves that it did nothing."""
    detail = {"order": order.model_dump(mode="json")}
    if order.order_status in CANCELLED:
        return Ending(Outcome.CONFIRMED, detail, as_of=as_of)
    if order.order_status.open:
        return None
    reason = Reason(field=named.field, rule=f"an open order; this one is {order.order_status.value}")
    return Ending(Outcome.REJECTED, detail, (reason,), as_of=as_of)


EDITABLE = {
    "qty": "qty",
    "price": "price",
    "triggerPrice": "trigger_price",
    "takeProfit": "take_profit",
    "stopLoss": "stop_loss",
}
"""What an amendment can change, under the request's names, and under the order's own."""


def changeable(order: Order) -> dict[str, str | None]:
    """Return what an amendment can change, as the journal keeps it: a price that is not set is null."""
    values = {name: getattr(order, own) for name, own in EDITABLE.items()}
    return {name: None if value is None else plain(value) for name, value in values.items()}


def has(order: Order, wanted: dict[str, Any]) -> bool:
    """Tell whether an order has all the values that are named; "0" means none."""
    stands = changeable(order)
    return all(_value(wanted[name]) == _value(stands[name]) for name in EDITABLE if name in wanted)


def _value(text: str | None) -> Decimal:
    return Decimal(text or 0)


def amended(
    order: Order, asked: dict[str, Any], before: dict[str, Any] | None, as_of: datetime | None
) -> Ending | None:
    """Tell how an amendment ended: as asked proves it; closed as before, or closed because it would take, disproves."""
    detail = {"order_id": order.order_id, "order": order.model_dump(mode="json")}
    if order.reject_reason == _WOULD_TAKE and not order.order_status.open:
        rule = "never taking: the order would have taken as asked, and Bybit has ended it"
        return Ending(Outcome.REJECTED, detail, (Reason(field="price", rule=rule),), order.reject_reason, as_of)
    if has(order, asked):
        return Ending(Outcome.CONFIRMED, detail, as_of=as_of)
    if before is not None and has(order, before) and not order.order_status.open:
        reason = Reason(field=Named.of(asked).field, rule=f"an open order; this one is {order.order_status.value}")
        return Ending(Outcome.REJECTED, detail, (reason,), as_of=as_of)
    return None


# -- finders ---------------------------------------------------------------------------------------------------------


async def find_placed(services: Services, entry: Entry) -> Ending | None:
    """Find an order by its link id: in realtime, then in the history."""
    bybit = services.get(Bybit)
    asked = Asked.of(entry, bybit)
    over = asked.over(bybit)
    seen = await find(bybit, Named.of(asked.params), asked, thoroughly=over)
    if len(seen.orders) > 1:
        return _several(bybit, entry.client_order_id or "", seen)
    if seen.one is not None:
        if not same_order(seen.one, asked.params):
            return _not_ours(bybit, entry.client_order_id or "", seen)
        return placed(seen.one, seen.as_of) if came_to_rest(seen.one) or over else None
    if over and asked.remembered:
        rule = "never came to be: the venue can no longer take the request and has no such order"
        return Ending(Outcome.REJECTED, reasons=(Reason(field="venue", rule=rule),), as_of=seen.as_of)
    return None


async def find(bybit: Bybit, named: Named, asked: Asked, *, thoroughly: bool) -> Seen:
    """Look an order up wherever it may be told of; `thoroughly`, several times, where absence is to prove something."""
    # A history that is not told from when on is told of a week.
    since_ms = None if asked.age_s < _A_WEEK_S else bybit.venue_ms() - int(asked.age_s * 1000)
    seen = Seen()
    for number in range(LOOKS if thoroughly else 1):
        if number:
            await anyio.sleep(BETWEEN_LOOKS_S)
        now, past = await look(bybit, named), await look_back(bybit, named, since_ms)
        by_id = {order.order_id: order for order in (*past.orders, *now.orders)}
        seen = Seen(tuple(by_id.values()), now.as_of)
        if seen.orders:
            break
    return seen


def same_order(order: Order, params: dict[str, Any]) -> bool:
    """Tell whether an order with our link id is the one that was asked for: what no amendment can change agrees."""
    return (order.symbol, order.side.word, order.order_type) == (
        params["symbol"],
        params["side"],
        params["orderType"],
    )


def _several(bybit: Bybit, link_id: str, seen: Seen) -> Ending:
    """Two orders with one link id prove that something is wrong: it is told to the operator, nothing is concluded."""
    if bybit.alarms_first(link_id):
        logger.error(
            "two orders share a link id; the outcome stays unknown",
            extra={"venue": VENUE, "client_order_id": link_id, "orders": len(seen.orders)},
        )
    reason = Reason(field="venue", rule=f"{len(seen.orders)} orders share this link id; a human must look")
    return Ending(Outcome.UNKNOWN, reasons=(reason,), as_of=seen.as_of)


def _not_ours(bybit: Bybit, link_id: str, seen: Seen) -> Ending:
    if bybit.alarms_first(link_id):
        logger.error(
            "an order with our link id is not the one that was asked for; the outcome stays unknown",
            extra={"venue": VENUE, "client_order_id": link_id},
        )
    reason = Reason(field="venue", rule="another order has this link id; a human must look")
    return Ending(Outcome.UNKNOWN, reasons=(reason,), as_of=seen.as_of)


async def find_amended(services: Services, entry: Entry) -> Ending | None:
    """Read the order and compare it with what was asked for, and with what it was before."""
    bybit = services.get(Bybit)
    asked = Asked.of(entry, bybit)
    over = asked.over(bybit)
    seen = await find(bybit, Named.of(asked.params), asked, thoroughly=False)
    if seen.one is None:
        return None
    before = asked.wire.get("before")
    before = before if isinstance(before, dict) else None
    ending = amended(seen.one, asked.params, before, seen.as_of)
    if ending is None and over and before is not None and has(seen.one, before):
        detail = {"order_id": seen.one.order_id, "order": seen.one.model_dump(mode="json")}
        reason = Reason(field="venue", rule="never reached the venue: the order is as it was before")
        return Ending(Outcome.REJECTED, detail, (reason,), as_of=seen.as_of)
    return ending


_NEVER_REACHED = Reason(field="venue", rule="never reached the venue: what it should cancel is still open")


async def find_cancelled(services: Services, entry: Entry) -> Ending | None:
    """Read the order's state. Still open long after, and not there at all, prove that the cancel did nothing."""
    bybit = services.get(Bybit)
    asked = Asked.of(entry, bybit)
    over = asked.over(bybit)
    seen = await find(bybit, Named.of(asked.params), asked, thoroughly=over)
    if seen.one is not None:
        ending = cancelled(seen.one, Named.of(asked.params), seen.as_of)
        if ending is None and over:
            detail = {"order": seen.one.model_dump(mode="json")}
            return Ending(Outcome.REJECTED, detail, (_NEVER_REACHED,), as_of=seen.as_of)
        return ending
    if not seen.orders and over and asked.remembered:
        reason = Reason(field=Named.of(asked.params).field, rule="an order of this account")
        return Ending(Outcome.REJECTED, reasons=(reason,), as_of=seen.as_of)
    return None


async def find_all_cancelled(services: Services, entry: Entry) -> Ending | None:
    """See whether any order that was open before is still open.

    Where the orders open before could not be read, only that none is open proves that all were cancelled. That all of
    them are still open long after proves that none was.
    """
    bybit = services.get(Bybit)
    asked = Asked.of(entry, bybit)
    over = asked.over(bybit)
    open_now = {order.order_id for order in await open_orders(bybit, dict(asked.wire["scope"]))}
    as_of = from_ms(bybit.venue_ms())
    before = asked.wire.get("open_before")
    left = open_now & set(before) if isinstance(before, list) else open_now
    if not left:
        return Ending(Outcome.CONFIRMED, as_of=as_of)
    if isinstance(before, list) and left == set(before) and over:
        return Ending(Outcome.REJECTED, reasons=(_NEVER_REACHED,), as_of=as_of)
    return None


Stands = Callable[[Bybit, Asked], Awaitable[Any]]
"""Reads what stands of a setting, in the form of what was wanted; None where that cannot be told."""
Stood = Callable[[Bybit, Asked], Awaitable[bool]]
"""Tells whether a setting that does not stand has left a trace of having stood."""


async def find_set(services: Services, entry: Entry, stands: Stands, stood: Stood | None = None) -> Ending | None:
    """See whether a setting stands as asked, or has stood.

    Once the request can no longer be taken, what does not stand never will: that is an end too, whatever is set now.
    """
    bybit = services.get(Bybit)
    asked = Asked.of(entry, bybit)
    over = asked.over(bybit)
    value = await stands(bybit, asked)
    as_of = from_ms(bybit.venue_ms())
    if value == asked.wire["wanted"]:
        return Ending(Outcome.CONFIRMED, {"stands": True}, as_of=as_of)
    if not over:
        return None
    if stood is not None and await stood(bybit, asked):
        return Ending(Outcome.CONFIRMED, {"stands": False}, as_of=as_of)
    if value is None:
        return None
    return Ending(Outcome.REJECTED, {"stands": False}, (_why_not(value, asked.wire.get("before")),), as_of=as_of)


def _why_not(value: Any, before: Any) -> Reason:
    """Say why a setting does not stand. That nobody has set it over and back nothing can prove, and it is not said."""
    if value == before:
        return Reason(field="venue", rule="does not stand, and can no longer be taken: everything is as it was before")
    rule = "does not stand, and can no longer be taken: another change has come since; no trace of this one is left"
    return Reason(field="venue", rule=rule)
