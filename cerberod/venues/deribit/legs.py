"""Legs of a position on live quotes: which instruments, at which price, with which fee. At most two requests.

Pure but for `read_legs`. Nothing is adjusted: a leg that cannot be priced as asked is refused with what would do.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from statistics import median

from anyio.lowlevel import checkpoint

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.deribit.chain import OPTION_NAME, refusal, strike_of
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.rules import wrong_amount
from cerberod.venues.deribit.wire import market as wire
from cerberod.venues.deribit.wire.market import Instrument
from cerberod.venues.deribit.wire.summaries import Summary, summaries
from cerberod.venues.instants import milliseconds

_FUTURE_NAME = re.compile(r"^([A-Z0-9]+)(?:_([A-Z0-9]+))?-(\d{1,2}[A-Z]{3}\d{2}|PERPETUAL)$", re.ASCII)
_DAY_MS = 86_400_000


class Pricing(StrEnum):
    """At which of its prices a leg is taken to trade."""

    MID = "mid"
    MARK = "mark"
    CROSS = "cross"


class LegKind(StrEnum):
    """What a leg is."""

    CALL = "call"
    PUT = "put"
    FUTURE = "future"
    PERPETUAL = "perpetual"

    @property
    def is_option(self) -> bool:
        return self in (LegKind.CALL, LegKind.PUT)


@dataclass(frozen=True, slots=True)
class LegName:
    """An instrument's name, taken apart."""

    name: str
    kind: LegKind
    base: str
    quote: str | None
    expires_at: datetime | None
    strike: float | None

    @property
    def currency(self) -> str:
        """What it settles in, which Deribit files it under."""
        return self.quote or self.base

    @property
    def inverse(self) -> bool:
        """Whether it is paid in coin; what is linear names its currency."""
        return self.quote is None


@dataclass(frozen=True, slots=True)
class Market:
    """One leg's instrument and what its row tells of its market."""

    name: LegName
    instrument: Instrument
    row: Summary


@dataclass(frozen=True, slots=True)
class Markets:
    """The markets of all legs, of one moment."""

    as_of: datetime
    currency: str
    base: str
    spot: float
    legs: tuple[Market, ...]


def parse_legs(names: Sequence[str]) -> list[LegName]:
    """Take names apart, all of one underlying and settlement; refused before anything is asked."""
    found: list[LegName] = []
    for index, name in enumerate(names):
        field = f"legs.{index}.instrument_name"
        leg = parse_leg(name)
        if leg is None:
            raise refusal(field, "an option, a dated future or a perpetual; of a combo give its legs", "BTC-PERPETUAL")
        if found and (leg.base, leg.currency) != (found[0].base, found[0].currency):
            raise refusal(field, f"the underlying of the first leg, {found[0].base} settled in {found[0].currency}")
        found.append(leg)
    return found


def parse_leg(name: str) -> LegName | None:
    """Take one name apart; None for what can be no leg."""
    if (option := OPTION_NAME.match(name)) is not None:
        base, quote, expiry, strike, side = option.groups()
        expires_at = wire.expiry(expiry)
        kind = LegKind.CALL if side == "C" else LegKind.PUT
        return None if expires_at is None else LegName(name, kind, base, quote, expires_at, strike_of(strike))
    if (future := _FUTURE_NAME.match(name)) is not None:
        base, quote, expiry = future.groups()
        if expiry == "PERPETUAL":
            return LegName(name, LegKind.PERPETUAL, base, quote, None, None)
        expires_at = wire.expiry(expiry)
        return None if expires_at is None else LegName(name, LegKind.FUTURE, base, quote, expires_at, None)
    return None


