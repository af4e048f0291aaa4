"""A bare `websockets` server: it parses each call with orjson and answers, and does nothing else at all.

No token, no tag, no validation, no log, no deadline. What the daemon needs beyond this is its own cost.
"""

import sys
from datetime import UTC, datetime

import anyio
import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def echo(connection: ServerConnection) -> None:
    """Answer every call of a connection with the time."""
    try:
        while True:
            # Bytes, not text: it saves decoding what orjson reads as it is.
            call = orjson.loads(await connection.recv(decode=False))
            result = {"server_time": datetime.now(UTC)}  # noqa: TID251 - a rival has no clock of ours
            await connection.send(orjson.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}), text=True)
    except ConnectionClosed:
        pass


async def main() -> None:
    async with serve(echo, "127.0.0.1", 0, compression=None, server_header=None) as server:
        port = server.sockets[0].getsockname()[1]
        sys.stderr.buffer.write(orjson.dumps({"event": "ready", "port": port}) + b"\n")
        sys.stderr.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
