"""Names, tick grids, calendar and strikes."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.simulator.deribit.instruments import TickGrid, expiry_code, parse_option_name, well_formed
from cerberod.simulator.deribit.listing import inverse_listing, live_expiries, option, perpetuals, strikes

D = Decimal
OPTION_GRID = TickGrid(D("0.0001"), D("0.005"), D("0.0005"))


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]  # a date's parts


def test_the_threshold_itself_is_on_the_fine_grid() -> None:
    for price in ("0.0001", "0.0049", "0.005", "0.0055", "0.1"):
        assert OPTION_GRID.fits(D(price)), price
    for price in ("0.00005", "0.0051", "0.00525", "0.1001"):
        assert not OPTION_GRID.fits(D(price)), price


def test_steps_across_the_threshold() -> None:
    assert OPTION_GRID.next_up(D("0.005")) == D("0.0055")
    assert OPTION_GRID.next_down(D("0.0055")) == D("0.005")
    assert OPTION_GRID.next_down(D("0.005")) == D("0.0049")
    assert OPTION_GRID.up(0.00501) == D("0.0055")
    assert OPTION_GRID.down(0.00549) == D("0.005")
    assert OPTION_GRID.up(0.0501) == D("0.0505")


@given(st.floats(1e-4, 1.0))
def test_rounding_lands_on_the_grid_on_the_right_side(price: float) -> None:
    low, high = OPTION_GRID.down(price), OPTION_GRID.up(price)
    assert OPTION_GRID.fits(low)
    assert OPTION_GRID.fits(high)
    assert float(low) <= price + 1e-9
    assert float(high) >= price - 1e-9
    assert high - low <= D("0.0005")


def test_names_of_options() -> None:
    made = option("BTC", ms(2026, 10, 6, 8), 86_000.0, True, 0)
    assert made.name == "BTC-6OCT26-86000-C"
    assert parse_option_name(made.name) == ("BTC", ms(2026, 10, 6, 8), 86_000.0, True)
    assert option("BTC", ms(2026, 12, 25, 8), 1_000_000.0, False, 0).name == "BTC-25DEC26-1000000-P"
    for wrong in ("BTC-6OCT26", "BTC-6XXX26-1-C", "BTC-31FEB26-1-C", "btc-6OCT26-1-C", "BTC-6OCT26-1-X", ""):
        assert parse_option_name(wrong) is None
    assert expiry_code(ms(2026, 12, 25, 8)) == "25DEC26"


@pytest.mark.parametrize("name", ["BTC-PERPETUAL", "XRP_USDC-25SEP26-1d52-C", "BTC_USDC", "BTC-CS-19MAY26-70000_75000"])
def test_well_formed_names(name: str) -> None:
    assert well_formed(name)
    assert not well_formed(name + " ")
    assert not well_formed(name.lower())


def test_calendar_of_a_day() -> None:
    codes = [expiry_code(e) for e in live_expiries(ms(2026, 5, 20, 7))]
    assert codes[:4] == ["20MAY26", "21MAY26", "22MAY26", "23MAY26"]
    assert {"29MAY26", "5JUN26", "26JUN26", "31JUL26", "25SEP26", "25DEC26", "26MAR27"} <= set(codes)
    assert expiry_code(live_expiries(ms(2026, 5, 20, 8))[0]) == "21MAY26"  # the moment of expiry is past


def test_a_listing_changes_only_by_settlements_and_has_no_twin() -> None:
    def price_at(_time_ms: int) -> float:
        return 80_000.0

    morning = [i.name for i in inverse_listing("BTC", ms(2026, 5, 20, 9), price_at)]
    evening = [i.name for i in inverse_listing("BTC", ms(2026, 5, 21, 7), price_at)]
    assert morning == evening
    assert len(set(morning)) == len(morning)
    assert 600 < len(morning) < 1_800


def test_strikes_surround_the_price_in_round_steps() -> None:
    for expiry_ms in live_expiries(ms(2026, 5, 20, 9)):
        found = strikes(expiry_ms, 80_123.0)
        assert found[0] < 72_000 < 80_123 < 88_000 < found[-1]
        assert found == sorted(set(found))
        assert len({round(b - a, 6) for a, b in pairwise(found)}) == 1


def test_records_tell_the_contract_facts() -> None:
    by_name = {p.name: p.record() for p in perpetuals()}
    assert by_name["BTC-PERPETUAL"]["tick_size"] == 0.5
    assert by_name["BTC-PERPETUAL"]["settlement_currency"] == "BTC"
    assert by_name["SOL_USDC-PERPETUAL"]["settlement_currency"] == "USDC"
    assert by_name["SOL_USDC-PERPETUAL"]["instrument_type"] == "linear"
    eth = option("ETH", ms(2026, 12, 25, 8), 3_000.0, False, 0).record()
    assert (eth["min_trade_amount"], eth["option_type"], eth["quote_currency"]) == (1.0, "put", "ETH")
    assert eth["tick_size_steps"] == [{"tick_size": 0.0005, "above_price": 0.005}]
