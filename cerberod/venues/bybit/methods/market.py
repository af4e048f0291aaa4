"""The present of Bybit's markets. Needs no keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, NoParams, Params, Result, method
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.instruments import listed, naming
from cerberod.venues.bybit.methods.words import (
    BASE_COIN,
    CATEGORY,
    SETTLE_COIN,
    SYMBOL,
    CategoryName,
    Coin,
    OfSymbol,
    Symbol,
)
from cerberod.venues.bybit.paging import Listing, fetch_list
from cerberod.venues.bybit.wire import market as wire
from cerberod.venues.bybit.wire.instruments import Instrument, instrument
from cerberod.venues.bybit.wire.market import AS_OF, OrderBook, PublicTrade, Ticker
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category
from cerberod.venues.paging import in_pieces


class ServerTime(Result):
    """The venue's clock."""

    as_of: datetime = Field(description=AS_OF)
    server_time: datetime = Field(description="The venue's time.")
    offset_ms: float | None = Field(description="The venue's clock minus ours, in milliseconds.")


@method("bybit.get_server_time")
async def get_server_time(call: Call, params: NoParams) -> ServerTime:
    """Tell Bybit's time, and how far ours is from it.

    Orders are stamped in the venue's time: a stamp a second ahead of it is refused whatever the window.
    """
    bybit = call.use(Bybit)
    answer = await bybit.read("get_server_time")
    found = Fields(answer.result, "result")
    time_ms = found.whole("timeNano") // 1_000_000
    return ServerTime(as_of=answer.stamp(), server_time=from_ms(time_ms), offset_ms=bybit.offset_ms)


class GetInstruments(Params):
    """What to list."""

    category: CategoryName = Field(description=CATEGORY)
    base_coin: Coin | None = Field(default=None, description=BASE_COIN + " Needed for options.")
    settle_coin: Coin | None = Field(default=None, description=SETTLE_COIN + " Spot pairs settle in none.")
    status: Literal["PreLaunch", "Trading", "Delivering"] = Field(
        default="Trading", description="Only instruments in this state; Bybit lists the delivered ones no more."
    )

    @model_validator(mode="after")
    def _options_of_a_coin(self) -> Self:
        if self.category == "option" and self.base_coin is None:
            raise PydanticCustomError("base_coin", "base_coin with category option: Bybit would list BTC alone")
        return self


class Instruments(Result):
    """A list of instruments."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    count: int = Field(description="How many there are.")
    pages: int = Field(description="How many requests they cost.")
    instruments: list[Instrument] = Field(
        description="The instruments, in the venue's order; empty when there are none."
    )


INSTRUMENTS_PAGE = 1_000


async def fetch_instruments(
    bybit: Bybit, category: Category, base_coin: str | None, status: str = "Trading"
) -> tuple[datetime, list[Instrument], int]:
    """Read every instrument of a category, however many pages they take: linear has more than one."""
    asked = {"category": category.value, "baseCoin": base_coin, "status": None if category is Category.SPOT else status}
    read = Listing("get_instruments_info", asked, INSTRUMENTS_PAGE, lambda row: instrument(row, category))
    found = await fetch_list(bybit, read)
    bybit.instruments.learn(found.rows)
    # Of a base coin the venue lists linear and inverse contracts together, whichever was asked for.
    return found.as_of, [each for each in found.rows if each.category is category], found.pages


@method("bybit.get_instruments", cost=5, deadline=Deadline.ANALYTICS)
async def get_instruments(call: Call, params: GetInstruments) -> Instruments:
    """List instruments with their ticks, steps, smallest sizes and deliveries.

    Ticks and sizes are decimal text, exactly as orders are checked against them. All pages are read.
    """
    category = Category(params.category)
    as_of, found, pages = await fetch_instruments(call.use(Bybit), category, params.base_coin, params.status)
    chosen = [
        each
        for each in found
        if params.base_coin in (None, each.base_coin)
        and params.settle_coin in (None, each.settle_coin)
        and (category is not Category.SPOT or each.status.value == params.status)
    ]
    return Instruments(as_of=as_of, category=category, count=len(chosen), pages=pages, instruments=chosen)


@method("bybit.get_ticker")
async def get_ticker(call: Call, params: OfSymbol) -> Ticker:
    """Tell what a market looks like now: quotes, mark, index, funding or greeks.

    Quotes are null where a side of the book is empty; what a category does not have is null. A symbol that is not
    listed in its category is error -32602.
    """
    return await read_ticker(call.use(Bybit), Category(params.category), params.symbol)


async def read_ticker(bybit: Bybit, category: Category, symbol: str, field: str = "symbol") -> Ticker:
    """Read one ticker. Raises `UnknownSymbol`, naming the field."""
    async with naming(bybit.instruments, category, symbol, field):
        answer = await bybit.read("get_tickers", category=category.value, symbol=symbol)
    for row in Fields(answer.result, "result").objects("list"):
        if row.get("symbol") == symbol:
            return wire.ticker(row, category, answer.stamp())
    await listed(bybit.instruments, category, symbol, field)
    raise BadVenueData(VENUE, "result.list", "the ticker that was asked for")


class GetTickers(Params):
    """Which markets."""

    category: CategoryName = Field(description=CATEGORY)
    base_coin: Coin | None = Field(default=None, description="Option: the coin, needed; for other categories left out.")
    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Only these; all of the category when left out. One request either way."
    )

    @model_validator(mode="after")
    def _options_of_a_coin(self) -> Self:
        if (self.category == "option") != (self.base_coin is not None):
            raise PydanticCustomError("base_coin", "base_coin with category option, and only there")
        return self


class Tickers(Result):
    """Many markets at one moment."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    count: int = Field(description="How many there are.")
    not_listed: list[str] = Field(description="Symbols asked for that Bybit has no ticker of; empty when none.")
    tickers: list[Ticker] = Field(description="The tickers, in the venue's order; empty when there are none.")


