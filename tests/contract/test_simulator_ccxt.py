"""A client that nobody here wrote trades on the simulated Deribit with only its address changed.

It signs every private request with the venue's HMAC header, so this also proves the signature rule from the other
side. One process, one load of the markets: both are most of what this costs.
"""

from importlib import import_module
from typing import Any

import anyio.to_thread

from cerberod.clock import SystemClock
from cerberod.simulator import Simulator, SimulatorConfig, run_simulator

PERPETUAL = "BTC/USD:BTC"
LINEAR = "SOL/USDC:USDC"
SPOT = "ETH/USDC"


class Session:
    """What ccxt's users do; runs in a worker thread because this client blocks."""

    def __init__(self, simulator: Simulator) -> None:
        client_id, secret = simulator.credentials["deribit_testnet"]
        # Not imported above: the package is large, and whoever only collects the tests need not wait for it.
        self.ccxt: Any = import_module("ccxt")
        self.venue = self.ccxt.deribit({"apiKey": client_id, "secret": secret, "enableRateLimit": False})
        self.venue.urls["api"] = {"rest": simulator.urls["deribit_testnet_http"].removesuffix("/api/v2")}

    def run(self) -> None:
        markets = self.venue.load_markets()
        option = self.reads_markets(markets)
        self.reads_the_market(option)
        self.reads_the_past()
        self.places_and_cancels()
        self.trades(option)
        self.venue.close()

    def reads_markets(self, markets: dict[str, Any]) -> str:
        """Every kind is understood; return an inverse option near the money."""
        kinds = {kind for kind in ("spot", "swap", "future", "option") if any(m[kind] for m in markets.values())}
        assert kinds == {"spot", "swap", "future", "option"}
        perpetual, linear = markets[PERPETUAL], markets[LINEAR]
        assert (perpetual["inverse"], perpetual["contractSize"], perpetual["settle"]) == (True, 10.0, "BTC")
        assert (linear["linear"], linear["contractSize"], linear["settle"]) == (True, 0.1, "USDC")
        assert markets[SPOT]["spot"]
        fractional = next(m for m in markets.values() if m["option"] and m["base"] == "XRP" and "d" in m["id"])
        assert fractional["strike"] == float(fractional["id"].split("-")[2].replace("d", "."))
        index = self.venue.fetch_ticker(PERPETUAL)["last"]
        options = [m for m in markets.values() if m["option"] and m["settle"] == "BTC" and m["optionType"] == "call"]
        longest = max(m["expiry"] for m in options)
        return str(min(options, key=lambda m: (m["expiry"] != longest, abs(m["strike"] - index)))["symbol"])

    def reads_the_market(self, option: str) -> None:
        for symbol in (PERPETUAL, LINEAR, SPOT, option):
            ticker = self.venue.fetch_ticker(symbol)
            assert ticker["bid"] < ticker["ask"], symbol
            book = self.venue.fetch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0], symbol  # the market has moved since the ticker
        tickers = self.venue.fetch_tickers(params={"code": "BTC"})
        assert tickers[option]["info"]["mark_iv"] > 0
        greeks = self.venue.fetch_greeks(option)
        assert 0.0 < greeks["delta"] < 1.0
        assert greeks["vega"] > 0
        chain = self.venue.fetch_option_chain("BTC")
        assert option in chain
        assert self.venue.fetch_open_interest(PERPETUAL)["info"]["open_interest"] > 0
        assert self.venue.fetch_status()["status"] == "ok"
        assert "BTC" in self.venue.fetch_currencies()

    def reads_the_past(self) -> None:
        candles = self.venue.fetch_ohlcv(PERPETUAL, "1m", limit=30)
        assert len(candles) >= 29
        assert all(
            low <= min(opened, close) <= max(opened, close) <= high for _, opened, high, low, close, _ in candles
        )
        trades = self.venue.fetch_trades(PERPETUAL, limit=20)
        assert len(trades) == 20
        assert trades[0]["timestamp"] < trades[-1]["timestamp"]
        since = self.venue.milliseconds() - 3_600_000
        assert self.venue.fetch_trades(PERPETUAL, since=since, limit=5)[0]["timestamp"] >= since
        volatility = self.venue.fetch_volatility_history("BTC")
        assert len(volatility) > 300
        assert abs(self.venue.fetch_funding_rate(PERPETUAL)["fundingRate"]) < 0.01
        history = self.venue.fetch_funding_rate_history(PERPETUAL, limit=24)
        assert len(history) == 24

    def places_and_cancels(self) -> None:
        order = self.venue.create_order(PERPETUAL, "limit", "buy", 100, 50_000)
        assert self.venue.fetch_order(order["id"], PERPETUAL)["status"] == "open"
        assert [o["id"] for o in self.venue.fetch_open_orders(PERPETUAL)] == [order["id"]]
        assert self.venue.edit_order(order["id"], PERPETUAL, "limit", "buy", 110, 50_000.5)["price"] == 50_000.5
        assert self.venue.cancel_order(order["id"], PERPETUAL)["status"] == "canceled"
        again = self.venue.create_order(PERPETUAL, "limit", "buy", 100, 50_000)
        self.venue.cancel_all_orders(PERPETUAL)
        assert self.venue.fetch_order(again["id"], PERPETUAL)["status"] == "canceled"
        assert self.venue.fetch_open_orders(PERPETUAL) == []
        self.refuses(self.ccxt.OrderNotFound, self.venue.fetch_order, "1", PERPETUAL)
        self.refuses(
            self.ccxt.InsufficientFunds, self.venue.create_order, PERPETUAL, "limit", "buy", 500_000_000, 50_000
        )

    def trades(self, option: str) -> None:
        taken = self.venue.create_order(PERPETUAL, "market", "buy", 100)
        assert taken["status"] == "closed"
        assert [t["order"] for t in self.venue.fetch_my_trades(PERPETUAL)] == [taken["id"]]
        assert taken["id"] in [o["id"] for o in self.venue.fetch_closed_orders(PERPETUAL)]
        premium = self.venue.create_order(option, "market", "buy", 0.5)
        assert premium["status"] == "closed"
        sizes = {p["symbol"]: p["info"]["size"] for p in self.venue.fetch_positions()}
        assert sizes == {PERPETUAL: 100.0, option: 0.5}
        assert self.venue.fetch_position(option)["side"] == "long"
        assert self.venue.fetch_balance()["BTC"]["total"] < 10.0

    @staticmethod
    def refuses(kind: type[Exception], call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except kind:
            return
        raise AssertionError(f"{kind.__name__} was expected")


async def test_ccxt_trades_on_the_simulator() -> None:
    async with run_simulator(SimulatorConfig(), SystemClock()) as simulator:
        await anyio.to_thread.run_sync(lambda: Session(simulator).run())
