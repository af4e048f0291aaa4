"""Orders that end a position: side and size follow from it, and none of them can turn it around."""

from typing import Any

import pytest
from pydantic import ValidationError

from cerberod.errors import BadVenueData
from cerberod.trading.orders import Outcome
from cerberod.trading.writes import Sent
from cerberod.venues.deribit.methods.reducing import (
    ClosePosition,
    SetStopLoss,
    SetTakeProfit,
    close_position,
    set_stop_loss,
    set_take_profit,
)
from tests.support.deribit_venue import Error
from tests.unit.venues.deribit.methods.test_orders import calling, fields, params_of
from tests.unit.venues.deribit.test_client import instrument
from tests.unit.venues.deribit.test_rules import OPTION
from tests.unit.venues.deribit.wire.test_orders import ORDER

LONG: dict[str, Any] = {
    "instrument_name": "BTC-PERPETUAL",
    "kind": "future",
    "direction": "buy",
    "size": 500.0,
    "average_price": 58_000.0,
    "mark_price": 60_000.25,
}
SHORT = LONG | {"direction": "sell", "size": -500.0}
NONE = LONG | {"direction": "zero", "size": 0.0, "average_price": 0.0}
ASKED = {"instrument_name": "BTC-PERPETUAL", "intent": "i-1"}


def taken(params: dict[str, Any], direction: str) -> dict[str, Any]:
    """Answer an order as the venue does."""
    return {"order": ORDER | {"label": params["label"], "direction": direction}, "trades": []}


@pytest.mark.parametrize(
    ("position", "given", "method", "sent"),
    [
        (LONG, {}, "private/sell", {"type": "market", "amount": "500", "price": None, "time_in_force": None}),
        (SHORT, {}, "private/buy", {"type": "market", "amount": "500", "price": None}),
        (
            LONG,
            {"type": "limit", "price": "61000", "amount": "100"},
            "private/sell",
            {"type": "limit", "price": "61000", "amount": "100", "time_in_force": "good_til_cancelled"},
        ),
        (
            SHORT,
            {"type": "limit", "price": "61000", "time_in_force": "immediate_or_cancel"},
            "private/buy",
            {"time_in_force": "immediate_or_cancel"},
        ),
    ],
)
async def test_a_position_is_closed_by_a_reduce_only_order_of_ours(
    position: dict[str, Any], given: dict[str, Any], method: str, sent: dict[str, Any]
) -> None:
    direction = method.removeprefix("private/")
    scripts = {method.replace("/", "__"): lambda params: taken(params, direction)}
    async with calling(private__get_position=position, **scripts) as (venue, call):
        plan = await close_position(call, params_of(ClosePosition, **ASKED, **given))
        assert (plan.wire["method"], plan.wire["currency"], plan.reduces) == (method, "BTC", True)
        assert {name: plan.wire["params"].get(name) for name in sent} == sent
        assert plan.wire["params"]["reduce_only"] is True
        assert plan.wire["params"]["label"] == plan.client_order_id
        assert not venue.asked(method)
        assert plan.send is not None
        ending = await plan.send(Sent())
        assert ending.outcome is Outcome.CONFIRMED
        assert len(venue.asked(method)) == 1


async def test_an_answer_about_the_other_side_is_no_confirmation() -> None:
    async with calling(private__get_position=LONG, private__sell=lambda params: taken(params, "buy")) as (_, call):
        plan = await close_position(call, params_of(ClosePosition, **ASKED))
        assert plan.send is not None
        with pytest.raises(BadVenueData):
            await plan.send(Sent())


