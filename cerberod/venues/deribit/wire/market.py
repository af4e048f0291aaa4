"""Market data: the models callers get, and how they are read off Deribit's answers.

Fields keep the venue's names. What Deribit writes as 0.0 for an empty side of a book is `null` here: no quote is not a
price. Times are the venue's own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.rpc.registry import Result
from cerberod.trading.money import Quantity
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.reading import Fields, rows


class Kind(StrEnum):
    """What an instrument is."""

    FUTURE = "future"
    OPTION = "option"
    SPOT = "spot"
    FUTURE_COMBO = "future_combo"
    OPTION_COMBO = "option_combo"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Whether an instrument's book takes orders; only `open` does."""

    OPEN = "open"
    CLOSED = "closed"
    SETTLEMENT = "settlement"
    DELIVERED = "delivered"
    INACTIVE = "inactive"
    LOCKED = "locked"
    HALTED = "halted"
    ARCHIVIZED = "archivized"
    UNKNOWN = "unknown"


class TickStep(Result):
    """A coarser tick for higher prices."""

    above_price: Quantity = Field(description="Prices greater than this one are on this step's grid.")
    tick_size: Quantity = Field(description="Smallest price step above `above_price`.")


class Instrument(Result):
    """One tradable instrument."""

    instrument_name: str = Field(description="Its name, as every other method takes it.")
    kind: Kind = Field(description="What it is; `unknown` for a kind that is new to us.")
    state: State = Field(description="Whether it trades; only `open` takes orders.")
    base_currency: str = Field(description="The coin it is about.")
    quote_currency: str = Field(description="The currency its price is in: USD, the coin itself, or a stable coin.")
    counter_currency: str | None = Field(description="The currency strikes and indices are in; null when not given.")
    settlement_currency: str | None = Field(description="The currency of margin and profit; null for spot.")
    settlement_period: str | None = Field(description="`day`, `week`, `month` or `perpetual`; null for spot.")
    instrument_type: str | None = Field(description="`reversed` (settled in coin) or `linear`; null when not given.")
    price_index: str | None = Field(description="The index it follows, as `get_index_price` takes it.")
    option_type: str | None = Field(description="`call` or `put`; null for what is no option.")
    strike: float | None = Field(description="Strike in the counter currency; null for what is no option.")
    created_at: datetime | None = Field(description="When it was listed.")
    expires_at: datetime | None = Field(description="When it expires; null when it never does.")
    tick_size: Quantity = Field(description="Smallest price step, in the unit of the price.")
    tick_size_steps: list[TickStep] = Field(
        description="Coarser steps for higher prices; empty when there is one step."
    )
    min_trade_amount: Quantity = Field(
        description="Smallest order `amount`: USD for inverse futures, base coin for options, linear and spot."
    )
    contract_size: Quantity = Field(description="`amount` of one contract, in the unit of `amount`.")
    maker_commission: float | None = Field(
        description="Maker fee: a fraction of the value, or coin for each coin of an inverse option."
    )
    taker_commission: float | None = Field(description="Taker fee, in the same unit as the maker's.")
    max_leverage: float | None = Field(description="Highest leverage of a future; null otherwise.")

    @property
    def currency(self) -> str:
        """The currency Deribit files its orders under."""
        return self.settlement_currency or self.quote_currency


_PERPETUAL_MS = 32_503_708_800_000


