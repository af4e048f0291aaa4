"""How fast a series comes back to its mean: a first-order autoregression, and the half-life it implies.

The estimate of a random walk's coefficient is below one almost always, so a half-life alone proves nothing; whether a
unit root is rejected stands beside it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from cerberod.analytics.arrays import FloatArray
from cerberod.analytics.samples import moving, spread
from cerberod.errors import AnalyticsRefused

LEAST_LEVELS = 20


class NoHalfLife(StrEnum):
    """Why there is no half-life.

    - `NOT_MEAN_REVERTING`: the coefficient is one or above; a shock stays or grows.
    - `OVERSHOOTING`: the coefficient is zero or below; a shock is gone, or on the other side, after one period.
    """

    NOT_MEAN_REVERTING = "not_mean_reverting"
    OVERSHOOTING = "overshooting"


@dataclass(frozen=True, slots=True)
class Reversion:
    """The regression of a series on itself one period ago, x[t] = c + phi x[t-1] + noise, by least squares.

    `phi` (a pure number, biased down by about (1 + 3 phi)/n) with its `standard_error`; `half_life`, in periods,
    ln 2 / -ln phi, with `half_life_error` by the delta method; both `None` for the reason told. `mean` is the level
    it returns to, c / (1 - phi), `None` where there is no half-life because it is not mean-reverting. `t_statistic` is
    that of phi = 1 (Dickey-Fuller) and `unit_root_rejected` whether it is below the 5 % critical value: without that
    a half-life is one that a random walk would show too. `observations` is n - 1.
    """

    phi: float
    standard_error: float
    half_life: float | None
    half_life_error: float | None
    reason: NoHalfLife | None
    mean: float | None
    t_statistic: float
    unit_root_rejected: bool
    observations: int


def half_life(level: ArrayLike) -> Reversion:
    """Return how fast a series of at least 20 levels, oldest first, comes back to its mean.

    A spread, a rate or a log price: a level, not its changes. Sources: E. Chan, "Algorithmic Trading", 2013
    (the half-life of an Ornstein-Uhlenbeck process from lag one); critical value: MacKinnon 2010, N = 1, with
    a constant, 5 %. A series that follows its own line without any noise is refused.
    """
    x = moving("level", level, LEAST_LEVELS)
    x = x / np.abs(x).max()
    scale = float(np.abs(np.asarray(level, dtype=np.float64)).max())
    before, after = x[:-1], x[1:]
    if spread(before) == 0.0:
        raise AnalyticsRefused("level", "must move before its last item")
    u = before - before.mean()
    changes = np.diff(x)
    suu = float(u @ u)
    slope = float(u @ changes) / suu
    left = changes - changes.mean() - slope * u
    squares = float(left @ left)
    n = before.size
    if squares <= 1e-24 * n:
        raise AnalyticsRefused("level", "must have noise: each item follows from the last exactly")
    error = math.sqrt(squares / (n - 2) / suu)
    phi = 1.0 + slope
    periods, reason = half_life_of(phi)
    mean = None
    if reason is not NoHalfLife.NOT_MEAN_REVERTING:
        mean = scale * (float(after.mean()) - phi * float(before.mean())) / -slope
    return Reversion(
        phi=phi,
        standard_error=error,
        half_life=periods,
        half_life_error=None if periods is None else periods * error / (phi * -math.log(phi)),
        reason=reason,
        mean=mean,
        t_statistic=slope / error,
        unit_root_rejected=slope / error < _critical(n),
        observations=n,
    )


def half_life_of(phi: float) -> tuple[float | None, NoHalfLife | None]:
    """Return the periods after which half of a shock is left under the coefficient `phi`, or why there are none."""
    if phi >= 1.0:
        return None, NoHalfLife.NOT_MEAN_REVERTING
    if phi <= 0.0:
        return None, NoHalfLife.OVERSHOOTING
    return math.log(2.0) / -math.log(phi), None


def residual_phi(spread: FloatArray) -> float:
    """Return the coefficient of a spread, whose mean is zero, on itself one period ago, without a constant."""
    before = spread[:-1]
    return 1.0 + float(before @ np.diff(spread)) / float(before @ before)


def _critical(n: int) -> float:
    """Return the 5 % critical value of the Dickey-Fuller statistic with a constant."""
    return -2.86154 - 2.8903 / n - 4.234 / n**2 - 40.04 / n**3
