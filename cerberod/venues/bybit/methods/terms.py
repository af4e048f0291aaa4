"""What the orders of all methods have in common: their words, what fits which category, what their request says.

Sends nothing. Values are checked here or denied, never adjusted.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import InvalidParams
from cerberod.rpc.registry import Params
from cerberod.trading.money import Amount, Price
from cerberod.trading.orders import Reason, WriteOutcome
from cerberod.trading.writes import Intent, Plan, WriteParams
from cerberod.venues.bybit import rules
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.instruments import UnknownSymbol
from cerberod.venues.bybit.methods.words import SYMBOL, Symbol
from cerberod.venues.bybit.wire.instruments import Instrument
from cerberod.venues.bybit.wire.orders import Order
from cerberod.venues.bybit.wire.requests import given
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.bybit.wire.words import Side as WireSide

T = TypeVar("T")

LinkId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
Side = Literal["buy", "sell"]
TimeInForce = Literal["GTC", "IOC", "FOK", "PostOnly"]
TriggerBy = Literal["LastPrice", "IndexPrice", "MarkPrice"]
PositionIdx = Literal[0, 1, 2]
BatchIntent = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,61}$")]
"""An intent with room behind it for the number of an order."""

POSITION_IDX = "Which position: 0 in one-way mode; in hedge mode 1 the long, 2 the short one."

_SPOT_ONLY = ("market_unit", "is_leverage", "order_filter")
_NOT_SPOT = ("reduce_only", "close_on_trigger", "position_idx", "trigger_direction", "trigger_by", "tpsl_mode")
_CONTRACTS_ONLY = ("trigger_price", "close_on_trigger", "take_profit", "stop_loss", "position_idx")
_NEEDS_TRIGGER = ("trigger_direction", "trigger_by", "order_filter", "close_on_trigger")


class OrderOutcome(WriteOutcome):
    """What became of an order."""

    order_id: str | None = Field(default=None, description="Bybit's id of it; null where it told none.")
    order: Order | None = Field(
        default=None, description="The order as Bybit tells it after it was processed; null while it tells nothing."
    )


class BatchOutcome(WriteOutcome):
    """What became of a request that carries several orders: see each. `confirmed` when any of them is."""

    confirmed_count: int | None = Field(default=None, description="Orders of which it was done; null if none was sent.")
    rejected_count: int | None = Field(
        default=None, description="Orders of which it was refused; null if none was sent."
    )
    unknown_count: int | None = Field(
        default=None, description="Orders of which it is not known; null if none was sent."
    )

    @model_validator(mode="before")
    @classmethod
    def _repeated_whole(cls, told: Any) -> Any:
        """Told again, its orders are told again too."""
        if not isinstance(told, dict) or not told.get("repeated"):
            return told
        return {**told, "orders": [{**order, "repeated": True} for order in told.get("orders", ())]}


class BatchParams(WriteParams):
    """Params of every request that carries several orders."""

    intent: BatchIntent | None = Field(
        default=None,
        description="Your idempotency key of the whole request; each order has one of its own beside it, which is this "
        "with `/0`, `/1` and so on behind it unless the order names another.",
    )


class OrderTerms(Params):
    """One order, without its category."""

    symbol: Symbol = Field(description=SYMBOL)
    side: Side = Field(description="Which side.")
    type: Literal["limit", "market"] = Field(default="limit", description="Type of the order.")
    qty: Amount = Field(
        description="Size as decimal text: base coin; USD in category inverse; of a spot market order what "
        "`market_unit` says.",
        json_schema_extra={"x-example": "0.001"},
    )
    market_unit: Literal["baseCoin", "quoteCoin"] | None = Field(
        default=None,
        description="Spot market orders, and needed there: whether `qty` is base coin or an amount of quote coin.",
    )
    price: Price | None = Field(
        default=None,
        validate_default=True,
        description="Limit price as decimal text, for a limit order only.",
        json_schema_extra={"x-example": "50000"},
    )
    time_in_force: TimeInForce | None = Field(
        default=None, description="How long a limit order lasts: GTC when left out. PostOnly never takes."
    )
    position_idx: PositionIdx = Field(default=0, description=POSITION_IDX)
    reduce_only: bool = Field(default=False, description="Never open or grow a position.")
    trigger_price: Price | None = Field(
        default=None, description="The price that fires a conditional order, as decimal text."
    )
    trigger_direction: Literal[1, 2] | None = Field(
        default=None,
        description="Contracts, with `trigger_price`: 1 fires when the price rises to it, 2 when it falls.",
    )
    trigger_by: TriggerBy | None = Field(
        default=None, description="Contracts: which price fires it; LastPrice when left out."
    )
    order_filter: Literal["StopOrder", "tpslOrder"] | None = Field(
        default=None,
        description="Spot, with `trigger_price`: StopOrder holds no balance until it fires, tpslOrder does. "
        "StopOrder when left out.",
    )
    close_on_trigger: bool = Field(
        default=False, description="Makes room for itself by cancelling other orders when it fires to close a position."
    )
    take_profit: Price | None = Field(default=None, description="Take profit set with it, as decimal text.")
    stop_loss: Price | None = Field(default=None, description="Stop loss set with it, as decimal text.")
    tp_trigger_by: TriggerBy | None = Field(default=None, description="Which price fires the take profit.")
    sl_trigger_by: TriggerBy | None = Field(default=None, description="Which price fires the stop loss.")
    tpsl_mode: Literal["Full", "Partial"] | None = Field(
        default=None, description="Whether they end the whole position or this order's part; Full when left out."
    )
    is_leverage: bool = Field(default=False, description="Spot: borrow for it.")

    @field_validator("price")
    @classmethod
    def _price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        kind = info.data.get("type")
        if kind == "limit" and price is None:
            raise PydanticCustomError("type", "needed for a limit order")
        if kind == "market" and price is not None:
            raise PydanticCustomError("type", "left out for a market order")
        return price

    @field_validator("time_in_force")
    @classmethod
    def _lasts(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("type") == "market":
            raise PydanticCustomError("type", "left out for a market order, which is IOC")
        return value

    @field_validator("take_profit", "stop_loss")
    @classmethod
    def _not_reducing(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if value is not None and info.data.get("reduce_only"):
            raise PydanticCustomError("reduce_only", "left out for an order that only reduces")
        return value

    @field_validator("tp_trigger_by")
    @classmethod
    def _with_take_profit(cls, value: str | None, info: ValidationInfo) -> str | None:
        return with_other("take_profit", value, info)

    @field_validator("sl_trigger_by")
    @classmethod
    def _with_stop_loss(cls, value: str | None, info: ValidationInfo) -> str | None:
        return with_other("stop_loss", value, info)

    @field_validator("tpsl_mode")
    @classmethod
    def _with_either(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("take_profit") is None and info.data.get("stop_loss") is None:
            raise PydanticCustomError("needs", "only with take_profit or stop_loss")
        return value

    @property
    def in_quote(self) -> bool:
        """Tell whether `qty` is an amount of quote coin."""
        return self.market_unit == "quoteCoin"

    @property
    def reduces(self) -> bool:
        """Tell whether it cannot open or grow a position: in hedge mode one side of each index only closes."""
        return self.reduce_only or (self.position_idx, self.side) in ((1, "sell"), (2, "buy"))


class BatchedOrder(OrderTerms):
    """One order of a batch."""

    intent: Intent | None = Field(default=None, description="Idempotency key of this order alone.")


def with_other(other: str, value: T, info: ValidationInfo) -> T:
    """Refuse a value without the one that it is about."""
    if value is not None and other in info.data and info.data[other] is None:
        raise PydanticCustomError("needs", "only with {other}", {"other": other})
    return value


def require_fitting(category: str, orders: list[OrderTerms], path: str = "") -> None:
    """Refuse orders whose params do not fit their category. `path` stands before the number of each in a batch."""
    problems = [
        {"field": f"{path}.{number}.{field}" if path else field, "rule": rule}
        for number, order in enumerate(orders)
        for field, rule in misfits(category, order)
    ]
    if problems:
        raise InvalidParams(problems)


def misfits(category: str, order: OrderTerms) -> Iterator[tuple[str, str]]:
    """Yield each field that does not fit the category or the other fields, and the rule."""
    spot = category == "spot"
    at_market = spot and order.type == "market"
    if at_market and order.market_unit is None:
        yield "market_unit", "needed for a spot market order: baseCoin or quoteCoin"
    if not at_market and order.market_unit is not None:
        yield "market_unit", "for spot market orders only"
    for name in _SPOT_ONLY[1:]:
        if not spot and getattr(order, name):
            yield name, "for category spot only"
    for name in _NOT_SPOT:
        if spot and getattr(order, name):
            yield name, "not in category spot"
    for name in _CONTRACTS_ONLY:
        if category == "option" and getattr(order, name):
            yield name, "not in category option"
    for name in _NEEDS_TRIGGER:
        if order.trigger_price is None and getattr(order, name):
            yield name, "only with trigger_price"
    if order.trigger_price is not None and category in ("linear", "inverse") and order.trigger_direction is None:
        yield "trigger_direction", "needed with trigger_price: 1 when the price rises to it, 2 when it falls"
    if spot and order.type == "market":
        for name in ("take_profit", "stop_loss"):
            if getattr(order, name) is not None:
                yield name, "in category spot for limit orders only"


def order_params(category: str, order: OrderTerms, link_id: str) -> dict[str, Any]:
    """Build what is sent for one order. What Bybit would choose by itself is always said."""
    spot, derivative = category == "spot", category in ("linear", "inverse")
    triggered = order.trigger_price is not None
    return given(
        category=category,
        symbol=order.symbol,
        side=WireSide(order.side).word,
        orderType="Market" if order.type == "market" else "Limit",
        qty=order.qty,
        marketUnit=order.market_unit,
        price=order.price,
        timeInForce="IOC" if order.type == "market" else order.time_in_force or "GTC",
        orderLinkId=link_id,
        positionIdx=order.position_idx if derivative else None,
        reduceOnly=None if spot else order.reduce_only,
        closeOnTrigger=order.close_on_trigger if derivative else None,
        triggerPrice=order.trigger_price,
        triggerDirection=order.trigger_direction,
        triggerBy=order.trigger_by or "LastPrice" if triggered and derivative else None,
        orderFilter=(order.order_filter or "StopOrder" if triggered else "Order") if spot else None,
        takeProfit=order.take_profit,
        stopLoss=order.stop_loss,
        tpTriggerBy=order.tp_trigger_by or "LastPrice" if order.take_profit is not None and derivative else None,
        slTriggerBy=order.sl_trigger_by or "LastPrice" if order.stop_loss is not None and derivative else None,
        tpslMode=order.tpsl_mode or "Full" if (order.take_profit or order.stop_loss) and derivative else None,
        isLeverage=int(order.is_leverage) if spot else None,
    )


async def instrument_of(bybit: Bybit, category: str, symbol: str) -> Instrument | Reason:
    """Return an instrument, or why there is none of this name."""
    try:
        return await bybit.instruments.get((Category(category), symbol))
    except UnknownSymbol as unknown:
        return Reason(field="symbol", rule=unknown.rule)


async def objections(bybit: Bybit, category: str, order: OrderTerms) -> list[Reason]:
    """Say why an order would be refused, as far as can be known before it is sent."""
    instrument = await instrument_of(bybit, category, order.symbol)
    if isinstance(instrument, Reason):
        return [instrument]
    return listed_objections(order, instrument) or await present_objections(bybit, order, instrument)


def listed_objections(order: OrderTerms, instrument: Instrument) -> list[Reason]:
    """Say why the instrument's own rules refuse an order."""
    market = order.type == "market"
    reasons = list(rules.not_tradable(instrument))
    reasons += rules.wrong_qty("qty", order.qty, instrument, market=market, in_quote=order.in_quote)
    for field in ("price", "trigger_price", "take_profit", "stop_loss"):
        if (price := getattr(order, field)) is not None:
            reasons += rules.off_grid(field, price, instrument)
    if order.price is not None and not order.reduces:
        reasons += rules.wrong_value("qty", order.qty, order.price, instrument)
    return reasons


