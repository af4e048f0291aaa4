"""Orders in batches: the envelope says success whatever becomes of the orders; each has its own code.

`retExtInfo.list` is aligned with the request. A batch that overruns the rate limit has its first orders carried out
and the rest refused one by one. What a batch that is too long gets is not known; 10001 for all of it is assumed.
"""

from collections.abc import Callable
from typing import Final

from cerberod.simulator.bybit.calls import Call, Record, Routes
from cerberod.simulator.bybit.exchange import Exchange
from cerberod.simulator.bybit.orders import Order
from cerberod.simulator.bybit.params import Params
from cerberod.simulator.bybit.trading import amended, cancelled, order_request
from cerberod.simulator.bybit.wire import PARAMETER, TOO_MANY_VISITS, Reply, VenueError

LARGEST: Final = {"linear": 20, "inverse": 20, "option": 20, "spot": 10}

_One = Callable[[Exchange, Params, str], Order]


def _batch(call: Call, one: _One, *, created: bool = False) -> Reply:
    category = call.params.category()
    items = call.params.raw.get("request")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise VenueError(PARAMETER, "params error: request invalid")
    if len(items) > LARGEST[category]:
        raise VenueError(PARAMETER, f"The number of orders in a batch exceeds the limit {LARGEST[category]}")
    rows: list[Record] = []
    codes: list[Record] = []
    for position, item in enumerate(items):
        p = Params(item)
        order_id, created_ms = "", ""
        link_id = str(item.get("orderLinkId") or "")
        try:
            if position >= call.units:
                raise VenueError(TOO_MANY_VISITS)
            order = one(call.exchange, p, category)
            order_id, link_id, created_ms = order.order_id, order.link_id, str(order.created_ms)
            codes.append({"code": 0, "msg": "OK"})
        except VenueError as error:
            codes.append({"code": error.code, "msg": error.message})
        row: Record = {
            "category": category,
            "symbol": str(item.get("symbol") or ""),
            "orderId": order_id,
            "orderLinkId": link_id,
        }
        rows.append(row | {"createAt": created_ms} if created else row)
    return Reply({"list": rows}, extra={"list": codes})


def create_batch(call: Call) -> Reply:
    return _batch(call, _placed, created=True)


def _placed(exchange: Exchange, p: Params, category: str) -> Order:
    return exchange.place(order_request(exchange, p, category))


def amend_batch(call: Call) -> Reply:
    return _batch(call, amended)


def cancel_batch(call: Call) -> Reply:
    return _batch(call, cancelled)


ROUTES: Final[Routes] = {
    "/v5/order/create-batch": create_batch,
    "/v5/order/amend-batch": amend_batch,
    "/v5/order/cancel-batch": cancel_batch,
}
