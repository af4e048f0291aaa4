"""Every write method on every kind of bad day, at the venue's end of the line and at the caller's.

Read from the registry: a write that is declared is in here the same day. One real daemon and one real simulator, each
in a process of its own. On every day all writes are tried one after the other; each reply, the journal, the audit and
what the venue itself says must tell the same story. The laws are those of `faults.md` 1: an error reply means that the
venue received nothing, one intent has at most one effect, and an outcome that is not known becomes known.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import anyio
import anyio.to_thread
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cerberod.app import methods
from cerberod.errors import Code
from cerberod.rpc.registry import Effect
from cerberod.trading.records import JOURNAL_FILE
from tests.faults.asked import Asked, method_of, venue_of
from tests.faults.recipes import RECIPES
from tests.support.bad_day import BadDay
from tests.support.client import ANSWER_S, Client, check_reply, connected
from tests.support.daemon import UNHURRIED, Daemon
from tests.support.link import Harm, linked
from tests.support.simulator import SimulatorProcess

WRITES = [method.name for method in methods() if method.effect is Effect.WRITE]
RESOLVED_S = 60.0
"""Longer than any outcome may stay unknown once the venue can tell."""


@dataclass(frozen=True)
class Day:
    """What goes wrong, and what a caller may be told while it does."""

    rule: dict[str, Any]
    told: str
    """The outcome of the reply, or `error`."""
    effect: bool
    """Whether the venue carries the write out all the same."""
    every_request: bool = False
    """The rule means all requests, not only the write."""
    cut_first: bool = False
    """The connection that stands is cut, because new ones are what goes wrong."""
    placed: str = ""
    """What is told of an order that is placed alone, where that is something else."""
    unread: bool = False
    """The venue reads nothing, though something was written to it; a write that asks first is an error."""


LOSING = {"refuse", "status", "cut_before", "cut_after", "half_answer", "garbage", "silence", "rate_limit"}
"""Verbs after which the connection is gone."""
UNANSWERED = {"drop_answer", "answer_late", "silence"}
"""Verbs after which no answer comes."""
CONFIRMED, REJECTED, UNKNOWN, ERROR = "confirmed", "rejected", "unknown", "error"


def error(code: int, told: str, *, effect: bool = False) -> Day:
    return Day({"verb": "error", "code": code, "effect": effect}, told, effect)


DAYS: dict[str, Day] = {
    "answer_twice": Day({"verb": "answer_twice"}, CONFIRMED, True),
    "clock_behind": Day({"verb": "clock_offset", "ms": -400}, CONFIRMED, True, every_request=True),
    "refuse": Day({"verb": "refuse"}, ERROR, False, every_request=True, cut_first=True),
    "status_502": Day({"verb": "status", "status": 502}, ERROR, False, every_request=True, cut_first=True),
    "status_429": Day({"verb": "status", "status": 429}, ERROR, False, every_request=True, cut_first=True),
    "cut_before": Day({"verb": "cut_before"}, UNKNOWN, False),
    "cut_after": Day({"verb": "cut_after"}, UNKNOWN, True),
    "half_answer": Day({"verb": "half_answer"}, UNKNOWN, True),
    "garbage": Day({"verb": "garbage"}, UNKNOWN, True),
    "drop_answer": Day({"verb": "drop_answer"}, UNKNOWN, True),
    "answer_late": Day({"verb": "answer_late"}, UNKNOWN, True),
    "silence": Day({"verb": "silence"}, UNKNOWN, False),
    "rate_limit": Day({"verb": "rate_limit"}, REJECTED, False),
    "10009_not_enough_funds": error(10009, REJECTED),
    "10028_too_many_requests": error(10028, REJECTED),
    "10040_retry": error(10040, REJECTED),
    "13009_unauthorized": error(13009, REJECTED),
    "11094_internal_error": error(11094, UNKNOWN),
    "11094_after_all": error(11094, UNKNOWN, effect=True),
    "13028_unavailable": error(13028, UNKNOWN),
    "13028_after_all": error(13028, UNKNOWN, effect=True),
    "unlisted_code": error(19999, UNKNOWN),
}

HTTP_DAYS: dict[str, Day] = {
    "answer_twice": Day({"verb": "answer_twice"}, CONFIRMED, True),
    "clock_behind": Day({"verb": "clock_offset", "ms": -400}, CONFIRMED, True, every_request=True),
    "refuse": Day({"verb": "refuse"}, UNKNOWN, False, every_request=True, unread=True),
    "status_400": Day({"verb": "status", "status": 400}, REJECTED, False),
    "status_404": Day({"verb": "status", "status": 404}, REJECTED, False),
    "status_429": Day({"verb": "status", "status": 429}, UNKNOWN, False),
    "status_502": Day({"verb": "status", "status": 502}, UNKNOWN, False),
    "cut_before": Day({"verb": "cut_before"}, UNKNOWN, False),
    "cut_after": Day({"verb": "cut_after"}, UNKNOWN, True),
    "half_answer": Day({"verb": "half_answer"}, UNKNOWN, True),
    "garbage": Day({"verb": "garbage"}, UNKNOWN, True),
    "drop_answer": Day({"verb": "drop_answer"}, UNKNOWN, True),
    "answer_late": Day({"verb": "answer_late"}, UNKNOWN, True),
    "silence": Day({"verb": "silence"}, UNKNOWN, False),
    "rate_limit": Day({"verb": "rate_limit"}, REJECTED, False),
    "110007_balance_too_small": error(110007, REJECTED),
    "10002_outside_the_window": error(10002, REJECTED),
    "10000_after_all": error(10000, UNKNOWN, effect=True),
    "10016_internal_error": error(10016, UNKNOWN),
    "10016_after_all": error(10016, UNKNOWN, effect=True),
    "10014_duplicate_request": error(10014, UNKNOWN),
    "110072_that_is_not_there": error(110072, UNKNOWN),
    "110072_the_first_landed": Day({"verb": "error", "code": 110072, "effect": True}, UNKNOWN, True, placed=CONFIRMED),
    "170141_the_first_landed": Day({"verb": "error", "code": 170141, "effect": True}, UNKNOWN, True, placed=CONFIRMED),
    "unlisted_code": error(999_999, UNKNOWN),
}
"""Days at a venue of requests and answers. One that refuses to be connected to has been written to by then."""
PLACING = frozenset({"bybit.place_order", "bybit.close_position"})
TALKING: dict[str, tuple[str, dict[str, Any]]] = {
    "deribit": ("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"}),
    "bybit": ("bybit.get_server_time", {}),
}
"""A read of each venue, whose answer tells the daemon the venue's time."""


