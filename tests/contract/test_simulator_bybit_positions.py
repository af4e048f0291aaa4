"""Positions, money and batches on the simulated Bybit."""

import pytest

from tests.contract.raw_bybit import Json, RawBybit

POSITIONS, LEVERAGE, MODE, STOP, CLOSED = (
    f"/v5/position/{what}" for what in ("list", "set-leverage", "switch-mode", "trading-stop", "closed-pnl")
)
EXECUTIONS, LOG = "/v5/execution/list", "/v5/account/transaction-log"
CREATE_BATCH, AMEND_BATCH, CANCEL_BATCH = (f"/v5/order/{what}-batch" for what in ("create", "amend", "cancel"))
PERP: Json = {"category": "linear", "symbol": "BTCUSDT"}
MARKET: Json = PERP | {"orderType": "Market", "qty": "0.01"}
LIMIT: Json = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}


async def command(bybit: RawBybit, what: str, **body: object) -> None:
    async with bybit.http.post(f"{bybit.control}/{what}", json=body) as answer:
        assert answer.status == 200, await answer.text()
    bybit.settle(250)  # quotes change four times a second


async def position(bybit: RawBybit, **asked: str) -> Json:
    (row,) = await bybit.rows(POSITIONS, **(PERP | asked))
    found: Json = row
    return found


async def balance(bybit: RawBybit, coin: str) -> float:
    (row,) = await bybit.rows("/v5/account/wallet-balance", accountType="UNIFIED", coin=coin)
    return float(row["coin"][0]["walletBalance"])


# Positions


async def test_a_flat_symbol_has_a_row_and_a_settle_coin_has_none(bybit: RawBybit) -> None:
    flat = await position(bybit)
    assert (flat["side"], flat["size"], flat["positionValue"], flat["unrealisedPnl"]) == ("", "0", "", "")
    assert await bybit.rows(POSITIONS, category="linear", settleCoin="USDT") == []
    assert (await bybit.get(POSITIONS, category="linear"))["retCode"] == 10001


async def test_profit_is_what_was_gained_less_both_fees(bybit: RawBybit) -> None:
    before = await balance(bybit, "USDT")
    opened = await bybit.order(**MARKET, side="Buy")
    held = await position(bybit)
    assert (held["side"], held["size"], held["avgPrice"]) == ("Buy", "0.01", opened["avgPrice"])
    await command(bybit, "market", asset="BTC", factor=1.02)
    assert float((await position(bybit))["unrealisedPnl"]) == pytest.approx(
        0.01 * float(opened["avgPrice"]) * 0.02, rel=0.01
    )
    closed = await bybit.order(**MARKET, side="Sell", reduceOnly=True)
    (row,) = await bybit.rows(CLOSED, **PERP)
    fees = float(opened["cumExecFee"]) + float(closed["cumExecFee"])
    gained = 0.01 * (float(closed["avgPrice"]) - float(opened["avgPrice"]))
    assert (row["side"], row["closedSize"], row["orderId"]) == ("Sell", "0.01", closed["orderId"])
    assert float(row["closedPnl"]) == pytest.approx(gained - fees, abs=1e-6)
    assert await balance(bybit, "USDT") == pytest.approx(before + gained - fees, abs=1e-6)
    assert (await position(bybit))["size"] == "0"
    log = await bybit.rows(LOG, accountType="UNIFIED", category="linear")
    assert [line["type"] for line in log] == ["TRADE", "TRADE"]
    for line in log:
        funding = float(line["funding"] or 0)
        assert float(line["change"]) == pytest.approx(float(line["cashFlow"]) + funding - float(line["fee"]))
    assert float(log[0]["cashBalance"]) == pytest.approx(await balance(bybit, "USDT"), abs=1e-6)


