"""A daemon that is killed in the middle of its writes, and what must hold when it is back: P1, P2, P4 and P8.

The venue is a simulator in a process of its own, which survives. What became of a write is read there, and nowhere
else is it believed.
"""

import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import orjson
from websockets.exceptions import ConnectionClosed

from cerberod.audit.verify import verify
from cerberod.clock import iso
from cerberod.trading.journal import read_anchors
from cerberod.trading.records import JOURNAL_FILE, KEY_FILE
from tests.support.client import ANSWER_S, Client, connected, raw_connection
from tests.support.daemon import START_S, Daemon
from tests.support.failpoints import Point
from tests.support.simulator import TESTNET, SimulatorProcess

START_BOUND_S = 10.0
"""P8: a start after any crash is ready within this time."""
BOT = "night-owl"
_PASSED_S = 40
"""More than it takes until a venue that has not done a write can no longer do it."""


WRITES = {
    "deribit.place_order": ("private/buy", "private/sell"),
    "deribit.edit_order": ("private/edit",),
    "deribit.cancel_order": ("private/cancel",),
    "deribit.cancel_all_orders": ("private/cancel_all_by_instrument",),
}
"""What bots that trade until they are killed ask for, and how it is called on the wire."""


@dataclass(slots=True)
class Write:
    """A write that was asked for, and how to see at the venue whether it was done."""

    method: str
    params: dict[str, Any]
    bot: str = BOT
    targets: list[str] = field(default_factory=list)
    """Ids of the orders it acts on; empty for a new order."""
    price: float = 0.0

    @property
    def intent(self) -> str:
        return str(self.params["intent"])

    def done(self, orders: dict[str, dict[str, Any]], label: str | None) -> bool:
        """Tell whether the venue has done it. `orders` are its own, by id; `label` is the journal's."""
        match self.method:
            case "deribit.place_order":
                return any(order["label"] == label for order in orders.values())
            case "deribit.edit_order":
                return all(orders[target]["price"] == self.price for target in self.targets)
            case _:
                return all(orders[target]["order_state"] == "cancelled" for target in self.targets)


@dataclass(frozen=True, slots=True)
class Row:
    """What the journal holds of one intent."""

    method: str
    intent: str
    bot_tag: str
    label: str | None
    outcome: str | None


class Trap:
    """The file that tells a daemon of `tests.support.failpoints` where to die."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def arm(self, point: Point, name: str, times: int = 1) -> None:
        """Let it die when a write with this intent, or of this method, is at this point for so many times."""
        draft = self.file.with_suffix(".new")
        draft.write_text(f"{point} {name} {times}")
        draft.rename(self.file)

    def disarm(self) -> None:
        """Let it live."""
        self.file.unlink(missing_ok=True)


async def buried(daemon: Daemon) -> None:
    """Wait until a daemon has died of a kill."""
    code = await anyio.to_thread.run_sync(daemon.wait)
    assert code == -signal.SIGKILL, f"exit code {code}\n{daemon.told()}"


async def ask_and_die(daemon: Daemon, method: str, params: dict[str, Any], bot: str) -> None:
    """Ask for a write that is the daemon's last; no answer to it must come."""
    async with raw_connection(daemon, bot_tag=bot) as connection:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        await connection.send(orjson.dumps(request).decode())
        with suppress(ConnectionClosed), anyio.fail_after(ANSWER_S):
            raise AssertionError(f"answered: {await connection.recv()!r}")
    await buried(daemon)


def let_time_pass(state_dir: Path) -> None:
    """Bring about what waiting would: the venue can no longer do what it has not done.

    Nothing but the age of the open intents in the journal tells how long the daemon was dead.
    """
    journal = sqlite3.connect(state_dir / JOURNAL_FILE)
    with journal:
        open_intents = journal.execute("SELECT intent, begun_at, wire FROM intents WHERE outcome IS NULL").fetchall()
        for intent, begun_at, encoded in open_intents:
            earlier = datetime.fromisoformat(begun_at) - timedelta(seconds=_PASSED_S)
            wire = orjson.loads(encoded)
            for holder in (wire, wire.get("params", {})):
                if "valid_until" in holder:
                    holder["valid_until"] -= _PASSED_S * 1000
            changed = (iso(earlier), orjson.dumps(wire), intent)
            journal.execute("UPDATE intents SET begun_at = ?, wire = ? WHERE intent = ?", changed)
    journal.close()


