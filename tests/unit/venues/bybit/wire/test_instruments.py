"""The rules of an instrument come in one shape from four."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.bybit.wire.instruments import ContractType, Instrument, OptionType, Status, instrument
from cerberod.venues.bybit.wire.reading import Fields, listed
from cerberod.venues.bybit.wire.words import Category
from tests.unit.venues.bybit.rows import LINEAR, OPTION, SPOT

RECORDED = Path(__file__).parents[5].parent / "shared" / "recorded" / "bybit"


def read(row: dict[str, Any], category: Category) -> Instrument:
    return instrument(Fields(row, "row"), category)


def test_a_perpetual() -> None:
    found = read(LINEAR, Category.LINEAR)
    assert found.contract_type is ContractType.LINEAR_PERPETUAL
    assert found.contract_type.perpetual
    assert found.delivers_at is None
    assert (found.tick_size, found.qty_step, found.min_order_qty) == (
        Decimal("0.1"),
        Decimal("0.001"),
        Decimal("0.001"),
    )
    assert (found.max_order_qty, found.max_market_order_qty) == (Decimal(1190), Decimal(119))
    assert found.min_order_value == Decimal(5)
    assert (found.funding_interval_min, found.settle_coin) == (480, "USDT")
    assert (found.max_leverage, found.leverage_step) == (Decimal(100), Decimal("0.01"))
    assert [found.quote_step, found.max_order_value, found.options_type] == [None] * 3


def test_an_inverse_contract_has_no_least_value() -> None:
    lots = LINEAR["lotSizeFilter"] | {"minNotionalValue": ""}
    row = LINEAR | {"contractType": "InverseFutures", "deliveryTime": "1766736000000", "lotSizeFilter": lots}
    found = read(row, Category.INVERSE)
    assert found.min_order_value is None
    assert found.contract_type is not None
    assert found.contract_type.dated
    assert found.delivers_at is not None
    assert found.delivers_at.isoformat() == "2025-12-26T08:00:00+00:00"


def test_a_pair_has_its_own_names_for_the_same_rules() -> None:
    found = read(SPOT, Category.SPOT)
    assert (found.qty_step, found.quote_step) == (Decimal("0.000001"), Decimal("0.0000001"))
    assert found.min_order_qty is None
    assert (found.min_order_value, found.max_order_value) == (Decimal(5), Decimal(8_000_000))
    assert (found.max_order_qty, found.max_market_order_qty) == (Decimal(90), Decimal(45))
    assert [found.contract_type, found.settle_coin, found.max_leverage, found.launched_at] == [None] * 4


def test_an_older_pair_has_one_bound_for_all_orders() -> None:
    lots = {name: SPOT["lotSizeFilter"][name] for name in ("basePrecision", "quotePrecision", "maxOrderQty")}
    found = read(SPOT | {"lotSizeFilter": lots}, Category.SPOT)
    assert found.max_order_qty == Decimal(83)
    assert found.max_market_order_qty is found.min_order_value is None


def test_an_option() -> None:
    found = read(OPTION, Category.OPTION)
    assert found.options_type is OptionType.PUT
    assert [found.min_order_value, found.funding_interval_min] == [None] * 2
    assert (found.min_order_qty, found.tick_size) == (Decimal(1), Decimal("0.01"))


def test_a_status_that_is_new_does_not_trade() -> None:
    assert read(LINEAR | {"status": "Sleeping"}, Category.LINEAR).status is Status.UNKNOWN


@pytest.mark.parametrize("step", ["0", "-1", "", None, "x"])
def test_a_grid_without_a_step_is_refused(step: object) -> None:
    with pytest.raises(BadVenueData) as caught:
        read(LINEAR | {"priceFilter": {"tickSize": step}}, Category.LINEAR)
    assert caught.value.data["field"] == "row.priceFilter.tickSize"


@pytest.mark.recorded
@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded data is not beside the repository")
def test_recorded_instruments_are_read() -> None:
    held = orjson.loads((RECORDED / "rest_instruments_info_2025.json").read_bytes())
    for name, rows in held.items():
        category = Category(name)
        found = listed(rows, name, lambda row, c=category: instrument(row, c))  # type: ignore[misc]  # the default binds it
        assert len(found) == len(rows)
        assert all(each.qty_step > 0 and each.tick_size > 0 for each in found)
    assert 60 in {each["fundingInterval"] for each in held["linear"]}
    shapes = orjson.loads((RECORDED / "nautilus_test_data.json").read_bytes())
    for name, body in shapes.items():
        if name.startswith("http_get_instruments_"):
            category = next(each for each in Category if each.value in name)
            assert listed(body["result"]["list"], name, lambda row, c=category: instrument(row, c))  # type: ignore[misc]  # the default binds it
