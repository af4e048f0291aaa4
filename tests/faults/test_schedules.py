"""Random schedules: bots place, change, cancel and repeat while venue, line and daemon fail, each from one seed.

All parts of the write path are the real ones, from the methods down to the frames and from the fault plan up to the
exchange; only time and the socket are made of memory, so that one seed is one history and minutes pass in no time. A
kill takes the files as they stand at that moment and starts anew from the copy; what was sent is still on its way.

`scripts/soak.sh schedules N` runs N of them; a run of the suite takes a few.
"""

import logging
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path
from random import Random  # noqa: TID251 - seeded schedules
from traceback import format_exception

import anyio
import anyio.to_thread
import orjson
import pytest
from anyio.abc import TaskGroup

from cerberod.app import methods
from cerberod.audit.verify import VerifyReport, verify
from cerberod.errors import Code, RpcError
from cerberod.ids import Environment, RequestIds
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.dispatch import validate
from cerberod.settings import Secret
from cerberod.simulator import SimulatorConfig
from cerberod.simulator.world import World
from cerberod.trading.guard import Guard
from cerberod.trading.journal import Entry, read_anchors
from cerberod.trading.methods import Trading
from cerberod.trading.orders import WriteOutcome
from cerberod.trading.placing import Placing
from cerberod.trading.recording import recording
from cerberod.trading.records import JOURNAL_FILE, Records, load_or_make_key, open_records
from cerberod.trading.resolving import Resolver
from cerberod.venues import http
from cerberod.venues.backoff import Backoff
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.deribit import link
from cerberod.venues.deribit.client import Credentials, Deribit
from tests.faults import scheduled_bybit, scheduled_deribit
from tests.faults.scheduled import Side, Write
from tests.faults.scheduled_bybit import BybitSide
from tests.faults.scheduled_deribit import DeribitSide
from tests.support.memory_bybit import MemoryBybit
from tests.support.memory_venue import MemoryVenue
from tests.support.virtual_time import LoopClock, run

BOTS = 3
SLOWEST_S = 0.05
DEADLINE_S = 2.0
ENDS_MIDWAY = 0.05
"""Which part of the calls the daemon ends in the middle of."""
BAD_S = 20.0
"""How long things go wrong."""
AFTER_S = 120.0
"""How long everything may take to become known afterwards; a cancel needs thirty seconds to be believed lost."""
FINAL = {"confirmed", "rejected"}
MOST_TOLD = 10
SHARE = 25
"""How many schedules one process plays before it tells of them."""


