"""The past of Bybit's markets: bars, funding, open interest, the ratio of accounts. Needs no keys."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from anyio.lowlevel import checkpoint
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Result, method
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.history import DAY_MS, fetch_bars, fetch_funding
from cerberod.venues.bybit.instruments import naming
from cerberod.venues.bybit.methods.market import read_ticker
from cerberod.venues.bybit.methods.words import (
    CONTRACTS,
    INTERVAL,
    PAGES,
    SYMBOL,
    Interval,
    OfContract,
    Symbol,
)
from cerberod.venues.bybit.paging import MOST_PAGES, Found, Listing, fetch_list
from cerberod.venues.bybit.wire import market as wire
from cerberod.venues.bybit.wire.instruments import Instrument
from cerberod.venues.bybit.wire.market import (
    AS_OF,
    AccountRatio,
    Candle,
    FundingPayment,
    OpenInterestPoint,
    PriceBar,
    PriceKind,
)
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.instants import milliseconds
from cerberod.venues.paging import check_cost
from cerberod.venues.windows import OpenWindow, Window

_PIECE = 500
"""Bars made in one go."""
DAYS_PER_YEAR = 365
_MINUTES_PER_DAY = 1440


class OfBars(Result):
    """What a series of bars says of itself."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    interval: str = Field(description=INTERVAL)
    count: int = Field(description="How many bars there are.")
    pages: int = Field(description=PAGES)
    last_is_forming: bool = Field(description="Whether the last bar had not ended yet.")


class GetHistorical(Window):
    """Bars that open within a window."""

    category: Literal["spot", "linear", "inverse"] = Field(
        description="spot, linear (USDT and USDC contracts) or inverse. Of options there are bars of the mark only."
    )
    symbol: Symbol = Field(description=SYMBOL)
    interval: Interval = Field(description=INTERVAL)


class Historical(OfBars):
    """Bars of trades in order."""

    candles: list[Candle] = Field(description="The bars, oldest first; empty when the window has no data.")


@method("bybit.get_historical", cost=5, deadline=Deadline.ANALYTICS)
async def get_historical(call: Call, params: GetHistorical) -> Historical:
    """Return candles of a window, however many pages they take.

    Bybit answers at most 1000 bars a request, newest first; they are returned oldest first without repeat. A window of
    more than 20000 bars is error -32602, which tells how many requests it would have cost.
    """
    of_bars, found = await _bars(call, params, PriceKind.LAST)
    candles: list[Candle] = []
    for began, numbers in found.items():
        candles.append(wire.candle(began, numbers))
        if len(candles) % _PIECE == 0:
            await checkpoint()  # twenty thousand bars take a while: others go in between
    return Historical(**of_bars, candles=candles)


class GetMarkPriceHistory(Window):
    """Bars of which price, within which window."""

    category: Literal["linear", "inverse", "option"] = Field(description="linear, inverse or option.")
    symbol: Symbol = Field(description=SYMBOL)
    interval: Interval = Field(description=INTERVAL)
    price: Literal["mark", "index", "premium"] = Field(
        default="mark",
        description="mark, index (not of options), or premium: what a linear perpetual's quotes are above the index, "
        "a fraction, which its funding is made of.",
    )

    @model_validator(mode="after")
    def _told(self) -> Self:
        if self.category == "option" and self.price != "mark":
            raise PydanticCustomError("price", "price mark for options: Bybit has no other bars of them")
        if self.category == "inverse" and self.price == "premium":
            raise PydanticCustomError("price", "price premium with category linear only")
        return self


class MarkPriceHistory(OfBars):
    """Bars of a price in order."""

    price: str = Field(description="Which price.")
    bars: list[PriceBar] = Field(description="The bars, oldest first; empty when the window has no data.")


