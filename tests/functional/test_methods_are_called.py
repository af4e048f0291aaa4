"""Every method there is, called over the wire: once as it is meant, and with every required field missing or wrong.

The examples stand in one table. A method that is added to the registry fails here until somebody has written down how
it is called.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cerberod import app
from cerberod.errors import Code
from cerberod.rpc.registry import Method
from tests.functional.conftest import StartDaemon
from tests.support.bybit_examples import READS, WRITES
from tests.support.client import Client, Refused, called, check_request, connected
from tests.support.daemon import ADMIN_TOKEN, UNHURRIED, Daemon
from tests.support.losing import lose
from tests.support.simulator import TESTNET, SimulatorProcess

PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}
ORDER = {**PERPETUAL, "side": "buy", "amount": "10", "price": "1000"}
WAVE = [100.0 + (i * 37 % 11) - i % 5 for i in range(60)]
"""Sixty prices that go up and down."""
BARS = {"high": [price + 1.5 for price in WAVE], "low": [price - 1.0 for price in WAVE], "close": WAVE}
NOISE = [100.0 + (i * i * 31 % 257) / 64 + (i * 17 % 13) / 8 for i in range(300)]
"""Three hundred prices without rhyme or reason."""
RETURNS = [later / earlier - 1.0 for earlier, later in pairwise(WAVE)]
OPTION = {"type": "call", "underlying": 42.0, "strike": 40.0, "years": 0.5}
MOMENTS = {"as_of": "2026-08-22T00:00:00Z", "expiry": "2026-09-25T08:00:00Z"}
LISTED: tuple[dict[str, Any], ...] = ({"type": "call", "strike": 110.0}, {"type": "put", "strike": 90.0})
OPEN = [{**each, "expiry": MOMENTS["expiry"], "open_interest": 10.0} for each in LISTED]
CHAIN = {
    "as_of": MOMENTS["as_of"],
    "spot": 100.0,
    "options": [{**each, "forward": 101.0, "iv_pct": 60.0} for each in OPEN],
}
LEGS = [
    {**each, "kind": each["type"], "quantity": 1.0, "price": 0.02, "settlement": "inverse", "iv_pct": 60.0}
    for each in OPEN
]
LEGS = [{name: leg[name] for name in leg if name not in ("type", "open_interest")} for leg in LEGS]
SPREAD = [
    {"instrument_name": "BTC-25DEC26", "side": "buy", "amount": "10"},
    {**PERPETUAL, "side": "sell", "amount": "10"},
]
SPAN = {"start": "2026-08-21T00:00:00Z", "end": "2026-08-21T06:00:00Z"}
WINDOW = {**SPAN, "resolution": "60"}

BYBIT = READS | WRITES
EXAMPLES: dict[str, dict[str, Any]] = {
    "admin.get_status": {},
    "admin.halt": {"state": "reduce_only", "reason": "an example"},
    "admin.query_audit": {"exchange": "deribit", "limit": 10},
    "admin.resume": {},
    "admin.settle_intent": {"intent": "lost", "bot_tag": "tester", "outcome": "rejected", "reason": "an example"},
    **BYBIT,
    "common.adx": BARS,
    "common.atr": BARS,
    "common.black_scholes": {"options": [{**OPTION, "iv_pct": 20.0}], "model": "black_scholes", "rate_pct": 10.0},
    "common.bollinger": {"close": WAVE, "average": "ema"},
    "common.cointegration_test": {"first": WAVE, "second": NOISE[:60], "johansen_lags": 1, "lags": 2},
    "common.dealer_gamma_profile": {**CHAIN, "levels": 11},
    "common.ema": {"close": WAVE, "period": 10},
    "common.garch11_forecast": {"close": NOISE, "horizon": 5},
    "common.half_life_mean_reversion": {"series": WAVE},
    "common.hurst_exponent": {"series": NOISE},
    "common.implied_vol": {"options": [{**OPTION, "price": 3.0}]},
    "common.macd": {"close": WAVE},
    "common.max_drawdown": {"equity": WAVE},
    "common.max_pain": {"as_of": CHAIN["as_of"], "options": OPEN},
    "common.oi_weighted_skew": CHAIN,
    "common.orderbook_imbalance": {"bids": [[99.0, 2.0], [98.0, 1.0]], "asks": [[101.0, 1.0]], "size": 1.0},
    "common.realized_vol": {**BARS, "estimator": "parkinson", "window": 20},
    "common.rolling_sharpe": {"returns": RETURNS, "window": 20},
    "common.rsi": {"close": WAVE},
    "common.sma": {"close": WAVE, "period": 10},
    "common.smile_asymmetry": {**MOMENTS, "forward": 100.0, "strikes": [50.0, 100.0, 200.0], "iv_pct": [70.0, 50, 60]},
    "common.sortino": {"returns": RETURNS},
    "common.spread_payoff": {"as_of": CHAIN["as_of"], "spot": 100.0, "legs": LEGS, "levels": 11},
    "common.stochastic": BARS,
    "common.supertrend": BARS,
    "common.vanna_charm_aggregate": CHAIN,
    "common.var_cvar": {"returns": RETURNS},
    "common.vol_cone": {"close": WAVE, "windows": [5, 20]},
    "common.vwap": {**BARS, "volume": [2.0] * 60, "session": [i // 24 for i in range(60)]},
    "deribit.calculate_spread_payoff": {"legs": [{**PERPETUAL, "side": "buy", "amount": "10"}], "levels": 11},
    "deribit.cancel_all_orders": {"currency": "BTC"},
    "deribit.cancel_by_label": {"label": "nobody's", "currency": "BTC"},
    "deribit.cancel_order": {"order_id": "1"},
    "deribit.close_position": {"instrument_name": "ETH-PERPETUAL"},
    "deribit.edit_order": {"order_id": "1", "amount": "20", "price": "1000.5"},
    "deribit.find_by_delta": {"currency": "BTC", "type": "call", "delta": 0.25, "count": 2},
    "deribit.get_account_summary": {"currency": "BTC"},
    "deribit.get_atm_vs_wings_vol": {"currency": "BTC"},
    "deribit.get_combo_details": {"combo_id": "BTC-FS-25DEC26_PERP"},
    "deribit.get_combos": {"currency": "BTC"},
    "deribit.get_dealer_gamma_profile": {"currency": "BTC", "levels": 11},
    "deribit.get_dvol": {"currency": "BTC"},
    "deribit.get_dvol_history": {"currency": "BTC", **WINDOW, "resolution": "3600"},
    "deribit.get_expected_move": {"currency": "BTC"},
    "deribit.get_expirations": {"currency": "BTC", "kind": "option"},
    "deribit.get_funding_history": {**PERPETUAL, **SPAN},
    "deribit.get_funding_rate": {**PERPETUAL, **SPAN},
    "deribit.get_gex": {"currency": "BTC", "dealers": "short_all"},
    "deribit.get_historical": {**PERPETUAL, **WINDOW},
    "deribit.get_historical_volatility": {"currency": "BTC"},
    "deribit.get_index_price": {"index_name": "btc_usd"},
    "deribit.get_indicators": {**PERPETUAL, "resolution": "60", "indicators": [{"name": "rsi"}], "bars": 5},
    "deribit.get_instruments": {"currency": "BTC", "kind": "future"},
    "deribit.get_iv_rank": {"currency": "ETH", "lookback_days": 252},
    "deribit.get_last_trades": {**PERPETUAL, **SPAN, "count": 20},
    "deribit.get_leg_prices": {"legs": SPREAD, "price": "10"},
    "deribit.get_margins": {**PERPETUAL, "amount": "100", "price": "60000"},
    "deribit.get_max_pain": {"currency": "ETH", "curve": True},
    "deribit.get_oi_weighted_skew": {"currency": "ETH"},
    "deribit.get_open_interest": {"currency": "BTC"},
    "deribit.get_open_orders": {"currency": "BTC"},
    "deribit.get_option_chain": {"currency": "BTC", "type": "call", "min_open_interest": 1},
    "deribit.get_order": {"order_id": "1"},
    "deribit.get_orderbook": {**PERPETUAL, "depth": 5},
    "deribit.get_orderbook_imbalance": {**PERPETUAL, "size": 1000},
    "deribit.get_pc_ratio": {"currency": "BTC"},
    "deribit.get_positions": {"currency": "BTC"},
    "deribit.get_realized_vol": {"currency": "BTC", "estimator": "yang_zhang"},
    "deribit.get_settlements": {"currency": "BTC", "type": "settlement", "count": 5},
    "deribit.get_skew_25d": {"currency": "BTC", "convention": "put_minus_call"},
    "deribit.get_smile_asymmetry": {"currency": "BTC"},
    "deribit.get_term_structure": {"currency": "BTC", "tenors_days": [7, 30]},
    "deribit.get_ticker": PERPETUAL,
    "deribit.get_vanna_charm": {"currency": "BTC"},
    "deribit.get_order_history": {"currency": "BTC", "kind": "future"},
    "deribit.get_portfolio_greeks": {},
    "deribit.get_rate_limits": {},
    "deribit.get_trade_history": {**PERPETUAL, **SPAN},
    "deribit.get_transaction_log": {"currency": "BTC", **SPAN},
    "deribit.get_vol_cone": {"currency": "BTC", "lookback_days": 120},
    "deribit.get_vol_surface": {"currency": "BTC", "moneyness": [0.9, 1, 1.1]},
    "deribit.place_bracket_order": {
        **ORDER,
        "stop_loss": {"trigger_price": "900"},
        "take_profit": {"trigger_price": "2000000", "price": "1900000"},
    },
    "deribit.place_combo_order": {
        "legs": [
            {"instrument_name": "BTC-25DEC26-90000-C", "side": "buy", "amount": "0.1"},
            {"instrument_name": "BTC-25DEC26-100000-C", "side": "sell", "amount": "0.1"},
        ],
        "price": "0.0001",
    },
    "deribit.place_order": {**ORDER, "intent": "placed"},
    "deribit.set_stop_loss": {**PERPETUAL, "trigger_price": "1000"},
    "deribit.set_take_profit": {**PERPETUAL, "trigger_price": "1000000"},
    "deribit.simulate_portfolio": {"currency": "BTC", "simulated_positions": [{**PERPETUAL, "size": "1000"}]},
    "orders.check": {"method": "deribit.place_order", "params": ORDER},
    "orders.get_outcome": {"intent": "placed"},
    "orders.list_unresolved": {},
    "rpc.discover": {},
    "session.ping": {},
    "session.whoami": {},
}
"""How each method is called; the order that is asked about is filled in."""

ON_THE_ORDER = ("deribit.get_order", "deribit.edit_order", "deribit.cancel_order")
"""In the order in which they make sense."""
ON_THE_COMBO = ("deribit.get_combos", "deribit.get_combo_details", "deribit.get_leg_prices")
"""The second and the third are about what the first lists."""
LAST = ("orders.list_unresolved", "admin.settle_intent", "admin.halt", "admin.resume")
"""These need a write whose outcome is not known, or stop the trading of others."""
WRONG: tuple[Any, ...] = ([], {}, 1.5, "", None)
"""Values of which at least one breaks any field's rule."""


