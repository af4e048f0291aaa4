"""The account at Bybit: money, positions, orders that are open. Needs keys."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, NoParams, Params, Result, method
from cerberod.trading.money import Quantity
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.instruments import naming
from cerberod.venues.bybit.methods.terms import OrderTerms, order_params, require_fitting
from cerberod.venues.bybit.methods.words import (
    BASE_COIN,
    CATEGORY,
    SETTLE_COIN,
    SYMBOL,
    CategoryName,
    Coin,
    OrderId,
    OrderLinkId,
    Symbol,
)
from cerberod.venues.bybit.paging import Listing, fetch_list
from cerberod.venues.bybit.wire import account as wire
from cerberod.venues.bybit.wire.account import AS_OF, AccountInfo, FeeRate, Position, Wallet
from cerberod.venues.bybit.wire.orders import Order, order
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.reading import tidy

_LINEAR_SETTLES_IN = ("USDT", "USDC")
"""Bybit lists linear positions and orders of one settlement coin at a time."""


class GetWalletBalance(Params):
    """Which coins."""

    coins: Annotated[list[Coin], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="These coins, whatever is held of them; all that are not empty when left out."
    )


@method("bybit.get_wallet_balance")
async def get_wallet_balance(call: Call, params: GetWalletBalance) -> Wallet:
    """Return the unified account: totals in USD, and what there is of each coin.

    Amounts are decimal text. What may be used for orders is `total_available_balance`. Totals are null in isolated
    margin. Without keys this is error -32028.
    """
    coins = None if params.coins is None else ",".join(params.coins)
    answer = await call.use(Bybit).read("get_wallet_balance", accountType="UNIFIED", coin=coins)
    rows = list(Fields(answer.result, "result").objects("list"))
    if len(rows) != 1:
        raise BadVenueData(VENUE, "result.list", "one account")
    return wire.wallet(rows[0], answer.stamp())


@method("bybit.get_account_info")
async def get_account_info(call: Call, params: NoParams) -> AccountInfo:
    """Tell what kind of account it is, and how its margins are reckoned.

    REGULAR_MARGIN is cross margin: every coin secures every position. Without keys this is error -32028.
    """
    bybit = call.use(Bybit)
    answer = await bybit.read("get_account_info")
    return wire.account_info(answer.result, from_ms(bybit.venue_ms() if answer.time_ms is None else answer.time_ms))


class OfScope(Params):
    """A part of the account."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol | None = Field(default=None, description=SYMBOL + " All when left out.")
    base_coin: Coin | None = Field(default=None, description=BASE_COIN)
    settle_coin: Coin | None = Field(default=None, description=SETTLE_COIN + " Not for spot.")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if sum(each is not None for each in (self.symbol, self.base_coin, self.settle_coin)) > 1:
            raise PydanticCustomError("scope", "one of symbol, base_coin and settle_coin")
        return self

    def asked(self) -> list[dict[str, Any]]:
        """Return what has to be asked for the whole of it: of linear without more, each settlement coin by itself."""
        found = {
            "category": self.category,
            "symbol": self.symbol,
            "baseCoin": self.base_coin,
            "settleCoin": self.settle_coin,
        }
        given = {name: value for name, value in found.items() if value is not None}
        if self.category == "linear" and len(given) == 1:
            return [given | {"settleCoin": coin} for coin in _LINEAR_SETTLES_IN]
        return [given]


class GetPositions(OfScope):
    """Which positions."""

    category: Literal["linear", "inverse", "option"] = Field(
        description="linear (USDT and USDC contracts), inverse or option. What is held of spot is in the wallet."
    )

    @model_validator(mode="after")
    def _fits_category(self) -> Self:
        if self.category == "linear" and self.base_coin is not None:
            raise PydanticCustomError("base_coin", "symbol or settle_coin with category linear")
        return self


class Positions(Result):
    """Positions of the account."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    count: int = Field(description="How many there are, flat ones included.")
    positions: list[Position] = Field(
        description="The positions. Asked for a symbol, a flat position is there too, with its leverage; else only "
        "those that are open."
    )


@method("bybit.get_positions", cost=2)
async def get_positions(call: Call, params: GetPositions) -> Positions:
    """List positions.

    Sizes are never below zero: `side` says which way, and null means flat. Base coin, USD in category inverse. In hedge
    mode a symbol has two rows.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    as_of: datetime | None = None
    positions: list[Position] = []
    for asked in params.asked():
        listing = Listing("get_positions", asked, 200, lambda row: wire.position(row, category))
        async with naming(bybit.instruments, category, params.symbol):
            found = await fetch_list(bybit, listing)
        as_of = as_of or found.as_of
        positions += [each for each in found.rows if each.size or params.symbol is not None]
    assert as_of is not None, "something was asked"
    return Positions(as_of=as_of, category=category, count=len(positions), positions=positions)


class GetOpenOrders(OfScope):
    """Which orders."""


class Orders(Result):
    """Orders of the account."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    count: int = Field(description="How many there are.")
    orders: list[Order] = Field(description="The orders, newest first; empty when there are none.")


@method("bybit.get_open_orders", cost=2)
async def get_open_orders(call: Call, params: GetOpenOrders) -> Orders:
    """List open orders, those waiting for a trigger included.

    Orders of the whole account are listed, not only those this daemon placed. Prices and sizes are decimal text.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    as_of: datetime | None = None
    once: dict[str, Order] = {}
    for asked in params.asked():
        listing = Listing("get_open_orders", asked, 50, lambda row: order(row, category))
        async with naming(bybit.instruments, category, params.symbol):
            found = await fetch_list(bybit, listing)
        as_of = as_of or found.as_of
        once |= {each.order_id: each for each in found.rows if each.order_status.open}
    assert as_of is not None, "something was asked"
    orders = sorted(once.values(), key=lambda each: each.created_at, reverse=True)
    return Orders(as_of=as_of, category=category, count=len(orders), orders=orders)


