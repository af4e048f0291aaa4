"""Answers frames without reading them: shows how many calls the load generator itself can drive.

It only counts whole frames; every answer is the same bytes, made beforehand.
"""

import asyncio
import sys
from typing import cast

import anyio
import orjson

_ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
_RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"server_time":"2026-01-01T00:00:00.000000Z"}}'
_ANSWER = bytes([0x81, len(_RESULT)]) + _RESULT


class Answering(asyncio.Protocol):
    """One connection; the load generator never has more than one call in flight on it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open = False

    def data_received(self, data: bytes) -> None:
        self._transport.write(_ANSWER if self._open else _ACCEPTED)
        self._open = True


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    sys.stderr.buffer.write(orjson.dumps({"event": "ready", "port": server.sockets[0].getsockname()[1]}) + b"\n")
    sys.stderr.flush()
    await server.serve_forever()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