async def read_tickers(
    bybit: Bybit, category: Category, only: frozenset[str] | None = None, **asked: Any
) -> tuple[datetime, list[Ticker]]:
    """Read the tickers of a category, or of some symbols in it, with one request."""
    answer = await bybit.read("get_tickers", category=category.value, **asked)
    as_of = answer.stamp()
    rows = Fields(answer.result, "result").objects("list")
    wanted = [row for row in rows if only is None or row.get("symbol") in only]
    return as_of, await in_pieces(wanted, lambda row: wire.ticker(row, category, as_of))


@method("bybit.get_tickers", cost=5, deadline=Deadline.ANALYTICS)
async def get_tickers(call: Call, params: GetTickers) -> Tickers:
    """Tell what many markets look like now, with one request.

    A whole category is hundreds of rows. Options are listed by coin.
    """
    category = Category(params.category)
    only = None if params.symbols is None else frozenset(params.symbols)
    as_of, found = await read_tickers(call.use(Bybit), category, only, baseCoin=params.base_coin)
    missing = [] if only is None else sorted(only - {each.symbol for each in found})
    return Tickers(as_of=as_of, category=category, count=len(found), not_listed=missing, tickers=found)


MOST_LEVELS: Mapping[str, int] = {"spot": 1_000, "linear": 1_000, "inverse": 1_000, "option": 25}


def check_depth(category: str, depth: int) -> None:
    """Refuse more levels than a category's book has."""
    if depth > MOST_LEVELS[category]:
        raise PydanticCustomError("depth", f"at most {MOST_LEVELS[category]} levels in category {category}")


class GetOrderbook(OfSymbol):
    """One instrument, and how deep."""

    limit: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=25, description="Levels for each side: up to 1000, of options up to 25."
    )

    @model_validator(mode="after")
    def _depth(self) -> Self:
        check_depth(self.category, self.limit)
        return self


@method("bybit.get_orderbook")
async def get_orderbook(call: Call, params: GetOrderbook) -> OrderBook:
    """Return the order book.

    Bids come highest first and asks lowest first; a side is empty when nobody quotes on it. Retail price improvement
    orders are not in it.
    """
    return await read_book(call.use(Bybit), params.category, params.symbol, params.limit)


async def read_book(bybit: Bybit, category_name: str, symbol: str, limit: int) -> OrderBook:
    """Read one book. Raises `UnknownSymbol`."""
    category = Category(category_name)
    async with naming(bybit.instruments, category, symbol):
        answer = await bybit.read("get_orderbook", category=category.value, symbol=symbol, limit=limit)
    return wire.order_book(answer.result, category)


