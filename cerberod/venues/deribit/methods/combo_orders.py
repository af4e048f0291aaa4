"""Combo orders at Deribit: legs and one price in the caller's sense, one order on the venue's combo of them.

The venue's combo is looked for and, where there is none, made while the order is prepared: that opens a book, holds
nothing, and is the same however often it is asked for. So it needs no intent of its own: whatever ends this process, a
repeat finds the combo. It has an audit record before it goes out, and does not go out where none can be made.
Everything else that is sent goes out by the one path of all writes, as exactly one order.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import BadVenueData, UpstreamError, VenueRefused
from cerberod.rpc.call import Call, Services
from cerberod.rpc.registry import Params, Result
from cerberod.trading.auditing import record_step
from cerberod.trading.guard import Guard
from cerberod.trading.journal import Entry
from cerberod.trading.methods import Trading
from cerberod.trading.money import Amount, Quantity, plain
from cerberod.trading.orders import Ending, Reason, WriteOutcome
from cerberod.trading.placing import objection, write
from cerberod.trading.writes import Plan, Sent, order_key_of
from cerberod.venues.deribit import rules
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import TOO_MANY_COMBOS, VENUE
from cerberod.venues.deribit.finders import find_by_label, placed
from cerberod.venues.deribit.methods.terms import (
    AMOUNT,
    Expiring,
    Side,
    TimeInForce,
    denied,
    instrument_of,
    not_listed,
)
from cerberod.venues.deribit.methods.words import INSTRUMENT_NAME, InstrumentName
from cerberod.venues.deribit.packages import (
    Match,
    Package,
    account_of,
    found_in,
    is_complete,
    match,
    nearest_ratio,
    package_of,
)
from cerberod.venues.deribit.wire import account, combos
from cerberod.venues.deribit.wire import orders as wire
from cerberod.venues.deribit.wire.combos import Combo, ComboState
from cerberod.venues.deribit.wire.market import Instrument
from cerberod.venues.deribit.wire.orders import Order, Trade
from cerberod.venues.deribit.wire.reading import Fields, listed, rows
from cerberod.venues.deribit.wire.requests import Request, given, label_of

logger = logging.getLogger("cerberod.venues.deribit")

_NAME = "deribit.place_combo_order"


class PackageLeg(Params):
    """One leg of a package, in the caller's sense."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    side: Side = Field(description="What the order does with this leg.")
    amount: Amount = Field(description=AMOUNT + " All of this leg, not its share of one package.")


class PlaceComboOrder(Expiring):
    """Several instruments at one price, together or not at all."""

    legs: list[PackageLeg] = Field(
        min_length=2,
        max_length=20,
        description="What to do, each instrument once; their ratio makes the package.",
        examples=[
            [
                {"instrument_name": "BTC-25DEC26-90000-C", "side": "buy", "amount": "0.1"},
                {"instrument_name": "BTC-25DEC26-100000-C", "side": "sell", "amount": "0.1"},
            ]
        ],
    )
    price: Quantity = Field(
        examples=["0.0105"],
        description="Limit price of one package as decimal text: what the bought legs cost less what the sold ones "
        "bring, each times its share in the ratio. Above zero you pay at most so much, below zero you get at least so "
        "much.",
    )
    time_in_force: TimeInForce = Field(default="good_til_cancelled", description="How long it lasts.")
    post_only: bool = Field(default=False, description="Never take; only with good_til_cancelled.")
    reject_post_only: bool = Field(
        default=True,
        description="With `post_only`: refuse the order if it would take. False lets Deribit move the price instead.",
    )

    @field_validator("legs")
    @classmethod
    def _once(cls, legs: list[PackageLeg]) -> list[PackageLeg]:
        if len({leg.instrument_name for leg in legs}) < len(legs):
            raise PydanticCustomError("legs", "each instrument once")
        return legs

    @field_validator("post_only")
    @classmethod
    def _may_rest(cls, post_only: bool, info: ValidationInfo) -> bool:
        if post_only and info.data.get("time_in_force") != "good_til_cancelled":
            raise PydanticCustomError("type", "only with good_til_cancelled")
        return post_only


class FilledLeg(Result):
    """What one leg came to."""

    instrument_name: str = Field(description="The leg's instrument.")
    side: Literal["buy", "sell"] = Field(description="What the order does with it.")
    ratio: int = Field(description="How many of it stand in one package.")
    filled_amount: Quantity = Field(description="How much of it was filled, in the unit of its `amount`.")
    average_price: Quantity | None = Field(
        description="Average price of its fills; null while nothing filled, or where they could not be read."
    )


