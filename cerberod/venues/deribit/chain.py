"""A whole option chain out of one book summary: who is in it, what was left out and why, and against which forward.

The chain's time is the newest of its rows' own stamps, never our clock. Every row keeps its own forward
(`underlying_price`); an expiry's forward is the median of its rows. Rates are zero and a year has 365 days, as Deribit
values its options. What is made of a chain is calculated elsewhere.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from statistics import median

from anyio.lowlevel import checkpoint

from cerberod.calculation.listed.chain import ListedChain
from cerberod.clock import from_ms
from cerberod.errors import BadVenueData, InvalidParams
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.market import expiry as expiry_of
from cerberod.venues.deribit.wire.market import index_price
from cerberod.venues.deribit.wire.summaries import Summary, summaries
from cerberod.venues.instants import milliseconds

OPTION_NAME = re.compile(
    r"^([A-Z0-9]+)(?:_([A-Z0-9]+))?-(\d{1,2}[A-Z]{3}\d{2})-(\d{1,12}(?:d\d{1,12})?)-([CP])$", re.ASCII
)
_DAY_MS = 86_400_000


class Source(StrEnum):
    """Where an expiry's forward comes from, by the name the venue gives it."""

    FUTURE = "future"
    SYNTHETIC = "synthetic"
    INDEX = "index"
    UNKNOWN = "unknown"


class Dropped(StrEnum):
    """Why a row of the summary is not in the chain."""

    NOT_AN_OPTION = "not_an_option"
    EXPIRED = "expired"
    NO_FORWARD = "no_forward"
    NO_VOLATILITY = "no_volatility"


@dataclass(frozen=True, slots=True)
class Option:
    """One listed option as its row tells it. Prices are in coin for inverse options, in USDC for linear ones."""

    name: str
    expiry: str
    strike: float
    is_call: bool
    row: Summary


@dataclass(frozen=True, slots=True)
class Expiry:
    """One expiry of a chain."""

    name: str
    expires_ms: int
    forward: float | None
    source: Source
    underlying_index: str | None
    days: float


@dataclass(frozen=True)
class Chain:
    """The live options of one underlying. `left_out` counts rows that are no live option of it."""

    as_of_ms: int
    currency: str
    base: str
    linear: bool
    spot: float
    spot_source: str
    expiries: tuple[Expiry, ...]
    options: tuple[Option, ...]
    left_out: Counter[Dropped]

    @property
    def as_of(self) -> datetime:
        return from_ms(self.as_of_ms)

    @cached_property
    def by_expiry(self) -> dict[str, Expiry]:
        return {each.name: each for each in self.expiries}

    def valued(self) -> tuple[list[Option], Counter[Dropped]]:
        """Return the options that have a forward and a volatility, and why the others have not."""
        dropped = Counter(self.left_out)
        kept: list[Option] = []
        for option in self.options:
            if option.row.underlying_price is None:
                dropped[Dropped.NO_FORWARD] += 1
            elif option.row.mark_iv is None:
                dropped[Dropped.NO_VOLATILITY] += 1
            else:
                kept.append(option)
        return kept, dropped

    def columns(self, options: Sequence[Option]) -> ListedChain:
        """Return options as the calculations take them. One without forward or volatility gets stand-ins."""
        here = {option.expiry for option in options}
        expiries = [each for each in self.expiries if each.name in here]
        place = {each.name: index for index, each in enumerate(expiries)}
        stand_in = [each.forward or self.spot for each in expiries]
        rows = [option.row for option in options]
        expiry = [place[option.expiry] for option in options]
        return ListedChain(
            as_of_ms=self.as_of_ms,
            spot=self.spot,
            names=[each.name for each in expiries],
            expires_ms=[each.expires_ms for each in expiries],
            forwards=stand_in,
            expiry=expiry,
            strike=[option.strike for option in options],
            is_call=[option.is_call for option in options],
            forward=[row.underlying_price or stand_in[at] for row, at in zip(rows, expiry, strict=True)],
            iv_pct=[row.mark_iv or 1.0 for row in rows],
            open_interest=[row.open_interest for row in rows],
            volume=[row.volume for row in rows],
        )

    def only(self, expiry: str | None) -> "Chain":
        """Return the chain of one expiry, or all of it. One that is not listed is refused with the nearest that is."""
        if expiry is None:
            return self
        if expiry not in self.by_expiry:
            asked = expiry_of(expiry)
            assert asked is not None, "checked with the params"
            nearest = min(self.expiries, key=lambda each: abs(each.expires_ms - milliseconds(asked)))
            raise refusal("expiry", "an expiry that is listed now and has not passed", nearest.name)
        return Chain(
            self.as_of_ms,
            self.currency,
            self.base,
            self.linear,
            self.spot,
            self.spot_source,
            (self.by_expiry[expiry],),
            tuple(option for option in self.options if option.expiry == expiry),
            self.left_out,
        )


