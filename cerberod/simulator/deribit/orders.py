"""Orders and user trades as the simulated Deribit remembers and tells them. Pure records; the exchange moves them.

A trigger order and what it becomes are two orders with two ids: the first ends as `triggered`, the second carries its
id. The same holds for an order that waits for another one's fill: it stands as `OTO-…`, untriggered, until it is
released. All of them carry the label they were given.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import count

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.matching import ZERO, Lifetime, Side


class OrderType(StrEnum):
    """What an order asks for."""

    LIMIT = "limit"
    MARKET = "market"
    MARKET_LIMIT = "market_limit"
    STOP_LIMIT = "stop_limit"
    STOP_MARKET = "stop_market"
    TAKE_LIMIT = "take_limit"
    TAKE_MARKET = "take_market"
    TRAILING_STOP = "trailing_stop"

    @property
    def waits(self) -> bool:
        """Tell whether it waits for a trigger."""
        return self not in (OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_LIMIT)

    @property
    def priced(self) -> bool:
        """Tell whether it has a limit price of its own."""
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_LIMIT)

    @property
    def once_triggered(self) -> "OrderType":
        """Return what it becomes when its trigger is hit."""
        return OrderType.LIMIT if self.priced else OrderType.MARKET


class Trigger(StrEnum):
    """Which price a trigger order watches."""

    INDEX_PRICE = "index_price"
    MARK_PRICE = "mark_price"
    LAST_PRICE = "last_price"


class Advanced(StrEnum):
    """In what an option's price is given, when it is not the instrument's own unit."""

    USD = "usd"
    IMPLV = "implv"


class Link(StrEnum):
    """How an order is linked to the orders of its `otoco_config`."""

    ONE_TRIGGERS_OTHER = "one_triggers_other"
    ONE_CANCELS_OTHER = "one_cancels_other"
    ONE_TRIGGERS_ONE_CANCELS_OTHER = "one_triggers_one_cancels_other"


class FillCondition(StrEnum):
    """How much of a fill moves the linked orders."""

    FIRST_HIT = "first_hit"
    COMPLETE_FILL = "complete_fill"
    INCREMENTAL = "incremental"


@dataclass(frozen=True)
class OrderRequest:
    """What a caller asks for, parameters checked one by one but not against the market."""

    instrument: Instrument
    side: Side
    amount: Decimal
    price: Decimal | None
    type: OrderType = OrderType.LIMIT
    lifetime: Lifetime = Lifetime.GOOD_TIL_CANCELLED
    label: str = ""
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    valid_until_ms: int | None = None
    display: Decimal | None = None
    trigger: Trigger | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    advanced: Advanced | None = None
    link: Link | None = None
    fill_condition: FillCondition = FillCondition.FIRST_HIT
    others: tuple["OrderRequest", ...] = ()
    mmp: bool = False


@dataclass(frozen=True)
class EditRequest:
    """What an edit changes; `amount` is the new total, filled part included."""

    amount: Decimal | None
    price: Decimal | None
    post_only: bool | None = None
    reject_post_only: bool | None = None
    reduce_only: bool | None = None
    valid_until_ms: int | None = None
    display: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    advanced: Advanced | None = None
    mmp: bool | None = None


@dataclass(frozen=True)
class Lineage:
    """Where an order comes from that nobody placed directly."""

    trigger_order_id: str | None = None
    primary_order_id: str | None = None
    oco_ref: str | None = None
    secondary: bool = False
    fill_condition: FillCondition | None = None


@dataclass
class Order:
    """One order's life."""

    order_id: str
    account: str
    user_id: int
    instrument: Instrument
    side: Side
    amount: Decimal
    price: Decimal
    type: OrderType
    lifetime: Lifetime
    label: str
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    created_ms: int
    updated_ms: int
    risk_reducing: bool = False
    replaced: bool = False
    state: str = "open"
    cancel_reason: str | None = None
    filled: Decimal = ZERO
    average: Decimal = ZERO
    connection: str | None = None
    original_type: OrderType | None = None
    display: Decimal | None = None
    shown: Decimal = ZERO
    trigger: Trigger | None = None
    trigger_price: Decimal | None = None
    trigger_offset: Decimal | None = None
    reference: Decimal | None = None
    extreme: Decimal | None = None
    """The best price a trailing stop has seen; its trigger price follows it."""
    watched_ms: int = 0
    """Up to when the prints were looked at for a trigger."""
    advanced: Advanced | None = None
    asked: Decimal | None = None
    """The price in the unit of `advanced`."""
    auto_replaced: bool = False
    trigger_order_id: str | None = None
    primary_order_id: str | None = None
    oco_ref: str | None = None
    oto_order_ids: list[str] = field(default_factory=list)
    secondary: bool = False
    bracket: bool = False
    fill_condition: FillCondition | None = None
    waiting: OrderRequest | None = None
    """What a secondary order asks for once the primary is filled."""
    mmp: bool = False

    @property
    def open(self) -> bool:
        """Tell whether the order is alive: in the book, or waiting for its trigger."""
        return self.state in ("open", "untriggered")

    @property
    def resting(self) -> bool:
        """Tell whether the order is in a book."""
        return self.state == "open"

    @property
    def watching(self) -> bool:
        """Tell whether the order waits for a price."""
        return self.state == "untriggered" and self.waiting is None

    @property
    def remaining(self) -> Decimal:
        return self.amount - self.filled

    @property
    def signed_remaining(self) -> Decimal:
        return self.remaining if self.side is Side.BUY else -self.remaining

    @property
    def told_type(self) -> OrderType:
        """Return the type as the venue tells it: a market-limit order is a limit order once it is there."""
        return OrderType.LIMIT if self.type is OrderType.MARKET_LIMIT else self.type

    def fill(self, amount: Decimal, price: Decimal, now_ms: int) -> None:
        """Book one fill."""
        self.average = (self.average * self.filled + price * amount) / (self.filled + amount)
        self.filled += amount
        self.updated_ms = now_ms
        if self.remaining <= 0:
            self.state = "filled"

    def cancel(self, reason: str, now_ms: int) -> None:
        """End the order unfilled or partly filled."""
        self.state, self.cancel_reason, self.updated_ms = "cancelled", reason, now_ms

    def record(self) -> dict[str, object]:
        """Return the order as the venue tells it."""
        at_market = (self.type.waits or self.state == "untriggered") and not self.type.priced
        out: dict[str, object] = {
            "order_id": self.order_id,
            "order_state": self.state,
            "order_type": self.told_type.value,
            "time_in_force": self.lifetime.value,
            "instrument_name": self.instrument.name,
            "direction": self.side.value,
            "price": "market_price" if at_market else float(self.price),
            "amount": float(self.amount),
            "contracts": float(self.amount / self.instrument.contract_size),
            "filled_amount": float(self.filled),
            "average_price": round(float(self.average), 8),
            "label": self.label,
            "post_only": self.post_only,
            "reject_post_only": self.reject_post_only,
            "reduce_only": self.reduce_only,
            "risk_reducing": self.risk_reducing,
            "replaced": self.replaced,
            "mmp": self.mmp,
            "api": True,
            "web": False,
            "is_liquidation": False,
            "user_id": self.user_id,
            "creation_timestamp": self.created_ms,
            "last_update_timestamp": self.updated_ms,
        }
        optional: dict[str, object] = {
            "cancel_reason": self.cancel_reason,
            "original_order_type": None if self.original_type is None else self.original_type.value,
            "trigger_order_id": self.trigger_order_id,
            "primary_order_id": self.primary_order_id,
            "oco_ref": self.oco_ref,
            "oto_order_ids": list(self.oto_order_ids) or None,
            "is_secondary_oto": True if self.secondary else None,
            "is_primary_otoco": True if self.bracket else None,
            "trigger_fill_condition": None if self.fill_condition is None else self.fill_condition.value,
        }
        if self.trigger is not None:
            optional |= {
                "trigger": self.trigger.value,
                "trigger_price": _number(self.trigger_price),
                "trigger_offset": _number(self.trigger_offset),
                "trigger_reference_price": _number(self.reference),
                "triggered": self.state == "triggered",
            }
        if self.display is not None:
            optional |= {"display_amount": float(self.shown), "refresh_amount": float(self.display)}
        if self.advanced is not None:
            optional |= {
                "advanced": self.advanced.value,
                self.advanced.value: _number(self.asked),
                "auto_replaced": self.auto_replaced,
            }
        return out | {name: value for name, value in optional.items() if value is not None}


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class UserTrade:
    """One fill of a user's order."""

    order_id: str
    account: str
    instrument: Instrument
    time_ms: int
    sequence: int
    fields: dict[str, object]
    legs: tuple["UserTrade", ...] = ()
    """Of a combo's trade, the trades of its legs."""


