"""A simulated Deribit, a client logged in to it, and a hand on the market: what tests of its trading begin with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from cerberod.simulator import Simulator, SimulatorConfig, run_simulator
from tests.contract.raw_deribit import Json, RawDeribit, connected
from tests.support.clock import ManualClock

HERE = "deribit_testnet"
PERPETUAL = "BTC-PERPETUAL"


@dataclass(frozen=True)
class TradingDay:
    """One day at the venue."""

    simulator: Simulator
    clock: ManualClock
    http: aiohttp.ClientSession
    raw: RawDeribit

    async def call(self, method: str, **params: Any) -> Any:
        """Return the result of what must succeed; a second passes first, so no rate limit is met."""
        self.clock.advance(seconds=1)
        return await self.raw.result(method, **params)

    async def refused(self, method: str, **params: Any) -> tuple[int, str | None]:
        """Return code and parameter of what must be refused."""
        self.clock.advance(seconds=1)
        error = await self.raw.error(method, **params)
        return error["code"], error.get("data", {}).get("param")

    async def buy(self, name: str = PERPETUAL, **params: Any) -> Json:
        """Place, and return `order` and `trades`."""
        placed: Json = await self.call("private/buy", instrument_name=name, **params)
        return placed

    async def sell(self, name: str = PERPETUAL, **params: Any) -> Json:
        placed: Json = await self.call("private/sell", instrument_name=name, **params)
        return placed

    async def state(self, order_id: str) -> Json:
        order: Json = await self.call("private/get_order_state", order_id=order_id)
        return order

    async def ticker(self, name: str = PERPETUAL) -> Json:
        ticker: Json = await self.call("public/ticker", instrument_name=name)
        return ticker

    async def labelled(self, label: str, currency: str = "BTC") -> list[Json]:
        """Return all orders with a label."""
        orders: list[Json] = await self.call("private/get_order_state_by_label", currency=currency, label=label)
        return orders

    async def summary(self, currency: str = "BTC") -> Json:
        summary: Json = await self.call("private/get_account_summary", currency=currency)
        return summary

    async def market(self, **body: Any) -> None:
        """Move the market or its time."""
        async with self.http.post(self.simulator.urls["control"] + "/market", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def option(self, currency: str = "BTC", least: float = 0.02, most: float = 0.05) -> Json:
        """Return the summary of an option with both sides and a mark in a range, of the farthest expiry there is."""
        rows = await self.call("public/get_book_summary_by_currency", currency=currency, kind="option")
        fit = [r for r in rows if r["bid_price"] and r["ask_price"] and least < r["mark_price"] < most]
        found: Json = fit[-1]
        return found


@asynccontextmanager
async def trading_day() -> AsyncIterator[TradingDay]:
    """Run a simulator with a clock that stands, and log in."""
    clock = ManualClock()
    async with (
        run_simulator(SimulatorConfig(), clock) as simulator,
        aiohttp.ClientSession() as http,
        connected(simulator.urls[HERE]) as raw,
    ):
        await raw.log_in(simulator.credentials[HERE])
        yield TradingDay(simulator, clock, http, raw)
