"""The fault plan over real sockets: every verb, its effect at the venue, and what its victim sees."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anyio
import orjson
import pytest

from cerberod.simulator import Simulator, SimulatorConfig, run_simulator
from tests.contract.raw_deribit import Json, RawDeribit, connected
from tests.support.clock import ManualClock

HERE = "deribit_testnet"
ORDER = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 50_000, "label": "one"}


class Day:
    """A simulator, its control path, and one bot on it."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession, bot: RawDeribit) -> None:
        self.simulator = simulator
        self.http = http
        self.bot = bot
        self.control = simulator.urls["control"]

    async def post(self, path: str, **body: Any) -> Json:
        async with self.http.post(self.control + path, json=body) as answer:
            assert answer.status == 200, await answer.text()
            found: Json = await answer.json()
            return found

    async def get(self, path: str) -> Json:
        async with self.http.get(self.control + path) as answer:
            assert answer.status == 200
            found: Json = await answer.json()
            return found

    async def lift(self) -> int:
        async with self.http.delete(self.control + "/faults") as answer:
            return int((await answer.json())["lifted"])

    async def fault(self, verb: str, **more: Any) -> None:
        await self.post("/faults", verb=verb, **more)

    async def orders(self) -> int:
        return len((await self.get("/orders"))[HERE]["orders"])

    async def received(self) -> int:
        return int((await self.get("/received?method=private/buy"))[HERE]["count"])

    async def has_orders(self, wanted: int) -> None:
        """Wait until the venue has so many orders; where an answer would tell, none comes."""
        with anyio.fail_after(10):
            while await self.orders() < wanted:
                await anyio.lowlevel.checkpoint()

    async def over_http(self) -> aiohttp.ClientResponse:
        """Buy over HTTP."""
        headers = {"Authorization": aiohttp.encode_basic_auth(*self.simulator.credentials[HERE])}
        url = self.simulator.urls[HERE + "_http"] + "/private/buy"
        body = {"jsonrpc": "2.0", "id": 1, "method": "private/buy", "params": ORDER}
        return await self.http.post(url, json=body, headers=headers)


@pytest.fixture
async def day() -> AsyncIterator[Day]:
    async with (
        run_simulator(SimulatorConfig(), ManualClock()) as simulator,
        aiohttp.ClientSession() as http,
        connected(simulator.urls[HERE]) as bot,
    ):
        await bot.log_in(simulator.credentials[HERE])
        yield Day(simulator, http, bot)


BUY = orjson.dumps({"jsonrpc": "2.0", "id": 77, "method": "private/buy", "params": ORDER}).decode()


@pytest.mark.parametrize(("verb", "orders"), [("cut_before", 0), ("cut_after", 1), ("half_answer", 1)])
async def test_a_cut_ends_the_connection_and_leaves_its_effect(day: Day, verb: str, orders: int) -> None:
    await day.fault(verb, method="private/buy", times=1)
    await day.bot.send(BUY)
    message = await day.bot.socket.receive(timeout=10)
    assert message.type is not aiohttp.WSMsgType.TEXT, "half a frame is no frame"
    assert (await day.received(), await day.orders()) == (1, orders)
    async with connected(day.simulator.urls[HERE]) as again:
        await again.log_in(day.simulator.credentials[HERE])
        await again.result("private/buy", **ORDER)


async def test_a_dropped_answer_leaves_the_connection(day: Day) -> None:
    await day.fault("drop_answer", method="private/buy", times=1)
    await day.bot.send(BUY)
    await day.bot.result("public/test")
    assert day.bot.notifications == []
    assert await day.orders() == 1


async def test_a_late_answer_is_overtaken_and_comes_when_released(day: Day) -> None:
    await day.fault("answer_late", method="private/buy", times=1)
    await day.bot.send(BUY)
    await day.bot.result("public/test")
    assert (await day.get("/faults"))["held"] == 1
    assert await day.orders() == 1
    assert await day.post("/release") == {"released": 1}
    assert (await day.bot.receive())["id"] == 77
    assert (await day.get("/faults"))["held"] == 0


async def test_a_late_answer_may_come_by_itself(day: Day) -> None:
    await day.fault("answer_late", ms=1)
    assert await day.bot.result("public/test")


async def test_an_answer_may_come_twice(day: Day) -> None:
    await day.fault("answer_twice", method="private/buy", times=1)
    await day.bot.send(BUY)
    assert await day.bot.receive() == await day.bot.receive()
    assert await day.orders() == 1


async def test_garbage_is_no_json_and_the_connection_stays(day: Day) -> None:
    await day.fault("garbage", method="private/buy", times=1)
    await day.bot.send(BUY)
    message = await day.bot.socket.receive(timeout=10)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(message.data)
    await day.bot.result("public/test")
    assert await day.orders() == 1


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize(
    ("code", "words"), [(10028, "too_many_requests"), (13028, "temporarily_unavailable"), (10999, "error")]
)
async def test_an_error_has_the_code_and_the_effect_that_were_asked_for(
    day: Day, code: int, words: str, effect: bool
) -> None:
    await day.fault("error", method="private/buy", code=code, effect=effect)
    error = await day.bot.error("private/buy", **ORDER)
    assert (error["code"], error["message"]) == (code, words)
    assert await day.orders() == int(effect)


async def test_a_rate_limit_ends_the_session_and_has_no_effect(day: Day) -> None:
    await day.fault("rate_limit", method="private/buy")
    assert (await day.bot.error("private/buy", **ORDER))["code"] == 10028
    assert await day.bot.closed()
    assert (await day.received(), await day.orders()) == (1, 0)


