"""Cancels as prepared: nothing holds them up, and what is sent is what was asked."""

from typing import Any

import pytest
from pydantic import ValidationError

from cerberod.errors import BadVenueData, VenueDown
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import registry
from cerberod.trading.orders import Outcome
from cerberod.trading.writes import Sent
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit.limits import Class, class_of, is_cancel
from cerberod.venues.deribit.methods.cancels import (
    CancelAllOrders,
    CancelByLabel,
    CancelOrder,
    cancel_all_orders,
    cancel_by_label,
    cancel_order,
)
from tests.support.deribit_venue import SILENCE, Error, client_of, eventually, scripted
from tests.unit.venues.deribit.methods.test_orders import PRINCIPAL, calling, fields, params_of
from tests.unit.venues.deribit.wire.test_orders import ORDER

CANCELLED = ORDER | {"order_state": "cancelled", "cancel_reason": "user_request"}


async def test_a_cancel_is_sent_without_looking_first() -> None:
    async with calling(private__cancel=CANCELLED) as (venue, call):
        before = len(venue.received)
        plan = await cancel_order(call, params_of(CancelOrder, order_id=ORDER["order_id"], intent="i"))
        assert len(venue.received) == before
        assert plan.send is not None
        ending = await plan.send(Sent())
        assert (ending.outcome, ending.detail["order"]["order_state"]) == (Outcome.CONFIRMED, "cancelled")
        assert venue.asked("private/cancel") == [{"order_id": ORDER["order_id"]}]
        assert plan.wire == {"method": "private/cancel", "params": {"order_id": ORDER["order_id"]}}


async def test_an_answer_about_another_order_is_no_cancel() -> None:
    async with calling(private__cancel=CANCELLED) as (_, call):
        plan = await cancel_order(call, params_of(CancelOrder, order_id="another", intent="i"))
        assert plan.send is not None
        with pytest.raises(BadVenueData):
            await plan.send(Sent())


@pytest.mark.parametrize(
    ("scope", "method", "sent", "looked"),
    [
        ({}, "private/cancel_all", {}, "private/get_open_orders"),
        (
            {"currency": "BTC"},
            "private/cancel_all_by_currency",
            {"currency": "BTC"},
            "private/get_open_orders_by_currency",
        ),
        (
            {"currency": "BTC", "kind": "option"},
            "private/cancel_all_by_currency",
            {"currency": "BTC", "kind": "option"},
            "private/get_open_orders_by_currency",
        ),
        (
            {"kind": "option"},
            "private/cancel_all_by_kind_or_type",
            {"currency": "any", "kind": "option"},
            "private/get_open_orders",
        ),
        (
            {"instrument_name": "BTC-PERPETUAL"},
            "private/cancel_all_by_instrument",
            {"instrument_name": "BTC-PERPETUAL"},
            "private/get_open_orders_by_instrument",
        ),
    ],
)
async def test_a_mass_cancel_reaches_what_was_asked(
    scope: dict[str, Any], method: str, sent: dict[str, Any], looked: str
) -> None:
    done = [{"currency": "BTC", "type": "limit", "result": [CANCELLED]}]
    scripts: dict[str, Any] = {method.replace("/", "__"): done, looked.replace("/", "__"): [ORDER]}
    async with calling(**scripts) as (venue, call):
        plan = await cancel_all_orders(call, params_of(CancelAllOrders, **scope, intent="i"))
        assert plan.wire["open_before"] == [ORDER["order_id"]]
        assert plan.send is not None
        ending = await plan.send(Sent())
        assert venue.asked(method) == [sent | {"detailed": True}]
        assert (ending.outcome, ending.detail["cancelled_count"]) == (Outcome.CONFIRMED, 1)


