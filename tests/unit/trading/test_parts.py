"""A write that consists of others: each has an intent, a record and an outcome of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from pydantic import Field

from cerberod.audit.record import AuditEvent, EventKind
from cerberod.clock import SystemClock
from cerberod.errors import ConnectionLost, RpcError, VenueDown, VenueRefused
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import Registry
from cerberod.trading.guard import Guard
from cerberod.trading.journal import Entry, IntentKey
from cerberod.trading.methods import Trading
from cerberod.trading.orders import Ending, Outcome, WriteOutcome
from cerberod.trading.parts import find_parts
from cerberod.trading.placing import Placing, digest_of
from cerberod.trading.recording import Recorder, recording
from cerberod.trading.records import load_or_make_key, open_records
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import Part, Plan, Sent, WriteParams

CONFIRMED, REJECTED = Ending(Outcome.CONFIRMED, {"order_id": "17"}), Ending(Outcome.REJECTED, venue_code="110007")
UNKNOWN = Ending(Outcome.UNKNOWN)
PRINCIPAL = Principal(Environment.TESTNET, "testnet", "bot", frozenset({"trade"}), session_id="s", transport="memory")


class Batch(WriteParams):
    prices: list[int] = Field(description="What to pay for each.")


class Bought(WriteOutcome):
    order_id: str | None = Field(default=None, description="The venue's id.")


class BoughtAll(WriteOutcome):
    confirmed_count: int | None = Field(default=None, description="How many were.")
    rejected_count: int | None = Field(default=None, description="How many were not.")
    unknown_count: int | None = Field(default=None, description="How many nobody knows of.")
    orders: list[Bought] = Field(default=[], description="Each.")


class Bench:
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.resolver = Resolver(recorder, Registry(), {}, _nobody)
        self.placing = Placing(recorder, self.resolver, Guard(), SystemClock(), deadline_s=60.0, writes_per_account=4)
        self.sends = 0
        self.journaled: list[list[str]] = []
        trading = Trading(recorder, self.resolver, Guard(), Registry(), SystemClock())
        self.services = Services(Environment.TESTNET, (trading,))

    async def buy(
        self,
        *endings: Ending,
        error: Exception | None = None,
        intent: str = "b",
        taken: str = "",
        after: bool = True,
        gate: anyio.Event | None = None,
    ) -> BoughtAll:
        """Buy in one request, which leaves once the gate is open."""
        intents = [taken or f"{intent}/{number}" for number in range(len(endings) or 2)]

        async def send(sent: Sent) -> Ending:
            self.sends += 1
            if gate is not None:
                await gate.wait()
            self.journaled.append([each.intent for each in await self.recorder.unresolved()])
            if after:
                sent.mark()
            if error is not None:
                raise error
            return Ending(Outcome.CONFIRMED, parts=endings)

        async def prepare(call: Call, params: Batch) -> Plan[BoughtAll]:
            parts = tuple(
                Part(
                    "venue.buy", each, {"price": number}, Bought, {"n": number}, f"id-{each}", f"orders.{number}.intent"
                )
                for number, each in enumerate(intents)
            )
            return Plan("venue", "account", send, {"parts": intents}, parts=parts)

        call = Call("r", "venue.buy_all", PRINCIPAL, self.services)
        params = Batch(prices=list(range(len(intents))), intent=intent)
        return await self.placing.place(call, params, prepare, BoughtAll)

    async def buy_one(self, intent: str) -> Bought:
        async def send(sent: Sent) -> Ending:
            sent.mark()
            return CONFIRMED

        async def prepare(call: Call, params: Batch) -> Plan[Bought]:
            return Plan("venue", "account", send)

        call = Call("r", "venue.buy", PRINCIPAL, self.services)
        return await self.placing.place(call, Batch(prices=[1], intent=intent), prepare, Bought)

    async def entry(self, intent: str) -> Entry | None:
        return await self.recorder.find("testnet", "bot", intent)


def _event() -> AuditEvent:
    return AuditEvent(EventKind.OUTCOME, outcome="rejected", detail={})


async def _nobody(entry: Entry, outcome: WriteOutcome) -> None:
    """No session to tell."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = SystemClock()
    records = open_records(tmp_path, tmp_path / "audit.jsonl", load_or_make_key(tmp_path), "simulator", clock, 30)
    async with recording(records, clock) as recorder:
        yield Bench(recorder)


@pytest.mark.promise("P4")
async def test_every_part_is_journaled_before_the_one_request_is_sent(bench: Bench) -> None:
    await bench.buy(CONFIRMED, CONFIRMED)
    assert [sorted(each) for each in bench.journaled] == [["b", "b/0", "b/1"]]


async def test_each_part_has_its_own_outcome_and_the_whole_counts_them(bench: Bench) -> None:
    outcome = await bench.buy(CONFIRMED, REJECTED)
    assert (outcome.outcome, outcome.confirmed_count, outcome.rejected_count) == ("confirmed", 1, 1)
    assert [(each.intent, each.outcome, each.order_id) for each in outcome.orders] == [
        ("b/0", "confirmed", "17"),
        ("b/1", "rejected", None),
    ]
    entry = await bench.entry("b/1")
    assert entry is not None
    assert (entry.method, entry.outcome, entry.client_order_id) == ("venue.buy", "rejected", "id-b/1")
    assert entry.params_digest == digest_of("venue.buy", {"price": 1})


