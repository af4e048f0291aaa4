"""An order's life on the simulated Deribit: placed, edited, filled, cancelled, found again; and every refusal."""

from typing import Any

import aiohttp
import pytest

from cerberod.simulator import Simulator
from tests.contract.raw_deribit import Json, RawDeribit
from tests.support.clock import ManualClock

PERPETUAL = "BTC-PERPETUAL"


async def move(simulator: Simulator, **body: Any) -> Json:
    async with (
        aiohttp.ClientSession() as http,
        http.post(simulator.urls["control"] + "/market", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        state: Json = await answer.json()
        return state


async def book(trader: RawDeribit, name: str = PERPETUAL) -> Json:
    result: Json = await trader.result("public/get_order_book", instrument_name=name, depth=10)
    return result


async def liquid_option(trader: RawDeribit) -> Json:
    """Return the summary of an option with both sides, above the threshold of the coarse ticks."""
    rows = await trader.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    return next(r for r in rows if r["bid_price"] and r["ask_price"] and 0.02 < r["mark_price"] < 0.05)


async def test_place_edit_cancel(trader: RawDeribit) -> None:
    placed = await trader.result("private/buy", instrument_name=PERPETUAL, amount=100, price=50_000, label="bot-1")
    order = placed["order"]
    assert placed["trades"] == []
    assert order["order_state"] == "open"
    assert order["order_id"].isdigit()
    assert order["label"] == "bot-1"
    assert (order["amount"], order["contracts"], order["filled_amount"]) == (100.0, 10.0, 0.0)
    assert order["time_in_force"] == "good_til_cancelled"
    assert not order["post_only"]
    assert await trader.result("private/get_open_orders_by_instrument", instrument_name=PERPETUAL) == [order]
    edited = (await trader.result("private/edit", order_id=order["order_id"], amount=200, price=50_000.5))["order"]
    assert (edited["amount"], edited["price"], edited["replaced"]) == (200.0, 50_000.5, True)
    cancelled = await trader.result("private/cancel", order_id=order["order_id"])
    assert (cancelled["order_state"], cancelled["cancel_reason"]) == ("cancelled", "user_request")
    assert await trader.result("private/get_order_state", order_id=order["order_id"]) == cancelled
    assert await trader.result("private/get_order_state_by_label", currency="BTC", label="bot-1") == [cancelled]
    assert await trader.result("private/get_open_orders") == []
    assert (await trader.error("private/cancel", order_id=order["order_id"]))["code"] == 11044
    assert (await trader.error("private/edit", order_id=order["order_id"], amount=10, price=50_000))["code"] == 11044
    assert (await trader.error("private/cancel", order_id="1"))["code"] == 10004


async def test_a_market_order_takes_the_book(trader: RawDeribit) -> None:
    asks = (await book(trader))["asks"]
    amount = asks[0][1] + asks[1][1]
    placed = await trader.result("private/buy", instrument_name=PERPETUAL, amount=amount, type="market", label="m")
    order, trades = placed["order"], placed["trades"]
    assert order["order_state"] == "filled"
    assert order["order_type"] == "market"
    assert order["price"] > asks[1][0]  # the protective limit, not the fill
    assert [(t["price"], t["amount"]) for t in trades] == [tuple(level) for level in asks[:2]]
    assert {t["liquidity"] for t in trades} == {"T"}
    assert {t["order_id"] for t in trades} == {order["order_id"]}
    assert sum(t["fee"] for t in trades) == pytest.approx(sum(0.0005 * a / p for p, a in asks[:2]), abs=2e-8)
    assert (await book(trader))["asks"][0] == asks[2]
    assert await trader.result("private/get_user_trades_by_order", order_id=order["order_id"]) == trades
    found = await trader.result("private/get_user_trades_by_instrument", instrument_name=PERPETUAL)
    assert found == {"trades": trades[::-1], "has_more": False}
    by_currency = await trader.result("private/get_user_trades_by_currency", currency="BTC", sorting="asc", count=1)
    assert by_currency == {"trades": trades[:1], "has_more": True}
    public = await trader.result("public/get_last_trades_by_instrument", instrument_name=PERPETUAL, count=1)
    assert public["trades"][0]["trade_id"] == trades[-1]["trade_id"]
    assert (await trader.result("public/ticker", instrument_name=PERPETUAL))["last_price"] == trades[-1]["price"]


async def test_a_resting_order_is_filled_when_the_market_comes_to_it(simulator: Simulator, trader: RawDeribit) -> None:
    top = (await book(trader))["best_bid_price"]
    limit = round(top * 0.99) * 1.0
    order = (await trader.result("private/buy", instrument_name=PERPETUAL, amount=1_000, price=limit))["order"]
    assert order["order_state"] == "open"
    await move(simulator, asset="BTC", factor=0.98)
    filled = await trader.result("private/get_order_state", order_id=order["order_id"])
    assert (filled["order_state"], filled["average_price"]) == ("filled", limit)
    trade = (await trader.result("private/get_user_trades_by_order", order_id=order["order_id"]))[0]
    assert (trade["liquidity"], trade["fee"], trade["price"]) == ("M", 0.0, limit)
    position = await trader.result("private/get_position", instrument_name=PERPETUAL)
    assert (position["size"], position["direction"]) == (1_000.0, "buy")
    assert position["floating_profit_loss"] == pytest.approx(1_000 * (1 / limit - 1 / position["mark_price"]), abs=1e-8)


async def test_lifetimes(trader: RawDeribit) -> None:
    ask, size = (await book(trader))["asks"][0]
    killed = await trader.result(
        "private/buy", instrument_name=PERPETUAL, amount=size + 10, price=ask, time_in_force="fill_or_kill"
    )
    assert (killed["order"]["order_state"], killed["trades"]) == ("cancelled", [])
    partly = await trader.result(
        "private/buy", instrument_name=PERPETUAL, amount=size + 10, price=ask, time_in_force="immediate_or_cancel"
    )
    assert (partly["order"]["order_state"], partly["order"]["filled_amount"]) == ("cancelled", size)
    history = await trader.result("private/get_order_history_by_currency", currency="BTC")
    assert history == [partly["order"]]
    unfilled = await trader.result(
        "private/get_order_history_by_instrument", instrument_name=PERPETUAL, include_unfilled=True
    )
    assert unfilled == [partly["order"], killed["order"]]


async def test_post_only_steps_back_or_is_refused(trader: RawDeribit) -> None:
    ask = (await book(trader))["best_ask_price"]
    asked = {"instrument_name": PERPETUAL, "amount": 10, "price": ask, "post_only": True}
    assert await trader.error("private/buy", **asked, reject_post_only=True) == {
        "code": 11054,
        "message": "post_only_reject",
    }
    order = (await trader.result("private/buy", **asked))["order"]
    assert (order["order_state"], order["price"], order["post_only"]) == ("open", ask - 0.5, True)
    assert (await trader.error("private/buy", **asked, time_in_force="fill_or_kill"))["code"] == 11055


async def test_reduce_only_and_close_position(trader: RawDeribit) -> None:
    sell = {"instrument_name": PERPETUAL, "amount": 500, "type": "market", "reduce_only": True}
    assert (await trader.error("private/sell", **sell))["code"] == 11030
    close = {"instrument_name": PERPETUAL, "type": "market"}
    assert (await trader.error("private/close_position", **close))["code"] == 10010
    await trader.result("private/buy", instrument_name=PERPETUAL, amount=300, type="market")
    reduced = (await trader.result("private/sell", **sell))["order"]
    assert (reduced["amount"], reduced["order_state"], reduced["reduce_only"]) == (300.0, "filled", True)
    await trader.result("private/sell", instrument_name=PERPETUAL, amount=200, type="market")
    closed = (await trader.result("private/close_position", **close))["order"]
    assert (closed["direction"], closed["amount"], closed["reduce_only"]) == ("buy", 200.0, True)
    assert (await trader.result("private/get_position", instrument_name=PERPETUAL))["direction"] == "zero"


async def test_refusals(clock: ManualClock, trader: RawDeribit) -> None:
    option = (await liquid_option(trader))["instrument_name"]
    cases: list[tuple[Json, int, str | None]] = [
        ({"instrument_name": PERPETUAL, "amount": 10, "price": 50_000.2}, 10043, None),
        ({"instrument_name": option, "amount": 0.1, "price": 0.00505}, 10043, None),
        ({"instrument_name": option, "amount": 0.1, "price": 0.00515}, 10043, None),
        ({"instrument_name": PERPETUAL, "amount": 15, "price": 50_000}, -32602, "amount"),
        ({"instrument_name": option, "amount": 0.15, "price": 0.01}, -32602, "amount"),
        ({"instrument_name": PERPETUAL, "amount": -10, "price": 50_000}, -32602, "amount"),
        ({"instrument_name": PERPETUAL, "amount": "10", "price": 50_000}, -32602, "amount"),
        ({"instrument_name": PERPETUAL, "price": 50_000}, -32602, "amount"),
        ({"instrument_name": PERPETUAL, "amount": 10, "contracts": 2, "price": 50_000}, -32602, "contracts"),
        ({"instrument_name": PERPETUAL, "amount": 0, "price": 50_000}, 10002, None),
        ({"instrument_name": PERPETUAL, "amount": 10}, -32602, "price"),
        ({"instrument_name": PERPETUAL, "amount": 10, "price": -1}, -32602, "price"),
        ({"instrument_name": PERPETUAL, "amount": 10, "price": 50_000, "label": "x" * 65}, -32602, "label"),
        (
            {"instrument_name": PERPETUAL, "amount": 10, "price": 50_000, "time_in_force": "now"},
            -32602,
            "time_in_force",
        ),
        ({"instrument_name": PERPETUAL, "amount": 10, "type": "peg"}, -32602, "type"),
        (
            {"instrument_name": PERPETUAL, "amount": 10, "type": "market", "time_in_force": "fill_or_kill"},
            -32602,
            "time_in_force",
        ),
        ({"instrument_name": PERPETUAL, "amount": 10, "price": 50_000, "type": "stop_limit"}, -32602, "trigger"),
        ({"instrument_name": PERPETUAL, "amount": 10, "type": "market", "mmp": True}, 11047, None),
        ({"instrument_name": "BTC-1JAN20", "amount": 10, "price": 50_000}, -32602, "instrument_name"),
        ({"instrument_name": PERPETUAL, "amount": 500_000_000, "price": 50_000}, 10009, None),
        (
            {"instrument_name": PERPETUAL, "amount": 10, "price": 50_000, "valid_until": clock.now_ms() - 1},
            13888,
            None,
        ),
    ]
    for params, code, param in cases:
        clock.advance(seconds=1)
        error = await trader.error("private/buy", **params)
        assert (error["code"], error.get("data", {}).get("param")) == (code, param), params
    assert await trader.result("private/get_open_orders") == []


async def test_own_orders_do_not_trade_with_each_other(trader: RawDeribit) -> None:
    prices = await book(trader)
    middle_bid = prices["best_bid_price"]
    await trader.result("private/buy", instrument_name=PERPETUAL, amount=10, price=middle_bid)
    crossing = {"instrument_name": PERPETUAL, "amount": 10_000_000, "price": middle_bid}
    assert (await trader.error("private/sell", **crossing))["code"] == 10003


async def test_an_edit_to_a_crossing_price_trades(trader: RawDeribit) -> None:
    ask = (await book(trader))["best_ask_price"]
    order = (await trader.result("private/buy", instrument_name=PERPETUAL, amount=10, price=50_000))["order"]
    edited = await trader.result("private/edit", order_id=order["order_id"], amount=10, price=ask)
    assert edited["order"]["order_state"] == "filled"
    assert [t["price"] for t in edited["trades"]] == [ask]


async def test_a_price_beyond_the_band_is_clamped_to_it(trader: RawDeribit) -> None:
    ticker = await trader.result("public/ticker", instrument_name=PERPETUAL)
    order = (await trader.result("private/buy", instrument_name=PERPETUAL, amount=10, price=900_000))["order"]
    assert order["price"] == ticker["max_price"]


async def test_labels_are_not_unique_and_edit_by_label_wants_exactly_one(trader: RawDeribit) -> None:
    for _ in range(2):
        await trader.result("private/buy", instrument_name=PERPETUAL, amount=10, price=50_000, label="twin")
    by_label = {"instrument_name": PERPETUAL, "label": "twin", "amount": 20, "price": 50_001}
    assert (await trader.error("private/edit_by_label", **by_label))["code"] == 13032
    found = await trader.result("private/get_open_orders_by_label", currency="BTC", label="twin")
    assert len(found) == 2
    await trader.result("private/cancel", order_id=found[0]["order_id"])
    assert (await trader.result("private/edit_by_label", **by_label))["order"]["amount"] == 20.0
    assert await trader.result("private/cancel_by_label", label="twin") == 1
    assert (await trader.error("private/edit_by_label", **by_label))["code"] == 10004


async def test_cancelling_many(trader: RawDeribit) -> None:
    async def place(name: str, price: float) -> None:
        await trader.result("private/buy", instrument_name=name, amount=10, price=price)

    await place(PERPETUAL, 50_000)
    await place("ETH-PERPETUAL", 1_000)
    assert await trader.result("private/cancel_all_by_currency", currency="ETH", kind="option") == 0
    assert await trader.result("private/cancel_all_by_currency", currency="ETH", type="trigger_all") == 0
    assert await trader.result("private/cancel_all_by_currency", currency="ETH") == 1
    detailed = await trader.result("private/cancel_all_by_instrument", instrument_name=PERPETUAL, detailed=True)
    assert [(g["currency"], g["instrument_name"], g["type"]) for g in detailed] == [("BTC", PERPETUAL, "limit")]
    assert [o["order_state"] for o in detailed[0]["result"]] == ["cancelled"]
    await place(PERPETUAL, 50_000)
    assert await trader.result("private/cancel_all_by_kind_or_type", currency=["BTC", "ETH"], kind="future") == 1
    await place(PERPETUAL, 50_000)
    assert await trader.result("private/cancel_all") == 1
    assert await trader.result("private/cancel_all") == 0


async def test_linear_and_eth_ids_are_prefixed_and_paid_in_their_currency(trader: RawDeribit) -> None:
    eth = (await trader.result("private/buy", instrument_name="ETH-PERPETUAL", amount=1, type="market"))["order"]
    assert eth["order_id"].startswith("ETH-")
    linear = await trader.result("private/sell", instrument_name="ETH_USDC-PERPETUAL", amount=0.05, type="market")
    assert linear["order"]["order_id"].startswith("USDC-")
    assert {t["fee_currency"] for t in linear["trades"]} == {"USDC"}
    assert linear["trades"][0]["trade_id"].startswith("USDC-")
    held = await trader.result("private/get_positions", currency="USDC")
    assert [(p["instrument_name"], p["size"], p["direction"]) for p in held] == [("ETH_USDC-PERPETUAL", -0.05, "sell")]


async def test_the_money_adds_up(trader: RawDeribit) -> None:
    before = await trader.result("private/get_account_summary", currency="BTC")
    assert before["balance"] == before["equity"] == before["available_funds"] == 10.0
    option = await liquid_option(trader)
    name, ask = option["instrument_name"], option["ask_price"]
    bought = await trader.result("private/buy", instrument_name=name, amount=0.2, price=ask)
    assert bought["order"]["order_state"] == "filled"
    fee = sum(t["fee"] for t in bought["trades"])
    assert fee == pytest.approx(0.2 * 0.0003)
    assert bought["trades"][0]["iv"] > 0
    after = await trader.result("private/get_account_summary", currency="BTC", extended=True)
    assert after["balance"] == pytest.approx(10 - 0.2 * ask - fee, abs=1e-8)
    position = await trader.result("private/get_position", instrument_name=name)
    assert after["equity"] == pytest.approx(after["balance"] + 0.2 * position["mark_price"], abs=1e-8)
    assert after["options_value"] == pytest.approx(0.2 * position["mark_price"], abs=1e-8)
    assert after["options_delta"] == pytest.approx(position["delta"], abs=1e-5)
    net = position["delta"] - 0.2 * position["mark_price"]
    assert after["delta_total"] == pytest.approx(net, abs=1e-5)
    assert after["username"] == "deribit_testnet-main"
    everything = await trader.result("private/get_account_summaries")
    assert {row["currency"]: row["equity"] for row in everything["summaries"]}["BTC"] == after["equity"]
    short = {"instrument_name": name, "amount": 0.3, "price": 0.08}
    await trader.result("private/sell", **short)
    tied = await trader.result("private/get_account_summary", currency="BTC")
    assert 0 < tied["initial_margin"] < 0.1 * 0.3  # only the tenth beyond the position is new risk
    margins = await trader.result("private/get_margins", **short)
    assert margins["buy"] == pytest.approx(0.3 * (0.08 + 0.0003))
    assert margins["min_price"] < option["mark_price"] < margins["max_price"]


async def test_expiry_settles_positions_and_ends_orders(simulator: Simulator, trader: RawDeribit) -> None:
    rows = await trader.result("public/get_instruments", currency="BTC", kind="option")
    first_expiry = min(r["expiration_timestamp"] for r in rows)
    summary = await trader.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    near = {r["instrument_name"] for r in rows if r["expiration_timestamp"] == first_expiry}
    deep = next(r for r in summary if r["instrument_name"] in near and r["mark_price"] > 0.04 and r["ask_price"])
    name = deep["instrument_name"]
    await trader.result("private/buy", instrument_name=name, amount=0.1, type="market")
    resting = (await trader.result("private/buy", instrument_name=name, amount=0.1, price=0.0005))["order"]
    before = (await trader.result("private/get_account_summary", currency="BTC"))["balance"]
    await move(simulator, time_ms=first_expiry + 1)
    after = await trader.result("private/get_account_summary", currency="BTC")
    assert await trader.result("private/get_positions", currency="BTC") == []
    assert after["balance"] > before
    assert after["balance"] == after["equity"]
    ended = await trader.result("private/get_order_state", order_id=resting["order_id"])
    assert (ended["order_state"], ended["cancel_reason"]) == ("cancelled", "settlement")
    assert (await trader.error("public/ticker", instrument_name=name))["data"]["reason"] == "instrument not found"


async def test_good_til_day_ends_at_the_settlement(simulator: Simulator, trader: RawDeribit) -> None:
    order = {"instrument_name": PERPETUAL, "amount": 10, "price": 50_000}
    day = (await trader.result("private/buy", **order, time_in_force="good_til_day"))["order"]
    stays = (await trader.result("private/buy", **order))["order"]
    await move(simulator, advance_s=86_400)
    assert [o["order_id"] for o in await trader.result("private/get_open_orders")] == [stays["order_id"]]
    ended = await trader.result("private/get_order_state", order_id=day["order_id"])
    assert ended["cancel_reason"] == "settlement"


async def test_an_edit_that_only_shrinks_shows_in_the_book_and_leaves_no_rest(trader: RawDeribit) -> None:
    price = (await book(trader))["best_bid_price"] + 0.5 - 1_000
    order = {"instrument_name": PERPETUAL, "amount": 100, "price": price}
    before = dict((await trader.result("public/get_order_book", instrument_name=PERPETUAL, depth=1_000))["bids"])
    placed = (await trader.result("private/buy", **order))["order"]
    edited = (await trader.result("private/edit", order_id=placed["order_id"], amount=40, price=price))["order"]
    assert (edited["amount"], edited["replaced"], edited["order_state"]) == (40.0, True, "open")
    now = dict((await trader.result("public/get_order_book", instrument_name=PERPETUAL, depth=1_000))["bids"])
    assert now[price] - before.get(price, 0.0) == 40.0
    assert (await trader.error("private/edit", order_id=placed["order_id"], amount=45, price=price))["code"] == -32602
