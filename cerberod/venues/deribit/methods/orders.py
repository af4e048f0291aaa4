"""Orders at Deribit: placing and editing. Each function prepares one write; the one path of all writes sends it.

What the params alone show wrong is refused with the field's name. What needs the instrument is denied with the rule and
the nearest value that would pass. Nothing is ever adjusted.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData, VenueRefused
from cerberod.rpc.call import Call
from cerberod.trading.money import Amount, Price
from cerberod.trading.orders import Ending, Reason, WriteOutcome
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams, order_key_of
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import INSTRUMENT_CHANGED, ORDER_NOT_FOUND, VENUE
from cerberod.venues.deribit.finders import changeable, find_edited, find_placed, placed
from cerberod.venues.deribit.methods.words import (
    INSTRUMENT_NAME,
    InstrumentName,
    OrderId,
)
from cerberod.venues.deribit.wire import orders as wire
from cerberod.venues.deribit.wire.market import Instrument
from cerberod.venues.deribit.wire.orders import Order, Trade
from cerberod.venues.deribit.wire.requests import Request, given, label_of, until_ms
from cerberod.venues.instants import Instant

T = TypeVar("T")

LIMITED = frozenset({"limit", "stop_limit", "take_limit"})
"""Types with a price of their own."""
AT_MARKET = frozenset({"market", "stop_market", "take_market", "trailing_stop"})
"""Types that fill at whatever the book has; Deribit refuses a time in force for them."""
TRIGGERED = frozenset({"stop_limit", "stop_market", "take_limit", "take_market", "trailing_stop"})
"""Types that wait for a trigger."""


ValidFor = Annotated[int, Field(ge=1, le=86_400_000)]
VALID_FOR = (
    "How long Deribit may take to begin with it, in milliseconds from now on; later it does nothing. Left out, as long "
    "as the call may take. An outcome that is not known can end as rejected only when this has passed."
)
VALID_UNTIL = "The same as a moment of Deribit's own time, ISO 8601 with zone; then without `valid_for_ms`."


class OrderOutcome(WriteOutcome):
    """What became of an order."""

    order: Order | None = Field(default=None, description="The order as Deribit told it; null where it told none.")
    trades: list[Trade] = Field(default=[], description="Fills it had at once; later ones are not in here.")


class PlaceOrder(WriteParams):
    """One order."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    side: Literal["buy", "sell"] = Field(description="Which side.")
    amount: Amount = Field(
        description="Size as decimal text: USD for inverse futures, base coin for options, linear and spot."
    )
    type: Literal[
        "limit", "market", "stop_limit", "stop_market", "take_limit", "take_market", "market_limit", "trailing_stop"
    ] = Field(default="limit", description="Type of the order.")
    price: Price | None = Field(
        default=None,
        validate_default=True,
        description="Limit price as decimal text, for the limit types and only for them. Coin for options settled in "
        "coin; USD with `advanced` usd; percent a year with `advanced` implv (100 is 100 %).",
    )
    trigger: Literal["index_price", "mark_price", "last_price"] | None = Field(
        default=None, validate_default=True, description="Which price fires a stop, take or trailing order."
    )
    trigger_price: Price | None = Field(
        default=None, validate_default=True, description="The price that fires a stop or take order, as decimal text."
    )
    trigger_offset: Price | None = Field(
        default=None, validate_default=True, description="Distance a trailing stop follows at, as decimal text."
    )
    time_in_force: Literal["good_til_cancelled", "good_til_day", "fill_or_kill", "immediate_or_cancel"] | None = Field(
        default=None,
        description="How long it lasts: good_til_cancelled when left out. Not for market types.",
    )
    post_only: bool = Field(default=False, description="Never take; only with a price and good_til_cancelled.")
    reject_post_only: bool = Field(
        default=True,
        description="With `post_only`: refuse the order if it would take. False lets Deribit move the price instead.",
    )
    reduce_only: bool = Field(default=False, description="Never open or grow a position.")
    display_amount: Amount | None = Field(
        default=None,
        description="Visible size of an iceberg, at least 100 times the smallest order. The rest pays taker fees.",
    )
    advanced: Literal["usd", "implv"] | None = Field(
        default=None,
        description="Options: price in USD, or in implied volatility; Deribit then follows with the price.",
    )
    valid_for_ms: ValidFor | None = Field(default=None, description=VALID_FOR)
    valid_until: Instant | None = Field(default=None, description=VALID_UNTIL)

    @field_validator("valid_until")
    @classmethod
    def _one_expiry(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        return _instead_of_valid_for(moment, info)

    @field_validator("price")
    @classmethod
    def _price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return _fits(price, info, LIMITED)

    @field_validator("trigger")
    @classmethod
    def _trigger_fits(cls, trigger: str | None, info: ValidationInfo) -> str | None:
        return _fits(trigger, info, TRIGGERED)

    @field_validator("trigger_price")
    @classmethod
    def _trigger_price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return _fits(price, info, TRIGGERED - {"trailing_stop"})

    @field_validator("trigger_offset")
    @classmethod
    def _trigger_offset_fits(cls, offset: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return _fits(offset, info, frozenset({"trailing_stop"}))

    @field_validator("time_in_force")
    @classmethod
    def _lasts(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("type") in AT_MARKET:
            raise PydanticCustomError("type", "left out for a market type")
        return value

    @field_validator("post_only")
    @classmethod
    def _may_rest(cls, post_only: bool, info: ValidationInfo) -> bool:
        if post_only and info.data.get("type", "limit") not in LIMITED:
            raise PydanticCustomError("type", "only for a type with a price")
        if post_only and info.data.get("time_in_force") not in (None, "good_til_cancelled"):
            raise PydanticCustomError("type", "only with good_til_cancelled")
        return post_only

    @field_validator("display_amount")
    @classmethod
    def _may_hide(cls, display: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if display is not None and info.data.get("type", "limit") not in LIMITED:
            raise PydanticCustomError("type", "only for a type with a price")
        if display is not None and display > info.data.get("amount", display):
            raise PydanticCustomError("type", "at most the amount")
        return display

    @field_validator("advanced")
    @classmethod
    def _may_follow(cls, advanced: str | None, info: ValidationInfo) -> str | None:
        if advanced is not None and info.data.get("type", "limit") not in LIMITED:
            raise PydanticCustomError("type", "only for a type with a price")
        return advanced


def _instead_of_valid_for(moment: datetime | None, info: ValidationInfo) -> datetime | None:
    if moment is not None and info.data.get("valid_for_ms") is not None:
        raise PydanticCustomError("expiry", "left out where valid_for_ms is given")
    return moment


def _fits(value: T, info: ValidationInfo, types: frozenset[str]) -> T:
    """Demand a value for some order types and refuse it for all others. An invalid type is told on its own."""
    kind = info.data.get("type")
    if kind is None:
        return value
    if value is None and kind in types:
        raise PydanticCustomError("type", "needed for this type of order")
    if value is not None and kind not in types:
        raise PydanticCustomError("type", "left out for this type of order")
    return value


@write("deribit.place_order", finder=find_placed)
async def place_order(call: Call, params: PlaceOrder) -> Plan[OrderOutcome]:
    """Place one order, at most once for each intent.

    Confirmed means that Deribit took the order: see `order.order_state`, because an immediate order that found nothing
    to fill is confirmed and cancelled at once. Denied, with the nearest value that would pass, when the price is off
    the tick, the amount too small or off its grid, or the instrument does not trade. The client order id is the
    order's label.
    """
    deribit = call.use(Deribit)
    account = deribit.account
    instrument = await _instrument(deribit, params.instrument_name)
    if instrument is None:
        return _denied(account, Reason(field="instrument_name", rule="an instrument of this venue"))
    if reasons := list(_objections(params, instrument)):
        return _denied(account, *reasons)
    if objection := await deribit.clock_objection():
        return _denied(account, Reason(field="clock", rule=objection))
    label = label_of(order_key_of(call, params, account))
    request = _order_request(params, label, _valid_until_ms(params, deribit))

    async def send(sent: Sent) -> Ending:
        answer = await deribit.write(request.method, request.params, sent)
        order, trades = wire.placed(answer.result)
        if (order.label, order.instrument_name, order.direction.value) != (label, params.instrument_name, params.side):
            raise BadVenueData(VENUE, "result.order", "the order that was placed")
        return placed(order, trades, answer.as_of)

    return Plan(
        VENUE,
        account,
        send,
        request.journal(currency=instrument.currency),
        client_order_id=label,
        reduces=params.reduce_only,
    )


def _objections(params: PlaceOrder, instrument: Instrument) -> Sequence[Reason]:
    reasons = [*rules.not_tradable(instrument), *rules.wrong_amount("amount", params.amount, instrument)]
    if params.advanced is not None:
        reasons += rules.wrong_advanced(params.advanced, instrument)
    elif params.price is not None:
        reasons += rules.off_grid("price", params.price, instrument)
    if params.trigger_price is not None:
        reasons += rules.off_trigger_grid(params.trigger_price, instrument)
    if params.display_amount is not None:
        reasons += rules.wrong_display(params.display_amount, params.amount, instrument)
    return reasons


def _order_request(params: PlaceOrder, label: str, valid_until_ms: int) -> Request:
    """Build the request. What Deribit would choose by itself is always said, so that no default of its surprises."""
    lasting = params.time_in_force
    if lasting is None and params.type in LIMITED:
        lasting = "good_til_cancelled"
    return Request(
        f"private/{params.side}",
        given(
            instrument_name=params.instrument_name,
            amount=params.amount,
            type=params.type,
            label=label,
            price=params.price,
            time_in_force=lasting,
            post_only=params.post_only,
            reject_post_only=params.post_only and params.reject_post_only,
            reduce_only=params.reduce_only,
            display_amount=params.display_amount,
            trigger=params.trigger,
            trigger_price=params.trigger_price,
            trigger_offset=params.trigger_offset,
            advanced=params.advanced,
            valid_until=valid_until_ms,
        ),
    )


class EditOrder(WriteParams):
    """What to change in an order. What is left out stays as it is."""

    order_id: OrderId = Field(description="Deribit's id of the order.")
    amount: Amount | None = Field(
        default=None, description="New whole size as decimal text, the filled part included; in the unit of the order."
    )
    price: Price | None = Field(
        default=None, description="New price as decimal text, in the unit the order was priced in."
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
    valid_for_ms: ValidFor | None = Field(default=None, description=VALID_FOR)
    valid_until: Instant | None = Field(default=None, description=VALID_UNTIL)

    @field_validator("valid_until")
    @classmethod
    def _one_expiry(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        return _instead_of_valid_for(moment, info)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        changes = (self.amount, self.price, self.trigger_price, self.trigger_offset, self.display_amount)
        if all(change is None for change in (*changes, self.post_only, self.reduce_only)):
            raise PydanticCustomError(
                "edit",
                "at least one of amount, price, trigger_price, trigger_offset, "
                "display_amount, post_only and reduce_only",
            )
        return self


@write("deribit.edit_order", finder=find_edited)
async def edit_order(call: Call, params: EditOrder) -> Plan[OrderOutcome]:
    """Change an open order in place.

    The order is read first and everything that is not changed is repeated as it stands, so that no default of the
    venue changes it. `amount` is the new whole size, filled part included. Denied when there is no such order, when it
    is not open any more, or for the reasons of `deribit.place_order`. Confirmed carries the order as it is now.
    """
    deribit = call.use(Deribit)
    account = deribit.account
    if objection := await deribit.clock_objection():
        return _denied(account, Reason(field="clock", rule=objection))
    try:
        order = wire.one_order((await deribit.read("private/get_order_state", {"order_id": params.order_id})).result)
    except VenueRefused as refused:
        if refused.venue_code != str(ORDER_NOT_FOUND):
            raise
        return _denied(account, Reason(field="order_id", rule="an order of this account"))
    if order.order_state.done:
        rule = f"an open order; this one is {order.order_state.value}"
        return _denied(account, Reason(field="order_id", rule=rule))
    instrument = await _instrument(deribit, order.instrument_name)
    if instrument is None:
        return _denied(account, Reason(field="order_id", rule="an order on an instrument of this venue"))
    if reasons := list(_edit_objections(params, order, instrument)):
        return _denied(account, *reasons)
    request = _edit_request(params, order, _valid_until_ms(params, deribit))

    async def send(sent: Sent) -> Ending:
        try:
            answer = await deribit.write(request.method, request.params, sent)
        except VenueRefused as refused:
            if int(refused.venue_code) in INSTRUMENT_CHANGED:
                deribit.instruments.forget(order.instrument_name)
            raise
        edited, trades = wire.placed(answer.result)
        if edited.order_id != order.order_id:
            raise BadVenueData(VENUE, "result.order.order_id", "the order that was edited")
        return placed(edited, trades, answer.as_of)

    journal = request.journal(instrument_name=order.instrument_name, before=changeable(order))
    return Plan(VENUE, account, send, journal, reduces=request.params["reduce_only"] is True)


def _edit_objections(params: EditOrder, order: Order, instrument: Instrument) -> Sequence[Reason]:
    reasons: list[Reason] = []
    if params.amount is not None:
        reasons += rules.wrong_amount("amount", params.amount, instrument)
    if params.price is not None:
        if order.price is None:
            reasons.append(Reason(field="price", rule="left out for an order without a price"))
        elif order.advanced is None:
            reasons += rules.off_grid("price", params.price, instrument)
    if params.trigger_price is not None:
        if order.trigger_price is None:
            reasons.append(Reason(field="trigger_price", rule="left out for an order without a trigger price"))
        else:
            reasons += rules.off_trigger_grid(params.trigger_price, instrument)
    if params.trigger_offset is not None and order.trigger_offset is None:
        reasons.append(Reason(field="trigger_offset", rule="left out for an order that is no trailing stop"))
    if params.display_amount is not None:
        reasons += rules.wrong_display(params.display_amount, params.amount or order.amount, instrument)
    return reasons


def _edit_request(params: EditOrder, order: Order, valid_until_ms: int) -> Request:
    post_only = order.post_only if params.post_only is None else params.post_only
    return Request(
        "private/edit",
        given(
            order_id=params.order_id,
            amount=params.amount or order.amount,
            price=params.price or order.asked_price,
            post_only=post_only,
            reject_post_only=post_only and params.reject_post_only is not False,
            reduce_only=order.reduce_only if params.reduce_only is None else params.reduce_only,
            trigger_price=params.trigger_price or order.trigger_price,
            trigger_offset=params.trigger_offset or order.trigger_offset,
            display_amount=params.display_amount or order.display_amount,
            advanced=order.advanced,
            valid_until=valid_until_ms,
        ),
    )


def _valid_until_ms(params: PlaceOrder | EditOrder, deribit: Deribit) -> int:
    """Say in the venue's time when it must do nothing any more; its not being found proves something from then on."""
    if params.valid_until is not None:
        return until_ms(params.valid_until)
    valid_for_ms = deribit.write_valid_ms if params.valid_for_ms is None else params.valid_for_ms
    return deribit.venue_ms() + valid_for_ms


async def _instrument(deribit: Deribit, name: str) -> Instrument | None:
    """Return an instrument, or None when the venue says that there is none of this name.

    What is remembered of one whose expiry has passed is not believed: the venue is asked for its state.
    """
    try:
        instrument = await deribit.instruments.get(name)
        if instrument.expires_at is not None and instrument.expires_at <= from_ms(deribit.venue_ms()):
            deribit.instruments.forget(name)
            instrument = await deribit.instruments.get(name)
        return instrument
    except VenueRefused as refused:
        if int(refused.venue_code) in INSTRUMENT_CHANGED:
            return None
        raise


def _denied(account: str, *reasons: Reason) -> Plan[Any]:
    return Plan(VENUE, account, None, denied=reasons)
