"""Analytics of a constructed chain through the running daemon: right by scipy and QuantLib, cheap, and strict.

The chain holds an option without volatility, one that nobody bids for, and one whose book is crossed.
"""

from collections.abc import Iterator
from math import log
from typing import Any

import anyio
import orjson
import pytest
from scipy.stats import norm

from cerberod.errors import Code
from tests.support.chains import Oracle, build
from tests.support.client import Refused, connected
from tests.support.served import Served, served
from tests.support.simulator import TESTNET

SUMMARY = "public/get_book_summary_by_currency"
ROWS = build()
CALL, PUT = "BTC-25SEP26-80000-C", "BTC-25SEP26-72000-P"
CROSSED, UNBID, WITHOUT_IV = (ROWS[place]["instrument_name"] for place in (-2, -1, 0))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("chain")
    file = folder / "chain.json"
    file.write_bytes(orjson.dumps({"jsonrpc": "2.0", "result": ROWS, "testnet": False}))
    with served(folder, file) as running:
        yield running


@pytest.fixture(scope="module")
def btc() -> Oracle:
    return Oracle(ROWS)


async def ask(world: Served, name: str, **params: Any) -> dict[str, Any]:
    async with connected(world.daemon) as client:
        return await client.call(f"deribit.{name}", params)


async def refused(world: Served, name: str, **params: Any) -> dict[str, str]:
    """Call with what is to be refused, and return the problem."""
    async with connected(world.daemon) as client:
        with pytest.raises(Refused) as refusal:
            await client.call(f"deribit.{name}", params, bad=True)
    assert refusal.value.code is Code.INVALID_PARAMS
    problem: dict[str, str] = refusal.value.data["problems"][0]
    return problem


def leg(name: str, side: str = "buy", amount: str = "1", **more: str) -> dict[str, str]:
    return {"instrument_name": name, "side": side, "amount": amount, **more}


BTC = {"currency": "BTC"}
COSTS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "get_term_structure": (BTC, {SUMMARY: 1}),
    "get_skew_25d": (BTC, {SUMMARY: 1}),
    "get_smile_asymmetry": (BTC, {SUMMARY: 1}),
    "get_atm_vs_wings_vol": (BTC, {SUMMARY: 1}),
    "get_oi_weighted_skew": (BTC, {SUMMARY: 1}),
    "get_vol_surface": (BTC, {SUMMARY: 1}),
    "get_expected_move": (BTC, {SUMMARY: 1}),
    "get_option_chain": (BTC, {SUMMARY: 1}),
    "get_pc_ratio": (BTC, {SUMMARY: 1}),
    "get_gex": (BTC, {SUMMARY: 1}),
    "get_dealer_gamma_profile": (BTC, {SUMMARY: 1}),
    "get_vanna_charm": (BTC, {SUMMARY: 1}),
    "get_max_pain": (BTC, {SUMMARY: 1}),
    "get_open_interest": (BTC, {SUMMARY: 1}),
    "find_by_delta": ({**BTC, "type": "put", "delta": 0.25}, {SUMMARY: 1}),
    "get_dvol": (BTC, {"public/get_volatility_index_data": 1}),
    "get_iv_rank": (BTC, {"public/get_volatility_index_data": 1}),
    "get_vol_cone": (BTC, {"public/get_tradingview_chart_data": 1, SUMMARY: 1}),
    "get_orderbook_imbalance": ({"instrument_name": "BTC-PERPETUAL"}, {"public/get_order_book": 1}),
}


@pytest.mark.parametrize("name", COSTS)
async def test_an_analytic_costs_the_venue_at_most_two_requests(world: Served, name: str) -> None:
    params, cost = COSTS[name]
    before = world.received()
    await ask(world, name, **params)
    assert world.received() - before == cost
    assert sum(cost.values()) <= 2


async def test_a_payoff_asks_for_unknown_instruments_once(world: Served) -> None:
    listed = (await ask(world, "get_option_chain", currency="ETH", type="call"))["options"]  # nothing else here asks of
    options = [leg(each["instrument_name"], "sell") for each in listed[-2:]]  # ETH's instruments
    spread = {"legs": [*options, leg("ETH-PERPETUAL", "buy", "1000")], "pricing": "mark"}
    before = world.received()
    await ask(world, "calculate_spread_payoff", **spread)
    assert world.received() - before == {SUMMARY: 1, "public/get_instruments": 1}
    before = world.received()
    await ask(world, "calculate_spread_payoff", **spread, fees="none")
    assert world.received() - before == {SUMMARY: 1}


