"""Orders as prepared: what params alone show wrong, what the instrument shows wrong, and what would go out."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from cerberod.errors import BadVenueData, NoKeys, VenueRefused
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.trading.orders import Outcome
from cerberod.trading.writes import Plan, Sent
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.methods.edits import EditOrder, edit_order
from cerberod.venues.deribit.methods.orders import PlaceOrder, place_order
from tests.support.clock import ManualClock
from tests.support.deribit_venue import Error, ScriptedVenue, client_of, eventually, scripted
from tests.unit.venues.deribit.test_client import instrument
from tests.unit.venues.deribit.test_rules import OPTION
from tests.unit.venues.deribit.wire.test_orders import ORDER

PRINCIPAL = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset({"trade"}), "s-1", "websocket")
LIMIT = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "60000.5", "intent": "i-1"}
EDIT = {"order_id": "104819327443", "intent": "i-9"}
STOP = {"type": "stop_market", "trigger": "mark_price", "trigger_price": "59000"}


TICKER: dict[str, Any] = {
    "timestamp": 1_787_370_645_199,
    "instrument_name": "BTC-PERPETUAL",
    "state": "open",
    "stats": {},
    "index_price": 60_010.0,
    "mark_price": 60_000.25,
    "last_price": None,
    "best_bid_price": 60_000.0,
    "best_bid_amount": 10.0,
    "best_ask_price": 60_000.5,
    "best_ask_amount": 10.0,
}


def params_of(model: type[Any], **given: Any) -> Any:
    return model.model_validate_json(orjson.dumps(given), strict=True)


def echo(params: dict[str, Any]) -> dict[str, Any]:
    """Answer an order as the venue does: with the order as it was asked for."""
    return {"order": ORDER | {"label": params["label"], "direction": "buy"}, "trades": []}


KNOWN: dict[str, Any] = {"public__get_instrument": instrument(), "public__ticker": TICKER}


@asynccontextmanager
async def calling(**scripts: Any) -> AsyncIterator[tuple[ScriptedVenue, Call]]:
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(scripted(**(KNOWN | scripts)))
        deribit = await stack.enter_async_context(client_of(venue))
        await eventually(lambda: deribit.status().authenticated)
        yield venue, Call("r-1", "deribit.place_order", PRINCIPAL, Services(Environment.TESTNET, [deribit]))


def fields(refused: ValidationError) -> set[str]:
    return {".".join(map(str, error["loc"])) for error in refused.errors()}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"price": None}, "price"),
        ({"type": "market"}, "price"),
        ({"type": "market_limit"}, "price"),
        ({"type": "stop_limit", "trigger": "mark_price"}, "trigger_price"),
        ({"type": "stop_limit", "trigger_price": "1"}, "trigger"),
        ({"type": "stop_market", "trigger": "mark_price", "trigger_price": "1"}, "price"),
        ({"trigger": "mark_price"}, "trigger"),
        ({"trigger_price": "1"}, "trigger_price"),
        ({"trigger_offset": "1"}, "trigger_offset"),
        ({"type": "trailing_stop", "trigger": "mark_price", "price": None}, "trigger_offset"),
        ({"type": "market", "price": None, "time_in_force": "good_til_day"}, "time_in_force"),
        ({"type": "market", "price": None, "post_only": True}, "post_only"),
        ({"time_in_force": "fill_or_kill", "post_only": True}, "post_only"),
        ({"type": "market", "price": None, "display_amount": "1"}, "display_amount"),
        ({"display_amount": "11"}, "display_amount"),
        ({"type": "market", "price": None, "advanced": "implv"}, "advanced"),
        ({"post_only": True, "advanced": "implv"}, "advanced"),
        ({"type": "market", "price": None, "mmp": True}, "mmp"),
        ({"amount": 10}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "1e1"}, "amount"),
        ({"price": "-1"}, "price"),
        ({"side": "BUY"}, "side"),
        ({"type": "LIMIT"}, "type"),
        ({"instrument_name": "BTC PERPETUAL"}, "instrument_name"),
        ({"valid_until": "2026-08-22T00:00:00"}, "valid_until"),
        ({"valid_until": "2026-08-22T00:00:00Z", "valid_for_ms": 1}, "valid_until"),
        ({"valid_for_ms": 0}, "valid_for_ms"),
        ({"valid_for_ms": "5"}, "valid_for_ms"),
        ({"valid_for_ms": 86_400_001}, "valid_for_ms"),
        ({"post_only": "yes"}, "post_only"),
        ({"reduce_only": 1}, "reduce_only"),
        ({"leverage": "5"}, "leverage"),
    ],
)
def test_what_params_alone_show_wrong_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        params_of(PlaceOrder, **(LIMIT | changes))
    assert fields(refused.value) == {field}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": "market", "price": None},
        {"type": "market_limit", "price": None, "time_in_force": "good_til_day"},
        STOP | {"price": None},
        {"type": "stop_limit", "trigger": "last_price", "trigger_price": "1"},
        {"type": "take_limit", "trigger": "index_price", "trigger_price": "1"},
        {"type": "take_market", "trigger": "index_price", "trigger_price": "1", "price": None},
        {"type": "trailing_stop", "trigger": "mark_price", "trigger_offset": "50", "price": None},
        {"post_only": True, "time_in_force": "good_til_cancelled"},
        {"display_amount": "10"},
        {"advanced": "implv"},
        {"mmp": True},
    ],
)
def test_every_type_of_order_can_be_asked_for(changes: dict[str, Any]) -> None:
    params_of(PlaceOrder, **(LIMIT | changes))


def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        params_of(PlaceOrder, side="hold", amount="0", type="limit")
    assert fields(refused.value) == {"instrument_name", "side", "amount", "price"}


async def test_an_order_goes_out_once_with_everything_said() -> None:
    async with calling(private__buy=echo) as (venue, call):
        plan = await place_order(call, params_of(PlaceOrder, **LIMIT))
        assert not venue.asked("private/buy"), "preparing sends nothing"
        assert plan.send is not None
        sent = Sent()
        ending = await plan.send(sent)
        assert sent.marked
        (asked,) = venue.asked("private/buy")
        until = asked.pop("valid_until")
        assert asked == {
            "instrument_name": "BTC-PERPETUAL",
            "amount": 10,
            "type": "limit",
            "label": plan.client_order_id,
            "price": 60000.5,
            "time_in_force": "good_til_cancelled",
            "post_only": False,
            "reject_post_only": False,
            "reduce_only": False,
        }
        assert '"amount":10,' in venue.frames[-1]
        assert until - call.use(Deribit).venue_ms() <= 60_000
        assert plan.wire["params"]["price"] == "60000.5"
        assert plan.wire["currency"] == "BTC"
        assert ending.outcome is Outcome.CONFIRMED
        assert ending.detail["order"]["order_id"] == ORDER["order_id"]


@pytest.mark.parametrize(
    ("given", "until_ms"),
    [
        ({"valid_for_ms": 750}, 1_787_370_645_949),
        ({"valid_until": "2026-08-22T06:00:00.001+02:00"}, 1_787_371_200_001),
        ({}, 1_787_370_705_199),
    ],
)
async def test_how_long_it_may_take_is_written_in_the_venues_time(given: dict[str, Any], until_ms: int) -> None:
    """The venue's clock is months away from ours; the write deadline of this client is a minute."""
    async with calling(private__get_order_state=ORDER) as (venue, _):
        venue.stamp = (1_787_370_645_199_000, 1_787_370_645_199_000)
        async with client_of(venue, clock=ManualClock()) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            call = Call("r-1", "deribit.place_order", PRINCIPAL, Services(Environment.TESTNET, [deribit]))
            placing = await place_order(call, params_of(PlaceOrder, **LIMIT, **given))
            assert placing.wire["params"]["valid_until"] == until_ms
            editing = await edit_order(call, params_of(EditOrder, **EDIT, price="60001", **given))
            assert editing.wire["params"]["valid_until"] == until_ms


