"""The connection: how it is opened, proved, kept, lost and opened again. Real sockets, scripted answers."""

import hashlib
import hmac
import logging
from itertools import count
from typing import Any

import anyio
import orjson
import pytest

from cerberod.clock import SystemClock
from cerberod.errors import BadVenueData, ConnectionLost, DeadlinePassed, NoKeys, UpstreamError, VenueDown, VenueRefused
from cerberod.ids import Environment
from cerberod.venues.backoff import Backoff
from cerberod.venues.deribit import client
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.inflight import InFlight
from cerberod.venues.deribit.wire.frames import Reply
from tests.support.clock import ManualClock
from tests.support.deribit_venue import (
    CLIENT_ID,
    CLIENT_SECRET,
    GRANTED,
    HANG_UP,
    SILENCE,
    Error,
    Raw,
    client_of,
    eventually,
    scripted,
)


async def test_login_is_by_signature_and_the_secret_is_never_sent() -> None:
    async with scripted() as venue, client_of(venue) as deribit:
        asked = await venue.seen("public/auth")
        await eventually(lambda: deribit.status().authenticated)
        assert asked["grant_type"] == "client_signature"
        assert asked["client_id"] == CLIENT_ID
        text = f"{asked['timestamp']}\n{asked['nonce']}\n"
        assert asked["signature"] == hmac.new(CLIENT_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert asked["scope"].split() == ["connection", "account:read", "trade:read_write"], "no wallet, no withdrawal"
        assert not any(CLIENT_SECRET in frame for frame in venue.frames)


async def test_the_signature_is_stamped_in_the_venues_time() -> None:
    async with scripted() as venue:
        venue.stamp = (1_787_370_645_199_000, 1_787_370_645_199_080)
        async with client_of(venue):
            asked = await venue.seen("public/auth")
            assert abs(asked["timestamp"] - 1_787_370_645_199) < 5_000


async def test_the_token_is_refreshed_before_it_expires() -> None:
    async with scripted(public__auth=GRANTED | {"expires_in": 0.05}) as venue, client_of(venue):
        asked = await venue.seen("public/auth", 2)
        assert asked == {"grant_type": "refresh_token", "refresh_token": "1-refresh"}


async def test_a_refused_refresh_is_followed_by_a_signature() -> None:
    def auth(params: dict[str, Any]) -> object:
        return Error(13009) if params["grant_type"] == "refresh_token" else GRANTED | {"expires_in": 0.05}

    async with scripted(public__auth=auth) as venue, client_of(venue):
        asked = await venue.seen("public/auth", 3)
        assert [one["grant_type"] for one in venue.asked("public/auth")[:3]] == [
            "client_signature",
            "refresh_token",
            "client_signature",
        ]
        assert "signature" in asked


async def test_a_key_the_venue_calls_invalid_is_not_tried_again() -> None:
    async with scripted(public__auth=Error(13004), public__ticker={}) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().connected)
        for _ in range(3):
            before = len(venue.asked("public/set_heartbeat"))
            venue.cut()
            await venue.seen("public/set_heartbeat", before + 1)
            await eventually(lambda: deribit.status().connected)
        assert len(venue.asked("public/auth")) == 1
        status = deribit.status()
        assert (status.healthy, status.reason, status.authenticated) == (False, "invalid_credentials", False)
        assert (await deribit.read("public/ticker", {})).result == {}, "public data needs no login"
        with pytest.raises(VenueDown) as refused:
            await deribit.read("private/get_positions", {})
        assert refused.value.data == {"venue": "deribit", "reason": "invalid_credentials"}


