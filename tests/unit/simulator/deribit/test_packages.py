"""A package's price split over its legs: exact sums, no negative option, fees with cap and the free direction."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cerberod.simulator.accounts import Contract
from cerberod.simulator.deribit.packages import leg_fees, leg_prices, step_of

D = Decimal
TICK = D("0.0001")
OPTION, FUTURE = Contract.INVERSE_OPTION, Contract.INVERSE_FUTURE


def test_the_recorded_call_spread_splits_as_recorded_to_a_tick() -> None:
    prices = leg_prices([1, -1], [D("0.08114403"), D("0.01733488")], D("0.0639"), TICK)
    assert prices[0] - prices[1] == D("0.0639")
    assert abs(prices[0] - D("0.0813")) <= 2 * TICK
    assert abs(prices[1] - D("0.0174")) <= 2 * TICK


@given(
    st.lists(st.sampled_from([1, -1, 2, -2, 4]), min_size=2, max_size=4),
    st.lists(st.decimals("0.0001", "0.5", places=8), min_size=4, max_size=4),
    st.integers(-3_000, 3_000),
)
def test_leg_prices_add_up_whenever_they_can(ratios: list[int], marks: list[Decimal], ticks: int) -> None:
    price = ticks * TICK
    marks = marks[: len(ratios)]
    lowest = sum(r for r in ratios) * TICK if all(r > 0 for r in ratios) else None
    highest = sum(r for r in ratios) * TICK if all(r < 0 for r in ratios) else None
    prices = leg_prices(ratios, marks, price, TICK)
    assert all(p >= TICK for p in prices), "no leg is given away"
    if (lowest is None or price >= lowest) and (highest is None or price <= highest):
        assert sum(r * p for r, p in zip(ratios, prices, strict=True)) == price


def test_futures_split_in_cents() -> None:
    assert step_of([FUTURE, FUTURE], D("0.5")) == D("0.01")
    assert step_of([OPTION, OPTION], TICK) == TICK
    prices = leg_prices([1, -1], [D("20988.21"), D("20220.61")], D("767.5"), D("0.01"))
    assert prices[0] - prices[1] == D("767.5")


def test_the_cheaper_direction_is_free_and_one_direction_alone_is_not() -> None:
    contracts, amounts, indices = [OPTION, OPTION], [D(1), D(2)], [D(80_000)] * 2
    prices = [D("0.05"), D("0.001")]
    fees = leg_fees(contracts, amounts, prices, indices, [True, False], taker=True)
    assert fees == [D("0.0003"), D(0)], "two at their cap cost less than one at the full fee"
    both = leg_fees(contracts, amounts, prices, indices, [True, True], taker=True)
    assert both == [D("0.0003"), D("0.00025")]
    makers = leg_fees([FUTURE, FUTURE], [D(10), D(10)], [D(50_000)] * 2, indices, [True, False], taker=False)
    assert makers == [D(0), D(0)]
