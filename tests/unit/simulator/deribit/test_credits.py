"""Credit pools: what costs what, and how fast it comes back."""

import pytest

from cerberod.simulator.deribit.credits import RULES, CreditBook, Credits, limits, pool_of


@pytest.mark.parametrize(
    ("method", "has_currency", "pool"),
    [
        ("private/buy", False, "matching"),
        ("private/cancel_by_label", True, "matching"),
        ("private/cancel_by_label", False, "cancel_all"),
        ("private/cancel_all", False, "cancel_all"),
        ("public/get_instruments", True, "get_instruments"),
        ("private/subscribe", False, "subscribe"),
        ("private/cancel_all_by_currency_pair", False, "matching"),
        ("private/create_combo", False, "ordinary"),
        ("private/get_transaction_log", True, "get_transaction_log"),
        ("private/simulate_portfolio", True, "simulate_portfolio"),
        ("private/get_positions", False, "ordinary"),
        ("public/test", False, "ordinary"),
    ],
)
def test_pools(method: str, has_currency: bool, pool: str) -> None:
    assert pool_of(method, has_currency) == pool


@pytest.mark.parametrize("pool", RULES)
def test_a_full_pool_holds_its_burst_and_refills_at_its_rate(pool: str) -> None:
    rule, credits = RULES[pool], Credits(0.0)
    burst = int(rule.burst / rule.cost)
    assert all(credits.spend(pool, 0.0) for _ in range(burst))
    assert not credits.spend(pool, 0.0)
    back_s = rule.cost / rule.per_second
    assert not credits.spend(pool, back_s * 0.99)
    assert credits.spend(pool, back_s * 1.01)
    assert sum(credits.spend(pool, 1e6) for _ in range(burst + 5)) == burst  # never more than full


def test_callers_are_charged_apart_and_forgotten_in_the_end() -> None:
    book = CreditBook()
    for _ in range(20):
        assert book.spend("a", "private/buy", False, 0.0)
    assert not book.spend("a", "private/buy", False, 0.0)
    assert book.spend("b", "private/buy", False, 0.0)
    for number in range(2_000):
        book.spend(f"stranger {number}", "public/test", False, 0.0)
    assert book.spend("a", "private/buy", False, 0.0)


def test_limits_tell_the_pools() -> None:
    assert limits()["non_matching_engine"] == {"burst": 100, "rate": 20}
