"""What option dealers must trade when price, volatility or time moves: gamma, vanna and charm summed over a chain.

All greeks are Black-76's, recomputed from each row's volatility and forward: published gammas are rounded too far to be
summed. Exposures are in quote currency (USD) from the dealers' side, under a named assumption of what dealers hold:

- gamma exposure (GEX): sign * gamma * open interest * F^2 * 0.01, what they must buy (-) or sell (+) when the price
  rises by 1 %; positive dampens moves. F is the row's own forward, in which the hedge is made.
- vanna and charm exposure: sign * greek * open interest * F, the change of their delta per volatility point, per day.

Source: SqueezeMetrics, "Gamma Exposure" (white paper), with the per-percent scaling in common use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cerberod.analytics.arrays import FloatArray, increasing, positive, series
from cerberod.analytics.black import Convention, black_76
from cerberod.analytics.chain import DealerSign, OptionChain
from cerberod.errors import AnalyticsRefused

_BLOCK = 64
_MOST_LEVELS = 5_000
_ROOT_TWO_PI = 2.5066282746310002


@dataclass(frozen=True)
class StrikeExposure:
    """Gamma exposure of one strike over all expiries, per 1 % move; `call` and `put` carry the dealers' sign."""

    strike: float
    call: float
    put: float
    net: float


@dataclass(frozen=True)
class ExpiryExposure:
    """Gamma exposure of one expiry over all strikes, per 1 % move; `call` and `put` carry the dealers' sign."""

    expiry_ms: int
    call: float
    put: float
    net: float


@dataclass(frozen=True)
class GammaExposure:
    """Gamma exposure of a chain in quote currency per 1 % move.

    `call_wall` and `put_wall` are the strikes with the largest exposure of calls and of puts, whatever the sign;
    `None` where all of it is zero. Of equal strikes the one nearer to spot is taken.
    """

    dealers: DealerSign
    options: int
    call: float
    put: float
    net: float
    by_strike: tuple[StrikeExposure, ...]
    by_expiry: tuple[ExpiryExposure, ...]
    call_wall: float | None
    put_wall: float | None


@dataclass(frozen=True)
class Flip:
    """A spot level where the profile changes sign; `rising` when it goes from negative to positive as spot rises."""

    level: float
    rising: bool


class FlipReason(IntEnum):
    """Why a profile has no flip."""

    NONE = 0
    NO_CROSSING = 1
    """The profile keeps one sign over the whole grid."""
    NO_EXPOSURE = 2
    """The profile is zero everywhere: nothing is open, or all of it far from the grid."""


@dataclass(frozen=True)
class GammaProfile:
    """Net gamma exposure, in quote currency per 1 % move, that dealers would have at each spot `level`.

    Every forward moves in proportion to spot, each strike keeps its volatility (sticky strike), no time passes.
    `flips` are all crossings of zero, rising in level; `flip` is the one nearest to spot, `None` with a `reason`.
    """

    dealers: DealerSign
    options: int
    spot: float
    level: FloatArray
    net: FloatArray
    at_spot: float
    flips: tuple[Flip, ...]
    flip: float | None
    reason: FlipReason


@dataclass(frozen=True)
class ExpiryVannaCharm:
    """Vanna (per volatility point) and charm (per calendar day) exposure of one expiry, in quote currency of delta."""

    expiry_ms: int
    vanna: float
    charm: float


@dataclass(frozen=True)
class VannaCharm:
    """Change of the dealers' delta, in quote currency: `vanna` per volatility point, `charm` per calendar day.

    Positive: their delta grows when volatility rises or a day passes, so that they sell the underlying to stay hedged.
    """

    dealers: DealerSign
    options: int
    vanna: float
    charm: float
    by_expiry: tuple[ExpiryVannaCharm, ...]


def gamma_exposure(chain: OptionChain, dealers: DealerSign = DealerSign.LONG_CALLS_SHORT_PUTS) -> GammaExposure:
    """Return the gamma exposure of a chain, by strike (rising) and by expiry (in order), and its walls."""
    greeks = black_76(chain.forward, chain.strike, chain.years, chain.volatility, chain.is_call)
    each = chain.sign(dealers) * greeks.gamma.filled(0.0) * chain.open_interest * chain.forward**2 * 0.01
    call, put = np.where(chain.is_call, each, 0.0), np.where(chain.is_call, 0.0, each)
    strikes, at_strike = np.unique(chain.strike, return_inverse=True)
    calls, puts = _sums(call, at_strike, strikes.size), _sums(put, at_strike, strikes.size)
    expiries, at_expiry = np.unique(chain.expiry_ms, return_inverse=True)
    return GammaExposure(
        dealers=dealers,
        options=chain.strike.size,
        call=float(call.sum()),
        put=float(put.sum()),
        net=float(each.sum()),
        by_strike=tuple(
            StrikeExposure(k, c, p, c + p)
            for k, c, p in zip(strikes.tolist(), calls.tolist(), puts.tolist(), strict=True)
        ),
        by_expiry=tuple(
            ExpiryExposure(e, c, p, c + p)
            for e, c, p in zip(
                expiries.tolist(),
                _sums(call, at_expiry, expiries.size).tolist(),
                _sums(put, at_expiry, expiries.size).tolist(),
                strict=True,
            )
        ),
        call_wall=_wall(strikes, calls, chain.spot),
        put_wall=_wall(strikes, puts, chain.spot),
    )


