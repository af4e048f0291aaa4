"""Reading a smile at a moneyness, at a delta, at the edges; skew, wings and asymmetry known in closed form."""

import numpy as np
import pytest

from cerberod.analytics.arrays import words
from cerberod.analytics.black import black_delta
from cerberod.analytics.smile import (
    Interpolation,
    Smile,
    SmileReason,
    at_delta,
    at_log_moneyness,
    atm_versus_wings,
    delta_skew,
    make_smile,
    smile_asymmetry,
)
from cerberod.errors import AnalyticsRefused

FORWARD, YEARS = 80_000.0, 0.25
STRIKES = FORWARD * np.exp(np.linspace(-0.6, 0.6, 13))


def tilted(slope: float) -> Smile:
    """Volatility 0.5 at the money and linear in log-moneyness: interpolation in log-moneyness is exact."""
    return make_smile(FORWARD, YEARS, STRIKES, 0.5 + slope * np.log(STRIKES / FORWARD))


def test_log_moneyness_is_linear_between_strikes_and_unknown_beyond() -> None:
    got = at_log_moneyness(tilted(-0.2), [-0.61, -0.6, 0.0, 0.05, 0.6, 0.7])
    assert words(got.reason, SmileReason) == ["outside_strikes", None, None, None, None, "outside_strikes"]
    assert got.volatility.tolist()[1:-1] == pytest.approx([0.62, 0.5, 0.49, 0.38], rel=1e-12)
    assert got.volatility.tolist()[::5] == [None, None]
    assert got.strike.tolist()[2] == pytest.approx(FORWARD, rel=1e-12)


@pytest.mark.parametrize("by", Interpolation)
@pytest.mark.parametrize("delta", [0.1, 0.25, 0.5, 0.8, -0.1, -0.25, -0.9])
def test_the_strike_found_has_the_delta_asked_for(by: Interpolation, delta: float) -> None:
    got = at_delta(tilted(-0.2), delta, by=by)
    strike, volatility = got.strike.tolist(), got.volatility.tolist()
    assert float(black_delta(FORWARD, strike, YEARS, volatility, delta > 0)) == pytest.approx(delta, abs=1e-12)
    if by is Interpolation.LOG_MONEYNESS:
        assert volatility == pytest.approx(0.5 - 0.2 * np.log(strike / FORWARD), rel=1e-12)
    else:  # linear in delta: close to the smile, and exact at the strikes
        assert volatility == pytest.approx(0.5 - 0.2 * np.log(strike / FORWARD), abs=1e-3)


def test_a_strikes_own_delta_gives_its_own_volatility() -> None:
    smile = tilted(-0.3)
    deltas = black_delta(FORWARD, STRIKES, YEARS, smile.volatility, True)[1:-1]
    for by in Interpolation:
        got = at_delta(smile, deltas, by=by)
        assert got.volatility.tolist() == pytest.approx(smile.volatility[1:-1].tolist(), rel=1e-12)
        assert got.strike.tolist() == pytest.approx(STRIKES[1:-1].tolist(), rel=1e-10)


def test_a_delta_beyond_the_strikes_has_no_volatility() -> None:
    got = at_delta(tilted(0.0), [0.001, 0.5, -0.0001])
    assert words(got.reason, SmileReason) == ["outside_strikes", None, "outside_strikes"]
    assert got.volatility.tolist() == [None, pytest.approx(0.5), None]


def test_a_delta_that_several_strikes_have_is_not_guessed() -> None:
    smile = make_smile(100.0, 1.0, [100.0, 120.0, 121.0, 150.0], [0.3, 0.3, 0.9, 0.4])
    got = at_delta(smile, 0.4)
    assert words(got.reason.reshape(1), SmileReason) == ["several_strikes"]
    assert got.volatility.tolist() is None


def test_skew_of_a_flat_and_of_a_tilted_smile() -> None:
    flat = delta_skew(tilted(0.0))
    assert (flat.risk_reversal, flat.butterfly) == pytest.approx((0.0, 0.0), abs=1e-14)
    down = delta_skew(tilted(-0.2))
    assert down.risk_reversal is not None
    assert down.risk_reversal < 0.0  # puts are dearer: call minus put is negative
    assert down.reason is SmileReason.NONE