def rows_of(state_dir: Path) -> dict[tuple[str, str], Row]:
    """Return what the journal on disk holds, by bot tag and intent; read from a copy, to leave it as it is."""
    with tempfile.TemporaryDirectory() as copy:
        for name in (JOURNAL_FILE, f"{JOURNAL_FILE}-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(state_dir / name, copy)
        journal = sqlite3.connect(Path(copy) / JOURNAL_FILE)
        try:
            found = journal.execute("SELECT method, intent, bot_tag, client_order_id, outcome FROM intents")
            return {(row[2], row[1]): Row(*row) for row in found}
        finally:
            journal.close()


def require_whole_audit(state_dir: Path) -> None:
    """P5: the audit verifies, and has all that the journal has seen."""
    report = verify(
        state_dir / "audit.jsonl", (state_dir / KEY_FILE).read_bytes(), read_anchors(state_dir / JOURNAL_FILE)
    )
    assert report.ok, report.text()


class Victim:
    """One state directory and the daemons that live and die on it, one after the other."""

    def __init__(self, folder: Path, simulator: SimulatorProcess, *, start_bound_s: float = START_S) -> None:
        folder.mkdir(parents=True)
        self.trap = Trap(folder / "armed")
        self.simulator = simulator
        self.daemon = Daemon(
            folder / "daemon",
            "serve",
            settings={**simulator.keys_of("TESTNET"), "FAILPOINT": str(self.trap.file)},
            module="tests.support.failpoints",
        )
        self.start_bound_s = start_bound_s
        self.slowest_start_s = 0.0
        self.daemon.wait_ready()

    async def buried(self) -> None:
        """Wait until the daemon has died of a kill, and disarm its successor."""
        await buried(self.daemon)
        self.trap.disarm()

    def restart(self, *, module: str = "tests.support.failpoints") -> None:
        """Start again on what the dead one left, within the bound."""
        self.daemon.module = module
        began = time.monotonic()
        self.daemon.restart()
        took = time.monotonic() - began
        self.slowest_start_s = max(took, self.slowest_start_s)
        assert took < self.start_bound_s, f"ready after {took:.1f} s\n{self.daemon.told()}"

    # -- what is written, and what is true -----------------------------------------------------------------------------

    def rows(self) -> dict[tuple[str, str], Row]:
        """Return what the journal on disk holds, by bot tag and intent."""
        return rows_of(self.daemon.state_dir)

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return every order of the venue by its id."""
        return {order["order_id"]: order for order in self.simulator.orders(TESTNET)}

    def received(self, method: str) -> int:
        """Return how often the venue was asked for a write."""
        counts = self.simulator.received(TESTNET)
        return sum(counts.get(wire, 0) for wire in WRITES[method])

    def require_journaled(self) -> None:
        """P4: what the venue has is in the journal. P2: no two of its orders are one write."""
        labels = [order["label"] for order in self.orders().values()]
        held = {row.label for row in self.rows().values()}
        assert not set(labels) - held, "orders at the venue that no intent accounts for"
        assert len(labels) == len(set(labels)), "two orders of one intent"


@asynccontextmanager
async def bot_of(victim: Victim, tag: str = BOT) -> AsyncIterator[Client]:
    """Be a bot that has come back."""
    async with connected(victim.daemon, bot_tag=tag) as client:
        yield client


async def final_outcome(client: Client, intent: str, *, patience_s: float = ANSWER_S) -> dict[str, Any]:
    """Learn by `orders.get_outcome` alone what became of a write; return what is known when patience is at its end."""
    give_up_at = anyio.current_time() + patience_s
    while True:
        told = await client.call("orders.get_outcome", {"intent": intent})
        if told["resolved"] or not told["known"] or anyio.current_time() > give_up_at:
            return told
        await anyio.sleep(0.05)


async def require_true(victim: Victim, client: Client, write: Write) -> str:
    """What the returning bot is told of a write is what the venue has done.

    Returns the outcome, `free` when nothing is known of it, or `open` when it is listed as unknown.
    """
    # A mass cancel may stay open for good: when what was open before it could not be read, no venue can tell later.
    may_stay = write.method == "deribit.cancel_all_orders"
    told = await final_outcome(client, write.intent, patience_s=2 if may_stay else ANSWER_S)
    done = write.done(victim.orders(), told["client_order_id"])
    if not told["known"]:
        assert not done, "the venue has done what nobody here knows of"
        return "free"
    if not told["resolved"]:
        assert may_stay, f"still not known: {told}"
        left = (await client.call("orders.list_unresolved"))["writes"]
        assert write.intent in [each["intent"] for each in left]
        return "open"
    assert told["outcome"] == ("confirmed" if done else "rejected"), (told, done)
    return str(told["outcome"])


async def require_harmless_repeat(victim: Victim, client: Client, write: Write, became: str) -> None:
    """A repeat of the intent is answered from the record; where it is free, or a cancel left open, it is done now."""
    asked = victim.received(write.method)
    orders = len(victim.orders())
    again = await client.call(write.method, write.params)
    if became == "open" and again["repeated"]:
        await require_true(victim, client, write)  # it was found out a moment ago
        assert victim.received(write.method) == asked
    elif became in ("free", "open"):
        assert (again["outcome"], again["repeated"]) == ("confirmed", False)
        assert victim.received(write.method) == asked + 1
        assert write.done(victim.orders(), again["client_order_id"])
    else:
        assert (again["outcome"], again["repeated"]) == (became, True)
        assert victim.received(write.method) == asked
        assert len(victim.orders()) == orders
