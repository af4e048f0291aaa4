"""The fault plan without sockets: which request a rule means, and what a rule may say."""

from typing import Any

import pytest

from cerberod.simulator.faults import BadFault, Fault, FaultPlan, Verb, read_fault

HERE, THERE = "deribit_testnet", "deribit_live"
BOTH = (HERE, THERE)


def picked(plan: FaultPlan, *methods: str, http: bool = False) -> list[Verb | None]:
    faults = [plan.at_request(HERE, method, http=http) for method in methods]
    return [None if fault is None else fault.verb for fault in faults]


def test_without_rules_nothing_goes_wrong() -> None:
    plan = FaultPlan()
    assert picked(plan, "private/buy") == [None]
    assert plan.at_connecting(HERE, http=False) is None
    assert plan.clock_offset_ms == 0


def test_a_rule_means_its_method_or_all_that_begin_so() -> None:
    plan = FaultPlan()
    plan.add(Fault(Verb.CUT_AFTER, method="private/buy"))
    plan.add(Fault(Verb.GARBAGE, method="private/cancel*"))
    asked = ("private/buy", "private/buys", "private/cancel_all", "public/test")
    assert picked(plan, *asked) == [Verb.CUT_AFTER, None, Verb.GARBAGE, None]


def test_a_rule_means_its_environment() -> None:
    plan = FaultPlan()
    plan.add(Fault(Verb.CUT_AFTER, environment=THERE))
    assert picked(plan, "private/buy") == [None]
    assert plan.at_request(THERE, "private/buy", http=False) is not None


def test_the_nth_request_and_so_many_after_it() -> None:
    plan = FaultPlan()
    rule = plan.add(Fault(Verb.DROP_ANSWER, method="private/*", nth=2, times=2))
    cut = Verb.DROP_ANSWER
    assert picked(plan, *["private/buy"] * 5) == [None, cut, cut, None, None]
    assert (rule.seen, rule.hit) == (5, 2)


def test_the_oldest_rule_that_is_due_decides_and_all_count() -> None:
    plan = FaultPlan()
    plan.add(Fault(Verb.CUT_BEFORE, times=1))
    plan.add(Fault(Verb.CUT_AFTER, nth=2))
    assert picked(plan, "a", "a", "a") == [Verb.CUT_BEFORE, Verb.CUT_AFTER, Verb.CUT_AFTER]


def test_rules_are_lifted_one_by_one_or_all() -> None:
    plan = FaultPlan()
    first, second = plan.add(Fault(Verb.CUT_BEFORE)), plan.add(Fault(Verb.CUT_AFTER))
    assert plan.lift(first.id) == 1
    assert plan.lift(first.id) == 0
    assert picked(plan, "a") == [Verb.CUT_AFTER]
    assert plan.add(Fault(Verb.REFUSE)).id not in (first.id, second.id)
    assert plan.lift() == 2
    assert picked(plan, "a") == [None]


def test_connecting_is_refused_by_rules_without_a_method_only() -> None:
    plan = FaultPlan()
    plan.add(Fault(Verb.STATUS, method="private/buy", status=502))
    assert plan.at_connecting(HERE, http=False) is None
    assert picked(plan, "private/buy") == [None], "a status is of HTTP"
    assert picked(plan, "private/buy", http=True) == [Verb.STATUS]
    plan.add(Fault(Verb.REFUSE, times=1))
    assert plan.at_connecting(HERE, http=True) is not None
    assert picked(plan, "private/sell") == [None], "what is connected is not refused"
    assert plan.at_connecting(HERE, http=True) is None


def test_clock_offsets_add_up_and_are_of_no_request() -> None:
    plan = FaultPlan()
    plan.add(Fault(Verb.CLOCK_OFFSET, ms=1_500))
    plan.add(Fault(Verb.CLOCK_OFFSET, ms=-500))
    assert plan.clock_offset_ms == 1_000
    assert picked(plan, "public/get_time") == [None]


def test_the_plan_is_bounded() -> None:
    plan = FaultPlan()
    for _ in range(1_000):
        plan.add(Fault(Verb.REFUSE))
    with pytest.raises(BadFault, match="at most"):
        plan.add(Fault(Verb.REFUSE))


@pytest.mark.parametrize(
    "body",
    [
        {"verb": "refuse", "environment": HERE, "nth": 2, "times": 3},
        {"verb": "answer_late", "ms": 0},
        {"verb": "error", "code": -32602, "method": "private/*", "effect": True},
        {"verb": "status", "status": 502},
        {"verb": "clock_offset", "ms": -3_600_000},
        *({"verb": verb.value, "method": "a"} for verb in (Verb.CUT_BEFORE, Verb.HALF_ANSWER, Verb.RATE_LIMIT)),
    ],
)
def test_a_rule_is_read_as_it_was_given(body: dict[str, Any]) -> None:
    fault = read_fault(body, BOTH)
    assert {name: getattr(fault, name) for name in body} == body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "verb must be one of refuse, cut_before"),
        ({"verb": "explode"}, "verb must be one of"),
        ({"verb": []}, "verb must be one of"),
        ({"verb": "refuse", "method": "a"}, "unknown field method for refuse"),
        ({"verb": "clock_offset", "ms": 1, "times": 1}, "unknown field times for clock_offset"),
        ({"verb": "cut_after", "code": 1}, "unknown field code for cut_after"),
        ({"verb": "error"}, "error needs code"),
        ({"verb": "status"}, "status needs status"),
        ({"verb": "clock_offset"}, "clock_offset needs ms"),
        ({"verb": "status", "status": 200}, "status must be a whole number from 400"),
        ({"verb": "error", "code": True}, "code must be a whole number"),
        ({"verb": "error", "code": 1, "effect": 1}, "effect must be true or false"),
        ({"verb": "answer_late", "ms": -1}, "ms must be a whole number from 0"),
        ({"verb": "cut_after", "nth": 0}, "nth must be a whole number from 1"),
        ({"verb": "cut_after", "times": 1.5}, "times must be a whole number"),
        ({"verb": "cut_after", "method": ""}, "method must be"),
        ({"verb": "cut_after", "method": 7}, "method must be"),
        ({"verb": "cut_after", "environment": "mars"}, "environment must be one of"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_by_name(body: dict[str, Any], words: str) -> None:
    with pytest.raises(BadFault, match=words):
        read_fault(body, BOTH)
