"""Orders that wait for a price on the simulated Deribit: when they fire, what they become, and what is refused."""

import pytest

from tests.contract.raw_deribit import Json
from tests.support.trading_day import PERPETUAL, TradingDay


def ticks(price: float, step: float = 0.5) -> float:
    return round(price / step) * step


CASES = [  # type, direction, side of the market the trigger lies on
    ("stop_market", "buy", 1),
    ("stop_market", "sell", -1),
    ("take_market", "buy", -1),
    ("take_market", "sell", 1),
]


@pytest.mark.parametrize("trigger", ["index_price", "mark_price"])
@pytest.mark.parametrize(("kind", "direction", "way"), CASES)
async def test_a_trigger_order_fires_when_its_price_is_reached_and_becomes_another_order(
    day: TradingDay, kind: str, direction: str, way: int, trigger: str
) -> None:
    mark = (await day.ticker())["mark_price"]
    placed = await day.call(
        f"private/{direction}",
        instrument_name=PERPETUAL,
        amount=100,
        type=kind,
        trigger=trigger,
        trigger_price=ticks(mark * (1 + way * 0.02)),
        label="guard",
    )
    order = placed["order"]
    assert placed["trades"] == []
    assert (order["order_state"], order["price"], order["order_type"]) == ("untriggered", "market_price", kind)
    assert (order["trigger"], order["triggered"], order["filled_amount"]) == (trigger, False, 0.0)
    letters = ("SL" if kind.startswith("stop") else "TP") + trigger[0].upper() + direction[0].upper()
    assert order["order_id"].startswith(letters + "-")
    assert await day.call("private/get_open_orders") == [order]

    await day.market(asset="BTC", factor=1 + way * 0.01)
    assert (await day.state(order["order_id"]))["order_state"] == "untriggered"
    await day.market(asset="BTC", factor=1 + way * 0.015)
    fired, became = await day.labelled("guard")
    assert (fired["order_id"], fired["order_state"], fired["triggered"]) == (order["order_id"], "triggered", True)
    assert became["trigger_order_id"] == order["order_id"]
    assert became["order_id"].isdigit()
    assert (became["order_type"], became["order_state"], became["filled_amount"]) == ("market", "filled", 100.0)
    history = await day.call("private/get_trigger_order_history", currency="BTC")
    assert history["continuation"] is None
    entry = history["entries"][0]
    assert (entry["trigger_order_id"], entry["order_id"]) == (order["order_id"], became["order_id"])
    assert (entry["order_state"], entry["request"]) == ("triggered", "trigger:order")
    assert entry["trigger"] == trigger.removesuffix("_price")


