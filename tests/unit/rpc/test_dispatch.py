from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any

import anyio
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberod.errors import Code, InvalidParams
from cerberod.ids import Environment
from cerberod.rpc import dispatch as dispatch_module
from cerberod.rpc.dispatch import Finished, Phase, validate
from cerberod.rpc.envelope import Malformed, Request
from cerberod.rpc.limits import BudgetLimits
from cerberod.rpc.registry import Deadline, Effect
from tests.support.small import CANARY, LIMITS, Daemon, Subtract, principal, small_daemon

SUBTRACT = {"minuend": 5, "subtrahend": 3}


async def ask(daemon: Daemon, method: str, params: Any = None, *, id: Any = 1, **who: Any) -> Any:
    """Call one method and return the parsed answer."""
    session = daemon.dispatcher.open_session(principal(**who))
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": {} if params is None else params}
    if id is not None:
        body["id"] = id
    answer = await daemon.dispatcher.answer(session, session.read(orjson.dumps(body)))
    return None if answer is None else orjson.loads(answer)


def code(answer: Any) -> int:
    found = answer["error"]["code"]
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize("direct", [True, False])
async def test_a_call_is_answered_and_observed(direct: bool) -> None:
    daemon = small_daemon(direct=direct)
    answer = await ask(daemon, "test.subtract", SUBTRACT, id="a")
    assert answer == {"jsonrpc": "2.0", "id": "a", "result": {"difference": 2}}
    (finished,) = daemon.calls
    assert (finished.code, finished.params, finished.call.method) == (0, SUBTRACT, "test.subtract")
    assert finished.method is not None
    assert finished.duration_s >= 0


@pytest.mark.parametrize("direct", [True, False])
async def test_the_request_id_joins_error_and_record(direct: bool) -> None:
    daemon = small_daemon(direct=direct)
    answer = await ask(daemon, "no.such")
    (finished,) = daemon.calls
    assert answer["error"]["data"]["request_id"] == finished.call.request_id
    assert (finished.code, finished.method) == (Code.METHOD_NOT_FOUND, None)


async def test_a_handler_sees_its_own_environment_only() -> None:
    daemon = small_daemon()
    for environment in Environment:
        answer = await ask(daemon, "test.echo", {"text": "x"}, environment=environment)
        assert answer["result"]["environment"] == environment
        await ask(daemon, "test.write", {"what": "x", "intent": environment.value}, environment=environment)
        assert daemon.benches[environment].done == [environment.value]


@pytest.mark.parametrize(("phase", "expected"), [("starting", Code.NOT_READY), ("draining", Code.SHUTTING_DOWN)])
async def test_calls_are_refused_unless_the_daemon_is_ready(phase: str, expected: Code) -> None:
    daemon = small_daemon(phase=Phase(phase))
    assert code(await ask(daemon, "test.write", {"what": "x"})) == expected
    assert daemon.bench.done == []


async def test_a_scope_is_checked_before_params() -> None:
    daemon = small_daemon()
    refused = await ask(daemon, "test.write", {"nonsense": 1}, scopes=frozenset({"read"}))
    assert code(refused) == Code.NOT_ALLOWED
    assert refused["error"]["data"]["scope"] == "trade"


async def test_beyond_the_limit_of_all_calls_one_is_told_busy() -> None:
    daemon = small_daemon(limits=replace(LIMITS, max_in_flight=1))
    async with anyio.create_task_group() as group:
        group.start_soon(ask, daemon, "test.wait")
        await daemon.bench.arrived.wait()
        busy = await ask(daemon, "test.subtract", SUBTRACT)
        assert code(busy) == Code.BUSY
        assert busy["error"]["data"]["retry_after_ms"] > 0
        daemon.bench.gate.set()
    assert (await ask(daemon, "test.subtract", SUBTRACT))["result"] == {"difference": 2}
    assert daemon.dispatcher.running == {}


async def test_a_read_ends_at_its_deadline_and_a_write_does_not() -> None:
    limits = replace(LIMITS, deadlines_s={**LIMITS.deadlines_s, Deadline.READ: 0.0, Deadline.WRITE: 0.0})
    daemon = small_daemon(limits=limits)
    assert code(await ask(daemon, "test.wait")) == Code.DEADLINE_PASSED
    answers: list[Any] = []

    async def write() -> None:
        answers.append(await ask(daemon, "test.write", {"what": "slow"}))

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await daemon.bench.arrived.wait()
        daemon.bench.gate.set()
    assert answers[0]["result"]["outcome"] == "confirmed"


