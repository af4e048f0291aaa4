"""Calculations of ours and of the package each is measured against, in one process that takes turns between them.

A process of its own, told each job as one line of JSON on stdin; it tells the milliseconds of each round as one line on
stdout. Both sides get the same arrays, made here from a fixed seed, and what they return is compared before anything
is timed: a fast wrong answer is no result.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import arch
import numpy as np
import orjson
import talib
from numpy.typing import NDArray
from scipy.optimize import brentq
from statsmodels.tsa.stattools import coint

from cerberod.analytics import exposure, garch, implied, indicators, pairs
from cerberod.analytics.black import black_76
from cerberod.analytics.chain import YEAR_MS, DealerSign, OptionChain, make_chain
from cerberod.analytics.lines import Line

BARS = 10_000
EXPIRIES, STRIKES = 14, 77
"""1 078 options, as many as a whole chain of Bitcoin had."""
LEVELS = 401
RETURNS = 1_000
SERIES, POINTS = 100, 500
SAMPLE = 33
"""Pairs of the 4 950 that the slow loop is timed on: one in 150, evenly spread."""
_WITHIN = 1e-8

Work = Callable[[], object]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contest:
    """Two ways to one result. The rival's time is multiplied where it did a share of the work only."""

    ours: Work
    rival: Work
    share: float = 1.0


def _chain(source: np.random.Generator) -> OptionChain:
    spot, count = 80_000.0, EXPIRIES * STRIKES
    days = np.repeat(np.geomspace(1.0, 360.0, EXPIRIES), STRIKES)
    deviations = np.tile(np.linspace(-2.5, 2.5, STRIKES), EXPIRIES)
    forward = spot * np.exp(0.04 * days / 365.0)
    volatility = 0.45 + 0.02 * deviations**2 - 0.01 * deviations
    return make_chain(
        as_of_ms=1_800_000_000_000,
        spot=spot,
        expiry_ms=1_800_000_000_000 + np.round(days / 365.0 * YEAR_MS).astype(np.int64),
        strike=np.round(forward * np.exp(deviations * 0.45 * np.sqrt(days / 365.0)), 3),
        is_call=deviations > 0.0,
        forward=forward,
        volatility=volatility,
        open_interest=source.exponential(500.0, count),
    )


def _price(forward: float, strike: float, root: float, call: bool, volatility: float) -> float:
    """Return Black's price by the plain formula with `math.erfc`, the quickest that Python has for one number."""
    s = volatility * root
    d1 = math.log(forward / strike) / s + 0.5 * s
    sign = 1.0 if call else -1.0
    first, second = math.erfc(-sign * d1 * math.sqrt(0.5)), math.erfc(-sign * (d1 - s) * math.sqrt(0.5))
    return sign * 0.5 * (forward * first - strike * second)


def implied_volatility(source: np.random.Generator) -> Contest:
    chain = _chain(source)
    years = chain.years
    price = np.asarray(black_76(chain.forward, chain.strike, years, chain.volatility, chain.is_call).price)
    rows = list(
        zip(
            price.tolist(),
            chain.forward.tolist(),
            chain.strike.tolist(),
            np.sqrt(years).tolist(),
            chain.is_call.tolist(),
            strict=True,
        )
    )

    def ours() -> Floats:
        return np.asarray(
            implied.implied_volatility(price, chain.forward, chain.strike, years, chain.is_call).volatility
        )

    def rival() -> list[float]:
        return [
            brentq(lambda v, f=f, k=k, root=root, call=call, p=p: _price(f, k, root, call, v) - p, 1e-3, 5.0)
            for p, f, k, root, call in rows
        ]

    _agree(ours(), chain.volatility)
    _agree(rival(), chain.volatility)
    return Contest(ours, rival)


def gamma_profile(source: np.random.Generator) -> Contest:
    chain = _chain(source)
    grid = exposure.spot_grid(chain.spot, count=LEVELS)
    root, sign = np.sqrt(chain.years) * chain.volatility, chain.sign(DealerSign.LONG_CALLS_SHORT_PUTS)

    def ours() -> Floats:
        return exposure.gamma_profile(chain, grid).net

    def rival() -> list[float]:
        out = []
        for level in grid:
            forward = chain.forward * (level / chain.spot)
            d1 = np.log(forward / chain.strike) / root + 0.5 * root
            gamma = np.exp(-0.5 * d1 * d1) / (math.sqrt(2.0 * math.pi) * forward * root)
            out.append(float(np.sum(sign * gamma * chain.open_interest * forward**2 * 0.01)))
        return out

    scale = float(np.abs(ours()).max())
    _agree(ours() / scale, np.array(rival()) / scale)
    return Contest(ours, rival)


def _bars(source: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    close = 100.0 * np.exp(np.cumsum(source.normal(0.0, 0.01, BARS)))
    opened = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(opened, close) * np.exp(source.exponential(0.004, BARS))
    low = np.minimum(opened, close) * np.exp(-source.exponential(0.004, BARS))
    return high, low, close, source.exponential(10.0, BARS)


def _adx(high: Floats, low: Floats, close: Floats) -> list[Floats]:
    return [each(high, low, close, 14) for each in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)]


