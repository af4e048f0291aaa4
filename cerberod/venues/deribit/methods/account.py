"""The account at Deribit: money, positions, orders. Needs keys."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result, method
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.methods.words import (
    CURRENCY,
    INSTRUMENT_NAME,
    KIND,
    Currency,
    CurrencyOrAny,
    InstrumentName,
    KindName,
    Label,
    OrderId,
    alone,
)
from cerberod.venues.deribit.scope import open_orders_request
from cerberod.venues.deribit.wire import account as wire
from cerberod.venues.deribit.wire import orders as wire_orders
from cerberod.venues.deribit.wire.account import AccountSummary, Position
from cerberod.venues.deribit.wire.orders import Order
from cerberod.venues.deribit.wire.reading import listed

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."


class GetAccountSummary(Params):
    """Which part of the account."""

    currency: Currency = Field(description=CURRENCY)


@method("deribit.get_account_summary")
async def get_account_summary(call: Call, params: GetAccountSummary) -> AccountSummary:
    """Return balance, equity, margins and greeks of one currency of the account.

    Amounts are decimal text in that currency. `delta_total` does not contain the coins held as equity. Without keys
    this is error -32028.
    """
    deribit = call.use(Deribit)
    answer = await deribit.read("private/get_account_summary", params.model_dump())
    deribit.learn_limits(answer.result)
    return wire.account_summary(answer.result, answer.stamp())


class GetPositions(Params):
    """Which positions."""

    currency: CurrencyOrAny | None = Field(default=None, description=CURRENCY + " All of them when left out.")
    kind: KindName | None = Field(default=None, description=KIND)


class Positions(Result):
    """Positions of the account."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    positions: list[Position] = Field(description="The positions; empty when there are none.")


@method("deribit.get_positions")
async def get_positions(call: Call, params: GetPositions) -> Positions:
    """List open positions.

    Sizes are USD for inverse futures and base coin otherwise, negative when short. Profits are in the settlement
    currency. Deribit may go on telling one that is closed, with size 0, for the profit it realized.
    """
    answer = await call.use(Deribit).read("private/get_positions", params.model_dump(exclude_none=True))
    found = listed(answer.result, "result", wire.position)
    return Positions(as_of=answer.stamp(), count=len(found), positions=found)


class GetOpenOrders(Params):
    """Which orders."""

    currency: Currency | None = Field(default=None, description=CURRENCY + " All of them when left out.")
    kind: KindName | None = Field(default=None, description=KIND)
    type: (
        Literal[
            "all",
            "limit",
            "trigger_all",
            "stop_all",
            "stop_limit",
            "stop_market",
            "take_all",
            "take_limit",
            "take_market",
            "trailing_all",
            "trailing_stop",
        ]
        | None
    ) = Field(default=None, description="Only orders of this type; all when left out.")
    instrument_name: InstrumentName | None = Field(
        default=None, description=INSTRUMENT_NAME + " Then neither `currency` nor `kind` is given."
    )

    @field_validator("instrument_name")
    @classmethod
    def _alone(cls, name: str | None, info: ValidationInfo) -> str | None:
        return alone(name, info)


class OpenOrders(Result):
    """Orders that may still fill."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    orders: list[Order] = Field(
        description="The orders, those waiting for a trigger included; empty when there are none."
    )


@method("deribit.get_open_orders")
async def get_open_orders(call: Call, params: GetOpenOrders) -> OpenOrders:
    """List open orders, those waiting for a trigger included.

    Orders of the whole account are listed, not only those this daemon placed. Prices and amounts are decimal text.
    """
    name, asked = open_orders_request(params.currency, params.kind, params.instrument_name)
    if params.type is not None:
        asked["type"] = params.type
    answer = await call.use(Deribit).read(name, asked)
    found = wire_orders.orders(answer.result)
    return OpenOrders(as_of=answer.stamp(), count=len(found), orders=found)


class GetOrder(Params):
    """Which order: by Deribit's id, or by label and currency."""

    order_id: OrderId | None = Field(default=None, description="Deribit's id of the order.")
    label: Label | None = Field(
        default=None,
        description="Its label: the client order id of an order placed here.",
        json_schema_extra={"x-example": "made-by-hand"},
    )
    currency: Currency | None = Field(
        default=None,
        description=CURRENCY + " Needed with `label`, and only then.",
        json_schema_extra={"x-example": "BTC"},
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.order_id is None) == (self.label is None):
            raise PydanticCustomError("which", "either order_id, or label with currency")
        if (self.label is None) != (self.currency is None):
            raise PydanticCustomError("which", "currency goes with label, and only with label")
        return self


class FoundOrders(Result):
    """What was found."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many were found; more than 1 only for a label that was used more than once.")
    orders: list[Order] = Field(description="The orders, newest first; empty when no recent order has the label.")


@method("deribit.get_order")
async def get_order(call: Call, params: GetOrder) -> FoundOrders:
    """Find an order by Deribit's id, or by its label.

    Deribit does not keep labels unique: every recent order with the label is listed. By id an unknown order is error
    -32025 with `reason` `order_not_found`; by label it is an empty list. Deribit finds closed orders by label for a
    short while only.
    """
    deribit = call.use(Deribit)
    if params.order_id is not None:
        answer = await deribit.read("private/get_order_state", {"order_id": params.order_id})
        found = [wire_orders.one_order(answer.result)]
    else:
        asked = {"currency": params.currency, "label": params.label}
        answer = await deribit.read("private/get_order_state_by_label", asked)
        found = wire_orders.orders(answer.result)
        found.sort(key=lambda order: order.created_at, reverse=True)
    return FoundOrders(as_of=answer.stamp(), count=len(found), orders=found)