def instrument(row: Fields) -> Instrument:
    """Read one instrument. Answers older than the `state` field tell only whether it is active."""
    state = row.description("state", State) if row.has("state") else State.OPEN
    if state is State.OPEN and not row.flag("is_active", True):
        state = State.INACTIVE
    return Instrument(
        instrument_name=row.text("instrument_name"),
        kind=row.description("kind", Kind),
        state=state,
        base_currency=row.text("base_currency"),
        quote_currency=row.text("quote_currency"),
        counter_currency=row.text_or_none("counter_currency"),
        settlement_currency=row.text_or_none("settlement_currency"),
        settlement_period=row.text_or_none("settlement_period"),
        instrument_type=row.text_or_none("instrument_type"),
        price_index=row.text_or_none("price_index"),
        option_type=row.text_or_none("option_type"),
        strike=row.number_or_none("strike"),
        created_at=row.moment_or_none("creation_timestamp"),
        expires_at=None
        if row.get("expiration_timestamp") == _PERPETUAL_MS
        else row.moment_or_none("expiration_timestamp"),
        tick_size=_above_zero(row, "tick_size"),
        tick_size_steps=[
            TickStep(above_price=step.decimal("above_price"), tick_size=_above_zero(step, "tick_size"))
            for step in row.objects("tick_size_steps")
        ],
        min_trade_amount=_above_zero(row, "min_trade_amount"),
        contract_size=_above_zero(row, "contract_size"),
        maker_commission=row.number_or_none("maker_commission"),
        taker_commission=row.number_or_none("taker_commission"),
        max_leverage=row.number_or_none("max_leverage"),
    )


def _above_zero(row: Fields, name: str) -> Decimal:
    number = row.decimal(name)
    if number <= 0:
        raise row.bad(name, "above zero")
    return number


class Expiration(Result):
    """One listed expiry."""

    name: str = Field(description="As it stands in instrument names, for example `25DEC26`, or `PERPETUAL`.")
    expires_at: datetime | None = Field(description="08:00 UTC of that day; null for what never expires.")


def expirations(raw: object) -> dict[str, list[Expiration]]:
    """Read expirations by kind; Deribit nests them under the currency unless asked for `any`."""
    if isinstance(raw, dict) and raw and all(isinstance(inner, dict) for inner in raw.values()):
        merged: dict[str, list[Expiration]] = {}
        for inner in raw.values():
            for kind, found in expirations(inner).items():
                known = {expiration.name for expiration in merged.setdefault(kind, [])}
                merged[kind] += [expiration for expiration in found if expiration.name not in known]
        return merged
    fields = Fields(raw, "result")
    told: dict[str, list[Expiration]] = {}
    for kind in raw if isinstance(raw, dict) else ():
        names = fields.get(kind)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise fields.bad("expirations", "a list of names for each kind")
        told[str(kind)] = [Expiration(name=name, expires_at=expiry(name)) for name in names]
    return told


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def expiry(name: str) -> datetime | None:
    """Read the expiry of a name such as `5JUN26`; None for what is no date."""
    day, month, year = name[:-5], name[-5:-2], name[-2:]
    if not (day.isdecimal() and day.isascii() and year.isdecimal() and year.isascii() and month in _MONTHS):
        return None
    try:
        return datetime(2000 + int(year), 1 + _MONTHS.index(month), int(day), 8, tzinfo=UTC)
    except ValueError:
        return None


class Stats(Result):
    """The last 24 hours."""

    high: float | None = Field(description="Highest trade price; null when nothing traded.")
    low: float | None = Field(description="Lowest trade price; null when nothing traded.")
    price_change: float | None = Field(description="Change of the price in percent; null when nothing traded.")
    volume: float | None = Field(description="Volume in the base coin.")
    volume_usd: float | None = Field(description="Volume in USD; null where Deribit does not tell it.")


class Greeks(Result):
    """Deribit's own greeks of an option, rounded by it to five decimals: gamma is too coarse for sums."""

    delta: float = Field(description="Per 1 coin, against the forward of its expiry, premium not subtracted.")
    gamma: float = Field(description="Change of delta for 1 USD.")
    vega: float = Field(description="USD for 1 volatility point.")
    theta: float = Field(description="USD for a day.")
    rho: float = Field(description="USD for 1 percentage point of interest.")


