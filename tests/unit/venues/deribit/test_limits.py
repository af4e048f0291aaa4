"""Which pool a method draws from, by the published table."""

import pytest

from cerberod.venues.deribit.limits import ALLOWANCES, Class, class_of


@pytest.mark.parametrize(
    ("method", "of"),
    [
        ("private/get_transaction_log", Class.TRANSACTION_LOG),
        ("private/simulate_portfolio", Class.SIMULATE_PORTFOLIO),
        ("public/get_instruments", Class.INSTRUMENTS),
        ("private/cancel_all", Class.CANCEL_ALL),
        ("private/buy", Class.MATCHING),
        ("private/create_combo", Class.NON_MATCHING),
        ("private/get_leg_prices", Class.NON_MATCHING),
        ("public/ticker", Class.NON_MATCHING),
    ],
)
def test_a_method_draws_from_its_pool(method: str, of: Class) -> None:
    assert class_of(method) is of


@pytest.mark.parametrize(
    ("of", "burst", "per_s"),
    [
        (Class.NON_MATCHING, 100, 20),
        (Class.INSTRUMENTS, 50, 1),
        (Class.TRANSACTION_LOG, 8, 1),
        (Class.SIMULATE_PORTFOLIO, 1, 0.8),
    ],
)
def test_pools_are_as_published_or_more_careful(of: Class, burst: float, per_s: float) -> None:
    allowance = ALLOWANCES[of]
    assert (allowance.pool / allowance.cost, allowance.refill_per_s / allowance.cost) == (burst, per_s)