async def test_a_signature_that_is_refused_is_tried_a_few_times_and_then_rests() -> None:
    clock = ManualClock()
    async with scripted(public__auth=Error(13009)) as venue, client_of(venue, clock=clock) as deribit:
        for attempt in range(1, 4):
            await venue.seen("public/auth", attempt)
            await eventually(lambda: deribit.status().connected)
            clock.advance(minutes=1)
            venue.cut()
            await venue.seen("public/set_heartbeat", attempt + 1)
        await eventually(lambda: deribit.status().connected)
        assert len(venue.asked("public/auth")) == 3
        assert deribit.status().reason == "signature_refused"
        clock.advance(hours=1)
        venue.cut()
        await venue.seen("public/auth", 4)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("account:read connection trade:read", "key_is_read_only"),
        ("account:read connection", "key_without_trade_read"),
        ("connection trade:read_write", "key_without_account_read"),
        ("connection mainaccount", "key_without_account_read"),
        ("account:read_write trade:read_write", None),
        (None, "key_without_account_read"),
    ],
)
async def test_what_the_granted_scope_lacks_is_told(scope: str | None, reason: str | None) -> None:
    async with scripted(public__auth=GRANTED | {"scope": scope}) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().connected)
        assert deribit.status().reason == reason
        assert deribit.status().healthy == (reason is None)


async def test_a_login_answer_without_tokens_is_no_login() -> None:
    async with scripted(public__auth={"token_type": "bearer"}) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().connected)
        assert deribit.status().reason == "login_failed"


@pytest.mark.parametrize("environment", list(Environment))
async def test_the_other_environments_venue_is_shut_before_anything_private_is_sent(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SHARE", 0.001)
    async with scripted() as venue:
        venue.testnet = environment is not Environment.TESTNET
        async with client_of(venue, environment=environment) as deribit:
            await eventually(lambda: deribit.status().reason == "wrong_environment")
            assert not deribit.status().connected
            with pytest.raises(VenueDown):
                await deribit.read("public/ticker", {})
            assert [method for method, _ in venue.received] == ["public/set_heartbeat"]
            assert len(venue.connections) == 1, "and it is left alone for a while"


async def test_a_flag_that_changes_later_ends_the_connection_and_spoils_the_answer() -> None:
    async with scripted(public__ticker={"mark_price": 1.0}) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().connected)
        venue.testnet = False
        with pytest.raises(BadVenueData) as refused:
            await deribit.read("public/ticker", {})
        assert refused.value.data["field"] == "testnet"
        await eventually(lambda: deribit.status().reason == "wrong_environment")


async def test_a_greeting_without_the_flag_proves_nothing() -> None:
    async with scripted() as venue:
        venue.testnet = None
        async with client_of(venue) as deribit:
            await eventually(lambda: deribit.status().reason == "bad_greeting")
            assert not venue.asked("public/auth")


async def test_a_lost_connection_settles_what_waits_and_everything_is_set_up_again() -> None:
    async with scripted(private__cancel=SILENCE) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().authenticated)
        async with anyio.create_task_group() as group:

            async def cancel() -> None:
                with pytest.raises(ConnectionLost) as lost:
                    await deribit.write("private/cancel", {"order_id": "1"}, Mark())
                assert lost.value.sent

            group.start_soon(cancel)
            await venue.seen("private/cancel")
            venue.cut()
        await venue.seen("public/set_heartbeat", 2)
        again = await venue.seen("public/auth", 2)
        assert again["grant_type"] == "client_signature", "a token dies with its connection"
        await eventually(lambda: deribit.status().healthy)
        assert deribit.status().reconnects == 1


async def test_a_read_whose_connection_is_lost_is_asked_again_on_the_next() -> None:
    answers = iter([HANG_UP, HANG_UP, {"n": 3}])
    async with scripted(public__ticker=lambda _: next(answers)) as venue, client_of(venue) as deribit:
        assert (await deribit.read("public/ticker", {})).result == {"n": 3}
        assert len(venue.asked("public/ticker")) == 3


async def test_a_read_that_fails_over_and_over_is_given_up() -> None:
    async with scripted(public__ticker=HANG_UP, public__get_time=Error(10040)) as venue, client_of(venue) as deribit:
        with pytest.raises(ConnectionLost):
            await deribit.read("public/ticker", {})
        assert len(venue.asked("public/ticker")) == 3
        with pytest.raises(VenueRefused):
            await deribit.read("public/get_time", {})
        assert len(venue.asked("public/get_time")) == 3


