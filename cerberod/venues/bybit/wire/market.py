"""Market data of the present: the models callers get, and how they are read off Bybit's answers.

One ticker for four categories: what a category does not have is null. Rates and volatilities are fractions at the venue
and percent here; what it writes as "" or 0 for an empty side of a book is null.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.rpc.registry import Result
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.wire.reading import Fields
from cerberod.venues.bybit.wire.words import Category, Side, side

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."
UNIT = "base coin; USD in category inverse"


class Ticker(Result):
    """What a market looks like now."""

    as_of: datetime = Field(description=AS_OF)
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    bid_price: float | None = Field(description="Highest bid; null when nobody bids.")
    bid_size: float | None = Field(description=f"Its size: {UNIT}; null when nobody bids.")
    ask_price: float | None = Field(description="Lowest ask; null when nobody offers.")
    ask_size: float | None = Field(description=f"Its size: {UNIT}; null when nobody offers.")
    last_price: float | None = Field(description="Last trade; null when there was none.")
    mark_price: float | None = Field(description="Bybit's fair price; null for spot.")
    index_price: float | None = Field(description="The index it follows; null for spot.")
    usd_index_price: float | None = Field(description="Spot: the coin in USD; null where it is no collateral.")
    high_24h: float | None = Field(description="Highest trade of 24 hours; null when nothing traded.")
    low_24h: float | None = Field(description="Lowest trade of 24 hours; null when nothing traded.")
    change_24h_pct: float | None = Field(description="Change of the price over 24 hours, percent; null if not told.")
    volume_24h: float | None = Field(description=f"Volume of 24 hours: {UNIT}.")
    turnover_24h: float | None = Field(description="Volume in quote coin; in base coin in category inverse.")
    open_interest_both_sides: float | None = Field(
        description=f"Longs and shorts added up, as Bybit's `openInterest` counts contracts: {UNIT}. Twice the usual "
        "number. Of options, see `open_interest`."
    )
    open_interest_one_side: float | None = Field(
        description=f"One side, the usual open interest: {UNIT}; null where Bybit does not tell it."
    )
    open_interest: float | None = Field(description="Option: open interest in base coin; null otherwise.")
    funding_rate: float | None = Field(
        description="Perpetual: the coming funding rate, a fraction for one interval; null otherwise."
    )
    funding_interval_h: int | None = Field(description="Perpetual: hours of an interval; null where not told.")
    next_funding_at: datetime | None = Field(description="Perpetual: when it is paid next; null otherwise.")
    delivers_at: datetime | None = Field(description="Dated contract: its delivery; null otherwise.")
    predicted_delivery_price: float | None = Field(description="Only in the half hour before a delivery; else null.")
    mark_iv_pct: float | None = Field(description="Option: volatility of the mark, percent a year; else null.")
    bid_iv_pct: float | None = Field(description="Option: volatility of the bid, percent a year; null without one.")
    ask_iv_pct: float | None = Field(description="Option: volatility of the ask, percent a year; null without one.")
    underlying_price: float | None = Field(description="Option: forward of its expiry; null otherwise.")
    delta: float | None = Field(description="Option: Bybit's own delta; null otherwise.")
    gamma: float | None = Field(description="Option: change of delta for 1 USD; null otherwise.")
    vega: float | None = Field(description="Option: USD for 1 volatility point; null otherwise.")
    theta: float | None = Field(description="Option: USD for a day; null otherwise.")

    @property
    def mid(self) -> float | None:
        """Half the sum of the quotes; None where a side is empty."""
        return None if self.bid_price is None or self.ask_price is None else (self.bid_price + self.ask_price) / 2


def ticker(row: Fields, category: Category, as_of: datetime) -> Ticker:
    """Read one row of tickers."""
    option = category is Category.OPTION
    return Ticker(
        as_of=as_of,
        category=category,
        symbol=row.text("symbol"),
        **_quote(row, "bid"),
        **_quote(row, "ask"),
        last_price=_price(row, "lastPrice"),
        mark_price=_not_below_zero(row, "markPrice"),
        index_price=_price(row, "indexPrice"),
        usd_index_price=_price(row, "usdIndexPrice"),
        high_24h=_price(row, "highPrice24h"),
        low_24h=_price(row, "lowPrice24h"),
        change_24h_pct=_percent(row, "change24h" if option else "price24hPcnt"),
        volume_24h=row.number_or_none("volume24h"),
        turnover_24h=row.number_or_none("turnover24h"),
        open_interest_both_sides=None if option else row.number_or_none("openInterest"),
        open_interest_one_side=row.number_or_none("singleOpenInterest"),
        open_interest=row.number_or_none("openInterest") if option else None,
        funding_rate=row.number_or_none("fundingRate"),
        funding_interval_h=row.whole_or_none("fundingIntervalHour"),
        next_funding_at=row.moment_or_none("nextFundingTime"),
        delivers_at=row.moment_or_none("deliveryTime"),
        predicted_delivery_price=_price(row, "predictedDeliveryPrice"),
        mark_iv_pct=_percent(row, "markIv"),
        bid_iv_pct=_percent(row, "bid1Iv") or None,
        ask_iv_pct=_percent(row, "ask1Iv") or None,
        underlying_price=_price(row, "underlyingPrice"),
        delta=row.number_or_none("delta"),
        gamma=row.number_or_none("gamma"),
        vega=row.number_or_none("vega"),
        theta=row.number_or_none("theta"),
    )


def _quote(row: Fields, which: str) -> dict[str, float | None]:
    """Read one side's top; "" and 0 are an empty side."""
    price = _price(row, f"{which}1Price")
    size = None if price is None else _price(row, f"{which}1Size")
    return {f"{which}_price": None if size is None else price, f"{which}_size": size}


