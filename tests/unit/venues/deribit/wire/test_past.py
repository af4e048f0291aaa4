"""The account's past as the fact sheet describes it, odd rows included, and as Deribit documents it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.deribit.wire import orders, past
from cerberod.venues.deribit.wire.reading import Fields, listed
from tests.unit.venues.deribit.wire.test_orders import answer_of

TRADE: dict[str, Any] = {
    "trade_id": "48078936",
    "order_id": "4008699030",
    "instrument_name": "BTC-27MAY20-8750-C",
    "direction": "sell",
    "price": 0.028,
    "amount": 1,
    "fee": 2.1e-7,
    "fee_currency": "BTC",
    "timestamp": 1590480620145,
    "matching_id": None,
}
ENTRY: dict[str, Any] = {
    "id": 61312,
    "type": "transfer",
    "timestamp": 1613659830333,
    "currency": "BTC",
    "change": -2.5,
    "side": "-",
    "trade_id": None,
    "commission": None,
    "balance": 3001.22270418,
    "username": "TestUser",
    "ip": "11.222.33.44",
    "info": {"addr": "2N8prMvpZHr8aYqodX3S4yhz5wMxjY8La3p"},
}


def test_a_fill_is_told_to_the_last_digit() -> None:
    told = past.past_trade(Fields(TRADE | {"iv": 38.51, "profit_loss": -0.00123, "combo_trade_id": 7}, "result"))
    assert (told.fee, told.profit_loss, told.iv) == (Decimal("0.00000021"), Decimal("-0.00123"), 38.51)
    assert (told.combo_trade_id, told.combo_id, told.underlying_price, told.post_only) == ("7", None, None, False)


def test_a_fill_of_a_combo_has_the_fills_of_its_legs() -> None:
    leg = {"trade_id": "7", "instrument_name": "BTC-27MAY20-9000-C", "direction": "buy", "price": 0.01, "fee": 0.0003}
    bare = {name: value for name, value in leg.items() if name != "fee"}
    told = past.past_trade(
        Fields(TRADE | {"instrument_name": "BTC-CS-27MAY20-8750_9000", "legs": [leg, bare]}, "result")
    )
    (only,) = told.legs
    assert (only.trade_id, only.direction, only.price, only.order_id) == ("7", "buy", Decimal("0.01"), told.order_id)
    assert past.past_trade(Fields(TRADE, "result")).legs == []


@pytest.mark.parametrize("name", ["trade_id", "order_id", "direction", "fee", "timestamp"])
def test_a_fill_without_what_matters_is_refused(name: str) -> None:
    with pytest.raises(BadVenueData):
        past.past_trade(Fields(TRADE | {name: None}, "result"))


def test_an_entry_tells_money_and_not_who_or_where_from() -> None:
    told = past.log_entry(Fields(ENTRY, "result"))
    assert (told.id, told.change, told.side, told.commission) == ("61312", Decimal("-2.5"), None, None)
    text = told.model_dump_json()
    assert not any(secret in text for secret in ("TestUser", "11.222", "2N8pr"))


def test_a_type_that_is_new_is_told_as_it_is() -> None:
    assert past.log_entry(Fields(ENTRY | {"type": "staking_reward"}, "result")).type == "staking_reward"


@pytest.mark.parametrize("broken", [{"id": None}, {"timestamp": "1"}, {"change": "2.5"}, {"currency": None}])
def test_an_entry_that_breaks_its_contract_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(BadVenueData):
        past.log_entry(Fields(ENTRY | broken, "result"))


@pytest.mark.recorded
def test_the_documented_log(recorded: Path) -> None:
    examples = orjson.loads((recorded / "deribit/doc_examples_methods.json").read_bytes())
    answer = Fields(answer_of(examples["private/get_transaction_log"]), "result")
    entries = [past.log_entry(row) for row in answer.objects("logs")]
    assert [entry.type for entry in entries] == ["transfer", "settlement", "deposit", "trade", "trade"]
    assert (entries[1].total_interest_pl, entries[3].side) == (Decimal("0.00001243"), "open buy")


@pytest.mark.recorded
@pytest.mark.parametrize("file", ["doc_examples_methods.json", "doc_examples_methods_2025.json"])
def test_documented_histories(recorded: Path, file: str) -> None:
    examples = orjson.loads((recorded / "deribit" / file).read_bytes())
    for scope in ("currency", "instrument"):
        assert listed(answer_of(examples[f"private/get_order_history_by_{scope}"]), "result", orders.order)
        answer = answer_of(examples[f"private/get_user_trades_by_{scope}"])
        assert [past.past_trade(row) for row in Fields(answer, "result").objects("trades")]
