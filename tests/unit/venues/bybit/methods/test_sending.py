"""What a request to Bybit is told to have come to: one order, and each order of a batch, by its own code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
import pytest

from cerberod.errors import BadVenueData, Code, RpcError, UpstreamError, VenueRefused
from cerberod.ids import Environment
from cerberod.rpc.call import Call, Principal, Services
from cerberod.trading.orders import Ending, Outcome
from cerberod.trading.writes import Sent
from cerberod.venues.bybit import following, line
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.methods.batches import (
    CancelBatchOrder,
    PlaceBatchOrder,
    cancel_batch_order,
    place_batch_order,
)
from cerberod.venues.bybit.methods.cancels import CancelOrder, cancel_order
from cerberod.venues.bybit.methods.orders import PlaceOrder, place_order, placing
from cerberod.venues.bybit.methods.positions import SetLeverage, set_leverage
from cerberod.venues.bybit.wire.requests import Request, link_of
from tests.support.bybit_venue import (
    CREATE,
    HANG_UP,
    INFO,
    REALTIME,
    TIME,
    Asked,
    Refusal,
    ScriptedBybit,
    Told,
    client_of,
    scripted,
)
from tests.unit.venues.bybit.rows import LINEAR, ORDER
from tests.unit.venues.bybit.wire.test_account import POSITION

BATCH, HISTORY = "/v5/order/create-batch", "/v5/order/history"
LINK = ORDER["orderLinkId"]
PARAMS = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "orderLinkId": LINK}
ACK = {"orderId": ORDER["orderId"], "orderLinkId": LINK}
RESTING: dict[str, Any] = {"symbol": "BTCUSDT", "side": "buy", "qty": "0.001", "price": "52000.1"}


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"category": "linear", "list": list(rows), "nextPageCursor": ""}


def told_back(asked: Asked) -> dict[str, Any]:
    """Tell of an order under whatever link id it is asked for."""
    return listed({**ORDER, "orderLinkId": asked.params["orderLinkId"]})


@pytest.fixture(autouse=True)
def _followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for an order for as long as it takes until it shows."""
    monkeypatch.setattr(following, "FOLLOWED_S", 60.0)


@pytest.fixture
def given_up_soon(monkeypatch: pytest.MonkeyPatch, _followed: None) -> None:
    """Look for an order that never shows."""
    monkeypatch.setattr(following, "FOLLOWED_S", 0.1)


@asynccontextmanager
async def trading(**scripts: Any) -> AsyncIterator[tuple[ScriptedBybit, Bybit]]:
    standing = {
        "/v5/market/instruments-info": listed(LINEAR),
        "/v5/market/price-limit": {"symbol": "BTCUSDT", "buyLmt": "60000", "sellLmt": "50000", "ts": "1"},
        "/v5/position/list": listed({"positionIdx": 0}),
        REALTIME: told_back,
        HISTORY: listed(),
    }
    async with scripted(standing | scripts) as venue, client_of(venue) as bybit:
        yield venue, bybit


async def placed(**scripts: Any) -> Ending:
    async with trading(**scripts) as (venue, bybit):
        ending = await raised_or_returned(placing(bybit, Request("place_order", PARAMS)))
        assert len(venue.asked(CREATE)) == 1
    if isinstance(ending, UpstreamError):
        raise ending
    return ending


async def raised_or_returned(send: Any) -> Ending | UpstreamError:
    """Send; a failure is returned, so that it does not pass through the client's own tasks."""
    try:
        ending = await send(Sent())
    except UpstreamError as error:
        return error
    assert isinstance(ending, Ending)
    return ending


async def test_an_acknowledged_order_is_followed_to_its_state() -> None:
    states = iter([listed(), listed(), listed(ORDER)])
    ending = await placed(**{CREATE: ACK, REALTIME: lambda asked: next(states)})
    assert (ending.outcome, ending.detail["order"]["order_status"]) == (Outcome.CONFIRMED, "New")


@pytest.mark.usefixtures("given_up_soon")
async def test_an_acknowledged_order_that_never_shows_is_not_known() -> None:
    ending = await placed(**{CREATE: ACK, REALTIME: listed()})
    assert ending.outcome is Outcome.UNKNOWN


@pytest.mark.promise("P1")
@pytest.mark.usefixtures("given_up_soon")
@pytest.mark.parametrize("answer", [HANG_UP, Refusal(10016), Refusal(110001), Told([])])
async def test_a_look_that_fails_never_turns_an_accepted_order_into_a_refused_one(answer: Any) -> None:
    ending = await placed(**{CREATE: ACK, REALTIME: answer})
    assert ending.outcome is Outcome.UNKNOWN


