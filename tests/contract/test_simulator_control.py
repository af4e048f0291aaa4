"""The simulator's control path: what it saw, and how a test makes the world move."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from cerberod.simulator import Simulator
from tests.contract.raw_deribit import Json, RawDeribit


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def ask(http: aiohttp.ClientSession, url: str, expect: int = 200) -> Json:
    async with http.get(url) as answer:
        assert answer.status == expect
        body: Json = await answer.json()
        return body


async def post(http: aiohttp.ClientSession, url: str, expect: int = 200, **body: Any) -> Json:
    async with http.post(url, json=body) as answer:
        assert answer.status == expect, await answer.text()
        found: Json = await answer.json()
        return found


async def test_received_counts_every_request_even_refused_ones(
    simulator: Simulator, http: aiohttp.ClientSession, trader: RawDeribit
) -> None:
    order = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 50_000, "label": "one"}
    await trader.result("private/buy", **order)
    await trader.error("private/buy", **(order | {"price": 50_000.1}))
    url = simulator.urls["control"] + "/received?method=private/buy"
    seen = await ask(http, url)
    assert seen["deribit_testnet"]["count"] == 2
    assert [r["params"]["price"] for r in seen["deribit_testnet"]["requests"]] == [50_000, 50_000.1]
    assert seen["deribit_live"]["count"] == 0
    only = await ask(http, simulator.urls["control"] + "/received?environment=deribit_testnet")
    assert set(only) == {"deribit_testnet"}
    assert only["deribit_testnet"]["counts"] == {"public/auth": 1, "private/buy": 2}
    assert simulator.credentials["deribit_testnet"][1] not in str(only)


async def test_orders_tells_everything_the_venue_holds(
    simulator: Simulator, http: aiohttp.ClientSession, trader: RawDeribit
) -> None:
    placed = await trader.result("private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="market")
    known = await ask(http, simulator.urls["control"] + "/orders?environment=deribit_testnet")
    assert known == {"deribit_testnet": {"orders": [placed["order"]], "trades": placed["trades"]}}


async def test_the_market_moves_by_factor_and_time(
    simulator: Simulator, http: aiohttp.ClientSession, trader: RawDeribit
) -> None:
    control = simulator.urls["control"]
    before = (await ask(http, control + "/state"))["index_prices"]
    moved = await post(http, control + "/market", asset="BTC", factor=1.1)
    assert moved["index_prices"]["BTC"] == pytest.approx(before["BTC"] * 1.1, abs=0.02)
    assert moved["index_prices"]["ETH"] == before["ETH"]
    first = await trader.result("public/get_time")
    await post(http, control + "/market", advance_s=3_600)
    assert await trader.result("public/get_time") == first + 3_600_000


async def test_all_moves_together_are_bounded(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    url = simulator.urls["control"] + "/market"
    await post(http, url, asset="ETH", factor=50)
    assert "together" in (await post(http, url, expect=400, asset="ETH", factor=3))["error"]
    assert "together" in (await post(http, url, expect=400, factor=3))["error"]
    await post(http, url, asset="ETH", factor=0.02)


async def test_drop_cuts_the_sockets_now(simulator: Simulator, http: aiohttp.ClientSession, trader: RawDeribit) -> None:
    control = simulator.urls["control"]
    connections = {"deribit_testnet": 1, "deribit_live": 0, "bybit_testnet": 0, "bybit_live": 0}
    assert (await ask(http, control + "/state"))["connections"] == connections
    assert await post(http, control + "/drop", environment="deribit_live") == {"dropped": 0}
    assert await post(http, control + "/drop", environment="deribit_testnet") == {"dropped": 1}
    message = await trader.socket.receive(timeout=10)
    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_reset_starts_the_world_again(
    simulator: Simulator, http: aiohttp.ClientSession, trader: RawDeribit
) -> None:
    control = simulator.urls["control"]
    before = await ask(http, control + "/state")
    await trader.result("private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="market")
    await post(http, control + "/market", factor=2, advance_s=60)
    await post(http, control + "/reset")
    assert await ask(http, control + "/orders?environment=deribit_testnet") == {
        "deribit_testnet": {"orders": [], "trades": []}
    }
    assert (await ask(http, control + "/received"))["deribit_testnet"]["count"] == 0
    assert await ask(http, control + "/state") == before
    assert (await trader.error("private/get_open_orders"))["code"] == 13009
    await trader.log_in(simulator.credentials["deribit_testnet"])
    assert (await trader.result("private/get_account_summary", currency="BTC"))["equity"] == 10.0


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/market", {"asset": "DOGE", "factor": 2}, "asset must be one of"),
        ("/market", {"factor": 0}, "factor must be a number from"),
        ("/market", {"factor": True}, "factor must be a number from"),
        ("/market", {"speed": 2}, "unknown field speed"),
        ("/market", {}, "name what to move"),
        ("/market", {"run": False}, "run must be true"),
        ("/drop", {"environment": "mars"}, "environment must be one of"),
        ("/reset", {"now": 1}, "unknown field now"),
    ],
)
async def test_a_bad_command_is_told_what_is_wrong(
    simulator: Simulator, http: aiohttp.ClientSession, path: str, body: Json, words: str
) -> None:
    answer = await post(http, simulator.urls["control"] + path, expect=400, **body)
    assert words in answer["error"]


async def test_a_body_that_is_not_an_object_is_refused(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    for raw_body in (b"{", b"[]"):
        async with http.post(simulator.urls["control"] + "/market", data=raw_body) as answer:
            assert answer.status == 400
    assert "environment" in (await ask(http, simulator.urls["control"] + "/orders?environment=x", expect=400))["error"]
