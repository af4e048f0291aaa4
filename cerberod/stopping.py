"""How the daemon hears that it is to stop."""

import logging
import signal

import anyio
from anyio.abc import TaskStatus

log = logging.getLogger("cerberod")

STOPPING = (signal.SIGTERM, signal.SIGINT)
IGNORED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Stop:
    """Hears the signals that end the daemon; ignores those that a terminal or a log rotation may send."""

    def __init__(self) -> None:
        self.requested = anyio.Event()
        self.hurry = anyio.Event()
        self.starting: anyio.CancelScope | None = anyio.CancelScope()
        """Cancelled when a start is given up; None once there is nothing to give up but to stop in order."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Turn the first signal into a request, a second one into haste. A start that is not done is given up.

        Afterwards the process only ends, and a late signal must not turn its exit code into another one.
        """
        try:
            with anyio.open_signal_receiver(*STOPPING, *IGNORED) as signals:
                task_status.started()
                async for number in signals:
                    self._take(number)
        finally:
            for number in (*STOPPING, *IGNORED):
                signal.signal(number, signal.SIG_IGN)

    def _take(self, number: signal.Signals) -> None:
        if number in IGNORED:
            log.info("signal ignored", extra={"signal": number.name})
            return
        log.info("asked to stop", extra={"signal": number.name})
        if self.requested.is_set():
            self.hurry.set()
        self.requested.set()
        if self.starting is not None:
            self.starting.cancel()
