"""Market data of the simulated Deribit: one market seen through tickers, books, candles, trades and summaries."""

import pytest

from tests.contract.raw_deribit import RawDeribit
from tests.support.clock import ManualClock

MINUTE_MS = 60_000
DAY_MS = 86_400_000


async def test_ticker_book_and_summary_of_an_option_agree(raw: RawDeribit) -> None:
    rows = await raw.result("public/get_book_summary_by_currency", currency="ETH", kind="option")
    for row in rows[:: len(rows) // 20]:
        name = row["instrument_name"]
        ticker = await raw.result("public/ticker", instrument_name=name)
        book = await raw.result("public/get_order_book", instrument_name=name, depth=5)
        assert {k: v for k, v in book.items() if k not in ("bids", "asks", "change_id")} == ticker
        assert row["mark_iv"] == ticker["mark_iv"]
        assert row["underlying_price"] == ticker["underlying_price"]
        assert row["mark_price"] == pytest.approx(ticker["mark_price"], abs=5.1e-5)  # four decimals there
        assert row["volume"] == ticker["stats"]["volume"]
        assert row["open_interest"] == ticker["open_interest"]
        # An absent side is null in the summary and zero in ticker and book.
        assert (row["bid_price"] or 0.0) == ticker["best_bid_price"]
        assert (row["ask_price"] or 0.0) == ticker["best_ask_price"]
        assert (row["mid_price"] is None) == (row["bid_price"] is None or row["ask_price"] is None)
        if row["bid_price"] is None:
            assert (ticker["bid_iv"], ticker["best_bid_amount"]) == (0.0, 0.0)
        assert ticker["bid_iv"] <= ticker["mark_iv"] + 0.01
        assert ticker["ask_iv"] == 0.0 or ticker["ask_iv"] >= ticker["mark_iv"] - 0.01
        again = await raw.result("public/get_book_summary_by_instrument", instrument_name=name)
        assert again == [row]


async def test_books_lie_on_the_tick_grid_and_do_not_cross(raw: RawDeribit) -> None:
    listed = await raw.result("public/get_instruments", currency="any")
    sample = [i for i in listed if i["kind"] == "future"] + [i for i in listed if i["kind"] == "option"][::60]
    for instrument in sample[:60]:
        book = await raw.result("public/get_order_book", instrument_name=instrument["instrument_name"], depth=10_000)
        bids, asks = book["bids"], book["asks"]
        assert [p for p, _ in bids] == sorted((p for p, _ in bids), reverse=True)
        assert [p for p, _ in asks] == sorted(p for p, _ in asks)
        assert not bids or not asks or bids[0][0] < asks[0][0]
        for price, amount in bids + asks:
            steps = [s["tick_size"] for s in instrument["tick_size_steps"] if price > s["above_price"]]
            tick = steps[-1] if steps else instrument["tick_size"]
            assert round(price / tick) * tick == pytest.approx(price, abs=1e-9)
            assert amount >= instrument["min_trade_amount"]
            lots = amount / instrument["min_trade_amount"]
            assert lots == pytest.approx(round(lots), abs=1e-6)


async def test_candles_of_every_resolution_are_the_same_trades(clock: ManualClock, raw: RawDeribit) -> None:
    end_ms = clock.now_ms() // (180 * MINUTE_MS) * 180 * MINUTE_MS - 1
    start_ms = end_ms + 1 - 180 * MINUTE_MS
    window = {"instrument_name": "BTC-PERPETUAL", "start_timestamp": start_ms, "end_timestamp": end_ms}
    minutes = await raw.result("public/get_tradingview_chart_data", **window, resolution="1")
    assert minutes["status"] == "ok"
    assert len(minutes["ticks"]) == 180
    for resolution in ("5", 30, "180"):
        bars = await raw.result("public/get_tradingview_chart_data", **window, resolution=resolution)
        width = int(resolution)
        for position, tick in enumerate(bars["ticks"]):
            part = slice(position * width, (position + 1) * width)
            assert tick == minutes["ticks"][part][0]
            assert bars["open"][position] == minutes["open"][part][0]
            assert bars["close"][position] == minutes["close"][part][-1]
            assert bars["high"][position] == max(minutes["high"][part])
            assert bars["low"][position] == min(minutes["low"][part])
            assert bars["cost"][position] == pytest.approx(sum(minutes["cost"][part]))
    trades = await raw.result(
        "public/get_last_trades_by_instrument",
        instrument_name="BTC-PERPETUAL",
        start_timestamp=start_ms,
        end_timestamp=end_ms,
        count=1_000,
    )
    prices = [t["price"] for t in trades["trades"]]
    assert (min(prices), max(prices)) == (min(minutes["low"]), max(minutes["high"]))
    assert sum(t["amount"] for t in trades["trades"]) == pytest.approx(sum(minutes["cost"]))
    assert [t["trade_seq"] for t in trades["trades"]] == sorted(t["trade_seq"] for t in trades["trades"])


async def test_ticker_statistics_are_those_of_the_last_days_trades(clock: ManualClock, raw: RawDeribit) -> None:
    ticker = await raw.result("public/ticker", instrument_name="ETH-PERPETUAL")
    found: list[dict[str, float]] = []
    end_ms = clock.now_ms()
    while True:
        page = await raw.result(
            "public/get_last_trades_by_instrument",
            instrument_name="ETH-PERPETUAL",
            start_timestamp=clock.now_ms() - DAY_MS + 1,
            end_timestamp=end_ms,
            sorting="desc",
            count=1_000,
        )
        found += page["trades"]
        if not page["has_more"]:
            break
        end_ms = int(page["trades"][-1]["timestamp"]) - 1
    assert ticker["last_price"] == found[0]["price"]
    assert ticker["stats"]["high"] == max(t["price"] for t in found)
    assert ticker["stats"]["low"] == min(t["price"] for t in found)
    assert ticker["stats"]["volume_usd"] == pytest.approx(sum(t["amount"] for t in found))
    candle = await raw.result(
        "public/get_tradingview_chart_data",
        instrument_name="ETH-PERPETUAL",
        start_timestamp=clock.now_ms() - MINUTE_MS,
        end_timestamp=clock.now_ms(),
        resolution="1",
    )
    assert candle["close"][-1] == ticker["last_price"]


async def test_a_wide_window_loses_its_older_part(clock: ManualClock, raw: RawDeribit) -> None:
    end_ms = clock.now_ms()
    bars = await raw.result(
        "public/get_tradingview_chart_data",
        instrument_name="BTC-PERPETUAL",
        start_timestamp=end_ms - 30 * DAY_MS,
        end_timestamp=end_ms,
        resolution="1",
    )
    assert len(bars["ticks"]) == 5_000
    assert bars["ticks"][-1] == end_ms // MINUTE_MS * MINUTE_MS
    assert len({len(column) for name, column in bars.items() if name != "status"}) == 1


async def test_a_window_without_data_is_no_error(raw: RawDeribit) -> None:
    empty = await raw.result(
        "public/get_tradingview_chart_data",
        instrument_name="BTC-PERPETUAL",
        start_timestamp=1_500_000_000_000,
        end_timestamp=1_500_000_600_000,
        resolution="1",
    )
    assert empty.pop("status") == "no_data"
    assert empty == {name: [] for name in ("ticks", "open", "high", "low", "close", "volume", "cost")}


async def test_names_and_small_methods(clock: ManualClock, raw: RawDeribit) -> None:
    assert await raw.result("public/get_time") == clock.now_ms()
    assert await raw.result("public/hello", client_name="t", client_version="1") == {"version": "1.2.26"}
    assert (await raw.result("public/status"))["locked"] == "false"
    assert {c["currency"] for c in await raw.result("public/get_currencies")} >= {"BTC", "ETH"}
    assert await raw.result("public/get_contract_size", instrument_name="BTC-PERPETUAL") == {"contract_size": 10.0}
    names = await raw.result("public/get_index_price_names")
    assert {"btc_usd", "eth_usd"} <= set(names)
    index = await raw.result("public/get_index_price", index_name="btc_usd")
    assert index["index_price"] == index["estimated_delivery_price"]
    perpetual = await raw.result("public/get_instrument", instrument_name="BTC-PERPETUAL")
    assert perpetual["expiration_timestamp"] == 32_503_708_800_000
    assert await raw.result("public/get_instruments", currency="BTC", expired=True) == []


async def test_expirations_nest_as_the_venue_nests_them(raw: RawDeribit) -> None:
    everything = await raw.result("public/get_expirations", currency="any", kind="any")
    assert everything["future"][-1] == "PERPETUAL"
    assert "PERPETUAL" not in everything["option"]
    nested = await raw.result("public/get_expirations", currency="BTC", kind="option")
    assert list(nested) == ["btc"]
    listed = await raw.result("public/get_instruments", currency="BTC", kind="option")
    assert set(nested["btc"]["option"]) == {i["instrument_name"].split("-")[1] for i in listed}
    assert all(i["expiration_timestamp"] % DAY_MS == 8 * 3_600_000 for i in listed)


async def test_the_usdc_currency_selects_linear_contracts_only(raw: RawDeribit) -> None:
    linear = await raw.result("public/get_instruments", currency="USDC")
    assert {i["instrument_type"] for i in linear} == {"linear"}
    assert {i["settlement_currency"] for i in linear if i["kind"] != "spot"} == {"USDC"}
    assert {i["kind"] for i in linear} == {"future", "option", "spot"}
    everything = await raw.result("public/get_instruments")
    assert everything == await raw.result("public/get_instruments", currency="any")


async def test_a_book_by_the_number_of_its_instrument(raw: RawDeribit) -> None:
    instrument = await raw.result("public/get_instrument", instrument_name="ETH-PERPETUAL")
    by_number = await raw.result(
        "public/get_order_book_by_instrument_id", instrument_id=instrument["instrument_id"], depth=5
    )
    assert by_number == await raw.result("public/get_order_book", instrument_name="ETH-PERPETUAL", depth=5)
    error = await raw.error("public/get_order_book_by_instrument_id", instrument_id=1)
    assert error["data"] == {"reason": "instrument not found", "param": "instrument_id"}
    listed = await raw.result("public/get_instruments", currency="any")
    assert len({i["instrument_id"] for i in listed}) == len(listed)
