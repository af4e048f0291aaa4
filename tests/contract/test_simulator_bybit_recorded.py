"""The simulated Bybit beside what the real one answered: every recorded key is there with its type.

The recordings span years in which the venue added fields, so the simulator may tell more than one of them, but only
what another answer of the same kind, in the documents or recorded later, tells too. Keys the simulator leaves out are
listed here with the reason, nowhere else.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.contract.raw_bybit import Json, RawBybit

pytestmark = pytest.mark.recorded

PERP: Json = {"category": "linear", "symbol": "BTCUSDT"}
# Fields that came after the recordings, or that the documents list without an example.
NEWER = {
    "/v5/market/tickers": {"singleOpenInterest", "singleOpenInterestValue"},
    "/v5/market/instruments-info": {"forbidUplWithdrawal", "skipCallAuction", "symbolId", "displayName"},
    "/v5/market/recent-trade": {"mP", "iP", "mIv", "iv"},
    "/v5/order/realtime": {"parentOrderLinkId", "basePrice", "extraFees"},
    "/v5/execution/list": {"execFeeV2", "extraFees"},
    "/v5/position/list": {"openTime", "mmrSysUpdatedTime"},
    "/v5/position/closed-pnl": {"openFee", "closeFee"},
    "/v5/account/wallet-balance": {"colRes"},
}
# What the venue tells only sometimes, or no longer.
LEFT_OUT = {
    "/v5/position/list": {"mmrSysUpdateTime"},  # a misspelling of the documents' example
    "/v5/order/realtime": {"rpiTakerAccess", "rpiMatchedQty"},  # of retail price improvement, which is not simulated
    "/v5/user/query-api": {"permissions", "ips"},  # told, but the lists are this key's own
}


def load(recorded: Path, name: str) -> Any:
    return orjson.loads((recorded / "bybit" / name).read_bytes())


def documented(recorded: Path, page: str) -> list[Json]:
    found: list[Json] = load(recorded, "docs_rest_examples.json")[page]["examples"]
    return found


def seen(recorded: Path, endpoint: str) -> list[Json]:
    """Return the answers recorded off the venue."""
    return [row["response"] for row in load(recorded, "rest_ccxt_recorded.json") if row["endpoint"].endswith(endpoint)]


def kind(value: object) -> str:
    return "text" if isinstance(value, str) else type(value).__name__


def differences(ours: Any, theirs: Any, more: set[str], where: str = "") -> list[str]:
    """Return what a recorded answer has that ours has not, or has otherwise, and what ours has beyond `more`."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = [f"{where}.{key} is only theirs" for key in sorted(theirs.keys() - ours.keys())]
        found += [f"{where}.{key} is only ours" for key in sorted(ours.keys() - theirs.keys() - more)]
        for key in sorted(ours.keys() & theirs.keys() - {"cumFeeDetail"}):  # which has coins for keys
            found += differences(ours[key], theirs[key], more, f"{where}.{key}")
        return found
    if isinstance(ours, list) and isinstance(theirs, list):
        return differences(ours[0], theirs[0], more, where + "[]") if ours and theirs else []
    if None in (ours, theirs) or kind(ours) == kind(theirs):
        return []
    return [f"{where}: {kind(ours)} here, {kind(theirs)} there"]


def names(answers: list[Json]) -> set[str]:
    """Return the names of all members of some answers, at any depth."""
    found: set[str] = set()
    waiting: list[Any] = list(answers)
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found |= item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return found


def same(ours: Json, theirs: list[Json], path: str) -> None:
    """Compare one answer of ours with several of one kind; envelopes included."""
    assert theirs, path
    more = names(theirs) | NEWER.get(path, set())
    left = LEFT_OUT.get(path, set())
    for answer in theirs:
        found = differences(ours, answer, more)
        assert [line for line in found if not any(f".{name} " in line for name in left)] == [], path


async def public(bybit: RawBybit, path: str, **params: Any) -> Json:
    return await bybit.public(path, **params)


async def test_tickers(recorded: Path, bybit: RawBybit) -> None:
    path = "/v5/market/tickers"
    linear = [a for a in seen(recorded, path) if a["result"]["category"] == "linear"]
    option = [a for a in seen(recorded, path) if a["result"]["category"] == "option"]
    inverse_doc, option_doc, spot_doc = documented(recorded, "market/tickers")
    same(await bybit.public(path, **PERP), [*linear, inverse_doc], path)
    same(await bybit.public(path, category="inverse", symbol="BTCUSD"), [inverse_doc], path)
    same(await bybit.public(path, category="option", baseCoin="BTC"), [*option, option_doc], path)
    same(await bybit.public(path, category="spot", symbol="BTCUSDT"), [spot_doc], path)


