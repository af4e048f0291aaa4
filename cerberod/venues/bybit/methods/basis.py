"""Bybit's contracts against spot: one perpetual, and the whole curve of deliveries. Needs no keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.bybit import basis as arithmetic
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.instruments import UnknownSymbol
from cerberod.venues.bybit.methods.market import fetch_instruments, read_ticker, read_tickers
from cerberod.venues.bybit.methods.series import perpetual
from cerberod.venues.bybit.methods.words import Coin, OfContract, Symbol
from cerberod.venues.bybit.wire.instruments import Instrument, Status
from cerberod.venues.bybit.wire.market import Ticker
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.instants import milliseconds

PriceSource = Literal["mid", "mark", "last"]
PRICE_SOURCE = "mid of the quotes; mark (of spot: last) where a side of the book is empty."
Settlement = Literal["USDT", "USDC", "inverse"]
_SPOT_QUOTES: dict[str, str] = {"USDT": "USDT", "USDC": "USDC", "inverse": "USDT"}


class Against(Result):
    """A price against another."""

    basis: float = Field(description="The contract's price minus the other, in its quote currency.")
    basis_pct: float = Field(description="The same in percent of the other.")


def _against(price: float, other: float | None) -> Against | None:
    if other is None:
        return None
    found = arithmetic.basis(price, other)
    return Against(basis=found.absolute, basis_pct=found.pct)


def _price(ticker: Ticker) -> tuple[float, PriceSource] | None:
    """Return what a market is worth: the mid, or what stands in for it."""
    if ticker.mid is not None:
        return ticker.mid, "mid"
    if ticker.mark_price:
        return ticker.mark_price, "mark"
    return (ticker.last_price, "last") if ticker.last_price else None


class GetBasisSpotPerp(OfContract):
    """Which perpetual, and which pair to hold it against."""

    spot_symbol: Symbol | None = Field(
        default=None,
        description="The spot pair; when left out, the base coin against USDT, of USDC contracts against USDC.",
    )


class BasisSpotPerp(Result):
    """A perpetual against spot, computed here from quotes."""

    as_of: datetime = Field(description="The earlier of the two answers' times.")
    category: Category = Field(description="The part of the venue the perpetual is in.")
    symbol: str = Field(description="The perpetual.")
    spot_symbol: str = Field(description="The spot pair.")
    perp_price: float = Field(description="Price of the perpetual.")
    perp_price_source: PriceSource = Field(description=PRICE_SOURCE)
    spot_price: float = Field(description="Price of the pair.")
    spot_price_source: PriceSource = Field(description=PRICE_SOURCE)
    mark_price: float | None = Field(description="The mark price; null where not told.")
    index_price: float | None = Field(description="The index, over many venues; null where not told.")
    against_spot: Against = Field(description="The perpetual's price against the pair's: what could be traded.")
    against_index: Against | None = Field(description="The perpetual's price against the index; null without one.")
    mark_against_index: Against | None = Field(description="Mark against index, which funding goes by; null without.")
    crossing_pct: float | None = Field(
        description="Percent earned at once by selling the perpetual at its bid and buying spot at its ask, fees not "
        "counted; null where a side is empty."
    )
    funding_rate: float | None = Field(description="The coming funding, a fraction for one interval; null if not told.")
    funding_interval_min: int | None = Field(description="Minutes of an interval; null where not told.")
    funding_apr_pct: float | None = Field(
        description="What longs pay, percent a year at this rate, not compounded: its carry; null if not told."
    )


@method("bybit.get_basis_spot_perp", cost=3)
async def get_basis_spot_perp(call: Call, params: GetBasisSpotPerp) -> BasisSpotPerp:
    """Tell what a perpetual costs above or below spot, and what its funding is.

    Computed here from both books: Bybit tells no basis of perpetuals. Inverse contracts are quoted in USD and held
    against a USDT pair unless told otherwise; the index is in the contract's own currency.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    instrument = await perpetual(bybit, category, params.symbol)
    family = "inverse" if category is Category.INVERSE else instrument.settle_coin or "USDT"
    quote = _SPOT_QUOTES.get(family, "USDT")
    spot_symbol = params.spot_symbol or instrument.base_coin + quote
    try:
        spot = await read_ticker(bybit, Category.SPOT, spot_symbol, field="spot_symbol")
    except UnknownSymbol:
        if params.spot_symbol is not None:
            raise
        rule = f"needed for this perpetual: Bybit lists no pair of its coin against {quote}"
        raise InvalidParams([{"field": "spot_symbol", "rule": rule}]) from None
    perp = await read_ticker(bybit, category, params.symbol)
    perp_price, spot_price = _price(perp), _price(spot)
    if perp_price is None or spot_price is None:
        field = "symbol" if perp_price is None else "spot_symbol"
        raise InvalidParams([{"field": field, "rule": "a market that has a price now"}])
    interval = instrument.funding_interval_min
    funded = perp.funding_rate is not None and interval is not None
    return BasisSpotPerp(
        as_of=min(perp.as_of, spot.as_of),
        category=category,
        symbol=params.symbol,
        spot_symbol=spot_symbol,
        perp_price=perp_price[0],
        perp_price_source=perp_price[1],
        spot_price=spot_price[0],
        spot_price_source=spot_price[1],
        mark_price=perp.mark_price,
        index_price=perp.index_price,
        against_spot=_sure(_against(perp_price[0], spot_price[0])),
        against_index=_against(perp_price[0], perp.index_price),
        mark_against_index=None if perp.mark_price is None else _against(perp.mark_price, perp.index_price),
        crossing_pct=None
        if perp.bid_price is None or spot.ask_price is None
        else arithmetic.basis(perp.bid_price, spot.ask_price).pct,
        funding_rate=perp.funding_rate,
        funding_interval_min=interval,
        funding_apr_pct=arithmetic.funding_carry_pct(perp.funding_rate or 0.0, interval or 1) if funded else None,
    )


