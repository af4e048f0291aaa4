"""Money on the simulated Deribit: sessions and their settlement, delivery, funding, margins, and the log of it all."""

from typing import Any

import pytest

from tests.contract.raw_deribit import Json
from tests.support.trading_day import PERPETUAL, TradingDay

DAY_MS = 86_400_000
SETTLEMENT_MS = 8 * 3_600_000


async def next_settlement(day: TradingDay) -> int:
    """Go to the next 08:00 and return its time."""
    now = await day.call("public/get_time")
    settled: int = now - (now - SETTLEMENT_MS) % DAY_MS + DAY_MS
    await day.market(time_ms=settled + 1_000)
    return settled


async def log(day: TradingDay, currency: str = "BTC", **more: Any) -> Json:
    now = await day.call("public/get_time")
    found: Json = await day.call(
        "private/get_transaction_log", currency=currency, start_timestamp=0, end_timestamp=now, **more
    )
    return found


def adds_up(summary: Json) -> None:
    """Check the sums that hold in the venue's own sample."""
    assert summary["margin_balance"] == pytest.approx(
        summary["balance"] + summary["session_rpl"] + summary["futures_session_upl"], abs=3e-8
    )
    assert summary["equity"] == pytest.approx(summary["margin_balance"] + summary["options_value"], abs=3e-8)
    assert summary["available_funds"] == pytest.approx(summary["margin_balance"] - summary["initial_margin"], abs=3e-8)
    assert summary["total_pl"] == pytest.approx(summary["futures_pl"] + summary["options_pl"], abs=3e-8)


async def test_a_futures_profit_is_the_session_s_until_eight(day: TradingDay) -> None:
    start = (await day.summary())["balance"]
    bought = await day.buy(amount=50_000, type="market")
    fees = sum(t["fee"] for t in bought["trades"])
    await day.market(asset="BTC", factor=1.02)
    sold = await day.sell(amount=20_000, type="market")
    fees += sum(t["fee"] for t in sold["trades"])
    realised = sum(t["profit_loss"] for t in sold["trades"])
    assert realised > 0
    summary = await day.summary()
    adds_up(summary)
    assert summary["balance"] == pytest.approx(start - fees, abs=2e-8)
    assert summary["session_rpl"] == pytest.approx(realised, abs=1e-6)
    assert summary["futures_session_upl"] > 0
    before = await day.call("private/get_position", instrument_name=PERPETUAL)

    settled = await next_settlement(day)
    summary = await day.summary()
    adds_up(summary)
    lines = (await log(day))["logs"]
    line = lines[0]
    assert (line["type"], line["instrument_name"], line["timestamp"]) == ("settlement", PERPETUAL, settled)
    assert (line["side"], line["amount"], line["position"]) == ("long", 30_000.0, 30_000.0)
    assert line["change"] == pytest.approx(line["session_upl"] + line["session_rpl"], abs=2e-8)
    assert summary["balance"] == pytest.approx(start - fees + line["change"], abs=3e-8)
    assert line["balance"] == pytest.approx(summary["balance"], abs=1e-8)
    after = await day.call("private/get_position", instrument_name=PERPETUAL)
    assert after["average_price"] == before["average_price"], "a settlement does not change the price of entry"
    assert after["realized_profit_loss"] == pytest.approx(after["realized_funding"])
    history = await day.call("private/get_settlement_history_by_instrument", instrument_name=PERPETUAL)
    assert history["continuation"] is None
    (row,) = history["settlements"]
    assert (row["type"], row["position"], row["timestamp"]) == ("settlement", 30_000.0, settled)
    assert row["session_profit_loss"] == pytest.approx(line["change"], abs=1e-8)
    assert row["funding"] == line["interest_pl"]


async def test_funding_is_paid_by_one_side_to_the_other(day: TradingDay) -> None:
    await day.buy(amount=100_000, type="market")
    await day.buy("ETH_USDC-PERPETUAL", amount=10, type="market")
    await day.sell("ETH-PERPETUAL", amount=10_000, type="market")
    total: dict[str, float] = {}
    for _ in range(6):
        await day.market(advance_s=4 * 3_600)
        for name in (PERPETUAL, "ETH_USDC-PERPETUAL", "ETH-PERPETUAL"):
            position = await day.call("private/get_position", instrument_name=name)
            total[name] = total.get(name, 0.0) + position["realized_funding"]
    inverse = await day.call("public/get_time")
    rate = await day.call(
        "public/get_funding_rate_value",
        instrument_name=PERPETUAL,
        start_timestamp=inverse - DAY_MS,
        end_timestamp=inverse,
    )
    if rate:
        assert total[PERPETUAL] * rate < 0, "a positive rate is paid by who is long"
    if total["ETH-PERPETUAL"]:
        assert total["ETH-PERPETUAL"] * total["ETH_USDC-PERPETUAL"] < 0


