"""Placing and amending an order at Bybit. Each function prepares one; the one path of all writes sends it.

What the params alone show wrong is refused with the field's name. What needs the instrument, the market or the account
is denied with the rule and the nearest value that would pass. Nothing is ever adjusted.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import BadVenueData, VenueRefused
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params
from cerberod.trading.money import Amount, Price, PriceOrZero
from cerberod.trading.orders import Ending, Outcome, Reason
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams, order_key_of
from cerberod.venues.bybit import rules
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import INSTRUMENT_CHANGED, ORDER_IS_DONE, ORDER_NOT_FOUND, VENUE, Effect, known
from cerberod.venues.bybit.finders import (
    amended,
    came_to_rest,
    changeable,
    find_amended,
    find_placed,
    has,
    placed,
    same_order,
)
from cerberod.venues.bybit.following import Named, Seen, follow, look, look_back
from cerberod.venues.bybit.methods.terms import (
    LinkId,
    OrderOutcome,
    OrderTerms,
    clock_reasons,
    denied,
    exit_objections,
    instrument_of,
    objections,
    order_params,
    require_fitting,
    trigger_objections,
    valid_until,
)
from cerberod.venues.bybit.methods.words import (
    CATEGORY,
    SYMBOL,
    CategoryName,
    OrderId,
    Symbol,
)
from cerberod.venues.bybit.wire.envelope import Answer
from cerberod.venues.bybit.wire.instruments import Instrument
from cerberod.venues.bybit.wire.orders import Order
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.requests import Request, given, link_of
from cerberod.venues.bybit.wire.words import Category

ACCEPTED = Reason(field="venue", rule="accepted, and not told yet what came of it; it is looked up")


class PlaceOrder(OrderTerms, WriteParams):
    """One order."""

    category: CategoryName = Field(description=CATEGORY)


@write("bybit.place_order", finder=find_placed)
async def place_order(call: Call, params: PlaceOrder) -> Plan[OrderOutcome]:
    """Place one order, at most once for each intent, and tell what came of it.

    Bybit acknowledges an order before it processes it, so the order is followed until it rests, is filled or has ended:
    confirmed carries it as it is then (see `order.order_status`). Rejected when Bybit refused it at once, or afterwards
    without a fill, with its reject reason as `venue_code`: a PostOnly order that would take, an IOC or FOK order with
    nothing to fill it. Unknown when its state is not told in time. Denied, with the nearest value that would pass, when
    quantity, price, value, band or position index are wrong; of contracts also when a trigger is reached already, or
    take profit or stop loss are on the wrong side. The client order id is the order's link id.
    """
    require_fitting(params.category, [params])
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    if found := await objections(bybit, params.category, params):
        return denied(account, *found)
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    link_id = link_of(order_key_of(call, params, account))
    request = Request("place_order", order_params(params.category, params, link_id))
    journal = request.journal(valid_until=valid_until(bybit))
    return Plan(VENUE, account, placing(bybit, request), journal, client_order_id=link_id, reduces=params.reduces)


def placing(bybit: Bybit, request: Request) -> Callable[[Sent], Awaitable[Ending]]:
    """Return what sends one order once and follows it."""

    async def send(sent: Sent) -> Ending:
        refusal: VenueRefused | None = None
        try:
            answer = await bybit.write(request.call, request.params, sent)
            require_ack(answer, "orderLinkId", request.params["orderLinkId"])
        except VenueRefused as refused:
            forget_if_changed(bybit, request.params, refused)
            if effect_of(refused) is not Effect.TWIN:
                raise
            refusal = refused
        return await followed(bybit, request.params, twin=refusal)

    return send


async def followed(bybit: Bybit, params: dict[str, Any], *, twin: VenueRefused | None = None) -> Ending:
    """Follow an order that Bybit has accepted, or (`twin`) that it says it has already, and tell what came of it."""
    named = Named(params["category"], params["symbol"], link_id=params["orderLinkId"])

    async def look_once() -> Seen:
        seen = await look(bybit, named)
        return seen if seen.orders or twin is None else await look_back(bybit, named)

    seen = await follow(look_once, lambda seen: seen.one is not None and came_to_rest(seen.one))
    code = None if twin is None else twin.venue_code
    if seen is None or seen.one is None:
        reason = ACCEPTED if twin is None else Reason(field="venue", rule=twin.reason)
        return Ending(Outcome.UNKNOWN, reasons=(reason,), venue_code=code)
    if not same_order(seen.one, params):
        reason = Reason(field="venue", rule="another order has this link id; a human must look")
        return Ending(Outcome.UNKNOWN, reasons=(reason,), venue_code=code, as_of=seen.as_of)
    if not came_to_rest(seen.one):
        detail = {"order_id": seen.one.order_id, "order": seen.one.model_dump(mode="json")}
        return Ending(Outcome.UNKNOWN, detail, (ACCEPTED,), code, seen.as_of)
    return placed(seen.one, seen.as_of)


def require_ack(answer: Answer, name: str, value: str) -> None:
    """Demand that an acknowledgement is about this very order."""
    if Fields(answer.result, "result").get(name) != value:
        raise BadVenueData(VENUE, f"result.{name}", "the order that was sent")


def effect_of(refused: VenueRefused) -> Effect:
    """Return what a refusal says of the request; an HTTP status has no row of its own."""
    code = code_of(refused)
    return Effect.ASK if code is None else known(code).effect


def code_of(refused: VenueRefused) -> int | None:
    """Return the venue's own code; None where the refusal was an HTTP status."""
    text = refused.venue_code
    return int(text) if text.lstrip("-").isdigit() else None