def _price(row: Fields, name: str) -> float | None:
    """Read a price or a size; "" and 0 are none."""
    return _not_below_zero(row, name) or None


def _not_below_zero(row: Fields, name: str) -> float | None:
    value = row.number_or_none(name)
    if value is not None and value < 0:
        raise row.bad(name, "not below 0")
    return value


def _percent(row: Fields, name: str) -> float | None:
    value = row.number_or_none(name)
    return None if value is None else value * 100


class Level(Result):
    """One price level of a book."""

    price: float = Field(description="The price.")
    size: float = Field(description=f"Size at this price: {UNIT}.")


class OrderBook(Result):
    """One order book."""

    as_of: datetime = Field(description="The venue's time of the book: of its matching engine where it tells that.")
    category: Category = Field(description="The part of the venue.")
    symbol: str = Field(description="The instrument.")
    update_id: int = Field(description="The book's version; 1 after a restart of the service.")
    bids: list[Level] = Field(description="Bids, highest first; empty when nobody bids.")
    asks: list[Level] = Field(description="Asks, lowest first; empty when nobody offers.")


def order_book(raw: object, category: Category) -> OrderBook:
    """Read the answer of orderbook. Older answers lack the matching engine's time."""
    fields = Fields(raw, "result")
    return OrderBook(
        as_of=fields.moment("cts" if fields.has("cts") else "ts"),
        category=category,
        symbol=fields.text("s"),
        update_id=fields.whole("u"),
        bids=_levels(fields, "b", descending=True),
        asks=_levels(fields, "a", descending=False),
    )


def _levels(row: Fields, name: str, *, descending: bool) -> list[Level]:
    raw = row.get(name)
    if not isinstance(raw, list):
        raise row.bad(name, "a list")
    levels: list[Level] = []
    for place, pair in enumerate(raw):
        if not isinstance(pair, list) or len(pair) != 2:
            raise row.bad(f"{name}[{place}]", "a pair of price and size")
        level = Fields({"price": pair[0], "size": pair[1]}, f"result.{name}[{place}]")
        levels.append(Level(price=level.number("price"), size=level.number("size")))
    prices = [level.price for level in levels]
    if prices != sorted(set(prices), reverse=descending):
        raise row.bad(name, "sorted by price, best first, each price once")
    return levels


class PublicTrade(Result):
    """One trade of the market."""

    at: datetime = Field(description="When it happened, the venue's time.")
    trade_id: str = Field(description="Bybit's id of it.")
    symbol: str = Field(description="The instrument.")
    price: float = Field(description="Its price.")
    size: float = Field(description=f"Its size: {UNIT}.")
    taker_side: Side = Field(description="Whether the taker bought or sold.")
    is_block_trade: bool = Field(description="Whether it was a block trade, outside the book.")
    iv_pct: float | None = Field(description="Option: its volatility, percent a year; null otherwise.")
    mark_price: float | None = Field(description="Option: the mark then; null otherwise.")
    index_price: float | None = Field(description="Option: the index then; null otherwise.")


def public_trade(row: Fields) -> PublicTrade:
    """Read one row of recent-trade."""
    return PublicTrade(
        at=row.moment("time"),
        trade_id=row.text("execId"),
        symbol=row.text("symbol"),
        price=row.number("price"),
        size=row.number("size"),
        taker_side=side(row),
        is_block_trade=row.flag("isBlockTrade", False),
        iv_pct=_percent(row, "iv"),
        mark_price=row.number_or_none("mP"),
        index_price=row.number_or_none("iP"),
    )


