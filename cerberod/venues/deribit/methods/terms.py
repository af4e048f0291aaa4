"""What the orders of all methods have in common: their words, how long they may take, what becomes of them.

Prepares no write itself. Values are checked here or denied, never adjusted.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms, iso
from cerberod.errors import BadVenueData, VenueRefused
from cerberod.trading.orders import Ending, Reason, WriteOutcome
from cerberod.trading.writes import Plan, Sent, WriteParams
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import INSTRUMENT_CHANGED, VENUE
from cerberod.venues.deribit.finders import Tell, placed
from cerberod.venues.deribit.wire import combos, market
from cerberod.venues.deribit.wire import orders as wire
from cerberod.venues.deribit.wire.market import Instrument, Kind, Ticker
from cerberod.venues.deribit.wire.orders import Order, Trade
from cerberod.venues.deribit.wire.reading import Fields
from cerberod.venues.deribit.wire.requests import Request, until_ms
from cerberod.venues.instants import Instant

T = TypeVar("T")

Side = Literal["buy", "sell"]
TriggerBy = Literal["index_price", "mark_price", "last_price"]
TimeInForce = Literal["good_til_cancelled", "good_til_day", "fill_or_kill", "immediate_or_cancel"]

SIDE = "Which side."
AMOUNT = "Size as decimal text: USD for inverse futures, base coin for options, linear and spot."

LIMITED = frozenset({"limit", "stop_limit", "take_limit"})
"""Types with a price of their own."""
AT_MARKET = frozenset({"market", "stop_market", "take_market", "trailing_stop"})
"""Types that fill at whatever the book has; Deribit refuses a time in force for them."""
TRIGGERED = frozenset({"stop_limit", "stop_market", "take_limit", "take_market", "trailing_stop"})
"""Types that wait for a trigger."""

_OPPOSITE: dict[str, Side] = {"buy": "sell", "sell": "buy"}


class OrderOutcome(WriteOutcome):
    """What became of an order."""

    order: Order | None = Field(default=None, description="The order as Deribit told it; null where it told none.")
    trades: list[Trade] = Field(default=[], description="Fills it had at once; later ones are not in here.")


class Expiring(WriteParams):
    """Params of a write that the venue must not begin with too late."""

    valid_for_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = Field(
        default=None,
        description="How long Deribit may take to begin with it, in milliseconds from now on; later it does nothing. "
        "Left out, as long as the call may take. An outcome that is not known can end as rejected only when this has "
        "passed.",
    )
    valid_until: Instant | None = Field(
        default=None,
        description="The same as a moment of Deribit's own time to come, ISO 8601 with zone; then no `valid_for_ms`.",
    )

    @field_validator("valid_until")
    @classmethod
    def _one_expiry(cls, moment: datetime | None, info: ValidationInfo) -> datetime | None:
        if moment is not None and info.data.get("valid_for_ms") is not None:
            raise PydanticCustomError("expiry", "left out where valid_for_ms is given")
        return moment

    async def untimely(self, deribit: Deribit) -> Reason | None:
        """Say why it cannot be stamped in the venue's time now, or is too late by it. As `Deribit.clock_objection`."""
        if objection := await deribit.clock_objection():
            return Reason(field="clock", rule=objection)
        now_ms = deribit.venue_ms()
        if self.valid_until is not None and until_ms(self.valid_until) <= now_ms:
            rule = f"later than the present time of the venue, {iso(from_ms(now_ms))}"
            return Reason(field="valid_until", rule=rule)
        return None

    def valid_until_ms(self, deribit: Deribit) -> int:
        """Say in the venue's time when it must do nothing any more; its not being found proves something then."""
        if self.valid_until is not None:
            return until_ms(self.valid_until)
        return deribit.venue_ms() + (deribit.write_valid_ms if self.valid_for_ms is None else self.valid_for_ms)


def opposite(side: str) -> Side:
    """Return the other side of the book."""
    return _OPPOSITE[side]


