"""What time it is at a venue, told from its own stamps.

Pure. Held against the monotonic clock, so that no step of our wall clock moves it. Of the last few exchanges the one
with the shortest way is believed: half of what it took bounds its error. An exchange that contradicts it by more than
a little shows a clock that has jumped: what was known is dropped, and nothing is steady until answers agree again.
"""

from collections import deque
from dataclasses import dataclass

_WINDOW = 8
_JUMP_MS = 500.0
"""A contradiction up to this size matters to no deadline, and is left to the window."""
_AGREEING = 2
"""So many answers must agree with the first one after a jump."""
_OFFSET_TOLD_MS = 500.0
"""From how much on it is told that our clock and the venue's differ."""


@dataclass(frozen=True, slots=True)
class _Sample:
    way_s: float
    """Time on the way, both directions; the error of `ahead_ms` is at most half of it."""
    ahead_ms: float
    """The venue's clock minus our monotonic one."""

    def contradicts(self, other: "_Sample") -> bool:
        """Tell whether no one clock can have given both."""
        return abs(self.ahead_ms - other.ahead_ms) - (self.way_s + other.way_s) * 500 > _JUMP_MS


class VenueTime:
    """The venue's clock as far as we know it."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=_WINDOW)
        self._outdated = False
        self._to_agree = 0

    @property
    def steady(self) -> bool:
        """Tell whether the time is known, and the clock it is read from has not jumped a moment ago."""
        return bool(self._samples) and not self._to_agree

    @property
    def objection(self) -> str | None:
        """Tell why no order can be stamped in the venue's time now, as the rule that it breaks; or None."""
        if self.steady:
            return None
        if not self._samples:
            return "a known time of the venue; none of its answers has told it yet"
        return "a steady clock of the venue; it has jumped, and orders wait until its answers agree again"

    def trouble(self, monotonic_s: float, our_now_ms: int) -> str | None:
        """Return what is wrong with the clocks, as a status tells it; None when nothing is."""
        offset = self.offset_ms(monotonic_s, our_now_ms)
        if offset is None:
            return "clock_unknown"
        if not self.steady:
            return "clock_unstable"
        return "clock_offset" if abs(offset) > _OFFSET_TOLD_MS else None

    def learn(self, sent_s: float, received_s: float, venue_in_ms: float, venue_out_ms: float) -> None:
        """Take in one exchange: our monotonic times around it, the venue's own stamps of it."""
        way_s = max(0.0, (received_s - sent_s) - (venue_out_ms - venue_in_ms) / 1000)
        middle_ms = (sent_s + received_s) * 500
        sample = _Sample(way_s, (venue_in_ms + venue_out_ms) / 2 - middle_ms)
        believed = self._best()
        jumped = believed is not None and sample.contradicts(believed)
        if jumped:
            self._to_agree = _AGREEING
        elif believed is not None and self._to_agree:
            self._to_agree -= 1
        if jumped or self._outdated:
            self._samples.clear()
            self._outdated = False
        self._samples.append(sample)

    def _best(self) -> _Sample | None:
        return min(self._samples, key=lambda sample: sample.way_s, default=None)

    def restart(self) -> None:
        """Go by what is known until the next exchange, and then by that alone: after a reconnect the way is another."""
        self._outdated = True

    def now_ms(self, monotonic_s: float) -> int | None:
        """Return the venue's time in milliseconds since 1970; None before the first exchange."""
        best = self._best()
        return None if best is None else round(best.ahead_ms + monotonic_s * 1000)

    def offset_ms(self, monotonic_s: float, our_now_ms: int) -> float | None:
        """Return the venue's clock minus our wall clock; None before the first exchange."""
        theirs = self.now_ms(monotonic_s)
        return None if theirs is None else float(theirs - our_now_ms)
