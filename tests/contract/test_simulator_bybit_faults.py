"""The fault plan on the simulated Bybit: every verb over HTTP, and what the venue did meanwhile."""

from typing import Any

import aiohttp
import anyio
import orjson
import pytest

from tests.contract.raw_bybit import Json, RawBybit

CREATE = "/v5/order/create"
ORDER: Json = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"} | {
    "qty": "0.01",
    "price": "50000",
}


async def control(bybit: RawBybit, method: str, path: str, /, **body: Any) -> Json:
    async with bybit.http.request(method, bybit.control + path, json=body or None) as answer:
        assert answer.status == 200, await answer.text()
        found: Json = await answer.json()
        return found


async def fault(bybit: RawBybit, verb: str, **rule: Any) -> None:
    await control(bybit, "POST", "/faults", verb=verb, environment="bybit_testnet", method=CREATE, times=1, **rule)


async def known(bybit: RawBybit) -> list[Json]:
    """Return every order the venue has, however little its user was told."""
    found: list[Json] = (await control(bybit, "GET", "/orders?environment=bybit_testnet"))["bybit_testnet"]["orders"]
    return found


@pytest.mark.parametrize(("verb", "orders"), [("cut_before", 0), ("cut_after", 1), ("half_answer", 1)])
async def test_a_connection_that_ends(bybit: RawBybit, verb: str, orders: int) -> None:
    await fault(bybit, verb)
    with pytest.raises(aiohttp.ClientError):
        await bybit.post(CREATE, **ORDER)
    assert len(await known(bybit)) == orders
    received = await control(bybit, "GET", f"/received?environment=bybit_testnet&method={CREATE}")
    assert received["bybit_testnet"]["count"] == 1
    await bybit.done(CREATE, **ORDER)


async def test_an_answer_that_cannot_be_read(bybit: RawBybit) -> None:
    await fault(bybit, "garbage")
    with pytest.raises(orjson.JSONDecodeError):
        await bybit.post(CREATE, **ORDER)
    assert bybit.status == 200
    assert len(await known(bybit)) == 1


@pytest.mark.parametrize(
    ("code", "effect", "orders"), [(10016, False, 0), (10016, True, 1), (10000, True, 1), (170007, False, 0)]
)
async def test_the_venues_own_error_with_and_without_effect(
    bybit: RawBybit, code: int, effect: bool, orders: int
) -> None:
    await fault(bybit, "error", code=code, effect=effect)
    answer = await bybit.post(CREATE, **ORDER)
    assert (answer["retCode"], answer["result"], bybit.status) == (code, {}, 200)
    assert len(await known(bybit)) == orders


@pytest.mark.parametrize("status", [403, 429, 500, 502, 504])
async def test_a_status_and_a_page(bybit: RawBybit, status: int) -> None:
    await fault(bybit, "status", status=status)
    with pytest.raises(orjson.JSONDecodeError):
        await bybit.post(CREATE, **ORDER)
    assert bybit.status == status
    assert bybit.headers["Content-Type"].startswith("text/html")
    assert await known(bybit) == []


async def test_too_many_visits_have_a_reset_ahead(bybit: RawBybit) -> None:
    await fault(bybit, "rate_limit")
    assert await bybit.refused(CREATE, **ORDER) == 10006
    assert int(bybit.headers["X-Bapi-Limit-Reset-Timestamp"]) > bybit.clock.now_ms()
    assert await known(bybit) == []


@pytest.mark.parametrize(("verb", "orders"), [("drop_answer", 1), ("silence", 0)])
async def test_an_answer_that_never_comes(bybit: RawBybit, verb: str, orders: int) -> None:
    await fault(bybit, verb)
    answers: list[Json] = []

    async def place() -> None:
        answers.append(await bybit.post(CREATE, **ORDER))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place)
        while (await control(bybit, "GET", "/faults"))["held"] == 0:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert answers == []
    assert len(await known(bybit)) == orders


async def test_a_late_answer_comes_when_it_is_released(bybit: RawBybit) -> None:
    await fault(bybit, "answer_late")
    answers: list[Json] = []

    async def place() -> None:
        answers.append(await bybit.post(CREATE, **ORDER))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place)
        while not await known(bybit):
            await anyio.lowlevel.checkpoint()
        assert answers == []
        while (await control(bybit, "POST", "/release"))["released"] == 0:
            await anyio.lowlevel.checkpoint()
    assert answers[0]["retCode"] == 0


async def test_a_new_connection_may_be_refused(bybit: RawBybit) -> None:
    await control(bybit, "POST", "/faults", verb="refuse", environment="bybit_testnet")
    with pytest.raises(aiohttp.ClientError):
        await bybit.public("/v5/market/time")
    await control(bybit, "DELETE", "/faults")
    assert (await bybit.public("/v5/market/time"))["retCode"] == 0


async def test_drop_cuts_the_connections_that_are_kept(bybit: RawBybit) -> None:
    await bybit.public("/v5/market/time")
    connections = (await control(bybit, "GET", "/state"))["connections"]
    assert connections["bybit_testnet"] == 1
    assert await control(bybit, "POST", "/drop", environment="bybit_testnet") == {"dropped": 1}
    assert (await control(bybit, "GET", "/state"))["connections"]["bybit_testnet"] == 0
    assert (await bybit.public("/v5/market/time"))["retCode"] == 0


async def test_the_venues_clock_may_be_off(bybit: RawBybit) -> None:
    await control(bybit, "POST", "/faults", verb="clock_offset", ms=-1_500)
    answer = await bybit.get("/v5/account/info")
    assert answer["retCode"] == 10002
    assert answer["time"] == bybit.clock.now_ms() - 1_500
    await control(bybit, "DELETE", "/faults")
    assert (await bybit.get("/v5/account/info"))["retCode"] == 0


async def test_a_rule_means_a_path_or_the_beginning_of_one(bybit: RawBybit) -> None:
    await control(bybit, "POST", "/faults", verb="error", code=10016, method="/v5/order/*", nth=2, times=1)
    await bybit.done(CREATE, **ORDER)
    assert (await bybit.get("/v5/order/realtime", category="linear", symbol="BTCUSDT"))["retCode"] == 10016
    assert (await bybit.get("/v5/account/info"))["retCode"] == 0