async def test_instruments(recorded: Path, bybit: RawBybit) -> None:
    path = "/v5/market/instruments-info"
    rows = load(recorded, "rest_instruments_info_2025.json")
    by_category: dict[str, list[Json]] = {}
    for example in documented(recorded, "market/instrument"):
        by_category.setdefault(example["result"]["category"], []).append(example)
    for category, asked in (
        ("spot", {"symbol": "BTCUSDT"}),
        ("linear", {"symbol": "BTCUSDT"}),
        ("inverse", {"symbol": "BTCUSD"}),
        ("option", {"baseCoin": "BTC"}),
    ):
        ours = await bybit.public(path, category=category, **asked)
        theirs = by_category.get(category, by_category["linear"])
        theirs += [{"result": {"list": [row]}} for row in rows[category]]
        more = names(theirs) | NEWER[path]
        for answer in theirs:
            assert differences(ours, answer, more) == [], category
    early = await bybit.public(path, category="linear", status="PreLaunch")
    assert differences(early, by_category["linear"][1], NEWER[path]) == []


@pytest.mark.parametrize(
    ("path", "page", "asked"),
    [
        ("/v5/market/time", "market/time", {}),
        ("/v5/market/orderbook", "market/orderbook", PERP),
        ("/v5/market/kline", "market/kline", {"category": "inverse", "symbol": "BTCUSD", "interval": "60"}),
        ("/v5/market/mark-price-kline", "market/mark-kline", PERP | {"interval": "15"}),
        ("/v5/market/index-price-kline", "market/index-kline", PERP | {"interval": "1"}),
        ("/v5/market/premium-index-price-kline", "market/premium-index-kline", PERP | {"interval": "D"}),
        ("/v5/market/funding/history", "market/history-fund-rate", PERP),
        ("/v5/market/open-interest", "market/open-interest", PERP | {"intervalTime": "1h"}),
        ("/v5/market/account-ratio", "market/long-short-ratio", PERP | {"period": "1h"}),
        ("/v5/market/recent-trade", "market/recent-trade", {"category": "spot", "symbol": "BTCUSDT"}),
        ("/v5/market/delivery-price", "market/delivery-price", {"category": "linear"}),
        ("/v5/market/new-delivery-price", "market/new-delivery-price", {"category": "option", "baseCoin": "BTC"}),
        ("/v5/market/risk-limit", "market/risk-limit", PERP),
        ("/v5/market/price-limit", "market/order-price-limit", PERP),
    ],
)
async def test_the_public_market(recorded: Path, bybit: RawBybit, path: str, page: str, asked: Json) -> None:
    ours = await bybit.public(path, **asked)
    assert ours["result"].get("list", True)
    theirs = documented(recorded, page)
    if path == "/v5/market/kline":
        theirs += seen(recorded, path)
    if path == "/v5/market/risk-limit":  # a row of a tier, and pages, which the example does not show
        theirs = [{**theirs[0], "result": {**theirs[0]["result"], "nextPageCursor": ""}}]
    same(ours, theirs, path)


async def test_historical_volatility(recorded: Path, bybit: RawBybit) -> None:
    ours = await bybit.public("/v5/market/historical-volatility", category="option", period="30")
    (theirs,) = documented(recorded, "market/iv")
    assert differences(ours, theirs, {"retExtInfo", "time"}) == []


async def test_older_books_and_trades_have_less(recorded: Path, bybit: RawBybit) -> None:
    book = await bybit.public("/v5/market/orderbook", **PERP, limit="2")
    for answer in seen(recorded, "/v5/market/orderbook"):
        assert differences(book, answer, {"seq", "cts"}) == []
    trades = await bybit.public("/v5/market/recent-trade", **PERP, limit="1")
    for answer in seen(recorded, "/v5/market/recent-trade"):
        assert differences(trades, answer, {"isRPITrade", "seq"}) == []


