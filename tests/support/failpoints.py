"""`python -m tests.support.failpoints serve …`: the whole daemon, which kills itself at a chosen point of a write.

The real parts are wrapped where a write passes them; nothing of this is in the product. Which point is armed stands in
the file that `FAILPOINT` names, as `POINT NAME N`: the process dies, as by `kill -9`, when a write with this intent, or
of this method, is there for the nth time. Without the file it is the daemon as it is, except that it waits less between
two looks at what it does not know, and at its start for what no venue can tell yet.
"""

import os
import signal
import sys
import threading
from asyncio import WriteTransport
from collections.abc import Sequence
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Any

import anyio.lowlevel
from aiohttp import ClientResponse
from aiohttp.connector import Connection
from websockets.asyncio.client import ClientConnection

from cerberod.audit.record import Anchor, AuditEvent, EventKind
from cerberod.audit.writer import AuditLog
from cerberod.cli import main
from cerberod.rpc.dispatch import Dispatcher
from cerberod.rpc.envelope import Message, Request
from cerberod.rpc.session import Session
from cerberod.trading import resolving
from cerberod.trading.journal import Begin, Change, Conclude, Journal
from cerberod.trading.placing import Placing
from cerberod.trading.writes import Sent
from tests.support.impatient import LONGEST_S

FIRST_ROUND_S = 2.0


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
    """The request has left the process; over HTTP the venue may still never read it."""
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


class Fuse:
    """Counts how often a point is reached, and ends the process at the one that is armed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._reached = 0

    def burns(self, point: Point, *names: str | None) -> bool:
        """Tell whether this is where the process is to end; `names` are a write's method and intent."""
        try:
            at, of, times = self._file.read_text().split()
        except FileNotFoundError:
            return False
        if at != point or of not in names:
            return False
        with self._lock:
            self._reached += 1
            return self._reached == int(times)

    def reached(self, point: Point, *names: str | None) -> None:
        """End the process here if that is what is armed."""
        if self.burns(point, *names):
            self.blow()

    def blow(self) -> None:
        """End the process as `kill -9` does."""
        os.kill(os.getpid(), signal.SIGKILL)
        threading.Event().wait()  # the signal comes to whichever thread: this one goes no further


_sending: ContextVar[tuple[str, str] | None] = ContextVar("sending", default=None)
"""Method and intent of the write that this task is sending."""
_going_out: ContextVar[bool] = ContextVar("going_out", default=False)
"""Its next frame is the write itself."""


def wrap_audit(fuse: Fuse) -> None:
    """Cut off before the record of an outcome, and in the middle of either record."""
    append, write = AuditLog.append, AuditLog._write
    torn = threading.local()

    def wrapped_append(self: AuditLog, events: Sequence[AuditEvent]) -> None:
        kinds = {EventKind.REQUEST: Point.TORN_REQUEST, EventKind.OUTCOME: Point.TORN_OUTCOME}
        torn.on = False
        for event in events:
            if event.kind is EventKind.OUTCOME:
                fuse.reached(Point.BEFORE_AUDIT, event.method, event.intent)
            if event.kind in kinds and fuse.burns(kinds[event.kind], event.method, event.intent):
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

    def names_of(journal: Journal, change: Begin | Conclude) -> tuple[str, ...]:
        entry = change.entry if isinstance(change, Begin) else journal.find(change.key)
        return () if entry is None else (entry.method, entry.intent)

    def wrapped(self: Journal, changes: Sequence[Change], *given: Any, **named: Any) -> list[bool]:
        passed = [
            (begun[type(change)], names_of(self, change)) for change in changes if isinstance(change, Begin | Conclude)
        ]
        for (before, _), names in passed:
            fuse.reached(before, *names)
        done = apply(self, changes, *given, **named)
        for (_, after), names in passed:
            fuse.reached(after, *names)
        return done

    Journal.apply = wrapped  # type: ignore[method-assign]  # the real method, with ends around it


def wrap_sending(fuse: Fuse) -> None:
    """Cut off before the first byte of a write, and when the last one has been handed to the kernel."""
    place, mark, send, start = Placing._send, Sent.mark, ClientConnection.send, ClientResponse.start

    async def wrapped_place(self: Placing, request: Any, *given: Any) -> Any:
        _sending.set((request.call.method, request.intent))
        try:
            return await place(self, request, *given)
        finally:
            _sending.set(None)

    def wrapped_mark(self: Sent) -> None:
        mark(self)
        fuse.reached(Point.BEFORE_SEND, *(_sending.get() or ()))
        _going_out.set(True)

    async def wrapped_send(self: ClientConnection, message: Any, *, text: bool | None = None) -> None:
        goes_out = _going_out.get()
        _going_out.set(False)
        await send(self, message, text=text)
        await sent(self.transport, goes_out=goes_out)

    async def wrapped_start(self: ClientResponse, connection: Connection) -> ClientResponse:
        goes_out = _going_out.get()
        _going_out.set(False)
        if self._writer is not None:
            await self._writer
        await sent(connection.transport, goes_out=goes_out)
        return await start(self, connection)

    async def sent(transport: WriteTransport | None, *, goes_out: bool) -> None:
        if goes_out and fuse.burns(Point.AFTER_SEND, *(_sending.get() or ())):
            while transport is not None and transport.get_write_buffer_size():
                await anyio.lowlevel.checkpoint()
            fuse.blow()

    Placing._send = wrapped_place  # type: ignore[assignment,method-assign]  # the real method, which tells whose mark it is
    Sent.mark = wrapped_mark  # type: ignore[method-assign]  # the real method, with an end behind it
    ClientResponse.start = wrapped_start  # type: ignore[method-assign]  # the real method, when all has been written
    ClientConnection.send = wrapped_send  # type: ignore[method-assign,assignment]  # of its overloads the one used


def wrap_dispatcher(fuse: Fuse) -> None:
    """Cut off when the reply is made and not sent."""
    answer = Dispatcher.answer

    async def wrapped(self: Dispatcher, session: Session, message: Message) -> bytes | None:
        reply = await answer(self, session, message)
        if isinstance(message, Request):
            fuse.reached(Point.BEFORE_REPLY, message.method, message.params.get("intent"))
        return reply

    Dispatcher.answer = wrapped  # type: ignore[method-assign]  # the real method, with an end behind it


if __name__ == "__main__":
    armed = Fuse(Path(os.environ["FAILPOINT"]))  # noqa: TID251 - a word to this entry point, not a setting
    for wrap in (wrap_audit, wrap_journal, wrap_sending, wrap_dispatcher):
        wrap(armed)
    resolving.EAGER_S, resolving.FIRST_ROUND_S = LONGEST_S, FIRST_ROUND_S
    sys.exit(main())
