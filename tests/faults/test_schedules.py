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
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random  # noqa: TID251 - seeded schedules
from typing import Any

import anyio
import anyio.to_thread
import orjson
import pytest

from cerberod.app import methods
from cerberod.audit.verify import VerifyReport, verify
from cerberod.errors import Code, RpcError
from cerberod.ids import Environment, RequestIds
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.dispatch import validate
from cerberod.settings import Secret
from cerberod.simulator import SimulatorConfig
from cerberod.simulator.faults import Fault, Verb
from cerberod.simulator.received import Received
from cerberod.simulator.world import World
from cerberod.trading.guard import Guard
from cerberod.trading.journal import Entry, read_anchors
from cerberod.trading.orders import WriteOutcome
from cerberod.trading.placing import Placing
from cerberod.trading.recording import recording
from cerberod.trading.records import JOURNAL_FILE, Records, load_or_make_key, open_records
from cerberod.trading.resolving import Resolver
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit import link
from cerberod.venues.deribit.client import Credentials, Deribit
from tests.support.memory_venue import MemoryVenue
from tests.support.virtual_time import LoopClock, run

HERE = "deribit_testnet"
BOTS = 3
SLOWEST_S = 0.05
DEADLINE_S = 2.0
ENDS_MIDWAY = 0.05
"""Which part of the calls the daemon ends in the middle of."""
BAD_S = 20.0
"""How long things go wrong."""
AFTER_S = 120.0
"""How long everything may take to become known afterwards; a cancel needs thirty seconds to be believed lost."""
WIRES = (
    "private/buy",
    "private/buy",
    "private/sell",
    "private/edit",
    "private/create_combo",
    "private/cancel*",
    "private/get*",
    None,
)
PLACING = {
    "deribit.place_order",
    "deribit.place_bracket_order",
    "deribit.place_combo_order",
    "deribit.close_position",
    "deribit.set_stop_loss",
}
"""Writes that end as one order with a label of ours."""
ORDERS = ("private/buy", "private/sell")
RARE = {Verb.REFUSE, Verb.RATE_LIMIT, Verb.SILENCE}
"""Nothing else can go wrong for a while after one of these."""
VERBS = [verb for verb in Verb if verb not in (Verb.STATUS, Verb.CLOCK_OFFSET)]
WEIGHTS = [1 if verb in RARE else 5 for verb in VERBS]
FINAL = {"confirmed", "rejected"}
WISHES = (
    *("place",) * 4,
    *("trigger", "bracket", "combo", "combo", "stop_loss", "close"),
    *("edit", "cancel", "cancel_by_label", "cancel_all"),
)
BUYING = {"instrument_name": "BTC-PERPETUAL", "side": "buy", "amount": "10"}