def recipes_of(venue: str) -> list[str]:
    return [name for name in RECIPES if venue_of(name) == venue]


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

    async def ask(self, client: Client, asked: Asked, *, answered: bool) -> dict[str, Any]:
        """Ask for a write; one that is never answered is given up once the venue has read it."""
        if answered:
            return await client.ask(asked.method, asked.params)
        replies: list[dict[str, Any]] = []

        async def ask() -> None:
            replies.append(await client.ask(asked.method, asked.params))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await self.has_received(asked)
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


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("matrix"))
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


@pytest.mark.promise("P1", "P2", "P3", "P4")
def test_every_write_has_a_recipe() -> None:
    assert sorted({method_of(name) for name in RECIPES}) == WRITES, "say in recipes.py how it is tried on a bad day"


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("name", DAYS)
async def test_a_bad_day_at_the_venue(desk: Desk, name: str) -> None:
    await every_write(desk, "deribit", DAYS[name])


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("name", HTTP_DAYS)
async def test_a_bad_day_at_a_venue_of_requests_and_answers(desk: Desk, name: str) -> None:
    await every_write(desk, "bybit", HTTP_DAYS[name])


async def every_write(desk: Desk, venue: str, day: Day) -> None:
    """Let every write of a venue suffer a day, one after the other."""
    desk.at = venue
    async with connected(desk.daemon) as client:
        for recipe in recipes_of(venue):
            await desk.working(client)
            asked = await desk.prepare(client, recipe)
            await suffer(desk, client, day, asked)


