"""What a position of listed legs gains and loses, on live quotes. One request, or two where a leg is not known yet."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from cerberod.calculation.methods import payoffs as told
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.trading.money import Amount, Price
from cerberod.venues.deribit.chain import Source, refusal, source_of
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.fees import delivery_rate, trade_fee
from cerberod.venues.deribit.legs import (
    LegKind,
    Market,
    Markets,
    Pricing,
    check_amounts,
    parse_legs,
    price_of,
    read_legs,
)
from cerberod.venues.deribit.methods.listed import calculated
from cerberod.venues.deribit.methods.words import INSTRUMENT_NAME, InstrumentName

FeeRole = Literal["taker", "maker", "none"]
PricingName = Literal["mid", "mark", "cross"]


class SpreadLeg(Params):
    """One leg of a position."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    side: Literal["buy", "sell"] = Field(description="Bought or sold.")
    amount: Amount = Field(description="Size: USD for inverse futures and perpetuals, else base coin.")
    price: Price | None = Field(
        default=None, description="What it traded at, in the unit it is quoted in; the live quote unless given."
    )


class CalculateSpreadPayoff(Params):
    """A position and how to price it."""

    legs: Annotated[list[SpreadLeg], Field(min_length=1, max_length=20)] = Field(
        description="The legs, all of one underlying and settlement: options, dated futures, perpetuals.",
        examples=[
            [
                {"instrument_name": "BTC-25DEC26-90000-C", "side": "buy", "amount": "1"},
                {"instrument_name": "BTC-25DEC26-100000-C", "side": "sell", "amount": "1"},
            ]
        ],
    )
    pricing: PricingName = Field(
        default="mid",
        description="Live price of each leg: mid of bid and ask, mark, or cross (buys at the ask, sells at the bid).",
    )
    fees: FeeRole = Field(default="taker", description="Trading fees to count: taker, maker or none.")
    delivery_fees: bool = Field(default=True, description="Count the delivery fee of options at expiry.")
    low: Annotated[float, Field(gt=0, le=100)] = Field(default=0.5, description="First level, as a multiple of spot.")
    high: Annotated[float, Field(gt=0, le=100)] = Field(default=1.5, description="Last level, as a multiple of spot.")
    levels: Annotated[int, Field(ge=2, le=1_000)] = Field(
        default=201, description="Levels, evenly apart; strikes between them are added."
    )


class PricedLeg(Result):
    """One leg as it was priced."""

    instrument_name: str = Field(description="The instrument.")
    side: Literal["buy", "sell"] = Field(description="Bought or sold.")
    amount: Amount = Field(description="Size: USD for inverse futures and perpetuals, else base coin.")
    price: float = Field(description="The price taken: coin for inverse options, USD or USDC otherwise.")
    price_source: Literal["mid", "mark", "ask", "bid", "given"] = Field(description="Where it comes from.")
    bid_price: float | None = Field(description="Best bid now; null when nobody bids.")
    ask_price: float | None = Field(description="Best ask now; null when nobody offers.")
    mark_price: float | None = Field(description="Deribit's mark now.")
    mark_iv_pct: float | None = Field(description="Volatility of the mark, percent a year; options only.")
    forward: float | None = Field(description="Forward of its expiry; the mark for futures; null for perpetuals.")
    forward_source: Source | None = Field(description="Where the forward comes from; null for perpetuals.")
    fee: float = Field(description="Trading fee, in the currency of settlement; negative for a rebate.")
    delivery_rate: float = Field(
        description="Delivery fee at expiry as a part of the underlying, at most 12.5 % of what the option pays."
    )


class SpreadPayoff(Result):
    """A position over prices."""

    as_of: datetime = Field(description="Newest time of the summary's rows, the venue's.")
    currency: str = Field(description="What the legs settle in; premium and fees are in it.")
    base_currency: str = Field(description="The coin they are on.")
    settlement: Literal["inverse", "linear"] = Field(description="Paid in coin (inverse) or in USDC (linear).")
    spot: float = Field(description="Index price of the coin, quote currency.")
    pricing: PricingName = Field(description="How legs without a price of their own were priced.")
    fees: FeeRole = Field(description="Whose trading fees were counted.")
    net_premium: float = Field(description="Paid (+) or received (-) for the options, fees not counted.")
    total_fees: float = Field(description="Trading fees of all legs, as single orders.")
    legs: list[PricedLeg] = Field(description="The legs in the order given.")
    payoff: told.Payoff = Field(description="Profit at expiry and today, break-evens, extremes, greeks.")


