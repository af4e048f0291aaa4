"""Margins as the fact sheet describes them, and as Deribit documents them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import margins
from tests.unit.venues.deribit.wire.test_orders import answer_of

AS_OF = datetime(2026, 8, 22, tzinfo=UTC)
PORTFOLIO: dict[str, Any] = {"currency": "BTC", "initial_margin": 0.1, "maintenance_margin": 0.05, "strange": {}}


def read(raw: object) -> margins.Margins:
    return margins.margins(raw, "BTC-PERPETUAL", Decimal(10000), Decimal(3725), AS_OF)


def test_margins_are_told_to_the_last_digit() -> None:
    told = read({"buy": 0.0219949, "sell": 0, "min_price": 3684.8, "max_price": None})
    assert (told.buy, told.sell, told.min_price, told.max_price) == (
        Decimal("0.0219949"),
        Decimal(0),
        Decimal("3684.8"),
        None,
    )


@pytest.mark.parametrize("raw", [None, {}, {"buy": 1}, {"buy": "1", "sell": 1}])
def test_margins_that_are_none_are_refused(raw: object) -> None:
    with pytest.raises(BadVenueData):
        read(raw)


def test_an_imagined_portfolio_tells_what_there_is() -> None:
    told = margins.simulated_portfolio(PORTFOLIO | {"options_gamma": -0.03907}, AS_OF)
    assert (told.initial_margin, told.equity, told.options_gamma) == (Decimal("0.1"), None, -0.03907)


@pytest.mark.parametrize("name", ["currency", "initial_margin", "maintenance_margin"])
def test_an_imagined_portfolio_without_what_matters_is_refused(name: str) -> None:
    with pytest.raises(BadVenueData):
        margins.simulated_portfolio(PORTFOLIO | {name: None}, AS_OF)


@pytest.mark.recorded
@pytest.mark.parametrize("file", ["doc_examples_methods.json", "doc_examples_methods_2025.json"])
def test_documented_margins(recorded: Path, file: str) -> None:
    examples = orjson.loads((recorded / "deribit" / file).read_bytes())
    assert read(answer_of(examples["private/get_margins"])).buy > 0
    told = margins.simulated_portfolio(answer_of(examples["private/simulate_portfolio"]), AS_OF)
    assert told.margin_model == "cross_pm"