async def test_equal_questions_in_flight_share_one_request(world: Served) -> None:
    before = world.received()
    found: list[dict[str, Any]] = []
    world.simulator.fault(verb="answer_late", environment=TESTNET, method=SUMMARY, times=1)
    async with connected(world.daemon) as client, anyio.create_task_group() as group:

        async def one(name: str) -> None:
            found.append(await client.call(name, BTC))

        for name in ("deribit.get_gex", "deribit.get_pc_ratio", "deribit.get_term_structure") * 2:
            group.start_soon(one, name)
        await anyio.wait_all_tasks_blocked()
        await client.call("session.ping")  # those before it have begun
        world.release()
    assert len(found) == 6
    assert world.received() - before == {SUMMARY: 1}


async def test_a_chain_tells_what_it_was_made_of(world: Served) -> None:
    gex = await ask(world, "get_gex", currency="BTC")
    assert gex["as_of"] == "2026-08-22T03:50:45.199000Z"
    assert (gex["currency"], gex["settlement"], gex["spot"]) == ("BTC", "inverse", 80_000.0)
    assert (gex["options_used"], gex["options_dropped"]) == (71, [{"reason": "no_volatility", "count": 1}])
    assert [(each["expiry"], each["source"], each["options"]) for each in gex["forwards"]] == [
        ("23AUG26", "synthetic", 17),
        ("28AUG26", "future", 18),
        ("25SEP26", "future", 18),
        ("25DEC26", "future", 18),
    ]
    assert gex["forwards"][2]["forward"] == 80_320.0
    assert gex["forwards"][2]["days"] == pytest.approx(34.17308797)
    everything = await ask(world, "get_open_interest", currency="BTC")
    assert (everything["options_used"], everything["options_dropped"]) == (72, [])


async def test_exposures(world: Served, btc: Oracle) -> None:
    calls, puts = btc.gex()
    gex = await ask(world, "get_gex", currency="BTC")
    assert (gex["call_gex"], gex["put_gex"]) == pytest.approx((calls, -puts))
    for dealers, expected in {
        "short_calls_long_puts": puts - calls,
        "long_all": calls + puts,
        "short_all": -calls - puts,
    }.items():
        other = await ask(world, "get_gex", currency="BTC", dealers=dealers)
        assert (other["dealers"], other["net_gex"]) == (dealers, pytest.approx(expected))
    profile = await ask(world, "get_dealer_gamma_profile", currency="BTC")
    assert profile["net"] == pytest.approx([btc.net_gex_at(level) for level in profile["spot_levels"]], abs=1)
    assert profile["flip"] == pytest.approx(btc.flip(profile["flip"], 400.0), abs=1.0)
    drift = await ask(world, "get_vanna_charm", currency="BTC")
    bumped = {name: _delta_usd(btc, **bump) for name, bump in {"vol": {"points": 0.01}, "day": {"days": 0.001}}.items()}
    now = _delta_usd(btc)
    assert drift["vanna"] == pytest.approx((bumped["vol"] - now) / 0.01, rel=1e-3)
    assert drift["charm"] == pytest.approx((bumped["day"] - now) / 0.001, rel=1e-3)


def _delta_usd(chain: Oracle, points: float = 0.0, days: float = 0.0) -> float:
    """Return dealers' delta in USD, with volatilities raised and time gone by."""
    total = 0.0
    for x in chain.lines:
        deviation = (x.volatility + points / 100) * (x.years - days / 365) ** 0.5
        d1 = log(x.forward / x.strike) / deviation + deviation / 2
        delta = norm.cdf(d1) if x.call else norm.cdf(d1) - 1
        total += (1 if x.call else -1) * float(delta) * x.open_interest * x.forward
    return total


async def test_positions(world: Served, btc: Oracle) -> None:
    ratios = await ask(world, "get_pc_ratio", currency="BTC")
    assert ratios["all"]["open_interest_ratio"] == pytest.approx(btc.ratio("open_interest"))
    assert ratios["all"]["volume_ratio"] == pytest.approx(btc.ratio("volume"))
    pain = await ask(world, "get_max_pain", currency="BTC", curve=True)
    for each in pain["by_expiry"]:
        assert (each["max_pain"], each["payout_at_max_pain"]) == pytest.approx(btc.pain(each["expiry"]))
        assert min(each["payouts"]) == each["payout_at_max_pain"]
    opened = await ask(world, "get_open_interest", currency="BTC", expiry="28AUG26", moneyness=[0.9, 1.1])
    here = [x for x in btc.open if x.expiry == "28AUG26"]
    assert opened["call_open_interest"] == pytest.approx(sum(x.open_interest for x in here if x.call))
    low, middle, high = opened["by_moneyness"]
    assert (low["low"], low["high"], high["low"], high["high"]) == (None, 0.9, 1.1, None)
    below = [x for x in here if x.strike / x.forward < 0.9]
    assert low["put_open_interest"] == pytest.approx(sum(x.open_interest for x in below if not x.call))
    assert low["in_the_money"] == pytest.approx(sum(x.open_interest for x in below if x.call))
    assert middle["call_open_interest"] + middle["put_open_interest"] > 0


