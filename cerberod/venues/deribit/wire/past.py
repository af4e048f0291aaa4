"""What the account did: the models callers get of its trades and its log, and how they are read off the answers.

Money is read with exactly the digits the venue printed. Who the account belongs to, and from where it acted, is not
told on: names, addresses and network addresses of the log stay out.
"""

from datetime import datetime

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.deribit.wire import orders
from cerberod.venues.deribit.wire.orders import Trade
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.deribit.wire.tape import identity, liquidation


class PastTrade(Trade):
    """One fill of ours, with the market it happened in."""

    trade_seq: int | None = Field(description="Number of the trade within its instrument; null when not given.")
    order_type: str | None = Field(description="Type of our order; null when not given.")
    mark_price: float | None = Field(description="Deribit's fair price at that time.")
    index_price: float | None = Field(description="The index at that time.")
    underlying_price: float | None = Field(description="Option: the forward at that time; else null.")
    iv: float | None = Field(description="Option: implied volatility of the price, percent a year; else null.")
    profit_loss: Quantity | None = Field(
        description="Profit that the fill realised, in the settlement currency; null when not given."
    )
    post_only: bool = Field(description="Our order never took.")
    reduce_only: bool = Field(description="Our order never opened or grew a position.")
    liquidation: str | None = Field(description="`M`, `T` or `MT`: which side was liquidated; null when none was.")
    block_trade_id: str | None = Field(description="The block trade it belongs to; null otherwise.")
    combo_id: str | None = Field(description="The combo it came from; null otherwise.")
    combo_trade_id: str | None = Field(description="The combo's own trade it is a leg of; null otherwise.")
    legs: list[Trade] = Field(
        description="Of a combo's fill the fills of its legs where Deribit tells them there, else empty. They may "
        "stand as fills of their own too, with `combo_trade_id`."
    )


def past_trade(row: Fields) -> PastTrade:
    """Read one fill of ours."""
    return PastTrade(
        **dict(orders.trade(row)),
        trade_seq=row.whole("trade_seq") if row.has("trade_seq") else None,
        order_type=row.text_or_none("order_type"),
        mark_price=row.number_or_none("mark_price"),
        index_price=row.quoted("index_price"),
        underlying_price=row.quoted("underlying_price"),
        iv=row.quoted("iv"),
        profit_loss=row.figure_or_none("profit_loss"),
        post_only=row.flag("post_only", False),
        reduce_only=row.flag("reduce_only", False),
        liquidation=liquidation(row),
        block_trade_id=identity(row, "block_trade_id"),
        combo_id=row.text_or_none("combo_id"),
        combo_trade_id=identity(row, "combo_trade_id"),
        legs=[orders.trade(leg.backed_by(row)) for leg in row.objects("legs") if leg.has("fee")],
    )


class LogEntry(Result):
    """One change of the account. Amounts of money are in `currency`."""

    id: str = Field(description="Deribit's id of the entry.")
    at: datetime = Field(description="When it happened, the venue's time.")
    type: str = Field(
        description="What happened, in Deribit's word: trade, settlement, delivery, deposit, withdrawal, transfer, "
        "swap, correction or a newer one."
    )
    currency: str = Field(description="The currency of the money.")
    change: Quantity | None = Field(description="Change of the cash balance: premiums, fees, profits settled.")
    cashflow: Quantity | None = Field(description="Profit realised, or the premium of an option paid or received.")
    commission: Quantity | None = Field(description="Fee; null when there was none to tell.")
    balance: Quantity | None = Field(description="Cash balance afterwards.")
    equity: Quantity | None = Field(description="Equity afterwards.")
    instrument_name: str | None = Field(description="The instrument; null where there is none.")
    side: str | None = Field(
        description="`open buy`, `close sell` and the like of a trade, `long` or `short` of a settlement; else null."
    )
    amount: Quantity | None = Field(description="Size: USD for inverse futures, else base coin; else null.")
    position: Quantity | None = Field(description="Size of the position afterwards; null where there is none.")
    price: Quantity | None = Field(description="Price of the trade, settlement or delivery; else null.")
    price_currency: str | None = Field(description="The currency of that price; null when not given.")
    mark_price: float | None = Field(description="Deribit's fair price at that time; null when not given.")
    index_price: float | None = Field(description="The index at a delivery; else null.")
    interest_pl: Quantity | None = Field(description="Funding of a perpetual in this entry; else null.")
    total_interest_pl: Quantity | None = Field(description="Funding of the whole session; else null.")
    session_rpl: Quantity | None = Field(description="Realised profit of the session; else null.")
    session_upl: Quantity | None = Field(description="Unrealised profit of the session; else null.")
    trade_id: str | None = Field(description="The trade; null otherwise.")
    order_id: str | None = Field(description="The order; null otherwise.")
    user_role: str | None = Field(description="`maker` or `taker` of a trade; else null.")


_MONEY = (
    "change",
    "cashflow",
    "commission",
    "balance",
    "equity",
    "amount",
    "position",
    "price",
    "interest_pl",
    "total_interest_pl",
    "session_rpl",
    "session_upl",
)


def log_entry(row: Fields) -> LogEntry:
    """Read one entry of the log."""
    side = row.text_or_none("side")
    return LogEntry(
        id=identity(row, "id") or row.text("id"),
        at=row.moment("timestamp"),
        type=row.text("type"),
        currency=row.text("currency"),
        instrument_name=row.text_or_none("instrument_name"),
        side=None if side == "-" else side,
        price_currency=row.text_or_none("price_currency"),
        mark_price=row.number_or_none("mark_price"),
        index_price=row.quoted("index_price"),
        trade_id=identity(row, "trade_id"),
        order_id=identity(row, "order_id"),
        user_role=row.text_or_none("user_role"),
        **{name: row.figure_or_none(name) for name in _MONEY},
    )
