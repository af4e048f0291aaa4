"""How each write is asked for on a bad day, and how its truth is read at the venue.

A write method without a recipe fails the suite: nothing is declared that was never tried on a bad day.
"""

from typing import Any

from tests.faults.asked import Asked, Recipe, method_of
from tests.faults.asked import new_intent as _intent
from tests.faults.recipes_bybit import BYBIT
from tests.support.bad_day import Orders
from tests.support.client import Client

__all__ = ["RECIPES", "Asked", "Orders", "Recipe", "method_of", "resting"]


def resting(instrument: str = "BTC-PERPETUAL", price: str = "1000") -> dict[str, Any]:
    """Return the params of an order that will not fill."""
    return {"instrument_name": instrument, "side": "buy", "amount": "10", "price": price, "intent": _intent()}


async def _order(client: Client, instrument: str = "BTC-PERPETUAL") -> str:
    placed = await client.call("deribit.place_order", resting(instrument))
    assert placed["outcome"] == "confirmed", placed
    order_id: str = placed["order"]["order_id"]
    return order_id


async def _position(client: Client, instrument: str = "SOL_USDC-PERPETUAL", amount: str = "1") -> None:
    """Buy, so that there is something to end."""
    order = {"instrument_name": instrument, "side": "buy", "amount": amount, "type": "market", "intent": _intent()}
    placed = await client.call("deribit.place_order", order)
    assert (placed["outcome"], placed["order"]["order_state"]) == ("confirmed", "filled"), placed


async def _clear(client: Client) -> None:
    """Cancel what earlier days have left: the venue takes only so many orders that wait for a trigger."""
    assert (await client.call("deribit.cancel_all_orders", {"intent": _intent()}))["outcome"] == "confirmed"


def _by_label(orders: Orders, label: str | None) -> bool:
    return any(order["label"] == label for order in orders.values())


async def _place(client: Client) -> Asked:
    return Asked("deribit.place_order", "private/buy", resting(), _by_label)


async def _place_trigger(client: Client) -> Asked:
    await _clear(client)
    trigger = {"type": "take_limit", "trigger": "mark_price", "trigger_price": "1200"}
    return Asked("deribit.place_order", "private/buy", resting() | trigger, _by_label)


async def _bracket(client: Client) -> Asked:
    await _clear(client)
    exits = {"stop_loss": {"trigger_price": "900"}, "take_profit": {"trigger_price": "1900", "price": "1890"}}
    return Asked("deribit.place_bracket_order", "private/buy", resting() | exits, _by_label)


async def _combo(client: Client) -> Asked:
    """Sell the far future against the perpetual: the other way round than the venue has the spread."""
    legs = [
        {"instrument_name": await _future(client), "side": "sell", "amount": "10"},
        {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10"},
    ]
    params = {"legs": legs, "price": "-3000", "intent": _intent()}
    return Asked("deribit.place_combo_order", "private/sell", params, _by_label)


async def _future(client: Client) -> str:
    """Return the last dated future on BTC; which there are is asked once."""
    if not _futures:
        listed = await client.call("deribit.get_instruments", {"currency": "BTC", "kind": "future"})
        dated = [each for each in listed["instruments"] if each["expires_at"] is not None]
        _futures.append(max(dated, key=lambda each: str(each["expires_at"]))["instrument_name"])
    return _futures[0]


_futures: list[str] = []


async def _close(client: Client) -> Asked:
    await _position(client)
    params = {"instrument_name": "SOL_USDC-PERPETUAL", "intent": _intent()}
    return Asked("deribit.close_position", "private/sell", params, _by_label)


async def _stop_loss(client: Client) -> Asked:
    await _clear(client)
    await _position(client)
    params = {"instrument_name": "SOL_USDC-PERPETUAL", "trigger_price": "1", "intent": _intent()}
    return Asked("deribit.set_stop_loss", "private/sell", params, _by_label)


async def _take_profit(client: Client) -> Asked:
    await _clear(client)
    await _position(client)
    params = {"instrument_name": "SOL_USDC-PERPETUAL", "trigger_price": "9999", "price": "9990", "intent": _intent()}
    return Asked("deribit.set_take_profit", "private/sell", params, _by_label)


async def _edit(client: Client) -> Asked:
    order_id = await _order(client)
    params = {"order_id": order_id, "price": "1100", "intent": _intent()}
    return Asked(
        "deribit.edit_order",
        "private/edit",
        params,
        lambda orders, label: orders[order_id]["price"] == 1100,
    )


async def _edit_trigger(client: Client) -> Asked:
    await _clear(client)
    trigger = {"type": "take_limit", "trigger": "mark_price", "trigger_price": "1200"}
    placed = await client.call("deribit.place_order", resting() | trigger)
    order_id = placed["order"]["order_id"]
    return Asked(
        "deribit.edit_order",
        "private/edit",
        {"order_id": order_id, "trigger_price": "1300", "intent": _intent()},
        lambda orders, label: orders[order_id]["trigger_price"] == 1300,
    )


async def _cancel(client: Client) -> Asked:
    order_id = await _order(client)
    params = {"order_id": order_id, "intent": _intent()}
    return Asked(
        "deribit.cancel_order",
        "private/cancel",
        params,
        lambda orders, label: orders[order_id]["order_state"] == "cancelled",
    )


async def _cancel_trigger(client: Client) -> Asked:
    await _clear(client)
    trigger = {"type": "take_limit", "trigger": "mark_price", "trigger_price": "1200"}
    placed = await client.call("deribit.place_order", resting() | trigger)
    order_id = placed["order"]["order_id"]
    return Asked(
        "deribit.cancel_order",
        "private/cancel",
        {"order_id": order_id, "intent": _intent()},
        lambda orders, label: orders[order_id]["order_state"] == "cancelled",
    )


async def _cancel_by_label(client: Client) -> Asked:
    placed = await client.call("deribit.place_order", resting())
    order_id = placed["order"]["order_id"]
    return Asked(
        "deribit.cancel_by_label",
        "private/cancel_by_label",
        {"label": placed["client_order_id"], "intent": _intent()},
        lambda orders, label: orders[order_id]["order_state"] == "cancelled",
    )


async def _cancel_all(client: Client) -> Asked:
    order_id = await _order(client, "ETH-PERPETUAL")
    params = {"instrument_name": "ETH-PERPETUAL", "intent": _intent()}
    return Asked(
        "deribit.cancel_all_orders",
        "private/cancel_all_by_instrument",
        params,
        lambda orders, label: orders[order_id]["order_state"] == "cancelled",
    )


RECIPES: dict[str, Recipe] = {
    "deribit.place_order": Recipe(_place),
    "deribit.place_order as a trigger": Recipe(_place_trigger),
    "deribit.edit_order": Recipe(_edit),
    "deribit.edit_order of a trigger": Recipe(_edit_trigger),
    "deribit.cancel_order": Recipe(_cancel, is_cancel=True),
    "deribit.cancel_order of a trigger": Recipe(_cancel_trigger, is_cancel=True),
    "deribit.cancel_all_orders": Recipe(_cancel_all, is_cancel=True),
    "deribit.cancel_by_label": Recipe(_cancel_by_label, is_cancel=True),
    "deribit.place_bracket_order": Recipe(_bracket),
    "deribit.place_combo_order": Recipe(_combo),
    "deribit.close_position": Recipe(_close),
    "deribit.set_stop_loss": Recipe(_stop_loss),
    "deribit.set_take_profit": Recipe(_take_profit),
    **BYBIT,
}
"""By the method's name, and what else must be said of it: a write that goes other ways has a recipe for each."""
