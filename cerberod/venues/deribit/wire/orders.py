"""Orders and fills: the models callers get, and how they are read off Deribit's answers.

An order's state and direction decide what a bot does next, so a word that is new to us is refused, never guessed.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from cerberod.errors import BadVenueData
from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.reading import Fields, listed, rows

MARKET_PRICE = "market_price"
"""What stands for the price of an untriggered market order."""


class OrderState(StrEnum):
    """How far an order has come."""

    OPEN = "open"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNTRIGGERED = "untriggered"
    TRIGGERED = "triggered"

    @property
    def done(self) -> bool:
        """Tell whether nothing more can happen to it under its own id."""
        return self not in (OrderState.OPEN, OrderState.UNTRIGGERED)


class Direction(StrEnum):
    """Which side of the book."""

    BUY = "buy"
    SELL = "sell"


class Order(Result):
    """One order at Deribit."""

    order_id: str = Field(description="Deribit's id; opaque. A trigger order that fires goes on under a new one.")
    instrument_name: str = Field(description="The instrument.")
    order_state: OrderState = Field(description="How far it has come; `open` may be partly filled.")
    direction: Direction = Field(description="`buy` or `sell`.")
    order_type: str = Field(description="Its type now; a market order that rests shows as `limit`.")
    time_in_force: str = Field(description="How long it lasts.")
    price: Quantity | None = Field(
        description="Limit price; of a market order the protective limit the engine used, not the fill; null for a "
        "market order that waits for its trigger."
    )
    amount: Quantity = Field(
        description="Whole size, filled part included: USD for inverse futures, base coin for options and linear."
    )
    filled_amount: Quantity = Field(description="Filled part, in the unit of `amount`.")
    average_price: Quantity | None = Field(description="Average fill price, to 12 decimals; null while nothing filled.")
    label: str = Field(description="Its label, for our orders the client order id; empty when it has none.")
    post_only: bool = Field(description="Never takes.")
    reject_post_only: bool = Field(description="Refused rather than moved when it would take.")
    reduce_only: bool = Field(description="Never opens or grows a position.")
    replaced: bool = Field(description="Has been edited.")
    created_at: datetime = Field(description="When Deribit took it.")
    updated_at: datetime = Field(description="When it last changed.")
    trigger: str | None = Field(description="Which price fires it; null for what has no trigger.")
    trigger_price: Quantity | None = Field(description="The price that fires it; null for what has no trigger.")
    trigger_offset: Quantity | None = Field(description="Distance of a trailing stop; null otherwise.")
    trigger_order_id: str | None = Field(description="The trigger order it came from; null otherwise.")
    triggered: bool | None = Field(description="Whether its trigger has fired; null for what has no trigger.")
    advanced: str | None = Field(description="`usd` or `implv` when an option is priced that way; else null.")
    usd: Quantity | None = Field(description="Its price in USD when `advanced` is `usd`; else null.")
    implv: Quantity | None = Field(
        description="Its volatility in percent a year when `advanced` is `implv`; else null."
    )
    display_amount: Quantity | None = Field(description="Visible size of an iceberg as it stands; null otherwise.")
    refresh_amount: Quantity | None = Field(
        default=None, description="Visible size of an iceberg as asked for, to which it is filled up; null otherwise."
    )
    cancel_reason: str | None = Field(description="Why it was cancelled, in Deribit's word; null otherwise.")
    mmp: bool = Field(description="Counts for market maker protection.")
    linked_order_ids: list[str] = Field(description="Orders that wait for it to fill; empty when there are none.")
    primary_order_id: str | None = Field(description="The order whose fill set it off; null otherwise.")
    is_secondary: bool = Field(description="Waits, or has waited, for another order to fill.")
    oco_ref: str | None = Field(description="What it shares with the order it cancels or is cancelled by; else null.")

    @property
    def asked_price(self) -> Decimal | None:
        """The price in the unit it was asked in: volatility or USD for an advanced order, else that of the book."""
        match self.advanced:
            case "usd":
                return self.usd
            case "implv":
                return self.implv
            case _:
                return self.price

    @property
    def asked_trigger_price(self) -> Decimal | None:
        """The trigger price if it was asked for: that of a trailing stop follows the market."""
        return self.trigger_price if self.trigger_offset is None else None

    @property
    def asked_display(self) -> Decimal | None:
        """The visible size as it was asked for: what stands of it shrinks with every fill."""
        return self.display_amount if self.refresh_amount is None else self.refresh_amount


def order(row: Fields) -> Order:
    """Read one order."""
    filled = row.decimal("filled_amount") if row.has("filled_amount") else row.decimal("amount") * 0
    average = row.figure_or_none("average_price")
    return Order(
        order_id=row.text("order_id"),
        instrument_name=row.text("instrument_name"),
        order_state=row.word("order_state", OrderState),
        direction=row.word("direction", Direction),
        order_type=row.text("order_type"),
        time_in_force=row.text("time_in_force"),
        price=None if row.get("price") == MARKET_PRICE else row.decimal_or_none("price"),
        amount=row.decimal("amount"),
        filled_amount=filled,
        average_price=average if filled else None,
        label=row.text_or_none("label") or "",
        post_only=row.flag("post_only", False),
        reject_post_only=row.flag("reject_post_only", False),
        reduce_only=row.flag("reduce_only", False),
        replaced=row.flag("replaced", False),
        created_at=row.moment("creation_timestamp"),
        updated_at=row.moment("last_update_timestamp"),
        trigger=row.text_or_none("trigger"),
        trigger_price=row.decimal_or_none("trigger_price"),
        trigger_offset=row.decimal_or_none("trigger_offset"),
        trigger_order_id=row.text_or_none("trigger_order_id"),
        triggered=row.flag("triggered") if row.has("triggered") else None,
        advanced=row.text_or_none("advanced"),
        usd=row.decimal_or_none("usd"),
        implv=row.decimal_or_none("implv"),
        display_amount=_display(row),
        refresh_amount=row.decimal_or_none("refresh_amount"),
        cancel_reason=row.text_or_none("cancel_reason"),
        mmp=row.flag("mmp", False),
        linked_order_ids=row.texts("oto_order_ids"),
        primary_order_id=row.text_or_none("primary_order_id"),
        is_secondary=row.flag("is_secondary_oto", False),
        oco_ref=row.text_or_none("oco_ref"),
    )


def _display(row: Fields) -> Quantity | None:
    """Read the visible size; older answers call it `max_show` and give it for every order."""
    visible = row.decimal_or_none("display_amount")
    if visible is None and row.has("max_show") and row.decimal("max_show") != row.decimal("amount"):
        visible = row.decimal("max_show")
    return visible


class Trade(Result):
    """One fill of ours."""

    trade_id: str = Field(description="Deribit's id of the fill.")
    order_id: str = Field(description="The order it filled.")
    instrument_name: str = Field(description="The instrument.")
    direction: Direction = Field(description="Our side.")
    price: Quantity = Field(description="Fill price; options settled in coin trade in coin.")
    amount: Quantity = Field(description="Filled size: USD for inverse futures, base coin for options and linear.")
    fee: Quantity = Field(description="Fee in `fee_currency`, to 12 decimals; negative is a rebate.")
    fee_currency: str = Field(description="The currency of the fee.")
    liquidity: str | None = Field(description="`M` we made, `T` we took.")
    label: str = Field(description="Label of our order; empty when it has none.")
    traded_at: datetime = Field(description="When it filled.")


def trade(row: Fields) -> Trade:
    """Read one fill of ours."""
    return Trade(
        trade_id=row.text("trade_id"),
        order_id=row.text("order_id"),
        instrument_name=row.text("instrument_name"),
        direction=row.word("direction", Direction),
        price=row.decimal("price"),
        amount=row.decimal("amount"),
        fee=row.figure("fee"),
        fee_currency=row.text("fee_currency"),
        liquidity=row.text_or_none("liquidity"),
        label=row.text_or_none("label") or "",
        traded_at=row.moment("timestamp"),
    )


def fills(rows: Iterable[Fields]) -> list[Trade]:
    """Read fills of ours. A combo's legs come as rows of their own, or inside the fill of the combo, or both."""
    found: dict[str, Trade] = {}
    for row in rows:
        legs = [leg.backed_by(row) for leg in row.objects("legs") if leg.has("fee")]
        found |= {told.trade_id: told for told in map(trade, legs or [row])}
    return list(found.values())


