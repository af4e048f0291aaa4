"""What became of settings whose answer was lost: read back, and final once the request can no longer be taken."""

from datetime import timedelta
from typing import Any

import pytest

from cerberod.errors import VenueRefused
from cerberod.trading.writes import Sent
from cerberod.venues.bybit.methods.positions import SettingOutcome, find_leverage, find_window
from cerberod.venues.bybit.methods.stops import SetTradingStop, find_stops, set_trading_stop
from tests.support.bybit_venue import REALTIME, Asked, Refusal
from tests.unit.venues.bybit.methods.test_sending import call, trading
from tests.unit.venues.bybit.rows import ORDER
from tests.unit.venues.bybit.test_finders import HISTORY, NOT_OVER_MS, NOW_MS, OVER_MS, asking, found, listed, write
from tests.unit.venues.bybit.wire.test_account import FLAT, POSITION

POSITIONS, WINDOWS = "/v5/position/list", "/v5/account/query-dcp-info"
STOP = "/v5/position/trading-stop"
SCOPE = {"category": "linear", "symbol": "BTCUSDT"}
AS_BEFORE, OVERTAKEN = "everything is as it was before", "another change has come since"


def position(**changes: Any) -> dict[str, Any]:
    return {**POSITION, "symbol": "BTCUSDT", **changes}


Told = tuple[str, bool, str]
"""An outcome, whether it stands, and the rule of a rejection."""


async def became(
    finder: Any, until_ms: int, params: dict[str, Any], scripts: dict[str, Any], **wire: Any
) -> Told | None:
    """Look up what became of a setting at a venue that answers so."""
    async with asking() as (venue, services):
        venue.scripts |= scripts
        ending = await found(finder, services, write(params, until_ms, age=timedelta(minutes=1), **wire))
    if ending is None:
        return None
    model = {"outcome": ending.outcome, "intent": "i", "client_order_id": None}
    assert SettingOutcome.model_validate({**model, **ending.detail}, strict=False).changed is None
    (rule,) = [reason.rule for reason in ending.reasons] or [""]
    return ending.outcome.value, ending.detail["stands"], rule.rpartition(": ")[2].partition(";")[0]


@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    ("leverage", "until_ms", "told"),
    [
        ("7", NOT_OVER_MS, ("confirmed", True, "")),
        ("7.00", OVER_MS, ("confirmed", True, "")),
        ("5", NOT_OVER_MS, None),
        ("9", NOT_OVER_MS, None),
        ("5", OVER_MS, ("rejected", False, AS_BEFORE)),
        ("9", OVER_MS, ("rejected", False, OVERTAKEN)),
    ],
)
async def test_leverage_is_read_back_and_what_does_not_stand_ends_once_it_never_can(
    leverage: str, until_ms: int, told: Any
) -> None:
    params, scripts = {**SCOPE, "buyLeverage": "7"}, {POSITIONS: listed(position(leverage=leverage))}
    assert await became(find_leverage, until_ms, params, scripts, wanted=["7", "7"], before=["5", "5"]) == told


@pytest.mark.parametrize(
    ("window", "before", "told"),
    [
        ("40", 10, ("confirmed", True, "")),
        ("10", 10, ("rejected", False, AS_BEFORE)),
        (None, 0, ("rejected", False, AS_BEFORE)),
        ("99", 10, ("rejected", False, OVERTAKEN)),
        (None, 10, ("rejected", False, OVERTAKEN)),
        ("99", None, ("rejected", False, OVERTAKEN)),
    ],
)
async def test_a_window_that_was_overtaken_is_final_too(window: str | None, before: int | None, told: Any) -> None:
    rows = [] if window is None else [{"product": "SPOT", "dcpStatus": "ON", "timeWindow": window}]
    params, scripts = {"product": "SPOT", "timeWindow": 40}, {WINDOWS: {"dcpInfos": rows}}
    assert await became(find_window, OVER_MS, params, scripts, wanted=40, before=before) == told


# -- stops -----------------------------------------------------------------------------------------------------------

FULL = {**SCOPE, "positionIdx": 0, "tpslMode": "Full", "stopLoss": "100"}
PART = {**SCOPE, "positionIdx": 0, "tpslMode": "Partial", "stopLoss": "100", "slSize": "1"}
SINCE_MS, EARLIER_MS = NOW_MS - 30_000, NOW_MS - 90_000


def stop(kind: str, price: str, status: str, **changes: Any) -> dict[str, Any]:
    made = {"createdTime": str(SINCE_MS), "updatedTime": str(SINCE_MS), "orderId": f"{kind} {price}"}
    return {**ORDER, "stopOrderType": kind, "triggerPrice": price, "orderStatus": status, **made, **changes}


async def of_stops(*scripts: dict[str, Any], full: bool = True, until_ms: int = OVER_MS) -> Told | None:
    found_by: dict[str, Any] = (
        {"wanted": {"stopLoss": "100"}, "before": {"stopLoss": "0"}}
        if full
        else {"wanted": True, "before": False, "stops_before": ["old"]}
    )
    answers = {POSITIONS: listed(position())}
    for each in scripts:
        answers |= each
    return await became(find_stops, until_ms, FULL if full else PART, answers, **found_by)


