"""Orders and fills: the models callers get, and how they are read off Bybit's answers.

An order's status and side decide what a bot does next, so a word that is new to us is refused, never guessed.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category, Side, side, side_or_none, told
from cerberod.venues.reading import UNKNOWN

NO_ERROR = "EC_NoError"


class OrderStatus(StrEnum):
    """How far an order has come."""

    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    UNTRIGGERED = "Untriggered"
    TRIGGERED = "Triggered"
    """Momentary: its trigger has fired and it becomes an order of the book."""
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    """Of derivatives it may have fills."""
    PARTIALLY_FILLED_CANCELLED = "PartiallyFilledCanceled"
    """Spot only: closed with fills. A market buy of an amount of quote coin ends so, whole as it is."""
    REJECTED = "Rejected"
    DEACTIVATED = "Deactivated"
    """A conditional order that was cancelled before its trigger fired."""

    @property
    def open(self) -> bool:
        """Tell whether it may still fill."""
        return self in (
            OrderStatus.NEW,
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.UNTRIGGERED,
            OrderStatus.TRIGGERED,
        )


class Order(Result):
    """One order at Bybit."""

    category: Category = Field(description="The part of the venue; a symbol means something only within it.")
    symbol: str = Field(description="The instrument.")
    order_id: str = Field(description="Bybit's id; opaque.")
    order_link_id: str = Field(
        description="Its link id: of orders placed here the client order id; empty when it has none."
    )
    order_status: OrderStatus = Field(
        description="How far it has come, in Bybit's words. `Cancelled` may have fills, and `PartiallyFilledCanceled` "
        "is how a spot market buy of an amount of quote coin ends: see `cum_exec_qty`."
    )
    side: Side = Field(description="`buy` or `sell`.")
    order_type: str = Field(description="`Limit` or `Market`.")
    time_in_force: str = Field(description="How long it lasts: GTC, IOC, FOK, PostOnly, RPI. Market orders are IOC.")
    price: Quantity | None = Field(
        description="Limit price; of a market order the protective limit the engine used, not the fill, or null."
    )
    qty: Quantity = Field(
        description="Whole size, filled part included: base coin; USD in category inverse; quote coin where "
        "`market_unit` is quoteCoin."
    )
    market_unit: str | None = Field(
        description="Of a spot market order: baseCoin, or quoteCoin when `qty` is an amount of money; else null."
    )
    cum_exec_qty: Quantity = Field(description="Filled part in base coin; USD in category inverse. Never quote coin.")
    cum_exec_value: Quantity = Field(description="Value of the filled part: quote coin; coin in category inverse.")
    leaves_qty: Quantity = Field(description="What may still fill, in the unit of `cum_exec_qty`; 0 once closed.")
    avg_price: Quantity | None = Field(description="Average fill price; null while nothing filled.")
    cum_exec_fee: Quantity | None = Field(description="Fees so far; negative is a rebate; null where not told.")
    fees: dict[str, Quantity] = Field(description="Fees so far by coin; empty where Bybit does not tell the coin.")
    position_idx: int = Field(description="0 one-way mode, 1 long and 2 short side of hedge mode.")
    reduce_only: bool = Field(description="Never opens or grows a position.")
    close_on_trigger: bool = Field(description="Makes room for itself by cancelling others when it closes a position.")
    stop_order_type: str | None = Field(description="What set it off or will: Stop, TakeProfit, StopLoss ...; or null.")
    trigger_price: Quantity | None = Field(description="The price that fires it; null for what has no trigger.")
    trigger_direction: int | None = Field(description="1 fires when the price rises to it, 2 when it falls; or null.")
    trigger_by: str | None = Field(description="Which price fires it: LastPrice, IndexPrice or MarkPrice; or null.")
    take_profit: Quantity | None = Field(description="Take profit set with it; null for none.")
    stop_loss: Quantity | None = Field(description="Stop loss set with it; null for none.")
    order_iv: Quantity | None = Field(description="Its volatility, a fraction, when an option is priced so; else null.")
    reject_reason: str | None = Field(description="Why the engine refused or ended it, in Bybit's word; else null.")
    cancel_type: str | None = Field(description="Who or what cancelled it, in Bybit's word; null otherwise.")
    created_at: datetime = Field(description="When Bybit took it.")
    updated_at: datetime = Field(description="When it last changed.")

    @property
    def in_quote(self) -> bool:
        """Tell whether `qty` is an amount of quote coin."""
        return self.market_unit == "quoteCoin"


def order(row: Fields, category: Category) -> Order:
    """Read one order. Rows of an order and of its history are alike; neither names its category."""
    filled = row.figure("cumExecQty") if row.has("cumExecQty") else Decimal(0)
    average = row.figure_or_none("avgPrice")
    reason = told(row, "rejectReason")
    return Order(
        category=category,
        symbol=row.text("symbol"),
        order_id=row.text("orderId"),
        order_link_id=row.text_or_none("orderLinkId") or "",
        order_status=row.word("orderStatus", OrderStatus),
        side=side(row),
        order_type=row.text("orderType"),
        time_in_force=row.text_or_none("timeInForce") or UNKNOWN,
        price=_set(row, "price"),
        qty=row.decimal("qty"),
        market_unit=told(row, "marketUnit"),
        cum_exec_qty=filled,
        cum_exec_value=row.figure_or_none("cumExecValue") or Decimal(0),
        leaves_qty=row.figure_or_none("leavesQty") or Decimal(0),
        avg_price=average if filled else None,
        cum_exec_fee=row.figure_or_none("cumExecFee"),
        fees=_fees(row),
        position_idx=row.whole_or_none("positionIdx") or 0,
        reduce_only=row.flag("reduceOnly", False),
        close_on_trigger=row.flag("closeOnTrigger", False),
        stop_order_type=told(row, "stopOrderType"),
        trigger_price=_set(row, "triggerPrice"),
        trigger_direction=row.whole_or_none("triggerDirection") or None,
        trigger_by=told(row, "triggerBy"),
        take_profit=_set(row, "takeProfit"),
        stop_loss=_set(row, "stopLoss"),
        order_iv=_set(row, "orderIv"),
        reject_reason=None if reason == NO_ERROR else reason,
        cancel_type=told(row, "cancelType"),
        created_at=row.moment("createdTime"),
        updated_at=row.moment("updatedTime"),
    )


def _set(row: Fields, name: str) -> Decimal | None:
    """Read a price or a volatility; "" and 0 mean that none is set."""
    return row.decimal_or_none(name) or None


def _fees(row: Fields) -> dict[str, Quantity]:
    if not row.has("cumFeeDetail"):
        return {}
    inside = row.inside("cumFeeDetail")
    return {coin: inside.figure(coin) for coin in inside.names()}


class ExecType(StrEnum):
    """What an execution is; only `Trade` and the block kinds are fills of orders."""

    TRADE = "Trade"
    FUNDING = "Funding"
    ADL_TRADE = "AdlTrade"
    BUST_TRADE = "BustTrade"
    DELIVERY = "Delivery"
    SETTLE = "Settle"
    BLOCK_TRADE = "BlockTrade"
    MOVE_POSITION = "MovePosition"
    FUTURE_SPREAD = "FutureSpread"
    CORPORATE_ACTION = "CorporateAction"
    UNKNOWN = "unknown"


class Execution(Result):
    """One execution: a fill, or a payment that Bybit lists among them."""

    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    exec_id: str = Field(description="Bybit's id of it.")
    exec_type: ExecType = Field(
        description="`Trade` a fill of an order; `Funding` a payment of the position; AdlTrade, BustTrade, Delivery, "
        "Settle ...; `unknown` for a type new to us."
    )
    order_id: str = Field(description="The order it filled; of what is no fill an id of the venue's own.")
    order_link_id: str = Field(description="Link id of that order; empty when it has none.")
    side: Side | None = Field(description="Our side: of a fill that of the order, of funding that of the position.")
    exec_price: Quantity = Field(description="Fill price; of funding the mark price it was reckoned at.")
    exec_qty: Quantity = Field(description="Size: base coin; USD in category inverse.")
    exec_value: Quantity = Field(description="Value: quote coin; coin in category inverse.")
    exec_fee: Quantity = Field(description="Fee, or funding. Above zero was paid, below zero received.")
    fee_currency: str | None = Field(description="The coin of the fee; null where Bybit does not tell it.")
    fee_rate: Quantity | None = Field(description="Fee or funding rate, a fraction of the value; null where not told.")
    is_maker: bool = Field(description="Whether we made; false for what is no fill.")
    closed_size: Quantity | None = Field(description="Part of `exec_qty` that closed a position; null where not told.")
    order_type: str | None = Field(description="`Limit` or `Market`; null for what is no fill.")
    mark_price: Quantity | None = Field(description="Mark price then; null where not told.")
    index_price: Quantity | None = Field(description="Index price then; null where not told.")
    seq: int | None = Field(description="Cross sequence, unique only with the symbol; null where not told.")
    executed_at: datetime = Field(description="When, the venue's time.")


def execution(row: Fields, category: Category) -> Execution:
    """Read one execution."""
    kind = row.description("execType", ExecType)
    return Execution(
        category=category,
        symbol=row.text("symbol"),
        exec_id=row.text("execId"),
        exec_type=kind,
        order_id=row.text("orderId"),
        order_link_id=row.text_or_none("orderLinkId") or "",
        side=side(row) if kind is ExecType.TRADE else side_or_none(row),
        exec_price=row.figure("execPrice"),
        exec_qty=row.figure("execQty"),
        exec_value=row.figure_or_none("execValue") or Decimal(0),
        exec_fee=row.figure_or_none("execFee") or Decimal(0),
        fee_currency=told(row, "feeCurrency"),
        fee_rate=row.figure_or_none("feeRate"),
        is_maker=row.flag("isMaker", False),
        closed_size=row.figure_or_none("closedSize"),
        order_type=told(row, "orderType"),
        mark_price=_known(row, "markPrice"),
        index_price=_known(row, "indexPrice"),
        seq=row.whole_or_none("seq"),
        executed_at=row.moment("execTime"),
    )


def _known(row: Fields, name: str) -> Decimal | None:
    return row.figure_or_none(name) or None