async def test_orders(recorded: Path, bybit: RawBybit) -> None:
    path = "/v5/order/realtime"
    await bybit.order(**PERP, side="Buy", orderType="Limit", qty="0.01", price="50000")
    await bybit.order(**PERP, side="Buy", orderType="Market", qty="0.01")
    await bybit.order(category="spot", symbol="BTCUSDT", side="Buy", orderType="Market", qty="50")
    examples = documented(recorded, "order/open-order") + documented(recorded, "order/order-list")
    answers = seen(recorded, path) + seen(recorded, "/v5/order/history")
    linear = [a for a in [*answers, *examples] if a["result"]["category"] == "linear"]
    spot = [a for a in answers if a["result"]["category"] == "spot"]
    same(await bybit.get(path, **PERP), linear, path)
    same(await bybit.get("/v5/order/history", category="linear"), linear, path)
    told = await bybit.get("/v5/order/history", category="spot")
    assert told["result"]["list"]
    more = names(linear) | NEWER[path]
    for answer in spot:
        assert differences(told, answer, more) == []


async def test_a_filled_order_reads_as_the_recorded_one(recorded: Path, bybit: RawBybit) -> None:
    """A recorded market order, told by the simulator: the same texts wherever they do not depend on the market."""
    row = await bybit.order(**PERP, side="Buy", orderType="Market", qty="0.001")
    theirs = next(r for a in seen(recorded, "/v5/order/history") for r in a["result"]["list"] if r["side"] == "Buy")
    free = {"orderId", "avgPrice", "lastPriceOnCreated", "cumExecValue", "cumFeeDetail", "price", "createdTime"}
    free |= {"updatedTime", "cumExecFee"}
    assert {k: row[k] for k in theirs.keys() - free} == {k: theirs[k] for k in theirs.keys() - free}


