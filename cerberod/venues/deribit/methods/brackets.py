"""Brackets at Deribit: an entry that sets off a stop and a take profit, of which one cancels the other.

One request and one order of ours: the venue makes and links the two exits. They carry the entry's label with an ending
of their own, so that the entry's stays unique.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import Params
from cerberod.trading.journal import Entry
from cerberod.trading.money import Amount, Price
from cerberod.trading.orders import Ending, Reason
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, order_key_of
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.finders import find_by_label, placed
from cerberod.venues.deribit.methods.terms import (
    AMOUNT,
    SIDE,
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
    opposite,
    ticker_of,
)
from cerberod.venues.deribit.methods.words import INSTRUMENT_NAME, InstrumentName
from cerberod.venues.deribit.wire.market import Instrument, Kind, Ticker
from cerberod.venues.deribit.wire.orders import Order, Trade
from cerberod.venues.deribit.wire.requests import Request, given, label_of

_STOP, _TAKE = "-sl", "-tp"


class Exit(Params):
    """One way out of the position."""

    trigger_price: Price = Field(description="The price that fires it, as decimal text.")
    trigger: TriggerBy = Field(default="mark_price", description="Which price fires it.")
    price: Price | None = Field(
        default=None,
        description="Limit price of the order that it becomes, as decimal text; without one it fills at the market.",
    )


class PlaceBracketOrder(Expiring):
    """An entry with its two exits."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    side: Side = Field(description=SIDE + " The exits are on the other one.")
    amount: Amount = Field(description=AMOUNT)
    type: Literal["limit", "market"] = Field(default="limit", description="Type of the entry.")
    price: Price | None = Field(
        default=None,
        validate_default=True,
        description="Limit price of the entry as decimal text; not for market.",
        json_schema_extra={"x-example": "61000"},
    )
    time_in_force: TimeInForce | None = Field(
        default=None, description="How long a limit entry lasts: good_til_cancelled when left out. Not for market."
    )
    post_only: bool = Field(default=False, description="The entry never takes; only with good_til_cancelled.")
    reject_post_only: bool = Field(
        default=True,
        description="With `post_only`: refuse the order if it would take. False lets Deribit move the price instead.",
    )
    stop_loss: Exit = Field(description="Where to give the position up.", examples=[{"trigger_price": "50000"}])
    take_profit: Exit = Field(description="Where to take its profit.", examples=[{"trigger_price": "120000"}])
    trigger_fill_condition: Literal["first_hit", "complete_fill", "incremental"] = Field(
        default="first_hit",
        description="When the exits come alive: with the first fill of the entry, with the last, or each time as much "
        "as was filled.",
    )

    @field_validator("price")
    @classmethod
    def _price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return fits(price, info, frozenset({"limit"}))

    @field_validator("time_in_force")
    @classmethod
    def _lasts(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("type", "limit") == "market":
            raise PydanticCustomError("type", "left out for a market order")
        return value

    @field_validator("post_only")
    @classmethod
    def _may_rest(cls, post_only: bool, info: ValidationInfo) -> bool:
        lasting = info.data.get("time_in_force")
        if post_only and (info.data.get("type", "limit") != "limit" or lasting not in (None, "good_til_cancelled")):
            raise PydanticCustomError("type", "only for a limit order with good_til_cancelled")
        return post_only


class BracketOutcome(OrderOutcome):
    """What became of a bracket."""

    stop_loss_label: str | None = Field(default=None, description="Label of the stop; null where nothing was placed.")
    take_profit_label: str | None = Field(
        default=None, description="Label of the take profit; null where nothing was placed."
    )


def _told(order: Order, trades: Sequence[Trade], as_of: datetime | None) -> Ending:
    ending = placed(order, trades, as_of)
    labels = {"stop_loss_label": order.label + _STOP, "take_profit_label": order.label + _TAKE}
    return replace(ending, detail={**ending.detail, **labels})


async def find_bracket(services: Services, entry: Entry) -> Ending | None:
    """Find the entry by its label; the exits are the venue's to make and carry other labels."""
    return await find_by_label(services, entry, _told)


@write("deribit.place_bracket_order", finder=find_bracket)
async def place_bracket_order(call: Call, params: PlaceBracketOrder) -> Plan[BracketOutcome]:
    """Place an entry that sets off a stop loss and a take profit when it fills.

    One order at the venue (one triggers one cancels other): the exits are reduce-only, wait until the entry fills, and
    the one that fills cancels the other; `order.linked_order_ids` names them. Denied when an exit would fire at once,
    measured against the price the entry would be filled at now, or against the index where an option's exit waits for
    that. A put's must not: the index falls while it gains. Denied too when the stop's limit price is beyond its trigger
    and would not fill.
    """
    deribit = call.use(Deribit)
    account = deribit.account
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    instrument = await instrument_of(deribit, params.instrument_name)
    if instrument is None:
        return denied(account, not_listed(deribit, params.instrument_name))
    reasons = _objections(params, instrument)
    if not reasons:
        reasons = _wrong_sides(params, instrument, await ticker_of(deribit, params.instrument_name))
    if reasons:
        return denied(account, *reasons)
    if untimely := await params.untimely(deribit):
        return denied(account, untimely)
    label = label_of(order_key_of(call, params, account))
    request = _bracket_request(params, label, params.valid_until_ms(deribit))
    sending = answered(deribit, request, label, _told)
    return Plan(VENUE, account, sending, request.journal(currency=instrument.currency), client_order_id=label)


def _objections(params: PlaceBracketOrder, instrument: Instrument) -> list[Reason]:
    reasons = [*rules.not_tradable(instrument), *rules.wrong_amount("amount", params.amount, instrument)]
    if params.price is not None:
        reasons += rules.off_limit_grid("price", params.price, instrument)
    for name, way in _exits(params):
        reasons += rules.backward_trigger(f"{name}.trigger", instrument, way.trigger)
        reasons += rules.off_trigger_grid(way.trigger_price, instrument, way.trigger, f"{name}.trigger_price")
        if way.price is not None:
            reasons += rules.off_limit_grid(f"{name}.price", way.price, instrument)
    stop = params.stop_loss
    if stop.price is not None and not reasons:
        reasons += rules.out_of_reach(
            "stop_loss.price", stop.price, stop.trigger_price, opposite(params.side), instrument, stop.trigger
        )
    return reasons


def _wrong_sides(params: PlaceBracketOrder, instrument: Instrument, ticker: Ticker) -> list[Reason]:
    """Say which exit would fire as soon as the entry fills: at its limit, or at the market where that is better.

    What an option is entered at says nothing of the index, which is held against its present price alone.
    """
    reasons: list[Reason] = []
    for name, way in _exits(params):
        if not rules.trigger_has_a_side(instrument, way.trigger):
            continue
        price: float | None = getattr(ticker, way.trigger)
        of_index = instrument.kind is Kind.OPTION and way.trigger == "index_price"
        known = [params.price] if params.price is not None and not of_index else []
        known += [Decimal(repr(price))] if price else []
        if known:
            reasons += rules.wrong_side(
                f"{name}.trigger_price",
                way.trigger_price,
                opposite(params.side),
                min(known) if params.side == "buy" else max(known),
                instrument,
                takes=name == "take_profit",
                trigger=way.trigger,
                against="the index price" if of_index else "the price it enters at",
            )
    return reasons


def _exits(params: PlaceBracketOrder) -> list[tuple[str, Exit]]:
    return [("stop_loss", params.stop_loss), ("take_profit", params.take_profit)]


def _bracket_request(params: PlaceBracketOrder, label: str, valid_until_ms: int) -> Request:
    lasting = params.time_in_force
    if lasting is None and params.type == "limit":
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
            reduce_only=False,
            linked_order_type="one_triggers_one_cancels_other",
            trigger_fill_condition=params.trigger_fill_condition,
            otoco_config=[
                _exit_config(params, params.take_profit, "take", label + _TAKE),
                _exit_config(params, params.stop_loss, "stop", label + _STOP),
            ],
            valid_until=valid_until_ms,
        ),
    )


def _exit_config(params: PlaceBracketOrder, way: Exit, what: str, label: str) -> dict[str, Any]:
    limited = way.price is not None
    return given(
        amount=params.amount,
        direction=opposite(params.side),
        type=f"{what}_limit" if limited else f"{what}_market",
        label=label,
        price=way.price,
        time_in_force="good_til_cancelled" if limited else None,
        reduce_only=True,
        trigger=way.trigger,
        trigger_price=way.trigger_price,
    )