@dataclass
class Numbering:
    """Order and trade ids: bare digits for BTC, prefixed with the settlement currency for the rest.

    A trigger order's id tells what it is: SL, TP or TS (stop loss, take profit, trailing stop), then I, M or T (index,
    mark, last trade), then B or S.
    """

    start: int
    _orders: "count[int]" = field(init=False)
    _trades: "count[int]" = field(init=False)
    _triggers: "count[int]" = field(init=False)

    def __post_init__(self) -> None:
        self._orders = count(self.start + 1)
        self._trades = count(self.start // 100 + 1)
        self._triggers = count(self.start // 1_000 + 1)

    def order_id(self, instrument: Instrument) -> str:
        return _prefixed(instrument, str(next(self._orders)))

    def trigger_id(self, request: OrderRequest) -> str:
        """Return the id of an order that waits for a price."""
        trailing = request.type is OrderType.TRAILING_STOP
        kind = "TS" if trailing else "TP" if request.type.value.startswith("take") else "SL"
        source = {Trigger.INDEX_PRICE: "I", Trigger.MARK_PRICE: "M"}.get(request.trigger or Trigger.LAST_PRICE, "T")
        code = f"{kind}{source}{'B' if request.side is Side.BUY else 'S'}"
        return _prefixed(request.instrument, f"{code}-{next(self._triggers)}")

    def secondary_id(self) -> str:
        """Return the id of an order that waits for another one's fill."""
        return f"OTO-{next(self._triggers)}"

    def pair_id(self) -> str:
        """Return what two orders carry of which one cancels the other."""
        return str(next(self._triggers))

    def trade_id(self, instrument: Instrument) -> tuple[str, int]:
        """Return a trade id and the trade's sequence number."""
        number = next(self._trades)
        return _prefixed(instrument, str(number)), number


def _prefixed(instrument: Instrument, number: str) -> str:
    return number if instrument.currency == "BTC" else f"{instrument.currency}-{number}"