async def present_objections(bybit: Bybit, order: OrderTerms, instrument: Instrument) -> list[Reason]:
    """Say why the market or the account as they are now refuse an order."""
    name = (instrument.category, instrument.symbol)
    reasons: list[Reason] = []
    reasons += await idx_objections(bybit, instrument, order.position_idx)
    if order.price is not None and order.trigger_price is None:
        band = await bybit.bounds.band_against(name, order.side, order.price)
        if band is not None:
            reasons.append(rules.outside("price", order.side, band))
    if order.trigger_price is not None:
        direction, by = order.trigger_direction, order.trigger_by or "LastPrice"
        reasons += await trigger_objections(bybit, instrument, order.trigger_price, direction, by)
    elif not order.reduces:
        exits = order.take_profit, order.stop_loss
        reasons += await exit_objections(bybit, instrument, order.side, order.price, *exits)
    return reasons


async def trigger_objections(
    bybit: Bybit, instrument: Instrument, trigger: Decimal, direction: int | None, by: str | None
) -> list[Reason]:
    """Say why a trigger would be reached already. In spot its direction follows from the price, so it never is."""
    if direction is None or by not in rules.PRICE_WORDS:
        return []
    now = (await bybit.bounds.prices_now((instrument.category, instrument.symbol))).get(by)
    if now is None:
        return []
    return list(rules.fires_at_once("trigger_price", trigger, direction == 1, by, now, instrument.tick_size))