async def test_a_stop_limit_becomes_a_limit_order_that_may_rest(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    stop = ticks(mark * 0.98)
    order = (
        await day.sell(
            amount=50, type="stop_limit", price=ticks(mark * 0.999), trigger="mark_price", trigger_price=stop, label="s"
        )
    )["order"]
    assert order["price"] == ticks(mark * 0.999)
    assert order["trigger_price"] == stop
    await day.market(asset="BTC", factor=0.97)
    _, became = await day.labelled("s")
    assert (became["order_type"], became["order_state"], became["price"]) == ("limit", "open", ticks(mark * 0.999))


async def test_the_last_price_is_what_traded(day: TradingDay) -> None:
    trades = await day.call("public/get_last_trades_by_instrument", instrument_name=PERPETUAL, count=1)
    last = trades["trades"][0]["price"]
    order = (await day.sell(amount=10, type="stop_market", trigger="last_price", trigger_price=ticks(last * 0.99)))[
        "order"
    ]
    assert order["order_id"].startswith("SLTS-")
    await day.market(asset="BTC", factor=0.98)
    assert (await day.state(order["order_id"]))["order_state"] == "untriggered", "nothing traded there yet"
    await day.sell(amount=10, type="market")
    await day.call("private/get_open_orders")
    assert (await day.state(order["order_id"]))["order_state"] == "triggered"


async def test_a_trailing_stop_follows_the_market_and_never_goes_back(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    offset = ticks(mark * 0.01)
    order = (await day.sell(amount=10, type="trailing_stop", trigger="mark_price", trigger_offset=offset))["order"]
    assert order["order_id"].startswith("TSMS-")
    assert order["trigger_reference_price"] == pytest.approx(mark, rel=1e-3)
    assert order["trigger_price"] == pytest.approx(mark - offset, rel=1e-3)
    await day.market(asset="BTC", factor=1.03)
    higher = await day.state(order["order_id"])
    assert higher["trigger_price"] == pytest.approx(1.03 * mark - offset, rel=1e-3)
    assert higher["trigger_reference_price"] == order["trigger_reference_price"]
    await day.market(asset="BTC", factor=0.995)
    assert (await day.state(order["order_id"]))["trigger_price"] == higher["trigger_price"]
    await day.market(asset="BTC", factor=0.99)
    assert (await day.state(order["order_id"]))["order_state"] == "triggered"


async def test_what_cannot_be_placed_when_it_fires_is_rejected(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    order = (
        await day.sell(
            amount=10, type="stop_market", trigger="mark_price", trigger_price=ticks(mark * 0.99), reduce_only=True
        )
    )["order"]
    await day.market(asset="BTC", factor=0.97)
    assert (await day.state(order["order_id"]))["order_state"] == "rejected"
    entry = (await day.call("private/get_trigger_order_history", currency="BTC"))["entries"][0]
    assert entry["order_state"].startswith("rejected:")
    assert entry["order_id"] is None


async def test_refusals(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    above, below = ticks(mark * 1.01), ticks(mark * 0.99)
    stop: Json = {"instrument_name": PERPETUAL, "amount": 10, "type": "stop_market", "trigger": "mark_price"}
    take = stop | {"type": "take_market"}
    trailing = stop | {"type": "trailing_stop"}
    limit: Json = {"instrument_name": PERPETUAL, "amount": 10, "price": below}
    cases: list[tuple[str, Json, int, str | None]] = [
        ("buy", stop | {"trigger_price": below}, 10035, None),
        ("sell", stop | {"trigger_price": above}, 10034, None),
        ("buy", take | {"trigger_price": above}, 10034, None),
        ("sell", take | {"trigger_price": below}, 10035, None),
        ("buy", stop | {"trigger_price": above + 0.2}, 10044, None),
        ("buy", stop | {"trigger_price": -1}, 11036, None),
        ("buy", stop, -32602, "trigger_price"),
        ("buy", stop | {"trigger_price": above, "trigger": "bid"}, -32602, "trigger"),
        ("buy", stop | {"trigger_price": above, "trigger_offset": 10}, -32602, "trigger_offset"),
        ("buy", stop | {"trigger_price": above, "time_in_force": "good_til_cancelled"}, -32602, "time_in_force"),
        ("buy", stop | {"trigger_price": above, "type": "stop_limit"}, -32602, "price"),
        ("buy", stop | {"trigger_price": above, "post_only": True}, 11055, None),
        ("buy", trailing, -32602, "trigger_offset"),
        ("buy", trailing | {"trigger_offset": -5}, -32602, "trigger_offset"),
        ("sell", trailing | {"trigger_offset": mark * 2}, 11036, None),
        ("buy", limit | {"trigger": "mark_price"}, -32602, "trigger"),
        ("buy", limit | {"trigger_price": above}, -32602, "trigger_price"),
    ]
    for direction, params, code, param in cases:
        assert await day.refused(f"private/{direction}", **params) == (code, param), params
    assert await day.call("private/get_open_orders") == []


async def test_trigger_orders_are_edited_cancelled_and_chosen_by_type(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    await day.buy(amount=10, price=ticks(mark * 0.9))
    stop = (await day.buy(amount=10, type="stop_market", trigger="mark_price", trigger_price=ticks(mark * 1.02)))[
        "order"
    ]
    take = (
        await day.buy(
            amount=10, type="take_limit", price=ticks(mark), trigger="index_price", trigger_price=ticks(mark * 0.97)
        )
    )["order"]
    trail = (await day.sell(amount=10, type="trailing_stop", trigger="mark_price", trigger_offset=500))["order"]
    for kind, expected in (
        ("trigger_all", {stop["order_id"], take["order_id"], trail["order_id"]}),
        ("stop_all", {stop["order_id"]}),
        ("stop_market", {stop["order_id"]}),
        ("take_limit", {take["order_id"]}),
        ("take_market", set()),
        ("trailing_all", {trail["order_id"]}),
    ):
        found = await day.call("private/get_open_orders_by_currency", currency="BTC", type=kind)
        assert {o["order_id"] for o in found} == expected, kind
    edited = (await day.call("private/edit", order_id=stop["order_id"], amount=20, trigger_price=ticks(mark * 1.03)))[
        "order"
    ]
    assert (edited["amount"], edited["trigger_price"], edited["replaced"]) == (20.0, ticks(mark * 1.03), True)
    assert await day.refused("private/edit", order_id=stop["order_id"], trigger_price=ticks(mark * 0.9)) == (
        10035,
        None,
    )
    wider = (await day.call("private/edit", order_id=trail["order_id"], trigger_offset=1_000))["order"]
    assert wider["trigger_price"] < trail["trigger_price"]
    cancelled = await day.call("private/cancel", order_id=take["order_id"])
    assert (cancelled["order_state"], cancelled["cancel_reason"]) == ("cancelled", "user_request")
    assert (await day.call("private/get_trigger_order_history", currency="BTC"))["entries"][0]["request"] == "cancel"
    groups = await day.call("private/cancel_all", detailed=True)
    assert [(g["currency"], g["type"], len(g["result"])) for g in groups] == [
        ("BTC", "limit", 1),
        ("BTC", "stop", 1),
        ("BTC", "trailing_stop", 1),
    ]
    assert await day.call("private/get_open_orders") == []
    page = await day.call("private/get_trigger_order_history", currency="BTC", count=2)
    assert len(page["entries"]) == 2
    rest = await day.call("private/get_trigger_order_history", currency="BTC", continuation=page["continuation"])
    assert (len(rest["entries"]), rest["continuation"]) == (1, None)


async def test_too_many_triggers_are_refused(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    stop: Json = {"amount": 10, "type": "stop_market", "trigger": "mark_price", "trigger_price": ticks(mark * 1.02)}
    for _ in range(100):
        await day.buy(**stop)
    assert await day.refused("private/buy", instrument_name=PERPETUAL, **stop) == (11035, None)