def _sure(found: Against | None) -> Against:
    assert found is not None, "there is a price to hold it against"
    return found


class GetBasisTermStructure(Params):
    """Which coin, and which of its curves."""

    base_coin: Coin = Field(description="The coin.")
    settlements: Annotated[list[Settlement], Field(min_length=1, max_length=3)] = Field(
        default=["USDT", "USDC", "inverse"],
        description="Which curves: contracts settled in USDT, in USDC, or in the coin (inverse). They are never mixed.",
    )
    min_days: Annotated[float, Field(ge=0.04, le=365)] = Field(
        default=1.0, description="Leave out what is delivered sooner than this: annualising it explodes."
    )

    @field_validator("settlements")
    @classmethod
    def _each_once(cls, settlements: list[Settlement]) -> list[Settlement]:
        if len(set(settlements)) < len(settlements):
            raise PydanticCustomError("settlements", "each settlement once")
        return settlements


class DatedBasis(Result):
    """One delivery. Rates are percent a year of 365 days."""

    symbol: str = Field(description="The contract.")
    delivers_at: datetime = Field(description="Its delivery, as Bybit tells it, not read off its name.")
    days: float = Field(description="Days of 24 hours until then, at `as_of`.")
    price: float = Field(description="Its price.")
    price_source: PriceSource = Field(description=PRICE_SOURCE)
    basis: float = Field(description="Price minus the index.")
    basis_pct: float = Field(description="The same in percent of the index.")
    simple_pct: float = Field(description="basis_pct x 365 / days.")
    compound_pct: float | None = Field(description="(price / index)^(365 / days) - 1; null where it is beyond numbers.")
    log_pct: float = Field(description="ln(price / index) x 365 / days.")
    against_spot_pct: float | None = Field(description="Basis to the spot pair's mid, percent; null without one.")
    spot_simple_pct: float | None = Field(description="That x 365 / days; null without a spot pair.")
    open_interest_one_side: float | None = Field(
        description="Open interest: base coin, USD if inverse; null if not told."
    )


class PerpetualCarry(Result):
    """The perpetual of a curve: what funding makes its carry."""

    symbol: str = Field(description="The perpetual.")
    price: float = Field(description="Its price.")
    price_source: PriceSource = Field(description=PRICE_SOURCE)
    basis: float = Field(description="Price minus the index.")
    basis_pct: float = Field(description="The same in percent of the index.")
    funding_rate: float = Field(description="The coming funding, a fraction for one interval.")
    funding_interval_min: int = Field(description="Minutes of an interval.")
    funding_apr_pct: float = Field(description="What longs pay, percent a year at this rate, not compounded.")