@dataclass
class Figures:
    """What many schedules come to."""

    schedules: int = 0
    writes: int = 0
    replies: Counter[str] = field(default_factory=Counter)
    confirmed: Counter[str] = field(default_factory=Counter)
    """Writes that were carried out, by method."""
    kills: int = 0
    stops: int = 0
    faults: int = 0
    violations: dict[int, str] = field(default_factory=dict)
    """What was violated, by seed."""

    def add(self, other: "Figures") -> None:
        """Take in the figures of more schedules."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, int):
                setattr(self, each.name, mine + theirs)
            elif isinstance(mine, Counter):
                mine.update(theirs)
            else:
                mine |= theirs

    def told(self) -> str:
        """Return the figures, one on a line."""
        told = {each.name: getattr(self, each.name) for each in fields(self)} | {"violations": sorted(self.violations)}
        return "\n".join(f"{name:>10}: {figure}" for name, figure in told.items())


class Daemon:
    """The part of the daemon that trades, over one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.group = anyio.create_task_group()
        self.services: dict[Environment, Services] = {}
        self.resolver: Resolver
        self.resolved: list[tuple[str, str]] = []

    @asynccontextmanager
    async def running(self, world: World, seeded: Random) -> AsyncIterator[None]:
        clock = LoopClock()
        records = await anyio.to_thread.run_sync(self._opened, clock)
        client_id, secret = world.credentials()[scheduled_deribit.HERE]
        api_key, api_secret = world.credentials()[scheduled_bybit.HERE]
        deribit = Deribit(
            url="memory",
            environment=Environment.TESTNET,
            credentials=Credentials(Secret(client_id), Secret(secret)),
            clock=clock,
            read_deadline_s=DEADLINE_S,
            write_deadline_s=DEADLINE_S,
            chance=seeded.random,
            reconnect=Backoff(seeded.random, first_s=0.1, cap_s=5.0),
        )
        bybit = Bybit(
            url="memory",
            environment=Environment.TESTNET,
            api_key=Secret(api_key),
            api_secret=Secret(api_secret),
            clock=clock,
            read_deadline_s=DEADLINE_S,
            write_deadline_s=DEADLINE_S,
            chance=seeded.random,
        )
        async with AsyncExitStack() as stack:
            recorder = await stack.enter_async_context(recording(records, clock))
            self.resolver = Resolver(recorder, methods(), self.services, self._tell)
            guard = Guard()
            placing = Placing(recorder, self.resolver, guard, clock, deadline_s=DEADLINE_S, writes_per_account=4)
            self.recorder = recorder
            trading = Trading(recorder, self.resolver, guard, methods(), clock)
            self.services[Environment.TESTNET] = Services(
                Environment.TESTNET, (placing, guard, trading, deribit, bybit)
            )
            await stack.enter_async_context(self.group)
            await self.group.start(deribit.run)
            await self.group.start(bybit.run)
            await bybit.prepare()
            self.group.start_soon(self.resolver.run)
            yield
            self.group.cancel_scope.cancel()

    def _opened(self, clock: LoopClock) -> Records:
        key = load_or_make_key(self.folder)
        return open_records(self.folder, self.folder / "audit.jsonl", key, "simulator", clock, 30)

    async def _tell(self, entry: Entry, outcome: WriteOutcome) -> None:
        self.resolved.append((entry.intent, outcome.outcome.value))

    async def call(self, write: Write) -> WriteOutcome:
        """Do what the dispatcher does with a well-formed write."""
        method = methods().find(write.method)
        assert method is not None
        scopes = frozenset({"read", "trade"})
        principal = Principal(Environment.TESTNET, "testnet", write.bot, scopes, f"s-{write.bot}", "memory")
        services = self.services[Environment.TESTNET]
        call = Call(RequestIds().new(), write.method, principal, services)
        outcome = await method.handler(call, validate(method.params, orjson.dumps(write.params)))
        assert isinstance(outcome, WriteOutcome)
        return outcome


