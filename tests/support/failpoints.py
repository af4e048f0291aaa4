"""`python -m tests.support.failpoints serve …`: the whole daemon, which kills itself at a chosen point of a write.

The real parts are wrapped where a write passes them; nothing of this is in the product. Which point is armed stands in
the file that `FAILPOINT` names, as `POINT METHOD N`: the process dies, as by `kill -9`, when a write of this method is
there for the nth time. Without the file it is the daemon as it is.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Any

import anyio.lowlevel
import orjson
from websockets.asyncio.client import ClientConnection

from cerberod.audit.record import Anchor, AuditEvent, EventKind, FileSpan
from cerberod.audit.writer import AuditLog
from cerberod.cli import main
from cerberod.rpc.dispatch import Dispatcher
from cerberod.rpc.envelope import Message, Request
from cerberod.rpc.session import Session
from cerberod.trading.journal import Begin, Change, Conclude, Journal
from cerberod.trading.writes import Sent


class Point(StrEnum):
    """Where a write can be cut off, in the order in which it passes; `faults.md` 68 and two torn records."""

    TORN_REQUEST = "torn_request"
    """Half of the audit record of the request is written."""
    BEFORE_JOURNAL = "before_journal"
    """The request is audited, the intent is not in the journal."""
    AFTER_JOURNAL = "after_journal"
    """The intent is durable; nobody has been told so yet."""
    BEFORE_SEND = "before_send"
    """Marked as sent, and not one byte is out."""
    AFTER_SEND = "after_send"
    """The request has left the process."""
    BEFORE_AUDIT = "before_audit"
    """The venue has answered; nothing of it is recorded."""
    TORN_OUTCOME = "torn_outcome"
    """Half of the audit record of the outcome is written."""
    BEFORE_OUTCOME = "before_outcome"
    """The outcome is audited, the journal does not know it."""
    AFTER_OUTCOME = "after_outcome"
    """The outcome is durable; nobody has been told so yet."""
    BEFORE_REPLY = "before_reply"
    """The reply is made and not sent."""


WRITES = {
    "deribit.place_order": ("private/buy", "private/sell"),
    "deribit.edit_order": ("private/edit",),
    "deribit.cancel_order": ("private/cancel",),
    "deribit.cancel_all_orders": (
        "private/cancel_all",
        "private/cancel_all_by_currency",
        "private/cancel_all_by_instrument",
        "private/cancel_all_by_kind_or_type",
    ),
}
"""Every write, and how it is called on the wire."""

_WRITE_OF = {wire: method for method, wires in WRITES.items() for wire in wires}


class Fuse:
    """Counts how often a point is reached, and ends the process at the one that is armed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._reached = 0

    def burns(self, point: Point, method: str | None) -> bool:
        """Tell whether this is where the process is to end."""
        try:
            at, of, times = self._file.read_text().split()
        except FileNotFoundError:
            return False
        if (at, of) != (point, method):
            return False
        with self._lock:
            self._reached += 1
            return self._reached == int(times)

    def reached(self, point: Point, method: str | None) -> None:
        """End the process here if that is what is armed."""
        if self.burns(point, method):
            self.blow()

    def blow(self) -> None:
        """End the process as `kill -9` does."""
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the signal comes to whichever thread: this one goes no further


_going_out: ContextVar[bool] = ContextVar("going_out", default=False)


def wrap_audit(fuse: Fuse) -> None:
    """Cut off before the record of an outcome, and in the middle of either record."""
    append, write = AuditLog.append, AuditLog._write
    torn = threading.local()

    def wrapped_append(self: AuditLog, events: Sequence[AuditEvent]) -> None:
        kinds = {EventKind.REQUEST: Point.TORN_REQUEST, EventKind.OUTCOME: Point.TORN_OUTCOME}
        torn.on = False
        for event in events:
            if event.kind is EventKind.OUTCOME:
                fuse.reached(Point.BEFORE_AUDIT, event.method)
            if event.kind in kinds and fuse.burns(kinds[event.kind], event.method):
                torn.on = True
        append(self, events)

    def wrapped_write(self: AuditLog, lines: Sequence[bytes], before: Anchor) -> None:
        if getattr(torn, "on", False) and (data := b"".join(lines)):
            os.write(self._descriptor, data[: -len(lines[-1]) // 2])
            fuse.blow()
        write(self, lines, before)

    AuditLog.append = wrapped_append  # type: ignore[method-assign]  # the real method, with an end before it
    AuditLog._write = wrapped_write  # type: ignore[method-assign]  # the same


def wrap_journal(fuse: Fuse) -> None:
    """Cut off around the transaction that takes an intent or ends it."""
    apply = Journal.apply
    begun = {Begin: (Point.BEFORE_JOURNAL, Point.AFTER_JOURNAL), Conclude: (Point.BEFORE_OUTCOME, Point.AFTER_OUTCOME)}

    def method_of(journal: Journal, change: Change) -> str | None:
        if isinstance(change, Begin):
            return change.entry.method
        entry = journal.find(change.key) if isinstance(change, Conclude) else None
        return None if entry is None else entry.method

    def wrapped(
        self: Journal, changes: Sequence[Change], anchor: Anchor | None = None, files: Sequence[FileSpan] = ()
    ) -> list[bool]:
        passed = [(begun[type(change)], method_of(self, change)) for change in changes if type(change) in begun]
        for (before, _), method in passed:
            fuse.reached(before, method)
        done = apply(self, changes, anchor, files)
        for (_, after), method in passed:
            fuse.reached(after, method)
        return done

    Journal.apply = wrapped  # type: ignore[method-assign]  # the real method, with ends around it


def wrap_socket(fuse: Fuse) -> None:
    """Cut off before the first byte of a write, and when its last one has been handed to the kernel."""
    mark, send = Sent.mark, ClientConnection.send

    def wrapped_mark(self: Sent) -> None:
        mark(self)
        _going_out.set(True)

    async def wrapped_send(self: ClientConnection, message: Any, *, text: bool | None = None) -> None:
        if not _going_out.get():
            await send(self, message, text=text)
            return
        _going_out.set(False)
        method = _WRITE_OF.get(orjson.loads(message)["method"])
        fuse.reached(Point.BEFORE_SEND, method)
        await send(self, message, text=text)
        if fuse.burns(Point.AFTER_SEND, method):
            while self.transport.get_write_buffer_size():
                await anyio.lowlevel.checkpoint()
            fuse.blow()

    Sent.mark = wrapped_mark  # type: ignore[method-assign]  # the real method, which tells the socket's wrapper
    ClientConnection.send = wrapped_send  # type: ignore[method-assign,assignment]  # of its overloads the one used


def wrap_dispatcher(fuse: Fuse) -> None:
    """Cut off when the reply is made and not sent."""
    answer = Dispatcher.answer

    async def wrapped(self: Dispatcher, session: Session, message: Message) -> bytes | None:
        reply = await answer(self, session, message)
        fuse.reached(Point.BEFORE_REPLY, message.method if isinstance(message, Request) else None)
        return reply

    Dispatcher.answer = wrapped  # type: ignore[method-assign]  # the real method, with an end behind it


if __name__ == "__main__":
    armed = Fuse(Path(os.environ["FAILPOINT"]))  # noqa: TID251 - a word to this entry point, not a setting
    for wrap in (wrap_audit, wrap_journal, wrap_socket, wrap_dispatcher):
        wrap(armed)
    sys.exit(main())
