"""Closing a position at Bybit, and the settings of positions. Each function prepares one write.

A position is closed by a reduce-only order of our own, which is found again by its link id. A setting that is already
as asked counts as success. Nothing is ever adjusted.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms
from cerberod.errors import VenueRefused
from cerberod.rpc.call import Call, Services
from cerberod.trading.journal import Entry
from cerberod.trading.money import Amount, Price, plain
from cerberod.trading.orders import Ending, Outcome, Reason, WriteOutcome
from cerberod.trading.placing import write
from cerberod.trading.writes import Plan, Sent, WriteParams, order_key_of
from cerberod.venues.bybit import rules
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.finders import Asked, find_placed, find_set
from cerberod.venues.bybit.methods.orders import placing
from cerberod.venues.bybit.methods.terms import (
    POSITION_IDX,
    OrderOutcome,
    OrderTerms,
    PositionIdx,
    TimeInForce,
    clock_reasons,
    denied,
    instrument_of,
    listed_objections,
    order_params,
    present_objections,
    valid_until,
)
from cerberod.venues.bybit.methods.words import CONTRACTS, SYMBOL, ContractCategory, Symbol
from cerberod.venues.bybit.wire.account import MarginMode, Position, account_info, position
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.requests import Request, given, link_of
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.bybit.wire.words import Side as WireSide
from cerberod.venues.reading import tidy

_HEDGE = 3
"""What Bybit calls hedge mode."""


async def positions_of(bybit: Bybit, category: str, symbol: str) -> list[Position]:
    """Return the positions of one instrument, flat ones of contracts among them."""
    answer = await bybit.read("get_positions", category=category, symbol=symbol)
    rows = Fields(answer.result, "result").objects("list")
    return [found for row in rows if (found := position(row, Category(category))).symbol == symbol]


class ClosePosition(WriteParams):
    """Which position to close, and how."""

    category: Literal["linear", "inverse", "option"] = Field(description="linear, inverse or option.")
    symbol: Symbol = Field(description=SYMBOL)
    position_idx: PositionIdx | None = Field(
        default=None, description=POSITION_IDX + " The one that is open when left out."
    )
    qty: Amount | None = Field(
        default=None, description="Part of the position as decimal text, in the unit of its size; all when left out."
    )
    type: Literal["limit", "market"] = Field(default="market", description="Type of the order.")
    price: Price | None = Field(
        default=None, validate_default=True, description="Limit price as decimal text, for a limit order only."
    )
    time_in_force: TimeInForce | None = Field(
        default=None, description="How long a limit order lasts: GTC when left out. Not for market."
    )

    @field_validator("price")
    @classmethod
    def _price_fits(cls, price: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if info.data.get("type") == "limit" and price is None:
            raise PydanticCustomError("type", "needed for a limit order")
        if info.data.get("type") == "market" and price is not None:
            raise PydanticCustomError("type", "left out for a market order")
        return price

    @field_validator("time_in_force")
    @classmethod
    def _lasts(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("type") == "market":
            raise PydanticCustomError("type", "left out for a market order")
        return value


@write("bybit.close_position", finder=find_placed)
async def close_position(call: Call, params: ClosePosition) -> Plan[OrderOutcome]:
    """Close a position, or a part of it, by one reduce-only order of our own.

    The side and, unless `qty` is given, the size are read off the position. Denied when there is none, when it is
    smaller than `qty`, or when both positions of hedge mode are open and `position_idx` names none. The order is
    followed as by `bybit.place_order`: what the book does not hold stays open, see `order.cum_exec_qty`.
    """
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    instrument = await instrument_of(bybit, params.category, params.symbol)
    if isinstance(instrument, Reason):
        return denied(account, instrument)
    held = await positions_of(bybit, params.category, params.symbol)
    found = [each for each in held if each.size and params.position_idx in (None, each.position_idx)]
    if not found:
        return denied(account, Reason(field="symbol", rule="an instrument with an open position"))
    if len(found) > 1:
        return denied(account, Reason(field="position_idx", rule="1 or 2: both positions are open"))
    closed = found[0]
    order = OrderTerms(
        symbol=params.symbol,
        side="sell" if closed.side is WireSide.BUY else "buy",
        type=params.type,
        qty=closed.size if params.qty is None else params.qty,
        price=params.price,
        time_in_force=params.time_in_force,
        position_idx=_idx(closed),
        reduce_only=True,
    )
    # Of the whole of a position the venue itself makes several orders where it is more than one may be.
    reasons_found = listed_objections(order, instrument) if params.qty else list(rules.not_tradable(instrument))
    if params.price is not None and not params.qty:
        reasons_found += rules.off_grid("price", params.price, instrument)
    if order.qty > closed.size:
        reasons_found = _tightest(reasons_found, closed.size)
    if reasons_found := reasons_found or await present_objections(bybit, order, instrument):
        return denied(account, *reasons_found)
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    link_id = link_of(order_key_of(call, params, account))
    request = Request("place_order", order_params(params.category, order, link_id))
    journal = request.journal(valid_until=valid_until(bybit))
    return Plan(VENUE, account, placing(bybit, request), journal, client_order_id=link_id, reduces=True)


def _tightest(reasons: list[Reason], size: Decimal) -> list[Reason]:
    """Say of a quantity above the position's size one thing: the bound that leaves the least to close at once."""
    told = plain(size)
    bounds = [Reason(field="qty", rule=f"at most the size of the position, {told}", nearest=told)]
    bounds += [each for each in reasons if each.field == "qty" and each.nearest is not None]
    others = [each for each in reasons if each.field != "qty"]
    return [*others, min(bounds, key=lambda each: Decimal(each.nearest or 0))]