class PaidFee(Result):
    """Fees of all legs in one currency."""

    currency: str = Field(description="The currency.")
    amount: Quantity = Field(description="What was paid; negative is a rebate.")


class ComboOutcome(WriteOutcome):
    """What became of a combo order, in the caller's sense."""

    combo_id: str | None = Field(default=None, description="Deribit's combo of these legs.")
    combo_side: Annotated[str, StringConstraints(pattern="^(buy|sell)$")] | None = Field(
        default=None, description="`sell` where Deribit's combo has all legs the other way round, else `buy`."
    )
    amount: Quantity | None = Field(default=None, description="How many packages were ordered.")
    filled_amount: Quantity | None = Field(default=None, description="How many of them were filled.")
    average_price: Quantity | None = Field(
        default=None, description="Average price of a filled package in the caller's sense; null while nothing filled."
    )
    legs: list[FilledLeg] = Field(default=[], description="The legs, as asked; empty where no order came to be.")
    fees: list[PaidFee] = Field(default=[], description="Fees of the fills told here; empty when there were none.")
    margin: Quantity | None = Field(
        default=None, description="Margin that Deribit told beforehand; null where it tells none for this combo."
    )
    order: Order | None = Field(
        default=None, description="The order on the combo, in the combo's own sense; null where Deribit told none."
    )
    trades: list[Trade] = Field(default=[], description="Fills of the legs it had at once; later ones are not in here.")


async def find_combo_order(services: Services, entry: Entry) -> Ending | None:
    """Find the order on the combo by its label, and tell it in the caller's sense."""
    asked = _Asked.of(entry.wire)
    return None if asked is None else await find_by_label(services, entry, asked.told)


