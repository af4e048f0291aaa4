"""Analytics of recorded chains through the running daemon.

The BTC chain must give the numbers published for it; the ETH chain those that scipy and QuantLib give without our code.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import QuantLib as ql

from tests.conftest import RECORDED
from tests.support.chains import Oracle
from tests.support.client import connected
from tests.support.served import Served, served

pytestmark = pytest.mark.recorded
FOLDER = RECORDED / "deribit"
CHAINS = {coin: FOLDER / f"book_summary_option_{coin}_mainnet_20260822.json" for coin in ("BTC", "ETH")}
COUNTS = {"BTC": 1078, "ETH": 984}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("recorded"), *CHAINS.values()) as running:
        yield running


@pytest.fixture(scope="module")
def eth() -> Oracle:
    return Oracle(orjson.loads(CHAINS["ETH"].read_bytes())["result"])


async def ask(world: Served, name: str, **params: Any) -> dict[str, Any]:
    """Call a method, which must cost the venue one book summary and nothing else; return its result."""
    before = world.received()
    async with connected(world.daemon) as client:
        found = await client.call(f"deribit.{name}", params)
    assert world.received() - before == {"public/get_book_summary_by_currency": 1}
    assert found["as_of"] == "2026-08-22T03:50:45.199000Z"
    if "expiry" not in params:
        assert (found["options_used"], found["options_dropped"]) == (COUNTS[params["currency"]], [])
    return found


def of(found: dict[str, Any], expiry: str) -> dict[str, Any]:
    return next(each for each in found["by_expiry"] if each["expiry"] == expiry)


async def test_gamma_exposure_of_btc(world: Served) -> None:
    gex = await ask(world, "get_gex", currency="BTC")
    assert gex["spot"] == 78_617.31
    assert gex["call_gex"] == pytest.approx(353_801_910, abs=1)
    assert gex["put_gex"] == pytest.approx(-96_669_708, abs=1)
    assert gex["net_gex"] == pytest.approx(257_132_202, abs=1)
    assert sum(each["net_gex"] for each in gex["by_strike"]) == pytest.approx(gex["net_gex"])
    assert sum(each["net_gex"] for each in gex["by_expiry"]) == pytest.approx(gex["net_gex"])
    opposite = await ask(world, "get_gex", currency="BTC", dealers="short_calls_long_puts")
    assert opposite["net_gex"] == -gex["net_gex"]
    profile = await ask(world, "get_dealer_gamma_profile", currency="BTC")
    assert profile["flip"] == pytest.approx(63_074.6, abs=0.05)
    assert profile["net_gex"] == pytest.approx(257_132_202, abs=1)
    assert len(profile["spot_levels"]) == 401


async def test_positions_of_btc(world: Served) -> None:
    ratios = (await ask(world, "get_pc_ratio", currency="BTC"))["all"]
    assert ratios["put_open_interest"] == pytest.approx(148_600.9)
    assert ratios["call_open_interest"] == pytest.approx(250_534.4)
    assert ratios["open_interest_ratio"] == pytest.approx(0.5931, abs=5e-5)
    assert ratios["put_volume"] == pytest.approx(34_952.4)
    assert ratios["call_volume"] == pytest.approx(44_960.0)
    assert ratios["volume_ratio"] == pytest.approx(0.7774, abs=5e-5)
    pain = await ask(world, "get_max_pain", currency="BTC")
    assert of(pain, "28AUG26")["max_pain"] == 66_000
    opened = await ask(world, "get_open_interest", currency="BTC")
    for part in ("by_expiry", "by_strike", "by_moneyness"):
        assert sum(each["put_open_interest"] for each in opened[part]) == pytest.approx(148_600.9)
        assert sum(each["call_open_interest"] for each in opened[part]) == pytest.approx(250_534.4)


async def test_skew_of_btc(world: Served) -> None:
    skew = await ask(world, "get_skew_25d", currency="BTC")
    assert skew["sign"] == "call_minus_put"
    september, december = of(skew, "25SEP26"), of(skew, "25DEC26")
    assert next(each for each in skew["forwards"] if each["expiry"] == "25SEP26")["forward"] == 78_899.98
    assert september["atm_iv_pct"] == pytest.approx(41.07, abs=0.005)
    assert september["call_iv_pct"] == pytest.approx(42.91, abs=0.005)
    assert september["put_iv_pct"] == pytest.approx(42.29, abs=0.005)
    assert september["risk_reversal_points"] == pytest.approx(0.62, abs=0.005)
    assert september["butterfly_points"] == pytest.approx(1.53, abs=0.005)
    assert december["atm_iv_pct"] == pytest.approx(42.63, abs=0.005)
    assert december["risk_reversal_points"] == pytest.approx(-1.28, abs=0.005)
    equity = of(await ask(world, "get_skew_25d", currency="BTC", convention="put_minus_call"), "25DEC26")
    assert equity["risk_reversal_points"] == -december["risk_reversal_points"]


async def test_greeks_of_btc(world: Served) -> None:
    chain = await ask(world, "get_option_chain", currency="BTC", expiry="25SEP26")
    option = next(each for each in chain["options"] if each["instrument_name"] == "BTC-25SEP26-80000-C")
    assert option["mark_iv_pct"] == 41.21
    assert option["days"] == pytest.approx(34.1731, abs=5e-5)
    assert option["price_quote"] == pytest.approx(3_468.071, abs=5e-4)
    assert option["price_quote"] / option["forward"] == pytest.approx(0.04395528, abs=5e-9)
    assert option["delta"] == pytest.approx(0.481354, abs=5e-7)
    assert option["vega"] == pytest.approx(96.2073, abs=5e-5)
    assert option["theta"] == pytest.approx(-58.0091, abs=5e-5)
    assert option["rho"] == pytest.approx(32.3107, abs=5e-5)
    assert option["vanna"] * 100 == pytest.approx(0.167149, abs=5e-7)
    assert option["charm"] * 365 == pytest.approx(-0.367863, abs=5e-7)
    assert option["bid_iv_pct"] < 41.21 < option["ask_iv_pct"]


async def test_positions_of_eth(world: Served, eth: Oracle) -> None:
    calls, puts = eth.gex()
    gex = await ask(world, "get_gex", currency="ETH")
    assert gex["spot"] == pytest.approx(eth.spot)
    assert (gex["call_gex"], gex["put_gex"]) == pytest.approx((calls, -puts), rel=1e-9)
    profile = await ask(world, "get_dealer_gamma_profile", currency="ETH", levels=2000, low=0.4, high=1.2)
    assert profile["net"] == pytest.approx([eth.net_gex_at(level) for level in profile["spot_levels"]], rel=1e-7, abs=1)
    assert profile["flip"] == pytest.approx(eth.flip(profile["flip"], 5.0), abs=0.05)
    ratios = (await ask(world, "get_pc_ratio", currency="ETH"))["all"]
    assert ratios["open_interest_ratio"] == pytest.approx(eth.ratio("open_interest"))
    assert ratios["volume_ratio"] == pytest.approx(eth.ratio("volume"))
    pain = await ask(world, "get_max_pain", currency="ETH")
    for each in pain["by_expiry"]:
        assert (each["max_pain"], each["payout_at_max_pain"]) == pytest.approx(eth.pain(each["expiry"]))


async def test_smiles_of_eth(world: Served, eth: Oracle) -> None:
    skew = await ask(world, "get_skew_25d", currency="ETH")
    assert [each["expiry"] for each in skew["by_expiry"]] == eth.expiries()
    for each in skew["by_expiry"]:
        call, put = eth.at_call_delta(each["expiry"], 0.25), eth.at_call_delta(each["expiry"], 0.75)
        atm = eth.atm(each["expiry"])
        assert each["atm_iv_pct"] == pytest.approx(100 * atm)
        assert each["risk_reversal_points"] == pytest.approx(100 * (call - put))
        assert each["butterfly_points"] == pytest.approx(100 * ((call + put) / 2 - atm))
    term = await ask(world, "get_term_structure", currency="ETH", tenors_days=[45])
    ends = [(days["days"], eth.atm(days["expiry"])) for days in term["by_expiry"]]
    (t1, v1), (t2, v2) = (
        next(each for each in reversed(ends) if each[0] <= 45),
        next(each for each in ends if each[0] > 45),
    )
    variance = v1**2 * t1 + (v2**2 * t2 - v1**2 * t1) * (45 - t1) / (t2 - t1)
    assert term["tenors"][0]["iv_pct"] == pytest.approx(100 * (variance / 45) ** 0.5)
    move = of(await ask(world, "get_expected_move", currency="ETH"), "25SEP26")
    call_and_put = [
        ql.blackFormula(kind, move["forward"], move["forward"], eth.atm("25SEP26") * (move["days"] / 365) ** 0.5)
        for kind in (ql.Option.Call, ql.Option.Put)
    ]
    assert move["mean_absolute"] == pytest.approx(sum(call_and_put))


async def test_greeks_of_eth(world: Served, eth: Oracle) -> None:
    chain = await ask(world, "get_option_chain", currency="ETH")
    by_name = {each["instrument_name"]: each for each in chain["options"]}
    assert by_name.keys() == {line.name for line in eth.lines}
    for line in eth.lines:
        told = by_name[line.name]
        kind = ql.Option.Call if line.call else ql.Option.Put
        payoff = ql.PlainVanillaPayoff(kind, line.strike)
        oracle = ql.BlackCalculator(payoff, line.forward, line.volatility * line.years**0.5)
        assert told["price_quote"] == pytest.approx(oracle.value(), rel=1e-7, abs=1e-7)
        assert told["delta"] == pytest.approx(oracle.deltaForward(), abs=1e-9)
        assert told["gamma"] == pytest.approx(oracle.gammaForward(), rel=1e-6, abs=1e-12)
        assert told["vega"] == pytest.approx(oracle.vega(line.years) / 100, rel=1e-7, abs=1e-9)


async def test_a_surface_of_each_chain(world: Served) -> None:
    for currency in CHAINS:
        surface = await ask(world, "get_vol_surface", currency=currency)
        assert all(each["fit"]["converged"] for each in surface["by_expiry"])
        # Marks of the middle are fitted to half a point; far wings, which have no vega, are not.
        assert max(each["fit"]["rmse_near_points"] for each in surface["by_expiry"]) < 0.6
        at_money = surface["moneyness"].index(1.0)
        term = await ask(world, "get_term_structure", currency=currency)
        for fitted, marked in zip(surface["by_expiry"], term["by_expiry"], strict=True):
            assert fitted["iv_pct"][at_money] == pytest.approx(marked["atm_iv_pct"], abs=0.9)
        assert len(surface["calendar"]) == len(surface["by_expiry"]) - 1
