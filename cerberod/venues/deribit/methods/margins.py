"""What orders and portfolios at Deribit would need, and how much may still be asked of it. Needs keys."""

from datetime import datetime

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result, method
from cerberod.trading.money import Amount, Price, Quantity
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.limits import ALLOWANCES
from cerberod.venues.deribit.methods.words import CURRENCY, INSTRUMENT_NAME, Currency, InstrumentName
from cerberod.venues.deribit.wire import margins as wire
from cerberod.venues.deribit.wire.account import matching_allowances
from cerberod.venues.deribit.wire.margins import Margins, SimulatedPortfolio

AS_OF = "When the venue answered, by its own stamp of the answer."


class GetMargins(Params):
    """An order that may be placed."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    amount: Amount = Field(description="Size as decimal text: USD for inverse futures, else base coin.")
    price: Price = Field(
        description="Price as decimal text; options settled in coin are priced in coin.", examples=["60000"]
    )


@method("deribit.get_margins")
async def get_margins(call: Call, params: GetMargins) -> Margins:
    """Return the margin that an order would need, bought or sold.

    Amounts are decimal text in the settlement currency. Nothing is placed, and what is held now is taken into account.
    """
    asked = {"instrument_name": params.instrument_name, "amount": params.amount, "price": params.price}
    answer = await call.use(Deribit).read("private/get_margins", asked)
    return wire.margins(answer.result, params.instrument_name, params.amount, params.price, answer.stamp())


class SimulatedPosition(Params):
    """One position that may be held."""

    instrument_name: InstrumentName = Field(description=INSTRUMENT_NAME)
    size: Quantity = Field(
        description="Its size as decimal text, below zero when short: USD for inverse futures, else base coin."
    )


class SimulatePortfolio(Params):
    """Positions that may be held."""

    currency: Currency = Field(description=CURRENCY)
    simulated_positions: list[SimulatedPosition] = Field(
        min_length=1,
        max_length=200,
        description="The positions, each instrument once.",
        examples=[[{"instrument_name": "BTC-PERPETUAL", "size": "-1000"}]],
    )
    add_positions: bool = Field(
        default=True, description="Add them to the positions held now; false looks at them alone."
    )

    @field_validator("simulated_positions")
    @classmethod
    def _once(cls, positions: list[SimulatedPosition]) -> list[SimulatedPosition]:
        if len({each.instrument_name for each in positions}) < len(positions):
            raise PydanticCustomError("positions", "each instrument once")
        return positions


@method("deribit.simulate_portfolio", cost=5)
async def simulate_portfolio(call: Call, params: SimulatePortfolio) -> SimulatedPortfolio:
    """Return the margins of a portfolio that may be held, without placing anything.

    Amounts are decimal text in `currency`. Deribit allows this once a second; a call that comes sooner waits for it.
    """
    asked = {
        "currency": params.currency,
        "add_positions": params.add_positions,
        "simulated_positions": {each.instrument_name: each.size for each in params.simulated_positions},
    }
    answer = await call.use(Deribit).read("private/simulate_portfolio", asked)
    return wire.simulated_portfolio(answer.result, answer.stamp())


class GetRateLimits(Params):
    """Whose limits."""

    currency: Currency = Field(
        default="BTC", description="The part of the account that is asked; its pools are shared by all currencies."
    )


class RateLimit(Result):
    """One pool of requests. It belongs to the sub-account, so other programs and open web pages drain it too."""

    name: str = Field(
        description="matching (orders, edits, cancels), cancel_all, non_matching (nearly all else), instruments, "
        "transaction_log or simulate_portfolio."
    )
    burst: float = Field(description="Requests that a full pool holds.")
    per_second: float = Field(description="Requests that it gains in a second.")
    left: float = Field(description="Requests left, by what this daemon has sent; others' are not in it.")
    told_by_venue: bool = Field(
        description="Whether the venue told burst and gain for this account; else they follow the published table, "
        "a little more carefully where a pool holds one request."
    )


class RateLimits(Result):
    """All pools."""

    as_of: datetime = Field(description=AS_OF)
    limits: list[RateLimit] = Field(description="One for each pool.")


@method("deribit.get_rate_limits")
async def get_rate_limits(call: Call, params: GetRateLimits) -> RateLimits:
    """Return how many requests the account may make, and how many are left.

    Deribit hangs up on who asks too much, so this daemon waits before a pool is empty: reads leave a tenth of a pool
    alone, orders a fifth of theirs to cancels. What the venue tells here is taken over at once.
    """
    deribit = call.use(Deribit)
    answer = await deribit.read("private/get_account_summary", {"currency": params.currency})
    deribit.learn_limits(answer.result)
    told = matching_allowances(answer.result)
    left = deribit.status().credits_left
    limits: list[RateLimit] = []
    for kind, published in ALLOWANCES.items():
        allowance = told.get(kind.value, published)
        limits.append(
            RateLimit(
                name=kind.value,
                burst=allowance.pool / allowance.cost,
                per_second=allowance.refill_per_s / allowance.cost,
                left=left[kind.value],
                told_by_venue=kind.value in told,
            )
        )
    return RateLimits(as_of=answer.stamp(), limits=limits)