class Schedule:
    """One history, from one seed."""

    def __init__(self, seed: int, folder: Path, figures: Figures) -> None:
        self.seed = seed
        self.seeded = Random(seed)
        self.folder = folder
        self.figures = figures
        self.world = World(SimulatorConfig(), LoopClock())
        self.writes: dict[str, Write] = {}
        self.bots = [f"bot-{number}" for number in range(BOTS)]
        self.sides: dict[str, Side] = {}
        self.daemon: Daemon | None = None
        self.up = anyio.Event()
        self.numbers = count(1)
        self.resolved: list[tuple[str, str]] = []
        self.generation = 0

    async def play(self) -> None:
        async with anyio.create_task_group() as outside:
            with pytest.MonkeyPatch.context() as patched:
                self._open_venues(outside, patched)
                outside.start_soon(self._lives)
                with anyio.move_on_after(BAD_S):
                    async with anyio.create_task_group() as trouble:
                        for bot in self.bots:
                            trouble.start_soon(self._trade, bot)
                        trouble.start_soon(self._spoil)
                self.world.faults.clear()
                for side in self.sides.values():
                    side.drop()
                await anyio.sleep(AFTER_S)
                await self._conclude()
                outside.cancel_scope.cancel()

    def _open_venues(self, outside: TaskGroup, patched: pytest.MonkeyPatch) -> None:
        deribit = self.world.environments[scheduled_deribit.HERE]
        line = MemoryVenue(deribit, outside, self.seeded, SLOWEST_S)
        patched.setattr(link, "connect", line.connect)
        bybit = self.world.bybit[scheduled_bybit.HERE]
        patched.setattr(http, "HttpLink", MemoryBybit(bybit, outside, self.seeded, SLOWEST_S).link)
        self.sides = {"deribit": DeribitSide(deribit, line, self.seeded), "bybit": BybitSide(bybit, self.seeded)}

    # -- the daemon's lives ----------------------------------------------------------------------------------------

    async def _lives(self) -> None:
        """Start the daemon on what the last one left, as often as it ends."""
        folder = self.folder / "0"
        folder.mkdir(parents=True, mode=0o700)
        while True:
            self.ending = anyio.Event()
            daemon = Daemon(folder)
            async with daemon.running(self.world, self.seeded):
                self.daemon = daemon
                self.up.set()
                await self.ending.wait()
                self.up = anyio.Event()
                self.daemon = None
                if self.killed:
                    self.generation += 1
                    copy = self.folder / str(self.generation)
                    shutil.copytree(folder, copy)
                    folder = copy
            self.resolved += daemon.resolved

    async def _restart(self, *, killed: bool) -> None:
        if self.daemon is None:
            return
        self.killed = killed
        self.ending.set()
        self.figures.kills += killed
        self.figures.stops += not killed

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    async def _spoil(self) -> None:
        seeded, faults = self.seeded, self.world.faults
        while True:
            await anyio.sleep(seeded.expovariate(2.0))
            match seeded.choices(("fault", "lift", "release", "drop", "kill", "stop"), (80, 6, 6, 4, 4, 3))[0]:
                case "fault":
                    self.figures.faults += 1
                    faults.plan.add(seeded.choice(list(self.sides.values())).fault())
                case "lift":
                    faults.plan.lift()
                case "release":
                    faults.release()
                case "drop":
                    seeded.choice(list(self.sides.values())).drop()
                case "kill":
                    await self._restart(killed=True)
                case _:
                    await self._restart(killed=False)

    # -- bots --------------------------------------------------------------------------------------------------------

    async def _trade(self, bot: str) -> None:
        mine: list[Write] = []
        async with anyio.create_task_group() as asking:
            while True:
                await anyio.sleep(self.seeded.expovariate(1.5))
                write = self._think(bot, mine)
                asking.start_soon(self._ask, write)

    def _think(self, bot: str, mine: list[Write]) -> Write:
        seeded = self.seeded
        if mine and seeded.random() < 0.35:
            return seeded.choice(mine)
        number = next(self.numbers)
        side = self.sides[seeded.choice(list(self.sides))]
        method, params = side.think(bot, number)
        write = Write(bot, method, {**params, "intent": f"i-{number}"}, parts=len(params.get("request", ())))
        self.writes[write.intent] = write
        mine.append(write)
        return write

    def _side(self, write: Write) -> Side:
        return self.sides[write.method.partition(".")[0]]

    async def _ask(self, write: Write) -> None:
        """Ask once; a daemon that ends meanwhile answers nothing."""
        await self.up.wait()
        daemon = self.daemon
        if daemon is None:
            return
        answered = anyio.Event()
        told: list[str] = []

        async def ask() -> None:
            try:
                outcome = await daemon.call(write)
            except RpcError as error:
                told.append(f"error {error.code.name}")
                if error.code is not Code.INTENT_REUSED:
                    self._require_unsent(write)
            else:
                told.append(outcome.outcome.value)
                for each in (outcome, *getattr(outcome, "orders", ())):
                    if each.client_order_id is not None:
                        write.labels[each.intent] = each.client_order_id
                self._side(write).learn(write, outcome)
            answered.set()

        daemon.group.start_soon(ask)
        if self.seeded.random() < ENDS_MIDWAY:
            await anyio.sleep(self.seeded.uniform(0, 2 * SLOWEST_S))
            await self._restart(killed=self.seeded.random() < 0.7)
        await answered.wait()
        write.told += told
        self.figures.replies.update(told)

    def _require_unsent(self, write: Write) -> None:
        """An error reply means that nothing of this write has ever left."""
        # Where its label is not known yet, the end of the schedule sees to it.
        assert not self._side(write).sent(write), f"seed {self.seed}: {write} was sent and answered by an error"

    # -- what must hold ----------------------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """Nothing is left open that the venue can tell, and all that was told is true."""
        where = f"seed {self.seed}"
        daemon = self.daemon
        assert daemon is not None
        for side in self.sides.values():
            side.cancel_all()
        await anyio.sleep(AFTER_S)
        left = [(entry.intent, entry.method) for entry in await daemon.recorder.unresolved()]
        assert not left, f"{where}: still unknown {left}"
        entries = {}
        for write in self.writes.values():
            for intent in write.intents:
                entry = await daemon.recorder.find("testnet", write.bot, intent)
                if entry is not None:
                    entries[intent] = entry
                if entry is not None and entry.client_order_id is not None:
                    write.labels[intent] = entry.client_order_id
        resolved = self.resolved + daemon.resolved
        await daemon.recorder.note()
        records = [orjson.loads(line) for line in (daemon.folder / "audit.jsonl").read_bytes().splitlines()]
        audited: dict[str, set[str]] = {}
        for record in records:
            if record["kind"] == "outcome":
                audited.setdefault(record.get("intent", ""), set()).add(record["outcome"])
        labels = {label for write in self.writes.values() for label in write.labels.values()}
        for side in self.sides.values():
            side.require_once(where, labels)
        for write in self.writes.values():
            self._require_one_story(where, write, entries, resolved, audited)
        report = await anyio.to_thread.run_sync(_verified, daemon.folder)
        assert report.ok, f"{where}: {report.text()}"
        self.figures.schedules += 1
        self.figures.writes += len(self.writes)

    def _require_one_story(
        self,
        where: str,
        write: Write,
        entries: dict[str, Entry],
        resolved: list[tuple[str, str]],
        audited: dict[str, set[str]],
    ) -> None:
        side, entry = self._side(write), entries.get(write.intent)
        told = FINAL & ({*write.told} | {outcome for intent, outcome in resolved if intent == write.intent})
        if entry is None:
            assert not told, f"{where}: {write} is forgotten"
            assert not side.sent(write), f"{where}: {write} was sent and is free"
            assert not entries.keys() & set(write.intents), f"{where}: {write} is free and its parts are not"
            return
        self.figures.confirmed[write.method] += entry.outcome == "confirmed"
        assert told <= {entry.outcome}, f"{where}: {write} is {entry.outcome}"
        assert {*write.told} - {"denied"} <= audited.get(write.intent, set()) | {
            each for each in write.told if each.startswith("error")
        }, f"{where}: {write} has an answer that the audit has not"
        for intent in write.intents:
            outcome = entries[intent].outcome
            assert outcome in FINAL
            assert outcome in audited[intent], f"{where}: the outcome of {intent} is not in the audit"
            done = side.done(write, intent)
            assert done is None or (outcome == "confirmed") == done, f"{where}: {write}, {intent} is told {outcome}"


