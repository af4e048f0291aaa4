"""Placing an order at Deribit. The function prepares it; the one path of all writes sends it.

What the params alone show wrong is refused with the field's name. What needs the instrument is denied with the rule and
the nearest value that would pass. Nothing is ever adjusted.
"""

from decimal import Decimal
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.trading.money import Amount, Price, Quantity
from cerberod.trading.orders import Reason
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, order_key_of
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.finders import find_placed
from cerberod.venues.deribit.methods.terms import (
    AMOUNT,
    AT_MARKET,
    LIMITED,
    SIDE,
    TRIGGERED,
    Expiring,
    OrderOutcome,
    Side,
    TimeInForce,
    TriggerBy,
    answered,
    denied,
    fits,
    instrument_of,
    not_listed,
    package_objections,
    trigger_objections,
)
from cerberod.venues.deribit.methods.words import INSTRUMENT_NAME, InstrumentName, is_name_of_combo
from cerberod.venues.deribit.wire.market import Instrument
from cerberod.venues.deribit.wire.requests import Request, given, label_of


class PlaceOrder(Expiring):
    """One order."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    side: Side = Field(description=SIDE)
    amount: Amount = Field(description=AMOUNT)
    type: Literal[
        "limit", "market", "stop_limit", "stop_market", "take_limit", "take_market", "market_limit", "trailing_stop"
    ] = Field(default="limit", description="Type of the order.")
    price: Quantity | None = Field(
        default=None,
        validate_default=True,
        json_schema_extra={"x-example": "50000"},
        description="Limit price as decimal text, for the limit types and only for them. Coin for options settled in "
        "coin, below 1 for a call and 10 for a put; USD with `advanced` usd; percent a year with `advanced` implv (100 "
        "is 100 %). Of a combo in the combo's own sense, and only there zero or less. Deribit moves a price beyond its "
        "band to the band's edge; `order.price` tells it.",
    )
    trigger: TriggerBy | None = Field(
        default=None, validate_default=True, description="Which price fires a stop, take or trailing order."
    )
    trigger_price: Price | None = Field(
        default=None, validate_default=True, description="The price that fires a stop or take order, as decimal text."
    )
    trigger_offset: Price | None = Field(
        default=None, validate_default=True, description="Distance a trailing stop follows at, as decimal text."
    )
    time_in_force: TimeInForce | None = Field(
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
    mmp: bool = Field(default=False, description="Counts for market maker protection; limit orders only.")

    @field_validator("price")
    @classmethod
    def _price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if price is not None and price <= 0 and not is_name_of_combo(info.data.get("instrument_name", "")):
            raise PydanticCustomError("decimal_text", "a decimal number above 0, but for a combo")
        return fits(price, info, LIMITED)

    @field_validator("trigger")
    @classmethod
    def _trigger_fits(cls, trigger: str | None, info: ValidationInfo) -> str | None:
        return fits(trigger, info, TRIGGERED)

    @field_validator("trigger_price")
    @classmethod
    def _trigger_price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return fits(price, info, TRIGGERED - {"trailing_stop"})

    @field_validator("trigger_offset")
    @classmethod
    def _trigger_offset_fits(cls, offset: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return fits(offset, info, frozenset({"trailing_stop"}))

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
        if advanced is not None and info.data.get("post_only"):
            raise PydanticCustomError("post_only", "not with post_only")
        return advanced

    @field_validator("mmp")
    @classmethod
    def _may_be_protected(cls, mmp: bool, info: ValidationInfo) -> bool:
        if mmp and info.data.get("type", "limit") != "limit":
            raise PydanticCustomError("type", "only for a limit order")
        return mmp


@write("deribit.place_order", finder=find_placed)
async def place_order(call: Call, params: PlaceOrder) -> Plan[OrderOutcome]:
    """Place one order, at most once for each intent.

    Confirmed means that Deribit took the order: see `order.order_state`, because an immediate order that found nothing
    to fill is confirmed and cancelled at once. Denied, with the nearest value that would pass, when the price is off
    the tick, the amount too small or off its grid, the instrument does not trade, or a trigger is on the wrong side of
    the market and would fire at once. The client order id is the order's label. A trigger order that fires goes on
    under a new order id and the same label.
    """
    deribit = call.use(Deribit)
    account = deribit.account
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    instrument = await instrument_of(deribit, params.instrument_name)
    if instrument is None:
        return denied(account, not_listed(deribit, params.instrument_name))
    reasons = (
        _objections(params, instrument)
        or await package_objections(deribit, instrument, params.price)
        or await trigger_objections(deribit, instrument, params.side, params.type, params.trigger, params.trigger_price)
    )
    if reasons:
        return denied(account, *reasons)
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    label = label_of(order_key_of(call, params, account))
    request = _order_request(params, label, params.valid_until_ms(deribit))
    return Plan(
        VENUE,
        account,
        answered(deribit, request, label),
        request.journal(currency=instrument.currency),
        client_order_id=label,
        reduces=params.reduce_only,
    )


def _objections(params: PlaceOrder, instrument: Instrument) -> list[Reason]:
    reasons = [*rules.not_tradable(instrument), *rules.wrong_amount("amount", params.amount, instrument)]
    if params.advanced is not None:
        reasons += rules.wrong_advanced(params.advanced, instrument)
    elif params.price is not None:
        reasons += rules.off_limit_grid("price", params.price, instrument)
    if params.trigger_price is not None:
        reasons += rules.off_trigger_grid(params.trigger_price, instrument, params.trigger or "")
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
            mmp=params.mmp or None,
            valid_until=valid_until_ms,
        ),
    )
