"""What the account's positions add up to: net greeks in coin and in USD. Needs keys.

Deribit tells the greeks of positions too, but gamma with five decimals only, which is nothing to add up. Options are
therefore valued again on their chain's forwards and volatilities; where a chain has no volatility for one, Deribit's
own figures stand in and are named as such.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from anyio.lowlevel import checkpoint
from pydantic import Field

from cerberod.rpc.call import Call
from cerberod.rpc.registry import Deadline, Params, Result, method
from cerberod.trading.money import Quantity
from cerberod.venues.deribit.chain import Chain, chain_of
from cerberod.venues.deribit.client import Deribit
from cerberod.venues.deribit.legs import LegName, parse_leg
from cerberod.venues.deribit.methods.options import value
from cerberod.venues.deribit.methods.words import CURRENCY, CurrencyOrAny
from cerberod.venues.deribit.wire import account
from cerberod.venues.deribit.wire.account import Position
from cerberod.venues.deribit.wire.reading import listed
from cerberod.venues.deribit.wire.summaries import summaries

AS_OF = "When the venue answered, by its own stamp of the answer; what it tells of may be older."


class Source(StrEnum):
    """Where the greeks of a position come from."""

    RECOMPUTED = "recomputed"
    VENUE = "venue"


class LeftOut(StrEnum):
    """Why a position is in no sum."""

    UNKNOWN_INSTRUMENT = "unknown_instrument"
    NO_GREEKS = "no_greeks"
    NO_INDEX = "no_index"


class GetPortfolioGreeks(Params):
    """Which part of the account."""

    currency: CurrencyOrAny = Field(default="any", description=CURRENCY + " `any` for all of them.")


class GreeksInUsd(Result):
    """Sums in USD. What settles in a stable coin is taken as worth 1 USD a coin."""

    delta_usd: float = Field(description="Delta of everything held, coins times index.")
    net_delta_usd: float = Field(
        description="The same with options net of the premium they are worth in coin: what a hedge in coins needs."
    )
    gamma_usd_1pct: float = Field(
        description="Change of the delta in USD when prices move by 1 percent: gamma times forward squared times 0.01."
    )
    vega_usd: float = Field(description="USD for 1 volatility point up, in all expiries alike.")
    theta_usd: float = Field(description="USD for one day that passes.")
    rho_usd: float = Field(description="USD for 1 percentage point of interest up.")


class GreeksOfCoin(GreeksInUsd):
    """The positions in one coin that settle in one currency."""

    currency: str = Field(description="What they settle in.")
    base_currency: str = Field(description="The coin they are on.")
    index_price: float = Field(description="Its index, USD or the stable coin.")
    positions: int = Field(description="How many went in.")
    delta: float = Field(description="Delta in coins: futures, and options against their forwards.")
    net_delta: float = Field(description="Delta in coins, options net of their premium in coin.")
    gamma: float = Field(description="Change of `delta` for 1 USD.")


class PositionGreeks(Result):
    """What one position adds, at its size and sign."""

    instrument_name: str = Field(description="The instrument.")
    size: Quantity = Field(description="USD for inverse futures, base coin otherwise; negative when short.")
    source: Source = Field(description="`recomputed`, or `venue` where Deribit's own rounded figures stand in.")
    delta: float = Field(description="Delta in coins.")
    net_delta: float = Field(description="Delta in coins, of an option net of its premium in coin.")
    gamma: float = Field(description="Change of delta for 1 USD; 0 for futures.")
    gamma_usd_1pct: float = Field(description="The same in USD when prices move by 1 percent; 0 for futures.")
    vega: float = Field(description="USD for 1 volatility point; 0 for futures.")
    theta: float = Field(description="USD for one day that passes; 0 for futures.")
    rho: float = Field(description="USD for 1 percentage point of interest; 0 for futures, and for stand-ins.")


class NotCounted(Result):
    """A position that is in no sum."""

    instrument_name: str = Field(description="The instrument.")
    reason: LeftOut = Field(
        description="unknown_instrument (its name tells no coin), no_greeks (nobody tells them) or no_index."
    )


class PortfolioGreeks(Result):
    """Net greeks of the account."""

    as_of: datetime = Field(description=AS_OF)
    definition: str = Field(description="How greeks are made.")
    all: GreeksInUsd = Field(description="Everything together.")
    by_currency: list[GreeksOfCoin] = Field(
        description="One for each settlement currency and coin; empty when nothing is held."
    )
    positions: list[PositionGreeks] = Field(description="One for each position that counts; empty when there is none.")
    left_out: list[NotCounted] = Field(description="Positions that are in no sum; empty when all are.")


DEFINITION = (
    "Options by Black-76 at the mark volatility on their own forward, rate 0, years of 365 days, Deribit's units and "
    "its theta near expiry. Coins held as equity are in no delta."
)
_SUMMED = ("delta_usd", "net_delta_usd", "gamma_usd_1pct", "vega_usd", "theta_usd", "rho_usd")


@method("deribit.get_portfolio_greeks", cost=10, deadline=Deadline.ANALYTICS)
async def get_portfolio_greeks(call: Call, params: GetPortfolioGreeks) -> PortfolioGreeks:
    """Return the net greeks of all positions, in coins and in USD.

    By settlement currency and coin, and for all together. Costs one request, and one more for each settlement currency
    in which options are held. Coins held as equity are in no delta: an inverse account is long them besides.
    """
    deribit = call.use(Deribit)
    answer = await deribit.read("private/get_positions", {"currency": params.currency})
    held = [each for each in listed(answer.result, "result", account.position) if each.size]
    left_out: list[NotCounted] = []
    by_coin: dict[tuple[str, str], list[tuple[LegName, Position]]] = defaultdict(list)
    for position in held:
        name = parse_leg(position.instrument_name)
        if name is None:
            left_out.append(NotCounted(instrument_name=position.instrument_name, reason=LeftOut.UNKNOWN_INSTRUMENT))
        else:
            by_coin[name.currency, name.base].append((name, position))
    recomputed = await _options(call, params, by_coin)
    coins: list[GreeksOfCoin] = []
    told: list[PositionGreeks] = []
    for (currency, base), positions in sorted(by_coin.items()):
        index = next((each.index_price for _, each in positions if each.index_price), None)
        counted: list[PositionGreeks] = []
        for name, position in positions:
            greeks = recomputed.get(name.name) or _of_venue(name, position)
            if greeks is None or index is None:
                reason = LeftOut.NO_INDEX if index is None else LeftOut.NO_GREEKS
                left_out.append(NotCounted(instrument_name=name.name, reason=reason))
            else:
                counted.append(greeks)
        if counted and index is not None:
            coins.append(_sum_up(currency, base, index, counted))
            told += counted
    return PortfolioGreeks(
        as_of=answer.stamp(),
        definition=DEFINITION,
        all=GreeksInUsd(**{name: sum(getattr(coin, name) for coin in coins) for name in _SUMMED}),
        by_currency=coins,
        positions=told,
        left_out=left_out,
    )


async def _options(
    call: Call, params: Params, by_coin: dict[tuple[str, str], list[tuple[LegName, Position]]]
) -> dict[str, PositionGreeks]:
    """Value the options held on their chains, by name; those that cannot be valued are not in it."""
    found: dict[str, PositionGreeks] = {}
    wanted: dict[str, dict[str, dict[str, Position]]] = defaultdict(dict)
    for (currency, base), positions in by_coin.items():
        options = {name.name: position for name, position in positions if name.kind.is_option}
        if options:
            wanted[currency][base] = options
    deribit = call.use(Deribit)
    for currency, bases in wanted.items():
        answer = await deribit.read("public/get_book_summary_by_currency", {"currency": currency, "kind": "option"})
        rows = summaries(answer.result)
        await checkpoint()
        listed_names = {row.name for row in rows}
        for base, options in bases.items():
            if options.keys() & listed_names:
                found |= await _valued(call, params, await chain_of(deribit, rows, currency, base), options)
    return found


async def _valued(call: Call, params: Params, chain: Chain, options: dict[str, Position]) -> dict[str, PositionGreeks]:
    """Value the options that have a forward and a volatility."""
    used = [option for option in chain.valued()[0] if option.name in options]
    if not used:
        return {}
    greeks = await value(call, params, chain, used)
    found: dict[str, PositionGreeks] = {}
    for at, option in enumerate(used):
        size = float(options[option.name].size)
        forward = option.row.underlying_price or chain.spot
        gamma = size * (greeks.gamma[at] or 0.0)
        premium = 0.0 if chain.linear else greeks.price[at] / forward
        found[option.name] = PositionGreeks(
            instrument_name=option.name,
            size=options[option.name].size,
            source=Source.RECOMPUTED,
            delta=size * greeks.delta[at],
            net_delta=size * (greeks.delta[at] - premium),
            gamma=gamma,
            gamma_usd_1pct=gamma * forward * forward * 0.01,
            vega=size * greeks.vega[at],
            theta=size * (greeks.theta[at] or 0.0),
            rho=size * greeks.rho[at],
        )
    return found


def _of_venue(name: LegName, position: Position) -> PositionGreeks | None:
    """Return Deribit's own figures of a position, which are of its whole size; None where it tells none."""
    if position.delta is None:
        return None
    premium = float(position.size) * position.mark_price if name.kind.is_option and name.inverse else 0.0
    if name.kind.is_option and None in (position.gamma, position.vega, position.theta):
        return None
    gamma = position.gamma or 0.0
    return PositionGreeks(
        instrument_name=name.name,
        size=position.size,
        source=Source.VENUE,
        delta=position.delta,
        net_delta=position.delta - premium,
        gamma=gamma,
        gamma_usd_1pct=gamma * (position.index_price or 0.0) ** 2 * 0.01,
        vega=position.vega or 0.0,
        theta=position.theta or 0.0,
        rho=0.0,
    )


def _sum_up(currency: str, base: str, index: float, positions: Iterable[PositionGreeks]) -> GreeksOfCoin:
    rows = list(positions)
    sums = {name: sum(getattr(row, name) for row in rows) for name in ("delta", "net_delta", "gamma")}
    return GreeksOfCoin(
        currency=currency,
        base_currency=base,
        index_price=index,
        positions=len(rows),
        **sums,
        delta_usd=sums["delta"] * index,
        net_delta_usd=sums["net_delta"] * index,
        gamma_usd_1pct=sum(row.gamma_usd_1pct for row in rows),
        vega_usd=sum(row.vega for row in rows),
        theta_usd=sum(row.theta for row in rows),
        rho_usd=sum(row.rho for row in rows),
    )
