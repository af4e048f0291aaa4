"""Packages of legs: which the venue knows, what it calls them, and in which sense."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.simulator.deribit.combos import PATTERNS, NoSuchPackageError, combo_of, recognise, reduced
from cerberod.simulator.deribit.instruments import Instrument, Leg
from cerberod.simulator.deribit.listing import future, linear_option, option, perpetuals
from cerberod.simulator.market import DAY_MS

NEAR_MS, FAR_MS = 1_779_177_600_000, 1_798_185_600_000  # 19MAY26, 25DEC26
D = Decimal


def leg(ratio: int, kind: str, strike: float, expiry_ms: int = NEAR_MS) -> Leg:
    return Leg(option("BTC", expiry_ms, strike, kind == "C", 0), ratio)


def told(legs: tuple[Leg, ...]) -> list[tuple[str, int]]:
    return [(each.instrument.name.partition("-")[2], each.ratio) for each in legs]


@pytest.mark.parametrize(
    ("legs", "name"),
    [
        ([leg(1, "C", 70_000), leg(-1, "C", 75_000)], "BTC-CS-19MAY26-70000_75000"),
        ([leg(1, "P", 75_000), leg(-1, "P", 70_000)], "BTC-PS-19MAY26-75000_70000"),
        ([leg(1, "C", 70_000), leg(-3, "C", 75_000)], "BTC-CSR13-19MAY26-70000_75000"),
        ([leg(1, "P", 96_000), leg(-3, "P", 94_000)], "BTC-PSR13-19MAY26-96000_94000"),
        ([leg(2, "C", 70_000), leg(-3, "C", 75_000)], "BTC-CSR23-19MAY26-70000_75000"),
        ([leg(1, "C", 77_000), leg(1, "P", 77_000)], "BTC-STRD-19MAY26-77000"),
        ([leg(1, "P", 72_000), leg(1, "C", 80_000)], "BTC-STRG-19MAY26-72000_80000"),
        ([leg(1, "C", 72_000), leg(1, "P", 80_000)], "BTC-GUTS-19MAY26-72000_80000"),
        ([leg(1, "C", 37_500), leg(-1, "P", 37_500)], "BTC-REV-19MAY26-37500"),
        ([leg(1, "C", 80_000), leg(-1, "P", 72_000)], "BTC-RR-19MAY26-72000_80000"),
        ([leg(1, "C", 90_000), leg(-2, "C", 95_000), leg(1, "C", 100_000)], "BTC-CBUT-19MAY26-90000_95000_100000"),
        (
            [leg(1, "C", 58_000), leg(-1, "P", 58_000), leg(-1, "C", 60_000), leg(1, "P", 60_000)],
            "BTC-BOX-19MAY26-58000_60000",
        ),
        (
            [leg(1, "P", 60_000), leg(-1, "P", 65_000), leg(-1, "C", 80_000), leg(1, "C", 85_000)],
            "BTC-ICOND-19MAY26-60000_65000_80000_85000",
        ),
        ([leg(1, "C", 70_000, FAR_MS), leg(-1, "C", 70_000)], "BTC-CCAL-25DEC26_19MAY26-70000"),
        ([leg(1, "C", 80_000, FAR_MS), leg(-1, "C", 70_000)], "BTC-CDIAG-25DEC26_19MAY26-80000_70000"),
        ([leg(1, "C", 70_000, FAR_MS), leg(-1, "C", 80_000)], "BTC-CDIAG-25DEC26_19MAY26-70000_80000"),
    ],
)
def test_names_and_senses(legs: list[Leg], name: str) -> None:
    package = recognise(legs)
    assert (package.name, package.inverted) == (name, False)
    assert sorted(told(package.legs)) == sorted(told(tuple(legs)))
    # Asked for the other way round, the very same package comes back.
    turned = recognise([Leg(each.instrument, -each.ratio) for each in reversed(legs)])
    assert (turned.name, turned.legs, turned.inverted) == (package.name, package.legs, True)


def test_a_perpetual_is_the_near_leg_of_a_future_spread() -> None:
    perpetual = perpetuals()[0]
    dated = future("BTC", NEAR_MS, 0)
    package = recognise([Leg(perpetual, 1), Leg(dated, -1)])
    assert (package.name, package.inverted) == ("BTC-FS-19MAY26_PERP", True)
    assert package.legs == (Leg(perpetual, -1), Leg(dated, 1))
    combo = combo_of(package, 1_779_000_000_123)
    assert (combo.kind, combo.grid.fine, combo.contract_size) == ("future_combo", D("0.5"), D(10))
    assert (combo.expiry_ms, combo.created_ms) == (NEAR_MS, 1_779_000_000_000)
    far = future("BTC", FAR_MS, 0)
    assert recognise([Leg(dated, -1), Leg(far, 1)]).name == "BTC-FS-25DEC26_19MAY26"


def test_an_option_package_is_an_instrument_of_its_own() -> None:
    combo = combo_of(recognise([leg(1, "C", 80_000, FAR_MS), leg(-1, "C", 70_000)]), 5_000)
    assert (combo.kind, combo.option, combo.combo, combo.premium) == ("option_combo", False, True, True)
    assert (combo.minimum, combo.grid.fine, combo.expiry_ms, combo.period) == (D("0.1"), D("0.0001"), NEAR_MS, "day")
    assert combo.grid.signed


def test_every_pattern_is_known_by_its_legs_alone() -> None:
    keys = [frozenset(pattern.parts) for pattern in PATTERNS]
    turned = [frozenset(part._replace(ratio=-part.ratio) for part in pattern.parts) for pattern in PATTERNS]
    assert len({*keys, *turned}) == 2 * len(PATTERNS)


@pytest.mark.parametrize(
    "legs",
    [
        [],
        [leg(1, "C", 70_000)],
        [leg(1, "C", 70_000), leg(-5, "C", 75_000)],
        [leg(1, "C", 70_000), leg(1, "C", 75_000)],
        [leg(1, "C", 70_000), leg(-1, "C", 70_000)],
        [leg(1, "C", 70_000), Leg(future("BTC", NEAR_MS, 0), -1)],
        [leg(1, "C", 70_000), Leg(option("ETH", NEAR_MS, 3_000.0, True, 0), -1)],
        [leg(1, "C", 70_000), Leg(linear_option("BTC", NEAR_MS, 75_000.0, True, 0), -1)],
        [Leg(future("BTC", NEAR_MS, 0), 1), Leg(future("BTC", FAR_MS, 0), -2)],
        [Leg(future("BTC", NEAR_MS + n * DAY_MS, 0), (-1) ** n) for n in range(4)],
        [leg(1, "C", 50_000.0 + 1_000 * n) for n in range(5)],
    ],
)
def test_what_no_combo_is_made_of(legs: list[Leg]) -> None:
    with pytest.raises(NoSuchPackageError):
        recognise(legs)


@given(st.lists(st.integers(1, 3), min_size=2, max_size=4), st.decimals("0.1", "100", places=1))
def test_only_the_ratio_of_amounts_matters(ratios: list[int], unit: Decimal) -> None:
    found, one = reduced([unit * ratio for ratio in ratios])
    assert [one * n for n in found] == [unit * ratio for ratio in ratios]
    again, _ = reduced([D(n) for n in found])
    assert again == found


def test_a_signed_grid_goes_on_below_zero() -> None:
    grid = combo_of(recognise([leg(1, "C", 70_000), leg(-1, "C", 75_000)]), 0).grid
    assert (grid.down(-0.00011), grid.up(-0.00011)) == (D("-0.0002"), D("-0.0001"))
    assert grid.next_down(D(0)) == D("-0.0001")
    assert grid.next_up(D("-0.0001")) == 0
    assert grid.fits(D("-0.0003"))
    assert not grid.fits(D("-0.00035"))


def test_strikes_with_a_fraction() -> None:
    made: Instrument = linear_option("XRP", NEAR_MS, 1.52, True, 0)
    assert made.name == "XRP_USDC-19MAY26-1d52-C"
    assert (made.contract_size, made.quote, made.index_name) == (D(1_000), "USDC", "xrp_usdc")
