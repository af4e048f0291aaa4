"""Public trades as the fact sheet describes them, and as Deribit really answered."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import tape
from cerberod.venues.deribit.wire.orders import Direction
from cerberod.venues.deribit.wire.reading import Fields

TRADE: dict[str, Any] = {
    "trade_id": "ETH-284830839",
    "trade_seq": 8,
    "timestamp": 1779118041757,
    "instrument_name": "BTC-19MAY26-75000-C",
    "direction": "buy",
    "price": 0.0174,
    "amount": 0.1,
    "starbase_match_id": 5,
}


def trade(**more: Any) -> tape.PublicTrade:
    return tape.public_trade(Fields(TRADE | more, "result"))


def test_what_is_not_told_is_null_and_what_is_unknown_is_ignored() -> None:
    told = trade()
    assert (told.direction, told.price, told.iv, told.liquidation, told.legs) == (Direction.BUY, 0.0174, None, None, [])
    assert trade(iv=0.0, index_price=0.0, liquidation="none") == told


def test_ids_may_be_numbers() -> None:
    told = trade(trade_id=12, combo_trade_id=244365193, block_trade_id="BLOCK-1")
    assert (told.trade_id, told.combo_trade_id, told.block_trade_id) == ("12", "244365193", "BLOCK-1")


def test_a_combo_may_trade_below_zero_and_has_legs() -> None:
    told = trade(price=-0.01, legs=[TRADE, TRADE | {"direction": "sell"}])
    assert (told.price, [leg.direction for leg in told.legs]) == (-0.01, [Direction.BUY, Direction.SELL])


@pytest.mark.parametrize("name", ["trade_id", "timestamp", "instrument_name", "direction", "price", "amount"])
def test_a_trade_without_what_matters_is_refused(name: str) -> None:
    with pytest.raises(BadVenueData):
        trade(**{name: None})


@pytest.mark.recorded
def test_recorded_trades_of_combos(recorded: Path) -> None:
    bodies = orjson.loads((recorded / "deribit/trades_combo_testnet_20260518.json").read_bytes())
    told = [
        tape.public_trade(row)
        for name, body in bodies.items()
        if name.startswith("public/")
        for row in Fields(body["result"], "result").objects("trades")
    ]
    option, *_rest = told
    assert option.price == pytest.approx(0.0813 - 0.0174)
    assert {leg.combo_trade_id for leg in option.legs} == {option.trade_id}
    assert any(each.combo_id for each in told)


@pytest.mark.recorded
def test_recorded_trades_of_a_perpetual(recorded: Path) -> None:
    body = orjson.loads((recorded / "deribit/last_trades_BTC-PERPETUAL_nautilus.json").read_bytes())
    assert [tape.public_trade(row) for row in Fields(body["result"], "result").objects("trades")]