async def test_smiles(world: Served, btc: Oracle) -> None:
    skew = await ask(world, "get_skew_25d", currency="BTC")
    for each in skew["by_expiry"]:
        call, put = btc.at_call_delta(each["expiry"], 0.25), btc.at_call_delta(each["expiry"], 0.75)
        assert each["risk_reversal_points"] == pytest.approx(100 * (call - put))
        assert each["butterfly_points"] == pytest.approx(100 * ((call + put) / 2 - btc.atm(each["expiry"])))
    near, far = skew["by_expiry"][1:3]
    assert near["days"] < skew["tenor"]["days"] == 30 < far["days"]
    atm = _between(near["days"], near["atm_iv_pct"], far["days"], far["atm_iv_pct"], 30)
    assert skew["tenor"]["atm_iv_pct"] == pytest.approx(atm)
    wings = await ask(world, "get_atm_vs_wings_vol", currency="BTC", delta=0.15)
    *reached, last = wings["by_expiry"]
    # The farthest expiry lists no strike with so small a call delta: nothing is made up.
    assert (last["call_wing_iv_pct"], last["ratio"], last["reason"]) == (None, None, "outside_strikes")
    for each in reached:
        call, atm = btc.at_call_delta(each["expiry"], 0.15), btc.atm(each["expiry"])
        assert each["call_minus_atm_points"] == pytest.approx(100 * (call - atm))
    term = await ask(world, "get_term_structure", currency="BTC", tenors_days=[0.5, 30])
    assert [each["atm_iv_pct"] for each in term["by_expiry"]] == pytest.approx(
        [100 * btc.atm(each["expiry"]) for each in term["by_expiry"]]
    )
    assert term["tenors"][0] == {"days": 0.5, "iv_pct": None, "reason": "outside_expiries"}
    assert term["tenors"][1]["iv_pct"] == pytest.approx(skew["tenor"]["atm_iv_pct"])
    assert term["shape"] == "backwardation"
    weighted = (await ask(world, "get_oi_weighted_skew", currency="BTC"))["all"]
    out = [x for x in btc.lines if (x.strike > x.forward if x.call else x.strike < x.forward)]
    means = [
        sum(x.open_interest * x.volatility for x in out if x.call == side)
        / sum(x.open_interest for x in out if x.call == side)
        for side in (False, True)
    ]
    assert weighted["skew_points"] == pytest.approx(100 * (means[0] - means[1]))
    turned = await ask(world, "get_oi_weighted_skew", currency="BTC", convention="call_minus_put")
    assert turned["all"]["skew_points"] == -weighted["skew_points"]


def _between(t1: float, v1: float, t2: float, v2: float, at: float) -> float:
    """Volatility at a time between two others, by total variance."""
    return float(((v1**2 * t1 + (v2**2 * t2 - v1**2 * t1) * (at - t1) / (t2 - t1)) / at) ** 0.5)


async def test_an_option_is_found_by_its_delta(world: Served, btc: Oracle) -> None:
    found = await ask(
        world, "find_by_delta", currency="BTC", type="put", delta=-0.25, min_days=20, max_days=60, count=3
    )
    assert found["target_delta"] == -0.25
    assert [each["expiry"] for each in found["options"]] == ["25SEP26"] * 3
    misses = [abs(each["off_target"]) for each in found["options"]]
    assert misses == sorted(misses)
    assert found["best"] == found["options"][0]
    chain = await ask(world, "get_option_chain", currency="BTC", expiry="25SEP26", type="put")
    nearest = min(chain["options"], key=lambda each: abs(each["delta"] + 0.25))
    assert found["best"]["instrument_name"] == nearest["instrument_name"]
    fussy = await ask(world, "find_by_delta", currency="BTC", type="call", delta=0.01, expiry="25DEC26", two_sided=True)
    assert CROSSED not in {each["instrument_name"] for each in fussy["options"]}
    assert {"reason": "crossed", "count": 1} in fussy["passed_over"]
    nothing = await ask(world, "find_by_delta", currency="BTC", type="call", delta=0.5, min_open_interest=1e9)
    assert (nothing["best"], nothing["options"]) == (None, [])