INDICATORS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "sma": (indicators.sma, lambda close: talib.SMA(close, 20), "close"),
    "ema": (indicators.ema, lambda close: talib.EMA(close, 20), "close"),
    "rsi": (indicators.rsi, lambda close: talib.RSI(close, 14), "close"),
    "macd": (indicators.macd, talib.MACD, "close"),
    "bollinger": (indicators.bollinger, lambda close: talib.BBANDS(close, 20, 2.0, 2.0), "close"),
    "atr": (indicators.atr, lambda *bars: talib.ATR(*bars, 14), "bars"),
    "adx": (indicators.adx, _adx, "bars"),
    "stochastic": (indicators.stochastic, lambda *bars: talib.STOCH(*bars, 14, 3, 0, 3, 0), "bars"),
}
"""Ours, TA-Lib's, and what both take. ADX is three of TA-Lib's functions, because ours tells all three lines."""


def indicator(name: str) -> Callable[[np.random.Generator], Contest]:
    def contest(source: np.random.Generator) -> Contest:
        ours, rival, takes = INDICATORS[name]
        high, low, close, _ = _bars(source)
        given = (close,) if takes == "close" else (high, low, close)
        mine, theirs = ours(*given), rival(*given)
        lines = [mine] if isinstance(mine, Line) else [getattr(mine, each) for each in mine.__slots__]
        for line, other in zip(lines, theirs if isinstance(theirs, list | tuple) else [theirs], strict=True):
            _agree(line.tail, other[-line.tail.size :])
        return Contest(lambda: ours(*given), lambda: rival(*given))

    return contest


def garch_fit(source: np.random.Generator) -> Contest:
    h, before, out = 1e-4, 0.0, []
    for shock in source.normal(size=RETURNS):
        h = 2e-6 + 0.08 * before**2 + 0.9 * h
        before = math.sqrt(h) * shock
        out.append(before)
    returns = np.array(out)
    percent = 100.0 * returns  # arch wants percent, and says so

    def rival() -> Any:
        return arch.arch_model(percent, mean="Constant", vol="GARCH", p=1, q=1).fit(disp="off", show_warning=False)

    def ours() -> garch.Garch:
        return garch.fit(returns, 365.0)

    worse = rival().loglikelihood + RETURNS * math.log(100.0) - ours().log_likelihood
    if worse > 1e-4:
        raise SystemExit(f"arch is likelier than ours by {worse}")
    return Contest(ours, rival)


def cointegration(source: np.random.Generator) -> Contest:
    walks = source.normal(size=(5, POINTS)).cumsum(axis=1)
    series = list(
        100.0
        + source.normal(size=(SERIES, 5)) @ walks
        + 0.3 * source.normal(size=(SERIES, POINTS)).cumsum(axis=1)
        + source.normal(size=(SERIES, POINTS))
    )
    first, second = np.triu_indices(SERIES, 1)
    chosen = np.arange(0, first.size, first.size // SAMPLE)

    def ours() -> Floats:
        return np.asarray(pairs.scan(series, lags=1, both_ways=False).statistic)

    def rival() -> list[float]:
        return [float(coint(series[first[k]], series[second[k]], trend="c", maxlag=1, autolag=None)[0]) for k in chosen]

    _agree(ours()[chosen], rival())
    return Contest(ours, rival, share=chosen.size / first.size)


CONTESTS: Mapping[str, Callable[[np.random.Generator], Contest]] = {
    "implied_volatility": implied_volatility,
    "gamma_profile": gamma_profile,
    **{name: indicator(name) for name in INDICATORS},
    "garch": garch_fit,
    "cointegration": cointegration,
}


def _agree(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=_WITHIN, atol=_WITHIN)


def _milliseconds(work: Work, seconds: float) -> float:
    """Return the mean time of a call over at least so many seconds, and over one call at least."""
    count, started = 0, time.perf_counter()
    until = started + seconds
    now = started
    while now < until:
        work()
        count += 1
        now = time.perf_counter()
    return (now - started) / count * 1e3


def contest(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure one contest: both sides warm up, then take turns; who begins changes."""
    against = CONTESTS[job["contest"]](np.random.default_rng(20_260_101))
    for work in (against.ours, against.rival):
        _milliseconds(work, job["warmup_s"])
    ours: list[float] = []
    rival: list[float] = []
    for number in range(job["rounds"]):
        turns = [(ours, against.ours, 1.0), (rival, against.rival, against.share)]
        for times, work, share in turns if number % 2 == 0 else reversed(turns):
            times.append(_milliseconds(work, job["seconds"]) / share)
    return {"ours": ours, "rival": rival, "share": against.share}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.buffer.write(orjson.dumps(contest(orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()