class PriceKind(StrEnum):
    """Whose bars: of trades, or of a price that Bybit makes."""

    LAST = "last"
    MARK = "mark"
    INDEX = "index"
    PREMIUM = "premium"


class Candle(Result):
    """One bar of trades."""

    opened_at: datetime = Field(description="When the bar began, the venue's time.")
    open: float = Field(description="First price.")
    high: float = Field(description="Highest price.")
    low: float = Field(description="Lowest price.")
    close: float = Field(description="Last price.")
    volume: float = Field(description=f"Volume: {UNIT}.")
    turnover: float = Field(description="Volume in quote coin; in base coin in category inverse.")


class PriceBar(Result):
    """One bar of a price that nobody trades at: without volume."""

    opened_at: datetime = Field(description="When the bar began, the venue's time.")
    open: float = Field(description="First price.")
    high: float = Field(description="Highest price.")
    low: float = Field(description="Lowest price.")
    close: float = Field(description="Last price.")


_NAMES = ("open", "high", "low", "close", "volume", "turnover")


_PIECE = 250
"""Bars read in one go: a few milliseconds of work."""


def bars(raw: object, columns: int) -> Iterator[dict[int, list[float]]]:
    """Read kline rows as numbers, by the milliseconds at which a bar began; `columns` follow that moment.

    They come in pieces, so that others get in between: a full page takes ten milliseconds.
    """
    rows = Fields(raw, "result").get("list")
    if not isinstance(rows, list):
        raise BadVenueData(VENUE, "result.list", "a list")
    found: dict[int, list[float]] = {}
    for place, row in enumerate(rows):
        path = f"result.list[{place}]"
        if not isinstance(row, list) or len(row) < 1 + columns:
            raise BadVenueData(VENUE, path, f"a moment and {columns} numbers")
        fields = Fields(dict(zip(("start", *_NAMES), row, strict=False)), path)
        numbers = [fields.number(name) for name in _NAMES[:columns]]
        if not numbers[2] <= min(numbers[0], numbers[3]) <= max(numbers[0], numbers[3]) <= numbers[1]:
            raise BadVenueData(VENUE, path, "low <= open, close <= high")
        fields.moment("start")
        found[fields.whole("start")] = numbers
        if len(found) == _PIECE:
            yield found
            found = {}
    yield found


def candle(started_ms: int, numbers: list[float]) -> Candle:
    """Make a bar of trades."""
    return Candle(opened_at=from_ms(started_ms), **_named(numbers))


def price_bar(started_ms: int, numbers: list[float]) -> PriceBar:
    """Make a bar of a price."""
    return PriceBar(opened_at=from_ms(started_ms), **_named(numbers))


def _named(numbers: list[float]) -> dict[str, Any]:
    return dict(zip(_NAMES, numbers, strict=False))


class FundingPayment(Result):
    """One funding of a perpetual."""

    at: datetime = Field(description="When it was paid, the venue's time.")
    funding_rate: float = Field(description="The rate of that interval, a fraction; above zero longs paid shorts.")


def funding_payment(row: Fields) -> FundingPayment:
    """Read one row of the funding history."""
    return FundingPayment(at=row.moment("fundingRateTimestamp"), funding_rate=row.number("fundingRate"))


class OpenInterestPoint(Result):
    """Open interest at one moment."""

    at: datetime = Field(description="The venue's time of it.")
    both_sides: float = Field(description=f"Longs and shorts added up, as Bybit's `openInterest` counts: {UNIT}.")
    one_side: float | None = Field(description=f"One side, the usual open interest: {UNIT}; null where not told.")


def open_interest_point(row: Fields) -> OpenInterestPoint:
    """Read one row of open-interest."""
    return OpenInterestPoint(
        at=row.moment("timestamp"),
        both_sides=row.number("openInterest"),
        one_side=row.number_or_none("singleOpenInterest"),
    )


class AccountRatio(Result):
    """How many accounts held longs and how many held shorts at one moment; accounts, not money."""

    at: datetime = Field(description="The venue's time of it.")
    buy_ratio: float = Field(description="Share of accounts that were long, from 0 to 1.")
    sell_ratio: float = Field(description="Share of accounts that were short, from 0 to 1.")
    long_short_ratio: float | None = Field(description="The first over the second; null when nobody was short.")


def account_ratio(row: Fields) -> AccountRatio:
    """Read one row of account-ratio."""
    longs, shorts = row.number("buyRatio"), row.number("sellRatio")
    return AccountRatio(
        at=row.moment("timestamp"),
        buy_ratio=longs,
        sell_ratio=shorts,
        long_short_ratio=longs / shorts if shorts else None,
    )