async def test_an_inverse_contract_pays_in_coin(bybit: RawBybit) -> None:
    order = {"category": "inverse", "symbol": "BTCUSD", "orderType": "Market", "qty": "10000"}
    opened = await bybit.order(**order, side="Sell")
    await command(bybit, "market", asset="BTC", factor=0.95)
    closed = await bybit.order(**order, side="Buy", reduceOnly=True)
    (row,) = await bybit.rows(CLOSED, category="inverse")
    gained = 10_000 * (1 / float(closed["avgPrice"]) - 1 / float(opened["avgPrice"]))
    fees = float(opened["cumExecFee"]) + float(closed["cumExecFee"])
    assert gained > 0
    assert float(row["closedPnl"]) == pytest.approx(gained - fees, abs=2e-8)
    assert await balance(bybit, "BTC") == pytest.approx(2 + gained - fees, abs=2e-8)


async def test_reduce_only_is_cut_to_the_position(bybit: RawBybit) -> None:
    await bybit.order(**MARKET, side="Buy")
    assert await bybit.refused("/v5/order/create", **MARKET, side="Buy", reduceOnly=True) == 110017
    sold = await bybit.order(**(MARKET | {"qty": "0.5"}), side="Sell", reduceOnly=True)
    assert sold["cumExecQty"] == "0.01"
    await bybit.order(**MARKET, side="Sell")
    everything = MARKET | {"qty": "0", "side": "Buy"}
    closed = await bybit.order(**everything, reduceOnly=True, closeOnTrigger=True)
    assert (closed["cumExecQty"], (await position(bybit))["size"]) == ("0.01", "0")


async def test_a_resting_reduce_only_order_ends_with_the_position(bybit: RawBybit) -> None:
    await bybit.order(**MARKET, side="Buy")
    resting = await bybit.order(**(PERP | LIMIT | {"side": "Sell", "price": "300000"}), reduceOnly=True)
    assert resting["orderStatus"] == "New"
    await bybit.order(**MARKET, side="Sell", reduceOnly=True)
    ended = await bybit.find("linear", resting["orderId"])
    assert (ended["orderStatus"], ended["cancelType"]) == ("Cancelled", "CancelByReduceOnly")


async def test_leverage_as_it_was_is_told_as_an_error(bybit: RawBybit) -> None:
    assert (await position(bybit))["leverage"] == "10"
    await bybit.done(LEVERAGE, **PERP, buyLeverage="5", sellLeverage="5")
    assert await bybit.refused(LEVERAGE, **PERP, buyLeverage="5", sellLeverage="5") == 110043
    assert (await position(bybit))["leverage"] == "5"
    assert await bybit.refused(LEVERAGE, **PERP, buyLeverage="5", sellLeverage="6") == 10001
    assert await bybit.refused(LEVERAGE, **PERP, buyLeverage="500", sellLeverage="500") == 110013


async def test_hedge_mode_has_two_rows_and_two_indexes(bybit: RawBybit) -> None:
    await bybit.done(MODE, **PERP, mode=3)
    assert await bybit.refused(MODE, **PERP, mode=3) == 110025
    assert [row["positionIdx"] for row in await bybit.rows(POSITIONS, **PERP)] == [1, 2]
    assert await bybit.refused("/v5/order/create", **MARKET, side="Buy") == 10001
    await bybit.order(**MARKET, side="Buy", positionIdx=1)
    await bybit.order(**MARKET, side="Sell", positionIdx=2)
    assert [(row["side"], row["size"]) for row in await bybit.rows(POSITIONS, **PERP)] == [
        ("Buy", "0.01"),
        ("Sell", "0.01"),
    ]
    assert await bybit.refused(MODE, **PERP, mode=0) == 110024
    closing = await bybit.order(**(MARKET | {"qty": "0.5"}), side="Sell", positionIdx=1)  # closes, and no more
    assert closing["cumExecQty"] == "0.01"
    assert await bybit.refused("/v5/order/create", **MARKET, side="Sell", positionIdx=1) == 110017
    assert await bybit.refused(MODE, category="linear", symbol="BTCPERP", mode=3) == 110029
    assert await bybit.refused(MODE, category="linear", symbol="ETHUSDT", mode=1) == 10001
    resting = {"category": "linear", "symbol": "ETHUSDT", "side": "Buy", "orderType": "Limit"}
    await bybit.order(**resting, qty="1", price="1000")
    assert await bybit.refused(MODE, category="linear", symbol="ETHUSDT", mode=3) == 110028
    await bybit.done(MODE, category="linear", coin="USDT", mode=3)  # in silence, not those with orders
    assert len(await bybit.rows(POSITIONS, category="linear", symbol="ETHUSDT")) == 1
    assert len(await bybit.rows(POSITIONS, category="linear", symbol="SOLUSDT")) == 2