class GetOrder(Params):
    """Which order: by Bybit's id, or by its link id."""

    category: CategoryName = Field(description=CATEGORY)
    order_id: OrderId | None = Field(default=None, description="Bybit's id of the order.")
    order_link_id: OrderLinkId | None = Field(
        default=None,
        description="Its link id: the client order id of an order placed here.",
        json_schema_extra={"x-example": "MY-ORDER"},
    )
    symbol: Symbol | None = Field(default=None, description=SYMBOL + " Not needed; it narrows the search.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.order_id is None) == (self.order_link_id is None):
            raise PydanticCustomError("which", "either order_id or order_link_id")
        return self


@method("bybit.get_order", cost=2)
async def get_order(call: Call, params: GetOrder) -> Orders:
    """Find an order by Bybit's id or by its link id.

    Open and lately closed orders are looked through first, then the history: that holds a week, and orders without a
    fill for a day. An order that is not found is an empty list; right after it was placed that proves nothing.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    named = {"orderId": params.order_id, "orderLinkId": params.order_link_id}
    asked: dict[str, Any] = {"category": params.category, "symbol": params.symbol, **named}
    found: dict[str, Order] = {}
    as_of: datetime | None = None
    for call_name in ("get_open_orders", "get_order_history"):
        async with naming(bybit.instruments, category, params.symbol):
            answer = await bybit.read(call_name, **asked)
        as_of = answer.stamp()
        for row in Fields(answer.result, "result").objects("list"):
            each = order(row, category)
            if each.order_id == params.order_id or each.order_link_id == params.order_link_id:
                found.setdefault(each.order_id, each)
        if found:
            break
    assert as_of is not None, "something was asked"
    return Orders(as_of=as_of, category=category, count=len(found), orders=list(found.values()))


class GetFeeRate(Params):
    """Of which instruments."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol | None = Field(default=None, description=SYMBOL + " All when left out; not for options.")
    base_coin: Coin | None = Field(default=None, description="Option: the coin; all when left out.")

    @model_validator(mode="after")
    def _scope(self) -> Self:
        if self.category == "option" and self.symbol is not None:
            raise PydanticCustomError("symbol", "base_coin with category option: options of a coin have one rate")
        if self.category != "option" and self.base_coin is not None:
            raise PydanticCustomError("base_coin", "symbol, except with category option")
        return self


class FeeRates(Result):
    """What trading costs."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    count: int = Field(description="How many there are.")
    fees: list[FeeRate] = Field(description="The rates, in the venue's order; empty when there are none.")


@method("bybit.get_fee_rate", cost=2)
async def get_fee_rate(call: Call, params: GetFeeRate) -> FeeRates:
    """Return this account's fee rates.

    Fractions of the value as decimal text: 0.00055 is 5.5 basis points. Options have one rate for all of a coin. Bybit
    allows this call five times a second.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    async with naming(bybit.instruments, category, params.symbol):
        answer = await bybit.read(
            "get_fee_rates", category=params.category, symbol=params.symbol, baseCoin=params.base_coin
        )
    found = [wire.fee_rate(row) for row in Fields(answer.result, "result").objects("list")]
    return FeeRates(as_of=answer.stamp(), category=category, count=len(found), fees=found)


class PreCheckOrder(OrderTerms):
    """The order, as `place_order` takes it."""

    category: CategoryName = Field(description=CATEGORY)


class PreChecked(Result):
    """What an order would do to the account's margins: percent of its balance. Maintenance at 100 liquidates."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    initial_margin_before_pct: Quantity = Field(description="Initial margin now.")
    initial_margin_after_pct: Quantity = Field(description="Initial margin with the order.")
    maintenance_margin_before_pct: Quantity = Field(description="Maintenance margin now.")
    maintenance_margin_after_pct: Quantity = Field(description="Maintenance margin with the order.")


@method("bybit.pre_check_order", cost=2, deadline=Deadline.READ)
async def pre_check_order(call: Call, params: PreCheckOrder) -> PreChecked:
    """Tell what an order would do to the account's margins. Nothing is placed.

    Bybit checks the order as if it were placed: what it would refuse is error -32025 with its code. Quantities and
    prices are not checked here first.
    """
    require_fitting(params.category, [params])
    bybit, category = call.use(Bybit), Category(params.category)
    asked = order_params(params.category, params, f"check-{call.request_id}"[:36])
    async with naming(bybit.instruments, category, params.symbol):
        answer = await bybit.read("pre_check_order", **asked)
    row = Fields(answer.result, "result")
    return PreChecked(
        as_of=answer.stamp(),
        category=category,
        symbol=params.symbol,
        initial_margin_before_pct=_percent(row, "preImrE4"),
        initial_margin_after_pct=_percent(row, "postImrE4"),
        maintenance_margin_before_pct=_percent(row, "preMmrE4"),
        maintenance_margin_after_pct=_percent(row, "postMmrE4"),
    )


def _percent(row: Fields, name: str) -> Decimal:
    """Read a rate in ten-thousandths."""
    return tidy(Decimal(row.whole(name)) / 100)
