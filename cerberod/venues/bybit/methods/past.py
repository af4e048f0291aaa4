"""The account's past at Bybit: orders, executions, profits, the log of its money. Needs keys."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Result, method
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.instruments import naming
from cerberod.venues.bybit.methods.words import (
    CATEGORY,
    PAGES,
    SYMBOL,
    CategoryName,
    Coin,
    OrderId,
    OrderLinkId,
    Symbol,
)
from cerberod.venues.bybit.paging import WEEK_MS, Found, Listing, fetch_past
from cerberod.venues.bybit.wire import account as wire
from cerberod.venues.bybit.wire.account import AS_OF, ClosedPnl, LogEntry
from cerberod.venues.bybit.wire.orders import ExecType, Execution, Order, OrderStatus, execution, order
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.windows import OpenWindow

T = TypeVar("T")


class OfPast(OpenWindow):
    """A stretch of the past, and how much of it."""

    count: Annotated[int, Field(ge=1, le=2_000)] = Field(
        default=100,
        description="Most rows to return, the newest of the window. Rows of one millisecond stay together: fewer come "
        "when the last one may not be whole, and more when all are of one.",
    )

    def window_ms(self, now_ms: int) -> tuple[int, int]:
        """Return both ends: now where no end is given, a week before it where no start is."""
        start_ms, end_ms = self.bounds_ms
        last = now_ms if end_ms is None else end_ms
        return (max(0, last - WEEK_MS + 1) if start_ms is None else start_ms), last


class Past(Result):
    """What a part of the past says of itself."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many rows there are.")
    pages: int = Field(description=PAGES)
    has_more: bool = Field(description="Whether the window was not looked through to its beginning.")
    next_end: datetime | None = Field(
        description="The `end` that goes on with older ones, none of them told here; null when nothing follows."
    )


class _Rows(Generic[T]):
    """Rows of the past in order, with what they say of themselves."""

    def __init__(self, found: Found[T]) -> None:
        self.found = found
        self.rows = found.rows[::-1]
        self.told: dict[str, Any] = {
            "as_of": found.as_of,
            "count": len(found.rows),
            "pages": found.pages,
            "has_more": found.has_more,
            "next_end": found.next_at,
        }


async def _fetch(call: Call, params: OfPast, listing: Listing[T], at: Callable[[T], datetime]) -> Found[T]:
    bybit = call.use(Bybit)
    if bybit.offset_ms is None:
        await bybit.clock_objection()  # the venue's clock says when now is
    start_ms, end_ms = params.window_ms(bybit.venue_ms())
    category, symbol = listing.asked.get("category"), listing.asked.get("symbol")
    if category is None or symbol is None:
        return await fetch_past(bybit, listing, start_ms, end_ms, params.count, at)
    async with naming(bybit.instruments, Category(category), symbol):
        return await fetch_past(bybit, listing, start_ms, end_ms, params.count, at)


class GetOrderHistory(OfPast):
    """Which orders."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol | None = Field(default=None, description=SYMBOL + " All when left out.")
    order_status: Literal["Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"] | None = Field(
        default=None, description="Only orders that ended so."
    )


class OrderHistory(Past):
    """Closed orders in order."""

    category: Category = Field(description="The part of the venue.")
    orders: list[Order] = Field(description="The orders, oldest first; empty when there are none.")


@method("bybit.get_order_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_order_history(call: Call, params: GetOrderHistory) -> OrderHistory:
    """Return orders of the past, the newest of a window.

    Orders without a fill are kept for a day only. What has just ended may come a moment later. Without `start` it is
    the week before `end`; longer windows are read week by week.
    """
    category = Category(params.category)
    asked = {"category": params.category, "symbol": params.symbol, "orderStatus": params.order_status}
    listing = Listing("get_order_history", asked, 50, lambda row: order(row, category))
    found = await _fetch(call, params, listing, lambda each: each.created_at)
    # An order may move from page to page while they are read, and open ones are listed with some accounts.
    latest: dict[str, Order] = {}
    for each in found.rows:
        latest.setdefault(each.order_id, each)
    wanted = None if params.order_status is None else OrderStatus(params.order_status)
    kept = [each for each in latest.values() if wanted in (None, each.order_status)]
    rows = _Rows(replace(found, rows=kept))
    return OrderHistory(**rows.told, category=category, orders=rows.rows)


class GetExecutions(OfPast):
    """Which executions."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol | None = Field(default=None, description=SYMBOL + " All when left out.")
    base_coin: Coin | None = Field(default=None, description="Option: the coin; BTC when left out, as at Bybit.")
    order_id: OrderId | None = Field(default=None, description="Only of this order, by Bybit's id.")
    order_link_id: OrderLinkId | None = Field(default=None, description="Only of the order with this link id.")
    exec_type: Literal["Trade", "Funding", "AdlTrade", "BustTrade", "Delivery", "Settle", "BlockTrade"] | None = Field(
        default=None, description="Only these; all kinds when left out."
    )

    @model_validator(mode="after")
    def _coin_of_options(self) -> Self:
        if self.base_coin is not None and self.category != "option":
            raise PydanticCustomError("base_coin", "base_coin with category option only")
        return self


