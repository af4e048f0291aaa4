"""Max pain, ratios and weighted skew of small chains reckoned by hand, and of a recorded one."""

import math
from typing import Any

import pytest

from cerberod.analytics.chain import YEAR_MS, OptionChain, make_chain
from cerberod.analytics.positioning import PositioningReason, max_pain, put_call_ratios, weighted_skews


def chain(rows: list[tuple[float, bool, float, float, float]], **change: Any) -> OptionChain:
    """Make a chain of (strike, is_call, volatility, open interest, volume)."""
    strikes, calls, volatilities, sizes, volumes = (list(column) for column in zip(*rows, strict=True))
    columns: dict[str, Any] = {
        "as_of_ms": 0,
        "spot": 100.0,
        "expiry_ms": [YEAR_MS] * len(rows),
        "strike": strikes,
        "is_call": calls,
        "forward": [100.0] * len(rows),
        "volatility": volatilities,
        "open_interest": sizes,
        "volume": volumes,
    }
    return make_chain(**{**columns, **change})


ROWS = [
    (90.0, True, 0.6, 1.0, 1.0),
    (90.0, False, 0.6, 4.0, 3.0),
    (100.0, True, 0.5, 2.0, 0.0),
    (110.0, True, 0.4, 3.0, 3.0),
    (110.0, False, 0.4, 1.0, 0.0),
]


def test_max_pain_by_hand() -> None:
    """At 90: the 110 put pays 20. At 100: call 90 10, put 110 10. At 110: call 90 20, call 100 2*10."""
    (got,) = max_pain(chain(ROWS))
    assert got.strikes.tolist() == [90.0, 100.0, 110.0]
    assert got.pain.tolist() == [20.0, 20.0, 40.0]
    assert got.strike == 90.0  # of equal strikes the lowest
    assert got.open_interest == 11.0


def test_max_pain_without_open_interest() -> None:
    (got,) = max_pain(chain([(90.0, True, 0.5, 0.0, 0.0)]))
    assert (got.strike, got.reason) == (None, PositioningReason.NO_OPEN_INTEREST)


def test_ratios_in_all_and_by_expiry() -> None:
    got = put_call_ratios(chain(ROWS, expiry_ms=[YEAR_MS, YEAR_MS, YEAR_MS, YEAR_MS, 2 * YEAR_MS]))
    assert [r.expiry_ms for r in got] == [None, YEAR_MS, 2 * YEAR_MS]
    assert got[0].open_interest_ratio == pytest.approx(5.0 / 6.0)
    assert got[0].volume_ratio == pytest.approx(3.0 / 4.0)
    assert got[1].open_interest_ratio == pytest.approx(4.0 / 6.0)
    assert (got[2].open_interest_ratio, got[2].volume_ratio) == (None, None)
    assert got[2].put_open_interest == 1.0


def test_weighted_skew_by_hand() -> None:
    """Out of the money are the put at 90 and the calls at 110 (the one at 100 is at the forward)."""
    got = weighted_skews(chain(ROWS))[0]
    assert got.options == 2
    assert got.put_volatility == pytest.approx(0.6)
    assert got.call_volatility == pytest.approx(0.4)
    assert got.skew == pytest.approx(0.2)
    assert got.slope is not None
    assert got.slope < 0.0


def test_weighted_slope_of_a_straight_smile_is_its_slope() -> None:
    strikes = [70.0, 80.0, 95.0, 105.0, 120.0, 150.0]
    rows = [(k, k > 100.0, 0.5 - 0.1 * math.log(k / 100.0), 1.0 + i, 0.0) for i, k in enumerate(strikes)]
    got = weighted_skews(chain(rows))[0]
    assert got.slope == pytest.approx(-0.1, rel=1e-12)


def test_skew_that_does_not_exist_has_a_reason() -> None:
    def reason(rows: list[tuple[float, bool, float, float, float]]) -> str | None:
        got = weighted_skews(chain(rows))[0]
        assert got.skew is None
        assert got.slope is None
        return got.reason.name.lower()

    call, put = (110.0, True, 0.5, 1.0, 0.0), (90.0, False, 0.5, 1.0, 0.0)
    assert reason([call]) == "no_puts_out_of_the_money"
    assert reason([put]) == "no_calls_out_of_the_money"
    assert reason([(110.0, False, 0.5, 1.0, 0.0)]) == "no_open_interest"


@pytest.mark.recorded
def test_golden_positioning_of_a_recorded_chain(recorded_chain: OptionChain) -> None:
    ratio = put_call_ratios(recorded_chain)[0]
    assert ratio.put_open_interest == pytest.approx(148_600.9, abs=0.05)
    assert ratio.call_open_interest == pytest.approx(250_534.4, abs=0.05)
    assert ratio.open_interest_ratio == pytest.approx(0.5931, abs=5e-5)
    assert ratio.volume_ratio == pytest.approx(0.7774, abs=5e-5)
    pains = {pain.expiry_ms: pain.strike for pain in max_pain(recorded_chain)}
    assert pains[1_787_904_000_000] == 66_000.0  # 28AUG26
