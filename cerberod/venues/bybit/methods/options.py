"""Bybit's options. Needs no keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cerberod.errors import BadVenueData, InvalidParams
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.venues.bybit.client import Bybit
from cerberod.venues.bybit.errors import VENUE
from cerberod.venues.bybit.methods.market import fetch_instruments, read_tickers
from cerberod.venues.bybit.methods.words import PAGES, Coin
from cerberod.venues.bybit.wire.instruments import Instrument, OptionType
from cerberod.venues.bybit.wire.market import AS_OF, Ticker
from cerberod.venues.bybit.wire.words import Category

ExpDate = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}[A-Z]{3}[0-9]{2}$"), Field(examples=["25DEC26"])]
_STRIKE_AT = 2
"""Where the strike stands in a name: BTC-25DEC26-90000-C. Nothing else tells it."""


class GetOptionChain(Params):
    """Which options."""

    base_coin: Coin = Field(description="The coin the options are on.")
    settle_coin: Literal["USDT", "USDC"] | None = Field(default=None, description="Only options that settle in this.")
    exp_date: ExpDate | None = Field(default=None, description="Only this expiry, as names have it; all by default.")
    options_type: Literal["Call", "Put"] | None = Field(default=None, description="Only calls, or only puts.")


class ChainOption(Result):
    """One option. Prices are in the settlement coin, for one coin of the underlying."""

    symbol: str = Field(description="The option.")
    options_type: OptionType = Field(description="`Call` or `Put`.")
    settle_coin: str | None = Field(description="USDT or USDC.")
    strike: float = Field(description="Strike.")
    expires_at: datetime = Field(description="Its delivery, as Bybit tells it.")
    bid_price: float | None = Field(description="Highest bid; null when nobody bids.")
    bid_size: float | None = Field(description="Its size in base coin; null when nobody bids.")
    bid_iv_pct: float | None = Field(description="Volatility of the bid, percent a year; null without one.")
    ask_price: float | None = Field(description="Lowest ask; null when nobody offers.")
    ask_size: float | None = Field(description="Its size in base coin; null when nobody offers.")
    ask_iv_pct: float | None = Field(description="Volatility of the ask, percent a year; null without one.")
    mark_price: float | None = Field(description="Bybit's fair price.")
    mark_iv_pct: float | None = Field(description="Volatility of the mark, percent a year.")
    last_price: float | None = Field(description="Last trade; null when there was none.")
    underlying_price: float | None = Field(description="Forward of its expiry.")
    index_price: float | None = Field(description="The index.")
    delta: float | None = Field(description="Bybit's own delta.")
    gamma: float | None = Field(description="Change of delta for 1 USD.")
    vega: float | None = Field(description="USD for 1 volatility point.")
    theta: float | None = Field(description="USD for a day.")
    open_interest: float | None = Field(description="Open interest in base coin.")
    volume_24h: float | None = Field(description="Volume of 24 hours in base coin.")


class OptionChain(Result):
    """A chain in order."""

    as_of: datetime = Field(description=AS_OF)
    base_coin: str = Field(description="The coin.")
    count: int = Field(description="How many options there are.")
    pages: int = Field(description=PAGES)
    not_quoted: int = Field(description="Listed options that had no ticker; they are left out.")
    options: list[ChainOption] = Field(
        description="The options by expiry, strike, call before put, settlement; empty when there are none."
    )


@method("bybit.get_option_chain", cost=20, deadline=Deadline.ANALYTICS)
async def get_option_chain(call: Call, params: GetOptionChain) -> OptionChain:
    """Return a coin's options with quotes, volatilities and Bybit's own greeks.

    Expiry, settlement and type are read from the list of instruments, not off names. USDT and USDC options of one
    strike are two instruments.
    """
    bybit = call.use(Bybit)
    _, instruments, pages = await fetch_instruments(bybit, Category.OPTION, params.base_coin)
    if not instruments:
        raise InvalidParams([{"field": "base_coin", "rule": "a coin that Bybit lists options on"}])
    asked = {"baseCoin": params.base_coin, "expDate": params.exp_date}
    as_of, tickers = await read_tickers(bybit, Category.OPTION, None, **asked)
    quoted = {each.symbol: each for each in tickers}
    wanted = [
        each
        for each in instruments
        if params.settle_coin in (None, each.settle_coin)
        and (params.options_type is None or each.options_type == params.options_type)
        and (params.exp_date is None or each.symbol.split("-")[1:2] == [params.exp_date])
    ]
    found = [_option(each, quoted[each.symbol]) for each in wanted if each.symbol in quoted]
    found.sort(key=lambda each: (each.expires_at, each.strike, each.options_type, each.settle_coin or ""))
    return OptionChain(
        as_of=as_of,
        base_coin=params.base_coin,
        count=len(found),
        pages=pages + 1,
        not_quoted=len(wanted) - len(found),
        options=found,
    )


def strike_of(symbol: str) -> float:
    """Read the strike off an option's name."""
    parts = symbol.split("-")
    text = parts[_STRIKE_AT] if len(parts) > _STRIKE_AT else ""
    if not text.replace(".", "", 1).isdecimal() or not text.isascii():
        raise BadVenueData(VENUE, "result.list.symbol", "an option's name, with its strike")
    return float(text)


def _option(instrument: Instrument, ticker: Ticker) -> ChainOption:
    if instrument.options_type is None or instrument.delivers_at is None:
        raise BadVenueData(VENUE, "result.list.deliveryTime", "there for an option")
    return ChainOption(
        symbol=instrument.symbol,
        options_type=instrument.options_type,
        settle_coin=instrument.settle_coin,
        strike=strike_of(instrument.symbol),
        expires_at=instrument.delivers_at,
        bid_price=ticker.bid_price,
        bid_size=ticker.bid_size,
        bid_iv_pct=ticker.bid_iv_pct,
        ask_price=ticker.ask_price,
        ask_size=ticker.ask_size,
        ask_iv_pct=ticker.ask_iv_pct,
        mark_price=ticker.mark_price,
        mark_iv_pct=ticker.mark_iv_pct,
        last_price=ticker.last_price,
        underlying_price=ticker.underlying_price,
        index_price=ticker.index_price,
        delta=ticker.delta,
        gamma=ticker.gamma,
        vega=ticker.vega,
        theta=ticker.theta,
        open_interest=ticker.open_interest,
        volume_24h=ticker.volume_24h,
    )
