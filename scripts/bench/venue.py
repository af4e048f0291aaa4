"""A Deribit that answers at once and always the same: what a call costs the daemon, without a venue's own time.

It knows the few methods the benchmark uses, grants every login, allows any number of requests, and takes every order.
"""

import sys
import time
from contextlib import suppress
from typing import Any

import anyio
import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from scripts.bench.chain import rows

INSTRUMENT = "BTC-PERPETUAL"
_HEARTBEAT_S = 5
_FAST = {"burst": 1_000_000, "rate": 1_000_000}
_MARGINS = dict.fromkeys(
    (
        "balance",
        "equity",
        "margin_balance",
        "available_funds",
        "available_withdrawal_funds",
        "initial_margin",
        "maintenance_margin",
    ),
    1.0,
)
_ANSWERS: dict[str, Any] = {
    "public/set_heartbeat": "ok",
    "public/test": {"version": "1.2.26"},
    "public/auth": {
        "access_token": "access",
        "refresh_token": "refresh",
        "expires_in": 86_400,
        "scope": "account:read connection mainaccount trade:read_write",
        "token_type": "bearer",
    },
    "public/get_book_summary_by_currency": rows(),
    "public/get_index_price": {"index_price": 61_234.56, "estimated_delivery_price": 61_230.11},
    "public/get_instrument": {
        "instrument_name": INSTRUMENT,
        "kind": "future",
        "state": "open",
        "is_active": True,
        "base_currency": "BTC",
        "quote_currency": "USD",
        "counter_currency": "USD",
        "settlement_currency": "BTC",
        "settlement_period": "perpetual",
        "instrument_type": "reversed",
        "price_index": "btc_usd",
        "creation_timestamp": 1_534_167_754_000,
        "expiration_timestamp": 32_503_708_800_000,
        "tick_size": 0.5,
        "tick_size_steps": [],
        "min_trade_amount": 10.0,
        "contract_size": 10.0,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "max_leverage": 50,
    },
    "private/get_account_summary": {
        "currency": "BTC",
        **_MARGINS,
        "limits": {
            "non_matching_engine": _FAST,
            "matching_engine": {"trading": {"total": _FAST}, "cancel_all": _FAST},
        },
    },
}


def _placed(params: dict[str, Any]) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    order = {
        "order_id": "104819327443",
        "order_state": "open",
        "order_type": "limit",
        "instrument_name": params["instrument_name"],
        "direction": "buy",
        "time_in_force": "good_til_cancelled",
        "price": params["price"],
        "amount": params["amount"],
        "contracts": 1.0,
        "filled_amount": 0.0,
        "average_price": 0.0,
        "label": params["label"],
        "post_only": params["post_only"],
        "reject_post_only": params["reject_post_only"],
        "reduce_only": False,
        "replaced": False,
        "creation_timestamp": now_ms,
        "last_update_timestamp": now_ms,
        "api": True,
        "web": False,
        "mmp": False,
        "user_id": 96103,
    }
    return {"order": order, "trades": []}


async def _heartbeats(connection: ServerConnection) -> None:
    """Show life, or the daemon takes the connection for dead."""
    with suppress(ConnectionClosed):
        while True:
            await connection.send(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}', text=True)
            await anyio.sleep(_HEARTBEAT_S)


async def _serve(connection: ServerConnection) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_heartbeats, connection)
        await _answer(connection)
        group.cancel_scope.cancel()


async def _answer(connection: ServerConnection) -> None:
    try:
        while True:
            message = orjson.loads(await connection.recv(decode=False))
            method = message["method"]
            us = time.time_ns() // 1000
            result = _placed(message["params"]) if method == "private/buy" else _ANSWERS[method]
            body = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            body |= {"usIn": us, "usOut": us, "usDiff": 0, "testnet": True}
            await connection.send(orjson.dumps(body), text=True)
    except ConnectionClosed:
        pass


async def main() -> None:
    async with serve(_serve, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        sys.stderr.buffer.write(orjson.dumps({"event": "ready", "port": port}) + b"\n")
        sys.stderr.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, backend_options={"use_uvloop": True})