def _sums(value: FloatArray, index: NDArray[np.intp], count: int) -> FloatArray:
    return np.asarray(np.bincount(index, weights=value, minlength=count), dtype=np.float64)


def _wall(strikes: FloatArray, exposure: FloatArray, spot: float) -> float | None:
    size = np.abs(exposure)
    largest = float(size.max())
    if largest == 0.0:
        return None
    equal = strikes[size == largest]
    return float(equal[np.argmin(np.abs(equal - spot))])


def spot_grid(spot: float, *, low: float = 0.5, high: float = 1.5, count: int = 401) -> FloatArray:
    """Return `count` evenly spaced levels from `low` to `high` times spot; by default every 0.25 % of it."""
    positive("spot", spot)
    if not 0.0 < low < high <= 100.0:
        raise AnalyticsRefused("low", "low and high must be positive, increasing and at most 100")
    if not 2 <= count <= _MOST_LEVELS:
        raise AnalyticsRefused("count", f"must be from 2 to {_MOST_LEVELS}")
    return spot * np.linspace(low, high, count)


def gamma_profile(
    chain: OptionChain, level: ArrayLike, dealers: DealerSign = DealerSign.LONG_CALLS_SHORT_PUTS
) -> GammaProfile:
    """Return the dealers' gamma exposure re-evaluated at each spot `level` (strictly increasing, 2 to 5000).

    A flip between two levels is interpolated linearly; a run of zero levels that the sign changes across flips in its
    middle. Source: the grid method of S. Perfiliev, "How to calculate gamma exposure and zero gamma level" (2022).
    """
    levels = increasing("level", series("level", positive("level", level), least=2))
    if levels.size > _MOST_LEVELS:
        raise AnalyticsRefused("level", f"must be a list of at most {_MOST_LEVELS}")
    weighted = _Weighted(chain, dealers)
    net = weighted.at(np.log(levels / chain.spot))
    flips = tuple(_flips(levels, net))
    nearest = min((f.level for f in flips), key=lambda at: abs(at - chain.spot), default=None)
    empty = not np.any(net)
    return GammaProfile(
        dealers=dealers,
        options=chain.strike.size,
        spot=chain.spot,
        level=levels,
        net=net,
        at_spot=float(weighted.at(np.zeros(1))[0]),
        flips=flips,
        flip=nearest,
        reason=FlipReason.NO_EXPOSURE if empty else FlipReason.NO_CROSSING if nearest is None else FlipReason.NONE,
    )


class _Weighted:
    """A chain reduced to what moves with spot: e^u sum of weight phi(d1 + u / deviation), u = ln(level / spot)."""

    def __init__(self, chain: OptionChain, dealers: DealerSign) -> None:
        # gamma F'^2 = F' phi(d1') / (sigma sqrt(T)), and d1' = d1 + u / (sigma sqrt(T)) where F' = F e^u.
        open_rows = chain.rows(chain.open_interest > 0.0)
        deviation = np.maximum(open_rows.volatility * np.sqrt(open_rows.years), 1e-9)
        self._slope = 1.0 / deviation
        self._d1 = np.log(open_rows.forward / open_rows.strike) / deviation + 0.5 * deviation
        each = open_rows.sign(dealers) * open_rows.open_interest * open_rows.forward * self._slope
        self._weight = each * (0.01 / _ROOT_TWO_PI)

    def at(self, move: FloatArray) -> FloatArray:
        out = np.zeros_like(move)
        for start in range(0, move.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            # A block small enough to stay in the processor's cache, worked on in place.
            d1 = np.multiply.outer(move[part], self._slope)
            d1 += self._d1
            d1 *= d1
            np.minimum(d1, 1400.0, out=d1)
            d1 *= -0.5
            np.exp(d1, out=d1)
            out[part] = np.sum(d1 * self._weight, axis=1)
        return out * np.exp(move)


def _flips(level: FloatArray, net: FloatArray) -> Iterator[Flip]:
    signed = np.flatnonzero(net)
    for left, right in zip(signed[:-1].tolist(), signed[1:].tolist(), strict=True):
        before, after = float(net[left]), float(net[right])
        if (before < 0.0) == (after < 0.0):
            continue
        if right == left + 1:
            share = before / (before - after)
            at = float(level[left]) + share * float(level[right] - level[left])
        else:
            at = 0.5 * float(level[left + 1] + level[right - 1])
        yield Flip(at, rising=before < 0.0)


def vanna_charm(chain: OptionChain, dealers: DealerSign = DealerSign.LONG_CALLS_SHORT_PUTS) -> VannaCharm:
    """Return the dealers' vanna and charm exposure, in all and by expiry (in order).

    Source: greeks as in E. Haug, "The Complete Guide to Option Pricing Formulas" (2007).
    """
    greeks = black_76(
        chain.forward, chain.strike, chain.years, chain.volatility, chain.is_call, convention=Convention.DESK
    )
    size = chain.sign(dealers) * chain.open_interest * chain.forward
    expiries, index = np.unique(chain.expiry_ms, return_inverse=True)
    vanna = _sums(size * greeks.vanna, index, expiries.size)
    charm = _sums(size * greeks.charm.filled(0.0), index, expiries.size)
    return VannaCharm(
        dealers=dealers,
        options=chain.strike.size,
        vanna=float(vanna.sum()),
        charm=float(charm.sum()),
        by_expiry=tuple(
            ExpiryVannaCharm(e, v, c) for e, v, c in zip(expiries.tolist(), vanna.tolist(), charm.tolist(), strict=True)
        ),
    )
