"""Market data of Deribit. Needs no keys."""

from datetime import datetime
from typing import Literal

from anyio.lowlevel import checkpoint
from pydantic import Field

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.history import RESOLUTIONS, fetch_candles
from cerberod.venues.deribit.methods.words import (
    CURRENCY,
    INSTRUMENT_NAME,
    KIND,
    CurrencyOrAny,
    IndexName,
    InstrumentName,
    KindName,
)
from cerberod.venues.deribit.wire import market as wire
from cerberod.venues.deribit.wire.market import Candle, Expiration, Instrument, OrderBook, Ticker
from cerberod.venues.instants import milliseconds
from cerberod.venues.windows import Window

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."


class GetInstruments(Params):
    """What to list."""

    currency: CurrencyOrAny = Field(description=CURRENCY + " `any` for all of them.")
    kind: KindName | None = Field(default=None, description=KIND)
    expired: bool = Field(default=False, description="List recently expired instruments instead of live ones.")


class Instruments(Result):
    """A list of instruments."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    instruments: list[Instrument] = Field(
        description="The instruments, in the venue's order; empty when there are none."
    )


@method("deribit.get_instruments")
async def get_instruments(call: Call, params: GetInstruments) -> Instruments:
    """List instruments with their ticks, sizes and expiries.

    Ticks and sizes are decimal text, exactly as orders are checked against them. Deribit allows this call once a
    second on average; an unknown currency is error -32025 with `reason` `invalid_params`.
    """
    deribit = call.use(Deribit)
    answer = await deribit.read("public/get_instruments", params.model_dump(exclude_none=True))
    found: list[Instrument] = []
    for piece in wire.instruments_in_pieces(answer.result):
        found += piece
        await checkpoint()  # a whole chain takes tens of milliseconds: others go in between
    deribit.instruments.learn(found)
    return Instruments(as_of=answer.stamp(), count=len(found), instruments=found)


class GetExpirations(Params):
    """Which expiries to list."""

    currency: CurrencyOrAny = Field(description=CURRENCY + " `any` for all of them.")
    kind: Literal["future", "option", "any"] = Field(default="any", description="Futures, options, or both.")


class Expirations(Result):
    """Listed expiries, soonest first."""

    as_of: datetime = Field(description=AS_OF)
    currency: str = Field(description="The currency that was asked for.")
    future: list[Expiration] = Field(description="Expiries of futures, the perpetual among them; empty when none.")
    option: list[Expiration] = Field(description="Expiries of options; empty when none.")


@method("deribit.get_expirations")
async def get_expirations(call: Call, params: GetExpirations) -> Expirations:
    """List the expiries of a currency's futures and options.

    Every expiry is at 08:00 UTC of its day. A list is empty when that kind was not asked for or has no expiry.
    """
    answer = await call.use(Deribit).read("public/get_expirations", params.model_dump())
    found = wire.expirations(answer.result)
    return Expirations(
        as_of=answer.stamp(),
        currency=params.currency,
        future=found.get("future", []),
        option=found.get("option", []),
    )


class OfInstrument(Params):
    """One instrument."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)


@method("deribit.get_ticker")
async def get_ticker(call: Call, params: OfInstrument) -> Ticker:
    """Tell what a market looks like now: quotes, mark, index, funding or greeks.

    Quotes are null where a side of the book is empty. Options settled in coin are priced in coin; volatilities are in
    percent a year. An unknown instrument is error -32025 with `reason` `invalid_params`.
    """
    answer = await call.use(Deribit).read("public/ticker", params.model_dump())
    return wire.ticker(answer.result)


class GetOrderbook(OfInstrument):
    """One instrument, and how deep."""

    depth: Literal[1, 5, 10, 20, 50, 100, 1000, 10000] = Field(default=20, description="Levels for each side.")


@method("deribit.get_orderbook")
async def get_orderbook(call: Call, params: GetOrderbook) -> OrderBook:
    """Return the order book with the ticker it belongs to.

    Bids come highest first and asks lowest first; a side is empty when nobody quotes on it. Sizes are in USD for
    inverse futures and in the base coin otherwise.
    """
    answer = await call.use(Deribit).read("public/get_order_book", params.model_dump())
    return wire.order_book(answer.result)


class GetIndexPrice(Params):
    """Which index."""

    index_name: IndexName = Field(description="The index, for example btc_usd; instruments name it as `price_index`.")


class IndexPrice(Result):
    """One index."""

    as_of: datetime = Field(description=AS_OF)
    index_name: str = Field(description="The index.")
    index_price: float = Field(description="Its value, in its quote currency.")
    estimated_delivery_price: float | None = Field(description="What a delivery now would be settled at.")


@method("deribit.get_index_price")
async def get_index_price(call: Call, params: GetIndexPrice) -> IndexPrice:
    """Return the value of a price index.

    In the half hour before an expiry `estimated_delivery_price` moves from the index towards its average.
    """
    answer = await call.use(Deribit).read("public/get_index_price", params.model_dump())
    price, delivery = wire.index_price(answer.result)
    return IndexPrice(
        as_of=answer.stamp(), index_name=params.index_name, index_price=price, estimated_delivery_price=delivery
    )


class GetHistorical(OfInstrument, Window):
    """Bars that open within a window."""

    resolution: Literal["1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D"] = Field(
        description="Length of a bar in minutes, or 1D."
    )


class Historical(Result):
    """Bars in order, without gaps or repeats."""

    as_of: datetime = Field(description=AS_OF)
    instrument_name: str = Field(description="The instrument.")
    resolution: str = Field(description="Length of a bar in minutes, or 1D.")
    count: int = Field(description="How many bars there are.")
    pages: int = Field(description="How many requests they cost.")
    last_is_forming: bool = Field(description="Whether the last bar had not ended yet.")
    candles: list[Candle] = Field(description="The bars, oldest first; empty when the window has no data.")


@method("deribit.get_historical", cost=5, deadline=Deadline.ANALYTICS)
async def get_historical(call: Call, params: GetHistorical) -> Historical:
    """Return candles of a window, however many pages they take.

    Deribit answers at most about 5000 bars a request and silently drops older ones; the window is therefore read in
    pages, newest first, and returned oldest first without gap or repeat. Bars without trades are filled by Deribit. A
    window of more than 20000 bars is error -32602, which tells how many requests it would have cost.
    """
    found = await fetch_candles(
        call.use(Deribit),
        params.instrument_name,
        milliseconds(params.start),
        milliseconds(params.end),
        params.resolution,
    )
    step_ms = RESOLUTIONS[params.resolution]
    candles = found.candles
    return Historical(
        as_of=found.as_of,
        instrument_name=params.instrument_name,
        resolution=params.resolution,
        count=len(candles),
        pages=found.pages,
        last_is_forming=bool(candles) and milliseconds(candles[-1].opened_at) + step_ms > milliseconds(found.as_of),
        candles=candles,
    )
