"""Analytics of one instrument on Deribit: its order book and its bars. One request each."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import books as told
from cerberod.calculation.service import Calculation
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.deribit.chain import refusal
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.history import RESOLUTIONS, fetch_candles
from cerberod.venues.deribit.legs import parse_leg
from cerberod.venues.deribit.methods.listed import calculated
from cerberod.venues.deribit.methods.words import INSTRUMENT_NAME, InstrumentName
from cerberod.venues.deribit.wire import market as wire
from cerberod.venues.indicators import Indicator, IndicatorLines, bars_before, calculate
from cerberod.venues.instants import milliseconds

PAGE = 5_000
"""Bars of one request."""


class GetImbalance(Params):
    """Which book, and what to ask of it."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    depth: Literal[5, 10, 20, 50, 100, 1000] = Field(default=100, description="Levels of each side to read.")
    levels: Annotated[int, Field(ge=1, le=1_000)] = Field(default=10, description="Imbalance of the best 1 … so many.")
    depths_bps: Annotated[list[told.Bps], Field(min_length=1, max_length=50)] = Field(
        default=[10.0, 25.0, 50.0, 100.0], description="Imbalance within each distance of the mid, in basis points."
    )
    size: Annotated[float, Field(gt=0, le=1e15)] | None = Field(
        default=None, description="A size, in the book's unit, to tell the cost of taking at once, bought and sold."
    )


class BookImbalance(told.Imbalance):
    """What the book says."""

    as_of: datetime = Field(description="The venue's time of the book.")
    instrument_name: str = Field(description="The instrument.")
    size_unit: Literal["usd", "coin"] = Field(description="What sizes are in: USD for inverse futures, else base coin.")


@method("deribit.get_orderbook_imbalance", cost=2, deadline=Deadline.ANALYTICS)
async def get_orderbook_imbalance(call: Call, params: GetImbalance) -> BookImbalance:
    """Return imbalance by level and by depth, microprice, and the cost of a size.

    (bids - asks)/(bids + asks) by size: 1 only bids, -1 only asks; costs are positive against the taker. A book that is
    empty on one side or crossed is refused. As `common.orderbook_imbalance`.
    """
    asked = {"instrument_name": params.instrument_name, "depth": params.depth}
    answer = await call.use(Deribit).read("public/get_order_book", asked)
    book = wire.order_book(answer.result)
    if not book.bids or not book.asks:
        raise refusal("instrument_name", f"an instrument with {'asks' if book.bids else 'bids'} in its book now")
    if book.bids[0].price >= book.asks[0].price:
        raise refusal("instrument_name", "an instrument whose book is not crossed now")
    name = parse_leg(params.instrument_name)
    in_usd = name is not None and name.inverse and not name.kind.is_option
    given = told.Book(
        bids=[[level.price, level.amount] for level in book.bids],
        asks=[[level.price, level.amount] for level in book.asks],
        levels=params.levels,
        depths_bps=params.depths_bps,
        size=params.size,
        inverse=in_usd,
    )
    found = await calculated(call, params, told.IMBALANCE, given)
    return BookImbalance(
        **dict(found),
        as_of=book.as_of,
        instrument_name=book.instrument_name,
        size_unit="usd" if in_usd else "coin",
    )


class GetIndicators(Params):
    """Which bars and which indicators."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    resolution: Literal["1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D"] = Field(
        description="Length of a bar in minutes, or 1D.", examples=["60"]
    )
    indicators: Annotated[list[Indicator], Field(min_length=1, max_length=20)] = Field(
        description="The indicators.", examples=[[{"name": "rsi"}, {"name": "macd"}]]
    )
    bars: Annotated[int, Field(ge=1, le=1_000)] = Field(default=100, description="How many of the last bars to show.")
    forming: bool = Field(default=False, description="Count the bar that has not ended yet as the last one.")


class Indicators(Result):
    """Indicators over the last bars."""

    as_of: datetime = Field(description="When the venue answered, by its own stamp of the answer.")
    instrument_name: str = Field(description="The instrument.")
    resolution: str = Field(description="Length of a bar in minutes, or 1D.")
    count: int = Field(description="How many bars are shown.")
    bars_before: int = Field(description="How many bars before them went into the averages.")
    last_is_forming: bool = Field(description="Whether the last bar had not ended yet.")
    opened_at: list[datetime] = Field(description="When each bar shown began.")
    close: list[float] = Field(description="What each bar shown closed at.")
    indicators: list[IndicatorLines] = Field(description="The indicators, in the order asked for.")


@method("deribit.get_indicators", cost=10, deadline=Deadline.ANALYTICS)
async def get_indicators(call: Call, params: GetIndicators) -> Indicators:
    """Return indicators over the last bars of an instrument, as TA-Lib defines them.

    Older bars are read too, so that averages have settled before the first bar shown. Bars that have not ended are left
    out unless asked for: their indicators change.
    """
    before = bars_before(params.indicators)
    wanted = params.bars + before
    if wanted >= PAGE:
        rule = f"periods and bars that need fewer than {PAGE} bars, which is one request; these need {wanted}"
        raise refusal("bars", rule, max(PAGE - 1 - before, 1))
    deribit = call.use(Deribit)
    await deribit.reachable()  # the venue's clock decides which bars have closed
    step_ms = RESOLUTIONS[params.resolution]
    now_ms = deribit.venue_ms()
    start_ms = now_ms // step_ms * step_ms - wanted * step_ms
    found = await fetch_candles(
        deribit, params.instrument_name, start_ms, now_ms // step_ms * step_ms, params.resolution
    )
    candles = [each for each in found.candles if params.forming or milliseconds(each.opened_at) + step_ms <= now_ms]
    candles = candles[-wanted:]
    if not candles:
        raise refusal("instrument_name", "an instrument with at least one closed bar of this resolution")
    columns = {name: [getattr(each, name) for each in candles] for name in ("open", "high", "low", "close", "volume")}
    shown = candles[-params.bars :]
    return Indicators(
        as_of=found.as_of,
        instrument_name=params.instrument_name,
        resolution=params.resolution,
        count=len(shown),
        bars_before=len(candles) - len(shown),
        last_is_forming=milliseconds(shown[-1].opened_at) + step_ms > now_ms,
        opened_at=[each.opened_at for each in shown],
        close=[each.close for each in shown],
        indicators=await calculate(call.use(Calculation), params.indicators, columns, len(shown)),
    )