@pytest.mark.parametrize("code", [-32602, 10004, 11051, 10001, 99999])
async def test_a_read_the_venue_refuses_for_good_is_not_asked_again(code: int) -> None:
    async with scripted(public__ticker=Error(code)) as venue, client_of(venue) as deribit:
        with pytest.raises(VenueRefused):
            await deribit.read("public/ticker", {})
        assert len(venue.asked("public/ticker")) == 1


async def test_a_read_waits_through_a_connection_that_fails_at_its_greeting() -> None:
    answers = iter([HANG_UP, HANG_UP, "ok"])
    async with (
        scripted(public__set_heartbeat=lambda _: next(answers), public__ticker={}) as venue,
        client_of(venue) as deribit,
    ):
        assert (await deribit.read("public/ticker", {})).result == {}
        assert len(venue.asked("public/set_heartbeat")) == 3


async def test_a_connection_that_is_lost_while_logging_in_is_not_used() -> None:
    answers = iter([HANG_UP, GRANTED])
    async with (
        scripted(public__auth=lambda _: next(answers), private__get_positions=[]) as venue,
        client_of(venue) as deribit,
    ):
        assert (await deribit.read("private/get_positions", {})).result == []
        assert deribit.status().healthy


async def test_while_the_venue_is_down_nothing_is_sent_and_the_caller_hears_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SHARE", 0.005)
    async with scripted() as venue:
        pass
    async with client_of(venue) as deribit:
        await eventually(lambda: deribit.status().reason == "unreachable")
        with pytest.raises(VenueDown) as refused:
            await deribit.read("public/ticker", {})
        assert not refused.value.sent
        assert refused.value.data["reason"] == "unreachable"


async def test_a_venue_that_comes_back_is_found_again() -> None:
    async with scripted(public__ticker={}) as venue:
        pass
    async with client_of(venue) as deribit:
        await eventually(lambda: deribit.status().reason == "unreachable")
        async with venue.listen(again=True):
            assert (await deribit.read("public/ticker", {})).result == {}
            assert deribit.status().reconnects == 0, "a connection that never was is not lost"


async def test_a_dead_venue_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    attempts = count()

    def chance() -> float:
        next(attempts)
        return 0.0

    async with scripted() as venue:
        pass
    with caplog.at_level(logging.INFO, logger="cerberod.venues"):
        async with client_of(venue, reconnect=Backoff(chance, first_s=0.001, cap_s=0.001)):
            await eventually(lambda: next(attempts) > 40)
    assert len([record for record in caplog.records if record.levelno >= logging.INFO]) == 1


async def test_silence_is_found_out() -> None:
    async with scripted() as venue, client_of(venue, silent_after_s=0.1) as deribit:
        await venue.seen("public/set_heartbeat", 2)
        await eventually(lambda: deribit.status().reconnects >= 1)


async def test_a_test_request_is_answered_at_once() -> None:
    async with scripted() as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().connected)
        await venue.tell({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}})
        await venue.seen("public/test")


async def test_news_nobody_subscribed_to_are_ignored() -> None:
    async with scripted(public__ticker={}) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().connected)
        await venue.tell({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "x", "data": 1}})
        await venue.tell({"jsonrpc": "2.0", "method": "heartbeat"})
        assert (await deribit.read("public/ticker", {})).result == {}


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b'{"jsonrpc":"2.0","id":1,"resu',
        b"<html>502</html>",
        b'{"id":"1","result":1}',
        b'{"id":1e400}',
    ],
)
async def test_garbage_spoils_what_waits_and_ends_the_connection(frame: bytes) -> None:
    async with scripted(public__ticker=Raw(frame)) as venue, client_of(venue) as deribit:
        with pytest.raises(BadVenueData) as refused:
            await deribit.read("public/ticker", {})
        assert refused.value.sent
        await venue.seen("public/set_heartbeat", 2)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"result": 1, "error": {"code": 1}},
        {"error": None},
        {"error": {"code": "13009"}},
        {"error": {"code": True}},
        {"result": {}, "testnet": "yes"},
    ],
)
async def test_an_answer_that_breaks_the_envelope_is_unusable_and_the_connection_stays(body: dict[str, Any]) -> None:
    async with scripted(public__ticker=SILENCE) as venue, client_of(venue) as deribit:
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                with pytest.raises(BadVenueData):
                    await deribit.read("public/ticker", {})

            group.start_soon(ask)
            await venue.seen("public/ticker")
            await venue.tell({"jsonrpc": "2.0", "id": orjson.loads(venue.frames[-1])["id"], **body})
        assert deribit.status().connected