async def test_while_the_venues_clock_jumps_orders_are_denied() -> None:
    """faults.md 58."""
    async with calling(private__get_order_state=ORDER) as (venue, call):
        jumps = count(1_787_370_645_199_000, 3_600_000_000)
        venue.stamp_of = lambda: (next(jumps),) * 2
        for _ in range(3):
            plan = await place_order(call, params_of(PlaceOrder, **LIMIT))
            assert [reason.field for reason in plan.denied] == ["clock"]
            assert "has jumped" in plan.denied[0].rule
        plan = await edit_order(call, params_of(EditOrder, **EDIT, price="60001"))
        assert [reason.field for reason in plan.denied] == ["clock"]
        assert not venue.asked("private/buy")
        deribit = call.use(Deribit)
        assert (deribit.status().healthy, deribit.status().reason) == (True, "clock_unstable")


async def test_while_the_venues_clock_is_not_known_orders_are_denied() -> None:
    async with calling() as (venue, _):
        venue.stamp_of = lambda: None
        async with client_of(venue) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            call = Call("r-1", "deribit.place_order", PRINCIPAL, Services(Environment.TESTNET, [deribit]))
            plan = await place_order(call, params_of(PlaceOrder, **LIMIT))
            assert [(reason.field, reason.rule) for reason in plan.denied] == [
                ("clock", "a known time of the venue; none of its answers has told it yet")
            ]
            assert deribit.status().reason == "clock_unknown"


