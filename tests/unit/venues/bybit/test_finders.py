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
from cerberod.trading.orders import Ending, Outcome
from cerberod.venues.bybit import finders
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.finders import (
    ASYNCHRONOUS_MS,
    LOOKS,
    find_all_cancelled,
    find_amended,
    find_cancelled,
    find_placed,
)
from tests.support.bybit_venue import HANG_UP, REALTIME, Asked, Refusal, ScriptedBybit, client_of, scripted
from tests.support.clock import ManualClock
from tests.support.records import entry
from tests.unit.venues.bybit.rows import ORDER

NOW = datetime(2025, 9, 18, 10, 0, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
HISTORY = "/v5/order/history"
OVER_MS, NOT_OVER_MS = NOW_MS - ASYNCHRONOUS_MS - 1, NOW_MS + 1_000
LINK = ORDER["orderLinkId"]
PARAMS = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "orderLinkId": LINK}
BY_ID = {"category": "linear", "symbol": "BTCUSDT", "orderId": ORDER["orderId"]}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finders, "BETWEEN_LOOKS_S", 0.0)


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"category": "linear", "list": list(rows), "nextPageCursor": ""}


@asynccontextmanager
async def asking(open_now: Any = None, history: Any = None) -> AsyncIterator[tuple[ScriptedBybit, Services]]:
    """A venue whose clock agrees with ours; it is proved afterwards that it was only asked."""
    scripts = {REALTIME: listed() if open_now is None else open_now, HISTORY: listed() if history is None else history}
    async with scripted(scripts, clock=ManualClock(NOW)) as venue:
        async with client_of(venue) as bybit:
            while not bybit.clock_is_steady:
                await bybit.read("get_server_time")
            yield venue, Services(Environment.TESTNET, [bybit])
        assert all(asked.method == "GET" for asked in venue.received)


def write(params: dict[str, Any], until_ms: int, *, age: timedelta = timedelta(minutes=1), **more: Any) -> Entry:
    wire = {"call": "place_order", "params": params, "valid_until": until_ms, **more}
    return entry(wire=wire, client_order_id=LINK, begun_at=iso(NOW - age))


async def found(finder: Any, services: Services, written: Entry) -> Ending | None:
    ending = await finder(services, written)
    assert ending is None or isinstance(ending, Ending)
    return ending


