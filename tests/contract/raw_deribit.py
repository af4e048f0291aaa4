"""A bare client of Deribit's wire for contract tests: it knows JSON-RPC frames and nothing of the daemon's code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import orjson

Json = dict[str, Any]


class RawDeribit:
    """One WebSocket. Notifications that come between answers are kept in `notifications`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.notifications: list[Json] = []
        self._ids = count(1)

    async def call(self, method: str, **params: Any) -> Json:
        """Call and return the whole envelope."""
        request_id = next(self._ids)
        await self.send(orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).decode())
        while True:
            frame = await self.receive()
            if frame.get("id") == request_id:
                return frame
            self.notifications.append(frame)

    async def result(self, method: str, **params: Any) -> Any:
        """Call, and return the result of what must succeed."""
        answer = await self.call(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, **params: Any) -> Json:
        """Call, and return the error of what must be refused."""
        answer = await self.call(method, **params)
        assert "error" in answer, answer
        error: Json = answer["error"]
        return error

    async def send(self, text: str) -> None:
        await self.socket.send_str(text)

    async def receive(self) -> Json:
        """Return the next frame."""
        message = await self.socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: Json = orjson.loads(message.data)
        return frame

    async def closed(self) -> bool:
        """Read until the server has closed."""
        while True:
            message = await self.socket.receive(timeout=10)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)
            self.notifications.append(orjson.loads(message.data))

    async def log_in(self, credentials: tuple[str, str], **more: Any) -> Json:
        result: Json = await self.result(
            "public/auth",
            grant_type="client_credentials",
            client_id=credentials[0],
            client_secret=credentials[1],
            **more,
        )
        return result


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RawDeribit]:
    """Open a WebSocket."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
        yield RawDeribit(socket)


def chain_row(name: str, **changes: Any) -> Json:
    """Return one row of a book summary as the venue writes it in 2026."""
    row: Json = {
        "high": None,
        "low": None,
        "last": None,
        "instrument_name": name,
        "bid_price": 0.043,
        "ask_price": 0.045,
        "open_interest": 653.0,
        "mark_price": 0.04395528,
        "interest_rate": 0.0,
        "creation_timestamp": 1_787_370_645_199,
        "estimated_delivery_price": 78_617.31,
        "price_change": None,
        "volume": 4.2,
        "mark_iv": 41.21,
        "underlying_price": 78_899.98,
        "underlying_index": "BTC-25SEP26",
        "base_currency": "BTC",
        "quote_currency": "BTC",
        "volume_usd": 30_948.29,
        "mid_price": 0.044,
    }
    return row | changes
