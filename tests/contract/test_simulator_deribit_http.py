"""The simulated Deribit over HTTP: queries, bodies, and the three ways to say who is calling."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from cerberod.simulator import Simulator
from tests.contract.raw_deribit import Json
from tests.support.clock import ManualClock


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(http: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None) -> tuple[int, Json]:
    async with http.get(url, headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read())


async def test_a_get_query_is_answered_without_id(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    base = simulator.urls["deribit_testnet_http"]
    status, body = await get(http, f"{base}/public/get_order_book?instrument_name=BTC-PERPETUAL&depth=5")
    assert status == 200
    assert set(body) == {"jsonrpc", "result", "usIn", "usOut", "usDiff", "testnet"}
    assert len(body["result"]["bids"]) == 5


async def test_a_post_echoes_its_id_and_a_get_may_carry_a_body(
    simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    base = simulator.urls["deribit_live_http"]
    call = {"jsonrpc": "2.0", "id": 5, "method": "public/test", "params": {}}
    for method, url in (("POST", base + "/public/test"), ("POST", base), ("GET", base + "/public/test")):
        async with http.request(method, url, json=call) as answer:
            body = orjson.loads(await answer.read())
        assert (body["id"], body["result"], body["testnet"]) == (5, {"version": "1.2.26"}, False)


async def test_errors_have_status_400(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    base = simulator.urls["deribit_testnet_http"]
    for path, code in (
        ("/public/ticker?instrument_name=not+a+name", -32602),
        ("/public/get_instruments?currency=BTC&expired=maybe", -32602),
        ("/public/nope", -32601),
        ("/private/get_open_orders", 13009),
        ("/public/set_heartbeat?interval=10", 10030),
        ("/public/auth?grant_type=client_credentials&client_id=a&client_secret=b", 13004),
    ):
        status, body = await get(http, base + path)
        assert (status, body["error"]["code"]) == (400, code), path
        assert "id" not in body
    async with http.post(base + "/public/test", data=b"x" * 33_000) as answer:
        assert orjson.loads(await answer.read())["error"]["message"] == "request entity too large"
    async with http.put(base + "/public/test") as answer:
        assert answer.status == 400


async def test_bearer_basic_and_signed_headers(
    clock: ManualClock, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    base = simulator.urls["deribit_testnet_http"]
    client_id, secret = simulator.credentials["deribit_testnet"]
    query = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}"
    _, granted = await get(http, f"{base}/public/auth?{query}")
    bearer = {"Authorization": f"bearer {granted['result']['access_token']}"}
    basic = {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
    path = "/api/v2/private/get_account_summary?currency=BTC"
    stamp = clock.now_ms()
    text = f"{stamp}\nabc\nGET\n{path}\n\n"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    signed = {"Authorization": f"deri-hmac-sha256 id={client_id},ts={stamp},sig={signature},nonce=abc"}
    for headers in (bearer, basic, signed):
        status, body = await get(http, base.removesuffix("/api/v2") + path, headers)
        assert (status, body["result"]["currency"]) == (200, "BTC")
    for headers in (
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic !!!"},
        {"Authorization": signed["Authorization"].replace("abc", "abd")},
        {"Authorization": "Digest x"},
    ):
        status, body = await get(http, base.removesuffix("/api/v2") + path, headers)
        assert status == 400
        assert body["error"]["code"] in (13004, 13009)


async def test_orders_over_http(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    base = simulator.urls["deribit_testnet_http"]
    client_id, secret = simulator.credentials["deribit_testnet"]
    basic = {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}
    status, body = await get(
        http, f"{base}/private/buy?instrument_name=BTC-PERPETUAL&amount=10&price=50000.5&post_only=true", basic
    )
    assert status == 200
    assert (body["result"]["order"]["price"], body["result"]["order"]["post_only"]) == (50_000.5, True)
    _, found = await get(http, f"{base}/private/get_open_orders", basic)
    assert found["result"] == [body["result"]["order"]]


async def test_a_stale_signature_is_refused_on_both_clocks(
    clock: ManualClock, simulator: Simulator, http: aiohttp.ClientSession
) -> None:
    """The market may stand in the past; a signature may be stamped with either clock, and with no third one."""
    client_id, secret = simulator.credentials["deribit_testnet"]
    control = simulator.urls["control"]
    base = simulator.urls["deribit_testnet_http"]
    past_ms = clock.now_ms() - 50 * 86_400_000
    async with http.post(control + "/market", json={"time_ms": past_ms}) as answer:
        assert answer.status == 200
    for stamp, accepted in ((clock.now_ms(), True), (past_ms, True), (past_ms + 600_000, False)):
        signature = hmac.new(secret.encode(), f"{stamp}\nn\n".encode(), hashlib.sha256).hexdigest()
        query = f"grant_type=client_signature&client_id={client_id}&timestamp={stamp}&nonce=n&signature={signature}"
        _, body = await get(http, f"{base}/public/auth?{query}")
        assert ("result" in body) is accepted
