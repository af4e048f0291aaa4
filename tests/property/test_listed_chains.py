"""Whatever a venue lists, calculations on it end in numbers or in named reasons: no NaN, no warning, no other error."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberod.calculation.kernels import listed_greeks, listed_positions, listed_smiles, listed_surface
from cerberod.calculation.listed import greeks, positions, smiles, surface
from cerberod.calculation.listed.chain import ListedChain
from cerberod.calculation.service import Kernel

MODULES = {module.__name__.rpartition(".")[2]: module for module in (listed_greeks, listed_positions, listed_smiles)}
KERNELS = [each for told in (greeks, positions, smiles) for each in vars(told).values() if isinstance(each, Kernel)]
NOW_MS = 1_787_370_645_199
PRICES = st.one_of(st.floats(1e-6, 1e9), st.floats(90, 110), st.just(100.0))
IVS = st.one_of(st.floats(0.01, 5_000), st.floats(20, 80))
FEWER, FEW = settings().max_examples // 3, settings().max_examples // 10
SIZES = st.one_of(st.just(0.0), st.floats(0, 1e9))


@st.composite
def chains(draw: st.DrawFn) -> ListedChain:
    lives = draw(st.lists(st.integers(1, 10 * 365 * 86_400_000), min_size=1, max_size=4, unique=True))
    rows = draw(
        st.lists(st.tuples(st.integers(0, len(lives) - 1), PRICES, st.booleans()), min_size=1, max_size=24, unique=True)
    )
    used = sorted({expiry for expiry, _, _ in rows})
    lives = [sorted(lives)[at] for at in used]
    forward = draw(st.lists(PRICES, min_size=len(lives), max_size=len(lives)))

    def column(values: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(values, min_size=len(rows), max_size=len(rows)))

    expiry = [used.index(at) for at, _, _ in rows]
    return ListedChain(
        as_of_ms=NOW_MS,
        spot=draw(PRICES),
        names=[str(at) for at in range(len(lives))],
        expires_ms=[NOW_MS + life for life in lives],
        forwards=forward,
        expiry=expiry,
        strike=[strike for _, strike, _ in rows],
        is_call=[side for _, _, side in rows],
        forward=[forward[at] for at in expiry],
        iv_pct=column(IVS),
        open_interest=column(SIZES),
        volume=column(SIZES),
    )


def tell(kernel: Kernel[Any, Any], module: Any, chain: ListedChain, **choices: Any) -> dict[str, Any]:
    """Run a kernel and tell its result as it would go out; a number that is none is refused there."""
    found = getattr(module, kernel.function)(kernel.params(chain=chain, **choices))
    told: dict[str, Any] = kernel.result.model_validate_json(found.model_dump_json()).model_dump()
    return told


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.function)
@settings(max_examples=FEWER)
@given(data=st.data())
def test_any_chain_ends_in_numbers_or_reasons(kernel: Kernel[Any, Any], data: st.DataObject) -> None:
    chain = data.draw(chains())
    choices: dict[str, Any] = {}
    if kernel is greeks.GREEKS:
        quotes = st.lists(SIZES, min_size=len(chain.strike), max_size=len(chain.strike))
        choices = {"bid": data.draw(quotes), "ask": data.draw(quotes)}
    told = tell(kernel, MODULES[kernel.module], chain, **choices)
    assert len(told.get("by_expiry", chain.names)) == len(chain.names)


@settings(max_examples=FEW)
@given(chain=chains())
def test_any_chain_has_a_surface_or_says_why_not(chain: ListedChain) -> None:
    told = tell(surface.SURFACE, listed_surface, chain)
    for each in told["by_expiry"]:
        assert (each["fit"] is None) == (each["reason"] == "too_few_strikes")
