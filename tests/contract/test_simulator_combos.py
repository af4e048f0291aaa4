"""Combos of the simulated Deribit: found or made, in the venue's sense and not the caller's, priced by their legs."""

from typing import Any

import pytest

from cerberod.simulator import Simulator
from tests.contract.raw_deribit import Json, RawDeribit, connected
from tests.support.clock import ManualClock


def trade(name: str, amount: Any, direction: str) -> Json:
    return {"instrument_name": name, "amount": amount, "direction": direction}


async def calls_of_one_expiry(trader: RawDeribit, currency: str = "BTC") -> list[str]:
    """Return the calls of the last listed expiry, lowest strike first."""
    listed = await trader.result("public/get_instruments", currency=currency, kind="option")
    last = max(i["expiration_timestamp"] for i in listed)
    calls = [i for i in listed if i["expiration_timestamp"] == last and i["option_type"] == "call"]
    return [str(i["instrument_name"]) for i in sorted(calls, key=lambda i: float(i["strike"]))]


async def test_a_combo_comes_back_in_the_venues_sense(clock: ManualClock, trader: RawDeribit) -> None:
    low, high = (await calls_of_one_expiry(trader))[5:7]
    made = await trader.result("private/create_combo", trades=[trade(high, 0.2, "buy"), trade(low, 0.2, "sell")])
    _, code, strike = low.split("-")[:3]
    assert made["id"] == f"BTC-CS-{code}-{strike}_{high.split('-')[2]}"
    assert made["legs"] == [{"instrument_name": low, "amount": 1}, {"instrument_name": high, "amount": -1}]
    assert made["state"] == "active"
    assert made["creation_timestamp"] == clock.now_ms() // 1_000 * 1_000
    clock.advance(seconds=60)
    # The other way round, as text, and with other amounts in the same ratio: it is the same combo.
    again = await trader.result("private/create_combo", trades=[trade(low, "3", "buy"), trade(high, "3", "sell")])
    assert again == made
    assert await trader.result("public/get_combo_details", combo_id=made["id"]) == made
    assert made in await trader.result("public/get_combos", currency="BTC")
    assert made["id"] in await trader.result("public/get_combo_ids", currency="BTC", state="active")
    assert made["id"] not in await trader.result("public/get_combo_ids", currency="BTC", state="inactive")
    assert made["id"] not in await trader.result("public/get_combo_ids", currency="ETH")
    instrument = await trader.result("public/get_instrument", instrument_name=made["id"])
    assert (instrument["instrument_id"], instrument["state"]) == (made["instrument_id"], "open")
    combos = await trader.result("public/get_instruments", currency="BTC", kind="option_combo")
    assert instrument in combos
    assert {i["kind"] for i in combos} == {"option_combo"}


async def test_combos_of_one_environment_are_not_the_others(simulator: Simulator, trader: RawDeribit) -> None:
    low, high = (await calls_of_one_expiry(trader))[5:7]
    made = await trader.result("private/create_combo", trades=[trade(low, 1, "buy"), trade(high, 1, "sell")])
    async with connected(simulator.urls["deribit_live"]) as live:
        assert made["id"] not in await live.result("public/get_combo_ids", currency="any")
        error = await live.error("public/get_combo_details", combo_id=made["id"])
    assert error["data"] == {"reason": "instrument not found", "param": "combo_id"}


