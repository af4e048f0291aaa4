"""A series whose pages go wrong on the way: whole all the same, or an error that says why; never a part."""

from typing import Any

import pytest

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.client import Refused, connected
from tests.support.daemon import UNHURRIED
from tests.support.simulator import TESTNET, SimulatorProcess

PERPETUAL = {"instrument_name": "BTC-PERPETUAL"}
MONTHS = {"start": "2026-05-01T00:00:00Z", "end": "2026-08-21T08:00:00Z"}
HOURS = {"start": "2026-08-20T20:00:00Z", "end": "2026-08-21T08:00:00Z"}
SERIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("get_funding_history", "public/get_funding_rate_history", {**PERPETUAL, **MONTHS}, "hours"),
    (
        "get_dvol_history",
        "public/get_volatility_index_data",
        {"currency": "BTC", "resolution": "3600", **MONTHS},
        "candles",
    ),
    (
        "get_last_trades",
        "public/get_last_trades_by_instrument_and_time",
        {**PERPETUAL, **HOURS, "count": 5000},
        "trades",
    ),
    ("get_settlements", "public/get_last_settlements_by_currency", {"currency": "BTC", "count": 2500}, "settlements"),
]


@pytest.mark.parametrize(("method", "upstream", "params", "rows"), SERIES, ids=[each[0] for each in SERIES])
async def test_pages_that_go_wrong_leave_no_part(
    start_daemon: StartDaemon,
    simulator: SimulatorProcess,
    method: str,
    upstream: str,
    params: dict[str, Any],
    rows: str,
) -> None:
    daemon = start_daemon("serve", module="tests.support.giving_up", **UNHURRIED, **simulator.keys_of("TESTNET"))
    daemon.announce("connection down")
    async with connected(daemon) as bot:
        whole = await bot.call(f"deribit.{method}", params)
        assert whole["pages"] >= 2

        simulator.fault("cut_after", environment=TESTNET, method=upstream, nth=2, times=1)
        again = await bot.call(f"deribit.{method}", params)
        assert again[rows] == whole[rows]
        simulator.lift()

        simulator.fault("garbage", environment=TESTNET, method=upstream, nth=2)
        with pytest.raises(Refused) as refused:
            await bot.call(f"deribit.{method}", params)
        assert refused.value.code is Code.BAD_VENUE_DATA
        simulator.lift()

        simulator.fault("error", environment=TESTNET, method=upstream, nth=2, code=11051)
        with pytest.raises(Refused) as refused:
            await bot.call(f"deribit.{method}", params)
        assert (refused.value.code, refused.value.data["venue_code"]) == (Code.VENUE_REFUSED, "11051")
        simulator.lift()

        assert (await bot.call(f"deribit.{method}", params))[rows] == whole[rows]