@method("bybit.get_mark_price_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_mark_price_history(call: Call, params: GetMarkPriceHistory) -> MarkPriceHistory:
    """Return bars of the mark price, the index or the premium of a window.

    Nobody trades at these prices: there is no volume. Pages and bounds are those of `get_historical`; of options Bybit
    answers 500 bars a request.
    """
    of_bars, found = await _bars(call, params, PriceKind(params.price))
    bars: list[PriceBar] = []
    for began, numbers in found.items():
        bars.append(wire.price_bar(began, numbers))
        if len(bars) % _PIECE == 0:
            await checkpoint()
    return MarkPriceHistory(**of_bars, price=params.price, bars=bars)


async def _bars(
    call: Call, params: GetHistorical | GetMarkPriceHistory, kind: PriceKind
) -> tuple[dict[str, Any], dict[int, list[float]]]:
    """Read bars: the fields of `OfBars`, and the numbers of each."""
    bybit, category = call.use(Bybit), Category(params.category)
    start_ms, end_ms = milliseconds(params.start), milliseconds(params.end)
    async with naming(bybit.instruments, category, params.symbol):
        found = await fetch_bars(bybit, kind, category, params.symbol, start_ms, end_ms, params.interval)
    told = {
        "as_of": found.as_of,
        "category": category,
        "symbol": params.symbol,
        "interval": params.interval,
        "count": len(found.found),
        "pages": found.pages,
        "last_is_forming": found.last_is_forming(params.interval),
    }
    return told, found.found


class FundingRate(Result):
    """The coming funding of a perpetual. Rates are fractions; above zero longs pay shorts."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The perpetual.")
    funding_rate: float = Field(description="The rate of the interval that is under way, as it stands now.")
    funding_interval_min: int = Field(description="Minutes of an interval; not the same for every symbol.")
    next_funding_at: datetime | None = Field(description="When it is paid; null where not told.")
    funding_rate_8h: float = Field(description="The rate for 8 hours at this pace, to compare with other symbols.")
    funding_apr_pct: float = Field(description="Percent a year at this pace, 365 days, not compounded.")
    mark_price: float = Field(description="The mark price, which the payment is reckoned on.")
    index_price: float | None = Field(description="The index; null where not told.")


async def perpetual(bybit: Bybit, category: Category, symbol: str) -> Instrument:
    """Return a perpetual's instrument. Raises `InvalidParams` for what is none."""
    found = await bybit.instruments.get((category, symbol))
    if found.contract_type is None or not found.contract_type.perpetual:
        raise InvalidParams([{"field": "symbol", "rule": "a perpetual: what is delivered pays no funding"}])
    return found


@method("bybit.get_funding_rate")
async def get_funding_rate(call: Call, params: OfContract) -> FundingRate:
    """Return what a perpetual will pay next, and how often it pays.

    Bybit's rate is for one interval of 1, 2, 4 or 8 hours: the same number means eight times as much where it is paid
    every hour. The payments of the past are in `get_funding_history`.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    instrument = await perpetual(bybit, category, params.symbol)
    found = await read_ticker(bybit, category, params.symbol)
    interval = instrument.funding_interval_min or (found.funding_interval_h or 0) * 60
    if found.funding_rate is None or found.mark_price is None or not interval:
        raise BadVenueData(VENUE, "result.list.fundingRate", "there for a perpetual, with mark price and interval")
    a_day = found.funding_rate * _MINUTES_PER_DAY / interval
    return FundingRate(
        as_of=found.as_of,
        category=category,
        symbol=params.symbol,
        funding_rate=found.funding_rate,
        funding_interval_min=interval,
        next_funding_at=found.next_funding_at,
        funding_rate_8h=a_day / 3,
        funding_apr_pct=a_day * DAYS_PER_YEAR * 100,
        mark_price=found.mark_price,
        index_price=found.index_price,
    )


class GetFundingHistory(OfContract, Window):
    """Which payments of which perpetual."""


class FundingHistory(Result):
    """Payments of funding in order."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The perpetual.")
    count: int = Field(description="How many payments there are.")
    pages: int = Field(description=PAGES)
    funding_interval_min: int | None = Field(description="Minutes of an interval now; null where not told.")
    intervals_min: list[int] = Field(
        description="Minutes between payments of the window, each length once: more than one when the interval changed."
    )
    paid: float = Field(description="The sum of the rates: what a long paid, a fraction of a constant position.")
    payments: list[FundingPayment] = Field(description="The payments, oldest first; empty when the window has none.")


