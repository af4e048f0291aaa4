"""How the outcome of each write is found again, after its answer was lost.

Each finder asks the venue about one journaled write and draws a conclusion only from proof; whatever leaves a doubt is
None, and stays listed as unknown. A venue that is down or refuses raises, for whoever asks to tell. Nothing is ever
sent again from here.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cerberod.errors import VenueRefused
from cerberod.rpc.call import Services
from cerberod.trading.journal import Entry
from cerberod.trading.money import plain
from cerberod.trading.orders import Ending, Outcome, Reason
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import ORDER_NOT_FOUND, VENUE
from cerberod.venues.deribit.scope import open_orders_request
from cerberod.venues.deribit.wire import orders as wire
from cerberod.venues.deribit.wire.orders import Order, OrderState, Trade
from cerberod.venues.deribit.wire.requests import given

logger = logging.getLogger("cerberod.venues.deribit")

_EXPIRY_MARGIN_MS = 5_000
"""How long after `valid_until` an order that cannot be found is believed never to have come to be."""
_CANCEL_OVER_S = 30.0
"""How long after a cancel an order that is still open is believed not to have been reached by it."""
_TRADES_LOOKED_AT = 1000
_TRIGGERS_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a journaled write asked for."""

    params: dict[str, Any]
    wire: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> "_Asked":
        params = entry.wire.get("params")
        return cls(dict(params) if isinstance(params, dict) else {}, dict(entry.wire))

    def expired(self, deribit: Deribit) -> bool:
        """Tell whether the venue can no longer carry it out; asked before the venue is, or its answer proves nothing.

        A clock that has just jumped proves nothing either: it may jump back.
        """
        until_ms = self.params.get("valid_until")
        passed = isinstance(until_ms, int) and deribit.venue_ms() > until_ms + _EXPIRY_MARGIN_MS
        return passed and deribit.clock_is_steady

    def text(self, name: str) -> str | None:
        value = self.wire.get(name, self.params.get(name))
        return value if isinstance(value, str) else None


def placed(order: Order, trades: Sequence[Trade], as_of: datetime | None) -> Ending:
    """Tell how an order ended that is known to the venue."""
    detail = {
        "order": order.model_dump(mode="json"),
        "trades": [trade.model_dump(mode="json") for trade in trades],
    }
    if order.order_state is OrderState.REJECTED:
        return Ending(Outcome.REJECTED, detail, (Reason(field="venue", rule="order_rejected"),), as_of=as_of)
    return Ending(Outcome.CONFIRMED, detail, as_of=as_of)


Tell = Callable[[Order, Sequence[Trade], datetime | None], Ending]
"""Puts an order that was found into the words of the method that placed it."""


async def find_placed(services: Services, entry: Entry) -> Ending | None:
    """Find an order by its label and tell it as `deribit.place_order` does."""
    return await find_by_label(services, entry, placed)


async def find_by_label(services: Services, entry: Entry, tell: Tell) -> Ending | None:
    """Find an order by its label: among recent orders, open ones and triggers, then by the fills that carry it.

    Two orders with one label prove that something is wrong: they are told to the operator and nothing is concluded.
    """
    deribit, asked = services.get(Deribit), _Asked.of(entry)
    label, currency = entry.client_order_id, asked.text("currency")
    if label is None or currency is None:
        return None
    expired = asked.expired(deribit)
    answer = await deribit.read("private/get_order_state_by_label", {"currency": currency, "label": label})
    found = _of_one_write([order for order in wire.orders(answer.result) if order.label == label])
    if not found:
        answer = await deribit.read("private/get_open_orders_by_currency", {"currency": currency})
        found = _of_one_write([order for order in wire.orders(answer.result) if order.label == label])
    if len(found) > 1:
        if deribit.alarms_first(label):
            logger.error(
                "two orders share a label; the outcome stays unknown",
                extra={"venue": VENUE, "client_order_id": label, "orders": len(found)},
            )
        reason = Reason(field="venue", rule=f"{len(found)} orders share this label; a human must look")
        return Ending(Outcome.UNKNOWN, reasons=(reason,), as_of=answer.as_of)
    trades = await _trades(deribit, currency, label)
    if found:
        return tell(found[0], trades, answer.as_of)
    if trades:
        answer = await deribit.read("private/get_order_state", {"order_id": trades[0].order_id})
        return tell(wire.one_order(answer.result), trades, answer.as_of)
    if asked.text("trigger") is not None and (order_id := await _trigger(deribit, asked, currency, label)) is not None:
        order, as_of = await _order(deribit, order_id)
        return Ending(Outcome.CONFIRMED) if order is None else tell(order, trades, as_of)
    if expired:
        reason = Reason(field="venue", rule="never came to be: valid_until has passed and the venue has no such order")
        return Ending(Outcome.REJECTED, reasons=(reason,), as_of=answer.as_of)
    return None


