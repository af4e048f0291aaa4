"""The simulated Deribit over real sockets: logins, envelopes, refusals, heartbeat, rate limit."""

import asyncio
import hashlib
import hmac
import socket

import aiohttp
import anyio
import orjson
import pytest

from cerberod.simulator import Simulator, SimulatorConfig, run_simulator
from cerberod.simulator.deribit.auth import sign
from tests.contract.raw_deribit import Json, RawDeribit, connected
from tests.support.clock import ManualClock


def signed(simulator: Simulator, stamp: int, nonce: str = "n", data: str = "", secret: str | None = None) -> Json:
    client_id, own_secret = simulator.credentials["deribit_testnet"]
    text = f"{stamp}\n{nonce}\n{data}".encode()
    signature = hmac.new((secret or own_secret).encode(), text, hashlib.sha256).hexdigest()
    more = {"data": data} if data else {}
    return {
        "grant_type": "client_signature",
        "client_id": client_id,
        "timestamp": stamp,
        "nonce": nonce,
        "signature": signature,
        **more,
    }


# Envelope


async def test_an_answer_carries_id_times_and_environment(simulator: Simulator, raw: RawDeribit) -> None:
    await raw.send('{"jsonrpc":"2.0","id":"text id","method":"public/test"}')
    answer = await raw.receive()
    assert set(answer) == {"jsonrpc", "id", "result", "usIn", "usOut", "usDiff", "testnet"}
    assert answer["id"] == "text id"
    assert answer["result"] == {"version": "1.2.26"}
    assert answer["testnet"] is True
    assert answer["usDiff"] == answer["usOut"] - answer["usIn"] >= 0
    async with connected(simulator.urls["deribit_live"]) as live:
        assert (await live.call("public/test"))["testnet"] is False


async def test_refusals_name_parameter_and_reason(raw: RawDeribit) -> None:
    cases: list[tuple[str, Json, str, str]] = [
        ("public/get_instruments", {"currency": "BTC", "kind": "bogus"}, "kind", "invalid value"),
        ("public/get_instruments", {"currency": "btc"}, "currency", "invalid currency"),
        ("public/ticker", {"instrument_name": "what is this"}, "instrument_name", "wrong format"),
        ("public/ticker", {"instrument_name": "BTC-1JAN20-1000-C"}, "instrument_name", "instrument not found"),
        ("public/ticker", {}, "instrument_name", "value required"),
        ("public/ticker", {"instrument_name": 5}, "instrument_name", "wrong format"),
        ("public/set_heartbeat", {"interval": 5}, "interval", "value must be >= 10"),
        ("public/get_order_book", {"instrument_name": "BTC-PERPETUAL", "depth": 7}, "depth", "invalid value"),
        ("public/get_index_price", {"index_name": "gold"}, "index_name", "invalid value"),
    ]
    for method, params, param, reason in cases:
        error = await raw.error(method, **params)
        assert error == {"code": -32602, "message": "Invalid params", "data": {"reason": reason, "param": param}}


async def test_unknown_method_garbage_and_oversize_keep_the_connection(raw: RawDeribit) -> None:
    assert await raw.error("public/nope") == {"code": -32601, "message": "Method not found"}
    for text, code in (("{", -32700), ("[]", -32600), ('{"id":1}', -32600), ('{"id":true,"method":"x"}', -32600)):
        await raw.send(text)
        answer = await raw.receive()
        assert answer["error"]["code"] == code
        assert answer.get("id") == (1 if text.startswith('{"id":1') else None)
    await raw.send('{"id":1,"method":"public/test","params":{"expected_result":"' + "x" * 33_000 + '"}}')
    assert (await raw.receive())["error"] == {"code": -32600, "message": "request entity too large"}
    assert await raw.result("public/test") == {"version": "1.2.26"}


async def test_public_test_can_be_asked_to_fail(raw: RawDeribit) -> None:
    assert (await raw.error("public/test", expected_result="exception"))["code"] == 11094


# Logins


def test_golden_signature() -> None:
    """The venue's documented example, recomputed for the fact sheet."""
    golden = "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"
    assert sign("AMANDASECRECT", "1576074319000", "1iqt2wls", "") == golden


