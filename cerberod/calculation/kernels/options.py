"""Options: prices, greeks and implied volatilities."""

import numpy as np

from cerberod.analytics import black
from cerberod.analytics.arrays import FloatArray, words
from cerberod.analytics.black import Convention, GreekReason
from cerberod.analytics.implied import ImpliedReason, implied_volatility
from cerberod.calculation.kernels.telling import basis, called
from cerberod.calculation.methods import options as told
from cerberod.errors import AnalyticsRefused

UNITS = {
    Convention.DESK: "Vega, vanna, volga per volatility point; theta, charm per day; rho per percentage point.",
    Convention.TEXTBOOK: "Derivatives as they stand: per 1.00 of volatility, per year, per 1.00 of rate.",
    Convention.DERIBIT: "Deribit's: undiscounted forward delta, spot-form rho, theta per day never above the price.",
}

ROWS = dict.fromkeys(("price", "spot", "forward", "strike", "years", "volatility"), "options")
"""Columns, by the field that holds the rows they were made from."""


def _carried(p: told.BlackScholes | told.ImpliedVol) -> tuple[float, float]:
    """Return rate and yield as fractions."""
    if p.model == "black_76" and p.dividend_yield_pct != 0.0:
        raise AnalyticsRefused("dividend_yield_pct", "must be 0 for black_76: the forward holds it")
    return p.rate_pct / 100.0, p.dividend_yield_pct / 100.0


def _column(rows: list[told.PricedOption] | list[told.QuotedOption], name: str) -> FloatArray:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def black_scholes(p: told.BlackScholes) -> told.PricedOptions:
    rate, dividend_yield = _carried(p)
    convention = Convention(p.greeks)
    underlying, strike, years, iv = (_column(p.options, each) for each in ("underlying", "strike", "years", "iv_pct"))
    is_call = np.array([row.type == "call" for row in p.options])
    with called(**ROWS, rate="rate_pct", convention="greeks"):
        if p.model == "black_76":
            g = black.black_76(underlying, strike, years, iv / 100.0, is_call, rate, convention=convention)
        else:
            g = black.black_scholes(
                underlying, strike, years, iv / 100.0, is_call, rate, dividend_yield, convention=convention
            )
    return told.PricedOptions(
        basis=basis(p, len(p.options), UNITS[convention]),
        price=g.price.tolist(),
        delta=g.delta.tolist(),
        gamma=g.gamma.tolist(),
        vega=g.vega.tolist(),
        theta=g.theta.tolist(),
        rho=g.rho.tolist(),
        vanna=g.vanna.tolist(),
        charm=g.charm.tolist(),
        volga=g.volga.tolist(),
        reasons=words(g.reason, GreekReason),
    )


def implied_vol(p: told.ImpliedVol) -> told.ImpliedVols:
    rate, dividend_yield = _carried(p)
    price, underlying, strike, years = (_column(p.options, each) for each in ("price", "underlying", "strike", "years"))
    is_call = np.array([row.type == "call" for row in p.options])
    if np.any(np.abs(years) * (abs(rate) + abs(dividend_yield)) > 100.0):
        raise AnalyticsRefused("rate_pct", "times years must stay within 10000 percent")
    forward = underlying if p.model == "black_76" else underlying * np.exp((rate - dividend_yield) * years)
    with called(**ROWS, rate="rate_pct"):
        found = implied_volatility(price, forward, strike, years, is_call, rate)
    convention = "Black-76 on the forward; a spot price is carried to spot e^((rate - yield) years) first."
    return told.ImpliedVols(
        basis=basis(p, len(p.options), convention),
        iv_pct=(100.0 * found.volatility).tolist(),
        reasons=words(found.reason, ImpliedReason),
    )