def test_skew_out_of_reach_is_none_with_a_reason() -> None:
    narrow = make_smile(FORWARD, YEARS, [79_000.0, 80_000.0, 81_000.0], [0.5, 0.5, 0.5])
    got = delta_skew(narrow, 0.1)
    assert (got.call_volatility, got.put_volatility, got.risk_reversal, got.butterfly) == (None, None, None, None)
    assert got.atm_volatility == pytest.approx(0.5)
    assert got.reason is SmileReason.OUTSIDE_STRIKES
    assert atm_versus_wings(narrow).ratio is None


def test_wings_of_a_symmetric_smile() -> None:
    smile = make_smile(FORWARD, YEARS, STRIKES, 0.5 + 0.3 * np.abs(np.log(STRIKES / FORWARD)))
    wings = atm_versus_wings(smile, 0.1)
    assert wings.call_minus_atm is not None
    assert wings.put_minus_atm is not None
    assert wings.ratio is not None
    assert 0.08 < wings.call_minus_atm < 0.15
    assert wings.ratio == pytest.approx(1.0 + (wings.call_minus_atm + wings.put_minus_atm) / 2 / 0.5, rel=1e-12)


def test_asymmetry_of_a_tilted_smile_is_its_slope_times_the_width() -> None:
    """For sigma = 0.5 + c k the mean of sigma(-u) - sigma(u) = -2 c u over 0..h is -c h."""
    got = smile_asymmetry(tilted(-0.2), 1.7)
    width = 1.7 * 0.5 * 0.5
    assert got.width == pytest.approx(width)
    assert got.difference == pytest.approx(0.2 * width, rel=1e-12)
    assert got.relative == pytest.approx(0.2 * width / 0.5, rel=1e-12)
    assert smile_asymmetry(tilted(-0.2), 4.0).reason is SmileReason.OUTSIDE_STRIKES


@pytest.mark.recorded
def test_golden_skew_of_a_recorded_chain(recorded_smiles: dict[str, Smile]) -> None:
    """The fact sheet's values have two decimals of a percent."""
    skew = delta_skew(recorded_smiles["25SEP26"])
    assert skew.atm_volatility == pytest.approx(0.4107, abs=5e-5)
    assert skew.call_volatility == pytest.approx(0.4291, abs=5e-5)
    assert skew.put_volatility == pytest.approx(0.4229, abs=5e-5)
    assert skew.risk_reversal == pytest.approx(0.0062, abs=5e-5)
    assert skew.butterfly == pytest.approx(0.0153, abs=5e-5)
    later = delta_skew(recorded_smiles["25DEC26"])
    assert later.atm_volatility == pytest.approx(0.4263, abs=5e-5)
    assert later.risk_reversal == pytest.approx(-0.0128, abs=5e-5)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("forward", {"forward": 0.0}),
        ("years", {"years": 0.0}),
        ("strike", {"strike": [1.0, 1.0]}),
        ("strike", {"strike": [2.0, 1.0]}),
        ("strike", {"strike": [1.0], "volatility": [1.0]}),
        ("volatility", {"volatility": [0.5]}),
        ("volatility", {"volatility": [0.5, float("nan")]}),
    ],
)
def test_a_bad_smile_is_refused_by_name(field: str, change: dict[str, object]) -> None:
    good: dict[str, object] = {"forward": 1.0, "years": 1.0, "strike": [1.0, 2.0], "volatility": [0.5, 0.5]}
    with pytest.raises(AnalyticsRefused) as refused:
        make_smile(**{**good, **change})  # type: ignore[arg-type] # bad on purpose
    assert refused.value.field == field


@pytest.mark.parametrize("delta", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_an_impossible_delta_is_refused(delta: float) -> None:
    with pytest.raises(AnalyticsRefused, match="delta"):
        at_delta(tilted(0.0), delta)
    with pytest.raises(AnalyticsRefused, match="delta"):
        delta_skew(tilted(0.0), delta)
