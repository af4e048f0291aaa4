"""The simulated Deribit's past: page limits and continuations as the venue has them, all telling of one market."""

from itertools import pairwise
from typing import Any

import pytest

from tests.contract.raw_deribit import Json, RawDeribit
from tests.support.clock import ManualClock

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


# The volatility index


async def test_pages_of_the_volatility_index_go_backward(clock: ManualClock, raw: RawDeribit) -> None:
    start_ms, end_ms = clock.now_ms() - 2_500 * MINUTE_MS, clock.now_ms()
    pages: list[list[list[float]]] = []
    until: int | None = end_ms
    while until is not None:
        page = await raw.result(
            "public/get_volatility_index_data",
            currency="BTC",
            start_timestamp=start_ms,
            end_timestamp=until,
            resolution="60",
        )
        pages.append(page["data"])
        until = page["continuation"]
    assert [len(page) for page in pages] == [1_000, 1_000, 500]
    times = [row[0] for page in reversed(pages) for row in page]
    first = -(-start_ms // MINUTE_MS) * MINUTE_MS
    assert times == list(range(first, end_ms + 1, MINUTE_MS))


async def test_resolutions_of_the_volatility_index_agree(clock: ManualClock, raw: RawDeribit) -> None:
    last_ms = clock.now_ms() // (12 * HOUR_MS) * 12 * HOUR_MS
    window = {"currency": "ETH", "start_timestamp": last_ms - 12 * HOUR_MS, "end_timestamp": last_ms - 1}
    half_days = (await raw.result("public/get_volatility_index_data", **window, resolution="43200"))["data"]
    hours = (await raw.result("public/get_volatility_index_data", **window, resolution=3600))["data"]
    minutes = (await raw.result("public/get_volatility_index_data", **window, resolution="60"))["data"]
    assert (len(half_days), len(hours), len(minutes)) == (1, 12, 720)
    for wide, narrow in ((half_days, hours), (hours, minutes)):
        width = len(narrow) // len(wide)
        for position, (time, opened, high, low, close) in enumerate(wide):
            part = narrow[position * width : (position + 1) * width]
            assert (time, opened, close) == (part[0][0], part[0][1], part[-1][4])
            assert (high, low) == (max(row[2] for row in part), min(row[3] for row in part))
    assert len({row[4] for row in minutes}) > 20  # it moves


async def test_the_last_candle_still_forms_and_the_index_is_near_the_surface(
    clock: ManualClock, raw: RawDeribit
) -> None:
    now_ms = clock.now_ms()
    window = {"start_timestamp": now_ms - 3 * DAY_MS, "end_timestamp": now_ms + DAY_MS, "resolution": "1D"}
    page = await raw.result("public/get_volatility_index_data", currency="BTC", **window)
    assert page["data"][-1][0] == now_ms // DAY_MS * DAY_MS
    assert page["continuation"] is None
    rows = await raw.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    instruments = {i["instrument_name"]: i for i in await raw.result("public/get_instruments", currency="BTC")}
    month = min(
        {i["expiration_timestamp"] for i in instruments.values() if i["kind"] == "option"},
        key=lambda expiry: abs(expiry - now_ms - 30 * DAY_MS),
    )
    near = [r for r in rows if instruments[r["instrument_name"]]["expiration_timestamp"] == month]
    at_the_money = min(near, key=lambda r: abs(instruments[r["instrument_name"]]["strike"] - r["underlying_price"]))
    assert page["data"][-1][4] == pytest.approx(at_the_money["mark_iv"], rel=0.08)


@pytest.mark.parametrize(
    ("changes", "reason", "param"),
    [
        ({"currency": "SOL"}, "invalid currency", "currency"),
        ({"currency": None}, "value required", "currency"),
        ({"resolution": "30"}, "invalid value", "resolution"),
        ({"resolution": None}, "value required", "resolution"),
        ({"start_timestamp": None}, "value required", "start_timestamp"),
        ({"end_timestamp": 0}, "invalid value", "start_timestamp"),
        ({"end_timestamp": "x"}, "wrong format", "end_timestamp"),
    ],
)
async def test_bad_windows(raw: RawDeribit, changes: Json, reason: str, param: str) -> None:
    good: Json = {"currency": "BTC", "start_timestamp": 1, "end_timestamp": 2, "resolution": "60"}
    error = await raw.error("public/get_volatility_index_data", **(good | changes))
    assert (error["code"], error["data"]) == (-32602, {"reason": reason, "param": param})


async def test_realised_volatility_has_an_hour_for_each_of_fifteen_days(clock: ManualClock, raw: RawDeribit) -> None:
    found = await raw.result("public/get_historical_volatility", currency="BTC")
    hours = [time for time, _ in found]
    last_ms = clock.now_ms() // HOUR_MS * HOUR_MS
    assert hours == list(range(last_ms - 15 * DAY_MS, last_ms + 1, HOUR_MS))
    assert all(20 < value < 80 for _, value in found)


# Funding


async def test_funding_is_hourly_capped_and_adds_up(clock: ManualClock, raw: RawDeribit) -> None:
    now_ms = clock.now_ms()
    last_ms = now_ms // HOUR_MS * HOUR_MS
    window: Json = {
        "instrument_name": "BTC-PERPETUAL",
        "start_timestamp": now_ms - 60 * DAY_MS,
        "end_timestamp": now_ms,
    }
    rows = await raw.result("public/get_funding_rate_history", **window)
    assert [row["timestamp"] for row in rows] == list(range(last_ms - 743 * HOUR_MS, last_ms + 1, HOUR_MS))
    assert all(later["prev_index_price"] == row["index_price"] for row, later in pairwise(rows))
    day = rows[-24:]
    value = await raw.result(
        "public/get_funding_rate_value",
        instrument_name="BTC-PERPETUAL",
        start_timestamp=day[0]["timestamp"] - HOUR_MS,
        end_timestamp=day[-1]["timestamp"],
    )
    assert value == pytest.approx(sum(row["interest_1h"] for row in day), abs=1e-15)
    assert rows[-1]["interest_8h"] == pytest.approx(sum(row["interest_1h"] for row in rows[-8:]), abs=1e-15)
    assert any(row["interest_1h"] > 0 for row in rows)
    assert any(row["interest_1h"] < 0 for row in rows)


async def test_funding_charts_end_now(clock: ManualClock, raw: RawDeribit) -> None:
    ticker = await raw.result("public/ticker", instrument_name="ETH-PERPETUAL")
    for length, span_ms in (("8h", 8 * HOUR_MS), ("24h", DAY_MS), ("1m", 30 * DAY_MS)):
        chart = await raw.result("public/get_funding_chart_data", instrument_name="ETH-PERPETUAL", length=length)
        assert chart["current_interest"] == ticker["current_funding"]
        assert chart["interest_8h"] == ticker["funding_8h"]
        times = [row["timestamp"] for row in chart["data"]]
        assert times == sorted(set(times))
        assert clock.now_ms() - span_ms <= times[0] < times[-1] <= clock.now_ms()


@pytest.mark.parametrize("name", ["BTC-25DEC26", "BTC_USDC"])
async def test_only_perpetuals_pay_funding(raw: RawDeribit, name: str) -> None:
    window: Json = {"start_timestamp": 1, "end_timestamp": 2}
    error = await raw.error("public/get_funding_rate_history", instrument_name=name, **window)
    assert error["data"] == {"reason": "invalid value", "param": "instrument_name"}
    assert await raw.result("public/get_funding_rate_value", instrument_name="BTC-PERPETUAL", **window) == 0.0
    assert await raw.result("public/get_funding_rate_history", instrument_name="BTC-PERPETUAL", **window) == []


# Trades


async def all_trades(raw: RawDeribit, method: str, **params: Any) -> list[Json]:
    """Page forward by time until there is no more."""
    found: dict[str, Json] = {}
    start_ms = int(params.pop("start_timestamp"))
    while True:
        page = await raw.result(method, start_timestamp=start_ms, count=1_000, sorting="asc", **params)
        found |= {trade["trade_id"]: trade for trade in page["trades"]}
        if not page["has_more"]:
            return list(found.values())
        start_ms = int(page["trades"][-1]["timestamp"])


@pytest.mark.parametrize("kind", ["option", "future"])
async def test_a_currencys_trades_are_those_of_its_instruments(clock: ManualClock, raw: RawDeribit, kind: str) -> None:
    window: Json = {"start_timestamp": clock.now_ms() - 6 * HOUR_MS, "end_timestamp": clock.now_ms()}
    found = await all_trades(raw, "public/get_last_trades_by_currency_and_time", currency="BTC", kind=kind, **window)
    assert [t["timestamp"] for t in found] == sorted(t["timestamp"] for t in found)
    numbers = [int(t["trade_id"]) for t in found]
    assert numbers == sorted(set(numbers))
    assert len(found) > 1_000
    assert ("iv" in found[0]) is (kind == "option")
    for name in sorted({t["instrument_name"] for t in found})[::40]:
        own = await all_trades(raw, "public/get_last_trades_by_instrument", instrument_name=name, **window)
        assert without_direction(own) == without_direction([t for t in found if t["instrument_name"] == name])


def without_direction(trades: list[Json]) -> list[Json]:
    """Leave out what depends on the print before, which a page cannot see."""
    return [{key: value for key, value in t.items() if key != "tick_direction"} for t in trades]


async def test_trades_by_id_and_by_sequence(raw: RawDeribit) -> None:
    newest = (await raw.result("public/get_last_trades_by_currency", currency="ETH", kind="any", count=50))["trades"]
    assert [t["timestamp"] for t in newest] == sorted((t["timestamp"] for t in newest), reverse=True)
    low, high = newest[40]["trade_id"], newest[10]["trade_id"]
    part = await raw.result("public/get_last_trades_by_currency", currency="ETH", start_id=low, end_id=high, count=100)
    assert without_direction(part["trades"]) == without_direction(list(reversed(newest[10:41])))
    assert part["has_more"] is False
    perpetual = (await raw.result("public/get_last_trades_by_instrument", instrument_name="BTC-PERPETUAL"))["trades"]
    assert len(perpetual) == 10
    sequences = [t["trade_seq"] for t in perpetual]
    assert sequences == list(range(sequences[0], sequences[0] - 10, -1))
    again = await raw.result(
        "public/get_last_trades_by_instrument",
        instrument_name="BTC-PERPETUAL",
        start_seq=sequences[6],
        end_seq=sequences[2],
    )
    assert [t["trade_seq"] for t in again["trades"]] == list(range(sequences[6], sequences[2] + 1))
    error = await raw.error("public/get_last_trades_by_currency", currency="ETH", start_id="ETH-x")
    assert error["data"] == {"reason": "wrong format", "param": "start_id"}


async def test_a_trade_tells_of_its_own_moment(clock: ManualClock, raw: RawDeribit) -> None:
    day_ago = clock.now_ms() - DAY_MS
    window: Json = {"start_timestamp": day_ago, "end_timestamp": day_ago + 6 * HOUR_MS}
    trades = (
        await raw.result(
            "public/get_last_trades_by_currency_and_time", currency="BTC", kind="option", count=200, **window
        )
    )["trades"]
    assert len(trades) == 200
    assert all(t["price"] == pytest.approx(t["mark_price"], abs=5.1e-4) for t in trades)
    # Off its grid's coarse steps a price implies about the volatility it came from.
    assert sum(20 < t["iv"] < 90 for t in trades) > 150
    index = await raw.result("public/get_index_chart_data", index_name="btc_usd", range="2d")
    before = [price for time, price in index if time <= trades[0]["timestamp"]][-1]
    assert trades[0]["index_price"] == pytest.approx(before, rel=0.02)


async def test_volumes_of_a_day(raw: RawDeribit) -> None:
    rows = {row["currency"]: row for row in await raw.result("public/get_trade_volumes")}
    assert {"BTC", "ETH", "USDC"} <= set(rows)
    tickers = [
        await raw.result("public/ticker", instrument_name=i["instrument_name"])
        for i in await raw.result("public/get_instruments", currency="BTC", kind="future")
    ]
    assert rows["BTC"]["futures_volume"] == pytest.approx(sum(t["stats"]["volume"] for t in tickers), rel=1e-6)
    assert rows["BTC"]["calls_volume"] > 0
    assert rows["USDC"]["spot_volume"] > 0
    assert "puts_volume_7d" not in rows["BTC"]


# Settlements


async def test_settlements_happen_at_eight_and_continue(clock: ManualClock, raw: RawDeribit) -> None:
    found: list[Json] = []
    continuation: str | None = None
    for _ in range(4):
        more = {} if continuation is None else {"continuation": continuation}
        page = await raw.result("public/get_last_settlements_by_currency", currency="BTC", count=70, **more)
        assert len(page["settlements"]) == 70
        found += page["settlements"]
        continuation = page["continuation"]
        assert isinstance(continuation, str)
    whole = await raw.result("public/get_last_settlements_by_currency", currency="BTC", count=280)
    assert whole["settlements"] == found
    for row in found:
        assert 0 <= row["timestamp"] % DAY_MS - 8 * HOUR_MS < 100
        assert row["timestamp"] <= clock.now_ms()
    kinds = {row["type"] for row in found}
    assert kinds == {"settlement", "delivery"}
    assert all(("funding" in row) is row["instrument_name"].endswith("PERPETUAL") for row in found)


async def test_an_option_is_delivered_at_what_it_is_worth(raw: RawDeribit) -> None:
    rows = (await raw.result("public/get_last_settlements_by_currency", currency="BTC", type="delivery", count=60))[
        "settlements"
    ]
    assert {row["type"] for row in rows} == {"delivery"}
    prices = {
        row["date"]: row["delivery_price"]
        for row in (await raw.result("public/get_delivery_prices", index_name="btc_usd", count=5))["data"]
    }
    for row in rows:
        assert row["index_price"] in prices.values()
        parts = row["instrument_name"].split("-")
        if len(parts) == 2:
            assert row["mark_price"] == row["index_price"]
            continue
        sign = 1 if parts[3] == "C" else -1
        worth = max(sign * (row["index_price"] - float(parts[2])), 0.0) / row["index_price"]
        assert row["mark_price"] == pytest.approx(worth, abs=1e-8)
    one = rows[-1]["instrument_name"]
    alone = await raw.result("public/get_last_settlements_by_instrument", instrument_name=one)
    assert alone == {"settlements": [rows[-1]], "continuation": None}
    linear = await raw.result("public/get_last_settlements_by_currency", currency="USDC", type="delivery", count=5)
    assert all("_USDC-" in row["instrument_name"] for row in linear["settlements"])


async def test_settlements_of_one_instrument(raw: RawDeribit) -> None:
    page = await raw.result("public/get_last_settlements_by_instrument", instrument_name="ETH-PERPETUAL", count=3)
    times = [row["timestamp"] // DAY_MS for row in page["settlements"]]
    assert times == list(range(times[0], times[0] - 3, -1))
    more = await raw.result(
        "public/get_last_settlements_by_instrument",
        instrument_name="ETH-PERPETUAL",
        count=3,
        continuation=page["continuation"],
    )
    assert more["settlements"][0]["timestamp"] // DAY_MS == times[-1] - 1
    nobody = await raw.result("public/get_last_settlements_by_currency", currency="BTC", type="bankruptcy")
    assert nobody == {"settlements": [], "continuation": None}
    for wrong in ("x", "12x", "1x0", "zzxzz"):
        error = await raw.error("public/get_last_settlements_by_currency", currency="BTC", continuation=wrong)
        assert error["data"] == {"reason": "wrong format", "param": "continuation"}


async def test_delivery_prices_page_by_offset(raw: RawDeribit) -> None:
    first = await raw.result("public/get_delivery_prices", index_name="eth_usd", count=4)
    second = await raw.result("public/get_delivery_prices", index_name="eth_usd", offset=2, count=2)
    assert second["data"] == first["data"][2:]
    beyond = await raw.result("public/get_delivery_prices", index_name="eth_usd", offset=first["records_total"])
    assert beyond["data"] == []
    last = await raw.result("public/get_delivery_prices", index_name="eth_usd", offset=first["records_total"] - 1)
    assert len(last["data"]) == 1


# Other kinds


async def test_spot_pairs_have_no_settlement_and_no_open_interest(raw: RawDeribit) -> None:
    for pair in await raw.result("public/get_instruments", currency="any", kind="spot"):
        assert pair["quote_currency"] in ("USDC", "USDT")
        assert "settlement_currency" not in pair
        ticker = await raw.result("public/ticker", instrument_name=pair["instrument_name"])
        assert ticker["mark_price"] == pytest.approx(ticker["index_price"], abs=0.006)
        assert ticker["best_bid_price"] < ticker["best_ask_price"]
        assert "open_interest" not in ticker
        assert "current_funding" not in ticker
        trades = await raw.result("public/get_last_trades_by_instrument", instrument_name=pair["instrument_name"])
        assert trades["trades"][0]["trade_id"].startswith(pair["instrument_name"] + "-")


async def test_usdc_options_are_priced_in_dollars(raw: RawDeribit) -> None:
    listed = await raw.result("public/get_instruments", currency="USDC", kind="option")
    assert {i["base_currency"] for i in listed} == {"BTC", "ETH", "SOL", "XRP"}
    assert {i["base_currency"]: i["contract_size"] for i in listed}.items() >= {("SOL", 10.0), ("XRP", 1_000.0)}
    assert any("d" in i["instrument_name"].split("-")[2] for i in listed if i["base_currency"] == "XRP")
    rows = {
        r["instrument_name"]: r
        for r in await raw.result("public/get_book_summary_by_currency", currency="USDC", kind="option")
    }
    for option in listed:
        row = rows[option["instrument_name"]]
        sign = 1 if option["option_type"] == "call" else -1
        intrinsic = max(sign * (row["underlying_price"] - option["strike"]), 0.0)
        assert intrinsic - 1e-4 * row["underlying_price"] <= row["mark_price"] <= intrinsic + 0.3 * option["strike"]
        assert (row["quote_currency"], row["underlying_index"][:4]) == ("USDC", "SYN.")
    for coin in ("BTC", "XRP"):
        mine = [i for i in listed if i["base_currency"] == coin and i["option_type"] == "put"]
        last = max(i["expiration_timestamp"] for i in mine)
        near = min(
            (i for i in mine if i["expiration_timestamp"] == last),
            key=lambda i: abs(i["strike"] - rows[i["instrument_name"]]["underlying_price"]),
        )
        ticker = await raw.result("public/ticker", instrument_name=near["instrument_name"])
        assert ticker["bid_iv"] < ticker["mark_iv"] < ticker["ask_iv"] < 1.5 * ticker["bid_iv"]
        assert ticker["min_price"] < ticker["best_bid_price"] < ticker["best_ask_price"] < ticker["max_price"]
    nested = await raw.result("public/get_expirations", currency="USDC", kind="option")
    assert list(nested) == ["usdc"]


async def test_marks_of_five_minutes(clock: ManualClock, raw: RawDeribit) -> None:
    rows = await raw.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    name = max(rows, key=lambda r: r["open_interest"])["instrument_name"]
    window: Json = {"start_timestamp": clock.now_ms() - HOUR_MS, "end_timestamp": clock.now_ms()}
    marks = await raw.result("public/get_mark_price_history", instrument_name=name, **window)
    assert [time for time, _ in marks] == [clock.now_ms() // 300_000 * 300_000 - n * 300_000 for n in range(len(marks))]
    assert len(marks) == 12
    future = await raw.result("public/get_mark_price_history", instrument_name="BTC-PERPETUAL", **window)
    assert future == []


async def test_books_move(clock: ManualClock, raw: RawDeribit) -> None:
    for name in ("BTC-PERPETUAL", "BTC_USDC", "SOL_USDC-PERPETUAL"):
        before = await raw.result("public/get_order_book", instrument_name=name, depth=10)
        clock.advance(seconds=30)
        after = await raw.result("public/get_order_book", instrument_name=name, depth=10)
        assert before["bids"] != after["bids"]
        assert before["change_id"] < after["change_id"]
