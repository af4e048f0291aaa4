"""How the daemon hears from the outside: that it is to stop, or to read its settings again."""

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType

import anyio
from anyio.abc import TaskStatus

log = logging.getLogger("cerberod")

STOPPING = (signal.SIGTERM, signal.SIGINT)
IGNORED = (signal.SIGUSR1, signal.SIGUSR2)


class Stop:
    """Hears the signals that end the daemon or have it reload; ignores those that a log rotation may send."""

    def __init__(self) -> None:
        self.requested = anyio.Event()
        self.hurry = anyio.Event()
        self.reload: Callable[[], object] | None = None
        """What SIGHUP asks for; without it, as on stdio, the signal is ignored."""
        self.starting: anyio.CancelScope | None = anyio.CancelScope()
        """Cancelled when a start is given up; None once there is nothing to give up but to stop in order."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Turn the first signal into a request, a second one into haste. A start that is not done is given up.

        Signals are never left to their default action again, not even for the moment in which the loop ends: a late
        one would turn the exit code of an orderly stop into another.
        """
        loop = asyncio.get_running_loop()

        def heard(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._take, signal.Signals(number))

        _set_handler(heard)
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            _set_handler(signal.SIG_IGN)

    def _take(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP and self.reload is not None:
            self.reload()
            return
        if number not in STOPPING:
            log.info("signal ignored", extra={"signal": number.name})
            return
        log.info("asked to stop", extra={"signal": number.name})
        if self.requested.is_set():
            self.hurry.set()
        self.requested.set()
        if self.starting is not None:
            self.starting.cancel()


def _set_handler(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in (*STOPPING, signal.SIGHUP, *IGNORED):
        signal.signal(number, handler)
