"""First-order linear recursions without a loop over the items: moving averages that never forget, and GARCH's variance.

The recursion is cut into blocks. Inside a block it is one small triangular matrix product; from block to block it is
the same recursion again, many times shorter. Nothing is subtracted, so for terms of one sign the result is as exact as
the plain loop, a few units in the last place. scipy's `lfilter` does the same, but importing scipy.signal costs more
than a second of cold start, and this is faster. `dot` stands for `@` because it costs half as much to call.

Source: G. Blelloch, "Prefix sums and their applications", Carnegie Mellon CMU-CS-90-190, 1990, section 1.4, which
solves recurrences block by block in the same three steps; there a block is a processor's, here a row of a matrix.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cerberod.analytics.arrays import FloatArray

_LONG, _BLOCK, _BLOCK_OF_LONG = 1024, 32, 16
"""The items of a block, and from how many items on it is shorter; measured, not derived."""
_AT_ONCE = 48
"""Blocks whose ends are carried on by one product."""


class _Block(NamedTuple):
    """What a recursion does to a block of inputs."""

    response: FloatArray  # row: input within the block; column: its part of each output of the block
    far: float  # what is left of a value one block later
    lead: float  # what the value before a block weighs, told as an input at the block's start
    to_next: FloatArray  # each input's part of that input of the next block


@lru_cache(maxsize=256)
def _response(decay: float, gain: float, size: int) -> FloatArray:
    """Return `gain` times the power of `decay` that an input (row) has in an output (column)."""
    places = np.arange(size, dtype=np.float64)
    lag = places - places[:, None]
    out: FloatArray = np.where(lag >= 0.0, gain * decay ** np.maximum(lag, 0.0), 0.0)
    return out


@lru_cache(maxsize=256)
def _block(decay: float, gain: float, size: int) -> _Block:
    response = _response(decay, gain, size)
    lead = decay / gain
    return _Block(response, decay**size, lead, lead * response[:, -1])


def recursion(x: FloatArray, decay: float, gain: float, first: FloatArray | float) -> FloatArray:
    """Return y with `y[0] = first` and `y[i] = decay * y[i-1] + gain * x[i-1]`, one item longer than `x`.

    `decay` lies in 0 … 1, `gain` is above 0. A two-dimensional `x` has one recursion in each row, with one `first` each
    and both weights in common.
    """
    inputs = np.empty((*x.shape[:-1], x.shape[-1] + 1))
    inputs[..., 0] = first / gain
    inputs[..., 1:] = x
    return smoothed(inputs, decay, gain)


def smoothed(inputs: FloatArray, decay: float, gain: float) -> FloatArray:
    """Return y with `y[0] = gain * inputs[0]` and `y[i] = decay * y[i-1] + gain * inputs[i]`, row by row.

    For callers that can spare a copy: `inputs` is used up, and what it holds afterwards means nothing.
    """
    out = np.empty(inputs.shape)
    if inputs.ndim == 1:
        _smooth(inputs, decay, gain, out)
    else:
        for row, row_out in zip(inputs, out, strict=True):
            _smooth(row, decay, gain, row_out)
    return out


def _smooth(inputs: FloatArray, decay: float, gain: float, out: FloatArray) -> None:
    length = inputs.size
    size = _BLOCK if length <= _LONG else _BLOCK_OF_LONG
    left = length % size
    whole = length - left
    if whole:
        block = _block(decay, gain, size)
        blocks = inputs[:whole].reshape(-1, size)
        if whole > size:
            blocks[1:, 0] += _carried(blocks[:-1], block)
        blocks.dot(block.response, out[:whole].reshape(-1, size))
        if left:
            inputs[whole] += block.lead * out[whole - 1]
    if left:
        inputs[whole:].dot(_response(decay, gain, left), out[whole:])


def _carried(blocks: FloatArray, block: _Block) -> FloatArray:
    """Return what is to be added to the first input of the block after each of `blocks` for all that came before."""
    count = len(blocks)
    if count <= _AT_ONCE:
        at_once: FloatArray = blocks.dot(block.to_next).dot(_response(block.far, 1.0, count))
        return at_once
    ends = np.zeros((-(-count // _BLOCK), _BLOCK))
    blocks.dot(block.to_next, ends.reshape(-1)[:count])
    further = _block(block.far, 1.0, _BLOCK)
    ends[1:, 0] += _carried(ends[:-1], further)
    out: FloatArray = ends.dot(further.response).reshape(-1)[:count]
    return out


class _Pair(NamedTuple):
    """What the difference of two averages does to a block of inputs."""

    ends: tuple[FloatArray, FloatArray]  # each input's part of either average at the end of the block
    response: FloatArray  # as of one recursion: that of the one minus that of the other
    fading: FloatArray  # row: average; column: part that its value before the block has in each output


@lru_cache(maxsize=64)
def _pair(decays: tuple[float, float], size: int) -> _Pair:
    one, other = (_response(decay, 1.0 - decay, size) for decay in decays)
    steps = np.arange(1.0, size + 1.0)
    fading = np.array([decays[0] ** steps, -(decays[1] ** steps)])
    return _Pair((one[:, -1].copy(), other[:, -1].copy()), one - other, fading)


def gap(x: FloatArray, decays: tuple[float, float], firsts: tuple[float, float]) -> FloatArray:
    """Return the average of `x` with `decays[0]` minus that with `decays[1]`, one item longer than `x`.

    Each is `recursion(x, decay, 1 - decay, first)`. Their difference is one product, with the difference of their
    responses, and what both were before a block: neither average is ever made, nor `x` copied.
    """
    size = _BLOCK_OF_LONG
    ends, response, fading = _pair(decays, size)
    left = x.size % size
    whole = x.size - left
    grid = x[:whole].reshape(-1, size)
    before = np.empty((len(grid) + 1, 2))
    for k, (end, decay, first) in enumerate(zip(ends, decays, firsts, strict=True)):
        inputs = np.empty(len(before))
        inputs[0] = first
        grid.dot(end, inputs[1:])
        before[:, k] = smoothed(inputs, decay**size, 1.0)
    out = np.empty(x.size + 1)
    out[0] = firsts[0] - firsts[1]
    inside = out[1 : whole + 1].reshape(-1, size)
    grid.dot(response, inside)
    inside += before[:-1].dot(fading)
    if left:
        out[whole + 1 :] = x[whole:].dot(response[:left, :left]) + before[-1].dot(fading[:, :left])
    return out
