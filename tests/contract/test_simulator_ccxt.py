"""A client that nobody here wrote trades on the simulated Deribit with only its address changed.

ccxt is not among this project's dependencies; the test runs where it is installed (`pip install ccxt`) and skips
elsewhere. It signs every private request with the venue's HMAC header, so this also proves the signature rule from
the other side.
"""

from typing import Any

import anyio.to_thread
import pytest

from cerberod.clock import SystemClock
from cerberod.simulator import Simulator, SimulatorConfig, run_simulator

ccxt: Any = pytest.importorskip("ccxt", reason="ccxt is not installed; it is a test tool of choice, not a dependency")

SYMBOL = "BTC/USD:BTC"


def trade(simulator: Simulator) -> None:
    """Spend a session as ccxt's users do; runs in a worker thread because this client blocks."""
    client_id, secret = simulator.credentials["deribit_testnet"]
    venue = ccxt.deribit({"apiKey": client_id, "secret": secret, "enableRateLimit": False})
    venue.urls["api"] = {"rest": simulator.urls["deribit_testnet_http"].removesuffix("/api/v2")}
    markets = venue.load_markets()
    ticker = venue.fetch_ticker(SYMBOL)
    assert ticker["bid"] < ticker["ask"]
    book = venue.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(venue.fetch_ohlcv(SYMBOL, "1m", limit=30)) > 0
    order = venue.create_order(SYMBOL, "limit", "buy", 100, 50_000)
    assert venue.fetch_order(order["id"], SYMBOL)["status"] == "open"
    assert [o["id"] for o in venue.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert venue.edit_order(order["id"], SYMBOL, "limit", "buy", 110, 50_000.5)["price"] == 50_000.5
    assert venue.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        venue.fetch_order("1", SYMBOL)
    with pytest.raises(ccxt.InsufficientFunds):
        venue.create_order(SYMBOL, "limit", "buy", 500_000_000, 50_000)
    taken = venue.create_order(SYMBOL, "market", "buy", 100)
    assert taken["status"] == "closed"
    assert [t["order"] for t in venue.fetch_my_trades(SYMBOL)] == [taken["id"]]
    assert [p["info"]["size"] for p in venue.fetch_positions()] == [100.0]
    assert venue.fetch_balance()["BTC"]["total"] < 10.0
    option = next(s for s, m in markets.items() if m["option"] and m["base"] == "BTC")
    assert 0.0 <= venue.fetch_greeks(option)["delta"] <= 1.0
    venue.close()


async def test_ccxt_trades_on_the_simulator() -> None:
    async with run_simulator(SimulatorConfig(), SystemClock()) as simulator:
        await anyio.to_thread.run_sync(trade, simulator)
