"""Series of Deribit's market data: trades, funding, settlements, volatility. Needs no keys."""

from datetime import datetime
from typing import Annotated, Literal, Self

from anyio.lowlevel import checkpoint
from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from cerberod.clock import from_ms
from cerberod.errors import BadVenueData
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.deribit import continued, tape
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.dvol import RESOLUTIONS, fetch_dvol
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.funding import fetch_funding, missing_hours
from cerberod.venues.deribit.methods.windows import OfTape, of_tape
from cerberod.venues.deribit.methods.words import (
    CURRENCY,
    INSTRUMENT_NAME,
    KIND,
    Currency,
    CurrencyOrAny,
    InstrumentName,
    KindName,
    PerpetualName,
    alone,
    one_scope,
)
from cerberod.venues.deribit.wire import market, series
from cerberod.venues.deribit.wire.requests import given
from cerberod.venues.deribit.wire.series import FundingHour, Settlement, VolatilityPoint
from cerberod.venues.deribit.wire.tape import PublicTrade, public_trade
from cerberod.venues.instants import milliseconds
from cerberod.venues.windows import AS_OF, PAGES, OpenWindow, Window

FUNDING_PERIODS = 3 * 365
"""Periods of 8 hours in a year."""

Continuation = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.=+/-]{1,200}$")]


class GetLastTrades(OpenWindow):
    """Which trades: of an instrument, or of a currency."""

    currency: CurrencyOrAny | None = Field(
        default=None,
        description=CURRENCY + " Or `instrument_name`, never both.",
        json_schema_extra={"x-example": "BTC"},
    )
    kind: KindName | None = Field(default=None, description=KIND + " Goes with `currency`.")
    instrument_name: InstrumentName | None = Field(
        default=None, description=INSTRUMENT_NAME + " Then neither `currency` nor `kind` is given."
    )
    count: int = Field(default=100, ge=1, le=tape.MOST, description="Most trades to return.")

    @field_validator("instrument_name")
    @classmethod
    def _alone(cls, name: str | None, info: ValidationInfo) -> str | None:
        return alone(name, info)

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        one_scope(self.instrument_name, self.currency)
        return self


class LastTrades(OfTape):
    """Public trades in order, without repeats."""

    trades: list[PublicTrade] = Field(description="The trades, oldest first; empty when there are none.")


@method("deribit.get_last_trades", cost=5, deadline=Deadline.ANALYTICS)
async def get_last_trades(call: Call, params: GetLastTrades) -> LastTrades:
    """Return public trades, the latest ones or those of a window.

    Without `start` these are the latest before `end`. With it they are the oldest of the window: a window with more
    than `count` is cut after a whole millisecond, `has_more` says so, and `next_start` goes on from there. Deribit
    gives 1000 trades a request.
    """
    found = await tape.fetch_trades(call.use(Deribit), _public(params), *params.bounds_ms, params.count)
    return LastTrades(**of_tape(found, params), trades=found.trades)


def _public(params: GetLastTrades) -> tape.Source[PublicTrade]:
    if params.instrument_name is not None:
        name, scope = "public/get_last_trades_by_instrument", given(instrument_name=params.instrument_name)
    else:
        name, scope = "public/get_last_trades_by_currency", given(currency=params.currency, kind=params.kind)
    return tape.Source(name, f"{name}_and_time", scope, public_trade)


