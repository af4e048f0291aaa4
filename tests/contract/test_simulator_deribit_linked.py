"""Orders that trigger or cancel each other on the simulated Deribit."""

import pytest

from tests.contract.raw_deribit import Json
from tests.support.trading_day import PERPETUAL, TradingDay


def ticks(price: float) -> float:
    return round(price * 2) / 2


async def bracket(day: TradingDay, **primary: object) -> Json:
    """Place a buy with a take profit 2 % above and a stop loss 2 % below the mark."""
    mark = (await day.ticker())["mark_price"]
    common: Json = {"direction": "sell", "amount": 100, "reduce_only": True}
    config = [
        common | {"type": "limit", "price": ticks(mark * 1.02), "label": "profit"},
        common | {"type": "stop_market", "trigger": "mark_price", "trigger_price": ticks(mark * 0.98), "label": "loss"},
    ]
    asked: Json = {"amount": 100, "label": "entry", "linked_order_type": "one_triggers_one_cancels_other"}
    return await day.buy(**(asked | {"otoco_config": config} | primary))


async def open_labels(day: TradingDay) -> dict[str, str]:
    return {o["label"]: o["order_state"] for o in await day.call("private/get_open_orders")}


async def test_a_bracket_waits_for_its_entry(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    entry = (await bracket(day, price=ticks(mark * 0.995)))["order"]
    assert (entry["order_state"], entry["is_primary_otoco"], entry["trigger_fill_condition"]) == (
        "open",
        True,
        "first_hit",
    )
    assert len(entry["oto_order_ids"]) == 2
    assert all(order_id.startswith("OTO-") for order_id in entry["oto_order_ids"])
    assert await open_labels(day) == {"entry": "open", "profit": "untriggered", "loss": "untriggered"}
    waiting = (await day.labelled("profit"))[0]
    assert (waiting["is_secondary_oto"], waiting["order_id"]) == (True, entry["oto_order_ids"][0])
    assert "trigger" not in waiting
    await day.market(asset="BTC", factor=0.992)
    assert (await day.state(entry["order_id"]))["order_state"] == "filled"
    assert await open_labels(day) == {"profit": "open", "loss": "untriggered"}
    waited, profit = await day.labelled("profit")
    assert (waited["order_state"], profit["primary_order_id"]) == ("triggered", entry["order_id"])
    _, loss = await day.labelled("loss")
    assert profit["oco_ref"] == loss["oco_ref"]
    assert loss["order_id"].startswith("SLMS-")
    assert profit["trigger_order_id"] == waited["order_id"]


async def test_taking_profit_takes_the_stop_away(day: TradingDay) -> None:
    entry = await bracket(day, type="market")
    assert entry["order"]["order_state"] == "filled"
    assert await open_labels(day) == {"profit": "open", "loss": "untriggered"}
    await day.market(asset="BTC", factor=1.03)
    assert await open_labels(day) == {}
    assert (await day.labelled("profit"))[-1]["order_state"] == "filled"
    loss = (await day.labelled("loss"))[-1]
    assert (loss["order_state"], loss["cancel_reason"]) == ("cancelled", "oco_other_closed")
    assert (await day.call("private/get_position", instrument_name=PERPETUAL))["size"] == 0.0


async def test_stopping_out_takes_the_profit_order_away(day: TradingDay) -> None:
    await bracket(day, type="market")
    await day.market(asset="BTC", factor=0.97)
    assert await open_labels(day) == {}
    profit = (await day.labelled("profit"))[-1]
    assert (profit["order_state"], profit["cancel_reason"]) == ("cancelled", "oco_other_closed")
    assert [o["order_state"] for o in await day.labelled("loss")] == ["triggered", "triggered", "filled"]
    assert (await day.call("private/get_position", instrument_name=PERPETUAL))["size"] == 0.0


async def test_what_waits_ends_with_its_primary_order(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    entry = (await bracket(day, price=ticks(mark * 0.9)))["order"]
    await day.call("private/cancel", order_id=entry["order_id"])
    for label in ("profit", "loss"):
        (waited,) = await day.labelled(label)
        assert (waited["order_state"], waited["cancel_reason"]) == ("cancelled", "oto_primary_closed")


@pytest.mark.parametrize(
    ("condition", "after_a_part", "after_all"),
    [("first_hit", [300.0], [300.0]), ("complete_fill", [], [300.0]), ("incremental", [200.0], [200.0, 100.0])],
)
async def test_a_fill_condition_tells_how_much_follows_a_fill(
    day: TradingDay, condition: str, after_a_part: list[float], after_all: list[float]
) -> None:
    price, there = (await day.raw.result("public/get_order_book", instrument_name=PERPETUAL, depth=1))["asks"][0]
    assert there > 200
    await day.raw.result("private/buy", instrument_name=PERPETUAL, amount=there - 200, price=price)
    entry = await day.raw.result(
        "private/buy",
        instrument_name=PERPETUAL,
        amount=300,
        price=price,
        linked_order_type="one_triggers_other",
        trigger_fill_condition=condition,
        otoco_config=[{"direction": "sell", "amount": 300, "type": "limit", "price": price * 2, "label": "after"}],
    )
    assert entry["order"]["filled_amount"] == 200.0

    async def resting() -> list[float]:
        return [o["amount"] for o in await day.labelled("after") if o["order_state"] == "open"]

    assert await resting() == after_a_part
    await day.market(asset="BTC", factor=0.99)
    assert await resting() == after_all


async def test_one_of_two_cancels_the_other(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    other = {
        "direction": "buy",
        "amount": 10,
        "type": "stop_market",
        "trigger": "mark_price",
        "trigger_price": ticks(mark * 1.02),
        "label": "breakout",
    }
    dip = (
        await day.buy(
            amount=10,
            price=ticks(mark * 0.98),
            label="dip",
            linked_order_type="one_cancels_other",
            otoco_config=[other],
        )
    )["order"]
    assert await open_labels(day) == {"dip": "open", "breakout": "untriggered"}
    assert (await day.labelled("breakout"))[0]["oco_ref"] == dip["oco_ref"]
    await day.market(asset="BTC", factor=0.97)
    assert await open_labels(day) == {}
    assert (await day.labelled("dip"))[0]["order_state"] == "filled"
    assert (await day.labelled("breakout"))[0]["cancel_reason"] == "oco_other_closed"


async def test_links_that_do_not_fit_are_refused_whole(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    order: Json = {"instrument_name": PERPETUAL, "amount": 10, "price": ticks(mark * 0.9)}
    limit: Json = {"direction": "sell", "amount": 10, "type": "limit", "price": ticks(mark * 1.1)}
    stop: Json = {"direction": "sell", "amount": 10, "type": "stop_market", "trigger": "mark_price"}
    oto: Json = order | {"linked_order_type": "one_triggers_other"}
    cases: list[tuple[Json, int, str | None]] = [
        (order | {"otoco_config": [limit]}, -32602, "linked_order_type"),
        (oto, -32602, "otoco_config"),
        (oto | {"otoco_config": [limit, limit]}, -32602, "otoco_config"),
        (oto | {"otoco_config": limit}, -32602, "otoco_config"),
        (oto | {"otoco_config": [limit | {"price": mark + 0.123}]}, 10043, None),
        (oto | {"otoco_config": [limit | {"amount": 15}]}, -32602, "amount"),
        (oto | {"otoco_config": [stop]}, -32602, "trigger_price"),
        (oto | {"otoco_config": [{"type": "limit"}]}, -32602, "direction"),
        (oto | {"linked_order_type": "pair", "otoco_config": [limit]}, -32602, "linked_order_type"),
        (
            order
            | {"linked_order_type": "one_cancels_other", "otoco_config": [stop | {"trigger_price": ticks(mark * 1.1)}]},
            10034,
            None,
        ),
        (
            {"instrument_name": PERPETUAL, "amount": 10, "type": "market", "linked_order_type": "one_cancels_other"}
            | {"otoco_config": [limit | {"amount": 500_000_000}]},
            10009,
            None,
        ),
        (
            {"instrument_name": PERPETUAL, "amount": 10, "type": "market", "linked_order_type": "one_cancels_other"}
            | {"otoco_config": [stop | {"trigger_price": ticks(mark * 1.1)}]},
            10034,
            None,
        ),
    ]
    for params, code, param in cases:
        assert await day.refused("private/buy", **params) == (code, param), params
    assert await day.call("private/get_open_orders") == []
    assert await day.call("private/get_positions") == [], "a refusal of the second is a refusal of the first"


async def test_reduce_only_orders_never_do_more_than_close(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    await day.buy(amount=100, type="market")
    rest = (await day.sell(amount=100, price=ticks(mark * 1.05), reduce_only=True))["order"]
    await day.sell(amount=40, type="market")
    assert (await day.state(rest["order_id"]))["amount"] == 60.0
    await day.call("private/close_position", instrument_name=PERPETUAL, type="market")
    assert (await day.state(rest["order_id"]))["order_state"] == "cancelled"