@pytest.mark.parametrize(
    ("model", "given", "field"),
    [
        (ClosePosition, {"type": "limit"}, "price"),
        (ClosePosition, {"price": "1"}, "price"),
        (ClosePosition, {"time_in_force": "good_til_day"}, "time_in_force"),
        (ClosePosition, {"amount": "0"}, "amount"),
        (SetStopLoss, {}, "trigger_price"),
        (SetTakeProfit, {"trigger_price": "1", "trigger": "price"}, "trigger"),
        (SetStopLoss, {"trigger_price": "-1"}, "trigger_price"),
    ],
)
def test_what_params_alone_show_wrong_names_its_field(model: type[Any], given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        params_of(model, **ASKED, **given)
    assert fields(refused.value) == {field}


@pytest.mark.parametrize(
    ("position", "what", "given", "method", "sent"),
    [
        (LONG, "stop", {"trigger_price": "59000"}, "private/sell", {"type": "stop_market", "trigger": "mark_price"}),
        (SHORT, "stop", {"trigger_price": "61000"}, "private/buy", {"type": "stop_market", "amount": "500"}),
        (
            LONG,
            "stop",
            {"trigger_price": "59000", "price": "58900", "trigger": "last_price", "amount": "50"},
            "private/sell",
            {"type": "stop_limit", "price": "58900", "trigger": "last_price", "amount": "50"}
            | {"time_in_force": "good_til_cancelled", "trigger_price": "59000"},
        ),
        (LONG, "take", {"trigger_price": "61000"}, "private/sell", {"type": "take_market", "time_in_force": None}),
        (SHORT, "take", {"trigger_price": "59000", "price": "59100"}, "private/buy", {"type": "take_limit"}),
    ],
)
async def test_a_trigger_ends_the_position_it_was_set_on(
    position: dict[str, Any], what: str, given: dict[str, Any], method: str, sent: dict[str, Any]
) -> None:
    async with calling(private__get_position=position) as (_, call):
        if what == "stop":
            plan = await set_stop_loss(call, params_of(SetStopLoss, **ASKED, **given))
        else:
            plan = await set_take_profit(call, params_of(SetTakeProfit, **ASKED, **given))
        assert not plan.denied
        assert (plan.wire["method"], plan.reduces) == (method, True)
        assert {name: plan.wire["params"].get(name) for name in sent} == sent
        assert plan.wire["params"]["reduce_only"] is True


@pytest.mark.parametrize(
    ("position", "given", "reasons"),
    [
        (NONE, {"trigger_price": "59000"}, [("instrument_name", None)]),
        (LONG, {"trigger_price": "60000.5"}, [("trigger_price", "60000")]),
        (SHORT, {"trigger_price": "60000"}, [("trigger_price", "60000.5")]),
        (LONG, {"trigger_price": "59000.1"}, [("trigger_price", "59000")]),
        (LONG, {"trigger_price": "59000", "price": "58000.2"}, [("price", "58000")]),
        (LONG, {"trigger_price": "59000", "amount": "510"}, [("amount", "500")]),
        (LONG, {"trigger_price": "59000", "amount": "15"}, [("amount", "20")]),
    ],
)
async def test_a_stop_that_cannot_be_is_denied(
    position: dict[str, Any], given: dict[str, Any], reasons: list[tuple[str, str | None]]
) -> None:
    async with calling(private__get_position=position) as (_, call):
        plan = await set_stop_loss(call, params_of(SetStopLoss, **ASKED, **given))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == reasons


async def test_a_take_profit_on_the_wrong_side_is_denied() -> None:
    async with calling(private__get_position=LONG) as (_, call):
        plan = await set_take_profit(call, params_of(SetTakeProfit, **ASKED, trigger_price="59000"))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == [("trigger_price", "60000.5")]
        assert "above the mark price, 60000.25, for a take profit that sells" in plan.denied[0].rule


async def test_an_option_is_closed_in_coin() -> None:
    position = SHORT | {"kind": "option", "size": -0.3}
    async with calling(
        public__get_instrument=instrument(**OPTION), private__get_position=position, private__buy={}
    ) as (_, call):
        plan = await close_position(call, params_of(ClosePosition, **ASKED, type="limit", price="0.0051"))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == [("price", "0.005")]
        plan = await close_position(call, params_of(ClosePosition, **ASKED, type="limit", price="0.0055"))
        assert plan.wire["params"]["amount"] == "0.3"


@pytest.mark.parametrize("code", [-32602, 13020])
async def test_a_position_in_nothing_is_denied(code: int) -> None:
    async with calling(public__get_instrument=Error(code)) as (_, call):
        plan = await close_position(call, params_of(ClosePosition, **ASKED))
        assert [reason.field for reason in plan.denied] == ["instrument_name"]


async def test_an_option_is_not_closed_at_a_price_in_dollars() -> None:
    held = LONG | {"kind": "option", "size": 0.1}
    async with calling(private__get_position=held, public__get_instrument=instrument(**OPTION)) as (_, call):
        plan = await close_position(call, params_of(ClosePosition, **ASKED, type="limit", price="4300"))
        assert [reason.field for reason in plan.denied] == ["price"]


@pytest.mark.parametrize(
    ("option_type", "changes", "reasons"),
    [
        ("call", {"trigger_price": "60009.99"}, []),
        ("call", {"trigger_price": "61000"}, [("trigger_price", "60009.99")]),
        ("call", {"trigger_price": "59000.111"}, [("trigger_price", "59000.11")]),
        ("call", {"trigger_price": "0.00412", "trigger": "mark_price"}, [("trigger_price", "0.0041")]),
        ("call", {"trigger_price": "59000", "trigger": "mark_price"}, [("trigger_price", None)]),
        ("put", {"trigger_price": "59000"}, [("trigger", "mark_price")]),
    ],
)
async def test_a_stop_on_an_option_waits_for_the_index_or_for_its_own_price(
    option_type: str, changes: dict[str, Any], reasons: list[tuple[str, str | None]]
) -> None:
    """A put gains while the index falls, where a stop that sells would fire: its stop waits for its own price."""
    scripts = {
        "private__get_position": LONG | {"kind": "option", "size": 0.1},
        "public__get_instrument": instrument(**OPTION | {"option_type": option_type}),
    }
    async with calling(**scripts) as (_, call):
        plan = await set_stop_loss(call, params_of(SetStopLoss, **(ASKED | {"trigger": "index_price"} | changes)))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == reasons


@pytest.mark.parametrize(
    ("position", "trigger_price", "price", "nearest"),
    [
        (LONG, "58000", "57990", None),
        (LONG, "58000", "58000.5", "58000"),
        (SHORT, "62000", "62010", None),
        (SHORT, "62000", "61000", "62000"),
    ],
)
async def test_a_stop_whose_limit_would_not_fill_when_it_fires_is_denied(
    position: dict[str, Any], trigger_price: str, price: str, nearest: str | None
) -> None:
    """A take profit is another matter: it may wait for more than its trigger."""
    async with calling(private__get_position=position) as (_, call):
        plan = await set_stop_loss(call, params_of(SetStopLoss, **ASKED, trigger_price=trigger_price, price=price))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == (
            [] if nearest is None else [("price", nearest)]
        )
        taking = (
            {"trigger_price": "62000", "price": "62010"}
            if position is LONG
            else {"trigger_price": "58000", "price": "57990"}
        )
        assert not (await set_take_profit(call, params_of(SetTakeProfit, **ASKED, **taking))).denied


async def test_what_is_too_late_by_the_venues_time_is_denied() -> None:
    async with calling(private__get_position=LONG) as (_, call):
        plan = await close_position(call, params_of(ClosePosition, **ASKED, valid_until="2020-01-01T00:00:00Z"))
        assert [reason.field for reason in plan.denied] == ["valid_until"]
