"""Clients that nobody here wrote trade on the simulated Bybit with only their address changed: pybit and ccxt.

Both sign by rules of their own (pybit sorts a query and writes JSON with blanks, ccxt does neither), page, and read
codes and cursors as the real venue gives them. An order is looked for until it is there: acceptance comes first.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import anyio.to_thread
import pytest

from cerberod.clock import SystemClock
from cerberod.simulator import Simulator, SimulatorConfig, run_simulator

_TRIES = 40
PERP = "BTC/USDT:USDT"


def until(read: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Read until what was accepted has happened; the requests themselves take the time."""
    found = read()
    for _ in range(_TRIES):
        if good(found):
            return found
        found = read()
    raise AssertionError(found)


class PybitSession:
    """What pybit's users do; runs in a worker thread because it blocks."""

    def __init__(self, simulator: Simulator) -> None:
        pybit: Any = import_module("pybit.unified_trading")
        self.errors: Any = import_module("pybit.exceptions")
        key, secret = simulator.credentials["bybit_testnet"]
        self.venue = pybit.HTTP(api_key=key, api_secret=secret, retry_codes={-1})
        self.venue.endpoint = simulator.urls["bybit_testnet"]
        self.venue.client.trust_env = False

    def run(self) -> None:
        self.reads_the_market()
        self.trades_a_contract()
        self.trades_spot()
        self.sends_batches()
        self.is_told_what_is_wrong()
        self.venue.client.close()

    def reads_the_market(self) -> None:
        listed = self.venue.get_instruments_info(category="linear", limit=1000)["result"]["list"]
        first = self.venue.get_instruments_info(category="linear")["result"]
        rest = self.venue.get_instruments_info(category="linear", cursor=first["nextPageCursor"])["result"]
        assert [row["symbol"] for row in first["list"] + rest["list"]] == [row["symbol"] for row in listed]
        assert int(self.venue.get_server_time()["result"]["timeSecond"]) > 1_700_000_000
        for category in ("spot", "linear", "inverse"):
            ticker = self.venue.get_tickers(category=category)["result"]["list"][0]
            book = self.venue.get_orderbook(category=category, symbol=ticker["symbol"])["result"]
            assert float(book["b"][0][0]) < float(book["a"][0][0])
        options = self.venue.get_tickers(category="option", baseCoin="ETH")["result"]["list"]
        assert self.venue.get_orderbook(category="option", symbol=options[0]["symbol"])["retCode"] == 0
        asked = {"category": "linear", "symbol": "BTCUSDT"}
        assert len(self.venue.get_kline(**asked, interval=60, limit=5)["result"]["list"]) == 5
        assert self.venue.get_mark_price_kline(**asked, interval="D")["retCode"] == 0
        assert self.venue.get_funding_rate_history(**asked)["result"]["list"]
        assert self.venue.get_open_interest(**asked, intervalTime="1h")["result"]["list"]
        assert self.venue.get_long_short_ratio(**asked, period="1d")["result"]["list"]
        assert self.venue.get_public_trade_history(**asked, limit=3)["result"]["list"]
        assert self.venue.get_historical_volatility(category="option")["result"]

    def orders(self, **asked: Any) -> Any:
        return self.venue.get_open_orders(**asked)["result"]["list"]

    def trades_a_contract(self) -> None:
        asked = {"category": "linear", "symbol": "BTCUSDT"}
        self.venue.set_leverage(**asked, buyLeverage="5", sellLeverage="5")
        with pytest.raises(self.errors.InvalidRequestError) as unchanged:
            self.venue.set_leverage(**asked, buyLeverage="5", sellLeverage="5")
        assert unchanged.value.status_code == 110043
        placed = self.venue.place_order(**asked, side="Buy", orderType="Limit", qty=0.01, price=50000, orderLinkId="p1")
        assert placed["result"]["orderLinkId"] == "p1"
        until(
            lambda: self.orders(**asked, orderLinkId="p1"), lambda rows: bool(rows) and rows[0]["orderStatus"] == "New"
        )
        self.venue.amend_order(**asked, orderLinkId="p1", price="50100")
        until(lambda: self.orders(**asked, orderLinkId="p1"), lambda rows: rows[0]["price"] == "50100")
        self.venue.cancel_order(**asked, orderLinkId="p1")
        until(lambda: self.orders(**asked, orderLinkId="p1"), lambda rows: rows[0]["orderStatus"] == "Cancelled")
        self.venue.place_order(**asked, side="Buy", orderType="Market", qty="0.02", takeProfit="900000")
        held = until(lambda: self.venue.get_positions(**asked)["result"]["list"][0], lambda row: row["size"] == "0.02")
        assert (held["leverage"], held["takeProfit"]) == ("5", "900000")
        self.venue.set_trading_stop(**asked, stopLoss="1000", positionIdx=0)
        self.venue.place_order(**asked, side="Sell", orderType="Market", qty="0.02", reduceOnly=True)
        closed = until(lambda: self.venue.get_closed_pnl(**asked)["result"]["list"], bool)
        assert closed[0]["closedSize"] == "0.02"
        assert len(self.venue.get_executions(category="linear")["result"]["list"]) >= 2
        assert self.venue.get_transaction_log(accountType="UNIFIED")["result"]["list"]
        assert self.venue.get_order_history(category="linear")["result"]["list"]

    def trades_spot(self) -> None:
        bought = self.venue.place_order(category="spot", symbol="ETHUSDT", side="Buy", orderType="Market", qty="100")
        order_id = bought["result"]["orderId"]
        (row,) = until(lambda: self.orders(category="spot", symbol="ETHUSDT", orderId=order_id), bool)
        assert row["orderStatus"] == "PartiallyFilledCanceled"
        wallet = self.venue.get_wallet_balance(accountType="UNIFIED", coin="ETH,USDT")["result"]["list"][0]
        assert [coin["coin"] for coin in wallet["coin"]] == ["ETH", "USDT"]
        assert float(wallet["coin"][0]["walletBalance"]) > 30

    def sends_batches(self) -> None:
        order = {"symbol": "ETHUSDT", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "1000"}
        both = [order | {"orderLinkId": "b1"}, order | {"orderLinkId": "b2", "qty": "0.001"}]
        answer = self.venue.place_batch_order(category="linear", request=both)  # raises nothing
        assert [code["code"] for code in answer["retExtInfo"]["list"]] == [0, 10001]
        until(lambda: self.orders(category="linear", symbol="ETHUSDT"), lambda rows: len(rows) == 1)
        told = self.venue.cancel_all_orders(category="linear", settleCoin="USDT")["result"]
        assert [row["orderLinkId"] for row in told["list"]] == ["b1"]

    def is_told_what_is_wrong(self) -> None:
        asked = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "price": "50000"}
        for change, code in (
            ({"qty": "0.01", "orderLinkId": "p1"}, 110072),
            ({"qty": "900"}, 110007),
            ({"qty": "0.01", "reduceOnly": True}, 110017),
            ({"qty": "0.0001"}, 10001),
        ):
            with pytest.raises(self.errors.InvalidRequestError) as refused:
                self.venue.place_order(**asked, **change)
            assert refused.value.status_code == code
        with pytest.raises(self.errors.FailedRequestError) as lost:
            self.venue._submit_request("GET", f"{self.venue.endpoint}/v5/nowhere", {})
        assert lost.value.status_code == 404


