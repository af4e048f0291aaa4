"""Deribit's side of a random schedule."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random  # noqa: TID251 - seeded schedules
from typing import Any

from cerberod.simulator.deribit.environment import Environment
from cerberod.simulator.faults import Fault, Verb
from cerberod.simulator.received import Received
from tests.faults.scheduled import Thought, Write
from tests.support.memory_venue import MemoryVenue

HERE = "deribit_testnet"
WIRES = (
    "private/buy",
    "private/buy",
    "private/sell",
    "private/edit",
    "private/create_combo",
    "private/cancel*",
    "private/get*",
    None,
)
PLACING = {
    "deribit.place_order",
    "deribit.place_bracket_order",
    "deribit.place_combo_order",
    "deribit.close_position",
    "deribit.set_stop_loss",
    "deribit.set_take_profit",
}
"""Writes that end as one order with a label of ours."""
ORDERS = ("private/buy", "private/sell")
RARE = {Verb.REFUSE, Verb.RATE_LIMIT, Verb.SILENCE}
"""Nothing else can go wrong for a while after one of these."""
VERBS = [verb for verb in Verb if verb not in (Verb.STATUS, Verb.CLOCK_OFFSET)]
WEIGHTS = [1 if verb in RARE else 5 for verb in VERBS]
WISHES = (
    *("place",) * 4,
    *("trigger", "bracket", "combo", "combo", "stop_loss", "take_profit", "close"),
    *("edit", "cancel", "cancel_by_label", "cancel_all"),
)
BUYING = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10"}


class DeribitSide:
    """What bots ask of it, and what it says of what they asked."""

    environment = HERE

    def __init__(self, venue: Environment, line: MemoryVenue, seeded: Random) -> None:
        self._venue = venue
        self._line = line
        self._seeded = seeded
        self._open: dict[str, list[str]] = defaultdict(list)
        self._labels: dict[str, str] = {}
        self._edited: set[str] = set()
        self._cancelled: set[str] = set()

    def drop(self) -> None:
        self._line.drop()

    def fault(self) -> Fault:
        seeded = self._seeded
        verb = seeded.choices(VERBS, WEIGHTS)[0]
        return Fault(
            verb,
            HERE,
            method=None if verb is Verb.REFUSE else seeded.choice(WIRES),
            nth=seeded.randint(1, 2),
            times=seeded.randint(1, 3),
            ms=seeded.choice((None, 100, 3_000)) if verb is Verb.ANSWER_LATE else None,
            code=seeded.choice((10009, 10028, 10040, 11094, 13028, 13009, 19999)) if verb is Verb.ERROR else None,
            effect=False,
        )

    # -- bots --------------------------------------------------------------------------------------------------------

    def think(self, bot: str, number: int) -> Thought:
        seeded = self._seeded
        free = [order for order in self._open[bot] if order not in self._cancelled]
        editable = [order for order in free if order not in self._edited]
        what = seeded.choice(WISHES)
        if what == "edit" and editable:
            order = seeded.choice(editable)
            self._edited.add(order)
            return "deribit.edit_order", {"order_id": order, "price": f"{3000 + number}"}
        if what == "cancel" and free:
            order = seeded.choice(free)
            self._cancelled.add(order)
            return "deribit.cancel_order", {"order_id": order}
        if what == "cancel_by_label" and free:
            order = seeded.choice(free)
            self._cancelled.add(order)
            return "deribit.cancel_by_label", {"label": self._labels[order]}
        if what == "cancel_all" and seeded.random() < 0.3:
            return "deribit.cancel_all_orders", {"instrument_name": "BTC-PERPETUAL"}
        if what in ("trigger", "bracket", "combo", "stop_loss", "take_profit", "close"):
            return self._of_the_rest(what, number)
        terms = {"type": "market"} if seeded.random() < 0.2 else {"price": f"{1000 + number}"}
        return "deribit.place_order", {**BUYING, **terms}

    def _of_the_rest(self, what: str, number: int) -> Thought:
        """Think of an order that is more than one: with a trigger, with exits, of two legs, or against a position."""
        price = {"price": f"{1000 + number}"}
        held = {"instrument_name": "BTC-PERPETUAL"}
        match what:
            case "trigger":
                stop = {"type": "stop_limit", "trigger": "mark_price", "trigger_price": "900000"}
                return "deribit.place_order", {**BUYING, **stop, **price}
            case "bracket":
                exits = {"stop_loss": {"trigger_price": "900"}, "take_profit": {"trigger_price": "900000"}}
                return "deribit.place_bracket_order", {**BUYING, **price, **exits}
            case "combo":
                live = self._venue.exchange.catalogue.live().values()
                futures = sorted(each.name for each in live if each.kind == "future" and each.coin == "BTC")
                legs = [
                    {"instrument_name": name, "side": side, "amount": "10"}
                    for name, side in zip(self._seeded.sample(futures, 2), ("buy", "sell"), strict=True)
                ]
                return "deribit.place_combo_order", {"legs": legs, "price": str(self._seeded.choice((-9000, 9000)))}
            case "stop_loss":
                return "deribit.set_stop_loss", {**held, "trigger_price": "1000"}
            case "take_profit":
                return "deribit.set_take_profit", {**held, "trigger_price": "900000"}
            case _:
                return "deribit.close_position", held

    def learn(self, write: Write, outcome: Any) -> None:
        order = getattr(outcome, "order", None)
        rests = write.method in ("deribit.place_order", "deribit.place_bracket_order")
        if rests and order is not None and order.order_state == "open":
            self._open[write.bot].append(order.order_id)
            self._labels[order.order_id] = order.label

    # -- what must hold ----------------------------------------------------------------------------------------------

    def sent(self, write: Write) -> int:
        return sum(_is(write, request) for request in self._venue.received.latest)

    def cancel_all(self) -> None:
        for order in list(self._venue.exchange.blotter.orders.values()):
            if order.open:
                self._venue.exchange.cancel(order)

    def require_once(self, where: str, labels: Iterable[str]) -> None:
        orders = self._venue.exchange.blotter.orders.values()
        placed = Counter(order.label for order in orders if not order.trigger_order_id and not order.secondary)
        doubled = [label for label, times in placed.items() if times > 1]
        assert not doubled, f"{where}: placed twice {doubled}"
        asked = Counter(request.params["label"] for request in self._venue.received.latest if request.method in ORDERS)
        assert not [label for label, times in asked.items() if times > 1], f"{where}: sent twice"
        assert not asked.keys() - set(labels), f"{where}: sent, and the journal knows nothing of it"

    def done(self, write: Write, intent: str) -> bool | None:
        orders = self._venue.exchange.blotter.orders
        match write.method:
            case method if method in PLACING:
                return any(order.label == write.label for order in orders.values())
            case "deribit.edit_order":
                return bool(orders[write.params["order_id"]].record()["price"] == float(write.params["price"]))
            case _:
                return None  # everything was cancelled in the end


def _is(write: Write, request: Received) -> bool:
    """Tell whether a request that the venue received is this write. Mass cancels cannot be told apart."""
    params = request.params
    match write.method:
        case method if method in PLACING:
            return request.method in ORDERS and params["label"] == write.label
        case "deribit.cancel_by_label":
            return request.method == "private/cancel_by_label" and params["label"] == write.params["label"]
        case "deribit.edit_order":
            return request.method == "private/edit" and params["price"] == float(write.params["price"])
        case "deribit.cancel_order":
            return request.method == "private/cancel" and params["order_id"] == write.params["order_id"]
        case _:
            return False
