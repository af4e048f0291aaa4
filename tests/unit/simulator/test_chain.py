"""Reading a recorded chain: what is served is what was recorded, and a bad file is refused in one clear line."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.simulator.chain import load_chain, load_chains
from cerberod.simulator.config import ChainFileError

ROW: dict[str, Any] = {
    "instrument_name": "BTC-25SEP26-80000-C",
    "base_currency": "BTC",
    "bid_price": 0.043,
    "ask_price": None,
    "mark_price": 0.04395528,
    "mark_iv": 41.21,
    "underlying_price": 78_899.98,
    "estimated_delivery_price": 78_617.31,
    "creation_timestamp": 1_787_370_645_199,
}


def write(tmp_path: Path, body: object, name: str = "chain.json") -> Path:
    path = tmp_path / name
    path.write_bytes(body if isinstance(body, bytes) else orjson.dumps(body))
    return path


def test_rows_are_kept_as_they_are(tmp_path: Path) -> None:
    other = ROW | {"instrument_name": "BTC-25SEP26-90000-C", "creation_timestamp": 1_787_370_645_205, "extra": [1]}
    chain = load_chain(write(tmp_path, {"result": [ROW, other]}))
    assert list(chain.rows.values()) == [ROW, other]
    assert chain.currency == "BTC"
    assert chain.time_ms == 1_787_370_645_205
    assert chain.index_price == 78_617.31


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"{", "is not JSON"),
        ([], "must be an object whose `result` is the list"),
        ({"result": []}, "`result` has no rows"),
        ({"result": [3]}, "row 0: must be an object"),
        ({"result": [{}]}, "row 0: instrument_name must be a text"),
        ({"result": [ROW, ROW]}, "row 1: BTC-25SEP26-80000-C appears twice"),
        ({"result": [ROW | {"mark_iv": None}]}, "row 0: mark_iv must be a number"),
        ({"result": [ROW | {"bid_price": "0.1"}]}, "row 0: bid_price must be a number or null"),
        ({"result": [ROW | {"creation_timestamp": 1.5}]}, "row 0: creation_timestamp must be whole milliseconds"),
        ({"result": [ROW | {"underlying_price": 0}]}, "must be above 0"),
        ({"result": [ROW, ROW | {"instrument_name": "x", "base_currency": "ETH"}]}, "more than one base_currency"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_rule(tmp_path: Path, body: object, rule: str) -> None:
    path = write(tmp_path, body)
    with pytest.raises(ChainFileError) as refused:
        load_chain(path)
    assert str(path) in str(refused.value)
    assert rule in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChainFileError, match="cannot be read"):
        load_chain(tmp_path / "none.json")


def test_one_chain_for_each_currency(tmp_path: Path) -> None:
    first, second = write(tmp_path, {"result": [ROW]}), write(tmp_path, {"result": [ROW]}, "again.json")
    with pytest.raises(ChainFileError, match="already loaded"):
        load_chains((first, second))
