"""The form of an indicator: one value for each bar that came in, and a named reason wherever there is none."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberod.analytics.arrays import BoolArray, FloatArray, Masked, words


class LineReason(IntEnum):
    """Why a line has no value at a bar.

    - `WARM_UP`: the indicator has not seen enough bars yet.
    - `NO_MOVEMENT`: a ratio of movements while nothing moved, 0/0. TA-Lib says 0 there, which reads like a signal.
    - `NO_VOLUME`: nothing was traded in the window or since the session began.
    """

    WARM_UP = 1
    NO_MOVEMENT = 2
    NO_VOLUME = 3


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """An indicator over the `length` bars it was computed from.

    `tail` holds the values after the warm-up, the last bar's last; it is never empty, because too short a series is
    refused. Where `gaps` (as long as `tail`) is true the value stands for nothing, for the reason `why`. `values` and
    `reason` spread this over all the bars.
    """

    tail: FloatArray
    length: int
    gaps: BoolArray | None = None
    why: LineReason | None = None

    @property
    def first(self) -> int:
        """The first bar after the warm-up."""
        return self.length - self.tail.size

    @property
    def values(self) -> Masked:
        """One value for each bar, masked where there is none: `values.tolist()` says `None` there."""
        data = np.zeros(self.length)
        data[self.first :] = self.tail
        undefined = self.reason > 0
        data[undefined] = 0.0
        out: Masked = np.ma.MaskedArray(data, mask=undefined)
        return out

    @property
    def reason(self) -> NDArray[np.uint8]:
        """A `LineReason` for each bar without a value, 0 for the others."""
        out = np.zeros(self.length, dtype=np.uint8)
        out[: self.first] = LineReason.WARM_UP
        if self.gaps is not None and self.why is not None:
            out[self.first :][self.gaps] = self.why
        return out

    def reasons(self) -> list[Any]:
        """The reasons in words, `None` where there is a value."""
        return words(self.reason, LineReason)
