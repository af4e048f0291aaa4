"""What every analytic of a whole chain is asked and tells: which chain, of when, and which options and forwards."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from anyio.lowlevel import checkpoint
from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.calculation.listed.chain import OfListed, asked
from cerberod.calculation.service import Kernel
from cerberod.clock import from_ms
from cerberod.rpc.call import Call
from cerberod.rpc.registry import Params, Result
from cerberod.venues import calculating
from cerberod.venues.deribit.chain import Chain, Dropped, Expiry, Option, Source, fetch_chain, refusal
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.errors import VENUE
from cerberod.venues.deribit.wire.market import expiry as expiry_of

P = TypeVar("P", bound=Params)
R = TypeVar("R", bound=Result)

OptionCurrency = Annotated[Literal["BTC", "ETH", "USDC"], Field(examples=["BTC"])]
Base = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,10}$"), Field(examples=["SOL"])]
ExpiryName = Annotated[str, StringConstraints(pattern=r"^\d{1,2}[A-Z]{3}\d{2}$"), Field(examples=["25DEC26"])]
OPTION_CURRENCY = "What the options settle in: BTC or ETH (paid in coin), or USDC (linear; name `base` then)."
BASE = "The coin the options are on; needed with USDC, where chains of several coins are listed."
EXPIRY = "The expiry, as it stands in instrument names."


class ChainParams(Params):
    """Which chain."""

    currency: OptionCurrency = Field(description=OPTION_CURRENCY)
    base: Base | None = Field(default=None, description=BASE, validate_default=True)

    @field_validator("base")
    @classmethod
    def _of_currency(cls, base: str | None, info: ValidationInfo) -> str | None:
        currency = info.data.get("currency")
        if currency == "USDC" and base is None:
            raise PydanticCustomError("base", "given with currency USDC, for example SOL")
        if currency in ("BTC", "ETH") and base not in (None, currency):
            raise PydanticCustomError("base", "left out, or equal to currency, for options paid in coin")
        return base


class ExpiryParams(ChainParams):
    """Which chain, and which expiry of it."""

    expiry: ExpiryName | None = Field(default=None, description="Only this expiry, as names have it; all by default.")

    @field_validator("expiry")
    @classmethod
    def _is_a_date(cls, expiry: str | None) -> str | None:
        if expiry is not None and expiry_of(expiry) is None:
            raise PydanticCustomError("expiry", "a date such as 25DEC26")
        return expiry


class Forward(Result):
    """One expiry that was used."""

    expiry: str = Field(description=EXPIRY)
    expires_at: datetime = Field(description="08:00 UTC of that day.")
    days: float = Field(description="Days left at `as_of`, of 24 hours.")
    forward: float | None = Field(description="Median `underlying_price` of its rows, quote currency; null without.")
    source: Source = Field(
        description="Where it comes from, by its name: a listed future, a synthetic forward, or the index."
    )
    underlying_index: str | None = Field(description="That name.")
    options: int = Field(description="How many of its options were used.")


class LeftOut(Result):
    """Rows that were not used."""

    reason: Dropped = Field(description="Why: not_an_option, expired, no_forward, or no_volatility.")
    count: int = Field(description="How many.")


class OfChain(Result):
    """What a result was made from."""

    as_of: datetime = Field(description="Newest time of the chain's rows, the venue's; times to expiry start here.")
    currency: str = Field(description="What the options settle in.")
    base_currency: str = Field(description="The coin they are on.")
    settlement: Literal["inverse", "linear"] = Field(description="Paid in coin (inverse) or in USDC (linear).")
    spot: float = Field(description="Index price of the coin, quote currency.")
    spot_source: str = Field(
        description="estimated_delivery_price (median over the rows), or index where the rows do not tell it."
    )
    options_used: int = Field(description="How many options went in.")
    options_dropped: list[LeftOut] = Field(description="How many did not, by reason; empty when all did.")
    forwards: list[Forward] = Field(description="The expiries that went in, soonest first, with their forwards.")


def origin(chain: Chain, used: Sequence[Option], dropped: Counter[Dropped]) -> dict[str, Any]:
    """Return the fields of `OfChain`."""
    counts = Counter(option.expiry for option in used)
    return {
        "as_of": chain.as_of,
        "currency": chain.currency,
        "base_currency": chain.base,
        "settlement": "linear" if chain.linear else "inverse",
        "spot": chain.spot,
        "spot_source": chain.spot_source,
        "options_used": len(used),
        "options_dropped": [LeftOut(reason=reason, count=dropped[reason]) for reason in Dropped if dropped[reason]],
        "forwards": [_forward(each, counts[each.name]) for each in chain.expiries if counts[each.name]],
    }


def _forward(each: Expiry, options: int) -> Forward:
    return Forward(
        expiry=each.name,
        expires_at=from_ms(each.expires_ms),
        days=each.days,
        forward=each.forward,
        source=each.source,
        underlying_index=each.underlying_index,
        options=options,
    )


async def read_chain(call: Call, params: ChainParams) -> Chain:
    """Read the chain that was asked for."""
    chain = await fetch_chain(call.use(Deribit), params.currency, params.base)
    return chain.only(params.expiry) if isinstance(params, ExpiryParams) else chain


async def analysed(
    call: Call, params: ChainParams, kernel: Kernel[Any, Any], *, sizes_only: bool = False
) -> dict[str, Any]:
    """Read the chain, calculate, and return the fields of the result with those of `OfChain`.

    With `sizes_only` options without a volatility count too.
    """
    chain = await read_chain(call, params)
    used, dropped = (chain.options, chain.left_out) if sizes_only else chain.valued()
    if not used:
        field = "currency" if getattr(params, "expiry", None) is None else "expiry"
        raise refusal(field, "one whose options have a forward and a volatility now")
    await checkpoint()
    taken: OfListed = asked(kernel.params, params, chain.columns(used))
    return {**origin(chain, used, dropped), **dict(await calculated(call, params, kernel, taken))}


async def calculated(call: Call, params: Params, kernel: Kernel[P, R], taken: P) -> R:
    """Calculate with what Deribit told."""
    return await calculating.calculated(call, VENUE, params, kernel, taken)