async def test_stops_of_a_position_are_orders_and_close_it(bybit: RawBybit) -> None:
    stops = {"takeProfit": "900000", "stopLoss": "1000", "tpslMode": "Full", "positionIdx": 0}
    assert await bybit.refused(STOP, **PERP, **stops) == 10001  # there is nothing to protect
    opened = await bybit.order(**MARKET, side="Buy")
    assert await bybit.refused(STOP, **PERP, **(stops | {"stopLoss": "900000"})) == 10001
    await bybit.done(STOP, **PERP, **stops)
    assert await bybit.refused(STOP, **PERP, **stops) == 34040
    held = await position(bybit)
    assert (held["takeProfit"], held["stopLoss"]) == ("900000", "1000")
    waiting = await bybit.rows("/v5/order/realtime", **PERP)
    assert {(row["stopOrderType"], row["orderStatus"]) for row in waiting} == {
        ("TakeProfit", "Untriggered"),
        ("StopLoss", "Untriggered"),
    }
    await bybit.done(STOP, **PERP, stopLoss=str(round(float(opened["avgPrice"]) * 0.98, 1)), positionIdx=0)
    await bybit.done(STOP, **PERP, takeProfit="0", positionIdx=0)
    assert (await position(bybit))["takeProfit"] == ""
    await command(bybit, "market", asset="BTC", factor=0.97)
    assert (await position(bybit))["size"] == "0"
    fill = (await bybit.rows(EXECUTIONS, **PERP))[0]
    assert (fill["stopOrderType"], fill["createType"], fill["closedSize"]) == ("StopLoss", "CreateByStopLoss", "0.01")
    assert await bybit.rows("/v5/order/realtime", **PERP) == []


async def test_an_order_carries_stops_to_its_position(bybit: RawBybit) -> None:
    await bybit.order(**MARKET, side="Buy", takeProfit="900000", stopLoss="1000")
    held = await position(bybit)
    assert (held["takeProfit"], held["stopLoss"], held["tpslMode"]) == ("900000", "1000", "Full")
    await bybit.order(**MARKET, side="Sell", reduceOnly=True)
    assert await bybit.rows("/v5/order/realtime", **PERP) == []
    assert (await position(bybit))["stopLoss"] == ""


async def test_a_trailing_stop_follows_the_price(bybit: RawBybit) -> None:
    opened = await bybit.order(**MARKET, side="Buy")
    await bybit.done(STOP, **PERP, trailingStop="2000", positionIdx=0)
    assert (await position(bybit))["trailingStop"] == "2000"
    await command(bybit, "market", asset="BTC", factor=1.1)
    assert (await position(bybit))["size"] == "0.01"
    await command(bybit, "market", asset="BTC", factor=0.95)
    assert (await position(bybit))["size"] == "0"
    closed = (await bybit.rows(CLOSED, **PERP))[0]
    assert float(closed["avgExitPrice"]) > float(opened["avgPrice"])


# Time passes


