"""What the account at Deribit did: closed orders, fills, and the log of its money. Needs keys."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.deribit import continued, past, tape
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.methods.windows import OfTape, of_tape
from cerberod.venues.deribit.methods.words import (
    CURRENCY,
    INSTRUMENT_NAME,
    KIND,
    Currency,
    InstrumentName,
    KindName,
    OrderId,
    alone,
    one_scope,
)
from cerberod.venues.deribit.wire.orders import Order
from cerberod.venues.deribit.wire.past import LogEntry, PastTrade, log_entry
from cerberod.venues.deribit.wire.requests import given
from cerberod.venues.instants import milliseconds
from cerberod.venues.windows import AS_OF, PAGES, OpenWindow, Window


class OfScope(Params):
    """An instrument, or a currency."""

    currency: Currency | None = Field(
        default=None,
        description=CURRENCY + " Or `instrument_name`, never both.",
        json_schema_extra={"x-example": "BTC"},
    )
    kind: KindName | None = Field(default=None, description=KIND + " Goes with `currency`.")
    instrument_name: InstrumentName | None = Field(
        default=None, description=INSTRUMENT_NAME + " Then neither `currency` nor `kind` is given."
    )

    @field_validator("instrument_name")
    @classmethod
    def _alone(cls, name: str | None, info: ValidationInfo) -> str | None:
        return alone(name, info)

    @property
    def scope(self) -> str:
        """The word by which Deribit's methods differ."""
        return "currency" if self.instrument_name is None else "instrument"

    @property
    def asked(self) -> dict[str, object]:
        return {**given(currency=self.currency, kind=self.kind, instrument_name=self.instrument_name)}


class GetOrderHistory(OfScope):
    """Which closed orders."""

    include_unfilled: bool = Field(default=True, description="List those that ended without a fill too.")
    count: int = Field(default=100, ge=1, le=past.MOST_ORDERS, description="Most orders to return, the newest.")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        one_scope(self.instrument_name, self.currency)
        return self


class OrderHistory(Result):
    """Closed orders."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    pages: int = Field(description=PAGES)
    has_more: bool = Field(description="Whether there are older ones.")
    orders: list[Order] = Field(description="The orders, by when they ended, newest first; empty when there are none.")


@method("deribit.get_order_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_order_history(call: Call, params: GetOrderHistory) -> OrderHistory:
    """List orders that are filled, cancelled or rejected, the newest first.

    Orders of the whole account are listed, not only those this daemon placed. Deribit keeps orders that ended in the
    last half hour apart from all others and indexes those with a delay; both places are read.
    """
    scope = {**params.asked, "include_unfilled": params.include_unfilled, "include_old": True}
    name = f"private/get_order_history_by_{params.scope}"
    found = await past.fetch_orders(call.use(Deribit), name, scope, params.count)
    return OrderHistory(
        as_of=found.as_of,
        count=len(found.orders),
        pages=found.pages,
        has_more=found.has_more,
        orders=found.orders,
    )


class GetTradeHistory(OfScope, OpenWindow):
    """Which fills: of an instrument, of a currency, or of one order."""

    order_id: OrderId | None = Field(
        default=None, description="All fills of this order; then nothing else is given but `count`."
    )
    count: int = Field(default=100, ge=1, le=tape.MOST, description="Most fills to return.")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if self.order_id is None:
            one_scope(self.instrument_name, self.currency)
        elif self.asked or self.start is not None or self.end is not None:
            raise PydanticCustomError("which", "order_id is given alone")
        return self


class TradeHistory(OfTape):
    """Fills of the account in order, without repeats."""

    trades: list[PastTrade] = Field(description="The fills, oldest first; empty when there are none.")


@method("deribit.get_trade_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_trade_history(call: Call, params: GetTradeHistory) -> TradeHistory:
    """Return fills of the account: the latest, those of a window, or of one order.

    Without `start` these are the latest before `end`. With it they are the oldest of the window: one with more than
    `count` is cut after a whole millisecond, and `next_start` goes on from there. Deribit keeps the fills of the last
    day apart from all others and indexes those with a delay; both places are read.
    """
    deribit = call.use(Deribit)
    if params.order_id is not None:
        found = await past.fetch_trades_of_order(deribit, params.order_id, params.count)
    else:
        found = await past.fetch_own_trades(deribit, params.scope, params.asked, *params.bounds_ms, params.count)
    return TradeHistory(**of_tape(found, params), trades=found.trades)


Query = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}( [a-z_]{1,20}){0,4}$")]


class GetTransactionLog(Window):
    """Which entries of the log."""

    currency: Currency = Field(description=CURRENCY)
    query: Query | None = Field(
        default=None,
        description="Only entries with these of Deribit's keywords: trade, maker, taker, open, close, buy, sell, "
        "option, future, block_trade, settlement, delivery, deposit, withdrawal, transfer, correction, swap.",
    )
    count: int = Field(default=250, ge=1, le=5000, description="Most entries to return, the newest of them.")
    continuation: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")] | None = Field(
        default=None, description="What an earlier answer gave: goes on with older ones, all else unchanged."
    )


class TransactionLog(Result):
    """Entries of the log in order."""

    as_of: datetime = Field(description=AS_OF)
    currency: str = Field(description="The currency.")
    count: int = Field(description="How many entries there are.")
    pages: int = Field(description=PAGES)
    continuation: str | None = Field(description="Goes on with older ones when given back; null when there are none.")
    entries: list[LogEntry] = Field(description="The entries, oldest first; empty when there are none.")


LOG_PAGE = 250
"""Most entries of one answer."""


@method("deribit.get_transaction_log", cost=10, deadline=Deadline.ANALYTICS)
async def get_transaction_log(call: Call, params: GetTransactionLog) -> TransactionLog:
    """Return the log of the account's money: trades, fees, funding, transfers.

    Amounts are decimal text in `currency`. Of more than `count` the newest are returned, and `continuation` goes on
    with the older ones. Deribit gives 250 entries a request and allows one a second after the first 8.
    """
    asked = given(
        currency=params.currency,
        start_timestamp=milliseconds(params.start),
        end_timestamp=milliseconds(params.end),
        query=params.query,
    )
    listing = continued.Listing("private/get_transaction_log", {**asked}, LOG_PAGE, "logs", log_entry, token=int)
    found = await continued.fetch_listing(
        call.use(Deribit),
        listing,
        start=params.start,
        end=params.end,
        count=params.count,
        continuation=params.continuation,
    )
    return TransactionLog(
        as_of=found.as_of,
        currency=params.currency,
        count=len(found.rows),
        pages=found.pages,
        continuation=found.continuation,
        entries=found.rows,
    )
