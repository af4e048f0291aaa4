"""Orders on the simulated Bybit: an acknowledgement is not a fill, and what was accepted may still end badly."""

from typing import Any

import pytest

from tests.contract.raw_bybit import Json, RawBybit

CREATE, AMEND, CANCEL, CANCEL_ALL = (f"/v5/order/{what}" for what in ("create", "amend", "cancel", "cancel-all"))
REALTIME, HISTORY, EXECUTIONS = "/v5/order/realtime", "/v5/order/history", "/v5/execution/list"
PERP: Json = {"category": "linear", "symbol": "BTCUSDT"}
BUY: Json = PERP | {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
SPOT: Json = {"category": "spot", "symbol": "BTCUSDT"}


async def touch(bybit: RawBybit, category: str = "linear", symbol: str = "BTCUSDT") -> tuple[str, str]:
    """Return the best bid and ask."""
    book = (await bybit.public("/v5/market/orderbook", category=category, symbol=symbol, limit="1"))["result"]
    return book["b"][0][0], book["a"][0][0]


async def move(bybit: RawBybit, factor: float) -> None:
    """Move Bitcoin's price."""
    body = {"asset": "BTC", "factor": factor}
    async with bybit.http.post(bybit.control + "/market", json=body) as answer:
        assert answer.status == 200
    bybit.settle(250)  # quotes change four times a second


# Acceptance is not a fill


async def test_an_order_is_accepted_before_it_can_be_found(bybit: RawBybit) -> None:
    placed = await bybit.done(CREATE, **BUY, orderLinkId="mine-1")
    assert placed == {"orderId": placed["orderId"], "orderLinkId": "mine-1"}
    assert await bybit.rows(REALTIME, **PERP) == []
    assert await bybit.rows(REALTIME, **PERP, orderLinkId="mine-1") == []
    bybit.settle()
    (row,) = await bybit.rows(REALTIME, **PERP, orderLinkId="mine-1")
    assert (row["orderStatus"], row["orderId"], row["leavesQty"]) == ("New", placed["orderId"], "0.01")
    assert (row["avgPrice"], row["rejectReason"], row["cumFeeDetail"]) == ("", "EC_NoError", {})


async def test_a_market_order_fills_and_shows_its_protection_price(bybit: RawBybit) -> None:
    _, ask = await touch(bybit)
    row = await bybit.order(**PERP, side="Buy", orderType="Market", qty="0.01")
    assert (row["orderStatus"], row["timeInForce"], row["cumExecQty"]) == ("Filled", "IOC", "0.01")
    assert row["avgPrice"] == ask
    assert float(row["price"]) > float(ask)
    (fill,) = await bybit.rows(EXECUTIONS, **PERP, orderId=row["orderId"])
    assert (fill["execPrice"], fill["execQty"], fill["isMaker"], fill["execType"]) == (ask, "0.01", False, "Trade")
    assert float(fill["execFee"]) == pytest.approx(0.01 * float(ask) * 0.00055)
    assert row["cumFeeDetail"] == {"USDT": fill["execFee"]}


async def test_post_only_that_would_take_is_accepted_and_then_cancelled(bybit: RawBybit) -> None:
    _, ask = await touch(bybit)
    row = await bybit.order(**(BUY | {"price": ask}), timeInForce="PostOnly")
    assert (row["orderStatus"], row["rejectReason"]) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")
    assert row["cumExecQty"] == "0"
    bid, _ = await touch(bybit)
    assert (await bybit.order(**(BUY | {"price": bid}), timeInForce="PostOnly"))["orderStatus"] == "New"


async def test_immediate_orders_end_by_what_they_found(bybit: RawBybit) -> None:
    nothing = await bybit.order(**BUY, timeInForce="IOC")
    assert (nothing["orderStatus"], nothing["rejectReason"]) == ("Cancelled", "EC_NoImmediateQtyToFill")
    _, ask = await touch(bybit)
    part = await bybit.order(**(BUY | {"price": ask, "qty": "15"}), timeInForce="IOC")
    assert (part["orderStatus"], part["rejectReason"]) == ("Cancelled", "EC_CancelForNoFullFill")
    assert 0 < float(part["cumExecQty"]) < 15  # cancelled, and holds fills
    bybit.clock.advance(seconds=1)
    _, ask = await touch(bybit)
    whole_or_nothing = await bybit.order(**(BUY | {"price": ask, "qty": "15"}), timeInForce="FOK")
    assert (whole_or_nothing["orderStatus"], whole_or_nothing["cumExecQty"]) == ("Cancelled", "0")


async def test_a_resting_order_is_filled_as_maker_when_the_market_comes(bybit: RawBybit) -> None:
    bid, _ = await touch(bybit)
    row = await bybit.order(**(BUY | {"price": bid}))
    assert row["orderStatus"] == "New"
    await move(bybit, 0.99)
    row = await bybit.find("linear", row["orderId"])
    assert (row["orderStatus"], row["avgPrice"]) == ("Filled", bid)
    (fill,) = await bybit.rows(EXECUTIONS, **PERP, orderId=row["orderId"])
    assert (fill["isMaker"], fill["feeRate"]) == (True, "0.0002")


async def test_a_cancel_that_comes_after_the_fill_changes_nothing(bybit: RawBybit) -> None:
    row = await bybit.order(**BUY)
    _, ask = await touch(bybit)
    await bybit.done(AMEND, **PERP, orderId=row["orderId"], price=ask)
    await bybit.done(CANCEL, **PERP, orderId=row["orderId"])  # accepted: the amendment has not traded yet
    bybit.settle()
    assert (await bybit.find("linear", row["orderId"]))["orderStatus"] == "Filled"
    assert await bybit.refused(CANCEL, **PERP, orderId=row["orderId"]) == 110001


# Identity


async def test_a_link_id_is_good_once_for_ever(bybit: RawBybit) -> None:
    row = await bybit.order(**BUY, orderLinkId="once")
    assert await bybit.refused(CREATE, **BUY, orderLinkId="once") == 110072
    await bybit.done(CANCEL, **PERP, orderLinkId="once")
    bybit.settle()
    assert (await bybit.find("linear", row["orderId"]))["orderStatus"] == "Cancelled"
    assert await bybit.refused(CREATE, **BUY, orderLinkId="once") == 110072
    spot = SPOT | {"side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "50000", "orderLinkId": "once"}
    await bybit.order(**spot)
    assert await bybit.refused(CREATE, **spot) == 170141


async def test_ids_are_made_by_the_venue_in_two_ways(bybit: RawBybit) -> None:
    derivative = await bybit.done(CREATE, **BUY)
    assert derivative["orderLinkId"] == ""
    assert [len(part) for part in derivative["orderId"].split("-")] == [8, 4, 4, 4, 12]
    spot = await bybit.done(CREATE, **SPOT, side="Buy", orderType="Limit", qty="0.001", price="50000")
    assert len(spot["orderId"]) == 19
    assert int(spot["orderLinkId"]) == int(spot["orderId"]) + 1


@pytest.mark.parametrize("link_id", ["a" * 37, "a" * 46, "with blank", "é"])
async def test_a_link_id_has_a_form(bybit: RawBybit, link_id: str) -> None:
    assert await bybit.refused(CREATE, **BUY, orderLinkId=link_id) == 10001


async def test_an_option_needs_a_link_id(bybit: RawBybit) -> None:
    tickers = await bybit.rows("/v5/market/tickers", category="option", baseCoin="BTC")
    option = next(row for row in tickers if row["symbol"].endswith("USDT") and 0.3 < float(row["delta"]) < 0.7)
    order = {"category": "option", "symbol": option["symbol"], "side": "Buy", "orderType": "Market", "qty": "0.1"}
    assert await bybit.refused(CREATE, **order) == 10001
    row = await bybit.order(**order, orderLinkId="an-option")
    assert (row["orderStatus"], row["avgPrice"]) == ("Filled", option["ask1Price"])
    (held,) = await bybit.rows("/v5/position/list", category="option", symbol=option["symbol"])
    assert (held["side"], held["size"]) == ("Buy", "0.1")
    assert float(held["delta"]) == pytest.approx(0.1 * float(option["delta"]), rel=0.2)


# Refusals


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"side": "buy"}, 10001),
        ({"orderType": "limit"}, 10001),
        ({"timeInForce": "GTD"}, 10001),
        ({"qty": "0.0001"}, 10001),
        ({"qty": "0.0015"}, 10001),
        ({"qty": "2000"}, 10001),
        ({"qty": "0"}, 10001),
        ({"qty": "-1"}, 10001),
        ({"qty": "1e-2"}, 10001),
        ({"qty": 0.01}, 10001),
        ({"qty": "NaN"}, 10001),
        ({"price": "50000.05"}, 10001),
        ({"price": ""}, 10001),
        ({"price": "900000"}, 110003),
        ({"qty": "0.001", "price": "1000"}, 110094),
        ({"qty": "200"}, 110007),
        ({"positionIdx": 1}, 10001),
        ({"reduceOnly": True}, 110017),
        ({"symbol": "NOPE"}, 10001),
        ({"category": "futures"}, 10001),
        ({"triggerPrice": "40000"}, 10001),
        ({"triggerPrice": "40000", "triggerDirection": 1}, 110092),
        ({"triggerPrice": "400000", "triggerDirection": 2}, 110093),
        ({"takeProfit": "40000"}, 10001),
        ({"stopLoss": "60000"}, 10001),
    ],
)
async def test_what_breaks_a_rule_is_refused_at_once(bybit: RawBybit, change: Json, code: int) -> None:
    assert await bybit.refused(CREATE, **(BUY | change)) == code
    assert bybit.status == 200
    bybit.settle()
    assert await bybit.rows(REALTIME, **PERP) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NOPE"}, 170121),
        ({"price": "50000.001"}, 170134),
        ({"qty": "0.0010001"}, 170137),
        ({"qty": "0.00001"}, 170140),
        ({"qty": "30"}, 170131),
        ({"price": "900000"}, 170193),
        ({"side": "Sell", "price": "500"}, 170194),
        ({"side": "Sell", "price": "200000", "qty": "50"}, 170131),
    ],
)
async def test_spot_has_codes_of_its_own(bybit: RawBybit, change: Json, code: int) -> None:
    order = SPOT | {"side": "Buy", "orderType": "Limit", "qty": "0.001", "price": "50000"}
    assert await bybit.refused(CREATE, **(order | change)) == code


