"""`kill -9` of every write at every point that it passes. `faults.md` 68.

The daemon dies inside the write, the venue lives on. The daemon that starts on what is left knows the truth, needs no
hand, and a bot that repeats its intent changes nothing a second time. The writes are those of `recipes.py`, whatever is
declared there is killed here. `scripts/soak.sh points` takes every write to every point; a run of the suite takes each
to the worst one, where its answer is under way, and to one of the others in turn.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import anyio
import anyio.to_thread
import orjson
import pytest

from tests.faults.asked import Asked, venue_of
from tests.faults.desk import CONFIRMED, REJECTED, Desk, final_outcome, note, require_one_story
from tests.faults.recipes import RECIPES
from tests.faults.recipes_bybit import batch_of
from tests.support.client import ANSWER_S, Client, connected, raw_connection
from tests.support.failpoints import Point
from tests.support.killed import Trap, ask_and_die, buried, let_time_pass, require_whole_audit, rows_of

BOT = "night-owl"
NEVER_SENT = {Point.TORN_REQUEST, Point.BEFORE_JOURNAL, Point.AFTER_JOURNAL, Point.BEFORE_SEND}
FREE = {Point.TORN_REQUEST, Point.BEFORE_JOURNAL}
"""Points at which nothing of the write is in the journal."""
TORN = {Point.TORN_REQUEST, Point.TORN_OUTCOME}
OF_A_PART = (Point.BEFORE_AUDIT, Point.TORN_OUTCOME, Point.BEFORE_OUTCOME, Point.AFTER_OUTCOME)
"""What each part of a write passes by itself: the outcomes of the parts are recorded before that of the whole."""
A_SECOND = 10
"""How many orders of a batch Bybit takes in one second at most."""
FEWEST = 3
"""How many writes a run of the suite takes to each point at least."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Where the daemon dies of which write; of one of its parts, where it is said so."""

    recipe: str
    point: Point
    part: bool = False

    def __str__(self) -> str:
        return f"{self.recipe}: {self.point}{' of a part' if self.part else ''}"


IN_PARTS = [name for name, recipe in RECIPES.items() if recipe.in_parts]
EVERY_KILL = [
    *(Kill(name, point) for name in RECIPES for point in Point),
    *(Kill(name, point, part=True) for name in IN_PARTS for point in OF_A_PART),
]