@pytest.mark.parametrize(
    ("window", "field"),
    [({"min_days": 3000}, "min_days"), ({"max_days": 0.001}, "max_days"), ({"min_days": 95, "max_days": 96}, None)],
)
async def test_the_nearest_window_that_is_told_would_pass(
    world: Served, window: dict[str, float], field: str | None
) -> None:
    asked = {"currency": "BTC", "type": "call", "delta": 0.25} | window
    problem = await refused(world, "find_by_delta", **asked)
    assert problem["rule"] == "a window with a listed expiry in it"
    assert field in (None, problem["field"])
    found = await ask(world, "find_by_delta", **asked | {problem["field"]: float(problem["nearest"])})
    assert len({each["expiry"] for each in found["options"]}) == 1


async def test_a_spread_is_paid_in_coin(world: Served) -> None:
    rows = {row["instrument_name"]: row for row in ROWS}
    legs = [leg(CALL, amount="2"), leg(PUT, "sell", "2")]
    found = await ask(world, "calculate_spread_payoff", legs=legs, pricing="cross", delivery_fees=False, levels=2)
    paid = rows[CALL]["ask_price"], rows[PUT]["bid_price"]
    assert [(each["price"], each["price_source"]) for each in found["legs"]] == [(paid[0], "ask"), (paid[1], "bid")]
    fees = [2 * min(0.0003, 0.125 * price) for price in paid]
    assert [each["fee"] for each in found["legs"]] == pytest.approx(fees)
    assert found["net_premium"] == pytest.approx(2 * (paid[0] - paid[1]))
    expiry = found["payoff"]["at_expiry"]
    for level, coin, usd in zip(found["payoff"]["levels"], expiry["profit_coin"], expiry["profit_quote"], strict=True):
        intrinsic = 2 * (max(level - 80_000, 0) - max(72_000 - level, 0)) / level
        assert coin == pytest.approx(intrinsic - 2 * (paid[0] - paid[1]) - sum(fees))
        assert usd == pytest.approx(coin * level)
    mark = await ask(world, "calculate_spread_payoff", legs=[leg(CROSSED)], pricing="mark", fees="none")
    assert (mark["legs"][0]["price"], mark["total_fees"]) == (rows[CROSSED]["mark_price"], 0)
    given = await ask(world, "calculate_spread_payoff", legs=[leg(CROSSED, price="0.01")])
    assert (given["legs"][0]["price"], given["legs"][0]["price_source"]) == (0.01, "given")


async def test_a_linear_spread_is_paid_in_usdc(world: Served) -> None:
    chain = await ask(world, "get_option_chain", currency="USDC", base="SOL", type="call")
    assert (chain["settlement"], chain["price_currency"]) == ("linear", "USDC")
    quoted = [each for each in chain["options"] if each["bid_price"] and each["ask_price"] > each["bid_price"]]
    option = min(quoted, key=lambda each: abs(each["delta"] - 0.5))
    assert option["price_quote"] == pytest.approx(option["mark_price"], rel=0.02)
    legs = [leg(option["instrument_name"], amount="10"), leg("SOL_USDC-PERPETUAL", "sell", "5")]
    found = await ask(world, "calculate_spread_payoff", legs=legs, pricing="mid", levels=2, delivery_fees=False)
    first, second = found["legs"]
    mid = (first["bid_price"] + first["ask_price"]) / 2
    assert (first["price"], found["settlement"], found["currency"]) == (pytest.approx(mid), "linear", "USDC")
    assert first["fee"] == pytest.approx(10 * min(0.0005 * found["spot"], 0.125 * mid))
    assert second["fee"] == pytest.approx(5 * second["price"] * 0.0005)
    assert found["payoff"]["at_expiry"]["max_loss_quote"]["unbounded"] is False
    wrong = await refused(world, "calculate_spread_payoff", legs=[leg(option["instrument_name"], amount="15")])
    assert (wrong["field"], wrong["nearest"]) == ("legs.0.amount", "20")


