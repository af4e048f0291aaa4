"""How the daemon hears that it is to stop."""

import logging
import signal

import anyio
from anyio.abc import TaskStatus

log = logging.getLogger("cerberod")


class Stop:
    """Hears the signals that end the daemon; ignores those that a terminal or a log rotation may send."""

    def __init__(self) -> None:
        self.requested = anyio.Event()
        self.hurry = anyio.Event()
        self.starting: anyio.CancelScope | None = anyio.CancelScope()
        """Cancelled when a start is given up; None once there is nothing to give up but to stop in order."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Turn the first signal into a request, a second one into haste. A start that is not done is given up."""
        with anyio.open_signal_receiver(
            signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2
        ) as signals:
            task_status.started()
            async for number in signals:
                if number not in (signal.SIGTERM, signal.SIGINT):
                    log.info("signal ignored", extra={"signal": signal.Signals(number).name})
                    continue
                log.info("asked to stop", extra={"signal": signal.Signals(number).name})
                if self.requested.is_set():
                    self.hurry.set()
                self.requested.set()
                if self.starting is not None:
                    self.starting.cancel()
