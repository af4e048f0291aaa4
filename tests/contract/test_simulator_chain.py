"""A recorded chain on the simulated Deribit: served unchanged while it stands, coherent once the market has moved."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from cerberod.simulator import ChainFileError, Simulator, SimulatorConfig, run_simulator
from tests.contract.raw_deribit import Json, RawDeribit, chain_row, connected
from tests.support.clock import ManualClock

CALL, PUT, FAR = "BTC-25SEP26-80000-C", "BTC-25SEP26-80000-P", "BTC-25DEC26-250000-C"
TIME_MS = 1_787_370_645_199
ROWS = [
    chain_row(FAR, bid_price=None, mid_price=None, ask_price=0.0002, mark_price=0.00012125, mark_iv=71.24),
    chain_row(CALL),
    chain_row(PUT, bid_price=0.0575, ask_price=0.059, mark_price=0.05789731, estimated_delivery_price=78_617.31),
]


def write_chain(tmp_path: Path, rows: list[Json], name: str = "chain.json") -> Path:
    path = tmp_path / name
    path.write_bytes(orjson.dumps({"jsonrpc": "2.0", "result": rows, "testnet": False}))
    return path


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    chain = write_chain(tmp_path, ROWS)
    async with run_simulator(SimulatorConfig(chains=(chain,)), ManualClock()) as running:
        yield running


async def move(simulator: Simulator, **body: Any) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(simulator.urls["control"] + "/market", json=body) as answer,
    ):
        assert answer.status == 200


async def summary(trader: RawDeribit) -> list[Json]:
    rows: list[Json] = await trader.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    return rows


async def test_rows_are_served_unchanged_and_in_order(trader: RawDeribit) -> None:
    assert await summary(trader) == ROWS
    assert await trader.result("public/get_book_summary_by_instrument", instrument_name=PUT) == [ROWS[2]]


async def test_everything_else_derives_from_the_rows(trader: RawDeribit) -> None:
    assert await trader.result("public/get_time") == TIME_MS
    listed = await trader.result("public/get_instruments", currency="BTC", kind="option")
    assert [i["instrument_name"] for i in listed] == [FAR, CALL, PUT]
    assert (listed[1]["strike"], listed[1]["option_type"]) == (80_000.0, "call")
    expirations = await trader.result("public/get_expirations", currency="BTC", kind="any")
    assert expirations["btc"] == {"option": ["25SEP26", "25DEC26"], "future": ["25SEP26", "25DEC26", "PERPETUAL"]}
    assert (await trader.result("public/get_index_price", index_name="btc_usd"))["index_price"] == 78_617.31
    ticker = await trader.result("public/ticker", instrument_name=CALL)
    assert ticker["mark_price"] == 0.044
    assert ticker["greeks"] == {
        "delta": pytest.approx(0.481354, abs=2e-5),
        "gamma": 0.00004,
        "vega": pytest.approx(96.2073, abs=2e-3),
        "theta": pytest.approx(-58.0091, abs=2e-3),
        "rho": pytest.approx(32.3107, abs=2e-3),
    }
    assert (ticker["underlying_price"], ticker["mark_iv"], ticker["timestamp"]) == (78_899.98, 41.21, TIME_MS)
    assert (ticker["best_bid_price"], ticker["best_ask_price"]) == (0.043, 0.045)
    assert ticker["bid_iv"] < 41.21 < ticker["ask_iv"]
    assert ticker["open_interest"] == 653.0
    far = await trader.result("public/get_order_book", instrument_name=FAR, depth=5)
    assert far["bids"] == []
    assert far["asks"][0][0] == far["best_ask_price"] == 0.0002
    assert (far["best_bid_price"], far["bid_iv"]) == (0.0, 0.0)
    future = await trader.result("public/ticker", instrument_name="BTC-25SEP26")
    assert future["mark_price"] == 78_899.98


async def test_the_other_coin_comes_from_the_model_at_the_same_moment(trader: RawDeribit) -> None:
    rows = await trader.result("public/get_book_summary_by_currency", currency="ETH", kind="option")
    assert len(rows) > 500
    assert {r["creation_timestamp"] for r in rows} == {TIME_MS}


async def test_orders_trade_against_the_recorded_quotes(trader: RawDeribit) -> None:
    resting = (await trader.result("private/buy", instrument_name=CALL, amount=0.1, price=0.0435))["order"]
    assert (resting["order_state"], resting["creation_timestamp"]) == ("open", TIME_MS)
    book = await trader.result("public/get_order_book", instrument_name=CALL, depth=5)
    assert book["bids"][:2] == [[0.0435, 0.1], [0.043, book["bids"][1][1]]]
    edited = await trader.result("private/edit", order_id=resting["order_id"], amount=0.2, price=0.045)
    assert edited["order"]["order_state"] == "filled"
    assert [t["price"] for t in edited["trades"]] == [0.045]
    second = (await trader.result("private/sell", instrument_name=CALL, amount=0.1, price=0.05))["order"]
    assert (await trader.result("private/cancel", order_id=second["order_id"]))["order_state"] == "cancelled"
    assert await summary(trader) == ROWS  # what was recorded stays what was recorded


async def test_a_moved_market_revalues_the_chain_coherently(simulator: Simulator, trader: RawDeribit) -> None:
    await move(simulator, asset="BTC", factor=1.1)
    rows = {r["instrument_name"]: r for r in await summary(trader)}
    assert list(rows) == [FAR, CALL, PUT]
    call, put = rows[CALL], rows[PUT]
    assert call["underlying_price"] == pytest.approx(78_899.98 * 1.1, abs=0.05)
    assert call["mark_iv"] == 41.21
    forward = call["underlying_price"]
    assert (call["mark_price"] - put["mark_price"]) * forward == pytest.approx(forward - 80_000, abs=0.01)
    assert call["bid_price"] < call["mark_price"] < call["ask_price"]
    assert set(call) == set(ROWS[1])


async def test_time_moved_on_takes_value_off(simulator: Simulator, trader: RawDeribit) -> None:
    await move(simulator, advance_s=86_400)
    rows = {r["instrument_name"]: r for r in await summary(trader)}
    assert {r["creation_timestamp"] for r in rows.values()} == {TIME_MS + 86_400_000}
    ticker = await trader.result("public/ticker", instrument_name=FAR)
    assert ticker["timestamp"] == TIME_MS + 86_400_000
    await move(simulator, run=True)
    assert await trader.result("public/get_time") == TIME_MS + 86_400_000  # the clock of this test stands still


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([chain_row("BTC-31FEB26-80000-C")], "is not the name of a BTC option"),
        ([chain_row("ETH-25SEP26-80000-C")], "is not the name of a BTC option"),
        ([chain_row("BTC-21AUG26-80000-C")], "expired before the recording's time"),
        ([chain_row("X-25SEP26-1-C", base_currency="X")], "base_currency must be one of"),
    ],
)
async def test_a_chain_that_cannot_be_listed_is_refused(tmp_path: Path, rows: list[Json], rule: str) -> None:
    chain = write_chain(tmp_path, rows)
    with pytest.raises(ChainFileError, match=rule) as refused:
        async with run_simulator(SimulatorConfig(chains=(chain,)), ManualClock()):
            pass
    assert str(chain) in str(refused.value)


async def test_two_chains_stand_together(tmp_path: Path) -> None:
    eth = chain_row(
        "ETH-25SEP26-2500-C",
        base_currency="ETH",
        underlying_price=2_530.0,
        estimated_delivery_price=2_519.9,
        creation_timestamp=TIME_MS + 7,
    )
    chains = (write_chain(tmp_path, ROWS), write_chain(tmp_path, [eth], "eth.json"))
    async with (
        run_simulator(SimulatorConfig(chains=chains), ManualClock()) as simulator,
        connected(simulator.urls["deribit_live"]) as trader,
    ):
        assert await summary(trader) == ROWS
        assert await trader.result("public/get_book_summary_by_currency", currency="ETH", kind="option") == [eth]
        assert await trader.result("public/get_time") == TIME_MS + 7


async def test_a_recording_sets_the_level_of_the_volatility_index(trader: RawDeribit) -> None:
    window = {"start_timestamp": TIME_MS - 60_000, "end_timestamp": TIME_MS, "resolution": "60"}
    data = (await trader.result("public/get_volatility_index_data", currency="BTC", **window))["data"]
    # At the money in 30 days: the 25SEP26 strikes tell 41.21.
    assert data[-1][4] == pytest.approx(1.03 * 41.21, rel=0.03)


async def test_other_kinds_beside_a_recording(trader: RawDeribit) -> None:
    spread = next(n for n in await trader.result("public/get_combo_ids", currency="BTC") if n.endswith("25SEP26_PERP"))
    assert (await trader.result("public/ticker", instrument_name=spread))["best_bid_price"] > 0
    straddle = await trader.result(
        "private/create_combo",
        trades=[
            {"instrument_name": CALL, "amount": 1, "direction": "buy"},
            {"instrument_name": PUT, "amount": 1, "direction": "buy"},
        ],
    )
    rows = await trader.result("public/get_book_summary_by_instrument", instrument_name=straddle["id"])
    assert rows[0]["mark_price"] == pytest.approx(ROWS[1]["mark_price"] + ROWS[2]["mark_price"], abs=1e-8)
    linear = await trader.result("public/get_book_summary_by_currency", currency="USDC", kind="option")
    assert {row["base_currency"] for row in linear} == {"BTC", "ETH", "SOL", "XRP"}
    trades = await trader.result("public/get_last_trades_by_currency", currency="BTC", kind="option")
    assert trades == {"trades": [], "has_more": False}
