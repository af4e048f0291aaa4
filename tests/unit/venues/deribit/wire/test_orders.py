"""Orders, fills and mass cancels as the fact sheet describes them, and as Deribit really answered."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import orders
from cerberod.venues.deribit.wire.orders import Direction, OrderState

ORDER: dict[str, Any] = {
    "order_id": "104819327443",
    "instrument_name": "BTC-PERPETUAL",
    "order_state": "open",
    "order_type": "limit",
    "direction": "buy",
    "time_in_force": "good_til_cancelled",
    "price": 60000.5,
    "amount": 10.0,
    "contracts": 1.0,
    "filled_amount": 0.0,
    "average_price": 0.0,
    "label": "c1",
    "post_only": True,
    "reject_post_only": True,
    "reduce_only": False,
    "replaced": False,
    "creation_timestamp": 1_767_978_363_493,
    "last_update_timestamp": 1_767_978_363_493,
    "api": True,
    "web": False,
    "mmp": False,
    "user_id": 96103,
}
TRADE: dict[str, Any] = {
    "trade_id": "48078936",
    "trade_seq": 1,
    "timestamp": 1_590_480_620_145,
    "order_id": "104819327443",
    "instrument_name": "BTC-PERPETUAL",
    "direction": "buy",
    "price": 60000.5,
    "amount": 10.0,
    "fee": -2.1e-07,
    "fee_currency": "BTC",
    "liquidity": "M",
    "matching_id": None,
    "state": "filled",
}


def test_an_order_is_read_exactly() -> None:
    told = orders.one_order(ORDER)
    assert (told.price, told.amount, told.filled_amount, told.average_price) == (
        Decimal("60000.5"),
        Decimal(10),
        Decimal(0),
        None,
    )
    assert (told.order_state, told.direction) == (OrderState.OPEN, Direction.BUY)
    assert told.asked_price == Decimal("60000.5")
    assert told.model_dump(mode="json")["price"] == "60000.5"


def test_an_average_with_endless_digits_is_cut_not_refused() -> None:
    told = orders.one_order(ORDER | {"filled_amount": 10, "average_price": 1 / 3, "order_state": "filled"})
    assert told.average_price == Decimal("0.333333333333")


def test_a_market_order_that_waits_for_its_trigger_has_no_price() -> None:
    trigger = {"price": "market_price", "trigger": "mark_price", "trigger_price": 2228.0, "order_state": "untriggered"}
    told = orders.one_order(ORDER | trigger)
    assert (told.price, told.trigger_price, told.order_state.done) == (None, Decimal(2228), False)


def test_an_advanced_order_is_priced_in_its_own_unit() -> None:
    assert orders.one_order(ORDER | {"advanced": "implv", "implv": 55.5}).asked_price == Decimal("55.5")
    assert orders.one_order(ORDER | {"advanced": "usd", "usd": 310.0}).asked_price == 310


def test_a_combo_may_have_a_negative_price() -> None:
    assert orders.one_order(ORDER | {"price": -0.0005}).price == Decimal("-0.0005")


@pytest.mark.parametrize(
    "bad",
    [
        {"order_state": "levitating"},
        {"order_state": None},
        {"direction": "sideways"},
        {"order_id": None},
        {"order_id": 5},
        {"amount": "10"},
        {"amount": None},
        {"price": "cheap"},
        {"price": 1e-300},
        {"label": 5},
        {"creation_timestamp": "now"},
        {"post_only": 1},
    ],
)
def test_an_order_that_leaves_a_doubt_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        orders.one_order(ORDER | bad)


def test_the_visible_size_is_told_only_of_icebergs() -> None:
    assert orders.one_order(ORDER | {"max_show": 10.0}).display_amount is None
    assert orders.one_order(ORDER | {"max_show": 5.0}).display_amount == 5
    assert orders.one_order(ORDER | {"display_amount": 2.0}).display_amount == 2


def test_the_answer_of_a_placed_order_has_its_fills() -> None:
    order, trades = orders.placed({"order": ORDER, "trades": [TRADE]})
    assert order.order_id == trades[0].order_id
    assert trades[0].fee == Decimal("-0.00000021")
    assert orders.placed({"order": ORDER})[1] == []


@pytest.mark.parametrize(
    "raw", [None, [], {}, {"order": []}, {"order": ORDER, "trades": [5]}, {"order": ORDER, "trades": 5}]
)
def test_what_is_no_placed_order_is_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        orders.placed(raw)


def test_both_shapes_of_a_mass_cancel_are_read() -> None:
    done, skipped = orders.cancelled(
        [
            {"currency": "BTC", "type": "limit", "result": [ORDER, ORDER | {"order_id": "2"}]},
            {"order": ORDER | {"order_id": "3"}},
            {"currency": "ETH", "type": "trigger", "error": {"code": 10041, "message": "text"}},
        ]
    )
    assert [order.order_id for order in done] == ["104819327443", "2", "3"]
    assert [(part.currency, part.venue_code) for part in skipped] == [("ETH", "10041")]
    assert orders.cancelled([]) == ([], [])


@pytest.mark.parametrize("raw", [3, None, {}, [5]])
def test_a_mass_cancel_that_does_not_tell_what_it_did_is_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        orders.cancelled(raw)


@pytest.mark.recorded
def test_recorded_orders(recorded: Path) -> None:
    bodies = orjson.loads((recorded / "deribit/private_orders_ETH_USDC-PERPETUAL_mainnet_20260109.json").read_bytes())
    assert len(bodies) == 5
    for name, body in bodies.items():
        if "cancel" in name:
            order = orders.one_order(body["result"])
            assert (order.order_state, order.cancel_reason) == (OrderState.CANCELLED, "user_request")
        else:
            order, trades = orders.placed(body["result"])
            assert trades == []
        assert order.order_id.startswith("USDC-")
    edited, _ = orders.placed(bodies["private/edit"]["result"])
    assert (edited.replaced, edited.price, edited.amount) == (True, Decimal("3067.2"), Decimal("0.001"))


@pytest.mark.recorded
def test_the_recorded_mass_cancel(recorded: Path) -> None:
    body = orjson.loads((recorded / "deribit/cancel_all_detailed_BTC_USDC_20240510.json").read_bytes())
    done, skipped = orders.cancelled(body["result"])
    assert ([order.order_id for order in done], skipped) == (["BTC_USDC-13133482"], [])


def answer_of(example: Any) -> Any:
    """Return the result of a documented example, with its request or without."""
    return example.get("response", example)["result"]


@pytest.mark.recorded
@pytest.mark.parametrize("file", ["doc_examples_methods.json", "doc_examples_methods_2025.json"])
def test_documented_orders_and_fills(recorded: Path, file: str) -> None:
    examples = orjson.loads((recorded / "deribit" / file).read_bytes())
    for name in ("private/get_open_orders", "private/get_open_orders_by_currency", "private/get_order_state_by_label"):
        if name in examples:
            assert orders.orders(answer_of(examples[name]))
    for name in ("private/buy", "private/sell"):
        if name in examples:
            assert orders.placed(answer_of(examples[name]))[0].order_id
    if "private/get_user_trades_by_currency" in examples:
        assert orders.trades(answer_of(examples["private/get_user_trades_by_currency"]))


def test_an_order_tells_what_it_is_linked_with() -> None:
    primary = orders.one_order(ORDER | {"oto_order_ids": ["OTO-1", "OTO-2"], "mmp": True})
    assert (primary.linked_order_ids, primary.is_secondary, primary.mmp) == (["OTO-1", "OTO-2"], False, True)
    exits = ORDER | {"is_secondary_oto": True, "primary_order_id": "1", "oco_ref": "X", "order_state": "untriggered"}
    secondary = orders.one_order(exits)
    assert (secondary.is_secondary, secondary.primary_order_id, secondary.oco_ref) == (True, "1", "X")
    assert secondary.linked_order_ids == []


@pytest.mark.parametrize("ids", ["OTO-1", [1], [None], {"0": "OTO-1"}, ["x" * 257]])
def test_links_that_are_no_ids_are_refused(ids: object) -> None:
    with pytest.raises(BadVenueData) as refused:
        orders.one_order(ORDER | {"oto_order_ids": ids})
    assert refused.value.data["field"] == "result.oto_order_ids"


def test_triggers_are_told_by_label_and_by_the_id_they_had_first() -> None:
    entries = [
        {"trigger_order_id": "SLIS-103", "label": "c1", "order_id": "671473", "order_state": "new"},
        {"trigger_order_id": "SLIS-104"},
    ]
    assert orders.triggers({"entries": entries, "continuation": None}) == [("c1", "SLIS-103"), ("", "SLIS-104")]
    with pytest.raises(BadVenueData):
        orders.triggers({"entries": [{"label": "c1"}]})
