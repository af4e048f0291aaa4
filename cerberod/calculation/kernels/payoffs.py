"""Positions: legs in, profits and greeks out."""

from datetime import datetime, timedelta

from cerberod.analytics import payoff, revaluation
from cerberod.analytics.legs import Kind, Leg, Settlement, make_leg
from cerberod.analytics.payoff import ExpiryPayoff, Extreme
from cerberod.analytics.revaluation import LegGreeks, PositionGreeks
from cerberod.calculation.kernels.telling import basis, called
from cerberod.calculation.methods import payoffs as told
from cerberod.errors import AnalyticsRefused

_YEAR = timedelta(days=365)


def spread_payoff(p: told.SpreadPayoff) -> told.Payoff:
    legs = [_leg(index, leg, p.as_of) for index, leg in enumerate(p.legs)]
    with called(count="levels", level="low", forward="legs", strike="legs", volatility="legs", years="legs"):
        return _payoff(p, legs)


def _payoff(p: told.SpreadPayoff, legs: list[Leg]) -> told.Payoff:
    grid = payoff.payoff_grid(legs, p.spot, low=p.low, high=p.high, count=p.levels)
    expiries = sorted({leg.expiry for leg in p.legs if leg.expiry is not None})
    at_expiry, at_first, reason = None, None, None
    if not expiries:
        reason = "no_expiry"
    elif len(expiries) == 1:
        at_expiry = _at_expiry(payoff.expiry_payoff(legs, grid))
    else:
        reason = "several_expiries"
        first = min(leg.years for leg in legs if leg.years is not None)
        at_first = _curve(revaluation.profit_curve(legs, p.spot, grid, first), expiries[0])
    greeks = revaluation.position_greeks(legs, p.spot)
    convention = (
        "Losses are negative; coins are valued at the level. Today: Black-76, Deribit's greeks, rate 0, sticky strikes."
    )
    return told.Payoff(
        basis=basis(p, len(legs), convention),
        levels=grid.tolist(),
        at_expiry=at_expiry,
        reason=reason,
        at_first_expiry=at_first,
        today=_curve(revaluation.profit_curve(legs, p.spot, grid), p.as_of),
        profit_now_quote=greeks.profit_quote,
        profit_now_coin=greeks.profit_coin,
        greeks=_greeks(greeks),
        legs=[_greeks(each) for each in greeks.by_leg],
    )


def _leg(index: int, leg: told.Leg, as_of: datetime) -> Leg:
    with called(f"legs.{index}.", years="expiry", volatility="iv_pct"):
        if leg.expiry is not None and leg.expiry <= as_of:
            raise AnalyticsRefused("expiry", "must be later than as_of")
        return make_leg(
            Kind(leg.kind),
            leg.quantity,
            leg.price,
            Settlement(leg.settlement),
            strike=leg.strike,
            years=None if leg.expiry is None else (leg.expiry - as_of) / _YEAR,
            volatility=None if leg.iv_pct is None else leg.iv_pct / 100.0,
            forward=leg.forward,
            fee=leg.fee,
            delivery_rate=leg.delivery_rate,
            delivery_cap=leg.delivery_cap,
        )


def _at_expiry(found: ExpiryPayoff) -> told.AtExpiry:
    return told.AtExpiry(
        breakevens=list(found.breakevens),
        zero_ranges=[told.Stretch(low=each.low, high=each.high) for each in found.zero_ranges],
        max_profit_quote=_extreme(found.max_profit_quote),
        max_loss_quote=_extreme(found.max_loss_quote),
        max_profit_coin=_extreme(found.max_profit_coin),
        max_loss_coin=_extreme(found.max_loss_coin),
        profit_quote=found.profit_quote.tolist(),
        profit_coin=found.profit_coin.tolist(),
    )


def _extreme(found: Extreme) -> told.Extreme:
    toward = None if found.toward is None else found.toward.value
    return told.Extreme(value=found.value, level=found.level, toward=toward, unbounded=found.unbounded)


def _curve(found: revaluation.Curve, at: datetime) -> told.Curve:
    return told.Curve(
        at=at,
        profit_quote=found.profit_quote.tolist(),
        profit_coin=found.profit_coin.tolist(),
        breakevens=list(found.breakevens),
    )


def _greeks(found: LegGreeks | PositionGreeks) -> told.LegGreeks:
    return told.LegGreeks(
        delta=found.delta,
        premium_adjusted_delta=found.premium_adjusted_delta,
        gamma=found.gamma,
        vega=found.vega,
        theta=found.theta,
        rho=found.rho,
    )