def refusal(field: str, rule: str, nearest: str | float | None = None) -> InvalidParams:
    """Return the refusal of a parameter by what the venue lists now, with the nearest value that would pass."""
    problem = {"field": field, "rule": rule}
    return InvalidParams([problem if nearest is None else {**problem, "nearest": str(nearest)}])


def strike_of(text: str) -> float:
    """Read a strike as it stands in names; linear options write the decimal point as `d`."""
    return float(text.replace("d", "."))


def source_of(underlying_index: str | None) -> Source:
    """Read where a forward comes from."""
    if underlying_index is None:
        return Source.UNKNOWN
    if underlying_index == "index_price":
        return Source.INDEX
    if underlying_index.startswith("SYN."):
        return Source.SYNTHETIC
    return Source.FUTURE if expiry_of(underlying_index.rpartition("-")[2]) is not None else Source.UNKNOWN


def make_chain(rows: Iterable[Summary], currency: str, base: str, spot: float | None = None) -> Chain | None:
    """Return the live chain of `base` settled in `currency`; None where there is none.

    Without a `spot` it is the median of what the rows tell of the index, None too where none tells it.
    """
    linear = currency != base
    mine: list[Option] = []
    left_out: Counter[Dropped] = Counter()
    for row in rows:
        found = OPTION_NAME.match(row.name)
        if found is None:
            left_out[Dropped.NOT_AN_OPTION] += 1
            continue
        coin, quote, expiry, strike, side = found.groups()
        if coin == base and quote == (currency if linear else None):
            mine.append(Option(row.name, expiry, strike_of(strike), side == "C", row))
    if not mine:
        return None
    as_of_ms = max(option.row.at_ms for option in mine)
    times = {name: _expires_ms(name) for name in {option.expiry for option in mine}}
    live = [option for option in mine if times[option.expiry] > as_of_ms and option.strike > 0]
    if len(live) < len(mine):
        left_out[Dropped.EXPIRED] = len(mine) - len(live)
    told = [option.row.delivery_price for option in live if option.row.delivery_price]
    source = "estimated_delivery_price" if spot is None else "index"
    spot = spot or (median(told) if told else None)
    if not live or spot is None:
        return None
    return Chain(
        as_of_ms, currency, base, linear, spot, source, _expiries(live, times, as_of_ms), tuple(live), left_out
    )


def _expires_ms(name: str) -> int:
    moment = expiry_of(name)
    return 0 if moment is None else milliseconds(moment)


def _expiries(options: Iterable[Option], times: dict[str, int], as_of_ms: int) -> tuple[Expiry, ...]:
    rows: dict[str, list[Summary]] = defaultdict(list)
    for option in options:
        rows[option.expiry].append(option.row)
    found = []
    for name in sorted(rows, key=times.__getitem__):
        forwards = [row.underlying_price for row in rows[name] if row.underlying_price is not None]
        index = Counter(row.underlying_index for row in rows[name]).most_common(1)[0][0]
        forward = median(forwards) if forwards else None
        days = (times[name] - as_of_ms) / _DAY_MS
        found.append(Expiry(name, times[name], forward, source_of(index), index, days))
    return tuple(found)


async def fetch_chain(deribit: Deribit, currency: str, base: str | None) -> Chain:
    """Read a chain in one request, and in a second one where its rows do not tell the index.

    Raises `InvalidParams` for a base that has no live options there.
    """
    coin = base or currency
    answer = await deribit.read("public/get_book_summary_by_currency", {"currency": currency, "kind": "option"})
    rows = summaries(answer.result)
    await checkpoint()  # a whole chain takes some milliseconds to read and some to sort: others go in between
    return await chain_of(deribit, rows, currency, coin)


async def chain_of(deribit: Deribit, rows: Sequence[Summary], currency: str, base: str) -> Chain:
    """Make the chain of a summary that was read, asking for the index where the rows do not tell it."""
    chain = make_chain(rows, currency, base)
    if chain is not None:
        return chain
    bases = sorted({found[1] for row in rows if (found := OPTION_NAME.match(row.name)) is not None})
    if base not in bases:
        raise refusal("base", "a coin with listed options in this currency", _closest(base, bases))
    answer = await deribit.read("public/get_index_price", {"index_name": _index_name(currency, base)})
    chain = make_chain(rows, currency, base, index_price(answer.result)[0])
    if chain is None:
        raise BadVenueData(VENUE, "result", "options that have not expired")
    return chain


def _index_name(currency: str, base: str) -> str:
    return f"{base}_{'usd' if currency == base else currency}".lower()


def _closest(base: str, bases: Sequence[str]) -> str | None:
    """Return the listed coin whose name shares most with the one asked for."""
    return max(bases, key=lambda each: (len({*each} & {*base}), -abs(len(each) - len(base))), default=None)