@write(_NAME, finder=find_combo_order, cost=10)
async def place_combo_order(call: Call, params: PlaceComboOrder) -> Plan[ComboOutcome]:
    """Place one order for several legs at one price, filled together.

    Deribit's combo of the legs is found, or made where there is none. It may have all signs the other way round: then
    side and price are turned, and everything told here is in your sense again. Denied, with the nearest price that
    would pass, when a leg cannot be traded, the legs are not of one underlying, Deribit has no such package, its book
    is closed, the price is off its tick or nothing that such options can be worth, or the margin is not there; of what
    only ends positions Deribit alone judges the margin. Where the combo is not there yet, `orders.check` tells the
    request that would make it, and nothing that only the combo can tell. An error names the `step` at which it came; no
    order has left then, and at most an empty book was opened, which stands in the audit as a request of this call.
    """
    deribit = call.use(Deribit)
    key = deribit.account
    if untimely := await params.untimely(deribit):
        return denied(key, untimely)
    with _step("legs"):
        instruments, reasons = await _legs(deribit, params)
    if reasons:
        return denied(key, *reasons)
    package = package_of([(leg.instrument_name, leg.side, leg.amount) for leg in params.legs])
    sized = [(each, Decimal(package.ratios[each.instrument_name])) for each in instruments]
    if reasons := list(rules.beyond_its_legs("price", params.price, sized)):
        return denied(key, *reasons)
    currency = instruments[0].currency
    label = label_of(order_key_of(call, params, key))
    making = _making(params)
    with _step("find_combo"):
        found = await _find(deribit, package, currency)
    if found is None or found[0].state is not ComboState.ACTIVE:
        guard = call.use(Guard)
        stop = guard.strictest(call.principal.environment.value, VENUE, call.principal.bot_tag)
        if stop is not None and not stop.allows(reduces=False):
            return denied(key, objection(stop))
        if call.method != _NAME:
            return Plan(VENUE, key, None, making.journal(currency=currency), client_order_id=label)
        await record_step(call.use(Trading).recorder, call, params, "create_combo", making.journal(currency=currency))
        with _step("create_combo"):
            made = await _make(deribit, making, package, instruments)
        if isinstance(made, Reason):
            return denied(key, made)
        found = made
    combo, matched = found
    with _step("combo"):
        instrument = await instrument_of(deribit, combo.combo_id)
    if instrument is None:
        return denied(key, Reason(field="legs", rule=f"a combo that trades; {combo.combo_id} is not listed yet"))
    if reasons := _objections(params, package, combo, matched, instrument):
        return denied(key, *reasons)
    request = _order_request(params, package, combo, matched, label)
    with _step("margin"):
        margin, short = await _margin(deribit, request, matched.side(), package, currency)
    if short is not None:
        return denied(key, short)
    if untimely := await params.untimely(deribit):
        return denied(key, untimely)
    request = Request(request.method, {**request.params, "valid_until": params.valid_until_ms(deribit)})
    asked = _Asked(package, matched, margin)
    return Plan(
        VENUE,
        key,
        _sending(deribit, request, label, asked),
        request.journal(currency=currency, **asked.journal()),
        client_order_id=label,
    )


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Say at which step a failure came."""
    try:
        yield
    except UpstreamError as failure:
        failure.data["step"] = name
        raise


async def _legs(deribit: Deribit, params: PlaceComboOrder) -> tuple[list[Instrument], list[Reason]]:
    """Return the instruments of the legs, and what is wrong with each."""
    instruments: list[Instrument] = []
    reasons: list[Reason] = []
    for number, leg in enumerate(params.legs):
        at = f"legs.{number}"
        instrument = await instrument_of(deribit, leg.instrument_name)
        if instrument is None:
            reasons.append(not_listed(deribit, leg.instrument_name, f"{at}.instrument_name"))
            continue
        reasons += rules.not_tradable(instrument, f"{at}.instrument_name")
        reasons += rules.wrong_amount(f"{at}.amount", leg.amount, instrument)
        if rules.is_combo(instrument):
            reasons.append(Reason(field=f"{at}.instrument_name", rule="no combo itself"))
        if instruments:
            reasons += rules.other_underlying(f"{at}.instrument_name", instrument, instruments[0])
        instruments.append(instrument)
    return instruments, reasons


async def _find(deribit: Deribit, package: Package, currency: str) -> tuple[Combo, Match] | None:
    answer = await deribit.read("public/get_combos", {"currency": currency})
    listed_ones = listed(answer.result, "result", combos.combo)
    return found_in(package, sorted(listed_ones, key=lambda each: each.state is not ComboState.ACTIVE))


def _making(params: PlaceComboOrder) -> Request:
    trades = [
        {"instrument_name": leg.instrument_name, "amount": leg.amount, "direction": leg.side} for leg in params.legs
    ]
    return Request("private/create_combo", {"trades": trades})


async def _make(
    deribit: Deribit, making: Request, package: Package, instruments: list[Instrument]
) -> tuple[Combo, Match] | Reason:
    """Have the combo made, or say why there is none. Asked for as a read is: again, after a lost connection."""
    try:
        answer = await deribit.read(making.method, making.params)
    except VenueRefused as refused:
        if refused.effect_possible:
            raise
        if refused.venue_code == str(TOO_MANY_COMBOS):
            rule = "a package that Deribit has a combo of: it has too many active ones to make another now; try later"
            return Reason(field="legs", rule=rule)
        rule = f"legs and a ratio that Deribit trades as one package; it refused these: {refused.reason}"
        return Reason(field="legs", rule=rule, nearest=nearest_ratio(package, instruments))
    combo = combos.combo(Fields(answer.result, "result"))
    matched = match(package, combo)
    if matched is None:
        raise BadVenueData(VENUE, "result.legs", "the legs that were asked for, in their ratio")
    logger.info("a combo was asked for", extra={"venue": VENUE, "combo_id": combo.combo_id})
    return combo, matched


def _objections(
    params: PlaceComboOrder, package: Package, combo: Combo, matched: Match, instrument: Instrument
) -> list[Reason]:
    if combo.state is not ComboState.ACTIVE:
        return [Reason(field="legs", rule=f"an active combo; {combo.combo_id} is {combo.state.value}")]
    reasons = list(rules.not_tradable(instrument, "legs"))
    reasons += [
        reason.model_copy(update={"nearest": None, "rule": f"packages: {reason.rule} of {combo.combo_id}"})
        for reason in rules.wrong_amount("legs", matched.amount_there(package.amount), instrument)
    ]
    for reason in rules.off_combo_grid("price", matched.price_there(params.price), instrument):
        nearest = matched.price_here(Decimal(reason.nearest)) if reason.nearest is not None else None
        reasons.append(reason.model_copy(update={"nearest": None if nearest is None else plain(nearest)}))
    return reasons


def _order_request(params: PlaceComboOrder, package: Package, combo: Combo, matched: Match, label: str) -> Request:
    return Request(
        f"private/{matched.side()}",
        given(
            instrument_name=combo.combo_id,
            amount=matched.amount_there(package.amount),
            type="limit",
            label=label,
            price=matched.price_there(params.price),
            time_in_force=params.time_in_force,
            post_only=params.post_only,
            reject_post_only=params.post_only and params.reject_post_only,
            reduce_only=False,
        ),
    )


async def _margin(
    deribit: Deribit, request: Request, side: str, package: Package, currency: str
) -> tuple[Decimal | None, Reason | None]:
    """Return the margin that the venue tells, and a reason where the account has not got it.

    A venue that tells none for this combo is no reason: it checks again when the order arrives. Nor is an account short
    of margin one against a package that needs none, or that only ends positions: it may be the way out.
    """
    asked = {name: request.params[name] for name in ("instrument_name", "amount", "price")}
    try:
        needed = account.margins((await deribit.read("private/get_margins", asked)).result)[side]
    except VenueRefused as refused:
        if refused.effect_possible:
            raise
        return None, None
    answer = await deribit.read("private/get_account_summary", {"currency": currency})
    available = account.account_summary(answer.result, answer.as_of).available_funds
    if needed <= max(available, Decimal(0)) or await _only_ends(deribit, package, currency):
        return needed, None
    rule = f"margin that the account has: this needs {plain(needed)} {currency}, {plain(available)} is available"
    return needed, Reason(field="legs", rule=rule)


async def _only_ends(deribit: Deribit, package: Package, currency: str) -> bool:
    """Tell whether every leg is against a position at least as large."""
    answer = await deribit.read("private/get_positions", {"currency": currency})
    held = {each.instrument_name: each.size for each in listed(answer.result, "result", account.position)}
    return all(
        held.get(name, Decimal(0)) * ratio < 0 and abs(held[name]) >= abs(ratio) * package.amount
        for name, ratio in package.ratios.items()
    )


class _Asked:
    """What a combo order was about, as its journal entry keeps it and as its outcome is told."""

    def __init__(self, package: Package, matched: Match, margin: Decimal | None) -> None:
        self.package = package
        self.matched = matched
        self.margin = margin

    def journal(self) -> dict[str, Any]:
        """Return it as plain JSON, beside the request."""
        return {
            "package": {
                "ratios": dict(self.package.ratios),
                "amount": plain(self.package.amount),
                "inverted": self.matched.inverted,
                "multiple": plain(self.matched.multiple),
            },
            "margin": None if self.margin is None else plain(self.margin),
        }

    @classmethod
    def of(cls, journaled: Any) -> "_Asked | None":
        """Read it back; None for an entry that has none."""
        told = journaled.get("package")
        if not isinstance(told, dict):
            return None
        margin = journaled.get("margin")
        return cls(
            Package(dict(told["ratios"]), Decimal(told["amount"])),
            Match(inverted=told["inverted"], multiple=Decimal(told["multiple"])),
            None if margin is None else Decimal(margin),
        )

    def told(self, order: Order, trades: Sequence[Trade], as_of: datetime | None) -> Ending:
        """Tell the order in the caller's sense."""
        fills = [trade for trade in trades if trade.instrument_name in self.package.ratios]
        ending = placed(order, fills, as_of)
        detail = {
            **ending.detail,
            **account_of(self.package, self.matched, order, fills),
            "margin": None if self.margin is None else plain(self.margin),
        }
        return Ending(ending.outcome, detail, ending.reasons, as_of=as_of)


def _sending(deribit: Deribit, request: Request, label: str, asked: _Asked) -> Callable[[Sent], Awaitable[Ending]]:
    async def send(sent: Sent) -> Ending:
        answer = await deribit.write(request.method, request.params, sent)
        order, fills = wire.placed(answer.result)
        wanted = (label, request.params["instrument_name"], asked.matched.side())
        if (order.label, order.instrument_name, order.direction.value) != wanted:
            raise BadVenueData(VENUE, "result.order", "the order that was placed")
        if not is_complete(asked.package, asked.matched, order, fills):
            fills = await _fills(deribit, order) or fills
        return asked.told(order, fills, answer.as_of)

    return send


async def _fills(deribit: Deribit, order: Order) -> list[Trade]:
    """Read the fills of the legs that the answer did not tell; without them the order is confirmed all the same."""
    try:
        answer = await deribit.read("private/get_user_trades_by_order", {"order_id": order.order_id}, urgent=True)
        return wire.fills(rows(answer.result, "result"))
    except UpstreamError:
        return []
