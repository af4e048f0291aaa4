"""Icebergs, market-limit orders and prices in dollars or volatility on the simulated Deribit."""

import math

import pytest

from tests.contract.raw_deribit import Json
from tests.support.trading_day import PERPETUAL, TradingDay


def ticks(price: float) -> float:
    return round(price * 2) / 2


async def test_an_iceberg_shows_a_part_and_pays_as_taker_for_the_rest(day: TradingDay) -> None:
    mark = (await day.ticker())["mark_price"]
    price = ticks(mark * 0.995)
    order = (await day.buy(amount=2_500, price=price, display_amount=1_000))["order"]
    assert (order["amount"], order["display_amount"], order["refresh_amount"]) == (2_500.0, 1_000.0, 1_000.0)
    bids = (await day.call("public/get_order_book", instrument_name=PERPETUAL, depth=10_000))["bids"]
    assert [price, 1_000.0] in bids
    await day.market(asset="BTC", factor=0.98)
    assert (await day.state(order["order_id"]))["order_state"] == "filled"
    trades = await day.call("private/get_user_trades_by_order", order_id=order["order_id"])
    assert sum(t["amount"] for t in trades) == 2_500
    shown = [t for t in trades if t["liquidity"] == "M"]
    hidden = [t for t in trades if t["liquidity"] == "T"]
    assert sum(t["amount"] for t in shown) <= 1_000
    assert all(t["fee"] == 0 for t in shown)
    assert sum(t["fee"] for t in hidden) == pytest.approx(0.0005 * sum(t["amount"] for t in hidden) / price, abs=2e-8)


async def test_icebergs_that_show_too_little_are_refused(day: TradingDay) -> None:
    option = (await day.option())["instrument_name"]
    future: Json = {"instrument_name": PERPETUAL, "price": 50_000}
    cases: list[tuple[Json, int]] = [
        (future | {"amount": 2_000, "display_amount": 990}, 10036),
        (future | {"amount": 200_000, "display_amount": 1_000}, 10036),
        (future | {"amount": 2_000, "display_amount": 1_005}, 10024),
        (future | {"amount": 2_000, "display_amount": 3_000}, 10024),
        (future | {"amount": 2_000, "display_amount": 0}, 10024),
        ({"instrument_name": option, "amount": 20, "price": 0.001, "display_amount": 1}, 11048),
        ({"instrument_name": PERPETUAL, "amount": 2_000, "type": "market", "display_amount": 1_000}, 10031),
    ]
    for params, code in cases:
        assert (await day.refused("private/buy", **params))[0] == code, params


async def test_a_market_limit_order_rests_at_the_price_it_met(day: TradingDay) -> None:
    price, there = (await day.raw.result("public/get_order_book", instrument_name=PERPETUAL, depth=1))["asks"][0]
    placed = await day.raw.result("private/buy", instrument_name=PERPETUAL, amount=there + 50, type="market_limit")
    order = placed["order"]
    assert (order["order_type"], order["original_order_type"]) == ("limit", "market_limit")
    assert (order["order_state"], order["price"], order["filled_amount"]) == ("open", price, there)
    assert [(t["price"], t["amount"]) for t in placed["trades"]] == [(price, there)]


async def test_a_price_in_dollars_follows_the_underlying(day: TradingDay) -> None:
    row = await day.option()
    name, forward = row["instrument_name"], row["underlying_price"]
    dollars = round(row["mark_price"] * forward * 0.5)
    order = (await day.buy(name, amount=1, price=dollars, advanced="usd"))["order"]
    assert (order["advanced"], order["usd"], order["auto_replaced"]) == ("usd", float(dollars), False)
    assert order["price"] == pytest.approx(dollars / forward, abs=0.0005)
    assert order["price"] <= dollars / forward
    await day.market(asset="BTC", factor=0.9)
    moved = await day.state(order["order_id"])
    if moved["order_state"] == "open":
        assert moved["auto_replaced"]
        assert moved["price"] == pytest.approx(dollars / (forward * 0.9), rel=0.06)
    assert moved["usd"] == float(dollars)
    assert moved["price"] > order["price"]


