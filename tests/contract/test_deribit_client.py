"""The Deribit client and methods against the simulator, over real sockets: a session's life, and bad days of the link.

What the venue does is decided by the fact sheet; the simulator is only the other end of the wire.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import orjson
import pytest

from cerberod.clock import SystemClock, iso
from cerberod.errors import VenueDown, VenueRefused
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import registry
from cerberod.settings.secret import Secret
from cerberod.simulator import Simulator, SimulatorConfig, run_simulator
from cerberod.trading.journal import Entry
from cerberod.trading.orders import Ending, Outcome
from cerberod.trading.placing import WriteHandler
from cerberod.trading.writes import Plan, Sent, WriteParams
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit import methods as declared
from cerberod.venues.deribit.client import Credentials, Deribit
from tests.support.deribit_venue import eventually

PERPETUAL = "BTC-PERPETUAL"
FAR_BELOW = {"instrument_name": PERPETUAL, "side": "buy", "amount": "10", "price": "20000"}


@dataclass
class Bot:
    """Calls methods as a session does, and plays the write path without its records."""

    deribit: Deribit
    simulator: Simulator
    call: Call
    intents: Any

    async def ask(self, name: str, **given: Any) -> dict[str, Any]:
        method = registry.find("deribit." + name)
        assert method is not None
        params = method.params.model_validate_json(orjson.dumps(given), strict=True)
        result = await method.handler(self.call, params)
        told: dict[str, Any] = orjson.loads(result.model_dump_json())
        method.result.model_validate_json(orjson.dumps(told))
        return told

    async def plan(self, name: str, **given: Any) -> Plan[Any]:
        method = registry.find("deribit." + name)
        assert method is not None
        assert isinstance(method.handler, WriteHandler)
        given.setdefault("intent", f"i-{next(self.intents)}")
        params = method.params.model_validate_json(orjson.dumps(given), strict=True)
        assert isinstance(params, WriteParams)
        return await method.handler.prepare(self.call, params)

    async def do(self, name: str, **given: Any) -> Ending:
        plan = await self.plan(name, **given)
        assert plan.send is not None, plan.denied
        sent = Sent()
        ending = await plan.send(sent)
        assert sent.marked
        return ending

    async def find(self, name: str, plan: Plan[Any]) -> Ending | None:
        """Ask the write's own finder what became of it."""
        method = registry.find("deribit." + name)
        assert method is not None
        assert method.finder is not None
        entry = Entry(
            environment="testnet",
            bot_tag="night-owl",
            intent="i",
            method=method.name,
            params={},
            params_digest="d",
            venue=plan.venue,
            account=plan.account,
            client_order_id=plan.client_order_id,
            wire=orjson.loads(orjson.dumps(dict(plan.wire))),
            request_id="r",
            session_id="s",
            begun_at=iso(SystemClock().now()),
        )
        ending = await method.finder(self.call.services, entry)
        assert ending is None or isinstance(ending, Ending)
        return ending

    async def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        url = self.simulator.urls["control"] + path
        async with aiohttp.ClientSession() as http:
            request = http.get(url) if body is None else http.post(url, json=body)
            async with request as answer:
                assert answer.status == 200, await answer.text()
                return orjson.loads(await answer.read())

    async def count(self, method: str) -> int:
        """Return how many requests with this method reached the venue."""
        seen = await self.control(f"/received?environment=deribit_testnet&method={method}")
        number: int = seen["deribit_testnet"]["count"]
        return number


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with run_simulator(SimulatorConfig(), SystemClock()) as running:
        yield running


@asynccontextmanager
async def connected(simulator: Simulator, **options: Any) -> AsyncIterator[Deribit]:
    client_id, secret = simulator.credentials["deribit_testnet"]
    given: dict[str, Any] = {
        "url": simulator.urls["deribit_testnet"],
        "environment": Environment.TESTNET,
        "credentials": Credentials(Secret(client_id), Secret(secret)),
        "clock": SystemClock(),
        "reconnect": Backoff(lambda: 0.0, first_s=0.01, cap_s=0.05),
    }
    deribit = Deribit(**(given | options))
    async with anyio.create_task_group() as group:
        await group.start(deribit.run)
        try:
            yield deribit
        finally:
            await deribit.aclose()


