"""Every write of Deribit on every kind of bad day at the venue.

Read from the registry: a write that is declared is in here the same day. The other venue and the caller's end of the
line have files of their own, so that all of them run side by side.
"""

from typing import Any

import pytest

from cerberod.app import methods
from cerberod.rpc.registry import Effect
from tests.faults.asked import method_of
from tests.faults.days import Day, error, every_write, recipes_of
from tests.faults.desk import CONFIRMED, ERROR, REJECTED, UNKNOWN, Desk
from tests.faults.recipes import RECIPES
from tests.support.client import connected

WRITES = [method.name for method in methods() if method.effect is Effect.WRITE]
DAYS: dict[str, Day] = {
    "answer_twice": Day({"verb": "answer_twice"}, CONFIRMED, True),
    "clock_behind": Day({"verb": "clock_offset", "ms": -400}, CONFIRMED, True, every_request=True),
    "refuse": Day({"verb": "refuse"}, ERROR, False, every_request=True, cut_first=True),
    "status_502": Day({"verb": "status", "status": 502}, ERROR, False, every_request=True, cut_first=True),
    "status_429": Day({"verb": "status", "status": 429}, ERROR, False, every_request=True, cut_first=True),
    "cut_before": Day({"verb": "cut_before"}, UNKNOWN, False),
    "cut_after": Day({"verb": "cut_after"}, UNKNOWN, True),
    "half_answer": Day({"verb": "half_answer"}, UNKNOWN, True),
    "garbage": Day({"verb": "garbage"}, UNKNOWN, True),
    "drop_answer": Day({"verb": "drop_answer"}, UNKNOWN, True),
    "answer_late": Day({"verb": "answer_late"}, UNKNOWN, True),
    "silence": Day({"verb": "silence"}, UNKNOWN, False),
    "rate_limit": Day({"verb": "rate_limit"}, REJECTED, False),
    "10009_not_enough_funds": error(10009, REJECTED),
    "10028_too_many_requests": error(10028, REJECTED),
    "10040_retry": error(10040, REJECTED),
    "13009_unauthorized": error(13009, REJECTED),
    "11094_internal_error": error(11094, UNKNOWN),
    "11094_after_all": error(11094, UNKNOWN, effect=True),
    "13028_unavailable": error(13028, UNKNOWN),
    "13028_after_all": error(13028, UNKNOWN, effect=True),
    "unlisted_code": error(19999, UNKNOWN),
}


@pytest.mark.promise("P1", "P2", "P3", "P4")
def test_every_write_has_a_recipe() -> None:
    assert sorted({method_of(name) for name in RECIPES}) == WRITES, "say in recipes.py how it is tried on a bad day"


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("name", DAYS)
async def test_a_bad_day_at_the_venue(desk: Desk, name: str) -> None:
    await every_write(desk, "deribit", DAYS[name])


@pytest.mark.promise("P1", "P2")
async def test_a_day_on_which_the_venues_clock_jumps(desk: Desk) -> None:
    """faults.md 58: orders wait until its answers agree again, cancels pass, readiness tells."""
    desk.at = "deribit"
    async with connected(desk.daemon) as client:
        for recipe in recipes_of("deribit"):
            await desk.working(client)
            asked = await desk.prepare(client, recipe)
            desk.venue.let_time_pass(3600)
            await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
            assert client_of(await desk.readiness())["reason"] in ("clock_unstable", "clock_offset")
            desk.venue.let_time_pass(3600)
            await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
            reply = await client.call(asked.method, asked.params)
            if RECIPES[recipe].is_cancel:
                assert reply["outcome"] == CONFIRMED
                continue
            assert (reply["outcome"], [reason["field"] for reason in reply["reasons"]]) == ("denied", ["clock"]), recipe
            assert desk.received(asked) == 0
            assert desk.journaled(asked.intent) is None
            assert [record["outcome"] for record in desk.audited(intent=asked.intent)] == ["denied"]
            await desk.working(client)
            assert (await client.call(asked.method, asked.params))["outcome"] == CONFIRMED, "the intent was not used up"
    readiness = await desk.readiness()
    assert (readiness["status"], client_of(readiness)["healthy"]) == ("degraded", True)


def client_of(readiness: dict[str, Any]) -> dict[str, Any]:
    """Return what monitors are told of the venue that these days are at."""
    return next(dict(client) for client in readiness["clients"] if client["exchange"] == "deribit")
