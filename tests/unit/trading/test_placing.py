"""The one path of every write, over a real journal and a real audit log.

The venue is a function that sends; what it does after the first byte is the subject of these tests.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import Field

from cerberod.audit.query import AuditQuery, query
from cerberod.audit.record import AuditEvent, EventKind
from cerberod.clock import SystemClock
from cerberod.errors import BadVenueData, Code, ConnectionLost, RpcError, VenueDown, VenueRefused
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.rpc.registry import BadDeclaration, Registry
from cerberod.trading.guard import Guard, Scope, Stop, TradingState
from cerberod.trading.journal import Entry
from cerberod.trading.orders import Ending, Outcome, Reason, WriteOutcome
from cerberod.trading.placing import Placing, write
from cerberod.trading.recording import Recorder, recording
from cerberod.trading.records import load_or_make_key, open_records
from cerberod.trading.resolving import Resolver
from cerberod.trading.writes import Plan, Sent, WriteParams, order_key_of

Send = Callable[[Sent], Awaitable[Ending]]


class Buy(WriteParams):
    price: int = Field(default=1, description="What to pay.")


class Bought(WriteOutcome):
    order_id: str | None = Field(default=None, description="The venue's id.")


class Bench:
    """A recorder on real files and a placing over it, with a venue whose `send` a test gives."""

    def __init__(self, folder: Path, recorder: Recorder, deadline_s: float) -> None:
        self.audit_file = folder / "audit.jsonl"
        self.recorder = recorder
        self.guard = Guard()
        self.resolver = Resolver(recorder, Registry(), {}, _nobody)
        self.placing = Placing(
            recorder, self.resolver, self.guard, SystemClock(), deadline_s=deadline_s, writes_per_account=4
        )
        self.sends = 0
        self.prepared: list[Buy] = []

    async def buy(
        self,
        send: Send,
        *,
        bot: str = "bot",
        denied: tuple[Reason, ...] = (),
        request_id: str = "r",
        urgent: bool = False,
        reduces: bool = False,
        **params: Any,
    ) -> Bought:
        async def counted(sent: Sent) -> Ending:
            self.sends += 1
            return await send(sent)

        async def prepare(call: Call, params: Buy) -> Plan[Bought]:
            self.prepared.append(params)
            key = order_key_of(call, params, "account").hex()
            sends = None if denied else counted
            return Plan("venue", "account", sends, {"price": params.price}, key, reduces, denied)

        services = Services(Environment.TESTNET, ())
        principal = Principal(
            Environment.TESTNET, "testnet", bot, frozenset({"read", "trade"}), session_id="s", transport="memory"
        )
        call = Call(request_id, "venue.buy", principal, services)
        return await self.placing.place(call, Buy(**params), prepare, Bought, urgent=urgent)

    async def audited(self) -> list[tuple[str, str | None]]:
        """Return kind and outcome of every record, oldest first."""
        await self.recorder.note()
        page = await anyio.to_thread.run_sync(query, self.audit_file, AuditQuery())
        return [(each["kind"], each.get("outcome")) for each in reversed(page.records)]

    async def entry(self, intent: str) -> Entry | None:
        return await self.recorder.find("testnet", "bot", intent)


@asynccontextmanager
async def opened(folder: Path, deadline_s: float) -> AsyncIterator[Bench]:
    clock = SystemClock()
    key = load_or_make_key(folder)
    records = open_records(folder, folder / "audit.jsonl", key, "simulator", clock, 30)
    async with recording(records, clock) as recorder:
        yield Bench(folder, recorder, deadline_s)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(tmp_path, 60.0) as made:
        yield made


async def confirming(sent: Sent) -> Ending:
    sent.mark()
    return Ending(Outcome.CONFIRMED, {"order_id": "17"})


def failing(error: Exception, *, after_sent: bool) -> Send:
    async def send(sent: Sent) -> Ending:
        if after_sent:
            sent.mark()
        raise error

    return send


async def test_a_confirmed_write_is_journaled_audited_and_told(bench: Bench) -> None:
    outcome = await bench.buy(confirming, intent="i")
    assert (outcome.outcome, outcome.order_id, outcome.recorded, outcome.repeated) == ("confirmed", "17", True, False)
    entry = await bench.entry("i")
    assert entry is not None
    assert (entry.outcome, entry.wire, entry.client_order_id) == ("confirmed", {"price": 1}, outcome.client_order_id)
    assert await bench.audited() == [("request", None), ("outcome", "confirmed")]


@pytest.mark.promise("P4")
async def test_the_intent_is_durable_before_the_first_byte(bench: Bench) -> None:
    seen: list[Entry | None] = []

    async def send(sent: Sent) -> Ending:
        seen.append(await bench.entry("i"))
        return await confirming(sent)

    await bench.buy(send, intent="i")
    assert seen[0] is not None
    assert seen[0].outcome is None


@pytest.mark.promise("P2")
async def test_a_repeat_is_answered_from_the_record_and_sends_nothing(bench: Bench) -> None:
    first = await bench.buy(confirming, intent="i")
    second = await bench.buy(failing(AssertionError("sent twice"), after_sent=True), intent="i")
    assert second == first.model_copy(update={"repeated": True})
    assert bench.sends == 1


@pytest.mark.promise("P2")
async def test_a_thousand_repeats_at_once_send_once(bench: Bench) -> None:
    outcomes: list[Bought] = []

    async def repeat() -> None:
        outcomes.append(await bench.buy(confirming, intent="i"))

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(repeat)
    assert bench.sends == 1
    assert sum(not outcome.repeated for outcome in outcomes) == 1
    assert {outcome.order_id for outcome in outcomes} == {"17"}


@pytest.mark.promise("P2")
async def test_the_same_intent_with_other_params_is_refused(bench: Bench) -> None:
    await bench.buy(confirming, intent="i", price=1)
    with pytest.raises(RpcError) as caught:
        await bench.buy(confirming, intent="i", price=2)
    assert caught.value.code is Code.INTENT_REUSED
    assert bench.sends == 1


async def test_an_intent_is_one_bots_own(bench: Bench) -> None:
    await bench.buy(confirming, intent="i")
    other = await bench.buy(confirming, intent="i", bot="other")
    assert not other.repeated
    assert bench.sends == 2


async def test_without_an_intent_one_is_made_and_told(bench: Bench) -> None:
    first, second = await bench.buy(confirming), await bench.buy(confirming)
    assert first.intent != second.intent
    assert bench.prepared[0].intent == first.intent
    assert bench.sends == 2


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    "error",
    [
        ConnectionLost("venue"),
        BadVenueData("venue", "order", "is missing"),
        VenueRefused("venue", "10001", "general_failure", effect_possible=True),
        RuntimeError("a bug of ours"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_after_the_first_byte_every_failure_is_an_unknown_outcome(bench: Bench, error: Exception) -> None:
    outcome = await bench.buy(failing(error, after_sent=True), intent="i")
    assert outcome.outcome is Outcome.UNKNOWN
    assert outcome.client_order_id is not None
    told = outcome.model_dump_json()
    assert "bug" not in told
    assert "nothing was sent" not in told
    again = await bench.buy(confirming, intent="i")
    assert (again.outcome, again.repeated, bench.sends) == ("unknown", True, 1)
    assert [entry.intent for entry in await bench.recorder.unresolved()] == ["i"]


async def test_a_provable_refusal_of_the_venue_is_a_rejection(bench: Bench) -> None:
    refusal = VenueRefused("venue", "10009", "not_enough_funds", effect_possible=False)
    outcome = await bench.buy(failing(refusal, after_sent=True), intent="i")
    assert (outcome.outcome, outcome.venue_code) == ("rejected", "10009")
    assert [reason.rule for reason in outcome.reasons] == ["not_enough_funds"]
    assert await bench.recorder.unresolved() == []


@pytest.mark.parametrize(
    ("param", "told"), [("price", ("price", "wrong format")), ("otoco_config", ("venue", "invalid_params"))]
)
async def test_a_refusal_names_the_callers_parameter_where_the_venue_does(
    bench: Bench, param: str, told: tuple[str, str]
) -> None:
    refusal = VenueRefused("venue", "-32602", "invalid_params", effect_possible=False, param=param, rule="wrong format")
    outcome = await bench.buy(failing(refusal, after_sent=True), intent="i", price=10)
    assert (outcome.outcome, outcome.venue_code) == ("rejected", "-32602")
    assert [(reason.field, reason.rule) for reason in outcome.reasons] == [told]


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("error", "code"),
    [(VenueDown("venue", "refused"), Code.VENUE_DOWN), (RuntimeError("a bug of ours"), Code.INTERNAL_ERROR)],
    ids=["venue down", "bug"],
)
async def test_before_the_first_byte_a_failure_is_an_error_and_frees_the_intent(
    bench: Bench, error: Exception, code: Code
) -> None:
    with pytest.raises(RpcError) as caught:
        await bench.buy(failing(error, after_sent=False), intent="i")
    assert caught.value.code is code
    assert await bench.entry("i") is None
    outcome = await bench.buy(confirming, intent="i", price=9)
    assert (outcome.outcome, outcome.repeated) == ("confirmed", False)
    assert [kind for kind, _ in await bench.audited()] == ["request", "refused", "request", "outcome"]


@pytest.mark.promise("P1")
async def test_a_deadline_that_passes_after_the_first_byte_is_unknown(tmp_path: Path) -> None:
    async def silent(sent: Sent) -> Ending:
        sent.mark()
        await anyio.sleep_forever()
        raise AssertionError

    async with opened(tmp_path, 0.0) as bench:
        # A deadline of zero has passed before anything is awaited, so nothing can have been sent.
        with pytest.raises(RpcError) as caught:
            await bench.buy(silent, intent="early")
        assert caught.value.code is Code.DEADLINE_PASSED
    outcome: WriteOutcome | None = None
    for patience_s in (0.05, 0.5, 5.0, 50.0):  # how long it takes to record an intent is for the disk to say
        async with opened(tmp_path, patience_s) as bench:
            with suppress(RpcError):
                outcome = await bench.buy(silent, intent=f"late-{patience_s}")
                break
    assert outcome is not None
    assert outcome.outcome is Outcome.UNKNOWN


async def test_a_denied_write_sends_nothing_and_does_not_use_up_its_intent(bench: Bench) -> None:
    reason = Reason(field="price", rule="is off the tick", nearest="2")
    outcome = await bench.buy(confirming, intent="i", denied=(reason,))
    assert (outcome.outcome, outcome.reasons, bench.sends) == ("denied", [reason], 0)
    assert await bench.entry("i") is None
    assert await bench.audited() == [("outcome", "denied")]
    assert (await bench.buy(confirming, intent="i")).outcome is Outcome.CONFIRMED


@pytest.mark.promise("P1")
async def test_an_ending_that_does_not_fit_its_model_is_told_without_its_details(bench: Bench) -> None:
    async def odd(sent: Sent) -> Ending:
        sent.mark()
        return Ending(Outcome.CONFIRMED, {"order_id": ["not", "text"]})

    outcome = await bench.buy(odd, intent="i")
    assert (outcome.outcome, outcome.order_id) == ("confirmed", None)


async def test_the_client_order_id_depends_on_intent_and_bot_alone(bench: Bench) -> None:
    first = await bench.buy(confirming, intent="i", request_id="r-1")
    other = await bench.buy(confirming, intent="j", request_id="r-1")
    elsewhere = await bench.buy(confirming, intent="i", bot="other", request_id="r-2")
    assert len({first.client_order_id, other.client_order_id, elsewhere.client_order_id}) == 3
    assert (await bench.buy(confirming, intent="i", request_id="r-3")).client_order_id == first.client_order_id


async def test_a_halt_denies_orders_and_lets_cancels_pass(bench: Bench) -> None:
    bench.guard.set(Stop(Scope("testnet"), TradingState.HALTED, "testnet", "", ""))
    denied = await bench.buy(confirming, intent="i", reduces=True)
    assert (denied.outcome, [reason.field for reason in denied.reasons]) == ("denied", ["trading"])
    assert (await bench.buy(confirming, intent="c", urgent=True)).outcome is Outcome.CONFIRMED
    assert bench.sends == 1


async def test_reduce_only_lets_pass_what_only_reduces(bench: Bench) -> None:
    bench.guard.set(Stop(Scope("testnet", bot_tag="bot"), TradingState.REDUCE_ONLY, "testnet", "", ""))
    assert (await bench.buy(confirming, intent="i")).outcome is Outcome.DENIED
    assert (await bench.buy(confirming, intent="j", reduces=True)).outcome is Outcome.CONFIRMED
    assert (await bench.buy(confirming, intent="i", bot="other")).outcome is Outcome.CONFIRMED


async def test_a_cancel_is_sent_again_while_its_outcome_is_unknown(bench: Bench) -> None:
    lost = failing(ConnectionLost("venue"), after_sent=True)
    assert (await bench.buy(lost, intent="c", urgent=True)).outcome is Outcome.UNKNOWN
    assert (await bench.buy(confirming, intent="c", urgent=True)).outcome is Outcome.CONFIRMED
    assert (await bench.buy(lost, intent="c", urgent=True)).repeated
    assert bench.sends == 2
    assert await bench.recorder.unresolved() == []


async def cut_off(bench: Bench) -> None:
    """Leave a cancel in the journal of which the first byte is out and nothing else is known, as a kill does."""

    async def stuck(sent: Sent) -> Ending:
        sent.mark()
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.CancelScope() as scope:
        await bench.buy(stuck, intent="i", urgent=True)


@pytest.mark.parametrize("error", [VenueDown("venue", "down"), RpcError(Code.DEADLINE_PASSED)])
async def test_a_repeated_cancel_that_cannot_be_sent_does_not_forget_the_first(bench: Bench, error: RpcError) -> None:
    await cut_off(bench)
    again = await bench.buy(failing(error, after_sent=False), intent="i", urgent=True)
    assert (again.outcome, again.repeated) == ("unknown", True), "an error would say that nothing was ever sent"
    entry = await bench.entry("i")
    assert entry is not None, "the first may have been done: it stays listed"
    assert entry.outcome is None
    assert (await bench.buy(confirming, intent="i", urgent=True)).outcome is Outcome.CONFIRMED


async def test_who_concludes_second_tells_the_outcome_that_stands(bench: Bench) -> None:
    await bench.buy(failing(ConnectionLost("venue"), after_sent=True), intent="i", urgent=True)

    async def overtaken(sent: Sent) -> Ending:
        sent.mark()
        result = {"outcome": "rejected", "intent": "i", "client_order_id": None}
        event = AuditEvent(EventKind.OUTCOME, outcome="rejected")
        assert await bench.recorder.conclude("testnet", "bot", "i", "rejected", result, event)
        return Ending(Outcome.CONFIRMED)

    assert (await bench.buy(overtaken, intent="i", urgent=True)).outcome is Outcome.REJECTED
    entry = await bench.entry("i")
    assert entry is not None
    assert entry.outcome == "rejected"


async def test_an_order_whose_outcome_is_unknown_is_never_sent_again(bench: Bench) -> None:
    lost = failing(ConnectionLost("venue"), after_sent=True)
    await bench.buy(lost, intent="i")
    assert (await bench.buy(confirming, intent="i")).repeated
    assert bench.sends == 1


async def test_one_account_has_a_bounded_number_of_orders_under_way_and_cancels_do_not_wait(bench: Bench) -> None:
    gate = anyio.Event()
    under_way = 0

    async def held(sent: Sent) -> Ending:
        nonlocal under_way
        under_way += 1
        await gate.wait()
        return await confirming(sent)

    async def order(intent: str) -> None:
        await bench.buy(held, intent=intent)

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(order, str(number))
        await bench.buy(confirming, intent="c", urgent=True)
        assert under_way <= 4
        gate.set()
    assert bench.sends == 7


async def _nobody(entry: Entry, outcome: WriteOutcome) -> None:
    raise AssertionError("nothing is resolved here")


async def _find(services: Services, entry: Entry) -> Ending | None:
    return None


def test_a_write_must_be_prepared_as_a_plan() -> None:
    async def place(call: Call, params: Buy) -> Bought:
        """Send at once."""
        raise AssertionError

    with pytest.raises(BadDeclaration, match="Plan"):
        write("venue.buy", finder=_find, into=Registry())(place)  # type: ignore[arg-type]  # the mistake under test


def test_an_outcome_model_must_be_tellable_without_an_answer() -> None:
    class Demanding(WriteOutcome):
        order_id: str = Field(description="The venue's id.")

    async def place(call: Call, params: Buy) -> Plan[Demanding]:
        """Prepare."""
        raise AssertionError

    with pytest.raises(BadDeclaration, match="order_id"):
        write("venue.buy", finder=_find, into=Registry())(place)
