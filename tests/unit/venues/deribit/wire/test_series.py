"""Series as the fact sheet describes them, odd rows included, and as Deribit documents them."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import series
from cerberod.venues.deribit.wire.reading import Fields, listed
from cerberod.venues.deribit.wire.series import SettlementType
from tests.unit.venues.deribit.wire.test_orders import answer_of

SETTLED: dict[str, Any] = {"type": "delivery", "timestamp": 1550502000023, "instrument_name": "BTC-22FEB19"}


def test_volatility_comes_in_order_and_once_for_each_time() -> None:
    told = series.volatility_points([[3_600_000, 15.0], [0, 14.5], [3_600_000, 15.5]])
    assert [(point.at.hour, point.volatility_pct) for point in told] == [(0, 14.5), (1, 15.5)]
    assert series.volatility_points([]) == []


@pytest.mark.parametrize("raw", [None, {}, [1], [[1]], [["1", 2.0]], [[1, None]], [[1, True]], [[-1, 2.0]]])
def test_volatility_that_is_none_is_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        series.volatility_points(raw)


@pytest.mark.parametrize("raw", [None, "0.1", True, {}])
def test_a_funding_value_that_is_no_number_is_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        series.funding_value(raw)


def test_funding_without_an_index_is_still_funding() -> None:
    row = {"timestamp": 0, "interest_8h": 0, "interest_1h": -2.0e-5, "index_price": 0.0, "strange": []}
    (told,) = series.funding_hours([row])
    assert (told.interest_1h, told.index_price, told.prev_index_price) == (-2.0e-5, None, None)


def test_a_bankruptcy_has_no_instrument_and_a_new_type_is_told_as_unknown() -> None:
    rows = [{"type": "bankruptcy", "timestamp": 1, "session_bankruptcy": 0.5}, SETTLED | {"type": "weather"}]
    told = listed(rows, "result", series.settlement)
    assert [(each.type, each.instrument_name) for each in told] == [
        (SettlementType.BANKRUPTCY, None),
        (SettlementType.UNKNOWN, "BTC-22FEB19"),
    ]
    assert (told[0].session_bankruptcy, told[1].mark_price) == (0.5, None)


@pytest.mark.parametrize("broken", [{"timestamp": None}, {"mark_price": "1"}, {"instrument_name": 3}])
def test_a_settlement_that_breaks_its_contract_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        series.settlement(Fields(SETTLED | broken, "result"))


@pytest.mark.parametrize(("value", "told"), [(17, "17"), ("2Z7m", "2Z7m"), (None, None), ("", None), ("none", None)])
def test_what_continues_a_page(value: object, told: str | None) -> None:
    assert series.continuation(Fields({"continuation": value}, "result")) == told


@pytest.mark.parametrize("value", [1.5, [], {}])
def test_a_continuation_is_a_number_or_text(value: object) -> None:
    with pytest.raises(BadVenueData):
        series.continuation(Fields({"continuation": value}, "result"))


@pytest.mark.recorded
@pytest.mark.parametrize("file", ["doc_examples_methods.json", "doc_examples_methods_2025.json"])
def test_documented_series(recorded: Path, file: str) -> None:
    examples = orjson.loads((recorded / "deribit" / file).read_bytes())
    assert series.funding_hours(answer_of(examples["public/get_funding_rate_history"]))
    assert series.funding_value(answer_of(examples["public/get_funding_rate_value"])) < 0
    points = series.volatility_points(answer_of(examples["public/get_historical_volatility"]))
    assert len({point.at for point in points}) == len(points) > 1
    for scope in ("currency", "instrument"):
        answer = Fields(answer_of(examples[f"public/get_last_settlements_by_{scope}"]), "result")
        assert [series.settlement(row) for row in answer.objects("settlements")]
        assert series.continuation(answer)
