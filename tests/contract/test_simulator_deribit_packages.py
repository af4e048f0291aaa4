"""Orders on combos: a fill is a trade of each leg at prices that add up, and no position in the combo."""

from typing import Any

import pytest

from tests.contract.raw_deribit import Json
from tests.support.trading_day import PERPETUAL, TradingDay


async def spread(day: TradingDay) -> Json:
    """Return the call spread of two neighbouring liquid strikes, far enough away in time to be worth something."""
    low = await day.option()
    coin, expiry, strike, _ = low["instrument_name"].split("-")
    rows = await day.call("public/get_book_summary_by_currency", currency="BTC", kind="option")
    calls = {
        float(r["instrument_name"].split("-")[2]): r["instrument_name"]
        for r in rows
        if r["instrument_name"].startswith(f"{coin}-{expiry}-") and r["instrument_name"].endswith("-C")
    }
    high = min(k for k in calls if k > float(strike))
    legs = [
        {"instrument_name": calls[float(strike)], "amount": 1, "direction": "buy"},
        {"instrument_name": calls[high], "amount": 1, "direction": "sell"},
    ]
    combo: Json = await day.call("private/create_combo", trades=legs)
    assert [leg["amount"] for leg in combo["legs"]] == [1, -1]
    return combo


async def futures(day: TradingDay) -> Json:
    listed = await day.call("public/get_instruments", currency="BTC", kind="future")
    dated = next(i["instrument_name"] for i in reversed(listed) if i["settlement_period"] != "perpetual")
    legs = [
        {"instrument_name": dated, "amount": 10, "direction": "buy"},
        {"instrument_name": PERPETUAL, "amount": 10, "direction": "sell"},
    ]
    combo: Json = await day.call("private/create_combo", trades=legs)
    return combo


@pytest.mark.parametrize("direction", ["buy", "sell"])
async def test_a_fill_of_an_option_combo_is_a_trade_of_each_leg(day: TradingDay, direction: str) -> None:
    combo = await spread(day)
    before = await day.summary()
    placed = await day.call(f"private/{direction}", instrument_name=combo["id"], amount=1, type="market", label="pkg")
    order, trades = placed["order"], placed["trades"]
    assert (order["order_state"], order["instrument_name"]) == ("filled", combo["id"])
    total_fee = 0.0
    for trade in trades:
        assert (trade["instrument_name"], trade["fee"], trade["profit_loss"]) == (combo["id"], 0.0, None)
        assert trade["order_id"] == order["order_id"]
        legs = trade["legs"]
        assert {leg["instrument_name"] for leg in legs} == {leg["instrument_name"] for leg in combo["legs"]}
        ratios = {leg["instrument_name"]: leg["amount"] for leg in combo["legs"]}
        sum_of_legs = sum(ratios[leg["instrument_name"]] * leg["price"] for leg in legs)
        assert sum_of_legs == pytest.approx(trade["price"], abs=1e-9)
        for leg in legs:
            buys = (ratios[leg["instrument_name"]] > 0) is (direction == "buy")
            assert leg["direction"] == ("buy" if buys else "sell")
            assert (leg["combo_id"], leg["combo_trade_id"]) == (combo["id"], trade["trade_id"])
            assert leg["amount"] == trade["amount"]
            assert 0 <= leg["fee"] <= min(0.0003, 0.125 * leg["price"]) * leg["amount"] + 1e-12
            assert leg["iv"] > 0
            total_fee += leg["fee"]
        assert min(leg["fee"] for leg in legs) == 0.0, "the cheaper direction is free"
    positions = {p["instrument_name"]: p["size"] for p in await day.call("private/get_positions", currency="BTC")}
    sign = 1 if direction == "buy" else -1
    assert positions == {leg["instrument_name"]: sign * leg["amount"] for leg in combo["legs"]}
    paid = sum(t["price"] * t["amount"] for t in trades)
    after = await day.summary()
    assert after["balance"] == pytest.approx(before["balance"] - sign * paid - total_fee, abs=2e-8)
    assert (await day.refused("private/get_position", instrument_name=combo["id"]))[0] == 10031


async def test_the_trades_of_a_combo_are_found_on_the_combo_and_on_its_legs(day: TradingDay) -> None:
    combo = await spread(day)
    placed = await day.buy(combo["id"], amount=0.1, type="market")
    trade = placed["trades"][0]
    by_order = await day.call("private/get_user_trades_by_order", order_id=placed["order"]["order_id"])
    assert by_order == [trade]
    of_combo = await day.call("private/get_user_trades_by_instrument", instrument_name=combo["id"])
    assert of_combo == {"trades": [trade], "has_more": False}
    kinds = await day.call("private/get_user_trades_by_currency", currency="BTC", kind="option_combo")
    assert kinds == of_combo == await day.call("private/get_user_trades_by_currency", currency="BTC", kind="combo")
    for leg in trade["legs"]:
        of_leg = await day.call("private/get_user_trades_by_instrument", instrument_name=leg["instrument_name"])
        assert of_leg["trades"] == [leg]
        public = await day.call("public/get_last_trades_by_instrument", instrument_name=leg["instrument_name"], count=1)
        assert public["trades"][0]["combo_id"] == combo["id"]
    public = await day.call("public/get_last_trades_by_instrument", instrument_name=combo["id"], count=1)
    assert [leg["instrument_name"] for leg in public["trades"][0]["legs"]] == [
        leg["instrument_name"] for leg in combo["legs"]
    ]
    lines = (await transactions(day))["logs"]
    assert [line["instrument_name"] for line in reversed(lines)] == [leg["instrument_name"] for leg in trade["legs"]]