async def exit_objections(
    bybit: Bybit,
    instrument: Instrument,
    side: str,
    limit: Decimal | None,
    take_profit: Decimal | None,
    stop_loss: Decimal | None,
) -> list[Reason]:
    """Say why Bybit would refuse the take profit or the stop loss of an order of a contract.

    It holds them against a base price of which is not told whether it is the order's own or the market's.
    """
    if instrument.category not in (Category.LINEAR, Category.INVERSE) or not (take_profit or stop_loss):
        return []
    now = await bybit.bounds.prices_now((instrument.category, instrument.symbol))
    prices = [now[by] for by in ("LastPrice", "MarkPrice") if by in now]
    if prices and limit is not None:
        prices.append(limit)
    return list(rules.wrong_side(side, take_profit, stop_loss, prices, instrument.tick_size))


async def idx_objections(bybit: Bybit, instrument: Instrument, position_idx: int) -> list[Reason]:
    """Say why a position index does not fit."""
    if rules.may_hedge(instrument):
        mode = await bybit.bounds.mode_against((instrument.category, instrument.symbol), position_idx)
        return [] if mode is None else [rules.wrong_idx("position_idx", mode)]
    if position_idx:
        return [Reason(field="position_idx", rule="0: only USDT perpetuals have a hedge mode", nearest="0")]
    return []


def denied(account: str, *reasons: Reason) -> Plan[Any]:
    """Return the plan of a write that is not sent."""
    return Plan(VENUE, account, None, denied=reasons)


async def clock_reasons(bybit: Bybit) -> tuple[Reason, ...]:
    """Say why no order can be stamped now."""
    objection = await bybit.clock_objection()
    return () if objection is None else (Reason(field="clock", rule=objection),)


def in_batch(number: int, reason: Reason) -> Reason:
    """Say of which order of a batch a reason is."""
    return reason.model_copy(update={"field": f"request.{number}.{reason.field}"})


def valid_until(bybit: Bybit) -> int:
    """Return the moment, in the venue's time, from which a write that is prepared now can no longer be taken."""
    return bybit.venue_ms() + bybit.write_over_ms
