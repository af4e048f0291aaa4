"""An event loop whose time passes only when nothing is left to do: waiting costs nothing, and no clock is read.

With nothing but memory between its tasks a run is the same every time. A run that waits for nothing at all fails.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import pytest

T = TypeVar("T")
BEGIN = datetime(2026, 8, 22, 3, 50, 45, tzinfo=UTC)
_BEGIN_MS = int(BEGIN.timestamp()) * 1000


class Stuck(AssertionError):
    """Every task waits for another one."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Stuck("nothing will ever happen")
            self.now_s += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with a time of its own."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


class LoopClock:
    """Wall and monotonic time as the running virtual loop has them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.monotonic())

    def now_ms(self) -> int:
        return _BEGIN_MS + int(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return self._loop.time()


async def _on_the_spot(function: Callable[..., T], *arguments: Any, **_: Any) -> T:
    """Run what belongs on a thread here and now: a thread would bring real time in."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)  # so that no guard against blocking takes it for the loop's own work
    try:
        return function(*arguments)
    finally:
        asyncio._set_running_loop(loop)


def run(main: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run a coroutine function in virtual time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(anyio.to_thread, "run_sync", _on_the_spot)
        return anyio.run(main, *arguments, backend_options={"loop_factory": VirtualLoop})
