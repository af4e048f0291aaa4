"""Public trades: the models callers get, and how they are read off Deribit's answers."""

from datetime import datetime
from typing import Any

from pydantic import Field

from cerberod.rpc.registry import Result
from cerberod.venues.deribit.wire.orders import Direction
from cerberod.venues.deribit.wire.reading import Fields


class TradeLeg(Result):
    """One print: a trade, or a leg of a combo's."""

    trade_id: str = Field(description="Deribit's id of the trade.")
    trade_seq: int | None = Field(description="Number of the trade within its instrument; null when not given.")
    traded_at: datetime = Field(description="When it happened, the venue's time.")
    instrument_name: str = Field(description="The instrument.")
    direction: Direction = Field(description="Side of the taker.")
    price: float = Field(description="The price; options settled in coin trade in coin, combos may trade below zero.")
    amount: float = Field(description="Size: USD for inverse futures, else base coin.")
    contracts: float | None = Field(description="Size in contracts; null when not given.")
    mark_price: float | None = Field(description="Deribit's fair price at that time.")
    index_price: float | None = Field(description="The index at that time.")
    iv: float | None = Field(description="Option: implied volatility of the price, percent a year; else null.")
    tick_direction: int | None = Field(
        description="0 a higher price than the trade before, 1 the same after a rise, 2 lower, 3 the same after a fall."
    )
    liquidation: str | None = Field(description="`M`, `T` or `MT`: which side was liquidated; null when none was.")
    block_trade_id: str | None = Field(description="The block trade it belongs to; null otherwise.")
    combo_id: str | None = Field(description="The combo it came from; null otherwise.")
    combo_trade_id: str | None = Field(description="The combo's own trade it is a leg of; null otherwise.")


class PublicTrade(TradeLeg):
    """One public trade."""

    legs: list[TradeLeg] = Field(description="Of a combo's trade the legs' trades; else empty.")


def _print(row: Fields) -> dict[str, Any]:
    return {
        "trade_id": identity(row, "trade_id") or row.text("trade_id"),
        "trade_seq": row.whole("trade_seq") if row.has("trade_seq") else None,
        "traded_at": row.moment("timestamp"),
        "instrument_name": row.text("instrument_name"),
        "direction": row.word("direction", Direction),
        "price": row.number("price"),
        "amount": row.number("amount"),
        "contracts": row.number_or_none("contracts"),
        "mark_price": row.number_or_none("mark_price"),
        "index_price": row.quoted("index_price"),
        "iv": row.quoted("iv"),
        "tick_direction": row.whole("tick_direction") if row.has("tick_direction") else None,
        "liquidation": liquidation(row),
        "block_trade_id": identity(row, "block_trade_id"),
        "combo_id": row.text_or_none("combo_id"),
        "combo_trade_id": identity(row, "combo_trade_id"),
    }


def liquidation(row: Fields) -> str | None:
    """Read which side was liquidated; some answers say `none`."""
    side = row.text_or_none("liquidation")
    return None if side == "none" else side


def identity(row: Fields, name: str) -> str | None:
    """Read an id, which Deribit writes as text or as a number."""
    value = row.get(name)
    return str(value) if type(value) is int else row.text_or_none(name)


def public_trade(row: Fields) -> PublicTrade:
    """Read one trade."""
    return PublicTrade(**_print(row), legs=[TradeLeg(**_print(leg)) for leg in row.objects("legs")])
