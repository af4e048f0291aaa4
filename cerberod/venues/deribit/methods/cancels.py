"""Cancels at Deribit. Each function prepares one; the one path of all writes sends it.

Nothing is looked up first that could hold a cancel up.
"""

import anyio
from pydantic import Field, ValidationInfo, field_validator

from cerberod.errors import BadVenueData, UpstreamError
from cerberod.rpc.call import Call
from cerberod.trading.orders import Ending, Outcome, Reason, WriteOutcome
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.finders import find_all_cancelled, find_cancelled, find_label_cancelled
from cerberod.venues.deribit.methods.words import (
    CURRENCY,
    INSTRUMENT_NAME,
    KIND,
    Currency,
    InstrumentName,
    KindName,
    Label,
    OrderId,
    alone,
)
from cerberod.venues.deribit.scope import cancel_all_request, open_orders_request
from cerberod.venues.deribit.wire import orders as wire
from cerberod.venues.deribit.wire.orders import Order, Skipped
from cerberod.venues.deribit.wire.requests import Request, given

_LOOK_BEFORE_S = 2.0
"""How long a mass cancel may be held up to note what was open before it."""


class CancelOrder(WriteParams):
    """Which order to cancel."""

    order_id: OrderId = Field(description="Deribit's id of the order.")


class CancelOutcome(WriteOutcome):
    """What became of a cancel."""

    order: Order | None = Field(default=None, description="The order as Deribit told it; null where it told none.")


@write("deribit.cancel_order", finder=find_cancelled, urgent=True)
async def cancel_order(call: Call, params: CancelOrder) -> Plan[CancelOutcome]:
    """Cancel one order.

    Sent at once, without looking first. Rejected with venue code 11044 when the order is not open any more and 10004
    when Deribit does not know it; what was filled before stays filled, see `order.filled_amount`.
    """
    deribit = call.use(Deribit)
    request = Request("private/cancel", {"order_id": params.order_id})

    async def send(sent: Sent) -> Ending:
        answer = await deribit.write(request.method, request.params, sent)
        order = wire.one_order(answer.result)
        if order.order_id != params.order_id:
            raise BadVenueData(VENUE, "result.order_id", "the order that was cancelled")
        return Ending(Outcome.CONFIRMED, {"order": order.model_dump(mode="json")}, as_of=answer.as_of)

    return Plan(VENUE, deribit.account, send, request.journal())


class CancelAllOrders(WriteParams):
    """Which orders to cancel: all of them unless narrowed down."""

    currency: Currency | None = Field(default=None, description=CURRENCY + " All of them when left out.")
    kind: KindName | None = Field(default=None, description=KIND)
    instrument_name: InstrumentName | None = Field(
        default=None, description=INSTRUMENT_NAME + " Then neither `currency` nor `kind` is given."
    )

    @field_validator("instrument_name")
    @classmethod
    def _alone(cls, name: str | None, info: ValidationInfo) -> str | None:
        return alone(name, info)


class CancelAllOutcome(WriteOutcome):
    """What became of a mass cancel."""

    cancelled_count: int | None = Field(
        default=None, description="How many orders were cancelled; null when only their absence could be proved."
    )
    cancelled: list[Order] = Field(
        default=[], description="The orders that were cancelled; empty when there were none."
    )
    skipped: list[Skipped] = Field(
        default=[], description="Parts that Deribit could not cancel; empty when there are none."
    )


@write("deribit.cancel_all_orders", finder=find_all_cancelled, urgent=True)
async def cancel_all_orders(call: Call, params: CancelAllOrders) -> Plan[CancelAllOutcome]:
    """Cancel all orders of the account, or of a currency, a kind or an instrument.

    Orders of the whole account are cancelled, not only those this daemon placed. Rejected when Deribit could cancel no
    part of what was asked; `skipped` tells the parts that stayed.
    """
    deribit = call.use(Deribit)
    scope = (params.currency, params.kind, params.instrument_name)
    request = cancel_all_request(*scope)

    async def send(sent: Sent) -> Ending:
        answer = await deribit.write(request.method, request.params, sent)
        done, skipped = wire.cancelled(answer.result)
        detail = {
            "cancelled_count": len(done),
            "cancelled": [order.model_dump(mode="json") for order in done],
            "skipped": [part.model_dump(mode="json") for part in skipped],
        }
        if skipped and not done:
            codes = {part.venue_code for part in skipped}
            code = codes.pop() if len(codes) == 1 else None
            reason = Reason(field="venue", rule="no part could be cancelled")
            return Ending(Outcome.REJECTED, detail, (reason,), venue_code=code, as_of=answer.as_of)
        return Ending(Outcome.CONFIRMED, detail, as_of=answer.as_of)

    open_before = await _open_before(deribit, *scope)
    return Plan(VENUE, deribit.account, send, request.journal(open_before=open_before))


class CancelByLabel(WriteParams):
    """Which orders to cancel: those with this label."""

    label: Label = Field(description="Their label: of an order placed here, its client order id.")
    currency: Currency | None = Field(default=None, description=CURRENCY + " All of them when left out.")


class CancelByLabelOutcome(WriteOutcome):
    """What became of a cancel by label."""

    cancelled_count: int | None = Field(
        default=None,
        description="How many orders were cancelled, none when no open order has the label; null when only their "
        "absence could be proved.",
    )


@write("deribit.cancel_by_label", finder=find_label_cancelled, urgent=True)
async def cancel_by_label(call: Call, params: CancelByLabel) -> Plan[CancelByLabelOutcome]:
    """Cancel the open orders with a label.

    Deribit does not keep labels unique: every open order with the label is cancelled, whoever placed it. Confirmed with
    `cancelled_count` 0 when there was none.
    """
    deribit = call.use(Deribit)
    request = Request("private/cancel_by_label", given(label=params.label, currency=params.currency))

    async def send(sent: Sent) -> Ending:
        answer = await deribit.write(request.method, request.params, sent)
        return Ending(Outcome.CONFIRMED, {"cancelled_count": wire.count(answer.result)}, as_of=answer.as_of)

    open_before = await _open_before(deribit, params.currency, None, None, label=params.label)
    return Plan(VENUE, deribit.account, send, request.journal(open_before=open_before))


async def _open_before(
    deribit: Deribit, currency: str | None, kind: str | None, instrument_name: str | None, label: str | None = None
) -> list[str] | None:
    """Note what is open now, for the finder. A venue too slow to tell does not hold up the cancel.

    A connection is waited for first, as the cancel itself would: sent the moment there is one, and without this note,
    a cancel whose answer is lost could never be told from one that did nothing.
    """
    await deribit.reachable()
    method, asked = open_orders_request(currency, kind, instrument_name)
    with anyio.move_on_after(_LOOK_BEFORE_S):
        try:
            answer = await deribit.read(method, asked, urgent=True)
            found = wire.orders(answer.result)
            return sorted(order.order_id for order in found if label is None or order.label == label)
        except UpstreamError:
            return None
    return None
