"""Money and positions are read as Bybit writes them: exact decimals, and null where it says nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.bybit.wire import account as wire
from cerberod.venues.bybit.wire.account import AccountStatus, MarginMode, Position
from cerberod.venues.bybit.wire.reading import Fields, listed
from cerberod.venues.bybit.wire.words import Category, Side
from tests.unit.venues.bybit.recordings import answers, held, recorded

NOW = datetime(2026, 8, 22, tzinfo=UTC)

POSITION: dict[str, Any] = {
    "symbol": "LTCUSDT",
    "leverage": "6",
    "autoAddMargin": 0,
    "avgPrice": "64.59947917",
    "liqPrice": "",
    "riskLimitValue": "200000",
    "takeProfit": "",
    "positionValue": "77.519375",
    "isReduceOnly": False,
    "tpslMode": "Full",
    "riskId": 71,
    "trailingStop": "0",
    "unrealisedPnl": "7.800625",
    "markPrice": "71.1",
    "adlRankIndicator": 2,
    "cumRealisedPnl": "-51.90142002",
    "positionMM": "0.81072399",
    "createdTime": "1677168085779",
    "positionIdx": 0,
    "positionIM": "12.95542633",
    "seq": 15411084098,
    "updatedTime": "1699948800031",
    "side": "Buy",
    "size": "1.2",
    "positionStatus": "Normal",
    "stopLoss": "0.00",
    "tradeMode": 0,
}
FLAT = {"side": "", "size": "0", "avgPrice": "0", "positionValue": "", "unrealisedPnl": "", "liqPrice": ""}
COIN = {
    "coin": "USDT",
    "equity": "100.5",
    "usdValue": "100.4",
    "walletBalance": "100",
    "locked": "0",
    "borrowAmount": "0.000000000000000000",
    "unrealisedPnl": "0.5",
    "cumRealisedPnl": "-1.25",
    "marginCollateral": True,
    "collateralSwitch": True,
    "availableToWithdraw": "",
}
ENTRY = {
    "symbol": "XRPUSDT",
    "side": "Buy",
    "funding": "-0.003676",
    "orderLinkId": "",
    "orderId": "1672128000-8-592324-1-2",
    "fee": "0.00000000",
    "change": "-0.003676",
    "cashFlow": "0",
    "transactionTime": "1672128000000",
    "type": "SETTLEMENT",
    "feeRate": "0.0001",
    "bonusChange": "",
    "size": "100",
    "qty": "100",
    "cashBalance": "5086.55825002",
    "currency": "USDT",
    "category": "linear",
    "tradePrice": "0.3676",
    "tradeId": "534c0003",
    "transSubType": "",
}


def position(**changes: Any) -> Position:
    return wire.position(Fields(POSITION | changes, "row"), Category.LINEAR)


def test_a_position() -> None:
    found = position()
    assert (found.side, found.size, found.avg_price) == (Side.BUY, Decimal("1.2"), Decimal("64.59947917"))
    assert [found.liq_price, found.take_profit, found.stop_loss, found.trailing_stop, found.delta] == [None] * 5


@pytest.mark.parametrize("side", ["", "None"])
def test_a_flat_position_has_no_side_and_no_price(side: str) -> None:
    found = position(**{**FLAT, "side": side})
    assert [found.side, found.avg_price, found.position_value, found.unrealised_pnl] == [None] * 4
    assert found.size == 0
    assert found.leverage == 6


@pytest.mark.parametrize("change", [{"side": ""}, {"side": "Long"}, {"avgPrice": ""}, {"size": ""}, {"size": "x"}])
def test_a_position_that_is_not_understood_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        position(**change)


def test_a_wallet_in_isolated_margin_has_no_totals() -> None:
    row = {"accountType": "UNIFIED", "totalEquity": "100.4", "accountIMRate": "", "coin": [COIN]}
    found = wire.wallet(Fields(row, "row"), NOW)
    assert [found.initial_margin_pct, found.total_available_balance] == [None] * 2
    (coin,) = found.coins
    assert (coin.equity, coin.borrowed, coin.spot_borrow) == (Decimal("100.5"), Decimal(0), Decimal(0))
    assert coin.is_collateral
    told = found.model_dump(mode="json")
    assert told["coins"][0]["cum_realised_pnl"] == "-1.25"
    rates = wire.wallet(Fields(row | {"accountIMRate": "0.0006", "accountMMRate": "0"}, "row"), NOW)
    assert (rates.initial_margin_pct, rates.maintenance_margin_pct) == (Decimal("0.06"), Decimal(0))


@pytest.mark.parametrize(
    ("status", "mode", "told"),
    [
        (5, "REGULAR_MARGIN", (AccountStatus.UNIFIED_2, MarginMode.CROSS)),
        (1, "ISOLATED_MARGIN", (AccountStatus.CLASSIC, MarginMode.ISOLATED)),
        (9, "NEW_MARGIN", (AccountStatus.UNKNOWN, MarginMode.UNKNOWN)),
    ],
)
def test_kinds_of_account(status: int, mode: str, told: tuple[AccountStatus, MarginMode]) -> None:
    raw = {"unifiedMarginStatus": status, "marginMode": mode, "updatedTime": "1697078946000"}
    found = wire.account_info(raw, NOW)
    assert (found.account_status, found.margin_mode) == told


def test_funding_in_the_log_has_the_sign_of_what_was_received() -> None:
    found = wire.log_entry(Fields(ENTRY, "row"))
    assert found.funding == Decimal("-0.003676")
    assert found.funding + (found.cash_flow or 0) - (found.fee or 0) == found.change
    assert [found.sub_type, found.order_link_id] == [None] * 2
    transfer = ENTRY | {"type": "TRANSFER_IN", "symbol": "", "side": "None", "category": "", "funding": ""}
    moved = wire.log_entry(Fields(transfer, "row"))
    assert [moved.symbol, moved.side, moved.category, moved.funding] == [None] * 4


def test_profit_of_a_close_names_the_side_that_closed() -> None:
    row = {
        "symbol": "BTCUSDT",
        "orderId": "bcb03fc1",
        "side": "Sell",
        "closedSize": "0.001",
        "avgEntryPrice": "55937.5",
        "avgExitPrice": "55563",
        "closedPnl": "-0.43582528",
        "updatedTime": "1724408566765",
        "leverage": "10",
        "fillCount": "1",
    }
    found = wire.closed_pnl(Fields(row, "row"))
    fees = 2 * 0.00055 * 0.001 * (55937.5 + 55563) / 2
    gain = float(found.closed_size * (found.avg_exit_price - found.avg_entry_price))
    assert float(found.closed_pnl) == pytest.approx(gain - fees, abs=1e-6)
    assert (found.side, found.fill_count, found.open_fee) == (Side.SELL, 1, None)


@recorded
def test_recorded_accounts_are_read() -> None:
    count = 0
    for result in answers("GET /v5/position/list"):
        category = Category(result["category"])
        rows = listed(result["list"], "list", lambda row, c=category: wire.position(row, c))  # type: ignore[misc]  # the default binds it
        assert all((each.side is None) is (each.size == 0) for each in rows)
        count += len(rows)
    for result in answers("GET /v5/account/wallet-balance"):
        (row,) = list(Fields(result, "result").objects("list"))
        assert wire.wallet(row, NOW).coins
        count += 1
    for result in answers("GET /v5/account/info"):
        assert wire.account_info(result, NOW).account_status is not AccountStatus.UNKNOWN
        count += 1
    for endpoint, one in (
        ("account/transaction-log", wire.log_entry),
        ("position/closed-pnl", wire.closed_pnl),
        ("account/fee-rate", wire.fee_rate),
    ):
        for result in answers(f"GET /v5/{endpoint}"):
            count += len(listed(result["list"], endpoint, one))
    assert count >= 12


@recorded
def test_shapes_of_other_programs_are_read() -> None:
    files = held("nautilus_test_data.json")
    for name, body in files.items():
        if name.startswith("http_get_positions"):
            rows = body["result"]["list"]
            assert listed(rows, name, lambda row: wire.position(row, Category.LINEAR)), name
        if name.startswith("http_get_wallet_balance"):
            for row in Fields(body["result"], "result").objects("list"):
                assert wire.wallet(row, NOW).coins, name
    assert listed(files["http_get_fee_rate.json"]["result"]["list"], "list", wire.fee_rate)
    assert wire.account_info(files["http_get_account_info.json"]["result"], NOW).as_of == NOW