async def test_an_order_is_found_in_realtime_by_its_link_id() -> None:
    async with asking(listed(ORDER)) as (venue, services):
        ending = await found(find_placed, services, write(PARAMS, NOT_OVER_MS))
        assert ending is not None
        assert (ending.outcome, ending.detail["order_id"]) == (Outcome.CONFIRMED, ORDER["orderId"])
        assert venue.asked(REALTIME)[0].params == {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": LINK}


async def test_an_order_that_realtime_forgot_is_found_in_the_history() -> None:
    async with asking(history=listed({**ORDER, "orderStatus": "Filled", "cumExecQty": "0.001"})) as (_, services):
        ending = await found(find_placed, services, write(PARAMS, OVER_MS))
        assert ending is not None
        assert ending.outcome is Outcome.CONFIRMED


@pytest.mark.promise("P3")
async def test_absence_is_no_proof_while_the_request_may_still_be_taken() -> None:
    async with asking() as (_, services):
        assert await found(find_placed, services, write(PARAMS, NOT_OVER_MS)) is None
        assert await found(find_placed, services, write(PARAMS, NOW_MS - ASYNCHRONOUS_MS + 1)) is None


@pytest.mark.promise("P3")
async def test_absence_is_proof_once_it_is_over_and_both_have_answered_several_times() -> None:
    async with asking() as (venue, services):
        ending = await found(find_placed, services, write(PARAMS, OVER_MS))
        assert ending is not None
        assert ending.outcome is Outcome.REJECTED
        assert (len(venue.asked(REALTIME)), len(venue.asked(HISTORY))) == (LOOKS, LOOKS)


async def test_an_order_that_shows_at_the_second_look_is_believed() -> None:
    answers = iter([listed(), listed(ORDER)])
    async with asking(lambda asked: next(answers)) as (_, services):
        ending = await found(find_placed, services, write(PARAMS, OVER_MS))
        assert ending is not None
        assert ending.outcome is Outcome.CONFIRMED


@pytest.mark.parametrize("silent", [REALTIME, HISTORY])
async def test_absence_proves_nothing_when_one_of_the_two_does_not_answer(silent: str) -> None:
    async with asking() as (venue, services):
        venue.scripts[silent] = HANG_UP
        with pytest.raises(UpstreamError):
            await find_placed(services, write(PARAMS, OVER_MS))
        venue.scripts[silent] = Refusal(10016)
        with pytest.raises(UpstreamError):
            await find_placed(services, write(PARAMS, OVER_MS))


async def test_absence_proves_nothing_of_an_order_that_may_be_forgotten() -> None:
    async with asking() as (_, services):
        old = write(PARAMS, OVER_MS, age=timedelta(hours=30))
        assert await found(find_placed, services, old) is None


async def test_absence_proves_nothing_from_a_clock_that_has_just_jumped() -> None:
    async with asking() as (venue, services):
        venue.ahead_ms = 3_600_000
        bybit = services.get(Bybit)
        await bybit.read("get_server_time")
        assert not bybit.clock_is_steady
        assert await found(find_placed, services, write(PARAMS, NOT_OVER_MS)) is None


async def test_two_orders_with_one_link_id_stay_unknown_and_alarm_once(caplog: pytest.LogCaptureFixture) -> None:
    twin = {**ORDER, "orderId": "another"}
    async with asking(listed(ORDER), listed(twin)) as (_, services):
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                ending = await found(find_placed, services, write(PARAMS, OVER_MS))
                assert ending is not None
                assert ending.outcome is Outcome.UNKNOWN
    assert caplog.text.count("two orders share a link id") == 1


async def test_another_order_with_our_link_id_stays_unknown_and_alarms(caplog: pytest.LogCaptureFixture) -> None:
    async with asking(listed({**ORDER, "side": "Sell"})) as (_, services):
        ending = await found(find_placed, services, write(PARAMS, OVER_MS))
    assert ending is not None
    assert ending.outcome is Outcome.UNKNOWN
    assert "is not the one that was asked for" in caplog.text


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        ({"orderStatus": "Cancelled", "rejectReason": "EC_PostOnlyWillTakeLiquidity"}, "rejected", True),
        ({"orderStatus": "Cancelled", "rejectReason": "EC_NoImmediateQtyToFill"}, "rejected", True),
        ({"orderStatus": "Rejected", "rejectReason": "EC_Others"}, "rejected", True),
        ({"orderStatus": "Cancelled", "rejectReason": "EC_PerCancelRequest"}, "confirmed", False),
        (
            {"orderStatus": "Cancelled", "rejectReason": "EC_CancelForNoFullFill", "cumExecQty": "0.0005"},
            "confirmed",
            0,
        ),
        ({"orderStatus": "Deactivated", "rejectReason": "EC_NoError"}, "confirmed", False),
    ],
)
async def test_what_the_engine_said_decides(changes: dict[str, str], outcome: str, code: bool) -> None:
    async with asking(listed(ORDER | changes)) as (_, services):
        ending = await found(find_placed, services, write(PARAMS, NOT_OVER_MS))
    assert ending is not None
    assert (ending.outcome, ending.venue_code) == (outcome, changes["rejectReason"] if code else None)


async def test_an_immediate_order_that_is_still_new_is_not_told_yet() -> None:
    async with asking(listed({**ORDER, "timeInForce": "IOC"})) as (_, services):
        assert await found(find_placed, services, write(PARAMS, NOT_OVER_MS)) is None


async def test_an_amendment_is_proved_by_what_the_order_is() -> None:
    before = {"qty": "0.001", "price": "52000.1", "triggerPrice": None, "takeProfit": None, "stopLoss": None}
    asked = {**BY_ID, "price": "53000"}

    async def became(row: dict[str, Any], until_ms: int) -> str | None:
        async with asking(listed(row)) as (_, services):
            ending = await found(find_amended, services, write(asked, until_ms, before=before))
            return None if ending is None else ending.outcome.value

    assert await became({**ORDER, "price": "53000.00"}, NOT_OVER_MS) == "confirmed"
    assert await became(ORDER, NOT_OVER_MS) is None
    assert await became(ORDER, OVER_MS) == "rejected"
    assert await became({**ORDER, "orderStatus": "Cancelled"}, NOT_OVER_MS) == "rejected"
    taken = {"orderStatus": "Cancelled", "rejectReason": "EC_PostOnlyWillTakeLiquidity", "price": "53000"}
    assert await became({**ORDER, **taken}, NOT_OVER_MS) == "rejected"
    assert await became({**ORDER, "price": "54000"}, OVER_MS) is None, "somebody else's change proves nothing"