async def test_a_price_in_volatility_is_what_the_option_is_worth_at_it(day: TradingDay) -> None:
    row = await day.option(least=0.03, most=0.08)
    name, mark_iv = row["instrument_name"], row["mark_iv"]
    bid = (await day.buy(name, amount=1, price=mark_iv - 5, advanced="implv"))["order"]
    assert (bid["advanced"], bid["implv"]) == ("implv", mark_iv - 5)
    assert bid["price"] < row["mark_price"]
    vega = (await day.ticker(name))["greeks"]["vega"]
    assert bid["price"] == pytest.approx(row["mark_price"] - 5 * vega / row["underlying_price"], abs=0.001)
    higher = (await day.call("private/edit", order_id=bid["order_id"], amount=1, price=mark_iv - 2, advanced="implv"))[
        "order"
    ]
    assert (higher["implv"], higher["replaced"]) == (mark_iv - 2, True)
    assert higher["price"] > bid["price"]
    edit: Json = {"order_id": bid["order_id"], "amount": 1}
    assert await day.refused("private/edit", **edit, price=0.01) == (-32602, "advanced")
    plain = (await day.buy(name, amount=1, price=0.0005))["order"]
    assert (await day.refused("private/edit", order_id=plain["order_id"], price=50, advanced="implv"))[0] == 11041
    taken = await day.buy(name, amount=0.1, price=mark_iv + 40, advanced="implv")
    assert taken["order"]["order_state"] == "filled"
    assert taken["trades"][0]["advanced"] == "implv"
    assert math.isfinite(taken["trades"][0]["iv"])


async def test_advanced_prices_where_they_mean_nothing_are_refused(day: TradingDay) -> None:
    option: Json = {"instrument_name": (await day.option())["instrument_name"], "amount": 1, "advanced": "implv"}
    cases: list[tuple[Json, int]] = [
        ({"instrument_name": PERPETUAL, "amount": 10, "price": 50_000, "advanced": "usd"}, 11038),
        (option | {"price": 50, "post_only": True}, 11039),
        (option | {"type": "market"}, 10031),
        (option | {"price": 0}, -32602),
        (option | {"price": 5_000}, -32602),
        (option | {"price": 50, "advanced": "delta"}, -32602),
    ]
    for params, code in cases:
        assert (await day.refused("private/buy", **params))[0] == code, params


async def test_a_linear_option_takes_no_price_in_dollars(day: TradingDay) -> None:
    rows = await day.call("public/get_book_summary_by_currency", currency="USDC", kind="option")
    name = next(r["instrument_name"] for r in rows if r["bid_price"] and r["ask_price"])
    instrument = await day.call("public/get_instrument", instrument_name=name)
    amount = instrument["min_trade_amount"]
    assert (await day.refused("private/buy", instrument_name=name, amount=amount, price=5, advanced="usd"))[0] == 10031
    placed = await day.buy(name, amount=amount, type="market")
    assert placed["order"]["order_state"] == "filled"
    index = (await day.ticker(name))["index_price"]
    for trade in placed["trades"]:
        assert trade["fee_currency"] == "USDC"
        cap = min(0.0005 * index, 0.125 * trade["price"])
        assert trade["fee"] == pytest.approx(cap * trade["amount"], rel=1e-3)


async def test_an_edit_that_would_take_ends_a_post_only_order_that_rejects_it(day: TradingDay) -> None:
    ticker = await day.ticker()
    order = (await day.buy(amount=10, price=ticker["best_bid_price"] - 10, post_only=True, reject_post_only=True))[
        "order"
    ]
    edited = (await day.call("private/edit", order_id=order["order_id"], price=ticker["best_ask_price"] + 5))["order"]
    assert (edited["order_state"], edited["cancel_reason"]) == ("cancelled", "edit_post_only_reject")


async def test_cancels_by_pair_and_by_kind(day: TradingDay) -> None:
    option = (await day.option())["instrument_name"]
    await day.buy(amount=10, price=50_000)
    await day.buy(option, amount=1, price=0.0005)
    await day.buy("ETH_USDC-PERPETUAL", amount=0.1, price=1_000)
    assert await day.refused("private/cancel_all_by_currency_pair", currency_pair="BTC_EUR") == (
        -32602,
        "currency_pair",
    )
    assert await day.call("private/cancel_all_by_currency_pair", currency_pair="BTC_USD", kind="option") == 1
    assert await day.call("private/cancel_all_by_currency_pair", currency_pair="ETH_USDC") == 1
    assert await day.call("private/cancel_all_by_kind_or_type", currency="any", kind="future", type="limit") == 1
