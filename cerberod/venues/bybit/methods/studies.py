"""Analytics of one instrument on Bybit: its order book and its bars."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cerberod.calculation.methods import books as told
from cerberod.calculation.service import Calculation
from cerberod.clock import from_ms
from cerberod.errors import InvalidParams
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.history import INTERVALS, bar_end, fetch_bars
from cerberod.venues.bybit.instruments import naming
from cerberod.venues.bybit.methods.market import check_depth, read_book
from cerberod.venues.bybit.methods.words import INTERVAL, SYMBOL, Interval, OfSymbol, Symbol
from cerberod.venues.bybit.wire.market import PriceKind
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.calculating import calculated
from cerberod.venues.indicators import Indicator, IndicatorLines, bars_before, calculate

MOST_BARS = 5_000
"""Bars of five requests."""
_COLUMNS = ("open", "high", "low", "close", "volume")


def refusal(field: str, rule: str) -> InvalidParams:
    """Return the refusal of a parameter by what the venue has now."""
    return InvalidParams([{"field": field, "rule": rule}])


class GetImbalance(OfSymbol):
    """Which book, and what to ask of it."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=25, description="Levels of each side to read: up to 1000, of options up to 25."
    )
    levels: Annotated[int, Field(ge=1, le=1_000)] = Field(default=10, description="Imbalance of the best 1 … so many.")
    depths_bps: Annotated[list[told.Bps], Field(min_length=1, max_length=50)] = Field(
        default=[10.0, 25.0, 50.0, 100.0], description="Imbalance within each distance of the mid, in basis points."
    )
    size: Annotated[float, Field(gt=0, le=1e15)] | None = Field(
        default=None, description="A size, in the book's unit, to tell the cost of taking at once, bought and sold."
    )

    @model_validator(mode="after")
    def _depth(self) -> Self:
        check_depth(self.category, self.limit)
        return self


class BookImbalance(told.Imbalance):
    """What the book says."""

    as_of: datetime = Field(description="The venue's time of the book.")
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    size_unit: Literal["usd", "base_coin"] = Field(description="What sizes are in: USD in category inverse.")


@method("bybit.get_orderbook_imbalance", cost=2, deadline=Deadline.ANALYTICS)
async def get_orderbook_imbalance(call: Call, params: GetImbalance) -> BookImbalance:
    """Return imbalance by level and by depth, microprice, and the cost of a size.

    (bids - asks)/(bids + asks) by size: 1 only bids, -1 only asks; costs are positive against the taker. A book that is
    empty on one side or crossed is refused. As `common.orderbook_imbalance`.
    """
    book = await read_book(call.use(Bybit), params.category, params.symbol, params.limit)
    if not book.bids or not book.asks:
        raise refusal("symbol", f"an instrument with {'asks' if book.bids else 'bids'} in its book now")
    if book.bids[0].price >= book.asks[0].price:
        raise refusal("symbol", "an instrument whose book is not crossed now")
    in_usd = params.category == "inverse"
    given = told.Book(
        bids=[[level.price, level.size] for level in book.bids],
        asks=[[level.price, level.size] for level in book.asks],
        levels=params.levels,
        depths_bps=params.depths_bps,
        size=params.size,
        inverse=in_usd,
    )
    found = await calculated(call, VENUE, params, told.IMBALANCE, given)
    return BookImbalance(
        **dict(found),
        as_of=book.as_of,
        category=book.category,
        symbol=book.symbol,
        size_unit="usd" if in_usd else "base_coin",
    )


class GetIndicators(Params):
    """Which bars and which indicators."""

    category: Literal["spot", "linear", "inverse"] = Field(
        description="spot, linear (USDT and USDC contracts) or inverse: options have no bars of trades."
    )
    symbol: Symbol = Field(description=SYMBOL)
    interval: Interval = Field(description=INTERVAL)
    indicators: Annotated[list[Indicator], Field(min_length=1, max_length=20)] = Field(
        description="The indicators.", examples=[[{"name": "rsi"}]]
    )
    bars: Annotated[int, Field(ge=1, le=1_000)] = Field(default=100, description="How many of the last bars to show.")
    forming: bool = Field(default=False, description="Count the bar that has not ended yet as the last one.")


class Indicators(Result):
    """Indicators over the last bars."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp of the answer.")
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    interval: str = Field(description=INTERVAL)
    count: int = Field(description="How many bars are shown.")
    bars_before: int = Field(description="How many bars before them went into the averages.")
    last_is_forming: bool = Field(description="Whether the last bar had not ended yet.")
    opened_at: list[datetime] = Field(description="When each bar shown began.")
    close: list[float] = Field(description="What each bar shown closed at.")
    indicators: list[IndicatorLines] = Field(description="The indicators, in the order asked for.")


@method("bybit.get_indicators", cost=10, deadline=Deadline.ANALYTICS)
async def get_indicators(call: Call, params: GetIndicators) -> Indicators:
    """Return indicators over the last bars of an instrument, as TA-Lib defines them.

    Older bars are read too, so that averages have settled before the first bar shown. Bars that have not ended are left
    out unless asked for: their indicators change.
    """
    before = bars_before(params.indicators)
    wanted = params.bars + before
    if wanted >= MOST_BARS:
        raise refusal("bars", f"periods and bars that need fewer than {MOST_BARS} bars; these need {wanted}")
    bybit, category = call.use(Bybit), Category(params.category)
    await bybit.clock_objection()  # the venue's clock decides which bars have closed
    now_ms = bybit.venue_ms()
    minute_ms = now_ms // 60_000 * 60_000  # questions of one minute are the same question
    step_ms = INTERVALS[params.interval]
    longest_ms = 31 * step_ms // 28 if params.interval == "M" else step_ms
    async with naming(bybit.instruments, category, params.symbol):
        found = await fetch_bars(
            bybit,
            PriceKind.LAST,
            category,
            params.symbol,
            max(0, minute_ms - (wanted + 1) * longest_ms),
            minute_ms,
            params.interval,
        )
    bars = [(began, bar) for began, bar in found.found.items() if params.forming or _ended(params, began, now_ms)]
    bars = bars[-wanted:]
    if not bars:
        raise refusal("symbol", "an instrument with at least one closed bar of this interval")
    columns = {name: [bar[place] for _, bar in bars] for place, name in enumerate(_COLUMNS)}
    shown = bars[-params.bars :]
    return Indicators(
        as_of=found.as_of,
        category=category,
        symbol=params.symbol,
        interval=params.interval,
        count=len(shown),
        bars_before=len(bars) - len(shown),
        last_is_forming=not _ended(params, shown[-1][0], now_ms),
        opened_at=[from_ms(began) for began, _ in shown],
        close=[bar[_COLUMNS.index("close")] for _, bar in shown],
        indicators=await calculate(call.use(Calculation), params.indicators, columns, len(shown)),
    )


def _ended(params: GetIndicators, began_ms: int, now_ms: int) -> bool:
    return bar_end(params.interval, began_ms) <= now_ms
