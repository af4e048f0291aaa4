"""Bots trade, the daemon is killed at a moment drawn from a seed, the bots come back; again and again.

`--kills N` (or `scripts/soak.sh kills N`) makes it N kills and prints the figures; a run without it takes a few. All
kills hit one state directory, so that whatever one of them left behind is there for all that follow.
"""

import random  # noqa: TID251 - seeded moments
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pytest
from anyio.abc import TaskStatus
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.asked import Asked, method_of
from tests.faults.recipes_bybit import BYBIT
from tests.support.bad_day import BadDay
from tests.support.client import Client, connected, raw_connection
from tests.support.daemon import START_S, Daemon
from tests.support.failpoints import Point
from tests.support.killed import (
    START_BOUND_S,
    WRITES,
    Row,
    Victim,
    Write,
    bot_of,
    final_outcome,
    let_time_pass,
    require_harmless_repeat,
    require_true,
    require_whole_audit,
)
from tests.support.simulator import SimulatorProcess

AT_BYBIT = sorted({method_of(name) for name in BYBIT})
OUTSIDE = 0.2
"""Share of the kills that come from outside, at any moment, rather than at a failpoint."""


@dataclass(slots=True)
class Bot:
    """One bot, with an instrument to itself, and what it knows of its orders."""

    tag: str
    instrument: str
    amount: str
    price: int
    orders: list[str] = field(default_factory=list)
    asked: Write | None = None
    """The write it has no answer to."""
    answered: list[tuple[Write, dict[str, Any]]] = field(default_factory=list)
    writes: int = 0
    unknowns: int = 0

    def next_write(self, seeded: random.Random) -> Write:
        """Think of a write."""
        self.writes += 1
        intent = {"intent": f"{self.tag}-{self.writes}"}
        method = seeded.choice(list(WRITES)) if self.orders else "deribit.place_order"
        price = f"{self.price + self.writes % 300}"
        match method:
            case "deribit.place_order":
                order = {"instrument_name": self.instrument, "side": "buy", "amount": self.amount, "price": price}
                return Write(method, {**order, **intent}, self.tag)
            case "deribit.cancel_all_orders":
                return Write(method, {"instrument_name": self.instrument, **intent}, self.tag, list(self.orders))
            case _:
                target = seeded.choice(self.orders)
                edit = {"price": price} if method == "deribit.edit_order" else {}
                return Write(method, {"order_id": target, **edit, **intent}, self.tag, [target], float(price))

    async def trade(self, connection: ClientConnection, seeded: random.Random) -> None:
        """Write until the connection ends, one after the other."""
        with suppress(ConnectionClosed):
            while True:
                write = self.asked = self.next_write(seeded)
                reply = await _ask(connection, write.method, write.params)
                result = reply.get("result")
                if result is not None and result["outcome"] == "unknown":
                    result = reply["result"] = await self._learn_outcome(connection, write)
                self.asked = None
                self.answered.append((write, reply))
                self._learn(write, result)

    async def _learn_outcome(self, connection: ClientConnection, write: Write) -> dict[str, Any]:
        """Wait, as a careful bot does before its next order, until an outcome is known."""
        self.unknowns += 1
        while True:
            await anyio.sleep(0.1)
            told = (await _ask(connection, "orders.get_outcome", {"intent": write.intent}))["result"]
            if told["resolved"]:
                result: dict[str, Any] = told["result"]
                return result

    def _learn(self, write: Write, result: dict[str, Any] | None) -> None:
        if result is None or result["outcome"] != "confirmed":
            return
        if write.method == "deribit.place_order":
            self.orders.append(result["order"]["order_id"])
        elif write.method != "deribit.edit_order":
            self.orders = [each for each in self.orders if each not in write.targets]


