"""The resolver over a real journal: every open write is pursued until its venue can tell, and nothing else ends it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from cerberod.clock import SystemClock
from cerberod.errors import VenueDown
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import Deadline, Effect, Method, Registry
from cerberod.trading.journal import Entry, IntentKey
from cerberod.trading.orders import Ending, Outcome, WriteOutcome
from cerberod.trading.recording import Recorder, recording
from cerberod.trading.records import load_or_make_key, open_records
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import WriteParams
from tests.support.records import entry, event

Find = Callable[[Services, Entry], Awaitable[Ending | None]]


class Desk:
    """A resolver, what it told, and the venue's answers in the order they are given."""

    def __init__(self, recorder: Recorder, find: Find) -> None:
        self.recorder = recorder
        self.told: list[tuple[str, Outcome]] = []
        registry = Registry()
        registry.add(_method(find))
        services = {Environment.TESTNET: Services(Environment.TESTNET, ())}
        self.resolver = Resolver(recorder, registry, services, self._tell)

    async def _tell(self, entry: Entry, outcome: WriteOutcome) -> None:
        self.told.append((entry.intent, outcome.outcome))

    async def begin(self, intent: str) -> Entry:
        made = entry(intent, method="venue.buy", bot_tag="bot")
        assert await self.recorder.begin(made, event()) is None
        return made

    async def outcome(self, intent: str) -> str | None:
        found = await self.recorder.find("testnet", "bot", intent)
        assert found is not None
        return found.outcome


def _method(find: Find) -> Method:
    async def handler(call: Call, params: WriteParams) -> WriteOutcome:
        raise AssertionError("nothing is sent here")

    return Method(
        name="venue.buy",
        effect=Effect.WRITE,
        scope="trade",
        cost=1,
        deadline=Deadline.WRITE,
        since="0.1",
        params=WriteParams,
        result=WriteOutcome,
        summary="Buy.",
        text="",
        handler=handler,
        finder=find,
    )


@asynccontextmanager
async def desk(folder: Path, find: Find) -> AsyncIterator[Desk]:
    clock = SystemClock()
    records = open_records(folder, folder / "audit.jsonl", load_or_make_key(folder), "simulator", clock, 30)
    async with recording(records, clock) as recorder:
        yield Desk(recorder, find)


def answers(*given: Ending | Exception | None) -> Find:
    """Answer in this order, and with the last one ever after."""
    left = list(given)

    async def find(services: Services, entry: Entry) -> Ending | None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return find


CONFIRMED = Ending(Outcome.CONFIRMED)


@pytest.mark.promise("P3")
async def test_what_was_left_open_is_resolved_before_the_start_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path, answers(CONFIRMED)) as at, anyio.create_task_group() as group:
        await at.begin("i")
        await at.begin("j")
        await group.start(at.resolver.run)
        assert sorted(at.told) == [("i", Outcome.CONFIRMED), ("j", Outcome.CONFIRMED)]
        assert await at.outcome("i") == "confirmed"
        assert await at.recorder.unresolved() == []
        group.cancel_scope.cancel()


@pytest.mark.promise("P3")
async def test_a_write_is_pursued_until_the_venue_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerberod.trading.resolving.EAGER_S", 0.0)
    trouble = (VenueDown("venue", "refused"), None, Ending(Outcome.UNKNOWN), RuntimeError("a bug of a finder"))
    async with desk(tmp_path, answers(*trouble, CONFIRMED)) as at, anyio.create_task_group() as group:
        await group.start(at.resolver.run)
        pursuit = at.resolver.pursue(await at.begin("i"))
        await pursuit.over.wait()
        assert pursuit.polls == len(trouble)
        assert await at.outcome("i") == "confirmed"
        assert at.resolver.pursuits == {}
        group.cancel_scope.cancel()


@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    ("says", "reason"),
    [(None, "deribit cannot tell yet"), (VenueDown("venue", "unreachable"), "deribit: unreachable")],
)
async def test_a_venue_that_cannot_tell_is_listed_with_the_reason(
    says: VenueDown | None, reason: str, tmp_path: Path
) -> None:
    async with desk(tmp_path, answers(says)) as at, anyio.create_task_group() as group:
        await group.start(at.resolver.run)
        key = IntentKey("testnet", "bot", "i")
        made = await at.begin("i")
        at.resolver.pursue(made)
        at.resolver.pursue(made)
        await anyio.wait_all_tasks_blocked()
        assert at.resolver.pursuits[key].reason == reason
        assert [each.intent for each in await at.recorder.unresolved()] == ["i"]
        group.cancel_scope.cancel()


@pytest.mark.promise("P3")
async def test_the_start_waits_no_longer_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cerberod.trading.resolving.FIRST_ROUND_S", 0.01)
    async with desk(tmp_path, answers(None)) as at, anyio.create_task_group() as group:
        await at.begin("i")
        await group.start(at.resolver.run)
        assert len(at.resolver.pursuits) == 1
        group.cancel_scope.cancel()


@pytest.mark.promise("P3")
async def test_what_somebody_else_ended_is_asked_for_no_more(tmp_path: Path) -> None:
    async with desk(tmp_path, answers(None)) as at, anyio.create_task_group() as group:
        await group.start(at.resolver.run)
        pursuit = at.resolver.pursue(await at.begin("i"))
        at.resolver.settled(pursuit.entry.key)
        assert at.resolver.pursuits == {}
        await anyio.wait_all_tasks_blocked()
        assert at.told == []
        group.cancel_scope.cancel()