async def test_requests_that_wait_with_several_writes_hold_up_no_single_one(bench: Bench) -> None:
    gate = anyio.Event()

    async def buy(number: int) -> None:
        await bench.buy(CONFIRMED, CONFIRMED, intent=f"b{number}", gate=gate)

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(buy, number)
        with anyio.fail_after(60):
            while bench.sends < 4:  # noqa: ASYNC110 - they are journaled on a thread
                await anyio.sleep(0.01)
            assert (await bench.buy_one("alone")).outcome == "confirmed"
        assert bench.sends == 4, "they are bounded too"
        gate.set()
    assert bench.sends == 6


async def test_when_none_was_done_the_whole_is_rejected(bench: Bench) -> None:
    assert (await bench.buy(REJECTED, REJECTED)).outcome == "rejected"


@pytest.mark.promise("P3")
async def test_a_part_that_is_not_known_leaves_the_whole_open_until_it_is(bench: Bench) -> None:
    outcome = await bench.buy(CONFIRMED, UNKNOWN)
    assert (outcome.outcome, outcome.unknown_count) == ("unknown", 1)
    assert sorted(key.intent for key in bench.resolver.pursuits) == ["b", "b/1"]
    whole = await bench.entry("b")
    assert whole is not None
    assert await find_parts(bench.services, whole) is None
    part = await bench.entry("b/1")
    assert part is not None
    bench.resolver.settled(IntentKey("testnet", "bot", "b/1"))
    found = {**dict(part.result or {}), "outcome": "rejected"}
    await bench.recorder.conclude(*part.key, "rejected", found, _event())
    ending = await find_parts(bench.services, whole)
    assert ending is not None
    assert (ending.outcome, ending.detail["confirmed_count"], ending.detail["rejected_count"]) == ("confirmed", 1, 1)


@pytest.mark.promise("P2")
async def test_a_repeat_of_the_whole_is_answered_from_the_record(bench: Bench) -> None:
    first = await bench.buy(CONFIRMED, REJECTED)
    again = await bench.buy(CONFIRMED, REJECTED)
    assert again == first.model_copy(update={"repeated": True})
    assert bench.sends == 1


@pytest.mark.promise("P1")
async def test_of_a_request_that_never_left_every_intent_is_free_again(bench: Bench) -> None:
    with pytest.raises(RpcError):
        await bench.buy(error=VenueDown("venue", "no_connection"), after=False)
    assert [await bench.entry(each) for each in ("b", "b/0", "b/1")] == [None] * 3
    assert (await bench.buy(CONFIRMED, CONFIRMED)).outcome == "confirmed"


@pytest.mark.promise("P1")
async def test_a_lost_answer_leaves_every_part_unknown(bench: Bench) -> None:
    outcome = await bench.buy(error=ConnectionLost("venue"))
    assert [each.outcome for each in outcome.orders] == ["unknown"] * 2
    assert sorted(key.intent for key in bench.resolver.pursuits) == ["b", "b/0", "b/1"]


async def test_a_refusal_of_the_whole_request_is_that_of_every_part(bench: Bench) -> None:
    refused = VenueRefused("venue", "10006", "too_many_visits", effect_possible=False)
    outcome = await bench.buy(error=refused)
    assert (outcome.outcome, outcome.venue_code) == ("rejected", "10006")
    assert [(each.outcome, each.venue_code) for each in outcome.orders] == [("rejected", "10006")] * 2


@pytest.mark.promise("P2")
async def test_an_intent_of_a_part_that_is_taken_denies_the_whole(bench: Bench) -> None:
    await bench.buy(CONFIRMED)
    outcome = await bench.buy(CONFIRMED, intent="c", taken="b/0")
    assert (outcome.outcome, [reason.field for reason in outcome.reasons]) == ("denied", ["orders.0.intent"])
    assert bench.sends == 1
    assert await bench.entry("c") is None


async def test_endings_that_do_not_match_the_parts_leave_all_of_them_unknown(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def send(sent: Sent) -> Ending:
        sent.mark()
        return Ending(Outcome.CONFIRMED, parts=(CONFIRMED, CONFIRMED))

    async def prepare(call: Call, params: Batch) -> Plan[BoughtAll]:
        part = Part("venue.buy", "b/0", {"price": 1}, Bought, {})
        return Plan("venue", "account", send, {"parts": ["b/0"]}, parts=(part,))

    principal = Principal(
        Environment.TESTNET, "testnet", "bot", frozenset({"trade"}), session_id="s", transport="memory"
    )
    call = Call("r", "venue.buy_all", principal, bench.services)
    outcome = await bench.placing.place(call, Batch(prices=[1], intent="b"), prepare, BoughtAll)
    assert (outcome.outcome, outcome.unknown_count) == ("unknown", 1)
    assert "a write failed while sending" in caplog.text
