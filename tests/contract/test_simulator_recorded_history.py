"""The simulated Deribit's series, trades, combos and spot pairs beside recorded and documented answers."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.raw_deribit import Json, RawDeribit
from tests.contract.shapes import differences, load, same, shape
from tests.support.clock import ManualClock

pytestmark = pytest.mark.recorded

MINUTE_MS = 60_000
DAY_MS = 86_400_000


async def test_volatility_index(recorded: Path, clock: ManualClock, trader: RawDeribit) -> None:
    theirs = load(recorded, "volatility_index_ETH_60s_mainnet_20261006.json")
    window = {"start_timestamp": clock.now_ms() - 10 * MINUTE_MS, "end_timestamp": clock.now_ms()}
    ours = await trader.call("public/get_volatility_index_data", currency="ETH", resolution="60", **window)
    same(ours | {"id": 1}, theirs | {"id": 1})
    assert len(ours["result"]["data"]) in (10, 11)
    # Vol points with two decimals that move about as slowly as the real index does.
    closes = [row[4] for row in ours["result"]["data"]]
    assert all(value == round(value, 2) for value in closes)
    assert max(closes) - min(closes) < 1.0


async def test_combos_and_their_instruments(recorded: Path, trader: RawDeribit) -> None:
    theirs = load(recorded, "combos_BTC_testnet_20260519.json")
    same(await trader.call("public/get_combos", currency="BTC"), theirs["public/get_combos"] | {"id": 1})
    fixed = (
        "tick_size",
        "tick_size_steps",
        "contract_size",
        "min_trade_amount",
        "maker_commission",
        "taker_commission",
    )
    for kind in ("option_combo", "future_combo"):
        answer = theirs[f"public/get_instruments kind={kind}"]
        ours = await trader.call("public/get_instruments", currency="BTC", kind=kind)
        same(ours, answer | {"id": 1})
        for row in ours["result"]:
            assert {k: row[k] for k in fixed} == {k: answer["result"][0][k] for k in fixed}


async def test_canonical_signs_are_the_recorded_ones(recorded: Path, trader: RawDeribit) -> None:
    """Each recorded package, moved to strikes that are listed here, comes back with its signs and its order of legs."""
    listed = await trader.result("public/get_instruments", currency="BTC", kind="option")
    last = max(i["expiration_timestamp"] for i in listed)
    strikes = sorted({i["strike"] for i in listed if i["expiration_timestamp"] == last})
    code = next(i["instrument_name"].split("-")[1] for i in listed if i["expiration_timestamp"] == last)
    checked = 0
    for combo in load(recorded, "combos_BTC_testnet_20260519.json")["public/get_combos"]["result"]:
        names = [leg["instrument_name"].split("-") for leg in combo["legs"]]
        if len(names[0]) != 4:
            continue
        ranks = sorted({float(parts[2]) for parts in names})
        here = [f"BTC-{code}-{int(strikes[3 + ranks.index(float(parts[2]))])}-{parts[3]}" for parts in names]
        trades = [
            {"instrument_name": name, "amount": 1, "direction": "sell" if leg["amount"] > 0 else "buy"}
            for name, leg in zip(here, combo["legs"], strict=True)
        ]
        ours = await trader.result("private/create_combo", trades=trades)
        assert [leg["instrument_name"] for leg in ours["legs"]] == here
        assert [leg["amount"] for leg in ours["legs"]] == [leg["amount"] for leg in combo["legs"]]
        assert ours["id"].split("-")[1] == combo["id"].split("-")[1]
        checked += 1
    assert checked >= 4


async def test_summaries_of_combos_and_of_usdc_options(recorded: Path, trader: RawDeribit) -> None:
    theirs = load(recorded, "book_summary_combos_and_mixed_options_mainnet_20250117.json")
    for kind in ("option_combo", "future_combo"):
        ours = await trader.result("public/get_book_summary_by_currency", currency="BTC", kind=kind)
        for row in theirs[kind]:
            same(ours[0], row)
    linear = next(row for row in theirs["option"] if "_USDC-" in row["instrument_name"])
    ours = await trader.result("public/get_book_summary_by_currency", currency="USDC", kind="option")
    same(ours[0], linear)
    assert ours[0]["underlying_index"].partition(".")[0] == linear["underlying_index"].partition(".")[0]


async def test_trades_of_combos_and_of_their_legs(recorded: Path, trader: RawDeribit) -> None:
    theirs = load(recorded, "trades_combo_testnet_20260518.json")
    for kind, key in (("option_combo", "option_combo"), ("future_combo", "future_combo")):
        name = (await trader.result("public/get_instruments", currency="BTC", kind=kind))[0]["instrument_name"]
        amount = 0.1 if kind == "option_combo" else 10
        await trader.result("private/buy", instrument_name=name, amount=amount, type="market")
        ours = await trader.call("public/get_last_trades_by_instrument", instrument_name=name)
        recorded_answer = next(v for k, v in theirs.items() if k.endswith(key) and "get_last_trades" in k)
        same(ours, recorded_answer | {"id": 1})
        leg = ours["result"]["trades"][0]["legs"][0]["instrument_name"]
        of_leg = await trader.result("public/get_last_trades_by_instrument", instrument_name=leg, count=1)
        tagged: Json = recorded_answer["result"]["trades"][0]["legs"][0]
        same(of_leg["trades"][0], tagged)


async def test_spot_pairs(recorded: Path, trader: RawDeribit) -> None:
    """The recording went through a client that wrote its numbers as text, so only the keys are compared."""
    theirs = load(recorded, "spot_BTC_USDT_mainnet_20240313_ccxt.json")
    ticker = await trader.result("public/ticker", instrument_name="BTC_USDT")
    assert keys(ticker) == keys(theirs["public/ticker"]["result"])
    page = await trader.result("public/get_last_trades_by_instrument", instrument_name="BTC_USDT")
    recorded_trade = theirs["public/get_last_trades_by_instrument"]["result"]["trades"][0]
    assert keys(page["trades"][0]) == keys(recorded_trade)
    assert page["trades"][0]["trade_id"].partition("-")[0] == recorded_trade["trade_id"].partition("-")[0]


def keys(value: object) -> object:
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


# The older manual's samples are of a perpetual, and from before trades told their contracts.
_SINCE_2025 = frozenset({".trades[].contracts is only ours", ".trades[].iv is only ours"})
DOCUMENTED: dict[str, tuple[Json, frozenset[str]]] = {
    # method: (our parameters, differences that have a reason)
    "public/get_funding_rate_history": ({"instrument_name": "BTC-PERPETUAL"}, frozenset()),
    "public/get_funding_rate_value": ({"instrument_name": "BTC-PERPETUAL"}, frozenset()),
    "public/get_funding_chart_data": ({"instrument_name": "BTC-PERPETUAL", "length": "24h"}, frozenset()),
    "public/get_historical_volatility": ({"currency": "ETH"}, frozenset()),
    "public/get_index_chart_data": ({"index_name": "eth_usd", "range": "1h"}, frozenset()),
    "public/get_delivery_prices": ({"index_name": "eth_usd"}, frozenset()),
    # The sample is of a dated future; a perpetual's row tells its funding besides.
    "public/get_last_settlements_by_currency": (
        {"currency": "ETH"},
        frozenset({".settlements[].funding is only ours"}),
    ),
    "public/get_last_settlements_by_instrument": ({"instrument_name": "BTC-25DEC26"}, frozenset()),
    "public/get_last_trades_by_currency": ({"currency": "BTC", "kind": "option"}, _SINCE_2025),
    "public/get_last_trades_by_currency_and_time": ({"currency": "BTC", "kind": "option"}, _SINCE_2025),
    "public/get_combos": ({"currency": "BTC"}, frozenset()),
    "public/get_combo_ids": ({"currency": "BTC"}, frozenset()),
    "public/get_currencies": ({}, frozenset()),
    "public/get_trade_volumes": ({}, frozenset()),
    "public/get_supported_index_names": ({}, frozenset()),
}


@pytest.mark.parametrize("method", DOCUMENTED)
async def test_documented_answers(recorded: Path, clock: ManualClock, trader: RawDeribit, method: str) -> None:
    params, known = DOCUMENTED[method]
    window: Json = {"start_timestamp": clock.now_ms() - DAY_MS, "end_timestamp": clock.now_ms()}
    if "funding_rate" in method or method.endswith("_and_time"):
        params = params | window
    samples: list[Any] = []
    for name in ("doc_examples_methods.json", "doc_examples_methods_2025.json"):
        sample = load(recorded, name).get(method)
        if sample is not None:
            samples.append(sample.get("response", sample)["result"])
    assert samples
    ours = await trader.result(method, **params)
    for theirs in samples:
        assert set(differences(shape(ours), shape(theirs))) <= known


async def test_documented_combo_calls(recorded: Path, trader: RawDeribit) -> None:
    samples = load(recorded, "doc_examples_methods.json")
    listed = await trader.result("public/get_instruments", currency="BTC", kind="option")
    call = next(i for i in listed if i["option_type"] == "call")["instrument_name"]
    trades = [
        {"instrument_name": call, "amount": "1", "direction": "buy"},
        {"instrument_name": call[:-1] + "P", "amount": "1", "direction": "sell"},
    ]
    made = await trader.result("private/create_combo", trades=trades)
    theirs = samples["private/create_combo"]["response"]["result"]
    same(made, theirs)
    assert [leg["amount"] for leg in made["legs"]] == [leg["amount"] for leg in theirs["legs"]]
    assert made["id"].split("-")[1] == theirs["id"].split("-")[1]
    same(
        await trader.result("public/get_combo_details", combo_id=made["id"]),
        samples["public/get_combo_details"]["response"]["result"],
    )
    legs = [leg | {"amount": 2} for leg in trades]
    split = await trader.result("private/get_leg_prices", legs=legs, price=0.6)
    same(split, samples["private/get_leg_prices"]["response"]["result"])
    assert (split["amount"], [leg["ratio"] for leg in split["legs"]]) == (2.0, [1, 1])
    assert split["legs"][0]["price"] - split["legs"][1]["price"] == pytest.approx(0.6)