@method("deribit.calculate_spread_payoff", cost=20, deadline=Deadline.ANALYTICS)
async def calculate_spread_payoff(call: Call, params: CalculateSpreadPayoff) -> SpreadPayoff:
    """Return profit and loss of listed legs on live quotes, at expiry and today.

    In quote currency and in coin; inverse options are paid in coin. Fees follow Deribit's rule: the instrument's rate
    for each coin, at most 12.5 % of the premium; funding of perpetuals is not counted. A leg whose book is empty or
    crossed is refused unless a price is given or marks are asked for.
    """
    names = parse_legs([leg.instrument_name for leg in params.legs])
    markets = await read_legs(call.use(Deribit), names)
    check_amounts(markets, [leg.amount for leg in params.legs])
    priced = [
        _price(index, leg, market, markets, params) for index, (leg, market) in enumerate(_pairs(params, markets))
    ]
    position = told.SpreadPayoff(
        as_of=markets.as_of,
        spot=markets.spot,
        legs=[_leg(leg, market) for leg, market in zip(priced, markets.legs, strict=True)],
        low=params.low,
        high=params.high,
        levels=params.levels,
    )
    found = await calculated(call, params, told.SPREAD_PAYOFF, position)
    options = [leg for leg, market in zip(priced, markets.legs, strict=True) if market.name.kind.is_option]
    return SpreadPayoff(
        as_of=markets.as_of,
        currency=markets.currency,
        base_currency=markets.base,
        settlement=_settlement(markets.legs[0]),
        spot=markets.spot,
        pricing=params.pricing,
        fees=params.fees,
        net_premium=sum(_signed(leg) * leg.price for leg in options),
        total_fees=sum(leg.fee for leg in priced),
        legs=priced,
        payoff=found,
    )


def _pairs(params: CalculateSpreadPayoff, markets: Markets) -> list[tuple[SpreadLeg, Market]]:
    return list(zip(params.legs, markets.legs, strict=True))


def _price(index: int, leg: SpreadLeg, market: Market, markets: Markets, params: CalculateSpreadPayoff) -> PricedLeg:
    """Price one leg and charge its fee."""
    field = f"legs.{index}.instrument_name"
    row, instrument = market.row, market.instrument
    source: Literal["mid", "mark", "ask", "bid", "given"]
    if leg.price is not None:
        price, source = float(leg.price), "given"
    else:
        price = price_of(market, leg.side, Pricing(params.pricing), field)
        source = params.pricing if params.pricing != "cross" else "ask" if leg.side == "buy" else "bid"
    if market.name.kind.is_option and (row.mark_iv is None or row.underlying_price is None):
        raise refusal(field, "an option that has a forward and a volatility now")
    rates = {"taker": instrument.taker_commission, "maker": instrument.maker_commission, "none": 0.0}
    rate = rates[params.fees] or 0.0
    forward, forward_source = _forward(market)
    return PricedLeg(
        instrument_name=leg.instrument_name,
        side=leg.side,
        amount=leg.amount,
        price=price,
        price_source=source,
        bid_price=row.bid,
        ask_price=row.ask,
        mark_price=row.mark,
        mark_iv_pct=row.mark_iv,
        forward=forward,
        forward_source=forward_source,
        fee=trade_fee(
            float(leg.amount),
            price,
            markets.spot,
            rate,
            option=market.name.kind.is_option,
            inverse=market.name.inverse,
        ),
        delivery_rate=delivery_rate(instrument) if params.delivery_fees else 0.0,
    )


def _forward(market: Market) -> tuple[float | None, Source | None]:
    if market.name.kind.is_option:
        return market.row.underlying_price, source_of(market.row.underlying_index)
    if market.name.kind is LegKind.FUTURE:
        return market.row.mark, Source.FUTURE
    return None, None


def _settlement(market: Market) -> Literal["inverse", "linear"]:
    return "inverse" if market.name.inverse else "linear"


def _signed(leg: PricedLeg) -> float:
    return float(leg.amount) if leg.side == "buy" else -float(leg.amount)


def _leg(leg: PricedLeg, market: Market) -> told.Leg:
    """Return a leg as the calculation takes it."""
    name = market.name
    return told.Leg(
        kind=name.kind.value,
        quantity=_signed(leg),
        price=leg.price,
        settlement=_settlement(market),
        strike=name.strike,
        expiry=name.expires_at,
        iv_pct=leg.mark_iv_pct if name.kind.is_option else None,
        forward=leg.forward,
        fee=leg.fee,
        delivery_rate=leg.delivery_rate,
    )