@pytest.fixture
async def bot(simulator: Simulator) -> AsyncIterator[Bot]:
    async with connected(simulator) as deribit:
        principal = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset(), "s-1", "websocket")
        call = Call("r-1", "test", principal, Services(Environment.TESTNET, [deribit]))
        yield Bot(deribit, simulator, call, count())


RESTING = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10", "price": "50000"}


def test_every_method_is_declared() -> None:
    """A module that declares methods and is not imported by the package would declare them to nobody."""
    assert declared.__file__ is not None
    texts = {path.stem: path.read_text() for path in Path(declared.__file__).parent.glob("*.py")}
    declaring = {name for name, text in texts.items() if "\n@method(" in text or "\n@write(" in text}
    assert declaring <= {*declared.__all__}
    assert len([method for method in registry if method.namespace == "deribit"]) >= len(declaring)


async def test_it_is_ready_soon_and_says_so(bot: Bot) -> None:
    status = await bot.deribit.probe(5.0)
    assert (status.healthy, status.reason, status.authenticated) == (True, None, True)
    assert status.offset_ms is not None
    assert abs(status.offset_ms) < 1000


async def test_market_data_of_every_kind_is_understood(bot: Bot) -> None:
    listed = await bot.ask("get_instruments", currency="BTC")
    assert {one["kind"] for one in listed["instruments"]} >= {"future", "option"}
    assert listed["count"] == len(listed["instruments"])
    option = next(one["instrument_name"] for one in listed["instruments"] if one["kind"] == "option")
    for name in (PERPETUAL, option):
        ticker = await bot.ask("get_ticker", instrument_name=name)
        book = await bot.ask("get_orderbook", instrument_name=name, depth=5)
        assert ticker["instrument_name"] == book["instrument_name"] == name
        assert len(book["bids"]) <= 5
        assert (ticker["greeks"] is not None) == (name == option)
        if book["bids"]:
            assert book["best_bid_price"] == book["bids"][0]["price"]
    index = await bot.ask("get_index_price", index_name="btc_usd")
    assert index["index_price"] > 0
    expiries = await bot.ask("get_expirations", currency="BTC", kind="any")
    assert expiries["option"]
    assert "PERPETUAL" in {one["name"] for one in expiries["future"]}
    assert (await bot.ask("get_expirations", currency="any", kind="option"))["future"] == []


async def test_candles_over_pages_are_whole(bot: Bot) -> None:
    end = SystemClock().now().replace(second=0, microsecond=0)
    window = {"start": iso(end - timedelta(days=7)), "end": iso(end - timedelta(minutes=1)), "resolution": "1"}
    told = await bot.ask("get_historical", instrument_name=PERPETUAL, **window)
    assert told["count"] == len(told["candles"]) == 7 * 1440
    assert told["pages"] == 3
    times = [bar["opened_at"] for bar in told["candles"]]
    assert times == sorted(set(times))
    assert all(bar["low"] <= min(bar["open"], bar["close"]) for bar in told["candles"])
    assert all(bar["high"] >= max(bar["open"], bar["close"]) for bar in told["candles"])


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("get_ticker", {"instrument_name": "BTC-1JAN20-1-C"}),
        ("get_instruments", {"currency": "XYZ"}),
        ("get_index_price", {"index_name": "nothing_usd"}),
        ("get_order", {"order_id": "987654321"}),
    ],
)
async def test_what_does_not_exist_is_refused_in_our_words(bot: Bot, method: str, params: dict[str, Any]) -> None:
    with pytest.raises(VenueRefused) as refused:
        await bot.ask(method, **params)
    assert refused.value.reason in ("invalid_params", "order_not_found")