@method("bybit.get_funding_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_funding_history(call: Call, params: GetFundingHistory) -> FundingHistory:
    """Return every funding payment of a window.

    Bybit answers 200 a request, newest first; they are returned oldest first. A window of more than 20000 is error
    -32602, which tells how many requests it would have cost.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    instrument = await perpetual(bybit, category, params.symbol)
    interval = instrument.funding_interval_min
    found = await fetch_funding(
        bybit, category, params.symbol, milliseconds(params.start), milliseconds(params.end), interval
    )
    return FundingHistory(
        as_of=found.as_of,
        category=category,
        symbol=params.symbol,
        count=len(found.payments),
        pages=found.pages,
        funding_interval_min=interval,
        intervals_min=found.intervals_min(),
        paid=sum(payment.funding_rate for payment in found.payments),
        payments=found.payments,
    )


Period = Literal["5min", "15min", "30min", "1h", "4h", "1d"]
PERIODS_MS: dict[str, int] = {
    "5min": 300_000,
    "15min": 900_000,
    "30min": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": DAY_MS,
}
Count = Annotated[int, Field(ge=1, le=10_000)]


class OfPeriods(OpenWindow):
    """Points of a window, or the latest."""

    category: Literal["linear", "inverse"] = Field(description=CONTRACTS)
    symbol: Symbol = Field(description=SYMBOL)
    count: Count = Field(default=50, description="Most points to return, the newest of the window.")

    @model_validator(mode="after")
    def _with_an_end(self) -> Self:
        if self.start is not None and self.end is None:
            raise PydanticCustomError("window", "start goes with end")
        return self


async def _points(bybit: Bybit, params: OfPeriods, listing: Listing[Any], page: int) -> Found[Any]:
    check_cost(params.count, page * MOST_PAGES, page, "points")
    async with naming(bybit.instruments, Category(params.category), params.symbol):
        found = await fetch_list(bybit, listing, params.count)
    # Newest first, and a page may tell of what a younger one has told already.
    start_ms, end_ms = params.bounds_ms
    points = {
        milliseconds(row.at): row
        for row in found.rows
        if (start_ms or 0) <= milliseconds(row.at) and (end_ms is None or milliseconds(row.at) <= end_ms)
    }
    return Found(found.as_of, [points[at] for at in sorted(points)], found.pages, found.has_more)


def _window(params: OfPeriods) -> dict[str, int | None]:
    start_ms, end_ms = params.bounds_ms
    return {"startTime": start_ms, "endTime": end_ms}


class GetOpenInterest(OfPeriods):
    """Which contract, how often, and when."""

    interval_time: Period = Field(default="1h", description="Time from point to point.")


class OpenInterest(Result):
    """Open interest over time. Bybit's `openInterest` adds both sides up; the usual number is one side."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The contract.")
    unit: Literal["base_coin", "usd"] = Field(description="What it is counted in: USD in category inverse.")
    interval_time: str = Field(description="Time from point to point.")
    count: int = Field(description="How many points there are.")
    pages: int = Field(description=PAGES)
    has_more: bool = Field(description="Whether there may be older points, which were not read.")
    points: list[OpenInterestPoint] = Field(description="The points, oldest first; empty when there are none.")


@method("bybit.get_open_interest", cost=5, deadline=Deadline.ANALYTICS)
async def get_open_interest(call: Call, params: GetOpenInterest) -> OpenInterest:
    """Return open interest over time, for both sides and for one.

    `both_sides` is what Bybit calls openInterest: every contract counted for its long and for its short. `one_side` is
    what other venues call open interest. `start` goes with `end`; without both these are the latest points.
    """
    page = 200
    asked = {
        "category": params.category,
        "symbol": params.symbol,
        "intervalTime": params.interval_time,
        **_window(params),
    }
    listing = Listing("get_open_interest", asked, page, wire.open_interest_point)
    found = await _points(call.use(Bybit), params, listing, page)
    return OpenInterest(
        as_of=found.as_of,
        category=Category(params.category),
        symbol=params.symbol,
        unit="usd" if params.category == "inverse" else "base_coin",
        interval_time=params.interval_time,
        count=len(found.rows),
        pages=found.pages,
        has_more=found.has_more,
        points=found.rows,
    )


class GetLongShortRatio(OfPeriods):
    """Which contract, how often, and when."""

    period: Period = Field(default="1h", description="Time from point to point.")


class LongShortRatio(Result):
    """The share of accounts that were long and short over time: accounts, not money."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The contract.")
    period: str = Field(description="Time from point to point.")
    count: int = Field(description="How many points there are.")
    pages: int = Field(description=PAGES)
    has_more: bool = Field(description="Whether there may be older points, which were not read.")
    points: list[AccountRatio] = Field(description="The points, oldest first; empty when there are none.")


@method("bybit.get_long_short_ratio", cost=5, deadline=Deadline.ANALYTICS)
async def get_long_short_ratio(call: Call, params: GetLongShortRatio) -> LongShortRatio:
    """Return how many accounts were long and how many short, over time.

    It counts accounts: one whale and one minnow weigh the same. `start` goes with `end`; without both these are the
    latest points.
    """
    page = 500
    asked = {"category": params.category, "symbol": params.symbol, "period": params.period, **_window(params)}
    listing = Listing("get_long_short_ratio", asked, page, wire.account_ratio)
    found = await _points(call.use(Bybit), params, listing, page)
    return LongShortRatio(
        as_of=found.as_of,
        category=Category(params.category),
        symbol=params.symbol,
        period=params.period,
        count=len(found.rows),
        pages=found.pages,
        has_more=found.has_more,
        points=found.rows,
    )
