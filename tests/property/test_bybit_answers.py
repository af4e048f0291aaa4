"""Whatever stands in one field of Bybit's answers, reading it gives a result or says which field is wrong."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import BadVenueData
from cerberod.rpc.registry import Result
from cerberod.venues.bybit.wire import account, envelope, instruments, market, orders
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from tests.unit.venues.bybit.rows import EXECUTION, LINEAR, OPTION, ORDER, SPOT
from tests.unit.venues.bybit.wire import test_account, test_market

NOW = datetime(2026, 8, 22, tzinfo=UTC)
Reader = Callable[[Fields], Result]

READERS: dict[str, tuple[dict[str, Any], Reader]] = {
    "order": (ORDER, lambda row: orders.order(row, Category.LINEAR)),
    "execution": (EXECUTION, lambda row: orders.execution(row, Category.LINEAR)),
    "linear": (LINEAR, lambda row: instruments.instrument(row, Category.LINEAR)),
    "spot": (SPOT, lambda row: instruments.instrument(row, Category.SPOT)),
    "option": (OPTION, lambda row: instruments.instrument(row, Category.OPTION)),
    "ticker": (test_market.CONTRACT, lambda row: market.ticker(row, Category.LINEAR, NOW)),
    "option ticker": (test_market.OPTION, lambda row: market.ticker(row, Category.OPTION, NOW)),
    "position": (test_account.POSITION, lambda row: account.position(row, Category.LINEAR)),
    "log entry": (test_account.ENTRY, account.log_entry),
    "ratio": ({"buyRatio": "0.4", "sellRatio": "0.6", "timestamp": "1"}, market.account_ratio),
    "coin": (test_account.COIN, account._coin),
    "wallet": ({"accountType": "UNIFIED", "accountIMRate": "0.1", "coin": []}, lambda row: account.wallet(row, NOW)),
}
NUMBERS = st.one_of(
    st.from_regex(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    st.floats().map(repr),
    st.integers().map(str),
)
VALUES = st.one_of(
    NUMBERS,
    st.sampled_from(["", "0", "None", "UNKNOWN", "Buy", "1e-300", "1e308", "1e17", "-1"]),
    st.text(max_size=20),
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), NUMBERS, max_size=3),
)


def _json(value: Any) -> bytes:
    return orjson.dumps(value)


@pytest.mark.parametrize("name", sorted(READERS))
@given(data=st.data())
def test_a_field_of_anything_is_read_or_named(name: str, data: st.DataObject) -> None:
    row, read = READERS[name]
    changed = data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=3, unique=True))
    drawn = {field: data.draw(VALUES) for field in changed}
    inner = {
        field: _inside(row[field], value) if isinstance(row[field], dict) else value for field, value in drawn.items()
    }
    try:
        found = read(Fields(row | data.draw(st.sampled_from([drawn, inner])), "row"))
    except BadVenueData as refused:
        assert refused.data["field"].startswith("row")
        return
    told = found.model_dump_json()
    assert type(found).model_validate_json(told) == found


def _inside(table: dict[str, Any], value: Any) -> dict[str, Any]:
    """Put a value in every place of a table, which is where the rules of an instrument stand."""
    return dict.fromkeys(table, value)


@given(
    st.binary(max_size=200) | st.dictionaries(st.sampled_from(["retCode", "result", "time", "x"]), VALUES).map(_json)
)
def test_any_body_is_an_answer_or_unusable(body: bytes) -> None:
    try:
        found = envelope.read(body)
    except BadVenueData:
        return
    assert type(found.code) is int


@given(st.lists(st.lists(VALUES, max_size=8) | VALUES, max_size=4), st.sampled_from([4, 6]))
def test_any_bars_are_bars_or_unusable(rows: list[Any], columns: int) -> None:
    try:
        pieces = list(market.bars({"list": rows}, columns))
    except BadVenueData:
        return
    for piece in pieces:
        for began, numbers in piece.items():
            assert market.price_bar(began, numbers[:4]).high >= numbers[3]
            assert len(numbers) == columns


@given(
    st.lists(st.lists(VALUES, max_size=3) | VALUES, max_size=4),
    st.lists(st.tuples(NUMBERS, NUMBERS).map(list), max_size=4),
)
def test_any_book_is_in_order_or_unusable(bids: list[Any], asks: list[Any]) -> None:
    try:
        found = market.order_book({"s": "X", "b": bids, "a": asks, "ts": 1, "u": 1}, Category.SPOT)
    except BadVenueData:
        return
    assert [level.price for level in found.bids] == sorted((level.price for level in found.bids), reverse=True)