@pytest.mark.parametrize("direct", [True, False])
async def test_the_unforeseen_tells_the_caller_nothing(direct: bool, caplog: pytest.LogCaptureFixture) -> None:
    daemon = small_daemon(direct=direct)
    answer = await ask(daemon, "test.fail")
    assert code(answer) == Code.INTERNAL_ERROR
    assert answer["error"]["data"].keys() == {"request_id"}
    assert CANARY not in str(answer)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == ["call failed"]


async def test_a_big_result_of_a_write_is_no_error() -> None:
    daemon = small_daemon(limits=replace(LIMITS, max_reply_bytes=100))
    assert code(await ask(daemon, "test.blob", {"size": 200})) == Code.REPLY_TOO_BIG
    answer = await ask(daemon, "test.write", {"what": "x" * 200})
    assert answer["result"]["outcome"] == "confirmed"


async def test_a_caller_who_hangs_up_stands_in_the_records() -> None:
    daemon = small_daemon()
    async with anyio.create_task_group() as group:
        group.start_soon(ask, daemon, "test.wait")
        await daemon.bench.arrived.wait()
        group.cancel_scope.cancel()
    assert [finished.code for finished in daemon.calls] == [Code.HUNG_UP]
    assert daemon.bench.cancelled == 1
    assert daemon.dispatcher.running == {}


async def test_many_odd_messages_at_once_load_the_library_once(monkeypatch: pytest.MonkeyPatch) -> None:
    imports: list[str] = []

    def counted(name: str) -> ModuleType:
        imports.append(name)
        return import_module(name)

    monkeypatch.setattr(dispatch_module, "import_module", counted)
    daemon = small_daemon()
    session = daemon.dispatcher.open_session(principal())
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(daemon.dispatcher.answer, session, session.read(b"{"))
    assert imports == ["cerberod.rpc.library"]


async def test_writes_run_where_they_outlive_their_session() -> None:
    daemon = small_daemon()
    async with anyio.create_task_group() as lasting, anyio.create_task_group() as session_group:
        daemon.dispatcher.use_lasting(lasting)
        chosen = {
            name: daemon.dispatcher.group_for(daemon.dispatcher.method_of(Request(name, {}, 1)), session_group)
            for name in ("test.write", "test.admin", "test.subtract", "no.such")
        }
        assert chosen == {
            "test.write": lasting,
            "test.admin": lasting,
            "test.subtract": session_group,
            "no.such": session_group,
        }
        malformed = daemon.dispatcher.open_session(principal()).read(b"x")
        assert isinstance(malformed, Malformed)
        assert daemon.dispatcher.group_for(daemon.dispatcher.method_of(malformed), session_group) is session_group


async def test_a_drain_waits_for_the_effects_it_names() -> None:
    daemon = small_daemon()
    dispatcher, idle = daemon.dispatcher, list[str]()

    async def wait(*effects: Effect) -> None:
        await dispatcher.wait_idle(*effects)
        idle.append("+".join(effects))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, daemon, "test.write", {"what": "slow"})
        await daemon.bench.arrived.wait()
        dispatcher.phase = Phase.DRAINING
        await dispatcher.wait_idle(Effect.READ)
        group.start_soon(wait, Effect.READ, Effect.WRITE)
        await anyio.wait_all_tasks_blocked()
        assert idle == []
        daemon.bench.gate.set()
    assert idle == ["read+write"]
    assert daemon.bench.done == ["slow"]


async def test_observers_hear_of_every_ending() -> None:
    heard: list[Finished] = []
    daemon = small_daemon(observer=heard.append)
    for method, params in [("test.subtract", SUBTRACT), ("test.subtract", {}), ("test.fail", {}), ("no.such", {})]:
        await ask(daemon, method, params)
    await ask(daemon, "test.echo", {"text": "x"}, id=None)
    await ask(daemon, "test.write", {"what": "x"}, id=None)
    assert [finished.code for finished in heard] == [0, -32602, -32603, -32601, 0, -32600]
    assert daemon.bench.done == []