def forget_if_changed(bybit: Bybit, params: dict[str, Any], refused: VenueRefused) -> None:
    """Trust what is known of an instrument no longer if the refusal may mean that its rules have changed."""
    if code_of(refused) in INSTRUMENT_CHANGED:
        name = Category(params["category"]), params["symbol"]
        bybit.instruments.forget(name)
        bybit.bounds.forget(name)


class AmendTerms(Params):
    """What to change in an order, without its category. What is left out stays as it is."""

    symbol: Symbol = Field(description=SYMBOL)
    order_id: OrderId | None = Field(default=None, description="Bybit's id of the order.")
    order_link_id: LinkId | None = Field(
        default=None,
        description="Its link id, in place of `order_id`: of an order placed here, its client order id.",
        json_schema_extra={"x-example": "MY-ORDER"},
    )
    qty: Amount | None = Field(
        default=None, description="New whole size as decimal text, the filled part included; in the unit of the order."
    )
    price: Price | None = Field(
        default=None, description="New limit price as decimal text.", json_schema_extra={"x-example": "50001"}
    )
    trigger_price: Price | None = Field(default=None, description="New trigger price as decimal text.")
    take_profit: PriceOrZero | None = Field(default=None, description="New take profit as decimal text; 0 removes it.")
    stop_loss: PriceOrZero | None = Field(default=None, description="New stop loss as decimal text; 0 removes it.")

    @model_validator(mode="after")
    def _one_order_that_changes(self) -> Self:
        if (self.order_id is None) == (self.order_link_id is None):
            raise PydanticCustomError("which", "either order_id or order_link_id")
        changes = (self.qty, self.price, self.trigger_price, self.take_profit, self.stop_loss)
        if all(change is None for change in changes):
            raise PydanticCustomError("amend", "at least one of qty, price, trigger_price, take_profit and stop_loss")
        return self


class AmendOrder(AmendTerms, WriteParams):
    """What to change in an order. What is left out stays as it is."""

    category: CategoryName = Field(description=CATEGORY)


@write("bybit.amend_order", finder=find_amended)
async def amend_order(call: Call, params: AmendOrder) -> Plan[OrderOutcome]:
    """Change an open order in place, and tell what came of it.

    `qty` is the new whole size, filled part included. The order is read first: denied when there is none, when it is
    not open any more, or for the reasons of `bybit.place_order`. Bybit acknowledges before it changes anything, so the
    order is followed: confirmed carries it as it is then, rejected an order that ended before the change. A PostOnly
    order that would take as changed is ended by Bybit: rejected, see `order.order_status`.
    """
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    found = await amendment(bybit, params.category, params)
    if not isinstance(found, Amendment):
        return denied(account, *found)
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    request, before = Request("amend_order", found.params), found.before

    async def send(sent: Sent) -> Ending:
        try:
            answer = await bybit.write(request.call, request.params, sent)
            require_ack(answer, "orderId", found.order.order_id)
        except VenueRefused as refused:
            forget_if_changed(bybit, request.params, refused)
            raise
        return await amendment_followed(bybit, found)

    journal = request.journal(valid_until=valid_until(bybit), before=before)
    return Plan(VENUE, account, send, journal, reduces=found.reduces)


