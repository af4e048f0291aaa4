"""Orders that end a position at Deribit: at once, or when a trigger fires. Each function prepares one.

Side and size follow from the position as it is read here; every order is reduce-only, so that a position that has
changed meanwhile is never turned around. Our own order in place of the venue's `close_position`, which takes no label:
what has no label cannot be found again.
"""

from decimal import Decimal
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.trading.money import Amount, Price, plain
from cerberod.trading.orders import Reason
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, order_key_of
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.finders import find_placed
from cerberod.venues.deribit.methods.terms import (
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
    trigger_objections,
)
from cerberod.venues.deribit.methods.words import INSTRUMENT_NAME, InstrumentName
from cerberod.venues.deribit.wire import account as wire
from cerberod.venues.deribit.wire.market import Instrument
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.deribit.wire.requests import Request, Value, given, label_of

_AMOUNT = "Part of the position as decimal text, in the unit of its size; all of it when left out."


class Reducing(Expiring):
    """Params of every order that ends a position, or a part of it."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    amount: Amount | None = Field(default=None, description=_AMOUNT)


class ClosePosition(Reducing):
    """Which position to close, and how."""

    type: Literal["market", "limit"] = Field(default="market", description="Type of the order.")
    price: Price | None = Field(
        default=None, validate_default=True, description="Limit price as decimal text, for a limit order only."
    )
    time_in_force: TimeInForce | None = Field(
        default=None, description="How long a limit order lasts: good_til_cancelled when left out. Not for market."
    )

    @field_validator("price")
    @classmethod
    def _price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return fits(price, info, frozenset({"limit"}))

    @field_validator("time_in_force")
    @classmethod
    def _lasts(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("type", "market") == "market":
            raise PydanticCustomError("type", "left out for a market order")
        return value


@write("deribit.close_position", finder=find_placed)
async def close_position(call: Call, params: ClosePosition) -> Plan[OrderOutcome]:
    """Close a position, or a part of it, by one reduce-only order of our own.

    The side and, unless `amount` is given, the size are read off the position. Denied when there is none or it is
    smaller than `amount`. Confirmed means that Deribit took the order: a limit order may rest, and what the book does
    not hold stays open (see `order.filled_amount`).
    """
    lasting = params.time_in_force or ("good_til_cancelled" if params.type == "limit" else None)
    terms = given(type=params.type, price=params.price, time_in_force=lasting)
    return await _reduce(call, params, terms, price=params.price)


class AtTrigger(Reducing):
    """Params of an order that ends a position when a trigger fires."""

    trigger_price: Price = Field(description="The price that fires it, as decimal text.", examples=["50000"])
    trigger: TriggerBy = Field(default="mark_price", description="Which price fires it.")
    price: Price | None = Field(
        default=None,
        description="Limit price of the order that it becomes, as decimal text; without one it fills at the market.",
    )


class SetStopLoss(AtTrigger):
    """Where to give a position up."""


class SetTakeProfit(AtTrigger):
    """Where to take a position's profit."""


@write("deribit.set_stop_loss", finder=find_placed)
async def set_stop_loss(call: Call, params: SetStopLoss) -> Plan[OrderOutcome]:
    """Place a reduce-only stop order on an open position.

    Side and size are read off the position. Denied when there is none, when the market is past the trigger already,
    when a limit price is beyond the trigger and would not fill, or for a put that would wait for the index, which falls
    while it gains. It is an order beside others: an earlier stop is not replaced, and what ends the position otherwise
    does not cancel it, though reduce-only keeps it from opening another.
    """
    return await _at_trigger(call, params, "stop")


@write("deribit.set_take_profit", finder=find_placed)
async def set_take_profit(call: Call, params: SetTakeProfit) -> Plan[OrderOutcome]:
    """Place a reduce-only take-profit order on an open position.

    Side and size are read off the position. Denied when there is none, or when the market is past the trigger already,
    or for a put that would wait for the index, which falls while it gains. It is an order beside others: an earlier
    one is not replaced, and what ends the position otherwise does not cancel it, though reduce-only keeps it from
    opening another.
    """
    return await _at_trigger(call, params, "take")


async def _at_trigger(call: Call, params: AtTrigger, what: str) -> Plan[OrderOutcome]:
    limited = params.price is not None
    terms = given(
        type=f"{what}_limit" if limited else f"{what}_market",
        price=params.price,
        time_in_force="good_til_cancelled" if limited else None,
        trigger=params.trigger,
        trigger_price=params.trigger_price,
    )
    return await _reduce(call, params, terms, price=params.price, trigger_price=params.trigger_price)


async def _reduce(
    call: Call,
    params: Reducing,
    terms: dict[str, Value],
    *,
    price: Decimal | None,
    trigger_price: Decimal | None = None,
) -> Plan[OrderOutcome]:
    """Prepare the order against the position: the other side, at most its size."""
    deribit = call.use(Deribit)
    account, name = deribit.account, params.instrument_name
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    instrument = await instrument_of(deribit, name)
    if instrument is None:
        return denied(account, not_listed(deribit, name))
    held = await _held(deribit, name)
    if not held:
        return denied(account, Reason(field="instrument_name", rule="an instrument with an open position"))
    side: Side = "sell" if held > 0 else "buy"
    trigger = str(terms.get("trigger", ""))
    reasons = list(_objections(instrument, params.amount, abs(held), price, trigger_price, trigger))
    if not reasons and trigger_price is not None:
        reasons = await trigger_objections(deribit, instrument, side, str(terms["type"]), trigger, trigger_price)
    if not reasons and price is not None and trigger_price is not None and str(terms["type"]).startswith("stop"):
        reasons = list(rules.out_of_reach("price", price, trigger_price, side, instrument, trigger))
    if reasons:
        return denied(account, *reasons)
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    label = label_of(order_key_of(call, params, account))
    request = Request(
        f"private/{side}",
        {
            "instrument_name": name,
            "amount": abs(held) if params.amount is None else params.amount,
            "label": label,
            **terms,
            "post_only": False,
            "reject_post_only": False,
            "reduce_only": True,
            "valid_until": params.valid_until_ms(deribit),
        },
    )
    journal = request.journal(currency=instrument.currency)
    return Plan(VENUE, account, answered(deribit, request, label), journal, client_order_id=label, reduces=True)


def _objections(
    instrument: Instrument,
    amount: Decimal | None,
    held: Decimal,
    price: Decimal | None,
    trigger_price: Decimal | None,
    trigger: str,
) -> list[Reason]:
    reasons = list(rules.not_tradable(instrument))
    if amount is not None:
        reasons += rules.wrong_amount("amount", amount, instrument)
        if amount > held:
            size = plain(held)
            reasons.append(Reason(field="amount", rule=f"at most the size of the position, {size}", nearest=size))
    if price is not None:
        reasons += rules.off_limit_grid("price", price, instrument)
    if trigger_price is not None:
        reasons += rules.backward_trigger("trigger", instrument, trigger)
        reasons += rules.off_trigger_grid(trigger_price, instrument, trigger)
    return reasons


async def _held(deribit: Deribit, instrument_name: str) -> Decimal:
    """Return the signed size that is held of an instrument."""
    answer = await deribit.read("private/get_position", {"instrument_name": instrument_name})
    return wire.position(Fields(answer.result, "result")).size
