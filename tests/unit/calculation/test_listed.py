"""Kernels of listed chains: what their declarations say, and what they say where there is nothing to say."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

import pytest

from cerberod.calculation.listed import greeks, positions, smiles, surface
from cerberod.calculation.listed.chain import ListedChain, OfListed, asked, options_in
from cerberod.calculation.listed.smiles import SkewChoices, SkewParams
from cerberod.calculation.service import Kernel
from cerberod.calculation.working import KERNELS
from cerberod.errors import AnalyticsRefused

DAY_MS = 86_400_000
NOW_MS = 1_787_370_645_199


def kernels() -> Iterator[Kernel[Any, Any]]:
    for module in (greeks, positions, smiles, surface):
        yield from (each for each in vars(module).values() if isinstance(each, Kernel))


def run(kernel: Kernel[Any, Any], chain: ListedChain, **choices: Any) -> Any:
    function = getattr(import_module(f"{KERNELS}.{kernel.module}"), kernel.function)
    return function(kernel.params(chain=chain, **choices))


def chain(**columns: Any) -> ListedChain:
    """One expiry of one strike, and one of five; a call and a put of each."""
    strikes = [100.0, 80.0, 90.0, 100.0, 110.0, 120.0]
    count = 2 * len(strikes)
    told: dict[str, Any] = {
        "as_of_ms": NOW_MS,
        "spot": 100.0,
        "names": ["23AUG26", "25SEP26"],
        "expires_ms": [NOW_MS + DAY_MS, NOW_MS + 30 * DAY_MS],
        "forwards": [100.0, 101.0],
        "expiry": [0, 0] + [1] * (count - 2),
        "strike": [strike for strike in strikes for _ in "CP"],
        "is_call": [True, False] * len(strikes),
        "forward": [100.0] * 2 + [101.0] * (count - 2),
        "iv_pct": [60.0] * 2 + [iv for iv in (55.0, 52.0, 50.0, 51.0, 53.0) for _ in "CP"],
        "open_interest": [10.0] * count,
        "volume": [1.0] * count,
    }
    return ListedChain(**(told | columns))


@pytest.mark.parametrize("kernel", list(kernels()), ids=lambda kernel: kernel.function)
def test_a_kernel_takes_and_makes_what_is_declared(kernel: Kernel[Any, Any]) -> None:
    hints = get_type_hints(found := getattr(import_module(f"{KERNELS}.{kernel.module}"), kernel.function))
    assert hints.pop("return") is kernel.result
    assert list(hints.values()) == [kernel.params]
    assert issubclass(kernel.params, OfListed)
    assert not inspect.iscoroutinefunction(found)
    assert kernel.size(kernel.params.model_construct(chain=chain())) > kernel.inline, "a chain never runs on the loop"


def test_a_kernel_is_asked_what_the_caller_asked() -> None:
    params = asked(SkewParams, SkewChoices(delta=0.1, convention="put_minus_call"), chain())
    assert (params.delta, params.convention, params.tenor_days) == (0.1, "put_minus_call", 30.0)
    assert options_in(params) == 12


def test_an_expiry_of_one_strike_has_no_smile_and_says_so() -> None:
    one, five = run(smiles.SKEW, chain()).by_expiry
    assert (one.reason, one.atm_iv_pct, one.risk_reversal_points) == ("too_few_strikes", None, None)
    assert five.reason is None
    one, five = run(smiles.TERM, chain()).by_expiry
    assert (one.reason, one.forward_iv_pct, five.reason) == ("too_few_strikes", None, None)
    assert five.forward_iv_pct == five.atm_iv_pct  # the first expiry with a volatility counts from now
    assert run(smiles.ASYMMETRY, chain()).by_expiry[0].reason == "too_few_strikes"
    assert run(smiles.MOVES, chain()).by_expiry[0].one_sigma is None
    fitted = run(surface.SURFACE, chain())
    assert [each.reason for each in fitted.by_expiry] == ["too_few_strikes", None]
    assert fitted.by_expiry[0].iv_pct == [None] * len(fitted.moneyness)


def test_the_option_out_of_the_money_gives_the_volatility_of_a_strike() -> None:
    # At 110 and 120 the calls count (51, 53), at 80, 90 and 100 the puts: their twins are told differently.
    twisted = chain(iv_pct=[60.0] * 2 + [99.0, 55.0, 99.0, 52.0, 99.0, 50.0, 51.0, 99.0, 53.0, 99.0])
    assert run(smiles.TERM, twisted).by_expiry[1] == run(smiles.TERM, chain()).by_expiry[1]


def test_variance_that_falls_with_time_has_no_forward_volatility() -> None:
    rows = chain(
        expiry=[0] * 6 + [1] * 6,
        strike=[90.0, 90.0, 100.0, 100.0, 110.0, 110.0] * 2,
        iv_pct=[90.0] * 6 + [10.0] * 6,
        forward=[100.0] * 6 + [101.0] * 6,
        expires_ms=[NOW_MS + 20 * DAY_MS, NOW_MS + 30 * DAY_MS],
    )
    term = run(smiles.TERM, rows, slope_from_days=21.0, slope_to_days=30.0)
    assert (term.by_expiry[1].forward_iv_pct, term.by_expiry[1].reason) == (None, "negative_forward_variance")
    assert term.shape == "backwardation"
    assert [(each.days, each.reason) for each in term.tenors if each.iv_pct is None] == [
        (7.0, "outside_expiries"),
        (60.0, "outside_expiries"),
        (90.0, "outside_expiries"),
        (180.0, "outside_expiries"),
    ]
    assert run(surface.SURFACE, rows).calendar == []  # three strikes are too few to fit


def test_a_grid_off_marks_needs_no_fit() -> None:
    grid = run(surface.SURFACE, chain(), model="linear", moneyness=[0.5, 100 / 101, 1.0, 2.0]).by_expiry[1]
    assert grid.iv_pct[0] is grid.iv_pct[3] is None
    assert grid.iv_pct[1] == pytest.approx(50.0)
    assert 50.0 < grid.iv_pct[2] < 51.0


def test_a_fit_that_leaves_marks_alone_says_how_well() -> None:
    fit = run(surface.SURFACE, chain()).by_expiry[1].fit
    assert fit.strikes == 5
    assert fit.rmse_points < 0.2
    assert fit.butterfly_free


def test_without_open_interest_there_is_neither_pain_nor_exposure() -> None:
    nothing = chain(open_interest=[0.0] * 12)
    assert {each.reason for each in run(positions.MAX_PAIN, nothing).by_expiry} == {"no_open_interest"}
    profile = run(positions.PROFILE, nothing, levels=5)
    assert (profile.flip, profile.reason, profile.flips) == (None, "no_exposure", [])
    ratios = run(positions.PC_RATIO, nothing)
    assert (ratios.all.open_interest_ratio, ratios.all.volume_ratio) == (None, 1.0)
    gex = run(positions.GEX, nothing)
    assert (gex.call_wall, gex.put_wall, gex.net_gex) == (None, None, 0.0)


def test_next_to_nothing_is_no_denominator() -> None:
    ratios = run(positions.PC_RATIO, chain(volume=[1e-310, 5.0] * 6)).all
    assert (ratios.volume_ratio, ratios.open_interest_ratio) == (None, 1.0)


def test_quotes_that_are_not_there_imply_nothing() -> None:
    told = run(greeks.GREEKS, chain(), bid=[0.0] * 12, ask=[0.0, 2.0] * 6)
    assert told.bid_iv_pct == [None] * 12
    assert told.ask_iv_pct[0] is None
    assert told.ask_iv_pct[1] is not None


@pytest.mark.parametrize(
    ("kernel", "choices", "field"),
    [
        (smiles.TERM, {"slope_from_days": 30.0, "slope_to_days": 30.0}, "slope_to_days"),
        (positions.PROFILE, {"low": 1.0, "high": 1.0}, "low"),
        (positions.OPEN_INTEREST, {"moneyness": [1.1, 0.9]}, "moneyness"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(
    kernel: Kernel[Any, Any], choices: dict[str, Any], field: str
) -> None:
    with pytest.raises(AnalyticsRefused) as refused:
        run(kernel, chain(), **choices)
    assert refused.value.field == field
