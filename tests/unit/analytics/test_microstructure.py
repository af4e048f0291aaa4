"""The order book by hand: numbers that fit on paper, both kinds of contract, and books that mean nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberod.analytics import microstructure
from cerberod.analytics.microstructure import Book, FillReason, Side
from cerberod.errors import AnalyticsRefused

BOOK = microstructure.book([99.0, 98.0, 97.0], [1.0, 2.0, 3.0], [101.0, 102.0, 104.0, 108.0], [3.0, 1.0, 4.0, 2.0])


def test_mid_spread_and_microprice() -> None:
    assert BOOK.mid == 100.0
    assert BOOK.spread_bps == pytest.approx(200.0)
    # One bid against three asks: three quarters of the way down to the bid.
    assert microstructure.microprice(BOOK) == 99.5


def test_imbalance_counts_no_side_deeper_than_the_other() -> None:
    result = microstructure.imbalance_by_level(BOOK, 10)
    assert result.levels == 3
    assert result.bid_sizes.tolist() == [1.0, 3.0, 6.0]
    assert result.ask_sizes.tolist() == [3.0, 4.0, 8.0]
    assert result.imbalances == pytest.approx([-2 / 4, -1 / 7, -2 / 14])
    assert microstructure.imbalance_by_level(BOOK, 1).imbalances.tolist() == [-0.5]


def test_imbalance_by_depth_says_where_it_is_empty_and_where_the_book_ends() -> None:
    result = microstructure.imbalance_by_depth(BOOK, [50.0, 100.0, 200.0, 300.0, 800.0])
    assert result.imbalances.tolist() == [
        None,
        -0.5,
        pytest.approx(-1 / 7),
        pytest.approx(2 / 10),
        pytest.approx(-4 / 16),
    ]
    assert result.bid_sizes.tolist() == [0.0, 1.0, 3.0, 6.0, 6.0]
    assert result.ask_sizes.tolist() == [0.0, 3.0, 4.0, 4.0, 10.0]
    assert result.bid_complete.tolist() == [True, True, True, False, False]
    assert result.ask_complete.tolist() == [True, True, True, True, False]


def test_a_size_is_taken_level_by_level() -> None:
    fill = microstructure.take(BOOK, Side.BUY, 5.0)
    assert (fill.vwap, fill.worst, fill.levels, fill.filled, fill.reason) == (101.8, 104.0, 3, 5.0, None)
    assert fill.slippage == pytest.approx(0.018)
    assert fill.slippage_bps == pytest.approx(180.0)
    assert fill.from_best_bps == pytest.approx(0.8 / 101.0 * 1e4)
    assert fill.impact_bps == pytest.approx(400.0)


def test_a_cost_is_positive_for_the_seller_too() -> None:
    fill = microstructure.take(BOOK, Side.SELL, 2.0)
    assert (fill.vwap, fill.worst, fill.levels) == (98.5, 98.0, 2)
    assert fill.slippage_bps == pytest.approx(150.0)
    assert fill.impact_bps == pytest.approx(200.0)


def test_a_level_that_is_just_used_up_is_the_last_one() -> None:
    assert microstructure.take(BOOK, Side.BUY, 3.0).levels == 1
    assert microstructure.take(BOOK, Side.BUY, 3.0).vwap == 101.0
    assert microstructure.take(BOOK, Side.BUY, 10.0).levels == 4


def test_contracts_of_quote_currency_average_over_coins() -> None:
    """3 at 101 and 1 at 102, in dollars: 4 dollars over the coins they buy."""
    fill = microstructure.take(BOOK, Side.BUY, 4.0, inverse=True)
    assert fill.vwap == pytest.approx(4.0 / (3.0 / 101.0 + 1.0 / 102.0), rel=1e-15)


def test_too_little_depth_has_no_price() -> None:
    fill = microstructure.take(BOOK, Side.SELL, 6.5)
    assert fill.reason is FillReason.TOO_LITTLE_DEPTH
    assert (fill.size, fill.filled, fill.levels) == (6.5, 6.0, 3)
    assert (fill.vwap, fill.worst, fill.slippage, fill.slippage_bps, fill.from_best_bps, fill.impact_bps) == (None,) * 6


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (([], [], [101.0], [1.0]), "bid_prices"),
        (([99.0], [1.0], [], []), "ask_prices"),
        (([102.0], [1.0], [101.0], [1.0]), "bid_prices"),
        (([101.0], [1.0], [101.0], [1.0]), "bid_prices"),
        (([98.0, 99.0], [1.0, 1.0], [101.0], [1.0]), "bid_prices"),
        (([99.0, 99.0], [1.0, 1.0], [101.0], [1.0]), "bid_prices"),
        (([99.0], [1.0], [102.0, 101.0], [1.0, 1.0]), "ask_prices"),
        (([99.0], [0.0], [101.0], [1.0]), "bid_sizes"),
        (([99.0], [1.0], [101.0], [-1.0]), "ask_sizes"),
        (([99.0], [1.0], [101.0], [np.nan]), "ask_sizes"),
        (([np.inf], [1.0], [101.0], [1.0]), "bid_prices"),
        (([-1.0], [1.0], [101.0], [1.0]), "bid_prices"),
        (([99.0], [1.0, 2.0], [101.0], [1.0]), "bid_sizes"),
    ],
)
def test_a_book_that_means_nothing_is_refused(arguments: Any, field: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        microstructure.book(*arguments)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: microstructure.take(BOOK, Side.BUY, 0.0), "size"),
        (lambda: microstructure.take(BOOK, Side.BUY, float("nan")), "size"),
        (lambda: microstructure.imbalance_by_level(BOOK, 0), "levels"),
        (lambda: microstructure.imbalance_by_depth(BOOK, []), "depths_bps"),
        (lambda: microstructure.imbalance_by_depth(BOOK, [0.0]), "depths_bps"),
        (lambda: microstructure.imbalance_by_depth(BOOK, [10_001.0]), "depths_bps"),
    ],
)
def test_a_broken_rule_names_its_field(call: Callable[[], Any], field: str) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        call()
    assert refused.value.field == field


SIZES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=12)


def made(bid_sizes: list[float], ask_sizes: list[float]) -> Book:
    bids = 100.0 - 0.5 * np.arange(1, len(bid_sizes) + 1)
    asks = 100.0 + 0.5 * np.arange(1, len(ask_sizes) + 1)
    return microstructure.book(bids, bid_sizes, asks, ask_sizes)


@settings(max_examples=60)
@given(SIZES, SIZES, st.floats(0.01, 0.99), st.sampled_from(Side))
def test_more_costs_more_and_everything_stays_inside_the_book(
    bid_sizes: list[float], ask_sizes: list[float], share: float, side: Side
) -> None:
    book = made(bid_sizes, ask_sizes)
    there = float(np.sum(ask_sizes if side is Side.BUY else bid_sizes))
    small = microstructure.take(book, side, 0.5 * share * there)
    large = microstructure.take(book, side, share * there)
    assert small.slippage_bps is not None and large.slippage_bps is not None and large.impact_bps is not None
    half_spread = 0.5 * book.spread_bps
    assert half_spread - 1e-9 <= small.slippage_bps <= large.slippage_bps + 1e-9
    assert large.slippage_bps <= large.impact_bps + 1e-9
    inverse = microstructure.take(book, side, share * there, inverse=True)
    assert inverse.vwap is not None and large.vwap is not None
    assert inverse.vwap <= large.vwap * (1.0 + 1e-12)  # the harmonic mean is never above the plain one
    assert book.bid_prices[0] <= microstructure.microprice(book) <= book.ask_prices[0]


@settings(max_examples=60)
@given(SIZES, SIZES, st.sampled_from([0.25, 1024.0]))
def test_mirrored_books_have_opposite_imbalances_in_any_unit(
    bid_sizes: list[float], ask_sizes: list[float], unit: float
) -> None:
    book = made(bid_sizes, ask_sizes)
    mirrored = made([unit * x for x in ask_sizes], [unit * x for x in bid_sizes])
    plain = microstructure.imbalance_by_level(book).imbalances
    assert np.all(np.abs(plain) <= 1.0)
    assert np.array_equal(microstructure.imbalance_by_level(mirrored).imbalances, -plain)
    depths = [25.0, 50.0, 120.0, 600.0]
    there, back = (microstructure.imbalance_by_depth(x, depths) for x in (book, mirrored))
    assert there.imbalances.tolist()[0] is None
    np.testing.assert_allclose(back.imbalances.compressed(), -there.imbalances.compressed(), atol=1e-12)