@pytest.mark.parametrize("page", ["order/create-order", "order/amend-order", "order/cancel-order", "order/cancel-all"])
async def test_acknowledgements(recorded: Path, bybit: RawBybit, page: str) -> None:
    row = await bybit.order(**PERP, side="Buy", orderType="Limit", qty="0.01", price="50000", orderLinkId="linear-004")
    path = documented_path(recorded, page)
    asked = PERP | {"orderId": row["orderId"]}
    if page == "order/create-order":
        asked = PERP | {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
    elif page == "order/amend-order":
        asked |= {"price": "51000"}
    elif page == "order/cancel-all":
        asked = PERP
    same(await bybit.post(path, **asked), documented(recorded, page) + seen(recorded, path), path)


def documented_path(recorded: Path, page: str) -> str:
    found: str = load(recorded, "docs_rest_examples.json")[page]["endpoint"].split(" ")[1]
    return found


async def test_batches(recorded: Path, bybit: RawBybit) -> None:
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
    created = await bybit.post("/v5/order/create-batch", category="linear", request=[order, order])
    same(created, documented(recorded, "order/batch-place"), "create-batch")
    bybit.settle()
    ids = [{"symbol": "BTCUSDT", "orderId": row["orderId"]} for row in created["result"]["list"]]
    changes = [item | {"price": "51000"} for item in ids]
    amended = await bybit.post("/v5/order/amend-batch", category="linear", request=changes)
    same(amended, documented(recorded, "order/batch-amend"), "amend-batch")
    bybit.settle()
    spot = [{"symbol": "BTCUSDT", "orderId": "1"}]
    answer = await bybit.post("/v5/order/cancel-batch", category="spot", request=spot)
    (theirs,) = documented(recorded, "order/batch-cancel")
    same(answer, [theirs], "cancel-batch")
    assert (
        answer["retExtInfo"]["list"][0]
        == theirs["retExtInfo"]["list"][1]
        == {
            "code": 170213,
            "msg": "Order does not exist.",
        }
    )


async def test_executions_and_money(recorded: Path, bybit: RawBybit) -> None:
    await bybit.order(**PERP, side="Buy", orderType="Market", qty="0.01")
    same(await bybit.get("/v5/position/list", **PERP), positions(recorded), "/v5/position/list")
    await bybit.order(**PERP, side="Sell", orderType="Market", qty="0.01", reduceOnly=True)
    await bybit.order(category="spot", symbol="ETHUSDT", side="Buy", orderType="Market", qty="50")
    flat = await bybit.get("/v5/position/list", **PERP)
    same(flat, positions(recorded), "/v5/position/list")
    path = "/v5/execution/list"
    answers = seen(recorded, path) + documented(recorded, "order/execution")
    for category in ("linear", "spot"):
        ours = await bybit.get(path, category=category)
        same(ours, [a for a in answers if a["result"]["category"] == category], path)
    for path, page in (
        ("/v5/position/closed-pnl", "position/close-pnl"),
        ("/v5/account/transaction-log", "account/transaction-log"),
    ):
        asked = {"category": "linear"} | ({"accountType": "UNIFIED"} if "log" in path else {})
        same(await bybit.get(path, **asked), seen(recorded, path) + documented(recorded, page), path)
    path = "/v5/account/wallet-balance"
    theirs = seen(recorded, path) + documented(recorded, "account/wallet-balance")
    same(await bybit.get(path, accountType="UNIFIED"), theirs, path)


def positions(recorded: Path) -> list[Json]:
    return seen(recorded, "/v5/position/list") + documented(recorded, "position/position")


async def test_a_flat_position_is_empty_where_the_recorded_one_is(recorded: Path, bybit: RawBybit) -> None:
    (ours,) = await bybit.rows("/v5/position/list", **PERP)
    theirs = next(row for a in seen(recorded, "/v5/position/list") for row in a["result"]["list"] if row["size"] == "0")
    assert {k for k in theirs if theirs[k] == ""} <= {k for k, v in ours.items() if v == ""}


@pytest.mark.parametrize(
    ("path", "page", "asked"),
    [
        ("/v5/account/info", "account/account-info", {}),
        ("/v5/account/fee-rate", "account/fee-rate", PERP),
        ("/v5/user/query-api", "user/apikey-info", {}),
        ("/v5/asset/coin/query-info", "asset/coin-info", {}),
    ],
)
async def test_the_account(recorded: Path, bybit: RawBybit, path: str, page: str, asked: Json) -> None:
    ours = await bybit.get(path, **asked)
    theirs = documented(recorded, page)
    if path == "/v5/account/info":  # the example lacks the end of its envelope
        theirs = [{"retExtInfo": {}, "time": 1} | theirs[0]]
    more = names(theirs) | {"OptionsTrade", "userIDInt64"}
    found = differences(ours, theirs[0], more)
    known = ("userIDInt64", "inviterIDInt64", "affiliateIDInt64", ".permissions.")
    assert [line for line in found if not any(name in line for name in known)] == []


@pytest.mark.parametrize("page", ["position/leverage", "position/position-mode", "position/trading-stop"])
async def test_settings_answer_with_an_empty_result(recorded: Path, bybit: RawBybit, page: str) -> None:
    asked: Json = {"buyLeverage": "3", "sellLeverage": "3"}
    if page == "position/position-mode":
        asked = {"mode": 3}
    elif page == "position/trading-stop":
        await bybit.order(**PERP, side="Buy", orderType="Market", qty="0.01")
        asked = {"stopLoss": "1000", "positionIdx": 0}
    ours = await bybit.post(documented_path(recorded, page), **PERP, **asked)
    (theirs,) = documented(recorded, page)
    same(ours, [theirs], page)
    assert ours["result"] == theirs["result"] == {}


async def test_refusals_have_the_recorded_codes_and_texts(recorded: Path, bybit: RawBybit) -> None:
    """Every refusal that was seen in the wild and that a caller can provoke here."""
    create, cancel, amend = "/v5/order/create", "/v5/order/cancel", "/v5/order/amend"
    order = PERP | {"side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "50000"}
    spot = order | {"category": "spot", "qty": "0.001"}
    asked: list[tuple[str, Json]] = [
        (create, order | {"side": "up"}),
        (create, order | {"positionIdx": 1}),
        (create, order | {"qty": "0.0001"}),
        (cancel, PERP),
        (cancel, PERP | {"orderId": "x"}),
        (amend, PERP | {"orderId": "x", "qty": "1"}),
        (create, order | {"price": "900000"}),
        (create, order | {"reduceOnly": True}),
        (create, order | {"orderLinkId": "x" * 46}),
        (create, order | {"qty": "900"}),
        (create, order | {"symbol": "NOPE"}),
        (create, order | {"qty": "0.001", "price": "1000"}),
        (create, spot | {"qty": "30"}),
        (create, spot | {"qty": "0.00001"}),
        ("/v5/position/switch-mode", PERP | {"mode": 0}),
        ("/v5/position/switch-mode", PERP | {"mode": 7}),
        ("/v5/position/set-leverage", PERP | {"buyLeverage": "10", "sellLeverage": "10"}),
    ]
    theirs = {(row["body"].get("retCode"), row["body"].get("retMsg")) for row in load(recorded, "errors_observed.json")}
    for path, body in asked:
        answer = await bybit.post(path, **body)
        assert (answer["retCode"], answer["retMsg"]) in theirs, body
        assert (answer["result"], answer["retExtInfo"]) == ({}, {})
        bybit.rest()
