"""The simulated Deribit's channels: what may be subscribed, what is said, and how a book is chained."""

from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from cerberod.simulator import Simulator
from tests.contract.raw_deribit import Json, RawDeribit

PERPETUAL = "BTC-PERPETUAL"


async def move(simulator: Simulator, **body: Any) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(simulator.urls["control"] + "/market", json=body) as answer,
    ):
        assert answer.status == 200


async def said(raw: RawDeribit, channel: str) -> Any:
    """Return the next data of a channel."""
    while True:
        frame = raw.notifications.pop(0) if raw.notifications else await raw.receive()
        if frame.get("method") == "subscription" and frame["params"]["channel"] == channel:
            return frame["params"]["data"]


async def test_unknown_channels_are_silently_missing(raw: RawDeribit) -> None:
    wanted = [f"book.{PERPETUAL}.none.10.100ms", "ticker.NOPE.100ms", "user.orders.BTC-PERPETUAL.100ms", "x"]
    assert await raw.result("public/subscribe", channels=wanted) == wanted[:1]
    assert await raw.result("public/unsubscribe", channels=wanted) == wanted[:1]
    assert await raw.result("public/unsubscribe_all") == "ok"
    assert (await raw.error("public/subscribe", channels="x"))["data"]["param"] == "channels"
    assert (await raw.error("public/subscribe", channels=[f"ticker.{PERPETUAL}.raw"]))["code"] == 13778
    assert (await raw.error("private/subscribe", channels=[]))["code"] == 13009


async def test_a_ticker_channel_speaks_at_once_and_when_something_changed(
    simulator: Simulator, raw: RawDeribit
) -> None:
    channel = f"ticker.{PERPETUAL}.100ms"
    await raw.result("public/subscribe", channels=[channel])
    first = await said(raw, channel)
    assert first == await raw.result("public/ticker", instrument_name=PERPETUAL)
    await move(simulator, asset="BTC", factor=1.01)
    second = await said(raw, channel)
    assert second["index_price"] == pytest.approx(first["index_price"] * 1.01, abs=0.02)


async def test_a_book_is_a_snapshot_and_then_a_chain_of_changes(simulator: Simulator, raw: RawDeribit) -> None:
    channel = f"book.{PERPETUAL}.100ms"
    await raw.result("public/subscribe", channels=[channel])
    snapshot = await said(raw, channel)
    assert snapshot["type"] == "snapshot"
    assert "prev_change_id" not in snapshot
    assert {entry[0] for entry in snapshot["bids"] + snapshot["asks"]} == {"new"}
    sides: dict[str, dict[float, float]] = {s: {p: a for _, p, a in snapshot[s]} for s in ("bids", "asks")}
    last = snapshot["change_id"]
    for factor in (1.00001, 0.99998):
        await move(simulator, asset="BTC", factor=factor)
        change = await said(raw, channel)
        assert (change["type"], change["prev_change_id"]) == ("change", last)
        assert change["change_id"] > last
        last = change["change_id"]
        for name, levels in sides.items():
            for action, price, amount in change[name]:
                if action == "delete":
                    del levels[price]
                    assert amount == 0.0
                else:
                    assert (price in levels) is (action == "change")
                    levels[price] = amount
    whole = await raw.result("public/get_order_book", instrument_name=PERPETUAL, depth=10_000)
    assert sides["bids"] == dict(whole["bids"])
    assert sides["asks"] == dict(whole["asks"])


async def test_quotes_trades_index_and_grouped_books(simulator: Simulator, raw: RawDeribit) -> None:
    channels = [
        f"quote.{PERPETUAL}",
        f"trades.{PERPETUAL}.100ms",
        "deribit_price_index.btc_usd",
        f"book.{PERPETUAL}.none.10.100ms",
    ]
    assert await raw.result("public/subscribe", channels=channels) == channels
    quote = await said(raw, channels[0])
    index = await said(raw, channels[2])
    grouped = await said(raw, channels[3])
    assert len(grouped["bids"]) == len(grouped["asks"]) == 10
    assert [quote["best_bid_price"], quote["best_bid_amount"]] == grouped["bids"][0]
    assert set(index) == {"index_name", "price", "timestamp"}
    await move(simulator, advance_s=60)
    trades = await said(raw, channels[1])
    assert [t["instrument_name"] for t in trades] == [PERPETUAL, PERPETUAL]  # two prints a minute


async def test_a_users_orders_and_trades_are_told_at_once(simulator: Simulator, raw: RawDeribit) -> None:
    await raw.log_in(simulator.credentials["deribit_testnet"])
    channels = ["user.orders.future.BTC.raw", f"user.trades.{PERPETUAL}.raw", "user.changes.any.any.100ms"]
    assert await raw.result("private/subscribe", channels=channels) == channels
    placed = await raw.result("private/buy", instrument_name=PERPETUAL, amount=10, type="market", label="told")
    assert await said(raw, channels[0]) == placed["order"]
    assert await said(raw, channels[1]) == placed["trades"]
    changes = await said(raw, channels[2])
    assert (changes["orders"], changes["trades"]) == ([placed["order"]], placed["trades"])
    assert [(p["instrument_name"], p["size"]) for p in changes["positions"]] == [(PERPETUAL, 10.0)]
    eth = await raw.result("private/buy", instrument_name="ETH-PERPETUAL", amount=1, price=100)
    changes = await said(raw, channels[2])
    assert (changes["instrument_name"], changes["orders"]) == ("ETH-PERPETUAL", [eth["order"]])