REFUSED: dict[str, tuple[str, dict[str, Any], str, str | None]] = {
    "currency": ("get_gex", {"currency": "DOGE"}, "currency", None),
    "base": ("get_gex", {"currency": "USDC"}, "base", None),
    "base of coin": ("get_gex", {"currency": "BTC", "base": "ETH"}, "base", None),
    "expiry": ("get_gex", {"currency": "BTC", "expiry": "26SEP26"}, "expiry", "25SEP26"),
    "expired": ("get_max_pain", {"currency": "BTC", "expiry": "21AUG26"}, "expiry", "23AUG26"),
    "no date": ("get_gex", {"currency": "BTC", "expiry": "32SEP26"}, "expiry", None),
    "delta": ("find_by_delta", {"currency": "BTC", "type": "call", "delta": 1.0}, "delta", None),
    "call below zero": ("find_by_delta", {"currency": "BTC", "type": "call", "delta": -0.2}, "delta", None),
    "skew delta": ("get_skew_25d", {"currency": "BTC", "delta": 0.6}, "delta", None),
    "slope": ("get_term_structure", {"currency": "BTC", "slope_to_days": 10}, "slope_to_days", None),
    "grid": ("get_dealer_gamma_profile", {"currency": "BTC", "low": 2.0}, "low", None),
    "no legs": ("calculate_spread_payoff", {"legs": []}, "legs", None),
    "underlyings": (
        "calculate_spread_payoff",
        {"legs": [leg(CALL), leg("ETH-25SEP26-2500-C")]},
        "legs.1.instrument_name",
        None,
    ),
    "combo": ("calculate_spread_payoff", {"legs": [leg("BTC-CS-25SEP26-80000_84000")]}, "legs.0.instrument_name", None),
    "unlisted": (
        "calculate_spread_payoff",
        {"legs": [leg("BTC-24SEP26-80001-C")]},
        "legs.0.instrument_name",
        "BTC-25SEP26-80000-C",
    ),
    "amount": ("calculate_spread_payoff", {"legs": [leg(CALL, amount="0.25")]}, "legs.0.amount", "0.2"),
    "crossed": ("calculate_spread_payoff", {"legs": [leg(CROSSED)]}, "legs.0.instrument_name", None),
    "empty": ("calculate_spread_payoff", {"legs": [leg(UNBID)]}, "legs.0.instrument_name", None),
    "no bid": (
        "calculate_spread_payoff",
        {"legs": [leg(UNBID, "sell")], "pricing": "cross"},
        "legs.0.instrument_name",
        None,
    ),
    "no volatility": (
        "calculate_spread_payoff",
        {"legs": [leg(WITHOUT_IV)], "pricing": "mark"},
        "legs.0.instrument_name",
        None,
    ),
    "empty book": ("get_orderbook_imbalance", {"instrument_name": UNBID}, "instrument_name", None),
    "parameter": (
        "get_indicators",
        {"instrument_name": "BTC-PERPETUAL", "resolution": "60", "indicators": [{"name": "rsi", "fast": 3}]},
        "indicators.0.fast",
        None,
    ),
    "too many bars": (
        "get_indicators",
        {
            "instrument_name": "BTC-PERPETUAL",
            "resolution": "60",
            "bars": 1000,
            "indicators": [{"name": "sma", "period": 900}],
        },
        "bars",
        None,
    ),
    "too long": (
        "get_realized_vol",
        {"currency": "BTC", "resolution": "60", "window_days": 365},
        "window_days",
        "208",
    ),
}
SENT_NOTHING = {
    "currency",
    "base",
    "base of coin",
    "no date",
    "delta",
    "call below zero",
    "skew delta",
    "no legs",
    "underlyings",
    "combo",
    "parameter",
    "too many bars",
    "too long",
}
"""What the params alone show is refused before anything is asked of the venue."""


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_told_is_refused_with_its_rule(world: Served, case: str) -> None:
    name, params, field, nearest = REFUSED[case]
    before = world.received()
    problem = await refused(world, name, **params)
    assert problem["field"] == field
    assert problem["rule"]
    if nearest is not None:
        assert problem["nearest"] == nearest
    sent = world.received() - before
    assert sum(sent.values()) <= (0 if case in SENT_NOTHING else 2)


async def test_a_base_that_is_not_listed_is_told_with_those_that_are(world: Served) -> None:
    problem = await refused(world, "get_gex", currency="USDC", base="SOLX")
    assert (problem["field"], problem["nearest"]) == ("base", "SOL")


@pytest.mark.parametrize(
    ("venue_code", "asked"),
    [(11050, 1), (10041, 3)],  # a bad request is not asked again; what passes is, twice
)
async def test_a_venue_that_refuses_is_told_as_such(world: Served, venue_code: int, asked: int) -> None:
    before = world.received()
    world.simulator.fault(verb="error", code=venue_code, environment=TESTNET, method=SUMMARY, times=asked)
    async with connected(world.daemon) as client:
        with pytest.raises(Refused) as refused:
            await client.call("deribit.get_gex", BTC)
    assert (refused.value.code, refused.value.data["venue_code"]) == (Code.VENUE_REFUSED, str(venue_code))
    assert world.received() - before == {SUMMARY: asked}
    assert (await ask(world, "get_gex", currency="BTC"))["options_used"] == 71
