"""The keys and types of the simulated Deribit's market answers, method by method, as the documentation has them.

`test_simulator_recorded_history.py` compares the same answers with recorded ones where those are at hand.
"""

from typing import Any

import pytest

from tests.contract.raw_deribit import Json, RawDeribit
from tests.contract.shapes import same
from tests.support.clock import ManualClock

DAY_MS = 86_400_000
MONTH: Json = {"start_timestamp": -30 * DAY_MS, "end_timestamp": 0}

TRADE = {
    "trade_id": "415305279",
    "trade_seq": 467,
    "timestamp": 1_770_984_454_552,
    "instrument_name": "BTC-24APR26-72000-C",
    "direction": "buy",
    "price": 0.0525,
    "amount": 3.0,
    "contracts": 3.0,
    "mark_price": 0.05253883,
    "index_price": 66_930.31,
    "tick_direction": 2,
}
SETTLEMENT = {
    "type": "settlement",
    "timestamp": 1_550_502_000_023,
    "instrument_name": "BTC-22FEB19",
    "index_price": 3_796.43,
    "mark_price": 3_578.16,
    "position": 240,
    "profit_loss": -1e-9,
    "session_profit_loss": 0.116509752,
}
COMBO = {
    "id": "BTC-CS-19MAY26-70000_75000",
    "instrument_id": 584_635,
    "state": "active",
    "state_timestamp": 1_779_115_098_303,
    "creation_timestamp": 1_779_115_098_000,
    "legs": [{"instrument_name": "BTC-19MAY26-70000-C", "amount": 1}],
}
COMBO_INSTRUMENT = {
    "instrument_name": "BTC-CS-19MAY26-70000_75000",
    "instrument_id": 584_635,
    "kind": "option_combo",
    "state": "open",
    "is_active": True,
    "base_currency": "BTC",
    "quote_currency": "BTC",
    "counter_currency": "USD",
    "settlement_currency": "BTC",
    "settlement_period": "day",
    "instrument_type": "reversed",
    "price_index": "btc_usd",
    "creation_timestamp": 1_779_115_098_000,
    "expiration_timestamp": 1_779_177_600_000,
    "tick_size": 0.0001,
    "tick_size_steps": [],
    "contract_size": 1.0,
    "min_trade_amount": 0.1,
    "maker_commission": 0.0,
    "taker_commission": 0.0,
}
COMBO_SUMMARY = {
    "instrument_name": "BTC-CSR13-31JAN25-100000_110000",
    "base_currency": "BTC",
    "quote_currency": "BTC",
    "bid_price": 0.0001,
    "ask_price": 0.005,
    "mid_price": 0.00255,
    "mark_price": -0.02057613,
    "last": None,
    "high": None,
    "low": None,
    "price_change": None,
    "volume": 0.0,
    "volume_usd": 0.0,
    "creation_timestamp": 1_737_074_402_953,
    "estimated_delivery_price": 100_216.53,
}
SPOT_TICKER = {
    "instrument_name": "BTC_USDT",
    "timestamp": 1_710_328_244_150,
    "state": "open",
    "best_bid_price": 73_418.58,
    "best_bid_amount": 0.0003,
    "best_ask_price": 73_521.05,
    "best_ask_amount": 0.4904,
    "last_price": 73_448.39,
    "mark_price": 73_367.995,
    "index_price": 73_367.995,
    "min_price": 71_900.63,
    "max_price": 74_835.36,
    "stats": {
        "high": 73_641.74,
        "low": 68_933.02,
        "price_change": 1.7593,
        "volume": 25.9035,
        "volume_usd": 1_871_769.37,
        "volume_notional": 1_871_802.929506,
    },
}