async def test_client_credentials_open_the_connection_until_they_expire(
    clock: ManualClock, simulator: Simulator, raw: RawDeribit
) -> None:
    error = await raw.error("private/get_open_orders")
    assert error == {"code": 13009, "message": "unauthorized", "data": {"reason": "invalid_token"}}
    granted = await raw.log_in(simulator.credentials["deribit_testnet"], state="mine")
    assert granted["token_type"] == "bearer"
    assert granted["state"] == "mine"
    assert "trade:read_write" in granted["scope"].split()
    assert {"access_token", "refresh_token", "expires_in", "sid", "enabled_features"} <= set(granted)
    assert await raw.result("private/get_open_orders") == []
    clock.advance(seconds=granted["expires_in"])
    assert (await raw.error("private/get_open_orders"))["code"] == 13009


async def test_wrong_credentials_are_13004(simulator: Simulator, raw: RawDeribit) -> None:
    client_id, secret = simulator.credentials["deribit_testnet"]
    for wrong in ((client_id, secret + "x"), ("nobody", secret), simulator.credentials["deribit_live"]):
        error = await raw.error(
            "public/auth", grant_type="client_credentials", client_id=wrong[0], client_secret=wrong[1]
        )
        assert error == {"code": 13004, "message": "invalid_credentials"}


async def test_a_signature_is_checked_for_real(clock: ManualClock, simulator: Simulator, raw: RawDeribit) -> None:
    now_ms = clock.now_ms()
    for bad in (
        signed(simulator, now_ms, secret="another"),
        signed(simulator, now_ms) | {"nonce": "m"},
        signed(simulator, now_ms, data="a") | {"data": "b"},
        signed(simulator, now_ms) | {"timestamp": now_ms + 1},
        signed(simulator, now_ms - 60_001),
        signed(simulator, now_ms + 60_001),
    ):
        assert (await raw.error("public/auth", **bad))["code"] == 13009
    await raw.result("public/auth", **signed(simulator, now_ms - 59_000, data="any"))
    assert await raw.result("private/get_open_orders") == []


async def test_refresh_gives_a_new_pair_and_kills_the_old(simulator: Simulator, raw: RawDeribit) -> None:
    first = await raw.log_in(simulator.credentials["deribit_testnet"], scope="session:bot expires:100 trade:read")
    assert first["expires_in"] == 100
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = await raw.result("public/auth", **refresh)
    assert second["access_token"] != first["access_token"]
    assert "trade:read" in second["scope"].split()
    assert (await raw.error("public/auth", **refresh))["code"] == 13009
    assert (await raw.error("private/get_open_orders", access_token=first["access_token"]))["code"] == 13009
    assert await raw.result("private/get_open_orders") == []


async def test_scope_narrows_and_is_enforced(simulator: Simulator, raw: RawDeribit) -> None:
    granted = await raw.log_in(simulator.credentials["deribit_testnet"], scope="connection trade:read account:none")
    assert "trade:read_write" not in granted["scope"].split()
    assert await raw.result("private/get_open_orders") == []
    assert (await raw.error("private/cancel_all"))["code"] == 13009
    assert (await raw.error("private/get_account_summary", currency="BTC"))["code"] == 13009


async def test_a_connection_token_is_good_on_its_own_connection_only(simulator: Simulator, raw: RawDeribit) -> None:
    granted = await raw.log_in(simulator.credentials["deribit_testnet"])
    session = await raw.log_in(simulator.credentials["deribit_testnet"], scope="session:s")
    async with connected(simulator.urls["deribit_testnet"]) as other:
        assert (await other.error("private/get_open_orders", access_token=granted["access_token"]))["code"] == 13009
        assert await other.result("private/get_open_orders", access_token=session["access_token"]) == []


async def test_logout_is_not_answered_and_ends_the_connection(simulator: Simulator, raw: RawDeribit) -> None:
    await raw.log_in(simulator.credentials["deribit_testnet"])
    await raw.send('{"jsonrpc":"2.0","id":99,"method":"private/logout","params":{}}')
    assert await raw.closed()
    assert raw.notifications == []


# Heartbeat