async def test_a_cancel_is_proved_by_the_end_of_the_order() -> None:
    async def became(until_ms: int, *rows: dict[str, Any]) -> str | None:
        async with asking(listed(*rows)) as (_, services):
            ending = await found(find_cancelled, services, write(BY_ID, until_ms))
            return None if ending is None else ending.outcome.value

    assert await became(NOT_OVER_MS, {**ORDER, "orderStatus": "Cancelled"}) == "confirmed"
    assert await became(NOT_OVER_MS, {**ORDER, "orderStatus": "PartiallyFilledCanceled"}) == "confirmed"
    assert await became(NOT_OVER_MS, {**ORDER, "orderStatus": "Filled"}) == "rejected"
    assert await became(NOT_OVER_MS, ORDER) is None
    assert await became(OVER_MS, ORDER) == "rejected"
    assert await became(NOT_OVER_MS) is None
    assert await became(OVER_MS) == "rejected"


BY_LINK = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": LINK}


@pytest.mark.parametrize(("params", "field"), [(BY_ID, "order_id"), (BY_LINK, "order_link_id")])
@pytest.mark.parametrize(
    ("finder", "until_ms", "rows"),
    [
        (find_cancelled, NOT_OVER_MS, [{**ORDER, "orderStatus": "Filled"}]),
        (find_cancelled, OVER_MS, []),
        (find_amended, NOT_OVER_MS, [{**ORDER, "orderStatus": "Cancelled"}]),
    ],
)
async def test_a_reason_names_the_parameter_that_named_the_order(
    finder: Any, until_ms: int, rows: list[dict[str, Any]], params: dict[str, str], field: str
) -> None:
    before = {"qty": "0.001", "price": "52000.1", "triggerPrice": None, "takeProfit": None, "stopLoss": None}
    async with asking(listed(*rows)) as (_, services):
        ending = await found(finder, services, write({**params, "price": "53000"}, until_ms, before=before))
    assert ending is not None
    assert [reason.field for reason in ending.reasons] == [field]


async def test_a_mass_cancel_is_proved_by_what_is_left() -> None:
    other = {**ORDER, "orderId": "another"}
    scope = {"category": "linear", "symbol": "BTCUSDT"}

    async def became(before: list[str] | None, until_ms: int, *rows: dict[str, Any]) -> str | None:
        async with asking(listed(*rows)) as (_, services):
            written = write(scope, until_ms, scope=scope, open_before=before)
            ending = await found(find_all_cancelled, services, written)
            return None if ending is None else ending.outcome.value

    both = [ORDER["orderId"], "another"]
    assert await became(both, NOT_OVER_MS) == "confirmed"
    assert await became(["gone"], NOT_OVER_MS, ORDER) == "confirmed", "what came later is no matter"
    assert await became(both, OVER_MS, ORDER) is None
    assert await became(both, NOT_OVER_MS, ORDER, other) is None
    assert await became(both, OVER_MS, ORDER, other) == "rejected"
    assert await became(None, OVER_MS, ORDER) is None
    assert await became(None, NOT_OVER_MS) == "confirmed"


async def test_every_page_of_open_orders_is_looked_at() -> None:
    def paged(asked: Asked) -> dict[str, Any]:
        if "cursor" not in asked.params:
            return {"list": [{**ORDER, "orderId": "first"}], "nextPageCursor": "first%3Dx"}
        return {"list": [ORDER], "nextPageCursor": ""}

    scope = {"category": "linear", "symbol": "BTCUSDT"}
    async with asking(paged) as (venue, services):
        written = write(scope, NOT_OVER_MS, scope=scope, open_before=[ORDER["orderId"]])
        assert await found(find_all_cancelled, services, written) is None
        assert "cursor=first%3Dx" in venue.asked(REALTIME)[1].payload