async def test_an_acknowledgement_of_another_order_proves_nothing() -> None:
    with pytest.raises(BadVenueData):
        await placed(**{CREATE: {"orderId": "x", "orderLinkId": "other"}})


@pytest.mark.promise("P2")
@pytest.mark.parametrize("code", [110072, 170141])
async def test_a_link_id_that_is_taken_means_that_the_first_attempt_landed(code: int) -> None:
    ending = await placed(**{CREATE: Refusal(code)})
    assert (ending.outcome, ending.detail["order_id"]) == (Outcome.CONFIRMED, ORDER["orderId"])
    gone = await placed(**{CREATE: Refusal(code), REALTIME: listed(), HISTORY: told_back})
    assert gone.outcome is Outcome.CONFIRMED, "it may have left realtime"


@pytest.mark.promise("P2")
@pytest.mark.usefixtures("given_up_soon")
@pytest.mark.parametrize("code", [110072, 170141])
async def test_a_link_id_that_is_taken_by_what_is_not_found_leaves_it_open(code: int) -> None:
    nowhere = await placed(**{CREATE: Refusal(code), REALTIME: listed()})
    assert (nowhere.outcome, nowhere.venue_code) == (Outcome.UNKNOWN, str(code))
    another = await placed(**{CREATE: Refusal(code), REALTIME: listed({**ORDER, "side": "Sell"})})
    assert another.outcome is Outcome.UNKNOWN


async def test_a_refusal_that_may_mean_new_rules_lets_the_old_ones_be_forgotten() -> None:
    async with trading(**{CREATE: Refusal(110094)}) as (venue, bybit):
        await call(bybit, place_order, PlaceOrder(category="linear", intent="i", **RESTING))
        with pytest.raises(VenueRefused) as caught:
            await placing(bybit, Request("place_order", PARAMS))(Sent())
        assert not caught.value.effect_possible
        await call(bybit, place_order, PlaceOrder(category="linear", intent="j", **RESTING))
        assert len(venue.asked("/v5/market/instruments-info")) == 2


async def call(bybit: Bybit, prepare: Any, params: Any) -> Any:
    principal = Principal(
        Environment.TESTNET, "testnet", "bot", frozenset({"trade"}), session_id="s", transport="memory"
    )
    return await prepare(Call("r", "bybit.any", principal, Services(Environment.TESTNET, (bybit,))), params)