async def test_prices_of_combos_are_those_of_their_legs(clock: ManualClock, trader: RawDeribit) -> None:
    low, high = (await calls_of_one_expiry(trader, "ETH"))[8:10]
    spread = (await trader.result("private/create_combo", trades=[trade(high, 1, "sell"), trade(low, 1, "buy")]))["id"]
    ratio = (await trader.result("private/create_combo", trades=[trade(low, 1, "buy"), trade(high, 3, "sell")]))["id"]
    rows = {
        row["instrument_name"]: row
        for row in await trader.result("public/get_book_summary_by_currency", currency="ETH", kind="any")
    }
    marks = rows[low]["mark_price"], rows[high]["mark_price"]
    assert rows[spread]["mark_price"] == pytest.approx(marks[0] - marks[1], abs=2e-6)
    assert rows[ratio]["mark_price"] == pytest.approx(marks[0] - 3 * marks[1], abs=4e-6)
    assert rows[ratio]["mark_price"] < 0
    for combo in await trader.result("public/get_combos", currency="any"):
        name = combo["id"]
        clock.advance(seconds=0.2)  # what the credits of three requests need to come back
        ticker = await trader.result("public/ticker", instrument_name=name)
        book = await trader.result("public/get_order_book", instrument_name=name, depth=10)
        instrument = await trader.result("public/get_instrument", instrument_name=name)
        best = ticker["best_bid_price"], ticker["best_ask_price"]
        assert best == (book["bids"][0][0], book["asks"][0][0])
        assert best[0] < ticker["mark_price"] + instrument["tick_size"]
        assert best[1] > ticker["mark_price"] - instrument["tick_size"]
        assert ticker["min_price"] < best[0] < best[1] < ticker["max_price"]
        assert "open_interest" not in ticker
        for price, amount in book["bids"] + book["asks"]:
            assert price / instrument["tick_size"] == pytest.approx(round(price / instrument["tick_size"]), abs=1e-6)
            assert amount >= instrument["min_trade_amount"]
    assert any(row["bid_price"] < 0 for name, row in rows.items() if name == ratio)


async def test_the_venue_lists_some_by_itself(trader: RawDeribit) -> None:
    names = await trader.result("public/get_combo_ids", currency="any", state="active")
    codes = {name.split("-")[1] for name in names}
    assert {"FS", "STRD", "CS", "PS", "RR"} <= codes
    spread = await trader.result("public/get_combo_details", combo_id=next(n for n in names if n.endswith("_PERP")))
    assert [leg["amount"] for leg in spread["legs"]] == [-1, 1]
    assert spread["legs"][0]["instrument_name"].endswith("-PERPETUAL")


@pytest.mark.parametrize(
    ("trades", "reason", "param"),
    [
        (None, "value required", "trades"),
        ("x", "wrong format", "trades"),
        ([1, 2], "wrong format", "trades"),
        ([], "invalid value", "trades"),
        ([trade("BTC-PERPETUAL", 1, "buy")], "invalid value", "trades"),
        ([trade("BTC-PERPETUAL", 1, "buy"), trade("BTC-PERPETUAL", 1, "sell")], "invalid value", "trades"),
        ([trade("BTC-PERPETUAL", 1, "buy"), trade("ETH-PERPETUAL", 1, "sell")], "invalid value", "trades"),
        ([trade("BTC-PERPETUAL", 1, "up"), trade("ETH-PERPETUAL", 1, "sell")], "invalid value", "direction"),
        ([trade("BTC-PERPETUAL", 0, "buy"), trade("ETH-PERPETUAL", 1, "sell")], "invalid value", "amount"),
        ([trade("BTC-PERPETUAL", True, "buy"), trade("ETH-PERPETUAL", 1, "sell")], "wrong format", "amount"),
        ([trade("BTC-PERPETUAL", "NaN", "buy"), trade("ETH-PERPETUAL", 1, "sell")], "invalid value", "amount"),
        ([trade("BTC-1JAN20", 1, "buy"), trade("ETH-PERPETUAL", 1, "sell")], "instrument not found", "instrument_name"),
        ([trade("nothing", 1, "buy"), trade("ETH-PERPETUAL", 1, "sell")], "wrong format", "instrument_name"),
    ],
)
async def test_what_no_combo_can_be_made_of(trader: RawDeribit, trades: Any, reason: str, param: str) -> None:
    error = await trader.error("private/create_combo", trades=trades)
    assert (error["code"], error["data"]) == (-32602, {"reason": reason, "param": param})


async def test_a_combo_of_combos_is_refused(trader: RawDeribit) -> None:
    combo = (await trader.result("public/get_combo_ids", currency="BTC"))[0]
    error = await trader.error("private/create_combo", trades=[trade(combo, 1, "buy"), trade("BTC_USDC", 1, "sell")])
    assert error["code"] == 10020


