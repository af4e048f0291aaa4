"""A daemon, the venues it trades on, and what must hold of every write whatever went wrong: one story everywhere.

The reply, the journal, the audit and what the venue itself says must tell the same. The laws are those of `faults.md`
1: an error reply means that the venue received nothing, one intent has at most one effect, and an outcome that is not
known becomes known.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import anyio.to_thread
import orjson

from cerberod.errors import Code
from cerberod.trading.records import JOURNAL_FILE
from tests.faults.asked import Asked, venue_of
from tests.faults.recipes import RECIPES
from tests.support.bad_day import BadDay
from tests.support.client import ANSWER_S, Client
from tests.support.daemon import UNHURRIED, Daemon
from tests.support.simulator import SimulatorProcess

RESOLVED_S = 60.0
"""Longer than any outcome may stay unknown once the venue can tell."""
CONFIRMED, REJECTED, UNKNOWN, ERROR = "confirmed", "rejected", "unknown", "error"
TALKING: dict[str, tuple[str, dict[str, Any]]] = {
    "deribit": ("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"}),
    "bybit": ("bybit.get_server_time", {}),
}
"""A read of each venue, whose answer tells the daemon the venue's time."""


@dataclass
class Tally:
    """The figures of the whole matrix."""

    cases: int = 0
    doubled: list[str] = field(default_factory=list)
    errors_after_a_send: list[str] = field(default_factory=list)
    unaudited: list[str] = field(default_factory=list)


class Desk:
    """A daemon and the venues it trades on; tests are at one of them at a time."""

    def __init__(
        self, folder: Path, *, module: str = "tests.support.impatient", settings: Mapping[str, str] = UNHURRIED
    ) -> None:
        self.simulator = SimulatorProcess(folder / "simulator")
        self.at = "deribit"
        """The venue that tests are at."""
        self._venues = {name: BadDay(self.simulator, f"{name}_testnet") for name in TALKING}
        settings = {**self.simulator.keys_of("TESTNET"), **settings}
        self.daemon = Daemon(folder / "daemon", "serve", settings=settings, module=module)
        self.daemon.wait_ready()
        self.tally = Tally()
        self._loss_announced = False

    @property
    def venue(self) -> BadDay:
        return self._venues[self.at]

    @property
    def keeps_a_connection(self) -> bool:
        """Tell whether the venue is spoken to over one connection, whose loss shows."""
        return self.at == "deribit"

    async def talk(self, client: Client) -> None:
        """Let the daemon ask the venue something."""
        name, params = TALKING[self.at]
        await client.call(name, params)

    async def working(self, client: Client) -> None:
        """Wait until the daemon can trade again."""
        with anyio.fail_after(RESOLVED_S):
            while True:
                venue = await self._status(client)
                if not venue["healthy"] and self.keeps_a_connection:
                    await anyio.sleep(0.05)
                elif not venue["healthy"] or venue["reason"] == "clock_unstable":
                    await self.talk(client)
                else:
                    return

    async def _status(self, client: Client) -> dict[str, Any]:
        """Return what the daemon says of the venue that these days are at."""
        venues = (await client.call("admin.get_status"))["venues"]
        return next(dict(venue) for venue in venues if venue["venue"] == self.at)

    async def readiness(self) -> dict[str, Any]:
        """Return what monitors are told."""

        def ask() -> dict[str, Any]:
            with urlopen(f"{self.daemon.http_url}/health/ready", timeout=ANSWER_S) as answer:
                told: dict[str, Any] = orjson.loads(answer.read())
            return told

        return await anyio.to_thread.run_sync(ask)

    def announce_loss(self) -> None:
        """Say that the daemon will lose its connection."""
        if not self._loss_announced:
            self.daemon.announce("connection down")
            self._loss_announced = True

    async def losses(self, client: Client) -> int:
        """Return how many connections the daemon has lost."""
        lost: int = (await self._status(client))["reconnects"]
        return lost

    async def has_lost(self, client: Client, before: int) -> None:
        """Wait until the daemon has noticed that a connection is gone."""
        with anyio.fail_after(ANSWER_S):
            while await self.losses(client) == before:  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.02)

    async def prepare(self, client: Client, recipe: str) -> Asked:
        """Bring about what a write acts on, and return the write."""
        self.at = venue_of(recipe)
        asked = await RECIPES[recipe].prepare(client)
        asked.asked_before = self.venue.count(asked.wire)
        return asked

    def received(self, asked: Asked) -> int:
        """Return how often the venue has read this very write: no other like it is sent meanwhile."""
        return self.venue.count(asked.wire) - asked.asked_before

    async def ask(self, client: Client, asked: Asked, *, give_up_after: str | None) -> dict[str, Any]:
        """Ask for a write; give up once the venue has read it and, where it comes, a request of the name given."""
        if give_up_after is None:
            return await client.ask(asked.method, asked.params)
        replies: list[dict[str, Any]] = []

        async def ask() -> None:
            replies.append(await client.ask(asked.method, asked.params))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await self.has_received(asked)
            if give_up_after != asked.wire:
                count, looks = self.venue.count, self.venue.count(give_up_after)
                while not replies and count(give_up_after) == looks:  # noqa: ASYNC110 - in another process
                    await anyio.sleep(0.01)
            self.daemon.give_up()
        return replies[0]

    async def has_received(self, asked: Asked) -> None:
        """Wait until the venue has read a write."""
        with anyio.fail_after(ANSWER_S):
            while not await anyio.to_thread.run_sync(self.received, asked):  # noqa: ASYNC110 - in another process
                await anyio.sleep(0.01)

    def journaled(self, intent: str) -> str | None:
        """Return the outcome that the journal's file has of an intent; None without a row or an outcome."""
        journal = sqlite3.connect(f"file:{self.daemon.state_dir / JOURNAL_FILE}?mode=ro", uri=True)
        try:
            row = journal.execute("SELECT outcome FROM intents WHERE intent = ?", (intent,)).fetchone()
        finally:
            journal.close()
        return None if row is None else row[0]

    def audited(self, *, intent: str = "", request_id: str = "") -> list[dict[str, Any]]:
        """Return the audit records of an intent or a call, oldest first."""
        data = (self.daemon.state_dir / "audit.jsonl").read_bytes()
        lines = data[: data.rfind(b"\n") + 1].splitlines()  # the last one may be half written
        return [
            record
            for line in lines
            if (intent or request_id).encode() in line
            and (record := orjson.loads(line))
            and (record.get("intent") == intent if intent else record.get("request_id") == request_id)
        ]


