"""What became of a write whose answer was lost: concluded from proof alone, and never sent again."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cerberod.clock import iso
from cerberod.errors import UpstreamError
from cerberod.ids import Environment
from cerberod.rpc.call import Services
from cerberod.trading.journal import Entry
from cerberod.trading.orders import Outcome
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.finders import (
    changeable,
    find_all_cancelled,
    find_cancelled,
    find_edited,
    find_label_cancelled,
    find_placed,
)
from cerberod.venues.deribit.wire.orders import one_order
from tests.support.clock import ManualClock
from tests.support.deribit_venue import Error, ScriptedVenue, client_of, eventually, scripted
from tests.support.records import entry
from tests.unit.venues.deribit.wire.test_orders import ORDER, TRADE

LABEL = ORDER["label"]
NOW = datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
FUTURE_MS, PAST_MS = NOW_MS + 15_000, NOW_MS - 15_000
READS = ("public/", "private/get_")


@asynccontextmanager
async def asking(**scripts: Any) -> AsyncIterator[tuple[ScriptedVenue, Services]]:
    """A venue whose clock agrees with ours; it is proved afterwards that it was only asked."""
    nothing = {
        "private__get_order_state_by_label": [],
        "private__get_open_orders_by_currency": [],
        "private__get_user_trades_by_currency": {"trades": [], "has_more": False},
    }
    async with scripted(**(nothing | scripts)) as venue:
        venue.stamp = (NOW_MS * 1000, NOW_MS * 1000)
        async with client_of(venue, clock=ManualClock(NOW)) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            yield venue, Services(Environment.TESTNET, [deribit])
        assert all(method.startswith(READS) for method, _ in venue.received)


def placed(until_ms: int | None = FUTURE_MS, **more: Any) -> Entry:
    params = {"label": LABEL} | ({} if until_ms is None else {"valid_until": until_ms})
    return entry(wire={"method": "private/buy", "params": params, "currency": "BTC"}, client_order_id=LABEL, **more)


async def test_an_order_is_found_by_its_label() -> None:
    async with asking(private__get_order_state_by_label=[ORDER]) as (venue, services):
        ending = await find_placed(services, placed())
        assert ending is not None
        assert (ending.outcome, ending.detail["order"]["order_id"]) == (Outcome.CONFIRMED, ORDER["order_id"])
        assert venue.asked("private/get_order_state_by_label") == [{"currency": "BTC", "label": LABEL}]


async def test_an_order_that_filled_at_once_is_found_with_its_fills() -> None:
    filled = ORDER | {"order_state": "filled", "filled_amount": 10.0, "average_price": 60000.5}
    trades = {"trades": [TRADE | {"label": LABEL}, TRADE | {"trade_id": "2", "label": "another"}], "has_more": False}
    async with asking(private__get_order_state_by_label=[filled], private__get_user_trades_by_currency=trades) as (
        _,
        services,
    ):
        ending = await find_placed(services, placed())
        assert ending is not None
        assert ending.detail["order"]["order_state"] == "filled"
        assert len(ending.detail["trades"]) == 1


async def test_an_order_only_the_open_orders_know_is_found() -> None:
    async with asking(private__get_open_orders_by_currency=[ORDER, ORDER | {"label": "x"}]) as (_, services):
        ending = await find_placed(services, placed())
        assert ending is not None
        assert ending.outcome is Outcome.CONFIRMED


async def test_an_order_only_its_fills_know_is_found() -> None:
    trades = {"trades": [TRADE | {"label": LABEL}], "has_more": False}
    filled = ORDER | {"order_state": "filled"}
    async with asking(private__get_user_trades_by_currency=trades, private__get_order_state=filled) as (_, services):
        ending = await find_placed(services, placed(PAST_MS))
        assert ending is not None
        assert ending.outcome is Outcome.CONFIRMED


async def test_two_orders_with_one_label_prove_nothing_and_alarm_once(caplog: pytest.LogCaptureFixture) -> None:
    """faults.md 67."""
    twins = [ORDER, ORDER | {"order_id": "2"}]
    async with asking(private__get_order_state_by_label=twins) as (_, services):
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                ending = await find_placed(services, placed(PAST_MS))
                assert ending is not None
                assert ending.outcome is Outcome.UNKNOWN
                assert "share this label" in ending.reasons[0].rule
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


async def test_a_trigger_order_and_what_it_fired_are_one_write() -> None:
    fired = ORDER | {"order_id": "2", "trigger_order_id": ORDER["order_id"]}
    async with asking(private__get_order_state_by_label=[ORDER | {"order_state": "triggered"}, fired]) as (_, services):
        ending = await find_placed(services, placed())
        assert ending is not None
        assert ending.detail["order"]["order_id"] == "2"


async def test_a_bracket_and_what_it_sets_off_are_one_write() -> None:
    child = ORDER | {"order_id": "2", "primary_order_id": ORDER["order_id"], "is_secondary_oto": True}
    async with asking(private__get_order_state_by_label=[ORDER, child]) as (_, services):
        ending = await find_placed(services, placed())
        assert ending is not None
        assert (ending.outcome, ending.detail["order"]["order_id"]) == (Outcome.CONFIRMED, ORDER["order_id"])


def trigger_placed(until_ms: int = PAST_MS) -> Entry:
    params = {"label": LABEL, "valid_until": until_ms, "trigger": "mark_price", "instrument_name": "BTC-PERPETUAL"}
    return entry(wire={"method": "private/sell", "params": params, "currency": "BTC"}, client_order_id=LABEL)


async def test_a_trigger_order_is_looked_for_among_triggers_too() -> None:
    rows = [{"trigger_order_id": "SLIS-1", "label": "x"}, {"trigger_order_id": "SLIS-2", "label": LABEL}]
    state = ORDER | {"order_id": "SLIS-2", "order_state": "cancelled", "order_type": "stop_market"}
    async with asking(private__get_trigger_order_history={"entries": rows}, private__get_order_state=state) as (
        venue,
        services,
    ):
        ending = await find_placed(services, trigger_placed())
        assert ending is not None
        assert (ending.outcome, ending.detail["order"]["order_id"]) == (Outcome.CONFIRMED, "SLIS-2")
        assert venue.asked("private/get_trigger_order_history") == [
            {"currency": "BTC", "instrument_name": "BTC-PERPETUAL", "count": 1000}
        ]


async def test_a_trigger_order_that_only_its_history_remembers_came_to_be() -> None:
    rows = [{"trigger_order_id": "SLIS-2", "label": LABEL}]
    async with asking(private__get_trigger_order_history={"entries": rows}, private__get_order_state=Error(10004)) as (
        _,
        services,
    ):
        ending = await find_placed(services, trigger_placed())
        assert ending is not None
        assert (ending.outcome, dict(ending.detail)) == (Outcome.CONFIRMED, {})


@pytest.mark.parametrize(("until_ms", "outcome"), [(PAST_MS, Outcome.REJECTED), (FUTURE_MS, None)])
async def test_a_trigger_order_no_list_knows_never_came_to_be(until_ms: int, outcome: Outcome | None) -> None:
    async with asking(private__get_trigger_order_history={"entries": []}) as (_, services):
        ending = await find_placed(services, trigger_placed(until_ms))
        assert (None if ending is None else ending.outcome) is outcome


async def test_without_its_history_a_trigger_order_is_not_given_up() -> None:
    async with asking(private__get_trigger_order_history=Error(11094)) as (_, services):
        with pytest.raises(UpstreamError):
            await find_placed(services, trigger_placed())


@pytest.mark.parametrize(
    ("until_ms", "gone"), [(FUTURE_MS, False), (NOW_MS - 1, False), (PAST_MS, True), (None, False)]
)
async def test_an_order_nobody_knows_never_came_to_be_only_once_it_no_longer_can(
    until_ms: int | None, gone: bool
) -> None:
    async with asking() as (_, services):
        ending = await find_placed(services, placed(until_ms))
        assert (ending is not None and ending.outcome is Outcome.REJECTED) == gone
        assert gone or ending is None


async def test_an_order_may_still_arrive_while_the_venue_is_asked_for_it() -> None:
    """It expires between the first question and the last; what was asked before proves nothing about it."""
    clock = ManualClock(NOW)

    def no_trades(_: object) -> dict[str, Any]:
        clock.advance(minutes=1)
        return {"trades": [], "has_more": False}

    async with scripted(
        private__get_order_state_by_label=[],
        private__get_open_orders_by_currency=[],
        private__get_user_trades_by_currency=no_trades,
    ) as venue:
        venue.stamp_of = lambda: (clock.now_ms() * 1000, clock.now_ms() * 1000)
        async with client_of(venue, clock=clock) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            services = Services(Environment.TESTNET, [deribit])
            assert await find_placed(services, placed()) is None
            ending = await find_placed(services, placed())
            assert ending is not None
            assert ending.outcome is Outcome.REJECTED


async def test_a_clock_that_has_just_jumped_proves_no_expiry() -> None:
    async with asking() as (venue, services):
        deribit = services.get(Deribit)
        venue.stamp = ((NOW_MS + 3_600_000) * 1000,) * 2
        await deribit.read("public/test", {})
        assert await find_placed(services, placed()) is None
        ending = await find_placed(services, placed())
        assert ending is not None, "its own questions have made the clock steady"


@pytest.mark.parametrize("answer", [Error(11094), Error(13009), [{"order_id": 5}], {}, 5])
async def test_a_venue_that_cannot_tell_concludes_nothing(answer: object) -> None:
    async with asking(private__get_order_state_by_label=answer) as (_, services):
        with pytest.raises(UpstreamError):
            await find_placed(services, placed(PAST_MS))


async def test_an_entry_without_what_it_is_found_by_stays_open() -> None:
    async with asking() as (_, services):
        assert await find_placed(services, entry(client_order_id=LABEL, wire={})) is None
        assert await find_edited(services, entry(wire={})) is None
        assert await find_cancelled(services, entry(wire={"params": None})) is None


def edited(until_ms: int = FUTURE_MS, before: dict[str, Any] | None = None) -> Entry:
    params = {
        "order_id": ORDER["order_id"],
        "amount": "30",
        "price": "60001",
        "post_only": True,
        "valid_until": until_ms,
    }
    was = changeable(one_order(ORDER)) if before is None else before
    return entry(wire={"method": "private/edit", "params": params, "before": was})


AS_ASKED = ORDER | {"amount": 30.0, "price": 60001.0, "replaced": True}


@pytest.mark.parametrize(
    ("order", "until_ms", "outcome"),
    [
        (AS_ASKED, FUTURE_MS, Outcome.CONFIRMED),
        (AS_ASKED | {"order_state": "filled"}, FUTURE_MS, Outcome.CONFIRMED),
        (ORDER, FUTURE_MS, None),
        (ORDER, PAST_MS, Outcome.REJECTED),
        (ORDER | {"order_state": "filled"}, FUTURE_MS, Outcome.REJECTED),
        (ORDER | {"order_state": "cancelled"}, FUTURE_MS, Outcome.REJECTED),
        (ORDER | {"filled_amount": 5.0, "replaced": True}, PAST_MS, Outcome.REJECTED),
        (AS_ASKED | {"price": 60002.0}, PAST_MS, None),
        (ORDER | {"amount": 30.0}, PAST_MS, None),
        (ORDER | {"post_only": False}, PAST_MS, None),
        (ORDER | {"order_state": "cancelled", "cancel_reason": "edit_post_only_reject"}, FUTURE_MS, Outcome.REJECTED),
    ],
)
async def test_an_edit_is_told_by_what_the_order_became(
    order: dict[str, Any], until_ms: int, outcome: Outcome | None
) -> None:
    async with asking(private__get_order_state=order) as (_, services):
        ending = await find_edited(services, edited(until_ms))
        assert (None if ending is None else ending.outcome) is outcome


async def test_an_edit_in_volatility_is_compared_in_volatility() -> None:
    order = ORDER | {"advanced": "implv", "implv": 60001.0, "price": 0.01, "amount": 30.0}
    async with asking(private__get_order_state=order) as (_, services):
        ending = await find_edited(services, edited())
        assert ending is not None
        assert ending.outcome is Outcome.CONFIRMED


@pytest.mark.parametrize(
    ("price", "until_ms", "outcome"), [(60001.0, FUTURE_MS, Outcome.CONFIRMED), (60000.5, PAST_MS, Outcome.REJECTED)]
)
async def test_an_edit_of_an_iceberg_is_compared_by_what_it_was_asked_to_show(
    price: float, until_ms: int, outcome: Outcome
) -> None:
    """Fills eat what is visible of it, whether the edit has landed or not."""
    iceberg = ORDER | {"amount": 30.0, "display_amount": 10.0, "refresh_amount": 10.0}
    was = changeable(one_order(iceberg | {"amount": 10.0}))
    landed = {"price": price, "amount": 30.0 if price == 60001.0 else 10.0}
    later = iceberg | landed | {"display_amount": 4.0, "filled_amount": 6.0}
    async with asking(private__get_order_state=later) as (_, services):
        wanted = edited(until_ms, was)
        wanted.wire["params"]["display_amount"] = "10"
        ending = await find_edited(services, wanted)
        assert ending is not None
        assert ending.outcome is outcome


@pytest.mark.parametrize(
    ("offset", "until_ms", "outcome"), [(800.0, FUTURE_MS, Outcome.CONFIRMED), (1000.0, PAST_MS, Outcome.REJECTED)]
)
async def test_an_edit_of_a_trailing_stop_is_compared_without_the_trigger_that_follows_the_market(
    offset: float, until_ms: int, outcome: Outcome
) -> None:
    trailing = {"order_type": "trailing_stop", "price": "market_price", "trigger": "mark_price"}
    before = ORDER | trailing | {"order_state": "untriggered", "trigger_price": 59000.0, "trigger_offset": 1000.0}
    later = before | {"trigger_price": 59333.0, "trigger_offset": offset}
    params = {"order_id": ORDER["order_id"], "amount": "10", "trigger_offset": "800", "valid_until": until_ms}
    wire = {"method": "private/edit", "params": params, "before": changeable(one_order(before))}
    async with asking(private__get_order_state=later) as (_, services):
        ending = await find_edited(services, entry(wire=wire))
        assert ending is not None
        assert ending.outcome is outcome


@pytest.mark.parametrize("answer", [Error(10004)])
async def test_an_order_the_venue_forgot_proves_nothing(answer: object) -> None:
    async with asking(private__get_order_state=answer) as (_, services):
        assert await find_edited(services, edited(PAST_MS)) is None
        assert await find_cancelled(services, cancelled(3600)) is None


def cancelled(age_s: float) -> Entry:
    params = {"order_id": ORDER["order_id"]}
    begun_at = iso(NOW - timedelta(seconds=age_s))
    return entry(wire={"method": "private/cancel", "params": params}, begun_at=begun_at)


@pytest.mark.parametrize(
    ("state", "age_s", "outcome"),
    [
        ("cancelled", 0, Outcome.CONFIRMED),
        ("filled", 0, Outcome.REJECTED),
        ("rejected", 0, Outcome.REJECTED),
        ("triggered", 0, Outcome.REJECTED),
        ("open", 0, None),
        ("open", 29, None),
        ("open", 31, Outcome.REJECTED),
        ("untriggered", 0, None),
    ],
)
async def test_a_cancel_is_told_by_the_orders_state(state: str, age_s: float, outcome: Outcome | None) -> None:
    async with asking(private__get_order_state=ORDER | {"order_state": state}) as (_, services):
        ending = await find_cancelled(services, cancelled(age_s))
        assert (None if ending is None else ending.outcome) is outcome


@pytest.mark.parametrize(
    ("before", "now", "age_s", "outcome"),
    [
        (["1", "2"], [], 0, Outcome.CONFIRMED),
        (["1", "2"], ["3"], 0, Outcome.CONFIRMED),
        (["1", "2"], ["2"], 0, None),
        (["1", "2"], ["2"], 60, None),
        (["1", "2"], ["1", "2", "3"], 0, None),
        (["1", "2"], ["1", "2", "3"], 60, Outcome.REJECTED),
        ([], ["3"], 0, Outcome.CONFIRMED),
        (None, [], 0, Outcome.CONFIRMED),
        (None, ["3"], 60, None),
    ],
)
async def test_a_mass_cancel_is_told_by_what_is_left_of_what_was_open(
    before: list[str] | None, now: list[str], age_s: float, outcome: Outcome | None
) -> None:
    orders = [ORDER | {"order_id": id} for id in now]
    async with asking(private__get_open_orders_by_currency=orders) as (venue, services):
        wire = {"method": "m", "params": {"currency": "BTC", "kind": "option"}, "open_before": before}
        begun_at = iso(NOW - timedelta(seconds=age_s))
        ending = await find_all_cancelled(services, entry(wire=wire, begun_at=begun_at))
        assert (None if ending is None else ending.outcome) is outcome
        assert venue.asked("private/get_open_orders_by_currency") == [{"currency": "BTC", "kind": "option"}]


@pytest.mark.parametrize(
    ("params", "method", "asked"),
    [
        ({}, "private/get_open_orders", {}),
        ({"currency": "any", "kind": "future"}, "private/get_open_orders", {"kind": "future"}),
        (
            {"instrument_name": "BTC-PERPETUAL"},
            "private/get_open_orders_by_instrument",
            {"instrument_name": "BTC-PERPETUAL"},
        ),
    ],
)
async def test_a_mass_cancel_is_looked_up_in_its_own_scope(
    params: dict[str, Any], method: str, asked: dict[str, Any]
) -> None:
    async with asking(**{method.replace("/", "__"): []}) as (venue, services):
        ending = await find_all_cancelled(services, entry(wire={"params": params, "open_before": []}))
        assert ending is not None
        assert venue.asked(method) == [asked]


@pytest.mark.parametrize(
    ("before", "now", "age_s", "outcome"),
    [
        (["1"], [], 0, Outcome.CONFIRMED),
        (["1"], ["1"], 0, None),
        (["1"], ["1"], 60, Outcome.REJECTED),
        ([], ["3"], 0, Outcome.CONFIRMED),
        (None, [], 0, Outcome.CONFIRMED),
        (None, ["3"], 60, None),
    ],
)
async def test_a_cancel_by_label_is_told_by_what_is_left_with_it(
    before: list[str] | None, now: list[str], age_s: float, outcome: Outcome | None
) -> None:
    orders = [ORDER | {"order_id": id, "label": "mine"} for id in now] + [ORDER | {"order_id": "1", "label": "x"}]
    async with asking(private__get_open_orders=orders) as (_, services):
        wire = {"method": "m", "params": {"label": "mine"}, "open_before": before}
        begun_at = iso(NOW - timedelta(seconds=age_s))
        ending = await find_label_cancelled(services, entry(wire=wire, begun_at=begun_at))
        assert (None if ending is None else ending.outcome) is outcome


async def test_a_cancel_without_a_label_proves_nothing() -> None:
    async with asking() as (_, services):
        assert await find_label_cancelled(services, entry(wire={"params": {}})) is None
