"""Take profit, stop loss and trailing stop of a position at Bybit: setting, changing and removing them.

The function prepares the write. "Not modified" counts as success where what stands is what was asked for.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms
from cerberod.errors import UpstreamError, VenueRefused
from cerberod.rpc.call import Call, Services
from cerberod.trading.journal import Entry
from cerberod.trading.money import Amount, Price, PriceOrZero, plain
from cerberod.trading.orders import Ending, Outcome, Reason
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams
from cerberod.venues.bybit import rules
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.finders import Asked, find_set
from cerberod.venues.bybit.following import closed_orders, open_orders
from cerberod.venues.bybit.methods.orders import forget_if_changed
from cerberod.venues.bybit.methods.positions import SettingOutcome, positions_of
from cerberod.venues.bybit.methods.terms import (
    POSITION_IDX,
    PositionIdx,
    TriggerBy,
    clock_reasons,
    denied,
    idx_objections,
    instrument_of,
    valid_until,
    with_other,
)
from cerberod.venues.bybit.methods.words import CONTRACTS, SYMBOL, ContractCategory, Symbol
from cerberod.venues.bybit.wire.account import Position
from cerberod.venues.bybit.wire.orders import Order
from cerberod.venues.bybit.wire.requests import Request, given
from cerberod.venues.bybit.wire.words import Side as WireSide
from cerberod.venues.reading import tidy


class SetTradingStop(WriteParams):
    """Where a position ends. What is left out stays as it is."""

    category: ContractCategory = Field(description=CONTRACTS)
    symbol: Symbol = Field(description=SYMBOL)
    position_idx: PositionIdx = Field(default=0, description=POSITION_IDX)
    tpsl_mode: Literal["Full", "Partial"] = Field(
        default="Full", description="Full replaces those of the whole position; Partial adds some for a part of it."
    )
    take_profit: PriceOrZero | None = Field(default=None, description="Take profit as decimal text; 0 removes it.")
    stop_loss: PriceOrZero | None = Field(
        default=None,
        description="Stop loss as decimal text; 0 removes it.",
        json_schema_extra={"x-example": "50000"},
    )
    trailing_stop: PriceOrZero | None = Field(
        default=None, description="Distance of the trailing stop as decimal text; 0 removes it."
    )
    active_price: Price | None = Field(default=None, description="Price from which the trailing stop follows.")
    tp_trigger_by: TriggerBy | None = Field(default=None, description="Which price fires the take profit.")
    sl_trigger_by: TriggerBy | None = Field(default=None, description="Which price fires the stop loss.")
    size: Amount | None = Field(
        default=None, description="Partial, and needed there: the part of the position, as decimal text."
    )
    tp_limit_price: Price | None = Field(
        default=None, description="Partial: limit price of the take profit; it fills at the market without one."
    )
    sl_limit_price: Price | None = Field(
        default=None, description="Partial: limit price of the stop loss; it fills at the market without one."
    )

    @field_validator("active_price")
    @classmethod
    def _with_trailing(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        return with_other("trailing_stop", value, info)

    @field_validator("tp_trigger_by", "tp_limit_price")
    @classmethod
    def _with_take_profit(cls, value: Any, info: ValidationInfo) -> Any:
        return with_other("take_profit", value, info)

    @field_validator("sl_trigger_by", "sl_limit_price")
    @classmethod
    def _with_stop_loss(cls, value: Any, info: ValidationInfo) -> Any:
        return with_other("stop_loss", value, info)

    @model_validator(mode="after")
    def _something_that_fits(self) -> Self:
        if self.take_profit is None and self.stop_loss is None and self.trailing_stop is None:
            raise PydanticCustomError("stop", "at least one of take_profit, stop_loss and trailing_stop")
        partial = self.tpsl_mode == "Partial"
        if partial and self.size is None:
            raise PydanticCustomError("stop", "size is needed with tpsl_mode Partial")
        if partial and (self.trailing_stop is not None or 0 in (self.take_profit, self.stop_loss)):
            raise PydanticCustomError("stop", "tpsl_mode Partial only adds: no trailing_stop, and nothing is removed")
        if not partial and (self.size or self.tp_limit_price or self.sl_limit_price):
            raise PydanticCustomError("stop", "size, tp_limit_price and sl_limit_price with tpsl_mode Partial only")
        return self


_STOPS = {"takeProfit": "take_profit", "stopLoss": "stop_loss", "trailingStop": "trailing_stop"}
_KINDS = {
    "Full": {"takeProfit": "TakeProfit", "stopLoss": "StopLoss"},
    "Partial": {"takeProfit": "PartialTakeProfit", "stopLoss": "PartialStopLoss"},
}
"""What Bybit calls the orders that it makes of them."""


async def _stops(bybit: Bybit, asked: Asked) -> Any:
    params = asked.params
    if params["tpslMode"] == "Partial":
        return await _added(bybit, params, set(asked.wire["stops_before"]))
    return await _of_position(bybit, params)


async def _of_position(bybit: Bybit, params: dict[str, Any]) -> dict[str, str] | None:
    """Return what the position has of what a request names, none where it is closed; None where no such is told."""
    held = await positions_of(bybit, params["category"], params["symbol"])
    found = next((each for each in held if each.position_idx == params["positionIdx"]), None)
    return None if found is None else _standing(found, params)


def _standing(held: Position, params: dict[str, Any]) -> dict[str, str]:
    """Return what stands of what a request names; "0" is none."""
    return {name: plain(tidy(getattr(held, own) or Decimal(0))) for name, own in _STOPS.items() if name in params}


async def _added(bybit: Bybit, params: dict[str, Any], before: set[str]) -> bool | None:
    """Tell whether the stops that were asked for have come to be beside those there were; None when only some have."""
    new = [order for order in await open_orders(bybit, _scope(params)) if order.order_id not in before]
    found = [any(_is_stop(each, params, name) for each in new) for name in _KINDS["Partial"] if name in params]
    return True if all(found) else None if any(found) else False


async def _stood(bybit: Bybit, asked: Asked) -> bool:
    """Tell whether every stop that a request would have changed is, or was, an order made or changed since.

    Bybit makes an order of each; it is told of after it has fired, or was taken away with its position.
    """
    params, since_ms = asked.params, bybit.venue_ms() - int(asked.age_s * 1000)
    old = asked.wire.get("before")
    before = old if isinstance(old, dict) else {}
    named = [
        name
        for name in _KINDS[params["tpslMode"]]
        if Decimal(params.get(name, 0)) and before.get(name) != plain(tidy(Decimal(params[name])))
    ]
    if not named:
        return False
    scope, since = _scope(params), from_ms(since_ms)
    orders = [*await open_orders(bybit, scope), *await closed_orders(bybit, scope, since_ms)]
    changed = [each for each in orders if each.updated_at >= since]
    known = set(asked.wire.get("stops_before", ()))
    new = [each for each in changed if each.order_id not in known]
    return all(any(_is_stop(each, params, name) for each in new) for name in named)


def _scope(params: dict[str, Any]) -> dict[str, Any]:
    return {"category": params["category"], "symbol": params["symbol"]}


def _is_stop(order: Order, params: dict[str, Any], name: str) -> bool:
    """Tell whether an order is one that this request makes for its take profit, or for its stop loss."""
    return (order.stop_order_type, order.position_idx, order.trigger_price) == (
        _KINDS[params["tpslMode"]][name],
        params["positionIdx"],
        Decimal(params[name]),
    )


async def find_stops(services: Services, entry: Entry) -> Ending | None:
    """See which stops stand, and which have stood."""
    return await find_set(services, entry, _stops, _stood)


@write("bybit.set_trading_stop", finder=find_stops)
async def set_trading_stop(call: Call, params: SetTradingStop) -> Plan[SettingOutcome]:
    """Set, change or remove the take profit and the stops of an open position.

    Confirmed with `changed` false when they were so already. Denied when there is no position, or when the mark price
    is past a price already. Full replaces what the whole position has; Partial adds stops for a part of it, which are
    orders of their own.
    """
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    instrument = await instrument_of(bybit, params.category, params.symbol)
    if isinstance(instrument, Reason):
        return denied(account, instrument)
    if found := await idx_objections(bybit, instrument, params.position_idx):
        return denied(account, *found)
    positions = await positions_of(bybit, params.category, params.symbol)
    held = next((each for each in positions if each.position_idx == params.position_idx and each.size), None)
    if held is None:
        return denied(account, Reason(field="symbol", rule="an instrument with an open position"))
    for field in ("take_profit", "stop_loss", "active_price", "tp_limit_price", "sl_limit_price", "trailing_stop"):
        price: Decimal | None = getattr(params, field)
        if price and field == "trailing_stop":
            found += rules.off_tick(field, price, instrument)
        elif price:
            found += rules.off_grid(field, price, instrument)
    found += _past(params, held, instrument.tick_size)
    if params.size is not None:
        found += rules.wrong_qty("size", params.size, instrument, market=True)
        if params.size > held.size:
            size = plain(held.size)
            found.append(Reason(field="size", rule=f"at most the size of the position, {size}", nearest=size))
    if found:
        return denied(account, *found)
    request = Request("set_trading_stop", _stop_params(params))
    return await _stop_plan(bybit, request, params, held)


async def _stop_plan(bybit: Bybit, request: Request, params: SetTradingStop, held: Position) -> Plan[SettingOutcome]:
    sent_params = request.params
    if params.tpsl_mode == "Partial":
        stops_before = sorted(order.order_id for order in await open_orders(bybit, _scope(sent_params)))
        found_by: dict[str, Any] = {"wanted": True, "before": False, "stops_before": stops_before}
    else:
        wanted = {name: plain(tidy(Decimal(sent_params[name]))) for name in _STOPS if name in sent_params}
        found_by = {"wanted": wanted, "before": _standing(held, sent_params)}

    async def send(sent: Sent) -> Ending:
        try:
            answer = await bybit.write(request.call, sent_params, sent)
        except VenueRefused as refused:
            forget_if_changed(bybit, sent_params, refused)
            raise
        wanted = found_by["wanted"]
        if answer.code and wanted != found_by["before"] and wanted != await _now(bybit, sent_params):
            # "Not modified" is also what Bybit answers when something is missing.
            rule = "something else than what stands, by Bybit's word; it stood otherwise when it was read"
            reason = Reason(field="venue", rule=rule)
            return Ending(Outcome.REJECTED, {"changed": False}, (reason,), str(answer.code), answer.stamp())
        return Ending(Outcome.CONFIRMED, {"changed": answer.code == 0, "stands": True}, as_of=answer.stamp())

    journal = request.journal(valid_until=valid_until(bybit), **found_by)
    return Plan(VENUE, bybit.account, send, journal, reduces=True)


async def _now(bybit: Bybit, params: dict[str, Any]) -> dict[str, str] | None:
    """Return what stands of what a request names, of stops of a whole position; None where that is not told."""
    try:
        return await _of_position(bybit, params) if params["tpslMode"] == "Full" else None
    except UpstreamError:
        return None


def _stop_params(params: SetTradingStop) -> dict[str, Any]:
    partial = params.tpsl_mode == "Partial"
    takes, stops = bool(params.take_profit), bool(params.stop_loss)
    return given(
        category=params.category,
        symbol=params.symbol,
        positionIdx=params.position_idx,
        tpslMode=params.tpsl_mode,
        takeProfit=params.take_profit,
        stopLoss=params.stop_loss,
        trailingStop=params.trailing_stop,
        activePrice=params.active_price,
        tpTriggerBy=params.tp_trigger_by or "LastPrice" if takes else None,
        slTriggerBy=params.sl_trigger_by or "LastPrice" if stops else None,
        tpSize=params.size if takes else None,
        slSize=params.size if stops else None,
        tpLimitPrice=params.tp_limit_price,
        slLimitPrice=params.sl_limit_price,
        tpOrderType=("Limit" if params.tp_limit_price else "Market") if partial and takes else None,
        slOrderType=("Limit" if params.sl_limit_price else "Market") if partial and stops else None,
    )


def _past(params: SetTradingStop, held: Position, tick: Decimal) -> Iterator[Reason]:
    """Yield the reason why a stop would fire at once: the mark price is past it already."""
    mark = held.mark_price
    if mark is None:
        return
    long = held.side is WireSide.BUY
    what = f"the mark price, for a {'long' if long else 'short'} position"
    for field, above in (("take_profit", long), ("stop_loss", not long)):
        price: Decimal | None = getattr(params, field)
        if price:
            yield from rules.not_beyond(field, price, mark, tick, what, above=above)
