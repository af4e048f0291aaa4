"""Every kernel is what its declaration says, and runs on the loop only while that takes no time worth mentioning."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

import pytest

from cerberod.calculation import methods
from cerberod.calculation.methods.books import Book
from cerberod.calculation.methods.indicators import RSI, VWAP, OnePeriod, Rsi, Vwap
from cerberod.calculation.methods.options import BLACK_SCHOLES, BlackScholes, PricedOption
from cerberod.calculation.methods.performance import DRAWDOWN, DrawdownParams
from cerberod.calculation.service import Kernel, numbers_in
from cerberod.calculation.working import KERNELS
from cerberod.rpc.registry import Deadline, registry


def kernels() -> Iterator[Kernel[Any, Any]]:
    for name in methods.__all__:
        yield from (each for each in vars(getattr(methods, name)).values() if isinstance(each, Kernel))


def function(kernel: Kernel[Any, Any]) -> Any:
    return getattr(import_module(f"{KERNELS}.{kernel.module}"), kernel.function)


@pytest.mark.parametrize("kernel", list(kernels()), ids=lambda kernel: kernel.function)
def test_a_kernel_takes_and_makes_what_is_declared(kernel: Kernel[Any, Any]) -> None:
    found = function(kernel)
    hints = get_type_hints(found)
    assert hints.pop("return") is kernel.result
    assert list(hints.values()) == [kernel.params]
    assert not inspect.iscoroutinefunction(found)


def test_every_method_has_its_kernel_and_the_deadline_of_analytics() -> None:
    declared = {each.tool: each for each in registry if each.namespace == "common"}
    by_name = {each.function: each for each in kernels()}
    assert declared.keys() == by_name.keys()
    for name, method in declared.items():
        assert method.params is by_name[name].params
        assert method.result is by_name[name].result
        assert method.deadline is Deadline.ANALYTICS
        assert method.cost >= 2


def test_numbers_are_counted_in_lists_pairs_and_rows() -> None:
    row = PricedOption(type="call", underlying=1.0, strike=1.0, years=1.0, iv_pct=1.0)
    assert numbers_in(OnePeriod(close=[1.0] * 7)) == 7
    assert numbers_in(Book(bids=[[1.0, 2.0]] * 3, asks=[[3.0, 1.0]], depths_bps=[1.0])) == 9
    assert numbers_in(BlackScholes(options=[row, row])) == 10
    assert numbers_in(Vwap(close=[1.0], high=[1.0], low=[1.0], volume=[1.0], session=None)) == 4


def test_a_line_tells_where_it_has_no_value_and_why() -> None:
    told = function(RSI)(Rsi(close=[1.0, 1.0, 1.0, 1.0, 2.0], period=2)).line
    assert told.values == [None, None, None, None, 100.0]
    assert [(gap.first, gap.last, gap.reason) for gap in told.gaps] == [(0, 1, "warm_up"), (2, 3, "no_movement")]
    quiet = function(VWAP)(Vwap(high=[2.0] * 3, low=[1.0] * 3, close=[1.5] * 3, volume=[0.0, 3.0, 0.0])).line
    assert quiet.values == [None, 1.5, 1.5]
    assert [(gap.first, gap.last, gap.reason) for gap in quiet.gaps] == [(0, 0, "no_volume")]


@pytest.mark.parametrize(
    ("equity", "reason", "recovery"),
    [([1.0, 2.0], "no_fall", None), ([2.0, 1.0], "not_recovered", None), ([2.0, 1.0, 2.0], None, 2)],
)
def test_positions_of_a_fall_that_do_not_exist_have_a_reason(
    equity: list[float], reason: str | None, recovery: int | None
) -> None:
    told = function(DRAWDOWN)(DrawdownParams(equity=equity))
    assert (told.reason, told.recovery) == (reason, recovery)


def test_an_expired_option_at_the_money_has_no_gamma_and_says_why() -> None:
    row = PricedOption(type="put", underlying=100.0, strike=100.0, years=0.0, iv_pct=50.0)
    told = function(BLACK_SCHOLES)(BlackScholes(options=[row]))
    assert (told.gamma, told.reasons) == ([None], ["unbounded_at_the_money"])
    assert told.price == [0.0]
