"""Smiles of a listed chain: columns in, term structure, skew, wings and moves out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cerberod.analytics import positioning, smile, term
from cerberod.analytics.chain import YEAR_MS, OptionChain, make_chain
from cerberod.analytics.positioning import PositioningReason
from cerberod.analytics.smile import DeltaSkew, Smile, SmileReason
from cerberod.analytics.term import TermReason
from cerberod.calculation.listed import smiles as told
from cerberod.calculation.listed.chain import ListedChain, SkewSign
from cerberod.errors import AnalyticsRefused

_DAYS = 365.0
TOO_FEW = "too_few_strikes"
_VARIANCE = "Between expiries total variance is linear in time."
_SIGNS = {"call_minus_put": 1.0, "put_minus_call": -1.0}


@dataclass(frozen=True)
class Listed:
    """One expiry with its smile, None where fewer than two strikes have a volatility."""

    name: str
    expiry_ms: int
    days: float
    forward: float
    smile: Smile | None

    @property
    def years(self) -> float:
        return self.days / _DAYS


def listed(chain: ListedChain) -> list[Listed]:
    """Return every expiry with its smile: at each strike the option out of the money, or else the other."""
    of = np.array(chain.expiry)
    strike, iv = np.array(chain.strike), np.array(chain.iv_pct) / 100.0
    is_call = np.array(chain.is_call)
    found = []
    for index, (name, expires_ms, forward) in enumerate(
        zip(chain.names, chain.expires_ms, chain.forwards, strict=True)
    ):
        here = np.flatnonzero(of == index)
        # The wanted side of each strike comes first and is the one that stays.
        in_the_money = is_call[here] != (strike[here] >= forward)
        here = here[np.lexsort((in_the_money, strike[here]))]
        strikes, first = np.unique(strike[here], return_index=True)
        days = (expires_ms - chain.as_of_ms) / YEAR_MS * _DAYS
        made = smile.make_smile(forward, days / _DAYS, strikes, iv[here][first]) if strikes.size > 1 else None
        found.append(Listed(name, expires_ms, days, forward, made))
    return found


def columns(chain: ListedChain) -> OptionChain:
    """Return the chain as the analytics take it."""
    expires = np.array(chain.expires_ms, dtype=np.int64)
    return make_chain(
        as_of_ms=chain.as_of_ms,
        spot=chain.spot,
        expiry_ms=expires[np.array(chain.expiry, dtype=np.int64)],
        strike=chain.strike,
        is_call=chain.is_call,
        forward=chain.forward,
        volatility=np.array(chain.iv_pct) / 100.0,
        open_interest=chain.open_interest,
        volume=chain.volume,
    )


def names(chain: ListedChain) -> dict[int, str]:
    """Return the expiries' names by their time."""
    return dict(zip(chain.expires_ms, chain.names, strict=True))


def atm(each: Listed) -> float | None:
    """Return the volatility at the forward, a fraction."""
    if each.smile is None:
        return None
    found: float | None = smile.at_log_moneyness(each.smile, 0.0).volatility.tolist()
    return found


def _no_atm(each: Listed) -> str:
    return TOO_FEW if each.smile is None else SmileReason.OUTSIDE_STRIKES.name.lower()


def at_tenor(points: Sequence[tuple[float, float]], days: float) -> float | None:
    """Return the volatility at a tenor, from (days, volatility) of each expiry; None outside them."""
    if not points:
        return None
    years = [at / _DAYS for at, _ in points]
    found = term.constant_maturity(years, [volatility for _, volatility in points], days / _DAYS)
    out: float | None = found.volatility.tolist()
    return out


def _known(found: Sequence[Listed], volatility: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(each.days, v) for each, v in zip(found, volatility, strict=True) if v is not None]


