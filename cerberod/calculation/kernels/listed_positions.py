"""Positions of a listed chain: columns in, ratios, exposures, pain and open interest out."""

from itertools import pairwise
from math import isinf

import numpy as np

from cerberod.analytics import exposure, positioning
from cerberod.analytics.arrays import BoolArray
from cerberod.analytics.chain import DealerSign
from cerberod.analytics.exposure import FlipReason
from cerberod.analytics.positioning import PositioningReason, PutCallRatio
from cerberod.calculation.kernels.listed_smiles import columns, names
from cerberod.calculation.kernels.telling import called
from cerberod.calculation.listed import positions as told
from cerberod.calculation.listed.chain import ListedChain, OfListed
from cerberod.errors import AnalyticsRefused

_DAY_MS = 86_400_000
GEX = (
    "sign x gamma x open interest x F^2 x 0.01, quote currency per 1 % move, gammas by Black-76 at each row's forward."
)


def _of(chain: ListedChain, expiry_ms: int) -> dict[str, str | float]:
    """Return the fields that name an expiry."""
    return {"expiry": names(chain)[expiry_ms], "days": (expiry_ms - chain.as_of_ms) / _DAY_MS}


def put_call_ratios(p: OfListed) -> told.Ratios:
    rows = positioning.put_call_ratios(columns(p.chain))
    return told.Ratios(
        all=told.Ratio(**_ratio(rows[0])),
        by_expiry=[
            told.RatioOfExpiry(**_of(p.chain, each.expiry_ms), **_ratio(each))
            for each in rows
            if each.expiry_ms is not None
        ],
    )


def _ratio(each: PutCallRatio) -> dict[str, float | None]:
    found: dict[str, float | None] = {name: getattr(each, name) for name in told.Ratio.model_fields}
    # Next to nothing in the denominator is nothing: the ratio would be beyond what a float can tell.
    return {name: None if value is None or isinf(value) else value for name, value in found.items()}


def gamma_exposure(p: told.GexParams) -> told.Gex:
    found = exposure.gamma_exposure(columns(p.chain), DealerSign(p.dealers))
    return told.Gex(
        dealers=p.dealers,
        definition=GEX,
        call_gex=found.call,
        put_gex=found.put,
        net_gex=found.net,
        call_wall=found.call_wall,
        put_wall=found.put_wall,
        by_expiry=[
            told.GexOfExpiry(**_of(p.chain, each.expiry_ms), call_gex=each.call, put_gex=each.put, net_gex=each.net)
            for each in found.by_expiry
        ],
        by_strike=[
            told.GexOfStrike(strike=each.strike, call_gex=each.call, put_gex=each.put, net_gex=each.net)
            for each in found.by_strike
        ],
    )


def gamma_profile(p: told.ProfileParams) -> told.Profile:
    with called(count="levels"):
        grid = exposure.spot_grid(p.chain.spot, low=p.low, high=p.high, count=p.levels)
    with called(level="low"):
        found = exposure.gamma_profile(columns(p.chain), grid, DealerSign(p.dealers))
    return told.Profile(
        dealers=p.dealers,
        definition=GEX + " Sticky strikes; every forward moves in proportion to spot, no time passes.",
        net_gex=found.at_spot,
        flip=found.flip,
        reason=None if found.reason is FlipReason.NONE else found.reason.name.lower(),
        flips=[told.Flip(level=each.level, rising=each.rising) for each in found.flips],
        spot_levels=found.level.tolist(),
        net=found.net.tolist(),
    )


def vanna_charm(p: told.GexParams) -> told.VannaCharm:
    found = exposure.vanna_charm(columns(p.chain), DealerSign(p.dealers))
    return told.VannaCharm(
        dealers=p.dealers,
        definition=(
            "sign x greek x open interest x F: dealers' delta in quote currency, per volatility point and per day; "
            "greeks by Black-76 at each row's forward."
        ),
        vanna=found.vanna,
        charm=found.charm,
        by_expiry=[
            told.DriftOfExpiry(**_of(p.chain, each.expiry_ms), vanna=each.vanna, charm=each.charm)
            for each in found.by_expiry
        ],
    )


def max_pain(p: told.PainParams) -> told.Pains:
    return told.Pains(
        definition="The strike where open interest times intrinsic value is least; of equal strikes the lowest.",
        by_expiry=[
            told.Pain(
                **_of(p.chain, each.expiry_ms),
                max_pain=each.strike,
                reason=None if each.reason is PositioningReason.NONE else each.reason.name.lower(),
                open_interest=each.open_interest,
                payout_at_max_pain=None if each.strike is None else float(each.pain.min()),
                strikes=each.strikes.tolist() if p.curve else None,
                payouts=each.pain.tolist() if p.curve else None,
            )
            for each in positioning.max_pain(columns(p.chain))
        ],
    )


def open_interest(p: told.OpenParams) -> told.OpenInterest:
    if np.any(np.diff(p.moneyness) <= 0):
        raise AnalyticsRefused("moneyness", "must rise")
    chain = columns(p.chain)
    size, call = chain.open_interest, chain.is_call

    def both(rows: BoolArray) -> dict[str, float]:
        return {
            "call_open_interest": float(size[rows & call].sum()),
            "put_open_interest": float(size[rows & ~call].sum()),
        }

    def notional(rows: BoolArray) -> float:
        return float(size[rows].sum()) * chain.spot

    everything = np.ones_like(call)
    ratio = chain.strike / chain.forward
    inside = np.where(call, ratio < 1.0, ratio > 1.0)
    ends = [0.0, *p.moneyness, np.inf]
    ranges = [(low, high, (ratio >= low) & (ratio < high)) for low, high in pairwise(ends)]
    return told.OpenInterest(
        **both(everything),
        notional=notional(everything),
        by_expiry=[
            told.OpenOfExpiry(
                **_of(p.chain, at), **both(chain.expiry_ms == at), notional=notional(chain.expiry_ms == at)
            )
            for at in chain.expiries()
        ],
        by_strike=[
            told.OpenOfStrike(strike=strike, **both(chain.strike == strike))
            for strike in np.unique(chain.strike).tolist()
        ],
        by_moneyness=[
            told.OpenOfMoneyness(
                low=low or None,
                high=None if np.isinf(high) else high,
                **both(rows),
                in_the_money=float(size[rows & inside].sum()),
            )
            for low, high, rows in ranges
        ],
    )