MOST_TRADES: Mapping[str, int] = {"spot": 60, "linear": 1_000, "inverse": 1_000, "option": 1_000}


class GetRecentTrades(Params):
    """Which trades, and how many."""

    category: CategoryName = Field(description=CATEGORY)
    symbol: Symbol | None = Field(
        default=None,
        description=SYMBOL + " Of options, this or `base_coin`.",
        json_schema_extra={"x-example": "BTCUSDT"},
    )
    base_coin: Coin | None = Field(default=None, description="Option: all contracts on this coin.")
    options_type: Literal["Call", "Put"] | None = Field(default=None, description="Goes with `base_coin`: only these.")
    limit: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=50, description="Most trades, the latest: up to 1000, of spot up to 60. Bybit keeps no longer list."
    )

    @model_validator(mode="after")
    def _which(self) -> Self:
        if (self.symbol is None) == (self.base_coin is None):
            raise PydanticCustomError("which", "either symbol, or base_coin with category option")
        if self.base_coin is not None and self.category != "option":
            raise PydanticCustomError("which", "base_coin with category option only")
        if self.options_type is not None and self.base_coin is None:
            raise PydanticCustomError("which", "options_type with base_coin only")
        if self.limit > MOST_TRADES[self.category]:
            raise PydanticCustomError(
                "limit", f"at most {MOST_TRADES[self.category]} trades in category {self.category}"
            )
        return self


class RecentTrades(Result):
    """The latest trades of a market."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    count: int = Field(description="How many there are.")
    trades: list[PublicTrade] = Field(description="The trades, oldest first; empty when there are none.")


@method("bybit.get_recent_trades")
async def get_recent_trades(call: Call, params: GetRecentTrades) -> RecentTrades:
    """Return the latest public trades of a market, oldest first.

    Bybit gives the latest only: 60 of spot, 1000 otherwise; there is no way to older ones.
    """
    bybit, category = call.use(Bybit), Category(params.category)
    async with naming(bybit.instruments, category, params.symbol):
        answer = await bybit.read(
            "get_public_trade_history",
            category=category.value,
            symbol=params.symbol,
            baseCoin=params.base_coin,
            optionType=params.options_type,
            limit=params.limit,
        )
    found = await in_pieces(Fields(answer.result, "result").objects("list"), wire.public_trade)
    found.reverse()
    found.sort(key=lambda trade: trade.at)
    return RecentTrades(as_of=answer.stamp(), category=category, count=len(found), trades=found)


class EndpointLimit(Result):
    """What one endpoint allows this account."""

    endpoint: str = Field(description="The endpoint, for example order/create.")
    group: str = Field(description="The categories that share it: derivatives (linear and inverse), option or spot.")
    per_s: float = Field(description="Units in a rolling second. A request is one; a batch one for each order.")
    told: bool = Field(description="Whether Bybit told this account's own figure; else it is the published one.")
    left: float = Field(description="Units that could be sent at once by our own count, which keeps below the limit.")


class RateLimits(Result):
    """How much Bybit still lets us ask."""

    as_of: datetime = Field(description="When this was counted, by our clock: nothing was asked.")
    address_left: float = Field(description="Requests that could be sent at once from this address, all in all.")
    banned: bool = Field(
        description="Whether Bybit has shut this address out; nothing but cancels goes out for ten minutes then."
    )
    endpoints: list[EndpointLimit] = Field(description="Endpoints with a limit of their own, in order of their names.")


@method("bybit.get_rate_limits")
def get_rate_limits(call: Call, params: NoParams) -> RateLimits:
    """Tell how much Bybit still lets this account ask, as we count it. Asks nothing.

    Private endpoints have a limit for each group of categories; all requests together have one for the address.
    """
    bybit = call.use(Bybit)
    now = bybit.pacing.now()
    return RateLimits(
        as_of=bybit.now(),
        address_left=now.address_left,
        banned=now.banned,
        endpoints=[
            EndpointLimit(
                endpoint=each.path.removeprefix("/v5/"),
                group=each.group,
                per_s=each.per_s,
                told=each.told,
                left=each.left,
            )
            for each in now.endpoints
        ],
    )