@given(st.lists(st.sampled_from(["test.subtract", "test.nan", "test.write", "no.such", "test.fail"]), max_size=8))
async def test_answers_of_a_batch_stand_in_the_order_of_its_items(methods: list[str]) -> None:
    daemon = small_daemon()
    session = daemon.dispatcher.open_session(principal())
    items = [{"jsonrpc": "2.0", "id": index, "method": name, "params": {}} for index, name in enumerate(methods)]
    answer = await daemon.dispatcher.answer(session, session.read(orjson.dumps(items)))
    assert answer is not None
    answers = orjson.loads(answer)
    if methods:
        assert [each["id"] for each in answers] == list(range(len(methods)))
    assert session.running == 0
    assert daemon.bench.done == []


@given(
    st.sampled_from(["test.subtract", "test.echo", "test.write", "test.refuse", "test.admin", "x"]),
    st.dictionaries(st.sampled_from(["minuend", "subtrahend", "text", "what", "z"]), st.integers() | st.text()),
)
async def test_both_paths_answer_alike(method: str, params: dict[str, Any]) -> None:
    try:
        orjson.dumps(params)
    except orjson.JSONEncodeError:
        return
    answers = [_plain(await ask(small_daemon(direct=direct), method, params)) for direct in (True, False)]
    assert answers[0] == answers[1]


def _plain(answer: Any) -> Any:
    answer.get("error", {}).get("data", {}).pop("request_id", None)
    return answer


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"minuend": 1}, ["subtrahend"]),
        ({"minuend": True, "subtrahend": "1"}, ["minuend", "subtrahend"]),
        ({"minuend": 1, "subtrahend": 2, "k" * 500: 1}, ["k" * 128]),
        ({"minuend": 1, "subtrahend": 2, **{f"k{n}": n for n in range(50)}}, [f"k{n}" for n in range(10)]),
    ],
)
def test_problems_name_fields_and_never_values(params: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(InvalidParams) as caught:
        validate(Subtract, orjson.dumps(params))
    assert [problem["field"] for problem in caught.value.data["problems"]] == fields
    assert caught.value.data["problem_count"] >= len(fields)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("subtrahnd", "subtrahend"),
        ("Minuend", "minuend"),
        ("colour", None),
        ("subtraction", None),
        ("subtrahend" * 50, None),
    ],
)
def test_a_parameter_that_is_misspelt_is_told_the_one_that_was_meant(name: str, nearest: str | None) -> None:
    with pytest.raises(InvalidParams) as caught:
        validate(Subtract, orjson.dumps({"minuend": 1, "subtrahend": 2, name: 3}))
    (problem,) = caught.value.data["problems"]
    assert (problem["field"], problem.get("nearest")) == (name[:128], nearest)
    assert problem["rule"] == "a parameter of this method"


def test_good_params_come_back_as_their_model() -> None:
    assert validate(Subtract, orjson.dumps(SUBTRACT)) == Subtract(minuend=5, subtrahend=3)


TIGHT = BudgetLimits(decay_per_s=1e-3, soft=20, hard=100, error=10, parse_error=60, longest_wait_s=0.0)
"""Debts that last as long as a test, and turns that nobody waits for."""


def in_debt(debt: float) -> Daemon:
    """Return a daemon with whom the bot of `principal()` stands in debt."""
    daemon = small_daemon(limits=replace(LIMITS, budget=replace(TIGHT, longest_wait_s=1e9)))
    daemon.dispatcher.open_session(principal()).budget.charge(debt, anyio.current_time())
    return daemon


def owed(daemon: Daemon) -> float:
    ((_, budget),) = daemon.dispatcher.budgets
    return budget.debt(anyio.current_time())


@pytest.mark.parametrize(
    ("method", "params", "cost"),
    [
        ("test.subtract", SUBTRACT, 1),
        ("test.write", {"what": "x"}, 1),
        ("test.cancel", {"what": "x"}, 0),
        ("test.cancel", {"no": "such"}, 0),  # even a cancel that is wrong
        ("test.subtract", {}, 10),
        ("no.such", {}, 10),
        ("test.refuse", {}, 1),  # a venue that is down is not the caller's doing
        ("test.fail", {}, 1),
    ],
)
async def test_what_a_call_costs(method: str, params: Any, cost: int) -> None:
    daemon = small_daemon(limits=replace(LIMITS, budget=TIGHT))
    session = daemon.dispatcher.open_session(principal())
    await ask(daemon, method, params)
    assert session.budget.debt(anyio.current_time()) == pytest.approx(cost, abs=0.01)