def methods() -> list[Method]:
    return list(app.methods())


def test_every_method_has_an_example_that_follows_its_schema() -> None:
    assert EXAMPLES.keys() == {method.name for method in methods()}
    for name, params in EXAMPLES.items():
        check_request(name, params)


def is_for_the_operator(name: str) -> bool:
    return next(method for method in methods() if method.name == name).scope == "admin"


async def test_every_method_is_called_and_answers(start_daemon: StartDaemon, simulator: SimulatorProcess) -> None:
    daemon = start_daemon("serve", module="tests.support.giving_up", **UNHURRIED, **simulator.keys_of("TESTNET"))
    before = called.copy()
    async with (
        connected(daemon) as bot,
        connected(daemon, token=ADMIN_TOKEN, environment="testnet") as operator,
    ):

        async def call(name: str, **changes: Any) -> dict[str, Any]:
            client = operator if is_for_the_operator(name) else bot
            return await client.call(name, {**EXAMPLES[name], **changes})

        placed = await call("deribit.place_order")
        for name in ON_THE_ORDER:
            await call(name, order_id=placed["order"]["order_id"])
        combo = (await call("deribit.get_combos"))["combos"][0]
        await call("deribit.get_combo_details", combo_id=combo["combo_id"])
        legs = [
            {**leg, "instrument_name": part["instrument_name"]} for leg, part in zip(SPREAD, combo["legs"], strict=True)
        ]
        await call("deribit.get_leg_prices", legs=legs)
        farthest = (await call("deribit.get_expirations", kind="option"))["option"][-1]["name"]
        package = [
            {**leg, "instrument_name": leg["instrument_name"].replace("25DEC26", farthest)}
            for leg in EXAMPLES["deribit.place_combo_order"]["legs"]
        ]
        await call("deribit.place_combo_order", legs=package)
        for name in sorted(
            EXAMPLES.keys() - {"deribit.place_order", "deribit.place_combo_order", *ON_THE_ORDER, *ON_THE_COMBO, *LAST}
        ):
            await call(name)
        await lose_an_order(bot, daemon, simulator)
        assert (await call("orders.list_unresolved"))["count"] == 1
        assert (await call("admin.settle_intent"))["outcome"] == "rejected"
        assert len((await call("admin.halt"))["stops"]) == 1
        assert (await call("admin.resume"))["stops"] == []
    assert sorted(called - before) == sorted(EXAMPLES), "not called, or not answered with a result"


