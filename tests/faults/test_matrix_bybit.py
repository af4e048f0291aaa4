"""Every write of Bybit, a venue of requests and answers, on every kind of bad day at the venue."""

import pytest

from tests.faults.days import Day, error, every_write
from tests.faults.desk import CONFIRMED, REJECTED, UNKNOWN, Desk

DAYS: dict[str, Day] = {
    "answer_twice": Day({"verb": "answer_twice"}, CONFIRMED, True),
    "clock_behind": Day({"verb": "clock_offset", "ms": -400}, CONFIRMED, True, every_request=True),
    "refuse": Day({"verb": "refuse"}, UNKNOWN, False, every_request=True, unread=True),
    "status_400": Day({"verb": "status", "status": 400}, REJECTED, False),
    "status_404": Day({"verb": "status", "status": 404}, REJECTED, False),
    "status_429": Day({"verb": "status", "status": 429}, UNKNOWN, False),
    "status_502": Day({"verb": "status", "status": 502}, UNKNOWN, False),
    "cut_before": Day({"verb": "cut_before"}, UNKNOWN, False),
    "cut_after": Day({"verb": "cut_after"}, UNKNOWN, True),
    "half_answer": Day({"verb": "half_answer"}, UNKNOWN, True),
    "garbage": Day({"verb": "garbage"}, UNKNOWN, True),
    "drop_answer": Day({"verb": "drop_answer"}, UNKNOWN, True),
    "answer_late": Day({"verb": "answer_late"}, UNKNOWN, True),
    "silence": Day({"verb": "silence"}, UNKNOWN, False),
    "rate_limit": Day({"verb": "rate_limit"}, REJECTED, False),
    "110007_balance_too_small": error(110007, REJECTED),
    "10002_outside_the_window": error(10002, REJECTED),
    "10000_after_all": error(10000, UNKNOWN, effect=True),
    "10016_internal_error": error(10016, UNKNOWN),
    "10016_after_all": error(10016, UNKNOWN, effect=True),
    "10014_duplicate_request": error(10014, UNKNOWN),
    "110072_that_is_not_there": Day({"verb": "error", "code": 110072, "effect": False}, UNKNOWN, False, sought=True),
    "110072_the_first_landed": Day({"verb": "error", "code": 110072, "effect": True}, UNKNOWN, True, placed=CONFIRMED),
    "170141_the_first_landed": Day({"verb": "error", "code": 170141, "effect": True}, UNKNOWN, True, placed=CONFIRMED),
    "unlisted_code": error(999_999, UNKNOWN),
}
"""Days at a venue of requests and answers. One that refuses to be connected to has been written to by then."""


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("name", DAYS)
async def test_a_bad_day_at_a_venue_of_requests_and_answers(desk: Desk, name: str) -> None:
    await every_write(desk, "bybit", DAYS[name])