def orders(raw: object) -> list[Order]:
    """Read a list of orders."""
    return listed(raw, "result", order)


def trades(raw: object) -> list[Trade]:
    """Read the fills of `private/get_user_trades_by_...`."""
    return fills(Fields(raw, "result").objects("trades"))


def triggers(raw: object) -> list[tuple[str, str]]:
    """Read the label and the id of each entry of `private/get_trigger_order_history`."""
    entries = Fields(raw, "result").objects("entries")
    return [(row.text_or_none("label") or "", row.text("trigger_order_id")) for row in entries]


def placed(raw: object) -> tuple[Order, list[Trade]]:
    """Read the answer of buy, sell, edit: the order and the fills it had at once."""
    fields = Fields(raw, "result")
    return order(fields.inside("order")), fills(fields.objects("trades"))


def one_order(raw: object) -> Order:
    """Read an answer that is one order, or, as the newer article has it, holds one under `order`."""
    fields = Fields(raw, "result")
    return order(fields.inside("order") if fields.has("order") else fields)


def count(raw: object) -> int:
    """Read an answer that is the number of orders cancelled."""
    if type(raw) is not int or raw < 0:
        raise BadVenueData(VENUE, "result", "how many orders were cancelled")
    return raw


class Skipped(Result):
    """A part of a mass cancel that Deribit could not do."""

    currency: str | None = Field(description="The currency or pair the part is about.")
    type: str | None = Field(description="The order type the part is about.")
    venue_code: str | None = Field(description="Deribit's code; null when it gave none.")


def cancelled(raw: object) -> tuple[list[Order], list[Skipped]]:
    """Read the answer of a mass cancel with `detailed`: what was cancelled, and what was not."""
    done: list[Order] = []
    skipped: list[Skipped] = []
    for row in rows(raw, "result"):
        if row.has("order"):
            done.append(order(row.inside("order")))
        elif row.has("error"):
            code: Any = row.get("error")
            code = code.get("code") if isinstance(code, dict) else code
            skipped.append(
                Skipped(
                    currency=row.text_or_none("currency"),
                    type=row.text_or_none("type"),
                    venue_code=str(code) if type(code) is int else None,
                )
            )
        else:
            done += [order(inner) for inner in row.objects("result")]
    return done, skipped