async def test_the_label_is_a_function_of_the_intent_alone() -> None:
    async with calling() as (_, call):
        labels = [
            (
                await place_order(call, params_of(PlaceOrder, **(LIMIT | {"intent": intent, "amount": amount})))
            ).client_order_id
            for intent, amount in (("i-1", "10"), ("i-1", "20"), ("i-2", "10"))
        ]
    assert labels[0] == labels[1] != labels[2]
    assert labels[0] is not None
    assert len(labels[0]) == 53
    assert labels[0].startswith("c")


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"post_only": True}, {"post_only": True, "reject_post_only": True}),
        ({"post_only": True, "reject_post_only": False}, {"post_only": True, "reject_post_only": False}),
        ({"reject_post_only": True}, {"post_only": False, "reject_post_only": False}),
        ({"type": "market", "price": None}, {"time_in_force": None, "price": None, "post_only": False}),
        ({"time_in_force": "fill_or_kill"}, {"time_in_force": "fill_or_kill"}),
        (
            STOP | {"price": None, "side": "sell"},
            {"trigger": "mark_price", "trigger_price": "59000", "time_in_force": None},
        ),
        ({"valid_until": "2126-08-22T03:50:45.199Z"}, {"valid_until": 4_943_044_245_199}),
        ({"mmp": True}, {"mmp": True}),
        ({}, {"mmp": None}),
    ],
)
async def test_what_is_sent_follows_from_what_is_asked(changes: dict[str, Any], sent: dict[str, Any]) -> None:
    async with calling() as (_, call):
        plan = await place_order(call, params_of(PlaceOrder, **(LIMIT | changes)))
        assert {name: plan.wire["params"].get(name) for name in sent} == sent


@pytest.mark.parametrize(
    ("changes", "rules", "reasons"),
    [
        ({"price": "60000.3"}, {}, [("price", "60000.5")]),
        ({"amount": "15"}, {}, [("amount", "20")]),
        ({"amount": "5", "price": "1.1"}, {}, [("amount", "10"), ("price", "1")]),
        ({}, {"state": "halted"}, [("instrument_name", None)]),
        ({}, {"state": "delivered", "is_active": False}, [("instrument_name", None)]),
        ({"price": "0.0051", "amount": "0.1"}, OPTION, [("price", "0.005")]),
        ({"price": "55.5123", "amount": "0.1", "advanced": "implv"}, OPTION, []),
        ({"advanced": "usd"}, {}, [("advanced", None)]),
        (STOP | {"price": None, "trigger_price": "59000.1"}, {}, [("trigger_price", "59000")]),
        ({"amount": "5000", "display_amount": "500"}, {}, [("display_amount", "1000")]),
    ],
)
async def test_what_the_instrument_shows_wrong_is_denied(
    changes: dict[str, Any], rules: dict[str, Any], reasons: list[tuple[str, str | None]]
) -> None:
    async with calling(public__get_instrument=instrument(**rules)) as (venue, call):
        plan = await place_order(call, params_of(PlaceOrder, **(LIMIT | changes)))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == reasons
        assert (plan.send is None) == bool(reasons)
        assert not venue.asked("private/buy")


