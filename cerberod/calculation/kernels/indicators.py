"""Indicators: params in, lines out."""

from cerberod.analytics import indicators
from cerberod.analytics.averages import Average
from cerberod.calculation.kernels.telling import basis, called, values
from cerberod.calculation.methods import indicators as told

TA_LIB = "TA-Lib 0.8: definitions, seeds and warm-up (unstable periods 0); null where it says 0 for 0/0."


def sma(p: told.OnePeriod) -> told.Line:
    line = indicators.sma(p.close, p.period)
    return told.Line(basis=basis(p, len(p.close), TA_LIB), line=values(line))


def ema(p: told.OnePeriod) -> told.Line:
    line = indicators.ema(p.close, p.period)
    return told.Line(basis=basis(p, len(p.close), TA_LIB), line=values(line))


def rsi(p: told.Rsi) -> told.Line:
    line = indicators.rsi(p.close, p.period)
    return told.Line(basis=basis(p, len(p.close), TA_LIB), line=values(line))


def macd(p: told.Macd) -> told.MacdLines:
    found = indicators.macd(p.close, p.fast, p.slow, p.signal)
    return told.MacdLines(
        basis=basis(p, len(p.close), TA_LIB),
        macd=values(found.macd),
        signal=values(found.signal),
        histogram=values(found.histogram),
    )


def bollinger(p: told.Bollinger) -> told.Bands:
    with called(average_kind="average"):
        found = indicators.bollinger(p.close, p.period, p.deviations, Average(p.average))
    return told.Bands(
        basis=basis(p, len(p.close), TA_LIB),
        upper=values(found.upper),
        middle=values(found.middle),
        lower=values(found.lower),
    )


def atr(p: told.Ranged) -> told.Line:
    line = indicators.atr(p.high, p.low, p.close, p.period)
    return told.Line(basis=basis(p, len(p.close), TA_LIB), line=values(line))


def adx(p: told.Ranged) -> told.Directional:
    found = indicators.adx(p.high, p.low, p.close, p.period)
    return told.Directional(
        basis=basis(p, len(p.close), TA_LIB),
        adx=values(found.adx),
        plus_di=values(found.plus_di),
        minus_di=values(found.minus_di),
    )


def vwap(p: told.Vwap) -> told.Line:
    line = indicators.vwap(p.high, p.low, p.close, p.volume, session=p.session, period=p.period)
    convention = "Typical price (high + low + close)/3 weighted by volume."
    return told.Line(basis=basis(p, len(p.close), convention), line=values(line))


def stochastic(p: told.Stochastic) -> told.Oscillator:
    kinds = Average(p.k_average), Average(p.d_average)
    found = indicators.stochastic(p.high, p.low, p.close, p.k_period, p.k_slowing, p.d_period, *kinds)
    return told.Oscillator(basis=basis(p, len(p.close), TA_LIB), k=values(found.k), d=values(found.d))


def supertrend(p: told.Supertrend) -> told.Trailing:
    found = indicators.supertrend(p.high, p.low, p.close, p.period, p.multiplier)
    convention = "TradingView's ta.supertrend on TA-Lib's ATR; the first trend counts as down."
    return told.Trailing(
        basis=basis(p, len(p.close), convention),
        supertrend=values(found.supertrend),
        direction=values(found.direction),
        upper=values(found.upper),
        lower=values(found.lower),
    )