async def test_funding_is_paid_and_told_with_opposite_signs(bybit: RawBybit) -> None:
    await bybit.order(**MARKET, side="Buy")
    await command(bybit, "market", advance_s=9 * 3_600)
    (paid,) = await bybit.rows(EXECUTIONS, **PERP, execType="Funding")
    (line,) = await bybit.rows(LOG, accountType="UNIFIED", type="SETTLEMENT")
    assert (paid["orderType"], paid["execQty"], paid["orderQty"]) == ("UNKNOWN", "0.01", "0")
    assert float(paid["execFee"]) == -float(line["funding"]) != 0
    assert float(paid["execFee"]) == pytest.approx(float(paid["execValue"]) * float(paid["feeRate"]), abs=1e-8)
    assert len(await bybit.rows(EXECUTIONS, **PERP)) == 2  # mixed in, unless a type is asked for


async def test_a_dated_contract_is_delivered(bybit: RawBybit) -> None:
    listed = await bybit.rows("/v5/market/instruments-info", category="linear", baseCoin="BTC")
    future = min((row for row in listed if row["deliveryTime"] != "0"), key=lambda row: int(row["deliveryTime"]))
    order = {"category": "linear", "symbol": future["symbol"], "orderType": "Market", "qty": "0.01"}
    await bybit.order(**order, side="Buy")
    resting = await bybit.order(**(order | LIMIT | {"symbol": future["symbol"]}))
    await command(bybit, "market", time_ms=int(future["deliveryTime"]) + 60_000)
    (delivered,) = [e for e in (await told(bybit))["trades"] if e["execType"] == "Delivery"]
    assert (delivered["symbol"], delivered["closedSize"]) == (future["symbol"], "0.01")
    assert [o["orderStatus"] for o in (await told(bybit))["orders"] if o["orderId"] == resting["orderId"]] == [
        "Cancelled"
    ]


async def told(bybit: RawBybit) -> Json:
    async with bybit.http.get(bybit.control + "/orders?environment=bybit_testnet") as answer:
        found: Json = (await answer.json())["bybit_testnet"]
        return found


# Batches


async def test_the_envelope_of_a_batch_says_success_whatever_becomes_of_its_orders(bybit: RawBybit) -> None:
    orders = [
        LIMIT | {"orderLinkId": "b1"},
        LIMIT | {"orderLinkId": "b2", "qty": "0.0001"},
        LIMIT | {"orderLinkId": "b1"},
        LIMIT | {"orderLinkId": "b4", "side": "up"},
    ]
    answer = await bybit.post(CREATE_BATCH, category="linear", request=orders)
    assert answer["retCode"] == 0
    assert [code["code"] for code in answer["retExtInfo"]["list"]] == [0, 10001, 110072, 10001]
    rows = answer["result"]["list"]
    assert [row["orderLinkId"] for row in rows] == ["b1", "b2", "b1", "b4"]
    assert [bool(row["orderId"]) for row in rows] == [True, False, False, False]
    assert [row["createAt"] != "" for row in rows] == [True, False, False, False]
    assert answer["retExtInfo"]["list"][0]["msg"] == "OK"
    bybit.settle()
    assert [row["orderLinkId"] for row in await bybit.rows("/v5/order/realtime", **PERP)] == ["b1"]


async def test_batches_amend_and_cancel_one_by_one(bybit: RawBybit) -> None:
    both = [LIMIT | {"orderLinkId": name} for name in ("c1", "c2")]
    await bybit.done(CREATE_BATCH, category="linear", request=both)
    bybit.settle()
    changes = [{"symbol": "BTCUSDT", "orderLinkId": name, "price": "49000"} for name in ("c1", "c9")]
    answer = await bybit.post(AMEND_BATCH, category="linear", request=changes)
    assert [code["code"] for code in answer["retExtInfo"]["list"]] == [0, 110001]
    bybit.settle()
    rows = await bybit.rows("/v5/order/realtime", **PERP)
    assert {row["orderLinkId"]: row["price"] for row in rows} == {"c1": "49000", "c2": "50000"}
    names = [{"symbol": "BTCUSDT", "orderLinkId": name} for name in ("c9", "c2", "c1")]
    answer = await bybit.post(CANCEL_BATCH, category="linear", request=names)
    assert [code["code"] for code in answer["retExtInfo"]["list"]] == [110001, 0, 0]
    assert set(answer["result"]["list"][0]) == {"category", "symbol", "orderId", "orderLinkId"}
    spot = await bybit.post(CANCEL_BATCH, category="spot", request=[{"symbol": "BTCUSDT", "orderId": "1"}])
    assert (spot["retCode"], spot["retExtInfo"]["list"][0]["code"]) == (0, 170213)


