"""What became of trigger orders: fired, cancelled or rejected, newest first, page by page."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from cerberod.simulator.deribit.instruments import Instrument
from cerberod.simulator.deribit.orders import Order
from cerberod.simulator.deribit.triggers import told_trigger

_KEPT: Final = 5_000


@dataclass(frozen=True)
class Entry:
    """One thing that happened to one trigger order."""

    time_ms: int
    instrument: Instrument
    fields: dict[str, object]

    @property
    def mark(self) -> str:
        """Return what a continuation names this entry by."""
        return f"{self.time_ms}.{self.fields['trigger_order_id']}"


class TriggerHistory:
    """The entries of one environment, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_KEPT)

    def add(self, order: Order, state: str, request: str, placed: Order | None) -> None:
        """Note what happened to an order; `placed` is what it became."""
        fields: dict[str, object] = {
            "timestamp": order.updated_ms,
            "last_update_timestamp": order.updated_ms,
            "trigger_order_id": order.order_id,
            "order_id": None if placed is None else placed.order_id,
            "order_state": state,
            "request": request,
            "trigger": None if order.trigger is None else told_trigger(order.trigger),
            "trigger_price": None if order.trigger_price is None else float(order.trigger_price),
            "offset": None if order.trigger_offset is None else float(order.trigger_offset),
            "price": float(order.price) if order.type.priced else "market_price",
            "order_type": order.type.value,
            "instrument_name": order.instrument.name,
            "amount": float(order.amount),
            "direction": order.side.value,
            "label": order.label,
            "post_only": order.post_only,
            "reduce_only": order.reduce_only,
        }
        if order.secondary:
            fields["is_secondary_oto"] = True
        if order.oco_ref is not None:
            fields["oco_ref"] = order.oco_ref
        self.entries.append(Entry(order.updated_ms, order.instrument, fields))