def _idx(held: Position) -> PositionIdx:
    match held.position_idx:
        case 1:
            return 1
        case 2:
            return 2
        case _:
            return 0


# -- settings --------------------------------------------------------------------------------------------------------


class SettingOutcome(WriteOutcome):
    """What became of a setting.

    Where the answer was lost it is read back: `confirmed` when it stands or has left a trace of having stood, and, once
    the request can no longer be taken, `rejected` when it does not stand.
    """

    changed: bool | None = Field(
        default=None, description="False when it was already as asked; null when only its being so could be proved."
    )
    stands: bool | None = Field(
        default=None,
        description="Whether it stood as asked when Bybit was last asked: false when something else was set over it, "
        "or its position is closed; null when that is not known.",
    )


def _setting(bybit: Bybit, request: Request) -> Callable[[Sent], Awaitable[Ending]]:
    """Return what sends a setting once. "Not modified" is an answer like success."""

    async def send(sent: Sent) -> Ending:
        answer = await bybit.write(request.call, request.params, sent)
        return Ending(Outcome.CONFIRMED, {"changed": answer.code == 0, "stands": True}, as_of=answer.stamp())

    return send


class SetLeverage(WriteParams):
    """How much a contract may be levered."""

    category: ContractCategory = Field(description=CONTRACTS)
    symbol: Symbol = Field(description=SYMBOL)
    buy_leverage: Amount = Field(description="Leverage of the long side as decimal text.")
    sell_leverage: Amount | None = Field(
        default=None,
        description="Leverage of the short side; `buy_leverage` when left out. In one-way mode and in cross margin "
        "the two are the same.",
    )


async def _leverage(bybit: Bybit, asked: Asked) -> list[str]:
    return _levers(await positions_of(bybit, asked.params["category"], asked.params["symbol"]))


def _levers(held: list[Position]) -> list[str]:
    """Return the leverage of the long and of the short side."""
    by_idx = {each.position_idx: plain(tidy(each.leverage or Decimal(0))) for each in held}
    return [by_idx[0]] * 2 if 0 in by_idx else [by_idx.get(1, "0"), by_idx.get(2, "0")]


async def find_leverage(services: Services, entry: Entry) -> Ending | None:
    """See what leverage stands."""
    return await find_set(services, entry, _leverage)


@write("bybit.set_leverage", finder=find_leverage)
async def set_leverage(call: Call, params: SetLeverage) -> Plan[SettingOutcome]:
    """Set the leverage of a contract.

    Confirmed with `changed` false when it was so already. Denied, with the nearest value that would pass, when it is
    outside the contract's bounds or off its step, or when the sides differ in one-way mode or in cross margin; what a
    position's risk tier allows is Bybit's to say.
    """
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    instrument = await instrument_of(bybit, params.category, params.symbol)
    if isinstance(instrument, Reason):
        return denied(account, instrument)
    sell = params.buy_leverage if params.sell_leverage is None else params.sell_leverage
    found = list(rules.wrong_leverage("buy_leverage", params.buy_leverage, instrument))
    if params.sell_leverage is not None:
        found += rules.wrong_leverage("sell_leverage", params.sell_leverage, instrument)
    if found:
        return denied(account, *found)
    held = await positions_of(bybit, params.category, params.symbol)
    before = _levers(held)
    if sell != params.buy_leverage and held and (why := await _one_leverage(bybit, held)):
        rule, nearest = f"the same as buy_leverage: {why}", plain(tidy(params.buy_leverage))
        return denied(account, Reason(field="sell_leverage", rule=rule, nearest=nearest))
    request = Request(
        "set_leverage",
        given(category=params.category, symbol=params.symbol, buyLeverage=params.buy_leverage, sellLeverage=sell),
    )
    wanted = [plain(tidy(params.buy_leverage)), plain(tidy(sell))]
    journal = request.journal(valid_until=valid_until(bybit), wanted=wanted, before=before)
    return Plan(VENUE, account, _setting(bybit, request), journal)


