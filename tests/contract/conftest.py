"""A simulator of one's own for each test, with a clock that stands still, and raw clients of its venues."""

from collections.abc import AsyncIterator

import pytest

from cerberod.simulator import Simulator, SimulatorConfig, run_simulator
from tests.contract import raw_bybit, raw_deribit
from tests.support.clock import ManualClock
from tests.support.trading_day import TradingDay, trading_day


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def simulator(clock: ManualClock) -> AsyncIterator[Simulator]:
    async with run_simulator(SimulatorConfig(), clock) as running:
        yield running


@pytest.fixture
async def raw(simulator: Simulator) -> AsyncIterator[raw_deribit.RawDeribit]:
    """A client of Deribit that has not logged in."""
    async with raw_deribit.connected(simulator.urls["deribit_testnet"]) as client:
        yield client


@pytest.fixture
async def trader(simulator: Simulator, raw: raw_deribit.RawDeribit) -> raw_deribit.RawDeribit:
    """A client of Deribit that may trade."""
    await raw.log_in(simulator.credentials["deribit_testnet"])
    return raw


@pytest.fixture
async def bybit(simulator: Simulator, clock: ManualClock) -> AsyncIterator[raw_bybit.RawBybit]:
    async with raw_bybit.connected(simulator, clock) as client:
        yield client


@pytest.fixture
async def day() -> AsyncIterator[TradingDay]:
    async with trading_day() as running:
        yield running