class Roll(Result):
    """From one delivery to the next."""

    near: str = Field(description="The sooner contract.")
    far: str = Field(description="The later contract.")
    days: float = Field(description="Days between the deliveries.")
    simple_pct: float = Field(description="(far / near - 1) x 365 / days, in percent: the forward rate between them.")


class LeftOut(Result):
    """A contract that is on no curve."""

    symbol: str = Field(description="The contract.")
    reason: Literal["not_trading", "too_soon", "no_price", "no_index"] = Field(description="Why.")


class Curve(Result):
    """All deliveries of one settlement, soonest first."""

    settlement: Settlement = Field(description="What these contracts settle in.")
    index_price: float | None = Field(description="The index of the nearest contract; null without contracts.")
    spot_symbol: str = Field(description="The spot pair of `against_spot_pct`.")
    spot_price: float | None = Field(description="Mid of that pair; null where it is not listed or quoted.")
    perpetual: PerpetualCarry | None = Field(description="The perpetual; null where there is none.")
    futures: list[DatedBasis] = Field(description="The dated contracts, soonest first; empty when there are none.")
    rolls: list[Roll] = Field(description="From each delivery to the next; empty with fewer than two.")


class BasisTermStructure(Result):
    """The curves of a coin."""

    as_of: datetime = Field(description="The earliest time among the answers with the prices; days count from here.")
    base_coin: str = Field(description="The coin.")
    convention: str = Field(description="How it was reckoned.")
    requests: int = Field(description="How many requests it cost.")
    curves: list[Curve] = Field(description="One for each settlement asked for, in that order.")
    left_out: list[LeftOut] = Field(description="Contracts that are on no curve, and why; empty when all are.")


CONVENTION = (
    "against the contract's own index; price is the mid, or the mark where a side is empty; 365 days of 24 hours"
)


@dataclass(frozen=True, slots=True)
class _Listed:
    """One contract with its ticker."""

    instrument: Instrument
    ticker: Ticker | None


def settlement_of(instrument: Instrument) -> str | None:
    """Return which curve a contract belongs to. What its price is called in differs with its age; this does not."""
    return "inverse" if instrument.category is Category.INVERSE else instrument.settle_coin


@method("bybit.get_basis_term_structure", cost=20, deadline=Deadline.ANALYTICS)
async def get_basis_term_structure(call: Call, params: GetBasisTermStructure) -> BasisTermStructure:
    """Return the basis of every delivery and the carry of perpetuals, by settlement.

    Contracts settled in USDT, in USDC and in the coin are three curves: their prices are in different money.
    Annualised simple, compound and logarithmic. Deliveries are Bybit's own times.
    """
    bybit = call.use(Bybit)
    wanted = set(params.settlements)
    contracts: dict[tuple[Category, str], _Listed] = {}
    stamps: list[datetime] = []
    requests = 0
    categories = [Category.LINEAR] if wanted & {"USDT", "USDC"} else []
    categories += [Category.INVERSE] if "inverse" in wanted else []
    for category in categories:
        _, found, pages = await fetch_instruments(bybit, category, params.base_coin)
        ours = [each for each in found if each.base_coin == params.base_coin and settlement_of(each) in wanted]
        as_of, tickers = await read_tickers(bybit, category, frozenset(each.symbol for each in ours))
        by_symbol = {each.symbol: each for each in tickers}
        stamps.append(as_of)
        requests += pages + 1
        for each in ours:
            contracts[category, each.symbol] = _Listed(each, by_symbol.get(each.symbol))
    if not contracts:
        raise InvalidParams([{"field": "base_coin", "rule": "a coin that Bybit lists contracts of"}])
    pairs = {params.base_coin + _SPOT_QUOTES[settlement] for settlement in wanted}
    as_of, spots = await read_tickers(bybit, Category.SPOT, frozenset(pairs))
    stamps.append(as_of)
    now = min(stamps)
    left_out: list[LeftOut] = []
    curves = []
    for settlement in params.settlements:
        spot_symbol = params.base_coin + _SPOT_QUOTES[settlement]
        spot = next((each.mid for each in spots if each.symbol == spot_symbol), None)
        members = [each for each in contracts.values() if settlement_of(each.instrument) == settlement]
        curves.append(_curve(settlement, members, (spot_symbol, spot), now, params.min_days, left_out))
    return BasisTermStructure(
        as_of=now,
        base_coin=params.base_coin,
        convention=CONVENTION,
        requests=requests + 1,
        curves=curves,
        left_out=left_out,
    )


