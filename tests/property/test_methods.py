"""Whatever follows a method's published schema is answered by a result or by an error that says something (-32603 not).

Two lists, written by hand: a new method fails here until somebody has decided whether it may be called at random.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from cerberod import __version__, app
from cerberod.rpc.describe import openrpc
from cerberod.rpc.registry import Effect
from tests.support.client import check_reply, check_request
from tests.support.daemon import Daemon
from tests.support.schemas import ANYTHING, TEXT, params

SAFE = {
    "admin.get_status",
    "admin.query_audit",
    "bybit.amend_batch_order",
    "bybit.amend_order",
    "bybit.cancel_all_orders",
    "bybit.cancel_batch_order",
    "bybit.cancel_order",
    "bybit.close_position",
    "bybit.get_account_info",
    "bybit.get_basis_spot_perp",
    "bybit.get_basis_term_structure",
    "bybit.get_closed_pnl",
    "bybit.get_executions",
    "bybit.get_fee_rate",
    "bybit.get_funding_history",
    "bybit.get_funding_rate",
    "bybit.get_historical",
    "bybit.get_indicators",
    "bybit.get_instruments",
    "bybit.get_long_short_ratio",
    "bybit.get_mark_price_history",
    "bybit.get_open_interest",
    "bybit.get_open_orders",
    "bybit.get_option_chain",
    "bybit.get_order",
    "bybit.get_order_history",
    "bybit.get_orderbook",
    "bybit.get_orderbook_imbalance",
    "bybit.get_positions",
    "bybit.get_rate_limits",
    "bybit.get_recent_trades",
    "bybit.get_server_time",
    "bybit.get_ticker",
    "bybit.get_tickers",
    "bybit.get_transaction_log",
    "bybit.get_wallet_balance",
    "bybit.place_batch_order",
    "bybit.place_order",
    "bybit.pre_check_order",
    "bybit.set_disconnect_protection",
    "bybit.set_leverage",
    "bybit.set_trading_stop",
    "bybit.switch_position_mode",
    "common.adx",
    "common.atr",
    "common.black_scholes",
    "common.bollinger",
    "common.cointegration_test",
    "common.dealer_gamma_profile",
    "common.ema",
    "common.garch11_forecast",
    "common.half_life_mean_reversion",
    "common.hurst_exponent",
    "common.implied_vol",
    "common.macd",
    "common.max_drawdown",
    "common.max_pain",
    "common.oi_weighted_skew",
    "common.orderbook_imbalance",
    "common.realized_vol",
    "common.rolling_sharpe",
    "common.rsi",
    "common.sma",
    "common.smile_asymmetry",
    "common.sortino",
    "common.spread_payoff",
    "common.stochastic",
    "common.supertrend",
    "common.vanna_charm_aggregate",
    "common.var_cvar",
    "common.vol_cone",
    "common.vwap",
    "deribit.calculate_spread_payoff",
    "deribit.cancel_all_orders",
    "deribit.cancel_by_label",
    "deribit.cancel_order",
    "deribit.close_position",
    "deribit.edit_order",
    "deribit.find_by_delta",
    "deribit.get_account_summary",
    "deribit.get_atm_vs_wings_vol",
    "deribit.get_combo_details",
    "deribit.get_combos",
    "deribit.get_dealer_gamma_profile",
    "deribit.get_dvol",
    "deribit.get_dvol_history",
    "deribit.get_expected_move",
    "deribit.get_expirations",
    "deribit.get_funding_history",
    "deribit.get_funding_rate",
    "deribit.get_gex",
    "deribit.get_historical",
    "deribit.get_historical_volatility",
    "deribit.get_index_price",
    "deribit.get_indicators",
    "deribit.get_instruments",
    "deribit.get_iv_rank",
    "deribit.get_last_trades",
    "deribit.get_leg_prices",
    "deribit.get_margins",
    "deribit.get_max_pain",
    "deribit.get_oi_weighted_skew",
    "deribit.get_open_interest",
    "deribit.get_open_orders",
    "deribit.get_option_chain",
    "deribit.get_order",
    "deribit.get_order_history",
    "deribit.get_orderbook",
    "deribit.get_orderbook_imbalance",
    "deribit.get_pc_ratio",
    "deribit.get_portfolio_greeks",
    "deribit.get_positions",
    "deribit.get_rate_limits",
    "deribit.get_realized_vol",
    "deribit.get_settlements",
    "deribit.get_skew_25d",
    "deribit.get_smile_asymmetry",
    "deribit.get_term_structure",
    "deribit.get_ticker",
    "deribit.get_trade_history",
    "deribit.get_transaction_log",
    "deribit.get_vanna_charm",
    "deribit.get_vol_cone",
    "deribit.get_vol_surface",
    "deribit.place_bracket_order",
    "deribit.place_combo_order",
    "deribit.place_order",
    "deribit.set_stop_loss",
    "deribit.set_take_profit",
    "deribit.simulate_portfolio",
    "orders.check",
    "orders.get_outcome",
    "orders.list_unresolved",
    "rpc.discover",
    "session.ping",
    "session.whoami",
}
"""Called at random, on a simulator of its own: reads, and writes to that simulator."""

NOT_SAFE = {
    "admin.halt": "a halt would deny every order after it",
    "admin.resume": "needs the operator's token, which this session has not",
    "admin.settle_intent": "needs the operator's token, which this session has not",
}

DOCUMENT = openrpc(app.methods(), __version__)
DESCRIBED = {each["name"]: each for each in DOCUMENT["methods"]}
EXAMPLES = settings().max_examples // 20
AT_RANDOM = settings(
    max_examples=EXAMPLES,
    deadline=None,  # a venue's rate limit makes some calls wait
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_every_method_is_in_one_of_the_lists() -> None:
    assert SAFE & NOT_SAFE.keys() == set()
    assert SAFE | NOT_SAFE.keys() == DESCRIBED.keys()
    reads = {method.name for method in app.methods() if method.effect is Effect.READ}
    assert reads <= SAFE, "a read that must not be called at random is no read"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    limits = {"LIMIT_COST_SOFT": "10000000", "LIMIT_COST_HARD": "100000000"}
    running = Daemon(tmp_path_factory.mktemp("methods"), "serve", "--sim", settings=limits)
    try:
        running.wait_ready()
        yield running
        running.stop()
    finally:
        running.kill()
    running.check()


@pytest.fixture(scope="module")
def connection(daemon: Daemon) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {daemon.token}", "X-Bot-Tag": "fuzz"}
    with connect(daemon.url, additional_headers=headers, compression=None, proxy=None, max_size=None) as opened:
        yield opened


def ask(connection: ClientConnection, method: str, given_params: Any) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given_params}
    connection.send(orjson.dumps(request).decode())
    while True:
        reply: dict[str, Any] = orjson.loads(connection.recv(timeout=40))
        if "method" not in reply:  # what the daemon pushes unasked is no answer
            return reply


@pytest.mark.parametrize("method", sorted(SAFE))
@AT_RANDOM
@given(data=st.data())
def test_params_that_follow_the_schema_are_understood(
    method: str, connection: ClientConnection, data: st.DataObject
) -> None:
    drawn = data.draw(params(DESCRIBED[method], DOCUMENT["components"]["schemas"]))
    check_request(method, drawn)
    reply = ask(connection, method, drawn)
    check_reply(method, reply)
    assert reply.get("error", {}).get("code") != -32603, reply


@pytest.mark.parametrize("method", sorted(DESCRIBED))
@AT_RANDOM
@given(drawn=st.dictionaries(TEXT, ANYTHING, min_size=1, max_size=4))
def test_params_of_any_shape_are_refused_and_change_nothing(
    method: str, connection: ClientConnection, drawn: dict[str, Any]
) -> None:
    reply = ask(connection, method, drawn)
    check_reply(method, reply)
    assert reply["error"]["code"] in (-32602, -32002), reply