class Wanderer:
    """A bot at Bybit that tries every write there is, one after the other, as the recipes of bad days have them."""

    tag = "dogwood"

    def __init__(self, venue: BadDay) -> None:
        self.venue = venue
        self.wanted = ""
        """The method whose turn it is more often."""
        self.asked: Asked | None = None
        """The write it has no answer to."""
        self.answered: list[tuple[Asked, dict[str, Any]]] = []

    async def session(self, daemon: Daemon, seeded: random.Random, *, task_status: TaskStatus[None]) -> None:
        """Write until the daemon has died, which may be before it is connected."""
        try:
            async with connected(daemon, bot_tag=self.tag) as client:
                task_status.started()
                while True:
                    await self._write(client, seeded)
        except* ConnectionClosed:
            pass
        except* (OSError, InvalidHandshake):
            task_status.started()

    async def _write(self, client: Client, seeded: random.Random) -> None:
        names = [name for name in BYBIT if method_of(name) == self.wanted]
        name = seeded.choice(names if names and seeded.random() < 0.5 else list(BYBIT))
        asked = await BYBIT[name].prepare(client)
        asked.asked_before = self.venue.count(asked.wire)
        self.asked = asked
        result = await client.call(asked.method, asked.params)
        while result["outcome"] == "unknown":
            await anyio.sleep(0.1)
            told = await client.call("orders.get_outcome", {"intent": asked.intent})
            result = told["result"] or result
        self.asked = None
        self.answered.append((asked, result))

    async def come_back(self, client: Client) -> str:
        """Learn what became of the write without an answer, and repeat it; return its outcome, or `free`."""
        asked, self.asked = self.asked, None
        if asked is None:
            return ""
        told = await final_outcome(client, asked.intent)
        became = told["outcome"] if told["known"] else "free"
        assert became == self._truth(asked, told["client_order_id"] if told["known"] else None, told["known"]), told
        sent = self.venue.count(asked.wire) - asked.asked_before
        assert sent <= (became != "free"), "sent twice, or sent and not known"
        again = await client.call(asked.method, asked.params)
        if became == "free":
            assert not again["repeated"], again
            return str(became)
        assert (again["outcome"], again["repeated"]) == (became, True)
        assert self.venue.count(asked.wire) - asked.asked_before == sent, "a repeat changes nothing"
        return str(became)

    def _truth(self, asked: Asked, label: str | None, known: bool) -> str:
        done = asked.done(self.venue.orders(), label)
        assert known or not done, "the venue has done what nobody here knows of"
        return "confirmed" if done else "rejected" if known else "free"

    def require_journaled(self, rows: dict[tuple[str, str], Row]) -> None:
        """P4 and P2, as at the other venue."""
        labels = [order["orderLinkId"] for order in self.venue.orders().values() if order["orderLinkId"]]
        assert not set(labels) - {row.label for row in rows.values()}, "orders at the venue that no intent accounts for"
        assert len(labels) == len(set(labels)), "two orders of one intent"


async def _ask(connection: ClientConnection, method: str, params: dict[str, Any]) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    await connection.send(orjson.dumps(request).decode())
    while True:
        reply: dict[str, Any] = orjson.loads(await connection.recv())
        if "id" in reply:
            return reply


