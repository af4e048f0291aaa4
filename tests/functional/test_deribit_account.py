"""The account at Deribit through the real daemon on the simulator: what it did, what it holds, what it may do."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected
from tests.support.simulator import SimulatorProcess

PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}
BTC = {"currency": "BTC"}


@pytest.fixture
async def bot(start_daemon: StartDaemon, simulator: SimulatorProcess) -> AsyncIterator[Client]:
    daemon = start_daemon("serve", **simulator.keys_of("TESTNET"))
    async with connected(daemon) as client:
        yield client


async def market_order(bot: Client, name: str, side: str, amount: str, **more: Any) -> dict[str, Any]:
    order = {"instrument_name": name, "side": side, "amount": amount, "type": "market", **more}
    placed = await bot.call("deribit.place_order", order)
    assert placed["outcome"] == "confirmed"
    assert placed["order"]["order_state"] == "filled"
    return placed


async def a_liquid_option(bot: Client) -> str:
    """Return a call near the money, some weeks away, that is quoted on both sides."""
    found = await bot.call(
        "deribit.find_by_delta", {**BTC, "delta": 0.5, "type": "call", "min_days": 14, "max_days": 90, "count": 1}
    )
    name: str = found["options"][0]["instrument_name"]
    return name


async def test_what_was_traded_stands_in_every_book(bot: Client) -> None:
    before = (await bot.call("deribit.get_ticker", PERPETUAL))["as_of"]
    bought = await market_order(bot, "BTC-PERPETUAL", "buy", "50")
    sold = await market_order(bot, "BTC-PERPETUAL", "sell", "20")
    resting = await bot.call(
        "deribit.place_order", {**PERPETUAL, "side": "buy", "amount": "10", "price": "1000", "intent": "resting"}
    )
    await bot.call("deribit.cancel_order", {"order_id": resting["order"]["order_id"]})

    history = await bot.call("deribit.get_order_history", {**BTC, "kind": "future"})
    ids = [order["order_id"] for order in history["orders"]]
    assert sorted(ids) == sorted(each["order"]["order_id"] for each in (resting, sold, bought))
    assert not history["has_more"]
    times = [order["updated_at"] for order in history["orders"]]
    assert times == sorted(times, reverse=True)
    filled = await bot.call("deribit.get_order_history", {**PERPETUAL, "include_unfilled": False})
    assert {order["order_state"] for order in filled["orders"]} == {"filled"}
    newest = await bot.call("deribit.get_order_history", {**PERPETUAL, "count": 1})
    assert (newest["count"], newest["has_more"]) == (1, True)

    window = {"start": before, "end": "2030-01-01T00:00:00Z"}
    trades = await bot.call("deribit.get_trade_history", {**PERPETUAL, **window})
    sides = [(trade["direction"], Decimal(trade["amount"])) for trade in trades["trades"]]
    assert sum(size for side, size in sides if side == "buy") == 50
    assert sum(size for side, size in sides if side == "sell") == 20
    assert trades["next_start"] is None
    of_order = await bot.call("deribit.get_trade_history", {"order_id": bought["order"]["order_id"]})
    assert {trade["order_id"] for trade in of_order["trades"]} == {bought["order"]["order_id"]}
    assert of_order["trades"] == [trade for trade in trades["trades"] if trade["direction"] == "buy"]
    latest = await bot.call("deribit.get_trade_history", BTC)
    assert latest["trades"] == trades["trades"]

    log = await bot.call("deribit.get_transaction_log", {**BTC, **window})
    logged = [entry for entry in log["entries"] if entry["type"] == "trade"]
    assert {entry["trade_id"] for entry in logged} == {trade["trade_id"] for trade in trades["trades"]}
    assert log["continuation"] is None
    balances = [Decimal(entry["balance"]) for entry in log["entries"]]
    changes = [Decimal(entry["change"]) for entry in log["entries"]]
    for earlier, later, change in zip(balances, balances[1:], changes[1:], strict=False):
        assert later - earlier == pytest.approx(change, abs=Decimal("1e-8"))


async def test_the_log_goes_on_where_it_was_cut(bot: Client) -> None:
    now = datetime.fromisoformat((await bot.call("deribit.get_ticker", PERPETUAL))["as_of"])
    for _ in range(3):
        await market_order(bot, "BTC-PERPETUAL", "buy", "10")
    end = (now + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    asked = {**BTC, "start": "2026-01-01T00:00:00Z", "end": end}
    whole = await bot.call("deribit.get_transaction_log", asked)
    again: list[dict[str, Any]] = []
    token: dict[str, Any] = {}
    while True:
        part = await bot.call("deribit.get_transaction_log", {**asked, "count": 2, **token})
        again = part["entries"] + again
        if part["continuation"] is None:
            break
        token = {"continuation": part["continuation"]}
    assert whole["count"] >= 3
    assert again == whole["entries"]
    trades = await bot.call("deribit.get_transaction_log", {**asked, "query": "trade"})
    assert {entry["type"] for entry in trades["entries"]} == {"trade"}


async def test_an_account_that_did_nothing_has_an_empty_past(bot: Client) -> None:
    for method, rows in (("order_history", "orders"), ("trade_history", "trades")):
        told = await bot.call(f"deribit.get_{method}", BTC)
        assert (told["count"], told[rows], told["has_more"]) == (0, [], False)
    greeks = await bot.call("deribit.get_portfolio_greeks")
    assert (greeks["by_currency"], greeks["positions"], greeks["left_out"]) == ([], [], [])
    assert set(greeks["all"].values()) == {0.0}


async def test_greeks_of_positions_add_up(bot: Client) -> None:
    option = await a_liquid_option(bot)
    await market_order(bot, option, "sell", "2")
    await market_order(bot, "BTC-PERPETUAL", "buy", "5000")
    await market_order(bot, "ETH-PERPETUAL", "sell", "1000")
    greeks = await bot.call("deribit.get_portfolio_greeks")
    assert greeks["left_out"] == []
    rows = {row["instrument_name"]: row for row in greeks["positions"]}
    assert rows.keys() == {option, "BTC-PERPETUAL", "ETH-PERPETUAL"}
    short = rows[option]
    assert short["source"] == "recomputed"
    chain = await bot.call("deribit.get_option_chain", {**BTC, "expiry": option.split("-")[1]})
    listed = next(row for row in chain["options"] if row["instrument_name"] == option)
    assert short["delta"] == pytest.approx(-2 * listed["delta"], abs=2e-3)
    assert short["gamma"] == pytest.approx(-2 * listed["gamma"], rel=1e-2)
    assert short["vega"] == pytest.approx(-2 * listed["vega"], rel=1e-2)
    premium = listed["price_quote"] / listed["forward"]
    assert short["net_delta"] - short["delta"] == pytest.approx(2 * premium, abs=2e-4)

    coins = {(each["currency"], each["base_currency"]): each for each in greeks["by_currency"]}
    assert coins.keys() == {("BTC", "BTC"), ("ETH", "ETH")}
    bitcoin = coins["BTC", "BTC"]
    assert bitcoin["delta"] == pytest.approx(short["delta"] + rows["BTC-PERPETUAL"]["delta"])
    assert bitcoin["delta_usd"] == pytest.approx(bitcoin["delta"] * bitcoin["index_price"])
    assert rows["BTC-PERPETUAL"]["delta"] * bitcoin["index_price"] == pytest.approx(5000, rel=0.02)
    for name, total in greeks["all"].items():
        assert total == pytest.approx(sum(each[name] for each in greeks["by_currency"]))
    alone = await bot.call("deribit.get_portfolio_greeks", {"currency": "ETH"})
    assert [each["base_currency"] for each in alone["by_currency"]] == ["ETH"]
    positions = (await bot.call("deribit.get_positions", BTC))["positions"]
    venue = next(each for each in positions if each["instrument_name"] == option)
    assert short["delta"] == pytest.approx(venue["delta"], abs=2e-3)


async def test_a_combo_that_filled_stands_with_its_legs(bot: Client) -> None:
    found = await bot.call("deribit.get_combos", {**BTC, "state": "active"})
    combo = next(each for each in found["combos"] if each["combo_id"].split("-")[1] == "FS")
    name = combo["combo_id"]
    await market_order(bot, name, "buy", "10")
    told = (await bot.call("deribit.get_trade_history", BTC))["trades"]
    whole = next(trade for trade in told if trade["instrument_name"] == name)
    parts = [trade for trade in told if trade["combo_trade_id"] == whole["trade_id"]] or whole["legs"]
    assert {part["instrument_name"] for part in parts} == {leg["instrument_name"] for leg in combo["legs"]}
    signed = sum(Decimal(part["price"]) * (1 if part["direction"] == "buy" else -1) for part in parts)
    assert signed == Decimal(whole["price"])
    positions = (await bot.call("deribit.get_positions", BTC))["positions"]
    assert {each["instrument_name"] for each in positions} == {part["instrument_name"] for part in parts}


async def test_margins_are_told_before_anything_is_placed(bot: Client) -> None:
    mark = (await bot.call("deribit.get_ticker", PERPETUAL))["mark_price"]
    told = await bot.call("deribit.get_margins", {**PERPETUAL, "amount": "10000", "price": str(round(mark))})
    assert Decimal(told["buy"]) > 0
    assert Decimal(told["min_price"]) < Decimal(round(mark)) < Decimal(told["max_price"])
    asked = {**BTC, "simulated_positions": [{"instrument_name": "BTC-PERPETUAL", "size": "-100000"}]}
    imagined = await bot.call("deribit.simulate_portfolio", asked)
    assert Decimal(imagined["initial_margin"]) > Decimal(imagined["maintenance_margin"]) > 0
    assert imagined["delta_total"] == pytest.approx(-100_000 / mark, rel=0.02)
    assert (await bot.call("deribit.get_positions"))["count"] == 0


async def test_limits_are_those_of_the_account(bot: Client) -> None:
    told = await bot.call("deribit.get_rate_limits")
    limits = {each["name"]: each for each in told["limits"]}
    assert limits.keys() == {
        "matching",
        "cancel_all",
        "non_matching",
        "instruments",
        "transaction_log",
        "simulate_portfolio",
    }
    assert (limits["matching"]["burst"], limits["matching"]["told_by_venue"]) == (20, True)
    assert (limits["transaction_log"]["per_second"], limits["transaction_log"]["told_by_venue"]) == (1, False)
    assert all(0 <= each["left"] <= each["burst"] for each in told["limits"])


BAD: list[tuple[str, dict[str, Any]]] = [
    ("get_order_history", {}),
    ("get_order_history", {**BTC, **PERPETUAL}),
    ("get_trade_history", {"order_id": "1", **BTC}),
    ("get_trade_history", {**BTC, "start": "2026-08-21T00:00:00Z", "end": "2026-08-20T00:00:00Z"}),
    ("get_transaction_log", {**BTC, "start": "2026-08-21T00:00:00Z"}),
    ("get_margins", {**PERPETUAL, "amount": "0", "price": "1"}),
    ("get_margins", {**PERPETUAL, "amount": 10, "price": "1"}),
    ("simulate_portfolio", {**BTC, "simulated_positions": []}),
    ("simulate_portfolio", {**BTC, "simulated_positions": [{**PERPETUAL, "size": "1"}] * 2}),
]


async def test_bad_params_are_refused(bot: Client) -> None:
    for method, params in BAD:
        with pytest.raises(Refused) as refused:
            await bot.call(f"deribit.{method}", params, bad=True)
        assert refused.value.code is Code.INVALID_PARAMS, method


async def test_without_keys_there_is_no_account(start_daemon: StartDaemon, simulator: SimulatorProcess) -> None:
    keyless = {name: value for name, value in simulator.keys_of("TESTNET").items() if "URL" in name}
    async with connected(start_daemon("serve", **keyless)) as bot:
        for method, params in (
            ("get_portfolio_greeks", {}),
            ("get_order_history", BTC),
            ("get_rate_limits", {}),
            ("get_margins", {**PERPETUAL, "amount": "10", "price": "1"}),
        ):
            with pytest.raises(Refused) as refused:
                await bot.call(f"deribit.{method}", params)
            assert refused.value.code is Code.NO_KEYS, method