async def test_what_is_not_there_cannot_be_changed(bybit: RawBybit) -> None:
    assert await bybit.refused(CANCEL, **PERP, orderId="nothing") == 110001
    assert await bybit.refused(AMEND, **PERP, orderLinkId="nothing", qty="1") == 110001
    assert await bybit.refused(CANCEL, **SPOT, orderId="123") == 170213
    assert await bybit.refused(CANCEL, **PERP) == 10001
    row = await bybit.order(**BUY)
    assert await bybit.refused(CANCEL, category="linear", symbol="ETHUSDT", orderId=row["orderId"]) == 110001
    assert await bybit.refused(AMEND, **PERP, orderId=row["orderId"]) == 10001


# Amend and cancel


async def test_an_amendment_is_accepted_and_then_done(bybit: RawBybit) -> None:
    row = await bybit.order(**BUY, orderLinkId="a")
    await bybit.done(AMEND, **PERP, orderLinkId="a", price="51000", qty="0.02")
    assert (await bybit.find("linear", row["orderId"]))["price"] == "50000"
    bybit.settle()
    row = await bybit.find("linear", row["orderId"])
    assert (row["price"], row["qty"], row["orderStatus"]) == ("51000", "0.02", "New")
    assert await bybit.refused(AMEND, **PERP, orderLinkId="a", price="51000.01") == 10001
    assert await bybit.refused(AMEND, **PERP, orderLinkId="a", qty="200") == 110007