def term_structure(p: told.TermParams) -> told.Term:
    if p.slope_to_days <= p.slope_from_days:
        raise AnalyticsRefused("slope_to_days", "must be greater than slope_from_days")
    found = listed(p.chain)
    at_money = [atm(each) for each in found]
    points = _known(found, at_money)
    between: dict[float, tuple[float | None, str | None]] = {}
    if points:
        days, volatility = zip(*points, strict=True)
        gained = term.forward_volatilities([at / _DAYS for at in days], volatility)
        between[days[0]] = volatility[0], None
        for at, forward, reason in zip(days[1:], gained.volatility.tolist(), gained.reason.tolist(), strict=True):
            between[at] = forward, None if forward is not None else _word(TermReason(reason))
    rows = []
    for each, money in zip(found, at_money, strict=True):
        forward_iv, why = between.get(each.days, (None, _no_atm(each)))
        rows.append(
            told.TermExpiry(
                expiry=each.name,
                days=each.days,
                forward=each.forward,
                atm_iv_pct=times_100(money),
                forward_iv_pct=times_100(forward_iv),
                reason=why,
            )
        )
    tenors = [(days, at_tenor(points, days)) for days in p.tenors_days]
    near, far = at_tenor(points, p.slope_from_days), at_tenor(points, p.slope_to_days)
    slope = None if near is None or far is None else 100.0 * (far - near)
    return told.Term(
        definition="ATM is strike = forward, linear in ln(K/F) between strikes. " + _VARIANCE,
        by_expiry=rows,
        tenors=[told.TermTenor(days=d, iv_pct=times_100(v), reason=_outside(v)) for d, v in tenors],
        slope_points=slope,
        slope_reason=_outside(slope),
        shape=None if slope is None else "contango" if slope > 0 else "backwardation" if slope < 0 else "flat",
    )


def _skews(found: Sequence[Listed], delta: float, interpolation: str) -> list[DeltaSkew | None]:
    by = smile.Interpolation(interpolation)
    return [None if each.smile is None else smile.delta_skew(each.smile, delta, by=by) for each in found]


def _three_at(
    found: Sequence[Listed], skews: Sequence[DeltaSkew | None], days: float
) -> tuple[float | None, float | None, float | None]:
    """Return ATM, call and put volatility at a tenor, all from the expiries that have all three."""
    whole = [
        (each.days, skew)
        for each, skew in zip(found, skews, strict=True)
        if skew is not None and skew.butterfly is not None
    ]
    lines = (
        [(at, skew.atm_volatility or 0.0) for at, skew in whole],
        [(at, skew.call_volatility or 0.0) for at, skew in whole],
        [(at, skew.put_volatility or 0.0) for at, skew in whole],
    )
    money, call, put = (at_tenor(line, days) for line in lines)
    return money, call, put


def _skew_point(money: float | None, call: float | None, put: float | None, sign: SkewSign) -> dict[str, float | None]:
    reversal = None if call is None or put is None else _SIGNS[sign] * 100.0 * (call - put)
    butterfly = None if call is None or put is None or money is None else 100.0 * (0.5 * (call + put) - money)
    return {
        "atm_iv_pct": times_100(money),
        "call_iv_pct": times_100(call),
        "put_iv_pct": times_100(put),
        "risk_reversal_points": reversal,
        "butterfly_points": butterfly,
    }


def skew(p: told.SkewParams) -> told.Skew:
    found = listed(p.chain)
    skews = _skews(found, p.delta, p.interpolation)
    rows = []
    for each, one in zip(found, skews, strict=True):
        three = (None,) * 3 if one is None else (one.atm_volatility, one.call_volatility, one.put_volatility)
        rows.append(
            told.SkewExpiry(
                expiry=each.name,
                days=each.days,
                **_skew_point(*three, p.convention),
                call_strike=None if one is None else one.call_strike,
                put_strike=None if one is None else one.put_strike,
                reason=TOO_FEW if one is None else _word(one.reason),
            )
        )
    three = _three_at(found, skews, p.tenor_days)
    return told.Skew(
        sign=p.convention,
        definition=(
            f"Deltas are Black-76 forward deltas, no premium adjustment; volatility linear in {p.interpolation}. "
            "Butterfly: mean of both minus ATM (strike = forward). " + _VARIANCE
        ),
        by_expiry=rows,
        tenor=told.SkewTenor(days=p.tenor_days, **_skew_point(*three, p.convention), reason=_outside(three[0])),
    )


def _wings_point(money: float | None, call: float | None, put: float | None) -> dict[str, float | None]:
    both = None if call is None or put is None else 0.5 * (call + put)
    return {
        "atm_iv_pct": times_100(money),
        "call_wing_iv_pct": times_100(call),
        "put_wing_iv_pct": times_100(put),
        "call_minus_atm_points": None if call is None or money is None else 100.0 * (call - money),
        "put_minus_atm_points": None if put is None or money is None else 100.0 * (put - money),
        "ratio": None if both is None or money is None else both / money,
    }


