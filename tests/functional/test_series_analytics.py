"""Analytics of bars and of DVOL through the running daemon, on the simulator's own market, against numpy and TA-Lib."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import talib

from cerberod.errors import Code
from tests.support.client import Refused, connected
from tests.support.served import Served, served

CANDLES, DVOL = "public/get_tradingview_chart_data", "public/get_volatility_index_data"
SUMMARY = "public/get_book_summary_by_currency"
PERPETUAL = "BTC-PERPETUAL"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("series")) as running:
        yield running


async def ask(world: Served, name: str, **params: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the result of a method, and what it cost the venue."""
    before = world.received()
    async with connected(world.daemon) as client:
        found = await client.call(f"deribit.{name}", params)
    return found, dict(world.received() - before)


def just_after(moment: str) -> str:
    """Return a moment that still includes what began then."""
    return text(datetime.fromisoformat(moment) + timedelta(milliseconds=1))


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def bars(world: Served, first: str, last: str, resolution: str) -> dict[str, Any]:
    """Return columns of the bars between two openings, read by another method."""
    async with connected(world.daemon) as client:
        params = {"instrument_name": PERPETUAL, "start": first, "end": just_after(last), "resolution": resolution}
        candles = (await client.call("deribit.get_historical", params))["candles"]
    return {name: np.array([each[name] for each in candles]) for name in ("open", "high", "low", "close", "volume")}


async def test_realised_volatility_and_its_premium(world: Served) -> None:
    found, cost = await ask(world, "get_realized_vol", currency="BTC", window_days=60, against=["dvol", "atm"])
    assert cost == {CANDLES: 1, DVOL: 1, SUMMARY: 1}  # the bars, and one for each comparison asked for
    assert (found["bars_used"], found["bars_missing"], found["observations"]) == (61, 0, 60)
    close = (await bars(world, found["first_bar"], found["last_bar"], "1D"))["close"]
    volatility = 100 * np.std(np.diff(np.log(close)), ddof=1) * 365**0.5
    assert found["realized_pct"] == pytest.approx(volatility)
    dvol, atm = found["premiums"]
    assert (dvol["against"], dvol["tenor_days"], atm["against"], atm["tenor_days"]) == ("dvol", 30, "atm", 60)
    for each in (dvol, atm):
        assert each["premium_points"] == pytest.approx(each["implied_pct"] - volatility)
        assert each["premium_variance"] == pytest.approx((each["implied_pct"] ** 2 - volatility**2) / 10_000)
    term, _ = await ask(world, "get_term_structure", currency="BTC", tenors_days=[60])
    assert atm["implied_pct"] == pytest.approx(term["tenors"][0]["iv_pct"], rel=0.01)
    turned, cost = await ask(
        world, "get_realized_vol", currency="BTC", window_days=60, against=["atm"], premium="realized_minus_implied"
    )
    assert cost == {CANDLES: 1, SUMMARY: 1}
    assert turned["premiums"][0]["premium_points"] == pytest.approx(-atm["premium_points"], rel=0.2, abs=0.5)
    hourly, cost = await ask(
        world, "get_realized_vol", currency="BTC", window_days=10, resolution="60", estimator="parkinson", against=[]
    )
    assert (cost, hourly["premiums"]) == ({CANDLES: 1}, [])
    columns = await bars(world, hourly["first_bar"], hourly["last_bar"], "60")
    ranges = np.log(columns["high"] / columns["low"])
    parkinson = 100 * np.sqrt(np.mean(ranges**2) / (4 * np.log(2)) * 8760)
    assert hourly["realized_pct"] == pytest.approx(parkinson)


@pytest.mark.parametrize(("params", "against", "source"), [({}, "dvol", DVOL), ({"window_days": 14}, "atm", SUMMARY)])
async def test_a_premium_of_the_windows_own_tenor_takes_two_requests(
    world: Served, params: dict[str, Any], against: str, source: str
) -> None:
    found, cost = await ask(world, "get_realized_vol", currency="BTC", **params)
    assert cost == {CANDLES: 1, source: 1}
    [premium] = found["premiums"]
    assert (premium["against"], premium["tenor_days"]) == (against, found["window_days"])
    assert premium["premium_points"] == pytest.approx(premium["implied_pct"] - found["realized_pct"])


async def test_a_cone_beside_what_options_price_in(world: Served) -> None:
    found, cost = await ask(world, "get_vol_cone", currency="BTC", lookback_days=200, windows_days=[10, 30])
    assert cost == {CANDLES: 1, SUMMARY: 1}
    close = (await bars(world, found["first_bar"], found["last_bar"], "1D"))["close"]
    moves = np.diff(np.log(close))
    for row, days in zip(found["rows"], (10, 30), strict=True):
        windows = [100 * np.std(moves[at : at + days], ddof=1) * 365**0.5 for at in range(moves.size - days + 1)]
        assert row["windows"] == len(windows)
        assert row["percentiles_pct"] == pytest.approx(np.percentile(windows, found["percentiles"]).tolist())
        assert row["current_pct"] == pytest.approx(windows[-1])
        assert row["implied_pct"] is not None
    alone, cost = await ask(world, "get_vol_cone", currency="ETH", implied=False, windows_days=[7])
    assert cost == {CANDLES: 1}
    assert (alone["chain_as_of"], alone["rows"][0]["implied_reason"]) == (None, "not_asked")