async def lose_an_order(bot: Client, daemon: Daemon, simulator: SimulatorProcess) -> None:
    """Place an order whose answer is lost at a venue that cannot tell afterwards."""
    simulator.fault(verb="drop_answer", environment=TESTNET, method="private/buy")
    simulator.fault(verb="error", code=11094, environment=TESTNET, method="private/get_*")
    told = await lose(bot, daemon, simulator, ["private/buy"], "deribit.place_order", {**ORDER, "intent": "lost"})
    assert told["outcome"] == "unknown"


def required() -> Iterator[Any]:
    """Yield every required field of every method, with params that are right but for it."""
    for method in methods():
        schema = method.params.model_json_schema()
        for field in schema.get("required", ()):
            others = {name: value for name, value in EXAMPLES[method.name].items() if name != field}
            assert field in EXAMPLES[method.name], f"the example of {method.name} lacks {field}"
            yield pytest.param(method.name, field, others, schema, id=f"{method.name}-{field}")


@pytest.mark.parametrize(("name", "field", "others", "schema"), list(required()))
async def test_a_required_field_that_is_missing_or_wrong_is_named(
    shared_daemon: Daemon, name: str, field: str, others: Mapping[str, Any], schema: Mapping[str, Any]
) -> None:
    judge = Draft202012Validator(schema)
    spoiled = [{**others, field: value} for value in WRONG]
    wrong = [params for params in spoiled if not judge.is_valid(params)]
    assert wrong, f"no value of WRONG breaks the rule of {field}; add one"
    operator = {"token": ADMIN_TOKEN, "environment": "testnet"} if is_for_the_operator(name) else {}
    async with connected(shared_daemon, **operator) as client:
        for params in [dict(others), *wrong]:
            with pytest.raises(Refused) as refused:
                await client.call(name, params, bad=True)
            assert refused.value.code is Code.INVALID_PARAMS
            assert field in {each.partition(".")[0] for each in refused.value.fields}, params


@pytest.mark.parametrize(
    "method", [each for each in methods() if each.effect.value != "read"], ids=lambda each: each.name
)
async def test_a_field_that_no_method_has_is_named(shared_daemon: Daemon, method: Method) -> None:
    operator = {"token": ADMIN_TOKEN, "environment": "testnet"} if is_for_the_operator(method.name) else {}
    async with connected(shared_daemon, **operator) as client:
        with pytest.raises(Refused) as refused:
            await client.call(method.name, {**EXAMPLES[method.name], "environment": "mainnet"}, bad=True)
    assert refused.value.fields == ["environment"]