def _curve(
    settlement: Settlement,
    members: Iterable[_Listed],
    spot: tuple[str, float | None],
    now: datetime,
    min_days: float,
    left_out: list[LeftOut],
) -> Curve:
    carried: PerpetualCarry | None = None
    futures: list[DatedBasis] = []
    index: float | None = None
    for each in members:
        instrument, ticker = each.instrument, each.ticker
        price = None if ticker is None else _price(ticker)
        kind = instrument.contract_type
        days = _days(instrument, now)
        if instrument.status is not Status.TRADING:
            left_out.append(LeftOut(symbol=instrument.symbol, reason="not_trading"))
        elif kind is not None and kind.dated and (days is None or days < min_days):
            left_out.append(LeftOut(symbol=instrument.symbol, reason="too_soon"))
        elif ticker is None or price is None:
            left_out.append(LeftOut(symbol=instrument.symbol, reason="no_price"))
        elif ticker.index_price is None:
            left_out.append(LeftOut(symbol=instrument.symbol, reason="no_index"))
        elif kind is not None and kind.perpetual:
            carried = _perpetual(instrument, ticker, price, ticker.index_price)
            index = ticker.index_price
        elif instrument.delivers_at is not None and days is not None:
            futures.append(_dated(instrument, instrument.delivers_at, ticker, price, ticker.index_price, days, spot[1]))
            index = index or ticker.index_price
    futures.sort(key=lambda future: future.days)
    return Curve(
        settlement=settlement,
        index_price=index,
        spot_symbol=spot[0],
        spot_price=spot[1],
        perpetual=carried,
        futures=futures,
        rolls=_rolls(futures),
    )


def _days(instrument: Instrument, now: datetime) -> float | None:
    if instrument.delivers_at is None:
        return None
    return arithmetic.days_until(milliseconds(instrument.delivers_at), milliseconds(now))


def _perpetual(
    instrument: Instrument, ticker: Ticker, price: tuple[float, PriceSource], index: float
) -> PerpetualCarry:
    interval = instrument.funding_interval_min
    if ticker.funding_rate is None or interval is None:
        raise BadVenueData(VENUE, "result.list.fundingRate", "there for a perpetual, with its interval")
    found = arithmetic.basis(price[0], index)
    return PerpetualCarry(
        symbol=instrument.symbol,
        price=price[0],
        price_source=price[1],
        basis=found.absolute,
        basis_pct=found.pct,
        funding_rate=ticker.funding_rate,
        funding_interval_min=interval,
        funding_apr_pct=arithmetic.funding_carry_pct(ticker.funding_rate, interval),
    )


def _dated(
    instrument: Instrument,
    delivers_at: datetime,
    ticker: Ticker,
    price: tuple[float, PriceSource],
    index: float,
    days: float,
    spot: float | None,
) -> DatedBasis:
    found, carried = arithmetic.basis(price[0], index), arithmetic.carry(price[0], index, days)
    to_spot = None if spot is None else arithmetic.basis(price[0], spot).pct
    return DatedBasis(
        symbol=instrument.symbol,
        delivers_at=delivers_at,
        days=days,
        price=price[0],
        price_source=price[1],
        basis=found.absolute,
        basis_pct=found.pct,
        simple_pct=carried.simple_pct,
        compound_pct=carried.compound_pct,
        log_pct=carried.log_pct,
        against_spot_pct=to_spot,
        spot_simple_pct=None if to_spot is None else to_spot * arithmetic.DAYS_PER_YEAR / days,
        open_interest_one_side=ticker.open_interest_one_side,
    )


def _rolls(futures: Sequence[DatedBasis]) -> list[Roll]:
    return [
        Roll(
            near=near.symbol,
            far=far.symbol,
            days=far.days - near.days,
            simple_pct=arithmetic.roll_pct(near.price, far.price, near.days, far.days),
        )
        for near, far in pairwise(futures)
        if far.days > near.days
    ]
