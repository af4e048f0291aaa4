"""The simulated venues' time, which may run with the real clock, be shifted from it, or stand still.

A recorded chain is only true at its own moment, so there the market's time stands until somebody moves it. Transport
times (when a request came in) are not market time and stay on the real clock.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from cerberod.clock import Clock


class ShiftedClock:
    """The clock of the venues' machines: the real one, or as far off as the fault plan has it."""

    def __init__(self, clock: Clock, offset_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._offset_ms = offset_ms

    def now(self) -> datetime:
        return self._clock.now() + timedelta(milliseconds=self._offset_ms())

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._offset_ms()

    def monotonic(self) -> float:
        return self._clock.monotonic()


class MarketTime:
    """Milliseconds since 1970 as the simulated venues know them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = 0
        self._standing_ms: int | None = None

    @property
    def standing(self) -> bool:
        """Tell whether time stands still."""
        return self._standing_ms is not None

    def now_ms(self) -> int:
        """Return the market's present moment."""
        if self._standing_ms is not None:
            return self._standing_ms
        return self._clock.now_ms() + self._offset_ms

    def stand_at(self, time_ms: int) -> None:
        """Stop time at a moment."""
        self._standing_ms = time_ms

    def set(self, time_ms: int) -> None:
        """Jump to a moment; a standing clock stays standing there, a running one runs on from there."""
        if self._standing_ms is not None:
            self._standing_ms = time_ms
        else:
            self._offset_ms = time_ms - self._clock.now_ms()

    def run(self) -> None:
        """Let a standing clock run on from where it stands."""
        if self._standing_ms is not None:
            self._offset_ms = self._standing_ms - self._clock.now_ms()
            self._standing_ms = None

    def is_past(self, deadline_ms: int) -> bool:
        """Tell whether a caller's deadline has passed, on whichever of the two clocks the caller evidently uses."""
        market_ms, real_ms = self.now_ms(), self._clock.now_ms()
        nearest = min((market_ms, real_ms), key=lambda now_ms: abs(deadline_ms - now_ms))
        return deadline_ms < nearest

    def reset(self) -> None:
        """Run with the real clock again."""
        self._offset_ms, self._standing_ms = 0, None