class Ticker(Result):
    """What a market looks like now. Option prices are in coin where the option is settled in coin."""

    instrument_name: str = Field(description="The instrument.")
    as_of: datetime = Field(description="The venue's time of this ticker.")
    state: State = Field(description="Whether the book takes orders; only `open` does.")
    best_bid_price: float | None = Field(description="Highest bid; null when nobody bids.")
    best_bid_amount: float | None = Field(description="Its size in the unit of `amount`; null when nobody bids.")
    best_ask_price: float | None = Field(description="Lowest ask; null when nobody offers.")
    best_ask_amount: float | None = Field(description="Its size in the unit of `amount`; null when nobody offers.")
    last_price: float | None = Field(description="Last trade; null when there was none.")
    mark_price: float = Field(
        description="Deribit's fair price. Of an option it is rounded to 4 decimals here, so a cheap one shows 0."
    )
    index_price: float | None = Field(description="The index the instrument follows, in USD or its quote currency.")
    min_price: float | None = Field(description="Lowest price at which a sell is taken now.")
    max_price: float | None = Field(description="Highest price at which a buy is taken now.")
    settlement_price: float | None = Field(description="Price of the last settlement; null before the first.")
    estimated_delivery_price: float | None = Field(description="What the delivery price would be now.")
    open_interest: float | None = Field(
        description="Open interest: USD for inverse futures, base coin for options and linear contracts."
    )
    stats: Stats = Field(description="The last 24 hours.")
    current_funding: float | None = Field(
        default=None, description="Perpetual: funding rate of 8 hours at this instant, as a fraction; else null."
    )
    funding_8h: float | None = Field(
        default=None, description="Perpetual: average funding rate of the last 8 hours, as a fraction; else null."
    )
    mark_iv: float | None = Field(default=None, description="Option: implied volatility of the mark, percent a year.")
    bid_iv: float | None = Field(
        default=None, description="Option: implied volatility of the bid, percent a year; null without a quote."
    )
    ask_iv: float | None = Field(
        default=None, description="Option: implied volatility of the ask, percent a year; null without a quote."
    )
    underlying_price: float | None = Field(default=None, description="Option: forward of its expiry, not the index.")
    underlying_index: str | None = Field(
        default=None,
        description="Option: where the forward comes from: a future, `SYN.` a synthetic one, or the index.",
    )
    interest_rate: float | None = Field(default=None, description="Option: interest rate of the model, a fraction.")
    greeks: Greeks | None = Field(default=None, description="Option: Deribit's own greeks; null for other kinds.")


class Level(Result):
    """One price level of a book."""

    price: float = Field(description="The price; options settled in coin are quoted in coin.")
    amount: float = Field(description="Size at this price: USD for inverse futures, else base coin.")


class OrderBook(Ticker):
    """A ticker with the book it is the top of."""

    change_id: int = Field(description="The book's version; it grows with every change, not by 1.")
    bids: list[Level] = Field(description="Bids, highest first; empty when nobody bids.")
    asks: list[Level] = Field(description="Asks, lowest first; empty when nobody offers.")


def ticker(raw: object) -> Ticker:
    """Read the answer of `public/ticker`."""
    return Ticker(**_quote(Fields(raw, "result")))


def order_book(raw: object) -> OrderBook:
    """Read the answer of `public/get_order_book`."""
    fields = Fields(raw, "result")
    return OrderBook(
        **_quote(fields),
        change_id=fields.whole("change_id"),
        bids=_levels(fields, "bids", descending=True),
        asks=_levels(fields, "asks", descending=False),
    )


def _quote(row: Fields) -> dict[str, Any]:
    stats = row.inside("stats")
    return {
        "instrument_name": row.text("instrument_name"),
        "as_of": row.moment("timestamp"),
        "state": row.description("state", State),
        **_side(row, "best_bid"),
        **_side(row, "best_ask"),
        "last_price": row.number_or_none("last_price"),
        "mark_price": row.number("mark_price"),
        "stats": Stats(
            high=stats.number_or_none("high"),
            low=stats.number_or_none("low"),
            price_change=stats.number_or_none("price_change"),
            volume=stats.number_or_none("volume"),
            volume_usd=stats.number_or_none("volume_usd"),
        ),
        **{name: row.number_or_none(name) for name in _OPTIONAL},
        "bid_iv": row.quoted("bid_iv"),
        "ask_iv": row.quoted("ask_iv"),
        "underlying_index": row.text_or_none("underlying_index"),
        "greeks": _greeks(row.inside("greeks")) if row.has("greeks") else None,
    }