async def transactions(day: TradingDay, **more: Any) -> Json:
    now = await day.call("public/get_time")
    log: Json = await day.call(
        "private/get_transaction_log", currency="BTC", start_timestamp=0, end_timestamp=now, **more
    )
    return log


async def test_a_resting_combo_order_is_in_no_leg_book_and_ties_up_its_legs_margin(day: TradingDay) -> None:
    combo = await spread(day)
    book = await day.call("public/get_order_book", instrument_name=combo["id"])
    leg_name = combo["legs"][0]["instrument_name"]
    leg_before = await day.raw.result("public/get_order_book", instrument_name=leg_name, depth=10_000)
    order = (await day.raw.result("private/buy", instrument_name=combo["id"], amount=1, price=-0.002))["order"]
    assert (order["order_state"], order["price"]) == ("open", -0.002)
    assert book["best_bid_price"] > -0.002
    leg_after = await day.raw.result("public/get_order_book", instrument_name=leg_name, depth=10_000)
    assert [leg_before[side][:1] for side in ("bids", "asks")] == [leg_after[side][:1] for side in ("bids", "asks")]
    shown = await day.call("public/get_order_book", instrument_name=combo["id"], depth=10_000)
    assert [-0.002, 1.0] in shown["bids"]
    tied = await day.call("private/get_order_margin_by_ids", ids=[order["order_id"]])
    assert tied[0]["initial_margin"] > 0.1, "the short leg alone demands that"
    assert (await day.summary())["initial_margin"] == pytest.approx(tied[0]["initial_margin"], rel=0.02)
    margins = await day.call("private/get_margins", instrument_name=combo["id"], amount=1, price=0.01)
    assert margins["min_price"] < 0 < margins["max_price"]
    edited = (await day.call("private/edit", order_id=order["order_id"], amount=2, price=0.0001))["order"]
    assert (edited["price"], edited["amount"]) == (0.0001, 2.0)
    by_leg = {"instrument_name": leg_name}
    assert await day.call("private/cancel_all_by_instrument", **by_leg) == 0
    assert await day.call("private/cancel_all_by_instrument", **by_leg, include_combos=True) == 1


async def test_a_future_spread_trades_its_legs(day: TradingDay) -> None:
    combo = await futures(day)
    placed = await day.sell(combo["id"], amount=100, type="market")
    ratios = {leg["instrument_name"]: leg["amount"] for leg in combo["legs"]}
    for trade in placed["trades"]:
        got = sum(ratios[leg["instrument_name"]] * leg["price"] for leg in trade["legs"])
        assert got == pytest.approx(trade["price"], abs=1e-6)
    sizes = {p["instrument_name"]: p["size"] for p in await day.call("private/get_positions", currency="BTC")}
    assert sizes == {name: -100.0 * ratio for name, ratio in ratios.items()}


async def test_refusals(day: TradingDay) -> None:
    combo = (await spread(day))["id"]
    order: Json = {"instrument_name": combo, "amount": 1, "price": 0.01}
    trigger: Json = {"trigger": "mark_price", "trigger_price": 0.02}
    cases: list[tuple[Json, int, str | None]] = [
        (order | {"price": 0.01005}, 10043, None),
        (order | {"amount": 0.05}, -32602, "amount"),
        (order | {"type": "stop_limit"} | trigger, 10031, None),
        (order | {"advanced": "usd"}, 11038, None),
        (order | {"reduce_only": True}, 11030, None),
        (order | {"amount": 1_000}, 10009, None),
        (
            order
            | {
                "linked_order_type": "one_triggers_other",
                "otoco_config": [{"direction": "sell", "amount": 1, "price": 0.02}],
            },
            10031,
            None,
        ),
    ]
    for params, code, param in cases:
        assert await day.refused("private/buy", **params) == (code, param), params


async def test_channels_tell_a_combo_s_fill_and_those_of_its_legs(day: TradingDay) -> None:
    combo = await spread(day)
    wanted = ["user.combo_trades.option_combo.BTC.raw", "user.trades.option.BTC.raw", "user.portfolio.btc"]
    assert await day.call("private/subscribe", channels=[*wanted, "user.portfolio.xyz"]) == wanted
    placed = await day.buy(combo["id"], amount=0.1, type="market")
    told: dict[str, list[Any]] = {name: [] for name in wanted}
    for frame in day.raw.notifications:
        told[frame["params"]["channel"]].append(frame["params"]["data"])
    assert told[wanted[0]] == [placed["trades"]]
    assert [trade for data in told[wanted[1]] for trade in data] == placed["trades"][0]["legs"]
    assert told[wanted[2]][-1]["currency"] == "BTC"
    assert told[wanted[2]][-1]["balance"] == (await day.summary())["balance"]