@pytest.mark.promise("P1", "P2")
async def test_a_day_on_which_the_venues_clock_jumps(desk: Desk) -> None:
    """faults.md 58: orders wait until its answers agree again, cancels pass, readiness tells."""
    desk.at = "deribit"
    async with connected(desk.daemon) as client:
        for recipe in recipes_of("deribit"):
            await desk.working(client)
            asked = await desk.prepare(client, recipe)
            desk.venue.let_time_pass(3600)
            await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
            assert client_of(await desk.readiness())["reason"] in ("clock_unstable", "clock_offset")
            desk.venue.let_time_pass(3600)
            await client.call("deribit.get_ticker", {"instrument_name": "BTC-PERPETUAL"})
            reply = await client.call(asked.method, asked.params)
            if RECIPES[recipe].is_cancel:
                assert reply["outcome"] == CONFIRMED
                continue
            assert (reply["outcome"], [reason["field"] for reason in reply["reasons"]]) == ("denied", ["clock"]), recipe
            assert desk.received(asked) == 0
            assert desk.journaled(asked.intent) is None
            assert [record["outcome"] for record in desk.audited(intent=asked.intent)] == ["denied"]
            await desk.working(client)
            assert (await client.call(asked.method, asked.params))["outcome"] == CONFIRMED, "the intent was not used up"
    readiness = await desk.readiness()
    assert (readiness["status"], client_of(readiness)["healthy"]) == ("degraded", True)


def client_of(readiness: dict[str, Any]) -> dict[str, Any]:
    """Return what monitors are told of the venue that these days are at."""
    return next(dict(client) for client in readiness["clients"] if client["exchange"] == "deribit")


async def suffer(desk: Desk, client: Client, day: Day, asked: Asked) -> None:
    """Send one write on a bad day, then let the day pass, and hold all that is said of it against the venue."""
    venue, is_cancel = desk.venue, RECIPES[asked.method].is_cancel
    which = {} if day.every_request else {"method": asked.wire, "times": 1}
    if day.rule["verb"] in LOSING and desk.keeps_a_connection:
        desk.announce_loss()
    expected = (day.placed if asked.method in PLACING else "") or day.told
    with venue.day(day.rule | which):
        if day.cut_first:
            losses = await desk.losses(client)
            venue.drop()
            await desk.has_lost(client, losses)
        losses = await desk.losses(client)
        reply = await desk.ask(client, asked, answered=day.rule["verb"] not in UNANSWERED)
        told = reply_of(reply)
        label = reply.get("result", {}).get("client_order_id")
        assert told == expected or (day.unread and told == ERROR), reply
        read = 0 if told == ERROR or day.unread else 1
        if read:
            await desk.has_received(asked)  # a connection that is lost may be noticed here before it is read there
        sent = desk.received(asked)
        assert sent == read, "an error means nothing sent, anything else one request"
        note(desk, asked, reply, sent)
        if told == UNKNOWN:
            await require_listed(client, asked)
            if not is_cancel:
                again = await client.call(asked.method, asked.params)
                assert (again["outcome"] in (UNKNOWN, CONFIRMED), again["repeated"]) == (True, True)
                assert desk.received(asked) == read
    if day.rule["verb"] == "silence":
        venue.drop()
    if day.rule["verb"] in ("silence", "rate_limit") and desk.keeps_a_connection:
        await desk.has_lost(client, losses)
    await desk.working(client)

    if told == ERROR:
        assert asked.done(venue.orders(), label) is False
        assert [desk.journaled(part) for part in asked.parts] == [None] * len(asked.parts)
        assert (await client.call("orders.get_outcome", {"intent": asked.intent}))["known"] is False
        assert desk.journaled(asked.intent) is None
        reply = await client.ask(asked.method, asked.params)
        assert reply_of(reply) == CONFIRMED, "an intent of which nothing left is free"
        label = reply["result"]["client_order_id"]
    elif told == UNKNOWN and not day.effect:
        if is_cancel:
            again = await client.call(asked.method, asked.params)
            assert (again["outcome"], again["repeated"]) == (CONFIRMED, False), (
                "a cancel of unknown outcome is sent again"
            )
        else:
            venue.let_time_pass(60)
    elif told == UNKNOWN and not all(carried_out(venue.orders()) for carried_out in asked.parts.values()):
        venue.let_time_pass(60)  # else the venue may still do what it has not done, and nobody can tell
    final = await final_outcome(client, asked)
    if told == UNKNOWN and not (is_cancel and not day.effect):
        await require_pushed(client, asked, final["outcome"])
    require_one_story(desk, asked, label, final)
    if day.rule["verb"] == "answer_late":
        venue.release()

    before = desk.received(asked)
    again = await client.call(asked.method, asked.params)
    assert (again["outcome"], again["repeated"]) == (final["outcome"], True)
    assert desk.received(asked) == before, "a repeat sends nothing"
    assert before <= 1 + (is_cancel and told == UNKNOWN)


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