async def test_an_answer_after_the_deadline_is_counted() -> None:
    async with scripted(private__cancel=SILENCE) as venue, client_of(venue, write_deadline_s=0.3) as deribit:
        await eventually(lambda: deribit.status().authenticated)
        mark = Mark()
        with pytest.raises(DeadlinePassed) as passed:
            await deribit.write("private/cancel", {"order_id": "1"}, mark)
        assert (passed.value.sent, mark.marks) == (True, 1)
        await venue.tell(venue.envelope(orjson.loads(venue.frames[-1])["id"], {"order_state": "cancelled"}))
        await eventually(lambda: deribit.status().late_answers == 1)
        assert deribit.status().connected


async def test_an_answer_that_comes_twice_is_taken_once() -> None:
    async with scripted(public__ticker={"n": 1}) as venue, client_of(venue) as deribit:
        assert (await deribit.read("public/ticker", {})).result == {"n": 1}
        await venue.tell(venue.envelope(orjson.loads(venue.frames[-1])["id"], {"n": 2}))
        assert (await deribit.read("public/ticker", {})).result == {"n": 1}
        assert deribit.status().late_answers == 0


async def test_a_bug_in_the_connection_is_told_and_does_not_end_it_for_good(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """faults.md 80."""
    settle = InFlight.settle

    def stumble(flights: InFlight, reply: Reply) -> None:
        late = flights.late_answers
        settle(flights, reply)
        if flights.late_answers > late:
            raise LookupError("a bug")

    monkeypatch.setattr(InFlight, "settle", stumble)
    async with (
        scripted(private__cancel=SILENCE, public__ticker={}) as venue,
        client_of(venue, write_deadline_s=0.2) as deribit,
    ):
        for times in range(1, 4):
            await eventually(lambda: deribit.status().authenticated)
            with pytest.raises(DeadlinePassed):
                await deribit.write("private/cancel", {"order_id": "1"}, Mark())
            await venue.tell(venue.envelope(orjson.loads(venue.frames[-1])["id"], {}))
            await eventually(lambda times=times: deribit.status().reconnects == times)  # type: ignore[misc]
        assert (await deribit.read("public/ticker", {})).result == {}
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 3


async def test_a_write_is_marked_just_before_it_leaves_and_never_when_nothing_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted(private__buy={"order": {}}) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().authenticated)
        mark = Mark()
        await deribit.write("private/buy", {}, mark)
        assert mark.marks == 1
    monkeypatch.setattr(client, "_PATIENCE_SHARE", 0.005)
    async with client_of(venue) as deribit:
        mark = Mark()
        with pytest.raises(VenueDown):
            await deribit.write("private/buy", {}, mark)
        assert mark.marks == 0


async def test_a_write_cut_off_by_the_venue_was_sent() -> None:
    async with scripted(private__buy=HANG_UP) as venue, client_of(venue) as deribit:
        await eventually(lambda: deribit.status().authenticated)
        mark = Mark()
        with pytest.raises(ConnectionLost) as lost:
            await deribit.write("private/buy", {}, mark)
        assert (lost.value.sent, mark.marks) == (True, 1)
        await venue.seen("public/auth", 2)
        assert len(venue.asked("private/buy")) == 1, "a write is never repeated"


