"""What the simulated Bybit tells the public: four categories that agree with one another and with the shared market."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest

from cerberod.simulator import SimulatorConfig, run_simulator
from tests.contract.raw_bybit import Json, RawBybit, connected
from tests.support.clock import ManualClock

DAY_MS = 86_400_000


async def rows(bybit: RawBybit, path: str, **params: Any) -> list[Any]:
    answer = await bybit.public(path, **params)
    assert answer["retCode"] == 0, answer
    found: list[Any] = answer["result"]["list"]
    return found


async def instruments(bybit: RawBybit, category: str, **params: Any) -> dict[str, Json]:
    found = await rows(bybit, "/v5/market/instruments-info", category=category, limit="1000", **params)
    return {row["symbol"]: row for row in found}


async def test_every_kind_of_contract_is_listed(bybit: RawBybit) -> None:
    linear = await instruments(bybit, "linear")
    dated = [row for row in linear.values() if row["contractType"] == "LinearFutures"]
    assert {(row["baseCoin"], row["settleCoin"]) for row in dated} >= {("BTC", "USDT"), ("BTC", "USDC")}
    now_ms = bybit.clock.now_ms()
    assert all(int(row["deliveryTime"]) > now_ms and int(row["deliveryTime"]) % DAY_MS == 28_800_000 for row in dated)
    assert linear["BTCUSDT"]["deliveryTime"] == "0"
    assert {row["fundingInterval"] for row in linear.values() if row["deliveryTime"] == "0"} == {60, 240, 480}
    inverse = await instruments(bybit, "inverse")
    assert {row["contractType"] for row in inverse.values()} == {"InversePerpetual", "InverseFutures"}
    assert {row["settleCoin"] for row in inverse.values()} == {"BTC", "ETH", "SOL", "XRP"}
    spot = await bybit.public("/v5/market/instruments-info", category="spot")
    assert "nextPageCursor" not in spot["result"]
    assert "qtyStep" not in spot["result"]["list"][0]["lotSizeFilter"]


async def test_a_contract_before_its_launch_must_be_asked_for(bybit: RawBybit) -> None:
    assert all(row["status"] == "Trading" for row in (await instruments(bybit, "linear")).values())
    (early,) = (await instruments(bybit, "linear", status="PreLaunch")).values()
    assert early["isPreListing"] is True
    assert early["preListingInfo"]["phases"][-1]["endTime"] == ""
    order = {"category": "linear", "symbol": early["symbol"], "side": "Buy", "orderType": "Market", "qty": "10"}
    assert await bybit.refused("/v5/order/create", **order) == 110074


async def test_options_are_of_one_coin_and_settle_in_two(bybit: RawBybit) -> None:
    assert {row["baseCoin"] for row in (await instruments(bybit, "option")).values()} == {"BTC"}
    ethereum = await instruments(bybit, "option", baseCoin="ETH")
    assert {row["settleCoin"] for row in ethereum.values()} == {"USDT", "USDC"}
    assert all(symbol.endswith("-USDT") is (row["settleCoin"] == "USDT") for symbol, row in ethereum.items())
    missing = await bybit.public("/v5/market/tickers", category="option")
    assert missing["retCode"] == 10001


async def test_a_symbol_is_unique_only_with_its_category(bybit: RawBybit) -> None:
    spot = (await rows(bybit, "/v5/market/tickers", category="spot", symbol="BTCUSDT"))[0]
    linear = (await rows(bybit, "/v5/market/tickers", category="linear", symbol="BTCUSDT"))[0]
    assert "fundingRate" not in spot
    assert "usdIndexPrice" not in linear
    assert float(linear["markPrice"]) == pytest.approx(float(spot["lastPrice"]), rel=0.01)


async def test_nothing_is_told_as_empty_text(bybit: RawBybit) -> None:
    perpetual = (await rows(bybit, "/v5/market/tickers", category="linear", symbol="BTCUSDT"))[0]
    assert [perpetual[name] for name in ("basis", "basisRate", "predictedDeliveryPrice")] == ["", "", ""]
    assert float(perpetual["fundingRate"]) == pytest.approx(0.0001, abs=0.005)
    dated = next(s for s, row in (await instruments(bybit, "inverse")).items() if row["deliveryTime"] != "0")
    future = (await rows(bybit, "/v5/market/tickers", category="inverse", symbol=dated))[0]
    assert (future["fundingRate"], future["nextFundingTime"]) == ("", "")
    assert float(future["basisRate"]) == pytest.approx(
        float(future["markPrice"]) / float(future["indexPrice"]) - 1.0, abs=1e-6
    )
    options = await rows(bybit, "/v5/market/tickers", category="option", baseCoin="BTC")
    assert any(row["bid1Price"] == "0" for row in options)
    assert all("" not in row.values() for row in options)


async def test_the_book_and_the_ticker_agree(bybit: RawBybit) -> None:
    option = (await rows(bybit, "/v5/market/tickers", category="option", baseCoin="SOL"))[20]["symbol"]
    for category, symbol in (("spot", "ETHUSDC"), ("linear", "SOLPERP"), ("inverse", "BTCUSD"), ("option", option)):
        ticker = (await rows(bybit, "/v5/market/tickers", category=category, symbol=symbol))[0]
        answer = await bybit.public("/v5/market/orderbook", category=category, symbol=symbol)
        book = answer["result"]
        if book["b"]:
            assert float(book["b"][0][0]) == float(ticker["bid1Price"])
            assert float(book["b"][0][0]) < float(book["a"][0][0])
        assert float(book["a"][0][0]) == float(ticker["ask1Price"])
        assert len(book["a"]) == (25 if category in ("linear", "inverse") else 1)
        deeper = (await bybit.public("/v5/market/orderbook", category=category, symbol=symbol, limit="8"))["result"]
        asks = [float(price) for price, _ in deeper["a"]]
        bids = [float(price) for price, _ in deeper["b"]]
        assert asks == sorted(asks)
        assert bids == sorted(bids, reverse=True)


@pytest.mark.parametrize(
    ("category", "symbol", "code"),
    [("linear", "NOPE", 10001), ("spot", "NOPE", 170121), ("spread", "BTCUSDT", 10001), ("linear", "BTCUSDC", 10001)],
)
async def test_an_unknown_name_is_refused(bybit: RawBybit, category: str, symbol: str, code: int) -> None:
    answer = await bybit.public("/v5/market/orderbook", category=category, symbol=symbol)
    assert (answer["retCode"], bybit.status) == (code, 200)


async def test_klines_are_newest_first_and_the_first_is_unfinished(bybit: RawBybit) -> None:
    bybit.clock.advance(seconds=20)
    told = await rows(bybit, "/v5/market/kline", category="linear", symbol="BTCUSDT", interval="1", limit="30")
    starts = [int(row[0]) for row in told]
    assert starts == list(range(starts[0], starts[0] - 30 * 60_000, -60_000))
    assert 0 <= bybit.clock.now_ms() - starts[0] < 60_000
    assert all(len(row) == 7 and all(isinstance(cell, str) for cell in row) for row in told)
    for (_, opened, high, low, close, volume, _), earlier in pairwise(told):
        assert float(low) <= min(float(opened), float(close)) <= max(float(opened), float(close)) <= float(high)
        assert opened == earlier[4]
        assert float(volume) > 0
    ticker = (await rows(bybit, "/v5/market/tickers", category="linear", symbol="BTCUSDT"))[0]
    assert float(told[0][4]) == float(ticker["lastPrice"])


async def test_long_bars_are_made_of_short_ones(bybit: RawBybit) -> None:
    day = (await rows(bybit, "/v5/market/kline", category="linear", symbol="ETHUSDT", interval="D", limit="2"))[1]
    start = int(day[0])
    hours = await rows(
        bybit,
        "/v5/market/kline",
        category="linear",
        symbol="ETHUSDT",
        interval="60",
        start=str(start),
        end=str(start + DAY_MS - 1),
    )
    assert len(hours) == 24
    assert day[1] == hours[-1][1]
    assert day[4] == hours[0][4]
    assert float(day[2]) == max(float(row[2]) for row in hours)
    assert float(day[5]) == pytest.approx(sum(float(row[5]) for row in hours))


async def test_an_inverse_contract_counts_its_volume_in_dollars(bybit: RawBybit) -> None:
    row = (await rows(bybit, "/v5/market/kline", category="inverse", symbol="BTCUSD", interval="60", limit="2"))[1]
    assert float(row[5]) / float(row[6]) == pytest.approx(float(row[4]), rel=0.02)


async def test_weeks_begin_on_monday_and_months_on_the_first(bybit: RawBybit) -> None:
    asked = {"category": "spot", "symbol": "XRPUSDT", "limit": "3"}
    weeks = await rows(bybit, "/v5/market/kline", **asked, interval="W")
    assert [_date(row[0]).weekday() for row in weeks] == [0, 0, 0]
    months = await rows(bybit, "/v5/market/kline", **asked, interval="M")
    assert [_date(row[0]).day for row in months] == [1, 1, 1]


def _date(text: str) -> datetime:
    return datetime.fromtimestamp(int(text) / 1_000, UTC)


async def test_a_start_alone_reads_forward_and_a_window_reads_its_newest(bybit: RawBybit) -> None:
    asked = {"category": "linear", "symbol": "BTCUSDT", "interval": "5", "limit": "3"}
    start = bybit.clock.now_ms() // 300_000 * 300_000 - 50 * 300_000
    forward = await rows(bybit, "/v5/market/kline", **asked, start=str(start))
    assert [int(row[0]) for row in forward] == [start + 600_000, start + 300_000, start]
    window = await rows(bybit, "/v5/market/kline", **asked, start=str(start), end=str(start + 3_000_000))
    assert int(window[0][0]) == start + 3_000_000
    assert (await bybit.public("/v5/market/kline", **asked, start="10", end="5"))["retCode"] == 10001


async def test_price_klines_have_five_columns(bybit: RawBybit) -> None:
    closes = {}
    for what in ("mark", "index", "premium-index"):
        path = f"/v5/market/{what}-price-kline"
        told = await rows(bybit, path, category="linear", symbol="BTCUSDT", interval="60", limit="2")
        assert [len(row) for row in told] == [5, 5]
        closes[what] = float(told[0][4])
    mark = (await rows(bybit, "/v5/market/tickers", category="linear", symbol="BTCUSDT"))[0]
    assert closes["mark"] == float(mark["markPrice"])
    assert closes["premium-index"] == pytest.approx(
        float(mark["markPrice"]) / float(mark["indexPrice"]) - 1.0, abs=1e-6
    )


async def test_funding_comes_every_interval_newest_first(bybit: RawBybit) -> None:
    path = "/v5/market/funding/history"
    for symbol, step in (("BTCUSDT", 8), ("SIM001USDT", 1), ("SIM002USDT", 4)):
        told = await rows(bybit, path, category="linear", symbol=symbol, limit="5")
        times = [int(row["fundingRateTimestamp"]) for row in told]
        assert times == list(range(times[0], times[0] - 5 * step * 3_600_000, -step * 3_600_000))
        assert times[0] <= bybit.clock.now_ms()
    assert (await bybit.public(path, category="linear", symbol="BTCUSDT", startTime="1700000000000"))[
        "retCode"
    ] == 10001
    end = bybit.clock.now_ms() - 40 * DAY_MS
    older = await rows(bybit, path, category="linear", symbol="BTCUSDT", endTime=str(end))
    assert len(older) == 200
    assert int(older[0]["fundingRateTimestamp"]) <= end


async def test_open_interest_and_the_ratio_of_accounts_page_backwards(bybit: RawBybit) -> None:
    for path, step in (("/v5/market/open-interest", "intervalTime"), ("/v5/market/account-ratio", "period")):
        asked = {"category": "linear", "symbol": "BTCUSDT", step: "1h", "limit": "3"}
        first = (await bybit.public(path, **asked))["result"]
        target = f"{path}?category=linear&symbol=BTCUSDT&{step}=1h&limit=3&cursor={first['nextPageCursor']}"
        second = orjson.loads(await bybit.send("GET", target))["result"]
        times = [int(row["timestamp"]) for row in first["list"] + second["list"]]
        assert times == list(range(times[0], times[0] - 6 * 3_600_000, -3_600_000))
    ratio = (await rows(bybit, "/v5/market/account-ratio", category="linear", symbol="BTCUSDT", period="1d"))[0]
    assert float(ratio["buyRatio"]) + float(ratio["sellRatio"]) == pytest.approx(1.0)
    both = (await rows(bybit, "/v5/market/open-interest", category="linear", symbol="BTCUSDT", intervalTime="1d"))[0]
    assert float(both["openInterest"]) == pytest.approx(2 * float(both["singleOpenInterest"]))


async def test_trades_of_the_public(bybit: RawBybit) -> None:
    for category, asked, most, more in (
        ("spot", {"symbol": "BTCUSDT", "limit": "500"}, 60, set[str]()),
        ("linear", {"symbol": "ETHPERP", "limit": "500"}, 500, set[str]()),
        ("option", {"baseCoin": "ETH"}, 500, {"mP", "iP", "mIv", "iv"}),
    ):
        told = await rows(bybit, "/v5/market/recent-trade", category=category, **asked)
        times = [int(row["time"]) for row in told]
        assert 0 < len(told) <= most
        assert times == sorted(times, reverse=True)
        assert {row["side"] for row in told} <= {"Buy", "Sell"}
        assert len({(row["symbol"], row["execId"]) for row in told}) == len(told)
        assert set(told[0]) >= more


async def test_what_was_delivered_is_told_at_the_mean_of_its_last_half_hour(bybit: RawBybit) -> None:
    told = await rows(bybit, "/v5/market/delivery-price", category="linear")
    assert told
    assert all(int(row["deliveryTime"]) <= bybit.clock.now_ms() for row in told)
    daily = await rows(bybit, "/v5/market/new-delivery-price", category="option", baseCoin="BTC")
    by_time = {row["deliveryTime"]: float(row["deliveryPrice"]) for row in daily}
    bitcoin = next(row for row in told if row["symbol"].startswith("BTCUSDT"))
    assert by_time[bitcoin["deliveryTime"]] == pytest.approx(float(bitcoin["deliveryPrice"]))
    assert await rows(bybit, "/v5/market/delivery-price", category="option") == []


async def test_historical_volatility_stands_where_no_other_answer_does(bybit: RawBybit) -> None:
    answer = await bybit.public("/v5/market/historical-volatility", category="option", baseCoin="ETH", period="30")
    assert answer["category"] == "option"
    (row,) = answer["result"]
    assert row["period"] == 30
    assert 0.2 < float(row["value"]) < 2.0


async def test_limits_of_price_and_risk(bybit: RawBybit) -> None:
    limit = (await bybit.public("/v5/market/price-limit", category="linear", symbol="BTCUSDT"))["result"]
    mark = (await rows(bybit, "/v5/market/tickers", category="linear", symbol="BTCUSDT"))[0]["markPrice"]
    assert float(limit["sellLmt"]) < float(mark) < float(limit["buyLmt"])
    tier = (await rows(bybit, "/v5/market/risk-limit", category="linear", symbol="BTCUSDT"))[0]
    assert float(tier["initialMargin"]) * float(tier["maxLeverage"]) == pytest.approx(1.0)


async def test_one_coin_has_one_price_on_every_venue(clock: ManualClock) -> None:
    async with run_simulator(SimulatorConfig(), clock) as simulator, connected(simulator, clock) as bybit:
        ticker = (await rows(bybit, "/v5/market/tickers", category="inverse", symbol="BTCUSD"))[0]
        url = simulator.urls["deribit_testnet_http"] + "/public/ticker?instrument_name=BTC-PERPETUAL"
        async with bybit.http.get(url) as answer:
            other = (await answer.json())["result"]
    assert float(ticker["indexPrice"]) == pytest.approx(other["index_price"], abs=0.01)
    assert float(ticker["markPrice"]) == pytest.approx(other["mark_price"], abs=0.01)
