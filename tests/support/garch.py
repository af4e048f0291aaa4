"""Returns made by a GARCH(1,1) whose parameters are known."""

import numpy as np

from cerberod.analytics.arrays import FloatArray

_FORGOTTEN = 500


def made_returns(
    count: int, seed: int, *, omega: float = 2e-6, alpha: float = 0.08, beta: float = 0.9, mean: float = 0.0
) -> FloatArray:
    """Return `count` returns of the process, after enough others to forget where it began."""
    shocks = np.random.default_rng(seed).normal(size=count + _FORGOTTEN).tolist()
    variance, out = omega / (1.0 - alpha - beta), []
    for shock in shocks:
        surprise = shock * variance**0.5
        out.append(mean + surprise)
        variance = omega + alpha * surprise * surprise + beta * variance
    return np.array(out[_FORGOTTEN:])