def wings(p: told.WingsParams) -> told.Wings:
    found = listed(p.chain)
    skews = _skews(found, p.delta, p.interpolation)
    rows = []
    for each, one in zip(found, skews, strict=True):
        three = (None,) * 3 if one is None else (one.atm_volatility, one.call_volatility, one.put_volatility)
        reason = TOO_FEW if one is None else _word(one.reason)
        rows.append(told.WingsExpiry(expiry=each.name, days=each.days, **_wings_point(*three), reason=reason))
    three = _three_at(found, skews, p.tenor_days)
    return told.Wings(
        definition=(
            "Wings at Black-76 forward delta, ATM at strike = forward; volatility linear in "
            f"{p.interpolation}. " + _VARIANCE
        ),
        by_expiry=rows,
        tenor=told.WingsTenor(days=p.tenor_days, **_wings_point(*three), reason=_outside(three[0])),
    )


def asymmetry(p: told.AsymmetryParams) -> told.Asymmetry:
    sign = -_SIGNS[p.convention]  # the analytics measure puts minus calls
    rows = []
    for each in listed(p.chain):
        one = None if each.smile is None else smile.smile_asymmetry(each.smile, p.deviations)
        rows.append(
            told.AsymmetryExpiry(
                expiry=each.name,
                days=each.days,
                atm_iv_pct=None if one is None else times_100(one.atm_volatility),
                asymmetry_points=None if one is None or one.difference is None else sign * 100.0 * one.difference,
                relative=None if one is None or one.relative is None else sign * one.relative,
                width=None if one is None else one.width,
                reason=TOO_FEW if one is None else _word(one.reason),
            )
        )
    return told.Asymmetry(
        sign=p.convention,
        definition=(
            "Mean over u from 0 to deviations x sigma_atm x sqrt(T) of the difference between sigma(-u) (puts) and "
            "sigma(u) (calls), u = ln(K/F); linear between strikes."
        ),
        by_expiry=rows,
    )


def weighted_skews(p: told.WeightedParams) -> told.WeightedSkews:
    sign, named = -_SIGNS[p.convention], names(p.chain)
    rows = [
        told.WeightedSkew(
            expiry=None if each.expiry_ms is None else named[each.expiry_ms],
            options=each.options,
            put_iv_pct=times_100(each.put_volatility),
            call_iv_pct=times_100(each.call_volatility),
            skew_points=None if each.skew is None else sign * 100.0 * each.skew,
            slope_points=times_100(each.slope),
            reason=_word(each.reason),
        )
        for each in positioning.weighted_skews(columns(p.chain))
    ]
    return told.WeightedSkews(
        sign=p.convention,
        definition="Means by open interest of options out of the money against their expiry's forward.",
        all=rows[0],
        by_expiry=rows[1:],
    )


def expected_moves(p: told.MoveParams) -> told.Moves:
    found = listed(p.chain)
    at_money = [atm(each) for each in found]
    points = _known(found, at_money)
    return told.Moves(
        definition=(
            "One deviation of Black-76 at the ATM volatility; lower and upper are lognormal. Horizons are about the "
            "spot price. " + _VARIANCE
        ),
        by_expiry=[
            told.MoveExpiry(
                expiry=each.name,
                days=each.days,
                forward=each.forward,
                **_move(each.forward, money, each.days),
                reason=_no_atm(each) if money is None else None,
            )
            for each, money in zip(found, at_money, strict=True)
        ],
        horizons=[
            told.MoveHorizon(days=days, **_move(p.chain.spot, volatility, days), reason=_outside(volatility))
            for days, volatility in ((days, at_tenor(points, days)) for days in p.horizons_days)
        ],
    )


def _move(forward: float, volatility: float | None, days: float) -> dict[str, float | None]:
    if volatility is None:
        return dict.fromkeys(told.Move.model_fields)
    move = term.expected_move(forward, volatility, days / _DAYS)
    return {
        "iv_pct": 100.0 * volatility,
        "one_sigma": float(move.one_sigma),
        "one_sigma_pct": float(move.one_sigma_pct),
        "lower": float(move.lower),
        "upper": float(move.upper),
        "mean_absolute": float(move.mean_absolute),
    }


def times_100(fraction: float | None) -> float | None:
    return None if fraction is None else 100.0 * fraction


def _outside(value: float | None) -> str | None:
    return None if value is not None else _word(TermReason.OUTSIDE_EXPIRIES)


def _word(reason: SmileReason | TermReason | PositioningReason) -> str | None:
    return reason.name.lower() if reason else None
