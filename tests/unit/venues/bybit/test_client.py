"""Bybit's client: what it sends and when, in whose time, what it repeats and what it makes of answers. Real sockets."""

import hashlib
import hmac
import logging
from typing import Any

import anyio
import orjson
import pytest

from cerberod.clock import SystemClock
from cerberod.errors import (
    BadVenueData,
    ConnectionLost,
    DeadlinePassed,
    NoKeys,
    RpcError,
    VenueDown,
    VenueRefused,
)
from cerberod.rpc.call import Tally, current_tally
from cerberod.settings.secret import Secret
from cerberod.venues import http
from cerberod.venues.bybit.sdk import Endpoints
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.http import HttpLink
from tests.support.bybit_venue import (
    API_KEY,
    API_SECRET,
    CREATE,
    HANG_UP,
    INFO,
    REALTIME,
    SILENCE,
    TICKERS,
    TIME,
    Asked,
    Mark,
    Raw,
    Refusal,
    Told,
    client_of,
    scripted,
)
from tests.support.clock import ManualClock
from tests.support.deribit_venue import eventually
from tests.unit.venues.bybit.rows import LINEAR

ORDER = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001"}
STAMP = 1_700_000_000_000
EMPTY = {"list": [], "nextPageCursor": ""}


class Stepping(SystemClock):
    """The machine's clock, whose wall a test may step."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def expected(asked: Asked) -> str:
    """The signature by the documents, over exactly what arrived."""
    text = asked.headers["X-BAPI-TIMESTAMP"] + API_KEY + asked.headers["X-BAPI-RECV-WINDOW"] + asked.payload
    return hmac.new(API_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


# -- signing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "params", "signature"),
    [
        (
            "get_positions",
            {"symbol": "BTCUSDT", "category": "linear"},
            "ed4092b2075592674090927b82e97210aa610c6c04f1660bbb4d26d394f5bae0",
        ),
        ("get_account_info", {}, "a22bd615f33034b20d42f9ec91d1c8e4c5a1b92a14993bc1f6b9cb58c8d7aca5"),
        (
            "place_order",
            {**ORDER, "price": "50000", "orderLinkId": "x1"},
            "e5aa08435f67ac6c9b8f948d13340d837000b9d1d2c06350b119a35f4d9077e8",
        ),
    ],
)
def test_signatures_are_those_of_the_facts(call: str, params: dict[str, str], signature: str) -> None:
    endpoints = Endpoints(API_KEY, Secret(API_SECRET))
    headers = endpoints.sign(getattr(endpoints, call)(**params), STAMP, 5000)
    assert headers["X-BAPI-SIGN"] == signature
    assert headers["X-BAPI-TIMESTAMP"] == str(STAMP)


@pytest.mark.parametrize("asked_for", ["a b", "a|b", "a&b=c", "ü", "a+b", "a%20b", "BTC,ETH"])
async def test_what_is_signed_is_what_arrives(asked_for: str) -> None:
    cursor = "first%3DBTCUSDT%26last%3DXRPUSDT"
    async with scripted({REALTIME: EMPTY, CREATE: {}}) as venue, client_of(venue) as bybit:
        await bybit.read("get_open_orders", category="linear", symbol=asked_for, cursor=cursor)
        await bybit.write("place_order", ORDER | {"orderLinkId": asked_for}, Mark())
        asked, written = venue.asked(REALTIME)[0], venue.asked(CREATE)[0]
    for each in (asked, written):
        assert each.headers["X-BAPI-SIGN"] == expected(each)
        assert each.headers["X-BAPI-API-KEY"] == API_KEY
    assert asked.params["symbol"] == asked_for
    assert f"cursor={cursor}" in asked.payload
    assert written.params["orderLinkId"] == asked_for
    assert written.headers["Content-Type"] == "application/json"


async def test_what_needs_no_key_is_sent_without_one() -> None:
    async with scripted({TICKERS: EMPTY}) as venue, client_of(venue) as bybit:
        await bybit.read("get_tickers", category="linear")
        (asked,) = venue.asked(TICKERS)
    assert not [name for name in asked.headers if name.upper().startswith("X-BAPI")]


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_ms", [-600_000, -1500, 1500, 3_600_000])
async def test_requests_are_stamped_in_the_venues_time(ahead_ms: int) -> None:
    async with scripted({REALTIME: EMPTY}) as venue:
        venue.ahead_ms = ahead_ms
        async with client_of(venue) as bybit:
            await bybit.read("get_server_time")
            await bybit.read("get_open_orders", category="spot")
            (asked,) = venue.asked(REALTIME)
            now_ms = venue.now_ms
            assert now_ms - 1000 < int(asked.headers["X-BAPI-TIMESTAMP"]) < now_ms + 100
            assert bybit.offset_ms == pytest.approx(ahead_ms, abs=200)
            assert bybit.status().reason == "clock_offset"
            assert bybit.status().healthy


async def test_a_step_of_our_wall_clock_moves_no_stamp() -> None:
    clock = Stepping()
    async with scripted({REALTIME: EMPTY}) as venue, client_of(venue, clock=clock) as bybit:
        await bybit.read("get_server_time")
        clock.ahead_ms = 7_200_000
        await bybit.read("get_open_orders", category="spot")
        (asked,) = venue.asked(REALTIME)
        assert abs(int(asked.headers["X-BAPI-TIMESTAMP"]) - venue.now_ms) < 1000


async def test_orders_wait_for_a_known_and_steady_time_of_the_venue() -> None:
    async with scripted({TIME: Raw(b"<html>")}) as venue, client_of(venue) as bybit:
        await venue.seen(TIME)
        objection = await bybit.clock_objection()
        assert objection is not None
        assert "a known time" in objection
        venue.scripts[TIME] = {"timeNano": "1"}
        assert await bybit.clock_objection() is None
        venue.ahead_ms = 90_000
        await bybit.read("get_server_time", urgent=True)
        assert bybit.status().reason == "clock_unstable"
        assert not bybit.clock_is_steady
        assert await bybit.clock_objection() is None, "its answers agree again within the three it may ask"


async def test_a_stamp_the_venue_did_not_take_is_made_anew() -> None:
    """The clock has drifted off: after 10002 the read is asked again with what that answer told of the time."""
    stamps: list[int] = []

    def late(asked: Asked) -> Any:
        stamps.append(int(asked.headers["X-BAPI-TIMESTAMP"]))
        return Refusal(10002) if len(stamps) == 1 else EMPTY

    async with scripted({REALTIME: late}) as venue, client_of(venue) as bybit:
        await bybit.read("get_server_time")
        venue.ahead_ms = -60_000
        await bybit.read("get_open_orders", category="spot")
        assert stamps[0] - stamps[1] > 50_000


# -- what is repeated --------------------------------------------------------------------------------------------------


def failing(times: int, failure: Any, then: Any) -> Any:
    """Fail so often, then answer."""
    left = iter([failure] * times)
    return lambda asked: next(left, then)


PASSING = [HANG_UP, Raw(b"", 502), Raw(b"", 503), *(Refusal(code) for code in (10000, 10002, 10016, 170007, 429))]
LASTING = [Raw(b"", 404), Raw(b"", 429), Raw(b"no"), *(Refusal(code) for code in (10001, 10003, 10005, 110001, 424242))]


@pytest.mark.parametrize("failure", PASSING)
async def test_a_read_that_failed_without_harm_is_asked_again(failure: Any) -> None:
    async with scripted({TICKERS: failing(2, failure, EMPTY)}) as venue, client_of(venue) as bybit:
        assert (await bybit.read("get_tickers", category="spot")).result == EMPTY
        assert len(venue.asked(TICKERS)) == 3


@pytest.mark.parametrize("failure", [*LASTING, *PASSING])
async def test_no_read_is_asked_for_ever(failure: Any) -> None:
    async with scripted({TICKERS: failure}) as venue, client_of(venue) as bybit:
        with pytest.raises(RpcError):
            await bybit.read("get_tickers", category="spot")
        assert len(venue.asked(TICKERS)) == (1 if failure in LASTING else 3)


@pytest.mark.parametrize("failure", [*LASTING, *PASSING])
async def test_no_write_is_ever_sent_twice(failure: Any) -> None:
    async with scripted({CREATE: failure}) as venue, client_of(venue) as bybit:
        mark = Mark()
        with pytest.raises(RpcError):
            await bybit.write("place_order", ORDER, mark)
        assert (len(venue.asked(CREATE)), mark.times) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "possible"),
    [
        *((Raw(b"", status), False) for status in (400, 401, 404, 405)),
        *((Raw(b"", status), True) for status in (301, 429, 500, 502, 503, 504)),
        *((Refusal(code), False) for code in (10001, 10002, 10006, 110007, 170131)),
        *((Refusal(code), True) for code in (10000, 10014, 10016, 110072, 170141, 170146, 999999)),
    ],
    ids=repr,
)
async def test_a_refused_write_says_whether_it_may_have_happened(answer: Any, possible: bool) -> None:
    async with scripted({CREATE: answer}) as venue, client_of(venue) as bybit:
        with pytest.raises(VenueRefused) as caught:
            await bybit.write("place_order", ORDER, Mark())
        assert caught.value.effect_possible is possible


async def test_what_is_as_asked_already_is_success() -> None:
    async with scripted({"/v5/position/set-leverage": Refusal(110043)}) as venue, client_of(venue) as bybit:
        answer = await bybit.write("set_leverage", {"category": "linear", "symbol": "BTCUSDT"}, Mark())
        assert answer.code == 110043


# -- the moment of sent ------------------------------------------------------------------------------------------------


async def test_without_a_connection_nothing_was_sent() -> None:
    async with scripted() as venue:
        pass
    async with client_of(venue) as bybit:
        mark = Mark()
        with pytest.raises(VenueDown) as caught:
            await bybit.write("place_order", ORDER, mark)
        assert not caught.value.sent
        assert mark.times == 0
        status = bybit.status()
        assert (status.healthy, status.connected, status.reason) == (False, False, "no_connection")


async def test_a_connection_that_ends_after_sending_leaves_it_open() -> None:
    async with scripted({CREATE: HANG_UP}) as venue, client_of(venue) as bybit:
        mark = Mark()
        with pytest.raises(ConnectionLost) as caught:
            await bybit.write("place_order", ORDER, mark)
        assert caught.value.sent
        assert mark.times == 1
        assert bybit.status().reconnects == 1
        await bybit.read("get_server_time")
        assert bybit.status().healthy


async def test_a_write_that_is_not_answered_in_time_was_sent() -> None:
    async with scripted({CREATE: SILENCE}) as venue, client_of(venue, write_deadline_s=0.3) as bybit:
        assert bybit.write_valid_ms == 300
        for _ in range(20):
            with pytest.raises(DeadlinePassed) as caught:
                await bybit.write("place_order", ORDER, Mark())
            if caught.value.sent:  # else this machine took as long to connect
                break
        else:
            raise AssertionError("nothing was sent")
        asked = await venue.seen(CREATE)
        assert asked.headers["X-BAPI-RECV-WINDOW"] == "300", "it is not taken once nobody waits for it"
        assert bybit.status().reason == "no_answer"


async def test_a_deadline_spent_waiting_for_credit_was_not_sent() -> None:
    clock = ManualClock()
    async with scripted({CREATE: {}}, clock) as venue, client_of(venue) as bybit:
        for _ in range(5):
            await bybit.write("place_order", ORDER, Mark())
        bybit._write_deadline_s = 0.15
        with pytest.raises(DeadlinePassed) as caught:
            await bybit.write("place_order", ORDER, Mark())
        assert not caught.value.sent
        assert len(venue.asked(CREATE)) == 5
        assert bybit.status().healthy, "the venue was not even asked"


async def test_after_the_end_nothing_is_sent() -> None:
    async with scripted({CREATE: {}}) as venue:
        async with client_of(venue) as bybit:
            await bybit.read("get_server_time")
        before = len(venue.received)
        with pytest.raises(VenueDown):
            await bybit.write("place_order", ORDER, Mark())
        with pytest.raises(VenueDown):
            await bybit.read("get_server_time")
        assert len(venue.received) == before


async def test_a_redirect_is_not_followed() -> None:
    async with scripted({TICKERS: EMPTY}) as elsewhere, scripted() as venue, client_of(venue) as bybit:
        venue.scripts[TICKERS] = Raw(b"", 307, {"Location": f"{elsewhere.url}{TICKERS}"})
        with pytest.raises(VenueRefused) as caught:
            await bybit.read("get_tickers", category="spot")
        assert caught.value.venue_code == "http_307"
        assert not elsewhere.received


async def test_an_answer_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST_ANSWER", 100_000)
    async with scripted({TICKERS: Raw(b" " * 100_001)}) as venue, client_of(venue) as bybit:
        with pytest.raises(BadVenueData) as caught:
            await bybit.read("get_tickers", category="spot")
        assert caught.value.data["rule"] == "at most 100000 bytes"


async def test_one_link_speaks_to_one_address() -> None:
    async with scripted({TIME: {"a": 1}}) as venue:
        link = HttpLink("bybit", venue.url + "/")
        try:
            answer = await link.exchange("GET", TIME, "", None, {}, Mark())
            assert (answer.status, orjson.loads(answer.body)["result"]) == (200, {"a": 1})
        finally:
            await link.aclose()


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_the_limits_of_this_account_are_learned_from_answers() -> None:
    told = Told({}, {"X-Bapi-Limit": "40", "X-Bapi-Limit-Status": "39", "X-Bapi-Limit-Reset-Timestamp": "1"})
    async with scripted({CREATE: told}, ManualClock()) as venue, client_of(venue) as bybit:
        await bybit.write("place_order", ORDER, Mark())
        left = bybit.status().credits_left["order/create derivatives"]
        assert 16.0 <= left <= 18.0, "40 a second are a pool of 20, of which one of the first 5 is gone"


@pytest.mark.parametrize("size", ["", "0", "-1", "x", "٤", "99999999999999999999"])
async def test_a_limit_that_is_none_changes_nothing(size: str) -> None:
    told = Told({}, {"X-Bapi-Limit": size})
    async with scripted({CREATE: told}, ManualClock()) as venue, client_of(venue) as bybit:
        await bybit.write("place_order", ORDER, Mark())
        assert bybit.status().credits_left["order/create derivatives"] == 4.0


async def test_one_request_too_many_empties_the_pool_of_its_endpoint_and_no_other() -> None:
    scripts = {CREATE: failing(1, Refusal(10006), {}), REALTIME: EMPTY}
    async with scripted(scripts, ManualClock()) as venue, client_of(venue) as bybit:
        with pytest.raises(VenueRefused) as caught:
            await bybit.write("place_order", ORDER, Mark())
        assert (caught.value.reason, caught.value.effect_possible) == ("too_many_visits", False)
        await bybit.read("get_open_orders", category="linear", symbol="BTCUSDT")
        left = bybit.status().credits_left
        assert left["order/create derivatives"] < 1.0
        assert left["order/realtime derivatives"] > 20.0


async def test_after_one_too_many_a_read_waits_until_the_moment_the_venue_names() -> None:
    asked_at: list[float] = []
    clock = SystemClock()

    def too_many(asked: Asked) -> Any:
        asked_at.append(clock.monotonic())
        reset = {"X-Bapi-Limit-Reset-Timestamp": str(clock.now_ms() + 400)}
        return Refusal(10006, reset) if len(asked_at) == 1 else EMPTY

    async with scripted({REALTIME: too_many}) as venue, client_of(venue) as bybit:
        await bybit.read("get_open_orders", category="spot")
    assert asked_at[1] - asked_at[0] >= 0.39


async def test_a_batch_costs_a_unit_for_each_order_but_options_one() -> None:
    path = "/v5/order/create-batch"
    async with scripted({path: {"list": []}}, ManualClock()) as venue, client_of(venue) as bybit:
        for category, left in (("linear", 5.0), ("option", 9.0)):
            with await bybit.line_up("place_batch_order", category, 5, eager=False) as place:
                async with place.room(5) as share:
                    assert share == 5
                    params = {"category": category, "request": []}
                    await bybit.write("place_batch_order", params, Mark(), in_line=True)
            group = "derivatives" if category == "linear" else "option"
            assert bybit.status().credits_left[f"order/create-batch {group}"] == left


async def test_the_figure_of_this_account_is_learned_for_batches_too() -> None:
    told = Told({"list": []}, {"X-Bapi-Limit": "40"})
    async with scripted({"/v5/order/amend-batch": told}) as venue, client_of(venue) as bybit:
        await bybit.write("amend_batch_order", {"category": "spot", "request": []}, Mark(), in_line=True)
        with await bybit.line_up("amend_batch_order", "spot", 30, eager=False) as place:
            async with place.room(30) as share:
                assert share == 30


@pytest.mark.parametrize("path", [TICKERS, CREATE])
async def test_a_403_stops_everything_for_ten_minutes(path: str) -> None:
    clock = ManualClock()
    async with scripted({path: Raw(b"access too frequent", 403)}, clock) as venue, client_of(venue) as bybit:
        await venue.seen(INFO)
        await eventually(lambda: bybit.status().authenticated)
        with pytest.raises(VenueRefused) as caught:
            if path == CREATE:
                await bybit.write("place_order", ORDER, Mark())
            else:
                await bybit.read("get_tickers", category="spot")
        assert not caught.value.effect_possible
        venue.scripts[path] = EMPTY
        before = len(venue.received)
        clock.advance(seconds=599)
        with pytest.raises(VenueDown) as banned:
            await bybit.read("get_server_time", urgent=True)
        assert banned.value.data["reason"] == "address_banned_for_a_while"
        assert banned.value.data["retry_after_ms"] == 1000
        with pytest.raises(VenueDown):
            await bybit.write("place_order", ORDER, Mark())
        assert (await bybit.probe(60.0)).reason == "address_banned_for_a_while"
        assert len(venue.received) == before
        # A cancel goes out all the same, and one that is refused makes the ban no longer.
        venue.scripts["/v5/order/cancel"] = Raw(b"access too frequent", 403)
        with pytest.raises(VenueRefused):
            await bybit.write("cancel_order", {"category": "spot"}, Mark())
        assert len(venue.received) == before + 1
        clock.advance(seconds=2)
        await bybit.read("get_server_time")
        assert bybit.status().healthy


async def test_reads_never_hold_up_a_cancel() -> None:
    clock = ManualClock()
    cancel = "/v5/order/cancel"
    async with scripted({TICKERS: EMPTY, cancel: {}}, clock) as venue, client_of(venue) as bybit:
        await bybit.read("get_server_time")
        while bybit.status().credits_left["address"] >= 1.0:
            await bybit.read("get_tickers", category="spot")
        with anyio.fail_after(30):
            await bybit.write("cancel_order", {"category": "spot", "symbol": "BTCUSDT"}, Mark())
            await bybit.write("cancel_order", {"category": "spot", "symbol": "BTCUSDT"}, Mark())
        assert len(venue.asked(cancel)) == 2


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "beside",
    [
        {"result": None},
        {"retExtInfo": None},
        {"retExtInfo": ""},
        {"retMsg": "SUCCESS"},
        {"retMsg": ""},
        {"category": "option", "result": [{"period": 7}]},
        {"time": None},
        {"time": "1700000000000"},
    ],
    ids=repr,
)
async def test_envelopes_as_they_were_seen_are_understood(beside: dict[str, Any]) -> None:
    async with scripted({TICKERS: Told({}, beside=beside)}) as venue, client_of(venue) as bybit:
        answer = await bybit.read("get_tickers", category="spot")
        assert answer.code == 0
        assert answer.result == beside.get("result", {})
        if "time" in beside:
            assert answer.time_ms is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"retCode":0',
        b"[]",
        b"{}",
        b'{"retCode":"0"}',
        b'{"retCode":true}',
        b'{"retCode":0.0}',
        b"\xff",
    ],
    ids=repr,
)
async def test_what_is_no_envelope_is_unusable(body: bytes) -> None:
    async with scripted({TICKERS: Raw(body), CREATE: Raw(body)}) as venue, client_of(venue) as bybit:
        with pytest.raises(BadVenueData):
            await bybit.read("get_tickers", category="spot")
        with pytest.raises(BadVenueData) as caught:
            await bybit.write("place_order", ORDER, Mark())
        assert caught.value.sent


async def test_equal_reads_in_flight_are_one_request() -> None:
    async with scripted({TICKERS: SILENCE}) as venue, client_of(venue) as bybit:
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(lambda: bybit.read("get_tickers", category="spot"))
            group.start_soon(lambda: bybit.read("get_tickers", category="linear"))
            await venue.seen(TICKERS, 2)
            group.cancel_scope.cancel()
        assert len(venue.asked(TICKERS)) == 2


async def test_what_a_call_cost_is_charged_to_it() -> None:
    async with scripted({TICKERS: failing(1, HANG_UP, EMPTY)}) as venue, client_of(venue) as bybit:
        tally = Tally()
        token = current_tally.set(tally)
        await bybit.read("get_tickers", category="spot")
        current_tally.reset(token)
        assert tally.calls == 2
        assert tally.seconds > 0


# -- keys --------------------------------------------------------------------------------------------------------------


async def test_without_keys_nothing_is_sent_until_something_is_asked() -> None:
    async with scripted({TICKERS: EMPTY}) as venue, client_of(venue, api_key=None, api_secret=None) as bybit:
        for private in ("get_account_info", "get_positions"):
            with pytest.raises(NoKeys):
                await bybit.read(private)
        with pytest.raises(NoKeys):
            await bybit.write("place_order", ORDER, Mark())
        with pytest.raises(NoKeys):
            _ = bybit.account
        used = bybit.in_use
        assert not used
        assert not venue.received
        await bybit.read("get_tickers", category="spot")
        assert bybit.in_use
        status = await bybit.probe(60.0)
        assert (status.healthy, status.authenticated) == (True, False)


async def test_with_keys_the_start_tells_whether_the_venue_takes_them() -> None:
    async with scripted() as venue, client_of(venue) as bybit:
        assert bybit.in_use
        await venue.seen(INFO)
        await eventually(lambda: bybit.status().authenticated)
        assert bybit.status().healthy
        assert len(venue.asked(INFO)) == 1
        assert (await bybit.probe(60.0)).authenticated
        assert len(venue.asked(INFO)) == 1, "what is known is not asked again"


@pytest.mark.parametrize("code", [10003, 10004, 10010, 33004])
async def test_a_key_that_is_not_taken_is_told_and_not_tried_in_a_loop(code: int) -> None:
    clock = ManualClock()
    async with scripted({INFO: Refusal(code)}, clock) as venue, client_of(venue) as bybit:
        await venue.seen(INFO)
        await eventually(lambda: not bybit.status().healthy and bybit.status().connected)
        for _ in range(5):
            status = await bybit.probe(60.0)
            assert (status.healthy, status.connected, status.authenticated) == (False, True, False)
            assert status.reason in ("invalid_api_key", "invalid_signature", "address_not_bound", "api_key_expired")
        assert len(venue.asked(INFO)) == 1
        venue.scripts[INFO] = {}
        clock.advance(seconds=31)
        assert (await bybit.probe(60.0)).healthy


async def test_a_lacking_permission_is_no_bad_key() -> None:
    async with scripted({CREATE: Refusal(10005)}) as venue, client_of(venue) as bybit:
        await venue.seen(INFO)
        await eventually(lambda: bybit.status().authenticated)
        with pytest.raises(VenueRefused):
            await bybit.write("place_order", ORDER, Mark())
        assert bybit.status().healthy


async def test_secrets_are_in_no_error_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    echo = f'{{"retCode":10004,"retMsg":"error sign! {API_KEY}{API_SECRET}","result":{{}}}}'.encode()
    scripts = {REALTIME: Raw(echo), CREATE: HANG_UP, TICKERS: Raw(API_SECRET.encode())}
    async with scripted(scripts) as venue, client_of(venue) as bybit:
        for call in ("get_open_orders", "get_tickers", "place_order"):
            with pytest.raises(RpcError) as caught:
                if call == "place_order":
                    await bybit.write(call, ORDER, Mark())
                else:
                    await bybit.read(call, category="spot")
            error: BaseException | None = caught.value
            while error is not None:
                told.append(f"{error!r} {error} {getattr(error, 'data', '')}")
                error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        told += [repr(bybit), repr(bybit.status()), repr(vars(bybit)), bybit.account, caplog.text]
        told.append(repr(Endpoints(API_KEY, Secret(API_SECRET))))
    for text in told:
        assert API_SECRET not in text
        assert API_KEY not in text


async def test_the_name_of_an_account_is_stable_and_not_its_key() -> None:
    async with scripted() as venue, client_of(venue) as first, client_of(venue, api_key=Secret("OTHER")) as second:
        assert first.account == first.account != second.account
        assert API_KEY not in first.account


# -- health ------------------------------------------------------------------------------------------------------------


async def test_a_probe_ends_in_its_time_and_says_what_it_found() -> None:
    async with scripted() as venue, client_of(venue) as bybit:
        assert (await bybit.probe(60.0)).healthy
        for script, reason in (
            (SILENCE, "no_answer"),
            (Raw(b"", 503), "http_503"),
            (Raw(b"<html>"), "no_usable_answer"),
            (HANG_UP, "connection_lost"),
        ):
            venue.scripts[TIME] = script
            status = await bybit.probe(0.3 if script is SILENCE else 60.0)
            assert (status.healthy, status.connected, status.reason) == (False, False, reason)


# -- instruments -------------------------------------------------------------------------------------------------------


async def test_an_instrument_is_read_once_and_again_when_it_is_not_to_be_trusted() -> None:
    path = "/v5/market/instruments-info"
    clock = ManualClock()
    async with scripted({path: {"list": [LINEAR]}}, clock) as venue, client_of(venue) as bybit:
        name = (Category.LINEAR, "BTCUSDT")
        for _ in range(3):
            assert str((await bybit.instruments.get(name)).tick_size) == "0.1"
        assert len(venue.asked(path)) == 1
        bybit.instruments.forget(name)
        await bybit.instruments.get(name)
        clock.advance(seconds=601)
        await bybit.instruments.get(name)
        assert len(venue.asked(path)) == 3


@pytest.mark.parametrize("answer", [{"list": []}, {"list": [LINEAR]}, Refusal(10001), Refusal(170121)], ids=str)
async def test_a_symbol_that_is_not_listed_is_told_with_its_category(answer: Any) -> None:
    async with scripted({"/v5/market/instruments-info": answer}) as venue, client_of(venue) as bybit:
        with pytest.raises(RpcError) as caught:
            await bybit.instruments.get((Category.LINEAR, "NOSUCH"))
        assert caught.value.data["problems"] == [
            {"field": "symbol", "rule": "one that Bybit lists in category linear"},
        ]