async def test_silence_takes_requests_and_says_nothing_any_more(day: Day) -> None:
    await day.bot.result("private/subscribe", channels=["user.orders.any.any.raw"])
    await day.fault("silence", method="private/buy", times=1)
    await day.bot.send(BUY)
    await day.bot.send(BUY)
    async with connected(day.simulator.urls[HERE]) as other:  # one that is not meant tells the first nothing either
        await other.log_in(day.simulator.credentials[HERE])
        await other.result("private/buy", **ORDER)
    await day.has_orders(1)
    with anyio.fail_after(10):
        while await day.received() < 3:
            await anyio.lowlevel.checkpoint()
    assert await day.post("/drop", environment=HERE) == {"dropped": 1}
    message = await day.bot.socket.receive(timeout=10)
    assert message.type is not aiohttp.WSMsgType.TEXT
    assert await day.orders() == 1


async def test_a_refused_connection_hears_nothing_and_an_open_one_goes_on(day: Day) -> None:
    await day.fault("refuse")
    with pytest.raises(aiohttp.ClientError):
        async with connected(day.simulator.urls[HERE]):
            pass
    await day.bot.result("public/test")
    assert await day.lift() == 1
    async with connected(day.simulator.urls[HERE]) as again:
        await again.result("public/test")


async def test_a_handshake_is_answered_by_a_status(day: Day) -> None:
    await day.fault("status", status=503, times=1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(day.simulator.urls[HERE]):
            pass
    assert refused.value.status == 503
    async with connected(day.simulator.urls[HERE]):
        pass


async def test_the_clock_of_the_venue_is_off_in_every_stamp(day: Day) -> None:
    before = await day.bot.call("public/get_time")
    await day.fault("clock_offset", ms=-3_600_000)
    after = await day.bot.call("public/get_time")
    assert after["result"] == before["result"] - 3_600_000
    assert after["usIn"] == before["usIn"] - 3_600_000_000
    until = {"valid_until": after["result"] + 1_000}
    await day.bot.result("private/buy", **ORDER, **until)
    assert (await day.bot.error("private/buy", **ORDER, valid_until=after["result"] - 1_000))["code"] == 13888


async def test_every_status_over_http(day: Day) -> None:
    for status in (429, 500, 502, 504):
        await day.fault("status", status=status, method="private/buy", times=1)
        async with await day.over_http() as answer:
            assert (answer.status, answer.content_type) == (status, "text/html")
    assert await day.orders() == 0


@pytest.mark.parametrize(("verb", "orders"), [("cut_before", 0), ("cut_after", 1), ("half_answer", 1), ("refuse", 0)])
async def test_an_http_request_is_cut(day: Day, verb: str, orders: int) -> None:
    await day.fault(verb, times=2)  # the client tries once more on a fresh connection when a kept one is cut
    with pytest.raises(aiohttp.ClientError):
        async with await day.over_http() as answer:
            await answer.read()
    assert await day.orders() >= orders


async def test_garbage_over_http(day: Day) -> None:
    await day.fault("garbage", times=1)
    async with await day.over_http() as answer:
        assert answer.status == 200
        assert b"<html>" in await answer.read()
    assert await day.orders() == 1


@pytest.mark.parametrize(("verb", "orders"), [("drop_answer", 1), ("silence", 0), ("answer_late", 1)])
async def test_an_http_answer_that_does_not_come(day: Day, verb: str, orders: int) -> None:
    await day.fault(verb, times=1)
    seen: list[str] = []

    async def buy() -> None:
        try:
            async with await day.over_http() as answer:
                seen.append(str(answer.status))
        except aiohttp.ClientError:
            seen.append("cut")

    async with anyio.create_task_group() as group:
        group.start_soon(buy)
        with anyio.fail_after(10):
            while not (await day.get("/faults"))["held"]:
                await anyio.lowlevel.checkpoint()
        assert (seen, await day.orders()) == ([], orders)
        await day.lift()
        await day.post("/release")
    assert seen == ["200"] if verb == "answer_late" else seen


async def test_the_plan_is_told_with_what_it_did_and_ends_with_a_reset(day: Day) -> None:
    await day.fault("error", method="private/*", code=10040, environment=HERE, nth=2, times=1)
    for expected in ("result", "error", "result"):
        assert expected in await day.bot.call("private/buy", **ORDER)
    assert (await day.get("/faults"))["rules"] == [
        {
            "id": 1,
            "verb": "error",
            "environment": HERE,
            "method": "private/*",
            "nth": 2,
            "times": 1,
            "code": 10040,
            "seen": 3,
            "hit": 1,
        }
    ]
    await day.post("/reset")
    assert await day.get("/faults") == {"rules": [], "held": 0}


async def test_a_rule_is_lifted_by_its_number(day: Day) -> None:
    first = (await day.post("/faults", verb="cut_before"))["id"]
    await day.fault("drop_answer", method="private/buy")
    async with day.http.delete(f"{day.control}/faults?id={first}") as answer:
        assert await answer.json() == {"lifted": 1}
    await day.bot.result("public/test")


async def test_a_bad_rule_names_its_field(day: Day) -> None:
    async with day.http.post(day.control + "/faults", json={"verb": "error"}) as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "error needs code"})
    async with day.http.delete(day.control + "/faults?id=x") as answer:
        assert answer.status == 400
