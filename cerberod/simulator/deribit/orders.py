"""Orders and user trades as the simulated Deribit remembers and tells them. Pure records; the exchange moves them."""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.matching import ZERO, Lifetime, Side


@dataclass(frozen=True)
class OrderRequest:
    """What a caller asks for, parameters checked one by one but not against the market."""

    instrument: Instrument
    side: Side
    amount: Decimal
    market: bool
    price: Decimal | None
    lifetime: Lifetime = Lifetime.GOOD_TIL_CANCELLED
    label: str = ""
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    valid_until_ms: int | None = None


@dataclass(frozen=True)
class EditRequest:
    """What an edit changes; `amount` is the new total, filled part included."""

    amount: Decimal | None
    price: Decimal | None
    post_only: bool | None = None
    reject_post_only: bool | None = None
    reduce_only: bool | None = None
    valid_until_ms: int | None = None


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
    market: bool
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

    @property
    def open(self) -> bool:
        return self.state == "open"

    @property
    def remaining(self) -> Decimal:
        return self.amount - self.filled

    @property
    def signed_remaining(self) -> Decimal:
        return self.remaining if self.side is Side.BUY else -self.remaining

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
        out: dict[str, object] = {
            "order_id": self.order_id,
            "order_state": self.state,
            "order_type": "market" if self.market else "limit",
            "time_in_force": self.lifetime.value,
            "instrument_name": self.instrument.name,
            "direction": self.side.value,
            "price": float(self.price),
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
            "mmp": False,
            "api": True,
            "web": False,
            "is_liquidation": False,
            "user_id": self.user_id,
            "creation_timestamp": self.created_ms,
            "last_update_timestamp": self.updated_ms,
        }
        if self.cancel_reason is not None:
            out["cancel_reason"] = self.cancel_reason
        return out


@dataclass(frozen=True)
class UserTrade:
    """One fill of a user's order."""

    order_id: str
    account: str
    instrument: Instrument
    time_ms: int
    fields: dict[str, object]


@dataclass
class Numbering:
    """Order and trade ids: bare digits for BTC, prefixed with the settlement currency for the rest."""

    start: int
    _orders: "count[int]" = field(init=False)
    _trades: "count[int]" = field(init=False)

    def __post_init__(self) -> None:
        self._orders = count(self.start + 1)
        self._trades = count(self.start // 100 + 1)

    def order_id(self, instrument: Instrument) -> str:
        return _prefixed(instrument, next(self._orders))

    def trade_id(self, instrument: Instrument) -> tuple[str, int]:
        """Return a trade id and the trade's sequence number."""
        number = next(self._trades)
        return _prefixed(instrument, number), number


def _prefixed(instrument: Instrument, number: int) -> str:
    return str(number) if instrument.currency == "BTC" else f"{instrument.currency}-{number}"