class Amendment:
    """A change of an order as it stood when it was read."""

    def __init__(self, category: str, terms: AmendTerms, order: Order) -> None:
        self.order = order
        self.before = changeable(order)
        self.params = given(
            category=category,
            symbol=terms.symbol,
            orderId=order.order_id,
            qty=terms.qty,
            price=terms.price,
            triggerPrice=terms.trigger_price,
            takeProfit=terms.take_profit,
            stopLoss=terms.stop_loss,
        )

    @property
    def reduces(self) -> bool:
        """Tell whether the order cannot open or grow a position."""
        return self.order.reduce_only


async def amendment(bybit: Bybit, category: str, terms: AmendTerms) -> Amendment | list[Reason]:
    """Read the order and hold the change against it; return the change, or why it is not sent."""
    field = "order_id" if terms.order_id is not None else "order_link_id"
    instrument = await instrument_of(bybit, category, terms.symbol)
    if isinstance(instrument, Reason):
        return [instrument]
    named = Named(category, terms.symbol, terms.order_id, terms.order_link_id)
    order = (await look(bybit, named)).one or (await look_back(bybit, named)).one
    if order is None or order.symbol != terms.symbol:
        return [Reason(field=field, rule="an order of this account in this category and symbol")]
    if not order.order_status.open:
        return [Reason(field=field, rule=f"an open order; this one is {order.order_status.value}")]
    found = Amendment(category, terms, order)
    if reasons := _amend_objections(terms, order, instrument):
        return reasons
    if has(order, found.params):
        return [Reason(field=field, rule="an order that is not already as asked")]
    if terms.price is not None and order.trigger_price is None:
        name = instrument.category, instrument.symbol
        band = await bybit.bounds.band_against(name, order.side.value, terms.price)
        if band is not None:
            return [rules.outside("price", order.side.value, band)]
    if terms.trigger_price is not None:
        direction, by = order.trigger_direction, order.trigger_by
        if reasons := await trigger_objections(bybit, instrument, terms.trigger_price, direction, by):
            return reasons
    if order.trigger_price is None:
        exits = terms.take_profit or None, terms.stop_loss or None
        limit = None if order.order_type == "Market" else terms.price or order.price
        if reasons := await exit_objections(bybit, instrument, order.side.value, limit, *exits):
            return reasons
    return found


def _amend_objections(terms: AmendTerms, order: Order, instrument: Instrument) -> list[Reason]:
    market = order.order_type == "Market"
    reasons: list[Reason] = []
    if terms.qty is not None:
        reasons += rules.wrong_qty("qty", terms.qty, instrument, market=market, in_quote=order.in_quote)
        if terms.qty <= order.cum_exec_qty:
            reasons.append(Reason(field="qty", rule="above what is filled already"))
    if terms.price is not None and market:
        reasons.append(Reason(field="price", rule="left out for a market order"))
    if terms.trigger_price is not None and order.trigger_price is None:
        reasons.append(Reason(field="trigger_price", rule="left out for an order without a trigger price"))
    for field in ("price", "trigger_price", "take_profit", "stop_loss"):
        price: Decimal | None = getattr(terms, field)
        if price:
            reasons += rules.off_grid(field, price, instrument)
    qty, limit = terms.qty or order.qty, terms.price or order.price
    if not reasons and limit is not None and not market and not order.reduce_only:
        reasons += rules.wrong_value("qty", qty, limit, instrument)
    return reasons


async def amendment_followed(bybit: Bybit, found: Amendment) -> Ending:
    """Follow an order until it is as asked or has ended."""
    named = Named(found.params["category"], found.params["symbol"], found.order.order_id)

    def ending_of(seen: Seen) -> Ending | None:
        return None if seen.one is None else amended(seen.one, found.params, found.before, seen.as_of)

    seen = await follow(lambda: look(bybit, named), lambda seen: ending_of(seen) is not None)
    ending = None if seen is None else ending_of(seen)
    return ending or Ending(Outcome.UNKNOWN, {"order_id": found.order.order_id}, (ACCEPTED,))


def order_is_over(refused: VenueRefused) -> bool:
    """Tell whether the venue refused because the order is not open, or not there."""
    return code_of(refused) in ORDER_NOT_FOUND | ORDER_IS_DONE