def fits(value: T, info: ValidationInfo, types: frozenset[str]) -> T:
    """Demand a value for some order types and refuse it for all others. An invalid type is told on its own."""
    kind = info.data.get("type")
    if kind is None:
        return value
    if value is None and kind in types:
        raise PydanticCustomError("type", "needed for this type of order")
    if value is not None and kind not in types:
        raise PydanticCustomError("type", "left out for this type of order")
    return value


def denied(account: str, *reasons: Reason) -> Plan[Any]:
    """Return the plan of a write that is not sent."""
    return Plan(VENUE, account, None, denied=reasons)


def answered(
    deribit: Deribit, request: Request, label: str, tell: Tell = placed
) -> Callable[[Sent], Awaitable[Ending]]:
    """Return what sends an order once and reads the answer, which must be about this very order."""

    async def send(sent: Sent) -> Ending:
        answer = await deribit.write(request.method, request.params, sent)
        order, trades = wire.placed(answer.result)
        asked = (label, request.params["instrument_name"], request.method.removeprefix("private/"))
        if (order.label, order.instrument_name, order.direction.value) != asked:
            raise BadVenueData(VENUE, "result.order", "the order that was placed")
        return tell(order, trades, answer.as_of)

    return send


async def instrument_of(deribit: Deribit, name: str) -> Instrument | None:
    """Return an instrument, or None when the venue says that there is none of this name.

    What is remembered of one whose expiry has passed is not believed: the venue is asked for its state.
    """
    try:
        instrument = await deribit.instruments.get(name)
        if instrument.expires_at is not None and instrument.expires_at <= from_ms(deribit.venue_ms()):
            deribit.instruments.forget(name)
            instrument = await deribit.instruments.get(name)
        return instrument
    except VenueRefused as refused:
        if int(refused.venue_code) in INSTRUMENT_CHANGED:
            return None
        raise


def not_listed(deribit: Deribit, name: str, field: str = "instrument_name") -> Reason:
    """Say why a name that the venue does not know cannot be traded: it may have been one that has expired."""
    expiry = next((found for part in name.split("-")[1:] if (found := market.expiry(part)) is not None), None)
    if expiry is not None and expiry <= from_ms(deribit.venue_ms()):
        return Reason(field=field, rule=f"an instrument that has not expired; this one did at {iso(expiry)}")
    return Reason(field=field, rule="an instrument of this venue")


async def ticker_of(deribit: Deribit, instrument_name: str) -> Ticker:
    """Return what a market looks like now."""
    return market.ticker((await deribit.read("public/ticker", {"instrument_name": instrument_name})).result)


async def package_objections(deribit: Deribit, instrument: Instrument, price: Decimal | None) -> list[Reason]:
    """Say why no package of a combo's legs can be worth a price. What the venue does not tell of them is left to it."""
    if price is None or instrument.kind is not Kind.OPTION_COMBO:
        return []
    try:
        answer = await deribit.read("public/get_combo_details", {"combo_id": instrument.instrument_name})
    except VenueRefused:
        return []
    sized = []
    for leg in combos.combo(Fields(answer.result, "result")).legs:
        found = await instrument_of(deribit, leg.instrument_name)
        if found is None:
            return []
        sized.append((found, leg.amount))
    return list(rules.beyond_its_legs("price", price, sized))


async def trigger_objections(
    deribit: Deribit,
    instrument: Instrument,
    side: str,
    order_type: str,
    trigger: str | None,
    trigger_price: Decimal | None,
    field: str = "trigger_price",
) -> list[Reason]:
    """Say why a trigger would not wait: the market is on its other side already."""
    if trigger_price is None or trigger is None or not rules.trigger_has_a_side(instrument, trigger):
        return []
    ticker = await ticker_of(deribit, instrument.instrument_name)
    price: float | None = getattr(ticker, trigger)
    if not price:
        return []
    takes = order_type.startswith("take")
    reference = Decimal(repr(price))
    word = trigger.replace("_", " ")
    return list(
        rules.wrong_side(
            field, trigger_price, side, reference, instrument, takes=takes, trigger=trigger, against=f"the {word}"
        )
    )
