"""Combo orders as prepared: the caller's legs and price, whatever the venue's sense; one order, or the failed step."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import ValidationError

from cerberod.errors import BadVenueData, UpstreamError
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import Registry
from cerberod.trading.guard import Guard, Scope, Stop, TradingState
from cerberod.trading.journal import Entry
from cerberod.trading.methods import Trading
from cerberod.trading.orders import Outcome, WriteOutcome
from cerberod.trading.recording import recording
from cerberod.trading.records import open_records
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import Plan, Sent
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.methods.combo_orders import (
    ComboOutcome,
    PlaceComboOrder,
    find_combo_order,
    place_combo_order,
)
from tests.support.clock import ManualClock
from tests.support.deribit_venue import HANG_UP, Error, ScriptedVenue
from tests.support.records import KEY, entry
from tests.unit.venues.deribit.methods.test_orders import PRINCIPAL, calling, fields, params_of
from tests.unit.venues.deribit.test_client import instrument
from tests.unit.venues.deribit.test_finders import FUTURE_MS, PAST_MS, asking
from tests.unit.venues.deribit.test_packages import HIGH, LOW, SPREAD, combo_of, filled
from tests.unit.venues.deribit.test_rules import OPTION
from tests.unit.venues.deribit.wire.test_account import POSITION, SUMMARY
from tests.unit.venues.deribit.wire.test_orders import ORDER, TRADE

COMBO = "BTC-CS-25DEC26-90000_100000"
ASKED: dict[str, Any] = {
    "legs": [
        {"instrument_name": LOW, "side": "buy", "amount": "0.2"},
        {"instrument_name": HIGH, "side": "sell", "amount": "0.2"},
    ],
    "price": "0.0639",
    "intent": "i-1",
}
SELLING = ASKED | {
    "legs": [leg | {"side": "sell" if leg["side"] == "buy" else "buy"} for leg in ASKED["legs"]],
    "price": "-0.0639",
}
COMBO_RULES = OPTION | {"kind": "option_combo", "tick_size_steps": [], "option_type": None, "strike": None}


def known(params: dict[str, Any]) -> dict[str, Any]:
    """Tell the instruments there are: options on two coins, futures, and the combo."""
    name = params["instrument_name"]
    rules = COMBO_RULES if "-CS-" in name else {}
    if name.endswith("-C"):
        rules = OPTION | {"strike": float(name.split("-")[2])}
    coin = name.partition("-")[0]
    return instrument(name, **(rules | {"base_currency": coin, "settlement_currency": coin}))


def taken(side: str, **more: Any) -> Any:
    def answer(params: dict[str, Any]) -> dict[str, Any]:
        order = ORDER | {"label": params["label"], "instrument_name": COMBO, "direction": side, "amount": 0.2}
        return {"order": order | more, "trades": []}

    return answer


SCRIPTS: dict[str, Any] = {
    "public__get_instrument": known,
    "public__get_combos": [combo_of(SPREAD)],
    "private__get_margins": {"buy": 0.0128, "sell": 0.02, "min_price": -1.0, "max_price": 1.0},
    "private__get_account_summary": SUMMARY,
    "private__get_positions": [],
    "private__buy": taken("buy"),
    "private__sell": taken("sell"),
}


async def tell_nobody(entry: Entry, outcome: WriteOutcome) -> None:
    """Push an outcome to no session: there is none here."""


@asynccontextmanager
async def trading(
    method: str = "deribit.place_combo_order", **scripts: Any
) -> AsyncIterator[tuple[ScriptedVenue, Call, Guard]]:
    clock, guard, registry = ManualClock(), Guard(), Registry()
    with TemporaryDirectory() as folder:
        records = open_records(Path(folder), Path(folder) / "audit.jsonl", KEY, "live", clock, 30)
        async with recording(records, clock) as recorder, calling(**(SCRIPTS | scripts)) as (venue, call):
            resolver = Resolver(recorder, registry, {}, tell_nobody)
            known = Trading(recorder, resolver, guard, registry, clock)
            services = Services(Environment.TESTNET, [call.use(Deribit), guard, known])
            yield venue, Call("r-1", method, PRINCIPAL, services), guard


async def prepared(call: Call, **asked: Any) -> Plan[ComboOutcome]:
    return await place_combo_order(call, params_of(PlaceComboOrder, **(ASKED | asked)))


async def sent(plan: Plan[ComboOutcome]) -> ComboOutcome:
    assert plan.send is not None
    ending = await plan.send(Sent())
    common = {"outcome": ending.outcome, "intent": "i-1", "client_order_id": plan.client_order_id}
    return ComboOutcome.model_validate({**common, "as_of": ending.as_of, **ending.detail}, strict=False)


@pytest.mark.parametrize(
    ("venues_legs", "asked", "method", "price"),
    [
        ({LOW: 1, HIGH: -1}, ASKED, "private/buy", 0.0639),
        ({LOW: -1, HIGH: 1}, ASKED, "private/sell", -0.0639),
        ({LOW: 1, HIGH: -1}, SELLING, "private/sell", 0.0639),
        ({LOW: -1, HIGH: 1}, SELLING, "private/buy", -0.0639),
    ],
)
async def test_the_venues_sense_is_turned_into_the_callers(
    venues_legs: dict[str, int], asked: dict[str, Any], method: str, price: float
) -> None:
    async with trading(public__get_combos=[combo_of({LOW: 1, "X": -1}), combo_of(venues_legs)]) as (venue, call, _):
        plan = await prepared(call, **asked)
        assert not plan.denied
        assert not venue.asked(method), "preparing sends no order"
        told = await sent(plan)
        (request,) = venue.asked(method)
        assert (request["instrument_name"], request["price"], request["amount"]) == (COMBO, price, 0.2)
        assert (request["type"], request["reduce_only"], request["label"]) == ("limit", False, plan.client_order_id)
        assert not venue.asked("private/create_combo"), "there is one already"
        assert (told.outcome, told.combo_id) == (Outcome.CONFIRMED, COMBO)
        assert told.combo_side == method.removeprefix("private/")
        assert [leg.side for leg in told.legs] == [leg["side"] for leg in asked["legs"]]
        side = method.removeprefix("private/")
        assert venue.asked("private/get_margins") == [{"instrument_name": COMBO, "amount": 0.2, "price": price}]
        assert plan.wire["margin"] == {"buy": "0.0128", "sell": "0.02"}[side]


async def test_a_combo_nobody_has_traded_is_made_first() -> None:
    async with trading(public__get_combos=[], private__create_combo=combo_of(SPREAD)) as (venue, call, _):
        plan = await prepared(call)
        assert venue.asked("private/create_combo") == [
            {
                "trades": [
                    {"instrument_name": LOW, "amount": 0.2, "direction": "buy"},
                    {"instrument_name": HIGH, "amount": 0.2, "direction": "sell"},
                ]
            }
        ]
        assert plan.wire["params"]["instrument_name"] == COMBO


async def test_a_combo_that_sleeps_is_asked_for_again() -> None:
    asleep = combo_of(SPREAD, state="inactive")
    async with trading(public__get_combos=[asleep], private__create_combo=combo_of(SPREAD)) as (_, call, _guard):
        assert not (await prepared(call)).denied
    async with trading(public__get_combos=[asleep], private__create_combo=asleep) as (_, call, _guard):
        plan = await prepared(call)
        assert [(reason.field, reason.rule) for reason in plan.denied] == [
            ("legs", f"an active combo; {COMBO} is inactive")
        ]


async def test_of_two_combos_the_one_that_trades_is_taken() -> None:
    asleep = combo_of(SPREAD, state="inactive", id="BTC-CS-ASLEEP")
    async with trading(public__get_combos=[asleep, combo_of(SPREAD)]) as (venue, call, _):
        assert (await prepared(call)).wire["params"]["instrument_name"] == COMBO
        assert not venue.asked("private/create_combo")


async def test_a_check_makes_no_combo_and_tells_what_would() -> None:
    async with trading("orders.check", public__get_combos=[]) as (venue, call, _):
        plan = await prepared(call)
        assert (plan.denied, plan.wire["method"]) == ((), "private/create_combo")
        assert plan.client_order_id is not None
        assert not venue.asked("private/create_combo")
    async with trading("orders.check") as (_, call, _guard):
        plan = await prepared(call)
        assert plan.wire["method"] == "private/buy"


async def test_a_stop_lets_no_combo_be_made() -> None:
    async with trading(public__get_combos=[]) as (venue, call, guard):
        guard.set(Stop(Scope("testnet", None, None), TradingState.REDUCE_ONLY, "operator", "", ""))
        plan = await prepared(call)
        assert [reason.field for reason in plan.denied] == ["trading"]
        assert not venue.asked("private/create_combo")


def legs(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [leg | change for leg, change in zip(ASKED["legs"], changes, strict=True)]


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"price": "0.06392"}, [("price", "0.0639")]),
        ({"price": "-0.00004"}, [("price", "0")]),
        ({"price": "0"}, []),
        ({"price": "1"}, []),
        ({"price": "1500"}, [("price", None)]),
        ({"price": "-1.0001"}, [("price", None)]),
        ({"legs": legs({"side": "sell"}, {}), "price": "0.0639"}, [("price", None)]),
        ({"legs": legs({}, {"side": "buy"}), "price": "-0.0639"}, [("price", None)]),
        ({"legs": legs({"amount": "0.05"}, {})}, [("legs.0.amount", "0.1")]),
        ({"legs": legs({}, {"amount": "0.25"})}, [("legs.1.amount", "0.2")]),
        ({"legs": legs({}, {"instrument_name": "ETH-25DEC26-4000-C"})}, [("legs.1.instrument_name", None)]),
        ({"legs": legs({}, {"instrument_name": COMBO})}, [("legs.1.instrument_name", None)]),
    ],
)
async def test_what_the_instruments_show_wrong_is_denied(
    changes: dict[str, Any], reasons: list[tuple[str, str | None]]
) -> None:
    async with trading() as (venue, call, _):
        plan = await prepared(call, **changes)
        assert [(reason.field, reason.nearest) for reason in plan.denied] == reasons
        assert not venue.asked("private/buy") + venue.asked("private/create_combo")


async def test_the_nearest_price_is_told_in_the_callers_sense() -> None:
    async with trading(public__get_combos=[combo_of({LOW: -1, HIGH: 1})]) as (_, call, _guard):
        plan = await prepared(call, price="0.06392")
        assert [reason.nearest for reason in plan.denied] == ["0.0639"]


async def test_legs_that_are_no_more_are_denied_each_with_its_place() -> None:
    async with trading(public__get_instrument=Error(-32602)) as (_, call, _guard):
        plan = await prepared(call, legs=legs({"instrument_name": "BTC-7FEB25-100000-C"}, {}))
        assert [reason.field for reason in plan.denied] == ["legs.0.instrument_name", "legs.1.instrument_name"]
        assert "has not expired" in plan.denied[0].rule


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"legs": []}, "legs"),
        ({"legs": ASKED["legs"][:1]}, "legs"),
        ({"legs": [ASKED["legs"][0]] * 2}, "legs"),
        ({"legs": legs({"side": "long"}, {})}, "legs.0.side"),
        ({"legs": legs({"amount": "-1"}, {})}, "legs.0.amount"),
        ({"price": None}, "price"),
        ({"price": 0.06}, "price"),
        ({"post_only": True, "time_in_force": "fill_or_kill"}, "post_only"),
    ],
)
def test_what_params_alone_show_wrong_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        params_of(PlaceComboOrder, **(ASKED | changes))
    assert fields(refused.value) == {field}


@pytest.mark.parametrize("code", [-32602, 11029])
async def test_legs_the_venue_makes_no_combo_of_are_denied_with_the_nearest_ratio(code: int) -> None:
    async with trading(public__get_combos=[], private__create_combo=Error(code)) as (venue, call, _):
        plan = await prepared(call, legs=legs({}, {"amount": "0.8"}))
        assert [(reason.field, reason.nearest) for reason in plan.denied] == [("legs", "1:3")]
        assert not venue.asked("private/buy")


async def test_a_venue_with_too_many_combos_says_nothing_against_the_legs() -> None:
    async with trading(public__get_combos=[], private__create_combo=Error(13035)) as (venue, call, _):
        plan = await prepared(call, legs=legs({}, {"amount": "0.8"}))
        rule = "a package that Deribit has a combo of: it has too many active ones to make another now; try later"
        assert [(reason.field, reason.rule, reason.nearest) for reason in plan.denied] == [("legs", rule, None)]
        assert not venue.asked("private/buy")


@pytest.mark.parametrize(
    ("names", "nearest"), [((LOW, "BTC-PERPETUAL"), None), (("BTC-25DEC26", "BTC-PERPETUAL"), "1:1")]
)
async def test_a_ratio_is_told_only_where_another_one_would_do(names: tuple[str, str], nearest: str | None) -> None:
    async with trading(public__get_combos=[], private__create_combo=Error(-32602)) as (_, call, _guard):
        first, second = (
            {"instrument_name": name, "amount": amount} for name, amount in zip(names, ("10", "50"), strict=True)
        )
        plan = await prepared(call, legs=legs(first, second), price="0.5")
        assert [(reason.field, reason.nearest) for reason in plan.denied] == [("legs", nearest)]


async def test_margin_that_is_not_there_is_denied_before_an_order_is_sent() -> None:
    async with trading(private__get_margins={"buy": 1_000_000.5, "sell": 0}) as (venue, call, _):
        plan = await prepared(call)
        assert [reason.field for reason in plan.denied] == ["legs"]
        assert "1000000.5 BTC" in plan.denied[0].rule
        assert not venue.asked("private/buy")


@pytest.mark.parametrize(
    ("sizes", "passes"), [((-0.2, 0.3), True), ((-0.1, 0.3), False), ((0.2, -0.2), False), ((-0.2, None), False)]
)
async def test_an_account_short_of_margin_may_still_get_out(sizes: tuple[float, float | None], passes: bool) -> None:
    held = [
        POSITION | {"instrument_name": name, "size": size, "direction": "buy" if size > 0 else "sell"}
        for name, size in zip((LOW, HIGH), sizes, strict=True)
        if size is not None
    ]
    needed = {"buy": 1_000_000.5, "sell": 0}
    async with trading(private__get_margins=needed, private__get_positions=held) as (_, call, _guard):
        plan = await prepared(call)
        assert (not plan.denied) is passes


async def test_what_needs_no_margin_is_not_denied_to_an_account_that_has_none() -> None:
    broke = SUMMARY | {"available_funds": -0.5}
    needed = {"buy": 0.0, "sell": 0.0}
    async with trading(private__get_margins=needed, private__get_account_summary=broke) as (_, call, _guard):
        assert not (await prepared(call)).denied


@pytest.mark.parametrize("code", [13036, -32602])
async def test_a_margin_the_venue_does_not_tell_is_left_to_the_venue(code: int) -> None:
    async with trading(private__get_margins=Error(code)) as (_, call, _guard):
        plan = await prepared(call)
        assert (plan.denied, plan.wire["margin"]) == ((), None)


@pytest.mark.parametrize(
    ("script", "answer", "step"),
    [
        ("public__get_instrument", Error(11094), "legs"),
        ("public__get_combos", Error(13503), "find_combo"),
        ("public__get_combos", [{"id": 5}], "find_combo"),
        ("private__create_combo", Error(11094), "create_combo"),
        ("private__create_combo", HANG_UP, "create_combo"),
        ("private__create_combo", combo_of({LOW: 1, HIGH: 1}), "create_combo"),
        ("private__get_margins", Error(13028), "margin"),
        ("private__get_account_summary", {}, "margin"),
    ],
)
async def test_a_failure_says_at_which_step_it_came_and_no_order_has_left(script: str, answer: Any, step: str) -> None:
    scripts: dict[str, Any] = {"public__get_combos": []} if step == "create_combo" else {}
    async with trading(**scripts | {"private__create_combo": combo_of(SPREAD)}) as (venue, call, _):
        venue.scripts[script.replace("__", "/")] = answer
        with pytest.raises(UpstreamError) as failed:
            await prepared(call)
        assert failed.value.data["step"] == step
        assert not venue.asked("private/buy")


@pytest.mark.parametrize("change", [{"label": "x"}, {"instrument_name": LOW}, {"direction": "sell"}])
async def test_an_answer_about_another_order_is_no_confirmation(change: dict[str, Any]) -> None:
    async with trading(private__buy=taken("buy", **change)) as (_, call, _guard):
        plan = await prepared(call)
        assert plan.send is not None
        with pytest.raises(BadVenueData):
            await plan.send(Sent())


FILLED = {"order_state": "filled", "filled_amount": 0.2, "average_price": 0.0639}
FILLS = [filled(LOW, 0.0813, 0.2, 1), filled(HIGH, 0.0174, 0.2, 2)]


@pytest.mark.parametrize("told", [True, False])
async def test_a_fill_is_told_leg_by_leg(told: bool) -> None:
    """Where the answer tells no legs they are asked for."""

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = taken("buy", **FILLED)(params)
        combos_own = TRADE | {"trade_id": "3", "instrument_name": COMBO, "price": 0.0639, "amount": 0.2}
        return result | {"trades": FILLS if told else [combos_own]}

    async with trading(private__buy=answer, private__get_user_trades_by_order=FILLS) as (venue, call, _):
        outcome = await sent(await prepared(call))
        assert str(outcome.average_price) == "0.0639"
        assert [(str(leg.filled_amount), str(leg.average_price)) for leg in outcome.legs] == [
            ("0.2", "0.0813"),
            ("0.2", "0.0174"),
        ]
        assert [(fee.currency, str(fee.amount)) for fee in outcome.fees] == [("BTC", "0.0006")]
        assert len(venue.asked("private/get_user_trades_by_order")) == (not told)


async def test_fills_that_cannot_be_read_leave_the_order_confirmed() -> None:
    async with trading(private__buy=taken("buy", **FILLED), private__get_user_trades_by_order=Error(11094)) as (
        _,
        call,
        _guard,
    ):
        outcome = await sent(await prepared(call))
        assert (outcome.outcome, str(outcome.filled_amount)) == (Outcome.CONFIRMED, "0.2")
        assert [leg.average_price for leg in outcome.legs] == [None, None]


@pytest.mark.parametrize(
    ("orders", "until_ms", "outcome"),
    [
        ([ORDER | {"instrument_name": COMBO, "amount": 0.2} | FILLED], FUTURE_MS, Outcome.CONFIRMED),
        ([], FUTURE_MS, None),
        ([], PAST_MS, Outcome.REJECTED),
        ([ORDER, ORDER | {"order_id": "2"}], PAST_MS, Outcome.UNKNOWN),
    ],
)
async def test_an_order_whose_answer_was_lost_is_told_in_the_callers_sense(
    orders: list[dict[str, Any]], until_ms: int, outcome: Outcome | None
) -> None:
    async with trading() as (_, call, _guard):
        wire = dict((await prepared(call)).wire)
    wire["params"] = {**wire["params"], "valid_until": until_ms}
    trades = {"trades": [fill | {"label": ORDER["label"]} for fill in FILLS], "has_more": False}
    async with asking(
        private__get_order_state_by_label=orders,
        private__get_user_trades_by_currency=trades if orders else {"trades": [], "has_more": False},
    ) as (_, services):
        ending = await find_combo_order(services, entry(wire=wire, client_order_id=ORDER["label"]))
        assert (None if ending is None else ending.outcome) is outcome
        if outcome is Outcome.CONFIRMED:
            assert ending is not None
            assert (ending.detail["average_price"], ending.detail["margin"]) == ("0.0639", "0.0128")
            assert [leg["average_price"] for leg in ending.detail["legs"]] == ["0.0813", "0.0174"]


async def test_an_entry_without_its_package_stays_open() -> None:
    async with asking() as (_, services):
        assert await find_combo_order(services, entry(wire={"currency": "BTC"})) is None


def test_the_documented_example_is_one_that_passes() -> None:
    properties = PlaceComboOrder.model_json_schema()["properties"]
    asked = params_of(PlaceComboOrder, legs=properties["legs"]["examples"][0], price=properties["price"]["examples"][0])
    assert [leg.side for leg in asked.legs] == ["buy", "sell"]


async def test_what_is_too_late_by_the_venues_time_is_denied_before_a_combo_is_made() -> None:
    async with trading(public__get_combos=[], private__create_combo=combo_of(SPREAD)) as (venue, call, _):
        plan = await prepared(call, valid_until="2020-01-01T00:00:00Z")
        assert [reason.field for reason in plan.denied] == ["valid_until"]
        assert not venue.asked("private/create_combo")
