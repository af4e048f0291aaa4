"""How each method of Bybit is called as it is meant."""

from typing import Any

PERPETUAL = {"category": "linear", "symbol": "BTCUSDT"}
SPAN = {"start": "2026-08-21T00:00:00Z", "end": "2026-08-21T06:00:00Z"}
BARS = {**PERPETUAL, "interval": "60"}

READS: dict[str, dict[str, Any]] = {
    "bybit.get_account_info": {},
    "bybit.get_basis_spot_perp": PERPETUAL,
    "bybit.get_basis_term_structure": {"base_coin": "BTC"},
    "bybit.get_closed_pnl": {"category": "linear"},
    "bybit.get_executions": {"category": "linear"},
    "bybit.get_fee_rate": {"category": "linear", "symbol": "BTCUSDT"},
    "bybit.get_funding_history": {**PERPETUAL, **SPAN},
    "bybit.get_funding_rate": PERPETUAL,
    "bybit.get_historical": {**BARS, **SPAN},
    "bybit.get_indicators": {**BARS, "indicators": [{"name": "rsi"}], "bars": 5},
    "bybit.get_instruments": {"category": "inverse"},
    "bybit.get_long_short_ratio": PERPETUAL,
    "bybit.get_mark_price_history": {**BARS, **SPAN},
    "bybit.get_open_interest": PERPETUAL,
    "bybit.get_open_orders": {"category": "linear"},
    "bybit.get_option_chain": {"base_coin": "BTC", "options_type": "Call"},
    "bybit.get_order": {"category": "linear", "order_link_id": "nobody-s"},
    "bybit.get_order_history": {"category": "spot"},
    "bybit.get_orderbook": {**PERPETUAL, "limit": 5},
    "bybit.get_orderbook_imbalance": PERPETUAL,
    "bybit.get_positions": {"category": "linear"},
    "bybit.get_rate_limits": {},
    "bybit.get_recent_trades": {"category": "spot", "symbol": "BTCUSDT"},
    "bybit.get_server_time": {},
    "bybit.get_ticker": PERPETUAL,
    "bybit.get_tickers": {"category": "spot"},
    "bybit.get_transaction_log": {},
    "bybit.get_wallet_balance": {},
    "bybit.pre_check_order": {**PERPETUAL, "side": "buy", "qty": "0.001", "price": "20000"},
}

ORDER = {"symbol": "BTCUSDT", "side": "buy", "qty": "0.001", "price": "20000"}
WRITES: dict[str, dict[str, Any]] = {
    "bybit.amend_batch_order": {
        "category": "linear",
        "request": [{"symbol": "BTCUSDT", "order_link_id": "nobody-s", "price": "20001"}],
    },
    "bybit.amend_order": {**PERPETUAL, "order_link_id": "nobody-s", "price": "20001"},
    "bybit.cancel_all_orders": {"category": "linear", "settle_coin": "USDT"},
    "bybit.cancel_batch_order": {
        "category": "linear",
        "request": [{"symbol": "BTCUSDT", "order_link_id": "nobody-s"}],
    },
    "bybit.cancel_order": {**PERPETUAL, "order_link_id": "nobody-s"},
    "bybit.close_position": PERPETUAL,
    "bybit.place_batch_order": {"category": "linear", "request": [ORDER]},
    "bybit.place_order": {"category": "linear", **ORDER},
    "bybit.set_disconnect_protection": {"time_window": 30, "product": "DERIVATIVES"},
    "bybit.set_leverage": {**PERPETUAL, "buy_leverage": "5"},
    "bybit.set_trading_stop": {**PERPETUAL, "stop_loss": "1000"},
    "bybit.switch_position_mode": {"symbol": "ETHUSDT", "mode": 0},
}
