"""Budgets against a plain account that is kept beside them. models.md 5.5, faults.md 42."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cerberod.rpc.limits import Budget, BudgetKey, BudgetLimits, Budgets

COSTS = st.floats(0, 1e6) | st.sampled_from([0, 1, 10, 100])
PAUSES = st.floats(0, 1e4)
LIMITS = st.builds(
    lambda soft, gap, decay, wait: BudgetLimits(decay_per_s=decay, soft=soft, hard=soft + gap, longest_wait_s=wait),
    st.floats(1, 1e5),
    st.floats(1, 1e6),
    st.floats(0.1, 1e5),
    st.floats(0, 10),
)


@given(LIMITS, st.lists(st.tuples(COSTS, PAUSES), max_size=50))
def test_a_debt_is_never_negative_and_never_forgotten_faster_than_its_rate(
    limits: BudgetLimits, events: list[tuple[float, float]]
) -> None:
    budget, now = Budget(limits, 0.0), 0.0
    for cost, pause in events:
        before = budget.debt(now)
        budget.charge(cost, now)
        assert budget.debt(now) >= before
        charged = budget.debt(now)
        now += pause
        after = budget.debt(now)
        assert after >= 0
        # Rounding is that of numbers as big as the debt and the time.
        slack = 1e-9 * (1 + charged + now * limits.decay_per_s)
        assert charged - after <= pause * limits.decay_per_s + slack
        assert after <= charged


@given(LIMITS, COSTS, st.integers(1, 1000), PAUSES)
def test_how_many_run_at_once_falls_with_the_debt_and_never_to_zero(
    limits: BudgetLimits, cost: float, most: int, pause: float
) -> None:
    budget = Budget(limits, 0.0)
    budget.charge(cost, 0.0)
    assert budget.exhausted(0.0) == (cost > limits.hard)
    now_allowed = budget.at_once(most, 0.0)
    assert 1 <= now_allowed <= most
    later = budget.at_once(most, pause)
    assert now_allowed <= later <= most
    if budget.relaxed_in_s(pause) == 0:
        assert later == most


@given(LIMITS, st.lists(st.floats(0.01, 1e4), min_size=1, max_size=50))
def test_turns_are_no_denser_than_costs_are_paid_off(limits: BudgetLimits, costs: list[float]) -> None:
    budget = Budget(limits, 0.0)
    budget.charge(limits.soft * 10 + limits.hard, 0.0)
    starts = []
    for cost in costs:
        wait = budget.turn(cost, 0.0)
        if wait <= limits.longest_wait_s:
            starts.append((wait, cost))
    for (first, cost), (second, _) in pairwise(starts):
        assert math.isclose(second - first, cost / limits.decay_per_s, rel_tol=1e-6, abs_tol=1e-9)


class Bots(RuleBasedStateMachine):
    """Bots come, go, and come back; each one's debt is kept beside in the plainest way."""

    LIMITS = BudgetLimits(decay_per_s=10, soft=50, hard=500, keys=4)
    TAGS = st.sampled_from(["a", "b", "c", "d", "e", "f"])

    @initialize()
    def start(self) -> None:
        self.budgets = Budgets(self.LIMITS)
        self.now = 0.0
        self.connected: dict[str, Budget] = {}
        self.owed: dict[str, float] = {}
        self.order: list[str] = []

    def owes(self, tag: str) -> float:
        return self.owed.get(tag, 0.0)

    @rule(tag=TAGS)
    def connect(self, tag: str) -> None:
        remembered = tag in self.connected or tag in self.order[-self.LIMITS.keys :]
        budget = self.budgets.of(BudgetKey("t", tag, ""), self.now)
        assert math.isclose(budget.debt(self.now), self.owes(tag) if remembered else 0.0, abs_tol=1e-6)
        if not remembered:
            self.owed[tag] = 0.0
        self.connected[tag] = budget
        self.order = [each for each in self.order if each != tag] + [tag]

    @rule(tag=TAGS)
    def disconnect(self, tag: str) -> None:
        self.connected.pop(tag, None)

    @rule(tag=TAGS, cost=st.integers(0, 1000))
    def ask(self, tag: str, cost: int) -> None:
        if tag in self.connected:
            self.connected[tag].charge(cost, self.now)
            self.owed[tag] = self.owes(tag) + cost

    @rule(pause=st.floats(0, 20))
    def wait(self, pause: float) -> None:
        self.now += pause
        self.owed = {tag: max(0.0, debt - pause * self.LIMITS.decay_per_s) for tag, debt in self.owed.items()}

    @invariant()
    def every_connected_bot_owes_what_it_asked_for_and_nothing_of_others(self) -> None:
        for tag, budget in getattr(self, "connected", {}).items():
            assert math.isclose(budget.debt(self.now), self.owes(tag), abs_tol=1e-6)

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "budgets"):
            assert len(self.budgets) <= self.LIMITS.keys + len(self.connected)


TestBots = Bots.TestCase
