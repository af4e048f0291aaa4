"""A chain made of a summary: who is in it, who is not and why, forwards, and the second request where one is needed."""

from typing import Any

import pytest

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.deribit.chain import Dropped, Source, fetch_chain, make_chain, source_of, strike_of
from cerberod.venues.deribit.wire.summaries import summaries
from tests.support.chains import NOW_MS, build
from tests.support.deribit_venue import client_of, scripted
from tests.unit.venues.deribit.wire.test_summaries import row

SUMMARY, INDEX = "public/get_book_summary_by_currency", "public/get_index_price"


def linear(name: str, **changes: Any) -> dict[str, Any]:
    coin = name.partition("_")[0]
    market = {"underlying_price": 1.6, "estimated_delivery_price": 1.55, "underlying_index": f"SYN.{coin}_USDC-25SEP26"}
    return row(instrument_name=name, **(market | changes))


@pytest.mark.parametrize(
    ("text", "strike"), [("80000", 80_000.0), ("1d52", 1.52), ("0d625", 0.625), ("0d4064", 0.4064)]
)
def test_strikes_of_linear_options_write_their_point_as_d(text: str, strike: float) -> None:
    assert strike_of(text) == strike


@pytest.mark.parametrize(
    ("index", "source"),
    [
        ("BTC-25DEC26", Source.FUTURE),
        ("BTC-6OCT26", Source.FUTURE),
        ("SYN.BTC-7FEB25", Source.SYNTHETIC),
        ("SYN.XRP_USDC-7FEB25", Source.SYNTHETIC),
        ("index_price", Source.INDEX),
        ("something", Source.UNKNOWN),
        (None, Source.UNKNOWN),
    ],
)
def test_where_a_forward_comes_from(index: str | None, source: Source) -> None:
    assert source_of(index) is source


def test_rows_that_cannot_be_used_are_counted_by_reason() -> None:
    rows = [
        row(),
        row(instrument_name="BTC-25SEP26-80000-P", mark_iv=0.0),
        row(instrument_name="BTC-25SEP26-90000-P", underlying_price=None),
        row(instrument_name="BTC-21AUG26-80000-C"),
        row(instrument_name="BTC-CS-25SEP26-80000_90000", open_interest=None, mark_iv=None),
        row(instrument_name="BTC_USDC-25SEP26-80000-C"),
    ]
    chain = make_chain(summaries(rows), "BTC", "BTC")
    assert chain is not None
    used, dropped = chain.valued()
    assert [option.name for option in used] == ["BTC-25SEP26-80000-C"]
    assert dropped == {
        Dropped.NOT_AN_OPTION: 1,
        Dropped.EXPIRED: 1,
        Dropped.NO_FORWARD: 1,
        Dropped.NO_VOLATILITY: 1,
    }
    assert len(chain.options) == 3  # for counting what is open, a volatility is not needed
    columns = chain.columns(chain.options)
    assert columns.forward == [78_899.98] * 3
    assert (columns.names, columns.expiry, columns.as_of_ms) == (["25SEP26"], [0, 0, 0], NOW_MS)


def test_the_time_is_that_of_the_newest_row_and_the_spot_the_median() -> None:
    rows = [row(), row(instrument_name="BTC-25SEP26-70000-C", creation_timestamp=NOW_MS + 9)]
    rows += [row(instrument_name="BTC-28AUG26-70000-C", estimated_delivery_price=78_000.0)]
    chain = make_chain(summaries(rows), "BTC", "BTC")
    assert chain is not None
    assert (chain.as_of_ms, chain.spot, chain.spot_source) == (NOW_MS + 9, 78_617.31, "estimated_delivery_price")
    assert [each.name for each in chain.expiries] == ["28AUG26", "25SEP26"]


def test_a_forward_is_the_median_of_its_rows() -> None:
    rows = [row(instrument_name=f"BTC-25SEP26-{k}-C", underlying_price=f) for k, f in ((1, 10.0), (2, 11.0), (3, 99.0))]
    chain = make_chain(summaries(rows), "BTC", "BTC")
    assert chain is not None
    assert chain.expiries[0].forward == 11.0
    assert chain.columns(chain.options).forward == [10.0, 11.0, 99.0]  # each row is valued on its own


async def test_a_linear_chain_is_that_of_its_base() -> None:
    rows = [linear("XRP_USDC-25SEP26-1d52-C"), linear("XRP_USDC-25SEP26-1d52-P"), linear("SOL_USDC-25SEP26-150-C")]
    async with scripted(public__get_book_summary_by_currency=rows) as venue, client_of(venue) as deribit:
        chain = await fetch_chain(deribit, "USDC", "XRP")
        assert [(option.strike, option.is_call) for option in chain.options] == [(1.52, True), (1.52, False)]
        assert (chain.linear, chain.base, chain.spot) == (True, "XRP", 1.55)
        assert chain.expiries[0].source is Source.SYNTHETIC
        with pytest.raises(InvalidParams) as refused:
            await fetch_chain(deribit, "USDC", "XPR")
    assert refused.value.data["problems"] == [
        {"field": "base", "rule": "a coin with listed options in this currency", "nearest": "XRP"}
    ]
    assert venue.asked(SUMMARY) == [{"currency": "USDC", "kind": "option"}] * 2


async def test_the_index_is_asked_for_where_the_rows_do_not_tell_it() -> None:
    rows = [row(estimated_delivery_price=None)]
    index = {"index_price": 78_600.0, "estimated_delivery_price": 78_600.0}
    scripts = {"public__get_book_summary_by_currency": rows, "public__get_index_price": index}
    async with scripted(**scripts) as venue, client_of(venue) as deribit:
        chain = await fetch_chain(deribit, "BTC", None)
    assert (chain.spot, chain.spot_source) == (78_600.0, "index")
    assert venue.asked(INDEX) == [{"index_name": "btc_usd"}]


async def test_a_chain_that_has_expired_altogether_is_no_chain() -> None:
    scripts = {
        "public__get_book_summary_by_currency": [row(instrument_name="BTC-21AUG26-80000-C")],
        "public__get_index_price": {"index_price": 1.0},
    }
    async with scripted(**scripts) as venue, client_of(venue) as deribit:
        with pytest.raises(BadVenueData):
            await fetch_chain(deribit, "BTC", None)


def test_an_expiry_is_taken_out_or_refused_with_the_nearest() -> None:
    chain = make_chain(summaries(build()), "BTC", "BTC")
    assert chain is not None
    one = chain.only("25SEP26")
    assert {option.expiry for option in one.options} == {"25SEP26"}
    assert (len(one.expiries), one.spot) == (1, chain.spot)
    for asked, nearest in (("24AUG26", "23AUG26"), ("1JAN27", "25DEC26"), ("1JAN20", "23AUG26")):
        with pytest.raises(InvalidParams) as refused:
            chain.only(asked)
        assert refused.value.data["problems"][0]["nearest"] == nearest