async def test_an_option_expires_into_cash(day: TradingDay) -> None:
    rows = await day.call("public/get_instruments", currency="BTC", kind="option")
    nearest = min(r["expiration_timestamp"] for r in rows)
    index = (await day.ticker())["index_price"]
    calls = [r for r in rows if r["expiration_timestamp"] == nearest and r["option_type"] == "call"]
    below = [c for c in calls if c["strike"] < index * 0.97]
    inside = max(below, key=lambda r: float(r["strike"]))["instrument_name"]
    strike = max(float(c["strike"]) for c in below)
    above = [c for c in calls if c["strike"] > index * 1.005]
    outside = min(above, key=lambda r: float(r["strike"]))["instrument_name"]
    strikes = {inside: strike, outside: min(float(c["strike"]) for c in above)}
    for filled in (await day.buy(inside, amount=1, type="market"), await day.sell(outside, amount=1, type="market")):
        assert filled["order"]["order_state"] == "filled"
    resting = (await day.buy(inside, amount=1, price=0.0005))["order"]["order_id"]
    before = (await day.summary())["balance"]
    settled = await next_settlement(day)
    while settled < nearest:
        settled = await next_settlement(day)
    assert settled == nearest
    summary = await day.summary()
    adds_up(summary)
    history = await day.call("private/get_settlement_history_by_currency", currency="BTC", type="delivery")
    rows = {row["instrument_name"]: row for row in history["settlements"]}
    assert set(rows) == {inside, outside}
    delivered = rows[inside]["index_price"]
    worth = {name: max(delivered - k, 0) / delivered for name, k in strikes.items()}
    assert {name: row["mark_price"] for name, row in rows.items()} == pytest.approx(worth)
    assert rows[outside]["position"] == -1.0
    cash = worth[inside] - worth[outside]
    assert summary["balance"] == pytest.approx(before + cash, abs=2e-8), "daily options are delivered without a fee"
    assert summary["options_value"] == 0.0
    assert await day.call("private/get_positions", currency="BTC", kind="option") == []
    assert (await day.state(resting))["order_state"] == "cancelled"
    by_name = {"instrument_name": inside}
    trades = await day.call("private/get_user_trades_by_instrument", **by_name, historical=True)
    trades["trades"] += (await day.call("private/get_user_trades_by_instrument", **by_name))["trades"]
    assert [t["amount"] for t in trades["trades"]] == [1.0], "what expired keeps its history"
    orders = await day.call("private/get_order_history_by_instrument", **by_name, include_old=True)
    assert [o["order_state"] for o in orders] == ["filled"]
    line = (await log(day, query="delivery"))["logs"][0]
    assert (line["type"], line["position"]) == ("delivery", 0.0)
    page = await day.call("private/get_settlement_history_by_currency", currency="BTC", count=1)
    rest = await day.call(
        "private/get_settlement_history_by_currency", currency="BTC", continuation=page["continuation"]
    )
    assert len(page["settlements"]) == len(rest["settlements"]) == 1
    assert page["settlements"] != rest["settlements"]


async def test_the_log_tells_each_fill_and_goes_on_where_it_stopped(day: TradingDay) -> None:
    option = (await day.option())["instrument_name"]
    opened = await day.buy(option, amount=2, type="market")
    closed = await day.sell(option, amount=2, type="market")
    trades = opened["trades"] + closed["trades"]
    lines = (await log(day))["logs"]
    assert [line["trade_id"] for line in reversed(lines)] == [t["trade_id"] for t in trades]
    assert {line["side"] for line in lines} == {"open buy", "close sell"}
    assert {line["user_role"] for line in lines} == {"taker"}
    for line, trade in zip(reversed(lines), trades, strict=True):
        sign = -1 if trade["direction"] == "buy" else 1
        assert line["commission"] == pytest.approx(trade["fee"], abs=1e-8)
        assert line["change"] == pytest.approx(sign * trade["price"] * trade["amount"] - trade["fee"], abs=2e-8)
        assert line["price_currency"] == "BTC"
    assert lines[0]["balance"] == (await day.summary())["balance"]
    assert [line["side"] for line in (await log(day, query="close"))["logs"]] == ["close sell"] * len(closed["trades"])
    seen: list[int] = []
    page = await log(day, count=1)
    while True:
        seen += [line["id"] for line in page["logs"]]
        if page["continuation"] is None:
            break
        page = await log(day, count=1, continuation=page["continuation"])
    assert seen == [line["id"] for line in lines]


