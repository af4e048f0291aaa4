"""Brackets as prepared: one request, exits on their own sides of the entry, labels that cannot be mixed up."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from cerberod.trading.orders import Outcome
from cerberod.trading.writes import Sent
from cerberod.venues.deribit.methods.brackets import PlaceBracketOrder, find_bracket, place_bracket_order
from tests.support.records import entry
from tests.unit.venues.deribit.methods.test_orders import calling, fields, params_of
from tests.unit.venues.deribit.test_client import instrument
from tests.unit.venues.deribit.test_finders import asking
from tests.unit.venues.deribit.test_rules import OPTION
from tests.unit.venues.deribit.wire.test_orders import ORDER

BRACKET: dict[str, Any] = {
    "instrument_name": "BTC-PERPETUAL",
    "side": "buy",
    "amount": "10",
    "price": "59000",
    "stop_loss": {"trigger_price": "58000"},
    "take_profit": {"trigger_price": "62000", "price": "61990"},
    "intent": "i-1",
}


def taken(params: dict[str, Any]) -> dict[str, Any]:
    linked = {"oto_order_ids": ["OTO-1", "OTO-2"], "is_primary_otoco": True}
    return {"order": ORDER | linked | {"label": params["label"]}, "trades": []}


async def test_a_bracket_is_one_request() -> None:
    async with calling(private__buy=taken) as (venue, call):
        plan = await place_bracket_order(call, params_of(PlaceBracketOrder, **BRACKET))
        assert plan.send is not None
        ending = await plan.send(Sent())
        (asked,) = venue.asked("private/buy")
        label = plan.client_order_id
        assert label is not None
        assert asked.pop("valid_until") > 0
        assert asked == {
            "instrument_name": "BTC-PERPETUAL",
            "amount": 10,
            "type": "limit",
            "label": label,
            "price": 59000,
            "time_in_force": "good_til_cancelled",
            "post_only": False,
            "reject_post_only": False,
            "reduce_only": False,
            "linked_order_type": "one_triggers_one_cancels_other",
            "trigger_fill_condition": "first_hit",
            "otoco_config": [
                {
                    "amount": 10,
                    "direction": "sell",
                    "type": "take_limit",
                    "label": label + "-tp",
                    "price": 61990,
                    "time_in_force": "good_til_cancelled",
                    "reduce_only": True,
                    "trigger": "mark_price",
                    "trigger_price": 62000,
                },
                {
                    "amount": 10,
                    "direction": "sell",
                    "type": "stop_market",
                    "label": label + "-sl",
                    "reduce_only": True,
                    "trigger": "mark_price",
                    "trigger_price": 58000,
                },
            ],
        }
        assert plan.wire["params"]["otoco_config"][0]["price"] == "61990", "journaled with its own digits"
        assert ending.outcome is Outcome.CONFIRMED
        assert ending.detail["order"]["linked_order_ids"] == ["OTO-1", "OTO-2"]
        assert (ending.detail["stop_loss_label"], ending.detail["take_profit_label"]) == (label + "-sl", label + "-tp")
        assert len(label + "-tp") <= 64


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"stop_loss": {"trigger_price": "59000"}}, [("stop_loss.trigger_price", "58999.5")]),
        ({"take_profit": {"trigger_price": "58500"}}, [("take_profit.trigger_price", "59000.5")]),
        ({"price": "65000", "stop_loss": {"trigger_price": "61000"}}, [("stop_loss.trigger_price", "60000")]),
        (
            {"type": "market", "price": None, "stop_loss": {"trigger_price": "60000.5"}},
            [("stop_loss.trigger_price", "60000")],
        ),
        ({"side": "sell"}, [("stop_loss.trigger_price", "60000.5")]),
        (
            {"side": "sell", "price": "61000", "stop_loss": {"trigger_price": "60500"}}
            | {"take_profit": {"trigger_price": "61500"}},
            [("stop_loss.trigger_price", "61000.5"), ("take_profit.trigger_price", "60999.5")],
        ),
        ({"stop_loss": {"trigger_price": "58000.2"}}, [("stop_loss.trigger_price", "58000")]),
        ({"take_profit": {"trigger_price": "62000", "price": "1.1"}}, [("take_profit.price", "1")]),
        ({"price": "1.1", "amount": "5"}, [("amount", "10"), ("price", "1")]),
        ({"stop_loss": {"trigger_price": "58000", "price": "58000.5"}}, [("stop_loss.price", "58000")]),
        ({"stop_loss": {"trigger_price": "58000", "price": "57900"}}, []),
        (
            {"side": "sell", "price": "61000", "take_profit": {"trigger_price": "59000"}}
            | {"stop_loss": {"trigger_price": "62000", "price": "61900"}},
            [("stop_loss.price", "62000")],
        ),
        ({"type": "market", "price": None, "stop_loss": {"trigger_price": "70000", "trigger": "last_price"}}, []),
    ],
)
async def test_a_bracket_that_would_come_apart_is_denied(
    changes: dict[str, Any], reasons: list[tuple[str, str | None]]
) -> None:
    """The last has never traded: there is no last price that its stop could be past."""
    async with calling() as (venue, call):
        plan = await place_bracket_order(call, params_of(PlaceBracketOrder, **(BRACKET | changes)))
        found = [(reason.field, reason.nearest) for reason in plan.denied]
        assert found[: len(reasons)] == reasons
        assert bool(found) == bool(reasons)
        assert not venue.asked("private/buy")


@pytest.mark.parametrize(
    ("stop", "take", "reasons"),
    [
        ("60009.99", "60010.01", []),
        ("61000", "90000", [("stop_loss.trigger_price", "60009.99")]),
        ("50000", "55000", [("take_profit.trigger_price", "60010.01")]),
        ("50000.001", "90000", [("stop_loss.trigger_price", "50000")]),
    ],
)
async def test_an_option_is_bracketed_by_the_index_around_where_it_is(
    stop: str, take: str, reasons: list[tuple[str, str | None]]
) -> None:
    """What the entry costs is in coin and says nothing of the index."""
    exits = {
        name: {"trigger_price": price, "trigger": "index_price"}
        for name, price in (("stop_loss", stop), ("take_profit", take))
    }
    asked = BRACKET | {"amount": "0.1", "price": "0.0055"} | exits
    async with calling(public__get_instrument=instrument(**OPTION)) as (_, call):
        plan = await place_bracket_order(call, params_of(PlaceBracketOrder, **asked))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == reasons


async def test_a_put_is_not_bracketed_by_the_index() -> None:
    """A stop that sells waits for the index to fall, which is where a put gains."""
    exits = {"stop_loss": {"trigger_price": "50000", "trigger": "index_price"}, "take_profit": {"trigger_price": "0.1"}}
    asked = BRACKET | {"amount": "0.1", "price": "0.0055"} | exits
    async with calling(public__get_instrument=instrument(**OPTION | {"option_type": "put"})) as (_, call):
        plan = await place_bracket_order(call, params_of(PlaceBracketOrder, **asked))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == [("stop_loss.trigger", "mark_price")]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stop_loss": {}}, "stop_loss.trigger_price"),
        ({"take_profit": {"trigger_price": "1", "offset": "2"}}, "take_profit.offset"),
        ({"type": "market"}, "price"),
        ({"type": "market", "price": None, "time_in_force": "good_til_day"}, "time_in_force"),
        ({"post_only": True, "time_in_force": "fill_or_kill"}, "post_only"),
        ({"trigger_fill_condition": "sometimes"}, "trigger_fill_condition"),
    ],
)
def test_what_params_alone_show_wrong_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        params_of(PlaceBracketOrder, **(BRACKET | changes))
    assert fields(refused.value) == {field}


async def test_a_bracket_whose_answer_was_lost_is_found_with_its_exits_named() -> None:
    wire = {"method": "private/buy", "params": {"label": "c1"}, "currency": "BTC"}
    async with asking(private__get_order_state_by_label=[ORDER]) as (_, services):
        ending = await find_bracket(services, entry(wire=wire, client_order_id="c1"))
        assert ending is not None
        assert ending.detail["stop_loss_label"] == "c1-sl"
        assert ending.as_of is not None
        assert ending.as_of > datetime(2026, 1, 1, tzinfo=UTC)


def test_the_documented_exits_are_ones_that_pass() -> None:
    properties = PlaceBracketOrder.model_json_schema()["properties"]
    exits = {name: properties[name]["examples"][0] for name in ("stop_loss", "take_profit")}
    assert params_of(PlaceBracketOrder, **(BRACKET | exits)).stop_loss.trigger_price == 50_000


async def test_no_leg_of_a_bracket_on_an_option_is_priced_in_dollars() -> None:
    exits = {"trigger_price": "0.004", "price": "4300"}
    asked = BRACKET | {"amount": "0.1", "price": "4300", "stop_loss": exits, "take_profit": exits}
    async with calling(public__get_instrument=instrument(**OPTION)) as (_, call):
        plan = await place_bracket_order(call, params_of(PlaceBracketOrder, **asked))
        assert [reason.field for reason in plan.denied] == ["price", "stop_loss.price", "take_profit.price"]


async def test_what_is_too_late_by_the_venues_time_is_denied() -> None:
    async with calling() as (_, call):
        plan = await place_bracket_order(
            call, params_of(PlaceBracketOrder, **BRACKET, valid_until="2020-01-01T00:00:00Z")
        )
        assert [reason.field for reason in plan.denied] == ["valid_until"]
