"""How much may be lost: value at risk and the mean loss beyond it, from the record itself or from a fitted shape.

Sign: a loss is positive. A negative value at risk is a gain that is missed only with the probability told.
Returns are additive over time: log returns as fractions, or profits and losses in one currency; results are in the same
unit, for the whole horizon.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from cerberod.analytics import bars, windows
from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.samples import moving, spread, standardised
from cerberod.errors import AnalyticsRefused

LEAST_RETURNS = 20
_FAR = 4.0
"""From the middle to here, in standard deviations, a quantile function must rise: beyond lies less than 1 in 15 000."""


class Shape(StrEnum):
    """Where the distribution of losses comes from.

    - `HISTORICAL`: the losses as they were. The value at risk is one of them: the smallest that at least the share
      `confidence` does not exceed. Over a horizon: sums of consecutive returns, overlapping.
    - `GAUSSIAN`: normal with the mean and standard deviation (divisor n - 1) of the returns. Over a horizon the mean
      grows with it and the deviation with its root.
    - `CORNISH_FISHER`: the normal quantile corrected for skewness and excess kurtosis, which shrink with the root of
      the horizon and with the horizon: returns that do not depend on each other.
    """

    HISTORICAL = "historical"
    GAUSSIAN = "gaussian"
    CORNISH_FISHER = "cornish_fisher"


class NoTail(StrEnum):
    """Why there are no numbers: `NOT_MONOTONE`, the corrected quantiles of losses do not rise with probability.

    Skewness or kurtosis is then too far from normal for the expansion; the historical numbers stay.
    """

    NOT_MONOTONE = "not_monotone"


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Losses over `horizon` periods: what is exceeded with probability 1 - `confidence`, and the mean of what exceeds.

    `value_at_risk` and `expected_shortfall` (CVaR, never below it) are losses, positive; `None` for the reason told.
    `mean`, `deviation` are for one period, `skewness` and `excess_kurtosis` (divisor n, 0 for a normal) too.
    `observations` losses were looked at; `independent` of them, side by side, fit into the record.
    """

    value_at_risk: float | None
    expected_shortfall: float | None
    reason: NoTail | None
    shape: Shape
    confidence: float
    horizon: int
    mean: float
    deviation: float
    skewness: float
    excess_kurtosis: float
    observations: int
    independent: int


def tail_risk(returns: ArrayLike, confidence: float, horizon: int = 1, shape: Shape = Shape.HISTORICAL) -> TailRisk:
    """Return value at risk and expected shortfall of at least 20 returns, for a confidence from 0.5 to 0.9999.

    The historical shape needs one loss beyond at least: (1 - confidence) times the number of sums at least 1.

    Sources: P. Jorion, "Value at Risk", 3rd edition, 2007 (historical and normal); expected shortfall of a
    record: C. Acerbi and D. Tasche, "On the coherence of expected shortfall", Journal of Banking & Finance 26(7), 2002
    (the loss at the quantile counts in part); Cornish-Fisher: D. Maillard, "A user's guide to the
    Cornish Fisher expansion", 2012.
    """
    x = moving("returns", returns, LEAST_RETURNS)
    confidence = bars.number("confidence", confidence, 0.5, 0.9999)
    horizon = bars.whole("horizon", horizon, 1, x.size)
    scale = float(np.abs(x).max())
    z = standardised(x)
    mean = scale * float(np.mean(x / scale))
    deviation = spread(x) * math.sqrt(x.size / (x.size - 1))
    skewness, kurtosis = float(np.mean(z**3)), float(np.mean(z**4)) - 3.0
    observations, reason = x.size, None
    tail: tuple[float, float] | None
    match shape:
        case Shape.HISTORICAL:
            losses = -windows.moving_sum(x, horizon)
            observations = losses.size
            tail = _historical(losses, confidence)
        case Shape.GAUSSIAN:
            tail = _corrected(confidence, 0.0, 0.0)
        case Shape.CORNISH_FISHER:
            tail = _corrected(confidence, skewness / math.sqrt(horizon), kurtosis / horizon)
            reason = NoTail.NOT_MONOTONE if tail is None else None
        case _:
            assert_never(shape)
    if tail is not None and shape is not Shape.HISTORICAL:
        growth = deviation * math.sqrt(horizon)
        tail = growth * tail[0] - horizon * mean, growth * tail[1] - horizon * mean
    return TailRisk(
        value_at_risk=None if tail is None else tail[0],
        expected_shortfall=None if tail is None else tail[1],
        reason=reason,
        shape=shape,
        confidence=confidence,
        horizon=horizon,
        mean=mean,
        deviation=deviation,
        skewness=skewness,
        excess_kurtosis=kurtosis,
        observations=observations,
        independent=x.size // horizon,
    )


def _historical(losses: FloatArray, confidence: float) -> tuple[float, float]:
    """Return the quantile and the mean beyond it of the losses, each with the weight 1/n."""
    n = losses.size
    # Rounded, because 0.95 of 100 is 95 and not 95.00000000000001.
    beyond = round((1.0 - confidence) * n, 9)
    if beyond < 1.0:
        raise AnalyticsRefused("confidence", "leaves less than one loss beyond it in so short a series")
    ordered = np.sort(losses)
    quantile = float(ordered[n - 1 - math.floor(beyond)])
    worse = ordered[n - math.floor(beyond) :]
    return quantile, quantile + float(np.sum(worse - quantile)) / beyond


def _corrected(confidence: float, skewness: float, kurtosis: float) -> tuple[float, float] | None:
    """Return quantile and tail mean of the loss in standard deviations around the mean; `None` where quantiles fall.

    The tail mean is the integral of the expansion over the normal tail, in closed form (as in Maillard 2012).
    """
    a = float(ndtri(1.0 - confidence))
    far = max(_FAR, -a)
    # The slope of the expansion is a parabola in the normal quantile: on the side of the losses least at an end, or at
    # its vertex.
    bend = kurtosis / 8.0 - skewness**2 / 6.0
    tilt = skewness / 3.0
    base = 1.0 - kurtosis / 8.0 + 5.0 * skewness**2 / 36.0
    places = [-far, 0.0]
    if bend > 0.0 and 0.0 < tilt < 2.0 * bend * far:
        places.append(-tilt / (2.0 * bend))
    if min(base + tilt * z + bend * z * z for z in places) <= 0.0:
        return None
    quantile = (
        a
        + (a**2 - 1.0) * skewness / 6.0
        + (a**3 - 3.0 * a) * kurtosis / 24.0
        - (2.0 * a**3 - 5.0 * a) * skewness**2 / 36.0
    )
    density = math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)
    mean = -density / (1.0 - confidence)
    mean *= 1.0 + a * skewness / 6.0 + (a**2 - 1.0) * kurtosis / 24.0 - (2.0 * a**2 - 1.0) * skewness**2 / 36.0
    return -quantile, -mean