ANSWERS: list[tuple[str, Json, Any]] = [
    (
        "public/get_volatility_index_data",
        MONTH | {"currency": "BTC", "resolution": "3600"},
        {"data": [[1_598_019_300_000, 47.5, 47.6, 47.4, 47.55]], "continuation": None},
    ),
    ("public/get_historical_volatility", {"currency": "BTC"}, [[1_549_720_800_000, 14.747743607344217]]),
    (
        "public/get_funding_rate_history",
        MONTH | {"instrument_name": "BTC-PERPETUAL"},
        [
            {
                "timestamp": 1_569_891_600_000,
                "index_price": 8_222.87,
                "prev_index_price": 8_305.72,
                "interest_8h": -9.2e-5,
                "interest_1h": -4.7e-7,
            }
        ],
    ),
    ("public/get_funding_rate_value", MONTH | {"instrument_name": "BTC-PERPETUAL"}, -0.00025),
    (
        "public/get_funding_chart_data",
        {"instrument_name": "BTC-PERPETUAL", "length": "8h"},
        {
            "current_interest": 0.005,
            "interest_8h": 0.004,
            "data": [{"timestamp": 1_536_569_522_277, "index_price": 8_247.27, "interest_8h": 0.0049}],
        },
    ),
    ("public/get_index_chart_data", {"index_name": "btc_usd", "range": "1d"}, [[1_573_228_800_000, 8_751.7138636]]),
    (
        "public/get_last_trades_by_currency",
        {"currency": "BTC", "kind": "option"},
        {"trades": [TRADE | {"iv": 45.91}], "has_more": True},
    ),
    (
        "public/get_last_trades_by_currency_and_time",
        MONTH | {"currency": "ETH", "kind": "future"},
        {"trades": [TRADE], "has_more": True},
    ),
    (
        "public/get_last_trades_by_instrument_and_time",
        MONTH | {"instrument_name": "SOL_USDC-PERPETUAL"},
        {"trades": [TRADE], "has_more": True},
    ),
    (
        "public/get_last_settlements_by_currency",
        {"currency": "BTC", "type": "delivery"},
        {"settlements": [SETTLEMENT], "continuation": "2Z7mdtavzYvfu"},
    ),
    (
        "public/get_last_settlements_by_instrument",
        {"instrument_name": "BTC-PERPETUAL"},
        {"settlements": [SETTLEMENT | {"funding": 0.1}], "continuation": "2Z7mdtavzYvfu"},
    ),
    (
        "public/get_delivery_prices",
        {"index_name": "btc_usd"},
        {"data": [{"date": "2020-01-02", "delivery_price": 7_131.2}], "records_total": 58},
    ),
    ("public/get_combos", {"currency": "BTC"}, [COMBO]),
    ("public/get_combo_ids", {"currency": "BTC"}, ["BTC-FS-29APR22_PERP"]),
    ("public/get_instruments", {"currency": "BTC", "kind": "option_combo"}, [COMBO_INSTRUMENT]),
    ("public/get_instruments", {"currency": "ETH", "kind": "future_combo"}, [COMBO_INSTRUMENT]),
    ("public/get_book_summary_by_currency", {"currency": "BTC", "kind": "option_combo"}, [COMBO_SUMMARY]),
    (
        "public/get_book_summary_by_currency",
        {"currency": "BTC", "kind": "future_combo"},
        [COMBO_SUMMARY | {"volume_notional": 0.0}],
    ),
    ("public/ticker", {"instrument_name": "BTC_USDT"}, SPOT_TICKER),
    (
        "public/get_trade_volumes",
        {},
        [{"currency": "BTC", "calls_volume": 145, "puts_volume": 48, "futures_volume": 6.2, "spot_volume": 11.1}],
    ),
    (
        "public/get_index_price_names",
        {"extended": True},
        [{"name": "btc_usd", "future_combo_creation_enabled": True, "option_combo_creation_enabled": True}],
    ),
    ("public/get_supported_index_names", {"type": "all"}, ["btc_usd"]),
    ("public/get_index_price", {"index_name": "btc_usdc"}, {"index_price": 1.0, "estimated_delivery_price": 1.0}),
    ("public/get_contract_size", {"instrument_name": "XRP_USDC-PERPETUAL"}, {"contract_size": 10.0}),
]


@pytest.mark.parametrize(("method", "params", "expected"), ANSWERS)
async def test_keys_and_types(clock: ManualClock, raw: RawDeribit, method: str, params: Json, expected: Any) -> None:
    shifted = {k: v + clock.now_ms() if k.endswith("_timestamp") else v for k, v in params.items()}
    same(await raw.result(method, **shifted), expected)
