"""Cancel on disconnect on the simulated Deribit: whose orders go when a connection ends, and when they stay."""

import aiohttp
import anyio

from tests.contract.raw_deribit import RawDeribit, connected
from tests.support.trading_day import HERE, PERPETUAL, TradingDay


async def rest(raw: RawDeribit, label: str) -> None:
    await raw.result("private/buy", instrument_name=PERPETUAL, amount=10, price=50_000, label=label)


async def settled(day: TradingDay, label: str, state: str) -> str | None:
    """Wait until an order is in a state, as it will be once the server has seen the connection end."""
    with anyio.fail_after(10):
        while True:
            (order,) = await day.labelled(label)
            if order["order_state"] == state:
                return str(order.get("cancel_reason"))


async def test_a_connection_takes_its_own_orders_with_it(day: TradingDay) -> None:
    await rest(day.raw, "other connection")
    async with connected(day.simulator.urls[HERE]) as going:
        await going.log_in(day.simulator.credentials[HERE])
        assert await going.result("private/get_cancel_on_disconnect") == {"scope": "connection", "enabled": False}
        assert await going.result("private/enable_cancel_on_disconnect") == "ok"
        assert await going.result("private/get_cancel_on_disconnect") == {"scope": "connection", "enabled": True}
        await rest(going, "own")
    assert await settled(day, "own", "cancelled") == "cancel_on_disconnect"
    assert await settled(day, "other connection", "open") == "None"


async def test_a_cut_connection_counts_too_and_a_logout_does_not(day: TradingDay) -> None:
    assert await day.call("private/enable_cancel_on_disconnect", scope="account") == "ok"
    assert await day.call("private/get_cancel_on_disconnect") == {"scope": "connection", "enabled": False}
    assert await day.call("private/get_cancel_on_disconnect", scope="account") == {"scope": "account", "enabled": True}
    async with connected(day.simulator.urls[HERE]) as leaving:
        await leaving.log_in(day.simulator.credentials[HERE])
        await rest(leaving, "left")
        await leaving.send('{"jsonrpc":"2.0","id":99,"method":"private/logout","params":{}}')
        assert await leaving.closed()
    async with connected(day.simulator.urls[HERE]) as cut:
        await cut.log_in(day.simulator.credentials[HERE])
        assert (await cut.result("private/get_cancel_on_disconnect"))["enabled"]
        async with day.http.post(
            day.simulator.urls["control"] + "/faults",
            json={"verb": "cut_after", "method": "private/buy", "times": 1},
        ) as answer:
            assert answer.status == 200
        await cut.send(
            '{"jsonrpc":"2.0","id":7,"method":"private/buy","params":'
            '{"instrument_name":"BTC-PERPETUAL","amount":10,"price":50000,"label":"cut"}}'
        )
        assert (await cut.socket.receive(timeout=10)).type is not aiohttp.WSMsgType.TEXT
    assert await settled(day, "cut", "cancelled") == "cancel_on_disconnect"
    assert await settled(day, "left", "open") == "None"


async def test_over_http_only_the_account_may_be_switched(day: TradingDay) -> None:
    headers = {"Authorization": aiohttp.encode_basic_auth(*day.simulator.credentials[HERE])}
    url = day.simulator.urls[HERE + "_http"]
    async with day.http.get(f"{url}/private/enable_cancel_on_disconnect", headers=headers) as answer:
        assert (await answer.json())["error"]["code"] == 10030
    async with day.http.get(f"{url}/private/enable_cancel_on_disconnect?scope=account", headers=headers) as answer:
        assert (await answer.json())["result"] == "ok"
    async with day.http.get(f"{url}/private/get_cancel_on_disconnect?scope=account", headers=headers) as answer:
        assert (await answer.json())["result"] == {"scope": "account", "enabled": True}


async def test_a_read_only_token_switches_nothing(day: TradingDay) -> None:
    async with connected(day.simulator.urls[HERE]) as reader:
        await reader.log_in(day.simulator.credentials[HERE], scope="connection account:read trade:read")
        assert (await reader.error("private/enable_cancel_on_disconnect"))["code"] == 13009
        assert (await reader.result("private/get_cancel_on_disconnect"))["enabled"] is False