async def test_while_the_venues_clock_jumps_orders_are_denied_and_cancels_pass() -> None:
    """faults.md 58."""
    async with trading() as (venue, bybit):

        def jumping(asked: Asked) -> dict[str, str]:
            venue.ahead_ms += 60_000
            return {"timeSecond": str(venue.now_ms // 1000), "timeNano": f"{venue.now_ms}000000"}

        await bybit.read("get_server_time")
        venue.scripts[TIME] = jumping
        await bybit.read("get_server_time")
        for prepare, params in (
            (place_order, PlaceOrder(category="linear", intent="i", **RESTING)),
            (place_batch_order, batched(2)),
        ):
            plan = await call(bybit, prepare, params)
            assert [reason.field for reason in plan.denied] == ["clock"]
        named = {"symbol": "BTCUSDT", "order_id": ORDER["orderId"]}
        assert (await call(bybit, cancel_order, CancelOrder(category="linear", intent="c", **named))).denied == ()


async def test_the_wire_says_what_bybit_would_choose_by_itself() -> None:
    async with trading() as (_, bybit):
        plan = await call(bybit, place_order, PlaceOrder(category="linear", intent="i", **RESTING))
    assert plan.wire["params"] == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.001",
        "price": "52000.1",
        "timeInForce": "GTC",
        "orderLinkId": plan.client_order_id,
        "positionIdx": 0,
        "reduceOnly": False,
        "closeOnTrigger": False,
    }


@pytest.mark.parametrize(("mode", "fields"), [("REGULAR_MARGIN", ["sell_leverage"]), ("ISOLATED_MARGIN", [])])
async def test_the_sides_of_hedge_mode_differ_in_leverage_where_the_margin_mode_lets_them(
    mode: str, fields: list[str]
) -> None:
    both = listed(*({**POSITION, "symbol": "BTCUSDT", "positionIdx": idx} for idx in (1, 2)))
    info = {"unifiedMarginStatus": 5, "marginMode": mode}
    async with trading(**{"/v5/position/list": both, INFO: info}) as (_, bybit):
        unequal: dict[str, Any] = {"symbol": "BTCUSDT", "buy_leverage": "5", "sell_leverage": "6"}
        plan = await call(bybit, set_leverage, SetLeverage(category="linear", intent="i", **unequal))
    assert [reason.field for reason in plan.denied] == fields


def test_link_ids_are_short_and_of_letters_and_digits() -> None:
    link = link_of(bytes(range(32)))
    assert len(link) == 33
    assert link.isascii()
    assert link.isalnum()
    assert link != link_of(bytes(range(1, 33)))


# -- batches ---------------------------------------------------------------------------------------------------------


def acknowledging(*codes: int) -> Any:
    """Answer a batch: success for all of it, and a code for each order."""

    def answer(asked: Asked) -> Told:
        orders = orjson.loads(asked.payload)["request"]
        rows = [
            {"category": "linear", "orderId": "" if code else "x", "orderLinkId": order["orderLinkId"], "createAt": ""}
            for order, code in zip(orders, codes, strict=True)
        ]
        return Told({"list": rows}, beside={"retExtInfo": {"list": [{"code": code, "msg": "m"} for code in codes]}})

    return answer


def batched(size: int) -> PlaceBatchOrder:
    given = {"category": "linear", "request": [RESTING] * size, "intent": "b"}
    return PlaceBatchOrder.model_validate(given, strict=False)


async def batch(answer: Any, size: int, **scripts: Any) -> tuple[Ending, list[dict[str, Any]]]:
    async with trading(**{BATCH: answer, **scripts}) as (venue, bybit):
        plan = await call(bybit, place_batch_order, batched(size))
        assert [part.intent for part in plan.parts] == [f"b/{number}" for number in range(size)]
        ending = await raised_or_returned(plan.send)
        (sent,) = venue.asked(BATCH)
    if isinstance(ending, UpstreamError):
        raise ending
    return ending, orjson.loads(sent.payload)["request"]


async def test_the_envelopes_success_is_never_taken_for_the_orders() -> None:
    ending, sent = await batch(acknowledging(0, 110007, 10016, 110072, 10006), 5)
    assert [(each.outcome.value, each.venue_code) for each in ending.parts] == [
        ("confirmed", None),
        ("rejected", "110007"),
        ("unknown", "10016"),
        ("confirmed", None),
        ("rejected", "10006"),
    ]
    assert len({order["orderLinkId"] for order in sent}) == 5
    assert not any("category" in order for order in sent)


@pytest.mark.promise("P2")
async def test_an_order_of_a_batch_has_the_link_id_that_it_would_have_alone() -> None:
    _, (sent, _) = await batch(acknowledging(0, 0), 2)
    async with trading() as (_, bybit):
        alone = await call(bybit, place_order, PlaceOrder(category="linear", intent="b/0", **RESTING))
    assert sent["orderLinkId"] == alone.client_order_id


def in_turn(*answers: Any) -> Any:
    """Answer each request with the next of several; every order of a batch is taken unless one says otherwise."""
    left = list(answers)

    def answer(asked: Asked) -> Any:
        told = left.pop(0) if left else None
        taken = acknowledging(*[0] * len(orjson.loads(asked.payload)["request"]))(asked)
        if isinstance(told, dict):
            return Told(taken.result, told, taken.beside)
        return taken if told is None else told(asked) if callable(told) else told

    return answer


async def in_pieces(size: int, *answers: Any, **more: Any) -> tuple[Ending, list[int]]:
    """Send a batch; return how it ended, and how many orders were in each request."""
    async with trading(**{BATCH: in_turn(*answers), **more}) as (venue, bybit):
        plan = await call(bybit, place_batch_order, batched(size))
        ending = await raised_or_returned(plan.send)
        requests = [orjson.loads(asked.payload)["request"] for asked in venue.asked(BATCH)]
    assert isinstance(ending, Ending)
    links = [order["orderLinkId"] for request in requests for order in request]
    assert links == [part.client_order_id for part in plan.parts][: len(links)], "each once, in their order"
    return ending, [len(request) for request in requests]


def outcomes(ending: Ending) -> list[str]:
    return [each.outcome.value for each in ending.parts]


async def test_a_batch_over_the_rate_limit_leaves_in_several_requests() -> None:
    ending, sizes = await in_pieces(20)
    assert sizes == [10, 10]
    assert outcomes(ending) == ["confirmed"] * 20


async def test_a_batch_within_the_limit_of_this_account_is_one_request() -> None:
    async with trading(**{BATCH: in_turn({"X-Bapi-Limit": "20"})}) as (venue, bybit):
        for size in (1, 19):
            plan = await call(bybit, place_batch_order, batched(size))
            ending = await raised_or_returned(plan.send)
            assert isinstance(ending, Ending)
            assert outcomes(ending) == ["confirmed"] * size
        assert len(venue.asked(BATCH)) == 2


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("answer", "outcome", "rule"),
    [
        (HANG_UP, "unknown", "no usable answer: connection lost"),
        (Refusal(10016), "unknown", "internal_error"),
        (Told({"list": []}), "unknown", "no usable answer: the venue's answer is unusable"),
        (Refusal(10003), "rejected", "invalid_api_key"),
    ],
)
async def test_a_request_that_fails_is_the_last_of_its_batch(answer: Any, outcome: str, rule: str) -> None:
    """10 leave, then 5 of a limit that the first answer told, and those fail; the last 5 have never left."""
    ending, sizes = await in_pieces(20, {"X-Bapi-Limit": "5"}, answer)
    assert sizes == [10, 5]
    assert outcomes(ending) == ["confirmed"] * 10 + [outcome] * 5 + ["rejected"] * 5
    assert {each.reasons[0].rule for each in ending.parts[10:15]} == {rule}
    assert {each.reasons[0].rule[:8] for each in ending.parts[15:]} == {"not sent"}


