"""Two environments, one daemon: a session lives in the environment of its token, and nothing it sends can leave it.

The venue is `cerberod sim` as a process of its own, whose two servers hold the two environments' money.
"""

from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson
import pytest

from cerberod.errors import Code
from tests.functional.conftest import StartDaemon
from tests.support.client import Client, Refused, connected
from tests.support.daemon import ADMIN_TOKEN, TOKEN, UNHURRIED, Daemon
from tests.support.simulator import LIVE, TESTNET, SimulatorProcess

MAINNET_TOKEN = "Tk7-functional-mainnet-aW8rT5kD0fJzC2ye"
ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}


@pytest.fixture
def daemon(start_daemon: StartDaemon, simulator: SimulatorProcess) -> Daemon:
    """A daemon with both tokens and the keys of both environments."""
    return start_daemon("serve", MAINNET_TOKEN=MAINNET_TOKEN, **simulator.settings)


async def place(client: Client, intent: str) -> str:
    """Place an order and return its id."""
    placed = await client.call("deribit.place_order", {**ORDER, "intent": intent})
    assert placed["outcome"] == "confirmed", placed
    return str(placed["order"]["order_id"])


async def open_orders(client: Client) -> list[str]:
    return [each["order_id"] for each in (await client.call("deribit.get_open_orders", {"currency": "BTC"}))["orders"]]


def states(simulator: SimulatorProcess, environment: str) -> dict[str, str]:
    """Return the state of every order that the venue itself knows in one environment."""
    return {each["order_id"]: each["order_state"] for each in simulator.orders(environment)}


def audit(daemon: Daemon, token: str, **asked: str) -> tuple[int, dict[str, Any]]:
    """Ask the HTTP listener for the audit."""
    url = f"{daemon.http_url}/admin/audit?{urlencode(asked)}"
    try:
        with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=30) as answer:
            return 200, orjson.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, orjson.loads(error.read())


async def test_each_session_acts_in_its_own_environment_only(daemon: Daemon, simulator: SimulatorProcess) -> None:
    async with (
        connected(daemon, bot_tag="twin") as testnet,
        connected(daemon, bot_tag="twin", token=MAINNET_TOKEN) as mainnet,
    ):
        for client, environment in ((testnet, "testnet"), (mainnet, "mainnet")):
            told = await client.call("session.whoami")
            assert (told["environment"], told["actor"]) == (environment, environment)

        # The same bot tag and the same intent: still two writes, because an intent belongs to its environment.
        ours, theirs = await place(testnet, "twin-1"), await place(mainnet, "twin-1")
        assert states(simulator, TESTNET) == {ours: "open"}
        assert states(simulator, LIVE) == {theirs: "open"}
        assert await open_orders(testnet) == [ours]
        assert await open_orders(mainnet) == [theirs]

        # An order of the other environment does not exist here, whoever names it.
        with pytest.raises(Refused) as refused:
            await testnet.call("deribit.get_order", {"order_id": theirs})
        assert refused.value.code is Code.VENUE_REFUSED
        assert (await testnet.call("deribit.cancel_order", {"order_id": theirs}))["outcome"] != "confirmed"
        assert (await testnet.call("deribit.cancel_all_orders", {}))["outcome"] == "confirmed"
        assert states(simulator, TESTNET) == {ours: "cancelled"}
        assert states(simulator, LIVE) == {theirs: "open"}

        # Nor can a session stop the other environment, or learn of its sessions and calls.
        await testnet.call("admin.halt", {"reason": "testnet only"})
        assert (await testnet.call("deribit.place_order", {**ORDER}))["outcome"] == "denied"
        await place(mainnet, "twin-2")
        status = await testnet.call("admin.get_status")
        assert status["environment"] == "testnet"
        assert [each["actor"] for each in status["sessions"]] == ["testnet"]
        assert [each["actor"] for each in (await mainnet.call("admin.get_status"))["sessions"]] == ["mainnet"]
        assert not (await testnet.call("orders.get_outcome", {"intent": "twin-2"}))["known"]
        assert (await mainnet.call("orders.get_outcome", {"intent": "twin-2"}))["outcome"] == "confirmed"


async def test_the_audit_of_mainnet_is_not_for_a_testnet_token(daemon: Daemon) -> None:
    async with connected(daemon) as testnet, connected(daemon, token=MAINNET_TOKEN) as mainnet:
        await place(testnet, "seen-1")
        await place(mainnet, "seen-2")
        for client, environment in ((testnet, "testnet"), (mainnet, "mainnet")):
            records = (await client.call("admin.query_audit"))["records"]
            assert {each["environment"] for each in records if each["method"]} == {environment}
        # No parameter of the method names an environment, and an actor of the other one is nobody here.
        assert (await testnet.call("admin.query_audit", {"actor": "mainnet"}))["count"] == 0
        with pytest.raises(Refused) as refused:
            await testnet.call("admin.query_audit", {"environment": "mainnet"}, bad=True)
        assert refused.value.fields == ["environment"]

    status, page = audit(daemon, TOKEN, action="place_order")
    assert status == 200
    assert {each["environment"] for each in page["records"]} == {"testnet"}
    assert audit(daemon, TOKEN, environment="mainnet")[0] == 403
    assert audit(daemon, TOKEN, actor="mainnet")[0] == 403
    for token in (MAINNET_TOKEN, ADMIN_TOKEN):
        status, page = audit(daemon, token, action="place_order")
        assert status == 200
        assert {each["environment"] for each in page["records"]} == {"testnet", "mainnet"}
        status, page = audit(daemon, token, action="place_order", environment="mainnet")
        assert {each["intent"] for each in page["records"]} == {"seen-2"}


@pytest.mark.parametrize("keys", ["TESTNET", "LIVE"])
async def test_testnet_settings_that_point_at_mainnet_can_send_no_order(
    start_daemon: StartDaemon, simulator: SimulatorProcess, keys: str
) -> None:
    """The worst slip of all, and worse still with mainnet's own keys: real money under a testnet token."""
    mixed_up = {name.replace("LIVE", "TESTNET"): text for name, text in simulator.keys_of(keys).items()}
    mixed_up["DERIBIT_URL_TESTNET"] = simulator.settings["DERIBIT_URL_LIVE"]
    daemon = start_daemon("serve", module="tests.support.impatient", **UNHURRIED, **mixed_up)
    daemon.announce("connection down")
    daemon.wait_logged(message="connection down", reason="wrong_environment", environment="testnet")
    async with connected(daemon) as client:
        venue = (await client.call("session.whoami"))["venues"][0]
        assert (venue["healthy"], venue["reason"]) == (False, "wrong_environment")
        for method, params in (
            ("deribit.place_order", {**ORDER, "intent": "never"}),
            ("deribit.cancel_all_orders", {}),
            ("deribit.get_account_summary", {"currency": "BTC"}),
        ):
            with pytest.raises(Refused) as refused:
                await client.call(method, params)
            assert refused.value.code is Code.VENUE_DOWN
            assert refused.value.data["reason"] == "wrong_environment"
        assert not (await client.call("orders.get_outcome", {"intent": "never"}))["known"]
    assert simulator.orders(LIVE) == []
    # Not even the key was shown there: the first answer told where this was.
    assert simulator.received(LIVE).keys() == {"public/set_heartbeat"}
