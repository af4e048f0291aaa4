"""Changing an open order at Deribit. The function prepares it; the one path of all writes sends it."""

from typing import Self, TypeVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import BadVenueData, VenueRefused
from cerberod.rpc.call import Call
from cerberod.trading.money import Amount, Price, Quantity
from cerberod.trading.orders import Ending, Reason
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import INSTRUMENT_CHANGED, ORDER_NOT_FOUND, VENUE
from cerberod.venues.deribit.finders import changeable, edited, find_edited
from cerberod.venues.deribit.methods.terms import (
    Expiring,
    OrderOutcome,
    denied,
    instrument_of,
    package_objections,
    trigger_objections,
)
from cerberod.venues.deribit.methods.words import OrderId
from cerberod.venues.deribit.wire import orders as wire
from cerberod.venues.deribit.wire.market import Instrument
from cerberod.venues.deribit.wire.orders import Order
from cerberod.venues.deribit.wire.requests import Request, given

T = TypeVar("T")


class EditOrder(Expiring):
    """What to change in an order. What is left out stays as it is."""

    order_id: OrderId = Field(description="Deribit's id of the order.")
    amount: Amount | None = Field(
        default=None, description="New whole size as decimal text, the filled part included; in the unit of the order."
    )
    price: Quantity | None = Field(
        default=None,
        description="New price as decimal text, in the unit the order was priced in; of a combo in the combo's own "
        "sense, and only there zero or less.",
        json_schema_extra={"x-example": "50000.5"},
    )
    trigger_price: Price | None = Field(default=None, description="New trigger price as decimal text.")
    trigger_offset: Price | None = Field(default=None, description="New distance of a trailing stop, as decimal text.")
    display_amount: Amount | None = Field(default=None, description="New visible size of an iceberg, as decimal text.")
    post_only: bool | None = Field(default=None, description="Never take.")
    reject_post_only: bool | None = Field(
        default=None,
        description="With `post_only`: refuse the edit if it would take. False lets Deribit move the price instead. "
        "Left out, it is true.",
    )
    reduce_only: bool | None = Field(default=None, description="Never open or grow a position.")
    mmp: bool | None = Field(default=None, description="Counts for market maker protection; limit orders only.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        changes = (self.amount, self.price, self.trigger_price, self.trigger_offset, self.display_amount)
        if all(change is None for change in (*changes, self.post_only, self.reduce_only, self.mmp)):
            raise PydanticCustomError(
                "edit",
                "at least one of amount, price, trigger_price, trigger_offset, "
                "display_amount, post_only, reduce_only and mmp",
            )
        return self


@write("deribit.edit_order", finder=find_edited)
async def edit_order(call: Call, params: EditOrder) -> Plan[OrderOutcome]:
    """Change an open order in place.

    The order is read first and everything that is not changed is repeated as it stands, so that no default of the
    venue changes it. `amount` is the new whole size, filled part included. Denied when there is no such order, when it
    is not open any more, or for the reasons of `deribit.place_order`. Confirmed carries the order as it is now. An edit
    with `reject_post_only` that would take is rejected, and Deribit cancels the order: see `order.order_state`.
    A limit price beyond the trigger passes as it does there: Deribit takes it, and a stop that fires may then rest
    unfilled, which `deribit.set_stop_loss` and brackets deny.
    """
    deribit = call.use(Deribit)
    account = deribit.account
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    try:
        order = wire.one_order((await deribit.read("private/get_order_state", {"order_id": params.order_id})).result)
    except VenueRefused as refused:
        if refused.venue_code != str(ORDER_NOT_FOUND):
            raise
        return denied(account, Reason(field="order_id", rule="an order of this account"))
    if order.order_state.done:
        rule = f"an open order; this one is {order.order_state.value}"
        return denied(account, Reason(field="order_id", rule=rule))
    instrument = await instrument_of(deribit, order.instrument_name)
    if instrument is None:
        return denied(account, Reason(field="order_id", rule="an order on an instrument of this venue"))
    reasons = (
        _objections(params, order, instrument)
        or await package_objections(deribit, instrument, params.price)
        or await trigger_objections(
            deribit, instrument, order.direction.value, order.order_type, order.trigger, params.trigger_price
        )
    )
    if reasons:
        return denied(account, *reasons)
    request = _edit_request(params, order, params.valid_until_ms(deribit))

    async def send(sent: Sent) -> Ending:
        try:
            answer = await deribit.write(request.method, request.params, sent)
        except VenueRefused as refused:
            if int(refused.venue_code) in INSTRUMENT_CHANGED:
                deribit.instruments.forget(order.instrument_name)
            raise
        changed, trades = wire.placed(answer.result)
        if changed.order_id != order.order_id:
            raise BadVenueData(VENUE, "result.order.order_id", "the order that was edited")
        return edited(changed, trades, answer.as_of)

    journal = request.journal(instrument_name=order.instrument_name, before=changeable(order))
    return Plan(VENUE, account, send, journal, reduces=request.params["reduce_only"] is True)


def _objections(params: EditOrder, order: Order, instrument: Instrument) -> list[Reason]:
    reasons: list[Reason] = []
    if params.amount is not None:
        reasons += rules.wrong_amount("amount", params.amount, instrument)
    if params.price is not None:
        if order.price is None:
            reasons.append(Reason(field="price", rule="left out for an order without a price"))
        elif order.advanced is None:
            reasons += rules.off_limit_grid("price", params.price, instrument)
        elif params.price <= 0:
            reasons.append(Reason(field="price", rule="above zero"))
    if params.trigger_price is not None:
        if order.asked_trigger_price is None:
            rule = "left out for an order without a trigger price of its own"
            reasons.append(Reason(field="trigger_price", rule=rule))
        else:
            reasons += rules.off_trigger_grid(params.trigger_price, instrument, order.trigger or "")
    if params.trigger_offset is not None and order.trigger_offset is None:
        reasons.append(Reason(field="trigger_offset", rule="left out for an order that is no trailing stop"))
    if params.post_only and (order.price is None or order.advanced is not None):
        reasons.append(Reason(field="post_only", rule="left out for an order without a price in the book's unit"))
    if params.mmp and order.order_type != "limit":
        reasons.append(Reason(field="mmp", rule="for limit orders only"))
    display = _changed(params.display_amount, order.asked_display)
    if display is not None and (params.display_amount is not None or params.amount is not None):
        reasons += rules.wrong_display(display, params.amount or order.amount, instrument)
    return reasons


def _edit_request(params: EditOrder, order: Order, valid_until_ms: int) -> Request:
    """Build the request. What rests in a book says whether it may take; what waits for another order must not."""
    post_only = order.post_only if params.post_only is None else params.post_only
    rests = order.price is not None and not order.is_secondary
    return Request(
        "private/edit",
        given(
            order_id=params.order_id,
            amount=_changed(params.amount, order.amount),
            price=_changed(params.price, order.asked_price),
            post_only=post_only if rests or post_only else None,
            reject_post_only=post_only and params.reject_post_only is not False if rests or post_only else None,
            reduce_only=_changed(params.reduce_only, order.reduce_only),
            trigger_price=_changed(params.trigger_price, order.asked_trigger_price),
            trigger_offset=_changed(params.trigger_offset, order.trigger_offset),
            display_amount=_changed(params.display_amount, order.asked_display),
            advanced=order.advanced,
            mmp=_changed(params.mmp, order.mmp or None),
            valid_until=valid_until_ms,
        ),
    )


def _changed(wanted: T | None, stands: T) -> T:
    return stands if wanted is None else wanted