def _of_one_write(orders: Sequence[Order]) -> list[Order]:
    """Drop what is one write of ours with another of these: triggers that fired into it, orders that it set off."""
    fired = {order.trigger_order_id for order in orders}
    own = {order.order_id for order in orders}
    return [order for order in orders if order.order_id not in fired and order.primary_order_id not in own]


async def _trades(deribit: Deribit, currency: str, label: str) -> list[Trade]:
    answer = await deribit.read(
        "private/get_user_trades_by_currency", {"currency": currency, "count": _TRADES_LOOKED_AT, "sorting": "desc"}
    )
    return [trade for trade in reversed(wire.trades(answer.result)) if trade.label == label]


async def _trigger(deribit: Deribit, asked: _Asked, currency: str, label: str) -> str | None:
    """Return the id of a trigger order that came to be, whatever became of it: its own list remembers longest."""
    answer = await deribit.read(
        "private/get_trigger_order_history",
        given(currency=currency, instrument_name=asked.text("instrument_name"), count=_TRIGGERS_LOOKED_AT),
    )
    return next((id for told, id in wire.triggers(answer.result) if told == label), None)


EDIT_WOULD_TAKE = "edit_post_only_reject"
"""Why the venue cancels an order whose edit, post-only with reject, would have taken."""


def edited(order: Order, trades: Sequence[Trade], as_of: datetime | None) -> Ending:
    """Tell how an edit ended. One that must not take and would have is not made, and costs the order."""
    if order.cancel_reason != EDIT_WOULD_TAKE:
        return placed(order, trades, as_of)
    rule = "never taking: the change would have taken, and Deribit has cancelled the order instead of making it"
    reason = Reason(field="post_only", rule=rule)
    return Ending(Outcome.REJECTED, {"order": order.model_dump(mode="json")}, (reason,), as_of=as_of)


async def find_edited(services: Services, entry: Entry) -> Ending | None:
    """Read the order and compare it with what the edit asked for, and with what it was before.

    An order that is as asked was edited. One that is as before was not, once it is closed or `valid_until` has passed.
    Anything else may have been ours: nothing is concluded.
    """
    deribit, asked = services.get(Deribit), _Asked.of(entry)
    expired = asked.expired(deribit)
    order, as_of = await _order(deribit, asked.text("order_id"))
    if order is None:
        return None
    if _has(order, asked.params):
        return placed(order, (), as_of)
    if order.cancel_reason == EDIT_WOULD_TAKE:
        return edited(order, (), as_of)
    before = asked.wire.get("before")
    if isinstance(before, dict) and _has(order, before) and (order.order_state.done or expired):
        reason = Reason(field="venue", rule="the order is as it was before and cannot change any more")
        return Ending(Outcome.REJECTED, {"order": order.model_dump(mode="json")}, (reason,), as_of=as_of)
    return None


EDITABLE = (
    "amount",
    "asked_price",
    "asked_trigger_price",
    "trigger_offset",
    "asked_display",
    "post_only",
    "reduce_only",
    "mmp",
)
"""What an edit can change in an order, under the order's own names."""
_REQUESTED = {"asked_price": "price", "asked_trigger_price": "trigger_price", "asked_display": "display_amount"}
"""How a request names what an order keeps under another name."""


