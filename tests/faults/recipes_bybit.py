"""How each write at Bybit is asked for on a bad day. Prices that no other order has tell orders of a batch apart."""

from collections.abc import Callable
from typing import Any

import anyio

from cerberod.errors import Code
from tests.faults.asked import Asked, Recipe, new_intent, number
from tests.support.bad_day import Orders
from tests.support.client import Client, Refused

PERPETUAL = {"category": "linear", "symbol": "BTCUSDT"}
CREATE, AMEND, CANCEL = "/v5/order/create", "/v5/order/amend", "/v5/order/cancel"
_LARGEST = 3
"""Orders of the largest batch here."""


def resting(**changes: Any) -> dict[str, Any]:
    """Return the params of an order that will not fill, at a price of its own."""
    return {**PERPETUAL, "side": "buy", "qty": "0.01", "price": price(), "intent": new_intent(), **changes}


def price() -> str:
    """Return a price far below the market that nobody else has."""
    return f"{20_000 + number() / 10:.1f}".removesuffix(".0")


async def _called(client: Client, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Call until there was credit for it: after a rate limit a daemon waits, and its deadline here is short."""
    while True:
        try:
            done = await client.call(method, params)
        except Refused as refused:
            assert refused.code is Code.DEADLINE_PASSED, refused
            continue
        while done["outcome"] == "unknown":  # there was no time left to follow it
            await anyio.sleep(0.05)
            done = (await client.call("orders.get_outcome", {"intent": params["intent"]}))["result"]
        assert done["outcome"] == "confirmed", done
        return done


async def _order(client: Client, **changes: Any) -> dict[str, Any]:
    placed: dict[str, Any] = (await _called(client, "bybit.place_order", resting(**changes)))["order"]
    return placed


def _named(order: dict[str, Any]) -> dict[str, Any]:
    return {"symbol": order["symbol"], "order_id": order["order_id"]}


def _by_link(orders: Orders, link_id: str | None) -> bool:
    return link_id in [order["orderLinkId"] for order in orders.values()]


def _at(wanted: str) -> Callable[[Orders], bool]:
    """Tell whether one order was placed at a price. Two would be one too many."""

    def placed(orders: Orders) -> bool:
        found = [order for order in orders.values() if order["price"] == wanted]
        assert len(found) <= 1, f"{len(found)} orders of one intent"
        return len(found) == 1

    return placed


def _has(order_id: str, **wanted: str) -> Callable[[Orders], bool]:
    return lambda orders: wanted.items() <= orders[order_id].items()


def _one(done: Callable[[Orders], bool]) -> Callable[[Orders, str | None], bool]:
    return lambda orders, label: done(orders)


async def _place(client: Client) -> Asked:
    return Asked("bybit.place_order", CREATE, resting(), _by_link)


async def _place_spot(client: Client) -> Asked:
    return Asked("bybit.place_order", CREATE, resting(category="spot"), _by_link)


async def _place_trigger(client: Client) -> Asked:
    await _clear(client, "BTCPERP")
    trigger = {"type": "market", "price": None, "trigger_price": "20000", "trigger_direction": 2, "symbol": "BTCPERP"}
    return Asked("bybit.place_order", CREATE, resting(**trigger), _by_link)


async def _clear(client: Client, symbol: str) -> None:
    """Cancel what earlier days have left: the venue takes only so many orders that wait for a trigger."""
    await _called(client, "bybit.cancel_all_orders", {**PERPETUAL, "symbol": symbol, "intent": new_intent()})


async def _amend(client: Client) -> Asked:
    order, new = await _order(client), price()
    params = {**PERPETUAL, "order_id": order["order_id"], "price": new, "intent": new_intent()}
    return Asked("bybit.amend_order", AMEND, params, _one(_has(order["order_id"], price=new)))


async def _cancel(client: Client) -> Asked:
    order = await _order(client)
    params = {**PERPETUAL, "order_id": order["order_id"], "intent": new_intent()}
    return Asked("bybit.cancel_order", CANCEL, params, _one(_has(order["order_id"], orderStatus="Cancelled")))


async def _cancel_all(client: Client) -> Asked:
    order = await _order(client, symbol="ETHUSDT", qty="0.1", price="1000")
    params = {**PERPETUAL, "symbol": "ETHUSDT", "intent": new_intent()}
    done = _has(order["order_id"], orderStatus="Cancelled")
    return Asked("bybit.cancel_all_orders", "/v5/order/cancel-all", params, _one(done))


def _bare(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name not in ("category", "intent")}


def _batch(method: str, path: str, request: list[dict[str, Any]], done: list[Callable[[Orders], bool]]) -> Asked:
    intent = new_intent()
    parts = {f"{intent}/{at}": each for at, each in enumerate(done)}
    params = {"category": "linear", "request": request, "intent": intent}
    return Asked(method, path, params, lambda orders, label: any(each(orders) for each in done), parts)


async def _room(client: Client, method: str) -> None:
    """Wait until a batch may leave at once: a daemon as impatient as here refuses one that would have to wait."""
    while True:
        limits = await client.call("bybit.get_rate_limits")
        (found,) = [
            each for each in limits["endpoints"] if (each["endpoint"], each["group"]) == (method, "derivatives")
        ]
        if found["left"] >= _LARGEST:
            return
        await anyio.sleep(0.05)


async def _place_batch(client: Client) -> Asked:
    await _room(client, "order/create-batch")
    return batch_of(3)


def batch_of(number: int) -> Asked:
    """Return so many orders in one write."""
    orders = [_bare(resting()) for _ in range(number)]
    done = [_at(order["price"]) for order in orders]
    return _batch("bybit.place_batch_order", "/v5/order/create-batch", orders, done)


async def _place_half_a_batch(client: Client) -> Asked:
    """The second order is more than the account can pay: the envelope says success all the same."""
    await _room(client, "order/create-batch")
    orders = [_bare(resting()), _bare(resting(qty="1000"))]
    done = [_at(order["price"]) for order in orders]
    return _batch("bybit.place_batch_order", "/v5/order/create-batch", orders, done)


async def _amend_batch(client: Client) -> Asked:
    orders = [await _order(client) for _ in range(2)]
    changes = [{**_named(order), "price": price()} for order in orders]
    await _room(client, "order/amend-batch")
    done = [_has(change["order_id"], price=change["price"]) for change in changes]
    return _batch("bybit.amend_batch_order", "/v5/order/amend-batch", changes, done)


async def _cancel_batch(client: Client) -> Asked:
    orders = [await _order(client) for _ in range(2)]
    done = [_has(order["order_id"], orderStatus="Cancelled") for order in orders]
    return _batch("bybit.cancel_batch_order", "/v5/order/cancel-batch", [_named(each) for each in orders], done)


async def _position(client: Client, symbol: str, qty: str) -> None:
    """Buy, so that there is something to end."""
    order = {"category": "linear", "symbol": symbol, "side": "buy", "qty": qty, "type": "market"}
    bought = await _called(client, "bybit.place_order", {**order, "intent": new_intent()})
    assert bought["order"]["order_status"] == "Filled", bought


async def _close(client: Client) -> Asked:
    await _position(client, "SOLUSDT", "1")
    params = {"category": "linear", "symbol": "SOLUSDT", "intent": new_intent()}
    return Asked("bybit.close_position", CREATE, params, _by_link)


async def _stop(client: Client) -> Asked:
    await _position(client, "XRPUSDT", "10")
    wanted = f"0.{1000 + number() % 1000}".rstrip("0")
    params = {"category": "linear", "symbol": "XRPUSDT", "stop_loss": wanted, "intent": new_intent()}

    def done(orders: Orders, label: str | None) -> bool:
        return bool(orders.settings["stops"]["XRPUSDT,0"]["stopLoss"] == wanted)

    return Asked("bybit.set_trading_stop", "/v5/position/trading-stop", params, done)


async def _stop_of_a_part(client: Client) -> Asked:
    await _position(client, "XRPPERP", "20")
    wanted = f"0.{1000 + number() % 1000}".rstrip("0")
    part = {"tpsl_mode": "Partial", "size": "1", "stop_loss": wanted}
    params = {"category": "linear", "symbol": "XRPPERP", **part, "intent": new_intent()}
    await _clear(client, "XRPPERP")
    done = _one(lambda orders: any(order["triggerPrice"] == wanted for order in orders.values()))
    return Asked("bybit.set_trading_stop", "/v5/position/trading-stop", params, done)


async def _leverage(client: Client) -> Asked:
    wanted = f"{2 + number() % 4000 / 100:g}"
    params = {"category": "linear", "symbol": "SOLPERP", "buy_leverage": wanted, "intent": new_intent()}

    def done(orders: Orders, label: str | None) -> bool:
        return bool(orders.settings["leverage"].get("SOLPERP") == wanted)

    return Asked("bybit.set_leverage", "/v5/position/set-leverage", params, done)


async def _mode(client: Client) -> Asked:
    one_way = {"symbol": "SIM001USDT", "mode": 0, "intent": new_intent()}
    await _called(client, "bybit.switch_position_mode", one_way)
    params = {**one_way, "mode": 3, "intent": new_intent()}

    def done(orders: Orders, label: str | None) -> bool:
        return "SIM001USDT" in orders.settings["hedged"]

    return Asked("bybit.switch_position_mode", "/v5/position/switch-mode", params, done)


async def _protection(client: Client) -> Asked:
    wanted = 3 + number() % 290
    params = {"time_window": wanted, "product": "SPOT", "intent": new_intent()}

    def done(orders: Orders, label: str | None) -> bool:
        return bool(orders.settings["disconnect_s"].get("SPOT") == wanted)

    return Asked("bybit.set_disconnect_protection", "/v5/order/disconnected-cancel-all", params, done)


BYBIT: dict[str, Recipe] = {
    "bybit.place_order": Recipe(_place),
    "bybit.place_order in spot": Recipe(_place_spot),
    "bybit.place_order as a trigger": Recipe(_place_trigger),
    "bybit.amend_order": Recipe(_amend),
    "bybit.cancel_order": Recipe(_cancel, is_cancel=True),
    "bybit.cancel_all_orders": Recipe(_cancel_all, is_cancel=True),
    "bybit.place_batch_order": Recipe(_place_batch, in_parts=True),
    "bybit.place_batch_order of which one is refused": Recipe(_place_half_a_batch, in_parts=True),
    "bybit.amend_batch_order": Recipe(_amend_batch, in_parts=True),
    "bybit.cancel_batch_order": Recipe(_cancel_batch, is_cancel=True, in_parts=True),
    "bybit.close_position": Recipe(_close),
    "bybit.set_leverage": Recipe(_leverage),
    "bybit.set_trading_stop": Recipe(_stop),
    "bybit.set_trading_stop of a part": Recipe(_stop_of_a_part),
    "bybit.switch_position_mode": Recipe(_mode),
    "bybit.set_disconnect_protection": Recipe(_protection),
}