async def test_an_orders_life(bot: Bot) -> None:
    placed = (await bot.do("place_order", **FAR_BELOW, post_only=True)).detail["order"]
    assert (placed["order_state"], placed["price"], placed["post_only"]) == ("open", "20000", True)
    by_id = (await bot.ask("get_order", order_id=placed["order_id"]))["orders"]
    by_label = (await bot.ask("get_order", label=placed["label"], currency="BTC"))["orders"]
    assert by_id == by_label == [placed]

    ending = await bot.do("edit_order", order_id=placed["order_id"], price="20000.5", amount="20")
    edited = ending.detail["order"]
    assert (edited["order_id"], edited["price"], edited["amount"]) == (placed["order_id"], "20000.5", "20")
    assert (edited["replaced"], edited["post_only"]) == (True, True)
    for scope in ({}, {"currency": "BTC"}, {"instrument_name": PERPETUAL}, {"kind": "future"}):
        assert (await bot.ask("get_open_orders", **scope))["orders"] == [edited]

    ending = await bot.do("cancel_order", order_id=placed["order_id"])
    assert ending.detail["order"]["order_state"] == "cancelled"
    assert (await bot.ask("get_open_orders"))["count"] == 0
    with pytest.raises(VenueRefused) as refused:
        await bot.do("cancel_order", order_id=placed["order_id"])
    assert (refused.value.venue_code, refused.value.effect_possible) == ("11044", False)
    assert (await bot.plan("edit_order", order_id=placed["order_id"], price="1")).denied[0].field == "order_id"


async def test_a_fill_is_told_and_becomes_a_position(bot: Bot) -> None:
    order = {"instrument_name": PERPETUAL, "side": "sell", "amount": "100", "type": "market"}
    ending = await bot.do("place_order", **order)
    assert ending.detail["order"]["order_state"] == "filled"
    assert sum(Decimal(trade["amount"]) for trade in ending.detail["trades"]) == 100
    (position,) = (await bot.ask("get_positions", currency="BTC"))["positions"]
    assert (position["direction"], position["size"]) == ("sell", "-100")
    summary = await bot.ask("get_account_summary", currency="BTC")
    assert Decimal(summary["initial_margin"]) > 0


async def test_a_mass_cancel_takes_what_was_asked_and_leaves_the_rest(bot: Bot) -> None:
    for _ in range(3):
        await bot.do("place_order", **FAR_BELOW)
    await bot.do("place_order", instrument_name="ETH-PERPETUAL", side="buy", amount="1", price="500")
    ending = await bot.do("cancel_all_orders", instrument_name=PERPETUAL)
    assert (ending.outcome, ending.detail["cancelled_count"]) == (Outcome.CONFIRMED, 3)
    assert [order["instrument_name"] for order in (await bot.ask("get_open_orders"))["orders"]] == ["ETH-PERPETUAL"]
    assert (await bot.do("cancel_all_orders")).detail["cancelled_count"] == 1
    assert (await bot.do("cancel_all_orders", currency="BTC")).detail["cancelled_count"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "1000000", "amount": "1000000000"}, None),
        ({"side": "sell", "price": "1000", "post_only": True}, "11054"),
    ],
)
async def test_the_venues_own_refusals_prove_that_nothing_happened(
    bot: Bot, changes: dict[str, Any], code: str | None
) -> None:
    with pytest.raises(VenueRefused) as refused:
        await bot.do("place_order", **(FAR_BELOW | changes))
    assert not refused.value.effect_possible
    assert code in (None, refused.value.venue_code)
    assert (await bot.ask("get_open_orders"))["count"] == 0


async def test_what_the_instrument_forbids_never_reaches_the_venue(bot: Bot) -> None:
    for changes, field in (({"price": "20000.1"}, "price"), ({"amount": "5"}, "amount"), ({"amount": "15"}, "amount")):
        plan = await bot.plan("place_order", **(FAR_BELOW | changes))
        assert [reason.field for reason in plan.denied] == [field]
        nearest = plan.denied[0].nearest
        assert (await bot.plan("place_order", **(FAR_BELOW | {field: nearest}))).denied == ()
    assert await bot.count("private/buy") == 0