async def test_stops_of_a_position_are_read_back() -> None:
    assert await of_stops({POSITIONS: listed(position(stopLoss="100"))}) == ("confirmed", True, "")
    assert await of_stops(until_ms=NOT_OVER_MS) is None
    assert await of_stops() == ("rejected", False, AS_BEFORE)
    assert await of_stops({POSITIONS: listed(position(stopLoss="90"))}) == ("rejected", False, OVERTAKEN)
    assert await of_stops({POSITIONS: listed(position(positionIdx=1))}) is None, "of that one nothing is told"


@pytest.mark.promise("P1")
async def test_a_stop_that_closed_its_position_is_not_taken_for_one_that_never_was() -> None:
    """Everything is as it was before it, and yet it was set, and fired."""
    flat = {POSITIONS: listed(position(**FLAT))}
    fired = {HISTORY: listed(stop("StopLoss", "100", "Filled", cumExecQty="0.001"))}
    assert await of_stops(flat, fired) == ("confirmed", False, "")
    for other in (
        stop("StopLoss", "101", "Filled"),
        stop("TakeProfit", "100", "Filled"),
        stop("StopLoss", "100", "Filled", positionIdx=1),
        stop("StopLoss", "100", "Deactivated", updatedTime=str(EARLIER_MS)),
    ):
        assert await of_stops(flat, {HISTORY: listed(other)}) == ("rejected", False, AS_BEFORE)


@pytest.mark.parametrize(("now", "outcome"), [("100", "confirmed"), ("90", "rejected"), ("", "rejected")])
async def test_not_modified_is_success_where_somebody_else_set_the_very_same(now: str, outcome: str) -> None:
    """It stood otherwise when it was read, and Bybit says that there was nothing to change."""
    told = [position(markPrice="110"), position(markPrice="110", stopLoss=now)]
    async with trading(**{POSITIONS: lambda asked: listed(told[0]), STOP: Refusal(34040)}) as (venue, bybit):
        params = SetTradingStop.model_validate(
            {"category": "linear", "symbol": "BTCUSDT", "stop_loss": "100", "intent": "i"}, strict=False
        )
        plan = await call(bybit, set_trading_stop, params)
        assert plan.denied == ()
        del told[0]
        ending = await plan.send(Sent())
        assert len(venue.asked(STOP)) == 1
    assert (ending.outcome.value, ending.detail["changed"]) == (outcome, False)


async def test_nothing_is_concluded_where_the_history_does_not_answer() -> None:
    async with asking() as (venue, services):
        venue.scripts |= {POSITIONS: listed(position()), HISTORY: Refusal(10003)}
        lost = write(FULL, OVER_MS, wanted={"stopLoss": "100"}, before={"stopLoss": "0"})
        with pytest.raises(VenueRefused):
            await find_stops(services, lost)


async def test_every_stop_that_the_request_would_have_changed_must_have_stood() -> None:
    both, gone = {**FULL, "takeProfit": "200"}, {POSITIONS: listed(position())}
    one, two = stop("StopLoss", "100", "Deactivated"), stop("TakeProfit", "200", "Filled")

    async def told(before: dict[str, str], *closed: dict[str, Any]) -> str:
        wanted = {"stopLoss": "100", "takeProfit": "200"}
        scripts = {**gone, HISTORY: listed(*closed)}
        outcome = await became(find_stops, OVER_MS, both, scripts, wanted=wanted, before=before)
        assert outcome is not None
        return outcome[0]

    none = {"stopLoss": "0", "takeProfit": "0"}
    assert await told(none, one) == "rejected"
    assert await told(none, one, two) == "confirmed"
    assert await told({**none, "stopLoss": "100"}, two) == "confirmed"


async def test_a_stop_of_a_part_is_found_open_or_ended() -> None:
    kind = "PartialStopLoss"
    there = {REALTIME: listed(stop(kind, "100", "Untriggered"))}
    assert await of_stops(there, full=False) == ("confirmed", True, "")
    old = {REALTIME: listed(stop(kind, "100", "Untriggered", orderId="old"))}
    assert await of_stops(old, full=False) == ("rejected", False, AS_BEFORE)
    ended = {HISTORY: listed(stop(kind, "100", "Filled"))}
    assert await of_stops(ended, full=False) == ("confirmed", False, "")
    assert await of_stops(ended, full=False, until_ms=NOT_OVER_MS) is None, "another may yet be added"


async def test_all_pages_of_what_has_ended_are_looked_at() -> None:
    def paged(asked: Asked) -> dict[str, Any]:
        assert asked.params["startTime"] == str(NOW_MS - 60_000)
        if "cursor" not in asked.params:
            return {"list": [stop("StopLoss", "1", "Filled")], "nextPageCursor": "more"}
        return listed(stop("StopLoss", "100", "Filled"))

    assert await of_stops({HISTORY: paged}) == ("confirmed", False, "")