@pytest.mark.parametrize(
    ("side", "type", "trigger", "price", "nearest"),
    [
        ("sell", "stop_market", "mark_price", "60000", None),
        ("sell", "stop_market", "mark_price", "60000.5", "60000"),
        ("sell", "stop_market", "index_price", "60010", "60009.5"),
        ("buy", "stop_market", "mark_price", "60000", "60000.5"),
        ("buy", "stop_market", "mark_price", "60000.5", None),
        ("sell", "take_market", "mark_price", "60000", "60000.5"),
        ("sell", "take_market", "index_price", "60010", "60010.5"),
        ("buy", "take_market", "mark_price", "60000", None),
        ("buy", "take_market", "mark_price", "61000", "60000"),
        ("buy", "take_market", "last_price", "61000", None),
    ],
)
async def test_a_trigger_waits_on_its_own_side_of_the_market(
    side: str, type: str, trigger: str, price: str, nearest: str | None
) -> None:
    """Where nothing has traded yet there is no last price to be on a side of."""
    asked = LIMIT | {"side": side, "type": type, "trigger": trigger, "trigger_price": price, "price": None}
    async with calling() as (_, call):
        plan = await place_order(call, params_of(PlaceOrder, **asked))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == (
            [] if nearest is None else [("trigger_price", nearest)]
        )


@pytest.mark.parametrize(
    ("side", "price", "nearest"),
    [
        ("buy", "60010.01", None),
        ("buy", "59000", "60010.01"),
        ("sell", "60009.99", None),
        ("sell", "61000", "60009.99"),
        ("sell", "59000.005", "59000"),
    ],
)
async def test_an_option_waits_for_the_index_on_its_own_side(side: str, price: str, nearest: str | None) -> None:
    asked = LIMIT | STOP | {"trigger": "index_price", "trigger_price": price, "price": None, "amount": "0.1"}
    async with calling(public__get_instrument=instrument(**OPTION)) as (_, call):
        plan = await place_order(call, params_of(PlaceOrder, **(asked | {"side": side})))
        assert [(reason.field, reason.nearest and float(reason.nearest)) for reason in plan.denied] == (
            [] if nearest is None else [("trigger_price", float(nearest))]
        )


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("BTC-NOWHERE", "an instrument of this venue"),
        ("BTC-7FEB25-100000-C", "an instrument that has not expired; this one did at 2025-02-07T08:00:00.000Z"),
        ("BTC-25DEC99", "an instrument of this venue"),
    ],
)
async def test_an_instrument_that_is_no_more_is_told_from_one_that_never_was(name: str, rule: str) -> None:
    async with calling(public__get_instrument=Error(-32602)) as (_, call):
        plan = await place_order(call, params_of(PlaceOrder, **(LIMIT | {"instrument_name": name})))
        assert [reason.rule for reason in plan.denied] == [rule]


COMBO = {"instrument_name": "BTC-CS-25DEC26-90000_100000", "amount": "0.1"}


@pytest.mark.parametrize(
    ("price", "kind", "reasons"),
    [
        ("-0.0012", "option_combo", []),
        ("0", "option_combo", []),
        ("-0.00126", "option_combo", [("price", "-0.0013")]),
        ("-0.0012", "option", [("price", None)]),
    ],
)
async def test_only_a_combo_is_bought_below_zero(price: str, kind: str, reasons: list[tuple[str, str | None]]) -> None:
    """A name can only look like a combo's; the venue tells what it is."""
    combo = OPTION | {"kind": kind, "tick_size_steps": []}
    async with calling(public__get_instrument=instrument(COMBO["instrument_name"], **combo)) as (_, call):
        plan = await place_order(call, params_of(PlaceOrder, **(LIMIT | COMBO | {"price": price})))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == reasons
        assert reasons or plan.wire["params"]["price"] == price


