"""Prices and greeks against worked examples of a textbook, recorded tickers, limits, and refusals."""

from typing import Any

import numpy as np
import pytest

from cerberod.analytics.arrays import words
from cerberod.analytics.black import Convention, GreekReason, OptionGreeks, black_76, black_delta, black_price
from cerberod.analytics.black import black_scholes as spot_form
from cerberod.analytics.chain import OptionChain
from cerberod.analytics.implied import implied_volatility
from cerberod.errors import AnalyticsRefused

# Deribit's 25SEP26 80000 call on 2026-08-22, values recomputed independently for the fact sheet.
FORWARD, STRIKE, YEARS, SIGMA = 78_899.98, 80_000.0, 34.1731 / 365.0, 0.4121
GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "volga")


def test_golden_call_under_deribits_convention() -> None:
    g = black_76(FORWARD, STRIKE, YEARS, SIGMA, True, convention=Convention.DERIBIT)
    assert float(g.price) == pytest.approx(3468.071, abs=0.01)  # T is given with 4 decimals of a day
    assert float(g.price) / FORWARD == pytest.approx(0.04395528, abs=2e-7)
    assert float(g.delta) == pytest.approx(0.481354, abs=1e-6)
    assert float(g.vega) == pytest.approx(96.2073, abs=2e-4)
    assert float(g.theta) == pytest.approx(-58.0091, abs=2e-4)
    assert float(g.rho) == pytest.approx(32.3107, abs=2e-4)
    assert float(g.vanna) * 100.0 == pytest.approx(0.167149, abs=2e-6)
    assert float(g.charm) * 365.0 == pytest.approx(-0.367863, abs=2e-6)


def test_venue_ticker_of_a_quarterly_call() -> None:
    """BTC-25DEC26-76000-C as the venue showed it on 2026-09-30; its mark_iv has two decimals, hence the tolerances."""
    years = (1_798_185_600_000 - 1_790_755_217_219) / (365 * 86_400_000)
    g = black_76(84_222.23, 76_000.0, years, 0.3825, True, convention=Convention.DERIBIT)
    assert float(g.delta) == pytest.approx(0.74092, abs=1e-4)
    assert float(g.vega) == pytest.approx(132.3649, abs=0.02)
    assert float(g.theta) == pytest.approx(-29.43212, abs=0.01)
    assert float(g.rho) == pytest.approx(121.30652, abs=0.02)


def test_hulls_stock_option() -> None:
    """Hull, "Options, Futures, and Other Derivatives", example of the Black-Scholes-Merton chapter: 4.76 and 0.81."""
    g = spot_form(42.0, 40.0, 0.5, 0.2, np.array([True, False]), 0.1)
    assert g.price.tolist() == pytest.approx([4.76, 0.81], abs=0.005)  # two decimals in print


def test_hulls_greek_letters() -> None:
    """Hull, chapter "The Greek letters": S 49, K 50, r 5 %, sigma 20 %, 20 weeks; as printed, to the last digit."""
    g = spot_form(49.0, 50.0, 0.3846, 0.2, True, 0.05)
    assert float(g.delta) == pytest.approx(0.522, abs=5e-4)
    assert float(g.theta) == pytest.approx(-4.31, abs=5e-3)
    assert float(g.gamma) == pytest.approx(0.066, abs=5e-4)
    assert float(g.vega) == pytest.approx(12.1, abs=5e-2)
    assert float(g.rho) == pytest.approx(8.91, abs=5e-3)
    desk = spot_form(49.0, 50.0, 0.3846, 0.2, True, 0.05, convention=Convention.DESK)
    assert float(desk.theta) == pytest.approx(-0.0118, abs=5e-5)
    assert float(desk.vega) == pytest.approx(0.121, abs=5e-4)
    assert float(desk.rho) == pytest.approx(0.0891, abs=5e-5)


def test_hulls_option_on_a_future() -> None:
    """Hull, "Options on futures": a put on crude oil, F = K = 20, r 9 %, sigma 25 %, four months, is worth 1.12."""
    assert float(black_76(20.0, 20.0, 4 / 12, 0.25, False, 0.09).price) == pytest.approx(1.12, abs=0.005)


def test_hulls_index_option() -> None:
    """Hull, "Options on stock indices": S 930, K 900, r 8 %, q 3 %, sigma 20 %, two months: 51.83."""
    assert float(spot_form(930.0, 900.0, 2 / 12, 0.2, True, 0.08, 0.03).price) == pytest.approx(51.83, abs=0.005)


def test_the_light_functions_agree_with_the_whole() -> None:
    strikes, calls = np.array([60_000.0, 79_000.0, 120_000.0]), np.array([True, False, True])
    g = black_76(FORWARD, strikes, YEARS, SIGMA, calls)
    assert np.array_equal(black_price(FORWARD, strikes, YEARS, SIGMA, calls), g.price)
    assert np.array_equal(black_delta(FORWARD, strikes, YEARS, SIGMA, calls), g.delta)