@pytest.mark.parametrize(("frame", "cost"), [(b"{", 60), (b"{}", 10), (b"[1,2]", 20), (b'{"result":1,"id":1}', 1)])
async def test_what_is_no_call_costs_too(frame: bytes, cost: int) -> None:
    daemon = small_daemon(limits=replace(LIMITS, budget=TIGHT))
    session = daemon.dispatcher.open_session(principal())
    await daemon.dispatcher.answer(session, session.read(frame))
    assert session.budget.debt(anyio.current_time()) == pytest.approx(cost, abs=0.01)


async def test_beyond_the_hard_limit_calls_are_refused_and_the_session_is_to_be_closed() -> None:
    daemon = in_debt(101)
    refused = await ask(daemon, "test.write", {"what": "x"})
    assert code(refused) == Code.OVER_BUDGET
    assert 80_000_000 <= refused["error"]["data"]["retry_after_ms"] <= 81_000_000
    assert daemon.calls[-1].code == Code.OVER_BUDGET
    assert daemon.bench.done == []
    session = daemon.dispatcher.open_session(principal())
    for frame in (b"{", b'{"result":1,"id":1}', b'{"jsonrpc":"2.0","id":1,"method":"no.such"}'):
        answer = await daemon.dispatcher.answer(session, session.read(frame))
        assert answer is not None
        assert code(orjson.loads(answer)) == Code.OVER_BUDGET
        assert session.over_budget


async def test_a_refusal_adds_nothing_to_the_debt() -> None:
    daemon = in_debt(101)
    session = daemon.dispatcher.open_session(principal())
    for _ in range(5):
        await ask(daemon, "no.such")
        await ask(daemon, "test.subtract", SUBTRACT)
    assert session.budget.debt(anyio.current_time()) == pytest.approx(101, abs=0.1)


async def test_no_debt_holds_up_a_cancel() -> None:
    daemon = in_debt(10_000)
    answer = await ask(daemon, "test.cancel", {"what": "x", "intent": "c"})
    assert answer["result"]["outcome"] == "confirmed"
    assert daemon.bench.done == ["c"]


async def test_another_bot_is_not_touched() -> None:
    daemon = in_debt(10_000)
    for other in ({"bot_tag": "other"}, {"actor": "mainnet"}, {"client_ip": "10.0.0.1"}):
        assert "result" in await ask(daemon, "test.subtract", SUBTRACT, **other)


async def test_a_turn_too_far_away_is_told_and_not_waited_for() -> None:
    daemon = small_daemon(limits=replace(LIMITS, budget=TIGHT))
    session = daemon.dispatcher.open_session(principal())
    session.budget.charge(50, anyio.current_time())
    assert "result" in await ask(daemon, "test.subtract", SUBTRACT)  # the first turn is at once
    busy = await ask(daemon, "test.subtract", SUBTRACT)
    assert code(busy) == Code.BUSY
    assert busy["error"]["data"]["retry_after_ms"] > 900_000
    assert not session.over_budget


async def test_a_call_waits_for_its_turn() -> None:
    budget = replace(TIGHT, decay_per_s=100.0, soft=20, hard=10_000, longest_wait_s=1.0)
    daemon = small_daemon(limits=replace(LIMITS, budget=budget))
    session = daemon.dispatcher.open_session(principal())
    session.budget.charge(1_000, anyio.current_time())
    started = anyio.current_time()
    for _ in range(4):
        assert "result" in await ask(daemon, "test.subtract", SUBTRACT)
    assert anyio.current_time() - started >= 0.03


async def test_one_bot_never_takes_every_slot() -> None:
    daemon = small_daemon(limits=replace(LIMITS, budget=replace(TIGHT, in_flight=2)))
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(ask, daemon, "test.wait")
        await anyio.wait_all_tasks_blocked()
        busy = await ask(daemon, "test.subtract", SUBTRACT)
        assert (code(busy), busy["error"]["data"]["limit"]) == (Code.BUSY, 2)
        assert busy["error"]["data"]["retry_after_ms"] > 0
        assert "result" in await ask(daemon, "test.cancel", {"what": "x"})
        assert "result" in await ask(daemon, "test.subtract", SUBTRACT, bot_tag="other")
        daemon.bench.gate.set()
    assert "result" in await ask(daemon, "test.subtract", SUBTRACT)