@pytest.mark.parametrize(
    "name", ["BTC-PERPETUAL", "BTC-25DEC26-90000-C", "BTC_USDC", "SOL_USDC-PERPETUAL", "BTC-6OCT26"]
)
def test_a_price_below_zero_is_refused_for_what_can_be_no_combo(name: str) -> None:
    for price in ("0", "-1"):
        with pytest.raises(ValidationError) as refused:
            params_of(PlaceOrder, **(LIMIT | {"instrument_name": name, "price": price}))
        assert fields(refused.value) == {"price"}


@pytest.mark.parametrize("code", [-32602, 13020, 10020])
async def test_an_instrument_that_does_not_exist_is_denied(code: int) -> None:
    async with calling(public__get_instrument=Error(code)) as (_, call):
        plan = await place_order(call, params_of(PlaceOrder, **LIMIT))
        assert [reason.field for reason in plan.denied] == ["instrument_name"]


async def test_a_venue_that_cannot_tell_the_instrument_is_an_error() -> None:
    async with calling(public__get_instrument=Error(11094)) as (_, call):
        with pytest.raises(VenueRefused):
            await place_order(call, params_of(PlaceOrder, **LIMIT))


async def test_without_keys_nothing_is_prepared() -> None:
    async with scripted() as venue, client_of(venue, credentials=None) as deribit:
        call = Call("r-1", "deribit.place_order", PRINCIPAL, Services(Environment.TESTNET, [deribit]))
        with pytest.raises(NoKeys):
            await place_order(call, params_of(PlaceOrder, **LIMIT))


async def _send(plan: Plan[Any]) -> Any:
    assert plan.send is not None
    return await plan.send(Sent())


@pytest.mark.parametrize(
    "change", [{"label": "somebody's"}, {"instrument_name": "ETH-PERPETUAL"}, {"direction": "sell"}]
)
async def test_an_answer_about_another_order_is_no_confirmation(change: dict[str, Any]) -> None:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        return {"order": echo(params)["order"] | change, "trades": []}

    async with calling(private__buy=answer) as (_, call):
        with pytest.raises(BadVenueData):
            await _send(await place_order(call, params_of(PlaceOrder, **LIMIT)))


async def test_an_order_the_venue_took_and_rejected_is_rejected() -> None:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        return {"order": echo(params)["order"] | {"order_state": "rejected"}, "trades": []}

    async with calling(private__buy=answer) as (_, call):
        assert (await _send(await place_order(call, params_of(PlaceOrder, **LIMIT)))).outcome is Outcome.REJECTED


async def test_a_tick_that_changed_is_learned_from_the_refusal() -> None:
    async with calling(private__buy=Error(10043)) as (venue, call):
        with pytest.raises(VenueRefused):
            await _send(await place_order(call, params_of(PlaceOrder, **LIMIT)))
        venue.scripts["public/get_instrument"] = instrument(tick_size=2.5)
        plan = await place_order(call, params_of(PlaceOrder, **LIMIT))
        assert [reason.nearest for reason in plan.denied] == ["60000"]


@pytest.mark.parametrize("given", [{}, {"valid_until": "2026-08-22T00:00:00Z"}, {"price": None}])
def test_an_edit_changes_something(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="at least one of"):
        params_of(EditOrder, **(EDIT | given))


async def test_an_edit_repeats_what_it_does_not_change() -> None:
    edited = {"order": ORDER | {"price": 60001.0, "replaced": True}, "trades": []}
    async with calling(private__get_order_state=ORDER, private__edit=edited) as (venue, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, price="60001"))
        ending = await _send(plan)
        (asked,) = venue.asked("private/edit")
        assert asked.pop("valid_until") > 0
        assert asked == {
            "order_id": ORDER["order_id"],
            "amount": 10,
            "price": 60001,
            "post_only": True,
            "reject_post_only": True,
            "reduce_only": False,
        }
        assert plan.wire["before"]["price"] == "60000.5"
        assert ending.detail["order"]["price"] == "60001"