async def test_a_fill_by_the_market_is_told(simulator: Simulator, raw: RawDeribit) -> None:
    await raw.log_in(simulator.credentials["deribit_testnet"])
    book = await raw.result("public/get_order_book", instrument_name=PERPETUAL, depth=1)
    limit = book["best_bid_price"] - 100
    order = (await raw.result("private/buy", instrument_name=PERPETUAL, amount=10, price=limit))["order"]
    channel = f"user.trades.{PERPETUAL}.raw"
    await raw.result("private/subscribe", channels=[channel])
    await move(simulator, asset="BTC", factor=0.99)
    trades = await said(raw, channel)
    assert [(t["order_id"], t["liquidity"], t["price"]) for t in trades] == [(order["order_id"], "M", limit)]


@pytest.mark.recorded
async def test_frames_have_the_recorded_keys(recorded: Path, simulator: Simulator, raw: RawDeribit) -> None:
    frames: Json = orjson.loads((recorded / "deribit" / "ws_frames_testnet_20260913.json").read_bytes())
    ticker, book = f"ticker.{PERPETUAL}.100ms", f"book.{PERPETUAL}.100ms"
    await raw.result("public/subscribe", channels=[ticker, book])
    snapshot, change = frames["book option snapshot"]["params"]["data"], frames["book perp change"]["params"]["data"]
    assert set(await said(raw, book)) == set(snapshot)
    await move(simulator, asset="BTC", factor=1.001)
    assert set(await said(raw, book)) == set(change)


async def test_the_smaller_market_channels_agree_with_the_methods(simulator: Simulator, raw: RawDeribit) -> None:
    volatility, expiry, marks, funding, candle = channels = [
        "deribit_volatility_index.eth_usd",
        "estimated_expiration_price.btc_usd",
        "markprice.options.btc_usd",
        "perpetual.ETH-PERPETUAL.100ms",
        "chart.trades.BTC-PERPETUAL.60",
    ]
    assert await raw.result("public/subscribe", channels=channels) == channels
    told = await said(raw, volatility)
    page = await raw.result(
        "public/get_volatility_index_data",
        currency="ETH",
        start_timestamp=told["timestamp"] - 60_000,
        end_timestamp=told["timestamp"],
        resolution="60",
    )
    assert told == {"index_name": "eth_usd", "volatility": page["data"][-1][4], "timestamp": told["timestamp"]}
    index = await raw.result("public/get_index_price", index_name="btc_usd")
    expires = await said(raw, expiry)
    assert set(expires) == {"price", "seconds", "is_estimated"}
    assert expires["price"] == index["index_price"]
    assert (told["timestamp"] // 1_000 + expires["seconds"]) % 86_400 in (8 * 3_600 - 1, 8 * 3_600)
    rows = {
        row["instrument_name"]: row
        for row in await raw.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    }
    options = await said(raw, marks)
    assert {option["instrument_name"] for option in options} == set(rows)
    for option in options:
        row = rows[option["instrument_name"]]
        assert option["mark_price"] == row["mark_price"]
        assert option["iv"] == pytest.approx(row["mark_iv"] / 100)  # a fraction here, percent there
    ticker = await raw.result("public/ticker", instrument_name="ETH-PERPETUAL")
    interest = await said(raw, funding)
    assert (interest["interest"], interest["index_price"]) == (ticker["current_funding"], ticker["index_price"])
    forming = await said(raw, candle)
    window = {"start_timestamp": forming["tick"], "end_timestamp": told["timestamp"], "resolution": "60"}
    bars = await raw.result("public/get_tradingview_chart_data", instrument_name=PERPETUAL, **window)
    assert forming == {"tick": bars["ticks"][-1]} | {
        name: bars[name][-1] for name in ("open", "high", "low", "close", "volume", "cost")
    }


async def test_trades_of_a_whole_currency(simulator: Simulator, raw: RawDeribit) -> None:
    channel = "trades.future.BTC.100ms"
    wanted = [channel, "trades.nothing.BTC.100ms", "trades.future.NOPE.100ms", "deribit_volatility_index.sol_usd"]
    assert await raw.result("public/subscribe", channels=wanted) == [channel]
    error = await raw.error("public/subscribe", channels=["trades.future.BTC.raw", "perpetual.BTC-PERPETUAL.raw"])
    assert error["code"] == 13778
    now_ms = await raw.result("public/get_time")
    await move(simulator, time_ms=now_ms + 61_000)
    trades = await said(raw, channel)
    assert len({trade["instrument_name"] for trade in trades}) > 5
    assert [trade["timestamp"] for trade in trades] == sorted(trade["timestamp"] for trade in trades)
    page = await raw.result(
        "public/get_last_trades_by_currency_and_time",
        currency="BTC",
        kind="future",
        start_timestamp=trades[0]["timestamp"],
        end_timestamp=trades[-1]["timestamp"],
        count=1_000,
    )
    assert {trade["trade_id"] for trade in trades} <= {trade["trade_id"] for trade in page["trades"]}
