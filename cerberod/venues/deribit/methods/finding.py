"""Finding listed options by what they are rather than by name. One request."""

from collections import Counter
from enum import StrEnum
from math import ceil, floor
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Result, method
from cerberod.venues.deribit.chain import Chain, Option, refusal
from cerberod.venues.deribit.methods.listed import ExpiryParams, OfChain, origin, read_chain
from cerberod.venues.deribit.methods.options import OptionRow, OptionType, row, value

Size = Annotated[float, Field(ge=0, le=1e15)]
Days = Annotated[float, Field(ge=0, le=3650)]
_STEPS_PER_DAY = 100
"""How finely the nearest window is told: outwards, and so coarsely that it still holds the expiry a while later."""


class FindByDelta(ExpiryParams):
    """A delta, and which options may be taken for it."""

    type: OptionType = Field(description="call or put.")
    delta: Annotated[float, Field(gt=-1, lt=1)] = Field(
        description="Target delta: 0.25, or for puts either 0.25 or -0.25; above 0 and below 1 without its sign.",
        examples=[0.25],
    )
    min_days: Days = Field(default=0.0, description="Only expiries at least so many days away.")
    max_days: Days = Field(default=3650.0, description="Only expiries at most so many days away.")
    count: Annotated[int, Field(ge=1, le=50)] = Field(default=1, description="How many options for each expiry.")
    min_open_interest: Size = Field(default=0.0, description="Only options with at least so much open interest, coins.")
    min_volume: Size = Field(default=0.0, description="Only options with at least so much volume in 24 hours, coins.")
    two_sided: bool = Field(default=False, description="Only options with a bid and an ask.")
    max_spread_pct: Annotated[float, Field(gt=0, le=200)] | None = Field(
        default=None, description="Only options whose ask is at most so far above the bid, percent of their mean."
    )

    @field_validator("delta")
    @classmethod
    def _of_side(cls, delta: float, info: ValidationInfo) -> float:
        if delta == 0:
            raise PydanticCustomError("delta", "above 0 and below 1 without its sign")
        if delta < 0 and info.data.get("type") == "call":
            raise PydanticCustomError("delta", "above 0 and below 1 for a call")
        return abs(delta)

    @field_validator("max_days")
    @classmethod
    def _a_window(cls, most: float, info: ValidationInfo) -> float:
        if most < info.data.get("min_days", 0.0):
            raise PydanticCustomError("window", "at least min_days")
        return most


class Unfit(StrEnum):
    """Why an option was passed over."""

    OTHER_TYPE = "other_type"
    OUTSIDE_WINDOW = "outside_window"
    OPEN_INTEREST = "open_interest"
    VOLUME = "volume"
    ONE_SIDED = "one_sided"
    CROSSED = "crossed"
    SPREAD = "spread"


class PassedOver(Result):
    """Options that a filter took out."""

    reason: Unfit = Field(
        description="The first filter an option failed: other_type, outside_window, open_interest, volume, one_sided, "
        "crossed (the bid is not below the ask), or spread."
    )
    count: int = Field(description="How many.")


class FoundOption(OptionRow):
    """An option near the target."""

    off_target: float = Field(description="Its delta minus the target, both without their sign.")


class FoundByDelta(OfChain):
    """Listed options nearest to a delta."""

    target_delta: float = Field(description="The target, with the sign of the type asked for.")
    price_currency: str = Field(description="What bids, asks and marks are in: the coin, or USDC when linear.")
    passed_over: list[PassedOver] = Field(description="Options used that the filters took out, by the first reason.")
    best: FoundOption | None = Field(description="The nearest of all; null when no option passes the filters.")
    options: list[FoundOption] = Field(description="By expiry, nearest first within each; empty when none passes.")


@method("deribit.find_by_delta", cost=10, deadline=Deadline.ANALYTICS)
async def find_by_delta(call: Call, params: FindByDelta) -> FoundByDelta:
    """Return the listed options nearest to a delta in a window of expiries.

    Deltas are recomputed from marks at full precision: Black-76 against the expiry's forward, premium not subtracted.
    Filters for open interest, volume and spread tell how many options they took out.
    """
    chain = await read_chain(call, params)
    used, dropped = chain.valued()
    _check_window(chain, params)
    unfit: Counter[Unfit] = Counter()
    fit: list[Option] = []
    for option in used:
        if (reason := _unfit(chain, option, params)) is None:
            fit.append(option)
        else:
            unfit[reason] += 1
    found: list[FoundOption] = []
    if fit:
        greeks = await value(call, params, chain, fit)
        misses = [abs(delta) - params.delta for delta in greeks.delta]
        for each in chain.expiries:
            here = [at for at, option in enumerate(fit) if option.expiry == each.name]
            here.sort(key=lambda at: (abs(misses[at]), fit[at].strike))
            found += [
                FoundOption(**dict(row(chain, fit[at], greeks, at)), off_target=misses[at])
                for at in here[: params.count]
            ]
    return FoundByDelta(
        **origin(chain, used, dropped),
        target_delta=params.delta if params.type == "call" else -params.delta,
        price_currency=chain.currency,
        passed_over=[PassedOver(reason=reason, count=unfit[reason]) for reason in Unfit if unfit[reason]],
        best=min(found, key=lambda option: abs(option.off_target), default=None),
        options=found,
    )


def _check_window(chain: Chain, params: FindByDelta) -> None:
    """Refuse a window without any listed expiry, with the nearest that would have one."""
    days = [each.days for each in chain.expiries]
    if any(params.min_days <= each <= params.max_days for each in days):
        return
    nearest = min(days, key=lambda each: min(abs(each - params.min_days), abs(each - params.max_days)))
    rule = "a window with a listed expiry in it"
    if nearest > params.max_days:
        raise refusal("max_days", rule, ceil(nearest * _STEPS_PER_DAY) / _STEPS_PER_DAY)
    raise refusal("min_days", rule, floor(nearest * _STEPS_PER_DAY) / _STEPS_PER_DAY)


def _unfit(chain: Chain, option: Option, params: FindByDelta) -> Unfit | None:
    market = option.row
    if option.is_call != (params.type == "call"):
        return Unfit.OTHER_TYPE
    if not params.min_days <= chain.by_expiry[option.expiry].days <= params.max_days:
        return Unfit.OUTSIDE_WINDOW
    if market.open_interest < params.min_open_interest:
        return Unfit.OPEN_INTEREST
    if market.volume < params.min_volume:
        return Unfit.VOLUME
    if not params.two_sided and params.max_spread_pct is None:
        return None
    if market.bid is None or market.ask is None:
        return Unfit.ONE_SIDED
    if market.bid >= market.ask:
        return Unfit.CROSSED
    spread_pct = 200.0 * (market.ask - market.bid) / (market.ask + market.bid)
    return Unfit.SPREAD if params.max_spread_pct is not None and spread_pct > params.max_spread_pct else None