async def test_an_amendment_may_trade(bybit: RawBybit) -> None:
    row = await bybit.order(**BUY)
    _, ask = await touch(bybit)
    await bybit.done(AMEND, **PERP, orderId=row["orderId"], price=ask)
    bybit.settle()
    assert (await bybit.find("linear", row["orderId"]))["orderStatus"] == "Filled"


async def test_cancel_all_says_whom_it_met(bybit: RawBybit) -> None:
    mine = [(await bybit.order(**BUY))["orderId"] for _ in range(3)]
    other = await bybit.order(**(BUY | {"symbol": "ETHUSDT", "qty": "1", "price": "1000"}))
    assert await bybit.refused(CANCEL_ALL, category="linear") == 10001
    told = await bybit.done(CANCEL_ALL, **PERP)
    assert told["success"] == "1"
    assert [row["orderId"] for row in told["list"]] == mine
    bybit.settle()
    assert [row["orderId"] for row in await bybit.rows(REALTIME, category="linear", settleCoin="USDT")] == [
        other["orderId"]
    ]
    assert (await bybit.done(CANCEL_ALL, **PERP))["list"] == []


# Spot


async def test_a_spot_market_buy_spends_quote_coin_and_never_ends_filled(bybit: RawBybit) -> None:
    row = await bybit.order(**SPOT, side="Buy", orderType="Market", qty="500")
    assert (row["orderStatus"], row["marketUnit"]) == ("PartiallyFilledCanceled", "quoteCoin")
    assert row["rejectReason"] == "EC_CancelForNoFullFill"
    assert float(row["cumExecValue"]) + float(row["leavesValue"]) == pytest.approx(500)
    assert (row["qty"], row["price"], row["leavesQty"]) == ("500", "0", "0")
    (fill,) = await bybit.rows(EXECUTIONS, **SPOT)
    assert (fill["feeCurrency"], fill["orderQty"], fill["closedSize"]) == ("BTC", "0", "")
    assert float(fill["execFee"]) == pytest.approx(float(fill["execQty"]) * 0.001)