class Executions(Past):
    """Executions in order: fills, and what Bybit lists among them."""

    category: Category = Field(description="The part of the venue.")
    executions: list[Execution] = Field(description="Fills, deliveries, liquidations, oldest first; see `exec_type`.")
    funding: list[Execution] = Field(description="Payments of funding, oldest first: no trades of anybody's.")


@method("bybit.get_executions", cost=5, deadline=Deadline.ANALYTICS)
async def get_executions(call: Call, params: GetExecutions) -> Executions:
    """Return fills of a window, the newest of them; funding payments stand apart.

    Bybit lists funding among the executions: a sum over all of them is no sum of trades. A fee above zero was paid.
    Without `start` it is the week before `end`; longer windows are read week by week.
    """
    category = Category(params.category)
    asked = {
        "category": params.category,
        "symbol": params.symbol,
        "baseCoin": params.base_coin,
        "orderId": params.order_id,
        "orderLinkId": params.order_link_id,
        "execType": params.exec_type,
    }
    listing = Listing("get_executions", asked, 100, lambda row: execution(row, category))
    found = await _fetch(call, params, listing, lambda each: each.executed_at)
    once = {(each.symbol, each.exec_id, each.order_id): each for each in found.rows}
    kept = sorted(once.values(), key=lambda each: each.executed_at, reverse=True)
    rows = _Rows(replace(found, rows=kept))
    return Executions(
        **rows.told,
        category=category,
        executions=[each for each in rows.rows if each.exec_type is not ExecType.FUNDING],
        funding=[each for each in rows.rows if each.exec_type is ExecType.FUNDING],
    )


class GetClosedPnl(OfPast):
    """Of which contracts."""

    category: Literal["linear", "inverse", "option"] = Field(description="linear, inverse or option.")
    symbol: Symbol | None = Field(default=None, description=SYMBOL + " All when left out.")


class ClosedPnls(Past):
    """What closing orders made, in order."""

    category: Category = Field(description="The part of the venue.")
    closed: list[ClosedPnl] = Field(description="One for each closing order, oldest first; empty when there are none.")


@method("bybit.get_closed_pnl", cost=5, deadline=Deadline.ANALYTICS)
async def get_closed_pnl(call: Call, params: GetClosedPnl) -> ClosedPnls:
    """Return the profit of closed positions, the newest of a window.

    Fees of opening and closing are taken off, funding is not: that is in the transaction log. `side` is that of the
    closing order. Without `start` it is the week before `end`; longer windows are read week by week.
    """
    category = Category(params.category)
    asked = {"category": params.category, "symbol": params.symbol}
    listing = Listing("get_closed_pnl", asked, 100, wire.closed_pnl)
    rows = _Rows(await _fetch(call, params, listing, lambda each: each.closed_at))
    return ClosedPnls(**rows.told, category=category, closed=rows.rows)


class GetTransactionLog(OfPast):
    """Which entries."""

    category: CategoryName | None = Field(default=None, description=CATEGORY + " All when left out.")
    currency: Coin | None = Field(default=None, description="Only changes in this coin.")
    type: (
        Literal["TRADE", "SETTLEMENT", "DELIVERY", "LIQUIDATION", "ADL", "TRANSFER_IN", "TRANSFER_OUT", "INTEREST"]
        | None
    ) = Field(default=None, description="Only entries of this type; SETTLEMENT is funding.")


class TransactionLog(Past):
    """Entries of the log in order."""

    entries: list[LogEntry] = Field(description="The entries, oldest first; empty when there are none.")


@method("bybit.get_transaction_log", cost=5, deadline=Deadline.ANALYTICS)
async def get_transaction_log(call: Call, params: GetTransactionLog) -> TransactionLog:
    """Return the log of the account's money, the newest entries of a window.

    Every change of a balance: trades, fees, funding, transfers. Here funding above zero was received, the opposite of
    an execution's fee. Without `start` it is the week before `end`; longer windows are read week by week.
    """
    asked = {
        "accountType": "UNIFIED",
        "category": params.category,
        "currency": params.currency,
        "type": params.type,
    }
    listing = Listing("get_transaction_log", asked, 50, wire.log_entry)
    rows = _Rows(await _fetch(call, params, listing, lambda each: each.at))
    return TransactionLog(**rows.told, entries=rows.rows)