def changeable(order: Order) -> dict[str, Any]:
    """Return what an edit can change, as the journal keeps it and as the request names it."""
    values = {_REQUESTED.get(name, name): getattr(order, name) for name in EDITABLE}
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _has(order: Order, wanted: dict[str, Any]) -> bool:
    """Tell whether an order has all the values that are named and not null."""
    for name, value in changeable(order).items():
        want = wanted.get(name)
        if isinstance(want, str) and (value is None or Decimal(want) != Decimal(value)):
            return False
        if isinstance(want, bool) and want is not value:
            return False
    return True


async def find_cancelled(services: Services, entry: Entry) -> Ending | None:
    """Read the order's state: cancelled proves the cancel, an end of another kind proves that it did nothing.

    So does an order that is still open long after a cancel that the venue carries out within milliseconds.
    """
    deribit = services.get(Deribit)
    over = _is_over(deribit, entry)
    order, as_of = await _order(deribit, _Asked.of(entry).text("order_id"))
    if order is None:
        return None
    detail = {"order": order.model_dump(mode="json")}
    if order.order_state is OrderState.CANCELLED:
        return Ending(Outcome.CONFIRMED, detail, as_of=as_of)
    if order.order_state.done:
        reason = Reason(field="order_id", rule=f"an open order; this one is {order.order_state.value}")
        return Ending(Outcome.REJECTED, detail, (reason,), as_of=as_of)
    if over:
        return Ending(Outcome.REJECTED, detail, (_NEVER_REACHED,), as_of=as_of)
    return None


async def find_all_cancelled(services: Services, entry: Entry) -> Ending | None:
    """See whether any order that was open before is still open.

    Where the orders open before could not be read, only an empty book of ours proves that all were cancelled. That all
    of them are still open long after proves that none was.
    """
    deribit, asked = services.get(Deribit), _Asked.of(entry)
    kind = asked.params.get("kind")
    method, params = open_orders_request(
        asked.text("currency") if asked.text("currency") != "any" else None,
        kind if isinstance(kind, str) else None,
        asked.text("instrument_name"),
    )
    over = _is_over(deribit, entry)
    answer = await deribit.read(method, params)
    open_now = {order.order_id for order in wire.orders(answer.result)}
    return _left(asked, open_now, answer.as_of, over=over)


def _left(asked: _Asked, open_now: set[str], as_of: datetime | None, *, over: bool) -> Ending | None:
    """Conclude from what is left of what was open before."""
    before = asked.wire.get("open_before")
    left = open_now & set(before) if isinstance(before, list) else open_now
    if not left:
        return Ending(Outcome.CONFIRMED, as_of=as_of)
    if isinstance(before, list) and left == set(before) and over:
        return Ending(Outcome.REJECTED, reasons=(_NEVER_REACHED,), as_of=as_of)
    return None


async def find_label_cancelled(services: Services, entry: Entry) -> Ending | None:
    """See whether any order with the label is still open; the same proofs as for a mass cancel."""
    deribit, asked = services.get(Deribit), _Asked.of(entry)
    label = asked.text("label")
    if label is None:
        return None
    over = _is_over(deribit, entry)
    method, params = open_orders_request(asked.text("currency"), None, None)
    answer = await deribit.read(method, params)
    open_now = {order.order_id for order in wire.orders(answer.result) if order.label == label}
    return _left(asked, open_now, answer.as_of, over=over)


_NEVER_REACHED = Reason(field="venue", rule="never reached the venue: what it should cancel is still open")


def _is_over(deribit: Deribit, entry: Entry) -> bool:
    return (deribit.now() - datetime.fromisoformat(entry.begun_at)).total_seconds() > _CANCEL_OVER_S


async def _order(deribit: Deribit, order_id: str | None) -> tuple[Order | None, datetime | None]:
    if order_id is None:
        return None, None
    try:
        answer = await deribit.read("private/get_order_state", {"order_id": order_id})
    except VenueRefused as refused:
        if refused.venue_code == str(ORDER_NOT_FOUND):
            return None, None  # closed orders are forgotten after a while: no proof of anything
        raise
    return wire.one_order(answer.result), answer.as_of
