"""A bare client of Bybit's wire for contract tests: it signs by the documents and knows nothing of the daemon."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from cerberod.simulator import Simulator
from tests.support.clock import ManualClock

Json = dict[str, Any]
WINDOW = "5000"


def sign(secret: str, text: str) -> str:
    """Sign as section "Authentication" of the venue's guide says."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class RawBybit:
    """One environment's user, whose clock is the simulator's. `settle` lets accepted orders take effect."""

    def __init__(self, http: aiohttp.ClientSession, simulator: Simulator, environment: str, clock: ManualClock) -> None:
        self.http = http
        self.url, self.control = simulator.urls[environment], simulator.urls["control"]
        self.key, self.secret = simulator.credentials[environment]
        self.clock = clock
        self.headers: dict[str, str] = {}
        """Of the last answer."""
        self.status = 0

    def settle(self, ms: int = 5) -> None:
        """Let what was acknowledged take effect."""
        self.clock.advance(milliseconds=ms)

    def rest(self) -> None:
        """Let the rate limits of the last second pass."""
        self.clock.advance(seconds=1.1)

    def signed(self, payload: str, stamp: int | None = None, window: str = WINDOW) -> dict[str, str]:
        """Return the headers of a signed request."""
        text = str(self.clock.now_ms() if stamp is None else stamp)
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": text,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": sign(self.secret, text + self.key + window + payload),
        }

    async def send(self, method: str, target: str, body: bytes | None = None, headers: Any = None) -> bytes:
        """Send exactly this, and return the body that comes back."""
        url = f"{self.url}{target}"
        async with self.http.request(method, URL(url, encoded=True), data=body, headers=headers or {}) as answer:
            self.headers, self.status = dict(answer.headers), answer.status
            return await answer.read()

    async def public(self, path: str, **params: Any) -> Json:
        """Ask without a key, and return the envelope."""
        query = urlencode(params)
        found: Json = orjson.loads(await self.send("GET", f"{path}?{query}" if query else path))
        return found

    async def get(self, path: str, **params: Any) -> Json:
        """Ask signed, and return the envelope."""
        query = urlencode(params)
        target = f"{path}?{query}" if query else path
        found: Json = orjson.loads(await self.send("GET", target, headers=self.signed(query)))
        return found

    async def post(self, path: str, **params: Any) -> Json:
        """Write signed, and return the envelope."""
        body = orjson.dumps(params)
        headers = self.signed(body.decode()) | {"Content-Type": "application/json"}
        found: Json = orjson.loads(await self.send("POST", path, body, headers))
        return found

    async def result(self, path: str, **params: Any) -> Any:
        """Ask what must succeed, signed, and return its result."""
        answer = await self.get(path, **params)
        assert answer["retCode"] == 0, answer
        return answer["result"]

    async def rows(self, path: str, **params: Any) -> list[Any]:
        """Ask for a list that must come."""
        found: list[Any] = (await self.result(path, **params))["list"]
        return found

    async def done(self, path: str, **params: Any) -> Any:
        """Write what must be accepted, and return its result."""
        answer = await self.post(path, **params)
        assert answer["retCode"] == 0, answer
        return answer["result"]

    async def refused(self, path: str, **params: Any) -> int:
        """Write what must be refused, and return the code."""
        answer = await self.post(path, **params)
        assert answer["retCode"] != 0, answer
        code: int = answer["retCode"]
        return code

    async def order(self, **params: Any) -> Json:
        """Place an order that must be accepted, let it take effect, and return its row."""
        placed = await self.done("/v5/order/create", **params)
        self.settle()
        return await self.find(params["category"], placed["orderId"])

    async def find(self, category: str, order_id: str) -> Json:
        """Return an order's row."""
        (row,) = await self.rows("/v5/order/realtime", category=category, orderId=order_id)
        found: Json = row
        return found


@asynccontextmanager
async def connected(
    simulator: Simulator, clock: ManualClock, environment: str = "bybit_testnet"
) -> AsyncIterator[RawBybit]:
    """Open a client of one environment."""
    async with aiohttp.ClientSession() as http:
        yield RawBybit(http, simulator, environment, clock)
