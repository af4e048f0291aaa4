"""What holds for volatilities whatever the bars: never negative, no unit of price, growing with the range."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberod.analytics import volatility
from cerberod.analytics.volatility import Estimator
from cerberod.errors import AnalyticsRefused
from tests.support.bars import MadeBars

SHARE = st.floats(0.0, 1.0)
MOVE = st.floats(-0.2, 0.2)
# Gap, move of the close, and how far high and low reach beyond open and close.
BAR = st.tuples(MOVE, MOVE, st.floats(0.0, 0.1), st.floats(0.0, 0.1))
SERIES = st.lists(BAR, min_size=8, max_size=30)


def bars_of(moves: list[tuple[float, float, float, float]]) -> MadeBars:
    gap, move, above, below = np.array(moves).T
    o = np.cumsum(gap + move) - move
    c = o + move
    high, low = np.exp(np.maximum(o, c) + above), np.exp(np.minimum(o, c) - below)
    opened, closed = np.clip(np.exp(o), low, high), np.clip(np.exp(c), low, high)
    return MadeBars(opened, high, low, closed, np.ones(closed.size))


def measured(bars: MadeBars, estimator: Estimator) -> float:
    """Return the volatility of one bar, 0 where the estimator sees no move."""
    try:
        return volatility.realised(bars.close, 1.0, estimator, open=bars.open, high=bars.high, low=bars.low).volatility
    except AnalyticsRefused as refused:
        assert refused.rule == "must move: there is no volatility to estimate"
        return 0.0


@settings(max_examples=60)
@given(SERIES, st.sampled_from(Estimator))
def test_finite_never_negative_and_of_no_unit(
    moves: list[tuple[float, float, float, float]], estimator: Estimator
) -> None:
    bars = bars_of(moves)
    plain = measured(bars, estimator)
    assert 0.0 <= plain < 1.0
    scaled = MadeBars(*(64.0 * x for x in bars))
    # Logarithms of other prices: what is lost is a few 1e-16 of a logarithm, so 1e-8 of a volatility near nothing.
    assert measured(scaled, estimator) == pytest.approx(plain, rel=1e-9, abs=1e-8)


@settings(max_examples=60)
@given(SERIES, SHARE)
def test_a_wider_range_is_more_volatility(moves: list[tuple[float, float, float, float]], more: float) -> None:
    bars = bars_of(moves)
    wider = bars._replace(high=bars.high * (1.0 + more))
    for estimator in (Estimator.PARKINSON, Estimator.GARMAN_KLASS, Estimator.ROGERS_SATCHELL):
        assert measured(wider, estimator) >= measured(bars, estimator) - 1e-12


@settings(max_examples=60)
@given(SERIES)
def test_the_cone_is_ordered_and_holds_the_present(moves: list[tuple[float, float, float, float]]) -> None:
    close = bars_of(moves).close
    if measured(bars_of(moves), Estimator.CLOSE_TO_CLOSE) == 0.0:
        return
    for row in volatility.cone(close, 365.0, [3, 5, close.size - 1], [10.0, 50.0, 90.0]).rows:
        slack = 1e-12 + 1e-12 * row.maximum
        ordered = [row.minimum, *row.percentiles.tolist(), row.maximum]
        assert all(a <= b + slack for a, b in pairwise(ordered))
        assert row.minimum - slack <= row.current <= row.maximum + slack
        assert 0.0 < row.rank <= 100.0


@settings(max_examples=60)
@given(st.lists(MOVE, min_size=3, max_size=40), st.floats(0.05, 0.99))
def test_riskmetrics_stays_between_the_smallest_and_the_largest_move(moves: list[float], decay: float) -> None:
    sizes = np.abs(moves)
    if sizes.max() < 1e-6:
        return
    result = volatility.ewma(moves, 1.0, decay)
    assert np.all(result.path <= sizes.max() * (1.0 + 1e-9))
    assert np.all(result.path >= sizes.min() * (1.0 - 1e-9) - 1e-150)  # squares of less are 0
    assert 1.0 <= result.effective <= len(moves) * (1.0 + 1e-9)