async def test_lost_answers_are_found_again(bot: Bot) -> None:
    plan = await bot.plan("place_order", **FAR_BELOW)
    assert await bot.find("place_order", plan) is None, "before it is sent nobody knows it"
    assert plan.send is not None
    order = (await plan.send(Sent())).detail["order"]
    found = await bot.find("place_order", plan)
    assert found is not None
    assert (found.outcome, found.detail["order"]) == (Outcome.CONFIRMED, order)

    plan = await bot.plan("edit_order", order_id=order["order_id"], price="20001")
    assert await bot.find("edit_order", plan) is None
    assert plan.send is not None
    await plan.send(Sent())
    found = await bot.find("edit_order", plan)
    assert found is not None
    assert found.outcome is Outcome.CONFIRMED

    everything = await bot.plan("cancel_all_orders")
    assert await bot.find("cancel_all_orders", everything) is None
    plan = await bot.plan("cancel_order", order_id=order["order_id"])
    assert await bot.find("cancel_order", plan) is None
    assert plan.send is not None
    await plan.send(Sent())
    for name, cancel in (("cancel_order", plan), ("cancel_all_orders", everything)):
        found = await bot.find(name, cancel)
        assert found is not None
        assert found.outcome is Outcome.CONFIRMED


async def test_drift_is_told_and_trading_goes_on(bot: Bot) -> None:
    """faults.md 58: orders are stamped in the venue's time."""
    await bot.control("/faults", {"verb": "clock_offset", "ms": 3_000})
    async with connected(bot.simulator) as deribit:
        drifting = replace(bot.call, services=Services(Environment.TESTNET, [deribit]))
        other = Bot(deribit, bot.simulator, drifting, bot.intents)
        assert (await other.do("place_order", **RESTING, valid_for_ms=2_000)).outcome == "confirmed"
        status = deribit.status()
        assert status.offset_ms == pytest.approx(3_000, abs=400)
        assert (status.healthy, status.reason) == (True, "clock_offset")


async def test_after_a_jump_of_the_venues_clock_orders_wait_and_cancels_pass(bot: Bot) -> None:
    """faults.md 58."""
    placed = await bot.do("place_order", **RESTING)
    await bot.control("/faults", {"verb": "clock_offset", "ms": -3_600_000})
    await bot.deribit.read("public/test", {})
    assert [reason.field for reason in (await bot.plan("place_order", **RESTING)).denied] == ["clock"]
    cancelled = await bot.do("cancel_order", order_id=placed.detail["order"]["order_id"])
    assert cancelled.outcome == "confirmed"
    again = await bot.do("place_order", **RESTING)
    assert again.outcome == "confirmed", "its answers agree again"


async def test_a_dropped_connection_is_replaced_and_orders_survive_it(bot: Bot) -> None:
    order = (await bot.do("place_order", **FAR_BELOW)).detail["order"]
    for losses in (1, 2, 3):
        assert (await bot.control("/drop", {"environment": "deribit_testnet"}))["dropped"] == 1
        await eventually(lambda losses=losses: bot.deribit.status().reconnects == losses)  # type: ignore[misc]
        assert (await bot.ask("get_open_orders"))["orders"] == [order]
    assert bot.deribit.status().healthy
    assert await bot.count("private/buy") == 1


async def test_a_connection_that_drops_under_load_answers_every_call_once(bot: Bot) -> None:
    ended: list[str] = []

    async def ask(number: int) -> None:
        try:
            await bot.ask("get_orderbook", instrument_name=PERPETUAL, depth=(1, 5, 10, 20, 50)[number % 5])
            ended.append("answered")
        except Exception as failure:  # which one is the point of the assertion below
            ended.append(type(failure).__name__)

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(ask, number)
        group.start_soon(bot.control, "/drop", {})
    assert len(ended) == 40
    assert set(ended) == {"answered"}, "a read survives one lost connection"


async def test_heartbeats_are_asked_for_and_answered(bot: Bot) -> None:
    await eventually(lambda: bot.deribit.status().connected)
    seen = await bot.control("/received?environment=deribit_testnet&method=public/set_heartbeat")
    assert seen["deribit_testnet"]["requests"][0]["params"] == {"interval": 10}