async def _one_leverage(bybit: Bybit, held: list[Position]) -> str | None:
    """Say why both sides have one leverage; None when each may have its own."""
    if not _mode_of(held):
        return "the symbol is in one-way mode"
    answer = await bybit.read("get_account_info")
    info = account_info(answer.result, from_ms(bybit.venue_ms()))
    return "the account is in cross margin" if info.margin_mode is MarginMode.CROSS else None


class SwitchPositionMode(WriteParams):
    """How a contract is held."""

    symbol: Symbol = Field(description="A USDT perpetual of category linear: only these have a hedge mode.")
    mode: Literal[0, 3] = Field(description="0 one-way mode, 3 hedge mode: a long beside a short position.")


async def _mode(bybit: Bybit, asked: Asked) -> int:
    return _mode_of(await positions_of(bybit, "linear", asked.params["symbol"]))


def _mode_of(held: list[Position]) -> int:
    return _HEDGE if any(each.position_idx for each in held) else 0


async def find_mode(services: Services, entry: Entry) -> Ending | None:
    """See which mode stands."""
    return await find_set(services, entry, _mode)


@write("bybit.switch_position_mode", finder=find_mode)
async def switch_position_mode(call: Call, params: SwitchPositionMode) -> Plan[SettingOutcome]:
    """Switch a USDT perpetual between one-way and hedge mode.

    Confirmed with `changed` false when it was so already. Denied when the symbol has no hedge mode or a position is
    open; rejected when orders are. One symbol at a time: for a whole coin Bybit leaves out in silence what cannot be
    switched.
    """
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    instrument = await instrument_of(bybit, "linear", params.symbol)
    if isinstance(instrument, Reason):
        return denied(account, instrument)
    if not rules.may_hedge(instrument):
        return denied(account, Reason(field="symbol", rule="a USDT perpetual: only these have a hedge mode"))
    held = await positions_of(bybit, "linear", params.symbol)
    before = _mode_of(held)
    if before != params.mode and any(each.size for each in held):
        return denied(account, Reason(field="symbol", rule="an instrument without an open position"))
    request = Request("switch_position_mode", given(category="linear", symbol=params.symbol, mode=params.mode))
    send_setting, name = _setting(bybit, request), (Category.LINEAR, params.symbol)

    async def send(sent: Sent) -> Ending:
        bybit.bounds.forget(name)
        try:
            return await send_setting(sent)
        finally:
            bybit.bounds.forget(name)

    journal = request.journal(valid_until=valid_until(bybit), wanted=params.mode, before=before)
    return Plan(VENUE, account, send, journal)


class SetDisconnectProtection(WriteParams):
    """What happens when the connection of the private stream is lost."""

    time_window: Annotated[int, Field(ge=3, le=300)] = Field(
        description="Seconds without a private stream after which Bybit cancels the orders.", examples=[30]
    )
    product: Literal["OPTIONS", "DERIVATIVES", "SPOT"] = Field(description="Whose orders.")


async def _window(bybit: Bybit, asked: Asked) -> int:
    return await _window_of(bybit, str(asked.params["product"]))


async def _window_of(bybit: Bybit, product: str) -> int:
    """Return the window of a product in seconds; 0 where there is no protection."""
    answer = await bybit.read("query_dcp_info")
    for row in Fields(answer.result, "result").objects("dcpInfos"):
        if row.get("product") == product and row.get("dcpStatus") == "ON":
            return row.whole("timeWindow")
    return 0


async def find_window(services: Services, entry: Entry) -> Ending | None:
    """See which protection stands."""
    return await find_set(services, entry, _window)


@write("bybit.set_disconnect_protection", finder=find_window)
async def set_disconnect_protection(call: Call, params: SetDisconnectProtection) -> Plan[SettingOutcome]:
    """Have Bybit cancel the orders of a product when its private stream is lost.

    Offered by Bybit to institutional clients; others are rejected. This daemon keeps no private stream: the window is
    watched over whatever stream the account has open.
    """
    bybit = call.use(Bybit)
    account = bybit.account
    if reasons := await clock_reasons(bybit):
        return denied(account, *reasons)
    before: int | None
    try:
        before = await _window_of(bybit, params.product)
    except VenueRefused:
        before = None  # who may not ask may not set either, which is Bybit's to say
    request = Request("set_dcp", given(timeWindow=params.time_window, product=params.product))
    journal = request.journal(valid_until=valid_until(bybit), wanted=params.time_window, before=before)
    return Plan(VENUE, account, _setting(bybit, request), journal, reduces=True)