async def test_the_index_and_its_rank(world: Served) -> None:
    now, cost = await ask(world, "get_dvol", currency="BTC")
    assert cost == {DVOL: 1}
    assert now["low_pct"] <= now["dvol_pct"] <= now["high_pct"]
    assert now["change_points"] == pytest.approx(now["dvol_pct"] - now["day_ago_pct"])
    assert now["expected_daily_move_pct"] == pytest.approx(now["dvol_pct"] / 365**0.5)
    rank, cost = await ask(world, "get_iv_rank", currency="BTC", lookback_days=252)
    assert cost == {DVOL: 1}
    assert (rank["days_used"], rank["lookback_days"]) == (252, 252)
    assert rank["dvol_pct"] == pytest.approx(now["dvol_pct"], abs=0.5)
    span = rank["highest_pct"] - rank["lowest_pct"]
    assert rank["rank_pct"] == pytest.approx(100 * (rank["dvol_pct"] - rank["lowest_pct"]) / span)
    async with connected(world.daemon) as client:
        end = just_after(rank["last_day"])
        window = {"currency": "BTC", "start": rank["first_day"], "end": end, "resolution": "1D"}
        past = (await client.call("deribit.get_dvol_history", window))["candles"]
    closes = [each["close"] for each in past]
    assert len(closes) == 252
    below = sum(close < rank["dvol_pct"] for close in closes)
    assert rank["percentile_pct"] == pytest.approx(100 * below / 252)


async def test_indicators_have_settled_before_the_first_bar_shown(world: Served) -> None:
    wanted: list[dict[str, Any]] = [
        {"name": "rsi"},
        {"name": "macd", "fast": 5, "slow": 20, "signal": 4},
        {"name": "adx", "period": 10},
        {"name": "bollinger", "deviations": 1.5},
        {"name": "stochastic"},
        {"name": "supertrend"},
        {"name": "vwap"},
        {"name": "atr"},
        {"name": "ema", "period": 30},
        {"name": "sma"},
    ]
    found, cost = await ask(
        world, "get_indicators", instrument_name=PERPETUAL, resolution="15", indicators=wanted, bars=50
    )
    assert cost == {CANDLES: 1}
    assert (found["count"], len(found["opened_at"]), found["last_is_forming"]) == (50, 50, False)
    first = datetime.fromisoformat(found["opened_at"][0]) - timedelta(minutes=15 * found["bars_before"])
    columns = await bars(world, text(first), found["opened_at"][-1], "15")
    assert columns["close"][-50:].tolist() == found["close"]
    high, low, close = columns["high"], columns["low"], columns["close"]
    oracles = {
        ("rsi", "line"): talib.RSI(close),
        ("macd", "histogram"): talib.MACD(close, 5, 20, 4)[2],
        ("adx", "adx"): talib.ADX(high, low, close, 10),
        ("bollinger", "upper"): talib.BBANDS(close, 20, 1.5, 1.5)[0],
        ("stochastic", "d"): talib.STOCH(high, low, close, 14, 3, 0, 3, 0)[1],
        ("atr", "line"): talib.ATR(high, low, close),
        ("ema", "line"): talib.EMA(close, 30),
        ("sma", "line"): talib.SMA(close, 20),
    }
    by_name = {each["name"]: {line["name"]: line for line in each["lines"]} for each in found["indicators"]}
    assert list(by_name) == [each["name"] for each in wanted]
    for (name, line), oracle in oracles.items():
        assert by_name[name][line]["values"] == pytest.approx(oracle[-50:].tolist(), rel=1e-9, abs=1e-9), name
        assert by_name[name][line]["latest"] == by_name[name][line]["values"][-1]
        assert by_name[name][line]["gaps"] == []
    assert {*by_name["supertrend"]["direction"]["values"]} <= {1.0, -1.0}
    forming, _ = await ask(
        world, "get_indicators", instrument_name=PERPETUAL, resolution="1D", indicators=wanted[:1], forming=True, bars=1
    )
    assert forming["last_is_forming"] is True


async def test_averages_that_make_no_sense_together_are_refused_by_name(world: Served) -> None:
    async with connected(world.daemon) as client:
        params = {"instrument_name": PERPETUAL, "resolution": "60", "indicators": [{"name": "macd", "fast": 30}]}
        with pytest.raises(Refused) as refused:
            await client.call("deribit.get_indicators", params, bad=True)
    assert refused.value.code is Code.INVALID_PARAMS
    assert refused.value.fields[0].startswith("indicators.0.")
