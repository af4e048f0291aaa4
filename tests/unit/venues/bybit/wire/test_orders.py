"""Orders and executions are read as Bybit writes them; what is not there is null, what is new in kind is refused."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.bybit.wire.orders import ExecType, Order, OrderStatus, execution, order
from cerberod.venues.bybit.wire.reading import Fields, listed
from cerberod.venues.bybit.wire.words import Category, Side
from tests.unit.venues.bybit.rows import EXECUTION, ORDER

RECORDED = Path(__file__).parents[5].parent / "shared" / "recorded" / "bybit"
recorded = [
    pytest.mark.recorded,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded data is not beside the repository"),
]


def read(**changes: Any) -> Order:
    return order(Fields(ORDER | changes, "row"), Category.LINEAR)


def test_an_open_order_has_no_average_and_no_trigger() -> None:
    found = read()
    assert found.order_status is OrderStatus.NEW
    assert found.order_status.open
    assert (found.side, found.qty, found.price) == (Side.BUY, Decimal("0.001"), Decimal("52000.1"))
    assert found.avg_price is None
    assert [found.trigger_price, found.trigger_direction, found.trigger_by] == [None] * 3
    assert [found.take_profit, found.stop_loss, found.order_iv] == [None] * 3
    assert [found.reject_reason, found.cancel_type, found.stop_order_type, found.market_unit] == [None] * 4
    assert found.fees == {}
    assert found.model_dump(mode="json")["price"] == "52000.1"


@pytest.mark.parametrize("nothing", ["0", "0.00", ""])
def test_a_price_of_zero_is_no_price(nothing: str) -> None:
    found = read(price=nothing, triggerPrice=nothing, takeProfit=nothing, stopLoss=nothing, avgPrice=nothing)
    assert found.price is found.trigger_price is found.take_profit is found.stop_loss is found.avg_price is None


def test_a_filled_part_has_its_average_and_its_fees() -> None:
    found = read(
        orderStatus="Cancelled",
        cumExecQty="0.0004",
        cumExecValue="20.8",
        avgPrice="52000.1",
        leavesQty="0",
        cumExecFee="0.011",
        cumFeeDetail={"USDT": "0.011"},
        cancelType="CancelByUser",
        rejectReason="EC_PerCancelRequest",
    )
    assert not found.order_status.open
    assert (found.cum_exec_qty, found.avg_price) == (Decimal("0.0004"), Decimal("52000.1"))
    assert found.fees == {"USDT": Decimal("0.011")}
    assert (found.cancel_type, found.reject_reason) == ("CancelByUser", "EC_PerCancelRequest")


def test_an_amount_of_money_is_said_to_be_one() -> None:
    found = read(qty="50", marketUnit="quoteCoin", orderStatus="PartiallyFilledCanceled", cumExecQty="0.001614")
    assert found.in_quote
    assert not found.order_status.open
    assert found.cum_exec_qty == Decimal("0.001614")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderStatus", "Melted"),
        ("side", ""),
        ("side", "Long"),
        ("qty", "NaN"),
        ("qty", "1_000"),
        ("qty", " 1"),
        ("qty", "٣"),
        ("price", "1e-400"),
        ("orderId", None),
        ("createdTime", "yesterday"),
        ("reduceOnly", "yes"),
    ],
)
def test_what_decides_and_is_not_understood_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadVenueData) as caught:
        read(**{field: value})
    assert caught.value.data["field"] == f"row.{field}"


def test_long_figures_are_cut_to_what_we_carry() -> None:
    found = read(cumExecQty="123456789012345678.1234567890123456", avgPrice="1.00000000000049")
    assert found.cum_exec_qty == Decimal("123456789012345678.123456789012")
    assert found.avg_price == Decimal(1)


def test_a_fill_is_read() -> None:
    found = execution(Fields(EXECUTION, "row"), Category.LINEAR)
    assert (found.exec_type, found.side, found.exec_price) == (ExecType.TRADE, Side.BUY, Decimal("85.11"))
    assert [found.fee_currency, found.index_price] == [None] * 2
    assert found.mark_price == Decimal("85.07")


def test_funding_is_no_fill_and_says_so() -> None:
    row = EXECUTION | {"execType": "Funding", "orderType": "UNKNOWN", "execFee": "-0.00708126", "side": "None"}
    found = execution(Fields(row, "row"), Category.LINEAR)
    assert found.exec_type is ExecType.FUNDING
    assert found.exec_fee == Decimal("-0.00708126")
    assert [found.side, found.order_type] == [None] * 2


def test_an_execution_type_that_is_new_is_shown_as_unknown() -> None:
    found = execution(Fields(EXECUTION | {"execType": "SomethingElse"}, "row"), Category.LINEAR)
    assert found.exec_type is ExecType.UNKNOWN


@pytest.mark.parametrize("path", [pytest.param(RECORDED / "rest_ccxt_recorded.json", marks=recorded)])
def test_recorded_orders_and_executions_are_read(path: Path) -> None:
    orders, executions = [], []
    for each in orjson.loads(path.read_bytes()):
        result = each["response"]["result"]
        if each["endpoint"] in ("GET /v5/order/realtime", "GET /v5/order/history"):
            category = Category(result["category"])
            orders += listed(result["list"], "result.list", lambda row, c=category: order(row, c))  # type: ignore[misc]  # the default binds it
        if each["endpoint"] == "GET /v5/execution/list":
            category = Category(result["category"])
            executions += listed(result["list"], "result.list", lambda row, c=category: execution(row, c))  # type: ignore[misc]  # the default binds it
    assert len(orders) >= 4
    assert any(found.in_quote and found.order_status is OrderStatus.PARTIALLY_FILLED_CANCELLED for found in orders)
    assert {found.exec_type for found in executions} == {ExecType.TRADE, ExecType.FUNDING}
    assert {found.fee_currency for found in executions} == {None, "ETH"}


@pytest.mark.parametrize("path", [pytest.param(RECORDED / "nautilus_test_data.json", marks=recorded)])
def test_shapes_of_other_programs_are_read(path: Path) -> None:
    held = orjson.loads(path.read_bytes())
    names = [name for name in held if name.startswith(("http_get_order_", "http_get_orders_"))]
    assert names
    for name in names:
        for found in listed(held[name]["result"]["list"], name, lambda row: order(row, Category.LINEAR)):
            assert found.order_id
    held_fills = held["http_get_executions.json"]["result"]["list"]
    assert all(fill.exec_id for fill in listed(held_fills, "list", lambda row: execution(row, Category.LINEAR)))
