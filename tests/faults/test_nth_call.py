"""The n-th call of each kind that touches the disk fails, for all n of a few writes' life. `faults.md` 6 and 71.

Two orders, a cancel and the turn of a day between them go the one path over real files. Whichever call fails, nothing
is sent that is not recorded, a cancel is sent all the same and says so, and the next start finds both records whole.
"""

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from cerberod.audit.verify import verify
from cerberod.audit.writer import AuditRefused
from cerberod.errors import Code, RpcError
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import Registry
from cerberod.trading.guard import Guard
from cerberod.trading.journal import Entry, IntentKey, Journal, JournalRefused, read_anchors
from cerberod.trading.orders import Ending, Outcome, WriteOutcome
from cerberod.trading.placing import Placing
from cerberod.trading.recording import NotRecordable, Recorder, recording
from cerberod.trading.records import JOURNAL_FILE, Records, open_records
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import Plan, Sent, WriteParams
from tests.support.clock import ManualClock
from tests.support.records import KEY, files_end_at, lines_of
from tests.support.turns import until

BOT = "night-owl"
SOON_S = 0.005
CALLS = ("write", "fdatasync", "ftruncate", "rename", "open", "fsync")
MOST = 100
"""More calls of one kind than these lives make."""

Answer = WriteOutcome | Code


@dataclass(slots=True)
class Life:
    """What was answered, and what the venue saw."""

    answers: dict[str, Answer] = field(default_factory=dict)
    sends: Counter[str] = field(default_factory=Counter)
    refused: str | None = None
    """Why it could not even start."""
    failed_for_good: bool = False


def opened(folder: Path, clock: ManualClock) -> Records:
    return open_records(folder, folder / "audit.jsonl", KEY, "simulator", clock, 30)


async def live(folder: Path, life: Life, after_first: Callable[[], None] = lambda: None) -> None:
    """Open the records, write, let the day turn, write, cancel, and close."""
    clock = ManualClock()
    try:
        records = await anyio.to_thread.run_sync(opened, folder, clock)
    except (AuditRefused, JournalRefused) as refusal:
        life.refused = str(refusal)
        return
    async with recording(records, clock, flush_s=SOON_S) as recorder:
        resolver = Resolver(recorder, Registry(), {}, _nobody)
        placing = Placing(recorder, resolver, Guard(), clock, deadline_s=30, writes_per_account=4)
        await _ask(placing, life, "first")
        after_first()
        clock.advance(days=1)
        await _ask(placing, life, "second")
        await _ask(placing, life, "cancel", urgent=True)
        await _read_all(recorder)
        life.failed_for_good = recorder.failed_for_good
        if not life.failed_for_good:
            await until(lambda: recorder.healthy and not recorder.statistics().owed)
    life.failed_for_good = recorder.failed_for_good  # the last commit may be the one that could not be synced


async def _ask(placing: Placing, life: Life, intent: str, *, urgent: bool = False) -> None:
    async def send(sent: Sent) -> Ending:
        sent.mark()
        life.sends[intent] += 1
        return Ending(Outcome.CONFIRMED)

    async def prepare(call: Call, params: WriteParams) -> Plan[WriteOutcome]:
        return Plan("venue", "account", send, {"what": intent}, f"c-{intent}")

    principal = Principal(Environment.TESTNET, "testnet", BOT, frozenset({"trade"}), session_id="s", transport="memory")
    call = Call(f"r-{intent}", "venue.order", principal, Services(Environment.TESTNET, ()))
    try:
        life.answers[intent] = await placing.place(
            call, WriteParams(intent=intent), prepare, WriteOutcome, urgent=urgent
        )
    except RpcError as error:
        life.answers[intent] = error.code


async def _read_all(recorder: Recorder) -> None:
    """Reads of the journal go on whatever happened to the records; only one that meets the fault itself fails."""
    for intent in ("first", "second", "cancel"):
        try:
            await recorder.find("testnet", BOT, intent)
        except NotRecordable:
            await recorder.find("testnet", BOT, intent)


async def _nobody(entry: Entry, outcome: WriteOutcome) -> None:
    raise AssertionError("nothing is resolved here")