# -- the caller's end of the line ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What befalls the request on its way to the daemon, or the reply on its way back."""

    harm: Harm
    back: bool
    arrives: bool
    """Whether the request reaches the daemon whole."""


TROUBLES = {
    f"{'reply' if back else 'request'}_{harm}": Trouble(harm, back, arrives=back or harm is Harm.HOLD)
    for back in (False, True)
    for harm in Harm
}


@asynccontextmanager
async def line(desk: Desk) -> AsyncIterator[tuple[Any, Any]]:
    """Open a session over a link that will go wrong."""
    headers = {"Authorization": f"Bearer {desk.daemon.token}", "X-Bot-Tag": "tester"}
    async with (
        linked("127.0.0.1", desk.daemon.port) as link,
        connect(link.url, additional_headers=headers, compression=None, proxy=None, close_timeout=1) as bot,
    ):
        yield link, bot


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.parametrize("name", TROUBLES)
async def test_trouble_at_the_callers_end(desk: Desk, name: str) -> None:
    """Whatever becomes of the caller's connection, it learns the truth by asking again under the same intent."""
    trouble = TROUBLES[name]
    async with connected(desk.daemon) as client:
        for recipe in RECIPES:
            desk.at = venue_of(recipe)
            await desk.working(client)
            asked = await desk.prepare(client, recipe)
            await lose_the_reply(desk, trouble, asked)
            if trouble.arrives:
                final = await final_outcome(client, asked)
                assert final["outcome"] == CONFIRMED
                require_one_story(desk, asked, final["client_order_id"], final)
            reply = await client.call(asked.method, asked.params)
            assert (reply["outcome"], reply["repeated"]) == (CONFIRMED, trouble.arrives)
            assert desk.received(asked) == 1
            note(desk, asked, {"result": reply}, 1)


async def lose_the_reply(desk: Desk, trouble: Trouble, asked: Asked) -> None:
    """Send a write over a line that goes wrong, and read what comes of it until the line ends or is given up."""
    async with line(desk) as (link, bot):
        way = link.back if trouble.back else link.there
        way.harm(trouble.harm)
        request = {"jsonrpc": "2.0", "id": 7, "method": asked.method, "params": asked.params}
        try:
            with anyio.fail_after(ANSWER_S):
                await bot.send(orjson.dumps(request).decode())
                await way.met()
                if trouble.harm is Harm.DROP:
                    return  # nothing will ever come
                if trouble.harm is Harm.HOLD:
                    way.release()
                reply = orjson.loads(await bot.recv())
        except ConnectionClosed:
            assert trouble.harm is not Harm.HOLD
            return
        assert trouble.harm is Harm.HOLD, reply
        check_reply(asked.method, reply)
        assert reply["result"]["outcome"] == CONFIRMED, reply