async def test_making_a_combo_needs_a_login(simulator: Simulator) -> None:
    async with connected(simulator.urls["deribit_testnet"]) as stranger:
        assert (await stranger.error("private/create_combo", trades=[]))["code"] == 13009
        assert isinstance(await stranger.result("public/get_combos", currency="BTC"), list)


async def test_a_package_price_is_split_over_the_legs(trader: RawDeribit) -> None:
    low, high = (await calls_of_one_expiry(trader))[5:7]
    found = await trader.result(
        "private/get_leg_prices", legs=[trade(high, 0.4, "sell"), trade(low, 0.2, "buy")], price=-0.0123
    )
    assert found["amount"] == 0.2
    sold, bought = found["legs"]
    assert (sold["instrument_name"], sold["direction"], sold["ratio"]) == (high, "sell", 2)
    assert (bought["instrument_name"], bought["direction"], bought["ratio"]) == (low, "buy", 1)
    assert bought["price"] - 2 * sold["price"] == pytest.approx(-0.0123, abs=1e-12)
    assert min(sold["price"], bought["price"]) > 0
    error = await trader.error("private/get_leg_prices", legs=[trade(high, 1, "sell"), trade(low, 1, "buy")])
    assert error["data"] == {"reason": "value required", "param": "price"}


async def test_quiet_combos_are_put_to_rest_where_many_are_active(
    clock: ManualClock, simulator: Simulator, trader: RawDeribit
) -> None:
    calls = await calls_of_one_expiry(trader)
    made = [
        await trader.result("private/create_combo", trades=[trade(low, 1, "buy"), trade(high, 1, "sell")])
        for low, high in zip(calls[:-2], calls[2:], strict=True)
    ]
    clock.advance(seconds=1)
    assert len(await trader.result("public/get_combo_ids", currency="any", state="active")) > 40
    clock.advance(seconds=7_100)
    await trader.log_in(simulator.credentials["deribit_testnet"])
    bought = await trader.result("private/buy", instrument_name=made[0]["id"], amount=0.1, type="market")
    assert bought["order"]["order_state"] == "filled"
    clock.advance(seconds=200)
    await trader.result("private/get_open_orders")
    resting = await trader.result("public/get_combo_ids", currency="BTC", state="inactive")
    assert set(resting) == {combo["id"] for combo in made[1:]}
    name = made[1]["id"]
    assert (await trader.result("public/ticker", instrument_name=name))["state"] == "inactive"
    instrument = await trader.result("public/get_instrument", instrument_name=name)
    assert (instrument["state"], instrument["is_active"]) == ("inactive", False)
    error = await trader.error("private/buy", instrument_name=name, amount=0.1, type="market")
    assert error["code"] == 10012
    # Making it again wakes it.
    legs = [trade(calls[1], 1, "buy"), trade(calls[3], 1, "sell")]
    awake = await trader.result("private/create_combo", trades=legs)
    assert (awake["id"], awake["state"]) == (name, "active")
    assert awake["state_timestamp"] > made[1]["state_timestamp"]
    assert (await trader.result("private/buy", instrument_name=name, amount=0.1, type="market"))["trades"]


async def test_a_combo_ends_with_its_earliest_leg(clock: ManualClock, trader: RawDeribit) -> None:
    futures = await trader.result("public/get_instruments", currency="BTC", kind="future")
    near, far = sorted(futures, key=lambda i: int(i["expiration_timestamp"]))[:2]
    legs = [trade(far["instrument_name"], 10, "buy"), trade(near["instrument_name"], 10, "sell")]
    made = await trader.result("private/create_combo", trades=legs)
    instrument = await trader.result("public/get_instrument", instrument_name=made["id"])
    assert instrument["expiration_timestamp"] == near["expiration_timestamp"]
    clock.advance(seconds=(near["expiration_timestamp"] - clock.now_ms()) / 1_000 + 1)
    ended = await trader.result("public/get_combo_details", combo_id=made["id"])
    assert ended == made | {"state": "inactive", "state_timestamp": near["expiration_timestamp"]}
    assert made["id"] not in await trader.result("public/get_combo_ids", currency="BTC")
    error = await trader.error("public/ticker", instrument_name=made["id"])
    assert error["data"]["reason"] == "instrument not found"