async def test_an_edit_that_would_take_costs_the_order_and_is_told_as_rejected() -> None:
    gone = {"order": ORDER | {"order_state": "cancelled", "cancel_reason": "edit_post_only_reject"}, "trades": []}
    async with calling(private__get_order_state=ORDER, private__edit=gone) as (_, call):
        ending = await _send(await edit_order(call, params_of(EditOrder, **EDIT, price="60001")))
        assert (ending.outcome, [reason.field for reason in ending.reasons]) == (Outcome.REJECTED, ["post_only"])
        assert ending.detail["order"]["order_state"] == "cancelled"


@pytest.mark.parametrize(("price", "trigger_price"), [("59500", None), (None, "58000")])
async def test_a_stop_may_be_edited_to_rest_when_it_fires_as_it_may_be_placed(
    price: str | None, trigger_price: str | None
) -> None:
    """Deribit says of a stop that sells: its limit price may be above its trigger, where it is less likely to fill."""
    stop = {"order_type": "stop_limit", "order_state": "untriggered", "direction": "sell", "price": 58900.0}
    stop |= {"trigger": "mark_price", "trigger_price": 59000.0, "post_only": False}
    changed = {"order": ORDER | stop, "trades": []}
    async with calling(private__get_order_state=ORDER | stop, private__edit=changed) as (venue, call):
        given = {"price": price, "trigger_price": trigger_price}
        plan = await edit_order(call, params_of(EditOrder, **EDIT, **given))
        assert plan.denied == ()
        await _send(plan)
        (asked,) = venue.asked("private/edit")
        assert (asked["price"], asked["trigger_price"]) == (float(price or 58900), float(trigger_price or 59000))
        placing = {**LIMIT, "side": "sell", **STOP, "type": "stop_limit", "price": price or "58900"}
        placed = await place_order(
            call, params_of(PlaceOrder, **(placing | {"trigger_price": trigger_price or "59000"}))
        )
        assert placed.denied == ()


async def test_an_edit_of_an_order_in_volatility_stays_in_volatility() -> None:
    advanced = {"advanced": "implv", "implv": 55.5, "price": 0.0123, "amount": 1.0}
    async with calling(public__get_instrument=instrument(**OPTION), private__get_order_state=ORDER | advanced) as (
        _,
        call,
    ):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, amount="2"))
        assert {name: plan.wire["params"][name] for name in ("advanced", "price", "amount")} == {
            "advanced": "implv",
            "price": "55.5",
            "amount": "2",
        }


@pytest.mark.parametrize(
    ("order", "given", "sent"),
    [
        ({"mmp": True, "post_only": False}, {"price": "1"}, {"mmp": True, "post_only": False}),
        ({"mmp": True}, {"mmp": False}, {"mmp": False, "price": "60000.5"}),
        (
            {"order_type": "stop_market", "price": "market_price", "trigger": "mark_price", "trigger_price": 59000.0}
            | {"order_state": "untriggered", "direction": "sell", "post_only": False},
            {"trigger_price": "59500"},
            {"trigger_price": "59500", "price": None, "post_only": None, "reject_post_only": None},
        ),
        ({"is_secondary_oto": True, "post_only": False}, {"price": "1"}, {"post_only": None, "price": "1"}),
        (
            {"order_type": "trailing_stop", "price": "market_price", "trigger": "mark_price", "trigger_offset": 50.0}
            | {"order_state": "untriggered", "post_only": False},
            {"trigger_offset": "60"},
            {"trigger_offset": "60", "amount": "10"},
        ),
    ],
)
async def test_an_edit_says_what_its_kind_of_order_takes(
    order: dict[str, Any], given: dict[str, Any], sent: dict[str, Any]
) -> None:
    async with calling(private__get_order_state=ORDER | order) as (_, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, **given))
        assert not plan.denied
        assert {name: plan.wire["params"].get(name) for name in sent} == sent


