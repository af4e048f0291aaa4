"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Wall and monotonic time, moved together by `advance` and apart by `set_wall`."""

    def __init__(self, now: datetime = datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def now_ms(self) -> int:
        return int(self._now.timestamp() * 1000)

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, **amount: float) -> None:
        """Let time pass; the amount as `timedelta` takes it."""
        step = timedelta(**amount)
        self._now += step
        self._monotonic += step.total_seconds()

    def set_wall(self, now: datetime) -> None:
        """Step the wall clock alone, as an operator or a time service does."""
        self._now = now