class CcxtSession:
    """What ccxt's users do; runs in a worker thread because it blocks."""

    def __init__(self, simulator: Simulator) -> None:
        # Not imported above: the package is large, and whoever only collects the tests need not wait for it.
        self.ccxt: Any = import_module("ccxt")
        key, secret = simulator.credentials["bybit_testnet"]
        self.venue = self.ccxt.bybit({"apiKey": key, "secret": secret, "enableRateLimit": False})
        self.venue.urls["api"] = dict.fromkeys(self.venue.urls["api"], simulator.urls["bybit_testnet"])

    def run(self) -> None:
        markets = self.venue.load_markets()
        self.reads_the_market(markets)
        self.trades()
        self.sends_batches()
        self.venue.close()

    def reads_the_market(self, markets: dict[str, Any]) -> None:
        kinds = {(m["type"], m["settle"]) for m in markets.values()}
        assert kinds >= {("spot", None), ("swap", "USDT"), ("swap", "USDC"), ("swap", "BTC")}
        assert kinds >= {("future", "USDT"), ("future", "USDC"), ("future", "BTC"), ("option", "USDT")}
        dated = next(m for m in markets.values() if m["future"] and m["settle"] == "BTC")
        assert dated["expiry"] > 1_700_000_000_000
        ticker = self.venue.fetch_ticker(PERP)
        assert ticker["bid"] < ticker["ask"]
        assert len(self.venue.fetch_ohlcv(PERP, "1m", limit=30)) == 30
        assert self.venue.fetch_funding_rate(PERP)["fundingRate"] is not None
        assert len(self.venue.fetch_funding_rate_history(PERP, limit=3)) == 3
        assert self.venue.fetch_open_interest_history(PERP, "1h", limit=2)
        assert self.venue.fetch_long_short_ratio_history(PERP, "1h", limit=2)
        chain = self.venue.fetch_option_chain("BTC")
        greeks = self.venue.fetch_greeks(next(iter(chain)))
        assert 0.0 <= abs(greeks["delta"]) <= 1.0
        assert self.venue.fetch_trading_fee(PERP)["taker"] == 0.00055

    def fetch(self, order_id: str, symbol: str = PERP) -> Any:
        try:
            return self.venue.fetch_order(order_id, symbol, {"acknowledged": True})
        except self.ccxt.OrderNotFound:
            return None

    def trades(self) -> None:
        order_id = self.venue.create_order(PERP, "limit", "buy", 0.01, 50_000)["id"]
        until(lambda: self.fetch(order_id), lambda order: order is not None and order["status"] == "open")
        self.venue.edit_order(order_id, PERP, "limit", "buy", 0.01, 50_100)
        until(lambda: self.fetch(order_id), lambda order: bool(order["price"] == 50_100))
        self.venue.cancel_order(order_id, PERP)
        until(lambda: self.fetch(order_id), lambda order: bool(order["status"] == "canceled"))
        with pytest.raises(self.ccxt.OrderNotFound):
            self.venue.cancel_order("nothing", PERP)
        with pytest.raises(self.ccxt.InsufficientFunds):
            self.venue.create_order(PERP, "limit", "buy", 900, 50_000)
        taken = self.venue.create_order(PERP, "market", "buy", 0.01)["id"]
        until(lambda: self.fetch(taken), lambda order: order is not None and order["status"] == "closed")
        assert [trade["order"] for trade in self.venue.fetch_my_trades(PERP)] == [taken]
        assert [held["contracts"] for held in self.venue.fetch_positions([PERP])] == [0.01]
        spot = self.venue.create_order("BTC/USDT", "market", "buy", 0.001)["id"]
        until(lambda: self.fetch(spot, "BTC/USDT"), lambda order: order is not None and order["status"] == "closed")
        assert self.venue.fetch_balance()["BTC"]["total"] > 2.0
        assert self.venue.fetch_ledger("USDT")

    def sends_batches(self) -> None:
        order = {"symbol": PERP, "type": "limit", "side": "buy", "amount": 0.01}
        good, bad = self.venue.create_orders([order | {"price": 50_000}, order | {"price": 900_000}])
        assert (good["status"], bad["status"]) == (None, "rejected")
        until(lambda: self.venue.fetch_open_orders(PERP), lambda orders: len(orders) == 1)
        assert [o["id"] for o in self.venue.cancel_all_orders(PERP)] == [good["id"]]


async def test_pybit_trades_on_the_simulator() -> None:
    async with run_simulator(SimulatorConfig(), SystemClock()) as simulator:
        await anyio.to_thread.run_sync(lambda: PybitSession(simulator).run())


async def test_ccxt_trades_on_the_simulator() -> None:
    async with run_simulator(SimulatorConfig(), SystemClock()) as simulator:
        await anyio.to_thread.run_sync(lambda: CcxtSession(simulator).run())