@pytest.mark.parametrize(("price", "nearest"), [("-0.0012", None), ("0", None), ("-0.00126", "-0.0013")])
async def test_an_order_on_a_combo_is_edited_across_zero(price: str, nearest: str | None) -> None:
    combo = OPTION | {"kind": "option_combo", "tick_size_steps": []}
    async with calling(public__get_instrument=instrument(**combo), private__get_order_state=ORDER) as (_, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, price=price))
        assert [reason.nearest for reason in plan.denied] == ([] if nearest is None else [nearest])
        assert nearest is not None or plan.wire["params"]["price"] == price


def package(params: dict[str, Any]) -> dict[str, Any]:
    """Tell the instruments of a spread of two calls, and its combo."""
    name = params["instrument_name"]
    if name == COMBO["instrument_name"]:
        return instrument(name, **(OPTION | {"kind": "option_combo", "tick_size_steps": [], "option_type": None}))
    return instrument(name, **OPTION)


SPREAD = [
    {"instrument_name": "BTC-25DEC26-90000-C", "amount": 1},
    {"instrument_name": "BTC-25DEC26-100000-C", "amount": -1},
]
DETAILS = {"id": COMBO["instrument_name"], "state": "active", "legs": SPREAD}


@pytest.mark.parametrize(("price", "passes"), [("0.0639", True), ("1", True), ("-1", True), ("1500", False)])
async def test_a_price_no_spread_can_be_worth_is_denied(price: str, passes: bool) -> None:
    """In USD, it would be moved to the edge of the band and fill there."""
    resting = ORDER | {"instrument_name": COMBO["instrument_name"], "amount": 0.1}
    scripts = {"public__get_instrument": package, "public__get_combo_details": DETAILS}
    async with calling(**scripts, private__get_order_state=resting) as (venue, call):
        placing = await place_order(call, params_of(PlaceOrder, **(LIMIT | COMBO | {"price": price})))
        editing = await edit_order(call, params_of(EditOrder, **EDIT, price=price))
        for plan in (placing, editing):
            assert [reason.field for reason in plan.denied] == ([] if passes else ["price"])
        venue.scripts["public/get_combo_details"] = Error(-32602)
        assert not (await place_order(call, params_of(PlaceOrder, **(LIMIT | COMBO | {"price": price})))).denied


@pytest.mark.parametrize("state", ["filled", "cancelled", "rejected", "triggered"])
async def test_only_an_open_order_is_edited(state: str) -> None:
    async with calling(private__get_order_state=ORDER | {"order_state": state}) as (_, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, price="60001"))
        assert [(reason.field, reason.rule) for reason in plan.denied] == [
            ("order_id", f"an open order; this one is {state}")
        ]


ICEBERG = {"amount": 2500.0, "filled_amount": 700.0, "average_price": 60000.5, "refresh_amount": 1000.0}
ICEBERG |= {"display_amount": 300.0, "post_only": False}


async def test_an_edit_leaves_an_iceberg_that_is_partly_filled_as_visible_as_it_was_asked_for() -> None:
    """Deribit tells what still stands of the visible part; repeated, that would shrink it or be refused."""
    edited = {"order": ORDER | ICEBERG | {"price": 60001.0}, "trades": []}
    async with calling(private__get_order_state=ORDER | ICEBERG, private__edit=edited) as (venue, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, price="60001"))
        ending = await _send(plan)
        assert [asked["display_amount"] for asked in venue.asked("private/edit")] == [1000]
        assert plan.wire["before"]["display_amount"] == "1000"
        told = ending.detail["order"]
        assert (told["display_amount"], told["refresh_amount"]) == ("300", "1000")


TRAILING: dict[str, Any] = {
    "order_type": "trailing_stop",
    "order_state": "untriggered",
    "direction": "sell",
    "price": "market_price",
}
TRAILING |= {"trigger": "mark_price", "trigger_price": 59000.0, "trigger_offset": 1000.0, "post_only": False}


async def test_an_edit_of_a_trailing_stop_leaves_its_trigger_to_the_market() -> None:
    edited = {"order": ORDER | TRAILING | {"trigger_offset": 800.0}, "trades": []}
    async with calling(private__get_order_state=ORDER | TRAILING, private__edit=edited) as (venue, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, trigger_offset="800"))
        await _send(plan)
        (asked,) = venue.asked("private/edit")
        assert asked["trigger_offset"] == 800
        assert "trigger_price" not in asked
        assert plan.wire["before"]["trigger_price"] is None


