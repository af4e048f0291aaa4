"""The operator's hand: anybody stops trading, the operator alone resumes, and neither is forgotten over a restart."""

import pytest

from tests.functional.conftest import StartDaemon
from tests.support.client import Refused, connected
from tests.support.command import Cerberod
from tests.support.daemon import TOKEN, Daemon

ORDER = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "1000"}


@pytest.fixture
def operator(cerberod: Cerberod, daemon: Daemon) -> Cerberod:
    """Commands of whoever may read the daemon's state directory."""
    cerberod.settings["STATE_DIR"] = str(daemon.state_dir.parent)
    return cerberod


async def test_a_bot_halts_and_only_the_operator_resumes(daemon: Daemon, operator: Cerberod) -> None:
    async with connected(daemon) as bot:
        placed = await bot.call("deribit.place_order", {**ORDER, "intent": "before"})
        stops = await bot.call("admin.halt", {"reason": "losing"})
        assert [(stop["state"], stop["actor"], stop["reason"]) for stop in stops["stops"]] == [
            ("halted", "testnet", "losing")
        ]
        denied = await bot.call("deribit.place_order", {**ORDER, "intent": "during"})
        assert (denied["outcome"], [reason["field"] for reason in denied["reasons"]]) == ("denied", ["trading"])
        with pytest.raises(Refused) as refused:
            await bot.call("admin.resume")
        assert refused.value.code == -32002
        cancelled = await bot.call("deribit.cancel_order", {"order_id": placed["order"]["order_id"]})
        assert cancelled["outcome"] == "confirmed"
        resumed = operator("resume", "--env", "testnet", "--sim")
        assert (resumed.returncode, resumed.stderr) == (0, "")
        assert (await bot.call("deribit.place_order", {**ORDER, "intent": "during"}))["outcome"] == "confirmed"


async def test_a_stop_covers_what_it_names_and_survives_a_restart(daemon: Daemon, operator: Cerberod) -> None:
    assert operator("halt", "--env", "testnet", "--bot", "wild", "--sim").returncode == 0
    daemon.stop()
    daemon.restart()
    async with connected(daemon, bot_tag="wild") as wild, connected(daemon, bot_tag="calm") as calm:
        assert (await wild.call("deribit.place_order", {**ORDER, "intent": "i"}))["outcome"] == "denied"
        assert (await calm.call("deribit.place_order", {**ORDER, "intent": "i"}))["outcome"] == "confirmed"
    assert operator("resume", "--env", "testnet", "--sim").returncode == 0
    async with connected(daemon, bot_tag="wild") as wild:
        assert (await wild.call("deribit.place_order", {**ORDER, "intent": "i"}))["outcome"] == "denied"
    assert operator("resume", "--env", "testnet", "--bot", "wild", "--sim").returncode == 0
    async with connected(daemon, bot_tag="wild") as wild:
        assert (await wild.call("deribit.place_order", {**ORDER, "intent": "i"}))["outcome"] == "confirmed"


async def test_reduce_only_denies_what_could_grow_a_position(daemon: Daemon, operator: Cerberod) -> None:
    assert operator("halt", "--env", "testnet", "--reduce-only", "--sim").returncode == 0
    async with connected(daemon) as bot:
        opening = await bot.call("deribit.place_order", {**ORDER, "intent": "i"})
        assert opening["outcome"] == "denied"
        closing = await bot.call("deribit.place_order", {**ORDER, "intent": "j", "reduce_only": True})
        # The guard lets it pass; the venue has nothing to reduce and says so.
        assert closing["outcome"] == "rejected"


async def test_the_local_door_is_closed_with_the_daemon(start_daemon: StartDaemon, operator: Cerberod) -> None:
    daemon = start_daemon()
    operator.settings["STATE_DIR"] = str(daemon.state_dir.parent)
    door = daemon.state_dir / "operator"
    assert door.stat().st_mode & 0o777 == 0o600
    assert operator("halt", "--env", "mainnet", "--sim").returncode == 1
    daemon.stop()
    assert not door.exists()
    told = operator("resume", "--env", "testnet", "--sim")
    assert told.returncode == 1
    assert "no daemon runs" in told.stderr


async def test_settling_needs_a_write_that_is_open(daemon: Daemon, operator: Cerberod) -> None:
    async with connected(daemon) as bot:
        await bot.call("deribit.place_order", {**ORDER, "intent": "known"})
    words = ("--env", "testnet", "--bot", "tester", "--outcome", "rejected", "--reason", "looked it up", "--sim")
    for intent, rule in (("known", "not resolved already"), ("never", "whose outcome is unknown")):
        told = operator("settle", intent, *words)
        assert told.returncode == 1
        assert rule in told.stderr


async def test_a_secret_of_the_daemon_in_params_is_refused_and_recorded_nowhere(daemon: Daemon) -> None:
    async with connected(daemon) as bot:
        for method, params in (
            ("admin.halt", {"reason": f"leaked {TOKEN}"}),
            ("deribit.place_order", {**ORDER, "intent": TOKEN}),
            ("deribit.get_ticker", {"instrument_name": TOKEN}),
        ):
            with pytest.raises(Refused) as refused:
                await bot.call(method, params, bad=True)
            assert (refused.value.code, refused.value.fields) == (-32602, ["params"])
        assert (await bot.call("deribit.place_order", {**ORDER, "intent": "free"}))["outcome"] == "confirmed"
        page = await bot.call("admin.query_audit", {"limit": 10})
    assert {"omitted": "held a secret"} in [record.get("params") for record in page["records"]]
    assert TOKEN.encode() not in (daemon.state_dir / "audit.jsonl").read_bytes()
