"""Combos as the fact sheet describes them, and as Deribit really answered."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import combos
from cerberod.venues.deribit.wire.combos import ComboState
from cerberod.venues.deribit.wire.reading import Fields, listed
from tests.unit.venues.deribit.wire.test_orders import answer_of

AS_OF = datetime(2026, 8, 22, tzinfo=UTC)
COMBO: dict[str, Any] = {
    "id": "BTC-REV-29APR22-37500",
    "instrument_id": 52,
    "state": "active",
    "legs": [
        {"instrument_name": "BTC-29APR22-37500-C", "amount": 1},
        {"instrument_name": "BTC-29APR22-37500-P", "amount": -1},
    ],
    "state_timestamp": 1650960943922,
    "creation_timestamp": 1650960943000,
}


def combo(**more: Any) -> combos.Combo:
    return combos.combo(Fields(COMBO | more, "result"))


def test_legs_keep_their_order_and_signs() -> None:
    told = combo()
    assert [(leg.instrument_name, leg.amount) for leg in told.legs] == [
        ("BTC-29APR22-37500-C", Decimal(1)),
        ("BTC-29APR22-37500-P", Decimal(-1)),
    ]
    assert (told.combo_id, told.state) == ("BTC-REV-29APR22-37500", ComboState.ACTIVE)


def test_a_state_nobody_knows_degrades() -> None:
    assert combo(state="asleep").state is ComboState.UNKNOWN


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"legs": None},
        {"legs": []},
        {"legs": [{"instrument_name": "X", "amount": 0}]},
        {"legs": [{"instrument_name": "X", "amount": "1"}]},
        {"legs": [{"amount": 1}]},
    ],
)
def test_a_combo_that_would_be_another_package_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        combo(**broken)


def legs(*each: tuple[str, float, int]) -> list[dict[str, Any]]:
    return [
        {"instrument_name": f"N{number}", "direction": side, "price": price, "ratio": ratio}
        for number, (side, price, ratio) in enumerate(each)
    ]


def test_leg_prices_add_up_in_the_sense_of_the_package() -> None:
    told = combos.leg_prices({"amount": 2, "legs": legs(("buy", 0.0813, 1), ("sell", 0.0174, 2))}, AS_OF)
    assert (told.amount, told.price) == (Decimal(2), Decimal("0.0465"))
    credit = combos.leg_prices({"amount": 0.1, "legs": legs(("sell", 0.0813, 1), ("buy", 0.0174, 1))}, AS_OF)
    assert credit.price == Decimal("-0.0639")


def test_a_leg_without_a_side_is_refused() -> None:
    with pytest.raises(BadVenueData):
        combos.leg_prices({"amount": 1, "legs": legs(("both", 0.1, 1))}, AS_OF)


@pytest.mark.recorded
def test_recorded_combos(recorded: Path) -> None:
    body = orjson.loads((recorded / "deribit/combos_BTC_testnet_20260519.json").read_bytes())
    told = listed(body["public/get_combos"]["result"], "result", combos.combo)
    box = next(each for each in told if each.combo_id == "BTC-BOX-25DEC26-58000_60000")
    assert [int(leg.amount) for leg in box.legs] == [1, -1, -1, 1]


@pytest.mark.recorded
def test_documented_combos(recorded: Path) -> None:
    examples = orjson.loads((recorded / "deribit/doc_examples_methods.json").read_bytes())
    assert listed(answer_of(examples["public/get_combos"]), "result", combos.combo)
    assert combos.combo(Fields(answer_of(examples["public/get_combo_details"]), "result")).legs
    told = combos.leg_prices(answer_of(examples["private/get_leg_prices"]), AS_OF)
    assert told.price == Decimal("0.6")