class Kills:
    """Many lives of one daemon, and what became of everything that was asked of them."""

    def __init__(self, victim: Victim, seed: int) -> None:
        self.victim = victim
        self.seeded = random.Random(seed)
        self.figures: Counter[str] = Counter()
        self.bots = [
            Bot("alder", "BTC-PERPETUAL", "10", 1000),
            Bot("birch", "ETH-PERPETUAL", "10", 100),
            Bot("cedar", "BTC_USDC-PERPETUAL", "0.001", 1000),
        ]
        self.wanderer = Wanderer(BadDay(victim.simulator, "bybit_testnet"))

    async def once(self) -> None:
        """Let one daemon die and the next one tell what had become of the last writes."""
        await self._trade_to_death()
        self.victim.require_journaled()
        self.wanderer.require_journaled(self.victim.rows())
        let_time_pass(self.victim.daemon.state_dir)
        self.victim.restart()
        await anyio.to_thread.run_sync(require_whole_audit, self.victim.daemon.state_dir)
        await self._hold_answers_against_the_truth()
        for bot in self.bots:
            await self._come_back(bot)
        async with bot_of(self.victim, self.wanderer.tag) as client:
            became = await self.wanderer.come_back(client)
            self.figures[f"without an answer at Bybit: {became}"] += bool(became)
        self.figures["kills"] += 1

    async def _trade_to_death(self) -> None:
        seeded = self.seeded
        point = seeded.choice(list(Point)) if seeded.random() >= OUTSIDE else None
        if point is not None:
            method = seeded.choice([*WRITES, *AT_BYBIT])
            self.wanderer.wanted = method
            self.victim.trap.arm(point, method, 1 if method in AT_BYBIT else seeded.randint(1, 3))
        self.figures["killed from outside" if point is None else f"killed at {point}"] += 1
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for bot in self.bots:
                    await group.start(self._session, bot)
                await group.start(self.wanderer.session, self.victim.daemon, seeded)
                if point is None:
                    await anyio.sleep(seeded.uniform(0.01, 0.2))
                    self.victim.daemon.process.kill()
        await self.victim.buried()

    async def _session(self, bot: Bot, *, task_status: TaskStatus[None]) -> None:
        """Trade until the daemon dies, which may be before the next bot is there."""
        try:
            async with raw_connection(self.victim.daemon, bot_tag=bot.tag) as connection:
                task_status.started()
                await bot.trade(connection, self.seeded)
        except (OSError, InvalidHandshake):
            task_status.started()

    async def _hold_answers_against_the_truth(self) -> None:
        """What was answered is in the journal as it was answered, and an error was never the answer to a write done."""
        rows = self.victim.rows()
        for bot in self.bots:
            for write, reply in bot.answered:
                self.figures["answered"] += 1
                if "error" in reply:
                    error = reply["error"]
                    self.figures[f"answered by error {error['code']} {error['data'].get('reason', '')}"] += 1
                    assert (bot.tag, write.intent) not in rows, reply
                    continue
                assert rows[bot.tag, write.intent].outcome == reply["result"]["outcome"], reply
            bot.answered.clear()
        for asked, result in self.wanderer.answered:
            self.figures["answered at Bybit"] += 1
            assert rows[self.wanderer.tag, asked.intent].outcome == result["outcome"], result
            for part in result.get("orders", ()):
                assert rows[self.wanderer.tag, part["intent"]].outcome == part["outcome"], part
        self.wanderer.answered.clear()

    async def _come_back(self, bot: Bot) -> None:
        write, bot.asked = bot.asked, None
        if write is not None:
            async with bot_of(self.victim, bot.tag) as client:
                became = await require_true(self.victim, client, write)
                self.figures[f"without an answer: {became}"] += 1
                await require_harmless_repeat(self.victim, client, write, became)
        known = self.victim.orders().values()
        bot.orders = [
            each["order_id"]
            for each in known
            if (each["instrument_name"], each["order_state"]) == (bot.instrument, "open")
        ]

    def require_all_audited(self) -> None:
        """Every intent of the journal has its request and its outcome in the audit."""
        audited = set()
        for line in (self.victim.daemon.state_dir / "audit.jsonl").read_bytes().splitlines():
            record = orjson.loads(line)
            audited.add((record["kind"], record.get("bot_tag"), record.get("intent")))
        for tag, intent in self.victim.rows():
            assert {("request", tag, intent), ("outcome", tag, intent)} <= audited, intent

    def told(self) -> str:
        """Return the figures, one on a line."""
        rows, orders = self.victim.rows(), self.victim.orders()
        found = {
            **dict(sorted(self.figures.items())),
            "answered as unknown, learnt later": sum(bot.unknowns for bot in self.bots),
            "intents in the journal": len(rows),
            "of them open": sum(row.outcome in (None, "unknown") for row in rows.values()),
            "orders at the venue": len(orders),
            "slowest start, seconds": round(self.victim.slowest_start_s, 2),
        }
        return "\n".join(f"{number:>8}  {what}" for what, number in found.items())


@pytest.fixture
def victim(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Victim]:
    simulator = SimulatorProcess(tmp_path / "simulator")
    try:
        bound_s = START_BOUND_S if pytestconfig.getoption("kills") else START_S
        victim = Victim(tmp_path / "victim", simulator, start_bound_s=bound_s)
        try:
            yield victim
        finally:
            victim.daemon.kill()
    finally:
        simulator.kill()


@pytest.mark.promise("P1", "P2", "P4", "P5", "P8")
async def test_bots_that_come_back_after_any_kill_find_the_truth(
    victim: Victim, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = pytestconfig.getoption("kills")
    kills = Kills(victim, pytestconfig.getoption("seed"))
    for _ in range(asked or 4):
        await kills.once()
    await anyio.to_thread.run_sync(victim.daemon.stop)
    victim.restart(module="cerberod")
    await anyio.to_thread.run_sync(require_whole_audit, victim.daemon.state_dir)
    kills.require_all_audited()
    if asked:
        with capsys.disabled():
            print(f"\n{kills.told()}")
    await anyio.to_thread.run_sync(victim.daemon.stop)
    await anyio.to_thread.run_sync(victim.daemon.check)
