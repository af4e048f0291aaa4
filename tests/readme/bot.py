"""Buys once, whatever happens on the way. Needs `pip install websockets`, CERBEROD_URL and CERBEROD_TOKEN."""

import asyncio
import itertools
import json
import os
import sys
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

HEADERS = {"Authorization": f"Bearer {os.environ['CERBEROD_TOKEN']}", "X-Bot-Tag": "buyer"}
ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "type": "limit", "amount": "10", "price": "20000"}
INTENT = "buy-2026-08-22"  # one decision, one intent: keep it where a restart of the bot finds it again
COME_BACK = {-32003, -32004, -32009, -32012, -32021, -32024, -32027}  # nothing was sent; it may work later


class CallFailed(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['message']} ({error['code']}) {error.get('data', {})}")
        self.code = error["code"]


class Session:
    """Calls over one connection, one at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == number:  # anything else is a notification, such as orders.resolved
                if "error" in message:
                    raise CallFailed(message["error"])
                return dict(message["result"])


async def buy(session: Session) -> dict[str, Any]:
    """Place the order, or learn what became of it; return how it ended."""
    me = await session.call("session.whoami")
    if me["environment"] != "testnet":
        sys.exit(f"this bot is for testnet, and the token is for {me['environment']}")
    while True:
        known = await session.call("orders.get_outcome", intent=INTENT)
        if known["resolved"]:
            return dict(known["result"])
        if not known["known"]:  # never used, or nothing of it left the daemon
            placed = await session.call("deribit.place_order", **ORDER, intent=INTENT)
            if placed["outcome"] != "unknown":
                return placed
        print("no answer from the venue yet; the daemon is finding out", flush=True)
        await asyncio.sleep(1)


async def whatever_happens() -> dict[str, Any]:
    """Come back until the order has ended one way or the other."""
    while True:
        try:
            async with connect(os.environ["CERBEROD_URL"], additional_headers=HEADERS) as socket:
                return await buy(Session(socket))
        except InvalidStatus as refused:
            if refused.response.status_code != 503:  # 400 and 401 do not mend themselves
                sys.exit(f"not let in: {(refused.response.body or b'').decode()}")
        except CallFailed as failed:
            if failed.code not in COME_BACK:
                sys.exit(str(failed))
        except (OSError, ConnectionClosed):
            print("no connection; the same intent is asked for again", flush=True)
        await asyncio.sleep(1)


def tell(ended: dict[str, Any]) -> None:
    match ended["outcome"]:
        case "confirmed":
            print(f"the venue took the order; its label there is {ended['client_order_id']}")
        case "rejected":  # the intent is used up: another try takes a new one
            sys.exit(f"the venue refused: {ended['reasons']}")
        case "denied":  # nothing was sent: correct the order and use the same intent
            sys.exit(f"the daemon refused: {ended['reasons']}")


if __name__ == "__main__":
    tell(asyncio.run(whatever_happens()))