async def test_without_keys_it_connects_at_the_first_use_and_only_public_methods_work() -> None:
    async with scripted(public__ticker={}) as venue, client_of(venue, credentials=None) as deribit:
        await anyio.wait_all_tasks_blocked()
        assert not venue.connections
        with pytest.raises(NoKeys):
            await deribit.read("private/get_positions", {})
        with pytest.raises(NoKeys):
            await deribit.write("private/buy", {}, Mark())
        assert not venue.connections
        assert (await deribit.read("public/ticker", {})).result == {}
        assert not venue.asked("public/auth")
        assert deribit.status().healthy


async def test_a_token_withdrawn_while_running_is_renewed_and_the_read_repeated_once() -> None:
    refusals = iter([Error(13009)])
    clock = ManualClock()
    async with (
        scripted(private__get_positions=lambda _: next(refusals, [])) as venue,
        client_of(venue, clock=clock) as deribit,
    ):
        await eventually(lambda: deribit.status().authenticated)
        clock.advance(seconds=11)
        assert (await deribit.read("private/get_positions", {})).result == []
        assert len(venue.asked("public/auth")) == 2
        assert len(venue.asked("private/get_positions")) == 2


async def test_a_refusal_for_want_of_scope_does_not_log_in_over_and_over() -> None:
    async with (
        scripted(private__get_positions=Error(13009)) as venue,
        client_of(venue, clock=ManualClock()) as deribit,
    ):
        await eventually(lambda: deribit.status().authenticated)
        for _ in range(5):
            with pytest.raises(VenueRefused):
                await deribit.read("private/get_positions", {})
        assert len(venue.asked("public/auth")) == 1


async def test_a_write_is_not_repeated_even_when_the_venue_says_it_had_no_effect() -> None:
    clock = ManualClock()
    async with scripted(private__buy=Error(13009)) as venue, client_of(venue, clock=clock) as deribit:
        await eventually(lambda: deribit.status().authenticated)
        clock.advance(seconds=11)
        with pytest.raises(VenueRefused) as refused:
            await deribit.write("private/buy", {}, Mark())
        assert not refused.value.effect_possible
        assert len(venue.asked("private/buy")) == 1


async def test_closing_ends_what_waits_and_run() -> None:
    async with scripted(public__ticker=SILENCE) as venue:
        ended: list[str] = []
        deribit = Deribit(url=venue.url, environment=Environment.TESTNET, credentials=None, clock=SystemClock())
        async with anyio.create_task_group() as group:

            async def run(*, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
                await deribit.run(task_status=task_status)
                ended.append("run")

            async def ask() -> None:
                with pytest.raises(Exception) as failure:
                    await deribit.read("public/ticker", {})
                assert isinstance(failure.value, UpstreamError) or failure.value.args == ("Shutting down",)
                ended.append("ask")

            await group.start(run)
            group.start_soon(ask)
            await venue.seen("public/ticker")
            await deribit.aclose()
        assert sorted(ended) == ["ask", "run"]
        with pytest.raises(VenueDown):
            await deribit.read("public/ticker", {})


async def test_a_client_that_never_ran_closes() -> None:
    deribit = Deribit(url="ws://127.0.0.1:1", environment=Environment.TESTNET, credentials=None, clock=SystemClock())
    await deribit.aclose()
    assert not deribit.status().connected


async def test_no_secret_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with scripted(public__ticker={}) as venue, client_of(venue) as deribit:
            await eventually(lambda: deribit.status().authenticated)
            venue.cut()
            await venue.seen("public/auth", 2)
            signature = venue.asked("public/auth")[0]["signature"]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("cerberod"))
    for secret in (CLIENT_SECRET, CLIENT_ID, signature, GRANTED["refresh_token"], GRANTED["access_token"]):
        assert str(secret) not in ours


class Mark:
    """Counts marks."""

    def __init__(self) -> None:
        self.marks = 0

    def mark(self) -> None:
        self.marks += 1
