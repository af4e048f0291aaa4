"""What a position of options, futures and spot gains or loses, at expiry and today."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from cerberod.calculation.methods import examples
from cerberod.calculation.methods.options import Price
from cerberod.calculation.methods.words import Basis
from cerberod.calculation.service import Calculation, Kernel
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method

Number = Annotated[float, Field(ge=-1e15, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]


class Leg(Params):
    """One leg of a position."""

    kind: Literal["call", "put", "future", "perpetual", "spot"] = Field(description="What it is.")
    quantity: Number = Field(
        description="Bought +, sold -; units of the underlying, but quote currency for inverse futures and perpetuals."
    )
    price: Annotated[float, Field(ge=0, le=1e15)] = Field(
        description="Paid or received for one: coins for an inverse option, else quote currency."
    )
    settlement: Literal["linear", "inverse"] = Field(
        default="linear", description="Gains are paid in quote currency (linear) or in the coin itself (inverse)."
    )
    strike: Price | None = Field(default=None, description="Strike in quote currency; options only.")
    expiry: AwareDatetime | None = Field(
        default=None, description="When it expires, ISO 8601 with zone; options and futures only."
    )
    iv_pct: Annotated[float, Field(gt=0, le=1e5)] | None = Field(
        default=None, description="Volatility now, percent a year; options only."
    )
    forward: Price | None = Field(
        default=None, description="Forward of its expiry now, quote currency; the spot price unless given."
    )
    fee: Number = Field(default=0.0, description="Paid at entry, in all, in the currency of settlement.")
    delivery_rate: Share = Field(default=0.0, description="Delivery fee at expiry, as a fraction of the underlying.")
    delivery_cap: Share = Field(
        default=0.125, description="The most an option's delivery fee is, as a fraction of what it pays."
    )


class SpreadPayoff(Params):
    """A position and the prices to look at."""

    as_of: AwareDatetime = Field(
        description="Now, ISO 8601 with zone; earlier than every expiry.", examples=[examples.AS_OF]
    )
    spot: Price = Field(description="Spot price now, in quote currency.", examples=[80000])
    legs: Annotated[list[Leg], Field(min_length=1, max_length=100)] = Field(
        description="The legs.", examples=[examples.SPREAD]
    )
    low: Annotated[float, Field(gt=0, le=100)] = Field(default=0.5, description="First level, as a multiple of spot.")
    high: Annotated[float, Field(gt=0, le=100)] = Field(default=1.5, description="Last level, as a multiple of spot.")
    levels: Annotated[int, Field(ge=2, le=1_000)] = Field(
        default=201, description="Levels, evenly apart; strikes between them are added."
    )


class Extreme(Result):
    """The greatest or least profit at expiry."""

    value: float | None = Field(description="The profit; null when unbounded.")
    level: float | None = Field(description="The price where it is reached; null when it is only approached.")
    toward: Literal["zero", "infinity"] | None = Field(
        description="Where the price goes while it is approached; null when it is reached."
    )
    unbounded: bool = Field(description="True when there is no limit.")


class Stretch(Result):
    """A range of prices."""

    low: float = Field(description="From this price.")
    high: float | None = Field(description="To this price; null for no upper end.")


class AtExpiry(Result):
    """Profit at the common expiry; losses are negative. `_quote` is quote currency, `_coin` coins at that price."""

    breakevens: list[float] = Field(description="Prices of no profit, exact, the same in both currencies; rising.")
    zero_ranges: list[Stretch] = Field(description="Ranges of prices over which the profit stays zero.")
    max_profit_quote: Extreme = Field(description="The greatest profit in quote currency.")
    max_loss_quote: Extreme = Field(
        description="The least profit in quote currency; a premium or fee paid in coin grows with the price and makes "
        "it unbounded, where nothing else grows as fast."
    )
    max_profit_coin: Extreme = Field(description="The greatest profit in coin.")
    max_loss_coin: Extreme = Field(description="The least profit in coin.")
    profit_quote: list[float] = Field(description="Profit at each level, quote currency.")
    profit_coin: list[float] = Field(description="Profit at each level, in coins at that level.")


class Curve(Result):
    """Profit at one moment before or at the first expiry, entry fees included, delivery fees not."""

    at: AwareDatetime = Field(description="The moment.")
    profit_quote: list[float] = Field(description="Profit at each level, quote currency.")
    profit_coin: list[float] = Field(description="Profit at each level, in coins at that level.")
    breakevens: list[float] = Field(description="Levels on the grid where the profit changes sign.")


class LegGreeks(Result):
    """One leg now, or all of them, quantity and sign included."""

    delta: float = Field(description="Units of the underlying.")
    premium_adjusted_delta: float = Field(
        description="Delta less the coin that inverse options are worth, which is itself a holding of coin."
    )
    gamma: float = Field(description="Delta per 1 of quote currency.")
    vega: float = Field(description="Quote currency per volatility point.")
    theta: float = Field(description="Quote currency per calendar day.")
    rho: float = Field(description="Quote currency per percentage point of rate.")


class Payoff(Result):
    """A position over prices."""

    basis: Basis = Field(description="What it was made from.")
    levels: list[float] = Field(description="Prices of the underlying, quote currency.")
    at_expiry: AtExpiry | None = Field(description="When all legs expire together; null with a reason.")
    reason: str | None = Field(description="several_expiries or no_expiry, why `at_expiry` is null; else null.")
    at_first_expiry: Curve | None = Field(
        description="When the first leg expires, the others revalued; null unless there are several expiries."
    )
    today: Curve = Field(description="Now, by Black-76 at each leg's volatility.")
    profit_now_quote: float = Field(description="Profit now at the spot price, quote currency.")
    profit_now_coin: float = Field(description="The same in coins.")
    greeks: LegGreeks = Field(description="Net greeks now.")
    legs: list[LegGreeks] = Field(description="Greeks of each leg, in the order given.")


SPREAD_PAYOFF = Kernel("payoffs", "spread_payoff", SpreadPayoff, Payoff, 0)


@method("common.spread_payoff", cost=20, deadline=Deadline.ANALYTICS)
async def spread_payoff(call: Call, params: SpreadPayoff) -> Payoff:
    """Return profit of a position at expiry and today, in quote currency and coin.

    Break-evens and extremes at expiry are exact, unbounded sides are said, coin-settled legs are paid in coin: what
    was paid in coin is a loss without limit in quote currency, where no leg gains as fast when the price rises. Today's
    curve and greeks are Black-76 under Deribit's convention, rates zero, volatility staying with the strike.
    """
    return await call.use(Calculation).run(SPREAD_PAYOFF, params)