@contextmanager
def nth_fails(folder: Path, call: str, nth: int, error: int) -> Iterator[Callable[[], int]]:
    """Let the n-th call of an `os` function on something in the folder fail; yields how many there were."""
    real, seen = getattr(os, call), 0

    def failing(target: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal seen
        place = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
        if str(place).startswith(str(folder)):
            seen += 1
            if seen == nth:
                raise OSError(error, os.strerror(error))
        return real(target, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, failing)
        yield lambda: seen


async def require_kept(folder: Path, life: Life) -> None:
    """Start anew on what is left and hold it against what was answered and sent."""
    await anyio.to_thread.run_sync(_require_kept, folder, life)


def _require_kept(folder: Path, life: Life) -> None:
    if life.refused is not None:
        assert life.refused.startswith(str(folder))
        assert "\n" not in life.refused
    logs = folder.glob("audit*.jsonl")
    assert all(line.endswith(b"\n") for log in logs for line in lines_of(log))
    clock = ManualClock()
    clock.advance(days=1)
    records = opened(folder, clock)
    entries = {name: records.journal.find(IntentKey("testnet", BOT, name)) for name in life.answers}
    records.close()
    assert verify(folder / "audit.jsonl", KEY, read_anchors(folder / JOURNAL_FILE)).ok
    for intent, answer in life.answers.items():
        entry = entries[intent]
        if isinstance(answer, Code):
            assert (answer, life.sends[intent]) == (Code.NOT_RECORDABLE, 0), intent
            assert intent != "cancel", "a cancel is never refused"
            continue
        assert (answer.outcome, life.sends[intent]) == (Outcome.CONFIRMED, 1)
        assert entry is not None or (intent == "cancel" and not answer.recorded), "sent without a record"
        if answer.recorded or (entry is not None and not life.failed_for_good):
            assert entry is not None
            assert entry.outcome == "confirmed", "what was owed was not written"


@pytest.mark.promise("P1", "P4", "P5")
async def test_a_life_without_a_fault(tmp_path: Path) -> None:
    life = Life()
    await live(tmp_path, life)
    for answer in life.answers.values():
        assert isinstance(answer, WriteOutcome)
        assert answer.recorded
    assert life.sends.total() == 3
    await require_kept(tmp_path, life)
    assert lines_of(tmp_path / "audit-2026-08-22.jsonl"), "the day has turned"


@pytest.mark.promise("P1", "P4", "P5")
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", CALLS)
async def test_whichever_call_fails_nothing_is_sent_unrecorded(tmp_path: Path, call: str, error: int) -> None:
    reached = 0
    for nth in range(1, MOST):
        folder = tmp_path / str(nth)
        folder.mkdir()
        life = Life()
        with nth_fails(folder, call, nth, error) as seen:
            await live(folder, life)
        if seen() < nth:
            break
        reached = nth
        await require_kept(folder, life)
    assert reached or call == "ftruncate", "nothing was ever made to fail"
    assert reached < MOST - 1


@pytest.mark.promise("P1", "P4", "P5")
@pytest.mark.parametrize("nth", range(1, 8))
async def test_a_failed_cut_after_a_failed_write_is_final(tmp_path: Path, nth: int) -> None:
    """The second fault comes while the first one is mended: nobody knows then what the file holds."""
    life = Life()
    with nth_fails(tmp_path, "write", nth, errno.ENOSPC), nth_fails(tmp_path, "ftruncate", 1, errno.EIO) as cuts:
        await live(tmp_path, life)
    assert life.failed_for_good == bool(cuts())
    await require_kept(tmp_path, life)


@pytest.mark.promise("P1", "P4", "P5")
@pytest.mark.parametrize("nth", range(1, 8))
async def test_a_failed_sync_is_never_tried_again(tmp_path: Path, nth: int) -> None:
    life = Life()
    with nth_fails(tmp_path, "fdatasync", nth, errno.EIO) as syncs:
        await live(tmp_path, life)
    failed = life.failed_for_good or life.refused is not None
    assert failed == (syncs() == nth), "there was a sync after the one that failed"
    await require_kept(tmp_path, life)


# -- SQLite, whose calls are not Python's


class FailingConnection:
    """The journal's connection, of which the n-th statement fails."""

    def __init__(self, real: sqlite3.Connection, nth: int, code: int, name: str) -> None:
        self._real = real
        self._nth = nth
        self._code = code
        self._name = name
        self.seen = 0

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self.seen += 1
        if self.seen == self._nth and statement != "ROLLBACK":
            error = sqlite3.OperationalError("text that nobody may see")
            error.sqlite_errorcode, error.sqlite_errorname = self._code, self._name
            raise error
        return self._real.execute(statement, *arguments)

    def close(self) -> None:
        self._real.close()


@pytest.mark.promise("P1", "P4", "P5")
@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_READONLY"])
async def test_whichever_statement_of_the_journal_fails_nothing_is_sent_unrecorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = Journal.open.__func__  # type: ignore[attr-defined]  # the function under the class method
    reached = 0
    for nth in range(1, MOST):
        folder = tmp_path / str(nth)
        folder.mkdir()
        connections: list[FailingConnection] = []

        def opened(cls: type[Journal], path: Path, kind: Any, nth: int = nth, made: Any = connections) -> Journal:
            journal: Journal = real(cls, path, kind)
            made.append(FailingConnection(journal._db, nth, getattr(sqlite3, name), name))
            journal._db = made[-1]
            return journal

        life = Life()
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "open", classmethod(opened))
            await live(folder, life)
        if connections[0].seen < nth:
            break
        reached = nth
        await require_kept(folder, life)
    assert 10 < reached < MOST - 1


@pytest.mark.promise("P1", "P4", "P5")
@pytest.mark.parametrize("room", range(0, 36_000, 1_500))
async def test_wherever_the_journals_file_must_end_nothing_is_sent_unrecorded(tmp_path: Path, room: int) -> None:
    """SQLite's own writes fail, the first that goes beyond the given room and all after it, until the disk is freed."""
    life, full = Life(), []

    def fill_up() -> None:
        limit = files_end_at((tmp_path / f"{JOURNAL_FILE}-wal").stat().st_size + room)
        limit.__enter__()
        full.append(limit)

    async def free_later() -> None:
        await until(lambda: "cancel" in life.answers)
        full[0].__exit__(None, None, None)

    async with anyio.create_task_group() as group:
        group.start_soon(free_later)
        await live(tmp_path, life, fill_up)
    if room == 0:
        assert life.answers["second"] is Code.NOT_RECORDABLE
    await require_kept(tmp_path, life)