def _verified(folder: Path) -> VerifyReport:
    return verify(folder / "audit.jsonl", load_or_make_key(folder), read_anchors(folder / JOURNAL_FILE))


def play(seed: int, folder: Path, figures: Figures) -> None:
    async def main() -> None:
        schedule = Schedule(seed, folder, figures)
        await schedule.play()

    run(main)


def play_some(seeds: range, folder: Path) -> Figures:
    """Play some schedules one after the other, whatever becomes of each."""
    figures = Figures()
    logging.disable(logging.CRITICAL)
    try:
        for seed in seeds:
            place = folder / str(seed)
            try:
                play(seed, place, figures)
            except Exception as violation:  # told in the end, when all have been played
                figures.violations[seed] = "".join(format_exception(violation))
            shutil.rmtree(place)
    finally:
        logging.disable(logging.NOTSET)
    return figures


def play_all(seeds: range, folder: Path) -> Figures:
    """Play schedules, many of them in processes of their own."""
    if len(seeds) <= SHARE:
        return play_some(seeds, folder)
    figures = Figures()
    shares = [seeds[begin : begin + SHARE] for begin in range(0, len(seeds), SHARE)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        for share in processes.map(play_some, shares, repeat(folder)):
            figures.add(share)
            print(f"\n{figures.schedules} of {len(seeds)}, {len(figures.violations)} violations", end="", flush=True)
    return figures


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.timeout(0)
def test_random_schedules(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    first, number = pytestconfig.getoption("--seed"), pytestconfig.getoption("--schedules") or 6
    figures = play_all(range(first, first + number), tmp_path)
    print(f"\n{figures.told()}")
    assert figures.violations == {}, "\n".join(list(figures.violations.values())[:MOST_TOLD])
    assert {"confirmed", "rejected", "unknown"} <= figures.replies.keys(), "nothing went wrong, so nothing is proved"