async def read_legs(deribit: Deribit, names: Sequence[LegName]) -> Markets:
    """Read the markets of legs: one summary, and a second request for instruments that are not known yet."""
    kinds = {"option" if leg.kind.is_option else "future" for leg in names}
    asked = {"currency": names[0].currency} | ({"kind": kinds.pop()} if len(kinds) == 1 else {})
    answer = await deribit.read("public/get_book_summary_by_currency", asked)
    rows = [row for row in summaries(answer.result) if _is_of(row.name, names[0])]
    await checkpoint()
    by_name = {row.name: row for row in rows}
    as_of_ms = max((row.at_ms for row in rows), default=0)
    for index, leg in enumerate(names):
        expired = leg.expires_at is not None and milliseconds(leg.expires_at) <= as_of_ms
        if leg.name not in by_name or expired:
            rule = "listed now and not expired"
            raise refusal(f"legs.{index}.instrument_name", rule, nearest_listed(leg, rows, as_of_ms))
    told = [row.delivery_price for row in rows if row.delivery_price]
    if not told:
        raise BadVenueData(VENUE, "result.estimated_delivery_price", "a price on some row")
    instruments = await _instruments(deribit, names)
    return Markets(
        from_ms(as_of_ms),
        names[0].currency,
        names[0].base,
        median(told),
        tuple(Market(leg, instruments[leg.name], by_name[leg.name]) for leg in names),
    )


def _is_of(name: str, leg: LegName) -> bool:
    underlying = leg.base if leg.quote is None else f"{leg.base}_{leg.quote}"
    return name.startswith(underlying + "-")


async def _instruments(deribit: Deribit, names: Sequence[LegName]) -> dict[str, Instrument]:
    book = deribit.instruments
    unknown = {leg.name for leg in names if book.known(leg.name) is None}
    if len(unknown) > 1:  # all of the currency for the price of one request
        answer = await deribit.read("public/get_instruments", {"currency": names[0].currency})
        for piece in wire.instruments_in_pieces(answer.result):
            book.learn(piece)
            await checkpoint()
    return {leg.name: await book.get(leg.name) for leg in names}


def nearest_listed(leg: LegName, rows: Sequence[Summary], now_ms: int) -> str | None:
    """Return the listed instrument nearest to a leg: of its kind, by expiry, then by strike."""
    others = [parse_leg(row.name) for row in rows]
    alike = [
        each
        for each in others
        if each is not None
        and each.kind is leg.kind
        and (each.expires_at is None or milliseconds(each.expires_at) > now_ms)
    ]

    def distance(each: LegName) -> tuple[int, float]:
        days = 0
        if each.expires_at is not None and leg.expires_at is not None:
            days = abs(milliseconds(each.expires_at) - milliseconds(leg.expires_at)) // _DAY_MS
        return days, abs((each.strike or 0.0) - (leg.strike or 0.0))

    return min(alike, key=distance).name if alike else None


def price_of(market: Market, side: str, pricing: Pricing, field: str) -> float:
    """Return the price a leg is taken to trade at; refused where its book does not have it."""
    bid, ask, mark = market.row.bid, market.row.ask, market.row.mark
    if pricing is Pricing.MARK:
        if mark is None:
            raise refusal(field, "an instrument that has a mark now")
        return mark
    if bid is not None and ask is not None and bid >= ask:
        raise refusal(field, "an instrument whose book is not crossed now; or give a price, or pricing mark")
    if pricing is Pricing.MID:
        if bid is None or ask is None:
            raise refusal(field, "an instrument quoted on both sides now; or give a price, or pricing mark")
        return 0.5 * (bid + ask)
    price = ask if side == "buy" else bid
    if price is None:
        what = "offered" if side == "buy" else "bid for"
        raise refusal(field, f"an instrument that is {what} now; or give a price, or pricing mark")
    return price


def check_amounts(markets: Markets, amounts: Sequence[Decimal]) -> None:
    """Refuse amounts that could not be ordered, each with the nearest that could."""
    problems: list[dict[str, str]] = []
    for index, (market, amount) in enumerate(zip(markets.legs, amounts, strict=True)):
        for reason in wrong_amount(f"legs.{index}.amount", amount, market.instrument):
            problem = {"field": reason.field, "rule": reason.rule}
            problems.append(problem if reason.nearest is None else {**problem, "nearest": reason.nearest})
    if problems:
        raise InvalidParams(problems)