async def test_a_spot_market_order_in_base_coin_fills_whole(bybit: RawBybit) -> None:
    bought = await bybit.order(**SPOT, side="Buy", orderType="Market", qty="0.01", marketUnit="baseCoin")
    assert (bought["orderStatus"], bought["cumExecQty"]) == ("Filled", "0.01")
    sold = await bybit.order(**SPOT, side="Sell", orderType="Market", qty="0.01")
    assert (sold["orderStatus"], sold["marketUnit"]) == ("Filled", "baseCoin")
    fill = (await bybit.rows(EXECUTIONS, **SPOT))[0]
    assert (fill["side"], fill["feeCurrency"]) == ("Sell", "USDT")


async def test_a_spot_market_sale_may_name_its_proceeds(bybit: RawBybit) -> None:
    row = await bybit.order(**SPOT, side="Sell", orderType="Market", qty="1000", marketUnit="quoteCoin")
    assert (row["orderStatus"], row["marketUnit"]) == ("PartiallyFilledCanceled", "quoteCoin")
    assert 999 < float(row["cumExecValue"]) <= 1_000


async def test_a_spot_order_locks_what_it_needs(bybit: RawBybit) -> None:
    await bybit.order(**SPOT, side="Sell", orderType="Limit", qty="1.5", price="200000")
    balance = (await bybit.rows("/v5/account/wallet-balance", accountType="UNIFIED", coin="BTC"))[0]["coin"][0]
    assert (balance["locked"], balance["walletBalance"]) == ("1.5", "2")
    again = SPOT | {"side": "Sell", "orderType": "Limit", "qty": "0.6", "price": "200000"}
    assert await bybit.refused(CREATE, **again) == 170131


async def test_a_conditional_spot_order_is_cancelled_by_its_filter(bybit: RawBybit) -> None:
    row = await bybit.order(
        **SPOT,
        side="Buy",
        orderType="Limit",
        qty="0.001",
        price="50000",
        triggerPrice="49000",
        orderFilter="StopOrder",
    )
    assert row["orderStatus"] == "Untriggered"
    assert await bybit.refused(CANCEL, **SPOT, orderId=row["orderId"]) == 170213
    assert (await bybit.done(CANCEL_ALL, **SPOT))["list"] == []
    await bybit.done(CANCEL, **SPOT, orderId=row["orderId"], orderFilter="StopOrder")
    bybit.settle()
    assert (await bybit.find("spot", row["orderId"]))["orderStatus"] == "Deactivated"


# Conditions


