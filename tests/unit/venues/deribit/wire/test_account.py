"""Account and positions as the fact sheet describes them, and as Deribit really answered."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from cerberod.errors import BadVenueData
from cerberod.venues.credits import Allowance
from cerberod.venues.deribit.wire import account
from cerberod.venues.deribit.wire.account import PositionDirection
from cerberod.venues.deribit.wire.market import Kind
from cerberod.venues.deribit.wire.reading import Fields, listed
from tests.unit.venues.deribit.wire.test_orders import answer_of

AS_OF = datetime(2026, 8, 22, tzinfo=UTC)
SUMMARY: dict[str, Any] = {
    "currency": "BTC",
    "balance": 302.60065765,
    "equity": 302.61869214,
    "margin_balance": 302.62729214,
    "available_funds": 301.38059622,
    "available_withdrawal_funds": 301.35396172,
    "initial_margin": 1.24669592,
    "maintenance_margin": 0.8857841,
    "options_delta": -1.01962,
    "delta_total": 31.602958,
    "session_upl": 0.33333333333333331,
    "margin_model": "segregated_sm",
    "portfolio_margining_enabled": False,
    "email": "user@example.com",
}
POSITION: dict[str, Any] = {
    "instrument_name": "BTC-PERPETUAL",
    "kind": "future",
    "direction": "sell",
    "size": -50.0,
    "size_currency": -0.006687487,
    "average_price": 7440.18,
    "mark_price": 7476.65,
    "index_price": 7466.79,
    "settlement_price": 7476.65,
    "delta": -0.006687487,
    "initial_margin": 0.000197283,
    "maintenance_margin": 0.000143783,
    "floating_profit_loss": 0,
    "realized_profit_loss": -9e-09,
    "total_profit_loss": 3.2781e-05,
    "leverage": 34,
}


def position(**more: Any) -> account.Position:
    return account.position(Fields(POSITION | more, "result"))


def test_money_is_told_to_the_last_printed_digit() -> None:
    told = account.account_summary(SUMMARY, AS_OF)
    assert (told.equity, told.delta_total, told.options_pl) == (Decimal("302.61869214"), 31.602958, None)
    assert told.session_upl == Decimal("0.333333333333")
    assert "email" not in told.model_dump()


@pytest.mark.parametrize("name", ["currency", "equity", "available_funds"])
def test_a_summary_without_what_matters_is_refused(name: str) -> None:
    with pytest.raises(BadVenueData):
        account.account_summary({key: value for key, value in SUMMARY.items() if key != name}, AS_OF)


@pytest.mark.parametrize("size", [-50.0, 50.0])
def test_the_direction_decides_the_sign(size: float) -> None:
    assert position(size=size).size == -50
    assert position(size=size, direction="buy").size == 50


def test_no_position_is_a_position_of_zero() -> None:
    told = position(size=0.0, direction="zero")
    assert (told.size, told.direction) == (Decimal(0), PositionDirection.ZERO)


def test_a_direction_nobody_knows_is_refused_and_a_kind_degrades() -> None:
    with pytest.raises(BadVenueData):
        position(direction="both")
    assert position(kind="weather").kind is Kind.UNKNOWN


def test_limits_are_read_as_requests() -> None:
    limits = {
        "non_matching_engine": {"burst": 1500, "rate": 1000},
        "matching_engine": {"cancel_all": {"burst": 5, "rate": 2}},
    }
    told = account.matching_allowances({"limits": limits})
    assert told == {
        "non_matching": Allowance(cost=1, pool=1500, refill_per_s=1000),
        "cancel_all": Allowance(cost=1, pool=5, refill_per_s=2),
    }


@pytest.mark.recorded
def test_the_recorded_empty_position(recorded: Path) -> None:
    body = orjson.loads((recorded / "deribit/position_option_zero_testnet_20190805.json").read_bytes())
    told = account.position(Fields(body["result"], "result"))
    assert (told.direction, told.size, told.kind) == (PositionDirection.ZERO, Decimal(0), Kind.OPTION)


@pytest.mark.recorded
def test_the_recorded_portfolio_reads_as_a_summary(recorded: Path) -> None:
    frame = orjson.loads((recorded / "deribit/user_portfolio_ws_mainnet.json").read_bytes())
    assert account.account_summary(frame["params"]["data"], AS_OF).currency


@pytest.mark.recorded
@pytest.mark.parametrize("file", ["doc_examples_methods.json", "doc_examples_methods_2025.json"])
def test_documented_accounts(recorded: Path, file: str) -> None:
    examples = orjson.loads((recorded / "deribit" / file).read_bytes())
    raw = answer_of(examples["private/get_account_summary"])
    assert account.account_summary(raw, AS_OF).currency == "BTC"
    if "limits" in raw:
        assert account.matching_allowances(raw)["matching"].pool == 250
    assert listed(answer_of(examples["private/get_positions"]), "result", account.position)


def test_margins_are_told_for_both_sides() -> None:
    told = account.margins({"buy": 0.0219949, "sell": 0, "min_price": 3684.8, "max_price": 3759.24})
    assert told == {"buy": Decimal("0.0219949"), "sell": Decimal(0)}
    with pytest.raises(BadVenueData):
        account.margins({"buy": 1.0, "sell": None})