def test_desk_units_are_textbook_units_scaled() -> None:
    book = black_76(FORWARD, STRIKE, YEARS, SIGMA, False, 0.03)
    desk = black_76(FORWARD, STRIKE, YEARS, SIGMA, False, 0.03, convention=Convention.DESK)
    for name, scale in {"vega": 100, "theta": 365, "rho": 100, "vanna": 100, "charm": 365, "volga": 10_000}.items():
        assert float(getattr(desk, name)) * scale == pytest.approx(float(getattr(book, name)), rel=1e-14)
    for name in ("price", "delta", "gamma"):
        assert float(getattr(desk, name)) == float(getattr(book, name))


def test_deribits_theta_is_capped_on_the_last_day() -> None:
    hour = 1 / 365 / 24
    cheap = black_76(FORWARD, FORWARD * 1.01, hour, SIGMA, True, convention=Convention.DERIBIT)
    assert float(cheap.theta) == -float(cheap.price)  # no more can be lost than the option is worth
    dear = black_76(FORWARD, FORWARD * 0.99, hour, SIGMA, True, convention=Convention.DERIBIT)
    assert float(dear.theta) < float(cheap.theta)  # call and put of one strike differ


@pytest.mark.parametrize("convention", Convention)
@pytest.mark.parametrize(("years", "sigma"), [(0.0, 0.5), (1.0, 0.0), (0.0, 0.0), (1e-30, 0.5)])
def test_without_deviation_an_option_is_worth_its_intrinsic_value(
    years: float, sigma: float, convention: Convention
) -> None:
    g = black_76(100.0, np.array([90.0, 100.0, 110.0]), years, sigma, True, convention=convention)
    assert g.price.tolist() == [10.0, 0.0, 0.0]
    assert g.delta.tolist() == [1.0, 0.5, 0.0]
    assert g.gamma.tolist() == [0.0, None, 0.0]
    assert g.charm.tolist() == [0.0, None, 0.0]
    assert words(g.reason, GreekReason) == [None, "unbounded_at_the_money", None]
    assert g.vega[[0, 2]].tolist() == [0.0, 0.0]
    assert_finite(g)


@pytest.mark.parametrize("strike", [1e-9, 1e12])
@pytest.mark.parametrize("years", [0.0, 1 / (365 * 86_400), 1.0, 100.0])
@pytest.mark.parametrize("rate", [-0.1, 0.0, 0.1])
def test_extremes_give_finite_numbers(strike: float, years: float, rate: float) -> None:
    sigma = np.array([0.0, 1e-6, 0.5, 10.0, 1e6])
    for is_call in (True, False):
        assert_finite(black_76(1e5, strike, years, sigma, is_call, rate))
        assert_finite(spot_form(1e5, strike, years, sigma, is_call, rate, 0.02))


def assert_finite(g: OptionGreeks) -> None:
    for name in GREEKS:
        value = getattr(g, name)
        assert np.all(np.isfinite(value.data if isinstance(value, np.ma.MaskedArray) else value)), name


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("forward", 0.0),
        ("forward", -1.0),
        ("forward", float("nan")),
        ("forward", float("inf")),
        ("strike", 0.0),
        ("strike", "a"),
        ("years", -0.1),
        ("volatility", -0.1),
        ("volatility", float("nan")),
        ("is_call", 1.0),
        ("is_call", "call"),
        ("rate", float("inf")),
        ("rate", 1e6),
    ],
)
def test_bad_input_is_refused_by_name(field: str, bad: object) -> None:
    good: dict[str, object] = {
        "forward": 100.0,
        "strike": 100.0,
        "years": 1.0,
        "volatility": 0.5,
        "is_call": True,
        "rate": 0.0,
    }
    with pytest.raises(AnalyticsRefused) as refused:
        black_76(**{**good, field: bad})  # type: ignore[arg-type] # bad on purpose
    assert refused.value.field == field


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(AnalyticsRefused, match="do not go together"):
        black_76([1.0, 2.0], [1.0, 2.0, 3.0], 1.0, 0.5, True)


def test_deribits_convention_knows_no_rate_and_no_spot_form() -> None:
    with pytest.raises(AnalyticsRefused, match="rate: must be 0"):
        black_76(100.0, 100.0, 1.0, 0.5, True, 0.01, convention=Convention.DERIBIT)
    with pytest.raises(AnalyticsRefused, match="convention"):
        spot_form(100.0, 100.0, 1.0, 0.5, True, convention=Convention.DERIBIT)


@pytest.mark.recorded
def test_marks_of_a_recorded_chain_are_black_76(
    recorded_chain: OptionChain, recorded_rows: list[dict[str, Any]]
) -> None:
    """In coin, median and worst as the fact sheet found them: one clock for rows of several seconds explains both."""
    c = recorded_chain
    marks = np.array([row["mark_price"] for row in recorded_rows])
    error = np.abs(black_price(c.forward, c.strike, c.years, c.volatility, c.is_call) / c.forward - marks)
    assert float(np.median(error)) < 3e-6
    assert float(error.max()) < 1e-4
    # And back: a hundredth of a volatility point and what a mark of eight decimals leaves open.
    found = implied_volatility(marks * c.forward, c.forward, c.strike, c.years, c.is_call)
    vega = black_76(c.forward, c.strike, c.years, c.volatility, c.is_call).vega / c.forward
    known = (found.reason == 0) & (vega > 0.02)
    assert known.sum() > 500
    assert float(np.median(np.abs(found.volatility.filled(0.0) - c.volatility)[known])) < 1e-4
