"""Batches of orders at Bybit. Each function prepares one; the one path of all writes sends it.

The envelope of such a request says success whatever becomes of its orders: each has its own code, and its own intent,
record and outcome here, as if its own method had been called. An order whose outcome is lost is found again alone.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from cerberod.errors import BadVenueData, DeadlinePassed, InvalidParams, RpcError
from cerberod.rpc.call import Call
from cerberod.trading.orders import Ending, Outcome, Reason
from cerberod.trading.parts import find_parts
from cerberod.trading.placing import failed, write
from cerberod.trading.writes import Intent, Part, Plan, Sent, WriteParams, order_key_of
from cerberod.venues.bybit import rules
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE, Effect, known, refusal
from cerberod.venues.bybit.following import at_once
from cerberod.venues.bybit.methods.cancels import (
    CancelOrder,
    CancelOutcome,
    CancelTerms,
    already_over,
    cancel_followed,
    cancel_params,
)
from cerberod.venues.bybit.methods.orders import (
    Amendment,
    AmendOrder,
    AmendTerms,
    PlaceOrder,
    amendment,
    amendment_followed,
    followed,
    forget_if_changed,
    order_is_over,
)
from cerberod.venues.bybit.methods.terms import (
    BatchedOrder,
    BatchOutcome,
    BatchParams,
    OrderOutcome,
    clock_reasons,
    denied,
    in_batch,
    objections,
    order_params,
    require_fitting,
    valid_until,
)
from cerberod.venues.bybit.methods.words import (
    CATEGORY,
    CategoryName,
)
from cerberod.venues.bybit.wire.envelope import Answer
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.requests import Request, link_of
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.sending import Watched

_MOST = max(rules.LARGEST_BATCH.values())
_ORDERS = "The orders, at most 20, in category spot at most 10."
_INTENT = "Idempotency key of this order alone; that of the request with its number behind it when left out."

Follow = Callable[[], Awaitable[Ending]]
"""Finds out what came of one order that was accepted."""


class BatchedAmendment(AmendTerms):
    """One change of a batch."""

    intent: Intent | None = Field(default=None, description=_INTENT)


class BatchedCancel(CancelTerms):
    """One cancel of a batch."""

    intent: Intent | None = Field(default=None, description=_INTENT)


class PlaceBatchOrder(BatchParams):
    """Several orders of one category."""

    category: CategoryName = Field(description=CATEGORY)
    request: list[BatchedOrder] = Field(
        min_length=1,
        max_length=_MOST,
        description=_ORDERS,
        examples=[[{"symbol": "BTCUSDT", "side": "buy", "qty": "0.01", "price": "50000"}]],
    )


class AmendBatchOrder(BatchParams):
    """Changes of several orders of one category."""

    category: CategoryName = Field(description=CATEGORY)
    request: list[BatchedAmendment] = Field(
        min_length=1,
        max_length=_MOST,
        description=_ORDERS,
        examples=[[{"symbol": "BTCUSDT", "order_link_id": "MY-ORDER", "price": "50001"}]],
    )


class CancelBatchOrder(BatchParams):
    """Several orders of one category to cancel."""

    category: CategoryName = Field(description=CATEGORY)
    request: list[BatchedCancel] = Field(
        min_length=1,
        max_length=_MOST,
        description=_ORDERS,
        examples=[[{"symbol": "BTCUSDT", "order_link_id": "MY-ORDER"}]],
    )


class PlaceBatchOutcome(BatchOutcome):
    """What became of each of several orders."""

    orders: list[OrderOutcome] = Field(default=[], description="Each as `bybit.place_order` tells it, as in `request`.")


class AmendBatchOutcome(BatchOutcome):
    """What became of each of several changes."""

    orders: list[OrderOutcome] = Field(default=[], description="Each as `bybit.amend_order` tells it, as in `request`.")


class CancelBatchOutcome(BatchOutcome):
    """What became of each of several cancels."""

    orders: list[CancelOutcome] = Field(
        default=[], description="Each as `bybit.cancel_order` tells it, as in `request`."
    )


@write("bybit.place_batch_order", finder=find_parts)
async def place_batch_order(call: Call, params: PlaceBatchOrder) -> Plan[PlaceBatchOutcome]:
    """Place several orders in one request and tell what came of each.

    Each is placed at most once. Every order is checked first as by `bybit.place_order`; one that is denied denies them
    all, and nothing is sent. What Bybit says of the whole request is never taken for an order's fate: each has its own
    outcome in `orders`, also by its own intent in `orders.get_outcome`. Confirmed when any order is. In all categories
    but options Bybit counts each order of a batch: of more than it takes in a second the rest follows a second later,
    in a request of its own, and where there is no time for all, nothing is sent and the error tells when to come back.
    """
    category = params.category
    intents = _intents(params, params.request)
    require_fitting(category, list(params.request), "request")
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    found = await at_once(partial(objections, bybit, category, order) for order in params.request)
    if any(found):
        return denied(account, *_numbered(found))
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    until_ms = valid_until(bybit)
    links = [link_of(order_key_of(call, params, account, intent)) for intent in intents]
    sent_params = [order_params(category, order, link) for order, link in zip(params.request, links, strict=True)]
    parts = tuple(
        Part(
            "bybit.place_order",
            intent,
            _as_alone(PlaceOrder, category, order),
            OrderOutcome,
            _wire("place_order", each, params.intent, until_ms),
            link,
            f"request.{number}.intent",
        )
        for number, (intent, order, link, each) in enumerate(
            zip(intents, params.request, links, sent_params, strict=True)
        )
    )

    def follow_one(number: int, code: int) -> Follow:
        twin = refusal(code) if code and known(code).effect is Effect.TWIN else None
        return lambda: followed(bybit, sent_params[number], twin=twin)

    send = _sending(bybit, "place_batch_order", sent_params, follow_one)
    reduces = all(order.reduces for order in params.request)
    journal = _request("place_batch_order", sent_params).journal(parts=intents)
    return Plan(VENUE, account, send, journal, reduces=reduces, parts=parts)


@write("bybit.amend_batch_order", finder=find_parts)
async def amend_batch_order(call: Call, params: AmendBatchOrder) -> Plan[AmendBatchOutcome]:
    """Change several open orders in one request, and tell what came of each.

    Every order is read and checked first as by `bybit.amend_order`; one that is denied or named twice denies them all,
    and nothing is sent. Each has its own outcome in `orders`, also by its own intent in `orders.get_outcome`.
    """
    category = params.category
    intents = _intents(params, params.request)
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    found = await at_once(partial(amendment, bybit, category, terms) for terms in params.request)
    changes = [each for each in found if isinstance(each, Amendment)]
    if len(changes) < len(found):
        return denied(account, *_numbered([[] if isinstance(each, Amendment) else each for each in found]))
    if reasons := _changed_twice(params.request, changes):
        return denied(account, *reasons)
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    until_ms = valid_until(bybit)
    parts = tuple(
        Part(
            "bybit.amend_order",
            intent,
            _as_alone(AmendOrder, category, terms),
            OrderOutcome,
            {**_wire("amend_order", change.params, params.intent, until_ms), "before": change.before},
            field=f"request.{number}.intent",
        )
        for number, (intent, terms, change) in enumerate(zip(intents, params.request, changes, strict=True))
    )

    def follow_one(number: int, code: int) -> Follow:
        return lambda: amendment_followed(bybit, changes[number])

    sent_params = [change.params for change in changes]
    send = _sending(bybit, "amend_batch_order", sent_params, follow_one)
    reduces = all(change.reduces for change in changes)
    journal = _request("amend_batch_order", sent_params).journal(parts=intents)
    return Plan(VENUE, account, send, journal, reduces=reduces, parts=parts)


@write("bybit.cancel_batch_order", finder=find_parts, urgent=True)
async def cancel_batch_order(call: Call, params: CancelBatchOrder) -> Plan[CancelBatchOutcome]:
    """Cancel several orders in one request, and tell what came of each.

    Sent at once, without looking first. Each has its own outcome in `orders`, as of `bybit.cancel_order`, also by its
    own intent in `orders.get_outcome`.
    """
    category = params.category
    intents = _intents(params, params.request)
    bybit = call.use(Bybit)
    until_ms = valid_until(bybit)
    sent_params = [cancel_params(category, terms, f"request.{number}.") for number, terms in enumerate(params.request)]
    parts = tuple(
        Part(
            "bybit.cancel_order",
            intent,
            _as_alone(CancelOrder, category, terms),
            CancelOutcome,
            _wire("cancel_order", each, params.intent, until_ms),
            field=f"request.{number}.intent",
        )
        for number, (intent, terms, each) in enumerate(zip(intents, params.request, sent_params, strict=True))
    )

    def follow_one(number: int, code: int) -> Follow:
        if code:
            return lambda: already_over(bybit, sent_params[number], refusal(code))
        return lambda: cancel_followed(bybit, sent_params[number])

    send = _sending(bybit, "cancel_batch_order", sent_params, follow_one, cancels=True)
    journal = _request("cancel_batch_order", sent_params).journal(parts=intents)
    return Plan(VENUE, bybit.account, send, journal, parts=parts)


Batched = BatchedOrder | BatchedAmendment | BatchedCancel


def _intents(params: PlaceBatchOrder | AmendBatchOrder | CancelBatchOrder, orders: Sequence[Batched]) -> list[str]:
    """Return the intent of each order. Refuses two that are the same, and more orders than the category takes."""
    most = rules.LARGEST_BATCH[Category(params.category)]
    if len(orders) > most:
        raise InvalidParams([{"field": "request", "rule": f"at most {most} orders in category {params.category}"}])
    intents = [order.intent or f"{params.intent}/{number}" for number, order in enumerate(orders)]
    seen = {params.intent}
    for number, intent in enumerate(intents):
        if intent in seen:
            rule = "other than the intents of the request and of its other orders"
            raise InvalidParams([{"field": f"request.{number}.intent", "rule": rule}])
        seen.add(intent)
    return intents


def _changed_twice(request: Sequence[BatchedAmendment], changes: Sequence[Amendment]) -> tuple[Reason, ...]:
    """Refuse to change one order twice at once: how it then stands tells of one of the changes only."""
    ids = [change.order.order_id for change in changes]
    fields = ["order_link_id" if terms.order_id is None else "order_id" for terms in request]
    rule = "an order that no other item of the request changes"
    twice = [number for number, order_id in enumerate(ids) if order_id in ids[:number]]
    return tuple(in_batch(number, Reason(field=fields[number], rule=rule)) for number in twice)


def _as_alone(model: type[WriteParams], category: str, order: Batched) -> dict[str, Any]:
    """Return the params with which the method for one order would have been called."""
    alone = order.model_dump(exclude={"intent"}) | {"category": category}
    return model.model_validate(alone).model_dump(mode="json", exclude={"intent"})


def _wire(call: str, params: dict[str, Any], batch: str | None, until_ms: int) -> dict[str, Any]:
    """Return what the journal keeps of one order: what would have been sent for it alone, and what it was sent in."""
    return {"call": call, "params": params, "valid_until": until_ms, "sent_in": batch}


def _request(call: str, orders: Sequence[Mapping[str, Any]]) -> Request:
    items = [{name: value for name, value in order.items() if name != "category"} for order in orders]
    return Request(call, {"category": orders[0]["category"], "request": items})


def _numbered(found: Sequence[Sequence[Reason]]) -> list[Reason]:
    return [in_batch(number, reason) for number, reasons in enumerate(found) for reason in reasons]


def _never_sent(failure: RpcError, *, sent: bool) -> Ending:
    """Tell of orders whose turn never came, because of what failed, which may have been their own wait."""
    late = isinstance(failure, DeadlinePassed) and not sent
    why = "no time was left to wait for the rate limit" if late else "the request before it, of the same batch, failed"
    return Ending(Outcome.REJECTED, reasons=(Reason(field="venue", rule=f"not sent: {why}"),))


Answered = tuple[int, Answer]
"""The code of one order, and the answer it stood in."""


def _sending(
    bybit: Bybit,
    call: str,
    orders: Sequence[dict[str, Any]],
    follow_one: Callable[[int, int], Follow],
    *,
    cancels: bool = False,
) -> Callable[[Sent], Awaitable[Ending]]:
    """Return what sends all orders, and finds out what came of each, by its own code.

    They leave in one request, or in several where the venue would refuse what is too much for one second. Each order
    is in one request only. Cancels leave as soon as any of them may.
    """

    async def send(sent: Sent) -> Ending:
        found = await _sent(bybit, call, orders, sent, eager=cancels)

        async def ending(number: int, told: Answered | Ending) -> Ending:
            if isinstance(told, Ending):
                return told
            code, answer = told
            refused = refusal(code)
            effect = known(code).effect
            if code == 0 or effect in (Effect.TWIN, Effect.DONE) or (cancels and order_is_over(refused)):
                return await follow_one(number, code)()
            forget_if_changed(bybit, orders[number], refused)
            outcome = Outcome.UNKNOWN if refused.effect_possible else Outcome.REJECTED
            reason = Reason(field="venue", rule=refused.reason)
            return Ending(outcome, reasons=(reason,), venue_code=refused.venue_code, as_of=answer.stamp())

        endings = await at_once(partial(ending, number, told) for number, told in enumerate(found))
        stamps = [told[1].stamp() for told in found if not isinstance(told, Ending)]
        return Ending(Outcome.CONFIRMED, as_of=stamps[-1] if stamps else None, parts=tuple(endings))

    return send


async def _sent(
    bybit: Bybit, call: str, orders: Sequence[dict[str, Any]], sent: Sent, *, eager: bool
) -> list[Answered | Ending]:
    """Send orders in as many requests as it takes; return what was answered of each, or how it ended without.

    A request that fails is the last: what it carried ends as it did, what had not left ends as never sent. Raises, as
    one request would, where there was but one, and where nothing has left at all.
    """
    found: list[Answered | Ending] = []
    with await bybit.line_up(call, orders[0]["category"], len(orders), eager=eager) as place:
        while len(found) < len(orders):
            watched, piece = Watched(sent), orders[len(found) :]
            try:
                async with place.room(len(piece)) as share:
                    piece = piece[:share]
                    request = _request(call, piece)
                    answer = await bybit.write(
                        request.call, request.params, watched, within_s=place.time_left_s, in_line=True
                    )
                found += [(code, answer) for code in _codes(answer, piece)]
            except RpcError as failure:
                if len(piece) == len(orders) or not sent.marked:
                    raise
                if watched.marked:
                    found += [failed(failure)] * len(piece)
                found += [_never_sent(failure, sent=watched.marked)] * (len(orders) - len(found))
    return found


def _codes(answer: Answer, orders: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the code of each order. An answer that is not about these very orders proves nothing of any."""
    codes = [row.whole("code") for row in Fields(answer.ext, "retExtInfo").objects("list")]
    rows = list(Fields(answer.result, "result").objects("list"))
    if not len(codes) == len(rows) == len(orders):
        raise BadVenueData(VENUE, "retExtInfo.list", "one code for each order")
    for number, (code, row, order) in enumerate(zip(codes, rows, orders, strict=True)):
        names = [name for name in ("orderId", "orderLinkId") if name in order]
        if code == 0 and any(row.get(name) != order[name] for name in names):
            raise BadVenueData(VENUE, f"result.list[{number}]", "the order that was sent")
    return codes