async def test_margins_bind_and_say_so_before(day: TradingDay) -> None:
    name = (await day.option())["instrument_name"]
    margins = await day.call("private/get_margins", instrument_name=name, amount=10, price=0.03)
    assert margins["buy"] == pytest.approx(10 * 0.03 + 10 * 0.0003)
    assert 10 * 0.1 < margins["sell"] < 10 * 0.25
    assert await day.refused("private/get_margins", instrument_name=name, amount=10) == (-32602, "price")
    free = (await day.summary())["available_funds"]
    too_many = int(free / (margins["sell"] / 10)) + 10
    assert (await day.refused("private/sell", instrument_name=name, amount=too_many, price=0.03))[0] == 10009
    sold = await day.sell(name, amount=10, type="market")
    assert sold["order"]["order_state"] == "filled"
    position = await day.call("private/get_position", instrument_name=name)
    assert (position["direction"], position["size"]) == ("sell", -10.0)
    assert position["initial_margin"] > position["maintenance_margin"] > 0
    assert position["delta"] * position["gamma"] != 0
    assert position["theta"] > 0 > position["vega"]
    summary = await day.summary()
    adds_up(summary)
    assert summary["initial_margin"] == pytest.approx(position["initial_margin"], rel=1e-3)
    assert summary["options_value"] < 0
    assert summary["delta_total"] == pytest.approx(position["delta"] + 10 * position["mark_price"], abs=1e-4)


async def test_a_portfolio_may_be_tried_without_being_held(day: TradingDay) -> None:
    name = (await day.option())["instrument_name"]
    await day.sell(name, amount=1, type="market")
    real = await day.summary()
    more: Json = {"currency": "BTC", "simulated_positions": {name: -4, PERPETUAL: 100_000}}
    beside = await day.call("private/simulate_portfolio", **more)
    alone = await day.call("private/simulate_portfolio", **more, add_positions=False)
    assert beside["initial_margin"] > alone["initial_margin"] > real["initial_margin"]
    assert beside["delta_total"] - alone["delta_total"] == pytest.approx(real["delta_total"], abs=1e-3)
    adds_up(beside)
    assert (await day.summary())["balance"] == real["balance"]
    assert (await day.call("private/get_position", instrument_name=name))["size"] == -1.0
    for wrong in ({name: "1"}, {"BTC-1JAN20": 1}, {"ETH-PERPETUAL": 10}):
        day.clock.advance(seconds=2)
        error = await day.raw.error("private/simulate_portfolio", currency="BTC", simulated_positions=wrong)
        assert error["code"] == -32602


async def test_spot_exchanges_two_balances(day: TradingDay) -> None:
    btc, usdc = (await day.summary())["balance"], (await day.summary("USDC"))["balance"]
    placed = await day.buy("BTC_USDC", amount=0.01, type="market")
    cost = sum(t["price"] * t["amount"] for t in placed["trades"])
    assert (await day.summary())["balance"] == pytest.approx(btc + 0.01, abs=1e-8)
    assert (await day.summary("USDC"))["balance"] == pytest.approx(usdc - cost, abs=1e-6)
    assert {t["fee"] for t in placed["trades"]} == {0.0}
    rest = (await day.sell("BTC_USDC", amount=1, price=1_000_000))["order"]
    assert rest["order_state"] == "open"
    assert (await day.summary())["initial_margin"] == pytest.approx(1.0)
    assert (await day.refused("private/sell", instrument_name="BTC_USDC", amount=50, price=1_000_000))[0] == 10009
    assert await day.call("private/get_positions") == []


async def test_summaries_tell_limits_fees_and_the_owner(day: TradingDay) -> None:
    every = await day.call("private/get_account_summaries", extended=True)
    assert {row["currency"] for row in every["summaries"]} >= {"BTC", "ETH", "USDC"}
    assert every["type"] == "main"
    btc = await day.call("private/get_account_summary", currency="BTC", extended=True)
    assert btc["fees"]["btc_usd"]["perpetual"]["default"] == {"type": "fixed", "taker": 0.0005, "maker": 0.0}
    assert btc["limits"]["matching_engine"]["trading"]["total"] == {"burst": 20, "rate": 5}
    assert btc["estimated_liquidation_ratio"] == 0.0
