"""A whole recorded option chain, taken apart once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from cerberod.analytics.chain import OptionChain, make_chain
from cerberod.analytics.smile import Smile, make_smile

RECORDED_AT_MS = 1_787_370_645_199
YEAR_MS = 365 * 86_400_000


def expiry_ms(name: str) -> int:
    day = datetime.strptime(name.split("-")[1], "%d%b%y").replace(hour=8, tzinfo=UTC)
    return int(day.timestamp()) * 1000


@pytest.fixture
def recorded_rows(recorded: Path) -> list[dict[str, Any]]:
    body = (recorded / "deribit" / "book_summary_option_BTC_mainnet_20260822.json").read_bytes()
    rows: list[dict[str, Any]] = orjson.loads(body)["result"]
    return rows


@pytest.fixture
def recorded_smiles(recorded_rows: list[dict[str, Any]]) -> dict[str, Smile]:
    by_expiry: dict[str, dict[float, dict[str, Any]]] = {}
    for row in recorded_rows:
        _, expiry, strike, _ = row["instrument_name"].split("-")
        by_expiry.setdefault(expiry, {})[float(strike)] = row
    return {
        expiry: make_smile(
            float(np.median([row["underlying_price"] for row in rows.values()])),
            (expiry_ms(f"-{expiry}") - RECORDED_AT_MS) / YEAR_MS,
            sorted(rows),
            [rows[strike]["mark_iv"] / 100.0 for strike in sorted(rows)],
        )
        for expiry, rows in by_expiry.items()
        if len(rows) > 1
    }


@pytest.fixture
def recorded_chain(recorded_rows: list[dict[str, Any]]) -> OptionChain:
    names = [row["instrument_name"] for row in recorded_rows]
    return make_chain(
        as_of_ms=RECORDED_AT_MS,
        spot=float(np.median([row["estimated_delivery_price"] for row in recorded_rows])),
        expiry_ms=[expiry_ms(name) for name in names],
        strike=[float(name.split("-")[2]) for name in names],
        is_call=[name.endswith("-C") for name in names],
        forward=[row["underlying_price"] for row in recorded_rows],
        volatility=[row["mark_iv"] / 100.0 for row in recorded_rows],
        open_interest=[row["open_interest"] for row in recorded_rows],
        volume=[row["volume"] for row in recorded_rows],
    )