_OPTIONAL = (
    "index_price",
    "min_price",
    "max_price",
    "settlement_price",
    "estimated_delivery_price",
    "open_interest",
    "current_funding",
    "funding_8h",
    "mark_iv",
    "underlying_price",
    "interest_rate",
)


def _side(row: Fields, side: str) -> dict[str, float | None]:
    """Read one side's top. An empty side has amount 0 (a combo may well be quoted at price 0)."""
    amount = row.quoted(f"{side}_amount")
    price = None if amount is None else row.number_or_none(f"{side}_price")
    return {f"{side}_price": price, f"{side}_amount": amount}


def _greeks(row: Fields) -> Greeks:
    return Greeks(**{name: row.number(name) for name in ("delta", "gamma", "vega", "theta", "rho")})


def _levels(row: Fields, name: str, *, descending: bool) -> list[Level]:
    raw = row.get(name)
    if not isinstance(raw, list):
        raise row.bad(name, "a list")
    levels: list[Level] = []
    for pair in raw:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(part) in (int, float) for part in pair)):
            raise row.bad(name, "pairs of price and amount")
        price, amount = float(pair[0]), float(pair[1])
        if amount <= 0:
            raise row.bad(name, "amounts above zero")
        if levels and (price >= levels[-1].price if descending else price <= levels[-1].price):
            raise row.bad(name, "prices in order, best first")
        levels.append(Level(price=price, amount=amount))
    return levels


class Candle(Result):
    """One bar."""

    opened_at: datetime = Field(description="When the bar began, the venue's time.")
    open: float = Field(description="First price.")
    high: float = Field(description="Highest price.")
    low: float = Field(description="Lowest price.")
    close: float = Field(description="Last price.")
    volume: float = Field(description="Volume in the base coin.")
    cost: float = Field(description="Volume in the quote currency.")


_COLUMNS = ("open", "high", "low", "close", "volume", "cost")


def candles(raw: object) -> dict[int, Candle]:
    """Read the columns of `public/get_tradingview_chart_data` as bars by their opening time in milliseconds."""
    fields = Fields(raw, "result")
    if fields.text("status") == "no_data":
        return {}
    ticks = fields.get("ticks")
    if not isinstance(ticks, list):
        raise fields.bad("ticks", "a list")
    columns: list[list[Any]] = []
    for name in _COLUMNS:
        column = fields.get(name)
        if not isinstance(column, list) or len(column) != len(ticks):
            raise fields.bad(name, "a list as long as ticks")
        if not {*map(type, column)} <= {int, float}:
            raise fields.bad(name, "numbers")
        columns.append(column)
    if not all(type(tick) is int and 0 <= tick <= _PERPETUAL_MS for tick in ticks):
        raise fields.bad("ticks", "milliseconds since 1970")
    return {
        tick: Candle(opened_at=from_ms(tick), open=open, high=high, low=low, close=close, volume=volume, cost=cost)
        for tick, open, high, low, close, volume, cost in zip(ticks, *columns, strict=True)
    }


PIECE = 200
"""Instruments read in one go: a few milliseconds of work."""


def instruments_in_pieces(raw: object) -> Iterator[list[Instrument]]:
    """Read a list of instruments piece by piece, so that whoever asks can let others work in between.

    One that breaks its contract spoils the list: its rules might be another's.
    """
    if not isinstance(raw, list):
        raise BadVenueData(VENUE, "result", "a list")
    for start in range(0, len(raw), PIECE):
        yield [instrument(row) for row in rows(raw[start : start + PIECE], "result")]


def instruments(raw: object) -> list[Instrument]:
    """Read a list of instruments."""
    return [instrument for piece in instruments_in_pieces(raw) for instrument in piece]


def index_price(raw: object) -> tuple[float, float | None]:
    """Read the answer of `public/get_index_price`: the index, and what delivery would be at now."""
    fields = Fields(raw, "result")
    price = fields.number("index_price")
    if price <= 0:
        raise BadVenueData(VENUE, "result.index_price", "above zero")
    return price, fields.number_or_none("estimated_delivery_price")
