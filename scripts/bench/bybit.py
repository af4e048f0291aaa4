"""A Bybit that answers every signed request at once and always the same: what a read costs whoever asks.

It reads no signature: what signing costs is the asker's, and whether it is right is tested elsewhere.
"""

import asyncio
import sys
import time
from typing import cast

import anyio
import orjson

ORDER = {
    "symbol": "BTCUSDT",
    "orderId": "3606515b-e4d7-4ea4-b096-bb247d0661ae",
    "orderLinkId": "cb-bench",
    "orderStatus": "New",
    "orderType": "Limit",
    "side": "Buy",
    "price": "52000.10",
    "qty": "0.001",
    "cumExecQty": "0",
    "leavesQty": "0.001",
    "avgPrice": "",
    "timeInForce": "GTC",
    "createdTime": "1758189775648",
    "updatedTime": "1758189775651",
}
_RESULT = orjson.dumps({"category": "linear", "nextPageCursor": "", "list": [ORDER] * 5})
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Bapi-Limit: 99999\r\nX-Bapi-Limit-Status: 99998\r\n"
    b"X-Bapi-Limit-Reset-Timestamp: %d\r\nContent-Length: %d\r\n\r\n%b"
)


class _Answering(asyncio.Protocol):
    """One connection. A request ends with its head: nobody here posts."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for _ in heads:
            now_ms = time.time_ns() // 1_000_000
            body = b'{"retCode":0,"retMsg":"OK","result":%b,"retExtInfo":{},"time":%d}' % (_RESULT, now_ms)
            self._transport.write(_HEAD % (now_ms, len(body), body))


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stderr.buffer.write(orjson.dumps({"event": "ready", "port": port}) + b"\n")
    sys.stderr.flush()
    await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
