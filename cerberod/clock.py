"""The one place that reads a clock.

Everything else takes a `Clock`, or the time itself, as an argument, so that any moment can be replayed in a test.
Wall time is for records and for what users read; deadlines and intervals use the monotonic clock, which no step of
the wall clock moves.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the daemon may know about time."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""

    def now_ms(self) -> int:
        """Return the wall time in whole milliseconds since 1970."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the clock itself

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def iso(moment: datetime) -> str:
    """Write an aware moment as ISO 8601 UTC with milliseconds and `Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def from_ms(milliseconds: int) -> datetime:
    """Read milliseconds since 1970, the venues' usual time, as an aware moment in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
