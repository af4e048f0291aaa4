"""Orders and executions as the simulated Bybit remembers and tells them. Pure records; the exchange moves them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any, Final

from cerberod.simulator.bybit.instruments import Instrument
from cerberod.simulator.bybit.wire import plain
from cerberod.simulator.matching import ZERO, Lifetime, Side

SIDES: Final = {"Buy": Side.BUY, "Sell": Side.SELL}
TIMES_IN_FORCE: Final = ("GTC", "IOC", "FOK", "PostOnly", "RPI")
LIFETIMES: Final = {"IOC": Lifetime.IMMEDIATE_OR_CANCEL, "FOK": Lifetime.FILL_OR_KILL}
OPEN_STATES: Final = ("New", "PartiallyFilled", "Untriggered")
NO_ERROR: Final = "EC_NoError"


@dataclass(frozen=True)
class Protection:
    """Take profit and stop loss, of an order or of a position; "" for none."""

    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_by: str = ""
    sl_by: str = ""
    mode: str = ""
    tp_limit: Decimal | None = None
    sl_limit: Decimal | None = None

    @property
    def any(self) -> bool:
        return self.take_profit is not None or self.stop_loss is not None


@dataclass(frozen=True)
class Trigger:
    """When a conditional order becomes a real one."""

    price: Decimal
    rises: bool
    by: str = "LastPrice"

    def met(self, price: Decimal) -> bool:
        return price >= self.price if self.rises else price <= self.price


@dataclass
class Order:
    """One order's life."""

    order_id: str
    link_id: str
    number: int
    instrument: Instrument
    side: Side
    qty: Decimal
    price: Decimal
    market: bool
    time_in_force: str
    position_idx: int
    reduce_only: bool
    created_ms: int
    updated_ms: int
    close_on_trigger: bool = False
    in_quote: bool = False
    """`qty` is an amount of quote coin, of a spot market order."""
    trigger: Trigger | None = None
    protection: Protection = field(default_factory=Protection)
    status: str = "New"
    seen: bool = False
    """The venue has processed it; until then it was only accepted."""
    cancel_type: str = "UNKNOWN"
    reject_reason: str = NO_ERROR
    create_type: str = "CreateByUser"
    stop_type: str = ""
    triggered: bool = False
    """A conditional order that became a real one."""
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO
    fee_coin: str = ""
    last_price: str = ""
    volatility: str = ""
    is_leverage: str = ""
    smp_type: str = "None"

    @property
    def open(self) -> bool:
        return self.status in OPEN_STATES

    @property
    def resting(self) -> bool:
        """Tell whether it may lie in a book."""
        return self.status in ("New", "PartiallyFilled")

    @property
    def remaining(self) -> Decimal:
        return self.qty - self.filled

    @property
    def average(self) -> Decimal:
        if not self.filled:
            return ZERO
        return self.filled / self.value if self.instrument.inverse else self.value / self.filled

    def fill(self, qty: Decimal, price: Decimal, now_ms: int) -> None:
        """Book one fill."""
        self.filled += qty
        self.value += self.instrument.value_of(qty, price)
        self.updated_ms = now_ms
        self.status = "Filled" if not self.in_quote and self.filled >= self.qty else "PartiallyFilled"

    def end(self, now_ms: int, reason: str = NO_ERROR, cancel_type: str = "UNKNOWN") -> None:
        """End the order unfilled or partly filled."""
        spot_partly = self.instrument.spot and self.filled > 0
        self.status = "PartiallyFilledCanceled" if spot_partly else "Cancelled"
        if self.trigger is not None and not self.triggered:
            self.status = "Deactivated"
        self.reject_reason, self.cancel_type, self.updated_ms = reason, cancel_type, now_ms

    def ids(self) -> dict[str, str]:
        """Return what an acknowledgement tells."""
        return {"orderId": self.order_id, "orderLinkId": self.link_id}

    def record(self) -> dict[str, Any]:
        """Return the order as the venue tells it."""
        spot, derivative = self.instrument.spot, not self.instrument.spot
        nothing = "0" if spot else ""
        left = ZERO if not self.open else self.remaining
        left_value = self.qty - self.value if self.in_quote else ZERO
        if self.open and not self.in_quote:
            left_value = self.instrument.value_of(left, self.price) if self.price else ZERO
        p = self.protection
        out: dict[str, Any] = {
            "symbol": self.instrument.symbol,
            "orderType": "Market" if self.market else "Limit",
            "orderLinkId": self.link_id,
            "slLimitPrice": _price(p.sl_limit, "0"),
            "orderId": self.order_id,
            "cancelType": self.cancel_type,
            "avgPrice": plain(round(self.average, 8)) if self.filled else "",
            "stopOrderType": self.stop_type,
            "lastPriceOnCreated": self.last_price if derivative else "",
            "orderStatus": self.status,
            "takeProfit": _price(p.take_profit, nothing),
            "cumExecValue": plain(round(self.value, 8)),
            "tpslMode": p.mode,
            "smpType": self.smp_type,
            "triggerDirection": 0 if self.trigger is None or spot else 1 if self.trigger.rises else 2,
            "blockTradeId": "",
            "isLeverage": self.is_leverage if derivative else self.is_leverage or "0",
            "rejectReason": self.reject_reason,
            "price": "0" if spot and self.market else plain(self.price),
            "orderIv": self.volatility,
            "createdTime": str(self.created_ms),
            "tpTriggerBy": p.tp_by,
            "positionIdx": self.position_idx,
            "timeInForce": self.time_in_force,
            "leavesValue": plain(round(left_value, 8)),
            "updatedTime": str(self.updated_ms),
            "side": "Buy" if self.side is Side.BUY else "Sell",
            "smpGroup": 0,
            "triggerPrice": _price(None if self.trigger is None else self.trigger.price, "0.00" if spot else ""),
            "tpLimitPrice": _price(p.tp_limit, "0"),
            "cumExecFee": plain(self.fee),
            "cumFeeDetail": {self.fee_coin: plain(self.fee)} if self.filled else {},
            "leavesQty": "0" if self.in_quote else plain(left),
            "slTriggerBy": p.sl_by,
            "closeOnTrigger": self.close_on_trigger,
            "placeType": "",
            "cumExecQty": plain(self.filled),
            "reduceOnly": self.reduce_only,
            "qty": plain(self.qty),
            "stopLoss": _price(p.stop_loss, nothing),
            "marketUnit": self._market_unit(),
            "smpOrderId": "",
            "triggerBy": "" if self.trigger is None or spot else self.trigger.by,
            "slippageToleranceType": "UNKNOWN",
            "slippageTolerance": "0",
            "parentOrderLinkId": "",
            "extraFees": "",
        }
        return out | ({"basePrice": ""} if spot else {"createType": self.create_type})

    def _market_unit(self) -> str:
        if not (self.instrument.spot and self.market):
            return ""
        return "quoteCoin" if self.in_quote else "baseCoin"


def _price(value: Decimal | None, nothing: str) -> str:
    return nothing if value is None else plain(value)


@dataclass(frozen=True)
class Execution:
    """One fill of an order, or a funding payment or delivery of a position."""

    instrument: Instrument
    order_id: str
    link_id: str
    exec_type: str
    time_ms: int
    fields: dict[str, Any]


@dataclass
class Numbering:
    """Ids: universally unique ones for derivatives, numbers as text for spot."""

    start: int
    _counter: "Iterator[int]" = field(init=False)

    def __post_init__(self) -> None:
        self._counter = count(1)

    def next(self) -> int:
        """Return the next number of this environment."""
        return next(self._counter)

    def order_id(self, instrument: Instrument, number: int) -> str:
        if instrument.spot:
            return str(self.start * 10**6 + number * 256)
        return self.unique("order", number)

    def exec_id(self, instrument: Instrument, number: int) -> str:
        return str(2_100_000_000_000_000_000 + number) if instrument.spot else self.unique("execution", number)

    def unique(self, what: str, number: int) -> str:
        """Return a text in the form of a UUID, the same in every run."""
        digest = hashlib.blake2b(f"{self.start}/{what}/{number}".encode(), digest_size=16).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"