def in_turn() -> list[Kill]:
    """Return what a run of the suite does: every write twice, every point several times."""
    others = cycle(point for point in Point if point is not Point.AFTER_SEND)
    return [
        *(Kill(name, point) for name in RECIPES for point in (Point.AFTER_SEND, next(others))),
        *(Kill(name, point, part=True) for name, point in zip(IN_PARTS, cycle(OF_A_PART), strict=False)),
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill" in metafunc.fixturenames:
        kills = EVERY_KILL if metafunc.config.getoption("every_point") else in_turn()
        metafunc.parametrize("kill", kills, ids=str)


class Mortal(Desk):
    """A daemon that dies where it is told to, again and again on one state directory, and the venues that survive."""

    def __init__(self, folder: Path) -> None:
        self.trap = Trap(folder / "armed")
        settings = {"FAILPOINT": str(self.trap.file)}
        super().__init__(folder, module="tests.support.failpoints", settings=settings)

    async def die(self, asked: Asked, kill: Kill) -> None:
        """Ask for a write that is the daemon's last."""
        if kill.point is Point.AFTER_SEND:
            await self._die_unanswered(asked)
            return
        self.trap.arm(kill.point, list(asked.parts)[-1] if kill.part else asked.intent)
        await ask_and_die(self.daemon, asked.method, asked.params, BOT)
        self.trap.disarm()

    async def _die_unanswered(self, asked: Asked) -> None:
        """Die when the venue has carried the write out and its answer has not come."""
        with self.venue.day({"verb": "drop_answer", "method": asked.wire, "times": 1}):
            async with raw_connection(self.daemon, bot_tag=BOT) as connection:
                request = {"jsonrpc": "2.0", "id": 1, "method": asked.method, "params": asked.params}
                await connection.send(orjson.dumps(request).decode())
                with anyio.fail_after(ANSWER_S):
                    while not self.received(asked):  # noqa: ASYNC110 - in another process
                        await anyio.sleep(0.005)
                self.daemon.process.kill()
                await buried(self.daemon)

    async def back(self, kill: Kill) -> None:
        """Start on what the dead one left."""
        await anyio.to_thread.run_sync(self.daemon.restart)
        if kill.point in TORN:
            self.daemon.wait_logged(message="the audit log was mended")
        await anyio.to_thread.run_sync(require_whole_audit, self.daemon.state_dir)

    def intents(self) -> set[str]:
        """Return every intent in the journal of the dead daemon."""
        return {intent for _, intent in rows_of(self.daemon.state_dir)}

    def require_journaled(self) -> None:
        """P4: what the venue has is in the journal. P2: no two of its orders are one write."""
        labels = Counter(order[self.venue.label] for order in self.venue.orders().values())
        del labels[""]
        held = {row.label for row in rows_of(self.daemon.state_dir).values()}
        exits = {f"{label}-{exit}" for label in held for exit in ("sl", "tp")}
        assert not labels.keys() - held - exits, "orders at the venue that no intent accounts for"
        assert {label for label, times in labels.items() if times > 1} == set(), "two orders of one intent"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """One state directory for all kills. In the end the command itself starts on what they have left."""
    desk = Mortal(tmp_path_factory.mktemp("kills"))
    try:
        yield desk
        desk.daemon.kill()
        desk.daemon.module = "cerberod"
        desk.daemon.restart()
        desk.daemon.stop()
    finally:
        desk.daemon.kill()
        desk.simulator.kill()
    desk.daemon.check()
    tally = desk.tally
    print(f"\nkills: {tally.cases}, {len(tally.doubled)} doubled, {len(tally.unaudited)} answered and unaudited")


@pytest.fixture
def living(desk: Mortal) -> Mortal:
    """The daemon, alive again if the test before has left it dead."""
    desk.trap.disarm()
    if desk.daemon.process.poll() is not None:
        desk.daemon.restart()
    return desk


@pytest.mark.promise("P11")
def test_the_suite_kills_every_write_and_at_every_point() -> None:
    kills = in_turn()
    assert set(kills) <= set(EVERY_KILL)
    assert {kill.recipe for kill in kills if kill.point is Point.AFTER_SEND} == RECIPES.keys()
    assert len({kill.recipe for kill in kills if kill.point is not Point.AFTER_SEND}) == len(RECIPES)
    assert min(Counter(kill.point for kill in kills if not kill.part).values()) >= FEWEST
    assert {kill.recipe for kill in kills if kill.part} == set(IN_PARTS)


@pytest.mark.promise("P1", "P2", "P3", "P4", "P5", "P8")
async def test_a_write_cut_off_anywhere_is_known_to_the_next_daemon(living: Mortal, kill: Kill) -> None:
    desk, point = living, kill.point
    desk.at = venue_of(kill.recipe)
    async with connected(desk.daemon, bot_tag=BOT) as client:
        await desk.working(client)
        asked = await desk.prepare(client, kill.recipe)
    assert bool(asked.parts) == RECIPES[kill.recipe].in_parts
    await desk.die(asked, kill)

    desk.require_journaled()
    mine = {asked.intent, *asked.parts}
    assert mine & desk.intents() == (set() if point in FREE else mine)
    assert desk.received(asked) == (point not in NEVER_SENT)
    orders = desk.venue.orders()
    if point in NEVER_SENT or not all(part(orders) for part in asked.parts.values()):
        let_time_pass(desk.daemon.state_dir)  # else the venue may still do what it has not done, and nobody can tell
    if point in TORN:
        assert not (desk.daemon.state_dir / "audit.jsonl").read_bytes().endswith(b"\n")

    await desk.back(kill)
    async with connected(desk.daemon, bot_tag=BOT) as client:
        await desk.working(client)
        if point in FREE:
            assert (await client.call("orders.get_outcome", {"intent": asked.intent}))["known"] is False
            assert not asked.done(desk.venue.orders(), None)
            expected = CONFIRMED
        else:
            expected = REJECTED if point in NEVER_SENT else CONFIRMED
            await require_known(desk, client, asked, expected)
        again = await client.ask(asked.method, asked.params)
        note(desk, asked, again, desk.received(asked))
        assert (again["result"]["outcome"], again["result"]["repeated"]) == (expected, point not in FREE), again
        assert desk.received(asked) == (point in FREE or point not in NEVER_SENT), "a repeat changes nothing"
        await require_known(desk, client, asked, expected)
        assert (await client.call("orders.list_unresolved", {"all_bots": True}))["count"] == 0
    desk.require_journaled()


async def require_known(desk: Mortal, client: Client, asked: Asked, expected: str) -> None:
    """The outcome is found without a hand, and venue, journal and audit tell the same."""
    final = await final_outcome(client, asked)
    assert final["outcome"] == expected, final
    require_one_story(desk, asked, final["client_order_id"], final)


@pytest.mark.promise("P1", "P2", "P3", "P4")
async def test_a_batch_cut_off_between_its_requests_is_known_order_by_order(living: Mortal) -> None:
    """More orders than a second takes leave in several requests: those of the first are there, the rest never came."""
    desk = living
    desk.at = "bybit"
    async with connected(desk.daemon, bot_tag=BOT) as client:
        await desk.working(client)
    asked = batch_of(A_SECOND + 2)
    asked.asked_before = desk.venue.count(asked.wire)
    desk.trap.arm(Point.BEFORE_SEND, asked.intent, times=2)
    await ask_and_die(desk.daemon, asked.method, asked.params, BOT)
    desk.trap.disarm()
    placed = [part(desk.venue.orders()) for part in asked.parts.values()]
    assert placed == sorted(placed, reverse=True)
    assert 0 < (there := sum(placed)) <= A_SECOND
    let_time_pass(desk.daemon.state_dir)
    await desk.back(Kill("bybit.place_batch_order", Point.BEFORE_SEND))
    async with connected(desk.daemon, bot_tag=BOT) as client:
        await desk.working(client)
        await require_known(desk, client, asked, CONFIRMED)
        again = await client.call(asked.method, asked.params)
        assert (again["confirmed_count"], again["rejected_count"]) == (there, len(placed) - there)
        assert again["repeated"] is True
    assert desk.received(asked) == 1
    desk.require_journaled()


@pytest.mark.promise("P3", "P8")
async def test_what_cannot_be_known_yet_is_listed_and_holds_no_start_up(living: Mortal) -> None:
    """No venue can tell at once that a cancel will not come any more. The bot need not wait for that."""
    desk = living
    async with connected(desk.daemon, bot_tag=BOT) as client:
        await desk.working(client)
        asked = await desk.prepare(client, "deribit.cancel_order")
    kill = Kill("deribit.cancel_order", Point.BEFORE_SEND)
    await desk.die(asked, kill)
    await desk.back(kill)
    async with connected(desk.daemon, bot_tag=BOT) as client:
        with anyio.fail_after(ANSWER_S):
            pending = ""
            while pending != "deribit cannot tell yet":  # it may still be connecting
                (left,) = (await client.call("orders.list_unresolved"))["writes"]
                assert (left["intent"], left["outcome"]) == (asked.intent, "unknown")
                pending = left["pending"]
        again = await client.call(asked.method, asked.params)
        assert (again["outcome"], again["repeated"]) == ("confirmed", False)
        await require_known(desk, client, asked, CONFIRMED)