async def test_a_conditional_order_waits_for_its_price(bybit: RawBybit) -> None:
    bid, _ = await touch(bybit)
    trigger = str(round(float(bid) * 1.02, 1))
    row = await bybit.order(
        **PERP, side="Buy", orderType="Market", qty="0.01", triggerPrice=trigger, triggerDirection=1
    )
    assert (row["orderStatus"], row["triggerDirection"], row["stopOrderType"]) == ("Untriggered", 1, "Stop")
    await move(bybit, 1.01)
    assert (await bybit.find("linear", row["orderId"]))["orderStatus"] == "Untriggered"
    await move(bybit, 1.02)
    assert (await bybit.find("linear", row["orderId"]))["orderStatus"] == "Filled"


# Reading


async def test_orders_come_newest_first_in_pages(bybit: RawBybit) -> None:
    mine = [(await bybit.order(**BUY))["orderId"] for _ in range(5)]
    first = await bybit.result(REALTIME, **PERP, limit="2")
    assert [row["orderId"] for row in first["list"]] == mine[:2:-1]
    cursor = first["nextPageCursor"]
    second = await bybit.result(REALTIME, **PERP, limit="2", cursor=cursor)  # encoded once more by this client
    third = await bybit.result(REALTIME, **PERP, limit="2", cursor=second["nextPageCursor"])
    assert [row["orderId"] for row in second["list"] + third["list"]] == mine[2::-1]
    assert third["nextPageCursor"] == ""
    assert (await bybit.get(REALTIME, **PERP, cursor="nonsense"))["retCode"] == 10001


async def test_closed_orders_are_asked_for_apart(bybit: RawBybit) -> None:
    still = await bybit.order(**BUY)
    gone = await bybit.order(**BUY, orderLinkId="gone")
    await bybit.done(CANCEL, **PERP, orderId=gone["orderId"])
    bybit.settle()
    assert [row["orderId"] for row in await bybit.rows(REALTIME, **PERP)] == [still["orderId"]]
    assert [row["orderId"] for row in await bybit.rows(REALTIME, **PERP, openOnly="1")] == [gone["orderId"]]
    assert [row["orderId"] for row in await bybit.rows(REALTIME, **PERP, orderLinkId="gone")] == [gone["orderId"]]
    (row,) = await bybit.rows(HISTORY, **PERP)
    assert (row["orderId"], row["orderStatus"], row["cancelType"]) == (gone["orderId"], "Cancelled", "CancelByUser")
    bybit.clock.advance(days=2)
    assert await bybit.rows(HISTORY, **PERP) == []  # nothing was filled: a day and it is forgotten
    assert (await bybit.get(REALTIME, category="linear"))["retCode"] == 10001


async def test_a_window_may_be_a_week_long(bybit: RawBybit) -> None:
    end = bybit.clock.now_ms()
    wide = {"startTime": str(end - 8 * 86_400_000), "endTime": str(end)}
    for path in (HISTORY, EXECUTIONS, "/v5/position/closed-pnl"):
        assert (await bybit.get(path, **PERP, **wide))["retCode"] == 10001


async def test_a_check_places_nothing(bybit: RawBybit) -> None:
    told = await bybit.done("/v5/order/pre-check", **(BUY | {"qty": "5"}))
    assert told["postImrE4"] > told["preImrE4"] == 0
    assert await bybit.refused("/v5/order/pre-check", **(BUY | {"qty": "200"})) == 110007
    bybit.settle()
    assert await bybit.rows(REALTIME, **PERP) == []


async def test_the_control_path_knows_the_orders(bybit: RawBybit) -> None:
    row = await bybit.order(**BUY, orderLinkId="seen")
    async with bybit.http.get(bybit.control + "/orders?environment=bybit_testnet") as answer:
        told: Any = (await answer.json())["bybit_testnet"]
    assert [order["orderLinkId"] for order in told["orders"]] == ["seen"]
    assert told["orders"][0] == {"category": "linear"} | row
    async with bybit.http.get(bybit.control + f"/received?environment=bybit_testnet&method={CREATE}") as answer:
        received = (await answer.json())["bybit_testnet"]
    assert received["count"] == 1
    assert received["requests"][0]["params"] == BUY | {"orderLinkId": "seen"}
    async with bybit.http.post(bybit.control + "/reset") as answer:
        assert answer.status == 200
    assert await bybit.rows(REALTIME, **PERP) == []
    await bybit.done(CREATE, **BUY, orderLinkId="seen")
