"""Bad and extreme numbers through the real daemon: a refusal by field and rule, or a reason. `faults.md` F."""

import math
from typing import Any

import orjson
import pytest

from cerberod.errors import Code
from tests.functional.test_methods_are_called import EXAMPLES, MOMENTS, RETURNS, WAVE
from tests.support.bad_numbers import spoilt
from tests.support.client import Refused, connected, raw_connection
from tests.support.daemon import Daemon

COMMON = sorted(name for name in EXAMPLES if name.startswith("common."))
ENTRY_COIN = {"kind": "put", "quantity": 1.0, "price": 0.02, "settlement": "inverse", "strike": 100.0, "iv_pct": 50.0}


@pytest.mark.parametrize("name", COMMON)
async def test_every_way_to_spoil_a_call(shared_daemon: Daemon, name: str) -> None:
    """The client holds every result against its schema: what is null there may be null."""
    refused = 0
    async with connected(shared_daemon, bot_tag=f"spoils-{name.removeprefix('common.')}"[:32]) as client:
        for what, params in spoilt(EXAMPLES[name]):
            reply = await client.ask(name, params, bad=True)
            if "error" in reply:
                assert reply["error"]["code"] == Code.INVALID_PARAMS, what
                problems = reply["error"]["data"]["problems"]
                assert problems, what
                for problem in problems:
                    assert problem["field"].split(".")[0] in EXAMPLES[name] or problem["field"] in params, what
                    assert problem["rule"], what
                refused += 1
    assert refused > 5


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "0x10", "1_000", "01"])
async def test_what_json_calls_no_number_is_no_message(shared_daemon: Daemon, number: str) -> None:
    close = orjson.dumps(WAVE).decode()[:-1]
    async with raw_connection(shared_daemon) as connection:
        await connection.send(
            f'{{"jsonrpc":"2.0","id":1,"method":"common.sma","params":{{"close":{close},{number}]}}}}'
        )
        answer = orjson.loads(await connection.recv())
    assert answer["error"]["code"] == Code.PARSE_ERROR


EXTREMES: tuple[tuple[dict[str, Any], str | None], ...] = (
    ({"price": 5.0, "strike": 80.0}, "below_intrinsic"),
    ({"price": 20.0, "strike": 80.0}, "at_intrinsic"),
    ({"price": 100.0}, "at_or_above_bound"),
    ({"price": 250.0}, "at_or_above_bound"),
    ({"price": 4.0, "years": 0.0}, "expired"),
    ({"price": 0.0}, "at_intrinsic"),
    ({"price": 4.0, "years": 5.0 / 31_536_000.0}, None),  # five seconds
    ({"price": 99.99, "strike": 1e-9}, "below_intrinsic"),
    ({"price": 100.0 - 1e-9, "strike": 1e-9}, "at_intrinsic"),
    ({"price": 1e-9, "strike": 1e12}, None),
    ({"price": 4.0}, None),
)


@pytest.mark.parametrize("rate", [0.0, -5.0, 5.0])
async def test_prices_at_every_edge(shared_daemon: Daemon, rate: float) -> None:
    """`faults.md` 83: a value or a named reason for each option; what has a value gives its price back."""
    base = {"type": "call", "underlying": 100.0, "strike": 100.0, "years": 0.25}
    options = [{**base, **edge} for edge, _ in EXTREMES]
    for option in options:  # prices above are undiscounted ones
        option["price"] *= math.exp(-rate / 100.0 * option["years"])
    async with connected(shared_daemon) as client:
        implied = await client.call("common.implied_vol", {"options": options, "rate_pct": rate})
        solved = [
            {name: value for name, value in option.items() if name != "price"} | {"iv_pct": iv}
            for option, iv in zip(options, implied["iv_pct"], strict=True)
            if iv is not None
        ]
        priced = await client.call("common.black_scholes", {"options": solved, "rate_pct": rate})
    assert implied["reasons"] == [reason for _, reason in EXTREMES]
    assert [iv is None for iv in implied["iv_pct"]] == [reason is not None for _, reason in EXTREMES]
    prices = [option["price"] for option, (_, reason) in zip(options, EXTREMES, strict=True) if reason is None]
    assert priced["price"] == pytest.approx(prices, rel=1e-9)


async def test_an_option_without_time_or_volatility_has_its_limits(shared_daemon: Daemon) -> None:
    base = {"type": "call", "underlying": 100.0, "strike": 90.0, "years": 0.0, "iv_pct": 50.0}
    options = [
        base,
        {**base, "type": "put"},
        {**base, "years": 1.0, "iv_pct": 0.0},
        {**base, "strike": 100.0},
        {**base, "strike": 1e-9, "years": 1.0},
        {**base, "strike": 1e12, "years": 1.0},
    ]
    async with connected(shared_daemon) as client:
        told = await client.call("common.black_scholes", {"options": options})
    assert told["price"] == [10.0, 0.0, 10.0, 0.0, 100.0 - 1e-9, 0.0]
    assert told["delta"][:3] == [1.0, 0.0, 1.0]
    assert told["reasons"] == [None, None, None, "unbounded_at_the_money", None, None]
    assert (told["gamma"][3], told["theta"][3]) == (None, None)


async def test_a_premium_in_coin_is_a_loss_without_limit_in_quote_currency(shared_daemon: Daemon) -> None:
    put = {**ENTRY_COIN, "expiry": MOMENTS["expiry"]}
    market = {"as_of": MOMENTS["as_of"], "spot": 100.0}
    async with connected(shared_daemon) as client:
        coin = await client.call("common.spread_payoff", {**market, "legs": [put]})
        linear = await client.call(
            "common.spread_payoff", {**market, "legs": [{**put, "settlement": "linear", "price": 2.0}]}
        )
    unbounded = {"value": None, "level": None, "toward": "infinity", "unbounded": True}
    assert coin["at_expiry"]["max_loss_quote"] == unbounded
    assert coin["at_expiry"]["max_loss_coin"]["value"] == -0.02
    assert linear["at_expiry"]["max_loss_quote"]["value"] == -2.0


async def test_a_price_that_leaps_is_refused_in_words_of_prices(shared_daemon: Daemon) -> None:
    """The fit works on log returns, but its callers gave closes."""
    async with connected(shared_daemon) as client:
        with pytest.raises(Refused) as refused:
            await client.call("common.garch11_forecast", {"close": [1.0, 1e30] * 60})
    [problem] = refused.value.data["problems"]
    assert problem == {"field": "close", "rule": "must not move by more than a factor of e^50 in one bar"}


async def test_collinear_series_and_too_few_losses(shared_daemon: Daemon) -> None:
    """`faults.md` 86, where one series alone shows nothing wrong."""
    line = [100.0 + 2.0 * each for each in WAVE]
    async with connected(shared_daemon) as client:
        for method, params, field in (
            ("common.cointegration_test", {"first": WAVE, "second": line, "lags": 1}, "first"),
            ("common.var_cvar", {"returns": RETURNS, "confidence": 0.9999}, "confidence"),
            ("common.half_life_mean_reversion", {"series": [float(each) for each in range(50)]}, "series"),
        ):
            with pytest.raises(Refused) as refused:
                await client.call(method, params, bad=True)
            assert (refused.value.code, refused.value.fields) == (Code.INVALID_PARAMS, [field])
