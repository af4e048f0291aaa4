"""First-order linear recursions without a loop over the items: moving averages that never forget, and GARCH's variance.

The recursion is cut into blocks. Inside a block it is one small triangular matrix product; from block to block it is
the same recursion again, many times shorter. Nothing is subtracted, so for terms of one sign the result is as exact as
the plain loop, a few units in the last place. scipy's `lfilter` does the same, but importing scipy.signal costs more
than a second of cold start, and this is faster.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cerberod.analytics.arrays import FloatArray

_SHORT = 1024
_BLOCKS = (16, 32)
"""Items a block: of a long series and of a short one; measured, not derived."""


class _Kernel(NamedTuple):
    response: FloatArray  # row: input within the block; column: its part of each output of the block
    at_end: FloatArray  # the last column
    far: float  # what is left of a value one block later
    lead: float  # what the value before a block weighs, told as an input at the block's start


_STEPS = {size: np.arange(size, dtype=np.float64) for size in _BLOCKS}
_PLACES = {size: size - 1 + np.subtract.outer(-np.arange(size), -np.arange(size)) for size in _BLOCKS}
"""Where the power for (row, column) stands in the powers by lag, those of negative lags being zeros in front."""


def _kernel(decay: float, gain: float, size: int) -> _Kernel:
    by_lag = np.zeros(2 * size - 1)
    by_lag[size - 1 :] = gain * decay ** _STEPS[size]
    response: FloatArray = by_lag[_PLACES[size]]
    return _Kernel(response, response[:, -1].copy(), decay**size, decay / gain)


_remembered = lru_cache(maxsize=64)(_kernel)


def recursion(
    x: FloatArray, decay: float, gain: float, first: FloatArray | float, *, remember: bool = False
) -> FloatArray:
    """Return y with `y[0] = first` and `y[i] = decay * y[i-1] + gain * x[i-1]`, one item longer than `x`.

    `decay` lies in 0 … 1, `gain` is above 0. A two-dimensional `x` has one recursion in each row, with one `first` each
    and both weights in common. `remember` keeps the block matrices for the next call with these weights.
    """
    length = x.shape[-1] + 1
    size = _BLOCKS[length <= _SHORT]
    kernel = (_remembered if remember else _kernel)(decay, gain, size)
    count = -(-length // size)
    inputs = np.empty((*x.shape[:-1], count * size))
    inputs[..., 0] = first / gain
    inputs[..., 1:length] = x
    inputs[..., length:] = 0.0
    grid = inputs.reshape(*x.shape[:-1], count, size)
    if count > 1:
        ends = grid[..., :-1, :] @ kernel.at_end
        before = recursion(ends[..., 1:], kernel.far, 1.0, ends[..., 0], remember=remember)
        before *= kernel.lead
        grid[..., 1:, 0] += before
    out: FloatArray = (grid @ kernel.response).reshape(inputs.shape)[..., :length]
    return out