@dataclass
class Write:
    """One intent of one bot, and everything its bot was ever told of it."""

    bot: str
    method: str
    params: dict[str, Any]
    told: list[str] = field(default_factory=list)
    """Outcomes and error codes, in the order in which they came."""
    label: str | None = None

    @property
    def intent(self) -> str:
        return str(self.params["intent"])

    def is_sent_as(self, request: Received) -> bool:
        """Tell whether a request that the venue received is this write. Mass cancels cannot be told apart."""
        params = request.params
        match self.method:
            case method if method in PLACING:
                return request.method in ORDERS and params["label"] == self.label
            case "deribit.cancel_by_label":
                return request.method == "private/cancel_by_label" and params["label"] == self.params["label"]
            case "deribit.edit_order":
                return request.method == "private/edit" and params["price"] == float(self.params["price"])
            case "deribit.cancel_order":
                return request.method == "private/cancel" and params["order_id"] == self.params["order_id"]
            case _:
                return False


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
        client_id, secret = world.credentials()[HERE]
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
        async with AsyncExitStack() as stack:
            recorder = await stack.enter_async_context(recording(records, clock))
            self.resolver = Resolver(recorder, methods(), self.services, self._tell)
            guard = Guard()
            placing = Placing(recorder, self.resolver, guard, clock, deadline_s=DEADLINE_S, writes_per_account=4)
            self.recorder = recorder
            self.services[Environment.TESTNET] = Services(Environment.TESTNET, (placing, guard, deribit))
            await stack.enter_async_context(self.group)
            await self.group.start(deribit.run)
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
        self.venue_side = self.world.environments[HERE]
        self.writes: dict[str, Write] = {}
        self.open_orders: dict[str, list[str]] = {f"bot-{n}": [] for n in range(BOTS)}
        self.labels: dict[str, str] = {}
        self.edited: set[str] = set()
        self.cancelled: set[str] = set()
        self.daemon: Daemon | None = None
        self.up = anyio.Event()
        self.numbers = count(1)
        self.resolved: list[tuple[str, str]] = []
        self.generation = 0

    async def play(self) -> None:
        async with anyio.create_task_group() as outside:
            venue = MemoryVenue(self.venue_side, outside, self.seeded, SLOWEST_S)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(link, "connect", venue.connect)
                self.venue = venue
                outside.start_soon(self._lives)
                with anyio.move_on_after(BAD_S):
                    async with anyio.create_task_group() as trouble:
                        for bot in self.open_orders:
                            trouble.start_soon(self._trade, bot)
                        trouble.start_soon(self._spoil)
                self.world.faults.clear()
                venue.drop()
                await anyio.sleep(AFTER_S)
                await self._conclude()
                outside.cancel_scope.cancel()

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
                    faults.plan.add(self._fault())
                case "lift":
                    faults.plan.lift()
                case "release":
                    faults.release()
                case "drop":
                    self.venue.drop()
                case "kill":
                    await self._restart(killed=True)
                case _:
                    await self._restart(killed=False)

    def _fault(self) -> Fault:
        seeded = self.seeded
        verb = seeded.choices(VERBS, WEIGHTS)[0]
        return Fault(
            verb,
            method=None if verb is Verb.REFUSE else seeded.choice(WIRES),
            nth=seeded.randint(1, 2),
            times=seeded.randint(1, 3),
            ms=seeded.choice((None, 100, 3_000)) if verb is Verb.ANSWER_LATE else None,
            code=seeded.choice((10009, 10028, 10040, 11094, 13028, 13009, 19999)) if verb is Verb.ERROR else None,
            effect=False,
        )

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
        intent = {"intent": f"i-{number}"}
        price = f"{1000 + number}"
        free = [order for order in self.open_orders[bot] if order not in self.cancelled]
        editable = [order for order in free if order not in self.edited]
        what = seeded.choice(WISHES)
        if what == "edit" and editable:
            order = seeded.choice(editable)
            self.edited.add(order)
            write = Write(bot, "deribit.edit_order", {"order_id": order, "price": f"{3000 + number}", **intent})
        elif what == "cancel" and free:
            order = seeded.choice(free)
            self.cancelled.add(order)
            write = Write(bot, "deribit.cancel_order", {"order_id": order, **intent})
        elif what == "cancel_by_label" and free:
            order = seeded.choice(free)
            self.cancelled.add(order)
            write = Write(bot, "deribit.cancel_by_label", {"label": self.labels[order], **intent})
        elif what == "cancel_all" and seeded.random() < 0.3:
            write = Write(bot, "deribit.cancel_all_orders", {"instrument_name": "BTC-PERPETUAL", **intent})
        elif what in ("trigger", "bracket", "combo", "stop_loss", "close"):
            write = Write(bot, *self._of_the_rest(what, number, intent))
        else:
            terms = {"type": "market"} if seeded.random() < 0.2 else {"price": price}
            write = Write(bot, "deribit.place_order", {**BUYING, **terms, **intent})
        self.writes[write.intent] = write
        mine.append(write)
        return write

    def _of_the_rest(self, what: str, number: int, intent: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """Think of an order that is more than one: with a trigger, with exits, of two legs, or against a position."""
        match what:
            case "trigger":
                stop = {
                    "type": "stop_limit",
                    "trigger": "mark_price",
                    "trigger_price": "900000",
                    "price": f"{1000 + number}",
                }
                return "deribit.place_order", {**BUYING, **stop, **intent}
            case "bracket":
                exits = {"stop_loss": {"trigger_price": "900"}, "take_profit": {"trigger_price": "900000"}}
                return "deribit.place_bracket_order", {**BUYING, "price": f"{1000 + number}", **exits, **intent}
            case "combo":
                live = self.venue_side.exchange.catalogue.live().values()
                futures = sorted(each.name for each in live if each.kind == "future" and each.coin == "BTC")
                legs = [
                    {"instrument_name": name, "side": side, "amount": "10"}
                    for name, side in zip(self.seeded.sample(futures, 2), ("buy", "sell"), strict=True)
                ]
                return "deribit.place_combo_order", {
                    "legs": legs,
                    "price": str(self.seeded.choice((-9000, 9000))),
                    **intent,
                }
            case "stop_loss":
                return "deribit.set_stop_loss", {"instrument_name": "BTC-PERPETUAL", "trigger_price": "1000", **intent}
            case _:
                return "deribit.close_position", {"instrument_name": "BTC-PERPETUAL", **intent}

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
                write.label = outcome.client_order_id or write.label
                order = getattr(outcome, "order", None)
                rests = write.method in ("deribit.place_order", "deribit.place_bracket_order")
                if rests and order is not None and order.order_state == "open":
                    self.open_orders[write.bot].append(order.order_id)
                    self.labels[order.order_id] = order.label
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
        if write.label is None and write.method in PLACING:
            return  # its label is not known; the end of the schedule sees to it
        assert not self._sent(write), f"seed {self.seed}: {write} was sent and answered by an error"

    def _sent(self, write: Write) -> int:
        return sum(write.is_sent_as(request) for request in self.venue_side.received.latest)

    # -- what must hold ----------------------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """Nothing is left open that the venue can tell, and all that was told is true."""
        where = f"seed {self.seed}"
        daemon = self.daemon
        assert daemon is not None
        for order in list(self.venue_side.exchange.orders.values()):
            if order.open:
                self.venue_side.exchange.cancel(order)
        await anyio.sleep(AFTER_S)
        left = [(entry.intent, entry.method) for entry in await daemon.recorder.unresolved()]
        assert not left, f"{where}: still unknown {left}"
        entries = {}
        for write in self.writes.values():
            entry = await daemon.recorder.find("testnet", write.bot, write.intent)
            if entry is not None:
                entries[write.intent] = entry
                write.label = entry.client_order_id
        resolved = self.resolved + daemon.resolved
        await daemon.recorder.note()
        records = [orjson.loads(line) for line in (daemon.folder / "audit.jsonl").read_bytes().splitlines()]
        audited: dict[str, set[str]] = {}
        for record in records:
            if record["kind"] == "outcome":
                audited.setdefault(record.get("intent", ""), set()).add(record["outcome"])
        self._require_labels(where)
        for write in self.writes.values():
            self._require_one_story(where, write, entries.get(write.intent), resolved, audited)
        report = await anyio.to_thread.run_sync(_verified, daemon.folder)
        assert report.ok, f"{where}: {report.text()}"
        self.figures.schedules += 1
        self.figures.writes += len(self.writes)

    def _require_labels(self, where: str) -> None:
        orders = self.venue_side.exchange.orders.values()
        labels = Counter(order.label for order in orders if not order.trigger_order_id and not order.secondary)
        doubled = [label for label, orders in labels.items() if orders > 1]
        assert not doubled, f"{where}: placed twice {doubled}"
        requests = Counter(
            request.params["label"] for request in self.venue_side.received.latest if request.method in ORDERS
        )
        assert not [label for label, sent in requests.items() if sent > 1], f"{where}: sent twice"
        known = {write.label for write in self.writes.values()}
        assert not requests.keys() - known, f"{where}: sent, and the journal knows nothing of it"

    def _require_one_story(
        self,
        where: str,
        write: Write,
        entry: Entry | None,
        resolved: list[tuple[str, str]],
        audited: dict[str, set[str]],
    ) -> None:
        told = FINAL & ({*write.told} | {outcome for intent, outcome in resolved if intent == write.intent})
        if entry is None:
            assert not told, f"{where}: {write} is forgotten"
            assert not self._sent(write), f"{where}: {write} was sent and is free"
            return
        assert entry.outcome in FINAL
        self.figures.confirmed[write.method] += entry.outcome == "confirmed"
        assert told <= {entry.outcome}, f"{where}: {write} is {entry.outcome}"
        assert {*write.told} - {"denied"} <= audited.get(write.intent, set()) | {
            each for each in write.told if each.startswith("error")
        }, f"{where}: {write} has an answer that the audit has not"
        orders = self.venue_side.exchange.orders
        match write.method:
            case method if method in PLACING:
                done = any(order.label == write.label for order in orders.values())
            case "deribit.edit_order":
                done = orders[write.params["order_id"]].record()["price"] == float(write.params["price"])
            case _:
                return  # everything was cancelled in the end
        assert (entry.outcome == "confirmed") == done, f"{where}: {write} is told {entry.outcome}"


def _verified(folder: Path) -> VerifyReport:
    return verify(folder / "audit.jsonl", load_or_make_key(folder), read_anchors(folder / JOURNAL_FILE))


def play(seed: int, folder: Path, figures: Figures) -> None:
    async def main() -> None:
        schedule = Schedule(seed, folder, figures)
        await schedule.play()

    run(main)


@pytest.mark.promise("P1", "P2", "P3", "P4")
@pytest.mark.timeout(0)
def test_random_schedules(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    first, number = pytestconfig.getoption("--seed"), pytestconfig.getoption("--schedules") or 6
    figures = Figures()
    logging.disable(logging.CRITICAL)
    try:
        for seed in range(first, first + number):
            folder = tmp_path / str(seed)
            play(seed, folder, figures)
            shutil.rmtree(folder)
    finally:
        logging.disable(logging.NOTSET)
        print(f"\n{figures}")
    assert {"confirmed", "rejected", "unknown"} <= figures.replies.keys(), "nothing went wrong, so nothing is proved"
