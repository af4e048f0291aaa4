"""Option chains: rows in, exposures and skews out."""

from datetime import UTC, datetime, timedelta

import numpy as np

from cerberod.analytics import chain as chains
from cerberod.analytics import exposure, positioning, smile
from cerberod.analytics.chain import DealerSign, OptionChain
from cerberod.analytics.exposure import FlipReason
from cerberod.analytics.positioning import PositioningReason
from cerberod.analytics.smile import SmileReason
from cerberod.calculation.kernels.telling import basis, called
from cerberod.calculation.methods import chains as told

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
COLUMNS = ("expiry_ms", "strike", "is_call", "forward", "open_interest")
NAMES = dict.fromkeys(COLUMNS, "options") | {"volatility": "options"}
"""Columns of the chain, by the field that holds the rows they were made from."""
GEX = "GEX = sign x gamma x open interest x F^2 x 0.01, quote currency per 1 % move; years of 365 days."


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


def _moment(ms: int) -> datetime:
    return _EPOCH + ms * _MS


def _chain(p: told.Chain) -> OptionChain:
    rows = p.options
    with called(**NAMES):
        return chains.make_chain(
            as_of_ms=_ms(p.as_of),
            spot=p.spot,
            expiry_ms=[_ms(row.expiry) for row in rows],
            strike=[row.strike for row in rows],
            is_call=[row.type == "call" for row in rows],
            forward=[row.forward for row in rows],
            volatility=np.array([row.iv_pct for row in rows]) / 100.0,
            open_interest=[row.open_interest for row in rows],
        )


def max_pain(p: told.MaxPainParams) -> told.MaxPain:
    rows = p.options
    ones = [1.0] * len(rows)
    with called(**NAMES):
        chain = chains.make_chain(
            as_of_ms=_ms(p.as_of),
            spot=1.0,
            expiry_ms=[_ms(row.expiry) for row in rows],
            strike=[row.strike for row in rows],
            is_call=[row.type == "call" for row in rows],
            forward=ones,
            volatility=ones,
            open_interest=[row.open_interest for row in rows],
        )
    return told.MaxPain(
        basis=basis(p, len(rows), "Open interest times intrinsic value, quote currency; the lowest of equal strikes."),
        expiries=[
            told.Pain(
                expiry=_moment(each.expiry_ms),
                max_pain=each.strike,
                reason=_positioning(each.reason),
                open_interest=each.open_interest,
                strikes=each.strikes.tolist(),
                pain=each.pain.tolist(),
            )
            for each in positioning.max_pain(chain)
        ],
    )


def oi_weighted_skew(p: told.Chain) -> told.WeightedSkew:
    convention = "Out of the money against the expiry's forward; means by open interest; puts minus calls."
    return told.WeightedSkew(
        basis=basis(p, len(p.options), convention),
        skews=[
            told.Skew(
                expiry=None if each.expiry_ms is None else _moment(each.expiry_ms),
                options=each.options,
                put_iv_pct=_times_100(each.put_volatility),
                call_iv_pct=_times_100(each.call_volatility),
                skew_points=_times_100(each.skew),
                slope_points=_times_100(each.slope),
                reason=_positioning(each.reason),
            )
            for each in positioning.weighted_skews(_chain(p))
        ],
    )


def smile_asymmetry(p: told.SmileParams) -> told.Asymmetry:
    years = (_ms(p.expiry) - _ms(p.as_of)) / chains.YEAR_MS
    with called(strike="strikes", volatility="iv_pct", years="expiry"):
        made = smile.make_smile(p.forward, years, p.strikes, np.array(p.iv_pct) / 100.0)
    found = smile.smile_asymmetry(made, p.deviations)
    convention = "Mean of sigma(-u) - sigma(u), u = ln(K/F), linear between strikes; years of 365 days."
    return told.Asymmetry(
        basis=basis(p, len(p.strikes), convention),
        years=years,
        atm_iv_pct=_times_100(found.atm_volatility),
        asymmetry_points=_times_100(found.difference),
        relative=found.relative,
        width=found.width,
        reason=None if found.reason is SmileReason.NONE else found.reason.name.lower(),
    )


def dealer_gamma_profile(p: told.ProfileParams) -> told.Profile:
    chain, dealers = _chain(p), DealerSign(p.dealers)
    with called(count="levels"):
        grid = exposure.spot_grid(p.spot, low=p.low, high=p.high, count=p.levels)
    with called(level="low"):
        profile = exposure.gamma_profile(chain, grid, dealers)
    now = exposure.gamma_exposure(chain, dealers)
    return told.Profile(
        basis=basis(p, len(p.options), GEX + " Sticky strikes; every forward moves in proportion to spot."),
        spot=p.spot,
        net_gex=now.net,
        call_gex=now.call,
        put_gex=now.put,
        call_wall=now.call_wall,
        put_wall=now.put_wall,
        flip=profile.flip,
        reason=None if profile.reason is FlipReason.NONE else profile.reason.name.lower(),
        flips=[told.Flip(level=each.level, rising=each.rising) for each in profile.flips],
        levels=profile.level.tolist(),
        net=profile.net.tolist(),
    )


def vanna_charm_aggregate(p: told.VannaCharmParams) -> told.VannaCharm:
    found = exposure.vanna_charm(_chain(p), DealerSign(p.dealers))
    convention = "sign x greek x open interest x F: dealers' delta in quote currency, per volatility point and per day."
    return told.VannaCharm(
        basis=basis(p, len(p.options), convention),
        vanna=found.vanna,
        charm=found.charm,
        expiries=[
            told.VannaCharmOf(expiry=_moment(each.expiry_ms), vanna=each.vanna, charm=each.charm)
            for each in found.by_expiry
        ],
    )


def _times_100(fraction: float | None) -> float | None:
    return None if fraction is None else 100.0 * fraction


def _positioning(reason: PositioningReason) -> str | None:
    return None if reason is PositioningReason.NONE else reason.name.lower()