@pytest.mark.parametrize("looked", [SILENCE, Error(11094), [{"order_id": 5}]])
async def test_a_mass_cancel_is_sent_even_when_nobody_can_tell_what_is_open(
    looked: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerberod.venues.deribit.methods.cancels._LOOK_BEFORE_S", 0.05)
    async with calling(private__get_open_orders=looked, private__cancel_all=[]) as (_, call):
        plan = await cancel_all_orders(call, params_of(CancelAllOrders, intent="i"))
        assert plan.wire["open_before"] is None
        assert plan.send is not None
        assert (await plan.send(Sent())).outcome is Outcome.CONFIRMED


async def test_a_mass_cancel_that_waits_for_the_connection_looks_when_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed before its first byte, it could not be told from one that worked if nobody knew what was open."""
    look = "cerberod.venues.deribit.methods.cancels._LOOK_BEFORE_S"
    slowly = Backoff(lambda: 0.0, first_s=0.5)

    def back(params: object) -> str:
        monkeypatch.setattr(look, 60.0)
        return "ok"

    async with (
        scripted(private__get_open_orders=[ORDER], private__cancel_all=[]) as venue,
        client_of(venue, reconnect=slowly) as deribit,
    ):
        await eventually(lambda: deribit.status().authenticated)
        monkeypatch.setattr(look, 0.0)  # no time to look, until the connection is there again
        venue.scripts["public/set_heartbeat"] = back
        venue.cut()
        await eventually(lambda: not deribit.status().connected)
        call = Call("r-1", "deribit.cancel_all_orders", PRINCIPAL, Services(Environment.TESTNET, [deribit]))
        plan = await cancel_all_orders(call, params_of(CancelAllOrders, intent="i"))
        assert plan.wire["open_before"] == [ORDER["order_id"]]


async def test_a_mass_cancel_without_a_connection_is_an_error_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cerberod.venues.deribit.client._PATIENCE_SHARE", 0.001)
    async with scripted() as venue, client_of(venue, url="ws://127.0.0.1:1/") as deribit:
        call = Call("r-1", "deribit.cancel_all_orders", PRINCIPAL, Services(Environment.TESTNET, [deribit]))
        with pytest.raises(VenueDown):
            await cancel_all_orders(call, params_of(CancelAllOrders, intent="i"))
        assert venue.received == []


async def test_parts_that_stay_are_told() -> None:
    parts = [{"currency": "BTC", "type": "limit", "error": {"code": 10041, "message": "text"}}]
    async with calling(private__get_open_orders=[], private__cancel_all=parts) as (venue, call):
        plan = await cancel_all_orders(call, params_of(CancelAllOrders, intent="i"))
        assert plan.send is not None
        ending = await plan.send(Sent())
        assert (ending.outcome, ending.venue_code) == (Outcome.REJECTED, "10041")
        venue.scripts["private/cancel_all"] = [*parts, {"currency": "ETH", "type": "limit", "result": [CANCELLED]}]
        ending = await plan.send(Sent())
        assert (ending.outcome, len(ending.detail["skipped"])) == (Outcome.CONFIRMED, 1)


def test_an_instrument_stands_alone() -> None:
    for other in ({"currency": "BTC"}, {"kind": "option"}):
        with pytest.raises(ValidationError) as refused:
            params_of(CancelAllOrders, instrument_name="BTC-PERPETUAL", **other)
        assert fields(refused.value) == {"instrument_name"}


def test_cancels_have_a_lane_of_their_own_and_orders_do_not() -> None:
    urgent = {method.name for method in registry if method.namespace == "deribit" and method.urgent}
    assert urgent == {"deribit.cancel_order", "deribit.cancel_all_orders", "deribit.cancel_by_label"}


@pytest.mark.parametrize(
    ("scope", "looked"),
    [({}, "private/get_open_orders"), ({"currency": "BTC"}, "private/get_open_orders_by_currency")],
)
async def test_a_cancel_by_label_notes_which_orders_have_it(scope: dict[str, Any], looked: str) -> None:
    orders = [ORDER | {"label": "mine"}, ORDER | {"order_id": "2"}]
    scripts = {looked.replace("/", "__"): orders}
    async with calling(private__cancel_by_label=1, **scripts) as (venue, call):
        plan = await cancel_by_label(call, params_of(CancelByLabel, label="mine", intent="i", **scope))
        assert plan.wire["open_before"] == [ORDER["order_id"]]
        assert plan.send is not None
        ending = await plan.send(Sent())
        assert venue.asked("private/cancel_by_label") == [{"label": "mine", **scope}]
        assert (ending.outcome, ending.detail) == (Outcome.CONFIRMED, {"cancelled_count": 1})


@pytest.mark.parametrize("answer", [-1, True, "1", None, 1.0])
async def test_a_count_that_is_none_is_no_answer(answer: object) -> None:
    async with calling(private__cancel_by_label=answer, private__get_open_orders=[]) as (_, call):
        plan = await cancel_by_label(call, params_of(CancelByLabel, label="mine", intent="i"))
        assert plan.send is not None
        with pytest.raises(BadVenueData):
            await plan.send(Sent())


def test_every_cancel_draws_on_what_orders_leave_alone() -> None:
    """A cancel that were no cancel to the limiter would wait behind orders."""
    for wire, kind in (
        ("cancel", Class.MATCHING),
        ("cancel_by_label", Class.MATCHING),
        ("cancel_all", Class.CANCEL_ALL),
    ):
        assert is_cancel(f"private/{wire}")
        assert class_of(f"private/{wire}") is kind
    assert not is_cancel("private/create_combo")
    assert class_of("private/create_combo") is Class.NON_MATCHING