class GetFundingRate(OpenWindow):
    """Which perpetual, and over which window besides now."""

    instrument_name: PerpetualName = Field(description="The perpetual, for example BTC-PERPETUAL.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise PydanticCustomError("window", "start goes with end")
        return self


class FundingRate(Result):
    """The funding of a perpetual. Rates are fractions of the position; above zero longs pay shorts."""

    instrument_name: str = Field(description="The perpetual.")
    as_of: datetime = Field(description="The venue's time of the rates.")
    current_funding: float = Field(
        description="The rate for 8 hours that is paid at this instant; 0 while the premium is within the dead zone."
    )
    funding_8h: float = Field(description="The average rate of the last 8 hours.")
    current_funding_apr_pct: float = Field(
        description="`current_funding` as percent a year: 1095 periods of 8 hours, not compounded."
    )
    funding_8h_apr_pct: float = Field(description="`funding_8h` as percent a year, the same way.")
    mark_price: float = Field(description="The mark price.")
    index_price: float | None = Field(description="The index.")
    paid_in_window: float | None = Field(
        description="What the window paid in all, a fraction of the position; null when no window was given."
    )


@method("deribit.get_funding_rate")
async def get_funding_rate(call: Call, params: GetFundingRate) -> FundingRate:
    """Return what a perpetual pays now, and in all over a window.

    `start` and `end` go together. Deribit pays funding continuously: a rate for 8 hours held for one second pays
    1/28800 of it. The hours themselves are in `get_funding_history`.
    """
    deribit = call.use(Deribit)
    answer = await deribit.read("public/ticker", {"instrument_name": params.instrument_name})
    ticker = market.ticker(answer.result)
    current, average = ticker.current_funding, ticker.funding_8h
    if current is None or average is None:
        raise BadVenueData(VENUE, "result.current_funding", "there for a perpetual")
    paid = None
    if params.start is not None and params.end is not None:
        window = {"start_timestamp": milliseconds(params.start), "end_timestamp": milliseconds(params.end)}
        value = await deribit.read(
            "public/get_funding_rate_value", {"instrument_name": params.instrument_name, **window}
        )
        paid = series.funding_value(value.result)
    return FundingRate(
        instrument_name=ticker.instrument_name,
        as_of=ticker.as_of,
        current_funding=current,
        funding_8h=average,
        current_funding_apr_pct=current * FUNDING_PERIODS * 100,
        funding_8h_apr_pct=average * FUNDING_PERIODS * 100,
        mark_price=ticker.mark_price,
        index_price=ticker.index_price,
        paid_in_window=paid,
    )


class GetFundingHistory(Window):
    """Which hours of which perpetual."""

    instrument_name: PerpetualName = Field(description="The perpetual, for example BTC-PERPETUAL.")


class FundingHistory(Result):
    """Hours of funding in order, without repeats."""

    as_of: datetime = Field(description=AS_OF)
    instrument_name: str = Field(description="The perpetual.")
    count: int = Field(description="How many hours there are.")
    pages: int = Field(description=PAGES)
    missing_hours: int = Field(description="Hours between the first and the last that Deribit has nothing for.")
    paid: float = Field(description="The sum of `interest_1h`: what these hours paid, a fraction of the position.")
    hours: list[FundingHour] = Field(description="The hours, oldest first; empty when the window has none.")


@method("deribit.get_funding_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_funding_history(call: Call, params: GetFundingHistory) -> FundingHistory:
    """Return the funding of every hour of a window.

    `interest_1h` is what an hour really paid. Deribit answers about 744 hours a request; a window of more than 20000
    hours is error -32602, which tells how many requests it would have cost.
    """
    found = await fetch_funding(
        call.use(Deribit), params.instrument_name, milliseconds(params.start), milliseconds(params.end)
    )
    return FundingHistory(
        as_of=found.as_of,
        instrument_name=params.instrument_name,
        count=len(found.hours),
        pages=found.pages,
        missing_hours=missing_hours(found.hours),
        paid=sum(hour.interest_1h for hour in found.hours),
        hours=found.hours,
    )


SETTLEMENTS_PAGE = 1000
"""Most settlements of one answer."""


class GetSettlements(OpenWindow):
    """Which settlements: of an instrument, or of a currency."""

    currency: Currency | None = Field(
        default=None,
        description=CURRENCY + " Or `instrument_name`, never both.",
        json_schema_extra={"x-example": "BTC"},
    )
    instrument_name: InstrumentName | None = Field(
        default=None, description=INSTRUMENT_NAME + " Then no `currency` is given."
    )
    type: Literal["settlement", "delivery", "bankruptcy"] | None = Field(
        default=None, description="Only these; all types when left out."
    )
    count: int = Field(default=100, ge=1, le=5000, description="Most settlements to return, the newest of them.")
    continuation: Continuation | None = Field(
        default=None, description="What an earlier answer gave: goes on with older ones, all else unchanged."
    )

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        one_scope(self.instrument_name, self.currency)
        return self


class Settlements(Result):
    """Settlements in order."""

    as_of: datetime = Field(description=AS_OF)
    count: int = Field(description="How many there are.")
    pages: int = Field(description=PAGES)
    continuation: str | None = Field(description="Goes on with older ones when given back; null when there are none.")
    settlements: list[Settlement] = Field(description="The settlements, oldest first; empty when there are none.")


@method("deribit.get_settlements", cost=5, deadline=Deadline.ANALYTICS)
async def get_settlements(call: Call, params: GetSettlements) -> Settlements:
    """Return past settlements, deliveries and bankruptcies.

    Deribit settles every position at 08:00 UTC; at an instrument's expiry that is its delivery. Of more than `count`
    the newest are returned, and `continuation` goes on with the older ones.
    """
    scope = "instrument" if params.instrument_name is not None else "currency"
    asked = given(
        instrument_name=params.instrument_name,
        currency=params.currency,
        type=params.type,
        search_start_timestamp=None if params.end is None else milliseconds(params.end),
    )
    name = f"public/get_last_settlements_by_{scope}"
    listing = continued.Listing(name, dict(asked), SETTLEMENTS_PAGE, "settlements", series.settlement)
    found = await continued.fetch_listing(
        call.use(Deribit),
        listing,
        start=params.start,
        end=params.end,
        count=params.count,
        continuation=params.continuation,
    )
    return Settlements(
        as_of=found.as_of,
        count=len(found.rows),
        pages=found.pages,
        continuation=found.continuation,
        settlements=found.rows,
    )


class GetDvolHistory(Window):
    """Which candles of which volatility index."""

    currency: Literal["BTC", "ETH"] = Field(description="The coin whose index it is.")
    resolution: Literal["1", "60", "3600", "43200", "1D"] = Field(
        default="1D", description="Length of a candle in seconds, or 1D."
    )


class DvolBar(Result):
    """One candle of the volatility index, in volatility points: 47.5 is 47.5 percent a year."""

    opened_at: datetime = Field(description="When the candle began, the venue's time.")
    open: float = Field(description="First value.")
    high: float = Field(description="Highest value.")
    low: float = Field(description="Lowest value.")
    close: float = Field(description="Last value.")


class DvolHistory(Result):
    """Candles in order, without repeats."""

    as_of: datetime = Field(description=AS_OF)
    currency: str = Field(description="The coin.")
    resolution: str = Field(description="Length of a candle in seconds, or 1D.")
    count: int = Field(description="How many candles there are.")
    pages: int = Field(description=PAGES)
    missing: int = Field(description="Candles between the first and the last that Deribit has not.")
    last_is_forming: bool = Field(description="Whether the last candle had not ended yet.")
    candles: list[DvolBar] = Field(description="The candles, oldest first; empty when the window has none.")


_PIECE = 500
"""Candles made in one go."""


@method("deribit.get_dvol_history", cost=5, deadline=Deadline.ANALYTICS)
async def get_dvol_history(call: Call, params: GetDvolHistory) -> DvolHistory:
    """Return candles of Deribit's volatility index over a window.

    The index is the 30 day implied volatility of BTC or ETH options in percent a year. Deribit answers about 1000
    candles a request; a window of more than 20000 is error -32602, which tells how many requests it would have cost.
    """
    start_ms, end_ms = milliseconds(params.start), milliseconds(params.end)
    found = await fetch_dvol(call.use(Deribit), params.currency, start_ms, end_ms, params.resolution)
    step_ms = RESOLUTIONS[params.resolution]
    bars: list[DvolBar] = []
    for each in found.candles:
        opened_at = from_ms(each.opened_ms)
        bars.append(DvolBar(opened_at=opened_at, open=each.open, high=each.high, low=each.low, close=each.close))
        if len(bars) % _PIECE == 0:
            await checkpoint()  # twenty thousand candles take a while: others go in between
    expected = (found.candles[-1].opened_ms - found.candles[0].opened_ms) // step_ms + 1 if bars else 0
    return DvolHistory(
        as_of=found.as_of,
        currency=params.currency,
        resolution=params.resolution,
        count=len(bars),
        pages=found.pages,
        missing=max(0, expected - len(bars)),
        last_is_forming=bool(bars) and found.candles[-1].opened_ms + step_ms > milliseconds(found.as_of),
        candles=bars,
    )


class GetHistoricalVolatility(Params):
    """Whose volatility."""

    currency: Currency = Field(description="The coin, for example BTC.")


class HistoricalVolatility(Result):
    """Realised volatility as Deribit publishes it."""

    as_of: datetime = Field(description=AS_OF)
    currency: str = Field(description="The coin.")
    count: int = Field(description="How many values there are.")
    latest_pct: float | None = Field(description="The newest value, percent a year; null when there is none.")
    values: list[VolatilityPoint] = Field(
        description="One value an hour of about the last 15 days, oldest first; empty when there are none."
    )


@method("deribit.get_historical_volatility")
async def get_historical_volatility(call: Call, params: GetHistoricalVolatility) -> HistoricalVolatility:
    """Return the realised volatility that Deribit itself publishes for a coin.

    How Deribit computes it is not published in full; `get_realized_vol` computes stated estimators from candles.
    """
    answer = await call.use(Deribit).read("public/get_historical_volatility", params.model_dump())
    values = series.volatility_points(answer.result)
    return HistoricalVolatility(
        as_of=answer.stamp(),
        currency=params.currency,
        count=len(values),
        latest_pct=values[-1].volatility_pct if values else None,
        values=values,
    )