async def test_an_order_nobody_knows_is_not_edited() -> None:
    async with calling(private__get_order_state=Error(10004)) as (_, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, price="60001"))
        assert [reason.field for reason in plan.denied] == ["order_id"]


@pytest.mark.parametrize(
    ("given", "order", "reason"),
    [
        ({"price": "60000.1"}, {}, ("price", "60000")),
        ({"amount": "11"}, {}, ("amount", "10")),
        ({"trigger_price": "1"}, {}, ("trigger_price", None)),
        ({"trigger_offset": "1"}, {}, ("trigger_offset", None)),
        ({"price": "1"}, {"price": "market_price", "trigger": "mark_price", "trigger_price": 1.0}, ("price", None)),
        ({"price": "0"}, {}, ("price", None)),
        ({"mmp": True}, {"order_type": "stop_limit"}, ("mmp", None)),
        ({"post_only": True}, {"advanced": "implv", "implv": 55.5}, ("post_only", None)),
        ({"trigger_price": "59500"}, TRAILING, ("trigger_price", None)),
        ({"display_amount": "3000"}, {"amount": 2500.0, "refresh_amount": 1000.0}, ("display_amount", "2500")),
        ({"amount": "1000"}, {"amount": 2500.0, "refresh_amount": 1500.0}, ("display_amount", "1000")),
        ({"amount": "200000"}, {"amount": 2500.0, "refresh_amount": 1000.0}, ("display_amount", "2000")),
        (
            {"trigger_price": "60500"},
            {"order_type": "stop_market", "direction": "sell", "trigger": "mark_price", "trigger_price": 59000.0},
            ("trigger_price", "60000"),
        ),
    ],
)
async def test_an_edit_obeys_the_rules_of_its_order(
    given: dict[str, Any], order: dict[str, Any], reason: tuple[str, str | None]
) -> None:
    async with calling(private__get_order_state=ORDER | order) as (_, call):
        plan = await edit_order(call, params_of(EditOrder, **EDIT, **given))
        assert [(told.field, told.nearest) for told in plan.denied] == [reason]


async def test_an_option_priced_in_dollars_without_saying_so_is_denied() -> None:
    resting = ORDER | {"price": 0.05, "amount": 0.1, "filled_amount": 0.0}
    asked = LIMIT | {"amount": "0.1", "price": "4300"}
    scripts = {"public__get_instrument": instrument(**OPTION), "private__get_order_state": resting}
    async with calling(**scripts) as (venue, call):
        placing = await place_order(call, params_of(PlaceOrder, **asked))
        editing = await edit_order(call, params_of(EditOrder, **EDIT, price="4300"))
        for plan in (placing, editing):
            ((field, rule),) = [(reason.field, reason.rule) for reason in plan.denied]
            assert field == "price"
            assert "`advanced` `usd`" in rule
        assert not (await place_order(call, params_of(PlaceOrder, **asked, advanced="usd"))).denied
        assert not venue.asked("private/buy") + venue.asked("private/edit")


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        (place_order, params_of(PlaceOrder, **LIMIT, valid_until="2026-08-22T03:50:45.199Z")),
        (edit_order, params_of(EditOrder, **EDIT, price="60001", valid_until="2026-08-22T03:50:45.199Z")),
    ],
)
async def test_what_is_too_late_by_the_venues_own_time_is_denied(method: Any, asked: Any) -> None:
    """The venue's clock stands at this very moment, whatever ours says; it would refuse the order as too late."""
    async with calling(private__get_order_state=ORDER) as (venue, _):
        venue.stamp = (1_787_370_645_199_000, 1_787_370_645_199_000)
        async with client_of(venue, clock=ManualClock()) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            call = Call("r-1", "deribit.place_order", PRINCIPAL, Services(Environment.TESTNET, [deribit]))
            plan = await method(call, asked)
            assert [(reason.field, reason.rule) for reason in plan.denied] == [
                ("valid_until", "later than the present time of the venue, 2026-08-22T03:50:45.199Z")
            ]