@contextmanager
def opened(folder: Path) -> Iterator[Desk]:
    """Open a desk for the length of the block, which must leave nothing behind; its figures are printed."""
    desk = Desk(folder)
    try:
        yield desk
        desk.daemon.stop()
    finally:
        desk.daemon.kill()
        desk.simulator.kill()
    desk.daemon.check()
    tally = desk.tally
    print(
        f"\nmatrix: {tally.cases} cases, {len(tally.doubled)} doubled, "
        f"{len(tally.errors_after_a_send)} error replies after a send, {len(tally.unaudited)} answered and unaudited"
    )


def reply_of(reply: dict[str, Any]) -> str:
    """Return the outcome of a reply, or `error` for one that says that nothing was sent."""
    if "error" in reply:
        assert Code(reply["error"]["code"]) is Code.VENUE_DOWN, reply
        return ERROR
    return str(reply["result"]["outcome"])


def note(desk: Desk, asked: Asked, reply: dict[str, Any], sent: int) -> None:
    """Count the case, and what must never be."""
    desk.tally.cases += 1
    if "error" in reply:
        if sent:
            desk.tally.errors_after_a_send.append(asked.intent)
        return
    outcomes = [record.get("outcome") for record in desk.audited(intent=asked.intent) if record["kind"] == "outcome"]
    if reply["result"]["outcome"] not in outcomes:
        desk.tally.unaudited.append(asked.intent)
    assert not desk.tally.unaudited


async def require_listed(client: Client, asked: Asked) -> None:
    """An unknown outcome is listed until it is known."""
    known = await client.call("orders.get_outcome", {"intent": asked.intent})
    listed = await client.call("orders.list_unresolved")
    if known["resolved"]:
        return  # the resolver was quick
    assert asked.intent in [write["intent"] for write in listed["writes"]] or await resolved(client, asked)


async def resolved(client: Client, asked: Asked) -> bool:
    known: bool = (await client.call("orders.get_outcome", {"intent": asked.intent}))["resolved"]
    return known


async def final_outcome(client: Client, asked: Asked) -> dict[str, Any]:
    """Wait until the outcome is final, and return what is known."""
    with anyio.fail_after(RESOLVED_S):
        while not await resolved(client, asked):  # noqa: ASYNC110 - in another process
            await anyio.sleep(0.05)
    return await client.call("orders.get_outcome", {"intent": asked.intent})


async def require_pushed(client: Client, asked: Asked, outcome: str) -> None:
    """The session that asked is told the outcome once it is known."""
    with anyio.fail_after(ANSWER_S):
        while True:
            told = [each["params"] for each in client.pushed if each["params"]["intent"] == asked.intent]
            if told:
                break
            await anyio.sleep(0.02)
    assert [each["outcome"] for each in told] == [outcome]


def require_one_story(desk: Desk, asked: Asked, label: str | None, final: dict[str, Any]) -> None:
    """The venue, the reply, the journal's file and the audit say the same."""
    orders = desk.venue.orders()
    done = asked.done(orders, label)
    assert final["outcome"] == (CONFIRMED if done else REJECTED), final
    assert final["result"]["outcome"] == final["outcome"]
    assert desk.journaled(asked.intent) == final["outcome"]
    if label is not None:
        mine = [order for order in orders.values() if order[desk.venue.label] == label]
        if len(mine) > 1:
            desk.tally.doubled.append(asked.intent)
        assert len(mine) == int(done)
    for part, carried_out in asked.parts.items():
        expected = CONFIRMED if carried_out(orders) else REJECTED
        assert desk.journaled(part) == expected, part
        told = [record for record in desk.audited(intent=part) if record["kind"] == "outcome"]
        assert told[-1]["outcome"] == expected
    records = desk.audited(intent=asked.intent)
    assert [record["kind"] for record in records if record["kind"] == "request"], records
    # A repeat that was answered while the outcome was being found out may stand behind it, with what it was told.
    outcomes = [record for record in records if record["kind"] == "outcome" and not record["detail"].get("repeated")]
    assert outcomes[-1]["outcome"] == final["outcome"]