@pytest.mark.parametrize("part", ["id", "secret"])
async def test_wrong_keys_degrade_and_are_told_as_such(simulator: Simulator, part: str) -> None:
    client_id, secret = simulator.credentials["deribit_testnet"]
    wrong = Credentials(
        Secret("nobody" if part == "id" else client_id), Secret("x" * 32 if part == "secret" else secret)
    )
    async with connected(simulator, credentials=wrong) as deribit:
        status = await deribit.probe(5.0)
        reason = {"id": "invalid_credentials", "secret": "signature_refused"}[part]
        assert (status.healthy, status.reason) == (False, reason)
        assert (await deribit.read("public/get_index_price", {"index_name": "btc_usd"})).result
        with pytest.raises(VenueDown):
            await deribit.read("private/get_positions", {})


async def test_the_other_environments_address_is_found_out_before_any_login(simulator: Simulator) -> None:
    async with connected(simulator, url=simulator.urls["deribit_live"], read_deadline_s=0.5) as deribit:
        await eventually(lambda: deribit.status().reason == "wrong_environment")
        with pytest.raises(VenueDown):
            await deribit.read("public/get_index_price", {"index_name": "btc_usd"})
        async with aiohttp.ClientSession() as http:
            url = simulator.urls["control"] + "/received?environment=deribit_live"
            async with http.get(url) as answer:
                seen = orjson.loads(await answer.read())["deribit_live"]["counts"]
        assert seen == {"public/set_heartbeat": 1}


async def test_without_keys_the_market_is_open_all_the_same(simulator: Simulator) -> None:
    async with connected(simulator, credentials=None) as deribit:
        answer = await deribit.read("public/ticker", {"instrument_name": PERPETUAL})
        assert answer.result["instrument_name"] == PERPETUAL
        assert deribit.status().healthy


async def test_the_venues_limit_is_kept_so_that_it_never_hangs_up(bot: Bot) -> None:
    listed = await bot.ask("get_instruments", currency="BTC", kind="option")
    names = [one["instrument_name"] for one in listed["instruments"][:120]]

    async def ask(name: str) -> None:
        await bot.deribit.read("public/ticker", {"instrument_name": name})

    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(ask, name)
    assert await bot.count("public/ticker") == len(names) == 120
    assert bot.deribit.status().reconnects == 0


@pytest.mark.recorded
async def test_a_recorded_option_is_traded_on_its_own_day(recorded: Path) -> None:
    """The chain stands at its recording's time, whatever our clock says: what was open then can be ordered."""
    chain = recorded / "deribit/book_summary_option_BTC_mainnet_20260822.json"
    async with run_simulator(SimulatorConfig(chains=(chain,)), SystemClock()) as running, connected(running) as deribit:
        principal = Principal(Environment.TESTNET, "testnet", "night-owl", frozenset(), "s-1", "websocket")
        bot = Bot(deribit, running, Call("r-1", "test", principal, Services(Environment.TESTNET, [deribit])), count())
        listed = await bot.ask("get_instruments", currency="BTC", kind="option")
        assert listed["count"] == 1078
        option = "BTC-25SEP26-80000-C"
        ticker = await bot.ask("get_ticker", instrument_name=option)
        assert (ticker["mark_iv"], ticker["as_of"]) == (41.21, "2026-08-22T03:50:45.199000Z")
        assert (await bot.ask("get_orderbook", instrument_name=option))["bids"]
        order = (await bot.do("place_order", instrument_name=option, side="buy", amount="0.1", price="0.02")).detail[
            "order"
        ]
        edited = (await bot.do("edit_order", order_id=order["order_id"], price="0.0205")).detail["order"]
        assert (edited["price"], edited["amount"], edited["order_state"]) == ("0.0205", "0.1", "open")
        ending = await bot.do("cancel_order", order_id=order["order_id"])
        assert ending.detail["order"]["order_state"] == "cancelled"
