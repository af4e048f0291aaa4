"""P10: a whole daemon does all its work, and nothing of ours holds its event loop on the way."""

import urllib.error
import urllib.request

import anyio
import anyio.to_thread
import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import connected, raw_connection

ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "type": "limit", "price": "1000"}


@pytest.mark.promise("P10")
async def test_a_day_of_work_never_holds_the_loop(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(module="tests.support.guarded")
    async with connected(daemon) as client:
        placed = await client.call("deribit.place_order", {**ORDER, "intent": "guarded-1"})
        assert placed["outcome"] == "confirmed", placed
        again = await client.call("deribit.place_order", {**ORDER, "intent": "guarded-1"})
        assert again["order"]["order_id"] == placed["order"]["order_id"]
        order_id = placed["order"]["order_id"]
        await client.call("deribit.edit_order", {"order_id": order_id, "price": "1001", "intent": "guarded-2"})
        await client.call("deribit.cancel_order", {"order_id": order_id, "intent": "guarded-3"})
        await client.call("deribit.cancel_all_orders", {"intent": "guarded-4"})
        await client.call("orders.check", {"method": "deribit.place_order", "params": {**ORDER, "intent": "c"}})
        await client.call("orders.get_outcome", {"intent": "guarded-1"})
        for method, params in READS.items():
            await client.call(method, params)
        await client.call("admin.halt", {"reason": "the end of the day"})
        denied = await client.call("deribit.place_order", {**ORDER, "intent": "guarded-5"})
        assert denied["outcome"] == "denied"
    async with raw_connection(daemon) as connection:
        for odd in ("{", "[]", '[{"jsonrpc":"2.0","id":1,"method":"session.ping"}]', '{"jsonrpc":"2.0","id":{}}'):
            await connection.send(odd)
            await connection.recv()
    for path in ("/health", "/health/ready", "/metrics", "/admin/audit?limit=5", "/nothing"):
        await anyio.to_thread.run_sync(fetch, daemon.http_url + path, daemon.token)
    worst = fetch(daemon.http_url + "/metrics", daemon.token)
    assert "cerberod_loop_lag_seconds_count" in worst


READS: dict[str, dict[str, object]] = {
    "session.ping": {},
    "session.whoami": {},
    "admin.get_status": {},
    "admin.query_audit": {"limit": 10},
    "orders.list_unresolved": {},
    "rpc.discover": {},
    "deribit.get_ticker": {"instrument_name": "BTC-PERPETUAL"},
    "deribit.get_orderbook": {"instrument_name": "BTC-PERPETUAL", "depth": 5},
    "deribit.get_instruments": {"currency": "BTC"},
    "deribit.get_expirations": {"currency": "BTC"},
    "deribit.get_index_price": {"index_name": "btc_usd"},
    "deribit.get_account_summary": {"currency": "BTC"},
    "deribit.get_positions": {"currency": "BTC"},
    "deribit.get_open_orders": {"currency": "BTC"},
}


def fetch(url: str, token: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())