@pytest.mark.promise("P1")
async def test_a_first_request_that_may_have_landed_stops_the_rest() -> None:
    ending, sizes = await in_pieces(12, HANG_UP)
    assert sizes == [10]
    assert outcomes(ending) == ["unknown"] * 10 + ["rejected"] * 2


async def test_orders_that_are_too_many_all_the_same_are_rejected_and_never_sent_again() -> None:
    """Others of the account spend the limit too."""
    ending, sizes = await in_pieces(12, acknowledging(*[0] * 7, *[10006] * 3))
    assert sizes == [10, 2]
    assert outcomes(ending) == ["confirmed"] * 7 + ["rejected"] * 3 + ["confirmed"] * 2


@pytest.mark.usefixtures("given_up_soon")
async def test_cancels_for_which_no_time_is_left_are_told_as_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not refused for it beforehand: some are better than none."""
    monkeypatch.setattr(line, "LEFT_TO_ANSWER_S", 60.0)
    async with trading() as (venue, bybit):
        path = "/v5/order/cancel-batch"

        def answer(asked: Asked) -> Any:
            bybit.pacing.line(path, "linear").refused(3600.0)
            ids = [order["orderId"] for order in orjson.loads(asked.payload)["request"]]
            beside = {"retExtInfo": {"list": [{"code": 0, "msg": "OK"} for _ in ids]}}
            return Told({"list": [{"orderId": each, "orderLinkId": ""} for each in ids]}, beside=beside)

        venue.scripts[path] = answer
        named = [{"symbol": "BTCUSDT", "order_id": f"o{number}"} for number in range(12)]
        given = {"category": "linear", "request": named, "intent": "c"}
        plan = await call(bybit, cancel_batch_order, CancelBatchOrder.model_validate(given, strict=False))
        ending: Ending | None = None
        with anyio.move_on_after(63.0):
            ending = await plan.send(Sent())
        assert len(venue.asked(path)) == 1
    assert ending is not None, "it ends while it can still say so"
    assert [each.outcome.value for each in ending.parts[10:]] == ["rejected"] * 2
    assert {reason.rule for each in ending.parts[10:] for reason in each.reasons} == {
        "not sent: no time was left to wait for the rate limit"
    }


async def test_a_batch_without_time_for_all_its_orders_is_not_sent() -> None:
    async with trading(**{BATCH: in_turn()}) as (venue, bybit):
        plan = await call(bybit, place_batch_order, batched(20))
        sent = Sent()
        with anyio.move_on_after(0.5), pytest.raises(RpcError) as caught:
            await plan.send(sent)
        assert caught.value.code is Code.BUSY
        assert caught.value.data["limit"] == 10
        assert not sent.marked
        assert venue.asked(BATCH) == []


async def test_every_order_may_be_refused_under_a_success() -> None:
    ending, _ = await batch(acknowledging(10001, 10001), 2)
    assert [each.outcome.value for each in ending.parts] == ["rejected", "rejected"]


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    "beside",
    [
        {"retExtInfo": {}},
        {"retExtInfo": None},
        {"retExtInfo": {"list": [{"code": 0, "msg": "OK"}]}},
        {"retExtInfo": {"list": [{"code": "?", "msg": ""}] * 2}},
    ],
)
async def test_an_answer_that_does_not_tell_of_every_order_proves_nothing_of_any(beside: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError):
        await batch(Told({"list": [{"orderLinkId": "a"}, {"orderLinkId": "b"}]}, beside=beside), 2)


@pytest.mark.promise("P1")
async def test_rows_of_other_orders_prove_nothing() -> None:
    beside = {"retExtInfo": {"list": [{"code": 0, "msg": "OK"}] * 2}}
    with pytest.raises(BadVenueData):
        await batch(Told({"list": [{"orderLinkId": "a"}, {"orderLinkId": "b"}]}, beside=beside), 2)
