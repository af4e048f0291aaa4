"""Bybit's side of a random schedule."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from random import Random  # noqa: TID251 - seeded schedules
from typing import Any

from cerberod.simulator.bybit.environment import Environment
from cerberod.simulator.faults import Fault, Verb
from tests.faults.scheduled import Thought, Write

HERE = "bybit_testnet"
WIRES = (
    "/v5/order/create",
    "/v5/order/create",
    "/v5/order/create-batch",
    "/v5/order/amend*",
    "/v5/order/cancel*",
    "/v5/order/realtime",
    "/v5/position*",
    None,
)
RARE = {Verb.REFUSE, Verb.RATE_LIMIT, Verb.SILENCE}
VERBS = [verb for verb in Verb if verb not in (Verb.ANSWER_TWICE, Verb.CLOCK_OFFSET)]
WEIGHTS = [1 if verb in RARE else 5 for verb in VERBS]
CODES = (10000, 10014, 10016, 110007, 110072, 170141, 999_999)
AFTER_ALL = (10000, 10016, 110072, 170141)
"""Those that the venue may say of what it has carried out."""
STATUSES = (400, 404, 429, 502, 503)
WISHES = (
    *("place",) * 4,
    *("place_batch", "place_batch", "trigger", "spot", "close", "stop", "leverage", "mode", "protection"),
    *("amend", "amend_batch", "cancel", "cancel_batch", "cancel_all"),
)
PERPETUAL = {"category": "linear", "symbol": "BTCUSDT"}
ORDER = {"symbol": "BTCUSDT", "side": "buy", "qty": "0.001"}
OUR_OWN = ("EC_NoError", "EC_PerCancelRequest")


class BybitSide:
    """What bots ask of it, and what it says of what they asked."""

    environment = HERE

    def __init__(self, venue: Environment, seeded: Random) -> None:
        self._venue = venue
        self._seeded = seeded
        self._open: dict[str, list[str]] = defaultdict(list)
        self._amended: set[str] = set()
        self._cancelled: set[str] = set()
        self._protected = False

    def drop(self) -> None:
        return  # no line is kept

    def fault(self) -> Fault:
        seeded = self._seeded
        verb = seeded.choices(VERBS, WEIGHTS)[0]
        code = seeded.choice(CODES) if verb is Verb.ERROR else None
        return Fault(
            verb,
            HERE,
            method=None if verb is Verb.REFUSE else seeded.choice(WIRES),
            nth=seeded.randint(1, 2),
            times=seeded.randint(1, 3),
            ms=seeded.choice((None, 100, 3_000)) if verb is Verb.ANSWER_LATE else None,
            code=code,
            status=seeded.choice(STATUSES) if verb is Verb.STATUS else None,
            effect=code in AFTER_ALL and seeded.random() < 0.5,
        )

    # -- bots --------------------------------------------------------------------------------------------------------

    def think(self, bot: str, number: int) -> Thought:
        seeded = self._seeded
        free = [order for order in self._open[bot] if order not in self._cancelled]
        amendable = [order for order in free if order not in self._amended]
        what = seeded.choice(WISHES)
        match what:
            case "amend" if amendable:
                (order,) = self._take(amendable, 1, self._amended)
                return "bybit.amend_order", {**PERPETUAL, "order_id": order, "price": f"{30_000 + number}"}
            case "amend_batch" if len(amendable) > 1:
                orders = self._take(amendable, 2, self._amended)
                changes: list[dict[str, str]] = [
                    {"symbol": "BTCUSDT", "order_id": order, "price": f"{30_000 + number}.{at}"}
                    for at, order in enumerate(orders, 1)
                ]
                return "bybit.amend_batch_order", {"category": "linear", "request": changes}
            case "cancel" if free:
                (order,) = self._take(free, 1, self._cancelled)
                return "bybit.cancel_order", {**PERPETUAL, "order_id": order}
            case "cancel_batch" if len(free) > 1:
                orders = self._take(free, 2, self._cancelled)
                named = [{"symbol": "BTCUSDT", "order_id": order} for order in orders]
                return "bybit.cancel_batch_order", {"category": "linear", "request": named}
            case "cancel_all" if seeded.random() < 0.3:
                return "bybit.cancel_all_orders", PERPETUAL
            case "place_batch":
                wanted = [{**ORDER, "price": f"{20_000 + number}.{at}"} for at in range(1, 4)]
                if seeded.random() < 0.3:
                    wanted[1]["qty"] = "1000"  # more than the account can pay
                return "bybit.place_batch_order", {"category": "linear", "request": wanted}
            case "trigger":
                stop = {"type": "market", "trigger_price": "20000", "trigger_direction": 2}
                return "bybit.place_order", {**ORDER, "category": "linear", **stop}
            case "spot":
                return "bybit.place_order", {**ORDER, "category": "spot", "price": f"{20_000 + number}"}
            case "close":
                return "bybit.close_position", PERPETUAL
            case "leverage":
                # Each at a contract of its own: of two that are lost at once nobody could tell which was carried out.
                symbol = {"category": "linear", "symbol": f"SIM{number:03}USDT"}
                return "bybit.set_leverage", {**symbol, "buy_leverage": "3"}
            case "mode":
                return "bybit.switch_position_mode", {"symbol": f"SIM{number:03}USDT", "mode": 3}
            case "stop":
                return "bybit.set_trading_stop", {**PERPETUAL, "stop_loss": f"{1000 + number}"}
            case "protection" if not self._protected:
                self._protected = True
                return "bybit.set_disconnect_protection", {"time_window": 33, "product": "SPOT"}
            case _:
                terms = {"type": "market"} if seeded.random() < 0.2 else {"price": f"{20_000 + number}"}
                return "bybit.place_order", {**ORDER, "category": "linear", **terms}

    def _take(self, orders: list[str], number: int, into: set[str]) -> list[str]:
        taken = self._seeded.sample(orders, number)
        into.update(taken)
        return taken

    def learn(self, write: Write, outcome: Any) -> None:
        each = getattr(outcome, "orders", [outcome])
        if write.method not in ("bybit.place_order", "bybit.place_batch_order") or write.params["category"] == "spot":
            return
        placed = [order for order in (getattr(one, "order", None) for one in each) if order is not None]
        known = self._open[write.bot]
        known += [each.order_id for each in placed if each.order_status == "New" and each.order_id not in known]

    # -- what must hold ----------------------------------------------------------------------------------------------

    def sent(self, write: Write) -> int:
        mine = set(write.labels.values())
        match write.method:
            case "bybit.place_order" | "bybit.place_batch_order" | "bybit.close_position":
                return sum(label in mine for label in self._labels_asked())
            case "bybit.amend_order" | "bybit.amend_batch_order":
                orders = write.params.get("request", [write.params])
                prices = {order["price"] for order in orders}
                return sum(item.get("price") in prices for item in self._items("/v5/order/amend"))
            case "bybit.cancel_order" | "bybit.cancel_batch_order":
                ids = {order["order_id"] for order in write.params.get("request", [write.params])}
                return sum(item.get("orderId") in ids for item in self._items("/v5/order/cancel"))
            case "bybit.set_leverage":
                wanted = write.params["symbol"]
                return sum(item.get("symbol") == wanted for item in self._items("/v5/position/set-leverage"))
            case "bybit.switch_position_mode":
                wanted = write.params["symbol"]
                return sum(item.get("symbol") == wanted for item in self._items("/v5/position/switch-mode"))
            case "bybit.set_trading_stop":
                wanted = write.params["stop_loss"]
                return sum(item.get("stopLoss") == wanted for item in self._items("/v5/position/trading-stop"))
            case _:
                return 0

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield what requests to a path, and to that of its batches, were about."""
        for request in self._venue.received.latest:
            if request.method in (path, f"{path}-batch"):
                yield from request.params.get("request", [request.params])

    def _labels_asked(self) -> list[str]:
        return [item["orderLinkId"] for item in self._items("/v5/order/create")]

    def cancel_all(self) -> None:
        for order in self._venue.exchange.blotter.open_orders():
            self._venue.exchange.cancel(order)

    def require_once(self, where: str, labels: Iterable[str]) -> None:
        placed = Counter(order.link_id for order in self._venue.exchange.blotter.orders.values() if order.link_id)
        doubled = [label for label, times in placed.items() if times > 1]
        assert not doubled, f"{where}: placed twice {doubled}"
        asked = Counter(self._labels_asked())
        assert not [label for label, times in asked.items() if times > 1], f"{where}: sent twice"
        assert not asked.keys() - set(labels), f"{where}: sent, and the journal knows nothing of it"

    def done(self, write: Write, intent: str) -> bool | None:
        asked = write.params
        if intent != write.intent:
            asked = write.params["request"][int(intent.rpartition("/")[2])]
        elif write.parts:
            return None  # its parts tell
        orders = self._venue.exchange.blotter.orders
        match write.method:
            case "bybit.place_order" | "bybit.place_batch_order" | "bybit.close_position":
                mine = [order.record() for order in orders.values() if order.link_id == write.labels.get(intent)]
                return any(
                    order["orderStatus"] != "Rejected"
                    and (order["rejectReason"] in OUR_OWN or float(order["cumExecQty"]) > 0)
                    for order in mine
                )
            case "bybit.amend_order" | "bybit.amend_batch_order":
                return float(orders[asked["order_id"]].record()["price"]) == float(asked["price"])
            case "bybit.set_leverage":
                settings = self._venue.exchange.told()["settings"]
                return bool(settings["leverage"].get(asked["symbol"]) == asked["buy_leverage"])
            case "bybit.switch_position_mode":
                return asked["symbol"] in self._venue.exchange.account.hedged
            case "bybit.set_disconnect_protection":
                return bool(self._venue.exchange.told()["settings"]["disconnect_s"].get("SPOT") == asked["time_window"])
            case _:
                return None  # everything was cancelled in the end, and a position's stop is that of the last who set it
