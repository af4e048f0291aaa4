"""Book summaries: read as they come, refused where they break their contract, odd rows kept for whoever reads on."""

from typing import Any

import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire.summaries import summaries


def row(**changes: Any) -> dict[str, Any]:
    return {
        "instrument_name": "BTC-25SEP26-80000-C",
        "creation_timestamp": 1_787_370_645_199,
        "bid_price": 0.043,
        "ask_price": 0.045,
        "mark_price": 0.04395528,
        "open_interest": 653.0,
        "volume": 4,
        "mark_iv": 41.21,
        "underlying_price": 78_899.98,
        "underlying_index": "BTC-25SEP26",
        "estimated_delivery_price": 78_617.31,
    } | changes


def test_a_row_is_read() -> None:
    [found] = summaries([row()])
    assert (found.name, found.at_ms, found.bid, found.ask) == ("BTC-25SEP26-80000-C", 1_787_370_645_199, 0.043, 0.045)
    assert (found.mark, found.mark_iv, found.underlying_price) == (0.04395528, 41.21, 78_899.98)
    assert (found.open_interest, found.volume, found.delivery_price) == (653.0, 4, 78_617.31)


def test_an_empty_side_is_none_however_it_is_written() -> None:
    none, zero = summaries([row(bid_price=None), row(instrument_name="B", bid_price=0.0, ask_price=0.0)])
    assert (none.bid, zero.bid, zero.ask) == (None, None, None)


def test_what_only_options_have_may_be_absent() -> None:
    combo = row(instrument_name="BTC-CSR13-17JAN25-50000_55000", mark_price=-0.86, bid_price=-0.1)
    for name in ("open_interest", "mark_iv", "underlying_price", "underlying_index"):
        del combo[name]
    [found] = summaries([combo])
    assert (found.bid, found.mark, found.mark_iv, found.open_interest) == (-0.1, -0.86, None, 0.0)
    [odd] = summaries([row(mark_iv=0.0, interest_rate=None)])
    assert odd.mark_iv is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"instrument_name": None}, "instrument_name"),
        ({"instrument_name": "X" * 65}, "instrument_name"),
        ({"creation_timestamp": "now"}, "creation_timestamp"),
        ({"creation_timestamp": True}, "creation_timestamp"),
        ({"mark_iv": "41.21"}, "mark_iv"),
        ({"mark_iv": True}, "mark_iv"),
        ({"open_interest": -1.0}, "open_interest"),
        ({"bid_price": -0.1}, "bid_price"),
        ({"underlying_price": []}, "underlying_price"),
        ({"underlying_index": 7}, "underlying_index"),
    ],
)
def test_a_field_that_breaks_its_contract_spoils_the_answer(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadVenueData) as refused:
        summaries([row(instrument_name="BTC-25SEP26-70000-P"), row(**changes)])
    assert refused.value.data["field"] == f"result[1].{field}"


@pytest.mark.parametrize("raw", [None, {}, [1], [None], [row(), row()]])
def test_what_is_no_list_of_different_markets_is_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        summaries(raw)