async def test_a_heartbeat_asks_and_is_content_with_public_test(clock: ManualClock, raw: RawDeribit) -> None:
    assert await raw.result("public/set_heartbeat", interval=10) == "ok"
    for _ in range(2):
        clock.advance(seconds=10)
        assert await raw.receive() == {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "heartbeat"}}
        assert await raw.receive() == {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        await raw.result("public/test")
    assert await raw.result("public/disable_heartbeat") == "ok"


async def test_an_unanswered_test_request_ends_the_connection(clock: ManualClock, raw: RawDeribit) -> None:
    await raw.result("public/set_heartbeat", interval=10)
    clock.advance(seconds=10)
    assert (await raw.receive())["params"]["type"] == "heartbeat"
    assert (await raw.receive())["params"]["type"] == "test_request"
    clock.advance(seconds=10)
    assert await raw.closed()


# Rate limit


async def test_an_empty_pool_is_10028_and_the_end_of_the_session(simulator: Simulator, raw: RawDeribit) -> None:
    await raw.log_in(simulator.credentials["deribit_testnet"])
    for _ in range(20):
        await raw.result("private/cancel_all_by_currency", currency="BTC")
    assert await raw.error("private/cancel_all_by_currency", currency="BTC") == {
        "code": 10028,
        "message": "too_many_requests",
    }
    assert await raw.closed()


async def test_pools_refill_with_time_and_are_separate(
    clock: ManualClock, simulator: Simulator, raw: RawDeribit
) -> None:
    await raw.log_in(simulator.credentials["deribit_testnet"])
    for _ in range(20):
        await raw.result("private/cancel_all_by_currency", currency="BTC")
    assert await raw.result("private/cancel_all") == 0  # its own pool
    clock.advance(seconds=0.2)
    assert await raw.result("private/cancel_all_by_currency", currency="BTC") == 0
    summary = await raw.result("private/get_account_summary", currency="BTC")
    assert summary["limits"]["matching_engine"]["trading"]["total"] == {"burst": 20, "rate": 5}
    assert summary["limits"]["non_matching_engine"] == {"burst": 100, "rate": 20}


# Environments


async def test_the_environments_share_the_market_and_nothing_else(simulator: Simulator, raw: RawDeribit) -> None:
    await raw.log_in(simulator.credentials["deribit_testnet"])
    placed = await raw.result("private/buy", instrument_name="BTC-PERPETUAL", amount=10, price=50_000)
    async with connected(simulator.urls["deribit_live"]) as live:
        assert await live.result("public/ticker", instrument_name="BTC-PERPETUAL") == await raw.result(
            "public/ticker", instrument_name="BTC-PERPETUAL"
        )
        await live.log_in(simulator.credentials["deribit_live"])
        assert await live.result("private/get_open_orders") == []
        assert (await live.error("private/cancel", order_id=placed["order"]["order_id"]))["code"] == 10004


async def test_two_runs_of_one_seed_are_equal(clock: ManualClock, simulator: Simulator, raw: RawDeribit) -> None:
    questions: list[tuple[str, Json]] = [
        ("public/get_book_summary_by_currency", {"currency": "ETH", "kind": "option"}),
        ("public/get_order_book", {"instrument_name": "BTC-PERPETUAL", "depth": 20}),
        ("public/get_last_trades_by_instrument", {"instrument_name": "ETH-PERPETUAL", "count": 100}),
    ]
    first = [await raw.result(method, **params) for method, params in questions]
    async with (
        run_simulator(SimulatorConfig(), clock) as again,
        connected(again.urls["deribit_testnet"]) as other,
    ):
        assert [await other.result(method, **params) for method, params in questions] == first
        assert again.credentials == simulator.credentials
    async with (
        run_simulator(SimulatorConfig(seed=8), clock) as different,
        connected(different.urls["deribit_testnet"]) as other,
    ):
        assert await other.result(questions[1][0], **questions[1][1]) != first[1]
        assert different.credentials != simulator.credentials


async def test_the_frame_of_a_whole_chain_arrives(raw: RawDeribit) -> None:
    rows = await raw.result("public/get_book_summary_by_currency", currency="BTC", kind="option")
    listed = await raw.result("public/get_instruments", currency="BTC", kind="option")
    assert {r["instrument_name"] for r in rows} == {i["instrument_name"] for i in listed}
    assert len(orjson.dumps(rows)) > 100_000


# Life


async def test_stopping_closes_what_is_open_and_leaves_nothing(clock: ManualClock) -> None:
    before = len(asyncio.all_tasks())
    async with run_simulator(SimulatorConfig(), clock) as running:
        url = running.urls["deribit_testnet"]
        client = connected(url)
        raw = await client.__aenter__()
        await raw.result("public/subscribe", channels=["ticker.BTC-PERPETUAL.100ms"])
    assert await raw.closed()
    await client.__aexit__(None, None, None)
    await anyio.wait_all_tasks_blocked()
    assert len(asyncio.all_tasks()) == before
    with pytest.raises(aiohttp.ClientConnectorError):
        async with connected(url):
            pass


async def test_chosen_ports_are_used_and_a_taken_one_is_an_error(clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with run_simulator(SimulatorConfig(deribit_port=port), clock):
                pass
    async with run_simulator(SimulatorConfig(deribit_port=port), clock) as running:
        assert running.urls["deribit_testnet"] == f"ws://127.0.0.1:{port}/ws/api/v2"
