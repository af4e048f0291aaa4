"""What a bot owes, and what follows from it. faults.md 42."""

from dataclasses import replace

import pytest

from cerberod.errors import Code
from cerberod.rpc.limits import NOT_THE_CALLERS, Budget, BudgetKey, BudgetLimits, Budgets

LIMITS = BudgetLimits(decay_per_s=100, soft=1_000, hard=10_000, longest_wait_s=1.0, keys=3)
OWL = BudgetKey("testnet", "owl", "127.0.0.1")


def test_a_debt_is_paid_off_by_time_and_never_more_than_that() -> None:
    budget = Budget(LIMITS, now=50.0)
    budget.charge(250, 50.0)
    assert budget.debt(50.0) == 250
    assert budget.debt(51.0) == 150
    assert budget.debt(100.0) == 0
    budget.charge(10, 100.0)
    assert budget.debt(100.0) == 10


def test_a_clock_that_steps_back_forgives_nothing() -> None:
    budget = Budget(LIMITS, now=50.0)
    budget.charge(250, 50.0)
    assert budget.debt(40.0) == 250
    assert budget.debt(51.0) == 150


def test_up_to_the_soft_limit_nothing_is_felt() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.charge(1_000, 0.0)
    assert not budget.strained
    assert (budget.turn(50, 0.0), budget.at_once(16, 0.0), budget.relaxed_in_s(0.0)) == (0.0, 16, 0.0)


def test_beyond_it_calls_take_turns_at_the_pace_of_the_decay() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.charge(1_200, 0.0)
    assert budget.strained
    assert [budget.turn(10, 0.0) for _ in range(3)] == [0.0, pytest.approx(0.1), pytest.approx(0.2)]
    assert budget.turn(10, 1.0) == 0.0  # turns that nobody took are not saved up
    assert budget.turn(10, 1.0) == pytest.approx(0.1)
    assert budget.turn(0, 1.0) == 0.0  # a ping waits for nobody


def test_a_wait_that_is_too_long_takes_no_turn() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.charge(2_000, 0.0)
    assert budget.turn(200, 0.0) == 0.0
    assert budget.turn(1, 0.0) == pytest.approx(2.0)
    assert budget.turn(1, 1.0) == pytest.approx(1.0)


def test_a_strain_ends_with_the_debt() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.charge(1_200, 0.0)
    assert budget.turn(1, 1.9) == 0.0
    assert budget.turn(500, 2.0) == 0.0
    assert not budget.strained
    assert budget.turn(500, 2.0) == 0.0


@pytest.mark.parametrize(("debt", "most"), [(1_000, 16), (1_001, 16), (5_500, 8), (9_999, 1), (10_000, 1), (50_000, 1)])
def test_fewer_run_at_once_the_more_is_owed(debt: float, most: int) -> None:
    budget = Budget(LIMITS, 0.0)
    budget.charge(debt, 0.0)
    assert budget.at_once(16, 0.0) == most


def test_beyond_the_hard_limit_it_is_told_when_all_is_well_again() -> None:
    budget = Budget(LIMITS, 0.0)
    budget.charge(10_000, 0.0)
    assert not budget.exhausted(0.0)
    budget.charge(1, 0.0)
    assert budget.exhausted(0.0)
    again = budget.relaxed_in_s(0.0)
    assert again == pytest.approx(90.01)
    assert not budget.exhausted(0.02)
    assert budget.at_once(16, again) == 16


def test_an_error_costs_its_price_and_not_the_calls_on_top() -> None:
    assert LIMITS.surcharge(Code.INVALID_PARAMS, declared=1) == 9
    assert LIMITS.surcharge(Code.METHOD_NOT_FOUND, declared=0) == 10
    assert LIMITS.surcharge(Code.INVALID_PARAMS, declared=50) == 0
    assert LIMITS.surcharge(Code.PARSE_ERROR, declared=0) == 100


@pytest.mark.parametrize("code", sorted(NOT_THE_CALLERS))
def test_what_is_not_the_callers_doing_costs_nothing_more(code: Code) -> None:
    assert LIMITS.surcharge(code, declared=1) == 0


def test_who_comes_back_is_still_in_debt_and_another_bot_is_not() -> None:
    budgets = Budgets(LIMITS)
    budgets.of(OWL, 0.0).charge(5_000, 0.0)
    assert budgets.of(OWL, 10.0).debt(10.0) == 4_000
    for other in (OWL._replace(bot_tag="fox"), OWL._replace(actor="mainnet"), OWL._replace(address="10.0.0.1")):
        assert budgets.of(other, 10.0).debt(10.0) == 0


def test_two_sessions_of_one_bot_share_its_debt() -> None:
    budgets = Budgets(LIMITS)
    assert budgets.of(OWL, 0.0) is budgets.of(OWL, 0.0)


def test_debts_remembered_are_bounded_and_those_of_the_connected_are_kept() -> None:
    budgets = Budgets(replace(LIMITS, keys=3))
    connected = budgets.of(OWL, 0.0)
    connected.charge(5_000, 0.0)
    for number in range(1_000):
        budgets.of(BudgetKey("testnet", f"bot-{number}", ""), 0.0).charge(100, 0.0)
    assert len(budgets) == 4
    assert {key.bot_tag for key, _ in budgets} == {"owl", "bot-997", "bot-998", "bot-999"}
    assert budgets.of(OWL, 0.0) is connected