@pytest.mark.parametrize(("category", "most"), [("linear", 20), ("inverse", 20), ("spot", 10)])
async def test_a_batch_has_a_length(bybit: RawBybit, category: str, most: int) -> None:
    orders = [LIMIT] * (most + 1)
    assert await bybit.refused(CREATE_BATCH, category=category, request=orders) == 10001
    bybit.rest()
    assert await bybit.refused(CREATE_BATCH, category=category, request=[]) == 10001
    assert await bybit.refused(CREATE_BATCH, category=category, request=["x"]) == 10001


async def test_of_a_batch_that_overruns_the_limit_the_first_orders_succeed(bybit: RawBybit) -> None:
    orders = [LIMIT | {"orderLinkId": f"d{n}"} for n in range(12)]
    answer = await bybit.post(CREATE_BATCH, category="linear", request=orders)
    assert [code["code"] for code in answer["retExtInfo"]["list"]] == [0] * 10 + [10006] * 2
    assert bybit.headers["X-Bapi-Limit-Status"] == "0"
    assert await bybit.refused(CREATE_BATCH, category="linear", request=orders[:1]) == 10006


# Account


async def test_margin_is_tied_up_and_given_back(bybit: RawBybit) -> None:
    async def available() -> float:
        (row,) = await bybit.rows("/v5/account/wallet-balance", accountType="UNIFIED")
        assert {coin["coin"] for coin in row["coin"]} == {"USDT", "USDC", "BTC", "ETH"}
        return float(row["totalAvailableBalance"])

    before = await available()
    order = await bybit.order(**(PERP | LIMIT | {"qty": "1"}))
    assert before - await available() == pytest.approx(50_000 / 10 + 50_000 * 0.00055, rel=1e-6)
    await bybit.done("/v5/order/cancel", **PERP, orderId=order["orderId"])
    bybit.settle()
    assert await available() == pytest.approx(before)
    assert (await bybit.get("/v5/account/wallet-balance", accountType="CONTRACT"))["retCode"] == 10001


async def test_the_account_tells_its_settings_and_fees(bybit: RawBybit) -> None:
    info = await bybit.result("/v5/account/info")
    assert (info["unifiedMarginStatus"], info["marginMode"]) == (5, "REGULAR_MARGIN")
    assert await bybit.rows("/v5/account/fee-rate", **PERP) == [
        {"symbol": "BTCUSDT", "takerFeeRate": "0.00055", "makerFeeRate": "0.0002"}
    ]
    bybit.rest()
    (option,) = await bybit.rows("/v5/account/fee-rate", category="option", baseCoin="ETH")
    assert (option["baseCoin"], "symbol" in option) == ("ETH", False)
    key = await bybit.result("/v5/user/query-api")
    assert (key["apiKey"], key["secret"], key["uta"], key["readOnly"]) == (bybit.key, "", 1, 0)


async def test_disconnect_protection_is_remembered(bybit: RawBybit) -> None:
    path = "/v5/order/disconnected-cancel-all"
    await bybit.done(path, timeWindow=40, product="DERIVATIVES")
    told = await bybit.result("/v5/account/query-dcp-info")
    assert told["dcpInfos"] == [{"product": "DERIVATIVES", "dcpStatus": "ON", "timeWindow": "40"}]
    assert await bybit.refused(path, timeWindow=2) == 10001
