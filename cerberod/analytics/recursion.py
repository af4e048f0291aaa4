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
_WIDE = 32
"""Block ends that are carried on at once."""


class _Kernel(NamedTuple):
    response: FloatArray  # row: input within the block; column: its part of each output of the block
    at_end: FloatArray  # the last column
    far: float  # what is left of a value one block later
    lead: float  # what the value before a block weighs, told as an input at the block's start


_STEPS = {size: np.arange(size, dtype=np.float64) for size in _BLOCKS}
_AFTER = _STEPS[_WIDE] + 1.0
_PLACES = {size: size - 1 + np.subtract.outer(-np.arange(size), -np.arange(size)) for size in _BLOCKS}
"""Where the power for (row, column) stands in the powers by lag, those of negative lags being zeros in front."""


def _powers(decay: float, gain: float, size: int) -> FloatArray:
    """Return `gain` times the power of `decay` that an input (row) has in an output (column)."""
    by_lag = np.zeros(2 * size - 1)
    by_lag[size - 1 :] = gain * decay ** _STEPS[size]
    out: FloatArray = by_lag[_PLACES[size]]
    return out


def _kernel(decay: float, gain: float, size: int) -> _Kernel:
    response = _powers(decay, gain, size)
    return _Kernel(response, response[:, -1].copy(), decay**size, decay / gain)


_remembered = lru_cache(maxsize=64)(_kernel)
_remembered_powers = lru_cache(maxsize=64)(_powers)


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
        grid[..., 1:, 0] += _carried(grid[..., :-1, :] @ kernel.at_end, kernel.far, kernel.lead, remember)
    out: FloatArray = (grid @ kernel.response).reshape(inputs.shape)[..., :length]
    return out


def _carried(ends: FloatArray, far: float, lead: float, remember: bool) -> FloatArray:
    """Return `lead * y` where `y[i] = far * y[i-1] + ends[i]`: what the blocks before each block leave to it."""
    count = ends.shape[-1]
    powers = _remembered_powers if remember else _powers
    within = powers(far, lead, _WIDE)
    if count <= _WIDE:
        return ends @ within[:count, :count]
    rows = -(-count // _WIDE)
    if rows > _WIDE:
        return lead * recursion(ends[..., 1:], far, 1.0, ends[..., 0], remember=remember)
    padded = np.empty((*ends.shape[:-1], rows * _WIDE))
    padded[..., :count] = ends
    padded[..., count:] = 0.0
    carried = padded.reshape(*ends.shape[:-1], rows, _WIDE) @ within
    before = carried[..., :-1, -1] @ powers(far**_WIDE, 1.0, _WIDE)[: rows - 1, : rows - 1]
    carried[..., 1:, :] += before[..., None] * far**_AFTER
    out: FloatArray = carried.reshape(padded.shape)[..., :count]
    return out
